//! TOML: tables `[[jobs]]`.

use serde_json::{Map, Number, Value};
use toml::de::{DeTable, DeValue};

use super::{BadJob, Entry, job};
use crate::core::lines::Lines;
use crate::core::nearest::did_you_mean;
use crate::core::spec::{kind, shown};

const CURE: &str = "begin each job with [[jobs]]";

/// Hands the jobs of a TOML text on, one by one: the text's table is large enough.
pub(super) fn each<E>(text: &str, mut take: impl FnMut(Entry) -> Result<(), E>) -> Result<(), E> {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let bad = |error: &toml::de::Error| {
            let offset = error.span().map_or(0, |span| span.start);
            let reason = format!("column {}: {}", lines.column(offset), error.message());
            Err(BadJob::at(lines.line(offset), reason))
        };
        let mut bad: Vec<Entry> = errors.iter().map(bad).collect();
        bad.dedup();
        return bad.into_iter().try_for_each(take);
    }
    let table = table.get_ref();
    let strangers = table.keys().filter(|key| key.get_ref() != "jobs");
    let mut has_any = false;
    for key in strangers {
        has_any = true;
        let near = did_you_mean(key.get_ref(), ["jobs"]);
        let apart = if near.is_empty() { "; " } else { " " };
        let reason = format!("unknown key {}{near}{apart}{CURE}", shown(key.get_ref()));
        take(Err(BadJob::at(lines.line(key.span().start), reason)))?;
    }
    match table.get("jobs").map(|jobs| (jobs.span(), jobs.get_ref())) {
        Some((_, DeValue::Array(items))) => items.iter().try_for_each(|item| {
            let line = lines.line(item.span().start);
            take(match value(item.get_ref()) {
                Value::Object(object) => job::spec(line, object, Vec::new()),
                other => {
                    let reason = format!("jobs contains {}: {CURE}", kind(&other));
                    Err(BadJob::at(line, reason))
                }
            })
        }),
        Some((span, other)) => {
            let reason = format!("jobs is {}: {CURE}", kind(&value(other)));
            take(Err(BadJob::at(lines.line(span.start), reason)))
        }
        None if has_any => Ok(()),
        None => {
            let reason = format!("the file contains no jobs: {CURE}");
            take(Err(BadJob::of_file(reason)))
        }
    }
}

/// A TOML value as JSON; a date becomes its text.
fn value(toml: &DeValue<'_>) -> Value {
    match toml {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(yes) => Value::from(*yes),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        // A number that JSON cannot hold stays a text, which no key of a job takes.
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::from(number.to_string()), Value::from),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .ok()
            .and_then(Number::from_f64)
            .map_or_else(|| Value::from(number.to_string()), Value::Number),
        DeValue::Array(items) => items.iter().map(|item| value(item.get_ref())).collect(),
        DeValue::Table(table) => Value::Object(
            table
                .iter()
                .map(|(key, item)| (key.get_ref().to_string(), value(item.get_ref())))
                .collect::<Map<_, _>>(),
        ),
    }
}
