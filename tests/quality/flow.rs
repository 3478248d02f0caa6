//! What follows from a verdict, from end to end.

use parserd::{
    clock::Clock,
    core::spec::JobSpec,
    engine::judging::Judge,
    simulator::{Endpoint, WorldConfig},
};
use serde_json::{Value, json};

use crate::common::{Harness, spec};

const BAD: &str = "get result=empty-column";

/// A job that asks for two fields.
fn asking(name: &str) -> JobSpec {
    let fields = json!([
        {"name": "title", "description": "the title"},
        {"name": "price", "description": "the price", "type": "number"},
    ]);
    JobSpec {
        name: name.to_owned(),
        fields: Some(fields),
        ..spec(0)
    }
}

fn checked(name: &str, pages: &[&str]) -> JobSpec {
    let page = |page: &&str| format!("https://site-0.example/{page}");
    JobSpec {
        check_urls: Some(pages.iter().map(page).collect()),
        ..asking(name)
    }
}

async fn add(harness: &Harness, specs: Vec<JobSpec>) {
    let store = harness.store().await;
    store.submit(specs, false).await.unwrap();
    store.close().await;
}

async fn one(harness: &Harness, sql: &str) -> String {
    let rows = harness.sql(sql).await.unwrap();
    assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
    rows.into_iter().next().unwrap()
}

#[tokio::test]
async fn a_poor_result_is_told_and_changes_nothing() {
    let harness = Harness::new(&[BAD]).await;
    add(&harness, vec![asking("shop")]).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, "SELECT state FROM jobs").await, "FINISHED");
    let parser = "SELECT name || ' ' || quality || ' ' || (parser_id = (SELECT parser_id FROM jobs)) FROM parsers";
    assert_eq!(one(&harness, parser).await, "shop bad 1");
    let detail: Value =
        serde_json::from_str(&one(&harness, "SELECT quality_detail FROM parsers").await).unwrap();
    assert_eq!(detail["fields"]["price"]["quality"], "bad", "{detail}");
    assert_eq!(detail["fields"]["title"]["quality"], "ok", "{detail}");
    let events = harness
        .sql("SELECT event FROM job_events WHERE job_id <> 0 ORDER BY id")
        .await;
    assert_eq!(events.unwrap()[3..], ["finished", "judged"]);
    // Nothing was asked for it.
    assert_eq!(harness.requests(Endpoint::Parse), 0);
    assert_eq!(harness.requests(Endpoint::Create), 1);
}

#[tokio::test]
async fn behind_the_gate_a_bad_parser_fails_its_job_and_stays() {
    let mut harness = Harness::new(&[BAD]).await;
    harness.set("quality.gate", "fail");
    add(&harness, vec![asking("shop")]).await;
    harness.run_until_done().await;
    let ended = "SELECT state || ' ' || error_kind || ' ' || error_message FROM jobs";
    let expected = "FAILED poor_result price: it is empty in all of its 1 places";
    assert_eq!(one(&harness, ended).await, expected);
    assert_eq!(
        one(&harness, "SELECT name || quality FROM parsers").await,
        "shopbad"
    );
    // Tried again, it is looked at once more; nothing is paid.
    harness.server.with(|simulator| simulator.faults.clear());
    harness
        .sql("UPDATE jobs SET state = 'QUEUED'")
        .await
        .unwrap();
    harness.run_until_done().await;
    assert_eq!(one(&harness, "SELECT state FROM jobs").await, "FINISHED");
    assert_eq!(one(&harness, "SELECT quality FROM parsers").await, "ok");
    assert_eq!(harness.requests(Endpoint::Create), 1);
}

