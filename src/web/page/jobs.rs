//! The list of jobs.

use axum::extract::{RawQuery, State};
use maud::{Markup, html};

use super::{
    Notice, Visitor,
    filter::{self, Asked},
    layout::{self, badge, outside, quality_badge, when},
};
use crate::{
    core::{
        job::{Action, ErrorKind, JobState, ParkReason, UnixMs},
        selector::Selector,
    },
    present::format::{count, grouped},
    store::{
        browse::{Filter, JobLine, JobPage, Place, SORTED_JOBS},
        figures::FAILURES_LOOKED_AT,
        report::Counts,
    },
    web::Shared,
};

/// More of a message is left to the job's page, in characters.
const REASON_MAX_CHARS: usize = 160;

/// The page.
pub(super) async fn page(
    State(vitals): State<Shared>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Markup, Notice> {
    let query = query.unwrap_or_default();
    let Asked { filter, problems } = Asked::of(&query);
    let snapshot = vitals.looks.get().await?;
    let counts = &snapshot.counts;
    let found = vitals.store.browse(&filter, filter::place(&query)).await?;
    let failed = match filter.selector.states.as_slice() {
        [JobState::Failed] => vitals.store.failed_by_kind(FAILURES_LOOKED_AT).await?,
        _ => Vec::new(),
    };
    let now = vitals.clock.now();
    let content = html! {
        h1 { "Jobs" }
        @for problem in &problems { p.alert { (outside(problem)) } }
        (chips(&filter, counts))
        (reasons(&filter, counts, &failed))
        (form(&filter))
        @if found.lines.is_empty() && found.next.is_none() {
            (nothing(&filter))
        } @else {
            (list(&visitor, &filter, &found, counts, now))
        }
    };
    Ok(layout::page(&visitor, "Jobs", true, &content))
}

/// The same filter with another selection.
fn with(filter: &Filter, selector: Selector) -> String {
    let filter = Filter {
        selector: Selector {
            labels: filter.selector.labels.clone(),
            ..selector
        },
        text: filter.text.clone(),
    };
    filter::address(&filter, Place::default())
}

fn chip(address: &str, is_chosen: bool, label: &Markup, jobs: Option<i64>) -> Markup {
    html! {
        a.chip href=(address) aria-current=[is_chosen.then_some("true")] {
            (label) @if let Some(jobs) = jobs { " " span.count { (grouped(jobs)) } }
        }
    }
}

fn chips(filter: &Filter, counts: &Counts) -> Markup {
    let states = &filter.selector.states;
    let all = counts.states.values().sum();
    html! {
        nav.chips aria-label="State" {
            (chip(&with(filter, Selector::default()), states.is_empty(), &html! { "All" }, Some(all)))
            @for state in JobState::ALL {
                (chip(&with(filter, Selector::of_states(&[*state])), states.as_slice() == [*state],
                    &badge(state.as_str()), Some(counts.of(*state))))
            }
        }
    }
}

/// Why jobs are PARKED or FAILED, where these are chosen.
fn reasons(filter: &Filter, counts: &Counts, failed: &[(String, i64)]) -> Markup {
    let selector = &filter.selector;
    let parked = match selector.states.as_slice() {
        [JobState::Parked] => counts
            .parked
            .iter()
            .map(|(reason, jobs)| (*reason, *jobs))
            .collect(),
        _ => Vec::<(ParkReason, i64)>::new(),
    };
    let kinds = failed
        .iter()
        .filter_map(|(kind, jobs)| Some((kind.parse::<ErrorKind>().ok()?, *jobs)));
    let kinds: Vec<_> = kinds.collect();
    let is_part = counts.of(JobState::Failed) > FAILURES_LOOKED_AT;
    html! {
        @if !(parked.is_empty() && kinds.is_empty()) {
            nav.chips.reasons aria-label="Reason" {
                @for (reason, jobs) in parked {
                    @let chosen = Selector { park_reasons: vec![reason], ..Selector::of_states(&[JobState::Parked]) };
                    (chip(&with(filter, chosen), selector.park_reasons == [reason], &html! { (reason) }, Some(jobs)))
                }
                @for (kind, jobs) in kinds {
                    @let chosen = Selector { error_kinds: vec![kind], ..Selector::of_states(&[JobState::Failed]) };
                    (chip(&with(filter, chosen), selector.error_kinds == [kind], &html! { (kind) },
                        (!is_part).then_some(jobs)))
                }
            }
        }
    }
}

fn form(filter: &Filter) -> Markup {
    let selector = &filter.selector;
    let labels = selector.labels.iter();
    let labels: Vec<_> = labels
        .map(|label| format!("{}={}", label.key, label.value))
        .collect();
    // The form has room for one; the others stay.
    let (first, others) = labels
        .split_first()
        .map_or(("", &[][..]), |(first, others)| (first, others));
    html! {
        form.filter method="get" action="/jobs" role="search" {
            label { "State"
                select #state name="state" {
                    option value="" { "all" }
                    @for state in JobState::ALL {
                        option value=(state) selected[selector.states.contains(state)] { (state) }
                    }
                }
            }
            @for kind in &selector.error_kinds { input type="hidden" name="error_kind" value=(kind); }
            @for reason in &selector.park_reasons { input type="hidden" name="park_reason" value=(reason); }
            @for label in others { input type="hidden" name="label" value=(label); }
            label { "Label"
                input #label name="label" value=(first) placeholder="team=search" maxlength="130" autocomplete="off";
            }
            label.wide { "Name contains"
                input #q type="search" name="q" value=(filter.text) maxlength="200";
            }
            button { "Show" }
            @if !filter.is_empty() { a href="/jobs" { "Clear" } }
        }
        @if !filter.text.is_empty() && selector.states.is_empty() {
            p.note { "CANCELLED jobs are looked through only where that state is chosen." }
        }
    }
}

