//! The service's JSON, read leniently: what may be missing may be missing, what
//! may be spelt in two ways is taken in both, unknown keys are passed over.

use std::io::{BufReader, Read};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::split::{self, Whole};
use super::text::Quoter;
use crate::core::job::{ParserId, UnixMs};
use crate::core::outcome::{Flaws, ListedParser};

/// A longer item of a list is not read.
const MAX_ITEM_BYTES: usize = 1024 * 1024;

/// The status of a parser, as an answer has it.
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

/// The keys that any answer about a parser may carry, each value as it stands there.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    id: Option<Raw<'a>>,
    name: Option<Raw<'a>>,
    version: Option<Raw<'a>>,
    status: Option<Raw<'a>>,
    error: Option<Raw<'a>>,
    created_at: Option<Raw<'a>>,
    generated_at: Option<Raw<'a>>,
    fields: Option<Raw<'a>>,
    example_result: Option<Raw<'a>>,
    example_results: Option<Raw<'a>>,
}

/// A value as it stands in an answer: JSON, or what should have been.
#[derive(Debug, Clone, Copy)]
struct Raw<'a>(&'a [u8]);

impl Raw<'_> {
    /// The content of a JSON string.
    fn string(self) -> Option<String> {
        serde_json::from_slice(self.0).ok()
    }

    /// A string's content, any other value as it stands there, nothing for null.
    fn text(self) -> Option<String> {
        let as_it_is = || String::from_utf8_lossy(self.0).into_owned();
        (self.0 != b"null").then(|| self.string().unwrap_or_else(as_it_is))
    }

    fn time(self) -> Option<UnixMs> {
        let at: jiff::Timestamp = self.string()?.trim().parse().ok()?;
        Some(at.as_millisecond())
    }

    fn json(self) -> Result<Box<RawValue>, String> {
        let json: Result<&RawValue, _> = serde_json::from_slice(self.0);
        json.map(ToOwned::to_owned)
            .map_err(|error| error.to_string())
    }
}

impl<'a> Fields<'a> {
    /// The id: a string, or a number as its text; nothing else, and none that could not be
    /// kept as it is.
    pub(super) fn id(&self, quoter: &Quoter) -> Option<ParserId> {
        self.id_text().filter(|id| quoter.is_id(id)).map(ParserId)
    }

    /// The id as it stands there, if there is one that is not blank.
    pub(super) fn id_text(&self) -> Option<String> {
        let raw = self.id?;
        let text = match raw.0.first() {
            Some(b'"') => raw.string()?,
            Some(b'-' | b'0'..=b'9') => raw.json().ok()?.get().to_owned(),
            _ => return None,
        };
        (!text.trim().is_empty()).then_some(text)
    }

    /// The version: an integer, also as a string. 0 is a real one.
    pub(super) fn version(&self) -> Option<i64> {
        self.version?.text()?.parse().ok()
    }

