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
    Accounts, Announcements, Applied, Applying, Asked, BATCH, BUDGET_SHARES, CREATES_HOLD,
    ChangeRecord, Changes, Commits, Conflict, ELSEWHERE, Editing, Extent, Fact, Facts, FetchId,
    FetchIntent, Fetches, Foreknown, Found, Gates, Holder, Intent, JobEdit, JobStore, Judging,
    LAST_POST, LIST_LAG, LIST_REPORT, Lane, Ledger, Left, Made, Manifest, NO_LIST, Order,
    ParkedFirst, ParseId, ParseIntent, Parses, PendingUpdate, Pruning, Queue, QueuedJob, RESTORED,
    RUNNING, Strangers, Submissions, Submitted, Target, Times, Unjudged, Updates,
};
pub use sqlite::*;
