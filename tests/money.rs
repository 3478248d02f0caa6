//! A create is sent again only when it is known that the last one made nothing;
//! and what was made is never lost track of.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod altered;
mod both;
mod elsewhere;
mod former;
mod late;
mod lists;
mod refused;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::common::Harness;
use sqlx::Connection as _;

use parserd::{
    api::{Service, client::Client},
    core::{
        job::{JobState, ParserId},
        outcome::{
            ChangeOutcome, CreateOutcome, CreateRequest, ListOutcome, ParseOutcome, ParseRequest,
            PatchRequest, PollOutcome,
        },
    },
    engine::daemon::Until,
    simulator::{Endpoint, WorldConfig},
};

/// Removes the database, as a careless hand would.
fn lose_database(harness: &Harness) {
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let mut path = harness.database().into_os_string();
        path.push(suffix);
        let _not_there = std::fs::remove_file(path);
    }
}

/// Looks into the database at the moment of each create, as a crash would leave it.
struct Witness {
    client: Client,
    database: std::path::PathBuf,
    seen: Arc<AtomicUsize>,
}

impl Service for Witness {
    async fn create(&self, request: &CreateRequest) -> CreateOutcome {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(&self.database)
            .read_only(true);
        let mut connection = sqlx::SqliteConnection::connect_with(&options)
            .await
            .unwrap();
        let intents: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM jobs JOIN creates ON creates.job_id = jobs.id \
             WHERE jobs.state = 'CREATING' AND jobs.remote_name = ?1 \
             AND creates.remote_name = ?1 AND creates.outcome = 'pending'",
        )
        .bind(&request.name)
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert_eq!(intents, 1, "{} has no intent on record", request.name);
        self.seen.fetch_add(1, Ordering::SeqCst);
        self.client.create(request).await
    }

    fn change(&self, request: &PatchRequest) -> impl Future<Output = ChangeOutcome> + Send {
        self.client.change(request)
    }

    fn delete(&self, parser_id: &ParserId) -> impl Future<Output = ChangeOutcome> + Send {
        self.client.delete(parser_id)
    }

    fn details(&self, parser_id: &ParserId) -> impl Future<Output = PollOutcome> + Send {
        self.client.details(parser_id)
    }

    fn parse(&self, request: &ParseRequest) -> impl Future<Output = ParseOutcome> + Send {
        self.client.parse(request)
    }

    fn list(&self) -> impl Future<Output = ListOutcome> + Send {
        self.client.list()
    }
}

#[tokio::test]
async fn an_intent_is_on_record_before_each_create() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(25).await;
    let seen = Arc::new(AtomicUsize::new(0));
    let witness = Witness {
        client: harness.client(),
        database: harness.database(),
        seen: Arc::clone(&seen),
    };
    harness
        .start_on(witness, Until::NoProgress)
        .await
        .ended()
        .await;
    assert_eq!(seen.load(Ordering::SeqCst), 25);
    harness.await_states(&[(JobState::Finished, 25)]).await;
}

#[tokio::test]
async fn a_lost_database_finds_its_own_parsers_again_and_pays_nothing() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(12).await;
    harness.run_until_done().await;
    lose_database(&harness);
    harness.enqueue(12).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 12)]).await;
    // The service names no version where a parser is polled; its list does.
    let versions = harness
        .sql("SELECT DISTINCT parser_version FROM jobs")
        .await
        .unwrap();
    assert_eq!(versions, ["0"]);
    assert_eq!(harness.requests(Endpoint::Create), 12);
}

#[tokio::test]
async fn a_backup_put_back_finds_what_was_made_since_and_pays_nothing_twice() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(6).await;
    let later = "UPDATE jobs SET run_at = 30000000000000 WHERE id > 3";
    harness.sql(later).await.unwrap();
    let running = harness.start(Until::Stopped).await;
    harness
        .await_states(&[(JobState::Finished, 3), (JobState::Queued, 3)])
        .await;
    running.stopped().await;
    let now = "UPDATE jobs SET run_at = NULL WHERE id > 3";
    let copy = harness.directory.path().join("copy.db");
    parserd::store::backup(&harness.database(), &copy, std::future::pending())
        .await
        .unwrap();
    harness.sql(now).await.unwrap();
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 6)]).await;
    for suffix in ["-wal", "-shm"] {
        let mut path = harness.database().into_os_string();
        path.push(suffix);
        let _not_there = std::fs::remove_file(path);
    }
    std::fs::rename(&copy, harness.database()).unwrap();
    harness.sql(now).await.unwrap();
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 6)]).await;
    harness.assert_one_parser_each(6);
    assert_eq!(harness.requests(Endpoint::Create), 6);
}

#[tokio::test]
async fn a_create_that_lands_late_is_found_within_the_settling_time() {
    let harness = Harness::new(&["create lose land-late=150ms"]).await;
    harness.enqueue(10).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 10)]).await;
    harness.assert_one_parser_each(10);
    assert_eq!(harness.requests(Endpoint::Create), 10);
}

