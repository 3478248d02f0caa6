//! A PATCH and a DELETE as they are sent.

use std::collections::HashSet;

use super::server::{Act, TestServer, http, refused_url};
use super::*;
use crate::core::outcome::ChangeOutcome;

const RENAME: &str = r#"{"rename_fields":[{"name":"a", "new_name":"b"}]}"#;

fn patch(body: &str) -> PatchRequest {
    PatchRequest {
        parser_id: id("p1"),
        base_version: 3,
        body: RawValue::from_string(body.to_owned()).unwrap(),
        not_after: None,
    }
}

fn done(version: Option<i64>) -> ChangeOutcome {
    ChangeOutcome::Done { version }
}

#[tokio::test]
async fn a_change_names_its_base_and_has_the_key_in_its_body() {
    let answer = http("202 Accepted", "", r#"{"id":"p1","version":4}"#);
    let server = TestServer::playing([Act::RawAnswer(answer)]).await;
    let change = r#" { "remove_fields": ["x"], "add_fields" : [ {"name": "é"} ],
        "modify_fields": null }"#;
    let base_url = server.url.join("/some/prefix/").unwrap();
    let outcome = client(&base_url).change(&patch(change)).await;
    assert_eq!(outcome, done(Some(4)));

    let [seen] = server.seen().try_into().unwrap();
    let expected = "PATCH /some/prefix/parsers/p1/3 HTTP/1.1";
    assert_eq!(seen.request_line(), expected);
    let body =
        format!(r#"{{"api_key":"{KEY}","add_fields":[ {{"name": "é"}} ],"remove_fields":["x"]}}"#);
    assert_eq!(seen.body, body);
    let head = seen.head.to_lowercase();
    assert!(head.contains("content-type: application/json\r\n"));
    assert!(!head.contains("referer") && !head.contains("secret"));
}

#[tokio::test]
async fn what_is_not_a_change_is_not_sent() {
    let server = TestServer::playing([]).await;
    let client = client(&server.url);
    for body in [
        r#"{"api_key":"other","add_fields":[]}"#,
        r#"{"fields":[]}"#,
        r#"{"add_fields":[],"add_fields":[]}"#,
        "[]",
        "null",
    ] {
        match client.change(&patch(body)).await {
            ChangeOutcome::Rejected(words) => {
                assert_eq!(words.status, None);
                assert!(words.message.starts_with("not sent"), "{words:?}");
            }
            other => panic!("{body}: {other:?}"),
        }
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_delete_has_the_key_in_its_query_and_any_2xx_does_it() {
    let acts = [
        Act::RawAnswer(http("204 No Content", "", "")),
        Act::RawAnswer(http("200 OK", "", "<html>")),
        Act::RawAnswer(http("404 Not Found", "", "gone")),
    ];
    let server = TestServer::playing(acts).await;
    let client = client(&server.url);
    assert_eq!(client.delete(&id("a/b")).await, done(None));
    assert_eq!(client.delete(&id("a/b")).await, done(None));
    let outcome = client.delete(&id("a/b")).await;
    assert_eq!(outcome.as_str(), "not_found", "{outcome:?}");
    assert_eq!(server.seen().len(), 3);
    for seen in server.seen() {
        let expected = format!("DELETE /parsers/a%2Fb?api_key={KEY_IN_QUERY} HTTP/1.1");
        assert_eq!(seen.request_line(), expected);
        assert_eq!(seen.body, "");
    }
}

#[tokio::test]
async fn a_description_is_of_the_version_that_was_asked_for() {
    let body = r#"{"status":"FINISHED","version":2,"fields":[{"name":"a"}]}"#;
    let acts = [0, 1].map(|_| Act::RawAnswer(http("200 OK", "", body)));
    let server = TestServer::playing(acts).await;
    let client = client(&server.url);
    for version in [Some(2), None] {
        let told = client.describe(&id("p1"), version).await;
        assert_eq!(told.version, Some(2));
        assert_eq!(told.fields.unwrap().get(), r#"[{"name":"a"}]"#);
    }
    for (seen, path) in server.seen().iter().zip(["p1/2", "p1"]) {
        let expected = format!("GET /parsers/{path}?api_key={KEY_IN_QUERY} HTTP/1.1");
        assert_eq!(seen.request_line(), expected);
    }
}

#[tokio::test]
async fn a_parser_that_cannot_be_part_of_a_path_is_neither_changed_nor_deleted() {
    let server = TestServer::playing([]).await;
    let client = client(&server.url);
    for text in ["", ".", ".."] {
        let request = PatchRequest {
            parser_id: id(text),
            ..patch(RENAME)
        };
        let changed = client.change(&request).await;
        let deleted = client.delete(&id(text)).await;
        for outcome in [changed, deleted] {
            match outcome {
                ChangeOutcome::NotFound(words) => assert_eq!(words.status, None),
                other => panic!("{text}: {other:?}"),
            }
        }
        let told = client.describe(&id(text), Some(1)).await;
        assert!(matches!(told.outcome, PollOutcome::NotFound(_)));
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_change_and_a_delete_are_sent_once_whatever_happens_to_their_answers() {
    for is_delete in [false, true] {
        for act in [
            Act::Reset,
            Act::AnswerAndClose(Vec::new()),
            Act::AnswerAndClose(b"HTTP/1.1 202 Acc".to_vec()),
            Act::RawAnswer(http("408 Request Timeout", "", "")),
            Act::RawAnswer(http("307 Temporary", "location: /x\r\n", "")),
        ] {
            let server = TestServer::playing([act]).await;
            let client = client(&server.url);
            let outcome = if is_delete {
                client.delete(&id("p1")).await
            } else {
                client.change(&patch(RENAME)).await
            };
            let is_lost = matches!(
                outcome,
                ChangeOutcome::InDoubt(DoubtCause::AnswerLost, ref words)
                    if words.message.len() > 3
            );
            assert!(is_lost, "{outcome:?}");
            assert_eq!(server.seen().len(), 1);
        }
    }
}

#[tokio::test]
async fn neither_goes_over_a_connection_that_was_used_before() {
    let listed = || Act::RawAnswer(http("200 OK", "", "[]"));
    let changed = || Act::RawAnswer(http("200 OK", "", r#"{"version":4}"#));
    let deleted = || Act::RawAnswer(http("204 No Content", "", ""));
    let acts = [
        listed(),
        changed(),
        deleted(),
        listed(),
        changed(),
        deleted(),
    ];
    let server = TestServer::playing(acts).await;
    let client = client(&server.url);
    for _ in 0..2 {
        client.list().await;
        assert_eq!(client.change(&patch(RENAME)).await, done(Some(4)));
        assert_eq!(client.delete(&id("p1")).await, done(None));
    }
    let seen = server.seen();
    let writes: Vec<_> = seen
        .iter()
        .filter(|seen| !seen.head.starts_with("GET "))
        .map(|seen| seen.connection)
        .collect();
    assert_eq!(writes.len(), 4);
    assert_eq!(writes.iter().collect::<HashSet<_>>().len(), 4);
    let lists = seen.iter().filter(|seen| seen.head.starts_with("GET "));
    assert!(
        lists
            .into_iter()
            .all(|list| !writes.contains(&list.connection))
    );
}

#[tokio::test]
async fn a_change_whose_time_is_over_and_one_that_did_not_connect_changed_nothing() {
    let server = TestServer::playing([]).await;
    let late = PatchRequest {
        not_after: Some(lasting_ms() - 1),
        ..patch(RENAME)
    };
    let refused = client(&refused_url().await);
    for (outcome, word) in [
        (client(&server.url).change(&late).await, "withheld"),
        (refused.change(&patch(RENAME)).await, "efused (os error"),
        (refused.delete(&id("p1")).await, "efused (os error"),
    ] {
        match outcome {
            ChangeOutcome::NotSent(words) => assert!(words.message.contains(word), "{words:?}"),
            other => panic!("{word}: {other:?}"),
        }
    }
    assert!(server.seen().is_empty());
}
