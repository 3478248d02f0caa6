//! Rules that keep money and jobs safe, as a value: a test breaks one to see that it is noticed.

/// A rule that decisions keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A create in doubt stays absent for its settling time before it counts as not made.
    SettlingTime,
    /// Time in which nobody looked does not count towards settling.
    FrozenTime,
    /// A parser is known by its tag, however its name was altered, and what nothing
    /// explains disproves an absence.
    TagIdentity,
    /// The parsers that a retried job had are asked for before another is paid for.
    FormerParser,
    /// The short settling time is for lists that were seen to be quick.
    QuickList,
    /// A closed gate lets one canary through.
    Canary,
    /// A change in doubt leaves its parser as it was for its settling time before it counts as
    /// not made.
    ChangeSettles,
    /// A new version that is worth less is not used.
    BetterVersion,
    /// The ladder asks for no more creates than its bounds allow.
    LadderBounds,
    /// What is foreseen not to work is not paid for.
    Foreseen,
}

/// The rules that are kept: all of them, save in a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    broken: Option<Rule>,
}

impl Rules {
    /// All of them.
    pub const KEPT: Self = Self { broken: None };

    /// All but one, if one is named.
    #[cfg(test)]
    pub const fn without(broken: Option<Rule>) -> Self {
        Self { broken }
    }

    /// Whether this rule is kept.
    pub fn keep(self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }
}
