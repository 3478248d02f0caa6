//! Old jobs go, where `retention.max_age` says so: FINISHED and CANCELLED ones with their
//! history. FAILED ones wait for a person; the record of what was paid for stays.

mod age;

use std::time::Duration;

use self::age::{ClockReading, KnownTime, Old};
use crate::{
    api::service_clock::ServiceClock,
    clock::Clock,
    core::job::{DurationMs, JobId, UnixMs},
    engine::daemon::hold::Holds,
    engine::key::KeyProof,
    store::{Pruning, StoreError},
};

/// How many jobs one transaction deletes: a few milliseconds of the write lock.
const BATCH_SIZE: usize = 200;

/// Between two bites the lock is left to others.
const BITE_PAUSE: Duration = Duration::from_millis(50);

/// How often old jobs are looked for.
const SWEEP_INTERVAL_MS: DurationMs = 600_000;

/// The key under which the database keeps what is known of the time.
const KNOWN: &str = "retention";

/// Deletes what is old, again and again.
#[derive(Debug)]
pub struct Keeper<D> {
    /// The database.
    pub store: D,
    /// This machine's clock.
    pub clock: Clock,
    /// The service's.
    pub service: ServiceClock,
    /// The age.
    pub max_age_ms: DurationMs,
}

impl<D: Pruning> Keeper<D> {
    /// Goes on until it is dropped. Looks at the start, as soon as the service tells its time,
    /// and every ten minutes.
    pub async fn keep(self) {
        let mut eyes = Eyes::new(&self.look());
        loop {
            match self.sweep(&mut eyes).await {
                Ok(0) => {}
                Ok(jobs) => tracing::info!(jobs, "old jobs deleted (retention.max_age)"),
                Err(error) => {
                    tracing::error!(%error, "old jobs cannot be deleted; it is tried again later");
                }
            }
            self.pause(&mut eyes).await;
        }
    }

    fn look(&self) -> ClockReading {
        let lasting_ms = self.clock.lasting_ms();
        ClockReading {
            wall: self.clock.now(),
            lasting_ms,
            service: self.service.latest(lasting_ms),
        }
    }

    /// Waits until it is time for the next sweep. A sleep is capped: in between, only the
    /// clocks are looked at, so that a step of one is seen for what it is.
    async fn pause(&self, eyes: &mut Eyes) {
        let swept = eyes.last;
        while !is_due(&swept, &eyes.last) {
            let passed_ms = eyes.last.lasting_ms.saturating_sub(swept.lasting_ms);
            let left_ms = SWEEP_INTERVAL_MS.saturating_sub(passed_ms).max(0);
            tokio::select! {
                () = self.clock.sleep(Duration::from_millis(left_ms.unsigned_abs())) => {}
                () = self.service.known(), if swept.service.is_none() => {}
            }
            eyes.see(self.look(), self.max_age_ms);
        }
    }

    /// Deletes what is old by now. Returns how many jobs it was.
    ///
    /// # Errors
    /// Whatever the database says; what went before is gone.
    async fn sweep(&self, eyes: &mut Eyes) -> Result<u64, StoreError> {
        if eyes.known.is_none() {
            let last_end = self.store.last_end().await?;
            let known = self.known().await?;
            eyes.known = Some(known.resumed(&eyes.last, last_end, self.max_age_ms));
        }
        eyes.see(self.look(), self.max_age_ms);
        let Some(known) = eyes.known else {
            return Ok(0);
        };
        // First: what is deleted by it is known to be old by the next process, too.
        let text = serde_json::json!(known).to_string();
        self.store.set_meta(KNOWN, text).await?;
        self.delete(known.old(self.max_age_ms)).await
    }

    /// What the last process knew.
    async fn known(&self) -> Result<KnownTime, StoreError> {
        let text = self.store.meta(KNOWN).await?;
        if let Some(known) = text.and_then(|text| serde_json::from_str(&text).ok()) {
            return Ok(known);
        }
        Ok(KnownTime::first(
            self.store.last_end().await?,
            self.clock.now(),
        ))
    }

    async fn delete(&self, old: Old) -> Result<u64, StoreError> {
        let mut deleted = 0;
        let mut after = JobId(0);
        loop {
            let jobs = self
                .store
                .jobs_done_before(old.before, old.spared, after, BATCH_SIZE)
                .await?;
            let Some(last) = jobs.last() else {
                break;
            };
            after = *last;
            deleted += self.store.delete_done(jobs).await?;
            self.clock.sleep(BITE_PAUSE).await;
        }
        self.store
            .delete_general_events(old.before, old.spared)
            .await?;
        Ok(deleted)
    }
}

