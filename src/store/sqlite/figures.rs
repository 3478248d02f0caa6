//! What metrics and the page count: each figure from an index, so that a million jobs
//! cost tenths of a second at the most, and from few rows where no index serves.

use std::{collections::BTreeMap, io::ErrorKind, path::Path};

use sqlx::{FromRow, Row as _, Sqlite, SqliteConnection, Transaction, sqlite::SqliteRow};

use super::{
    Store, StoreError, Trying as _,
    foresight::{self, Foresight},
    gates,
    parsers::{self, QualityCounts},
    report::{self, Counts},
    rows, spent,
};
use crate::{
    core::budget::Spent,
    core::gate::{Closure, Scope},
    core::job::{JobState, UnixMs},
    core::progress::Mark,
    store::Facts as _,
};

/// Of so many of the newest FAILED jobs, groups are made.
pub const FAILURES_LOOKED_AT: i64 = 10_000;

/// How many groups of failures are told.
const FAILURE_GROUPS: i64 = 20;

/// Create requests by what is known of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CreateCounts {
    /// Under way or in doubt.
    pub pending: i64,
    /// They made a parser.
    pub made: i64,
    /// They made nothing.
    pub not_made: i64,
}

/// Jobs that ended, by how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EndedCounts {
    /// FINISHED.
    pub finished: i64,
    /// FAILED.
    pub failed: i64,
    /// CANCELLED.
    pub cancelled: i64,
}

impl EndedCounts {
    /// All of them.
    pub const fn all(&self) -> i64 {
        self.finished + self.failed + self.cancelled
    }
}

/// FAILED jobs of one kind with one hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureGroup {
    /// `error_kind`.
    pub kind: String,
    /// `error_hint`.
    pub hint: Option<String>,
    /// How many.
    pub jobs: i64,
    /// The newest of them.
    pub newest_id: i64,
    /// Its name.
    pub newest_name: String,
    /// Its error's message.
    pub newest_message: Option<String>,
}

impl FromRow<'_, SqliteRow> for FailureGroup {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            kind: rows::some_text(row, "kind")?,
            hint: rows::text(row, "hint")?,
            jobs: row.try_get("jobs")?,
            newest_id: row.try_get("newest_id")?,
            newest_name: rows::some_text(row, "newest_name")?,
            newest_message: rows::text(row, "newest_message")?,
        })
    }
}

/// What the database takes of the disk, in bytes; none where that cannot be looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileSizes {
    /// The database itself.
    pub database: Option<u64>,
    /// Its write-ahead log.
    pub log: Option<u64>,
}

