//! The gates that `resume` opens.

use crate::present::price::is_parked_for;
use crate::{
    cli::output::print_message,
    clock::Clock,
    core::{
        budget::Budget,
        gate::{Closure, Scope},
        job::{ParkReason, UnixMs},
    },
    engine::operate::OperatorAction,
    present::format::{cost, count, lasting},
    store::{Gates as _, Store, StoreError, report::JobRow},
};

/// Jobs that are PARKED for these go on when the gates are open.
const GATED: [ParkReason; 2] = [ParkReason::Credits, ParkReason::Unauthorized];

/// Gates to open, and which jobs wait behind them beside those that were asked for.
#[derive(Debug, Default)]
pub(super) struct GateSelection {
    closed: Vec<(Scope, Closure)>,
    others: usize,
}

impl GateSelection {
    /// Those that `resume` is to open: all, or where jobs are chosen, if they held one of them.
    pub(super) async fn of(
        store: &Store,
        action: OperatorAction,
        is_choice: bool,
        rows: &[JobRow],
    ) -> Result<Self, StoreError> {
        let mine = rows.iter().filter(|row| is_parked_for(row, &GATED)).count();
        if action != OperatorAction::Resume || (is_choice && mine == 0) {
            return Ok(Self::default());
        }
        let closed = store.gates().await?;
        let parked = store.counts().await?.parked;
        let gated = GATED.iter().filter_map(|reason| parked.get(reason)).sum();
        let gated: i64 = if closed.is_empty() { 0 } else { gated };
        Ok(Self {
            closed,
            others: usize::try_from(gated).unwrap_or(0).saturating_sub(mine),
        })
    }

    /// What else goes on, and what that may cost.
    pub(super) fn others_line(&self, budget: &Budget) -> Option<String> {
        (self.others > 0).then(|| {
            format!(
                "note: once the gate is open, {} more that it holds may go on by {}: {}",
                count(self.others, "job"),
                if self.others == 1 {
                    "itself"
                } else {
                    "themselves"
                },
                cost(self.others, budget)
            )
        })
    }

    /// Opens them, after the jobs: a daemon that saw them open would un-park the jobs itself,
    /// and their number could not be determined.
    pub(super) async fn open(&self, store: &Store) -> Result<(), StoreError> {
        for (scope, _) in &self.closed {
            store.set_gate(*scope, None).await?;
        }
        self.print("opened", Clock::system().now());
        Ok(())
    }

    pub(super) fn print(&self, done: &str, now: UnixMs) {
        for (scope, closure) in &self.closed {
            let before = match scope {
                Scope::Create => "creates",
                Scope::Read => "polls and lists",
            };
            print_message(&format!(
                "{done} the gate that held {before}: {}, closed {}",
                closure.reason,
                lasting(closure.since, now)
            ));
        }
    }
}
