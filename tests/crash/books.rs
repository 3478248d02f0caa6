//! What the service holds, against what the database knows.

use std::{collections::BTreeMap, path::Path};

use parserd::{api::Service as _, core::outcome::CreateRequest, simulator::Inserted};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::common::Harness;

/// A parser of the account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Made {
    pub id: String,
    pub name: String,
}

/// The parsers of the harness's own simulator, those yet to land too.
pub fn parsers(harness: &Harness) -> Vec<Made> {
    let parsers = harness
        .server
        .with(|simulator| simulator.world.parsers(i64::MAX));
    parsers
        .into_iter()
        .map(|parser| Made {
            id: parser.id,
            name: parser.name,
        })
        .collect()
}

/// Every fault in the books after all is done: a name with two parsers, a parser that
/// no job holds or no `creates` row has, a job that is not FINISHED, a request
/// without an intent of its own. `sent`: how many creates were sent under each name.
pub async fn faults(
    harness: &Harness,
    jobs: usize,
    made: &[Made],
    sent: &BTreeMap<String, usize>,
) -> Vec<String> {
    let mut faults = Vec::new();
    let integrity = column(harness, "PRAGMA integrity_check").await;
    if integrity != ["ok"] {
        faults.push(format!("integrity: {integrity:?}"));
    }
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for parser in made {
        by_name.entry(&parser.name).or_default().push(&parser.id);
    }
    for (name, ids) in &by_name {
        if ids.len() > 1 {
            faults.push(format!("duplicate: {name} was paid for as {ids:?}"));
        }
    }
    let held = column(harness, "SELECT parser_id FROM jobs WHERE parser_id <> ''").await;
    let recorded = column(
        harness,
        "SELECT parser_id FROM creates WHERE outcome = 'made'",
    )
    .await;
    for parser in made {
        if !held.contains(&parser.id) {
            faults.push(format!("lost: no job holds {parser:?}"));
        }
        if !recorded.contains(&parser.id) {
            faults.push(format!("lost: no create on record made {parser:?}"));
        }
    }
    for id in &held {
        if !made.iter().any(|parser| parser.id == *id) {
            faults.push(format!("a job holds {id}, which is not there"));
        }
    }
    let unfinished = column(
        harness,
        "SELECT name || ' ' || state || ' ' || coalesce(error_message, park_reason, '') \
         FROM jobs WHERE state <> 'FINISHED'",
    )
    .await;
    if !unfinished.is_empty() {
        faults.push(format!("stuck or failed: {unfinished:?}"));
    }
    let count = column(harness, "SELECT count(*) FROM jobs").await;
    if count != [jobs.to_string()] {
        faults.push(format!("lost: {count:?} jobs in place of {jobs}"));
    }
    let pending = column(
        harness,
        "SELECT remote_name FROM creates WHERE outcome = 'pending'",
    )
    .await;
    if !pending.is_empty() {
        faults.push(format!("stuck: creates still in doubt: {pending:?}"));
    }
    let mut intents: BTreeMap<String, usize> = BTreeMap::new();
    for name in column(harness, "SELECT remote_name FROM creates").await {
        *intents.entry(name).or_default() += 1;
    }
    for (name, sent) in sent {
        let intended = intents.get(name).copied().unwrap_or(0);
        if *sent > intended {
            faults.push(format!(
                "{name} was sent {sent} times on {intended} intents"
            ));
        }
    }
    faults
}

async fn column(harness: &Harness, sql: &str) -> Vec<String> {
    match harness.sql(sql).await {
        Ok(values) => values,
        Err(error) => vec![format!("{sql}: {error}")],
    }
}

/// How many creates reached the harness's own simulator under each name.
pub fn sent(harness: &Harness) -> BTreeMap<String, usize> {
    harness.server.with(|simulator| {
        let mut sent = BTreeMap::new();
        for request in simulator.traffic.log() {
            if request.endpoint == parserd::simulator::Endpoint::Create
                && let Some(name) = &request.name
            {
                *sent.entry(name.clone()).or_default() += 1;
            }
        }
        sent
    })
}

/// How many creates a database has whose outcome is open.
pub async fn in_doubt(database: &Path) -> usize {
    let options = SqliteConnectOptions::new().filename(database);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM creates JOIN jobs ON jobs.id = job_id \
         WHERE outcome = 'pending' AND state = 'CREATING'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    usize::try_from(count).unwrap()
}

/// Books in order with two jobs done, and what is found once `plant` has been at them.
async fn found(jobs: usize, plant: impl AsyncFnOnce(&Harness)) -> Vec<String> {
    let harness = Harness::new(&[]).await;
    harness.enqueue(2).await;
    harness.run_until_done().await;
    let in_order = faults(&harness, 2, &parsers(&harness), &sent(&harness)).await;
    assert!(in_order.is_empty(), "{in_order:#?}");
    plant(&harness).await;
    faults(&harness, jobs, &parsers(&harness), &sent(&harness)).await
}

async fn insert_parser(harness: &Harness, name: &str) {
    let now = harness.server.now_ms();
    let inserted = Inserted {
        name: name.to_owned(),
        ..Inserted::default()
    };
    harness
        .server
        .with(|simulator| simulator.world.insert_parser(now, inserted));
}

#[tokio::test]
async fn a_duplicate_is_found() {
    let found = found(2, async |harness| {
        let name = parsers(harness)[0].name.clone();
        insert_parser(harness, &name).await;
    })
    .await;
    assert!(found[0].starts_with("duplicate: job-"), "{found:#?}");
}

#[tokio::test]
async fn a_lost_parser_is_found() {
    let found = found(2, async |harness| insert_parser(harness, "job-9").await).await;
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("lost: no job holds"), "{found:#?}");
    assert!(found[1].starts_with("lost: no create on"), "{found:#?}");
}

#[tokio::test]
async fn a_stuck_job_is_found() {
    let insert = "INSERT INTO jobs (name, urls) VALUES ('later', '[\"https://a.example/\"]')";
    let found = found(3, async |harness| {
        harness.sql(insert).await.unwrap();
    })
    .await;
    assert_eq!(found, ["stuck or failed: [\"later QUEUED \"]"]);
}

#[tokio::test]
async fn a_lost_job_is_found() {
    let found = found(3, async |_| {}).await;
    assert_eq!(found, ["lost: [\"2\"] jobs in place of 3"]);
}

#[tokio::test]
async fn a_create_that_stays_in_doubt_is_found() {
    let insert = "INSERT INTO creates (job_id, remote_name, sent_at, credits) \
                  VALUES (1, 'job-0', 0, 30000)";
    let found = found(2, async |harness| {
        harness.sql(insert).await.unwrap();
    })
    .await;
    assert_eq!(found, ["stuck: creates still in doubt: [\"job-0\"]"]);
}

#[tokio::test]
async fn a_create_without_an_intent_is_found() {
    let found = found(2, async |harness| {
        let name = parsers(harness)[0].name.clone();
        let client = harness.client();
        let request = CreateRequest {
            name,
            urls: vec!["https://a.example/".to_owned()],
            scraper_params: None,
            fields: None,
            not_after: None,
        };
        client.create(&request).await;
    })
    .await;
    let without = found.iter().any(|fault| fault.contains("on 1 intents"));
    assert!(without, "{found:#?}");
}
