//! A simulator that is changed while it runs.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use super::place::{Place, job_line};

/// A simulator in a process of its own, with the lines that it prints when it is ready.
struct Running {
    child: Child,
    lines: Vec<String>,
}

impl Running {
    fn start(place: &Place, args: &[&str]) -> Self {
        let mut command = place.command(&["simulate", "--generation-scale", "0"]);
        let mut child = command.args(args).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let lines = lines.take(3).map(Result::unwrap).collect();
        Self { child, lines }
    }

    /// The variables of the lines to paste.
    fn pasted(&self) -> Vec<(&str, &str)> {
        let exports = self.lines.iter().filter_map(|line| {
            let assignment = line.strip_prefix("export ")?;
            assignment.split_once('=')
        });
        exports.collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _is_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn credits_come_back_while_a_run_waits_for_them() {
    let place = Place::new();
    let simulator = Running::start(&place, &["--credits", "30000", "--first-free", "false"]);
    let pasted = simulator.pasted();
    assert_eq!(pasted.len(), 2, "{:?}", simulator.lines);
    place.file(
        "jobs.jsonl",
        &format!("{}\n{}", job_line("a"), job_line("b")),
    );
    place.run(&["enqueue", "jobs.jsonl"]).is(0);
    let run = || place.run_with(&pasted, &["run", "--until-done"]);
    run().is(4);
    let parked = place.run(&["jobs", "--state", "PARKED", "--json"]).is(0);
    assert_eq!(parked.json()[0]["park_reason"], "credits");

    let control = |args: &[&str]| {
        let args = [&["simulate", "control"], args].concat();
        place.run_with(&pasted, &args)
    };
    control(&[])
        .is(0)
        .prints(&["0 left, 30,000 spent", "1 FINISHED", "402: ", "none"]);
    let state = control(&["--add-credits", "30000", "--json"]).is(0).json();
    assert_eq!(state["credits"]["left"], 30_000);
    place.run_with(&pasted, &["resume"]).is(0);
    run().is(0);
    let left = control(&["--json"]).is(0).json()["credits"]["left"].clone();
    assert_eq!(left, 0);
}

#[test]
fn faults_are_changed_and_another_key_changes_nothing() {
    let place = Place::new();
    let simulator = Running::start(&place, &["--fault", "create lose"]);
    let url = simulator.pasted()[0].1;
    let control = |args: &[&str]| {
        let args = [&["simulate", "control", "--at", url], args].concat();
        place.run(&args)
    };
    control(&["--key", "another", "--clear-faults"])
        .is(1)
        .says(&[url, "another key"]);
    control(&["--add-credits", "1"]).is(1).says(&["no limit"]);
    control(&[]).is(0).prints(&["create lose (applied to 0"]);
    let state = control(&[
        "--clear-faults",
        "--fault",
        "get status=503 p=0.5",
        "--json",
    ]);
    assert_eq!(
        state.is(0).json()["faults"][0]["rule"],
        "get status=503 p=0.5"
    );
}

#[test]
fn the_key_is_sent_to_no_other_machine_and_what_is_not_there_is_named() {
    let place = Place::new();
    let env = [("PARSERD__API__KEY", super::place::KEY)];
    place
        .run_with(&env, &["simulate", "control"])
        .is(1)
        .says(&["loopback address", "--at URL"]);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    place
        .run(&["simulate", "control", "--at", &url])
        .is(1)
        .says(&[&url, "no simulator answers there"]);
}
