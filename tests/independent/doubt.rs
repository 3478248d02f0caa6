//! Creates whose outcome is not known (numbers 2, 3, 9, 19, 24, and kills).

use std::time::Duration;

use super::bench::{Bench, CREDITS, page, together};
use super::fake::{Effect, ListShape, Reply, Rule, fixed};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn a_gateways_word_waits_for_what_lands_late() {
    let bench = Bench::new(|b| {
        b.rules = [408, 499, 502, 503, 504, 520, 522, 524]
            .iter()
            .map(|code| {
                let effect = Effect::Later(MS(900));
                Rule::create(
                    &format!("code{code}"),
                    effect,
                    fixed(*code, "<html>gateway</html>"),
                )
            })
            .collect();
    });
    let names: Vec<String> = [408, 499, 502, 503, 504, 520, 522, 524]
        .map(|c| format!("code{c}"))
        .to_vec();
    let jobs: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), n.as_str())).collect();
    bench.enqueue(&jobs);
    bench.work(20);
    bench.all_finished(&names.iter().map(String::as_str).collect::<Vec<_>>());
}

fn an_error_after_the_effect_on_a_list_that_lags() {
    let bench = Bench::new(|b| {
        b.list_lag = MS(900);
        b.rules = vec![Rule::create("", Effect::Now, fixed(500, "extraction failed")).times(3)];
    });
    bench.enqueue(&[("a", "a"), ("b", "b"), ("c", "c")]);
    bench.work(20);
    bench.all_finished(&["a", "b", "c"]);
}

fn a_lag_that_was_measured_is_waited_for() {
    let bench = Bench::new(|b| b.list_lag = MS(900));
    bench.enqueue(&[("first", "first")]);
    bench.work(20);
    bench
        .fake
        .does(|b| b.rules = vec![Rule::create("second", Effect::Now, fixed(500, "no"))]);
    bench.enqueue(&[("second", "second")]);
    bench.work(20);
    bench.all_finished(&["first", "second"]);
}

fn killed_while_a_create_is_under_way_that_lands_after_the_restart() {
    let bench = Bench::new(|b| {
        b.list_lag = MS(300);
        b.rules = vec![
            Rule::create("", Effect::Later(MS(700)), Reply::Lost)
                .hold(MS(900))
                .times(2),
        ];
    });
    bench.enqueue(&[("x", "x"), ("y", "y")]);
    let daemon = bench.daemon();
    bench
        .fake
        .until("two creates", MS(8000), |b| b.posts.len() == 2);
    daemon.kill();
    bench.work(20);
    bench.all_finished(&["x", "y"]);
    assert_eq!(bench.fake.world().books.posts.len(), 2);
}

fn killed_again_and_again() {
    let bench = Bench::new(|b| {
        b.list_lag = MS(200);
        b.rules = vec![
            Rule::create("", Effect::Later(MS(100)), Reply::Usual)
                .hold(MS(300))
                .always(),
        ];
    });
    bench.enqueue(&[("j1", "j1"), ("j2", "j2"), ("j3", "j3"), ("j4", "j4")]);
    bench.insert("by sql", "sql");
    for posts in 1..4 {
        let daemon = bench.daemon();
        bench.fake.until("a create or a poll", MS(10_000), |b| {
            b.posts.len() >= posts && b.gets.len() + 1 >= posts
        });
        daemon.kill();
    }
    bench.fake.does(|b| b.rules.clear());
    bench.work(20);
    bench.all_finished(&["j1", "j2", "j3", "j4", "by sql"]);
}

fn an_error_that_made_nothing_is_tried_again_and_then_given_up() {
    let bench = Bench::new(|b| {
        b.rules = vec![
            Rule::create("mended", Effect::Nothing, fixed(500, "no")),
            Rule::create("hopeless", Effect::Nothing, fixed(500, "no")).always(),
        ];
    });
    bench.enqueue(&[("mended", "mended"), ("hopeless", "hopeless")]);
    let ended = bench.work(30);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    bench.all_finished(&["mended"]);
    let job = bench.job("hopeless");
    assert_eq!(job.error_kind.as_deref(), Some("server_error"), "{job:?}");
    assert_eq!(job.creates, 3, "{job:?}");
    assert_eq!(bench.spent(), CREDITS);
}

