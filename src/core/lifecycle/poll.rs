//! From GENERATING to the end.

use serde_json::{Map, Value};

use super::{
    Change, Evidence, Moment, ParserChange, TRUSTED_LISTS, Transition, age_of_generation_ms, doubt,
    is_operators, update::is_worse,
};
use crate::core::{
    effort::Effort,
    event::{AdoptedFrom, Answer, JobEvent},
    gate::Signal,
    hint,
    job::{Action, DurationMs, ErrorKind, ParserId, UnixMs},
    ladder::{self, Ladder},
    outcome::{ErrorDetail, Finished, Lack, PollOutcome, Refusal, is_gateways},
    pace,
    quality::{Quality, QualityGate},
    remedy::Remedy,
    rules::Rule,
};

/// What a job says whose parser is ready, and which is asked for once more.
const AWAITS_EXAMPLES: &str = "the parser is ready; its example results are asked for once more";

/// How often a parser that is ready is asked for again because the answer broke off.
const MAX_ASKED_AFTER_CUTS: i64 = 5;

pub(super) fn polled(at: &Moment, outcome: PollOutcome) -> Transition {
    match outcome {
        PollOutcome::Finished(finished) => finished_with(at, finished),
        // With which parameters, is not known.
        PollOutcome::Failed(words) => failed(at, &words, Effort::LEAST),
        PollOutcome::Generating { unknown_status } => still_generating(at, unknown_status),
        PollOutcome::NotFound(words) => no_news(at, at.change(), words),
        PollOutcome::Refused(refusal, words) => {
            let mut change = at.change();
            if !awaits_examples(at) {
                change = change.error(&words);
            }
            change.next.due_at = match &refusal {
                // Others go first: it may be this parser alone that is refused. How long the
                // service asks to wait, the gate keeps.
                Refusal::Throttled { .. } => {
                    let n = at.job.progress.poll_errors;
                    change.next.poll_errors = n + 1;
                    at.retry_at(n)
                }
                // The gate holds it back; it is due as soon as that opens.
                Refusal::Unauthorized | Refusal::Credits | Refusal::AccountLimit => at.now,
            };
            change.signal(Signal::Refused(refusal)).done()
        }
        PollOutcome::Trouble(words) => no_news(at, at.change(), words),
    }
}

/// The generation FAILED. Where the ladder has another rung, the job goes back to QUEUED with the
/// parameters that the error calls for, as a re-creation.
pub(super) fn came_to_nothing(at: &Moment, words: ErrorDetail, own: Option<&str>) -> Transition {
    let remedy = Remedy::of_failure(&words.message);
    let effective = at.job.progress.effective_params.as_deref();
    let Some(sent) = ladder::sent(own, effective) else {
        return failed(at, &words, Effort::LEAST);
    };
    let next = ladder::next(&sent, remedy);
    match (&at.policy.ladder, next) {
        (Some(ladder), Some(next)) if may_climb(at, ladder) => {
            climb(at, words, ladder.credits_per_create, sent, next)
        }
        _ => failed(at, &words, Effort::of(Some(&sent))),
    }
}

/// Whether the job may have another create. A parser that it did not pay for says nothing of its
/// parameters.
fn may_climb(at: &Moment, ladder: &Ladder) -> bool {
    let progress = &at.job.progress;
    let is_its_own = progress.creates > 0 && !is_operators(at.job);
    let has_rung =
        ladder.has_rung_after(progress.climbs) || !at.policy.rules.keep(Rule::LadderBounds);
    is_its_own && has_rung
}

fn climb(
    at: &Moment,
    words: ErrorDetail,
    credits: i64,
    sent: Map<String, Value>,
    next: Map<String, Value>,
) -> Transition {
    let mut change = at
        .change()
        .shows_parser()
        .error(&words)
        .queued(at.now)
        .event(JobEvent::Escalated {
            from: Value::Object(sent),
            to: Value::Object(next.clone()),
            why: words.message,
            credits,
        });
    let progress = &mut change.next;
    progress.effective_params = Some(Value::Object(next).to_string());
    progress.climbs += 1;
    // As a retry: the FAILED parser keeps its name.
    progress.recreation += 1;
    progress.generating_since = None;
    progress.generated_at = None;
    progress.attempts = 0;
    progress.holds = 0;
    progress.polls = 0;
    progress.poll_errors = 0;
    progress.missing_lists = 0;
    change.done()
}

