//! How many lists are asked for, and what they are worth.

use parserd::{core::job::JobState, simulator::Endpoint};

use crate::common::Harness;

#[tokio::test]
async fn creates_in_doubt_share_one_list() {
    let mut harness = Harness::new(&["create status=503 before nth=1 per-name"]).await;
    harness.set("reconcile.settle", "1500ms");
    harness.set("reconcile.settle_after_error", "1500ms");
    harness.set("retry.initial_interval", "1s");
    harness.set("retry.max_interval", "1s");
    let count = 120;
    harness.enqueue(count).await;
    harness.run_until_done().await;
    harness
        .await_states(&[(JobState::Finished, i64::try_from(count).unwrap())])
        .await;
    assert_eq!(harness.requests(Endpoint::Create), 240);
    // Each took three at the least.
    let lists = harness.requests(Endpoint::List);
    assert!(lists < 130, "{lists} lists");
}

#[tokio::test]
async fn where_the_status_in_the_list_lags_parsers_are_asked_for_by_themselves() {
    let harness = Harness::new(&["list say=FINISHED:GENERATING"]).await;
    harness.enqueue(80).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 80)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 80);
}