#[tokio::test]
async fn changed_fields_of_a_poor_parser_pay_for_another() {
    let mut harness = Harness::new(&[BAD]).await;
    harness.set("quality.gate", "fail");
    add(&harness, vec![asking("shop")]).await;
    harness.run_until_done().await;
    harness.server.with(|simulator| simulator.faults.clear());
    let fields = r#"'[{"name":"cost","description":"the price"}]'"#;
    harness
        .sql(&format!("UPDATE jobs SET fields = {fields}"))
        .await
        .unwrap();
    harness
        .sql("UPDATE jobs SET state = 'QUEUED'")
        .await
        .unwrap();
    harness.run_until_done().await;
    assert_eq!(one(&harness, "SELECT state FROM jobs").await, "FINISHED");
    assert_eq!(harness.requests(Endpoint::Create), 2);
    // Both are there, and both are on record.
    let parsers = harness
        .sql("SELECT quality FROM parsers ORDER BY rowid")
        .await;
    assert_eq!(parsers.unwrap(), ["bad", "ok"]);
}

#[tokio::test]
async fn held_out_pages_are_tried_once_each_and_paid_for_on_record() {
    let harness = Harness::new(&[]).await;
    add(&harness, vec![checked("shop", &["a", "b"])]).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, "SELECT state FROM jobs").await, "FINISHED");
    assert_eq!(harness.requests(Endpoint::Parse), 2);
    let rows =
        harness.sql("SELECT outcome || ' ' || credits || ' ' || url FROM parses ORDER BY id");
    let expected = ["a", "b"].map(|page| format!("found 1 https://site-0.example/{page}"));
    assert_eq!(rows.await.unwrap(), expected);
    let detail = one(&harness, "SELECT quality || quality_detail FROM parsers").await;
    assert!(detail.starts_with("ok{"), "{detail}");
    assert!(detail.contains(r#""pages":3"#), "{detail}");
}

#[tokio::test]
async fn what_is_in_the_way_is_inconclusive_and_tried_three_times_at_most() {
    for fault in [
        "status=503",
        "status=429",
        "status=500",
        "status=402",
        "lose",
        "unreadable",
    ] {
        let harness = Harness::new(&[&format!("parse {fault}")]).await;
        add(&harness, vec![checked("shop", &["a"])]).await;
        harness.run_until_done().await;
        let ended = "SELECT state || ' ' || quality FROM jobs JOIN parsers USING (parser_id)";
        assert_eq!(one(&harness, ended).await, "FINISHED ok", "{fault}");
        let rows = harness.sql("SELECT outcome FROM parses").await.unwrap();
        assert_eq!(rows, ["inconclusive"; 3], "{fault}");
        assert_eq!(harness.requests(Endpoint::Parse), 3, "{fault}");
        let check = one(
            &harness,
            "SELECT quality_detail ->> '$.checks[0].is_conclusive' FROM parsers",
        );
        assert_eq!(check.await, "0", "{fault}");
    }
}

#[tokio::test]
async fn a_parser_that_finds_nothing_on_held_out_pages_is_bad() {
    let harness = Harness::new(&["parse result=page-empty"]).await;
    add(&harness, vec![checked("shop", &["a", "b"])]).await;
    harness.run_until_done().await;
    let told = "SELECT quality || ' ' || (quality_detail ->> 'reason') FROM parsers";
    let expected = "bad nothing was found on any of the held-out pages (check_urls)";
    assert_eq!(one(&harness, told).await, expected);
}

#[tokio::test]
async fn held_out_pages_keep_within_the_budget() {
    for (max_credits, parses) in [(30_000, 0), (30_001, 1), (30_002, 2), (40_000, 2)] {
        let world = WorldConfig {
            first_free: false,
            ..WorldConfig::default()
        };
        let mut harness = Harness::with(world, &[]).await;
        harness.set("budget.max_credits", &max_credits.to_string());
        add(&harness, vec![checked("shop", &["a", "b"])]).await;
        harness.run_until_done().await;
        let spent = harness
            .server
            .with(|simulator| simulator.world.credits_spent());
        assert!(spent <= max_credits, "{spent}");
        assert_eq!(harness.requests(Endpoint::Parse), parses, "{max_credits}");
        assert_eq!(one(&harness, "SELECT state FROM jobs").await, "FINISHED");
    }
}

#[tokio::test]
async fn a_crash_between_two_held_out_pages_repeats_one_at_most() {
    let harness = Harness::new(&["parse delay=1h nth=2"]).await;
    add(&harness, vec![checked("shop", &["a", "b", "c"])]).await;
    let running = harness
        .start(parserd::engine::daemon::Until::NoProgress)
        .await;
    let second = "the second page";
    harness
        .wait_until(second, async || harness.requests(Endpoint::Parse) == 2)
        .await;
    running.killed().await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, "SELECT state FROM jobs").await, "FINISHED");
    assert_eq!(harness.requests(Endpoint::Parse), 4);
    let rows = harness
        .sql("SELECT outcome FROM parses ORDER BY id")
        .await
        .unwrap();
    assert_eq!(rows, ["found", "pending", "found", "found"]);
}

