//! A line of the history as a sentence.

mod general;

use serde_json::Value;

use crate::core::{
    event::{AdoptedFrom, Answer, InDoubtCause, JobEvent, Standing, ToldBy, general::GeneralEvent},
    job::Part,
    outcome::is_refusal,
    preflight::Foreseen,
};
use crate::present::format::{grouped, span};
use crate::store::report::HistoryRow;

/// The event as a sentence; one that is unknown here is shown as it is stored.
pub(crate) fn event(row: &HistoryRow) -> String {
    if let Some(event) = JobEvent::from_columns(&row.event, &row.detail) {
        return sentence(&event);
    }
    if let Some(event) = GeneralEvent::from_columns(&row.event, &row.detail) {
        return general::sentence(&event);
    }
    match row.detail.get() {
        "{}" => row.event.clone(),
        detail => format!("{}: {detail}", row.event),
    }
}

/// Why no example results are kept, if this event says so.
pub(crate) fn no_examples(row: &HistoryRow) -> Option<String> {
    match JobEvent::from_columns(&row.event, &row.detail)? {
        JobEvent::Finished { no_examples, .. } => no_examples,
        _ => None,
    }
}

#[expect(clippy::too_many_lines, reason = "one table: each event's sentence")]
fn sentence(event: &JobEvent) -> String {
    match event {
        JobEvent::Queued {} => "queued".to_owned(),
        JobEvent::Creating {
            remote_name,
            attempt,
        } => format!("asked the service for a parser named {remote_name} (attempt {attempt})"),
        JobEvent::Created { parser_id, .. } => {
            format!("the service created parser {parser_id} and is generating it")
        }
        JobEvent::Adopted {
            parser_id, from, ..
        } => {
            let took = format!("took parser {parser_id}");
            match from {
                AdoptedFrom::List => {
                    format!("{took}: the account holds it already, nothing was paid")
                }
                AdoptedFrom::Reconciliation => format!(
                    "found parser {parser_id} in the account: the request whose outcome was not \
                     known had created it"
                ),
                AdoptedFrom::Operator => format!("{took}: an operator says that it is this job's"),
            }
        }
        JobEvent::Changing {
            part,
            version,
            attempt,
        } => {
            let what = match part {
                Part::Free => "to rename or remove fields, which is free",
                Part::Paid => "to add or change fields",
                Part::Delete => "to delete the parser",
            };
            let version = version.map_or_else(String::new, |version| {
                format!(", based on version {version}")
            });
            format!("asked the service {what}{version} (attempt {attempt})")
        }
        JobEvent::ChangeMade {
            part,
            version,
            from,
        } => {
            let what = match part {
                Part::Free => "fields were renamed or removed",
                Part::Paid => "fields were added or changed, and the service generates the parser",
                Part::Delete => "the parser was deleted",
            };
            let version =
                version.map_or_else(String::new, |version| format!(": version {version}"));
            format!("{}{what}{version}", by(*from))
        }
        JobEvent::Deleted { from } => {
            let by = by(*from);
            format!("{by}finished, the parser is deleted and its name is free")
        }
        JobEvent::Worse {
            stays: Some(stays),
            reason,
            ..
        } => {
            let why = reason
                .as_ref()
                .map_or_else(String::new, |why| format!(": {why}"));
            format!("the new parser is worth less than {stays}, which keeps the name{why}")
        }
        JobEvent::Worse {
            version,
            reason,
            stays: None,
        } => {
            let version = version.map_or_else(
                || "the new version".to_owned(),
                |version| format!("version {version}"),
            );
            let why = reason
                .as_ref()
                .map_or_else(String::new, |why| format!(": {why}"));
            format!("{version} is worth less than the one before, which stays in use{why}")
        }
        JobEvent::Foreseen(foreseen) => foresaw(foreseen),
        JobEvent::Pinned { version, from } => {
            let before = from.map_or_else(String::new, |from| format!(" in place of {from}"));
            format!("an operator chose version {version} to be used{before}")
        }
        JobEvent::InDoubt { cause, answer, .. } => format!(
            "not known whether the request took effect: {}{}",
            cause.map_or("", why_in_doubt),
            words(answer)
        ),
        JobEvent::NotMade {
            from: Some(ToldBy::Operator),
            ..
        } => "an operator says that the request made nothing; queued again".to_owned(),
        JobEvent::NotMade {
            from: None,
            attempts,
            ..
        } => format!(
            "the service shows that the request made nothing (attempts so far: {}); queued again",
            attempts.unwrap_or_default()
        ),
        JobEvent::NotSent(answer) => format!(
            "no connection, nothing was sent; queued again{}",
            words(answer)
        ),
        JobEvent::Throttled {
            answer,
            retry_after_ms,
        } => {
            let status = answer
                .http_status
                .map_or_else(String::new, |status| format!(" (HTTP {status})"));
            let wait =
                retry_after_ms.map_or_else(String::new, |ms| format!(" and to wait {}", span(ms)));
            format!("the service asked to slow down{status}{wait}; queued again")
        }
        JobEvent::Waiting(answer) => format!("waiting{}", words(answer)),
        JobEvent::Parked {
            park_reason,
            answer,
            why,
            ..
        } => {
            let why = why
                .as_ref()
                .map_or_else(|| words(answer), |why| format!(": {why}"));
            format!("parked, {park_reason}{why}")
        }
        JobEvent::Unparked { park_reason } => {
            let reason = park_reason.map_or_else(String::new, |reason| format!(" ({reason})"));
            format!("no longer parked{reason}; queued again")
        }
        JobEvent::Requeued(standing) => format!("retried by an operator, was {}", stood(standing)),
        JobEvent::Cancelled(standing) => {
            format!("cancelled by an operator, was {}", stood(standing))
        }
        JobEvent::Judged {
            quality, reason, ..
        } => {
            let why = reason
                .as_ref()
                .map_or_else(String::new, |why| format!(": {why}"));
            format!("what the parser found was judged {quality}{why}")
        }
        JobEvent::Changed { old, columns, .. } => {
            format!("changed by an operator{}", changed(old, columns.as_deref()))
        }
        JobEvent::UnknownStatus(answer) => {
            format!("the service said something unknown{}", words(answer))
        }
        JobEvent::AwaitsExamples { why } => format!(
            "the parser is ready and has no example results yet ({}); asked once more",
            why.as_deref().unwrap_or_default()
        ),
        JobEvent::Finished {
            version,
            no_examples,
            ..
        } => {
            let version = version.map_or_else(
                || "the parser is ready".to_owned(),
                |version| format!("version {version} of the parser is ready"),
            );
            let lack = no_examples.as_ref().map_or_else(String::new, |why| {
                format!("; no example results are kept: {why}")
            });
            format!("finished, {version}{lack}")
        }
        JobEvent::Escalated {
            from,
            to,
            why,
            credits,
        } => format!(
            // Its share of the day is asked for when its turn comes.
            "the generation failed: {}; another create with scraper_params {to} in place of {from} \
             follows if the ladder's share of the day has room ({} credits)",
            why,
            grouped(*credits)
        ),
        JobEvent::Failed { error_kind, answer } => {
            format!("failed, {error_kind}{}", words(answer))
        }
    }
}

