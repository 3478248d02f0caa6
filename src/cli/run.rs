//! `parserd run`: the daemon in the foreground.

mod ending;
mod loading;
#[cfg(unix)]
mod notify;
mod standby;
#[cfg(unix)]
mod supervisor;
#[cfg(unix)]
mod words;

use std::{io::IsTerminal as _, sync::atomic::Ordering, time::Duration};

use anyhow::Context as _;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    clock::Clock,
    config::{self, Settings},
    core::cure,
    engine::daemon::Until,
    engine::retention,
    engine::worker::Stop,
    store::{Role, Store},
    telemetry,
    web::{Listener, Vitals},
    wiring,
};

use self::{
    ending::RunEnd,
    loading::{Loading, ReloadRequest},
};
use super::{Exit, bar};
#[cfg(unix)]
use supervisor::Supervisor;

/// What `run` takes.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Exit when no job can make progress any more: 0 if all is well, 3 where jobs became
    /// FAILED meanwhile, 4 where none did and some are PARKED
    #[arg(long)]
    pub until_done: bool,

    /// Where another daemon has the database, wait until it ends, and take over
    #[arg(long)]
    pub standby: bool,

    /// Take the database for the one that was written last here, and send creates at once:
    /// for a copy that was put in its place when nothing was sent since, or one that was moved
    #[arg(long)]
    pub trust_database: bool,
}

/// Runs the daemon until a signal, or until nothing is left to do.
pub(super) async fn run(settings: &Settings, args: RunArgs) -> anyhow::Result<Exit> {
    let key = settings.require_key()?.clone();
    let token = settings.page_token()?.cloned();
    telemetry::init(&settings.log)?;
    let client = wiring::client(settings, &key).context("cannot set up the HTTP client")?;
    let (stop, stopped) = watch::channel(Stop::No);
    // From here on a signal ends the daemon in good order.
    let mut signals =
        Signals::listen(stop, settings.api.request_timeout).context("cannot listen for signals")?;
    let opened = if args.standby {
        #[cfg(unix)]
        let waiting = {
            let supervisor = signals.supervisor.clone();
            move || supervisor.standing_by()
        };
        #[cfg(not(unix))]
        let waiting = || {};
        tokio::select! {
            opened = standby::open(settings.database_path(), waiting) => opened,
            () = signals.first() => {
                tracing::info!("stopping: the database was never this daemon's");
                return Ok(Exit::Done);
            }
        }
    } else {
        Store::open(settings.database_path(), Role::Daemon).await
    };
    let mut store = opened?;
    // Before anything moves: these are not failures of this run.
    let failed_before = store.failures().await?;
    let clock = Clock::system();
    if args.trust_database {
        wiring::trust(&mut store, clock.now()).await?;
    }
    let base_url = &settings.api.base_url;
    let changes = wiring::take_in_service(&store, base_url, &key, clock.now()).await?;
    if changes.key {
        tracing::info!("the API key has changed: closed gates are opened");
    }
    if changes.account {
        tracing::warn!(
            "the service's address or key is not the one used before: parsers \
             and creates known from there stay as they are until one of them is seen here"
        );
    }
    let listener = match settings.http.listen {
        Some(address) => Some(Listener::bind(address).await.map_err(|error| {
            let what_to_do = cure::of_listening(&error, "http.listen");
            anyhow::Error::new(error).context(format!("cannot listen at {address}: {what_to_do}"))
        })?),
        None => None,
    };
    #[cfg(unix)]
    let supervisor = signals.supervisor.clone();
    let until = if args.until_done {
        Until::NoProgress
    } else {
        Until::Stopped
    };
    let service_clock = client.clock();
    let daemon = wiring::daemon(
        settings,
        store.clone(),
        client,
        clock.clone(),
        until,
        stopped.clone(),
    )
    .await?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        database = %settings.database_path().display(),
        service = %settings.api.base_url,
        "parserd is up"
    );
    let mut beside = JoinSet::new();
    #[cfg(unix)]
    beside.spawn(supervisor.clone().watch(supervisor::SupervisorFacts {
        store: store.clone(),
        clock: clock.clone(),
        heartbeat: daemon.heartbeat(),
        stop: stopped,
    }));
    if let Some(max_age) = settings.retention.max_age {
        retention::ask_for_time(&daemon.key(), &daemon.holds(), clock.now());
        let keeper = retention::Keeper {
            store: store.clone(),
            clock: clock.clone(),
            service: service_clock,
            max_age_ms: config::millis(max_age),
        };
        beside.spawn(keeper.keep());
    }
    let loading = Loading::of(settings, &store, &daemon);
    let (asking, all_good) = loading.handles();
    #[cfg(unix)]
    let loaded = {
        let supervisor = supervisor.clone();
        move || supervisor.reloaded()
    };
    #[cfg(not(unix))]
    let loaded = || {};
    beside.spawn(loading.run(daemon.holds().hold(), loaded));
    beside.spawn(signals.handle(asking));
    if let Some(listener) = listener {
        tracing::info!(address = %listener.address()?, "page, metrics and health are served");
        let vitals = Vitals::new(settings, &daemon, store.clone(), clock, token);
        beside.spawn(listener.serve(vitals));
    }
    if args.until_done && std::io::stderr().is_terminal() {
        beside.spawn(bar::watch(store.clone()));
    }
    let metrics = daemon.metrics();
    daemon.run().await?;
    beside.shutdown().await;
    #[cfg(unix)]
    {
        // It may have been done before anybody looked; and it may stop unasked.
        supervisor.ready();
        supervisor.stopping();
    }
    let files_ok = all_good.load(Ordering::Acquire);
    let ended = if args.until_done {
        Some(RunEnd {
            counts: store.counts().await?,
            finished: metrics.finished(),
            failed: store.failures().await?.since(&failed_before),
            files_ok,
        })
    } else {
        None
    };
    store.close().await;
    tracing::info!("parserd has stopped");
    Ok(ended.map_or(Exit::Done, |ended| report_end(&ended)))
}

