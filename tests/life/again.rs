//! What is paid for once is not paid for again by a file that is loaded again, or that says more.

use serde_json::json;

use super::{
    adopted::lose_database,
    asking,
    flow::LAST,
    manifest::{job, run, write},
    one, shop, update,
};
use crate::common::program::stderr;
use parserd::simulator::Endpoint;

#[tokio::test]
async fn a_paid_update_that_failed_is_paid_again_when_asked_for_and_not_when_loaded() {
    let mut harness = shop(&["patch fail=boom"]).await;
    let mut fields = asking("shop").fields.unwrap();
    fields[1]["description"] = json!("another");
    write(
        &harness,
        "jobs.json",
        &[job("shop", &asking("shop").urls[0], &fields)],
    );
    harness.set("enqueue.files", "jobs.json");
    harness.set("enqueue.on_change", "apply");
    run(&harness, &["run", "--until-done"], 3).await;
    assert_eq!(harness.requests(Endpoint::Patch), 1);
    run(&harness, &["run", "--until-done"], 0).await;
    assert_eq!(harness.requests(Endpoint::Patch), 1);
    let plan = run(&harness, &["plan", "jobs.json"], 0).await;
    let plan = String::from_utf8(plan.stdout).unwrap();
    assert!(
        plan.contains("the last try of this very change FAILED"),
        "{plan}"
    );
    run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
    let jobs = "SELECT count(*) FROM jobs WHERE action = 'update'";
    assert_eq!(one(&harness, jobs).await, "2");
}

#[tokio::test]
async fn an_update_that_waits_is_cancelled_by_the_file_that_no_longer_asks_for_it() {
    let harness = shop(&[]).await;
    let before = asking("shop").fields.unwrap();
    let mut fields = before.clone();
    fields[1]["description"] = json!("another");
    let file = |fields: &serde_json::Value| [job("shop", &asking("shop").urls[0], fields)];
    write(&harness, "jobs.json", &file(&fields));
    run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
    // Another value: first the one that waits goes, then the next one comes.
    fields[1]["description"] = json!("a third");
    write(&harness, "jobs.json", &file(&fields));
    let plan = run(&harness, &["plan", "jobs.json"], 0).await;
    let plan = String::from_utf8(plan.stdout).unwrap();
    assert!(plan.contains("~  cancel"), "{plan}");
    let told = stderr(&run(&harness, &["apply", "--yes", "jobs.json"], 0).await);
    assert!(told.contains("1 cancelled"), "{told}");
    run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
    let states = "SELECT group_concat(state) FROM (SELECT state FROM jobs WHERE action = 'update' \
        ORDER BY id)";
    assert_eq!(one(&harness, states).await, "CANCELLED,QUEUED");
    // And back to what the parser has: nothing is paid.
    write(&harness, "jobs.json", &file(&before));
    run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
    run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, states).await, "CANCELLED,CANCELLED");
    assert_eq!(harness.requests(Endpoint::Patch), 0);
}

#[tokio::test]
async fn a_parser_whose_replacement_waits_is_not_deleted_beside_it() {
    let harness = shop(&[]).await;
    let fields = asking("shop").fields.unwrap();
    let other = [job("shop", "https://site-0.example/other", &fields)];
    write(&harness, "jobs.json", &other);
    run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
    let delete = ["parsers", "delete", "--yes", "shop"];
    let told = stderr(&run(&harness, &delete, 1).await);
    assert!(
        told.contains("job 2 is QUEUED, and is to make another parser in place of this one"),
        "{told}"
    );
    run(&harness, &["cancel", "2"], 0).await;
    run(&harness, &delete, 0).await;
    harness.run_until_done().await;
    assert_eq!(harness.requests(Endpoint::Create), 1);
    assert_eq!(harness.requests(Endpoint::Delete), 1);
}

#[tokio::test]
async fn a_change_that_changes_nothing_is_done_unpaid() {
    let harness = shop(&[]).await;
    let same = &asking("shop").fields.unwrap()[1];
    update(&harness, &json!({"modify_fields": [same]}).to_string()).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "update FINISHED 0 -");
    assert_eq!(harness.requests(Endpoint::Patch), 0);
    assert_eq!(one(&harness, "SELECT count(*) FROM updates").await, "0");
}

#[tokio::test]
async fn an_imported_parser_is_not_made_anew_for_the_params_that_nobody_could_tell() {
    let harness = shop(&[]).await;
    lose_database(&harness);
    let imported = run(&harness, &["parsers", "import", "--all"], 0).await;
    std::fs::write(harness.directory.path().join("in.toml"), imported.stdout).unwrap();
    run(&harness, &["apply", "--yes", "in.toml"], 0).await;
    harness.run_until_done().await;
    let mut known = job(
        "shop",
        &asking("shop").urls[0],
        &asking("shop").fields.unwrap(),
    );
    known["scraper_params"] = json!({"render": true});
    write(&harness, "jobs.json", &[known.clone()]);
    run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
    // Its pages are known.
    known["urls"] = json!(["https://site-0.example/other"]);
    write(&harness, "jobs.json", &[known]);
    run(&harness, &["plan", "--exit-code", "jobs.json"], 5).await;
    assert_eq!(harness.requests(Endpoint::Create), 1);
}

#[tokio::test]
async fn files_without_a_job_prune_nothing() {
    let harness = shop(&[]).await;
    write(&harness, "jobs.json", &[]);
    let plan = stderr(&run(&harness, &["plan", "--prune", "jobs.json"], 2).await);
    assert!(plan.contains("no file names a job"), "{plan}");
    let apply = ["apply", "--yes", "--prune", "--delete", "1", "jobs.json"];
    run(&harness, &apply, 2).await;
    assert_eq!(one(&harness, "SELECT count(*) FROM jobs").await, "1");
}
