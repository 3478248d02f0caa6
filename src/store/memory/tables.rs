//! The tables and what is asked of them more than once.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::event::{JobEvent, general::GeneralEvent};

use crate::core::preflight::Fetched;
use crate::core::{
    gate::{Closure, Scope},
    job::{Action, DurationMs, Job, JobId, JobState, ParserId, Part, UnixMs},
    quality::{Quality, checks::TriedOutcome},
};
use crate::store::ports::ParseIntent;

/// A row of `jobs`.
#[derive(Debug, Clone)]
pub(crate) struct StoredJob {
    pub job: Job,
    pub urls: String,
    pub scraper_params: Option<String>,
    pub fields: Option<String>,
    pub check_urls: Option<String>,
    pub change: Option<String>,
    pub target_fields: Option<String>,
    /// Since when the name is free again.
    pub released_at: Option<UnixMs>,
    pub protect: bool,
    pub priority: i64,
    pub created_at: UnixMs,
    pub updated_at: UnixMs,
    /// The epoch in which the job came by its parser.
    pub epoch: i64,
    pub example_result: Option<String>,
}

/// What is known of a create request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CreateStatus {
    Pending,
    Made,
    NotMade,
}

impl CreateStatus {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Made => "made",
            Self::NotMade => "not_made",
        }
    }
}

/// A row of `creates`.
#[derive(Debug, Clone)]
pub(crate) struct StoredCreate {
    pub id: i64,
    pub job_id: JobId,
    pub remote_name: String,
    pub sent_at: UnixMs,
    pub credits: i64,
    pub is_escalated: bool,
    pub baseline: Vec<ParserId>,
    pub outcome: CreateStatus,
    pub parser_id: Option<ParserId>,
    pub settled_at: Option<UnixMs>,
    pub counted_at: Option<UnixMs>,
    pub epoch: i64,
}

impl StoredCreate {
    /// When it counts as spent.
    pub(crate) fn spent_at(&self) -> UnixMs {
        self.counted_at.unwrap_or(self.sent_at)
    }
}

/// A row of `job_events`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventRecord {
    pub job_id: JobId,
    pub at: UnixMs,
    pub event: JobEvent,
}

/// A row of `parsers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredParser {
    pub name: String,
    pub version: Option<i64>,
    pub latest_version: Option<i64>,
    /// The version that `fields` describes.
    pub applied_version: Option<i64>,
    pub urls: Option<String>,
    pub scraper_params: Option<String>,
    pub params_unknown: bool,
    pub fields: Option<String>,
    pub quality: Option<Quality>,
    pub protected: bool,
    pub job_id: JobId,
    pub created_at: UnixMs,
    pub is_deleted: bool,
    /// The parser that took its place.
    pub replaced_by: Option<ParserId>,
}

/// A row of `updates`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredUpdate {
    pub job_id: JobId,
    pub parser_id: ParserId,
    pub part: Part,
    pub latest_version: Option<i64>,
    pub fields: Option<String>,
    pub sent_at: UnixMs,
    pub credits: i64,
    pub outcome: CreateStatus,
    pub version: Option<i64>,
}

impl StoredUpdate {
    pub(super) fn is_pending(&self, job: JobId) -> bool {
        self.job_id == job && self.outcome == CreateStatus::Pending
    }
}

/// A row of `parses`.
#[derive(Debug, Clone)]
pub(crate) struct StoredParse {
    pub intent: ParseIntent,
    pub outcome: TriedOutcome,
}

/// A row of `fetches`.
#[derive(Debug, Clone)]
pub(crate) struct StoredFetch {
    pub job: JobId,
    pub host: String,
    pub sent_at: UnixMs,
    pub fetched: Fetched,
}

/// A row of `strangers`.
#[derive(Debug, Clone)]
pub(crate) struct StrangerRow {
    pub name: String,
    pub remote_name: Option<String>,
    pub seen_with: i64,
    pub seen_at: UnixMs,
}

/// A row of `account_epochs`; its place is its number.
#[derive(Debug, Clone)]
pub(crate) struct EpochRow {
    pub since: UnixMs,
    pub fingerprint: String,
    pub account: i64,
}

/// Everything that is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables {
    pub jobs: BTreeMap<JobId, StoredJob>,
    pub creates: Vec<StoredCreate>,
    pub events: Vec<EventRecord>,
    /// Those of no job.
    pub general_events: Vec<(UnixMs, GeneralEvent)>,
    pub parsers: BTreeMap<ParserId, StoredParser>,
    pub parses: Vec<StoredParse>,
    pub fetches: Vec<StoredFetch>,
    pub updates: Vec<StoredUpdate>,
    pub gates: BTreeMap<Scope, Closure>,
    pub gone: BTreeSet<ParserId>,
    pub strangers: BTreeMap<ParserId, StrangerRow>,
    pub epochs: Vec<EpochRow>,
    pub meta: BTreeMap<String, String>,
    pub newest_job: i64,
}

