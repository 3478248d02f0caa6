//! `events`, `wait` and `init`.

use std::time::Duration;

use parserd::{core::spec::JobSpec, engine::daemon::Until, store::has_daemon};
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
    let (code, _, told) = run(&harness, &["init"]).await;
    assert_eq!(code, 0);
    assert!(told.contains("is made"), "{told}");
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
    assert!(told.contains("exit status: 7; again in 1 s"), "{told}");
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
