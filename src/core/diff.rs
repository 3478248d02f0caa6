//! PURE: what a job of a file means for what is there under its name: what would be done, what
//! that changes, and what it costs.

use serde_json::Value;

use super::{
    field_changes::{FieldChanges, likely_renames},
    job::{Action, JobState, named_enum},
    spec::{JobSpec, asks_for_something, canonical},
};

mod lines;
mod prune;
mod record;
mod settings;

pub use lines::{FieldLine, PartLine};
pub use prune::{Beside, Names, ParserBeside, Prune};
pub use record::{PlanDigest, Record, RecordedChange, RecordedJob, RecordedParser};

named_enum! {
    /// What is to be done.
    Verb {
        /// A parser is made, or adopted.
        Create = "create",
        /// The job waits, and is made to ask for something else.
        EditWaiting = "edit",
        /// Fields are renamed or removed.
        UpdateFree = "update_free",
        /// Fields are added or modified.
        UpdatePaid = "update_paid",
        /// First the one, then the other.
        UpdateBoth = "update_both",
        /// Another parser is made, and the one that is there stays until it is ready.
        Replace = "replace",
        /// The job that was to make another parser in this one's place is cancelled.
        Cancel = "cancel",
        /// The job cannot be changed now: left for the next time.
        InFlight = "in_flight",
        /// Nothing.
        Same = "same",
        /// It cannot be done as it is written; the notes say what to write instead.
        Refused = "refused",
    }
}

named_enum! {
    /// What loading a file does with a job that is there already and reads otherwise.
    OnChange {
        /// It is told, and left as it is.
        Report = "report",
        /// What costs nothing is done.
        Free = "free",
        /// All of it is done.
        Apply = "apply",
    }
}

/// What is there under the name.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// The state of the job that makes the parser, if there is one.
    pub state: Option<JobState>,
    /// Whether that job must stay as it is although it waits: its create is in doubt, or its parser
    /// may still come to be.
    pub is_fixed: bool,
    /// Whether the name stands for another parser than that job's, which is to take its place, or
    /// did not.
    pub is_replacing: bool,
    /// What that job asks for; None too where its row cannot be read.
    pub asked: Option<&'a JobSpec>,
    /// The parser.
    pub parser: Option<AppliedParser<'a>>,
    /// The update or delete of it that is not done.
    pub open: Option<OpenChange<'a>>,
}

/// An update or delete that is not done.
#[derive(Debug, Clone, Copy)]
pub struct OpenChange<'a> {
    /// Which of them it is.
    pub action: Action,
    /// Whether it waits, and nothing of it is under way or in doubt.
    pub is_waiting: bool,
    /// The fields once it is done, where that is known.
    pub target: Option<&'a Value>,
}

