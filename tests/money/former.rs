//! A job that had a parser, and is tried again.

use parserd::{core::job::JobState, engine::daemon::Until, simulator::Endpoint};

use crate::common::Harness;

async fn retry(harness: &Harness) {
    let retried = "UPDATE jobs SET state = 'QUEUED' WHERE state = 'FAILED'";
    harness.sql(retried).await.unwrap();
    harness.server.with(|simulator| simulator.faults.clear());
    harness.run_until_done().await;
}

#[tokio::test]
async fn a_parser_that_said_failed_once_and_is_finished_now_is_taken_and_nothing_paid() {
    for name_tag in ["true", "false"] {
        let mut harness = Harness::new(&[
            "get say=FINISHED:FAILED first=1000",
            "get say=GENERATING:FAILED first=1000",
        ])
        .await;
        harness.set("create.name_tag", name_tag);
        harness.enqueue(3).await;
        harness.run_until_done().await;
        harness.await_states(&[(JobState::Failed, 3)]).await;
        retry(&harness).await;
        harness.await_states(&[(JobState::Finished, 3)]).await;
        assert_eq!(harness.requests(Endpoint::Create), 3, "{name_tag}");
    }
}

#[tokio::test]
async fn a_parser_that_was_answered_404_for_a_while_is_taken_and_nothing_paid() {
    let mut harness = Harness::new(&["get status=404", "list limit=0"]).await;
    harness.set("reconcile.settle", "60ms");
    harness.enqueue(2).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Failed, 2)]).await;
    retry(&harness).await;
    harness.await_states(&[(JobState::Finished, 2)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 2);
}

#[tokio::test]
async fn a_parser_that_failed_for_good_is_made_anew_by_a_retry_that_asks_first() {
    let harness = Harness::new(&["create fail=\"no luck\" nth=1"]).await;
    harness.enqueue(1).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Failed, 1)]).await;
    let asked = harness.requests(Endpoint::Get);
    retry(&harness).await;
    harness.await_states(&[(JobState::Finished, 1)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 2);
    assert!(
        harness.requests(Endpoint::Get) > asked + 1,
        "it was not asked for"
    );
}

#[tokio::test]
async fn an_edited_job_takes_no_parser_of_what_it_was_before() {
    let harness = Harness::new(&["get say=FINISHED:FAILED first=1000"]).await;
    harness.enqueue(1).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Failed, 1)]).await;
    let edit = "UPDATE jobs SET urls = '[\"https://other.example/\"]'";
    harness.sql(edit).await.unwrap();
    retry(&harness).await;
    harness.await_states(&[(JobState::Finished, 1)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 2);
}

#[tokio::test]
async fn a_2xx_with_another_id_than_the_parsers_leads_to_the_parser_by_its_name() {
    let wrong = "create status=201 body=\"{\\\"id\\\": \\\"wrong-{n}\\\"}\" after";
    let wrong = wrong.replace("{n}", "1");
    let harness = Harness::new(&[&wrong]).await;
    harness.enqueue(1).await;
    harness.start(Until::AllTerminal).await.ended().await;
    harness.await_states(&[(JobState::Finished, 1)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 1);
    let held = harness.sql("SELECT parser_id FROM jobs").await.unwrap();
    let made = harness
        .server
        .with(|simulator| simulator.world.parsers(i64::MAX).remove(0).id);
    assert_eq!(held, [made]);
}

#[tokio::test]
async fn one_id_answered_to_several_creates_is_held_by_none_that_is_not_its_own() {
    let same = "create status=201 body=\"{\\\"id\\\": \\\"same\\\"}\" after";
    let harness = Harness::new(&[same]).await;
    harness.enqueue(8).await;
    harness.start(Until::AllTerminal).await.ended().await;
    harness.await_states(&[(JobState::Finished, 8)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 8);
    let held = harness
        .sql("SELECT count(DISTINCT parser_id) FROM jobs WHERE parser_id <> 'same'")
        .await
        .unwrap();
    assert_eq!(held, ["8"]);
    let open = harness
        .sql("SELECT count(*) FROM creates WHERE outcome = 'pending'")
        .await
        .unwrap();
    assert_eq!(open, ["0"]);
    harness.assert_one_parser_each(8);
}
