//! What this fake found that the project's own tests had not.

use std::time::{Duration, Instant};

use super::bench::{Bench, CREDITS, page, together};
use super::fake::{Effect, Fake, Ids, Reply, Rule, fixed};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn a_restored_database_pays_for_nothing_twice_and_counts_what_it_finds() {
    let mut bench = Bench::new(|_| {});
    bench.set("budget.max_credits", &(6 * CREDITS).to_string());
    bench.enqueue(&[("r1", "r1"), ("r2", "r2"), ("r3", "r3")]);
    bench.work(20);
    bench.ok(&["backup", "copy.db"]);
    bench.enqueue(&[("r4", "r4"), ("r5", "r5"), ("r6", "r6")]);
    bench.work(20);
    bench.restore();
    bench.enqueue(&[
        ("r4", "r4"),
        ("r5", "r5"),
        ("r6", "r6"),
        ("r7", "r7"),
        ("r8", "r8"),
    ]);
    bench.work(30);
    bench.all_finished(&["r4", "r5", "r6"]);
    assert_eq!(
        bench.fake.world().books.posts.len(),
        6,
        "the limit was passed\n{}",
        bench.jobs_brief()
    );
    // One says why; the other waits behind it, or met the bound at the same moment.
    let reasons = ["r7", "r8"].map(|name| bench.job(name).park_reason);
    let brief = bench.jobs_brief();
    assert!(reasons.contains(&Some("budget".to_owned())), "{brief}");
    let waits = |reason: &Option<String>| matches!(reason.as_deref(), None | Some("budget"));
    assert!(reasons.iter().all(waits), "{brief}");
}

