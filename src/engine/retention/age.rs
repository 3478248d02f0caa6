//! PURE: how old what is done is. No clock is believed that just jumped: what is old is old by
//! time that was seen to pass, or by the service's clock.

use serde::{Deserialize, Serialize};

use crate::core::job::{DurationMs, UnixMs};

/// A step forward of less than this part of the age leaves it about right.
const STEP_SHARE: DurationMs = 4;

/// What the clocks say at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// This machine's clock, which may be set.
    pub wall: UnixMs,
    /// One that nobody sets.
    pub lasting_ms: DurationMs,
    /// The latest that the service's may say, where it told.
    pub service: Option<UnixMs>,
}

/// Jobs that ended by a clock that was behind, as a step forward showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misdated {
    /// From this end, as it is written, ...
    pub from: UnixMs,
    /// ... to this one,
    pub to: UnixMs,
    /// they count from here on.
    pub since: UnixMs,
}

/// What is known of the time, from one process to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownTime {
    /// The furthest time that was corroborated.
    seen_at: UnixMs,
    misdated: Option<Misdated>,
    /// The lowest that this machine's clock said to the process that wrote this.
    #[serde(default)]
    began_at: Option<UnixMs>,
    /// From when to when jobs ended, as it is written, by the clocks of processes before this
    /// one, which the service's has not borne out yet.
    #[serde(default)]
    former: Option<(UnixMs, UnixMs)>,
}

/// Which jobs are old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Old {
    /// They ended before,
    pub before: UnixMs,
    /// and not within these times.
    pub spared: Option<(UnixMs, UnixMs)>,
}

impl KnownTime {
    /// At the first look at a database whose last job ended at `last_end`.
    pub fn first(last_end: Option<UnixMs>, wall: UnixMs) -> Self {
        Self {
            seen_at: last_end.unwrap_or(wall).min(wall),
            misdated: None,
            began_at: None,
            former: None,
        }
    }

    /// At the first look of a process, at a database whose last job ended at `last_end`.
    #[must_use]
    pub fn resumed(
        self,
        now: &ClockReading,
        last_end: Option<UnixMs>,
        max_age_ms: DurationMs,
    ) -> Self {
        let last = self.began_at.zip(last_end);
        let former = match (self.former, last) {
            (Some(former), Some(last)) => Some((former.0.min(last.0), former.1.max(last.1))),
            (former, last) => former.or(last),
        };
        let resumed = Self {
            began_at: Some(now.wall),
            former,
            ..self
        };
        resumed.taking_in(0, now, max_age_ms)
    }

    /// After a look at `last` and another at `now`, in a process that began by a clock that
    /// said `began_at`.
    #[must_use]
    pub fn after(
        self,
        last: &ClockReading,
        now: &ClockReading,
        began_at: UnixMs,
        max_age_ms: DurationMs,
    ) -> Self {
        let passed_ms = now.lasting_ms.saturating_sub(last.lasting_ms).max(0);
        let would_be = last.wall.saturating_add(passed_ms);
        let has_jumped = now.wall.saturating_sub(would_be) > max_age_ms / STEP_SHARE;
        let seen = Self {
            began_at: Some(began_at),
            ..self
        };
        let seen = if has_jumped {
            seen.misdating((began_at, would_be), now)
        } else {
            seen
        };
        seen.taking_in(passed_ms, now, max_age_ms)
    }

    /// Jobs that ended within these times, as they are written, count from now on.
    fn misdating(self, (from, to): (UnixMs, UnixMs), now: &ClockReading) -> Self {
        let since = now.wall;
        let before = self.misdated.unwrap_or(Misdated { from, to, since });
        let misdated = Some(Misdated {
            from: before.from.min(from),
            to: before.to.max(to),
            since: before.since.max(since),
        });
        Self { misdated, ..self }
    }

    /// Takes in what the service's clock says. Where it is far ahead of what was seen, either
    /// nobody looked for long, or the clock was behind by which the last jobs ended.
    fn taking_in(self, passed_ms: DurationMs, now: &ClockReading, max_age_ms: DurationMs) -> Self {
        let seen_at = self.corroborated(passed_ms, now);
        let ahead_ms = seen_at.saturating_sub(self.seen_at.saturating_add(passed_ms));
        let taken = Self { seen_at, ..self };
        match taken.former {
            Some(ends) if ahead_ms > max_age_ms / STEP_SHARE => Self {
                former: None,
                ..taken.misdating(ends, now)
            },
            Some(_) if now.service.is_some() => Self {
                former: None,
                ..taken
            },
            _ => taken,
        }
    }

    /// By no more than passed, save on the service's word, and never beyond this machine's
    /// clock: by that one the ends are written.
    fn corroborated(self, passed_ms: DurationMs, now: &ClockReading) -> UnixMs {
        let seen_at = self.seen_at.saturating_add(passed_ms);
        now.service
            .map_or(seen_at, |service| service.max(seen_at))
            .min(now.wall)
    }

