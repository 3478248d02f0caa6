//! What runs are for.

use std::time::Instant;

use super::{Seeds, Stage, StoreKind, Totals, directory, sweep};
use crate::{
    engine::worker::turn::crash_point::CrashPoint,
    simulation::{rules::BrokenRule, scenario::Focus, world::Aim},
    store::outside::template,
};

/// Seeds of a plain `cargo test`, on the model and on SQLite.
const SEEDS: u64 = 1_000;
const SQLITE_SEEDS: u64 = 300;

/// Seeds that are about changes, on the model.
const CHANGE_SEEDS: u64 = 300;

/// Seeds that are about the ladder, on the model.
const LADDER_SEEDS: u64 = 300;

/// Seeds that are about what is looked at before a create, on the model.
const PREFLIGHT_SEEDS: u64 = 300;

/// Seeds of which every step is held against the other store's.
const ALIKE_SEEDS: u64 = 40;

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number")),
    )
}

/// `PARSERD_TEST_SEEDS` says how many run on the model, `PARSERD_TEST_SQLITE_SEEDS` how many on
/// SQLite and `PARSERD_TEST_CHANGE_SEEDS` how many that are about changes, `PARSERD_TEST_LADDER_SEEDS` and
/// `PARSERD_TEST_PREFLIGHT_SEEDS` how many about the ladder and the preflight,
/// `PARSERD_TEST_FIRST_SEED` where to begin, and `PARSERD_TEST_MAX_FAILED` after how many that fail
/// to stop.
fn seeds(kind: StoreKind) -> Seeds {
    let (name, default) = match kind {
        StoreKind::Model => ("PARSERD_TEST_SEEDS", SEEDS),
        StoreKind::Sqlite => ("PARSERD_TEST_SQLITE_SEEDS", SQLITE_SEEDS),
    };
    seeds_of(name, default)
}

fn seeds_of(name: &str, default: u64) -> Seeds {
    Seeds {
        first: from_environment("PARSERD_TEST_FIRST_SEED").unwrap_or(0),
        count: from_environment(name).unwrap_or(default),
        max_failed: from_environment("PARSERD_TEST_MAX_FAILED").map_or(1, |most| most as usize),
    }
}

/// The seeds' totals, where none of them failed.
fn none_fails(kind: StoreKind, seeds: Seeds, focus: Option<Focus>) -> Totals {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let began = Instant::now();
    let aim = Aim {
        focus,
        ..Aim::default()
    };
    let (failed, totals) = sweep(kind, seeds, threads, aim);
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{kind:?} {focus:?}: {totals:?} in {seconds:.1} s, {:.0} seeds a second on {threads} threads",
        totals.seeds as f64 / seconds
    );
    let told: Vec<_> = failed.into_values().collect();
    assert!(told.is_empty(), "{}", told.join("\n\n"));
    totals
}

/// So many of them as a run on SQLite has, which takes far longer.
fn few_of(of: Seeds) -> Seeds {
    Seeds {
        count: (of.count / 6).min(seeds(StoreKind::Sqlite).count),
        ..of
    }
}

fn no_seed_fails(kind: StoreKind) {
    let totals = none_fails(kind, seeds(kind), None);
    assert!(totals.posts > totals.seeds / 2, "hardly anything was sent");
    // A run of one seed, to look at a failure, comes to few of them.
    if totals.seeds >= SEEDS {
        for (point, crashes) in CrashPoint::ALL.iter().zip(totals.crashed_at) {
            assert!(crashes > 0, "no crash at {point}");
        }
    }
}

#[test]
fn no_seed_pays_twice_loses_a_job_or_gets_stuck_on_the_model() {
    no_seed_fails(StoreKind::Model);
}

#[test]
fn no_seed_pays_twice_loses_a_job_or_gets_stuck_on_sqlite() {
    no_seed_fails(StoreKind::Sqlite);
}

