//! `parserd demo`: the whole system end to end, on a simulator of the service.

mod found;
mod script;

use std::{
    collections::HashSet, io::IsTerminal as _, net::Ipv4Addr, path::PathBuf, time::Duration,
};

use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use tokio::sync::watch;

use crate::{
    clock::Clock,
    config::{Settings, Sources},
    core::{
        job::{JobState, UnixMs},
        selector::Selector,
        text::escaped,
    },
    engine::daemon::Until,
    engine::enqueue,
    engine::worker::Stop,
    manifest::{self, Format, JobFile},
    present::{format::grouped, narrate},
    simulator::{
        Endpoint, Faults, Simulator, WorldConfig,
        server::{Server, ServerHandle},
    },
    store::{Role, Store, StoreError},
    wiring,
};

use super::{
    Exit,
    bar::JobsBar,
    fold, jobs, narrator,
    output::{Columns, Out, print_error, print_message},
    show::looked_up,
};
use script::{End, FAILS, FAULTS, FINDS, Story};

/// How many lines of the history are read at once.
const STEP: usize = 1_000;

/// What `demo` takes.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Keeps the database in this directory, to look at with the other commands
    #[arg(long, value_name = "FOLDER")]
    pub keep: Option<PathBuf>,
}

/// The sample jobs, as they are shipped.
const JOBS: &str = include_str!("../../config/jobs.example.toml");

/// The simulator's key.
const KEY: &str = "demo-key";

/// A minute of the service passes in a second.
const GENERATION_SCALE: f64 = 1.0 / 45.0;

/// Credits for this many creates at first; the account's first one is free.
const CREATES_AT_FIRST: i64 = 10;

/// What an account is charged for a create.
const CREDITS_PER_CREATE: i64 = 30_000;

/// How long the account stays without credits after the first job is parked.
const WITHOUT_CREDITS: Duration = Duration::from_secs(3);

/// How often the demo looks at what happened.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Settings that fit the scaled time.
const SETTINGS: &[(&str, &str)] = &[
    ("api.key", KEY),
    ("workers.max_requests", "4"),
    ("poll.initial_interval", "300ms"),
    ("poll.max_interval", "800ms"),
    ("retry.initial_interval", "200ms"),
    ("retry.max_interval", "2s"),
    ("reconcile.settle", "4s"),
    ("reconcile.settle_after_error", "1500ms"),
    ("park.probe_interval", "1s"),
    ("park.max_probe_interval", "2s"),
];

