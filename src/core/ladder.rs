//! PURE: the ladder. A generation that FAILED for want of parameters gets another create with them.
//! That costs, so it is bounded for each job, and for all jobs by the day.

use serde_json::{Map, Value};

use crate::core::{effort::Effort, remedy::Remedy};

/// How far it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ladder {
    /// How many generations of one job may FAIL or be ready, the first one included. They count
    /// from when a person last had the job tried again after it FAILED, or changed it: who asks for
    /// another create asks for its ladder too. Creates that made nothing do not count.
    pub max_creates_per_job: i64,
    /// What its creates may cost together on one UTC day; no bound but that of the budget where
    /// none is set.
    pub max_credits_per_day: Option<i64>,
    /// What one create is taken to cost, in credits.
    pub credits_per_create: i64,
}

impl Ladder {
    /// Whether a job may have another create, of which so many were the ladder's.
    pub const fn has_rung_after(&self, climbs: i64) -> bool {
        climbs.saturating_add(1) < self.max_creates_per_job
    }

    /// Whether one more create keeps within its share of a day on which so many credits went to
    /// creates of its own.
    ///
    /// # Errors
    /// The bound that it would exceed, in words.
    pub fn admits(&self, spent_today: i64) -> Result<(), String> {
        let cost = self.credits_per_create;
        match self.max_credits_per_day {
            Some(limit) if spent_today.saturating_add(cost) > limit => Err(format!(
                "ladder.max_credits_per_day is {limit}, {spent_today} credits of it are spent \
                 today (UTC) and a create costs {cost}"
            )),
            Some(_) | None => Ok(()),
        }
    }
}

/// The parameters that a create was sent with: those that were sent in place of the job's own,
/// where there are any. None where they cannot be read.
pub fn sent(own: Option<&str>, effective: Option<&str>) -> Option<Map<String, Value>> {
    match effective.or(own) {
        Some(json) => serde_json::from_str(json).ok(),
        None => Some(Map::new()),
    }
}

/// The parameters that one more create is to be sent with, after one that was sent with `sent` and
/// FAILED in need of `remedy`; none where nothing is known to help.
pub fn next(sent: &Map<String, Value>, remedy: Remedy) -> Option<Map<String, Value>> {
    let effort = remedy.next_effort(Effort::of(Some(sent)))?;
    Some(effort.applied_to(Some(sent)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LADDER: Ladder = Ladder {
        max_creates_per_job: 3,
        max_credits_per_day: Some(60_000),
        credits_per_create: 30_000,
    };

    #[test]
    fn it_has_as_many_rungs_as_it_may() {
        let rungs = [0, 1, 2, 3, i64::MAX].map(|climbs| LADDER.has_rung_after(climbs));
        assert_eq!(rungs, [true, true, false, false, false]);
        let one = Ladder {
            max_creates_per_job: 1,
            ..LADDER
        };
        assert!(!one.has_rung_after(0));
    }

    #[test]
    fn a_days_share_of_two_creates_admits_two() {
        assert_eq!(LADDER.admits(0), Ok(()));
        assert_eq!(LADDER.admits(30_000), Ok(()));
        let refused = LADDER.admits(30_001).unwrap_err();
        assert!(refused.contains("ladder.max_credits_per_day is 60000"));
        let unbounded = Ladder {
            max_credits_per_day: None,
            ..LADDER
        };
        assert_eq!(unbounded.admits(i64::MAX), Ok(()));
    }

    #[test]
    fn what_was_sent_is_what_the_next_create_starts_from() {
        let (proxies, render) = (Remedy::BetterProxies, Remedy::Render);
        let table = [
            (None, None, proxies, json!({"premium": true})),
            (
                Some(r#"{"country_code":"de"}"#),
                None,
                proxies,
                json!({"country_code": "de", "premium": true}),
            ),
            (
                Some(r#"{"country_code":"de"}"#),
                Some(r#"{"country_code":"de","premium":true}"#),
                proxies,
                json!({"country_code": "de", "ultra_premium": true}),
            ),
            (
                None,
                Some(r#"{"premium":true}"#),
                render,
                json!({"premium": true, "render": true}),
            ),
        ];
        for (own, effective, remedy, expected) in table {
            let sent = sent(own, effective).unwrap();
            assert_eq!(next(&sent, remedy).map(Value::Object), Some(expected));
        }
        assert_eq!(sent(Some("[1]"), None), None);
        assert_eq!(sent(None, Some("no")), None);
        assert_eq!(next(&Map::new(), Remedy::OneType), None);
    }
}
