//! The log's line for a change of a job.

use crate::core::{
    event::JobEvent,
    job::{Job, JobId, JobState, Progress, UnixMs},
    lifecycle::Change,
    outcome::is_refusal,
    quality::{Judgement, Quality},
};

/// The refusal that an answer brought, where one caused the event: what is stored may be
/// an earlier one, and a generation that failed is told of with a 200.
fn http_status(event: &JobEvent) -> Option<i64> {
    let status = event.http_status().map(i64::from);
    status.filter(|status| is_refusal(*status))
}

/// One line for each event that matters; a poll that brings nothing new has none.
pub(crate) fn log_change(job: &Job, change: &Change, now: UnixMs) {
    log_transition(job, change, now);
    if let Some(judgement) = &change.judgement {
        log_judgement(job.id, &job.name, Some(&change.next), judgement);
    }
}

/// What a parser was judged to be worth.
pub(crate) fn log_judgement(
    job: JobId,
    name: &str,
    next: Option<&Progress>,
    judgement: &Judgement,
) {
    let (quality, reason) = (judgement.quality.as_str(), judgement.reason.as_deref());
    let state = next.map(|next| next.state.as_str());
    let attempt = next.map(|next| next.attempts);
    match judgement.quality {
        Quality::Ok => tracing::info!(job = job.0, name, state, attempt, quality, reason, "judged"),
        Quality::Thin | Quality::Bad => {
            tracing::warn!(job = job.0, name, state, attempt, quality, reason, "judged")
        }
    }
}

fn log_transition(job: &Job, change: &Change, now: UnixMs) {
    let message = match &change.event {
        Some(event) => event.name(),
        // What was said by SQL has its line of history by the database.
        None if job.requested.retry => "requeued",
        None if job.requested.edit => "changed",
        None => return,
    };
    let http_status = change.event.as_ref().and_then(http_status);
    let next = &change.next;
    let parser_id = next.parser_id.as_ref().map(|id| id.0.as_str());
    // How long it was generated.
    let elapsed_ms = match (job.progress.state, next.state) {
        (JobState::Generating, JobState::Generating) => None,
        (JobState::Generating, _) => job.progress.generating_since.map(|since| now - since),
        _ => None,
    };
    match next.state {
        JobState::Failed | JobState::Parked => tracing::warn!(
            job = job.id.0, name = job.name, state = %next.state, parser_id,
            attempt = next.attempts, http_status, elapsed_ms,
            park_reason = next.park_reason.map(|r| r.as_str()),
            error_kind = next.error_kind.map(|k| k.as_str()),
            error_message = next.error_message.as_deref(), "{message}"
        ),
        JobState::Queued
        | JobState::Creating
        | JobState::Generating
        | JobState::Finished
        | JobState::Cancelled => tracing::info!(
            job = job.id.0, name = job.name, state = %next.state, parser_id,
            attempt = next.attempts, http_status, elapsed_ms,
            "{message}"
        ),
    }
}
