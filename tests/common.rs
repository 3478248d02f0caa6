//! A daemon in this process, on a temporary database, against the real simulator
//! over HTTP.

#![allow(dead_code, reason = "each test program uses its part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[cfg(unix)]
pub mod program;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use parserd::{
    api::{Service, client::Client},
    clock::Clock,
    config::{Settings, Sources},
    core::job::JobState,
    core::spec::JobSpec,
    engine::daemon::Until,
    engine::worker::Stop,
    simulator::{
        Endpoint, FaultRule, Faults, Simulator, WorldConfig,
        server::{Server, ServerHandle},
    },
    store::{Role, Store, StoreError},
    wiring,
};
use sqlx::{Connection as _, Row as _};
use tokio::{sync::watch, task::JoinHandle};

/// How long a test waits for what must come; only a fault makes it wait so long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Settings that make days of service pass in a second.
pub const FAST: &[(&str, &str)] = &[
    ("poll.initial_interval", "20ms"),
    ("poll.max_interval", "60ms"),
    ("retry.initial_interval", "20ms"),
    ("retry.max_interval", "100ms"),
    ("reconcile.settle", "300ms"),
    ("reconcile.settle_after_error", "150ms"),
    ("park.probe_interval", "200ms"),
    ("park.max_probe_interval", "400ms"),
    ("api.request_timeout", "20s"),
];

/// The median generation takes 30 ms.
pub const SCALE: f64 = 0.0005;

pub struct Harness {
    pub directory: tempfile::TempDir,
    pub server: ServerHandle,
    pub settings: BTreeMap<String, String>,
}

impl Harness {
    pub async fn new(faults: &[&str]) -> Self {
        Self::with(WorldConfig::default(), faults).await
    }

