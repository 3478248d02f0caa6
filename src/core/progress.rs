//! PURE: what is a batch of jobs, and when it may be done.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::core::{
    event::general::GeneralEvent,
    job::{DurationMs, JobState, UnixMs},
};

/// Ends longer ago say nothing of the pace now.
const WINDOW_MS: DurationMs = 30 * 60_000;

/// A pace known for a shorter time does not count.
const LEAST_WINDOW_MS: DurationMs = 30_000;

/// Looks closer together than this are one.
const APART_MS: DurationMs = 5_000;

/// How far the database was at one moment: its newest job and its newest retry, the `id` of an
/// event `requeued`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// The newest job's id.
    pub job: i64,
    /// The newest retry's id.
    pub retry: i64,
}

impl Mark {
    /// Whether a job was added or retried since.
    const fn is_before(self, newest: Self) -> bool {
        newest.job > self.job || newest.retry > self.retry
    }

    /// Without retries that the database does not have: they were not counted yet when this was
    /// stored, or they were deleted since.
    fn known_to(self, newest: Self) -> Self {
        Self {
            retry: self.retry.min(newest.retry),
            ..self
        }
    }

    fn to_text(self) -> String {
        format!("{}/{}", self.job, self.retry)
    }

    fn from_text(text: &str) -> Option<Self> {
        // Before retries counted, the job stood alone.
        let (job, retry) = match text.split_once('/') {
            Some((job, retry)) => (job, retry.parse().ok()?),
            None => (text, i64::MAX),
        };
        Some(Self {
            job: job.parse().ok()?,
            retry,
        })
    }
}

/// Where the current batch begins: with the first job that was added or retried after all jobs had
/// come to rest. Stored, so that a restart does not begin another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// Jobs up to this one belong to earlier batches, if they have ended and were not retried since.
    pub after: Mark,
    /// The newest when all jobs were at rest; none while one is not.
    pub rested_at: Option<Mark>,
}

impl Marks {
    /// The marks after a look that found `open` jobs that are not at rest.
    #[must_use]
    pub fn seen(self, open: i64, newest: Mark) -> Self {
        let after = self.after.known_to(newest);
        match self.rested_at.map(|mark| mark.known_to(newest)) {
            None => Self {
                after,
                rested_at: (open == 0).then_some(newest),
            },
            Some(rested_at) if open > 0 => Self {
                after: rested_at,
                rested_at: None,
            },
            // Added or retried, and ended between two looks: a batch of their own.
            Some(rested_at) if rested_at.is_before(newest) => Self {
                after: rested_at,
                rested_at: Some(newest),
            },
            rested_at @ Some(_) => Self { after, rested_at },
        }
    }

    /// As it is stored.
    pub fn to_text(self) -> String {
        let rested_at = self.rested_at.map_or_else(String::new, Mark::to_text);
        format!("{} {rested_at}", self.after.to_text())
    }

    /// What was stored; the beginning of all where that cannot be read.
    pub fn from_text(text: &str) -> Self {
        let mut marks = text.split(' ').map(Mark::from_text);
        Self {
            after: marks.next().flatten().unwrap_or_default(),
            rested_at: marks.next().flatten(),
        }
    }
}

/// What was announced of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AnnouncedBatch {
    /// The last event of the last batch that was announced.
    #[serde(default)]
    pub event_id: i64,
    /// The credits that were spent then, in all; none where that is not known yet.
    #[serde(default)]
    pub spent: Option<i64>,
}

/// What happened to jobs since a batch was announced last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchFigures {
    /// The last event of it.
    pub last_event: i64,
    /// When the first of it happened.
    pub started_at: UnixMs,
    /// The jobs that something happened to, by the state that they are in now.
    pub states: BTreeMap<JobState, i64>,
}

/// Events with one of which a batch may begin. That a job which is PARKED was tried once more and
/// is PARKED again is none: after each probe the same would be announced.
pub const BATCH_BEGINS: &[&str] = &["queued", "requeued", "finished", "failed"];

/// Events that happen to jobs which are at rest and stay so. A change that sets a job going again
/// comes with `requeued`; one of labels or `expect` does not.
pub const OF_NO_BATCH: &[&str] = &["changed", "judged", "pinned"];

