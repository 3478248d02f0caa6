//! A create whose outcome is not known, until it is.

use super::{Change, Evidence, LedgerChange, Moment, TRUSTED_LISTS, Transition};
use crate::core::{
    backoff::Schedule,
    event::{AdoptedFrom, Answer, InDoubtCause, JobEvent, ToldBy},
    job::{Action, Doubt, DoubtCause, DurationMs, ErrorKind, ParkReason, ParserId, Part, UnixMs},
    outcome::ErrorDetail,
    rules::Rule,
};

/// How to settle what only a person can.
pub(super) const RESOLVE_HINT: &str = "`parserd resolve ID` lists the parsers that may be this \
    job's; then say `parserd resolve ID --adopt PARSER_ID`, or `--not-created` if none of them is";

/// The same of a request that changes or deletes a parser.
const RESOLVE_CHANGE_HINT: &str = "`parserd resolve ID` shows what the parser is like now and what \
    was wanted; then say `parserd resolve ID --adopt PARSER_ID` if it took effect, or \
    `--not-created` if it made nothing";

/// How many settling times the lists may stay untrusted before a person is asked.
pub(super) const UNTRUSTED_SETTLING_TIMES: i64 = 4;

/// How many ids a message names.
const MOST_TOLD: usize = 5;

/// The longest pause between two lists while a create is in doubt.
const MAX_LOOK_INTERVAL_MS: DurationMs = 300_000;

/// How long a create must stay absent, or a parser as it was, before that counts as not made. How
/// soon new parsers are listed says nothing of how soon a new version is: a change that is paid for
/// has all the time (seed 101084).
fn settling_time_ms(at: &Moment, cause: DoubtCause) -> DurationMs {
    let policy = at.policy;
    if !policy.rules.keep(Rule::SettlingTime) {
        return 0;
    }
    match cause {
        DoubtCause::ServiceError if at.job.progress.part != Some(Part::Paid) => {
            policy.settle_after_error_ms
        }
        DoubtCause::ServiceError | DoubtCause::AnswerLost | DoubtCause::Interrupted => {
            policy.settle_ms
        }
    }
}

/// The pause before the next list: growing, and short enough for three lists in
/// one settling time.
///
/// It grows with each trusted list; see [`rescan`] for the others.
fn look_interval_ms(at: &Moment, cause: DoubtCause, lists: i64) -> DurationMs {
    let settle_ms = settling_time_ms(at, cause);
    Schedule {
        initial_interval_ms: settle_ms / 30,
        multiplier: 1.5,
        max_interval_ms: (settle_ms / TRUSTED_LISTS).clamp(1, MAX_LOOK_INTERVAL_MS),
    }
    .delay_ms(lists, at.jitter)
}

/// Puts a change in doubt; the first list is due soon.
pub(super) fn enter(at: &Moment, mut change: Change, cause: DoubtCause) -> Change {
    change.next.doubt = Some(Doubt::new(cause, at.now));
    change.next.due_at = at.in_ms(look_interval_ms(at, cause, 0));
    change
}

/// A new process found the intent without an answer.
pub(super) fn interrupted(at: &Moment) -> Transition {
    let mut change = enter(at, at.change(), DoubtCause::Interrupted);
    change.next.due_at = at.now;
    change
        .event(JobEvent::in_doubt(InDoubtCause::Interrupted))
        .done()
}

/// Whoever looks so much later than planned was frozen, or held up by a gate.
const MUCH_LATER_MS: DurationMs = 600_000;

pub(super) fn reconciled(
    at: &Moment,
    doubt: Doubt,
    evidence: Evidence,
    listed_at: UnixMs,
) -> Transition {
    let doubt = doubt.skipping(unplanned_ms(at, listed_at));
    match evidence {
        Evidence::One(parser_id, version) => adopted(at, parser_id, version),
        Evidence::Several(ids) => {
            let why = format!(
                "{} parsers of the account have its name: {}",
                ids.len(),
                first_ids(&ids)
            );
            ambiguous(at.change(), &why, ids)
        }
        // Asked for before the doubt began: it says nothing about it.
        Evidence::Absent | Evidence::Inconclusive(_) | Evidence::Suspects(..)
            if listed_at < doubt.since =>
        {
            rescan(at, doubt.skipping(looked_ms(at, listed_at)))
        }
        Evidence::Absent => absent(at, doubt, listed_at),
        Evidence::Suspects(ids, why) => {
            let why = format!(
                "it may have made one of these parsers: {} ({why})",
                first_ids(&ids)
            );
            let doubt = doubt.without_absences();
            // They will not go away by themselves.
            inconclusive(at, doubt, listed_at, at.policy.settle_ms, &why, ids)
        }
        Evidence::Inconclusive(why) => {
            let patience_ms = at.policy.settle_ms.saturating_mul(UNTRUSTED_SETTLING_TIMES);
            let why = format!("no list that can be trusted: {why}");
            // The lists before may have been as partial, and only seemed whole (seed 558058).
            let doubt = doubt.without_absences();
            inconclusive(at, doubt, listed_at, patience_ms, &why, Vec::new())
        }
        Evidence::NoList => rescan(at, doubt.skipping(looked_ms(at, listed_at))),
    }
}

