//! What polls and lists come to.

use serde_json::value::RawValue;

use super::*;
use crate::core::outcome::ListedParser;

fn details_of(reply: RawReply) -> PollOutcome {
    details(&ParserId("p1".to_owned()), reply, NOW, &Quoter::default())
}

fn list_of(reply: RawReply) -> ListOutcome {
    list(reply, NOW, &Quoter::default())
}

fn finished(reply: RawReply) -> Finished {
    match details_of(reply) {
        PollOutcome::Finished(finished) => finished,
        other => panic!("not finished: {other:?}"),
    }
}

#[test]
fn every_status_of_a_poll_and_a_list_has_the_outcome_of_the_table() {
    for status in 100..1000 {
        let poll = match details_of(answer(status, "no json")) {
            PollOutcome::NotFound(_) => "not found",
            PollOutcome::Refused(Refusal::Unauthorized, _) => "unauthorized",
            PollOutcome::Refused(Refusal::Credits, _) => "credits",
            PollOutcome::Refused(Refusal::Throttled { .. }, _) => "throttled",
            PollOutcome::Trouble(words) if words.status == Some(status) => "trouble",
            other => panic!("{status}: {other:?}"),
        };
        let list = match list_of(answer(status, "no json")) {
            ListOutcome::Refused(Refusal::Unauthorized, _) => "unauthorized",
            ListOutcome::Refused(Refusal::Credits, _) => "credits",
            ListOutcome::Refused(Refusal::Throttled { .. }, _) => "throttled",
            ListOutcome::Trouble(words) if words.status == Some(status) => "trouble",
            other => panic!("{status}: {other:?}"),
        };
        let expected = match status {
            401 => "unauthorized",
            402 | 403 => "credits",
            429 => "throttled",
            _ => "trouble",
        };
        assert_eq!(list, expected, "{status}");
        let expected = if status == 404 { "not found" } else { expected };
        assert_eq!(poll, expected, "{status}");
    }
    for fault in faults() {
        assert!(matches!(
            details_of(Err(fault.clone())),
            PollOutcome::Trouble(_)
        ));
        assert!(matches!(list_of(Err(fault)), ListOutcome::Trouble(_)));
    }
}