fn a_page_of_the_list_proves_nothing() {
    // The account shows its oldest two parsers only; the third's answer is lost.
    let bench = Bench::new(|_| {});
    bench.enqueue(&[("p1", "p1"), ("p2", "p2"), ("p3", "p3")]);
    bench.work(20);
    bench.fake.does(|b| {
        b.list = ListShape::Page(2);
        b.rules = vec![Rule::create("p4", Effect::Now, Reply::Lost)];
    });
    bench.enqueue(&[("p4", "p4")]);
    let ended = bench.work(30);
    assert_eq!(
        bench.fake.world().books.made(&page("p4")).len(),
        1,
        "{}",
        bench.jobs_brief()
    );
    assert!(bench.audit().is_empty(), "{:#?}", bench.audit());
    let job = bench.job("p4");
    assert_eq!(
        job.park_reason.as_deref(),
        Some("ambiguous"),
        "{job:?} {ended:?}"
    );
    assert_eq!(ended.code, Some(4));
}

fn an_id_that_another_job_holds_is_not_shared() {
    let bench = Bench::new(|_| {});
    bench.enqueue(&[("owner", "owner")]);
    bench.work(20);
    let id = bench.job("owner").parser_id.unwrap();
    bench.fake.does(|b| {
        b.rules = vec![
            Rule::create("real", Effect::Now, Reply::WrongId(id.clone())),
            Rule::create("empty", Effect::Nothing, Reply::WrongId(id.clone())),
        ];
    });
    bench.enqueue(&[("real", "real"), ("empty", "empty")]);
    bench.work(30);
    let faults = bench.audit();
    assert!(faults.is_empty(), "{faults:#?}\n{}", bench.jobs_brief());
    assert_eq!(
        bench.job("real").state,
        "FINISHED",
        "{}",
        bench.jobs_brief()
    );
    let pending = bench.number(
        "SELECT count(*) FROM creates JOIN jobs ON jobs.id = creates.job_id
         WHERE outcome = 'pending' AND jobs.state IN ('FINISHED', 'FAILED', 'QUEUED', 'GENERATING')",
    );
    assert_eq!(
        pending,
        0,
        "pending for ever in the ledger\n{}",
        bench.jobs_brief()
    );
    assert_ne!(bench.job("empty").parser_id.as_deref(), Some(id.as_str()));
}

fn the_same_id_for_creates_at_once() {
    let bench = Bench::new(|b| {
        b.rules = vec![
            Rule::create("", Effect::Now, Reply::WrongId("q001zk".to_owned()))
                .hold(MS(200))
                .times(4),
        ];
    });
    bench.enqueue(&[("s1", "s1"), ("s2", "s2"), ("s3", "s3"), ("s4", "s4")]);
    bench.work(30);
    let faults = bench.audit();
    assert!(faults.is_empty(), "{faults:#?}\n{}", bench.jobs_brief());
    for name in ["s1", "s2", "s3", "s4"] {
        let job = bench.job(name);
        assert!(
            job.state == "FINISHED" || job.park_reason.as_deref() == Some("ambiguous"),
            "{name}: {job:?}"
        );
    }
}

fn the_id_of_a_parser_that_was_there_before() {
    let bench = Bench::new(|_| {});
    bench.enqueue(&[("first", "first")]);
    bench.work(20);
    // Somebody else's, which stands in the list before the create.
    let id = {
        let mut world = bench.fake.world();
        let mut theirs = world.books.parsers[0].clone();
        theirs.id = "their0own0parser0id0".to_owned();
        (theirs.sent, theirs.stored) = ("somebody".to_owned(), "somebody".to_owned());
        theirs.url = page("somebody");
        let id = theirs.id.clone();
        world.books.parsers.push(theirs);
        id
    };
    bench.fake.does(|b| {
        b.rules = vec![Rule::create("", Effect::Now, Reply::WrongId(id.clone())).times(1)];
    });
    bench.enqueue(&[("second", "second")]);
    bench.work(30);
    let job = bench.job("second");
    assert_ne!(job.parser_id, Some(id), "{}", bench.jobs_brief());
    assert_eq!(job.state, "FINISHED", "{}", bench.jobs_brief());
    let world = bench.fake.world();
    assert_eq!(world.books.posts.len(), 2);
    assert_eq!(world.books.made(&page("second")).len(), 1);
}

