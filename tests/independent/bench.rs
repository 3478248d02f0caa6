//! The real program in a directory of its own, beside a fake of the service.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::fake::{Behaviour, Fake, KEY};

pub const CREDITS: i64 = 30_000;

pub struct Bench {
    pub fake: Fake,
    pub directory: TempDir,
    env: BTreeMap<String, String>,
}

#[derive(Debug)]
#[allow(dead_code, reason = "shown when a test fails")]
pub struct Ended {
    /// None: killed at its time limit.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

/// A daemon that runs; killed when it goes out of scope.
pub struct Daemon(Child);

impl Daemon {
    /// SIGKILL, and the end of the process.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Daemon {
    /// SIGTERM; the exit code, None where it did not end in time.
    pub fn stop(mut self, limit: Duration) -> (Option<i32>, String) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let begun = Instant::now();
        while begun.elapsed() < limit {
            if let Some(status) = self.0.try_wait().unwrap() {
                return (status.code(), status.to_string());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        (None, format!("still there after {limit:?}"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn page(slug: &str) -> String {
    format!("https://example.com/{slug}")
}

impl Bench {
    pub fn new(does: impl FnOnce(&mut Behaviour)) -> Self {
        let fake = Fake::start();
        fake.does(does);
        let mut bench = Self {
            fake,
            directory: TempDir::new().unwrap(),
            env: BTreeMap::new(),
        };
        let url = bench.fake.url();
        for (key, value) in [
            ("api.base_url", url.as_str()),
            ("api.key", KEY),
            ("api.request_timeout", "1s"),
            ("poll.initial_interval", "40ms"),
            ("poll.multiplier", "1.3"),
            ("poll.max_interval", "200ms"),
            ("poll.timeout", "8s"),
            ("retry.initial_interval", "40ms"),
            ("retry.max_interval", "300ms"),
            ("retry.max_attempts", "3"),
            ("reconcile.settle", "2s"),
            ("reconcile.settle_after_error", "200ms"),
            ("park.probe_interval", "150ms"),
            ("park.max_probe_interval", "600ms"),
        ] {
            bench.set(key, value);
        }
        bench
    }

    pub fn set(&mut self, key: &str, value: &str) {
        let name = format!("PARSERD__{}", key.to_uppercase().replace('.', "__"));
        self.env.insert(name, value.to_owned());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parserd"));
        command
            .args(args)
            .current_dir(self.directory.path())
            .env_clear()
            .envs(&self.env);
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str], limit: Duration) -> Ended {
        let begun = Instant::now();
        let mut child = self
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut err = child.stderr.take().unwrap();
        let read_out = std::thread::spawn(move || {
            let mut text = Vec::new();
            out.read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        let read_err = std::thread::spawn(move || {
            let mut text = Vec::new();
            err.read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if begun.elapsed() > limit {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        Ended {
            code: status.and_then(|s| s.code()),
            out: read_out.join().unwrap(),
            err: read_err.join().unwrap(),
            took: begun.elapsed(),
        }
    }

    /// A short command that must succeed; what it printed.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        let ended = self.run(args, Duration::from_secs(15));
        assert_eq!(ended.code, Some(0), "{args:?}: {ended:#?}");
        ended.out
    }

    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(args)).unwrap()
    }

    /// Puts the database as it was when `copy.db` was made in its place.
    pub fn restore(&self) {
        for end in ["", "-wal", "-shm"] {
            let from = self.path(&format!("parserd.db{end}"));
            if exists(&from) {
                std::fs::rename(from, self.path(&format!("old{end}"))).unwrap();
            }
        }
        std::fs::copy(self.path("copy.db"), self.path("parserd.db")).unwrap();
    }

    /// `run --until-done`, which must end by itself.
    #[track_caller]
    pub fn work(&self, seconds: u64) -> Ended {
        let ended = self.run(&["run", "--until-done"], Duration::from_secs(seconds));
        assert!(
            ended.code.is_some(),
            "run --until-done did not end in {seconds} s\n{}\njobs: {:#}\nstatus: {}",
            tail(&ended.err),
            self.jobs_brief(),
            self.run(&["status"], Duration::from_secs(10)).out,
        );
        ended
    }

    pub fn daemon(&self) -> Daemon {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("daemon.log"))
            .unwrap();
        Daemon(
            self.command(&["run"])
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap(),
        )
    }

    /// Names with their pages, by a job file.
    #[track_caller]
    pub fn enqueue(&self, jobs: &[(&str, &str)]) {
        let list: Vec<Value> = jobs
            .iter()
            .map(|(name, slug)| json!({"name": name, "urls": [page(slug)]}))
            .collect();
        let file = self.path("jobs.json");
        std::fs::write(&file, Value::from(list).to_string()).unwrap();
        self.ok(&["enqueue", "jobs.json"]);
    }

    pub fn database(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.path("parserd.db")).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection
    }

    /// One job, by plain SQL.
    pub fn insert(&self, name: &str, slug: &str) {
        let urls = json!([page(slug)]).to_string();
        self.database()
            .execute("INSERT INTO jobs (name, urls) VALUES (?, ?)", [name, &urls])
            .unwrap();
    }

    pub fn job(&self, name: &str) -> Job {
        let sql = "SELECT state, park_reason, parser_id, example_result, error_kind, creates FROM jobs WHERE name = ?";
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Job {
                state: row.get(0)?,
                park_reason: row.get(1)?,
                parser_id: row.get(2)?,
                example_result: row.get(3)?,
                error_kind: row.get(4)?,
                creates: row.get(5)?,
            })
        };
        self.database().query_row(sql, [name], read).unwrap()
    }

    pub fn number(&self, sql: &str) -> i64 {
        self.database()
            .query_row(sql, [], |row| row.get(0))
            .unwrap()
    }

    /// Waits until the database shows something.
    #[track_caller]
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            let jobs = self.jobs_brief();
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "never: {what}\n{jobs}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What the ledger says was spent.
    pub fn spent(&self) -> i64 {
        self.number("SELECT coalesce(sum(credits), 0) FROM creates WHERE outcome <> 'not_made'")
    }

    pub fn events(&self, name: &str) -> String {
        let sql =
            "SELECT group_concat(event || ' ' || coalesce(detail, ''), char(10)) FROM job_events
                   WHERE job_id = (SELECT id FROM jobs WHERE name = ?)";
        self.database()
            .query_row(sql, [name], |row| row.get::<_, Option<String>>(0))
            .unwrap()
            .unwrap_or_default()
    }

    pub fn jobs_brief(&self) -> String {
        let sql = "SELECT name, state, park_reason, parser_id, error_kind, error_message, creates FROM jobs";
        let db = self.database();
        let mut statement = db.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| {
            let mut line = String::new();
            for i in 0..7 {
                line.push_str(&format!("{:?} ", row.get::<_, rusqlite::types::Value>(i)?));
            }
            Ok(line)
        });
        rows.unwrap()
            .map(Result::unwrap)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// What must hold whatever the service did: no job has two parsers that live, each parser
    /// that was paid is held by its job or waited for, and the ledger knows of every payment.
    pub fn audit(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let world = self.fake.world();
        let books = &world.books;
        let pages: BTreeSet<&str> = books.parsers.iter().map(|p| p.url.as_str()).collect();
        let db = self.database();
        for url in pages {
            let made = books.made(url);
            let living: Vec<_> = made
                .iter()
                .filter(|p| !p.deleted && !world.does.fails.iter().any(|f| p.sent.contains(f)))
                .collect();
            if living.len() > 1 {
                let ids: Vec<_> = living.iter().map(|p| (&p.id, &p.stored)).collect();
                faults.push(format!("PAID TWICE for {url}: {ids:?}"));
            }
            let held = db.query_row(
                "SELECT state, coalesce(park_reason, ''), coalesce(parser_id, '') FROM jobs WHERE urls ->> 0 = ?",
                [url],
                |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)),
            );
            let (state, reason, id) = held.unwrap_or_default();
            let known = living
                .iter()
                .any(|p| id.eq_ignore_ascii_case(&p.id) || id.ends_with(&format!("/{}", p.id)));
            let waited_for = state == "CREATING" || reason == "ambiguous";
            if !living.is_empty() && !known && !waited_for {
                let ids: Vec<_> = living.iter().map(|p| &p.id).collect();
                faults.push(format!(
                    "FORGOTTEN: {ids:?} of {url}; its job is {state} {reason} with id {id:?}"
                ));
            }
        }
        drop(db);
        let held = self.number(
            "SELECT count(*) - count(DISTINCT parser_id) FROM jobs WHERE parser_id IS NOT NULL AND state <> 'CANCELLED' AND action = 'create'",
        );
        if held != 0 {
            faults.push(format!(
                "SHARED: jobs hold one parser together\n{}",
                self.jobs_brief()
            ));
        }
        let paid = books.parsers.len() as i64 * CREDITS;
        if self.spent() < paid {
            faults.push(format!(
                "LEDGER: {} credits, the service was paid {paid}",
                self.spent()
            ));
        }
        faults
    }

