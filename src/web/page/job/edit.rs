//! The form that changes what a job asks for and has it tried again.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::{super::Visitor, super::layout::outside_lines, urls};
use crate::{
    core::{
        job::{JobState, ParkReason},
        spec::{DEVICE_TYPES, SCRAPER_PARAMS},
    },
    present::price::{Price, is_parked_for},
    store::report::JobDetails,
    web::Vitals,
};

/// The states in which it can be changed.
pub(in crate::web) const EDITED_FROM: &[JobState] =
    &[JobState::Queued, JobState::Parked, JobState::Failed];

/// What stands in the form, and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct Edited {
    /// Parameters that are set, as texts.
    params: Vec<(&'static str, String)>,
    /// A line each.
    urls: String,
    problem: Option<String>,
}

impl Edited {
    /// As it was posted.
    pub fn of_form(value: impl Fn(&str) -> String) -> Self {
        Self {
            params: SCRAPER_PARAMS
                .iter()
                .map(|key| (*key, value(key)))
                .collect(),
            urls: value("urls"),
            problem: None,
        }
    }

    /// With why it was refused.
    pub fn with(&self, problem: &str) -> Self {
        Self {
            problem: Some(problem.to_owned()),
            ..self.clone()
        }
    }

    /// As the job asks now.
    fn of_job(details: &JobDetails) -> Self {
        let params = details.scraper_params.as_ref();
        let params = params.and_then(|params| serde_json::from_str(params.get()).ok());
        let params: Map<String, Value> = params.unwrap_or_default();
        let text = |key: &&'static str| {
            let value = params.get(*key)?;
            Some((
                *key,
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned),
            ))
        };
        Self {
            params: SCRAPER_PARAMS.iter().filter_map(text).collect(),
            urls: urls(details).join("\n"),
            problem: None,
        }
    }

    fn param(&self, key: &str) -> &str {
        let found = self.params.iter().find(|(name, _)| *name == key);
        found.map_or("", |(_, value)| value)
    }
}

pub(super) fn section(
    vitals: &Vitals,
    visitor: &Visitor,
    details: &JobDetails,
    refused: Option<&Edited>,
) -> Markup {
    let row = &details.row;
    let state = row.state.parse::<JobState>();
    let is_possible = state.is_ok_and(|state| EDITED_FROM.contains(&state))
        && !row.is_change()
        && !row.is_adoption
        && !is_parked_for(row, &[ParkReason::Ambiguous]);
    let Some(session) = visitor.session.as_ref().filter(|_| is_possible) else {
        let problem = refused.and_then(|refused| refused.problem.as_ref());
        return html! {
            @if let Some(problem) = problem { p.alert role="alert" { (outside_lines(problem)) } }
        };
    };
    let shown = refused.cloned().unwrap_or_else(|| Edited::of_job(details));
    let verb = if row.state == JobState::Queued.as_str() {
        "Change"
    } else {
        "Change and retry"
    };
    let price = Price::default().and_anew(1);
    let price = price.with_ladder(vitals.policy.ladder);
    let price = price.on_button(&vitals.budget);
    html! {
        section {
            details.edit open[refused.is_some()] {
                summary { h2 { (verb) } }
                @if let Some(problem) = &shown.problem { p.alert.lines-kept role="alert" { (outside_lines(problem)) } }
                form.edit method="post" action={ "/jobs/" (row.id) "/edit" } {
                    input type="hidden" name="form_token" value=(session.form_token);
                    div.fields { @for key in SCRAPER_PARAMS { (param(key, shown.param(key))) } }
                    label.wide { "urls, one a line"
                        textarea name="urls" rows="3" required { (shown.urls) }
                    }
                    p.hint { "Other pages or parameters make another parser, which is paid for; one that it has by now stays in the account." }
                    button.primary { (verb) ": " (price) }
                }
            }
        }
    }
}

fn param(key: &str, value: &str) -> Markup {
    let choices: &[&str] = match key {
        "device_type" => DEVICE_TYPES,
        "country_code" | "session_number" => &[],
        _ => &["true", "false"],
    };
    html! {
        label { (key)
            @if choices.is_empty() {
                input name=(key) value=(value) maxlength="20" autocomplete="off";
            } @else {
                select name=(key) {
                    option value="" { "not set" }
                    @for choice in choices { option value=(choice) selected[*choice == value] { (choice) } }
                    // What the rules refuse is shown as it is.
                    @if !value.is_empty() && !choices.contains(&value) { option value=(value) selected { (value) } }
                }
            }
        }
    }
}
