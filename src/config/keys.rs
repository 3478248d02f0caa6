//! The one table of configuration keys: it drives the defaults, the search for
//! misspelt keys, and the test that `config/parserd.toml` leaves none out.

use crate::core::nearest::slips;

/// What sort of value a key takes, and so how it is written in TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// A text.
    Text,
    /// A text such as `250ms`, `5s`, `15m` or `24h`.
    Duration,
    /// A whole number.
    Integer,
    /// A number, with a fraction or without.
    Number,
    /// `true` or `false`.
    Bool,
    /// A list of texts; in the environment an array too, or separated by commas.
    List,
}

/// One configuration key.
#[derive(Debug, Clone, Copy)]
pub struct ConfigKey {
    /// Section and key, joined by a dot.
    pub name: &'static str,
    /// What sort of value it takes.
    pub kind: KeyKind,
    /// The built-in default as text; None where there is none.
    pub default: Option<&'static str>,
    /// What it means, in one line.
    pub doc: &'static str,
}

impl ConfigKey {
    /// The default as it is written in a TOML file.
    pub fn default_toml(&self) -> Option<String> {
        let default = self.default?;
        Some(match self.kind {
            KeyKind::Text | KeyKind::Duration => format!("{default:?}"),
            KeyKind::List => {
                let items = default.split(',').map(str::trim);
                let items = items.filter(|item| !item.is_empty());
                let items: Vec<_> = items.map(|item| format!("{item:?}")).collect();
                format!("[{}]", items.join(", "))
            }
            KeyKind::Integer | KeyKind::Number | KeyKind::Bool => default.to_owned(),
        })
    }

    /// The environment variable that sets the key.
    pub fn variable(&self) -> String {
        variable(self.name)
    }
}

/// The environment variable that sets the key of this dotted name.
pub(super) fn variable(name: &str) -> String {
    format!("PARSERD__{}", name.replace('.', "__").to_uppercase())
}

/// The key of this dotted name.
pub fn find(name: &str) -> Option<&'static ConfigKey> {
    KEYS.iter().find(|key| key.name == name)
}

/// Whether a name begins with a section of the configuration.
pub fn has_section(name: &str) -> bool {
    let section = |name: &'static str| name.split('.').next();
    KEYS.iter()
        .any(|key| section(key.name) == name.split('.').next())
}

/// The known name that differs least from this one, however much that is.
pub(super) fn least_unlike(found: &str) -> &'static str {
    let distance = |key: &&ConfigKey| strsim::damerau_levenshtein(found, key.name);
    KEYS.iter().min_by_key(distance).map_or("", |key| key.name)
}

/// The known name that this one was meant to be: near in full or by its last part, or in
/// the section that it names. None where it is like none.
pub(super) fn nearest(found: &str) -> Option<&'static str> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |name: &'static str| {
        let in_full = slips(found, name);
        // A key right but for its section is as near as two slips of the pen.
        let by_last = slips(&last(found), &last(name)).map(|slips| slips + 2);
        let section = name.split('.').next().unwrap_or_default();
        let by_section = slips(found, section);
        let nearest = [by_section, in_full, by_last].into_iter().flatten().min();
        nearest.map(|distance| (distance, name))
    };
    let near = KEYS.iter().filter_map(|key| distance(key.name));
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

const fn key(
    name: &'static str,
    kind: KeyKind,
    default: Option<&'static str>,
    doc: &'static str,
) -> ConfigKey {
    ConfigKey {
        name,
        kind,
        default,
        doc,
    }
}

use KeyKind::{Bool, Duration, Integer, List, Number, Text};

