//! Refusals and maintenance: what they hold, and what counts as an attempt.

use crate::common::Harness;
use parserd::{core::job::JobState, engine::daemon::Until, simulator::Endpoint};

#[tokio::test]
async fn a_403_about_one_job_fails_that_job_and_holds_no_other() {
    let refusal = "create name=job-3 status=403 \
                   body=\"Your current plan does not allow you to use our premium proxies.\"";
    let mut harness = Harness::new(&[refusal]).await;
    // Were the gate to close, nothing would be tried before tomorrow.
    harness.set("park.probe_interval", "24h");
    harness.set("park.max_probe_interval", "24h");
    harness.enqueue(8).await;
    harness.run_until_done().await;
    harness
        .await_states(&[(JobState::Finished, 7), (JobState::Failed, 1)])
        .await;
    let failed = "SELECT error_kind || ' ' || error_status || ' ' || error_hint FROM jobs \
                  WHERE name = 'job-3'";
    let output = harness.sql(failed).await.unwrap().remove(0);
    assert!(output.starts_with("bad_request 403"), "{output}");
    assert!(output.contains("premium"), "{output}");
    let gates = harness.sql("SELECT reason FROM gates").await.unwrap();
    assert_eq!(gates, [""; 0]);
}

#[tokio::test]
async fn a_limit_told_as_400_fails_two_jobs_and_holds_the_rest_by_one_canary() {
    let limit = "create status=400 body=\"Parser limit reached for this account.\"";
    for restarts in [false, true] {
        let mut harness = Harness::new(&[limit]).await;
        harness.set("workers.max_requests", "4");
        harness.enqueue(30).await;
        let running = harness.start(Until::Stopped).await;
        let creates = || harness.requests(Endpoint::Create);
        harness
            .wait_until("canaries try", async || creates() >= 8)
            .await;
        let running = if restarts {
            running.stopped().await;
            harness.start(Until::Stopped).await
        } else {
            running
        };
        let before = creates();
        harness
            .wait_until("more canaries try", async || creates() >= before + 2)
            .await;
        // No more than were under way when the gate closed, and one canary a probe since.
        assert_eq!(harness.states().await[&JobState::Failed], 2);
        let output = "SELECT DISTINCT park_reason || ' ' || error_message FROM jobs \
                    WHERE state = 'PARKED' AND error_status = 400";
        assert_eq!(
            harness.sql(output).await.unwrap(),
            ["credits Parser limit reached for this account."]
        );
        harness.server.with(|simulator| simulator.faults.clear());
        // Two are not the service's any more: they wait for a person.
        harness
            .await_states(&[(JobState::Finished, 28), (JobState::Failed, 2)])
            .await;
        running.stopped().await;
        harness.assert_one_parser_each(28);
    }
}

#[tokio::test]
async fn a_maintenance_with_retry_after_holds_creates_and_lists_and_uses_up_no_attempt() {
    // Longer than the daemon's own patience by far: it is the header that holds it.
    let down = "any status=503 retry-after=1s until=2s";
    let mut harness = Harness::new(&[down]).await;
    harness.set("retry.max_attempts", "1");
    harness.enqueue(12).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 12)]).await;
    harness.assert_one_parser_each(12);
    let refused = |endpoint| {
        harness
            .server
            .with(|simulator| simulator.traffic.count_status(endpoint, Some(503)))
    };
    // One a second, and those that were under way together.
    assert!(refused(Endpoint::List) <= 3, "{}", refused(Endpoint::List));
}

#[tokio::test]
async fn creates_that_are_asked_to_come_later_are_no_attempts() {
    let down = "create status=503 retry-after=1s until=1s";
    let mut harness = Harness::new(&[down]).await;
    harness.set("retry.max_attempts", "1");
    harness.enqueue(12).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 12)]).await;
    harness.assert_one_parser_each(12);
    let attempts = harness.sql("SELECT sum(attempts) FROM jobs").await.unwrap();
    assert_eq!(attempts, ["0"]);
    // Those under way together, and one create each once it is over.
    assert!(harness.requests(Endpoint::Create) <= 12 + 12);
}
