//! Nothing to start: for how long, and whether that is the end.

use std::time::Duration;

use super::{Daemon, Until};
use crate::{
    api::Service,
    core::gate::{Gate, Scope},
    core::job::{JobState, UnixMs},
    store::{JobStore, Lane, StoreError},
};

impl<S: Service, D: JobStore> Daemon<S, D> {
    /// How long nothing will be due, as far as this process knows.
    pub(super) fn pause(&self) -> Duration {
        let now = self.worker.clock.now();
        let account = &self.worker.account;
        let opens_at = |scope| match account.gate(scope) {
            Gate::Open => 0,
            Gate::Closed(closure) if closure.is_due(now) => closure.next_probe_at.min(now),
            Gate::Closed(closure) => closure.next_probe_at,
            // The canary's end wakes the loop.
            Gate::HalfOpen(_) => UnixMs::MAX,
        };
        let reads_at = opens_at(Scope::Read);
        let polls_at = if self.polls.jobs.is_empty() {
            self.polls.look_at
        } else {
            0
        };
        let lists_at = reads_at.max(self.worker.lists.retry_at());
        // At a probe a parked job may be the canary, if none is queued.
        let claimed = !self.creates.jobs.is_empty();
        let creates_at = match opens_at(Scope::Create).max(reads_at) {
            _ if self.is_full && !claimed => UnixMs::MAX,
            0 if claimed => 0,
            0 => self.creates.look_at,
            probe_at if claimed || !self.lacks_canary => probe_at,
            probe_at => probe_at.max(self.creates.look_at),
        };
        let reconciling = self.running_in(Lane::Reconcile) > 0;
        let doubts_at = if reconciling {
            UnixMs::MAX
        } else {
            self.doubts.look_at.max(self.doubts_list_at)
        };
        let next = (polls_at.max(reads_at)).min(doubts_at.max(lists_at)).min(
            creates_at
                .max(lists_at)
                .max(now.saturating_add(self.creates_wait.left_ms()))
                .max(account.budget_hold(now).unwrap_or(0)),
        );
        let busy = self.tasks.len() >= account.max_requests();
        let wait_ms = if busy {
            i64::MAX
        } else {
            next.saturating_sub(now)
        };
        // At least a millisecond: what is due and cannot start waits for a task's end.
        Duration::from_millis(wait_ms.max(1).unsigned_abs())
    }

    /// Whether the daemon is to end by itself; asked only while no task runs.
    pub(super) async fn is_done(&self) -> Result<bool, StoreError> {
        let store = &self.worker.store;
        let any = async |states: &[JobState]| {
            for state in states {
                if store.any(*state).await? {
                    return Ok::<_, StoreError>(true);
                }
            }
            Ok(false)
        };
        match self.until {
            Until::Stopped => Ok(false),
            Until::AllTerminal => Ok(!any(&[
                JobState::Queued,
                JobState::Creating,
                JobState::Generating,
                JobState::Parked,
            ])
            .await?),
            Until::NoProgress => {
                let reads = !self.is_shut(Scope::Read);
                let creates = reads
                    && !self.worker.is_blind().await
                    && !self.awaits_list_in_vain()
                    && !self.is_shut(Scope::Create)
                    && self
                        .worker
                        .account
                        .budget_hold(self.worker.clock.now())
                        .is_none();
                let moving = reads && any(&[JobState::Creating, JobState::Generating]).await?
                    || creates && any(&[JobState::Queued]).await?;
                Ok(!moving)
            }
        }
    }

    /// Whether creates wait for a list that can be trusted, and none came in the time in
    /// which one that only lags catches up.
    fn awaits_list_in_vain(&self) -> bool {
        let waited_ms = |since| self.worker.clock.now() - since;
        self.list_awaited_since
            .is_some_and(|since| waited_ms(since) > self.worker.policy.settle_ms)
    }

    /// Whether a gate is closed for a reason that does not pass by itself.
    fn is_shut(&self, scope: Scope) -> bool {
        let now = self.worker.clock.now();
        self.worker
            .account
            .gate(scope)
            .closure()
            .is_some_and(|closure| !closure.reason.is_passing() && !closure.is_due(now))
    }
}
