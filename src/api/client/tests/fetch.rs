//! Fetches of pages: what is asked, how much is read, and that the key stays hidden.

use std::io::Write as _;

use serde_json::json;

use super::secrecy::Traced;
use super::server::{Act, TestServer, http, refused_url};
use super::*;
use crate::core::outcome::Refusal;
use crate::core::page::{READ_MAX_BYTES, Sight};

fn fetching(url: &Url) -> Client {
    Client::new(ClientConfig {
        fetch_url: Some(url.clone()),
        ..config(url)
    })
    .unwrap()
}

fn page(url: &str) -> FetchRequest {
    let params = json!({
        "premium": true, "render": false, "session_number": 7, "country_code": "de",
        "device_type": "mobile", "api_key": "other", "url": "other", "max_cost": 1, "x": null,
    });
    FetchRequest {
        url: url.to_owned(),
        params: params.as_object().cloned().unwrap_or_default(),
        max_credits: 150,
        selectors: vec!["h1".to_owned()],
    }
}

#[track_caller]
fn sight(outcome: FetchOutcome) -> Sight {
    match outcome {
        FetchOutcome::Brought {
            brought: Brought::Page(sight),
            ..
        } => sight,
        other => panic!("no page: {other:?}"),
    }
}

#[track_caller]
fn nothing(outcome: FetchOutcome) -> (String, Option<i64>) {
    match outcome {
        FetchOutcome::Brought {
            brought: Brought::Nothing { why },
            credits,
        } => (why, credits),
        other => panic!("something: {other:?}"),
    }
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(body).unwrap();
    packed.finish().unwrap()
}

#[tokio::test]
async fn a_page_is_asked_for_with_its_url_the_parameters_and_a_limit() {
    let headers = "content-type: text/html\r\nsa-credit-cost: 10\r\n";
    let answer = http("200 OK", headers, "<title>Books</title><h1>A book</h1>");
    let server = TestServer::playing([Act::RawAnswer(answer)]).await;
    let client = fetching(&server.url);
    let request = page("https://a.example/ü?q=1&api_key=theirs+%2F#x");
    let outcome = client.fetch(&request).await;

    let expected = format!(
        "GET /?api_key={KEY_IN_QUERY}&url=https%3A%2F%2Fa.example%2F%C3%BC%3Fq%3D1%26api_key%3D\
         theirs%2B%252F%23x&premium=true&render=false&session_number=7&country_code=de&\
         device_type=mobile&max_cost=150 HTTP/1.1"
    );
    let sent = server.seen()[0].request_line().to_owned();
    let mut expected_pairs: Vec<_> = expected.split(['&', ' ', '?']).collect();
    let mut pairs: Vec<_> = sent.split(['&', ' ', '?']).collect();
    // The order of the parameters is nobody's business.
    expected_pairs.sort_unstable();
    pairs.sort_unstable();
    assert_eq!(pairs, expected_pairs);
    let head = server.seen()[0].head.to_lowercase();
    assert!(head.contains("accept: text/html,"), "{head}");
    assert!(
        !head.contains("application/json") && !head.contains("referer"),
        "{head}"
    );

    assert!(matches!(
        outcome,
        FetchOutcome::Brought {
            credits: Some(10),
            ..
        }
    ));
    let seen = sight(outcome);
    assert_eq!(
        (seen.title.as_str(), &seen.has_places[..]),
        ("Books", &[true][..])
    );
}

#[tokio::test]
async fn without_a_fetch_url_nothing_is_sent() {
    let server = TestServer::playing([]).await;
    let outcome = client(&server.url).fetch(&page("https://a.example/")).await;
    assert_eq!(nothing(outcome), ("no preflight.url".to_owned(), Some(0)));
    assert!(server.seen().is_empty());
}

#[test]
fn a_fetch_url_that_would_give_the_key_away_is_refused() {
    let error = Client::new(ClientConfig {
        fetch_url: "http://api.example.com/".parse().ok(),
        ..config(&"http://localhost".parse().unwrap())
    })
    .unwrap_err();
    let expected = "the fetch URL must be https, as its host is not a loopback address";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_bomb_and_an_endless_page_are_read_up_to_the_cap_and_looked_at() {
    let mut page_bytes = b"<title>Books</title><h1>A book</h1>".to_vec();
    page_bytes.resize(8 * READ_MAX_BYTES, b' ');
    let bomb = gzipped(&page_bytes);
    let length = bomb.len();
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n");
    let endless = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ntransfer-encoding: chunked\r\n\r\n\
                   23\r\n<title>Books</title><h1>A book</h1>\r\n";
    let chunk = "10000\r\n".to_owned() + &" ".repeat(0x10000) + "\r\n";
    let server = TestServer::playing([
        Act::AnswerAndClose([head.into_bytes(), bomb].concat()),
        Act::AnswerForEver(endless.into(), chunk.into_bytes()),
    ])
    .await;
    let client = fetching(&server.url);
    for _ in 0..2 {
        let seen = sight(client.fetch(&page("https://a.example/")).await);
        assert!(seen.is_cut);
        assert_eq!(
            (seen.title.as_str(), &seen.has_places[..]),
            ("Books", &[true][..])
        );
    }
}

#[tokio::test]
async fn a_slow_page_is_looked_at_as_far_as_it_came_in_time() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n<title>Books</title><h1>A".to_vec();
    let silent = b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n".to_vec();
    let server = TestServer::playing([Act::AnswerAndHang(head), Act::AnswerAndHang(silent)]).await;
    let client = Client::new(ClientConfig {
        request_timeout: Duration::from_secs(1),
        fetch_url: Some(server.url.clone()),
        ..config(&server.url)
    })
    .unwrap();
    let seen = sight(client.fetch(&page("https://a.example/")).await);
    assert!(seen.is_cut && seen.title == "Books");
    let outcome = client.fetch(&page("https://a.example/")).await;
    assert_eq!(
        nothing(outcome),
        ("the answer did not end in time".to_owned(), None)
    );
}

