//! Names and ids that come back otherwise than they were sent (number 1).

use std::time::Duration;

use super::bench::{Bench, CREDITS, together};
use super::fake::{Alter, Effect, Ids, Reply, Rule};

const NAMES: [(&str, &str); 12] = [
    ("Tom & <Jerry> \"x\" it's", "escaped"),
    ("two  blanks   here", "collapsed"),
    ("cafe\u{301} composed", "nfc"),
    ("Zürich decomposed", "nfd"),
    ("UPPER Case", "lower"),
    ("Größe 長さ replaced", "ascii"),
    ("with suffix", "suffix"),
    ("louder", "upper"),
    ("a_slug of it", "slug"),
    ("in front", "front"),
    ("glued", "glued"),
    ("plain", "plain"),
];

fn altering(bench: &Bench) {
    bench.fake.does(|b| {
        b.names = vec![
            ("Jerry", vec![Alter::HtmlEscape]),
            ("blanks", vec![Alter::Collapse]),
            ("composed", vec![Alter::Nfc, Alter::Trim]),
            ("decomposed", vec![Alter::Nfd]),
            ("UPPER", vec![Alter::Lower]),
            ("replaced", vec![Alter::NoAscii('?')]),
            ("suffix", vec![Alter::Suffix(" (1)")]),
            ("louder", vec![Alter::Upper]),
            (
                "slug",
                vec![
                    Alter::Lower,
                    Alter::Replace("_", "-"),
                    Alter::Replace(" ", "-"),
                ],
            ),
            ("front", vec![Alter::Prefix("[new] ")]),
            ("glued", vec![Alter::Suffix("copy")]),
        ];
    });
}

fn lose_one_answer_each(bench: &Bench) {
    bench.fake.does(|b| {
        b.rules.extend(
            NAMES
                .iter()
                .map(|(name, _)| Rule::create(name, Effect::Now, Reply::Lost)),
        );
    });
}

fn all_names() -> Vec<&'static str> {
    NAMES.iter().map(|(name, _)| *name).collect()
}

fn altered_names_and_lost_answers_are_paid_once() {
    let bench = Bench::new(|_| {});
    altering(&bench);
    lose_one_answer_each(&bench);
    bench.enqueue(&NAMES);
    let ended = bench.work(20);
    bench.all_finished(&all_names());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(bench.fake.world().books.posts.len(), NAMES.len());
}

fn altered_names_that_show_late_after_lost_answers_are_paid_once() {
    let bench = Bench::new(|b| b.list_lag = Duration::from_millis(900));
    altering(&bench);
    lose_one_answer_each(&bench);
    bench.enqueue(&NAMES);
    bench.work(20);
    bench.all_finished(&all_names());
    assert_eq!(bench.fake.world().books.posts.len(), NAMES.len());
}

fn a_lost_database_finds_altered_names_again() {
    let bench = Bench::new(|_| {});
    altering(&bench);
    bench.enqueue(&NAMES);
    bench.work(20);
    for end in ["", "-wal", "-shm", ".lock"] {
        let file = bench.path(&format!("parserd.db{end}"));
        if crate::independent::bench::exists(&file) {
            std::fs::remove_file(file).unwrap();
        }
    }
    bench.ok(&["enqueue", "jobs.json"]);
    bench.work(20);
    // What the lost ledger knew is gone with it; all else must hold.
    let faults: Vec<_> = bench
        .audit()
        .into_iter()
        .filter(|f| !f.starts_with("LEDGER"))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(
        bench.fake.world().books.posts.len(),
        NAMES.len(),
        "paid again"
    );
}

/// A cut may have taken the tag: then a person is asked, and nothing is sent or given back.
fn cut(alter: Alter) {
    let mut bench = Bench::new(|b| {
        b.names = vec![("", vec![alter])];
        b.rules = vec![Rule::create("", Effect::Now, Reply::Lost)];
    });
    bench.set("budget.max_credits", "30000");
    bench.enqueue(&[("a rather long name of a job which the service cuts", "cut")]);
    let ended = bench.work(25);
    assert_eq!(
        bench.fake.world().books.posts.len(),
        1,
        "{}",
        bench.jobs_brief()
    );
    assert!(bench.audit().is_empty(), "{:#?}", bench.audit());
    assert_eq!(bench.spent(), CREDITS);
    let job = bench.job("a rather long name of a job which the service cuts");
    let output = job.park_reason.as_deref() == Some("ambiguous") && ended.code == Some(4);
    assert!(output || job.state == "FINISHED", "{job:?} {ended:?}");
}

fn a_name_cut_to_some_characters_is_never_paid_twice() {
    cut(Alter::CutChars(20));
}

fn a_name_cut_within_its_tag_is_never_paid_twice() {
    cut(Alter::CutBytes(56));
}

fn without_tags_altered_names_are_not_paid_twice() {
    let mut bench = Bench::new(|_| {});
    bench.set("create.name_tag", "false");
    altering(&bench);
    lose_one_answer_each(&bench);
    bench.enqueue(&NAMES);
    bench.work(25);
    let faults = bench.audit();
    assert!(faults.is_empty(), "{faults:#?}\n{}", bench.jobs_brief());
    for name in all_names() {
        let job = bench.job(name);
        let waits = job.park_reason.as_deref() == Some("ambiguous");
        assert!(job.state == "FINISHED" || waits, "{name:?}: {job:?}");
    }
    assert_eq!(bench.job("plain").state, "FINISHED");
}

