//! The charts of the overview, as SVG that needs no script. Each has its words around it, and its
//! figures in a table for those who do not see it.

use jiff::{Timestamp, tz::TimeZone};
use maud::{Markup, html};

use super::layout::when;
use crate::{
    core::{
        budget::{Budget, DAY_MS},
        job::{DurationMs, UnixMs},
        timestamp::iso,
        trend::{Closing, percentile},
    },
    present::format::{count, grouped, span},
    web::{
        chart::{self, Frame, HEIGHT, WIDTH, along, bins, height, round_up, steps},
        snapshot::{BatchProgress, Trend},
    },
};

/// With fewer parsers a histogram says less than a sentence.
const LEAST_FOR_BINS: usize = 5;

/// So many closings of the gate are named; all are marked.
const CLOSINGS_NAMED: usize = 5;

/// How many rows the table of what was done has.
const ROWS: i64 = 10;

/// A bar that stands for a day takes so much of its room, in hundredths.
const BAR_SHARE: i64 = 80;

/// An `svg` with a name and a description.
fn picture(id: &str, title: &str, description: &str, shapes: &Markup) -> Markup {
    html! {
        svg.plot viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img"
            aria-labelledby={ (id) "-title " (id) "-desc" } {
            title id={ (id) "-title" } { (title) }
            desc id={ (id) "-desc" } { (description) }
            (shapes)
        }
    }
}

fn vertical(x: i64, class: &str) -> Markup {
    html! { line class=(class) x1=(x) x2=(x) y1="0" y2=(HEIGHT) {} }
}

fn horizontal(y: i64, class: &str) -> Markup {
    html! { line class=(class) x1="0" x2=(WIDTH) y1=(y) y2=(y) {} }
}

/// A time on an axis: with its date where the axis is longer than a day.
fn clock(at: UnixMs, axis_ms: DurationMs) -> String {
    let form = if axis_ms > DAY_MS {
        "%b %-d, %H:%M"
    } else if axis_ms < 600_000 {
        "%H:%M:%S"
    } else {
        "%H:%M"
    };
    Timestamp::from_millisecond(at).map_or_else(
        |_| "?".to_owned(),
        |at| at.to_zoned(TimeZone::UTC).strftime(form).to_string(),
    )
}

fn day(day: i64) -> String {
    Timestamp::from_millisecond(day.saturating_mul(DAY_MS)).map_or_else(
        |_| "?".to_owned(),
        |at| at.to_zoned(TimeZone::UTC).strftime("%b %-d").to_string(),
    )
}

/// Done over time: what is FINISHED and FAILED of the batch, and when the gate was closed.
pub(super) fn done(trend: &Trend, batch: &BatchProgress, now: UnixMs) -> Markup {
    let endings = &trend.batch.endings;
    let (Some(first), Some(last)) = (endings.first(), endings.last()) else {
        return html! {};
    };
    let from = trend.batch.began_at.map_or(first.at, |at| at.min(first.at));
    let end = if batch.open > 0 {
        now.max(last.at)
    } else {
        last.at
    };
    let frame = Frame {
        from,
        to: end.max(from + 1_000),
        top: batch.total.max(1),
    };
    let times = |is_failed| -> Vec<UnixMs> {
        let of = endings.iter().filter(|one| one.is_failed == is_failed);
        of.map(|one| one.at).collect()
    };
    let (finished, failed) = (times(false), times(true));
    let closed = closed_within(&trend.closings, frame);
    let lines = steps(&finished, trend.batch.step, frame);
    let shapes = html! {
        (horizontal(0, "grid"))
        @for closing in &closed { (gate(closing, frame)) }
        path.area d={ (lines) "V" (HEIGHT) "H0Z" } {}
        path.line.finished d=(lines) {}
        path.line.failed d=(steps(&failed, trend.batch.step, frame)) {}
        (horizontal(HEIGHT, "base"))
    };
    let took = span(frame.to - frame.from);
    let description = format!(
        "In {took}, {} of {} jobs finished and {} failed. The gate was closed {}.",
        grouped(batch.ended.finished),
        grouped(batch.total),
        grouped(batch.ended.failed),
        times_over(closed.len()),
    );
    html! {
        section.chart {
            h2 { "Done over time" }
            div.figure {
                span.top { (grouped(batch.total)) }
                (picture("done", "Jobs done over time", &description, &shapes))
                (time_axis(frame))
            }
            ul.key {
                li { span.swatch.finished {} strong { (grouped(batch.ended.finished)) } " finished" }
                li { span.swatch.failed.dashes {} strong { (grouped(batch.ended.failed)) } " failed" }
                @if !closed.is_empty() { li { span.swatch.closed {} "gate closed" } }
            }
            @if !closed.is_empty() { (named(&closed, now)) }
            (done_table(&finished, &failed, trend.batch.step, frame))
        }
    }
}

