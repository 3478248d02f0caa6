//! Decisions and times, into the tables.

use super::{
    CreateStatus, Memory,
    tables::{StoredCreate, StoredJob, StoredParser, Tables},
};
use crate::{
    core::{
        job::{Action, DurationMs, Job, JobId, JobState, ParserId, Progress, Requested, UnixMs},
        lifecycle::{self, Change},
    },
    store::{
        StoreError,
        ports::{Applied, Changes, Intent, Times},
    },
};

impl Changes for Memory {
    async fn apply(
        &self,
        job: &Job,
        change: &Change,
        intent: Intent,
        now: UnixMs,
    ) -> Result<Applied, StoreError> {
        let tables = &mut *self.tables();
        let is_fresh =
            (tables.jobs.get(&job.id)).is_some_and(|row| row.job.revision == job.revision);
        let name = change.next.remote_name.as_ref();
        let name = name.or(job.progress.remote_name.as_ref()).cloned();
        let name = name.unwrap_or_default();
        if is_fresh && change.ledger == Some(lifecycle::LedgerChange::Intent) {
            let is_pending = |row: &StoredCreate| row.outcome == CreateStatus::Pending;
            if tables.named(&name).any(is_pending) {
                return Err(StoreError::Failed {
                    what: "record a create before it is sent",
                    why: "UNIQUE constraint failed: creates.remote_name".to_owned(),
                });
            }
        }
        let is_change = job.action != Action::Create;
        if is_fresh
            && change.ledger == Some(lifecycle::LedgerChange::ChangeIntent)
            && tables.has_pending_update(change.next.parser_id.as_ref())
        {
            return Err(StoreError::Failed {
                what: "record a change before it is sent",
                why: "UNIQUE constraint failed: updates.parser_id".to_owned(),
            });
        }
        let reopens = job.progress.state == JobState::Failed
            && !change.next.state.is_terminal()
            && tables
                .refuses_change(&job.name, job.progress.parser_id.as_ref(), None)
                .is_some();
        if is_fresh && is_change && reopens {
            return Err(StoreError::Failed {
                what: "store a change of a job",
                why: "another update or delete of this parser is not done yet".to_owned(),
            });
        }
        if let (true, Some(why)) = (is_fresh, broken(&change.next)) {
            return Err(StoreError::Failed {
                what: "store a change of a job",
                why: format!("CHECK constraint failed: {why}"),
            });
        }
        if is_fresh {
            tables.update(job, change, &intent, now);
        }
        if let Some(parser) = job
            .progress
            .parser_id
            .as_ref()
            .filter(|_| change.shows_parser)
        {
            tables.mark_found(parser);
        }
        let refund = match &change.ledger {
            _ if is_change => tables.note_update(job, change, &intent, now, is_fresh),
            Some(lifecycle::LedgerChange::Made(parser)) => tables.settle_made(&name, parser, now),
            Some(lifecycle::LedgerChange::NotMade) if is_fresh => tables.settle(
                &name,
                CreateStatus::Pending,
                CreateStatus::NotMade,
                None,
                now,
            ),
            Some(lifecycle::LedgerChange::Intent) if is_fresh => {
                tables.intend(job.id, name, intent);
                None
            }
            None if is_fresh => tables.find(job.id, name, &change.next, &intent, now),
            Some(_) | None => None,
        };
        Ok(if is_fresh {
            Applied::Durable { refund }
        } else {
            Applied::Stale
        })
    }
}

/// What the schema's checks of a job's row refuse.
fn broken(next: &Progress) -> Option<&'static str> {
    let has_parser = next.parser_id.is_some();
    let (is_kept, why) = match next.state {
        JobState::Parked => (next.park_reason.is_some(), "PARKED without park_reason"),
        JobState::Failed => (next.error_kind.is_some(), "FAILED without error_kind"),
        JobState::Creating => {
            let is_named = next.remote_name.is_some() || next.part.is_some();
            (is_named, "CREATING without remote_name or part")
        }
        JobState::Generating => {
            let is_since = next.generating_since.is_some();
            (
                has_parser && is_since,
                "GENERATING without parser_id or generating_since",
            )
        }
        JobState::Finished => (has_parser, "FINISHED without parser_id"),
        JobState::Queued | JobState::Cancelled => (true, ""),
    };
    (!is_kept).then_some(why)
}

