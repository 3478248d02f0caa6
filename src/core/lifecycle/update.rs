//! Jobs that change or delete a parser, from the first look at it to the last answer.

use super::{Change, LedgerChange, Moment, ParserChange, Transition, create, doubt};
use crate::core::{
    event::{Answer, JobEvent, ToldBy},
    gate::Signal,
    job::{Action, Doubt, ErrorKind, JobState, ParserId, Part, UnixMs},
    outcome::{ChangeOutcome, CreateOutcome, DoubtCause as Unknown, ErrorDetail},
    quality::Quality,
    rules::Rule,
    sighting::Sighting,
};

/// What a look at the parser before a request came to.
#[derive(Debug, Clone)]
pub enum Look {
    /// The next request may be sent.
    Ready {
        /// Which one.
        part: Part,
        /// The parser.
        parser_id: ParserId,
        /// The version that is changed, where it is known.
        version: Option<i64>,
    },
    /// Nothing is left to send.
    Done {
        /// The parser.
        parser_id: ParserId,
        /// Its version, where it is known.
        version: Option<i64>,
    },
    /// Somebody else changed it meanwhile: it is like this now, and parserd goes by that.
    Conflict {
        /// How that is known.
        why: String,
        /// The parser.
        parser_id: ParserId,
        /// Its version, where it is known.
        version: Option<i64>,
    },
    /// No parser of this name is on record any more.
    Gone {
        /// The one that had it last, if there was one.
        parser_id: Option<ParserId>,
        /// In words.
        words: ErrorDetail,
    },
    /// The service does not have it, or not at the moment.
    NotFound(ErrorDetail),
    /// It cannot be told now.
    Unclear(ErrorDetail),
}

/// What was seen of a parser while a request that changes it is in doubt.
#[derive(Debug, Clone)]
pub enum Sight {
    /// It was seen.
    Seen(Sighting),
    /// The service does not have it.
    Gone(ErrorDetail),
    /// There was no answer.
    Nothing,
}

/// What a person can do about a parser that another tool changed.
const CONFLICT: &str = "somebody else changed this parser: `parserd plan FILE` shows how it differs \
    from its job file now; `parserd retry` bases the change on that version, `parserd cancel` \
    cancels it";

/// The same for a delete.
const DELETE_CONFLICT: &str = "somebody else changed this parser: `parserd retry` deletes it as it is \
    now, `parserd cancel` leaves it as it is";

pub(super) fn looked(at: &Moment, look: Look) -> Transition {
    match look {
        Look::Ready {
            part,
            parser_id,
            version,
        } => intent(at, part, parser_id, version),
        Look::Done { parser_id, version } => {
            let mut change = at.change();
            if at.job.progress.attempts > 0 {
                // A request of this job that counted as lost was made after all, and is spent.
                change = change.ledger(LedgerChange::Changed(version));
            }
            change.next.parser_id = Some(parser_id);
            concluded(at, change, version).done()
        }
        Look::Conflict {
            why,
            parser_id,
            version,
        } => {
            let words = ErrorDetail {
                status: None,
                message: format!("conflict: {why}; nothing was sent"),
            };
            let hint = match at.job.action {
                Action::Delete => DELETE_CONFLICT,
                Action::Create | Action::Update => CONFLICT,
            };
            let mut change = at
                .change()
                .failed(ErrorKind::BadRequest, &words, hint, at.now);
            change.next.parser_id = Some(parser_id);
            change.parser = Some(ParserChange::Seen { version });
            change.done()
        }
        Look::Gone { parser_id, words } => {
            let mut change = at.change();
            change.next.parser_id = parser_id.or(change.next.parser_id);
            gone(at, change, &words)
        }
        Look::NotFound(words) => {
            let missing = at.job.progress.missing_lists + 1;
            if missing >= GONE_LOOKS {
                return gone(at, at.change(), &words);
            }
            let mut change = waiting(at, &words);
            change.next.missing_lists = missing;
            change.done()
        }
        Look::Unclear(words) => waiting(at, &words).done(),
    }
}

