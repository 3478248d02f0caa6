//! How long a scrape and each page take where there are very many jobs:
//!
//! ```sh
//! PARSERD_TEST_JOBS=1000000 cargo test --test integration http::speed -- --nocapture
//! ```

use std::{collections::BTreeSet, time::Instant};

use parserd::{
    core::{job::JobState, selector::Selector},
    store::{
        Role, Store,
        browse::{Filter, PAGE_JOBS, Place},
    },
};
use reqwest::{Method, header::HeaderMap};
use rusqlite::Connection;

use super::site::Site;
use crate::common::Harness;

fn jobs() -> i64 {
    let jobs = std::env::var("PARSERD_TEST_JOBS").ok();
    jobs.map_or(20_000, |jobs| jobs.parse().unwrap())
}

/// Runs SQL without the rules of the database, and puts them back.
pub fn without_rules(connection: &Connection, sql: &str) {
    let triggers: Vec<(String, String)> = connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    connection.execute_batch("BEGIN").unwrap();
    for (name, _) in &triggers {
        connection
            .execute_batch(&format!("DROP TRIGGER {name}"))
            .unwrap();
    }
    connection.execute_batch(sql).unwrap();
    for (_, sql) in &triggers {
        connection.execute_batch(sql).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
}

/// Fills a database as if parserd had worked for long: the rules would only take time.
fn fill(connection: &Connection, jobs: i64) {
    let page = "[\"https://site.example/a/page/of/usual/length/that/is/an/example\"]";
    let result = "x".repeat(300);
    // Of ten jobs: seven FINISHED, one FAILED, one CANCELLED, one waits for tomorrow.
    let sql = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {jobs}) \
         INSERT INTO jobs (name, urls, state, parser_id, example_result, error_kind, error_hint, \
                           due_at, finished_at) \
         SELECT 'catalogue-' || i || '-of-shop-' || (i % 977), '{page}', \
            CASE i % 10 WHEN 7 THEN 'FAILED' WHEN 8 THEN 'CANCELLED' WHEN 9 THEN 'QUEUED' \
                ELSE 'FINISHED' END, \
            CASE WHEN i % 10 < 7 THEN 'p' || i END, \
            CASE WHEN i % 10 < 7 THEN '\"{result}\"' END, \
            CASE i % 10 WHEN 7 THEN 'generation_failed' END, \
            CASE i % 10 WHEN 7 THEN 'hint ' || (i % 7) END, \
            CASE i % 10 WHEN 9 THEN 4000000000000 ELSE 0 END, 0 FROM n; \
         INSERT INTO job_events (job_id, event) SELECT id, 'queued' FROM jobs; \
         INSERT INTO creates (job_id, remote_name, sent_at, credits, outcome, parser_id, settled_at) \
         SELECT id, name, 0, 30000, 'made', parser_id, 0 FROM jobs WHERE state = 'FINISHED';"
    );
    without_rules(connection, &sql);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_and_each_page_answer_and_their_times_are_told() {
    let jobs = jobs();
    let harness = Harness::new(&[]).await;
    Store::open(&harness.database(), Role::Tool)
        .await
        .unwrap()
        .close()
        .await;
    let path = harness.database();
    tokio::task::spawn_blocking(move || {
        let connection = Connection::open(path).unwrap();
        fill(&connection, jobs);
    })
    .await
    .unwrap();
    let site = Site::new(harness).await;
    let middle = jobs / 2;
    for path in [
        "/".to_owned(),
        "/jobs".to_owned(),
        format!("/jobs?before={middle}"),
        "/jobs?before=60".to_owned(),
        "/jobs?state=FAILED".to_owned(),
        format!("/jobs?state=FINISHED&before={middle}"),
        "/jobs?q=catalogue".to_owned(),
        "/jobs?error_kind=generation_failed".to_owned(),
        "/jobs?label=team%3Dsearch".to_owned(),
        "/parsers".to_owned(),
        "/jobs?q=catalogue-1234-of".to_owned(),
        "/jobs?q=nothing-like-it".to_owned(),
        "/jobs?state=FAILED&q=shop-976".to_owned(),
        "/jobs?state=FINISHED&q=nothing-like-it".to_owned(),
        "/jobs?state=CANCELLED&q=nothing-like-it".to_owned(),
        format!("/jobs/{middle}"),
        "/metrics".to_owned(),
        "/metrics".to_owned(),
    ] {
        let began = Instant::now();
        let answer = site.send(Method::GET, &path, HeaderMap::new(), &[]).await;
        assert_eq!(answer.status(), 200, "{path}");
        let bytes = answer.bytes().await.unwrap().len();
        let took_ms = began.elapsed().as_millis();
        println!("{path}: {took_ms} ms, {bytes} bytes");
    }
    let harness = site.closed().await;
    let store = harness.store().await;
    assert_all_are_listed(&store, jobs).await;
    store.close().await;
}

/// Where there are too many to be sorted, page after page has each job once all the same.
async fn assert_all_are_listed(store: &Store, jobs: i64) {
    let filter = Filter {
        selector: Selector::of_states(&[JobState::Finished]),
        ..Filter::default()
    };
    let (mut place, mut seen, mut pages) = (Some(Place::default()), BTreeSet::new(), 0);
    // A million take too long.
    while let Some(next) = place.filter(|_| pages < 1_000) {
        let page = store.browse(&filter, next).await.unwrap();
        assert_eq!(page.place.skipped, seen.len());
        assert_eq!(page.total, None);
        for line in &page.lines {
            assert!(seen.insert(line.id), "{line:?}");
        }
        place = page.next;
        pages += 1;
    }
    let finished = usize::try_from(jobs * 7 / 10).unwrap();
    assert_eq!(seen.len(), finished.min(pages * PAGE_JOBS));
}
