//! PURE: what a user asks for, the rules it must keep, and the tag that makes its
//! remote name its own.
//!
//! The database holds the same rules as triggers, so that a row written with plain
//! SQL meets them too; the limits are constants here for both to use.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::core::job::UnixMs;

mod adopted;
mod batch;
mod labels;
mod name;
mod rules;
mod strict;

pub(crate) use super::shown::{kind, shown, unknown_key};
pub use adopted::PARSER_ID_MAX_CHARS;
pub(crate) use adopted::take_was;
pub use batch::{Batch, Batches};
pub use labels::{
    LABEL_KEY_MAX_CHARS, LABEL_VALUE_MAX_CHARS, LABELS_MAX, Labels, labels_of_column,
};
pub(crate) use labels::{label_key_problem, read_labels};
pub use name::INVISIBLE;
pub(crate) use name::looks;
pub use rules::{
    CHECK_URLS_MAX, DEVICE_TYPES, FIELD_DESCRIPTION_MAX_CHARS, FIELD_KEYS, FIELD_NAME_MAX_CHARS,
    FIELD_SELECTOR_MAX_CHARS, FIELD_TYPES, FIELDS_MAX, JSON_MAX_BYTES, NAME_MAX_CHARS,
    SCRAPER_PARAMS, URL_MAX_CHARS, URLS_MAX,
};
pub(crate) use rules::{entries_problems, fields_problems, size_problem, text_problem};
pub(crate) use strict::{Strict, key_twice};

/// How many bytes of the digest make the tag: 40 bits, eight characters of base32.
const TAG_BYTES: usize = 5;

/// What a user asks for: one parser, from one to three example pages.
///
/// Two specs that mean the same compare equal once [`normalised`](Self::normalised);
/// everything that reads a spec from outside does that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobSpec {
    /// Unique among the jobs that are not CANCELLED.
    pub name: String,
    /// Example pages of one page type.
    pub urls: Vec<String>,
    /// Options for the fetch of the example pages: an object.
    pub scraper_params: Option<Value>,
    /// The fields to extract: an array of objects. Left out, the service infers them.
    pub fields: Option<Value>,
    /// What the fields must hold: an object by field. Never sent, no part of the tag.
    pub expect: Option<Value>,
    /// Pages of the same type that the parser is tried on once it is ready. Not sent with the
    /// create, no part of the tag.
    pub check_urls: Option<Vec<String>>,
    /// Higher goes first. No part of the tag.
    pub priority: i64,
    /// Not before this moment. No part of the tag.
    pub run_at: Option<UnixMs>,
    /// Whether the parser is kept from being deleted; None leaves that as it is. No part of the tag.
    pub protect: Option<bool>,
    /// A parser that the account has, to be adopted instead of making one. No part of the tag.
    pub parser_id: Option<String>,
    /// What fields were called before, by their names now: says that a field is renamed. Never
    /// sent, not within `fields`, no part of the tag.
    pub was: BTreeMap<String, String>,
    /// By what people tell jobs apart; None leaves them as they are. Never sent, no part of the tag.
    pub labels: Option<Labels>,
}

/// Every rule that a spec breaks, each with what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("; "))]
pub struct SpecError {
    /// At least one, in the order of the spec's parts.
    pub problems: Vec<String>,
}

impl JobSpec {
    /// Reads a spec from the columns of table `jobs`, and checks it.
    ///
    /// `priority` and `run_at` are left at their defaults.
    ///
    /// # Errors
    /// Names every column that is not JSON or breaks a rule.
    pub fn from_columns(
        name: &str,
        urls: &str,
        scraper_params: Option<&str>,
        fields: Option<&str>,
    ) -> Result<Self, SpecError> {
        let mut problems = Vec::new();
        let urls = serde_json::from_str(urls).unwrap_or_else(|error| {
            problems.push(format!(
                "urls is not a JSON array of strings ({error}): write [\"https://...\"]"
            ));
            Vec::new()
        });
        let mut json = |column: &str, text: Option<&str>| {
            let read = serde_json::from_str(text?);
            match read {
                Ok(Strict {
                    value,
                    has_key_twice,
                }) => {
                    problems.extend(has_key_twice.then(|| key_twice(column)));
                    Some(value)
                }
                Err(error) => {
                    problems.push(format!(
                        "{column} is not valid JSON ({error}): write JSON, or leave it out"
                    ));
                    None
                }
            }
        };
        let spec = Self {
            name: name.to_owned(),
            urls,
            scraper_params: json("scraper_params", scraper_params),
            fields: json("fields", fields),
            ..Self::default()
        };
        if !problems.is_empty() {
            return Err(SpecError { problems });
        }
        let spec = spec.normalised();
        spec.validate()?;
        Ok(spec)
    }

