//! What nobody tried: faults, kills and operators together, and what must hold then.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, time::Duration};

use crate::common::{Harness, Running};
use parserd::{
    clock::Clock,
    core::job::{JobId, JobState, ParserId},
    core::lifecycle::{Event, Transition, decide},
    engine::daemon::Until,
    simulator::{Endpoint, Inserted, WorldConfig},
    store::{Applied, Changes as _, Intent, Ledger as _, Queue as _},
    wiring,
};

#[tokio::test]
async fn a_job_that_waits_for_room_is_claimed_when_there_is_some() {
    // Polls under way are claimed too, and jobs found due beyond the room must be found again.
    let mut harness = Harness::new(&[
        "get delay=60ms every=2",
        "get delay=35ms",
        "create generation=40ms every=2",
        "create generation=90ms every=3",
        "create generation=150ms",
    ])
    .await;
    harness.set("workers.max_generating", "6");
    harness.enqueue(30).await;
    let running = harness.start(Until::AllTerminal).await;
    harness.await_states(&[(JobState::Finished, 30)]).await;
    running.ended().await;
    harness.assert_one_parser_each(30);
}

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

/// CPU time of this thread, on which all of the test's daemon runs.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

fn requests(harness: &Harness) -> u64 {
    harness
        .server
        .with(|simulator| simulator.traffic.counts().values().sum())
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn where_nothing_can_go_on_nothing_turns_in_circles() {
    let far = "UPDATE jobs SET run_at = 32503680000000";
    type Case<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, &'a str)], &'a str);
    let cases: &[Case<'_>] = &[
        ("lists fail", &["list status=500"], &[], ""),
        ("lists are lost", &["list lose"], &[], ""),
        ("lists are refused", &["list status=401"], &[], ""),
        (
            "lists want credits",
            &["list status=402", "create lose"],
            &[],
            "",
        ),
        ("throttled", &["any status=429 retry-after-text=0"], &[], ""),
        ("no credits", &["create status=402"], &[], ""),
        ("creates fail", &["create status=500"], &[], ""),
        ("creates are lost", &["create lose after"], &[], ""),
        ("polls are refused", &["get status=402"], &[], ""),
        ("polls find nothing", &["get status=404"], &[], ""),
        (
            "polls are lost",
            &["get lose", "create generation=1h"],
            &[],
            "",
        ),
        (
            "full",
            &["create generation=1h"],
            &[("workers.max_generating", "2")],
            "",
        ),
        ("far future", &[], &[], far),
        ("no budget", &[], &[("budget.max_credits", "30000")], ""),
        (
            "no budget a day",
            &[],
            &[("budget.max_credits_per_day", "1")],
            "",
        ),
        (
            "one at a time",
            &["create status=402"],
            &[("workers.max_requests", "1")],
            "",
        ),
    ];
    let mut all = Vec::new();
    for (what, faults, settings, sql) in cases {
        let mut harness = Harness::new(faults).await;
        for key in [
            "retry.initial_interval",
            "retry.max_interval",
            "poll.initial_interval",
        ] {
            harness.set(key, "5s");
        }
        harness.set("poll.max_interval", "10s");
        harness.set("park.probe_interval", "1h");
        harness.set("park.max_probe_interval", "1h");
        harness.set("reconcile.settle", "15m");
        harness.set("reconcile.settle_after_error", "5m");
        for (key, value) in *settings {
            harness.set(key, value);
        }
        harness.enqueue(40).await;
        if !sql.is_empty() {
            harness.sql(sql).await.unwrap();
        }
        let running = harness.start(Until::Stopped).await;
        all.push((what, harness, running));
    }
    // Until each has done what it can.
    let mut before = Vec::new();
    tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let asked: Vec<_> = all
                .iter()
                .map(|(_, harness, _)| requests(harness))
                .collect();
            if asked == before {
                return;
            }
            before = asked;
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    })
    .await
    .expect("there are always more requests");
    let before = cpu_time();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let cpu = cpu_time() - before;
    assert!(cpu < Duration::from_millis(100), "{cpu:?} of CPU time");
    for (what, harness, running) in all {
        let asked = requests(&harness);
        println!("{what}: {asked} requests");
        assert!(asked <= 180, "{what}: {asked} requests");
        running.stopped().await;
    }
}

