//! Updates and deletes whose answers are lost, late, or met by a closed gate.

use parserd::{
    engine::daemon::Until,
    simulator::{Endpoint, WorldConfig},
};

use super::{
    BOTH, MODIFY, RENAME, add, asking, change_as_other, flow::LAST, manifest, now_ms, one, shop,
    shop_in, update,
};
use crate::common::Harness;

/// How many changes took effect: each made a version.
fn patches(harness: &Harness) -> usize {
    let parsers = harness
        .server
        .with(|simulator| simulator.world.parsers(i64::MAX));
    parsers.iter().map(|parser| parser.versions - 1).sum()
}

fn spent(harness: &Harness) -> i64 {
    harness
        .server
        .with(|simulator| simulator.world.credits_spent())
}

#[tokio::test]
async fn a_lost_answer_is_found_in_the_parser_and_nothing_is_sent_twice() {
    for fault in [
        "patch lose after nth=1",
        "patch status=500 after nth=1",
        "patch status=502 after nth=1",
        "patch unreadable nth=1",
        "patch cut nth=1",
    ] {
        for (change, parts) in [(RENAME, 1), (MODIFY, 1), (BOTH, 2)] {
            let harness = shop(&[fault]).await;
            update(&harness, change).await;
            harness.run_until_done().await;
            let last = one(&harness, LAST).await;
            assert_eq!(
                last,
                format!("update FINISHED {parts} -"),
                "{fault} {change}"
            );
            assert_eq!(patches(&harness), parts, "{fault} {change}");
            let sql = "SELECT DISTINCT outcome FROM updates";
            assert_eq!(one(&harness, sql).await, "made", "{fault} {change}");
        }
    }
}

#[tokio::test]
async fn what_made_nothing_is_sent_again_after_it_was_looked_for() {
    for fault in [
        "patch lose before nth=1",
        "patch status=500 before nth=1",
        "patch status=503 before nth=1",
    ] {
        let harness = shop(&[fault]).await;
        let before = spent(&harness);
        update(&harness, MODIFY).await;
        harness.run_until_done().await;
        assert_eq!(one(&harness, LAST).await, "update FINISHED 1 -", "{fault}");
        assert_eq!(patches(&harness), 1, "{fault}");
        assert_eq!(spent(&harness) - before, 30_000, "{fault}");
        let outcomes = "SELECT outcome || ' ' || credits FROM updates ORDER BY id";
        let expected = ["not_made 30000", "made 30000"];
        assert_eq!(harness.sql(outcomes).await.unwrap(), expected, "{fault}");
    }
}

#[tokio::test]
async fn a_request_that_lands_late_is_paid_once() {
    // It lands within the settling time of 300 ms.
    let harness = shop(&["patch lose after land-late=150ms nth=1"]).await;
    update(&harness, MODIFY).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "update FINISHED 1 -");
    assert_eq!(patches(&harness), 1);
}

#[tokio::test]
async fn a_version_that_shows_late_is_waited_for() {
    for fault in [
        "patch show-late=200ms nth=1",
        "patch lose after show-late=150ms nth=1",
    ] {
        let harness = shop(&[fault]).await;
        update(&harness, MODIFY).await;
        harness.run_until_done().await;
        assert_eq!(one(&harness, LAST).await, "update FINISHED 1 -", "{fault}");
        assert_eq!(patches(&harness), 1, "{fault}");
    }
}

#[tokio::test]
async fn a_change_that_fails_leaves_the_version_in_use() {
    let harness = shop(&["patch fail=ExtractionError nth=1"]).await;
    update(&harness, MODIFY).await;
    harness.run_until_done().await;
    let expected = "update FAILED 1 generation_failed: ExtractionError";
    assert_eq!(one(&harness, LAST).await, expected);
    let parser = "SELECT version || ' ' || latest_version || ' ' || applied_version FROM parsers";
    assert_eq!(one(&harness, parser).await, "0 1 0");
    // Another try is based on the version that can be used, and takes the one that FAILED for no
    // conflict.
    harness
        .sql("UPDATE jobs SET state = 'QUEUED' WHERE action = 'update'")
        .await
        .unwrap();
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "update FINISHED 2 -");
    assert_eq!(one(&harness, parser).await, "2 2 2");
}

