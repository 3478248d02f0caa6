//! What happened to no job in particular: to the gates, the budget, the batch.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use crate::core::{
    gate::{GateReason, Scope},
    job::{DurationMs, UnixMs, named_enum},
};

named_enum! {
    /// For what time a bound of the budget counts.
    BudgetPeriod {
        /// One UTC day: `budget.max_credits_per_day`.
        Day = "day",
        /// All that the database ever sent: `budget.max_credits`.
        All = "all",
    }
}

/// An event of no job. It is stored in `job_events`, with the `job_id` 0, as
/// [`JobEvent`](super::JobEvent) is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", content = "detail", rename_all = "snake_case")]
pub enum GeneralEvent {
    /// A gate closed, or is closed for another reason; written by a trigger of the database.
    GateClosed {
        /// What it stands before.
        scope: Scope,
        /// Why.
        reason: GateReason,
        /// Since when, Unix milliseconds.
        since: UnixMs,
        /// When one request may try, Unix milliseconds.
        next_probe_at: UnixMs,
    },
    /// A gate opened, whoever opened it; written by a trigger of the database.
    GateOpened {
        /// What it stands before.
        scope: Scope,
        /// Why it was closed.
        reason: GateReason,
        /// Since when it was, Unix milliseconds.
        since: UnixMs,
        /// How long it was closed.
        closed_ms: DurationMs,
    },
    /// 80 % of what may be spent are spent.
    #[serde(rename = "budget_80")]
    Budget80 {
        /// In which time.
        period: BudgetPeriod,
        /// Credits that are spent.
        spent: i64,
        /// Credits that may be.
        limit: i64,
        /// The former in percent of the latter.
        share: i64,
    },
    /// After that there is room again: the day is over, or the bound was raised.
    BudgetReset {
        /// In which time.
        period: BudgetPeriod,
        /// Credits that may be spent now; none where there is no bound any more.
        #[serde(default)]
        limit: Option<i64>,
    },
    /// No job can go on without a person. Counted are jobs that something happened to since the
    /// last time.
    BatchDone {
        /// Jobs that are FINISHED.
        finished: i64,
        /// Jobs that are FAILED.
        failed: i64,
        /// Jobs that are PARKED.
        parked: i64,
        /// Jobs that are CANCELLED.
        cancelled: i64,
        /// Jobs that are QUEUED behind a closed gate.
        #[serde(default, skip_serializing_if = "is_zero")]
        queued: i64,
        /// Credits spent since the last time.
        credits: i64,
        /// When the first of it happened, Unix milliseconds.
        started_at: UnixMs,
        /// How long it took since then.
        took_ms: DurationMs,
    },
}

const fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl GeneralEvent {
    /// What happened, in one word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::GateClosed { .. } => "gate_closed",
            Self::GateOpened { .. } => "gate_opened",
            Self::Budget80 { .. } => "budget_80",
            Self::BudgetReset { .. } => "budget_reset",
            Self::BatchDone { .. } => "batch_done",
        }
    }

    /// As the database keeps it: the name, and the rest as a JSON object.
    pub fn to_columns(&self) -> (&'static str, Value) {
        (self.name(), json!(self)["detail"].take())
    }

    /// The event of these columns; none where it is a job's, or this version cannot read it.
    pub fn from_columns(event: &str, detail: &RawValue) -> Option<Self> {
        let detail: Value = serde_json::from_str(detail.get()).ok()?;
        serde_json::from_value(json!({ "event": event, "detail": detail })).ok()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::core::event::EVENT_NAMES;

    /// Each variant, and as databases hold it: this is read by SQL, and by every later version.
    pub(crate) fn stored() -> Vec<(GeneralEvent, &'static str, Value)> {
        vec![
            (
                GeneralEvent::GateClosed {
                    scope: Scope::Create,
                    reason: GateReason::Credits,
                    since: 5,
                    next_probe_at: 900_005,
                },
                "gate_closed",
                json!({"scope": "create", "reason": "credits", "since": 5, "next_probe_at": 900_005}),
            ),
            (
                GeneralEvent::GateOpened {
                    scope: Scope::Read,
                    reason: GateReason::Unreachable,
                    since: 5,
                    closed_ms: 90_000,
                },
                "gate_opened",
                json!({"scope": "read", "reason": "unreachable", "since": 5, "closed_ms": 90_000}),
            ),
            (
                GeneralEvent::Budget80 {
                    period: BudgetPeriod::Day,
                    spent: 90_000,
                    limit: 100_000,
                    share: 90,
                },
                "budget_80",
                json!({"period": "day", "spent": 90_000, "limit": 100_000, "share": 90}),
            ),
            (
                GeneralEvent::BudgetReset {
                    period: BudgetPeriod::All,
                    limit: None,
                },
                "budget_reset",
                json!({"period": "all", "limit": null}),
            ),
            (
                GeneralEvent::BatchDone {
                    finished: 480,
                    failed: 12,
                    parked: 8,
                    cancelled: 0,
                    queued: 0,
                    credits: 15_000_000,
                    started_at: 5,
                    took_ms: 7_500_000,
                },
                "batch_done",
                json!({"finished": 480, "failed": 12, "parked": 8, "cancelled": 0,
                    "credits": 15_000_000, "started_at": 5, "took_ms": 7_500_000}),
            ),
        ]
    }

    #[test]
    fn what_is_stored_is_read_as_it_was_written() {
        for (event, name, detail) in stored() {
            assert_eq!(event.to_columns(), (name, detail.clone()));
            let detail = serde_json::value::to_raw_value(&detail).unwrap();
            assert_eq!(GeneralEvent::from_columns(name, &detail), Some(event));
            assert!(EVENT_NAMES.contains(&name), "{name}");
        }
    }
}
