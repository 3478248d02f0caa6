//! What a PATCH and a DELETE come to, and what is said of a version.

use super::*;
use crate::core::outcome::ChangeOutcome;

fn parser() -> ParserId {
    ParserId("p1".to_owned())
}

fn change_of(reply: RawReply) -> ChangeOutcome {
    change(&parser(), reply, NOW, &Quoter::default())
}

fn delete_of(reply: RawReply) -> ChangeOutcome {
    delete(reply, NOW, &Quoter::default())
}

#[test]
fn every_status_of_a_change_and_a_delete_has_the_outcome_of_the_table() {
    for status in 100..1000 {
        for end in [
            BodyEnd::Complete,
            cut(),
            BodyEnd::OverCap(9),
            BodyEnd::TimedOut,
        ] {
            let expected = match status {
                404 => "not found",
                400 | 405 | 409 | 410 | 412 | 413 | 415 | 422 => "rejected",
                401 => "unauthorized",
                402 | 403 => "credits",
                429 => "throttled",
                500 => "service error",
                _ => "lost",
            };
            let reply = || ended(status, "no json", end.clone());
            for (outcome, is_delete) in [(change_of(reply()), false), (delete_of(reply()), true)] {
                let (found, words) = match &outcome {
                    ChangeOutcome::Done { version: None } => ("done", None),
                    ChangeOutcome::NotFound(words) => ("not found", Some(words)),
                    ChangeOutcome::Rejected(words) => ("rejected", Some(words)),
                    ChangeOutcome::Refused(refusal, words) => match refusal {
                        Refusal::Unauthorized => ("unauthorized", Some(words)),
                        Refusal::Credits => ("credits", Some(words)),
                        Refusal::Throttled { .. } => ("throttled", Some(words)),
                        Refusal::AccountLimit => panic!("{status}: a limit"),
                    },
                    ChangeOutcome::InDoubt(DoubtCause::ServiceError, words) => {
                        ("service error", Some(words))
                    }
                    ChangeOutcome::InDoubt(DoubtCause::AnswerLost, words) => ("lost", Some(words)),
                    other => panic!("{status}: {other:?}"),
                };
                let expected = match status {
                    // It is to be deleted, and not yet.
                    202 => "lost",
                    200..300 if is_delete => "done",
                    410 if is_delete => "not found",
                    _ => expected,
                };
                assert_eq!(found, expected, "{status}");
                if let Some(words) = words {
                    assert_eq!(words.status, Some(status));
                    assert!(words.message.contains("no json"), "{words:?}");
                }
            }
        }
    }
}

