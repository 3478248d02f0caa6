//! Many jobs of which some cannot work.

use parserd::{
    core::{job::JobState, spec::JobSpec},
    simulator::{Endpoint, WorldConfig},
};

use super::preflight::{add, of, shop};
use crate::common::{Harness, program::parserd};

/// What is planted, how often, and whether parameters repair it. `mixed` pages are of another type
/// than their neighbours.
const PLANTED: &[(&str, &[&str], usize, bool)] = &[
    ("blocked", &["blocked-1", "2"], 12, true),
    ("ultra", &["ultra-blocked-1"], 5, true),
    ("js", &["needs-js-1", "needs-js-2", "needs-js-3"], 14, true),
    ("gone", &["1", "page-gone"], 10, false),
    ("login", &["login-1"], 5, false),
    ("consent", &["consent-1"], 3, false),
    ("mixed", &["1", "mixed-2"], 6, false),
];

const ALL: usize = 300;

/// The jobs, good and bad ones in turn, and how many are bad.
fn jobs() -> (Vec<JobSpec>, usize) {
    let mut bad = Vec::new();
    for (name, pages, count, _) in PLANTED {
        bad.extend((0..*count).map(|n| of(&format!("{name}-{n}"), pages)));
    }
    let planted = bad.len();
    let good = (0..ALL - planted).map(|n| of(&format!("good-{n}"), &["1", "2", "3"]));
    bad.extend(good);
    (bad, planted)
}

async fn count(harness: &Harness, condition: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM jobs WHERE {condition}");
    harness.sql(&sql).await.unwrap()[0].parse().unwrap()
}

/// What creates and fetches cost the account.
fn cost(harness: &Harness) -> (i64, i64) {
    harness.server.with(|simulator| {
        let world = &simulator.world;
        (world.credits_of_creates(), world.credits_of_fetches())
    })
}

#[tokio::test]
async fn nothing_hopeless_is_paid_for_and_nothing_repairable_fails() {
    let (specs, planted) = jobs();
    assert_eq!(planted, 55);
    // The same jobs with nothing foreseen: each FAILED one was paid for.
    let off = shop("off").await;
    add(&off, specs.clone()).await;
    off.run_until_done().await;
    assert_eq!(count(&off, "state = 'FINISHED'").await, 245);
    let (spent_off, _) = cost(&off);

    let repair = shop("repair").await;
    add(&repair, specs).await;
    repair.run_until_done().await;
    let repairable: usize = PLANTED.iter().filter(|row| row.3).map(|row| row.2).sum();
    let finished = 245 + i64::try_from(repairable).unwrap();
    assert_eq!(count(&repair, "state = 'FINISHED'").await, finished);
    assert_eq!(
        count(&repair, "error_kind = 'preflight_failed' AND creates = 0").await,
        24
    );
    assert_eq!(
        count(&repair, "name LIKE 'good%' AND state <> 'FINISHED'").await,
        0
    );
    let (creates, fetches) = cost(&repair);
    // The first parser of an account is free.
    assert_eq!(creates, (finished - 1) * 30_000);
    assert!(fetches * 200 <= creates, "{fetches} of {creates}");
    // No job is above its limit.
    let most = "SELECT max(cost) FROM (SELECT sum(credits) AS cost FROM fetches GROUP BY job_id)";
    let most: i64 = repair.sql(most).await.unwrap()[0].parse().unwrap();
    assert!(most <= 150, "{most}");
    // By parser that works, which is what counts.
    let by_parser = |spent: i64, parsers: i64| spent / parsers;
    let (before, after) = (
        by_parser(spent_off, 245),
        by_parser(creates + fetches, finished),
    );
    println!("{before} credits a parser that works without, {after} with preflight");
    assert!(after < before);
}

/// 140 good jobs, and 60 whose generation FAILs: two thirds want parameters.
fn climbing() -> Vec<JobSpec> {
    let good = (0..140).map(|n| of(&format!("good-{n}"), &["1"]));
    let bad = (0..60).map(|n| match n % 3 {
        0 => of(&format!("blocked-{n}"), &["blocked"]),
        1 => of(&format!("js-{n}"), &["needs-js"]),
        _ => of(&format!("mixed-{n}"), &["mixed"]),
    });
    good.chain(bad).collect()
}

#[tokio::test]
async fn the_ladder_alone_repairs_what_parameters_repair_for_one_create_each() {
    let mut harness = Harness::with(WorldConfig::default(), &[]).await;
    harness.set("ladder.enabled", "true");
    harness.set("ladder.max_credits_per_day", "1200000");
    add(&harness, climbing()).await;
    harness.run_until_done().await;
    assert_eq!(count(&harness, "state = 'FINISHED'").await, 180);
    assert_eq!(
        count(&harness, "name LIKE 'mixed%' AND state = 'FAILED'").await,
        20
    );
    assert!(harness.requests(Endpoint::Create) <= 240);
    let states = harness.states().await;
    assert_eq!(states.values().sum::<i64>(), 200);
    assert_eq!(states.get(&JobState::Failed), Some(&20));
}

#[tokio::test]
async fn the_ladder_keeps_within_its_share_of_the_day() {
    let mut harness = Harness::with(WorldConfig::default(), &[]).await;
    harness.set("ladder.enabled", "true");
    harness.set("ladder.max_credits_per_day", "300000");
    add(&harness, climbing()).await;
    harness.run_until_done().await;
    assert_eq!(harness.requests(Endpoint::Create), 210);
    assert_eq!(count(&harness, "state = 'FINISHED'").await, 150);
}

#[tokio::test]
async fn a_plan_tells_what_the_ladder_may_add_and_max_credits_counts_it() {
    let mut harness = Harness::with(WorldConfig::default(), &[]).await;
    harness.set("ladder.enabled", "true");
    harness.set("ladder.max_credits_per_day", "900000");
    harness.set("ladder.max_creates_per_job", "3");
    let file = harness.directory.path().join("jobs.jsonl");
    let job = "{\"name\": \"a\", \"urls\": [\"https://a.example/blocked\"]}\n";
    std::fs::write(&file, job).unwrap();
    let file = file.to_str().unwrap();
    let run = async |args: &[&str]| {
        let mut command = tokio::process::Command::from(parserd(&harness, args));
        let output = command.output().await.unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(told).unwrap())
    };
    let (_, told) = run(&["plan", file]).await;
    let sum = "up to 30,000 credits; 90,000 at most with the ladder's creates";
    assert!(told.contains(sum), "{told}");
    let (code, told) = run(&["apply", "--yes", "--max-credits", "89999", file]).await;
    assert_eq!(code, Some(1), "{told}");
    let (code, told) = run(&["apply", "--yes", "--max-credits", "90000", file]).await;
    assert_eq!(code, Some(0), "{told}");
}
