//! The front page: what is going on.

use std::sync::atomic::Ordering;

use axum::extract::State;
use maud::{Markup, html};
use url::form_urlencoded;

use super::{
    Notice, Visitor, charts,
    layout::{self, badge, marked, moment, outside, when},
};
use crate::{
    core::{
        gate::{Closure, GateReason, Scope},
        job::{DurationMs, JobState, UnixMs},
    },
    engine::{daemon::heartbeat::stuck_ms, worker::Stop},
    present::{
        attention::{self, Attention, Loop, Mend},
        foresight,
        format::{grouped, rate, span},
        narrate, remedies,
    },
    store::{
        Facts as _, NO_LIST, figures::FAILURES_LOOKED_AT, figures::FailureGroup,
        foresight::Foresight, history::EventRow, report::DoubtRow,
    },
    web::{
        Shared, Vitals,
        snapshot::{BatchProgress, Snapshot, Trend},
    },
};

/// How many creates in doubt are named, and how many events are shown.
const DOUBTS_SHOWN: i64 = 20;
const EVENTS_SHOWN: i64 = 12;

/// So many characters of an error's message are shown.
const MESSAGE_CHARS: usize = 160;

/// An estimate below this is not shown.
const SHORT_MS: DurationMs = 5_000;

/// The states in the order of the bar: what is done, what is under way, what waits.
const BAR: [JobState; 7] = [
    JobState::Finished,
    JobState::Failed,
    JobState::Cancelled,
    JobState::Generating,
    JobState::Creating,
    JobState::Parked,
    JobState::Queued,
];

/// The page.
pub(super) async fn page(State(vitals): State<Shared>, visitor: Visitor) -> Result<Markup, Notice> {
    let snapshot = vitals.looks.get().await?;
    let trend = vitals.looks.trend(&snapshot).await?;
    let doubts = vitals.store.doubts(DOUBTS_SHOWN).await?;
    let events = vitals.store.latest_events(EVENTS_SHOWN).await?;
    let now = vitals.clock.now();
    let budget = vitals.budget.clone().having(snapshot.spent, now);
    let to_come = remedies::to_come(&snapshot.counts, &budget);
    let content = html! {
        h1 { "Overview" }
        @for one in needs(&vitals, &snapshot, now).await? { (banner(&one, &visitor, &doubts, now)) }
        (batch(&snapshot, &trend, now))
        div.charts {
            (charts::done(&trend, &snapshot.batch, now))
            (charts::generation(&trend))
            (charts::credits(&trend, &budget, to_come))
            (failures(&snapshot))
        }
        (oddities(&snapshot))
        (in_doubt(&doubts, now))
        (foreseen(&snapshot.foresight))
        (latest(&events, now))
        p.note { "Updated " (moment(snapshot.at)) ". Times are UTC. "
            @if let Some(at) = vitals.metrics.progressed_at() { "Last job changed " (when(at, now)) "." }
            @else { "No job changed since parserd started." }
        }
    };
    let title = match snapshot.batch.ended.failed {
        ..=0 => "Overview · parserd".to_owned(),
        failed => format!("({} failed) parserd", grouped(failed)),
    };
    Ok(layout::titled(&visitor, &title, true, &content))
}

/// What needs a person.
async fn needs(
    vitals: &Vitals,
    snapshot: &Snapshot,
    now: UnixMs,
) -> Result<Vec<Attention>, Notice> {
    let no_list = vitals.store.fact(NO_LIST).await?.flatten();
    let facts = attention::Facts {
        counts: &snapshot.counts,
        gates: &snapshot.gates,
        budget: &vitals.budget.clone().having(snapshot.spent, now),
        no_list: no_list.as_ref().filter(|no_list| !no_list.may_pass()),
        daemon: daemon_loop(
            vitals.heartbeat.load(Ordering::Relaxed),
            *vitals.stop.borrow(),
            now,
        ),
        now,
    };
    Ok(attention::attention(&facts))
}

/// How the daemon's loop is; one that has not come round yet has only just begun.
const fn daemon_loop(heartbeat: UnixMs, stop: Stop, now: UnixMs) -> Loop {
    match (stop, heartbeat, stuck_ms(heartbeat, now)) {
        (Stop::No, 1.., Some(ms)) => Loop::Stuck(ms),
        (Stop::No, ..) => Loop::Runs,
        _ => Loop::Stops,
    }
}

