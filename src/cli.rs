//! The commands: one file each, the arguments here.

mod apply;
mod ask;
mod backup;
mod bar;
mod check;
mod completions;
mod demo;
mod draft;
mod enqueue;
mod events;
mod examples;
pub mod exit;
mod fold;
mod generate;
mod help;
mod init;
mod jobs;
mod manual;
mod named;
mod names;
mod narrator;
mod oddities;
pub(crate) mod operate;
pub mod output;
mod parsers;
mod plan;
mod preflight;
mod resolve;
mod run;
mod selector;
pub(crate) mod show;
pub mod simulate;
pub(crate) mod status;
mod wait;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::{Settings, Sources, keys};
use crate::core::budget::Budget;
use crate::core::edit::Edit;
use crate::core::job::UnixMs;
use crate::core::nearest::nearest;
use crate::engine::operate::OperatorAction;
use crate::store::{Ledger as _, Store, StoreError};
use crate::wiring;

pub use exit::{Exit, Usage};
use named::Named;
use operate::operate;

/// Provisions AI parsers in bulk, unattended, and never pays for one twice
#[derive(Debug, Parser)]
#[command(name = "parserd", version, arg_required_else_help = true)]
pub struct Cli {
    /// The configuration file [default: $PARSERD_CONFIG, else /etc/parserd/parserd.toml
    /// if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Sets a configuration key over file and environment, and with `retry` a part of the jobs;
    /// may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = SETTING,
        hide_possible_values = true)]
    pub set: Vec<String>,

    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// Takes any text; a shell completes the keys.
const SETTING: Named<String> = Named::new(
    || keys::KEYS.iter().map(|key| key.name).collect(),
    |text| Ok(text.to_owned()),
);

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon, in the foreground
    Run(run::RunArgs),
    /// Show the whole system at work on a simulator; needs no key and no network
    Demo(demo::DemoArgs),
    /// Add the jobs of files (TOML, JSON, JSON Lines, CSV)
    Enqueue(enqueue::EnqueueArgs),
    /// Group a list of URLs into page types, and print a job file of them; nothing is asked for
    Draft(draft::DraftArgs),
    /// Show what the queue, or job files, would create, adopt and cost; nothing is changed
    Plan(plan::PlanArgs),
    /// Fetch the example pages of jobs, and say what would fail before anything is created
    Preflight(preflight::PreflightArgs),
    /// Make what is there as job files say: shows the plan and asks first
    Apply(apply::ApplyArgs),
    /// Show counts by state, what is parked and why, what it costs, what happens next
    Status(status::StatusArgs),
    /// List jobs, a line each
    #[command(visible_aliases = ["ls", "list"])]
    Jobs(jobs::JobsArgs),
    /// List parsers: what each is worth, and why
    Parsers(parsers::ParsersArgs),
    /// Show one job with its whole history
    Show(show::ShowArgs),
    /// Show what happened, a line an event
    Events(events::EventsArgs),
    /// Wait beside a running daemon until jobs are done
    Wait(wait::WaitArgs),
    /// Try FAILED and PARKED jobs again, with --set also changed
    Retry(operate::OperateArgs),
    /// Cancel jobs that are QUEUED, PARKED or FAILED
    Cancel(operate::OperateArgs),
    /// Open closed gates and un-park jobs: without arguments, all that credits, key or
    /// budget held
    Resume(operate::OperateArgs),
    /// Say what became of a create in doubt
    Resolve(resolve::ResolveArgs),
    /// Check configuration, key, database and service; nothing is created
    Check(check::CheckArgs),
    /// Make an empty database
    Init(init::InitArgs),
    /// Copy the database to a new file, also while the daemon works on it
    Backup(backup::BackupArgs),
    /// Serve a simulator of the AI Parser API, for tests of your own
    Simulate(simulate::SimulateArgs),
    /// Print a shell's completions
    Completions(completions::CompletionsArgs),
    /// Write what a package holds besides the program: man pages, completions
    #[command(hide = true)]
    Generate(generate::GenerateArgs),
    /// Print the names that a shell completes
    #[command(hide = true)]
    Names(names::NamesArgs),
}

