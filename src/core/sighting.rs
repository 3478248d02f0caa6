//! PURE: what a look at a parser says of a change to it.

mod differences;

use std::collections::BTreeMap;

use serde_json::Value;

use self::differences::differences;

/// A parser as parserd knows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnownVersion {
    /// Its latest version.
    pub latest: Option<i64>,
    /// Its fields.
    pub fields: Option<Value>,
}

/// A parser as the service shows it. Either may be missing (AI_PARSER_API.md).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShownVersion {
    /// Its latest version.
    pub version: Option<i64>,
    /// The fields of that version.
    pub fields: Option<Value>,
}

/// What the service shows, held against what is known and what is wanted.
#[derive(Debug, Clone, PartialEq)]
pub enum Sighting {
    /// The version that is known: nothing was changed.
    Unchanged(Option<i64>),
    /// A newer one with the fields as they are wanted.
    AsWanted(Option<i64>),
    /// A newer one with other fields, and how that is known.
    Otherwise(String),
    /// It does not tell, and why.
    Unclear(String),
}

/// Holds what is shown against what is known, and against the fields that are wanted.
///
/// A version counts for more than fields: these may come back altered.
pub fn compare(known: &KnownVersion, wanted: Option<&Value>, shown: &ShownVersion) -> Sighting {
    let is_like = |fields: Option<&Value>| {
        let fields = fields?;
        Some(echoes(shown.fields.as_ref()?, fields))
    };
    let (is_known, is_wanted) = (is_like(known.fields.as_ref()), is_like(wanted));
    let otherwise = |why: String| {
        let fields = differences(known.fields.as_ref(), wanted, shown.fields.as_ref());
        let fields = fields.map_or_else(String::new, |fields| format!(": {fields}"));
        Sighting::Otherwise(format!("{why}{fields}"))
    };
    match (known.latest, shown.version) {
        (Some(known), Some(shown)) if shown == known => Sighting::Unchanged(Some(known)),
        // An older one is what a service shows that is late.
        (Some(known), Some(shown)) if shown < known => Sighting::Unclear(format!(
            "the service shows version {shown}, and version {known} was there before"
        )),
        (Some(known), Some(shown)) => match is_wanted {
            Some(true) => Sighting::AsWanted(Some(shown)),
            Some(false) => otherwise(format!(
                "the parser has version {shown} with other fields than are wanted, and it was \
                 version {known}"
            )),
            None => otherwise(format!(
                "the parser has version {shown}, whose fields are not known, and it was version \
                 {known}"
            )),
        },
        // Which one it is nobody can tell by a number.
        (known, shown) => match (is_known, is_wanted) {
            (Some(true), Some(true)) => Sighting::Unclear(
                "the service names no version, and its fields may be those of before or after"
                    .to_owned(),
            ),
            (Some(true), _) => Sighting::Unchanged(shown.or(known)),
            (_, Some(true)) => Sighting::AsWanted(shown),
            (Some(false), _) | (None, Some(false)) => otherwise(
                "the parser has other fields than are known, and no version tells why".to_owned(),
            ),
            (None, None) => match (known, shown) {
                // Nothing was known of it before.
                (None, Some(shown)) => Sighting::Unchanged(Some(shown)),
                _ => Sighting::Unclear("the service shows neither version nor fields".to_owned()),
            },
        },
    }
}

/// Whether fields that the service shows are these: by name, in whatever order, and where both
/// have a description, a type or a selector. A service may write these its own way: blanks, and of
/// types and selectors upper and lower case, tell nothing.
pub fn echoes(shown: &Value, fields: &Value) -> bool {
    let (Some(shown), Some(fields)) = (by_name(shown), by_name(fields)) else {
        return false;
    };
    shown.len() == fields.len()
        && fields.iter().all(|(name, field)| {
            shown
                .get(name)
                .is_some_and(|shown| is_echo_of(shown, field))
        })
}

