//! What goes wrong, when, and for whom. Pure.

use std::collections::HashMap;

use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;

use super::defects::Defect;
use super::generation;
use super::http::{Delivery, Endpoint, HttpAnswer};
use super::world::{Overrides, StaleBase};
use crate::core::job::{DurationMs, UnixMs};

/// A fault: which requests it applies to, and what it does to them.
///
/// Best written as text; see [`super::script`] for the grammar.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FaultRule {
    /// The rule as text.
    pub text: String,
    /// The requests that it counts.
    pub scope: Scope,
    /// Which of them it applies to.
    pub when: When,
    /// What it does.
    pub effect: Effect,
}

/// The requests that a rule looks at and counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scope {
    /// Only this endpoint.
    pub endpoint: Option<Endpoint>,
    /// Only requests about a parser whose name contains this, or fetches of a page whose URL does.
    pub name: Option<String>,
    /// Only from so long after the first request of all.
    pub from_ms: Option<DurationMs>,
    /// Only until so long after the first request of all.
    pub until_ms: Option<DurationMs>,
}

/// Which of the requests in its scope a rule applies to: all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct When {
    /// From this request on; the first is 1.
    pub first: Option<u64>,
    /// Up to this request, inclusive.
    pub last: Option<u64>,
    /// Every so manieth.
    pub every: Option<u64>,
    /// With this probability, drawn from the seed, the rule and the name.
    pub probability: Option<f64>,
    /// Count each parser's name by itself.
    pub is_per_name: bool,
}

/// What a fault does to a request. What is `None` or empty stays as it is; where
/// two rules apply to one request, the one written first prevails.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Effect {
    /// Whether what the request asks for is done; by default it is.
    pub has_effect: Option<bool>,
    /// What comes back in place of the service's answer.
    pub answer: Option<AnswerFault>,
    /// How the body arrives.
    pub delivery: Option<Delivery>,
    /// How long the answer, or its loss, takes.
    pub delay_ms: Option<DurationMs>,
    /// Of a create, PATCH or DELETE: how much later it has its effect.
    pub land_after_ms: Option<DurationMs>,
    /// Of a create: how long the parser is missing from the list. Of a PATCH: how long what it
    /// made cannot be seen. Of a DELETE: how long the parser stays in the list.
    pub list_after_ms: Option<DurationMs>,
    /// Of a create or PATCH: how long the generation takes, not scaled.
    pub generation_ms: Option<DurationMs>,
    /// Of a create or PATCH: the text with which the generation fails.
    pub fail_with: Option<String>,
    /// Of a create: what becomes of the name.
    pub alter_name: Option<NameChange>,
    /// Of a PATCH: what becomes of one that is not based on the latest version.
    pub stale_base: Option<StaleBase>,
    /// Changes of the service's answer, in order.
    pub edits: Vec<Edit>,
}

/// What comes back in place of the service's answer.
#[derive(Debug, Clone, PartialEq)]
pub enum AnswerFault {
    /// Nothing: the connection ends.
    Lost {
        /// By a reset, rather than by being closed in good order.
        is_reset: bool,
    },
    /// This status.
    Status {
        /// The HTTP status.
        status: u16,
        /// The body; by default a JSON object with the key `error`.
        body: Option<String>,
        /// The `Retry-After` header.
        retry_after: Option<RetryAfter>,
    },
    /// A redirect.
    Redirect {
        /// The HTTP status.
        status: u16,
        /// The `Location` header.
        location: String,
    },
}

/// The forms of a `Retry-After` header.
#[derive(Debug, Clone, PartialEq)]
pub enum RetryAfter {
    /// Whole seconds.
    Seconds(i64),
    /// An HTTP date so many milliseconds after the answer.
    Date(DurationMs),
    /// Any text.
    Text(String),
}

/// What the service makes of a name that it does not keep.
#[derive(Debug, Clone, PartialEq)]
pub enum NameChange {
    /// In lower case.
    Lower,
    /// Without white space at its ends.
    Trim,
    /// The first so many characters.
    Cut(usize),
    /// Every character but letters and digits becomes `-`.
    Slug,
    /// With `&`, `<`, `>` and quotes as HTML writes them.
    Escape,
    /// With one blank for each run of white space.
    Collapse,
    /// In normal form C.
    Nfc,
    /// With `?` for every character that is not ASCII.
    Ascii,
    /// With something more at its end.
    Suffix(String),
}

impl NameChange {
    fn apply(&self, name: &str) -> String {
        match self {
            Self::Lower => name.to_lowercase(),
            Self::Trim => name.trim().to_owned(),
            Self::Cut(length) => name.chars().take(*length).collect(),
            Self::Slug => name.replace(|c: char| !c.is_alphanumeric(), "-"),
            Self::Escape => html_escape::encode_safe(name).into_owned(),
            Self::Collapse => name.split_whitespace().collect::<Vec<_>>().join(" "),
            Self::Nfc => name.nfc().collect(),
            Self::Ascii => name.replace(|c: char| !c.is_ascii(), "?"),
            Self::Suffix(text) => format!("{name}{text}"),
        }
    }
}