#[tokio::test]
async fn a_delete_is_sent_again_and_what_is_gone_is_deleted() {
    for fault in [
        "delete lose before nth=1",
        "delete lose after nth=1",
        "delete status=500 before nth=1",
        "delete status=502 after nth=1",
    ] {
        let harness = shop(&[fault]).await;
        harness
            .sql("INSERT INTO jobs (action, name) VALUES ('delete', 'shop')")
            .await
            .unwrap();
        harness.run_until_done().await;
        assert_eq!(one(&harness, LAST).await, "delete FINISHED 0 -", "{fault}");
        assert_eq!(harness.parsers_by_name().len(), 0, "{fault}");
        let gone = "SELECT deleted_at IS NOT NULL FROM parsers";
        assert_eq!(one(&harness, gone).await, "1", "{fault}");
        // The account's list has not lost its trust by it.
        add(&harness, vec![asking("other")]).await;
        harness.run_until_done().await;
        assert_eq!(one(&harness, LAST).await, "create FINISHED 0 -", "{fault}");
    }
}

#[tokio::test]
async fn a_rename_passes_a_gate_that_is_closed_for_credits_and_a_budget_without_room() {
    let world = WorldConfig {
        credits: Some(30_000),
        first_free: false,
        ..WorldConfig::default()
    };
    let mut harness = shop_in(world, &[]).await;
    // Nothing tries the gate meanwhile: whoever did would meet the budget, and say so.
    harness.set("park.probe_interval", "1m");
    harness.set("park.max_probe_interval", "1m");
    // Another create closes the gate.
    add(&harness, vec![asking("other")]).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "create PARKED - -");
    assert_eq!(
        harness.sql("SELECT scope FROM gates").await.unwrap(),
        ["create"]
    );
    harness.set("budget.max_credits", "30000");
    update(&harness, BOTH).await;
    let running = harness.start(Until::Stopped).await;
    let renamed = "SELECT count(*) FROM updates WHERE part = 'free' AND outcome = 'made'";
    harness
        .wait_until("the rename", async || {
            harness.sql(renamed).await.unwrap() == ["1"]
        })
        .await;
    harness
        .wait_until("the rest is parked", async || {
            one(&harness, LAST).await.starts_with("update PARKED 1")
        })
        .await;
    running.stopped().await;
    assert_eq!(patches(&harness), 1);
    assert_eq!(spent(&harness), 30_000);
    // The version to use is the one that has the fields on record.
    let parser = "SELECT version || ' ' || latest_version || ' ' || \
        (SELECT group_concat(value ->> 'name') FROM json_each(fields)) FROM parsers";
    assert_eq!(one(&harness, parser).await, "1 1 book.title,price");
    let message = "SELECT error_message FROM jobs WHERE action = 'update'";
    let told = one(&harness, message).await;
    assert!(told.starts_with("no update that costs is sent"), "{told}");
}

#[tokio::test]
async fn a_version_that_a_person_chose_stays_while_the_rest_of_an_update_waits() {
    let harness = shop(&[]).await;
    update(&harness, RENAME).await;
    harness.run_until_done().await;
    let store = harness.store().await;
    store.pin("shop", 0, now_ms()).await.unwrap();
    store.close().await;
    harness.server.with(|simulator| {
        simulator
            .faults
            .add("patch status=402 nth=2".parse().unwrap());
    });
    let change = r#"{"remove_fields":["price"],"add_fields":[{"name":"author","description":"who wrote it"}]}"#;
    update(&harness, change).await;
    let running = harness.start(Until::Stopped).await;
    let removed = "SELECT count(*) FROM updates WHERE part = 'free' AND outcome = 'made'";
    harness
        .wait_until("the removal", async || {
            harness.sql(removed).await.unwrap() == ["2"]
        })
        .await;
    running.stopped().await;
    let versions = "SELECT version FROM parsers";
    assert_eq!(one(&harness, versions).await, "0");
}

