//! PURE: a wait that only time in which somebody looked makes shorter.

use crate::core::job::{DurationMs, UnixMs};

/// Counts down by the time between two looks, and by no more than was planned to lie between
/// them: frozen by a signal, a cgroup or a suspended machine, time passes and what is waited
/// for does not go on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Countdown {
    left_ms: DurationMs,
    pause: Option<Pause>,
}

/// A pause that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pause {
    began_at: UnixMs,
    planned_ms: DurationMs,
}

impl Countdown {
    /// One of so long.
    pub const fn of(left_ms: DurationMs) -> Self {
        Self {
            left_ms,
            pause: None,
        }
    }

    /// How much is left to wait; 0 once it is over.
    pub const fn left_ms(&self) -> DurationMs {
        self.left_ms
    }

    /// Whether there is nothing more to wait for.
    pub const fn is_over(&self) -> bool {
        self.left_ms <= 0
    }

    /// From `now` on nobody looks, for so long as planned.
    pub const fn pause(&mut self, now: UnixMs, planned_ms: DurationMs) {
        self.pause = Some(Pause {
            began_at: now,
            planned_ms,
        });
    }

    /// Somebody looks again. Returns whether the wait ended with this look.
    pub fn look(&mut self, now: UnixMs) -> bool {
        let Some(pause) = self.pause.take() else {
            return false;
        };
        let was_over = self.is_over();
        let passed_ms = now.saturating_sub(pause.began_at);
        let counted_ms = passed_ms.clamp(0, pause.planned_ms.max(0));
        self.left_ms = self.left_ms.saturating_sub(counted_ms).max(0);
        !was_over && self.is_over()
    }

    /// Forgets the pause: the clock was set, and its beginning is a time of before.
    pub const fn forget_pause(&mut self) {
        self.pause = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_which_nobody_looked_does_not_count() {
        // Left, planned, passed, left after that, whether it ended.
        for (left_ms, planned_ms, passed_ms, then_ms, ended) in [
            (1_000, 600, 600, 400, false),
            (1_000, 600, 200, 800, false),
            // Frozen.
            (1_000, 600, 3_600_000, 400, false),
            (1_000, 5_000, 1_000, 0, true),
            (1_000, 5_000, 9_000, 0, true),
            // A clock that was set back.
            (1_000, 600, -50, 1_000, false),
            (0, 600, 600, 0, false),
        ] {
            let mut countdown = Countdown::of(left_ms);
            countdown.pause(70_000, planned_ms);
            let case = (left_ms, planned_ms, passed_ms);
            assert_eq!(countdown.look(70_000 + passed_ms), ended, "{case:?}");
            assert_eq!(countdown.left_ms(), then_ms, "{case:?}");
            // A look counts once.
            assert!(!countdown.look(80_000_000));
            assert_eq!(countdown.left_ms(), then_ms, "{case:?}");
        }
    }

    #[test]
    fn a_pause_of_before_a_step_of_the_clock_does_not_count() {
        let mut countdown = Countdown::of(1_000);
        countdown.pause(0, 500);
        countdown.forget_pause();
        assert!(!countdown.look(500));
        assert_eq!(countdown.left_ms(), 1_000);
    }
}
