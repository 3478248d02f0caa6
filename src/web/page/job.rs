//! One job, with its history.

use axum::extract::{Path, RawQuery, State};
use maud::{Markup, html};
use serde_json::value::RawValue;

use super::{
    Notice, Visitor,
    layout::{self, badge, outside, outside_lines, when},
    parameter,
};
use crate::{
    core::{
        job::{Job, JobId, JobState, ParkReason, UnixMs},
        outcome::is_refusal,
        timestamp::iso,
    },
    present::{
        changes, foresight,
        format::grouped,
        narrate,
        quality::Detail,
        remedies::{self, is_created_anew},
    },
    store::{Queue as _, report::JobDetails},
    web::{Shared, Vitals, act::Action},
};

/// More of a result than this is left to `parserd show`, in bytes.
const MAX_RESULT_BYTES: usize = 20_000;

/// The page.
pub(super) async fn page(
    State(vitals): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Markup, Notice> {
    let id = JobId(id.parse().map_err(|_| Notice::not_found())?);
    let details = vitals.store.details(id).await?;
    let Some((details, job)) = details.zip(vitals.store.job(id).await?) else {
        return Err(Notice::not_found());
    };
    let now = vitals.clock.now();
    // Anybody can make a link that says so.
    let done = parameter(&query.unwrap_or_default(), "done")
        .and_then(|done| Action::of(&done))
        .filter(|action| action.was_done(&details.events, now))
        .map(|action| action.done(details.row.is_change()));
    let content = html! {
        h1 { (outside(&details.row.name)) }
        @if let Some(done) = done { p.notice { (done) } }
        p {
            @if details.row.is_change() { (outside(&details.row.action)) " " }
            (badge(&details.row.state)) " "
            @if let Some(why) = details.row.park_reason.as_ref().or(details.row.error_kind.as_ref()) { code { (outside(why)) } }
            span.hint { " job " (id) ", added " (when(details.row.created_at, now)) }
        }
        (facts(&details, &job, now))
        (actions(&vitals, &visitor, &details, &job))
        (history(&details))
        (creates(&details))
        (updates(&details))
        (asked(&details))
        (result(&details))
    };
    Ok(layout::page(&visitor, &details.row.name, true, &content))
}

fn facts(details: &JobDetails, job: &Job, now: UnixMs) -> Markup {
    let row = &details.row;
    html! {
        section {
            @if let Some(message) = &row.error_message {
                p.alert { @if let Some(status) = row.error_status.filter(|status| is_refusal(*status)) { "HTTP " (status) ": " } (outside(message)) }
            }
            dl {
                dt { "what to do" } dd { (outside(&remedies::what_to_do(row, job, now))) }
                @if let Some(parser) = &row.parser_id {
                    dt { "parser" }
                    dd { code { (outside(parser)) } @if let Some(version) = row.parser_version { ", version " (version) } }
                }
                @if let Some(quality) = &details.quality {
                    dt { "quality" }
                    dd { (outside(quality)) @if let Some(why) = Detail::of(details.quality_detail.as_deref()).reason { ": " (outside(&why)) } }
                }
                @for (what, text) in foresight::lines(row, now) { dt { (what) } dd { (outside(&text)) } }
                @if !row.is_change() {
                    @if let Some(name) = &details.remote_name { dt { "name at the service" } dd { code { (outside(name)) } } }
                    dt { "creates sent" } dd { (row.creates) }
                }
                @if row.priority != 0 { dt { "priority" } dd { (row.priority) } }
                @if let Some(labels) = row.labels_line() { dt { "labels" } dd { (outside(&labels)) } }
                @if let Some(at) = row.finished_at { dt { "ended" } dd { (when(at, now)) } }
            }
        }
    }
}

fn actions(vitals: &Vitals, visitor: &Visitor, details: &JobDetails, job: &Job) -> Markup {
    let Some(session) = &visitor.session else {
        return html! {};
    };
    let possible: Vec<_> = Action::ALL
        .iter()
        .filter(|action| action.is_possible(job))
        .collect();
    let cost = grouped(vitals.budget.credits_per_create);
    let is_change = details.row.is_change();
    html! {
        @if !possible.is_empty() {
            section {
                h2 { "Actions" }
                @for action in possible {
                    form.action method="post" action={ "/jobs/" (job.id) "/" (action.word()) } {
                        input type="hidden" name="form_token" value=(session.form_token);
                        @match action {
                            Action::Adopt if is_change => (own_parser(job)),
                            Action::Adopt => (parsers(job)),
                            Action::NotCreated => {
                                label { input type="checkbox" name="sure" value="yes" required;
                                    @if is_change {
                                        " I looked at the parser: the request made nothing. Another \
                                         one may cost as much."
                                    } @else {
                                        " I looked at the account: it has no parser for this job. \
                                         Another create may cost " (cost) " credits."
                                    }
                                }
                            }
                            Action::Cancel if is_change && job.progress.doubt.is_some() => {
                                span.hint { "Its request is in doubt, and counts as spent." }
                            }
                            Action::Retry | Action::Cancel if is_change => {}
                            Action::Retry if details.row.is_free() => {}
                            Action::Retry if is_created_anew(&details.row) => {
                                span.hint { "A new create may cost " (cost) " credits." }
                            }
                            Action::Cancel if job.progress.doubt.is_some() => {
                                span.hint { "Its create is in doubt: if it made a parser, " (cost) " credits are paid for it, and given up." }
                            }
                            Action::Retry | Action::Cancel => {}
                        }
                        button { (action.label(is_change)) }
                    }
                }
            }
        } @else if job.progress.state == JobState::Parked && job.progress.park_reason != Some(ParkReason::Ambiguous) {
            p.hint { "It goes on by itself." }
        }
    }
}

/// The parser that an update or delete is about.
fn own_parser(job: &Job) -> Markup {
    html! {
        @if let Some(id) = &job.progress.parser_id {
            input type="hidden" name="parser_id" value=(id.0);
            span.hint { "The service is asked for parser " code { (outside(&id.0)) } " first, which is free. "
                code { "parserd resolve " (job.id) } " shows what it is like now and what was wanted." }
        }
    }
}

/// The parsers among which a person chooses, and room for another.
fn parsers(job: &Job) -> Markup {
    let candidates = &job.progress.candidates;
    html! {
        @for id in candidates {
            label { input type="radio" name="candidate" value=(id.0); " " code { (outside(&id.0)) } }
        }
        label {
            @if candidates.is_empty() { "Parser " } @else { "or another parser " }
            input name="parser_id" required[candidates.is_empty()] maxlength="200" autocomplete="off";
        }
        span.hint { "The service is asked for it first, which is free. "
            code { "parserd resolve " (job.id) } " lists those that may be this job's, with name, status and age." }
    }
}

fn history(details: &JobDetails) -> Markup {
    html! {
        section {
            h2 { "History" }
            ol.lines {
                @for event in &details.events {
                    li { time.hint { (iso(event.at)) } " " (outside(&narrate::event(event))) }
                }
            }
        }
    }
}

fn creates(details: &JobDetails) -> Markup {
    html! {
        @if !details.create_requests.is_empty() {
            section {
                h2 { "Create requests" }
                table.creates {
                    thead { tr { th { "Sent" } th { "Name" } th { "Outcome" } th { "Credits" } } }
                    @for create in &details.create_requests {
                        tr { td { (iso(create.sent_at)) } td.name { (outside(&create.remote_name)) }
                            td { (outside(&create.outcome)) @if let Some(id) = &create.parser_id { " " code { (outside(id)) } } }
                            td.number { (grouped(create.credits)) span.unit { " credits" } } }
                    }
                }
            }
        }
    }
}

fn updates(details: &JobDetails) -> Markup {
    html! {
        @if !details.update_requests.is_empty() {
            section {
                h2 { "Requests that change the parser" }
                table.creates {
                    thead { tr { th { "Sent" } th { "Request" } th { "Credits" } } }
                    @for update in &details.update_requests {
                        tr { td { (iso(update.sent_at)) } td { (outside(&changes::request(update))) }
                            td.number { (grouped(update.credits)) span.unit { " credits" } } }
                    }
                }
            }
        }
    }
}

fn asked(details: &JobDetails) -> Markup {
    if details.row.is_change() {
        let lines = changes::lines(&details.row);
        return html! {
            @if !lines.is_empty() {
                section {
                    h2 { "What it changes" }
                    ul.lines { @for line in &lines { li { (outside(line)) } } }
                }
            }
        };
    }
    html! {
        section {
            h2 { "What it asks for" }
            @for (name, json) in [("urls", &details.urls), ("scraper_params", &details.scraper_params), ("fields", &details.fields), ("expect", &details.expect), ("check_urls", &details.check_urls)] {
                @if let Some(json) = json { h3 { (name) } pre { (outside_lines(&pretty(json))) } }
            }
        }
    }
}

fn result(details: &JobDetails) -> Markup {
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
            @if json.get().len() > MAX_RESULT_BYTES {
                p { "Too long for a page: " code { "parserd show " (details.row.id) " --json" } " has it." }
            } @else {
                pre { (outside_lines(&pretty(json))) }
            }
        }
    }
}

fn pretty(json: &RawValue) -> String {
    serde_json::from_str::<serde_json::Value>(json.get())
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| json.get().to_owned())
}