/// Tells what a run came to, as part of the log: it may be JSON, or the journal's.
fn report_end(ended: &RunEnd) -> Exit {
    let exit = ended.exit();
    for line in ended.lines() {
        match exit {
            Exit::Done => tracing::info!("{line}"),
            _ => tracing::warn!("{line}"),
        }
    }
    exit
}

/// TERM and INT stop the daemon, a second one at once; HUP loads the job files.
#[cfg(unix)]
struct Signals {
    stop: watch::Sender<Stop>,
    supervisor: Supervisor,
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen(stop: watch::Sender<Stop>, request_timeout: Duration) -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            stop,
            supervisor: Supervisor::from_env(request_timeout),
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits until the process is told to stop.
    async fn first(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        self.supervisor.stopping();
    }

    async fn handle(mut self, asking: ReloadRequest) {
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
        let next = match *self.stop.borrow() {
            Stop::No => Stop::Drain,
            Stop::Drain | Stop::Abandon => Stop::Abandon,
        };
        tracing::info!(signal, "stopping");
        self.supervisor.stopping();
        self.stop.send_replace(next);
    }
}

#[cfg(not(unix))]
struct Signals {
    stop: watch::Sender<Stop>,
}

#[cfg(not(unix))]
impl Signals {
    fn listen(stop: watch::Sender<Stop>, _: Duration) -> std::io::Result<Self> {
        Ok(Self { stop })
    }

    async fn first(&mut self) {
        let _unavailable = tokio::signal::ctrl_c().await;
    }

    async fn handle(self, _asking: ReloadRequest) {
        while tokio::signal::ctrl_c().await.is_ok() {
            let next = match *self.stop.borrow() {
                Stop::No => Stop::Drain,
                Stop::Drain | Stop::Abandon => Stop::Abandon,
            };
            self.stop.send_replace(next);
        }
    }
}
