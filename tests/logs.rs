//! The log of the real program: its lines, their fields, the journal's priorities.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs::File, os::unix::fs::MetadataExt as _, path::PathBuf};

use crate::common::{
    Harness,
    program::{Program, parserd, stderr},
};
use parserd::core::job::JobState;
use rustix::process::Signal;
use serde_json::Value;

/// Runs until done; what was logged.
async fn logged(harness: &Harness, to_journal: bool) -> String {
    let path: PathBuf = harness.directory.path().join("log");
    let file = File::create(&path).unwrap();
    let mut command = parserd(harness, &["run", "--until-done"]);
    command.env_remove("JOURNAL_STREAM");
    if to_journal {
        let place = file.metadata().unwrap();
        command.env("JOURNAL_STREAM", format!("{}:{}", place.dev(), place.ino()));
    }
    let mut child = command.stderr(file).spawn().unwrap();
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap());
    ended.await.unwrap();
    std::fs::read_to_string(path).unwrap()
}

fn json_lines(log: &str) -> Vec<Value> {
    let lines = log.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn a_job_has_a_line_for_each_change_and_none_for_a_poll() {
    let rules = ["create status=400 name=job-2", "create generation=1s"];
    let mut harness = Harness::new(&rules).await;
    harness.set("log.format", "json");
    harness.enqueue(3).await;
    let lines = json_lines(&logged(&harness, false).await);
    for (job, name, expected) in [
        (1, "job-0", &["creating", "created", "finished"][..]),
        (3, "job-2", &["creating", "failed"]),
    ] {
        let of_job: Vec<_> = lines.iter().filter(|line| line["job"] == job).collect();
        let output: Vec<_> = of_job.iter().map(|line| &line["event"]).collect();
        assert_eq!(output, expected, "{of_job:?}");
        for line in &of_job {
            assert_eq!(line["name"], name);
            assert!(line["state"].is_string(), "{line}");
        }
        assert_eq!(of_job[0]["attempt"], 1, "{of_job:?}");
    }
    let finished = |line: &&Value| line["event"] == "finished";
    let finished = lines.iter().find(finished).unwrap();
    assert!(finished["parser_id"].is_string(), "{finished}");
    assert!(finished["elapsed_ms"].as_i64().unwrap() > 0, "{finished}");
    let failed = lines.iter().find(|line| line["level"] == "WARN").unwrap();
    assert_eq!(failed["http_status"], 400);
    assert_eq!(failed["error_kind"], "bad_request");
    assert!(failed["error_message"].is_string(), "{failed}");
}

#[tokio::test]
async fn an_answer_that_cannot_be_stored_has_a_line_and_not_one_an_attempt() {
    let mut harness = Harness::new(&[]).await;
    harness.set("log.format", "json");
    harness.enqueue(2).await;
    // As a full disk does, for so long that each answer is tried again several times.
    harness
        .sql(
            "CREATE TRIGGER full BEFORE UPDATE OF state ON jobs WHEN NEW.state = 'GENERATING'
               AND (julianday('now') - 2440587.5) * 86400000
                   < (SELECT max(sent_at) FROM creates WHERE job_id = NEW.id) + 2000
             BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
        )
        .await
        .unwrap();
    let lines = json_lines(&logged(&harness, false).await);
    let of = |job: u64, start: &str| -> Vec<&Value> {
        let starts = |line: &&Value| line["message"].as_str().unwrap().starts_with(start);
        let of_job = lines.iter().filter(|line| line["job"] == job);
        of_job.filter(starts).collect()
    };
    for job in [1, 2] {
        let refused = of(job, "cannot store what the service said");
        assert_eq!(refused.len(), 1, "{lines:?}");
        assert_eq!(refused[0]["level"], "ERROR");
        assert!(refused[0]["parser_id"].is_string(), "{refused:?}");
        assert_eq!(of(job, "what the service said is stored now").len(), 1);
        assert_eq!(of(job, "finished").len(), 1, "{lines:?}");
    }
}

#[tokio::test]
async fn a_status_is_told_only_with_what_it_brought() {
    let rules = [
        "create status=500 nth=1 name=job-0",
        "create fail=\"DownloadError\" name=job-1",
    ];
    let mut harness = Harness::new(&rules).await;
    harness.set("log.format", "json");
    harness.set("log.level", "debug");
    harness.enqueue(2).await;
    let lines = json_lines(&logged(&harness, false).await);
    let of_job = |job: u64, message: &str| -> Vec<&Value> {
        let of = lines.iter().filter(|line| line["job"] == job);
        of.filter(|line| line["event"] == message || line["message"] == message)
            .collect()
    };
    assert_eq!(of_job(1, "in_doubt")[0]["http_status"], 500);
    let later = [of_job(1, "not_made"), of_job(1, "creating")].concat();
    assert_eq!(later.len(), 3, "{lines:?}");
    // A 200 is not why a generation failed.
    for line in later.into_iter().chain(of_job(2, "failed")) {
        assert_eq!(line["http_status"], Value::Null, "{line}");
    }
    let answered = of_job(2, "create answered")[0];
    assert_eq!(answered["outcome"], "created");
    assert!(answered["parser_id"].is_string(), "{answered}");
}

#[tokio::test]
async fn a_gate_s_times_are_told_as_times() {
    let mut harness = Harness::new(&["create status=402"]).await;
    harness.set("log.format", "json");
    harness.enqueue(1).await;
    let lines = json_lines(&logged(&harness, false).await);
    let closed = lines.iter().find(|line| line["event"] == "gate_closed");
    let at = closed.unwrap()["next_probe_at"].as_str().unwrap();
    assert!(at.parse::<jiff::Timestamp>().is_ok(), "{at}");
}

#[tokio::test]
async fn polls_are_told_at_debug() {
    let mut harness = Harness::new(&["create generation=500ms"]).await;
    harness.set("log.format", "json");
    harness.set("log.level", "debug");
    harness.enqueue(1).await;
    let lines = json_lines(&logged(&harness, false).await);
    let polls = lines.iter().filter(|line| line["endpoint"] == "details");
    let polls: Vec<_> = polls.collect();
    assert!(!polls.is_empty(), "{lines:?}");
    for poll in polls {
        assert_eq!(poll["level"], "DEBUG", "{poll}");
        assert!(poll["elapsed_ms"].is_u64(), "{poll}");
    }
}

#[tokio::test]
async fn the_journal_gets_priorities_and_no_times() {
    let harness = Harness::new(&["create status=400"]).await;
    harness.enqueue(1).await;
    let log = logged(&harness, true).await;
    assert!(log.lines().all(|line| line.starts_with('<')), "{log}");
    assert!(
        log.lines()
            .any(|line| line.starts_with("<6> INFO asked the service for a parser")),
        "{log}"
    );
    assert!(
        log.lines().any(|line| line.starts_with("<4> WARN failed")),
        "{log}"
    );
    let harness = Harness::new(&["create status=400"]).await;
    harness.enqueue(1).await;
    let log = logged(&harness, false).await;
    assert!(!log.contains("<6>"), "{log}");
}

#[tokio::test]
async fn what_other_programs_do_has_its_lines() {
    let mut harness = Harness::new(&["create status=400 nth=1"]).await;
    harness.set("log.format", "json");
    harness.enqueue(1).await;
    let daemon = Program::start(parserd(&harness, &["run"]));
    let of_state = |state| [(state, 1)];
    harness.await_states(&of_state(JobState::Failed)).await;
    let retry = "UPDATE jobs SET state = 'QUEUED' WHERE state = 'FAILED'";
    harness.sql(retry).await.unwrap();
    harness.await_states(&of_state(JobState::Finished)).await;
    daemon.signal(Signal::TERM);
    let lines = json_lines(&stderr(&daemon.ended().await));
    let of_job = lines.iter().filter(|line| line["job"] == 1);
    let output: Vec<_> = of_job.map(|line| &line["event"]).collect();
    let expected = [
        "creating", "failed", "requeued", "creating", "created", "finished",
    ];
    assert_eq!(output, expected);
}

#[tokio::test]
async fn many_of_a_kind_are_one_line_and_what_needs_a_person_is_an_error() {
    let mut harness = Harness::new(&["create status=401"]).await;
    harness.set("log.format", "json");
    harness.enqueue(16).await;
    let lines = json_lines(&logged(&harness, false).await);
    let of = |event: &str| -> Vec<&Value> {
        lines.iter().filter(|line| line["event"] == event).collect()
    };
    let closed = of("gate_closed");
    assert_eq!(closed.len(), 1, "{lines:?}");
    assert_eq!(closed[0]["level"], "ERROR", "{}", closed[0]);
    let message = closed[0]["message"].as_str().unwrap();
    assert!(message.contains("parserd check"), "{message}");
    assert!(of("parked").len() <= 3, "{lines:?}");
}
