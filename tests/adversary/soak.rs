//! Faults, kills and operators drawn by a seed.

use std::{collections::BTreeMap, time::Duration};

use crate::common::{Harness, Running};
use parserd::{
    clock::Clock,
    core::job::{JobId, ParserId},
    core::lifecycle::{Event, Transition, decide},
    engine::daemon::Until,
    simulator::{Endpoint, WorldConfig},
    store::{Applied, Changes as _, Intent, Ledger as _, Queue as _},
    wiring,
};

/// Faults of which a soak draws a few. None lands or shows later than is waited for.
const FAULTS: &[&str] = &[
    "create status=500 after p=0.3",
    "create status=503 before p=0.3",
    "create lose after p=0.3",
    "create lose before reset p=0.3",
    "create lose land-late=120ms p=0.3",
    "create status=500 land-late=50ms p=0.3",
    "create status=200 body=\"{}\" after p=0.2",
    "create cut p=0.2",
    "create unreadable p=0.2",
    "create status=429 retry-after-text=0 p=0.3",
    "create status=429 p=0.3",
    "create status=402 p=0.2",
    "create status=403 p=0.2",
    "create status=401 p=0.1",
    "create status=408 after p=0.2",
    "create status=400 p=0.1",
    "create show-late=40ms p=0.5",
    "create delay=30ms p=0.5",
    "create fail=\"DownloadError: no\" p=0.2",
    "create generation=150ms p=0.3",
    "get status=500 p=0.3",
    "get status=404 p=0.2",
    "get status=401 p=0.05",
    "get status=402 p=0.1",
    "get status=429 p=0.2",
    "get lose p=0.2",
    "get delay=20ms p=0.5",
    "get say=FINISHED:WARMING p=0.4",
    "list status=500 p=0.4",
    "list status=401 p=0.1",
    "list status=402 p=0.1",
    "list status=429 retry-after-text=0 p=0.3",
    "list lose p=0.3",
    "list cut p=0.3",
    "list unreadable p=0.3",
    "list delay=60ms p=0.5",
    "list limit=3 p=0.3",
];

struct Soak {
    harness: Harness,
    random: fastrand::Rng,
    running: Option<Running>,
    until: Until,
    /// How many creates each job may come to: one, and one for each word of an operator.
    allowed: BTreeMap<String, usize>,
    jobs: usize,
    kills: usize,
    log: Vec<String>,
}