/// It is looked at again later.
fn waiting(at: &Moment, words: &ErrorDetail) -> Change {
    let mut change = at.change();
    if change.next.error_message.as_ref() != Some(&words.message) {
        change = change.error(words).event(JobEvent::Waiting(words.into()));
    }
    change.next.due_at = at.retry_at(change.next.holds);
    change.next.holds += 1;
    change
}

/// The intent: committed and synced before the first byte of the request.
fn intent(at: &Moment, part: Part, parser_id: ParserId, version: Option<i64>) -> Transition {
    let mut change = at.change().ledger(LedgerChange::ChangeIntent);
    change.next.state = JobState::Creating;
    change.next.missing_lists = 0;
    change.next.part = Some(part);
    change.next.parser_id = Some(parser_id);
    change.next.parser_version = version;
    let event = JobEvent::Changing {
        part,
        version,
        attempt: change.next.attempts + 1,
    };
    change.event(event).done()
}

pub(super) fn answered(at: &Moment, outcome: ChangeOutcome, is_last: bool) -> Transition {
    let part = at.job.progress.part.unwrap_or(Part::Paid);
    match outcome {
        // Which version it made is to be known: the next change is based on it.
        ChangeOutcome::Done { version: None } if part != Part::Delete => {
            let words = ErrorDetail {
                status: None,
                message: "the answer names no version".to_owned(),
            };
            create::answered(at, CreateOutcome::InDoubt(Unknown::AnswerLost, words))
        }
        ChangeOutcome::Done { version } => made(at, version, is_last),
        ChangeOutcome::NotFound(words) if part == Part::Delete => {
            let change = at
                .change()
                .ledger(LedgerChange::Changed(None))
                .signal(Signal::Answered);
            gone(at, change, &words)
        }
        ChangeOutcome::NotFound(words) => {
            let change = at
                .change()
                .ledger(LedgerChange::NotChanged)
                .signal(Signal::Answered);
            gone(at, change, &words)
        }
        ChangeOutcome::Rejected(words) => rejected(at, &words),
        ChangeOutcome::Refused(refusal, words) => {
            create::refused(at, refusal, words, Some(LedgerChange::NotChanged))
        }
        ChangeOutcome::NotSent(words) => not_sent(at, &words),
        ChangeOutcome::InDoubt(cause, words) => {
            create::answered(at, CreateOutcome::InDoubt(cause, words))
        }
        ChangeOutcome::Unavailable {
            cause,
            retry_after_ms,
            words,
        } => create::answered(
            at,
            CreateOutcome::Unavailable {
                cause,
                retry_after_ms,
                words,
            },
        ),
    }
}

/// The service refused the request, and it made nothing. Where it speaks of a conflict, or where one
/// before it was lost, the parser is looked at first: that one may have been made after all, another
/// tool may have done the same, or the service was only busy.
fn rejected(at: &Moment, words: &ErrorDetail) -> Transition {
    let mut change = at
        .change()
        .ledger(LedgerChange::NotChanged)
        .signal(Signal::Answered);
    let is_conflict = matches!(words.status, Some(409 | 412));
    let attempts = at.job.progress.attempts + 1;
    if (is_conflict || attempts > 1) && attempts < at.policy.max_attempts {
        change = change
            .error(words)
            .queued(at.retry_at(attempts - 1))
            .event(JobEvent::Waiting(words.into()));
        change.next.attempts = attempts;
        return change.done();
    }
    let hint = match (at.job.action, is_conflict) {
        (Action::Delete, true) => DELETE_CONFLICT,
        (Action::Delete, false) => {
            "the service refused to delete the parser: correct what its message says, then retry; \
             `parserd cancel` leaves the parser as it is"
        }
        (Action::Create | Action::Update, true) => CONFLICT,
        (Action::Create | Action::Update, false) => {
            "the service refused the change: correct it, which takes a new job, and cancel this one"
        }
    };
    change
        .failed(ErrorKind::BadRequest, words, hint, at.now)
        .done()
}

fn not_sent(at: &Moment, words: &ErrorDetail) -> Transition {
    let n = at.job.progress.holds;
    let mut change = at
        .change()
        .ledger(LedgerChange::NotChanged)
        .signal(Signal::NotConnected)
        .error(words)
        .queued(at.retry_at(n))
        .event(JobEvent::NotSent(Answer::said(&words.message)));
    change.next.holds = n + 1;
    change.done()
}

