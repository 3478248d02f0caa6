//! Files as the truth: edited, compared with what is there, and applied.

use std::process::Output;

use parserd::{core::job::JobState, simulator::Endpoint};
use serde_json::{Value, json};

use super::{add, asking, flow::LAST, one, shop, update};
use crate::common::{
    Harness,
    program::{Program, parserd, stderr},
};

const URL: &str = "https://site-0.example/page";

pub fn job(name: &str, url: &str, fields: &Value) -> Value {
    json!({"name": name, "urls": [url], "fields": fields})
}

pub fn write(harness: &Harness, file: &str, jobs: &[Value]) {
    let path = harness.directory.path().join(file);
    std::fs::write(path, Value::from(jobs.to_vec()).to_string()).unwrap();
}

/// The parser `shop` as it was made, with this done to its fields.
fn shop_file(harness: &Harness, edit: impl Fn(&mut Value)) {
    let spec = asking("shop");
    let mut fields = spec.fields.unwrap();
    edit(&mut fields);
    write(harness, "jobs.json", &[job("shop", &spec.urls[0], &fields)]);
}

fn rename(fields: &mut Value) {
    fields[0]["name"] = json!("book.title");
    fields[0]["was"] = json!("title");
}

pub async fn run(harness: &Harness, args: &[&str], code: i32) -> Output {
    let mut command = parserd(harness, args);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await;
    let output = output.unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{out}{}", stderr(&output));
    output
}

async fn planned(harness: &Harness) -> Value {
    let output = run(harness, &["plan", "--json", "jobs.json"], 0).await;
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn a_rename_by_apply_costs_nothing_and_the_file_may_stay_as_it_is() {
    let harness = shop(&[]).await;
    shop_file(&harness, |_| ());
    run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
    shop_file(&harness, rename);
    run(&harness, &["plan", "--exit-code", "jobs.json"], 5).await;
    let plan = planned(&harness).await;
    let line = &plan["jobs"][0];
    assert_eq!(
        (&line["symbol"], &line["verb"], &line["credits"]),
        (&json!("~"), &json!("update_free"), &json!(0))
    );
    let renamed = json!([{"change": "rename", "name": "title", "new_name": "book.title"}]);
    assert_eq!(line["changes"], renamed);
    assert_eq!(plan["credits"]["cost"], 0);
    // Nobody can be asked here.
    run(&harness, &["apply", "jobs.json"], 2).await;
    run(
        &harness,
        &["apply", "--yes", "--max-credits", "0", "jobs.json"],
        0,
    )
    .await;
    let line = &planned(&harness).await["jobs"][0];
    assert_eq!(
        (&line["symbol"], &line["verb"]),
        (&json!("="), &json!("same"))
    );
    assert_eq!(line["notes"][0], "an update of its parser is under way");
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "update FINISHED 1 -");
    let sent = "SELECT part || ' ' || credits FROM updates";
    assert_eq!(one(&harness, sent).await, "free 0");
    assert_eq!(harness.requests(Endpoint::Patch), 1);
    run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
    run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
    assert_eq!(one(&harness, "SELECT count(*) FROM jobs").await, "2");
}

#[tokio::test]
async fn what_looks_like_a_rename_is_pointed_out_and_what_costs_is_kept_within_limits() {
    let harness = shop(&[]).await;
    shop_file(&harness, |fields| fields[0]["name"] = json!("heading"));
    let line = &planned(&harness).await["jobs"][0];
    assert_eq!(
        (&line["verb"], &line["credits"]),
        (&json!("update_both"), &json!(30_000))
    );
    assert_eq!(
        line["likely_renames"][0]["write"],
        r#"{ name = "heading", was = "title", ... }"#
    );
    let args = ["apply", "--yes", "--max-credits", "29999", "jobs.json"];
    let told = stderr(&run(&harness, &args, 1).await);
    assert!(told.contains("could cost 30,000 credits"), "{told}");
    assert_eq!(one(&harness, "SELECT count(*) FROM jobs").await, "1");
    // Its removal alone would lose the field.
    let free_only = ["apply", "--yes", "--free-only", "jobs.json"];
    let told = stderr(&run(&harness, &free_only, 0).await);
    assert!(told.contains("nothing of it is free"), "{told}");
    assert_eq!(one(&harness, "SELECT count(*) FROM jobs").await, "1");
    // What is free where it is none.
    shop_file(&harness, |fields| {
        fields[0] = json!({"name": "heading", "description": "the largest line"});
    });
    let told = stderr(&run(&harness, &free_only, 0).await);
    assert!(told.contains("no parserd runs"), "{told}");
    let change = "SELECT change FROM jobs WHERE action = 'update'";
    assert_eq!(
        one(&harness, change).await,
        r#"{"remove_fields":["title"]}"#
    );
    harness.run_until_done().await;
    let line = &planned(&harness).await["jobs"][0];
    assert_eq!(line["verb"], "update_paid");
    run(&harness, &["apply", "--yes", "--free-only", "jobs.json"], 0).await;
    assert_eq!(one(&harness, "SELECT count(*) FROM jobs").await, "2");
    run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
    harness.run_until_done().await;
    let names = "SELECT group_concat(value ->> 'name') FROM parsers, json_each(parsers.fields)";
    assert_eq!(one(&harness, names).await, "price,heading");
    run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
    assert_eq!(harness.requests(Endpoint::Create), 1);
}

