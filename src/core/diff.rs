//! PURE: what a job of a file means for what is there under its name: what would be done, what
//! that changes, and what it costs.

use serde_json::Value;

use super::{
    field_changes::{FieldChanges, likely_renames},
    job::JobState,
    spec::{JobSpec, asks_for_something, canonical},
};

mod lines;

pub use lines::{FieldLine, PartLine};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// A parser is made, or adopted.
    Create,
    /// The job waits, and is made to ask for something else.
    EditWaiting,
    /// Fields are renamed or removed.
    UpdateFree,
    /// Fields are added or modified.
    UpdatePaid,
    /// First the one, then the other.
    UpdateBoth,
    /// Another parser is made, and the one that is there stays until it is ready.
    Replace,
    /// The job cannot be changed now: left for the next time.
    InFlight,
    /// Nothing.
    Same,
    /// It cannot be done as it is written; the notes say what to write instead.
    Refused,
}

/// What is there under the name.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// The state of the job that makes the parser, if there is one.
    pub state: Option<JobState>,
    /// Whether that job must stay as it is although it waits: its create is in doubt, or its parser
    /// may still come to be.
    pub is_fixed: bool,
    /// What that job asks for; None too where its row cannot be read.
    pub asked: Option<&'a JobSpec>,
    /// The parser.
    pub parser: Option<AppliedParser<'a>>,
}

/// A parser, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct AppliedParser<'a> {
    /// The pages that it was made from.
    pub urls: Option<&'a Value>,
    /// The options that it was made with.
    pub scraper_params: Option<&'a Value>,
    /// Its fields, as the last update left them.
    pub fields: Option<&'a Value>,
    /// Whether it is gone from the account.
    pub is_deleted: bool,
}

/// What a job of a file means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// What is to be done.
    pub verb: Verb,
    /// What an update changes; empty where it is none.
    pub changes: FieldChanges,
    /// The same, a line a field.
    pub lines: Vec<FieldLine>,
    /// What it costs, in creates: 0 or 1.
    pub creates: u8,
    /// Removals and additions that are most likely renames, which cost nothing: old and new name.
    pub likely_renames: Vec<(String, String)>,
    /// What else is to be said.
    pub notes: Vec<String>,
}