/// A look at the database at one moment: what others commit meanwhile is not in it.
#[derive(Debug)]
pub struct Reading(Transaction<'static, Sqlite>);

impl Reading {
    /// What its statements are run on.
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }

    /// Counts the jobs.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn counts(&mut self) -> Result<Counts, StoreError> {
        report::counts(&mut *self.0).await
    }

    /// As [`Ledger::spent`](crate::store::Ledger::spent).
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn spent(&mut self, now: UnixMs) -> Result<Spent, StoreError> {
        spent::spent(&mut *self.0, now).await
    }

    /// As [`Store::spent_on_fetches`].
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn spent_on_fetches(&mut self) -> Result<i64, StoreError> {
        spent::spent_on_fetches(&mut *self.0).await
    }

    /// As [`Store::foresight`].
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn foresight(&mut self) -> Result<Foresight, StoreError> {
        foresight::foresight(&mut *self.0).await
    }

    /// The closed gates.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn gates(&mut self) -> Result<Vec<(Scope, Closure)>, StoreError> {
        gates::gates(&mut *self.0).await
    }

    /// Counts the create requests.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn create_counts(&mut self) -> Result<CreateCounts, StoreError> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT outcome, count(*) FROM creates GROUP BY outcome")
                .fetch_all(&mut *self.0)
                .await
                .trying("count the creates")?;
        let of = |outcome: &str| {
            let found = rows.iter().find(|(name, _)| name == outcome);
            found.map_or(0, |(_, count)| *count)
        };
        Ok(CreateCounts {
            pending: of("pending"),
            made: of("made"),
            not_made: of("not_made"),
        })
    }

    /// How many parsers are worth what.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn parsers(&mut self) -> Result<QualityCounts, StoreError> {
        parsers::count(&mut *self.0).await
    }

    /// Since when the QUEUED job that has waited longest could be taken.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn oldest_ready(&mut self, now: UnixMs) -> Result<Option<UnixMs>, StoreError> {
        sqlx::query_scalar(
            "SELECT min(due_at) FROM jobs INDEXED BY jobs_queued_due \
             WHERE state = 'QUEUED' AND due_at <= ?1",
        )
        .bind(now)
        .fetch_one(&mut *self.0)
        .await
        .trying("look for the oldest ready job")
    }

    /// The job and the retry that were last; 0 where there is none.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn newest(&mut self) -> Result<Mark, StoreError> {
        let (job, retry) = sqlx::query_as(
            "SELECT (SELECT coalesce(max(id), 0) FROM jobs), \
                 coalesce((SELECT id FROM job_events INDEXED BY job_events_requeued \
                     WHERE event = 'requeued' ORDER BY id DESC LIMIT 1), 0)",
        )
        .fetch_one(&mut *self.0)
        .await
        .trying("look for the newest job")?;
        Ok(Mark { job, retry })
    }

    /// How many jobs that were added or retried after a mark are FINISHED, FAILED or CANCELLED.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn ended_after(&mut self, after: Mark) -> Result<EndedCounts, StoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT state, count(*) FROM jobs INDEXED BY jobs_state \
             WHERE state IN ('FINISHED', 'FAILED', 'CANCELLED') AND id > ?1 GROUP BY state \
             UNION ALL \
             SELECT state, count(*) FROM \
                 (SELECT DISTINCT job_id FROM job_events INDEXED BY job_events_requeued \
                  WHERE event = 'requeued' AND id > ?2) AS retried \
             CROSS JOIN jobs ON jobs.id = retried.job_id \
             WHERE jobs.id <= ?1 GROUP BY state",
        )
        .bind(after.job)
        .bind(after.retry)
        .fetch_all(&mut *self.0)
        .await
        .trying("count the jobs that ended")?;
        let of = |state: JobState| {
            let found = rows.iter().filter(|(name, _)| name == state.as_str());
            found.map(|(_, count)| count).sum()
        };
        Ok(EndedCounts {
            finished: of(JobState::Finished),
            failed: of(JobState::Failed),
            cancelled: of(JobState::Cancelled),
        })
    }

    /// The newest [`FAILURES_LOOKED_AT`] FAILED jobs by kind and hint, large groups first.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn failures(&mut self) -> Result<Vec<FailureGroup>, StoreError> {
        // A bare column beside max() is that of the row with the maximum.
        sqlx::query_as(
            "SELECT kind, hint, count(*) AS jobs, max(id) AS newest_id, name AS newest_name, \
                 error_message AS newest_message FROM \
                 (SELECT id, name, error_kind AS kind, error_hint AS hint, error_message \
                  FROM jobs INDEXED BY jobs_failed WHERE state = 'FAILED' \
                  ORDER BY id DESC LIMIT ?1) \
             GROUP BY kind, hint ORDER BY jobs DESC, newest_id DESC LIMIT ?2",
        )
        .bind(FAILURES_LOOKED_AT)
        .bind(FAILURE_GROUPS)
        .fetch_all(&mut *self.0)
        .await
        .trying("group the failures")
    }

    /// How many jobs are FAILED, by `error_kind`.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn failed_jobs(&mut self) -> Result<BTreeMap<String, i64>, StoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT error_kind, count(*) FROM jobs INDEXED BY jobs_failed_kind \
             WHERE state = 'FAILED' GROUP BY error_kind",
        )
        .fetch_all(&mut *self.0)
        .await
        .trying("count the failures")?;
        Ok(rows.into_iter().collect())
    }

    /// How many QUEUED jobs are not to be taken before a time to come: that of their
    /// `run_at`, or the end of a retry's pause.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn waiting_for_time(&mut self, now: UnixMs) -> Result<i64, StoreError> {
        sqlx::query_scalar(
            "SELECT count(*) FROM jobs INDEXED BY jobs_queued_due \
             WHERE state = 'QUEUED' AND due_at > ?1",
        )
        .bind(now)
        .fetch_one(&mut *self.0)
        .await
        .trying("count the jobs that wait for a time")
    }

    /// Ends the look: the write-ahead log may be taken over again.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn end(self) -> Result<(), StoreError> {
        self.0.rollback().await.trying("end a look")
    }
}

impl Store {
    /// Begins a look at one moment. It ends, at the latest, when it is dropped.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn reading(&self) -> Result<Reading, StoreError> {
        self.readers
            .begin()
            .await
            .map(Reading)
            .trying("begin a look")
    }

    /// The sizes of its files. They are looked at by name: opening one would end in
    /// dropping SQLite's locks.
    pub fn file_sizes(&self) -> FileSizes {
        FileSizes {
            database: size(self.path()),
            log: size(&super::beside(self.path(), "-wal")),
        }
    }

    /// Writes and syncs a row of parserd's own, to know that it is possible.
    ///
    /// # Errors
    /// Whatever keeps it from being possible.
    pub async fn prove_writable(&self, now: UnixMs) -> Result<(), StoreError> {
        self.set_meta("proved_writable_at", now.to_string()).await
    }
}

fn size(path: &Path) -> Option<u64> {
    match path.metadata() {
        Ok(file) => Some(file.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Some(0),
        Err(error) => {
            tracing::debug!(path = %path.display(), %error, "cannot tell the file's size");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::Role;

    #[tokio::test]
    async fn what_others_commit_during_a_look_is_not_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let store = Store::open(&path, Role::Daemon).await.unwrap();
        let mut reading = store.reading().await.unwrap();
        assert_eq!(reading.newest().await.unwrap().job, 0);
        let other = rusqlite::Connection::open(&path).unwrap();
        let add = "INSERT INTO jobs (name, urls) VALUES ('a', '[\"https://a.example/\"]')";
        other.execute(add, []).unwrap();
        assert_eq!(reading.newest().await.unwrap().job, 0);
        assert_eq!(
            reading.counts().await.unwrap().states.values().sum::<i64>(),
            0
        );
        reading.end().await.unwrap();
        let mut next = store.reading().await.unwrap();
        assert_eq!(next.newest().await.unwrap().job, 1);
    }
}