impl Cli {
    /// Reads the command line; prints what is wrong with it, or help, and ends the process.
    pub fn from_args(args: impl IntoIterator<Item = OsString>) -> Self {
        Self::read(args).unwrap_or_else(|error| exit::with_usage(&with_tip(error)))
    }

    fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = help::command();
        let mut matches = command.try_get_matches_from_mut(args)?;
        Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
    }
}

/// What clap does not say: which command was meant behind `help`. What is hidden is never meant.
fn with_tip(mut error: clap::Error) -> clap::Error {
    without_hidden(&mut error);
    // Clap has a suggestion for `parserd shwo`, and none for `parserd help shwo`.
    let meant = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(name))
            if error.get(ContextKind::SuggestedSubcommand).is_none() =>
        {
            let cli = Cli::command();
            let known = cli.get_subcommands().filter(|known| !known.is_hide_set());
            nearest(name, known.map(clap::Command::get_name)).map(str::to_owned)
        }
        _ => None,
    };
    if let Some(name) = meant {
        let meant = ContextValue::Strings(vec![name]);
        error.insert(ContextKind::SuggestedSubcommand, meant);
    }
    error
}

/// Takes hidden commands out of what is suggested.
fn without_hidden(error: &mut clap::Error) {
    let cli = Cli::command();
    let is_shown = |name: &String| {
        cli.find_subcommand(name)
            .is_none_or(|found| !found.is_hide_set())
    };
    let suggested = match error.remove(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::Strings(names)) => names.into_iter().filter(is_shown).collect(),
        Some(ContextValue::String(name)) => Vec::from_iter(Some(name).filter(is_shown)),
        _ => Vec::new(),
    };
    if !suggested.is_empty() {
        let suggested = ContextValue::Strings(suggested);
        error.insert(ContextKind::SuggestedSubcommand, suggested);
    }
}

/// Does what the command line says. Errors go to standard error.
pub async fn run(cli: Cli) -> Exit {
    dispatch(cli)
        .await
        .unwrap_or_else(|error| Exit::report(&error))
}

async fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    let Cli {
        config,
        set,
        command,
    } = cli;
    let (of_jobs, set) = settings_of_jobs(&command, set)?;
    let sources = || sources(config.clone(), &set);
    let settings = || anyhow::Ok(Settings::load(&sources()?)?);
    match command {
        Command::Run(args) => {
            let sources = sources()?;
            run::run(&Settings::load(&sources)?, sources.file.as_deref(), args).await
        }
        Command::Demo(args) => demo::demo(args).await,
        Command::Enqueue(args) => enqueue::enqueue(&settings()?, args).await,
        Command::Draft(args) => draft::draft(&settings()?, args).await,
        Command::Plan(args) => plan::plan(&settings()?, args).await,
        Command::Preflight(args) => preflight::preflight(&settings()?, args).await,
        Command::Apply(args) => apply::apply(&settings()?, args).await,
        Command::Status(args) => {
            let sources = sources()?;
            status::status(&Settings::load(&sources)?, sources.file.as_deref(), args).await
        }
        Command::Jobs(args) => jobs::jobs(&settings()?, args).await,
        Command::Parsers(args) => parsers::parsers(&settings()?, args).await,
        Command::Show(args) => show::show(&settings()?, args).await,
        Command::Events(args) => events::events(&settings()?, args).await,
        Command::Wait(args) => wait::wait(&settings()?, args).await,
        Command::Init(_) => init::init(&settings()?).await,
        Command::Retry(args) => {
            let edits = operate::edit::parse(&of_jobs)?;
            operate(&settings()?, OperatorAction::Retry, args, &edits).await
        }
        Command::Cancel(args) => operate(&settings()?, OperatorAction::Cancel, args, &[]).await,
        Command::Resume(args) => operate(&settings()?, OperatorAction::Resume, args, &[]).await,
        Command::Resolve(args) => resolve::resolve(&settings()?, args).await,
        Command::Backup(args) => backup::backup(&settings()?, args).await,
        Command::Check(args) => check::check(&sources()?, args).await,
        Command::Simulate(args) => {
            simulate::simulate(args, settings, shutdown()).await?;
            Ok(Exit::Done)
        }
        Command::Completions(args) => completions::completions(args),
        Command::Generate(args) => generate::generate(&args),
        Command::Names(args) => names::names(&args).await,
    }
}

