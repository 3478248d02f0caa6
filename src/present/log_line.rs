//! PURE: lines of the log from the history: what happened, why, and what comes next.

mod grouping;

use std::collections::HashMap;

pub(crate) use self::grouping::Grouping;
use super::{format::grouped, narrate, notice};
use crate::{
    core::{
        event::{JobEvent, general::GeneralEvent},
        gate::GateReason,
        job::{DurationMs, ErrorKind, JobState, ParkReason},
        notice::NoticeType,
        outcome::is_refusal,
        quality::Quality,
        timestamp::iso,
    },
    store::{history::EventRow, notices::JobStanding},
};

/// How urgent a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// Only somebody who looks for it wants to know.
    Detail,
    /// All goes as it should.
    Info,
    /// Something failed or is held up; the rest goes on.
    Warning,
    /// It goes on only when a person has done something.
    NeedsPerson,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogLine {
    pub urgency: Urgency,
    /// What happened and why, in a sentence.
    pub text: String,
    /// What comes next, or what a person can do.
    pub next: Option<String>,
    pub fields: LogFields,
}

/// What a program reads in a line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LogFields {
    /// What happened, in one word.
    pub event: Option<String>,
    pub job: Option<i64>,
    pub name: Option<String>,
    /// How many jobs, where the line is of several.
    pub jobs: Option<i64>,
    /// Where the job stands after it.
    pub state: Option<&'static str>,
    /// The number of the request, counted from 1.
    pub attempt: Option<i64>,
    pub parser_id: Option<String>,
    /// Only a refusal: a generation that failed is reported with a 200.
    pub http_status: Option<u16>,
    pub park_reason: Option<&'static str>,
    pub error_kind: Option<&'static str>,
    pub error_message: Option<String>,
    pub quality: Option<&'static str>,
    pub reason: Option<String>,
    pub gate: Option<&'static str>,
    /// ISO 8601.
    pub next_probe_at: Option<String>,
    /// How long the parser was generated, or the batch took.
    pub elapsed_ms: Option<DurationMs>,
    pub figures: Figures,
}

impl LogFields {
    /// Only what a person needs beside the sentence.
    pub(crate) fn briefly(self) -> Self {
        Self {
            event: None,
            job: self.job,
            name: self.name,
            ..Self::default()
        }
    }
}

/// Figures of budget and batch, as their events have them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Figures {
    pub period: Option<&'static str>,
    pub spent: Option<i64>,
    pub limit: Option<i64>,
    pub share: Option<i64>,
    pub finished: Option<i64>,
    pub failed: Option<i64>,
    pub parked: Option<i64>,
    pub cancelled: Option<i64>,
    pub queued: Option<i64>,
    pub credits: Option<i64>,
}

/// What is known of jobs and queue when lines are written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    /// How the jobs of FAILED, FINISHED and PARKED lines stand by now.
    pub standings: HashMap<i64, JobStanding>,
    /// Jobs that are QUEUED or PARKED, where a gate closed.
    pub waiting: i64,
}

/// Whether the line of this event says how its job stands by now.
pub(crate) fn needs_standing(row: &EventRow) -> bool {
    matches!(row.event.event.as_str(), "failed" | "finished" | "parked")
}

/// The line of an event; none where a line of its own would say nothing: a thousand jobs of a file
/// are queued in one moment, and that has a line already.
pub(crate) fn line(row: &EventRow, around: &Surroundings) -> Option<LogLine> {
    let name = row.event.event.as_str();
    if name == "queued" {
        return None;
    }
    let mut fields = LogFields {
        event: Some(name.to_owned()),
        job: row.job_id,
        name: row.job_id.map(|_| row.name.clone()),
        ..LogFields::default()
    };
    let text = narrate::event(&row.event);
    let standing = row.job_id.and_then(|job| around.standings.get(&job));
    let (urgency, next) = if let Some(event) = JobEvent::from_columns(name, &row.event.detail) {
        of_job(&event, &mut fields);
        // It may have moved on since.
        if let Some(now) = standing.filter(|now| fields.state == Some(now.state.as_str())) {
            fields.parser_id.clone_from(&now.parser_id);
            if is_end_of_generation(&event) {
                fields.elapsed_ms = now.generation_ms;
            }
        }
        let job = row.job_id.unwrap_or_default();
        (urgency(&event), next_of_job(job, &event, standing))
    } else if let Some(event) = GeneralEvent::from_columns(name, &row.event.detail) {
        of_no_job(&event, around.waiting, &mut fields)
    } else {
        (Urgency::Info, None)
    };
    Some(LogLine {
        urgency,
        text,
        next,
        fields,
    })
}

