//! The clock was set: all that waits goes on waiting as long as it would have.

use std::sync::atomic::Ordering;

use super::{Daemon, polls::Surveys};
use crate::{
    api::Service,
    core::budget::{AGREED_MS, is_corroborated},
    core::job::DurationMs,
    engine::worker::Worker,
    store::{JobStore, StoreError},
};

impl<S: Service, D: JobStore> Daemon<S, D> {
    /// Takes a step of the clock by `step_ms`. Only while no task runs: each holds times
    /// of before.
    pub(super) async fn take_step(&mut self, step_ms: DurationMs) -> Result<(), StoreError> {
        let Worker {
            store,
            clock,
            account,
            lists,
            lists_not_before,
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
        // No list of before is left.
        lists_not_before.store(0, Ordering::Relaxed);
        self.creates_wait.forget_pause();
        self.worker.after_report().await;
        self.unclaim_creates();
        self.unclaim_polls();
        self.surveys = Surveys::default();
        self.agenda.clock_set();
        // Others may have added jobs by the clock as it was for a while.
        self.is_nudged = true;
        Ok(())
    }

    /// Creates that a clock dated ahead count once, today, as soon as the service's clock
    /// agrees with this one. Until then they count on each day up to their own.
    pub(super) async fn redate_creates(&mut self) -> Result<(), StoreError> {
        let Worker {
            store,
            service,
            clock,
            account,
            ..
        } = &*self.worker;
        let later = account.spent_later();
        if later == self.redated_at_later {
            return Ok(());
        }
        let now = clock.now();
        let service_now = service.time(clock.lasting_ms());
        if later > 0 {
            if !service_now.is_some_and(|service_now| is_corroborated(now, service_now)) {
                return Ok(());
            }
            let redated = store.count_redated(now, now + AGREED_MS).await?;
            if redated.creates > 0 {
                tracing::warn!(
                    creates = redated.creates,
                    credits = redated.credits,
                    "creates are dated later than now: the clock was ahead when they were sent; \
                     they count as spent today, and not on the days to come"
                );
                account.distrust_count();
            }
        }
        self.redated_at_later = later;
        Ok(())
    }
}
