//! PURE: since when and why no list of the account can be had: without one, no create is sent.

use serde::{Deserialize, Serialize};

use crate::core::{
    job::{DurationMs, UnixMs},
    lifecycle::TRUSTED_LISTS,
    outcome::ErrorDetail,
};

/// That the service answers and its list cannot be used, as it is told to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoListSince {
    /// When the first such answer came.
    pub since: UnixMs,
    /// The HTTP status of the last one.
    pub http_status: u16,
    /// What was wrong with it.
    pub why: String,
}

impl NoListSince {
    /// Whether it passes by itself, as far as its status tells: an outage does.
    pub const fn may_pass(&self) -> bool {
        self.http_status >= 500
    }
}

/// What became of the last lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blindness {
    reported: Option<NoListSince>,
    /// When this process had the first such answer of those in a row, and how many.
    began_at: UnixMs,
    answers: i64,
}

impl Blindness {
    /// As the process before this one left it.
    pub fn left(reported: Option<NoListSince>) -> Self {
        Self {
            reported,
            ..Self::default()
        }
    }

    /// After an answer that was not a list.
    #[must_use]
    pub fn after(self, words: &ErrorDetail, now: UnixMs) -> Self {
        let Some(http_status) = words.status else {
            // Nobody answered: the gate tells of that.
            return self;
        };
        let since = self.reported.map_or(now, |told| told.since.min(now));
        Self {
            reported: Some(NoListSince {
                since,
                http_status,
                why: words.message.clone(),
            }),
            began_at: if self.answers == 0 {
                now
            } else {
                self.began_at
            },
            answers: self.answers + 1,
        }
    }

    /// What is told to people.
    pub const fn reported(&self) -> Option<&NoListSince> {
        self.reported.as_ref()
    }

    /// Whether nothing but a person will change it: it was so for `patience_ms`, and each of
    /// the answers was the service's.
    pub fn is_lasting(&self, now: UnixMs, patience_ms: DurationMs) -> bool {
        let lasts = self.reported.as_ref().is_some_and(|told| !told.may_pass());
        lasts && self.answers >= TRUSTED_LISTS && now - self.began_at >= patience_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(status: Option<u16>, message: &str) -> ErrorDetail {
        ErrorDetail {
            status,
            message: message.to_owned(),
        }
    }

    fn after(statuses: &[Option<u16>]) -> Blindness {
        let mut blindness = Blindness::default();
        for (status, now) in statuses.iter().zip([10, 20, 30, 40]) {
            blindness = blindness.after(&words(*status, "no list"), now);
        }
        blindness
    }

    #[test]
    fn it_lasts_after_three_answers_and_the_patience_unless_it_is_an_outage() {
        for (statuses, now, lasts) in [
            (&[Some(200), Some(200), Some(200)][..], 109, false),
            (&[Some(200), Some(200), Some(200)], 110, true),
            (&[Some(200), Some(200)], 1_000, false),
            (&[Some(200), None, Some(200)], 1_000, false),
            (&[Some(200), None, Some(404), Some(200)], 1_000, true),
            (&[Some(200), Some(200), Some(503)], 1_000, false),
            (&[None, None, None], 1_000, false),
        ] {
            let blindness = after(statuses);
            assert_eq!(blindness.is_lasting(now, 100), lasts, "{statuses:?} {now}");
        }
    }

    #[test]
    fn it_is_told_since_its_first_answer_and_why_by_its_last() {
        let left = Blindness::left(Some(NoListSince {
            since: 3,
            http_status: 500,
            why: "boom".to_owned(),
        }));
        let expected = NoListSince {
            since: 3,
            http_status: 200,
            why: "it is an object".to_owned(),
        };
        let told = left.after(&words(Some(200), "it is an object"), 50);
        assert_eq!(told.reported(), Some(&expected));
        assert!(!told.is_lasting(1_000, 100), "one answer of this process");
        assert_eq!(after(&[None]).reported(), None);
    }
}
