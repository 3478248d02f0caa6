//! PURE: what an update changes of a parser's fields: read, checked, applied, and found by
//! comparison.
//!
//! Renames come first, all at once; then removals, by names as they were before; then
//! modifications and additions, by names as they are after the renames. Renames and removals are
//! free, and are sent as a request of their own, so that a parser's fields must be in order after
//! them too.

use serde_json::{Map, Value, json};

use crate::core::job::Part;
use crate::core::spec::{FIELD_KEYS, SpecError, canonical, kind};

mod apply;
mod between;
mod carry;
mod check;
mod read;

pub use between::likely_renames;

/// The keys of a change.
const CHANGE_KEYS: &[&str] = &[
    "add_fields",
    "modify_fields",
    "rename_fields",
    "remove_fields",
];

/// What an update does to a parser's fields, as `PATCH /parsers/{id}` takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldChanges {
    /// New fields, whole.
    pub add_fields: Vec<Value>,
    /// Fields as they are to be, whole, by name.
    pub modify_fields: Vec<Value>,
    /// Fields that get another name, and keep the rest.
    pub rename_fields: Vec<Rename>,
    /// The names of fields that go.
    pub remove_fields: Vec<String>,
}

/// A field's old and new name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// What it is called.
    pub name: String,
    /// What it is to be called.
    pub new_name: String,
}

impl FieldChanges {
    /// The change as the database holds it and the service is sent it: JSON with sorted keys, no
    /// whitespace, and only the lists that are not empty.
    pub fn to_json(&self) -> String {
        canonical(&self.trimmed().to_value())
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.rename_fields.is_empty() && self.remove_fields.is_empty() && !self.is_paid()
    }

    /// Whether it costs what a create costs: it adds or modifies.
    pub fn is_paid(&self) -> bool {
        !self.add_fields.is_empty() || !self.modify_fields.is_empty()
    }

    /// Whether nothing is left to send of a job that asks for `change` (JSON) after this request.
    pub fn ends_with(change: Option<&str>, part: Part) -> bool {
        let change = change.and_then(|text| Self::from_json(text).ok());
        part != Part::Free || change.is_none_or(|change| !change.is_paid())
    }

    /// Its renames and removals, which go first; None where it has none.
    pub fn free_part(&self) -> Option<Self> {
        let part = Self {
            rename_fields: self.rename_fields.clone(),
            remove_fields: self.remove_fields.clone(),
            ..Self::default()
        };
        (!part.is_empty()).then_some(part)
    }

    /// Its additions and modifications, by the names after the free part; None where it has none.
    pub fn paid_part(&self) -> Option<Self> {
        let part = Self {
            add_fields: self.add_fields.clone(),
            modify_fields: self.modify_fields.clone(),
            ..Self::default()
        };
        (!part.is_empty()).then_some(part)
    }

    fn to_value(&self) -> Value {
        let renames = self.rename_fields.iter().map(|rename| {
            let Rename { name, new_name } = rename;
            json!({"name": name, "new_name": new_name})
        });
        let lists = [
            ("add_fields", self.add_fields.clone()),
            ("modify_fields", self.modify_fields.clone()),
            ("rename_fields", renames.collect()),
            (
                "remove_fields",
                self.remove_fields
                    .iter()
                    .cloned()
                    .map(Value::from)
                    .collect(),
            ),
        ];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        let object = lists.map(|(key, list)| (key.to_owned(), Value::Array(list)));
        Value::Object(object.collect::<Map<_, _>>())
    }

    /// The same without blanks around names and texts.
    fn trimmed(&self) -> Self {
        let text = |text: &String| text.trim().to_owned();
        let field = |field: &Value| match field {
            Value::Object(object) => {
                let member = |(key, value): (&String, &Value)| {
                    let text = value.as_str().map(|text| Value::from(text.trim()));
                    (key.clone(), text.unwrap_or_else(|| value.clone()))
                };
                Value::Object(object.iter().map(member).collect())
            }
            other => other.clone(),
        };
        let rename = |rename: &Rename| Rename {
            name: text(&rename.name),
            new_name: text(&rename.new_name),
        };
        Self {
            add_fields: self.add_fields.iter().map(field).collect(),
            modify_fields: self.modify_fields.iter().map(field).collect(),
            rename_fields: self.rename_fields.iter().map(rename).collect(),
            remove_fields: self.remove_fields.iter().map(text).collect(),
        }
    }
}

/// Whether two lists of fields mean the same, in whatever order: blanks around texts, nulls and
/// keys that no job can write make no difference.
pub fn same_fields(a: &Value, b: &Value) -> bool {
    let sorted = |fields: &Value| {
        let fields = fields.as_array()?.iter();
        let mut fields: Vec<_> = fields.map(|field| canonical(&plain(field))).collect();
        fields.sort();
        Some(fields)
    };
    match (sorted(a), sorted(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// A field with nothing that makes no difference. The service may write null, or an empty text,
/// for what a job leaves out, and keys of its own.
pub(crate) fn plain(field: &Value) -> Value {
    let Value::Object(object) = field else {
        return field.clone();
    };
    let known = FIELD_KEYS.iter().filter_map(|key| {
        let value = match object.get(*key)? {
            Value::Null => return None,
            Value::String(text) if text.trim().is_empty() => return None,
            Value::String(text) => Value::from(text.trim()),
            other => other.clone(),
        };
        Some(((*key).to_owned(), value))
    });
    Value::Object(known.collect())
}

/// The name of a field, and nothing where it has none.
pub(crate) fn name_of(field: &Value) -> &str {
    let name = field.get("name").and_then(Value::as_str);
    name.map_or("", str::trim)
}

/// A list of fields, each [`plain`].
fn listed(fields: &Value) -> Result<Vec<Value>, SpecError> {
    match fields {
        Value::Array(items) => Ok(items.iter().map(plain).collect()),
        other => Err(SpecError {
            problems: vec![format!(
                "fields is {}, and must be an array: what it holds cannot be changed",
                kind(other)
            )],
        }),
    }
}

#[cfg(test)]
mod tests;
