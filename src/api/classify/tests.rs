mod account;
mod change;
mod reading;

use secrecy::SecretString;

use super::*;
use crate::api::text::{CAP_BYTES, CUT_MARK};
use crate::core::outcome::{CreateOutcome, DoubtCause};

const NOW: UnixMs = 1_700_000_000_000; // Tue, 14 Nov 2023 22:13:20 GMT

fn answer(status: u16, body: &str) -> RawReply {
    ended(status, body, BodyEnd::Complete)
}

fn ended(status: u16, body: &str, end: BodyEnd) -> RawReply {
    Ok(RawAnswer {
        status,
        retry_after: None,
        body: Body {
            bytes: body.as_bytes().to_vec(),
            end,
        },
    })
}

fn cut() -> BodyEnd {
    BodyEnd::Cut("connection reset".to_owned())
}

fn create_of(reply: RawReply) -> CreateOutcome {
    create(reply, NOW, &Quoter::default())
}

fn faults() -> [TransportFault; 3] {
    [
        TransportFault::NotConnected("refused".to_owned()),
        TransportFault::TimedOut("late".to_owned()),
        TransportFault::Broken("reset".to_owned()),
    ]
}

fn id_of(outcome: CreateOutcome) -> Option<String> {
    match outcome {
        CreateOutcome::Created { parser_id, .. } => Some(parser_id.0),
        CreateOutcome::InDoubt(DoubtCause::AnswerLost, _) => None,
        other => panic!("neither created nor lost: {other:?}"),
    }
}

#[test]
fn every_status_of_a_create_has_the_outcome_of_the_table() {
    for status in 100..1000 {
        for end in [
            BodyEnd::Complete,
            cut(),
            BodyEnd::OverCap(9),
            BodyEnd::TimedOut,
        ] {
            let outcome = create_of(ended(status, "no json", end));
            let expected = match status {
                400 | 404 | 405 | 409 | 410 | 413 | 415 | 422 => "rejected",
                401 => "unauthorized",
                402 | 403 => "credits",
                429 => "throttled",
                500 => "service error",
                _ => "lost",
            };
            let found = match &outcome {
                CreateOutcome::Rejected(_) => "rejected",
                CreateOutcome::Refused(Refusal::Unauthorized, _) => "unauthorized",
                CreateOutcome::Refused(Refusal::Credits | Refusal::AccountLimit, _) => "credits",
                CreateOutcome::Refused(Refusal::Throttled { .. }, _) => "throttled",
                CreateOutcome::InDoubt(DoubtCause::ServiceError, _) => "service error",
                CreateOutcome::InDoubt(DoubtCause::AnswerLost, _) => "lost",
                CreateOutcome::NotSent(_) => "not sent",
                CreateOutcome::Created { .. } => "created",
                CreateOutcome::Unavailable { .. } => "unavailable",
            };
            assert_eq!(found, expected, "{status}");
            let (CreateOutcome::Rejected(words)
            | CreateOutcome::Refused(_, words)
            | CreateOutcome::InDoubt(_, words)) = outcome
            else {
                panic!("{status} has no words");
            };
            assert_eq!(words.status, Some(status));
            assert!(words.message.contains("no json"), "{words:?}");
        }
    }
}

#[test]
fn a_create_that_got_no_answer_is_in_doubt_unless_it_never_connected() {
    let found = faults().map(|fault| create_of(Err(fault)));
    let words = |text: &str| ErrorDetail {
        status: None,
        message: text.to_owned(),
    };
    assert_eq!(
        found,
        [
            CreateOutcome::NotSent(words("refused")),
            CreateOutcome::InDoubt(DoubtCause::AnswerLost, words("late")),
            CreateOutcome::InDoubt(DoubtCause::AnswerLost, words("reset")),
        ]
    );
}

