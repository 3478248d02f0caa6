//! What operators do: retry, mistype, another address, another key (numbers 4, 5, 6).

use std::time::{Duration, Instant};

use super::bench::{Bench, page, together};
use super::fake::{Effect, Fake, KEY, OTHER_KEY, Reply, Rule, fixed};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn retry_takes_a_parser_that_failed_and_is_finished_now() {
    let bench = Bench::new(|b| b.fails = vec!["once"]);
    bench.enqueue(&[("once", "once")]);
    let ended = bench.work(20);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(
        bench.job("once").error_kind.as_deref(),
        Some("generation_failed")
    );
    bench.fake.does(|b| b.fails.clear());
    bench.ok(&["retry", "once", "--yes"]);
    bench.work(20);
    bench.all_finished(&["once"]);
    assert_eq!(bench.fake.world().books.posts.len(), 1);
}

fn a_retry_by_sql_asks_for_the_parser_too() {
    let bench = Bench::new(|b| b.fails = vec!["once"]);
    bench.enqueue(&[("once", "once")]);
    bench.work(20);
    bench.fake.does(|b| b.fails.clear());
    bench
        .database()
        .execute("UPDATE jobs SET state = 'QUEUED' WHERE name = 'once'", [])
        .unwrap();
    bench.work(20);
    bench.all_finished(&["once"]);
    assert_eq!(bench.fake.world().books.posts.len(), 1);
}

fn retry_takes_a_parser_that_was_not_found_and_is_there_again() {
    let bench = Bench::new(|b| b.generation = Duration::from_secs(3600));
    bench.enqueue(&[("gone", "gone"), ("stays", "stays")]);
    let daemon = bench.daemon();
    bench
        .fake
        .until("polls of both", MS(10_000), |b| b.gets.len() > 3);
    bench.fake.does(|b| b.generation = Duration::ZERO);
    bench
        .fake
        .world()
        .books
        .parsers
        .iter_mut()
        .filter(|p| p.sent.contains("gone"))
        .for_each(|p| p.deleted = true);
    daemon.kill();
    bench.work(30);
    bench
        .fake
        .world()
        .books
        .parsers
        .iter_mut()
        .for_each(|p| p.deleted = false);
    if bench.job("gone").state == "FAILED" {
        assert_eq!(bench.job("gone").error_kind.as_deref(), Some("not_found"));
        bench.ok(&["retry", "gone", "--yes"]);
        bench.work(20);
    }
    bench.all_finished(&["gone", "stays"]);
    assert_eq!(bench.fake.world().books.posts.len(), 2);
}

fn a_created_id_that_is_not_the_parsers_own() {
    let bench = Bench::new(|b| {
        b.rules = vec![Rule::create(
            "odd",
            Effect::Now,
            Reply::WrongId("elsewhere".into()),
        )]
    });
    bench.enqueue(&[("odd", "odd")]);
    bench.work(30);
    if bench.job("odd").state == "FAILED" {
        bench.ok(&["retry", "odd", "--yes"]);
        bench.work(20);
    }
    bench.all_finished(&["odd"]);
    assert_eq!(bench.fake.world().books.posts.len(), 1);
}

fn the_retry_of_a_parser_that_stays_failed_is_one_new_parser() {
    let bench = Bench::new(|b| b.fails = vec!["bad"]);
    bench.enqueue(&[("bad", "bad")]);
    bench.work(20);
    bench.ok(&["retry", "bad", "--yes"]);
    // The new one's answer is lost, and the daemon killed.
    bench
        .fake
        .does(|b| b.rules = vec![Rule::create("bad", Effect::Now, Reply::Lost).hold(MS(400))]);
    let daemon = bench.daemon();
    bench
        .fake
        .until("a second create", MS(10_000), |b| b.posts.len() == 2);
    daemon.kill();
    bench.work(20);
    assert_eq!(
        bench.fake.world().books.posts.len(),
        2,
        "{}",
        bench.jobs_brief()
    );
    let job = bench.job("bad");
    assert_eq!(
        job.error_kind.as_deref(),
        Some("generation_failed"),
        "{job:?}"
    );
    assert_eq!(
        job.parser_id,
        Some(bench.fake.world().books.parsers[1].id.clone())
    );
    assert_eq!(bench.audit(), Vec::<String>::new());
}

