//! PATCH and DELETE on the simulated wire.

use serde_json::{json, value::RawValue};

use super::*;
use crate::{
    simulation::{
        books::Books,
        chance::Chance,
        run::runtime,
        world::{Aim, begin, end},
    },
    simulator::{Faults, Inserted, World},
    store::{memory::Memory, outside::Model},
};

/// What is left of the service after requests that go wrong as these rules say, where nothing
/// else happens: each seed has its own times on the wire.
fn after<T>(seed: u64, rules: &[&str], work: impl Future<Output = T>) -> (T, World) {
    fastrand::seed(seed);
    let books = Books::on(Box::new(Model::new(Memory::default())));
    let mut sim = Sim::new(seed, Chance::seeded(seed), books, Aim::default());
    sim.chaos_left = 0;
    sim.plan.calm_after = u32::MAX;
    let rules = rules.iter().map(|rule| rule.parse().unwrap());
    sim.service.world.add_credits(1_000_000);
    sim.service.faults = Faults::new(seed, rules);
    let inserted = Inserted {
        id: "p1".to_owned(),
        name: "n".to_owned(),
        urls: vec!["https://a.example/".to_owned()],
        ..Inserted::default()
    };
    sim.service.world.insert_parser(sim.time, inserted);
    begin(sim);
    let done = runtime().block_on(async {
        let done = work.await;
        // What was given up is still on its way.
        while with(|sim| sim.packets.iter().any(|packet| packet.reply.is_none())) {
            with(|sim| sim.sleep(std::time::Duration::from_secs(60)))
                .await
                .unwrap();
        }
        done
    });
    let sim = end().unwrap();
    assert_eq!(sim.violation, None);
    (done, sim.service.world)
}

fn id() -> ParserId {
    ParserId("p1".to_owned())
}

fn patch(not_after: Option<DurationMs>) -> PatchRequest {
    let body = json!({"add_fields": [{"name": "a", "description": "d"}]});
    PatchRequest {
        parser_id: id(),
        base_version: 0,
        body: RawValue::from_string(body.to_string()).unwrap(),
        not_after,
    }
}

#[test]
fn a_change_travels_and_may_be_lost_on_both_ways() {
    for (rules, words, patches) in [
        (&[][..], ["done", "in_doubt"], [1, 1]),
        (&["patch lose before"], ["in_doubt", "in_doubt"], [0, 0]),
        (&["patch lose after"], ["in_doubt", "in_doubt"], [1, 1]),
        (&["patch status=503"], ["in_doubt", "in_doubt"], [0, 0]),
        (&["patch cut"], ["in_doubt", "in_doubt"], [1, 1]),
    ] {
        let mut seen = [false; 2];
        for seed in 0..40 {
            let (outcome, world) = after(seed, rules, carry_change(&patch(None), None));
            let word = words.iter().position(|word| *word == outcome.as_str());
            let word = word.unwrap_or_else(|| panic!("{rules:?}: {outcome:?}"));
            assert_eq!(
                world.patches_of("p1"),
                patches[word],
                "{rules:?} {outcome:?}"
            );
            seen[word] = true;
        }
        // Some of those that nothing was to happen to were given up on their way.
        assert!(seen[0] && (seen[1] || words[0] == words[1]), "{rules:?}");
    }
}

#[test]
fn a_change_is_withheld_after_its_time() {
    let (outcome, world) = after(1, &[], async {
        let time = with(|sim| sim.time);
        Wire.change(&patch(Some(time - 1))).await
    });
    assert_eq!(outcome.as_str(), "not_sent", "{outcome:?}");
    assert_eq!(world.patches_of("p1"), 0);
}

#[test]
fn a_delete_travels_and_a_second_one_finds_nothing() {
    for (rules, first, second) in [
        (&[][..], ["done", "in_doubt"], ["not_found", "in_doubt"]),
        (
            &["delete lose after nth=1"],
            ["in_doubt", "in_doubt"],
            ["not_found", "in_doubt"],
        ),
        (
            &["delete lose before nth=1"],
            ["in_doubt", "in_doubt"],
            ["done", "in_doubt"],
        ),
    ] {
        for seed in 0..40 {
            let (words, world) = after(seed, rules, async {
                let first = carry_delete(&id()).await;
                [first, carry_delete(&id()).await].map(|outcome| outcome.as_str())
            });
            // One that was given up may arrive after the other.
            let fits = words[0] == "in_doubt" && rules.is_empty()
                || first.contains(&words[0]) && second.contains(&words[1]);
            assert!(fits, "{rules:?} seed {seed}: {words:?}");
            assert!(
                world.parser(i64::MAX, "p1").is_none(),
                "{rules:?} {words:?}"
            );
        }
    }
}

