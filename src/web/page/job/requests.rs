//! What was sent for a job, and what that cost.

use maud::{Markup, html};

use super::super::layout::{moment, outside};
use crate::{
    present::{changes, format::grouped},
    store::report::{CreateRow, JobDetails},
};

pub(super) fn section(details: &JobDetails) -> Markup {
    html! {
        (creates(&details.create_requests))
        @if !details.update_requests.is_empty() {
            section {
                h2 { "Requests that change the parser" }
                table.creates {
                    thead { tr { th { "Sent" } th { "Request" } th { "Credits" } } }
                    @for update in &details.update_requests {
                        tr { td { (moment(update.sent_at)) } td { (outside(&changes::request(update))) }
                            (credits(update.credits)) }
                    }
                }
            }
        }
        @if details.fetch_credits > 0 {
            section { h2 { "Fetches of example pages" } p { (grouped(details.fetch_credits)) " credits" } }
        }
    }
}

fn creates(requests: &[CreateRow]) -> Markup {
    html! {
        @if !requests.is_empty() {
            section {
                h2 { "Create requests" }
                table.creates {
                    thead { tr { th { "Sent" } th { "Name" } th { "Outcome" } th { "Credits" } } }
                    @for create in requests {
                        tr { td { (moment(create.sent_at)) } td.name { (outside(&create.remote_name)) }
                            td { (outside(outcome(create))) @if let Some(id) = &create.parser_id { " " code { (outside(id)) } } }
                            (credits(cost(create))) }
                    }
                }
            }
        }
    }
}

fn credits(credits: i64) -> Markup {
    html! { td.number { (grouped(credits)) span.unit { " credits" } } }
}

/// What made nothing costs nothing.
fn cost(create: &CreateRow) -> i64 {
    if create.outcome == "not_made" {
        0
    } else {
        create.credits
    }
}

fn outcome(create: &CreateRow) -> &str {
    match create.outcome.as_str() {
        "made" => "made parser",
        "not_made" => "nothing made",
        "pending" => "not known yet, counted as spent",
        other => other,
    }
}
