//! The model as a store: each question a walk over the tables.

use std::collections::{BTreeSet, HashSet};

use super::{
    Memory, Outcome,
    tables::{CreateRow, EpochRow, JobRow, StrangerRow, Tables},
};
use crate::{
    core::{
        budget::{DAY_MS, Redated, Spent, utc_day},
        gate::{Closure, Scope},
        job::{
            DurationMs, Job, JobId, JobState, ParkReason, ParserId, Progress, Requested, UnixMs,
        },
        ledger::{Elsewhere, KnownParser, LedgerFacts, Stranger},
        lifecycle::{self, Change},
        listing::Listing,
        oddities::{MOST_NAMED, Unexplained},
        outcome::ListedParser,
        remote_name::{is_tagged, tags_in},
        spec::JobSpec,
    },
    store::{
        StoreError,
        ports::{
            Accounts, Applied, Changes, Commits, Facts, Gates, Holder, Intent, JobStore, Lane,
            Ledger, Queue, QueuedJob, Strangers, Times,
        },
    },
};

/// Nobody else commits unseen: whoever changes the tables says so.
#[derive(Debug)]
pub(crate) struct Quiet;

impl Commits for Quiet {
    async fn next(&mut self) -> Result<(), StoreError> {
        std::future::pending().await
    }
}

impl JobStore for Memory {
    type Commits = Quiet;

    async fn commits(&self) -> Result<Quiet, StoreError> {
        Ok(Quiet)
    }

    fn still_has_its_file(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }
}

/// Those of a lane that are due, longest due first.
fn due(tables: &Tables, lane: Lane, now: UnixMs) -> Vec<&JobRow> {
    let mut rows: Vec<_> = waiting(tables, lane)
        .filter(|row| row.job.progress.due_at <= now)
        .collect();
    rows.sort_by_key(|row| (row.job.progress.due_at, row.job.id));
    rows
}

fn waiting(tables: &Tables, lane: Lane) -> impl Iterator<Item = &JobRow> {
    let state = match lane {
        Lane::Create => JobState::Queued,
        Lane::Reconcile => JobState::Creating,
        Lane::Poll => JobState::Generating,
    };
    let rows = tables.in_state(state);
    rows.filter(move |row| match lane {
        Lane::Create => !row.job.requested.any(),
        Lane::Reconcile => row.job.progress.doubt.is_some(),
        Lane::Poll => true,
    })
}

fn jobs<'t>(rows: impl IntoIterator<Item = &'t JobRow>, limit: usize) -> Vec<Job> {
    let rows = rows.into_iter().take(limit);
    rows.map(|row| row.job.clone()).collect()
}

impl Queue for Memory {
    async fn due_creates(&self, now: UnixMs, limit: usize) -> Result<Vec<QueuedJob>, StoreError> {
        let tables = self.tables();
        let mut rows = due(&tables, Lane::Create, now);
        rows.sort_by_key(|row| -row.priority);
        let queued = rows.into_iter().take(limit).map(|row| QueuedJob {
            job: row.job.clone(),
            spec: JobSpec::from_columns(
                &row.job.name,
                &row.urls,
                row.scraper_params.as_deref(),
                row.fields.as_deref(),
            )
            .map_err(|error| error.to_string()),
        });
        Ok(queued.collect())
    }

    async fn due_doubts(&self, now: UnixMs, limit: usize) -> Result<Vec<Job>, StoreError> {
        Ok(jobs(due(&self.tables(), Lane::Reconcile, now), limit))
    }

    async fn due_polls(&self, now: UnixMs, limit: usize) -> Result<Vec<Job>, StoreError> {
        Ok(jobs(due(&self.tables(), Lane::Poll, now), limit))
    }

    async fn count_due_polls(&self, now: UnixMs, limit: usize) -> Result<usize, StoreError> {
        Ok(due(&self.tables(), Lane::Poll, now).len().min(limit))
    }

