//! The safety rules, each of which can be broken to see that the simulation notices.

use std::cell::Cell;

/// A rule that keeps money and jobs safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The intent is durable before the create is sent.
    IntentBeforePost,
    /// A create in doubt stays absent for its settling time before it counts as not made.
    SettlingTime,
    /// Only a list that shows what is known to exist says what does not.
    TrustedList,
    /// A parser that another job holds is not taken.
    UnclaimedOnly,
    /// A change is stored only on the revision that it was decided for.
    GuardedUpdate,
    /// A closed gate lets one canary through.
    Canary,
    /// No more is spent than the budget allows.
    Budget,
    /// A parser is known by its tag, however its name was altered, and what nothing
    /// explains disproves an absence.
    TagIdentity,
    /// Only the service's own 500 may take the short settling time.
    GatewaysWord,
    /// The short settling time is for lists that were seen to be quick.
    QuickList,
    /// The parsers that a retried job had are asked for before another is paid for.
    FormerParser,
    /// A parser that is known from another account is not gone where this one lacks it.
    OtherAccount,
    /// Time in which nobody looked does not count towards settling.
    FrozenTime,
}

impl Rule {
    pub const ALL: [Self; 13] = [
        Self::IntentBeforePost,
        Self::SettlingTime,
        Self::TrustedList,
        Self::UnclaimedOnly,
        Self::GuardedUpdate,
        Self::Canary,
        Self::Budget,
        Self::TagIdentity,
        Self::GatewaysWord,
        Self::QuickList,
        Self::FormerParser,
        Self::OtherAccount,
        Self::FrozenTime,
    ];
}

thread_local! {
    static BROKEN: Cell<Option<Rule>> = const { Cell::new(None) };
}

/// Whether this thread breaks `rule`. Only in tests.
pub(crate) fn breaks(rule: Rule) -> bool {
    BROKEN.get() == Some(rule)
}

pub(super) fn set_broken(rule: Option<Rule>) {
    BROKEN.set(rule);
}
