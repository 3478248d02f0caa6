//! Whether the service has accepted the API key in this process, and whether somebody
//! waits for the answer.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::core::{
    gate::Signal,
    job::{DurationMs, UnixMs},
    outcome::Refusal,
};

/// For the sake of who waits, the service is asked so often at the most.
const ASK_INTERVAL_MS: DurationMs = 60_000;

/// What is known of the key.
#[derive(Debug, Default)]
pub struct KeyProof {
    is_accepted: AtomicBool,
    is_wanted: AtomicBool,
    /// When it was last wanted; 0 before.
    wanted_at: AtomicI64,
}

impl KeyProof {
    /// Takes in an answer of the service.
    pub fn take_in(&self, signal: &Signal) {
        match signal {
            Signal::Accepted => self.is_accepted.store(true, Ordering::Relaxed),
            Signal::Refused(Refusal::Unauthorized) => {
                self.is_accepted.store(false, Ordering::Relaxed);
            }
            // A fault or a refusal of another kind may come before the look at the key.
            Signal::Answered | Signal::Refused(_) | Signal::NotConnected => {}
        }
    }

    /// Somebody wants to know. Returns whether the daemon is to ask for it now: the key is
    /// not accepted yet, and it was not asked for a while.
    pub fn want(&self, now: UnixMs) -> bool {
        let last = self.wanted_at.load(Ordering::Relaxed);
        // From the future where the clock was set back.
        let is_recent = (0..ASK_INTERVAL_MS).contains(&now.saturating_sub(last));
        if self.is_accepted.load(Ordering::Relaxed) || is_recent {
            return false;
        }
        self.wanted_at.store(now, Ordering::Relaxed);
        self.is_wanted.store(true, Ordering::Relaxed);
        true
    }

    /// Whether somebody wants to know, told once.
    pub fn take_wanted(&self) -> bool {
        self.is_wanted.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_that_speaks_of_the_key_counts() {
        let key = KeyProof::default();
        for (signal, accepted) in [
            (Signal::Answered, false),
            (Signal::NotConnected, false),
            (Signal::Accepted, true),
            (Signal::Answered, true),
            (Signal::Refused(Refusal::Credits), true),
            (Signal::Refused(Refusal::Unauthorized), false),
            (Signal::Accepted, true),
        ] {
            key.take_in(&signal);
            // The key that is asked for is not accepted.
            key.wanted_at.store(0, Ordering::Relaxed);
            assert_eq!(key.want(1_800_000_000_000), !accepted, "{signal:?}");
        }
    }

    #[test]
    fn it_is_asked_for_once_a_minute_and_not_when_it_is_known() {
        let key = KeyProof::default();
        let began = 1_800_000_000_000;
        for (after_ms, is_asked) in [
            (0, true),
            (1, false),
            (59_999, false),
            (60_000, true),
            (-5, true),
        ] {
            assert_eq!(key.want(began + after_ms), is_asked, "{after_ms}");
            assert_eq!(key.take_wanted(), is_asked);
        }
        key.take_in(&Signal::Accepted);
        assert!(!key.want(began + 3_600_000));
    }
}
