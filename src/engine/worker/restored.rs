//! Parsers that a copy of the database did not know, and that were paid for since.

use std::sync::atomic::Ordering;

use super::{HeldBack, Worker};
use crate::{
    api::Service,
    core::{
        job::{DurationMs, Job, JobState},
        lifecycle::Change,
        outcome::PollOutcome,
        remote_name::tag_of,
    },
    store::{Found, JobStore, StoreError},
};

/// How long creates wait for a list at most, after one that cannot be trusted.
const MAX_LIST_WAIT_MS: DurationMs = 60_000;

impl<S: Service, D: JobStore> Worker<S, D> {
    /// How long creates wait for a list, after one that cannot be trusted.
    pub(crate) fn list_wait_ms(&self) -> DurationMs {
        self.policy.settle_ms.min(MAX_LIST_WAIT_MS)
    }

    /// Why a create that is due must wait for what this copy of the database does not know.
    pub(super) fn holds_back(&self, is_listed_whole: bool) -> Option<HeldBack> {
        if let Some(restored) = self.restored
            && !is_listed_whole
            && restored.needs_whole_list(self.clock.now())
        {
            tracing::warn!(
                wait_ms = self.list_wait_ms(),
                "the database is a copy from before and the account's list cannot be trusted to \
                 be whole: creates wait, since what was sent after the copy was made may be \
                 missing; `parserd run --trust-database` does not wait"
            );
            return Some(HeldBack::DistrustedList);
        }
        let is_sweeping = self.is_sweeping.load(Ordering::Relaxed);
        is_sweeping.then_some(HeldBack::Sweeping)
    }

    /// What the ledger lacks of a parser that `change` adopts: that it was paid for after the
    /// copy was made which is the database now. The service is asked when it was made.
    pub(super) async fn found(
        &self,
        job: &Job,
        change: &Change,
    ) -> Result<Option<Found>, StoreError> {
        let (Some(restored), JobState::Generating) = (self.restored, change.next.state) else {
            return Ok(None);
        };
        let (Some(parser_id), Some(name)) = (&change.next.parser_id, &change.next.remote_name)
        else {
            return Ok(None);
        };
        let is_known = job.progress.parser_id.as_ref() == Some(parser_id)
            || self.store.ledger(name).await?.made.contains(parser_id);
        if is_known || tag_of(name).is_none() {
            return Ok(None);
        }
        let description = self.service.describe(parser_id, None).await;
        if let PollOutcome::NotFound(_) = description.outcome {
            return Ok(None);
        }
        let (settle_ms, now) = (self.policy.settle_ms, self.clock.now());
        let spent_at = restored.spent_at(description.created_at, settle_ms, now);
        Ok(spent_at.map(|made_at| {
            tracing::info!(
                job = job.id.0,
                parser_id = parser_id.0,
                credits = self.credits_per_create,
                "a parser was made after this copy of the database: it counts as spent"
            );
            Found {
                credits: self.credits_per_create,
                made_at,
            }
        }))
    }
}
