//! Old jobs go, where `retention.max_age` says so: FINISHED and CANCELLED ones with their
//! history. FAILED ones wait for a person; the record of what was paid for stays.

use std::time::Duration;

use crate::{
    clock::Clock,
    job::{DurationMs, JobId},
    store::{Store, StoreError},
};

/// How many jobs one transaction deletes: a few milliseconds of the write lock.
const BITE: usize = 200;

/// Between two bites the lock is left to others.
const BITE_PAUSE: Duration = Duration::from_millis(50);

/// How often old jobs are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(600);

/// Deletes what is older than `max_age_ms`, again and again, until it is dropped.
pub async fn keep(store: Store, clock: Clock, max_age_ms: DurationMs) {
    loop {
        match sweep(&store, &clock, max_age_ms).await {
            Ok(0) => {}
            Ok(jobs) => tracing::info!(jobs, "old jobs deleted (retention.max_age)"),
            Err(error) => {
                tracing::error!(%error, "old jobs cannot be deleted; it is tried again later");
            }
        }
        clock.sleep(SWEEP_INTERVAL).await;
    }
}

/// Deletes what is older than `max_age_ms` now. Returns how many jobs it was.
///
/// # Errors
/// Whatever the database says; what went before is gone.
async fn sweep(store: &Store, clock: &Clock, max_age_ms: DurationMs) -> Result<u64, StoreError> {
    let before = clock.now().saturating_sub(max_age_ms);
    let mut deleted = 0;
    let mut after = JobId(0);
    loop {
        let old = store.jobs_done_before(before, after, BITE).await?;
        let Some(last) = old.last() else {
            return Ok(deleted);
        };
        after = *last;
        deleted += store.delete_done(old).await?;
        clock.sleep(BITE_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Role;

    #[tokio::test]
    async fn only_what_is_long_done_goes_and_what_was_paid_for_stays_on_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.db");
        let store = Store::open(&path, Role::Daemon).await.unwrap();
        let clock = Clock::system();
        let connection = rusqlite::Connection::open(&path).unwrap();
        let old = clock.now() - 60_000;
        let count = 2 * BITE + 1;
        connection
            .execute_batch(&format!(
                "DROP TRIGGER jobs_insert_check; \
                 WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
                 INSERT INTO jobs (name, urls, state, parser_id, finished_at) \
                 SELECT 'old' || i, '[\"https://a.example/\"]', 'FINISHED', 'p' || i, {old} FROM n; \
                 INSERT INTO creates (job_id, remote_name, sent_at, credits, outcome, parser_id, settled_at) \
                 SELECT id, name, {old}, 30000, 'made', parser_id, {old} FROM jobs; \
                 INSERT INTO jobs (name, urls, state, parser_id, error_kind, doubt_since, doubt_cause, \
                                   finished_at) VALUES \
                 ('cancelled', '[\"https://a.example/\"]', 'CANCELLED', NULL, NULL, NULL, NULL, {old}), \
                 ('in doubt', '[\"https://a.example/\"]', 'CANCELLED', NULL, NULL, 1, 'answer_lost', {old}), \
                 ('failed', '[\"https://a.example/\"]', 'FAILED', NULL, 'bad_request', NULL, NULL, {old}), \
                 ('young', '[\"https://a.example/\"]', 'FINISHED', 'q', NULL, NULL, NULL, {old} + 59000), \
                 ('queued', '[\"https://a.example/\"]', 'QUEUED', NULL, NULL, NULL, NULL, NULL);"
            ))
            .unwrap();
        let events = |what: &str| -> i64 {
            let sql = format!(
                "SELECT count(*) FROM job_events WHERE job_id {what} (SELECT id FROM jobs)"
            );
            connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(events("IN"), i64::try_from(count).unwrap() + 5);

        let deleted = sweep(&store, &clock, 30_000).await.unwrap();

        assert_eq!(deleted, u64::try_from(count).unwrap() + 1);
        let names: String = connection
            .query_row("SELECT group_concat(name) FROM jobs", [], |row| row.get(0))
            .unwrap();
        assert_eq!(names, "in doubt,failed,young,queued");
        assert_eq!((events("IN"), events("NOT IN")), (4, 0));
        let paid: i64 = connection
            .query_row("SELECT count(*) FROM creates", [], |row| row.get(0))
            .unwrap();
        assert_eq!(usize::try_from(paid).unwrap(), count);
        assert_eq!(sweep(&store, &clock, 30_000).await.unwrap(), 0);
    }
}
