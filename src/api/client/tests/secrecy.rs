//! The key goes to the service and nowhere else.

use std::sync::{Arc, Mutex};

use tracing_subscriber::util::SubscriberInitExt as _;

use super::server::{Act, TestServer, http, refused_url};
use super::*;

#[tokio::test]
async fn a_redirect_is_not_followed_and_no_referer_is_ever_sent() {
    let elsewhere = TestServer::playing([]).await;
    let location = format!("location: {}x\r\n", elsewhere.url);
    for status in [
        "301 Moved",
        "302 Found",
        "303 Other",
        "307 Temporary",
        "308 Permanent",
    ] {
        let redirects = [0; 4].map(|_| Act::RawAnswer(http(status, &location, "")));
        let server = TestServer::playing(redirects).await;
        let client = client(&server.url);
        let words = lost(client.create(&request()).await);
        assert_eq!(words.status, status[..3].parse().ok());
        let details = client.details(&id("p1")).await;
        assert!(matches!(details, PollOutcome::Trouble(_)), "{details:?}");
        let list = client.list().await;
        assert!(matches!(list, ListOutcome::Trouble(_)), "{list:?}");

        let deleted = client.delete(&id("p1")).await;
        assert_eq!(deleted.as_str(), "in_doubt", "{deleted:?}");

        let seen = server.seen();
        assert_eq!(seen.len(), 4);
        for seen in seen {
            assert!(!seen.head.to_lowercase().contains("referer"));
        }
    }
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn a_base_url_that_would_give_the_key_away_is_refused() {
    let refused = |url: &str| Client::new(config(&url.parse().unwrap())).unwrap_err();
    for (url, message) in [
        (
            "http://example.com",
            "the base URL must be https, as its host is not a loopback address",
        ),
        (
            "http://localhost.example.com",
            "the base URL must be https, as its host is not a loopback address",
        ),
        (
            "http://192.168.0.1",
            "the base URL must be https, as its host is not a loopback address",
        ),
        ("ftp://localhost", "the base URL must be https"),
        (
            "https://u:p@example.com",
            "the base URL must not contain a user name or password",
        ),
        (
            "https://example.com/?api_key=x",
            "the base URL must not contain a query or fragment",
        ),
        (
            "https://example.com/#x",
            "the base URL must not contain a query or fragment",
        ),
    ] {
        assert_eq!(refused(url).to_string(), message);
    }
    for url in [
        "http://127.0.0.1:1",
        "http://127.1.2.3",
        "http://[::1]:1/x",
        "http://localhost",
    ] {
        client(&url.parse().unwrap());
    }
    // Where no CA certificates are installed, this says so.
    match Client::new(config(&"https://aiparser.scraperapi.com".parse().unwrap())) {
        Ok(_) | Err(ClientError::Setup(_)) => {}
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_key_that_cannot_be_one_is_refused_without_being_shown() {
    for key in ["", "SECRET\n", " SECRET", "SECRÉT", "SEC\u{1b}RET"] {
        let url = "http://localhost".parse().unwrap();
        let error = Client::new(ClientConfig::new(url, SecretString::from(key))).unwrap_err();
        assert!(matches!(error, ClientError::Key(_)));
        assert!(!format!("{error} {error:?}").contains("SEC"));
    }
}

#[derive(Clone, Default)]
pub(super) struct Captured(pub Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// All that this thread logs, down to TRACE.
pub(super) struct Traced {
    captured: Captured,
    guard: tracing::subscriber::DefaultGuard,
    /// Beside a lone subscriber, a place that logs for the first time on another test's
    /// thread asks that thread's subscriber, has none, and is silent for good.
    _second: tracing::Dispatch,
}

impl Traced {
    pub(super) fn begin() -> Self {
        let second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
        let captured = Captured::default();
        let writer = captured.clone();
        let guard = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish()
            .set_default();
        Self {
            captured,
            guard,
            _second: second,
        }
    }

    /// What was logged since.
    pub(super) fn end(self) -> String {
        drop(self.guard);
        String::from_utf8(self.captured.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn the_key_is_in_no_log_at_trace_no_outcome_and_no_debug() {
    let traced = Traced::begin();

    let echo = format!("bad {KEY} in ?api_key={KEY_IN_QUERY}");
    let error = || Act::RawAnswer(http("500 Error", "", &echo));
    let failed = format!(r#"{{"status":"FAILED","error":"{echo}"}}"#);
    let other = format!(r#"{{"id":"other","error":"{echo}"}}"#);
    let server = TestServer::playing([
        error(),
        error(),
        error(),
        Act::RawAnswer(http("200 OK", "", &failed)),
        Act::Reset,
        Act::Reset,
        Act::RawAnswer(http("307 Temporary", "location: /x\r\n", "")),
        Act::Reset,
        error(),
        error(),
        Act::RawAnswer(http("409 Conflict", "", &echo)),
        Act::RawAnswer(http("200 OK", "", &other)),
        Act::Reset,
        Act::Reset,
    ])
    .await;
    let client = client(&server.url);
    let mut output = format!("{client:?} {:?}", config(&server.url));
    output += &format!("{:?}", client.create(&request()).await);
    output += &format!("{:?}", client.details(&id("p1")).await);
    output += &format!("{:?}", client.list().await);
    output += &format!("{:?}", client.details(&id("p1")).await);
    output += &format!("{:?}", client.details(&id("p1")).await);
    output += &format!("{:?}", client.create(&request()).await);
    output += &format!("{:?}", client.details(&id(KEY)).await);
    let patch = |body: &str| PatchRequest {
        parser_id: id("p1"),
        base_version: 0,
        body: RawValue::from_string(body.to_owned()).unwrap(),
        not_after: None,
    };
    output += &format!("{:?}", client.change(&patch("{}")).await);
    output += &format!("{:?}", client.delete(&id("p1")).await);
    output += &format!("{:?}", client.change(&patch("{}")).await);
    output += &format!("{:?}", client.change(&patch("{}")).await);
    output += &format!("{:?}", client.change(&patch("{}")).await);
    output += &format!("{:?}", client.delete(&id("p1")).await);
    let named_so = format!(r#"{{"{KEY}":1}}"#);
    output += &format!("{:?}", client.change(&patch(&named_so)).await);
    output += &format!("{:?}", client.delete(&id(KEY)).await);
    let refused = self::client(&refused_url().await);
    output += &format!("{:?}", refused.delete(&id("p1")).await);
    output += &format!("{:?}", refused.list().await);
    let log = traced.end();
    assert!(
        log.contains(r#"answered endpoint="create" http_status=500 elapsed_ms="#),
        "{log}"
    );
    assert!(
        log.contains(r#"broken off endpoint="details" elapsed_ms="#),
        "{log}"
    );
    assert!(
        log.contains(r#"not connected endpoint="list" elapsed_ms="#),
        "{log}"
    );
    // Dependencies that log through `log` are captured as well.
    assert!(log.contains("starting new connection"), "{log}");
    for text in [&output, &log] {
        // Its digits alone may be those of a time or a port.
        for part in ["SECRET", "/0123", "0123+", "%2F0123", "0123%2B"] {
            assert!(!text.contains(part), "{part}: {text}");
        }
    }
    assert_eq!(output.matches("bad [key] in ?api_key=[key]").count(), 8);
}