/// How much later than planned this look came. Frozen or suspended, neither parserd nor
/// what it sent went on: that time proves nothing. Where it was frozen for long, so may it have
/// been for all of the pause that was planned (seed 741301).
pub(super) fn unplanned_ms(at: &Moment, listed_at: UnixMs) -> DurationMs {
    if !at.policy.rules.keep(Rule::FrozenTime) {
        return 0;
    }
    let late_ms = listed_at.saturating_sub(at.job.progress.due_at).max(0);
    if late_ms > MUCH_LATER_MS {
        late_ms.saturating_add(MAX_LOOK_INTERVAL_MS)
    } else {
        late_ms
    }
}

/// How long the look itself took, which proves nothing either: it, too, may have been frozen.
pub(super) fn looked_ms(at: &Moment, listed_at: UnixMs) -> DurationMs {
    if !at.policy.rules.keep(Rule::FrozenTime) {
        return 0;
    }
    at.now.saturating_sub(listed_at).max(0)
}

/// One more answer without what is looked for. It does not end the time without trust: only a
/// whole settling time of such answers does, or lists that come and go would never bring a person in.
pub(super) fn absent(at: &Moment, doubt: Doubt, listed_at: UnixMs) -> Transition {
    // A clock that stepped back starts the settling time anew.
    let absent_since = doubt.absent_since.unwrap_or(listed_at).min(listed_at);
    let doubt = Doubt {
        absent_since: Some(absent_since),
        absent_lists: doubt.absent_lists + 1,
        ..doubt
    };
    let settle_ms = settling_time_ms(at, doubt.cause);
    if doubt.absent_lists >= TRUSTED_LISTS && listed_at - absent_since >= settle_ms {
        return refuted(at, doubt);
    }
    let looked_ms = looked_ms(at, listed_at);
    let doubt = doubt.skipping(looked_ms);
    let absent_since = absent_since.saturating_add(looked_ms);
    let mut change = at.change();
    change.next.doubt = Some(doubt);
    let look_ms = look_interval_ms(at, doubt.cause, doubt.absent_lists);
    let settled_at = absent_since.saturating_add(settle_ms);
    change.next.due_at = if settled_at > at.now {
        at.in_ms(look_ms).min(settled_at)
    } else {
        at.in_ms(look_ms)
    };
    change.done()
}

/// Nothing is proved: after `patience_ms` of that, a person is asked.
pub(super) fn inconclusive(
    at: &Moment,
    doubt: Doubt,
    listed_at: UnixMs,
    patience_ms: DurationMs,
    why: &str,
    candidates: Vec<ParserId>,
) -> Transition {
    let untrusted_since = doubt.untrusted_since.unwrap_or(listed_at).min(listed_at);
    if listed_at - untrusted_since >= patience_ms {
        let hint = match at.job.action {
            Action::Create => RESOLVE_HINT,
            Action::Update | Action::Delete => RESOLVE_CHANGE_HINT,
        };
        return ambiguous_with(at.change(), why, candidates, hint);
    }
    rescan(
        at,
        Doubt {
            untrusted_since: Some(untrusted_since),
            ..doubt
        }
        .skipping(looked_ms(at, listed_at)),
    )
}

/// This list said nothing. The pause grows with the age of the doubt, so that neither
/// an outage nor a partial list is met with a list a second for hours.
pub(super) fn rescan(at: &Moment, doubt: Doubt) -> Transition {
    let age_ms = at.now.saturating_sub(doubt.since).max(0);
    let look_ms = look_interval_ms(at, doubt.cause, doubt.absent_lists + 1);
    let mut change = at.change();
    change.next.doubt = Some(doubt);
    change.next.due_at = at.in_ms(look_ms.max((age_ms / 4).min(MAX_LOOK_INTERVAL_MS)));
    change.done()
}

