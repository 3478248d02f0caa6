//! `parserd check`: what is wrong, why, and what cures it. Nothing is created.

mod findings;
mod machine;
mod service;

use std::path::Path;

use super::{Exit, budget, oddities};
use crate::clock::Clock;
use crate::config::{ConfigError, Settings, Sources, Webhook};
use crate::core::listing::Listing;
use crate::core::oddities::ListReport;
use crate::core::outcome::{Flaws, ListedParser};
use crate::core::text::escaped;
use crate::engine::enqueue::{self, EnqueueError, Rehearsal};
use crate::manifest::{Kinds, Tally, source_name};
use crate::present::format::{count, grouped, lasting, relative};
use crate::store::{
    Gates as _, Role, Store, StoreError, check_access, directory_of, has_content, has_daemon,
    resolved,
    schema::{self, Fault},
};
use findings::{Checker, Level};

/// Checks configuration, key, database and service; creates nothing.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn check(sources: &Sources, args: CheckArgs) -> anyhow::Result<Exit> {
    let mut checker = Checker::new(args.json);
    let exit = match Settings::load(sources) {
        Ok(settings) => checker.all(sources, &settings).await?,
        Err(error) => {
            checker.config_faults(&error)?;
            Exit::BadConfig
        }
    };
    checker.end(exit)
}

impl Checker {
    fn config_faults(&mut self, error: &ConfigError) -> anyhow::Result<()> {
        for error in error.each() {
            // The key's name with its place, the cause, and the cure apart.
            let (detail, cure) = match error {
                ConfigError::Invalid {
                    key,
                    origin,
                    problem,
                    cure,
                } => (
                    format!("{key} ({origin}): {problem}"),
                    Some(format!("write {cure}")),
                ),
                ConfigError::UnknownKey {
                    key,
                    origin,
                    nearest,
                } => (
                    format!("unknown key {key} in {origin}"),
                    Some(format!(
                        "write {nearest}, if that is meant, or leave it out"
                    )),
                ),
                ConfigError::ForeignKey {
                    key,
                    origin,
                    nearest,
                } => (
                    format!("unknown key {key} in {origin}"),
                    Some(format!(
                        "leave it out; the nearest known one is {nearest}, config/parserd.toml \
                         lists all"
                    )),
                ),
                ConfigError::MissingKey
                | ConfigError::MissingToken
                | ConfigError::MissingNotifySecret => {
                    let text = error.to_string();
                    let (what, cure) = text.split_once(": ").unwrap_or((&text, ""));
                    (what.to_owned(), Some(cure.to_owned()))
                }
                other => (other.to_string(), None),
            };
            self.note("configuration", Level::Fail, detail, cure.as_deref())?;
        }
        Ok(())
    }

    async fn all(&mut self, sources: &Sources, settings: &Settings) -> anyhow::Result<Exit> {
        self.ok(
            "configuration",
            match &sources.file {
                Some(path) => format!("{} and the environment", path.display()),
                None => "no file; the environment and the defaults".to_owned(),
            },
        )?;
        let mut exit = Exit::Done;
        let key = settings.require_key();
        match &key {
            Ok(_) => self.ok("key", "there is one")?,
            Err(error) => {
                self.config_faults(error)?;
                exit = Exit::BadConfig;
            }
        }
        match settings.page_token() {
            Ok(None) => {}
            Ok(Some(_)) => self.ok("page", "a token is set, the page may act")?,
            Err(error) => {
                self.config_faults(&error)?;
                exit = Exit::BadConfig;
            }
        }
        match settings.webhook() {
            Ok(None) => {}
            // Nothing is posted: a check is not a notice.
            Ok(Some(webhook)) => self.ok("webhook", webhook_words(webhook))?,
            Err(error) => {
                self.config_faults(&error)?;
                exit = Exit::BadConfig;
            }
        }
        // Before SQLite opens the files: as root it gives them to the database's owner.
        self.machine(settings.database_path())?;
        let store = self.database(settings.database_path()).await?;
        if let Some(store) = &store {
            self.gates(store).await?;
            self.budget(settings, store).await?;
        }
        self.job_files(settings, store.as_ref()).await?;
        let list = if key.is_ok() {
            self.service(settings).await?
        } else {
            self.warn(
                "service",
                "not checked: there is no API key",
                "set the API key first",
            )?;
            None
        };
        self.oddities(settings, store.as_ref(), list).await?;
        if let Some(store) = store {
            store.close().await;
        }
        Ok(exit)
    }

