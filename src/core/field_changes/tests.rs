use std::collections::BTreeMap;

use super::*;

mod refused;

fn fields(names: &[&str]) -> Value {
    names.iter().map(|name| field(name, name)).collect()
}

fn field(name: &str, description: &str) -> Value {
    json!({"name": name, "description": description})
}

fn change(json: &Value) -> FieldChanges {
    FieldChanges::from_json(&json.to_string()).unwrap()
}

fn was(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pair = |(new, old): &(&str, &str)| ((*new).to_owned(), (*old).to_owned());
    pairs.iter().map(pair).collect()
}

#[test]
fn a_change_is_read_and_written_alike_whatever_its_blanks_and_order() {
    for (text, canonical) in [
        (
            r#"{"remove_fields": [" a "], "rename_fields": [{"new_name": " b.c", "name": "b"}]}"#,
            r#"{"remove_fields":["a"],"rename_fields":[{"name":"b","new_name":"b.c"}]}"#,
        ),
        (
            r#"{"modify_fields": null, "rename_fields": [],
                "add_fields": [{"type": "number", "name": "a", "description": "b "}]}"#,
            r#"{"add_fields":[{"description":"b","name":"a","type":"number"}]}"#,
        ),
    ] {
        let change = FieldChanges::from_json(text).unwrap();
        assert_eq!(change.to_json(), canonical);
        assert_eq!(FieldChanges::from_json(canonical), Ok(change));
    }
}

#[test]
fn renames_come_first_then_removals_then_the_rest() {
    let before = json!([
        field("a", "1"),
        field("b", "2"),
        field("c.d", "3"),
        field("c", "4")
    ]);
    let renamed = json!([{"name": "a", "new_name": "x.a"}]);
    for (change_json, after) in [
        (
            json!({"rename_fields": renamed}),
            json!([
                field("x.a", "1"),
                field("b", "2"),
                field("c.d", "3"),
                field("c", "4")
            ]),
        ),
        (
            json!({"remove_fields": ["c.d", "a"]}),
            json!([field("b", "2"), field("c", "4")]),
        ),
        (
            json!({"rename_fields": renamed, "remove_fields": ["b"],
                "modify_fields": [field("x.a", "5")], "add_fields": [field("a", "6"), field("e", "7")]}),
            json!([
                field("x.a", "5"),
                field("c.d", "3"),
                field("c", "4"),
                field("a", "6"),
                field("e", "7")
            ]),
        ),
        (
            json!({"rename_fields": [{"name": "c", "new_name": "e"}, {"name": "c.d", "new_name": "e.d"}]}),
            json!([
                field("a", "1"),
                field("b", "2"),
                field("e.d", "3"),
                field("e", "4")
            ]),
        ),
        (
            json!({"remove_fields": ["c"], "rename_fields": [{"name": "c.d", "new_name": "d"}]}),
            json!([field("a", "1"), field("b", "2"), field("d", "3")]),
        ),
    ] {
        let change = change(&change_json);
        assert_eq!(change.apply(&before), Ok(after.clone()), "{change_json}");
        // Part by part it comes to the same.
        let parts = [change.free_part(), change.paid_part()];
        let by_part = parts
            .iter()
            .flatten()
            .fold(before.clone(), |fields, part| part.apply(&fields).unwrap());
        assert_eq!(by_part, after, "{change_json}");
        assert_eq!(change.is_paid(), parts[1].is_some());
    }
}

#[test]
fn fields_of_the_services_own_making_can_be_changed_all_the_same() {
    let before = json!([
        {"name": "a", "type": "object", "selector": null, "id": 7},
        {"name": "b", "description": "", "type": "string"},
    ]);
    let change = change(&json!({"rename_fields": [{"name": "b", "new_name": "c"}]}));
    let after = json!([{"name": "a", "type": "object"}, {"name": "c", "type": "string"}]);
    assert_eq!(change.apply(&before), Ok(after));
}

#[test]
fn fields_are_the_same_whatever_makes_no_difference() {
    let fields = json!([
        {"name": "a", "description": "b", "type": "number"},
        {"name": "c", "description": "d"},
    ]);
    for (other, is_same) in [
        (
            json!([
                {"name": " c ", "description": "d\n", "type": null, "selector": "", "id": 1},
                {"type": "number", "selector": null, "name": "a", "description": "b"},
            ]),
            true,
        ),
        (
            json!([{"name": "a", "description": "b", "type": "number"}]),
            false,
        ),
        (
            json!([{"name": "a", "description": "b"}, {"name": "c", "description": "d"}]),
            false,
        ),
        (Value::Null, false),
    ] {
        assert_eq!(same_fields(&fields, &other), is_same, "{other}");
        assert_eq!(same_fields(&other, &fields), is_same, "{other}");
        assert!(same_fields(&other, &other));
    }
}