fn closed_within(closings: &[Closing], frame: Frame) -> Vec<&Closing> {
    let is_within = |closing: &&Closing| {
        closing.from < frame.to && closing.until.is_none_or(|end| end > frame.from)
    };
    closings.iter().filter(is_within).collect()
}

fn times_over(number: usize) -> String {
    match number {
        0 => "at no time".to_owned(),
        1 => "once".to_owned(),
        number => format!("{number} times"),
    }
}

fn gate(closing: &Closing, frame: Frame) -> Markup {
    let x = |at| along(at, frame.from, frame.to, WIDTH);
    let from = x(closing.from);
    let width = x(closing.until.unwrap_or(frame.to)) - from;
    html! {
        rect.closed x=(from) y="0" width=(width.max(1)) height=(HEIGHT) {}
        (vertical(from, "mark"))
    }
}

fn named(closed: &[&Closing], now: UnixMs) -> Markup {
    let shown = closed.len().saturating_sub(CLOSINGS_NAMED);
    html! {
        ul.lines.small {
            @if shown > 0 { li { (count(shown, "earlier closing")) " of the gate" } }
            @for closing in &closed[shown..] {
                li { "Gate closed (" (closing.reason) ") " (when(closing.from, now))
                    @match closing.until {
                        Some(until) => { ", for " (span(until - closing.from)) "." }
                        None => ", and still closed."
                    }
                }
            }
        }
    }
}

fn time_axis(frame: Frame) -> Markup {
    let axis_ms = frame.to - frame.from;
    html! {
        div.axis {
            @for part in 0..3 {
                @let at = frame.from + axis_ms / 2 * part;
                time datetime=(iso(at)) title=(iso(at)) { (clock(at, axis_ms)) }
            }
        }
    }
}

fn done_table(finished: &[UnixMs], failed: &[UnixMs], step: i64, frame: Frame) -> Markup {
    let axis_ms = frame.to - frame.from;
    let by = |times: &[UnixMs], at| {
        let reached = times.partition_point(|time| *time <= at);
        let jobs = i64::try_from(reached).unwrap_or(i64::MAX);
        grouped(jobs.saturating_mul(step))
    };
    html! {
        details id="done-figures" {
            summary { "Figures" }
            @if step > 1 { p.note { "From a sample: one job of " (step) "." } }
            table {
                thead { tr { th scope="col" { "by (UTC)" } th scope="col" { "finished" } th scope="col" { "failed" } } }
                tbody {
                    @for part in 1..=ROWS {
                        @let at = if part == ROWS { frame.to } else { frame.from + axis_ms / ROWS * part };
                        tr { td { time datetime=(iso(at)) title=(iso(at)) { (clock(at, axis_ms)) } }
                            td.number { (by(finished, at)) } td.number { (by(failed, at)) } }
                    }
                }
            }
        }
    }
}

/// How long parsers of the batch were being generated.
pub(super) fn generation(trend: &Trend) -> Markup {
    let took = trend
        .batch
        .endings
        .iter()
        .filter_map(|one| one.generated_in_ms);
    let mut took: Vec<DurationMs> = took.collect();
    took.sort_unstable();
    let (Some(median), Some(p95)) = (percentile(&took, 50), percentile(&took, 95)) else {
        return html! {};
    };
    let longest = took.last().copied().unwrap_or(p95);
    html! {
        section.chart {
            h2 { "Generation time" }
            @if took.len() < LEAST_FOR_BINS {
                p { (count(took.len(), "parser")) " so far: " (list_of(&took)) "." }
            } @else {
                (histogram(&took, median, p95))
                ul.key {
                    li { span.swatch.median {} "median " strong { (span(median)) } }
                    li { span.swatch.p95.dashes {} "95 % within " strong { (span(p95)) } }
                    li { "longest " strong { (span(longest)) } }
                }
                (bins_table(&took, p95))
            }
        }
    }
}

