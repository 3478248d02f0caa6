//! Look, schedule, start: what is next is decided by [`core::schedule`](crate::core::schedule).

use std::sync::atomic::Ordering;

use super::Daemon;
use crate::{
    api::Service,
    core::{
        gate::Scope,
        job::UnixMs,
        schedule::{self, Claim, ClaimedCounts, InFlight, ListWish, Start, Step, View},
    },
    store::{JobStore, Lane, StoreError},
};

impl<S: Service, D: JobStore> Daemon<S, D> {
    /// Starts all that can be started. Returns until when nothing more is due, as far as is
    /// known.
    pub(super) async fn start_all(&mut self) -> Result<Option<UnixMs>, StoreError> {
        let mut is_key_wanted = self.worker.account.key().take_wanted();
        loop {
            match schedule::next(&self.view(is_key_wanted)) {
                Step::Wait { until } => return Ok(until),
                Step::Claim(Claim::Creates) => self.claim_creates().await?,
                Step::Claim(Claim::Doubts) => self.start_reconcile().await?,
                Step::Claim(Claim::Polls) => self.claim_polls().await?,
                Step::Claim(Claim::News) => self.claim_found().await?,
                Step::Claim(Claim::Probe) => self.claim_probe().await?,
                Step::Start(Start::List) => {
                    is_key_wanted = false;
                    self.start_key_look();
                }
                Step::Start(Start::Survey) => self.start_survey(),
                Step::Start(Start::Poll) => self.start_poll(),
                Step::Start(Start::Create) => self.start_create(),
                Step::FreeCanary => self.free_canary().await?,
                Step::FreeHeld => self.free_held().await?,
                Step::EndHold => self.set_free().await?,
                Step::EndSweep => self.end_sweep(),
            }
        }
    }

    fn view(&self, is_key_wanted: bool) -> View {
        let now = self.worker.clock.now();
        let account = &self.worker.account;
        View {
            now,
            agenda: self.agenda,
            has_room: self.tasks.len() < account.max_requests(),
            create_gate: account.gate(Scope::Create).admits(now),
            lets_free: account.out_of_credits().is_some(),
            read_gate: account.gate(Scope::Read).admits(now),
            lists_at: self.worker.lists.retry_at(),
            creates_wait_ms: self.creates_wait.left_ms(),
            budget_hold: account.budget_hold(now),
            list_wish: match (self.wants_list, is_key_wanted) {
                (true, _) => ListWish::Lasting,
                (false, true) => ListWish::AtOnce,
                (false, false) => ListWish::None,
            },
            is_sweeping: self.worker.is_sweeping.load(Ordering::Relaxed),
            claimed: ClaimedCounts {
                creates: self.creates.len(),
                polls: self.polls.len(),
                news: self.surveys.found.len(),
            },
            in_flight: InFlight {
                creates: self.running_in(Lane::Create),
                doubts: self.running_in(Lane::Reconcile),
            },
        }
    }
}
