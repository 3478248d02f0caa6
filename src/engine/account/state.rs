//! What this process holds of the account behind one lock.

use crate::core::{
    budget::Budget,
    concurrency::Concurrency,
    gate::{Gate, GateReason, Scope, Signal},
    job::UnixMs,
    outcome::Refusal,
};

/// Gates, budget and concurrency.
#[derive(Debug)]
pub(super) struct AccountState {
    pub(super) concurrency: Concurrency,
    pub(super) create: Gate,
    pub(super) read: Gate,
    pub(super) budget: Budget,
    /// Of what the budget has as spent: the credits of requests that were not answered yet, and when
    /// each was sent.
    pub(super) unanswered: Vec<(i64, UnixMs)>,
    /// Creates are held for want of budget.
    pub(super) is_held: bool,
    /// What was spent is to be counted anew.
    pub(super) budget_is_stale: bool,
    /// Somebody else committed since it was counted, and may have settled creates.
    pub(super) may_be_outdated: bool,
    /// How many jobs that are PARKED for credits may go on at once.
    pub(super) credits_room: usize,
}

impl AccountState {
    /// Lets fewer requests be under way after a 429, and slowly more after other answers.
    /// Returns how many, where they became fewer.
    pub(super) fn adapt(&mut self, signal: &Signal, before: Gate, after: Gate) -> Option<usize> {
        let before_limit = self.concurrency.limit();
        self.concurrency = match signal {
            // Those sent before the first of them was answered tell nothing more.
            Signal::Refused(Refusal::Throttled { .. }) => match (before, after) {
                (Gate::Open, _) | (Gate::HalfOpen(_), Gate::Closed(_)) => {
                    self.concurrency.throttled()
                }
                (Gate::Closed(_) | Gate::HalfOpen(_), _) => self.concurrency,
            },
            Signal::Accepted | Signal::Answered => self.concurrency.answered(),
            Signal::Refused(_) | Signal::NotConnected => self.concurrency,
        };
        let limit = self.concurrency.limit();
        (limit < before_limit).then_some(limit)
    }

    /// A canary that was accepted shows that there were credits for one: few follow it, and twice
    /// as many after each that is accepted.
    pub(super) fn widen(&mut self, signal: &Signal, before: Gate, after: Gate) {
        let was_for_credits = before
            .closure()
            .is_some_and(|closure| closure.reason == GateReason::Credits);
        if was_for_credits && after == Gate::Open {
            self.credits_room = 1;
        } else if *signal == Signal::Accepted {
            self.credits_room = self.credits_room.saturating_mul(2);
        }
    }

    pub(super) const fn gate(&mut self, scope: Scope) -> &mut Gate {
        match scope {
            Scope::Create => &mut self.create,
            Scope::Read => &mut self.read,
        }
    }
}
