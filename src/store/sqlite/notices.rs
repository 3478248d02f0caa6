//! What the webhook asks of the history beside the events.

use std::collections::HashMap;

use sqlx::{FromRow, Row as _};

use super::{Store, StoreError, Trying as _, rows};
use crate::core::job::DurationMs;

/// The name under which it is kept how far the webhook has come. No other reader may have it.
pub const WEBHOOK_CURSOR: &str = "notify";

/// How a job stands now, for what is to be done about what happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStanding {
    /// Its state.
    pub state: String,
    /// What a person can do about it, where it is PARKED or FAILED.
    pub error_hint: Option<String>,
    /// Its parser, where it has one.
    pub parser_id: Option<String>,
    /// How long its parser was generated, where that has ended.
    pub generation_ms: Option<DurationMs>,
}

impl Store {
    /// The id of the last event; 0 where there is none.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn last_event(&self) -> Result<i64, StoreError> {
        let id: Option<i64> = sqlx::query_scalar("SELECT max(id) FROM job_events")
            .fetch_one(&self.readers)
            .await
            .trying("look for the last event")?;
        Ok(id.unwrap_or_default())
    }

    /// How far a reader has come; none for one that is new.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn known_cursor(&self, name: &str) -> Result<Option<i64>, StoreError> {
        sqlx::query_scalar("SELECT event_id FROM event_cursors WHERE name = ?1")
            .bind(name)
            .fetch_optional(&self.readers)
            .await
            .trying("read how far a reader of the history has come")
    }

    /// A reader is no more: it is not known how far it came.
    ///
    /// # Errors
    /// Whatever the database says; then it is known still.
    pub async fn forget_cursor(&self, name: &'static str) -> Result<(), StoreError> {
        self.writer
            .run("forget a reader of the history", move |connection| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM event_cursors WHERE name = ?1")
                        .bind(name)
                        .execute(connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    /// How these jobs stand; without those that are gone.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn standings(&self, jobs: &[i64]) -> Result<HashMap<i64, JobStanding>, StoreError> {
        const TRYING: &str = "read how jobs stand";
        let rows = sqlx::query(
            "SELECT id, state, error_hint, parser_id, max(finished_at - generating_since, 0) AS generation_ms \
             FROM jobs \
             WHERE id IN (SELECT value FROM json_each(?1))",
        )
        .bind(serde_json::json!(jobs).to_string())
        .fetch_all(&self.readers)
        .await
        .trying(TRYING)?;
        rows.iter()
            .map(|row| {
                let (id,) = FromRow::from_row(row)?;
                let standing = JobStanding {
                    state: rows::some_text(row, "state")?,
                    error_hint: Some(rows::some_text(row, "error_hint")?)
                        .filter(|hint| !hint.is_empty()),
                    parser_id: Some(rows::some_text(row, "parser_id")?)
                        .filter(|parser_id| !parser_id.is_empty()),
                    generation_ms: row.try_get("generation_ms")?,
                };
                Ok((id, standing))
            })
            .collect::<Result<_, sqlx::Error>>()
            .trying(TRYING)
    }
}
