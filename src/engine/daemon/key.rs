//! A look at the key for anyone who waits to know whether it is accepted.

use crate::store::JobStore;
use std::sync::Arc;

use super::{Daemon, Yield};
use crate::{api::Service, core::gate::Scope, store::Lane};

impl<S: Service, D: JobStore> Daemon<S, D> {
    /// Asks for a list of the account, which costs nothing, where somebody wants to know.
    pub(super) fn start_key_look(&mut self) {
        let now = self.worker.clock.now();
        let Some(permit) = self.worker.account.admit(Scope::Read, now) else {
            return;
        };
        self.wants_list = false;
        let worker = Arc::clone(&self.worker);
        self.start(Lane::Poll, Vec::new(), async move {
            worker.try_key(permit).await?;
            Ok(Yield::Done(Vec::new()))
        });
    }
}
