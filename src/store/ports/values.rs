//! What a store is given and gives.

use std::{fmt::Debug, marker::PhantomData};

use crate::core::{
    blind::NoListSince,
    budget::share::AnnouncedShares,
    daemon_facts::DaemonFacts,
    field_changes::FieldChanges,
    job::{Job, JobId, ParserId, UnixMs},
    list_lag::LagSamples,
    oddities::{CreatesHold, ListReport},
    progress::AnnouncedBatch,
    quality::Wanted,
    restored::Restored,
    spec::JobSpec,
};

/// A QUEUED job with what it asks for, or why that cannot be read.
#[derive(Debug, Clone)]
pub struct QueuedJob {
    /// The job.
    pub job: Job,
    /// What it asks for, or the rules that its row breaks.
    pub order: Result<Order, String>,
}

/// What a job asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// A parser of this specification.
    Create(JobSpec),
    /// The parser of its name with these changes.
    Update(FieldChanges),
    /// That the parser of its name is deleted.
    Delete,
}

/// What a job asks its parser to find.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// By which it is judged.
    pub wanted: Wanted,
    /// The fields (JSON); none where the service is to infer them.
    pub fields: Option<String>,
    /// The example pages (JSON).
    pub urls: String,
    /// What the fields must hold (JSON).
    pub expect: Option<String>,
    /// With what pages are fetched (JSON).
    pub scraper_params: Option<String>,
    /// With what they are fetched in its place (JSON).
    pub effective_params: Option<String>,
}

/// The states that wait for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// QUEUED, for a create.
    Create,
    /// CREATING in doubt, for a list.
    Reconcile,
    /// GENERATING, for a poll.
    Poll,
}

/// What an intent records beside the job's own progress.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intent {
    /// What the create is taken to cost.
    pub credits: i64,
    /// When it was set aside in the budget: on that day it is counted.
    pub sent_at: UnixMs,
    /// The parsers that bore the name before.
    pub baseline: Vec<ParserId>,
    /// The ladder asked for it: it counts in its share of the day.
    pub is_escalated: bool,
    /// Of a change that is not an intent: that the parser which it adopts was paid for.
    pub found: Option<Found>,
    /// Of an update or a delete: what is sent, or was seen.
    pub change: Option<ChangeRecord>,
}

/// What is recorded of a look at a parser that a job changes or deletes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeRecord {
    /// The version in the path of the request.
    pub base_version: Option<i64>,
    /// The latest version that was there.
    pub latest_version: Option<i64>,
    /// What is sent (JSON).
    pub change: Option<String>,
    /// The fields once that took effect (JSON); of a parser that somebody else changed, those
    /// that it has.
    pub fields: Option<String>,
    /// The fields once all that the job asks for took effect (JSON).
    pub target_fields: Option<String>,
}

/// A parser that was paid for, and of which the ledger has no create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// What it is taken to have cost.
    pub credits: i64,
    /// When it was made: on that day it is counted.
    pub made_at: UnixMs,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It is durable.
    Durable {
        /// A create that turned out to have made nothing: its credits and when they count
        /// as spent. Negative credits where one that counted as such made a parser after all.
        refund: Option<(i64, UnixMs)>,
    },
    /// The job moved on meanwhile; nothing was changed. An outcome, not an error.
    Stale,
}

/// A job that holds a parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The job.
    pub id: JobId,
    /// Its parser.
    pub parser_id: ParserId,
    /// Whether it waits for it.
    pub is_generating: bool,
}

/// Why a list says nothing of a create; part of what a job that is PARKED for it says.
pub const ELSEWHERE: &str = "the create was sent at another address or with another API key, and \
    no parser of that account was seen here";

/// Something of which a daemon keeps one value, as JSON.
#[derive(Debug)]
pub struct Fact<T> {
    pub(super) key: &'static str,
    value: PhantomData<fn() -> T>,
}

impl<T> Fact<T> {
    const fn new(key: &'static str) -> Self {
        Self {
            key,
            value: PhantomData,
        }
    }
}

/// How soon lists showed new parsers.
pub const LIST_LAG: Fact<LagSamples> = Fact::new("list_lag");
/// What the last list said of itself.
pub const LIST_REPORT: Fact<ListReport> = Fact::new("list_report");
/// Since when and why no list of the account can be had; none where it can.
pub const NO_LIST: Fact<Option<NoListSince>> = Fact::new("no_list");
/// How long creates wait, in a store that is not the one that was written last.
pub const CREATES_HOLD: Fact<CreatesHold> = Fact::new("creates_hold");
/// The last time that the store turned out not to be the one that was written last.
pub const RESTORED: Fact<Restored> = Fact::new("restored");

/// How the daemon was started that has the store, or had it last.
pub const RUNNING: Fact<DaemonFacts> = Fact::new("running");

/// When the webhook's last POST began.
pub const LAST_POST: Fact<UnixMs> = Fact::new("webhook_last_post");

/// What was announced of batches.
pub const BATCH: Fact<AnnouncedBatch> = Fact::new("batch");
/// What was announced of the budget.
pub const BUDGET_SHARES: Fact<AnnouncedShares> = Fact::new("budget_shares");

/// Which PARKED jobs come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedFirst {
    /// Those of the highest priority.
    Highest,
    /// Those that were PARKED the longest ago: of canaries each has its turn.
    Longest,
}
