//! Parsers that jobs change or delete, and the requests that do.

use super::{
    CreateStatus, Memory,
    tables::{StoredUpdate, Tables},
};
use crate::{
    core::{
        field_changes::FieldChanges,
        job::{Action, Job, JobId, JobState, ParserId, UnixMs},
        lifecycle::{Change, LedgerChange, ParserChange},
    },
    store::{
        StoreError,
        ports::{Intent, PendingUpdate, Target, Updates},
    },
};

impl Updates for Memory {
    async fn target(&self, name: &str) -> Result<Option<Target>, StoreError> {
        let tables = self.tables();
        Ok(tables.named_parser(name).and_then(|id| tables.target(&id)))
    }

    async fn target_by_id(&self, id: &ParserId) -> Result<Option<Target>, StoreError> {
        Ok(self.tables().target(id))
    }

    async fn former_parser(&self, name: &str) -> Result<Option<ParserId>, StoreError> {
        let tables = self.tables();
        let named = tables.parsers.iter().filter(|(_, row)| row.name == name);
        let last = named.max_by_key(|(id, row)| {
            (
                !row.is_deleted,
                row.created_at,
                std::cmp::Reverse((*id).clone()),
            )
        });
        Ok(last.map(|(id, _)| id.clone()))
    }

    async fn pending_update(&self, job: JobId) -> Result<Option<PendingUpdate>, StoreError> {
        let tables = self.tables();
        let pending = tables.updates.iter().find(|row| row.is_pending(job));
        Ok(pending.map(|row| PendingUpdate {
            parser_id: row.parser_id.clone(),
            part: row.part,
            latest_version: row.latest_version,
            fields: row.fields.clone(),
        }))
    }

    async fn change_of(&self, job: JobId) -> Result<Option<String>, StoreError> {
        let tables = self.tables();
        Ok(tables.jobs.get(&job).and_then(|row| row.change.clone()))
    }
}

impl Tables {
    /// The parser that a name stands for: of several the one that a job holds, else the newest.
    pub(crate) fn named_parser(&self, name: &str) -> Option<ParserId> {
        let named = self.parsers.iter();
        let named = named.filter(|(_, row)| row.name == name && !row.is_deleted);
        let best = named.max_by_key(|(id, row)| {
            let is_held = self.holding(id).any(|job| job.job.action == Action::Create);
            let is_in_place = row.replaced_by.is_none();
            let first = std::cmp::Reverse((*id).clone());
            (is_in_place, is_held, row.created_at, first)
        });
        best.map(|(id, _)| id.clone())
    }

    fn target(&self, id: &ParserId) -> Option<Target> {
        self.parsers.get(id).map(|row| Target {
            parser_id: id.clone(),
            latest_version: row.latest_version,
            applied_version: row.applied_version,
            fields: row.fields.clone(),
            protected: row.protected,
            quality: row.quality,
        })
    }

    /// Whether a request of this parser is not settled.
    pub(super) fn has_pending_update(&self, id: Option<&ParserId>) -> bool {
        let mut pending = self.updates.iter();
        pending.any(|row| Some(&row.parser_id) == id && row.outcome == CreateStatus::Pending)
    }

    /// Records what a decision about a job that changes or deletes a parser comes to. Returns the
    /// credits of a request that changed nothing, and when they count.
    pub(super) fn note_update(
        &mut self,
        job: &Job,
        change: &Change,
        intent: &Intent,
        now: UnixMs,
        is_fresh: bool,
    ) -> Option<(i64, UnixMs)> {
        let refund = match &change.ledger {
            Some(LedgerChange::ChangeIntent) if is_fresh => {
                self.intend_update(job.id, change, intent);
                None
            }
            Some(LedgerChange::Changed(version)) => self.settle_update_made(job.id, *version),
            Some(LedgerChange::NotChanged) if is_fresh => {
                self.settle_update(job.id, CreateStatus::Pending, CreateStatus::NotMade, None)
            }
            _ => None,
        };
        if is_fresh && let (Some(parser), Some(id)) = (&change.parser, &change.next.parser_id) {
            self.change_parser(job.id, change, parser, id, intent, now);
        }
        refund
    }

    fn intend_update(&mut self, job_id: JobId, change: &Change, intent: &Intent) {
        let record = intent.change.clone().unwrap_or_default();
        let (Some(parser_id), Some(part)) = (change.next.parser_id.clone(), change.next.part)
        else {
            return;
        };
        self.updates.push(StoredUpdate {
            job_id,
            parser_id,
            part,
            latest_version: record.latest_version,
            fields: record.fields,
            sent_at: intent.sent_at,
            credits: intent.credits,
            outcome: CreateStatus::Pending,
            version: None,
        });
    }

    fn settle_update_made(&mut self, job_id: JobId, version: Option<i64>) -> Option<(i64, UnixMs)> {
        let (pending, made) = (CreateStatus::Pending, CreateStatus::Made);
        if (self.settle_update(job_id, pending, made, version)).is_some() {
            return None;
        }
        let landed = self.settle_update(job_id, CreateStatus::NotMade, made, version);
        landed.map(|(credits, sent_at)| (-credits, sent_at))
    }

