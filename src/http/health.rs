//! `/healthz` and `/readyz`.

use std::{sync::atomic::Ordering, time::Duration};

use hyper::StatusCode;
use tokio::time::timeout;

use super::Vitals;
use crate::{
    gate::GateReason,
    job::{DurationMs, UnixMs},
    store::StoreError,
};

/// A loop that has not come round for so long is stuck; it never sleeps longer than
/// a sixth of it.
const STUCK_AFTER_MS: DurationMs = 60_000;

/// A database that was written to so recently is taken for writable.
const PROOF_LASTS_MS: DurationMs = 10_000;

/// How long a write may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

type Verdict = (StatusCode, String);

const fn well(words: String) -> Verdict {
    (StatusCode::OK, words)
}

const fn unwell(words: String) -> Verdict {
    (StatusCode::SERVICE_UNAVAILABLE, words)
}

/// Alive: the loop comes round.
pub(super) fn alive(vitals: &Vitals) -> Verdict {
    let heartbeat = vitals.heartbeat.load(Ordering::Relaxed);
    verdict_on(vitals.clock.now(), heartbeat)
}

fn verdict_on(now: UnixMs, heartbeat: UnixMs) -> Verdict {
    let silent_ms = now.saturating_sub(heartbeat);
    if silent_ms <= STUCK_AFTER_MS {
        return well("ok\n".to_owned());
    }
    unwell(format!(
        "the daemon's loop has not come round for {} s: see the log, and restart parserd\n",
        silent_ms / 1000
    ))
}

/// Ready: the database takes a write, and the key was not refused.
pub(super) async fn ready(vitals: &Vitals) -> Verdict {
    match timeout(WRITE_TIMEOUT, prove_writable(vitals)).await {
        Err(_) => {
            return unwell(format!(
                "the database took no write for {} s: does another program hold its lock?\n",
                WRITE_TIMEOUT.as_secs()
            ));
        }
        Ok(Err(error)) => return unwell(format!("the database takes no write: {error}\n")),
        Ok(Ok(())) => {}
    }
    match vitals.store.gates().await {
        Err(error) => unwell(format!("{error}\n")),
        Ok(gates) => {
            let refused = gates
                .iter()
                .any(|(_, closure)| closure.reason == GateReason::Unauthorized);
            if refused {
                unwell("the service refuses the API key: see `parserd check`\n".to_owned())
            } else {
                well("ready\n".to_owned())
            }
        }
    }
}

/// A change that was stored a moment ago proves it without another write.
async fn prove_writable(vitals: &Vitals) -> Result<(), StoreError> {
    let mut proved_at = vitals.proved_at.lock().await;
    let now = vitals.clock.now();
    let last = vitals.metrics.progressed_at().max(*proved_at);
    if last.is_some_and(|at| (0..PROOF_LASTS_MS).contains(&(now - at))) {
        return Ok(());
    }
    vitals.store.prove_writable(now).await?;
    *proved_at = Some(now);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_stuck_after_a_minute_and_not_before() {
        for (now, heartbeat, status) in [
            (1_000, 1_000, 200),
            (61_000, 1_000, 200),
            (61_001, 1_000, 503),
            (1_000, 0, 200),
            // It has not started.
            (1_700_000_000_000, 0, 503),
            // The clock was set back a moment ago.
            (0, 5_000, 200),
        ] {
            let (found, words) = verdict_on(now, heartbeat);
            assert_eq!(found.as_u16(), status, "{now} {heartbeat}: {words}");
        }
    }
}
