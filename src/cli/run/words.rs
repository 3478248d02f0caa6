//! PURE: the status line that systemd gets of a daemon.

use jiff::{Timestamp, tz::TimeZone};

use crate::{
    core::{
        gate::{Closure, GateReason, Scope},
        job::{DurationMs, JobState, ParkReason, UnixMs},
        text::escaped,
    },
    present::format::{grouped, span},
    store::{StoreError, report::Counts},
};

/// A time farther away than this is shown with its day.
const NEAR_MS: DurationMs = 12 * 60 * 60 * 1000;

/// What goes on: `12 generating, 340 queued, parked: credits since 10:03, next probe
/// 10:18 UTC`.
pub(super) fn at_work(counts: &Counts, gates: &[(Scope, Closure)], now: UnixMs) -> String {
    let some =
        |number: i64, word: &str| (number > 0).then(|| format!("{} {word}", grouped(number)));
    let doubts = counts.in_doubt;
    let mut parts: Vec<String> = [
        some(counts.of(JobState::Generating), "generating"),
        some(counts.of(JobState::Creating) - doubts, "creating"),
        some(doubts, "in doubt"),
        some(counts.of(JobState::Queued), "queued"),
        some(counts.of(JobState::Parked), &parked(counts, gates, now)),
    ]
    .into_iter()
    .flatten()
    .collect();
    parts.extend(held(counts, gates, now));
    if parts.is_empty() {
        let ended = [
            some(counts.of(JobState::Finished), "finished"),
            some(counts.of(JobState::Failed), "failed"),
        ];
        let ended: Vec<String> = ended.into_iter().flatten().collect();
        return match ended.join(", ") {
            none if none.is_empty() => "idle: no jobs yet".to_owned(),
            ended => format!("idle: {ended}"),
        };
    }
    parts.join(", ")
}

/// What a daemon that was asked to stop still waits for.
pub(super) fn stopping(counts: &Counts) -> String {
    // A create in doubt is on record, and left to the next start.
    match counts.of(JobState::Creating) - counts.in_doubt {
        1 => "stopping: waiting for 1 create".to_owned(),
        creates if creates > 1 => format!("stopping: waiting for {} creates", grouped(creates)),
        _ => "stopping".to_owned(),
    }
}

/// The database says no. In one line: each line is a message of its own.
pub(super) fn refused(error: &StoreError) -> String {
    format!("held up, trying again: {}", escaped(&error.to_string()))
}

/// The database has not answered for so long.
pub(super) fn silent(ms: DurationMs) -> String {
    format!(
        "held up: the database has not answered for {}; does another program hold it?",
        span(ms)
    )
}

/// The daemon's loop has not come round for so long.
pub(super) fn stuck(ms: DurationMs) -> String {
    format!("stuck: the scheduler has not moved for {}", span(ms))
}

fn parked(counts: &Counts, gates: &[(Scope, Closure)], now: UnixMs) -> String {
    let is_alone = counts.parked.len() == 1;
    let mut reasons = Vec::new();
    for (reason, jobs) in &counts.parked {
        let gate = gates
            .iter()
            .map(|(_, closure)| closure)
            .find(|closure| parks(closure.reason) == Some(*reason));
        let jobs = if is_alone {
            String::new()
        } else {
            format!(" ({})", grouped(*jobs))
        };
        let since = gate.map_or_else(String::new, |closure| times(closure, now));
        reasons.push(format!("{reason}{jobs}{since}"));
    }
    format!("parked: {}", reasons.join("; "))
}

/// Closed gates that no parked job accounts for.
fn held(counts: &Counts, gates: &[(Scope, Closure)], now: UnixMs) -> impl Iterator<Item = String> {
    gates.iter().filter_map(move |(scope, closure)| {
        let output = parks(closure.reason).is_some_and(|park| counts.parked.contains_key(&park));
        let what = match scope {
            Scope::Create => "creates",
            Scope::Read => "polls",
        };
        (!output).then(|| format!("{what} held: {}{}", closure.reason, times(closure, now)))
    })
}

const fn parks(reason: GateReason) -> Option<ParkReason> {
    match reason {
        GateReason::Credits => Some(ParkReason::Credits),
        GateReason::Unauthorized => Some(ParkReason::Unauthorized),
        GateReason::Throttled | GateReason::Unreachable => None,
    }
}

/// ` since 10:03, next probe 10:18 UTC`
fn times(closure: &Closure, now: UnixMs) -> String {
    let since = clock_time(closure.since, now);
    if closure.is_due(now) {
        format!(" since {since} UTC, probing now")
    } else {
        format!(
            " since {since}, next probe {} UTC",
            clock_time(closure.next_probe_at, now)
        )
    }
}