    /// Audits, and wants every named job FINISHED.
    #[track_caller]
    pub fn all_finished(&self, names: &[&str]) {
        let mut faults = self.audit();
        for name in names {
            let job = self.job(name);
            if job.state != "FINISHED" {
                faults.push(format!("{name:?} is {job:?}"));
            }
        }
        assert!(
            faults.is_empty(),
            "{}\n{}",
            faults.join("\n"),
            self.jobs_brief()
        );
    }
}

#[derive(Debug)]
#[allow(dead_code, reason = "shown when a test fails")]
pub struct Job {
    pub state: String,
    pub park_reason: Option<String>,
    pub parser_id: Option<String>,
    pub example_result: Option<String>,
    pub error_kind: Option<String>,
    pub creates: i64,
}

pub fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

pub fn exists(path: &Path) -> bool {
    path.try_exists().unwrap()
}

/// Runs scenarios side by side, since each mostly waits; fails with the names of those that failed.
/// `PARSERD_TEST_FAKE_ONLY` chooses those whose names hold a text.
pub fn together(scenarios: &[(&str, fn())]) {
    let only = std::env::var("PARSERD_TEST_FAKE_ONLY").unwrap_or_default();
    let left = Mutex::new(scenarios.iter().filter(|(name, _)| name.contains(&only)));
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().next();
                    let Some((name, scenario)) = next else { return };
                    let begun = Instant::now();
                    // Of that name, so that a panic says whose it is.
                    let named = std::thread::Builder::new().name((*name).to_owned());
                    if named.spawn(*scenario).unwrap().join().is_err() {
                        failed.lock().unwrap().push(*name);
                    }
                    println!("{name}: {:.1} s", begun.elapsed().as_secs_f32());
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "failed: {failed:?}");
}
