//! From settings to a daemon.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64},
    },
    time::Duration,
};

use data_encoding::BASE32_NOPAD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use url::Url;

use crate::{
    api::{
        Service,
        client::{Client, ClientConfig, ClientError},
    },
    clock::Clock,
    config::{Settings, millis},
    core::{
        backoff::Schedule,
        budget::Budget,
        gate::GatePolicy,
        job::{DurationMs, UnixMs},
        ladder::Ladder,
        lifecycle::Policy,
        oddities::CreatesHold,
        pace::{self, Generation, Pace},
        restored::Restored,
        rules::Rules,
    },
    engine::{
        account::Account,
        daemon::{Daemon, Limits, Until},
        foresight::Preflight,
        metrics::{Measured, Metrics},
        worker::{Stop, Worker, lists::Lists, survey, turn::crash_point::Unobserved},
    },
    store::{
        Accounts as _, CREATES_HOLD, Facts as _, Gates as _, JobStore, LIST_LAG, Queue as _,
        RESTORED, Store, StoreError,
    },
};

/// The key under which the database keeps the fingerprint of the last API key.
const FINGERPRINT: &str = "api_key_fingerprint";

/// The longest that a person is kept waiting for one answer of the service.
const HASTY_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of salt, and of the fingerprint: enough to tell keys apart, and with a
/// salt of the database's own, of no use for finding one.
const SALT_BYTES: usize = 8;
const FINGERPRINT_BYTES: usize = 5;

/// The settings that decisions depend on.
pub fn policy(settings: &Settings) -> Policy {
    Policy {
        on_existing: settings.create.on_existing,
        poll: Schedule {
            initial_interval_ms: millis(settings.poll.initial_interval),
            multiplier: settings.poll.multiplier,
            max_interval_ms: millis(settings.poll.max_interval),
        },
        first_look_ms: None,
        poll_timeout_ms: millis(settings.poll.timeout),
        retry: Schedule {
            initial_interval_ms: millis(settings.retry.initial_interval),
            multiplier: settings.retry.multiplier,
            max_interval_ms: millis(settings.retry.max_interval),
        },
        max_attempts: i64::from(settings.retry.max_attempts),
        settle_ms: millis(settings.reconcile.settle),
        settle_after_error_ms: millis(settings.reconcile.settle_after_error),
        quality_gate: settings.quality.gate,
        min_fill: settings.quality.min_fill,
        ladder: settings.ladder.map(|ladder| Ladder {
            max_creates_per_job: i64::from(ladder.max_creates_per_job),
            max_credits_per_day: ladder.max_credits_per_day,
            credits_per_create: settings.budget.credits_per_create,
        }),
        rules: Rules::KEPT,
    }
}

/// The settings of the gates.
pub fn gate_policy(settings: &Settings) -> GatePolicy {
    GatePolicy {
        probe_interval_ms: millis(settings.park.probe_interval),
        max_probe_interval_ms: millis(settings.park.max_probe_interval),
        hold_interval_ms: millis(settings.retry.initial_interval),
        max_hold_interval_ms: millis(settings.retry.max_interval),
        rules: Rules::KEPT,
    }
}

/// The configured budget, with nothing spent.
pub fn budget(settings: &Settings) -> Budget {
    Budget {
        credits_per_create: settings.budget.credits_per_create,
        max_credits_per_day: settings.budget.max_credits_per_day,
        max_credits: settings.budget.max_credits,
        spent: 0,
        spent_today: 0,
        spent_later: 0,
        day: 0,
    }
}

/// The client for the configured service.
///
/// # Errors
/// If the client cannot be set up with this key and address.
pub fn client(settings: &Settings, key: &SecretString) -> Result<Client, ClientError> {
    let mut config = ClientConfig::new(settings.api.base_url.clone(), key.clone());
    config.request_timeout = settings.api.request_timeout;
    config.account_url = settings.api.account_url.clone();
    config.fetch_url = settings.preflight.url.clone();
    Client::new(config)
}

/// The client for somebody who sits and waits: each request has at most this long.
///
/// # Errors
/// That there is no key, or that the client cannot be set up, in words.
pub fn hasty_client(settings: &Settings) -> Result<Client, String> {
    let key = settings.require_key().map_err(|error| error.to_string())?;
    let mut hasty = settings.clone();
    hasty.api.request_timeout = hasty.api.request_timeout.min(HASTY_TIMEOUT);
    client(&hasty, key).map_err(|error| error.to_string())
}

/// How example pages are fetched before a create.
pub const fn preflight(settings: &Settings) -> Preflight {
    let preflight = &settings.preflight;
    Preflight {
        mode: preflight.mode,
        max_credits_per_job: preflight.max_credits_per_job,
        max_age_ms: preflight.max_age_ms,
        rules: Rules::KEPT,
    }
}

/// The gates and the budget, as configuration and database have them.
///
/// # Errors
/// Whatever the database says.
pub async fn account(
    settings: &Settings,
    store: &Store,
    now: UnixMs,
) -> Result<Account, StoreError> {
    Account::load(
        store,
        gate_policy(settings),
        budget(settings),
        settings.workers.max_requests,
        now,
    )
    .await
}

