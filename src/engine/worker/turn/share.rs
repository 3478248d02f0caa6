//! The ladder's share of the day, before a create that it asked for.

use tokio::sync::OwnedMutexGuard;

use crate::{
    api::Service,
    core::{job::Job, rules::Rule},
    engine::worker::Worker,
    store::{JobStore, StoreError},
};

/// To be held until the create is on record: one create at a time takes its part of the share.
pub(super) type Held = Option<OwnedMutexGuard<()>>;

impl<S: Service, D: JobStore> Worker<S, D> {
    /// Whether the ladder's share of the day has room for this job's create, if the ladder asked
    /// for it; else why not. What was spent is counted from the record, which other processes
    /// wrote, too.
    pub(super) async fn within_share(&self, job: &Job) -> Result<Result<Held, String>, StoreError> {
        if job.progress.climbs == 0 {
            return Ok(Ok(None));
        }
        let held = self.account.climbing().await;
        // Switched off since, it leaves what it asked for to the budget.
        let Some(ladder) = self.policy.ladder else {
            return Ok(Ok(Some(held)));
        };
        let spent = self.store.spent_by_ladder(self.clock.now()).await?;
        Ok(match ladder.admits(spent) {
            Err(why) if self.policy.rules.keep(Rule::LadderBounds) => Err(why),
            Ok(()) | Err(_) => Ok(Some(held)),
        })
    }
}
