//! The closed gates, and the jobs that wait behind them.

use serde_json::json;
use sqlx::{Row as _, SqliteConnection, SqliteExecutor};

use super::{Store, StoreError, Trying as _, rows};
use crate::{
    core::{
        gate::{Closure, Scope},
        job::{ParkReason, UnixMs},
    },
    store::ports::Gates,
};

/// So many of the jobs that were held last are looked at.
const LOOKED_AT: i64 = 64;

/// How many parked jobs one transaction sets free, to bound how long it holds the lock.
const UNPARK_STEP: i64 = 1000;

impl Gates for Store {
    async fn gates(&self) -> Result<Vec<(Scope, Closure)>, StoreError> {
        gates(&self.readers).await
    }

    async fn set_gate(&self, scope: Scope, closure: Option<Closure>) -> Result<(), StoreError> {
        self.writer
            .run("store a gate", move |connection| {
                Box::pin(async move {
                    let Some(closure) = closure else {
                        sqlx::query("DELETE FROM gates WHERE scope = ?1")
                            .bind(scope.as_str())
                            .execute(connection)
                            .await?;
                        return Ok(());
                    };
                    sqlx::query(
                        "INSERT OR REPLACE INTO gates (scope, reason, since, next_probe_at, interval_ms) \
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                    )
                    .bind(scope.as_str())
                    .bind(closure.reason.as_str())
                    .bind(closure.since)
                    .bind(closure.next_probe_at)
                    .bind(closure.interval_ms)
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    async fn update_gate(&self, scope: Scope, closure: Closure) -> Result<bool, StoreError> {
        self.writer
            .run("store a gate", move |connection| {
                Box::pin(async move {
                    let updated = sqlx::query(
                        "UPDATE gates SET reason = ?2, since = ?3, next_probe_at = ?4, \
                         interval_ms = ?5 WHERE scope = ?1",
                    )
                    .bind(scope.as_str())
                    .bind(closure.reason.as_str())
                    .bind(closure.since)
                    .bind(closure.next_probe_at)
                    .bind(closure.interval_ms)
                    .execute(connection)
                    .await?;
                    Ok(updated.rows_affected() > 0)
                })
            })
            .await
    }

    async fn unpark(&self, reason: ParkReason, limit: i64, now: UnixMs) -> Result<i64, StoreError> {
        let is_canary = limit == 1 && reason != ParkReason::Budget;
        let mut total = 0;
        loop {
            let at_most = UNPARK_STEP.min(limit - total);
            let step = self
                .writer
                .run("un-park jobs", move |connection| {
                    Box::pin(async move {
                        let ids: Vec<i64> = sqlx::query_scalar(
                            "UPDATE jobs SET state = 'QUEUED', park_reason = NULL, \
                             error_status = NULL, error_message = NULL, error_hint = NULL, \
                             due_at = max(?2, coalesce(run_at, 0)), updated_at = ?2, \
                             revision = revision + 1 \
                             WHERE id IN (SELECT id FROM jobs INDEXED BY jobs_parked \
                                 WHERE state = 'PARKED' AND park_reason = ?1 \
                                 AND doubt_since IS NULL \
                                 ORDER BY iif(?4, 0, priority) DESC, due_at, id LIMIT ?3) \
                             RETURNING id",
                        )
                        .bind(reason.as_str())
                        .bind(now)
                        .bind(at_most)
                        .bind(is_canary)
                        .fetch_all(&mut *connection)
                        .await?;
                        note_unparked(connection, &ids, reason, now).await?;
                        Ok(i64::try_from(ids.len()).unwrap_or(i64::MAX))
                    })
                })
                .await?;
            total += step;
            if step == 0 || total >= limit {
                return Ok(total);
            }
        }
    }

    async fn held_rejections(&self) -> Result<Vec<(u16, String)>, StoreError> {
        let found = sqlx::query(
            "SELECT DISTINCT error_status, error_message FROM \
                 (SELECT error_status, error_message FROM jobs \
                  WHERE state = 'PARKED' AND park_reason = 'credits' \
                  AND error_status IS NOT NULL \
                  ORDER BY due_at DESC LIMIT ?1) \
             WHERE error_status NOT IN (402, 403)",
        )
        .bind(LOOKED_AT)
        .fetch_all(&self.readers)
        .await
        .trying("read what jobs are held for")?;
        let said = |row| {
            let status = u16::try_from(sqlx::sqlite::SqliteRow::try_get::<i64, _>(row, 0)?);
            let text = rows::text(row, "error_message")?;
            Ok(status.ok().zip(text))
        };
        let found: Result<Vec<_>, sqlx::Error> = found.iter().map(said).collect();
        let found = found.trying("read what jobs are held for")?;
        Ok(found.into_iter().flatten().collect())
    }
}

/// Writes into the history that jobs are PARKED no more.
pub(super) async fn note_unparked(
    connection: &mut SqliteConnection,
    ids: &[i64],
    reason: ParkReason,
    now: UnixMs,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO job_events (job_id, at, event, detail) \
         SELECT value, ?2, 'unparked', json_object('park_reason', ?3) FROM json_each(?1)",
    )
    .bind(json!(ids).to_string())
    .bind(now)
    .bind(reason.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn gates(
    readers: impl SqliteExecutor<'_>,
) -> Result<Vec<(Scope, Closure)>, StoreError> {
    let rows = sqlx::query("SELECT scope, reason, since, next_probe_at, interval_ms FROM gates")
        .fetch_all(readers)
        .await
        .trying("read the gates")?;
    rows.iter()
        .map(|row| {
            let decode = |error: crate::core::job::UnknownName| sqlx::Error::Decode(error.into());
            Ok((
                row.try_get::<String, _>("scope")?.parse().map_err(decode)?,
                Closure {
                    reason: row
                        .try_get::<String, _>("reason")?
                        .parse()
                        .map_err(decode)?,
                    since: row.try_get("since")?,
                    next_probe_at: row.try_get("next_probe_at")?,
                    interval_ms: row.try_get("interval_ms")?,
                },
            ))
        })
        .collect::<Result<_, sqlx::Error>>()
        .trying("read the gates")
}