/// A job that is generated and one in doubt, then the daemon is led elsewhere for a while.
fn elsewhere(lead_away: impl FnOnce(&mut Bench), lead_back: impl FnOnce(&mut Bench)) {
    let mut bench = Bench::new(|b| {
        b.generation = Duration::from_secs(3600);
        b.list_lag = MS(1200);
        b.rules = vec![Rule::create("doubtful", Effect::Now, Reply::Lost)];
    });
    bench.enqueue(&[("making", "making"), ("doubtful", "doubtful")]);
    let daemon = bench.daemon();
    bench.fake.until("two creates and a poll", MS(10_000), |b| {
        b.posts.len() == 2 && !b.gets.is_empty()
    });
    daemon.kill();
    bench.fake.does(|b| b.generation = Duration::ZERO);
    lead_away(&mut bench);
    // It may end by itself or wait: it is given longer than settling takes, then killed.
    bench.run(&["run", "--until-done"], MS(5000));
    assert_eq!(
        bench.fake.world().books.posts.len(),
        2,
        "sent again elsewhere\n{}",
        bench.jobs_brief()
    );
    lead_back(&mut bench);
    bench.work(30);
    for name in ["making", "doubtful"] {
        if bench.job(name).state != "FINISHED" {
            bench.ok(&["retry", name, "--yes"]);
        }
    }
    bench.work(30);
    bench.all_finished(&["making", "doubtful"]);
    assert_eq!(bench.fake.world().books.posts.len(), 2);
}

fn another_address_for_a_while() {
    let staging = Fake::start();
    let there = staging.url();
    elsewhere(
        |bench| bench.set("api.base_url", &there),
        |bench| {
            let home = bench.fake.url();
            bench.set("api.base_url", &home);
        },
    );
    assert_eq!(
        staging.world().books.posts.len(),
        0,
        "what is in doubt at home was sent to staging"
    );
}

fn another_accounts_key_for_a_while() {
    elsewhere(
        |bench| bench.set("api.key", OTHER_KEY),
        |bench| bench.set("api.key", KEY),
    );
}

fn a_key_that_is_refused_for_a_while() {
    elsewhere(
        |bench| bench.set("api.key", "mistyped-key-0001"),
        |bench| bench.set("api.key", KEY),
    );
}

fn resolve_takes_no_mistyped_id() {
    let bench = Bench::new(|b| b.rules = vec![Rule::create("twin", Effect::Twice, Reply::Lost)]);
    bench.enqueue(&[("twin", "twin"), ("other", "other")]);
    let ended = bench.work(20);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert_eq!(
        bench.job("twin").park_reason.as_deref(),
        Some("ambiguous"),
        "{}",
        bench.jobs_brief()
    );
    let twins: Vec<String> = bench
        .fake
        .world()
        .books
        .made(&page("twin"))
        .iter()
        .map(|p| p.id.clone())
        .collect();
    let listed = bench.ok(&["resolve", "twin"]);
    assert!(
        twins.iter().all(|id| listed.contains(id.as_str())),
        "{listed}"
    );
    let other = bench.job("other").parser_id.unwrap();
    for wrong in ["q999zk1w", other.as_str()] {
        let ended = bench.run(&["resolve", "twin", "--adopt", wrong], MS(10_000));
        assert_eq!(ended.code, Some(1), "{wrong}: {ended:?}");
        assert_eq!(bench.job("twin").state, "PARKED", "{wrong}");
    }
    // One that is another tool's: there, unclaimed, and not of this job's name.
    {
        let mut world = bench.fake.world();
        let mut foreign = world.books.parsers[0].clone();
        foreign.id = "foreign1".to_owned();
        foreign.url = page("foreign");
        (foreign.sent, foreign.stored) = ("a tool's".to_owned(), "a tool's".to_owned());
        world.books.parsers.push(foreign);
    }
    let ended = bench.run(&["resolve", "twin", "--adopt", "foreign1"], MS(10_000));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    bench.ok(&["resolve", "twin", "--adopt", &twins[1]]);
    bench.work(20);
    let job = bench.job("twin");
    assert_eq!(
        (job.state.as_str(), job.parser_id.as_deref()),
        ("FINISHED", Some(twins[1].as_str()))
    );
    assert_eq!(bench.fake.world().books.posts.len(), 2);
}