impl Tables {
    pub(super) fn note(&mut self, job_id: JobId, at: UnixMs, event: JobEvent) {
        self.events.push(EventRecord { job_id, at, event });
    }

    /// The jobs in `state`, by id.
    pub(super) fn in_state(&self, state: JobState) -> impl Iterator<Item = &StoredJob> {
        let jobs = self.jobs.values();
        jobs.filter(move |row| row.job.progress.state == state)
    }

    /// The jobs that hold this parser.
    pub(super) fn holding<'t>(&'t self, id: &'t ParserId) -> impl Iterator<Item = &'t StoredJob> {
        self.jobs.values().filter(move |row| {
            let progress = &row.job.progress;
            progress.parser_id.as_ref() == Some(id)
                && progress.state != JobState::Cancelled
                && row.job.action == Action::Create
        })
    }

    /// The creates that made this parser.
    pub(super) fn making<'t>(&'t self, id: &'t ParserId) -> impl Iterator<Item = &'t StoredCreate> {
        let creates = self.creates.iter();
        creates.filter(move |row| row.parser_id.as_ref() == Some(id))
    }

    /// The creates of this name, oldest first.
    pub(super) fn named<'t>(&'t self, name: &'t str) -> impl Iterator<Item = &'t StoredCreate> {
        let creates = self.creates.iter();
        creates.filter(move |row| row.remote_name == name)
    }

    /// The service says that a parser is gone.
    pub(super) fn mark_gone(&mut self, id: &ParserId) {
        if self.gone.insert(id.clone())
            && let Some(row) = self.parsers.get_mut(id)
        {
            row.is_deleted = true;
        }
    }

    /// It is there again.
    pub(super) fn mark_found(&mut self, id: &ParserId) {
        if self.gone.remove(id)
            && let Some(row) = self.parsers.get_mut(id)
        {
            row.is_deleted = false;
        }
    }

    /// A job that was to replace a parser is called off: the name is again that of the job which
    /// made the one that is there.
    pub(super) fn give_back(&mut self, name: &str) {
        let named = self.named_parser(name);
        let mut made = self.jobs.values().rev();
        let made = made.find(|row| {
            row.job.name == name
                && row.job.action == Action::Create
                && row.released_at.is_some()
                && row.job.progress.state != JobState::Cancelled
                && row.job.progress.parser_id == named
        });
        if let Some(id) = made.map(|row| row.job.id).filter(|_| named.is_some()) {
            self.change(|row| row.job.id == id, |row| row.released_at = None);
        }
    }

    pub(super) fn is_explained(&self, id: &ParserId) -> bool {
        self.holding(id).next().is_some() || self.making(id).next().is_some()
    }

    pub(crate) fn epoch(&self) -> i64 {
        i64::try_from(self.epochs.len().saturating_sub(1)).unwrap_or(i64::MAX)
    }

    /// Whether an epoch is of another account than the one that is asked now.
    pub(super) fn is_elsewhere(&self, epoch: i64) -> bool {
        let row = usize::try_from(epoch)
            .ok()
            .and_then(|epoch| self.epochs.get(epoch));
        match (row, self.epochs.last()) {
            (Some(row), Some(now)) => row.account != now.account,
            _ => false,
        }
    }

    /// The accounts of these epochs are the one that is asked now.
    pub(super) fn join(&mut self, epochs: &BTreeSet<i64>) {
        let accounts: BTreeSet<_> = (0..)
            .zip(&self.epochs)
            .filter(|(epoch, _)| epochs.contains(epoch))
            .map(|(_, row)| row.account)
            .collect();
        if let Some(now) = self.epochs.last().map(|row| row.account) {
            let joined = self.epochs.iter_mut();
            for row in joined.filter(|row| accounts.contains(&row.account)) {
                row.account = now;
            }
        }
    }

    pub(super) fn has_elsewhere(&self) -> bool {
        (0..=self.epoch()).any(|epoch| self.is_elsewhere(epoch))
    }

    /// Changes every job for which `is_meant` holds, as parserd: with a new revision. Returns
    /// which it was.
    pub(super) fn change(
        &mut self,
        is_meant: impl Fn(&StoredJob) -> bool,
        change: impl Fn(&mut StoredJob),
    ) -> Vec<JobId> {
        let mut changed = Vec::new();
        for row in self.jobs.values_mut().filter(|row| is_meant(row)) {
            row.job.revision += 1;
            change(row);
            changed.push(row.job.id);
        }
        changed
    }
}

impl StoredJob {
    /// Moves every time that waits.
    pub(super) fn shift(&mut self, by: DurationMs) {
        let progress = &mut self.job.progress;
        progress.due_at = match progress.state {
            JobState::Queued => (progress.due_at + by).max(self.job.run_at.unwrap_or(0)),
            JobState::Parked => progress.due_at,
            _ => progress.due_at + by,
        };
        progress.generating_since = progress.generating_since.map(|at| at + by);
        if let Some(doubt) = &mut progress.doubt {
            doubt.since += by;
            *doubt = doubt.skipping(by);
        }
        self.updated_at += by;
    }
}