fn clock_time(at: UnixMs, now: UnixMs) -> String {
    let Ok(time) = Timestamp::from_millisecond(at) else {
        return "never".to_owned();
    };
    let form = if at.abs_diff(now) < NEAR_MS.unsigned_abs() {
        "%H:%M"
    } else {
        "%Y-%m-%d %H:%M"
    };
    time.to_zoned(TimeZone::UTC).strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10:05 UTC.
    const NOW: UnixMs = 1_785_492_300_000;
    const MINUTE: DurationMs = 60_000;

    fn counts(states: &[(JobState, i64)], parked: &[(ParkReason, i64)], in_doubt: i64) -> Counts {
        Counts {
            states: states.iter().copied().collect(),
            parked: parked.iter().copied().collect(),
            in_doubt,
            ..Counts::default()
        }
    }

    const fn closed(reason: GateReason, next_probe_at: UnixMs) -> Closure {
        Closure {
            reason,
            since: NOW - 2 * MINUTE,
            next_probe_at,
            interval_ms: 15 * MINUTE,
        }
    }

    #[test]
    fn what_goes_on_is_told_in_words() {
        use JobState::{Creating, Failed, Finished, Generating, Parked, Queued};
        const CREDITS: (Scope, Closure) = (
            Scope::Create,
            closed(GateReason::Credits, NOW + 13 * MINUTE),
        );
        type Row = (Counts, Vec<(Scope, Closure)>, &'static str);
        let table: [Row; 9] = [
            (Counts::default(), vec![], "idle: no jobs yet"),
            (
                counts(&[(Finished, 1200), (Failed, 1)], &[], 0),
                vec![],
                "idle: 1,200 finished, 1 failed",
            ),
            (
                counts(&[(Finished, 9), (Generating, 12), (Queued, 340)], &[], 0),
                vec![],
                "12 generating, 340 queued",
            ),
            (
                counts(&[(Creating, 5), (Queued, 1)], &[], 2),
                vec![],
                "3 creating, 2 in doubt, 1 queued",
            ),
            (
                counts(
                    &[(Generating, 12), (Queued, 340), (Parked, 28)],
                    &[(ParkReason::Credits, 28)],
                    0,
                ),
                vec![CREDITS],
                "12 generating, 340 queued, 28 parked: credits since 10:03, next probe 10:18 UTC",
            ),
            (
                counts(
                    &[(Parked, 31)],
                    &[(ParkReason::Credits, 28), (ParkReason::Ambiguous, 3)],
                    0,
                ),
                vec![CREDITS],
                "31 parked: credits (28) since 10:03, next probe 10:18 UTC; ambiguous (3)",
            ),
            (
                counts(&[(Parked, 1)], &[(ParkReason::Budget, 1)], 0),
                vec![],
                "1 parked: budget",
            ),
            // Nobody is parked for it yet: the gate is shown by itself.
            (
                counts(&[(Queued, 7)], &[], 0),
                vec![(
                    Scope::Read,
                    closed(GateReason::Unreachable, NOW + 26 * 60 * MINUTE),
                )],
                "7 queued, polls held: unreachable since 10:03, next probe 2026-08-01 12:05 UTC",
            ),
            (
                Counts::default(),
                vec![(Scope::Create, closed(GateReason::Throttled, NOW))],
                "creates held: throttled since 10:03 UTC, probing now",
            ),
        ];
        for (counts, gates, words) in table {
            assert_eq!(at_work(&counts, &gates, NOW), words);
        }
    }

    #[test]
    fn stopping_waits_for_creates_whose_answer_is_to_come() {
        for (creating, in_doubt, words) in [
            (0, 0, "stopping"),
            (2, 2, "stopping"),
            (3, 2, "stopping: waiting for 1 create"),
            (1500, 0, "stopping: waiting for 1,500 creates"),
        ] {
            let counts = counts(&[(JobState::Creating, creating)], &[], in_doubt);
            assert_eq!(stopping(&counts), words);
        }
    }

    #[test]
    fn no_error_can_forge_a_message() {
        let error = StoreError::Sql {
            what: "write",
            source: sqlx::Error::Protocol("x\nWATCHDOG=1".to_owned()),
        };
        let words = refused(&error);
        assert!(
            !words.contains('\n') && words.contains("WATCHDOG=1"),
            "{words}"
        );
    }
}
