//! The signals that a daemon listens to.

use std::time::Duration;

use tokio::sync::watch;

use super::{loading::ReloadRequest, supervisor::Supervisor};
use crate::engine::worker::Stop;

/// TERM and INT stop the daemon, a second one at once; HUP loads the job files.
#[cfg(unix)]
pub(super) struct Signals {
    stop: watch::Sender<Stop>,
    pub(super) supervisor: Supervisor,
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn listen(
        stop: watch::Sender<Stop>,
        request_timeout: Duration,
    ) -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        // A file that may grow no further (`ulimit -f`, LimitFSIZE) ends the process without a word
        // unless somebody listens; then the write fails, as on a full disk. It is listened to for good.
        drop(signal(SignalKind::from_raw(
            rustix::process::Signal::XFSZ.as_raw(),
        ))?);
        Ok(Self {
            stop,
            supervisor: Supervisor::from_env(request_timeout),
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits until the process is told to stop.
    pub(super) async fn first(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        self.supervisor.stopping();
    }

    pub(super) async fn handle(mut self, asking: ReloadRequest) {
        loop {
            tokio::select! {
                Some(()) = self.terminate.recv() => self.ask_to_stop("TERM"),
                Some(()) = self.interrupt.recv() => self.ask_to_stop("INT"),
                Some(()) = self.hangup.recv() => {
                    if asking.ask() {
                        self.supervisor.reloading();
                    }
                }
            }
        }
    }

    fn ask_to_stop(&self, signal: &str) {
        tracing::info!(signal, "stopping");
        self.supervisor.stopping();
        self.stop.send_modify(|stop| *stop = after(*stop));
    }
}

#[cfg(not(unix))]
pub(super) struct Signals {
    stop: watch::Sender<Stop>,
    pub(super) supervisor: Supervisor,
}

#[cfg(not(unix))]
impl Signals {
    pub(super) fn listen(stop: watch::Sender<Stop>, _: Duration) -> std::io::Result<Self> {
        Ok(Self {
            stop,
            supervisor: Supervisor,
        })
    }

    pub(super) async fn first(&mut self) {
        let _unavailable = tokio::signal::ctrl_c().await;
    }

    pub(super) async fn handle(self, _asking: ReloadRequest) {
        while tokio::signal::ctrl_c().await.is_ok() {
            self.stop.send_modify(|stop| *stop = after(*stop));
        }
    }
}

/// What one more signal makes of it.
const fn after(stop: Stop) -> Stop {
    match stop {
        Stop::No => Stop::Drain,
        Stop::Drain | Stop::Abandon => Stop::Abandon,
    }
}
