//! A store from outside: how its rows read, and what people, programs and backups do to it. For
//! the simulation and for the suite that every store passes.

mod model;
mod sqlite;

pub(crate) use model::Model;
pub(crate) use sqlite::{Sqlite, simulate_clock, template};

use crate::core::{
    effort::Effort,
    job::{DurationMs, UnixMs},
    quality::Quality,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutsideJob {
    pub id: i64,
    pub name: String,
    pub action: String,
    pub urls: String,
    pub state: String,
    pub park_reason: Option<String>,
    pub parser_id: Option<String>,
    pub error_kind: Option<String>,
    pub remote_name: Option<String>,
    pub preflight: Option<String>,
}

/// A fetch of an example page, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutsideFetch {
    pub id: i64,
    pub job_id: i64,
    pub url: String,
    pub effort: Effort,
    pub credits: i64,
    pub sent_at: UnixMs,
    pub is_pending: bool,
}

#[derive(Debug)]
pub(crate) struct OutsideCreate {
    pub id: i64,
    pub job_id: i64,
    pub is_escalated: bool,
    pub remote_name: String,
    pub outcome: String,
    pub parser_id: Option<String>,
    pub credits: i64,
    pub sent_at: UnixMs,
    pub settled_at: Option<UnixMs>,
}

/// A request that changes or deletes a parser, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutsideUpdate {
    pub job_id: i64,
    pub parser_id: String,
    pub part: String,
    pub outcome: String,
    pub version: Option<i64>,
    pub credits: i64,
    pub sent_at: UnixMs,
    pub fields: Option<String>,
}

/// The gate for creates, as stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredGate {
    pub since: UnixMs,
    pub next_probe_at: UnixMs,
    pub interval_ms: DurationMs,
    /// It passes by itself.
    pub is_passing: bool,
}

/// What somebody else than the daemon does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operation<'a> {
    Insert {
        name: &'a str,
        urls: &'a str,
        priority: i64,
        run_at: Option<UnixMs>,
        check_urls: Option<&'a str>,
        fields: Option<&'a str>,
        parser_id: Option<&'a str>,
        protect: bool,
    },
    /// The parser of a name is updated, or deleted where no change is given.
    Change {
        name: &'a str,
        change: Option<&'a str>,
    },
    Cancel(i64),
    Retry(i64),
    Edit {
        id: i64,
        urls: &'a str,
    },
    OpenGates,
    /// `parserd resolve --adopt`, without a question.
    Adopt {
        id: i64,
        parser: &'a str,
    },
}

impl Operation<'_> {
    /// The job that it is about.
    pub(crate) const fn job(&self) -> Option<i64> {
        match self {
            Self::Cancel(id) | Self::Retry(id) | Self::Edit { id, .. } | Self::Adopt { id, .. } => {
                Some(*id)
            }
            Self::Insert { .. } | Self::Change { .. } | Self::OpenGates => None,
        }
    }
}

pub(crate) trait Outside: std::fmt::Debug {
    fn rows(&self) -> (Vec<OutsideJob>, Vec<OutsideCreate>);

    /// The credits of all requests for held-out pages and fetches of example pages that are on record.
    fn page_credits(&self) -> i64;

    /// The fetches of example pages, oldest first.
    fn fetches(&self) -> Vec<OutsideFetch>;

    /// The parsers on record, a line each.
    fn parsers(&self) -> Vec<String>;

    /// Of each parser on record its id, the version that is used, and what that is worth.
    fn versions(&self) -> Vec<(String, Option<i64>, Option<Quality>)>;

    /// The requests that change or delete parsers, oldest first.
    fn updates(&self) -> Vec<OutsideUpdate>;

    fn create_gate(&self) -> Option<StoredGate>;

    /// How many rows it changed.
    ///
    /// # Errors
    /// Why the store refuses, in its words.
    fn operate(&mut self, now: UnixMs, operation: Operation<'_>) -> Result<usize, String>;

    fn back_up(&mut self);

    /// Whether there is a copy, and it has the jobs that there are now.
    fn can_restore(&self) -> bool;

    /// Puts the copy in the place of the store; whether there was one.
    fn restore(&mut self) -> bool;
}
