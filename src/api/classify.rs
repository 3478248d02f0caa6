//! What an answer of the service means. Pure: no I/O, no clock.
//!
//! The tables are those of the design: of what may change something, only what is known to have
//! changed nothing may be sent again; the rest is in doubt (`write`).

mod page;
mod write;

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

pub use self::page::{PageHead, PageReply, RawPage, fetch, price};
pub use self::write::{change, create, delete};
use super::answer_json::{self, Fields, ParserStatus};
use super::examples;
use super::text::Quoter;
use crate::core::job::{DurationMs, ParserId, UnixMs};
use crate::core::limit::Limit;
use crate::core::outcome::{
    AccountOutcome, Description, ErrorDetail, Finished, Flaws, Lack, ListOutcome, ListedParser,
    MAX_RETRY_AFTER_MS, ParseOutcome, PollOutcome, Refusal,
};

/// What came of one request.
pub type RawReply = Result<RawAnswer, TransportFault>;

/// An answer of which at least the status line and the headers were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The header `Retry-After`, as it came.
    pub retry_after: Option<String>,
    /// What was read of the body.
    pub body: Body,
}

/// What was read of a body. `Debug` prints no content: the service may echo the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    /// The bytes, decompressed, up to where reading ended.
    pub bytes: Vec<u8>,
    /// How reading ended.
    pub end: BodyEnd,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes, {:?})", self.bytes.len(), self.end)
    }
}

/// How the reading of a body ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyEnd {
    /// At its end.
    Complete,
    /// Before its end, for the reason that the transport gave.
    Cut(String),
    /// At the cap on so many bytes.
    OverCap(usize),
    /// At the request's total timeout.
    TimedOut,
}

/// Why there is no answer, with the words of the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportFault {
    /// The connection was never made (DNS, refused, TLS): nothing was sent.
    NotConnected(String),
    /// The total timeout passed; the request may have arrived.
    TimedOut(String),
    /// The connection broke; the request may have arrived.
    Broken(String),
}

/// What is known after a `GET /parsers/{asked}`. `now` is what an HTTP date in
/// `Retry-After` is counted from.
pub fn details(asked: &ParserId, reply: RawReply, now: UnixMs, quoter: &Quoter) -> PollOutcome {
    let answer = match reply {
        Ok(answer) => answer,
        Err(fault) => return PollOutcome::Trouble(transport_detail(&fault, quoter)),
    };
    if let Some(refusal) = refusal_of_read(&answer, now) {
        return PollOutcome::Refused(refusal, service_detail(&answer, quoter));
    }
    match answer.status {
        200..=299 => progress(asked, &answer, quoter),
        404 => PollOutcome::NotFound(service_detail(&answer, quoter)),
        _ => PollOutcome::Trouble(service_detail(&answer, quoter)),
    }
}

/// The same, with what the answer says of the parser beside how far it is.
pub fn description(asked: &ParserId, reply: RawReply, now: UnixMs, quoter: &Quoter) -> Description {
    let (name, created_at, version, told) = match &reply {
        Ok(answer) if (200..=299).contains(&answer.status) => {
            let (read, _) = answer_json::object_as_far_as_read(&answer.body.bytes);
            let told = examples::kept(read.fields(), quoter).ok();
            (read.name(quoter), read.created_at(), read.version(), told)
        }
        Ok(_) | Err(_) => (None, None, None, None),
    };
    let outcome = details(asked, reply, now, quoter);
    // What is said of another parser says nothing of this one's fields.
    let is_of_it = outcome.shows_parser();
    Description {
        outcome,
        name,
        created_at,
        version: version.filter(|_| is_of_it),
        fields: told.filter(|_| is_of_it),
    }
}

/// Whether an id is the one that was asked for, in another case or at the end of a path.
fn is_spelling_of(id: &str, asked: &str) -> bool {
    let last = id.trim_end_matches('/').rsplit('/').next().unwrap_or(id);
    id == asked || last.eq_ignore_ascii_case(asked)
}

fn progress(asked: &ParserId, answer: &RawAnswer, quoter: &Quoter) -> PollOutcome {
    let (fields, end) = answer_json::object_as_far_as_read(&answer.body.bytes);
    if let Some(other) = fields.id_text().filter(|id| !is_spelling_of(id, &asked.0)) {
        let problem = format!("the answer is about another parser, {other}");
        return PollOutcome::Trouble(unusable_detail(answer, &problem, quoter));
    }
    let status = fields.status();
    if let Err(error) = &end {
        // What cannot be read of it must not hide for ever that a parser is ready.
        let is_over = match status {
            ParserStatus::Finished => true,
            ParserStatus::Failed => matches!(answer.body.end, BodyEnd::OverCap(_)),
            _ => false,
        };
        if !is_over {
            let problem = unreadable(answer, error);
            return PollOutcome::Trouble(unusable_detail(answer, &problem, quoter));
        }
    }
    match status {
        ParserStatus::Finished => PollOutcome::Finished(finished(answer, &fields, end, quoter)),
        ParserStatus::Failed => PollOutcome::Failed(ErrorDetail {
            status: Some(answer.status),
            message: quoter.quote(&fields.error_text().unwrap_or_default()),
        }),
        ParserStatus::Generating | ParserStatus::Missing => PollOutcome::Generating {
            unknown_status: None,
        },
        ParserStatus::Unknown(text) => PollOutcome::Generating {
            unknown_status: Some(quoter.status(&text)),
        },
    }
}

