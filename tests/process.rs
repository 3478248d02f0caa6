//! The real program under signals, with requests in flight; its key nowhere; old jobs gone.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod loading;

use std::{
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::common::{
    Harness,
    program::{Program, parserd, stderr, written},
};
use parserd::{
    core::job::JobState,
    simulator::{Endpoint, WorldConfig},
};
use rustix::process::Signal;

/// A key that can be found again wherever it should not be.
const CANARY_KEY: &str = "canary-7f3a91c05e-key";

#[tokio::test]
async fn term_and_int_wait_for_the_create_under_way_and_exit_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let harness = Harness::new(&["create delay=700ms", "create generation=1h"]).await;
        harness.enqueue(1).await;
        let program = Program::start(parserd(&harness, &["run"]));
        harness
            .wait_until("a create", async || harness.requests(Endpoint::Create) == 1)
            .await;
        program.signal(signal);
        let output = program.ended().await;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        harness.await_states(&[(JobState::Generating, 1)]).await;
        assert_eq!(harness.requests(Endpoint::Create), 1);
    }
}

#[tokio::test]
async fn a_second_term_leaves_at_once_and_the_next_start_settles_the_create() {
    let mut harness = Harness::new(&["create delay=15s nth=1"]).await;
    harness.set("api.request_timeout", "60s");
    harness.enqueue(1).await;
    let program = Program::start(parserd(&harness, &["run"]));
    harness
        .wait_until("a create", async || harness.requests(Endpoint::Create) == 1)
        .await;
    program.signal(Signal::TERM);
    harness.await_states(&[(JobState::Creating, 1)]).await;
    let asked = Instant::now();
    program.signal(Signal::TERM);
    let output = program.ended().await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "it waited for the answer"
    );
    let output = Program::start(parserd(&harness, &["run", "--until-done"]))
        .ended()
        .await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    harness.await_states(&[(JobState::Finished, 1)]).await;
    harness.assert_one_parser_each(1);
}

#[tokio::test]
async fn a_second_daemon_exits_75_and_names_the_database() {
    let harness = Harness::new(&["create generation=1h"]).await;
    harness.enqueue(1).await;
    let first = Program::start(parserd(&harness, &["run"]));
    harness.await_states(&[(JobState::Generating, 1)]).await;
    let output = Program::start(parserd(&harness, &["run"])).ended().await;
    assert_eq!(output.status.code(), Some(75));
    assert!(
        stderr(&output).contains("parserd.db"),
        "{}",
        stderr(&output)
    );
    first.signal(Signal::TERM);
    let ended = first.ended().await;
    assert_eq!(ended.status.code(), Some(0));
    let printed = stderr(&ended);
    assert!(
        printed.trim_end().ends_with("parserd has stopped"),
        "the daemon sums nothing up: {printed}"
    );
}

#[tokio::test]
async fn a_standby_takes_over_when_the_other_daemon_ends_or_ends_when_told_to() {
    const WAITS: &str = "standby: waiting until another daemon has ended";
    let harness = Harness::new(&[]).await;
    harness.enqueue(1).await;
    let first = Program::start(parserd(&harness, &["run"]));
    // So it has the database.
    harness.await_states(&[(JobState::Finished, 1)]).await;
    let told = Program::start(parserd(&harness, &["run", "--standby"]));
    let next = Program::start(parserd(&harness, &["run", "--standby", "--until-done"]));
    for standby in [&told, &next] {
        harness
            .wait_until("a standby", async || {
                String::from_utf8_lossy(&written(&standby.stderr)).contains(WAITS)
            })
            .await;
    }
    told.signal(Signal::TERM);
    let told = told.ended().await;
    assert_eq!(told.status.code(), Some(0), "{}", stderr(&told));
    // What comes while the first one stands still is the next one's.
    first.signal(Signal::STOP);
    harness.enqueue(2).await;
    first.signal(Signal::KILL);
    let _killed = first.ended().await;
    let next = next.ended().await;
    let printed = stderr(&next);
    assert_eq!(next.status.code(), Some(0), "{printed}");
    for line in [WAITS, "parserd is up"] {
        assert_eq!(printed.matches(line).count(), 1, "{line}: {printed}");
    }
    harness.await_states(&[(JobState::Finished, 2)]).await;
    harness.assert_one_parser_each(2);
}

