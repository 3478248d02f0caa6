//! One job, with its history.

mod edit;
mod found;
mod requests;

use axum::extract::{Path, RawQuery, State};
use maud::{Markup, html};
use serde_json::value::RawValue;

use super::{
    Notice, Visitor,
    layout::{self, badge, link, moment, outside, outside_lines, quality_badge, ticked, when},
    parameter,
};
use crate::{
    core::{
        budget::Budget,
        event::JobEvent,
        job::{Job, JobId, JobState, ParkReason, UnixMs},
    },
    present::{
        changes, foresight,
        format::grouped,
        narrate,
        price::{Price, is_parked_for},
        quality::Detail,
        remedies, timeline,
    },
    store::{
        Queue as _,
        report::{HistoryRow, JobDetails},
    },
    web::{Shared, Vitals, act::Action},
};
pub(in crate::web) use edit::{EDITED_FROM, Edited};

/// For how long the page says that something was just changed.
const SHOWN_MS: i64 = 60_000;

/// The page.
pub(super) async fn page(
    State(vitals): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Markup, Notice> {
    let id = JobId(id.parse().map_err(|_| Notice::not_found())?);
    let done = parameter(&query.unwrap_or_default(), "done");
    shown(&vitals, &visitor, id, done.as_deref(), None).await
}

/// The page of a job: after what was `done`, or with a form that was refused.
pub(in crate::web) async fn shown(
    vitals: &Vitals,
    visitor: &Visitor,
    id: JobId,
    done: Option<&str>,
    refused: Option<&Edited>,
) -> Result<Markup, Notice> {
    let (details, job) = read(vitals, id).await?;
    let now = vitals.clock.now();
    let row = &details.row;
    let done = done.and_then(|done| words_of(done, &details, now));
    let content = html! {
        h1 { (outside(&row.name)) }
        @if let Some(done) = done { p.notice { (done) } }
        p {
            @if row.is_change() { (outside(&row.action)) " " }
            (badge(&row.state)) " "
            @if let Some(why) = row.park_reason.as_ref().or(row.error_kind.as_ref()) { code { (outside(why)) } }
            span.hint { " job " (id) ", added " (when(row.created_at, now)) }
        }
        (found::section(&details))
        (facts(&details, &job, &vitals.budget, now))
        (actions(vitals, visitor, &details, &job))
        (edit::section(vitals, visitor, &details, refused))
        (history(&details, now))
        (requests::section(&details))
        (asked(&details))
    };
    // What somebody is about to send stays as it is.
    Ok(layout::page(
        visitor,
        &row.name,
        refused.is_none(),
        &content,
    ))
}

async fn read(vitals: &Vitals, id: JobId) -> Result<(JobDetails, Job), Notice> {
    let details = vitals.store.details(id).await?;
    let found = details.zip(vitals.store.job(id).await?);
    found.ok_or_else(|| Notice::no_job(id))
}

/// What is said of what was just done. Anybody can make a link that says so: the history decides.
fn words_of(done: &str, details: &JobDetails, now: UnixMs) -> Option<&'static str> {
    if done == "edit" {
        let is_just_now = |row: &&HistoryRow| (0..SHOWN_MS).contains(&(now - row.at));
        let mut recent = details.events.iter().filter(is_just_now);
        let is_changed = recent.any(|row| {
            let event = JobEvent::from_columns(&row.event, &row.detail);
            matches!(event, Some(JobEvent::Changed { .. }))
        });
        return is_changed.then_some("Changed and queued.");
    }
    Action::of(done)
        .filter(|action| action.was_done(&details.events, now))
        .map(|action| action.done(details.row.is_change()))
}

/// What must be asked on a page of its own.
pub(super) async fn action_page(
    State(vitals): State<Shared>,
    visitor: Visitor,
    Path((id, action)): Path<(String, String)>,
) -> Result<Markup, Notice> {
    let (Ok(id), Some(Action::Cancel)) = (id.parse().map(JobId), Action::of(&action)) else {
        return Err(Notice::not_found());
    };
    let (details, job) = read(&vitals, id).await?;
    let row = &details.row;
    let title = format!("Cancel job {id}?");
    let content = html! {
        h1 { (title) }
        section {
            p { (outside(&row.name)) " " (badge(&row.state)) }
            p { strong { "This is final." } " A cancelled job stays so; to have it done after all, enqueue it again." }
            @if job.progress.doubt.is_some() { p.alert { (in_doubt(&vitals, row.is_change())) } }
            @match &visitor.session {
                Some(session) if Action::Cancel.is_possible(&job) => {
                    form.action method="post" action={ "/jobs/" (id) "/cancel" } {
                        input type="hidden" name="form_token" value=(session.form_token);
                        button.primary.final { "Cancel the job for good" }
                    }
                }
                Some(_) => p { "It is " (outside(&row.state)) ", and cannot be cancelled." },
                None => p { a href="/login" { "Sign in" } " to cancel it." },
            }
            p { a href={ "/jobs/" (id) } { "Back to the job; nothing was done" } }
        }
    };
    Ok(layout::page(&visitor, &title, false, &content))
}

fn in_doubt(vitals: &Vitals, is_change: bool) -> String {
    if is_change {
        return "Its request is in doubt, and counts as spent.".to_owned();
    }
    format!(
        "Its create is in doubt: if it made a parser, {} credits are paid for it, and given up.",
        grouped(vitals.budget.credits_per_create)
    )
}

