//! What an operator's word makes of a job.

use super::{Change, Moment, Transition};
use crate::core::{
    event::{JobEvent, Standing},
    job::{Doubt, ErrorKind, JobState, Requested},
};

/// `parserd retry` and `resume`, and the same on the page.
pub(super) fn retried(at: &Moment) -> Transition {
    let change = try_again(at, at.change(), false);
    change.event(JobEvent::Requeued(standing(at))).done()
}

/// `parserd cancel`, and the same on the page. A create in doubt stays on record.
pub(super) fn cancelled(at: &Moment) -> Transition {
    let mut change = at.change();
    change.next.state = JobState::Cancelled;
    change.next.park_reason = None;
    change.next.finished_at = Some(at.now);
    change.event(JobEvent::Cancelled(standing(at))).done()
}

/// What was said by SQL: the database has recorded it, with its line of history.
pub(super) fn taken_in(at: &Moment, requested: Requested) -> Transition {
    let mut change = at.change();
    if requested.retry {
        change = try_again(at, change, requested.edit);
    }
    if requested.edit {
        // What was found of the pages and parameters of before says nothing of these.
        change.next.preflight = None;
        change.next.effective_params = None;
        change.next.climbs = 0;
    }
    // One that is to adopt a parser stays so.
    if requested.edit && !at.job.is_adoption() {
        // Another specification is another job: it has no parser and no name yet.
        change.next.parser_id = None;
        change.next.parser_version = None;
        change.next.recreation = 0;
    }
    change.done()
}

fn standing(at: &Moment) -> Standing {
    let progress = &at.job.progress;
    Standing {
        by: "operator".to_owned(),
        from: progress.state,
        park_reason: progress.park_reason,
        error_kind: progress.error_kind,
        parser_id: progress.parser_id.clone(),
    }
}

/// A create in doubt is settled before anything is sent; a parser that may still finish is polled
/// again, not paid for again. Of one that is of no use the id is kept: it is asked for before
/// another is paid for. Where it `is_another` job by its specification, no parser is its own.
fn try_again(at: &Moment, mut change: Change, is_another: bool) -> Change {
    let before = &at.job.progress;
    let kind = before.error_kind;
    let may_finish = kind.is_some_and(ErrorKind::parser_may_finish) && !is_another;
    let is_lost = matches!(
        kind,
        Some(ErrorKind::GenerationFailed | ErrorKind::NotFound)
    );
    let next = &mut change.next;
    let is_open =
        before.state != JobState::Failed && (before.remote_name.is_some() || before.part.is_some());
    next.state = if before.doubt.is_some() && is_open {
        JobState::Creating
    } else if before.parser_id.is_some() && may_finish {
        JobState::Generating
    } else {
        JobState::Queued
    };
    next.due_at = match next.state {
        JobState::Queued => at.now.max(at.job.run_at.unwrap_or(at.now)),
        _ => at.now,
    };
    next.recreation += i64::from(before.parser_id.is_some() && is_lost);
    // Parameters that the ladder came to are kept: fewer were not enough.
    if kind.is_some() {
        next.climbs = 0;
    }
    next.generating_since = may_finish.then_some(at.now);
    next.generated_at = None;
    next.park_reason = None;
    next.finished_at = None;
    next.attempts = 0;
    next.holds = 0;
    next.polls = 0;
    next.poll_errors = 0;
    next.missing_lists = 0;
    next.doubt = before.doubt.map(Doubt::anew);
    next.candidates.clear();
    next.error_kind = None;
    next.error_status = None;
    next.error_message = None;
    next.error_hint = None;
    change
}
