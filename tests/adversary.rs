//! What nobody tried: faults, kills and operators together, and what must hold then.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod soak;

use std::time::Duration;

use crate::common::{Harness, Running};
use parserd::{
    core::job::JobState,
    engine::daemon::Until,
    simulator::{Endpoint, Inserted, WorldConfig},
};

#[tokio::test]
async fn a_job_that_waits_for_room_is_claimed_when_there_is_some() {
    // Polls under way are claimed too, and jobs found due beyond the room must be found again.
    let mut harness = Harness::new(&[
        "get delay=60ms every=2",
        "get delay=35ms",
        "create generation=40ms every=2",
        "create generation=90ms every=3",
        "create generation=150ms",
    ])
    .await;
    harness.set("workers.max_generating", "6");
    harness.enqueue(30).await;
    let running = harness.start(Until::AllTerminal).await;
    harness.await_states(&[(JobState::Finished, 30)]).await;
    running.ended().await;
    harness.assert_one_parser_each(30);
}

/// CPU time of this thread, on which all of the test's daemon runs.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

fn requests(harness: &Harness) -> u64 {
    harness
        .server
        .with(|simulator| simulator.traffic.counts().values().sum())
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn where_nothing_can_go_on_nothing_turns_in_circles() {
    let far = "UPDATE jobs SET run_at = 32503680000000";
    type Case<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, &'a str)], &'a str);
    let cases: &[Case<'_>] = &[
        ("lists fail", &["list status=500"], &[], ""),
        ("lists are lost", &["list lose"], &[], ""),
        ("lists are refused", &["list status=401"], &[], ""),
        (
            "lists want credits",
            &["list status=402", "create lose"],
            &[],
            "",
        ),
        ("throttled", &["any status=429 retry-after-text=0"], &[], ""),
        ("no credits", &["create status=402"], &[], ""),
        ("creates fail", &["create status=500"], &[], ""),
        ("creates are lost", &["create lose after"], &[], ""),
        ("polls are refused", &["get status=402"], &[], ""),
        ("polls find nothing", &["get status=404"], &[], ""),
        (
            "polls are lost",
            &["get lose", "create generation=1h"],
            &[],
            "",
        ),
        (
            "full",
            &["create generation=1h"],
            &[("workers.max_generating", "2")],
            "",
        ),
        ("far future", &[], &[], far),
        ("no budget", &[], &[("budget.max_credits", "30000")], ""),
        (
            "no budget a day",
            &[],
            &[("budget.max_credits_per_day", "1")],
            "",
        ),
        (
            "one at a time",
            &["create status=402"],
            &[("workers.max_requests", "1")],
            "",
        ),
    ];
    let mut all = Vec::new();
    for (what, faults, settings, sql) in cases {
        let mut harness = Harness::new(faults).await;
        for key in [
            "retry.initial_interval",
            "retry.max_interval",
            "poll.initial_interval",
        ] {
            harness.set(key, "5s");
        }
        harness.set("poll.max_interval", "10s");
        harness.set("park.probe_interval", "1h");
        harness.set("park.max_probe_interval", "1h");
        harness.set("reconcile.settle", "15m");
        harness.set("reconcile.settle_after_error", "5m");
        for (key, value) in *settings {
            harness.set(key, value);
        }
        harness.enqueue(40).await;
        if !sql.is_empty() {
            harness.sql(sql).await.unwrap();
        }
        let running = harness.start(Until::Stopped).await;
        all.push((what, harness, running));
    }
    // Until each has done what it can.
    let mut before = Vec::new();
    tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let asked: Vec<_> = all
                .iter()
                .map(|(_, harness, _)| requests(harness))
                .collect();
            if asked == before {
                return;
            }
            before = asked;
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    })
    .await
    .expect("there are always more requests");
    let before = cpu_time();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let cpu = cpu_time() - before;
    assert!(cpu < Duration::from_millis(100), "{cpu:?} of CPU time");
    for (what, harness, running) in all {
        let asked = requests(&harness);
        println!("{what}: {asked} requests");
        assert!(asked <= 180, "{what}: {asked} requests");
        running.stopped().await;
    }
}

