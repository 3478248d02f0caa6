//! SIGKILL at a choice of system calls from start-up to the end of a job, and calls that fail,
//! by strace's injection. A kill on entering a call leaves what the calls before it
//! did, so the place after a call is that of the next one.

use std::{
    collections::{BTreeMap, HashMap},
    os::unix::process::ExitStatusExt as _,
    path::Path,
};

use futures_util::{StreamExt as _, stream};

use super::{
    books,
    program::{can_trace, ended, finish, said, size, traced},
};
use crate::common::Harness;

/// Runs under way at once: most of their time is settling.
const AT_ONCE: usize = 8;

/// What the money path consists of; it gets most of the places. Not every one of them by
/// default: raise PARSERD_TEST_SYSCALLS for that.
const VITAL: &[&str] = &[
    "fsync",
    "fdatasync",
    "ftruncate",
    "unlink",
    "rename",
    "connect",
    "sendto",
    "writev",
    "recvfrom",
    "flock",
];

/// Thousands of them wait for or look at something; sampled even when all are asked for.
const MAX_PER_NAME: usize = 400;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    name: String,
    nth: usize,
}

/// How an injection ended.
#[derive(Debug, Default)]
struct Tally {
    runs: usize,
    struck: usize,
    resent: usize,
    /// Runs that ended with a create in doubt.
    in_doubt: usize,
    faults: Vec<String>,
}

#[tokio::test]
async fn killed_at_system_calls_nothing_is_paid_twice_lost_or_stuck() {
    if !can_trace().await {
        return;
    }
    let template = Template::new().await;
    let calls = template.calls().await;
    let total: usize = calls.values().map(|call| call.most).sum();
    let points = choose(&calls, size("PARSERD_TEST_SYSCALLS", 70));
    let tally = tally(&template, &points, "signal=KILL").await;
    println!(
        "{} of {} injected kills struck, of {total} places (each thread's calls by name and \
         number); {} left a create in doubt; {} creates were sent again; {} faults",
        tally.struck,
        tally.runs,
        tally.in_doubt,
        tally.resent,
        tally.faults.len()
    );
    assert!(tally.faults.is_empty(), "{:#?}", tally.faults);
    // Which thread does what differs from run to run: some calls are not reached.
    assert!(tally.struck * 2 > tally.runs, "{tally:?}");
    assert!(tally.in_doubt > 0, "{tally:?}");
}

#[tokio::test]
async fn calls_that_fail_pay_for_nothing_twice_and_lose_nothing() {
    if !can_trace().await {
        return;
    }
    let template = Template::new().await;
    let calls = template.calls().await;
    let each = size("PARSERD_TEST_SYSCALL_ERRORS", 4);
    for (name, error) in [
        ("fsync", "EIO"),
        ("pwrite64", "ENOSPC"),
        ("pwrite64", "EIO"),
        ("pread64", "EIO"),
        ("ftruncate", "EIO"),
        ("openat", "EMFILE"),
        ("recvfrom", "ECONNRESET"),
        ("writev", "EPIPE"),
        ("connect", "ECONNREFUSED"),
    ] {
        let only: BTreeMap<_, _> = calls
            .iter()
            .filter(|(found, _)| *found == name)
            .map(|(found, call)| (found.clone(), call.clone()))
            .collect();
        let points = spread(&only, name, each);
        assert!(!points.is_empty(), "{name} is called");
        let tally = tally(&template, &points, &format!("error={error}")).await;
        println!(
            "{name} failing with {error}: struck in {} of {} runs, {} creates were sent again, \
             {} faults",
            tally.struck,
            tally.runs,
            tally.resent,
            tally.faults.len()
        );
        assert!(tally.faults.is_empty(), "{:#?}", tally.faults);
    }
}

/// What is known of one system call from clean runs.
#[derive(Debug, Clone, Default)]
struct Calls {
    /// The most that a single thread makes.
    most: usize,
    /// Those that write to the database or its log, rather than to its shared memory.
    durable: Vec<usize>,
}

/// A database with jobs, to begin each run from.
struct Template {
    harness: Harness,
}

const JOBS: usize = 2;

impl Template {
    async fn new() -> Self {
        let harness = Harness::new(&[]).await;
        harness.enqueue(JOBS).await;
        Self { harness }
    }

    async fn copy(&self) -> Harness {
        let mut harness = Harness::new(&["create delay=5ms"]).await;
        std::fs::copy(self.harness.database(), harness.database()).unwrap();
        // Longer than the simulator needs to read what a dead sender has sent.
        harness.set("reconcile.settle", "1s");
        harness.set("reconcile.settle_after_error", "500ms");
        harness.set("retry.max_attempts", "20");
        harness.set("workers.max_requests", "2");
        harness
    }

    /// The calls of clean runs, by name. strace counts each thread's by themselves.
    async fn calls(&self) -> BTreeMap<String, Calls> {
        let harness = self.copy().await;
        let log = harness.directory.path().join("trace.txt");
        let run = &["run", "--until-done"];
        let child = traced(&harness, &log, &["-y"], run).spawn().unwrap();
        let status = ended(child).await.expect("a clean run ends");
        assert!(status.success(), "{}", said(&harness));
        count(&std::fs::read_to_string(log).unwrap())
    }
}

fn count(trace: &str) -> BTreeMap<String, Calls> {
    let mut by_thread: HashMap<(&str, &str), usize> = HashMap::new();
    let mut calls: BTreeMap<String, Calls> = BTreeMap::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else {
            continue;
        };
        let Some((name, arguments)) = call.trim_start().split_once('(') else {
            continue;
        };
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            continue;
        }
        let nth = by_thread.entry((thread, name)).or_default();
        *nth += 1;
        let known = calls.entry(name.to_owned()).or_default();
        known.most = known.most.max(*nth);
        let file = arguments.split('>').next().unwrap_or_default();
        if file.ends_with("parserd.db") || file.ends_with("parserd.db-wal") {
            known.durable.push(*nth);
        }
    }
    calls
}

