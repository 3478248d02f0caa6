//! PURE: how long to wait before the next try.
//!
//! The `backoff` crate computes the growth. It is unmaintained
//! (RUSTSEC-2025-0012), so nothing else of it is used, and only here.

use std::time::Duration;

use backoff::{ExponentialBackoff, backoff::Backoff as _};

use crate::core::job::DurationMs;

/// How much of a delay jitter may take away, so that tries spread out.
const JITTER_SHARE: f64 = 0.2;

/// A delay that grows from try to try up to a bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The first delay.
    pub initial_interval_ms: DurationMs,
    /// The factor from one delay to the next, at least 1.
    pub multiplier: f64,
    /// The longest delay.
    pub max_interval_ms: DurationMs,
}

impl Schedule {
    /// The delay before try `n`, counted from 0; `jitter` in 0..1 shortens it by up to a fifth.
    pub fn delay_ms(&self, n: i64, jitter: f64) -> DurationMs {
        let max_interval = duration(self.max_interval_ms);
        let mut growth = ExponentialBackoff {
            current_interval: duration(self.initial_interval_ms).min(max_interval),
            initial_interval: duration(self.initial_interval_ms),
            randomization_factor: 0.0,
            multiplier: self.multiplier,
            max_interval,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        let mut delay = growth.current_interval;
        for _ in 0..n.max(0) {
            growth.next_backoff();
            let grown = growth.current_interval;
            // Nothing grows past the bound, nor at all with a multiplier of 1.
            if grown == delay {
                break;
            }
            delay = grown;
        }
        let share = 1.0 - JITTER_SHARE * jitter.clamp(0.0, 1.0);
        (delay.as_secs_f64() * share * 1000.0).round().max(1.0) as DurationMs
    }
}

fn duration(ms: DurationMs) -> Duration {
    Duration::from_millis(ms.max(1).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Schedule = Schedule {
        initial_interval_ms: 2_000,
        multiplier: 2.0,
        max_interval_ms: 300_000,
    };

    #[test]
    fn the_delay_grows_by_the_multiplier_up_to_the_bound() {
        let table = [
            (0, 2_000),
            (1, 4_000),
            (2, 8_000),
            (7, 256_000),
            (8, 300_000),
            (1_000_000_000, 300_000),
            (-1, 2_000),
        ];
        for (n, expected) in table {
            assert_eq!(RETRY.delay_ms(n, 0.0), expected, "try {n}");
        }
    }

    #[test]
    fn jitter_takes_away_at_most_a_fifth_and_never_adds() {
        for (jitter, expected) in [(0.0, 2_000), (0.5, 1_800), (1.0, 1_600), (7.0, 1_600)] {
            assert_eq!(RETRY.delay_ms(0, jitter), expected, "jitter {jitter}");
        }
    }

    #[test]
    fn a_multiplier_of_one_keeps_the_delay() {
        let steady = Schedule {
            multiplier: 1.0,
            ..RETRY
        };
        assert_eq!(steady.delay_ms(1_000_000_000, 0.0), 2_000);
    }

    #[test]
    fn an_initial_interval_above_the_bound_is_the_bound() {
        let odd = Schedule {
            initial_interval_ms: 10_000,
            max_interval_ms: 1_000,
            ..RETRY
        };
        assert_eq!(odd.delay_ms(0, 0.0), 1_000);
        assert_eq!(odd.delay_ms(3, 0.0), 1_000);
    }
}
