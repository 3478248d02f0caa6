//! A service that stores names otherwise than they were sent.

use parserd::{core::job::JobState, engine::daemon::Until, simulator::Endpoint};

use crate::common::Harness;

/// Jobs whose names every alteration changes, and plain ones beside them.
async fn enqueue_odd(harness: &Harness) {
    harness.store().await.close().await;
    for (n, name) in [
        "plain",
        "Tom & Jérôme''s <b>",
        "two  blanks",
        "Caf\u{e9} Über",
        "日本の店",
    ]
    .iter()
    .enumerate()
    {
        let insert = format!(
            "INSERT INTO jobs (name, urls) VALUES ('{name}', '[\"https://{n}.example/\"]')"
        );
        harness.sql(&insert).await.unwrap();
    }
}

#[tokio::test]
async fn an_altered_name_with_a_lost_answer_is_found_by_its_tag_and_paid_once() {
    for change in [
        "lower",
        "trim",
        "slug",
        "escape",
        "collapse",
        "nfc",
        "ascii",
        "suffix:-1",
    ] {
        let fault = format!("create lose after alter-name={change}");
        let mut harness = Harness::new(&[&fault]).await;
        harness.set("budget.max_credits", "150000");
        enqueue_odd(&harness).await;
        harness.run_until_done().await;
        harness.await_states(&[(JobState::Finished, 5)]).await;
        assert_eq!(harness.requests(Endpoint::Create), 5, "{change}");
        let spent = harness
            .sql("SELECT sum(credits) FROM creates WHERE outcome = 'made'")
            .await
            .unwrap();
        assert_eq!(spent, ["150000"], "{change}");
    }
}

#[tokio::test]
async fn a_lost_database_finds_altered_parsers_again_and_pays_nothing() {
    for change in ["lower", "slug", "escape", "ascii", "suffix: (2)"] {
        let fault = format!("create \"alter-name={change}\"");
        let harness = Harness::new(&[&fault]).await;
        enqueue_odd(&harness).await;
        harness.run_until_done().await;
        super::lose_database(&harness);
        enqueue_odd(&harness).await;
        harness.run_until_done().await;
        harness.await_states(&[(JobState::Finished, 5)]).await;
        assert_eq!(harness.requests(Endpoint::Create), 5, "{change}");
    }
}

#[tokio::test]
async fn where_a_cut_may_have_taken_the_tag_a_person_is_told_which_parser_it_may_be() {
    for length in [8, 12, 20] {
        let fault = format!("create lose after alter-name=cut:{length}");
        let mut harness = Harness::new(&[&fault]).await;
        harness.set("reconcile.settle", "60ms");
        let insert = "INSERT INTO jobs (name, urls) VALUES \
             ('a-rather-long-name', '[\"https://a.example/\"]')";
        harness.store().await.close().await;
        harness.sql(insert).await.unwrap();
        harness.run_until_done().await;
        harness.await_states(&[(JobState::Parked, 1)]).await;
        assert_eq!(harness.requests(Endpoint::Create), 1, "{length}");
        let made = harness
            .server
            .with(|simulator| simulator.world.parsers(i64::MAX).remove(0).id);
        let output = harness
            .sql("SELECT park_reason || ' ' || candidates || ' ' || error_message FROM jobs")
            .await
            .unwrap();
        assert!(output[0].starts_with("ambiguous "), "{output:?}");
        assert_eq!(output[0].matches(&made).count(), 2, "{output:?}");
        // A lost database does not pay for it either.
        super::lose_database(&harness);
        harness.store().await.close().await;
        harness.sql(insert).await.unwrap();
        harness.run_until_done().await;
        harness.await_states(&[(JobState::Parked, 1)]).await;
        assert_eq!(harness.requests(Endpoint::Create), 1, "{length}");
    }
}

#[tokio::test]
async fn without_a_tag_other_spellings_are_found_too() {
    let mut harness = Harness::new(&["create lose after alter-name=escape"]).await;
    harness.set("create.name_tag", "false");
    enqueue_odd(&harness).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 5)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 5);
}

#[tokio::test]
async fn a_parser_that_nothing_explains_and_that_came_since_is_no_absence() {
    // Its name is replaced whole.
    let mut harness = Harness::new(&["create status=500 before"]).await;
    harness.set("reconcile.settle", "200ms");
    harness.enqueue(1).await;
    let running = harness.start(Until::NoProgress).await;
    harness.await_states(&[(JobState::Creating, 1)]).await;
    harness
        .wait_until("the create", async || {
            harness.requests(Endpoint::Create) == 1
        })
        .await;
    harness.server.with(|simulator| {
        let now = parserd::clock::Clock::system().now();
        let inserted = parserd::simulator::Inserted {
            name: "something else".to_owned(),
            ..Default::default()
        };
        simulator.world.insert_parser(now, inserted)
    });
    running.ended().await;
    assert_eq!(harness.requests(Endpoint::Create), 1);
    let output = harness
        .sql("SELECT state || ' ' || park_reason || ' ' || error_message FROM jobs")
        .await
        .unwrap();
    assert!(output[0].starts_with("PARKED ambiguous "), "{output:?}");
    assert!(output[0].contains("nothing explains"), "{output:?}");
}
