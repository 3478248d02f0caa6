//! Room for other programs' writes. SQLite has no queue for its write lock: who finds it
//! taken tries again some milliseconds later, and beside a writer without a pause it may
//! find it taken for long.

use std::time::{Duration, Instant};

/// For how long after another program's commit room is left for the next one.
const ATTENTIVE: Duration = Duration::from_secs(1);

/// The longest pause between two transactions.
const MAX_PAUSE: Duration = Duration::from_millis(20);

/// How the lock was used lately.
#[derive(Debug, Default)]
pub(super) struct WriteThrottle {
    version: Option<i64>,
    others_at: Option<Instant>,
    /// When our last transaction ended and how long it took.
    last: Option<(Instant, Duration)>,
}

impl WriteThrottle {
    /// A number that changes with each commit of another connection, as of `now`.
    pub(super) fn foreign_version(&mut self, version: i64, now: Instant) {
        let before = self.version.replace(version);
        if before.is_some_and(|before| before != version) {
            self.others_at = Some(now);
        }
    }

    /// A transaction ended that held the lock from `began` on.
    pub(super) fn held(&mut self, began: Instant, now: Instant) {
        self.last = Some((now, now.duration_since(began)));
    }

    /// How long to leave the lock alone: while others write, half of the time is theirs.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        let (ended, took) = self.last?;
        let others_at = self.others_at?;
        if now.duration_since(others_at) > ATTENTIVE {
            return None;
        }
        let left = took.min(MAX_PAUSE).checked_sub(now.duration_since(ended))?;
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_others_write_the_lock_is_free_for_as_long_as_it_was_held() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut write_throttle = WriteThrottle::default();
        write_throttle.held(at(0), at(5));
        write_throttle.foreign_version(7, at(5));
        assert_eq!(
            write_throttle.pause(at(5)),
            None,
            "the first look tells nothing"
        );
        write_throttle.foreign_version(7, at(5));
        assert_eq!(write_throttle.pause(at(5)), None, "nobody else committed");
        write_throttle.foreign_version(8, at(5));
        for (now, expected) in [(5, Some(5)), (8, Some(2)), (10, None), (2_000, None)] {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(write_throttle.pause(at(now)), expected, "{now}");
        }
        write_throttle.held(at(10), at(900));
        assert_eq!(write_throttle.pause(at(900)), Some(MAX_PAUSE));
        write_throttle.held(at(1_000), at(1_006));
        assert_eq!(write_throttle.pause(at(1_006)), None, "nobody else lately");
    }
}
