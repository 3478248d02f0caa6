//! One database, and the engines that run statements on it.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Once,
};

use parserd::{
    clock::Clock,
    core::{
        backoff::Schedule,
        lifecycle::{OnExisting, Policy},
        quality::QualityGate,
        rules::Rules,
    },
    engine::operate::take_in,
    store::{Role, Store},
};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};
use tempfile::TempDir;

/// What a script printed, one text a row, or why it was refused.
pub type Outcome = Result<Vec<String>, String>;

/// A migrated database with no jobs. No script changes it for good.
pub struct Database {
    bundled: SqliteConnection,
    path: PathBuf,
    _directory: TempDir,
}

impl Database {
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let store = Store::open(&path, Role::Daemon).await.unwrap();
        store.close().await;
        let url = format!("sqlite:{}", path.display());
        Self {
            bundled: SqliteConnection::connect(&url).await.unwrap(),
            path,
            _directory: directory,
        }
    }

    /// Runs a script through every engine, in a transaction that is rolled back. Its
    /// SELECTs have one column.
    pub async fn run(&mut self, script: &str) -> Vec<(&'static str, Outcome)> {
        let mut outcomes = vec![("the bundled SQLite", self.bundled(script).await)];
        outcomes.extend(self.shell(script).map(|outcome| ("sqlite3", outcome)));
        outcomes
    }

    async fn bundled(&mut self, script: &str) -> Outcome {
        let mut transaction = self.bundled.begin().await.unwrap();
        let rows = sqlx::raw_sql(AssertSqlSafe(script.to_owned()))
            .fetch_all(&mut *transaction)
            .await
            .map_err(|error| error.to_string());
        transaction.rollback().await.unwrap();
        let text = |row: &sqlx::sqlite::SqliteRow| {
            row.try_get_unchecked::<Option<String>, _>(0)
                .unwrap()
                .unwrap_or_default()
        };
        Ok(rows?.iter().map(text).collect())
    }

    fn shell(&self, script: &str) -> Option<Outcome> {
        let child = Command::new("sqlite3")
            .args(["-batch", "-bail"])
            .arg(&self.path)
            .env("HOME", "/nonexistent")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            static TOLD: Once = Once::new();
            TOLD.call_once(|| eprintln!("no sqlite3 on PATH: only the bundled SQLite is tested"));
            return None;
        };
        let mut input = child.stdin.take().unwrap();
        // A script that is refused early is not read to its end.
        let _cut = write!(input, ".timeout 10000\nBEGIN;\n{script}\n;ROLLBACK;\n");
        drop(input);
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Some(if output.status.success() {
            Ok(text(output.stdout).lines().map(str::to_owned).collect())
        } else {
            Err(text(output.stderr))
        })
    }

    /// Every engine refuses the last statement, with these words.
    pub async fn refuses(&mut self, setup: &str, statement: &str, words: &str) {
        for (engine, outcome) in self.run(setup).await {
            assert!(outcome.is_ok(), "{engine}: {setup}: {outcome:?}");
        }
        for (engine, outcome) in self.run(&format!("{setup}{statement}")).await {
            let error = outcome.expect_err(&format!("{engine} takes: {statement}"));
            assert!(error.contains(words), "{engine}: {statement}\n{error}");
        }
    }

    /// Through every engine, the script is taken; what an operator said in it is then taken in,
    /// as a daemon does before anything else, and `select` prints this.
    pub async fn comes_to(&mut self, script: &str, select: &str, rows: &[&str]) {
        for (engine, outcome) in self.run(script).await {
            assert!(outcome.is_ok(), "{engine}: {script}: {outcome:?}");
        }
        let other = Self::new().await;
        let mut connection = other.bundled;
        let commit = format!("BEGIN; {script}; COMMIT;");
        sqlx::raw_sql(AssertSqlSafe(commit))
            .execute(&mut connection)
            .await
            .unwrap();
        let store = Store::open(&other.path, Role::Tool).await.unwrap();
        let now = Clock::system().now();
        take_in(&store, &policy(), now).await.unwrap();
        assert_eq!(take_in(&store, &policy(), now).await.unwrap(), 0);
        store.close().await;
        let printed = sqlx::raw_sql(AssertSqlSafe(select.to_owned()))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let text = |row: &sqlx::sqlite::SqliteRow| {
            row.try_get_unchecked::<Option<String>, _>(0)
                .unwrap()
                .unwrap_or_default()
        };
        let printed: Vec<_> = printed.iter().map(text).collect();
        assert_eq!(printed, rows, "{script}");
    }

    /// Every engine takes the script and prints this.
    pub async fn prints(&mut self, script: &str, rows: &[&str]) {
        for (engine, outcome) in self.run(script).await {
            let printed = outcome.unwrap_or_else(|error| panic!("{engine}: {script}\n{error}"));
            assert_eq!(printed, rows, "{engine}: {script}");
        }
    }
}

/// A text as a literal of SQL.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Nothing of it matters to what an operator says.
fn policy() -> Policy {
    let schedule = Schedule {
        initial_interval_ms: 1,
        multiplier: 1.0,
        max_interval_ms: 1,
    };
    Policy {
        on_existing: OnExisting::Adopt,
        poll: schedule,
        first_look_ms: None,
        poll_timeout_ms: 1,
        retry: schedule,
        max_attempts: 1,
        settle_ms: 1,
        settle_after_error_ms: 1,
        quality_gate: QualityGate::Report,
        min_fill: 0.5,
        ladder: None,
        rules: Rules::KEPT,
    }
}
