//! Claims of polls: one by one while few are due, by lists of the account while many are.

use std::{collections::VecDeque, sync::Arc};

use tokio::task::Id;

use super::{BATCH, Daemon, Yield};
use crate::{
    api::Service,
    core::{
        gate::Scope,
        job::{Job, JobId, UnixMs},
    },
    engine::worker::{
        Done,
        survey::{self, Seen, Survey},
    },
    store::{JobStore, Lane, StoreError},
};

/// So many parsers in a row that were done, and that the list just before did not show so,
/// are no chance.
const CONTRADICTIONS: u32 = 2;

/// Where the lists stand.
#[derive(Debug, Default)]
pub(super) struct Surveys {
    /// Whether lists answer for what is due.
    is_on: bool,
    /// The task that asks for one.
    task: Option<Id>,
    /// When the next one is asked for.
    next_at: UnixMs,
    /// Before this, parsers are asked for one by one: the last list was of no use.
    useless_until: UnixMs,
    /// How many parsers the last one showed.
    items: usize,
    /// A job that the last one showed as being generated is to be asked for by itself.
    wants_probe: bool,
    /// The job that is asked for by itself, to see whether lists tell the truth.
    probe: Option<JobId>,
    /// How many probes in a row found what the list before them did not show.
    contradicted: u32,
    /// Jobs to be polled now: a list showed news of them.
    found: VecDeque<JobId>,
    seen: Seen,
}

impl<S: Service, D: JobStore> Daemon<S, D> {
    pub(super) async fn start_poll(&mut self) -> Result<bool, StoreError> {
        let now = self.worker.clock.now();
        if self.polls.jobs.is_empty() {
            self.claim_found().await?;
        }
        if self.polls.jobs.is_empty() && now >= self.polls.look_at {
            self.claim_probe(now).await?;
            self.claim_polls(now).await?;
            if self.start_survey(now) {
                return Ok(true);
            }
        }
        if self.polls.jobs.is_empty() {
            return Ok(false);
        }
        let Some(pass) = self.worker.account.admit(Scope::Read, now) else {
            return Ok(false);
        };
        let Some(job) = self.polls.jobs.pop_front() else {
            return Ok(false);
        };
        let worker = Arc::clone(&self.worker);
        self.start(Lane::Poll, vec![job.id], async move {
            let done = worker.poll(job, pass).await?;
            Ok(Yield::Done(vec![done]))
        });
        Ok(true)
    }

    /// Jobs that a list showed news of.
    async fn claim_found(&mut self) -> Result<(), StoreError> {
        while self.polls.jobs.is_empty() && !self.surveys.found.is_empty() {
            let found = &self.surveys.found;
            let ids: Vec<_> = found.iter().take(BATCH).copied().collect();
            let jobs = self.worker.store.generating(&ids).await?;
            self.surveys.found.drain(..ids.len());
            self.lease_polls(jobs);
        }
        Ok(())
    }

    /// Right after a list: a due parser that it showed as being generated is asked for by
    /// itself.
    async fn claim_probe(&mut self, now: UnixMs) -> Result<(), StoreError> {
        let surveys = &mut self.surveys;
        if !std::mem::take(&mut surveys.wants_probe) || !surveys.is_on {
            return Ok(());
        }
        let limit = 1 + self.leased.len() + surveys.found.len();
        let due = self.worker.store.due_polls(now, limit).await?;
        let is_free =
            |job: &Job| !self.leased.contains(&job.id) && !self.surveys.found.contains(&job.id);
        let probe = due.into_iter().find(is_free);
        self.surveys.probe = probe.as_ref().map(|job| job.id);
        self.lease_polls(probe.into_iter().collect());
        Ok(())
    }