/// Which columns an operator changed, after a colon.
fn changed(old: &Value, columns: Option<&[String]>) -> String {
    let of_job = |column: &&str| *column != "parser_id";
    match columns {
        Some([]) => ", to what it was already".to_owned(),
        Some(columns) => format!(": {}", columns.join(", ")),
        None => {
            let there = old.as_object().into_iter().flatten();
            let there = there.map(|(column, _)| column.as_str());
            // All of them were recorded then, whichever was written.
            match there.filter(of_job).collect::<Vec<_>>().join(" or ") {
                none if none.is_empty() => none,
                there => format!(": {there}"),
            }
        }
    }
}

const fn by(from: Option<ToldBy>) -> &'static str {
    match from {
        Some(ToldBy::Operator) => "an operator says so: ",
        None => "",
    }
}

const fn why_in_doubt(cause: InDoubtCause) -> &'static str {
    match cause {
        InDoubtCause::ServiceError => "the service answered with an error",
        InDoubtCause::AnswerLost => "the answer was lost",
        InDoubtCause::Interrupted => "parserd stopped before the answer",
        InDoubtCause::Others => cause.as_str(),
    }
}

/// The status and the words of an answer, after a colon; nothing without them.
fn words(answer: &Answer) -> String {
    let status = answer
        .http_status
        .filter(|status| is_refusal(i64::from(*status)));
    let status = status.map_or_else(String::new, |status| format!(" (HTTP {status})"));
    match answer.message.as_deref().unwrap_or_default() {
        "" => status,
        message => format!("{status}: {message}"),
    }
}

