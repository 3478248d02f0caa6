//! The front page: what is going on.

use axum::extract::State;
use maud::{Markup, html};

use super::{
    Notice, Visitor,
    layout::{self, badge, outside, when},
};
use crate::{
    core::{
        gate::{Closure, Scope},
        job::{DurationMs, JobState, UnixMs},
        timestamp::iso,
    },
    present::{
        foresight,
        format::{grouped, span},
        narrate, remedies,
    },
    store::{
        figures::FAILURES_LOOKED_AT, foresight::Foresight, history::EventRow, report::DoubtRow,
    },
    web::{
        Shared, Vitals,
        snapshot::{BatchProgress, Snapshot},
    },
};

/// How many creates in doubt are named, and how many events are shown.
const DOUBTS_SHOWN: i64 = 20;
const EVENTS_SHOWN: i64 = 12;

/// An estimate below this is not shown.
const SHORT_MS: DurationMs = 5_000;

/// The page.
pub(super) async fn page(State(vitals): State<Shared>, visitor: Visitor) -> Result<Markup, Notice> {
    let snapshot = vitals.looks.get().await?;
    let doubts = vitals.store.doubts(DOUBTS_SHOWN).await?;
    let events = vitals.store.latest_events(EVENTS_SHOWN).await?;
    let now = vitals.clock.now();
    let content = html! {
        h1 { "Overview" }
        (states(&snapshot))
        (batch(&snapshot.batch, &snapshot.gates))
        div.columns {
            (gates(&snapshot.gates, &visitor, now))
            (budget(&vitals, &snapshot, now))
        }
        (parked(&vitals, &snapshot, now))
        (oddities(&snapshot))
        (in_doubt(&doubts, now))
        (failures(&snapshot))
        (foreseen(&snapshot.foresight))
        (latest(&events, now))
        p.note { "As of " (iso(snapshot.at)) ". "
            @if let Some(at) = vitals.metrics.progressed_at() { "Last progress " (when(at, now)) "." }
            @else { "No progress since parserd started." }
        }
    };
    Ok(layout::page(&visitor, "Overview", true, &content))
}

fn states(snapshot: &Snapshot) -> Markup {
    html! {
        ul.tiles {
            @for state in JobState::ALL {
                li { a href={ "/jobs?state=" (state) } {
                    strong { (grouped(snapshot.counts.of(*state))) }
                    (badge(state.as_str()))
                } }
            }
        }
    }
}

fn batch(batch: &BatchProgress, gates: &[(Scope, Closure)]) -> Markup {
    let done = batch.total - batch.open;
    html! {
        section {
            h2 { "This batch" }
            @if batch.total == 0 {
                p { "No jobs yet: " code { "parserd enqueue FILE" } " adds some." }
            } @else {
                progress max=(batch.total) value=(done) { (done) " of " (batch.total) }
                p { strong { (grouped(done)) " of " (grouped(batch.total)) } " at their end. " (end(batch, gates)) }
            }
        }
    }
}

/// When it may be done, in words.
fn end(batch: &BatchProgress, gates: &[(Scope, Closure)]) -> String {
    let held = gates
        .iter()
        .find(|(_, closure)| !closure.reason.is_passing());
    let mut words = match (batch.open, held, batch.moving(), batch.left_ms) {
        (0, ..) => return "All are at rest.".to_owned(),
        (_, Some((_, closure)), ..) => format!("Held: the gate is closed ({}).", closure.reason),
        (_, None, ..=0, _) => "Nothing can be done at this moment.".to_owned(),
        (_, None, _, Some(..SHORT_MS)) => {
            "At the pace of the last half hour the rest takes a few seconds.".to_owned()
        }
        (_, None, _, Some(left_ms)) => format!(
            "At the pace of the last half hour the rest takes about {}.",
            span(left_ms)
        ),
        (_, None, _, None) => {
            "Too few jobs have ended recently to tell when the rest will be done.".to_owned()
        }
    };
    let later = ["waits", "wait"]
        .map(|verb| format!("{verb} for a later time (run_at, or a retry's pause)"));
    let parked = ["is PARKED", "are PARKED"].map(ToOwned::to_owned);
    for (jobs, [one, many]) in [(batch.later, later), (batch.parked, parked)] {
        let what = if jobs == 1 { one } else { many };
        if jobs > 0 {
            words.push_str(&format!(" {} more {what}.", grouped(jobs)));
        }
    }
    words
}

fn gates(gates: &[(Scope, Closure)], visitor: &Visitor, now: UnixMs) -> Markup {
    html! {
        section {
            h2 { "Gate" }
            @if gates.is_empty() { p { "Open: the service takes what is sent." } }
            @for (scope, closure) in gates {
                p.alert {
                    "Closed before "
                    @match scope { Scope::Create => "creates", Scope::Read => "polls and lists" }
                    ": " strong { (closure.reason) } ", since " (when(closure.since, now))
                    "; next probe " (when(closure.next_probe_at.max(now), now)) "."
                }
            }
            @if let (Some(session), false) = (&visitor.session, gates.is_empty()) {
                form method="post" action="/resume" {
                    input type="hidden" name="form_token" value=(session.form_token);
                    button { "Open it and resume" }
                }
            }
        }
    }
}