fn nothing(filter: &Filter) -> Markup {
    let text = filter.text.trim();
    html! {
        p.empty {
            @if filter.is_empty() {
                "No jobs yet. " code { "parserd enqueue FILE" } " adds some."
            } @else if text.is_empty() {
                "No jobs match. " a href="/jobs" { "Show all jobs." }
            } @else {
                @let rest = Filter { text: String::new(), ..filter.clone() };
                "No jobs match \"" (outside(text)) "\". "
                a href=(filter::address(&rest, Place::default())) { "Clear the search." }
            }
        }
    }
}

fn list(
    visitor: &Visitor,
    filter: &Filter,
    found: &JobPage,
    counts: &Counts,
    now: UnixMs,
) -> Markup {
    let may_act = visitor.session.is_some();
    let table = html! {
        p.range { (range(filter, found, counts)) }
        @if found.lines.is_empty() {
            p { "None among the latest changes: the older ones are on the next page." }
        } @else {
            table.jobs {
                thead { tr { @if may_act { th { span.hidden { "Select" } } }
                    th { "Job" } th { "Name" } th { "State" } th { "Why, or what came of it" } th { "Changed" } } }
                tbody { @for line in &found.lines { (row(line, may_act, now)) } }
            }
        }
    };
    html! {
        @if let Some(session) = &visitor.session {
            form method="post" action="/jobs" {
                input type="hidden" name="form_token" value=(session.form_token);
                @for (name, value) in filter::pairs(filter) { input type="hidden" name=(name) value=(value); }
                (table)
                @if !found.lines.is_empty() {
                    div.bulk {
                        label { input type="checkbox" name="all" value="yes"; " all " (all_words(found)) " that match" }
                        button name="action" value="retry" { "Retry..." }
                        button name="action" value="resume" { "Resume..." }
                        button.quiet name="action" value="cancel" { "Cancel..." }
                        span.hint { "The next page says what it costs before anything is done." }
                    }
                }
            }
        } @else {
            (table)
        }
        p.pages {
            @if found.place != Place::default() { a href=(filter::address(filter, Place::default())) { "Newest" } }
            @if let Some(next) = found.next {
                a rel="next" href=(filter::address(filter, next)) { "Older" }
            }
        }
    }
}

fn all_words(found: &JobPage) -> String {
    found
        .total
        .map_or_else(String::new, |total| count(total, "job"))
}

