mod server;

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use serde_json::value::RawValue;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::server::{Act, Server, http, refused_url};
use super::*;
use crate::api::types::{DoubtCause, Refusal};

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

/// A client whose requests may take a second.
fn hasty(base_url: &Url) -> Client {
    Client::new(ClientConfig {
        request_timeout: Duration::from_secs(1),
        ..config(base_url)
    })
    .unwrap()
}

fn request() -> CreateRequest {
    CreateRequest {
        name: "books_pd_abcdefgh".to_owned(),
        urls: vec!["https://books.toscrape.com/".to_owned()],
        scraper_params: None,
        fields: None,
    }
}

fn id(text: &str) -> ParserId {
    ParserId(text.to_owned())
}

async fn create_against(act: Act) -> CreateOutcome {
    let server = Server::playing([act]).await;
    client(&server.url).create(&request()).await
}

/// The words of a create whose answer was lost.
#[track_caller]
fn lost(outcome: CreateOutcome) -> Words {
    match outcome {
        CreateOutcome::InDoubt(DoubtCause::AnswerLost, words) => words,
        other => panic!("not a lost answer: {other:?}"),
    }
}

#[track_caller]
fn not_sent(outcome: CreateOutcome) -> String {
    match outcome {
        CreateOutcome::NotSent(words) => words.message,
        other => panic!("not known to be unsent: {other:?}"),
    }
}

