//! PURE: the account's circuit breaker.
//!
//! One gate stands before the creates, one before the reads (poll and list); a
//! create needs both. A gate is stored, so that a restart respects it; that a
//! canary is under way is not, so that a crash only means another canary.

use crate::{
    api::{classify::MAX_RETRY_AFTER_MS, types::Refusal},
    job::{DurationMs, UnixMs, named_enum},
};

named_enum! {
    /// Why a gate is closed.
    GateReason {
        /// 401: the key is wrong.
        Unauthorized = "unauthorized",
        /// 402 or 403: credits are exhausted.
        Credits = "credits",
        /// 429: too many requests.
        Throttled = "throttled",
        /// No connection can be made.
        Unreachable = "unreachable",
    }
}

impl GateReason {
    /// Whether it passes by itself, so that waiting for it is making progress.
    pub const fn is_passing(self) -> bool {
        match self {
            Self::Throttled | Self::Unreachable => true,
            Self::Unauthorized | Self::Credits => false,
        }
    }
}

named_enum! {
    /// What a gate stands before.
    Scope {
        /// `POST /parsers`.
        Create = "create",
        /// `GET /parsers` and `GET /parsers/{id}`.
        Read = "read",
    }
}

/// A closed gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closure {
    /// Why it is closed.
    pub reason: GateReason,
    /// Since when.
    pub since: UnixMs,
    /// When one canary may try.
    pub next_probe_at: UnixMs,
    /// The interval that led to `next_probe_at`; it grows with each canary refused.
    pub interval_ms: DurationMs,
}

impl Closure {
    /// Whether a canary may try at `now`.
    pub const fn is_due(&self, now: UnixMs) -> bool {
        now >= self.next_probe_at
    }

    /// The closing as a new process takes it up: one from the future was stored before
    /// the clock was set back, which must make the wait neither longer nor vanish. No
    /// wait is longer than an answer can ask for.
    #[must_use]
    pub fn read_at(self, now: UnixMs) -> Self {
        if now < self.since {
            return Self {
                since: now,
                next_probe_at: now,
                ..self
            };
        }
        let longest_ms = self.interval_ms.max(MAX_RETRY_AFTER_MS);
        Self {
            next_probe_at: self.next_probe_at.min(now.saturating_add(longest_ms)),
            ..self
        }
    }
}

/// The state of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Everything goes through.
    Open,
    /// Nothing goes through until the next probe.
    Closed(Closure),
    /// One canary is under way.
    HalfOpen(Closure),
}

/// Who may go through now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Everyone.
    All,
    /// One, as the canary.
    Canary,
    /// No one before this time; nothing is known of when, while a canary is out.
    NoneUntil(Option<UnixMs>),
}

/// What an answer says about the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// The service did what was asked.
    Accepted,
    /// It answered, or may have, in a way that says nothing of key and credits.
    Answered,
    /// It refused the account.
    Refused(Refusal),
    /// No connection could be made.
    NotConnected,
}

/// The intervals between canaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatePolicy {
    /// The first interval after 401, 402 and 403.
    pub probe_interval_ms: DurationMs,
    /// The longest such interval.
    pub max_probe_interval_ms: DurationMs,
    /// The first hold after 429 and when no connection can be made.
    pub hold_interval_ms: DurationMs,
    /// The longest such hold.
    pub max_hold_interval_ms: DurationMs,
}

impl GatePolicy {
    const fn bounds(&self, reason: GateReason) -> (DurationMs, DurationMs) {
        match reason {
            GateReason::Unauthorized | GateReason::Credits => {
                (self.probe_interval_ms, self.max_probe_interval_ms)
            }
            GateReason::Throttled | GateReason::Unreachable => {
                (self.hold_interval_ms, self.max_hold_interval_ms)
            }
        }
    }
}

/// Whether a canary's create is spared, since the account page says that it cannot be
/// paid. Only where credits closed the gate, and not any more once the interval has
/// grown to its bound: a figure that is wrong or late must not hold creates for ever.
/// `left` is none where the page says nothing of use.
pub fn spares_canary(
    closure: &Closure,
    left: Option<i64>,
    credits_per_create: i64,
    policy: &GatePolicy,
) -> bool {
    closure.reason == GateReason::Credits
        && closure.interval_ms < policy.max_probe_interval_ms
        && left.is_some_and(|left| left < credits_per_create)
}

