//! The one source of `now`, so that tests and simulations can hand in their own.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures_util::future::BoxFuture;

use crate::core::job::{DurationMs, UnixMs};

/// A wall clock that is off by less has not stepped: it was slewed, or read late.
const MIN_STEP_MS: DurationMs = 2_000;

/// The longest sleep: a wall clock that steps is noticed within it, and the daemon's
/// heartbeat is not older.
const MAX_SLEEP: Duration = Duration::from_secs(10);

/// A source of time.
///
/// What waits for a time to pass must not be fooled by a wall clock that is set: so
/// [`now`](Self::now) goes on evenly, and a step is taken only when its owner says so,
/// which first moves the times that it keeps.
pub trait Time: Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> UnixMs;

    /// See [`Clock::lasting_ms`].
    fn lasting_ms(&self) -> DurationMs;

    /// By how much the wall clock is ahead of [`now`](Self::now).
    fn ahead_ms(&self) -> DurationMs;

    /// See [`Clock::take_step`].
    fn take_step(&self, step_ms: DurationMs);

    /// See [`Clock::sleep`].
    fn sleep(&self, pause: Duration) -> BoxFuture<'_, ()>;
}

/// Where the time comes from. Cloning it shares the source.
#[derive(Debug, Clone)]
pub struct Clock(Arc<dyn Time>);

impl Clock {
    /// The clock on this source.
    pub fn on(time: impl Time + 'static) -> Self {
        Self(Arc::new(time))
    }

    /// The machine's clock, as it stands.
    pub fn system() -> Self {
        Self::on(Steady {
            began: Instant::now(),
            began_at: AtomicI64::new(wall_clock()),
        })
    }

    /// A time that somebody sets.
    pub fn manual(time: Arc<AtomicI64>) -> Self {
        Self::on(Manual(time))
    }

    /// The time now.
    pub fn now(&self) -> UnixMs {
        self.0.now()
    }

    /// The time that passed since some moment before this process began, suspended time
    /// included: what lies between two looks passed, whatever the wall clock says.
    pub fn lasting_ms(&self) -> DurationMs {
        self.0.lasting_ms()
    }

    /// By how much the wall clock stepped since the last step was taken, if it did.
    /// A machine that slept looks the same: the time asleep passed for nobody here.
    pub fn step(&self) -> Option<DurationMs> {
        let step_ms = self.0.ahead_ms();
        (step_ms.abs() >= MIN_STEP_MS).then_some(step_ms)
    }

    /// Goes by the wall clock again, after a step by `step_ms`.
    pub fn take_step(&self, step_ms: DurationMs) {
        self.0.take_step(step_ms);
    }

    /// Waits, and not for very long: it is looked at anew whether there is more to wait.
    pub async fn sleep(&self, pause: Duration) {
        self.0.sleep(pause).await;
    }
}

/// The wall clock as it was at one moment, and the time that passed since.
#[derive(Debug)]
struct Steady {
    began: Instant,
    began_at: AtomicI64,
}

impl Time for Steady {
    fn now(&self) -> UnixMs {
        let passed_ms = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.began_at
            .load(Ordering::SeqCst)
            .saturating_add(passed_ms)
    }

    fn lasting_ms(&self) -> DurationMs {
        lasting_ms()
    }

    fn ahead_ms(&self) -> DurationMs {
        wall_clock().saturating_sub(self.now())
    }

    fn take_step(&self, step_ms: DurationMs) {
        self.began_at.fetch_add(step_ms, Ordering::SeqCst);
    }

    fn sleep(&self, pause: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(pause.min(MAX_SLEEP)))
    }
}

/// A time that somebody sets.
#[derive(Debug)]
struct Manual(Arc<AtomicI64>);

impl Time for Manual {
    fn now(&self) -> UnixMs {
        self.0.load(Ordering::SeqCst)
    }

    fn lasting_ms(&self) -> DurationMs {
        lasting_ms()
    }

    fn ahead_ms(&self) -> DurationMs {
        0
    }

    fn take_step(&self, _step_ms: DurationMs) {}

    fn sleep(&self, pause: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(pause.min(MAX_SLEEP)))
    }
}

/// See [`Clock::lasting_ms`].
#[cfg(target_os = "linux")]
pub fn lasting_ms() -> DurationMs {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec
        .saturating_mul(1000)
        .saturating_add(time.tv_nsec / 1_000_000)
}

/// See [`Clock::lasting_ms`]; whether it counts suspended time is the system's choice here.
#[cfg(not(target_os = "linux"))]
pub fn lasting_ms() -> DurationMs {
    static BEGAN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    i64::try_from(BEGAN.elapsed().as_millis()).unwrap_or(i64::MAX)
}

fn wall_clock() -> UnixMs {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        // Before 1970: no clock is right there, and no decision needs more.
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_seen_until_it_is_taken_and_now_goes_on_evenly_till_then() {
        let clock = Clock::system();
        assert_eq!(clock.step(), None);
        // The same as a wall clock that was set an hour ahead.
        clock.take_step(-3_600_000);
        let before = clock.now();
        let step_ms = clock.step().unwrap();
        assert!((step_ms - 3_600_000).abs() < MIN_STEP_MS, "{step_ms}");
        clock.take_step(step_ms);
        assert_eq!(clock.step(), None);
        assert!(clock.now() - before >= 3_600_000 - MIN_STEP_MS);
    }
}
