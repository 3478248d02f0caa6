//! `/healthz` and `/readyz`.

use std::{sync::atomic::Ordering, time::Duration};

use axum::{extract::State, http::StatusCode};
use tokio::time::timeout;

use super::{Shared, Vitals};
use crate::{
    core::{gate::GateReason, job::DurationMs, timestamp::iso},
    engine::{daemon::heartbeat::stuck_ms, worker::Stop},
    present::format::span,
    store::{Facts as _, Gates as _, JobStore, NO_LIST, StoreError},
};

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

/// Alive: the loop comes round, or ends in good order.
pub(super) async fn alive(State(vitals): State<Shared>) -> Verdict {
    if is_stopping(&vitals) {
        return well("stopping\n".to_owned());
    }
    let heartbeat = vitals.heartbeat.load(Ordering::Relaxed);
    match stuck_ms(heartbeat, vitals.clock.now()) {
        None => well("ok\n".to_owned()),
        Some(ms) => unwell(format!(
            "the daemon's loop has not run for {}: see the log, and restart parserd\n",
            span(ms)
        )),
    }
}

fn is_stopping(vitals: &Vitals) -> bool {
    *vitals.stop.borrow() != Stop::No
}

/// Ready: the database takes a write, and nothing that the service said keeps jobs from going on
/// until a person does something. The service is not asked.
pub(super) async fn ready(State(vitals): State<Shared>) -> Verdict {
    if is_stopping(&vitals) {
        return unwell("parserd stops and claims nothing more\n".to_owned());
    }
    if let Err(error) = vitals.store.still_has_its_file() {
        return unwell(format!("{error}\n"));
    }
    match timeout(WRITE_TIMEOUT, prove_writable(&vitals)).await {
        Err(_) => {
            return unwell(format!(
                "the database has accepted no write for {} s: does another program hold its \
                 lock?\n",
                WRITE_TIMEOUT.as_secs()
            ));
        }
        Ok(Err(error)) => return unwell(format!("the database accepts no write: {error}\n")),
        Ok(Ok(())) => {}
    }
    match vitals.store.gates().await {
        Err(error) => unwell(format!("{error}\n")),
        Ok(gates) => {
            let refused = gates
                .iter()
                .any(|(_, closure)| closure.reason == GateReason::Unauthorized);
            let no_list = match vitals.store.fact(NO_LIST).await.map(Option::flatten) {
                Ok(no_list) => no_list,
                Err(error) => return unwell(format!("{error}\n")),
            };
            if refused {
                unwell("the service refuses the API key: see `parserd check`\n".to_owned())
            } else if let Some(no_list) = no_list.filter(|no_list| !no_list.may_pass()) {
                unwell(format!(
                    "no create is sent: the account's list has not been available since {} (HTTP \
                     {}: {}): see `parserd check`\n",
                    iso(no_list.since),
                    no_list.http_status,
                    no_list.why
                ))
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