/// The request took effect: the next one, or the end.
fn made(at: &Moment, version: Option<i64>, is_last: bool) -> Transition {
    let part = at.job.progress.part.unwrap_or(Part::Paid);
    let signal = match part {
        // That it may be paid for is said by what costs alone.
        Part::Free | Part::Delete => Signal::Answered,
        Part::Paid => Signal::Accepted,
    };
    let mut change = at
        .change()
        .ledger(LedgerChange::Changed(version))
        .signal(signal);
    change.next.attempts = 0;
    change.next.holds = 0;
    change.next.missing_lists = 0;
    if part == Part::Free {
        // It took effect at once, whatever becomes of the rest.
        change.parser = Some(ParserChange::Applied { version });
    }
    if is_last {
        return concluded(at, change, version).done();
    }
    change.next.parser_version = version;
    change.next.part = Some(Part::Paid);
    change
        .queued(at.now)
        .event(change_made(part, version))
        .done()
}

/// Nothing is left to send: a parser that was deleted is gone, and one that was changed is asked
/// for until it is ready.
fn concluded(at: &Moment, mut change: Change, version: Option<i64>) -> Change {
    if at.job.action == Action::Delete {
        return deleted(at, change);
    }
    let Some(parser_id) = change.next.parser_id.clone() else {
        return change;
    };
    let part = change.next.part.unwrap_or(Part::Free);
    change = change.generating(parser_id, version, at.now);
    if part == Part::Paid {
        change.next.due_at = super::poll::next_look_at(at, 0, 0);
    }
    change.event(change_made(part, version))
}

const fn change_made(part: Part, version: Option<i64>) -> JobEvent {
    JobEvent::ChangeMade {
        part,
        version,
        from: None,
    }
}

fn deleted(at: &Moment, mut change: Change) -> Change {
    change.next.state = JobState::Finished;
    change.next.park_reason = None;
    change.next.doubt = None;
    change.next.error_status = None;
    change.next.error_message = None;
    change.next.error_hint = None;
    change.next.finished_at = Some(at.now);
    change.parser = Some(ParserChange::Deleted);
    change.event(JobEvent::Deleted { from: None })
}

/// The service does not have the parser: a delete has nothing left to do, and nothing can be
/// changed any more.
fn gone(at: &Moment, change: Change, words: &ErrorDetail) -> Transition {
    match at.job.action {
        Action::Delete if change.next.parser_id.is_some() => deleted(at, change).done(),
        Action::Create | Action::Update | Action::Delete => change
            .failed(
                ErrorKind::NotFound,
                words,
                "the parser is gone from the account: someone deleted it, and there is nothing \
                 to change",
                at.now,
            )
            .done(),
    }
}

/// How many answers in a row without the parser mean that it is gone, where a request is in doubt
/// and a settling time has passed too: a parser that was just changed may be missing for a while.
const GONE_ANSWERS: i64 = 3;

/// The same before anything was sent; by the usual pauses, of some two minutes.
const GONE_LOOKS: i64 = 7;

pub(super) fn sighted(
    at: &Moment,
    doubt: Doubt,
    sight: Sight,
    seen_at: UnixMs,
    is_last: bool,
) -> Transition {
    let doubt = doubt.skipping(doubt::unplanned_ms(at, seen_at));
    match sight {
        Sight::Gone(_) if at.job.action == Action::Delete => made(at, None, true),
        Sight::Gone(words) => {
            let since = doubt.untrusted_since.unwrap_or(seen_at).min(seen_at);
            let missing = at.job.progress.missing_lists + 1;
            if missing >= GONE_ANSWERS && seen_at - since >= at.policy.settle_ms {
                // Whether it was changed before nobody will know: it counts as spent.
                let change = at.change().ledger(LedgerChange::Changed(None));
                return gone(at, change, &words);
            }
            let doubt = Doubt {
                untrusted_since: Some(since),
                ..doubt
            };
            let again = doubt::rescan(at, doubt.skipping(doubt::looked_ms(at, seen_at)));
            missing_for(again, missing)
        }
        Sight::Seen(sighting) => missing_for(seen(at, doubt, sighting, seen_at, is_last), 0),
        Sight::Nothing => doubt::rescan(at, doubt.skipping(doubt::looked_ms(at, seen_at))),
    }
}

