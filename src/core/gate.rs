//! PURE: the account's circuit breaker.
//!
//! One gate stands before the creates, one before the reads (poll and list); a
//! create needs both. A gate is stored, so that a restart respects it; that a
//! canary is under way is not, so that a crash only means another canary.

use crate::core::{
    job::{DurationMs, UnixMs, named_enum},
    outcome::{MAX_RETRY_AFTER_MS, Refusal},
    rules::Rules,
};

named_enum! {
    /// Why a gate is closed.
    GateReason {
        /// 401: the key is wrong.
        Unauthorized = "unauthorized",
        /// 402 or 403: credits are exhausted. Or another limit of the account.
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
    /// The rules that are kept.
    pub rules: Rules,
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
pub fn should_skip_canary(
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
                Self::close(reason, None, hold, policy, now).not_before(closure.next_probe_at)
            }
            // The service may ask for a longer hold with each answer, also where nobody
            // reached it a moment ago, or key or credits hold all.
            Some((GateReason::Throttled, Some(hold))) => {
                let reason = if closure.reason.is_passing() {
                    GateReason::Throttled
                } else {
                    closure.reason
                };
                let next_probe_at = closure.next_probe_at.max(now.saturating_add(hold));
                let closure = Closure {
                    reason,
                    next_probe_at,
                    ..closure
                };
                match self {
                    Self::HalfOpen(_) => Self::HalfOpen(closure),
                    Self::Open | Self::Closed(_) => Self::Closed(closure),
                }
            }
            // A request that costs nothing passes a gate that is closed for credits. Refused for
            // them where a canary might try, it tells what the canary would have: without that it
            // would be tried again at once (seed 81783).
            Some((reason, _)) if reason == closure.reason && closure.is_due(now) => match self {
                Self::Closed(closure) if !reason.is_passing() => Self::Closed(Closure {
                    next_probe_at: now.saturating_add(closure.interval_ms),
                    ..closure
                }),
                Self::Open | Self::Closed(_) | Self::HalfOpen(_) => self,
            },
            Some(_) | None => self,
        }
    }

    /// The same, and no canary before `at`: the service asked for that before.
    fn not_before(self, at: UnixMs) -> Self {
        match self {
            Self::Closed(closure) => Self::Closed(Closure {
                next_probe_at: closure.next_probe_at.max(at),
                ..closure
            }),
            Self::Open | Self::HalfOpen(_) => self,
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
            // Asked to come back at once (0, or a date that is past), parserd still backs off.
            next_probe_at: now.saturating_add(hold.unwrap_or(0).max(interval_ms)),
            interval_ms,
        })
    }
}

/// The reason to close that a signal gives, with the hold that the service asked for.
const fn verdict(signal: &Signal) -> Option<(GateReason, Option<DurationMs>)> {
    match signal {
        Signal::Accepted | Signal::Answered => None,
        Signal::Refused(Refusal::Unauthorized) => Some((GateReason::Unauthorized, None)),
        Signal::Refused(Refusal::Credits | Refusal::AccountLimit) => {
            Some((GateReason::Credits, None))
        }
        Signal::Refused(Refusal::Throttled { retry_after_ms }) => {
            Some((GateReason::Throttled, *retry_after_ms))
        }
        Signal::NotConnected => Some((GateReason::Unreachable, None)),
    }
}

#[cfg(test)]
mod tests;
