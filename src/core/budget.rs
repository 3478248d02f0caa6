//! PURE: what may be spent, and what was.

pub mod share;

use crate::core::job::{DurationMs, UnixMs};

/// Milliseconds of a UTC day: Unix time has no leap seconds.
pub const DAY_MS: DurationMs = 86_400_000;

/// What may be spent, and what was. A create in doubt counts as spent until refuted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// What one create is taken to cost, in credits.
    pub credits_per_create: i64,
    /// The bound for one UTC day.
    pub max_credits_per_day: Option<i64>,
    /// The bound for everything that this database ever sent.
    pub max_credits: Option<i64>,
    /// Spent in all.
    pub spent: i64,
    /// Spent on `day`, or on what was a later day by a clock that was set back since.
    pub spent_today: i64,
    /// Of that, on later days: it counts again when they come.
    pub spent_later: i64,
    /// The UTC day of `spent_today`, in days since the epoch.
    pub day: i64,
}

/// The credits of every create not known to have made nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// In all.
    pub in_all: i64,
    /// On the UTC day that was asked for, and later.
    pub today: i64,
    /// Later than that day: the clock was set back since.
    pub later: i64,
    /// Of `today`, what is dated later, by a clock that was ahead, and was found today.
    pub redated: i64,
}

/// Creates that were dated ahead and count as of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redated {
    /// How many.
    pub creates: usize,
    /// Their credits, as far as they count as spent.
    pub credits: i64,
}

/// Clocks that are not further apart agree.
pub const AGREED_MS: DurationMs = 60_000;

/// Whether creates that are dated later than `now` were dated by a clock that was ahead: the
/// service's agrees with this machine's.
pub const fn is_corroborated(now: UnixMs, service: UnixMs) -> bool {
    now.saturating_sub(service).saturating_abs() <= AGREED_MS
}

/// A create that would exceed the budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverBudget {
    /// When there is room again: the next UTC day, or never without a person.
    pub until: Option<UnixMs>,
    /// Which bound it is, with its figures.
    pub message: String,
}

/// The UTC day of a time, in days since the epoch.
pub const fn utc_day(at: UnixMs) -> i64 {
    at.div_euclid(DAY_MS)
}

impl Budget {
    /// The budget with what was spent, as the database has it at `now`.
    #[must_use]
    pub fn having(self, spent: Spent, now: UnixMs) -> Self {
        Self {
            spent: spent.in_all,
            spent_today: spent.today,
            spent_later: spent.later,
            day: utc_day(now),
            ..self
        }
    }

    /// Whether one more create at `now` keeps within the budget.
    ///
    /// # Errors
    /// The bound that it would exceed, and until when.
    pub fn admits(&self, now: UnixMs) -> Result<(), OverBudget> {
        let cost = self.credits_per_create;
        if let Some(limit) = self.max_credits
            && self.spent.saturating_add(cost) > limit
        {
            return Err(OverBudget {
                until: None,
                message: format!(
                    "budget.max_credits is {limit}, {} credits are spent and a create costs \
                     {cost}: raise it and restart",
                    self.spent
                ),
            });
        }
        let spent_today = self.spent_on(utc_day(now));
        if let Some(limit) = self.max_credits_per_day
            && spent_today.saturating_add(cost) > limit
        {
            return Err(OverBudget {
                until: Some((utc_day(now) + 1) * DAY_MS),
                message: format!(
                    "budget.max_credits_per_day is {limit}, {spent_today} credits are spent today \
                     (UTC) and a create costs {cost}"
                ),
            });
        }
        Ok(())
    }

    /// How many more creates at `now` keep within the budget.
    pub fn room(&self, now: UnixMs) -> i64 {
        let left = |limit: Option<i64>, spent: i64| match limit {
            Some(limit) => limit.saturating_sub(spent).max(0) / self.credits_per_create.max(1),
            None => i64::MAX,
        };
        let today = left(self.max_credits_per_day, self.spent_on(utc_day(now)));
        today.min(left(self.max_credits, self.spent))
    }

    /// The credits that are left beside one more create at `now`; below 0 where there is no room for
    /// that one.
    pub fn beside_a_create(&self, now: UnixMs) -> i64 {
        let left = |limit: Option<i64>, spent: i64| {
            limit.map_or(i64::MAX, |limit| limit.saturating_sub(spent))
        };
        let today = left(self.max_credits_per_day, self.spent_on(utc_day(now)));
        let left = today.min(left(self.max_credits, self.spent));
        left.saturating_sub(self.credits_per_create)
    }

    /// Whether a day came of which something was counted already, and only the database
    /// knows how much.
    pub const fn is_outdated(&self, now: UnixMs) -> bool {
        self.spent_later > 0 && utc_day(now) > self.day
    }