/// Runs the sample jobs from QUEUED to their ends, and shows how.
pub(super) async fn demo(args: DemoArgs) -> anyhow::Result<Exit> {
    let temporary;
    let directory = match &args.keep {
        Some(directory) => {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
            directory.clone()
        }
        None => {
            temporary = tempfile::tempdir().context("cannot create a temporary directory")?;
            temporary.path().to_owned()
        }
    };
    let server = simulator().await?;
    let settings = settings(&server, &directory)?;
    let store = Store::open(settings.database_path(), Role::Daemon).await?;
    let manifest = manifest::parse("jobs.example.toml", Format::Toml, JOBS.as_bytes())?;
    let jobs = JobFile::of(manifest).context("cannot keep the sample jobs")?;
    let submitted = enqueue::submit(&store, &jobs, false).await?;
    print_message(&format!(
        "{} jobs of config/jobs.example.toml are queued for a simulated AI Parser API that makes \
         errors on purpose:",
        submitted.added + submitted.unchanged
    ));
    let (stop, stopped) = watch::channel(Stop::No);
    let client = wiring::client(&settings, settings.require_key()?)?;
    let daemon = wiring::daemon(
        &settings,
        store.clone(),
        client,
        Clock::system(),
        Until::AllTerminal,
        stopped,
    )
    .await?;
    if !Show::new(&store, &server)
        .follow(daemon.run(), &stop)
        .await?
    {
        print_message("The demo was interrupted.");
        return Ok(Exit::Failed);
    }
    let end = result(&store, &server, args.keep.as_deref()).await?;
    store.close().await;
    server.shutdown().await;
    let departures = script::departures(&end);
    for departure in &departures {
        print_error(&format!("error: {departure}"));
    }
    Ok(if departures.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

async fn simulator() -> anyhow::Result<ServerHandle> {
    let mut rules = Vec::with_capacity(FAULTS.len());
    for rule in FAULTS {
        rules.push(rule.parse()?);
    }
    let world = WorldConfig {
        key: KEY.to_owned(),
        credits: Some((CREATES_AT_FIRST - 1) * CREDITS_PER_CREATE),
        generation_scale: GENERATION_SCALE,
        ..WorldConfig::default()
    };
    let faults = Faults::new(world.seed, rules);
    let simulator = Simulator::new(world, faults);
    Server::start((Ipv4Addr::LOCALHOST, 0).into(), simulator)
        .await
        .context("cannot listen on a loopback port")
}

/// Nothing of the user's counts here: no file, no environment.
fn settings(server: &ServerHandle, directory: &std::path::Path) -> anyhow::Result<Settings> {
    let mut overrides: Vec<_> = SETTINGS
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    overrides.push(("api.base_url".to_owned(), server.base_url()));
    let working_dir = directory
        .canonicalize()
        .with_context(|| format!("cannot find {}", directory.display()))?;
    Ok(Settings::load(&Sources {
        overrides,
        working_dir,
        ..Sources::default()
    })?)
}

/// Progress: a bar on a terminal, plain lines everywhere.
struct Show<'a> {
    store: &'a Store,
    server: &'a ServerHandle,
    started: UnixMs,
    seen: i64,
    story: Story,
    bar: Option<JobsBar>,
    parked_since: Option<UnixMs>,
}

impl<'a> Show<'a> {
    fn new(store: &'a Store, server: &'a ServerHandle) -> Self {
        let bar = std::io::stderr().is_terminal().then(JobsBar::new);
        Self {
            store,
            server,
            started: Clock::system().now(),
            seen: 0,
            story: Story::default(),
            bar,
            parked_since: None,
        }
    }

    /// Shows what a daemon does until it has ended; says whether it ended by itself.
    async fn follow(
        mut self,
        running: impl Future<Output = Result<(), StoreError>>,
        stop: &watch::Sender<Stop>,
    ) -> anyhow::Result<bool> {
        tokio::pin!(running);
        let by_itself = loop {
            tokio::select! {
                ended = &mut running => {
                    ended?;
                    break true;
                }
                () = tokio::time::sleep(LOOK_INTERVAL) => self.look().await?,
                () = super::shutdown() => {
                    stop.send_replace(Stop::Drain);
                    running.await?;
                    break false;
                }
            }
        };
        self.look().await?;
        Ok(by_itself)
    }

    async fn look(&mut self) -> anyhow::Result<()> {
        for row in self.store.events_after(self.seen, None, STEP).await? {
            self.seen = row.id;
            // Gates and batch are shown by what they make of the jobs.
            if row.job_id.is_some() && self.story.tells(&row.event.event) {
                let text = narrate::event(&row.event);
                self.print_event(row.event.at, &row.name, &text);
            }
        }
        let counts = self.store.counts().await?;
        if let Some(bar) = &self.bar {
            bar.show(&counts);
        }
        self.top_up(counts.of(JobState::Parked) > 0);
        Ok(())
    }

    /// Credits come back a while after they ran out.
    fn top_up(&mut self, is_parked: bool) {
        let now = Clock::system().now();
        if self.parked_since.is_none() && is_parked {
            self.parked_since = Some(now);
        }
        let pause_ms = i64::try_from(WITHOUT_CREDITS.as_millis()).unwrap_or(i64::MAX);
        if self
            .parked_since
            .is_some_and(|since| now - since >= pause_ms)
        {
            let left = self.server.with(|simulator| simulator.world.credits_left());
            if left.is_some_and(|left| left < CREDITS_PER_CREATE) {
                let credits = 100 * CREDITS_PER_CREATE;
                self.server
                    .with(|simulator| simulator.world.add_credits(credits));
                let text = format!("{} credits are added to it", grouped(credits));
                self.print_event(now, "(the account)", &text);
            }
        }
    }

    fn print_event(&self, at: UnixMs, name: &str, text: &str) {
        let line = narrator::line(at - self.started, Some(name), text);
        match &self.bar {
            Some(bar) => bar.line(&line),
            None => print_message(&line),
        }
    }
}

/// Every job with its state.
async fn states(store: &Store) -> anyhow::Result<Vec<(String, String)>> {
    let mut rows = store.rows(&[]);
    let mut jobs = Vec::new();
    while let Some(row) = rows.try_next().await? {
        jobs.push((row.name, row.state));
    }
    Ok(jobs)
}

/// What to do about the job that failed, and what a parser found.
async fn outcome(store: &Store, out: &mut Out) -> anyhow::Result<()> {
    let mut line = |text: &str| out.line(&fold::text(fold::width(), text, 2));
    if let Some((failed, _)) = looked_up(store, FAILS).await?
        && let Some(hint) = &failed.row.error_hint
    {
        line(&format!("\n{FAILS} failed on purpose. What to do: {hint}"))?;
    }
    let Some((finds, _)) = looked_up(store, FINDS).await? else {
        return Ok(());
    };
    let result = finds.example_result.as_ref().map(|json| json.get());
    if let Some(found) = result.and_then(found::first_page) {
        line(&format!(
            "\nWhat the parser {FINDS} found at {}:",
            escaped(&found.url)
        ))?;
        let mut columns = Columns::new(&[]);
        for (field, value) in found.fields {
            columns.row([format!("  {field}"), value]);
        }
        for row in columns.lines() {
            out.line(&row)?;
        }
    }
    Ok(())
}

/// The table of the jobs, what a parser found, what was spent, and what to try next.
async fn result(
    store: &Store,
    server: &ServerHandle,
    kept: Option<&std::path::Path>,
) -> anyhow::Result<End> {
    let mut out = Out::default();
    out.line("")?;
    jobs::table(store, &Selector::default(), &mut out).await?;
    outcome(store, &mut out).await?;
    let jobs = states(store).await?;
    let (spent, names, creates) = server.with(|simulator| {
        let world = &simulator.world;
        let names: Vec<_> = world
            .parsers(i64::MAX)
            .into_iter()
            .map(|parser| parser.name)
            .collect();
        let creates = simulator.traffic.count(Endpoint::Create);
        (world.credits_spent(), names, creates)
    });
    let parsers = names.len();
    let twice = parsers - names.into_iter().collect::<HashSet<_>>().len();
    let mut line = |text: &str| out.line(&fold::text(fold::width(), text, 2));
    line(&format!(
        "\nSpent: {} credits for {parsers} parsers, the account's first one free; \
         {creates} create requests were sent, {twice} jobs were paid twice.",
        grouped(spent)
    ))?;
    line("\nNext:")?;
    if let Some(directory) = kept {
        let database = directory.join("parserd.db");
        line(&format!(
            "  parserd --set database.url=sqlite://{} show {FAILS}",
            database.display()
        ))?;
    } else {
        line("  parserd demo --keep FOLDER  keeps the database for status, jobs and show")?;
    }
    line("  parserd check               says what a real run lacks")?;
    line("  parserd enqueue --dry-run config/jobs.example.toml")?;
    out.flush()?;
    Ok(End {
        jobs,
        paid_twice: twice,
    })
}
