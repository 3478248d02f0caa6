//! PURE: a change applied to fields.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{FieldChanges, Rename, listed, name_of, plain};
use crate::core::{
    nearest::did_you_mean,
    shown::shown,
    spec::{SpecError, fields_problems},
};

/// So many names a message lists.
const MOST_NAMED: usize = 10;

impl FieldChanges {
    /// The fields as they stand afterwards: those that are there in their order, then those that
    /// are added.
    ///
    /// # Errors
    /// Names everything that cannot be done, each with what to write instead.
    pub fn apply(&self, fields: &Value) -> Result<Value, SpecError> {
        let change = self.trimmed();
        let before = listed(fields)?;
        let problems = change.problems();
        if !problems.is_empty() {
            return Err(SpecError { problems });
        }
        let names = before.iter().map(name_of);
        let there: BTreeSet<&str> = names.filter(|name| !name.is_empty()).collect();
        let after_free = change.after_free(&before);
        let mut problems = change.absent_problems(&there);
        problems.extend(change.left_behind(&after_free));
        problems.extend(change.paid_problems(&after_free));
        if !problems.is_empty() {
            return Err(SpecError { problems });
        }
        let modified: BTreeMap<&str, &Value> = change
            .modify_fields
            .iter()
            .map(|field| (name_of(field), field))
            .collect();
        let kept = after_free.iter().map(|field| {
            let new = modified.get(name_of(field));
            new.map_or_else(|| field.clone(), |new| plain(new))
        });
        let added = change.add_fields.iter().map(plain);
        let after: Value = kept.chain(added).collect();
        // What the service made by itself may break rules that are for jobs: then those that the
        // change brings, which are checked, are all that can be asked of it.
        let problems = fields_problems(&after);
        if problems.is_empty() || !fields_problems(&Value::from(before)).is_empty() {
            Ok(after)
        } else {
            Err(SpecError { problems })
        }
    }

    /// Fields after the renames and removals.
    fn after_free(&self, before: &[Value]) -> Vec<Value> {
        let renames = self.rename_fields.iter();
        let renames: BTreeMap<&str, &str> = renames
            .map(|rename| (rename.name.as_str(), rename.new_name.as_str()))
            .collect();
        let removed: BTreeSet<&str> = self.remove_fields.iter().map(String::as_str).collect();
        let kept = before
            .iter()
            .filter(|field| !removed.contains(name_of(field)));
        kept.map(|field| {
            let mut field = field.clone();
            if let Some(new_name) = renames.get(name_of(&field)) {
                field["name"] = Value::from(*new_name);
            }
            field
        })
        .collect()
    }

    /// Renames and removals of what is not there, and renames onto what is.
    fn absent_problems(&self, there: &BTreeSet<&str>) -> Vec<String> {
        let mut problems = Vec::new();
        for Rename { name, new_name } in &self.rename_fields {
            if !there.contains(name.as_str()) {
                problems.push(not_there("rename_fields", name, there));
            }
            if there.contains(new_name.as_str()) {
                problems.push(format!(
                    "rename_fields gives {} the name {to}, which another field has: choose a name \
                     that no field has, or remove {to} in an update before",
                    shown(name),
                    to = shown(new_name),
                ));
            }
        }
        let removals = self.remove_fields.iter();
        let absent = removals.filter(|name| !there.contains(name.as_str()));
        problems.extend(absent.map(|name| not_there("remove_fields", name, there)));
        problems
    }

    /// Children whose parent goes or gets another name, and a parser without fields.
    fn left_behind(&self, after_free: &[Value]) -> Vec<String> {
        if after_free.is_empty() {
            return vec![if self.is_paid() {
                "no field stays that is there: write two updates, first the one that adds, then \
                 the one that removes (in a job file: an old field beside the new ones, and without \
                 it once that is applied)"
                    .to_owned()
            } else {
                "every field is removed: keep at least one, or delete the parser".to_owned()
            }];
        }
        let children = |parent: &str| {
            let parent = format!("{parent}.");
            let names = after_free.iter().map(name_of);
            let children: Vec<_> = names.filter(|name| name.starts_with(&parent)).collect();
            (!children.is_empty()).then(|| some_of(children.into_iter()))
        };
        let removed = self.remove_fields.iter().filter_map(|name| {
            let children = children(name)?;
            Some(format!(
                "{} is removed, and {children} would stay under it: remove or rename what is under \
                 it too",
                shown(name)
            ))
        });
        let renames = self.rename_fields.iter();
        let renamed = renames.filter_map(|Rename { name, new_name }| {
            let children = children(name)?;
            Some(format!(
                "{} becomes {new}, and {children} would stay under the old name: rename what is \
                 under it too, to names under {new}, or remove it",
                shown(name),
                new = shown(new_name),
            ))
        });
        removed.chain(renamed).collect()
    }

    /// Modifications of what is not there, and additions of what is.
    fn paid_problems(&self, after_free: &[Value]) -> Vec<String> {
        let there: BTreeSet<&str> = after_free.iter().map(name_of).collect();
        let modified = self.modify_fields.iter().map(name_of);
        let absent = modified.filter(|name| !there.contains(name));
        let absent = absent.map(|name| {
            let problem = not_there("modify_fields", name, &there);
            format!("{problem}; write in add_fields what is to be added")
        });
        let added = self.add_fields.iter().map(name_of);
        let present = added.filter(|name| there.contains(name)).map(|name| {
            format!(
                "add_fields has {}, which is there already: write it in modify_fields, or give it \
                 another name",
                shown(name)
            )
        });
        absent.chain(present).collect()
    }
}

fn not_there(list: &str, name: &str, there: &BTreeSet<&str>) -> String {
    let near = did_you_mean(name, there.iter().copied());
    let known = some_of(there.iter().copied());
    let name = shown(name);
    format!("{list} has {name}, which is not a field{near}; the fields are {known}")
}

fn some_of<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> String {
    let more = names.len().saturating_sub(MOST_NAMED);
    let named: Vec<_> = names.take(MOST_NAMED).map(shown).collect();
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", named.join(", "))
}