    async fn due_polls_apart(
        &self,
        now: UnixMs,
        since: UnixMs,
        limit: usize,
    ) -> Result<Vec<Job>, StoreError> {
        let tables = self.tables();
        let rows = due(&tables, Lane::Poll, now).into_iter();
        let is_apart =
            |row: &&JobRow| row.job.progress.poll_errors > 0 || row.job.progress.due_at <= since;
        Ok(jobs(rows.filter(is_apart), limit))
    }

    async fn requested(&self, limit: usize) -> Result<Vec<Job>, StoreError> {
        let tables = self.tables();
        let rows = tables.jobs.values();
        Ok(jobs(rows.filter(|row| row.job.requested.any()), limit))
    }

    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Job>, StoreError> {
        let tables = self.tables();
        let rows = tables.jobs.values();
        Ok(jobs(
            rows.filter(|row| ids.contains(&row.job.id)),
            usize::MAX,
        ))
    }

    async fn last_finished(&self, limit: usize) -> Result<Vec<Job>, StoreError> {
        let tables = self.tables();
        let finished: Vec<_> = tables.in_state(JobState::Finished).collect();
        let first = finished.len().saturating_sub(limit);
        Ok(jobs(finished[first..].iter().copied(), limit))
    }

    async fn interrupted(&self) -> Result<Vec<Job>, StoreError> {
        let tables = self.tables();
        let rows = tables.in_state(JobState::Creating);
        Ok(jobs(
            rows.filter(|row| row.job.progress.doubt.is_none()),
            usize::MAX,
        ))
    }

    async fn next_due(&self, lane: Lane, now: UnixMs) -> Result<Option<UnixMs>, StoreError> {
        let tables = self.tables();
        let times = waiting(&tables, lane).map(|row| row.job.progress.due_at);
        Ok(times.filter(|at| *at > now).min())
    }

    async fn under_way(&self, limit: usize) -> Result<usize, StoreError> {
        let tables = self.tables();
        let rows = tables.in_state(JobState::Creating);
        let rows = rows.chain(tables.in_state(JobState::Generating));
        Ok(rows.count().min(limit))
    }

    async fn any(&self, state: JobState) -> Result<bool, StoreError> {
        Ok(self.tables().in_state(state).next().is_some())
    }

    async fn any_parked(&self, reason: ParkReason) -> Result<bool, StoreError> {
        let tables = self.tables();
        let mut rows = tables.in_state(JobState::Parked);
        Ok(rows.any(|row| row.job.progress.park_reason == Some(reason)))
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.tables().jobs.get(&id).map(|row| row.job.clone()))
    }
}

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
        if is_fresh && change.ledger == Some(lifecycle::Ledger::Intent) {
            let is_pending = |row: &CreateRow| row.outcome == Outcome::Pending;
            if tables.named(&name).any(is_pending) {
                return Err(StoreError::Failed {
                    what: "record a create before it is sent",
                    why: "UNIQUE constraint failed: creates.remote_name".to_owned(),
                });
            }
        }
        if is_fresh {
            tables.update(job, change, now);
        }
        if let Some(parser) = job
            .progress
            .parser_id
            .as_ref()
            .filter(|_| change.shows_parser)
        {
            tables.gone.remove(parser);
        }
        let refund = match &change.ledger {
            Some(lifecycle::Ledger::Made(parser)) => tables.settle_made(&name, parser, now),
            Some(lifecycle::Ledger::NotMade) if is_fresh => {
                tables.settle(&name, Outcome::Pending, Outcome::NotMade, None, now)
            }
            Some(lifecycle::Ledger::Intent) if is_fresh => {
                tables.intend(job.id, name, intent);
                None
            }
            None if is_fresh => tables.find(job.id, name, &change.next, &intent, now),
            Some(lifecycle::Ledger::Intent | lifecycle::Ledger::NotMade) | None => None,
        };
        Ok(if is_fresh {
            Applied::Durable { refund }
        } else {
            Applied::Stale
        })
    }
}

