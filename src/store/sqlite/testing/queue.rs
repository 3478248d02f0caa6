//! Claims and the next due time.

use super::*;
use crate::store::{Lane, Queue as _};

async fn due_names(f: &Fixture, now: UnixMs, limit: usize) -> Vec<String> {
    let due = f.store.due_creates(now, limit).await.unwrap();
    due.into_iter().map(|queued| queued.job.name).collect()
}

#[tokio::test]
async fn the_highest_priority_goes_first_then_the_longest_due_then_the_oldest() {
    let mut f = Fixture::new().await;
    f.sql(
        "INSERT INTO jobs (name, urls, priority, run_at) VALUES
            ('low-late',  '[\"http://a/\"]', -9223372036854775808, 3000000000002),
            ('low-early', '[\"http://a/\"]', -9223372036854775808, 3000000000001),
            ('mid-first', '[\"http://a/\"]', 0, 3000000000001),
            ('mid-again', '[\"http://a/\"]', 0, 3000000000001),
            ('high-not-yet', '[\"http://a/\"]', 9223372036854775807, 5000000000000),
            ('high',      '[\"http://a/\"]', 9223372036854775807, 3000000000009),
            ('none-yet',  '[\"http://a/\"]', 7, 5000000000000);",
    )
    .await;
    let order = ["high", "mid-first", "mid-again", "low-early", "low-late"];
    assert_eq!(due_names(&f, NOW, 100).await, order);
    assert_eq!(due_names(&f, NOW, 3).await, order[..3]);
    assert_eq!(
        due_names(&f, 3_000_000_000_001, 100).await,
        ["mid-first", "mid-again", "low-early"]
    );
    assert_eq!(due_names(&f, 0, 100).await, [""; 0]);
}

#[tokio::test]
async fn many_levels_of_priority_are_gone_through_in_order() {
    let mut f = Fixture::new().await;
    f.sql(
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2999)
         INSERT INTO jobs (name, urls, priority, run_at) SELECT 'job-' || i, '[\"http://a/\"]',
             (i * 7919) % 1500, 3000000000000 + i + 2000000000000 * (i % 3 = 0) FROM n;",
    )
    .await;
    let expected = f
        .column(
            "SELECT name FROM jobs NOT INDEXED WHERE due_at <= 4000000000000
             ORDER BY priority DESC, due_at, id",
        )
        .await;
    assert_eq!(expected.len(), 2000);
    assert_eq!(due_names(&f, NOW, 5000).await, expected);
}

/// Counted in steps of SQLite's machine: seconds would depend on the tester's.
async fn steps_of(f: &mut Fixture, sql: String) -> u32 {
    let ticks = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counter = std::sync::Arc::clone(&ticks);
    let mut handle = f.other.lock_handle().await.unwrap();
    handle.set_progress_handler(1, move || {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        true
    });
    drop(handle);
    sqlx::query(AssertSqlSafe(sql))
        .bind(NOW)
        .bind(NOW + 10)
        .bind(NOW + 20)
        .fetch_all(&mut f.other)
        .await
        .unwrap();
    ticks.load(std::sync::atomic::Ordering::Relaxed)
}

#[tokio::test]
async fn jobs_that_are_not_due_are_not_walked_over() {
    async fn steps(not_due: u32) -> u32 {
        let mut f = Fixture::new().await;
        f.sql(&format!(
            "DROP TRIGGER jobs_insert_check; DROP TRIGGER jobs_inserted;
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {not_due})
             INSERT INTO jobs (name, urls, priority, due_at, run_at) SELECT 'job-' || i,
                 '[\"http://a/\"]', i % 3, 5000000000000, 5000000000000 FROM n;
             INSERT INTO jobs (name, urls, priority) VALUES ('due', '[\"http://a/\"]', -1);"
        ))
        .await;
        assert_eq!(due_names(&f, NOW, 10).await, ["due"]);
        let mut steps = 0;
        for sql in [
            crate::store::sqlite::queue::due_creates_sql(),
            crate::store::sqlite::times::misdated_sql(),
        ] {
            steps += steps_of(&mut f, sql).await;
        }
        steps
    }
    let (few, many) = (steps(30).await, steps(30_000).await);
    assert!(
        many < few + 100,
        "{few} steps over 30 jobs, {many} over 30,000"
    );
}