#[tokio::test]
async fn until_done_ends_with_4_where_the_list_cannot_be_read_and_status_says_why() {
    let harness = Harness::new(&["list status=200 body={}"]).await;
    harness.enqueue(2).await;
    let output = Program::start(parserd(&harness, &["run", "--until-done"]))
        .ended()
        .await;
    let printed = stderr(&output);
    assert_eq!(output.status.code(), Some(4), "{printed}");
    assert!(printed.contains("expected a JSON array"), "{printed}");
    assert!(printed.contains("jobs: 2 QUEUED"), "{printed}");
    let output = Program::start(parserd(&harness, &["status"])).ended().await;
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("No list of the account"), "{printed}");
    assert!(printed.contains("expected a JSON array"), "{printed}");
}

#[tokio::test]
async fn until_done_tells_failed_and_parked_jobs_by_its_exit_code() {
    let world = WorldConfig {
        credits: Some(0),
        ..WorldConfig::default()
    };
    let harness = Harness::with(world, &["create fail=\"blocked\" name=job-0"]).await;
    harness.enqueue(1).await;
    let output = Program::start(parserd(&harness, &["run", "--until-done"]))
        .ended()
        .await;
    let printed = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{printed}");
    let (_, end) = printed.split_once("parserd has stopped").unwrap();
    assert!(end.contains("jobs: 1 FAILED"), "{printed}");
    assert!(end.contains("`parserd jobs --state FAILED`"), "{printed}");
    harness
        .sql("UPDATE jobs SET state = 'CANCELLED'")
        .await
        .unwrap();
    harness
        .sql("INSERT INTO jobs (name, urls) VALUES ('x', '[\"https://x.example/\"]')")
        .await
        .unwrap();
    let output = Program::start(parserd(&harness, &["run", "--until-done"]))
        .ended()
        .await;
    let printed = stderr(&output);
    assert_eq!(output.status.code(), Some(4), "{printed}");
    assert!(printed.contains("jobs: 1 PARKED"), "{printed}");
    assert!(
        printed.contains("not from this run: 1 CANCELLED"),
        "{printed}"
    );
    assert!(printed.contains("next: `parserd status`"), "{printed}");
}

#[tokio::test]
async fn until_done_counts_the_failures_of_its_own_run_only() {
    let harness = Harness::new(&["create fail=\"blocked\" name=job-0"]).await;
    harness.enqueue(1).await;
    let night = async || {
        let program = Program::start(parserd(&harness, &["run", "--until-done"]));
        let output = program.ended().await;
        let printed = stderr(&output);
        let (_, end) = printed.split_once("parserd has stopped").unwrap();
        (output.status.code(), end.to_owned())
    };
    let (code, end) = night().await;
    assert_eq!(code, Some(3), "{end}");
    // The nights after: nothing new, then a job that goes well, then the old one again.
    let (code, end) = night().await;
    assert_eq!(code, Some(0), "{end}");
    assert!(end.contains("not from this run: 1 FAILED"), "{end}");
    harness
        .sql("INSERT INTO jobs (name, urls) VALUES ('x', '[\"https://x.example/\"]')")
        .await
        .unwrap();
    let (code, end) = night().await;
    assert_eq!(code, Some(0), "{end}");
    assert!(end.contains("jobs: 1 FINISHED"), "{end}");
    assert!(end.contains("not from this run: 1 FAILED"), "{end}");
    harness
        .sql("UPDATE jobs SET state = 'QUEUED' WHERE state = 'FAILED'")
        .await
        .unwrap();
    let (code, end) = night().await;
    assert_eq!(code, Some(3), "{end}");
    assert!(end.contains("jobs: 1 FAILED"), "{end}");
    assert!(end.contains("not from this run: 1 FINISHED"), "{end}");
}

