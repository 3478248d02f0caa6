//! PURE: when to look at a parser being generated, learned from how long the account's
//! last ones took.
//!
//! Most generations end near the median, so a schedule that starts at once asks in vain,
//! and one that grows fast looks late. Learned, the first look comes when a tenth of the
//! last generations had ended, and the waits grow as the square root of the age: between
//! even ones, which are best where the chance to end in the next second stays the same,
//! and a share of the age, which is best where it falls. For a log-normal spread of 0.7
//! that is 6.3 polls a parser, and a delay of 8 % of the generation time.

use std::collections::VecDeque;

use crate::{
    core::backoff::Schedule,
    core::job::{DurationMs, JobState, Progress},
};

/// How many of the last generations count.
pub const SAMPLES: usize = 200;

/// With fewer than this nothing is learned yet.
const MIN_SAMPLES: usize = 20;

/// A tenth of the generations may end before the first look.
const FIRST_LOOK_SHARE: usize = 10;

/// The wait after the first look, as a share of the age then.
const WAIT_SHARE: f64 = 0.33;

/// How much of a wait jitter may take away, so that looks spread out.
const JITTER_SHARE: f64 = 0.2;

/// What one that had ended before the first look is taken to have needed of that time,
/// where the service does not say.
const UNSEEN_SHARE: f64 = 0.7;

/// The same of one that ended between two looks.
const SEEN_SHARE: f64 = 0.9;

/// How long the account's last generations took.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    recent_ms: VecDeque<DurationMs>,
}

/// A generation that came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// How old it was when it was seen to have ended.
    pub seen_after_ms: DurationMs,
    /// How long it took by the service's own word, which goes by another clock.
    pub told_ms: Option<DurationMs>,
    /// How many looks had been in vain.
    pub polls: i64,
}

impl Generation {
    /// The generation that a FINISHED job is the end of.
    pub fn of(progress: &Progress) -> Option<Self> {
        let since = progress.generating_since?;
        let finished_at = progress.finished_at?;
        (progress.state == JobState::Finished).then(|| Self {
            seen_after_ms: finished_at.saturating_sub(since),
            told_ms: progress.generated_at.map(|at| at.saturating_sub(since)),
            polls: progress.polls,
        })
    }

    /// The best guess of how long it took; none for one that had ended before its job
    /// came to it.
    fn took_ms(self) -> Option<DurationMs> {
        match self.told_ms {
            _ if self.seen_after_ms <= 0 => None,
            Some(told_ms) if told_ms <= 0 => None,
            Some(told_ms) if told_ms <= self.seen_after_ms => Some(told_ms),
            _ if self.polls == 0 => Some(scaled(self.seen_after_ms, UNSEEN_SHARE)),
            _ => Some(scaled(self.seen_after_ms, SEEN_SHARE)),
        }
    }
}

impl Pace {
    /// Takes in a generation that ended.
    pub fn learn(&mut self, generation: Generation) {
        if let Some(took_ms) = generation.took_ms() {
            if self.recent_ms.len() == SAMPLES {
                self.recent_ms.pop_front();
            }
            self.recent_ms.push_back(took_ms);
        }
    }

    /// The age at which a look is first worth its while; none while too little is known.
    pub fn first_look_ms(&self) -> Option<DurationMs> {
        if self.recent_ms.len() < MIN_SAMPLES {
            return None;
        }
        let mut sorted: Vec<_> = self.recent_ms.iter().copied().collect();
        let rank = sorted.len() / FIRST_LOOK_SHARE;
        Some(*sorted.select_nth_unstable(rank).1)
    }
}

/// How long to wait before the next look at a generation of `age_ms` that was looked at
/// `polls` times. `schedule` is how to begin while nothing is learned, and its longest
/// interval is the longest wait between two looks. `jitter` in 0..1 shortens a wait by up
/// to a fifth.
pub fn wait_ms(
    schedule: &Schedule,
    first_look_ms: Option<DurationMs>,
    age_ms: DurationMs,
    polls: i64,
    jitter: f64,
) -> DurationMs {
    let Some(first_look_ms) = first_look_ms else {
        return schedule.delay_ms(polls, jitter);
    };
    let age_ms = age_ms.max(0);
    if age_ms < first_look_ms {
        return (first_look_ms - age_ms).max(1);
    }
    let root_ms = (age_ms as f64 * first_look_ms.max(1) as f64).sqrt();
    let longest_ms = (root_ms * WAIT_SHARE).min(schedule.max_interval_ms as f64);
    let share = 1.0 - JITTER_SHARE * jitter.clamp(0.0, 1.0);
    ((longest_ms * share).round() as DurationMs).max(1)
}