    pub async fn with(world: WorldConfig, faults: &[&str]) -> Self {
        let rules: Vec<FaultRule> = faults.iter().map(|rule| rule.parse().unwrap()).collect();
        let world = WorldConfig {
            generation_scale: SCALE,
            ..world
        };
        let seed = world.seed;
        let simulator = Simulator::new(world, Faults::new(seed, rules));
        let server = Server::start(([127, 0, 0, 1], 0).into(), simulator)
            .await
            .unwrap();
        let mut settings: BTreeMap<_, _> = FAST
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        settings.insert("api.base_url".to_owned(), server.base_url());
        settings.insert("api.key".to_owned(), "demo-key".to_owned());
        Self {
            directory: tempfile::tempdir().unwrap(),
            server,
            settings,
        }
    }

    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.insert(key.to_owned(), value.to_owned());
    }

    pub fn settings(&self) -> Settings {
        let sources = Sources {
            working_dir: self.directory.path().to_owned(),
            overrides: self.settings.clone().into_iter().collect(),
            ..Sources::default()
        };
        Settings::load(&sources).unwrap()
    }

    pub fn database(&self) -> PathBuf {
        self.settings().database_path().to_owned()
    }

    pub async fn store(&self) -> Store {
        Store::open(&self.database(), Role::Tool).await.unwrap()
    }

    /// Adds `count` jobs named `job-0` and so on.
    pub async fn enqueue(&self, count: usize) {
        let specs = (0..count).map(spec).collect();
        let store = self.store().await;
        let submitted = store.submit(specs, false).await.unwrap();
        assert!(submitted.conflicts.is_empty());
        store.close().await;
    }

    /// The client of the configured service.
    pub fn client(&self) -> Client {
        let settings = self.settings();
        wiring::client(&settings, settings.require_key().unwrap()).unwrap()
    }

    /// Starts a daemon in this process.
    pub async fn start(&self, until: Until) -> Running {
        self.start_on(self.client(), until).await
    }

    /// Starts a daemon in this process, by a clock of the test's own.
    pub async fn start_at(&self, clock: Clock, until: Until) -> Running {
        self.start_with(self.client(), clock, until).await
    }

    /// Starts a daemon in this process, on a service of the test's own.
    pub async fn start_on(&self, client: impl Service, until: Until) -> Running {
        self.start_with(client, Clock::system(), until).await
    }

    async fn start_with(&self, client: impl Service, clock: Clock, until: Until) -> Running {
        let settings = self.settings();
        let key = settings.require_key().unwrap().clone();
        let asked = std::time::Instant::now();
        let store = loop {
            match Store::open(settings.database_path(), Role::Daemon).await {
                Ok(store) => break store,
                // The tasks of one that was killed are dropped a moment later.
                Err(StoreError::Locked { .. }) if asked.elapsed() < PATIENCE => {
                    tokio::task::yield_now().await;
                }
                Err(error) => panic!("{error}"),
            }
        };
        wiring::take_in_service(&store, &settings.api.base_url, &key, clock.now())
            .await
            .unwrap();
        let (stop, stopped) = watch::channel(Stop::No);
        let daemon = wiring::daemon(&settings, store.clone(), client, clock, until, stopped)
            .await
            .unwrap();
        let task = tokio::spawn(async move {
            daemon.run().await.unwrap();
            store.close().await;
        });
        Running { stop, task }
    }

    /// Runs a daemon until no job can make progress.
    pub async fn run_until_done(&self) {
        self.start(Until::NoProgress).await.ended().await;
    }

    /// How many requests of a kind the service has received.
    pub fn requests(&self, endpoint: Endpoint) -> u64 {
        self.server
            .with(|simulator| simulator.traffic.count(endpoint))
    }

    /// Waits until `condition` holds.
    pub async fn wait_until(&self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(waited.await.is_ok(), "waited in vain: {what}");
    }

    /// Runs SQL as any other program would; returns the first column of each row.
    pub async fn sql(&self, sql: &str) -> Result<Vec<String>, sqlx::Error> {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(self.database())
            .busy_timeout(Duration::from_secs(5));
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await?;
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()))
            .fetch_all(&mut connection)
            .await?;
        let texts = rows
            .iter()
            .map(|row| {
                row.try_get_unchecked::<Option<String>, _>(0)
                    .map(|text| text.unwrap_or_default())
            })
            .collect();
        connection.close().await?;
        texts
    }

    pub async fn states(&self) -> BTreeMap<JobState, i64> {
        let store = self.store().await;
        let counts = store.counts().await.unwrap();
        store.close().await;
        counts
            .states
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// Waits until the jobs are in these states.
    pub async fn await_states(&self, expected: &[(JobState, i64)]) {
        let expected: BTreeMap<_, _> = expected.iter().copied().collect();
        let store = self.store().await;
        let reached = tokio::time::timeout(PATIENCE, async {
            loop {
                let counts = store.counts().await.unwrap().states;
                let found: BTreeMap<_, _> = counts.into_iter().filter(|(_, n)| *n > 0).collect();
                if found == expected {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        if reached.is_err() {
            panic!(
                "waited for {expected:?}, found {:?}",
                store.counts().await.unwrap()
            );
        }
        store.close().await;
    }

    /// Every parser of the account, those yet to land too: how many bear each name.
    pub fn parsers_by_name(&self) -> BTreeMap<String, usize> {
        let mut names = BTreeMap::new();
        for parser in self
            .server
            .with(|simulator| simulator.world.parsers(i64::MAX))
        {
            *names.entry(parser.name).or_default() += 1;
        }
        names
    }

    /// Asserts that there are `count` names and none has two parsers.
    pub fn assert_one_parser_each(&self, count: usize) {
        let names = self.parsers_by_name();
        let twice: Vec<_> = names.iter().filter(|(_, parsers)| **parsers > 1).collect();
        assert!(twice.is_empty(), "paid twice: {twice:?}");
        assert_eq!(names.len(), count);
    }
}

pub struct Running {
    pub stop: watch::Sender<Stop>,
    pub task: JoinHandle<()>,
}

impl Running {
    /// Waits for its end.
    pub async fn ended(self) {
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .expect("the daemon should have ended")
            .unwrap();
    }

    /// Stops it in good order.
    pub async fn stopped(self) {
        self.stop.send_replace(Stop::Drain);
        self.ended().await;
    }

    /// Drops it where it stands, as a crash would. The database's writer may finish
    /// the group that it is at.
    pub async fn killed(self) {
        self.task.abort();
        let _cancelled = self.task.await;
    }
}

pub fn spec(n: usize) -> JobSpec {
    JobSpec {
        name: format!("job-{n}"),
        urls: vec![format!("https://site-{n}.example/page")],
        ..JobSpec::default()
    }
}
