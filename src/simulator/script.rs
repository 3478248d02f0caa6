//! Faults as text: for a switch of the command line, a script file, a test. Pure.
//!
//! A fault is a line of words; a text with spaces stands in double quotes:
//!
//! ```text
//! create status=500 after p=0.5
//! create lose after nth=1 per-name
//! create lose land-late=20s name="my shop"
//! any status=429 retry-after=3s from=10s until=20s
//! get say=FINISHED:FINISED
//! ```
//!
//! The first word is the endpoint: `create`, `get`, `list`, `patch`, `delete`,
//! `parse`, `account`, `fetch`, `urlcost`, `other` or `any`. The others, in any order:
//!
//! | which requests | |
//! |---|---|
//! | `name=TEXT` | only about a parser whose name contains it; of a fetch, a page whose URL does |
//! | `from=TIME`, `until=TIME` | only then, counted from the first request of all |
//! | `nth=3`, `nth=2-5`, `nth=4-`, `first=5` | only these of them; the first is 1 |
//! | `every=N` | only every Nth of them |
//! | `p=0.25` | only with this probability, drawn from the seed |
//! | `per-name` | `nth`, `first`, `every` count each parser's name by itself |
//!
//! | what happens | |
//! |---|---|
//! | `status=CODE` | this status, with `body=TEXT` and one of `retry-after=TIME` (whole seconds), `retry-after-date=TIME` (an HTTP date that far ahead), `retry-after-text=TEXT` |
//! | `lose` | the connection closes without an answer; with `reset`, by a reset |
//! | `redirect=LOCATION` | 307, or the `status` given |
//! | `before`, `after` | with these three: before the effect (nothing is done; so if neither is given) or after it (all is done) |
//! | `delay=TIME` | the answer, or its loss, takes that long |
//! | `cut`, `slow=TIME`, `endless`, `gzip-bomb` | how the body arrives |
//! | `unreadable` | the body is not JSON |
//! | `missing=KEY` | the answer's object, or each of its array, lacks the key |
//! | `rekey=OLD:NEW` | the key is spelt otherwise |
//! | `say=OLD:NEW` | a value that is this text is another |
//! | `limit=N` | only the first N items of the list |
//! | `item=TEXT` | the list begins with this item as it stands here, JSON or not; `'` is a double quote |
//! | `raw=KEY:TEXT` | the key's value is this as it stands here, JSON or not; `'` is a double quote |
//!
//! | `result=DEFECT` | of what the parser found: `empty-column`, `missing-field`, `wrong-type`, `rows-gone`, `page-empty`, `wall` (the text of a consent page), `huge` (50 MB), `keys-twice`, `deep` (10,000 arrays); for `get` and `parse` |
//!
//! | of a `create`, a `patch`, a `delete` | |
//! |---|---|
//! | `land-late=TIME` | the parser or the version comes to be, or the parser goes, only later; implies `after` |
//! | `show-late=TIME` | of a create: the parser is missing from the list at first; of a patch: the version that it made cannot be seen at first, and what GET and the list show is the one before; of a delete: the parser is still in the list |
//!
//! | of a `create`, of a `patch` that is paid for | |
//! |---|---|
//! | `generation=TIME` | how long the generation takes |
//! | `fail=TEXT` | the generation fails with this text; of a patch, the versions before stay as they are |
//!
//! | of one of them | |
//! |---|---|
//! | `alter-name=lower`, `=trim`, `=slug`, `=escape`, `=collapse`, `=nfc`, `=ascii`, `=suffix:TEXT`, `=cut:N` | of a create: the name is kept in lower case, without white space at its ends, with `-` for all but letters and digits, as HTML writes it, with single blanks, in normal form C, with `?` for what is not ASCII, with something more at its end, or cut |
//! | `base=fork`, `=conflict` | of a patch whose base is not the latest version: it is based on that one and becomes the latest, as without this word, or it gets 409 |
//!
//! TIME is written `250ms`, `5s`, `15m`. All rules that match apply; where two say
//! different things, the first prevails.
//!
//! A script is TOML: an array `faults` of such lines, or of tables with `on` for
//! the endpoint and `true` for a word without a value.
//!
//! ```toml
//! [[faults]]
//! on = "create"
//! status = 500
//! after = true
//! p = 0.5
//! ```