impl BatchFigures {
    /// What to announce, with all that is `spent` by `now`; and what is announced then.
    pub fn announcement(
        &self,
        before: AnnouncedBatch,
        spent: i64,
        now: UnixMs,
    ) -> (GeneralEvent, AnnouncedBatch) {
        let of = |state| self.states.get(&state).copied().unwrap_or_default();
        let event = GeneralEvent::BatchDone {
            finished: of(JobState::Finished),
            failed: of(JobState::Failed),
            parked: of(JobState::Parked),
            cancelled: of(JobState::Cancelled),
            queued: of(JobState::Queued),
            // Creates of before may turn out to have made nothing.
            credits: spent.saturating_sub(before.spent.unwrap_or(spent)).max(0),
            started_at: self.started_at,
            took_ms: now.saturating_sub(self.started_at).max(0),
        };
        let after = AnnouncedBatch {
            event_id: self.last_event,
            spent: Some(spent),
        };
        (event, after)
    }
}

/// How many jobs had ended when, recently.
#[derive(Debug, Clone, Default)]
pub struct Throughput(VecDeque<(UnixMs, i64)>);

/// How far back the pace is looked up in the history where it is not known yet.
pub const LOOKED_BACK_MS: DurationMs = 5 * 60_000;

/// What the history says of the time since [`LOOKED_BACK_MS`] ago.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LatelyEnded {
    /// How many jobs ended.
    pub jobs: i64,
    /// When the first of all events happened; none where nothing did.
    pub since: Option<UnixMs>,
}

impl Throughput {
    /// Begins with what ended lately, where `ended` have ended in all. Where work began a moment ago,
    /// the pace is that of the shortest time that counts.
    pub fn of_history(lately: LatelyEnded, ended: i64, now: UnixMs) -> Self {
        let began = lately.since.filter(|_| lately.jobs > 0);
        let looks = began.map(|at| (at.min(now - LEAST_WINDOW_MS), ended - lately.jobs));
        Self(looks.into_iter().collect())
    }

    /// Takes in that `ended` jobs in all have ended by `now`. While nothing is worked on,
    /// no time counts: the pace is that of the work, and begins with it.
    pub fn note(&mut self, now: UnixMs, ended: i64, is_working: bool) {
        if !is_working {
            self.0.clear();
            return;
        }
        // The clock was set back: the pace is measured again.
        if self.0.back().is_some_and(|(at, _)| *at > now) {
            self.0.clear();
        }
        // Old jobs were deleted, or some that had ended go on: that says nothing of the pace.
        let fewer = self
            .0
            .back()
            .map_or(0, |(_, before)| (before - ended).max(0));
        for (_, counted) in &mut self.0 {
            *counted -= fewer;
        }
        if self.0.back().is_none_or(|(at, _)| now - at >= APART_MS) {
            self.0.push_back((now, ended));
        }
        while self.0.front().is_some_and(|(at, _)| now - at > WINDOW_MS) {
            self.0.pop_front();
        }
    }

    /// How many jobs end in an hour at this pace; none where it is not known.
    pub fn per_hour(&self) -> Option<i64> {
        let (done, took_ms) = self.measured()?;
        Some(done.saturating_mul(3_600_000).saturating_div(took_ms))
    }

    /// How many jobs ended in how long, where that says something.
    pub fn measured(&self) -> Option<(i64, DurationMs)> {
        let (began_at, began) = self.0.front()?;
        let (now, ended) = self.0.back()?;
        let (done, took_ms) = (ended - began, now - began_at);
        (took_ms >= LEAST_WINDOW_MS && done > 0).then_some((done, took_ms))
    }

