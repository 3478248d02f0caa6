//! PURE: single changes of what a job asks for, as `parserd retry --set` and the page's form write
//! them: `scraper_params.render=true`, `urls=["https://..."]`.

use serde_json::{Map, Value};

use super::{
    nearest::did_you_mean,
    shown::shown,
    spec::{JobSpec, SpecError},
};

/// The columns that may be written.
const COLUMNS: &[&str] = &[
    "urls",
    "scraper_params",
    "fields",
    "expect",
    "check_urls",
    "priority",
];

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    place: Place,
    /// None takes away what is there.
    value: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Column(&'static str),
    /// A key of `scraper_params`.
    Param(String),
}

/// Why a change cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// There is no such column.
    #[error(
        "{} is not part of a job{}: write scraper_params.KEY, or one of {}",
        shown(name),
        did_you_mean(name.split('.').next().unwrap_or(name), COLUMNS.iter().copied()),
        COLUMNS.join(", ")
    )]
    Unknown {
        /// As it was written.
        name: String,
    },
    /// A column of numbers.
    #[error("priority is a whole number, such as priority=5")]
    Priority,
}

impl Edit {
    /// Whether a key, as `--set` has it, is about a job rather than the configuration.
    pub fn is_of_job(key: &str) -> bool {
        let column = key.split('.').next().unwrap_or(key);
        COLUMNS.contains(&column)
    }

    /// Reads a change. A value that is JSON is taken as such, any other as a string; an empty one
    /// takes away what is there.
    ///
    /// # Errors
    /// Where the key is not part of a job.
    pub fn parse(key: &str, value: &str) -> Result<Self, EditError> {
        let value = match value.trim() {
            "" | "null" => None,
            text => Some(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))),
        };
        let place = match key.trim().split_once('.') {
            Some(("scraper_params", param)) => Place::Param(param.to_owned()),
            _ => Place::Column(
                COLUMNS
                    .iter()
                    .find(|column| **column == key.trim())
                    .ok_or_else(|| EditError::Unknown {
                        name: key.trim().to_owned(),
                    })?,
            ),
        };
        let is_number = value.as_ref().is_none_or(Value::is_i64);
        if place == Place::Column("priority") && !is_number {
            return Err(EditError::Priority);
        }
        Ok(Self { place, value })
    }
}

/// What the job asks for once it is changed, held to the rules of all jobs.
///
/// # Errors
/// Every rule that is broken, with what to write instead.
pub fn edited(spec: &JobSpec, edits: &[Edit]) -> Result<JobSpec, SpecError> {
    let mut row = columns_of(spec);
    for Edit { place, value } in edits {
        match place {
            Place::Column(column) => {
                let value = match (*column, value) {
                    // One URL needs no brackets.
                    ("urls" | "check_urls", Some(Value::String(url))) => {
                        Value::from(vec![url.as_str()])
                    }
                    (_, value) => value.clone().unwrap_or_default(),
                };
                row.insert((*column).to_owned(), value);
            }
            Place::Param(param) => {
                let params = row.entry("scraper_params").or_insert(Value::Null);
                if params.is_null() {
                    *params = Value::Object(Map::new());
                }
                match (params.as_object_mut(), value) {
                    (Some(params), Some(value)) => {
                        params.insert(param.clone(), value.clone());
                    }
                    (Some(params), None) => {
                        params.remove(param);
                    }
                    // The rules say what is wrong with it.
                    (None, _) => {}
                }
            }
        }
    }
    let text = |column: &str| {
        let value = row.get(column).filter(|value| !value.is_null());
        value.map(Value::to_string)
    };
    let urls = text("urls").unwrap_or_else(|| "[]".to_owned());
    let (params, fields) = (text("scraper_params"), text("fields"));
    let edited = JobSpec::from_columns(&spec.name, &urls, params.as_deref(), fields.as_deref())?
        .with_checks(text("expect").as_deref(), text("check_urls").as_deref())?;
    Ok(JobSpec {
        priority: row.get("priority").and_then(Value::as_i64).unwrap_or(0),
        run_at: spec.run_at,
        protect: spec.protect,
        parser_id: spec.parser_id.clone(),
        ..edited
    })
}

/// The columns that differ, as they are to be stored.
pub fn differing(before: &JobSpec, after: &JobSpec) -> Map<String, Value> {
    let (before, after) = (stored(before), stored(after));
    let changed = after
        .into_iter()
        .filter(|(column, value)| before.get(column) != Some(value));
    changed.collect()
}

