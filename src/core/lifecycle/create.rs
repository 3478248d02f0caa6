//! From QUEUED to a create and to what its answer makes of it.

use std::collections::BTreeSet;

use super::{
    Change, LedgerChange, Moment, OnExisting, Presence, Transition, doubt, poll::next_look_at,
};
use crate::core::{
    budget::OverBudget,
    effort::Effort,
    event::{AdoptedFrom, Answer, InDoubtCause, JobEvent},
    gate::Signal,
    hint,
    job::{DoubtCause, DurationMs, ErrorKind, JobState, ParkReason, ParserId, UnixMs},
    outcome::{CreateOutcome, DoubtCause as Unknown, ErrorDetail, ListedParser, Refusal},
    preflight::Record,
    remedy::Remedy,
    rules::Rule,
};

/// Never, until someone or something moves the job.
const NEVER: UnixMs = i64::MAX;

/// How many looks at an earlier parser of the same name may prove nothing before a
/// person is asked.
const MAX_UNPROVEN_LOOKS: i64 = 20;

/// How many names of parsers a message has.
const MOST_NAMED: usize = 3;

/// What a job says that waits for such a proof.
const UNPROVEN: &str = "a parser of this name was made before, and no list that can be \
    trusted shows what became of it";

/// What to do about it.
const NO_CREDITS: &str = "credits are exhausted: add some; parserd probes by itself, \
    and `parserd resume` makes it try at once";

pub(super) fn listed(
    at: &Moment,
    presence: Presence,
    remote_name: String,
    recreation: i64,
) -> Transition {
    let on_existing = at.policy.on_existing;
    match presence {
        Presence::Unresolved => take_over(at, remote_name, recreation),
        Presence::Inconclusive => inconclusive(at),
        Presence::Meant(parser_id, version) => adopt_alone(at, parser_id, version),
        Presence::Own(parser_id) => adopt(at, parser_id, None, remote_name, recreation),
        Presence::Taken(parser_id) => not_adopted(
            at,
            ErrorKind::ExistingParser,
            &format!("parser {parser_id} is another job's already"),
            "cancel one of the two jobs",
        ),
        Presence::Lost(parser_id) => not_adopted(
            at,
            ErrorKind::NotFound,
            &format!("the account has no parser {parser_id}"),
            "correct the parser_id: cancel this job and insert one with the right id, or without \
             one, which creates a parser",
        ),
        Presence::Absent => intent(at, remote_name, recreation),
        Presence::One(_) | Presence::Several(_) | Presence::Suspects(_)
            if on_existing == OnExisting::Create =>
        {
            intent(at, remote_name, recreation)
        }
        Presence::One(parser) if on_existing == OnExisting::Fail => existing(at, &parser.name),
        Presence::Several(parsers) if on_existing == OnExisting::Fail => {
            let first = parsers.first().map_or(&remote_name, |parser| &parser.name);
            existing(at, first)
        }
        Presence::One(parser) => adopt(at, parser.id, parser.version, remote_name, recreation),
        Presence::Several(parsers) => {
            let ids: Vec<_> = parsers.iter().map(|parser| parser.id.clone()).collect();
            let why = format!(
                "the account holds {} {}",
                counted(&ids),
                called(&parsers, &remote_name)
            );
            unclear(at, &why, ids, remote_name, recreation)
        }
        Presence::Suspects(ids) => {
            let why = format!(
                "the account holds {} whose name may be {remote_name:?}, cut by the service",
                counted(&ids)
            );
            unclear(at, &why, ids, remote_name, recreation)
        }
    }
}

/// By which names the account has these parsers, where the job's is `remote_name`.
fn called(parsers: &[ListedParser], remote_name: &str) -> String {
    let names: BTreeSet<&str> = parsers.iter().map(|parser| parser.name.as_str()).collect();
    if names.iter().all(|name| *name == remote_name) {
        return format!("under the name {remote_name:?}");
    }
    let mut told: Vec<_> = names
        .iter()
        .take(MOST_NAMED)
        .map(|name| format!("{name:?}"))
        .collect();
    if names.len() > MOST_NAMED {
        told.push("...".to_owned());
    }
    format!(
        "that may be this job's, called {}; by its own name it would be {remote_name:?}",
        told.join(", ")
    )
}

