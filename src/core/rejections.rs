//! PURE: the same rejection of several different jobs in a row is about the account, not about
//! the jobs: it holds the creates rather than fail them all.

use crate::core::{
    job::JobId,
    outcome::{CreateOutcome, ErrorDetail, Refusal},
};

/// So many different jobs rejected in the same words, and none accepted between, speak of the
/// account. Those before the last of them have FAILED.
const JOBS_IN_A_ROW: usize = 3;

/// So many different texts are remembered as the account's.
const MAX_HELD: usize = 8;

/// As many characters of a text are compared.
const COMPARED_CHARS: usize = 500;

/// A rejection without what differs from one job, or one request, to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    status: u16,
    text: String,
}

/// What creates were rejected with, since one was last accepted.
#[derive(Debug, Default)]
pub struct Rejections {
    /// The last rejection, and the different jobs that it hit one after the other.
    row: Option<(Said, Vec<JobId>)>,
    /// Those that are taken to be about the account.
    held: Vec<Said>,
}

impl Rejections {
    /// What is known from jobs that a process before this one held: status and text of each.
    pub fn remembering(held: impl IntoIterator<Item = (u16, String)>) -> Self {
        let mut rejections = Self::default();
        for (status, text) in held {
            rejections.hold(Said::new(status, &text));
        }
        rejections
    }

    /// Takes in what came of a create of `job`, and says what to make of it. `own` are texts of
    /// this job alone: a rejection that repeats one of them is about the job.
    #[must_use]
    pub fn after(&mut self, job: JobId, own: &[&str], outcome: CreateOutcome) -> CreateOutcome {
        match outcome {
            CreateOutcome::Created { .. } => {
                *self = Self::default();
                outcome
            }
            CreateOutcome::Rejected(words) => {
                if self.is_of_account(job, said(&words, own)) {
                    CreateOutcome::Refused(Refusal::AccountLimit, words)
                } else {
                    CreateOutcome::Rejected(words)
                }
            }
            // They say nothing of jobs.
            CreateOutcome::Refused(..)
            | CreateOutcome::NotSent(_)
            | CreateOutcome::InDoubt(..)
            | CreateOutcome::Unavailable { .. } => outcome,
        }
    }

    fn is_of_account(&mut self, job: JobId, said: Option<Said>) -> bool {
        let Some(said) = said else {
            self.row = None;
            return false;
        };
        if self.held.contains(&said) {
            return true;
        }
        let mut jobs = match self.row.take() {
            Some((last, jobs)) if last == said => jobs,
            Some(_) | None => Vec::new(),
        };
        if !jobs.contains(&job) {
            jobs.push(job);
        }
        if jobs.len() < JOBS_IN_A_ROW {
            self.row = Some((said, jobs));
            return false;
        }
        self.hold(said);
        true
    }

    fn hold(&mut self, said: Said) {
        if !self.held.contains(&said) {
            if self.held.len() >= MAX_HELD {
                self.held.remove(0);
            }
            self.held.push(said);
        }
    }
}

/// The rejection, unless it is known to be about this job.
fn said(words: &ErrorDetail, own: &[&str]) -> Option<Said> {
    // The service's texts for one request are known, and their job FAILs.
    let status = words.status.filter(|status| !matches!(status, 402 | 403))?;
    let text = words.message.to_lowercase();
    let is_own = |own: &&str| !own.is_empty() && text.contains(&own.to_lowercase());
    (!own.iter().any(is_own)).then(|| Said::new(status, &text))
}

