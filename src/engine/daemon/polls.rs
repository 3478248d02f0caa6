//! Claims of polls: one by one while few are due, by lists of the account while many are.

use std::{collections::VecDeque, sync::Arc};

use tokio::task::Id;

use super::{BATCH, Daemon, Yield};
use crate::{
    api::Service,
    core::{
        gate::Scope,
        job::{Job, JobId, JobState},
        schedule::DuePolls,
    },
    engine::worker::{
        Done,
        survey::{self, Seen, Survey},
    },
    store::{JobStore, Lane, StoreError},
};

/// So many parsers in a row that were done, and that the list just before did not show so,
/// are not chance.
const CONTRADICTIONS: u32 = 2;

/// Where the lists stand.
#[derive(Debug, Default)]
pub(super) struct Surveys {
    /// The task that asks for one.
    task: Option<Id>,
    /// How many parsers the last one showed.
    items: usize,
    /// The job that is asked for by itself, to see whether lists tell the truth.
    probe: Option<JobId>,
    /// How many probes in a row found what the list before them did not show.
    contradicted: u32,
    /// Jobs to be polled now: a list showed news of them.
    pub(super) found: VecDeque<JobId>,
    seen: Seen,
}

impl<S: Service, D: JobStore> Daemon<S, D> {
    /// Gives the next claimed job to a worker, unless the gate has just closed.
    pub(super) fn start_poll(&mut self) {
        let now = self.worker.clock.now();
        let Some(permit) = self.worker.account.admit(Scope::Read, now) else {
            return;
        };
        let Some(job) = self.polls.pop_front() else {
            return;
        };
        self.agenda.poll_started();
        let worker = Arc::clone(&self.worker);
        self.start(Lane::Poll, vec![job.id], async move {
            let done = worker.poll(job, permit).await?;
            Ok(Yield::Done(vec![done]))
        });
    }

    /// Jobs that a list showed news of.
    pub(super) async fn claim_found(&mut self) -> Result<(), StoreError> {
        let ids: Vec<_> = self.surveys.found.iter().take(BATCH).copied().collect();
        let mut jobs = self.worker.store.jobs(&ids).await?;
        jobs.retain(|job| job.progress.state == JobState::Generating);
        self.surveys.found.drain(..ids.len());
        self.lease_polls(jobs);
        Ok(())
    }

    /// Right after a list: a due parser that it showed as being generated is asked for by
    /// itself.
    pub(super) async fn claim_probe(&mut self) -> Result<(), StoreError> {
        if !self.agenda.take_probe() {
            return Ok(());
        }
        let now = self.worker.clock.now();
        let limit = 1 + self.leased.len() + self.surveys.found.len();
        let due = self.worker.store.due_polls(now, limit).await?;
        let is_free =
            |job: &Job| !self.leased.contains(&job.id) && !self.surveys.found.contains(&job.id);
        let probe = due.into_iter().find(is_free);
        self.surveys.probe = probe.as_ref().map(|job| job.id);
        self.lease_polls(probe.into_iter().collect());
        Ok(())
    }

    /// What is due, or what of it no list will answer for.
    pub(super) async fn claim_polls(&mut self) -> Result<(), StoreError> {
        let now = self.worker.clock.now();
        let store = &self.worker.store;
        let may_list = self.agenda.may_survey(now) && now >= self.worker.lists.retry_at();
        let most = survey::most_single_polls(self.limits.single_polls, self.surveys.items);
        let are_many = may_list && store.count_due_polls(now, most + 1).await? > most;
        let limit = BATCH + self.leased.len();
        let due = if are_many {
            let since = now.saturating_sub(survey::TRUST_MS);
            store.due_polls_apart(now, since, limit).await?
        } else {
            store.due_polls(now, limit).await?
        };
        let may_be_more = due.len() >= limit;
        let next_due = if are_many || may_be_more {
            None
        } else {
            store.next_due(Lane::Poll, now).await?
        };
        let found = DuePolls {
            are_many,
            may_be_more,
            next_due,
        };
        self.agenda.polls_claimed(found, now);
        self.lease_polls(due);
        Ok(())
    }

    fn lease_polls(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            if self.leased.insert(job.id) {
                self.polls.push_back(job);
            }
        }
    }

    /// Asks for a list that answers for what is due.
    pub(super) fn start_survey(&mut self) {
        let now = self.worker.clock.now();
        let Some(permit) = self.worker.account.admit(Scope::Read, now) else {
            self.agenda.survey_refused();
            return;
        };
        self.agenda.survey_started();
        let seen = std::mem::take(&mut self.surveys.seen);
        let worker = Arc::clone(&self.worker);
        let id = self.start(Lane::Poll, Vec::new(), async move {
            Ok(Yield::Survey(worker.survey(permit, seen).await?))
        });
        self.surveys.task = Some(id);
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
            let now = self.worker.clock.now();
            self.agenda
                .surveys_lie(now.saturating_add(survey::TRUST_MS));
        }
    }

    /// A task ended, however it did: maybe the one that asked for a list.
    pub(super) fn survey_ended(&mut self, task: Id) {
        if self.surveys.task == Some(task) {
            self.surveys.task = None;
            self.agenda.survey_ended();
        }
    }

    /// Takes in what a list said, or that there was none.
    pub(super) fn surveyed(&mut self, survey: Option<Survey>) {
        let now = self.worker.clock.now();
        let surveys = &mut self.surveys;
        let Some(survey) = survey else {
            self.agenda.survey_failed();
            return;
        };
        tracing::debug!(
            items = survey.items,
            found = survey.found.len(),
            elapsed_ms = survey.took_ms,
            "a list answered for the parsers being generated"
        );
        let next_at = now.saturating_add(survey::pause_ms(survey.took_ms));
        self.agenda.surveyed(next_at);
        if survey.generating + survey.found.len() == 0 {
            // Parsers are due and it shows none: it is partial, or another account's.
            let until = now.saturating_add(survey::TRUST_MS);
            self.agenda.surveys_useless(until);
        }
        surveys.items = survey.items;
        surveys.seen = survey.seen;
        surveys.found.extend(survey.found);
    }
}
