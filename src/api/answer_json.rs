//! The service's JSON, read leniently: what may be missing may be missing, what
//! may be spelt in two ways is taken in both, unknown keys are passed over.

use std::borrow::Cow;
use std::fmt;
use std::io::{BufReader, Read};
use std::ops::Deref;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::types::ListedParser;
use crate::job::{ParserId, UnixMs};

/// A longer id is taken for none: it would not fit into a URL.
const MAX_ID_BYTES: usize = 1024;

/// The status of a parser, as an answer tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ParserStatus {
    /// `FINISHED`, also spelt `FINISED`.
    Finished,
    /// `FAILED`.
    Failed,
    /// `GENERATING`.
    Generating,
    /// Any other text or JSON value.
    Unknown(String),
    /// No status, null, or an empty one.
    Missing,
}

/// The keys that any answer about a parser may carry, each value still raw.
#[derive(Debug)]
pub(super) struct Fields<R> {
    id: Option<R>,
    name: Option<R>,
    version: Option<R>,
    status: Option<R>,
    error: Option<R>,
    generated_at: Option<R>,
    example_result: Option<R>,
    example_results: Option<R>,
}

impl<R> Default for Fields<R> {
    fn default() -> Self {
        Self {
            id: None,
            name: None,
            version: None,
            status: None,
            error: None,
            generated_at: None,
            example_result: None,
            example_results: None,
        }
    }
}

impl<R: Deref<Target = RawValue>> Fields<R> {
    /// The id: a string, or a number as its text; nothing else, and not empty.
    pub(super) fn id(&self) -> Option<ParserId> {
        let raw = self.id.as_deref()?.get();
        let text = match raw.as_bytes().first() {
            Some(b'"') => string(raw)?,
            Some(b'-' | b'0'..=b'9') => raw.to_owned(),
            _ => return None,
        };
        let usable = !text.trim().is_empty() && text.len() <= MAX_ID_BYTES;
        usable.then_some(ParserId(text))
    }

    /// The version: an integer, also as a string. 0 is a real one.
    pub(super) fn version(&self) -> Option<i64> {
        self.version
            .as_deref()?
            .get()
            .trim_matches('"')
            .parse()
            .ok()
    }

    /// What the status says.
    pub(super) fn status(&self) -> ParserStatus {
        let Some(text) = self.status.as_deref().and_then(text_of) else {
            return ParserStatus::Missing;
        };
        match text.trim().to_ascii_uppercase().as_str() {
            "FINISHED" | "FINISED" => ParserStatus::Finished,
            "FAILED" => ParserStatus::Failed,
            "GENERATING" => ParserStatus::Generating,
            "" => ParserStatus::Missing,
            _ => ParserStatus::Unknown(text),
        }
    }

    /// The text of `error`; one that is no string is given as JSON.
    pub(super) fn error_text(&self) -> Option<String> {
        self.error.as_deref().and_then(text_of)
    }

    /// `generated_at` (RFC 3339), where it can be read.
    pub(super) fn generated_at(&self) -> Option<UnixMs> {
        let text = string(self.generated_at.as_deref()?.get())?;
        let at: jiff::Timestamp = text.trim().parse().ok()?;
        Some(at.as_millisecond())
    }

    /// `example_result`, or `example_results` where that is missing or null.
    pub(super) fn example_result(&self) -> Option<Box<RawValue>> {
        [&self.example_result, &self.example_results]
            .into_iter()
            .filter_map(Option::as_deref)
            .find(|value| value.get() != "null")
            .map(ToOwned::to_owned)
    }

    fn slot(&mut self, key: &str) -> Option<&mut Option<R>> {
        match key {
            "id" => Some(&mut self.id),
            "name" => Some(&mut self.name),
            "version" => Some(&mut self.version),
            "status" => Some(&mut self.status),
            "error" => Some(&mut self.error),
            "generated_at" => Some(&mut self.generated_at),
            "example_result" => Some(&mut self.example_result),
            "example_results" => Some(&mut self.example_results),
            _ => None,
        }
    }

