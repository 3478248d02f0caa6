//! Target 5: parsers being generated, many at once and few.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parserd::simulator::{Endpoint, Inserted, WorldConfig, server::ServerHandle};
use tokio::runtime::Runtime;

use crate::{
    place::{Place, Process},
    table::Row,
};

const MANY: usize = 100_000;

/// As the simulator draws them: log-normal, a median of 60 s, a long tail.
const MEDIAN_MS: f64 = 60_000.0;
const SIGMA: f64 = 0.7;

/// The longest tail is not waited for.
const WATCHED: Duration = Duration::from_secs(240);

/// Jobs of the other measurement, how many at once, and how much faster than real ones
/// they go.
const FEW: usize = 400;
const AT_ONCE: &str = "20";
const SCALE: f64 = 0.05;

fn draw_ms(rng: &mut fastrand::Rng) -> i64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    let normal = radius * (std::f64::consts::TAU * rng.f64()).cos();
    (MEDIAN_MS * (SIGMA * normal).exp()).clamp(5_000.0, 1_500_000.0) as i64
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn requests(server: &ServerHandle) -> u64 {
    server.with(|simulator| simulator.traffic.counts().values().sum())
}

/// The mean wait from finished to recorded, the mean generation, both in ms, and how many.
fn recorded(place: &Place) -> (f64, f64, i64) {
    place
        .connection()
        .query_row(
            "SELECT coalesce(avg(finished_at - generated_at), 0), \
                    coalesce(avg(generated_at - generating_since), 0), count(*) \
             FROM jobs WHERE state = 'FINISHED'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap()
}

/// Parsers by the hundred thousand, as if they had all been created at this moment.
pub fn many() -> Vec<Row> {
    let runtime = Runtime::new().unwrap();
    let mut place = Place::new();
    let server = place.simulator(&runtime, WorldConfig::default(), &[]);
    place.set("workers.max_generating", "1000000");
    place.make_database();
    place.fill(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY} - 1) \
         INSERT INTO jobs (name, urls, state, parser_id, generating_since, due_at, creates) \
         SELECT 'job ' || i, '[\"https://example.com/' || i || '\"]', 'GENERATING', \
                printf('00000000-0000-4000-8000-%012d', i), {now}, {now} + 10000, 1 FROM n",
        now = now_ms()
    ));
    let mut rng = fastrand::Rng::with_seed(5);
    let began_at = now_ms();
    server.with(|simulator| {
        for n in 0..MANY {
            simulator.world.insert_parser(
                began_at,
                Inserted {
                    id: format!("00000000-0000-4000-8000-{n:012}"),
                    name: format!("job {n}"),
                    urls: vec![format!("https://example.com/{n}")],
                    generation_ms: draw_ms(&mut rng),
                    ..Inserted::default()
                },
            );
        }
    });
    let began = Instant::now();
    let mut daemon = Process::start(place.command(&["run"]));
    while began.elapsed() < WATCHED {
        assert!(daemon.is_running());
        std::thread::sleep(Duration::from_millis(200));
    }
    let cpu = daemon.cpu().unwrap().as_secs_f64() / began.elapsed().as_secs_f64();
    let peak = daemon.peak_bytes().unwrap() as f64 / 1e6;
    drop(daemon);
    let (delay_ms, _, finished) = recorded(&place);
    // The create of each is not part of this run.
    let per_parser = 1.0 + requests(&server) as f64 / finished as f64;
    let lists = server.with(|simulator| simulator.traffic.count(Endpoint::List));
    vec![
        Row::at_most("5", "100,000 in flight: resident peak", peak, 200.0, "MB"),
        Row::at_most("5", "... processor time", cpu * 100.0, 50.0, "% of a core"),
        Row::at_most("5", "... requests a finished parser", per_parser, 2.5, "")
            .ratio(format!("{lists} lists, {finished} finished")),
        Row::at_most("5", "... mean delay to recorded", delay_ms / 1e3, 5.0, "s"),
    ]
}

/// Few at once: single polls, at the pace that was learned.
pub fn few() -> Vec<Row> {
    let runtime = Runtime::new().unwrap();
    let mut place = Place::new();
    let world = WorldConfig {
        generation_scale: SCALE,
        ..WorldConfig::default()
    };
    let server = place.simulator(&runtime, world, &[]);
    let scaled = |seconds: f64| format!("{}ms", (seconds * SCALE * 1_000.0) as i64);
    place.set("workers.max_generating", AT_ONCE);
    place.set("poll.initial_interval", &scaled(10.0));
    place.set("poll.max_interval", &scaled(30.0));
    let file = place.jobs_file(FEW);
    place.run(&["enqueue", file]);
    place.run(&["run", "--until-done"]);
    let (delay_ms, generation_ms, finished) = recorded(&place);
    let per_parser = requests(&server) as f64 / finished as f64;
    vec![
        Row::at_most("5", "few in flight: requests a parser", per_parser, 8.0, "")
            .ratio(format!("{finished} finished")),
        Row::at_most(
            "5",
            "... mean delay by mean generation",
            100.0 * delay_ms / generation_ms,
            10.0,
            "%",
        )
        .ratio(format!("{delay_ms:.0} ms of {generation_ms:.0} ms")),
    ]
}
