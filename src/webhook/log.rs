//! The lines of the log about the receiver: the first failure at once, then one an hour, and that it
//! is over.

use crate::{
    config::WebhookUrl,
    core::{
        job::DurationMs,
        webhook::{Answer, Turn},
    },
};

/// Between two lines about the same trouble.
const INTERVAL_MS: DurationMs = 3_600_000;

/// A trouble that lasts.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    since: Option<DurationMs>,
    logged_at: DurationMs,
    failures: u32,
}

/// What is worth a line.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Failed,
    Recovered {
        failures: u32,
        lasted_ms: DurationMs,
    },
}

impl Trouble {
    /// Takes in an answer; what is worth a line about it.
    fn line(&mut self, answer: &Answer, now: DurationMs) -> Option<Line> {
        if *answer == Answer::Accepted {
            let over = std::mem::take(self);
            return over.since.map(|since| Line::Recovered {
                failures: over.failures,
                lasted_ms: now.saturating_sub(since),
            });
        }
        self.failures = self.failures.saturating_add(1);
        let is_new = self.since.is_none();
        self.since.get_or_insert(now);
        let is_due = now.saturating_sub(self.logged_at) >= INTERVAL_MS;
        (is_new || is_due || *answer == Answer::Gone).then(|| {
            self.logged_at = now;
            Line::Failed
        })
    }

    /// Logs what is worth a line. Of the address only scheme and host are shown.
    pub(super) fn log(&mut self, answer: &Answer, turn: Turn, url: &WebhookUrl, now: DurationMs) {
        match self.line(answer, now) {
            None => {}
            Some(Line::Failed) => {
                let wait_ms = match turn {
                    Turn::Wait(wait_ms) => Some(wait_ms),
                    Turn::Send | Turn::Never => None,
                };
                tracing::warn!(
                    receiver = %url,
                    times = self.failures,
                    wait_ms,
                    "notices cannot be sent: {}; {}",
                    answer.problem(),
                    answer.cure()
                );
            }
            Some(Line::Recovered {
                failures,
                lasted_ms,
            }) => {
                tracing::info!(receiver = %url, times = failures, lasted_ms, "notices are sent again");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_has_a_line_at_once_then_one_an_hour_and_one_at_its_end() {
        let failed = Answer::TimedOut;
        let mut trouble = Trouble::default();
        let recovered = |failures, lasted_ms| {
            Some(Line::Recovered {
                failures,
                lasted_ms,
            })
        };
        for (answer, now, expected) in [
            (&Answer::Accepted, 0, None),
            (&failed, 1_000, Some(Line::Failed)),
            (&failed, 61_000, None),
            (&failed, 3_600_999, None),
            (&failed, 3_601_000, Some(Line::Failed)),
            (&failed, 3_661_000, None),
            (&Answer::Gone, 3_700_000, Some(Line::Failed)),
            (&Answer::Accepted, 4_001_000, recovered(6, 4_000_000)),
            (&Answer::Accepted, 4_061_000, None),
            (&failed, 4_121_000, Some(Line::Failed)),
        ] {
            assert_eq!(trouble.line(answer, now), expected, "at {now}");
        }
    }
}
