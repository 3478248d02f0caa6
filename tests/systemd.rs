//! What the real program tells systemd, on a real datagram socket.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    os::unix::net::UnixDatagram,
    process::Command,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::Instant,
};

use crate::common::{
    Harness, PATIENCE,
    program::{Program, parserd, stderr},
};
use parserd::{
    core::job::JobState,
    simulator::{Endpoint, WorldConfig},
};
use rustix::process::Signal;
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

/// The place of systemd: a socket, and what arrived there.
struct Systemd {
    address: std::path::PathBuf,
    arrived: Receiver<Vec<String>>,
    /// Every message, as far as it was looked at.
    seen: Vec<Vec<String>>,
}

impl Systemd {
    fn listen(harness: &Harness) -> Self {
        let address = harness.directory.path().join("notify");
        let socket = UnixDatagram::bind(&address).unwrap();
        let (send, arrived) = mpsc::channel();
        // It always reads: what does not fit is given up.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
                if send
                    .send(text.lines().map(str::to_owned).collect())
                    .is_err()
                {
                    return;
                }
            }
        });
        Self {
            address,
            arrived,
            seen: Vec::new(),
        }
    }

    fn run(&self, harness: &Harness, args: &[&str]) -> Command {
        let mut command = parserd(harness, args);
        command.env("NOTIFY_SOCKET", &self.address);
        command
    }

    /// Waits for a message of which `wanted` holds.
    fn await_message(&mut self, what: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        let began = Instant::now();
        loop {
            match self
                .arrived
                .recv_timeout(PATIENCE.saturating_sub(began.elapsed()))
            {
                Ok(message) => {
                    self.seen.push(message.clone());
                    if wanted(&message) {
                        return message;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("waited in vain for {what}; there came {:?}", self.seen)
                }
            }
        }
    }

    fn await_line(&mut self, line: &str) {
        self.await_message(line, |message| message.iter().any(|found| found == line));
    }

    fn await_status(&mut self, words: &str) -> String {
        let message = self.await_message(words, |message| {
            message
                .iter()
                .any(|line| line.starts_with("STATUS=") && line.contains(words))
        });
        message.concat()
    }

    /// What arrived and nobody waited for. Whatever was sent before the program ended is
    /// in the socket by then; a message of our own marks the end.
    fn rest(mut self) -> Vec<Vec<String>> {
        let socket = UnixDatagram::unbound().unwrap();
        socket.send_to(b"END=1", &self.address).unwrap();
        self.await_line("END=1");
        self.seen.pop();
        self.seen
    }
}