/// `1-50 of 300`
fn range(filter: &Filter, found: &JobPage, counts: &Counts) -> String {
    let whole = |number: usize| grouped(i64::try_from(number).unwrap_or(i64::MAX));
    let first = found.place.skipped.saturating_add(1);
    let last = found.place.skipped.saturating_add(found.lines.len());
    let states = &filter.selector.states;
    let total = match (found.total, states.as_slice()) {
        (Some(total), _) => whole(total),
        (None, []) if filter.is_empty() => grouped(counts.states.values().sum()),
        (None, [state]) if *filter == of_state(*state) => grouped(counts.of(*state)),
        (None, _) => format!("more than {}", whole(SORTED_JOBS)),
    };
    if found.lines.is_empty() {
        format!("{total} jobs")
    } else {
        format!(
            "{}-{} of {total}, the last change first",
            whole(first),
            whole(last)
        )
    }
}

fn of_state(state: JobState) -> Filter {
    Filter {
        selector: Selector::of_states(&[state]),
        text: String::new(),
    }
}

fn row(line: &JobLine, may_act: bool, now: UnixMs) -> Markup {
    let select = format!("Select job {}", line.id);
    html! {
        tr {
            @if may_act { td.select { input type="checkbox" name="job" value=(line.id) aria-label=(select); } }
            td.number { (line.id) }
            td.name { a href={ "/jobs/" (line.id) } { (outside(&line.name)) } }
            td {
                @if line.action != Action::Create.as_str() { span.hint { (outside(&line.action)) } " " }
                (badge(&line.state))
            }
            td.why { (why(line)) }
            td { (when(line.updated_at, now)) }
        }
    }
}

/// Why it stands where it does, or what came of it.
fn why(line: &JobLine) -> Markup {
    let kind = line.park_reason.as_ref().or(line.error_kind.as_ref());
    let is_finished = line.state == JobState::Finished.as_str();
    html! {
        @if is_finished {
            @if let Some(parser) = &line.parser_id { code { (outside(parser)) } " " (quality_badge(line.quality.as_deref())) }
        } @else {
            @if let Some(kind) = kind { span.kind { (outside(kind)) } }
            @if let Some(message) = &line.error_message {
                @if kind.is_some() { ": " } (outside(&shortened(message)))
            }
        }
    }
}

fn shortened(message: &str) -> String {
    let mut chars = message.chars();
    let start: String = chars.by_ref().take(REASON_MAX_CHARS).collect();
    if chars.next().is_some() {
        format!("{start}...")
    } else {
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_says_how_many_there_are_as_far_as_that_is_known() {
        let mut counts = Counts::default();
        counts.states.insert(JobState::Failed, 7_000);
        counts.states.insert(JobState::Finished, 9_000);
        let line = JobLine {
            id: 1,
            name: "a".to_owned(),
            action: "create".to_owned(),
            state: "FAILED".to_owned(),
            park_reason: None,
            error_kind: None,
            error_message: None,
            parser_id: None,
            quality: None,
            updated_at: 0,
        };
        let page = |skipped, lines, total| JobPage {
            lines: vec![line.clone(); lines],
            place: Place {
                skipped,
                before: None,
            },
            total,
            next: None,
        };
        let text = Filter {
            text: "a".to_owned(),
            ..Filter::default()
        };
        for (filter, page, words) in [
            (
                Filter::default(),
                page(0, 50, Some(300)),
                "1-50 of 300, the last change first",
            ),
            (
                Filter::default(),
                page(50, 3, None),
                "51-53 of 16,000, the last change first",
            ),
            (
                of_state(JobState::Failed),
                page(0, 50, None),
                "1-50 of 7,000, the last change first",
            ),
            (
                text.clone(),
                page(0, 50, None),
                "1-50 of more than 5,000, the last change first",
            ),
            (text, page(0, 0, None), "more than 5,000 jobs"),
        ] {
            assert_eq!(range(&filter, &page, &counts), words);
        }
    }

    #[test]
    fn a_long_message_is_shortened_between_characters() {
        assert_eq!(shortened("\u{e4}"), "\u{e4}");
        let long = "\u{e4}".repeat(REASON_MAX_CHARS + 1);
        let short = shortened(&long);
        assert_eq!(short.chars().count(), REASON_MAX_CHARS + 3);
    }
}