#[test]
fn any_2xx_with_an_id_is_a_created_parser() {
    for status in 200..300 {
        let outcome = create_of(answer(status, r#"{"id": "p1", "version": 0, "x": [{}]}"#));
        let expected = CreateOutcome::Created {
            parser_id: ParserId("p1".to_owned()),
            version: Some(0),
        };
        assert_eq!(outcome, expected, "{status}");
    }
}

#[test]
fn an_id_is_a_string_or_a_number_and_otherwise_missing() {
    for (body, id) in [
        (r#"{"id":"9c0f-é/.. x"}"#, Some("9c0f-é/.. x")),
        (r#"{"id":"a\u002fb"}"#, Some("a/b")),
        (
            r#"{"id":12345678901234567890123}"#,
            Some("12345678901234567890123"),
        ),
        (r#"{"id":0}"#, Some("0")),
        (r#" {"version":1,"id":"late"} "#, Some("late")),
        (r#"{"id":"a\nb"}"#, None),
        (r#"{"id":"a\u001b[2J"}"#, None),
        (r#"{"id":"a\u202eb"}"#, None),
        (r#"{"id":""}"#, None),
        (r#"{"id":"  "}"#, None),
        (r#"{"id":null}"#, None),
        (r#"{"id":true}"#, None),
        (r#"{"id":["p1"]}"#, None),
        (r#"{"version":0}"#, None),
        (r#"{"parser":{"id":"p1"}}"#, None),
        (r#"["p1",0]"#, None),
        (r#""p1""#, None),
        (r#"{"id":"p1"} trailing"#, None),
        (r#"{"id":"p1""#, None),
        ("", None),
        ("<html>", None),
    ] {
        assert_eq!(id_of(create_of(answer(201, body))).as_deref(), id, "{body}");
    }
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(201));
    assert_eq!(id_of(create_of(answer(201, &long))), None);
}

#[test]
fn a_version_may_be_missing_or_odd_without_losing_the_id() {
    for (version, expected) in [
        ("0", Some(0)),
        ("7", Some(7)),
        (r#""7""#, Some(7)),
        ("null", None),
        ("1.5", None),
        (r#""latest""#, None),
        ("{}", None),
    ] {
        let body = format!(r#"{{"id":"p1","version":{version}}}"#);
        match create_of(answer(202, &body)) {
            CreateOutcome::Created { version, .. } => assert_eq!(version, expected, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn a_cut_201_is_in_doubt_unless_its_json_was_whole() {
    for end in [cut(), BodyEnd::OverCap(9), BodyEnd::TimedOut] {
        let whole = ended(201, r#"{"id":"p1"}"#, end.clone());
        assert_eq!(id_of(create_of(whole)).as_deref(), Some("p1"));
        let half = ended(201, r#"{"id":"p1","ver"#, end);
        assert_eq!(id_of(create_of(half)), None);
    }
}

#[test]
fn a_2xx_without_an_id_says_what_is_wrong_with_it() {
    for (reply, message) in [
        (answer(204, ""), "the answer cannot be read (it is empty)"),
        (
            answer(200, r#"{"ok":1}"#),
            r#"no id in the answer: {"ok":1}"#,
        ),
        (
            ended(201, "", cut()),
            "the answer was cut (connection reset)",
        ),
        (
            ended(201, "[[", BodyEnd::OverCap(2)),
            "the answer is longer than 2 bytes: [[… [cut]",
        ),
        (
            ended(201, "{", BodyEnd::TimedOut),
            "the answer did not end in time: {… [cut]",
        ),
    ] {
        match create_of(reply) {
            CreateOutcome::InDoubt(DoubtCause::AnswerLost, words) => {
                assert_eq!(words.message, message);
            }
            other => panic!("{message}: {other:?}"),
        }
    }
}

#[test]
fn the_text_of_an_error_body_is_found_or_kept_as_it_came() {
    for (body, message) in [
        (r#"{"error":"urls: at most 3"}"#, "urls: at most 3"),
        (r#"{"message":"no","code":7}"#, "no"),
        (r#"{"detail":"no","error":null}"#, "no"),
        (r#"{"error":"","message":"no"}"#, "no"),
        (r#"{"error":{"text":"no"}}"#, r#"{"error":{"text":"no"}}"#),
        (r#"{"detail":["a"]}"#, r#"{"detail":["a"]}"#),
        ("<h1>Bad Gateway</h1>\r\n", "<h1>Bad Gateway</h1>"),
        ("two\nlines", "two\\nlines"),
        (r#"{"error":"esc\u001b[0m"}"#, "esc\\u{1b}[0m"),
        ("", "the answer says nothing more"),
        (" \n", "the answer says nothing more"),
    ] {
        let words = ErrorDetail {
            status: Some(400),
            message: message.to_owned(),
        };
        assert_eq!(create_of(answer(400, body)), CreateOutcome::Rejected(words));
    }
}

#[test]
fn the_words_of_an_error_are_capped_and_hide_the_key() {
    let quoter = Quoter::hiding(&SecretString::from("SECRET0123"));
    let message_of = |body: String, end| match create(ended(500, &body, end), NOW, &quoter) {
        CreateOutcome::InDoubt(_, words) => words.message,
        other => panic!("{other:?}"),
    };
    let escaped = r#"{"error":"key S\u0045CRET0123 is bad"}"#.to_owned();
    assert_eq!(message_of(escaped, BodyEnd::Complete), "key [key] is bad");
    let half = message_of("key SECRET01".to_owned(), cut());
    assert_eq!(half, format!("key {CUT_MARK}"));
    let long = message_of("SECRET0123".repeat(CAP_BYTES), BodyEnd::Complete);
    assert!(long.len() <= CAP_BYTES && !long.contains('S'));
}

#[test]
fn retry_after_is_seconds_or_a_date_and_nonsense_is_none() {
    for (header, expected) in [
        ("0", Some(0)),
        ("7", Some(7_000)),
        (" 7 ", Some(7_000)),
        ("86400", Some(MAX_RETRY_AFTER_MS)),
        ("86401", Some(MAX_RETRY_AFTER_MS)),
        ("99999999999999999999999", Some(MAX_RETRY_AFTER_MS)),
        ("Tue, 14 Nov 2023 22:13:50 GMT", Some(30_000)),
        ("Tuesday, 14-Nov-23 22:13:50 GMT", Some(30_000)),
        ("Tue Nov 14 22:13:50 2023", Some(30_000)),
        ("Tue, 14 Nov 2023 22:13:20 GMT", Some(0)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
        ("Tue, 14 Nov 2034 22:13:20 GMT", Some(MAX_RETRY_AFTER_MS)),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
    ] {
        let reply = Ok(RawAnswer {
            status: 429,
            retry_after: Some(header.to_owned()),
            body: Body {
                bytes: Vec::new(),
                end: BodyEnd::Complete,
            },
        });
        let expected = Refusal::Throttled {
            retry_after_ms: expected,
        };
        match create_of(reply) {
            CreateOutcome::Refused(refusal, _) => assert_eq!(refusal, expected, "{header}"),
            other => panic!("{header}: {other:?}"),
        }
    }
}

#[test]
fn a_5xx_that_asks_for_a_wait_is_told_from_one_that_does_not() {
    for (status, header, expected) in [
        (503, Some("7"), Some(7_000)),
        (500, Some("7"), Some(7_000)),
        (599, Some("Tue, 14 Nov 2023 22:13:50 GMT"), Some(30_000)),
        (503, Some("soon"), None),
        (503, None, None),
        (408, Some("7"), None),
        (301, Some("7"), None),
    ] {
        let reply = |header: Option<&str>| {
            answer(status, "later").map(|answer| RawAnswer {
                retry_after: header.map(ToOwned::to_owned),
                ..answer
            })
        };
        let wait_ms = match create_of(reply(header)) {
            CreateOutcome::Unavailable { retry_after_ms, .. } => Some(retry_after_ms),
            CreateOutcome::InDoubt(..) => None,
            other => panic!("{status}: {other:?}"),
        };
        assert_eq!(wait_ms, expected, "{status} {header:?}");
        let asked = ParserId("p1".to_owned());
        let refusals = [
            match list(reply(header), NOW, &Quoter::default()) {
                ListOutcome::Refused(refusal, _) => Some(refusal),
                _ => None,
            },
            match details(&asked, reply(header), NOW, &Quoter::default()) {
                PollOutcome::Refused(refusal, _) => Some(refusal),
                _ => None,
            },
        ];
        let retry_after_ms = expected;
        let throttled = expected.map(|_| Refusal::Throttled { retry_after_ms });
        assert_eq!(
            refusals,
            [throttled.clone(), throttled],
            "{status} {header:?}"
        );
    }
}

#[test]
fn a_body_shows_no_content_in_debug() {
    let reply = ended(400, "SECRET0123", cut());
    assert!(!format!("{reply:?}").contains("SECRET"));
}
