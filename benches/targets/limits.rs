//! What this machine makes of the bare thing, in the same run: single synced commits, a loop
//! of requests over the same sockets, rows into a table without rules. Targets that are times
//! are multiples of these, since machines differ.

use std::{
    io::BufRead as _,
    path::Path,
    time::{Duration, Instant},
};

use parserd::simulator::server::ServerHandle;
use tokio::{runtime::Runtime, task::JoinSet};

use crate::{
    place::{Place, Process},
    table::quantile,
};

/// How long single commits are measured.
const COMMITTING: Duration = Duration::from_secs(2);

/// The program's name for the bare loop as a process of its own.
pub const BARE_LOOP: &str = "bare-loop";

/// What this disk makes of single rows, each synced: commits a second, and the median of one
/// in ms.
pub fn single_commits() -> (f64, f64) {
    let place = Place::new();
    let connection = place.connection();
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (a)")
        .unwrap();
    let mut insert = connection.prepare("INSERT INTO t VALUES (1)").unwrap();
    let began = Instant::now();
    let mut waits_ms = Vec::new();
    while began.elapsed() < COMMITTING {
        let one = Instant::now();
        insert.execute([]).unwrap();
        waits_ms.push(one.elapsed().as_secs_f64() * 1_000.0);
    }
    let a_second = waits_ms.len() as f64 / began.elapsed().as_secs_f64();
    (a_second, quantile(&mut waits_ms, 0.5))
}

/// What a client without memory makes of the same service: `count` creates and a look at each,
/// `at_once` of them, in a process of its own. How long it took, and its processor time.
pub fn bare_loop(server: &ServerHandle, count: usize, at_once: usize) -> (Duration, Duration) {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.arg(BARE_LOOP).arg(server.base_url());
    command.args([count.to_string(), at_once.to_string()]);
    let began = Instant::now();
    let mut process = Process::start(command);
    let mut cpu = Duration::ZERO;
    while process.is_running() {
        cpu = process.cpu().unwrap_or(cpu);
        std::thread::sleep(Duration::from_millis(5));
    }
    let took = began.elapsed();
    // Says how it ended.
    process.wait();
    (took, cpu)
}

/// The process that [`bare_loop`] starts.
pub fn run_bare_loop(arguments: &[String]) {
    let [base_url, count, at_once] = arguments else {
        panic!("URL COUNT AT_ONCE: {arguments:?}");
    };
    let (count, at_once): (usize, usize) = (count.parse().unwrap(), at_once.parse().unwrap());
    Runtime::new().unwrap().block_on(async {
        let client = client();
        let mut under_way = JoinSet::new();
        for n in 0..count {
            if under_way.len() == at_once {
                under_way.join_next().await.unwrap().unwrap();
            }
            under_way.spawn(create_and_look(client.clone(), base_url.clone(), n));
        }
        while let Some(ended) = under_way.join_next().await {
            ended.unwrap();
        }
    });
}

fn client() -> reqwest::Client {
    // An error means that a provider is there already, which will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn create_and_look(client: reqwest::Client, base_url: String, n: usize) {
    let body = format!(
        r#"{{"api_key":"demo-key","name":"bare_{n}","urls":["https://shop-{n}.example.com/page/{n}"]}}"#
    );
    let created = client
        .post(format!("{base_url}/parsers"))
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    assert!(created.status().is_success(), "{}", created.status());
    let created: serde_json::Value =
        serde_json::from_slice(&created.bytes().await.unwrap()).unwrap();
    let id = created["id"].as_str().unwrap();
    let looked = client
        .get(format!("{base_url}/parsers/{id}?api_key=demo-key"))
        .send()
        .await
        .unwrap();
    assert!(looked.status().is_success(), "{}", looked.status());
    looked.bytes().await.unwrap();
}

/// One request over the sockets of this machine, in ms: the median of a few hundred, each on a
/// connection that is kept.
pub fn request_ms(runtime: &Runtime, server: &ServerHandle) -> f64 {
    let url = format!("{}/parsers?api_key=demo-key", server.base_url());
    let client = client();
    let mut waits_ms: Vec<f64> = (0..300)
        .map(|_| {
            let began = Instant::now();
            runtime.block_on(async {
                let answer = client.get(&url).send().await.unwrap();
                answer.bytes().await.unwrap();
            });
            began.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    quantile(&mut waits_ms, 0.5)
}

/// Rows a second of a file of JSON Lines that is read line by line into a table whose only rule
/// is that names are unique, in one transaction.
pub fn bare_rows(jobs_file: &Path) -> f64 {
    let place = Place::new();
    let mut connection = place.connection();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;\
             CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, urls TEXT)",
        )
        .unwrap();
    let began = Instant::now();
    let lines = std::io::BufReader::new(std::fs::File::open(jobs_file).unwrap()).lines();
    let transaction = connection.transaction().unwrap();
    let mut rows = 0.0;
    {
        let mut insert = transaction
            .prepare("INSERT INTO t (name, urls) VALUES (?1, ?2)")
            .unwrap();
        for line in lines {
            let row: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            insert
                .execute([row["name"].as_str().unwrap(), &row["urls"].to_string()])
                .unwrap();
            rows += 1.0;
        }
    }
    transaction.commit().unwrap();
    rows / began.elapsed().as_secs_f64()
}

/// How long the program takes to say its version, in ms: what every command pays before it
/// does anything.
pub fn start_ms(place: &Place) -> f64 {
    let mut starts_ms: Vec<f64> = (0..9)
        .map(|_| place.run(&["--version"]).1.as_secs_f64() * 1_000.0)
        .collect();
    quantile(&mut starts_ms, 0.5)
}

/// One pass of SQLite over all jobs, in ms, on a connection of its own.
pub fn pass_ms(place: &Place) -> f64 {
    let mut passes_ms: Vec<f64> = (0..9)
        .map(|_| {
            let began = Instant::now();
            let connection = place.connection();
            let states: i64 = connection
                .query_row("SELECT count(DISTINCT state) FROM jobs", [], |row| {
                    row.get(0)
                })
                .unwrap();
            assert!(states > 0);
            began.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    quantile(&mut passes_ms, 0.5)
}