/// How many answers in a row were without the parser.
fn missing_for(mut transition: Transition, answers: i64) -> Transition {
    if let Transition::Change(change) = &mut transition {
        change.next.missing_lists = answers;
    }
    transition
}

fn seen(
    at: &Moment,
    doubt: Doubt,
    sighting: Sighting,
    seen_at: UnixMs,
    is_last: bool,
) -> Transition {
    match sighting {
        // The next change is based on the version that it made: a list may still name it.
        Sighting::AsWanted(None) if seen_at - doubt.since < at.policy.settle_ms => {
            doubt::rescan(at, doubt)
        }
        Sighting::AsWanted(version) => made(at, version, is_last),
        // Asked for before the doubt began: it says nothing about it.
        _ if seen_at < doubt.since => {
            doubt::rescan(at, doubt.skipping(doubt::looked_ms(at, seen_at)))
        }
        // To delete it once more is safe.
        Sighting::Unchanged(_) if at.job.action == Action::Delete => doubt::refuted(at, doubt),
        Sighting::Unchanged(_) if !at.policy.rules.keep(Rule::ChangeSettles) => {
            doubt::refuted(at, doubt)
        }
        Sighting::Unchanged(_) => {
            let doubt = Doubt {
                untrusted_since: None,
                ..doubt
            };
            doubt::absent(at, doubt, seen_at)
        }
        Sighting::Otherwise(why) => {
            let patience_ms = at.policy.settle_ms;
            let parked_or_later =
                doubt::inconclusive(at, doubt, seen_at, patience_ms, &why, candidates(at));
            told_meanwhile(at, parked_or_later, &why)
        }
        Sighting::Unclear(why) => {
            let patience_ms = at
                .policy
                .settle_ms
                .saturating_mul(doubt::UNTRUSTED_SETTLING_TIMES);
            doubt::inconclusive(at, doubt, seen_at, patience_ms, &why, candidates(at))
        }
    }
}

/// What looks like another tool's change is told when it is first seen. A person is asked later:
/// until the settling time is over the request may still land on top of it, and a new version may be
/// shown before its fields are.
fn told_meanwhile(at: &Moment, mut transition: Transition, why: &str) -> Transition {
    if let Transition::Change(change) = &mut transition
        && change.next.state == JobState::Creating
        && at.job.progress.error_message.as_deref() != Some(why)
    {
        change.next.error_status = None;
        change.next.error_message = Some(why.to_owned());
        change.event = Some(JobEvent::Waiting(Answer::said(why)));
    }
    transition
}

fn candidates(at: &Moment) -> Vec<ParserId> {
    at.job.progress.parser_id.iter().cloned().collect()
}

/// An operator says that the request took effect, whatever the parser is like now.
pub(super) fn made_by_operator(at: &Moment, version: Option<i64>, is_last: bool) -> Transition {
    let mut transition = made(at, version, is_last);
    let Transition::Change(change) = &mut transition else {
        return transition;
    };
    // Its fields are those that it has, and need not be those that were sent.
    if let Some(ParserChange::Applied { version }) = change.parser {
        change.parser = Some(ParserChange::Seen { version });
    }
    if let Some(JobEvent::ChangeMade { from, .. } | JobEvent::Deleted { from }) = &mut change.event
    {
        *from = Some(ToldBy::Operator);
    }
    transition
}

/// Whether a version is worth less than the one that is in use: of one that nobody judged nothing
/// is known, and one that is bad is worth less than that.
pub(super) const fn is_worse(new: Option<Quality>, before: Option<Quality>) -> bool {
    match (new, before) {
        (None | Some(Quality::Ok), _) | (Some(_), Some(Quality::Bad)) => false,
        (Some(Quality::Thin), Some(Quality::Ok)) => true,
        (Some(Quality::Thin), Some(Quality::Thin) | None) => false,
        (Some(Quality::Bad), Some(Quality::Ok | Quality::Thin) | None) => true,
    }
}
