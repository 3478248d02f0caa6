//! PURE: what others wrote, as a message repeats it.

use serde_json::Value;

use super::nearest::did_you_mean;

/// How many characters of a bad value a message repeats.
const SHOWN_CHARS: usize = 80;

/// "unknown key", with the one that is near, if any is, and all that there are.
pub(crate) fn unknown_key(place: &str, found: &str, known: &[&str]) -> String {
    let near = did_you_mean(found, known.iter().copied());
    let (found, all) = (shown(found), known.join(", "));
    format!("{place} has the unknown key {found}{near}; known keys: {all}")
}

/// A value from outside as a message repeats it: quoted, escaped, cut.
pub(crate) fn shown(text: &str) -> String {
    let mut chars = text.chars();
    let head: String = chars.by_ref().take(SHOWN_CHARS).collect();
    if chars.next().is_some() {
        format!("{head:?}...")
    } else {
        format!("{head:?}")
    }
}

/// A JSON value as a message repeats it.
pub(crate) fn described(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text),
        Value::Bool(_) | Value::Number(_) | Value::Null => value.to_string(),
        Value::Array(_) | Value::Object(_) => kind(value).to_owned(),
    }
}

/// What sort of JSON value it is.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
