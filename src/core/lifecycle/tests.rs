//! Tables: every state with every event, every row of the design's three tables.

mod after_get;
mod after_post;
mod before_post;
mod changes;
mod every_pair;
mod invariants;
mod ladder;
mod reconciling;
mod settling;

use super::*;
use crate::{
    api::classify::{Body, BodyEnd, RawAnswer, RawReply, TransportFault},
    core::{
        event::JobEvent,
        gate::Signal,
        job::{Doubt, DoubtCause, ErrorKind, JobId, Part, Progress, Requested},
        outcome::{DoubtCause as Unknown, Finished, ListedParser},
        preflight::{Foreseen, Verdict},
    },
};

/// 15 January 2027.
const NOW: UnixMs = 1_800_000_000_000;

const NAME: &str = "books_pd_abcdefgh";

fn policy() -> Policy {
    Policy {
        rules: Rules::KEPT,
        on_existing: OnExisting::Adopt,
        poll: Schedule {
            initial_interval_ms: 10_000,
            multiplier: 1.5,
            max_interval_ms: 30_000,
        },
        first_look_ms: None,
        poll_timeout_ms: 1_800_000,
        retry: Schedule {
            initial_interval_ms: 2_000,
            multiplier: 2.0,
            max_interval_ms: 300_000,
        },
        max_attempts: 5,
        settle_ms: 900_000,
        settle_after_error_ms: 30_000,
        quality_gate: QualityGate::Report,
        min_fill: 0.5,
        ladder: None,
    }
}

const LADDER: Ladder = Ladder {
    max_creates_per_job: 2,
    max_credits_per_day: None,
    credits_per_create: 30_000,
};

fn id(text: &str) -> ParserId {
    ParserId(text.to_owned())
}

fn words(status: Option<u16>) -> ErrorDetail {
    ErrorDetail {
        status,
        message: "the words".to_owned(),
    }
}

fn job(progress: Progress) -> Job {
    Job {
        id: JobId(1),
        name: "books".to_owned(),
        action: Action::Create,
        revision: 3,
        run_at: None,
        requested: Requested::default(),
        progress,
    }
}

fn queued() -> Job {
    job(Progress::queued(NOW))
}

fn creating() -> Job {
    job(Progress {
        state: JobState::Creating,
        remote_name: Some(NAME.to_owned()),
        creates: 1,
        ..Progress::queued(NOW)
    })
}

fn in_doubt(cause: DoubtCause) -> Job {
    let mut job = creating();
    job.progress.doubt = Some(Doubt::new(cause, NOW));
    job
}

fn generating() -> Job {
    job(Progress {
        state: JobState::Generating,
        parser_id: Some(id("p1")),
        parser_version: Some(0),
        generating_since: Some(NOW),
        ..creating().progress
    })
}

fn parked(reason: ParkReason) -> Job {
    job(Progress {
        state: JobState::Parked,
        park_reason: Some(reason),
        due_at: i64::MAX,
        ..creating().progress
    })
}

fn parked_in_doubt() -> Job {
    let mut job = parked(ParkReason::Ambiguous);
    job.progress.doubt = Some(Doubt::new(DoubtCause::AnswerLost, NOW));
    job
}

fn finished() -> Job {
    job(Progress {
        state: JobState::Finished,
        finished_at: Some(NOW),
        ..generating().progress
    })
}

fn failed(kind: ErrorKind) -> Job {
    job(Progress {
        state: JobState::Failed,
        error_kind: Some(kind),
        error_hint: Some("a hint".to_owned()),
        finished_at: Some(NOW),
        ..generating().progress
    })
}

fn cancelled() -> Job {
    job(Progress {
        state: JobState::Cancelled,
        finished_at: Some(NOW),
        ..Progress::queued(NOW)
    })
}

fn listed_parser(parser_id: &str, failed: bool) -> ListedParser {
    ListedParser {
        id: id(parser_id),
        name: NAME.to_owned(),
        version: None,
        failed,
        settled: failed,
    }
}

fn several(ids: &[&str]) -> Presence {
    Presence::Several(ids.iter().map(|id| listed_parser(id, false)).collect())
}

fn listed(presence: Presence) -> Event {
    Event::Listed {
        presence,
        remote_name: NAME.to_owned(),
        recreation: 0,
    }
}

