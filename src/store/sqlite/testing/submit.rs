//! What people put in.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::{
    core::spec::{Batch, Batches, JobSpec},
    store::{
        Queue as _,
        ports::{Conflict, Order, Submissions as _, Submitted},
        sqlite::submit::BULK,
    },
};

fn spec(name: &str) -> JobSpec {
    JobSpec {
        name: name.to_owned(),
        urls: vec!["https://b.example/".to_owned()],
        scraper_params: Some(json!({"render": true, "country_code": "us"})),
        fields: Some(json!([{"name": "t", "description": "it's \"d\""}])),
        priority: 3,
        run_at: Some(3_000_000_000_000),
        expect: Some(json!({"t": {"pattern": "^[a-z]"}})),
        check_urls: Some(vec!["https://b.example/2".to_owned()]),
        ..JobSpec::default()
    }
}

fn conflict(place: usize, name: &str, id: JobId) -> Conflict {
    Conflict {
        place,
        name: name.to_owned(),
        id,
        state: "QUEUED".to_owned(),
    }
}

fn many(count: usize) -> Vec<JobSpec> {
    (0..count).map(|n| spec(&format!("job-{n}"))).collect()
}

fn batch(specs: impl AsRef<[JobSpec]>) -> Batch {
    let mut batch = Batch::default();
    for (place, spec) in specs.as_ref().iter().enumerate() {
        batch.push(place, spec);
    }
    batch
}

/// The database's own rules.
const RULES: &str = "SELECT sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY name";

const ROWS: &str = "SELECT name || ' ' || urls || ' ' || scraper_params || ' ' || fields || ' ' \
    || priority || ' ' || run_at || ' ' || state FROM jobs ORDER BY id";

#[tokio::test]
async fn what_is_added_is_there_as_it_was_given_and_once() {
    let mut f = Fixture::new().await;
    let specs = vec![spec("a"), spec("b")];
    let submit = |dry_run| f.store.submit(specs.clone(), dry_run);
    let added = Submitted {
        added: 2,
        ..Submitted::default()
    };
    assert_eq!(submit(true).await.unwrap(), added);
    assert_eq!(
        f.store.find("a").await.unwrap(),
        None,
        "a dry run adds nothing"
    );
    assert_eq!(submit(false).await.unwrap(), added);
    let unchanged = Submitted {
        unchanged: 2,
        ..Submitted::default()
    };
    for dry_run in [true, false] {
        assert_eq!(submit(dry_run).await.unwrap(), unchanged);
    }
    let row = r#"["https://b.example/"] {"country_code":"us","render":true} [{"description":"it's \"d\"","name":"t"}] 3 3000000000000 QUEUED"#;
    assert_eq!(
        f.column(ROWS).await,
        [format!("a {row}"), format!("b {row}")]
    );
    let job = f.store.due_creates(NOW, 1).await.unwrap().remove(0);
    let read = JobSpec {
        priority: 0,
        run_at: None,
        ..spec("a")
    };
    assert_eq!(job.order, Ok(Order::Create(read)));
}

#[tokio::test]
async fn after_many_at_once_the_database_checks_rows_as_before() {
    let mut f = Fixture::new().await;
    let before = f.column(RULES).await;
    let submitted = f.store.submit(many(BULK), false).await.unwrap();
    assert_eq!(submitted.added, BULK);
    assert_eq!(f.column(RULES).await, before);
    let row = |id| format!("SELECT name FROM jobs WHERE id = {id} AND state = 'QUEUED'");
    let last = f.column(&row(BULK)).await;
    assert_eq!(last, [format!("job-{}", BULK - 1)]);
    let bad = "INSERT INTO jobs (name, urls) VALUES ('bad', '[]')";
    let bad = f.try_sql(bad).await.unwrap_err();
    assert!(bad.to_string().contains("urls"), "{bad}");
}

#[tokio::test]
async fn what_means_the_same_is_unchanged_however_it_was_written() {
    let mut f = Fixture::new().await;
    f.sql(
        r#"INSERT INTO jobs (name, urls, scraper_params, fields, expect, check_urls) VALUES ('a',
            ' [ "https:\/\/b.example/" ] ', '{"render": true, "country_code": "us"}',
            '[ {"name": "t", "description": "it''s \u0022d\u0022"} ]',
            '{ "t": {"pattern" : "^[a-z]"} }', '[ "https:\/\/b.example/2" ]')"#,
    )
    .await;
    let submitted = f.store.submit(vec![spec("a")], false).await.unwrap();
    assert_eq!((submitted.added, submitted.unchanged), (0, 1));
}

#[tokio::test]
async fn what_reads_otherwise_keeps_no_other_out() {
    let mut f = Fixture::new().await;
    let taken = f.add("taken").await;
    let specs = vec![spec("new"), spec("taken"), spec("newer")];
    for dry_run in [true, false] {
        let submitted = f.store.submit(specs.clone(), dry_run).await.unwrap();
        assert_eq!(submitted.conflicts, [conflict(1, "taken", taken)]);
        assert_eq!((submitted.added, submitted.unchanged), (2, 0));
    }
    let names = "SELECT name FROM jobs ORDER BY id";
    assert_eq!(f.column(names).await, ["taken", "new", "newer"]);
    f.sql("UPDATE jobs SET state = 'CANCELLED' WHERE name = 'taken'")
        .await;
    let submitted = f.store.submit(specs, false).await.unwrap();
    assert_eq!((submitted.added, submitted.unchanged), (1, 2));
}