    /// Which jobs are old that may be `max_age_ms` old.
    pub fn old(&self, max_age_ms: DurationMs) -> Old {
        let before = self.seen_at.saturating_sub(max_age_ms);
        let spared = self.misdated.filter(|misdated| before < misdated.since);
        Old {
            before,
            spared: spared.map(|misdated| (misdated.from, misdated.to)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    const YEAR_MS: i64 = 365 * 24 * HOUR_MS;
    const NOW: UnixMs = 1_800_000_000_000;
    const MAX_AGE_MS: DurationMs = 90 * 24 * HOUR_MS;

    fn look(wall: UnixMs, lasting_ms: DurationMs, service: Option<UnixMs>) -> ClockReading {
        ClockReading {
            wall,
            lasting_ms,
            service,
        }
    }

    fn known(seen_at: UnixMs) -> KnownTime {
        KnownTime::first(Some(seen_at), seen_at)
    }

    #[test]
    fn only_time_that_passed_or_that_the_service_tells_makes_old() {
        for (what, now, seen_at) in [
            (
                "time passes",
                look(NOW + HOUR_MS, HOUR_MS, None),
                NOW + HOUR_MS,
            ),
            (
                "the clock is set ahead",
                look(NOW + YEAR_MS, 5, None),
                NOW + 5,
            ),
            (
                "and the service's is not",
                look(NOW + YEAR_MS, 5, Some(NOW)),
                NOW + 5,
            ),
            (
                "nobody looked, and the service tells",
                look(NOW + HOUR_MS, 0, Some(NOW + HOUR_MS)),
                NOW + HOUR_MS,
            ),
            (
                "only the service's is ahead",
                look(NOW + 5, 5, Some(NOW + YEAR_MS)),
                NOW + 5,
            ),
            (
                "the clock is set back",
                look(NOW - HOUR_MS, 5, None),
                NOW - HOUR_MS,
            ),
            (
                "the machine slept",
                look(NOW + HOUR_MS, HOUR_MS, None),
                NOW + HOUR_MS,
            ),
        ] {
            let last = look(NOW, 0, None);
            let after = known(NOW).after(&last, &now, NOW, MAX_AGE_MS);
            assert_eq!(after.old(MAX_AGE_MS).before, seen_at - MAX_AGE_MS, "{what}");
        }
    }

    #[test]
    fn a_start_by_a_clock_that_is_ahead_makes_nothing_old_until_the_service_agrees() {
        let ahead = NOW + YEAR_MS;
        let resumed = |service| {
            let resumed = known(NOW).resumed(&look(ahead, 77, service), Some(NOW), MAX_AGE_MS);
            resumed.old(1).before + 1
        };
        assert_eq!(resumed(None), NOW);
        assert_eq!(resumed(Some(NOW - 1)), NOW);
        assert_eq!(resumed(Some(ahead)), ahead);
        assert_eq!(KnownTime::first(Some(NOW), ahead), known(NOW));
        assert_eq!(KnownTime::first(None, ahead), known(ahead));
    }

    #[test]
    fn what_ended_by_the_clock_of_a_process_before_that_was_behind_is_as_old_as_this_one() {
        let behind = NOW - YEAR_MS;
        let ended = behind + 30_000;
        let first = known(behind).resumed(&look(behind, 0, None), None, MAX_AGE_MS);
        let last = look(behind + 60_000, 60_000, None);
        let first = first.after(&look(behind, 0, None), &last, behind, MAX_AGE_MS);
        // The service tells at once, in a later process, or in one after one to which it did not.
        let at = |service| look(NOW, 90_000, service);
        let told_at_once = first.resumed(&at(Some(NOW)), Some(ended), MAX_AGE_MS);
        let silent = first.resumed(&at(None), Some(ended), MAX_AGE_MS);
        assert_eq!(silent.old(MAX_AGE_MS).spared, None);
        let told_later = silent.after(&at(None), &at(Some(NOW)), NOW, MAX_AGE_MS);
        let told_to_another = silent.resumed(&at(Some(NOW)), Some(ended), MAX_AGE_MS);
        for known in [told_at_once, told_later, told_to_another] {
            assert_eq!(known.old(MAX_AGE_MS).spared, Some((behind, ended)));
        }
        // A short time in which nobody looked is not one.
        let soon = look(behind + HOUR_MS, 90_000, Some(behind + HOUR_MS));
        let soon = first.resumed(&soon, Some(ended), MAX_AGE_MS);
        assert_eq!(soon.old(MAX_AGE_MS).spared, None);
        assert_eq!(soon.former, None);
    }

    #[test]
    fn what_ended_by_a_clock_that_was_behind_is_no_older_than_the_step() {
        let (began_at, boot) = (NOW - YEAR_MS, look(NOW - YEAR_MS, 0, None));
        let set = look(NOW + 60_000, 60_000, Some(NOW + 60_000));
        let after = known(began_at).after(&boot, &set, began_at, MAX_AGE_MS);
        let expected = Some((began_at, began_at + 60_000));
        assert_eq!(after.old(MAX_AGE_MS).spared, expected);
        let last = look(NOW + 60_000 + MAX_AGE_MS, 60_000 + MAX_AGE_MS, None);
        let after = after.after(&set, &last, began_at, MAX_AGE_MS);
        assert_eq!(after.old(MAX_AGE_MS).spared, None);
        // A step that hardly counts spares nothing.
        let slewed = look(NOW + 20_000, 0, Some(NOW + 20_000));
        let after = known(NOW).after(&look(NOW, 0, None), &slewed, NOW, MAX_AGE_MS);
        assert_eq!(after.old(MAX_AGE_MS).spared, None);
    }
}
