//! The list of parsers.

use axum::extract::{RawQuery, State};
use maud::{Markup, html};

use super::{
    Notice, Visitor,
    layout::{self, outside, when},
    parameter,
};
use crate::{
    core::{job::UnixMs, quality::Quality},
    store::parsers::ParserRow,
    web::Shared,
};

/// The page.
pub(super) async fn page(
    State(vitals): State<Shared>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Markup, Notice> {
    let query = query.unwrap_or_default();
    let quality = parameter(&query, "quality").and_then(|text| text.trim().parse().ok());
    let before = parameter(&query, "before").and_then(|text| text.parse().ok());
    let found = vitals.store.browse_parsers(quality, before).await?;
    let now = vitals.clock.now();
    let content = html! {
        h1 { "Parsers" }
        (form(quality))
        @if found.lines.is_empty() {
            p { "No parsers match." }
        } @else {
            table.jobs {
                thead { tr { th { "Name" } th { "Parser" } th { "Quality" } th { "Made" } } }
                tbody { @for line in &found.lines { (row(line, now)) } }
            }
        }
        p.pages {
            @if before.is_some() { a href=(address(quality, None)) { "Newest" } }
            @if let Some(before) = found.next_before {
                a rel="next" href=(address(quality, Some(before))) { "Older" }
            }
        }
    };
    Ok(layout::page(&visitor, "Parsers", true, &content))
}

fn form(chosen: Option<Quality>) -> Markup {
    html! {
        form.filter method="get" action="/parsers" role="search" {
            label { "Quality"
                select #quality name="quality" {
                    option value="" { "all" }
                    @for quality in Quality::ALL {
                        option value=(quality) selected[chosen == Some(*quality)] { (quality) }
                    }
                }
            }
            button { "Show" }
        }
    }
}

fn row(line: &ParserRow, now: UnixMs) -> Markup {
    html! {
        tr {
            td.name { a href={ "/jobs/" (line.job_id) } { (outside(&line.name)) } }
            td { code { (outside(&line.parser_id)) } @if let Some(version) = line.version { ", version " (version) } }
            td { (line.quality.as_deref().unwrap_or("not judged"))
                @if let Some(reason) = line.reason() { " " span.hint { (outside(&reason)) } } }
            td { (when(line.created_at, now)) }
        }
    }
}

/// The address of another page of the same list.
fn address(quality: Option<Quality>, before: Option<i64>) -> String {
    let quality = quality.map(|quality| format!("quality={quality}"));
    let before = before.map(|before| format!("before={before}"));
    let parameters: Vec<_> = quality.into_iter().chain(before).collect();
    format!("/parsers?{}", parameters.join("&"))
}