/// So many parsers, with their ids.
fn counted(ids: &[ParserId]) -> String {
    let parsers = if ids.len() == 1 { "parser" } else { "parsers" };
    format!("{} {parsers} ({})", ids.len(), doubt::first_ids(ids))
}

/// Only a person can tell whether one of these parsers is the job's.
fn unclear(
    at: &Moment,
    why: &str,
    ids: Vec<ParserId>,
    remote_name: String,
    recreation: i64,
) -> Transition {
    let mut change = at.change().renamed(remote_name);
    change.next.recreation = recreation;
    doubt::ambiguous(change, why, ids)
}

fn existing(at: &Moment, name: &str) -> Transition {
    at.change()
        .failed(
            ErrorKind::ExistingParser,
            &ErrorDetail {
                status: None,
                message: format!("the account already holds a parser named {name:?}"),
            },
            "delete that parser, or set create.on_existing to \"adopt\" (use it) \
             or \"create\" (pay for another), then retry the job",
            at.now,
        )
        .done()
}

/// The intent: committed and synced before the first byte of the request.
fn intent(at: &Moment, remote_name: String, recreation: i64) -> Transition {
    let mut change = at.change();
    change.next.state = JobState::Creating;
    change.next.creates += 1;
    change.next.recreation = recreation;
    let event = JobEvent::Creating {
        remote_name: remote_name.clone(),
        attempt: change.next.attempts + 1,
    };
    change = change.renamed(remote_name);
    change.ledger(LedgerChange::Intent).event(event).done()
}

fn adopt(
    at: &Moment,
    parser_id: ParserId,
    version: Option<i64>,
    remote_name: String,
    recreation: i64,
) -> Transition {
    let event = JobEvent::Adopted {
        parser_id: parser_id.clone(),
        from: AdoptedFrom::List,
        version: None,
        remote_name: Some(remote_name.clone()),
        instead_of: None,
    };
    let mut change = at.change().generating(parser_id, version, at.now);
    change.next.remote_name = Some(remote_name);
    change.next.recreation = recreation;
    change.event(event).done()
}

/// The parser that the job names: the name that it bears may be any.
fn adopt_alone(at: &Moment, parser_id: ParserId, version: Option<i64>) -> Transition {
    let event = JobEvent::Adopted {
        parser_id: parser_id.clone(),
        from: AdoptedFrom::Operator,
        version,
        remote_name: None,
        instead_of: None,
    };
    let change = at.change().generating(parser_id, version, at.now);
    change.event(event).done()
}

fn not_adopted(at: &Moment, kind: ErrorKind, why: &str, hint: &str) -> Transition {
    let words = ErrorDetail {
        status: None,
        message: format!("{why}: nothing was adopted or created"),
    };
    at.change().failed(kind, &words, hint, at.now).done()
}

/// Somebody else's create of the same name is in doubt: settle that one, send nothing.
/// It is not an attempt of this job, so it counts as [`DoubtCause::Interrupted`] does.
fn take_over(at: &Moment, remote_name: String, recreation: i64) -> Transition {
    let mut change = at.change();
    change.next.state = JobState::Creating;
    change = change.renamed(remote_name);
    change.next.recreation = recreation;
    doubt::enter(at, change, DoubtCause::Interrupted)
        .event(JobEvent::in_doubt(InDoubtCause::Others))
        .done()
}

/// A create of this job is in doubt, though its row says QUEUED: settle it, send nothing.
pub(super) fn settle_first(at: &Moment, remote_name: String) -> Transition {
    let mut change = at.change();
    change.next.state = JobState::Creating;
    change.next.remote_name.get_or_insert(remote_name);
    change.next.due_at = at.now;
    let cause = at.job.progress.doubt.map(|doubt| doubt.cause.into());
    change
        .event(JobEvent::InDoubt {
            cause,
            answer: Answer::default(),
            retry_after_ms: None,
        })
        .done()
}

/// No list proves yet what became of an earlier parser of this name: look again
/// later, but not for ever.
fn inconclusive(at: &Moment) -> Transition {
    let mut change = at.change();
    if change.next.error_message.as_deref() != Some(UNPROVEN) {
        change = change
            .error(&ErrorDetail {
                status: None,
                message: UNPROVEN.to_owned(),
            })
            .event(JobEvent::Waiting(Answer::said(UNPROVEN)));
        change.next.holds = 0;
    }
    if change.next.holds >= MAX_UNPROVEN_LOOKS {
        return doubt::ambiguous(change, UNPROVEN, Vec::new());
    }
    change.next.due_at = at.retry_at(change.next.holds);
    change.next.holds += 1;
    change.done()
}

