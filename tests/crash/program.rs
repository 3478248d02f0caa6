//! The real binary, with or without strace around it.

use std::{
    ffi::OsStr,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::process::{Child, Command};

use crate::common::{Harness, PATIENCE};

const PARSERD: &str = env!("CARGO_BIN_EXE_parserd");

/// A size from the environment, or the default.
pub fn size(variable: &str, default: usize) -> usize {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {text:?}")),
        Err(std::env::VarError::NotPresent) => default,
        Err(error) => panic!("{variable}: {error}"),
    }
}

/// `parserd` with these arguments and the harness's settings, not yet started.
pub fn parserd(harness: &Harness, args: &[&str]) -> Command {
    configured(Command::new(PARSERD), harness, args)
}

/// The same below strace, which writes to `log` what its own arguments ask for.
pub fn traced(harness: &Harness, log: &Path, strace_args: &[&str], args: &[&str]) -> Command {
    let mut command = Command::new("strace");
    command
        .arg("-f")
        .arg("-o")
        .arg(log)
        .args(strace_args)
        .arg(PARSERD);
    configured(command, harness, args)
}

fn configured(mut command: Command, harness: &Harness, args: &[&str]) -> Command {
    command
        .args(args)
        .current_dir(harness.directory.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    for (key, value) in &harness.settings {
        let variable = format!("PARSERD__{}", key.replace('.', "__").to_uppercase());
        command.env(variable, value);
    }
    // A pipe that nobody reads would stop it.
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(harness.directory.path().join("stderr.txt"))
        .unwrap();
    command.stderr(log);
    command
}

/// What the programs of a harness have said.
pub fn said(harness: &Harness) -> String {
    let bytes = std::fs::read(harness.directory.path().join("stderr.txt")).unwrap_or_default();
    let from = bytes.len().saturating_sub(6000);
    String::from_utf8_lossy(&bytes[from..]).into_owned()
}

/// How long the last run may take: as many jobs may be left as there were kills, and the
/// service may have asked for one request at a time.
const LAST_RUN: Duration = Duration::from_secs(600);

/// Waits for a program's end.
pub async fn ended(child: Child) -> Option<ExitStatus> {
    ended_within(PATIENCE, child).await
}

async fn ended_within(patience: Duration, mut child: Child) -> Option<ExitStatus> {
    tokio::time::timeout(patience, child.wait())
        .await
        .ok()
        .map(|status| status.unwrap())
}

/// Runs until nothing is left to do, again while jobs are PARKED for want of credits
/// that come back. Says what went wrong.
pub async fn finish(harness: &Harness) -> Result<(), String> {
    let started = std::time::Instant::now();
    loop {
        let child = parserd(harness, &["run", "--until-done"]).spawn().unwrap();
        let status = ended_within(LAST_RUN, child)
            .await
            .ok_or_else(|| format!("stuck: the last run does not end\n{}", said(harness)))?;
        match status.code() {
            Some(0) => return Ok(()),
            Some(4) if started.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            _ => {
                let sql = "SELECT name || ' ' || park_reason || ': ' || coalesce(error_message, '') \
                           FROM jobs WHERE state = 'PARKED'";
                let parked = harness.sql(sql).await.unwrap_or_default();
                return Err(format!(
                    "the last run: {status}, PARKED: {parked:#?}\n{}",
                    said(harness)
                ));
            }
        }
    }
}

/// Whether strace may trace here; says why not.
pub async fn can_trace() -> bool {
    let tried = Command::new("strace")
        .args(["-f", "-o", "/dev/null", PARSERD, "--version"].map(OsStr::new))
        .stdin(Stdio::null())
        .output()
        .await;
    let why = match tried {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    eprintln!("not run: strace cannot be used here: {}", why.trim());
    false
}
