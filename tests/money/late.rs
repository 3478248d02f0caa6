//! Creates that land, or show, later than their answers suggest.

use parserd::store::{Facts as _, LIST_LAG};
use parserd::{core::job::JobState, simulator::Endpoint};

use crate::common::Harness;

#[tokio::test]
async fn a_gateways_word_takes_the_long_settling_time() {
    for status in [408, 499, 501, 502, 503, 504, 520, 524] {
        // Later than settle_after_error, and well before settle is over.
        let fault = format!("create status={status} land-late=300ms");
        let mut harness = Harness::new(&[&fault]).await;
        harness.set("reconcile.settle", "1500ms");
        harness.set("reconcile.settle_after_error", "60ms");
        harness.enqueue(3).await;
        make_lists_quick(&harness).await;
        harness.run_until_done().await;
        harness.await_states(&[(JobState::Finished, 3)]).await;
        assert_eq!(harness.requests(Endpoint::Create), 3, "{status}");
    }
}

#[tokio::test]
async fn a_500_takes_the_short_time_only_where_lists_were_seen_to_be_quick() {
    let mut harness = Harness::new(&["create status=500 after show-late=300ms"]).await;
    harness.set("reconcile.settle", "1500ms");
    harness.set("reconcile.settle_after_error", "60ms");
    harness.enqueue(3).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 3)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 3);
    // Where they were, nobody waits for the long time.
    let mut harness = Harness::new(&["create status=500 before nth=1 per-name"]).await;
    harness.set("reconcile.settle", "1h");
    harness.set("reconcile.settle_after_error", "60ms");
    harness.enqueue(3).await;
    make_lists_quick(&harness).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 3)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 6);
}

#[tokio::test]
async fn how_soon_lists_show_new_parsers_is_measured_and_kept() {
    let mut harness = Harness::new(&["create lose before name=job-3 nth=1"]).await;
    harness.set("workers.max_requests", "1");
    harness.enqueue(4).await;
    // The lists for the create in doubt show those that were made just before.
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 4)]).await;
    let store = harness.store().await;
    let evidence = store.fact(LIST_LAG).await.unwrap().unwrap_or_default();
    store.close().await;
    assert!(evidence.shown_within_ms.len() >= 3, "{evidence:?}");
    assert_eq!(evidence.hidden_for_ms, 0, "{evidence:?}");
    // A list that lags is seen for what it is.
    let mut harness = Harness::new(&[
        "create show-late=1h name=job-0",
        "create lose before name=job-1 nth=1",
    ])
    .await;
    harness.set("workers.max_requests", "1");
    harness.set("reconcile.settle", "60ms");
    harness.enqueue(2).await;
    harness.run_until_done().await;
    let store = harness.store().await;
    let evidence = store.fact(LIST_LAG).await.unwrap().unwrap_or_default();
    store.close().await;
    assert!(evidence.hidden_for_ms > 0, "{evidence:?}");
}

async fn make_lists_quick(harness: &Harness) {
    let store = harness.store().await;
    let evidence = parserd::core::list_lag::LagSamples {
        shown_within_ms: [0; 3].into(),
        ..Default::default()
    };
    store.keep(LIST_LAG, &evidence).await.unwrap();
    store.close().await;
}
