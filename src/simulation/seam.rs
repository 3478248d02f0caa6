//! Where the code under test meets the simulation: each read, each commit, each request and each
//! sleep waits here until the scheduler lets it go on.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::world::{Go, Sim, What, in_simulation, with};
use crate::{
    clock::Time,
    core::job::{DurationMs, JobId, UnixMs},
    engine::worker::turn::crash_point::{CrashPoint, Probe},
    store::StoreError,
};

/// The simulation's time, on this thread.
#[derive(Debug)]
pub(super) struct SimulatedTime;

impl Time for SimulatedTime {
    fn now(&self) -> UnixMs {
        now()
    }

    fn lasting_ms(&self) -> DurationMs {
        with(|sim| sim.time)
    }

    fn ahead_ms(&self) -> DurationMs {
        with(|sim| sim.clock_step_ms)
    }

    fn take_step(&self, step_ms: DurationMs) {
        with(|sim| sim.take_clock_step(step_ms));
    }

    fn sleep(&self, pause: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let woken = with(|sim| sim.sleep(pause));
            let _gone = woken.await;
        })
    }
}

/// The gaps between the steps of a turn: the simulation may end the process in any of them.
#[derive(Debug)]
pub(super) struct CrashProbe;

impl Probe for CrashProbe {
    fn reached(&self, point: CrashPoint, _: JobId) {
        with(|sim| sim.reached(point));
    }
}

pub(super) fn now() -> UnixMs {
    with(|sim| sim.now())
}

/// Waits until no other daemon has the store: it is let go when its process has ended.
pub(super) async fn hold() {
    let waits = with(|sim| {
        if !sim.is_held {
            sim.is_held = true;
            return None;
        }
        let (take, taken) = oneshot::channel();
        sim.standby = Some(take);
        Some(taken)
    });
    if let Some(taken) = waits {
        let _over = taken.await;
    }
}

/// Waits for the scheduler.
pub(super) async fn point(what: What) -> Go {
    let released = with(|sim| sim.point(what));
    match released.await {
        Ok(go) => go,
        // The simulation is over.
        Err(_) => std::future::pending().await,
    }
}

/// The store is at work: nothing else is let go until this is dropped.
#[derive(Debug)]
struct Busy;

impl Busy {
    fn begin() -> Self {
        with(|sim| sim.busy += 1);
        Self
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if in_simulation() {
            with(|sim| sim.busy -= 1);
        }
    }
}

/// A look at the store.
pub(super) async fn read<T>(work: impl Future<Output = T>) -> T {
    point(What::Read).await;
    let _busy = Busy::begin();
    work.await
}

/// A commit, from before it begins until its caller learns of it.
pub(super) async fn commit<T>(
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let failed = || StoreError::Failed {
        what: "write",
        why: "simulated: disk I/O error".to_owned(),
    };
    let go = point(What::Commit).await;
    if go == Go::FailBefore {
        return Err(failed());
    }
    let busy = Busy::begin();
    let result = work.await;
    drop(busy);
    with(Sim::look);
    if go == Go::FailAfter {
        return Err(failed());
    }
    point(What::Committed).await;
    result
}
