//! Lists of the account: one serves all who wait for it.

mod account;
mod blind;
mod report;
mod trust;

use std::sync::{
    Arc, MutexGuard, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use tokio::sync::Mutex;

use crate::{
    api::Service,
    core::{
        backoff::Schedule,
        blind::Blindness,
        gate::Signal,
        job::{DurationMs, UnixMs},
        list_lag::{LagSamples, ListLag},
        listing::Listing,
        outcome::{ErrorDetail, ListOutcome, NoList},
        repeats::Repeats,
    },
    engine::{
        account::Permit,
        worker::{Worker, survey::Seen},
    },
    store::{JobStore, LIST_LAG, StoreError},
};

/// The newest list. One request serves all who wait for it.
#[derive(Debug, Default)]
pub struct Lists {
    newest: Mutex<Option<Arc<Listing>>>,
    /// Parsers that were looked up once for what explains them.
    met: Mutex<Seen>,
    /// How soon new parsers are listed.
    lag: std::sync::Mutex<ListLag>,
    /// The last altered name that was told.
    told: std::sync::Mutex<Option<(String, String)>>,
    /// What was logged of lists that cannot be used.
    repeats: std::sync::Mutex<Repeats>,
    failures: AtomicI64,
    /// How long the service took for the last one.
    took_ms: AtomicI64,
    retry_at: AtomicI64,
    /// What the last lists said of themselves.
    reports: std::sync::Mutex<report::Reports>,
    /// What is known of lists that cannot be used; none before the first one.
    blindness: Mutex<Option<Blindness>>,
}

impl Lists {
    /// Lists of which this is known already.
    pub fn knowing(lag_samples: LagSamples) -> Self {
        Self {
            lag: std::sync::Mutex::new(ListLag::knowing(lag_samples)),
            ..Self::default()
        }
    }

    /// Whether this alteration of a name was not told last.
    fn is_news(&self, altered: &(String, String)) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = told.as_ref() != Some(altered);
        *told = Some(altered.clone());
        is_news
    }

    fn log_no_list(&self, words: &ErrorDetail, now: UnixMs) {
        if let Some(times) = self.times_to_log("no list", &words.message, now) {
            tracing::warn!(
                http_status = words.status,
                error_message = words.message,
                times,
                "the account's list could not be read, and is asked for again: creates in doubt \
                 wait for it, and no parser that exists already can be found"
            );
        }
    }

    fn log_distrust(&self, why: &str, now: UnixMs) {
        if let Some(times) = self.times_to_log("distrust", why, now) {
            tracing::warn!(
                why,
                times,
                "the account's list cannot be trusted to be whole: until it can, nothing that it \
                 lacks counts as not made"
            );
        }
    }

    /// How often this came since it was last logged, where it is to be logged now.
    fn times_to_log(&self, what: &'static str, why: &str, now: UnixMs) -> Option<u64> {
        let mut repeats = self.repeats.lock().unwrap_or_else(PoisonError::into_inner);
        repeats.came(what, why, now)
    }

    /// Before this time no list is asked for, since the last ones could not be had.
    pub fn retry_at(&self) -> UnixMs {
        self.retry_at.load(Ordering::Relaxed)
    }

    /// How long the service took for the last list.
    pub fn took_ms(&self) -> DurationMs {
        self.took_ms.load(Ordering::Relaxed)
    }

    fn failed(&self, retry: &Schedule, now: UnixMs) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed);
        let delay_ms = retry.delay_ms(failures, fastrand::f64());
        self.retry_at
            .store(now.saturating_add(delay_ms), Ordering::Relaxed);
    }

    /// Forgets the list and the waiting, whose times are those before a step of the clock.
    pub async fn forget(&self) {
        *self.newest.lock().await = None;
        self.lag
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .forget_fresh();
        // Its times are those of before; what is told stays told.
        let mut blindness = self.blindness.lock().await;
        *blindness = blindness
            .take()
            .map(|known| Blindness::left(known.reported().cloned()));
        drop(blindness);
        self.succeeded();
    }

    /// The next list may be asked for at once.
    pub fn succeeded(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.retry_at.store(0, Ordering::Relaxed);
    }
}