/// FAILED, after a create that was sent with this effort.
fn failed(at: &Moment, words: &ErrorDetail, sent: Effort) -> Transition {
    let hint = Remedy::of_failure(&words.message).hint(sent);
    let mut change = at
        .change()
        .failed(ErrorKind::GenerationFailed, words, &hint, at.now)
        .shows_parser();
    if at.job.action == Action::Update {
        let version = at.job.progress.parser_version;
        change.parser = Some(ParserChange::Unusable { version });
    }
    change.done()
}

/// Ready; but where its examples are not there yet, it is asked once more a little later, and
/// a few times where the answer broke off. For want of examples no job fails.
fn finished_with(at: &Moment, finished: Finished) -> Transition {
    let has_asked = awaits_examples(at);
    let asked = if has_asked {
        at.job.progress.poll_errors
    } else {
        0
    };
    let most = match &finished.lack {
        None => 0,
        Some(lack) if lack.is_cut => MAX_ASKED_AFTER_CUTS,
        Some(_) => 1,
    };
    if asked < most && !is_too_old(at) {
        let mut change = at.change().shows_parser();
        if !has_asked {
            let why = finished.lack.map(|lack| lack.why);
            change = change.event(JobEvent::AwaitsExamples { why });
        }
        change.next.missing_lists = 0;
        change.next.poll_errors = asked + 1;
        change.next.error_status = None;
        change.next.error_message = Some(AWAITS_EXAMPLES.to_owned());
        change.next.due_at = at.in_ms(at.policy.poll.delay_ms(asked, at.jitter));
        return change.done();
    }
    ready(at, at.change().shows_parser(), finished)
}

/// FINISHED, with what the history says of it; or FAILED, where a parser that is bad counts as
/// none.
fn ready(at: &Moment, mut change: Change, mut finished: Finished) -> Transition {
    change.judgement = finished.judgement.take();
    let bad = change.judgement.as_ref();
    let bad = bad.filter(|judgement| judgement.quality == Quality::Bad);
    if at.job.action == Action::Update {
        return updated(at, change, finished);
    }
    let is_bad = bad.is_some();
    let reason = change
        .judgement
        .as_ref()
        .and_then(|judgement| judgement.reason.clone());
    let replaces = finished.replaces.take();
    let is_worse = replaces.is_some() && is_worth_less(at, &change, &finished);
    let fails = at.policy.quality_gate == QualityGate::Fail && (is_bad || is_worse);
    if is_worse {
        change.warning = Some(JobEvent::Worse {
            version: finished.version,
            reason: reason.clone(),
            stays: replaces.clone(),
        });
    }
    change.stays = replaces.filter(|_| is_worse || fails);
    if fails {
        let words = ErrorDetail {
            status: None,
            message: reason.unwrap_or_default(),
        };
        return change
            .finished(finished, at.now)
            .failed(ErrorKind::PoorResult, &words, hint::POOR_RESULT, at.now)
            .done();
    }
    let event = JobEvent::Finished {
        version: finished.version,
        generated_at: finished.generated_at,
        no_examples: finished.lack.as_ref().map(|lack| lack.why.clone()),
    };
    change.finished(finished, at.now).event(event).done()
}

/// Whether what is ready is worth less than what is in use.
fn is_worth_less(at: &Moment, change: &Change, finished: &Finished) -> bool {
    let quality = change.judgement.as_ref().map(|judgement| judgement.quality);
    is_worse(quality, finished.in_use) && at.policy.rules.keep(Rule::BetterVersion)
}

