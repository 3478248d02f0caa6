//! Decide -> apply: what happened to a job becomes its next state, stored, told and counted.

use std::{
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

use super::{Done, Stop, Worker};
use crate::{
    api::Service,
    core::{
        gate::Signal,
        job::{DurationMs, Job, UnixMs},
        lifecycle::{Change, Event, Policy, Transition, decide},
        outcome::Refusal,
        pace::{Generation, Pace},
        repeats::Repeats,
        rules::Rule,
    },
    engine::account::Permit,
    store::{Applied, Intent, JobStore, StoreError},
};

/// The pauses between attempts to store what the service said, from and to.
const STORE_RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

impl<S: Service, D: JobStore> Worker<S, D> {
    /// Something happened to a job that says nothing of the account.
    pub(crate) async fn handle_event(
        &self,
        job: &mut Job,
        event: Event,
    ) -> Result<Done, StoreError> {
        if let Some(change) = self.transition(job, event) {
            self.apply(job, change, Intent::default()).await?;
        }
        Ok(Done::of(job))
    }

    /// The decision, or nothing where the event cannot concern the job.
    pub(crate) fn transition(&self, job: &Job, event: Event) -> Option<Change> {
        let now = self.clock.now();
        let policy = Policy {
            first_look_ms: self.pace().first_look_ms(),
            settle_after_error_ms: self.settle_after_error_ms(now),
            ..self.policy.clone()
        };
        match decide(job, event, &policy, now, fastrand::f64()) {
            Transition::Change(change) => Some(*change),
            Transition::Ignored(why) => {
                tracing::debug!(job = job.id.0, state = %job.progress.state, why, "event ignored");
                None
            }
        }
    }

    /// The settling time after a 500: the short one only where lists were seen to be quick.
    fn settle_after_error_ms(&self, now: UnixMs) -> DurationMs {
        let policy = &self.policy;
        if !policy.rules.keep(Rule::QuickList) {
            return policy.settle_after_error_ms;
        }
        if self
            .lag()
            .lag_samples()
            .is_quick(policy.settle_after_error_ms, now)
        {
            policy.settle_after_error_ms
        } else {
            policy.settle_ms.max(policy.settle_after_error_ms)
        }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        // No code that can panic runs under the lock.
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn report(&self, change: &Change, permit: &mut Permit) {
        if let Some(signal) = &change.signal {
            self.account.report(permit, signal, self.clock.now());
        }
    }

    /// Stores the gates. That they are stored is a convenience for the next process:
    /// failing to is told and nothing worse.
    pub(crate) async fn after_report(&self) {
        if let Err(error) = self.account.save(&self.store).await {
            tracing::error!(%error, "cannot store the gates: tried again with the next answer");
        }
    }

    /// Stores the gates before a job that met a `Retry-After`: only a gate keeps that, and of a
    /// crash in between the next process would see nothing but a job that is due.
    pub(super) async fn keep_wish(&self, change: &Change) {
        if let Some(Signal::Refused(Refusal::Throttled { .. })) = change.signal {
            self.after_report().await;
        }
    }

    /// Stores a change and brings `job` up to date with it.
    pub(crate) async fn apply(
        &self,
        job: &mut Job,
        change: Change,
        intent: Intent,
    ) -> Result<Applied, StoreError> {
        let applied = self
            .store
            .apply(job, &change, intent, self.clock.now())
            .await
            .inspect_err(|_| self.account.distrust_count())?;
        match &applied {
            Applied::Durable { refund } => {
                if let Some((credits, sent_at)) = refund {
                    self.account.refund(*credits, *sent_at);
                }
                let now = self.clock.now();
                self.metrics.applied(&job.progress, &change.next, now);
                if let Some(generation) = Generation::of(&change.next) {
                    self.pace().learn(generation);
                }
                job.revision += 1;
                job.progress = change.next;
            }
            Applied::Stale => {
                if change.ledger.is_some() {
                    // The ledger may have been kept anyway.
                    self.account.distrust_count();
                }
                tracing::info!(
                    job = job.id.0,
                    name = job.name,
                    "the job was changed meanwhile"
                );
                if let Some(fresh) = self.store.job(job.id).await? {
                    *job = fresh;
                }
            }
        }
        Ok(applied)
    }

    /// Stores what the service said of a create, however long the database refuses:
    /// an id that was paid for must not be lost. Gives up only when told to, and
    /// then reconciliation finds the parser again.
    pub(super) async fn persist_with_retry(
        &self,
        job: &mut Job,
        change: Change,
    ) -> Result<(), StoreError> {
        let mut stop = self.stop.clone();
        let mut pause = STORE_RETRY.0;
        let mut repeats = Repeats::default();
        let mut has_failed = false;
        loop {
            let Err(error) = self.apply(job, change.clone(), Intent::default()).await else {
                if has_failed {
                    let (job, name) = (job.id.0, &job.name);
                    tracing::info!(job, name, "what the service said is stored now");
                }
                return Ok(());
            };
            has_failed = true;
            let parser_id = change.next.parser_id.as_ref().map(|id| id.0.as_str());
            // Each parser's id is logged, as nothing else holds it yet; not with each attempt, since
            // the log may fill the very disk that is full.
            let why = error.to_string();
            if let Some(times) = repeats.came("answer", &why, self.clock.now()) {
                tracing::error!(
                    job = job.id.0, name = job.name, state = %change.next.state, parser_id, times,
                    "cannot store what the service said, and tries again until it is stored: {error}"
                );
            }
            if *stop.borrow() == Stop::Abandon || matches!(error, StoreError::Closed) {
                return Err(error);
            }
            // Woken early by the word to give up, or by its sender's end: either way
            // the next round decides.
            tokio::select! {
                biased;
                _ = stop.changed() => {}
                () = self.clock.sleep(pause) => {}
            }
            pause = (pause * 2).min(STORE_RETRY.1);
        }
    }
}
