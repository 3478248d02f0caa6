//! From an object, of whatever format, to a valid spec.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{BadJob, Located};
use crate::core::job::UnixMs;
use crate::core::shown::described;
use crate::core::spec::{
    CHECK_URLS_MAX, JobSpec, URLS_MAX, kind, read_labels, shown, take_was, unknown_key,
};

/// The keys of a job.
pub(super) const JOB_KEYS: &[&str] = &[
    "name",
    "urls",
    "scraper_params",
    "fields",
    "expect",
    "check_urls",
    "priority",
    "run_at",
    "protect",
    "parser_id",
    "labels",
];
const RUN_AT_CURE: &str =
    "write Unix milliseconds or a time such as 2026-08-01T06:00:00Z, or leave it out";
/// Numbers that are times of this century in seconds, and of 1970 in milliseconds.
const SECONDS: std::ops::Range<UnixMs> = 1_000_000_000..10_000_000_000;
/// What the database's rules take, to the year 3000.
const RUN_AT: std::ops::RangeInclusive<UnixMs> = 100_000_000_000..=32_503_680_000_000;

/// The spec of an object that began on `line`.
///
/// `problems` are those that the format found by itself. Every part is looked at, so
/// that all that is wrong with a job is reported at once.
pub(super) fn spec(
    line: usize,
    mut object: Map<String, Value>,
    mut problems: Vec<String>,
) -> Result<Located<JobSpec>, BadJob> {
    let given_name = object
        .get("name")
        .and_then(Value::as_str)
        .map(str::to_owned);
    // A part that cannot be read is replaced by one that keeps the rules, so that it
    // is not reported twice.
    let name = text(object.remove("name")).unwrap_or_else(|problem| {
        problems.push(problem);
        "x".to_owned()
    });
    let urls = texts("urls", object.remove("urls"), URLS_MAX).unwrap_or_else(|problem| {
        problems.push(problem);
        vec!["https://example.com/".to_owned()]
    });
    let mut take = |key: &str| object.remove(key).filter(|value| !value.is_null());
    let scraper_params = take("scraper_params");
    let mut fields = take("fields");
    let expect = take("expect");
    let mut read = Reading(&mut problems);
    let was = read.or_default(fields.as_mut().map(take_was).transpose());
    let check_urls = take("check_urls");
    let check_urls = check_urls.map(|urls| texts("check_urls", Some(urls), CHECK_URLS_MAX));
    let check_urls = read.or_default(check_urls.transpose());
    let priority = read.or_default(take("priority").map(priority).transpose());
    let run_at = read.or_default(take("run_at").map(run_at).transpose());
    let protect = read.or_default(take("protect").map(protect).transpose());
    let parser_id = read.or_default(take("parser_id").map(parser_id).transpose());
    let labels = read.or_default(take("labels").map(read_labels).transpose());
    problems.extend(
        object
            .keys()
            .map(|key| unknown_key("the job", key, JOB_KEYS)),
    );
    let value = JobSpec {
        name,
        urls,
        scraper_params,
        fields,
        expect,
        check_urls,
        priority: priority.unwrap_or_default(),
        run_at,
        protect,
        parser_id,
        was: was.unwrap_or_default(),
        labels,
    }
    .normalised();
    problems.extend(value.problems());
    if problems.is_empty() {
        Ok(Located { line, value })
    } else {
        Err(BadJob {
            line: Some(line),
            name: given_name,
            reason: problems.join("; "),
        })
    }
}

/// What is wrong with the parts that were read so far.
struct Reading<'p>(&'p mut Vec<String>);

impl Reading<'_> {
    /// The part, or what stands where there is none.
    fn or_default<T: Default>(&mut self, part: Result<T, String>) -> T {
        part.unwrap_or_else(|problem| {
            self.0.push(problem);
            T::default()
        })
    }
}

fn text(value: Option<Value>) -> Result<String, String> {
    match value {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(format!("name is {}: write a string", kind(&other))),
        None => Err("name is missing: write a name that no other job has".to_owned()),
    }
}

fn texts(part: &str, value: Option<Value>, most: usize) -> Result<Vec<String>, String> {
    let cure =
        format!("write an array of 1 to {most} strings, such as [\"https://example.com/page\"]");
    match value {
        Some(Value::Array(items)) => items
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Ok(text),
                other => Err(format!("{part} contains {}: {cure}", kind(&other))),
            })
            .collect(),
        Some(other) => Err(format!("{part} is {}: {cure}", kind(&other))),
        None => Err(format!("{part} is missing: {cure}")),
    }
}

fn priority(value: Value) -> Result<i64, String> {
    value
        .as_i64()
        .ok_or_else(|| format!("priority is {value}: write a whole number, higher goes first"))
}

fn protect(value: Value) -> Result<bool, String> {
    value
        .as_bool()
        .ok_or_else(|| format!("protect is {}: write true or false", described(&value)))
}

fn parser_id(value: Value) -> Result<String, String> {
    match value {
        Value::String(id) => Ok(id),
        other => Err(format!(
            "parser_id is {}: write the id of a parser as a string, or leave it out",
            described(&other)
        )),
    }
}

fn run_at(value: Value) -> Result<UnixMs, String> {
    let ms = match &value {
        Value::String(text) => {
            let text = text.trim();
            let number = text.parse().ok();
            let time = || {
                text.parse::<Timestamp>()
                    .ok()
                    .map(Timestamp::as_millisecond)
            };
            number.or_else(time)
        }
        other => other.as_i64(),
    };
    match ms {
        Some(ms) if SECONDS.contains(&ms) => Err(format!(
            "run_at is {ms}, which looks like seconds: write milliseconds, {ms}000"
        )),
        Some(ms) if RUN_AT.contains(&ms) => Ok(ms),
        _ => {
            let value = value.as_str().map_or_else(|| value.to_string(), shown);
            Err(format!("run_at is {value}: {RUN_AT_CURE}"))
        }
    }
}
