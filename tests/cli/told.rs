//! `events`, `wait` and `init`.

use std::time::Duration;

use parserd::{
    core::{
        gate::{Closure, GateReason, Scope},
        job::JobState,
        spec::JobSpec,
    },
    engine::daemon::Until,
    store::{Gates as _, has_daemon},
};
use serde_json::Value;

use crate::common::{
    Harness,
    program::{Program, parserd, written},
    spec,
};

async fn run(harness: &Harness, args: &[&str]) -> (i32, String, String) {
    let mut command = tokio::process::Command::from(parserd(harness, args));
    let output = command.output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

/// A job that works, and one that does not.
async fn two() -> Harness {
    let harness = Harness::new(&[]).await;
    let bad = JobSpec {
        name: "bad".to_owned(),
        urls: vec!["https://bad.example/blocked".to_owned()],
        ..spec(0)
    };
    let store = harness.store().await;
    store.submit(vec![spec(1), bad], false).await.unwrap();
    store.close().await;
    harness
}

#[tokio::test]
async fn an_empty_database_is_made_once() {
    let harness = Harness::new(&[]).await;
    // Who reads events makes none.
    for args in [&["events"][..], &["events", "--cursor", "a"]] {
        let (code, _, told) = run(&harness, args).await;
        assert_eq!(code, 1, "{told}");
        assert!(told.contains("there is no database"), "{told}");
    }
    // What `sqlite3 FILE` leaves behind is no database yet.
    std::fs::write(harness.database(), "").unwrap();
    let (code, _, told) = run(&harness, &["init"]).await;
    assert_eq!(code, 0);
    assert!(
        told.contains("was an empty file, and is a database now"),
        "{told}"
    );
    let insert = "INSERT INTO jobs (name, urls) VALUES ('a', '[\"https://a.example/\"]')";
    harness.sql(insert).await.unwrap();
    let (code, _, told) = run(&harness, &["init"]).await;
    assert_eq!(code, 0);
    assert!(told.contains("nothing was changed"), "{told}");
    assert_eq!(
        harness.sql("SELECT count(*) FROM jobs").await.unwrap(),
        ["1"]
    );
}

#[tokio::test]
async fn events_come_in_order_and_a_cursor_goes_on_where_it_stopped() {
    let harness = two().await;
    harness.run_until_done().await;
    let (_, out, _) = run(&harness, &["events", "--json"]).await;
    let all: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let ids: Vec<_> = all
        .iter()
        .map(|event| event["id"].as_i64().unwrap())
        .collect();
    assert!(ids.is_sorted(), "{ids:?}");
    let types: Vec<_> = all
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert!(
        types.contains(&"finished") && types.contains(&"failed"),
        "{types:?}"
    );
    let first = ["events", "--cursor", "me", "--type", "failed"];
    let (code, out, _) = run(&harness, &first).await;
    assert_eq!((code, out.lines().count()), (0, 1), "{out}");
    assert!(
        out.contains("job 2 bad: failed, generation_failed"),
        "{out}"
    );
    let (_, out, _) = run(&harness, &first).await;
    assert_eq!(out, "");
    // Other readers have places of their own.
    let (_, out, _) = run(&harness, &["events", "--cursor", "you", "--type", "failed"]).await;
    assert_eq!(out.lines().count(), 1);
    let (code, _, told) = run(&harness, &["events", "--type", "fnished"]).await;
    assert_eq!(code, 2);
    assert!(told.contains("did you mean finished?"), "{told}");
}

#[tokio::test]
async fn a_program_gets_each_event_until_it_takes_it_and_no_key() {
    let harness = two().await;
    harness.run_until_done().await;
    // It fails once, and then takes what it is given.
    let command = "test -e seen || { touch seen; exit 7; }; env > environment; cat >> taken";
    let args = [
        "events", "--cursor", "hook", "--type", "finished", "--exec", command,
    ];
    let (code, out, told) = run(&harness, &args).await;
    assert_eq!((code, out.as_str()), (0, ""));
    assert!(
        told.contains("(finished): exit status: 7; again in 1 s"),
        "{told}"
    );
    let read = |name: &str| std::fs::read_to_string(harness.directory.path().join(name)).unwrap();
    let taken: Value = serde_json::from_str(read("taken").trim()).unwrap();
    assert_eq!(taken["name"], "job-1");
    assert!(!read("environment").contains("demo-key"));
    let (_, _, told) = run(&harness, &args).await;
    assert_eq!(told, "");
}

#[tokio::test]
async fn who_follows_hears_of_what_happens_later() {
    let harness = Harness::new(&[]).await;
    harness.store().await.close().await;
    let follower = Program::start(parserd(
        &harness,
        &["events", "--follow", "--type", "finished"],
    ));
    harness.enqueue(1).await;
    let (code, _, _) = {
        let running = harness.start(Until::Stopped).await;
        let waited = run(&harness, &["wait", "job-0", "--timeout", "1m"]).await;
        running.stopped().await;
        waited
    };
    assert!(code == 0 || code == 1, "{code}");
    harness
        .wait_until("the event", async || {
            String::from_utf8_lossy(&written(&follower.stdout)).contains("job 1 job-0: finished")
        })
        .await;
    follower.signal(rustix::process::Signal::TERM);
    let output = follower.ended().await;
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn waiting_ends_as_a_run_does() {
    let harness = two().await;
    let (code, _, told) = run(&harness, &["wait"]).await;
    assert_eq!(code, 1);
    assert!(told.contains("no parserd runs"), "{told}");
    let daemon = Program::start(parserd(&harness, &["run"]));
    harness
        .wait_until("the daemon", async || {
            has_daemon(&harness.database()) == Some(true)
        })
        .await;
    let (code, _, told) = run(&harness, &["wait", "--timeout", "1m"]).await;
    // It may have FAILED before the waiting began.
    assert!(
        code == 3 || told.contains("1 FAILED job of before"),
        "{code}: {told}"
    );
    // However short the time is: it is not what ended the waiting.
    let (code, _, told) = run(&harness, &["wait", "--timeout", "1ns"]).await;
    assert_eq!(code, 0, "{told}");
    let (code, _, told) = run(&harness, &["wait"]).await;
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("1 FINISHED, 1 FAILED (1 FAILED job of before)"),
        "{told}"
    );
    let (code, _, told) = run(&harness, &["wait", "nobody"]).await;
    assert_eq!(code, 1);
    assert!(told.contains("no job has the id or the name"), "{told}");
    daemon.signal(rustix::process::Signal::TERM);
    let output = tokio::time::timeout(Duration::from_secs(30), daemon.ended())
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

async fn events(harness: &Harness, args: &[&str]) -> Vec<Value> {
    let args = [&["events", "--json"], args].concat();
    let (code, out, told) = run(harness, &args).await;
    assert_eq!(code, 0, "{told}");
    let lines = out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn types(events: &[Value]) -> Vec<&str> {
    let types = events.iter().map(|event| event["type"].as_str().unwrap());
    types.collect()
}

#[tokio::test]
async fn a_batch_is_announced_once_and_a_job_that_is_added_begins_another() {
    let harness = two().await;
    harness.run_until_done().await;
    let batch = ["--type", "batch_done"];
    let first = events(&harness, &batch).await;
    assert_eq!(first.len(), 1, "{first:?}");
    assert!(first[0]["job_id"].is_null(), "{first:?}");
    assert!(first[0].get("name").is_none(), "{first:?}");
    let detail = &first[0]["detail"];
    let count = |what: &str| detail[what].as_i64().unwrap();
    assert_eq!(
        (count("finished"), count("failed"), count("parked")),
        (1, 1, 0),
        "{detail}"
    );
    assert!(count("credits") > 0 && count("took_ms") >= 0, "{detail}");
    // Not with a restart.
    harness.run_until_done().await;
    assert_eq!(events(&harness, &batch).await.len(), 1);
    // By SQL, and with a daemon that goes on.
    let running = harness.start(Until::Stopped).await;
    let insert = "INSERT INTO jobs (name, urls) VALUES ('later', '[\"https://a.example/\"]')";
    harness.sql(insert).await.unwrap();
    harness
        .wait_until("the second batch", async || {
            events(&harness, &batch).await.len() == 2
        })
        .await;
    running.stopped().await;
    let second = events(&harness, &batch).await.remove(1);
    assert_eq!(second["detail"]["finished"], 1, "{second}");
    assert_eq!(second["detail"]["failed"], 0, "{second}");
    let (_, out, _) = run(&harness, &["events", "--type", "batch_done"]).await;
    assert!(
        out.contains("Z  all jobs came to rest: 1 finished, 1 failed"),
        "{out}"
    );
}

#[tokio::test]
async fn nothing_is_announced_of_an_empty_database_or_of_jobs_that_still_move() {
    let harness = Harness::new(&["create generation=1h"]).await;
    harness.store().await.close().await;
    harness.run_until_done().await;
    assert_eq!(types(&events(&harness, &[]).await), [""; 0]);
    harness.enqueue(1).await;
    let running = harness.start(Until::Stopped).await;
    harness.await_states(&[(JobState::Generating, 1)]).await;
    running.stopped().await;
    let found = events(&harness, &["--type", "batch_done"]).await;
    assert_eq!(types(&found), [""; 0], "it came to rest by the stop");
}

#[tokio::test]
async fn each_closing_of_a_gate_is_an_event_and_so_is_its_end_whoever_opened_it() {
    let harness = Harness::new(&[]).await;
    let store = harness.store().await;
    let closed = |reason, next_probe_at| Closure {
        reason,
        since: 1_000,
        next_probe_at,
        interval_ms: 1,
    };
    let set = async |reason, at| {
        let closure = Some(closed(reason, at));
        store.set_gate(Scope::Create, closure).await.unwrap();
    };
    let update = async |reason, at| {
        let closure = closed(reason, at);
        assert!(store.update_gate(Scope::Create, closure).await.unwrap());
    };
    set(GateReason::Unreachable, 2_000).await;
    // The same closing, twice: another time.
    set(GateReason::Unreachable, 3_000).await;
    update(GateReason::Unreachable, 4_000).await;
    // Another one.
    update(GateReason::Credits, 5_000).await;
    harness.sql("DELETE FROM gates").await.unwrap();
    // A busy service is none.
    set(GateReason::Throttled, 6_000).await;
    store.set_gate(Scope::Create, None).await.unwrap();
    // Who was told that it closed is told that it is only busy.
    set(GateReason::Unreachable, 7_000).await;
    update(GateReason::Throttled, 8_000).await;
    store.set_gate(Scope::Create, None).await.unwrap();
    store.close().await;
    let found = events(&harness, &[]).await;
    let expected = [
        "gate_closed",
        "gate_closed",
        "gate_opened",
        "gate_closed",
        "gate_opened",
    ];
    assert_eq!(types(&found), expected, "{found:?}");
    let first = &found[0]["detail"];
    assert_eq!(first["scope"], "create");
    assert_eq!(first["reason"], "unreachable");
    assert_eq!(first["since"], 1_000);
    assert_eq!(first["next_probe_at"], 2_000);
    assert_eq!(found[2]["detail"]["reason"], "credits");
    assert!(
        found[2]["detail"]["closed_ms"].as_i64().unwrap() > 0,
        "{found:?}"
    );
    assert_eq!(found[4]["detail"]["reason"], "unreachable");
}

#[tokio::test]
async fn most_of_the_budget_is_announced_once_and_so_is_a_higher_limit() {
    let mut harness = Harness::new(&[]).await;
    harness.set("budget.max_credits", "37500");
    harness.enqueue(1).await;
    let budget = ["--type", "budget_80", "--type", "budget_reset"];
    for _start in 0..2 {
        harness.run_until_done().await;
        let found = events(&harness, &budget).await;
        assert_eq!(types(&found), ["budget_80"], "{found:?}");
        let detail = &found[0]["detail"];
        assert_eq!(detail["period"], "all");
        assert_eq!(detail["limit"], 37_500);
        assert_eq!(detail["share"], 80);
    }
    harness.set("budget.max_credits", "1000000");
    harness.run_until_done().await;
    let found = events(&harness, &budget).await;
    assert_eq!(types(&found), ["budget_80", "budget_reset"], "{found:?}");
    assert_eq!(found[1]["detail"]["limit"], 1_000_000);
}

#[tokio::test]
async fn poor_results_are_taken_by_what_they_are_and_each_once() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(1).await;
    harness
        .sql(
            r#"INSERT INTO job_events (job_id, event, detail) VALUES
            (1, 'judged', '{"quality": "thin"}'),
            (1, 'judged', '{"quality": "bad"}'),
            (1, 'judged', '{"quality": "bad", "fails": true}'),
            (1, 'failed', '{"error_kind": "poor_result"}'),
            (1, 'failed', '{"error_kind": "bad_request"}')"#,
        )
        .await
        .unwrap();
    let poor = ["--type", "poor_result", "--cursor", "poor"];
    assert_eq!(types(&events(&harness, &poor).await), ["judged", "failed"]);
    assert_eq!(types(&events(&harness, &poor).await), [""; 0]);
}