fn scaled(ms: DurationMs, factor: f64) -> DurationMs {
    (ms as f64 * factor).round() as DurationMs
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule {
        initial_interval_ms: 10_000,
        multiplier: 1.5,
        max_interval_ms: 30_000,
    };

    fn generation(seen_after_ms: i64, told_ms: Option<i64>, polls: i64) -> Generation {
        Generation {
            seen_after_ms,
            told_ms,
            polls,
        }
    }

    #[test]
    fn what_the_service_tells_counts_where_it_can_be_so() {
        let table = [
            (generation(1_000, Some(900), 3), Some(900)),
            (generation(1_000, Some(1_000), 3), Some(1_000)),
            // Its clock is not this one's.
            (generation(1_000, Some(1_001), 0), Some(700)),
            (generation(1_000, None, 0), Some(700)),
            (generation(1_000, None, 1), Some(900)),
            // It was adopted.
            (generation(1_000, Some(0), 0), None),
            (generation(1_000, Some(-5_000), 0), None),
            (generation(0, None, 0), None),
        ];
        for (generation, expected) in table {
            assert_eq!(generation.took_ms(), expected, "{generation:?}");
        }
    }

    #[test]
    fn the_first_look_comes_when_a_tenth_of_the_last_generations_had_ended() {
        let mut pace = Pace::default();
        for n in 1..MIN_SAMPLES as i64 {
            pace.learn(generation(n * 1_000, Some(n * 1_000), 1));
            assert_eq!(pace.first_look_ms(), None, "{n} samples");
        }
        pace.learn(generation(20_000, Some(20_000), 1));
        assert_eq!(pace.first_look_ms(), Some(3_000));
        // What is long ago counts no more.
        for _ in 0..SAMPLES {
            pace.learn(generation(50_000, Some(40_000), 1));
        }
        assert_eq!(pace.first_look_ms(), Some(40_000));
    }

    #[test]
    fn what_ends_before_the_first_look_brings_it_forward() {
        let mut pace = Pace::default();
        for _ in 0..MIN_SAMPLES {
            pace.learn(generation(60_000, None, 3));
        }
        for _ in 0..200 {
            let first_look_ms = pace.first_look_ms().unwrap();
            pace.learn(generation(first_look_ms, None, 0));
        }
        assert!(pace.first_look_ms().unwrap() < 20_000);
    }

    #[test]
    fn a_wait_grows_with_the_age_within_the_bounds() {
        let table = [
            (None, 0, 0, 10_000),
            (None, 500_000, 2, 22_500),
            (Some(24_000), 0, 0, 24_000),
            (Some(24_000), 20_000, 0, 4_000),
            (Some(24_000), 24_000, 0, 7_920),
            (Some(24_000), 96_000, 5, 15_840),
            (Some(24_000), 500_000, 9, 30_000),
            (Some(0), 0, 0, 1),
            (Some(5), -7, 0, 5),
            (Some(5), i64::MAX, 0, 30_000),
        ];
        for (first_look_ms, age_ms, polls, expected) in table {
            let wait_ms = wait_ms(&SCHEDULE, first_look_ms, age_ms, polls, 0.0);
            assert_eq!(wait_ms, expected, "{first_look_ms:?} {age_ms} {polls}");
        }
    }

    #[test]
    fn jitter_takes_away_at_most_a_fifth() {
        for (jitter, expected) in [(0.0, 10_000), (0.5, 9_000), (1.0, 8_000), (9.0, 8_000)] {
            let wait_ms = wait_ms(&SCHEDULE, Some(30_303), 30_303, 1, jitter);
            assert_eq!(wait_ms, expected, "jitter {jitter}");
        }
    }
}
