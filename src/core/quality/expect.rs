//! PURE: `expect`: what a field must hold, as a user writes it, and whether a value does.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::notation::Reading;
use crate::core::{
    nearest::did_you_mean,
    shown::{described, kind, shown, unknown_key},
};

/// The keys that an expectation may have.
pub const EXPECT_KEYS: &[&str] = &[
    "min_items",
    "max_items",
    "pattern",
    "min",
    "max",
    "one_of",
    "required",
];

/// A pattern takes no more memory than this when it is compiled, in bytes.
const PATTERN_MAX_BYTES: usize = 1 << 20;

/// What a field must hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Expectation {
    min_items: Option<u64>,
    max_items: Option<u64>,
    pattern: Option<Regex>,
    min: Option<f64>,
    max: Option<f64>,
    one_of: Option<Vec<String>>,
    /// It may be missing or empty.
    pub is_optional: bool,
}

/// What is wrong with an `expect`, each with what to write instead; `fields` are the names of
/// those that were asked for, None where the service infers them.
pub(crate) fn problems(expect: &Value, fields: Option<&[&str]>) -> Vec<String> {
    let Value::Object(object) = expect else {
        return vec![format!(
            "expect is {}: write an object, such as {{\"products\": {{\"min_items\": 10}}}}",
            kind(expect)
        )];
    };
    let of_field = |(field, value): (&String, &Value)| {
        let place = format!("expect[{}]", shown(field));
        if let Some(fields) = fields.filter(|fields| !fields.contains(&field.as_str())) {
            let near = did_you_mean(field, fields.iter().copied());
            return vec![format!(
                "{place} is not one of the fields{near}: write the name of a field"
            )];
        }
        match value {
            Value::Object(object) => read(&place, object).err().unwrap_or_default(),
            _ => vec![format!(
                "{place} is {}: write an object, such as {{\"min_items\": 10}}",
                kind(value)
            )],
        }
    };
    object.iter().flat_map(of_field).collect()
}

/// The expectations of a job, by field; those that break a rule are left out, which
/// [`problems`] tells of.
pub(super) fn all(expect: Option<&Value>) -> BTreeMap<String, Expectation> {
    let object = expect.and_then(Value::as_object).into_iter().flatten();
    object
        .filter_map(|(field, value)| {
            let expectation = read("", value.as_object()?).ok()?;
            Some((field.clone(), expectation))
        })
        .collect()
}

fn read(place: &str, object: &Map<String, Value>) -> Result<Expectation, Vec<String>> {
    let mut expectation = Expectation::default();
    let mut problems = Vec::new();
    for (key, value) in object {
        let result = match key.as_str() {
            "min_items" => whole(value).map(|n| expectation.min_items = Some(n)),
            "max_items" => whole(value).map(|n| expectation.max_items = Some(n)),
            "min" => real(value).map(|n| expectation.min = Some(n)),
            "max" => real(value).map(|n| expectation.max = Some(n)),
            "pattern" => pattern(value).map(|regex| expectation.pattern = Some(regex)),
            "one_of" => choices(value).map(|texts| expectation.one_of = Some(texts)),
            "required" => match value.as_bool() {
                Some(required) => {
                    expectation.is_optional = !required;
                    Ok(())
                }
                None => Err("write true or false".to_owned()),
            },
            unknown => {
                problems.push(unknown_key(place, unknown, EXPECT_KEYS));
                continue;
            }
        };
        if let Err(advice) = result {
            problems.push(format!("{place}.{key} is {}: {advice}", described(value)));
        }
    }
    // Nothing has to be there.
    expectation.is_optional |= expectation.min_items == Some(0) || expectation.max_items == Some(0);
    let is_over =
        |min: Option<f64>, max: Option<f64>| min.zip(max).is_some_and(|(min, max)| min > max);
    let real = |n: Option<u64>| n.map(|n| n as f64);
    if is_over(expectation.min, expectation.max) {
        problems.push(format!("{place}.min is above its max: exchange them"));
    }
    if is_over(real(expectation.min_items), real(expectation.max_items)) {
        problems.push(format!(
            "{place}.min_items is above its max_items: exchange them"
        ));
    }
    if problems.is_empty() {
        Ok(expectation)
    } else {
        Err(problems)
    }
}

