//! PURE: labels, by which people tell jobs apart: whose they are, what they are for. Never sent, no
//! part of the tag.

use std::collections::BTreeMap;

use serde_json::Value;

use super::strict::{Strict, key_twice};
use crate::core::shown::{described, kind, shown};

/// Labels by their keys.
pub type Labels = BTreeMap<String, String>;

/// The most labels of one job.
pub const LABELS_MAX: usize = 16;
/// The longest key of a label, in characters.
pub const LABEL_KEY_MAX_CHARS: usize = 40;
/// The longest value of a label, in characters.
pub const LABEL_VALUE_MAX_CHARS: usize = 80;

const CURE: &str = r#"write an object of strings, such as {"team": "search"}"#;

/// Reads labels from the value that a job file has for them.
///
/// # Errors
/// Says what is not a string.
pub(crate) fn read_labels(value: Value) -> Result<Labels, String> {
    let object = match value {
        Value::Object(object) => object,
        other => return Err(format!("labels is {}: {CURE}", kind(&other))),
    };
    let label = |(key, value): (String, Value)| match value {
        Value::String(value) => Ok((key, value)),
        other => Err(format!(
            "labels.{} is {}: {CURE}",
            shown_key(&key),
            described(&other)
        )),
    };
    object.into_iter().map(label).collect()
}

/// Reads column `labels`.
///
/// # Errors
/// Says what of it is not JSON, or breaks a rule.
pub fn labels_of_column(text: &str) -> Result<Labels, String> {
    let read: Strict = serde_json::from_str(text)
        .map_err(|error| format!("labels is not valid JSON ({error}): {CURE}, or leave it out"))?;
    if read.has_key_twice {
        return Err(key_twice("labels"));
    }
    let labels = read_labels(read.value)?;
    match labels_problems(&labels) {
        problems if problems.is_empty() => Ok(labels),
        problems => Err(problems.join("; ")),
    }
}

/// A key as a message repeats it: a valid one as it is.
fn shown_key(key: &str) -> String {
    match label_key_problem(key) {
        None => key.to_owned(),
        Some(_) => shown(key),
    }
}

/// What is wrong with the key of a label.
pub(crate) fn label_key_problem(key: &str) -> Option<String> {
    let is_odd = |c: char| !matches!(c, 'a'..='z' | '0'..='9' | '_' | '.' | '-');
    let chars = key.chars().count();
    (chars == 0 || chars > LABEL_KEY_MAX_CHARS || key.contains(is_odd)).then(|| {
        format!(
            "the label key {} is not valid: write 1 to {LABEL_KEY_MAX_CHARS} of a-z, 0-9, _, . and -",
            shown(key)
        )
    })
}

/// What is wrong with labels.
pub(super) fn labels_problems(labels: &Labels) -> Vec<String> {
    let mut problems = Vec::new();
    if labels.len() > LABELS_MAX {
        problems.push(format!(
            "labels has {} entries: write at most {LABELS_MAX}",
            labels.len()
        ));
    }
    for (key, value) in labels {
        problems.extend(label_key_problem(key));
        let (place, chars) = (shown_key(key), value.chars().count());
        if chars == 0 || chars > LABEL_VALUE_MAX_CHARS {
            problems.push(format!(
                "labels.{place} has {chars} characters: write 1 to {LABEL_VALUE_MAX_CHARS}"
            ));
        } else if value.contains(char::is_control) {
            problems.push(format!(
                "labels.{place} contains a control character: write {} without it",
                shown(value)
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(value: Value) -> String {
        match read_labels(value) {
            Ok(labels) => labels_problems(&labels).join("; "),
            Err(problem) => problem,
        }
    }

    #[test]
    fn labels_within_the_limits_are_taken() {
        let most: Labels = (0..LABELS_MAX)
            .map(|n| (format!("k{n}"), "v".to_owned()))
            .collect();
        for labels in [
            json!({}),
            json!({"team": "search"}),
            json!({"a-b_c.9": "Ünïcode, with = and \" and blanks"}),
            json!({"k".repeat(40): "é".repeat(80)}),
            json!(most),
        ] {
            assert_eq!(problems(labels.clone()), "", "{labels}");
        }
    }

    #[test]
    fn whatever_breaks_a_rule_says_what_to_write() {
        let many: Labels = (0..=LABELS_MAX)
            .map(|n| (format!("k{n}"), "v".to_owned()))
            .collect();
        for (labels, words) in [
            (json!("team"), "labels is a string: write an object of"),
            (json!(["team"]), "labels is an array"),
            (json!({"team": 1}), "labels.team is 1: write an object of"),
            (json!({"Team": true}), "labels.\"Team\" is true"),
            (json!({"Team": "x"}), "the label key \"Team\" is not valid"),
            (json!({"": "x"}), "the label key \"\" is not valid"),
            (json!({"k".repeat(41): "x"}), "is not valid: write 1 to 40"),
            (json!({"a": ""}), "labels.a has 0 characters: write 1 to 80"),
            (json!({"a": "x".repeat(81)}), "labels.a has 81 characters"),
            (json!({"a": "x\ny"}), "labels.a contains a control"),
            (json!({"a": "\u{85}"}), "labels.a contains a control"),
            (json!(many), "labels has 17 entries: write at most 16"),
        ] {
            let found = problems(labels);
            assert!(found.contains(words), "{found} for {words}");
        }
    }
}
