//! The real program, run by a test.

use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;

use super::Harness;

/// The real program, in the harness' directory, with its settings and nothing else.
pub fn parserd(harness: &Harness, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parserd"));
    command
        .args(args)
        .current_dir(harness.directory.path())
        .env_clear()
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null());
    for (key, value) in &harness.settings {
        let variable = format!("PARSERD__{}", key.replace('.', "__").to_uppercase());
        command.env(variable, value);
    }
    command
}

/// A running program that does not outlive the test. It writes to files: a pipe that
/// nobody reads would stop it.
pub struct Program {
    child: Option<Child>,
    pub stdout: NamedTempFile,
    pub stderr: NamedTempFile,
}

impl Program {
    pub fn start(mut command: Command) -> Self {
        let (stdout, stderr) = (NamedTempFile::new().unwrap(), NamedTempFile::new().unwrap());
        let child = command
            .stdout(stdout.reopen().unwrap())
            .stderr(stderr.reopen().unwrap())
            .spawn()
            .unwrap();
        Self {
            child: Some(child),
            stdout,
            stderr,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().unwrap();
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> Output {
        let mut child = self.child.take().unwrap();
        let waiting = tokio::task::spawn_blocking(move || child.wait().unwrap());
        let status = tokio::time::timeout(super::PATIENCE, waiting)
            .await
            .expect("the program should have ended")
            .unwrap();
        Output {
            status,
            stdout: written(&self.stdout),
            stderr: written(&self.stderr),
        }
    }
}

/// What the program wrote so far. Opened anew: a shared offset would move its pen.
pub fn written(file: &NamedTempFile) -> Vec<u8> {
    std::fs::read(file.path()).unwrap()
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _already_ended = child.kill();
            let _reaped = child.wait();
        }
    }
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
