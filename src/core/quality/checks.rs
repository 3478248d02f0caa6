//! PURE: held-out pages: which are to be tried, and what came of it.

use serde::Serialize;

/// How often a page is tried that says nothing of the parser.
pub const MAX_TRIES: usize = 3;

/// A request for a held-out page, as it is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The page.
    pub url: String,
    /// What came of it.
    pub outcome: TriedOutcome,
}

/// What came of a request for a held-out page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriedOutcome {
    /// It is under way, or whoever sent it ended before the answer.
    Pending,
    /// What the parser found there, JSON.
    Found(String),
    /// The page or the service was in the way: it says nothing of the parser.
    Inconclusive(String),
    /// The same, and another try would bring the same.
    Final(String),
}

/// A held-out page, told of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckedPage {
    /// The page.
    pub url: String,
    /// Whether it says anything of the parser.
    pub is_conclusive: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The pages that are to be tried: those of which nothing is known and that were not tried
/// too often.
pub fn due<'u>(check_urls: &'u [String], tried: &[Tried]) -> Vec<&'u str> {
    let is_due = |url: &&String| {
        let mut of_page = tried.iter().filter(|tried| tried.url == **url);
        let tries = of_page.clone().count();
        let is_settled = |tried: &Tried| {
            matches!(
                tried.outcome,
                TriedOutcome::Found(_) | TriedOutcome::Final(_)
            )
        };
        let is_known = of_page.any(is_settled);
        !is_known && tries < MAX_TRIES
    };
    check_urls
        .iter()
        .filter(is_due)
        .map(String::as_str)
        .collect()
}

/// What the parser found on the page, if that is known.
pub(super) fn found<'t>(url: &str, tried: &'t [Tried]) -> Option<&'t str> {
    let mut of_page = tried.iter().filter(|tried| tried.url == url);
    of_page.find_map(|tried| match &tried.outcome {
        TriedOutcome::Found(result) => Some(result.as_str()),
        TriedOutcome::Pending | TriedOutcome::Inconclusive(_) | TriedOutcome::Final(_) => None,
    })
}

/// Whether anything was found on any page.
pub fn has_result(tried: &[Tried]) -> bool {
    let mut outcomes = tried.iter().map(|tried| &tried.outcome);
    outcomes.any(|outcome| matches!(outcome, TriedOutcome::Found(_)))
}

/// What is told of a page.
pub(super) fn told(url: &str, tried: &[Tried]) -> CheckedPage {
    let last = tried.iter().rfind(|tried| tried.url == url);
    let is_conclusive = found(url, tried).is_some();
    let why = match last.map(|tried| &tried.outcome) {
        _ if is_conclusive => None,
        Some(TriedOutcome::Inconclusive(why) | TriedOutcome::Final(why)) => Some(why.clone()),
        Some(TriedOutcome::Pending | TriedOutcome::Found(_)) => {
            Some("there was no answer".to_owned())
        }
        None => Some("it was not tried: budget or credits are used up".to_owned()),
    };
    CheckedPage {
        url: url.to_owned(),
        is_conclusive,
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(url: &str, outcome: TriedOutcome) -> Tried {
        Tried {
            url: url.to_owned(),
            outcome,
        }
    }

    #[test]
    fn a_page_is_tried_until_it_says_something_and_three_times_at_most() {
        use TriedOutcome::{Final, Found, Inconclusive, Pending};
        let pages = ["a".to_owned(), "b".to_owned()];
        let no = || Inconclusive("503".to_owned());
        let yes = || Found("{}".to_owned());
        for (tries, expected) in [
            (vec![], vec!["a", "b"]),
            (vec![tried("a", yes())], vec!["b"]),
            (vec![tried("a", Final("404".to_owned()))], vec!["b"]),
            (vec![tried("a", no())], vec!["a", "b"]),
            // A crash before the answer was one of the three.
            (vec![tried("a", Pending), tried("a", no())], vec!["a", "b"]),
            (
                vec![tried("a", Pending), tried("a", no()), tried("a", no())],
                vec!["b"],
            ),
            (
                vec![tried("a", no()), tried("a", yes()), tried("b", yes())],
                vec![],
            ),
        ] {
            assert_eq!(due(&pages, &tries), expected, "{tries:?}");
        }
    }

    #[test]
    fn what_is_told_of_a_page_is_its_last_word() {
        let no = |why: &str| tried("a", TriedOutcome::Inconclusive(why.to_owned()));
        assert_eq!(
            told("a", &[no("429"), no("503")]).why.as_deref(),
            Some("503")
        );
        let pending = tried("a", TriedOutcome::Pending);
        assert_eq!(
            told("a", &[pending]).why.as_deref(),
            Some("there was no answer")
        );
        assert!(told("a", &[]).why.unwrap().contains("budget"));
        let yes = tried("a", TriedOutcome::Found("1".to_owned()));
        assert!(told("a", &[yes, no("429")]).is_conclusive);
    }
}