#[tokio::test]
async fn a_parser_that_shows_late_in_the_list_is_not_made_twice() {
    let harness = Harness::new(&["create lose after show-late=150ms"]).await;
    harness.enqueue(10).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 10)]).await;
    harness.assert_one_parser_each(10);
}

#[tokio::test]
async fn a_list_that_is_partial_refutes_nothing_and_ends_with_a_person() {
    // Three parsers of this database are known; the list shows the first one only.
    let mut harness = Harness::new(&["create lose before name=job-3", "list limit=1"]).await;
    harness.set("reconcile.settle", "60ms");
    harness.enqueue(4).await;
    harness.run_until_done().await;
    let states = harness.states().await;
    assert_eq!(states.get(&JobState::Parked), Some(&1), "{states:?}");
    let reasons = harness
        .sql("SELECT park_reason FROM jobs WHERE state = 'PARKED'")
        .await
        .unwrap();
    assert_eq!(reasons, ["ambiguous"]);
    let sent = harness
        .sql("SELECT creates FROM jobs WHERE name = 'job-3'")
        .await
        .unwrap();
    assert_eq!(sent, ["1"]);
}

#[tokio::test]
async fn names_that_the_service_alters_make_no_second_parser() {
    let mut harness =
        Harness::new(&["create alter-name=cut:6", "create lose after name=job-2"]).await;
    harness.set("reconcile.settle", "60ms");
    harness.enqueue(4).await;
    harness.run_until_done().await;
    assert_eq!(harness.requests(Endpoint::Create), 4);
    let states = harness.states().await;
    assert_eq!(states.get(&JobState::Finished), Some(&3), "{states:?}");
    assert_eq!(states.get(&JobState::Parked), Some(&1), "{states:?}");
}

#[tokio::test]
async fn a_service_that_fails_and_makes_nothing_ends_in_server_error() {
    let mut harness = Harness::new(&["create status=503 before"]).await;
    harness.set("retry.max_attempts", "3");
    harness.enqueue(3).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Failed, 3)]).await;
    let rows = harness
        .sql("SELECT error_kind || ' ' || error_status || ' ' || creates FROM jobs")
        .await
        .unwrap();
    assert_eq!(rows, vec!["server_error 503 3"; 3]);
    assert!(harness.parsers_by_name().is_empty());
}

#[tokio::test]
async fn without_a_tag_lost_answers_still_make_one_parser_each() {
    let mut harness = Harness::new(&["create lose after p=0.5", "create lose before p=0.5"]).await;
    harness.set("create.name_tag", "false");
    harness.enqueue(16).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 16)]).await;
    harness.assert_one_parser_each(16);
    assert!(harness.parsers_by_name().contains_key("job-0"));
}

#[tokio::test]
async fn an_outage_fails_no_job_and_costs_no_attempt() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(8).await;
    harness.server.set_down(true).await.unwrap();
    let running = harness.start(Until::AllTerminal).await;
    // Long enough for several tries of everything that would be tried.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let states = harness.states().await;
    assert_eq!(
        states.keys().copied().collect::<Vec<_>>(),
        [JobState::Queued]
    );
    harness.server.set_down(false).await.unwrap();
    running.ended().await;
    harness.await_states(&[(JobState::Finished, 8)]).await;
    let attempts = harness.sql("SELECT max(attempts) FROM jobs").await.unwrap();
    assert_eq!(attempts, ["0"]);
}

#[tokio::test]
async fn killed_at_any_moment_and_started_again_all_finish_with_one_parser_each() {
    let kills: usize = std::env::var("PARSERD_TEST_KILLS").map_or(40, |size| {
        size.parse().expect("PARSERD_TEST_KILLS is a number")
    });
    let mut harness = Harness::new(&["create delay=2ms"]).await;
    harness.set("workers.max_requests", "4");
    harness.set("reconcile.settle", "60ms");
    harness.enqueue(100).await;
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..kills {
        let running = harness.start(Until::AllTerminal).await;
        // The moment of the kill is what is drawn here; nothing waits for it.
        tokio::time::sleep(Duration::from_micros(random.u64(0..60_000))).await;
        running.killed().await;
    }
    harness.start(Until::AllTerminal).await.ended().await;
    harness.await_states(&[(JobState::Finished, 100)]).await;
    harness.assert_one_parser_each(100);
}

