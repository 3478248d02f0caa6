//! Targets 2 and 4: end to end with the simulator, and other programs' INSERTs meanwhile.

use std::time::{Duration, Instant};

use parserd::simulator::WorldConfig;
use tokio::runtime::Runtime;

use crate::{
    limits,
    place::{Place, Process},
    table::{Row, quantile},
};

const JOBS: usize = 20_000;

/// Requests at once, the bare loop's too.
const AT_ONCE: usize = 64;

/// Other programs' INSERTs during the drain.
const INSERTS: usize = 1_000;

pub fn run() -> Vec<Row> {
    let runtime = Runtime::new().unwrap();
    let (_, commit_ms) = limits::single_commits();
    let mut rows = Vec::new();
    for with_inserts in [false, true] {
        let mut place = Place::new();
        let world = WorldConfig {
            generation_scale: 0.0,
            ..WorldConfig::default()
        };
        let server = place.simulator(&runtime, world, &[]);
        place.set("workers.max_requests", &AT_ONCE.to_string());
        place.set("workers.max_generating", "100000");
        place.set("poll.initial_interval", "10ms");
        let file = place.jobs_file(JOBS);
        place.run(&["enqueue", file]);
        let began = Instant::now();
        let mut daemon = Process::start(place.command(&["run", "--until-done"]));
        let mut inserting = with_inserts.then(|| inserter(&place));
        let (mut cpu, mut peak) = (Duration::ZERO, 0);
        while daemon.is_running() {
            cpu = daemon.cpu().unwrap_or(cpu);
            peak = daemon.peak_bytes().unwrap_or(peak);
            std::thread::sleep(Duration::from_millis(5));
        }
        let seconds = began.elapsed().as_secs_f64();
        let speed = JOBS as f64 / seconds;
        if let Some(inserting) = inserting.take() {
            let (mut waits_ms, failed) = inserting.join().unwrap();
            let p99 = quantile(&mut waits_ms, 0.99);
            rows.extend([
                Row::at_most(
                    "4",
                    "outside INSERTs that fail during the drain",
                    failed as f64,
                    0.0,
                    "of 1000",
                ),
                Row::at_most_times(
                    "4",
                    "p99 of an outside INSERT",
                    p99,
                    (200.0, commit_ms, "a single commit"),
                    "ms",
                ),
            ]);
        } else {
            let a_job_ms = |cpu: Duration| cpu.as_secs_f64() * 1_000.0 / JOBS as f64;
            let (bare, bare_cpu) = limits::bare_loop(&server, JOBS, AT_ONCE);
            let bare_speed = JOBS as f64 / bare.as_secs_f64();
            rows.extend([
                Row::at_least_times(
                    "2",
                    "jobs end to end",
                    speed,
                    (0.04, bare_speed, "a bare loop"),
                    "jobs/s",
                ),
                Row::at_most_times(
                    "2",
                    "the daemon's processor time a job",
                    a_job_ms(cpu),
                    (25.0, a_job_ms(bare_cpu), "a bare loop"),
                    "ms",
                ),
                Row::at_most(
                    "2",
                    "the daemon's resident peak",
                    peak as f64 / 1e6,
                    100.0,
                    "MB",
                ),
            ]);
        }
    }
    rows
}

/// Inserts row by row, as a script would, all through the drain; how long each took, and
/// how many failed.
fn inserter(place: &Place) -> std::thread::JoinHandle<(Vec<f64>, usize)> {
    let connection = place.connection();
    std::thread::spawn(move || {
        let mut waits_ms = Vec::with_capacity(INSERTS);
        let mut failed = 0;
        for n in 0..INSERTS {
            let began = Instant::now();
            let inserted = connection.execute(
                "INSERT INTO jobs (name, urls) VALUES (?1, '[\"https://example.com/\"]')",
                [format!("outside {n}")],
            );
            waits_ms.push(began.elapsed().as_secs_f64() * 1_000.0);
            failed += usize::from(inserted.is_err());
            std::thread::sleep(Duration::from_millis(5));
        }
        (waits_ms, failed)
    })
}