impl Gate {
    /// Who may go through at `now`.
    pub fn admits(&self, now: UnixMs) -> Admission {
        match self {
            Self::Open => Admission::All,
            Self::Closed(closure) if closure.is_due(now) => Admission::Canary,
            Self::Closed(closure) => Admission::NoneUntil(Some(closure.next_probe_at)),
            Self::HalfOpen(_) => Admission::NoneUntil(None),
        }
    }

    /// Why and since when it is not open.
    pub const fn closure(&self) -> Option<&Closure> {
        match self {
            Self::Open => None,
            Self::Closed(closure) | Self::HalfOpen(closure) => Some(closure),
        }
    }

    /// The gate with its canary sent out.
    #[must_use]
    pub const fn with_canary(self) -> Self {
        match self {
            Self::Closed(closure) => Self::HalfOpen(closure),
            Self::Open | Self::HalfOpen(_) => self,
        }
    }

    /// The gate whose canary came back without having asked anything: it may go out again.
    #[must_use]
    pub const fn without_canary(self) -> Self {
        match self {
            Self::HalfOpen(closure) => Self::Closed(closure),
            Self::Open | Self::Closed(_) => self,
        }
    }

    /// The gate after a step of the clock by `step_ms`.
    #[must_use]
    pub fn shifted(self, step_ms: DurationMs) -> Self {
        let shifted = |closure: Closure| Closure {
            since: closure.since.saturating_add(step_ms),
            next_probe_at: closure.next_probe_at.saturating_add(step_ms),
            ..closure
        };
        match self {
            Self::Open => self,
            Self::Closed(closure) => Self::Closed(shifted(closure)),
            Self::HalfOpen(closure) => Self::HalfOpen(shifted(closure)),
        }
    }

    /// The gate after an answer. `canary` says whether the canary got it: what was
    /// sent before the gate closed proves nothing about it.
    #[must_use]
    pub fn after(self, signal: &Signal, canary: bool, policy: &GatePolicy, now: UnixMs) -> Self {
        match self {
            Self::Open => match verdict(signal) {
                None => Self::Open,
                Some((reason, hold)) => Self::close(reason, None, hold, policy, now),
            },
            Self::Closed(closure) | Self::HalfOpen(closure) if !canary => {
                self.after_straggler(closure, signal, policy, now)
            }
            Self::Closed(closure) | Self::HalfOpen(closure) => match (signal, verdict(signal)) {
                // Trouble on the way says nothing of key and credits: the graver
                // reason stays, or any answer after it would open the gate.
                (_, Some((reason, hold)))
                    if reason.is_passing() && !closure.reason.is_passing() =>
                {
                    let wait_ms = hold.unwrap_or(0).max(closure.interval_ms);
                    Self::Closed(Closure {
                        next_probe_at: now.saturating_add(wait_ms),
                        ..closure
                    })
                }
                (_, Some((reason, hold))) => Self::close(reason, Some(closure), hold, policy, now),
                (Signal::Accepted, None) => Self::Open,
                (_, None) if closure.reason.is_passing() => Self::Open,
                (_, None) => Self::Closed(Closure {
                    next_probe_at: now.saturating_add(closure.interval_ms),
                    ..closure
                }),
            },
        }
    }

    /// A request from before the closing was answered: only a graver reason counts.
    fn after_straggler(
        self,
        closure: Closure,
        signal: &Signal,
        policy: &GatePolicy,
        now: UnixMs,
    ) -> Self {
        match verdict(signal) {
            Some((reason, hold)) if closure.reason.is_passing() && !reason.is_passing() => {
                Self::close(reason, None, hold, policy, now)
            }
            // The service may ask for a longer hold with each answer.
            Some((GateReason::Throttled, Some(hold)))
                if closure.reason == GateReason::Throttled =>
            {
                let next_probe_at = closure.next_probe_at.max(now.saturating_add(hold));
                let closure = Closure {
                    next_probe_at,
                    ..closure
                };
                match self {
                    Self::HalfOpen(_) => Self::HalfOpen(closure),
                    Self::Open | Self::Closed(_) => Self::Closed(closure),
                }
            }
            Some(_) | None => self,
        }
    }

    /// Closes for `reason`; after a canary refused for the same reason the interval doubles.
    fn close(
        reason: GateReason,
        before: Option<Closure>,
        hold: Option<DurationMs>,
        policy: &GatePolicy,
        now: UnixMs,
    ) -> Self {
        let (first, longest) = policy.bounds(reason);
        let same = before.filter(|closure| closure.reason == reason);
        let interval_ms = same.map_or(first, |closure| {
            closure
                .interval_ms
                .saturating_mul(2)
                .min(longest.max(first))
        });
        Self::Closed(Closure {
            reason,
            since: same.map_or(now, |closure| closure.since),
            // Asked to come back at once, parserd still does not come back in a loop.
            next_probe_at: now.saturating_add(hold.map_or(interval_ms, |ms| ms.max(first))),
            interval_ms,
        })
    }
}