fn a_restored_database_waits_for_what_lands_late() {
    let bench = Bench::new(|_| {});
    bench.enqueue(&[("r1", "r1"), ("r2", "r2")]);
    bench.work(20);
    bench.ok(&["backup", "copy.db"]);
    bench.fake.does(|b| {
        b.list_lag = MS(300);
        b.rules = vec![Rule::create("late", Effect::Later(MS(1000)), Reply::Lost).hold(MS(900))];
    });
    bench.enqueue(&[("r3", "r3"), ("late", "late")]);
    let daemon = bench.daemon();
    bench
        .fake
        .until("two more creates", MS(10_000), |b| b.posts.len() == 4);
    daemon.kill();
    bench.restore();
    bench.enqueue(&[("r3", "r3"), ("late", "late")]);
    bench.work(25);
    assert_eq!(
        bench.fake.world().books.posts.len(),
        4,
        "{}",
        bench.jobs_brief()
    );
    // Whether the copy's ledger learns of what was spent since is another question.
    let faults: Vec<_> = bench
        .audit()
        .into_iter()
        .filter(|f| !f.starts_with("LEDGER"))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
    for name in ["r1", "r2", "r3", "late"] {
        assert_eq!(bench.job(name).state, "FINISHED", "{}", bench.jobs_brief());
    }
}