fn budget(vitals: &Vitals, snapshot: &Snapshot, now: UnixMs) -> Markup {
    let budget = vitals.budget.clone().having(snapshot.spent, now);
    let to_come = remedies::to_come(&snapshot.counts, &budget);
    let row = |what: &str, spent: i64, limit: Option<i64>| {
        html! {
            tr {
                th scope="row" { (what) }
                td.number { (grouped(spent)) }
                td {
                    @match limit {
                        Some(limit) => {
                            "of " (grouped(limit)) " "
                            meter min="0" max=(limit.max(1)) value=(spent.clamp(0, limit.max(1))) { (spent) }
                        }
                        None => "no limit",
                    }
                }
            }
        }
    };
    html! {
        section {
            h2 { "Credits" }
            table {
                (row("spent today (UTC)", budget.spent_today, budget.max_credits_per_day))
                (row("spent in total", budget.spent, budget.max_credits))
                tr { th scope="row" { "still to come, at most" } td.number { (grouped(to_come)) }
                    td { (grouped(budget.credits_per_create)) " a create" } }
            }
        }
    }
}

fn parked(vitals: &Vitals, snapshot: &Snapshot, now: UnixMs) -> Markup {
    let budget = vitals.budget.clone().having(snapshot.spent, now);
    let parked = remedies::parked(&snapshot.counts, &snapshot.gates, &budget, now);
    html! {
        @if !parked.is_empty() {
            section {
                h2 { "Parked" }
                @for row in &parked {
                    p { strong { (grouped(row.jobs)) " for " (row.reason) } ": " (row.why)
                        br; span.hint { (row.what_to_do) } }
                }
            }
        }
    }
}

fn oddities(snapshot: &Snapshot) -> Markup {
    let findings = snapshot.account.findings();
    html! {
        @if !findings.is_empty() {
            section {
                h2 { "The account" }
                @for finding in &findings {
                    p { (outside(&finding.cause)) br; span.hint { (finding.cure) } }
                }
            }
        }
    }
}

fn in_doubt(doubts: &[DoubtRow], now: UnixMs) -> Markup {
    html! {
        @if !doubts.is_empty() {
            section {
                h2 { "Creates in doubt" }
                ul.lines {
                    @for doubt in doubts {
                        li { (badge(&doubt.state)) " " a href={ "/jobs/" (doubt.id) } { (outside(&doubt.name)) }
                            @if let Some(since) = doubt.doubt_since { span.hint { " since " (when(since, now)) } }
                        }
                    }
                }
            }
        }
    }
}

fn failures(snapshot: &Snapshot) -> Markup {
    html! {
        @if !snapshot.failures.is_empty() {
            section {
                h2 { "Failures" }
                @if snapshot.counts.of(JobState::Failed) > FAILURES_LOOKED_AT {
                    p.note { "Of the newest " (grouped(FAILURES_LOOKED_AT)) "." }
                }
                ul.lines {
                    @for group in &snapshot.failures {
                        li { strong { (grouped(group.jobs)) } " " code { (outside(&group.kind)) } ", the newest is "
                            a href={ "/jobs/" (group.newest_id) } { (outside(&group.newest_name)) }
                            @if let Some(hint) = &group.hint { br; span.hint { (outside(hint)) } }
                        }
                    }
                }
            }
        }
    }
}

/// What was foreseen against what came of it.
fn foreseen(foresight: &Foresight) -> Markup {
    html! {
        @if !foresight.is_empty() {
            section {
                h2 { "Preflight" }
                table {
                    @for (jobs, what) in foresight::table(foresight) {
                        tr { th scope="row" { (what) } td.number { (grouped(jobs)) } }
                    }
                }
            }
        }
    }
}

fn latest(events: &[EventRow], now: UnixMs) -> Markup {
    html! {
        @if !events.is_empty() {
            section {
                h2 { "What happened last" }
                ul.lines {
                    @for row in events {
                        li { span.hint { (when(row.event.at, now)) } " "
                            @if let Some(id) = row.job_id { a href={ "/jobs/" (id) } { (outside(&row.name)) } ": " }
                            (outside(&narrate::event(&row.event))) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::gate::GateReason;

    #[test]
    fn the_end_is_told_as_far_as_it_is_known() {
        let closed = |reason| {
            let closure = Closure {
                reason,
                since: 0,
                next_probe_at: 0,
                interval_ms: 0,
            };
            vec![(Scope::Create, closure)]
        };
        for ((open, later, parked), left_ms, gates, words) in [
            ((0, 0, 0), None, vec![], "at rest"),
            ((5, 0, 0), Some(90_000), vec![], "about 1 min 30 s"),
            ((5, 0, 0), Some(0), vec![], "takes a few seconds"),
            ((5, 0, 0), None, vec![], "Too few jobs have ended"),
            ((5, 0, 0), Some(90_000), closed(GateReason::Credits), "Held"),
            (
                (5, 0, 0),
                Some(90_000),
                closed(GateReason::Throttled),
                "about 1 min",
            ),
            (
                (5, 3, 0),
                Some(90_000),
                vec![],
                "about 1 min 30 s. 3 more wait for a later time",
            ),
            (
                (5, 5, 0),
                None,
                vec![],
                "Nothing can be done at this moment",
            ),
            ((5, 0, 5), Some(0), vec![], "5 more are PARKED"),
        ] {
            let batch = BatchProgress {
                total: 9,
                open,
                later,
                parked,
                left_ms,
            };
            let said = end(&batch, &gates);
            assert!(said.contains(words), "{said}");
        }
    }
}