fn ids(ids: Ids) {
    let bench = Bench::new(|b| {
        b.ids = ids;
        b.rules = vec![Rule::create("lost", Effect::Now, Reply::Lost)];
        b.finished = "FINISED";
    });
    bench.enqueue(&[("one", "one"), ("two", "two"), ("lost", "lost")]);
    bench.work(20);
    bench.all_finished(&["one", "two", "lost"]);
    assert_eq!(bench.fake.world().books.posts.len(), 3);
}

fn ids_that_are_numbers() {
    ids(Ids::Number);
}

fn ids_behind_a_path() {
    ids(Ids::Path);
}

/// The list holds the parser that was paid, but not in words that anyone can read.
fn hidden(item: &'static str) {
    let bench = Bench::new(|b| {
        b.rules = vec![Rule::create("hidden", Effect::Now, Reply::Lost)];
        b.items = vec![("hidden", item)];
    });
    bench.enqueue(&[("seen", "seen"), ("hidden", "hidden")]);
    let ended = bench.work(30);
    assert_eq!(
        bench.fake.world().books.posts.len(),
        2,
        "paid again\n{}",
        bench.jobs_brief()
    );
    assert_eq!(bench.audit(), Vec::<String>::new());
    let job = bench.job("hidden");
    assert!(
        job.state == "FINISHED" || ended.code == Some(4),
        "{job:?} {ended:?}"
    );
    assert_eq!(bench.job("seen").state, "FINISHED");
}

fn a_paid_parser_without_a_name_in_the_list() {
    hidden(r#"{"id":ID,"status":"FINISHED"}"#);
}

fn a_paid_parser_whose_name_is_null_in_the_list() {
    hidden(r#"{"id":ID,"name":null,"status":"FINISHED"}"#);
}

fn a_paid_parser_whose_item_is_no_json() {
    hidden(r#"{"id":ID,"name":"x\q","status":"FINISHED","version":NaN}"#);
}

fn a_paid_parser_with_an_empty_name_in_the_list() {
    hidden(r#"{"id":ID,"name":"","status":"FINISHED"}"#);
}

fn two_jobs_whose_names_are_cut_to_the_same() {
    let bench = Bench::new(|b| {
        b.names = vec![("", vec![Alter::CutChars(12)])];
        b.rules = vec![Rule::create("", Effect::Now, Reply::Lost).times(2)];
    });
    bench.enqueue(&[("catalogue of one", "one"), ("catalogue of two", "two")]);
    bench.work(30);
    assert_eq!(
        bench.fake.world().books.posts.len(),
        2,
        "{}",
        bench.jobs_brief()
    );
    assert_eq!(bench.audit(), Vec::<String>::new());
}

fn ids_in_another_case_pay_nothing_twice() {
    let mut bench = Bench::new(|b| {
        b.ids = Ids::UpperLater;
        b.rules = vec![Rule::create("lost", Effect::Now, Reply::Lost)];
    });
    bench.set("poll.timeout", "1500ms");
    bench.enqueue(&[("one", "one"), ("lost", "lost")]);
    bench.work(20);
    assert_eq!(bench.job("lost").state, "FINISHED");
    if bench.job("one").state == "FAILED" {
        bench.ok(&["retry", "one", "--yes"]);
        bench.work(20);
    }
    assert_eq!(bench.audit(), Vec::<String>::new());
    assert_eq!(bench.fake.world().books.posts.len(), 2);
}

#[test]
fn altered_names_and_ids() {
    together(&[
        (
            "altered_names_and_lost_answers_are_paid_once",
            altered_names_and_lost_answers_are_paid_once,
        ),
        (
            "altered_names_that_show_late_after_lost_answers_are_paid_once",
            altered_names_that_show_late_after_lost_answers_are_paid_once,
        ),
        (
            "a_lost_database_finds_altered_names_again",
            a_lost_database_finds_altered_names_again,
        ),
        (
            "a_name_cut_to_some_characters_is_never_paid_twice",
            a_name_cut_to_some_characters_is_never_paid_twice,
        ),
        (
            "a_name_cut_within_its_tag_is_never_paid_twice",
            a_name_cut_within_its_tag_is_never_paid_twice,
        ),
        (
            "without_tags_altered_names_are_not_paid_twice",
            without_tags_altered_names_are_not_paid_twice,
        ),
        ("ids_that_are_numbers", ids_that_are_numbers),
        ("ids_behind_a_path", ids_behind_a_path),
        (
            "a_paid_parser_without_a_name_in_the_list",
            a_paid_parser_without_a_name_in_the_list,
        ),
        (
            "a_paid_parser_whose_name_is_null_in_the_list",
            a_paid_parser_whose_name_is_null_in_the_list,
        ),
        (
            "a_paid_parser_whose_item_is_no_json",
            a_paid_parser_whose_item_is_no_json,
        ),
        (
            "a_paid_parser_with_an_empty_name_in_the_list",
            a_paid_parser_with_an_empty_name_in_the_list,
        ),
        (
            "two_jobs_whose_names_are_cut_to_the_same",
            two_jobs_whose_names_are_cut_to_the_same,
        ),
        (
            "ids_in_another_case_pay_nothing_twice",
            ids_in_another_case_pay_nothing_twice,
        ),
    ]);
}