#[tokio::test]
async fn what_another_tool_changed_is_overwritten_by_no_file_that_is_loaded() {
    let mut harness = shop(&[]).await;
    let mut fields = asking("shop").fields.unwrap();
    fields[1]["description"] = serde_json::json!("another");
    let file = manifest::job("shop", &asking("shop").urls[0], &fields);
    manifest::write(&harness, "jobs.json", &[file]);
    let others = serde_json::json!({"rename_fields": [{"name": "price", "new_name": "cost"}]});
    let id = one(&harness, "SELECT parser_id FROM parsers").await;
    change_as_other(&harness, &id, &others);
    harness.set("enqueue.files", "jobs.json");
    harness.set("enqueue.on_change", "apply");
    for code in [3, 0, 0] {
        manifest::run(&harness, &["run", "--until-done"], code).await;
        assert_eq!(harness.requests(Endpoint::Patch), 0);
    }
    let plan = manifest::run(&harness, &["plan", "jobs.json"], 0).await;
    let plan = String::from_utf8(plan.stdout).unwrap();
    assert!(
        plan.contains("the last update ended as a conflict"),
        "{plan}"
    );
    manifest::run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
    let updates = "SELECT count(*) FROM jobs WHERE action = 'update'";
    assert_eq!(one(&harness, updates).await, "2");
}

#[tokio::test]
async fn what_another_tool_changed_is_told_and_not_overwritten() {
    let harness = shop(&[]).await;
    let others = serde_json::json!({"rename_fields": [{"name": "price", "new_name": "cost"}]});
    let id = one(&harness, "SELECT parser_id FROM parsers").await;
    change_as_other(&harness, &id, &others);
    update(&harness, MODIFY).await;
    harness.run_until_done().await;
    let last = one(&harness, LAST).await;
    assert!(
        last.starts_with("update FAILED - bad_request: conflict: "),
        "{last}"
    );
    // What it was, what was wanted and what it is now, where each is read.
    for shown in [["show", "2"], ["show", "shop"]] {
        let told = manifest::run(&harness, &shown, 0).await;
        let told = String::from_utf8(told.stdout).unwrap();
        assert!(told.contains("\"price\": before \""), "{told}");
        assert!(
            told.contains("\"cost\": before none, wanted none, now \""),
            "{told}"
        );
    }
    assert_eq!(harness.requests(Endpoint::Patch), 0);
    // It is known from now on, and what does not fit it any more is refused unpaid.
    let parser = "SELECT version || ' ' || latest_version || ' ' || fields FROM parsers";
    let parser = one(&harness, parser).await;
    assert!(
        parser.starts_with("0 1 ") && parser.contains("cost"),
        "{parser}"
    );
    harness
        .sql("UPDATE jobs SET state = 'QUEUED' WHERE action = 'update'")
        .await
        .unwrap();
    harness.run_until_done().await;
    let last = one(&harness, LAST).await;
    assert!(
        last.contains("bad_request: the change does not fit"),
        "{last}"
    );
    assert_eq!(harness.requests(Endpoint::Patch), 0);
}

#[tokio::test]
async fn an_answer_that_is_lost_while_another_tool_changes_the_parser_is_a_persons_matter() {
    let others = serde_json::json!({"remove_fields": ["title"]});
    let (harness, _) = super::resolve::ambiguous(MODIFY, others).await;
    let parked = "SELECT park_reason || ' ' || error_message FROM jobs WHERE action = 'update'";
    let parked = one(&harness, parked).await;
    assert!(parked.starts_with("ambiguous the parser has "), "{parked}");
    assert_eq!(harness.requests(Endpoint::Patch), 1);
}