    /// Settles the last request of the job, where it stands so.
    fn settle_update(
        &mut self,
        job_id: JobId,
        from: CreateStatus,
        outcome: CreateStatus,
        version: Option<i64>,
    ) -> Option<(i64, UnixMs)> {
        let mut rows = self.updates.iter_mut().rev();
        let row = rows.find(|row| row.job_id == job_id)?;
        if row.outcome != from {
            return None;
        }
        row.outcome = outcome;
        row.version = version;
        Some((row.credits, row.sent_at))
    }

    /// A request in doubt whose job is called off counts as spent.
    pub(super) fn call_off(&mut self, job_id: JobId) {
        self.settle_update(job_id, CreateStatus::Pending, CreateStatus::Made, None);
    }

    fn change_parser(
        &mut self,
        job_id: JobId,
        change: &Change,
        what: &ParserChange,
        id: &ParserId,
        intent: &Intent,
        now: UnixMs,
    ) {
        let sent = self.updates.iter().rev().find(|row| row.job_id == job_id);
        let sent = sent.and_then(|row| row.fields.clone());
        let target = self.jobs.get(&job_id);
        let target = target.and_then(|row| row.target_fields.clone());
        if *what == ParserChange::Deleted {
            self.mark_gone(id);
            if let Some(row) = self.parsers.get_mut(id) {
                row.is_deleted = true;
            }
            let creates = |row: &super::tables::StoredJob| {
                row.job.action == Action::Create
                    && row.job.progress.parser_id.as_ref() == Some(id)
                    && row.released_at.is_none()
            };
            self.change(creates, |row| row.released_at = Some(now));
            return;
        }
        let Some(row) = self.parsers.get_mut(id) else {
            return;
        };
        let (version, fields) = match what {
            ParserChange::Applied { version } => {
                if row.version == row.applied_version {
                    row.version = version.or(row.version);
                }
                (version, sent)
            }
            ParserChange::Ready { version, is_used } => {
                if *is_used {
                    row.version = *version;
                    row.job_id = job_id;
                    row.quality = change.judgement.as_ref().map(|it| it.quality);
                }
                (version, target)
            }
            ParserChange::Unusable { version } => {
                row.latest_version = version.or(row.latest_version);
                return;
            }
            ParserChange::Seen { version } => {
                let record = intent.change.as_ref();
                (version, record.and_then(|record| record.fields.clone()))
            }
            ParserChange::Deleted => return,
        };
        row.latest_version = match what {
            ParserChange::Seen { .. } => version.or(row.latest_version),
            _ => *version,
        };
        row.applied_version = *version;
        row.fields = fields.clone().or(row.fields.take());
        // The job that made it says what it is like now.
        let is_seen = matches!(what, ParserChange::Seen { .. });
        if let Some(fields) = fields.filter(|_| !is_seen) {
            let makers = |row: &super::tables::StoredJob| {
                let progress = &row.job.progress;
                row.job.action == Action::Create
                    && progress.parser_id.as_ref() == Some(id)
                    && progress.state != JobState::Cancelled
            };
            self.change(makers, |row| {
                row.fields = row.fields.take().map(|_| fields.clone());
            });
        }
    }

    /// Whether a job that is not done yet is to make another parser than the one that the name
    /// stands for.
    pub(super) fn is_to_be_replaced(&self, name: &str) -> bool {
        let Some(named) = self.named_parser(name) else {
            return false;
        };
        self.jobs.values().any(|row| {
            let progress = &row.job.progress;
            row.job.name == name
                && row.job.action == Action::Create
                && row.released_at.is_none()
                && !progress.state.is_terminal()
                && progress.parser_id.as_ref() != Some(&named)
        })
    }

    /// Why a new job that changes or deletes a parser is refused, if it is.
    pub(super) fn refuses_change(
        &self,
        name: &str,
        target: Option<&ParserId>,
        change: Option<&str>,
    ) -> Option<&'static str> {
        let named = self.named_parser(name);
        let target = target.or(named.as_ref());
        let is_open = |row: &super::tables::StoredJob| {
            let of = row.job.progress.parser_id.as_ref();
            row.job.name == name
                && of.or(named.as_ref()) == target
                && row.job.action != Action::Create
                && matches!(
                    row.job.progress.state,
                    JobState::Queued | JobState::Creating | JobState::Generating | JobState::Parked
                )
        };
        if !self.parsers.values().any(|row| row.name == name) {
            return Some("no parser has this name");
        }
        let Some(id) = named.clone() else {
            return Some("the parser of this name was deleted");
        };
        if self.jobs.values().any(is_open) {
            return Some("another update or delete of this parser is not done yet");
        }
        let change = FieldChanges::from_json(change?);
        let fields = self.parsers.get(&id).and_then(|row| row.fields.as_deref());
        let fields = serde_json::from_str(fields?).unwrap_or_default();
        let fits = change.is_ok_and(|change| change.apply(&fields).is_ok());
        (!fits).then_some("the change does not fit the fields of the parser")
    }
}
