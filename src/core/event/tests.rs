use super::*;
use crate::core::preflight::{Foreseen, Verdict};

/// Each variant, and as databases hold it: this is read by SQL, and by every later version.
pub(crate) fn stored() -> Vec<(JobEvent, &'static str, Value)> {
    let id = || ParserId("p1".to_owned());
    let answer = || Answer {
        http_status: Some(503),
        message: Some("busy".to_owned()),
    };
    let standing = || Standing {
        by: "operator".to_owned(),
        from: JobState::Failed,
        park_reason: None,
        error_kind: Some(ErrorKind::NotFound),
        parser_id: Some(id()),
    };
    let stood = json!({"by": "operator", "from": "FAILED", "park_reason": null,
        "error_kind": "not_found", "parser_id": "p1"});
    let busy = json!({"http_status": 503, "message": "busy"});
    vec![
        (JobEvent::Queued {}, "queued", json!({})),
        (
            JobEvent::Creating {
                remote_name: "n".to_owned(),
                attempt: 1,
            },
            "creating",
            json!({"remote_name": "n", "attempt": 1}),
        ),
        (
            JobEvent::Created {
                parser_id: id(),
                version: Some(0),
            },
            "created",
            json!({"parser_id": "p1", "version": 0}),
        ),
        (
            JobEvent::Adopted {
                parser_id: id(),
                from: AdoptedFrom::List,
                version: None,
                remote_name: Some("n".to_owned()),
                instead_of: None,
            },
            "adopted",
            json!({"parser_id": "p1", "from": "list", "remote_name": "n"}),
        ),
        (
            JobEvent::Deleted {
                from: Some(ToldBy::Operator),
            },
            "deleted",
            json!({"from": "operator"}),
        ),
        (
            JobEvent::Foreseen(Foreseen {
                verdict: Verdict::Ok,
                page: None,
                seen: None,
                cure: None,
                set: Some("scraper_params = { render = true }".to_owned()),
                credits: 22,
            }),
            "foreseen",
            json!({"verdict": "ok", "set": "scraper_params = { render = true }", "credits": 22}),
        ),
        (
            JobEvent::Pinned {
                version: 0,
                from: Some(2),
            },
            "pinned",
            json!({"version": 0, "from": 2}),
        ),
        (
            JobEvent::InDoubt {
                cause: Some(InDoubtCause::AnswerLost),
                answer: answer(),
                retry_after_ms: Some(7),
            },
            "in_doubt",
            json!({"cause": "answer_lost", "http_status": 503, "message": "busy",
                "retry_after_ms": 7}),
        ),
        (
            JobEvent::InDoubt {
                cause: Some(InDoubtCause::Others),
                answer: Answer::default(),
                retry_after_ms: None,
            },
            "in_doubt",
            json!({"cause": "a create of this name, of a job since cancelled, is in doubt"}),
        ),
        (
            JobEvent::NotMade {
                from: Some(ToldBy::Operator),
                attempts: None,
                trusted_lists: None,
            },
            "not_made",
            json!({"from": "operator"}),
        ),
        (
            JobEvent::NotMade {
                from: None,
                attempts: Some(1),
                trusted_lists: Some(3),
            },
            "not_made",
            json!({"attempts": 1, "trusted_lists": 3}),
        ),
        (JobEvent::NotSent(answer()), "not_sent", busy.clone()),
        (
            JobEvent::Throttled {
                answer: Answer::default(),
                retry_after_ms: None,
            },
            "throttled",
            json!({"retry_after_ms": null}),
        ),
        (JobEvent::Waiting(answer()), "waiting", busy.clone()),
        (
            JobEvent::Parked {
                park_reason: ParkReason::Ambiguous,
                answer: Answer::default(),
                why: Some("two".to_owned()),
                candidates: vec![id()],
            },
            "parked",
            json!({"park_reason": "ambiguous", "why": "two", "candidates": ["p1"]}),
        ),
        (
            JobEvent::Unparked {
                park_reason: Some(ParkReason::Credits),
            },
            "unparked",
            json!({"park_reason": "credits"}),
        ),
        (JobEvent::Requeued(standing()), "requeued", stood.clone()),
        (JobEvent::Cancelled(standing()), "cancelled", stood),
        (
            JobEvent::Changed {
                by: "operator".to_owned(),
                old: json!({"name": "n"}),
                columns: Some(vec!["name".to_owned()]),
            },
            "changed",
            json!({"by": "operator", "old": {"name": "n"}, "columns": ["name"]}),
        ),
        (JobEvent::UnknownStatus(answer()), "unknown_status", busy),
        (
            JobEvent::AwaitsExamples {
                why: Some("cut".to_owned()),
            },
            "awaits_examples",
            json!({"why": "cut"}),
        ),
        (
            JobEvent::Finished {
                version: Some(0),
                generated_at: Some(5),
                no_examples: None,
            },
            "finished",
            json!({"version": 0, "generated_at": 5}),
        ),
        (
            JobEvent::Judged {
                quality: Quality::Bad,
                reason: Some("price: it is missing".to_owned()),
                fails: false,
            },
            "judged",
            json!({"quality": "bad", "reason": "price: it is missing"}),
        ),
        (
            JobEvent::Escalated {
                from: json!({}),
                to: json!({"premium": true}),
                why: "blocked".to_owned(),
                credits: 30_000,
            },
            "escalated",
            json!({"from": {}, "to": {"premium": true}, "why": "blocked", "credits": 30_000}),
        ),
        (
            JobEvent::Failed {
                error_kind: ErrorKind::ServerError,
                answer: answer(),
            },
            "failed",
            json!({"error_kind": "server_error", "http_status": 503, "message": "busy"}),
        ),
    ]
}

#[test]
fn what_is_stored_is_read_as_it_was_written() {
    for (event, name, detail) in stored() {
        assert_eq!(event.to_columns(), (name, detail.clone()));
        let detail = serde_json::value::to_raw_value(&detail).unwrap();
        assert_eq!(JobEvent::from_columns(name, &detail), Some(event));
    }
    assert!(EVENT_NAMES.is_sorted());
    for (_, name, _) in stored() {
        assert!(EVENT_NAMES.contains(&name), "{name}");
    }
}

/// A newer version may write more of an event, or other events.
#[test]
fn what_is_unknown_is_passed_over() {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    let more = JobEvent::from_columns("unparked", &raw(r#"{"park_reason": null, "x": [1]}"#));
    assert_eq!(more, Some(JobEvent::Unparked { park_reason: None }));
    for (event, detail) in [("moon", "{}"), ("failed", "{}"), ("created", "[]")] {
        assert_eq!(JobEvent::from_columns(event, &raw(detail)), None, "{event}");
    }
}