fn list_of(took: &[DurationMs]) -> String {
    let spans: Vec<_> = took.iter().map(|ms| span(*ms)).collect();
    spans.join(", ")
}

fn histogram(took: &[DurationMs], median: DurationMs, p95: DurationMs) -> Markup {
    let bins = bins(took, p95);
    let most = bins.counts.iter().max().copied().unwrap_or(1).max(1);
    let bars = i64::try_from(bins.counts.len()).unwrap_or(1);
    let x = |ms| along(ms, 0, bins.end_ms(), WIDTH);
    let shapes = html! {
        @for (bar, jobs) in (0..).zip(&bins.counts) {
            @let y = height(*jobs, most);
            @if *jobs > 0 {
                rect.bar x=(bar * WIDTH / bars + 1) y=(y) width=((WIDTH / bars - 2).max(1)) height=(HEIGHT - y) {}
            }
        }
        (vertical(x(median), "median"))
        (vertical(x(p95), "p95"))
        (horizontal(HEIGHT, "base"))
    };
    let description = format!(
        "Of {}, half were generated within {} and 95 % within {}.",
        count(took.len(), "parser"),
        span(median),
        span(p95)
    );
    let more = if bins.has_longer { " and longer" } else { "" };
    html! {
        div.figure {
            span.top { (grouped(most)) }
            (picture("generation", "Generation times", &description, &shapes))
            div.axis { span { "0 s" } span { (span(bins.end_ms())) (more) } }
        }
    }
}

fn bins_table(took: &[DurationMs], p95: DurationMs) -> Markup {
    let bins = bins(took, p95);
    let last = bins.counts.len() - 1;
    html! {
        details id="generation-figures" {
            summary { "Figures" }
            table {
                thead { tr { th scope="col" { "took" } th scope="col" { "parsers" } } }
                tbody {
                    @for (bar, (index, jobs)) in (0..).zip(bins.counts.iter().enumerate()) {
                        @if *jobs > 0 {
                            tr { td { (span(bins.width_ms * bar))
                                    @if index == last && bins.has_longer { " or longer" }
                                    @else { " to " (span(bins.width_ms * (bar + 1))) } }
                                td.number { (grouped(*jobs)) } }
                        }
                    }
                }
            }
        }
    }
}

/// Credits a day against the budget, and what the queue still needs.
pub(super) fn credits(trend: &Trend, budget: &Budget, to_come: i64) -> Markup {
    let total = |what: &str, spent: i64, limit: Option<i64>| {
        html! {
            tr { th scope="row" { (what) } td.number { (grouped(spent)) }
                td { @match limit { Some(limit) => { "of " (grouped(limit)) } None => "no limit" } } }
        }
    };
    html! {
        section.chart {
            h2 { "Credits" }
            @if trend.days.iter().any(|(_, credits)| *credits > 0) { (days(trend, budget, to_come)) }
            table {
                (total("spent today (UTC)", budget.spent_today, budget.max_credits_per_day))
                (total("spent in total", budget.spent, budget.max_credits))
                tr { th scope="row" { "still to come, at most" } td.number { (grouped(to_come)) }
                    td { (grouped(budget.credits_per_create)) " a create" } }
            }
            @if let Some(words) = days_needed(budget, to_come) { p.note { (words) } }
        }
    }
}

/// How long the queue takes at the budget's pace.
fn days_needed(budget: &Budget, to_come: i64) -> Option<String> {
    let limit = budget.max_credits_per_day.filter(|limit| *limit > 0)?;
    let left = limit.saturating_sub(budget.spent_today).max(0);
    let beyond = to_come.saturating_sub(left);
    if to_come <= 0 {
        None
    } else if beyond <= 0 {
        Some("The queue fits into what is left of today's budget.".to_owned())
    } else {
        let days = usize::try_from(beyond.saturating_add(limit - 1) / limit).ok()?;
        Some(format!(
            "At {} credits a day the queue takes {} beyond today.",
            grouped(limit),
            count(days, "day")
        ))
    }
}

