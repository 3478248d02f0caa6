//! The list of parsers.

use axum::extract::{RawQuery, State};
use maud::{Markup, html};
use url::form_urlencoded;

use super::{
    Notice, Visitor,
    filter::Asked,
    layout::{self, outside, quality_badge, when},
    parameter,
};
use crate::{
    core::{job::UnixMs, quality::Quality, selector::Selector},
    present::format::grouped,
    store::parsers::{ParserPlace, ParserRow, QualityCounts},
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
    let Asked { filter, problems } = Asked::of(&query);
    let selector = Selector {
        labels: filter.selector.labels,
        ..Selector::default()
    };
    let place = place(&query);
    let found = vitals
        .store
        .browse_parsers(quality, &selector, place)
        .await?;
    let snapshot = vitals.looks.get().await?;
    let now = vitals.clock.now();
    let content = html! {
        h1 { "Parsers" }
        @for problem in &problems { p.alert { (outside(problem)) } }
        (chips(quality, &selector, snapshot.parsers))
        (form(quality, &selector))
        @if found.lines.is_empty() {
            p.empty { @if quality.is_none() && selector.selects_all() && place.is_none() { "No parsers yet." }
                @else { "No parsers match. " a href="/parsers" { "Show all parsers." } } }
        } @else {
            table.jobs {
                thead { tr { th { "Name" } th { "Quality" } th { "Why" } th { "Parser" } th { "Made" } th { "Job" } } }
                tbody { @for line in &found.lines { (row(line, now)) } }
            }
        }
        p.pages {
            @if place.is_some() { a href=(address(quality, &selector, None)) { "Worst" } }
            @if let Some(next) = found.next {
                a rel="next" href=(address(quality, &selector, Some(next))) { "Next" }
            }
        }
    };
    Ok(layout::page(&visitor, "Parsers", true, &content))
}

fn chips(chosen: Option<Quality>, selector: &Selector, counts: QualityCounts) -> Markup {
    let of = |quality| match quality {
        Quality::Ok => counts.ok,
        Quality::Thin => counts.thin,
        Quality::Bad => counts.bad,
    };
    html! {
        nav.chips aria-label="Quality" {
            a.chip href=(address(None, selector, None)) aria-current=[chosen.is_none().then_some("true")] {
                "All " span.count { (grouped(counts.all())) }
            }
            @for quality in Quality::ALL {
                a.chip href=(address(Some(*quality), selector, None)) aria-current=[(chosen == Some(*quality)).then_some("true")] {
                    (quality_badge(Some(quality.as_str()))) " " span.count { (grouped(of(*quality))) }
                }
            }
        }
    }
}

fn form(chosen: Option<Quality>, selector: &Selector) -> Markup {
    let labels = selector.labels.iter();
    let labels: Vec<_> = labels
        .map(|label| format!("{}={}", label.key, label.value))
        .collect();
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
            label { "Label"
                input #label name="label" value=(labels.first().map_or("", String::as_str))
                    placeholder="team=search" maxlength="130" autocomplete="off";
            }
            @for label in labels.iter().skip(1) { input type="hidden" name="label" value=(label); }
            button { "Show" }
            @if chosen.is_some() || !labels.is_empty() { a href="/parsers" { "Clear" } }
        }
    }
}

fn row(line: &ParserRow, now: UnixMs) -> Markup {
    html! {
        tr {
            td.name { a href={ "/jobs/" (line.job_id) } { (outside(&line.name)) } }
            td { (quality_badge(line.quality.as_deref())) }
            td.why { @if let Some(reason) = line.reason() { (outside(&reason)) } }
            td { code { (outside(&line.parser_id)) } @if let Some(version) = line.version { ", version " (version) }
                @if let (Some(version), Some(latest)) = (line.version, line.latest_version) {
                    @if latest > version { " " span.hint { "(the latest is " (latest) ")" } }
                }
                @if line.protected { " " span.hint { "protected" } } }
            td { (when(line.created_at, now)) }
            td { a href={ "/jobs/" (line.job_id) } { "Job " (line.job_id) } }
        }
    }
}

/// Where the page of an address begins.
fn place(query: &str) -> Option<ParserPlace> {
    let after = parameter(query, "after")?;
    let (rank, before) = after.split_once('.')?;
    Some(ParserPlace {
        rank: rank.parse().ok()?,
        before: Some(before.parse().ok()?),
    })
}

/// The address of another page of the same list.
fn address(quality: Option<Quality>, selector: &Selector, place: Option<ParserPlace>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(quality) = quality {
        query.append_pair("quality", quality.as_str());
    }
    for label in &selector.labels {
        query.append_pair("label", &format!("{}={}", label.key, label.value));
    }
    if let Some(ParserPlace {
        rank,
        before: Some(before),
    }) = place
    {
        query.append_pair("after", &format!("{rank}.{before}"));
    }
    match query.finish() {
        query if query.is_empty() => "/parsers".to_owned(),
        query => format!("/parsers?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let at = ParserPlace {
            rank: 2,
            before: Some(7),
        };
        let address = address(Some(Quality::Thin), &Selector::default(), Some(at));
        assert_eq!(address, "/parsers?quality=thin&after=2.7");
        for (query, found) in [
            ("quality=thin&after=2.7", Some(at)),
            ("after=2", None),
            ("after=x.y", None),
            ("", None),
        ] {
            assert_eq!(place(query), found, "{query}");
        }
    }
}
