use super::*;

fn account_of(reply: RawReply) -> AccountOutcome {
    account(reply, NOW, &Quoter::default())
}

#[test]
fn the_limit_less_the_count_is_left_and_never_less_than_nothing() {
    let table = [
        (
            r#"{"requestLimit":100000,"requestCount":40000}"#,
            Some(60_000),
        ),
        (
            r#"{"requestCount":0,"requestLimit":5000,"failedRequestCount":null,"burst":7}"#,
            Some(5000),
        ),
        (r#"{"requestLimit":5000,"requestCount":5001}"#, Some(0)),
        (
            r#"{"requestLimit":0,"requestCount":9223372036854775807}"#,
            Some(0),
        ),
        (r#"{"requestLimit":-5000,"requestCount":0}"#, None),
        (r#"{"requestLimit":5000,"requestCount":-1}"#, None),
        (r#"{"requestLimit":5000}"#, None),
        (r#"{"requestCount":5000}"#, None),
        (r#"{"requestLimit":null,"requestCount":1}"#, None),
        (r#"{"requestLimit":"many","requestCount":1}"#, None),
        (r#"{"requestLimit":1e30,"requestCount":1}"#, None),
        ("[]", None),
        ("", None),
        ("<html>", None),
    ];
    for (body, left) in table {
        let expected = left.map(|credits| AccountOutcome::Left { credits });
        match (account_of(answer(200, body)), expected) {
            (found, Some(expected)) => assert_eq!(found, expected, "{body}"),
            (AccountOutcome::Unknown(words), None) => assert_eq!(words.status, Some(200)),
            (found, None) => panic!("{body}: {found:?}"),
        }
    }
    let half = ended(200, r#"{"requestLimit":5000,"requ"#, cut());
    assert!(matches!(account_of(half), AccountOutcome::Unknown(_)));
}

#[test]
fn every_other_answer_of_an_account_page_is_no_news() {
    let good = r#"{"requestLimit":5000,"requestCount":0}"#;
    for status in 100..1000 {
        let found = match account_of(answer(status, good)) {
            AccountOutcome::Left { .. } => "left",
            AccountOutcome::Refused(Refusal::Unauthorized, _) => "unauthorized",
            AccountOutcome::Refused(Refusal::Credits | Refusal::AccountLimit, _) => "credits",
            AccountOutcome::Refused(Refusal::Throttled { .. }, _) => "throttled",
            AccountOutcome::Unknown(_) => "unknown",
        };
        let expected = match status {
            200..=299 => "left",
            401 => "unauthorized",
            402 | 403 => "credits",
            429 => "throttled",
            _ => "unknown",
        };
        assert_eq!(found, expected, "{status}");
    }
    for fault in faults() {
        assert!(matches!(account_of(Err(fault)), AccountOutcome::Unknown(_)));
    }
}