/// A parser, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct AppliedParser<'a> {
    /// The pages that it was made from.
    pub urls: Option<&'a Value>,
    /// The options that it was made with.
    pub scraper_params: Option<&'a Value>,
    /// Whether nobody knows these: it was adopted, and no answer tells.
    pub params_unknown: bool,
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
    /// What is cancelled is the update that waits, not a job that makes a parser.
    pub cancels_update: bool,
    /// What differs of what is never sent, and is set at once for nothing.
    pub settings: Vec<&'static str>,
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
            cancels_update: false,
            settings: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether it, or a part of it, costs nothing. The removal in what is most likely a rename is
    /// no such part: alone it would lose the field.
    pub fn is_free(&self) -> bool {
        let has_free_part = self.changes.free_part().is_some();
        self.creates == 0 || has_free_part && self.likely_renames.is_empty()
    }

    /// Whether there is anything to be done, now or the next time.
    pub fn is_something(&self) -> bool {
        self.verb != Verb::Same || !self.settings.is_empty()
    }

    fn noting(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// What the job means for what is there.
pub fn diff(wanted: &JobSpec, known: &Known<'_>) -> Diff {
    let mut diff = by_state(wanted, known);
    let (settings, note) = settings::settings(wanted, known, &diff);
    diff.settings = settings;
    diff.notes.extend(note);
    diff
}

fn by_state(wanted: &JobSpec, known: &Known<'_>) -> Diff {
    let parser = known.parser.filter(|parser| !parser.is_deleted);
    if let (Some(state), Some(_), true) = (known.state, parser, known.is_replacing) {
        return replacing(wanted, known, state);
    }
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

/// What is there is one parser, and what the job of this name makes, or made, is another.
fn replacing(wanted: &JobSpec, known: &Known<'_>, state: JobState) -> Diff {
    // The parser that the file names is the one that is to go.
    let wanted = &JobSpec {
        parser_id: None,
        ..wanted.clone()
    };
    // The fields and pages are those of the parser that is there.
    let there = Known {
        asked: None,
        ..*known
    };
    let for_parser = || applied(wanted, &there);
    let is_asked = asks_the_same(wanted, known);
    match state {
        JobState::Cancelled => for_parser(),
        JobState::Creating | JobState::Generating if is_asked => Diff::of(Verb::Same, 0)
            .noting("another parser is being made, and this one stays until it is ready"),
        JobState::Creating | JobState::Generating => in_flight(
            wanted,
            known,
            "a parser to take the place of this one is being made",
        ),
        JobState::Finished if is_asked => Diff::of(Verb::Same, 0).noting(
            "the parser that was made as the file says is worth less than this one, which stays",
        ),
        JobState::Finished => for_parser(),
        _ if known.is_fixed => Diff::of(Verb::InFlight, 0).noting(
            "the create of the parser that is to take the place of this one is in doubt, or that \
             parser may still finish (`parserd retry NAME`): it stays as it is until that is over",
        ),
        JobState::Queued | JobState::Parked if is_asked => Diff::of(Verb::Same, 0)
            .noting("another parser is to be made, and this one stays until it is ready"),
        JobState::Queued | JobState::Parked | JobState::Failed => {
            let diff = for_parser();
            match (diff.verb, state) {
                (Verb::Replace, JobState::Failed) => {
                    diff.noting("the last try FAILED: `parserd show NAME` says why")
                }
                (Verb::Replace, _) => waiting(wanted, known),
                (Verb::Refused, _) => diff,
                (verb, _) => no_longer_replacing(verb),
            }
        }
    }
}

/// The file asks for the parser that is there; a job that waits, or that a person may have tried
/// again, would pay for another.
fn no_longer_replacing(for_parser: Verb) -> Diff {
    let diff = Diff::of(Verb::Cancel, 0).noting(
        "the job that was to make another parser in place of this one is cancelled: the file asks \
         for the parser that is there",
    );
    match for_parser {
        Verb::Same => diff,
        _ => diff.noting("the fields differ too: apply again afterwards"),
    }
}

/// An adopted parser costs nothing.
fn creates_of(wanted: &JobSpec) -> u8 {
    u8::from(wanted.parser_id.is_none())
}

/// What is said of a job that FAILED and reads as the file does.
pub const IS_FAILED: &str =
    "it is FAILED: `parserd show NAME` says why, `parserd retry NAME` tries it again";

fn waiting(wanted: &JobSpec, known: &Known<'_>) -> Diff {
    let diff = left_or_edited(wanted, known);
    match (known.state, diff.verb) {
        (Some(JobState::Failed), Verb::Same) => diff.noting(IS_FAILED),
        _ => diff,
    }
}

fn left_or_edited(wanted: &JobSpec, known: &Known<'_>) -> Diff {
    if known.is_fixed {
        let why = "its create is in doubt, or its parser may still finish";
        in_flight(wanted, known, why)
    } else if asks_the_same(wanted, known) {
        Diff::of(Verb::Same, 0)
    } else {
        edited(wanted, known)
    }
}

/// Which parts the job that waits is to have otherwise. One that made requests already is never
/// turned into one that adopts: it could pay.
fn edited(wanted: &JobSpec, known: &Known<'_>) -> Diff {
    let names = wanted.parser_id.as_ref();
    if names.is_some() && names != known.asked.and_then(|asked| asked.parser_id.as_ref()) {
        return Diff::of(Verb::Refused, 0).noting(
            "the job that waits names no parser, or another: cancel it (`parserd cancel NAME`), \
             then load the file",
        );
    }
    let diff = Diff::of(Verb::EditWaiting, creates_of(wanted));
    let Some(asked) = known.asked else {
        return diff.noting("what the job that waits asks for cannot be read");
    };
    let parts = [
        ("urls", wanted.urls != asked.urls),
        (
            "scraper_params",
            wanted.scraper_params_json() != asked.scraper_params_json(),
        ),
        ("fields", wanted.fields_json() != asked.fields_json()),
    ];
    let parts = parts.iter().filter(|(_, differs)| *differs);
    let parts: Vec<_> = parts.map(|(part, _)| *part).collect();
    diff.noting(format!(
        "the job that waits gets other {}",
        parts.join(", ")
    ))
}

fn in_flight(wanted: &JobSpec, known: &Known<'_>, why: &str) -> Diff {
    if asks_the_same(wanted, known) {
        Diff::of(Verb::Same, 0)
    } else {
        Diff::of(Verb::InFlight, 0).noting(format!("{why}: it stays as it is until that is over"))
    }
}

/// Whether the job that is there asks for the very same parser.
fn asks_the_same(wanted: &JobSpec, known: &Known<'_>) -> bool {
    known
        .asked
        .is_some_and(|asked| wanted.asks_no_more_than(asked))
}

/// A parser is there, or was made by a job that is done.
fn applied(wanted: &JobSpec, known: &Known<'_>) -> Diff {
    let differing = [
        ("urls", urls_differ(wanted, known)),
        ("scraper_params", params_differ(wanted, known)),
    ];
    let otherwise = differing.iter().filter(|(_, differs)| *differs);
    let otherwise: Vec<_> = otherwise.map(|(part, _)| *part).collect();
    if let Some(open) = known.open {
        return under_way(wanted, &open, otherwise.is_empty());
    }
    if !otherwise.is_empty() {
        return Diff::of(Verb::Replace, 1).noting(format!(
            "{} differ, which no update can change: another parser is made, and this one stays \
             until it is ready",
            otherwise.join(" and ")
        ));
    }
    let mut diff = fields_differ(wanted, known);
    diff.notes.extend(unknown_parts(wanted, known));
    diff
}

fn fields_differ(wanted: &JobSpec, known: &Known<'_>) -> Diff {
    let parser_fields = known.parser.and_then(|parser| parser.fields);
    let asked_fields = known.asked.and_then(|asked| asked.fields.as_ref());
    let is_list = |fields: &&Value| fields.is_array();
    let before = parser_fields.filter(is_list).or(asked_fields);
    match (&wanted.fields, before) {
        // The service inferred them, or they stay as they are.
        (None, _) => Diff::of(Verb::Same, 0),
        (Some(after), Some(before)) => updated(wanted, before, after),
        (Some(_), None) => Diff::of(Verb::Refused, 0).noting(
            "the service inferred the parser's fields, and which they are is not known: leave \
             fields out, or write another name for another parser",
        ),
    }
}

/// An update or delete of the parser is not done yet.
fn under_way(wanted: &JobSpec, open: &OpenChange<'_>, is_same_but_for_fields: bool) -> Diff {
    let left = |why: &str| {
        Diff::of(Verb::InFlight, 0).noting(format!(
            "{why} is not done yet: it stays as it is until that is over"
        ))
    };
    if open.action == Action::Delete {
        return left("a delete of its parser");
    }
    let is_wanted = match (&wanted.fields, open.target) {
        (None, _) => true,
        (Some(fields), Some(target)) => FieldChanges::between(target, fields, &wanted.was)
            .is_ok_and(|changes| changes.is_empty()),
        (Some(_), None) => false,
    };
    if is_wanted && is_same_but_for_fields {
        Diff::of(Verb::Same, 0).noting("an update of its parser is under way")
    } else if open.is_waiting {
        Diff {
            cancels_update: true,
            ..Diff::of(Verb::Cancel, 0)
        }
        .noting(
            "the update of its parser that waits is cancelled, since the file does not ask for it: \
             apply again afterwards for what differs then",
        )
    } else {
        left("an update of its parser")
    }
}

fn updated(wanted: &JobSpec, before: &Value, after: &Value) -> Diff {
    let changes = match FieldChanges::between(before, after, &wanted.was) {
        Ok(changes) => changes,
        Err(error) => {
            let mut refused = Diff::of(Verb::Refused, 0);
            refused.notes = error.problems;
            return refused;
        }
    };
    let verb = match (changes.free_part(), changes.paid_part()) {
        (None, None) => return Diff::of(Verb::Same, 0),
        (Some(_), None) => Verb::UpdateFree,
        (None, Some(_)) => Verb::UpdatePaid,
        (Some(_), Some(_)) => Verb::UpdateBoth,
    };
    Diff {
        verb,
        lines: lines::of(&changes, before),
        creates: u8::from(changes.is_paid()),
        likely_renames: likely_renames(&changes, before),
        cancels_update: false,
        settings: Vec::new(),
        notes: Vec::new(),
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

/// A parser without options is one that was made with none. Where they are not known, those that
/// its job asked for are taken for them, and where it asked for none nothing says that they differ.
fn params_differ(wanted: &JobSpec, known: &Known<'_>) -> bool {
    let is_unknown = known.parser.is_some_and(|parser| parser.params_unknown);
    let made_with = match known.parser.filter(|_| !is_unknown) {
        Some(parser) => parser.scraper_params,
        None => known.asked.and_then(|asked| asked.scraper_params.as_ref()),
    };
    let made_with = made_with.filter(|params| asks_for_something(params));
    if made_with.is_none() && is_unknown {
        return false;
    }
    made_with.map(canonical) != wanted.scraper_params_json()
}

/// What cannot be told of a parser that was adopted, as far as the file asks for it. Whoever names
/// its id and no `scraper_params` has taken it as it is.
fn unknown_parts(wanted: &JobSpec, known: &Known<'_>) -> Vec<String> {
    let Some(parser) = known.parser.filter(|parser| parser.params_unknown) else {
        return Vec::new();
    };
    let are_urls = parser.urls.is_none_or(|urls| !urls.is_array());
    let are_params = wanted.parser_id.is_none() || wanted.scraper_params_json().is_some();
    let parts = [("urls", are_urls), ("scraper_params", are_params)];
    let parts = parts.iter().filter(|(_, is_unknown)| *is_unknown);
    let note = |(part, _): &(&str, bool)| {
        format!(
            "the parser was adopted, and the service does not show with which {part} it was made: \
             they may differ from those of the file"
        )
    };
    parts.map(note).collect()
}

#[cfg(test)]
mod tests;