mod words;

use std::str::FromStr;

use super::defects::Defect;
use super::faults::{AnswerFault, Edit, Effect, FaultRule, NameChange, RetryAfter};
use super::http::{Delivery, Endpoint};
use super::world::StaleBase;
use crate::core::nearest::did_you_mean;
use words::{RuleWords, line, words};

/// Words that only these endpoints take.
const PLACES: &[(&[&str], &[Endpoint])] = &[
    (
        &["land-late", "show-late"],
        &[Endpoint::Create, Endpoint::Patch, Endpoint::Delete],
    ),
    (
        &["generation", "fail"],
        &[Endpoint::Create, Endpoint::Patch],
    ),
    (&["alter-name"], &[Endpoint::Create]),
    (&["base"], &[Endpoint::Patch]),
    (&["limit", "item"], &[Endpoint::List]),
];

/// Why a fault cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fault {rule:?}: {reason}")]
pub struct FaultError {
    rule: String,
    reason: String,
}

impl FromStr for FaultRule {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let parsed = words(text).and_then(|mut words| {
            if words.is_empty() {
                return Err("it is empty".to_owned());
            }
            let (endpoint, value) = words.remove(0);
            if value.is_some() {
                return Err("the endpoint must come first".to_owned());
            }
            RuleWords::check(words)?.rule(&endpoint)
        });
        let with_text = |rule| Self {
            text: text.trim().to_owned(),
            ..rule
        };
        parsed.map(with_text).map_err(|reason| FaultError {
            rule: text.to_owned(),
            reason,
        })
    }
}

/// Reads a script file's rules.
pub fn parse_script(text: &str) -> Result<Vec<FaultRule>, FaultError> {
    let table = text.parse::<toml::Table>().map_err(|error| FaultError {
        rule: "script".to_owned(),
        reason: error.to_string(),
    })?;
    let wrong = |reason: &str| FaultError {
        rule: "script".to_owned(),
        reason: reason.to_owned(),
    };
    if let Some(key) = table.keys().find(|key| *key != "faults") {
        return Err(wrong(&format!(
            "unknown key {key:?}; the only one is faults"
        )));
    }
    match table.get("faults") {
        None => Ok(Vec::new()),
        Some(toml::Value::Array(items)) => items.iter().map(script_rule).collect(),
        Some(_) => Err(wrong("faults must be an array")),
    }
}

fn script_rule(item: &toml::Value) -> Result<FaultRule, FaultError> {
    let table = match item {
        toml::Value::String(text) => return text.parse(),
        toml::Value::Table(table) => table,
        _ => {
            return Err(FaultError {
                rule: item.to_string(),
                reason: "it must be a string or a table".to_owned(),
            });
        }
    };
    let endpoint = table.get("on").and_then(toml::Value::as_str);
    let words = table.iter().filter(|(key, _)| *key != "on");
    let words = words.filter_map(|(key, value)| match value {
        toml::Value::Boolean(false) => None,
        toml::Value::Boolean(true) => Some((key.clone(), None)),
        toml::Value::String(text) => Some((key.clone(), Some(text.clone()))),
        other => Some((key.clone(), Some(other.to_string()))),
    });
    endpoint
        .ok_or_else(|| "on is missing: the endpoint, or any".to_owned())
        .and_then(|endpoint| {
            let words: Vec<_> = words.collect();
            let text = line(endpoint, &words);
            let rule = RuleWords::check(words)?.rule(endpoint)?;
            Ok(FaultRule { text, ..rule })
        })
        .map_err(|reason| FaultError {
            rule: item.to_string(),
            reason,
        })
}

impl RuleWords {
    fn rule(&self, endpoint: &str) -> Result<FaultRule, String> {
        let mut rule = FaultRule::default();
        rule.scope.endpoint = match endpoint {
            "any" => None,
            other => Some(endpoint_named(other)?),
        };
        rule.scope.name = self.text_owned("name");
        rule.scope.from_ms = self.duration_ms("from")?;
        rule.scope.until_ms = self.duration_ms("until")?;
        if let (Some(from), Some(until)) = (rule.scope.from_ms, rule.scope.until_ms)
            && from >= until
        {
            return Err("from must be before until".to_owned());
        }
        self.read_when(&mut rule)?;
        self.check_effect(rule.scope.endpoint)?;
        rule.effect = self.effect()?;
        if rule.effect == Effect::default() {
            return Err("it does nothing".to_owned());
        }
        Ok(rule)
    }