/// The fields that the service shows, each in the words of the asked one that it is an echo of, so
/// that its way of writing is not taken for a difference. One that was renamed since is known by
/// its description.
pub fn in_words_of(shown: &Value, asked: &Value) -> Value {
    let (Some(by_shown), Some(by_asked)) = (by_name(shown), by_name(asked)) else {
        return shown.clone();
    };
    let renamed = |field: &Value| {
        let mut alike = by_asked.iter().filter(|(name, asked)| {
            !by_shown.contains_key(*name)
                && words(field, "description")
                    .is_some_and(|d| words(asked, "description") == Some(d))
                && is_echo_of(field, asked)
        });
        let (found, other) = (alike.next(), alike.next());
        found.filter(|_| other.is_none()).map(|(_, asked)| *asked)
    };
    let fields = shown.as_array().into_iter().flatten();
    let fields = fields.map(|field| {
        let name = field
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .trim();
        let asked = match by_asked.get(name) {
            Some(asked) => Some(*asked).filter(|asked| is_echo_of(field, asked)),
            None => renamed(field),
        };
        let Some(asked) = asked else {
            return field.clone();
        };
        let mut field = asked.clone();
        if let Some(object) = field.as_object_mut() {
            object.insert("name".to_owned(), name.into());
        }
        field
    });
    fields.collect()
}

