//! `parserd run`: the daemon in the foreground.

pub(super) mod ending;
mod history_log;
mod loading;
#[cfg(unix)]
mod notify;
mod progress;
mod signals;
mod standby;
#[cfg_attr(not(unix), path = "run/unsupervised.rs")]
mod supervisor;
mod webhook;
mod words;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Context as _;
use secrecy::SecretString;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    api::{Service, service_clock::ServiceClock},
    clock::Clock,
    config::{self, Settings},
    core::{cure, daemon_facts::DaemonFacts, job::UnixMs},
    engine::{
        daemon::{Daemon, Until},
        judging::Judge,
        retention,
        worker::Stop,
    },
    store::{Facts as _, Failures, RUNNING, Role, Store, StoreError},
    telemetry,
    web::{Listener, Vitals},
    wiring,
};

#[cfg(unix)]
use self::supervisor::{Supervisor, SupervisorFacts};
use self::{
    ending::RunEnd, history_log::HistoryLog, loading::Loading, signals::Signals, webhook::Notices,
};
use super::{Exit, bar, narrator};

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

impl RunArgs {
    const fn until(&self) -> Until {
        if self.until_done {
            Until::NoProgress
        } else {
            Until::Stopped
        }
    }
}

/// Runs the daemon until a signal, or until nothing is left to do.
pub(super) async fn run(
    settings: &Settings,
    config: Option<&Path>,
    args: RunArgs,
) -> anyhow::Result<Exit> {
    let key = settings.require_key()?.clone();
    let token = settings.page_token()?.cloned();
    let webhook = settings.webhook()?.cloned();
    let telling = telemetry::init(&settings.log, narrator::LOOKS)?;
    let client = wiring::client(settings, &key).context("cannot set up the HTTP client")?;
    let (stop, stopped) = watch::channel(Stop::No);
    // From here on a signal ends the daemon in good order.
    let mut signals =
        Signals::listen(stop, settings.api.request_timeout).context("cannot listen for signals")?;
    let Some(mut store) = open(settings, args.standby, &mut signals).await? else {
        return Ok(Exit::Done);
    };
    // Before anything moves: these are not failures of this run.
    let failed_before = store.failures().await?;
    let clock = Clock::system();
    let history_log = Arc::new(HistoryLog::new(&store, &clock, telling).await?);
    if args.trust_database {
        wiring::trust(&mut store, clock.now()).await?;
    }
    take_in_service(&store, settings, &key, clock.now()).await?;
    let web = listen(settings).await?;
    say_running(&store, settings, config, web.as_ref(), clock.now()).await?;
    let web = web.zip(Some(token));
    let notices = Notices::start(webhook.as_ref(), &key, &store, &clock).await?;
    let supervisor = signals.supervisor.clone();
    let service_clock = client.clock();
    let daemon = wiring::daemon(
        settings,
        store.clone(),
        client,
        clock.clone(),
        args.until(),
        stopped,
    )
    .await?;
    log_up(settings);
    let bar = bar::of_run(args.until_done);
    let (mut beside, files_ok) = Beside {
        settings,
        store: &store,
        clock: &clock,
        daemon: &daemon,
        history_log: Arc::clone(&history_log),
        tasks: JoinSet::new(),
    }
    .start(signals, service_clock, web, bar.clone())?;
    let metrics = daemon.metrics();
    let stop = daemon.stop();
    let ran = daemon.run().await;
    if ran.is_ok() {
        notices.finish(stop).await;
    }
    beside.shutdown().await;
    ran.and(tell_the_end(&history_log, bar, &store).await)?;
    // It may have been done before anybody looked; and it may stop unasked.
    supervisor.ready();
    supervisor.stopping();
    let ended = end(&args, &store, metrics.finished(), &failed_before, &files_ok).await?;
    store.close().await;
    tracing::info!("parserd has stopped");
    Ok(ended.map_or(Exit::Done, |ended| report_end(&ended)))
}

fn log_up(settings: &Settings) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        database = %settings.database_path().display(),
        service = %settings.api.base_url,
        "parserd is up"
    );
}

/// Says in the database how this daemon was started, for `parserd status`.
async fn say_running(
    store: &Store,
    settings: &Settings,
    config: Option<&Path>,
    web: Option<&Listener>,
    now: UnixMs,
) -> anyhow::Result<()> {
    let page = match web {
        Some(listener) => Some(format!("http://{}/", listener.address()?)),
        None => None,
    };
    let facts = DaemonFacts {
        since: now,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config: config.map(|path| path.display().to_string()),
        page,
        max_credits_per_day: settings.budget.max_credits_per_day,
        max_credits: settings.budget.max_credits,
    };
    Ok(store.keep(RUNNING, &facts).await?)
}

/// Tells what happened since whoever tells it looked last: the end of the last job.
async fn tell_the_end(
    history_log: &HistoryLog,
    bar: Option<Arc<bar::JobsBar>>,
    store: &Store,
) -> Result<(), StoreError> {
    history_log.finish().await?;
    if let Some(bar) = bar {
        bar.look(store).await;
    }
    Ok(())
}

