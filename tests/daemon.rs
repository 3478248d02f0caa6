//! The daemon against the simulator over HTTP, in one process.

mod unreadable;

use std::sync::{Arc, atomic::AtomicI64};

use crate::common::Harness;
use parserd::{
    clock::Clock,
    core::job::JobState,
    engine::daemon::Until,
    simulator::{Endpoint, WorldConfig},
};

#[tokio::test]
async fn jobs_go_from_queued_to_finished() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(20).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 20)]).await;
    harness.assert_one_parser_each(20);
}

#[tokio::test]
async fn one_list_answers_for_many_and_only_what_changed_is_asked_for() {
    // Of 100 parsers job-9 and job-90 to job-99 are ready at once.
    let rules = ["create generation=1ms name=job-9", "create generation=1h"];
    let mut harness = Harness::new(&rules).await;
    harness.set("poll.initial_interval", "5m");
    harness.set("poll.max_interval", "5m");
    harness.enqueue(100).await;
    let running = harness.start(Until::Stopped).await;
    harness.await_states(&[(JobState::Generating, 100)]).await;
    running.stopped().await;
    assert_eq!(harness.requests(Endpoint::Get), 0);
    let lists = harness.requests(Endpoint::List);

    let when_all_are_due = Clock::system().now() + 360_000;
    let clock = Clock::manual(Arc::new(AtomicI64::new(when_all_are_due)));
    let running = harness.start_at(clock, Until::Stopped).await;
    harness
        .await_states(&[(JobState::Generating, 89), (JobState::Finished, 11)])
        .await;
    running.stopped().await;
    // One more is asked for, to see whether the list tells the truth.
    assert_eq!(harness.requests(Endpoint::Get), 12);
    assert_eq!(harness.requests(Endpoint::List), lists + 1);
}

#[tokio::test]
async fn half_the_creates_answered_500_and_half_of_those_made_all_the_same() {
    let harness = Harness::new(&[
        "create status=500 after p=0.25",
        "create status=500 before p=0.3333",
    ])
    .await;
    harness.enqueue(60).await;
    harness.run_until_done().await;
    let states = harness.states().await;
    let ended =
        states.get(&JobState::Finished).unwrap_or(&0) + states.get(&JobState::Failed).unwrap_or(&0);
    assert_eq!(ended, 60, "{states:?}");
    let names = harness.parsers_by_name();
    assert!(names.values().all(|parsers| *parsers == 1), "{names:?}");
}

#[tokio::test]
async fn every_answer_to_a_create_lost_after_its_effect_and_still_one_parser_each() {
    let harness = Harness::new(&["create lose after"]).await;
    harness.enqueue(30).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 30)]).await;
    harness.assert_one_parser_each(30);
}

