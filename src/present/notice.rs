//! PURE: a notice of the webhook: what happened, why, and what to do next.

use serde::Serialize;
use serde_json::{Value, json};

use super::{event_line::EventLine, format::grouped, remedies};
use crate::{
    core::{
        event::{JobEvent, general::GeneralEvent},
        hint,
        job::{JobState, UnixMs},
        notice::NoticeType,
        timestamp::iso,
    },
    store::{history::EventRow, notices::JobStanding},
};

/// The type of a message. There is one.
const MESSAGE_TYPE: &str = "parserd.events";

/// An event as the webhook tells it.
#[derive(Debug, Serialize)]
struct Notice<'a> {
    #[serde(flatten)]
    event: EventLine<'a>,
    /// In a sentence, where it is known.
    why: Option<String>,
    /// What a person can do about it.
    next: String,
}

/// The body of a message that tells of these events.
pub(crate) fn message(host: Option<&str>, notices: Vec<Value>, now: UnixMs) -> Value {
    let mut data = json!({ "events": notices });
    if let Some(host) = host {
        data["host"] = json!(host);
    }
    json!({ "type": MESSAGE_TYPE, "timestamp": iso(now), "data": data })
}

/// An event of this type, by how its job stands by now.
pub(crate) fn notice(row: &EventRow, notice: NoticeType, standing: Option<&JobStanding>) -> Value {
    let event = EventLine {
        event: match row.event.event.as_str() {
            "failed" | "judged" => notice.as_str(),
            own => own,
        },
        ..EventLine::of(row)
    };
    json!(Notice {
        event,
        why: why(row),
        next: match GeneralEvent::from_columns(&row.event.event, &row.event.detail) {
            Some(event) => next_of_general(&event),
            None => next(row.job_id.unwrap_or_default(), notice, standing),
        },
    })
}

/// Why it happened.
fn why(row: &EventRow) -> Option<String> {
    let detail = &row.event.detail;
    let event = JobEvent::from_columns(&row.event.event, detail);
    let message = event.as_ref().and_then(JobEvent::message);
    match &event {
        Some(JobEvent::Failed { error_kind, .. }) => {
            Some(message.unwrap_or(error_kind.as_str()).to_owned())
        }
        Some(JobEvent::Parked { park_reason, .. }) => {
            Some(message.unwrap_or(park_reason.as_str()).to_owned())
        }
        Some(JobEvent::Judged { reason, .. }) => reason.clone(),
        // What is of no job says its reason, if there is one.
        _ => {
            let detail: Value = serde_json::from_str(detail.get()).ok()?;
            detail["reason"].as_str().map(str::to_owned)
        }
    }
}

/// What to do next.
pub(crate) fn next(job_id: i64, notice: NoticeType, standing: Option<&JobStanding>) -> String {
    let of_job = |state: JobState, otherwise: &str| match standing {
        None => "nothing: the job is deleted by now".to_owned(),
        Some(now) if now.state != state.as_str() => {
            format!("nothing: the job is {} by now", now.state)
        }
        Some(now) => {
            let hint = now.error_hint.as_deref().unwrap_or(otherwise);
            hint.replace("resolve ID", &format!("resolve {job_id}"))
        }
    };
    match notice {
        NoticeType::Failed => {
            let hint = of_job(JobState::Failed, "look at why it failed");
            match standing {
                Some(now) if now.state == JobState::Failed.as_str() => format!(
                    "{hint}; `parserd show {job_id}` has the details, and what `parserd retry \
                     {job_id}` would pay for"
                ),
                _ => hint,
            }
        }
        NoticeType::Parked => of_job(
            JobState::Parked,
            "`parserd status` says what PARKED jobs wait for",
        ),
        NoticeType::PoorResult => {
            hint::POOR_RESULT.replace("`parserd show`", &format!("`parserd show {job_id}`"))
        }
        // Of no job, and of a version that is not this one.
        NoticeType::GateClosed
        | NoticeType::GateOpened
        | NoticeType::BatchDone
        | NoticeType::Budget80 => "`parserd status` says how things stand".to_owned(),
    }
}

/// What to do next about what happened to no job in particular.
pub(crate) fn next_of_general(event: &GeneralEvent) -> String {
    match event {
        GeneralEvent::GateClosed { reason, .. } => remedies::of_gate(*reason).to_owned(),
        GeneralEvent::GateOpened { .. } => "nothing: requests go on by themselves".to_owned(),
        GeneralEvent::Budget80 { .. } => {
            "nothing, if the rest is enough: creates beyond the limit are PARKED; to have them go \
             on, raise budget.* and restart parserd"
                .to_owned()
        }
        GeneralEvent::BudgetReset { .. } => "nothing: creates go on by themselves".to_owned(),
        GeneralEvent::BatchDone {
            failed,
            parked,
            queued,
            ..
        } => after_batch(*failed, *parked, *queued),
    }
}