/// PURE: whether the next sweep is due, after the last one: by time that passed, or because
/// the service tells its time now.
fn is_due(swept: &ClockReading, now: &ClockReading) -> bool {
    let passed_ms = now.lasting_ms.saturating_sub(swept.lasting_ms);
    passed_ms >= SWEEP_INTERVAL_MS || (swept.service.is_none() && now.service.is_some())
}

/// What was seen of the clocks in this process.
#[derive(Debug)]
struct Eyes {
    known: Option<KnownTime>,
    last: ClockReading,
    /// The lowest that this machine's clock said.
    began_at: UnixMs,
}

impl Eyes {
    const fn new(look: &ClockReading) -> Self {
        Self {
            known: None,
            last: *look,
            began_at: look.wall,
        }
    }

    fn see(&mut self, now: ClockReading, max_age_ms: DurationMs) {
        self.known = self
            .known
            .map(|known| known.after(&self.last, &now, self.began_at, max_age_ms));
        self.began_at = self.began_at.min(now.wall);
        self.last = now;
    }
}

/// Has the service asked for its time at the start, where nothing else may ask it anything.
pub fn ask_for_time(key: &KeyProof, holds: &Holds, now: UnixMs) {
    if key.want(now) {
        holds.nudge();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    };

    use super::*;
    use crate::store::{Role, Store, notices::WEBHOOK_CURSOR};

    #[tokio::test]
    async fn only_what_is_long_done_goes_and_what_was_paid_for_stays_on_record() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let store = Store::open(&path, Role::Daemon).await.unwrap();
        let clock = Clock::system();
        let connection = rusqlite::Connection::open(&path).unwrap();
        let old = clock.now() - 60_000;
        let count = 2 * BATCH_SIZE + 1;
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

        let keeper = keeper(&store, clock, 30_000);
        let mut eyes = Eyes::new(&keeper.look());
        let deleted = keeper.sweep(&mut eyes).await.unwrap();

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
        assert_eq!(keeper.sweep(&mut eyes).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn what_the_webhook_has_not_told_stays_for_30_days_longer_and_no_more() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let clock = Clock::system();
        let done_at = clock.now() - 40 * DAY_MS;
        let store = with_job_done_at(&path, done_at).await;
        let old_at = |age_ms| Old {
            before: done_at + age_ms,
            spared: None,
        };
        let connection = rusqlite::Connection::open(&path).unwrap();
        let count = || -> i64 {
            let sql = "SELECT count(*) FROM jobs";
            connection.query_row(sql, [], |row| row.get(0)).unwrap()
        };
        let last = store.last_event().await.unwrap();
        assert!(last > 0);
        let keeper = keeper(&store, clock, HOUR_MS);
        // It is a reader whom nobody waits for.
        store.move_cursor("mail", 0, 1).await.unwrap();
        store
            .move_cursor(WEBHOOK_CURSOR, last - 1, 1)
            .await
            .unwrap();
        for age_ms in [1, 7 * DAY_MS, 30 * DAY_MS] {
            assert_eq!(keeper.delete(old_at(age_ms)).await.unwrap(), 0, "{age_ms}");
        }
        assert_eq!(count(), 1);
        store.move_cursor(WEBHOOK_CURSOR, last, 1).await.unwrap();
        assert_eq!(keeper.delete(old_at(1)).await.unwrap(), 1);
        // One of which it never tells goes all the same.
        connection
            .execute_batch(&format!(
                "INSERT INTO jobs (name, urls, state, parser_id, finished_at) \
                 VALUES ('next', '[\"https://a.example/\"]', 'FINISHED', 'p', {done_at});"
            ))
            .unwrap();
        store.move_cursor(WEBHOOK_CURSOR, 0, 1).await.unwrap();
        assert_eq!(keeper.delete(old_at(30 * DAY_MS)).await.unwrap(), 0);
        assert_eq!(keeper.delete(old_at(30 * DAY_MS + 1)).await.unwrap(), 1);
        assert_eq!(count(), 0);
    }

    fn keeper(store: &Store, clock: Clock, max_age_ms: DurationMs) -> Keeper<Store> {
        Keeper {
            store: store.clone(),
            clock,
            service: ServiceClock::default(),
            max_age_ms,
        }
    }

    async fn with_job_done_at(path: &std::path::Path, at: UnixMs) -> Store {
        let store = Store::open(path, Role::Daemon).await.unwrap();
        let connection = rusqlite::Connection::open(path).unwrap();
        connection
            .execute_batch(&format!(
                "DROP TRIGGER jobs_insert_check; \
                 INSERT INTO jobs (name, urls, state, parser_id, finished_at) \
                 VALUES ('done', '[\"https://a.example/\"]', 'FINISHED', 'p', {at});"
            ))
            .unwrap();
        store
    }

    #[tokio::test]
    async fn who_has_read_all_events_misses_none_that_comes_after_old_ones_are_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let clock = Clock::system();
        let old = clock.now() - 60_000;
        let store = with_job_done_at(&path, old).await;
        let connection = rusqlite::Connection::open(&path).unwrap();
        let insert = |name: &str, state: &str, finished_at: Option<UnixMs>| {
            let sql = "INSERT INTO jobs (name, urls, state, finished_at) \
                       VALUES (?1, '[\"https://a.example/\"]', ?2, ?3)";
            connection.execute(sql, (name, state, finished_at)).unwrap();
        };
        let sql = "INSERT INTO job_events (job_id, at, event) VALUES (0, ?1, 'batch_done')";
        connection.execute(sql, [old]).unwrap();
        // By this one it is known that time passed.
        insert("young", "CANCELLED", Some(old + 59_000));
        insert("cancelled", "CANCELLED", Some(old));
        let all = store.events_after(0, None, 10).await.unwrap();
        assert_eq!(all.len(), 4, "{all:?}");
        let (young, last) = (all[2].id, all[3].id);
        store
            .move_cursor("reader", last, clock.now())
            .await
            .unwrap();

        let keeper = keeper(&store, clock, 30_000);
        let mut eyes = Eyes::new(&keeper.look());
        assert_eq!(keeper.sweep(&mut eyes).await.unwrap(), 2);
        let left = store.events_after(0, None, 10).await.unwrap();
        let left: Vec<_> = left.iter().map(|row| row.id).collect();
        assert_eq!(left, [young, last]);
        insert("next", "QUEUED", None);
        let read = store.cursor("reader").await.unwrap();
        let new = store.events_after(read, None, 10).await.unwrap();
        let new: Vec<_> = new.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(new, ["next"]);
    }

    const HOUR_MS: i64 = 3_600_000;
    const DAY_MS: i64 = 24 * HOUR_MS;
    const YEAR_MS: i64 = 365 * 24 * HOUR_MS;

    #[tokio::test]
    async fn nothing_goes_on_the_word_of_a_clock_that_jumped_and_what_is_old_does() {
        let directory = tempfile::tempdir().unwrap();
        let now = Clock::system().now();
        let time = Arc::new(AtomicI64::new(now + YEAR_MS));
        let clock = Clock::manual(Arc::clone(&time));
        let store = with_job_done_at(&directory.path().join("p.db"), now).await;
        let keeper = keeper(&store, clock, HOUR_MS);
        // A start by a clock that is a year ahead, and another one after it.
        for _ in 0..2 {
            let mut eyes = Eyes::new(&keeper.look());
            assert_eq!(keeper.sweep(&mut eyes).await.unwrap(), 0);
        }
        // It is set right, and steps while the process runs.
        time.store(now + 1_000, Ordering::SeqCst);
        let mut eyes = Eyes::new(&keeper.look());
        assert_eq!(keeper.sweep(&mut eyes).await.unwrap(), 0);
        time.store(now + 2 * HOUR_MS, Ordering::SeqCst);
        assert_eq!(keeper.sweep(&mut eyes).await.unwrap(), 0);
        keeper.service.saw(now + 2_000, keeper.clock.lasting_ms());
        assert_eq!(keeper.sweep(&mut eyes).await.unwrap(), 0);
        // The next process is told by the service that the time did pass.
        let mut eyes = Eyes::new(&keeper.look());
        keeper
            .service
            .saw(now + 2 * HOUR_MS, keeper.clock.lasting_ms());
        assert_eq!(keeper.sweep(&mut eyes).await.unwrap(), 1);
    }

    #[test]
    fn a_sweep_comes_every_ten_minutes_and_as_soon_as_the_service_tells_its_time() {
        let look = |lasting_ms, service| ClockReading {
            wall: 7,
            lasting_ms,
            service,
        };
        for (swept, now, due) in [
            // A sleep ended: it is capped.
            (look(0, None), look(10_000, None), false),
            (look(0, None), look(599_999, None), false),
            (look(0, None), look(600_000, None), true),
            (look(0, None), look(1, Some(7)), true),
            (look(0, Some(7)), look(10_000, Some(7)), false),
            (look(0, Some(7)), look(600_000, Some(7)), true),
        ] {
            assert_eq!(is_due(&swept, &now), due, "{swept:?} {now:?}");
        }
    }
}
