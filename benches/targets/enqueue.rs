//! Target 6: a million jobs from JSON Lines.

use std::io::Write as _;

use crate::{limits, place::Place, table::Row};

const JOBS: usize = 1_000_000;

pub fn run() -> Vec<Row> {
    let place = Place::new();
    let file = place.jobs_file(JOBS);
    let (peak, took) = place.run(&["enqueue", file]);
    let count = || -> i64 {
        let connection = place.connection();
        connection
            .query_row("SELECT count(*) FROM jobs", [], |row| row.get(0))
            .unwrap()
    };
    let before = count();
    assert_eq!(before, JOBS as i64);
    let speed = JOBS as f64 / took.as_secs_f64();
    let bare = limits::bare_rows(&place.path(file));
    // One bad line at the end of as many new jobs.
    let text = std::fs::read_to_string(place.path(file)).unwrap();
    let mut other = std::fs::File::create(place.path("other.jsonl")).unwrap();
    other
        .write_all(text.replace("\"name\":\"job", "\"name\":\"new").as_bytes())
        .unwrap();
    writeln!(other, "{{\"name\":\"bad\",\"urls\":[]}}").unwrap();
    place.run(&["enqueue", "other.jsonl"]);
    let added = count() - before;
    vec![
        Row::at_least_times(
            "6",
            "a million jobs from JSON Lines",
            speed,
            (0.09, bare, "rows into a table without rules"),
            "rows/s",
        ),
        Row::at_most("6", "... resident peak", peak as f64 / 1e6, 64.0, "MB"),
        Row::at_most(
            "6",
            "... added where the last line is bad",
            added as f64,
            0.0,
            "rows",
        ),
    ]
}
