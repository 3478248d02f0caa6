//! Parsers that are there already: adopted by their ids, and by a job whose database was lost.

use parserd::{
    clock::Clock,
    core::spec::JobSpec,
    engine::{enqueue, judging::Judge},
    manifest::{Kinds, Tally},
    simulator::Endpoint,
};
use serde_json::json;

use super::{
    RENAME, add, asking,
    flow::LAST,
    manifest::{job, run, write},
    now_ms, one, shop, update,
};
use crate::common::Harness;

/// The same service with an empty database.
pub fn lose_database(harness: &Harness) {
    for entry in std::fs::read_dir(harness.directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains(".db") {
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[tokio::test]
async fn a_parser_is_adopted_by_its_id_and_nothing_is_created() {
    let harness = shop(&[]).await;
    let id = one(&harness, "SELECT parser_id FROM parsers").await;
    lose_database(&harness);
    add(&harness, Vec::new()).await;
    let insert = format!(
        "INSERT INTO jobs (name, urls, parser_id) \
         VALUES ('mine', '[\"https://site-0.example/page\"]', '{id}')"
    );
    harness.sql(&insert).await.unwrap();
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "create FINISHED 0 -");
    assert_eq!(harness.requests(Endpoint::Create), 1);
    // Its fields are those that the service shows.
    let names = "SELECT name || ' ' || (SELECT group_concat(value ->> 'name') FROM json_each(fields)) FROM parsers";
    assert_eq!(one(&harness, names).await, "mine title,price");
    assert_eq!(one(&harness, "SELECT count(*) FROM creates").await, "0");
}

#[tokio::test]
async fn a_job_file_that_names_a_parser_adopts_it_and_creates_nothing() {
    let harness = shop(&[]).await;
    let id = one(&harness, "SELECT parser_id FROM parsers").await;
    lose_database(&harness);
    let file = harness.directory.path().join("jobs.toml");
    let text = format!(
        "[[jobs]]\nname = 'mine'\nurls = ['https://site-0.example/other']\nparser_id = '{id}'\n\
         protect = true\n"
    );
    std::fs::write(&file, text).unwrap();
    let store = harness.store().await;
    let (format, kinds, tally) = (None, Kinds::Regular, Tally::default());
    let checked = enqueue::check_file(&file, format, kinds, tally)
        .await
        .unwrap();
    let submitted = enqueue::submit(&store, &checked, false).await;
    assert_eq!(submitted.unwrap().added, 1);
    store.close().await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "create FINISHED 0 -");
    assert_eq!(harness.requests(Endpoint::Create), 1);
    // Which version it has the list tells.
    let parser = "SELECT name || ' ' || parser_id || ' ' || protected || ' ' || version || ' ' \
        || latest_version FROM parsers";
    assert_eq!(one(&harness, parser).await, format!("mine {id} 1 0 0"));
}

#[tokio::test]
async fn an_id_that_the_account_does_not_have_creates_nothing() {
    let harness = Harness::new(&[]).await;
    add(&harness, Vec::new()).await;
    let insert = "INSERT INTO jobs (name, urls, parser_id) \
        VALUES ('mine', '[\"https://site-0.example/page\"]', 'no-such-parser')";
    harness.sql(insert).await.unwrap();
    harness.run_until_done().await;
    let last = one(&harness, LAST).await;
    assert!(last.starts_with("create FAILED - not_found: "), "{last}");
    // Nor does another try, or an edit.
    for sql in [
        "UPDATE jobs SET state = 'QUEUED'",
        "UPDATE jobs SET urls = '[\"https://site-0.example/other\"]', state = 'QUEUED'",
    ] {
        harness.sql(sql).await.unwrap();
        harness.run_until_done().await;
    }
    let last = one(&harness, LAST).await;
    assert!(last.starts_with("create FAILED - not_found: "), "{last}");
    assert_eq!(harness.requests(Endpoint::Create), 0);
}

#[tokio::test]
async fn a_lost_database_and_an_edited_job_pay_for_no_second_parser() {
    let harness = shop(&[]).await;
    lose_database(&harness);
    let edited = JobSpec {
        fields: Some(json!([{"name": "title", "description": "the title of the book"}])),
        ..asking("shop")
    };
    add(&harness, vec![edited]).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "create FINISHED 0 -");
    assert_eq!(harness.requests(Endpoint::Create), 1);
    // What it was made for is on record: the difference can be told.
    let names = "SELECT group_concat(value ->> 'name') FROM parsers, json_each(parsers.fields)";
    assert_eq!(one(&harness, names).await, "title,price");
}

