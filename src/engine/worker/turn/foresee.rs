//! Before a create is paid for its example pages are looked at, where that is wanted. What was found
//! is stored, and the turn begins anew with a list that is not as old as the fetches took.

use std::sync::atomic::AtomicI64;

use super::{Claimed, Cleared, Ended, Turn};
use crate::{
    api::Service,
    core::{
        job::{Job, JobState, UnixMs},
        lifecycle::Event,
        preflight::{Mode, Record},
        spec::JobSpec,
    },
    engine::{
        foresight::{Asker, Foresight, Looked},
        worker::Done,
    },
    store::{JobStore, StoreError},
};

/// Whether anything had to be looked at.
#[derive(Debug)]
pub(super) enum Outlook {
    /// Nothing.
    Had(Box<Cleared>),
    /// It was, nothing speaks against the create, and that is on record.
    Gained(Box<Claimed>),
}

impl<S: Service, D: JobStore> Turn<'_, S, D> {
    /// Goes on to the create where nothing speaks against it.
    pub(super) async fn foresee(&mut self, cleared: Cleared) -> Result<Outlook, Ended> {
        let worker = self.worker;
        let now = worker.clock.now();
        // What the budget has no room for is not sent: no page is paid for in vain.
        if worker.preflight.mode == Mode::Off || worker.account.budget_hold(now).is_some() {
            return Ok(Outlook::Had(Box::new(cleared)));
        }
        let last = cleared.job.progress.preflight.as_deref();
        let last = last.and_then(Record::of_json);
        let Some(since) = worker.preflight.since(last.as_ref(), now) else {
            return Ok(Outlook::Had(Box::new(cleared)));
        };
        let Cleared { mut job, spec, .. } = cleared;
        let looked = {
            let apart = last.as_ref().and_then(Record::page_against);
            let looking = self.look(&job, &spec, since, apart);
            match worker.unless_stopped(looking).await {
                Some(looked) => looked?,
                None => return Err(Ended::of(&job)),
            }
        };
        let done = self.conclude_looking(&mut job, looked).await?;
        let last = job.progress.preflight.as_deref();
        let last = last.and_then(Record::of_json);
        let now = worker.clock.now();
        let is_over = worker.preflight.since(last.as_ref(), now).is_none();
        if is_over && job.progress.state == JobState::Queued && !job.requested.any() {
            Ok(Outlook::Gained(Box::new(Claimed { job, spec })))
        } else {
            Err(Ended::At(done))
        }
    }

    async fn look(
        &self,
        job: &Job,
        spec: &JobSpec,
        since: UnixMs,
        apart: Option<&str>,
    ) -> Result<Looked, StoreError> {
        let worker = self.worker;
        let foresight = Foresight {
            service: &worker.service,
            store: &worker.store,
            account: &worker.account,
            clock: &worker.clock,
            preflight: worker.preflight,
            is_before_create: true,
            spent: AtomicI64::new(0),
        };
        let asker = Asker {
            job: job.id,
            spec,
            effective_params: job.progress.effective_params.as_deref(),
            holds: job.progress.holds,
            since,
            apart,
        };
        let may_send = || worker.account.is_valid(self.permit);
        foresight.look(&asker, may_send).await
    }

    async fn conclude_looking(
        &mut self,
        job: &mut Job,
        looked: Looked,
    ) -> Result<Done, StoreError> {
        let worker = self.worker;
        match looked {
            Looked::Found(foreseen, effective_params) => {
                let at = worker.clock.now();
                let event = Event::Foreseen {
                    record: Record { at, foreseen },
                    effective_params,
                };
                worker.handle_event(job, event).await
            }
            Looked::Later(words) => worker.handle_event(job, Event::Unforeseen(words)).await,
            Looked::Held => self.without_leave(job).await,
            Looked::NoRoom => {
                let now = worker.clock.now();
                match worker.account.reserve(now) {
                    Err(over) => worker.handle_event(job, Event::OverBudget(over)).await,
                    // Room was made meanwhile: it is looked at again.
                    Ok(_reservation) => {
                        worker.account.refund(worker.credits_per_create, now);
                        Ok(Done::of(job))
                    }
                }
            }
            Looked::Refused(refusal, words) => self.refused(job, refusal, words).await,
        }
    }
}
