//! What is around the jobs: the daemon, what holds the QUEUED ones, failures, and what happened
//! last. With the lines that say it.

use serde::Serialize;

use super::text::{NOT_RUNNING, titled};
use crate::{
    cli::output::Columns,
    core::{
        budget::Budget,
        daemon_facts::DaemonFacts,
        gate::{Closure, GateReason, Scope},
        job::{JobState, UnixMs},
        text::escaped,
        timestamp::iso,
    },
    present::{
        format::{grouped, lasting, quoted, relative},
        narrate,
    },
    store::{Facts as _, RUNNING, Store, StoreError, has_daemon, report::Counts},
};

/// How many of the last events are shown.
const EVENTS_SHOWN: i64 = 5;

/// What the report has besides the jobs.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Around {
    /// The configuration file of this command; null where there is none.
    config: Option<String>,
    /// How the running daemon was started; null where none runs, or it did not say so.
    daemon: Option<DaemonFacts>,
    /// What holds the QUEUED jobs whose time has come.
    held: Option<Held>,
    /// QUEUED jobs whose time is to come: that of their `run_at`, or the end of a retry's pause.
    later: i64,
    failures: Vec<Failures>,
    /// The last ones, oldest first.
    events: Vec<LastEvent>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Held {
    jobs: i64,
    why: String,
}

/// FAILED jobs of one kind with one hint.
#[derive(Debug, Clone, Serialize)]
struct Failures {
    error_kind: String,
    error_hint: Option<String>,
    jobs: i64,
    newest: String,
}

#[derive(Debug, Clone, Serialize)]
struct LastEvent {
    at: UnixMs,
    job_id: Option<i64>,
    name: String,
    text: String,
}

/// What the running daemon said of itself, if one runs.
pub(super) async fn daemon(store: &Store) -> Result<Option<DaemonFacts>, StoreError> {
    match has_daemon(store.path()) {
        Some(true) => store.fact(RUNNING).await,
        _ => Ok(None),
    }
}

impl Around {
    pub(super) async fn look(
        store: &Store,
        config: Option<String>,
        daemon: Option<DaemonFacts>,
        held: (&Counts, &[(Scope, Closure)], &Budget),
        now: UnixMs,
    ) -> Result<Self, StoreError> {
        let mut reading = store.reading().await?;
        let failures = reading.failures().await?.into_iter();
        let later = reading.waiting_for_time(now).await?;
        reading.end().await?;
        let events = store.latest_events(EVENTS_SHOWN).await?.into_iter().rev();
        let (counts, gates, budget) = held;
        Ok(Self {
            config,
            daemon,
            held: holding(counts.of(JobState::Queued) - later, gates, budget, now),
            later,
            failures: failures
                .map(|group| Failures {
                    error_kind: group.kind,
                    error_hint: group.hint,
                    jobs: group.jobs,
                    newest: group.newest_name,
                })
                .collect(),
            events: events
                .map(|row| LastEvent {
                    at: row.event.at,
                    job_id: row.job_id,
                    text: narrate::event(&row.event),
                    name: row.name,
                })
                .collect(),
        })
    }

    pub(super) fn daemon_lines(&self, is_running: Option<bool>, now: UnixMs) -> Vec<String> {
        let config = |file: Option<&String>| {
            file.map_or_else(
                || "no file; the environment and the defaults".to_owned(),
                |path| escaped(path),
            )
        };
        let mut lines = Vec::new();
        match (&self.daemon, is_running) {
            (Some(daemon), _) => {
                let since = format!(
                    "{}, since {}",
                    lasting(daemon.since, now),
                    iso(daemon.since)
                );
                lines.push(format!("daemon    running {since}"));
                let page = daemon.page.as_deref();
                let page = page.map_or("none: http.listen is not set", |address| address);
                lines.push(format!("page      {}", escaped(page)));
                lines.push(format!("config    {}", config(daemon.config.as_ref())));
                if daemon.config != self.config {
                    let mine = config(self.config.as_ref());
                    lines.push(format!(
                        "          (of the daemon; this command has {mine})"
                    ));
                }
            }
            (None, is_running) => {
                let daemon = match is_running {
                    Some(true) => "running",
                    Some(false) => NOT_RUNNING,
                    None => "unknown",
                };
                lines.push(format!("daemon    {daemon}"));
                lines.push(format!("config    {}", config(self.config.as_ref())));
            }
        }
        lines
    }

