//! PURE: what a run until nothing is left to do came to, as an exit code and in words.

use crate::{cli::Exit, core::job::JobState, present::format::grouped, store::report::Counts};

/// How things stand at a run's end, and what of it is the run's.
#[derive(Debug)]
pub(super) struct RunEnd {
    /// All jobs of the database.
    pub counts: Counts,
    /// Those that this run finished.
    pub finished: i64,
    /// Those that became FAILED during this run, and still are.
    pub failed: i64,
    /// Whether all job files could be loaded.
    pub files_ok: bool,
}

impl RunEnd {
    /// The run's verdict on itself. What had failed before does not concern it: who looks
    /// at the exit code each night has been told.
    pub(super) fn exit(&self) -> Exit {
        let is_held = self.counts.of(JobState::Parked) > 0 || self.is_open();
        if self.failed > 0 {
            Exit::FailedJobs
        } else if is_held {
            Exit::ParkedJobs
        } else if self.files_ok {
            Exit::Done
        } else {
            Exit::BadFile
        }
    }

    /// The counts of this run in one line, those of all else in another; then a line for
    /// each next step there is.
    pub(super) fn lines(&self) -> Vec<String> {
        let of = |state| self.counts.of(state);
        let mine = [
            (JobState::Finished, self.finished),
            (JobState::Failed, self.failed),
            (JobState::Parked, of(JobState::Parked)),
            (JobState::Queued, of(JobState::Queued)),
            (JobState::Creating, of(JobState::Creating)),
            (JobState::Generating, of(JobState::Generating)),
        ];
        let before = [
            (JobState::Finished, of(JobState::Finished) - self.finished),
            (JobState::Failed, of(JobState::Failed) - self.failed),
            (JobState::Cancelled, of(JobState::Cancelled)),
        ];
        let mut lines = match (listed(&mine), listed(&before)) {
            (Some(mine), None) => vec![format!("jobs: {mine}")],
            (Some(mine), Some(before)) => vec![
                format!("jobs: {mine}"),
                format!("not from this run: {before}"),
            ],
            (None, Some(before)) => vec![
                "jobs: none had anything to do".to_owned(),
                format!("not from this run: {before}"),
            ],
            (None, None) => vec!["there are no jobs: `parserd enqueue FILE` adds some".to_owned()],
        };
        lines.extend(self.next_steps().map(str::to_owned));
        lines
    }

    fn next_steps(&self) -> impl Iterator<Item = &'static str> {
        let parked = self.counts.of(JobState::Parked) > 0;
        [
            (
                self.failed > 0,
                "next: `parserd jobs --state FAILED` says why, `parserd show ID` what to do",
            ),
            (
                parked,
                "next: `parserd status` says why jobs are PARKED, and what to do about it",
            ),
            (
                self.is_open(),
                "next: `parserd status` says what the other jobs wait for, `parserd run` goes on \
                 with them",
            ),
            (
                self.finished > 0,
                "next: `parserd parsers` says what each parser is worth, `parserd show NAME` what it \
                 found",
            ),
            (
                !self.files_ok,
                "next: correct the job files of enqueue.files that were not loaded, named above",
            ),
        ]
        .into_iter()
        .filter_map(|(is_due, line)| is_due.then_some(line))
    }

    fn is_open(&self) -> bool {
        let mut open = JobState::ALL.iter().filter(|state| state.is_open());
        open.any(|state| self.counts.of(*state) > 0)
    }
}

/// `3 FINISHED, 1 FAILED`; none where there is none of any.
pub(in crate::cli) fn listed(counts: &[(JobState, i64)]) -> Option<String> {
    let some = |(state, jobs): &(JobState, i64)| {
        (*jobs > 0).then(|| format!("{} {state}", grouped(*jobs)))
    };
    let parts: Vec<_> = counts.iter().filter_map(some).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_judged_by_its_own_jobs_and_tells_the_others_apart() {
        use JobState::{Cancelled, Failed, Finished, Generating, Parked};
        /// States, of these finished and failed by this run, files; the verdict, the lines.
        type Row<'a> = (&'a [(JobState, i64)], (i64, i64), bool, Exit, &'a [&'a str]);
        let table: [Row; 7] = [
            (
                &[],
                (0, 0),
                true,
                Exit::Done,
                &["there are no jobs: `parserd enqueue FILE`"],
            ),
            (
                &[(Finished, 1200)],
                (1200, 0),
                true,
                Exit::Done,
                &["jobs: 1,200 FINISHED", "next: `parserd parsers` says"],
            ),
            // Each night after a job failed for good.
            (
                &[(Finished, 1200), (Failed, 4), (Cancelled, 1)],
                (200, 0),
                true,
                Exit::Done,
                &[
                    "jobs: 200 FINISHED",
                    "not from this run: 1,000 FINISHED, 4 FAILED, 1 CANCELLED",
                    "next: `parserd parsers` says",
                ],
            ),
            (
                &[(Failed, 4)],
                (0, 0),
                false,
                Exit::BadFile,
                &[
                    "jobs: none had anything to do",
                    "not from this run: 4 FAILED",
                    "next: correct the job files",
                ],
            ),
            (
                &[(Parked, 2), (Failed, 5), (Finished, 3)],
                (3, 1),
                false,
                Exit::FailedJobs,
                &[
                    "jobs: 3 FINISHED, 1 FAILED, 2 PARKED",
                    "not from this run: 4 FAILED",
                    "next: `parserd jobs --state FAILED`",
                    "next: `parserd status` says why",
                    "next: `parserd parsers` says",
                    "next: correct the job files",
                ],
            ),
            (
                &[(Parked, 2), (Failed, 4)],
                (0, 0),
                true,
                Exit::ParkedJobs,
                &[
                    "jobs: 2 PARKED",
                    "not from this run: 4 FAILED",
                    "next: `parserd status` says why",
                ],
            ),
            (
                &[(Generating, 2)],
                (0, 0),
                true,
                Exit::ParkedJobs,
                &["jobs: 2 GENERATING", "next: `parserd status`"],
            ),
        ];
        for (states, (finished, failed), files_ok, exit, expected) in table {
            let ended = RunEnd {
                counts: Counts {
                    states: states.iter().copied().collect(),
                    ..Counts::default()
                },
                finished,
                failed,
                files_ok,
            };
            assert_eq!(ended.exit(), exit, "{ended:?}");
            let lines = ended.lines();
            assert_eq!(lines.len(), expected.len(), "{lines:?}");
            for (line, start) in lines.iter().zip(expected) {
                assert!(line.starts_with(start), "{line}");
            }
        }
    }
}