    async fn database(&mut self, path: &Path) -> anyhow::Result<Option<Store>> {
        const NAME: &str = "database";
        let shown = path.display();
        if let Err(error) = check_access(path, Role::Daemon) {
            let (detail, cure) = apart(&error);
            self.fail(NAME, detail, cure)?;
            return Ok(None);
        }
        // Where a link leads to, the file would be made.
        let target = resolved(path);
        if !has_content(&target) {
            match writable(directory_of(&target)) {
                Ok(()) => self.ok(
                    NAME,
                    format!("{shown} does not exist yet, and can be created"),
                )?,
                Err(error) => self.fail(
                    NAME,
                    format!("{shown} does not exist and cannot be created: {error}"),
                    "create the directory, let parserd's user write there, or set database.url",
                )?,
            }
            return Ok(None);
        }
        match opened(path).await {
            Ok((store, schema, sqlite)) => {
                let daemon = match has_daemon(path) {
                    Some(true) => "a daemon is running, and a second one would refuse to start",
                    Some(false) => "no daemon is running",
                    None => "whether a daemon is running cannot be determined",
                };
                self.ok(
                    NAME,
                    format!("{shown}, schema {schema}, SQLite {sqlite}; {daemon}"),
                )?;
                self.schema(&store).await?;
                Ok(Some(store))
            }
            Err(error) => {
                let (detail, cure) = apart(&error);
                self.fail(NAME, detail, cure)?;
                Ok(None)
            }
        }
    }

    /// What an outsider dropped: queries fail, or rules do not hold, until it is there again.
    async fn schema(&mut self, store: &Store) -> anyhow::Result<()> {
        const NAME: &str = "schema";
        let (mended, lost): (Vec<_>, Vec<_>) = store
            .schema_faults()
            .await?
            .into_iter()
            .partition(Fault::is_mended_at_start);
        if !mended.is_empty() {
            self.fail(
                NAME,
                schema::fault_list(&mended),
                "restart parserd: it creates these again at start",
            )?;
        }
        if !lost.is_empty() {
            self.fail(
                NAME,
                schema::fault_list(&lost),
                "put a backup in its place (README, Backup and restore)",
            )?;
        }
        let foreign = store.foreign_triggers().await?;
        if !foreign.is_empty() {
            let names: Vec<_> = foreign.iter().map(|name| escaped(name)).collect();
            self.warn(
                NAME,
                format!("others added the triggers {}", names.join(", ")),
                "look at what they do (`.schema` in sqlite3): what they refuse or ignore, parserd \
                 cannot store",
            )?;
        }
        Ok(())
    }

    async fn gates(&mut self, store: &Store) -> anyhow::Result<()> {
        let now = Clock::system().now();
        for (scope, closure) in store.gates().await? {
            let passes = closure.reason.is_passing();
            self.warn(
                "gate",
                format!(
                    "{scope} requests are held: {}, {}, next probe {}",
                    closure.reason,
                    lasting(closure.since, now),
                    relative(closure.next_probe_at.max(now), now),
                ),
                if passes {
                    "none is needed: it passes by itself"
                } else {
                    "check credits and key, then `parserd resume`"
                },
            )?;
        }
        Ok(())
    }

    /// What is odd about the account and its list.
    async fn oddities(
        &mut self,
        settings: &Settings,
        store: Option<&Store>,
        list: Option<(Vec<ListedParser>, Flaws)>,
    ) -> anyhow::Result<()> {
        let now = Clock::system().now();
        let list = list.map(|(parsers, flaws)| {
            let report = ListReport::of(parsers.len(), &flaws);
            (Listing::new(parsers, now), report)
        });
        let list = list
            .as_ref()
            .map(|(listing, report)| (listing, report.clone()));
        let facts = oddities::facts(settings, store, list, now).await?;
        for finding in facts.findings() {
            self.warn(finding.kind.check(), finding.cause, &finding.cure)?;
        }
        Ok(())
    }

    async fn budget(&mut self, settings: &Settings, store: &Store) -> anyhow::Result<()> {
        let now = Clock::system().now();
        let budget = budget(settings, store, now).await?;
        match budget.admits(now) {
            Ok(()) => self.ok(
                "budget",
                format!(
                    "{} credits spent today, {} in total",
                    grouped(budget.spent_today),
                    grouped(budget.spent)
                ),
            ),
            Err(over) => self.warn(
                "budget",
                over.message,
                "raise the limit and restart parserd, or, for the limit of a day, wait for the \
                 next UTC day",
            ),
        }
    }