    fn into_listed(self) -> Result<ListedParser, &'static str> {
        let id = self.id().ok_or("no usable id")?;
        let name = self.name.as_deref().and_then(|raw| string(raw.get()));
        let status = self.status();
        Ok(ListedParser {
            id,
            name: name.ok_or("no name")?,
            version: self.version(),
            failed: status == ParserStatus::Failed,
            settled: matches!(status, ParserStatus::Finished | ParserStatus::Failed),
        })
    }
}

/// The fields of the one JSON object that `bytes` are; else why they are none.
pub(super) fn object(bytes: &[u8]) -> Result<Fields<&RawValue>, String> {
    let (fields, end) = object_as_far_as_read(bytes);
    end.map(|()| fields)
}

/// The fields that stand before the place where `bytes` stop being one JSON
/// object, and whether and why they do.
pub(super) fn object_as_far_as_read(bytes: &[u8]) -> (Fields<&RawValue>, Result<(), String>) {
    let mut fields = Fields::default();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let end = Filling(&mut fields)
        .deserialize(&mut json)
        .and_then(|()| json.end())
        .map_err(|error| error.to_string());
    (fields, end)
}

/// The items of the bare JSON array that is read; else why it is none, and which
/// item, counted from 0, has no id or no name.
pub(super) fn list(body: impl Read) -> Result<Vec<ListedParser>, String> {
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(body));
    json.deserialize_seq(ListVisitor)
        .and_then(|parsers| json.end().map(|()| parsers))
        .map_err(|error| error.to_string())
}

/// The first text under `error`, `message` or `detail` of a JSON object.
pub(super) fn error_message(bytes: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    ["error", "message", "detail"]
        .into_iter()
        .filter_map(|key| body.get(key)?.as_str())
        .find(|text| !text.trim().is_empty())
        .map(ToOwned::to_owned)
}

/// What `requestLimit` and `requestCount` of an account page leave, at least 0; else why
/// that cannot be told.
pub(super) fn credits_left(bytes: &[u8]) -> Result<i64, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        request_limit: Option<i64>,
        request_count: Option<i64>,
    }
    let page: Page = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let limit = page.request_limit.ok_or("no requestLimit")?;
    let count = page.request_count.ok_or("no requestCount")?;
    if limit < 0 || count < 0 {
        return Err(format!("requestLimit {limit} and requestCount {count}"));
    }
    // More may be spent than the limit: the page says so itself.
    Ok((limit - count).max(0))
}

fn string(raw: &str) -> Option<String> {
    serde_json::from_str(raw).ok()
}

/// A string's content, another value's JSON, nothing for null.
fn text_of(raw: &RawValue) -> Option<String> {
    match raw.get() {
        "null" => None,
        json => Some(string(json).unwrap_or_else(|| json.to_owned())),
    }
}

/// Fills fields one by one, so that they are there when a later byte is bad.
struct Filling<'f, R>(&'f mut Fields<R>);

impl<'a, R> DeserializeSeed<'a> for Filling<'_, R>
where
    R: Deserialize<'a> + Deref<Target = RawValue>,
{
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'a, R> Visitor<'a> for Filling<'_, R>
where
    R: Deserialize<'a> + Deref<Target = RawValue>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<Cow<'a, str>>()? {
            match self.0.slot(&key) {
                Some(slot) => *slot = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

impl<'a, R> Deserialize<'a> for Fields<R>
where
    R: Deserialize<'a> + Deref<Target = RawValue>,
{
    fn deserialize<D: Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        let mut fields = Self::default();
        Filling(&mut fields).deserialize(from)?;
        Ok(fields)
    }
}

/// Reads item by item: only what is kept of an item takes memory.
struct ListVisitor;

impl<'a> Visitor<'a> for ListVisitor {
    type Value = Vec<ListedParser>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON array of parsers")
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut items: S) -> Result<Self::Value, S::Error> {
        let at_item = |index: usize, why: &dyn fmt::Display| {
            de::Error::custom(format_args!("item {index}: {why}"))
        };
        let mut parsers = Vec::new();
        loop {
            let index = parsers.len();
            let item = items.next_element::<Fields<Box<RawValue>>>();
            match item.map_err(|error| at_item(index, &error))? {
                None => return Ok(parsers),
                Some(fields) => match fields.into_listed() {
                    Ok(parser) => parsers.push(parser),
                    Err(why) => return Err(at_item(index, &why)),
                },
            }
        }
    }
}
