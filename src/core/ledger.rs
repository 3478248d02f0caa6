//! What is on record of creates and parsers.

use serde::Serialize;

use super::job::{ParserId, UnixMs};

/// A parser that a list of the account should show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownParser {
    /// Its id.
    pub id: ParserId,
    /// The name that it bears, where that is known.
    pub remote_name: Option<String>,
    /// Since when it is known.
    pub known_since: UnixMs,
}

/// What is recorded of the creates of one remote name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerFacts {
    /// A create of it is in doubt or under way.
    pub pending: bool,
    /// Any create of it was ever sent.
    pub was_sent: bool,
    /// The parsers that creates of it made.
    pub made: Vec<ParserId>,
    /// The parsers that were there before the creates of it that made one.
    pub made_baseline: Vec<ParserId>,
    /// The parsers that were there before a create of it that counts as not made. One
    /// that is not among them landed later than anyone waits.
    pub refuted_baseline: Option<Vec<ParserId>>,
    /// The parsers that bore the name before the pending create.
    pub baseline: Vec<ParserId>,
    /// The newest create of it: which row of the ledger, 0 where there is none.
    pub newest: i64,
    /// That one was sent to another account than the one that is asked now.
    pub is_elsewhere: bool,
}

/// What belongs to accounts that are not asked now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// GENERATING jobs, whose parsers cannot be asked for.
    pub generating: i64,
    /// Creates in doubt.
    pub in_doubt: i64,
    /// Parsers that creates made.
    pub made: i64,
    /// When the current account was first asked.
    pub since: UnixMs,
}

/// A parser of the account that nobody can explain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stranger {
    /// Its id.
    pub id: ParserId,
    /// Its name, as listed.
    pub name: String,
    /// The name of the ledger whose tag it bears: parserd itself may have paid for it.
    pub remote_name: Option<String>,
    /// When it was first listed.
    pub seen_at: UnixMs,
}