/// Whether another parser comes of it: what is sent differs.
pub fn is_another_parser(differing: &Map<String, Value>) -> bool {
    ["urls", "scraper_params", "fields"]
        .iter()
        .any(|column| differing.contains_key(*column))
}

/// As JSON.
fn columns_of(spec: &JobSpec) -> Map<String, Value> {
    let optional = |value: &Option<Value>| value.clone().unwrap_or_default();
    [
        ("urls", Value::from(spec.urls.clone())),
        ("scraper_params", optional(&spec.scraper_params)),
        ("fields", optional(&spec.fields)),
        ("expect", optional(&spec.expect)),
        (
            "check_urls",
            spec.check_urls.clone().map_or(Value::Null, Value::from),
        ),
        ("priority", Value::from(spec.priority)),
    ]
    .into_iter()
    .map(|(column, value)| (column.to_owned(), value))
    .collect()
}

/// As the database has it: JSON within a string.
fn stored(spec: &JobSpec) -> Map<String, Value> {
    [
        ("urls", Value::from(spec.urls_json())),
        ("scraper_params", Value::from(spec.scraper_params_json())),
        ("fields", Value::from(spec.fields_json())),
        ("expect", Value::from(spec.expect_json())),
        ("check_urls", Value::from(spec.check_urls_json())),
        ("priority", Value::from(spec.priority)),
    ]
    .into_iter()
    .map(|(column, value)| (column.to_owned(), value))
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec() -> JobSpec {
        JobSpec {
            name: "shop".to_owned(),
            urls: vec!["https://shop.example/1".to_owned()],
            scraper_params: Some(json!({"country_code": "us"})),
            fields: Some(json!([{"name": "title", "description": "its name"}])),
            priority: 2,
            ..JobSpec::default()
        }
    }

    fn edit(texts: &[&str]) -> Result<JobSpec, SpecError> {
        let edits: Vec<_> = texts
            .iter()
            .map(|text| {
                let (key, value) = text.split_once('=').unwrap();
                Edit::parse(key, value).unwrap()
            })
            .collect();
        edited(&spec(), &edits)
    }

    #[test]
    fn a_change_is_made_where_it_says_and_nowhere_else() {
        for (texts, columns) in [
            (&[][..], json!({})),
            (&["scraper_params.country_code=us"], json!({})),
            (
                &["scraper_params.render=true"],
                json!({"scraper_params": "{\"country_code\":\"us\",\"render\":true}"}),
            ),
            (
                &[
                    "scraper_params.country_code=",
                    "scraper_params.premium=true",
                ],
                json!({"scraper_params": "{\"premium\":true}"}),
            ),
            (
                &["scraper_params.country_code="],
                json!({"scraper_params": null}),
            ),
            (&["scraper_params="], json!({"scraper_params": null})),
            (
                &["urls=https://shop.example/2"],
                json!({"urls": "[\"https://shop.example/2\"]"}),
            ),
            (
                &["urls=[\"https://shop.example/2\",\"https://shop.example/3\"]"],
                json!({"urls": "[\"https://shop.example/2\",\"https://shop.example/3\"]"}),
            ),
            (&["priority=7"], json!({"priority": 7})),
            (&["priority="], json!({"priority": 0})),
            (&["fields="], json!({"fields": null})),
        ] {
            let after = edit(texts).unwrap();
            let differing = differing(&spec(), &after);
            assert_eq!(Value::from(differing.clone()), columns, "{texts:?}");
            let is_another = texts.iter().any(|text| !text.starts_with("priority"));
            assert_eq!(
                is_another_parser(&differing),
                is_another && !differing.is_empty(),
                "{texts:?}"
            );
        }
    }

    #[test]
    fn a_change_is_held_to_the_rules_of_all_jobs() {
        for (text, words) in [
            ("scraper_params.rendr=true", "did you mean render?"),
            ("scraper_params.render=yes", "render"),
            ("urls=", "urls"),
            ("urls=ftp://shop.example", "http"),
            ("scraper_params=5", "scraper_params"),
            ("fields=[{\"name\": \"\"}]", "fields"),
        ] {
            let error = edit(&[text]).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        let error = Edit::parse("scrapper_params", "1").unwrap_err().to_string();
        assert!(error.contains("did you mean scraper_params?"), "{error}");
        assert_eq!(Edit::parse("priority", "soon"), Err(EditError::Priority));
        assert_eq!(Edit::parse("priority", "1.5"), Err(EditError::Priority));
        assert!(Edit::is_of_job("scraper_params.render") && Edit::is_of_job("urls"));
        assert!(!Edit::is_of_job("api.key") && !Edit::is_of_job("poll.multiplier"));
    }
}
