//! What people put in: jobs from files.

use std::{collections::HashMap, io};

use serde_json::json;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use futures_util::TryStreamExt as _;

use super::{Store, StoreError, Trying as _, rows};
use crate::{
    core::job::JobId,
    core::spec::{Batch, Batches, JobSpec, labels_of_column},
    store::ports::{Conflict, Submissions, Submitted},
};

/// How many names one statement looks for.
const NAMES_STEP: usize = 1000;

pub(super) const INSERT: &str = "INSERT INTO jobs (name, urls, scraper_params, fields, priority, run_at, \
        expect, check_urls, protect, parser_id, labels) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, \
        value ->> 6, value ->> 7, coalesce(value ->> 8, 0), value ->> 9, \
        nullif(value ->> 11, '{}') \
    FROM jsonb_each(?1) AS new";

const IS_NEW: &str = "NOT EXISTS (SELECT 1 FROM jobs \
    WHERE state <> 'CANCELLED' AND action = 'create' AND released_at IS NULL \
        AND name = new.value ->> 0)";

/// So many new jobs are worth lifting the database's own check of them.
pub(super) const BULK: usize = 10_000;

impl Store {
    /// Adds jobs: all whose names are free, or none where one cannot be added. A job that is there
    /// already is left as it is, just so or not. With `dry_run` nothing is added and the answer is
    /// the same.
    ///
    /// # Errors
    /// Whatever SQLite says; then none was added.
    pub async fn submit(
        &self,
        specs: Vec<JobSpec>,
        dry_run: bool,
    ) -> Result<Submitted, StoreError> {
        let mut jobs = specs.iter().enumerate().peekable();
        let batches = std::iter::from_fn(|| {
            jobs.peek()?;
            let mut batch = Batch::default();
            while let Some((place, spec)) = jobs.next_if(|_| !batch.at_capacity()) {
                batch.push(place, spec);
            }
            Some(batch)
        });
        let batches: Vec<_> = batches.collect();
        let batches: Batches = Box::new(move || Box::new(batches.clone().into_iter().map(Ok)));
        self.submit_batches(batches, dry_run).await
    }

    /// Whether no job can be added any more: one had the largest id there is.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn has_no_id_left(&self) -> Result<bool, StoreError> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'jobs' AND seq = ?1)",
        )
        .bind(i64::MAX)
        .fetch_one(&self.readers)
        .await
        .trying("look for an id that is left")
    }
}

impl Submissions for Store {
    async fn submit_batches(
        &self,
        batches: Batches,
        dry_run: bool,
    ) -> Result<Submitted, StoreError> {
        self.writer
            .run("add jobs", move |connection| {
                Box::pin(async move {
                    let submitted = compare(connection, batches()).await?;
                    if !dry_run {
                        insert(connection, batches(), &submitted).await?;
                        if submitted.expecting + submitted.relabelled > 0 {
                            expect(connection, batches()).await?;
                        }
                    }
                    Ok(submitted)
                })
            })
            .await
    }

    // Read from the index of names.
    async fn each_name_like(
        &self,
        looks: &[&str],
        mut look: impl FnMut(i64, &str) + Send,
    ) -> Result<(), StoreError> {
        const TRYING: &str = "look through the names";
        let mut rows = sqlx::query_as::<_, (i64, Vec<u8>)>(
            "SELECT id, CAST(name AS BLOB) FROM jobs WHERE state <> 'CANCELLED' \
             AND action = 'create' AND released_at IS NULL AND (name GLOB '*[^!-~]*' OR lower(name) IN (SELECT value FROM json_each(?1)))",
        )
        .bind(serde_json::json!(looks).to_string())
        .fetch(&self.readers);
        while let Some((id, name)) = rows.try_next().await.trying(TRYING)? {
            // A name that is not UTF-8 is like no name of a file.
            if let Ok(name) = std::str::from_utf8(&name) {
                look(id, name);
            }
        }
        Ok(())
    }
}

