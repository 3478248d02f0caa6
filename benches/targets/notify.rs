//! Target 12: a webhook's receiver that is down, or never answers, slows nothing down.

use std::{
    io::{BufWriter, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use parserd::simulator::{Endpoint, WorldConfig};
use tokio::runtime::Runtime;

use crate::{
    place::{Place, Process},
    table::{Row, quantile},
};

const JOBS: usize = 2_000;

/// One job in so many FAILS, and is a notice.
const FAILING: usize = 10;

/// How often each is measured, in turn with the others.
const ROUNDS: usize = 5;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Who is told.
#[derive(Clone, Copy)]
enum Receiver {
    None,
    /// Nobody listens there.
    Dead,
    /// It takes the connection, and no more.
    Silent,
}

/// What a create took.
#[derive(Clone, Copy)]
struct Speed {
    creates_a_second: f64,
    /// The daemon's processor time, in milliseconds.
    cpu_ms: f64,
}

pub fn run() -> Vec<Row> {
    let runtime = Runtime::new().unwrap();
    // The first one of all is slower than the rest, and counts for none.
    drain(&runtime, Receiver::None);
    let mut before = drain(&runtime, Receiver::None);
    let mut none = vec![before];
    let (mut dead, mut silent) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // Each between two without a receiver: a machine that slows down slows both.
        for (receiver, ratios) in [(Receiver::Dead, &mut dead), (Receiver::Silent, &mut silent)] {
            let with = drain(&runtime, receiver);
            let after = drain(&runtime, Receiver::None);
            ratios.push(with.of(before, after));
            none.push(after);
            before = after;
        }
    }
    let spread = |of: fn(&Speed) -> f64, unit: &str| {
        let mut all: Vec<f64> = none.iter().map(of).collect();
        let [least, median, most] = [0.0, 0.5, 1.0].map(|share| quantile(&mut all, share));
        format!("{median:.2} {unit} without one, from {least:.2} to {most:.2}")
    };
    let speeds = spread(|it| it.creates_a_second, "creates/s");
    let times = spread(|it| it.cpu_ms, "ms");
    let mut rows = Vec::new();
    for (what, ratios) in [
        ("the webhook's receiver is dead", &dead),
        ("it takes connections and never answers", &silent),
    ] {
        let median = |of: fn(&Speed) -> f64| {
            let mut all: Vec<f64> = ratios.iter().map(of).collect();
            let (least, most) = (quantile(&mut all, 0.0), quantile(&mut all, 1.0));
            (
                quantile(&mut all, 0.5),
                format!("ratios {least:.2} to {most:.2}"),
            )
        };
        let (rate, rates) = median(|it| it.creates_a_second);
        let (cpu, cpus) = median(|it| it.cpu_ms);
        let unit = "of without one";
        rows.extend([
            Row::at_least("12", &format!("{what}: creates a second"), rate, 0.95, unit)
                .ratio(format!("{speeds}; {rates}")),
            Row::at_most("12", "... processor time a create", cpu, 1.05, unit)
                .ratio(format!("{times}; {cpus}")),
        ]);
    }
    rows
}

impl Speed {
    /// As shares of the mean of two others.
    fn of(self, before: Self, after: Self) -> Self {
        let mean = |of: fn(&Self) -> f64| f64::midpoint(of(&before), of(&after));
        Self {
            creates_a_second: self.creates_a_second / mean(|it| it.creates_a_second),
            cpu_ms: self.cpu_ms / mean(|it| it.cpu_ms),
        }
    }
}

/// A drain of all jobs, its start left out.
fn drain(runtime: &Runtime, receiver: Receiver) -> Speed {
    let mut place = Place::new();
    let world = WorldConfig {
        generation_scale: 0.0,
        ..WorldConfig::default()
    };
    let server = place.simulator(runtime, world, &[]);
    place.set("log.level", "error");
    place.set("workers.max_requests", "64");
    place.set("workers.max_generating", "100000");
    place.set("poll.initial_interval", "10ms");
    // Held until the end: the system takes its connections, and nobody answers them.
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let listener = match receiver {
        Receiver::Dead => None,
        Receiver::None | Receiver::Silent => Some(listener),
    };
    if !matches!(receiver, Receiver::None) {
        let path = place.path("secret");
        std::fs::write(&path, SECRET).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        place.set("notify.secret_file", path.to_str().unwrap());
        place.set("notify.url", &format!("http://{address}/"));
    }
    place.run(&["enqueue", jobs_file(&place)]);
    let mut daemon = Process::start(place.command(&["run"]));
    let wait_for = |count: u64| {
        while server.with(|simulator| simulator.traffic.count(Endpoint::Create)) < count {
            std::thread::sleep(Duration::from_millis(1));
        }
        (Instant::now(), daemon.cpu().unwrap())
    };
    let first = JOBS as u64 / 10;
    let (began, cpu_before) = wait_for(first);
    let (ended, cpu) = wait_for(JOBS as u64);
    assert!(daemon.is_running());
    drop(listener);
    let creates = (JOBS as u64 - first) as f64;
    Speed {
        creates_a_second: creates / (ended - began).as_secs_f64(),
        cpu_ms: (cpu - cpu_before).as_secs_f64() * 1_000.0 / creates,
    }
}

fn jobs_file(place: &Place) -> &'static str {
    let mut file = BufWriter::new(std::fs::File::create(place.path("some.jsonl")).unwrap());
    for n in 0..JOBS {
        let page = if n % FAILING == 0 { "blocked" } else { "page" };
        writeln!(
            file,
            r#"{{"name":"job {n}","urls":["https://s{n}.example/{page}"]}}"#
        )
        .unwrap();
    }
    file.flush().unwrap();
    "some.jsonl"
}
