//! What the service holds, against what the database knows.

use std::{collections::BTreeMap, path::Path};

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