#[tokio::test]
async fn a_create_posts_the_specification_with_the_key_in_its_body() {
    let created = http("201 Created", "", r#"{"id":"p1","version":0}"#);
    let server = Server::playing([Act::Answer(created)]).await;
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
    let server = Server::playing([
        Act::Answer(http("200 OK", "", r#"{"status":"FINISHED"}"#)),
        Act::Answer(http("200 OK", "", r#"[{"id":"p1","name":"n"}]"#)),
    ])
    .await;
    let client = client(&server.url);
    let details = client.details(&id("p1")).await;
    assert!(matches!(details, PollOutcome::Finished(_)));
    let list = client.list().await;
    assert!(matches!(list, ListOutcome::Listed(listed) if listed.len() == 1));

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
    let acts = ids.map(|_| Act::Answer(http("404 Not Found", "", "gone")));
    let server = Server::playing(acts).await;
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
    let server = Server::playing([]).await;
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
async fn a_redirect_is_not_followed_and_no_referer_is_ever_sent() {
    let elsewhere = Server::playing([]).await;
    let location = format!("location: {}x\r\n", elsewhere.url);
    for status in [
        "301 Moved",
        "302 Found",
        "303 Other",
        "307 Temporary",
        "308 Permanent",
    ] {
        let redirect = || Act::Answer(http(status, &location, ""));
        let server = Server::playing([redirect(), redirect(), redirect()]).await;
        let client = client(&server.url);
        let words = lost(client.create(&request()).await);
        assert_eq!(words.status, status[..3].parse().ok());
        let details = client.details(&id("p1")).await;
        assert!(matches!(details, PollOutcome::Trouble(_)), "{details:?}");
        let list = client.list().await;
        assert!(matches!(list, ListOutcome::Trouble(_)), "{list:?}");

        let seen = server.seen();
        assert_eq!(seen.len(), 3);
        for seen in seen {
            assert!(!seen.head.to_lowercase().contains("referer"));
        }
    }
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn no_create_goes_over_a_connection_that_was_used_before() {
    let created = || Act::Answer(http("201 Created", "", r#"{"id":"p1"}"#));
    let listed = || Act::Answer(http("200 OK", "", "[]"));
    let acts = [
        listed(),
        created(),
        listed(),
        created(),
        listed(),
        created(),
    ];
    let server = Server::playing(acts).await;
    let client = client(&server.url);
    for _ in 0..3 {
        client.list().await;
        client.create(&request()).await;
    }

    let seen = server.seen();
    let creates = seen.iter().filter(|seen| !seen.body.is_empty());
    for create in creates.clone() {
        let shared = |other: &&server::Seen| other.connection == create.connection;
        assert_eq!(seen.iter().filter(shared).count(), 1);
    }
    assert_eq!(creates.count(), 3);
}

#[tokio::test]
async fn a_create_is_sent_once_whatever_happens_to_its_answer() {
    for act in [
        Act::Reset,
        Act::AnswerAndClose(Vec::new()),
        Act::AnswerAndClose(b"HTTP/1.1 201 Cre".to_vec()),
        Act::AnswerAndClose(b"SSH-2.0-OpenSSH\r\n".to_vec()),
        Act::AnswerAndClose(b"HTTP/1.1 201 Created\r\ncontent-length: 99\r\n\r\n{\"id\":".to_vec()),
        Act::Answer(http("204 No Content", "", "")),
        Act::Answer(http("408 Request Timeout", "", "")),
    ] {
        let server = Server::playing([act]).await;
        lost(client(&server.url).create(&request()).await);
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_create_that_breaks_while_its_body_is_sent_is_in_doubt() {
    let server = Server::playing([Act::ResetDuringBody]).await;
    let request = CreateRequest {
        // More than the socket buffers take in.
        urls: vec!["x".repeat(32 * 1024 * 1024)],
        ..request()
    };
    let words = lost(client(&server.url).create(&request).await);
    assert_eq!(words.status, None);
    assert!(
        words.message.starts_with("error sending request"),
        "{words:?}"
    );
}

#[tokio::test]
async fn an_answer_before_the_body_was_sent_still_counts() {
    let early = http("413 Payload Too Large", "connection: close\r\n", "too big");
    let outcome = create_against(Act::Answer(early)).await;
    assert!(matches!(outcome, CreateOutcome::Rejected(words) if words.message == "too big"));
}

#[tokio::test]
async fn a_cut_body_leaves_the_meaning_of_the_status_line() {
    let cut = |status: &str, body: &str| {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: 9999\r\n\r\n{body}");
        Act::AnswerAndClose(head.into_bytes())
    };
    let outcome = create_against(cut("500 Error", "extraction fai")).await;
    match outcome {
        CreateOutcome::InDoubt(DoubtCause::ServiceError, words) => {
            assert_eq!(words.message, "extraction fai… [cut]");
        }
        other => panic!("{other:?}"),
    }
    let outcome = create_against(cut("400 Bad Request", "urls")).await;
    assert!(matches!(outcome, CreateOutcome::Rejected(_)), "{outcome:?}");
    let outcome = create_against(cut("401 Unauthorized", "")).await;
    assert!(matches!(
        outcome,
        CreateOutcome::Refused(Refusal::Unauthorized, _)
    ));
    let outcome = create_against(cut("201 Created", r#"{"id":"p1"}"#)).await;
    assert!(
        matches!(outcome, CreateOutcome::Created { .. }),
        "{outcome:?}"
    );

    let words = lost(create_against(cut("201 Created", r#"{"id":"p"#)).await);
    assert!(
        words
            .message
            .starts_with("the answer was cut (error decoding"),
        "{words:?}"
    );
}

#[tokio::test]
async fn a_content_length_that_is_too_short_makes_an_answer_unreadable() {
    let short = b"HTTP/1.1 201 Created\r\ncontent-length: 7\r\n\r\n{\"id\":\"p1\"}".to_vec();
    let words = lost(create_against(Act::AnswerAndClose(short)).await);
    assert!(words.message.contains("cannot be read"), "{words:?}");
}

#[tokio::test]
async fn retry_after_is_read_from_the_headers() {
    let throttled = http("429 Too Many", "retry-after: 7\r\n", "slow down");
    let outcome = create_against(Act::Answer(throttled)).await;
    let expected = Refusal::Throttled {
        retry_after_ms: Some(7_000),
    };
    assert!(matches!(outcome, CreateOutcome::Refused(refusal, _) if refusal == expected));
}

#[tokio::test]
async fn silence_ends_at_the_total_timeout_as_in_doubt() {
    let server = Server::playing([Act::AnswerAndHang(Vec::new())]).await;
    let words = lost(hasty(&server.url).create(&request()).await);
    assert_eq!(words.status, None);
    assert_eq!(words.message, "error sending request: operation timed out");
}

#[tokio::test]
async fn a_body_that_does_not_end_is_ended_by_the_total_timeout() {
    let head = b"HTTP/1.1 201 Created\r\ncontent-length: 9999\r\n\r\n{".to_vec();
    let server = Server::playing([Act::AnswerAndHang(head)]).await;
    let words = lost(hasty(&server.url).create(&request()).await);
    assert_eq!(words.status, Some(201));
    assert_eq!(words.message, "the answer did not end in time: {… [cut]");
}

#[tokio::test]
async fn an_endless_body_is_read_up_to_the_cap() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = "1000\r\n".to_owned() + &"[".repeat(0x1000) + "\r\n";
    let endless = |head: &str| Act::AnswerForEver(head.into(), chunk.clone().into_bytes());
    let error = head.replace("200 OK", "500 Error");
    let acts = [endless(head), endless(head), endless(head), endless(&error)];
    let server = Server::playing(acts).await;
    let client = client(&server.url);

    let words = lost(client.create(&request()).await);
    assert!(
        words
            .message
            .starts_with("the answer is longer than 262144 bytes: [[[")
    );
    match client.details(&id("p1")).await {
        PollOutcome::Trouble(words) => assert!(words.message.contains("than 262144 bytes")),
        other => panic!("{other:?}"),
    }
    match client.list().await {
        ListOutcome::Trouble(words) => assert!(words.message.contains("than 4194304 bytes")),
        other => panic!("{other:?}"),
    }
    let outcome = client.create(&request()).await;
    assert!(matches!(
        outcome,
        CreateOutcome::InDoubt(DoubtCause::ServiceError, _)
    ));
}

#[tokio::test]
async fn a_gzip_bomb_is_read_up_to_the_cap() {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b'['; 64 * 1024 * 1024]).unwrap();
    let bomb = bomb.finish().unwrap();
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        bomb.len()
    )
    .into_bytes();
    answer.extend_from_slice(&bomb);
    assert!(answer.len() < 128 * 1024);
    let words = lost(create_against(Act::Answer(answer)).await);
    assert!(
        words
            .message
            .starts_with("the answer is longer than 262144 bytes"),
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
    client.creating = builder.build().unwrap();
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
        let server = Server::playing([Act::AnswerAndClose(http(status, "", ""))]).await;
        let client = trusting_nobody(&server.url, Some(&server.url));
        not_sent(client.create(&request()).await);
        let [seen] = server.seen().try_into().unwrap();
        assert_eq!(seen.request_line(), "CONNECT service.invalid:443 HTTP/1.1");
    }
}

#[tokio::test]
async fn an_unknown_host_is_known_to_have_sent_nothing() {
    let mut client = trusting_nobody(&refused_url().await, None);
    client.base_url = "https://service.invalid".parse().unwrap();
    not_sent(client.create(&request()).await);
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
            "the base URL must carry no user and no password",
        ),
        (
            "https://example.com/?api_key=x",
            "the base URL must carry no query and no fragment",
        ),
        (
            "https://example.com/#x",
            "the base URL must carry no query and no fragment",
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

#[tokio::test]
async fn a_client_with_an_encrypted_base_url_refuses_any_other() {
    let server = Server::playing([]).await;
    let mut client = trusting_nobody(&server.url, None);
    client.base_url = server.url.clone();
    not_sent(client.create(&request()).await);
    assert!(server.seen().is_empty());
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
struct Captured(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_key_is_in_no_log_at_trace_no_outcome_and_no_debug() {
    let captured = Captured::default();
    let writer = captured.clone();
    let guard = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish()
        .set_default();

    let echo = format!("bad {KEY} in ?api_key={KEY_IN_QUERY}");
    let error = || Act::Answer(http("500 Error", "", &echo));
    let failed = format!(r#"{{"status":"FAILED","error":"{echo}"}}"#);
    let server = Server::playing([
        error(),
        error(),
        error(),
        Act::Answer(http("200 OK", "", &failed)),
        Act::Reset,
        Act::Reset,
        Act::Answer(http("307 Temporary", "location: /x\r\n", "")),
    ])
    .await;
    let client = client(&server.url);
    let mut told = format!("{client:?} {:?}", config(&server.url));
    told += &format!("{:?}", client.create(&request()).await);
    told += &format!("{:?}", client.details(&id("p1")).await);
    told += &format!("{:?}", client.list().await);
    told += &format!("{:?}", client.details(&id("p1")).await);
    told += &format!("{:?}", client.details(&id("p1")).await);
    told += &format!("{:?}", client.create(&request()).await);
    told += &format!("{:?}", client.details(&id(KEY)).await);
    let refused = self::client(&refused_url().await);
    told += &format!("{:?}", refused.list().await);
    drop(guard);

    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
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
    for text in [&told, &log] {
        assert!(!text.contains("SECRET") && !text.contains("0123"), "{text}");
    }
    assert_eq!(told.matches("bad [key] in ?api_key=[key]").count(), 4);
    if std::env::var_os("SHOW_LOG").is_some() {
        eprintln!("{log}");
    }
}