/// The value of `fields`, where it is JSON that SQLite can read.
fn shown_fields(read: &Fields<'_>, quoter: &Quoter) -> Option<String> {
    let kept = examples::kept(read.fields(), quoter).ok()?;
    Some(kept.get().to_owned())
}

fn finished(
    answer: &RawAnswer,
    fields: &Fields<'_>,
    end: Result<(), String>,
    quoter: &Quoter,
) -> Finished {
    let found = fields.example_result();
    let kept = match end {
        // They may stand behind the place where reading ended.
        Err(error) if found.is_none() => Err(Lack {
            why: unreadable(answer, &error),
            is_cut: matches!(answer.body.end, BodyEnd::Cut(_) | BodyEnd::TimedOut),
            is_nothing: false,
        }),
        Ok(()) | Err(_) => examples::kept(found, quoter),
    };
    let (example_result, lack) = match kept {
        Ok(examples) => (Some(examples), None),
        Err(lack) => (None, Some(lack)),
    };
    Finished {
        version: fields.version(),
        generated_at: fields.generated_at(),
        example_result,
        lack,
        judgement: None,
        fields: shown_fields(fields, quoter),
        made_from: None,
        in_use: None,
        replaces: None,
    }
}

/// What is known after a `GET /parse/{id}/{version}`. `now` is what an HTTP date in
/// `Retry-After` is counted from. Nothing but a 2xx with a whole body says anything of the parser.
pub fn parse(reply: RawReply, now: UnixMs, quoter: &Quoter) -> ParseOutcome {
    let answer = match reply {
        Ok(answer) => answer,
        Err(fault) => return ParseOutcome::Inconclusive(transport_detail(&fault, quoter)),
    };
    let words = || service_detail(&answer, quoter);
    if let Some(refusal) = refusal_of_read(&answer, now) {
        let is_about_request = Limit::in_message(&words().message).is_some();
        return match refusal {
            Refusal::Credits if is_about_request => ParseOutcome::Rejected(words()),
            refusal => ParseOutcome::Refused(refusal, words()),
        };
    }
    match answer.status {
        200..=299 => {}
        400 | 404 | 405 | 409 | 410 | 413 | 415 | 422 => return ParseOutcome::Rejected(words()),
        _ => return ParseOutcome::Inconclusive(words()),
    }
    let read = answer_json::parsed(&answer.body.bytes);
    match read.map(|found| examples::kept(Some(Ok(found)), quoter)) {
        Ok(Ok(result)) => ParseOutcome::Found(result),
        Ok(Err(lack)) => ParseOutcome::Rejected(unusable_detail(&answer, &lack.why, quoter)),
        Err(error) => {
            let problem = unreadable(&answer, &error);
            ParseOutcome::Inconclusive(unusable_detail(&answer, &problem, quoter))
        }
    }
}

/// What is known after a `GET /parsers`. `now` is what an HTTP date in
/// `Retry-After` is counted from.
pub fn list(reply: RawReply, now: UnixMs, quoter: &Quoter) -> ListOutcome {
    let answer = match reply {
        Ok(answer) => answer,
        Err(fault) => return ListOutcome::Trouble(transport_detail(&fault, quoter)),
    };
    if let Some(refusal) = refusal_of_read(&answer, now) {
        return ListOutcome::Refused(refusal, service_detail(&answer, quoter));
    }
    if !(200..=299).contains(&answer.status) {
        return ListOutcome::Trouble(service_detail(&answer, quoter));
    }
    let parsers = answer_json::list(answer.body.bytes.as_slice(), quoter);
    listed(&answer, parsers, quoter)
}

/// What a 2xx to `GET /parsers` says, of whose body `parsers` were read as it came; the
/// answer itself has its beginning.
pub fn listed(
    answer: &RawAnswer,
    parsers: Result<(Vec<ListedParser>, Flaws), String>,
    quoter: &Quoter,
) -> ListOutcome {
    match parsers {
        // Absences in a list are believed, so its transfer must have ended well.
        Ok((parsers, flaws)) if answer.body.end == BodyEnd::Complete => {
            ListOutcome::Listed(parsers, flaws)
        }
        Ok(_) => {
            let problem = unreadable(answer, "its transfer did not end");
            ListOutcome::Trouble(unusable_detail(answer, &problem, quoter))
        }
        Err(error) => {
            let problem = unreadable(answer, &error);
            ListOutcome::Trouble(unusable_detail(answer, &problem, quoter))
        }
    }
}

