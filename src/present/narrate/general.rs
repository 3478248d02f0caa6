//! What happened to gates, budget and batch, as a sentence.

use crate::core::{
    event::general::{BudgetPeriod, GeneralEvent},
    gate::{GateReason, Scope},
    timestamp::iso,
};
use crate::present::format::{grouped, span};

#[expect(clippy::too_many_lines, reason = "one table: each event's sentence")]
pub(super) fn sentence(event: &GeneralEvent) -> String {
    match event {
        GeneralEvent::GateClosed {
            scope,
            reason,
            next_probe_at,
            ..
        } => format!(
            "{} are paused: {}; one request tries again at {}",
            requests(*scope),
            cause(*reason),
            iso(*next_probe_at)
        ),
        GeneralEvent::GateOpened {
            scope,
            reason,
            closed_ms,
            ..
        } => format!(
            "{} go on, after a pause of {}: {}",
            requests(*scope),
            span(*closed_ms),
            cause(*reason)
        ),
        GeneralEvent::Budget80 {
            period,
            spent,
            limit,
            share,
        } => format!(
            "{share} % of {} is spent: {} of {} credits",
            setting(*period),
            grouped(*spent),
            grouped(*limit)
        ),
        GeneralEvent::BudgetReset {
            period,
            limit: Some(limit),
        } => format!(
            "the budget has room again: {} is {}",
            setting(*period),
            grouped(*limit)
        ),
        GeneralEvent::BudgetReset {
            period,
            limit: None,
        } => format!(
            "the budget has room again: {} is not set any more",
            setting(*period)
        ),
        GeneralEvent::BatchDone {
            finished,
            failed,
            parked,
            cancelled,
            queued,
            credits,
            took_ms,
            ..
        } => {
            let waiting = match queued {
                0 => String::new(),
                queued => format!(", {} waiting", grouped(*queued)),
            };
            format!(
                "all jobs came to rest: {} finished, {} failed, {} parked, {} cancelled{waiting}; \
                 {} credits in {}",
                grouped(*finished),
                grouped(*failed),
                grouped(*parked),
                grouped(*cancelled),
                grouped(*credits),
                span(*took_ms)
            )
        }
    }
}

const fn cause(reason: GateReason) -> &'static str {
    match reason {
        GateReason::Credits => "the account had no credits left",
        GateReason::Unauthorized => "the service did not accept the API key",
        GateReason::Unreachable => "the service could not be reached",
        GateReason::Throttled => "the service asked to slow down",
    }
}

const fn requests(scope: Scope) -> &'static str {
    match scope {
        Scope::Create => "creates",
        Scope::Read => "reads",
    }
}

const fn setting(period: BudgetPeriod) -> &'static str {
    match period {
        BudgetPeriod::Day => "budget.max_credits_per_day",
        BudgetPeriod::All => "budget.max_credits",
    }
}