fn count(messages: &[Vec<String>], line: &str) -> usize {
    messages
        .iter()
        .flatten()
        .filter(|found| *found == line)
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_reload_and_stop_are_told_in_their_order() {
    let mut harness = Harness::new(&["create generation=1h"]).await;
    harness.set("enqueue.files", "jobs/*.toml");
    let directory = harness.directory.path().join("jobs");
    std::fs::create_dir(&directory).unwrap();
    let job = "[[jobs]]\nname = \"first\"\nurls = [\"https://first.example/\"]\n";
    std::fs::write(directory.join("first.toml"), job).unwrap();
    let mut systemd = Systemd::listen(&harness);
    let program = Program::start(systemd.run(&harness, &["run"]));

    systemd.await_line("READY=1");
    assert_eq!(count(&systemd.seen, "RELOADING=1"), 0);
    assert!(harness.database().exists());
    systemd.await_status("1 generating");

    let more = job.replace("first", "second");
    std::fs::write(directory.join("second.toml"), more).unwrap();
    program.signal(Signal::HUP);
    let reloading = systemd.await_message("RELOADING=1", |message| {
        message.contains(&"RELOADING=1".to_owned())
    });
    let since_boot_us = reloading
        .iter()
        .find_map(|line| line.strip_prefix("MONOTONIC_USEC="))
        .unwrap();
    assert!(since_boot_us.parse::<u64>().unwrap() > 0);
    systemd.await_line("READY=1");
    systemd.await_status("2 generating");

    program.signal(Signal::TERM);
    let output = program.ended().await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let messages = systemd.rest();
    assert_eq!(count(&messages, "READY=1"), 2);
    assert_eq!(count(&messages, "RELOADING=1"), 1);
    assert_eq!(
        count(&messages, "WATCHDOG=1"),
        0,
        "nobody asked for a watchdog"
    );
    let last = messages.last().unwrap();
    assert!(last.contains(&"STOPPING=1".to_owned()), "{messages:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_asks_for_as_long_as_a_create_may_take_and_tells_what_it_waits_for() {
    let harness = Harness::new(&["create delay=3s", "create generation=1h"]).await;
    harness.enqueue(1).await;
    let mut systemd = Systemd::listen(&harness);
    let program = Program::start(systemd.run(&harness, &["run"]));
    systemd.await_line("READY=1");
    harness
        .wait_until("a create", async || harness.requests(Endpoint::Create) == 1)
        .await;
    program.signal(Signal::TERM);
    let stopping = systemd.await_message("STOPPING=1", |message| {
        message.contains(&"STOPPING=1".to_owned())
    });
    // 20 s for the request, 30 s for its record.
    let extended = "EXTEND_TIMEOUT_USEC=50000000".to_owned();
    assert!(stopping.contains(&extended), "{stopping:?}");
    assert_eq!(count(&systemd.seen, "READY=1"), 1);
    systemd.await_status("stopping: waiting for 1 create");
    let output = program.ended().await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    harness.await_states(&[(JobState::Generating, 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_jobs_are_told_with_their_gate() {
    let world = WorldConfig {
        credits: Some(0),
        ..WorldConfig::default()
    };
    let mut harness = Harness::with(world, &["create generation=1h"]).await;
    harness.set("park.probe_interval", "1h");
    harness.set("park.max_probe_interval", "6h");
    // The first parser of an account is free.
    harness.enqueue(3).await;
    let mut systemd = Systemd::listen(&harness);
    let program = Program::start(systemd.run(&harness, &["run"]));
    let status = systemd.await_status("parked: credits since ");
    let has_all = status.starts_with("STATUS=1 generating, ")
        && status.contains(", next probe ")
        && status.ends_with(" UTC");
    assert!(has_all, "{status}");
    program.signal(Signal::TERM);
    assert_eq!(program.ended().await.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watchdog_is_fed_while_the_database_takes_writes_and_at_no_other_time() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(0).await;
    let mut systemd = Systemd::listen(&harness);
    let mut command = systemd.run(&harness, &["run"]);
    command.env("WATCHDOG_USEC", "800000");
    let program = Program::start(command);
    for _ in 0..3 {
        systemd.await_line("WATCHDOG=1");
    }

    let options = SqliteConnectOptions::new().filename(harness.database());
    let mut holder = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut holder)
        .await
        .unwrap();
    systemd.await_status("the database has not answered");
    let printed = systemd.seen.len();
    // Three times the watchdog's time.
    systemd.await_status("the database has not answered for 3 s");
    assert_eq!(count(&systemd.seen[printed..], "WATCHDOG=1"), 0);

    sqlx::raw_sql("ROLLBACK")
        .execute(&mut holder)
        .await
        .unwrap();
    systemd.await_line("WATCHDOG=1");
    systemd.await_status("idle: no jobs yet");
    program.signal(Signal::TERM);
    assert_eq!(program.ended().await.status.code(), Some(0));
    let messages = systemd.rest();
    let stopped = messages
        .iter()
        .position(|message| message.contains(&"STOPPING=1".to_owned()))
        .unwrap();
    assert_eq!(count(&messages[stopped..], "WATCHDOG=1"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_nothing_to_do_was_ready_all_the_same() {
    let harness = Harness::new(&[]).await;
    let systemd = Systemd::listen(&harness);
    let command = systemd.run(&harness, &["run", "--until-done"]);
    let output = Program::start(command).ended().await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let messages = systemd.rest();
    assert_eq!(count(&messages, "READY=1"), 1);
    assert_eq!(count(&messages, "STOPPING=1"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_was_never_ready() {
    let harness = Harness::new(&["create generation=1h"]).await;
    harness.enqueue(1).await;
    let mut systemd = Systemd::listen(&harness);
    let program = Program::start(systemd.run(&harness, &["run"]));
    systemd.await_line("READY=1");
    // The first one has the database.
    let output = Program::start(systemd.run(&harness, &["run"]))
        .ended()
        .await;
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    program.signal(Signal::TERM);
    assert_eq!(program.ended().await.status.code(), Some(0));
    assert_eq!(count(&systemd.rest(), "READY=1"), 1);
}

#[tokio::test]
async fn a_notify_socket_that_nobody_reads_holds_up_neither_the_work_nor_the_stop() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(1).await;
    let address = harness.directory.path().join("notify");
    let unread = UnixDatagram::bind(&address).unwrap();
    let filling = UnixDatagram::unbound().unwrap();
    filling.set_nonblocking(true).unwrap();
    while filling.send_to(b"STATUS=full", &address).is_ok() {}
    let mut command = parserd(&harness, &["run"]);
    command.env("NOTIFY_SOCKET", &address);
    let program = Program::start(command);
    harness.await_states(&[(JobState::Finished, 1)]).await;
    program.signal(Signal::TERM);
    let output = program.ended().await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let printed = stderr(&output);
    assert_eq!(
        printed
            .matches("systemd gets no more notifications")
            .count(),
        1,
        "{printed}"
    );
    drop(unread);
}