/// Every key, in the order of the documentation.
#[rustfmt::skip]
pub const KEYS: &[ConfigKey] = &[
    key("database.url", Text, Some("sqlite://parserd.db"), "the database; a relative path is in $STATE_DIRECTORY or the working directory"),
    key("api.base_url", Text, Some("https://aiparser.scraperapi.com"), "the service; https only, except on a loopback address"),
    key("api.account_url", Text, None, "where the credits left are looked up before a canary is sent; by default known for the real service only, \"\" for nowhere"),
    key("api.key", Text, None, "the API key"),
    key("api.key_file", Text, None, "a file with the API key, that no one else can read"),
    key("api.request_timeout", Duration, Some("75s"), "how long a whole request may take"),
    key("workers.max_requests", Integer, Some("16"), "HTTP requests under way at once"),
    key("workers.max_generating", Integer, Some("1000"), "parsers being generated at once"),
    key("create.name_tag", Bool, Some("true"), "send NAME_pd_TAG as the remote name"),
    key("create.on_existing", Text, Some("adopt"), "adopt, fail or create when the account already holds this job's parser"),
    key("poll.initial_interval", Duration, Some("10s"), "the wait before the first poll"),
    key("poll.multiplier", Number, Some("1.5"), "by how much each wait is longer than the last"),
    key("poll.max_interval", Duration, Some("30s"), "the longest wait between polls"),
    key("poll.timeout", Duration, Some("30m"), "the age at which a generation is given up"),
    key("retry.initial_interval", Duration, Some("2s"), "the wait before the first new attempt"),
    key("retry.multiplier", Number, Some("2.0"), "by how much each wait is longer than the last"),
    key("retry.max_interval", Duration, Some("5m"), "the longest wait between attempts"),
    key("retry.max_attempts", Integer, Some("5"), "creates that reach the service, the first included"),
    key("reconcile.settle", Duration, Some("15m"), "how long a create whose answer was lost must stay absent from the list before it counts as not made"),
    key("reconcile.settle_after_error", Duration, Some("2m"), "the same, where the service itself answered 500 and its list was seen to show new parsers well within it"),
    key("park.probe_interval", Duration, Some("15m"), "how often one job tries whether credits are back"),
    key("park.max_probe_interval", Duration, Some("6h"), "the longest wait between such tries"),
    key("budget.credits_per_create", Integer, Some("30000"), "what one create is assumed to cost"),
    key("budget.max_credits_per_day", Integer, None, "spending in a UTC day that parserd refuses to exceed"),
    key("budget.max_credits", Integer, None, "total spending that parserd refuses to exceed"),
    key("enqueue.files", List, Some(""), "globs of job files, loaded at start and on SIGHUP"),
    key("enqueue.on_change", Text, Some("report"), "what loading them does with a job that is there already and reads otherwise: report it, do what is free, or apply it"),
    key("quality.gate", Text, Some("report"), "whether a parser that is bad is only reported (report), or makes its job FAILED (fail)"),
    key("quality.min_fill", Number, Some("0.5"), "below which share of its places a field that was asked for is thin"),
    key("quality.credits_per_parse", Integer, Some("1"), "what one request for a held-out page (check_urls) is assumed to cost"),
    key("preflight.mode", Text, Some("off"), "whether the example pages are fetched before a create: off, check (what cannot work is not paid for) or repair (it is sent with the parameters that it needs)"),
    key("preflight.max_credits_per_job", Integer, Some("150"), "what the fetches for one job may cost each time that its pages are looked at"),
    key("preflight.max_age", Duration, Some("24h"), "how long a verdict holds before pages are fetched anew"),
    key("preflight.url", Text, None, "where pages are fetched; by default known for the real service only, \"\" for nowhere"),
    key("ladder.enabled", Bool, Some("false"), "whether a FAILED generation is created once more with the parameters that its error calls for"),
    key("ladder.max_creates_per_job", Integer, Some("2"), "creates of one job, the first included"),
    key("ladder.max_credits_per_day", Integer, None, "what such further creates may cost in a UTC day"),
    key("retention.max_age", Duration, None, "the age at which FINISHED and CANCELLED jobs are deleted with their history; unset, never"),
    key("notify.url", Text, None, "where notices are posted: one webhook, https, or http on a loopback address"),
    key("notify.secret_file", Text, None, "a file with the secret that notices are signed by, whsec_..., that no one else can read"),
    key("notify.on", List, Some("failed, parked, gate_closed, gate_opened, poor_result, batch_done, budget_80"), "what is worth a notice"),
    key("http.listen", Text, None, "address for the page, /metrics, /healthz and /readyz"),
    key("http.remote", Bool, Some("false"), "whether http.listen may be an address that other machines reach; they get no page"),
    key("http.actions", Bool, Some("false"), "whether jobs can be retried, cancelled, resumed and resolved from the page"),
    key("http.token_file", Text, None, "a file with the token that the page asks for before it acts"),
    key("log.level", Text, Some("info"), "off, error, warn, info, debug or trace, or a filter such as info,parserd=debug"),
    key("log.format", Text, Some("auto"), "auto, text or json"),
];
