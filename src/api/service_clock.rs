//! The service's clock, by the `Date` of its answers: a second opinion on this machine's.

use std::sync::Arc;

use tokio::sync::watch;

use crate::core::job::{DurationMs, UnixMs};

/// A `Date` has whole seconds, rounded down.
const DATE_STEP_MS: DurationMs = 1_000;

/// A `Date`, and when it was seen by a clock that nobody sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sight {
    date_ms: UnixMs,
    at_lasting_ms: DurationMs,
}

/// What is known of the service's clock. Cloning it shares it.
#[derive(Debug, Clone, Default)]
pub struct ServiceClock(Arc<watch::Sender<Option<Sight>>>);

impl ServiceClock {
    /// Takes in a `Date` that was seen at `lasting_ms` of [`crate::clock::lasting_ms`].
    pub fn saw(&self, date_ms: UnixMs, lasting_ms: DurationMs) {
        self.0.send_replace(Some(Sight {
            date_ms,
            at_lasting_ms: lasting_ms,
        }));
    }

    /// The service's time at `lasting_ms`, to a second; none where it was never known.
    pub fn now(&self, lasting_ms: DurationMs) -> Option<UnixMs> {
        let sight = (*self.0.borrow())?;
        let passed_ms = lasting_ms.saturating_sub(sight.at_lasting_ms).max(0);
        Some(sight.date_ms.saturating_add(passed_ms))
    }

    /// The latest that the service's time may be at `lasting_ms`.
    pub fn latest(&self, lasting_ms: DurationMs) -> Option<UnixMs> {
        Some(self.now(lasting_ms)?.saturating_add(DATE_STEP_MS))
    }

    /// Waits until it is known.
    pub async fn known(&self) {
        let mut watching = self.0.subscribe();
        // The sender is this: it does not end meanwhile.
        let _known = watching.wait_for(Option::is_some).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_time_goes_on_from_its_last_date() {
        let clock = ServiceClock::default();
        assert_eq!(clock.now(5), None);
        clock.saw(1_000_000, 5_000);
        assert_eq!(clock.now(7_500), Some(1_002_500));
        assert_eq!(clock.latest(7_500), Some(1_003_500));
        clock.saw(2_000_000, 8_000);
        assert_eq!(clock.clone().now(8_000), Some(2_000_000));
    }
}
