//! PURE: the change that makes fields of other fields.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{FieldChanges, Rename, listed, name_of, plain};
use crate::core::{nearest::nearest, shown::shown, spec::SpecError};

impl FieldChanges {
    /// What makes `after` of `before`; nothing where they mean the same. `was` has the old names of
    /// fields by their new ones; where the new name is in `before`, it was applied long ago.
    ///
    /// # Errors
    /// Where one update cannot do it: says which ones to write instead.
    pub fn between(
        before: &Value,
        after: &Value,
        was: &BTreeMap<String, String>,
    ) -> Result<Self, SpecError> {
        let (before, after) = (listed(before)?, listed(after)?);
        let old = by_name(&before);
        let new = by_name(&after);
        let renames = renames(&old, &new, was)?;
        let mut change = Self {
            rename_fields: renames
                .iter()
                .map(|(to, from)| Rename {
                    name: (*from).to_owned(),
                    new_name: (*to).to_owned(),
                })
                .collect(),
            ..Self::default()
        };
        for field in &after {
            let name = name_of(field);
            let source = renames.get(name).copied().unwrap_or(name);
            match old.get(source) {
                None => change.add_fields.push(field.clone()),
                Some(found) if content(found) == content(field) => {}
                Some(_) => change.modify_fields.push(field.clone()),
            }
        }
        let renamed: BTreeSet<&str> = renames.values().copied().collect();
        let gone = old.keys().filter(|name| !new.contains_key(**name));
        let removed = gone.filter(|name| !renamed.contains(**name));
        change.remove_fields = removed.map(|name| (*name).to_owned()).collect();
        if !change.is_empty() {
            let before = Value::from(before);
            if let Err(mut error) = change.apply(&before) {
                let renames = likely_renames(&change, &before);
                error.problems.extend(renames.iter().map(meant_as_rename));
                return Err(error);
            }
        }
        Ok(change)
    }
}

/// The fields that get another name now: new name to old.
fn renames<'f>(
    old: &BTreeMap<&'f str, &'f Value>,
    new: &BTreeMap<&'f str, &'f Value>,
    was: &'f BTreeMap<String, String>,
) -> Result<BTreeMap<&'f str, &'f str>, SpecError> {
    let pairs = was.iter().map(|(to, from)| (to.trim(), from.trim()));
    let renames: BTreeMap<&str, &str> = pairs
        .filter(|(to, from)| {
            new.contains_key(to) && old.contains_key(from) && !new.contains_key(from)
        })
        .collect();
    let moved: BTreeSet<&str> = renames.values().copied().collect();
    let taken = renames
        .iter()
        .filter(|(to, _)| old.contains_key(*to) && !moved.contains(*to));
    let mut problems = lost(old, new, was);
    problems.extend(taken.map(|(to, from)| {
        let (to, from) = (shown(to), shown(from));
        format!(
            "field {to} was {from}, and the parser has both: write it without was, and {from} \
                 is removed; or write two updates, the first without {to}"
        )
    }));
    if problems.is_empty() {
        Ok(renames)
    } else {
        Err(SpecError { problems })
    }
}

/// Old names of fields that are not there under the new name either: mistyped, most likely, and
/// then the rename, which is free, would be paid for as an addition.
fn lost(
    old: &BTreeMap<&str, &Value>,
    new: &BTreeMap<&str, &Value>,
    was: &BTreeMap<String, String>,
) -> Vec<String> {
    let pairs = was.iter().map(|(to, from)| (to.trim(), from.trim()));
    let is_lost = |(to, from): &(&str, &str)| {
        new.contains_key(to) && !old.contains_key(to) && !old.contains_key(from)
    };
    let gone: Vec<&str> = old
        .keys()
        .copied()
        .filter(|name| !new.contains_key(name))
        .collect();
    let told = pairs.filter(is_lost).map(|(to, from)| {
        let meant = nearest(from, gone.iter().copied());
        let meant = meant.map_or_else(String::new, |name| {
            format!(" (did you mean {}?)", shown(name))
        });
        format!(
            "field {} has `was = {}`: the parser has no field of that name{meant}, nor one that is \
             called as this one is now, so this is an addition, which costs what a create costs: \
             correct was, or leave was out to pay for a new field",
            shown(to),
            shown(from)
        )
    });
    told.collect()
}

/// What to write instead, where the change cannot be made and a rename, which is free, could.
fn meant_as_rename((was, name): &(String, String)) -> String {
    let (was, name) = (Value::from(was.as_str()), Value::from(name.as_str()));
    format!("{name} reads as {was} did: write {{ name = {name}, was = {was}, ... }} to rename it")
}

/// The fields that a change removes and adds again under another name, old and new: most likely
/// renames, which would cost nothing.
pub fn likely_renames(changes: &FieldChanges, before: &Value) -> Vec<(String, String)> {
    let Ok(before) = listed(before) else {
        return Vec::new();
    };
    let old = by_name(&before);
    let mut added: Vec<_> = changes.add_fields.iter().map(plain).collect();
    let removed = changes.remove_fields.iter();
    removed
        .filter_map(|name| {
            let content_before = content(old.get(name.trim())?);
            // A field of which the service tells the name alone is like any other.
            content_before.get("description")?;
            let twin = added
                .iter()
                .position(|field| content(field) == content_before)?;
            let twin = added.remove(twin);
            Some((name.clone(), name_of(&twin).to_owned()))
        })
        .collect()
}

fn by_name(fields: &[Value]) -> BTreeMap<&str, &Value> {
    let named = fields.iter().map(|field| (name_of(field), field));
    named.filter(|(name, _)| !name.is_empty()).collect()
}

/// All of a field but its name.
fn content(field: &Value) -> Value {
    let mut content = field.clone();
    if let Some(object) = content.as_object_mut() {
        object.remove("name");
    }
    content
}
