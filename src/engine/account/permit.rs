//! Leave to ask the service for something, as a gate gives it.

use std::sync::{Arc, Mutex};

use super::{lock, state::AccountState};
use crate::core::gate::{Closure, Gate, Scope};

/// Leave to make requests of one scope; a canary's is given out once. Dropped by a
/// canary that asked nothing, however its work ended, it may be given out again.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    pub(super) scope: Scope,
    /// The closing whose canary this is.
    pub(super) canary: Option<Closure>,
    pub(super) state: Arc<Mutex<AccountState>>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        let gate = state.gate(self.scope);
        if self.is_canary_of(*gate) {
            *gate = gate.without_canary();
        }
    }
}

impl Permit {
    /// Whether it is the canary's.
    pub const fn is_canary(&self) -> bool {
        self.canary.is_some()
    }

    /// Whether the gate waits for this canary: it may have closed anew meanwhile, for a graver
    /// reason. That a straggler was told to slow down where nobody was reached makes no other gate
    /// of it (seed 455037: no canary ever came back, and nothing was created again).
    pub(super) fn is_canary_of(&self, gate: Gate) -> bool {
        match (self.canary, gate) {
            (Some(own), Gate::HalfOpen(closure)) => {
                let is_passing = own.reason.is_passing();
                own.since == closure.since && is_passing == closure.reason.is_passing()
            }
            (None, _) | (_, Gate::Open | Gate::Closed(_)) => false,
        }
    }
}
