//! The database's files pulled away from under a daemon.

use std::path::{Path, PathBuf};

use parserd::{core::job::JobState, simulator::Endpoint};

use crate::common::{
    Harness,
    program::{Program, parserd, stderr},
};

const JOBS: usize = 16;

fn file(harness: &Harness, end: &str) -> PathBuf {
    let mut path = harness.database().into_os_string();
    path.push(end);
    path.into()
}

fn remove_all(harness: &Harness) {
    for end in ["", "-wal", "-shm", ".lock"] {
        std::fs::remove_file(file(harness, end)).unwrap();
    }
}

/// As a person does it who thinks that nothing runs.
fn put_in_place(harness: &Harness, backup: &Path) {
    std::fs::rename(backup, harness.database()).unwrap();
    for end in ["-wal", "-shm"] {
        std::fs::remove_file(file(harness, end)).unwrap();
    }
}

/// A daemon with creates under way and more to come.
async fn at_work(harness: &mut Harness) -> (Program, PathBuf) {
    harness.set("workers.max_requests", "2");
    harness.enqueue(JOBS).await;
    let backup = harness.directory.path().join("backup.db");
    let copy = format!("VACUUM INTO '{}'", backup.display());
    harness.sql(&copy).await.unwrap();
    let program = Program::start(parserd(harness, &["run"]));
    let is_at_work = async || harness.requests(Endpoint::Create) >= 2;
    harness.wait_until("creates", is_at_work).await;
    (program, backup)
}

/// It ends by itself, says why, and has sent no more than what was under way.
async fn assert_ends(harness: &Harness, program: Program, words: &str) {
    let output = program.ended().await;
    let printed = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(
        printed.contains("is not the one that was opened"),
        "{printed}"
    );
    assert!(printed.contains(words), "{printed}");
    let sent = harness.requests(Endpoint::Create);
    assert!(sent < JOBS as u64, "it went on for {sent} creates");
}

/// The next daemon makes all jobs out of what is there now, and pays for none again.
async fn assert_nothing_is_paid_twice(harness: &Harness) {
    harness.enqueue(JOBS).await;
    let output = Program::start(parserd(harness, &["run", "--until-done"]))
        .ended()
        .await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    harness.assert_one_parser_each(JOBS);
    assert_eq!(harness.requests(Endpoint::Create), JOBS as u64);
}

#[tokio::test]
async fn a_daemon_whose_database_is_removed_sends_nothing_more_and_exits_1() {
    let mut harness = Harness::new(&["create delay=300ms"]).await;
    let (program, _) = at_work(&mut harness).await;
    remove_all(&harness);
    assert_ends(&harness, program, "it is gone").await;
    assert_nothing_is_paid_twice(&harness).await;
}

#[tokio::test]
async fn a_daemon_whose_database_is_replaced_by_a_backup_sends_nothing_more_and_exits_1() {
    let mut harness = Harness::new(&["create delay=300ms"]).await;
    let (program, backup) = at_work(&mut harness).await;
    put_in_place(&harness, &backup);
    assert_ends(&harness, program, "another file is in its place").await;
    assert_nothing_is_paid_twice(&harness).await;
}

#[tokio::test]
async fn a_daemon_whose_lock_or_log_is_removed_sends_nothing_more_and_exits_1() {
    for end in [".lock", "-wal", "-shm"] {
        let mut harness = Harness::new(&["create delay=300ms"]).await;
        let (program, _) = at_work(&mut harness).await;
        std::fs::remove_file(file(&harness, end)).unwrap();
        assert_ends(
            &harness,
            program,
            &format!("parserd.db{end} is not the one"),
        )
        .await;
        assert_nothing_is_paid_twice(&harness).await;
    }
}

#[tokio::test]
async fn a_daemon_that_waits_notices_it_too() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(1).await;
    let program = Program::start(parserd(&harness, &["run"]));
    harness.await_states(&[(JobState::Finished, 1)]).await;
    remove_all(&harness);
    assert_ends(&harness, program, "it is gone").await;
}
