//! PURE: what credits were spent on: by label, by host, by day.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::Serialize;

use super::{nearest::did_you_mean, shown::shown, spec::label_key_problem};

/// How spending is split up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpendingBy {
    /// By the value of the label with this key.
    Label(String),
    /// By the host of a job's first example page.
    Host,
    /// By UTC day.
    Day,
}

/// Why a text does not say how spending is split up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSpendingBy {
    /// No label has such a key.
    #[error("{0}")]
    LabelKey(String),
    /// Something else.
    #[error("{0} is not valid{1}: write host, day or label:KEY, such as label:team")]
    Unknown(String, String),
}

impl FromStr for SpendingBy {
    type Err = BadSpendingBy;

    fn from_str(text: &str) -> Result<Self, BadSpendingBy> {
        if let Some(key) = text.strip_prefix("label:") {
            return match label_key_problem(key) {
                None => Ok(Self::Label(key.to_owned())),
                Some(problem) => Err(BadSpendingBy::LabelKey(problem)),
            };
        }
        match text {
            "host" => Ok(Self::Host),
            "day" => Ok(Self::Day),
            other => {
                let near = did_you_mean(other, ["host", "day", "label:team"]);
                Err(BadSpendingBy::Unknown(shown(other), near))
            }
        }
    }
}

impl fmt::Display for SpendingBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(key) => write!(f, "label:{key}"),
            Self::Host => f.write_str("host"),
            Self::Day => f.write_str("day"),
        }
    }
}

/// What was spent under one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SpendingRow {
    /// The label's value, the host or the day; none for jobs without one, and for those that are
    /// deleted.
    pub key: Option<String>,
    /// How many jobs; of a day those added on it.
    pub jobs: i64,
    /// How many of them are FINISHED; of a day those that became so on it.
    pub finished: i64,
    /// How many are FAILED; likewise.
    pub failed: i64,
    /// How many creates were sent that are not known to have made nothing.
    pub creates: i64,
    /// Credits of these, and of all else that is paid for.
    pub credits: i64,
    /// How many parsers were made or adopted and were not judged to be bad.
    pub working_parsers: i64,
    /// Credits for each of these; none where there is none.
    pub credits_per_working_parser: Option<i64>,
}

impl SpendingRow {
    /// With what one parser that works cost, rounded up.
    #[must_use]
    pub fn rated(mut self) -> Self {
        let (credits, parsers) = (self.credits, self.working_parsers);
        self.credits_per_working_parser = (parsers > 0).then(|| {
            let is_rest = i64::from(credits % parsers > 0);
            credits / parsers + is_rest
        });
        self
    }
}

/// Orders rows: days by the calendar, all else by credits, the most first; those without a key last.
pub fn ordered(by: &SpendingBy, mut rows: Vec<SpendingRow>) -> Vec<SpendingRow> {
    rows.sort_by(|a, b| {
        let keys = (a.key.is_none(), &a.key).cmp(&(b.key.is_none(), &b.key));
        match by {
            SpendingBy::Day => keys,
            SpendingBy::Host | SpendingBy::Label(_) => {
                let credits = b.credits.cmp(&a.credits);
                let without = a.key.is_none().cmp(&b.key.is_none());
                without.then(credits).then(keys)
            }
        }
    });
    rows
}

/// Amounts by key, no more than `most` keys: those with the largest amounts, and the sum of the
/// rest under `other`.
pub fn bounded<K: Ord + Clone>(
    amounts: impl IntoIterator<Item = (K, i64)>,
    most: usize,
    other: &K,
) -> BTreeMap<K, i64> {
    let mut amounts: Vec<_> = amounts.into_iter().collect();
    amounts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let mut kept = BTreeMap::new();
    for (place, (key, amount)) in amounts.into_iter().enumerate() {
        let key = if place < most { key } else { other.clone() };
        let sum: &mut i64 = kept.entry(key).or_default();
        *sum = sum.saturating_add(amount);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spending_is_split_by_is_read_and_written() {
        for text in ["host", "day", "label:team", "label:a.b-c_9"] {
            let by: SpendingBy = text.parse().unwrap();
            assert_eq!(by.to_string(), text);
        }
        for (text, words) in [
            (
                "hots",
                "\"hots\" is not valid (did you mean host?): write host, day or label:KEY",
            ),
            ("", "\"\" is not valid: write"),
            ("label", "is not valid"),
            ("label:", "the label key \"\" is not valid"),
            ("label:Team", "the label key \"Team\" is not valid"),
        ] {
            let error = text.parse::<SpendingBy>().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_parser_that_works_costs_its_share_rounded_up() {
        for (credits, working_parsers, expected) in [
            (0, 0, None),
            (30_000, 0, None),
            (0, 3, Some(0)),
            (30_000, 1, Some(30_000)),
            (90_000, 4, Some(22_500)),
            (100_000, 3, Some(33_334)),
        ] {
            let row = SpendingRow {
                credits,
                working_parsers,
                ..SpendingRow::default()
            };
            assert_eq!(row.rated().credits_per_working_parser, expected);
        }
    }

    #[test]
    fn days_are_in_their_order_and_all_else_by_credits() {
        let row = |(key, credits): (Option<&str>, i64)| SpendingRow {
            key: key.map(str::to_owned),
            credits,
            ..SpendingRow::default()
        };
        let rows = [(None, 9), (Some("b"), 1), (Some("c"), 5), (Some("a"), 1)].map(row);
        for (by, expected) in [
            (SpendingBy::Day, [Some("a"), Some("b"), Some("c"), None]),
            (SpendingBy::Host, [Some("c"), Some("a"), Some("b"), None]),
        ] {
            let rows = ordered(&by, rows.to_vec());
            let keys: Vec<_> = rows.iter().map(|row| row.key.as_deref()).collect();
            assert_eq!(keys, expected, "{by}");
        }
    }

    #[test]
    fn what_is_beyond_the_bound_is_summed_up() {
        let amounts = [("a", 1), ("b", 5), ("c", 3), ("d", 3), ("other", 4)];
        for (most, expected) in [
            (
                5,
                vec![("a", 1), ("b", 5), ("c", 3), ("d", 3), ("other", 4)],
            ),
            (2, vec![("b", 5), ("other", 11)]),
            (3, vec![("b", 5), ("c", 3), ("other", 8)]),
            (0, vec![("other", 16)]),
        ] {
            let found: Vec<_> = bounded(amounts, most, &"other").into_iter().collect();
            assert_eq!(found, expected, "{most}");
        }
    }
}
