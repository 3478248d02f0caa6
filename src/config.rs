//! The settings: built-in defaults, under a file, under the environment, under flags.
//!
//! [`keys`] is the table of what there is; `config/parserd.toml` says it to users.

mod error;
mod foresight;
mod guessable;
pub mod keys;
mod layers;
mod notify;
mod read;
mod secret;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::core::diff::OnChange;
use crate::core::job::{DurationMs, named_enum};
use crate::core::lifecycle::OnExisting;
use crate::core::quality::QualityGate;
pub use error::ConfigError;
pub use foresight::{LadderSettings, PreflightSettings};
pub use layers::{DEFAULT_FILE, Sources};
pub use notify::{Webhook, WebhookUrl};
use read::Reader;

/// The service's own host; its account is known to be at [`ACCOUNT_URL`].
const SERVICE_HOST: &str = "aiparser.scraperapi.com";
const ACCOUNT_URL: &str = "https://api.scraperapi.com/account";

/// All settings, checked. Printing them shows no key.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where jobs are kept.
    pub database: Database,
    /// The remote service.
    pub api: Api,
    /// How much goes on at once.
    pub workers: Workers,
    /// How parsers are asked for.
    pub create: Create,
    /// How parsers being generated are waited for.
    pub poll: Poll,
    /// How what failed is tried again.
    pub retry: Retry,
    /// How a create in doubt is settled.
    pub reconcile: Reconcile,
    /// How often a closed gate is tried.
    pub park: Park,
    /// What parserd may spend.
    pub budget: BudgetSettings,
    /// What is loaded without being asked.
    pub enqueue: Enqueue,
    /// What a parser is worth, and what follows.
    pub quality: QualitySettings,
    /// What is fetched before a create.
    pub preflight: PreflightSettings,
    /// Further creates of a job whose generation FAILED; None for none.
    pub ladder: Option<LadderSettings>,
    /// What is deleted.
    pub retention: Retention,
    /// parserd's own endpoint.
    pub http: Http,
    /// The log.
    pub log: Log,
    key: secret::Key,
    token: secret::Key,
    notify: notify::Notify,
}

/// Section `database`.
#[derive(Debug, Clone)]
pub struct Database {
    /// As it was written; [`Settings::database_path`] is the file it means.
    pub url: String,
    path: PathBuf,
}

/// Section `api`.
#[derive(Debug, Clone)]
pub struct Api {
    /// https, or http on a loopback address; no credentials, no query.
    pub base_url: Url,
    /// Where the credits left are looked up; None where it is not known, or not wanted.
    pub account_url: Option<Url>,
    /// The key, if one is given; [`Settings::require_key`] says how to give one.
    pub key: Option<SecretString>,
    /// How long a whole request may take.
    pub request_timeout: Duration,
}

/// Section `workers`.
#[derive(Debug, Clone, Copy)]
pub struct Workers {
    /// HTTP requests under way at once, 1 to 1024.
    pub max_requests: usize,
    /// Parsers being generated at once, 1 to 1,000,000.
    pub max_generating: usize,
}

/// Section `create`.
#[derive(Debug, Clone, Copy)]
pub struct Create {
    /// Whether `NAME_pd_TAG` is the remote name.
    pub name_tag: bool,
    /// What to do when the account already holds this job's parser.
    pub on_existing: OnExisting,
}

/// Section `poll`.
#[derive(Debug, Clone, Copy)]
pub struct Poll {
    /// The wait before the first poll.
    pub initial_interval: Duration,
    /// By how much each wait is longer than the last; finite, at least 1.
    pub multiplier: f64,
    /// The longest wait; not less than the first.
    pub max_interval: Duration,
    /// The age at which a generation is given up.
    pub timeout: Duration,
}

/// Section `retry`.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// The wait before the first new attempt.
    pub initial_interval: Duration,
    /// By how much each wait is longer than the last; finite, at least 1.
    pub multiplier: f64,
    /// The longest wait; not less than the first.
    pub max_interval: Duration,
    /// Creates that reach the service, the first included; at least 1.
    pub max_attempts: u32,
}