/// How high the chart of credits reaches: what was spent and may be, and of what the queue needs
/// as much as leaves the rest to be seen.
fn credits_top(spent: i64, limit: Option<i64>, needed: i64) -> i64 {
    let shown = spent.max(limit.unwrap_or(0)).max(1);
    round_up(shown.max(needed.min(shown.saturating_mul(2))))
}

fn days_in_words(days: usize, budget: &Budget, needed: Option<i64>) -> String {
    let mut words = format!(
        "Credits spent on each of the last {days} days (UTC), today {}.",
        grouped(budget.spent_today)
    );
    if let Some(limit) = budget.max_credits_per_day {
        words.push_str(&format!(" The budget is {} a day.", grouped(limit)));
    }
    if let Some(needed) = needed {
        words.push_str(&format!(
            " With all that the queue needs, today would come to {}.",
            grouped(needed)
        ));
    }
    words
}

fn days(trend: &Trend, budget: &Budget, to_come: i64) -> Markup {
    let most = trend.days.iter().map(|(_, credits)| *credits).max();
    let limit = budget.max_credits_per_day;
    let needed = budget.spent_today.saturating_add(to_come.max(0));
    let top = credits_top(most.unwrap_or(0), limit, needed);
    let days = i64::try_from(trend.days.len()).unwrap_or(1).max(1);
    let room = WIDTH / days;
    let shapes = html! {
        (horizontal(0, "grid"))
        @for (place, (_, credits)) in (0..).zip(&trend.days) {
            @let y = height(*credits, top);
            @if *credits > 0 {
                rect.bar x=(place * WIDTH / days + room * (100 - BAR_SHARE) / 200) y=(y) width=(room * BAR_SHARE / 100) height=(HEIGHT - y) {}
            }
        }
        @if let Some(limit) = limit { (horizontal(height(limit, top), "limit")) }
        @if to_come > 0 { (horizontal(height(needed, top), "need")) }
        (horizontal(HEIGHT, "base"))
    };
    let description = days_in_words(trend.days.len(), budget, (to_come > 0).then_some(needed));
    let ends = trend.days.first().zip(trend.days.last());
    html! {
        div.figure {
            span.top { (grouped(top)) }
            (picture("credits", "Credits a day", &description, &shapes))
            @if let Some(((first, _), (last, _))) = ends {
                div.axis { span { (day(*first)) } span { (day(*last)) " (today)" } }
            }
        }
        ul.key {
            li { span.swatch.bar {} "spent" }
            @if let Some(limit) = limit { li { span.swatch.limit {} "budget, " strong { (grouped(limit)) } " a day" } }
            @if to_come > 0 {
                li { span.swatch.need.dashes {} "today with all that is queued, " strong { (grouped(needed)) }
                    @if needed > top { " (beyond the chart)" } }
            }
        }
        details id="credits-figures" {
            summary { "Figures" }
            table {
                thead { tr { th scope="col" { "day (UTC)" } th scope="col" { "credits" } } }
                tbody {
                    @for (of, credits) in &trend.days {
                        tr { td { (day(*of)) } td.number { (grouped(*credits)) } }
                    }
                }
            }
        }
    }
}

/// One bar of parts, each with its class and how many jobs it stands for.
pub(super) fn bar(parts: &[(&str, i64)]) -> Markup {
    let counts: Vec<_> = parts.iter().map(|(_, jobs)| *jobs).collect();
    let told: Vec<_> = parts
        .iter()
        .filter(|(_, jobs)| *jobs > 0)
        .map(|(state, jobs)| format!("{} {state}", grouped(*jobs)))
        .collect();
    html! {
        svg.stack viewBox={ "0 0 " (WIDTH) " 20" } preserveAspectRatio="none" role="img"
            aria-labelledby="states-title states-desc" {
            title id="states-title" { "Jobs by state" }
            desc id="states-desc" { (told.join(", ")) }
            @for ((class, _), (start, width)) in parts.iter().zip(chart::stack(&counts)) {
                @if width > 0 { rect class=(class) x=(start) y="0" width=(width) height="20" {} }
            }
        }
    }
}

#[cfg(test)]
mod tests;
