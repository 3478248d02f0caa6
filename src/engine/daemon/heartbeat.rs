//! PURE: whether the daemon's loop comes round.

use crate::core::job::{DurationMs, UnixMs};

/// A loop that has not come round for so long is stuck; it never sleeps longer than a
/// sixth of it.
const STUCK_AFTER_MS: DurationMs = 60_000;

/// How long the loop has not come round, where that is too long. Of a daemon that stops
/// it says nothing: what is under way then ends in its own time.
pub const fn stuck_ms(heartbeat: UnixMs, now: UnixMs) -> Option<DurationMs> {
    let silent_ms = now.saturating_sub(heartbeat);
    if silent_ms > STUCK_AFTER_MS {
        Some(silent_ms)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_stuck_after_a_minute_and_not_before() {
        for (heartbeat, now, stuck) in [
            (1_000, 1_000, None),
            (1_000, 61_000, None),
            (1_000, 61_001, Some(60_001)),
            // It has not started.
            (0, 3_600_000, Some(3_600_000)),
            // The clock was set back.
            (61_001, 1_000, None),
        ] {
            assert_eq!(stuck_ms(heartbeat, now), stuck, "{heartbeat} at {now}");
        }
    }
}
