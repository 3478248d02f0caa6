//! What ends a turn without a create.

use super::Turn;
use crate::{
    api::Service,
    core::{
        job::Job,
        lifecycle::{Change, Event},
        outcome::{ErrorDetail, Refusal},
        timestamp::iso,
    },
    engine::worker::{Done, HeldBack},
    store::{Intent, JobStore, StoreError},
};

/// Why a turn ended before a create was answered.
#[derive(Debug)]
pub(super) enum Ended {
    /// Nothing was decided, and the job is due as it was: the word to stop came, there is no
    /// list, or the gate closed meanwhile.
    Undecided(Done),
    /// Something other than a create was decided, or what was decided no longer holds.
    Decided(Done),
    /// A create was decided on, and is not sent yet.
    HeldBack(Done),
    /// By the database; what was sent, if anything was, is on record as under way.
    Failed(StoreError),
}

impl Ended {
    pub(super) fn undecided(job: &Job) -> Self {
        Self::Undecided(Done::of(job))
    }

    pub(super) fn decided(job: &Job) -> Self {
        Self::Decided(Done::of(job))
    }

    pub(super) fn held_back(job: &Job, why: HeldBack) -> Self {
        Self::HeldBack(Done {
            held_back: Some(why),
            ..Done::of(job)
        })
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<Ended> for Result<Done, StoreError> {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Undecided(done) | Ended::Decided(done) | Ended::HeldBack(done) => Ok(done),
            Ended::Failed(error) => Err(error),
        }
    }
}

impl<S: Service, D: JobStore> Turn<'_, S, D> {
    /// The turn comes to this and not to a create.
    pub(super) async fn decide(&self, job: &mut Job, event: Event) -> Ended {
        match self.worker.handle_event(job, event).await {
            Ok(done) => Ended::Decided(done),
            Err(error) => Ended::Failed(error),
        }
    }

    /// It would cost, and may not: for want of credits it is PARKED. What else closes the gate
    /// passes by itself, or reads wait for it, too.
    pub(super) async fn without_leave(&self, job: &mut Job) -> Ended {
        let Some(closure) = self.worker.account.out_of_credits() else {
            return Ended::undecided(job);
        };
        let message = format!(
            "no create is sent: the service has refused them for want of credits, or for a limit \
             of the account, since {}",
            iso(closure.since)
        );
        let words = ErrorDetail {
            status: None,
            message,
        };
        self.decide(job, Event::OutOfCredits(words)).await
    }

    /// Stores what was decided without a create; a parser that is adopted may have been paid for.
    pub(super) async fn do_without(&self, mut job: Job, change: Change) -> Ended {
        let worker = self.worker;
        let asking = worker.found(&job, &change);
        let found = match worker.unless_stopped(asking).await {
            None => return Ended::undecided(&job),
            Some(Err(error)) => return Ended::Failed(error),
            Some(Ok(found)) => found,
        };
        let intent = Intent {
            found,
            ..Intent::default()
        };
        match worker.apply(&mut job, change, intent).await {
            Ok(_) => Ended::decided(&job),
            Err(error) => Ended::Failed(error),
        }
    }

    /// The gate takes it as a refused canary: the next probe is further away.
    pub(super) async fn spare_canary(&mut self, job: &mut Job, words: ErrorDetail) -> Ended {
        let event = Event::ListRefused(Refusal::Credits, words);
        if let Some(change) = self.worker.transition(job, event) {
            self.worker.report(&change, self.permit);
            if let Err(error) = self.worker.apply(job, change, Intent::default()).await {
                return Ended::Failed(error);
            }
        }
        Ended::decided(job)
    }
}