impl<S: Service, D: JobStore> Worker<S, D> {
    /// A list that was asked for at `not_before` or later.
    ///
    /// # Errors
    /// Whatever the database says. That the service gives none is an outcome.
    pub async fn listing(
        &self,
        not_before: UnixMs,
        permit: &mut Permit,
    ) -> Result<Result<Arc<Listing>, NoList>, StoreError> {
        let mut newest = self.lists.newest.lock().await;
        if let Some(listing) = newest.as_ref()
            && listing.listed_at >= not_before
        {
            return Ok(Ok(Arc::clone(listing)));
        }
        let now = self.clock.now();
        let held = |why: &str| {
            Ok(Err(NoList::Trouble(ErrorDetail {
                status: None,
                message: why.to_owned(),
            })))
        };
        if now < self.lists.retry_at() {
            return held("the last list could not be had; the next one waits");
        }
        // Closed by the answer to somebody who stood before us.
        if !self.account.is_valid(permit) {
            return held("the gate for reading is closed");
        }
        // Nobody may go on with one that could not be renewed; nor need two lists of a
        // large account be held at once.
        *newest = None;
        match self.fetch(permit).await? {
            Ok(listing) => {
                self.lists.succeeded();
                self.see().await?;
                let listing = Arc::new(listing);
                *newest = Some(Arc::clone(&listing));
                Ok(Ok(listing))
            }
            Err(none) => {
                if let NoList::Trouble(words) = &none {
                    self.go_blind(words).await?;
                }
                self.lists.failed(&self.policy.retry, self.clock.now());
                Ok(Err(none))
            }
        }
    }

    async fn fetch(&self, permit: &mut Permit) -> Result<Result<Listing, NoList>, StoreError> {
        // Before the list is asked for: what is made meanwhile need not be in it.
        let known = self.store.known_parsers().await?;
        let listed_at = self.clock.now();
        let outcome = self.service.list().await;
        let now = self.clock.now();
        // After one that could not be had, the retry's backoff says how long to wait.
        let is_had = matches!(outcome, ListOutcome::Listed(..));
        let took_ms = if is_had { now - listed_at } else { 0 };
        self.lists.took_ms.store(took_ms, Ordering::Relaxed);
        let (items, flaws) = match outcome {
            ListOutcome::Listed(items, flaws) => {
                self.account.report(permit, &Signal::Accepted, now);
                (items, flaws)
            }
            ListOutcome::Refused(refusal, words) => {
                self.account
                    .report(permit, &Signal::Refused(refusal.clone()), now);
                return Ok(Err(NoList::Refused(refusal, words)));
            }
            ListOutcome::Trouble(words) => {
                let signal = match words.status {
                    Some(_) => Signal::Answered,
                    None => Signal::NotConnected,
                };
                self.account.report(permit, &signal, now);
                self.lists.log_no_list(&words, self.clock.now());
                return Ok(Err(NoList::Trouble(words)));
            }
        };
        let count = items.len();
        let mut listing = Listing::new(items, listed_at).under(self.policy.rules);
        let known = self.known_here(&listing, known).await?;
        for id in self.store.gone_parsers().await? {
            if listing.holds(&id) {
                self.store.mark_found(id).await?;
            }
        }
        let listed_badly = self
            .why_distrust_flawed(&mut listing, &flaws, known)
            .await?;
        listing.distrust = match listed_badly {
            Ok(distrust) => distrust,
            Err(words) => return Ok(Err(NoList::Trouble(words))),
        };
        if let Some(why) = &listing.distrust {
            self.lists.log_distrust(why, self.clock.now());
        }
        let has_news = self.meet(&listing).await?;
        self.learn_lag(&listing).await?;
        self.report_list(&listing, count, &flaws, has_news).await?;
        Ok(Ok(listing))
    }

    /// Records the parsers that nothing explains, each looked up once by this process.
    /// Returns whether there was any.
    async fn meet(&self, listing: &Listing) -> Result<bool, StoreError> {
        let mut met = self.lists.met.lock().await;
        let news: Vec<_> = listing
            .items()
            .iter()
            .filter(|parser| !met.holds(&parser.id))
            .collect();
        let is_news = !news.is_empty();
        self.store.meet(&news, listing, self.clock.now()).await?;
        for parser in news {
            met.add(&parser.id);
        }
        if listing.distrust.is_none() {
            let strangers = self.store.met().await?;
            let gone: Vec<_> = strangers
                .into_iter()
                .filter(|id| !listing.holds(id))
                .collect();
            if !gone.is_empty() {
                met.forget();
                self.store.part_from(gone).await?;
            }
        }
        Ok(is_news)
    }

    /// Takes in how soon the list showed the parsers that were just made.
    async fn learn_lag(&self, listing: &Listing) -> Result<(), StoreError> {
        let learnt = self.lag().listed(listing, self.policy.settle_ms);
        match learnt {
            Some(lag_samples) => self.store.keep(LIST_LAG, &lag_samples).await,
            None => Ok(()),
        }
    }

    pub(crate) fn lag(&self) -> MutexGuard<'_, ListLag> {
        // No code that can panic runs under the lock.
        self.lists
            .lag
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
