//! Another address, or another key, for a while.

use parserd::{
    daemon::Until,
    job::JobState,
    simulator::{Endpoint, WorldConfig},
};

use crate::common::Harness;

async fn elsewhere(key: &str) -> Harness {
    let world = WorldConfig {
        key: key.to_owned(),
        seed: 9,
        ..WorldConfig::default()
    };
    Harness::with(world, &[]).await
}

#[tokio::test]
async fn another_address_for_a_while_fails_no_job_and_pays_for_none_again() {
    for key in ["demo-key", "another-key"] {
        let mut harness = Harness::new(&[
            "create generation=1h name=job-0",
            "create lose after name=job-1",
            "list lose nth=2-",
        ])
        .await;
        harness.set("poll.timeout", "200ms");
        harness.enqueue(2).await;
        harness.set("reconcile.settle", "2s");
        let running = harness.start(Until::Stopped).await;
        harness
            .await_states(&[(JobState::Generating, 1), (JobState::Creating, 1)])
            .await;
        harness
            .wait_until("both creates", async || {
                harness.requests(Endpoint::Create) == 2
            })
            .await;
        running.killed().await;
        let other = elsewhere(key).await;
        let right = harness.settings.clone();
        harness.set("reconcile.settle", "20ms");
        harness.set("api.base_url", &other.server.base_url());
        harness.set("api.key", key);
        let running = harness.start(Until::Stopped).await;
        harness
            .wait_until("polls and lists", async || {
                other.requests(Endpoint::Get) > 12 && other.requests(Endpoint::List) > 1
            })
            .await;
        running.stopped().await;
        assert_eq!(other.requests(Endpoint::Create), 0, "{key}");
        let failed = harness
            .sql("SELECT error_message FROM jobs WHERE state = 'FAILED'")
            .await
            .unwrap();
        assert!(failed.is_empty(), "{failed:?}");
        let store = harness.store().await;
        let told = store.elsewhere().await.unwrap().unwrap();
        store.close().await;
        assert_eq!(told.generating + told.in_doubt, 2, "{told:?}");
        // Back again: what was parked for want of proof is looked for, for nothing.
        harness.settings = right;
        harness.server.with(|simulator| simulator.faults.clear());
        harness.set("poll.timeout", "1h");
        harness
            .sql("UPDATE jobs SET state = 'QUEUED' WHERE state = 'PARKED'")
            .await
            .unwrap();
        let running = harness.start(Until::Stopped).await;
        harness
            .await_states(&[(JobState::Finished, 1), (JobState::Generating, 1)])
            .await;
        running.stopped().await;
        assert_eq!(harness.requests(Endpoint::Create), 2, "{key}");
        let store = harness.store().await;
        assert_eq!(store.elsewhere().await.unwrap(), None, "{key}");
        store.close().await;
    }
}

#[tokio::test]
async fn another_key_of_the_same_account_is_known_by_the_parsers_that_it_shows() {
    let mut harness = Harness::new(&["create generation=300ms"]).await;
    harness.enqueue(2).await;
    let running = harness.start(Until::Stopped).await;
    harness.await_states(&[(JobState::Generating, 2)]).await;
    running.killed().await;
    harness
        .server
        .with(|simulator| simulator.world.set_key("renewed"));
    harness.set("api.key", "renewed");
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 2)]).await;
    let store = harness.store().await;
    assert_eq!(store.elsewhere().await.unwrap(), None);
    store.close().await;
}
