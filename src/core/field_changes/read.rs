//! PURE: a change as JSON.

use serde_json::{Map, Value};

use super::{CHANGE_KEYS, FieldChanges, Rename};
use crate::core::{
    shown::{described, kind, unknown_key},
    spec::{SpecError, Strict, key_twice},
};

const SAMPLE: &str = r#"{"rename_fields": [{"name": "title", "new_name": "book.title"}]}"#;

impl FieldChanges {
    /// Reads column `change`, and checks all that can be said without knowing the fields.
    ///
    /// # Errors
    /// Names everything that is wrong, each with what to write instead.
    pub fn from_json(text: &str) -> Result<Self, SpecError> {
        let mut problems = Vec::new();
        let change = match serde_json::from_str(text) {
            Ok(Strict {
                value: Value::Object(mut object),
                has_key_twice,
            }) => {
                problems.extend(has_key_twice.then(|| key_twice("change")));
                Self::of_object(&mut object, &mut problems)
            }
            Ok(Strict { value, .. }) => {
                problems.push(format!(
                    "change is {}: write an object, such as {SAMPLE}",
                    kind(&value)
                ));
                Self::default()
            }
            Err(error) => {
                problems.push(format!(
                    "change is not valid JSON ({error}): write an object, such as {SAMPLE}"
                ));
                Self::default()
            }
        };
        // What could not be read is not there to be checked.
        if problems.is_empty() {
            problems = change.problems();
        }
        if problems.is_empty() {
            Ok(change)
        } else {
            Err(SpecError { problems })
        }
    }

    fn of_object(object: &mut Map<String, Value>, problems: &mut Vec<String>) -> Self {
        let mut list = |key: &str, cure: &str| match object.remove(key) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                problems.push(format!("{key} is {}: write {cure}", kind(&other)));
                Vec::new()
            }
        };
        let fields =
            r#"an array of fields, such as [{"name": "title", "description": "the book's title"}]"#;
        let add_fields = list("add_fields", fields);
        let modify_fields = list("modify_fields", fields);
        let renames = list(
            "rename_fields",
            r#"an array, such as [{"name": "title", "new_name": "book.title"}]"#,
        );
        let removals = list("remove_fields", r#"an array of names, such as ["title"]"#);
        let unknown = object.keys();
        problems.extend(unknown.map(|key| unknown_key("change", key, CHANGE_KEYS)));
        let renames = renames.into_iter().enumerate();
        let rename_fields = renames.filter_map(|(index, item)| rename(index, item, problems));
        let rename_fields = rename_fields.collect();
        let removals = removals.into_iter().enumerate();
        let remove_fields = removals.filter_map(|(index, item)| match item {
            Value::String(name) => Some(name),
            other => {
                problems.push(format!(
                    "remove_fields[{index}] is {}: write the name of a field",
                    described(&other)
                ));
                None
            }
        });
        Self {
            remove_fields: remove_fields.collect(),
            add_fields,
            modify_fields,
            rename_fields,
        }
        .trimmed()
    }
}

fn rename(index: usize, item: Value, problems: &mut Vec<String>) -> Option<Rename> {
    let place = format!("rename_fields[{index}]");
    let Value::Object(mut object) = item else {
        problems.push(format!(
            "{place} is {}: write an object with name and new_name",
            described(&item)
        ));
        return None;
    };
    let mut text = |key: &str| match object.remove(key) {
        Some(Value::String(text)) => Some(text),
        Some(other) => {
            let found = described(&other);
            problems.push(format!("{place}.{key} is {found}: write a string"));
            None
        }
        None => {
            problems.push(format!("{place} has no {key}: write one"));
            None
        }
    };
    let (name, new_name) = (text("name"), text("new_name"));
    let unknown = object.keys();
    problems.extend(unknown.map(|key| unknown_key(&place, key, &["name", "new_name"])));
    Some(Rename {
        name: name?,
        new_name: new_name?,
    })
}
