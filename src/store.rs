//! Where jobs are kept: what is asked of a store, and the stores.

#[cfg(test)]
mod conformance;
#[cfg(test)]
pub(crate) mod memory;
#[cfg(test)]
pub(crate) mod outside;
pub mod ports;
pub mod sqlite;

pub use ports::{
    Accounts, Applied, CREATES_HOLD, Changes, Commits, Conflict, ELSEWHERE, Fact, Facts, Found,
    Gates, Holder, Intent, JobStore, Judging, LIST_LAG, LIST_REPORT, Lane, Ledger, NO_LIST,
    ParkedFirst, ParseId, ParseIntent, Parses, Pruning, Queue, QueuedJob, RESTORED, Strangers,
    Submissions, Submitted, Times, Unjudged,
};
pub use sqlite::*;
