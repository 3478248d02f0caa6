//! What a parser found on its example pages.

use maud::{Markup, html};

use super::super::layout::{link, outside, outside_lines};
use crate::{
    present::{found::Found, narrate},
    store::report::JobDetails,
};

/// More of a result than this is left to `parserd show`, in bytes.
const MAX_RESULT_BYTES: usize = 20_000;

/// A longer value is folded, in characters.
const MAX_VALUE_CHARS: usize = 120;

pub(super) fn section(details: &JobDetails) -> Markup {
    let Some(json) = &details.example_result else {
        let why = details.events.iter().rev().find_map(narrate::no_examples);
        return html! {
            @if let Some(why) = why {
                section { h2 { "What it found" } p { "Nothing is kept of it: " (outside(&why)) } }
            }
        };
    };
    html! {
        section {
            h2 { "What it found" }
            @match Found::of(json.get()).filter(|_| json.get().len() <= MAX_RESULT_BYTES) {
                Some(found) => (table(&found)),
                None => p { "Too long for a page: " code { "parserd show " (details.row.id) " --json" } " has it." },
            }
        }
    }
}

fn table(found: &Found) -> Markup {
    html! {
        @if found.rows.is_empty() {
            p { "Nothing at all." }
        } @else {
            table.found {
                thead { tr { th { "Field" }
                    @for (place, page) in found.pages.iter().enumerate() {
                        th { @match page {
                            Some(url) => (link(url)),
                            None => { "Page " (place + 1) }
                        } }
                    }
                } }
                tbody {
                    @for (field, cells) in &found.rows {
                        tr { th scope="row" { (outside(field)) }
                            @for cell in cells { td { (value(cell.as_deref())) } } }
                    }
                }
            }
        }
    }
}

fn value(text: Option<&str>) -> Markup {
    let Some(text) = text else {
        return html! { span.hint { "nothing" } };
    };
    let chars = text.chars().count();
    if chars <= MAX_VALUE_CHARS && !text.contains('\n') {
        return outside(text);
    }
    let start: String = text
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(MAX_VALUE_CHARS)
        .collect();
    html! { details { summary { (outside(&start)) "..." } pre { (outside_lines(text)) } } }
}