pub(super) fn over_budget(at: &Moment, over: OverBudget) -> Transition {
    let until = over.until.unwrap_or(NEVER);
    let hint = if over.until.is_some() {
        "it goes on by itself when the UTC day turns, or after a restart with a higher \
         budget.max_credits_per_day"
    } else {
        "it goes on after a restart with a higher budget.max_credits"
    };
    let event = JobEvent::parked(ParkReason::Budget, Answer::said(&over.message));
    at.change()
        .error(&ErrorDetail {
            status: None,
            message: over.message,
        })
        .parked(ParkReason::Budget, hint, until)
        .event(event)
        .done()
}

/// The job ends as it would have without the ladder: that its generation FAILED is known, and a
/// person may want something else than to wait for another day. What it would have been sent with
/// stays, so that a retry sends that.
pub(super) fn over_share(at: &Moment, why: &str) -> Transition {
    let progress = &at.job.progress;
    // What was met since then, on the way to another create, is not why it FAILED.
    let said = progress.error_message.as_ref().filter(|message| {
        let remedy = Remedy::of_failure(message);
        progress.parser_id.is_some() && remedy.next_effort(Effort::LEAST).is_some()
    });
    let words = ErrorDetail {
        status: said.and(progress.error_status),
        message: said.map_or_else(|| "the generation failed".to_owned(), Clone::clone),
    };
    let hint = format!(
        "another create, with scraper_params {}, is what the error calls for, and it was not sent: \
         {why}. `parserd retry` sends it, outside of that share",
        progress.effective_params.as_deref().unwrap_or("{}")
    );
    let mut change = at
        .change()
        .failed(ErrorKind::GenerationFailed, &words, &hint, at.now);
    // No create bears the next tag; a retry counts it anew.
    change.next.recreation -= i64::from(progress.parser_id.is_some() && progress.recreation > 0);
    change.done()
}

/// It waits with those that were refused: that the account was, it heard from another's answer.
pub(super) fn out_of_credits(at: &Moment, words: ErrorDetail) -> Transition {
    let event = JobEvent::parked(ParkReason::Credits, Answer::said(&words.message));
    at.change()
        .error(&words)
        .parked(ParkReason::Credits, NO_CREDITS, at.now)
        .event(event)
        .done()
}

/// What its example pages showed: where a create cannot work, none is paid for. Else it is due at
/// once, to be looked for in a list that is young.
pub(super) fn foreseen(
    at: &Moment,
    record: &Record,
    effective_params: Option<String>,
) -> Transition {
    let mut change = at.change();
    change.next.preflight = Some(record.to_json());
    change.next.holds = 0;
    let foreseen = &record.foreseen;
    if foreseen.verdict.may_work() || !at.policy.rules.keep(Rule::Foreseen) {
        change.next.effective_params = effective_params;
        return change
            .queued(at.now)
            .event(JobEvent::Foreseen(foreseen.clone()))
            .done();
    }
    let words = ErrorDetail {
        status: None,
        message: format!("{}: no create was sent", foreseen.in_words()),
    };
    let hint = foreseen.cure.as_deref().unwrap_or_default();
    change
        .failed(ErrorKind::PreflightFailed, &words, hint, at.now)
        .done()
}

/// Its pages are looked at again later: how often, the record of the fetches bounds.
pub(super) fn unforeseen(at: &Moment, words: &ErrorDetail) -> Transition {
    let mut change = at.change();
    if change.next.error_message.as_ref() != Some(&words.message) {
        change = change.error(words).event(JobEvent::Waiting(words.into()));
    }
    change.next.due_at = at.retry_at(change.next.holds);
    change.next.holds += 1;
    change.done()
}

pub(super) fn unusable(at: &Moment, reason: String) -> Transition {
    at.change()
        .failed(
            ErrorKind::BadRequest,
            &ErrorDetail {
                status: None,
                message: reason,
            },
            "correct the row by SQL and set its state to QUEUED, \
             or cancel it and enqueue it anew; nothing was sent",
            at.now,
        )
        .done()
}

