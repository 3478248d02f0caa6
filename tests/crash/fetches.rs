//! The real program, killed around the fetches of a job's example pages: between the record of a
//! fetch and its sending, between its answer and the record of that, and with the fetch under way.

use std::ops::RangeInclusive;

use parserd::{
    core::{preflight::MAX_TRIES, spec::JobSpec},
    simulator::Endpoint,
};

use super::{
    books,
    points::{Relay, Stop, Way, kill},
    program::{can_trace, finish},
};
use crate::common::{Harness, spec};

/// What the client asks the fetch API, and nothing else.
const FETCH: &str = "GET /?";
const LIST: &str = "GET /parsers?";
const CREATE: &str = "POST /parsers";

/// The pages of the job.
const PAGES: u64 = 2;

/// A gap, and what the fetches on record are then.
struct Gap {
    name: &'static str,
    way: Way,
    outcomes: &'static [&'static str],
    /// How often a page is asked for again that the service had been asked for.
    repeated: RangeInclusive<u64>,
}

const GAPS: [Gap; 6] = [
    Gap {
        name: "before the first record",
        way: Way {
            stop: Stop::After(LIST),
            call: Some("pwrite64"),
        },
        outcomes: &[],
        repeated: 0..=0,
    },
    Gap {
        name: "recorded, not sent",
        way: Way {
            stop: Stop::After(LIST),
            call: Some("connect"),
        },
        outcomes: &["pending"],
        repeated: 0..=0,
    },
    Gap {
        name: "under way",
        way: Way {
            stop: Stop::Before(FETCH),
            call: None,
        },
        outcomes: &["pending"],
        // The request may still arrive when its sender is gone.
        repeated: 0..=1,
    },
    Gap {
        name: "its answer under way",
        way: Way {
            stop: Stop::After(FETCH),
            call: None,
        },
        outcomes: &["pending"],
        repeated: 1..=1,
    },
    Gap {
        name: "answered, not settled",
        way: Way {
            stop: Stop::After(FETCH),
            call: Some("pwrite64"),
        },
        outcomes: &["pending"],
        repeated: 1..=1,
    },
    Gap {
        name: "all looked at, the create under way",
        way: Way {
            stop: Stop::Before(CREATE),
            call: None,
        },
        outcomes: &["page", "page"],
        repeated: 0..=0,
    },
];

#[tokio::test]
async fn killed_around_a_fetch_at_most_that_one_is_repeated_and_no_create_is() {
    let can_trace = can_trace().await;
    for gap in GAPS {
        let Gap { name, way, .. } = gap;
        if way.call.is_some() && !can_trace {
            continue;
        }
        let mut harness = Harness::new(&[]).await;
        let job = JobSpec {
            urls: ["1", "2"]
                .map(|page| format!("https://a.example/{page}"))
                .into(),
            ..spec(0)
        };
        let store = harness.store().await;
        store.submit(vec![job], false).await.unwrap();
        store.close().await;
        let mut relay = Relay::start(&harness, way.stop).await;
        harness.set("api.base_url", &relay.base_url);
        harness.set("preflight.mode", "repair");
        harness.set("preflight.url", &relay.base_url);
        // In their order.
        harness.set("workers.max_requests", "1");
        kill(&harness, &mut relay, way).await;
        let outcomes = "SELECT outcome FROM fetches ORDER BY id";
        assert_eq!(harness.sql(outcomes).await.unwrap(), gap.outcomes, "{name}");
        finish(&harness).await.unwrap();
        let (made, sent) = (books::parsers(&harness), books::sent(&harness));
        let faults = books::faults(&harness, 1, &made, &sent).await;
        assert!(faults.is_empty(), "{name}: {faults:#?}");
        assert_eq!(sent.values().sum::<usize>(), 1, "{name}");
        // The one in flight is asked for once more, no other.
        let repeated = harness.requests(Endpoint::Fetch) - PAGES;
        assert!(gap.repeated.contains(&repeated), "{name}: {repeated}");
        let tries = "SELECT max(tries) FROM (SELECT count(*) AS tries FROM fetches \
            GROUP BY url, proxy, render)";
        let tries: usize = harness.sql(tries).await.unwrap()[0].parse().unwrap();
        assert!(tries <= MAX_TRIES, "{name}: {tries}");
        // What may have been paid for counts as paid for.
        let recorded = "SELECT sum(credits) FROM fetches";
        let recorded: i64 = harness.sql(recorded).await.unwrap()[0].parse().unwrap();
        let cost = harness
            .server
            .with(|simulator| simulator.world.credits_of_fetches());
        assert!(cost <= recorded, "{name}: {cost} of {recorded}");
        let verdict = "SELECT json_extract(preflight, '$.verdict') FROM jobs";
        assert_eq!(harness.sql(verdict).await.unwrap(), ["ok"], "{name}");
    }
}
