//! What is to be done to several jobs: what it costs before, and what came of it.

use maud::{Markup, html};

use super::{
    Visitor, filter,
    layout::{self, badge, outside},
};
use crate::{
    core::{budget::Budget, ladder::Ladder},
    engine::operate::OperatorAction,
    present::{
        attention::sentence,
        format::{count, grouped},
        price::Price,
    },
    store::{
        browse::{Filter, Place},
        report::JobRow,
    },
};

/// So many jobs are named.
const NAMED_JOBS: usize = 10;

/// The jobs that were chosen.
#[derive(Debug)]
pub(in crate::web) struct Chosen {
    /// What is to be done.
    pub action: OperatorAction,
    /// With these it is possible.
    pub rows: Vec<JobRow>,
    /// With these it is not, and why.
    pub left_out: Vec<(i64, String)>,
    /// The list that they were chosen from.
    pub filter: Filter,
    /// All that it shows.
    pub is_all: bool,
    /// Neither that nor any job.
    pub is_none: bool,
    /// There are more than can be changed at once.
    pub is_cut: bool,
    /// What creates again what FAILS, where it is enabled.
    pub ladder: Option<Ladder>,
}

/// What it leads to.
#[derive(Debug)]
pub(in crate::web) struct Outlook {
    /// What may be spent, and was.
    pub budget: Budget,
    /// What else a person should know before, in sentences.
    pub notes: Vec<String>,
}

impl Chosen {
    /// What it may cost; nothing to cancel.
    pub fn price(&self) -> Price {
        match self.action {
            OperatorAction::Cancel => Price::default(),
            OperatorAction::Retry | OperatorAction::Resume => {
                Price::of(&self.rows).with_ladder(self.ladder)
            }
        }
    }
}

/// In a form.
pub(in crate::web) const fn word(action: OperatorAction) -> &'static str {
    match action {
        OperatorAction::Retry => "retry",
        OperatorAction::Resume => "resume",
        OperatorAction::Cancel => "cancel",
    }
}

const fn verb(action: OperatorAction) -> &'static str {
    match action {
        OperatorAction::Retry => "Retry",
        OperatorAction::Resume => "Resume",
        OperatorAction::Cancel => "Cancel",
    }
}

/// What the button says: what is done, to how many, for how much.
fn on_button(chosen: &Chosen, budget: &Budget) -> String {
    let what = format!(
        "{} {}",
        verb(chosen.action),
        count(chosen.rows.len(), "job")
    );
    match chosen.action {
        OperatorAction::Cancel => format!("{what} for good"),
        OperatorAction::Retry | OperatorAction::Resume => {
            format!("{what}: {}", chosen.price().on_button(budget))
        }
    }
}

/// That no box was ticked, and how to tick one.
pub(in crate::web) fn nothing_chosen(visitor: &Visitor, chosen: &Chosen) -> Markup {
    let back = filter::address(&chosen.filter, Place::default());
    let content = html! {
        h1 { "No job is chosen" }
        section {
            p { "Nothing was done. Tick the boxes beside the jobs, or the one for all that match, then press "
                strong { (verb(chosen.action)) } " again." }
            p { a href=(back) { "Back to the list" } }
        }
    };
    layout::page(visitor, "No job is chosen", false, &content)
}

/// What is to be done, before it is.
pub(in crate::web) fn confirmation(
    visitor: &Visitor,
    chosen: &Chosen,
    outlook: &Outlook,
) -> Markup {
    let Outlook { budget, notes } = outlook;
    let title = format!(
        "{} {}?",
        verb(chosen.action),
        count(chosen.rows.len(), "job")
    );
    let back = filter::address(&chosen.filter, Place::default());
    let content = html! {
        h1 { (title) }
        section {
            @for note in notes { p.alert { (outside(note)) } }
            @for line in chosen.price().lines(budget) { p { (sentence(&line)) } }
            @if chosen.action == OperatorAction::Cancel {
                p { strong { "This is final." } " A cancelled job stays so; to have its parser made after all, enqueue it again." }
            }
            @if chosen.is_cut { p.alert { "More jobs match: these are the first ones. The command line has no such limit." } }
            @if chosen.rows.is_empty() {
                p { "There is nothing to do." }
            } @else {
                (named(&chosen.rows))
                (form(visitor, chosen, budget))
            }
            p { a href=(back) { "Back to the list; nothing was done" } }
        }
        (left_out(&chosen.left_out))
    };
    layout::page(visitor, &title, false, &content)
}

fn named(rows: &[JobRow]) -> Markup {
    let more = rows.len().saturating_sub(NAMED_JOBS);
    html! {
        ul.lines {
            @for row in rows.iter().take(NAMED_JOBS) {
                li { (row.id) " " a href={ "/jobs/" (row.id) } { (outside(&row.name)) } " " (badge(&row.state))
                    @if let Some(why) = row.park_reason.as_ref().or(row.error_kind.as_ref()) { " " span.hint { (outside(why)) } } }
            }
            @if more > 0 { li { "and " (count(more, "job")) " more" } }
        }
    }
}

fn form(visitor: &Visitor, chosen: &Chosen, budget: &Budget) -> Markup {
    let Some(session) = &visitor.session else {
        return html! {};
    };
    let is_final = chosen.action == OperatorAction::Cancel;
    html! {
        form.action method="post" action="/jobs/bulk" {
            input type="hidden" name="form_token" value=(session.form_token);
            input type="hidden" name="action" value=(word(chosen.action));
            input type="hidden" name="jobs" value=(chosen.rows.len());
            input type="hidden" name="credits" value=(chosen.price().credits(budget));
            @for (name, value) in filter::pairs(&chosen.filter) { input type="hidden" name=(name) value=(value); }
            @if chosen.is_all {
                input type="hidden" name="all" value="yes";
            } @else {
                @for row in &chosen.rows { input type="hidden" name="job" value=(row.id); }
            }
            button.primary.final[is_final] { (on_button(chosen, budget)) }
        }
    }
}

fn left_out(left_out: &[(i64, String)]) -> Markup {
    html! {
        @if !left_out.is_empty() {
            section {
                h2 { "Left as they are" }
                ul.lines { @for (id, why) in left_out { li { a href={ "/jobs/" (id) } { "Job " (id) } ": " (outside(why)) } } }
            }
        }
    }
}

/// What came of it.
pub(in crate::web) fn report(visitor: &Visitor, chosen: &Chosen, changed: usize) -> Markup {
    let done = match chosen.action {
        OperatorAction::Retry => "retried",
        OperatorAction::Resume => "resumed",
        OperatorAction::Cancel => "cancelled",
    };
    let title = format!("{} {done}", count(changed, "job"));
    let back = filter::address(&chosen.filter, Place::default());
    let missed = i64::try_from(chosen.left_out.len()).unwrap_or(i64::MAX);
    let content = html! {
        h1 { (title) }
        @if missed > 0 { p.alert { (grouped(missed)) " of those chosen stay as they are: each is below, with the reason." } }
        p { a href=(back) { "Back to the list" } }
        (left_out(&chosen.left_out))
    };
    layout::page(visitor, &title, false, &content)
}
