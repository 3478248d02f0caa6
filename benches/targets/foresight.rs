//! Target 11: what a parser that works costs, where some jobs cannot work as they are written; and how
//! long a page is looked at.

use std::{
    io::{BufWriter, Write as _},
    time::Instant,
};

use parserd::{
    core::page::{Places, look},
    simulator::WorldConfig,
};
use tokio::runtime::Runtime;

use crate::{
    place::Place,
    table::{Row, quantile},
};

const JOBS: usize = 300;

/// What is planted, and how often.
const PLANTED: &[(&str, usize)] = &[
    ("blocked-1", 12),
    ("ultra-blocked-1", 5),
    ("needs-js-1", 14),
    ("page-gone-1", 10),
    ("login-1", 5),
    ("consent-1", 3),
    ("mixed-1", 6),
];

pub fn run() -> Vec<Row> {
    let off = account(&[("preflight.mode", "off")]);
    let repair = account(&[("preflight.mode", "repair")]);
    let ladder = account(&[
        ("ladder.enabled", "true"),
        ("ladder.max_credits_per_day", "3000000"),
    ]);
    let fetches = repair.fetches / repair.creates;
    let per_parser = |account: &Account| (account.creates + account.fetches) / account.finished;
    let (looking, reading) = looks();
    vec![
        Row::at_most_times(
            "11",
            "credits per parser that works, preflight repairs",
            per_parser(&repair),
            (0.85, per_parser(&off), "off"),
            "credits",
        ),
        Row::at_most_times(
            "11",
            "credits per parser that works, with the ladder",
            per_parser(&ladder),
            (1.0, per_parser(&off), "off"),
            "credits",
        ),
        Row::at_most(
            "11",
            "what fetches cost, of what creates cost",
            fetches * 100.0,
            0.5,
            "%",
        ),
        Row::at_most_times(
            "11",
            "a page of 1 MB looked at",
            looking,
            (20.0, reading, "its characters counted"),
            "ms",
        ),
    ]
}

/// What was spent, and what came of it.
struct Account {
    creates: f64,
    fetches: f64,
    finished: f64,
}

fn account(settings: &[(&str, &str)]) -> Account {
    let runtime = Runtime::new().unwrap();
    let mut place = Place::new();
    let world = WorldConfig {
        generation_scale: 0.0,
        first_free: false,
        ..WorldConfig::default()
    };
    let server = place.simulator(&runtime, world, &[]);
    place.set("preflight.url", &server.base_url());
    place.set("poll.initial_interval", "10ms");
    for (key, value) in settings {
        place.set(key, value);
    }
    place.run(&["enqueue", jobs_file(&place)]);
    place.run(&["run", "--until-done"]);
    let sql = "SELECT count(*) FROM jobs WHERE state = 'FINISHED'";
    let finished: i64 = place
        .connection()
        .query_row(sql, [], |row| row.get(0))
        .unwrap();
    server.with(|simulator| Account {
        creates: simulator.world.credits_of_creates() as f64,
        fetches: simulator.world.credits_of_fetches() as f64,
        finished: finished as f64,
    })
}

fn jobs_file(place: &Place) -> &'static str {
    let mut file = BufWriter::new(std::fs::File::create(place.path("some.jsonl")).unwrap());
    let planted = PLANTED
        .iter()
        .flat_map(|(page, count)| std::iter::repeat_n(*page, *count));
    let pages = planted.chain(std::iter::repeat("1")).take(JOBS);
    for (n, page) in pages.enumerate() {
        writeln!(
            file,
            r#"{{"name":"job {n}","urls":["https://s{n}.example/a","https://s{n}.example/{page}"]}}"#
        )
        .unwrap();
    }
    file.flush().unwrap();
    "some.jsonl"
}

/// How long a page of 1 MB is looked at, and how long its characters are counted, in milliseconds.
fn looks() -> (f64, f64) {
    let item = "<div class=\"card\"><a href=\"/p/1\"><img src=\"/i/1.jpg\"></a><h3>A product</h3>\
        <p>Some text <b>of it</b><ul><li>one<li>two</ul><span class=price>9</span></div>\n";
    let page = item.repeat((1 << 20) / item.len());
    let places = Places::of(["div.card > span.price", "h1"]);
    let (mut looking, mut reading) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let began = Instant::now();
        assert!(look(&page, &places).is_html());
        looking.push(began.elapsed().as_secs_f64() * 1e3);
        let began = Instant::now();
        assert!(page.chars().filter(|c| !c.is_whitespace()).count() > 0);
        reading.push(began.elapsed().as_secs_f64() * 1e3);
    }
    (quantile(&mut looking, 0.5), quantile(&mut reading, 0.5))
}