/// A new version is ready. It is the one to use from now on if it is worth no less than the one
/// before.
fn updated(at: &Moment, mut change: Change, finished: Finished) -> Transition {
    let version = finished.version.or(at.job.progress.parser_version);
    let judgement = change.judgement.as_ref();
    let quality = judgement.map(|judgement| judgement.quality);
    let reason = judgement.and_then(|judgement| judgement.reason.clone());
    let is_worse = is_worth_less(at, &change, &finished);
    let fails =
        at.policy.quality_gate == QualityGate::Fail && (is_worse || quality == Some(Quality::Bad));
    change.parser = Some(ParserChange::Ready {
        version,
        is_used: !is_worse,
    });
    if is_worse {
        change.warning = Some(JobEvent::Worse {
            version,
            reason: reason.clone(),
            stays: None,
        });
    }
    if fails {
        let words = ErrorDetail {
            status: None,
            message: reason.unwrap_or_default(),
        };
        return change
            .finished(finished, at.now)
            .failed(ErrorKind::PoorResult, &words, hint::POOR_UPDATE, at.now)
            .done();
    }
    let event = JobEvent::Finished {
        version,
        generated_at: finished.generated_at,
        no_examples: finished.lack.as_ref().map(|lack| lack.why.clone()),
    };
    change.finished(finished, at.now).event(event).done()
}

/// Whether the parser said that it is ready, and is asked once more for its examples.
fn awaits_examples(at: &Moment) -> bool {
    at.job.progress.error_message.as_deref() == Some(AWAITS_EXAMPLES)
}

/// The answer that was to bring the examples says nothing of the parser, which is ready.
fn still_without_examples(at: &Moment, change: Change) -> Transition {
    if at.job.progress.poll_errors < MAX_ASKED_AFTER_CUTS && !is_too_old(at) {
        return asked_later(at, change);
    }
    let why = "the parser was ready without them, and asking once more brought no answer";
    let lack = Some(Lack {
        why: why.to_owned(),
        is_cut: false,
        is_nothing: false,
    });
    let is_adopted = at.job.action == Action::Create && at.job.progress.creates == 0;
    let finished = Finished {
        lack,
        made_from: is_adopted.then(Box::default),
        ..Finished::default()
    };
    ready(at, change, finished)
}

/// The parser is ready; it is tried on its held-out pages once more a little later.
pub(super) fn checking(at: &Moment, words: ErrorDetail) -> Transition {
    let mut change = at.change().shows_parser();
    change.next.missing_lists = 0;
    change.next.error_status = words.status;
    change.next.error_message = Some(format!(
        "the parser is ready; a held-out page (check_urls) is tried again: {}",
        words.message
    ));
    asked_later(at, change)
}

/// It is asked once more, the later the more often that brought nothing.
fn asked_later(at: &Moment, mut change: Change) -> Transition {
    let n = at.job.progress.poll_errors;
    change.next.poll_errors = n + 1;
    change.next.due_at = at.retry_at(n);
    change.done()
}

fn still_generating(at: &Moment, unknown_status: Option<String>) -> Transition {
    let mut change = at.change().shows_parser();
    if awaits_examples(at) {
        return still_without_examples(at, change);
    }
    change.next.poll_errors = 0;
    change.next.missing_lists = 0;
    let mark = unknown_status.map(|status| format!("unknown status {status:?}"));
    if let Some(mark) = &mark
        && at.job.progress.error_message.as_ref() != Some(mark)
    {
        change = change.event(JobEvent::UnknownStatus(Answer::said(mark)));
    }
    change.next.error_status = None;
    change.next.error_message = mark;
    if is_too_old(at) {
        let words = ErrorDetail {
            status: None,
            message: format!(
                "still generating after {} s",
                at.policy.poll_timeout_ms / 1000
            ),
        };
        return given_up(at, change, ErrorKind::GenerationTimeout, &words);
    }
    change.next.polls += 1;
    change.next.due_at = next_look_at(at, age_ms(at), change.next.polls);
    change.done()
}

/// When to look at a generation of `age_ms` that was looked at `polls` times.
pub(super) fn next_look_at(at: &Moment, age_ms: DurationMs, polls: i64) -> UnixMs {
    let policy = at.policy;
    at.in_ms(pace::wait_ms(
        &policy.poll,
        policy.first_look_ms,
        age_ms,
        polls,
        at.jitter,
    ))
}

/// Nothing was learnt. An outage ends no job, however long; an answer of the service
/// itself, even a useless one, lets the generation's age count.
fn no_news(at: &Moment, change: Change, words: ErrorDetail) -> Transition {
    let change = change.signal(match words.status {
        Some(_) => Signal::Answered,
        None => Signal::NotConnected,
    });
    if awaits_examples(at) {
        return still_without_examples(at, change);
    }
    if !is_outage(words.status) && is_too_old(at) {
        let unreadable = words
            .status
            .is_some_and(|status| (200..300).contains(&status));
        let kind = if unreadable {
            ErrorKind::UnexpectedResponse
        } else {
            ErrorKind::GenerationTimeout
        };
        return given_up(at, change, kind, &words);
    }
    asked_later(at, change.error(&words))
}