impl Tables {
    fn update(&mut self, job: &Job, change: &Change, intent: &Intent, now: UnixMs) {
        let epoch = self.epoch();
        let Some(row) = self.jobs.get_mut(&job.id) else {
            return;
        };
        if row.job.progress.parser_id != change.next.parser_id {
            row.epoch = epoch;
        }
        let holds_name = row.released_at.is_none();
        row.job.progress = change.next.clone();
        row.job.requested = Requested::default();
        row.job.revision += 1;
        row.updated_at = now;
        if let Some(result) = &change.example_result {
            row.example_result = Some(result.get().to_owned());
        }
        let target = intent.change.as_ref();
        if let Some(fields) = target.and_then(|record| record.target_fields.clone()) {
            row.target_fields = Some(fields);
        }
        let is_ready = change.has_parser_ready() && job.action == Action::Create;
        let ready = (change.next.parser_id.clone()).filter(|_| is_ready);
        if let Some(parser_id) = ready {
            let before = self.parsers.get(&parser_id);
            let version = change.next.parser_version;
            let parser = StoredParser {
                name: row.job.name.clone(),
                version,
                latest_version: version,
                applied_version: version,
                urls: match &change.made_from {
                    Some(made) => made.urls.clone(),
                    None => Some(row.urls.clone()),
                },
                scraper_params: match change.made_from {
                    Some(_) => None,
                    None => row.scraper_params.clone(),
                },
                params_unknown: change.made_from.is_some(),
                fields: change.fields.clone().or(row.fields.clone()),
                quality: change.judgement.as_ref().map(|judgement| judgement.quality),
                protected: row.protect,
                job_id: job.id,
                created_at: before.map_or_else(
                    || change.next.generating_since.unwrap_or(now),
                    |row| row.created_at,
                ),
                is_deleted: false,
                replaced_by: change.stays.clone(),
            };
            self.parsers.insert(parser_id.clone(), parser);
            if change.stays.is_none() {
                let others = self.parsers.iter_mut().filter(|(id, other)| {
                    other.name == job.name && **id != parser_id && !other.is_deleted
                });
                for (_, other) in others {
                    other.replaced_by.get_or_insert_with(|| parser_id.clone());
                }
            }
        }
        if change.next.state == JobState::Cancelled {
            self.call_off(job.id);
            if job.action == Action::Create && holds_name {
                self.give_back(&job.name);
            }
        }
        for event in change.events() {
            self.note(job.id, now, event);
        }
    }

    fn intend(&mut self, job_id: JobId, remote_name: String, intent: Intent) {
        let row = StoredCreate {
            id: self.creates.last().map_or(0, |row| row.id) + 1,
            job_id,
            remote_name,
            sent_at: intent.sent_at,
            credits: intent.credits,
            baseline: intent.baseline,
            is_escalated: intent.is_escalated,
            outcome: CreateStatus::Pending,
            parser_id: None,
            settled_at: None,
            counted_at: None,
            epoch: self.epoch(),
        };
        self.creates.push(row);
    }

    /// A parser that was paid for and of which no create is on record.
    fn find(
        &mut self,
        job_id: JobId,
        remote_name: String,
        next: &Progress,
        intent: &Intent,
        now: UnixMs,
    ) -> Option<(i64, UnixMs)> {
        let (found, parser) = (intent.found?, next.parser_id.as_ref()?);
        if remote_name.is_empty() || self.making(parser).next().is_some() {
            return None;
        }
        let intent = Intent {
            credits: found.credits,
            sent_at: found.made_at,
            ..Intent::default()
        };
        self.intend(job_id, remote_name, intent);
        let row = self.creates.last_mut()?;
        row.outcome = CreateStatus::Made;
        row.parser_id = Some(parser.clone());
        row.settled_at = Some(now);
        Some((-found.credits, found.made_at))
    }

    /// What the service made is never forgotten.
    fn settle_made(&mut self, name: &str, parser: &ParserId, now: UnixMs) -> Option<(i64, UnixMs)> {
        let (pending, made) = (CreateStatus::Pending, CreateStatus::Made);
        if self
            .settle(name, pending, made, Some(parser), now)
            .is_some()
        {
            return None;
        }
        if self
            .named(name)
            .any(|row| row.parser_id.as_ref() == Some(parser))
        {
            // The service answered once more with what an earlier create of the name made.
            return self.settle(name, pending, CreateStatus::NotMade, None, now);
        }
        let landed = self.settle(name, CreateStatus::NotMade, made, Some(parser), now);
        landed.map(|(credits, at)| (-credits, at))
    }

