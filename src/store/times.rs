//! Times that wait, after the clock was wrong: moved, so that neither a create counts
//! as absent for hours that did not pass, nor a job waits for hours that will not come.

use sqlx::AssertSqlSafe;

use super::{Store, StoreError};
use crate::job::{DurationMs, UnixMs};

/// The start of the key under which the database keeps the last step that was taken.
const CLOCK_STEP: &str = "clock_step:";

/// Moves every time of rows that wait by `by`, an SQL expression: save a PARKED row's,
/// which has none to wait for, and never to before a `run_at`.
fn moving(by: &str, rows: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "UPDATE jobs SET revision = revision + 1, \
         due_at = CASE state WHEN 'QUEUED' THEN max(due_at + {by}, coalesce(run_at, 0)) \
                             WHEN 'PARKED' THEN due_at ELSE due_at + {by} END, \
         generating_since = generating_since + {by}, doubt_since = doubt_since + {by}, \
         absent_since = absent_since + {by}, untrusted_since = untrusted_since + {by}, \
         updated_at = updated_at + {by} WHERE {rows}"
    ))
}

/// What waits, as a step of the clock by `?1` finds it that was `?2` then. A time that a
/// person wrote stands, and so does what another program wrote after the step, by the
/// clock as it is now.
const WAITING: &str = "state IN ('CREATING', 'GENERATING') \
     OR (state = 'QUEUED' AND due_at IS NOT run_at AND updated_at <= ?2 \
         AND (?1 < 0 OR due_at > ?2)) \
     OR (state = 'PARKED' AND doubt_since IS NOT NULL)";

/// What waits and was last touched by a clock that was ahead of this one's `?1`.
const FROM_THE_FUTURE: &str = "updated_at > ?1 AND (state IN ('CREATING', 'GENERATING') \
     OR (state = 'QUEUED' AND due_at > ?1) \
     OR (state = 'PARKED' AND doubt_since IS NOT NULL))";

/// Of creates in doubt: the time since the last look.
const SKIP: &str = "UPDATE jobs SET revision = revision + 1, \
     doubt_since = doubt_since + ?1 - updated_at, \
     absent_since = absent_since + ?1 - updated_at, \
     untrusted_since = untrusted_since + ?1 - updated_at, updated_at = ?1 \
     WHERE state = 'CREATING' AND doubt_since IS NOT NULL AND updated_at < ?1";

impl Store {
    /// Moves what waits by `step_ms`, by which the clock stepped; it was `before` then.
    /// Once for each `token`: returns by how much it was moved, now or before.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn shift_times(
        &self,
        token: String,
        step_ms: DurationMs,
        before: UnixMs,
    ) -> Result<DurationMs, StoreError> {
        let key = format!("{CLOCK_STEP}{token}");
        self.writer
            .run("move what waits with the clock", move |connection| {
                Box::pin(async move {
                    let done: Option<String> =
                        sqlx::query_scalar("SELECT value FROM meta WHERE key = ?1")
                            .bind(&key)
                            .fetch_optional(&mut *connection)
                            .await?;
                    if let Some(done) = done.and_then(|text| text.parse().ok()) {
                        return Ok(done);
                    }
                    sqlx::query(moving("?1", WAITING))
                        .bind(step_ms)
                        .bind(before)
                        .execute(&mut *connection)
                        .await?;
                    sqlx::query("DELETE FROM meta WHERE key GLOB ?1 || '*'")
                        .bind(CLOCK_STEP)
                        .execute(&mut *connection)
                        .await?;
                    sqlx::query("INSERT INTO meta (key, value) VALUES (?1, ?2)")
                        .bind(key)
                        .bind(step_ms.to_string())
                        .execute(connection)
                        .await?;
                    Ok(step_ms)
                })
            })
            .await
    }

    /// At the start of a process: nobody knows what the clock did since the last one.
    /// What a clock ahead of this one touched is moved back to `now`, and the time in
    /// which nobody looked does not count as time in which a create was absent.
    ///
    /// # Errors
    /// Whatever SQLite says; then nothing was moved.
    pub async fn resume_times(&self, now: UnixMs) -> Result<(), StoreError> {
        self.writer
            .run("move what waits after a pause", move |connection| {
                Box::pin(async move {
                    sqlx::query(moving("(?1 - updated_at)", FROM_THE_FUTURE))
                        .bind(now)
                        .execute(&mut *connection)
                        .await?;
                    sqlx::query(SKIP).bind(now).execute(connection).await?;
                    Ok(())
                })
            })
            .await
    }
}