#[test]
fn a_change_is_done_where_its_answer_can_be_read_and_is_about_no_other_parser() {
    for (body, expected) in [
        (r#"{"id":"p1","version":4}"#, Some(Some(4))),
        (r#"{"id":"P1","version":"4"}"#, Some(Some(4))),
        (r#"{"id":"/parsers/p1","version":4}"#, Some(Some(4))),
        (r#"{"version":4}"#, Some(Some(4))),
        (r#"{"id":null,"version":null}"#, Some(None)),
        (r#"{"id":"p1","version":"latest"}"#, Some(None)),
        ("{}", Some(None)),
        (r#"{"id":"p2","version":4}"#, None),
        (r#"{"id":7,"version":4}"#, None),
        (r#"{"id":"p1","version":4"#, None),
        (r#"["p1",4]"#, None),
        ("<html>", None),
        ("", None),
    ] {
        for status in [200, 202, 299] {
            let expected = expected.map(|version| ChangeOutcome::Done { version });
            match (change_of(answer(status, body)), expected) {
                (ChangeOutcome::InDoubt(DoubtCause::AnswerLost, words), None) => {
                    assert_eq!(words.status, Some(status), "{body}");
                }
                (outcome, expected) => assert_eq!(Some(outcome), expected, "{body}"),
            }
        }
    }
    let ChangeOutcome::InDoubt(_, words) = change_of(answer(200, r#"{"id":"p2"}"#)) else {
        panic!("not in doubt");
    };
    let text = r#"the answer is about another parser, p2: {"id":"p2"}"#;
    assert_eq!(words.message, text);
}

#[test]
fn a_cut_answer_to_a_change_is_in_doubt_unless_its_json_was_whole() {
    for end in [cut(), BodyEnd::OverCap(9), BodyEnd::TimedOut] {
        let whole = change_of(ended(202, r#"{"version":1}"#, end.clone()));
        assert_eq!(whole, ChangeOutcome::Done { version: Some(1) });
        let half = change_of(ended(202, r#"{"version":1"#, end));
        assert_eq!(half.as_str(), "in_doubt");
    }
}

#[test]
fn what_got_no_answer_is_in_doubt_unless_it_never_connected() {
    for outcome_of in [change_of, delete_of] {
        let found = faults().map(|fault| outcome_of(Err(fault)));
        let words = |text: &str| ErrorDetail {
            status: None,
            message: text.to_owned(),
        };
        assert_eq!(
            found,
            [
                ChangeOutcome::NotSent(words("refused")),
                ChangeOutcome::InDoubt(DoubtCause::AnswerLost, words("late")),
                ChangeOutcome::InDoubt(DoubtCause::AnswerLost, words("reset")),
            ]
        );
    }
}

#[test]
fn a_5xx_that_asks_for_a_wait_leaves_a_change_in_doubt_and_a_429_does_not() {
    for outcome_of in [change_of, delete_of] {
        for (status, header, expected) in [
            (503, Some("7"), ("unavailable", Some(7_000))),
            (502, Some("soon"), ("in_doubt", None)),
            (500, None, ("in_doubt", None)),
            (429, Some("7"), ("refused", Some(7_000))),
            (429, None, ("refused", None)),
        ] {
            let reply = answer(status, "later").map(|answer| RawAnswer {
                retry_after: header.map(ToOwned::to_owned),
                ..answer
            });
            let outcome = outcome_of(reply);
            let wait_ms = match &outcome {
                ChangeOutcome::Unavailable { retry_after_ms, .. } => Some(*retry_after_ms),
                ChangeOutcome::Refused(Refusal::Throttled { retry_after_ms }, _) => *retry_after_ms,
                _ => None,
            };
            assert_eq!((outcome.as_str(), wait_ms), expected, "{status} {header:?}");
        }
    }
}

#[test]
fn a_conflict_of_versions_keeps_its_text_and_a_plans_limit_is_this_requests() {
    let conflict = r#"{"error":"version 3 is not the latest"}"#;
    let plan = "Your current plan does not allow you to use our premium proxies";
    for (status, body, text) in [
        (409, conflict, "version 3 is not the latest"),
        (412, conflict, "version 3 is not the latest"),
        (403, plan, plan),
    ] {
        let words = ErrorDetail {
            status: Some(status),
            message: text.to_owned(),
        };
        assert_eq!(
            change_of(answer(status, body)),
            ChangeOutcome::Rejected(words)
        );
    }
}

#[test]
fn a_description_says_the_version_and_its_fields_in_any_state() {
    let quoter = Quoter::hiding(&SecretString::from("SECRET0123"));
    let deep = format!(r#"{{"fields":{}1{}}}"#, "[".repeat(1001), "]".repeat(1001));
    for (status, body, version, fields) in [
        (
            200,
            r#"{"status":"FINISHED","version":3,"fields":[ {"name":"a"} ]}"#,
            Some(3),
            Some(r#"[ {"name":"a"} ]"#),
        ),
        (
            200,
            r#"{"status":"GENERATING","version":"0","fields":[]}"#,
            Some(0),
            Some("[]"),
        ),
        (
            200,
            r#"{"status":"FAILED","fields":{"a":"SECRET0123"}}"#,
            None,
            Some(r#"{"a":"[key]"}"#),
        ),
        (200, r#"{"fields":null}"#, None, None),
        (200, r#"{"fields":NaN,"version":1}"#, Some(1), None),
        (200, &deep, None, None),
        // Of another parser, unreadable, or no description at all.
        (200, r#"{"id":"p2","version":1,"fields":[]}"#, None, None),
        (200, r#"{"version":1,"fields":[],"#, None, None),
        (404, r#"{"version":1,"fields":[]}"#, None, None),
    ] {
        let told = description(&parser(), answer(status, body), NOW, &quoter);
        let shown = told.fields.as_deref().map(|fields| fields.get());
        assert_eq!((told.version, shown), (version, fields), "{body}");
    }
}