#[tokio::test]
async fn a_lost_database_finds_a_parser_that_was_changed_since() {
    let harness = shop(&[]).await;
    update(&harness, RENAME).await;
    harness.run_until_done().await;
    lose_database(&harness);
    // The job as it reads now.
    let changed = JobSpec {
        fields: Some(json!([
            {"name": "book.title", "description": "the title"},
            {"name": "price", "description": "the price", "type": "number"},
        ])),
        ..asking("shop")
    };
    add(&harness, vec![changed]).await;
    harness.run_until_done().await;
    assert_eq!(harness.requests(Endpoint::Create), 1);
    // And the job as it was written first.
    lose_database(&harness);
    add(&harness, vec![asking("shop")]).await;
    harness.run_until_done().await;
    assert_eq!(harness.requests(Endpoint::Create), 1);
    let names = "SELECT group_concat(value ->> 'name') FROM parsers, json_each(parsers.fields)";
    assert_eq!(one(&harness, names).await, "book.title,price");
}

#[tokio::test]
async fn several_of_them_are_a_persons_matter() {
    let harness = Harness::new(&[]).await;
    add(&harness, vec![asking("shop")]).await;
    harness.run_until_done().await;
    lose_database(&harness);
    let other = JobSpec {
        urls: vec!["https://site-0.example/other".to_owned()],
        ..asking("shop")
    };
    harness.server.with(|simulator| {
        let name = "shop_pd_aaaaaaaa".to_owned();
        let inserted = parserd::simulator::Inserted {
            id: String::new(),
            name,
            urls: Vec::new(),
            generation_ms: 0,
            fail_with: None,
        };
        simulator.world.insert_parser(now_ms(), inserted);
    });
    add(&harness, vec![other]).await;
    harness.run_until_done().await;
    let parked = "SELECT state || ' ' || park_reason FROM jobs";
    assert_eq!(one(&harness, parked).await, "PARKED ambiguous");
    assert_eq!(harness.requests(Endpoint::Create), 1);
}

/// The job `shop` with its title renamed and what the new field must hold, as a file has it.
fn renamed() -> serde_json::Value {
    let mut fields = asking("shop").fields.unwrap();
    fields[0]["name"] = json!("book.title");
    fields[0]["was"] = json!("title");
    let mut job = job("shop", &asking("shop").urls[0], &fields);
    job["expect"] = json!({"book.title": {"min_items": 1}});
    job
}

#[tokio::test]
async fn an_adopted_parser_is_judged_by_the_fields_that_it_has() {
    let mut harness = shop(&[]).await;
    lose_database(&harness);
    harness.set("quality.gate", "fail");
    write(&harness, "jobs.json", &[renamed()]);
    run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "create FINISHED 0 -");
    const PARSER: &str = "SELECT quality || ' ' || (SELECT group_concat(value ->> 'name') \
        FROM json_each(fields)) FROM parsers";
    assert_eq!(one(&harness, PARSER).await, "ok title,price");
    // So it is by a judge who comes later.
    harness
        .sql("UPDATE parsers SET judged_by = NULL, quality = NULL")
        .await
        .unwrap();
    let judge = Judge {
        store: harness.store().await,
        clock: Clock::system(),
        min_fill: 0.5,
    };
    assert_eq!(judge.all().await.unwrap(), 1);
    assert_eq!(one(&harness, PARSER).await, "ok title,price");
    judge.store.close().await;
    // The difference is an update, after which what is expected counts.
    run(&harness, &["plan", "--exit-code", "jobs.json"], 5).await;
    run(&harness, &["apply", "--yes", "--free-only", "jobs.json"], 0).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "update FINISHED 1 -");
    assert_eq!(one(&harness, PARSER).await, "ok book.title,price");
    run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
    assert_eq!(harness.requests(Endpoint::Create), 1);
}

#[tokio::test]
async fn a_parser_whose_name_differs_in_case_is_told_by_the_name_that_it_bears() {
    let harness = shop(&[]).await;
    let bears = one(&harness, "SELECT remote_name FROM jobs").await;
    lose_database(&harness);
    add(&harness, vec![asking("Shop")]).await;
    harness.run_until_done().await;
    let parked = "SELECT state || ' ' || park_reason FROM jobs";
    assert_eq!(one(&harness, parked).await, "PARKED ambiguous");
    let told = one(&harness, "SELECT error_message FROM jobs").await;
    assert!(told.contains(&format!("{bears:?}")), "{bears}: {told}");
    assert_eq!(harness.requests(Endpoint::Create), 1);
}

/// What is on record of how the parser was made: pages, options, and whether nobody knows these.
const MADE_FROM: &str = "SELECT coalesce(urls, '-') || ' ' || coalesce(scraper_params, '-') || ' ' \
    || params_unknown FROM parsers";

