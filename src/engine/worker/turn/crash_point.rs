//! The gaps between the steps of a turn, by name: where a crash makes a difference, or shows that
//! it makes none.

use crate::core::job::{JobId, named_enum};

named_enum! {
    /// A gap between two steps of a turn, named for the step that was taken last.
    CrashPoint {
        /// The job is claimed, and nothing was asked.
        Claimed = "claimed",
        /// List and ledger were consulted, and nothing is decided.
        Planned = "planned",
        /// A create is decided on and nothing speaks against it.
        Cleared = "cleared",
        /// The budget has room for it, in this process; nothing is on record.
        Reserved = "reserved",
        /// The intent is durable, and nothing was sent.
        Intended = "intended",
        /// The request was sent, and this process alone knows what came of it.
        Sent = "sent",
        /// What came of it is durable, and the gates that it moved are not.
        Answered = "answered",
    }
}

/// Is told of each gap that a turn comes to.
pub trait Probe: std::fmt::Debug + Send + Sync {
    /// This job's turn has come to it.
    fn reached(&self, point: CrashPoint, job: JobId);
}

/// Nobody.
#[derive(Debug)]
pub struct Unobserved;

impl Probe for Unobserved {
    fn reached(&self, _: CrashPoint, _: JobId) {}
}
