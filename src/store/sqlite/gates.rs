//! The closed gates, and the jobs that wait behind them.

use sqlx::{Row as _, SqliteExecutor};

use super::{Store, StoreError, Trying as _, rows};
use crate::{
    core::gate::{Closure, Scope},
    store::ports::Gates,
};

/// So many of the jobs that were held last are looked at.
const LOOKED_AT: i64 = 64;

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
                    // No REPLACE: to the triggers each one were a new closing.
                    sqlx::query(
                        "INSERT INTO gates (scope, reason, since, next_probe_at, interval_ms) \
                         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (scope) DO UPDATE \
                         SET reason = excluded.reason, since = excluded.since, \
                             next_probe_at = excluded.next_probe_at, \
                             interval_ms = excluded.interval_ms",
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