#[tokio::test]
async fn credits_for_thirty_of_a_hundred_then_credits_again() {
    let world = WorldConfig {
        credits: Some(29 * 30_000),
        ..WorldConfig::default()
    };
    let harness = Harness::with(world, &[]).await;
    harness.enqueue(100).await;
    let running = harness.start(Until::AllTerminal).await;
    let refused = |harness: &Harness| {
        harness
            .server
            .with(|simulator| simulator.traffic.count_status(Endpoint::Create, Some(402)))
    };
    let store = harness.store().await;
    tokio::time::timeout(crate::common::PATIENCE, async {
        while store.counts().await.unwrap().of(JobState::Finished) < 30 || refused(&harness) < 18 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    let counts = store.counts().await.unwrap();
    assert_eq!(counts.of(JobState::Finished), 30);
    assert_eq!(counts.of(JobState::Failed), 0);
    // At most one create a worker before the gate closed, then one canary a probe.
    let refused_at: Vec<_> = harness.server.with(|simulator| {
        let creates = simulator
            .traffic
            .log()
            .filter(|request| request.status == Some(402));
        creates.map(|request| request.at_ms).collect()
    });
    let pauses: Vec<_> = refused_at
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .collect();
    let probe_interval_ms = 200;
    let burst = pauses
        .iter()
        .take_while(|pause| **pause < probe_interval_ms)
        .count()
        + 1;
    assert!(
        burst <= 16,
        "{burst} creates were refused before the gate closed"
    );
    let canaries = &pauses[burst - 1..];
    assert!(canaries.len() >= 2, "{pauses:?}");
    assert!(
        canaries.iter().all(|pause| *pause >= probe_interval_ms),
        "{pauses:?}"
    );
    harness
        .server
        .with(|simulator| simulator.world.add_credits(70 * 30_000));
    running.ended().await;
    harness.await_states(&[(JobState::Finished, 100)]).await;
    harness.assert_one_parser_each(100);
}

#[tokio::test]
async fn a_probe_that_sees_no_credits_on_the_account_page_sends_no_create() {
    let world = WorldConfig {
        credits: Some(0),
        account_lag_ms: 0,
        ..WorldConfig::default()
    };
    let mut harness = Harness::with(world, &[]).await;
    let account_url = format!("{}/account", harness.server.base_url());
    harness.set("api.account_url", &account_url);
    harness.set("park.probe_interval", "20ms");
    harness.set("park.max_probe_interval", "24h");
    harness.set("workers.max_requests", "1");
    // The first parser of an account is free.
    harness.enqueue(4).await;
    let running = harness.start(Until::AllTerminal).await;
    let looked = || harness.requests(Endpoint::Account);
    harness
        .wait_until("probes look", async || looked() >= 4)
        .await;
    // The free one, and the one whose 402 closed the gate.
    assert_eq!(harness.requests(Endpoint::Create), 2);
    let spent = harness.sql("SELECT count(*) FROM creates").await.unwrap();
    assert_eq!(spent, ["2"], "a look is no create");
    let output = harness
        .sql("SELECT error_message FROM jobs WHERE state = 'PARKED' AND error_status IS NULL")
        .await
        .unwrap();
    assert!(
        output.iter().all(|text| text.contains("0 credits left")),
        "{output:?}"
    );
    harness
        .server
        .with(|simulator| simulator.world.add_credits(3 * 30_000));
    running.ended().await;
    harness.await_states(&[(JobState::Finished, 4)]).await;
    harness.assert_one_parser_each(4);
    assert_eq!(harness.requests(Endpoint::Create), 5);
}

#[tokio::test]
async fn an_account_page_that_is_wrong_or_silent_holds_no_create_for_ever() {
    for fault in [
        "account status=500",
        "account unreadable",
        "account delay=1ms",
    ] {
        let world = WorldConfig {
            credits: Some(0),
            account_lag_ms: 0,
            ..WorldConfig::default()
        };
        let mut harness = Harness::with(world, &[fault]).await;
        let account_url = format!("{}/account", harness.server.base_url());
        harness.set("api.account_url", &account_url);
        harness.set("park.probe_interval", "20ms");
        harness.set("park.max_probe_interval", "80ms");
        harness.enqueue(2).await;
        let running = harness.start(Until::AllTerminal).await;
        let refused = || {
            harness
                .server
                .with(|simulator| simulator.traffic.count_status(Endpoint::Create, Some(402)))
        };
        // The page says 0 all the time, and from the longest interval on creates try.
        harness
            .wait_until("creates try", async || refused() >= 3)
            .await;
        harness
            .server
            .with(|simulator| simulator.world.add_credits(2 * 30_000));
        running.ended().await;
        harness.await_states(&[(JobState::Finished, 2)]).await;
        harness.assert_one_parser_each(2);
    }
}

#[tokio::test]
async fn with_a_wrong_key_nothing_fails_and_with_the_right_one_all_finish() {
    let mut harness = Harness::new(&[]).await;
    harness.enqueue(10).await;
    harness.set("api.key", "wrong-key");
    harness.run_until_done().await;
    let states = harness.states().await;
    assert_eq!(states.get(&JobState::Failed), None, "{states:?}");
    assert!(states.contains_key(&JobState::Parked), "{states:?}");
    harness.set("api.key", "demo-key");
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 10)]).await;
    harness.assert_one_parser_each(10);
}