/// A key and its value.
type Setting = (String, String);

/// What `--set` says of jobs, where the command changes some, and what of the configuration.
fn settings_of_jobs(
    command: &Command,
    set: Vec<String>,
) -> Result<(Vec<Setting>, Vec<Setting>), Usage> {
    let read = |text: String| match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.to_owned())),
        None => Err(Usage(
            "--set takes KEY=VALUE, such as --set log.level=debug".to_owned(),
        )),
    };
    let set: Vec<_> = set.into_iter().map(read).collect::<Result<_, _>>()?;
    // What is part of neither is said to be no part of a job.
    let is_of_job = |key: &str| Edit::is_of_job(key) || !keys::has_section(key);
    let changes_jobs = matches!(command, Command::Retry(_));
    Ok(set
        .into_iter()
        .partition(|(key, _)| changes_jobs && is_of_job(key)))
}

/// The layers of the configuration. No message repeats a value: it may be the key.
fn sources(config: Option<PathBuf>, set: &[Setting]) -> anyhow::Result<Sources> {
    for (key, _) in set {
        if key == "api.key" {
            let usage = "--set api.key would show the key to every user of this machine: \
                         use api.key_file, or the environment variable PARSERD__API__KEY";
            return Err(Usage(usage.to_owned()).into());
        }
    }
    Ok(Sources::from_process(config)?.with_overrides(set.to_vec()))
}

/// The budget as configuration and database have it.
async fn budget(settings: &Settings, store: &Store, now: UnixMs) -> Result<Budget, StoreError> {
    Ok(wiring::budget(settings).having(store.spent(now).await?, now))
}

/// Done when the process is asked to end. It listens from the call on, not from the
/// first poll: whoever reads our first line may answer with a signal.
#[cfg(unix)]
fn shutdown() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let heard = |kind| {
        let signal = signal(kind);
        async move {
            match signal {
                Ok(mut signal) => {
                    signal.recv().await;
                }
                // Where none can be had, there is nothing to wait for.
                Err(_) => std::future::pending().await,
            }
        }
    };
    let interrupted = heard(SignalKind::interrupt());
    let terminated = heard(SignalKind::terminate());
    async {
        tokio::select! {
            () = interrupted => {}
            () = terminated => {}
        }
    }
}

/// Done when the terminal is closed, unless that is to be ignored (`nohup`).
#[cfg(unix)]
fn hangup() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let is_ignored =
        ignores_hangup(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
    // Where one cannot be had, there is nothing to wait for.
    let signal = (!is_ignored)
        .then(|| signal(SignalKind::hangup()).ok())
        .flatten();
    async {
        match signal {
            Some(mut signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}

/// Whether a process's status (proc(5)) says that it ignores SIGHUP, the lowest bit of the
/// mask. Where nothing is said, it is taken to.
#[cfg(unix)]
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_none_or(|mask| mask & 1 != 0)
}

/// Done when the terminal is closed.
#[cfg(not(unix))]
async fn hangup() {
    std::future::pending::<()>().await;
}

/// Done when the process is asked to end.
#[cfg(not(unix))]
async fn shutdown() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