/// How things stand now that the run has ended by itself.
async fn end(
    args: &RunArgs,
    store: &Store,
    finished: i64,
    failed_before: &Failures,
    files_ok: &AtomicBool,
) -> Result<Option<RunEnd>, StoreError> {
    if !args.until_done {
        return Ok(None);
    }
    Ok(Some(RunEnd {
        counts: store.counts().await?,
        finished,
        failed: store.failures().await?.since(failed_before),
        files_ok: files_ok.load(Ordering::Acquire),
    }))
}

/// Opens the database, as soon as no other daemon has it where this one stands by; none where a
/// signal comes first.
async fn open(
    settings: &Settings,
    is_standby: bool,
    signals: &mut Signals,
) -> anyhow::Result<Option<Store>> {
    let path = settings.database_path();
    if !is_standby {
        return Ok(Some(Store::open(path, Role::Daemon).await?));
    }
    let supervisor = signals.supervisor.clone();
    tokio::select! {
        opened = standby::open(path, || supervisor.standing_by()) => Ok(Some(opened?)),
        () = signals.first() => {
            tracing::info!("stopping: the database was never this daemon's");
            Ok(None)
        }
    }
}

/// Takes in at which address and with which key the service is asked.
async fn take_in_service(
    store: &Store,
    settings: &Settings,
    key: &SecretString,
    now: UnixMs,
) -> anyhow::Result<()> {
    let changes = wiring::take_in_service(store, &settings.api.base_url, key, now).await?;
    if changes.key {
        tracing::info!("the API key has changed: closed gates are opened");
    }
    if changes.account {
        tracing::warn!(
            "the service's address or key is not the one used before: parsers \
             and creates known from there stay as they are until one of them is seen here"
        );
    }
    Ok(())
}

async fn listen(settings: &Settings) -> anyhow::Result<Option<Listener>> {
    let Some(address) = settings.http.listen else {
        return Ok(None);
    };
    let listener = Listener::bind(address).await.map_err(|error| {
        let what_to_do = cure::of_listening(&error, "http.listen");
        anyhow::Error::new(error).context(format!("cannot listen at {address}: {what_to_do}"))
    })?;
    Ok(Some(listener))
}

/// What goes on beside a daemon's loop, for as long as that runs.
struct Beside<'a, S> {
    settings: &'a Settings,
    store: &'a Store,
    clock: &'a Clock,
    daemon: &'a Daemon<S, Store>,
    history_log: Arc<HistoryLog>,
    tasks: JoinSet<()>,
}

impl<S: Service> Beside<'_, S> {
    /// Starts all of it. Returns what ends with the daemon, and whether all job files were good
    /// the last time.
    fn start(
        mut self,
        signals: Signals,
        service_clock: ServiceClock,
        web: Option<(Listener, Option<SecretString>)>,
        bar: Option<Arc<bar::JobsBar>>,
    ) -> anyhow::Result<(JoinSet<()>, Arc<AtomicBool>)> {
        #[cfg(unix)]
        self.notify(signals.supervisor.clone());
        self.keep_within_age(service_clock);
        let judge = Judge {
            store: self.store.clone(),
            clock: self.clock.clone(),
            min_fill: self.settings.quality.min_fill,
        };
        self.tasks.spawn(judge.keep());
        let history_log = Arc::clone(&self.history_log);
        self.tasks.spawn(async move { history_log.keep().await });
        let files_ok = self.load(signals);
        if let Some((listener, token)) = web {
            self.serve(listener, token)?;
        }
        // A bar says the same as the lines of progress.
        if let Some(bar) = bar {
            self.tasks.spawn(bar::watch(self.store.clone(), bar));
        } else {
            let (store, clock) = (self.store.clone(), self.clock.clone());
            self.tasks.spawn(progress::keep(store, clock));
        }
        Ok((self.tasks, files_ok))
    }

    #[cfg(unix)]
    fn notify(&mut self, supervisor: Supervisor) {
        self.tasks.spawn(supervisor.watch(SupervisorFacts {
            store: self.store.clone(),
            clock: self.clock.clone(),
            heartbeat: self.daemon.heartbeat(),
            stop: self.daemon.stop(),
        }));
    }

    /// Deletes what is older than `retention.max_age`, if that is set.
    fn keep_within_age(&mut self, service: ServiceClock) {
        let Some(max_age) = self.settings.retention.max_age else {
            return;
        };
        let daemon = self.daemon;
        retention::ask_for_time(&daemon.key(), &daemon.holds(), self.clock.now());
        let keeper = retention::Keeper {
            store: self.store.clone(),
            clock: self.clock.clone(),
            service,
            max_age_ms: config::millis(max_age),
        };
        self.tasks.spawn(keeper.keep());
    }

    /// Loads the job files, now and whenever a signal asks for it.
    fn load(&mut self, signals: Signals) -> Arc<AtomicBool> {
        let loading = Loading::of(self.settings, self.store, self.daemon);
        let (asking, all_good) = loading.handles();
        let supervisor = signals.supervisor.clone();
        let loaded = move || supervisor.reloaded();
        self.tasks
            .spawn(loading.run(self.daemon.holds().hold(), loaded));
        self.tasks.spawn(signals.handle(asking));
        all_good
    }

    fn serve(&mut self, listener: Listener, token: Option<SecretString>) -> anyhow::Result<()> {
        tracing::info!(address = %listener.address()?, "page, metrics and health are served");
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let vitals = Vitals::new(self.settings, self.daemon, store, clock, token);
        self.tasks.spawn(listener.serve(vitals));
        Ok(())
    }
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