#[test]
fn no_seed_changes_twice_or_what_nobody_asked_for() {
    let seeds = seeds_of("PARSERD_TEST_CHANGE_SEEDS", CHANGE_SEEDS);
    let totals = none_fails(StoreKind::Model, seeds, Some(Focus::Change));
    if totals.seeds >= CHANGE_SEEDS {
        assert!(
            totals.patches > totals.seeds / 4,
            "hardly anything was changed"
        );
    }
}

#[test]
fn no_seed_climbs_further_than_the_ladder_allows() {
    let seeds = seeds_of("PARSERD_TEST_LADDER_SEEDS", LADDER_SEEDS);
    let totals = none_fails(StoreKind::Model, seeds, Some(Focus::Ladder));
    if totals.seeds >= LADDER_SEEDS {
        assert!(totals.climbs > totals.seeds / 4, "hardly anything climbed");
    }
    none_fails(StoreKind::Sqlite, few_of(seeds), Some(Focus::Ladder));
}

#[test]
fn no_seed_pays_for_what_its_pages_say_cannot_work() {
    let seeds = seeds_of("PARSERD_TEST_PREFLIGHT_SEEDS", PREFLIGHT_SEEDS);
    let totals = none_fails(StoreKind::Model, seeds, Some(Focus::Preflight));
    if totals.seeds >= PREFLIGHT_SEEDS {
        assert!(
            totals.fetches > totals.seeds && totals.posts > totals.seeds / 2,
            "hardly anything was fetched or sent"
        );
    }
    none_fails(StoreKind::Sqlite, few_of(seeds), Some(Focus::Preflight));
}

#[test]
fn one_seed_is_one_run() {
    let directory = directory();
    let template = template(directory.path());
    for kind in [StoreKind::Model, StoreKind::Sqlite] {
        let mut stage = Stage::new(kind, directory.path(), &template, Aim::default());
        stage.aim.is_traced = true;
        for seed in [3, 14, 159] {
            let traces = [0; 2].map(|_| stage.run(seed, None).trace);
            assert_eq!(traces[0], traces[1], "seed {seed} on {kind:?}");
        }
    }
}

#[test]
fn both_stores_run_alike() {
    let directory = directory();
    let template = template(directory.path());
    let mut stages = [StoreKind::Model, StoreKind::Sqlite]
        .map(|kind| Stage::new(kind, directory.path(), &template, Aim::default()));
    for seed in 0..ALIKE_SEEDS {
        let traces = stages.each_mut().map(|stage| {
            stage.aim.is_traced = true;
            stage.run(seed, None).trace.unwrap_or_default()
        });
        let [model, sqlite] = traces
            .each_ref()
            .map(|trace| trace.lines().collect::<Vec<_>>());
        let parts = model
            .iter()
            .zip(&sqlite)
            .position(|(model, sqlite)| model != sqlite);
        let place = parts.unwrap_or(model.len().min(sqlite.len()));
        assert!(
            parts.is_none() && model.len() == sqlite.len(),
            "seed {seed}: after {:#?}\nthe model goes on with {:#?}\nand SQLite with {:#?}",
            &model[place.saturating_sub(12)..place],
            &model[place..(place + 3).min(model.len())],
            &sqlite[place..(place + 3).min(sqlite.len())],
        );
    }
}

#[test]
fn each_broken_rule_is_noticed() {
    let mut missed = Vec::new();
    let seeds = Seeds {
        max_failed: 1,
        ..seeds(StoreKind::Model)
    };
    for rule in BrokenRule::ALL {
        let aim = Aim {
            broken: Some(rule),
            focus: rule.focus(),
            ..Aim::default()
        };
        let (failed, totals) = sweep(StoreKind::Model, seeds, 2, aim);
        match failed.first_key_value() {
            Some((seed, why)) => {
                println!("{rule:?}: seed {seed} of {} run: {why}", totals.seeds);
            }
            None => missed.push(rule),
        }
    }
    assert!(missed.is_empty(), "broken and not noticed: {missed:?}");
}