impl Said {
    fn new(status: u16, text: &str) -> Self {
        // Ids of requests, times and counts differ each time.
        let word = |word: &str| {
            if word.contains(|c: char| c.is_ascii_digit()) {
                "#".to_owned()
            } else {
                word.to_lowercase()
            }
        };
        let words: Vec<_> = text
            .split(|c: char| c.is_whitespace() || "\"'`,:;=()[]{}<>".contains(c))
            .filter(|text| !text.is_empty())
            .map(word)
            .collect();
        Self {
            status,
            text: words.join(" ").chars().take(COMPARED_CHARS).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{job::ParserId, outcome::DoubtCause};

    const OWN: &[&str] = &["books_pd_abcdefgh", "https://a.example/x"];

    fn rejected(status: u16, text: &str) -> CreateOutcome {
        CreateOutcome::Rejected(ErrorDetail {
            status: Some(status),
            message: text.to_owned(),
        })
    }

    fn created() -> CreateOutcome {
        CreateOutcome::Created {
            parser_id: ParserId("p1".to_owned()),
            version: None,
        }
    }

    fn lost() -> CreateOutcome {
        CreateOutcome::InDoubt(DoubtCause::AnswerLost, ErrorDetail::default())
    }

    /// Whether each of them is held rather than FAILED.
    fn held(creates: Vec<(i64, CreateOutcome)>) -> Vec<bool> {
        let mut rejections = Rejections::default();
        let mut is_held = |(job, outcome)| {
            let judged = rejections.after(JobId(job), OWN, outcome);
            matches!(judged, CreateOutcome::Refused(Refusal::AccountLimit, _))
        };
        creates.into_iter().map(&mut is_held).collect()
    }

    #[test]
    fn the_third_job_in_a_row_with_the_same_rejection_and_all_after_it_are_held() {
        let limit = |n| {
            rejected(
                400,
                &format!("Parser limit reached ({n} of 10), request r{n}f"),
            )
        };
        let creates = (1..6).map(|job| (job, limit(job))).collect();
        assert_eq!(held(creates), [false, false, true, true, true]);
    }

    #[test]
    fn what_breaks_the_row_and_what_does_not() {
        let same = || rejected(422, "limit");
        let table = [
            (
                "one job alone",
                vec![(1, same()), (1, same()), (1, same())],
                false,
            ),
            (
                "accepted between",
                vec![(1, same()), (2, same()), (3, created()), (4, same())],
                false,
            ),
            (
                "another text",
                vec![
                    (1, same()),
                    (2, same()),
                    (3, rejected(422, "x")),
                    (4, same()),
                ],
                false,
            ),
            (
                "another status",
                vec![(1, same()), (2, same()), (3, rejected(400, "limit"))],
                false,
            ),
            (
                "lost between",
                vec![(1, same()), (2, same()), (3, lost()), (4, same())],
                true,
            ),
        ];
        for (label, creates, expected) in table {
            assert_eq!(held(creates).last(), Some(&expected), "{label}");
        }
    }

    #[test]
    fn a_rejection_that_repeats_what_is_the_jobs_own_is_about_the_job() {
        for text in [
            "https://A.example/x is not reachable",
            "the name books_pd_abcdefgh is taken",
        ] {
            let creates = (1..6).map(|job| (job, rejected(400, text))).collect();
            assert!(held(creates).iter().all(|held| !held), "{text}");
        }
        let of_plan = (1..6).map(|job| (job, rejected(403, "your plan does not allow premium")));
        assert!(held(of_plan.collect()).iter().all(|held| !held));
    }

    #[test]
    fn once_held_a_text_stays_held_until_a_create_is_accepted() {
        let same = || rejected(400, "limit");
        let creates = vec![
            (1, same()),
            (2, same()),
            (3, same()),
            (4, rejected(400, "urls: at most three")),
            (5, same()),
            (6, created()),
            (7, same()),
        ];
        let expected = [false, false, true, false, true, false, false];
        assert_eq!(held(creates), expected);
    }

    #[test]
    fn a_new_process_remembers_what_was_held() {
        let mut rejections = Rejections::remembering([(400, "Limit of 10 reached".to_owned())]);
        let outcome = rejections.after(JobId(9), OWN, rejected(400, "limit of 12 reached"));
        assert!(matches!(outcome, CreateOutcome::Refused(..)), "{outcome:?}");
    }
}
