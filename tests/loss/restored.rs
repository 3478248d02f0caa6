//! A database that is older than what the account has.

use parserd::store::{JobStore, Ledger as _};
use parserd::{core::job::JobState, engine::daemon::Until, simulator::Endpoint};

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
    let backup = harness.directory.path().join("backup.db");
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
async fn what_was_spent_since_a_backup_counts_for_the_budget_once_it_is_restored() {
    let mut harness = Harness::new(&[]).await;
    harness.enqueue(2).await;
    harness.run_until_done().await;
    let backup = back_up(&harness).await;
    let before_ms = harness.server.now_ms();
    harness.enqueue(5).await;
    harness.run_until_done().await;
    restore(&harness, &backup);
    // Three that the copy does not know, and three new ones, of which one fits.
    harness.enqueue(8).await;
    harness.set("budget.max_credits", "180000");
    harness.set("workers.max_requests", "1");
    harness.run_until_done().await;
    harness
        .await_states(&[(JobState::Finished, 6), (JobState::Parked, 2)])
        .await;
    assert_eq!(harness.requests(Endpoint::Create), 6);
    harness.assert_one_parser_each(6);
    let ledger = harness
        .sql("SELECT sum(credits) || ' ' || count(*) FROM creates WHERE outcome = 'made'")
        .await
        .unwrap();
    assert_eq!(ledger, ["180000 6"]);
    // On the day that the service says.
    let made: Vec<_> = harness.server.with(|simulator| {
        let parsers = simulator.world.parsers(i64::MAX).into_iter();
        let parsers = parsers.filter(|parser| parser.created_at_ms >= before_ms);
        let times = parsers.map(|parser| (parser.id, parser.created_at_ms));
        times.take(3).collect()
    });
    for (id, created_at_ms) in made {
        let sql = format!("SELECT sent_at FROM creates WHERE parser_id = '{id}'");
        let sent_at = harness.sql(&sql).await.unwrap();
        assert_eq!(sent_at, [created_at_ms.to_string()]);
    }
    // A restart counts nothing twice.
    harness.run_until_done().await;
    let store = harness.store().await;
    let spent = store.spent(harness.server.now_ms()).await.unwrap();
    assert_eq!(spent.in_all, 180_000);
    store.close().await;
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

#[cfg(unix)]
#[tokio::test]
async fn a_restored_database_holds_creates_until_a_person_trusts_it() {
    use crate::common::program::{Program, parserd, stderr, written};
    const WORDS: &str = "is not the one that parserd wrote last";
    let mut harness = Harness::new(&[]).await;
    harness.enqueue(4).await;
    harness.run_until_done().await;
    let backup = back_up(&harness).await;
    harness.enqueue(8).await;
    let program = Program::start(parserd(&harness, &["run", "--until-done"]));
    let output = program.ended().await;
    assert!(!stderr(&output).contains(WORDS), "{}", stderr(&output));
    assert_eq!(harness.requests(Endpoint::Create), 8);
    restore(&harness, &backup);
    // Four that are not in the copy, and two that were never sent.
    harness.enqueue(10).await;
    harness.set("reconcile.settle", "1h");
    // The second one knows it from the database alone.
    for _ in 0..2 {
        let lists = harness.requests(Endpoint::List);
        let program = Program::start(parserd(&harness, &["run"]));
        harness
            .wait_until("its word", async || {
                String::from_utf8_lossy(&written(&program.stderr)).contains("parserd is up")
            })
            .await;
        harness
            .wait_until("a list at the start of the hold", async || {
                harness.requests(Endpoint::List) > lists
            })
            .await;
        program.signal(rustix::process::Signal::TERM);
        let output = program.ended().await;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).contains(WORDS), "{}", stderr(&output));
        assert!(stderr(&output).contains("--trust-database"));
        for command in ["status", "check"] {
            let output = Program::start(parserd(&harness, &[command])).ended().await;
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(printed.contains(WORDS), "{command}: {printed}");
            assert!(printed.contains("--trust-database"), "{command}: {printed}");
        }
        harness
            .await_states(&[(JobState::Finished, 4), (JobState::Queued, 6)])
            .await;
        assert_eq!(harness.requests(Endpoint::Create), 8);
    }
    let trusting = ["run", "--until-done", "--trust-database"];
    for args in [&trusting[..], &["run", "--until-done"]] {
        let output = Program::start(parserd(&harness, args)).ended().await;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(!stderr(&output).contains(WORDS), "{}", stderr(&output));
        harness.await_states(&[(JobState::Finished, 10)]).await;
        assert_eq!(harness.requests(Endpoint::Create), 10);
    }
    harness.assert_one_parser_each(10);
}

