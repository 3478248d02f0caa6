//! Another address, or another key, for a while.

use parserd::{
    core::job::JobState,
    engine::daemon::Until,
    simulator::{Endpoint, WorldConfig},
    store::Accounts as _,
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
        let output = store.elsewhere().await.unwrap().unwrap();
        store.close().await;
        assert_eq!(output.generating + output.in_doubt, 2, "{output:?}");
        // Back again: what was parked for want of proof is looked for, for nothing.
        harness.settings = right;
        harness.server.with(|simulator| simulator.faults.clear());
        harness.set("poll.timeout", "1h");
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

#[tokio::test]
async fn a_parser_that_a_person_chose_belongs_to_the_account_in_which_it_was_seen() {
    let mut harness = Harness::new(&["create lose before"]).await;
    harness.enqueue(1).await;
    harness.set("reconcile.settle", "2s");
    harness.set("poll.timeout", "200ms");
    let running = harness.start(Until::Stopped).await;
    harness.await_states(&[(JobState::Creating, 1)]).await;
    harness
        .wait_until("a create in doubt", async || {
            !harness
                .sql("SELECT 1 FROM jobs WHERE doubt_since IS NOT NULL")
                .await
                .unwrap()
                .is_empty()
        })
        .await;
    running.killed().await;
    // It is settled with a parser of another account, which a person found there.
    let other = elsewhere("another-key").await;
    let id = other.server.with(|simulator| {
        let now = i64::MAX / 2;
        simulator.world.insert_parser(
            now,
            parserd::simulator::Inserted {
                name: "somebody's".to_owned(),
                ..parserd::simulator::Inserted::default()
            },
        )
    });
    let right = harness.settings.clone();
    harness.set("reconcile.settle", "20ms");
    harness.set("api.base_url", &other.server.base_url());
    harness.set("api.key", "another-key");
    let running = harness.start(Until::Stopped).await;
    harness
        .wait_until("a list there", async || other.requests(Endpoint::List) > 0)
        .await;
    running.killed().await;
    let store = harness.store().await;
    let job = store.find("1").await.unwrap().unwrap();
    let word = parserd::engine::operator::Word::Adopt(parserd::core::job::ParserId(id.clone()));
    let policy = parserd::wiring::policy(&harness.settings());
    let asking = parserd::engine::operator::AskService::<parserd::api::client::Client>::Skipped;
    let settled =
        parserd::engine::operator::settle(&store, &policy, job, &word, asking, 1_000).await;
    assert!(
        matches!(settled, Ok(parserd::engine::operator::Settled::Done(_))),
        "{settled:?}"
    );
    store.close().await;
    // Asked at the first address again, which does not have it.
    harness.settings = right;
    let running = harness.start(Until::Stopped).await;
    let gets = harness.requests(Endpoint::Get);
    harness
        .wait_until("polls", async || harness.requests(Endpoint::Get) > gets + 6)
        .await;
    harness.await_states(&[(JobState::Generating, 1)]).await;
    running.stopped().await;
}
