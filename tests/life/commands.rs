//! `parserd parsers import`, `pin` and `delete`.

use parserd::{
    clock::Clock,
    core::spec::JobSpec,
    engine::judging::Judge,
    manifest::{JobFile, Kinds, Tally},
    simulator::{Endpoint, Inserted},
};

use super::{BOTH, MODIFY, add, asking, flow::LAST, now_ms, one, shop, update};
use crate::common::{
    Harness,
    program::{parserd, stderr},
};

/// Runs a command, which must end so, and returns what it says.
#[track_caller]
pub fn run(harness: &Harness, code: i32, args: &[&str]) -> String {
    let output = parserd(harness, args).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    said
}

const USED: &str = "SELECT version || ' ' || latest_version || ' ' || job_id || ' ' || \
    coalesce(quality, '-') FROM parsers";

#[tokio::test]
async fn a_version_is_pinned_for_nothing_and_the_next_update_is_based_on_the_latest() {
    let harness = shop(&[]).await;
    for args in [
        ["parsers", "pin", "shop", "1"],
        ["parsers", "pin", "nobody", "0"],
    ] {
        let said = run(&harness, 1, &args);
        assert!(said.contains("error: "), "{said}");
    }
    update(&harness, BOTH).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, USED).await, "2 2 2 ok");
    let said = run(&harness, 0, &["parsers", "pin", "shop", "0"]);
    assert!(
        said.contains("version 0 is used from now on, in place of version 2"),
        "{said}"
    );
    // The job that made it, with the verdict of then.
    assert_eq!(one(&harness, USED).await, "0 2 1 ok");
    let events = "SELECT detail FROM job_events WHERE job_id = 1 AND event = 'pinned'";
    assert_eq!(one(&harness, events).await, r#"{"from":2,"version":0}"#);
    let again = run(&harness, 0, &["parsers", "pin", "shop", "0"]);
    assert!(again.contains("used already"), "{again}");
    let beyond = run(&harness, 1, &["parsers", "pin", "shop", "3"]);
    assert!(beyond.contains("from 0 to 2"), "{beyond}");
    // A version between two of one job has no result of its own.
    run(&harness, 0, &["parsers", "pin", "shop", "1"]);
    update(&harness, MODIFY).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "update FINISHED 3 -");
    assert_eq!(one(&harness, USED).await, "3 3 3 ok");
    let base = "SELECT base_version FROM updates ORDER BY id DESC LIMIT 1";
    assert_eq!(one(&harness, base).await, "2");
}

#[tokio::test]
async fn a_pinned_version_is_judged_by_its_own_result_and_fields_alone() {
    let harness = shop(&[]).await;
    update(&harness, BOTH).await;
    harness.run_until_done().await;
    let judge = async || {
        let store = harness.store().await;
        let judge = Judge {
            store: store.clone(),
            clock: Clock::system(),
            min_fill: 0.5,
        };
        judge.all().await.unwrap();
        store.close().await;
    };
    run(&harness, 0, &["parsers", "pin", "shop", "1"]);
    judge().await;
    assert_eq!(one(&harness, USED).await, "1 2 2 -");
    run(&harness, 0, &["parsers", "pin", "shop", "0"]);
    harness
        .sql("UPDATE parsers SET judged_by = NULL")
        .await
        .unwrap();
    judge().await;
    assert_eq!(one(&harness, USED).await, "0 2 1 ok");
}

#[tokio::test]
async fn parsers_are_deleted_all_or_none_and_only_with_yes_where_nobody_can_be_asked() {
    let harness = shop(&[]).await;
    add(&harness, vec![asking("other")]).await;
    harness.run_until_done().await;
    let jobs = "SELECT count(*) FROM jobs WHERE action = 'delete'";
    let said = run(&harness, 2, &["parsers", "delete", "shop", "other"]);
    assert!(said.contains("add --yes"), "{said}");
    let said = run(&harness, 1, &["parsers", "delete", "shop", "gone", "--yes"]);
    assert!(said.contains("no parser has this name"), "{said}");
    assert_eq!(one(&harness, jobs).await, "0");
    let protect = "UPDATE jobs SET protect = 1 WHERE name = 'other'";
    harness.sql(protect).await.unwrap();
    let said = run(
        &harness,
        1,
        &["parsers", "delete", "shop", "other", "--yes"],
    );
    assert!(said.contains("this parser is protected"), "{said}");
    let said = run(&harness, 0, &["parsers", "delete", "shop", "shop", "--yes"]);
    let id = one(
        &harness,
        "SELECT parser_id FROM parsers WHERE name = 'shop'",
    )
    .await;
    assert!(said.contains(&format!("parser {id}, version 0")), "{said}");
    assert_eq!(one(&harness, jobs).await, "1");
    let said = run(&harness, 1, &["parsers", "delete", "shop", "--yes"]);
    assert!(said.contains("not done yet"), "{said}");
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "delete FINISHED 0 -");
    let said = run(&harness, 1, &["parsers", "delete", "shop", "--yes"]);
    assert!(said.contains("was deleted"), "{said}");
    let said = run(&harness, 1, &["retry", "shop"]);
    assert!(said.contains("its parser is deleted"), "{said}");
}

