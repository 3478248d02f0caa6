//! One run of the real program, from the making of the database to the end of the last
//! job, as strace saw it.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use serde_json::json;

use super::{
    books::{self, Made},
    disk::{Disk, FIRST_PLACE},
    program::{ended, said, traced},
    restart::Left,
    trace::{self, Call},
    wire::first_create,
};
use crate::common::Harness;

pub const JOBS: usize = 24;

/// Some creates fail, and some answers are lost, so that names are sent again. What
/// became of a create is to be told by its status alone: see [`Post::made`].
const FAULTS: &[&str] = &[
    "create status=503 before p=0.15",
    "create lose after p=0.15",
    "create delay=5ms",
];

/// Long enough that SQLite copies its log into the database, and begins the log anew,
/// in the middle of the run: it does so at 1000 pages.
const DESCRIPTIONS: usize = 14;

/// The database's file; those that SQLite puts beside it begin with its name.
const DATABASE: &str = "parserd.db";

#[derive(Debug)]
pub struct Record {
    pub disk: Disk,
    pub posts: Vec<Post>,
    /// The parsers of the service in the end.
    pub parsers: Vec<Made>,
    /// Those that were there before, and the creates that had been sent.
    pub parsers_before: Vec<Made>,
    earlier: BTreeMap<String, usize>,
    /// Where `parserd enqueue` had ended with success, and where `parserd run` had.
    pub enqueued: usize,
    pub end: usize,
}

/// A create on the wire.
#[derive(Debug, Clone)]
pub struct Post {
    pub name: String,
    /// Where its first byte may have gone out.
    pub begun: usize,
    /// Where the first byte of an answer came, and its status.
    pub answered: Option<(usize, String)>,
}

impl Post {
    /// Whether it made a parser in the end.
    pub fn made(&self) -> bool {
        self.answered
            .as_ref()
            .is_none_or(|(_, status)| status != "503")
    }
}

impl Record {
    /// Of a run on a new database.
    pub async fn new() -> Self {
        let harness = harness().await;
        let jobs: Vec<_> = (0..JOBS).map(large).collect();
        let jobs = serde_json::Value::from(jobs).to_string();
        std::fs::write(harness.directory.path().join("jobs.json"), jobs).unwrap();
        let enqueue = run_traced(&harness, &["enqueue", "jobs.json"]).await;
        let mut record = Self::empty(FIRST_PLACE + enqueue.lines().count());
        let calls = trace::calls(&enqueue, FIRST_PLACE);
        record.go_on(&harness, calls).await;
        // Else the most delicate part of SQLite's work would be left out.
        let last = record.posts.last().map_or(0, |post| post.begun);
        let copied = record.disk.changes_of(DATABASE, record.enqueued..last);
        assert!(
            copied > 0,
            "the log was copied into the database on the way"
        );
        record
    }

    /// Of a run on what a power cut has left.
    pub async fn of_recovery(left: &Left) -> Self {
        let mut record = Self::empty(FIRST_PLACE);
        record.disk = Disk::of(left.harness.directory.path(), DATABASE);
        record.parsers_before.clone_from(&left.parsers);
        record.earlier.clone_from(&left.sent);
        record.go_on(&left.harness, Vec::new()).await;
        record
    }

    fn empty(enqueued: usize) -> Self {
        Self {
            disk: Disk::default(),
            posts: Vec::new(),
            parsers: Vec::new(),
            parsers_before: Vec::new(),
            earlier: BTreeMap::new(),
            enqueued,
            end: enqueued,
        }
    }

    /// Runs until all is done, after these calls.
    async fn go_on(&mut self, harness: &Harness, mut calls: Vec<Call>) {
        let run = run_traced(harness, &["run", "--until-done"]).await;
        self.end = self.enqueued + run.lines().count();
        calls.extend(trace::calls(&run, self.enqueued));
        for call in &calls {
            self.disk.take(call, harness.directory.path(), DATABASE);
        }
        self.posts = posts(&calls);
        self.parsers = books::parsers(harness);
        let sent: usize = books::sent(harness).values().sum();
        assert_eq!(self.posts.len(), sent, "each create was seen on its way");
        let made = self.posts.iter().filter(|post| post.made()).count();
        assert_eq!(made + self.parsers_before.len(), JOBS, "{:?}", self.posts);
        assert_eq!(self.parsers.len(), JOBS);
    }

    /// How many creates of each name had begun before this place.
    pub fn sent_before(&self, place: usize) -> BTreeMap<String, usize> {
        let mut sent = self.earlier.clone();
        for post in self.posts.iter().filter(|post| post.begun < place) {
            *sent.entry(post.name.clone()).or_default() += 1;
        }
        sent
    }
}

pub async fn harness() -> Harness {
    let mut harness = Harness::new(FAULTS).await;
    harness.set("workers.max_requests", "4");
    harness.set("retry.max_attempts", "20");
    harness
}

fn large(n: usize) -> serde_json::Value {
    let fields: Vec<_> = (0..DESCRIPTIONS)
        .map(|field| json!({ "name": format!("field-{field}"), "description": "d".repeat(2000) }))
        .collect();
    let url = format!("https://site-{n}.example/page");
    json!({ "name": format!("job-{n}"), "urls": [url], "fields": fields })
}

async fn run_traced(harness: &Harness, args: &[&str]) -> String {
    let log: PathBuf = harness.directory.path().join("trace.txt");
    let strace_args = ["-yy", "-xx", "-s", "10000000", trace::CALLS];
    let child = traced(harness, &log, &strace_args, args).spawn().unwrap();
    let status = ended(child).await.expect("a clean run ends");
    assert!(status.success(), "{}", said(harness));
    std::fs::read_to_string(log).unwrap()
}

/// The creates, by their connections: one of these carries one request at a time.
fn posts(calls: &[Call]) -> Vec<Post> {
    #[derive(Default)]
    struct Connection {
        sent: Vec<u8>,
        begun: usize,
        waiting: Option<usize>,
    }
    let mut connections: HashMap<String, Connection> = HashMap::new();
    let mut posts: Vec<Post> = Vec::new();
    for call in calls {
        let is_send = matches!(
            call.name.as_str(),
            "write" | "writev" | "sendto" | "sendmsg"
        );
        let is_receive = call.name == "recvfrom";
        if !is_send && !is_receive {
            continue;
        }
        let path = call.path();
        if !path.starts_with("TCP:") {
            continue;
        }
        let bytes = call.bytes();
        let connection = connections.entry(path).or_default();
        if is_send {
            if connection.sent.is_empty() || bytes.starts_with(b"POST ") {
                connection.sent.clear();
                connection.begun = call.begun;
            }
            connection.sent.extend_from_slice(&bytes);
            if let Some((name, _)) = first_create(&connection.sent) {
                connection.sent.clear();
                connection.waiting = Some(posts.len());
                posts.push(Post {
                    name,
                    begun: connection.begun,
                    answered: None,
                });
            } else if !connection.sent.starts_with(b"POST ") {
                connection.sent.clear();
            }
        } else if let Some(answer) = bytes.strip_prefix(b"HTTP/1.1 ")
            && let Some(post) = connection.waiting.take()
        {
            let status = String::from_utf8_lossy(&answer[..3.min(answer.len())]).into_owned();
            posts[post].answered = Some((call.done, status));
        }
    }
    posts
}