#[test]
fn a_finished_parser_comes_with_what_the_answer_tells_of_it() {
    let full = finished(answer(
        200,
        r#"{"name":"n","status":"FINISHED","error":null,"version":0,
            "generated_at":"2025-01-02T03:04:05.678Z",
            "example_result":[{"url":"u","result":{"a": 1.50}}]}"#,
    ));
    assert_eq!(full.version, Some(0));
    assert_eq!(full.generated_at, Some(1_735_787_045_678));
    let example = full.example_result.expect("an example");
    assert_eq!(example.get(), r#"[{"url":"u","result":{"a": 1.50}}]"#);

    for status in ["FINISHED", "FINISED", " finished ", "Finised"] {
        let bare = finished(answer(200, &format!(r#"{{"status":"{status}"}}"#)));
        assert_eq!(bare.version, None);
        assert_eq!(bare.generated_at, None);
        assert!(bare.example_result.is_none());
    }
}

#[test]
fn an_example_result_is_any_json_under_either_key() {
    for (keys, expected) in [
        (r#""example_result":{"a":[1]}"#, Some(r#"{"a":[1]}"#)),
        (r#""example_results":"text""#, Some(r#""text""#)),
        (r#""example_result":null,"example_results":[]"#, Some("[]")),
        (r#""example_result":1,"example_results":2"#, Some("1")),
        (r#""example_result":null"#, None),
        (r#""generated_at":"soon""#, None),
    ] {
        let body = format!(r#"{{"status":"FINISHED",{keys}}}"#);
        let example = finished(answer(200, &body)).example_result;
        assert_eq!(example.as_deref().map(RawValue::get), expected, "{keys}");
    }
}

#[test]
fn an_example_result_does_not_carry_the_key_on() {
    let quoter = Quoter::hiding(&SecretString::from("12345678"));
    for (example, expected) in [
        (r#"["?api_key=12345678"]"#, Some(r#"["?api_key=[key]"]"#)),
        // Without the key this is no JSON any more.
        ("[12345678.5]", None),
    ] {
        let body = format!(r#"{{"status":"FINISHED","example_result":{example}}}"#);
        let asked = ParserId("p1".to_owned());
        match details(&asked, answer(200, &body), NOW, &quoter) {
            PollOutcome::Finished(Finished { example_result, .. }) => {
                assert_eq!(example_result.as_deref().map(RawValue::get), expected);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_failed_parser_comes_with_the_text_of_the_service() {
    for (error, message) in [
        (r#","error":"DownloadError: x\ny""#, "DownloadError: x\\ny"),
        (r#","error":{"a":1}"#, r#"{"a":1}"#),
        (r#","error":null"#, ""),
        ("", ""),
    ] {
        let body = format!(r#"{{"status":"failed","generated_at":"x"{error}}}"#);
        match details_of(answer(200, &body)) {
            PollOutcome::Failed(words) => {
                assert_eq!(words.status, Some(200));
                assert_eq!(words.message, message);
            }
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn a_status_that_is_unknown_or_missing_is_not_terminal() {
    for (body, unknown) in [
        (r#"{"status":"GENERATING"}"#, None),
        (r#"{"status":"generating "}"#, None),
        (r#"{"status":null}"#, None),
        (r#"{"status":""}"#, None),
        ("{}", None),
        (r#"{"status":"QUEUED\u001b"}"#, Some("QUEUED\\u{1b}")),
        (r#"{"status":3}"#, Some("3")),
        (r#"{"status":"FINISHED!"}"#, Some("FINISHED!")),
    ] {
        match details_of(answer(202, body)) {
            PollOutcome::Generating { unknown_status } => {
                assert_eq!(unknown_status.as_deref(), unknown, "{body}");
            }
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn an_answer_about_another_parser_or_no_object_is_no_news() {
    for body in [
        r#"{"id":"p2","status":"FINISHED"}"#,
        r#"{"status":"FAILED","id":7}"#,
        r#"[{"status":"FINISHED"}]"#,
        r#""FINISHED""#,
        r#"{"status":"FINISHED""#,
        "null",
        "",
    ] {
        let outcome = details_of(answer(200, body));
        assert!(
            matches!(outcome, PollOutcome::Trouble(_)),
            "{body}: {outcome:?}"
        );
    }
    finished(answer(200, r#"{"id":"p1","status":"FINISHED"}"#));
    finished(answer(200, r#"{"id":null,"status":"FINISHED"}"#));
}

#[test]
fn examples_that_cannot_be_read_do_not_hide_that_a_parser_is_ready() {
    let whole = |examples: &str| {
        let body = format!(r#"{{"example_result":{examples},"version":2,"status":"FINISHED"}}"#);
        answer(200, &body)
    };
    let behind = r#"{"status":"FINISHED","version":2,"example_result":[{"url":"#;
    let latin1 = Ok(RawAnswer {
        status: 200,
        retry_after: None,
        body: Body {
            bytes: b"{\"example_result\":[\"\xe9\"],\"version\":2,\"status\":\"FINISHED\"}"
                .to_vec(),
            end: BodyEnd::Complete,
        },
    });
    for (reply, why, is_cut) in [
        (whole("[NaN]"), "not JSON", false),
        (whole("[1,2,]"), "not JSON", false),
        (whole("[\"a\nb\"]"), "not JSON", false),
        (latin1, "not JSON", false),
        (
            whole(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))),
            "SQLite",
            false,
        ),
        (whole("null"), "gave none", false),
        (
            answer(200, r#"{"status":"FINISHED","version":2}"#),
            "gave none",
            false,
        ),
        (
            ended(200, behind, BodyEnd::OverCap(9)),
            "longer than 9 bytes",
            false,
        ),
        (answer(200, behind), "EOF", false),
        (ended(200, behind, cut()), "was cut", true),
        (
            ended(200, behind, BodyEnd::TimedOut),
            "not end in time",
            true,
        ),
    ] {
        let found = finished(reply);
        assert_eq!(found.version, Some(2), "{why}");
        assert!(found.example_result.is_none(), "{why}");
        let lack = found.lack.expect(why);
        assert!(lack.why.contains(why), "{lack:?} lacks {why}");
        assert_eq!(lack.is_cut, is_cut, "{why}");
    }
    let pending = ended(
        200,
        r#"{"status":"GENERATING","fields":["#,
        BodyEnd::OverCap(9),
    );
    assert!(matches!(details_of(pending), PollOutcome::Trouble(_)));
}

#[test]
fn a_list_is_every_item_with_its_id_name_and_whether_it_failed() {
    let body = r#"[
        {"id":"a","name":"books","status":"FINISHED","version":1,"fields":[]},
        {"id":2,"name":"","status":" failed"},
        {"id":"c","name":"books","error":null}
    ]"#;
    let listed = match list_of(answer(200, body)) {
        ListOutcome::Listed(listed, flaws) => {
            assert_eq!(flaws, Flaws::default());
            listed
        }
        other => panic!("{other:?}"),
    };
    let parser = |id: &str, name: &str, version, failed, settled| ListedParser {
        id: ParserId(id.to_owned()),
        name: name.to_owned(),
        version,
        failed,
        settled,
    };
    let expected = [
        parser("a", "books", Some(1), false, true),
        parser("2", "", None, true, true),
        parser("c", "books", None, false, false),
    ];
    assert_eq!(listed, expected);
    match list_of(answer(200, "[]")) {
        ListOutcome::Listed(listed, flaws) => {
            assert!(listed.is_empty() && flaws == Flaws::default());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_item_that_cannot_be_read_hides_only_itself() {
    let good = r#"{"id":"a","name":"n"}"#;
    for (bad, nameless, first) in [
        (r#"{"name":"n"}"#, false, "item 1: no usable id"),
        (r#"{"id":"b"}"#, true, "item 1: no name"),
        (r#"{"id":"b","name":null}"#, true, "item 1: no name"),
        (r#"{"id":"b","name":"\ud800"}"#, true, "item 1: no name"),
        ("null", false, "item 1: it is not a JSON object"),
        (r#"["b","n"]"#, false, "item 1: it is not a JSON object"),
        ("NaN", false, "item 1: it is not a JSON object"),
        ("", false, "item 1: it is empty"),
        (r#"{"id":NaN,"name":"n"}"#, false, "item 1: no usable id"),
    ] {
        let body =
            format!("\u{feff}[{good},{bad},{{\"version\":NaN,\"id\":\"c\",\"name\":\"m\"}}]");
        let ListOutcome::Listed(listed, flaws) = list_of(answer(200, &body)) else {
            panic!("{bad}");
        };
        let ids: Vec<_> = listed.iter().map(|parser| parser.id.0.as_str()).collect();
        assert_eq!(ids, ["a", "c"], "{bad}");
        let ids: Vec<_> = flaws.nameless.iter().map(|id| id.0.as_str()).collect();
        assert_eq!(ids, if nameless { vec!["b"] } else { vec![] }, "{bad}");
        assert_eq!(flaws.unreadable, usize::from(!nameless), "{bad}");
        assert_eq!(flaws.first.as_deref(), Some(first), "{bad}");
        // A parser that is known hides nothing.
        assert_eq!(flaws.hide(|_| true).is_none(), nameless, "{bad}");
        assert!(flaws.hide(|_| false).is_some(), "{bad}");
    }
    let ListOutcome::Listed(listed, flaws) = list_of(answer(200, " null ")) else {
        panic!("null");
    };
    assert!(listed.is_empty() && flaws.is_null);
}

#[test]
fn names_and_ids_of_a_list_pass_the_gate_that_every_text_from_outside_passes() {
    let quoter = Quoter::hiding(&SecretString::from("SECRET0123"));
    let long = "x".repeat(3_000_000);
    let body = format!(
        r#"[{{"id":"a","name":"SECRET0123\n2026 INFO forged\u001b[0m"}},
            {{"id":"SECRET0123","name":"n"}}, {{"id":"b\n","name":"n"}},
            {{"id":"c","name":"{}"}}, {{"id":"d","name":"{long}"}}]"#,
        &long[..5_000]
    );
    let ListOutcome::Listed(listed, flaws) = list(answer(200, &body), NOW, &quoter) else {
        panic!("no list");
    };
    let ids: Vec<_> = listed.iter().map(|parser| parser.id.0.as_str()).collect();
    assert_eq!(ids, ["a", "c"]);
    assert_eq!(listed[0].name, "[key]\\n2026 INFO forged\\u{1b}[0m");
    assert!(listed[1].name.len() <= 1_000);
    assert_eq!(flaws.unreadable, 3);
}

#[test]
fn a_list_that_is_not_whole_is_trouble() {
    for (reply, part) in [
        (
            answer(200, r#"[{"id":"a","name":"n"}"#),
            "EOF before the end of the list",
        ),
        (
            answer(200, r#"{"parsers":[]}"#),
            "expected a JSON array of parsers",
        ),
        (answer(200, "[] []"), "trailing characters"),
        (answer(204, ""), "EOF"),
        (ended(200, "[]", cut()), "cut (connection reset)"),
        (ended(200, "[", BodyEnd::OverCap(1)), "longer than 1 bytes"),
    ] {
        match list_of(reply) {
            ListOutcome::Trouble(words) => {
                assert!(words.message.contains(part), "{part}: {words:?}");
            }
            other => panic!("{part}: {other:?}"),
        }
    }
}
