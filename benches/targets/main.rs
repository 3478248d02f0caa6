//! `cargo bench`: parserd against its targets, one table at the end. Names on the command
//! line choose: `cargo bench -- queue drain`.

#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    missing_docs,
    reason = "a benchmark is one story, and ends by panicking where it cannot go on"
)]

mod drain;
mod enqueue;
mod foresight;
mod idle;
mod in_flight;
mod insert;
mod judge;
mod limits;
mod look;
mod notify;
mod place;
mod queue;
mod table;
mod throttle;

use table::Row;

type Benchmark = fn() -> Vec<Row>;

const ALL: &[(&str, Benchmark)] = &[
    ("queue", queue::run),
    ("drain", drain::run),
    ("insert", insert::run),
    ("in_flight", in_flight::many),
    ("few", in_flight::few),
    ("enqueue", enqueue::run),
    ("look", look::run),
    ("idle", idle::run),
    ("throttle", throttle::run),
    ("judge", judge::run),
    ("foresight", foresight::run),
    ("notify", notify::run),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == limits::BARE_LOOP => return limits::run_bare_loop(rest),
        Some((first, _)) if first == judge::JUDGE => return judge::run_all(),
        _ => {}
    }
    let chosen: Vec<String> = arguments
        .into_iter()
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    for name in &chosen {
        assert!(
            ALL.iter().any(|(known, _)| known == name),
            "no benchmark {name}"
        );
    }
    let mut rows = Vec::new();
    for (name, run) in ALL {
        if chosen.is_empty() || chosen.iter().any(|one| one == name) {
            eprintln!("{name} ...");
            rows.extend(run());
        }
    }
    table::print(&rows);
}
