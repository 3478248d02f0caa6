//! Parsers that a copy of the database did not know, and that were paid for since.

use super::Worker;
use crate::{
    api::{Service, types::PollOutcome},
    job::{Job, JobState},
    lifecycle::Change,
    remote_name::tag_of,
    store::{Found, StoreError},
};

impl<S: Service> Worker<S> {
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
        let description = self.service.describe(parser_id).await;
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
