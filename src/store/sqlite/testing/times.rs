//! What a step of the clock moves, and what it leaves.

use super::*;
use crate::store::{Ledger as _, Times as _};

const HOUR_MS: i64 = 3_600_000;

async fn due(f: &mut Fixture, name: &str) -> i64 {
    let select = format!("SELECT due_at FROM jobs WHERE name = '{name}'");
    f.column(&select).await.remove(0).parse().unwrap()
}

#[tokio::test]
async fn a_step_that_is_reported_lost_and_tried_again_moves_once() {
    let mut f = Fixture::new().await;
    f.add("early").await;
    let created = due(&mut f, "early").await;
    for _ in 0..2 {
        let moved = f.store.shift_times("one".to_owned(), -HOUR_MS, created);
        assert_eq!(moved.await.unwrap(), -HOUR_MS);
        assert_eq!(due(&mut f, "early").await, created - HOUR_MS);
    }
    let moved = f.store.shift_times("two".to_owned(), -HOUR_MS, created);
    assert_eq!(moved.await.unwrap(), -HOUR_MS);
    assert_eq!(due(&mut f, "early").await, created - 2 * HOUR_MS);
}

#[tokio::test]
async fn a_time_that_a_person_wrote_stands_and_so_does_what_came_after_the_step() {
    let mut f = Fixture::new().await;
    f.add("late").await;
    f.add("new").await;
    let created = due(&mut f, "new").await;
    let run_at = created + 4 * HOUR_MS;
    f.sql(&format!(
        "UPDATE jobs SET run_at = {run_at} WHERE name = 'late'"
    ))
    .await;
    // Somebody added it by the clock as it is now, three hours ahead of ours.
    let before = created - 3 * HOUR_MS;
    f.store
        .shift_times("one".to_owned(), 3 * HOUR_MS, before)
        .await
        .unwrap();
    assert_eq!(due(&mut f, "late").await, run_at);
    assert_eq!(due(&mut f, "new").await, created);
}

const YEAR_MS: i64 = 365 * 24 * HOUR_MS;

#[tokio::test]
async fn a_create_that_is_dated_ahead_counts_on_the_day_that_it_is_found_and_on_no_other() {
    let mut f = Fixture::new().await;
    f.job_after("books", [listed("n_pd_1")]).await;
    // It was sent at NOW, by a clock that was a year ahead.
    let now = NOW - YEAR_MS;
    let spent = |today, later, redated| crate::core::budget::Spent {
        in_all: 30_000,
        today,
        later,
        redated,
    };
    let day_after = now + 24 * HOUR_MS;
    for at in [now, day_after] {
        let counted = f.store.spent(at).await.unwrap();
        assert_eq!(counted, spent(30_000, 30_000, 0));
    }
    let redated = crate::core::budget::Redated {
        creates: 1,
        credits: 30_000,
    };
    let found = f.store.count_redated(now, now + 1).await.unwrap();
    assert_eq!(found, redated);
    assert_eq!(f.store.spent(now).await.unwrap(), spent(30_000, 0, 30_000));
    assert_eq!(f.store.spent(day_after).await.unwrap(), spent(0, 0, 0));
    assert_eq!(f.store.spent(NOW).await.unwrap(), spent(0, 0, 0));
    // Once, and not by others.
    let found = f.store.count_redated(now, now + 1).await.unwrap();
    assert_eq!(found.creates, 0);
    let again = f.try_sql("UPDATE creates SET counted_at = 5").await;
    assert!(again.is_err());
    // What it made nothing of is given back to the day on which it counts.
    let job = f.job(JobId(1)).await;
    let change = decided(&job, out_of_credits());
    let refund = Some((30_000, now));
    let applied = f.apply(&job, &change).await.unwrap();
    assert_eq!(applied, Applied::Durable { refund });
}

