//! PURE: how far the jobs are, in a line of the log.

use super::format::{grouped, span};
use crate::{
    core::{
        job::{DurationMs, JobState, UnixMs},
        progress::Throughput,
    },
    store::report::Counts,
};

/// Where nothing has changed since the last line, the next one comes after this time.
const QUIET_MS: DurationMs = 15 * 60_000;

/// What the lines are made of, from one to the next.
#[derive(Debug, Default)]
pub(crate) struct ProgressLines {
    pace: Throughput,
    /// The counts when the last one was looked at.
    before: Option<Counts>,
    /// The last line that was written: when, and of what.
    written: Option<(UnixMs, Counts)>,
}

impl ProgressLines {
    /// What the first line counts from.
    pub(crate) fn begin(&mut self, counts: Counts, now: UnixMs) {
        self.pace.note(now, counts.ended(), counts.moving() > 0);
        self.before = Some(counts);
    }

    /// A line, where there is work and something to say of it: what ended since the last look,
    /// `at_work` as systemd has it, what was spent on this UTC day, how long the rest takes.
    pub(crate) fn line(
        &mut self,
        counts: Counts,
        at_work: &str,
        spent_today: i64,
        now: UnixMs,
    ) -> Option<String> {
        let moving = counts.moving();
        self.pace.note(now, counts.ended(), moving > 0);
        let before = self.before.replace(counts.clone()).unwrap_or_default();
        let is_news = match &self.written {
            Some((at, written)) => *written != counts || now.saturating_sub(*at) >= QUIET_MS,
            None => true,
        };
        if moving == 0 || !is_news {
            return None;
        }
        let since = |state: JobState| (counts.of(state) - before.of(state)).max(0);
        let mut line = format!(
            "{} finished and {} failed in the last minute; {at_work}; {} credits spent today (UTC)",
            grouped(since(JobState::Finished)),
            grouped(since(JobState::Failed)),
            grouped(spent_today)
        );
        if let Some(left_ms) = self.pace.time_for(moving) {
            line.push_str(&format!("; about {} left", span(left_ms)));
        }
        self.written = Some((now, counts));
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: DurationMs = 60_000;

    fn counts(queued: i64, generating: i64, finished: i64, failed: i64) -> Counts {
        Counts {
            states: [
                (JobState::Queued, queued),
                (JobState::Generating, generating),
                (JobState::Finished, finished),
                (JobState::Failed, failed),
            ]
            .into(),
            ..Counts::default()
        }
    }

    #[test]
    fn a_line_says_what_ended_what_is_at_work_and_how_long_the_rest_takes() {
        let mut lines = ProgressLines::default();
        lines.begin(counts(20, 0, 5, 0), 0);
        let line = lines.line(
            counts(8, 2, 14, 1),
            "2 generating, 8 queued",
            300_000,
            MINUTE,
        );
        assert_eq!(
            line.as_deref(),
            Some(
                "9 finished and 1 failed in the last minute; 2 generating, 8 queued; 300,000 \
                 credits spent today (UTC); about 1 min left"
            )
        );
    }

    #[test]
    fn nothing_new_is_said_seldom_and_without_work_nothing() {
        let mut lines = ProgressLines::default();
        lines.begin(counts(3, 0, 0, 0), 0);
        let mut said = |counts, minutes| {
            let line = lines.line(counts, "3 queued", 0, minutes * MINUTE);
            line.is_some()
        };
        for (counts, minutes, expected) in [
            (counts(3, 0, 0, 0), 1, true),
            (counts(3, 0, 0, 0), 2, false),
            (counts(3, 0, 0, 0), 15, false),
            (counts(3, 0, 0, 0), 16, true),
            (counts(2, 1, 0, 0), 17, true),
            (counts(0, 0, 3, 0), 18, false),
        ] {
            assert_eq!(said(counts, minutes), expected, "minute {minutes}");
        }
    }
}
