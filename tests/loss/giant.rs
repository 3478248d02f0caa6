//! Error bodies that no memory could hold.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use parserd::core::job::JobState;
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::common::{
    Harness,
    program::{Program, parserd},
};

const GIANT_BYTES: usize = 2_000_000_000;

/// The most that the program may ever have had in memory. It takes about 30 MB by itself.
const MAX_RESIDENT_KB: u64 = 150_000;

/// Answers the first list well, and everything else with a giant.
async fn converse(mut stream: TcpStream, lists: Arc<AtomicU64>, giants: Arc<AtomicU64>) {
    let mut head = Vec::new();
    let mut chunk = [0; 4096];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(count) => head.extend_from_slice(&chunk[..count]),
        }
    }
    let is_list = head.starts_with(b"GET /parsers?");
    let answer = if is_list && lists.fetch_add(1, Ordering::SeqCst) == 0 {
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]".to_owned()
    } else {
        giants.fetch_add(1, Ordering::SeqCst);
        format!("HTTP/1.1 500 No\r\ncontent-length: {GIANT_BYTES}\r\nconnection: close\r\n\r\n")
    };
    let is_giant = answer.starts_with("HTTP/1.1 500");
    let mut sent = stream.write_all(answer.as_bytes()).await;
    let block = vec![b'x'; 1 << 16];
    let mut left = if is_giant { GIANT_BYTES } else { 0 };
    // The client hangs up as soon as it has had enough.
    while sent.is_ok() && left > 0 {
        let part = left.min(block.len());
        sent = stream.write_all(&block[..part]).await;
        left -= part;
    }
}

#[tokio::test]
async fn error_bodies_of_two_gigabytes_take_no_memory_and_fail_no_job() {
    let mut harness = Harness::new(&[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (lists, giants) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let seen = Arc::clone(&giants);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, Arc::clone(&lists), Arc::clone(&giants)));
        }
    });
    harness.set("api.base_url", &format!("http://{address}"));
    harness.set("reconcile.settle", "20s");
    harness.enqueue(8).await;
    let program = Program::start(parserd(&harness, &["run"]));
    // Eight creates at once, and some lists after them.
    harness
        .wait_until("giants", async || seen.load(Ordering::SeqCst) >= 11)
        .await;
    harness.await_states(&[(JobState::Creating, 8)]).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let peak_kb: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    println!("at most {peak_kb} kB were resident");
    assert!(peak_kb < MAX_RESIDENT_KB, "{peak_kb} kB");
    program.signal(Signal::KILL);
    program.ended().await;
}
