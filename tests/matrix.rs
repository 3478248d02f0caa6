//! Each fault of the simulator, at each request, at the first try and after a restart.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cell;
mod changes;
mod faults;
mod rules;

use std::sync::Arc;

use cell::Cell;
use rules::Place;
use tokio::{sync::Semaphore, task::JoinSet};

/// How many cells are under way at once; they mostly wait.
const CELLS_AT_ONCE: usize = 24;

/// Every cell: all faults that the simulator's grammar allows at all places.
fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for place in Place::ALL {
        for fault in faults::all(place == Place::Create) {
            for restarted in [false, true] {
                let fault = fault.clone();
                cells.push(Cell {
                    place,
                    fault,
                    restarted,
                });
            }
        }
    }
    cells.retain(|cell| cell.rule().is_some());
    cells
}

/// Runs all cells, some at a time; what came of each, in their order.
async fn at_once<C, O, F>(cells: Vec<C>, run: impl Fn(C) -> F) -> Vec<O>
where
    O: Send + 'static,
    F: Future<Output = O> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(CELLS_AT_ONCE));
    let mut running = JoinSet::new();
    for (at, cell) in cells.into_iter().enumerate() {
        let (room, outcome) = (Arc::clone(&room), run(cell));
        running.spawn(async move {
            let _room = room.acquire_owned().await.unwrap();
            (at, outcome.await)
        });
    }
    let mut done = running.join_all().await;
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_at_each_request_doubles_loses_and_sticks_nothing() {
    let started = std::time::Instant::now();
    let cells = cells();
    let count = cells.len();
    let done = at_once(cells, |cell: Cell| async move {
        let outcome = cell.run().await;
        (cell, outcome)
    })
    .await;
    let mut wrong = Vec::new();
    let mut lines = Vec::new();
    for (cell, outcome) in done {
        let when = if cell.restarted { "restarted" } else { "first" };
        let name = format!(
            "{:13} {when:9} {:45}",
            format!("{:?}", cell.place),
            cell.fault
        );
        match outcome {
            Err(error) => wrong.push(format!("{name} {error}")),
            Ok((expected, seen)) => {
                let end = &seen.ending;
                lines.push(format!(
                    "{name} {:8} {:17} {} POST, {} parser",
                    end.state, end.kind, end.posts, end.parsers
                ));
                if !seen.wrong.is_empty() {
                    wrong.push(format!("{name} {:?}; expected {expected:?}", seen.wrong));
                }
            }
        }
    }
    if std::env::var_os("PARSERD_TEST_PRINT").is_some() {
        println!("{}", lines.join("\n"));
        println!("{count} cells in {:.1} s", started.elapsed().as_secs_f64());
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} cells:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
