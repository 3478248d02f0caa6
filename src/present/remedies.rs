//! PURE: why a job waits or has ended, and what a person can do about it.

use serde::Serialize;

use super::{format::relative, price::Price};
use crate::{
    core::{
        budget::Budget,
        gate::{Closure, GateReason, Scope},
        job::{Action, Job, JobState, ParkReason, UnixMs},
    },
    store::report::{Counts, JobRow},
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Parked {
    pub reason: ParkReason,
    pub jobs: i64,
    pub why: String,
    pub what_to_do: String,
}

/// What is PARKED, why, and what to do about it.
pub(crate) fn parked(
    counts: &Counts,
    gates: &[(Scope, Closure)],
    budget: &Budget,
    now: UnixMs,
) -> Vec<Parked> {
    let probe = gates.iter().map(|(_, closure)| closure.next_probe_at).min();
    let probe = probe.map_or_else(String::new, |at| format!(" ({})", relative(at, now)));
    let text = |reason: ParkReason| -> (String, String) {
        match reason {
            ParkReason::Credits => (
                "the service says that the credits are exhausted (402 or 403), or refuses job after \
                 job in the same words: `parserd jobs --state PARKED` shows them"
                    .to_owned(),
                format!(
                    "add credits; parserd probes by itself{probe}, `parserd resume` makes it try at once"
                ),
            ),
            ParkReason::Unauthorized => (
                "the service does not accept the API key (401)".to_owned(),
                "correct api.key or api.key_file, see `parserd check`, and restart parserd"
                    .to_owned(),
            ),
            ParkReason::Budget => match budget.admits(now) {
                Ok(()) => (
                    "the budget had no room for one more create".to_owned(),
                    "nothing: the budget has room again, and parserd goes on by itself".to_owned(),
                ),
                Err(over) if over.until.is_some() => (
                    over.message,
                    "wait for the next day (UTC), or raise the limit and restart parserd"
                        .to_owned(),
                ),
                Err(over) => (over.message, "nothing goes on without it".to_owned()),
            },
            ParkReason::Ambiguous => (
                "it is not known which parser of the account is the job's, or whether an update took \
                 effect: you decide"
                    .to_owned(),
                "look at the account's parsers (`parserd resolve ID`), then `parserd resolve ID --adopt PARSER_ID` or \
                 `parserd resolve ID --not-created`"
                    .to_owned(),
            ),
        }
    };
    let row = |(reason, jobs): (&ParkReason, &i64)| {
        let (why, what_to_do) = text(*reason);
        Parked {
            reason: *reason,
            jobs: *jobs,
            why,
            what_to_do,
        }
    };
    counts.parked.iter().map(row).collect()
}

/// What mends a closed gate, or what becomes of it without.
pub(crate) const fn of_gate(reason: GateReason) -> &'static str {
    match reason {
        GateReason::Credits => {
            "add credits to the account: parserd goes on by itself then, and at once with \
             `parserd resume`"
        }
        GateReason::Unauthorized => {
            "correct api.key or api.key_file (`parserd check` tests it), and restart parserd"
        }
        GateReason::Unreachable => {
            "parserd goes on by itself as soon as the service can be reached; if this lasts, look \
             at this machine's network and at api.base_url"
        }
        GateReason::Throttled => "parserd goes on by itself",
    }
}

/// What the creates and updates of QUEUED and PARKED jobs cost at the most.
pub(crate) fn to_come(counts: &Counts, budget: &Budget) -> i64 {
    i64::saturating_add(counts.of(JobState::Queued), counts.of(JobState::Parked))
        .saturating_sub(counts.free)
        .saturating_mul(budget.credits_per_create)
}

/// What a person can do about the job, and what that costs.
pub(crate) fn what_to_do(row: &JobRow, job: &Job, budget: &Budget, now: UnixMs) -> String {
    let due = relative(row.due_at.max(now), now);
    let id = row.id;
    let hint = row.error_hint.clone().unwrap_or_default();
    match job.progress.state {
        JobState::Queued if row.due_at > now => format!("nothing: its turn comes {due}"),
        JobState::Queued => "nothing: it waits for its turn".to_owned(),
        JobState::Creating if job.progress.doubt.is_some() && row.is_change() => format!(
            "nothing: whether the request took effect is in doubt, and the parser is looked at \
             {due}; to settle it sooner: `parserd resolve {id}` shows what it is like now"
        ),
        JobState::Creating if row.is_change() => "nothing: the request is under way".to_owned(),
        JobState::Creating if job.progress.doubt.is_some() => format!(
            "nothing: whether the create made a parser is in doubt, and the account's list is \
             looked at {due}; to settle it sooner: `parserd resolve {id}` lists the parsers that \
             may be its own"
        ),
        JobState::Creating => "nothing: the create is under way".to_owned(),
        JobState::Generating => format!("nothing: it is being generated, the next poll is {due}"),
        JobState::Finished if job.action == Action::Delete => {
            "nothing: the parser is deleted".to_owned()
        }
        JobState::Finished => "nothing: the parser is ready".to_owned(),
        JobState::Cancelled if job.progress.doubt.is_some() && row.is_change() => {
            "nothing: it was cancelled with a request in doubt, which counts as spent".to_owned()
        }
        JobState::Cancelled if job.progress.doubt.is_some() => format!(
            "it was cancelled with a create in doubt, which counts as spent: `parserd resolve \
             {id}` looks for what was made, and the same job enqueued again takes it for nothing"
        ),
        JobState::Cancelled => "nothing: it was cancelled".to_owned(),
        JobState::Parked => hint.replace("resolve ID", &format!("resolve {id}")),
        JobState::Failed => {
            let price = Price::of_one(row, budget);
            format!("{hint}; `parserd retry {id}`: {price}")
        }
    }
}