#[cfg(unix)]
#[tokio::test]
async fn updates_are_told_from_a_copy_as_creates_are() {
    use crate::common::program::{Program, parserd, stderr};
    use crate::life::{RENAME, shop, update};
    const WORDS: &str = "is not the one that parserd wrote last";
    let harness = shop(&[]).await;
    let run = async || {
        let command = parserd(&harness, &["run", "--until-done"]);
        Program::start(command).ended().await
    };
    run().await;
    let backup = back_up(&harness).await;
    update(&harness, RENAME).await;
    // The one that sends it, and the one after that.
    for _ in 0..2 {
        let output = run().await;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(!stderr(&output).contains(WORDS), "{}", stderr(&output));
    }
    assert_eq!(harness.requests(Endpoint::Patch), 1);
    restore(&harness, &backup);
    let output = run().await;
    assert!(stderr(&output).contains(WORDS), "{}", stderr(&output));
}

#[tokio::test]
async fn after_a_restore_no_create_is_looked_into_before_the_settling_time_is_over() {
    let mut harness = Harness::new(&[]).await;
    harness.enqueue(2).await;
    harness.run_until_done().await;
    let backup = back_up(&harness).await;
    harness.enqueue(4).await;
    harness.run_until_done().await;
    restore(&harness, &backup);
    harness.enqueue(6).await;
    harness.set("reconcile.settle", "700ms");
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 6)]).await;
    harness.assert_one_parser_each(6);
    let waited = harness
        .sql(
            "SELECT min(at) >= (SELECT value ->> 'until' FROM meta \
                 WHERE key = 'creates_hold') \
             FROM job_events WHERE job_id > 2 AND event <> 'queued'",
        )
        .await
        .unwrap();
    assert_eq!(waited, ["1"]);
}

#[tokio::test]
async fn a_restored_database_creates_nothing_on_a_list_that_may_lack_parsers() {
    let mut harness = Harness::new(&[]).await;
    harness.enqueue(1).await;
    harness.run_until_done().await;
    let backup = back_up(&harness).await;
    harness.enqueue(2).await;
    harness.run_until_done().await;
    restore(&harness, &backup);
    harness.enqueue(3).await;
    harness.set("reconcile.settle", "200ms");
    // Lists lack what the copy does not know, and one that it knows.
    let all = harness.server.with(|simulator| {
        let all = simulator.world.parsers(i64::MAX);
        let rule = "list status=200 body=[]".parse().unwrap();
        simulator.faults.add(rule);
        all.len()
    });
    assert_eq!(all, 2);
    let running = harness.start(Until::Stopped).await;
    let lists = harness.requests(Endpoint::List);
    harness
        .wait_until("lists, one after the other", async || {
            harness.requests(Endpoint::List) > lists + 3
        })
        .await;
    harness
        .await_states(&[(JobState::Finished, 1), (JobState::Queued, 2)])
        .await;
    let store = harness.store().await;
    let facts = store.account_facts(0, 0).await.unwrap();
    store.close().await;
    assert!(facts.held_until.is_some(), "{facts:?}");
    running.stopped().await;
    // A run that is to end does not wait for such a list for ever.
    let running = harness.start(Until::NoProgress).await;
    running.ended().await;
    assert_eq!(harness.requests(Endpoint::Create), 2);
    harness.server.with(|simulator| simulator.faults.clear());
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 3)]).await;
    harness.assert_one_parser_each(3);
}
