//! More work may come from elsewhere in this process: a daemon that is to end by itself
//! waits for that.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// Gives out [`BusyHold`]s. Cloning it shares them.
#[derive(Debug, Clone)]
pub struct Holds {
    count: Arc<AtomicUsize>,
    nudge: Arc<Notify>,
}

/// While it is there, no daemon finds that there is nothing more to do.
#[derive(Debug)]
pub struct BusyHold(Holds);

impl Holds {
    pub(super) fn new(nudge: Arc<Notify>) -> Self {
        Self {
            count: Arc::default(),
            nudge,
        }
    }

    /// One more.
    pub fn hold(&self) -> BusyHold {
        self.count.fetch_add(1, Ordering::AcqRel);
        BusyHold(self.clone())
    }

    /// Makes the daemon look for new jobs at once.
    pub fn nudge(&self) {
        self.nudge.notify_one();
    }

    pub(super) fn any(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }
}

impl Drop for BusyHold {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::AcqRel);
        self.0.nudge();
    }
}