#[tokio::test]
async fn a_mistyped_was_is_told_and_never_paid_for() {
    let harness = shop(&[]).await;
    shop_file(&harness, |fields| {
        rename(fields);
        fields[0]["was"] = json!("titel");
    });
    let line = &planned(&harness).await["jobs"][0];
    assert_eq!(
        (&line["verb"], &line["credits"]),
        (&json!("refused"), &json!(0))
    );
    let note = line["notes"][0].as_str().unwrap();
    for part in [
        "field \"book.title\"",
        "`was = \"titel\"`",
        "did you mean \"title\"?",
    ] {
        assert!(note.contains(part), "{part}: {note}");
    }
    let told = stderr(&run(&harness, &["apply", "--yes", "jobs.json"], 65).await);
    assert!(told.contains("\"shop\" (jobs.json:1)"), "{told}");
    assert_eq!(one(&harness, "SELECT count(*) FROM jobs").await, "1");
    // Nor where a daemon applies the file.
    let path = harness.directory.path().join("jobs.json");
    let mut loading = harness;
    loading.set("enqueue.files", path.to_str().unwrap());
    loading.set("enqueue.on_change", "apply");
    let output = Program::start(parserd(&loading, &["run", "--until-done"]));
    let told = stderr(&output.ended().await);
    assert!(told.contains("titel"), "{told}");
    assert_eq!(one(&loading, "SELECT count(*) FROM jobs").await, "1");
    assert_eq!(loading.requests(Endpoint::Patch), 0);
}

#[tokio::test]
async fn a_file_that_does_not_say_protect_leaves_the_protection_as_it_is() {
    let harness = shop(&[]).await;
    let fields = asking("shop").fields.unwrap();
    let url = asking("shop").urls.remove(0);
    let protect = "UPDATE jobs SET protect = 1";
    harness.sql(protect).await.unwrap();
    let mut shop = job("shop", &url, &fields);
    write(&harness, "jobs.json", &[shop.clone()]);
    run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
    run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
    let set = "SELECT protect || ' ' || protected FROM jobs, parsers";
    assert_eq!(one(&harness, set).await, "1 1");
    shop["protect"] = json!(false);
    write(&harness, "jobs.json", &[shop.clone()]);
    let line = &planned(&harness).await["jobs"][0];
    assert_eq!(line["settings"], json!(["protect"]));
    run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
    assert_eq!(one(&harness, set).await, "0 0");
    // The parser that takes the place of a protected one is protected.
    harness.sql(protect).await.unwrap();
    write(
        &harness,
        "jobs.json",
        &[job("shop", "https://site-0.example/other", &fields)],
    );
    run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
    harness.run_until_done().await;
    let all = "SELECT group_concat(protected, ' ') FROM parsers";
    assert_eq!(one(&harness, all).await, "1 1");
}

#[tokio::test]
async fn a_failed_job_that_reads_the_same_is_told_with_the_way_to_retry_it() {
    let harness = Harness::new(&["create status=400 nth=1"]).await;
    add(&harness, vec![asking("shop")]).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, "SELECT state FROM jobs").await, "FAILED");
    shop_file(&harness, |_| ());
    let told = stderr(&run(&harness, &["apply", "--yes", "jobs.json"], 0).await);
    for part in [
        "nothing to do, and FAILED: \"shop\" (jobs.json:1)",
        "`parserd retry NAME`",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let note = planned(&harness).await["jobs"][0]["notes"][0].clone();
    assert_eq!(
        note,
        "it is FAILED: `parserd show NAME` says why, `parserd retry NAME` tries it again"
    );
}

