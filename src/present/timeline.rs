//! PURE: how long a job stood where, from its history.

use super::format::span;
use crate::{
    core::{
        event::JobEvent,
        job::{DurationMs, JobState, UnixMs},
    },
    store::report::HistoryRow,
};

/// A stretch of time in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Phase {
    /// The state.
    pub state: JobState,
    /// How long.
    pub took_ms: DurationMs,
    /// It stands there still.
    pub is_open: bool,
}

impl Phase {
    /// `generating 1 min 44 s`
    pub(crate) fn words(self) -> String {
        let still = if self.is_open { " so far" } else { "" };
        let state = self.state.as_str().to_lowercase();
        format!("{state} {}{still}", short(self.took_ms))
    }
}

/// The stretches in their order, up to the end or to `now`.
pub(crate) fn phases(events: &[HistoryRow], now: UnixMs) -> Vec<Phase> {
    let mut phases: Vec<Phase> = Vec::new();
    let mut current: Option<(JobState, UnixMs)> = None;
    let mut add = |state, from: UnixMs, to: UnixMs, is_open| {
        phases.push(Phase {
            state,
            took_ms: to.saturating_sub(from).max(0),
            is_open,
        });
    };
    for row in events {
        let event = JobEvent::from_columns(&row.event, &row.detail);
        let Some(next) = event.and_then(|event| after(&event)) else {
            continue;
        };
        if let Some((state, since)) = current {
            if state == next {
                continue;
            }
            // Nothing is measured between an end and what an operator made of it.
            if !is_end(state) {
                add(state, since, row.at, false);
            }
        }
        current = Some((next, row.at));
    }
    if let Some((state, since)) = current.filter(|(state, _)| !is_end(*state)) {
        add(state, since, now, true);
    }
    phases
}

/// Where each stretch begins on a bar of so many units, and how wide it is: at least one unit.
pub(crate) fn bars(phases: &[Phase], units: i64) -> Vec<(Phase, i64, i64)> {
    let whole: i64 = phases.iter().map(|phase| phase.took_ms).sum();
    let mut from = 0;
    let bar = |phase: &Phase| {
        let width = phase.took_ms.saturating_mul(units) / whole.max(1);
        let bar = (*phase, from, width.max(1));
        from += width;
        bar
    };
    phases.iter().map(bar).collect()
}

const fn is_end(state: JobState) -> bool {
    state.is_terminal()
}

/// Where the event leaves a job; none where it stays.
const fn after(event: &JobEvent) -> Option<JobState> {
    Some(match event {
        JobEvent::Queued {}
        | JobEvent::NotMade { .. }
        | JobEvent::NotSent(_)
        | JobEvent::Throttled { .. }
        | JobEvent::Unparked { .. }
        | JobEvent::Requeued(_)
        | JobEvent::Escalated { .. } => JobState::Queued,
        JobEvent::Creating { .. } | JobEvent::Changing { .. } | JobEvent::InDoubt { .. } => {
            JobState::Creating
        }
        JobEvent::Created { .. } | JobEvent::Adopted { .. } | JobEvent::ChangeMade { .. } => {
            JobState::Generating
        }
        JobEvent::Parked { .. } => JobState::Parked,
        JobEvent::Finished { .. } | JobEvent::Deleted { .. } => JobState::Finished,
        JobEvent::Failed { .. } => JobState::Failed,
        JobEvent::Cancelled(_) => JobState::Cancelled,
        JobEvent::Worse { .. }
        | JobEvent::Foreseen(_)
        | JobEvent::Pinned { .. }
        | JobEvent::Waiting(_)
        | JobEvent::Changed { .. }
        | JobEvent::UnknownStatus(_)
        | JobEvent::AwaitsExamples { .. }
        | JobEvent::Judged { .. } => return None,
    })
}

/// Below ten seconds with a tenth.
fn short(ms: DurationMs) -> String {
    if ms < 10_000 {
        format!("{}.{} s", ms / 1000, ms % 1000 / 100)
    } else {
        span(ms)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn rows(events: &[(UnixMs, &str, &str)]) -> Vec<HistoryRow> {
        let row = |(at, event, detail): &(UnixMs, &str, &str)| HistoryRow {
            at: *at,
            event: (*event).to_owned(),
            detail: RawValue::from_string((*detail).to_owned()).unwrap(),
        };
        events.iter().map(row).collect()
    }

    #[test]
    fn each_stretch_has_its_share_of_the_bar() {
        let phase = |took_ms| Phase {
            state: JobState::Queued,
            took_ms,
            is_open: false,
        };
        for (took, bars_of) in [
            (&[][..], &[][..]),
            (&[0], &[(0, 1)]),
            (&[250, 750], &[(0, 25), (25, 75)]),
            (&[1, 9_999], &[(0, 1), (0, 99)]),
        ] {
            let phases: Vec<_> = took.iter().map(|took_ms| phase(*took_ms)).collect();
            let found: Vec<_> = bars(&phases, 100)
                .into_iter()
                .map(|(_, from, width)| (from, width))
                .collect();
            assert_eq!(found, bars_of, "{took:?}");
        }
    }

    #[test]
    fn a_history_is_stretches_of_time() {
        let creating = r#"{"remote_name": "a", "attempt": 1}"#;
        let created = r#"{"parser_id": "p"}"#;
        let failed = r#"{"error_kind": "generation_failed"}"#;
        let requeued = r#"{"by": "operator", "from": "FAILED"}"#;
        for (events, words) in [
            (&[][..], &[][..]),
            (
                &[
                    (0, "queued", "{}"),
                    (2_000, "creating", creating),
                    (2_100, "created", created),
                    (106_100, "finished", "{}"),
                    (106_100, "judged", r#"{"quality": "ok"}"#),
                ],
                &["queued 2.0 s", "creating 0.1 s", "generating 1 min 44 s"],
            ),
            (
                &[
                    (0, "queued", "{}"),
                    (1_000, "creating", creating),
                    (2_000, "created", created),
                    (20_000, "failed", failed),
                    (90_000, "requeued", requeued),
                ],
                &[
                    "queued 1.0 s",
                    "creating 1.0 s",
                    "generating 18 s",
                    "queued 10 s so far",
                ],
            ),
            (&[(0, "unheard of", "{}")], &[]),
        ] {
            let found = phases(&rows(events), 100_000);
            let found: Vec<_> = found.into_iter().map(Phase::words).collect();
            assert_eq!(found, words, "{events:?}");
        }
    }
}
