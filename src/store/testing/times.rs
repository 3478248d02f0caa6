//! What a step of the clock moves, and what it leaves.

use super::*;

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
    let spent = |today, later, redated| crate::budget::Spent {
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
    let redated = crate::budget::Redated {
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
