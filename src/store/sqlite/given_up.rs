//! Creates of which nobody waits for the outcome, and those that a cancellation would make so.

use serde::Serialize;
use sqlx::{FromRow, Row as _, sqlite::SqliteRow};

use super::{Store, StoreError, Trying as _};
use crate::core::job::JobId;

/// Creates in doubt whose jobs are CANCELLED, or gone: each may have made a parser that
/// nobody holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GivenUp {
    /// How many.
    pub creates: i64,
    /// What they count as having cost.
    pub credits: i64,
}

/// A create of which it is not known what it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingCreate {
    /// Row id of its job.
    pub job_id: i64,
    /// The name that the service was sent.
    pub remote_name: String,
    /// What it counts as having cost.
    pub credits: i64,
}

impl FromRow<'_, SqliteRow> for GivenUp {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            creates: row.try_get("creates")?,
            credits: row.try_get("credits")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for PendingCreate {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            job_id: row.try_get("job_id")?,
            remote_name: row.try_get("remote_name")?,
            credits: row.try_get("credits")?,
        })
    }
}

impl Store {
    /// The creates in doubt that nobody waits for.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn given_up(&self) -> Result<GivenUp, StoreError> {
        // `total` cannot overflow.
        sqlx::query_as(
            "SELECT count(*) AS creates, CAST(total(credits) AS INTEGER) AS credits \
             FROM creates INDEXED BY creates_pending LEFT JOIN jobs ON jobs.id = job_id \
             WHERE outcome = 'pending' AND (jobs.id IS NULL OR jobs.state = 'CANCELLED')",
        )
        .fetch_one(&self.readers)
        .await
        .trying("count the creates that were given up")
    }

    /// Those of these jobs' creates whose outcome is not known.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn pending_creates(&self, jobs: &[JobId]) -> Result<Vec<PendingCreate>, StoreError> {
        sqlx::query_as(
            "SELECT job_id, remote_name, credits FROM creates INDEXED BY creates_pending \
             WHERE outcome = 'pending' AND job_id IN (SELECT value FROM json_each(?1)) \
             ORDER BY job_id, id",
        )
        .bind(serde_json::json!(jobs).to_string())
        .fetch_all(&self.readers)
        .await
        .trying("look for creates in doubt")
    }
}
