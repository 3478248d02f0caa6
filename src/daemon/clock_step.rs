//! The clock was set: all that waits goes on waiting as long as it would have.

use super::{Daemon, polls::Surveys};
use crate::{api::Service, job::DurationMs, store::StoreError, worker::Worker};

impl<S: Service> Daemon<S> {
    /// Takes a step of the clock by `step_ms`. Only while no task runs: each holds times
    /// of before.
    pub(super) async fn take_step(&mut self, step_ms: DurationMs) -> Result<(), StoreError> {
        let Worker {
            store,
            clock,
            account,
            lists,
            ..
        } = &*self.worker;
        tracing::warn!(step_ms, "the clock was set: what waits is moved with it");
        // A commit that is reported lost may have taken effect: then the next try finds it.
        let token = format!("{}-{}", self.nonce, self.steps_taken);
        let step_ms = store.shift_times(token, step_ms, clock.now()).await?;
        clock.take_step(step_ms);
        self.steps_taken += 1;
        // The days of the budget are those of the clock as it is now.
        account.distrust_count();
        account.shift(step_ms);
        lists.forget().await;
        self.worker.after_report().await;
        self.unclaim_creates();
        self.unclaim_polls();
        self.surveys = Surveys::default();
        self.doubts_list_at = 0;
        self.look_at_all();
        Ok(())
    }
}
