//! Parsers that no file names, and those that were replaced: deleted when that is asked for, and
//! as many as were told.

use parserd::{core::spec::JobSpec, simulator::Endpoint};
use serde_json::{Value, json};

use super::{
    add, asking,
    manifest::{job, run, write},
    one, shop,
};
use crate::common::{Harness, program::stderr};

/// Parsers of these names beside `shop`, and a file that names `shop` alone.
async fn beside(names: &[&str]) -> Harness {
    let harness = shop(&[]).await;
    let specs = names.iter().zip(1..).map(|(name, n)| JobSpec {
        urls: vec![format!("https://site-{n}.example/page")],
        ..asking(name)
    });
    add(&harness, specs.collect()).await;
    harness.run_until_done().await;
    file(&harness, &asking("shop").urls[0]);
    harness
}

fn file(harness: &Harness, url: &str) {
    let fields = asking("shop").fields.unwrap();
    write(harness, "jobs.json", &[job("shop", url, &fields)]);
}

async fn out(harness: &Harness, args: &[&str]) -> String {
    let output = run(harness, args, 0).await;
    String::from_utf8(output.stdout).unwrap()
}

/// What `plan --prune` shows as to be deleted, and the number.
async fn pruned(harness: &Harness) -> (Vec<String>, Value) {
    let plan = out(harness, &["plan", "--json", "--prune", "jobs.json"]).await;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let jobs = plan["jobs"].as_array().unwrap().iter();
    let deleted = jobs.filter(|job| job["symbol"] == "-");
    let names = deleted.map(|job| job["name"].as_str().unwrap().to_owned());
    (names.collect(), plan["unnamed"]["delete"].clone())
}

const ALIVE: &str = "SELECT group_concat(name, ' ') FROM \
    (SELECT name FROM parsers WHERE deleted_at IS NULL ORDER BY name)";

#[tokio::test]
async fn what_no_file_names_goes_only_by_the_number_that_was_told() {
    let harness = beside(&["one", "two", "kept"]).await;
    let protect = "UPDATE jobs SET protect = 1 WHERE name = 'kept'";
    harness.sql(protect).await.unwrap();
    let waiting = "INSERT INTO jobs (name, urls, run_at) \
        VALUES ('later', '[\"https://site-0.example/page\"]', 4000000000000)";
    harness.sql(waiting).await.unwrap();
    let told = out(&harness, &["plan", "jobs.json"]).await;
    assert!(
        told.contains("3 parsers are named by no file: they stay"),
        "{told}"
    );
    assert!(
        told.contains("1 job that no file names is not done yet"),
        "{told}"
    );
    run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
    let names = vec!["one".to_owned(), "two".to_owned()];
    assert_eq!(pruned(&harness).await, (names, json!(2)));
    let told = out(&harness, &["plan", "--prune", "jobs.json"]).await;
    assert!(
        told.contains("to delete them: parserd apply --prune --delete 2 jobs.json"),
        "{told}"
    );
    assert!(told.contains("is protected"), "{told}");
    for (args, code) in [
        (&["apply", "--yes", "jobs.json"][..], 0),
        (&["apply", "--yes", "--prune", "jobs.json"], 2),
        (&["apply", "--yes", "--delete", "2", "jobs.json"], 2),
        (
            &["apply", "--yes", "--prune", "--delete", "3", "jobs.json"],
            1,
        ),
    ] {
        run(&harness, args, code).await;
    }
    let deletes = "SELECT count(*) FROM jobs WHERE action = 'delete'";
    assert_eq!(one(&harness, deletes).await, "0");
    let args = ["apply", "--yes", "--prune", "--delete", "2", "jobs.json"];
    let told = stderr(&run(&harness, &args, 0).await);
    assert!(told.contains("2 to be deleted"), "{told}");
    // Asked for already.
    assert_eq!(pruned(&harness).await, (Vec::new(), json!(0)));
    let state = "SELECT state FROM jobs WHERE name = 'later'";
    assert_eq!(one(&harness, state).await, "QUEUED");
    run(&harness, &["cancel", "later"], 0).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, ALIVE).await, "kept shop");
    assert_eq!(harness.requests(Endpoint::Delete), 2);
}

#[tokio::test]
async fn a_parser_that_was_replaced_goes_and_the_one_in_its_place_stays() {
    let harness = beside(&[]).await;
    for page in ["second", "third"] {
        file(&harness, &format!("https://site-0.example/{page}"));
        run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
        // While another is made, none of the name goes.
        assert_eq!(pruned(&harness).await, (Vec::new(), json!(0)));
        harness.run_until_done().await;
    }
    let named = "SELECT parser_id FROM named_parsers WHERE name = 'shop'";
    let stays = one(&harness, named).await;
    // Both are of the same name as the one that stays.
    let names = vec!["shop".to_owned(); 2];
    assert_eq!(pruned(&harness).await, (names, json!(2)));
    let args = ["apply", "--yes", "--prune", "--delete", "2", "jobs.json"];
    run(&harness, &args, 0).await;
    // An update of the one that stays need not wait for that.
    super::update(&harness, super::RENAME).await;
    harness.run_until_done().await;
    let alive = "SELECT parser_id FROM parsers WHERE deleted_at IS NULL";
    assert_eq!(one(&harness, alive).await, stays);
    assert_eq!(one(&harness, named).await, stays);
    let states = "SELECT DISTINCT state FROM jobs";
    assert_eq!(one(&harness, states).await, "FINISHED");
    assert_eq!(harness.requests(Endpoint::Delete), 2);
    assert_eq!(harness.requests(Endpoint::Create), 3);
}

#[tokio::test]
async fn a_parser_that_was_replaced_and_is_to_go_is_not_used_again() {
    let harness = beside(&[]).await;
    file(&harness, "https://site-0.example/other");
    run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
    harness.run_until_done().await;
    let args = ["apply", "--yes", "--prune", "--delete", "1", "jobs.json"];
    run(&harness, &args, 0).await;
    file(&harness, &asking("shop").urls[0]);
    // With the file as it was at first, nothing that may be used again is deleted.
    run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
    harness.run_until_done().await;
    assert_eq!(harness.requests(Endpoint::Create), 3);
    let last = "SELECT state FROM jobs WHERE action = 'create' ORDER BY id DESC LIMIT 1";
    assert_eq!(one(&harness, last).await, "FINISHED");
    let named = "SELECT parser_id = (SELECT parser_id FROM jobs WHERE action = 'create' \
        ORDER BY id DESC LIMIT 1) FROM named_parsers";
    assert_eq!(one(&harness, named).await, "1");
}

#[tokio::test]
async fn what_is_protected_is_kept_and_is_nothing_to_do() {
    let harness = beside(&["kept"]).await;
    let protect = "UPDATE jobs SET protect = 1 WHERE name = 'kept'";
    harness.sql(protect).await.unwrap();
    let args = ["plan", "--json", "--prune", "--exit-code", "jobs.json"];
    let plan: Value = serde_json::from_str(&out(&harness, &args).await).unwrap();
    let kept = &plan["jobs"][1];
    let is = (&kept["name"], &kept["verdict"], &kept["symbol"]);
    assert_eq!(is, (&json!("kept"), &json!("kept"), &json!("=")));
    assert!(
        kept["note"].as_str().unwrap().contains("is protected"),
        "{kept}"
    );
    assert_eq!(
        (&plan["totals"]["kept"], &plan["totals"]["in_flight"]),
        (&json!(1), &json!(0))
    );
}
