//! What commands and page show of updates and deletes.

use serde_json::Value;

use super::{BOTH, add, asking, flow::LAST, one, shop, update};
use crate::common::{Harness, program::parserd};

fn printed(harness: &Harness, args: &[&str]) -> String {
    let output = parserd(harness, args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(harness: &Harness, args: &[&str]) -> Value {
    serde_json::from_str(&printed(harness, args)).unwrap()
}

#[track_caller]
fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_and_a_delete_are_told_from_a_create_everywhere() {
    let harness = shop(&[]).await;
    update(&harness, BOTH).await;
    let status = json(&harness, &["status", "--json"]);
    assert_eq!(status["changes"]["update"], 1);
    assert_eq!(status["credits"]["to_come"], 30_000);
    assert_has(&printed(&harness, &["status"]), &["1 update not done yet"]);
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "update FINISHED 2 -");
    let shown = printed(&harness, &["show", "2"]);
    assert_has(
        &shown,
        &[
            "action",
            "rename title to book.title",
            "add author: who wrote it",
            "up to 30,000 credits: 2 update requests, 2 took effect",
            "free, based on version 0: made version 1, free",
            "paid, based on version 1: made version 2, 30,000 credits",
        ],
    );
    let shown = json(&harness, &["show", "2", "--json"]);
    assert_eq!(shown["action"], "update");
    assert_eq!(shown["change"]["add_fields"][0]["name"], "author");
    assert_eq!(shown["update_requests"][1]["credits"], 30_000);

    add(&harness, vec![asking("other")]).await;
    let delete = "INSERT INTO jobs (action, name) VALUES ('delete', 'shop')";
    harness.sql(delete).await.unwrap();
    let status = json(&harness, &["status", "--json"]);
    assert_eq!(status["changes"]["delete"], 1);
    assert_eq!(status["credits"]["spent_on_updates"], 30_000);
    // A delete is free.
    assert_eq!(status["credits"]["to_come"], 30_000);
    assert_has(
        &printed(&harness, &["status"]),
        &["of that, 30,000 for updates"],
    );
    harness.run_until_done().await;
    assert_has(
        &printed(&harness, &["show", "4"]),
        &["the parser is deleted", "free: 1 delete request"],
    );
    let jobs = printed(&harness, &["jobs"]);
    assert_has(&jobs, &["update FINISHED", "delete FINISHED"]);
    let jobs = json(&harness, &["jobs", "--json"]);
    let actions: Vec<_> = jobs
        .as_array()
        .unwrap()
        .iter()
        .map(|job| &job["action"])
        .collect();
    assert_eq!(actions, ["create", "update", "create", "delete"]);
    let csv = printed(&harness, &["jobs", "--csv"]);
    assert_has(
        &csv,
        &["\n2,shop,update,FINISHED,", "\"{\"\"add_fields\"\""],
    );
    let overview = "SELECT action || ' ' || (change ->> '$.add_fields[0].name') \
        FROM job_overview WHERE id = 2";
    assert_eq!(one(&harness, overview).await, "update author");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_only_adopts_a_parser_is_told_as_free() {
    let harness = Harness::new(&[]).await;
    add(&harness, vec![asking("other")]).await;
    let insert = "INSERT INTO jobs (name, urls, parser_id) \
        VALUES ('mine', '[\"https://site-0.example/page\"]', 'no-such-parser')";
    harness.sql(insert).await.unwrap();
    let status = json(&harness, &["status", "--json"]);
    assert_eq!(status["credits"]["to_come"], 30_000);
    harness.run_until_done().await;
    let last = "SELECT state FROM jobs WHERE name = 'mine'";
    assert_eq!(one(&harness, last).await, "FAILED");
    let output = parserd(&harness, &["retry", "mine"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_has(&said, &["adopt a parser, free of charge"]);
    let status = json(&harness, &["status", "--json"]);
    assert_eq!(status["credits"]["to_come"], 0);
    assert_has(
        &printed(&harness, &["show", "mine"]),
        &["adopts a parser that is there", "no-such-parser"],
    );
}

#[tokio::test]
async fn the_page_finds_updates_by_name() {
    use parserd::store::browse::{Filter, Place};
    let harness = shop(&[]).await;
    update(&harness, BOTH).await;
    add(&harness, vec![asking("other")]).await;
    let store = harness.store().await;
    let found = async |text: &str, skipped| {
        let filter = Filter {
            text: text.to_owned(),
            ..Filter::default()
        };
        let place = Place {
            skipped,
            ..Place::default()
        };
        let page = store.browse(&filter, place).await.unwrap();
        let lines = page.lines.into_iter();
        let lines = lines.map(|line| format!("{} {} {}", line.id, line.action, line.name));
        lines.collect::<Vec<_>>()
    };
    assert_eq!(found("sho", 0).await, ["2 update shop", "1 create shop"]);
    assert_eq!(found("sho", 1).await, ["1 create shop"]);
    assert_eq!(found("", 0).await.len(), 3);
    store.close().await;
}

/// Where there are too many to be sorted, the history says which changed last: also behind a long
/// stretch of it that is about other jobs.
#[tokio::test]
async fn jobs_are_found_behind_a_long_history_of_others() {
    use parserd::{
        core::{job::JobState, selector::Selector},
        store::browse::{Filter, PAGE_JOBS, Place},
    };
    let harness = Harness::new(&[]).await;
    let store = harness.store().await;
    let numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <";
    for sql in [
        format!(
            "{numbers} 5001) INSERT INTO jobs (name, urls) SELECT 'job-' || i, '[\"https://example.com/a\"]' FROM n"
        ),
        "INSERT INTO jobs (name, urls) VALUES ('loud', '[\"https://example.com/b\"]')".to_owned(),
        "UPDATE jobs SET state = 'CANCELLED' WHERE name = 'loud'".to_owned(),
        format!(
            "{numbers} 60000) INSERT INTO job_events (job_id, event, detail) SELECT 5002, 'judged', '{{}}' FROM n"
        ),
    ] {
        harness.sql(&sql).await.unwrap();
    }
    let filter = Filter {
        selector: Selector::of_states(&[JobState::Queued]),
        ..Filter::default()
    };
    let page = store.browse(&filter, Place::default()).await.unwrap();
    assert_eq!((page.lines.len(), page.total), (PAGE_JOBS, None));
    store.close().await;
}
