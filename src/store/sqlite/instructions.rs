//! What a person says of a parser that is there: which version is used, and that it is deleted.

use sqlx::{Row as _, SqliteConnection};

use super::{Store, StoreError, rows};
use crate::core::{
    event::JobEvent,
    job::{JobId, UnixMs},
};

/// What became of the wish to use a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pinned {
    /// It is used from now on.
    Done {
        /// The one that was used before, where one was known.
        from: Option<i64>,
        /// The latest one.
        latest: i64,
    },
    /// It is used already.
    Already,
    /// No parser has this name, or it was deleted.
    NoParser,
    /// No version of the parser is known yet.
    NoVersions,
    /// The parser has no such version.
    NoSuchVersion {
        /// The latest one.
        latest: i64,
    },
    /// The version was never ready.
    NotReady,
}

/// Why a parser is not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The name that stands for it.
    pub name: String,
    /// In the words of the database.
    pub why: String,
}

/// SQLite's code of what a trigger refuses.
const TRIGGER_REFUSES: &str = "1811";

impl Store {
    /// Has this version of a parser used from now on. Nothing is sent.
    ///
    /// # Errors
    /// Whatever SQLite says; then nothing was changed.
    pub async fn pin(&self, name: &str, version: i64, now: UnixMs) -> Result<Pinned, StoreError> {
        let name = name.to_owned();
        self.writer
            .run("choose the version of a parser", move |connection| {
                Box::pin(async move { pin(connection, &name, version, now).await })
            })
            .await
    }

    /// Adds a job that deletes the parser of each of these names: all of them, or none where one
    /// is refused. With `dry_run` nothing is added and the answer is the same.
    ///
    /// # Errors
    /// Whatever SQLite says; then none was added.
    pub async fn delete_parsers(
        &self,
        names: &[String],
        dry_run: bool,
    ) -> Result<Result<Vec<JobId>, Vec<Refused>>, StoreError> {
        let names = names.to_vec();
        self.writer
            .run("have parsers deleted", move |connection| {
                Box::pin(async move { add_deletes(connection, names, dry_run).await })
            })
            .await
    }
}

async fn pin(
    connection: &mut SqliteConnection,
    name: &str,
    version: i64,
    now: UnixMs,
) -> Result<Pinned, sqlx::Error> {
    // The job that made the version, which was judged then.
    let row = sqlx::query(
        "SELECT parser_id, version, latest_version, job_id, \
             (SELECT max(id) FROM jobs WHERE jobs.parser_id = named.parser_id \
                 AND parser_version = ?2 AND (state = 'FINISHED' \
                     OR state = 'FAILED' AND error_kind = 'poor_result')) AS made_by, \
             EXISTS (SELECT 1 FROM jobs WHERE jobs.parser_id = named.parser_id \
                 AND parser_version = ?2 AND state = 'FAILED' \
                 AND error_kind = 'generation_failed') AS is_failed \
         FROM named_parsers AS named WHERE name = ?1",
    )
    .bind(name)
    .bind(version)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else {
        return Ok(Pinned::NoParser);
    };
    let latest: Option<i64> = row.try_get("latest_version")?;
    let from: Option<i64> = row.try_get("version")?;
    let made_by: Option<i64> = row.try_get("made_by")?;
    let Some(latest) = latest.max(from) else {
        return Ok(Pinned::NoVersions);
    };
    if !(0..=latest).contains(&version) {
        return Ok(Pinned::NoSuchVersion { latest });
    }
    if from == Some(version) {
        return Ok(Pinned::Already);
    }
    if made_by.is_none() && row.try_get("is_failed")? {
        return Ok(Pinned::NotReady);
    }
    let parser_id = rows::some_text(&row, "parser_id")?;
    let job_id = made_by.map_or_else(|| row.try_get("job_id"), Ok)?;
    sqlx::query(
        "UPDATE parsers SET version = ?1, job_id = ?2, updated_at = ?3, \
             judged_by = iif(verdict.detail IS NULL, NULL, judged_by), \
             quality = verdict.detail ->> 'quality', quality_detail = verdict.detail \
         FROM (SELECT (SELECT detail FROM job_events \
                 WHERE job_id = ?5 AND event = 'judged' ORDER BY id DESC LIMIT 1) AS detail) \
             AS verdict \
         WHERE parser_id = ?4",
    )
    .bind(version)
    .bind(job_id)
    .bind(now)
    .bind(parser_id)
    .bind(made_by)
    .execute(&mut *connection)
    .await?;
    tell(connection, job_id, &JobEvent::Pinned { version, from }, now).await?;
    Ok(Pinned::Done { from, latest })
}

/// Writes a line of a job's history. Where the job was pruned there is none to write to.
async fn tell(
    connection: &mut SqliteConnection,
    job_id: i64,
    event: &JobEvent,
    now: UnixMs,
) -> Result<(), sqlx::Error> {
    let (event, detail) = event.to_columns();
    sqlx::query(
        "INSERT INTO job_events (job_id, at, event, detail) \
         SELECT id, ?2, ?3, ?4 FROM jobs WHERE id = ?1",
    )
    .bind(job_id)
    .bind(now)
    .bind(event)
    .bind(detail.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

async fn add_deletes(
    connection: &mut SqliteConnection,
    names: Vec<String>,
    dry_run: bool,
) -> Result<Result<Vec<JobId>, Vec<Refused>>, sqlx::Error> {
    sqlx::raw_sql("SAVEPOINT deletes")
        .execute(&mut *connection)
        .await?;
    let (mut jobs, mut refused) = (Vec::new(), Vec::new());
    for name in names {
        let inserted = sqlx::query_scalar(
            "INSERT INTO jobs (action, name) VALUES ('delete', ?1) RETURNING id",
        )
        .bind(&name)
        .fetch_one(&mut *connection)
        .await;
        match inserted {
            Ok(id) => jobs.push(JobId(id)),
            Err(sqlx::Error::Database(error))
                if error.code().as_deref() == Some(TRIGGER_REFUSES) =>
            {
                let why = error.message().to_owned();
                refused.push(Refused { name, why });
            }
            Err(error) => return Err(error),
        }
    }
    let end = if dry_run || !refused.is_empty() {
        "ROLLBACK TO deletes; RELEASE deletes"
    } else {
        "RELEASE deletes"
    };
    sqlx::raw_sql(end).execute(connection).await?;
    Ok(if refused.is_empty() {
        Ok(jobs)
    } else {
        Err(refused)
    })
}
