//! PURE: from what a parser was made that was there before its job.

use std::collections::BTreeSet;

use serde::Deserialize;
use url::Url;

use super::spec::{JobSpec, URLS_MAX};

/// What is known of how a parser was made that a job adopted, and that need not be what the job
/// asks for. With which `scraper_params` it was made no answer of the service tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MadeFrom {
    /// Its pages (JSON), where the service shows them.
    pub urls: Option<String>,
}

/// From what an adopted parser was made; none where that is what the job asks for, since the name
/// that the parser bears has the tag of just that.
///
/// `remote_name` is the parser's name, `recreation` the counter that goes into it, and `examples`
/// are its example results.
pub fn made_from(
    asked: &JobSpec,
    remote_name: Option<&str>,
    recreation: u32,
    examples: Option<&str>,
) -> Option<MadeFrom> {
    if remote_name == Some(asked.remote_name(recreation, true).as_str()) {
        return None;
    }
    let shown = examples.map(example_pages).unwrap_or_default();
    let (is, wanted) = (as_read(&shown), as_read(&asked.urls));
    let urls = if is == wanted {
        // In the job's own spelling.
        Some(asked.urls_json())
    } else if is.is_subset(&wanted) {
        // Of the others there may be no results.
        None
    } else {
        let shown = JobSpec {
            urls: shown,
            ..JobSpec::default()
        };
        Some(shown.urls_json())
    };
    Some(MadeFrom { urls })
}

/// The pages of example results, as far as a job may have them.
pub fn example_pages(examples: &str) -> Vec<String> {
    #[derive(Deserialize)]
    struct Example {
        url: Option<String>,
    }
    let examples: Vec<Example> = serde_json::from_str(examples).unwrap_or_default();
    let mut urls: Vec<String> = Vec::new();
    for url in examples.into_iter().filter_map(|example| example.url) {
        let alone = JobSpec {
            name: "x".to_owned(),
            urls: vec![url.clone()],
            ..JobSpec::default()
        };
        if alone.problems().is_empty() && !urls.contains(&url) && urls.len() < URLS_MAX {
            urls.push(url);
        }
    }
    urls
}

/// A service may write an address its own way, as with a slash at its end where there is no path.
fn as_read(urls: &[String]) -> BTreeSet<String> {
    let read = |url: &String| Url::parse(url).map_or_else(|_| url.clone(), String::from);
    urls.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn pages_are_those_that_are_shown_unless_the_name_tells() {
        let urls = |pages: &[&str]| {
            pages
                .iter()
                .map(|&page| page.to_owned())
                .collect::<Vec<_>>()
        };
        let (one, two) = ("https://a.example", "https://a.example/2");
        let asked = JobSpec {
            name: "shop".to_owned(),
            urls: urls(&[one, two]),
            ..JobSpec::default()
        };
        let own = asked.remote_name(3, true);
        let found = |pages: &[&str]| {
            Some(MadeFrom {
                urls: Some(Value::from(urls(pages)).to_string()),
            })
        };
        let unknown = Some(MadeFrom::default());
        let slashed = "https://a.example/";
        let other = "https://a.example/3";
        for (name, recreation, shown, expected) in [
            (Some(own.as_str()), 3, vec![other], None),
            (Some(own.as_str()), 2, vec![other], found(&[other])),
            (Some("shop"), 0, vec![other], found(&[other])),
            (None, 0, vec![other], found(&[other])),
            (None, 0, vec![two, slashed], found(&[one, two])),
            (None, 0, vec![two, other], found(&[two, other])),
            (None, 0, vec![two], unknown.clone()),
            (None, 0, vec![], unknown.clone()),
            (None, 0, vec!["ftp://a.example/"], unknown.clone()),
        ] {
            let examples: Vec<_> = shown.iter().map(|url| json!({"url": url})).collect();
            let examples = json!(examples).to_string();
            let made = made_from(&asked, name, recreation, Some(&examples));
            assert_eq!(made, expected, "{name:?} {shown:?}");
        }
        assert_eq!(made_from(&asked, None, 0, None), unknown);
        assert_eq!(made_from(&asked, None, 0, Some("nonsense")), unknown);
    }
}
