//! The gate before the creates, as far as it can be known from outside.

use std::collections::BTreeMap;

use super::{
    scenario::Scenario,
    verdict::{Verdict, holds},
};
use crate::core::{
    job::UnixMs,
    outcome::{CreateOutcome, Refusal},
};

/// A closing.
#[derive(Debug, Clone, Copy)]
struct Closed {
    /// Intents that began before this many others are stragglers.
    since_intent: u64,
    /// No canary before this time (as time passes, not as clocks say).
    probe_at: UnixMs,
    interval_ms: i64,
    passes_by_itself: bool,
    is_canary_out: bool,
}

/// What the daemon was told, and what it may send then.
#[derive(Debug, Default)]
pub(super) struct GateWatch {
    intents: u64,
    intent_of: BTreeMap<i64, u64>,
    closed: Option<Closed>,
    opened_at_intent: u64,
    /// A fetch was refused, and no create since.
    fetch_refused_at: Option<UnixMs>,
    /// The next refusal may be taken for one from before somebody opened the gates.
    may_be_passed_over: bool,
}

impl GateWatch {
    pub fn begins_intent(&mut self, job: i64) {
        self.intents += 1;
        self.intent_of.insert(job, self.intents);
    }

    /// Whether it is closed for what does not pass by itself: what costs nothing need not care.
    pub fn is_closed_for_long(&self) -> bool {
        self.closed.is_some_and(|closed| !closed.passes_by_itself)
    }

    /// A create of this job is about to be sent.
    pub fn lets(&mut self, job: i64, name: &str, time: UnixMs) -> Verdict {
        let intent = self.intent_of.get(&job).copied().unwrap_or(0);
        if let Some(closed) = &mut self.closed
            && intent > closed.since_intent
        {
            holds!(!closed.is_canary_out, "{name} is sent beside the canary");
            holds!(
                time >= closed.probe_at,
                "{name} is sent {} ms before the probe",
                closed.probe_at - time
            );
            closed.is_canary_out = true;
        }
        Ok(())
    }

    /// The daemon is told what came of a create.
    pub fn answered(&mut self, plan: &Scenario, job: i64, outcome: &CreateOutcome, time: UnixMs) {
        let is_canary = self.closed.is_some_and(|closed| {
            self.intent_of.get(&job).copied().unwrap_or(0) > closed.since_intent
        });
        let intent = self.intent_of.get(&job).copied().unwrap_or(0);
        let is_refused = matches!(
            outcome,
            CreateOutcome::Refused(..)
                | CreateOutcome::NotSent(_)
                | CreateOutcome::Unavailable { .. }
        );
        if intent <= self.opened_at_intent || is_refused && self.may_be_passed_over {
            if is_refused {
                // The daemon closes the gate for it or does not, and then the next one is
                // a straggler or is not.
                self.may_be_passed_over = false;
                self.opened();
            }
            return;
        }
        let (passes_by_itself, interval_ms) = match outcome {
            CreateOutcome::Refused(Refusal::Credits | Refusal::Unauthorized, _) => {
                (false, plan.probe_interval_ms)
            }
            CreateOutcome::Refused(Refusal::Throttled { retry_after_ms }, _) => (
                true,
                retry_after_ms.unwrap_or(0).max(plan.retry_interval_ms),
            ),
            CreateOutcome::Unavailable { retry_after_ms, .. } => {
                (true, (*retry_after_ms).max(plan.retry_interval_ms))
            }
            CreateOutcome::NotSent(_) => (true, plan.retry_interval_ms),
            CreateOutcome::Created { .. } if is_canary => {
                self.closed = None;
                return;
            }
            _ => {
                if is_canary && let Some(closed) = &mut self.closed {
                    if closed.passes_by_itself {
                        self.closed = None;
                    } else {
                        closed.is_canary_out = false;
                        closed.since_intent = self.intents;
                        closed.probe_at = time + closed.interval_ms;
                    }
                }
                return;
            }
        };
        let since = self.closed_since(interval_ms, time);
        match &mut self.closed {
            // A graver reason stays.
            Some(closed) if passes_by_itself && !closed.passes_by_itself => {
                if is_canary {
                    closed.is_canary_out = false;
                    closed.since_intent = self.intents;
                    closed.probe_at = time + closed.interval_ms;
                }
            }
            // A straggler of the same kind changes nothing.
            Some(closed) if !is_canary && passes_by_itself == closed.passes_by_itself => {}
            _ => {
                self.closed = Some(Closed {
                    since_intent: self.intents,
                    probe_at: since + interval_ms,
                    interval_ms,
                    passes_by_itself,
                    is_canary_out: false,
                });
            }
        }
    }

    /// The daemon is told that a fetch was refused. When it closes the gate for that, and whether the
    /// fetch was the canary's, is not known here: the gate may wait from now on, for the least that it
    /// may.
    pub fn fetch_refused(&mut self, plan: &Scenario, time: UnixMs) {
        let before = self.fetch_refused_at;
        let before = before.filter(|at| at + plan.probe_interval_ms > time);
        self.fetch_refused_at = Some(before.unwrap_or(time));
        if let Some(closed) = &mut self.closed {
            closed.interval_ms = closed.interval_ms.min(plan.probe_interval_ms);
        }
    }

    /// Since when the gate may be closed that an answer closes now, for at least so long.
    fn closed_since(&mut self, interval_ms: i64, time: UnixMs) -> UnixMs {
        let fetch = self.fetch_refused_at.take();
        fetch.filter(|at| at + interval_ms > time).unwrap_or(time)
    }

    /// Somebody opened the gates: what was asked before closes them no more, and the
    /// daemon may notice it only with the next answer.
    pub const fn opened_by_somebody(&mut self) {
        self.may_be_passed_over = true;
        self.opened();
    }

    const fn opened(&mut self) {
        self.closed = None;
        self.opened_at_intent = self.intents;
    }

    /// A new process: of a stored closing, how long till the probe, the interval, and
    /// whether it passes by itself.
    pub fn restarted(&mut self, stored: Option<(i64, i64, bool)>, time: UnixMs) {
        self.closed = stored.map(|(wait_ms, interval_ms, passes_by_itself)| Closed {
            since_intent: self.intents,
            probe_at: time + wait_ms,
            interval_ms,
            passes_by_itself,
            is_canary_out: false,
        });
    }
}
