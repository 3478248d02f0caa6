//! A database that is older than what the account has.

use parserd::{daemon::Until, job::JobState, simulator::Endpoint};

use crate::common::Harness;

/// Puts a backup in the database's place, as a person would with the daemon stopped.
fn restore(harness: &Harness, backup: &std::path::Path) {
    for suffix in ["-wal", "-shm"] {
        let mut path = harness.database().into_os_string();
        path.push(suffix);
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
            Ok(()) | Err(_) => {}
        }
    }
    std::fs::copy(backup, harness.database()).unwrap();
}

async fn back_up(harness: &Harness) -> std::path::PathBuf {
    let backup = harness.folder.path().join("backup.db");
    let sql = format!("VACUUM INTO '{}'", backup.display());
    harness.sql(&sql).await.unwrap();
    backup
}

#[tokio::test]
async fn a_backup_from_before_the_last_creates_pays_nothing_twice() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(4).await;
    harness.run_until_done().await;
    // Four are FINISHED and four QUEUED in the backup; four more are not in it.
    harness.enqueue(8).await;
    let backup = back_up(&harness).await;
    harness.enqueue(12).await;
    harness.run_until_done().await;
    assert_eq!(harness.requests(Endpoint::Create), 12);
    restore(&harness, &backup);
    harness.enqueue(12).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 12)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 12);
    harness.assert_one_parser_each(12);
}

#[tokio::test]
async fn a_backup_taken_with_creates_under_way_adopts_what_they_made() {
    let harness = Harness::new(&["create delay=500ms"]).await;
    harness.enqueue(6).await;
    let running = harness.start(Until::AllTerminal).await;
    harness.await_states(&[(JobState::Creating, 6)]).await;
    let backup = back_up(&harness).await;
    running.ended().await;
    restore(&harness, &backup);
    harness.await_states(&[(JobState::Creating, 6)]).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 6)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 6);
    harness.assert_one_parser_each(6);
}
