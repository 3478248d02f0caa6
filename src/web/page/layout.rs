//! What all pages have in common.

use maud::{DOCTYPE, Markup, html};

use super::Visitor;
use crate::{
    core::{job::UnixMs, text::escaped, timestamp::iso},
    present::format::relative,
};

/// How often a page without scripts reloads itself, in seconds.
const RELOAD_S: u32 = 30;

/// A whole page. What is `live` is brought up to date by itself.
pub(super) fn page(visitor: &Visitor, title: &str, is_live: bool, content: &Markup) -> Markup {
    titled(visitor, &format!("{title} · parserd"), is_live, content)
}

/// The same with the whole title that the browser shows.
pub(super) fn titled(visitor: &Visitor, title: &str, is_live: bool, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (escaped(title)) }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/style.css";
                script src="/page.js" defer {}
                @if is_live {
                    noscript { meta http-equiv="refresh" content=(RELOAD_S); }
                }
            }
            body {
                header {
                    a.brand href="/" { "parserd" }
                    nav {
                        a href="/" { "Overview" }
                        a href="/jobs" { "Jobs" }
                        a href="/parsers" { "Parsers" }
                    }
                    span.who { (who(visitor)) }
                }
                @if is_live { (stale()) }
                main data-live[is_live] { (content) }
            }
        }
    }
}

/// What the page's script shows where nobody answers any more.
fn stale() -> Markup {
    html! {
        div.stale id="stale" role="alert" hidden {
            strong { "parserd does not answer." }
            " It has stopped, or the connection to it is broken. What is below is as of "
            span id="stale-at" {} "."
        }
    }
}

fn who(visitor: &Visitor) -> Markup {
    html! {
        @if let Some(session) = &visitor.session {
            form method="post" action="/logout" {
                input type="hidden" name="form_token" value=(session.form_token);
                button.quiet { "Sign out" }
            }
        } @else if visitor.may_sign_in {
            a href="/login" { "Sign in to act" }
        }
    }
}

/// A page that says one thing.
pub(super) fn message(visitor: &Visitor, title: &str, words: &str) -> Markup {
    let content = html! {
        h1 { (title) }
        p { (outside(words)) }
        p.pages { a href="/" { "Overview" } a href="/jobs" { "Jobs" } a href="/parsers" { "Parsers" } }
    };
    page(visitor, title, false, &content)
}

/// Text from outside: what could reorder or hide the page's own is escaped, and what is
/// written from right to left stays within it.
pub(super) fn outside(text: &str) -> Markup {
    html! { bdi { (escaped(text)) } }
}

/// The same of a text of several lines.
pub(super) fn outside_lines(text: &str) -> Markup {
    let lines: Vec<_> = text.split('\n').map(escaped).collect();
    html! { bdi { (lines.join("\n")) } }
}

/// Text whose commands stand between backticks.
pub(super) fn marked(text: &str) -> Markup {
    let text = escaped(text).to_string();
    html! {
        bdi {
            @for (index, part) in text.split('`').enumerate() {
                @if index % 2 == 1 { code { (part) } } @else { (part) }
            }
        }
    }
}

/// A state, in its colour.
pub(super) fn badge(state: &str) -> Markup {
    html! { span class={ "badge " (state.to_lowercase()) } { (state) } }
}

/// A time as one says it, and in full where one points at it.
pub(super) fn when(at: UnixMs, now: UnixMs) -> Markup {
    html! { time datetime=(iso(at)) title=(iso(at)) { (relative(at, now)) } }
}

/// A time as one reads it in a list, to the second; to the millisecond where one points at it.
pub(super) fn moment(at: UnixMs) -> Markup {
    let full = iso(at);
    let shown = full.get(..19).unwrap_or(&full).replace('T', " ");
    html! { time datetime=(full) title=(full) { (shown) } }
}

/// A text of parserd's own, with what stands between backticks as code.
pub(super) fn ticked(text: &str) -> Markup {
    let parts: Vec<_> = text.split('`').collect();
    // An odd one encloses nothing.
    if parts.len().is_multiple_of(2) {
        return outside(text);
    }
    html! {
        @for (place, part) in parts.iter().enumerate() {
            @if place.is_multiple_of(2) { (outside(part)) } @else { code { (outside(part)) } }
        }
    }
}

/// An address that leads out of the page, where it is one of the web.
pub(super) fn link(address: &str) -> Markup {
    html! {
        @if address.starts_with("https://") || address.starts_with("http://") {
            a rel="noopener noreferrer nofollow" href=(address) { (outside(address)) }
        } @else {
            (outside(address))
        }
    }
}

/// What a parser is worth, in its colour.
pub(super) fn quality_badge(quality: Option<&str>) -> Markup {
    let known = quality.filter(|quality| matches!(*quality, "ok" | "thin" | "bad"));
    let kind = known.unwrap_or("unjudged");
    html! { span class={ "badge quality " (kind) } { (quality.map_or_else(|| "not judged".to_owned(), escaped)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_to_the_second() {
        assert_eq!(
            moment(1_800_000_000_123).into_string(),
            "<time datetime=\"2027-01-15T08:00:00.123Z\" title=\"2027-01-15T08:00:00.123Z\">\
             2027-01-15 08:00:00</time>"
        );
        assert!(moment(i64::MAX).into_string().ends_with(">never</time>"));
    }

    #[test]
    fn what_is_between_backticks_is_code_and_nothing_is_markup() {
        for (text, shown) in [
            ("a", "<bdi>a</bdi>"),
            (
                "see `parserd <x>` now",
                "<bdi>see </bdi><code><bdi>parserd &lt;x&gt;</bdi></code><bdi> now</bdi>",
            ),
            ("one ` alone", "<bdi>one ` alone</bdi>"),
        ] {
            assert_eq!(ticked(text).into_string(), shown);
        }
    }

    #[test]
    fn only_addresses_of_the_web_are_links() {
        for (address, is_link) in [
            ("https://a.example/?b=\"<", true),
            ("http://a.example", true),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
            ("/jobs", false),
        ] {
            let shown = link(address).into_string();
            assert_eq!(shown.contains("href"), is_link, "{shown}");
            assert!(!shown.contains("b=\"<"), "{shown}");
        }
    }
}