impl Diff {
    fn of(verb: Verb, creates: u8) -> Self {
        Self {
            verb,
            changes: FieldChanges::default(),
            lines: Vec::new(),
            creates,
            likely_renames: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn noting(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// What the job means for what is there.
pub fn diff(wanted: &JobSpec, known: &Known<'_>) -> Diff {
    let parser = known.parser.filter(|parser| !parser.is_deleted);
    match (known.state, parser) {
        (None | Some(JobState::Cancelled), None) | (Some(JobState::Cancelled), Some(_)) => {
            create(wanted, known)
        }
        (Some(JobState::Finished), None) if known.parser.is_some() => create(wanted, known),
        (None | Some(JobState::Finished), _) => applied(wanted, known),
        (Some(JobState::Queued | JobState::Parked | JobState::Failed), _) => waiting(wanted, known),
        (Some(JobState::Creating | JobState::Generating), _) => {
            in_flight(wanted, known, "its create is under way")
        }
    }
}

fn create(wanted: &JobSpec, known: &Known<'_>) -> Diff {
    let diff = Diff::of(Verb::Create, creates_of(wanted));
    if known.parser.is_some_and(|parser| parser.is_deleted) {
        diff.noting("the parser that had this name is deleted")
    } else {
        diff
    }
}

/// An adopted parser costs nothing.
fn creates_of(wanted: &JobSpec) -> u8 {
    u8::from(wanted.parser_id.is_none())
}

fn waiting(wanted: &JobSpec, known: &Known<'_>) -> Diff {
    if known.is_fixed {
        let why = "its create is in doubt, or its parser may still finish";
        in_flight(wanted, known, why)
    } else if asks_the_same(wanted, known) {
        same(wanted, known)
    } else {
        Diff::of(Verb::EditWaiting, creates_of(wanted))
    }
}

fn in_flight(wanted: &JobSpec, known: &Known<'_>, why: &str) -> Diff {
    if asks_the_same(wanted, known) {
        same(wanted, known)
    } else {
        Diff::of(Verb::InFlight, 0).noting(format!("{why}: it stays as it is until that is over"))
    }
}

/// Whether the job that is there asks for the very same parser.
fn asks_the_same(wanted: &JobSpec, known: &Known<'_>) -> bool {
    known.asked.is_some_and(|asked| {
        let adopts_another = wanted.parser_id.is_some() && wanted.parser_id != asked.parser_id;
        asked.canonical_form(0) == wanted.canonical_form(0) && !adopts_another
    })
}

/// A parser is there, or was made by a job that is done.
fn applied(wanted: &JobSpec, known: &Known<'_>) -> Diff {
    let mut otherwise = Vec::new();
    if urls_differ(wanted, known) {
        otherwise.push("urls");
    }
    if params_differ(wanted, known) {
        otherwise.push("scraper_params");
    }
    if !otherwise.is_empty() {
        return Diff::of(Verb::Replace, 1).noting(format!(
            "{} differ, which no update can change: another parser is made, and this one stays \
             until it is ready",
            otherwise.join(" and ")
        ));
    }
    let parser_fields = known.parser.and_then(|parser| parser.fields);
    let asked_fields = known.asked.and_then(|asked| asked.fields.as_ref());
    let is_list = |fields: &&Value| fields.is_array();
    let before = parser_fields.filter(is_list).or(asked_fields);
    match (&wanted.fields, before) {
        // The service inferred them, or they stay as they are.
        (None, _) => same(wanted, known),
        (Some(after), Some(before)) => updated(wanted, known, before, after),
        (Some(_), None) => Diff::of(Verb::Refused, 0).noting(
            "the service inferred the parser's fields, and which they are is not known: leave \
             fields out, or write another name for another parser",
        ),
    }
}

fn updated(wanted: &JobSpec, known: &Known<'_>, before: &Value, after: &Value) -> Diff {
    let changes = match FieldChanges::between(before, after, &wanted.was) {
        Ok(changes) => changes,
        Err(error) => {
            let mut refused = Diff::of(Verb::Refused, 0);
            refused.notes = error.problems;
            return refused;
        }
    };
    let verb = match (changes.free_part(), changes.paid_part()) {
        (None, None) => return same(wanted, known),
        (Some(_), None) => Verb::UpdateFree,
        (None, Some(_)) => Verb::UpdatePaid,
        (Some(_), Some(_)) => Verb::UpdateBoth,
    };
    Diff {
        verb,
        lines: lines::of(&changes, before),
        creates: u8::from(changes.is_paid()),
        likely_renames: likely_renames(&changes, before),
        notes: settings_note(wanted, known).into_iter().collect(),
        changes,
    }
}

/// Where the pages of the parser are not known, they are those that its job asked for; where those
/// are not known either, nothing says that they differ.
fn urls_differ(wanted: &JobSpec, known: &Known<'_>) -> bool {
    let made_from = known.parser.and_then(|parser| parser.urls);
    match made_from.filter(|urls| urls.is_array()) {
        Some(urls) => *urls != Value::from(wanted.urls.clone()),
        None => known.asked.is_some_and(|asked| asked.urls != wanted.urls),
    }
}

/// A parser without options is one that was made with none, or was imported: the service does not
/// tell them.
fn params_differ(wanted: &JobSpec, known: &Known<'_>) -> bool {
    let made_with = match (known.parser, known.asked) {
        (Some(parser), _) => parser.scraper_params,
        (None, Some(asked)) => asked.scraper_params.as_ref(),
        (None, None) => None,
    };
    let made_with = made_with.filter(|params| asks_for_something(params));
    made_with.map(canonical) != wanted.scraper_params_json()
}

fn same(wanted: &JobSpec, known: &Known<'_>) -> Diff {
    let mut same = Diff::of(Verb::Same, 0);
    same.notes.extend(settings_note(wanted, known));
    same
}

/// What differs of what is never sent with a create. A file that says nothing of `expect` and
/// `check_urls` leaves what is there.
fn settings_note(wanted: &JobSpec, known: &Known<'_>) -> Option<String> {
    let asked = known.asked?;
    let differs = |new: Option<String>, old: Option<String>| new.is_some() && new != old;
    let parts = [
        ("expect", differs(wanted.expect_json(), asked.expect_json())),
        (
            "check_urls",
            differs(wanted.check_urls_json(), asked.check_urls_json()),
        ),
        ("priority", wanted.priority != asked.priority),
        ("run_at", wanted.run_at != asked.run_at),
        ("protect", wanted.protect != asked.protect),
    ];
    let parts = parts.iter().filter(|(_, differs)| *differs);
    let parts: Vec<_> = parts.map(|(part, _)| *part).collect();
    (!parts.is_empty()).then(|| {
        format!(
            "{} read otherwise now, which costs nothing and needs no request",
            parts.join(", ")
        )
    })
}

#[cfg(test)]
mod tests;