#[tokio::test]
async fn half_of_the_answers_to_paid_changes_are_lost_and_each_is_made_and_paid_once() {
    const PARSERS: usize = 20;
    let harness = Harness::new(&[]).await;
    let names: Vec<_> = (0..PARSERS).map(|n| format!("shop-{n}")).collect();
    add(&harness, names.iter().map(|name| asking(name)).collect()).await;
    harness.run_until_done().await;
    let before = spent(&harness);
    harness.server.with(|simulator| {
        simulator
            .faults
            .add("patch lose after p=0.5".parse().unwrap());
    });
    for name in &names {
        let sql = format!(
            "INSERT INTO jobs (action, name, change) VALUES ('update', '{name}', '{MODIFY}')"
        );
        harness.sql(&sql).await.unwrap();
    }
    harness.run_until_done().await;
    let ended = "SELECT state || ' ' || count(*) FROM jobs WHERE action = 'update' GROUP BY 1";
    let count = PARSERS.to_string();
    let expected = "FINISHED ".to_owned() + &count;
    let states = "SELECT state || ' ' || count(*) FROM jobs WHERE action = 'update' GROUP BY state";
    assert_eq!(one(&harness, states).await, expected, "{ended}");
    assert_eq!(patches(&harness), PARSERS);
    assert_eq!(spent(&harness) - before, 30_000 * PARSERS as i64);
    let lost = "SELECT count(*) > 3 FROM job_events WHERE event = 'in_doubt'";
    assert_eq!(one(&harness, lost).await, "1");
}

#[tokio::test]
async fn a_look_that_the_account_is_refused_leaves_the_version_to_be_found() {
    for status in [401, 402, 403] {
        let fault = format!("get status={status} nth=2");
        let harness = shop(&["patch lose after nth=1", &fault]).await;
        update(&harness, MODIFY).await;
        harness.start(Until::AllTerminal).await.ended().await;
        let events = "SELECT event || ' ' || detail FROM job_events WHERE job_id = 2 ORDER BY id";
        let events = harness.sql(events).await.unwrap();
        let versions = "SELECT version || ' ' || latest_version || ' ' || applied_version \
            FROM parsers";
        assert_eq!(
            one(&harness, versions).await,
            "1 1 1",
            "{status}: {events:#?}"
        );
        let sent = "SELECT outcome || ' ' || version FROM updates";
        assert_eq!(one(&harness, sent).await, "made 1", "{status}");
    }
}

#[tokio::test]
async fn a_rename_costs_nothing_in_a_hundred_of_a_hundred() {
    const PARSERS: usize = 100;
    let world = WorldConfig {
        credits: Some(30_000 * PARSERS as i64),
        first_free: false,
        ..WorldConfig::default()
    };
    let harness = Harness::with(world, &[]).await;
    let names: Vec<_> = (0..PARSERS).map(|n| format!("shop-{n}")).collect();
    add(&harness, names.iter().map(|name| asking(name)).collect()).await;
    harness.run_until_done().await;
    // Another create closes the gate.
    add(&harness, vec![asking("other")]).await;
    harness.run_until_done().await;
    let before = spent(&harness);
    harness.server.with(|simulator| {
        for fault in [
            "patch lose after p=0.3",
            "patch lose before p=0.2",
            "patch status=500 after p=0.1",
        ] {
            simulator.faults.add(fault.parse().unwrap());
        }
    });
    for name in &names {
        let sql = format!(
            "INSERT INTO jobs (action, name, change) VALUES ('update', '{name}', '{RENAME}')"
        );
        harness.sql(&sql).await.unwrap();
    }
    // Killed again and again with requests under way.
    for kill in 1..=5 {
        let running = harness.start(Until::Stopped).await;
        let sent = harness.requests(Endpoint::Patch) + kill * 3;
        harness
            .wait_until("requests", async || {
                harness.requests(Endpoint::Patch) >= sent || patches(&harness) == PARSERS
            })
            .await;
        running.killed().await;
    }
    harness.run_until_done().await;
    let states = "SELECT state || ' ' || count(*) FROM jobs WHERE action = 'update' GROUP BY state";
    assert_eq!(one(&harness, states).await, format!("FINISHED {PARSERS}"));
    assert_eq!(patches(&harness), PARSERS);
    assert_eq!(spent(&harness), before);
    let paid = "SELECT coalesce(sum(credits), 0) FROM updates";
    assert_eq!(one(&harness, paid).await, "0");
}
