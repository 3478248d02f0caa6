//! Parsers that are to be made from other pages, or with other options: another one is made, and
//! the one that is there stays until it is ready.

use parserd::simulator::Endpoint;
use serde_json::{Value, json};

use super::{
    add,
    adopted::lose_database,
    asking,
    manifest::{job, run, write},
    one, shop, update,
};
use crate::common::{
    Harness,
    program::{Program, parserd, stderr},
};

const OTHER: &str = "https://site-0.example/other";

/// The file, with another page.
fn other_page(harness: &Harness) {
    let fields = asking("shop").fields.unwrap();
    write(harness, "jobs.json", &[job("shop", OTHER, &fields)]);
}

async fn plan(harness: &Harness) -> Value {
    let output = run(harness, &["plan", "--json", "jobs.json"], 0).await;
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    plan["jobs"][0].clone()
}

async fn apply(harness: &Harness) -> String {
    stderr(&run(harness, &["apply", "--yes", "jobs.json"], 0).await)
}

/// Which of the two parsers the name stands for.
async fn stands_for(harness: &Harness) -> String {
    let sql = "SELECT CASE (SELECT parser_id FROM named_parsers WHERE name = 'shop') \
        WHEN (SELECT parser_id FROM parsers ORDER BY rowid LIMIT 1) THEN 'old' \
        WHEN (SELECT parser_id FROM parsers ORDER BY rowid DESC LIMIT 1) \
            THEN 'new' ELSE 'none' END";
    one(harness, sql).await
}

const PAID: &str = "SELECT total(credits) FROM creates WHERE outcome <> 'not_made'";

#[tokio::test]
async fn another_page_makes_another_parser_once_and_the_old_one_stays_until_it_is_ready() {
    let harness = shop(&[]).await;
    other_page(&harness);
    let line = plan(&harness).await;
    assert_eq!(
        (&line["symbol"], &line["verb"], &line["credits"]),
        (&json!("-/+"), &json!("replace"), &json!(30_000))
    );
    // It costs, so it is not part of what is free.
    run(&harness, &["apply", "--yes", "--free-only", "jobs.json"], 0).await;
    assert_eq!(one(&harness, "SELECT count(*) FROM jobs").await, "1");
    let told = apply(&harness).await;
    assert!(told.contains("1 to be replaced"), "{told}");
    assert_eq!(stands_for(&harness).await, "old");
    let line = plan(&harness).await;
    assert_eq!(
        (&line["symbol"], &line["verb"]),
        (&json!("="), &json!("same"))
    );
    assert!(line["notes"][0].as_str().unwrap().contains("is to be made"));
    // An update goes to the parser that is there.
    update(&harness, super::RENAME).await;
    apply(&harness).await;
    harness.run_until_done().await;
    let states = "SELECT group_concat(action || ' ' || state, ', ') FROM jobs";
    assert_eq!(
        one(&harness, states).await,
        "create FINISHED, create FINISHED, update FINISHED"
    );
    assert_eq!(stands_for(&harness).await, "new");
    let replaced = "SELECT replaced_by = (SELECT parser_id FROM jobs WHERE id = 2) FROM parsers \
        WHERE parser_id = (SELECT parser_id FROM jobs WHERE id = 1) AND deleted_at IS NULL";
    assert_eq!(one(&harness, replaced).await, "1");
    run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
    apply(&harness).await;
    harness.run_until_done().await;
    assert_eq!(harness.requests(Endpoint::Create), 2);
    assert_eq!(one(&harness, PAID).await, "60000.0");
    assert_eq!(harness.requests(Endpoint::Delete), 0);
}

/// Loads the file as a daemon does that applies what reads otherwise.
async fn load(harness: &mut Harness) {
    harness.set("enqueue.files", "jobs.json");
    harness.set("enqueue.on_change", "apply");
    let output = Program::start(parserd(harness, &["run", "--until-done"]));
    let output = output.ended().await;
    let ended = output.status.code();
    // 3: it ended well, and jobs FAILED.
    assert!(matches!(ended, Some(0 | 3)), "{}", stderr(&output));
}

async fn newest(harness: &Harness) -> String {
    let sql = "SELECT state || ' ' || coalesce(error_kind, '-') FROM jobs ORDER BY id DESC LIMIT 1";
    one(harness, sql).await
}

#[tokio::test]
async fn the_old_parser_stays_when_the_new_one_failed_and_only_apply_tries_once_more() {
    let mut harness = shop(&["create fail=\"no luck\" nth=1"]).await;
    other_page(&harness);
    load(&mut harness).await;
    assert_eq!(newest(&harness).await, "FAILED generation_failed");
    assert_eq!(stands_for(&harness).await, "old");
    assert_eq!(plan(&harness).await["symbol"], "-/+");
    // Loaded again, it is not paid for again.
    load(&mut harness).await;
    assert_eq!(newest(&harness).await, "FAILED generation_failed");
    assert_eq!(harness.requests(Endpoint::Create), 2);
    apply(&harness).await;
    harness.run_until_done().await;
    assert_eq!(newest(&harness).await, "FINISHED -");
    assert_eq!(stands_for(&harness).await, "new");
    assert_eq!(harness.requests(Endpoint::Create), 3);
    run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
    load(&mut harness).await;
    assert_eq!(harness.requests(Endpoint::Create), 3);
}

