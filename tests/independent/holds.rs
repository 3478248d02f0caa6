//! Creates are held for want of budget or credits: what costs nothing goes on, and what would
//! cost is PARKED and says why.

use std::time::Duration;

use super::bench::{Bench, CREDITS, together};
use super::fake::{Effect, Rule, fixed};

const MS: fn(u64) -> Duration = Duration::from_millis;
const EXHAUSTED: &str =
    "You have exhausted the API Credits available in this monthly cycle. Enable overages.";

/// An account that holds the parser of `held` already, from a database that is gone.
fn with_a_parser_of_before() -> Bench {
    let bench = Bench::new(|_| {});
    bench.enqueue(&[("held", "held")]);
    bench.work(20);
    bench.all_finished(&["held"]);
    for file in std::fs::read_dir(bench.directory.path()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.contains("parserd") {
            std::fs::remove_file(path).unwrap();
        }
    }
    bench
}

fn parked(bench: &Bench, reason: &str) -> i64 {
    bench.number(&format!(
        "SELECT count(*) FROM jobs WHERE state = 'PARKED' AND park_reason = '{reason}' \
         AND error_message IS NOT NULL"
    ))
}

/// The ledger of before is gone, so that the books cannot be held against it.
#[track_caller]
fn finished(bench: &Bench, names: &[&str]) {
    for name in names {
        assert_eq!(bench.job(name).state, "FINISHED", "{}", bench.jobs_brief());
    }
}

fn open(bench: &Bench) -> i64 {
    bench.number("SELECT count(*) FROM jobs WHERE state IN ('QUEUED', 'CREATING', 'GENERATING')")
}

fn many(stem: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{stem}{i}")).collect()
}

fn pairs(names: &[String]) -> Vec<(&str, &str)> {
    names.iter().map(|n| (n.as_str(), n.as_str())).collect()
}

fn without_budget_what_costs_nothing_goes_on() {
    let mut bench = with_a_parser_of_before();
    bench.set("budget.max_credits", &(2 * CREDITS).to_string());
    bench.fake.does(|b| b.fails = vec!["once"]);
    bench.enqueue(&[("once", "once"), ("paid", "paid")]);
    bench.work(20);
    bench.fake.does(|b| b.fails.clear());
    let costly = many("costs", 9);
    let daemon = bench.daemon();
    bench.enqueue(&pairs(&costly));
    bench.until("all that would cost are PARKED", || {
        parked(&bench, "budget") == 9
    });
    // The budget is used up, and jobs say so; then come those that cost nothing.
    bench.ok(&["retry", "once", "--yes"]);
    bench.enqueue(&[("held", "held"), ("late", "late")]);
    bench.until("each is at rest", || open(&bench) == 0);
    finished(&bench, &["once", "paid", "held"]);
    assert_eq!(parked(&bench, "budget"), 10, "{}", bench.jobs_brief());
    assert_eq!(bench.fake.world().books.posts.len(), 3);
    let status = bench.ok(&["status"]);
    assert!(!status.contains("create now"), "{status}");
    daemon.kill();
    bench.set("budget.max_credits", &(12 * CREDITS).to_string());
    bench.work(30);
    assert_eq!(parked(&bench, "budget"), 0, "{}", bench.jobs_brief());
    assert_eq!(bench.fake.world().books.posts.len(), 13);
}

fn without_credits_what_costs_nothing_goes_on() {
    let mut bench = with_a_parser_of_before();
    bench.set("park.probe_interval", "1h");
    bench.set("park.max_probe_interval", "1h");
    bench.fake.does(|b| b.fails = vec!["once"]);
    bench.enqueue(&[("once", "once")]);
    bench.work(20);
    bench.fake.does(|b| {
        b.fails.clear();
        b.rules = vec![Rule::create("", Effect::Nothing, fixed(402, EXHAUSTED)).always()];
    });
    let daemon = bench.daemon();
    bench.enqueue(&[("first", "first")]);
    bench.until("a refusal", || parked(&bench, "credits") == 1);
    let costly = many("costs", 300);
    let before = bench.fake.world().books.lists.len();
    bench.enqueue(&pairs(&costly));
    bench.ok(&["retry", "once", "--yes"]);
    bench.enqueue(&[("held", "held")]);
    bench.until("each is at rest", || open(&bench) == 0);
    finished(&bench, &["once", "held"]);
    assert_eq!(parked(&bench, "credits"), 301, "{}", bench.jobs_brief());
    {
        let world = bench.fake.world();
        // The one before, the one that failed, and the one that was refused.
        assert_eq!(world.books.posts.len(), 3);
        let lists = world.books.lists.len() - before;
        assert!(lists < 10, "{lists} lists for 300 jobs that wait");
        assert!(world.books.gets.len() < 30, "{}", world.books.gets.len());
    }
    let status = bench.ok(&["status"]);
    assert!(!status.contains("create now"), "{status}");
    bench.fake.does(|b| b.rules.clear());
    bench.ok(&["resume"]);
    bench
        .fake
        .until("a parser for each", MS(60_000), |b| b.parsers.len() == 303);
    daemon.kill();
    bench.work(30);
    let names: Vec<_> = costly.iter().map(String::as_str).collect();
    finished(&bench, &names);
    assert_eq!(bench.fake.world().books.parsers.len(), 303);
}

/// One after the other may try whether credits are back, and only with budget.
fn a_probe_needs_budget_and_moves_no_job_for_nothing() {
    let mut bench = Bench::new(|b| {
        b.rules = vec![Rule::create("refused", Effect::Nothing, fixed(402, EXHAUSTED)).times(1)]
    });
    bench.set("park.probe_interval", "2s");
    bench.set("park.max_probe_interval", "2s");
    bench.set("budget.max_credits", &CREDITS.to_string());
    bench.set("workers.max_requests", "2");
    let daemon = bench.daemon();
    bench.enqueue(&[("refused", "refused")]);
    bench.until("a refusal", || parked(&bench, "credits") == 1);
    let costly = many("costs", 20);
    bench.enqueue(&pairs(&costly));
    bench.until("all but the canary are PARKED", || {
        // One statement: between two, the canary could be set free and be counted by neither.
        bench.number(
            "SELECT sum(state = 'PARKED' AND error_message IS NOT NULL) \
             * sum(state = 'FINISHED') FROM jobs",
        ) == 20
    });
    daemon.kill();
    assert_eq!(bench.fake.world().books.parsers.len(), 1);
    assert_eq!(bench.spent(), CREDITS);
    bench.set("budget.max_credits", &(21 * CREDITS).to_string());
    bench.work(60);
    assert_eq!(bench.fake.world().books.parsers.len(), 21);
    assert!(bench.audit().is_empty(), "{:#?}", bench.audit());
}

#[test]
fn creates_that_are_held() {
    together(&[
        (
            "without_budget_what_costs_nothing_goes_on",
            without_budget_what_costs_nothing_goes_on,
        ),
        (
            "without_credits_what_costs_nothing_goes_on",
            without_credits_what_costs_nothing_goes_on,
        ),
        (
            "a_probe_needs_budget_and_moves_no_job_for_nothing",
            a_probe_needs_budget_and_moves_no_job_for_nothing,
        ),
    ]);
}