impl LogLine {
    /// In words, for a person.
    pub(crate) fn words(&self) -> String {
        match &self.next {
            Some(next) => format!("{}; {next}", self.text),
            None => self.text.clone(),
        }
    }
}

fn urgency(event: &JobEvent) -> Urgency {
    match event {
        JobEvent::Parked {
            park_reason: ParkReason::Ambiguous,
            ..
        } => Urgency::NeedsPerson,
        JobEvent::Parked { .. }
        | JobEvent::Failed { .. }
        | JobEvent::Worse { .. }
        | JobEvent::UnknownStatus(_)
        | JobEvent::Judged {
            quality: Quality::Thin | Quality::Bad,
            ..
        } => Urgency::Warning,
        JobEvent::Judged {
            quality: Quality::Ok,
            ..
        } => Urgency::Detail,
        _ => Urgency::Info,
    }
}

/// What comes next, or what a person can do, where the sentence does not say so.
fn next_of_job(job: i64, event: &JobEvent, standing: Option<&JobStanding>) -> Option<String> {
    let next = |notice| notice::next(job, notice, standing);
    match event {
        JobEvent::Failed { .. } => Some(next(NoticeType::Failed)),
        JobEvent::Parked { .. } => Some(next(NoticeType::Parked)),
        JobEvent::Judged {
            quality: Quality::Thin | Quality::Bad,
            fails: false,
            ..
        } => Some(next(NoticeType::PoorResult)),
        JobEvent::InDoubt { .. } => Some(
            "parserd looks for it, and sends nothing again until the service has shown what \
             became of it"
                .to_owned(),
        ),
        JobEvent::UnknownStatus(_) => Some("parserd goes on polling".to_owned()),
        _ => None,
    }
}

fn of_job(event: &JobEvent, fields: &mut LogFields) {
    fields.state = state_after(event).map(JobState::as_str);
    fields.http_status = event
        .http_status()
        .filter(|status| is_refusal(i64::from(*status)));
    fields.error_message = event.message().map(str::to_owned);
    match event {
        JobEvent::Creating { attempt, .. } | JobEvent::Changing { attempt, .. } => {
            fields.attempt = Some(*attempt);
        }
        JobEvent::Created { parser_id, .. } | JobEvent::Adopted { parser_id, .. } => {
            fields.parser_id = Some(parser_id.0.clone());
        }
        JobEvent::InDoubt { cause, .. } => {
            fields.reason = cause.map(|cause| cause.as_str().to_owned());
        }
        JobEvent::Parked { park_reason, .. } => fields.park_reason = Some(park_reason.as_str()),
        JobEvent::Unparked { park_reason } => {
            fields.park_reason = park_reason.map(ParkReason::as_str);
        }
        JobEvent::Failed { error_kind, .. } => fields.error_kind = Some(error_kind.as_str()),
        JobEvent::Judged {
            quality, reason, ..
        } => {
            fields.quality = Some(quality.as_str());
            fields.reason.clone_from(reason);
        }
        JobEvent::Worse { reason, .. } => fields.reason.clone_from(reason),
        JobEvent::Escalated { why, .. } => fields.reason = Some(why.clone()),
        _ => {}
    }
}

const fn is_end_of_generation(event: &JobEvent) -> bool {
    matches!(
        event,
        JobEvent::Finished { .. }
            | JobEvent::Failed {
                error_kind: ErrorKind::GenerationFailed | ErrorKind::GenerationTimeout,
                ..
            }
    )
}

