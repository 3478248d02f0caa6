//! PURE: when it is announced that most of the budget is spent, and that there is room again.

use serde::{Deserialize, Serialize};

use super::{Budget, utc_day};
use crate::core::{
    event::general::{BudgetPeriod, GeneralEvent},
    job::UnixMs,
};

/// Announced from this share on, in percent.
const FROM_PERCENT: i128 = 80;

/// What was announced and holds still, so that it is announced once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AnnouncedShares {
    /// Of `budget.max_credits_per_day`.
    #[serde(default)]
    day: Option<DayShare>,
    /// Of this `budget.max_credits`.
    #[serde(default)]
    all: Option<i64>,
}

/// Of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct DayShare {
    /// In days since the epoch.
    day: i64,
    /// The bound then.
    limit: i64,
}

/// What is to be announced of one bound.
enum Word {
    /// This share of this bound is spent, in percent.
    Reached { limit: i64, share: i64 },
    /// There is room again.
    Reset,
}

/// Compares what was announced of a bound with what is so now.
fn word(announced: Option<i64>, is_over: bool, limit: Option<i64>, spent: i64) -> Option<Word> {
    let reached = limit.filter(|limit| *limit > 0).and_then(|limit| {
        let share = i128::from(spent) * 100 / i128::from(limit);
        let share_percent = i64::try_from(share).unwrap_or(i64::MAX);
        (share >= FROM_PERCENT).then_some(Word::Reached {
            limit,
            share: share_percent,
        })
    });
    match (announced, limit) {
        (None, _) => reached,
        (Some(_), None) => Some(Word::Reset),
        (Some(_), Some(_)) if is_over => Some(Word::Reset),
        // It was raised: that is room, or not enough.
        (Some(announced), Some(limit)) if limit > announced => Some(reached.unwrap_or(Word::Reset)),
        (Some(_), Some(_)) => None,
    }
}

impl Budget {
    /// The next thing to announce of what was spent, and what is announced with it. To be asked
    /// again until there is nothing. That credits are given back is no reason to announce
    /// anything.
    pub fn announcement(
        &self,
        before: AnnouncedShares,
        now: UnixMs,
    ) -> Option<(GeneralEvent, AnnouncedShares)> {
        // A clock that steps back does not end a day.
        let day = self.day.max(utc_day(now));
        let of_day = word(
            before.day.map(|before| before.limit),
            before.day.is_some_and(|before| before.day < day),
            self.max_credits_per_day,
            self.spent_on(day),
        );
        if let Some(word) = of_day {
            let limit = word.limit();
            let after = AnnouncedShares {
                day: limit.map(|limit| DayShare { day, limit }),
                ..before
            };
            let spent = self.spent_on(day);
            let event = word.event(BudgetPeriod::Day, spent, self.max_credits_per_day);
            return Some((event, after));
        }
        let word = word(before.all, false, self.max_credits, self.spent)?;
        let after = AnnouncedShares {
            all: word.limit(),
            ..before
        };
        let event = word.event(BudgetPeriod::All, self.spent, self.max_credits);
        Some((event, after))
    }
}

impl Word {
    const fn limit(&self) -> Option<i64> {
        match self {
            Self::Reached { limit, .. } => Some(*limit),
            Self::Reset => None,
        }
    }

