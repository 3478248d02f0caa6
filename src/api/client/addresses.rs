//! Parts of URLs, and pages of answers that headers name.

use reqwest::header::{HeaderMap, LINK};

/// Whether a `Link` header (RFC 8288) names another page of what was asked for. There are
/// others, such as a proxy's for what a browser is to load.
pub(super) fn names_another_page(headers: &HeaderMap) -> bool {
    const PAGES: [&str; 4] = ["next", "prev", "first", "last"];
    let links = headers.get_all(LINK).iter();
    let links = links.map(|link| String::from_utf8_lossy(link.as_bytes()).to_ascii_lowercase());
    let names_page = |parameter: &str| {
        let Some(("rel", relations)) = parameter.trim().split_once('=') else {
            return false;
        };
        let relations = relations.trim().trim_matches('"').split_ascii_whitespace();
        relations
            .into_iter()
            .any(|relation| PAGES.contains(&relation))
    };
    links
        .flat_map(|link| link.split([';', ',']).map(names_page).collect::<Vec<_>>())
        .any(|names| names)
}

/// Whether `id` can stand in a path: an empty one would ask for the list, and
/// dots, even encoded, for another path.
pub(super) fn names_a_path_segment(id: &str) -> bool {
    !matches!(id, "" | "." | "..")
}

/// `text` as one path segment: all but unreserved characters percent-encoded.
pub(super) fn encode_segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
