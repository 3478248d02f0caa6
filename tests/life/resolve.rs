//! `parserd resolve` of updates and deletes in doubt.

use parserd::{engine::daemon::Until, simulator::Endpoint};
use serde_json::{Value, json};

use super::{BOTH, MODIFY, change_as_other, commands::run, flow::LAST, one, shop, update};
use crate::common::{Harness, program::parserd};

const FIELDS: &str = "SELECT latest_version || ' ' || applied_version || ' ' || \
    (SELECT group_concat(value ->> 'name') FROM json_each(fields)) FROM parsers";

/// A request whose answer is lost, of a parser that another tool changes meanwhile: only a person
/// can tell what became of it.
pub async fn ambiguous(change: &str, others: Value) -> (Harness, String) {
    let harness = shop(&["patch lose before nth=1"]).await;
    update(&harness, change).await;
    let running = harness.start(Until::Stopped).await;
    harness
        .wait_until("the doubt", async || {
            let sql = "SELECT doubt_since IS NOT NULL FROM jobs WHERE action = 'update'";
            one(&harness, sql).await == "1"
        })
        .await;
    let id = one(&harness, "SELECT parser_id FROM parsers").await;
    change_as_other(&harness, &id, &others);
    harness
        .wait_until("a person is asked", async || {
            one(&harness, LAST).await.starts_with("update PARKED")
        })
        .await;
    running.stopped().await;
    (harness, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_in_doubt_is_shown_and_what_is_there_is_taken_on_a_persons_word() {
    let (harness, id) = ambiguous(MODIFY, json!({"remove_fields": ["title"]})).await;
    let shown = parserd(&harness, &["resolve", "2"]).output().unwrap();
    let out = String::from_utf8(shown.stdout).unwrap();
    for part in [
        &id,
        "adds or modifies fields, paid for",
        "modify price (number): the price in dollars",
        "version 0: title, price",
        "version 1: price",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let hint = one(&harness, "SELECT error_hint FROM jobs WHERE id = 2").await;
    assert!(hint.contains("if it took effect"), "{hint}");
    let said = run(&harness, 0, &["cancel", "2", "--dry-run"]);
    assert!(said.contains("its update is in doubt"), "{said}");
    let said = run(&harness, 1, &["resolve", "2", "--adopt", "another"]);
    assert!(said.contains("about no other"), "{said}");
    let said = run(&harness, 0, &["resolve", "2", "--adopt", &id]);
    assert!(said.contains("took effect"), "{said}");
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "update FINISHED 1 -");
    assert_eq!(one(&harness, FIELDS).await, "1 1 price");
    let ledger = "SELECT outcome || ' ' || credits FROM updates";
    assert_eq!(one(&harness, ledger).await, "made 30000");
    assert_eq!(harness.requests(Endpoint::Patch), 1);
    let event = "SELECT detail ->> 'from' FROM job_events WHERE event = 'change_made'";
    assert_eq!(one(&harness, event).await, "operator");
    let said = run(&harness, 1, &["resolve", "2"]);
    assert!(said.contains("nothing to settle"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_made_nothing_by_a_persons_word_overwrites_no_other_tools_change() {
    let (harness, _) = ambiguous(MODIFY, json!({"remove_fields": ["title"]})).await;
    let said = run(&harness, 0, &["resolve", "2", "--not-created"]);
    assert!(said.contains("its next request is paid for"), "{said}");
    let ledger = "SELECT outcome FROM updates";
    assert_eq!(one(&harness, ledger).await, "not_made");
    harness.run_until_done().await;
    let last = one(&harness, LAST).await;
    assert!(last.contains("bad_request: conflict"), "{last}");
    assert_eq!(harness.requests(Endpoint::Patch), 1);
    // Only now is the change based on what the other tool made.
    run(&harness, 0, &["retry", "2"]);
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "update FINISHED 2 -");
    assert_eq!(one(&harness, FIELDS).await, "2 2 price");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_part_that_is_paid_for_is_sent_after_a_free_one_that_took_effect() {
    let others = json!({
        "rename_fields": [{"name": "title", "new_name": "book.title"}],
        "remove_fields": ["price"],
    });
    let (harness, id) = ambiguous(BOTH, others).await;
    run(&harness, 0, &["resolve", "2", "--adopt", &id]);
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "update FINISHED 2 -");
    assert_eq!(one(&harness, FIELDS).await, "2 2 book.title,author");
    let ledger = "SELECT part || ' ' || outcome || ' ' || credits FROM updates ORDER BY id";
    let expected = ["free made 0", "paid made 30000"];
    assert_eq!(harness.sql(ledger).await.unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_shows_no_effect_is_not_adopted_unseen() {
    let harness = shop(&["patch lose before"]).await;
    update(&harness, MODIFY).await;
    let running = harness.start(Until::Stopped).await;
    let sql = "SELECT doubt_since IS NOT NULL FROM jobs WHERE action = 'update'";
    harness
        .wait_until("the doubt", async || one(&harness, sql).await == "1")
        .await;
    running.killed().await;
    let id = one(&harness, "SELECT parser_id FROM parsers").await;
    let said = run(&harness, 1, &["resolve", "2", "--adopt", &id]);
    assert!(said.contains("was there before the request"), "{said}");
    let said = run(&harness, 0, &["resolve", "2"]);
    assert!(said.contains("made nothing"), "{said}");
    run(&harness, 0, &["resolve", "2", "--adopt", &id, "--force"]);
    let state = "SELECT state || ' ' || (SELECT outcome FROM updates) FROM jobs WHERE id = 2";
    assert_eq!(one(&harness, state).await, "GENERATING made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_in_doubt_took_effect_where_the_parser_is_gone() {
    let harness = shop(&["delete lose before"]).await;
    let delete = "INSERT INTO jobs (action, name) VALUES ('delete', 'shop')";
    harness.sql(delete).await.unwrap();
    let sql = "SELECT doubt_since IS NOT NULL FROM jobs WHERE action = 'delete'";
    loop {
        let running = harness.start(Until::Stopped).await;
        harness
            .wait_until("the doubt", async || one(&harness, sql).await == "1")
            .await;
        running.killed().await;
        // A delete is soon sent again, and between the two nothing is in doubt.
        if one(&harness, sql).await == "1" {
            break;
        }
    }
    let id = one(&harness, "SELECT parser_id FROM parsers").await;
    let said = run(&harness, 1, &["resolve", "2", "--adopt", &id]);
    assert!(said.contains("still"), "{said}");
    harness.server.with(|simulator| {
        assert!(simulator.world.delete_parser(&id));
    });
    run(&harness, 0, &["resolve", "2", "--adopt", &id]);
    assert_eq!(one(&harness, LAST).await, "delete FINISHED 0 -");
    let gone = "SELECT deleted_at IS NOT NULL FROM parsers";
    assert_eq!(one(&harness, gone).await, "1");
}
