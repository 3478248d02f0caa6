//! The real program, killed in each gap of a job's turn that can be told from outside.
//!
//! A relay before the service stops the turn at a request or at its answer; from there strace
//! kills the program at the first write of the database, or as the create's connection is made.

use std::{os::unix::process::ExitStatusExt as _, process::Stdio, sync::Arc};

use parserd::engine::worker::turn::crash_point::CrashPoint;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
};

use super::{
    books,
    program::{can_trace, ended, finish, parserd, said},
};
use crate::common::{Harness, PATIENCE};

const LIST: &str = "GET /parsers?";
const CREATE: &str = "POST /parsers";
const POLL: &str = "GET /parsers/";

/// Where the relay stops the first request of a kind.
#[derive(Debug, Clone, Copy)]
enum Stop {
    Before(&'static str),
    After(&'static str),
}

/// How a gap is come to.
#[derive(Debug, Clone, Copy)]
struct Way {
    stop: Stop,
    /// The system call at which it is killed, once the relay lets it go on; none: there and then.
    call: Option<&'static str>,
}

/// What is there when it was killed.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    state: &'static str,
    pending: usize,
    made: usize,
    parsers: usize,
}

/// The way to a gap, and what it leaves behind.
const fn expected(point: CrashPoint) -> (Way, Left) {
    let (stop, call, state, [pending, made, parsers]) = match point {
        CrashPoint::Claimed => (Stop::Before(LIST), None, "QUEUED", [0, 0, 0]),
        // Nothing that can be told from outside lies between these: the first write after the
        // list is of the intent's commit.
        CrashPoint::Planned | CrashPoint::Cleared | CrashPoint::Reserved => {
            (Stop::After(LIST), Some("pwrite64"), "QUEUED", [0, 0, 0])
        }
        CrashPoint::Intended => (Stop::After(LIST), Some("connect"), "CREATING", [1, 0, 0]),
        CrashPoint::Sent => (Stop::After(CREATE), Some("pwrite64"), "CREATING", [1, 0, 1]),
        CrashPoint::Answered => (Stop::Before(POLL), None, "GENERATING", [0, 1, 1]),
    };
    let left = Left {
        state,
        pending,
        made,
        parsers,
    };
    (Way { stop, call }, left)
}

#[tokio::test]
async fn killed_at_each_crash_point_nothing_is_paid_twice_lost_or_stuck() {
    let can_trace = can_trace().await;
    for point in CrashPoint::ALL {
        let (way, expected) = expected(*point);
        if way.call.is_some() && !can_trace {
            continue;
        }
        let mut harness = Harness::new(&[]).await;
        harness.enqueue(1).await;
        let mut relay = Relay::start(&harness, way.stop).await;
        harness.set("api.base_url", &relay.base_url);
        kill(&harness, &mut relay, way).await;
        assert_eq!(left(&harness).await, expected, "{point}");
        finish(&harness).await.unwrap();
        let (made, sent) = (books::parsers(&harness), books::sent(&harness));
        let faults = books::faults(&harness, 1, &made, &sent).await;
        assert!(faults.is_empty(), "{point}: {faults:#?}");
        assert_eq!(sent.values().sum::<usize>(), 1, "{point}");
    }
}

/// Runs the program until it is killed.
async fn kill(harness: &Harness, relay: &mut Relay, way: Way) {
    let mut child = parserd(harness, &["run"]).spawn().unwrap();
    relay.came().await;
    let strace = match way.call {
        Some(call) => Some(attached(harness, &child, call).await),
        None => {
            child.start_kill().unwrap();
            None
        }
    };
    if strace.is_some() {
        relay.release();
    }
    let status = ended(child).await;
    let status = status.unwrap_or_else(|| panic!("it hangs\n{}", said(harness)));
    assert_eq!(status.signal(), Some(9), "{way:?}\n{}", said(harness));
    relay.release();
    if let Some(strace) = strace {
        ended(strace).await.expect("strace ends with it");
    }
}

/// strace, once it has the program and kills it at this call.
async fn attached(harness: &Harness, child: &Child, call: &str) -> Child {
    let mut strace = Command::new("strace")
        .args(["-f", &format!("--trace={call}")])
        .arg(format!("--inject={call}:signal=KILL"))
        .arg("-o")
        .arg(harness.directory.path().join("trace.txt"))
        .args(["-p", &child.id().unwrap().to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(strace.stderr.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    let line = line.unwrap().unwrap().unwrap_or_default();
    assert!(line.contains("attached"), "{line}");
    // Nobody reads on: a pipe that is closed would end it.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    strace
}

async fn left(harness: &Harness) -> Left {
    let states = harness.sql("SELECT state FROM jobs").await.unwrap();
    let states_known = ["QUEUED", "CREATING", "GENERATING"];
    let state = states_known.iter().find(|state| states == [**state]);
    let creates = harness.sql("SELECT outcome FROM creates").await.unwrap();
    let count = |outcome: &str| creates.iter().filter(|found| *found == outcome).count();
    Left {
        state: state.unwrap_or_else(|| panic!("{states:?}")),
        pending: count("pending"),
        made: count("made"),
        parsers: books::parsers(harness).len(),
    }
}

/// Passes bytes on, and stops once.
struct Relay {
    base_url: String,
    stopped: watch::Receiver<bool>,
    go_on: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// What its connections share.
struct Passage {
    stop: Stop,
    stopped: watch::Sender<bool>,
    go_on: watch::Receiver<bool>,
}

impl Relay {
    async fn start(harness: &Harness, stop: Stop) -> Self {
        let service = harness.server.base_url();
        let service = service.strip_prefix("http://").unwrap();
        let service = service.trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let (stopping, stopped) = watch::channel(false);
        let (go_on, going_on) = watch::channel(false);
        let passage = Arc::new(Passage {
            stop,
            stopped: stopping,
            go_on: going_on,
        });
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let service = TcpStream::connect(&service).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_service, to_service) = service.into_split();
                let (asking, asked) = watch::channel(String::new());
                let passage = Arc::clone(&passage);
                let answers = answers(Arc::clone(&passage), from_service, to_client, asked);
                tokio::spawn(answers);
                tokio::spawn(requests(passage, from_client, to_service, asking));
            }
        });
        Self {
            base_url,
            stopped,
            go_on,
            task,
        }
    }

    /// Waits until the request that is to be stopped has come.
    async fn came(&mut self) {
        let stopped = self.stopped.wait_for(|stopped| *stopped);
        let waited = tokio::time::timeout(PATIENCE, stopped).await;
        waited.expect("the request comes").unwrap();
    }

    fn release(&self) {
        self.go_on.send_replace(true);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Passage {
    async fn stop(&self) {
        self.stopped.send_replace(true);
        let mut go_on = self.go_on.clone();
        let _end_of_test = go_on.wait_for(|go_on| *go_on).await;
    }
}

/// A request's head comes in one piece, and none with another's end.
async fn requests(
    passage: Arc<Passage>,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    asking: watch::Sender<String>,
) {
    let mut chunk = vec![0; 16 * 1024];
    // A client that is killed ends it.
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        let text = String::from_utf8_lossy(&chunk[..length]).into_owned();
        if matches!(passage.stop, Stop::Before(head) if text.starts_with(head)) {
            passage.stop().await;
        }
        if text.starts_with("GET ") || text.starts_with("POST ") {
            asking.send_replace(text);
        }
        if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}

async fn answers(
    passage: Arc<Passage>,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    asked: watch::Receiver<String>,
) {
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        let is_held = matches!(passage.stop, Stop::After(head) if asked.borrow().starts_with(head));
        if is_held {
            passage.stop().await;
        }
        if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}