fn one_parser_refused(status: u16) {
    let mut bench =
        Bench::new(|b| b.rules = vec![Rule::get("sick", fixed(status, "not this one")).always()]);
    bench.set("poll.timeout", "2s");
    bench.set("park.max_probe_interval", "1h");
    bench.enqueue(&[("sick", "sick"), ("well", "well")]);
    let daemon = bench.daemon();
    bench.fake.until("polls of the sick one", MS(10_000), |b| {
        b.posts.len() == 2 && b.gets.len() > 2
    });
    bench.insert("late", "late");
    daemon.kill();
    let ended = bench.work(20);
    bench.all_finished(&["well", "late"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let job = bench.job("sick");
    assert!(job.state == "FAILED" && job.parser_id.is_some(), "{job:?}");
    // It is well again, and not paid for again.
    bench.fake.does(|b| b.rules.clear());
    bench.ok(&["retry", "sick", "--yes"]);
    bench.work(20);
    bench.all_finished(&["sick"]);
    assert_eq!(bench.fake.world().books.posts.len(), 3);
}

fn a_403_for_one_parser_is_its_own_trouble() {
    one_parser_refused(403);
}

fn a_401_for_one_parser_is_its_own_trouble() {
    one_parser_refused(401);
}

fn one_parser_refused_beside_a_daemon(status: u16) {
    let mut bench =
        Bench::new(|b| b.rules = vec![Rule::get("sick", fixed(status, "not this one")).always()]);
    bench.set("poll.timeout", "2s");
    bench.enqueue(&[("sick", "sick"), ("well", "well")]);
    let _daemon = bench.daemon();
    bench.fake.until("polls of the sick one", MS(10_000), |b| {
        b.posts.len() == 2 && b.gets.len() > 2
    });
    bench.insert("late", "late");
    let begun = Instant::now();
    while bench.job("late").state != "FINISHED" || bench.job("sick").state != "FAILED" {
        assert!(
            begun.elapsed() < MS(12_000),
            "{}\n{}",
            bench.jobs_brief(),
            bench.ok(&["status"])
        );
        std::thread::sleep(MS(20));
    }
    assert_eq!(
        bench.job("sick").error_kind.as_deref(),
        Some("generation_timeout")
    );
}

fn a_403_for_one_parser_ends_at_the_timeout_beside_a_daemon() {
    one_parser_refused_beside_a_daemon(403);
}

fn a_401_for_one_parser_ends_at_the_timeout_beside_a_daemon() {
    one_parser_refused_beside_a_daemon(401);
}

fn ids_in_another_case() {
    let bench = Bench::new(|b| {
        b.ids = Ids::UpperLater;
        b.rules = vec![Rule::create("lost", Effect::Now, Reply::Lost)];
    });
    bench.enqueue(&[("one", "one"), ("two", "two"), ("lost", "lost")]);
    bench.work(20);
    bench.all_finished(&["one", "two", "lost"]);
    assert_eq!(bench.fake.world().books.posts.len(), 3);
}

/// The other address gives out an id that home's parser has (a copy of the service, say).
fn the_same_ids_elsewhere_pay_nothing_twice() {
    let staging = Fake::start();
    let mut bench = Bench::new(|_| {});
    let salt = bench.fake.world().salt;
    staging.world().salt = salt;
    bench.enqueue(&[("home", "home")]);
    bench.work(20);
    bench.set("api.base_url", &staging.url());
    staging.does(|b| b.generation = Duration::from_secs(3600));
    bench.enqueue(&[("away", "away")]);
    let away = bench.run(&["run"], MS(3200));
    let at_kill = format!(
        "{}\n{}\n{:?}\n{}",
        bench.jobs_brief(),
        bench.events("away"),
        staging.world().books.gets,
        away.err
    );
    let home = bench.fake.url();
    bench.set("api.base_url", &home);
    let ended = bench.run(&["run", "--until-done"], MS(8000));
    let output = format!(
        "at the kill:\n{at_kill}\nat last:\n{}\n{}\n{}\n{:?}",
        bench.jobs_brief(),
        bench.events("away"),
        ended.err,
        staging.world().books.posts
    );
    assert_eq!(
        bench.fake.world().books.posts.len(),
        1,
        "paid at home too\n{output}"
    );
}

/// Numbers as ids are the same ones everywhere: a parser of that number is not yet the job's own.
fn a_foreign_parser_of_the_same_id_elsewhere_is_not_taken() {
    let staging = Fake::start();
    let mut bench = Bench::new(|b| b.generation = Duration::from_secs(3600));
    bench.enqueue(&[("mine", "mine")]);
    let daemon = bench.daemon();
    bench
        .fake
        .until("a poll", MS(10_000), |b| !b.gets.is_empty());
    daemon.kill();
    {
        let mut foreign = bench.fake.world().books.parsers[0].clone();
        (foreign.sent, foreign.stored) = ("staging's own".to_owned(), "staging's own".to_owned());
        foreign.url = page("of-staging");
        staging.world().books.parsers.push(foreign);
    }
    bench.set("api.base_url", &staging.url());
    let ended = bench.run(&["run", "--until-done"], MS(4000));
    let job = bench.job("mine");
    assert_ne!(
        job.state, "FINISHED",
        "took another's parser: {job:?}\n{}",
        ended.err
    );
    assert_eq!(staging.world().books.posts.len(), 0);
}

#[test]
fn what_was_found_stays_mended() {
    together(&[
        (
            "a_restored_database_pays_for_nothing_twice_and_counts_what_it_finds",
            a_restored_database_pays_for_nothing_twice_and_counts_what_it_finds,
        ),
        (
            "a_403_for_one_parser_is_its_own_trouble",
            a_403_for_one_parser_is_its_own_trouble,
        ),
        (
            "a_401_for_one_parser_is_its_own_trouble",
            a_401_for_one_parser_is_its_own_trouble,
        ),
        (
            "a_403_for_one_parser_ends_at_the_timeout_beside_a_daemon",
            a_403_for_one_parser_ends_at_the_timeout_beside_a_daemon,
        ),
        (
            "a_401_for_one_parser_ends_at_the_timeout_beside_a_daemon",
            a_401_for_one_parser_ends_at_the_timeout_beside_a_daemon,
        ),
        ("ids_in_another_case", ids_in_another_case),
        (
            "the_same_ids_elsewhere_pay_nothing_twice",
            the_same_ids_elsewhere_pay_nothing_twice,
        ),
        (
            "a_foreign_parser_of_the_same_id_elsewhere_is_not_taken",
            a_foreign_parser_of_the_same_id_elsewhere_is_not_taken,
        ),
    ]);
}