/// Section `reconcile`.
#[derive(Debug, Clone, Copy)]
pub struct Reconcile {
    /// How long a create whose answer was lost must stay absent from the list.
    pub settle: Duration,
    /// The same, where the service answered 5xx.
    pub settle_after_error: Duration,
}

/// Section `park`.
#[derive(Debug, Clone, Copy)]
pub struct Park {
    /// The first wait before a closed gate is tried.
    pub probe_interval: Duration,
    /// The longest such wait; not less than the first.
    pub max_probe_interval: Duration,
}

/// Section `budget`, in credits of the service; none is negative.
#[derive(Debug, Clone, Copy)]
pub struct BudgetSettings {
    /// What one create is reckoned to cost.
    pub credits_per_create: i64,
    /// The most to spend in a UTC day; None for no limit, 0 for nothing at all.
    pub max_credits_per_day: Option<i64>,
    /// The most to spend in all; None for no limit, 0 for nothing at all.
    pub max_credits: Option<i64>,
}

/// Section `enqueue`.
#[derive(Debug, Clone)]
pub struct Enqueue {
    /// Globs of job files, each a valid pattern.
    pub files: Vec<String>,
    /// What loading them does with a job that is there already and reads otherwise.
    pub on_change: OnChange,
}

/// Section `quality`.
#[derive(Debug, Clone, Copy)]
pub struct QualitySettings {
    /// What follows from a parser that is bad.
    pub gate: QualityGate,
    /// Below which share of its places a field that was asked for is thin; from 0 to 1.
    pub min_fill: f64,
    /// What one request for a held-out page is reckoned to cost, in credits.
    pub credits_per_parse: i64,
}

/// Section `retention`.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// The age at which FINISHED and CANCELLED jobs are deleted; None for never.
    pub max_age: Option<Duration>,
}

/// Section `http`; [`Settings::page_token`] says who may act.
#[derive(Debug, Clone, Copy)]
pub struct Http {
    /// A loopback address, unless `http.remote` is set; None for no endpoint.
    pub listen: Option<SocketAddr>,
    /// Whether the page can do more than be looked at.
    pub actions: bool,
}

/// Section `log`.
#[derive(Debug, Clone)]
pub struct Log {
    /// A level, or a filter that `tracing_subscriber::filter::Targets` takes.
    pub level: String,
    /// How a line of the log is written.
    pub format: LogFormat,
}

named_enum! {
    /// How a line of the log is written.
    LogFormat {
        /// Text on a terminal, JSON elsewhere, or as telemetry sees fit.
        Auto = "auto",
        /// A line for people.
        Text = "text",
        /// A JSON object a line.
        Json = "json",
    }
}

/// A duration in whole milliseconds, as the rest of parserd counts time.
pub fn millis(duration: Duration) -> DurationMs {
    DurationMs::try_from(duration.as_millis()).unwrap_or(DurationMs::MAX)
}

