//! Labels: never sent, changed for nothing, and what was spent by them.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use parserd::core::spending::SpendingBy;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{commands::run, now_ms, one, update};
use crate::common::{Harness, program::parserd};

/// A label that is nowhere else in what a job asks for.
const VALUE: &str = "zebra-crossing";

/// Passes on what a client and the service say, and keeps what the client sent.
async fn overheard(harness: &mut Harness) -> Arc<Mutex<Vec<u8>>> {
    let service: SocketAddr = harness
        .server
        .base_url()
        .strip_prefix("http://")
        .unwrap()
        .parse()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    harness.set("api.base_url", &base_url);
    let sent = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&sent);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                let service = TcpStream::connect(service).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_service, mut to_service) = service.into_split();
                tokio::spawn(
                    async move { tokio::io::copy(&mut from_service, &mut to_client).await },
                );
                let mut chunk = [0; 4096];
                // An error is the end of a connection.
                while let Ok(length @ 1..) = from_client.read(&mut chunk).await {
                    kept.lock().unwrap().extend_from_slice(&chunk[..length]);
                    if to_service.write_all(&chunk[..length]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    sent
}

fn labelled(name: &str, page: &str, labels: Value) -> Value {
    let fields = json!([{"name": "title", "description": "the title"}]);
    json!({"name": name, "urls": [page], "fields": fields, "labels": labels})
}

fn write(harness: &Harness, jobs: &[Value]) {
    let path = harness.directory.path().join("jobs.json");
    std::fs::write(path, json!(jobs).to_string()).unwrap();
}

fn printed(harness: &Harness, args: &[&str]) -> Value {
    let output = parserd(harness, args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

const SHOP: &str = "https://shop.example/page";

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_never_sent_and_change_for_nothing() {
    let mut harness = Harness::new(&[]).await;
    let sent = overheard(&mut harness).await;
    write(&harness, &[labelled("shop", SHOP, json!({"team": VALUE}))]);
    run(&harness, 0, &["enqueue", "jobs.json"]);
    harness.run_until_done().await;
    let shown = printed(&harness, &["show", "shop", "--json"]);
    assert_eq!(shown["state"], "FINISHED");
    assert_eq!(shown["labels"], json!({"team": VALUE}));
    let tag = one(&harness, "SELECT remote_name FROM jobs").await;

    // Free, at once, whatever the state; and an update has its labels.
    let other = labelled("shop", SHOP, json!({"team": VALUE, "env": "prod"}));
    write(&harness, &[other]);
    let plan = printed(&harness, &["plan", "--json", "jobs.json"]);
    assert_eq!(plan["jobs"][0]["verdict"], "settings");
    assert_eq!(plan["jobs"][0]["settings"], json!(["labels"]));
    assert_eq!(plan["credits"]["cost"], 0);
    run(&harness, 0, &["apply", "--yes", "jobs.json"]);
    let labels = "SELECT labels FROM jobs WHERE action = 'create'";
    let both = format!(r#"{{"env":"prod","team":"{VALUE}"}}"#);
    assert_eq!(one(&harness, labels).await, both);
    update(
        &harness,
        r#"{"rename_fields":[{"name":"title","new_name":"heading"}]}"#,
    )
    .await;
    harness.run_until_done().await;
    let of_update = "SELECT state || labels FROM jobs WHERE action = 'update'";
    assert_eq!(one(&harness, of_update).await, format!("FINISHED{both}"));
    harness
        .sql("UPDATE jobs SET labels = NULL WHERE action = 'create'")
        .await
        .unwrap();
    assert_eq!(
        one(&harness, "SELECT remote_name FROM jobs WHERE id = 1").await,
        tag
    );

    let sent = String::from_utf8_lossy(&sent.lock().unwrap()).into_owned();
    assert!(
        sent.contains("shop.example") && sent.contains("PATCH"),
        "{sent}"
    );
    assert!(!sent.contains(VALUE) && !sent.contains("label"), "{sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spent_is_the_same_in_all_however_it_is_split_up() {
    let harness = Harness::new(&["create status=400 name=broken"]).await;
    write(
        &harness,
        &[
            labelled("one", "https://A.example:8443/x?y", json!({"team": "red"})),
            labelled(
                "two",
                "https://a.example",
                json!({"team": "red", "env": "prod"}),
            ),
            labelled("three", "http://b.example#c", json!({"team": "blue \"\\"})),
            labelled(
                "broken",
                "http://b.example/broken",
                json!({"team": "blue \"\\"}),
            ),
            labelled("plain", "http://c.example/", json!({})),
        ],
    );
    run(&harness, 0, &["enqueue", "jobs.json"]);
    harness.run_until_done().await;
    // A job that is gone leaves what it cost, and so does an update.
    harness
        .sql(
            "INSERT INTO jobs (action, name, change) VALUES ('update', 'one', \
             '{\"add_fields\":[{\"name\":\"a\",\"description\":\"b\"}]}')",
        )
        .await
        .unwrap();
    harness.run_until_done().await;
    harness
        .sql("DELETE FROM jobs WHERE name = 'plain'")
        .await
        .unwrap();
    let store = harness.store().await;
    let spent = {
        use parserd::store::Ledger as _;
        store.spent(now_ms()).await.unwrap()
    };
    assert_eq!(spent.in_all, 150_000);
    for by in ["label:team", "label:env", "label:none", "host", "day"] {
        let by: SpendingBy = by.parse().unwrap();
        let rows = store.spending(&by).await.unwrap();
        assert_eq!(
            rows.iter().map(|row| row.credits).sum::<i64>(),
            spent.in_all,
            "{by}"
        );
        assert_eq!(rows.iter().map(|row| row.creates).sum::<i64>(), 4, "{by}");
        assert_eq!(rows.iter().map(|row| row.jobs).sum::<i64>(), 5, "{by}");
        assert_eq!(rows.iter().map(|row| row.failed).sum::<i64>(), 1, "{by}");
    }
    let by_label = store.spent_by_label().await.unwrap();
    let red = ("team".to_owned(), "red".to_owned());
    assert!(by_label.contains(&(red, 90_000)), "{by_label:?}");
    store.close().await;

    let rows = |by: &str| {
        let status = printed(&harness, &["status", "--json", "--by", by]);
        assert_eq!(status["spending"]["by"], by);
        let rows = status["spending"]["rows"].as_array().unwrap().clone();
        let line = |row: &Value| {
            let number = |key: &str| row[key].as_i64().map_or("-".to_owned(), |n| n.to_string());
            let keys = ["jobs", "finished", "failed", "creates", "credits"];
            let numbers: Vec<_> = keys.iter().map(|key| number(key)).collect();
            let key = row["key"].as_str().unwrap_or("(none)");
            let per_parser = number("credits_per_working_parser");
            format!("{key}: {} {per_parser}", numbers.join(" "))
        };
        rows.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(
        rows("label:team"),
        [
            "red: 3 3 0 2 90000 45000",
            "blue \"\\: 2 1 1 1 30000 30000",
            "(none): 0 0 0 1 30000 -",
        ]
    );
    assert_eq!(
        rows("host"),
        [
            "a.example: 3 3 0 2 90000 45000",
            "b.example: 2 1 1 1 30000 30000",
            "(none): 0 0 0 1 30000 -",
        ]
    );
    let status = printed(&harness, &["status", "--json"]);
    assert!(status.get("spending").is_none());
    let text = parserd(&harness, &["status", "--by", "label:team"])
        .output()
        .unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("Spent by label:team"), "{text}");
    assert!(text.contains("90,000"), "{text}");
    run(&harness, 2, &["status", "--by", "team"]);
}
