//! What happened, job after job, and how far each reader of it has come.

use sqlx::{FromRow, Row as _, sqlite::SqliteRow};

use super::{Store, StoreError, Trying as _, report::HistoryRow, rows};
use crate::core::{
    job::UnixMs,
    progress::{LOOKED_BACK_MS, LatelyEnded},
};

/// Of so many of the newest events, it is counted how many jobs ended: a look stays quick, however
/// much happens.
const LATELY_EVENTS: i64 = 50_000;

/// The `job_id` of what happened to no job in particular.
const OF_NO_JOB: i64 = 0;

/// A row of `job_events`, with its id and the name of its job.
#[derive(Debug, Clone)]
pub struct EventRow {
    /// Its place in the history.
    pub id: i64,
    /// The job; none for what happened to no job in particular.
    pub job_id: Option<i64>,
    /// The job's name; empty where the job is gone.
    pub name: String,
    /// What happened.
    pub event: HistoryRow,
}

impl FromRow<'_, SqliteRow> for EventRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            job_id: Some(row.try_get("job_id")?).filter(|id| *id != OF_NO_JOB),
            name: rows::some_text(row, "name")?,
            event: HistoryRow::from_row(row)?,
        })
    }
}

impl Store {
    /// How many jobs ended lately.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn lately_ended(&self, now: UnixMs) -> Result<LatelyEnded, StoreError> {
        let (jobs, since) = sqlx::query_as(
            "SELECT count(DISTINCT CASE WHEN event IN ('finished', 'failed', 'cancelled') \
                 THEN job_id END), min(at) \
             FROM (SELECT job_id, at, event FROM job_events ORDER BY id DESC LIMIT ?2) \
             WHERE at >= ?1 AND job_id <> 0",
        )
        .bind(now - LOOKED_BACK_MS)
        .bind(LATELY_EVENTS)
        .fetch_one(&self.readers)
        .await
        .trying("count how many jobs ended lately")?;
        Ok(LatelyEnded { jobs, since })
    }

    /// What happened after the line `after`, oldest first: at most `limit` lines, of events of these
    /// names or of all.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn events_after(
        &self,
        after: i64,
        names: Option<&[&str]>,
        limit: usize,
    ) -> Result<Vec<EventRow>, StoreError> {
        let names = names.map(|names| serde_json::json!(names).to_string());
        sqlx::query_as(
            "SELECT job_events.id, job_id, coalesce(name, '') AS name, at, event, detail \
             FROM job_events LEFT JOIN jobs ON jobs.id = job_id \
             WHERE job_events.id > ?1 \
                 AND (?2 IS NULL OR event IN (SELECT value FROM json_each(?2))) \
             ORDER BY job_events.id LIMIT ?3",
        )
        .bind(after)
        .bind(names)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.readers)
        .await
        .trying("read the latest events")
    }

    /// How far a reader has come; 0 for one that is new.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn cursor(&self, name: &str) -> Result<i64, StoreError> {
        Ok(self.known_cursor(name).await?.unwrap_or_default())
    }

    /// A reader has handed on the events up to this one.
    ///
    /// # Errors
    /// Whatever the database says; then they are handed on once more.
    pub async fn move_cursor(&self, name: &str, id: i64, now: UnixMs) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.writer
            .run(
                "keep how far a reader of the history has come",
                move |connection| {
                    Box::pin(async move {
                        sqlx::query(
                            "INSERT INTO event_cursors (name, event_id, updated_at) \
                         VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE \
                         SET event_id = excluded.event_id, updated_at = excluded.updated_at",
                        )
                        .bind(name)
                        .bind(id)
                        .bind(now)
                        .execute(connection)
                        .await?;
                        Ok(())
                    })
                },
            )
            .await
    }
}