/// The reason to close that a signal gives, with the hold that the service asked for.
const fn verdict(signal: &Signal) -> Option<(GateReason, Option<DurationMs>)> {
    match signal {
        Signal::Accepted | Signal::Answered => None,
        Signal::Refused(Refusal::Unauthorized) => Some((GateReason::Unauthorized, None)),
        Signal::Refused(Refusal::Credits) => Some((GateReason::Credits, None)),
        Signal::Refused(Refusal::Throttled { retry_after_ms }) => {
            Some((GateReason::Throttled, *retry_after_ms))
        }
        Signal::NotConnected => Some((GateReason::Unreachable, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: GatePolicy = GatePolicy {
        probe_interval_ms: 900,
        max_probe_interval_ms: 3_000,
        hold_interval_ms: 20,
        max_hold_interval_ms: 100,
    };

    const fn closed(reason: GateReason, since: i64, next_probe_at: i64, interval_ms: i64) -> Gate {
        Gate::Closed(Closure {
            reason,
            since,
            next_probe_at,
            interval_ms,
        })
    }

    fn refused(refusal: Refusal) -> Signal {
        Signal::Refused(refusal)
    }

    fn throttled(retry_after_ms: Option<i64>) -> Signal {
        refused(Refusal::Throttled { retry_after_ms })
    }

    #[test]
    fn an_open_gate_closes_for_each_refusal_and_for_nothing_else() {
        let table = [
            (Signal::Accepted, Gate::Open),
            (Signal::Answered, Gate::Open),
            (
                refused(Refusal::Unauthorized),
                closed(GateReason::Unauthorized, 100, 1_000, 900),
            ),
            (
                refused(Refusal::Credits),
                closed(GateReason::Credits, 100, 1_000, 900),
            ),
            (throttled(None), closed(GateReason::Throttled, 100, 120, 20)),
            (
                throttled(Some(5_000)),
                closed(GateReason::Throttled, 100, 5_100, 20),
            ),
            (
                Signal::NotConnected,
                closed(GateReason::Unreachable, 100, 120, 20),
            ),
        ];
        for (signal, expected) in table {
            for canary in [false, true] {
                assert_eq!(
                    Gate::Open.after(&signal, canary, &POLICY, 100),
                    expected,
                    "{signal:?}"
                );
            }
        }
    }

    #[test]
    fn a_closed_gate_lets_one_canary_through_when_its_time_has_come() {
        let gate = closed(GateReason::Credits, 0, 900, 900);
        assert_eq!(gate.admits(899), Admission::NoneUntil(Some(900)));
        assert_eq!(gate.admits(900), Admission::Canary);
        let half_open = gate.with_canary();
        assert_eq!(half_open.admits(10_000), Admission::NoneUntil(None));
        assert_eq!(half_open.without_canary(), gate);
    }

    #[test]
    fn a_canary_refused_doubles_the_interval_up_to_the_bound() {
        let mut gate = Gate::Open.after(&refused(Refusal::Credits), false, &POLICY, 0);
        for (at, next_probe_at) in [(900, 2_700), (2_700, 5_700), (5_700, 8_700)] {
            assert_eq!(gate.admits(at), Admission::Canary);
            gate = gate
                .with_canary()
                .after(&refused(Refusal::Credits), true, &POLICY, at);
            let closure = gate.closure().copied().unwrap();
            assert_eq!((closure.next_probe_at, closure.since), (next_probe_at, 0));
        }
    }

    #[test]
    fn a_canary_is_spared_only_where_the_account_clearly_cannot_pay_and_not_for_ever() {
        use GateReason::{Credits, Throttled, Unauthorized, Unreachable};
        let table = [
            (Credits, 900, Some(0), true),
            (Credits, 900, Some(29_999), true),
            (Credits, 900, Some(30_000), false),
            (Credits, 900, None, false),
            (Credits, 2_999, Some(0), true),
            (Credits, 3_000, Some(0), false),
            (Credits, 4_000, Some(0), false),
            (Unauthorized, 900, Some(0), false),
            (Throttled, 20, Some(0), false),
            (Unreachable, 20, Some(0), false),
        ];
        for (reason, interval_ms, left, spared) in table {
            let closure = Closure {
                reason,
                since: 0,
                next_probe_at: 900,
                interval_ms,
            };
            assert_eq!(
                spares_canary(&closure, left, 30_000, &POLICY),
                spared,
                "{reason} {interval_ms} {left:?}"
            );
        }
    }

    #[test]
    fn only_a_canary_that_was_accepted_opens_a_gate_closed_for_key_or_credits() {
        for reason in [GateReason::Credits, GateReason::Unauthorized] {
            let gate = closed(reason, 0, 900, 900).with_canary();
            assert_eq!(
                gate.after(&Signal::Accepted, true, &POLICY, 1_000),
                Gate::Open
            );
            assert_eq!(
                gate.after(&Signal::Answered, true, &POLICY, 1_000),
                closed(reason, 0, 1_900, 900)
            );
            assert_eq!(gate.after(&Signal::Accepted, false, &POLICY, 1_000), gate);
        }
    }

    #[test]
    fn any_answer_to_the_canary_ends_a_hold() {
        for reason in [GateReason::Throttled, GateReason::Unreachable] {
            let gate = closed(reason, 0, 20, 20).with_canary();
            for signal in [Signal::Accepted, Signal::Answered] {
                assert_eq!(gate.after(&signal, true, &POLICY, 30), Gate::Open);
            }
        }
    }

    #[test]
    fn a_straggler_changes_a_closed_gate_only_for_a_graver_reason() {
        let held = closed(GateReason::Throttled, 0, 20, 20);
        assert_eq!(
            held.after(&refused(Refusal::Credits), false, &POLICY, 10),
            closed(GateReason::Credits, 10, 910, 900)
        );
        let closed_for_credits = closed(GateReason::Credits, 0, 900, 900);
        for signal in [
            Signal::Accepted,
            Signal::NotConnected,
            throttled(Some(5_000)),
            refused(Refusal::Credits),
            refused(Refusal::Unauthorized),
        ] {
            assert_eq!(
                closed_for_credits.after(&signal, false, &POLICY, 10),
                closed_for_credits
            );
        }
        assert_eq!(
            held.after(&throttled(Some(5_000)), false, &POLICY, 10),
            closed(GateReason::Throttled, 0, 5_010, 20)
        );
    }

    #[test]
    fn a_canary_refused_for_another_reason_starts_that_reason_afresh() {
        let gate = closed(GateReason::Credits, 0, 900, 2_000).with_canary();
        assert_eq!(
            gate.after(&refused(Refusal::Unauthorized), true, &POLICY, 1_000),
            closed(GateReason::Unauthorized, 1_000, 1_900, 900)
        );
    }

    #[test]
    fn trouble_on_the_way_to_a_canarys_answer_leaves_the_graver_reason() {
        for reason in [GateReason::Credits, GateReason::Unauthorized] {
            for (signal, next_probe_at) in [
                (Signal::NotConnected, 1_900),
                (throttled(None), 1_900),
                (throttled(Some(5_000)), 6_000),
            ] {
                let gate = closed(reason, 0, 900, 900).with_canary();
                let gate = gate.after(&signal, true, &POLICY, 1_000);
                assert_eq!(gate, closed(reason, 0, next_probe_at, 900), "{signal:?}");
                // An answer that says nothing of the account would have opened a hold.
                let gate = gate
                    .with_canary()
                    .after(&Signal::Answered, true, &POLICY, 7_000);
                assert_eq!(gate.closure().map(|closure| closure.reason), Some(reason));
            }
        }
    }

    #[test]
    fn a_service_that_asks_to_be_asked_again_at_once_is_not_asked_in_a_loop() {
        let mut gate = Gate::Open;
        for at in [0, 1_000, 2_000] {
            gate = gate.after(&throttled(Some(0)), true, &POLICY, at);
            assert_eq!(gate.admits(at), Admission::NoneUntil(Some(at + 20)));
        }
    }

    #[test]
    fn a_closing_from_the_future_lets_one_canary_try_and_counts_from_then() {
        let gate = closed(GateReason::Credits, 10_000, 10_900, 900);
        let closure = *gate.closure().unwrap();
        assert_eq!(closure.read_at(10_000), closure);
        let read = Gate::Closed(closure.read_at(500));
        assert_eq!(read.admits(500), Admission::Canary);
        let refused = Signal::Refused(Refusal::Credits);
        let again = read.with_canary().after(&refused, true, &POLICY, 500);
        assert_eq!(again.admits(501), Admission::NoneUntil(Some(2_300)));
    }
}