#[tokio::test]
async fn each_lane_has_its_own_due_jobs_and_next_due_time() {
    let mut f = Fixture::new().await;
    let queued = f.job_after("queued", []).await;
    let sent = f.job_after("sent", [listed("n_pd_1")]).await;
    let doubted = f
        .job_after("doubted", [listed("n_pd_2"), Event::Interrupted])
        .await;
    let polled = f
        .job_after("polled", [listed("n_pd_3"), created("p3")])
        .await;
    f.job_after("failed", [listed("n_pd_4"), created("p4"), given_up()])
        .await;
    f.job_after("parked", [listed("n_pd_5"), out_of_credits()])
        .await;
    let poll_at = polled.progress.due_at;
    assert!(poll_at > NOW);

    assert_eq!(due_names(&f, i64::MAX, 9).await, ["queued"]);
    let ids = |jobs: Vec<Job>| jobs.into_iter().map(|job| job.id).collect::<Vec<_>>();
    let doubts = |now| f.store.due_doubts(now, 9);
    assert_eq!(ids(doubts(NOW).await.unwrap()), [doubted.id]);
    assert_eq!(ids(doubts(NOW - 1).await.unwrap()), []);
    let polls = |now| f.store.due_polls(now, 9);
    assert_eq!(ids(polls(poll_at).await.unwrap()), [polled.id]);
    assert_eq!(ids(polls(poll_at - 1).await.unwrap()), []);
    assert_eq!(ids(f.store.interrupted().await.unwrap()), [sent.id]);
    assert_eq!(f.store.under_way(9).await.unwrap(), 3);
    assert_eq!(f.store.under_way(2).await.unwrap(), 2);

    let next = |lane, now| f.store.next_due(lane, now);
    assert_eq!(
        next(Lane::Create, 0).await.unwrap(),
        Some(queued.progress.due_at)
    );
    assert_eq!(
        next(Lane::Create, queued.progress.due_at).await.unwrap(),
        None
    );
    assert_eq!(next(Lane::Reconcile, 0).await.unwrap(), Some(NOW));
    assert_eq!(next(Lane::Reconcile, NOW).await.unwrap(), None);
    assert_eq!(next(Lane::Poll, NOW).await.unwrap(), Some(poll_at));
}

#[tokio::test]
async fn a_job_is_found_by_its_id_and_by_its_name() {
    let mut f = Fixture::new().await;
    let first = f.add("books").await;
    let second = f.add("1").await;
    let third = f.add("99").await;
    let find = |key: &'static str| f.store.find(key);
    assert_eq!(
        find("1").await.unwrap(),
        Some(first),
        "an id comes before a name"
    );
    assert_eq!(find("2").await.unwrap(), Some(second));
    assert_eq!(find("99").await.unwrap(), Some(third));
    assert_eq!(find("books").await.unwrap(), Some(first));
    assert_eq!(find("Books").await.unwrap(), None);
    assert_eq!(find("").await.unwrap(), None);
    f.sql("UPDATE jobs SET state = 'CANCELLED' WHERE name = 'books'")
        .await;
    assert_eq!(f.store.find("books").await.unwrap(), Some(first));
    let again = f.add("books").await;
    assert_eq!(f.store.find("books").await.unwrap(), Some(again));
    f.sql("UPDATE jobs SET state = 'CANCELLED' WHERE name = 'books' AND state = 'QUEUED'")
        .await;
    assert_eq!(
        f.store.find("books").await.unwrap(),
        Some(again),
        "the newest"
    );
}
