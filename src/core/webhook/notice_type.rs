//! PURE: which events are worth a notice, and of what type.

use serde_json::{Value, value::RawValue};

use crate::core::{
    job::{ErrorKind, named_enum},
    quality::Quality,
};

named_enum! {
    /// What a person may want to be told of: the values of `notify.on`.
    NoticeType {
        /// A job FAILED.
        Failed = "failed",
        /// A job is PARKED.
        Parked = "parked",
        /// A gate closed: requests are held.
        GateClosed = "gate_closed",
        /// A gate opened: they go on.
        GateOpened = "gate_opened",
        /// A parser is ready and of no use.
        PoorResult = "poor_result",
        /// All jobs came to rest.
        BatchDone = "batch_done",
        /// 80 % of a budget is spent.
        Budget80 = "budget_80",
    }
}

/// The notice that an event of this name calls for, if it calls for one.
pub fn of_event(name: &str, detail: &RawValue) -> Option<NoticeType> {
    let says = |key: &str, word: &str| {
        let detail: Option<Value> = serde_json::from_str(detail.get()).ok();
        detail.is_some_and(|detail| detail[key] == word)
    };
    match name {
        "failed" if says("error_kind", ErrorKind::PoorResult.as_str()) => {
            Some(NoticeType::PoorResult)
        }
        "judged" => says("quality", Quality::Bad.as_str()).then_some(NoticeType::PoorResult),
        name => name.parse().ok(),
    }
}

/// The names of the events among which those of these types are found.
pub fn event_names(types: &[NoticeType]) -> Vec<String> {
    let mut names: Vec<&str> = types.iter().map(|notice| notice.as_str()).collect();
    if types.contains(&NoticeType::PoorResult) {
        names.extend(["judged", NoticeType::Failed.as_str()]);
    }
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_calls_for_one_notice_or_for_none() {
        for (name, detail, expected) in [
            ("failed", r#"{"error_kind":"bad_request"}"#, Some("failed")),
            ("failed", "{}", Some("failed")),
            (
                "failed",
                r#"{"error_kind":"poor_result"}"#,
                Some("poor_result"),
            ),
            ("judged", r#"{"quality":"bad"}"#, Some("poor_result")),
            ("judged", r#"{"quality":"thin"}"#, None),
            ("judged", r#"{"quality":"ok"}"#, None),
            ("judged", "7", None),
            ("parked", r#"{"park_reason":"credits"}"#, Some("parked")),
            ("gate_closed", "{}", Some("gate_closed")),
            ("gate_opened", "{}", Some("gate_opened")),
            ("batch_done", "{}", Some("batch_done")),
            ("budget_80", "{}", Some("budget_80")),
            ("queued", "{}", None),
            ("finished", "{}", None),
            ("of a later version", "{}", None),
        ] {
            let raw: Box<RawValue> = serde_json::from_str(detail).unwrap();
            let found = of_event(name, &raw).map(NoticeType::as_str);
            assert_eq!(found, expected, "{name} {detail}");
        }
    }

    #[test]
    fn every_type_is_found_among_events_of_some_names() {
        assert_eq!(event_names(&[NoticeType::Parked]), ["parked"]);
        assert_eq!(
            event_names(&[NoticeType::PoorResult, NoticeType::Failed]),
            ["failed", "judged", "poor_result"]
        );
        assert!(event_names(&[]).is_empty());
    }
}