/// The job file that `parsers import` prints, and what it says beside.
fn import(harness: &Harness, code: i32, args: &[&str]) -> (String, String) {
    let args = [&["parsers", "import"], args].concat();
    let output = parserd(harness, &args).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    (String::from_utf8(output.stdout).unwrap(), said)
}

fn checked(harness: &Harness, text: &str) -> Vec<JobSpec> {
    let path = harness.directory.path().join("imported.toml");
    std::fs::write(&path, text).unwrap();
    let file = JobFile::check(&path, None, Kinds::Regular, &Tally::default()).unwrap();
    file.jobs().map(|job| job.unwrap().value).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn parsers_of_the_account_become_a_job_file_with_their_ids() {
    let maker = Harness::new(&[]).await;
    let names = (0..20).map(|n| format!("shop \"{n}\" #é"));
    let specs: Vec<_> = names.map(|name| asking(&name)).collect();
    add(&maker, specs.clone()).await;
    maker.run_until_done().await;
    let insert = |name: &str, generation_ms, fail_with: Option<&str>| {
        let inserted = Inserted {
            name: name.to_owned(),
            urls: vec!["https://site-0.example/other".to_owned()],
            generation_ms,
            fail_with: fail_with.map(str::to_owned),
            ..Inserted::default()
        };
        maker
            .server
            .with(|simulator| simulator.world.insert_parser(now_ms(), inserted))
    };
    let other = insert("shop \"0\" #é", 0, None);
    insert("late", 600_000, None);
    insert("never", 0, Some("no page"));
    let ids = maker.sql("SELECT parser_id FROM jobs ORDER BY id").await;
    let mut ids = ids.unwrap();
    ids.push(other.clone());
    super::adopted::lose_database(&maker);

    let (text, said) = import(&maker, 0, &["--all"]);
    assert!(text.contains("scraper_params"), "{text}");
    for part in [
        "21 parsers in the file",
        "1 parser that FAILED: never",
        "generated: late",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let imported = checked(&maker, &text);
    let mut found: Vec<_> = imported
        .iter()
        .map(|spec| spec.parser_id.clone().unwrap())
        .collect();
    found.sort();
    ids.sort();
    assert_eq!(found, ids);
    for spec in imported
        .iter()
        .filter(|spec| spec.parser_id.as_ref() != Some(&other))
    {
        let made = specs.iter().find(|made| made.name == spec.name).unwrap();
        assert_eq!((&spec.urls, &spec.fields), (&made.urls, &made.fields));
    }
    assert!(imported.iter().any(|spec| spec.name == "shop \"0\" #é-2"));

    // By their ids, and those that are not there.
    let (text, said) = import(&maker, 1, &[&ids[0], "no-such-parser"]);
    assert_eq!(checked(&maker, &text).len(), 1);
    assert!(said.contains("does not have: no-such-parser"), "{said}");
    // What jobs know is left out, and a name that a job has is given another.
    let insert = format!(
        "INSERT INTO jobs (name, urls, parser_id) VALUES \
         ('mine', '[\"https://site-0.example/page\"]', '{other}'), \
         ('shop \"0\" #é', '[\"https://site-0.example/page\"]', NULL)"
    );
    add(&maker, Vec::new()).await;
    maker.sql(&insert).await.unwrap();
    let (text, said) = import(&maker, 0, &["--all"]);
    assert!(said.contains("1 parser that jobs know already"), "{said}");
    let imported = checked(&maker, &text);
    assert_eq!(imported.len(), 20);
    assert!(imported.iter().any(|spec| spec.name == "shop \"0\" #é-2"));
    assert_eq!(maker.requests(Endpoint::Create), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_waits_as_it_is_asked_to_and_tells_what_was_not_answered() {
    let harness = shop(&["get status=429 first=2"]).await;
    let id = one(&harness, "SELECT parser_id FROM parsers").await;
    super::adopted::lose_database(&harness);
    let (text, _) = import(&harness, 0, &[&id]);
    assert_eq!(checked(&harness, &text)[0].parser_id.as_ref(), Some(&id));
    harness.server.with(|simulator| {
        simulator.faults.add("get status=503".parse().unwrap());
    });
    let (text, said) = import(&harness, 1, &[&id]);
    assert_eq!(text, "");
    assert!(said.contains("does not answer for"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_with_blanks_at_its_ends_is_adopted_under_that_very_name() {
    let harness = Harness::new(&[]).await;
    let names = ["shop ", " shop", "shop"];
    let specs: Vec<_> = names.iter().map(|name| asking(name)).collect();
    add(&harness, specs.clone()).await;
    harness.run_until_done().await;
    super::adopted::lose_database(&harness);
    let (text, said) = import(&harness, 0, &["--all"]);
    assert!(said.contains("3 parsers in the file"), "{said}");
    add(&harness, checked(&harness, &text)).await;
    harness.run_until_done().await;
    let quoted = "SELECT '<' || name || '>' FROM parsers ORDER BY name";
    let adopted = harness.sql(quoted).await.unwrap();
    assert_eq!(adopted, ["< shop>", "<shop>", "<shop >"]);
    // The file that made them means the same parsers.
    add(&harness, specs).await;
    harness.run_until_done().await;
    assert_eq!(harness.requests(Endpoint::Create), 3);
}