    const fn event(&self, period: BudgetPeriod, spent: i64, bound: Option<i64>) -> GeneralEvent {
        match *self {
            Self::Reached { limit, share } => GeneralEvent::Budget80 {
                period,
                spent,
                limit,
                share,
            },
            Self::Reset => GeneralEvent::BudgetReset {
                period,
                limit: bound,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::budget::DAY_MS;

    /// The bounds of a day and in all, and what was spent so far on which day.
    fn budget(per_day: Option<i64>, in_all: Option<i64>, spent: i64, day: i64) -> Budget {
        let mut budget = Budget {
            credits_per_create: 10,
            max_credits_per_day: per_day,
            max_credits: in_all,
            spent: 0,
            spent_today: 0,
            spent_later: 0,
            day,
        };
        budget.spend_credits(spent, day * DAY_MS);
        budget
    }

    /// All that is announced, as `period what limit`, and what is announced then.
    fn said(budget: &Budget, mut before: AnnouncedShares, day: i64) -> (String, AnnouncedShares) {
        let mut said = Vec::new();
        while let Some((event, after)) = budget.announcement(before, day * DAY_MS + 5) {
            assert_ne!(before, after, "{event:?} is announced for ever");
            said.push(match event {
                GeneralEvent::Budget80 {
                    period,
                    spent,
                    limit,
                    share,
                } => format!("{period} {share} % {spent}/{limit}"),
                GeneralEvent::BudgetReset { period, limit } => {
                    format!("{period} reset {}", limit.unwrap_or(-1))
                }
                other => panic!("{other:?}"),
            });
            before = after;
        }
        (said.join(", "), before)
    }

    #[test]
    fn each_bound_is_announced_once_and_so_is_its_end() {
        let day = |day, limit| AnnouncedShares {
            day: Some(DayShare { day, limit }),
            all: None,
        };
        let all = |limit| AnnouncedShares {
            day: None,
            all: Some(limit),
        };
        let none = AnnouncedShares::default();
        let table = [
            // Per day, in all, spent, on day; announced; looked at on day; expected.
            (None, None, 1_000, 0, none, 0, ""),
            (Some(100), None, 79, 0, none, 0, ""),
            (Some(100), None, 80, 0, none, 0, "day 80 % 80/100"),
            (Some(100), None, 130, 0, none, 0, "day 130 % 130/100"),
            (Some(100), None, 90, 0, day(0, 100), 0, ""),
            // Given back.
            (Some(100), None, 10, 0, day(0, 100), 0, ""),
            // The day is over, and the clock steps back.
            (Some(100), None, 90, 0, day(0, 100), 1, "day reset 100"),
            (Some(100), None, 90, 1, day(1, 100), 0, ""),
            (
                Some(100),
                None,
                85,
                1,
                day(0, 100),
                1,
                "day reset 100, day 85 % 85/100",
            ),
            // Raised, not enough, lowered, taken away.
            (Some(200), None, 90, 0, day(0, 100), 0, "day reset 200"),
            (Some(105), None, 90, 0, day(0, 100), 0, "day 85 % 90/105"),
            (Some(50), None, 90, 0, day(0, 100), 0, ""),
            (None, None, 90, 0, day(0, 100), 0, "day reset -1"),
            (None, Some(100), 80, 0, none, 9, "all 80 % 80/100"),
            (None, Some(100), 80, 0, all(100), 9, ""),
            (None, Some(300), 80, 0, all(100), 9, "all reset 300"),
            (
                Some(100),
                Some(100),
                80,
                0,
                none,
                0,
                "day 80 % 80/100, all 80 % 80/100",
            ),
            // Nothing may be spent: no share of that is reached.
            (Some(0), Some(0), 0, 0, none, 0, ""),
            (
                Some(i64::MAX),
                None,
                i64::MAX,
                0,
                none,
                0,
                "day 100 % 9223372036854775807/9223372036854775807",
            ),
        ];
        for (per_day, in_all, spent, spent_on, before, on, expected) in table {
            let budget = budget(per_day, in_all, spent, spent_on);
            let (found, after) = said(&budget, before, on);
            assert_eq!(found, expected, "{budget:?} {before:?}");
            assert_eq!(said(&budget, after, on).0, "", "twice: {budget:?}");
        }
    }

    #[test]
    fn what_was_announced_is_read_as_it_was_kept() {
        let announced = AnnouncedShares {
            day: Some(DayShare { day: 3, limit: 7 }),
            all: Some(9),
        };
        let text = serde_json::to_string(&announced).unwrap();
        assert_eq!(text, r#"{"day":{"day":3,"limit":7},"all":9}"#);
        let read: AnnouncedShares = serde_json::from_str(&text).unwrap();
        assert_eq!(read, announced);
    }
}
