//! Target 3: from another program's INSERT to the POST that the service receives.

use std::time::{Duration, Instant};

use parserd::simulator::{Endpoint, WorldConfig};
use tokio::runtime::Runtime;

use crate::{
    limits,
    place::{Place, Process},
    table::{Row, quantile},
};

const INSERTS: usize = 1_000;

/// How long an idle daemon is watched.
const IDLE: Duration = Duration::from_secs(20);

pub fn run() -> Vec<Row> {
    let runtime = Runtime::new().unwrap();
    let mut place = Place::new();
    let server = place.simulator(&runtime, WorldConfig::default(), &[]);
    place.set("workers.max_generating", "100000");
    place.set("poll.initial_interval", "1h");
    place.set("poll.max_interval", "1h");
    place.set("poll.timeout", "24h");
    place.make_database();
    // What no way from an INSERT to a POST can do without.
    let (_, commit_ms) = limits::single_commits();
    let bare_ms = commit_ms + limits::request_ms(&runtime, &server);
    let mut daemon = Process::start(place.command(&["run"]));
    let connection = place.connection();
    let mut waits_ms = Vec::with_capacity(INSERTS);
    let count = || server.with(|simulator| simulator.traffic.count(Endpoint::Create));
    for n in 0..INSERTS {
        connection
            .execute(
                "INSERT INTO jobs (name, urls) VALUES (?1, '[\"https://example.com/\"]')",
                [format!("outside {n}")],
            )
            .unwrap();
        let began = Instant::now();
        while count() <= n as u64 {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "insert {n} is not noticed"
            );
            std::thread::sleep(Duration::from_micros(100));
        }
        // The first one waits for the program to start.
        if n > 0 {
            waits_ms.push(began.elapsed().as_secs_f64() * 1_000.0);
        }
        // Never in step with anything of the daemon's.
        std::thread::sleep(Duration::from_micros(3_000 + (n as u64 * 7_919) % 5_000));
    }
    std::thread::sleep(Duration::from_secs(3));
    let before = daemon.cpu().unwrap();
    std::thread::sleep(IDLE);
    let idle = (daemon.cpu().unwrap() - before).as_secs_f64() / IDLE.as_secs_f64();
    assert!(daemon.is_running());
    vec![
        Row::at_most_times(
            "3",
            "outside INSERT to POST, p50",
            quantile(&mut waits_ms, 0.5),
            (35.0, bare_ms, "a commit and a request"),
            "ms",
        ),
        Row::at_most_times(
            "3",
            "outside INSERT to POST, p99",
            quantile(&mut waits_ms, 0.99),
            (100.0, bare_ms, "a commit and a request"),
            "ms",
        ),
        Row::at_most("3", "idle processor time", idle * 100.0, 0.5, "% of a core"),
    ]
}