#[tokio::test]
async fn a_conflict_far_down_a_long_list_is_named_by_its_place() {
    let mut f = Fixture::new().await;
    let taken = f.add("job-2345").await;
    let specs = many(2500);
    let submitted = f.store.submit(specs, false).await.unwrap();
    assert_eq!(submitted.conflicts, [conflict(2345, "job-2345", taken)]);
    assert_eq!(submitted.added, 2499);
    let last = f
        .column("SELECT name FROM jobs ORDER BY id DESC LIMIT 1")
        .await;
    assert_eq!(last, ["job-2499"], "in the order of the list");
}

#[tokio::test]
async fn what_goes_wrong_behind_many_jobs_leaves_nothing_and_harms_nothing() {
    let mut f = Fixture::new().await;
    let before = f.column(RULES).await;
    let taken = f.add("taken").await;
    let jobs = many(BULK + 2000);
    // The last batch goes wrong, and at the second reading only, if at all.
    let store = f.store.clone();
    let submit = |last: fn(usize) -> io::Result<JobSpec>| {
        let chunks: Vec<_> = jobs.chunks(1000).map(batch).collect();
        let readings = AtomicUsize::new(0);
        let batches: Batches = Box::new(move || {
            let reading = readings.fetch_add(1, Ordering::Relaxed);
            let last = last(reading).map(|spec| batch(&[spec]));
            Box::new(chunks.clone().into_iter().map(Ok).chain([last]))
        });
        store.submit_batches(batches, false)
    };
    let gone = submit(|reading| match reading {
        0 => Ok(spec("last")),
        _ => Err(io::Error::other("the disk is gone")),
    });
    let broken = submit(|_| {
        Ok(JobSpec {
            run_at: Some(5),
            ..spec("broken")
        })
    });
    // No caller may give a name twice.
    let twice = submit(|_| Ok(spec("job-0")));
    for (failed, words) in [
        (gone.await, "the disk is gone"),
        (broken.await, "run_at is Unix milliseconds"),
        (twice.await, "UNIQUE"),
    ] {
        let error = failed.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(f.column("SELECT name FROM jobs").await, ["taken"]);
    assert_eq!(f.column(RULES).await, before);
    let part = submit(|_| Ok(spec("taken"))).await.unwrap();
    assert_eq!(part.conflicts, [conflict(0, "taken", taken)]);
    assert_eq!(part.added, BULK + 2000);
    for (added, unchanged) in [(1, BULK + 2000), (0, BULK + 2001)] {
        let good = submit(|_| Ok(spec("last"))).await.unwrap();
        assert_eq!((good.added, good.unchanged), (added, unchanged));
    }
    assert_eq!(f.column(RULES).await, before);
}

#[tokio::test]
async fn only_what_is_new_of_a_list_is_added_and_in_its_order() {
    let mut f = Fixture::new().await;
    for name in ["job-1", "job-1500"] {
        f.store.submit(vec![spec(name)], false).await.unwrap();
    }
    f.add("gone").await;
    f.sql("UPDATE jobs SET state = 'CANCELLED' WHERE name = 'gone'")
        .await;
    let specs = [many(2000), vec![spec("gone")]].concat();
    let submitted = f.store.submit(specs, false).await.unwrap();
    assert_eq!((submitted.added, submitted.unchanged), (1999, 2));
    let names = f
        .column("SELECT name FROM jobs WHERE state <> 'CANCELLED' ORDER BY id")
        .await;
    let expected = (0..2000).filter(|n| ![1, 1500].contains(n));
    let expected = expected.map(|n| format!("job-{n}"));
    let first = ["job-1", "job-1500"].map(str::to_owned);
    let expected = first.into_iter().chain(expected).chain(["gone".to_owned()]);
    assert_eq!(names, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn labels_are_stored_and_another_set_makes_no_other_job() {
    let mut f = Fixture::new().await;
    let labelled = |pairs: &[(&str, &str)]| {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        JobSpec {
            labels: Some(pairs.iter().map(pair).collect()),
            ..spec("a")
        }
    };
    for (wanted, added, changed, stored) in [
        (labelled(&[("team", "x")]), 1, 0, r#"{"team":"x"}"#),
        (labelled(&[("team", "x")]), 0, 0, r#"{"team":"x"}"#),
        (spec("a"), 0, 0, r#"{"team":"x"}"#),
        (
            labelled(&[("env", "p"), ("team", "y")]),
            0,
            1,
            r#"{"env":"p","team":"y"}"#,
        ),
        (labelled(&[]), 0, 1, "none"),
        (labelled(&[]), 0, 0, "none"),
    ] {
        let submitted = f.store.submit(vec![wanted], false).await.unwrap();
        assert_eq!((submitted.added, submitted.relabelled), (added, changed));
        assert_eq!(submitted.expecting, 0);
        assert!(submitted.conflicts.is_empty());
        let labels = f.column("SELECT coalesce(labels, 'none') FROM jobs").await;
        assert_eq!(labels, [stored]);
    }
}

#[tokio::test]
async fn the_parser_to_adopt_and_its_protection_are_stored() {
    let mut f = Fixture::new().await;
    let adopting = JobSpec {
        parser_id: Some("p-1".to_owned()),
        protect: Some(true),
        ..spec("a")
    };
    f.store
        .submit(vec![adopting.clone(), spec("b")], false)
        .await
        .unwrap();
    let rows = "SELECT name || ' ' || coalesce(parser_id, '-') || ' ' || protect FROM jobs";
    assert_eq!(f.column(rows).await, ["a p-1 1", "b - 0"]);
    // The same, or no id: unchanged. Another id asks for something else.
    for (parser_id, conflicts) in [(Some("p-1"), 0), (None, 0), (Some("p-2"), 1)] {
        let again = JobSpec {
            parser_id: parser_id.map(str::to_owned),
            ..adopting.clone()
        };
        let submitted = f.store.submit(vec![again], true).await.unwrap();
        assert_eq!(submitted.conflicts.len(), conflicts, "{parser_id:?}");
    }
}
