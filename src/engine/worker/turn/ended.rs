//! What ends a turn without a create.

use super::Turn;
use crate::{
    api::Service,
    core::{
        job::{Action, Job},
        lifecycle::{Change, Event},
        outcome::{ErrorDetail, Refusal},
        timestamp::iso,
    },
    engine::worker::Done,
    store::{Intent, JobStore, StoreError},
};

/// Why a turn ended before a create was answered.
#[derive(Debug)]
pub(in crate::engine::worker) enum Ended {
    /// With the job here: nothing was decided, and it is due as it was; or something other than
    /// a create was decided; or one was decided on and is not sent yet, or no longer to be sent.
    At(Done),
    /// By the database; what was sent, if anything was, is on record as under way.
    Failed(StoreError),
}

impl Ended {
    pub(in crate::engine::worker) fn of(job: &Job) -> Self {
        Self::At(Done::of(job))
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl<S: Service, D: JobStore> Turn<'_, S, D> {
    /// It would cost, and may not: for want of credits it is PARKED. What else closes the gate
    /// passes by itself, or reads wait for it, too.
    pub(in crate::engine::worker) async fn without_leave(
        &self,
        job: &mut Job,
    ) -> Result<Done, StoreError> {
        let Some(closure) = self.worker.account.out_of_credits() else {
            return Ok(Done::of(job));
        };
        let message = format!(
            "no {} is sent: the service has refused what costs for want of credits, or for a limit \
             of the account, since {}",
            match job.action {
                Action::Create => "create",
                Action::Update => "update that costs",
                Action::Delete => "delete",
            },
            iso(closure.since)
        );
        let words = ErrorDetail {
            status: None,
            message,
        };
        self.worker
            .handle_event(job, Event::OutOfCredits(words))
            .await
    }

    /// Stores what was decided without a create; a parser that is adopted may have been paid for.
    pub(super) async fn do_without(
        &self,
        mut job: Job,
        change: Change,
    ) -> Result<Done, StoreError> {
        let worker = self.worker;
        let asking = worker.found(&job, &change);
        if let Some(found) = worker.unless_stopped(asking).await {
            let intent = Intent {
                found: found?,
                ..Intent::default()
            };
            worker.apply(&mut job, change, intent).await?;
        }
        Ok(Done::of(&job))
    }

    /// The gate takes it as a refused canary: the next probe is further away.
    pub(in crate::engine::worker) async fn spare_canary(
        &mut self,
        job: &mut Job,
        words: ErrorDetail,
    ) -> Result<Done, StoreError> {
        self.refused(job, Refusal::Credits, words).await
    }

    /// The account was refused what costs, or a word of it says that it would be: the gate takes it
    /// in, and the job shares its fate.
    pub(super) async fn refused(
        &mut self,
        job: &mut Job,
        refusal: Refusal,
        words: ErrorDetail,
    ) -> Result<Done, StoreError> {
        let worker = self.worker;
        let event = Event::ListRefused(refusal, words);
        if let Some(change) = worker.transition(job, event) {
            worker.report(&change, self.permit);
            worker.keep_wish(&change).await;
            worker.apply(job, change, Intent::default()).await?;
        }
        Ok(Done::of(job))
    }
}
