//! The blocks of the pages are run, each as a user would who has just built parserd.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{Block, blocks, root};
use crate::common::{FAST, Harness};
use parserd::{
    simulator::WorldConfig,
    store::{Role, Store},
};
use rustix::process::{Pid, Signal, kill_process_group};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

/// The key that the README's user has; the simulator takes no other.
const KEY: &str = "your-key";

/// Ports that the pages name, and that may be taken where the tests run.
const PORTS: &[&str] = &["127.0.0.1:8080", "127.0.0.1:9464"];

/// How long a block may take; only a fault makes it wait so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// A directory as a user has it who has just built parserd.
struct Stage {
    directory: tempfile::TempDir,
    harness: Harness,
    /// Of the block that it was made for.
    page: String,
}

impl Stage {
    async fn new(block: &Block) -> Self {
        let world = WorldConfig {
            key: KEY.to_owned(),
            ..WorldConfig::default()
        };
        let stage = Self {
            directory: tempfile::tempdir().unwrap(),
            harness: Harness::with(world, &[]).await,
            page: block.page().to_owned(),
        };
        for directory in ["config", "systemd"] {
            symlink(root().join(directory), stage.path(directory)).unwrap();
        }
        fs::create_dir_all(stage.path("target/release")).unwrap();
        let program = env!("CARGO_BIN_EXE_parserd");
        symlink(program, stage.path("target/release/parserd")).unwrap();
        for file in blocks() {
            if let Some(name) = file.mark("file") {
                let is_new = !stage.path(name).exists();
                assert!(is_new, "{}: {name} is another page's", file.place);
                fs::write(stage.path(name), &file.body).unwrap();
            }
        }
        if block.has("staged") {
            fill(&stage.database()).await;
        }
        if block.has("root") {
            stage.put_sudo();
        }
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn database(&self) -> PathBuf {
        self.path("parserd.db")
    }

    /// A `sudo` that asks for no password and spoils no machine.
    fn put_sudo(&self) {
        let shared = self.path("root/usr/share");
        for directory in [&shared, &self.path("root/var/lib/parserd")] {
            fs::create_dir_all(directory).unwrap();
        }
        symlink(root().join("systemd/egress"), shared.join("parserd")).unwrap();
        let bin = self.path("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("sudo"), SUDO).unwrap();
        fs::set_permissions(bin.join("sudo"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs a block with `sh -e` and panics if it fails.
    fn run(&self, block: &Block) -> String {
        let (stdout, stderr) = (self.path("stdout"), self.path("stderr"));
        let mut script = block.body.clone();
        for port in PORTS {
            script = script.replace(port, &free_port());
        }
        let mut command = Command::new("sh");
        command
            .args(["-e", "-c", &script])
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", self.search_path())
            .env("HOME", self.directory.path())
            .env("ROOT", self.path("root"))
            // Not this machine's own.
            .env("PARSERD_CONFIG", self.path("config/parserd.toml"))
            .env("PARSERD__API__KEY", KEY)
            .env("PARSERD__API__BASE_URL", self.harness.server.base_url())
            // For the real service it is known.
            .env("PARSERD__PREFLIGHT__URL", self.harness.server.base_url())
            .stdin(Stdio::from(self.key_to_type()))
            .stdout(fs::File::create(&stdout).unwrap())
            .stderr(fs::File::create(&stderr).unwrap())
            .process_group(0);
        for (key, value) in FAST {
            let variable = format!("PARSERD__{}", key.replace('.', "__").to_uppercase());
            command.env(variable, value);
        }
        let mut child = command.spawn().unwrap();
        let group = Pid::from_child(&child);
        let started = Instant::now();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if started.elapsed() > PATIENCE => break None,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        // What the block left running ends with it.
        let _none_left = kill_process_group(group, Signal::KILL);
        let _reaped = child.wait();
        let read = |path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        let (stdout, stderr) = (read(&stdout), read(&stderr));
        assert!(
            status.is_some_and(|status| status.success()),
            "{}: {status:?}\n{}\n--- stdout\n{stdout}--- stderr\n{stderr}",
            block.place,
            block.body
        );
        stdout
    }

    fn search_path(&self) -> String {
        let inherited = std::env::var("PATH").unwrap();
        let (bin, built) = (self.path("bin"), self.path("target/release"));
        format!("{}:{}:{inherited}", bin.display(), built.display())
    }

    fn key_to_type(&self) -> fs::File {
        let path = self.path("typed");
        fs::write(&path, format!("{KEY}\n")).unwrap();
        fs::File::open(path).unwrap()
    }
}

const SUDO: &str = r#"#!/bin/sh -e
if [ "$1" = -u ]; then shift 2; fi
for word do
    shift
    case $word in
    /etc/* | /usr/* | /var/*) word=$ROOT$word ;;
    esac
    set -- "$@" "$word"
done
case $1 in
apt-get)
    test "$*" = 'apt-get install ./parserd_*.deb'
    mkdir -p "$ROOT/etc/parserd"
    cp config/parserd.toml "$ROOT/etc/parserd" ;;
systemctl)
    case "$*" in
    "systemctl daemon-reload" | "systemctl try-restart parserd") ;;
    "systemctl enable --now parserd") test -s "$ROOT/etc/parserd/api_key" ;;
    # What it passes over ends well, and nothing is posted.
    "systemctl enable --now parserd-notify@chat")
        echo '{"type":"finished"}' | "$ROOT/etc/parserd/notify.d/chat" ;;
    *) echo "what is $*?" >&2; exit 1 ;;
    esac ;;
parserd)
    test -s "$ROOT/etc/parserd/api_key"
    export PARSERD_CONFIG="$ROOT/etc/parserd/parserd.toml"
    export PARSERD__DATABASE__URL="sqlite://$ROOT/var/lib/parserd/parserd.db"
    # The service would have made it.
    "$@" 2>/dev/null || parserd enqueue jobs.toml
    exec "$@" ;;
*) exec "$@" ;;
esac
"#;

fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A job of each kind that the recipes are about.
async fn fill(database: &Path) {
    let store = Store::open(database, Role::Tool).await.unwrap();
    store.close().await;
    let mut connection = connect(database).await;
    for statement in STAGE.split(";\n").filter(|text| !text.trim().is_empty()) {
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .execute(&mut connection)
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    connection.close().await.unwrap();
}

async fn connect(database: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .busy_timeout(Duration::from_secs(5));
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// Only parserd changes these columns: each change bears a new revision.
const STAGE: &str = r#"
INSERT INTO jobs (name, urls) VALUES
    ('books', '["https://books.example/"]'), ('shop', '["https://shop.example/"]'),
    ('maps', '["https://maps.example/"]'), ('news-en', '["https://news.example/en"]'),
    ('forum', '["https://forum.example/"]'), ('gone', '["https://gone.example/"]');
INSERT INTO jobs (name, urls, run_at) VALUES ('weather', '["https://weather.example/"]', 4102444800000);
UPDATE jobs SET revision = revision + 1, state = 'CREATING', creates = 1,
    remote_name = name || '_pd_aaaaaaaa' WHERE name NOT IN ('weather', 'news-en');
INSERT INTO creates (job_id, remote_name, sent_at, credits)
    SELECT id, remote_name, updated_at, 30000 FROM jobs WHERE state = 'CREATING';
UPDATE creates SET outcome = 'made', parser_id = 'parser-' || job_id, settled_at = sent_at
    WHERE remote_name NOT LIKE 'forum%';
UPDATE jobs SET revision = revision + 1, state = 'GENERATING', parser_id = 'parser-' || id,
    generating_since = updated_at WHERE state = 'CREATING' AND name <> 'forum';
UPDATE jobs SET revision = revision + 1, state = 'FINISHED', parser_version = 0,
    finished_at = updated_at,
    example_result = '[{"url": "https://books.example/", "result": {"title": "A book"}}]'
    WHERE name = 'books';
UPDATE jobs SET revision = revision + 1, state = 'FAILED', error_kind = 'generation_failed',
    error_message = 'nothing extracted', error_hint = 'set render', finished_at = updated_at
    WHERE name = 'shop';
UPDATE jobs SET revision = revision + 1, state = 'FAILED', error_kind = 'generation_timeout',
    error_message = 'still generating', error_hint = 'retry', finished_at = updated_at
    WHERE name = 'maps';
UPDATE jobs SET revision = revision + 1, state = 'PARKED', park_reason = 'credits',
    error_status = 402, error_message = 'no credits', error_hint = 'add some'
    WHERE name = 'news-en';
UPDATE jobs SET revision = revision + 1, state = 'PARKED', park_reason = 'ambiguous',
    doubt_since = updated_at, doubt_cause = 'answer_lost', error_hint = 'parserd resolve ID'
    WHERE name = 'forum';
INSERT INTO gates (scope, reason, since, next_probe_at, interval_ms)
    VALUES ('create', 'credits', 1700000000000, 4102444800000, 900000);
"#;

/// Whether a program, or the module of Python, can be used.
fn is_there(program: &str) -> bool {
    let test = match program {
        // Not one of this user alone: a block has another home.
        "pandas" => "python3 -s -c 'import pandas'".to_owned(),
        program => format!("command -v {program}"),
    };
    let mut look = Command::new("sh");
    look.args(["-c", &test]).stderr(Stdio::null());
    look.stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sh_block_runs() {
    let mut run = 0;
    let mut last: Option<Stage> = None;
    for block in blocks() {
        if let Some(name) = block.mark("edit") {
            let stage = last.as_ref().expect("an edit goes on from a block");
            assert!(stage.path(name).exists(), "{}: no {name}", block.place);
            fs::write(stage.path(name), &block.body).unwrap();
        }
        if block.language != "sh" || block.has("ci") {
            continue;
        }
        if let Some(program) = block.mark("needs").filter(|program| !is_there(program)) {
            eprintln!("{}: left out, no {program}", block.place);
            continue;
        }
        let stage = match last.take() {
            Some(stage) if block.has("goes on") => {
                assert_eq!(
                    stage.page,
                    block.page(),
                    "{}: nothing before it",
                    block.place
                );
                stage
            }
            _ => Stage::new(&block).await,
        };
        let stdout = tokio::task::block_in_place(|| stage.run(&block));
        run += 1;
        if block.body.contains("/etc/parserd/api_key") && block.has("root") {
            assert_installed(&stage, &stdout);
        }
        if block.body.contains("parserd show books") {
            assert!(stdout.contains("FINISHED"), "{stdout}");
        }
        if block.body.contains("python3 fifty.py") {
            let found = stdout
                .lines()
                .filter(|line| line.starts_with("books-"))
                .count();
            assert!(found == 50 && stdout.contains("{'"), "{stdout}");
        }
        last = Some(stage);
    }
    assert!(run >= 6, "only {run} blocks were found");
}

fn assert_installed(stage: &Stage, stdout: &str) {
    let root = stage.path("root");
    let key = root.join("etc/parserd/api_key");
    assert_eq!(fs::read_to_string(&key).unwrap().trim(), KEY);
    let mode = fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(stdout.contains("QUEUED"), "{stdout}");
}

#[tokio::test]
async fn every_sql_recipe_does_something() {
    let recipes: Vec<_> = blocks()
        .into_iter()
        .filter(|block| block.language == "sql")
        .collect();
    assert!(recipes.len() >= 6, "only {} were found", recipes.len());
    for recipe in &recipes {
        assert!(recipe.has("staged"), "{}", recipe.place);
        let stage = Stage::new(recipe).await;
        let backup = stage.path("backup.db").display().to_string();
        let body = recipe.body.replace("backup.db", &backup);
        let mut connection = connect(&stage.database()).await;
        for statement in body.split_inclusive(";\n") {
            let done = execute(&mut connection, statement).await;
            let done = done.unwrap_or_else(|error| panic!("{}: {error}", recipe.place));
            let did = done > 0 || fs::exists(&backup).unwrap();
            assert!(did, "{}: nothing done by {statement}", recipe.place);
        }
    }
}

/// Runs one statement; returns how many rows it gave or changed.
async fn execute(connection: &mut SqliteConnection, sql: &str) -> Result<u64, sqlx::Error> {
    let query = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()));
    if sql.trim_start().starts_with("SELECT") {
        let rows = query.fetch_all(connection).await?;
        return Ok(rows.len() as u64);
    }
    Ok(query.execute(connection).await?.rows_affected())
}

#[tokio::test]
async fn every_sql_recipe_runs_in_sqlite3() {
    let version = Command::new("sqlite3").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let minor = version.ok().and_then(|version| {
        let minor = version.strip_prefix("3.")?.split('.').next()?;
        minor.parse::<u32>().ok()
    });
    if minor.is_none_or(|minor| minor < 38) {
        eprintln!("left out: no sqlite3 of 3.38 or newer");
        return;
    }
    for recipe in blocks().iter().filter(|block| block.language == "sql") {
        let stage = Stage::new(recipe).await;
        let output = Command::new("sqlite3")
            .args(["-batch", "-bail", "parserd.db", &recipe.body])
            .current_dir(stage.directory.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let well = output.status.success() && stderr.is_empty();
        assert!(well, "{}: {stderr}", recipe.place);
        let asks = recipe.body.contains("SELECT state") || recipe.body.contains("SELECT name");
        assert!(!asks || !output.stdout.is_empty(), "{}", recipe.place);
    }
}
