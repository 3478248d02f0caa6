//! Target 8: idle, and steady work for long.

use std::time::{Duration, Instant};

use parserd::simulator::WorldConfig;
use tokio::runtime::Runtime;

use crate::{
    place::{Place, Process},
    table::Row,
};

const IDLE: Duration = Duration::from_secs(30);

/// A week of a job every 12 s, without the waiting.
const JOBS: usize = 50_000;
/// So many that lists of the account answer for them.
const PORTION: usize = 2_000;

pub fn run() -> Vec<Row> {
    let mut rows = idle();
    rows.extend(steady());
    rows
}

fn idle() -> Vec<Row> {
    let runtime = Runtime::new().unwrap();
    let mut place = Place::new();
    let _server = place.simulator(&runtime, WorldConfig::default(), &[]);
    place.make_database();
    let daemon = Process::start(place.command(&["run"]));
    std::thread::sleep(Duration::from_secs(5));
    let before = daemon.sleeps();
    std::thread::sleep(IDLE);
    let sleeps = (daemon.sleeps() - before) as f64 / IDLE.as_secs_f64();
    let resident = daemon.resident_bytes().unwrap() as f64 / 1e6;
    vec![
        Row::at_most("8", "idle: resident", resident, 20.0, "MB"),
        // A look a second, by two threads of SQLite's and one of the program's.
        Row::at_most("8", "idle: wake-ups of any thread", sleeps, 10.0, "/s"),
    ]
}

fn steady() -> Vec<Row> {
    let runtime = Runtime::new().unwrap();
    let mut place = Place::new();
    let world = WorldConfig {
        generation_scale: 0.0,
        ..WorldConfig::default()
    };
    let _server = place.simulator(&runtime, world, &[]);
    place.set("poll.initial_interval", "10ms");
    place.make_database();
    let daemon = Process::start(place.command(&["run"]));
    let connection = place.connection();
    let mut insert = connection
        .prepare("INSERT INTO jobs (name, urls) VALUES (?1, '[\"https://example.com/\"]')")
        .unwrap();
    let mut left = connection
        .prepare("SELECT EXISTS (SELECT 1 FROM jobs WHERE state IN ('QUEUED', 'CREATING', 'GENERATING'))")
        .unwrap();
    let wal = || std::fs::metadata(place.path("p.db-wal")).map_or(0, |file| file.len());
    let (mut resident, mut largest_wal) = (Vec::new(), 0);
    for portion in 0..JOBS / PORTION {
        connection.execute_batch("BEGIN").unwrap();
        for n in 0..PORTION {
            insert.execute([format!("job {portion} {n}")]).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
        let began = Instant::now();
        while left.query_row([], |row| row.get::<_, bool>(0)).unwrap() {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "the work does not end"
            );
            largest_wal = largest_wal.max(wal());
            std::thread::sleep(Duration::from_millis(20));
        }
        resident.push(daemon.resident_bytes().unwrap() as f64 / 1e6);
    }
    // A list of the account is held, which holds all that was ever made: the one thing that
    // may grow.
    let gained = (JOBS / 2) as f64;
    let quarter = resident.len() / 4;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (early, late) = (
        mean(&resident[quarter..2 * quarter]),
        mean(&resident[3 * quarter..]),
    );
    vec![
        Row::at_most(
            "8",
            "50,000 jobs in a row: memory a parser that the account gains",
            (late - early) * 1e6 / gained,
            400.0,
            "bytes",
        )
        .ratio(format!(
            "{early:.1} MB in the second quarter, {late:.1} MB in the last"
        )),
        Row::at_most(
            "8",
            "... the log's largest size",
            largest_wal as f64 / 1e6,
            32.0,
            "MB",
        ),
    ]
}