/// A change of an answer's JSON: of the object, or of each object of the array.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// Leaves a key out.
    Drop(String),
    /// Gives a key another name.
    Rekey(String, String),
    /// Puts another text in place of this one, wherever it is a key's whole value.
    Say(String, String),
    /// Leaves only the first so many items of the array.
    Limit(usize),
    /// Puts this text before the first item of the array, be it JSON or not.
    Item(String),
    /// Puts this text in place of a key's value, be it JSON or not.
    Raw(String, String),
    /// Puts something that is not JSON in place of the body.
    Unreadable,
    /// Spoils what the parser found.
    Result(Defect),
}

/// Stands for what need not be JSON until the rest is written.
const PLACEHOLDER: &str = "a text that is put in place of this one";

impl Edit {
    pub(super) fn apply(&self, answer: &mut HttpAnswer) {
        if *self == Self::Unreadable {
            answer.body = b"<html><body>{\"id\": \"".to_vec();
            return;
        }
        let mut value = answer.value();
        if let Self::Result(defect) = self {
            answer.body = defect.apply(&value).into_bytes();
            return;
        }
        match &mut value {
            Value::Null => return,
            Value::Array(items) => {
                if let Self::Limit(length) = self {
                    items.truncate(*length);
                }
                items.iter_mut().for_each(|item| self.apply_to_object(item));
            }
            object => self.apply_to_object(object),
        }
        let mut body = value.to_string();
        match self {
            Self::Item(item) if body == "[]" => body = format!("[{item}]"),
            Self::Item(item) if body.starts_with('[') => body.insert_str(1, &format!("{item},")),
            Self::Raw(_, text) => body = body.replace(&format!("\"{PLACEHOLDER}\""), text),
            _ => {}
        }
        answer.body = body.into_bytes();
    }

    fn apply_to_object(&self, value: &mut Value) {
        let Some(object) = value.as_object_mut() else {
            return;
        };
        match self {
            Self::Drop(key) => {
                object.remove(key);
            }
            Self::Rekey(key, new_key) => {
                if let Some(value) = object.remove(key) {
                    object.insert(new_key.clone(), value);
                }
            }
            Self::Say(from, to) => {
                let texts = object.values_mut().filter(|value| *value == from);
                texts.for_each(|value| *value = Value::from(to.as_str()));
            }
            Self::Raw(key, _) => {
                if let Some(value) = object.get_mut(key) {
                    *value = Value::from(PLACEHOLDER);
                }
            }
            Self::Limit(_) | Self::Item(_) | Self::Unreadable | Self::Result(_) => {}
        }
    }
}

impl Effect {
    /// Adds what the other does where this one leaves things as they are.
    fn merge(&mut self, other: &Self) {
        fn fill<T: Clone>(mine: &mut Option<T>, other: &Option<T>) {
            if mine.is_none() {
                mine.clone_from(other);
            }
        }
        // Whether it is done belongs to what is answered: one rule says both.
        if self.answer.is_none() && self.has_effect.is_none() {
            self.has_effect = other.has_effect;
        }
        fill(&mut self.answer, &other.answer);
        fill(&mut self.delivery, &other.delivery);
        fill(&mut self.delay_ms, &other.delay_ms);
        fill(&mut self.land_after_ms, &other.land_after_ms);
        fill(&mut self.list_after_ms, &other.list_after_ms);
        fill(&mut self.generation_ms, &other.generation_ms);
        fill(&mut self.fail_with, &other.fail_with);
        fill(&mut self.alter_name, &other.alter_name);
        fill(&mut self.stale_base, &other.stale_base);
        self.edits.extend_from_slice(&other.edits);
    }

    /// The part of it that the world carries out.
    pub(super) fn overrides(&self) -> Overrides {
        Overrides {
            land_after_ms: self.land_after_ms.unwrap_or(0),
            list_after_ms: self.list_after_ms.unwrap_or(0),
            generation_ms: self.generation_ms,
            fail_with: self.fail_with.clone(),
            stale_base: self.stale_base.unwrap_or_default(),
        }
    }

    /// A create's body with the name as the service would keep it.
    pub(super) fn altered_body(&self, body: &[u8]) -> Option<Vec<u8>> {
        let change = self.alter_name.as_ref()?;
        let mut value: Value = serde_json::from_slice(body).ok()?;
        let name = value.get("name")?.as_str()?;
        value["name"] = Value::from(change.apply(name));
        Some(value.to_string().into_bytes())
    }
}