    async fn job_files(
        &mut self,
        settings: &Settings,
        store: Option<&Store>,
    ) -> anyhow::Result<()> {
        const NAME: &str = "enqueue.files";
        const CURE: &str = "correct it as described; `parserd enqueue --dry-run FILE` checks it \
                            again";
        let mut rehearsal = Rehearsal::default();
        for pattern in &settings.enqueue.files {
            let files = match enqueue::files(pattern) {
                Ok(files) => files,
                Err(error) => {
                    self.fail(
                        NAME,
                        bad_lines(&error),
                        "let parserd's user read the directory",
                    )?;
                    continue;
                }
            };
            if files.is_empty() {
                self.warn(
                    NAME,
                    format!("{pattern} matches no file"),
                    "put job files there",
                )?;
            }
            for file in files {
                match rehearse(&file, store, &mut rehearsal).await {
                    Ok((jobs, 0)) => self.ok(
                        NAME,
                        format!("{}, {}", source_name(&file), count(jobs, "job")),
                    )?,
                    Ok((jobs, otherwise)) => {
                        let jobs = count(jobs, "job");
                        let file = source_name(&file);
                        self.warn(
                            NAME,
                            format!("{file}, {jobs}, of which {otherwise} read otherwise than those that are there"),
                            &format!("`parserd plan {file}` shows the difference, `parserd apply {file}` makes it so"),
                        )?;
                    }
                    Err(EnqueueError::Bad(error)) => self.fail(NAME, bad_lines(&error), CURE)?,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

fn webhook_words(webhook: &Webhook) -> String {
    let types: Vec<_> = webhook.on.iter().map(|notice| notice.as_str()).collect();
    format!(
        "notices go to {}, signed: {}",
        webhook.url,
        types.join(", ")
    )
}

fn bad_lines(error: &crate::manifest::ManifestError) -> String {
    let bad: Vec<_> = error.bad.iter().map(ToString::to_string).collect();
    format!("{}: {}", error.source_name, bad.join("; "))
}

/// Opens the database as a daemon would use it, save that nothing is changed.
async fn opened(path: &Path) -> Result<(Store, i64, String), StoreError> {
    let store = Store::open(path, Role::Reader).await?;
    let (schema, sqlite) = store.versions().await?;
    // Takes the write lock, adds nothing.
    store.submit(Vec::new(), true).await?;
    Ok((store, schema, sqlite))
}

/// What is the case, and the cure apart from it.
fn apart(error: &StoreError) -> (String, &'static str) {
    let error_text = error.to_string();
    let Some(cure) = error.cure() else {
        let cure = match error {
            StoreError::HardLinks { .. } => {
                "remove the other links to the file, or set database.url"
            }
            StoreError::Foreign { .. } => "set database.url to a file of parserd's own",
            StoreError::Newer { .. } => "install the newer parserd again, or set database.url",
            _ => "set database.url to a database of parserd's, or put a backup in its place",
        };
        return (error_text, cure);
    };
    let detail = error_text.strip_suffix(cure).unwrap_or(&error_text);
    (detail.trim_end_matches([';', ' ']).to_owned(), cure)
}

/// Whether a file can be made in `directory`, by making one that goes at once.
fn writable(directory: &Path) -> std::io::Result<()> {
    let probe = directory.join(format!(".parserd-check-{}", std::process::id()));
    std::fs::File::create_new(&probe)?;
    std::fs::remove_file(&probe)
}

/// How many jobs a file has, and how many read otherwise than those that are there.
async fn rehearse(
    file: &Path,
    store: Option<&Store>,
    rehearsal: &mut Rehearsal,
) -> Result<(usize, usize), EnqueueError> {
    let file = enqueue::check_file(file, None, Kinds::Regular, Tally::default()).await?;
    let jobs = file.len();
    let new = rehearsal.admit(file)?;
    let mut otherwise = new.otherwise.len();
    if let Some(store) = store {
        let submitted = enqueue::submit(store, &new.file, true).await?;
        otherwise += submitted.conflicts.len();
    }
    rehearsal.remember(&new.file)?;
    Ok((jobs, otherwise))
}
