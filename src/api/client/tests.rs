mod answers;
mod change;
mod connections;
mod fetch;
mod secrecy;
mod server;

use serde_json::value::RawValue;

use self::server::{Act, TestServer, http};
use super::*;
use crate::core::outcome::DoubtCause;

const KEY: &str = "SECRET/0123+456";
/// The key as a query carries it.
const KEY_IN_QUERY: &str = "SECRET%2F0123%2B456";

fn config(base_url: &Url) -> ClientConfig {
    ClientConfig {
        max_body_bytes: 256 * 1024,
        ..ClientConfig::new(base_url.clone(), SecretString::from(KEY))
    }
}

fn client(base_url: &Url) -> Client {
    Client::new(config(base_url)).unwrap()
}

fn request() -> CreateRequest {
    CreateRequest {
        name: "books_pd_abcdefgh".to_owned(),
        urls: vec!["https://books.toscrape.com/".to_owned()],
        scraper_params: None,
        fields: None,
        not_after: None,
    }
}

/// A request that no socket's buffers take in whole.
fn large_request() -> CreateRequest {
    CreateRequest {
        urls: vec!["x".repeat(32 * 1024 * 1024)],
        ..request()
    }
}

fn id(text: &str) -> ParserId {
    ParserId(text.to_owned())
}

/// The words of a create whose answer was lost.
#[track_caller]
fn lost(outcome: CreateOutcome) -> ErrorDetail {
    match outcome {
        CreateOutcome::InDoubt(DoubtCause::AnswerLost, words) => words,
        other => panic!("not a lost answer: {other:?}"),
    }
}

#[tokio::test]
async fn a_create_posts_the_specification_with_the_key_in_its_body() {
    let created = http("201 Created", "", r#"{"id":"p1","version":0}"#);
    let server = TestServer::playing([Act::RawAnswer(created)]).await;
    let raw = |json: &str| RawValue::from_string(json.to_owned()).ok();
    let request = CreateRequest {
        scraper_params: raw(r#"{"render": true}"#),
        fields: raw("[]"),
        ..request()
    };
    let base_url = server.url.join("/some/prefix/").unwrap();
    let outcome = client(&base_url).create(&request).await;

    let expected = CreateOutcome::Created {
        parser_id: id("p1"),
        version: Some(0),
    };
    assert_eq!(outcome, expected);
    let [seen] = server.seen().try_into().unwrap();
    assert_eq!(seen.request_line(), "POST /some/prefix/parsers HTTP/1.1");
    let body = format!(
        r#"{{"api_key":"{KEY}","name":"books_pd_abcdefgh","urls":["https://books.toscrape.com/"],"scraper_params":{{"render": true}},"fields":[]}}"#
    );
    assert_eq!(seen.body, body);
    let head = seen.head.to_lowercase();
    assert!(head.contains("content-type: application/json\r\n"));
    assert!(head.contains("accept: application/json\r\n"));
    assert!(head.contains(&format!(
        "user-agent: parserd/{}\r\n",
        env!("CARGO_PKG_VERSION")
    )));
    assert!(!head.contains("referer") && !head.contains("secret"));
}

#[tokio::test]
async fn a_poll_and_a_list_carry_the_key_in_the_query() {
    let server = TestServer::playing([
        Act::RawAnswer(http("200 OK", "", r#"{"status":"FINISHED"}"#)),
        Act::RawAnswer(http("200 OK", "", r#"[{"id":"p1","name":"n"}]"#)),
    ])
    .await;
    let client = client(&server.url);
    let details = client.details(&id("p1")).await;
    assert!(matches!(details, PollOutcome::Finished(_)));
    let list = client.list().await;
    assert!(matches!(list, ListOutcome::Listed(listed, _) if listed.len() == 1));

    let [details, list] = server.seen().try_into().unwrap();
    let expected = format!("GET /parsers/p1?api_key={KEY_IN_QUERY} HTTP/1.1");
    assert_eq!(details.request_line(), expected);
    let expected = format!("GET /parsers?api_key={KEY_IN_QUERY} HTTP/1.1");
    assert_eq!(list.request_line(), expected);
}

#[tokio::test]
async fn an_id_is_one_segment_of_the_path_whatever_it_holds() {
    let ids = [
        ("a/b", "a%2Fb"),
        ("../x", "..%2Fx"),
        ("%2e%2e", "%252e%252e"),
        ("a?b#c", "a%3Fb%23c"),
        (".\n.", ".%0A."),
        ("...", "..."),
        ("é \\", "%C3%A9%20%5C"),
    ];
    let acts = ids.map(|_| Act::RawAnswer(http("404 Not Found", "", "gone")));
    let server = TestServer::playing(acts).await;
    let client = client(&server.url);
    for (text, _) in ids {
        let outcome = client.details(&id(text)).await;
        assert!(matches!(outcome, PollOutcome::NotFound(_)), "{outcome:?}");
    }
    for (seen, (_, segment)) in server.seen().iter().zip(ids) {
        let expected = format!("GET /parsers/{segment}?api_key={KEY_IN_QUERY} HTTP/1.1");
        assert_eq!(seen.request_line(), expected);
    }
}

#[tokio::test]
async fn an_id_that_would_lead_to_another_path_is_not_asked_for() {
    let server = TestServer::playing([]).await;
    let client = client(&server.url);
    for text in ["", ".", ".."] {
        match client.details(&id(text)).await {
            PollOutcome::NotFound(words) => assert_eq!(words.status, None),
            other => panic!("{text}: {other:?}"),
        }
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn an_account_page_is_asked_with_the_key_that_no_word_of_it_repeats() {
    let page = r#"{"requestLimit":9,"requestCount":2}"#;
    let echo = format!("no page for {KEY} ?api_key={KEY_IN_QUERY}");
    let server = TestServer::playing([
        Act::RawAnswer(http("200 OK", "", page)),
        Act::RawAnswer(http("404 Not Found", "", &echo)),
    ])
    .await;
    let nowhere = client(&server.url).account().await;
    assert_eq!(nowhere, None, "not known where to look");
    let client = Client::new(ClientConfig {
        account_url: server.url.join("/some/account").ok(),
        ..config(&server.url)
    })
    .unwrap();
    let left = client.account().await;
    assert_eq!(left, Some(AccountOutcome::Left { credits: 7 }));
    let output = format!("{:?} {client:?}", client.account().await);
    assert!(
        output.contains("404") && !output.contains("SECRET"),
        "{output}"
    );
    let expected = format!("GET /some/account?api_key={KEY_IN_QUERY} HTTP/1.1");
    for seen in server.seen() {
        assert_eq!(seen.request_line(), expected);
    }
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn an_account_url_must_be_encrypted_and_says_nothing_of_itself() {
    let base_url: Url = "https://example.com".parse().unwrap();
    for url in [
        "http://example.com/account",
        "https://u:SECRET@example.com",
        "https://a.b/?x=SECRET",
    ] {
        let error = Client::new(ClientConfig {
            account_url: url.parse().ok(),
            ..config(&base_url)
        })
        .unwrap_err();
        assert!(matches!(error, ClientError::AccountUrl(_)), "{error}");
        assert!(!error.to_string().contains("SECRET"));
    }
}
