//! Specs on their way into the database, many at once, as its statement takes them.

use std::{collections::BTreeMap, fmt::Write as _, io};

use serde_json::Value;

use super::{JobSpec, Labels};
use crate::core::job::UnixMs;

/// How many jobs make a batch full.
const FULL_JOBS: usize = 1000;

/// So many bytes make it full too, however few the jobs.
const FULL_BYTES: usize = 256 * 1024;

/// A list of jobs in batches, as often as it is wanted; a batch may not be there.
pub type Batches = Box<dyn Fn() -> Box<dyn Iterator<Item = io::Result<Batch>> + Send> + Send>;

/// Specs, each with its place (a line, or an index in a list), as JSON without line
/// breaks: `[[name, urls, scraper_params, fields, priority, run_at, expect, check_urls, protect,
/// parser_id, was, labels, place], ...]`, `protect` as 0, 1 or null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    json: String,
    jobs: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            json: "[]".to_owned(),
            jobs: 0,
        }
    }
}

type BatchRow = (
    String,
    Vec<String>,
    Option<Value>,
    Option<Value>,
    i64,
    Option<UnixMs>,
    Option<Value>,
    Option<Vec<String>>,
    Option<u8>,
    Option<String>,
    Option<BTreeMap<String, String>>,
    Option<Labels>,
    usize,
);

impl Batch {
    /// Adds a job.
    pub fn push(&mut self, place: usize, spec: &JobSpec) {
        let null = || "null".to_owned();
        self.json.pop();
        if self.jobs > 0 {
            self.json.push(',');
        }
        let _a_string_takes_all = write!(
            self.json,
            "[{},{},{},{},{},{},{},{},{},{},{},{},{place}]]",
            Value::from(spec.name.as_str()),
            spec.urls_json(),
            spec.scraper_params_json().unwrap_or_else(null),
            spec.fields_json().unwrap_or_else(null),
            spec.priority,
            spec.run_at.map_or_else(null, |at| at.to_string()),
            spec.expect_json().unwrap_or_else(null),
            spec.check_urls_json().unwrap_or_else(null),
            spec.protect
                .map_or_else(null, |protect| u8::from(protect).to_string()),
            Value::from(spec.parser_id.as_deref()),
            spec.was_json().unwrap_or_else(null),
            spec.labels_json().unwrap_or_else(null),
        );
        self.jobs += 1;
    }

    /// Whether it is time for another batch.
    pub fn at_capacity(&self) -> bool {
        self.jobs >= FULL_JOBS || self.json.len() >= FULL_BYTES
    }

    /// Whether it has no jobs.
    pub fn is_empty(&self) -> bool {
        self.jobs == 0
    }

    /// How many jobs there are.
    pub fn len(&self) -> usize {
        self.jobs
    }

    /// The whole as JSON.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The whole as a line of a file.
    pub fn line(&self) -> String {
        format!("{} {}\n", self.jobs, self.json)
    }

    /// Reads a [`line`](Self::line), with or without its end.
    pub fn of_line(line: &str) -> Option<Self> {
        let (jobs, json) = line.trim_ascii_end().split_once(' ')?;
        Some(Self {
            json: json.to_owned(),
            jobs: jobs.parse().ok()?,
        })
    }

    /// The places and specs.
    ///
    /// # Errors
    /// Where the batch was read from a line that was none.
    pub fn specs(&self) -> Result<Vec<(usize, JobSpec)>, serde_json::Error> {
        let rows: Vec<BatchRow> = serde_json::from_str(&self.json)?;
        let spec = |row: BatchRow| {
            let (
                name,
                urls,
                scraper_params,
                fields,
                priority,
                run_at,
                expect,
                check_urls,
                protect,
                parser_id,
                was,
                labels,
                place,
            ) = row;
            let spec = JobSpec {
                name,
                urls,
                scraper_params,
                fields,
                priority,
                run_at,
                expect,
                check_urls,
                protect: protect.map(|protect| protect != 0),
                parser_id,
                was: was.unwrap_or_default(),
                labels,
            };
            (place, spec)
        };
        Ok(rows.into_iter().map(spec).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(name: &str) -> JobSpec {
        JobSpec {
            name: name.to_owned(),
            urls: vec!["https://a.com/\"\\\u{1f600}".to_owned()],
            ..JobSpec::default()
        }
    }

    #[test]
    fn what_goes_in_comes_out_on_one_line() {
        let specs = [
            spec("it's \"a\" \\ job"),
            JobSpec {
                scraper_params: Some(json!({"render": true, "session_number": i64::MAX})),
                fields: Some(json!([{"name": "t", "description": "two\nlines\u{2028}\0"}])),
                priority: i64::MIN,
                run_at: Some(3_000_000_000_000),
                ..spec("b")
            },
            JobSpec {
                fields: Some(json!([{"name": "t", "description": "d"}])),
                check_urls: Some(vec!["https://a.com/2".to_owned()]),
                protect: Some(true),
                parser_id: Some("p-\"1\"".to_owned()),
                was: BTreeMap::from([("t".to_owned(), "two\nlines".to_owned())]),
                labels: Some(Labels::from([("team".to_owned(), "\"a\"".to_owned())])),
                ..spec("c")
            },
        ];
        for count in 0..=specs.len() {
            let mut batch = Batch::default();
            for (place, spec) in specs.iter().enumerate().take(count) {
                batch.push(place + 7, spec);
            }
            assert_eq!((batch.len(), batch.is_empty()), (count, count == 0));
            let expected: Vec<_> = (7..).zip(specs.clone()).take(count).collect();
            assert_eq!(batch.specs().unwrap(), expected);
            let line = batch.line();
            assert_eq!(line.lines().count(), 1, "{line}");
            assert_eq!(Batch::of_line(&line), Some(batch));
        }
    }

    /// Statements read them by their places.
    #[test]
    fn every_part_has_its_place() {
        let mut batch = Batch::default();
        batch.push(7, &spec("a"));
        let full = JobSpec {
            protect: Some(true),
            parser_id: Some("p".to_owned()),
            was: BTreeMap::from([("b".to_owned(), "a".to_owned())]),
            labels: Some(Labels::from([("k".to_owned(), "v".to_owned())])),
            ..spec("b")
        };
        batch.push(8, &full);
        let rows: Value = serde_json::from_str(batch.json()).unwrap();
        let last = |row: usize| &rows[row].as_array().unwrap()[8..];
        assert_eq!(
            last(0)[..4],
            [Value::Null, Value::Null, Value::Null, Value::Null]
        );
        assert_eq!(last(0)[4], json!(7));
        let full = [
            json!(1),
            json!("p"),
            json!({"b": "a"}),
            json!({"k": "v"}),
            json!(8),
        ];
        assert_eq!(last(1), full);
    }

    #[test]
    fn a_batch_is_full_by_jobs_or_by_bytes() {
        for (description, full_at) in [("short".to_owned(), FULL_JOBS), ("x".repeat(60_000), 5)] {
            let fields = Some(json!([{"name": "t", "description": description}]));
            let spec = JobSpec {
                fields,
                ..spec("a")
            };
            let mut batch = Batch::default();
            while !batch.at_capacity() {
                batch.push(0, &spec);
            }
            assert_eq!(batch.len(), full_at);
        }
    }
}