    /// Why the QUEUED jobs wait, beside their count.
    pub(super) fn held_note(&self) -> Option<String> {
        let later = (self.later > 0).then(|| {
            let jobs = grouped(self.later);
            format!("{jobs} for a later time (run_at, or a retry's pause)")
        });
        let held = self.held.as_ref().map(|held| match later {
            // Else all of them are.
            Some(_) => format!("{} held: {}", grouped(held.jobs), held.why),
            None => format!("held: {}", held.why),
        });
        let notes: Vec<_> = held.into_iter().chain(later.clone()).collect();
        (!notes.is_empty()).then(|| notes.join("; "))
    }

    pub(super) fn failure_lines(&self) -> Vec<String> {
        let lines = self.failures.iter().flat_map(|group| {
            let line = format!(
                "  {} {}, the newest is {}",
                grouped(group.jobs),
                escaped(&group.error_kind),
                quoted(&group.newest)
            );
            let hint = group.error_hint.as_ref();
            [
                Some(line),
                hint.map(|hint| format!("    what to do: {}", escaped(hint))),
            ]
        });
        titled("Failures", lines.flatten().collect())
    }

    pub(super) fn event_lines(&self, now: UnixMs) -> Vec<String> {
        let mut columns = Columns::new(&[]);
        for event in &self.events {
            let at = format!("  {}", relative(event.at, now));
            columns.row([at, format!("{}: {}", event.name, event.text)]);
        }
        columns.keep_whole(&[0]);
        titled("What happened last", columns.lines())
    }
}

/// What keeps so many QUEUED jobs, whose time has come, from their creates.
fn holding(jobs: i64, gates: &[(Scope, Closure)], budget: &Budget, now: UnixMs) -> Option<Held> {
    if jobs <= 0 {
        return None;
    }
    // What lasts longest until a person acts comes first.
    let by_urgency = |reason: GateReason| match reason {
        GateReason::Unauthorized => 0,
        GateReason::Credits => 1,
        GateReason::Unreachable => 2,
        GateReason::Throttled => 3,
    };
    let gate = gates.iter().map(|(_, closure)| closure.reason);
    let why = match gate.min_by_key(|reason| by_urgency(*reason)) {
        Some(GateReason::Unauthorized) => "the API key is not accepted",
        Some(GateReason::Credits) => "out of credits",
        Some(GateReason::Unreachable) => "the service cannot be reached",
        Some(GateReason::Throttled) => "the service asked to slow down",
        None if budget.admits(now).is_err() => "the budget is used up",
        None => return None,
    };
    let why = why.to_owned();
    Some(Held { jobs, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_whose_time_is_to_come_are_not_held_before_it() {
        let around = |held: i64, later| Around {
            config: None,
            daemon: None,
            held: (held > 0).then(|| Held {
                jobs: held,
                why: "the budget is used up".to_owned(),
            }),
            later,
            failures: Vec::new(),
            events: Vec::new(),
        };
        let waits = "1 for a later time (run_at, or a retry's pause)";
        for (held, later, note) in [
            (0, 0, None),
            (2, 0, Some("held: the budget is used up".to_owned())),
            (0, 1, Some(waits.to_owned())),
            (
                2,
                1,
                Some(format!("2 held: the budget is used up; {waits}")),
            ),
        ] {
            assert_eq!(around(held, later).held_note(), note);
        }
    }

    #[test]
    fn queued_jobs_are_held_by_gates_and_budget_and_others_are_not() {
        let closed = |scope, reason| {
            let closure = Closure {
                reason,
                since: 0,
                next_probe_at: 5,
                interval_ms: 5,
            };
            (scope, closure)
        };
        let credits = closed(Scope::Create, GateReason::Credits);
        let key = closed(Scope::Read, GateReason::Unauthorized);
        for (queued, gates, spent, why) in [
            (0, vec![credits], 0, None),
            (7, vec![], 0, None),
            (7, vec![], 90_000, Some("the budget is used up")),
            (7, vec![credits], 90_000, Some("out of credits")),
            (
                7,
                vec![credits, key],
                0,
                Some("the API key is not accepted"),
            ),
        ] {
            let budget = Budget {
                credits_per_create: 30_000,
                max_credits_per_day: None,
                max_credits: Some(100_000),
                spent,
                spent_today: 0,
                spent_later: 0,
                day: 0,
            };
            let held = holding(queued, &gates, &budget, 0);
            let expected = why.map(|why| Held {
                jobs: queued,
                why: why.to_owned(),
            });
            assert_eq!(held, expected);
        }
    }
}
