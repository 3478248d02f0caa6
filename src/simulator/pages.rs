//! The web as the simulated service sees it: what a page shows to which effort. Pure.
//!
//! What stands in the way of a page is chosen by its URL's text, and the same for a fetch and for
//! the generation of a parser:
//!
//! | URL contains | what is shown | unless | a create |
//! |---|---|---|---|
//! | `unreachable` | the service gives up | | FAILED |
//! | `blocked` | the service gives up | `premium` or `ultra_premium` | FAILED, unless |
//! | `ultra-blocked` | the service gives up | `ultra_premium` | FAILED, unless |
//! | `needs-js` | a shell | `render` | FAILED, unless |
//! | `mixed` | a page that is built like no other | | FAILED |
//!
//! and, of what stands behind the host:
//!
//! | `page-gone` | 404 | | FAILED |
//! | `challenge` | a check for robots | `premium` or `ultra_premium` | FAILED, unless |
//! | `login` | a form that asks for a password | | FAILED |
//! | `consent` | a consent page | | FAILED |
//! | `not-html` | a PDF | | FAILED |
//! | `slow` | the page, in drops | | |
//! | `bomb` | the page and a gigabyte of blanks, compressed | | |
//!
//! Pages of one host are built alike, those of two hosts otherwise.

use serde_json::{Map, Value};
use url::Url;

use super::generation::chance;
use crate::core::effort::{Effort, Proxy};

/// What a fetch of a page comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// The service gives up after its retries.
    Refused,
    /// There is no such page.
    Gone,
    /// A check for robots.
    Challenge,
    /// A form that asks for a password.
    Login,
    /// A question about cookies.
    Consent,
    /// A document that is no HTML.
    Pdf,
    /// What is there before its JavaScript is run.
    Shell,
    /// The page.
    Page,
}

impl Shown {
    /// What is shown of this page to this effort.
    pub fn of(url: &str, effort: Effort) -> Self {
        let needed = if url.contains("ultra-blocked") {
            Proxy::UltraPremium
        } else if url.contains("blocked") {
            Proxy::Premium
        } else {
            Proxy::Standard
        };
        let path = behind_host(url);
        if effort.proxy < needed || url.contains("unreachable") {
            Self::Refused
        } else if path.contains("page-gone") {
            Self::Gone
        } else if path.contains("challenge") && effort.proxy < Proxy::Premium {
            Self::Challenge
        } else if path.contains("login") {
            Self::Login
        } else if path.contains("consent") {
            Self::Consent
        } else if path.contains("not-html") {
            Self::Pdf
        } else if url.contains("needs-js") && !effort.render {
            Self::Shell
        } else {
            Self::Page
        }
    }

    /// Why no parser can be made of it, in the service's words.
    pub fn failure(self, url: &str) -> Option<String> {
        match self {
            Self::Refused | Self::Gone | Self::Challenge => Some(format!(
                "DownloadError: Failed to download {url} after 3 retries"
            )),
            Self::Login | Self::Consent | Self::Pdf | Self::Shell => Some(format!(
                "ExtractionError: No data could be extracted from {url}"
            )),
            Self::Page => None,
        }
    }

    /// Its type and its bytes, where the site answers with any.
    pub fn document(self, url: &str) -> Option<(&'static str, String)> {
        const HTML: &str = "text/html; charset=utf-8";
        match self {
            Self::Refused => None,
            Self::Gone => Some((
                HTML,
                simple("Page not found", "<p>There is no such page.</p>"),
            )),
            Self::Challenge => Some((HTML, simple("Just a moment...", CHALLENGE))),
            Self::Login => Some((HTML, simple("Log in", LOGIN))),
            Self::Consent => Some((HTML, simple("Before you continue", CONSENT))),
            Self::Pdf => Some(("application/pdf", "%PDF-1.7\n%%EOF\n".to_owned())),
            Self::Shell => Some((HTML, simple("Shop", SHELL))),
            Self::Page => Some((HTML, page(url))),
        }
    }
}

const CHALLENGE: &str = "<main><h1>Checking your browser</h1><p>This takes a few seconds.</p>\
    <script src=\"/cdn/challenge.js\"></script></main>";

