//! One that stops all, refusals, and load (numbers 12, 13, 20, 21, 22).

use std::time::{Duration, Instant};

use super::bench::{Bench, CREDITS, together};
use super::fake::{Effect, Reply, Rule, fixed};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn with_retry_after(status: u16, value: &str) -> Reply {
    Reply::Fixed {
        status,
        headers: vec![("retry-after", value.to_owned())],
        body: "later".to_owned(),
    }
}

fn a_refusal_about_one_job_holds_no_other() {
    let mut bench = Bench::new(|b| {
        let premium = "Your current plan does not allow you to use our premium proxies.";
        let cost = "This request would cost 75 credits, more than its max_cost";
        b.rules = vec![
            Rule::create("premium", Effect::Nothing, fixed(403, premium)).always(),
            Rule::create("costly", Effect::Nothing, fixed(403, cost)).always(),
        ];
    });
    bench.set("park.probe_interval", "1h");
    bench.set("park.max_probe_interval", "1h");
    bench.enqueue(&[
        ("premium", "premium"),
        ("costly", "costly"),
        ("good1", "good1"),
        ("good2", "good2"),
    ]);
    let ended = bench.work(15);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    for name in ["premium", "costly"] {
        assert_eq!(
            bench.job(name).error_kind.as_deref(),
            Some("bad_request"),
            "{}",
            bench.jobs_brief()
        );
    }
    bench.all_finished(&["good1", "good2"]);
    assert_eq!(bench.spent(), 2 * CREDITS);
}

fn credits_used_up_park_all_and_go_on_by_themselves() {
    let text =
        "You have exhausted the API Credits available in this monthly cycle. Enable overages.";
    let bench = Bench::new(|b| {
        b.rules = vec![Rule::create("", Effect::Nothing, fixed(403, text)).always()]
    });
    bench.enqueue(&[("c1", "c1"), ("c2", "c2"), ("c3", "c3")]);
    let daemon = bench.daemon();
    bench
        .fake
        .until("a probe", MS(10_000), |b| b.posts.len() >= 2);
    bench.fake.does(|b| b.rules.clear());
    bench
        .fake
        .until("three parsers", MS(15_000), |b| b.parsers.len() == 3);
    daemon.kill();
    bench.work(20);
    bench.all_finished(&["c1", "c2", "c3"]);
}

fn a_limit_told_as_400_fails_not_all() {
    let bench = Bench::new(|b| {
        b.rules = vec![
            Rule::create(
                "",
                Effect::Nothing,
                fixed(400, "parser limit of your plan reached"),
            )
            .always(),
        ];
    });
    let names: Vec<String> = (0..12).map(|i| format!("limit{i}")).collect();
    bench.enqueue(
        &names
            .iter()
            .map(|n| (n.as_str(), n.as_str()))
            .collect::<Vec<_>>(),
    );
    let daemon = bench.daemon();
    bench
        .fake
        .until("three refusals", MS(10_000), |b| b.posts.len() >= 4);
    bench.fake.does(|b| b.rules.clear());
    daemon.kill();
    bench.work(30);
    let failed = bench.number("SELECT count(*) FROM jobs WHERE state = 'FAILED'");
    let finished = bench.number("SELECT count(*) FROM jobs WHERE state = 'FINISHED'");
    // The creates that were under way when the third was refused may be refused as well.
    assert!(
        finished >= 6 && failed + finished == 12,
        "{}",
        bench.jobs_brief()
    );
    assert!(bench.audit().is_empty(), "{:#?}", bench.audit());
}

fn maintenance_with_retry_after_uses_up_no_attempt() {
    let mut bench = Bench::new(|b| {
        b.rules = vec![Rule::create("", Effect::Nothing, with_retry_after(503, "1")).times(5)];
    });
    bench.set("retry.max_attempts", "1");
    bench.set("reconcile.settle", "800ms");
    bench.enqueue(&[("m1", "m1"), ("m2", "m2")]);
    bench.work(40);
    bench.all_finished(&["m1", "m2"]);
}

