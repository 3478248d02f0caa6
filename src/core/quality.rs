//! PURE: whether a parser is any good, from what it found on its pages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::core::job::named_enum;

pub mod checks;
mod expect;
mod kind;
mod notation;
mod reading;
mod tally;
mod value;
mod verdict;

#[cfg(test)]
mod tests;

use checks::{CheckedPage, Tried};
pub use expect::EXPECT_KEYS;
use expect::Expectation;
pub(crate) use expect::problems as expect_problems;
use kind::Kind;
use tally::Tally;

/// Which rules judge: a verdict by others is given anew.
pub const RULES: u32 = 1;

named_enum! {
    /// What a parser is worth, from good to bad.
    Quality {
        /// Nothing is wrong with what it found.
        Ok = "ok",
        /// Something is wrong: a person should look.
        Thin = "thin",
        /// It cannot be used.
        Bad = "bad",
    }
}

named_enum! {
    /// What follows from a parser that is bad: `quality.gate`.
    QualityGate {
        /// It is told, and changes no state.
        Report = "report",
        /// Its job is FAILED with `poor_result`.
        Fail = "fail",
    }
}

/// What a parser was made to find.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Pages that it was not made from, to try it on.
    pub check_urls: Vec<String>,
    /// What is wrong with `expect`, which got in past the rules: it is not passed over in silence.
    problems: Vec<String>,
    fields: Vec<WantedField>,
    /// The service was told the fields, so that what else it found is not judged.
    has_fields: bool,
}

#[derive(Debug, Clone)]
struct WantedField {
    /// Parts with dots between them.
    path: String,
    /// Its type, where one was asked for: `string`, `number` or `array`.
    kind: Option<Kind>,
    expectation: Expectation,
}

/// A verdict, with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    /// The verdict.
    #[serde(skip)]
    pub quality: Quality,
    /// Which rules gave it: [`RULES`].
    pub rules: u32,
    /// Why, in a sentence; none where all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Below which share of its places a field is thin: `quality.min_fill`.
    pub min_fill: f64,
    /// How many pages there are, held-out ones among them.
    pub pages: usize,
    /// The held-out pages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckedPage>,
    /// Every field that was asked for or expected, else every path that was found.
    pub fields: BTreeMap<String, FieldJudgement>,
}

/// The verdict on one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldJudgement {
    /// The verdict.
    pub quality: Quality,
    /// In how many places it ought to be.
    pub places: u64,
    /// In how many of them there is something.
    pub filled: u64,
    /// The JSON types that were seen.
    pub types: Vec<&'static str>,
    /// Up to two values.
    pub samples: Vec<String>,
    /// Why, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One element of `example_result` (AI_PARSER_API.md).
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    result: &'a RawValue,
}

impl Wanted {
    /// From the columns `fields` and `expect` of a job, as texts. What is not JSON asks for
    /// nothing: the rules refuse it.
    pub fn of_columns(fields: Option<&str>, expect: Option<&str>) -> Self {
        let value = |text: Option<&str>| serde_json::from_str::<Value>(text?).ok();
        let mut wanted = Self::new(value(fields).as_ref(), value(expect).as_ref());
        if expect.is_some() && value(expect).is_none() {
            wanted.problems.push("expect is not valid JSON".to_owned());
        }
        wanted
    }

