//! The daemon against the simulator over HTTP, in one process.

mod common;

use common::Harness;
use parserd::{
    daemon::Until,
    job::JobState,
    simulator::{Endpoint, WorldConfig},
};

#[tokio::test]
async fn jobs_go_from_queued_to_finished() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(20).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 20)]).await;
    harness.assert_one_parser_each(20);
}

#[tokio::test]
async fn half_the_creates_answered_500_and_half_of_those_made_all_the_same() {
    let harness = Harness::new(&[
        "create status=500 after p=0.25",
        "create status=500 before p=0.3333",
    ])
    .await;
    harness.enqueue(60).await;
    harness.run_until_done().await;
    let states = harness.states().await;
    let ended =
        states.get(&JobState::Finished).unwrap_or(&0) + states.get(&JobState::Failed).unwrap_or(&0);
    assert_eq!(ended, 60, "{states:?}");
    let names = harness.parsers_by_name();
    assert!(names.values().all(|parsers| *parsers == 1), "{names:?}");
}

#[tokio::test]
async fn every_answer_to_a_create_lost_after_its_effect_and_still_one_parser_each() {
    let harness = Harness::new(&["create lose after"]).await;
    harness.enqueue(30).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 30)]).await;
    harness.assert_one_parser_each(30);
}

#[tokio::test]
async fn credits_for_thirty_of_a_hundred_then_credits_again() {
    let world = WorldConfig {
        credits: Some(29 * 30_000),
        ..WorldConfig::default()
    };
    let harness = Harness::with(world, &[]).await;
    harness.enqueue(100).await;
    let running = harness.start(Until::AllTerminal).await;
    let refused = |harness: &Harness| {
        harness
            .server
            .with(|simulator| simulator.traffic.count_status(Endpoint::Create, Some(402)))
    };
    let store = harness.store().await;
    tokio::time::timeout(common::PATIENCE, async {
        while store.counts().await.unwrap().of(JobState::Finished) < 30 || refused(&harness) < 18 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    let counts = store.counts().await.unwrap();
    assert_eq!(counts.of(JobState::Finished), 30);
    assert_eq!(counts.of(JobState::Failed), 0);
    harness
        .server
        .with(|simulator| simulator.world.add_credits(70 * 30_000));
    running.ended().await;
    harness.await_states(&[(JobState::Finished, 100)]).await;
    harness.assert_one_parser_each(100);
}

#[tokio::test]
async fn with_a_wrong_key_nothing_fails_and_with_the_right_one_all_finish() {
    let mut harness = Harness::new(&[]).await;
    harness.enqueue(10).await;
    harness.set("api.key", "wrong-key");
    harness.run_until_done().await;
    let states = harness.states().await;
    assert_eq!(states.get(&JobState::Failed), None, "{states:?}");
    assert!(states.contains_key(&JobState::Parked), "{states:?}");
    harness.set("api.key", "demo-key");
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 10)]).await;
    harness.assert_one_parser_each(10);
}
