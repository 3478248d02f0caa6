//! The same scenarios against both services that the tests have: the simulator, and the fake that
//! shares no code with it. What was paid for is counted by the service.

use std::time::Duration;

use parserd::{
    core::{budget::Spent, job::JobState},
    simulator::Endpoint,
    store::Ledger as _,
};

use crate::{
    common::Harness,
    independent::{
        bench::{Bench, CREDITS},
        fake::{Alter, Behaviour, Effect, Reply, Rule, fixed},
    },
};

const JOBS: [(&str, &str); 3] = [("job-0", "0"), ("job-1", "1"), ("job-2", "2")];

/// Long enough for all that lands or shows late here.
const SETTLE: &str = "1500ms";
const LATE: Duration = Duration::from_millis(400);

/// What goes wrong, in the words of each service.
struct Scenario {
    what: &'static str,
    simulator: &'static [&'static str],
    fake: fn(&mut Behaviour),
    /// How many creates are sent for three jobs.
    creates: usize,
}

/// One create of each job meets it.
fn each(behaviour: &mut Behaviour, effect: Effect, reply: &Reply) {
    let rules = JOBS.map(|(name, _)| Rule::create(name, effect, reply.clone()));
    behaviour.rules.extend(rules);
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        what: "all is well",
        simulator: &[],
        fake: |_| {},
        creates: 3,
    },
    Scenario {
        what: "an answer is lost after the effect",
        simulator: &["create lose after nth=1 per-name"],
        fake: |behaviour| each(behaviour, Effect::Now, &Reply::Lost),
        creates: 3,
    },
    Scenario {
        what: "a request is lost before the effect",
        simulator: &["create lose before nth=1 per-name"],
        fake: |behaviour| each(behaviour, Effect::Nothing, &Reply::Lost),
        creates: 6,
    },
    Scenario {
        what: "a gateway gives up, and the parser lands later",
        simulator: &["create status=504 land-late=400ms nth=1 per-name"],
        fake: |behaviour| each(behaviour, Effect::Later(LATE), &fixed(504, "gateway")),
        creates: 3,
    },
    Scenario {
        what: "the service fails after the effect, and lists lag",
        simulator: &["create status=500 after show-late=400ms nth=1 per-name"],
        fake: |behaviour| {
            behaviour.list_lag = LATE;
            each(behaviour, Effect::Now, &fixed(500, "extraction failed"));
        },
        creates: 3,
    },
    Scenario {
        what: "an answer is lost and the name is altered",
        simulator: &["create lose after alter-name=suffix:-1 nth=1 per-name"],
        fake: |behaviour| {
            behaviour.names = vec![("job", vec![Alter::Suffix("-1")])];
            each(behaviour, Effect::Now, &Reply::Lost);
        },
        creates: 3,
    },
    Scenario {
        what: "an answer cannot be read",
        simulator: &["create unreadable nth=1 per-name"],
        fake: |behaviour| each(behaviour, Effect::Now, &fixed(200, "<html>")),
        creates: 3,
    },
];

#[tokio::test]
async fn by_the_simulator_each_job_is_paid_for_once() {
    for scenario in SCENARIOS {
        let mut harness = Harness::new(scenario.simulator).await;
        harness.set("reconcile.settle", SETTLE);
        harness.enqueue(JOBS.len()).await;
        harness.run_until_done().await;
        harness.await_states(&[(JobState::Finished, 3)]).await;
        harness.assert_one_parser_each(JOBS.len());
        let creates = harness.requests(Endpoint::Create);
        assert_eq!(creates, scenario.creates as u64, "{}", scenario.what);
        let store = harness.store().await;
        let Spent { in_all, .. } = store.spent(0).await.unwrap();
        store.close().await;
        assert_eq!(in_all, 3 * CREDITS, "{}", scenario.what);
    }
}

#[tokio::test]
async fn by_the_independent_fake_each_job_is_paid_for_once() {
    let all = SCENARIOS
        .iter()
        .map(|scenario| tokio::task::spawn_blocking(|| by_the_fake(scenario)));
    for ended in futures_util::future::join_all(all).await {
        ended.unwrap();
    }
}

fn by_the_fake(scenario: &Scenario) {
    let mut bench = Bench::new(scenario.fake);
    bench.set("reconcile.settle", SETTLE);
    bench.enqueue(&JOBS);
    bench.work(30);
    bench.all_finished(&JOBS.map(|(name, _)| name));
    let world = bench.fake.world();
    let posts = &world.books.posts;
    assert_eq!(posts.len(), scenario.creates, "{}", scenario.what);
    let made: usize = posts.iter().map(|post| post.made.len()).sum();
    assert_eq!(made, JOBS.len(), "{}", scenario.what);
    drop(world);
    let status = bench.json(&["status", "--json"]);
    assert_eq!(
        status["credits"]["spent"],
        3 * CREDITS,
        "{}: {status}",
        scenario.what
    );
}
