//! What came of a create that was sent: what it says, and that it is kept.

use std::{
    collections::HashMap,
    sync::{MutexGuard, PoisonError},
};

use super::{Answered, Ended, Intended, Turn};
use crate::{
    api::Service,
    core::{
        job::{Job, JobId, ParserId},
        lifecycle::Event,
        outcome::{CreateOutcome, CreateRequest, DoubtCause, ErrorDetail},
    },
    engine::{account::Reservation, worker::Worker},
    store::JobStore,
};

/// The create was sent, once, and this came of it.
#[derive(Debug)]
pub(super) struct Sent {
    pub job: Job,
    request: CreateRequest,
    outcome: CreateOutcome,
    reservation: Reservation,
}

impl Intended {
    /// Sends the create whose intent is durable, once.
    pub(super) async fn send<S: Service, D: JobStore>(
        self,
        turn: &Turn<'_, S, D>,
    ) -> Result<Sent, Ended> {
        let Self {
            job,
            request,
            reservation,
        } = self;
        let worker = turn.worker;
        // An intent that is in a file which nobody will read is none.
        worker.store.still_has_its_file()?;
        let sent_at = worker.clock.now();
        let outcome = worker.service.create(&request).await;
        tracing::debug!(
            job = job.id.0,
            name = job.name,
            outcome = outcome.as_str(),
            parser_id = outcome.parser_id().map(|id| id.0.as_str()),
            elapsed_ms = worker.clock.now() - sent_at,
            "create answered"
        );
        Ok(Sent {
            job,
            request,
            outcome,
            reservation,
        })
    }
}

impl Sent {
    /// Stores what came of it, however long that takes.
    pub(super) async fn conclude<S: Service, D: JobStore>(
        self,
        turn: &mut Turn<'_, S, D>,
    ) -> Result<Answered, Ended> {
        let Self {
            mut job,
            request,
            outcome,
            reservation,
        } = self;
        let worker = turn.worker;
        let outcome = worker.unless_shared(&job, outcome).await;
        if let Some(id) = outcome.parser_id() {
            worker.lag().made(id.clone(), worker.clock.now());
        }
        let own = texts_of(&request);
        let outcome = worker.account.judge(job.id, &own, outcome);
        if let Some(change) = worker.transition(&job, Event::CreateAnswered(outcome)) {
            worker.report(&change, turn.permit);
            worker.keep_wish(&change).await;
            worker.persist_with_retry(&mut job, change).await?;
        }
        // What a refusal gave back is taken back by now.
        drop(reservation);
        worker.in_hand().retain(|_, holder| *holder != job.id);
        Ok(Answered { job })
    }
}

impl<S: Service, D: JobStore> Worker<S, D> {
    /// An answer with a parser that another create made, or another job holds, says nothing
    /// of this create: its own parser, if there is one, is in the list.
    async fn unless_shared(&self, job: &Job, outcome: CreateOutcome) -> CreateOutcome {
        let CreateOutcome::Created { parser_id, .. } = &outcome else {
            return outcome;
        };
        let in_hand = self.in_hand().insert(parser_id.clone(), job.id);
        let is_shared = match in_hand.filter(|holder| *holder != job.id) {
            Some(first) => {
                self.in_hand().insert(parser_id.clone(), first);
                true
            }
            None => {
                let name = job.progress.remote_name.as_deref().unwrap_or_default();
                match self.store.is_anothers(parser_id, job.id, name).await {
                    Ok(is_anothers) => is_anothers,
                    // What was paid for is kept, whoever else may hold it.
                    Err(error) => {
                        tracing::error!(%error, %parser_id, "cannot look up whether another job holds this parser: it is kept for this one, since it was paid for");
                        false
                    }
                }
            }
        };
        if !is_shared {
            return outcome;
        }
        CreateOutcome::InDoubt(
            DoubtCause::AnswerLost,
            ErrorDetail {
                status: None,
                message: format!(
                    "the create was answered with parser {parser_id}, which another \
                     create made, or which was there before"
                ),
            },
        )
    }

    fn in_hand(&self) -> MutexGuard<'_, HashMap<ParserId, JobId>> {
        // No code that can panic runs under the lock.
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an answer repeats of a job that is about this job alone.
fn texts_of(request: &CreateRequest) -> Vec<&str> {
    let urls = request.urls.iter().map(String::as_str);
    urls.chain([request.name.as_str()]).collect()
}