fn a_refused_answer_is_told_by_show_and_status() {
    let bench = Bench::new(|b| {
        b.rules = vec![Rule::create(
            "",
            Effect::Nothing,
            fixed(400, "urls: not a page"),
        )]
    });
    bench.enqueue(&[("refused", "refused")]);
    assert_eq!(bench.work(20).code, Some(3));
    let shown = bench.json(&["show", "refused", "--json"]).to_string();
    assert!(
        shown.contains("bad_request") && shown.contains("not a page"),
        "{shown}"
    );
    let jobs = bench.json(&["jobs", "--json"]);
    assert_eq!(jobs[0]["state"], "FAILED", "{jobs}");
    bench.json(&["status", "--json"]);
    assert_eq!(bench.spent(), 0);
}

fn a_run_counts_its_own_failures_only() {
    let bench = Bench::new(|b| {
        b.rules = vec![Rule::create(
            "old",
            Effect::Nothing,
            fixed(422, "no such page"),
        )]
    });
    bench.enqueue(&[("old", "old")]);
    assert_eq!(bench.work(20).code, Some(3));
    bench.enqueue(&[("new", "new")]);
    assert_eq!(bench.work(20).code, Some(0));
    bench.all_finished(&["new"]);
}

/// A job whose create went to another address is that address's: home's list proves nothing.
fn made_elsewhere(answer: impl Fn(String) -> Reply, killed_at: &str) {
    let staging = Fake::start();
    let mut bench = Bench::new(|_| {});
    bench.enqueue(&[("home", "home")]);
    bench.work(20);
    bench.set("api.base_url", &staging.url());
    let answer = answer(bench.job("home").parser_id.unwrap());
    staging.does(|b| {
        b.generation = Duration::from_secs(3600);
        b.rules = vec![Rule::create("away", Effect::Now, answer).hold(MS(300))];
    });
    bench.enqueue(&[("away", "away")]);
    let daemon = bench.daemon();
    let begun = Instant::now();
    while bench.job("away").state != killed_at || staging.world().books.posts.is_empty() {
        assert!(begun.elapsed() < MS(10_000), "{}", bench.jobs_brief());
        std::thread::sleep(MS(5));
    }
    daemon.kill();
    let home = bench.fake.url();
    bench.set("api.base_url", &home);
    let ended = bench.run(&["run", "--until-done"], MS(5000));
    let output = format!(
        "{}\n{}\n{}",
        bench.jobs_brief(),
        bench.events("away"),
        ended.err
    );
    assert_eq!(
        bench.fake.world().books.posts.len(),
        1,
        "paid at home too\n{output}"
    );
    assert_ne!(bench.job("away").state, "FAILED", "given up\n{output}");
    staging.does(|b| b.generation = Duration::ZERO);
    bench.set("api.base_url", &staging.url());
    bench.work(20);
    assert_eq!(staging.world().books.posts.len(), 1);
    assert_eq!(
        bench.job("away").state,
        "FINISHED",
        "{}",
        bench.jobs_brief()
    );
}

fn generated_elsewhere_is_not_paid_again_at_home() {
    made_elsewhere(|_| Reply::Usual, "GENERATING");
}

fn in_doubt_elsewhere_is_not_paid_again_at_home() {
    made_elsewhere(|_| Reply::Lost, "CREATING");
}

fn told_a_foreign_id_elsewhere_is_not_paid_again_at_home() {
    made_elsewhere(Reply::WrongId, "CREATING");
}