#[tokio::test]
async fn another_update_that_waits_is_cancelled_by_apply_and_not_by_loading() {
    let mut harness = shop(&[]).await;
    shop_file(&harness, rename);
    update(&harness, super::MODIFY).await;
    let line = &planned(&harness).await["jobs"][0];
    assert_eq!(
        (&line["symbol"], &line["verb"]),
        (&json!("~"), &json!("cancel"))
    );
    harness.set("enqueue.files", "jobs.json");
    harness.set("enqueue.on_change", "apply");
    run(&harness, &["run", "--until-done"], 0).await;
    // The one that waited was carried out; what the file asks for beside it may have followed.
    let done = "SELECT state FROM jobs WHERE action = 'update' ORDER BY id LIMIT 1";
    assert_eq!(one(&harness, done).await, "FINISHED");
}

#[tokio::test]
async fn an_edit_of_one_job_in_a_thousand_loads_the_others() {
    let harness = Harness::new(&[]).await;
    let job = |n: usize, page: &str| {
        let url = format!("https://site-{n}.example/{page}");
        json!({"name": format!("job-{n}"), "urls": [url]})
    };
    write(&harness, "first.json", &[job(500, "page")]);
    run(&harness, &["enqueue", "first.json"], 0).await;
    let mut jobs: Vec<_> = (0..1000).map(|n| job(n, "page")).collect();
    jobs[500] = job(500, "other");
    write(&harness, "jobs.json", &jobs);
    let told = stderr(&run(&harness, &["enqueue", "jobs.json"], 0).await);
    assert!(told.contains("999 added"), "{told}");
    assert!(told.contains("job \"job-500\": is there already"), "{told}");
    let plan = planned(&harness).await;
    assert_eq!(plan["totals"]["already_there"], 999);
    assert_eq!(plan["jobs"][500]["verb"], "edit");
    assert_eq!(plan["credits"]["cost"], 30_000);
    // It is counted once, among the file's jobs.
    assert_eq!(plan["creates"]["ahead"], 999);
    run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
    let urls = "SELECT urls FROM jobs WHERE name = 'job-500'";
    assert_eq!(
        one(&harness, urls).await,
        r#"["https://site-500.example/other"]"#
    );
    let edits = "SELECT count(*) FROM job_events WHERE event = 'changed'";
    assert_eq!(one(&harness, edits).await, "1");
    run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
}

#[tokio::test]
async fn settings_are_set_at_once_and_what_cannot_be_is_refused_whole() {
    let harness = shop(&[]).await;
    let fields = asking("shop").fields.unwrap();
    let url = asking("shop").urls.remove(0);
    let mut protected = job("shop", &url, &fields);
    protected["protect"] = json!(true);
    protected["priority"] = json!(7);
    write(&harness, "jobs.json", &[protected.clone()]);
    let line = &planned(&harness).await["jobs"][0];
    assert_eq!(line["settings"], json!(["priority", "protect"]));
    run(&harness, &["apply", "--yes", "--free-only", "jobs.json"], 0).await;
    let set = "SELECT priority || ' ' || protect || ' ' || protected FROM jobs, parsers";
    assert_eq!(one(&harness, set).await, "7 1 1");
    run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
    // A job that waits cannot become one that adopts: nothing is done of the others either.
    let mut new = job("new", URL, &fields);
    write(&harness, "new.json", &[new.clone()]);
    run(&harness, &["enqueue", "new.json"], 0).await;
    new["parser_id"] = json!("p");
    let other = job("shop", "https://site-0.example/other", &fields);
    write(&harness, "jobs.json", &[other, new]);
    let plan = planned(&harness).await;
    let verbs = (&plan["jobs"][0]["verb"], &plan["jobs"][1]["verb"]);
    assert_eq!(verbs, (&json!("replace"), &json!("refused")));
    run(&harness, &["apply", "--yes", "jobs.json"], 65).await;
    assert_eq!(one(&harness, "SELECT count(*) FROM jobs").await, "2");
}