#[test]
fn the_change_between_fields_renames_only_by_what_a_field_was() {
    let before = json!([field("a", "1"), field("b", "2")]);
    for (after, names, expected) in [
        (
            json!([field("b", "2"), field(" a ", "1")]),
            was(&[]),
            json!({}),
        ),
        (
            json!([field("a", "1"), field("c", "2")]),
            was(&[]),
            json!({"add_fields": [field("c", "2")], "remove_fields": ["b"]}),
        ),
        (
            json!([field("a", "1"), field("c", "2")]),
            was(&[("c", "b")]),
            json!({"rename_fields": [{"name": "b", "new_name": "c"}]}),
        ),
        (
            json!([field("a", "1"), field("c", "3")]),
            was(&[("c", "b")]),
            json!({"rename_fields": [{"name": "b", "new_name": "c"}], "modify_fields": [field("c", "3")]}),
        ),
        // Applied long ago.
        (
            json!([field("a", "1"), field("b", "2")]),
            was(&[("b", "x")]),
            json!({}),
        ),
        (
            json!([field("a", "3"), field("b", "2")]),
            was(&[("b", "x"), ("y", "a")]),
            json!({"modify_fields": [field("a", "3")]}),
        ),
    ] {
        let found = FieldChanges::between(&before, &after, &names);
        assert_eq!(
            found.map(|change| change.to_value()),
            Ok(expected),
            "{after}"
        );
    }
}

#[test]
fn the_only_field_under_another_name_is_refused_with_the_rename_to_write() {
    let before = Value::from(vec![field("a", "one")]);
    let after = Value::from(vec![field("b", "one")]);
    let refused = FieldChanges::between(&before, &after, &was(&[])).unwrap_err();
    assert!(
        refused.problems[0].contains("no field stays"),
        "{refused:?}"
    );
    let cure = r#""b" reads as "a" did: write { name = "b", was = "a", ... } to rename it"#;
    assert_eq!(refused.problems[1..], [cure]);
    let renamed = FieldChanges::between(&before, &after, &was(&[("b", "a")])).unwrap();
    assert!(!renamed.is_paid());
    let unlike = Value::from(vec![field("b", "two")]);
    let refused = FieldChanges::between(&before, &unlike, &was(&[])).unwrap_err();
    assert_eq!(refused.problems.len(), 1, "{refused:?}");
}

#[test]
fn a_removal_and_an_addition_that_are_alike_are_a_likely_rename() {
    let before = json!([
        field("a", "title"), field("b", "title"), field("c", "price"), {"name": "d"},
    ]);
    let likely = |after: &Value| {
        let change = FieldChanges::between(&before, after, &BTreeMap::new()).unwrap();
        likely_renames(&change, &before)
    };
    let pair = |old: &str, new: &str| (old.to_owned(), new.to_owned());
    let price = field("c", "price");
    for (after, expected) in [
        (json!([price, field("x", "title ")]), vec![pair("a", "x")]),
        (
            json!([price, field("x", "title"), field("y", "title")]),
            vec![pair("a", "x"), pair("b", "y")],
        ),
        (
            json!([price, {"name": "x", "description": "title", "type": "string"}]),
            vec![],
        ),
        (json!([price, field("x", "cost")]), vec![]),
    ] {
        assert_eq!(likely(&after), expected, "{after}");
    }
}

/// Some of a few names, with one of a few contents each.
fn random_fields(random: &mut fastrand::Rng) -> Value {
    let names = ["a", "b", "c", "p", "p.q", "p.q.r", "ab"];
    let field = |name: &&str| {
        let mut field = field(name, ["x", "y"][random.usize(0..2)]);
        if random.bool() {
            field["type"] = json!(["number", "array"][random.usize(0..2)]);
        }
        field
    };
    let mut fields: Vec<_> = names.iter().map(field).collect();
    random.shuffle(&mut fields);
    fields.truncate(random.usize(1..=names.len()));
    Value::from(fields)
}

#[test]
fn the_change_between_any_two_lists_of_fields_makes_the_one_of_the_other() {
    let mut random = fastrand::Rng::with_seed(16);
    let (mut applied, mut refused) = (0, 0);
    for _ in 0..2_000 {
        let (before, after) = (random_fields(&mut random), random_fields(&mut random));
        let has = |fields: &Value, name: &str| {
            let mut fields = fields.as_array().unwrap().iter();
            fields.any(|field| name_of(field) == name)
        };
        let names = before.as_array().unwrap().iter().map(name_of);
        let (kept, gone): (Vec<_>, Vec<_>) = names.partition(|name| has(&after, name));
        let is_orphaned = gone.iter().any(|parent| {
            let under = format!("{parent}.");
            kept.iter().any(|name| name.starts_with(&under))
        });
        let between = FieldChanges::between(&before, &after, &BTreeMap::new());
        assert_eq!(
            between.is_err(),
            kept.is_empty() || is_orphaned,
            "{before} {after}"
        );
        let Ok(change) = between else {
            refused += 1;
            continue;
        };
        assert_eq!(change.is_empty(), same_fields(&before, &after));
        if !change.is_empty() {
            let made = change.apply(&before).unwrap();
            assert!(same_fields(&made, &after), "{before} {after} {made}");
            assert_eq!(FieldChanges::from_json(&change.to_json()), Ok(change));
            applied += 1;
        }
    }
    assert!(applied > 500 && refused > 100, "{applied} {refused}");
}