/// What to do after a batch, by how many of its jobs came to rest without a parser.
fn after_batch(failed: i64, parked: i64, queued: i64) -> String {
    let some = |number: i64, what: &str, command: &str| {
        (number > 0).then(|| format!("{} {what}: {command}", grouped(number)))
    };
    let steps = [
        some(
            failed,
            "FAILED",
            "`parserd jobs --state FAILED` says why, `parserd retry ID` tries again",
        ),
        some(
            parked,
            "PARKED",
            "`parserd status` says for what, and what to do about it",
        ),
        some(
            queued,
            "QUEUED behind a closed gate",
            "`parserd status` says why and when parserd tries again by itself",
        ),
    ];
    let steps: Vec<_> = steps.into_iter().flatten().collect();
    match steps[..] {
        [] => "nothing: no job failed or is parked".to_owned(),
        _ => steps.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::report::HistoryRow;

    fn row(event: &str, detail: &str) -> EventRow {
        EventRow {
            id: 9,
            job_id: Some(4),
            name: "books".to_owned(),
            event: HistoryRow {
                at: 1_700_000_000_000,
                event: event.to_owned(),
                detail: serde_json::from_str(detail).unwrap(),
            },
        }
    }

    fn standing(state: &str, hint: Option<&str>) -> JobStanding {
        JobStanding {
            state: state.to_owned(),
            error_hint: hint.map(str::to_owned),
            parser_id: None,
            generation_ms: None,
        }
    }

    #[test]
    fn a_notice_has_what_happened_why_and_what_next() {
        let failed = row(
            "failed",
            r#"{"error_kind":"bad_request","http_status":400,"message":"name: too long"}"#,
        );
        let now = standing("FAILED", Some("shorten its name"));
        assert_eq!(
            notice(&failed, NoticeType::Failed, Some(&now)),
            json!({
                "id": 9,
                "at": 1_700_000_000_000_i64,
                "time": "2023-11-14T22:13:20.000Z",
                "type": "failed",
                "job_id": 4,
                "name": "books",
                "text": "failed, bad_request (HTTP 400): name: too long",
                "detail": {"error_kind": "bad_request", "http_status": 400, "message": "name: too long"},
                "why": "name: too long",
                "next": "shorten its name; `parserd show 4` has the details, and what `parserd retry 4` \
                         would pay for",
            })
        );
    }

    #[test]
    fn what_next_goes_by_how_the_job_stands_by_now() {
        use NoticeType::{BatchDone, Budget80, Failed, GateClosed, GateOpened, Parked, PoorResult};
        let parked = standing("PARKED", Some("`parserd resolve ID --not-created`"));
        for (notice, now, expected) in [
            (
                Failed,
                Some(standing("FAILED", None)),
                "look at why it failed; `parserd show 4`",
            ),
            (
                Failed,
                Some(standing("QUEUED", None)),
                "nothing: the job is QUEUED by now",
            ),
            (Failed, None, "nothing: the job is deleted by now"),
            (Parked, Some(parked), "`parserd resolve 4 --not-created`"),
            (
                Parked,
                Some(standing("PARKED", None)),
                "`parserd status` says",
            ),
            (
                Parked,
                Some(standing("FINISHED", None)),
                "nothing: the job is FINISHED by now",
            ),
            (
                PoorResult,
                Some(standing("FINISHED", None)),
                "`parserd show 4` has what it found",
            ),
            (GateClosed, None, "`parserd status` says how"),
            (GateOpened, None, "`parserd status` says how"),
            (BatchDone, None, "`parserd status` says how"),
            (Budget80, None, "`parserd status` says how"),
        ] {
            let found = next(4, notice, now.as_ref());
            assert!(found.contains(expected), "{notice}: {found}");
        }
    }

    #[test]
    fn after_a_batch_there_is_to_do_what_its_figures_call_for() {
        let after = |failed: i64, parked: i64, queued: i64| {
            let detail = json!({"finished": 4, "failed": failed, "parked": parked, "cancelled": 1,
                "queued": queued, "credits": 1, "started_at": 1, "took_ms": 1});
            let event = row("batch_done", &detail.to_string());
            notice(&event, NoticeType::BatchDone, None)["next"].take()
        };
        assert_eq!(after(0, 0, 0), "nothing: no job failed or is parked");
        assert_eq!(
            after(1_200, 0, 0),
            "1,200 FAILED: `parserd jobs --state FAILED` says why, `parserd retry ID` tries again"
        );
        let all = after(1, 2, 3);
        for words in [
            "1 FAILED:",
            "; 2 PARKED: `parserd status`",
            "; 3 QUEUED behind",
        ] {
            assert!(all.as_str().unwrap().contains(words), "{words}: {all}");
        }
    }

    #[test]
    fn why_is_in_the_words_of_whoever_knows() {
        for (event, detail, expected) in [
            (
                "failed",
                r#"{"error_kind":"server_error"}"#,
                Some("server_error"),
            ),
            (
                "parked",
                r#"{"park_reason":"credits","message":"no credits"}"#,
                Some("no credits"),
            ),
            (
                "parked",
                r#"{"park_reason":"ambiguous","why":"two fit"}"#,
                Some("two fit"),
            ),
            ("parked", r#"{"park_reason":"budget"}"#, Some("budget")),
            (
                "judged",
                r#"{"quality":"bad","reason":"nothing found"}"#,
                Some("nothing found"),
            ),
            ("judged", r#"{"quality":"bad"}"#, None),
            ("gate_closed", r#"{"reason":"credits"}"#, Some("credits")),
            ("batch_done", "{}", None),
        ] {
            assert_eq!(
                why(&row(event, detail)).as_deref(),
                expected,
                "{event} {detail}"
            );
        }
    }

    #[test]
    fn what_happened_to_no_job_has_no_name_and_good_news_call_for_nothing() {
        let event = EventRow {
            job_id: None,
            name: String::new(),
            ..row("budget_reset", r#"{"period":"day"}"#)
        };
        let told = notice(&event, NoticeType::Budget80, None);
        assert_eq!((&told["job_id"], told.get("name")), (&Value::Null, None));
        assert_eq!(told["next"], "nothing: creates go on by themselves");
    }

    #[test]
    fn a_message_names_its_host_where_that_is_known() {
        let with = message(Some("a-host"), vec![json!({"id": 1})], 0);
        assert_eq!(
            with,
            json!({
                "type": "parserd.events",
                "timestamp": "1970-01-01T00:00:00.000Z",
                "data": {"host": "a-host", "events": [{"id": 1}]},
            })
        );
        assert!(message(None, Vec::new(), 0)["data"].get("host").is_none());
    }
}