#[tokio::test]
async fn other_pages_in_the_file_of_a_lost_database_are_told_and_not_paid_by_loading() {
    let mut harness = shop(&[]).await;
    lose_database(&harness);
    let mut edited = job(
        "shop",
        "https://site-0.example/other",
        &asking("shop").fields.unwrap(),
    );
    write(&harness, "jobs.json", &[edited.clone()]);
    harness.set("enqueue.files", "jobs.json");
    harness.set("enqueue.on_change", "apply");
    for _ in 0..2 {
        run(&harness, &["run", "--until-done"], 0).await;
        assert_eq!(one(&harness, LAST).await, "create FINISHED 0 -");
        assert_eq!(
            one(&harness, MADE_FROM).await,
            r#"["https://site-0.example/page"] - 1"#
        );
        let plan = run(&harness, &["plan", "--json", "jobs.json"], 0).await;
        let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
        assert_eq!(plan["jobs"][0]["symbol"], "-/+", "{plan}");
        let note = plan["jobs"][0]["notes"][1].as_str().unwrap();
        assert!(note.contains("`parserd apply` makes another"), "{note}");
        assert_eq!(harness.requests(Endpoint::Create), 1);
    }
    // Asked for, it is done.
    run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
    run(&harness, &["run", "--until-done"], 0).await;
    assert_eq!(harness.requests(Endpoint::Create), 2);
    run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
    // So is a later edit, whoever loads it.
    edited["urls"] = json!(["https://site-0.example/third"]);
    write(&harness, "jobs.json", &[edited]);
    run(&harness, &["run", "--until-done"], 0).await;
    assert_eq!(harness.requests(Endpoint::Create), 3);
}

#[tokio::test]
async fn options_that_no_answer_tells_are_not_recorded_and_those_of_the_tag_are() {
    let harness = shop(&[]).await;
    let fields = asking("shop").fields.unwrap();
    let mut rendered = job("shop", &asking("shop").urls[0], &fields);
    rendered["scraper_params"] = json!({"render": true});
    let page = r#"["https://site-0.example/page"]"#;
    let load = async |job: &serde_json::Value| {
        lose_database(&harness);
        write(&harness, "jobs.json", std::slice::from_ref(job));
        run(&harness, &["apply", "--yes", "jobs.json"], 0).await;
        harness.run_until_done().await;
    };
    load(&rendered).await;
    assert_eq!(one(&harness, MADE_FROM).await, format!("{page} - 1"));
    let plan = run(&harness, &["plan", "--exit-code", "jobs.json"], 0).await;
    let plan = String::from_utf8(plan.stdout).unwrap();
    assert!(plan.contains("with which scraper_params"), "{plan}");
    // The job as it was written first: the name of its parser says all.
    load(&job("shop", &asking("shop").urls[0], &fields)).await;
    assert_eq!(one(&harness, MADE_FROM).await, format!("{page} - 0"));
    write(&harness, "jobs.json", &[rendered]);
    run(&harness, &["plan", "--exit-code", "jobs.json"], 5).await;
    assert_eq!(harness.requests(Endpoint::Create), 1);
}

#[tokio::test]
async fn two_jobs_with_an_id_that_the_account_does_not_have_are_both_told_so() {
    let harness = Harness::new(&[]).await;
    add(&harness, Vec::new()).await;
    let insert = "INSERT INTO jobs (name, urls, parser_id) VALUES \
        ('mine', '[\"https://site-0.example/page\"]', 'no-such-parser'), \
        ('yours', '[\"https://site-0.example/page\"]', 'no-such-parser')";
    harness.sql(insert).await.unwrap();
    harness.run_until_done().await;
    let errors = "SELECT error_kind || ' ' || error_message FROM jobs";
    let told = "not_found the account has no parser no-such-parser: nothing was adopted or created";
    assert_eq!(harness.sql(errors).await.unwrap(), [told, told]);
    assert_eq!(harness.requests(Endpoint::Create), 0);
}

#[tokio::test]
async fn the_difference_becomes_an_update_by_the_load_that_adopts() {
    for (on_change, updates, fields) in [
        ("report", 0, "title,price"),
        ("free", 1, "book.title,price"),
        ("apply", 1, "book.title,price,author"),
    ] {
        let mut harness = shop(&[]).await;
        lose_database(&harness);
        let mut edited = renamed();
        let author = json!({"name": "author", "description": "who wrote it"});
        edited["fields"].as_array_mut().unwrap().push(author);
        write(&harness, "jobs.json", &[edited]);
        harness.set("enqueue.files", "jobs.json");
        harness.set("enqueue.on_change", on_change);
        run(&harness, &["run", "--until-done"], 0).await;
        let jobs = "SELECT count(*) FROM jobs WHERE action = 'update' AND state = 'FINISHED'";
        assert_eq!(
            one(&harness, jobs).await,
            updates.to_string(),
            "{on_change}"
        );
        let names = "SELECT group_concat(value ->> 'name') FROM parsers, json_each(parsers.fields)";
        assert_eq!(one(&harness, names).await, fields, "{on_change}");
        assert_eq!(harness.requests(Endpoint::Create), 1);
    }
}
