//! The way past the token: one at a time, and slowly.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};

/// How long each one takes, whatever comes of it: who guesses, guesses once in that time,
/// over however many connections, and who hangs up sooner has learnt nothing.
const PAUSE: Duration = Duration::from_secs(1);

/// How many may wait. One too many is refused at once.
const PLACES: usize = 8;

/// Lets through one at a time, each after a pause.
#[derive(Debug)]
pub(super) struct Turnstile {
    places: Semaphore,
    way: Mutex<()>,
    pause: Duration,
}

/// Leave to offer a token once. The next one's pause begins when it is dropped.
#[derive(Debug)]
pub(super) struct SignInTurn<'a> {
    _place: SemaphorePermit<'a>,
    _way: MutexGuard<'a, ()>,
}

impl Default for Turnstile {
    fn default() -> Self {
        Self::new(PAUSE)
    }
}

impl Turnstile {
    fn new(pause: Duration) -> Self {
        Self {
            places: Semaphore::new(PLACES),
            way: Mutex::default(),
            pause,
        }
    }

    /// Waits for a turn; none where too many wait. The pause comes before the token is
    /// looked at, so that a right one is not told from a wrong one by the time it takes.
    pub async fn pass(&self) -> Option<SignInTurn<'_>> {
        let place = self.places.try_acquire().ok()?;
        let way = self.way.lock().await;
        tokio::time::sleep(self.pause).await;
        Some(SignInTurn {
            _place: place,
            _way: way,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures_util::future::join_all;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn all_share_one_pause_and_the_one_too_many_is_sent_away() {
        let turnstile = Turnstile::new(SHORT);
        let began = Instant::now();
        let all = join_all((0..=PLACES).map(|_| async { turnstile.pass().await.is_some() }));
        let passed = all.await.into_iter().filter(|passed| *passed).count();
        assert_eq!(passed, PLACES);
        assert!(began.elapsed() >= SHORT * u32::try_from(PLACES).unwrap());
        assert!(turnstile.pass().await.is_some(), "all have left");
    }

    #[tokio::test]
    async fn who_hangs_up_makes_way() {
        let turnstile = Turnstile::new(Duration::from_secs(3600));
        for _ in 0..2 * PLACES {
            let waiting = tokio::time::timeout(Duration::from_millis(1), turnstile.pass());
            assert!(waiting.await.is_err(), "it waits");
        }
        assert_eq!(turnstile.places.available_permits(), PLACES);
        assert!(turnstile.way.try_lock().is_ok());
    }
}