fn banner(one: &Attention, visitor: &Visitor, doubts: &[DoubtRow], now: UnixMs) -> Markup {
    html! {
        section.banner {
            div {
                p { strong { (one.headline) } " " (marked(&one.words)) }
                p.hint { (marked(&one.what_to_do)) }
                @if one.mend == Mend::Decide { (undecided(doubts, now)) }
            }
            @if one.mend == Mend::TryNow {
                @match &visitor.session {
                    Some(session) => form method="post" action="/resume" {
                        input type="hidden" name="form_token" value=(session.form_token);
                        button.go { "Try again now" }
                    },
                    None if visitor.may_sign_in => p { a href="/login" { "Sign in to try again now" } },
                    None => p.hint { "To try again now: " code { "parserd resume" } },
                }
            }
        }
    }
}

/// The jobs that a person decides on.
fn undecided(doubts: &[DoubtRow], now: UnixMs) -> Markup {
    html! {
        ul.lines {
            @for doubt in doubts.iter().filter(|doubt| is_parked(doubt)) {
                li { a href={ "/jobs/" (doubt.id) } { (outside(&doubt.name)) }
                    @if let Some(since) = doubt.doubt_since { span.hint { " since " (when(since, now)) } } }
            }
        }
        p { a href="/jobs?state=PARKED" { "All parked jobs" } }
    }
}

fn is_parked(doubt: &DoubtRow) -> bool {
    doubt.state == JobState::Parked.as_str()
}

fn batch(snapshot: &Snapshot, trend: &Trend, now: UnixMs) -> Markup {
    let batch = &snapshot.batch;
    let in_batch = |state| match state {
        JobState::Finished => batch.ended.finished,
        JobState::Failed => batch.ended.failed,
        JobState::Cancelled => batch.ended.cancelled,
        _ => snapshot.counts.of(state),
    };
    let parts = BAR.map(|state| (state, state.as_str().to_lowercase(), in_batch(state)));
    let drawn: Vec<_> = parts
        .iter()
        .map(|(_, class, jobs)| (class.as_str(), *jobs))
        .collect();
    let done = batch.ended.all();
    html! {
        section {
            h2 { "This batch" }
            @if parts.iter().all(|(_, _, jobs)| *jobs == 0) {
                @if snapshot.batch.newest_id == 0 {
                    p { "No jobs yet: " code { "parserd enqueue FILE" } " adds those of a file, " code { "enqueue.files" }
                        " in the configuration has files loaded at start, and any program may insert rows into the table "
                        code { "jobs" } "." }
                }
                @else { p { "No job was added or retried since all others ended." } }
            } @else {
                p { strong.big { (grouped(done)) " of " (grouped(batch.total)) " done" }
                    span.hint {
                        @if let Some(at) = trend.batch.began_at { ", begun " (when(at, now)) }
                        @if let Some((ended, took_ms)) = batch.pace { ", " (rate(ended, took_ms)) }
                    }
                }
                (charts::bar(&drawn))
            }
            @if snapshot.batch.newest_id > 0 { ul.key.states {
                @for (state, class, jobs) in &parts {
                    @let all = snapshot.counts.of(*state);
                    li.zero[*jobs == 0 && all == 0] { a href={ "/jobs?state=" (state) } {
                        span class={ "swatch " (class) } {}
                        strong { (grouped(*jobs)) } " " (state)
                        @if all > *jobs { span.hint { " of " (grouped(all)) " in all" } }
                    } }
                }
            } }
            @if batch.total > 0 { p { (end(batch, &snapshot.gates)) } }
        }
    }
}