#[tokio::test]
async fn what_is_expected_may_change_and_old_parsers_are_judged_too() {
    let harness = Harness::new(&[]).await;
    add(
        &harness,
        vec![
            asking("shop"),
            JobSpec {
                name: "other".to_owned(),
                ..spec(1)
            },
        ],
    )
    .await;
    harness.run_until_done().await;
    assert_eq!(
        harness.sql("SELECT quality FROM parsers").await.unwrap(),
        ["ok", "ok"]
    );
    let requests = harness.requests(Endpoint::Get);
    harness
        .sql(r#"UPDATE jobs SET expect = '{"price": {"max": 0}}' WHERE name = 'shop'"#)
        .await
        .unwrap();
    let store = harness.store().await;
    let judging = |min_fill| Judge {
        store: store.clone(),
        clock: Clock::system(),
        min_fill,
    };
    assert_eq!(judging(0.5).all().await.unwrap(), 1);
    let qualities = "SELECT quality FROM parsers ORDER BY name";
    assert_eq!(harness.sql(qualities).await.unwrap(), ["ok", "bad"]);
    let told = "SELECT detail ->> 'reason' FROM job_events WHERE event = 'judged' ORDER BY id DESC LIMIT 1";
    assert!(one(&harness, told).await.contains("above the max of 0"));
    assert_eq!(judging(0.5).all().await.unwrap(), 0);
    // Another setting judges all of them anew, as another version would.
    assert_eq!(judging(0.9).all().await.unwrap(), 2);
    store.close().await;
    // All of it without a request.
    assert_eq!(harness.requests(Endpoint::Get), requests);
}

#[tokio::test]
async fn what_is_expected_is_checked_before_anything_is_paid() {
    let harness = Harness::new(&[]).await;
    add(&harness, vec![asking("shop")]).await;
    for (expect, words) in [
        ("[]", "expect is not a JSON object"),
        (
            r#"{"prise": {"min": 1}}"#,
            "expect names a field that is not one of fields",
        ),
        (r#"{"price": {"minimum": 1}}"#, "unknown key"),
        (r#"{"price": {"min": "1"}}"#, "min and max are numbers"),
        (
            r#"{"price": {"min": 2, "max": 1}}"#,
            "a min is above its max",
        ),
        (r#"{"price": {"min_items": -1}}"#, "whole numbers from 0 up"),
        (r#"{"price": {"one_of": []}}"#, "one_of is an array"),
        (
            r#"{"price": {"required": "no"}}"#,
            "required is true or false",
        ),
    ] {
        let sql = format!("UPDATE jobs SET expect = '{expect}'");
        let refused = harness.sql(&sql).await.unwrap_err().to_string();
        assert!(refused.contains(words), "{expect}: {refused}");
        let mut spec = asking("shop");
        spec.expect = serde_json::from_str(expect).ok();
        assert!(spec.validate().is_err(), "{expect}");
    }
    let mut spec = asking("shop");
    spec.expect = Some(json!({"prise": {"min": 1}}));
    let problems = spec.validate().unwrap_err().to_string();
    assert!(problems.contains("did you mean price?"), "{problems}");
    spec.expect = Some(json!({"price": {"pattern": "a(b"}}));
    let problems = spec.validate().unwrap_err().to_string();
    assert!(
        problems.contains("at character 2, unclosed group"),
        "{problems}"
    );
    // A pattern is beyond SQL: the job FAILS unpaid.
    harness
        .sql(r#"UPDATE jobs SET expect = '{"price": {"pattern": "a(b"}}'"#)
        .await
        .unwrap();
    harness.run_until_done().await;
    let ended = "SELECT state || ' ' || error_kind FROM jobs";
    assert_eq!(one(&harness, ended).await, "FAILED bad_request");
    assert_eq!(harness.requests(Endpoint::Create), 0);
}

#[tokio::test]
async fn a_file_may_expect_otherwise_and_pays_nothing_for_it() {
    let harness = Harness::new(&[]).await;
    add(&harness, vec![asking("shop")]).await;
    harness.run_until_done().await;
    let mut spec = asking("shop");
    spec.expect = Some(json!({"price": {"max": 0}}));
    let store = harness.store().await;
    let submitted = store.submit(vec![spec], false).await.unwrap();
    assert_eq!((submitted.unchanged, submitted.expecting), (1, 1));
    // A file that says nothing of it leaves what was said.
    let submitted = store.submit(vec![asking("shop")], false).await.unwrap();
    assert_eq!((submitted.unchanged, submitted.expecting), (1, 0));
    let judge = Judge {
        store: store.clone(),
        clock: Clock::system(),
        min_fill: 0.5,
    };
    assert_eq!(judge.all().await.unwrap(), 1);
    store.close().await;
    assert_eq!(one(&harness, "SELECT quality FROM parsers").await, "bad");
    assert_eq!(harness.requests(Endpoint::Create), 1);
}

#[tokio::test]
async fn what_is_refused_of_a_page_is_tried_once_and_holds_up_nobody() {
    for fault in [
        "status=404",
        "status=422",
        "status=429 retry-after=1h",
        "status=401",
    ] {
        let harness = Harness::new(&[&format!("parse {fault}")]).await;
        add(
            &harness,
            vec![
                checked("shop", &["a"]),
                JobSpec {
                    name: "other".to_owned(),
                    ..spec(1)
                },
            ],
        )
        .await;
        harness.run_until_done().await;
        let states = harness.sql("SELECT state FROM jobs").await.unwrap();
        assert_eq!(states, ["FINISHED", "FINISHED"], "{fault}");
        let tries =
            if fault.starts_with("status=4") && fault != "status=401" && !fault.contains("429") {
                1
            } else {
                3
            };
        assert_eq!(harness.requests(Endpoint::Parse), tries, "{fault}");
        assert_eq!(
            harness.sql("SELECT scope FROM gates").await.unwrap(),
            [""; 0],
            "{fault}"
        );
    }
}

#[tokio::test]
async fn an_expectation_that_got_in_past_the_rules_is_not_passed_over() {
    let harness = Harness::new(&[]).await;
    add(&harness, vec![asking("shop")]).await;
    harness.run_until_done().await;
    let pattern = r#"UPDATE jobs SET expect = '{"price": {"pattern": "("}}'"#;
    harness.sql(pattern).await.unwrap();
    let store = harness.store().await;
    let judge = Judge {
        store: store.clone(),
        clock: Clock::system(),
        min_fill: 0.5,
    };
    assert_eq!(judge.all().await.unwrap(), 1);
    store.close().await;
    let told = "SELECT quality || ' ' || (quality_detail ->> 'reason') FROM parsers";
    let told = one(&harness, told).await;
    assert!(
        told.starts_with("thin not all can be judged: expect"),
        "{told}"
    );
}
