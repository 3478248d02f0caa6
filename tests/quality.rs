//! Whether verdicts on results are those of a careful person: labelled results, and defects that
//! are planted into good ones at every depth.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod flow;
mod plant;

use std::{collections::BTreeMap, path::Path};

use parserd::core::quality::{Judgement, Quality, Wanted, judge};
use serde::Deserialize;
use serde_json::{Value, json};

/// `quality.min_fill` as it is by default.
const MIN_FILL: f64 = 0.5;

#[derive(Debug, Clone, Deserialize)]
struct Fixture {
    name: String,
    fields: Option<Value>,
    expect: Option<Value>,
    example_result: Vec<Page>,
    quality: Quality,
    faults: BTreeMap<String, Quality>,
}

#[derive(Debug, Clone, Deserialize)]
struct Page {
    url: String,
    result: Value,
}

impl Fixture {
    fn judged(&self) -> Judgement {
        let page = |page: &Page| json!({"url": page.url, "result": page.result});
        let examples: Value = self.example_result.iter().map(page).collect();
        let wanted = Wanted::new(self.fields.as_ref(), self.expect.as_ref());
        judge(Some(&examples.to_string()), &[], &wanted, MIN_FILL)
    }
}

fn fixtures() -> Vec<Fixture> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/quality/fixtures");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    let read = |path| -> Vec<Fixture> {
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    files.iter().flat_map(read).collect()
}

#[test]
fn every_label_is_given() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 200, "{}", fixtures.len());
    let mut wrong = Vec::new();
    for fixture in &fixtures {
        let judged = fixture.judged();
        let mut at_fault: BTreeMap<_, _> = judged
            .fields
            .iter()
            .filter(|(_, field)| field.quality != Quality::Ok)
            .map(|(name, field)| (name.clone(), field.quality))
            .collect();
        // The result as a whole is told by its reason.
        if at_fault.is_empty() && judged.quality != Quality::Ok {
            at_fault.insert(String::new(), judged.quality);
        }
        let is_as_labelled = judged.quality == fixture.quality && at_fault == fixture.faults;
        assert_eq!(judged.reason.is_none(), judged.quality == Quality::Ok);
        if !is_as_labelled {
            wrong.push(format!(
                "{}: labelled {} {:?}, judged {} {at_fault:?}: {:?}",
                fixture.name, fixture.quality, fixture.faults, judged.quality, judged.reason
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        fixtures.len(),
        wrong.join("\n")
    );
}

/// A result that is good stays so, however it is written.
#[test]
fn what_means_the_same_is_judged_the_same() {
    for fixture in fixtures() {
        let before = fixture.judged().quality;
        for (what, change) in plant::HARMLESS {
            let mut changed = fixture.clone();
            change(&mut changed);
            assert_eq!(changed.judged().quality, before, "{} {what}", fixture.name);
        }
    }
}

/// Every defect, at every field of every good result, also where each array is within another.
#[test]
fn planted_defects_are_found() {
    let (mut planted, mut missed) = (0, Vec::new());
    for good in fixtures() {
        if good.quality != Quality::Ok || good.fields.is_none() {
            continue;
        }
        for nested in [false, true] {
            let mut good = good.clone();
            if nested {
                plant::nest_arrays(&mut good);
            }
            for (what, bad) in plant::defects(&good) {
                planted += 1;
                let judged = bad.judged();
                if judged.quality == Quality::Ok {
                    missed.push(format!("{} (nested: {nested}): {what}", good.name));
                }
            }
        }
    }
    assert!(planted > 2_000, "{planted}");
    let recall = 1.0 - missed.len() as f64 / f64::from(planted);
    assert!(recall >= 0.99, "{recall}:\n{}", missed.join("\n"));
    assert!(missed.is_empty(), "of {planted}:\n{}", missed.join("\n"));
}

fn judge_text(examples: &str, fields: &[&str]) -> Judgement {
    let fields: Value = fields
        .iter()
        .map(|name| json!({"name": name, "description": "d"}))
        .collect();
    judge(
        Some(examples),
        &[],
        &Wanted::new(Some(&fields), None),
        MIN_FILL,
    )
}

#[test]
fn no_shape_of_json_breaks_it() {
    let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
    let deep_objects = |n: usize| format!("{}1{}", r#"{"a":"#.repeat(n), "}".repeat(n));
    let page = |result: &str| format!(r#"[{{"url":"u","result":{result}}}]"#);
    for depth in [1, 100, 1_000, 10_000] {
        let judged = judge_text(&page(&deep(depth)), &["a"]);
        assert_eq!(judged.quality, Quality::Bad, "{depth} arrays");
        let judged = judge_text(&page(&deep_objects(depth)), &["a"]);
        assert_eq!(judged.quality, Quality::Ok, "{depth} objects: {judged:?}");
    }
    // Beyond what is read.
    let judged = judge_text(&page(&deep_objects(200_000)), &["a"]);
    assert_eq!(judged.quality, Quality::Bad);
    assert!(judged.reason.unwrap().contains("cannot be read"));
    for text in [
        "", "null", "[]", "{}", "7", "\"x\"", "[null]", "[[]]", "[1, 2", "\u{0}", "{\"a\":",
    ] {
        assert_eq!(judge_text(text, &["a"]).quality, Quality::Bad, "{text:?}");
    }
    // Of a key that comes twice, the last counts.
    let twice = page(r#"{"a": null, "a": 1}"#);
    assert_eq!(judge_text(&twice, &["a"]).quality, Quality::Ok);
    let twice = page(r#"{"a": 1, "a": null}"#);
    assert_eq!(judge_text(&twice, &["a"]).quality, Quality::Bad);
    assert_eq!(judge_text(&twice, &["a"]).fields["a"].places, 1);
    // Anything but an array of pages is the result of one page.
    assert_eq!(judge_text(r#"{"a": 1}"#, &["a"]).quality, Quality::Ok);
    assert_eq!(
        judge_text(r#"{"url": "u", "result": {"a": 1}}"#, &["a"]).quality,
        Quality::Ok
    );
    let many_keys: String = (0..20_000).map(|n| format!(r#""k{n}":{n},"#)).collect();
    let judged = judge_text(&page(&format!("{{{many_keys}\"a\":1}}")), &["a"]);
    assert_eq!(judged.quality, Quality::Ok);
}

/// Random JSON: counts add up, and nothing panics.
#[test]
fn counts_add_up_whatever_is_found() {
    let mut rng = fastrand::Rng::with_seed(15);
    for _ in 0..3_000 {
        let pages: Vec<Value> = (0..rng.usize(0..4))
            .map(|_| json!({"url": "u", "result": plant::anything(&mut rng, 5)}))
            .collect();
        let text = Value::from(pages.clone()).to_string();
        let judged = judge_text(&text, &["a", "a.b", "a.b.c", "b", "b.a", "c.c"]);
        assert_eq!(judged.pages, pages.len());
        for (name, field) in &judged.fields {
            assert!(field.filled <= field.places, "{name}: {field:?} of {text}");
            assert_eq!(
                field.quality == Quality::Ok,
                field.reason.is_none(),
                "{field:?}"
            );
        }
        let worst = judged.fields.values().map(|field| field.quality).max();
        assert!(Some(judged.quality) >= worst, "{judged:?}");
        judge(Some(&text), &[], &Wanted::default(), MIN_FILL);
    }
}
