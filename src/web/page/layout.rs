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
        p { a href="/" { "Back to the overview" } }
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