/// What an account page says of the credits left. `now` is what an HTTP date in
/// `Retry-After` is counted from.
pub fn account(reply: RawReply, now: UnixMs, quoter: &Quoter) -> AccountOutcome {
    let answer = match reply {
        Ok(answer) => answer,
        Err(fault) => return AccountOutcome::Unknown(transport_detail(&fault, quoter)),
    };
    if let Some(refusal) = refusal(&answer, now) {
        return AccountOutcome::Refused(refusal, service_detail(&answer, quoter));
    }
    if !(200..=299).contains(&answer.status) {
        return AccountOutcome::Unknown(service_detail(&answer, quoter));
    }
    match answer_json::credits_left(&answer.body.bytes) {
        Ok(credits) => AccountOutcome::Left { credits },
        Err(error) => {
            let problem = unreadable(&answer, &error);
            AccountOutcome::Unknown(unusable_detail(&answer, &problem, quoter))
        }
    }
}

/// The refusal that closes the gate, whatever was asked (401, 402, 403, 429).
fn refusal(answer: &RawAnswer, now: UnixMs) -> Option<Refusal> {
    match answer.status {
        401 => Some(Refusal::Unauthorized),
        402 | 403 => Some(Refusal::Credits),
        429 => Some(Refusal::Throttled {
            retry_after_ms: answer
                .retry_after
                .as_deref()
                .and_then(|text| retry_after_ms(text, now)),
        }),
        _ => None,
    }
}

/// The same of a request that only reads: nothing is in doubt where a 5xx asks for a wait.
fn refusal_of_read(answer: &RawAnswer, now: UnixMs) -> Option<Refusal> {
    let unavailable = || {
        let retry_after_ms = Some(asked_wait_ms(answer, now)?);
        Some(Refusal::Throttled { retry_after_ms })
    };
    refusal(answer, now).or_else(unavailable)
}

/// The wait that a 5xx asks for (maintenance), as a 429 may.
fn asked_wait_ms(answer: &RawAnswer, now: UnixMs) -> Option<DurationMs> {
    let text = answer.retry_after.as_deref()?;
    let asks = (500..=599).contains(&answer.status);
    asks.then(|| retry_after_ms(text, now)).flatten()
}

/// The wait that a `Retry-After` asks for: seconds or an HTTP date (RFC 9110,
/// 10.2.3), at most [`MAX_RETRY_AFTER_MS`], 0 for a date that is past, `None`
/// for anything else.
pub(super) fn retry_after_ms(text: &str, now: UnixMs) -> Option<DurationMs> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds is more than the cap.
        let seconds: DurationMs = text.parse().unwrap_or(DurationMs::MAX);
        return Some(seconds.saturating_mul(1000).min(MAX_RETRY_AFTER_MS));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since_epoch: Duration = date.duration_since(UNIX_EPOCH).unwrap_or_default();
    let date_ms = UnixMs::try_from(since_epoch.as_millis()).unwrap_or(UnixMs::MAX);
    Some(date_ms.saturating_sub(now).clamp(0, MAX_RETRY_AFTER_MS))
}

fn unreadable(answer: &RawAnswer, error: &str) -> String {
    match &answer.body.end {
        BodyEnd::Complete => format!("the answer cannot be read ({error})"),
        BodyEnd::Cut(reason) => format!("the answer was cut ({reason})"),
        BodyEnd::OverCap(cap_bytes) => format!("the answer is longer than {cap_bytes} bytes"),
        BodyEnd::TimedOut => "the answer did not end in time".to_owned(),
    }
}

/// The words of the transport, where there is no answer.
fn detail_of_text(text: &str, quoter: &Quoter) -> ErrorDetail {
    ErrorDetail {
        status: None,
        message: quoter.quote(text),
    }
}

fn transport_detail(fault: &TransportFault, quoter: &Quoter) -> ErrorDetail {
    match fault {
        TransportFault::NotConnected(text)
        | TransportFault::TimedOut(text)
        | TransportFault::Broken(text) => detail_of_text(text, quoter),
    }
}

/// The words of the service itself. The shape of its error bodies is
/// undocumented (AI_PARSER_API.md), so what is not recognised is kept as text.
fn service_detail(answer: &RawAnswer, quoter: &Quoter) -> ErrorDetail {
    let cut = answer.body.end != BodyEnd::Complete;
    let message = match answer_json::error_message(&answer.body.bytes) {
        Some(text) => quoter.quote(&text),
        None if answer.body.bytes.trim_ascii().is_empty() => {
            "the answer says nothing more".to_owned()
        }
        None => quoter.quote_after("", answer.body.bytes.trim_ascii(), cut),
    };
    ErrorDetail {
        status: Some(answer.status),
        message,
    }
}

/// What is wrong with an answer that should have been good, and its text.
fn unusable_detail(answer: &RawAnswer, problem: &str, quoter: &Quoter) -> ErrorDetail {
    let cut = answer.body.end != BodyEnd::Complete;
    let bytes = answer.body.bytes.trim_ascii();
    let message = if bytes.is_empty() {
        quoter.quote(problem)
    } else {
        quoter.quote_after(&format!("{problem}: "), bytes, cut)
    };
    ErrorDetail {
        status: Some(answer.status),
        message,
    }
}

#[cfg(test)]
mod tests;
