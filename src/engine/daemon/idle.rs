//! Nothing to start: for how long, and whether that is the end.

use std::time::Duration;

use super::{Daemon, Until};
use crate::{
    api::Service,
    core::gate::Scope,
    core::job::{JobState, UnixMs},
    store::{JobStore, StoreError},
};

impl<S: Service, D: JobStore> Daemon<S, D> {
    /// How long nothing will be due, as far as this process knows.
    pub(super) fn pause(&self, until: Option<UnixMs>) -> Duration {
        let now = self.worker.clock.now();
        let wait_ms = until.map_or(UnixMs::MAX, |until| until.saturating_sub(now));
        Duration::from_millis(wait_ms.max(1).unsigned_abs())
    }

    /// Whether the daemon is to end by itself; asked only while no task runs.
    pub(super) async fn is_done(&self) -> Result<bool, StoreError> {
        match self.until {
            Until::Stopped => Ok(false),
            Until::AllTerminal => {
                let open = [
                    JobState::Queued,
                    JobState::Creating,
                    JobState::Generating,
                    JobState::Parked,
                ];
                Ok(!self.any(&open).await?)
            }
            Until::NoProgress => Ok(!self.is_moving().await?),
        }
    }

    /// Whether a job can make progress without a person, and before the next probe; asked only
    /// while no task runs.
    pub(super) async fn is_moving(&self) -> Result<bool, StoreError> {
        let account = &self.worker.account;
        let reads = !self.is_shut(Scope::Read);
        let turns = reads && !self.worker.is_blind().await && !self.awaits_list_in_vain();
        let creates = turns && !self.is_shut(Scope::Create);
        let has_room = account.budget_hold(self.worker.clock.now()).is_none();
        // Without credits or budget a QUEUED job goes on for nothing, or is PARKED.
        let takes_queued = creates || turns && account.out_of_credits().is_some();
        let under_way = [JobState::Creating, JobState::Generating];
        Ok(reads && self.any(&under_way).await?
            || takes_queued && self.any(&[JobState::Queued]).await?
            || creates && has_room && self.agenda.has_held())
    }

    async fn any(&self, states: &[JobState]) -> Result<bool, StoreError> {
        for state in states {
            if self.worker.store.any(*state).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether creates wait for a list that can be trusted, and none came in the time in
    /// which one that only lags catches up.
    fn awaits_list_in_vain(&self) -> bool {
        let waited_ms = self.creates_wait.list_awaited_ms(self.worker.clock.now());
        waited_ms.is_some_and(|waited_ms| waited_ms > self.worker.policy.settle_ms)
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
