//! Credits that are set aside for a request that was not answered yet.

use std::sync::{Arc, Mutex};

use super::{lock, state::AccountState};
use crate::core::job::UnixMs;

/// Held from when a create's credits are set aside until what came of it is on record, or in
/// doubt. They count as spent for what the budget refuses, and are not announced meanwhile: a
/// refusal gives them back.
#[derive(Debug)]
#[must_use]
pub struct Reservation {
    pub(super) credits: i64,
    pub(super) sent_at: UnixMs,
    pub(super) state: Arc<Mutex<AccountState>>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        let own = (self.credits, self.sent_at);
        if let Some(at) = state.unanswered.iter().position(|it| *it == own) {
            state.unanswered.swap_remove(at);
        }
    }
}
