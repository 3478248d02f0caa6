//! PURE: what a running daemon says of itself to the other commands.

use serde::{Deserialize, Serialize};

use crate::core::{budget::Budget, job::UnixMs};

/// How a daemon was started. It says so in its database: other commands may have another
/// configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonFacts {
    /// Since when it runs.
    pub since: UnixMs,
    /// Its version.
    pub version: String,
    /// Its configuration file; none where environment and defaults are all.
    pub config: Option<String>,
    /// The address of its page; none where it serves none.
    pub page: Option<String>,
    /// Its limit for one UTC day, in credits.
    pub max_credits_per_day: Option<i64>,
    /// Its limit for everything that its database ever sent, in credits.
    pub max_credits: Option<i64>,
}

impl DaemonFacts {
    /// The budget with this daemon's limits in place of its own.
    #[must_use]
    pub fn limiting(&self, budget: Budget) -> Budget {
        Budget {
            max_credits_per_day: self.max_credits_per_day,
            max_credits: self.max_credits,
            ..budget
        }
    }
}
