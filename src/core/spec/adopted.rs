//! PURE: what a job file says of a parser that is there: which one it is, and what its fields were
//! called before.

use std::collections::BTreeMap;

use serde_json::Value;

use super::name::is_invisible;
use super::rules::{FIELD_NAME_MAX_CHARS, text_problem};
use crate::core::shown::shown;

/// The longest id of a parser that a job may name, in characters.
pub const PARSER_ID_MAX_CHARS: usize = 200;

pub(super) fn parser_id_problem(id: &str) -> Option<String> {
    let chars = id.chars().count();
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || is_invisible(c);
    if id.is_empty() {
        Some(
            "parser_id is empty: write the id of a parser that the account has, or leave it out"
                .to_owned(),
        )
    } else if id.contains(is_odd) {
        Some(format!(
            "parser_id {} contains whitespace or a character that cannot be seen: write it without",
            shown(id)
        ))
    } else if chars > PARSER_ID_MAX_CHARS {
        Some(format!(
            "parser_id has {chars} characters: write at most {PARSER_ID_MAX_CHARS}"
        ))
    } else {
        None
    }
}

/// Takes `was` out of the entries of `fields`: it is for parserd, and the service knows no such
/// key. Returns old names by new ones.
///
/// # Errors
/// Says which ones cannot be read; then none is left in `fields` all the same.
pub(crate) fn take_was(fields: &mut Value) -> Result<BTreeMap<String, String>, String> {
    let (mut was, mut problems) = (BTreeMap::new(), Vec::new());
    let entries = fields.as_array_mut().into_iter().flatten();
    for (index, entry) in entries.enumerate() {
        let Some(object) = entry.as_object_mut() else {
            continue;
        };
        let old = match object.remove("was") {
            None | Some(Value::Null) => continue,
            Some(old) => old,
        };
        let place = format!("fields[{index}].was");
        if let Some(problem) = text_problem(&place, &old, FIELD_NAME_MAX_CHARS) {
            problems.push(format!("{problem}, or leave it out"));
        } else if let (Some(new), Some(old)) =
            (object.get("name").and_then(Value::as_str), old.as_str())
        {
            was.insert(new.trim().to_owned(), old.trim().to_owned());
        }
    }
    if problems.is_empty() {
        Ok(was)
    } else {
        Err(problems.join("; "))
    }
}

/// What is wrong with the old names of fields.
pub(super) fn was_problems(was: &BTreeMap<String, String>, fields: Option<&Value>) -> Vec<String> {
    let fields = fields.and_then(Value::as_array).into_iter().flatten();
    let names = fields.filter_map(|field| field.get("name")?.as_str());
    let names: Vec<_> = names.map(str::trim).collect();
    let mut heirs: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut problems = Vec::new();
    for (new, old) in was {
        heirs.entry(old).or_default().push(shown(new));
        let (new_shown, old_shown) = (shown(new), shown(old));
        if old == new {
            problems.push(format!(
                "field {new_shown} has its own name in was: leave was out, or write the name that it had"
            ));
        } else if !names.contains(&new.as_str()) {
            problems.push(format!(
                "was names {new_shown}, which is not a field: write was in the entry of fields that it \
                 is about"
            ));
        } else if names.contains(&old.as_str()) {
            problems.push(format!(
                "field {new_shown} was {old_shown}, and {old_shown} is a field still: write it without \
                 was, or make two updates of it, the first without the new {old_shown}"
            ));
        }
    }
    let shared = heirs.into_iter().filter(|(_, heirs)| heirs.len() > 1);
    problems.extend(shared.map(|(old, heirs)| {
        format!(
            "fields {} were each {}: write was in one of them",
            heirs.join(" and "),
            shown(old)
        )
    }));
    problems
}