    /// Of a parser that need not have the fields that its job asks for: what is expected of others
    /// waits until it has them.
    pub fn of_parser(fields: &str, expect: Option<&str>) -> Self {
        let has = serde_json::from_str::<Value>(fields).unwrap_or_default();
        let has = |name: &String| {
            let mut fields = has.as_array().into_iter().flatten();
            fields.any(|field| field.get("name").and_then(Value::as_str) == Some(name))
        };
        let expect = expect.map(|text| match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(mut expect)) => {
                expect.retain(|name, _| has(name));
                Value::Object(expect).to_string()
            }
            _ => text.to_owned(),
        });
        Self::of_columns(Some(fields), expect.as_deref())
    }

    /// From the columns `fields` and `expect` of a job. What is not as the rules want it there
    /// is passed over: the rules refuse it.
    pub fn new(fields: Option<&Value>, expect: Option<&Value>) -> Self {
        let mut expectations = expect::all(expect);
        let fields = fields.and_then(Value::as_array);
        let names = fields.map(|fields| {
            let names = fields
                .iter()
                .filter_map(|field| field.get("name")?.as_str());
            names.collect::<Vec<_>>()
        });
        let problems = expect.map(|expect| expect::problems(expect, names.as_deref()));
        let problems = problems.unwrap_or_default();
        let mut wanted: Vec<WantedField> = Vec::new();
        for field in fields.into_iter().flatten() {
            let Some(path) = field.get("name").and_then(Value::as_str) else {
                continue;
            };
            if wanted.iter().any(|known| known.path == path) {
                continue;
            }
            wanted.push(WantedField {
                path: path.to_owned(),
                kind: match field.get("type").and_then(Value::as_str) {
                    Some("string") => Some(Kind::String),
                    Some("number") => Some(Kind::Number),
                    Some("array") => Some(Kind::Array),
                    _ => None,
                },
                expectation: expectations.remove(path).unwrap_or_default(),
            });
        }
        // Where the service infers the fields, any may be expected.
        wanted.extend(
            expectations
                .into_iter()
                .map(|(path, expectation)| WantedField {
                    path,
                    kind: None,
                    expectation,
                }),
        );
        Self {
            check_urls: Vec::new(),
            problems,
            fields: wanted,
            has_fields: fields.is_some(),
        }
    }

    /// The same, with the column `check_urls`.
    #[must_use]
    pub fn checking(mut self, check_urls: Option<&str>) -> Self {
        let urls = check_urls.and_then(|text| serde_json::from_str(text).ok());
        self.check_urls = urls.unwrap_or_default();
        self
    }
}

/// What a verdict depends on beside the result and what was wanted: one that was given by
/// anything else is out of date.
pub fn judged_by(min_fill: f64) -> String {
    format!("{RULES}/{min_fill}")
}

/// Judges what a parser found on its pages. `examples` is `example_result` as the service has
/// it: an array of pages with a `result` each; anything else counts as the result of one page.
/// Held-out pages of `tried` are pages as the others are; those that say nothing do not count.
/// A field that is filled in less than `min_fill` of its places is thin.
///
/// The time is linear in the size of `examples`; beside it the memory is bounded, whatever it
/// holds.
pub fn judge(examples: Option<&str>, tried: &[Tried], wanted: &Wanted, min_fill: f64) -> Judgement {
    let mut tally = Tally::new(wanted, min_fill);
    let examples = examples.map_or("[]", str::trim);
    for result in pages(examples) {
        tally.add_page(result);
    }
    let filled_examples = tally.pages_filled;
    let held_out = wanted.check_urls.iter();
    let found = held_out.filter_map(|url| checks::found(url, tried));
    let mut has_held_out = false;
    for result in found {
        has_held_out = true;
        tally.add_page(Some(result));
    }
    let fits_examples_alone = has_held_out && tally.pages_filled == filled_examples;
    let mut judgement = verdict::of(&tally, fits_examples_alone, min_fill);
    let urls = wanted.check_urls.iter();
    judgement.checks = urls.map(|url| checks::told(url, tried)).collect();
    judgement
}

/// The results of the pages of `example_result`, in whatever form they come.
fn pages(examples: &str) -> Vec<Option<&str>> {
    fn result(page: &RawValue) -> Option<&str> {
        let page: Page<'_> = serde_json::from_str(page.get()).ok()?;
        Some(page.result.get())
    }
    let items: Vec<&RawValue> = match serde_json::from_str(examples) {
        Ok(items) => items,
        Err(_) => serde_json::from_str(examples).into_iter().collect(),
    };
    let is_array = examples.starts_with('[');
    let results: Vec<_> = items.into_iter().map(result).collect();
    let has_results = results.iter().any(Option::is_some) || is_array && results.is_empty();
    if has_results {
        results
    } else {
        vec![Some(examples)]
    }
}

/// Whether a text is how a page begins that a site shows in place of the one asked for: a consent
/// page, a check for robots, a refusal.
pub fn wall_in(text: &str) -> bool {
    value::hollow(text) == Some(value::Hollow::Wall)
}

/// Whether a result is that of a page which kept the parser out: the text of a consent page or
/// of a check for robots, and nothing else.
pub fn is_blocked(result: &str, wanted: &Wanted) -> bool {
    let mut tally = Tally::new(wanted, 0.0);
    tally.add_page(Some(result));
    tally.pages_blocked > 0
}
