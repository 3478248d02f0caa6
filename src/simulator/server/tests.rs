//! The simulator over loopback: what a client meets on the wire.

use std::time::Instant;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::simulator::{Endpoint, FaultRule, Faults, WorldConfig};

async fn start(rules: &[&str]) -> ServerHandle {
    let rules: Vec<FaultRule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    let world = WorldConfig {
        generation_scale: 0.0,
        ..WorldConfig::default()
    };
    let simulator = Simulator::new(world, Faults::new(1, rules));
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    Server::start(any_port, simulator).await.unwrap()
}

fn client() -> reqwest::Client {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().no_proxy();
    let no_redirect = builder.redirect(reqwest::redirect::Policy::none());
    no_redirect.retry(reqwest::retry::never()).build().unwrap()
}

async fn create(server: &ServerHandle, client: &reqwest::Client, name: &str) -> Option<Value> {
    let body = json!({"api_key": "demo-key", "name": name, "urls": ["https://a.example/"]});
    let url = format!("{}/parsers", server.base_url());
    let response = client.post(url).json(&body).send().await.ok()?;
    response.json().await.ok()
}

async fn list(
    server: &ServerHandle,
    client: &reqwest::Client,
) -> reqwest::Result<reqwest::Response> {
    let url = format!("{}/parsers?api_key=demo-key", server.base_url());
    client.get(url).send().await
}

/// Everything the server sends on a connection of its own, and how it ends.
async fn raw_list(server: &ServerHandle) -> (Vec<u8>, io::Result<usize>) {
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    let request = b"GET /parsers?api_key=demo-key HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut received = Vec::new();
    let ended = stream.read_to_end(&mut received).await;
    (received, ended)
}

#[tokio::test]
async fn a_parser_is_made_read_and_deleted_over_http() {
    let (server, client) = (start(&[]).await, client());
    let id = create(&server, &client, "n").await.unwrap()["id"].clone();
    let url = format!("{}/parsers/{}", server.base_url(), id.as_str().unwrap());
    let query = [("api_key", "demo-key")];

    let response = client.get(&url).query(&query).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    let details: Value = response.json().await.unwrap();
    assert_eq!(details["status"], "FINISHED");
    let created_at: jiff::Timestamp = details["created_at"].as_str().unwrap().parse().unwrap();
    assert!(server.now_ms() - created_at.as_millisecond() < 10_000);

    let deleted = client.delete(&url).query(&query).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    let gone = client.get(&url).query(&query).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    server.shutdown().await;
}

#[tokio::test]
async fn a_lost_answer_ends_the_connection_by_close_or_by_reset() {
    let server = start(&["list lose first=1", "list lose reset"]).await;
    let (received, ended) = raw_list(&server).await;
    assert_eq!((received.len(), ended.unwrap()), (0, 0));
    let (received, ended) = raw_list(&server).await;
    assert_eq!(received.len(), 0);
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_made_all_the_same() {
    let (server, client) = (start(&["create lose after"]).await, client());
    assert_eq!(create(&server, &client, "n").await, None);
    assert_eq!(server.with(|simulator| simulator.world.creates_of("n")), 1);
}

#[tokio::test]
async fn a_cut_body_breaks_off() {
    let (server, client) = (start(&["list cut"]).await, client());
    create(&server, &client, "n").await.unwrap();
    let response = list(&server, &client).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.bytes().await.is_err());
}

