//! What happened, job after job.

use sqlx::{FromRow, Row as _, sqlite::SqliteRow};

use super::{Store, StoreError, Trying as _, report::HistoryRow, rows};

/// A row of `job_events`, with its id and the name of its job.
#[derive(Debug, Clone)]
pub struct EventRow {
    /// Its place in the history.
    pub id: i64,
    /// The job's name.
    pub name: String,
    /// What happened.
    pub event: HistoryRow,
}

impl FromRow<'_, SqliteRow> for EventRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: rows::some_text(row, "name")?,
            event: HistoryRow::from_row(row)?,
        })
    }
}

impl Store {
    /// What happened after the line `after`, oldest first.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn events_after(&self, after: i64) -> Result<Vec<EventRow>, StoreError> {
        sqlx::query_as(
            "SELECT job_events.id, name, at, event, detail \
             FROM job_events JOIN jobs ON jobs.id = job_id \
             WHERE job_events.id > ?1 ORDER BY job_events.id LIMIT 1000",
        )
        .bind(after)
        .fetch_all(&self.readers)
        .await
        .trying("read the latest events")
    }
}
