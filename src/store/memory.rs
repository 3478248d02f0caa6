//! The model: jobs in memory, as plain as can be, to hold other stores against and to run most
//! simulations on. Nothing in it is fast on purpose, and nothing is clever.

mod announcements;
mod changes;
mod fetches;
mod ledger;
mod manifest;
mod operator;
mod parses;
mod queue;
mod tables;
mod updates;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use tables::{CreateStatus, Tables};

/// A store in memory. Cloning it shares the tables.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Tables>>);

impl Memory {
    /// The tables, for one look or one change.
    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