#[tokio::test]
async fn jobs_inserted_by_another_program_while_the_daemon_runs_all_finish() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(0).await;
    let running = harness.start(Until::Stopped).await;
    for n in 0..200 {
        harness
            .sql(&format!(
                "INSERT INTO jobs (name, urls) VALUES ('sql-{n}', '[\"https://s{n}.example/\"]')"
            ))
            .await
            .unwrap();
    }
    harness.await_states(&[(JobState::Finished, 200)]).await;
    running.stopped().await;
    harness.assert_one_parser_each(200);
    assert_eq!(harness.requests(Endpoint::Create), 200);
}

#[tokio::test]
async fn throttling_holds_the_creates_and_is_no_attempt() {
    let harness = Harness::new(&[
        "create status=429 retry-after-text=0 first=3",
        "get status=429 first=4",
        "list status=429 nth=1",
    ])
    .await;
    harness.enqueue(10).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 10)]).await;
    let attempts = harness.sql("SELECT max(attempts) FROM jobs").await.unwrap();
    assert_eq!(attempts, ["0"]);
}

#[tokio::test]
async fn a_generation_that_fails_says_why_and_what_to_do() {
    let harness =
        Harness::new(&["create fail=\"DownloadError: Failed to download\" name=job-1"]).await;
    harness.enqueue(2).await;
    harness.run_until_done().await;
    harness
        .await_states(&[(JobState::Finished, 1), (JobState::Failed, 1)])
        .await;
    let rows = harness
        .sql("SELECT error_kind || ': ' || error_message || ': ' || error_hint FROM jobs WHERE state = 'FAILED'")
        .await
        .unwrap();
    assert!(
        rows[0].starts_with("generation_failed: DownloadError"),
        "{rows:?}"
    );
    assert!(rows[0].contains("premium"), "{rows:?}");
}

#[tokio::test]
async fn a_generation_given_up_is_polled_again_and_not_paid_again() {
    let mut harness = Harness::new(&["create generation=400ms"]).await;
    harness.set("poll.timeout", "50ms");
    harness.enqueue(1).await;
    harness.run_until_done().await;
    let kinds = harness.sql("SELECT error_kind FROM jobs").await.unwrap();
    assert_eq!(kinds, ["generation_timeout"]);
    harness
        .sql("UPDATE jobs SET state = 'QUEUED'")
        .await
        .unwrap();
    let states = harness.states().await;
    assert!(states.contains_key(&JobState::Queued), "{states:?}");
    harness.set("poll.timeout", "30m");
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 1)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 1);
}

#[tokio::test]
async fn a_parser_that_someone_deletes_while_it_is_generated_fails_its_job() {
    let harness = Harness::new(&["create generation=1h"]).await;
    harness.enqueue(3).await;
    let running = harness.start(Until::AllTerminal).await;
    harness.await_states(&[(JobState::Generating, 3)]).await;
    harness.server.with(|simulator| {
        for parser in simulator.world.parsers(i64::MAX) {
            simulator.world.delete_parser(&parser.id);
        }
    });
    running.ended().await;
    let kinds = harness
        .sql("SELECT DISTINCT error_kind FROM jobs")
        .await
        .unwrap();
    assert_eq!(kinds, ["not_found"]);
}

#[tokio::test]
async fn an_existing_parser_is_adopted_refused_or_made_again_as_configured() {
    for (on_existing, state, creates) in [
        ("adopt", JobState::Finished, 1),
        ("fail", JobState::Failed, 1),
        ("create", JobState::Finished, 2),
    ] {
        let mut harness = Harness::new(&[]).await;
        harness.enqueue(1).await;
        harness.run_until_done().await;
        std::fs::remove_file(harness.database()).unwrap();
        harness.set("create.on_existing", on_existing);
        harness.enqueue(1).await;
        harness.run_until_done().await;
        harness.await_states(&[(state, 1)]).await;
        assert_eq!(harness.requests(Endpoint::Create), creates, "{on_existing}");
    }
}