impl Tables {
    fn update(&mut self, job: &Job, change: &Change, now: UnixMs) {
        let epoch = self.epoch();
        let Some(row) = self.jobs.get_mut(&job.id) else {
            return;
        };
        if row.job.progress.parser_id != change.next.parser_id {
            row.epoch = epoch;
        }
        row.job.progress = change.next.clone();
        row.job.requested = Requested::default();
        row.job.revision += 1;
        row.updated_at = now;
        if let Some(result) = &change.example_result {
            row.example_result = Some(result.get().to_owned());
        }
        if let Some(note) = &change.note {
            self.note(job.id, now, note.event, note.detail.clone());
        }
    }

    fn intend(&mut self, job_id: JobId, remote_name: String, intent: Intent) {
        let row = CreateRow {
            id: self.creates.last().map_or(0, |row| row.id) + 1,
            job_id,
            remote_name,
            sent_at: intent.sent_at,
            credits: intent.credits,
            baseline: intent.baseline,
            outcome: Outcome::Pending,
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
        row.outcome = Outcome::Made;
        row.parser_id = Some(parser.clone());
        row.settled_at = Some(now);
        Some((-found.credits, found.made_at))
    }

    /// What the service made is never forgotten.
    fn settle_made(&mut self, name: &str, parser: &ParserId, now: UnixMs) -> Option<(i64, UnixMs)> {
        let (pending, made) = (Outcome::Pending, Outcome::Made);
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
            return self.settle(name, pending, Outcome::NotMade, None, now);
        }
        let landed = self.settle(name, Outcome::NotMade, made, Some(parser), now);
        landed.map(|(credits, at)| (-credits, at))
    }