pub(super) fn answered(at: &Moment, outcome: CreateOutcome) -> Transition {
    match outcome {
        CreateOutcome::Created { parser_id, version } => {
            let event = JobEvent::Created {
                parser_id: parser_id.clone(),
                version,
            };
            let mut change = at
                .change()
                .ledger(LedgerChange::Made(parser_id.clone()))
                .generating(parser_id, version, at.now)
                .signal(Signal::Accepted)
                .event(event);
            change.next.due_at = next_look_at(at, 0, 0);
            change.done()
        }
        CreateOutcome::Rejected(words) => at
            .change()
            .ledger(LedgerChange::NotMade)
            .signal(Signal::Answered)
            .failed(
                ErrorKind::BadRequest,
                &words,
                hint::for_rejected_create(&words),
                at.now,
            )
            .done(),
        CreateOutcome::Refused(refusal, words) => {
            refused(at, refusal, words, Some(LedgerChange::NotMade))
        }
        CreateOutcome::NotSent(words) => {
            let n = at.job.progress.holds;
            let mut change = at
                .change()
                .ledger(LedgerChange::NotMade)
                .signal(Signal::NotConnected)
                .error(&words)
                .queued(at.retry_at(n))
                .event(JobEvent::NotSent(Answer::said(&words.message)));
            change.next.holds = n + 1;
            // The intent counted a request; none was sent.
            change.next.creates = (change.next.creates - 1).max(0);
            change.done()
        }
        CreateOutcome::InDoubt(unknown, words) => {
            let mut change = in_doubt(at, unknown, &words, None);
            change.next.holds = 0;
            change.signal(Signal::Answered).done()
        }
        CreateOutcome::Unavailable {
            cause,
            retry_after_ms,
            words,
        } => {
            let mut change = in_doubt(at, cause, &words, Some(retry_after_ms));
            // The mark of a create that was held up: see `doubt::refuted`.
            change.next.holds += 1;
            let retry_after_ms = Some(retry_after_ms);
            change
                .signal(Signal::Refused(Refusal::Throttled { retry_after_ms }))
                .done()
        }
    }
}

fn in_doubt(
    at: &Moment,
    unknown: Unknown,
    words: &ErrorDetail,
    retry_after_ms: Option<DurationMs>,
) -> Change {
    let cause = match unknown {
        Unknown::ServiceError => DoubtCause::ServiceError,
        Unknown::AnswerLost => DoubtCause::AnswerLost,
    };
    let event = JobEvent::InDoubt {
        cause: Some(cause.into()),
        answer: words.into(),
        retry_after_ms,
    };
    doubt::enter(at, at.change().error(words), cause).event(event)
}

/// The account was refused, by a create (with its ledger) or by the list before one.
pub(super) fn refused(
    at: &Moment,
    refusal: Refusal,
    words: ErrorDetail,
    ledger: Option<LedgerChange>,
) -> Transition {
    let mut change = at
        .change()
        .error(&words)
        .signal(Signal::Refused(refusal.clone()));
    change.ledger = ledger;
    let (reason, hint) = match refusal {
        Refusal::Unauthorized => (
            ParkReason::Unauthorized,
            "the API key is not accepted: correct it and restart; parked jobs then go on",
        ),
        Refusal::Credits => (ParkReason::Credits, NO_CREDITS),
        Refusal::AccountLimit => (
            ParkReason::Credits,
            "several jobs in a row were refused in these words, so they are taken to be about the \
             account: parserd tries one job at a time, and `parserd resume` makes it try at once. \
             Lift the limit with the service; if the jobs are at fault, correct or cancel them. \
             `parserd retry` tries the first ones again, which FAILED",
        ),
        Refusal::Throttled { retry_after_ms } => {
            let n = change.next.holds;
            // What the service asks for is about the account: the gate keeps it, and who
            // opens that brings the job on, too.
            change = change.queued(at.retry_at(n)).event(JobEvent::Throttled {
                answer: Answer {
                    http_status: words.status,
                    message: None,
                },
                retry_after_ms,
            });
            change.next.holds = n + 1;
            return change.done();
        }
    };
    let event = JobEvent::parked(reason, (&words).into());
    // Canaries are taken in this order: one that is refused again goes to the end.
    change.parked(reason, hint, at.now).event(event).done()
}