/// `resume` opens the gate, and the jobs that met it wait for nothing more of their own.
fn what_waits_for_a_retry_after_goes_on_with_resume() {
    for status in [429, 503] {
        let mut bench = Bench::new(|b| {
            let later = with_retry_after(status, "3600");
            b.rules = vec![Rule::create("", Effect::Nothing, later).times(2)];
        });
        bench.set("workers.max_requests", "2");
        bench.enqueue(&[("met", "met"), ("met too", "too"), ("behind", "behind")]);
        let daemon = bench.daemon();
        bench
            .fake
            .until("a refusal", MS(10_000), |b| !b.posts.is_empty());
        let closed = "SELECT count(*) FROM gates WHERE next_probe_at > \
             (unixepoch() + 3000) * 1000";
        bench.until("a gate that keeps the wish", || bench.number(closed) == 1);
        // A new process keeps it, too.
        daemon.kill();
        let daemon = bench.daemon();
        bench.until("nothing left to look at", || {
            bench.number("SELECT count(*) FROM jobs WHERE state = 'QUEUED'") == 3
        });
        let before = bench.fake.world().books.posts.len();
        assert!(before <= 2, "{before} creates in spite of the Retry-After");
        bench.fake.does(|b| b.rules.clear());
        bench.ok(&["resume", "--state", "PARKED", "--all", "--yes"]);
        bench
            .fake
            .until("three parsers", MS(10_000), |b| b.parsers.len() == 3);
        daemon.kill();
        bench.work(20);
        bench.all_finished(&["met", "met too", "behind"]);
    }
}

fn maintenance_holds_further_creates() {
    let mut bench = Bench::new(|b| {
        b.rules = vec![Rule::create(
            "",
            Effect::Nothing,
            with_retry_after(503, "2"),
        )]
    });
    bench.set("workers.max_requests", "1");
    let names: Vec<String> = (0..6).map(|i| format!("held{i}")).collect();
    bench.enqueue(
        &names
            .iter()
            .map(|n| (n.as_str(), n.as_str()))
            .collect::<Vec<_>>(),
    );
    bench.work(30);
    bench.all_finished(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let world = bench.fake.world();
    let gap = world.books.posts[1].at - world.books.posts[0].at;
    assert!(
        gap >= MS(1950),
        "the next create came {gap:?} after a Retry-After of 2 s"
    );
}

fn a_useless_retry_after(value: &str) {
    let mut bench = Bench::new(|b| {
        b.rules = vec![Rule::create("", Effect::Nothing, with_retry_after(429, value)).always()];
    });
    bench.set("retry.initial_interval", "100ms");
    bench.set("retry.max_interval", "5s");
    bench.set("retry.max_attempts", "2");
    bench.enqueue(&[("busy", "busy")]);
    let daemon = bench.daemon();
    bench
        .fake
        .until("five refusals", MS(20_000), |b| b.posts.len() == 5);
    let took = {
        let world = bench.fake.world();
        world.books.posts[4].at - world.books.posts[0].at
    };
    // 100 + 200 + 400 + 800 ms, each shortened by a fifth at most.
    assert!(took >= MS(1200), "five creates in {took:?}");
    bench.fake.does(|b| b.rules.clear());
    bench
        .fake
        .until("a parser", MS(10_000), |b| b.parsers.len() == 1);
    daemon.kill();
    bench.work(20);
    bench.all_finished(&["busy"]);
}

fn a_retry_after_of_zero_stops_no_backing_off() {
    a_useless_retry_after("0");
}

fn a_retry_after_in_the_past_stops_no_backing_off() {
    a_useless_retry_after("Wed, 21 Oct 2015 07:28:00 GMT");
}

fn a_list_whose_status_never_moves_hides_no_finished_parser() {
    let bench = Bench::new(|b| b.list_status_stuck = true);
    let names: Vec<String> = (0..80).map(|i| format!("n{i}")).collect();
    bench.enqueue(
        &names
            .iter()
            .map(|n| (n.as_str(), n.as_str()))
            .collect::<Vec<_>>(),
    );
    let begun = Instant::now();
    let ended = bench.work(30);
    bench.all_finished(&names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(
        ended.code,
        Some(0),
        "after {:?}: {ended:?}",
        begun.elapsed()
    );
}

#[test]
fn limits_and_refusals() {
    together(&[
        (
            "a_refusal_about_one_job_holds_no_other",
            a_refusal_about_one_job_holds_no_other,
        ),
        (
            "credits_used_up_park_all_and_go_on_by_themselves",
            credits_used_up_park_all_and_go_on_by_themselves,
        ),
        (
            "a_limit_told_as_400_fails_not_all",
            a_limit_told_as_400_fails_not_all,
        ),
        (
            "maintenance_with_retry_after_uses_up_no_attempt",
            maintenance_with_retry_after_uses_up_no_attempt,
        ),
        (
            "what_waits_for_a_retry_after_goes_on_with_resume",
            what_waits_for_a_retry_after_goes_on_with_resume,
        ),
        (
            "maintenance_holds_further_creates",
            maintenance_holds_further_creates,
        ),
        (
            "a_retry_after_of_zero_stops_no_backing_off",
            a_retry_after_of_zero_stops_no_backing_off,
        ),
        (
            "a_retry_after_in_the_past_stops_no_backing_off",
            a_retry_after_in_the_past_stops_no_backing_off,
        ),
        (
            "a_list_whose_status_never_moves_hides_no_finished_parser",
            a_list_whose_status_never_moves_hides_no_finished_parser,
        ),
    ]);
}
