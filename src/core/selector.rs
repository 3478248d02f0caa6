//! PURE: which jobs are meant, by what they are: the selectors that commands share.

use std::{str::FromStr, time::Duration};

use super::{
    duration,
    job::{ErrorKind, JobState, ParkReason, UnixMs},
    shown::shown,
    spec::{LABEL_VALUE_MAX_CHARS, Labels, label_key_problem},
};

/// What jobs are to be. Each part that is there must hold; an empty one selects all jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    /// In one of these states.
    pub states: Vec<JobState>,
    /// FAILED, or last in trouble, for one of these.
    pub error_kinds: Vec<ErrorKind>,
    /// PARKED for one of these.
    pub park_reasons: Vec<ParkReason>,
    /// With all of these labels.
    pub labels: Vec<LabelSelector>,
    /// With a name that this pattern matches, as SQLite's GLOB does: `*`, `?` and `[...]`.
    pub name: Option<String>,
    /// Changed at this time or later, Unix milliseconds.
    pub since: Option<UnixMs>,
    /// So many at most, those with the lowest ids.
    pub limit: Option<u32>,
}

impl Selector {
    /// Jobs in one of these states; in all where there is none.
    pub fn of_states(states: &[JobState]) -> Self {
        Self {
            states: states.to_vec(),
            ..Self::default()
        }
    }

    /// Whether it says nothing of what jobs are, a limit apart.
    pub fn selects_all(&self) -> bool {
        let all = Self {
            limit: self.limit,
            ..Self::default()
        };
        *self == all
    }

    /// Whether it says something besides the state.
    pub fn is_narrow(&self) -> bool {
        *self != Self::of_states(&self.states)
    }
}

/// A label that a job is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelSelector {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl LabelSelector {
    /// Whether it is among these labels.
    pub fn is_in(&self, labels: Option<&Labels>) -> bool {
        labels.and_then(|labels| labels.get(&self.key)) == Some(&self.value)
    }
}

/// Why a text is not a valid selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSelector {
    /// Not a key and a value.
    #[error("write KEY=VALUE, such as team=search")]
    Label,
    /// No label has such a key.
    #[error("{0}")]
    LabelKey(String),
    /// No label has such a value.
    #[error("the value of a label has 1 to {LABEL_VALUE_MAX_CHARS} characters, not {0}")]
    LabelValue(usize),
    /// Neither a duration nor a time.
    #[error(
        "{0} is not valid: write a duration such as 2h, or a time such as 2026-08-01T06:00:00Z"
    )]
    Since(String),
    /// Longer ago than there are jobs.
    #[error(
        "{0} ago there was no job yet: write a shorter duration, such as 30days, or leave it out for all"
    )]
    TooLongAgo(String),
    /// A pattern that matches nothing, since a bracket of it does not end.
    #[error(
        "the [ of {0} has no ] that ends it: write a set such as [a-c], or [[] for the character itself"
    )]
    OpenBracket(String),
}

/// A pattern for names, as SQLite's GLOB has them: `*`, `?` and `[...]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern(pub String);

impl FromStr for NamePattern {
    type Err = BadSelector;

