//! The safety rules, each of which can be broken to see that the simulation notices.

use super::{scenario::Focus, world::with};
use crate::core::rules::{self, Rules};

/// A rule that keeps money and jobs safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BrokenRule {
    /// The intent is durable before the create is sent.
    IntentBeforePost,
    /// Only a list that shows what is known to exist says what does not.
    TrustedList,
    /// A parser that another job holds is not taken.
    UnclaimedOnly,
    /// A change is stored only on the revision that it was decided for.
    GuardedUpdate,
    /// No more is spent than the budget allows.
    Budget,
    /// Only the service's own 500 may take the short settling time.
    GatewaysWord,
    /// A parser that is known from another account is not gone where this one lacks it.
    OtherAccount,
    /// A daemon that finds another at work waits until that one has ended.
    OneDaemon,
    /// Nothing is deleted that nobody asked for.
    DeleteAskedFor,
    /// What a fetch of a page may cost is on record before it is sent.
    FetchOnRecord,
    /// The fetches for one job keep within their bound.
    FetchBounds,
    /// A page of which nothing is learned is asked for so often, and no more.
    FetchTries,
    /// One of those that decisions keep.
    Decided(rules::Rule),
}

impl BrokenRule {
    pub const ALL: [Self; 22] = [
        Self::IntentBeforePost,
        Self::Decided(rules::Rule::SettlingTime),
        Self::TrustedList,
        Self::UnclaimedOnly,
        Self::GuardedUpdate,
        Self::Decided(rules::Rule::Canary),
        Self::Budget,
        Self::Decided(rules::Rule::TagIdentity),
        Self::GatewaysWord,
        Self::Decided(rules::Rule::QuickList),
        Self::Decided(rules::Rule::FormerParser),
        Self::OtherAccount,
        Self::OneDaemon,
        Self::Decided(rules::Rule::FrozenTime),
        Self::Decided(rules::Rule::ChangeSettles),
        Self::Decided(rules::Rule::BetterVersion),
        Self::DeleteAskedFor,
        Self::Decided(rules::Rule::LadderBounds),
        Self::FetchOnRecord,
        Self::FetchBounds,
        Self::FetchTries,
        Self::Decided(rules::Rule::Foreseen),
    ];

    /// What runs that break it are about, where it has no say in most.
    pub const fn focus(self) -> Option<Focus> {
        match self {
            Self::Decided(rules::Rule::FrozenTime) => Some(Focus::Freeze),
            Self::Decided(rules::Rule::FormerParser) => Some(Focus::Retry),
            Self::Decided(rules::Rule::LadderBounds) => Some(Focus::Ladder),
            Self::FetchOnRecord
            | Self::FetchBounds
            | Self::FetchTries
            | Self::Decided(rules::Rule::Foreseen) => Some(Focus::Preflight),
            Self::Decided(rules::Rule::ChangeSettles | rules::Rule::BetterVersion)
            | Self::DeleteAskedFor => Some(Focus::Change),
            _ => None,
        }
    }
}

/// Whether this run breaks `rule`.
pub(super) fn breaks(rule: BrokenRule) -> bool {
    with(|sim| sim.broken == Some(rule))
}

/// The rules that decisions keep in this run.
pub(super) fn kept() -> Rules {
    Rules::without(match with(|sim| sim.broken) {
        Some(BrokenRule::Decided(rule)) => Some(rule),
        Some(_) | None => None,
    })
}
