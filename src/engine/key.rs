//! Whether the service has accepted the API key in this process, and whether somebody
//! waits for the answer.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

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
    is_accepted: watch::Sender<bool>,
    is_wanted: AtomicBool,
    /// When it was last wanted; 0 before.
    wanted_at: AtomicI64,
}

impl KeyProof {
    /// Takes in an answer of the service.
    pub fn take_in(&self, signal: &Signal) {
        match signal {
            Signal::Accepted => drop(self.is_accepted.send_replace(true)),
            Signal::Refused(Refusal::Unauthorized) => drop(self.is_accepted.send_replace(false)),
            // A fault or a refusal of another kind may come before the look at the key.
            Signal::Answered | Signal::Refused(_) | Signal::NotConnected => {}
        }
    }

    /// Whether it was accepted; waits for that for so long.
    pub async fn is_accepted_within(&self, patience: Duration) -> bool {
        let mut watching = self.is_accepted.subscribe();
        let accepted = watching.wait_for(|is_accepted| *is_accepted);
        matches!(timeout(patience, accepted).await, Ok(Ok(_)))
    }

    /// Somebody wants to know. Returns whether the daemon is to ask for it now: the key is
    /// not accepted yet, and it was not asked for a while.
    pub fn want(&self, now: UnixMs) -> bool {
        let last = self.wanted_at.load(Ordering::Relaxed);
        // From the future where the clock was set back.
        let is_recent = (0..ASK_INTERVAL_MS).contains(&now.saturating_sub(last));
        if *self.is_accepted.borrow() || is_recent {
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

    const AT_ONCE: Duration = Duration::ZERO;

    #[tokio::test]
    async fn the_last_answer_that_speaks_of_the_key_counts() {
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
            assert_eq!(
                key.is_accepted_within(AT_ONCE).await,
                accepted,
                "{signal:?}"
            );
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