#[tokio::test]
async fn without_run_at_a_job_is_due_at_once_whatever_clock_dated_it() {
    let mut f = Fixture::new().await;
    let year = NOW + YEAR_MS;
    f.sql(&format!(
        "INSERT INTO jobs (name, urls, run_at, created_at, updated_at, due_at) VALUES
            ('ahead', '[\"http://a/\"]', NULL, {year}, {year}, {year}),
            ('scheduled', '[\"http://a/\"]', {year}, {NOW}, {NOW}, {NOW}),
            ('scheduled ahead', '[\"http://a/\"]', {NOW} + 5000, {year}, {year}, {year}),
            ('in a moment', '[\"http://a/\"]', NULL, {NOW} + 900, {NOW} + 900, {NOW} + 900)"
    ))
    .await;
    // Tried again by the clock of a machine that is ahead, after its `run_at`.
    let run_at = NOW - HOUR_MS;
    let tried = f
        .job_after("tried", [listed("n_pd_1"), out_of_credits()])
        .await;
    f.sql(&format!(
        "UPDATE jobs SET run_at = {run_at} WHERE id = {}",
        tried.id.0
    ))
    .await;
    f.sql(&format!(
        "UPDATE jobs SET revision = revision + 1, state = 'QUEUED', park_reason = NULL, \
         due_at = {year}, updated_at = {year} WHERE id = {}",
        tried.id.0
    ))
    .await;
    // parserd's own second try, later.
    let waits = f.job_after("waits", []).await;
    f.sql(&format!(
        "UPDATE jobs SET revision = revision + 1, due_at = {NOW} + 60000, updated_at = {NOW} \
         WHERE id = {}",
        waits.id.0
    ))
    .await;
    assert_eq!(f.store.date_now(NOW).await.unwrap(), 2);
    let dated = "SELECT name FROM jobs WHERE due_at = 4000000000000 ORDER BY id";
    assert_eq!(f.column(dated).await, ["ahead", "tried"]);
    assert_eq!(due(&mut f, "scheduled").await, year);
    assert_eq!(due(&mut f, "waits").await, NOW + 60_000);
    assert_eq!(f.store.date_now(NOW).await.unwrap(), 0);
    // Held back and set free again, it is dated by its creation.
    f.sql("UPDATE jobs SET run_at = 4000000000001 WHERE name = 'ahead'")
        .await;
    f.sql("UPDATE jobs SET run_at = NULL WHERE name = 'ahead'")
        .await;
    assert_eq!(due(&mut f, "ahead").await, year);
    assert_eq!(f.store.date_now(NOW).await.unwrap(), 1);
}

#[tokio::test]
async fn a_parser_is_polled_soon_that_a_clock_dated_which_was_ahead() {
    let mut f = Fixture::new().await;
    let job = f
        .job_after("books", [listed("n_pd_1"), created("p1")])
        .await;
    f.sql(&format!(
        "UPDATE jobs SET revision = revision + 1, updated_at = updated_at + {YEAR_MS}, \
         due_at = due_at + {YEAR_MS}, generating_since = generating_since + {YEAR_MS}"
    ))
    .await;
    assert_eq!(f.store.date_now(NOW).await.unwrap(), 1);
    let moved = f.job(job.id).await.progress;
    assert_eq!(moved.due_at, job.progress.due_at);
    assert_eq!(moved.generating_since, job.progress.generating_since);
}

#[tokio::test]
async fn the_time_in_which_nobody_looked_makes_no_generation_older() {
    let mut f = Fixture::new().await;
    let job = f
        .job_after("books", [listed("n_pd_1"), created("p1")])
        .await;
    // The next start comes by a clock that is ahead, or after a day.
    for later in [NOW + HOUR_MS, NOW + HOUR_MS, NOW + 24 * HOUR_MS] {
        f.store.resume_times(later).await.unwrap();
        let since = f.job(job.id).await.progress.generating_since;
        assert_eq!(since, Some(later));
    }
    // What makes it known to be there, and no list may lack it, is from before.
    let known = f.store.known_parsers().await.unwrap();
    assert_eq!(known[0].known_since, NOW);
}

#[tokio::test]
async fn what_was_spent_adds_up_however_much_it_was() {
    let mut f = Fixture::new().await;
    let insert = |id: i64, credits: i64| {
        format!(
            "INSERT INTO creates (id, job_id, remote_name, sent_at, credits) \
             VALUES ({id}, 1, 'n{id}', {NOW}, {credits})"
        )
    };
    let mut id = 0;
    for (credits, in_all) in [
        (i64::from(u32::MAX) + 7, 4_294_967_302),
        (-9, 4_294_967_293),
        (1 << 62, (1 << 62) + 4_294_967_293),
        (i64::MAX, i64::MAX),
        (i64::MAX, i64::MAX),
    ] {
        id += 1;
        f.sql(&insert(id, credits)).await;
        let spent = f.store.spent(NOW).await.unwrap();
        assert_eq!((spent.in_all, spent.today), (in_all, in_all), "{id}");
    }
    let redated = f.store.count_redated(NOW - YEAR_MS, NOW - 1).await.unwrap();
    assert_eq!((redated.creates, redated.credits), (5, i64::MAX));
}