fn whole(value: &Value) -> Result<u64, String> {
    value
        .as_u64()
        .ok_or_else(|| "write a whole number from 0 up".to_owned())
}

fn real(value: &Value) -> Result<f64, String> {
    value.as_f64().ok_or_else(|| "write a number".to_owned())
}

fn choices(value: &Value) -> Result<Vec<String>, String> {
    let advice = "write an array of strings and numbers, such as [\"in stock\", \"sold out\"]";
    let items = value.as_array().filter(|items| !items.is_empty());
    let text = |item: &Value| match item {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(_) | Value::Bool(_) => Some(item.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    items
        .and_then(|items| items.iter().map(text).collect())
        .ok_or_else(|| advice.to_owned())
}

fn pattern(value: &Value) -> Result<Regex, String> {
    let text = value.as_str().ok_or("write a regular expression")?;
    RegexBuilder::new(text)
        .size_limit(PATTERN_MAX_BYTES)
        .build()
        .map_err(|error| {
            let at = position(text).map_or_else(String::new, |at| format!("at character {at}, "));
            let error = error.to_string();
            let why = error.lines().last().unwrap_or_default();
            let why = why.trim_start_matches("error: ");
            format!("{at}{why}; write a regular expression as the Rust crate regex reads it")
        })
}

/// At which character of a pattern its fault is, counted from 1.
fn position(pattern: &str) -> Option<usize> {
    let error = regex_syntax::Parser::new().parse(pattern).err()?;
    let offset = match &error {
        regex_syntax::Error::Parse(error) => error.span().start.offset,
        regex_syntax::Error::Translate(error) => error.span().start.offset,
        _ => return None,
    };
    Some(pattern.get(..offset)?.chars().count() + 1)
}

impl Expectation {
    pub const fn is_about_numbers(&self) -> bool {
        self.min.is_some() || self.max.is_some()
    }

    /// Whether it says of this text that it is a value, though it seems to be none.
    pub fn names(&self, text: &str) -> bool {
        let is_choice = |choices: &Vec<String>| choices.iter().any(|choice| choice == text.trim());
        self.one_of.as_ref().is_some_and(is_choice)
    }

    /// How a value that is not empty misses it; `number` is what it is as one, if it is one.
    pub fn missed_by(&self, text: &str, number: Option<Reading>) -> Option<String> {
        let text = text.trim();
        if let Some(pattern) = self.pattern.as_ref().filter(|p| !p.is_match(text)) {
            return Some(format!("{} does not match {pattern}", shown(text)));
        }
        if let Some(choices) = &self.one_of {
            let same = |choice: &String| {
                choice == text
                    || choice.parse() == text.parse::<f64>() && choice.parse::<f64>().is_ok()
            };
            if !choices.iter().any(same) {
                return Some(format!("{} is not in one_of", shown(text)));
            }
        }
        if !self.is_about_numbers() {
            return None;
        }
        let Some(number) = number else {
            return Some(format!("{} is not a number", shown(text)));
        };
        let is_low = |value: f64| self.min.is_some_and(|min| value < min);
        let is_high = |value: f64| self.max.is_some_and(|max| value > max);
        let fits = |value: f64| !is_low(value) && !is_high(value);
        if fits(number.value) || number.grouped.is_some_and(fits) {
            return None;
        }
        let bound = |bound: Option<f64>| bound.unwrap_or_default();
        Some(if is_low(number.value) {
            format!("{} is below the min of {}", shown(text), bound(self.min))
        } else {
            format!("{} is above the max of {}", shown(text), bound(self.max))
        })
    }

    /// How a number of items misses it; where nothing has to be there, nothing is missed.
    pub fn missed_by_count(&self, is_filled: bool, items: u64) -> Option<String> {
        if self.is_optional && !is_filled {
            return None;
        }
        let items = if is_filled { items } else { 0 };
        if let Some(min) = self.min_items.filter(|min| items < *min) {
            return Some(format!("{items} items, fewer than the min_items of {min}"));
        }
        let max = self.max_items.filter(|max| items > *max)?;
        Some(format!("{items} items, more than the max_items of {max}"))
    }
}
