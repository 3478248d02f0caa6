//! Jobs that are done and no longer wanted.

use serde_json::json;

use super::{Store, StoreError, Trying as _, queue::bounded};
use crate::{
    core::job::{JobId, UnixMs},
    store::ports::Pruning,
};

/// What may go: nothing more will happen to it, and no create of it is in doubt.
const IS_DONE: &str = "state IN ('FINISHED', 'CANCELLED') AND doubt_since IS NULL";

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
             ORDER BY id LIMIT ?3"
        );
        // Between a time and one before it lies none.
        let (from, to) = spared.unwrap_or((0, -1));
        let ids: Vec<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(after.0)
            .bind(before)
            .bind(bounded(limit))
            .bind(from)
            .bind(to)
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
                    sqlx::query(
                        "DELETE FROM job_events \
                         WHERE job_id IN (SELECT value FROM json_each(?1)) \
                           AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = job_id)",
                    )
                    .bind(&jobs)
                    .execute(connection)
                    .await?;
                    Ok(deleted)
                })
            })
            .await
    }
}