impl AnswerFault {
    /// The answer that it puts in place; none where it is lost.
    pub(super) fn answer(&self, now_ms: UnixMs) -> Option<HttpAnswer> {
        match self {
            Self::Lost { .. } => None,
            Self::Redirect { status, location } => {
                let mut answer = HttpAnswer::empty(*status);
                let header = ("location".to_owned(), location.clone());
                answer.headers.push(header);
                Some(answer)
            }
            Self::Status {
                status,
                body,
                retry_after,
            } => {
                let mut answer = match body {
                    Some(body) => HttpAnswer {
                        status: *status,
                        headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
                        body: body.clone().into_bytes(),
                    },
                    None if *status == 204 || *status == 304 => HttpAnswer::empty(*status),
                    None => HttpAnswer::error(*status, &format!("simulated status {status}")),
                };
                if let Some(retry_after) = retry_after {
                    let header = ("retry-after".to_owned(), retry_after.header(now_ms));
                    answer.headers.push(header);
                }
                Some(answer)
            }
        }
    }
}

impl RetryAfter {
    fn header(&self, now_ms: UnixMs) -> String {
        match self {
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Text(text) => text.clone(),
            Self::Date(after_ms) => {
                let at_ms = u64::try_from(now_ms + after_ms).unwrap_or(0);
                let since_epoch = std::time::Duration::from_millis(at_ms);
                httpdate::fmt_http_date(std::time::UNIX_EPOCH + since_epoch)
            }
        }
    }
}

/// The rules in force, with what they have counted.
#[derive(Debug, Default)]
pub struct Faults {
    seed: u64,
    started_at_ms: Option<UnixMs>,
    rules: Vec<CountedRule>,
    added: u64,
}

#[derive(Debug)]
struct CountedRule {
    rule: FaultRule,
    /// Tells equal rules apart when chance is drawn.
    number: u64,
    seen: u64,
    seen_by_name: HashMap<String, u64>,
    applied: u64,
}

impl Faults {
    /// Rules whose chance is drawn from this seed.
    pub fn new(seed: u64, rules: impl IntoIterator<Item = FaultRule>) -> Self {
        let mut faults = Self {
            seed,
            ..Self::default()
        };
        rules.into_iter().for_each(|rule| faults.add(rule));
        faults
    }

    /// Adds a rule after those that are there.
    pub fn add(&mut self, rule: FaultRule) {
        self.rules.push(CountedRule {
            rule,
            number: self.added,
            seen: 0,
            seen_by_name: HashMap::new(),
            applied: 0,
        });
        self.added += 1;
    }

    /// Removes every rule.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// How many requests each rule applied to, in the order of the rules.
    pub fn applied(&self) -> Vec<u64> {
        self.rules.iter().map(|rule| rule.applied).collect()
    }

    /// Each rule, in their order, with how many requests it applied to.
    pub fn applied_by_rule(&self) -> impl Iterator<Item = (&FaultRule, u64)> {
        self.rules.iter().map(|rule| (&rule.rule, rule.applied))
    }

    /// What applies to this request, which is counted.
    pub fn inject(&mut self, now_ms: UnixMs, endpoint: Endpoint, name: Option<&str>) -> Effect {
        let since_start_ms = now_ms - *self.started_at_ms.get_or_insert(now_ms);
        let mut effect = Effect::default();
        for rule in &mut self.rules {
            if rule.rule.scope.holds(since_start_ms, endpoint, name)
                && rule.count(self.seed, name.unwrap_or(""))
            {
                rule.applied += 1;
                effect.merge(&rule.rule.effect);
            }
        }
        effect
    }
}

impl Scope {
    fn holds(&self, since_start_ms: DurationMs, endpoint: Endpoint, name: Option<&str>) -> bool {
        self.endpoint.is_none_or(|only| only == endpoint)
            && self.from_ms.is_none_or(|from| since_start_ms >= from)
            && self.until_ms.is_none_or(|until| since_start_ms < until)
            && match &self.name {
                Some(part) => name.is_some_and(|name| name.contains(part)),
                None => true,
            }
    }
}

impl CountedRule {
    /// Counts a request in scope and says whether the rule applies to it.
    fn count(&mut self, seed: u64, name: &str) -> bool {
        let when = &self.rule.when;
        self.seen += 1;
        let needs_names = when.is_per_name || when.probability.is_some();
        let nth_of_name = if needs_names {
            let seen = self.seen_by_name.entry(name.to_owned()).or_default();
            *seen += 1;
            *seen
        } else {
            0
        };
        let nth = if when.is_per_name {
            nth_of_name
        } else {
            self.seen
        };
        when.first.is_none_or(|first| nth >= first)
            && when.last.is_none_or(|last| nth <= last)
            && when.every.is_none_or(|every| nth.is_multiple_of(every))
            && when.probability.is_none_or(|probability| {
                let purpose = format!("fault {}", self.number);
                generation::chance(seed, &purpose, name, nth_of_name).f64() < probability
            })
    }
}
