//! Changes of results: harmless ones, and defects.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::Fixture;

type Change = fn(&mut Fixture);

/// What changes nothing for whoever reads the result.
pub const HARMLESS: &[(&str, Change)] = &[
    ("with its pages the other way round", |fixture| {
        fixture.example_result.reverse()
    }),
    ("with each page twice", |fixture| {
        // A title that is as good as one of a consent page is none if it is there twice.
        if fixture.example_result.len() > 1 {
            let pages = fixture.example_result.clone();
            fixture.example_result.extend(pages);
        }
    }),
    ("with a key more in each object", |fixture| {
        // Where no fields are asked for, it is one of those that were found.
        let has_fields = fixture.fields.is_some();
        let pages = fixture.example_result.iter_mut();
        for page in pages.filter(|_| has_fields) {
            each_object(&mut page.result, &mut |object| {
                if !object.is_empty() {
                    object.insert("zz_tracking".to_owned(), json!("4711"));
                }
            });
        }
    }),
];

fn each_object(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each_object(item, change)),
        Value::Object(object) => {
            object
                .values_mut()
                .for_each(|member| each_object(member, change));
            change(object);
        }
        _ => {}
    }
}

/// Puts each array of objects into another one.
pub fn nest_arrays(fixture: &mut Fixture) {
    fn nest(value: &mut Value) {
        match value {
            Value::Array(items) => {
                items.iter_mut().for_each(nest);
                if items.iter().any(Value::is_object) {
                    let rows = std::mem::take(items);
                    let (first, second) = rows.split_at(rows.len() / 2);
                    items.push(Value::from(first.to_vec()));
                    items.push(Value::from(second.to_vec()));
                }
            }
            Value::Object(object) => object.values_mut().for_each(nest),
            _ => {}
        }
    }
    for page in &mut fixture.example_result {
        nest(&mut page.result);
    }
}

/// The good result with each defect that its fields can have, and what it is.
pub fn defects(good: &Fixture) -> Vec<(String, Fixture)> {
    let mut planted = Vec::new();
    let fields = good.fields.as_ref().and_then(Value::as_array);
    for field in fields.into_iter().flatten() {
        let name = field["name"].as_str().unwrap();
        let may_be_missing = |(path, expect): (&String, &Value)| {
            let is_within = name == path || name.starts_with(&format!("{path}."));
            is_within && (expect["required"] == json!(false) || expect["max_items"] == json!(0))
        };
        let expect = good.expect.as_ref().and_then(Value::as_object);
        if expect.into_iter().flatten().any(may_be_missing) {
            continue;
        }
        for (what, value) in values(field["type"].as_str()) {
            let choices = expect.and_then(|expect| expect.get(name)?.get("one_of")?.as_array());
            if choices.is_some_and(|choices| value.as_ref().is_some_and(|v| choices.contains(v))) {
                continue;
            }
            if good.example_result.len() == 1 && what.starts_with("is a c") {
                continue;
            }
            planted.push((
                format!("{name} {what}"),
                with(good, name, value.as_ref(), None),
            ));
            // Once, such a text may be a title.
            let is_wall = what.ends_with("wall") || what.ends_with("robots");
            if good.example_result.len() > 1 && !is_wall {
                let what = format!("{name} {what} on the last page");
                planted.push((what, with(good, name, value.as_ref(), last(good))));
            }
        }
    }
    if good.example_result.len() > 1 {
        for (what, result) in [("null", json!(null)), ("{}", json!({})), ("[]", json!([]))] {
            let mut bad = good.clone();
            bad.example_result.last_mut().unwrap().result = result;
            planted.push((format!("the last page is {what}"), bad));
        }
    }
    planted
}

fn last(good: &Fixture) -> Option<usize> {
    good.example_result.len().checked_sub(1)
}

/// What may stand in place of a value; None where the key itself is gone.
fn values(kind: Option<&str>) -> Vec<(&'static str, Option<Value>)> {
    let mut values = vec![
        ("is missing", None),
        ("is null", Some(json!(null))),
        ("is \"\"", Some(json!(""))),
        ("is blank", Some(json!(" \u{a0}\n"))),
        ("is []", Some(json!([]))),
        ("is {}", Some(json!({}))),
        ("is [null]", Some(json!([null, [""], {"x": null}]))),
        ("is N/A", Some(json!("N/A"))),
        ("is undefined", Some(json!("undefined"))),
        (
            "is a consent wall",
            Some(json!("We value your privacy. Accept all")),
        ),
        (
            "is a check for robots",
            Some(json!("Please verify you are a human")),
        ),
    ];
    match kind {
        Some("number") => {
            values.push(("is a word", Some(json!("Add to cart"))));
            values.push(("is a date", Some(json!("2026-01-05"))));
            values.push(("is an object", Some(json!({"value": 5}))));
            values.push(("is true", Some(json!(true))));
        }
        Some("array") => {
            values.push(("is a text", Some(json!("one, two"))));
            values.push(("is a number", Some(json!(7))));
        }
        Some("string") => {
            values.push(("is an object", Some(json!({"text": "x"}))));
            values.push(("is an array", Some(json!(["x", "y"]))));
        }
        _ => {}
    }
    values
}

/// The result with this value in every place of a field, on one page or on all.
fn with(good: &Fixture, name: &str, value: Option<&Value>, only: Option<usize>) -> Fixture {
    let mut bad = good.clone();
    for (index, page) in bad.example_result.iter_mut().enumerate() {
        if only.is_none_or(|only| only == index) {
            set(&mut page.result, name, value);
        }
    }
    bad
}

fn set(at: &mut Value, path: &str, value: Option<&Value>) {
    match at {
        Value::Array(items) => items.iter_mut().for_each(|item| set(item, path, value)),
        Value::Object(object) => {
            if object.contains_key(path) || !path.contains('.') {
                match value {
                    Some(value) => drop(object.insert(path.to_owned(), value.clone())),
                    None => drop(object.remove(path)),
                }
            } else if let Some((key, rest)) = path.split_once('.')
                && let Some(within) = object.get_mut(key)
            {
                set(within, rest, value);
            }
        }
        _ => {}
    }
}

/// Any JSON with few keys, so that paths meet.
pub fn anything(rng: &mut Rng, depth: usize) -> Value {
    let count = rng.usize(0..4);
    match rng.u8(0..if depth == 0 { 5 } else { 9 }) {
        0 => Value::Null,
        1 => json!(rng.bool()),
        2 => json!(rng.i32(-5..5)),
        3 => json!(["", "N/A", "x", "7 €", "Just a moment..."][rng.usize(0..5)]),
        4 => json!(rng.f64()),
        5 | 6 => (0..count).map(|_| anything(rng, depth - 1)).collect(),
        _ => {
            let member = |rng: &mut Rng| {
                let key = ["a", "b", "c", "a.b", "b.c", ""][rng.usize(0..6)];
                (key.to_owned(), anything(rng, depth - 1))
            };
            Value::Object((0..count).map(|_| member(rng)).collect())
        }
    }
}