#[tokio::test]
async fn jobs_inserted_by_sqlite3_while_the_daemon_runs_all_finish() {
    if Command::new("sqlite3").arg("--version").output().is_err() {
        eprintln!("not run: there is no sqlite3 program on this machine");
        return;
    }
    let harness = Harness::new(&[]).await;
    harness.enqueue(0).await;
    let program = Program::start(parserd(&harness, &["run"]));
    let database = harness.database();
    let inserting = tokio::task::spawn_blocking(move || {
        for n in 0..200 {
            let sql = format!(
                ".timeout 5000\nINSERT INTO jobs (name, urls) VALUES ('cli-{n}', '[\"https://c{n}.example/\"]');"
            );
            insert(&database, &sql);
        }
    });
    inserting.await.unwrap();
    harness.await_states(&[(JobState::Finished, 200)]).await;
    program.signal(Signal::TERM);
    assert_eq!(program.ended().await.status.code(), Some(0));
    harness.assert_one_parser_each(200);
    assert_eq!(harness.requests(Endpoint::Create), 200);
}

fn insert(database: &Path, sql: &str) {
    use std::io::Write as _;
    let mut child = Command::new("sqlite3")
        .arg("-bail")
        .arg(database)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(sql.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn the_key_is_in_no_output_and_in_no_file() {
    let world = WorldConfig {
        key: CANARY_KEY.to_owned(),
        credits: Some(3 * 30_000),
        ..WorldConfig::default()
    };
    // The service echoes the key wherever it can.
    let echo = format!("body=\"bad key {CANARY_KEY} or api_key={CANARY_KEY}\"");
    let faults = [
        format!("create status=400 {echo} name=job-1"),
        format!("create status=500 {echo} name=job-2 nth=1"),
        format!("get status=503 {echo} nth=2-3"),
        format!("create fail=\"fetched with {CANARY_KEY}\" name=job-3"),
        "get redirect=/elsewhere nth=5".to_owned(),
        "list lose nth=1".to_owned(),
    ];
    let faults: Vec<&str> = faults.iter().map(String::as_str).collect();
    let mut harness = Harness::with(world, &faults).await;
    harness.set("api.key", CANARY_KEY);
    harness.set("log.level", "trace");
    harness.enqueue(8).await;
    let mut said = Vec::new();
    for args in [
        &["run", "--until-done"][..],
        &["status", "--json"],
        &["jobs", "--csv"],
        &["show", "job-1", "--json"],
        &["show", "job-2"],
        &["check"],
    ] {
        let output = Program::start(parserd(&harness, args)).ended().await;
        said.extend_from_slice(&output.stdout);
        said.extend_from_slice(&output.stderr);
    }
    // A wrong one that is echoed, and one in a broken configuration.
    harness.set("api.base_url", "http://not-loopback.example/");
    let output = Program::start(parserd(&harness, &["check"])).ended().await;
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    said.extend_from_slice(&output.stderr);
    assert!(said.len() > 10_000, "TRACE said next to nothing");
    assert_without_key(&said, "the output");
    for entry in std::fs::read_dir(harness.directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert_without_key(&bytes, &path.display().to_string());
    }
}

fn assert_without_key(bytes: &[u8], place: &str) {
    let found = bytes
        .windows(CANARY_KEY.len())
        .position(|window| window == CANARY_KEY.as_bytes());
    if let Some(at) = found {
        let around = &bytes[at.saturating_sub(200)..(at + 100).min(bytes.len())];
        panic!("the key is in {place}: {}", String::from_utf8_lossy(around));
    }
}

/// Where the program listens, as its log says.
fn address_of(program: &Program) -> String {
    let said = String::from_utf8(written(&program.stderr)).unwrap();
    said.split("address=")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn what_others_bring_about_is_one_log_line_a_minute_with_its_count() {
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
    let mut harness = Harness::new(&["create generation=1h"]).await;
    let token = harness.directory.path().join("token");
    std::fs::write(&token, "a-token-for-tests-only").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    harness.set("http.listen", "127.0.0.1:0");
    harness.set("http.actions", "true");
    harness.set("http.token_file", token.to_str().unwrap());
    harness.enqueue(1).await;
    let program = Program::start(parserd(&harness, &["run"]));
    harness.await_states(&[(JobState::Generating, 1)]).await;
    let base = format!("http://{}", address_of(&program));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut statuses = Vec::new();
    for (origin, posts) in [("https://evil.example", 9), (base.as_str(), 2)] {
        for _ in 0..posts {
            let request = client.post(format!("{base}/login"));
            let request = request.header("origin", origin).body("token=a-guess");
            statuses.push(request.send().await.unwrap().status().as_u16());
        }
    }
    assert_eq!(statuses, [403; 11]);
    program.signal(Signal::TERM);
    let printed = stderr(&program.ended().await);
    let times = |words: &str| -> Vec<String> {
        let lines = printed.lines().filter(|line| line.contains(words));
        let times = lines.map(|line| line.split("times=").nth(1).unwrap());
        times
            .map(|rest| rest.split_whitespace().next().unwrap().to_owned())
            .collect()
    };
    // The first at once, the rest in the end, which comes before the minute is over.
    assert_eq!(
        times("does not come from the page"),
        ["1", "8"],
        "{printed}"
    );
    assert_eq!(times("a wrong token"), ["1", "1"], "{printed}");
    assert!(!printed.contains("a-guess"), "{printed}");
}

#[tokio::test]
async fn metrics_and_health_are_served_on_loopback() {
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
    let mut harness = Harness::new(&["create generation=1h"]).await;
    // The system chooses the port and the log says which.
    harness.set("http.listen", "127.0.0.1:0");
    harness.enqueue(3).await;
    let program = Program::start(parserd(&harness, &["run"]));
    harness.await_states(&[(JobState::Generating, 3)]).await;
    let address = address_of(&program);
    let get = async |path: &str| {
        let answer = reqwest::get(format!("http://{address}{path}"))
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(get("/readyz").await, (200, "ready\n".to_owned()));
    // What is told may be of a moment ago.
    harness
        .wait_until("the metrics tell of all three", async || {
            let (status, page) = get("/metrics").await;
            status == 200
                && page.contains("parserd_jobs{state=\"GENERATING\"} 3\n")
                && page.contains("parserd_credits_spent 90000\n")
        })
        .await;
    assert_eq!(get("/elsewhere").await.0, 404);
    program.signal(Signal::TERM);
    assert_eq!(program.ended().await.status.code(), Some(0));
}

#[tokio::test]
async fn old_jobs_go_while_it_runs_and_failed_ones_stay() {
    let failing = "create status=400 nth=3";
    let mut harness = Harness::new(&[failing]).await;
    harness.enqueue(3).await;
    let done = Program::start(parserd(&harness, &["run", "--until-done"]));
    assert_eq!(done.ended().await.status.code(), Some(3));
    harness
        .await_states(&[(JobState::Finished, 2), (JobState::Failed, 1)])
        .await;
    harness.set("retention.max_age", "1ms");
    let program = Program::start(parserd(&harness, &["run"]));
    harness
        .wait_until("a word on it", async || {
            String::from_utf8_lossy(&written(&program.stderr)).contains("old jobs deleted")
        })
        .await;
    harness.await_states(&[(JobState::Failed, 1)]).await;
    program.signal(Signal::TERM);
    let output = program.ended().await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(harness.requests(Endpoint::Create), 3);
}
