//! One poisonous row among very many.

use parserd::{core::job::JobState, engine::daemon::Until, simulator::Endpoint};

use crate::common::Harness;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test]
async fn one_poisonous_row_fails_by_itself_and_holds_up_none_of_a_hundred_thousand() {
    let jobs = number("PARSERD_TEST_JOBS", 100_000);
    let finished = number("PARSERD_TEST_JOBS_FINISHED", 200).min(jobs);
    let mut harness = Harness::new(&[]).await;
    harness.set("api.request_timeout", "60s");
    harness.enqueue(0).await;
    // Valid for no rule of the database, and first in the queue.
    harness
        .sql(&format!(
            "BEGIN; DROP TRIGGER jobs_insert_check; PRAGMA ignore_check_constraints = ON; \
             INSERT INTO jobs (name, urls, priority) VALUES ('poison', '[not json', 9); \
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {jobs}) \
             INSERT INTO jobs (name, urls) \
             SELECT 'job ' || n, '[\"https://s' || n || '.example/\"]' FROM n; COMMIT"
        ))
        .await
        .unwrap();
    let started = std::time::Instant::now();
    let running = harness.start(Until::AllTerminal).await;
    let store = harness.store().await;
    harness
        .wait_until("enough that are FINISHED", async || {
            let counts = store.counts().await.unwrap();
            counts.of(JobState::Finished) >= i64::try_from(finished).unwrap()
        })
        .await;
    println!(
        "{finished} of {jobs} FINISHED in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    store.close().await;
    running.stopped().await;
    let failed = harness
        .sql("SELECT name || ' ' || error_kind || ' ' || creates FROM jobs WHERE state = 'FAILED'")
        .await
        .unwrap();
    assert_eq!(failed, ["poison bad_request 0"]);
    let creates = harness.requests(Endpoint::Create);
    harness.assert_one_parser_each(usize::try_from(creates).unwrap());
}