/// At most `limit` places, the vital ones first, the others as evenly as may be.
fn choose(calls: &BTreeMap<String, Calls>, limit: usize) -> Vec<Call> {
    let mut points: Vec<Call> = Vec::new();
    for name in VITAL {
        points.extend(spread(calls, name, limit / 8));
    }
    points.extend(spread(calls, "pwrite64", limit / 4));
    let left = limit.saturating_sub(points.len());
    let others: Vec<&String> = calls
        .keys()
        .filter(|name| !VITAL.contains(&name.as_str()) && *name != "pwrite64")
        .collect();
    let per_name = (left / others.len().max(1)).max(1);
    for name in others {
        points.extend(spread(calls, name, per_name));
    }
    points.truncate(limit.max(1));
    points
}

fn spread(calls: &BTreeMap<String, Calls>, name: &str, at_most: usize) -> Vec<Call> {
    let Some(call) = calls.get(name) else {
        return Vec::new();
    };
    let mut places: Vec<usize> = if name == "pwrite64" && at_most < call.most {
        call.durable.clone()
    } else {
        (1..=call.most).collect()
    };
    places.sort_unstable();
    places.dedup();
    let count = places.len().min(at_most).min(MAX_PER_NAME);
    (0..count)
        .map(|n| Call {
            name: name.to_owned(),
            nth: places[n * places.len() / count],
        })
        .collect()
}

async fn tally(template: &Template, points: &[Call], injection: &str) -> Tally {
    let outcomes: Vec<Result<Strike, String>> = stream::iter(points)
        .map(|call| strike(template, call, injection))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut tally = Tally::default();
    for outcome in outcomes {
        tally.runs += 1;
        match outcome {
            Ok(strike) => {
                tally.struck += usize::from(strike.struck);
                tally.in_doubt += usize::from(strike.in_doubt > 0);
                tally.resent += strike.sent.saturating_sub(JOBS);
            }
            Err(fault) => tally.faults.push(fault),
        }
    }
    tally
}

struct Strike {
    struck: bool,
    /// Creates in doubt when the run with the injection had ended.
    in_doubt: usize,
    /// Creates sent in all.
    sent: usize,
}

/// One run with the injection, and then plain ones until all is done.
async fn strike(template: &Template, call: &Call, injection: &str) -> Result<Strike, String> {
    let harness = template.copy().await;
    let log = harness.directory.path().join("trace.txt");
    let Call { name, nth } = call;
    let strace_args = [
        &format!("--trace={name}") as &str,
        &format!("--inject={name}:{injection}:when={nth}"),
    ];
    let fault = |what: &str| {
        format!(
            "{name} {nth} {injection}: {what}\n{}",
            said(&harness).trim_end()
        )
    };
    let child = traced(&harness, &log, &strace_args, &["run", "--until-done"])
        .spawn()
        .unwrap();
    let status = ended(child).await.ok_or_else(|| fault("it hangs"))?;
    let was_killed = status.signal() == Some(9);
    let struck = was_killed || has_struck(&log);
    if was_killed != (struck && injection == "signal=KILL") {
        return Err(fault(&format!("it ended with {status}")));
    }
    let in_doubt = in_doubt(&harness.database()).await;
    finish(&harness).await.map_err(|error| fault(&error))?;
    let (made, sent) = (books::parsers(&harness), books::sent(&harness));
    let faults = books::faults(&harness, JOBS, &made, &sent).await;
    if !faults.is_empty() || made.len() != JOBS {
        return Err(fault(&format!("{faults:#?} {made:?}")));
    }
    Ok(Strike {
        struck,
        in_doubt,
        sent: sent.values().sum(),
    })
}

/// Looks at a copy: SQLite would mend what the next run is to mend.
async fn in_doubt(database: &Path) -> usize {
    let copy = tempfile::tempdir().unwrap();
    let directory = database.parent().unwrap();
    for name in ["parserd.db", "parserd.db-wal"] {
        if directory.join(name).exists() {
            std::fs::copy(directory.join(name), copy.path().join(name)).unwrap();
        }
    }
    books::in_doubt(&copy.path().join("parserd.db")).await
}

fn has_struck(log: &Path) -> bool {
    let trace = std::fs::read_to_string(log).unwrap();
    trace.contains("(INJECTED)")
}

/// What is given up must not be sent for much longer.
#[tokio::test]
async fn the_kernel_gives_up_unacknowledged_bytes_when_a_request_is_given_up() {
    if !can_trace().await {
        return;
    }
    let mut harness = Harness::new(&[]).await;
    harness.set("api.request_timeout", "7s");
    harness.enqueue(1).await;
    let log = harness.directory.path().join("options.txt");
    let strace_args = ["-e", "trace=setsockopt,connect"];
    let child = traced(&harness, &log, &strace_args, &["run", "--until-done"])
        .spawn()
        .unwrap();
    let status = ended(child).await.expect("it ends");
    assert_eq!(status.code(), Some(0), "{}", said(&harness));
    let trace = std::fs::read_to_string(&log).unwrap();
    let pinned = trace.matches("TCP_USER_TIMEOUT, [7000]").count();
    let connected = trace.matches("sa_family=AF_INET").count();
    assert!(connected >= 2, "{trace}");
    assert_eq!(pinned, connected, "{trace}");
}
