//! PURE: which events are worth a notice to a person, and of what type.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    event::EVENT_NAMES,
    job::{ErrorKind, named_enum},
    quality::Quality,
};

named_enum! {
    /// What a person is notified of: the values of `notify.on`.
    NoticeType {
        /// A job FAILED.
        Failed = "failed",
        /// A job is PARKED.
        Parked = "parked",
        /// Nothing more is sent before somebody acts, or the service can be reached again.
        GateClosed = "gate_closed",
        /// It is sent again.
        GateOpened = "gate_opened",
        /// A parser is of no use, whether its job FAILED for it or not.
        PoorResult = "poor_result",
        /// All jobs came to rest.
        BatchDone = "batch_done",
        /// Of what may be spent, 80 % is spent; and that there is room again.
        Budget80 = "budget_80",
    }
}

/// What tells events of one name apart.
#[derive(Debug, Default, Deserialize)]
struct Marks {
    #[serde(default)]
    error_kind: Option<ErrorKind>,
    #[serde(default)]
    quality: Option<Quality>,
    #[serde(default)]
    fails: bool,
}

impl NoticeType {
    /// The type of this event; none where it is not worth a notice. The first of
    /// [`types_of`](Self::types_of).
    pub fn of(event: &str, detail: &RawValue) -> Option<Self> {
        Self::types_of(event, detail).first().copied()
    }

    /// All types that this event counts as, its own first: a job that FAILED `poor_result` is
    /// of interest to whoever asked for either.
    pub fn types_of(event: &str, detail: &RawValue) -> &'static [Self] {
        // Written by another version or program: then the name alone decides.
        let marks = || serde_json::from_str::<Marks>(detail.get()).unwrap_or_default();
        match event {
            "failed" if marks().error_kind == Some(ErrorKind::PoorResult) => {
                &[Self::PoorResult, Self::Failed]
            }
            "failed" => &[Self::Failed],
            // Where its job is FAILED for it, that event says so.
            "judged" => {
                let marks = marks();
                if marks.quality == Some(Quality::Bad) && !marks.fails {
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

/// What a reader of the history asked for: events by their name, and `poor_result`, which is a type
/// of events and the name of none.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    wanted: Vec<String>,
}

impl EventFilter {
    /// Every type that there is, in alphabetical order.
    pub fn types() -> Vec<&'static str> {
        let mut types = EVENT_NAMES.to_vec();
        types.push(NoticeType::PoorResult.as_str());
        types.sort_unstable();
        types
    }

    /// Events of these types, or all where there is none.
    pub const fn of(wanted: Vec<String>) -> Self {
        Self { wanted }
    }

    /// The names of the events among which those of these types are; none where all are.
    pub fn names(&self) -> Option<Vec<&str>> {
        if self.wanted.is_empty() {
            return None;
        }
        let mut names: Vec<&str> = self.wanted.iter().map(String::as_str).collect();
        if self.wants_poor_results() {
            names.extend(NoticeType::PoorResult.events());
        }
        Some(names)
    }

    /// Whether this event is one of them.
    pub fn takes(&self, event: &str, detail: &RawValue) -> bool {
        self.wanted.is_empty()
            || self.wanted.iter().any(|wanted| wanted == event)
            || self.wants_poor_results()
                && NoticeType::types_of(event, detail).contains(&NoticeType::PoorResult)
    }

    fn wants_poor_results(&self) -> bool {
        let poor = NoticeType::PoorResult.as_str();
        self.wanted.iter().any(|wanted| wanted == poor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn an_event_has_the_types_of_what_happened() {
        use NoticeType::{BatchDone, Budget80, Failed, GateClosed, GateOpened, Parked, PoorResult};
        let table: &[(&str, &str, &[NoticeType])] = &[
            ("failed", r#"{"error_kind": "bad_request"}"#, &[Failed]),
            ("failed", r#"{"error_kind": "of_the_future"}"#, &[Failed]),
            ("failed", "{}", &[Failed]),
            (
                "failed",
                r#"{"error_kind": "poor_result"}"#,
                &[PoorResult, Failed],
            ),
            ("judged", r#"{"quality": "bad"}"#, &[PoorResult]),
            ("judged", r#"{"quality": "bad", "fails": true}"#, &[]),
            ("judged", r#"{"quality": "thin"}"#, &[]),
            ("judged", r#"{"quality": "ok"}"#, &[]),
            ("parked", r#"{"park_reason": "credits"}"#, &[Parked]),
            ("gate_closed", "{}", &[GateClosed]),
            ("gate_opened", "{}", &[GateOpened]),
            ("batch_done", "{}", &[BatchDone]),
            ("budget_80", "{}", &[Budget80]),
            ("budget_reset", "{}", &[Budget80]),
            ("finished", "{}", &[]),
            ("worse", r#"{"quality": "bad"}"#, &[]),
            ("moon", "{}", &[]),
        ];
        for (event, detail, expected) in table {
            let detail = raw(detail);
            assert_eq!(NoticeType::types_of(event, &detail), *expected, "{event}");
            let own = NoticeType::of(event, &detail);
            assert_eq!(own, expected.first().copied(), "{event}");
            for notice in *expected {
                assert!(notice.events().contains(event), "{event} {notice}");
            }
        }
        for notice in NoticeType::ALL {
            for event in notice.events() {
                assert!(EVENT_NAMES.contains(event), "{event}");
            }
        }
    }

    #[test]
    fn a_filter_takes_names_and_poor_results() {
        let poor = raw(r#"{"quality": "bad"}"#);
        let thin = raw(r#"{"quality": "thin"}"#);
        for (wanted, event, detail, expected) in [
            (&[][..], "moon", &thin, true),
            (&["judged"], "judged", &thin, true),
            (&["failed"], "judged", &poor, false),
            (&["poor_result"], "judged", &poor, true),
            (&["poor_result"], "judged", &thin, false),
            (&["poor_result", "judged"], "judged", &thin, true),
            (&["budget_80"], "budget_reset", &thin, false),
        ] {
            let filter = EventFilter::of(wanted.iter().map(|name| (*name).to_owned()).collect());
            assert_eq!(filter.takes(event, detail), expected, "{wanted:?} {event}");
            let names = filter.names();
            let is_read = names.is_none_or(|names| names.contains(&event));
            assert!(is_read || !expected, "{wanted:?} {event}");
        }
        assert!(EventFilter::types().is_sorted());
    }
}