#[test]
fn a_description_has_the_version_that_was_asked_for() {
    let mut counts = Vec::new();
    for seed in 0..20 {
        let (told, _) = after(seed, &[], async {
            let change = json!({"remove_fields": ["tags"]});
            let made = with(|sim| sim.service.world.patch_as_other(sim.time, "p1", &change));
            assert_eq!(made, Ok(1));
            let mut told = Vec::new();
            for version in [Some(0), Some(1), None, Some(2)] {
                let fields = Wire.describe(&id(), version).await.fields;
                let fields = fields.map(|fields| serde_json::from_str(fields.get()).unwrap());
                told.push(fields.map(|fields: Vec<serde_json::Value>| fields.len()));
            }
            told
        });
        counts.push(told);
    }
    // A look that took too long says nothing.
    let expected = [Some(3), Some(2), Some(2), None];
    for told in &counts {
        let mut both = told.iter().zip(&expected);
        assert!(
            both.all(|(told, expected)| told.is_none() || told == expected),
            "{told:?}"
        );
    }
    assert!(counts.contains(&expected.to_vec()), "{counts:?}");
}

#[test]
fn a_page_is_fetched_over_the_wire_or_lost_on_it() {
    use crate::core::preflight::Brought;

    let fetch = |url: &str, params: serde_json::Value| FetchRequest {
        url: url.to_owned(),
        params: params.as_object().cloned().unwrap_or_default(),
        max_credits: 20,
        selectors: vec!["h1".to_owned()],
    };
    for (rules, url, params, expected, cost) in [
        (
            &[][..],
            "https://a.example/?q=1&url=x",
            json!({}),
            "page",
            1,
        ),
        (&[], "https://a.example/bomb", json!({}), "cut page", 1),
        (&[], "https://a.example/slow", json!({}), "page", 1),
        (&[], "https://a.example/page-gone", json!({}), "gone", 1),
        (&[], "https://a.example/blocked", json!({}), "blocked", 0),
        (
            &[],
            "https://a.example/blocked",
            json!({"premium": true}),
            "page",
            10,
        ),
        (
            &[],
            "https://a.example/",
            json!({"ultra_premium": true}),
            "too dear",
            0,
        ),
        (
            &["fetch lose after"],
            "https://a.example/",
            json!({}),
            "nothing",
            1,
        ),
        (
            &["fetch lose before"],
            "https://a.example/",
            json!({}),
            "nothing",
            0,
        ),
        (
            &["fetch cut"],
            "https://a.example/",
            json!({}),
            "nothing",
            1,
        ),
        (
            &["fetch status=401"],
            "https://a.example/",
            json!({}),
            "refused",
            0,
        ),
    ] {
        let mut seen = false;
        for seed in 0..20 {
            let request = fetch(url, params.clone());
            let (outcome, world) = after(seed, rules, carry_fetch(&request));
            let (word, credits) = match outcome {
                FetchOutcome::Refused(..) => ("refused", None),
                FetchOutcome::Brought { brought, credits } => match brought {
                    Brought::Page(sight) if sight.is_cut => ("cut page", credits),
                    Brought::Page(_) => ("page", credits),
                    Brought::Gone { .. } => ("gone", credits),
                    Brought::Blocked { .. } => ("blocked", credits),
                    Brought::TooDear => ("too dear", credits),
                    Brought::Nothing { .. } => ("nothing", credits),
                    other => panic!("{url}: {other:?}"),
                },
            };
            // One that took too long was given up.
            assert!(
                word == expected || word == "nothing",
                "{rules:?} {url}: {word}"
            );
            assert_eq!(world.credits_of_fetches(), cost, "{rules:?} {url}");
            assert!(
                credits.is_none_or(|credits| credits == cost),
                "{rules:?} {url}"
            );
            seen |= word == expected;
        }
        assert!(seen, "{rules:?} {url}");
    }
}
