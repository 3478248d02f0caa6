//! PURE: the rules that a spec must keep, as words for the one who broke them.

use std::collections::HashSet;

use serde_json::Value;
use url::Url;

use super::canonical;
use crate::core::quality;
use crate::core::shown::{described, kind, shown, unknown_key};

/// The longest name, in characters.
pub const NAME_MAX_CHARS: usize = 200;
/// The most example pages of one job; one is the least.
pub const URLS_MAX: usize = 3;
/// The most held-out pages of one job.
pub const CHECK_URLS_MAX: usize = 5;
/// The longest URL, in characters.
pub const URL_MAX_CHARS: usize = 2048;
/// The most entries of `fields`; an empty list is refused too.
pub const FIELDS_MAX: usize = 100;
/// The longest name of a field, in characters.
pub const FIELD_NAME_MAX_CHARS: usize = 200;
/// The longest description of a field, in characters.
pub const FIELD_DESCRIPTION_MAX_CHARS: usize = 2000;
/// The longest selector of a field, in characters.
pub const FIELD_SELECTOR_MAX_CHARS: usize = 1000;
/// The longest `scraper_params` or `fields`, in bytes of normalised JSON.
pub const JSON_MAX_BYTES: usize = 64 * 1024;
/// The keys that `scraper_params` may have.
pub const SCRAPER_PARAMS: &[&str] = &[
    "render",
    "country_code",
    "premium",
    "ultra_premium",
    "session_number",
    "keep_headers",
    "device_type",
    "follow_redirect",
    "retry_404",
];
/// The values that `scraper_params.device_type` may have.
pub const DEVICE_TYPES: &[&str] = &["desktop", "mobile"];
/// The keys that an entry of `fields` may have; the first two are required.
pub const FIELD_KEYS: &[&str] = &["name", "description", "type", "selector"];
/// The values that the `type` of a field may have.
pub const FIELD_TYPES: &[&str] = &["string", "number", "array"];

pub(super) fn urls_problems(urls: &[String]) -> Vec<String> {
    let cure = format!("write 1 to {URLS_MAX} example pages of one page type");
    pages_problems("urls", urls, URLS_MAX, &cure)
}

/// Held-out pages; those that the parser is made from would prove nothing.
pub(super) fn check_urls_problems(check_urls: &[String], urls: &[String]) -> Vec<String> {
    let cure = format!(
        "write 1 to {CHECK_URLS_MAX} pages of the same type as urls, or leave check_urls out"
    );
    let mut problems = pages_problems("check_urls", check_urls, CHECK_URLS_MAX, &cure);
    let both = check_urls.iter().filter(|url| urls.contains(url));
    problems.extend(both.map(|url| {
        format!(
            "check_urls contains {}, which urls contains too: write pages that the parser is not made from",
            shown(url)
        )
    }));
    problems
}

fn pages_problems(part: &str, urls: &[String], most: usize, cure: &str) -> Vec<String> {
    if urls.is_empty() {
        return vec![format!("{part} is empty: {cure}")];
    }
    let mut problems = Vec::new();
    if urls.len() > most {
        problems.push(format!("{part} has {} entries: {cure}", urls.len()));
    }
    let mut seen = HashSet::new();
    for url in urls {
        if !seen.insert(url) {
            problems.push(format!(
                "{part} contains {} twice: write each page once",
                shown(url)
            ));
        } else if let Some(problem) = url_problem(url) {
            problems.push(problem);
        }
    }
    problems
}

pub(super) fn expect_problems(expect: &Value, fields: Option<&Value>) -> Vec<String> {
    let names: Option<Vec<&str>> = fields.and_then(Value::as_array).map(|fields| {
        let names = fields.iter().filter_map(|field| field.get("name"));
        names.filter_map(Value::as_str).collect()
    });
    let mut problems = quality::expect_problems(expect, names.as_deref());
    problems.extend(size_problem("expect", expect));
    problems
}

fn url_problem(text: &str) -> Option<String> {
    let chars = text.chars().count();
    if chars > URL_MAX_CHARS {
        return Some(format!(
            "url {} has {chars} characters: write at most {URL_MAX_CHARS}",
            shown(text)
        ));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Some(format!(
            "url {} contains whitespace or a control character: write it without, %20 for a space",
            shown(text)
        ));
    }
    // The url crate reads a host into `http:///x` and `http:x`; SQL does not.
    let authority = ["http://", "https://"].iter().find_map(|scheme| {
        let start = text.get(..scheme.len())?;
        let rest = &text[scheme.len()..];
        start
            .eq_ignore_ascii_case(scheme)
            .then(|| rest.split(['/', '?', '#', '\\']).next().unwrap_or_default())
    });
    match (authority, Url::parse(text)) {
        // What stands before an @ is a password, and no message repeats it.
        (Some(authority), _) if authority.contains('@') => Some(
            "a url contains a user name or password: remove what comes before the @".to_owned(),
        ),
        (Some(""), _) => Some(format!(
            "url {} has no host: write it in full, such as https://example.com/page",
            shown(text)
        )),
        (Some(_), Ok(_)) => None,
        (Some(_), Err(error)) => Some(format!(
            "url {} cannot be read ({error}): write it in full, such as https://example.com/page",
            shown(text)
        )),
        (None, _) => Some(format!(
            "url {} does not begin with http:// or https://: write it in full, such as https://example.com/page",
            shown(text)
        )),
    }
}

