//! Creates wait: after another database was put in place, and for a list that can be trusted.

use std::{sync::atomic::Ordering, time::Duration};

use super::Daemon;
use crate::{
    api::Service,
    core::countdown::Countdown,
    core::job::{DurationMs, UnixMs},
    core::oddities::CreatesHold,
    store::{CREATES_HOLD, JobStore, StoreError},
};

/// How often it is looked while creates wait: a pause counts for no more than was planned.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How much time is lost if the process ends.
const KEEP_EVERY_MS: DurationMs = 30_000;

/// How long no create is sent yet, and why.
#[derive(Debug, Default)]
pub(super) struct CreatesWait {
    left: Countdown,
    /// What is left of it by the database.
    kept_ms: DurationMs,
    /// Since when creates wait for a list that can be trusted, if they do.
    list_awaited_since: Option<UnixMs>,
}

impl CreatesWait {
    /// One of so long: the database is not the one that was written last.
    pub(super) const fn of(wait_ms: DurationMs) -> Self {
        Self {
            left: Countdown::of(wait_ms),
            kept_ms: wait_ms,
            list_awaited_since: None,
        }
    }

    pub(super) const fn left_ms(&self) -> DurationMs {
        self.left.left_ms()
    }

    pub(super) const fn forget_pause(&mut self) {
        self.left.forget_pause();
    }

    /// A list that can be trusted is waited for, `wait_ms` more.
    fn await_list(&mut self, wait_ms: DurationMs, now: UnixMs) {
        *self = Self {
            left: Countdown::of(wait_ms),
            kept_ms: 0,
            list_awaited_since: self.list_awaited_since.or(Some(now)),
        };
    }

    /// It came.
    pub(super) const fn list_came(&mut self) {
        self.list_awaited_since = None;
    }

    /// How long one has been waited for, if it is.
    pub(super) fn list_awaited_ms(&self, now: UnixMs) -> Option<DurationMs> {
        self.list_awaited_since.map(|since| now - since)
    }

    /// What is to be kept of it, where the database is behind.
    const fn to_keep(&self) -> Option<DurationMs> {
        let left_ms = self.left_ms();
        let lost_ms = self.kept_ms - left_ms;
        let is_behind = lost_ms < 0 || lost_ms >= KEEP_EVERY_MS || left_ms == 0 && lost_ms > 0;
        if is_behind { Some(left_ms) } else { None }
    }
}

impl<S: Service, D: JobStore> Daemon<S, D> {
    /// Nobody looks for a while. Returns for how long at most.
    pub(super) fn pausing(&mut self, pause: Duration) -> Duration {
        if self.creates_wait.left.is_over() {
            return pause;
        }
        let pause = pause.min(LOOK_EVERY);
        let planned_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        let now = self.worker.clock.now();
        self.creates_wait.left.pause(now, planned_ms);
        pause
    }

    /// Takes in the time since the last look.
    pub(super) async fn count_down(&mut self) -> Result<(), StoreError> {
        let now = self.worker.clock.now();
        if self.creates_wait.left.look(now) {
            // What was sent before has landed: only a list of now shows it.
            self.worker.lists_not_before.store(now, Ordering::Relaxed);
            self.agenda.create_due(0);
        }
        if let Some(left_ms) = self.creates_wait.to_keep() {
            let until = now.saturating_add(left_ms);
            let hold = CreatesHold { left_ms, until };
            self.worker.store.keep(CREATES_HOLD, &hold).await?;
            self.creates_wait.kept_ms = left_ms;
        }
        Ok(())
    }

    /// Creates wait for another list; what is claimed is claimed anew then.
    pub(super) fn hold_for_list(&mut self) {
        let now = self.worker.clock.now();
        let wait_ms = self.worker.list_wait_ms();
        self.creates_wait.await_list(wait_ms, now);
        self.unclaim_creates();
        self.agenda.create_due(0);
    }
}
