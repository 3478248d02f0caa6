//! PURE: what an update changes, a line a field.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::core::field_changes::{FieldChanges, name_of, plain};

/// What becomes of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldLine {
    /// It gets another name.
    Renamed {
        /// The old one.
        name: String,
        /// The new one.
        new_name: String,
    },
    /// It goes.
    Removed {
        /// Its name.
        name: String,
    },
    /// It means something else.
    Modified {
        /// Its name, as it is after the renames.
        name: String,
        /// What differs of it.
        parts: Vec<PartLine>,
    },
    /// It is new.
    Added {
        /// Its name.
        name: String,
    },
}

/// What becomes of a field's description, type or selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartLine {
    /// Its key.
    pub key: &'static str,
    /// What it was, if there was one.
    pub before: Option<String>,
    /// What it is to be, if there is to be one.
    pub after: Option<String>,
}

/// The lines of a change, in the order in which it is made.
pub(super) fn of(changes: &FieldChanges, before: &Value) -> Vec<FieldLine> {
    let old = before.as_array().into_iter().flatten();
    let old: BTreeMap<&str, Value> = old.map(|field| (name_of(field), plain(field))).collect();
    let renames = changes.rename_fields.iter();
    let was: BTreeMap<&str, &str> = renames
        .clone()
        .map(|rename| (rename.new_name.as_str(), rename.name.as_str()))
        .collect();
    let renamed = renames.map(|rename| FieldLine::Renamed {
        name: rename.name.clone(),
        new_name: rename.new_name.clone(),
    });
    let removed = changes.remove_fields.iter();
    let removed = removed.map(|name| FieldLine::Removed { name: name.clone() });
    let modified = changes.modify_fields.iter().map(|field| {
        let name = name_of(field);
        let source = was.get(name).unwrap_or(&name);
        FieldLine::Modified {
            name: name.to_owned(),
            parts: parts(old.get(source), &plain(field)),
        }
    });
    let added = changes.add_fields.iter().map(|field| FieldLine::Added {
        name: name_of(field).to_owned(),
    });
    let free = renamed.chain(removed);
    free.chain(modified).chain(added).collect()
}

fn parts(before: Option<&Value>, after: &Value) -> Vec<PartLine> {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let parts = ["description", "type", "selector"].map(|key| PartLine {
        key,
        before: before.and_then(|field| field.get(key)).map(text),
        after: after.get(key).map(text),
    });
    let differs = |part: &PartLine| part.before != part.after;
    parts.into_iter().filter(differs).collect()
}
