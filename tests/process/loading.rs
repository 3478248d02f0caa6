//! Job files are loaded at a start and by HUP, beside all else.

use std::time::Instant;

use crate::common::{
    Harness,
    program::{Program, parserd, stderr, written},
};
use parserd::{core::job::JobState, simulator::Endpoint};
use rustix::process::Signal;

#[tokio::test]
async fn job_files_are_loaded_at_start_and_on_hup() {
    let mut harness = Harness::new(&[]).await;
    let directory = harness.directory.path().join("jobs");
    std::fs::create_dir(&directory).unwrap();
    let file = |name: &str| {
        let job = format!("[[jobs]]\nname = \"{name}\"\nurls = [\"https://{name}.example/\"]\n");
        std::fs::write(directory.join(format!("{name}.toml")), job).unwrap();
    };
    file("first");
    harness.set("enqueue.files", "jobs/*.toml");
    let program = Program::start(parserd(&harness, &["run"]));
    harness
        .wait_until("a database", async || harness.database().exists())
        .await;
    harness.await_states(&[(JobState::Finished, 1)]).await;
    file("second");
    std::fs::write(directory.join("bad.toml"), "[[jobs]]\nname = \"bad\"\n").unwrap();
    program.signal(Signal::HUP);
    harness.await_states(&[(JobState::Finished, 2)]).await;
    program.signal(Signal::TERM);
    let output = program.ended().await;
    assert_eq!(output.status.code(), Some(0));
    let printed = stderr(&output);
    assert!(
        printed.contains("bad.toml") && printed.contains("urls"),
        "{printed}"
    );
}

fn job_lines(names: impl Iterator<Item = String>) -> String {
    let line =
        |name| format!("{{\"name\": \"{name}\", \"urls\": [\"https://x.example/{name}\"]}}\n");
    names.map(line).collect()
}

#[tokio::test]
async fn a_fifo_among_the_job_files_is_told_and_holds_up_neither_start_nor_hup_nor_term() {
    let mut harness = Harness::new(&[]).await;
    let directory = harness.directory.path().join("jobs");
    std::fs::create_dir(&directory).unwrap();
    let fifo = |name: &str| {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, directory.join(name), FileType::Fifo, Mode::RWXU, 0).unwrap();
    };
    let file = |name: &str| {
        let text = job_lines(std::iter::once(name.to_owned()));
        std::fs::write(directory.join(format!("{name}.jsonl")), text).unwrap();
    };
    fifo("a.jsonl");
    file("b");
    harness.set("enqueue.files", "jobs/*.jsonl");
    let program = Program::start(parserd(&harness, &["run"]));
    harness
        .wait_until("a database", async || harness.database().exists())
        .await;
    harness.await_states(&[(JobState::Finished, 1)]).await;
    fifo("c.jsonl");
    file("d");
    program.signal(Signal::HUP);
    harness.await_states(&[(JobState::Finished, 2)]).await;
    program.signal(Signal::TERM);
    let output = program.ended().await;
    let printed = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(
        printed.contains("jobs/c.jsonl: is not a regular file"),
        "{printed}"
    );
    // The run that ends by itself is told of it by its exit code.
    let output = Program::start(parserd(&harness, &["run", "--until-done"]))
        .ended()
        .await;
    assert_eq!(output.status.code(), Some(65), "{}", stderr(&output));
}

#[tokio::test]
async fn job_files_are_loaded_beside_the_work_and_term_does_not_wait_for_the_last_one() {
    const FILES: usize = 20_000;
    let mut harness = Harness::new(&["create generation=1h"]).await;
    let directory = harness.directory.path().join("jobs");
    std::fs::create_dir(&directory).unwrap();
    for n in 0..FILES {
        let text = job_lines(std::iter::once(format!("j{n}")));
        std::fs::write(directory.join(format!("{n:06}.jsonl")), text).unwrap();
    }
    harness.set("enqueue.files", "jobs/*.jsonl");
    let program = Program::start(parserd(&harness, &["run"]));
    harness
        .wait_until("a create", async || harness.requests(Endpoint::Create) > 0)
        .await;
    program.signal(Signal::TERM);
    let output = program.ended().await;
    let printed = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(
        printed.contains("the next start loads the job files that are left"),
        "{printed}"
    );
    let jobs = harness.sql("SELECT count(*) FROM jobs").await.unwrap();
    let jobs: usize = jobs[0].parse().unwrap();
    assert!((1..FILES).contains(&jobs), "{jobs} files were loaded");
    assert!(
        printed.lines().count() < 200,
        "{} lines",
        printed.lines().count()
    );
}

#[tokio::test]
async fn term_ends_the_adding_of_a_long_file_and_nothing_of_it_is_there() {
    const JOBS: usize = 300_000;
    let mut harness = Harness::new(&[]).await;
    let directory = harness.directory.path();
    std::fs::write(
        directory.join("long.jsonl"),
        job_lines((0..JOBS).map(|n| format!("j{n}"))),
    )
    .unwrap();
    harness.set("enqueue.files", "long.jsonl");
    let program = Program::start(parserd(&harness, &["run"]));
    harness
        .wait_until("a start", async || {
            String::from_utf8_lossy(&written(&program.stderr)).contains("parserd is up")
        })
        .await;
    program.signal(Signal::TERM);
    let output = program.ended().await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        harness.sql("SELECT count(*) FROM jobs").await.unwrap(),
        ["0"]
    );
}

#[tokio::test]
async fn a_thousand_hups_load_once_more_and_fill_no_log() {
    let mut harness = Harness::new(&[]).await;
    let file = |jobs: usize| {
        let text = job_lines((0..jobs).map(|n| format!("j{n}")));
        std::fs::write(harness.directory.path().join("jobs.jsonl"), text).unwrap();
    };
    file(1);
    let database = harness.database();
    harness
        .settings
        .insert("enqueue.files".to_owned(), "jobs.jsonl".to_owned());
    let program = Program::start(parserd(&harness, &["run"]));
    harness
        .wait_until("a database", async || database.exists())
        .await;
    harness.await_states(&[(JobState::Finished, 1)]).await;
    let began = Instant::now();
    for _ in 0..1000 {
        program.signal(Signal::HUP);
    }
    let took = began.elapsed();
    file(2);
    program.signal(Signal::HUP);
    harness.await_states(&[(JobState::Finished, 2)]).await;
    program.signal(Signal::TERM);
    let output = program.ended().await;
    let printed = stderr(&output);
    let loadings = printed.matches("HUP: loading the job files").count();
    // One a second at the most, whatever the machine's pace.
    let most = 3 + usize::try_from(took.as_secs()).unwrap();
    assert!(
        (1..=most).contains(&loadings),
        "{loadings} loadings:\n{printed}"
    );
}