/// When it may be done, in words.
fn end(batch: &BatchProgress, gates: &[(Scope, Closure)]) -> String {
    let held = gates
        .iter()
        .find(|(_, closure)| !closure.reason.is_passing());
    let mut words = match (batch.open, held, batch.moving(), batch.left_ms) {
        (0, ..) => return "Nothing is under way.".to_owned(),
        (_, Some(_), ..) => return "Paused: the top of the page says why.".to_owned(),
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
    let is_slowed = gates
        .iter()
        .any(|(_, closure)| closure.reason == GateReason::Throttled);
    if is_slowed {
        words.push_str(" The service asks parserd to slow down (429).");
    }
    for (jobs, [one, many]) in [(batch.later, later), (batch.parked, parked)] {
        let what = if jobs == 1 { one } else { many };
        if jobs > 0 {
            words.push_str(&format!(" {} more {what}.", grouped(jobs)));
        }
    }
    words
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

/// Creates in doubt that parserd settles by itself.
fn in_doubt(doubts: &[DoubtRow], now: UnixMs) -> Markup {
    let own: Vec<_> = doubts.iter().filter(|doubt| !is_parked(doubt)).collect();
    html! {
        @if !own.is_empty() {
            section {
                h2 { "Creates in doubt" }
                p.note { "Whether they made a parser is not known yet: parserd looks in the account's list, and sends nothing before." }
                ul.lines {
                    @for doubt in own {
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
    let failed = snapshot.counts.of(JobState::Failed);
    let is_whole = failed <= FAILURES_LOOKED_AT;
    html! {
        @if !snapshot.failures.is_empty() {
            section {
                h2 { "Failures by cause" }
                @if !is_whole {
                    p.note { "Of the newest " (grouped(FAILURES_LOOKED_AT)) "." }
                }
                ul.lines {
                    @for group in &snapshot.failures { (failure(group, &snapshot.failures, is_whole)) }
                }
            }
        }
    }
}

/// A group of failures. Its list has all of its kind, whatever their hint.
fn failure(group: &FailureGroup, groups: &[FailureGroup], is_whole: bool) -> Markup {
    let of_kind = groups.iter().filter(|other| other.kind == group.kind);
    let of_kind: i64 = of_kind.map(|other| other.jobs).sum();
    html! {
        li {
            strong { (grouped(group.jobs)) } " " code { (outside(&group.kind)) } ", the newest is "
            a href={ "/jobs/" (group.newest_id) } { (outside(&group.newest_name)) }
            @if let Some(message) = &group.newest_message { ": " (outside(&shortened(message))) }
            @if let Some(hint) = &group.hint { br; span.hint { (outside(hint)) } }
            br;
            span.actions {
                a href={ "/jobs?state=FAILED&error_kind=" (encoded(&group.kind)) } {
                    "Show all " @if is_whole { (grouped(of_kind)) " " } (outside(&group.kind))
                }
                a href={ "/jobs/" (group.newest_id) } { "Edit and retry " (outside(&group.newest_name)) }
            }
        }
    }
}

/// The beginning of a message: the whole is on the job's page.
fn shortened(message: &str) -> String {
    match message.char_indices().nth(MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

/// Text as a part of an address.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
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
    use crate::{core::progress::Mark, store::figures::EndedCounts};

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        let long = "ä".repeat(MESSAGE_CHARS);
        assert_eq!(shortened(&long), long);
        assert_eq!(shortened(&format!("{long}ä")), format!("{long}…"));
    }

    #[test]
    fn a_loop_that_has_not_begun_is_not_stuck() {
        for (heartbeat, stop, now, expected) in [
            (0, Stop::No, 90_000, Loop::Runs),
            (1, Stop::No, 90_001, Loop::Stuck(90_000)),
            (60_000, Stop::No, 90_000, Loop::Runs),
            (1, Stop::Drain, 90_001, Loop::Stops),
        ] {
            assert_eq!(daemon_loop(heartbeat, stop, now), expected);
        }
    }

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
            ((0, 0, 0), None, vec![], "under way"),
            ((5, 0, 0), Some(90_000), vec![], "about 1 min 30 s"),
            ((5, 0, 0), Some(0), vec![], "takes a few seconds"),
            ((5, 0, 0), None, vec![], "Too few jobs have ended"),
            (
                (5, 0, 0),
                Some(90_000),
                closed(GateReason::Credits),
                "Paused",
            ),
            (
                (5, 0, 0),
                Some(90_000),
                closed(GateReason::Throttled),
                "about 1 min 30 s. The service asks parserd to slow down",
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
                ended: EndedCounts::default(),
                after: Mark::default(),
                newest_id: 9,
                pace: None,
                left_ms,
            };
            let said = end(&batch, &gates);
            assert!(said.contains(words), "{said}");
        }
    }
}
