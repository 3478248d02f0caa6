//! PURE: how soon the account's list shows new parsers, as far as it was seen.
//!
//! A create that was answered 500 counts as not made after a short time only where the
//! list was seen to be quick; everywhere else after the time for lost answers.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{
    core::job::{DurationMs, ParserId, UnixMs},
    core::listing::Listing,
};

/// How many of the newest measurements are kept.
const SAMPLES: usize = 8;

/// How many of them must have been quick.
const MIN_QUICK: usize = 3;

/// A list counts as quick within this part of the settling time.
const PART: DurationMs = 2;

/// For how long a list that lagged is remembered.
const REMEMBERED_MS: DurationMs = 7 * 24 * 60 * 60 * 1000;

/// How many new parsers are waited for at once.
const MAX_FRESH: usize = 1000;

/// What was measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LagSamples {
    /// How old new parsers were at the most when a list first showed them, the newest last.
    pub shown_within_ms: VecDeque<DurationMs>,
    /// The greatest age at which a list did not show a new parser.
    pub hidden_for_ms: DurationMs,
    /// When that was.
    pub hidden_at: UnixMs,
}

impl LagSamples {
    /// Whether lists show new parsers well within `settle_ms`.
    pub fn is_quick(&self, settle_ms: DurationMs, now: UnixMs) -> bool {
        let bound_ms = settle_ms / PART;
        self.quick(bound_ms).count() >= MIN_QUICK && self.hidden_ms(now) <= bound_ms
    }

    /// How long lists take to show new parsers: the longest that one was seen to lack one, where that
    /// is not well within `settle_ms`, else within what time they were shown, where enough were seen
    /// so soon.
    ///
    /// Of a parser that the next look shows, after a long time in which nobody looked, nothing is
    /// known: that is no lag.
    pub fn slowest_ms(&self, settle_ms: DurationMs, now: UnixMs) -> Option<DurationMs> {
        let (bound_ms, hidden_ms) = (settle_ms / PART, self.hidden_ms(now));
        if hidden_ms > bound_ms {
            return Some(hidden_ms);
        }
        let slowest_ms = self.quick(bound_ms).max()?;
        (self.quick(bound_ms).count() >= MIN_QUICK).then_some(slowest_ms.max(hidden_ms))
    }

    fn quick(&self, bound_ms: DurationMs) -> impl Iterator<Item = DurationMs> {
        let all = self.shown_within_ms.iter().copied();
        all.filter(move |ms| *ms <= bound_ms)
    }

    /// How long a list lacked a new parser, where that is remembered.
    fn hidden_ms(&self, now: UnixMs) -> DurationMs {
        if (0..REMEMBERED_MS).contains(&now.saturating_sub(self.hidden_at)) {
            self.hidden_for_ms
        } else {
            0
        }
    }
}

/// A parser that was just made and that no list showed yet.
#[derive(Debug, Clone)]
struct Fresh {
    id: ParserId,
    made_at: UnixMs,
}

/// What is measured now.
#[derive(Debug, Clone, Default)]
pub struct ListLag {
    lag_samples: LagSamples,
    fresh: VecDeque<Fresh>,
}

impl ListLag {
    /// With what was measured before.
    pub const fn knowing(lag_samples: LagSamples) -> Self {
        Self {
            lag_samples,
            fresh: VecDeque::new(),
        }
    }

    /// What was measured.
    pub const fn lag_samples(&self) -> &LagSamples {
        &self.lag_samples
    }

    /// The service just answered that it made this parser.
    pub fn made(&mut self, id: ParserId, now: UnixMs) {
        if self.fresh.len() >= MAX_FRESH {
            self.fresh.pop_front();
        }
        self.fresh.push_back(Fresh { id, made_at: now });
    }

    /// Forgets what waits to be listed, whose times are those before a step of the clock.
    pub fn forget_fresh(&mut self) {
        self.fresh.clear();
    }

    /// A list came. Returns what is known now, where that changed. A parser that no list
    /// shows for `patience_ms` may have been deleted, and is waited for no longer.
    pub fn listed(&mut self, listing: &Listing, patience_ms: DurationMs) -> Option<LagSamples> {
        let before = self.lag_samples.clone();
        let lag_samples = &mut self.lag_samples;
        self.fresh.retain(|fresh| {
            // Asked for before it was made, a list may show it and need not.
            let age_ms = listing.listed_at.saturating_sub(fresh.made_at).max(0);
            if listing.holds(&fresh.id) {
                if lag_samples.shown_within_ms.len() >= SAMPLES {
                    lag_samples.shown_within_ms.pop_front();
                }
                lag_samples.shown_within_ms.push_back(age_ms);
                return false;
            }
            if age_ms > lag_samples.hidden_for_ms || age_ms > 0 && is_past(lag_samples, listing) {
                lag_samples.hidden_for_ms = age_ms;
                lag_samples.hidden_at = listing.listed_at;
            }
            age_ms < patience_ms
        });
        (self.lag_samples != before).then(|| self.lag_samples.clone())
    }
}