impl Settings {
    /// Reads every layer and checks every value.
    ///
    /// A missing API key is not an error here: see [`require_key`](Self::require_key).
    ///
    /// # Errors
    /// All that is wrong, at once, as far as it is known.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let (values, problems) = layers::layered(sources);
        let mut reader = Reader { values, problems };
        let settings = read_all(&mut reader, sources);
        match (settings, ConfigError::from_many(reader.problems)) {
            (Some(settings), None) => Ok(settings),
            (_, Some(error)) => Err(error),
            (None, None) => Err(ConfigError::Process("a key has no default".to_owned())),
        }
    }

    /// The API key.
    ///
    /// # Errors
    /// Where there is none, with the ways to give one; or where the user who runs
    /// this may not read the key file.
    pub fn require_key(&self) -> Result<&SecretString, ConfigError> {
        match &self.key {
            secret::Key::Known(key) => Ok(key),
            secret::Key::Absent => Err(ConfigError::MissingKey),
            secret::Key::NotForUs(error) => Err(error.clone()),
        }
    }

    /// The token that the page asks for before it acts; none where it never acts.
    ///
    /// # Errors
    /// Where it is to act and there is no token, with the ways to give one; or where the
    /// user who runs this may not read its file.
    pub fn page_token(&self) -> Result<Option<&SecretString>, ConfigError> {
        match &self.token {
            _ if !self.http.actions || self.http.listen.is_none() => Ok(None),
            secret::Key::Known(token) => Ok(Some(token)),
            secret::Key::Absent => Err(ConfigError::MissingToken),
            secret::Key::NotForUs(error) => Err(error.clone()),
        }
    }

    /// Where notices go, and what is worth one; none where `notify.url` is not set.
    ///
    /// # Errors
    /// Where there is no secret to sign them by, with the ways to give one; or where the user who
    /// runs this may not read its file.
    pub fn webhook(&self) -> Result<Option<&Webhook>, ConfigError> {
        self.notify.webhook()
    }

    /// The file of the database, in full: a relative one is in `$STATE_DIRECTORY`,
    /// else in the working directory.
    pub fn database_path(&self) -> &Path {
        &self.database.path
    }
}

/// None only beside a problem. Every section is read before any is missed.
fn read_all(r: &mut Reader, sources: &Sources) -> Option<Settings> {
    let key = secret::resolve(r, sources);
    let (database, api) = (database(r, sources), api(r, &key));
    let (workers, create) = (workers(r), create(r));
    let (poll, retry) = (poll(r), retry(r));
    let (reconcile, park) = (reconcile(r), park(r));
    let (budget, enqueue) = (budget(r), enqueue(r));
    let quality = quality(r);
    let base_url = api.as_ref().map(|api| &api.base_url);
    let preflight = foresight::preflight(r, base_url);
    let ladder = foresight::ladder(r);
    let max_age = r.optional("retention.max_age", read::duration);
    let notify = notify::notify(r, sources);
    let is_remote = r.bool("http.remote");
    let http = Http {
        listen: r.optional("http.listen", |text| read::listen_address(text, is_remote)),
        actions: r.bool("http.actions"),
    };
    let token = secret::token(r, sources);
    let log = log(r);
    Some(Settings {
        database: database?,
        api: api?,
        workers,
        create: create?,
        poll,
        retry,
        reconcile,
        park,
        budget,
        enqueue: enqueue?,
        quality: quality?,
        preflight: preflight?,
        ladder,
        retention: Retention { max_age },
        http,
        log: log?,
        key,
        token,
        notify,
    })
}

fn database(r: &mut Reader, sources: &Sources) -> Option<Database> {
    let state = sources.variable(layers::STATE_DIRECTORY);
    // systemd joins several by colons; the first is the unit's own.
    let state = state.and_then(|directories| directories.split(':').next());
    let base = state.map_or_else(|| sources.working_dir.clone(), PathBuf::from);
    r.parsed("database.url", |text| {
        let url = text.to_owned();
        read::database_path(text, &base).map(|path| Database { url, path })
    })
}

fn api(r: &mut Reader, key: &secret::Key) -> Option<Api> {
    let base_url = r.parsed("api.base_url", read::service_url);
    // Blank is a word here: do not look.
    let is_switched_off = r
        .text("api.account_url")
        .is_some_and(|(text, _)| text.trim().is_empty());
    let account_url = r.optional("api.account_url", read::service_url);
    let request_timeout = r.duration("api.request_timeout");
    let base_url = base_url?;
    Some(Api {
        account_url: match account_url {
            None if !is_switched_off => known_account_url(&base_url),
            given => given,
        },
        base_url,
        key: match key {
            secret::Key::Known(key) => Some(key.clone()),
            secret::Key::Absent | secret::Key::NotForUs(_) => None,
        },
        request_timeout,
    })
}

