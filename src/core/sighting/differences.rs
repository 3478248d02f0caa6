//! PURE: in which fields a parser is otherwise than it was or is wanted to be, in words.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{plain_part, words};
use crate::core::{field_changes::name_of, shown::shown};

/// So many fields are told.
const MAX_LINES: usize = 8;

/// What a person compares of a field.
const PARTS: [&str; 3] = ["description", "type", "selector"];

/// Where the fields `before`, those that are `wanted` and those that are there `now` are not all
/// alike, as far as each of these is known: `price: before "the price", wanted none, now none`.
/// None where nothing is to be told. A service's own way of writing is no difference.
pub fn differences(
    before: Option<&Value>,
    wanted: Option<&Value>,
    now: Option<&Value>,
) -> Option<String> {
    let lists = [("before", before), ("wanted", wanted), ("now", now)];
    let lists: Vec<_> = lists
        .into_iter()
        .filter_map(|(when, fields)| Some((when, fields?.as_array()?.as_slice())))
        .collect();
    // In an order of its own: a service that lists fields in another one says nothing new.
    let names: BTreeSet<&str> = lists
        .iter()
        .flat_map(|(_, fields)| *fields)
        .map(name_of)
        .collect();
    let mut lines: Vec<_> = names
        .into_iter()
        .flat_map(|name| of_field(&lists, name))
        .collect();
    let more = lines.len().saturating_sub(MAX_LINES);
    lines.truncate(MAX_LINES);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    (!lines.is_empty()).then(|| lines.join("; "))
}

/// The lines of one field: one where it is not in all lists, else one for each part of it.
fn of_field(lists: &[(&str, &[Value])], name: &str) -> Vec<String> {
    let found = lists.iter().map(|(when, fields)| {
        let field = fields.iter().find(|field| name_of(field) == name);
        (*when, field)
    });
    let found: Vec<_> = found.collect();
    if found.iter().any(|(_, field)| field.is_none()) {
        let said = |field: Option<&Value>| match field {
            None => "none".to_owned(),
            Some(field) => told(field, "description").unwrap_or_else(|| "there".to_owned()),
        };
        return vec![line(
            &shown(name),
            found.iter().map(|(w, f)| (*w, said(*f))),
        )];
    }
    let present: Vec<_> = found
        .iter()
        .filter_map(|(when, field)| Some((*when, (*field)?)))
        .collect();
    let differing = PARTS.iter().filter(|part| {
        let mut said = present
            .iter()
            .filter_map(|(_, field)| plain_part(field, part));
        // What is not said of a field is no difference.
        let first = said.next();
        said.any(|other| Some(other) != first)
    });
    let each = differing.map(|part| {
        let said = present.iter().map(|(when, field)| {
            let text = told(field, part).unwrap_or_else(|| "not told".to_owned());
            (*when, text)
        });
        line(&format!("{} of {}", part, shown(name)), said)
    });
    each.collect()
}

fn told(field: &Value, part: &str) -> Option<String> {
    words(field, part).map(|text| shown(&text))
}

fn line<'w>(what: &str, said: impl Iterator<Item = (&'w str, String)>) -> String {
    let said: Vec<_> = said.map(|(when, text)| format!("{when} {text}")).collect();
    format!("{what}: {}", said.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_field_is_told_as_it_was_as_it_is_wanted_and_as_it_is() {
        let field = |name: &str, about: &str| json!({"name": name, "description": about});
        let before = json!([field("title", "the title"), field("price", "the price")]);
        let wanted = json!([
            field("title", "the full title"),
            field("price", "the price")
        ]);
        let now = json!([
            field("title", "a  heading"),
            field("author", "who wrote it")
        ]);
        let of = |before, wanted, now| differences(before, wanted, now);
        let all = of(Some(&before), Some(&wanted), Some(&now)).unwrap();
        assert_eq!(
            all,
            "\"author\": before none, wanted none, now \"who wrote it\"; \
             \"price\": before \"the price\", wanted \"the price\", now none; \
             description of \"title\": before \"the title\", wanted \"the full title\", \
             now \"a heading\""
        );
        let two = of(Some(&before), None, Some(&before));
        assert_eq!(two, None);
        assert_eq!(of(None, None, None), None);
        assert_eq!(of(None, None, Some(&now)), None);
        // How the service writes is no difference, and what it leaves out neither.
        let typed = json!([{"name": "title", "description": "the title", "type": "String"}]);
        let plain = json!([{"name": "title", "description": " the   title", "type": "string"}]);
        let bare = json!([{"name": "title"}]);
        assert_eq!(of(Some(&typed), Some(&plain), Some(&bare)), None);
        let odd = json!([{"name": "title", "description": "the title", "type": "number"}]);
        assert_eq!(
            of(Some(&typed), Some(&bare), Some(&odd)).unwrap(),
            "type of \"title\": before \"String\", wanted not told, now \"number\""
        );
    }

    #[test]
    fn many_are_counted_and_what_the_service_writes_is_cut_and_escaped() {
        let many: Value = (0..12).map(|n| json!({"name": format!("f{n}")})).collect();
        let told = differences(Some(&json!([])), None, Some(&many)).unwrap();
        assert!(told.ends_with("; and 4 more"), "{told}");
        let hostile = json!([{"name": "a\u{1b}[2J", "description": "x".repeat(500)}]);
        let told = differences(Some(&json!([])), None, Some(&hostile)).unwrap();
        assert!(!told.contains('\u{1b}') && told.len() < 200, "{told}");
    }
}
