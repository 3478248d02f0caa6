//! Answers that are late, cut, endless or lie about their length.

use std::io::Write as _;
use std::time::Duration;

use super::server::{Act, TestServer, http};
use super::*;
use crate::core::outcome::Refusal;

/// A client whose requests may take a second.
fn hasty(base_url: &Url) -> Client {
    Client::new(ClientConfig {
        request_timeout: Duration::from_secs(1),
        ..config(base_url)
    })
    .unwrap()
}

async fn create_against(act: Act) -> CreateOutcome {
    let server = TestServer::playing([act]).await;
    client(&server.url).create(&request()).await
}

#[tokio::test]
async fn an_answer_before_the_whole_body_was_sent_counts() {
    let early = http("413 Payload Too Large", "", "too big");
    let server = TestServer::playing([Act::AnswerDuringBody(early)]).await;
    let outcome = client(&server.url).create(&large_request()).await;
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
    let outcome = create_against(Act::RawAnswer(throttled)).await;
    let expected = Refusal::Throttled {
        retry_after_ms: Some(7_000),
    };
    assert!(matches!(outcome, CreateOutcome::Refused(refusal, _) if refusal == expected));
}

#[tokio::test]
async fn a_list_with_a_link_to_another_page_says_so() {
    for (header, expected) in [
        ("", false),
        ("Link: </parsers?page=2>; rel=\"next\"\r\n", true),
        ("link: <x>; title=a, </parsers?page=9>; REL=last\r\n", true),
        ("Link: <x>; rel=\"preload next\"\r\n", true),
        ("Link: </next>; rel=preconnect\r\n", false),
        (
            "Link: </style.css>; rel=preload; as=style\r\nLink: <x>; rel=next\r\n",
            true,
        ),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{header}\r\n[]");
        let server = TestServer::playing([Act::RawAnswer(answer.into_bytes())]).await;
        match hasty(&server.url).list().await {
            ListOutcome::Listed(_, flaws) => assert_eq!(flaws.is_linked, expected, "{header}"),
            other => panic!("{header}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn silence_ends_at_the_total_timeout_as_in_doubt() {
    let server = TestServer::playing([Act::AnswerAndHang(Vec::new())]).await;
    let words = lost(hasty(&server.url).create(&request()).await);
    assert_eq!(words.status, None);
    assert_eq!(words.message, "error sending request: operation timed out");
}

#[tokio::test]
async fn a_body_that_does_not_end_is_ended_by_the_total_timeout() {
    let head = b"HTTP/1.1 201 Created\r\ncontent-length: 9999\r\n\r\n{".to_vec();
    let server = TestServer::playing([Act::AnswerAndHang(head)]).await;
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
    let server = TestServer::playing(acts).await;
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
        // Of an item without an end no more is kept than of any other.
        ListOutcome::Trouble(words) => assert!(words.message.contains("is longer than")),
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
    let words = lost(create_against(Act::RawAnswer(answer)).await);
    assert!(
        words
            .message
            .starts_with("the answer is longer than 262144 bytes"),
        "{words:?}"
    );
}
