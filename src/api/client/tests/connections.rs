//! What is known when a connection is not made, or breaks.

use std::collections::HashSet;
use std::time::Duration;

use super::server::{self, Act, TestServer, http, refused_url};
use super::*;

#[track_caller]
fn not_sent(outcome: CreateOutcome) -> String {
    match outcome {
        CreateOutcome::NotSent(words) => words.message,
        other => panic!("not known to be unsent: {other:?}"),
    }
}

#[tokio::test]
async fn no_create_goes_over_a_connection_that_was_used_before() {
    let created = || Act::RawAnswer(http("201 Created", "", r#"{"id":"p1"}"#));
    let listed = || Act::RawAnswer(http("200 OK", "", "[]"));
    let acts = [
        listed(),
        created(),
        listed(),
        created(),
        listed(),
        created(),
    ];
    let server = TestServer::playing(acts).await;
    let client = client(&server.url);
    for _ in 0..3 {
        client.list().await;
        client.create(&request()).await;
    }

    let seen = server.seen();
    let creates = seen.iter().filter(|seen| !seen.body.is_empty());
    for create in creates.clone() {
        let shared = |other: &&server::SeenRequest| other.connection == create.connection;
        assert_eq!(seen.iter().filter(shared).count(), 1);
    }
    assert_eq!(creates.count(), 3);
    // The server does keep its connections: lists share theirs.
    let lists = seen.iter().filter(|seen| seen.body.is_empty());
    let connections: HashSet<_> = lists.map(|list| list.connection).collect();
    assert!(connections.len() < 3, "{connections:?}");
}

#[tokio::test]
async fn a_create_is_sent_once_whatever_happens_to_its_answer() {
    for act in [
        Act::Reset,
        Act::AnswerAndClose(Vec::new()),
        Act::AnswerAndClose(b"HTTP/1.1 201 Cre".to_vec()),
        Act::AnswerAndClose(b"SSH-2.0-OpenSSH\r\n".to_vec()),
        Act::AnswerAndClose(b"HTTP/1.1 201 Created\r\ncontent-length: 99\r\n\r\n{\"id\":".to_vec()),
        Act::RawAnswer(http("204 No Content", "", "")),
        Act::RawAnswer(http("408 Request Timeout", "", "")),
    ] {
        let server = TestServer::playing([act]).await;
        lost(client(&server.url).create(&request()).await);
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_create_that_breaks_while_its_body_is_sent_is_in_doubt() {
    let server = TestServer::playing([Act::ResetDuringBody]).await;
    let words = lost(client(&server.url).create(&large_request()).await);
    assert_eq!(words.status, None);
    assert!(
        words.message.starts_with("error sending request"),
        "{words:?}"
    );
}

#[tokio::test]
async fn a_refused_connection_is_known_to_have_sent_nothing() {
    let client = client(&refused_url().await);
    let message = not_sent(client.create(&request()).await);
    assert!(message.contains("efused (os error"), "{message}");
    assert!(matches!(
        client.details(&id("p1")).await,
        PollOutcome::Trouble(_)
    ));
    assert!(matches!(client.list().await, ListOutcome::Trouble(_)));
}

/// A client for https that needs no CA certificates, and trusts nobody.
fn trusting_nobody(url: &Url, proxy: Option<&Url>) -> Client {
    let mut config = config(url);
    let mut client = Client::new(config.clone()).unwrap();
    config.request_timeout = Duration::from_secs(2);
    let mut builder = builder(&config, true).tls_certs_only([]);
    if let Some(proxy) = proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy.as_str()).unwrap());
        client.base_url = "https://service.invalid".parse().unwrap();
    } else {
        client.base_url.set_scheme("https").unwrap();
    }
    client.writing = builder.build().unwrap();
    client
}

#[tokio::test]
async fn a_failed_tls_handshake_is_known_to_have_sent_nothing() {
    // It never sees a head, so it plays nothing: a ClientHello is no HTTP.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let garbage = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, garbage)
            .await
            .unwrap();
        stream
    });
    let message = not_sent(trusting_nobody(&url, None).create(&request()).await);
    assert!(message.contains("corrupt message"), "{message}");
    server.await.unwrap();
}

#[tokio::test]
async fn a_connect_timeout_is_known_to_have_sent_nothing() {
    // Accepts in the kernel's backlog and never answers the ClientHello.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let message = not_sent(trusting_nobody(&url, None).create(&request()).await);
    assert!(message.contains("operation timed out"), "{message}");
}

#[tokio::test]
async fn a_proxy_that_makes_no_tunnel_is_known_to_have_sent_nothing() {
    for status in ["407 Proxy Authentication", "502 Bad Gateway", "200 OK"] {
        let server = TestServer::playing([Act::AnswerAndClose(http(status, "", ""))]).await;
        let client = trusting_nobody(&server.url, Some(&server.url));
        not_sent(client.create(&request()).await);
        let [seen] = server.seen().try_into().unwrap();
        assert_eq!(seen.request_line(), "CONNECT service.invalid:443 HTTP/1.1");
    }
}

struct NoSuchHost;

impl reqwest::dns::Resolve for NoSuchHost {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async { Err("no such host".into()) })
    }
}

#[tokio::test]
async fn an_unknown_host_is_known_to_have_sent_nothing() {
    let base_url = "http://localhost:1".parse().unwrap();
    let mut client = client(&base_url);
    let builder = builder(&config(&base_url), false).dns_resolver(NoSuchHost);
    client.writing = builder.build().unwrap();
    let message = not_sent(client.create(&request()).await);
    assert!(message.contains("no such host"), "{message}");
}

#[tokio::test]
async fn a_client_with_an_encrypted_base_url_refuses_any_other() {
    let server = TestServer::playing([]).await;
    let mut client = trusting_nobody(&server.url, None);
    client.base_url = server.url.clone();
    not_sent(client.create(&request()).await);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_create_whose_time_is_over_sends_nothing_of_its_body_however_late_that_shows() {
    // Over before it connects, and over by the time that it is connected.
    for connecting_ms in [0, 300] {
        let server =
            TestServer::playing([Act::RawAnswer(http("201 Created", "", r#"{"id":"p1"}"#))]).await;
        let mut client = client(&server.url);
        let slow = Slow(Duration::from_millis(connecting_ms));
        let builder = builder(&config(&server.url), false).dns_resolver(slow);
        client.writing = builder.build().unwrap();
        client.base_url.set_host(Some("localhost")).unwrap();
        let late = CreateRequest {
            not_after: Some(lasting_ms() - 1 + i64::try_from(connecting_ms).unwrap() / 3),
            ..request()
        };
        let message = not_sent(client.create(&late).await);
        assert!(message.contains("withheld"), "{message}");
        assert!(server.seen().is_empty());
        let in_time = CreateRequest {
            not_after: Some(lasting_ms() + 60_000),
            ..request()
        };
        let outcome = client.create(&in_time).await;
        assert!(matches!(outcome, CreateOutcome::Created { .. }));
        let [seen] = server.seen().try_into().unwrap();
        let length = format!("content-length: {}\r\n", seen.body.len());
        assert!(seen.head.to_lowercase().contains(&length), "{}", seen.head);
    }
}

/// Finds every host on this machine, after a while.
struct Slow(Duration);

impl reqwest::dns::Resolve for Slow {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let pause = self.0;
        Box::pin(async move {
            tokio::time::sleep(pause).await;
            let found: reqwest::dns::Addrs = Box::new(std::iter::once(([127, 0, 0, 1], 0).into()));
            Ok(found)
        })
    }
}
