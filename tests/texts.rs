//! Texts that people read, whole, as they are: a change of one is seen in `tests/snapshots/`.
//! What must not change (exit codes, names, JSON) is asserted elsewhere.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(target_os = "linux")]
mod commands;
mod foresight;
mod help;
mod log;
mod page;
mod wrong;

use std::{path::Path, process::Command};

use parserd::core::gate::{Closure, GateReason, Scope};
use parserd::store::Gates as _;

use crate::cli::place::{Place, jobs_in_each_state};

/// What differs from one run to the next, and what stands for it.
const VARYING: &[(&str, &str)] = &[
    (
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z",
        "YYYY-MM-DDThh:mm:ss.mmmZ",
    ),
    (r">\d{4}-\d\d-\d\d \d\d:\d\d:\d\d<", ">YYYY-MM-DD hh:mm:ss<"),
    // A free port has five digits, those of the texts have fewer.
    (r"127\.0\.0\.1:\d{5}", "127.0.0.1:PORT"),
    (r"\d[\d,]* MB free", "N MB free"),
    (r"\(os error \d+\)", "(os error N)"),
    (r"(elapsed_ms\W+)\d+", "${1}N"),
    // They change, and no text does.
    (r#"(version"?[=:]"|SQLite )\d+\.\d+\.\d+"#, "${1}VERSION"),
    (r"(, schema |this one knows )\d+", "${1}N"),
    // The charts: a day is another one half an hour after midnight.
    (r">[A-Z][a-z]{2} \d{1,2}(, \d\d:\d\d)?<", ">DAY<"),
    (r#"(<rect class="bar" x=)"\d+""#, r#"${1}"N""#),
    // A job's time line.
    (
        r#"(<rect class="[a-z]+" x=)"\d+"( y="0" width=)"\d+"( height="10">)"#,
        r#"${1}"N"${2}"N"${3}"#,
    ),
    (r#"(<li class="[a-z]+">[a-z]+ )[\d.]+ (s|ms)\b"#, "${1}N s"),
    (
        r#"(?s)(<details id="credits-figures">).*?(</details>)"#,
        "${1}\nFIGURES\n${2}",
    ),
    // A narrow terminal breaks the line before a long path.
    (r"(?m)^database\s+FOLDER", "database  FOLDER"),
];

/// Compares a text with the snapshot of this name.
#[track_caller]
fn assert_text(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (pattern, word) in VARYING {
        settings.add_filter(pattern, *word);
    }
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// A command as one types it, what it prints and how it ends.
fn typed(mut command: Command) -> String {
    let directory = command.get_current_dir().unwrap().to_owned();
    let mut text = "$ parserd".to_owned();
    for arg in command.get_args() {
        text.push_str(&format!(" {}", arg.to_str().unwrap()));
    }
    let output = command.output().unwrap();
    for (stream, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if !bytes.is_empty() {
            let printed = String::from_utf8_lossy(bytes);
            text.push_str(&format!("\n[{stream}]\n{}", printed.trim_end()));
        }
    }
    let code = output.status.code().unwrap();
    text.push_str(&format!("\n[exit code {code}]\n\n"));
    without(&text, &directory)
}

/// The text without the directory's path.
fn without(text: &str, directory: &Path) -> String {
    let canonical = directory.canonicalize().unwrap();
    let text = text.replace(canonical.to_str().unwrap(), "FOLDER");
    text.replace(directory.to_str().unwrap(), "FOLDER")
}

/// Commands in a directory, one after the other.
fn session(place: &Place, commands: &[&[&str]]) -> String {
    let commands = commands.iter().map(|args| typed(place.command(args)));
    commands.collect()
}

/// Jobs in each state, of three days ago: whatever a test's own seconds, they are told alike.
async fn one_of_each() -> Place {
    let place = Place::new();
    put_one_of_each(&place).await;
    place
}

async fn put_one_of_each(place: &Place) {
    place.jobs(jobs_in_each_state()).await;
    let now = jiff::Timestamp::now().as_millisecond();
    let closure = Closure {
        reason: GateReason::Credits,
        since: now,
        // In so long, once it is moved.
        next_probe_at: now + 2 * AGE_MS,
        interval_ms: 900_000,
    };
    let store = place.store().await;
    store.set_gate(Scope::Create, Some(closure)).await.unwrap();
    store.close().await;
    make_older(&place.path("parserd.db"));
}

/// Three days and half an hour: whole days, for the half hour that follows.
const AGE_MS: i64 = (3 * 24 * 60 + 30) * 60 * 1000;

/// Moves all times of a database into the past, which its triggers would not allow.
fn make_older(path: &Path) {
    let database = rusqlite::Connection::open(path).unwrap();
    let triggers: Vec<(String, String)> = database
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for (name, _) in &triggers {
        let drop = format!("DROP TRIGGER {name}");
        database.execute_batch(&drop).unwrap();
    }
    for (table, columns) in [
        (
            "jobs",
            &[
                "created_at",
                "updated_at",
                "finished_at",
                "due_at",
                "generating_since",
                "generated_at",
                "doubt_since",
                "absent_since",
                "untrusted_since",
            ][..],
        ),
        ("job_events", &["at"]),
        ("creates", &["sent_at", "settled_at", "counted_at"]),
        ("gates", &["since", "next_probe_at"]),
    ] {
        for column in columns {
            let older = format!("UPDATE {table} SET {column} = {column} - {AGE_MS}");
            database.execute_batch(&older).unwrap();
        }
    }
    for (_, trigger) in &triggers {
        database.execute_batch(trigger).unwrap();
    }
}