#[tokio::test]
async fn the_old_parser_stays_when_the_new_one_is_worth_less() {
    for (gate, state) in [("report", "FINISHED -"), ("fail", "FAILED poor_result")] {
        let mut harness = shop(&["get result=empty-column"]).await;
        harness.set("quality.gate", gate);
        other_page(&harness);
        apply(&harness).await;
        harness.run_until_done().await;
        assert_eq!(newest(&harness).await, state);
        assert_eq!(stands_for(&harness).await, "old");
        let quality = "SELECT group_concat(quality || ' ' || (replaced_by IS NOT NULL), ', ') \
            FROM (SELECT * FROM parsers ORDER BY rowid)";
        assert_eq!(one(&harness, quality).await, "ok 0, bad 1");
        let told = "SELECT detail ->> 'stays' = (SELECT parser_id FROM jobs WHERE id = 1) \
            FROM job_events WHERE event = 'worse' AND job_id = 2";
        assert_eq!(one(&harness, told).await, "1");
        let line = plan(&harness).await;
        let symbol = if gate == "fail" { "-/+" } else { "=" };
        assert_eq!(line["symbol"], symbol, "{line}");
        load(&mut harness).await;
        assert_eq!(harness.requests(Endpoint::Create), 2);
        assert_eq!(stands_for(&harness).await, "old");
    }
}

/// The file asks again for what is there.
fn back(harness: &Harness) {
    let fields = asking("shop").fields.unwrap();
    let before = job("shop", &asking("shop").urls[0], &fields);
    write(harness, "jobs.json", &[before]);
}

#[tokio::test]
async fn a_file_that_is_edited_back_cancels_the_replacement_that_waits() {
    for is_by_hand in [true, false] {
        let harness = shop(&[]).await;
        other_page(&harness);
        apply(&harness).await;
        back(&harness);
        let line = plan(&harness).await;
        assert_eq!(
            (&line["symbol"], &line["verb"]),
            (&json!("~"), &json!("cancel")),
            "{line}"
        );
        if is_by_hand {
            run(&harness, &["cancel", "shop"], 0).await;
        } else {
            let told = apply(&harness).await;
            assert!(told.contains("1 cancelled"), "{told}");
        }
        run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
        // The name is taken, so nothing is loaded anew.
        let told = stderr(&run(&harness, &["enqueue", "jobs.json"], 0).await);
        assert!(!told.contains("1 added"), "{told}");
        harness.run_until_done().await;
        assert_eq!(harness.requests(Endpoint::Create), 1);
        assert_eq!(stands_for(&harness).await, "old");
    }
}

#[tokio::test]
async fn a_replacement_that_failed_and_is_no_longer_wanted_cannot_be_paid_for_by_a_retry() {
    for is_loaded in [false, true] {
        let mut harness = shop(&["create fail=\"no luck\" nth=1"]).await;
        other_page(&harness);
        load(&mut harness).await;
        assert_eq!(newest(&harness).await, "FAILED generation_failed");
        back(&harness);
        let line = plan(&harness).await;
        assert_eq!(
            (&line["verb"], &line["credits"]),
            (&json!("cancel"), &json!(0)),
            "{line}"
        );
        if is_loaded {
            load(&mut harness).await;
        } else {
            apply(&harness).await;
        }
        assert_eq!(newest(&harness).await, "CANCELLED generation_failed");
        run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
        run(&harness, &["retry", "--yes", "shop"], 1).await;
        harness.run_until_done().await;
        assert_eq!(harness.requests(Endpoint::Create), 2);
        assert_eq!(stands_for(&harness).await, "old");
    }
}

#[tokio::test]
async fn back_to_the_first_page_the_first_parser_is_used_again_for_nothing() {
    let harness = shop(&[]).await;
    other_page(&harness);
    apply(&harness).await;
    harness.run_until_done().await;
    back(&harness);
    apply(&harness).await;
    harness.run_until_done().await;
    assert_eq!(harness.requests(Endpoint::Create), 2);
    assert_eq!(stands_for(&harness).await, "old");
    run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
}

#[tokio::test]
async fn an_adopted_parser_is_replaced_and_not_adopted_once_more() {
    for is_pruned in [false, true] {
        let harness = shop(&[]).await;
        let fields = asking("shop").fields.unwrap();
        let id = one(&harness, "SELECT parser_id FROM parsers").await;
        lose_database(&harness);
        add(&harness, Vec::new()).await;
        let mut adopting = job("shop", &asking("shop").urls[0], &fields);
        adopting["parser_id"] = json!(id);
        write(&harness, "jobs.json", &[adopting.clone()]);
        apply(&harness).await;
        harness.run_until_done().await;
        assert_eq!(harness.requests(Endpoint::Create), 1);
        if is_pruned {
            harness
                .sql("DELETE FROM jobs WHERE state = 'FINISHED'")
                .await
                .unwrap();
        }
        adopting["urls"] = json!([OTHER]);
        write(&harness, "jobs.json", &[adopting]);
        assert_eq!(plan(&harness).await["symbol"], "-/+");
        apply(&harness).await;
        harness.run_until_done().await;
        assert_eq!(harness.requests(Endpoint::Create), 2, "{is_pruned}");
        assert_eq!(stands_for(&harness).await, "new");
        run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
    }
}
