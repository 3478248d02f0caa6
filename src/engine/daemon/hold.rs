//! More work may come from elsewhere in this process: a daemon that is to end by itself
//! waits for that.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{Notify, mpsc};

/// Gives out [`BusyHold`]s. Cloning it shares them.
#[derive(Debug, Clone)]
pub struct Holds {
    count: Arc<AtomicUsize>,
    nudge: Arc<Notify>,
    loads: Arc<OnceLock<mpsc::UnboundedSender<BusyHold>>>,
}

/// While it is there, no daemon finds that there is nothing more to do.
#[derive(Debug)]
pub struct BusyHold(Holds);

impl Holds {
    pub(super) fn new(nudge: Arc<Notify>) -> Self {
        Self {
            count: Arc::default(),
            nudge,
            loads: Arc::default(),
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

    /// What asks for job files to be loaded, because of what became of their jobs: a hold each
    /// time, until that is done. None where somebody has it already.
    pub fn loads(&self) -> Option<mpsc::UnboundedReceiver<BusyHold>> {
        let (ask, asked) = mpsc::unbounded_channel();
        self.loads.set(ask).ok().map(|()| asked)
    }

    /// Asks for that, if anybody loads files.
    pub(super) fn load(&self) {
        if let Some(ask) = self.loads.get()
            && ask.send(self.hold()).is_err()
        {
            tracing::debug!("no job files are loaded any more: parserd is stopping");
        }
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