#[tokio::test]
async fn a_plan_that_is_no_longer_true_is_not_applied() {
    use parserd::{
        core::diff::PlanDigest,
        engine::enqueue,
        manifest::{JobFile, Kinds, Tally},
        store::{Applying as _, Extent, Manifest as _},
    };
    let harness = shop(&[]).await;
    shop_file(&harness, rename);
    let path = harness.directory.path().join("jobs.json");
    let files = [JobFile::check(&path, None, Kinds::Regular, &Tally::default()).unwrap()];
    let store = harness.store().await;
    let digest = async || {
        let records = store.on_record(&["shop"]).await.unwrap();
        let spec = files[0].jobs().next().unwrap().unwrap().value;
        let mut digest = PlanDigest::default();
        let record = &records["shop"];
        digest.add(&spec, record, &record.diff(&spec));
        digest.finish()
    };
    let shown = digest().await;
    // Another tool made a version meanwhile.
    let elsewhere = "UPDATE parsers SET latest_version = 5";
    harness.sql(elsewhere).await.unwrap();
    let make = |digest| store.make_so(enqueue::batches(&files), Some(digest), Extent::All, false);
    assert!(make(shown).await.unwrap().is_stale);
    assert_eq!(one(&harness, "SELECT count(*) FROM jobs").await, "1");
    let made = make(digest().await).await.unwrap();
    assert_eq!((made.is_stale, made.done.len()), (false, 1));
    assert_eq!(one(&harness, "SELECT count(*) FROM jobs").await, "2");
    store.close().await;
}

#[tokio::test]
async fn a_failed_job_that_is_edited_is_tried_again() {
    let harness = Harness::new(&["create status=400 nth=1"]).await;
    add(&harness, vec![asking("shop")]).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, "SELECT state FROM jobs").await, "FAILED");
    shop_file(&harness, |fields| {
        fields[0]["description"] = json!("another")
    });
    assert_eq!(planned(&harness).await["jobs"][0]["verb"], "edit");
    run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, "SELECT state FROM jobs").await, "FINISHED");
}

#[tokio::test]
async fn a_parser_that_is_gone_from_the_account_is_asked_for_anew() {
    let harness = shop(&[]).await;
    shop_file(&harness, |_| ());
    let gone = "INSERT INTO gone_parsers (parser_id, at) SELECT parser_id, created_at FROM parsers";
    harness.sql(gone).await.unwrap();
    let line = &planned(&harness).await["jobs"][0];
    assert_eq!(line["symbol"], "+", "{line}");
    run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
    let jobs = "SELECT state || ' ' || (released_at IS NOT NULL) FROM jobs ORDER BY id";
    assert_eq!(harness.sql(jobs).await.unwrap(), ["FINISHED 1", "QUEUED 0"]);
}

/// How the daemon loads a file that was edited.
async fn loaded_with(on_change: &str) -> (Harness, String) {
    let mut harness = shop(&[]).await;
    let mut fields = asking("shop").fields.unwrap();
    rename(&mut fields);
    let added = json!({"name": "author", "description": "who wrote it"});
    fields.as_array_mut().unwrap().push(added);
    let url = asking("shop").urls.remove(0);
    let jobs = [
        job("shop", &url, &fields),
        job("new", URL, &json!([fields[1]])),
    ];
    write(&harness, "jobs.json", &jobs);
    harness.set("enqueue.files", "jobs.json");
    harness.set("enqueue.on_change", on_change);
    let output = Program::start(parserd(&harness, &["run", "--until-done"]));
    let output = output.ended().await;
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let finished = harness.states().await.get(&JobState::Finished).copied();
    let changes = harness.sql("SELECT change FROM jobs WHERE action = 'update'");
    let changes = changes.await.unwrap();
    assert_eq!(finished, Some(2 + i64::from(!changes.is_empty())));
    (harness, format!("{} {told}", changes.join(" ")))
}

#[tokio::test]
async fn loading_reports_an_edited_job_or_does_what_is_free_or_applies_it() {
    let (_, told) = loaded_with("report").await;
    assert!(told.starts_with(' '), "{told}");
    assert!(
        told.contains("reads otherwise: `parserd plan jobs.json`"),
        "{told}"
    );
    let (_, told) = loaded_with("free").await;
    assert!(
        told.starts_with(r#"{"rename_fields"#) && !told.contains("add_fields"),
        "{told}"
    );
    let (harness, told) = loaded_with("apply").await;
    assert!(told.starts_with(r#"{"add_fields"#), "{told}");
    run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
    assert_eq!(harness.requests(Endpoint::Create), 2);
}

#[tokio::test]
async fn what_loading_leaves_since_it_costs_is_told_with_its_reason() {
    let mut harness = shop(&[]).await;
    shop_file(&harness, |fields| {
        let added = json!({"name": "author", "description": "who wrote it"});
        fields.as_array_mut().unwrap().push(added);
    });
    harness.set("enqueue.files", "jobs.json");
    harness.set("enqueue.on_change", "free");
    let told = stderr(&run(&harness, &["run", "--until-done"], 0).await);
    let words = "left (update_paid): it costs credits, and enqueue.on_change is free: \
                 `parserd plan jobs.json` shows the difference";
    assert!(told.contains(words), "{told}");
}
