//! Lists of the account: before a create, for creates in doubt, and after a 404.

mod sight;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use tokio::sync::Mutex;

use crate::{
    account::Pass,
    api::{
        Service,
        types::{ListOutcome, PollOutcome, Refusal, Words},
    },
    backoff::Schedule,
    blind::Blindness,
    gate::Signal,
    job::{DurationMs, Job, UnixMs},
    lifecycle::{Event, Sighting, TRUSTED_LISTS},
    listing::Listing,
    store::{Intent, KnownParser, StoreError},
    worker::{Done, Worker},
};

/// How many missing parsers are asked for by id after one list. What is over leaves
/// the list without trust until the next one.
const MAX_ASKED_PER_LIST: usize = 32;

/// How long the asking may take: others wait for the list.
const MAX_ASKING_MS: DurationMs = 60_000;

/// Why there is no list.
#[derive(Debug, Clone)]
pub enum NoList {
    /// The account was refused.
    Refused(Refusal, Words),
    /// Anything else.
    Trouble(Words),
}

/// The newest list. One request serves all who wait for it.
#[derive(Debug, Default)]
pub struct Lists {
    newest: Mutex<Option<Arc<Listing>>>,
    failures: AtomicI64,
    retry_at: AtomicI64,
    /// What is known of lists that cannot be used; none before the first one.
    blindness: Mutex<Option<Blindness>>,
}

impl Lists {
    /// Before this time no list is asked for, since the last ones could not be had.
    pub fn retry_at(&self) -> UnixMs {
        self.retry_at.load(Ordering::Relaxed)
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
        // Its times are those of before; what is told stays told.
        let mut blindness = self.blindness.lock().await;
        *blindness = blindness
            .take()
            .map(|known| Blindness::left(known.told().cloned()));
        drop(blindness);
        self.succeeded();
    }

    /// The next list may be asked for at once.
    pub fn succeeded(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.retry_at.store(0, Ordering::Relaxed);
    }
}

