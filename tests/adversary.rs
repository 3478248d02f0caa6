//! What nobody tried: faults, kills and operators together, and what must hold then.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

#[allow(unused_imports)]
use std::time::Duration;

use common::Harness;
use parserd::{
    daemon::Until,
    job::JobState,
    simulator::{Endpoint, WorldConfig},
};

#[tokio::test]
async fn a_job_that_waits_for_room_is_claimed_when_there_is_some() {
    // Polls under way are claimed too, and jobs found due beyond the room must be found again.
    let mut harness = Harness::new(&[
        "get delay=60ms every=2",
        "get delay=35ms",
        "create generation=40ms every=2",
        "create generation=90ms every=3",
        "create generation=150ms",
    ])
    .await;
    harness.set("workers.max_generating", "6");
    harness.enqueue(30).await;
    let running = harness.start(Until::AllTerminal).await;
    harness.await_states(&[(JobState::Finished, 30)]).await;
    running.ended().await;
    harness.assert_one_parser_each(30);
}
