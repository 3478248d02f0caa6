//! A directory with a database, a simulator in this process, and parserd as another one.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use parserd::{
    simulator::{
        Faults, Simulator, WorldConfig,
        server::{Server, ServerHandle},
    },
    store::{Role, Store},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The program under measurement.
const PARSERD: &str = env!("CARGO_BIN_EXE_parserd");

/// Where a benchmark takes place: on disk, since the disk's syncs are what counts.
pub struct Place {
    directory: TempDir,
    /// Keys set on the command line.
    settings: Vec<String>,
}

impl Place {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("p.db");
        Self {
            settings: vec![
                format!("database.url=sqlite://{}", database.display()),
                "log.level=warn".to_owned(),
            ],
            directory,
        }
    }

    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.push(format!("{key}={value}"));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn database(&self) -> PathBuf {
        self.path("p.db")
    }

    /// Another program's connection to the database.
    pub fn connection(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.database()).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PARSERD);
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        command.args(args).current_dir(self.directory.path());
        command.env("PARSERD__API__KEY", "demo-key");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Runs a command to its end; its resident peak in bytes, and how long it took.
    pub fn run(&self, args: &[&str]) -> (u64, Duration) {
        let began = Instant::now();
        let mut process = Process::start(self.command(args));
        let peak = process.wait();
        (peak, began.elapsed())
    }

    /// Makes the database, with nothing in it.
    pub fn make_database(&self) {
        Runtime::new().unwrap().block_on(async {
            let store = Store::open(&self.database(), Role::Tool).await.unwrap();
            store.close().await;
        });
    }

    /// Adds rows past the rules, which take longer than what is to be measured.
    pub fn fill(&self, insert: &str) {
        let connection = self.connection();
        let triggers: Vec<(String, String)> = connection
            .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name IN ('jobs', 'job_events')")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let mut sql = String::from("PRAGMA synchronous = OFF; BEGIN;");
        for (name, _) in &triggers {
            sql.push_str(&format!("DROP TRIGGER {name};"));
        }
        sql.push_str(insert);
        sql.push(';');
        for (_, trigger) in &triggers {
            sql.push_str(trigger);
            sql.push(';');
        }
        sql.push_str("COMMIT; PRAGMA wal_checkpoint(TRUNCATE);");
        connection.execute_batch(&sql).unwrap();
    }

    /// A file of `count` jobs, in JSON Lines.
    pub fn jobs_file(&self, count: usize) -> &'static str {
        let mut file =
            std::io::BufWriter::new(std::fs::File::create(self.path("jobs.jsonl")).unwrap());
        for n in 0..count {
            writeln!(
                file,
                r#"{{"name":"job {n}","urls":["https://shop-{n}.example.com/page/{n}"]}}"#
            )
            .unwrap();
        }
        file.flush().unwrap();
        "jobs.jsonl"
    }

    /// Starts a simulator in this process, and sets parserd to it.
    pub fn simulator(
        &mut self,
        runtime: &Runtime,
        world: WorldConfig,
        rules: &[&str],
    ) -> ServerHandle {
        let rules: Vec<_> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let simulator = Simulator::new(world.clone(), Faults::new(world.seed, rules));
        let server = runtime
            .block_on(Server::start(([127, 0, 0, 1], 0).into(), simulator))
            .unwrap();
        self.set("api.base_url", &server.base_url());
        server
    }
}

/// A process, killed when it is dropped.
pub struct Process {
    child: Child,
}

impl Process {
    pub fn start(mut command: Command) -> Self {
        Self {
            child: command.spawn().unwrap(),
        }
    }

    /// Waits for its end; its resident peak in bytes.
    pub fn wait(&mut self) -> u64 {
        let mut peak = 0;
        loop {
            peak = self.peak_bytes().unwrap_or(peak);
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(
                    status
                        .code()
                        .is_some_and(|code| ![2, 78, 101].contains(&code)),
                    "{status}"
                );
                return peak;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Processor time of all its threads, user and system.
    pub fn cpu(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(self.proc("stat")).ok()?;
        // The name, in parentheses, may hold blanks.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: u64 =
            fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some(Duration::from_secs_f64(
            ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
        ))
    }

    /// The most memory that was ever resident.
    pub fn peak_bytes(&self) -> Option<u64> {
        self.status("VmHWM:")
    }

    /// The memory that is resident now.
    pub fn resident_bytes(&self) -> Option<u64> {
        self.status("VmRSS:")
    }

    /// How often its threads went to sleep by themselves, as a measure of wake-ups.
    pub fn sleeps(&self) -> u64 {
        let tasks = std::fs::read_dir(self.proc("task")).unwrap();
        let switches = tasks.filter_map(|task| {
            let status = std::fs::read_to_string(task.ok()?.path().join("status")).ok()?;
            line(&status, "voluntary_ctxt_switches:")
        });
        switches.sum()
    }

    fn status(&self, key: &str) -> Option<u64> {
        let status = std::fs::read_to_string(self.proc("status")).ok()?;
        // In kB.
        line(&status, key).map(|value| value * 1024)
    }

    fn proc(&self, file: &str) -> PathBuf {
        Path::new("/proc")
            .join(self.child.id().to_string())
            .join(file)
    }
}

fn line(status: &str, key: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
