//! A job of a plan.

use serde::Serialize;

use crate::core::diff::{Diff, FieldLine, PartLine, Verb};
use crate::core::job::{JobId, ParserId};
use crate::engine::plan::{Forecast, Verdict};

/// What would become of a job.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct PlanLine {
    pub name: String,
    pub symbol: &'static str,
    pub verb: &'static str,
    /// Null for a file's job that is not in the database.
    pub id: Option<JobId>,
    pub state: Option<String>,
    pub file: Option<String>,
    pub line: Option<usize>,
    pub verdict: Verdict,
    pub parser_id: Option<ParserId>,
    pub remote_name: Option<String>,
    /// What an update changes, field by field.
    pub changes: Vec<ChangeLine>,
    /// What is set at once, for nothing and without a request.
    pub settings: Vec<&'static str>,
    pub likely_renames: Vec<LikelyRename>,
    /// What it is sure to cost.
    pub credits: i64,
    pub note: Option<String>,
    pub notes: Vec<String>,
    /// The same as `credits`, in creates.
    #[serde(skip)]
    pub creates: u8,
    /// Whether it, or a part of it, costs nothing by what is stored alone.
    #[serde(skip)]
    pub is_free: bool,
}

/// What becomes of a field.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct ChangeLine {
    pub change: &'static str,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_name: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<ChangedPart>,
}

/// What becomes of its description, type or selector.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct ChangedPart {
    pub key: &'static str,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// A removal and an addition that are most likely a rename.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct LikelyRename {
    pub was: String,
    pub name: String,
    /// What to write in the file, if it is one.
    pub write: String,
}

impl LikelyRename {
    fn of((was, name): (String, String)) -> Self {
        // A JSON string is one of TOML too.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let write = format!(
            "{{ name = {}, was = {}, ... }}",
            quoted(&name),
            quoted(&was)
        );
        Self { was, name, write }
    }
}

impl From<FieldLine> for ChangeLine {
    fn from(line: FieldLine) -> Self {
        let (change, name, new_name, parts) = match line {
            FieldLine::Renamed { name, new_name } => ("rename", name, Some(new_name), Vec::new()),
            FieldLine::Removed { name } => ("remove", name, None, Vec::new()),
            FieldLine::Modified { name, parts } => ("modify", name, None, parts),
            FieldLine::Added { name } => ("add", name, None, Vec::new()),
        };
        let part = |PartLine { key, before, after }| ChangedPart { key, before, after };
        Self {
            change,
            name,
            new_name,
            parts: parts.into_iter().map(part).collect(),
        }
    }
}

impl PlanLine {
    /// A job that is to create, by what is known of the account.
    pub(super) fn of(name: String, prospect: Forecast) -> Self {
        Self {
            name,
            symbol: symbol(prospect.verdict),
            verb: prospect.verdict.as_str(),
            id: None,
            state: None,
            file: None,
            line: None,
            verdict: prospect.verdict,
            parser_id: prospect.parser_id,
            remote_name: prospect.remote_name,
            changes: Vec::new(),
            settings: Vec::new(),
            likely_renames: Vec::new(),
            credits: 0,
            notes: prospect.note.clone().into_iter().collect(),
            note: prospect.note,
            creates: u8::from(matches!(
                prospect.verdict,
                Verdict::Create | Verdict::UpdatePaid
            )),
            is_free: false,
        }
    }

    /// A job of a file that is there already.
    pub(super) fn of_diff(name: String, diff: Diff) -> Self {
        let (verdict, is_free) = (verdict(&diff), diff.is_free());
        let changes = diff.lines.into_iter().map(ChangeLine::from).collect();
        let likely_renames = diff.likely_renames.into_iter();
        Self {
            verb: diff.verb.as_str(),
            changes,
            settings: diff.settings,
            likely_renames: likely_renames.map(LikelyRename::of).collect(),
            notes: diff.notes,
            creates: diff.creates,
            is_free,
            ..Self::of(name, Forecast::plain(verdict, None))
        }
    }

    /// Whether it can be done now, or what is free of it.
    pub(in crate::cli) const fn can_be_done(&self, free_only: bool) -> bool {
        let is_left = matches!(
            self.verdict,
            Verdict::AlreadyThere | Verdict::Kept | Verdict::InFlight | Verdict::Refused
        );
        !is_left && (self.is_free || !free_only)
    }

    /// Whether there is something to do about it, now or later.
    pub(super) fn is_something(&self) -> bool {
        !matches!(self.verdict, Verdict::AlreadyThere | Verdict::Kept)
    }
}

fn verdict(diff: &Diff) -> Verdict {
    match diff.verb {
        Verb::Create => Verdict::Create,
        Verb::EditWaiting => Verdict::Edit,
        Verb::UpdateFree => Verdict::UpdateFree,
        Verb::UpdatePaid | Verb::UpdateBoth => Verdict::UpdatePaid,
        Verb::Replace => Verdict::Replace,
        Verb::Cancel => Verdict::Cancel,
        Verb::InFlight => Verdict::InFlight,
        Verb::Same if diff.is_something() => Verdict::Settings,
        Verb::Same => Verdict::AlreadyThere,
        Verb::Refused => Verdict::Refused,
    }
}

const fn symbol(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Create | Verdict::Adopt => "+",
        Verdict::Edit
        | Verdict::UpdateFree
        | Verdict::UpdatePaid
        | Verdict::Settings
        | Verdict::Cancel => "~",
        Verdict::Replace => "-/+",
        Verdict::Delete => "-",
        Verdict::AlreadyThere | Verdict::Kept => "=",
        Verdict::InFlight
        | Verdict::Refused
        | Verdict::WouldFail
        | Verdict::Ambiguous
        | Verdict::InDoubt
        | Verdict::Unknown
        | Verdict::BadRow => "!",
    }
}