    /// What is due, or what of it no list will answer for.
    async fn claim_polls(&mut self, now: UnixMs) -> Result<(), StoreError> {
        let store = &self.worker.store;
        let surveys = &mut self.surveys;
        if surveys.is_on && now < surveys.next_at {
            self.polls.look_at = surveys.next_at;
            return Ok(());
        }
        let may_list = now >= surveys.useless_until.max(self.worker.lists.retry_at());
        let most = survey::most_single_polls(self.limits.single_polls, surveys.items);
        surveys.is_on = may_list && store.count_due_polls(now, most + 1).await? > most;
        let limit = BATCH + self.leased.len();
        let is_on = surveys.is_on;
        let due = if is_on {
            let since = now.saturating_sub(survey::TRUST_MS);
            store.due_polls_apart(now, since, limit).await?
        } else {
            store.due_polls(now, limit).await?
        };
        self.polls.look_at = if due.len() >= limit {
            now
        } else if is_on && now < surveys.next_at {
            // Lists answer again, soon after the last one.
            surveys.next_at
        } else if is_on {
            // The end of the list sets it.
            UnixMs::MAX
        } else {
            let next = store.next_due(Lane::Poll, now).await?;
            next.unwrap_or(UnixMs::MAX)
        };
        self.lease_polls(due);
        Ok(())
    }

    fn lease_polls(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            if self.leased.insert(job.id) {
                self.polls.jobs.push_back(job);
            }
        }
    }

    /// Asks for a list, if lists are to answer and none is under way.
    fn start_survey(&mut self, now: UnixMs) -> bool {
        if !self.surveys.is_on || self.surveys.task.is_some() || now < self.surveys.next_at {
            return false;
        }
        let Some(pass) = self.worker.account.admit(Scope::Read, now) else {
            // As soon as the gate opens.
            self.polls.look_at = now;
            return false;
        };
        let seen = std::mem::take(&mut self.surveys.seen);
        let worker = Arc::clone(&self.worker);
        let id = self.start(Lane::Poll, Vec::new(), async move {
            Ok(Yield::Survey(worker.survey(pass, seen).await?))
        });
        self.surveys.task = Some(id);
        true
    }

    /// A job was polled: maybe the one that lists are held against.
    pub(super) fn probed(&mut self, done: Done) {
        let surveys = &mut self.surveys;
        if surveys.probe != Some(done.id) {
            return;
        }
        surveys.probe = None;
        let still_generating = matches!(done.waits, Some((Lane::Poll, _)));
        surveys.contradicted = if still_generating {
            0
        } else {
            surveys.contradicted + 1
        };
        if surveys.contradicted >= CONTRADICTIONS {
            tracing::warn!(
                "lists show parsers as being generated that are not: each is asked for by itself"
            );
            surveys.contradicted = 0;
            surveys.is_on = false;
            let now = self.worker.clock.now();
            surveys.useless_until = now.saturating_add(survey::TRUST_MS);
            self.polls.look_at = 0;
        }
    }

    /// A task ended, however it did: maybe the one that asked for a list.
    pub(super) fn survey_ended(&mut self, task: Id) {
        if self.surveys.task == Some(task) {
            self.surveys.task = None;
            self.polls.look_at = 0;
        }
    }

    /// Takes in what a list said, or that there was none.
    pub(super) fn surveyed(&mut self, survey: Option<Survey>) {
        let now = self.worker.clock.now();
        let surveys = &mut self.surveys;
        let Some(survey) = survey else {
            surveys.is_on = false;
            return;
        };
        tracing::debug!(
            items = survey.items,
            found = survey.found.len(),
            elapsed_ms = survey.took_ms,
            "a list answered for the parsers being generated"
        );
        surveys.next_at = now.saturating_add(survey::pause_ms(survey.took_ms));
        if survey.generating + survey.found.len() == 0 {
            // Parsers are due and it shows none: it is partial, or another account's.
            surveys.useless_until = now.saturating_add(survey::TRUST_MS);
        }
        surveys.wants_probe = true;
        surveys.items = survey.items;
        surveys.seen = survey.seen;
        surveys.found.extend(survey.found);
    }
}
