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