fn answers_that_make_no_sense_after_the_effect() {
    let bodies = [
        ("noid", r#"{"version":0}"#),
        ("nullid", r#"{"id":null,"version":0}"#),
        ("emptyid", r#"{"id":"","version":0}"#),
        ("objectid", r#"{"id":{"$oid":"5"},"version":0}"#),
        ("cutbody", r#"{"id":"q0"#),
        ("html", "<!doctype html><h1>Welcome</h1>"),
        ("nobody", ""),
        ("list", "[]"),
    ];
    let bench = Bench::new(|b| {
        b.list_lag = MS(400);
        b.rules = bodies
            .iter()
            .map(|(name, body)| Rule::create(name, Effect::Now, fixed(201, body)))
            .collect();
        b.rules
            .push(Rule::create("redirect", Effect::Now, fixed(307, "")));
        b.rules
            .push(Rule::create("slow", Effect::Now, Reply::Usual).hold(MS(1500)));
        b.rules
            .push(Rule::create("later", Effect::Later(MS(1300)), Reply::Lost).hold(MS(1500)));
    });
    let names: Vec<&str> = bodies
        .iter()
        .map(|(n, _)| *n)
        .chain(["redirect", "slow", "later"])
        .collect();
    bench.enqueue(&names.iter().map(|n| (*n, *n)).collect::<Vec<_>>());
    bench.work(25);
    bench.all_finished(&names);
}

fn a_new_parser_that_neither_list_nor_get_knows_yet() {
    let bench = Bench::new(|b| {
        b.list_lag = MS(1500);
        b.get_lag = MS(1500);
    });
    bench.enqueue(&[("young1", "young1"), ("young2", "young2")]);
    let ended = bench.work(25);
    bench.all_finished(&["young1", "young2"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

fn a_lost_answers_parser_that_failed_is_not_paid_for_again() {
    let bench = Bench::new(|b| {
        b.fails = vec!["fails"];
        b.generation = Duration::ZERO;
        b.rules = vec![Rule::create("fails", Effect::Now, Reply::Lost)];
    });
    bench.enqueue(&[("fails", "fails")]);
    let ended = bench.work(25);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(
        bench.job("fails").error_kind.as_deref(),
        Some("generation_failed"),
        "{}",
        bench.jobs_brief()
    );
    assert_eq!(bench.fake.world().books.posts.len(), 1);
    assert_eq!(bench.audit(), Vec::<String>::new());
}

fn a_create_in_doubt_counts_against_the_budget() {
    let mut bench = Bench::new(|b| {
        b.list_lag = MS(900);
        b.rules = vec![Rule::create("", Effect::Now, Reply::Lost)];
    });
    bench.set("budget.max_credits", "60000");
    bench.enqueue(&[("b1", "b1"), ("b2", "b2"), ("b3", "b3"), ("b4", "b4")]);
    let ended = bench.work(25);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert_eq!(
        bench.fake.world().books.parsers.len(),
        2,
        "{}",
        bench.jobs_brief()
    );
    assert_eq!(
        bench.number("SELECT count(*) FROM jobs WHERE park_reason = 'budget'"),
        2
    );
    assert_eq!(bench.audit(), Vec::<String>::new());
}

fn cancelled_and_enqueued_again_takes_the_parser_that_was_paid() {
    let mut bench = Bench::new(|b| b.generation = Duration::from_secs(3600));
    bench.set("poll.timeout", "500ms");
    bench.enqueue(&[("slow", "slow")]);
    let ended = bench.work(20);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(
        bench.job("slow").error_kind.as_deref(),
        Some("generation_timeout")
    );
    bench.ok(&["cancel", "slow"]);
    bench.fake.does(|b| b.generation = Duration::ZERO);
    bench.enqueue(&[("slow", "slow")]);
    bench.work(20);
    assert_eq!(
        bench.fake.world().books.posts.len(),
        1,
        "{}",
        bench.jobs_brief()
    );
    assert_eq!(
        bench.number("SELECT count(*) FROM jobs WHERE state = 'FINISHED'"),
        1
    );
}

fn creates_in_doubt_share_their_lists() {
    let mut bench = Bench::new(|b| {
        b.rules = vec![Rule::create("", Effect::Nothing, fixed(500, "no")).always()]
    });
    bench.set("reconcile.settle", "15m");
    bench.set("reconcile.settle_after_error", "2m");
    bench.set("retry.max_interval", "5m");
    bench.set("retry.initial_interval", "2s");
    let names: Vec<String> = (0..60).map(|i| format!("d{i}")).collect();
    bench.enqueue(
        &names
            .iter()
            .map(|n| (n.as_str(), n.as_str()))
            .collect::<Vec<_>>(),
    );
    bench.run(&["run"], MS(5000));
    let world = bench.fake.world();
    assert_eq!(world.books.posts.len(), 60);
    // "At most every few seconds": one before the creates, and some for all of them together.
    let lists = world.books.lists.len();
    assert!(
        (1..=8).contains(&lists),
        "{lists} lists in 5 s for 60 creates in doubt"
    );
}

#[test]
fn creates_in_doubt() {
    together(&[
        (
            "a_gateways_word_waits_for_what_lands_late",
            a_gateways_word_waits_for_what_lands_late,
        ),
        (
            "an_error_after_the_effect_on_a_list_that_lags",
            an_error_after_the_effect_on_a_list_that_lags,
        ),
        (
            "a_lag_that_was_measured_is_waited_for",
            a_lag_that_was_measured_is_waited_for,
        ),
        (
            "killed_while_a_create_is_under_way_that_lands_after_the_restart",
            killed_while_a_create_is_under_way_that_lands_after_the_restart,
        ),
        ("killed_again_and_again", killed_again_and_again),
        (
            "an_error_that_made_nothing_is_tried_again_and_then_given_up",
            an_error_that_made_nothing_is_tried_again_and_then_given_up,
        ),
        (
            "a_page_of_the_list_proves_nothing",
            a_page_of_the_list_proves_nothing,
        ),
        (
            "an_id_that_another_job_holds_is_not_shared",
            an_id_that_another_job_holds_is_not_shared,
        ),
        (
            "the_same_id_for_creates_at_once",
            the_same_id_for_creates_at_once,
        ),
        (
            "the_id_of_a_parser_that_was_there_before",
            the_id_of_a_parser_that_was_there_before,
        ),
        (
            "a_restored_database_waits_for_what_lands_late",
            a_restored_database_waits_for_what_lands_late,
        ),
        (
            "answers_that_make_no_sense_after_the_effect",
            answers_that_make_no_sense_after_the_effect,
        ),
        (
            "a_new_parser_that_neither_list_nor_get_knows_yet",
            a_new_parser_that_neither_list_nor_get_knows_yet,
        ),
        (
            "a_lost_answers_parser_that_failed_is_not_paid_for_again",
            a_lost_answers_parser_that_failed_is_not_paid_for_again,
        ),
        (
            "a_create_in_doubt_counts_against_the_budget",
            a_create_in_doubt_counts_against_the_budget,
        ),
        (
            "cancelled_and_enqueued_again_takes_the_parser_that_was_paid",
            cancelled_and_enqueued_again_takes_the_parser_that_was_paid,
        ),
        (
            "creates_in_doubt_share_their_lists",
            creates_in_doubt_share_their_lists,
        ),
    ]);
}