#[tokio::test]
async fn a_job_that_is_always_refused_does_not_keep_the_others_parked() {
    // All are parked; that one is not the canary for ever.
    let mut harness = Harness::new(&[
        "create status=403 name=job-0",
        "create status=402 first=8 delay=60ms",
    ])
    .await;
    harness.set("park.probe_interval", "20ms");
    harness.set("park.max_probe_interval", "40ms");
    harness.enqueue(8).await;
    let running = harness.start(Until::AllTerminal).await;
    harness
        .wait_until("the others", async || {
            harness.states().await.get(&JobState::Finished) == Some(&7)
        })
        .await;
    running.stopped().await;
}

#[tokio::test]
async fn once_told_to_stop_nothing_more_is_paid_for() {
    let harness = Harness::new(&["list delay=15s"]).await;
    harness.enqueue(4).await;
    let running = harness.start(Until::AllTerminal).await;
    harness
        .wait_until("a list", async || harness.requests(Endpoint::List) > 0)
        .await;
    let asked = std::time::Instant::now();
    running.stopped().await;
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "it waited for the list"
    );
    assert_eq!(harness.requests(Endpoint::Create), 0);
    harness.await_states(&[(JobState::Queued, 4)]).await;
}

#[tokio::test]
async fn a_gate_that_an_operator_opens_is_open_at_once_also_after_lists_that_failed() {
    let mut harness = Harness::new(&["list status=402"]).await;
    harness.set("retry.initial_interval", "1h");
    harness.set("retry.max_interval", "1h");
    harness.set("park.probe_interval", "1h");
    harness.set("park.max_probe_interval", "1h");
    harness.enqueue(3).await;
    let running = harness.start(Until::AllTerminal).await;
    harness
        .wait_until("a closed gate", async || {
            harness.sql("SELECT scope FROM gates").await.unwrap() == ["read"]
        })
        .await;
    harness.server.with(|simulator| simulator.faults.clear());
    harness.sql("DELETE FROM gates").await.unwrap();
    harness.await_states(&[(JobState::Finished, 3)]).await;
    running.ended().await;
}

#[tokio::test]
async fn throttled_questions_about_an_earlier_parser_are_no_looks_in_vain() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(1).await;
    harness.run_until_done().await;
    harness.sql("DELETE FROM jobs").await.unwrap();
    harness.server.with(|simulator| {
        for rule in ["list limit=0", "get status=429 first=80"] {
            simulator.faults.add(rule.parse().unwrap());
        }
    });
    harness.enqueue(1).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 1)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 1);
}

#[tokio::test]
async fn a_daemon_that_nobody_can_stop_any_more_ends_by_itself() {
    let harness = Harness::new(&["list status=500"]).await;
    harness.enqueue(1).await;
    let Running { stop, task } = harness.start(Until::Stopped).await;
    drop(stop);
    tokio::time::timeout(Duration::from_secs(10), task)
        .await
        .unwrap()
        .unwrap();
}

/// Makes the database refuse half of what is written so.
async fn refuse_half(harness: &Harness, table: &str, when: &str) {
    let sql = format!(
        "CREATE TRIGGER refuse BEFORE {table} WHEN {when} AND abs(random()) % 2 BEGIN SELECT RAISE(ABORT, 'refused by the test'); END"
    );
    harness.sql(&sql).await.unwrap();
}

