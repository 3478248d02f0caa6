//! Lists of the account: before a create, for creates in doubt, and after a 404.

mod blind;
mod report;

use std::{
    collections::HashSet,
    sync::{
        Arc, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use futures_util::{StreamExt as _, stream};
use tokio::sync::Mutex;

use crate::core::outcome::NoList;
use crate::{
    api::Service,
    core::{
        backoff::Schedule,
        blind::Blindness,
        gate::Signal,
        job::{DurationMs, Job, JobState, ParserId, UnixMs},
        ledger::KnownParser,
        lifecycle::{Event, Evidence, TRUSTED_LISTS},
        list_lag::{LagSamples, ListLag},
        listing::{Apart, Assessment, Listing},
        outcome::{ErrorDetail, ListOutcome, PollOutcome, is_gateways},
        remote_name::Echo,
    },
    engine::{
        account::Permit,
        operate,
        worker::{Done, Worker, survey::Seen},
    },
    store::{ELSEWHERE, Intent, JobStore, LIST_LAG, StoreError},
};

/// How many missing parsers are asked for by id after one list. What is over leaves
/// the list without trust until the next one.
const MAX_ASKED_PER_LIST: usize = 32;

/// How long the asking may take: others wait for the list.
const MAX_ASKING_MS: DurationMs = 60_000;

/// How many creates in doubt are looked up in a list at once.
const SEARCHES_AT_ONCE: usize = 32;

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
                tracing::warn!(
                    http_status = words.status,
                    error_message = words.message,
                    "no list of the account"
                );
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
            tracing::warn!(why, "the account's list cannot be trusted to be whole");
        }
        let has_news = self.meet(&listing).await?;
        self.learn_lag(&listing).await?;
        self.report_list(&listing, count, &flaws, has_news).await?;
        Ok(Ok(listing))
    }

    /// The parsers that the list must show. One known from another account that it shows
    /// as well makes the two accounts one.
    async fn known_here(
        &self,
        listing: &Listing,
        known: Vec<KnownParser>,
    ) -> Result<Vec<KnownParser>, StoreError> {
        let foreign = self.store.foreign_parsers().await?;
        let mut joined = false;
        for id in foreign {
            if let Some(name) = listing.name_of(&id)
                && self.is_foreign(&id).await?
            {
                joined |= self.is_of_this_account(&id, Some(name)).await?;
            }
        }
        if joined {
            return self.store.known_parsers().await;
        }
        Ok(known)
    }

    /// Whether a parser that the service shows, under this name, is the one that is known by its
    /// id. One known from another account makes the two accounts one; but an id alone proves
    /// nothing, since two services may give the same: their names tell.
    pub(crate) async fn is_of_this_account(
        &self,
        id: &ParserId,
        name: Option<&str>,
    ) -> Result<bool, StoreError> {
        if !self.is_foreign(id).await? {
            return Ok(true);
        }
        if !self.is_the_same(id, name).await? {
            return Ok(false);
        }
        tracing::info!(
            parser_id = %id,
            "a parser that was known before is seen: this is the account of before"
        );
        self.store.join_accounts(id.clone()).await?;
        let taken_up = operate::take_up(&self.store, &self.policy, self.clock.now()).await?;
        if taken_up > 0 {
            self.has_taken_up.store(true, Ordering::Relaxed);
        }
        Ok(true)
    }

    async fn is_the_same(&self, id: &ParserId, name: Option<&str>) -> Result<bool, StoreError> {
        let sent = self.store.names_sent_for(id).await?;
        let is_told = |sent: &Option<String>| match (sent, name) {
            // A person chose it by its id.
            (None, _) => true,
            (Some(_), None) => false,
            (Some(sent), Some(name)) => {
                matches!(Echo::of(sent, name), Echo::Same | Echo::Respelt)
            }
        };
        Ok(sent.iter().any(is_told))
    }

    /// Whether a parser that the service does not have belongs to another account.
    pub(crate) async fn is_foreign(&self, id: &ParserId) -> Result<bool, StoreError> {
        self.store.is_foreign(id).await
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

    /// Holds the list against what is known, and takes down what its absences prove.
    async fn why_distrust(
        &self,
        listing: &mut Listing,
        known: Vec<KnownParser>,
    ) -> Result<Option<String>, StoreError> {
        let (assessment, known) = self.assess(listing, known);
        listing.cut_to_chars = assessment.cut_to_chars;
        if let Some(altered) = &assessment.altered
            && self.lists.is_news(altered)
        {
            let (sent, listed) = altered;
            tracing::warn!(sent, listed, "the service alters names");
        }
        self.distrust_of(assessment, known).await
    }

    fn assess(
        &self,
        listing: &Listing,
        mut known: Vec<KnownParser>,
    ) -> (Assessment, Vec<KnownParser>) {
        // A list may lag a little. How little: those who were made together with a create
        // in doubt must count before the settling time of that one is over.
        let shortest_ms = self.policy.settle_ms.min(self.policy.settle_after_error_ms);
        known.retain(|parser| listing.must_show(parser, shortest_ms / TRUSTED_LISTS));
        (listing.assess(&known), known)
    }

    /// Why a list proves nothing by what it lacks, if so.
    async fn distrust_of(
        &self,
        assessment: Assessment,
        mut known: Vec<KnownParser>,
    ) -> Result<Option<String>, StoreError> {
        if let Some((sent, shown)) = assessment.renamed {
            return Ok(Some(format!(
                "the service changes names: {sent:?} was sent and {shown:?} is listed"
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
        jobs: Vec<Job>,
        mut permit: Permit,
    ) -> Result<Vec<Done>, StoreError> {
        let result = self.reconcile_with(jobs, &mut permit).await;
        drop(permit);
        self.after_report().await;
        result
    }

    async fn reconcile_with(
        &self,
        jobs: Vec<Job>,
        permit: &mut Permit,
    ) -> Result<Vec<Done>, StoreError> {
        let asked_at = self.clock.now();
        let listing = self.listing(asked_at, permit).await?;
        // Without tags two jobs may take one parser for theirs: one after the other.
        let at_once = if self.name_tag { SEARCHES_AT_ONCE } else { 1 };
        let settling = stream::iter(jobs)
            .map(|job| self.reconcile_one(job, &listing, asked_at))
            .buffer_unordered(at_once);
        let settled: Vec<_> = settling.collect().await;
        // A row that cannot be stored must not stand in the way of the others.
        settled.into_iter().collect()
    }

    async fn reconcile_one(
        &self,
        mut job: Job,
        listing: &Result<Arc<Listing>, NoList>,
        asked_at: UnixMs,
    ) -> Result<Done, StoreError> {
        let (evidence, listed_at) = match listing {
            Ok(listing) => (self.evidence_for(&job, listing).await?, listing.listed_at),
            Err(NoList::Refused(..)) => (Evidence::NoList, asked_at),
            // An answer that is no list is a list that cannot be trusted; an
            // outage is waited out.
            Err(NoList::Trouble(words)) => match words.status {
                Some(status) if is_gateways(status) => (Evidence::NoList, asked_at),
                Some(_) => (Evidence::Inconclusive(words.message.clone()), asked_at),
                // Nor does one that was not asked for say anything.
                None => (Evidence::NoList, asked_at),
            },
        };
        let event = Event::Reconciled {
            evidence,
            listed_at,
        };
        if let Some(change) = self.transition(&job, event) {
            self.apply(&mut job, change, Intent::default()).await?;
            // A create that was sent at another address, and its parser is here: the next list
            // would say so, too, but the parser may be gone by then.
            if let (JobState::Generating, Some(id), Ok(listing)) =
                (job.progress.state, &job.progress.parser_id, listing)
            {
                self.is_of_this_account(id, listing.name_of(id)).await?;
            }
        }
        Ok(Done::of(&job))
    }

    async fn evidence_for(&self, job: &Job, listing: &Listing) -> Result<Evidence, StoreError> {
        let Some(name) = &job.progress.remote_name else {
            return Ok(Evidence::Inconclusive(
                "the name that was sent is not recorded".to_owned(),
            ));
        };
        let ledger = self.store.ledger(name).await?;
        let listed = listing
            .bearing(name)
            .into_iter()
            .chain(listing.cut_from(name));
        let mut ids: Vec<_> = listed.map(|parser| parser.id.clone()).collect();
        let strangers = self.store.strangers_since(ledger.newest).await?;
        ids.extend_from_slice(&strangers);
        let excluded = self.store.excluded(&ids, job).await?;
        // Without a create in doubt it is one that counted as not made and landed since.
        let baseline = match &ledger.refuted_baseline {
            Some(refuted) if !ledger.pending => refuted,
            Some(_) | None => &ledger.baseline,
        };
        let apart = Apart {
            baseline,
            excluded: &excluded,
        };
        let evidence = listing.evidence_for(name, apart, &strangers);
        Ok(match evidence {
            Evidence::Absent if ledger.is_elsewhere => Evidence::Inconclusive(ELSEWHERE.to_owned()),
            evidence => evidence,
        })
    }

    /// What a list shows of a job's parser that was answered 404.
    pub(crate) async fn evidence_for_lost(
        &self,
        job: &Job,
        id: &ParserId,
        listing: &Listing,
    ) -> Result<Evidence, StoreError> {
        let sent = job.progress.remote_name.as_deref();
        let (baseline, excluded) = match sent {
            Some(name) if !listing.holds(id) => {
                let ids: Vec<_> = listing
                    .bearing(name)
                    .iter()
                    .map(|it| it.id.clone())
                    .collect();
                let ledger = self.store.ledger(name).await?;
                // Those that were there before each create of the name, and those that
                // other creates of it made.
                let baseline = ledger.made_baseline.into_iter().chain(ledger.made);
                (baseline.collect(), self.store.excluded(&ids, job).await?)
            }
            Some(_) | None => (Vec::new(), HashSet::new()),
        };
        let apart = Apart {
            baseline: &baseline,
            excluded: &excluded,
        };
        Ok(listing.evidence_for_lost(id, sent, apart))
    }

    pub(crate) fn lag(&self) -> MutexGuard<'_, ListLag> {
        // No code that can panic runs under the lock.
        self.lists
            .lag
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
