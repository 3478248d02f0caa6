//! Others use the account too.

use parserd::{
    core::job::JobState,
    engine::daemon::Until,
    simulator::{Endpoint, Inserted},
};

use crate::common::{Harness, spec};

fn insert_twins(harness: &Harness, count: usize) {
    let name = spec(0).remote_name(0, true);
    let now_ms = harness.server.now_ms();
    harness.server.with(|simulator| {
        for _ in 0..count {
            simulator.world.insert_parser(
                now_ms,
                Inserted {
                    name: name.clone(),
                    ..Inserted::default()
                },
            );
        }
    });
}

async fn assert_parked_ambiguous(harness: &Harness, posts: u64) {
    let reasons = harness
        .sql("SELECT state || ' ' || park_reason FROM jobs")
        .await
        .unwrap();
    assert_eq!(reasons, ["PARKED ambiguous"]);
    assert_eq!(harness.requests(Endpoint::Create), posts);
}

#[tokio::test]
async fn two_parsers_of_one_name_before_a_create_are_for_a_person_and_nothing_is_paid() {
    let harness = Harness::new(&[]).await;
    insert_twins(&harness, 2);
    harness.enqueue(1).await;
    harness.run_until_done().await;
    assert_parked_ambiguous(&harness, 0).await;
    // A restart asks the same person.
    harness.run_until_done().await;
    assert_parked_ambiguous(&harness, 0).await;
}

/// `parserd resolve job-0` and more: its exit code, and what it tells and says.
async fn resolve(harness: &Harness, args: &[&str]) -> (Option<i32>, String, String) {
    use crate::common::program::{Program, parserd, stderr};
    let args = [&["resolve", "job-0"], args].concat();
    let output = Program::start(parserd(harness, &args)).ended().await;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), printed, stderr(&output))
}

#[tokio::test]
async fn two_parsers_of_one_name_after_a_lost_answer_are_for_a_person_who_settles_it() {
    let harness = Harness::new(&["create lose before delay=300ms"]).await;
    harness.enqueue(1).await;
    let running = harness.start(Until::NoProgress).await;
    harness
        .wait_until("a create", async || harness.requests(Endpoint::Create) == 1)
        .await;
    insert_twins(&harness, 2);
    running.ended().await;
    assert_parked_ambiguous(&harness, 1).await;
    let own = harness
        .server
        .with(|simulator| simulator.world.parsers(i64::MAX));
    let foreign = harness.server.with(|simulator| {
        let inserted = Inserted {
            name: "films".to_owned(),
            ..Inserted::default()
        };
        simulator.world.insert_parser(0, inserted)
    });
    let (code, printed, said) = resolve(&harness, &[]).await;
    assert_eq!(code, Some(0), "{said}");
    for parser in &own {
        let line = printed
            .lines()
            .find(|line| line.contains(&parser.id))
            .unwrap();
        assert!(line.contains(&parser.name), "{line}");
        assert!(
            line.contains("FINISHED") && !line.contains("unknown"),
            "{line}"
        );
    }
    assert!(!printed.contains(&foreign), "{printed}");
    assert!(
        said.contains("2 parsers of the account have its name"),
        "{said}"
    );
    for (id, why) in [
        ("typo", "the service has no parser typo"),
        (foreign.as_str(), "is named \"films\""),
    ] {
        let (code, _, said) = resolve(&harness, &["--adopt", id]).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(why) && said.contains("--force"), "{said}");
    }
    assert_parked_ambiguous(&harness, 1).await;
    let (code, _, said) = resolve(&harness, &["--adopt", &own[1].id]).await;
    assert_eq!(code, Some(0), "{said}");
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 1)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 1);
}

/// Lists and single answers come from a copy of the service's data that lags.
#[tokio::test]
async fn a_service_that_lags_behind_its_own_creates_is_not_taken_for_an_empty_account() {
    let mut harness = Harness::new(&[
        "create status=500 after nth=2",
        "list limit=0",
        "get status=404",
    ])
    .await;
    harness.set("reconcile.settle", "9s");
    harness.set("workers.max_requests", "1");
    harness.enqueue(2).await;
    let running = harness.start(Until::Stopped).await;
    // Three lists and the settling time after an error would do, were they trusted.
    harness
        .wait_until("many lists", async || harness.requests(Endpoint::List) >= 5)
        .await;
    assert_eq!(harness.requests(Endpoint::Create), 2);
    harness.server.with(|simulator| simulator.faults.clear());
    harness.await_states(&[(JobState::Finished, 2)]).await;
    running.stopped().await;
    harness.assert_one_parser_each(2);
}