    fn read_when(&self, rule: &mut FaultRule) -> Result<(), String> {
        self.one_of(&["nth", "first"])?;
        let when = &mut rule.when;
        if let Some(last) = self.number("first")? {
            when.last = Some(last);
        }
        if let Some(text) = self.text("nth") {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let number = |text: &str| {
                text.parse::<u64>()
                    .map_err(|_| format!("nth cannot be {text:?}"))
            };
            when.first = Some(number(first)?);
            when.last = match last {
                "" => None,
                last => Some(number(last)?),
            };
        }
        if when.first == Some(0) || when.last.is_some_and(|last| last < when.first.unwrap_or(1)) {
            return Err("no request has such a number; the first is 1".to_owned());
        }
        when.every = self.number("every")?;
        if when.every == Some(0) {
            return Err("every cannot be 0".to_owned());
        }
        when.probability = self.number("p")?;
        if when.probability.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
            return Err("p must be between 0 and 1".to_owned());
        }
        when.is_per_name = self.has("per-name");
        self.only_with(&["per-name"], &["nth", "first", "every"])
    }

    /// Refuses words that make no sense together or on this endpoint.
    fn check_effect(&self, endpoint: Option<Endpoint>) -> Result<(), String> {
        self.one_of(&["status", "lose"])?;
        self.one_of(&["redirect", "lose"])?;
        self.one_of(&["before", "after"])?;
        self.one_of(&["before", "land-late"])?;
        self.one_of(&["cut", "slow", "endless", "gzip-bomb", "lose"])?;
        self.one_of(&["retry-after", "retry-after-date", "retry-after-text"])?;
        self.only_with(&["before", "after"], &["status", "lose", "redirect"])?;
        self.only_with(&["reset"], &["lose"])?;
        let of_status = [
            "body",
            "retry-after",
            "retry-after-date",
            "retry-after-text",
        ];
        self.only_with(&of_status, &["status"])?;
        let misplaced = PLACES.iter().find_map(|(words, of)| {
            let word = words.iter().find(|word| self.has(word))?;
            let is_placed = endpoint.is_some_and(|endpoint| of.contains(&endpoint));
            let of: Vec<&str> = of.iter().map(|endpoint| endpoint.as_str()).collect();
            (!is_placed).then(|| format!("{word} is for {} only", of.join(", ")))
        });
        let has_result = matches!(endpoint, Some(Endpoint::Get | Endpoint::Parse));
        let misplaced = misplaced.or_else(|| {
            let is_misplaced = self.has("result") && !has_result;
            is_misplaced.then(|| "result is for get and parse only".to_owned())
        });
        misplaced.map_or(Ok(()), Err)
    }

    fn effect(&self) -> Result<Effect, String> {
        let answer = self.answer()?;
        let is_done = self.has("after") || self.has("land-late");
        Ok(Effect {
            has_effect: answer.as_ref().map(|_| is_done),
            answer,
            delivery: self.delivery()?,
            delay_ms: self.duration_ms("delay")?,
            land_after_ms: self.duration_ms("land-late")?,
            list_after_ms: self.duration_ms("show-late")?,
            generation_ms: self.duration_ms("generation")?,
            fail_with: self.text_owned("fail"),
            alter_name: self.text("alter-name").map(name_change).transpose()?,
            stale_base: self.text("base").map(stale_base).transpose()?,
            edits: self.edits()?,
        })
    }

    fn answer(&self) -> Result<Option<AnswerFault>, String> {
        let status: Option<u16> = self.number("status")?;
        if status.is_some_and(|status| !(200..600).contains(&status)) {
            return Err("status must be between 200 and 599".to_owned());
        }
        if let Some(location) = self.text_owned("redirect") {
            let status = status.unwrap_or(307);
            return Ok(Some(AnswerFault::Redirect { status, location }));
        }
        if self.has("lose") {
            let is_reset = self.has("reset");
            return Ok(Some(AnswerFault::Lost { is_reset }));
        }
        let seconds = self.duration_ms("retry-after")?;
        let date = self.duration_ms("retry-after-date")?;
        let retry_after = seconds
            .map(|ms| RetryAfter::Seconds((ms + 999) / 1_000))
            .or(date.map(RetryAfter::Date))
            .or(self.text_owned("retry-after-text").map(RetryAfter::Text));
        Ok(status.map(|status| AnswerFault::Status {
            status,
            body: self.text_owned("body"),
            retry_after,
        }))
    }

    fn delivery(&self) -> Result<Option<Delivery>, String> {
        let slow = self.duration_ms("slow")?.map(Delivery::Slow);
        let flags = [
            ("cut", Delivery::Cut),
            ("endless", Delivery::Endless),
            ("gzip-bomb", Delivery::GzipBomb),
        ];
        let flag = flags.into_iter().find(|(word, _)| self.has(word));
        Ok(slow.or(flag.map(|(_, delivery)| delivery)))
    }

    fn edits(&self) -> Result<Vec<Edit>, String> {
        let edits = [
            self.number("limit")?.map(Edit::Limit),
            self.pair("say")?.map(|(old, new)| Edit::Say(old, new)),
            self.pair("rekey")?.map(|(old, new)| Edit::Rekey(old, new)),
            self.text_owned("missing").map(Edit::Drop),
            self.text("item").map(|text| Edit::Item(quoted(text))),
            self.pair("raw")?
                .map(|(key, text)| Edit::Raw(key, quoted(&text))),
            self.has("unreadable").then_some(Edit::Unreadable),
            self.text("result")
                .map(defect)
                .transpose()?
                .map(Edit::Result),
        ];
        Ok(edits.into_iter().flatten().collect())
    }
}

