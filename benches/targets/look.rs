//! Target 7: start and look, with a million finished jobs.

use std::{
    io::Read as _,
    process::Stdio,
    time::{Duration, Instant},
};

use parserd::simulator::{Endpoint, WorldConfig};
use tokio::runtime::Runtime;

use crate::{
    limits,
    place::{Place, Process},
    table::{Row, quantile},
};

const FINISHED: usize = 1_000_000;
const FAILED: usize = 100_000;
const GENERATING: usize = 10_000;
const LOOKS: usize = 9;

pub fn run() -> Vec<Row> {
    let runtime = Runtime::new().unwrap();
    let mut place = Place::new();
    let server = place.simulator(&runtime, WorldConfig::default(), &[]);
    place.set("workers.max_generating", "1000000");
    place.make_database();
    let far = "32000000000000";
    place.fill(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
             WHERE i < {FINISHED} + {FAILED} + {GENERATING}) \
         INSERT INTO jobs (name, urls, state, parser_id, generating_since, due_at, finished_at, \
                creates, error_kind, error_message) \
         SELECT 'job ' || i, '[\"https://example.com/' || i || '\"]', \
             CASE WHEN i <= {FINISHED} THEN 'FINISHED' WHEN i <= {FINISHED} + {FAILED} \
                THEN 'FAILED' ELSE 'GENERATING' END, \
             'parser-' || i, 1, {far}, 2, 1, \
             CASE WHEN i > {FINISHED} AND i <= {FINISHED} + {FAILED} THEN 'generation_failed' END, \
             'no page' FROM n; \
         INSERT INTO job_events (job_id, at, event) SELECT id, 1, 'queued' FROM jobs; \
         INSERT INTO jobs (name, urls) VALUES ('first', '[\"https://example.com/\"]')"
    ));
    let began = Instant::now();
    let daemon = Process::start(place.command(&["run"]));
    // The list before the create shows none of a million parsers: what counts is that
    // the daemon works.
    while server.with(|simulator| simulator.traffic.count(Endpoint::List)) == 0 {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "the daemon does not start"
        );
        std::thread::sleep(Duration::from_micros(500));
    }
    let ready = began.elapsed();
    let mut looks_ms: Vec<f64> = (0..LOOKS)
        .map(|_| place.run(&["status"]).1.as_secs_f64() * 1_000.0)
        .collect();
    drop(daemon);
    let mut jobs = place
        .command(&["jobs", "--state", "FAILED", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let mut out = jobs.stdout.take().unwrap();
    let mut first = [0; 64];
    out.read_exact(&mut first).unwrap();
    let first_at = began.elapsed();
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    let all_at = began.elapsed();
    jobs.wait().unwrap();
    let (peak, _) = place.run(&["jobs", "--state", "FAILED", "--json"]);
    let status = quantile(&mut looks_ms, 0.5);
    let start_ms = limits::start_ms(&place);
    let pass_ms = limits::pass_ms(&place);
    vec![
        Row::at_most_times(
            "7",
            "from start to the first request",
            ready.as_secs_f64() * 1_000.0,
            (100.0, start_ms, "--version"),
            "ms",
        ),
        Row::at_most_times(
            "7",
            "status",
            status,
            (
                4.0,
                start_ms + pass_ms,
                "--version and a pass over all jobs",
            ),
            "ms",
        ),
        Row::at_most_times(
            "7",
            "jobs --state FAILED: first line of 100,000",
            first_at.as_secs_f64() * 1_000.0,
            (20.0, start_ms, "--version"),
            "ms",
        ),
        Row::at_most_times(
            "7",
            "... all of them",
            all_at.as_secs_f64() * 1_000.0,
            (40.0, pass_ms, "a pass over all jobs"),
            "ms",
        ),
        Row::at_most("7", "... resident peak", peak as f64 / 1e6, 32.0, "MB"),
    ]
}