pub(super) fn missing(at: &Moment, words: ErrorDetail, evidence: Evidence) -> Transition {
    match evidence {
        Evidence::One(id, version) if at.job.progress.parser_id.as_ref() != Some(&id) => {
            another(at, id, version)
        }
        Evidence::One(..) => {
            let mut change = at.change();
            change.next.missing_lists = 0;
            no_news(at, change, words)
        }
        Evidence::Several(ids) => lost(
            at,
            words,
            &format!(
                "the parser is gone from the account, which holds {} others of its name: {}; \
                 `parserd retry`, and then `parserd resolve` says which is this job's",
                ids.len(),
                doubt::first_ids(&ids)
            ),
        ),
        Evidence::Absent => lost(
            at,
            words,
            "the parser is gone from the account: someone deleted it; \
             `parserd retry` pays for a new one",
        ),
        Evidence::Suspects(..) | Evidence::Inconclusive(_) | Evidence::NoList => {
            no_news(at, at.change(), words)
        }
    }
}

/// The service that is asked now need not know it: as an outage, this ends no job.
pub(super) fn elsewhere(at: &Moment, words: ErrorDetail) -> Transition {
    let change = at.change().signal(Signal::Answered).error(&ErrorDetail {
        message: format!(
            "the parser is known from another address or API key, and the service that is asked \
             now does not have it: {}",
            words.message
        ),
        ..words
    });
    asked_later(at, change)
}

/// A question for this parser brought nothing, and others are answered: it is this one's trouble
/// alone, and its age counts.
pub(super) fn alone(at: &Moment, words: ErrorDetail) -> Transition {
    let change = at.change().signal(Signal::Answered);
    if awaits_examples(at) {
        return still_without_examples(at, change);
    }
    if is_too_old(at) {
        return given_up(at, change, ErrorKind::GenerationTimeout, &words);
    }
    asked_later(at, change.error(&words))
}

/// The list lacks it too: after some of those, it is gone.
fn lost(at: &Moment, words: ErrorDetail, hint: &str) -> Transition {
    let lists = at.job.progress.missing_lists + 1;
    let mut change = at.change().signal(Signal::Answered).error(&words);
    change.next.missing_lists = lists;
    // A parser just made may be late in the lists and under its id alike.
    if lists >= TRUSTED_LISTS && age_ms(at) >= at.policy.settle_after_error_ms {
        return change
            .failed(ErrorKind::NotFound, &words, hint, at.now)
            .done();
    }
    change.next.due_at = at.retry_at(lists);
    change.done()
}

/// The create was answered with an id that is none, and its parser is listed under another.
fn another(at: &Moment, id: ParserId, version: Option<i64>) -> Transition {
    let event = JobEvent::Adopted {
        parser_id: id.clone(),
        from: AdoptedFrom::List,
        version: None,
        remote_name: None,
        instead_of: at.job.progress.parser_id.clone(),
    };
    let mut change = at.change().signal(Signal::Answered).event(event);
    change.next.parser_id = Some(id);
    change.next.parser_version = version;
    change.next.missing_lists = 0;
    change.next.poll_errors = 0;
    change.next.due_at = at.now;
    change.done()
}

/// Whether nobody answered but, at the most, a gateway that reached no service.
const fn is_outage(status: Option<u16>) -> bool {
    match status {
        None => true,
        Some(status) => is_gateways(status),
    }
}

fn is_too_old(at: &Moment) -> bool {
    at.policy.is_overdue(at.job, at.now)
}

fn age_ms(at: &Moment) -> DurationMs {
    age_of_generation_ms(at.job, at.now)
}

fn given_up(at: &Moment, change: Change, kind: ErrorKind, words: &ErrorDetail) -> Transition {
    change
        .failed(
            kind,
            words,
            "the parser may still finish: `parserd retry` polls it again and pays nothing; \
             poll.timeout is how long parserd waits",
            at.now,
        )
        .done()
}
