//! PURE: what is wrong with a change whatever the fields are that it changes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{FieldChanges, Rename, name_of};
use crate::core::{
    shown::shown,
    spec::{FIELD_NAME_MAX_CHARS, entries_problems, size_problem, text_problem},
};

impl FieldChanges {
    /// Everything that is wrong, each with what to write instead. The change is trimmed.
    pub(super) fn problems(&self) -> Vec<String> {
        if self.is_empty() {
            return vec![
                "the change is empty: write add_fields, modify_fields, rename_fields or \
                 remove_fields"
                    .to_owned(),
            ];
        }
        let mut problems = entries_problems("add_fields", &self.add_fields);
        problems.extend(entries_problems("modify_fields", &self.modify_fields));
        problems.extend(self.name_problems());
        problems.extend(self.rename_problems());
        problems.extend(self.lists_at_odds());
        problems.extend(size_problem("the change", &self.to_value()));
        problems
    }

    fn name_problems(&self) -> Vec<String> {
        let renames = self.rename_fields.iter().enumerate();
        let renames = renames.flat_map(|(index, Rename { name, new_name })| {
            let place = format!("rename_fields[{index}]");
            [
                (format!("{place}.name"), name),
                (format!("{place}.new_name"), new_name),
            ]
        });
        let removals = self.remove_fields.iter().enumerate();
        let removals = removals.map(|(index, name)| (format!("remove_fields[{index}]"), name));
        let names = renames.chain(removals);
        names
            .filter_map(|(place, name)| {
                text_problem(&place, &Value::from(name.as_str()), FIELD_NAME_MAX_CHARS)
            })
            .collect()
    }

    fn rename_problems(&self) -> Vec<String> {
        let next: BTreeMap<&str, &str> = self.rename_fields.iter().map(Rename::names).collect();
        let (mut old, mut new) = (BTreeSet::new(), BTreeSet::new());
        let mut problems = Vec::new();
        for (from, to) in self.rename_fields.iter().map(Rename::names) {
            if !old.insert(from) {
                problems.push(format!(
                    "rename_fields names {} twice: write it once",
                    shown(from)
                ));
            } else if from == to {
                problems.push(format!(
                    "rename_fields gives {} its own name: leave it out",
                    shown(from)
                ));
            } else if !new.insert(to) {
                problems.push(format!(
                    "rename_fields gives two fields the name {}: choose another for one of them",
                    shown(to)
                ));
            } else if next.get(to).is_some_and(|then| *then != to) {
                problems.extend(chain_problem(from, &next));
            }
        }
        problems
    }

    /// One name in two lists that exclude each other, or twice in one.
    fn lists_at_odds(&self) -> Vec<String> {
        let old: BTreeMap<&str, &str> = self.rename_fields.iter().map(Rename::names).collect();
        let new: BTreeMap<&str, &str> = old.iter().map(|(old, new)| (*new, *old)).collect();
        let added: BTreeSet<&str> = self.add_fields.iter().map(name_of).collect();
        let modified: BTreeSet<&str> = self.modify_fields.iter().map(name_of).collect();
        let mut removed = BTreeSet::new();
        let mut problems = Vec::new();
        for name in self.remove_fields.iter().map(String::as_str) {
            let said = shown(name);
            if !removed.insert(name) {
                problems.push(format!("remove_fields has {said} twice: write it once"));
                continue;
            }
            if old.contains_key(name) {
                problems.push(format!(
                    "rename_fields and remove_fields both name {said}: write it in one of them"
                ));
            }
            if let Some(from) = new.get(name) {
                problems.push(format!(
                    "rename_fields gives {} the name {said}, which remove_fields removes: write \
                     two updates, first the removal, then the rename",
                    shown(from)
                ));
            }
            if added.contains(name) {
                problems.push(format!(
                    "remove_fields and add_fields both have {said}: write it in modify_fields alone"
                ));
            }
            if modified.contains(name) {
                problems.push(format!(
                    "remove_fields and modify_fields both have {said}: write it in one of them"
                ));
            }
        }
        for name in &modified {
            let said = shown(name);
            if let Some(to) = old.get(name).filter(|_| !new.contains_key(name)) {
                problems.push(format!(
                    "modify_fields has {said}, which rename_fields renames: write its new name, {}",
                    shown(to)
                ));
            }
            if added.contains(name) {
                problems.push(format!(
                    "add_fields and modify_fields both have {said}: write it in modify_fields if \
                     the field is there, else in add_fields"
                ));
            }
        }
        for (to, from) in new.iter().filter(|(to, _)| added.contains(*to)) {
            problems.push(format!(
                "add_fields has {}, which rename_fields makes of {}: write it in modify_fields, if \
                 more than the name changes",
                shown(to),
                shown(from)
            ));
        }
        problems
    }
}

impl Rename {
    fn names(&self) -> (&str, &str) {
        (&self.name, &self.new_name)
    }
}

/// What is wrong with renames that lead on from one to the next; of a circle, with the first name
/// in it alone.
fn chain_problem(from: &str, next: &BTreeMap<&str, &str>) -> Option<String> {
    let mut path = vec![from];
    while let Some(to) = next.get(path[path.len() - 1]) {
        if *to == from {
            let is_first = path.iter().all(|name| from <= *name);
            let circle: Vec<_> = path.iter().map(|name| shown(name)).collect();
            return is_first.then(|| {
                format!(
                    "rename_fields goes in a circle ({} and back): write updates one after the \
                     other, the first of them to a name that no field has",
                    circle.join(" to ")
                )
            });
        }
        if path.contains(to) {
            break;
        }
        path.push(to);
    }
    let to = shown(path[1]);
    Some(format!(
        "rename_fields gives {} the name {to}, and {to} another one: write two updates, first the \
         one that renames {to}",
        shown(from)
    ))
}
