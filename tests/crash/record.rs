//! One run of the real program, from the making of the database to the end of the last
//! job, as strace saw it.

use std::{collections::HashMap, path::PathBuf};

use serde_json::json;

use crate::{
    books,
    common::Harness,
    disk::Disk,
    program::{ended, said, traced},
    trace,
    wire::first_create,
};

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
const DESCRIPTIONS: usize = 10;

#[derive(Debug)]
pub struct Record {
    pub disk: Disk,
    pub posts: Vec<Post>,
    /// The parsers of the service in the end: name and id.
    pub parsers: Vec<books::Made>,
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
    pub async fn new() -> Self {
        let mut harness = Harness::new(FAULTS).await;
        harness.set("workers.max_requests", "4");
        harness.set("retry.max_attempts", "20");
        let folder = harness.folder.path().to_owned();
        let jobs: Vec<_> = (0..JOBS).map(large).collect();
        let jobs = serde_json::Value::from(jobs).to_string();
        std::fs::write(folder.join("jobs.json"), jobs).unwrap();
        let enqueue = run_traced(&harness, &["enqueue", "jobs.json"]).await;
        let run = run_traced(&harness, &["run", "--until-done"]).await;
        let enqueued = enqueue.lines().count();
        let mut calls = trace::calls(&enqueue, 0);
        calls.extend(trace::calls(&run, enqueued));
        let database = harness.database();
        let prefix = database.file_name().unwrap().to_str().unwrap();
        let mut disk = Disk::default();
        for call in &calls {
            disk.take(call, &folder, prefix);
        }
        let record = Self {
            disk,
            posts: posts(&calls),
            parsers: books::parsers(&harness),
            enqueued,
            end: enqueued + run.lines().count(),
        };
        assert_eq!(
            record.posts.len(),
            books::sent(&harness).values().sum::<usize>(),
            "each create was seen on its way"
        );
        let made = record.posts.iter().filter(|post| post.made()).count();
        assert_eq!(made, JOBS, "{:?}", record.posts);
        assert_eq!(record.parsers.len(), JOBS);
        let last = record.posts.last().map_or(0, |post| post.begun);
        let copied = record.disk.changes_of(prefix, record.enqueued..last);
        assert!(
            copied > 0,
            "the log was copied into the database on the way"
        );
        record
    }
}

fn large(n: usize) -> serde_json::Value {
    let fields: Vec<_> = (0..DESCRIPTIONS)
        .map(|field| json!({ "name": format!("field-{field}"), "description": "d".repeat(2000) }))
        .collect();
    let url = format!("https://site-{n}.example/page");
    json!({ "name": format!("job-{n}"), "urls": [url], "fields": fields })
}

async fn run_traced(harness: &Harness, args: &[&str]) -> String {
    let log: PathBuf = harness.folder.path().join("trace.txt");
    let strace_args = ["-yy", "-xx", "-s", "10000000", trace::CALLS];
    let child = traced(harness, &log, &strace_args, args).spawn().unwrap();
    let status = ended(child).await.expect("a clean run ends");
    assert!(status.success(), "{}", said(harness));
    std::fs::read_to_string(log).unwrap()
}

/// The creates, by their connections: one of these carries one request at a time.
fn posts(calls: &[trace::Call]) -> Vec<Post> {
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