#[tokio::test]
async fn what_is_not_a_page_is_not_read() {
    // Its body never comes: who waits for it waits for ever.
    let image =
        b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 9999\r\n\r\n".to_vec();
    let server = TestServer::playing([Act::AnswerAndHang(image)]).await;
    let outcome = fetching(&server.url)
        .fetch(&page("https://a.example/1.png"))
        .await;
    assert!(!sight(outcome).is_html());
}

#[tokio::test]
async fn a_redirect_of_the_fetch_api_is_not_followed() {
    let elsewhere = TestServer::playing([]).await;
    let location = format!("location: {}x\r\n", elsewhere.url);
    let server = TestServer::playing([Act::RawAnswer(http("302 Found", &location, ""))]).await;
    let (why, _) = nothing(
        fetching(&server.url)
            .fetch(&page("https://a.example/"))
            .await,
    );
    assert!(why.starts_with("302"), "{why}");
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn many_pages_at_once_are_all_looked_at() {
    let answer = http("200 OK", "", "<title>Books</title><h1>A book</h1>");
    let server = TestServer::playing((0..12).map(|_| Act::RawAnswer(answer.clone()))).await;
    let client = fetching(&server.url);
    let request = page("https://a.example/");
    let all = futures_util::future::join_all((0..12).map(|_| client.fetch(&request))).await;
    assert!(
        all.into_iter()
            .all(|outcome| sight(outcome).title == "Books")
    );
}

#[tokio::test]
async fn the_key_is_in_no_log_at_trace_and_no_outcome_of_a_fetch() {
    let traced = Traced::begin();

    let echo = format!("bad {KEY} in ?api_key={KEY_IN_QUERY}");
    let html = format!("<title>{KEY}</title><p>{echo}");
    let cut = format!("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{echo}");
    let server = TestServer::playing([
        Act::RawAnswer(http("200 OK", "content-type: text/html\r\n", &html)),
        Act::RawAnswer(http(
            "200 OK",
            &format!("content-type: image/{KEY}\r\n"),
            "",
        )),
        Act::RawAnswer(http("500 Error", "", &echo)),
        Act::RawAnswer(http("401 Unauthorized", "", &echo)),
        Act::RawAnswer(http("302 Found", &format!("location: /{KEY}\r\n"), &echo)),
        Act::AnswerAndClose(cut.into_bytes()),
        Act::Reset,
    ])
    .await;
    let client = fetching(&server.url);
    let mut output = format!("{client:?}");
    for _ in 0..7 {
        output += &format!("{:?}\n", client.fetch(&page("https://a.example/")).await);
    }
    let refused = fetching(&refused_url().await);
    output += &format!("{:?}", refused.fetch(&page("https://a.example/")).await);
    let log = traced.end();

    assert!(output.contains("bad [key] in ?api_key=[key]"), "{output}");
    assert!(
        log.contains(r#"answered endpoint="fetch" http_status=500 elapsed_ms="#),
        "{log}"
    );
    assert!(
        log.contains(r#"broken off endpoint="fetch" elapsed_ms="#),
        "{log}"
    );
    assert!(
        log.contains(r#"not connected endpoint="fetch" elapsed_ms="#),
        "{log}"
    );
    for text in [&output, &log] {
        for part in ["SECRET", "secret", "/0123", "0123+", "%2F0123", "0123%2B"] {
            assert!(!text.contains(part), "{part}: {text}");
        }
    }
}

#[tokio::test]
async fn a_key_that_is_refused_is_not_a_page_that_is() {
    let text = "Unauthorized request, please make sure your API key is valid.";
    let server = TestServer::playing([Act::RawAnswer(http("401 Unauthorized", "", text))]).await;
    let outcome = fetching(&server.url)
        .fetch(&page("https://a.example/"))
        .await;
    assert!(matches!(
        outcome,
        FetchOutcome::Refused(Refusal::Unauthorized, _)
    ));
}