impl Store {
    /// Jobs by id or by name. A text of digits is an id if a job has it, else a name.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn find(&self, key: &str) -> Result<Option<JobId>, StoreError> {
        // Several CANCELLED jobs may share a name: the one that is not comes first,
        // else the newest.
        let id: Option<i64> = sqlx::query_scalar(
            "SELECT id FROM jobs WHERE id = ?1 OR name = ?2 \
             ORDER BY id = ?1 DESC, state = 'CANCELLED', id DESC LIMIT 1",
        )
        .bind(key.parse::<i64>().ok())
        .bind(key)
        .fetch_optional(&self.readers)
        .await
        .trying("look up a job")?;
        Ok(id.map(JobId))
    }

    /// The jobs that have these names and are not CANCELLED: their ids and states.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn named(
        &self,
        names: &[&str],
    ) -> Result<HashMap<String, (JobId, String)>, StoreError> {
        let mut there = HashMap::new();
        for chunk in names.chunks(NAMES_STEP) {
            let rows: Vec<(String, i64, String)> = sqlx::query_as(
                "SELECT name, id, state FROM jobs \
                 WHERE state <> 'CANCELLED' AND action = 'create' AND released_at IS NULL \
                     AND name IN (SELECT value FROM json_each(?1))",
            )
            .bind(json!(chunk).to_string())
            .fetch_all(&self.readers)
            .await
            .trying("look up names")?;
            there.extend(
                rows.into_iter()
                    .map(|(name, id, state)| (name, (JobId(id), state))),
            );
        }
        Ok(there)
    }
}

/// How many of the jobs are new, and which read otherwise than the job of the same name.
async fn compare(
    connection: &mut SqliteConnection,
    batches: impl Iterator<Item = io::Result<Batch>>,
) -> Result<Submitted, sqlx::Error> {
    let mut submitted = Submitted::default();
    for batch in batches {
        let batch = batch?;
        let rows = sqlx::query(
            "SELECT id, state, name, urls, scraper_params, fields, expect, check_urls, parser_id, \
                 labels \
             FROM jobs \
             WHERE state <> 'CANCELLED' AND action = 'create' AND released_at IS NULL \
                 AND name IN (SELECT value ->> 0 FROM json_each(?1))",
        )
        .bind(batch.json())
        .fetch_all(&mut *connection)
        .await?;
        submitted.added += batch.len() - rows.len();
        if rows.is_empty() {
            continue;
        }
        let mut there = HashMap::new();
        for row in &rows {
            there.insert(row.try_get::<String, _>("name")?, row);
        }
        for (place, spec) in batch.specs().map_err(io::Error::from)? {
            match there.get(&spec.name) {
                None => {}
                Some(row) if says_the_same(row, &spec)? => {
                    submitted.unchanged += 1;
                    submitted.expecting += usize::from(expects_otherwise(row, &spec)?);
                    submitted.relabelled += usize::from(is_labelled_otherwise(row, &spec)?);
                }
                Some(row) => submitted.conflicts.push(Conflict {
                    place,
                    name: spec.name,
                    id: JobId(row.try_get("id")?),
                    state: row.try_get("state")?,
                }),
            }
        }
    }
    Ok(submitted)
}

fn says_the_same(row: &sqlx::sqlite::SqliteRow, spec: &JobSpec) -> Result<bool, sqlx::Error> {
    let there = JobSpec::from_columns(
        &spec.name,
        &rows::some_text(row, "urls")?,
        rows::text(row, "scraper_params")?.as_deref(),
        rows::text(row, "fields")?.as_deref(),
    );
    let parser_id = rows::text(row, "parser_id")?;
    Ok(there.is_ok_and(|there| spec.asks_no_more_than(&JobSpec { parser_id, ..there })))
}