impl Soak {
    async fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = WorldConfig {
            seed,
            credits: random.bool().then(|| random.i64(0..20) * 30_000),
            ..WorldConfig::default()
        };
        let mut harness = Harness::with(world, &[]).await;
        let mut log = Vec::new();
        let mut set = |key: &str, value: String| {
            log.push(format!("{key}={value}"));
            harness.set(key, &value);
        };
        set("workers.max_requests", random.usize(1..9).to_string());
        set("workers.max_generating", random.usize(1..12).to_string());
        set("retry.max_attempts", random.usize(1..6).to_string());
        set("create.name_tag", (random.u8(0..4) > 0).to_string());
        let on_existing = ["adopt", "adopt", "adopt", "fail", "create"];
        let on_existing = *random.choice(on_existing.iter()).unwrap();
        set("create.on_existing", on_existing.to_owned());
        set("api.request_timeout", "2s".to_owned());
        set("park.probe_interval", format!("{}ms", random.u8(20..200)));
        if random.u8(0..4) == 0 {
            set("poll.timeout", "90ms".to_owned());
        }
        if random.u8(0..4) == 0 {
            let credits = random.i64(1..15) * 30_000;
            set("budget.max_credits", credits.to_string());
        }
        let mut soak = Self {
            harness,
            random,
            running: None,
            until: Until::Stopped,
            allowed: BTreeMap::new(),
            jobs: 0,
            kills: 0,
            log,
        };
        let jobs = soak.random.usize(3..25);
        soak.add_jobs(jobs).await;
        soak
    }

    async fn add_jobs(&mut self, count: usize) {
        for _ in 0..count {
            let n = self.jobs;
            self.jobs += 1;
            let priority = self.random.i64(0..3);
            let sql = format!(
                "INSERT INTO jobs (name, urls, priority) \
                 VALUES ('j{n}', '[\"https://s{n}.example/\"]', {priority})"
            );
            self.harness.sql("SELECT 1").await.unwrap_or_default();
            if n == 0 {
                self.harness.enqueue(0).await;
            }
            self.harness.sql(&sql).await.unwrap();
            self.allowed.insert(format!("j{n}"), 1);
        }
    }

    async fn some_job(&mut self, condition: &str) -> Option<(String, String)> {
        let found = self
            .harness
            .sql(&format!(
                "SELECT id || ' ' || name FROM jobs WHERE {condition} ORDER BY id"
            ))
            .await
            .unwrap();
        let found = self.random.choice(found)?;
        let (id, name) = found.split_once(' ')?;
        Some((id.to_owned(), name.to_owned()))
    }

    /// An operator's word may lose a race with the daemon; then it says nothing.
    async fn operate(&mut self, sql: String) -> bool {
        let done = self.harness.sql(&format!("{sql} RETURNING id")).await;
        self.log.push(format!("{sql}: {done:?}"));
        done.is_ok_and(|rows| !rows.is_empty())
    }

    async fn step(&mut self) {
        match self.random.u8(0..23) {
            0..=4 => {
                let rule = *self.random.choice(FAULTS).unwrap();
                self.log.push(rule.to_owned());
                let rule = rule.parse().unwrap();
                self.harness
                    .server
                    .with(|simulator| simulator.faults.add(rule));
            }
            5 => {
                self.log.push("faults end".to_owned());
                self.harness
                    .server
                    .with(|simulator| simulator.faults.clear());
            }
            6..=8 => {
                if let Some(running) = self.running.take() {
                    self.log.push("kill".to_owned());
                    self.kills += 1;
                    running.killed().await;
                }
            }
            9 => {
                if let Some(running) = self.running.take() {
                    self.log.push("stop".to_owned());
                    running.stopped().await;
                }
            }
            10 => {
                self.log.push("down".to_owned());
                self.harness.server.set_down(true).await.unwrap();
            }
            11 | 12 => {
                self.log.push("up".to_owned());
                self.harness.server.set_down(false).await.unwrap();
            }
            13 => {
                let count = self.random.usize(1..4);
                self.add_jobs(count).await;
            }
            14 => {
                if let Some((id, name)) = self
                    .some_job("state IN ('QUEUED', 'PARKED', 'FAILED')")
                    .await
                    && self
                        .operate(format!(
                            "UPDATE jobs SET state = 'CANCELLED' WHERE id = {id}"
                        ))
                        .await
                    && self.random.bool()
                {
                    *self.allowed.get_mut(&name).unwrap() += 1;
                    let n = &name[1..];
                    self.operate(format!(
                        "INSERT INTO jobs (name, urls) VALUES ('{name}', '[\"https://s{n}.example/\"]')"
                    ))
                    .await;
                }
            }
            15 | 16 => {
                if let Some((id, name)) = self.some_job("state IN ('PARKED', 'FAILED')").await
                    && self
                        .operate(format!("UPDATE jobs SET state = 'QUEUED' WHERE id = {id}"))
                        .await
                {
                    *self.allowed.get_mut(&name).unwrap() += 1;
                }
            }
            17 => {
                let is_failed = self.random.bool();
                let done = match is_failed {
                    true => "state = 'FAILED'",
                    false => "state IN ('FINISHED', 'CANCELLED')",
                };
                if let Some((id, name)) = self.some_job(done).await
                    && self
                        .operate(format!("DELETE FROM jobs WHERE id = {id}"))
                        .await
                {
                    let n = &name[1..];
                    let wants_new = self.harness.settings["create.on_existing"] == "create";
                    *self.allowed.get_mut(&name).unwrap() += usize::from(is_failed || wants_new);
                    self.operate(format!(
                        "INSERT OR IGNORE INTO jobs (name, urls) VALUES ('{name}', '[\"https://s{n}.example/\"]')"
                    ))
                    .await;
                }
            }
            18 => {
                self.log.push("resume".to_owned());
                let _busy = self.harness.sql("DELETE FROM gates").await;
                let priority = self.random.i64(0..5);
                if let Some((id, _)) = self.some_job("state = 'QUEUED'").await {
                    self.operate(format!(
                        "UPDATE jobs SET priority = {priority} WHERE id = {id}"
                    ))
                    .await;
                }
            }
            19 => {
                let parsers = self
                    .harness
                    .server
                    .with(|simulator| simulator.world.parsers(i64::MAX));
                if let Some(parser) = self.random.choice(parsers) {
                    self.log.push(format!("gone: {}", parser.name));
                    self.harness
                        .server
                        .with(|simulator| simulator.world.delete_parser(&parser.id));
                }
            }
            20 | 21 => self.resolve().await,
            _ => {
                let credits = self.random.i64(0..5) * 30_000;
                self.harness
                    .server
                    .with(|simulator| simulator.world.add_credits(credits));
            }
        }
        if self.running.is_none() {
            self.until = *self
                .random
                .choice([Until::Stopped, Until::AllTerminal, Until::NoProgress].iter())
                .unwrap();
            self.running = Some(self.harness.start(self.until).await);
        }
        if self
            .running
            .as_ref()
            .is_some_and(|running| running.task.is_finished())
        {
            self.running.take().unwrap().ended().await;
        }
        tokio::time::sleep(Duration::from_millis(self.random.u64(0..40))).await;
    }

    /// `parserd resolve`, by somebody who looks well: what is said is true.
    async fn resolve(&mut self) {
        let in_doubt = "doubt_since IS NOT NULL OR park_reason = 'ambiguous'";
        let Some((id, name)) = self.some_job(in_doubt).await else {
            return;
        };
        let store = self.harness.store().await;
        let id = JobId(id.parse().unwrap());
        let job = store.job(id).await.unwrap();
        if let Some(job) = job
            && let Some(remote_name) = &job.progress.remote_name
        {
            let parsers = self
                .harness
                .server
                .with(|simulator| simulator.world.parsers(i64::MAX));
            let ids: Vec<_> = parsers
                .into_iter()
                .filter(|parser| parser.name == *remote_name)
                .map(|parser| ParserId(parser.id))
                .collect();
            let held = store.claimed(&ids, id).await.unwrap();
            let event = match ids.into_iter().find(|id| !held.contains(id)) {
                Some(parser) => Event::Adopt(parser),
                None => Event::NotCreated,
            };
            // Of several parsers of one name none is wanted.
            let is_new = matches!(event, Event::NotCreated) && job.progress.doubt.is_none();
            self.log.push(format!("resolve {name}: {event:?}"));
            let policy = wiring::policy(&self.harness.settings());
            let now = Clock::system().now();
            if let Transition::Change(change) = decide(&job, event, &policy, now, 0.5)
                && let Applied::Durable { .. } = store
                    .apply(&job, &change, Intent::default(), now)
                    .await
                    .unwrap()
                && is_new
            {
                *self.allowed.get_mut(&name).unwrap() += 1;
            }
        }
        store.close().await;
    }

    /// Nothing goes wrong any more: everything must come to an end.
    async fn end(&mut self) {
        if let Some(running) = self.running.take() {
            running.killed().await;
        }
        self.harness.server.set_down(false).await.unwrap();
        self.harness.server.with(|simulator| {
            simulator.faults.clear();
            simulator.world.add_credits(1_000_000_000);
        });
        self.harness.sql("DELETE FROM gates").await.unwrap();
        let running = self.harness.start(Until::NoProgress).await;
        let ended = tokio::time::timeout(Duration::from_secs(20), running.task).await;
        if ended.is_err() {
            let rows = self.dump().await;
            panic!("no end: {rows:#?}\n{:#?}", self.log);
        }
        ended.unwrap().unwrap();
    }

    async fn dump(&self) -> Vec<String> {
        self.harness
            .sql(
                "SELECT id || ' ' || name || ' ' || state || ' ' || coalesce(park_reason, '-') || ' ' \
                 || coalesce(error_kind, '-') || ' due ' || (due_at - updated_at) || ' ' \
                 || coalesce(remote_name, '-') || ' ' || coalesce(error_message, '-') FROM jobs",
            )
            .await
            .unwrap()
    }

    async fn check(&self, seed: u64) {
        let harness = &self.harness;
        let context = || format!("seed {seed}: {:#?}", self.log);
        // Every job ended, or says why it waits.
        let open = harness
            .sql(
                "SELECT id || ' ' || name || ' ' || state || ' ' || coalesce(park_reason, '-') FROM jobs \
                 WHERE state NOT IN ('FINISHED', 'FAILED', 'CANCELLED') \
                 AND NOT (state = 'PARKED' AND park_reason IN ('ambiguous', 'budget')) \
                 AND NOT (state = 'QUEUED' AND EXISTS (SELECT 1 FROM jobs WHERE park_reason = 'budget'))",
            )
            .await
            .unwrap();
        assert!(open.is_empty(), "{open:?}\n{}", context());
        // No name was paid for twice without a word; none more often than was allowed.
        let has_tag = harness.settings["create.name_tag"] == "true";
        let mut by_job: BTreeMap<String, usize> = BTreeMap::new();
        for (name, parsers) in harness.parsers_by_name() {
            assert!(
                !has_tag || parsers == 1,
                "{name} was made {parsers} times\n{}",
                context()
            );
            let job = name.split('_').next().unwrap().to_owned();
            *by_job.entry(job).or_default() += parsers;
        }
        for (job, parsers) in &by_job {
            let allowed = self.allowed[job];
            assert!(
                *parsers <= allowed,
                "{job}: {parsers} of {allowed}\n{}",
                context()
            );
        }
        // What was made is on record, or is being looked for.
        let recorded = harness
            .sql("SELECT parser_id FROM creates WHERE parser_id IS NOT NULL")
            .await
            .unwrap();
        let pending = harness
            .sql("SELECT remote_name FROM creates WHERE outcome = 'pending'")
            .await
            .unwrap();
        let made = harness
            .server
            .with(|simulator| simulator.world.parsers(i64::MAX));
        for parser in &made {
            assert!(
                recorded.contains(&parser.id) || pending.contains(&parser.name),
                "{parser:?} is forgotten\n{}",
                context()
            );
        }
        if let Some(limit) = harness.settings.get("budget.max_credits") {
            let limit: usize = limit.parse().unwrap();
            assert!(made.len() * 30_000 <= limit, "over budget\n{}", context());
        }
        let twice = harness
            .sql(
                "SELECT parser_id FROM jobs WHERE parser_id IS NOT NULL AND state <> 'CANCELLED' \
                 GROUP BY parser_id HAVING count(*) > 1",
            )
            .await
            .unwrap();
        assert!(twice.is_empty(), "held twice: {twice:?}\n{}", context());
    }
}

#[tokio::test]
async fn whatever_goes_wrong_together_nothing_is_paid_twice_and_everything_ends() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap())
    };
    let first = number("PARSERD_TEST_SOAK_FROM", 1);
    let steps = number("PARSERD_TEST_SOAK_STEPS", 25);
    let mut totals = (0, 0, 0);
    for seed in first..first + number("PARSERD_TEST_SOAK", 3) {
        let mut soak = Soak::new(seed).await;
        for _ in 0..steps {
            soak.step().await;
        }
        soak.end().await;
        soak.check(seed).await;
        totals.0 += soak.jobs;
        totals.1 += soak.kills;
        totals.2 += soak.harness.requests(Endpoint::Create);
    }
    println!(
        "{} jobs, {} kills, {} creates",
        totals.0, totals.1, totals.2
    );
}