fn words(field: &Value, key: &str) -> Option<String> {
    let text = field.get(key)?.as_str()?;
    let words: Vec<_> = text.split_whitespace().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn is_echo_of(shown: &Value, field: &Value) -> bool {
    ["description", "type", "selector"].iter().all(|key| {
        match (plain_part(shown, key), plain_part(field, key)) {
            (Some(shown), Some(asked)) => shown == asked,
            (None, _) | (_, None) => true,
        }
    })
}

/// A part of a field, without what a service may write its own way.
fn plain_part(field: &Value, key: &str) -> Option<String> {
    let text = words(field, key)?;
    Some(match key {
        "description" => text,
        _ => text.replace(' ', "").to_lowercase(),
    })
}

fn by_name(fields: &Value) -> Option<BTreeMap<&str, &Value>> {
    let fields = fields.as_array()?;
    let named = fields.iter().map(|field| {
        let name = field.get("name")?.as_str()?.trim();
        Some((name, field))
    });
    let map: BTreeMap<_, _> = named.collect::<Option<_>>()?;
    (map.len() == fields.len()).then_some(map)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(names: &[&str]) -> Value {
        let field = |name: &&str| json!({"name": name, "description": format!("the {name}")});
        names.iter().map(field).collect()
    }

    #[test]
    fn a_version_tells_first_and_fields_where_there_is_none() {
        enum Is {
            Unchanged,
            AsWanted,
            Otherwise,
            Unclear,
        }
        use Is::{AsWanted, Otherwise, Unchanged, Unclear};
        let (old, new, other) = (Some("a"), Some("b"), Some("c"));
        let table = [
            // known version, known fields, shown version, shown fields
            (Some(1), old, Some(1), old, Unchanged),
            (Some(1), old, Some(1), None, Unchanged),
            // Altered on its way: the version tells.
            (Some(1), old, Some(1), other, Unchanged),
            (Some(1), old, Some(2), new, AsWanted),
            (Some(1), None, Some(2), new, AsWanted),
            (Some(1), old, Some(3), new, AsWanted),
            (Some(1), old, Some(2), other, Otherwise),
            (Some(1), old, Some(2), old, Otherwise),
            (Some(1), old, Some(2), None, Otherwise),
            (Some(1), old, Some(0), old, Unclear),
            (Some(1), old, None, old, Unchanged),
            (Some(1), old, None, new, AsWanted),
            (Some(1), old, None, other, Otherwise),
            (Some(1), old, None, None, Unclear),
            (Some(1), None, None, other, Otherwise),
            (None, old, Some(4), old, Unchanged),
            (None, old, Some(4), new, AsWanted),
            (None, old, Some(4), other, Otherwise),
            (None, None, Some(4), None, Unchanged),
            (None, None, None, None, Unclear),
        ];
        for (latest, known, version, shown, is) in table {
            let known = KnownVersion {
                latest,
                fields: known.map(|name| fields(&[name])),
            };
            let shown = ShownVersion {
                version,
                fields: shown.map(|name| fields(&[name])),
            };
            let found = compare(&known, Some(&fields(&["b"])), &shown);
            let as_expected = match is {
                Unchanged => matches!(found, Sighting::Unchanged(_)),
                AsWanted => matches!(found, Sighting::AsWanted(_)),
                Otherwise => matches!(found, Sighting::Otherwise(_)),
                Unclear => matches!(found, Sighting::Unclear(_)),
            };
            assert!(as_expected, "{known:?} {shown:?}: {found:?}");
        }
    }

    #[test]
    fn what_comes_back_completed_or_in_another_order_is_an_echo() {
        let sent = json!([
            {"name": "title", "description": "the  title"},
            {"name": "price", "description": "in dollars", "type": "number"},
        ]);
        let shown = json!([
            {"name": "price", "description": "in dollars", "type": "number", "selector": null},
            {"name": "title", "description": "the title", "type": "string"},
        ]);
        assert!(echoes(&shown, &sent));
        for other in [
            json!([{"name": "title", "description": "the title"}]),
            json!([{"name": "title", "description": "the title"},
                   {"name": "price", "description": "in euros"}]),
            json!([{"name": "title", "description": "the title"},
                   {"name": "price", "description": "in dollars", "type": "string"}]),
            json!({"title": 1}),
        ] {
            assert!(!echoes(&other, &sent), "{other}");
        }
    }

    #[test]
    fn a_way_of_writing_is_no_difference() {
        let asked = json!([
            {"name": "title", "description": "the  title\n", "selector": "H1 > .Title"},
            {"name": "price", "description": "in dollars", "type": "number"},
        ]);
        let written = json!([
            {"name": "price", "description": " in dollars", "type": "NUMBER", "id": "f-2"},
            {"name": "title", "description": "the title", "type": "STRING", "selector": "h1>.title"},
        ]);
        assert!(echoes(&written, &asked));
        assert_eq!(
            in_words_of(&written, &asked),
            json!([asked[1], asked[0]]),
            "by name"
        );
    }

    #[test]
    fn fields_that_are_shown_are_told_in_the_words_that_were_asked_for() {
        let number =
            |name: &str| json!({"name": name, "description": "in dollars", "type": "number"});
        let shown =
            |name: &str| json!({"name": name, "description": "in  dollars", "type": "Number"});
        let other = json!({"name": "tags", "description": "of  all", "type": "Array"});
        let table = [
            // Asked for under another name since.
            (
                json!([shown("cost")]),
                json!([number("price")]),
                json!([number("cost")]),
            ),
            // It may be either.
            (
                json!([shown("cost")]),
                json!([number("price"), number("sum")]),
                json!([shown("cost")]),
            ),
            // That one is there itself.
            (
                json!([shown("cost"), shown("price")]),
                json!([number("price")]),
                json!([shown("cost"), number("price")]),
            ),
            // Another one stays as it is shown.
            (
                json!([other, shown("price")]),
                json!([number("price"), {"name": "tags", "description": "of some"}]),
                json!([other, number("price")]),
            ),
            // Without a description nothing tells that it was renamed.
            (
                json!([{"name": "cost"}]),
                json!([number("price")]),
                json!([{"name": "cost"}]),
            ),
            (
                json!({"cost": 1}),
                json!([number("price")]),
                json!({"cost": 1}),
            ),
        ];
        for (shown, asked, expected) in table {
            assert_eq!(in_words_of(&shown, &asked), expected, "{shown} {asked}");
        }
    }
}
