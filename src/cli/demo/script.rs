//! PURE: the demo's script: what goes wrong in it, and how it must end.

use std::collections::BTreeSet;

use crate::{
    core::job::JobState,
    present::format::{count, quoted},
};

/// The job that is bound to fail.
pub(super) const FAILS: &str = "quotes-js-delayed-no-render";

/// The job of whose parser a result is shown.
pub(super) const FINDS: &str = "books-product";

/// What goes wrong, and for whom.
pub(super) const FAULTS: &[&str] = &[
    // The page needs JavaScript, and the job does not say so.
    "create fail=\"ExtractionError: No data could be extracted, the page may need JavaScript\" \
     name=quotes-js-delayed-no-render",
    // An error that made nothing: found out, then tried again.
    "create status=500 before nth=1 name=books-category",
    // An answer lost on its way: the parser is found, not paid for again.
    "create lose after nth=1 name=quotes-author",
];

/// Which events are told: what goes wrong, and what comes of it.
#[derive(Debug, Default)]
pub(super) struct Story {
    told_once: BTreeSet<&'static str>,
}

/// Told each time, and told the first time only: many jobs go the same way.
const TOLD: &[&str] = &["in_doubt", "not_made", "adopted", "failed"];
const TOLD_ONCE: &[&str] = &["created", "finished", "parked", "unparked"];

impl Story {
    /// Whether the event of this name is told, now that it happens.
    pub(super) fn tells(&mut self, event: &str) -> bool {
        match TOLD_ONCE.iter().find(|once| **once == event) {
            Some(once) => self.told_once.insert(once),
            None => TOLD.contains(&event),
        }
    }
}

/// How the demo ended.
#[derive(Debug)]
pub(super) struct End {
    /// The jobs by name, with their states.
    pub jobs: Vec<(String, String)>,
    /// How many of them have two parsers.
    pub paid_twice: usize,
}

/// What went otherwise than the script says, a line each.
pub(super) fn departures(end: &End) -> Vec<String> {
    let expected = |name: &str| {
        if name == FAILS {
            JobState::Failed
        } else {
            JobState::Finished
        }
    };
    let mut departures: Vec<_> = end
        .jobs
        .iter()
        .filter(|(name, state)| state != expected(name).as_str())
        .map(|(name, state)| {
            format!(
                "job {} is {state}, and the demo's script has it {}",
                quoted(name),
                expected(name)
            )
        })
        .collect();
    if !end.jobs.iter().any(|(name, _)| name == FAILS) {
        departures.push(format!("job {} is not there", quoted(FAILS)));
    }
    if end.paid_twice > 0 {
        departures.push(format!("{} paid for twice", count(end.paid_twice, "job")));
    }
    departures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_to_many_jobs_is_told_once() {
        let mut story = Story::default();
        for (event, is_told) in [
            ("creating", false),
            ("created", true),
            ("created", false),
            ("in_doubt", true),
            ("in_doubt", true),
            ("parked", true),
            ("parked", false),
            ("failed", true),
            ("judged", false),
        ] {
            assert_eq!(story.tells(event), is_told, "{event}");
        }
    }

    #[test]
    fn all_jobs_finish_but_the_one_that_is_bound_to_fail() {
        let end = |jobs: &[(&str, &str)], paid_twice| End {
            jobs: jobs
                .iter()
                .map(|(name, state)| ((*name).to_owned(), (*state).to_owned()))
                .collect(),
            paid_twice,
        };
        assert!(FAULTS[0].ends_with(&format!("name={FAILS}")), "one name");
        let as_written = [("a", "FINISHED"), (FAILS, "FAILED")];
        assert_eq!(departures(&end(&as_written, 0)), [""; 0]);
        for (jobs, paid_twice, text) in [
            (&as_written[..], 1, "1 job paid for twice"),
            (
                &[("a", "FINISHED"), (FAILS, "FINISHED")],
                0,
                "has it FAILED",
            ),
            (
                &[("a", "FAILED"), (FAILS, "FAILED")],
                0,
                "job \"a\" is FAILED",
            ),
            (&[("a", "PARKED"), (FAILS, "FAILED")], 0, "has it FINISHED"),
            (&[("a", "FINISHED")], 0, "is not there"),
        ] {
            let departures = departures(&end(jobs, paid_twice));
            assert_eq!(departures.len(), 1, "{departures:?}");
            assert!(departures[0].contains(text), "{departures:?}");
        }
    }
}