fn elsewhere_with_work(lead_away: impl FnOnce(&mut Bench), lead_back: impl FnOnce(&mut Bench)) {
    let mut bench = Bench::new(|b| {
        b.generation = Duration::from_secs(3600);
        b.rules = vec![Rule::create(
            "doubtful",
            Effect::Later(MS(700)),
            Reply::Lost,
        )];
    });
    bench.enqueue(&[("making", "making"), ("doubtful", "doubtful")]);
    let daemon = bench.daemon();
    bench
        .fake
        .until("two creates", MS(10_000), |b| b.posts.len() == 2);
    daemon.kill();
    bench.fake.does(|b| b.generation = Duration::ZERO);
    lead_away(&mut bench);
    bench.enqueue(&[("new", "new")]);
    bench.run(&["run", "--until-done"], MS(5000));
    lead_back(&mut bench);
    bench.work(30);
    for name in ["making", "doubtful", "new"] {
        if bench.job(name).state == "FAILED" {
            bench.ok(&["retry", name, "--yes"]);
        }
    }
    bench.work(30);
    let sent = |page: &str| {
        bench
            .fake
            .world()
            .books
            .posts
            .iter()
            .filter(|p| p.url.ends_with(page))
            .count()
    };
    assert_eq!(
        (sent("making"), sent("doubtful")),
        (1, 1),
        "{}",
        bench.jobs_brief()
    );
    for name in ["making", "doubtful"] {
        assert_eq!(bench.job(name).state, "FINISHED", "{}", bench.jobs_brief());
    }
}

fn another_address_where_work_is_done() {
    let staging = Fake::start();
    elsewhere_with_work(
        |bench| bench.set("api.base_url", &staging.url()),
        |bench| {
            let home = bench.fake.url();
            bench.set("api.base_url", &home);
        },
    );
    let posts = &staging.world().books.posts;
    assert!(
        posts.iter().all(|p| p.url == page("new")) && posts.len() <= 1,
        "{posts:?}"
    );
}

fn another_account_where_work_is_done() {
    elsewhere_with_work(
        |bench| bench.set("api.key", OTHER_KEY),
        |bench| bench.set("api.key", KEY),
    );
}

#[test]
fn what_operators_do() {
    together(&[
        (
            "retry_takes_a_parser_that_failed_and_is_finished_now",
            retry_takes_a_parser_that_failed_and_is_finished_now,
        ),
        (
            "a_retry_by_sql_asks_for_the_parser_too",
            a_retry_by_sql_asks_for_the_parser_too,
        ),
        (
            "retry_takes_a_parser_that_was_not_found_and_is_there_again",
            retry_takes_a_parser_that_was_not_found_and_is_there_again,
        ),
        (
            "a_created_id_that_is_not_the_parsers_own",
            a_created_id_that_is_not_the_parsers_own,
        ),
        (
            "the_retry_of_a_parser_that_stays_failed_is_one_new_parser",
            the_retry_of_a_parser_that_stays_failed_is_one_new_parser,
        ),
        ("another_address_for_a_while", another_address_for_a_while),
        (
            "another_accounts_key_for_a_while",
            another_accounts_key_for_a_while,
        ),
        (
            "a_key_that_is_refused_for_a_while",
            a_key_that_is_refused_for_a_while,
        ),
        ("resolve_takes_no_mistyped_id", resolve_takes_no_mistyped_id),
        (
            "a_refused_answer_is_told_by_show_and_status",
            a_refused_answer_is_told_by_show_and_status,
        ),
        (
            "a_run_counts_its_own_failures_only",
            a_run_counts_its_own_failures_only,
        ),
        (
            "generated_elsewhere_is_not_paid_again_at_home",
            generated_elsewhere_is_not_paid_again_at_home,
        ),
        (
            "in_doubt_elsewhere_is_not_paid_again_at_home",
            in_doubt_elsewhere_is_not_paid_again_at_home,
        ),
        (
            "told_a_foreign_id_elsewhere_is_not_paid_again_at_home",
            told_a_foreign_id_elsewhere_is_not_paid_again_at_home,
        ),
        (
            "another_address_where_work_is_done",
            another_address_where_work_is_done,
        ),
        (
            "another_account_where_work_is_done",
            another_account_where_work_is_done,
        ),
    ]);
}
