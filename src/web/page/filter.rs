//! Which jobs a list shows, as its address says it.

use url::form_urlencoded;

use super::parameter;
use crate::{
    core::{
        job::{ErrorKind, JobState, ParkReason},
        selector::{LabelSelector, Selector},
    },
    store::browse::{Filter, Place},
};

/// A text that is looked for is no longer than this, in characters.
const TEXT_MAX_CHARS: usize = 200;

/// What an address asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct Asked {
    /// Which jobs.
    pub filter: Filter,
    /// What stands there and means nothing, in sentences.
    pub problems: Vec<String>,
}

impl Asked {
    /// Reads the query of an address, or a form.
    pub fn of(query: &str) -> Self {
        let mut asked = Self::default();
        let text = |name: &str| parameter(query, name).filter(|text| !text.trim().is_empty());
        let (state, kind, reason) = (text("state"), text("error_kind"), text("park_reason"));
        let searched = text("q");
        asked.filter.text = searched.map_or_else(String::new, |text| {
            text.chars().take(TEXT_MAX_CHARS).collect()
        });
        let upper = |text: &str| text.to_uppercase().parse::<JobState>().ok();
        let lower = |text: &str| text.to_lowercase();
        let mut states = asked.one("state", state, upper);
        let kinds = asked.one("error_kind", kind, |text| {
            lower(text).parse::<ErrorKind>().ok()
        });
        let reasons = asked.one("park_reason", reason, |text| {
            lower(text).parse::<ParkReason>().ok()
        });
        // An index leads to those that are in the state.
        if states.is_empty() && !kinds.is_empty() {
            states.push(JobState::Failed);
        }
        if states.is_empty() && !reasons.is_empty() {
            states.push(JobState::Parked);
        }
        let labels = asked.labels(query);
        asked.filter.selector = Selector {
            states,
            error_kinds: kinds,
            park_reasons: reasons,
            labels,
            ..Selector::default()
        };
        asked
    }

    fn one<T>(
        &mut self,
        what: &str,
        text: Option<String>,
        read: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let Some(text) = text else { return Vec::new() };
        let found = read(text.trim());
        if found.is_none() {
            let text = text.trim();
            self.problems
                .push(format!("There is no {what} {text}: it is left out."));
        }
        found.into_iter().collect()
    }

    fn labels(&mut self, query: &str) -> Vec<LabelSelector> {
        let mut labels = Vec::new();
        for (_, text) in form_urlencoded::parse(query.as_bytes())
            .filter(|(name, value)| name == "label" && !value.trim().is_empty())
        {
            match text.trim().parse::<LabelSelector>() {
                Ok(label) => labels.push(label),
                Err(why) => self
                    .problems
                    .push(format!("The label {} is left out: {why}.", text.trim())),
            }
        }
        labels
    }
}

/// Where the page of an address begins.
pub(super) fn place(query: &str) -> Place {
    let number = |name| parameter(query, name).and_then(|text| text.parse::<i64>().ok());
    let from = number("from").and_then(|from| usize::try_from(from).ok());
    Place {
        skipped: from.map_or(0, |from| from.saturating_sub(1)),
        before: number("before"),
    }
}

/// The filter as an address or a form has it.
pub(in crate::web) fn pairs(filter: &Filter) -> Vec<(&'static str, String)> {
    let Filter { selector, text } = filter;
    let states = selector
        .states
        .iter()
        .map(|state| ("state", state.to_string()));
    let kinds = selector.error_kinds.iter();
    let kinds = kinds.map(|kind| ("error_kind", kind.to_string()));
    let reasons = selector.park_reasons.iter();
    let reasons = reasons.map(|reason| ("park_reason", reason.to_string()));
    let labels = selector.labels.iter();
    let labels = labels.map(|label| ("label", format!("{}={}", label.key, label.value)));
    let text = (!text.trim().is_empty()).then(|| ("q", text.clone()));
    let pairs = states.chain(kinds).chain(reasons).chain(labels).chain(text);
    pairs.collect()
}

/// The address of a page of the list.
pub(in crate::web) fn address(filter: &Filter, place: Place) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs(filter));
    if place.skipped > 0 {
        query.append_pair("from", &place.skipped.saturating_add(1).to_string());
    }
    if let Some(before) = place.before {
        query.append_pair("before", &before.to_string());
    }
    match query.finish() {
        query if query.is_empty() => "/jobs".to_owned(),
        query => format!("/jobs?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(states: &[JobState], text: &str) -> Filter {
        Filter {
            selector: Selector::of_states(states),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_filter_takes_what_it_can_read_and_names_the_rest() {
        let labelled = |label: &str| Filter {
            selector: Selector {
                labels: vec![label.parse().unwrap()],
                ..Selector::default()
            },
            text: String::new(),
        };
        let failed_for = |kind| Filter {
            selector: Selector {
                error_kinds: vec![kind],
                ..Selector::of_states(&[JobState::Failed])
            },
            text: String::new(),
        };
        for (query, expected, problems) in [
            ("", filter(&[], ""), 0),
            ("state=&q=&label=&error_kind=", filter(&[], ""), 0),
            ("state=nonsense", filter(&[], ""), 1),
            ("label=nonsense&park_reason=x", filter(&[], ""), 2),
            (
                "state=failed&q=a%26b+c",
                filter(&[JobState::Failed], "a&b c"),
                0,
            ),
            ("label=team%3Dsearch", labelled("team=search"), 0),
            (
                "error_kind=bad_request",
                failed_for(ErrorKind::BadRequest),
                0,
            ),
        ] {
            let asked = Asked::of(query);
            assert_eq!(asked.filter, expected, "{query}");
            assert_eq!(asked.problems.len(), problems, "{query}");
            let address = address(&expected, Place::default());
            let again = address.split_once('?').map_or("", |(_, query)| query);
            assert_eq!(Asked::of(again).filter, expected, "{address}");
        }
        assert_eq!(
            Asked::of(&format!("q={}", "x".repeat(999)))
                .filter
                .text
                .len(),
            200
        );
    }

    #[test]
    fn a_place_is_read_as_it_was_written() {
        for (query, skipped, before) in [
            ("", 0, None),
            ("from=51", 50, None),
            ("from=0&before=x", 0, None),
            ("from=-3&before=7", 0, Some(7)),
        ] {
            assert_eq!(place(query), Place { skipped, before }, "{query}");
        }
        let at = Place {
            skipped: 50,
            before: Some(7),
        };
        assert_eq!(address(&filter(&[], ""), at), "/jobs?from=51&before=7");
    }
}
