//! Claims of polls: one by one while few are due, by lists of the account while many are.

use std::{collections::VecDeque, sync::Arc};

use tokio::task::Id;

use super::{BATCH, Daemon, Yield};
use crate::{
    api::Service,
    gate::Scope,
    job::{Job, JobId, UnixMs},
    store::{Lane, StoreError},
    survey::{self, Seen, Survey},
};

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
    /// Jobs to be polled now: a list showed news of them.
    found: VecDeque<JobId>,
    seen: Seen,
}

impl<S: Service> Daemon<S> {
    pub(super) async fn start_poll(&mut self) -> Result<bool, StoreError> {
        let now = self.worker.clock.now();
        if self.polls.jobs.is_empty() {
            self.claim_found().await?;
        }
        if self.polls.jobs.is_empty() && now >= self.polls.look_at {
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
        surveys.items = survey.items;
        surveys.seen = survey.seen;
        surveys.found.extend(survey.found);
    }
}