/// Whether the spec says what is expected, or names held-out pages, and the row other ones. Where it
/// says nothing, what was said by SQL stays.
fn expects_otherwise(row: &sqlx::sqlite::SqliteRow, spec: &JobSpec) -> Result<bool, sqlx::Error> {
    let differs = |column, new: Option<String>| -> Result<bool, sqlx::Error> {
        let there = rows::text(row, column)?;
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        Ok(new.is_some_and(|new| there.as_deref().and_then(value) != value(&new)))
    };
    Ok(differs("expect", spec.expect_json())? || differs("check_urls", spec.check_urls_json())?)
}

/// Whether the spec has labels, and the row others.
fn is_labelled_otherwise(
    row: &sqlx::sqlite::SqliteRow,
    spec: &JobSpec,
) -> Result<bool, sqlx::Error> {
    let labels = rows::text(row, "labels")?;
    let labels = labels.and_then(|labels| labels_of_column(&labels).ok());
    Ok(spec
        .labels
        .as_ref()
        .is_some_and(|new| *new != labels.unwrap_or_default()))
}

/// Gives jobs that are there what they are to be judged by, and their labels.
async fn expect(
    connection: &mut SqliteConnection,
    batches: impl Iterator<Item = io::Result<Batch>>,
) -> Result<(), sqlx::Error> {
    for batch in batches {
        for (_, spec) in batch?.specs().map_err(io::Error::from)? {
            let (expect, check_urls) = (spec.expect_json(), spec.check_urls_json());
            let labels = spec.labels_json();
            if expect.is_none() && check_urls.is_none() && labels.is_none() {
                continue;
            }
            sqlx::query(
                "UPDATE jobs SET expect = coalesce(?2, expect), \
                     check_urls = coalesce(?3, check_urls), \
                     labels = iif(?4 IS NULL, labels, nullif(?4, '{}')) \
                 WHERE name = ?1 AND state <> 'CANCELLED' AND action = 'create' \
                     AND released_at IS NULL \
                   AND (?2 IS NOT NULL AND json(expect) IS NOT json(?2) \
                        OR ?3 IS NOT NULL AND json(check_urls) IS NOT json(?3) \
                        OR ?4 IS NOT NULL AND json(labels) IS NOT json(nullif(?4, '{}')))",
            )
            .bind(spec.name)
            .bind(expect)
            .bind(check_urls)
            .bind(labels)
            .execute(&mut *connection)
            .await?;
        }
    }
    Ok(())
}

/// Adds the jobs that are not there.
async fn insert(
    connection: &mut SqliteConnection,
    batches: impl Iterator<Item = io::Result<Batch>>,
    submitted: &Submitted,
) -> Result<(), sqlx::Error> {
    if submitted.added == 0 {
        return Ok(());
    }
    let rules = match submitted.added {
        ..BULK => None,
        _ => Some(lift_spec_rules(connection).await?),
    };
    let sql = match submitted.unchanged + submitted.conflicts.len() {
        0 => INSERT.to_owned(),
        _ => format!("{INSERT} WHERE {IS_NEW}"),
    };
    for batch in batches {
        sqlx::query(AssertSqlSafe(sql.as_str()))
            .bind(batch?.json())
            .execute(&mut *connection)
            .await?;
    }
    if let Some(rules) = rules {
        restore_spec_rules(connection, rules).await?;
    }
    Ok(())
}

/// Takes away the database's check of specifications, which here are checked already and
/// by the same rules: for many jobs it is most of the time. Within the transaction, so
/// nobody else ever sees the database without it. Returns what puts it back.
async fn lift_spec_rules(connection: &mut SqliteConnection) -> Result<String, sqlx::Error> {
    let rules: String = sqlx::query_scalar(
        "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = 'spec_check_rules'",
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::raw_sql(
        "DROP TRIGGER spec_check_rules; \
         CREATE TRIGGER spec_check_rules INSTEAD OF INSERT ON spec_check BEGIN SELECT 1; END;",
    )
    .execute(connection)
    .await?;
    Ok(rules)
}

async fn restore_spec_rules(
    connection: &mut SqliteConnection,
    rules: String,
) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(format!(
        "DROP TRIGGER spec_check_rules; {rules};"
    )))
    .execute(connection)
    .await?;
    Ok(())
}
