//! What becomes of a job that waited for something which is over, or that could never go on.

use super::{Change, LedgerChange, Moment, Transition};
use crate::core::{
    event::JobEvent,
    job::{Action, Doubt, ErrorKind, JobState},
    outcome::ErrorDetail,
};

/// A job that is PARKED for credits, the key or the budget waits for its turn again.
pub(super) fn lifted(at: &Moment) -> Transition {
    let due_at = at.now.max(at.job.run_at.unwrap_or(at.now));
    unparked(at).queued(due_at).done()
}

/// The create in doubt is looked for again. What lists of another account showed proves nothing.
pub(super) fn account_back(at: &Moment) -> Transition {
    let mut change = unparked(at);
    change.next.state = JobState::Creating;
    change.next.park_reason = None;
    change.next.doubt = change.next.doubt.map(Doubt::anew);
    change.next.due_at = at.now;
    change.done()
}

fn unparked(at: &Moment) -> Change {
    let park_reason = at.job.progress.park_reason;
    let mut change = at.change().event(JobEvent::Unparked { park_reason });
    change.next.error_status = None;
    change.next.error_message = None;
    change.next.error_hint = None;
    change
}

/// Of a parser that is known nobody can say that it will not finish: a retry polls it, and pays
/// nothing.
pub(super) fn broken(at: &Moment, how: &str) -> Transition {
    // Of a request whose outcome is lost nothing can be told any more: it counts as spent.
    let is_lost = at.job.action != Action::Create && at.job.progress.state == JobState::Creating;
    let kind = match at.job.progress.parser_id {
        Some(_) if is_lost => ErrorKind::BadRequest,
        Some(_) if at.job.action != Action::Delete => ErrorKind::GenerationTimeout,
        Some(_) | None => ErrorKind::BadRequest,
    };
    let words = ErrorDetail {
        status: None,
        message: format!("the row was changed past the database's rules: {how}"),
    };
    let hint = "`parserd retry` queues the job again, `parserd cancel` cancels it";
    let mut change = at.change().failed(kind, &words, hint, at.now);
    if is_lost {
        change = change.ledger(LedgerChange::Changed(None));
    }
    change.done()
}
