//! The budget over restarts, crashes and midnights: the daemon against the simulator
//! over HTTP.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use crate::common::Harness;
use parserd::{
    clock::Clock,
    core::budget::utc_day,
    core::job::JobState,
    core::spec::JobSpec,
    engine::daemon::Until,
    simulator::{Endpoint, WorldConfig},
    store::Ledger as _,
};

const DAY_MS: i64 = 86_400_000;

async fn count(harness: &Harness, sql: &str) -> i64 {
    harness.sql(sql).await.unwrap()[0].parse().unwrap()
}

const CREATES: &str = "SELECT count(*) || '' FROM creates";

#[tokio::test]
async fn creates_in_doubt_count_as_spent_whatever_ends_the_process() {
    let limits = ["budget.max_credits", "budget.max_credits_per_day"];
    for (limit, fault) in [
        (limits[0], "create lose before"),
        (limits[1], "create lose after show-late=1h"),
        // The crash comes between the request and its answer.
        (limits[0], "create lose before delay=1h"),
        (limits[1], "create lose before delay=1h"),
    ] {
        let mut harness = Harness::new(&[fault]).await;
        harness.set(limit, "60000");
        harness.set("reconcile.settle", "1h");
        harness.set("api.request_timeout", "1h");
        harness.enqueue(3).await;
        for run in 1..=3 {
            let running = harness.start(Until::Stopped).await;
            // Each start looks anew whether there is room.
            let parked = "SELECT count(*) || '' FROM job_events WHERE event = 'parked'";
            harness
                .wait_until("one is parked", async || {
                    count(&harness, parked).await >= run
                })
                .await;
            harness
                .await_states(&[(JobState::Creating, 2), (JobState::Parked, 1)])
                .await;
            assert_eq!(count(&harness, CREATES).await, 2, "{limit} {fault} {run}");
            running.killed().await;
        }
        assert_eq!(harness.requests(Endpoint::Create), 2, "{limit} {fault}");
        harness.set(limit, "90000");
        let running = harness.start(Until::Stopped).await;
        harness
            .wait_until("the raised limit lets one go", async || {
                count(&harness, CREATES).await == 3
            })
            .await;
        running.killed().await;
    }
}

#[tokio::test]
async fn a_create_that_was_refused_is_not_announced_as_spent() {
    let announced = "SELECT count(*) || '' FROM job_events WHERE event = 'budget_80'";
    for (credits, ends, expected) in [(0, JobState::Parked, 0), (30_000, JobState::Finished, 1)] {
        let world = WorldConfig {
            credits: Some(credits),
            first_free: false,
            ..WorldConfig::default()
        };
        let mut harness = Harness::with(world, &["create delay=300ms"]).await;
        harness.set("budget.max_credits", "37500");
        harness.set("park.probe_interval", "1h");
        harness.set("park.max_probe_interval", "1h");
        harness.enqueue(1).await;
        let running = harness.start(Until::Stopped).await;
        harness
            .wait_until("the create is under way", async || {
                harness.states().await.contains_key(&JobState::Creating)
            })
            .await;
        // A commit of another's: the daemon looks at what there is to announce.
        let elsewhere = "INSERT INTO jobs (name, urls, run_at) VALUES \
            ('later', '[\"https://later.example/\"]', 32503680000000) RETURNING name";
        harness.sql(elsewhere).await.unwrap();
        harness
            .wait_until("it came to rest", async || {
                harness.states().await.contains_key(&ends)
            })
            .await;
        running.stopped().await;
        assert_eq!(count(&harness, announced).await, expected, "{credits}");
    }
}

#[tokio::test]
async fn what_the_budget_held_goes_on_when_the_utc_day_turns() {
    let mut harness = Harness::new(&[]).await;
    harness.set("budget.max_credits_per_day", "60000");
    harness.enqueue(5).await;
    // Later than any time of the database's own.
    let evening = (utc_day(Clock::system().now()) + 2) * DAY_MS - 3_600_000;
    let time = Arc::new(AtomicI64::new(evening));
    let ticking = Arc::clone(&time);
    let ticker = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(2)).await;
            ticking.fetch_add(2, Ordering::SeqCst);
        }
    });
    let clock = Clock::manual(Arc::clone(&time));
    let running = harness.start_at(clock, Until::Stopped).await;
    harness
        .await_states(&[(JobState::Finished, 2), (JobState::Parked, 3)])
        .await;
    for finished in [4, 6] {
        time.fetch_add(DAY_MS, Ordering::SeqCst);
        // A commit wakes the daemon, which sleeps by the machine's own clock.
        add(&harness, finished).await;
        let rest = 5 + finished / 2 - 1 - finished;
        let states = [(JobState::Finished, finished), (JobState::Parked, rest)];
        let states: Vec<_> = states.into_iter().filter(|(_, jobs)| *jobs > 0).collect();
        harness.await_states(&states).await;
        assert_eq!(harness.requests(Endpoint::Create), finished.unsigned_abs());
    }
    running.stopped().await;
    ticker.abort();
    let days = harness
        .sql("SELECT count(*) || '' FROM creates GROUP BY sent_at / 86400000")
        .await
        .unwrap();
    assert_eq!(days, ["2", "2", "2"]);
}

#[tokio::test]
async fn what_a_clock_that_was_ahead_dated_counts_once_when_the_service_agrees_with_the_clock() {
    const YEAR_MS: i64 = 365 * DAY_MS;
    let mut harness = Harness::new(&[]).await;
    harness.set("budget.max_credits_per_day", "60000");
    harness.enqueue(1).await;
    let ahead = Clock::system().now() + YEAR_MS;
    let clock = Clock::manual(Arc::new(AtomicI64::new(ahead)));
    let running = harness.start_at(clock, Until::Stopped).await;
    harness
        .wait_until("it is sent", async || {
            harness.states().await.contains_key(&JobState::Generating)
        })
        .await;
    running.stopped().await;
    add(&harness, 1).await;
    add(&harness, 2).await;
    let running = harness.start(Until::Stopped).await;
    harness
        .await_states(&[(JobState::Finished, 2), (JobState::Parked, 1)])
        .await;
    running.stopped().await;
    let store = harness.store().await;
    let now = Clock::system().now();
    let spent = store.spent(now).await.unwrap();
    assert_eq!(
        (spent.today, spent.later, spent.redated),
        (60_000, 0, 30_000)
    );
    for days in [1, 365] {
        let spent = store.spent(now + days * DAY_MS).await.unwrap();
        assert_eq!((spent.in_all, spent.today), (60_000, 0), "in {days} days");
    }
    store.close().await;
}

async fn add(harness: &Harness, number: i64) {
    let spec = JobSpec {
        name: format!("later-{number}"),
        urls: vec!["https://later.example/page".to_owned()],
        ..JobSpec::default()
    };
    let store = harness.store().await;
    store.submit(vec![spec], false).await.unwrap();
    store.close().await;
}
