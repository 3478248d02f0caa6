//! Lists and results that are odd (numbers 14 and 23).

use std::collections::BTreeMap;

use super::bench::{Bench, together};
use super::fake::{Effect, ListShape, Reply, Rule};

/// Jobs with and without a lost answer end FINISHED, whatever else the list holds.
fn odd_list(shape: ListShape) {
    let bench = Bench::new(|b| {
        b.list = shape;
        b.rules = vec![Rule::create("lost", Effect::Now, Reply::Lost)];
    });
    bench.enqueue(&[("fine", "fine"), ("lost", "lost")]);
    bench.work(25);
    bench.all_finished(&["fine", "lost"]);
    assert_eq!(bench.fake.world().books.posts.len(), 2);
}

fn a_list_with_items_that_nobody_can_read() {
    let raw = [
        r#"null"#,
        r#"{"id":"z1","name":null,"status":"FINISHED"}"#,
        r#"{"id":"z2","status":"FINISHED"}"#,
        r#"{"id":"z3","name":"bad \ud800 half","status":"FINISHED"}"#,
        r#"{"id":"z4","name":["a"],"status":7,"version":"x"}"#,
        r#"17"#,
    ];
    odd_list(ListShape::With(raw.map(str::to_owned).to_vec()));
}

fn a_list_with_nan_in_it() {
    odd_list(ListShape::With(vec![
        r#"{"id":"z5","name":"nan","status":"FINISHED","version":NaN}"#.to_owned(),
    ]));
}

fn a_list_with_a_byte_order_mark() {
    odd_list(ListShape::Bom);
}

fn a_list_of_versions() {
    odd_list(ListShape::Versions);
}

fn a_list_that_says_all_twice() {
    odd_list(ListShape::Doubled);
}

fn null_is_an_empty_list_or_ends_the_run() {
    unreadable_list("null");
}

fn a_list_that_cannot_be_read_ends_the_run_and_is_told() {
    unreadable_list(r#"{"message":"welcome to our new portal"}"#);
}

fn a_list_cut_in_its_middle_ends_the_run_and_is_told() {
    unreadable_list(r#"[{"id":"a1","name":"wei"#);
}

fn unreadable_list(raw: &str) {
    let bench = Bench::new(|b| b.list = ListShape::Raw(raw.to_owned()));
    bench.enqueue(&[("waits", "waits")]);
    let ended = bench.work(25);
    let job = bench.job("waits");
    if job.state == "FINISHED" {
        assert_eq!(
            (raw, ended.code),
            ("null", Some(0)),
            "an unreadable list let a create through"
        );
    } else {
        assert_eq!(ended.code, Some(4), "{job:?} {ended:?}");
        let status = bench.ok(&["status"]);
        assert!(
            status.contains("list"),
            "status does not tell of the list:\n{status}"
        );
    }
    assert_eq!(bench.audit(), Vec::<String>::new());
    // The service is mended: all goes on.
    bench.fake.does(|b| b.list = ListShape::Array);
    bench.work(20);
    bench.all_finished(&["waits"]);
}

fn odd_examples_fail_no_parser() {
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let bench = Bench::new(|b| {
        b.examples = vec![
            ("nan", br#"[{"url":"u","result":{"price":NaN}}]"#.to_vec()),
            (
                "latin",
                b"[{\"url\":\"u\",\"result\":\"caf\xe9\"}]".to_vec(),
            ),
            ("newline", b"[{\"url\":\"u\",\"result\":\"a\nb\"}]".to_vec()),
            ("comma", br#"[{"url":"u","result":[1,2,]}]"#.to_vec()),
            (
                "deep",
                format!(r#"[{{"url":"u","result":{deep}}}]"#).into_bytes(),
            ),
            ("text", br#""words""#.to_vec()),
        ];
        b.examples_late = BTreeMap::from([("tardy", 1), ("never", usize::MAX)]);
    });
    let names = [
        "nan", "latin", "newline", "comma", "deep", "text", "tardy", "never", "usual",
    ];
    bench.enqueue(&names.map(|n| (n, n)));
    let ended = bench.work(25);
    bench.all_finished(&names);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for name in ["usual", "tardy"] {
        let result = bench.job(name).example_result.unwrap_or_default();
        assert!(result.contains("title"), "{name}: {result:?}");
    }
    for name in ["nan", "latin", "newline", "comma", "deep"] {
        let events = bench.events(name);
        assert!(
            events.contains("example"),
            "left out and not told: {name}: {events}"
        );
    }
    // Whatever was stored, a report over all of it works.
    bench.number(
        "SELECT count(*) FROM jobs, json_each(example_result) WHERE example_result IS NOT NULL",
    );
    bench.json(&["jobs", "--json"]);
}

#[test]
fn odd_lists_and_results() {
    together(&[
        (
            "a_list_with_items_that_nobody_can_read",
            a_list_with_items_that_nobody_can_read,
        ),
        ("a_list_with_nan_in_it", a_list_with_nan_in_it),
        (
            "a_list_with_a_byte_order_mark",
            a_list_with_a_byte_order_mark,
        ),
        ("a_list_of_versions", a_list_of_versions),
        ("a_list_that_says_all_twice", a_list_that_says_all_twice),
        (
            "null_is_an_empty_list_or_ends_the_run",
            null_is_an_empty_list_or_ends_the_run,
        ),
        (
            "a_list_that_cannot_be_read_ends_the_run_and_is_told",
            a_list_that_cannot_be_read_ends_the_run_and_is_told,
        ),
        (
            "a_list_cut_in_its_middle_ends_the_run_and_is_told",
            a_list_cut_in_its_middle_ends_the_run_and_is_told,
        ),
        ("odd_examples_fail_no_parser", odd_examples_fail_no_parser),
    ]);
}