/// It is known that the create made nothing: now, and only now, may another be sent.
pub(super) fn refuted(at: &Moment, doubt: Doubt) -> Transition {
    // Told to come back later, it was held up rather than tried.
    let is_held_up = at.job.progress.holds > 0;
    let counts = match doubt.cause {
        DoubtCause::ServiceError | DoubtCause::AnswerLost if is_held_up => 0,
        DoubtCause::ServiceError | DoubtCause::AnswerLost => 1,
        // Nobody saw it reach the service, or it was another job's.
        DoubtCause::Interrupted => 0,
    };
    let mut change = at.change().ledger(at.made_nothing());
    change.next.attempts += counts;
    let attempts = change.next.attempts;
    if attempts >= at.policy.max_attempts {
        let words = ErrorDetail {
            status: change.next.error_status,
            message: change
                .next
                .error_message
                .clone()
                .unwrap_or_else(|| "the answers to the requests were lost".to_owned()),
        };
        return change
            .failed(
                ErrorKind::ServerError,
                &words,
                match at.job.action {
                    Action::Create => {
                        "the service failed each time and made nothing: try other scraper_params, \
                         retry later, or contact its support"
                    }
                    Action::Update => {
                        "the service failed each time and changed nothing: retry later, or contact \
                         its support"
                    }
                    Action::Delete => {
                        "the service failed each time and the parser is still there: retry later, \
                         or contact its support"
                    }
                },
                at.now,
            )
            .done();
    }
    change
        .queued(at.retry_at((attempts - 1).max(at.job.progress.holds - 1).max(0)))
        .event(JobEvent::NotMade {
            from: None,
            attempts: Some(attempts),
            trusted_lists: Some(doubt.absent_lists),
        })
        .done()
}

fn adopted(at: &Moment, parser_id: ParserId, version: Option<i64>) -> Transition {
    let event = JobEvent::Adopted {
        parser_id: parser_id.clone(),
        from: AdoptedFrom::Reconciliation,
        version,
        remote_name: None,
        instead_of: None,
    };
    adopt(at, parser_id, version).event(event).done()
}

fn adopt(at: &Moment, parser_id: ParserId, version: Option<i64>) -> Change {
    at.change()
        .ledger(LedgerChange::Made(parser_id.clone()))
        .generating(parser_id, version, at.now)
}

/// Only a person can tell: the reason takes the place of the lost answer's, which stays
/// in the history.
pub(super) fn ambiguous(change: Change, why: &str, candidates: Vec<ParserId>) -> Transition {
    ambiguous_with(change, why, candidates, RESOLVE_HINT)
}

fn ambiguous_with(
    mut change: Change,
    why: &str,
    candidates: Vec<ParserId>,
    hint: &str,
) -> Transition {
    let event = JobEvent::Parked {
        park_reason: ParkReason::Ambiguous,
        answer: Answer::default(),
        why: Some(why.to_owned()),
        candidates: candidates.clone(),
    };
    change = change.error(&ErrorDetail {
        status: None,
        message: why.to_owned(),
    });
    change.next.candidates = candidates;
    change
        .parked(ParkReason::Ambiguous, hint, i64::MAX)
        .event(event)
        .done()
}

/// The first few ids, for a message.
pub(super) fn first_ids(ids: &[ParserId]) -> String {
    let mut told: Vec<_> = ids.iter().take(MOST_TOLD).map(|id| id.0.as_str()).collect();
    if ids.len() > MOST_TOLD {
        told.push("...");
    }
    told.join(", ")
}

/// The name that this parser bears may be any: with the one that was sent on record,
/// lists would seem to alter names and lose all trust.
pub(super) fn adopted_by_operator(at: &Moment, parser_id: ParserId) -> Transition {
    let event = JobEvent::Adopted {
        parser_id: parser_id.clone(),
        from: AdoptedFrom::Operator,
        version: None,
        remote_name: at.job.progress.remote_name.clone(),
        instead_of: None,
    };
    let mut change = adopt(at, parser_id, None).event(event);
    change.next.remote_name = None;
    change.done()
}

pub(super) fn refuted_by_operator(at: &Moment) -> Transition {
    let mut change = at.change().ledger(at.made_nothing());
    let candidates = std::mem::take(&mut change.next.candidates);
    if at.job.action == Action::Create {
        change.next.dismissed.extend(candidates);
        // Without a create in doubt it was parsers of the same name that were unclear:
        // the next create takes another name.
        if change.next.doubt.is_none() {
            change.next.recreation += 1;
        }
    }
    change
        .queued(at.now)
        .event(JobEvent::NotMade {
            from: Some(ToldBy::Operator),
            attempts: None,
            trusted_lists: None,
        })
        .done()
}
