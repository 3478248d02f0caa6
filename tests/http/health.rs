//! `/healthz` and `/readyz`.

use std::time::{Duration, Instant};

use reqwest::{
    Method,
    header::{ALLOW, HeaderMap},
};
use sqlx::Connection as _;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::site::Site;
use crate::common::Harness;

#[tokio::test]
async fn a_daemon_that_works_is_alive_and_ready() {
    let site = Site::new(Harness::new(&[]).await).await;
    site.harness
        .wait_until("the loop has come round", async || {
            site.get("/healthz").await == (200, "ok\n".to_owned())
        })
        .await;
    assert_eq!(site.get("/readyz").await, (200, "ready\n".to_owned()));
    let proof = "SELECT count(*) FROM meta WHERE key = 'proved_writable_at'";
    assert_eq!(site.harness.sql(proof).await.unwrap(), ["1"]);
    for path in ["/healthz", "/readyz", "/metrics"] {
        let posted = site.send(Method::POST, path, HeaderMap::new(), &[]).await;
        assert_eq!(posted.status(), 405, "{path}");
        assert_eq!(posted.headers()[ALLOW], "GET, HEAD", "{path}");
    }
    site.closed().await;
}

#[tokio::test]
async fn a_daemon_that_stops_is_alive_and_not_ready() {
    let site = Site::new(Harness::new(&[]).await).await;
    site.stop();
    assert_eq!(site.get("/healthz").await, (200, "stopping\n".to_owned()));
    let (status, words) = site.get("/readyz").await;
    assert_eq!(status, 503, "{words}");
    assert!(words.contains("claims nothing more"), "{words}");
    site.closed().await;
}

#[tokio::test]
async fn a_refused_key_is_not_ready() {
    let harness = Harness::new(&["list status=401"]).await;
    harness.enqueue(1).await;
    let site = Site::new(harness).await;
    site.harness
        .wait_until("the key was refused", async || {
            let (status, words) = site.get("/readyz").await;
            status == 503 && words.contains("refuses the API key")
        })
        .await;
    site.closed().await;
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_not_blamed_on_the_key() {
    let harness = Harness::new(&["list status=200 body={}"]).await;
    harness.enqueue(1).await;
    let site = Site::new(harness).await;
    site.harness
        .wait_until("the list is told of", async || {
            let (status, words) = site.get("/readyz").await;
            status == 503
                && words.contains("list has not been available since")
                && !words.contains("key")
        })
        .await;
    site.closed().await;
}

#[tokio::test]
async fn the_service_is_not_asked_for_who_looks() {
    let mut harness = Harness::new(&[]).await;
    harness.set("api.key", "not-the-key");
    let site = Site::new(harness).await;
    for _ in 0..3 {
        assert_eq!(site.get("/readyz").await, (200, "ready\n".to_owned()));
    }
    let metrics = site.metrics().await;
    let asked: f64 = metrics
        .iter()
        .filter(|(name, _)| name.starts_with("parserd_requests_total"))
        .map(|(_, count)| count)
        .sum();
    assert!(asked.abs() < 0.5, "{asked} requests");
    site.closed().await;
}

#[tokio::test]
async fn a_database_that_takes_no_write_is_not_ready() {
    let site = Site::new(Harness::new(&[]).await).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(site.harness.database());
    let mut other = sqlx::SqliteConnection::connect_with(&options)
        .await
        .unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    let (status, words) = site.get("/readyz").await;
    assert_eq!(status, 503, "{words}");
    assert!(words.contains("has accepted no write for 5 s"), "{words}");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    site.harness
        .wait_until("it takes writes again", async || {
            site.get("/readyz").await.0 == 200
        })
        .await;
    site.closed().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_database_file_that_was_deleted_or_replaced_is_not_ready_and_ends_the_daemon() {
    let site = Site::new(Harness::new(&[]).await).await;
    site.harness
        .wait_until("it is ready", async || site.get("/readyz").await.0 == 200)
        .await;
    let path = site.harness.database();
    let kept = path.with_extension("kept");
    std::fs::rename(&path, &kept).unwrap();
    let gone = site.get("/readyz").await;
    std::fs::copy(&kept, &path).unwrap();
    let replaced = site.get("/readyz").await;
    for (status, words) in [gone, replaced] {
        assert_eq!(status, 503, "{words}");
        assert!(words.contains("is not the one that was opened"), "{words}");
    }
    let error = site.ended().await.unwrap_err().to_string();
    assert!(error.contains("is not the one that was opened"), "{error}");
}

#[tokio::test]
async fn connections_that_do_not_read_keep_no_probe_waiting() {
    let site = Site::new(Harness::new(&[]).await).await;
    let address = site.base.strip_prefix("http://").unwrap();
    // More answers than the system's buffers hold, and the head of one more request.
    let asked = "GET /style.css HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(200) + "GET /";
    let mut held = Vec::new();
    for _ in 0..80 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let asked = asked.clone();
        held.push(tokio::spawn(async move {
            // Cut off at some time, it is left open on this side.
            let _cut = stream.write_all(asked.as_bytes()).await;
            std::future::pending::<()>().await;
            drop(stream);
        }));
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        let began = Instant::now();
        let (status, words) = site.get(path).await;
        assert_eq!(status, 200, "{path}: {words}");
        assert!(began.elapsed() < Duration::from_secs(2), "{path}");
    }
    for task in held {
        task.abort();
    }
    site.closed().await;
}