#[tokio::test]
async fn no_more_parsers_are_generated_at_once_than_configured() {
    let mut harness = Harness::new(&["create generation=30ms"]).await;
    harness.set("workers.max_generating", "3");
    harness.enqueue(12).await;
    let running = harness.start(Until::AllTerminal).await;
    let mut most = 0;
    while !running.task.is_finished() {
        let under_way = harness
            .sql("SELECT count(*) FROM jobs WHERE state IN ('CREATING', 'GENERATING')")
            .await
            .unwrap();
        most = most.max(under_way[0].parse().unwrap());
    }
    running.ended().await;
    assert!((1..=3).contains(&most), "{most}");
    harness.await_states(&[(JobState::Finished, 12)]).await;
}

#[tokio::test]
async fn polls_stand_what_the_service_may_answer() {
    let harness = Harness::new(&[
        "get status=500 nth=1 per-name",
        "get lose nth=2 per-name",
        "get cut nth=3 per-name",
        "get unreadable nth=4 per-name",
        "get say=GENERATING:WARMING_UP nth=5 per-name",
        "get missing=status nth=6 per-name",
        "get say=FINISHED:FINISED",
        "get rekey=example_result:example_results",
    ])
    .await;
    harness.enqueue(4).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 4)]).await;
    let results = harness
        .sql("SELECT json_type(example_result) || ' ' || parser_version FROM jobs")
        .await
        .unwrap();
    assert_eq!(results, vec!["array 0"; 4]);
}

#[tokio::test]
async fn examples_that_cannot_be_kept_fail_no_job_and_spoil_no_report() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = format!("get name=job-1 raw=example_result:{deep}");
    let harness = Harness::new(&[
        "get name=job-0 raw=example_result:[NaN]",
        &deep,
        "get name=job-2 raw=example_result:'text'",
        "get name=job-3 missing=example_result nth=1 per-name",
    ])
    .await;
    harness.enqueue(5).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 5)]).await;
    let kept = "SELECT name FROM jobs WHERE example_result IS NOT NULL ORDER BY name";
    assert_eq!(
        harness.sql(kept).await.unwrap(),
        ["job-2", "job-3", "job-4"]
    );
    let output = "SELECT name FROM jobs JOIN job_events ON job_id = jobs.id \
                WHERE detail ->> 'no_examples' <> '' ORDER BY name";
    assert_eq!(harness.sql(output).await.unwrap(), ["job-0", "job-1"]);
    // The report of docs/src/sql.md stands them all, also what an earlier version kept.
    let recipes = include_str!("../docs/src/sql.md");
    let report = recipes
        .split("\n\n")
        .find(|text| text.contains("json_each("));
    let spoilt = format!(
        "UPDATE jobs SET example_result = '{}' WHERE name = 'job-0'",
        "[".repeat(2_000)
    );
    let unguarded = "DROP TRIGGER jobs_columns_check";
    harness.sql(unguarded).await.unwrap();
    harness.sql(&spoilt).await.unwrap();
    let rows = harness.sql(report.unwrap()).await.unwrap();
    assert!(rows.contains(&"job-4".to_owned()), "{rows:?}");
}

#[tokio::test]
async fn a_job_that_another_clock_dated_a_year_ahead_goes_at_once() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(1).await;
    let running = harness.start(Until::Stopped).await;
    harness.await_states(&[(JobState::Finished, 1)]).await;
    let year = Clock::system().now() + 365 * 86_400_000;
    let insert = format!(
        "INSERT INTO jobs (name, urls, created_at, updated_at, due_at) \
         VALUES ('ahead', '[\"https://a.example/\"]', {year}, {year}, {year})"
    );
    harness.sql(&insert).await.unwrap();
    harness.await_states(&[(JobState::Finished, 2)]).await;
    running.stopped().await;
}