/// The state after an event, where the event alone tells it.
const fn state_after(event: &JobEvent) -> Option<JobState> {
    match event {
        JobEvent::Queued {}
        | JobEvent::NotMade { .. }
        | JobEvent::NotSent(_)
        | JobEvent::Throttled { .. }
        | JobEvent::Waiting(_)
        | JobEvent::Unparked { .. }
        | JobEvent::Requeued(_)
        | JobEvent::Escalated { .. } => Some(JobState::Queued),
        JobEvent::Creating { .. } | JobEvent::Changing { .. } | JobEvent::InDoubt { .. } => {
            Some(JobState::Creating)
        }
        JobEvent::Created { .. } => Some(JobState::Generating),
        JobEvent::Parked { .. } => Some(JobState::Parked),
        JobEvent::Cancelled(_) => Some(JobState::Cancelled),
        JobEvent::Finished { .. } | JobEvent::Deleted { .. } => Some(JobState::Finished),
        JobEvent::Failed { .. } => Some(JobState::Failed),
        JobEvent::Adopted { .. }
        | JobEvent::ChangeMade { .. }
        | JobEvent::Worse { .. }
        | JobEvent::Foreseen(_)
        | JobEvent::Pinned { .. }
        | JobEvent::Changed { .. }
        | JobEvent::UnknownStatus(_)
        | JobEvent::AwaitsExamples { .. }
        | JobEvent::Judged { .. } => None,
    }
}

fn of_no_job(
    event: &GeneralEvent,
    waiting: i64,
    fields: &mut LogFields,
) -> (Urgency, Option<String>) {
    let figures = &mut fields.figures;
    match event {
        GeneralEvent::GateClosed {
            scope,
            reason,
            next_probe_at,
            ..
        } => {
            fields.gate = Some(scope.as_str());
            fields.reason = Some(reason.as_str().to_owned());
            fields.next_probe_at = Some(iso(*next_probe_at));
            let next = format!("{}{}", notice::next_of_general(event), held(waiting));
            (urgency_of_closing(*reason), Some(next))
        }
        GeneralEvent::GateOpened { scope, reason, .. } => {
            fields.gate = Some(scope.as_str());
            fields.reason = Some(reason.as_str().to_owned());
            (Urgency::Info, None)
        }
        GeneralEvent::Budget80 {
            period,
            spent,
            limit,
            share,
        } => {
            figures.period = Some(period.as_str());
            figures.spent = Some(*spent);
            figures.limit = Some(*limit);
            figures.share = Some(*share);
            (Urgency::Warning, Some(notice::next_of_general(event)))
        }
        GeneralEvent::BudgetReset { period, limit } => {
            figures.period = Some(period.as_str());
            figures.limit = *limit;
            (Urgency::Info, None)
        }
        GeneralEvent::BatchDone {
            finished,
            failed,
            parked,
            cancelled,
            queued,
            credits,
            took_ms,
            started_at: _,
        } => {
            figures.finished = Some(*finished);
            figures.failed = Some(*failed);
            figures.parked = Some(*parked);
            figures.cancelled = Some(*cancelled);
            figures.queued = Some(*queued);
            figures.credits = Some(*credits);
            fields.elapsed_ms = Some(*took_ms);
            let is_all_well = *failed + *parked + *queued == 0;
            let next = (!is_all_well).then(|| notice::next_of_general(event));
            (Urgency::Info, next)
        }
    }
}

fn held(waiting: i64) -> String {
    match waiting {
        0 => String::new(),
        1 => "; 1 job waits".to_owned(),
        jobs => format!("; {} jobs wait", grouped(jobs)),
    }
}

/// Nobody can buy credits at night, and nothing is lost meanwhile; a key that is refused stops
/// everything.
const fn urgency_of_closing(reason: GateReason) -> Urgency {
    match reason {
        GateReason::Unauthorized => Urgency::NeedsPerson,
        GateReason::Credits | GateReason::Unreachable | GateReason::Throttled => Urgency::Warning,
    }
}

#[cfg(test)]
mod tests;
