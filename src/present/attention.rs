//! PURE: what needs a person, most urgent first, each in one sentence with what mends it.

use super::{
    format::{grouped, lasting, relative},
    remedies,
};
use crate::{
    core::{
        blind::NoListSince,
        budget::Budget,
        gate::{Closure, GateReason, Scope},
        job::{DurationMs, JobState, ParkReason, UnixMs},
    },
    present::format::span,
    store::report::Counts,
};

/// How the daemon's loop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loop {
    /// It comes round, or has only just begun.
    Runs,
    /// It was told to stop, and ends what is under way.
    Stops,
    /// It has not come round for so long.
    Stuck(DurationMs),
}

/// What to look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub counts: &'a Counts,
    pub gates: &'a [(Scope, Closure)],
    pub budget: &'a Budget,
    /// Where the account's list cannot be used, and that does not pass by itself.
    pub no_list: Option<&'a NoListSince>,
    pub daemon: Loop,
    pub now: UnixMs,
}

/// What a person can do about it at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mend {
    /// Nothing here: the words say what to do elsewhere.
    Elsewhere,
    /// Let parserd try again now, as `parserd resume` does.
    TryNow,
    /// Decide what becomes of each job in doubt.
    Decide,
}

/// One thing that needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attention {
    /// What is wrong, in a few words.
    pub headline: String,
    /// What it holds up.
    pub words: String,
    /// What to do, or what comes next.
    pub what_to_do: String,
    pub mend: Mend,
}

/// What needs a person, most urgent first. Each fact is in one of them only.
pub(crate) fn attention(facts: &Facts<'_>) -> Vec<Attention> {
    let mut found = Vec::new();
    found.extend(daemon(facts.daemon));
    found.extend(account(facts, ParkReason::Unauthorized));
    found.extend(facts.no_list.map(|no_list| list(no_list, facts.now)));
    found.extend(account(facts, ParkReason::Credits));
    found.extend(budget(facts));
    found.extend(in_doubt(facts.counts));
    found.extend(unreachable(facts));
    found
}

fn daemon(state: Loop) -> Option<Attention> {
    let of = |headline: &str, words: String, what_to_do: &str| Attention {
        headline: headline.to_owned(),
        words,
        what_to_do: what_to_do.to_owned(),
        mend: Mend::Elsewhere,
    };
    match state {
        Loop::Runs => None,
        Loop::Stops => Some(of(
            "parserd is stopping.",
            "It starts nothing more and ends what is under way.".to_owned(),
            "Start it again to go on: `parserd run`, or the service.",
        )),
        Loop::Stuck(ms) => Some(of(
            "parserd does not work.",
            format!("Its loop has not run for {}.", span(ms)),
            "Look at the log, and restart parserd.",
        )),
    }
}

/// `1 queued and 2 parked jobs`; none where there is none.
fn held(counts: &Counts, parked_for: ParkReason) -> Option<String> {
    let parked = counts.parked.get(&parked_for).copied().unwrap_or(0);
    let queued = counts.of(JobState::Queued);
    let jobs = |number: i64| if number == 1 { "job" } else { "jobs" };
    match (queued, parked) {
        (..=0, ..=0) => None,
        (_, ..=0) => Some(format!("{} queued {}", grouped(queued), jobs(queued))),
        (..=0, _) => Some(format!("{} parked {}", grouped(parked), jobs(parked))),
        _ => Some(format!(
            "{} queued and {} parked {}",
            grouped(queued),
            grouped(parked),
            jobs(parked)
        )),
    }
}

/// What the held jobs cost at the most.
fn needed(counts: &Counts, parked_for: ParkReason, budget: &Budget) -> i64 {
    let parked = counts.parked.get(&parked_for).copied().unwrap_or(0);
    (counts.of(JobState::Queued) + parked)
        .saturating_sub(counts.free)
        .max(0)
        .saturating_mul(budget.credits_per_create)
}

/// The gates that are closed for `reason`: since when, and when one request may try.
fn closed(gates: &[(Scope, Closure)], reason: GateReason) -> Option<(UnixMs, UnixMs)> {
    let closures = || {
        let closures = gates.iter().map(|(_, closure)| closure);
        closures.filter(|closure| closure.reason == reason)
    };
    let since = closures().map(|closure| closure.since).min()?;
    let probe = closures().map(|closure| closure.next_probe_at).min()?;
    Some((since, probe))
}

