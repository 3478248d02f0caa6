//! Creates wait: after another database was put in place, and for a list that can be trusted.

use std::{sync::atomic::Ordering, time::Duration};

use super::Daemon;
use crate::{
    api::Service,
    core::countdown::Countdown,
    core::job::DurationMs,
    core::oddities::CreatesHold,
    store::{CREATES_HOLD, JobStore, StoreError},
};

/// How often it is looked while creates wait: a pause counts for no more than was planned.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How much time is lost if the process ends.
const KEEP_EVERY_MS: DurationMs = 30_000;

impl<S: Service, D: JobStore> Daemon<S, D> {
    /// Nobody looks for a while. Returns for how long at most.
    pub(super) fn pausing(&mut self, pause: Duration) -> Duration {
        if self.creates_wait.is_over() {
            return pause;
        }
        let pause = pause.min(LOOK_EVERY);
        let planned_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        self.creates_wait.pause(self.worker.clock.now(), planned_ms);
        pause
    }

    /// Takes in the time since the last look.
    pub(super) async fn count_down(&mut self) -> Result<(), StoreError> {
        let now = self.worker.clock.now();
        if self.creates_wait.look(now) {
            // What was sent before has landed: only a list of now shows it.
            self.worker.lists_not_before.store(now, Ordering::Relaxed);
            self.creates.look_at = 0;
        }
        let left_ms = self.creates_wait.left_ms();
        let is_news = left_ms == 0 || self.kept_wait_ms - left_ms >= KEEP_EVERY_MS;
        if left_ms != self.kept_wait_ms && is_news {
            let until = now.saturating_add(left_ms);
            let hold = CreatesHold { left_ms, until };
            self.worker.store.keep(CREATES_HOLD, &hold).await?;
            self.kept_wait_ms = left_ms;
        }
        Ok(())
    }

    /// Creates wait for another list; what is claimed is claimed anew then.
    pub(super) fn hold_for_list(&mut self) {
        let now = self.worker.clock.now();
        let wait_ms = self.worker.list_wait_ms();
        self.creates_wait = Countdown::of(wait_ms);
        self.kept_wait_ms = wait_ms;
        self.list_awaited_since.get_or_insert(now);
        self.unclaim_creates();
        self.creates.look_at = 0;
    }
}