/// Whether the list that lagged is so long ago that it counts no longer.
const fn is_past(lag_samples: &LagSamples, listing: &Listing) -> bool {
    listing.listed_at.saturating_sub(lag_samples.hidden_at) >= REMEMBERED_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::outcome::ListedParser;

    fn id(text: &str) -> ParserId {
        ParserId(text.to_owned())
    }

    fn list(listed_at: UnixMs, ids: &[&str]) -> Listing {
        let items = ids.iter().map(|text| ListedParser {
            id: id(text),
            name: "n".to_owned(),
            version: None,
            failed: false,
            settled: false,
        });
        Listing::new(items.collect(), listed_at)
    }

    #[test]
    fn lists_are_quick_once_three_new_parsers_were_shown_well_within_the_time() {
        let mut lag = ListLag::default();
        let at = 1_000_000;
        for (n, text) in (1..).zip(["a", "b", "c"]) {
            assert!(!lag.lag_samples().is_quick(10_000, at), "{n}");
            lag.made(id(text), at);
            assert!(lag.listed(&list(at + 5_000, &[text]), 900_000).is_some());
        }
        assert!(lag.lag_samples().is_quick(10_000, at));
        assert!(!lag.lag_samples().is_quick(9_998, at), "half of it is less");
        assert_eq!(lag.lag_samples().slowest_ms(10_000, at), Some(5_000));
        // Nothing new, nothing learnt.
        assert_eq!(
            lag.listed(&list(at + 9_000, &["a", "b", "c"]), 900_000),
            None
        );
    }

    #[test]
    fn a_list_that_hid_a_new_parser_for_longer_is_quick_no_more_for_a_week() {
        let mut lag = ListLag::default();
        let at = 1_000_000;
        for text in ["a", "b", "c"] {
            lag.made(id(text), at);
        }
        lag.listed(&list(at, &["a", "b", "c"]), 900_000);
        assert!(lag.lag_samples().is_quick(10_000, at));
        lag.made(id("d"), at);
        lag.listed(&list(at - 1, &[]), 900_000);
        assert!(lag.lag_samples().is_quick(10_000, at), "asked for before");
        lag.listed(&list(at + 5_000, &[]), 900_000);
        assert!(
            lag.lag_samples().is_quick(10_000, at),
            "not longer than half"
        );
        lag.listed(&list(at + 6_000, &[]), 900_000);
        assert!(!lag.lag_samples().is_quick(10_000, at + 6_000));
        assert!(lag.lag_samples().is_quick(12_000, at + 6_000));
        lag.listed(&list(at + 7_000, &["d"]), 900_000);
        assert!(!lag.lag_samples().is_quick(10_000, at + REMEMBERED_MS));
        assert!(
            lag.lag_samples()
                .is_quick(10_000, at + REMEMBERED_MS + 6_000)
        );
    }

    #[test]
    fn the_time_in_which_nobody_looked_is_no_lag_and_no_proof_of_quick_lists() {
        const MINUTES_10: DurationMs = 600_000;
        let mut lag = ListLag::default();
        let mut at = 1_000_000;
        let mut look = |lag: &mut ListLag, text: &str, after_ms| {
            lag.made(id(text), at);
            at += after_ms;
            lag.listed(&list(at, &[text]), 900_000);
            at
        };
        for text in ["a", "b", "c"] {
            let now = look(&mut lag, text, MINUTES_10);
            assert_eq!(lag.lag_samples().slowest_ms(120_000, now), None);
            assert!(!lag.lag_samples().is_quick(120_000, now));
        }
        for text in ["d", "e", "f"] {
            look(&mut lag, text, 4_000);
        }
        let now = look(&mut lag, "g", MINUTES_10);
        assert_eq!(lag.lag_samples().slowest_ms(120_000, now), Some(4_000));
        assert!(lag.lag_samples().is_quick(120_000, now));
        // One that a list lacked is one.
        lag.made(id("h"), now);
        lag.listed(&list(now + 70_000, &[]), 900_000);
        let now = now + 70_000;
        assert_eq!(lag.lag_samples().slowest_ms(120_000, now), Some(70_000));
        assert!(!lag.lag_samples().is_quick(120_000, now));
    }

    #[test]
    fn a_parser_that_is_never_listed_is_waited_for_no_longer_than_its_patience() {
        let mut lag = ListLag::default();
        lag.made(id("deleted"), 0);
        lag.listed(&list(900_000, &[]), 900_000);
        assert_eq!(lag.listed(&list(2_000_000, &[]), 900_000), None);
        assert_eq!(lag.lag_samples().hidden_for_ms, 900_000);
    }
}