impl<S: Service> Worker<S> {
    /// A list that was asked for at `not_before` or later.
    ///
    /// # Errors
    /// Whatever the database says. That the service gives none is an outcome.
    pub async fn listing(
        &self,
        not_before: UnixMs,
        pass: &mut Pass,
    ) -> Result<Result<Arc<Listing>, NoList>, StoreError> {
        let mut newest = self.lists.newest.lock().await;
        if let Some(listing) = newest.as_ref()
            && listing.listed_at >= not_before
        {
            return Ok(Ok(Arc::clone(listing)));
        }
        let now = self.clock.now();
        let held = |why: &str| {
            Ok(Err(NoList::Trouble(Words {
                status: None,
                message: why.to_owned(),
            })))
        };
        if now < self.lists.retry_at() {
            return held("the last list could not be had; the next one waits");
        }
        // Closed by the answer to somebody who stood before us.
        if !self.account.lets(pass) {
            return held("the gate for reading is closed");
        }
        // Nobody may go on with one that could not be renewed; nor need two lists of a
        // large account be held at once.
        *newest = None;
        match self.fetch(pass).await? {
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

    async fn fetch(&self, pass: &mut Pass) -> Result<Result<Listing, NoList>, StoreError> {
        // Before the list is asked for: what is made meanwhile need not be in it.
        let known = self.store.known_parsers().await?;
        let listed_at = self.clock.now();
        let outcome = self.service.list().await;
        let now = self.clock.now();
        let (items, flaws) = match outcome {
            ListOutcome::Listed(items, flaws) => {
                self.account.report(pass, &Signal::Accepted, now);
                (items, flaws)
            }
            ListOutcome::Refused(refusal, words) => {
                self.account
                    .report(pass, &Signal::Refused(refusal.clone()), now);
                return Ok(Err(NoList::Refused(refusal, words)));
            }
            ListOutcome::Trouble(words) => {
                let signal = match words.status {
                    Some(_) => Signal::Answered,
                    None => Signal::NotConnected,
                };
                self.account.report(pass, &signal, now);
                tracing::warn!(
                    http_status = words.status,
                    error_message = words.message,
                    "no list of the account"
                );
                return Ok(Err(NoList::Trouble(words)));
            }
        };
        let mut listing = Listing::new(items, listed_at);
        for id in self.store.gone_parsers().await? {
            if listing.holds(&id) {
                self.store.mark_found(id).await?;
            }
        }
        let listed_badly = self.why_distrust_flawed(&listing, &flaws, known).await?;
        listing.distrust = match listed_badly {
            Ok(distrust) => distrust,
            Err(words) => return Ok(Err(NoList::Trouble(words))),
        };
        if let Some(why) = &listing.distrust {
            tracing::warn!(why, "the account's list cannot be trusted to be whole");
        }
        Ok(Ok(listing))
    }

    async fn why_distrust(
        &self,
        listing: &Listing,
        mut known: Vec<KnownParser>,
    ) -> Result<Option<String>, StoreError> {
        #[cfg(test)]
        if crate::simulation::breaks(crate::simulation::Rule::TrustedList) {
            return Ok(None);
        }
        // A list may lag a little. How little: those who were made together with a create
        // in doubt must count before the settling time of that one is over.
        let shortest_ms = self.policy.settle_ms.min(self.policy.settle_after_error_ms);
        known.retain(|parser| listing.must_show(parser, shortest_ms / TRUSTED_LISTS));
        let assessment = listing.assess(&known);
        if let Some((sent, shown)) = assessment.altered {
            return Ok(Some(format!(
                "the service alters names: {sent:?} was sent and {shown:?} is listed"
            )));
        }
        let before_key = |parser: &KnownParser| Some(parser.known_since) < self.key_changed_at;
        if !known.is_empty()
            && assessment.missing.len() == known.len()
            && known.iter().all(before_key)
        {
            return Ok(Some(format!(
                "it shows none of the {} parsers known from before the API key was changed: \
                 is this key another account's?",
                known.len()
            )));
        }
        let missing: HashSet<_> = assessment.missing.into_iter().collect();
        known.retain(|parser| missing.contains(&parser.id));
        self.distrust(&known).await
    }

    /// Asks for known parsers that the list lacks: deleted ones restore its trust, a
    /// single one that exists shows that it is partial.
    async fn distrust(&self, missing: &[KnownParser]) -> Result<Option<String>, StoreError> {
        let started_at = self.clock.now();
        for (
            asked,
            KnownParser {
                id, known_since, ..
            },
        ) in missing.iter().enumerate()
        {
            if asked >= MAX_ASKED_PER_LIST || self.clock.now() - started_at > MAX_ASKING_MS {
                return Ok(Some(format!(
                    "it lacks {} more known parsers",
                    missing.len() - asked
                )));
            }
            match self.service.details(id).await {
                // Both may come from a copy of the service's data that lags: then what is in
                // doubt is missing for no better reason.
                PollOutcome::NotFound(_)
                    if (0..self.policy.settle_ms).contains(&(started_at - known_since)) =>
                {
                    return Ok(Some(format!(
                        "it lacks parser {id}, which was just made and is not found by its id \
                         either"
                    )));
                }
                PollOutcome::NotFound(_) => {
                    tracing::warn!(parser_id = %id, "a parser was deleted from the account");
                    self.store.mark_gone(id.clone(), self.clock.now()).await?;
                }
                PollOutcome::Finished(_)
                | PollOutcome::Failed(_)
                | PollOutcome::Generating { .. } => {
                    return Ok(Some(format!("it lacks parser {id}, which exists")));
                }
                PollOutcome::Refused(_, words) | PollOutcome::Trouble(words) => {
                    return Ok(Some(format!(
                        "it lacks parser {id}, and asking for that one brought no answer: {}",
                        words.message
                    )));
                }
            }
        }
        Ok(None)
    }

    /// Looks for creates in doubt in one fresh list.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn reconcile(
        &self,
        mut jobs: Vec<Job>,
        mut pass: Pass,
    ) -> Result<Vec<Done>, StoreError> {
        let result = self.reconcile_with(&mut jobs, &mut pass).await;
        drop(pass);
        self.after_report().await;
        result
    }

    async fn reconcile_with(
        &self,
        jobs: &mut [Job],
        pass: &mut Pass,
    ) -> Result<Vec<Done>, StoreError> {
        let asked_at = self.clock.now();
        let listing = self.listing(asked_at, pass).await?;
        let mut done = Vec::with_capacity(jobs.len());
        let mut failure = None;
        for job in jobs {
            let (sighting, listed_at) = match &listing {
                Ok(listing) => (self.sight(job, listing).await?, listing.listed_at),
                Err(NoList::Refused(..)) => (Sighting::NoList, asked_at),
                // An answer that is no list is a list that cannot be trusted; an
                // outage is waited out.
                Err(NoList::Trouble(words)) => match words.status {
                    Some(502..=504) => (Sighting::NoList, asked_at),
                    Some(_) => (Sighting::Unproven(words.message.clone()), asked_at),
                    // Nor does one that was not asked for say anything.
                    None => (Sighting::NoList, asked_at),
                },
            };
            let event = Event::Reconciled {
                sighting,
                listed_at,
            };
            if let Some(change) = self.decided(job, event)
                && let Err(error) = self.apply(job, change, Intent::default()).await
            {
                // A row that cannot be stored must not stand in the way of the others.
                failure.get_or_insert(error);
            }
            done.push(Done::of(job));
        }
        failure.map_or(Ok(done), Err)
    }

    async fn sight(&self, job: &Job, listing: &Listing) -> Result<Sighting, StoreError> {
        let Some(name) = &job.progress.remote_name else {
            return Ok(Sighting::Unproven(
                "the name that was sent is not recorded".to_owned(),
            ));
        };
        let ledger = self.store.ledger(name).await?;
        let ids: Vec<_> = listing
            .named(name)
            .map(|parser| parser.id.clone())
            .collect();
        let claimed = self.store.claimed(&ids, job.id).await?;
        // Without a create in doubt it is one that counted as not made and landed since.
        let baseline = match &ledger.refuted_baseline {
            Some(refuted) if !ledger.pending => refuted,
            Some(_) | None => &ledger.baseline,
        };
        Ok(listing.sight(name, baseline, &claimed))
    }
}
