//! `parserd status --watch` on a terminal: as much as fits its window.

use crate::{
    core::{
        job::{DurationMs, JobState, UnixMs},
        progress::{LatelyEnded, Throughput},
    },
    present::format::{grouped, span},
    store::report::Counts,
};

/// How wide the bar is.
const BAR_WIDTH: i64 = 30;

/// How fast jobs end while they are watched.
#[derive(Debug)]
pub(super) struct Watched(Throughput);

impl Watched {
    /// With the pace of before, so that the first frame has it too.
    pub(super) fn of_history(lately: LatelyEnded, counts: &Counts, now: UnixMs) -> Self {
        Self(Throughput::of_history(lately, counts.ended(), now))
    }

    /// The first line: a bar, with rate and time left as far as they are known.
    pub(super) fn bar(&mut self, counts: &Counts, now: UnixMs) -> String {
        let (ended, moving) = (counts.ended(), counts.moving());
        let total = ended + moving + counts.of(JobState::Parked);
        self.0.note(now, ended, moving > 0);
        let pace = self
            .0
            .per_hour()
            .map(|rate| (rate, self.0.time_for(moving)));
        bar(ended, total, pace)
    }
}

/// `[######......] 6 of 12 done, 80 an hour, about 5 min left`
fn bar(ended: i64, total: i64, pace: Option<(i64, Option<DurationMs>)>) -> String {
    let full = ended
        .saturating_mul(BAR_WIDTH)
        .checked_div(total)
        .unwrap_or(0);
    let part = |sign: &str, length: i64| sign.repeat(usize::try_from(length).unwrap_or_default());
    let mut line = format!(
        "[{}{}] {} of {} done",
        part("#", full),
        part(".", BAR_WIDTH - full),
        grouped(ended),
        grouped(total)
    );
    if let Some((per_hour, left_ms)) = pace {
        line.push_str(&format!(", {} an hour", grouped(per_hour)));
        if let Some(left_ms) = left_ms {
            line.push_str(&format!(", about {} left", span(left_ms)));
        }
    }
    line
}

/// As much of a text as a window of so many rows has room for, its cursor below included; says
/// how much there is besides.
pub(super) fn fitted(text: &str, rows: Option<u16>) -> String {
    let lines: Vec<_> = text.trim_end().lines().collect();
    let room = rows.map_or(usize::MAX, |rows| usize::from(rows).saturating_sub(1));
    if lines.len() <= room {
        return format!("{}\n", lines.join("\n"));
    }
    let shown = room.saturating_sub(1);
    let more = lines.len() - shown;
    format!(
        "{}\n(and {more} more lines: parserd status)\n",
        lines[..shown].join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_says_how_far_the_jobs_are_and_how_long_the_rest_takes() {
        let filled = |n: usize| format!("[{}{}]", "#".repeat(n), ".".repeat(30 - n));
        for (ended, total, pace, text) in [
            (0, 0, None, format!("{} 0 of 0 done", filled(0))),
            (6, 12, None, format!("{} 6 of 12 done", filled(15))),
            (
                1_200,
                1_200,
                Some((80, Some(0))),
                format!(
                    "{} 1,200 of 1,200 done, 80 an hour, about 0 s left",
                    filled(30)
                ),
            ),
        ] {
            assert_eq!(bar(ended, total, pace), text);
        }
    }

    #[test]
    fn a_window_is_never_overfull() {
        let text = "a\nb\nc\nd\n\n";
        for (rows, shown) in [
            (None, "a\nb\nc\nd\n"),
            (Some(5), "a\nb\nc\nd\n"),
            (Some(4), "a\nb\n(and 2 more lines: parserd status)\n"),
            (Some(2), "\n(and 4 more lines: parserd status)\n"),
        ] {
            assert_eq!(fitted(text, rows), shown, "{rows:?}");
        }
    }
}