fn reconciled(evidence: Evidence, listed_at: UnixMs) -> Event {
    Event::Reconciled {
        evidence,
        listed_at,
    }
}

/// What was found of a create.
fn found(verdict: Verdict) -> Foreseen {
    Foreseen {
        verdict,
        page: Some("https://a.example/1".to_owned()),
        seen: Some("it was answered 404".to_owned()),
        cure: Some("take that page out of urls, or correct it".to_owned()),
        set: None,
        credits: 2,
    }
}

fn inconclusive() -> Evidence {
    Evidence::Inconclusive("it is paged".to_owned())
}

/// What becomes of `job` at `at`, without jitter.
fn decided(job: &Job, event: Event, at: UnixMs) -> Transition {
    decide(job, event, &policy(), at, 0.0)
}

/// The change that the event brings about.
fn change(job: &Job, event: Event, at: UnixMs) -> Change {
    match decided(job, event, at) {
        Transition::Change(change) => *change,
        Transition::Ignored(why) => panic!("ignored: {why}"),
    }
}

/// Lets the event happen to the job; returns how long it then waits. Lists come when they
/// were planned.
fn handle_event(job: &mut Job, event: Event, at: UnixMs) -> DurationMs {
    if let Event::Reconciled { listed_at, .. } = &event {
        job.progress.due_at = *listed_at;
    }
    job.progress = change(job, event, at).next;
    job.progress.due_at.saturating_sub(at)
}

/// A transition in one line: `STATE reason-or-kind, ledger, signal`.
fn told(transition: &Transition) -> String {
    let change = match transition {
        Transition::Ignored(_) => return "ignored".to_owned(),
        Transition::Change(change) => change,
    };
    let next = &change.next;
    let mut line = next.state.to_string();
    if let Some(reason) = next.park_reason {
        line.push_str(&format!(" {reason}"));
    }
    if let Some(kind) = next.error_kind {
        line.push_str(&format!(" {kind}"));
    }
    if let Some(doubt) = next.doubt {
        line.push_str(&format!(" in doubt ({})", doubt.cause));
    }
    let ledger = match &change.ledger {
        None => "-".to_owned(),
        Some(LedgerChange::Intent) => "intent".to_owned(),
        Some(LedgerChange::Made(parser_id)) => format!("made {parser_id}"),
        Some(LedgerChange::NotMade) => "not made".to_owned(),
        Some(LedgerChange::ChangeIntent) => "change intent".to_owned(),
        Some(LedgerChange::Changed(version)) => format!("changed {version:?}"),
        Some(LedgerChange::NotChanged) => "not changed".to_owned(),
    };
    let signal = match &change.signal {
        None => "-",
        Some(Signal::Accepted) => "accepted",
        Some(Signal::Answered) => "answered",
        Some(Signal::NotConnected) => "not connected",
        Some(Signal::Refused(Refusal::Unauthorized)) => "unauthorized",
        Some(Signal::Refused(Refusal::Credits)) => "credits",
        Some(Signal::Refused(Refusal::AccountLimit)) => "account limit",
        Some(Signal::Refused(Refusal::Throttled { .. })) => "throttled",
    };
    format!("{line}, {ledger}, {signal}")
}

fn ended(status: u16, body: &str, end: BodyEnd) -> RawReply {
    Ok(RawAnswer {
        status,
        retry_after: None,
        body: Body {
            bytes: body.as_bytes().to_vec(),
            end,
        },
    })
}

fn http(status: u16, body: &str) -> RawReply {
    ended(status, body, BodyEnd::Complete)
}

fn http_later(status: u16, retry_after: &str) -> RawReply {
    http(status, "").map(|answer| RawAnswer {
        retry_after: Some(retry_after.to_owned()),
        ..answer
    })
}

fn cut(status: u16, body: &str) -> RawReply {
    ended(status, body, BodyEnd::Cut("connection reset".to_owned()))
}

fn connection_refused() -> RawReply {
    Err(TransportFault::NotConnected("refused".to_owned()))
}

fn connection_reset() -> RawReply {
    Err(TransportFault::Broken("reset".to_owned()))
}

fn timed_out() -> RawReply {
    Err(TransportFault::TimedOut("75 s".to_owned()))
}
