//! The real program, killed in each gap of a job's turn that can be told from outside.
//!
//! A relay before the service stops the turn at a request or at its answer; from there strace
//! kills the program at the first write of the database, or as the create's connection is made.

use std::{
    os::unix::process::ExitStatusExt as _,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parserd::{engine::worker::turn::crash_point::CrashPoint, simulator::Endpoint};
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
use crate::{
    common::{Harness, PATIENCE},
    life::{MODIFY, RENAME, shop},
};

const LIST: &str = "GET /parsers?";
const PATCH: &str = "PATCH /parsers/";
const DELETE: &str = "DELETE /parsers/";
const CREATE: &str = "POST /parsers";
const POLL: &str = "GET /parsers/";

/// Where the relay stops the first request of a kind.
#[derive(Debug, Clone, Copy)]
pub enum Stop {
    Before(&'static str),
    After(&'static str),
    /// Before the second one, once the first was answered.
    AfterThen(&'static str, &'static str),
}

/// How a gap is come to.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    pub stop: Stop,
    /// The system call at which it is killed, once the relay lets it go on; none: there and then.
    pub call: Option<&'static str>,
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

/// What a job changes, by what it is called in messages.
const CHANGES: [(&str, &str, &str); 3] = [
    ("free", "update", RENAME),
    ("paid", "update", MODIFY),
    ("delete", "delete", ""),
];

/// The way to a gap of an update's or delete's turn, what its job and its request are then, and
/// whether it took effect.
const fn of_a_change(
    point: CrashPoint,
    request: &'static str,
) -> (Way, &'static str, &'static str, bool) {
    // The list names the version that the parser's own answer lacks.
    let (stop, call, state, outcome, is_made) = match point {
        CrashPoint::Claimed => (Stop::Before(POLL), None, "QUEUED", "", false),
        CrashPoint::Planned | CrashPoint::Cleared | CrashPoint::Reserved => {
            (Stop::After(LIST), Some("pwrite64"), "QUEUED", "", false)
        }
        CrashPoint::Intended => (Stop::Before(request), None, "CREATING", "pending", false),
        CrashPoint::Sent => (
            Stop::After(request),
            Some("pwrite64"),
            "CREATING",
            "pending",
            true,
        ),
        CrashPoint::Answered => (
            Stop::AfterThen(request, POLL),
            None,
            "GENERATING",
            "made",
            true,
        ),
    };
    (Way { stop, call }, state, outcome, is_made)
}

#[tokio::test]
async fn killed_at_each_crash_point_a_change_is_made_once_and_paid_once() {
    let can_trace = can_trace().await;
    for (part, action, change) in CHANGES {
        let is_delete = part == "delete";
        let request = if is_delete { DELETE } else { PATCH };
        for point in CrashPoint::ALL {
            let (way, state, outcome, is_made) = of_a_change(*point, request);
            // Nothing is asked of a parser that is deleted.
            let is_told = !(is_delete && *point == CrashPoint::Answered);
            if !is_told || way.call.is_some() && !can_trace {
                continue;
            }
            let mut harness = shop(&[]).await;
            let spent = |harness: &Harness| {
                harness
                    .server
                    .with(|simulator| simulator.world.credits_spent())
            };
            let before = spent(&harness);
            let change = if is_delete {
                "NULL"
            } else {
                &format!("'{change}'")
            };
            let insert = format!(
                "INSERT INTO jobs (action, name, change) VALUES ('{action}', 'shop', {change})"
            );
            harness.sql(&insert).await.unwrap();
            let mut relay = Relay::start(&harness, way.stop).await;
            harness.set("api.base_url", &relay.base_url);
            kill(&harness, &mut relay, way).await;
            let left = "SELECT state || ' ' || coalesce((SELECT outcome FROM updates), '') \
                FROM jobs WHERE id = 2";
            let left = harness.sql(left).await.unwrap();
            assert_eq!(left, [format!("{state} {outcome}")], "{part} {point}");
            assert_eq!(made(&harness), usize::from(is_made), "{part} {point}");
            finish(&harness).await.unwrap();
            let left = "SELECT state || ' ' || (SELECT group_concat(outcome) FROM updates \
                WHERE outcome <> 'not_made') FROM jobs WHERE id = 2";
            let left = harness.sql(left).await.unwrap();
            assert_eq!(left, ["FINISHED made"], "{part} {point}");
            assert_eq!(made(&harness), 1, "{part} {point}");
            let cost = if part == "paid" { 30_000 } else { 0 };
            assert_eq!(spent(&harness) - before, cost, "{part} {point}");
            let creates = harness.requests(Endpoint::Create);
            assert_eq!(creates, 1, "{part} {point}");
        }
    }
}

/// How many changes took effect: versions beside the first, and parsers that are gone.
fn made(harness: &Harness) -> usize {
    let parsers = harness
        .server
        .with(|simulator| simulator.world.parsers(i64::MAX));
    parsers.first().map_or(1, |parser| parser.versions - 1)
}

/// Runs the program until it is killed.
pub async fn kill(harness: &Harness, relay: &mut Relay, way: Way) {
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
pub struct Relay {
    pub base_url: String,
    stopped: watch::Receiver<bool>,
    go_on: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// What its connections share.
struct Passage {
    stop: Stop,
    stopped: watch::Sender<bool>,
    go_on: watch::Receiver<bool>,
    was_answered: AtomicBool,
}

impl Relay {
    pub async fn start(harness: &Harness, stop: Stop) -> Self {
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
            was_answered: AtomicBool::new(false),
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
        let is_held = match passage.stop {
            Stop::Before(head) => text.starts_with(head),
            Stop::AfterThen(_, then) => {
                passage.was_answered.load(Ordering::Acquire) && text.starts_with(then)
            }
            Stop::After(_) => false,
        };
        if is_held {
            passage.stop().await;
        }
        if ["GET ", "POST ", "PATCH ", "DELETE "]
            .iter()
            .any(|verb| text.starts_with(verb))
        {
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
        if matches!(passage.stop, Stop::AfterThen(head, _) if asked.borrow().starts_with(head)) {
            passage.was_answered.store(true, Ordering::Release);
        }
        if is_held {
            passage.stop().await;
        }
        if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}
