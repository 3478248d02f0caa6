//! Lists that cannot be read, in part or at all.

use crate::common::Harness;
use parserd::{
    core::job::JobState,
    simulator::Endpoint,
    store::{Facts as _, NO_LIST},
};

#[tokio::test]
async fn an_item_of_the_list_that_cannot_be_read_stops_no_create() {
    for fault in [
        "list item=null",
        "list item={'id':'other','name':null}",
        "list item={'id':'other','name':'\\ud800'}",
        "list item={'name':NaN}",
        // Its own parsers without a name: they are known all the same.
        "list missing=name",
    ] {
        let harness = Harness::new(&[fault]).await;
        harness.enqueue(6).await;
        harness.run_until_done().await;
        harness.await_states(&[(JobState::Finished, 6)]).await;
        harness.assert_one_parser_each(6);
    }
}

#[tokio::test]
async fn an_item_that_cannot_be_read_proves_no_absence() {
    // The parser is there, and the item that hides it is no proof that it is not.
    let faults = [
        "create status=500 after first=1",
        "list raw=name:null nth=2-",
    ];
    let harness = Harness::new(&faults).await;
    harness.enqueue(1).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Parked, 1)]).await;
    let why = harness.sql("SELECT park_reason FROM jobs").await.unwrap();
    assert_eq!(why, ["ambiguous"]);
    harness.assert_one_parser_each(1);
    assert_eq!(harness.requests(Endpoint::Create), 1);
}

#[tokio::test]
async fn null_in_the_place_of_an_empty_list_lets_creates_through_until_a_parser_is_known() {
    let mut harness = Harness::new(&["list status=200 body=null first=1"]).await;
    harness.enqueue(3).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 3)]).await;
    harness.assert_one_parser_each(3);

    // With parsers known it is no list at all, and without a list nothing is created.
    let rule = "list status=200 body=null".parse().unwrap();
    harness.server.with(|simulator| simulator.faults.add(rule));
    // Lists that lag by less than this are held against them.
    harness.set("reconcile.settle_after_error", "1ms");
    harness
        .sql("INSERT INTO jobs (name, urls) VALUES ('late', '[\"https://late.example/x\"]')")
        .await
        .unwrap();
    harness.run_until_done().await;
    harness
        .await_states(&[(JobState::Finished, 3), (JobState::Queued, 1)])
        .await;
    assert_eq!(harness.requests(Endpoint::Create), 3);
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_told_with_its_cause_and_ends_a_run_until_done() {
    let harness = Harness::new(&["list status=200 body={}"]).await;
    harness.enqueue(2).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Queued, 2)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 0);
    let store = harness.store().await;
    let output = store.fact(NO_LIST).await.unwrap().flatten().unwrap();
    assert_eq!(output.http_status, 200);
    assert!(output.why.contains("expected a JSON array"), "{output:?}");

    harness.server.with(|simulator| simulator.faults.clear());
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 2)]).await;
    assert_eq!(store.fact(NO_LIST).await.unwrap().flatten(), None);
    store.close().await;
}