    /// Settles the newest create of the name that is as `from` says, unless one made the parser
    /// before. Returns its credits and when they count as spent.
    fn settle(
        &mut self,
        name: &str,
        from: Outcome,
        to: Outcome,
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
        let waits = |row: &JobRow| match row.job.progress.state {
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
        let is_ahead = |row: &JobRow| {
            row.updated_at > now
                && match row.job.progress.state {
                    JobState::Creating | JobState::Generating => true,
                    JobState::Parked => row.job.progress.doubt.is_some(),
                    JobState::Queued => row.job.progress.due_at > now,
                    JobState::Finished | JobState::Failed | JobState::Cancelled => false,
                }
        };
        tables.change(is_ahead, |row| row.shift(now - row.updated_at));
        let is_unseen = |row: &JobRow| {
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
        let misdated = |row: &JobRow| {
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
        let misdated_later = |row: &JobRow| {
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

impl Ledger for Memory {
    async fn ledger(&self, remote_name: &str) -> Result<LedgerFacts, StoreError> {
        let tables = self.tables();
        let mut facts = LedgerFacts::default();
        for row in tables.named(remote_name) {
            facts.was_sent = true;
            facts.newest = row.id;
            facts.is_elsewhere = tables.is_elsewhere(row.epoch);
            match (row.outcome, &row.parser_id) {
                (Outcome::Made, Some(id)) => {
                    facts.made.push(id.clone());
                    facts.made_baseline.extend(row.baseline.iter().cloned());
                }
                (Outcome::Pending, _) => {
                    facts.pending = true;
                    facts.baseline = row.baseline.clone();
                }
                (Outcome::Made | Outcome::NotMade, _) => {
                    facts.refuted_baseline = Some(row.baseline.clone());
                }
            }
        }
        Ok(facts)
    }

    async fn claimed(&self, ids: &[ParserId], but: JobId) -> Result<HashSet<ParserId>, StoreError> {
        let tables = self.tables();
        let is_claimed = |id: &&ParserId| tables.holding(id).any(|row| row.job.id != but);
        Ok(ids.iter().filter(is_claimed).cloned().collect())
    }

    async fn is_anothers(
        &self,
        id: &ParserId,
        job: JobId,
        remote_name: &str,
    ) -> Result<bool, StoreError> {
        let tables = self.tables();
        let named = tables.named(remote_name);
        let pending = named.filter(|row| row.outcome == Outcome::Pending);
        let pending = pending.map(|row| row.id).max().unwrap_or(0);
        Ok(tables.holding(id).any(|row| row.job.id != job)
            || tables.making(id).any(|row| row.remote_name != remote_name)
            || (tables.strangers.get(id)).is_some_and(|row| row.seen_with < pending))
    }

    async fn holders(&self, ids: &[&ParserId]) -> Result<Vec<Holder>, StoreError> {
        let tables = self.tables();
        let holders = ids.iter().flat_map(|id| {
            tables.holding(id).map(|row| Holder {
                id: row.job.id,
                parser_id: (*id).clone(),
                is_generating: row.job.progress.state == JobState::Generating,
            })
        });
        Ok(holders.collect())
    }

    async fn known_parsers(&self) -> Result<Vec<KnownParser>, StoreError> {
        let tables = self.tables();
        let of_jobs = tables.jobs.values().filter_map(|row| {
            let id = row.job.progress.parser_id.clone()?;
            let settled = tables
                .making(&id)
                .filter_map(|create| create.settled_at)
                .max();
            let since = settled.or(row.job.progress.generating_since);
            let known = KnownParser {
                id,
                remote_name: row.job.progress.remote_name.clone(),
                known_since: since.unwrap_or(row.created_at),
            };
            Some((row.epoch, known))
        });
        let of_creates = tables.creates.iter().filter_map(|row| {
            let known = KnownParser {
                id: row.parser_id.clone()?,
                remote_name: None,
                known_since: row.settled_at?,
            };
            Some((row.epoch, known))
        });
        let mut seen = HashSet::new();
        let known = of_jobs.chain(of_creates).filter(|(epoch, known)| {
            !tables.is_elsewhere(*epoch)
                && !tables.gone.contains(&known.id)
                && seen.insert(known.id.clone())
        });
        Ok(known.map(|(_, known)| known).collect())
    }

    async fn gone_parsers(&self) -> Result<HashSet<ParserId>, StoreError> {
        Ok(self.tables().gone.iter().cloned().collect())
    }

    async fn mark_found(&self, id: ParserId) -> Result<(), StoreError> {
        self.tables().gone.remove(&id);
        Ok(())
    }

    async fn mark_gone(&self, id: ParserId, _now: UnixMs) -> Result<(), StoreError> {
        self.tables().gone.insert(id);
        Ok(())
    }

    async fn sent_names(&self, id: JobId) -> Result<Vec<String>, StoreError> {
        let tables = self.tables();
        let mut names: Vec<String> = Vec::new();
        for row in tables.creates.iter().rev().filter(|row| row.job_id == id) {
            if !names.contains(&row.remote_name) {
                names.push(row.remote_name.clone());
            }
        }
        Ok(names)
    }

    async fn spent(&self, now: UnixMs) -> Result<Spent, StoreError> {
        let tables = self.tables();
        let (today, tomorrow) = (utc_day(now) * DAY_MS, (utc_day(now) + 1) * DAY_MS);
        let sum = |counts: &dyn Fn(&CreateRow) -> bool| {
            let spent = tables.creates.iter();
            let spent = spent.filter(|row| row.outcome != Outcome::NotMade && counts(row));
            spent.map(|row| row.credits).sum()
        };
        Ok(Spent {
            in_all: sum(&|_| true),
            today: sum(&|row| row.spent_at() >= today),
            later: sum(&|row| row.spent_at() >= tomorrow),
            redated: sum(&|row| row.spent_at() >= today && row.spent_at() < row.sent_at),
        })
    }

    async fn count_redated(&self, now: UnixMs, after: UnixMs) -> Result<Redated, StoreError> {
        let tables = &mut *self.tables();
        let mut redated = Redated {
            creates: 0,
            credits: 0,
        };
        let ahead = |row: &&mut CreateRow| row.sent_at > after && row.counted_at.is_none();
        for row in tables.creates.iter_mut().filter(ahead) {
            row.counted_at = Some(now);
            redated.creates += 1;
            if row.outcome != Outcome::NotMade {
                redated.credits += row.credits;
            }
        }
        Ok(redated)
    }

    async fn knows_until(&self) -> Result<UnixMs, StoreError> {
        let tables = self.tables();
        let peoples = ["queued", "requeued", "cancelled", "changed"];
        let mut events = tables.events.iter();
        let event = events.rfind(|row| !peoples.contains(&row.event.as_str()));
        let sent = tables.creates.last().map_or(0, |row| row.sent_at);
        Ok(event.map_or(0, |row| row.at).max(sent))
    }
}

impl Accounts for Memory {
    async fn begin_epoch(&self, fingerprint: String, now: UnixMs) -> Result<bool, StoreError> {
        let tables = &mut *self.tables();
        let last = tables.epochs.last();
        if last.is_some_and(|last| last.fingerprint == fingerprint) {
            return Ok(false);
        }
        let is_another = last.is_some();
        let known = tables.epochs.iter();
        let known = known.filter(|row| row.fingerprint == fingerprint);
        let newest = tables.epochs.iter().map(|row| row.account).max();
        let account = known.map(|row| row.account).max();
        tables.epochs.push(EpochRow {
            since: now,
            fingerprint,
            account: account.unwrap_or(newest.map_or(0, |newest| newest + 1)),
        });
        tables.take_up_doubts(now);
        Ok(is_another)
    }

    async fn has_epochs(&self) -> Result<bool, StoreError> {
        Ok(!self.tables().epochs.is_empty())
    }

    async fn is_foreign(&self, id: &ParserId) -> Result<bool, StoreError> {
        let tables = self.tables();
        let is_here = |row: &CreateRow| !tables.is_elsewhere(row.epoch);
        let mut jobs = tables.jobs.values();
        let is_held = jobs.any(|row| {
            row.job.progress.parser_id.as_ref() == Some(id) && tables.is_elsewhere(row.epoch)
        });
        let is_made = tables.making(id).next().is_some();
        Ok((is_made || is_held) && !tables.making(id).any(is_here))
    }

    async fn names_sent_for(&self, id: &ParserId) -> Result<Vec<Option<String>>, StoreError> {
        let tables = self.tables();
        let of_creates = tables.making(id).map(|row| Some(row.remote_name.clone()));
        let jobs = tables.jobs.values().map(|row| &row.job.progress);
        let of_jobs = jobs
            .filter(|progress| progress.parser_id.as_ref() == Some(id))
            .map(|progress| progress.remote_name.clone());
        let names: BTreeSet<_> = of_creates.chain(of_jobs).collect();
        Ok(names.into_iter().collect())
    }

    async fn foreign_parsers(&self) -> Result<Vec<ParserId>, StoreError> {
        let tables = self.tables();
        let creates = tables.creates.iter();
        let of_creates = creates.map(|row| (row.epoch, &row.parser_id));
        let jobs = tables.jobs.values();
        let of_jobs = jobs.map(|row| (row.epoch, &row.job.progress.parser_id));
        let foreign: BTreeSet<_> = of_creates
            .chain(of_jobs)
            .filter(|(epoch, _)| tables.is_elsewhere(*epoch))
            .filter_map(|(_, id)| id.clone())
            .collect();
        Ok(foreign.into_iter().collect())
    }

    async fn join_accounts(&self, seen: ParserId, now: UnixMs) -> Result<usize, StoreError> {
        let tables = &mut *self.tables();
        let of_creates = tables.making(&seen).map(|row| row.epoch);
        let jobs = tables.jobs.values();
        let holding = jobs.filter(|row| row.job.progress.parser_id.as_ref() == Some(&seen));
        let epochs: BTreeSet<_> = of_creates.chain(holding.map(|row| row.epoch)).collect();
        let accounts: BTreeSet<_> = (0..)
            .zip(&tables.epochs)
            .filter(|(epoch, _)| epochs.contains(epoch))
            .map(|(_, row)| row.account)
            .collect();
        if let Some(now) = tables.epochs.last().map(|row| row.account) {
            let joined = tables.epochs.iter_mut();
            for row in joined.filter(|row| accounts.contains(&row.account)) {
                row.account = now;
            }
        }
        Ok(tables.take_up_doubts(now))
    }

    async fn elsewhere(&self) -> Result<Option<Elsewhere>, StoreError> {
        let tables = self.tables();
        if !tables.has_elsewhere() {
            return Ok(None);
        }
        let creates = |outcome| {
            let rows = tables.creates.iter();
            let rows = rows.filter(|row| row.outcome == outcome && tables.is_elsewhere(row.epoch));
            i64::try_from(rows.count()).unwrap_or(i64::MAX)
        };
        let generating = tables.in_state(JobState::Generating);
        let generating = generating.filter(|row| tables.is_elsewhere(row.epoch));
        let found = Elsewhere {
            generating: i64::try_from(generating.count()).unwrap_or(i64::MAX),
            in_doubt: creates(Outcome::Pending),
            made: creates(Outcome::Made),
            since: tables.epochs.last().map_or(0, |row| row.since),
        };
        let is_any = found.generating + found.in_doubt + found.made > 0;
        Ok(is_any.then_some(found))
    }
}

impl Tables {
    /// The name of the ledger whose tag a listed parser bears, or that it has, or that of a
    /// job's parser which bears the same tag.
    fn ledger_name(&self, parser: &ListedParser, listing: &Listing) -> Option<String> {
        let tags = tags_in(&parser.name);
        let tagged = tags.iter().find_map(|tag| {
            let mut creates = self.creates.iter();
            creates.find(|row| row.remote_name.as_bytes().ends_with(tag))
        });
        let named = || self.named(&parser.name).next();
        if let Some(row) = tagged.or_else(named) {
            return Some(row.remote_name.clone());
        }
        let twins = tags.iter().flat_map(|tag| listing.with_tag(*tag));
        let mut twins = twins.filter(|twin| twin.id != parser.id);
        twins.find_map(|twin| {
            let mut holders = self.holding(&twin.id);
            holders.find_map(|row| row.job.progress.remote_name.clone())
        })
    }
}

impl Strangers for Memory {
    async fn meet(
        &self,
        listed: &[&ListedParser],
        listing: &Listing,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let tables = &mut *self.tables();
        let seen_with = tables.creates.last().map_or(0, |row| row.id);
        for parser in listed {
            let remote_name = tables.ledger_name(parser, listing);
            let is_another_databases = remote_name.is_none() && is_tagged(&parser.name);
            if tables.is_explained(&parser.id) || is_another_databases {
                continue;
            }
            let stranger = StrangerRow {
                name: parser.name.clone(),
                remote_name,
                seen_with,
                seen_at: now,
            };
            tables
                .strangers
                .entry(parser.id.clone())
                .or_insert(stranger);
        }
        Ok(())
    }

    async fn part_from(&self, ids: Vec<ParserId>) -> Result<(), StoreError> {
        self.tables().strangers.retain(|id, _| !ids.contains(id));
        Ok(())
    }

    async fn strangers_since(&self, create_id: i64) -> Result<Vec<ParserId>, StoreError> {
        let tables = self.tables();
        let strangers = tables.strangers.iter().filter(|(id, row)| {
            row.seen_with >= create_id && row.remote_name.is_none() && !tables.is_explained(id)
        });
        Ok(strangers.map(|(id, _)| id.clone()).collect())
    }

    async fn met(&self) -> Result<HashSet<ParserId>, StoreError> {
        Ok(self.tables().strangers.keys().cloned().collect())
    }

    async fn unexplained_of_ledger(&self) -> Result<Unexplained, StoreError> {
        let tables = self.tables();
        let is_pending = |name: &str| {
            let mut creates = tables.named(name);
            creates.any(|row| row.outcome == Outcome::Pending)
        };
        let mut strangers: Vec<_> = tables
            .strangers
            .iter()
            .filter(|(id, row)| {
                (row.remote_name.as_deref()).is_some_and(|name| !is_pending(name))
                    && !tables.is_explained(id)
            })
            .collect();
        strangers.sort_by_key(|(id, row)| (-row.seen_with, (*id).clone()));
        let first = strangers.iter().take(MOST_NAMED).map(|(id, row)| Stranger {
            id: (*id).clone(),
            name: row.name.clone(),
            remote_name: row.remote_name.clone(),
            seen_at: row.seen_at,
        });
        Ok(Unexplained {
            count: i64::try_from(strangers.len()).unwrap_or(i64::MAX),
            first: first.collect(),
        })
    }
}

impl Gates for Memory {
    async fn gates(&self) -> Result<Vec<(Scope, Closure)>, StoreError> {
        let tables = self.tables();
        let gates = tables.gates.iter();
        Ok(gates.map(|(scope, closure)| (*scope, *closure)).collect())
    }

    async fn set_gate(&self, scope: Scope, closure: Option<Closure>) -> Result<(), StoreError> {
        let tables = &mut *self.tables();
        match closure {
            Some(closure) => drop(tables.gates.insert(scope, closure)),
            None => drop(tables.gates.remove(&scope)),
        }
        Ok(())
    }

    async fn update_gate(&self, scope: Scope, closure: Closure) -> Result<bool, StoreError> {
        let tables = &mut *self.tables();
        let gate = tables.gates.get_mut(&scope);
        let is_closed = gate.is_some();
        if let Some(gate) = gate {
            *gate = closure;
        }
        Ok(is_closed)
    }

    async fn unpark(&self, reason: ParkReason, limit: i64, now: UnixMs) -> Result<i64, StoreError> {
        let tables = &mut *self.tables();
        let mut parked: Vec<_> = tables
            .in_state(JobState::Parked)
            .map(|row| &row.job)
            .filter(|job| job.progress.park_reason == Some(reason) && job.progress.doubt.is_none())
            .map(|job| (job.progress.due_at, job.id))
            .collect();
        parked.sort_unstable();
        parked.truncate(usize::try_from(limit).unwrap_or(0));
        let is_meant = |row: &JobRow| parked.iter().any(|(_, id)| *id == row.job.id);
        let freed = tables.change(is_meant, |row| {
            let progress = &mut row.job.progress;
            progress.state = JobState::Queued;
            progress.park_reason = None;
            progress.error_status = None;
            progress.error_message = None;
            progress.error_hint = None;
            progress.due_at = now.max(row.job.run_at.unwrap_or(0));
            row.updated_at = now;
        });
        for id in &freed {
            tables.note_unparked(*id, reason, now);
        }
        Ok(i64::try_from(freed.len()).unwrap_or(i64::MAX))
    }

    async fn held_rejections(&self) -> Result<Vec<(u16, String)>, StoreError> {
        let tables = self.tables();
        let parked = tables
            .in_state(JobState::Parked)
            .map(|row| &row.job.progress);
        let held = parked.filter(|progress| progress.park_reason == Some(ParkReason::Credits));
        let said: BTreeSet<_> = held
            .filter_map(|progress| progress.error_status.zip(progress.error_message.clone()))
            .filter(|(status, _)| ![402, 403].contains(status))
            .collect();
        Ok(said.into_iter().collect())
    }
}

impl Facts for Memory {
    async fn meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        Ok(self.tables().meta.get(key).cloned())
    }

    async fn set_meta(&self, key: &'static str, value: String) -> Result<(), StoreError> {
        self.tables().meta.insert(key.to_owned(), value);
        Ok(())
    }
}