fn stood(standing: &Standing) -> String {
    let park_reason = standing.park_reason.map(|reason| reason.as_str());
    match park_reason.or(standing.error_kind.map(|kind| kind.as_str())) {
        None => standing.from.to_string(),
        Some(why) => format!("{} ({why})", standing.from),
    }
}

/// What was seen of the example pages, what is sent because of it, and what looking cost.
fn foresaw(foreseen: &Foreseen) -> String {
    let set = foreseen
        .set
        .as_ref()
        .map_or_else(String::new, |set| format!("; sent with {set}"));
    format!(
        "{}{set} ({} credits)",
        foreseen.in_words(),
        foreseen.credits
    )
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use serde_json::json;

    use super::*;
    use crate::core::event;

    /// What tells a variant's sentences apart, besides the one that `event::tests` has of it;
    /// and what this version does not know.
    fn others() -> Vec<(&'static str, Value)> {
        vec![
            (
                "adopted",
                json!({"parser_id": "p1", "from": "reconciliation"}),
            ),
            ("adopted", json!({"parser_id": "p1", "from": "operator"})),
            ("in_doubt", json!({"cause": "interrupted"})),
            (
                "in_doubt",
                json!({"cause": "service_error", "http_status": 500, "message": "oops"}),
            ),
            (
                "throttled",
                json!({"http_status": 429, "retry_after_ms": 90_000}),
            ),
            ("waiting", json!({"message": "no list of the account"})),
            (
                "parked",
                json!({"park_reason": "credits", "http_status": 402, "message": "none left"}),
            ),
            ("parked", json!({"park_reason": "budget"})),
            ("unparked", json!({})),
            (
                "requeued",
                json!({"from": "PARKED", "park_reason": "ambiguous"}),
            ),
            ("cancelled", json!({"from": "QUEUED"})),
            (
                "changed",
                json!({"by": "operator", "old": {"urls": "[]", "scraper_params": null},
                    "columns": ["urls", "scraper_params"]}),
            ),
            (
                "changed",
                json!({"by": "operator", "old": {"urls": "[]"}, "columns": []}),
            ),
            (
                "changed",
                json!({"by": "operator", "old": {"urls": "[]", "fields": null, "parser_id": null}}),
            ),
            ("changed", json!({"by": "operator", "old": {"protect": 0}})),
            ("finished", json!({"no_examples": "they are not JSON"})),
            (
                "failed",
                json!({"error_kind": "generation_failed", "http_status": 200, "message": "no"}),
            ),
            ("failed", json!({})),
            (
                "budget_80",
                json!({"period": "all", "spent": 80_000, "limit": 100_000, "share": 80}),
            ),
            ("budget_reset", json!({"period": "day", "limit": 1_000_000})),
            (
                "batch_done",
                json!({"finished": 1, "failed": 0, "parked": 2, "cancelled": 1, "queued": 1200,
                    "credits": 30_000, "started_at": 5, "took_ms": 1_000}),
            ),
            ("from_the_future", json!({"a": 1})),
            ("from_the_future", json!({})),
        ]
    }

    #[test]
    fn each_event_is_a_sentence_and_an_unknown_one_is_shown_as_it_is() {
        let stored = event::tests::stored().into_iter();
        let stored = stored.map(|(_, name, detail)| (name, detail));
        let general = event::general::tests::stored().into_iter();
        let stored = stored.chain(general.map(|(_, name, detail)| (name, detail)));
        let mut text = String::new();
        for (event, detail) in stored.chain(others()) {
            let row = HistoryRow {
                at: 0,
                event: event.to_owned(),
                detail: serde_json::value::to_raw_value(&detail).unwrap(),
            };
            writeln!(text, "{event} {detail}\n    {}", super::event(&row)).unwrap();
        }
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("narrate", text);
        });
    }
}