    /// Settles the newest create of the name that is as `from` says, unless one made the parser
    /// before. Returns its credits and when they count as spent.
    fn settle(
        &mut self,
        name: &str,
        from: CreateStatus,
        to: CreateStatus,
        parser: Option<&ParserId>,
        now: UnixMs,
    ) -> Option<(i64, UnixMs)> {
        if parser.is_some_and(|parser| self.making(parser).next().is_some()) {
            return None;
        }
        let epoch = self.epoch();
        let mut newest = self.creates.iter_mut().rev();
        let row = newest.find(|row| row.remote_name == name && row.outcome == from)?;
        row.outcome = to;
        row.parser_id = parser.cloned();
        row.settled_at = Some(now);
        // A person may choose a parser of another account than the create was sent to.
        let job = self.jobs.get(&row.job_id);
        if parser.is_some() && job.is_none_or(|row| row.job.progress.remote_name.is_none()) {
            row.epoch = epoch;
        }
        // It landed after its job had gone on without it, or had been cancelled.
        let has_gone_on = job.is_none_or(|row| {
            let progress = &row.job.progress;
            progress.parser_id.as_ref() != parser || progress.state == JobState::Cancelled
        });
        if let Some(parser) = parser.filter(|_| has_gone_on) {
            let landed = StoredParser {
                name: job.map_or_else(|| row.remote_name.clone(), |row| row.job.name.clone()),
                version: None,
                latest_version: None,
                applied_version: None,
                urls: job.map(|row| row.urls.clone()),
                scraper_params: job.and_then(|row| row.scraper_params.clone()),
                params_unknown: false,
                fields: job.and_then(|row| row.fields.clone()),
                quality: None,
                protected: false,
                job_id: row.job_id,
                created_at: now,
                is_deleted: false,
                replaced_by: None,
            };
            self.parsers.entry(parser.clone()).or_insert(landed);
        }
        Some((row.credits, row.spent_at()))
    }
}

/// The start of the key of the last step of the clock.
const CLOCK_STEP: &str = "clock_step:";

/// The clocks of this process and of other programs may differ by so much.
const MOMENT_MS: DurationMs = 2_000;

/// What waits for a list or a poll is looked at anew within this time.
const LONG_WAIT_MS: DurationMs = 600_000;

impl Times for Memory {
    async fn shift_times(
        &self,
        token: String,
        step_ms: DurationMs,
        before: UnixMs,
    ) -> Result<DurationMs, StoreError> {
        let tables = &mut *self.tables();
        let key = format!("{CLOCK_STEP}{token}");
        if let Some(done) = tables.meta.get(&key).and_then(|text| text.parse().ok()) {
            return Ok(done);
        }
        let waits = |row: &StoredJob| match row.job.progress.state {
            JobState::Creating | JobState::Generating => true,
            JobState::Parked => row.job.progress.doubt.is_some(),
            JobState::Queued => {
                Some(row.job.progress.due_at) != row.job.run_at
                    && row.updated_at <= before
                    && (step_ms < 0 || row.job.progress.due_at > before)
            }
            JobState::Finished | JobState::Failed | JobState::Cancelled => false,
        };
        tables.change(waits, |row| row.shift(step_ms));
        tables.meta.retain(|key, _| !key.starts_with(CLOCK_STEP));
        tables.meta.insert(key, step_ms.to_string());
        Ok(step_ms)
    }

    async fn resume_times(&self, now: UnixMs) -> Result<(), StoreError> {
        let tables = &mut *self.tables();
        let is_ahead = |row: &StoredJob| {
            row.updated_at > now
                && match row.job.progress.state {
                    JobState::Creating | JobState::Generating => true,
                    JobState::Parked => row.job.progress.doubt.is_some(),
                    JobState::Queued => row.job.progress.due_at > now,
                    JobState::Finished | JobState::Failed | JobState::Cancelled => false,
                }
        };
        tables.change(is_ahead, |row| row.shift(now - row.updated_at));
        let is_unseen = |row: &StoredJob| {
            row.updated_at < now
                && match row.job.progress.state {
                    JobState::Creating => row.job.progress.doubt.is_some(),
                    JobState::Generating => true,
                    _ => false,
                }
        };
        tables.change(is_unseen, |row| {
            let unseen_ms = now - row.updated_at;
            let progress = &mut row.job.progress;
            if progress.state == JobState::Generating {
                progress.generating_since = progress.generating_since.map(|at| at + unseen_ms);
            } else if let Some(doubt) = &mut progress.doubt {
                doubt.since += unseen_ms;
                *doubt = doubt.skipping(unseen_ms);
            }
            row.updated_at = now;
        });
        Ok(())
    }

    async fn date_now(&self, now: UnixMs) -> Result<u64, StoreError> {
        let tables = &mut *self.tables();
        let misdated = |row: &StoredJob| {
            let due_at = row.job.progress.due_at;
            row.job.progress.state == JobState::Queued
                && Some(due_at) != row.job.run_at
                && due_at > now + MOMENT_MS
                && (row.updated_at > now || due_at == row.created_at)
        };
        let dated = tables.change(misdated, |row| {
            row.job.progress.due_at = now.max(row.job.run_at.unwrap_or(0));
            row.updated_at = now;
        });
        let misdated_later = |row: &StoredJob| {
            let progress = &row.job.progress;
            progress.due_at > now + LONG_WAIT_MS
                && row.updated_at > now + MOMENT_MS
                && match progress.state {
                    JobState::Generating => true,
                    JobState::Creating => progress.doubt.is_some(),
                    _ => false,
                }
        };
        let later = tables.change(misdated_later, |row| row.shift(now - row.updated_at));
        Ok((dated.len() + later.len()) as u64)
    }
}