#[tokio::test]
async fn a_database_that_refuses_at_any_point_loses_and_doubles_nothing() {
    let points = [
        (
            "UPDATE ON jobs",
            "NEW.state = 'CREATING' AND OLD.state = 'QUEUED'",
        ),
        ("INSERT ON creates", "1"),
        ("UPDATE ON jobs", "NEW.state = 'GENERATING'"),
        ("UPDATE ON creates", "1"),
        ("UPDATE ON jobs", "NEW.state = 'FINISHED'"),
        ("INSERT ON job_events", "NEW.event <> 'queued'"),
        ("INSERT ON gates", "1"),
        ("UPDATE ON jobs", "NEW.revision > OLD.revision"),
    ];
    let tests = points.map(async |(table, when)| {
        let harness = Harness::new(&[
            "create lose after p=0.2",
            "create status=503 p=0.2",
            "create status=429 nth=2",
        ])
        .await;
        harness.enqueue(6).await;
        refuse_half(&harness, table, when).await;
        let running = harness.start(Until::AllTerminal).await;
        harness
            .wait_until("the end", async || {
                let states = harness.states().await;
                states.keys().all(|state| state.is_terminal())
            })
            .await;
        running.ended().await;
        let names = harness.parsers_by_name();
        assert!(names.values().all(|made| *made == 1), "{when}: {names:?}");
        let unsettled = harness
            .sql("SELECT remote_name FROM creates WHERE outcome = 'pending'")
            .await
            .unwrap();
        assert!(unsettled.is_empty(), "{when}: {unsettled:?}");
        let recorded = harness
            .sql("SELECT parser_id FROM creates WHERE outcome = 'made'")
            .await
            .unwrap();
        assert_eq!(recorded.len(), names.len(), "{when}");
    });
    futures_util::future::join_all(tests).await;
}

#[tokio::test]
async fn without_credits_one_canary_goes_out_for_each_probe_whoever_stops_and_starts() {
    let world = WorldConfig {
        credits: Some(0),
        first_free: false,
        ..WorldConfig::default()
    };
    let mut harness = Harness::with(world, &["create delay=20ms"]).await;
    harness.set("workers.max_requests", "4");
    harness.set("park.probe_interval", "100ms");
    harness.set("park.max_probe_interval", "100ms");
    harness.enqueue(40).await;
    let running = harness.start(Until::Stopped).await;
    harness
        .wait_until("a closed gate", async || {
            harness.sql("SELECT scope FROM gates").await.unwrap() == ["create"]
        })
        .await;
    running.stopped().await;
    let mut log = Vec::new();
    for kill in 0..8 {
        let running = harness.start(Until::Stopped).await;
        tokio::time::sleep(Duration::from_millis(170)).await;
        match kill % 2 {
            0 => running.killed().await,
            _ => running.stopped().await,
        }
        log = harness.server.with(|simulator| {
            let creates = simulator.traffic.log();
            creates
                .filter(|request| request.endpoint == Endpoint::Create)
                .map(|request| request.at_ms)
                .collect()
        });
    }
    let after = &log[log.len().min(4)..];
    // A canary that was killed is followed by another at once.
    let close = after
        .windows(2)
        .filter(|pair| pair[1] - pair[0] < 100)
        .count();
    assert!(close <= 4, "{after:?}");
    assert!(!after.is_empty(), "{log:?}");
    let states = harness.states().await;
    assert!(!states.contains_key(&JobState::Failed), "{states:?}");
}

#[tokio::test]
async fn an_intent_that_the_database_refuses_costs_no_budget() {
    let mut harness = Harness::new(&[]).await;
    harness.set("budget.max_credits", "120000");
    harness.enqueue(4).await;
    refuse_half(&harness, "INSERT ON creates", "1").await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 4)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 4);
}

#[tokio::test]
async fn without_a_tag_a_late_landing_is_told_from_a_parser_of_the_same_name() {
    let mut harness = Harness::new(&["create lose land-late=400ms nth=1"]).await;
    harness.set("create.name_tag", "false");
    harness.set("create.on_existing", "create");
    harness.set("reconcile.settle", "60ms");
    harness.set("retry.initial_interval", "900ms");
    harness.set("retry.max_interval", "900ms");
    let now = harness.server.now_ms();
    harness.server.with(|simulator| {
        let foreign = Inserted {
            name: "job-0".to_owned(),
            ..Inserted::default()
        };
        simulator.world.insert_parser(now, foreign)
    });
    harness.enqueue(1).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 1)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 1);
}

#[tokio::test]
async fn a_parser_that_is_listed_and_never_found_is_given_up_at_last() {
    let mut harness = Harness::new(&["get status=404"]).await;
    harness.set("poll.timeout", "300ms");
    harness.enqueue(2).await;
    harness.run_until_done().await;
    let kinds = harness.sql("SELECT error_kind FROM jobs").await.unwrap();
    assert_eq!(kinds, ["generation_timeout", "generation_timeout"]);
    // Each look costs a list of the whole account.
    assert!(harness.requests(Endpoint::List) < 30);
}
