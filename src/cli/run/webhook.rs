//! The webhook beside a daemon.

use std::time::Duration;

use secrecy::SecretString;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    clock::Clock,
    config::Webhook,
    core::webhook::Pace,
    engine::worker::Stop,
    store::Store,
    webhook::{self, Sender},
};

/// How long a run that is done waits for its last notices: a POST a minute, which may take half a
/// minute.
const LAST_NOTICES: Duration = Duration::from_secs(100);

/// The sender of notices, where there is one.
pub(super) struct Notices {
    tasks: JoinSet<()>,
    finish: watch::Sender<bool>,
}

impl Notices {
    /// Starts it. It is made before anything moves: the first one begins at the end of the history.
    ///
    /// # Errors
    /// Where it cannot be made, and whatever the database says.
    pub(super) async fn start(
        webhook: Option<&Webhook>,
        key: &SecretString,
        store: &Store,
        clock: &Clock,
    ) -> anyhow::Result<Self> {
        let (finish, finishing) = watch::channel(false);
        let mut tasks = JoinSet::new();
        if let Some(webhook) = webhook {
            let sender =
                Sender::new(webhook, key, store.clone(), clock.clone(), Pace::USUAL).await?;
            tracing::info!(receiver = %webhook.url, "notices are sent");
            tasks.spawn(sender.run(finishing));
        } else {
            webhook::forget(store).await?;
        }
        Ok(Self { tasks, finish })
    }

    /// Sends what a run that is done has not told yet, such as that it is, unless the receiver fails
    /// or somebody wants the process to end, as a signal does: then the next run sends it.
    pub(super) async fn finish(mut self, mut stop: watch::Receiver<Stop>) {
        if self.tasks.is_empty() {
            return;
        }
        self.finish.send_replace(true);
        tokio::select! {
            ended = tokio::time::timeout(LAST_NOTICES, self.tasks.join_next()) => {
                if ended.is_err() {
                    tracing::warn!("some notices are not sent yet: the next run sends them");
                }
            }
            // The sending half ends with the task that handles signals.
            Ok(_) = stop.wait_for(|stop| *stop != Stop::No) => {}
        }
        self.tasks.shutdown().await;
    }
}
