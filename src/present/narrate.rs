//! A line of a job's history as a sentence.

use serde_json::Value;

use crate::core::outcome::is_refusal;
use crate::present::format::span;
use crate::store::report::HistoryRow;

/// The event as a sentence; one that is unknown here is shown as it is stored.
pub(crate) fn event(row: &HistoryRow) -> String {
    let detail: Value = serde_json::from_str(row.detail.get()).unwrap_or_default();
    sentence(&row.event, &Detail(&detail)).unwrap_or_else(|| match row.detail.get() {
        "{}" => row.event.clone(),
        detail => format!("{}: {detail}", row.event),
    })
}

/// Why no example results are kept, if this event says so.
pub(crate) fn no_examples(row: &HistoryRow) -> Option<String> {
    let detail: Value = serde_json::from_str(row.detail.get()).ok()?;
    Some(detail.get("no_examples")?.as_str()?.to_owned())
}

fn sentence(event: &str, detail: &Detail) -> Option<String> {
    let parser = detail.text("parser_id");
    Some(match event {
        "queued" => "queued".to_owned(),
        "creating" => format!(
            "asked the service for a parser named {} (attempt {})",
            detail.text("remote_name"),
            detail.text("attempt")
        ),
        "created" => format!("the service created parser {parser} and is generating it"),
        "adopted" => {
            let how = match detail.text("from").as_str() {
                "list" => "the account holds it already, nothing was paid",
                "reconciliation" => "the create in doubt had made it",
                "operator" => "an operator says that it is this job's",
                _ => "it is this job's",
            };
            format!("took parser {parser}: {how}")
        }
        "in_doubt" => {
            let cause = match detail.text("cause").as_str() {
                "service_error" => "the service answered with an error".to_owned(),
                "answer_lost" => "the answer was lost".to_owned(),
                "interrupted" => "parserd stopped before the answer".to_owned(),
                other => other.to_owned(),
            };
            format!(
                "not known whether a parser was made: {cause}{}",
                detail.words()
            )
        }
        "not_made" if detail.text("from") == "operator" => {
            "an operator says that the create made nothing; queued again".to_owned()
        }
        "not_made" => format!(
            "the account's lists show that the create made nothing (attempts so far: {}); queued again",
            detail.text("attempts")
        ),
        "not_sent" => format!(
            "no connection, nothing was sent; queued again{}",
            detail.words()
        ),
        "throttled" => {
            let asked = detail.0.get("retry_after_ms").and_then(Value::as_i64);
            let wait = asked.map_or_else(String::new, |ms| format!(", to wait {}", span(ms)));
            let status = detail.text("http_status");
            format!("the service asked to slow down (HTTP {status}){wait}; queued again")
        }
        "parked" => {
            let why = detail.text("why");
            let why = if why.is_empty() {
                detail.words()
            } else {
                format!(": {why}")
            };
            format!("parked for {}{why}", detail.text("park_reason"))
        }
        "unparked" => format!(
            "no longer parked for {}; queued again",
            detail.text("park_reason")
        ),
        "requeued" | "cancelled" => {
            let what = if event == "requeued" {
                "retried"
            } else {
                "cancelled"
            };
            format!("{what} by an operator, was {}", detail.stand())
        }
        "changed" => "changed by an operator".to_owned(),
        "unknown_status" => format!("the service said something unknown{}", detail.words()),
        "awaits_examples" => format!(
            "the parser is ready and has no example results yet ({}); asked once more",
            detail.text("why")
        ),
        "finished" => {
            let ready = match detail.text("version").as_str() {
                "" => "finished, the parser is ready".to_owned(),
                version => format!("finished, version {version} of the parser is ready"),
            };
            match detail.text("no_examples").as_str() {
                "" => ready,
                why => format!("{ready}; no example results are kept: {why}"),
            }
        }
        "failed" => format!("failed, {}{}", detail.text("error_kind"), detail.words()),
        _ => return None,
    })
}

struct Detail<'a>(&'a Value);

impl Detail<'_> {
    fn text(&self, key: &str) -> String {
        match self.0.get(key) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    /// The status and the words of an answer, after a colon; nothing without them.
    fn words(&self) -> String {
        let status = self.0.get("http_status").and_then(Value::as_i64);
        let status = match status.filter(|status| is_refusal(*status)) {
            None => String::new(),
            Some(status) => format!(" (HTTP {status})"),
        };
        match self.text("message").as_str() {
            "" => status,
            message => format!("{status}: {message}"),
        }
    }

    fn stand(&self) -> String {
        let why = [self.text("park_reason"), self.text("error_kind")].concat();
        match why.as_str() {
            "" => self.text("from"),
            why => format!("{} for {why}", self.text("from")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_read_as_sentences_and_unknown_ones_as_they_are() {
        let table = [
            ("queued", json!({}), "queued"),
            (
                "created",
                json!({"parser_id": "p1", "version": 0}),
                "the service created parser p1 and is generating it",
            ),
            (
                "failed",
                json!({"error_kind": "bad_request", "http_status": 400, "message": "no"}),
                "failed, bad_request (HTTP 400): no",
            ),
            (
                "failed",
                json!({"error_kind": "generation_failed", "http_status": 200, "message": "no"}),
                "failed, generation_failed: no",
            ),
            (
                "requeued",
                json!({"from": "FAILED", "error_kind": "generation_failed", "park_reason": null}),
                "retried by an operator, was FAILED for generation_failed",
            ),
            ("new", json!({"a": 1}), r#"new: {"a":1}"#),
            ("new", json!({}), "new"),
        ];
        for (event, detail, expected) in table {
            let detail = serde_json::value::to_raw_value(&detail).unwrap();
            let row = HistoryRow {
                at: 0,
                event: event.to_owned(),
                detail,
            };
            assert_eq!(super::event(&row), expected);
        }
    }
}
