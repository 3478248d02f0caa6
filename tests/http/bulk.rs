//! What is done to several jobs at once: chosen, confirmed, done.

use parserd::core::job::JobState;

use super::{actions::Operator, site::Site};
use crate::common::Harness;

/// Five jobs, of which two are FAILED and the others FINISHED.
async fn two_failed() -> Site {
    let mut harness = Harness::new(&["create status=400 nth=1", "create status=400 nth=3"]).await;
    harness.set("workers.max_requests", "1");
    harness.enqueue(5).await;
    let site = Site::with_actions(harness).await;
    site.harness
        .await_states(&[(JobState::Failed, 2), (JobState::Finished, 3)])
        .await;
    site
}

/// The ids of the jobs in a state.
async fn ids(site: &Site, state: &str) -> Vec<String> {
    let sql = format!("SELECT id FROM jobs WHERE state = '{state}' ORDER BY id");
    site.harness.sql(&sql).await.unwrap()
}

#[tokio::test]
async fn chosen_jobs_are_retried_after_the_price_was_said() {
    let site = two_failed().await;
    let operator = Operator::of(&site).await;
    let (failed, finished) = (ids(&site, "FAILED").await, ids(&site, "FINISHED").await);
    let chosen = [
        ("action", "retry"),
        ("job", &failed[0]),
        ("job", &finished[0]),
        ("job", &failed[1]),
        ("job", "99"),
    ];
    let (status, page) = operator.act("/jobs", &chosen).await;
    assert_eq!(status, 200);
    for words in [
        "Retry 2 jobs: up to 60,000 credits",
        "2 jobs will be created again",
        "it is FINISHED, where this is not possible",
        "there is no such job",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    site.harness
        .await_states(&[(JobState::Failed, 2), (JobState::Finished, 3)])
        .await;
    let confirmed = [
        ("action", "retry"),
        ("job", &failed[0]),
        ("job", &failed[1]),
        ("jobs", "2"),
        ("credits", "60000"),
    ];
    let (status, page) = operator.act("/jobs/bulk", &confirmed).await;
    assert_eq!(status, 200);
    assert!(page.contains("2 jobs retried"), "{page}");
    site.harness.await_states(&[(JobState::Finished, 5)]).await;
    // The same once more, as a browser does that goes back: nothing is left to do.
    let (_, page) = operator.act("/jobs/bulk", &confirmed).await;
    assert!(page.contains("0 jobs retried"), "{page}");
    site.harness.assert_one_parser_each(5);
    site.closed().await;
}

#[tokio::test]
async fn without_a_ticked_box_the_page_says_what_to_do() {
    let site = two_failed().await;
    let operator = Operator::of(&site).await;
    for path in ["/jobs", "/jobs/bulk"] {
        let chosen = [("action", "retry"), ("state", "FAILED")];
        let (status, page) = operator.act(path, &chosen).await;
        assert_eq!(status, 200);
        assert!(page.contains("Tick the boxes beside the jobs"), "{page}");
        assert!(page.contains("href=\"/jobs?state=FAILED\""), "{page}");
    }
    site.harness
        .await_states(&[(JobState::Failed, 2), (JobState::Finished, 3)])
        .await;
    site.closed().await;
}

#[tokio::test]
async fn what_became_more_than_was_confirmed_is_confirmed_anew() {
    let site = two_failed().await;
    let operator = Operator::of(&site).await;
    let all = |action, jobs, credits| {
        [
            ("action", action),
            ("all", "yes"),
            ("state", "FAILED"),
            ("error_kind", "bad_request"),
            ("jobs", jobs),
            ("credits", credits),
        ]
    };
    let (_, page) = operator.act("/jobs", &all("retry", "", "")).await;
    assert!(
        page.contains("Retry 2 jobs: up to 60,000 credits"),
        "{page}"
    );
    for (jobs, credits) in [("1", "60000"), ("2", "30000"), ("", "")] {
        let (status, page) = operator
            .act("/jobs/bulk", &all("retry", jobs, credits))
            .await;
        assert_eq!(status, 200);
        assert!(page.contains("Nothing was done"), "{page}");
        assert!(
            page.contains("Retry 2 jobs: up to 60,000 credits"),
            "{page}"
        );
    }
    site.harness
        .await_states(&[(JobState::Failed, 2), (JobState::Finished, 3)])
        .await;
    let (_, page) = operator
        .act("/jobs/bulk", &all("retry", "2", "60000"))
        .await;
    assert!(page.contains("2 jobs retried"), "{page}");
    site.harness.await_states(&[(JobState::Finished, 5)]).await;
    for action in ["delete", ""] {
        assert_eq!(operator.act("/jobs", &all(action, "", "")).await.0, 403);
    }
    site.closed().await;
}

#[tokio::test]
async fn a_job_that_changed_in_between_is_named() {
    let site = two_failed().await;
    let operator = Operator::of(&site).await;
    let failed = ids(&site, "FAILED").await;
    let chosen = [
        ("action", "cancel"),
        ("job", &failed[0]),
        ("job", &failed[1]),
        ("jobs", "2"),
        ("credits", "0"),
    ];
    let (_, page) = operator.act("/jobs", &chosen).await;
    assert!(page.contains("This is final."), "{page}");
    assert!(page.contains("Cancel 2 jobs for good"), "{page}");
    let (status, _) = operator
        .act(&format!("/jobs/{}/cancel", failed[0]), &[])
        .await;
    assert_eq!(status, 303);
    let (_, page) = operator.act("/jobs/bulk", &chosen).await;
    assert!(page.contains("1 job cancelled"), "{page}");
    assert!(
        page.contains("it is CANCELLED, where this is not possible"),
        "{page}"
    );
    site.harness
        .await_states(&[(JobState::Cancelled, 2), (JobState::Finished, 3)])
        .await;
    site.closed().await;
}

#[tokio::test]
async fn parked_jobs_are_resumed_and_a_closed_gate_is_named() {
    let mut harness = Harness::new(&["create status=402"]).await;
    harness.set("park.probe_interval", "1h");
    harness.set("park.max_probe_interval", "1h");
    harness.set("workers.max_requests", "1");
    harness.enqueue(3).await;
    let site = Site::with_actions(harness).await;
    site.await_metric("parserd_jobs_parked{reason=\"credits\"}", 3.0)
        .await;
    let operator = Operator::of(&site).await;
    let all = [
        ("action", "resume"),
        ("all", "yes"),
        ("park_reason", "credits"),
    ];
    let (_, page) = operator.act("/jobs", &all).await;
    assert!(
        page.contains("Resume 3 jobs: up to 90,000 credits"),
        "{page}"
    );
    assert!(page.contains("Creating is paused (credits)"), "{page}");
    site.closed().await;
}
