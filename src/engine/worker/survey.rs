//! Many parsers being generated: one list answers for all of them, and only those that
//! changed are asked for by themselves.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
};

use crate::{
    api::Service,
    core::job::{DurationMs, JobId, ParserId, UnixMs},
    engine::account::Permit,
    engine::worker::Worker,
    store::{JobStore, StoreError},
};

/// So many due parsers are asked for one by one, however short the account's list is.
pub const SINGLE_POLLS: usize = 32;

/// An item of a list costs this share of a request for one parser.
const ITEMS_PER_REQUEST: usize = 100;

/// How far apart lists are, at least: news waits half of that on average.
const MIN_PAUSE_MS: DurationMs = 4_000;

/// The longest pause.
const MAX_PAUSE_MS: DurationMs = 300_000;

/// How many times longer than a list takes the next one is away: at most a fifth of the
/// time goes by with them.
const PAUSE_FACTOR: DurationMs = 4;

/// So many lists may fall into the shortest settling time.
const LISTS_PER_SETTLE: DurationMs = 30;

/// For how long a parser that was looked up is not looked up again, and how long one that
/// is due is left to the lists.
pub const TRUST_MS: DurationMs = 300_000;

/// How many parsers are looked up in the database at once.
const LOOK_UP_STEP: usize = 2_000;

/// The most due parsers that are asked for one by one, as `single_polls` is for an empty
/// account: with more of them a list of so many `items` costs less.
pub const fn most_single_polls(single_polls: usize, items: usize) -> usize {
    single_polls.saturating_add(items / ITEMS_PER_REQUEST)
}

/// How long after a list for creates in doubt the next one is asked for: as for polls, and
/// often enough for the shortest settling time.
pub fn doubts_pause_ms(took_ms: DurationMs, shortest_settle_ms: DurationMs) -> DurationMs {
    let least_ms = MIN_PAUSE_MS.min(shortest_settle_ms / LISTS_PER_SETTLE);
    bounded_ms(took_ms, least_ms)
}

/// How long after a list that took `took_ms` the next one is asked for.
pub fn pause_ms(took_ms: DurationMs) -> DurationMs {
    bounded_ms(took_ms, MIN_PAUSE_MS)
}

/// A list that took longer than a request may was held up with the machine: where none is asked for
/// after it, as for changes in doubt, nothing else would end a pause of hours (seed 133884).
fn bounded_ms(took_ms: DurationMs, least_ms: DurationMs) -> DurationMs {
    let pause_ms = took_ms.saturating_mul(PAUSE_FACTOR);
    pause_ms.min(MAX_PAUSE_MS).max(least_ms)
}

/// What a list said of the parsers being generated.
#[derive(Debug, Default)]
pub struct Survey {
    /// GENERATING jobs whose parsers are no longer being generated.
    pub found: Vec<JobId>,
    /// How many parsers it showed, and how many of them as being generated.
    pub items: usize,
    /// See `items`.
    pub generating: usize,
    /// How long it took, with what was looked up for it.
    pub took_ms: DurationMs,
    /// Parsers that need not be looked up again.
    pub seen: Seen,
}

/// Parsers that were looked up, by hash: one taken for another is found by its own poll.
#[derive(Debug, Default)]
pub struct Seen {
    since: UnixMs,
    hashes: HashSet<u64>,
    hasher: RandomState,
}

impl Seen {
    /// Whether it was looked up.
    pub fn holds(&self, id: &ParserId) -> bool {
        self.hashes.contains(&self.hasher.hash_one(id))
    }

    /// It was looked up.
    pub fn add(&mut self, id: &ParserId) {
        self.hashes.insert(self.hasher.hash_one(id));
    }

    /// None was.
    pub fn forget(&mut self) {
        self.hashes.clear();
    }
}

impl<S: Service, D: JobStore> Worker<S, D> {
    /// Asks for one list and looks up whose parsers it shows as settled; none where there
    /// is no list.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn survey(
        &self,
        mut permit: Permit,
        mut seen: Seen,
    ) -> Result<Option<Survey>, StoreError> {
        let asked_at = self.clock.now();
        let listed = self.listing(asked_at, &mut permit).await;
        drop(permit);
        self.after_report().await;
        let Ok(listing) = listed? else {
            return Ok(None);
        };
        if asked_at.abs_diff(seen.since) > TRUST_MS.unsigned_abs() {
            seen.forget();
            seen.since = asked_at;
        }
        let settled = listing.settled().count();
        let news: Vec<_> = listing.settled().filter(|id| !seen.holds(id)).collect();
        let mut found = Vec::new();
        for ids in news.chunks(LOOK_UP_STEP) {
            for holder in self.store.holders(ids).await? {
                seen.add(&holder.parser_id);
                if holder.is_generating {
                    found.push(holder.id);
                }
            }
        }
        Ok(Some(Survey {
            found,
            items: listing.len(),
            generating: listing.len() - settled,
            took_ms: self.clock.now() - asked_at,
            seen,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_worthwhile_where_it_costs_less_than_what_it_answers_for() {
        for (items, expected) in [(0, 32), (99, 32), (100, 33), (100_000, 1_032)] {
            assert_eq!(most_single_polls(32, items), expected, "{items} items");
        }
    }

    #[test]
    fn lists_take_at_most_a_fifth_of_the_time() {
        for (took_ms, expected) in [(0, 4_000), (200, 4_000), (5_000, 20_000)] {
            assert_eq!(pause_ms(took_ms), expected);
        }
        assert_eq!(pause_ms(i64::MAX), 300_000);
        for (took_ms, settle_ms, expected) in [
            (0, 900_000, 4_000),
            (200, 120_000, 4_000),
            (5_000, 120_000, 20_000),
            (0, 300, 10),
        ] {
            assert_eq!(doubts_pause_ms(took_ms, settle_ms), expected);
        }
    }
}