const LOGIN: &str = "<main><h1>Log in</h1><form method=\"post\" action=\"/session\">\
    <label>E-mail <input type=\"email\" name=\"email\"></label>\
    <label>Password <input type=\"password\" name=\"password\"></label>\
    <button>Log in</button></form></main>";

const CONSENT: &str = "<div role=\"dialog\"><h1>We use cookies to improve your experience.</h1>\
    <button>Accept all</button><button>Reject all</button></div>";

const SHELL: &str = "<div id=\"app\"></div>\
    <noscript>You need to enable JavaScript to run this app.</noscript>\
    <script src=\"/static/main.js\"></script>";

/// What these parameters ask for; in a query string they are text.
pub(super) fn effort(params: &Value) -> Effort {
    let params = params.as_object().into_iter().flatten();
    let set = params.filter(|(_, value)| **value == Value::Bool(true) || **value == "true");
    let set: Map<String, Value> = set
        .map(|(name, _)| (name.clone(), Value::Bool(true)))
        .collect();
    Effort::of(Some(&set))
}

/// A URL's host, without `www.`.
pub(super) fn host(url: &str) -> Option<String> {
    let host = Url::parse(url).ok()?.host_str()?.to_owned();
    Some(host.strip_prefix("www.").unwrap_or(&host).to_owned())
}

/// What a URL has behind its host.
pub(super) fn behind_host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("", |at| &rest[at..])
}

fn simple(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\
         <body>{body}</body></html>"
    )
}

/// A page with a heading, texts, links, a price and a list of items.
fn page(url: &str) -> String {
    const TAGS: [&str; 16] = [
        "div",
        "section",
        "article",
        "main",
        "header",
        "footer",
        "aside",
        "nav",
        "figure",
        "span",
        "strong",
        "em",
        "blockquote",
        "details",
        "fieldset",
        "address",
    ];
    /// How many parts a page has.
    const PARTS: usize = 14;
    /// How deep each is nested: more than what tells two pages apart reaches.
    const DEPTH: usize = 5;

    let built_as = if url.contains("mixed") {
        url.to_owned()
    } else {
        host(url).unwrap_or_default()
    };
    let mut build = chance(0, "page", &built_as, 0);
    let mut text = chance(0, "text", url, 0);
    let name = url.trim_end_matches('/').rsplit('/').next().unwrap_or(url);
    let name = html_escape::encode_safe(name).into_owned();
    let mut body = String::new();
    for part in 0..PARTS {
        let tags: Vec<&str> = (0..DEPTH)
            .map(|_| TAGS[build.usize(..TAGS.len())])
            .collect();
        // What a page has many of it has more or less of.
        let count = if part % 4 == 3 { text.usize(4..12) } else { 1 };
        let before: String = tags.iter().map(|tag| format!("<{tag}>")).collect();
        let after: String = tags.iter().rev().map(|tag| format!("</{tag}>")).collect();
        for nth in 1..=count {
            let leaf = match part % 4 {
                0 if part == 0 => format!("<h1 class=\"title\">The item {name}</h1>"),
                0 => format!("<h2>{}</h2>", words(&mut text, 4)),
                1 => format!("<p>{}</p>", words(&mut text, 24)),
                2 => format!("<b class=\"price\">{}.99</b>", text.u16(1..900)),
                _ => {
                    let words = words(&mut text, 3);
                    format!("<a class=\"item\" href=\"/item/{nth}\">{words}</a>")
                }
            };
            body.extend([&before, &leaf, &after].map(String::as_str));
        }
    }
    simple(&format!("The item {name}"), &body)
}

fn words(chance: &mut fastrand::Rng, count: usize) -> String {
    const WORDS: [&str; 16] = [
        "paper", "river", "light", "garden", "stone", "winter", "letter", "copper", "window",
        "harbour", "silver", "morning", "orchard", "lantern", "meadow", "thread",
    ];
    let words: Vec<&str> = (0..count)
        .map(|_| WORDS[chance.usize(..WORDS.len())])
        .collect();
    words.join(" ")
}
