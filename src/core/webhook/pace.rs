//! PURE: when the next POST may go out.

use crate::core::{backoff::Schedule, job::DurationMs};

use super::Answer;

/// How often there may be a POST.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The shortest time between two POSTs, and the first wait after one that failed.
    pub interval_ms: DurationMs,
    /// The longest wait after one that failed, unless the receiver asks for more.
    pub max_wait_ms: DurationMs,
}

impl Pace {
    /// The pace of a daemon: one POST a minute; after failures less and less, down to one an hour.
    pub const USUAL: Self = Self {
        interval_ms: 60_000,
        max_wait_ms: 3_600_000,
    };
}

/// What came of the POSTs so far. Times are those of [`crate::clock::lasting_ms`], which no step of
/// the wall clock moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Posts {
    /// When the last one ended.
    last_at: Option<DurationMs>,
    /// How many failed since the last one that was accepted.
    failures: u32,
    /// How long the receiver asked to wait after the last one.
    asked_wait_ms: Option<DurationMs>,
    /// The receiver is gone for good.
    is_gone: bool,
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A POST may go out, if there is something to send.
    Send,
    /// None before so long, in milliseconds.
    Wait(DurationMs),
    /// None any more, until parserd is restarted.
    Never,
}

impl Posts {
    /// Those of a sender that was started anew: its last POST, whatever came of it, began `ago_ms` ago.
    /// How many failed is forgotten: whoever restarts parserd may have mended the receiver.
    pub fn resumed(ago_ms: DurationMs, now: DurationMs) -> Self {
        Self {
            // Of a clock that was set back, it is not known how long ago that was.
            last_at: Some(now.saturating_sub(ago_ms.max(0))),
            ..Self::default()
        }
    }

    /// How many failed since the last one that was accepted.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// After a POST that ended `now` with this answer.
    #[must_use]
    pub fn after(self, answer: &Answer, now: DurationMs) -> Self {
        let failures = match answer {
            Answer::Accepted => 0,
            _ => self.failures.saturating_add(1),
        };
        Self {
            last_at: Some(now),
            failures,
            asked_wait_ms: answer.asked_wait_ms(),
            is_gone: *answer == Answer::Gone,
        }
    }

    /// What may be done `now`.
    pub fn turn(&self, pace: &Pace, now: DurationMs) -> Turn {
        if self.is_gone {
            return Turn::Never;
        }
        let Some(last_at) = self.last_at else {
            return Turn::Send;
        };
        let left_ms = self.wait_ms(pace) - now.saturating_sub(last_at);
        if left_ms > 0 {
            Turn::Wait(left_ms)
        } else {
            Turn::Send
        }
    }

    /// How long after the last POST the next one may go out.
    fn wait_ms(&self, pace: &Pace) -> DurationMs {
        let own_ms = match self.failures {
            0 => pace.interval_ms,
            failures => {
                let growth = Schedule {
                    initial_interval_ms: pace.interval_ms,
                    multiplier: 2.0,
                    max_interval_ms: pace.max_wait_ms.max(pace.interval_ms),
                };
                // One sender has nobody to spread out from.
                growth.delay_ms(i64::from(failures) - 1, 0.0)
            }
        };
        own_ms.max(self.asked_wait_ms.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: DurationMs = 60_000;
    const DAY_MS: DurationMs = 86_400_000;

    fn refused(asked_wait_ms: Option<DurationMs>) -> Answer {
        Answer::Refused {
            status: 503,
            asked_wait_ms,
        }
    }

    /// The posts after these answers, the last of which came at 0.
    fn after(answers: &[Answer]) -> Posts {
        let start = Posts::default();
        answers.iter().fold(start, |posts, it| posts.after(it, 0))
    }

    #[test]
    fn the_first_goes_out_at_once_and_then_one_a_minute() {
        let pace = Pace::USUAL;
        assert_eq!(Posts::default().turn(&pace, 7), Turn::Send);
        let posts = after(&[Answer::Accepted]);
        for (now, expected) in [
            (0, Turn::Wait(MINUTE_MS)),
            (1, Turn::Wait(MINUTE_MS - 1)),
            (MINUTE_MS - 1, Turn::Wait(1)),
            (MINUTE_MS, Turn::Send),
            (DAY_MS, Turn::Send),
        ] {
            assert_eq!(posts.turn(&pace, now), expected, "at {now}");
        }
    }

    #[test]
    fn a_restart_makes_no_minute_shorter_and_none_longer() {
        for (ago_ms, expected) in [
            (-DAY_MS, Turn::Wait(MINUTE_MS)),
            (0, Turn::Wait(MINUTE_MS)),
            (MINUTE_MS - 1, Turn::Wait(1)),
            (MINUTE_MS, Turn::Send),
            (DAY_MS, Turn::Send),
        ] {
            let posts = Posts::resumed(ago_ms, 7);
            assert_eq!(posts.turn(&Pace::USUAL, 7), expected, "{ago_ms} ms ago");
        }
    }

    #[test]
    fn waits_grow_with_failures_up_to_an_hour_and_a_success_ends_that() {
        let pace = Pace::USUAL;
        for (failures, minutes) in [(1, 1), (2, 2), (3, 4), (4, 8), (6, 32), (7, 60), (500, 60)] {
            let mut answers = vec![refused(None); failures];
            let posts = after(&answers);
            let wait = Turn::Wait(minutes * MINUTE_MS);
            assert_eq!(posts.turn(&pace, 0), wait, "{failures} failures");
            assert_eq!(posts.failures() as usize, failures);
            answers.push(Answer::Accepted);
            assert_eq!(after(&answers).turn(&pace, 0), Turn::Wait(MINUTE_MS));
            assert_eq!(after(&answers).turn(&pace, MINUTE_MS), Turn::Send);
        }
    }

    #[test]
    fn what_the_receiver_asks_for_is_honoured_where_it_is_longer() {
        for (failures, asked_ms, wait_ms) in [
            (1, Some(0), MINUTE_MS),
            (1, Some(30_000), MINUTE_MS),
            (1, Some(90_000), 90_000),
            (1, Some(DAY_MS), DAY_MS),
            (7, Some(90_000), 60 * MINUTE_MS),
        ] {
            let posts = after(&vec![refused(asked_ms); failures]);
            let turn = posts.turn(&Pace::USUAL, 0);
            assert_eq!(turn, Turn::Wait(wait_ms), "{failures} {asked_ms:?}");
        }
        // It is for that time only.
        let posts = after(&[refused(Some(DAY_MS)), refused(None)]);
        assert_eq!(posts.turn(&Pace::USUAL, 0), Turn::Wait(2 * MINUTE_MS));
    }

    #[test]
    fn a_receiver_that_is_gone_is_left_alone() {
        let posts = after(&[Answer::Gone]);
        assert_eq!(posts.turn(&Pace::USUAL, 365 * DAY_MS), Turn::Never);
    }
}
