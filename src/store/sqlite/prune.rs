//! Jobs that are done and no longer wanted.

use serde_json::json;

use super::{Store, StoreError, Trying as _, notices::WEBHOOK_CURSOR, queue::bounded};
use crate::{
    core::job::{DurationMs, JobId, UnixMs},
    store::ports::Pruning,
};

/// What may go: nothing more will happen to it, and no create of it is in doubt.
const IS_DONE: &str = "state IN ('FINISHED', 'CANCELLED') AND doubt_since IS NULL";

/// Between a time and one before it lies none.
const NO_TIME: (UnixMs, UnixMs) = (0, -1);

/// How much longer a job is kept of which the webhook has not told yet. A receiver may be down for
/// a week and nothing is lost; one that never comes back must not keep jobs for ever.
const KEPT_FOR_WEBHOOK_MS: DurationMs = 30 * 24 * 3_600_000;

impl Pruning for Store {
    async fn last_end(&self) -> Result<Option<UnixMs>, StoreError> {
        let sql = format!("SELECT max(finished_at) FROM jobs WHERE {IS_DONE}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(&self.readers)
            .await
            .trying("look for the last end of a job")
    }

    async fn jobs_done_before(
        &self,
        before: UnixMs,
        spared: Option<(UnixMs, UnixMs)>,
        after: JobId,
        limit: usize,
    ) -> Result<Vec<JobId>, StoreError> {
        let sql = format!(
            "SELECT id FROM jobs WHERE id > ?1 AND finished_at < ?2 AND {IS_DONE} \
             AND NOT (finished_at BETWEEN ?4 AND ?5) \
             AND (finished_at < ?7 OR NOT EXISTS \
                 (SELECT 1 FROM event_cursors JOIN job_events \
                     ON job_id = jobs.id AND job_events.id > event_id \
                     WHERE event_cursors.name = ?6)) \
             ORDER BY id LIMIT ?3"
        );
        let (from, to) = spared.unwrap_or(NO_TIME);
        let ids: Vec<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(after.0)
            .bind(before)
            .bind(bounded(limit))
            .bind(from)
            .bind(to)
            .bind(WEBHOOK_CURSOR)
            .bind(before.saturating_sub(KEPT_FOR_WEBHOOK_MS))
            .fetch_all(&self.readers)
            .await
            .trying("look for old jobs")?;
        Ok(ids.into_iter().map(JobId).collect())
    }

    async fn delete_done(&self, jobs: Vec<JobId>) -> Result<u64, StoreError> {
        let jobs = json!(jobs).to_string();
        self.writer
            .run("delete old jobs", move |connection| {
                Box::pin(async move {
                    let delete = format!(
                        "DELETE FROM jobs WHERE {IS_DONE} \
                         AND id IN (SELECT value FROM json_each(?1))"
                    );
                    let deleted = sqlx::query(sqlx::AssertSqlSafe(delete))
                        .bind(&jobs)
                        .execute(&mut *connection)
                        .await?
                        .rows_affected();
                    // The last one stays: SQLite gives its id again otherwise, and a reader that is
                    // past it would miss what gets that id.
                    sqlx::query(
                        "DELETE FROM job_events \
                         WHERE job_id IN (SELECT value FROM json_each(?1)) \
                           AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = job_id) \
                           AND id < (SELECT max(id) FROM job_events)",
                    )
                    .bind(&jobs)
                    .execute(connection)
                    .await?;
                    Ok(deleted)
                })
            })
            .await
    }

    async fn delete_general_events(
        &self,
        before: UnixMs,
        spared: Option<(UnixMs, UnixMs)>,
    ) -> Result<u64, StoreError> {
        let (from, to) = spared.unwrap_or(NO_TIME);
        self.writer
            .run("delete old events", move |connection| {
                Box::pin(async move {
                    let deleted = sqlx::query(
                        "DELETE FROM job_events WHERE job_id = 0 AND at < ?1 \
                         AND NOT (at BETWEEN ?2 AND ?3) \
                         AND id < (SELECT max(id) FROM job_events)",
                    )
                    .bind(before)
                    .bind(from)
                    .bind(to)
                    .execute(connection)
                    .await?;
                    Ok(deleted.rows_affected())
                })
            })
            .await
    }
}
