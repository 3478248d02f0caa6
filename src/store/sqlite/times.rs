//! Times that wait, after the clock was wrong: moved, so that neither a create counts
//! as absent for hours that did not pass, nor a job waits for hours that will not come.

use sqlx::AssertSqlSafe;

use super::{Store, StoreError, Trying as _};
use crate::core::job::{DurationMs, UnixMs};
use crate::store::ports::Times;

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

/// This process's clock and the one that other programs go by may differ by so much: see
/// [`crate::clock`].
const MOMENT_MS: DurationMs = 2_000;

/// What waits for a list or a poll is looked at anew within this time, unless the service
/// asks for more.
const LONG_WAIT_MS: DurationMs = 600_000;

/// QUEUED jobs that a clock dated which is or was ahead of this one: they wait neither for a
/// `run_at` nor for a second try, whose time is later than what touched them last. `?1` is
/// now and `?2` a moment later.
const MISDATED: &str = "state = 'QUEUED' AND due_at IS NOT run_at AND due_at > ?2 \
     AND (updated_at > ?1 OR due_at = created_at)";

/// The same of what is in doubt or being generated; `?3` is long after now.
const MISDATED_LATER: &str = "due_at > ?3 AND updated_at > ?2 \
     AND (state = 'GENERATING' OR (state = 'CREATING' AND doubt_since IS NOT NULL))";

/// PURE: whether there is any of them, each looked for in an index in which few jobs are due
/// so late.
pub(super) fn misdated_sql() -> String {
    format!(
        "SELECT EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_unscheduled WHERE {MISDATED}) \
         OR EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_generating \
                    WHERE state = 'GENERATING' AND {MISDATED_LATER}) \
         OR EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_creating \
                    WHERE state = 'CREATING' AND {MISDATED_LATER})"
    )
}

/// Makes a QUEUED one due.
fn date_now_sql() -> String {
    format!(
        "UPDATE jobs INDEXED BY jobs_unscheduled SET revision = revision + 1, \
         due_at = max(?1, coalesce(run_at, 0)), updated_at = ?1 WHERE {MISDATED}"
    )
}

/// Of parsers being generated: the time since somebody looked. It may not have passed.
const SKIP_UNSEEN: &str = "UPDATE jobs SET revision = revision + 1, \
     generating_since = generating_since + ?1 - updated_at, updated_at = ?1 \
     WHERE state = 'GENERATING' AND updated_at < ?1";

/// Of creates in doubt: the time since the last look.
const SKIP: &str = "UPDATE jobs SET revision = revision + 1, \
     doubt_since = doubt_since + ?1 - updated_at, \
     absent_since = absent_since + ?1 - updated_at, \
     untrusted_since = untrusted_since + ?1 - updated_at, updated_at = ?1 \
     WHERE state = 'CREATING' AND doubt_since IS NOT NULL AND updated_at < ?1";

impl Times for Store {
    async fn shift_times(
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

    async fn resume_times(&self, now: UnixMs) -> Result<(), StoreError> {
        self.writer
            .run("move what waits after a pause", move |connection| {
                Box::pin(async move {
                    sqlx::query(moving("(?1 - updated_at)", FROM_THE_FUTURE))
                        .bind(now)
                        .execute(&mut *connection)
                        .await?;
                    for skip in [SKIP, SKIP_UNSEEN] {
                        sqlx::query(skip)
                            .bind(now)
                            .execute(&mut *connection)
                            .await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn date_now(&self, now: UnixMs) -> Result<u64, StoreError> {
        let moment = now.saturating_add(MOMENT_MS);
        let long_after = now.saturating_add(LONG_WAIT_MS);
        let is_any: bool = sqlx::query_scalar(AssertSqlSafe(misdated_sql()))
            .bind(now)
            .bind(moment)
            .bind(long_after)
            .fetch_one(&self.readers)
            .await
            .trying("look for jobs that are dated ahead")?;
        if !is_any {
            return Ok(0);
        }
        self.writer
            .run("make jobs due that are dated ahead", move |connection| {
                Box::pin(async move {
                    let mut dated = 0;
                    for update in [
                        AssertSqlSafe(date_now_sql()),
                        moving("(?1 - updated_at)", MISDATED_LATER),
                    ] {
                        dated += sqlx::query(update)
                            .bind(now)
                            .bind(moment)
                            .bind(long_after)
                            .execute(&mut *connection)
                            .await?
                            .rows_affected();
                    }
                    Ok(dated)
                })
            })
            .await
    }
}