fn stale_base(text: &str) -> Result<StaleBase, String> {
    match text {
        "fork" => Ok(StaleBase::Fork),
        "conflict" => Ok(StaleBase::Conflict),
        _ => Err("base must be fork or conflict".to_owned()),
    }
}

fn defect(text: &str) -> Result<Defect, String> {
    text.parse().map_err(|_| {
        let known: Vec<&str> = Defect::ALL.iter().map(|known| known.as_str()).collect();
        let near = did_you_mean(text, known.iter().copied());
        format!(
            "result cannot be {text:?}; it is one of {}{near}",
            known.join(", ")
        )
    })
}

/// A text with the double quotes that a word cannot hold.
fn quoted(text: &str) -> String {
    text.replace('\'', "\"")
}

fn endpoint_named(text: &str) -> Result<Endpoint, String> {
    let mut endpoints = Endpoint::ALL.iter().copied();
    endpoints
        .find(|endpoint| endpoint.as_str() == text)
        .ok_or_else(|| {
            let known = Endpoint::ALL.iter().map(|known| known.as_str());
            let known: Vec<&str> = known.chain(["any"]).collect();
            let near = did_you_mean(text, known.iter().copied());
            format!(
                "{text:?} is not an endpoint; the endpoints are {}{near}",
                known.join(", ")
            )
        })
}

fn name_change(text: &str) -> Result<NameChange, String> {
    let change = match text.split_once(':') {
        Some(("cut", length)) => length.parse().ok().map(NameChange::Cut),
        Some(("suffix", more)) => Some(NameChange::Suffix(more.to_owned())),
        Some(_) => None,
        None => match text {
            "lower" => Some(NameChange::Lower),
            "trim" => Some(NameChange::Trim),
            "slug" => Some(NameChange::Slug),
            "escape" => Some(NameChange::Escape),
            "collapse" => Some(NameChange::Collapse),
            "nfc" => Some(NameChange::Nfc),
            "ascii" => Some(NameChange::Ascii),
            _ => None,
        },
    };
    change.ok_or_else(|| {
        "alter-name must be lower, trim, slug, escape, collapse, nfc, ascii, suffix:TEXT or cut:N"
            .to_owned()
    })
}

#[cfg(test)]
mod tests;
