//! What a list shows of a job's parser.

use crate::core::{job::ParserId, outcome::ListedParser};

/// What the account holds under the name that a create would use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Nothing that counts.
    Absent,
    /// One parser that no other job claims.
    One(ListedParser),
    /// The parser that this job had before is there and can be used after all.
    Own(ParserId),
    /// The parser that this job is to adopt, and its latest version where the list names it.
    Meant(ParserId, Option<i64>),
    /// The parser that this job is to adopt, and another job has it.
    Taken(ParserId),
    /// The parser that this job is to adopt, and the account does not have it.
    Lost(ParserId),
    /// Several that no other job claims, or one that may be another's.
    Several(Vec<ListedParser>),
    /// None of that name, and some whose names may be what a cut left of it.
    Suspects(Vec<ParserId>),
    /// A create of this name is in doubt already, from a job since cancelled.
    Unresolved,
    /// A parser of this name was made, and no list yet says what became of it.
    Inconclusive,
}

/// What a list shows of a create in doubt, or of a parser that was answered 404.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// One that no other job claims, with its version where the list names it.
    One(ParserId, Option<i64>),
    /// Several of them.
    Several(Vec<ParserId>),
    /// None that bears its tag, and some that may be it all the same, and why.
    Suspects(Vec<ParserId>, &'static str),
    /// None, in a list whose absences prove something.
    Absent,
    /// None, in a list whose absences prove nothing, and why.
    Inconclusive(String),
    /// No list: the service could not be reached.
    NoList,
}
