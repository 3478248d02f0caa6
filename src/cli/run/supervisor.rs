//! What systemd is notified of, by its `sd_notify` protocol: that it is ready, what
//! it does, that it makes progress, that it reloads or stops. Where nobody listens,
//! nothing is looked at and nothing sent.

use std::{
    ffi::OsStr,
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use sd_notify::NotifyState;
use tokio::sync::watch;

use super::{notify, words};
use crate::{
    clock::Clock,
    engine::daemon::heartbeat::stuck_ms,
    engine::worker::Stop,
    store::{Gates as _, Store, StoreError},
};

/// How often it is looked whether the loop has begun, at the start.
const START_PAUSE: Duration = Duration::from_millis(20);

/// How often it is looked what goes on, at the most.
const PACE: Duration = Duration::from_secs(2);

/// A look that takes long comes seldom: it may use this part of the time.
const LOOK_SHARE: u32 = 100;

/// How many looks fall into the watchdog's time: it needs one.
const LOOKS_PER_WATCHDOG: u32 = 4;

/// A database that is silent for longer is worth a line of the log.
const LOGGED_AFTER: Duration = Duration::from_secs(10);

/// What a stop may take beyond the longest request: recording its answer.
const STOP_RESERVE: Duration = Duration::from_secs(30);

/// A line to systemd. Cloning it shares what was sent.
#[derive(Debug, Clone)]
pub(super) struct Supervisor {
    socket: Option<Arc<OsStr>>,
    watchdog: Option<Duration>,
    request_timeout: Duration,
    is_ready: Arc<AtomicBool>,
    /// It was logged that nobody reads.
    is_unread: Arc<AtomicBool>,
}

/// What shows whether a daemon makes progress.
pub(super) struct SupervisorFacts {
    pub store: Store,
    pub clock: Clock,
    pub heartbeat: Arc<AtomicI64>,
    pub stop: watch::Receiver<Stop>,
}

impl Supervisor {
    /// The one that the environment names, if it names any. A request may take
    /// `request_timeout`.
    pub(super) fn from_env(request_timeout: Duration) -> Self {
        Self {
            socket: notify::socket().map(Arc::from),
            watchdog: sd_notify::watchdog_enabled(),
            request_timeout,
            is_ready: Arc::default(),
            is_unread: Arc::default(),
        }
    }

    /// The store is open and the first job can be claimed. Told once; where that was given
    /// up, the next call sends it.
    pub(super) fn ready(&self) {
        if !self.is_ready.swap(true, Ordering::Relaxed) && !self.notify(&[NotifyState::Ready]) {
            self.is_ready.store(false, Ordering::Relaxed);
        }
    }

    /// Another daemon has the database, and this one waits to take over: that is up, too.
    pub(super) fn standing_by(&self) {
        if !self.is_ready.swap(true, Ordering::Relaxed) {
            let status = NotifyState::Status("standby: another daemon has the database");
            self.notify(&[NotifyState::Ready, status]);
        }
        if self.watchdog.is_some() {
            self.notify(&[NotifyState::Watchdog]);
        }
    }

    /// Job files are being loaded. Before it is ready, that is part of the start.
    pub(super) fn reloading(&self) {
        if self.is_ready.load(Ordering::Relaxed) {
            // systemd 253 and newer want the time with it.
            match NotifyState::monotonic_usec_now() {
                Ok(now) => drop(self.notify(&[NotifyState::Reloading, now])),
                Err(error) => tracing::warn!(%error, "cannot read the monotonic clock"),
            }
        }
    }

    /// They are loaded.
    pub(super) fn reloaded(&self) {
        if self.is_ready.load(Ordering::Relaxed) {
            self.notify(&[NotifyState::Ready]);
        }
    }

    /// It stops, and creates that are under way may take as long as a request may. That
    /// bound is sent once rather than moved on by a timer: a stop that hangs beyond it is
    /// none worth waiting for.
    pub(super) fn stopping(&self) {
        let limit = self
            .request_timeout
            .saturating_add(STOP_RESERVE)
            .as_micros();
        let limit_us = u32::try_from(limit).unwrap_or(u32::MAX);
        self.notify(&[
            NotifyState::Stopping,
            NotifyState::ExtendTimeoutUsec(limit_us),
        ]);
    }

    /// Returns false where nobody reads: a later try may do better.
    fn notify(&self, messages: &[NotifyState<'_>]) -> bool {
        let Some(socket) = &self.socket else {
            return true;
        };
        match notify::notify(socket, messages) {
            Ok(()) => {
                self.is_unread.store(false, Ordering::Relaxed);
                true
            }
            // It would go on for as long as nobody reads.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if !self.is_unread.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "nothing reads NOTIFY_SOCKET: systemd gets no more notifications"
                    );
                }
                false
            }
            Err(error) => {
                tracing::warn!(%error, "cannot notify systemd (NOTIFY_SOCKET)");
                true
            }
        }
    }

    /// Tells what goes on, and that there is progress, until it is dropped.
    pub(super) async fn watch(self, mut vitals: SupervisorFacts) {
        if self.socket.is_none() {
            return;
        }
        while vitals.heartbeat.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(START_PAUSE).await;
        }
        self.ready();
        let mut shown = String::new();
        let mut watchdog_at = Instant::now();
        loop {
            self.ready();
            let began = Instant::now();
            let mut status = self.status(&vitals, &mut shown).await;
            let looked = began.elapsed();
            if let Some(every) = self.watchdog
                && *vitals.stop.borrow() == Stop::No
                && began >= watchdog_at
            {
                match self.progress(&vitals, &mut shown).await {
                    Ok(()) => {
                        self.notify(&[NotifyState::Watchdog]);
                        watchdog_at = began + every / LOOKS_PER_WATCHDOG;
                    }
                    Err(trouble) => {
                        if shown != trouble {
                            tracing::error!("{trouble}");
                        }
                        status = trouble;
                    }
                }
            }
            self.notify_status(&mut shown, status);
            let longest = self
                .watchdog
                .map_or(Duration::MAX, |every| every / LOOKS_PER_WATCHDOG);
            let pause = PACE.max(looked * LOOK_SHARE).min(longest);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                Ok(()) = vitals.stop.changed() => {}
            }
        }
    }

    async fn status(&self, vitals: &SupervisorFacts, shown: &mut String) -> String {
        let look = async {
            let counts = vitals.store.counts().await?;
            let gates = vitals.store.gates().await?;
            Ok((counts, gates))
        };
        match self.patiently(look, shown).await {
            Ok((counts, _)) if *vitals.stop.borrow() != Stop::No => words::stopping(&counts),
            Ok((counts, gates)) => words::at_work(&counts, &gates, vitals.clock.now()),
            Err(error) => words::refused(&error),
        }
    }

    /// Whether there was progress: the loop came round, and the database takes a write.
    ///
    /// While it takes none for the watchdog's time, nothing is lost by a restart: a create
    /// is sent only after a commit, so by then none is under way.
    async fn progress(&self, vitals: &SupervisorFacts, shown: &mut String) -> Result<(), String> {
        // Takes the write lock, adds nothing.
        let write = vitals.store.submit(Vec::new(), true);
        self.patiently(write, shown)
            .await
            .map_err(|error| words::refused(&error))?;
        let heartbeat = vitals.heartbeat.load(Ordering::Relaxed);
        stuck_ms(heartbeat, vitals.clock.now()).map_or(Ok(()), |ms| Err(words::stuck(ms)))
    }

    /// Waits for the database, however long, and reports that it is waited for.
    async fn patiently<T>(
        &self,
        asked: impl Future<Output = Result<T, StoreError>>,
        shown: &mut String,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let mut asked = std::pin::pin!(asked);
        let patience = self.watchdog.map_or(PACE, |every| every.min(PACE));
        let mut is_logged = false;
        loop {
            tokio::select! {
                answer = &mut asked => {
                    if is_logged {
                        tracing::info!("the database answers again");
                    }
                    return answer;
                }
                () = tokio::time::sleep(patience) => {
                    let waited = began.elapsed();
                    let waited_ms = i64::try_from(waited.as_millis()).unwrap_or(i64::MAX);
                    let silent = words::silent(waited_ms);
                    if waited > LOGGED_AFTER && !is_logged {
                        tracing::warn!("{silent}");
                        is_logged = true;
                    }
                    self.notify_status(shown, silent);
                }
            }
        }
    }

    fn notify_status(&self, shown: &mut String, status: String) {
        if *shown != status {
            self.notify(&[NotifyState::Status(&status)]);
            *shown = status;
        }
    }
}