pub(super) fn params_problems(params: &Value) -> Vec<String> {
    let Value::Object(object) = params else {
        return vec![format!(
            "scraper_params is {}: write an object, such as {{\"render\": true}}",
            kind(params)
        )];
    };
    let mut problems: Vec<_> = object
        .iter()
        .filter_map(|(key, value)| param_problem(key, value))
        .collect();
    let on = |key: &str| object.get(key) == Some(&Value::Bool(true));
    if on("premium") && on("ultra_premium") {
        problems.push(
            "scraper_params sets both premium and ultra_premium: write one of them".to_owned(),
        );
    }
    problems.extend(size_problem("scraper_params", params));
    problems
}

fn param_problem(key: &str, value: &Value) -> Option<String> {
    let (fits, wanted) = match key {
        "country_code" => (
            value.as_str().is_some_and(|code| {
                code.len() == 2 && code.bytes().all(|b| b.is_ascii_alphabetic())
            }),
            "two letters, such as \"us\"",
        ),
        "session_number" => (
            value.as_i64().is_some_and(|number| number >= 1),
            "a whole number from 1 up",
        ),
        "device_type" => (
            value
                .as_str()
                .is_some_and(|device| DEVICE_TYPES.contains(&device)),
            "\"desktop\" or \"mobile\"",
        ),
        known if SCRAPER_PARAMS.contains(&known) => (value.is_boolean(), "true or false"),
        unknown => return Some(unknown_key("scraper_params", unknown, SCRAPER_PARAMS)),
    };
    (!fits).then(|| {
        format!(
            "scraper_params.{key} is {}: write {wanted}",
            described(value)
        )
    })
}

pub(crate) fn fields_problems(fields: &Value) -> Vec<String> {
    let Value::Array(items) = fields else {
        return vec![format!(
            "fields is {}: write an array of objects, such as [{{\"name\": \"title\", \"description\": \"the book's title\"}}]",
            kind(fields)
        )];
    };
    if items.is_empty() {
        return vec![
            "fields is empty: name at least one field, or leave fields out and the service infers them"
                .to_owned(),
        ];
    }
    if items.len() > FIELDS_MAX {
        return vec![format!(
            "fields has {} entries: write at most {FIELDS_MAX}",
            items.len()
        )];
    }
    let mut problems = entries_problems("fields", items);
    problems.extend(size_problem("fields", fields));
    problems
}

/// The same of the entries alone, however many; `part` is what messages call their list.
pub(crate) fn entries_problems(part: &str, items: &[Value]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        problems.extend(field_problems(&format!("{part}[{index}]"), item));
        let name = item.get("name").and_then(Value::as_str);
        if let Some(name) = name.filter(|name| !seen.insert(*name)) {
            problems.push(format!(
                "{part}[{index}] has the name {} that another field has: write each name once",
                shown(name)
            ));
        }
    }
    problems
}

fn field_problems(place: &str, field: &Value) -> Vec<String> {
    let Value::Object(object) = field else {
        return vec![format!(
            "{place} is {}: write an object with name and description",
            described(field)
        )];
    };
    let missing = FIELD_KEYS[..2]
        .iter()
        .filter(|key| !object.contains_key(**key))
        .map(|key| format!("{place} has no {key}: write one"));
    let wrong = object.iter().filter_map(|(key, value)| {
        let max_chars = match key.as_str() {
            "name" => FIELD_NAME_MAX_CHARS,
            "description" => FIELD_DESCRIPTION_MAX_CHARS,
            "selector" => FIELD_SELECTOR_MAX_CHARS,
            "type" => {
                let fits = value.as_str().is_some_and(|t| FIELD_TYPES.contains(&t));
                return (!fits).then(|| {
                    format!(
                        "{place}.type is {}: write \"string\", \"number\" or \"array\", or leave it out",
                        described(value)
                    )
                });
            }
            unknown => return Some(unknown_key(place, unknown, FIELD_KEYS)),
        };
        text_problem(&format!("{place}.{key}"), value, max_chars)
    });
    missing.chain(wrong).collect()
}

/// What is wrong with a text that must be there.
pub(crate) fn text_problem(place: &str, value: &Value, max_chars: usize) -> Option<String> {
    let Value::String(text) = value else {
        let or = if place.ends_with("selector") {
            ", or leave it out"
        } else {
            ""
        };
        return Some(format!(
            "{place} is {}: write a string{or}",
            described(value)
        ));
    };
    let chars = text.chars().count();
    if text.trim().is_empty() {
        Some(format!("{place} is blank: write some text"))
    } else if chars > max_chars {
        Some(format!(
            "{place} has {chars} characters: write at most {max_chars}"
        ))
    } else {
        None
    }
}

pub(crate) fn size_problem(place: &str, value: &Value) -> Option<String> {
    let bytes = canonical(value).len();
    (bytes > JSON_MAX_BYTES)
        .then(|| format!("{place} is {bytes} bytes of JSON: write at most {JSON_MAX_BYTES}"))
}