    /// Whether so many credits more at `now` keep within the budget.
    pub fn affords(&self, credits: i64, now: UnixMs) -> bool {
        let keeps = |limit: Option<i64>, spent: i64| {
            limit.is_none_or(|limit| spent.saturating_add(credits) <= limit)
        };
        keeps(self.max_credits, self.spent)
            && keeps(self.max_credits_per_day, self.spent_on(utc_day(now)))
    }

    /// Counts a create sent at `now` as spent.
    pub fn spend(&mut self, now: UnixMs) {
        self.spend_credits(self.credits_per_create, now);
    }

    /// Counts so many credits as spent at `now`.
    pub fn spend_credits(&mut self, credits: i64, now: UnixMs) {
        let day = utc_day(now);
        self.spent_today = self.spent_on(day).saturating_add(credits);
        // A clock that steps back must not open a day that was closed.
        self.day = self.day.max(day);
        self.spent = self.spent.saturating_add(credits);
    }

    /// Takes back `credits` of a create sent at `sent_at` that made nothing.
    pub fn refund(&mut self, credits: i64, sent_at: UnixMs) {
        self.spent = self.spent.saturating_sub(credits);
        if utc_day(sent_at) >= self.day {
            self.spent_today = self.spent_today.saturating_sub(credits);
        }
        if utc_day(sent_at) > self.day {
            self.spent_later = self.spent_later.saturating_sub(credits);
        }
    }

    /// The same without these credits, each of a request sent at that time.
    #[must_use]
    pub fn without(mut self, requests: &[(i64, UnixMs)]) -> Self {
        for (credits, sent_at) in requests {
            self.refund(*credits, *sent_at);
        }
        self
    }

    const fn spent_on(&self, day: i64) -> i64 {
        if day > self.day {
            self.spent_later
        } else {
            self.spent_today
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spent_tomorrow_by_a_clock_set_back_counts_when_tomorrow_comes() {
        let spent = Spent {
            in_all: 30_000,
            today: 30_000,
            later: 30_000,
            redated: 0,
        };
        let budget = budget(Some(30_000), None).having(spent, DAY_MS);
        assert!(budget.admits(DAY_MS).is_err());
        assert!(budget.admits(2 * DAY_MS).is_err());
    }

    fn budget(per_day: Option<i64>, total: Option<i64>) -> Budget {
        Budget {
            credits_per_create: 30_000,
            max_credits_per_day: per_day,
            max_credits: total,
            spent: 0,
            spent_today: 0,
            spent_later: 0,
            day: 0,
        }
    }

    #[test]
    fn a_budget_of_two_creates_admits_two() {
        for mut budget in [budget(Some(60_000), None), budget(None, Some(89_999))] {
            for room in [2, 1] {
                assert_eq!(budget.room(0), room);
                budget.admits(0).unwrap();
                budget.spend(0);
            }
            assert!(budget.admits(0).is_err());
            assert_eq!(budget.room(0), 0);
        }
    }

    #[test]
    fn what_is_left_beside_a_create_is_the_smaller_bound() {
        for (per_day, total, spent, beside) in [
            (None, None, 0, i64::MAX - 30_000),
            (Some(30_000), None, 0, 0),
            (Some(30_000), None, 1, -1),
            (Some(30_100), Some(60_000), 0, 100),
            (Some(90_000), Some(60_000), 29_990, 10),
        ] {
            let mut budget = budget(per_day, total);
            budget.spend_credits(spent, 5);
            assert_eq!(budget.beside_a_create(5), beside, "{per_day:?} {total:?}");
            assert_eq!(budget.admits(5).is_ok(), beside >= 0);
        }
        let mut budget = budget(Some(30_000), None);
        budget.spend_credits(1, 5);
        assert_eq!(budget.beside_a_create(DAY_MS + 5), 0);
    }

    #[test]
    fn the_day_turns_at_midnight_utc_and_never_back() {
        let mut budget = budget(Some(30_000), None);
        budget.spend(DAY_MS + 5);
        let refusal = budget.admits(2 * DAY_MS - 1).unwrap_err();
        assert_eq!(refusal.until, Some(2 * DAY_MS));
        budget.admits(2 * DAY_MS).unwrap();
        budget.spend(2 * DAY_MS);
        assert!(budget.admits(DAY_MS).is_err(), "the clock stepped back");
    }

    #[test]
    fn a_create_that_made_nothing_is_taken_back() {
        let mut budget = budget(Some(30_000), Some(60_000));
        budget.spend(0);
        budget.refund(30_000, 0);
        assert_eq!((budget.spent, budget.spent_today), (0, 0));
        budget.spend(DAY_MS);
        budget.refund(30_000, 0);
        assert_eq!((budget.spent, budget.spent_today), (0, 30_000));
    }

    #[test]
    fn the_total_is_never_reopened_by_the_calendar() {
        let mut budget = budget(None, Some(30_000));
        budget.spend(0);
        assert_eq!(budget.admits(100 * DAY_MS).unwrap_err().until, None);
    }
}
