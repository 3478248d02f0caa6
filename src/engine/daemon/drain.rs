//! The end of a daemon: what is under way is waited for.

use tokio::sync::watch;

use super::Daemon;
use crate::{
    api::Service,
    engine::worker::Stop,
    store::{JobStore, Lane},
};

impl<S: Service, D: JobStore> Daemon<S, D> {
    /// Claims nothing more; waits for creates under way, whose answers are worth
    /// money. Polls and lists are dropped: they can be asked again.
    pub(super) async fn drain(&mut self, mut stop: watch::Receiver<Stop>) {
        for task in self.running.values() {
            if task.lane != Lane::Create {
                task.abort.abort();
            }
        }
        let creates = self.running_in(Lane::Create);
        if creates > 0 {
            tracing::info!(creates, "stopping: waiting for the creates under way");
        }
        while !self.tasks.is_empty() {
            if *stop.borrow() == Stop::Abandon {
                tracing::warn!(
                    creates = self.tasks.len(),
                    "stopping at once: creates under way are on record and settled by the next start"
                );
                self.tasks.abort_all();
                return;
            }
            tokio::select! {
                biased;
                Some(joined) = self.tasks.join_next_with_id() => match joined {
                    Err(error) if error.is_cancelled() => {}
                    joined => self.joined(joined),
                },
                Ok(()) = stop.changed() => {}
            }
        }
    }
}