    fn from_str(text: &str) -> Result<Self, BadSelector> {
        let mut rest = text;
        while let Some((_, set)) = rest.split_once('[') {
            let set = set.strip_prefix('^').unwrap_or(set);
            // The first character of a set is part of it, a ] too.
            let first = set.chars().next().map_or(0, char::len_utf8);
            let (_, after) = set[first..]
                .split_once(']')
                .ok_or_else(|| BadSelector::OpenBracket(shown(text)))?;
            rest = after;
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for LabelSelector {
    type Err = BadSelector;

    fn from_str(text: &str) -> Result<Self, BadSelector> {
        let (key, value) = text.split_once('=').ok_or(BadSelector::Label)?;
        if let Some(problem) = label_key_problem(key) {
            return Err(BadSelector::LabelKey(problem));
        }
        let chars = value.chars().count();
        if chars == 0 || chars > LABEL_VALUE_MAX_CHARS {
            return Err(BadSelector::LabelValue(chars));
        }
        Ok(Self {
            key: key.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// Longer ago than this there was no job: fifty years.
const LONGEST_AGO: Duration = Duration::from_secs(50 * 365 * 86_400);

/// Since when: a time, or so long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// Unix milliseconds.
    At(UnixMs),
    /// Before now.
    Ago(Duration),
}

impl Since {
    /// The time, seen from `now`.
    pub fn at(self, now: UnixMs) -> UnixMs {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => {
                now.saturating_sub(UnixMs::try_from(ago.as_millis()).unwrap_or(UnixMs::MAX))
            }
        }
    }
}

impl FromStr for Since {
    type Err = BadSelector;

    fn from_str(text: &str) -> Result<Self, BadSelector> {
        if let Ok(ago) = duration::parse(text) {
            if ago > LONGEST_AGO {
                return Err(BadSelector::TooLongAgo(shown(text)));
            }
            return Ok(Self::Ago(ago));
        }
        let time = text.parse::<jiff::Timestamp>();
        let time = time.or_else(|_| format!("{text}T00:00:00Z").parse::<jiff::Timestamp>());
        time.map(|time| Self::At(time.as_millisecond()))
            .map_err(|_| BadSelector::Since(shown(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_key_and_a_value() {
        for (text, expected) in [
            ("team=search", Some(("team", "search"))),
            ("a.b-c_9=x=y z", Some(("a.b-c_9", "x=y z"))),
            ("team", None),
            ("team=", None),
            ("=search", None),
            ("Team=search", None),
            ("", None),
        ] {
            let found = text.parse::<LabelSelector>().ok();
            let found = found.map(|label| (label.key, label.value));
            let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
            assert_eq!(found, expected, "{text}");
        }
        let long = format!("team={}", "x".repeat(81));
        let error = long.parse::<LabelSelector>().unwrap_err();
        assert_eq!(error, BadSelector::LabelValue(81));
    }

    #[test]
    fn a_label_is_in_labels_that_have_it_so() {
        let label: LabelSelector = "team=search".parse().unwrap();
        let labels = |pairs: &[(&str, &str)]| -> Labels {
            let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            pairs.iter().map(pair).collect()
        };
        for (labels, is_in) in [
            (None, false),
            (Some(labels(&[])), false),
            (Some(labels(&[("team", "Search")])), false),
            (Some(labels(&[("team", "search"), ("env", "prod")])), true),
        ] {
            assert_eq!(label.is_in(labels.as_ref()), is_in, "{labels:?}");
        }
    }

    #[test]
    fn since_is_a_time_or_so_long_ago() {
        const NOW: UnixMs = 1_785_564_000_000;
        for (text, expected) in [
            ("2h", Some(NOW - 7_200_000)),
            ("90m", Some(NOW - 5_400_000)),
            ("1970-01-01T00:00:01Z", Some(1_000)),
            ("1970-01-02", Some(86_400_000)),
            ("1970-01-01T02:00:00+02:00", Some(0)),
            ("yesterday", None),
            ("30M", None),
            ("12", None),
            ("", None),
        ] {
            let found = text.parse::<Since>().ok().map(|since| since.at(NOW));
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(Since::Ago(Duration::MAX).at(0), -UnixMs::MAX);
        let error = "99999y".parse::<Since>().unwrap_err();
        assert!(matches!(error, BadSelector::TooLongAgo(_)), "{error}");
    }

    #[test]
    fn each_bracket_of_a_pattern_ends() {
        for (text, is_valid) in [
            ("", true),
            ("shop-*", true),
            ("*-[b-z]", true),
            ("[]]", true),
            ("[^]a]x", true),
            ("[[]", true),
            ("a]", true),
            ("[é]", true),
            ("[", false),
            ("[]", false),
            ("[^", false),
            ("[^]", false),
            ("[a-c]-[", false),
            ("a[b", false),
        ] {
            let found = text.parse::<NamePattern>();
            assert_eq!(found.is_ok(), is_valid, "{text}: {found:?}");
        }
    }

    #[test]
    fn a_limit_selects_nothing_by_itself() {
        let limit = Selector {
            limit: Some(3),
            ..Selector::default()
        };
        let name = Selector {
            name: Some("a*".to_owned()),
            ..Selector::default()
        };
        let state = Selector::of_states(&[JobState::Failed]);
        for (selector, selects_all, is_narrow) in [
            (Selector::default(), true, false),
            (limit, true, true),
            (name, false, true),
            (state, false, false),
        ] {
            let found = (selector.selects_all(), selector.is_narrow());
            assert_eq!(found, (selects_all, is_narrow), "{selector:?}");
        }
    }
}