    /// What the status says.
    pub(super) fn status(&self) -> ParserStatus {
        let Some(text) = self.status.and_then(Raw::text) else {
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

    /// The text of `error`; one that is not a string is given as JSON.
    pub(super) fn error_text(&self) -> Option<String> {
        self.error.and_then(Raw::text)
    }

    /// `generated_at` (RFC 3339), where it can be read.
    pub(super) fn generated_at(&self) -> Option<UnixMs> {
        self.generated_at.and_then(Raw::time)
    }

    /// `created_at` (RFC 3339), where it can be read.
    pub(super) fn created_at(&self) -> Option<UnixMs> {
        self.created_at.and_then(Raw::time)
    }

    /// The name, where it is a string.
    pub(super) fn name(&self, quoter: &Quoter) -> Option<String> {
        let name = self.name.and_then(Raw::string)?;
        Some(quoter.name(&name))
    }

    /// The parser's own `fields`; or why they are not JSON.
    pub(super) fn fields(&self) -> Option<Result<Box<RawValue>, String>> {
        Some(self.fields.filter(|raw| raw.0 != b"null")?.json())
    }

    /// `example_result`, or `example_results` where that is missing or null; or why it is
    /// not JSON.
    pub(super) fn example_result(&self) -> Option<Result<Box<RawValue>, String>> {
        let there = [self.example_result, self.example_results]
            .into_iter()
            .flatten()
            .filter(|raw| raw.0 != b"null");
        let mut there: Vec<_> = there.collect();
        // An empty one beside one that is not is as good as none.
        there.sort_by_key(|raw| raw.0 == b"[]");
        let mut there = there.into_iter().map(Raw::json);
        let first = there.next()?;
        Some(match (first, there.next()) {
            (Err(_), Some(Ok(second))) => Ok(second),
            (first, _) => first,
        })
    }

    fn slot(&mut self, key: &str) -> Option<&mut Option<Raw<'a>>> {
        match key {
            "id" => Some(&mut self.id),
            "name" => Some(&mut self.name),
            "version" => Some(&mut self.version),
            "status" => Some(&mut self.status),
            "error" => Some(&mut self.error),
            "created_at" => Some(&mut self.created_at),
            "generated_at" => Some(&mut self.generated_at),
            "fields" => Some(&mut self.fields),
            "example_result" => Some(&mut self.example_result),
            "example_results" => Some(&mut self.example_results),
            _ => None,
        }
    }

    /// Takes in a member of an object: `"key": value`.
    fn take(&mut self, member: &'a [u8]) {
        let mut is_escaped = true;
        let end = member.iter().position(|byte| {
            let ends = *byte == b'"' && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            ends
        });
        let Some((key, rest)) = end.map(|end| member.split_at(end + 1)) else {
            return;
        };
        let Some(value) = rest.trim_ascii_start().strip_prefix(b":") else {
            return;
        };
        let key = Raw(key).string();
        if let Some(slot) = key.and_then(|key| self.slot(&key)) {
            *slot = Some(Raw(value.trim_ascii()));
        }
    }

    fn listed(&self, quoter: &Quoter) -> Result<ListedParser, &'static str> {
        let id = self.id(quoter).ok_or("no usable id")?;
        let name = self.name(quoter);
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

/// The fields of the one JSON object that `bytes` are; else why they are not one.
pub(super) fn object(bytes: &[u8]) -> Result<Fields<'_>, String> {
    let (fields, end) = object_as_far_as_read(bytes);
    end.map(|()| fields)
}

/// The fields that stand before the place where `bytes` stop being one JSON
/// object, and whether and why they do. What cannot be read hides only itself.
pub(super) fn object_as_far_as_read(bytes: &[u8]) -> (Fields<'_>, Result<(), String>) {
    let (members, end) = split::members(bytes);
    let mut fields = Fields::default();
    members.into_iter().for_each(|member| fields.take(member));
    (fields, end)
}

/// What a parser found on a page: `result`, which may be null but not missing.
pub(super) fn parsed(bytes: &[u8]) -> Result<Box<RawValue>, String> {
    #[derive(Deserialize)]
    struct Parsed {
        result: Box<RawValue>,
    }
    serde_json::from_slice(bytes)
        .map(|parsed: Parsed| parsed.result)
        .map_err(|error| error.to_string())
}

/// What is read of a list, and what of it cannot be.
pub(super) type ListRead = (Vec<ListedParser>, Flaws);

/// The items of the bare JSON array that is read; else why it is not one.
pub(super) fn list(body: impl Read, quoter: &Quoter) -> Result<ListRead, String> {
    let mut parsers = Vec::new();
    let mut flaws = Flaws::default();
    let mut index = 0;
    let whole = split::items(BufReader::new(body), MAX_ITEM_BYTES, |item| {
        match item.map(object) {
            Some(Ok(fields)) => match fields.listed(quoter) {
                Ok(parser) => parsers.push(parser),
                Err(why) => flaws.add(index, why, fields.id(quoter)),
            },
            Some(Err(why)) => flaws.add(index, &why, None),
            None => flaws.add(index, "it is too long", None),
        }
        index += 1;
    })?;
    flaws.is_null = whole == Whole::Null;
    Ok((parsers, flaws))
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
/// that cannot be determined.
pub(super) fn credits_left(bytes: &[u8]) -> Result<i64, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct AccountPage {
        request_limit: Option<i64>,
        request_count: Option<i64>,
    }
    let page: AccountPage = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let limit = page.request_limit.ok_or("no requestLimit")?;
    let count = page.request_count.ok_or("no requestCount")?;
    if limit < 0 || count < 0 {
        return Err(format!("requestLimit {limit} and requestCount {count}"));
    }
    // More may be spent than the limit: the page says so itself.
    Ok((limit - count).max(0))
}
