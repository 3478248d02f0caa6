//! PURE: what may go wrong again and again, for hours, and is not logged each time.

use std::collections::BTreeMap;

use super::job::{DurationMs, UnixMs};

/// How far apart two lines of the same are.
const INTERVAL_MS: DurationMs = 60_000;

/// What came, and when it was last logged.
#[derive(Debug, Default)]
pub struct Repeats(BTreeMap<&'static str, Repeat>);

#[derive(Debug)]
struct Repeat {
    why: String,
    logged_at: UnixMs,
    unlogged: u64,
}

impl Repeats {
    /// It came, for this reason: how often since the last line of it, where one is due now. The
    /// first has one at once, and so does another reason; the same again has one a minute.
    pub fn came(&mut self, what: &'static str, why: &str, now: UnixMs) -> Option<u64> {
        let repeat = self.0.entry(what).or_insert_with(|| Repeat {
            why: String::new(),
            logged_at: UnixMs::MIN,
            unlogged: 0,
        });
        repeat.unlogged += 1;
        // A clock that was set back ends the wait.
        let is_early = (0..INTERVAL_MS).contains(&now.saturating_sub(repeat.logged_at));
        if is_early && repeat.why == why {
            return None;
        }
        why.clone_into(&mut repeat.why);
        repeat.logged_at = now;
        Some(std::mem::take(&mut repeat.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_logged_at_once_and_the_same_again_once_a_minute() {
        let mut repeats = Repeats::default();
        for (what, why, now, expected) in [
            ("list", "500", 0, Some(1)),
            ("list", "500", 4_000, None),
            ("list", "500", 59_999, None),
            ("database", "500", 59_999, Some(1)),
            ("list", "500", 60_000, Some(3)),
            ("list", "500", 61_000, None),
            // Another reason is news, and so is the one of before.
            ("list", "503", 62_000, Some(2)),
            ("list", "500", 63_000, Some(1)),
            // The clock was set back.
            ("list", "500", 5, Some(1)),
        ] {
            assert_eq!(repeats.came(what, why, now), expected, "{what} {why} {now}");
        }
    }
}
