//! Target 9: a service that takes five requests at once.

use std::time::Duration;

use parserd::simulator::{Endpoint, WorldConfig};
use tokio::runtime::Runtime;

use crate::{
    place::{Place, Process},
    table::Row,
};

const LIMIT: u64 = 5;

/// What is not looked at, and what is.
const SETTLING: Duration = Duration::from_secs(60);
const WATCHED: Duration = Duration::from_secs(60);

pub fn run() -> Vec<Row> {
    let runtime = Runtime::new().unwrap();
    let mut place = Place::new();
    let world = WorldConfig {
        generation_scale: 0.0,
        ..WorldConfig::default()
    };
    let server = place.simulator(&runtime, world, &["any delay=50ms"]);
    server.with(|simulator| simulator.concurrency_limit = Some(LIMIT));
    place.set("workers.max_generating", "100000");
    place.set("poll.initial_interval", "100ms");
    let file = place.jobs_file(20_000);
    place.run(&["enqueue", file]);
    let mut daemon = Process::start(place.command(&["run"]));
    let counts = || {
        server.with(|simulator| {
            let traffic = &simulator.traffic;
            let refused: u64 = [Endpoint::Create, Endpoint::Get, Endpoint::List]
                .map(|endpoint| traffic.count_status(endpoint, Some(429)))
                .iter()
                .sum();
            (traffic.counts().values().sum::<u64>(), refused)
        })
    };
    std::thread::sleep(SETTLING);
    let (all_before, refused_before) = counts();
    std::thread::sleep(WATCHED);
    let (all, refused) = counts();
    assert!(daemon.is_running());
    let requests = all - all_before;
    let share = 100.0 * (refused - refused_before) as f64 / requests as f64;
    let most = LIMIT as f64 * WATCHED.as_secs_f64() / 0.05;
    vec![
        Row::at_most("9", "answered 429, of a limit of 5", share, 5.0, "%").ratio(format!(
            "{requests} requests, {:.0} % of what the limit lets through",
            100.0 * requests as f64 / most
        )),
    ]
}