/// The service refuses the key, or says that the credits are exhausted.
fn account(facts: &Facts<'_>, reason: ParkReason) -> Option<Attention> {
    let (gate, headline) = match reason {
        ParkReason::Unauthorized => (GateReason::Unauthorized, "The API key is not accepted."),
        ParkReason::Credits => (GateReason::Credits, "Out of credits."),
        ParkReason::Budget | ParkReason::Ambiguous => return None,
    };
    let Some((since, probe)) = closed(facts.gates, gate) else {
        return parked(facts, reason);
    };
    let waiting = held(facts.counts, reason);
    let credits = needed(facts.counts, reason, facts.budget);
    let waiting = match waiting {
        None => "No job waits for it.".to_owned(),
        Some(jobs) if credits > 0 => {
            format!("{jobs} wait, and need up to {} credits.", grouped(credits))
        }
        Some(jobs) => format!("{jobs} wait."),
    };
    let lasting = lasting(since, facts.now);
    let check = format!(
        "parserd checks again {}.",
        relative(probe.max(facts.now), facts.now)
    );
    let (why, what_to_do) = match reason {
        ParkReason::Unauthorized => (
            format!("The service has answered 401 {lasting}, and nothing is sent."),
            format!(
                "Correct api.key or api.key_file (`parserd check` tests it) and restart parserd. \
                 {check}"
            ),
        ),
        _ => (
            format!("No parser has been created {lasting}."),
            format!("Add credits to the account. {check}"),
        ),
    };
    Some(Attention {
        headline: headline.to_owned(),
        words: format!("{why} {waiting}"),
        what_to_do,
        mend: Mend::TryNow,
    })
}

/// Jobs that are PARKED for `reason` while no gate is closed for it.
fn parked(facts: &Facts<'_>, reason: ParkReason) -> Option<Attention> {
    let rows = remedies::parked(facts.counts, facts.gates, facts.budget, facts.now);
    let row = rows
        .into_iter()
        .find(|row| row.reason == reason && row.jobs > 0)?;
    let jobs = if row.jobs == 1 { "job is" } else { "jobs are" };
    Some(Attention {
        headline: format!("{} {jobs} PARKED for {reason}.", grouped(row.jobs)),
        words: sentence(&row.why),
        what_to_do: sentence(&row.what_to_do),
        mend: Mend::TryNow,
    })
}

fn list(no_list: &NoListSince, now: UnixMs) -> Attention {
    Attention {
        headline: "The account's list is not available.".to_owned(),
        words: format!(
            "No create has been sent {}, for without it a parser could be paid for twice: HTTP {}, \
             {}.",
            lasting(no_list.since, now),
            no_list.http_status,
            no_list.why.trim_end_matches('.')
        ),
        what_to_do: "`parserd check` says what is missing.".to_owned(),
        mend: Mend::Elsewhere,
    }
}

fn budget(facts: &Facts<'_>) -> Option<Attention> {
    let over = facts.budget.admits(facts.now).err()?;
    let jobs = held(facts.counts, ParkReason::Budget)?;
    let credits = needed(facts.counts, ParkReason::Budget, facts.budget);
    if credits == 0 {
        return None;
    }
    let what_to_do = match over.until {
        Some(until) => format!(
            "parserd goes on by itself {}, on the next day (UTC). To go on sooner, raise \
             budget.max_credits_per_day and restart parserd.",
            relative(until, facts.now)
        ),
        None => "To go on, raise budget.max_credits and restart parserd.".to_owned(),
    };
    Some(Attention {
        headline: "The budget is reached.".to_owned(),
        words: format!(
            "{jobs} wait, and need up to {} credits: {}.",
            grouped(credits),
            over.message
        ),
        what_to_do,
        mend: Mend::Elsewhere,
    })
}

fn in_doubt(counts: &Counts) -> Option<Attention> {
    let jobs = counts.parked.get(&ParkReason::Ambiguous).copied();
    let jobs = jobs.filter(|jobs| *jobs > 0)?;
    let (needs, whose) = if jobs == 1 {
        ("job needs", "this job's")
    } else {
        ("jobs need", "each job's")
    };
    Some(Attention {
        headline: format!("{} {needs} your decision.", grouped(jobs)),
        words: format!(
            "It is not known which parser is {whose}, or whether an update took effect: nothing \
             is sent until you say so."
        ),
        what_to_do: "Look at what the account holds, and say which parser it is, or that nothing \
                     was made."
            .to_owned(),
        mend: Mend::Decide,
    })
}

fn unreachable(facts: &Facts<'_>) -> Option<Attention> {
    let (since, probe) = closed(facts.gates, GateReason::Unreachable)?;
    Some(Attention {
        headline: "The service cannot be reached.".to_owned(),
        words: format!("No connection has been made {}.", lasting(since, facts.now)),
        what_to_do: format!(
            "parserd tries again by itself {}. If it lasts, look at this machine's network and at \
             api.base_url.",
            relative(probe.max(facts.now), facts.now)
        ),
        mend: Mend::TryNow,
    })
}

/// A clause as a sentence of its own.
pub(crate) fn sentence(clause: &str) -> String {
    let mut chars = clause.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    let text = format!("{}{}", first.unwrap_or_default(), chars.as_str());
    // A command stands as it is typed; a name of parserd's as it is written.
    let text = if clause.starts_with("parserd") {
        clause.to_owned()
    } else {
        text
    };
    if text.ends_with(['.', '?']) {
        text
    } else {
        format!("{text}.")
    }
}

#[cfg(test)]
mod tests;