fn known_account_url(base_url: &Url) -> Option<Url> {
    let real = base_url.host_str() == Some(SERVICE_HOST);
    real.then(|| Url::parse(ACCOUNT_URL).ok()).flatten()
}

fn workers(r: &mut Reader) -> Workers {
    Workers {
        max_requests: r.integer("workers.max_requests", 1..=1024),
        max_generating: r.integer("workers.max_generating", 1..=1_000_000),
    }
}

fn create(r: &mut Reader) -> Option<Create> {
    let name_tag = r.bool("create.name_tag");
    let on_existing = r.name("create.on_existing", OnExisting::ALL, OnExisting::as_str)?;
    Some(Create {
        name_tag,
        on_existing,
    })
}

fn reconcile(r: &mut Reader) -> Reconcile {
    Reconcile {
        settle: r.duration("reconcile.settle"),
        settle_after_error: r.duration("reconcile.settle_after_error"),
    }
}

/// The most credits that a setting takes: more than a service sells, and far from what a
/// number can hold.
const MAX_CREDITS: i64 = 1_000_000_000_000;

fn budget(r: &mut Reader) -> BudgetSettings {
    let credits = |text: &str| read::integer(text, &(0..=MAX_CREDITS));
    BudgetSettings {
        credits_per_create: r.integer("budget.credits_per_create", 0..=MAX_CREDITS),
        max_credits_per_day: r.optional("budget.max_credits_per_day", credits),
        max_credits: r.optional("budget.max_credits", credits),
    }
}

fn enqueue(r: &mut Reader) -> Option<Enqueue> {
    let files = r.list("enqueue.files");
    if let Some(bad) = files.iter().find_map(|file| read::glob_problem(file)) {
        r.refuse("enqueue.files", bad);
    }
    let on_change = r.name("enqueue.on_change", OnChange::ALL, OnChange::as_str)?;
    Some(Enqueue { files, on_change })
}

fn quality(r: &mut Reader) -> Option<QualitySettings> {
    let min_fill = r.share("quality.min_fill");
    let credits_per_parse = r.integer("quality.credits_per_parse", 0..=MAX_CREDITS);
    let gate = r.name("quality.gate", QualityGate::ALL, QualityGate::as_str)?;
    Some(QualitySettings {
        gate,
        min_fill,
        credits_per_parse,
    })
}

fn log(r: &mut Reader) -> Option<Log> {
    let level = r.parsed("log.level", read::log_level);
    let format = r.name("log.format", LogFormat::ALL, LogFormat::as_str);
    Some(Log {
        level: level?,
        format: format?,
    })
}

fn poll(r: &mut Reader) -> Poll {
    let poll = Poll {
        initial_interval: r.duration("poll.initial_interval"),
        multiplier: r.multiplier("poll.multiplier"),
        max_interval: r.duration("poll.max_interval"),
        timeout: r.duration("poll.timeout"),
    };
    let order = (poll.initial_interval, poll.max_interval);
    r.check_order("poll.initial_interval", "poll.max_interval", order);
    poll
}

fn retry(r: &mut Reader) -> Retry {
    let retry = Retry {
        initial_interval: r.duration("retry.initial_interval"),
        multiplier: r.multiplier("retry.multiplier"),
        max_interval: r.duration("retry.max_interval"),
        max_attempts: r.integer("retry.max_attempts", 1..=1000),
    };
    let order = (retry.initial_interval, retry.max_interval);
    r.check_order("retry.initial_interval", "retry.max_interval", order);
    retry
}

fn park(r: &mut Reader) -> Park {
    let park = Park {
        probe_interval: r.duration("park.probe_interval"),
        max_probe_interval: r.duration("park.max_probe_interval"),
    };
    let order = (park.probe_interval, park.max_probe_interval);
    r.check_order("park.probe_interval", "park.max_probe_interval", order);
    park
}

#[cfg(test)]
mod tests;
