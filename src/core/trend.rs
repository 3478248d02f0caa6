//! PURE: how the current batch went, for its charts.

use crate::core::{
    event::general::GeneralEvent,
    gate::{GateReason, Scope},
    job::{DurationMs, UnixMs},
};

/// A job of the batch that is FINISHED or FAILED.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Since when, Unix milliseconds.
    pub at: UnixMs,
    /// FAILED, rather than FINISHED.
    pub is_failed: bool,
    /// How long its parser was being generated; none where this job made none.
    pub generated_in_ms: Option<DurationMs>,
}

/// A time in which the gate was closed, whatever it stands before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// Why.
    pub reason: GateReason,
    /// When it closed, Unix milliseconds.
    pub from: UnixMs,
    /// When it opened; none while it is closed.
    pub until: Option<UnixMs>,
}

/// The times in which the gate was closed, by the events that tell of it, oldest first. Creates and
/// reads that were refused for the same reason at the same time are one closing.
pub fn closings(events: &[(UnixMs, GeneralEvent)]) -> Vec<Closing> {
    let mut closed: Vec<(Scope, Closing)> = Vec::new();
    let mut found = Vec::new();
    for (at, event) in events {
        let (scope, before, next) = match event {
            GeneralEvent::GateClosed { scope, reason, .. } => {
                let next = Closing {
                    reason: *reason,
                    from: *at,
                    until: None,
                };
                (*scope, None, Some(next))
            }
            GeneralEvent::GateOpened {
                scope,
                reason,
                since,
                ..
            } => {
                let before = Closing {
                    reason: *reason,
                    from: *since,
                    until: Some(*at),
                };
                (*scope, Some(before), None)
            }
            GeneralEvent::Budget80 { .. }
            | GeneralEvent::BudgetReset { .. }
            | GeneralEvent::BatchDone { .. } => continue,
        };
        let known = closed.iter().position(|(of, _)| *of == scope);
        let ended = known.map(|index| Closing {
            until: Some(*at),
            ..closed.swap_remove(index).1
        });
        // That it closed may be longer ago than the events that are looked at.
        found.extend(ended.or(before));
        closed.extend(next.map(|next| (scope, next)));
    }
    found.extend(closed.into_iter().map(|(_, closing)| closing));
    found.sort_by_key(|closing| closing.from);
    merged(&found)
}

fn merged(sorted: &[Closing]) -> Vec<Closing> {
    let mut all: Vec<Closing> = Vec::new();
    for closing in sorted {
        let overlaps = |before: &&mut Closing| {
            before.reason == closing.reason && before.until.is_none_or(|end| end >= closing.from)
        };
        match all.iter_mut().rev().find(overlaps) {
            Some(before) => {
                before.until = before
                    .until
                    .zip(closing.until)
                    .map(|(one, other)| one.max(other));
            }
            None => all.push(*closing),
        }
    }
    all
}

/// The value that `percent` of the sorted values do not exceed (nearest rank); none where there is
/// no value.
pub fn percentile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// How far apart the jobs of a sample are, so that there are at most `at_most` of `jobs`. It shares
/// no small factor with what repeats in a file, such as every tenth job.
pub fn sample_step(jobs: i64, at_most: i64) -> i64 {
    let mut step = jobs.max(1).saturating_add(at_most - 1) / at_most.max(1);
    while step > 1 && [2, 3, 5, 7].iter().any(|factor| step % factor == 0) {
        step += 1;
    }
    step.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(scope: Scope, reason: GateReason) -> GeneralEvent {
        GeneralEvent::GateClosed {
            scope,
            reason,
            since: 0,
            next_probe_at: 0,
        }
    }

    fn opened(scope: Scope, reason: GateReason, since: UnixMs) -> GeneralEvent {
        GeneralEvent::GateOpened {
            scope,
            reason,
            since,
            closed_ms: 0,
        }
    }

    #[test]
    fn closings_are_told_apart_by_reason_and_joined_across_gates() {
        use GateReason::{Credits, Unauthorized};
        use Scope::{Create, Read};
        type Case = (
            &'static str,
            Vec<(UnixMs, GeneralEvent)>,
            Vec<(GateReason, UnixMs, Option<UnixMs>)>,
        );
        let table: Vec<Case> = vec![
            ("nothing", vec![], vec![]),
            (
                "still closed",
                vec![(5, closed(Create, Credits))],
                vec![(Credits, 5, None)],
            ),
            (
                "closed and opened",
                vec![
                    (5, closed(Create, Credits)),
                    (9, opened(Create, Credits, 5)),
                ],
                vec![(Credits, 5, Some(9))],
            ),
            (
                "closed before what is looked at",
                vec![(9, opened(Create, Credits, 2))],
                vec![(Credits, 2, Some(9))],
            ),
            (
                "another reason",
                vec![
                    (5, closed(Create, Credits)),
                    (7, closed(Create, Unauthorized)),
                ],
                vec![(Credits, 5, Some(7)), (Unauthorized, 7, None)],
            ),
            (
                "both gates at once",
                vec![
                    (5, closed(Create, Unauthorized)),
                    (6, closed(Read, Unauthorized)),
                    (8, opened(Create, Unauthorized, 5)),
                    (9, opened(Read, Unauthorized, 6)),
                ],
                vec![(Unauthorized, 5, Some(9))],
            ),
            (
                "one of both stays closed",
                vec![
                    (5, closed(Create, Unauthorized)),
                    (6, closed(Read, Unauthorized)),
                    (8, opened(Create, Unauthorized, 5)),
                ],
                vec![(Unauthorized, 5, None)],
            ),
        ];
        for (what, events, expected) in table {
            let found = closings(&events);
            let found: Vec<_> = found.iter().map(|c| (c.reason, c.from, c.until)).collect();
            assert_eq!(found, expected, "{what}");
        }
    }

    #[test]
    fn percentiles_are_values_that_occur() {
        let hundred: Vec<_> = (1..=100).collect();
        for (sorted, percent, expected) in [
            (&[][..], 50, None),
            (&[7], 50, Some(7)),
            (&[7], 95, Some(7)),
            (&[1, 2], 50, Some(1)),
            (&[1, 2, 3], 50, Some(2)),
            (&[1, 2, 3], 95, Some(3)),
            (&hundred, 50, Some(50)),
            (&hundred, 95, Some(95)),
            (&hundred, 0, Some(1)),
        ] {
            assert_eq!(
                percentile(sorted, percent),
                expected,
                "{sorted:?} {percent}"
            );
        }
    }

    #[test]
    fn a_sample_is_small_enough_and_in_step_with_nothing() {
        for (jobs, expected) in [
            (-3, 1),
            (0, 1),
            (1, 1),
            (5_000, 1),
            (5_001, 11),
            (55_000, 11),
            (1_000_000, 209),
        ] {
            assert_eq!(sample_step(jobs, 5_000), expected, "{jobs}");
        }
    }
}
