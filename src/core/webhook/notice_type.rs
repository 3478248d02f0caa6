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

impl NoticeType {
    /// All types that this event counts as, its own first: a job that FAILED `poor_result` is of
    /// interest to whoever asked for either.
    pub fn types_of(event: &str, detail: &RawValue) -> &'static [Self] {
        let detail = || serde_json::from_str::<Value>(detail.get()).unwrap_or_default();
        match event {
            "failed" if detail()["error_kind"] == ErrorKind::PoorResult.as_str() => {
                &[Self::PoorResult, Self::Failed]
            }
            "failed" => &[Self::Failed],
            // Where its job is FAILED for it, that event says so.
            "judged" => {
                let detail = detail();
                if detail["quality"] == Quality::Bad.as_str() && detail["fails"] != true {
                    &[Self::PoorResult]
                } else {
                    &[]
                }
            }
            "parked" => &[Self::Parked],
            "gate_closed" => &[Self::GateClosed],
            "gate_opened" => &[Self::GateOpened],
            "batch_done" => &[Self::BatchDone],
            "budget_80" | "budget_reset" => &[Self::Budget80],
            _ => &[],
        }
    }

    /// The names of the events that may be of this type.
    pub const fn events(self) -> &'static [&'static str] {
        match self {
            Self::Failed => &["failed"],
            Self::Parked => &["parked"],
            Self::GateClosed => &["gate_closed"],
            Self::GateOpened => &["gate_opened"],
            Self::PoorResult => &["failed", "judged"],
            Self::BatchDone => &["batch_done"],
            Self::Budget80 => &["budget_80", "budget_reset"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_counts_as_its_types_and_is_found_by_their_names() {
        let poor = &["poor_result", "failed"][..];
        for (name, detail, expected) in [
            ("failed", r#"{"error_kind":"bad_request"}"#, &["failed"][..]),
            ("failed", "{}", &["failed"]),
            ("failed", r#"{"error_kind":"poor_result"}"#, poor),
            ("judged", r#"{"quality":"bad"}"#, &["poor_result"]),
            ("judged", r#"{"quality":"bad","fails":true}"#, &[]),
            ("judged", r#"{"quality":"thin"}"#, &[]),
            ("judged", r#"{"quality":"ok"}"#, &[]),
            ("judged", "7", &[]),
            ("parked", r#"{"park_reason":"credits"}"#, &["parked"]),
            ("gate_closed", "{}", &["gate_closed"]),
            ("gate_opened", "{}", &["gate_opened"]),
            ("batch_done", "{}", &["batch_done"]),
            ("budget_80", "{}", &["budget_80"]),
            ("budget_reset", "{}", &["budget_80"]),
            ("queued", "{}", &[]),
            ("of a later version", "{}", &[]),
        ] {
            let raw: Box<RawValue> = serde_json::from_str(detail).unwrap();
            let types = NoticeType::types_of(name, &raw);
            let names: Vec<_> = types.iter().map(|it| it.as_str()).collect();
            assert_eq!(names, expected, "{name} {detail}");
            for notice in types {
                assert!(notice.events().contains(&name), "{name} {notice}");
            }
        }
    }
}
