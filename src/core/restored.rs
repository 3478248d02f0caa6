//! PURE: what was spent after a copy was made of the database that is in its place now.

use serde::{Deserialize, Serialize};

use crate::core::job::{DurationMs, UnixMs};

/// A database that turned out not to be the one that was written last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The last thing that a daemon did that it knows of; 0 where there is none.
    pub knows_until: UnixMs,
    /// When it was noticed.
    pub noticed_at: UnixMs,
    /// A person said that nothing was created since the copy was made.
    #[serde(default)]
    pub is_trusted: bool,
}

/// For so long after a copy was put in place nothing is created on a list that may lack
/// parsers: a week.
const CAREFUL_MS: DurationMs = 7 * 24 * 3_600_000;

impl Restored {
    /// Whether a create must wait for a list that can be trusted to be whole: one that the
    /// copy does not know may have been sent before, under the same name.
    pub const fn needs_whole_list(self, now: UnixMs) -> bool {
        !self.is_trusted && now < self.noticed_at.saturating_add(CAREFUL_MS)
    }

    /// When a parser of its own, which it did not know and now adopts, was paid for, if it
    /// was after the copy was made; `created_at` is what the service says, if it says so.
    ///
    /// Without a time it counts as spent now: a budget is not to be overrun. What was made
    /// long after the copy was put in place is somebody else's.
    pub fn spent_at(
        self,
        created_at: Option<UnixMs>,
        settle_ms: DurationMs,
        now: UnixMs,
    ) -> Option<UnixMs> {
        let Some(created_at) = created_at else {
            return Some(now);
        };
        let last_landing = self.noticed_at.saturating_add(settle_ms);
        (self.knows_until < created_at && created_at <= last_landing).then_some(created_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_since_the_copy_counts_on_its_day() {
        let restored = Restored {
            knows_until: 1_000,
            noticed_at: 5_000,
            is_trusted: false,
        };
        for (created_at, expected) in [
            (Some(0), None),
            (Some(1_000), None),
            (Some(1_001), Some(1_001)),
            (Some(5_000), Some(5_000)),
            // A create that was under way may land until then.
            (Some(5_900), Some(5_900)),
            (Some(5_901), None),
            (None, Some(9_000)),
        ] {
            let spent_at = restored.spent_at(created_at, 900, 9_000);
            assert_eq!(spent_at, expected, "{created_at:?}");
        }
    }
}