#[tokio::test]
async fn a_budget_for_three_creates_makes_three_and_goes_on_when_it_is_raised() {
    let mut harness = Harness::new(&[]).await;
    harness.set("budget.max_credits", "90000");
    harness.enqueue(5).await;
    harness.run_until_done().await;
    assert_eq!(harness.requests(Endpoint::Create), 3);
    let reasons = harness
        .sql("SELECT DISTINCT park_reason FROM jobs WHERE state = 'PARKED'")
        .await
        .unwrap();
    assert_eq!(reasons, ["budget"]);
    harness.run_until_done().await;
    assert_eq!(
        harness.requests(Endpoint::Create),
        3,
        "a restart forgot what was spent"
    );
    harness.set("budget.max_credits", "150000");
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 5)]).await;
}

#[tokio::test]
async fn a_closed_gate_survives_a_restart() {
    let world = WorldConfig {
        credits: Some(0),
        first_free: false,
        ..WorldConfig::default()
    };
    let mut harness = Harness::with(world, &[]).await;
    harness.set("park.probe_interval", "1h");
    harness.set("park.max_probe_interval", "2h");
    harness.enqueue(40).await;
    harness.run_until_done().await;
    let sent = harness.requests(Endpoint::Create);
    assert!((1..=16).contains(&sent), "{sent}");
    harness.run_until_done().await;
    assert_eq!(harness.requests(Endpoint::Create), sent);
    let states = harness.states().await;
    assert_eq!(states.get(&JobState::Failed), None, "{states:?}");
}

#[tokio::test]
async fn a_job_that_was_deleted_and_enqueued_again_is_not_paid_again_whatever_the_list_shows() {
    for list in ["list limit=1", "create show-late=1h"] {
        let harness = Harness::new(&[list]).await;
        harness.enqueue(3).await;
        harness.run_until_done().await;
        harness.sql("DELETE FROM jobs").await.unwrap();
        harness.enqueue(3).await;
        harness.run_until_done().await;
        harness.await_states(&[(JobState::Finished, 3)]).await;
        assert_eq!(harness.requests(Endpoint::Create), 3, "{list}");
    }
}

#[tokio::test]
async fn a_job_that_was_cancelled_in_doubt_and_enqueued_again_settles_the_first_create() {
    let mut harness = Harness::new(&["create lose after nth=1", "list limit=0 first=40"]).await;
    harness.set("reconcile.settle", "50ms");
    // A known parser that no list shows: none of them is trusted.
    harness.enqueue(2).await;
    harness.run_until_done().await;
    let parked = harness
        .sql("SELECT name FROM jobs WHERE state = 'PARKED'")
        .await
        .unwrap();
    assert_eq!(parked.len(), 1);
    harness
        .sql("UPDATE jobs SET state = 'CANCELLED' WHERE state = 'PARKED'")
        .await
        .unwrap();
    harness.server.with(|simulator| simulator.faults.clear());
    harness.enqueue(2).await;
    harness.run_until_done().await;
    assert_eq!(harness.requests(Endpoint::Create), 2);
    let states = harness.states().await;
    assert_eq!(states.get(&JobState::Finished), Some(&2), "{states:?}");
}

#[tokio::test]
async fn a_parser_that_lands_after_the_settling_time_is_found_before_the_next_create() {
    // The answer is lost, the lists say that nothing was made, and then it lands.
    let mut harness = Harness::new(&["create lose land-late=400ms nth=1"]).await;
    harness.set("reconcile.settle", "60ms");
    harness.set("retry.initial_interval", "900ms");
    harness.set("retry.max_interval", "900ms");
    harness.enqueue(1).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 1)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 1);
    let ledger = harness.sql("SELECT outcome FROM creates").await.unwrap();
    assert_eq!(ledger, ["made"]);
}

#[tokio::test]
async fn a_key_of_another_account_loses_no_parser() {
    let mut harness = Harness::new(&["create generation=1h"]).await;
    harness.enqueue(3).await;
    let running = harness.start(Until::AllTerminal).await;
    harness.await_states(&[(JobState::Generating, 3)]).await;
    running.stopped().await;
    // The same database, another account: a service that knows none of the parsers.
    let elsewhere = Harness::with(
        WorldConfig {
            key: "another-key".to_owned(),
            seed: 9,
            ..WorldConfig::default()
        },
        &[],
    )
    .await;
    let right = harness.settings.clone();
    harness.set("api.base_url", &elsewhere.server.base_url());
    harness.set("api.key", "another-key");
    let running = harness.start(Until::AllTerminal).await;
    harness
        .wait_until("polls", async || elsewhere.requests(Endpoint::Get) > 12)
        .await;
    running.stopped().await;
    harness.await_states(&[(JobState::Generating, 3)]).await;
    let gone = harness
        .sql("SELECT parser_id FROM gone_parsers")
        .await
        .unwrap();
    assert!(gone.is_empty(), "{gone:?}");
    harness.settings = right;
    let running = harness.start(Until::AllTerminal).await;
    harness
        .wait_until("polls", async || harness.requests(Endpoint::Get) > 3)
        .await;
    running.stopped().await;
    harness.await_states(&[(JobState::Generating, 3)]).await;
}