#[tokio::test]
async fn a_slow_body_and_a_delayed_answer_take_their_time() {
    let (server, client) = (
        start(&["list slow=200ms", "account delay=150ms"]).await,
        client(),
    );
    create(&server, &client, "n").await.unwrap();
    let begun = Instant::now();
    let response = list(&server, &client).await.unwrap();
    let parsers: Value = response.json().await.unwrap();
    assert_eq!(parsers[0]["name"], "n");
    assert!(begun.elapsed() >= Duration::from_millis(190));

    let begun = Instant::now();
    let url = format!("{}/account?api_key=demo-key", server.base_url());
    assert!(client.get(url).send().await.unwrap().status().is_success());
    assert!(begun.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn an_endless_body_goes_on_as_long_as_it_is_read() {
    let (server, client) = (start(&["list endless"]).await, client());
    let mut response = list(&server, &client).await.unwrap();
    let mut bytes = 0;
    while bytes < 5_000_000 {
        bytes += response
            .chunk()
            .await
            .unwrap()
            .expect("it must not end")
            .len();
    }
}

#[tokio::test]
async fn a_gzip_bomb_is_small_on_the_wire_and_huge_inflated() {
    let (server, client) = (start(&["list gzip-bomb"]).await, client());
    let (received, ended) = raw_list(&server).await;
    ended.unwrap();
    assert!(received.len() < 4_000_000, "{}", received.len());

    // A client need not inflate it all to see that it begins as real JSON.
    let mut response = list(&server, &client).await.unwrap();
    let mut inflated = Vec::new();
    while inflated.len() < 10_000_000 {
        inflated.extend_from_slice(&response.chunk().await.unwrap().expect("it must not end"));
    }
    assert!(inflated.starts_with(b"[]   "));
}

#[tokio::test]
async fn a_redirect_points_elsewhere() {
    let (server, client) = (
        start(&["list redirect=http://127.0.0.1:9/x status=302"]).await,
        client(),
    );
    let response = list(&server, &client).await.unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(response.headers()["location"], "http://127.0.0.1:9/x");
}

#[tokio::test]
async fn a_server_that_is_down_refuses_connections_and_comes_back() {
    let (server, client) = (start(&[]).await, client());
    create(&server, &client, "n").await.unwrap();
    server.set_down(true).await.unwrap();
    server.set_down(true).await.unwrap();
    assert!(list(&server, &client).await.unwrap_err().is_connect());
    server.set_down(false).await.unwrap();
    server.set_down(false).await.unwrap();
    let parsers: Value = list(&server, &client).await.unwrap().json().await.unwrap();
    assert_eq!(parsers[0]["name"], "n");
}

#[tokio::test]
async fn a_server_stops_when_its_handle_is_dropped() {
    let server = start(&[]).await;
    let addr = server.addr();
    drop(server);
    let refused = async {
        while TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, refused).await.unwrap();
}

/// Begins requests whose answers take long, until so many are under way.
async fn begin_lists(server: &ServerHandle, client: &reqwest::Client, count: u64) -> JoinSet<()> {
    let mut requests = JoinSet::new();
    for _ in 0..count {
        let url = format!("{}/parsers?api_key=demo-key", server.base_url());
        let request = client.get(url).send();
        requests.spawn(async { drop(request.await) });
    }
    while server.with(|simulator| simulator.traffic.max_in_flight()) < count {
        tokio::task::yield_now().await;
    }
    requests
}

#[tokio::test]
async fn requests_under_way_at_once_are_counted() {
    let (server, client) = (start(&["list delay=1h"]).await, client());
    let requests = begin_lists(&server, &client, 8).await;
    server.with(|simulator| {
        assert_eq!(simulator.traffic.max_in_flight(), 8);
        assert_eq!(simulator.traffic.count(Endpoint::List), 8);
    });
    drop(requests);
    // The clients have gone away; later ones are not counted on top of them.
    while server.with(|simulator| simulator.traffic.in_flight()) > 0 {
        tokio::task::yield_now().await;
    }
    create(&server, &client, "n").await.unwrap();
    assert_eq!(
        server.with(|simulator| simulator.traffic.max_in_flight()),
        8
    );
}

#[tokio::test]
async fn requests_beyond_the_concurrency_limit_get_429() {
    let (server, client) = (start(&["list delay=1h first=3"]).await, client());
    server.with(|simulator| simulator.concurrency_limit = Some(3));
    let _requests = begin_lists(&server, &client, 3).await;
    let refused = list(&server, &client).await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_client_fetches_pages_of_every_sort_over_http() {
    use secrecy::SecretString;

    use crate::api::{Service as _, client};
    use crate::core::{
        outcome::{FetchOutcome, FetchRequest},
        preflight::Brought,
    };

    let server = start(&["fetch endless name=endless", "fetch lose name=lost"]).await;
    let url: url::Url = server.base_url().parse().unwrap();
    let client = client::Client::new(client::ClientConfig {
        fetch_url: Some(url.clone()),
        ..client::ClientConfig::new(url, SecretString::from("demo-key"))
    })
    .unwrap();
    for (word, expected, credits) in [
        ("books", "a page", Some(1)),
        ("bomb", "a part of a page", Some(1)),
        ("endless", "a part of a page", Some(1)),
        ("slow", "a page", Some(1)),
        ("page-gone", "gone", Some(1)),
        ("blocked", "blocked", Some(0)),
        ("not-html", "nothing", Some(1)),
        ("lost", "nothing", None),
    ] {
        let request = FetchRequest {
            url: format!("https://a.example/{word}?a=b&c=d"),
            params: serde_json::Map::new(),
            max_credits: 10,
            selectors: vec!["h1".to_owned()],
        };
        let found = match client.fetch(&request).await {
            FetchOutcome::Brought { brought, credits } => match brought {
                Brought::Page(sight) if !sight.is_html() => ("nothing", credits),
                Brought::Page(sight) => {
                    assert_eq!(sight.has_places, [true], "{word}");
                    assert!(sight.text_chars > 400, "{word}: {}", sight.text_chars);
                    (
                        if sight.is_cut {
                            "a part of a page"
                        } else {
                            "a page"
                        },
                        credits,
                    )
                }
                Brought::Gone { status: 404 } => ("gone", credits),
                Brought::Blocked { .. } => ("blocked", credits),
                Brought::Nothing { .. } => ("nothing", credits),
                other => panic!("{word}: {other:?}"),
            },
            refused @ FetchOutcome::Refused(..) => panic!("{word}: {refused:?}"),
        };
        assert_eq!(found, (expected, credits), "{word}");
    }
    server.shutdown().await;
}