    /// How long `left` jobs take at this pace; none where it is not known, or nothing ends.
    pub fn time_for(&self, left: i64) -> Option<DurationMs> {
        let (done, took_ms) = self.measured()?;
        Some(left.saturating_mul(took_ms).saturating_div(done))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_begins_with_the_first_job_that_is_added_or_retried_after_a_rest() {
        let began = Marks::default();
        for (marks, open, newest, expected) in [
            (began, 3, (5, 0), "0/0 "),
            (began, 0, (0, 0), "0/0 0/0"),
            (began, 0, (5, 0), "0/0 5/0"),
            (at("0/0 5/0"), 0, (5, 0), "0/0 5/0"),
            (at("0/0 5/0"), 2, (7, 0), "5/0 "),
            (at("0/0 5/0"), 0, (9, 0), "5/0 9/0"),
            (at("5/0 "), 1, (9, 0), "5/0 "),
            (at("5/0 "), 0, (9, 0), "5/0 9/0"),
            // One is retried; one was, and ended before anybody looked.
            (at("0/0 5/0"), 1, (5, 40), "5/0 "),
            (at("0/0 5/0"), 0, (5, 40), "5/0 5/40"),
            (at("5/0 "), 0, (5, 40), "5/0 5/40"),
            // Retries whose history was deleted.
            (at("5/30 5/40"), 0, (5, 10), "5/10 5/10"),
            // As it was stored before retries counted.
            (at("0 5"), 0, (5, 40), "0/40 5/40"),
            (at("0 "), 2, (5, 40), "0/40 "),
        ] {
            let newest = Mark {
                job: newest.0,
                retry: newest.1,
            };
            let seen = marks.seen(open, newest);
            assert_eq!(seen.to_text(), expected, "{marks:?} {open} {newest:?}");
            assert_eq!(Marks::from_text(&seen.to_text()), seen);
        }
        assert_eq!(Marks::from_text("rubbish"), began);
    }

    fn at(text: &str) -> Marks {
        Marks::from_text(text)
    }

    #[test]
    fn a_batch_is_announced_with_what_became_of_its_jobs() {
        let figures = BatchFigures {
            last_event: 70,
            started_at: 1_000,
            states: BTreeMap::from([(JobState::Finished, 4), (JobState::Parked, 2)]),
        };
        for (before, spent, now, credits, took_ms) in [
            (Some(10), 40, 5_000, 30, 4_000),
            // Not known, given back, a clock that was set back.
            (None, 40, 5_000, 0, 4_000),
            (Some(10), 5, 5_000, 0, 4_000),
            (Some(10), 40, 500, 30, 0),
        ] {
            let before = AnnouncedBatch {
                event_id: 3,
                spent: before,
            };
            let (event, after) = figures.announcement(before, spent, now);
            let expected = GeneralEvent::BatchDone {
                finished: 4,
                failed: 0,
                parked: 2,
                cancelled: 0,
                queued: 0,
                credits,
                started_at: 1_000,
                took_ms,
            };
            assert_eq!(event, expected);
            assert_eq!((after.event_id, after.spent), (70, Some(spent)));
        }
    }

    #[test]
    fn the_time_left_follows_the_pace_of_late() {
        type Case = (&'static [(UnixMs, i64)], i64, Option<DurationMs>);
        let table: &[Case] = &[
            (&[], 5, None),
            (&[(0, 0)], 5, None),
            (&[(0, 0), (20_000, 9)], 5, None),
            (&[(0, 0), (60_000, 0)], 5, None),
            (&[(0, 0), (60_000, 10)], 5, Some(30_000)),
            (&[(0, 0), (60_000, 10)], 0, Some(0)),
            // Old jobs were deleted, or retried.
            (&[(0, 50), (60_000, 40), (120_000, 50)], 5, Some(60_000)),
            (&[(0, 50), (60_000, 70), (62_000, 10)], 5, Some(15_000)),
            // The clock was set back.
            (&[(900_000, 0), (0, 5), (60_000, 15)], 5, Some(30_000)),
            // What was slow an hour ago.
            (&[(0, 0), (3_600_000, 1), (3_660_000, 61)], 60, Some(60_000)),
            // Looks in a row are one.
            (&[(0, 0), (40_000, 4), (41_000, 400)], 1, Some(10_000)),
        ];
        for (looks, left, expected) in table {
            let mut pace = Throughput::default();
            for (now, ended) in *looks {
                pace.note(*now, *ended, true);
            }
            assert_eq!(pace.time_for(*left), *expected, "{looks:?}");
        }
    }

    #[test]
    fn a_pace_begins_with_what_the_history_says() {
        const NOW: UnixMs = 1_000_000;
        for (jobs, since, expected) in [
            (0, None, None),
            (0, Some(NOW - 60_000), None),
            (10, Some(NOW - 60_000), Some(600)),
            // Work began a moment ago, or a clock was ahead.
            (10, Some(NOW - 1_000), Some(1_200)),
            (10, Some(NOW + 60_000), Some(1_200)),
        ] {
            let lately = LatelyEnded { jobs, since };
            let mut pace = Throughput::of_history(lately, 50, NOW);
            pace.note(NOW, 50, true);
            assert_eq!(pace.per_hour(), expected, "{lately:?}");
            pace.note(NOW + 1_000, 50, false);
            assert_eq!(pace.per_hour(), None, "{lately:?}");
        }
    }

    #[test]
    fn time_without_work_counts_to_no_pace() {
        let mut pace = Throughput::default();
        for now in (0..=1_200_000).step_by(15_000) {
            pace.note(now, 7, false);
        }
        assert_eq!(pace.time_for(5), None);
        pace.note(1_210_000, 7, true);
        pace.note(1_270_000, 17, true);
        assert_eq!(pace.time_for(5), Some(30_000));
        assert_eq!(pace.per_hour(), Some(600));
        pace.note(1_300_000, 17, false);
        assert_eq!(pace.time_for(5), None);
    }
}
