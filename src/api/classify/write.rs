//! PURE: what an answer to a POST, a PATCH or a DELETE means.

use super::{
    RawAnswer, RawReply, TransportFault, asked_wait_ms, detail_of_text, is_spelling_of, refusal,
    service_detail, unreadable, unusable_detail,
};
use crate::{
    api::{answer_json, text::Quoter},
    core::{
        job::{DurationMs, ParserId, UnixMs},
        limit::Limit,
        outcome::{ChangeOutcome, CreateOutcome, DoubtCause, ErrorDetail, Refusal},
    },
};

/// What is known after a request that may change something, whichever it is.
enum Written<T> {
    /// A 2xx that says what was done.
    Done(T),
    /// One of the statuses by which this very request is refused.
    Rejected(u16, ErrorDetail),
    Refused(Refusal, ErrorDetail),
    NotSent(ErrorDetail),
    InDoubt(DoubtCause, ErrorDetail),
    Unavailable(DoubtCause, DurationMs, ErrorDetail),
}

/// What is known after a `POST /parsers`. `now` is what an HTTP date in
/// `Retry-After` is counted from.
pub fn create(reply: RawReply, now: UnixMs, quoter: &Quoter) -> CreateOutcome {
    let is_rejection = |status| is_rejection(status) && status != 412;
    match written(reply, now, quoter, is_rejection, |answer| {
        created(answer, quoter)
    }) {
        Written::Done((parser_id, version)) => CreateOutcome::Created { parser_id, version },
        Written::Rejected(_, words) => CreateOutcome::Rejected(words),
        Written::Refused(refusal, words) => CreateOutcome::Refused(refusal, words),
        Written::NotSent(words) => CreateOutcome::NotSent(words),
        Written::InDoubt(cause, words) => CreateOutcome::InDoubt(cause, words),
        Written::Unavailable(cause, retry_after_ms, words) => CreateOutcome::Unavailable {
            cause,
            retry_after_ms,
            words,
        },
    }
}

/// What is known after a `PATCH /parsers/{asked}/{version}`. `now` is what an HTTP date in
/// `Retry-After` is counted from.
pub fn change(asked: &ParserId, reply: RawReply, now: UnixMs, quoter: &Quoter) -> ChangeOutcome {
    written(reply, now, quoter, is_rejection, |answer| {
        changed(asked, answer)
    })
    .into()
}

/// What is known after a `DELETE /parsers/{id}`, whose 2xx needs no body. `now` is what an HTTP
/// date in `Retry-After` is counted from.
pub fn delete(reply: RawReply, now: UnixMs, quoter: &Quoter) -> ChangeOutcome {
    let done = |answer: &RawAnswer| match answer.status {
        202 => Err("it is to be deleted, and not yet".to_owned()),
        _ => Ok(None),
    };
    match written(reply, now, quoter, is_rejection, done) {
        // It was there, and is not any more.
        Written::Rejected(410, words) => ChangeOutcome::NotFound(words),
        other => other.into(),
    }
}

impl From<Written<Option<i64>>> for ChangeOutcome {
    fn from(written: Written<Option<i64>>) -> Self {
        match written {
            Written::Done(version) => Self::Done { version },
            Written::Rejected(404, words) => Self::NotFound(words),
            Written::Rejected(_, words) => Self::Rejected(words),
            Written::Refused(refusal, words) => Self::Refused(refusal, words),
            Written::NotSent(words) => Self::NotSent(words),
            Written::InDoubt(cause, words) => Self::InDoubt(cause, words),
            Written::Unavailable(cause, retry_after_ms, words) => Self::Unavailable {
                cause,
                retry_after_ms,
                words,
            },
        }
    }
}

/// The statuses by which this very request is refused, and nothing done.
const fn is_rejection(status: u16) -> bool {
    matches!(status, 400 | 404 | 405 | 409 | 410 | 412 | 413 | 415 | 422)
}

/// Whether the service itself failed. Any other 5xx, 408 and 499 may be a gateway's word,
/// and the request still on its way.
const fn is_the_services_own(status: u16) -> bool {
    status == 500
}

/// The table of all three. `done` reads a 2xx, or says what is wrong with it.
fn written<T>(
    reply: RawReply,
    now: UnixMs,
    quoter: &Quoter,
    is_rejection: impl FnOnce(u16) -> bool,
    done: impl FnOnce(&RawAnswer) -> Result<T, String>,
) -> Written<T> {
    let answer = match reply {
        Ok(answer) => answer,
        Err(TransportFault::NotConnected(text)) => {
            return Written::NotSent(detail_of_text(&text, quoter));
        }
        Err(TransportFault::TimedOut(text) | TransportFault::Broken(text)) => {
            return Written::InDoubt(DoubtCause::AnswerLost, detail_of_text(&text, quoter));
        }
    };
    let words = || service_detail(&answer, quoter);
    if let Some(refusal) = refusal(&answer, now) {
        // What this request may not have says nothing of any other.
        let words = words();
        return if refusal == Refusal::Credits && Limit::in_message(&words.message).is_some() {
            Written::Rejected(answer.status, words)
        } else {
            Written::Refused(refusal, words)
        };
    }
    let (cause, words) = match answer.status {
        200..=299 => match done(&answer) {
            Ok(done) => return Written::Done(done),
            Err(problem) => (
                DoubtCause::AnswerLost,
                unusable_detail(&answer, &problem, quoter),
            ),
        },
        status if is_rejection(status) => return Written::Rejected(status, words()),
        status if is_the_services_own(status) => (DoubtCause::ServiceError, words()),
        _ => (DoubtCause::AnswerLost, words()),
    };
    match asked_wait_ms(&answer, now) {
        Some(retry_after_ms) => Written::Unavailable(cause, retry_after_ms, words),
        None => Written::InDoubt(cause, words),
    }
}

/// The parser that a 2xx to a create names, and its version.
fn created(answer: &RawAnswer, quoter: &Quoter) -> Result<(ParserId, Option<i64>), String> {
    // A JSON object closes itself: one that parses is whole, even where the
    // connection broke after it.
    let fields =
        answer_json::object(&answer.body.bytes).map_err(|error| unreadable(answer, &error))?;
    match fields.id(quoter) {
        Some(parser_id) => Ok((parser_id, fields.version())),
        None if fields.id_text().is_some() => {
            Err("the id in the answer cannot be used as one".to_owned())
        }
        None => Err("no id in the answer".to_owned()),
    }
}

/// The version that a 2xx to a PATCH of `asked` names, where it names one.
fn changed(asked: &ParserId, answer: &RawAnswer) -> Result<Option<i64>, String> {
    let fields =
        answer_json::object(&answer.body.bytes).map_err(|error| unreadable(answer, &error))?;
    match fields.id_text() {
        Some(other) if !is_spelling_of(&other, &asked.0) => {
            Err(format!("the answer is about another parser, {other}"))
        }
        Some(_) | None => Ok(fields.version()),
    }
}
