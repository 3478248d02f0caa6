//! PURE: what a run until nothing is left to do came to, in words.

use crate::{cli::output::grouped, job::JobState, store::report::Counts};

/// The states in the order of how much they matter at the end.
const ORDER: [JobState; 7] = [
    JobState::Finished,
    JobState::Failed,
    JobState::Parked,
    JobState::Queued,
    JobState::Creating,
    JobState::Generating,
    JobState::Cancelled,
];

/// The counts by state in one line; then a line for each next step there is.
pub(super) fn lines(counts: &Counts, files_ok: bool) -> Vec<String> {
    let some = |state: &JobState| {
        let jobs = counts.of(*state);
        (jobs > 0).then(|| format!("{} {state}", grouped(jobs)))
    };
    let parts: Vec<_> = ORDER.iter().filter_map(some).collect();
    let mut lines = vec![if parts.is_empty() {
        "there are no jobs: `parserd enqueue FILE` adds some".to_owned()
    } else {
        format!("jobs: {}", parts.join(", "))
    }];
    if counts.of(JobState::Failed) > 0 {
        lines.push(
            "next: `parserd jobs --state FAILED` says why, `parserd show ID` what to do".to_owned(),
        );
    }
    if counts.of(JobState::Parked) > 0 {
        lines.push(
            "next: `parserd status` says why jobs are PARKED, and what to do about it".to_owned(),
        );
    }
    let open = [JobState::Queued, JobState::Creating, JobState::Generating];
    if open.iter().any(|state| counts.of(*state) > 0) {
        lines.push(
            "next: `parserd status` says what the other jobs wait for, `parserd run` goes on \
             with them"
                .to_owned(),
        );
    }
    if !files_ok {
        lines.push(
            "next: correct the job files of enqueue.files that were not loaded, named above"
                .to_owned(),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_one_line_and_each_next_step_another() {
        use JobState::{Failed, Finished, Generating, Parked};
        type Row<'a> = (&'a [(JobState, i64)], bool, &'a [&'a str]);
        let table: [Row; 4] = [
            (&[], true, &["there are no jobs: `parserd enqueue FILE`"]),
            (&[(Finished, 1200)], true, &["jobs: 1,200 FINISHED"]),
            (
                &[(Parked, 2), (Failed, 1), (Finished, 3)],
                false,
                &[
                    "jobs: 3 FINISHED, 1 FAILED, 2 PARKED",
                    "next: `parserd jobs --state FAILED`",
                    "next: `parserd status` says why",
                    "next: correct the job files",
                ],
            ),
            (
                &[(Generating, 2)],
                true,
                &["jobs: 2 GENERATING", "next: `parserd status`"],
            ),
        ];
        for (states, files_ok, expected) in table {
            let counts = Counts {
                states: states.iter().copied().collect(),
                ..Counts::default()
            };
            let lines = lines(&counts, files_ok);
            assert_eq!(lines.len(), expected.len(), "{lines:?}");
            for (line, start) in lines.iter().zip(expected) {
                assert!(line.starts_with(start), "{line}");
            }
        }
    }
}