#[tokio::test]
async fn a_job_that_is_always_refused_does_not_keep_the_others_parked() {
    // All are parked; that one is not the canary for ever.
    let mut harness = Harness::new(&[
        "create status=403 name=job-0",
        "create status=402 first=8 delay=60ms",
    ])
    .await;
    harness.set("park.probe_interval", "20ms");
    harness.set("park.max_probe_interval", "40ms");
    harness.enqueue(8).await;
    let running = harness.start(Until::AllTerminal).await;
    harness
        .wait_until("the others", async || {
            harness.states().await.get(&JobState::Finished) == Some(&7)
        })
        .await;
    running.stopped().await;
}

#[tokio::test]
async fn once_told_to_stop_nothing_more_is_paid_for() {
    let harness = Harness::new(&["list delay=15s"]).await;
    harness.enqueue(4).await;
    let running = harness.start(Until::AllTerminal).await;
    harness
        .wait_until("a list", async || harness.requests(Endpoint::List) > 0)
        .await;
    let asked = std::time::Instant::now();
    running.stopped().await;
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "it waited for the list"
    );
    assert_eq!(harness.requests(Endpoint::Create), 0);
    harness.await_states(&[(JobState::Queued, 4)]).await;
}

#[tokio::test]
async fn a_gate_that_an_operator_opens_is_open_at_once_also_after_lists_that_failed() {
    let mut harness = Harness::new(&["list status=402"]).await;
    harness.set("retry.initial_interval", "1h");
    harness.set("retry.max_interval", "1h");
    harness.set("park.probe_interval", "1h");
    harness.set("park.max_probe_interval", "1h");
    harness.enqueue(3).await;
    let running = harness.start(Until::AllTerminal).await;
    harness
        .wait_until("a closed gate", async || {
            harness.sql("SELECT scope FROM gates").await.unwrap() == ["read"]
        })
        .await;
    harness.server.with(|simulator| simulator.faults.clear());
    harness.sql("DELETE FROM gates").await.unwrap();
    harness.await_states(&[(JobState::Finished, 3)]).await;
    running.ended().await;
}

#[tokio::test]
async fn throttled_questions_about_an_earlier_parser_are_no_looks_in_vain() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(1).await;
    harness.run_until_done().await;
    harness.sql("DELETE FROM jobs").await.unwrap();
    harness.server.with(|simulator| {
        for rule in ["list limit=0", "get status=429 first=80"] {
            simulator.faults.add(rule.parse().unwrap());
        }
    });
    harness.enqueue(1).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 1)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 1);
}

#[tokio::test]
async fn a_daemon_that_nobody_can_stop_any_more_ends_by_itself() {
    let harness = Harness::new(&["list status=500"]).await;
    harness.enqueue(1).await;
    let Running { stop, task } = harness.start(Until::Stopped).await;
    drop(stop);
    tokio::time::timeout(Duration::from_secs(10), task)
        .await
        .unwrap()
        .unwrap();
}

/// Makes the database refuse half of what is written so.
async fn refuse_half(harness: &Harness, table: &str, when: &str) {
    let sql = format!(
        "CREATE TRIGGER refuse BEFORE {table} WHEN {when} AND abs(random()) % 2 BEGIN SELECT RAISE(ABORT, 'refused by the test'); END"
    );
    harness.sql(&sql).await.unwrap();
}

