//! The one source of `now`, so that tests and simulations can hand in their own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use crate::job::UnixMs;

/// Where the time comes from.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's wall clock. It may step either way; decisions must stand that.
    #[default]
    System,
    /// A time that somebody sets.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The time now.
    pub fn now(&self) -> UnixMs {
        match self {
            Self::System => match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
                // Before 1970: no clock is right there, and no decision needs more.
                Err(_) => 0,
            },
            Self::Manual(time) => time.load(Ordering::SeqCst),
        }
    }
}