/// A daemon on this database and service.
///
/// # Errors
/// Whatever the database says.
pub async fn daemon<S: Service>(
    settings: &Settings,
    store: Store,
    service: S,
    clock: Clock,
    until: Until,
    stop: watch::Receiver<Stop>,
) -> Result<Daemon<Measured<S>, Store>, StoreError> {
    let account = account(settings, &store, clock.now()).await?;
    let settle_ms = millis(settings.reconcile.settle);
    let creates_wait_ms = hold_another(&store, store.is_another(), settle_ms, clock.now()).await?;
    store.take_over().await?;
    let restored = store.fact(RESTORED).await?;
    let metrics = Arc::new(Metrics::default());
    let mut pace = Pace::default();
    for job in store.last_finished(pace::SAMPLES).await? {
        if let Some(generation) = Generation::of(&job.progress) {
            pace.learn(generation);
        }
    }
    let lists = Lists::knowing(store.fact(LIST_LAG).await?.unwrap_or_default());
    let worker = Worker {
        store,
        service: Measured::new(service, Arc::clone(&metrics)),
        metrics,
        policy: policy(settings),
        account,
        lists,
        pace: Mutex::new(pace),
        in_hand: Mutex::default(),
        clock,
        name_tag: settings.create.name_tag,
        credits_per_create: settings.budget.credits_per_create,
        credits_per_parse: settings.quality.credits_per_parse,
        preflight: preflight(settings),
        request_timeout_ms: millis(settings.api.request_timeout),
        lists_not_before: AtomicI64::new(0),
        is_sweeping: AtomicBool::new(restored.is_some()),
        has_taken_up: AtomicBool::new(false),
        has_adopted_otherwise: AtomicBool::new(false),
        restored,
        stop,
        probe: &Unobserved,
    };
    let limits = Limits {
        max_generating: settings.workers.max_generating,
        single_polls: survey::SINGLE_POLLS,
    };
    Ok(Daemon::new(worker, limits, until)
        .holding_creates_for(creates_wait_ms)
        .announcing())
}

/// How long creates wait, because the database is not the one that was written last here:
/// what was sent since, and is not in it, may land as late as any create in doubt.
pub(crate) async fn hold_another<D: JobStore>(
    store: &D,
    is_another: bool,
    settle_ms: DurationMs,
    now: UnixMs,
) -> Result<DurationMs, StoreError> {
    let mut left_ms = store
        .fact(CREATES_HOLD)
        .await?
        .unwrap_or_default()
        .left_ms
        .clamp(0, settle_ms);
    if is_another {
        note_restored(store, now).await?;
        left_ms = settle_ms;
    }
    if left_ms > 0 {
        let until = now.saturating_add(left_ms);
        let hold = CreatesHold { left_ms, until };
        store.keep(CREATES_HOLD, &hold).await?;
        tracing::warn!(
            database = store.place(),
            wait_ms = left_ms,
            "the database is not the one that parserd wrote last here: creates wait for \
             reconcile.settle, until what was sent since has landed; `parserd run \
             --trust-database` does not wait"
        );
    }
    Ok(left_ms)
}

/// Records that the store turned out not to be the one that was written last, and what it
/// knew then.
async fn note_restored<D: JobStore>(store: &D, now: UnixMs) -> Result<(), StoreError> {
    let restored = Restored {
        knows_until: store.knows_until().await?,
        noticed_at: now,
        is_trusted: false,
    };
    store.keep(RESTORED, &restored).await
}

/// Takes the database for the one that was written last: no create waits.
///
/// # Errors
/// Whatever the database says.
pub async fn trust(store: &mut Store, now: UnixMs) -> Result<(), StoreError> {
    if store.is_another() {
        // Not waiting is one thing, what was spent since another.
        note_restored(store, now).await?;
    }
    if let Some(restored) = store.fact(RESTORED).await? {
        let trusted = Restored {
            is_trusted: true,
            ..restored
        };
        store.keep(RESTORED, &trusted).await?;
    }
    store.keep(CREATES_HOLD, &CreatesHold::default()).await?;
    store.trust();
    Ok(())
}

/// What is new about the service since the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountChanges {
    /// The key: the gates were opened in the database.
    pub key: bool,
    /// The key or the address: parsers known from before may be another account's.
    pub account: bool,
}

/// Records at which address and with which key the service is asked, and opens the gates
/// in the database if the key is another than the last time.
///
/// # Errors
/// Whatever the database says.
pub async fn take_in_service(
    store: &Store,
    base_url: &Url,
    key: &SecretString,
    now: UnixMs,
) -> Result<AccountChanges, StoreError> {
    let last = store.meta(FINGERPRINT).await?;
    let salt = last
        .as_deref()
        .and_then(|text| text.split_once(':'))
        .and_then(|(salt, _)| BASE32_NOPAD.decode(salt.as_bytes()).ok())
        .unwrap_or_else(|| {
            std::iter::repeat_with(|| fastrand::u8(..))
                .take(SALT_BYTES)
                .collect()
        });
    let digest = |address: &str| {
        let digest = Sha256::new()
            .chain_update(&salt)
            .chain_update(key.expose_secret())
            .chain_update(address)
            .finalize();
        BASE32_NOPAD.encode(&digest[..FINGERPRINT_BYTES])
    };
    let fingerprint = format!("{}:{}", BASE32_NOPAD.encode(&salt), digest(""));
    let is_new_key = last.as_deref() != Some(fingerprint.as_str());
    let is_changed = is_new_key && last.is_some();
    if is_changed {
        for scope in crate::core::gate::Scope::ALL {
            store.set_gate(*scope, None).await?;
        }
    }
    // Before the first epoch there was one account only, unless the key says otherwise.
    if is_changed && !store.has_epochs().await? {
        store.begin_epoch(String::new(), now).await?;
    }
    let account = store.begin_epoch(digest(base_url.as_str()), now).await?;
    if is_new_key {
        store.set_meta(FINGERPRINT, fingerprint).await?;
    }
    Ok(AccountChanges {
        key: is_changed,
        account,
    })
}