/// What holds it, in the right words: an answer that came before may have had others.
fn trouble(details: &JobDetails) -> Option<String> {
    let row = &details.row;
    if is_parked_for(row, &[ParkReason::Ambiguous]) {
        let parked = details
            .events
            .iter()
            .rev()
            .find(|event| event.event == "parked");
        if let Some(parked) = parked {
            return Some(narrate::event(parked));
        }
    }
    let message = row.error_message.as_ref()?;
    let status = row
        .error_status
        .map_or_else(String::new, |status| format!("HTTP {status}: "));
    Some(format!("{status}{message}"))
}

fn facts(details: &JobDetails, job: &Job, budget: &Budget, now: UnixMs) -> Markup {
    let row = &details.row;
    html! {
        section {
            h2 { "State" }
            @if let Some(trouble) = trouble(details) { p.alert { (outside(&trouble)) } }
            dl {
                dt { "what to do" } dd { (ticked(&remedies::what_to_do(row, job, budget, now))) }
                @if let Some(parser) = &row.parser_id {
                    dt { "parser" }
                    dd { code { (outside(parser)) } @if let Some(version) = row.parser_version { ", version " (version) } }
                }
                @if let Some(quality) = &details.quality {
                    dt { "quality" }
                    dd { (quality_badge(Some(quality))) @if let Some(why) = Detail::of(details.quality_detail.as_deref()).reason { " " (outside(&why)) } }
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
    let posted = Action::ALL
        .iter()
        .filter(|action| **action != Action::Cancel);
    let possible: Vec<_> = posted.filter(|action| action.is_possible(job)).collect();
    let may_cancel = Action::Cancel.is_possible(job);
    let is_change = details.row.is_change();
    html! {
        @if may_cancel || !possible.is_empty() {
            section {
                h2 { "Actions" }
                @for action in possible {
                    form.action method="post" action={ "/jobs/" (job.id) "/" (action.word()) } {
                        input type="hidden" name="form_token" value=(session.form_token);
                        @match action {
                            Action::Adopt if is_change => (own_parser(job)),
                            Action::Adopt => (parsers(job)),
                            Action::NotCreated => (sure(vitals, is_change)),
                            Action::Retry | Action::Cancel => {}
                        }
                        button.primary[*action == Action::Retry] { (on_button(vitals, details, *action)) }
                    }
                }
                @if may_cancel {
                    p.hint { a href={ "/jobs/" (job.id) "/cancel" } { "Cancel the job..." } " It is asked about first: this is final." }
                }
            }
        } @else if job.progress.state == JobState::Parked && job.progress.park_reason != Some(ParkReason::Ambiguous) {
            p.hint { "It goes on by itself." }
        }
    }
}

/// What the button says, with the price of a retry.
fn on_button(vitals: &Vitals, details: &JobDetails, action: Action) -> String {
    let row = &details.row;
    let label = action.label(row.is_change());
    let price = Price::of([row]).with_ladder(vitals.policy.ladder);
    let price = price.on_button(&vitals.budget);
    match action {
        Action::Retry if is_parked_for(row, &[ParkReason::Ambiguous]) => {
            format!("Look for its parser again, and create one if there is none: {price}")
        }
        Action::Retry => format!("{label}: {price}"),
        Action::Cancel | Action::Adopt | Action::NotCreated => label.to_owned(),
    }
}

fn sure(vitals: &Vitals, is_change: bool) -> Markup {
    html! {
        label { input type="checkbox" name="sure" value="yes" required;
            @if is_change {
                " I looked at the parser: the request made nothing. Another \
                 one may cost as much."
            } @else {
                " I looked at the account: it has no parser for this job. \
                 Another create may cost " (grouped(vitals.budget.credits_per_create)) " credits."
            }
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

fn history(details: &JobDetails, now: UnixMs) -> Markup {
    html! {
        section {
            h2 { "History" }
            (time_line(&details.events, now))
            ol.lines {
                @for event in &details.events {
                    li { span.hint { (moment(event.at)) } " " (outside(&narrate::event(event))) }
                }
            }
        }
    }
}

/// How long it stood where, as one bar, and in words.
fn time_line(events: &[HistoryRow], now: UnixMs) -> Markup {
    let phases = timeline::phases(events, now);
    html! {
        @if !phases.is_empty() {
            svg.timeline viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
                @for (phase, from, width) in timeline::bars(&phases, 1000) {
                    rect class=(phase.state.as_str().to_lowercase()) x=(from) y="0" width=(width) height="10" {}
                }
            }
            ol.phases {
                @for phase in &phases { li class=(phase.state.as_str().to_lowercase()) { (phase.words()) } }
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
            h3 { "urls" }
            ul.lines { @for url in urls(details) { li { (link(&url)) } } }
            @for (name, json) in [("scraper_params", &details.scraper_params), ("fields", &details.fields), ("expect", &details.expect), ("check_urls", &details.check_urls)] {
                @if let Some(json) = json { h3 { (name) } pre { (outside_lines(&pretty(json))) } }
            }
        }
    }
}

fn pretty(json: &RawValue) -> String {
    serde_json::from_str::<serde_json::Value>(json.get())
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| json.get().to_owned())
}

/// The example pages; a text that is not a list of strings as it is.
fn urls(details: &JobDetails) -> Vec<String> {
    let text = details.urls.as_ref().map_or("[]", |urls| urls.get());
    serde_json::from_str(text).unwrap_or_else(|_| vec![text.to_owned()])
}
