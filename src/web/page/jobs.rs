//! The list of jobs.

use axum::extract::{RawQuery, State};
use maud::{Markup, html};
use url::form_urlencoded;

use super::{
    Notice, Visitor, filter,
    layout::{self, badge, outside, when},
    unknown_state,
};
use crate::{
    core::job::{Action, JobState, UnixMs},
    store::browse::{Filter, JobLine, JobPage},
    web::Shared,
};

/// The page.
pub(super) async fn page(
    State(vitals): State<Shared>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Markup, Notice> {
    let query = query.unwrap_or_default();
    let (filter, unknown_state) = (filter(&query), unknown_state(&query));
    let found = vitals.store.browse(&filter).await?;
    let now = vitals.clock.now();
    let content = html! {
        h1 { "Jobs" }
        @if let Some(state) = &unknown_state {
            p.alert { "There is no state " (outside(state)) ": all are shown." }
        }
        (form(&filter))
        (list(&filter, &found, now))
    };
    Ok(layout::page(&visitor, "Jobs", true, &content))
}

fn form(filter: &Filter) -> Markup {
    html! {
        form.filter method="get" action="/jobs" role="search" {
            label { "State"
                select #state name="state" {
                    option value="" { "all" }
                    @for state in JobState::ALL {
                        option value=(state) selected[filter.state == Some(*state)] { (state) }
                    }
                }
            }
            label.wide { "Name contains"
                input #q type="search" name="q" value=(filter.text) maxlength="200";
            }
            button { "Show" }
        }
        @if !filter.text.is_empty() && filter.state.is_none() {
            p.note { "CANCELLED jobs are looked through only where that state is chosen." }
        }
    }
}

fn list(filter: &Filter, found: &JobPage, now: UnixMs) -> Markup {
    html! {
        @if found.lines.is_empty() {
            p { "No jobs match." }
        } @else {
            table.jobs {
                thead { tr { th { "Job" } th { "Name" } th { "State" } th { "Changed" } } }
                tbody { @for line in &found.lines { (row(line, now)) } }
            }
        }
        p.pages {
            @if filter.before.is_some() { a href=(address(filter, None)) { "Newest" } }
            @if let Some(before) = found.next_before {
                a rel="next" href=(address(filter, Some(before))) { "Older" }
            }
        }
    }
}

fn row(line: &JobLine, now: UnixMs) -> Markup {
    let why = line.park_reason.as_ref().or(line.error_kind.as_ref());
    html! {
        tr {
            td.number { (line.id) }
            td.name { a href={ "/jobs/" (line.id) } { (outside(&line.name)) } }
            td {
                @if line.action != Action::Create.as_str() { span.hint { (outside(&line.action)) } " " }
                (badge(&line.state)) @if let Some(why) = why { " " span.hint { (outside(why)) } }
            }
            td { (when(line.updated_at, now)) }
        }
    }
}

/// The address of another page of the same list.
fn address(filter: &Filter, before: Option<i64>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(state) = filter.state {
        query.append_pair("state", state.as_str());
    }
    if !filter.text.is_empty() {
        query.append_pair("q", &filter.text);
    }
    if let Some(before) = before {
        query.append_pair("before", &before.to_string());
    }
    format!("/jobs?{}", query.finish())
}
