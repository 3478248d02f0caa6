use std::fmt::Write as _;

use serde_json::{Value, json};

use super::*;
use crate::{core::event, store::report::HistoryRow};

fn row(event: &str, detail: &Value, job_id: Option<i64>) -> EventRow {
    EventRow {
        id: 9,
        job_id,
        name: job_id.map_or_else(String::new, |_| "books".to_owned()),
        event: HistoryRow {
            at: 0,
            event: event.to_owned(),
            detail: serde_json::value::to_raw_value(detail).unwrap(),
        },
    }
}

fn around(state: &str) -> Surroundings {
    let standing = JobStanding {
        state: state.to_owned(),
        error_hint: Some("do this".to_owned()),
        parser_id: Some("p7".to_owned()),
        generation_ms: Some(7_000),
    };
    Surroundings {
        standings: [(4, standing)].into(),
        waiting: 1_200,
    }
}

#[test]
fn each_event_has_a_line_with_what_comes_next() {
    let stored = event::tests::stored().into_iter();
    let stored = stored.map(|(_, name, detail)| (name, detail, Some(4)));
    let general = event::general::tests::stored().into_iter();
    let general = general.map(|(_, name, detail)| (name, detail, None));
    let others = [
        (
            "parked",
            json!({"park_reason": "ambiguous", "why": "two fit"}),
            Some(4),
        ),
        (
            "parked",
            json!({"park_reason": "credits", "http_status": 402}),
            Some(4),
        ),
        (
            "gate_closed",
            json!({"scope": "create", "reason": "unauthorized", "since": 0, "next_probe_at": 60_000}),
            None,
        ),
        (
            "judged",
            json!({"quality": "bad", "reason": "nothing found"}),
            Some(4),
        ),
        ("from_the_future", json!({"a": 1}), Some(4)),
    ];
    let mut text = String::new();
    for (event, detail, job) in stored.chain(general).chain(others) {
        let state = match event {
            "failed" => "FAILED",
            "parked" => "PARKED",
            _ => "FINISHED",
        };
        match line(&row(event, &detail, job), &around(state)) {
            None => writeln!(text, "{event} {detail}\n    (no line)").unwrap(),
            Some(line) => writeln!(
                text,
                "{event} {detail}\n    {:?}: {}",
                line.urgency,
                line.words()
            )
            .unwrap(),
        }
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("log_line", text);
    });
}

#[test]
fn a_program_reads_in_fields_what_the_sentence_says() {
    let failed = json!({"error_kind": "generation_failed", "http_status": 200, "message": "no"});
    let fields = line(&row("failed", &failed, Some(4)), &around("FAILED"))
        .unwrap()
        .fields;
    let expected = LogFields {
        event: Some("failed".to_owned()),
        job: Some(4),
        name: Some("books".to_owned()),
        state: Some("FAILED"),
        parser_id: Some("p7".to_owned()),
        error_kind: Some("generation_failed"),
        error_message: Some("no".to_owned()),
        elapsed_ms: Some(7_000),
        ..LogFields::default()
    };
    assert_eq!(fields, expected);
    let brief = LogFields {
        job: Some(4),
        name: Some("books".to_owned()),
        ..LogFields::default()
    };
    assert_eq!(fields.briefly(), brief);
}

#[test]
fn how_long_it_was_generated_is_said_only_of_what_was() {
    for (event, detail, state, expected) in [
        ("finished", json!({}), "FINISHED", Some(7_000)),
        // It was retried since.
        ("finished", json!({}), "QUEUED", None),
        (
            "failed",
            json!({"error_kind": "bad_request"}),
            "FAILED",
            None,
        ),
        (
            "failed",
            json!({"error_kind": "generation_timeout"}),
            "FAILED",
            Some(7_000),
        ),
    ] {
        let line = line(&row(event, &detail, Some(4)), &around(state)).unwrap();
        assert_eq!(line.fields.elapsed_ms, expected, "{event} {detail} {state}");
    }
}