#[tokio::test]
async fn a_database_that_refuses_at_any_point_loses_and_doubles_nothing() {
    let points = [
        (
            "UPDATE ON jobs",
            "NEW.state = 'CREATING' AND OLD.state = 'QUEUED'",
        ),
        ("INSERT ON creates", "1"),
        ("UPDATE ON jobs", "NEW.state = 'GENERATING'"),
        ("UPDATE ON creates", "1"),
        ("UPDATE ON jobs", "NEW.state = 'FINISHED'"),
        ("INSERT ON job_events", "NEW.event <> 'queued'"),
        ("INSERT ON gates", "1"),
        ("UPDATE ON jobs", "NEW.revision > OLD.revision"),
    ];
    let tests = points.map(async |(table, when)| {
        let harness = Harness::new(&[
            "create lose after p=0.2",
            "create status=503 p=0.2",
            "create status=429 nth=2",
        ])
        .await;
        harness.enqueue(6).await;
        refuse_half(&harness, table, when).await;
        let running = harness.start(Until::AllTerminal).await;
        harness
            .wait_until("the end", async || {
                let states = harness.states().await;
                states.keys().all(|state| state.is_terminal())
            })
            .await;
        running.ended().await;
        let names = harness.parsers_by_name();
        assert!(names.values().all(|made| *made == 1), "{when}: {names:?}");
        let unsettled = harness
            .sql("SELECT remote_name FROM creates WHERE outcome = 'pending'")
            .await
            .unwrap();
        assert!(unsettled.is_empty(), "{when}: {unsettled:?}");
        let recorded = harness
            .sql("SELECT parser_id FROM creates WHERE outcome = 'made'")
            .await
            .unwrap();
        assert_eq!(recorded.len(), names.len(), "{when}");
    });
    futures_util::future::join_all(tests).await;
}

#[tokio::test]
async fn without_credits_one_canary_goes_out_for_each_probe_whoever_stops_and_starts() {
    let world = WorldConfig {
        credits: Some(0),
        first_free: false,
        ..WorldConfig::default()
    };
    let mut harness = Harness::with(world, &["create delay=20ms"]).await;
    harness.set("workers.max_requests", "4");
    harness.set("park.probe_interval", "100ms");
    harness.set("park.max_probe_interval", "100ms");
    harness.enqueue(40).await;
    let running = harness.start(Until::Stopped).await;
    harness
        .wait_until("a closed gate", async || {
            harness.sql("SELECT scope FROM gates").await.unwrap() == ["create"]
        })
        .await;
    running.stopped().await;
    let mut log = Vec::new();
    for kill in 0..8 {
        let running = harness.start(Until::Stopped).await;
        tokio::time::sleep(Duration::from_millis(170)).await;
        match kill % 2 {
            0 => running.killed().await,
            _ => running.stopped().await,
        }
        log = harness.server.with(|simulator| {
            let creates = simulator.traffic.log();
            creates
                .filter(|request| request.endpoint == Endpoint::Create)
                .map(|request| request.at_ms)
                .collect()
        });
    }
    let after = &log[log.len().min(4)..];
    // A canary that was killed is followed by another at once.
    let close = after
        .windows(2)
        .filter(|pair| pair[1] - pair[0] < 100)
        .count();
    assert!(close <= 4, "{after:?}");
    assert!(!after.is_empty(), "{log:?}");
    let states = harness.states().await;
    assert!(!states.contains_key(&JobState::Failed), "{states:?}");
}

#[tokio::test]
async fn an_intent_that_the_database_refuses_costs_no_budget() {
    let mut harness = Harness::new(&[]).await;
    harness.set("budget.max_credits", "120000");
    harness.enqueue(4).await;
    refuse_half(&harness, "INSERT ON creates", "1").await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 4)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 4);
}

#[tokio::test]
async fn without_a_tag_a_late_landing_is_told_from_a_parser_of_the_same_name() {
    let mut harness = Harness::new(&["create lose land-late=400ms nth=1"]).await;
    harness.set("create.name_tag", "false");
    harness.set("create.on_existing", "create");
    harness.set("reconcile.settle", "60ms");
    harness.set("retry.initial_interval", "900ms");
    harness.set("retry.max_interval", "900ms");
    let now = harness.server.now_ms();
    harness.server.with(|simulator| {
        let foreign = Inserted {
            name: "job-0".to_owned(),
            ..Inserted::default()
        };
        simulator.world.insert_parser(now, foreign)
    });
    harness.enqueue(1).await;
    harness.run_until_done().await;
    harness.await_states(&[(JobState::Finished, 1)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 1);
}

#[tokio::test]
async fn a_parser_that_is_listed_and_never_found_is_given_up_at_last() {
    let mut harness = Harness::new(&["get status=404"]).await;
    harness.set("poll.timeout", "300ms");
    harness.enqueue(2).await;
    harness.run_until_done().await;
    let kinds = harness.sql("SELECT error_kind FROM jobs").await.unwrap();
    assert_eq!(kinds, ["generation_timeout", "generation_timeout"]);
    // Each look costs a list of the whole account.
    assert!(harness.requests(Endpoint::List) < 30);
}