    /// The same, with the columns `expect` and `check_urls`.
    ///
    /// # Errors
    /// Names every column that is not JSON or breaks a rule.
    pub fn with_checks(
        mut self,
        expect: Option<&str>,
        check_urls: Option<&str>,
    ) -> Result<Self, SpecError> {
        let mut problems = Vec::new();
        match expect.map(serde_json::from_str).transpose() {
            Ok(read) => {
                let twice = read
                    .as_ref()
                    .is_some_and(|read: &Strict| read.has_key_twice);
                problems.extend(twice.then(|| key_twice("expect")));
                self.expect = read.map(|read| read.value);
            }
            Err(error) => problems.push(format!(
                "expect is not valid JSON ({error}): write JSON, or leave it out"
            )),
        }
        match check_urls.map(serde_json::from_str).transpose() {
            Ok(urls) => self.check_urls = urls,
            Err(error) => problems.push(format!(
                "check_urls is not a JSON array of strings ({error}): write [\"https://...\"], \
                 or leave it out"
            )),
        }
        if !problems.is_empty() {
            return Err(SpecError { problems });
        }
        let spec = self.normalised();
        spec.validate()?;
        Ok(spec)
    }

    /// The same spec with an explicit null, and empty `scraper_params` and `expect`, left out.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        self.expect = self.expect.filter(asks_for_something);
        self.scraper_params = self.scraper_params.filter(asks_for_something);
        self.fields = self.fields.filter(|value| !value.is_null());
        self
    }

    /// `urls` as the database holds it: a JSON array, no whitespace.
    pub fn urls_json(&self) -> String {
        Value::from(self.urls.clone()).to_string()
    }

    /// `scraper_params` as the database holds it and the service is sent it: JSON
    /// with sorted keys and no whitespace. `None` where there are none.
    pub fn scraper_params_json(&self) -> Option<String> {
        let params = self.scraper_params.as_ref();
        params
            .filter(|value| asks_for_something(value))
            .map(canonical)
    }

    /// `fields` as the database holds it and the service is sent it: JSON with
    /// sorted keys and no whitespace. None where the service is to infer them.
    pub fn fields_json(&self) -> Option<String> {
        let fields = self.fields.as_ref();
        fields.filter(|value| !value.is_null()).map(canonical)
    }

    /// `expect` as the database holds it: JSON with sorted keys and no whitespace.
    pub fn expect_json(&self) -> Option<String> {
        let expect = self.expect.as_ref();
        expect
            .filter(|value| asks_for_something(value))
            .map(canonical)
    }

    /// `check_urls` as the database holds it: a JSON array, no whitespace.
    pub fn check_urls_json(&self) -> Option<String> {
        let urls = self.check_urls.as_ref();
        urls.map(|urls| Value::from(urls.clone()).to_string())
    }

    /// `labels` as JSON; None where nothing is said of them.
    pub fn labels_json(&self) -> Option<String> {
        let labels = self.labels.as_ref();
        labels.map(|labels| Value::from_iter(labels.clone()).to_string())
    }

    /// `was` as JSON; None where no field had another name.
    pub fn was_json(&self) -> Option<String> {
        let names = self.was.iter();
        let names = names.map(|(new, old)| (new.clone(), Value::from(old.as_str())));
        (!self.was.is_empty()).then(|| Value::Object(names.collect()).to_string())
    }

    /// Hosts of held-out pages on which no example page is: whether these are of the same type is
    /// the user's word.
    pub fn other_hosts(&self) -> Vec<String> {
        let host = |url: &String| {
            let url = url::Url::parse(url).ok()?;
            let host = url.host_str()?;
            Some(host.strip_prefix("www.").unwrap_or(host).to_owned())
        };
        let own: Vec<_> = self.urls.iter().filter_map(host).collect();
        let held_out = self.check_urls.iter().flatten().filter_map(host);
        held_out.filter(|host| !own.contains(host)).collect()
    }

    /// Eight characters of `a-z2-7` that stand for name, urls, scraper_params,
    /// fields and the re-creation counter, whatever file format they came from.
    ///
    /// A job's parser on the account is known by this tag: to change how it is
    /// computed is to pay for every parser again.
    pub fn tag(&self, recreation: u32) -> String {
        let digest = Sha256::digest(self.canonical_form(recreation).as_bytes());
        data_encoding::BASE32_NOPAD
            .encode(&digest[..TAG_BYTES])
            .to_ascii_lowercase()
    }

    /// The name under which the service is asked for the parser: `NAME_pd_TAG`, or
    /// the plain name where `name_tag` is off.
    pub fn remote_name(&self, recreation: u32, name_tag: bool) -> String {
        if name_tag {
            format!("{}_pd_{}", self.name, self.tag(recreation))
        } else {
            self.name.clone()
        }
    }

    /// Whether a job that is there asks for the very same parser. Where this one names no parser,
    /// which one the other adopted does not matter.
    pub(crate) fn asks_no_more_than(&self, there: &Self) -> bool {
        let adopts_another = self.parser_id.is_some() && self.parser_id != there.parser_id;
        self.canonical_form(0) == there.canonical_form(0) && !adopts_another
    }

    pub(crate) fn canonical_form(&self, recreation: u32) -> String {
        let part = |json: Option<String>| json.unwrap_or_else(|| "null".to_owned());
        format!(
            r#"{{"fields":{},"name":{},"recreation":{recreation},"scraper_params":{},"urls":{}}}"#,
            part(self.fields_json()),
            Value::from(self.name.as_str()),
            part(self.scraper_params_json()),
            self.urls_json(),
        )
    }

    /// Whether the spec keeps every rule.
    ///
    /// # Errors
    /// All of [`problems`](Self::problems).
    pub fn validate(&self) -> Result<(), SpecError> {
        let problems = self.problems();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(SpecError { problems })
        }
    }

    /// Every rule that the spec breaks, each with what to write instead.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        problems.extend(name::problem(&self.name));
        problems.extend(rules::urls_problems(&self.urls));
        if let Some(params) = self.scraper_params.as_ref().filter(|v| !v.is_null()) {
            problems.extend(rules::params_problems(params));
        }
        if let Some(fields) = self.fields.as_ref().filter(|v| !v.is_null()) {
            problems.extend(rules::fields_problems(fields));
        }
        if let Some(expect) = &self.expect {
            problems.extend(rules::expect_problems(expect, self.fields.as_ref()));
        }
        if let Some(urls) = &self.check_urls {
            problems.extend(rules::check_urls_problems(urls, &self.urls));
        }
        if let Some(id) = &self.parser_id {
            problems.extend(adopted::parser_id_problem(id));
        }
        problems.extend(adopted::was_problems(&self.was, self.fields.as_ref()));
        problems.extend(self.labels.iter().flat_map(labels::labels_problems));
        problems
    }
}

/// Whether `scraper_params` or `expect` differ from none at all.
pub(crate) fn asks_for_something(params: &Value) -> bool {
    !params.is_null() && !params.as_object().is_some_and(Map::is_empty)
}

/// JSON with sorted keys and no whitespace.
///
/// serde_json sorts by itself only as long as no crate turns on `preserve_order`.
pub(crate) fn canonical(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let sorted: BTreeMap<_, _> = object.iter().collect();
            let members: Vec<_> = sorted
                .into_iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests;
