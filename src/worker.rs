//! Claim -> call -> decide -> apply: what is done with one job.
//!
//! What a crash leaves behind, line by line of [`Worker::create`]:
//!
//! - before the intent is durable: a QUEUED job; nothing was sent
//! - after it, before, during or after the request: a CREATING job, which the next
//!   process reconciles; nothing is sent again before it is known that nothing was made
//! - after the answer's transition is durable: the job where the answer put it

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::{
    account::{Account, Pass},
    api::{
        Service,
        types::{AccountOutcome, CreateRequest, PollOutcome, Refusal, Words},
    },
    clock::Clock,
    gate::Signal,
    job::{Job, JobId, JobState, ParkReason, ParserId, UnixMs},
    lifecycle::{Change, Event, Ledger, OnExisting, Policy, Presence, Transition, decide},
    listing::Listing,
    metrics::Metrics,
    pace::{Generation, Pace},
    presence::{Finding, Known, PaidFor},
    reconcile::{Lists, NoList},
    spec::JobSpec,
    store::{Applied, Intent, Lane, QueuedJob, Store, StoreError},
};

/// How old the list before a create may be. Parsers made by this process are known
/// without it; it is for those made before, by another database or another tool.
pub const LIST_MAX_AGE_MS: i64 = 60_000;

/// How often a name is tried anew when the account already holds FAILED parsers of it.
pub const MAX_RECREATIONS: i64 = 1000;

/// The pauses between attempts to store what the service said, from and to.
const STORE_RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What the workers share.
#[derive(Debug)]
pub struct Worker<S> {
    /// The database.
    pub store: Store,
    /// The service.
    pub service: S,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What decisions depend on.
    pub policy: Policy,
    /// Gates and budget.
    pub account: Account,
    /// The account's lists.
    pub lists: Lists,
    /// How long the account's last generations took.
    pub pace: Mutex<Pace>,
    /// The time.
    pub clock: Clock,
    /// Whether the remote name carries the tag.
    pub name_tag: bool,
    /// What one create is taken to cost.
    pub credits_per_create: i64,
    /// When the API key was last changed: parsers known from before may be another account's.
    pub key_changed_at: Option<UnixMs>,
    /// Whether to go on; [`Stop::Abandon`] gives up what cannot be stored.
    pub stop: watch::Receiver<Stop>,
}

/// Whether a daemon goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Stop {
    /// It does.
    #[default]
    No,
    /// It claims nothing more and waits for the creates that are under way.
    Drain,
    /// It leaves at once; intents on record tell the next process what to settle.
    Abandon,
}

/// Where a job stands after a worker is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// The job.
    pub id: JobId,
    /// The lane it waits in now, and until when.
    pub waits: Option<(Lane, UnixMs)>,
    /// Why it is PARKED, if it is.
    pub parked: Option<ParkReason>,
}

impl Done {
    pub(crate) fn of(job: &Job) -> Self {
        let lane = match job.progress.state {
            JobState::Queued => Some(Lane::Create),
            JobState::Creating if job.progress.doubt.is_some() => Some(Lane::Reconcile),
            JobState::Generating => Some(Lane::Poll),
            JobState::Creating
            | JobState::Parked
            | JobState::Finished
            | JobState::Failed
            | JobState::Cancelled => None,
        };
        Self {
            id: job.id,
            waits: lane.map(|lane| (lane, job.progress.due_at)),
            parked: job.progress.park_reason,
        }
    }
}

/// What a QUEUED job's turn comes to.
struct Plan {
    presence: Presence,
    remote_name: String,
    recreation: i64,
    /// The parsers that bear the name already.
    baseline: Vec<ParserId>,
}

impl<S: Service> Worker<S> {
    /// Takes a QUEUED job as far as the answer to its create.
    ///
    /// # Errors
    /// Whatever the database says; then nothing was sent, or what was sent is
    /// recorded as under way.
    pub async fn create(
        &self,
        queued: QueuedJob,
        mut pass: Pass,
        mut read_pass: Pass,
    ) -> Result<Done, StoreError> {
        let result = self.create_with(queued, &mut pass, &mut read_pass).await;
        drop((pass, read_pass));
        self.after_report().await;
        result
    }

    async fn create_with(
        &self,
        queued: QueuedJob,
        pass: &mut Pass,
        read_pass: &mut Pass,
    ) -> Result<Done, StoreError> {
        let mut job = queued.job;
        let spec = match queued.spec {
            Ok(spec) => spec,
            Err(reason) => return self.happen(&mut job, Event::Unusable(reason)).await,
        };
        let not_before = self.clock.now() - LIST_MAX_AGE_MS;
        let asking = self.listing(not_before, read_pass);
        let Some(listed) = self.unless_stopped(asking).await else {
            return Ok(Done::of(&job));
        };
        let listing = match listed? {
            Ok(listing) => listing,
            // The reading gate has taken it in already; the job shares its fate.
            Err(NoList::Refused(refusal, words)) => {
                return self
                    .happen(&mut job, Event::ListRefused(refusal, words))
                    .await;
            }
            Err(NoList::Trouble(_)) => return Ok(Done::of(&job)),
        };
        let planning = self.plan(&job, &spec, listing, read_pass);
        let Some(planned) = self.unless_stopped(planning).await else {
            return Ok(Done::of(&job));
        };
        let Ok(plan) = planned? else {
            return Ok(Done::of(&job));
        };
        // The gate may have closed while the list was waited for.
        if !self.account.lets(pass) {
            return Ok(Done::of(&job));
        }
        let remote_name = plan.remote_name.clone();
        let event = Event::Listed {
            presence: plan.presence,
            remote_name: plan.remote_name,
            recreation: plan.recreation,
        };
        let Some(change) = self.decided(&job, event) else {
            return Ok(Done::of(&job));
        };
        if change.ledger != Some(Ledger::Intent) {
            self.apply(&mut job, change, Intent::default()).await?;
            return Ok(Done::of(&job));
        }
        let looking = self.cannot_pay(pass);
        let Some(cannot_pay) = self.unless_stopped(looking).await else {
            return Ok(Done::of(&job));
        };
        if let Some(words) = cannot_pay {
            // The gate takes it as a refused canary: the next probe is further away.
            let event = Event::ListRefused(Refusal::Credits, words);
            if let Some(change) = self.decided(&job, event) {
                self.report(&change, pass);
                self.apply(&mut job, change, Intent::default()).await?;
            }
            return Ok(Done::of(&job));
        }
        // No await between the reserving and the intent's own handling of failure.
        let sent_at = self.clock.now();
        if let Err(over) = self.account.reserve(sent_at) {
            let done = self.happen(&mut job, Event::OverBudget(over)).await?;
            if done.parked != Some(ParkReason::Budget) {
                // Creates are held and no job says why: the next one is to meet the bound.
                self.account.distrust_count();
            }
            return Ok(done);
        }
        let intent = Intent {
            credits: self.credits_per_create,
            sent_at,
            baseline: plan.baseline,
        };
        match self.apply(&mut job, change, intent).await {
            Ok(Applied::Durable { .. }) => {}
            // A commit that was reported lost took effect all the same: nothing was
            // sent, and the lists will say so.
            Ok(Applied::Stale)
                if job.progress.state == JobState::Creating && job.progress.doubt.is_none() =>
            {
                return self.happen(&mut job, Event::Interrupted).await;
            }
            Ok(Applied::Stale) => {
                self.account.refund(self.credits_per_create, sent_at);
                return Ok(Done::of(&job));
            }
            // Whether it took effect is not known: it stays reserved until the daemon
            // counts anew.
            Err(error) => return Err(error),
        }
        self.send(&mut job, &spec, remote_name, pass).await
    }

    /// Before a canary tries whether credits are back: what the account page says, where
    /// that clearly spares the create. It asks nothing for anyone else.
    async fn cannot_pay(&self, pass: &Pass) -> Option<Words> {
        if !self.account.looks_first(pass) {
            return None;
        }
        let left = match self.service.account().await? {
            AccountOutcome::Left { credits } => Some(credits),
            AccountOutcome::Refused(_, words) | AccountOutcome::Unknown(words) => {
                tracing::warn!(
                    http_status = words.status,
                    error_message = words.message,
                    "the credits left cannot be looked up: a create tries instead"
                );
                None
            }
        };
        self.account.spares(pass, left).then(|| Words {
            status: None,
            message: format!(
                "the account has {} credits left and a create costs {}: none was sent",
                left.unwrap_or_default(),
                self.credits_per_create
            ),
        })
    }

    /// Does what only reads, unless the word to stop comes first: then nothing more is
    /// to be paid for, and nothing waited for.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T> + Send) -> Option<T> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop != Stop::No) => None,
            done = work => Some(done),
        }
    }

    /// Sends the create whose intent is durable, once.
    async fn send(
        &self,
        job: &mut Job,
        spec: &JobSpec,
        name: String,
        pass: &mut Pass,
    ) -> Result<Done, StoreError> {
        let request = CreateRequest {
            name,
            urls: spec.urls.clone(),
            scraper_params: raw(spec.scraper_params_json()),
            fields: raw(spec.fields_json()),
        };
        let sent_at = self.clock.now();
        let outcome = self.service.create(&request).await;
        tracing::debug!(job = %job.id, name = job.name, elapsed_ms = self.clock.now() - sent_at, ?outcome, "create answered");
        if let Some(change) = self.decided(job, Event::CreateAnswered(outcome)) {
            self.report(&change, pass);
            self.apply_firmly(job, change).await?;
        }
        Ok(Done::of(job))
    }

    /// Which name a create would use, and what the account and the ledger hold under it.
    async fn plan(
        &self,
        job: &Job,
        spec: &JobSpec,
        mut listing: Arc<Listing>,
        read_pass: &mut Pass,
    ) -> Result<Result<Plan, NoList>, StoreError> {
        let turn_at = self.clock.now();
        let mut recreation = job.progress.recreation;
        let last_recreation = recreation.saturating_add(MAX_RECREATIONS);
        loop {
            let remote_name =
                spec.remote_name(u32::try_from(recreation).unwrap_or(u32::MAX), self.name_tag);
            let ledger = self.store.ledger(&remote_name).await?;
            // A name that was sent before may have landed since the list was taken.
            if ledger.was_sent && listing.listed_at < turn_at {
                listing = match self.listing(turn_at, read_pass).await? {
                    Ok(listing) => listing,
                    Err(none) => return Ok(Err(none)),
                };
            }
            let named: Vec<_> = listing.named(&remote_name).cloned().collect();
            let mut ids: Vec<_> = named.iter().map(|parser| parser.id.clone()).collect();
            ids.extend(ledger.made.iter().cloned());
            let claimed = self.store.claimed(&ids, job.id).await?;
            let known = Known {
                remote_name: &remote_name,
                named: &named,
                claimed: &claimed,
                ledger: &ledger,
                may_rename: self.name_tag && recreation < last_recreation,
                wants_new: self.policy.on_existing == OnExisting::Create,
            };
            let presence = match known.finding() {
                Finding::Use(presence) => Some(presence),
                Finding::NextName => None,
                Finding::Ask => match self.paid_for(&known, read_pass).await? {
                    Ok(paid_for) => known.after_asking(paid_for),
                    Err(none) => return Ok(Err(none)),
                },
            };
            let Some(presence) = presence else {
                recreation += 1;
                continue;
            };
            return Ok(Ok(Plan {
                presence,
                remote_name,
                recreation,
                baseline: ids,
            }));
        }
    }

    /// What became of parsers that the ledger has under a name and the list has not:
    /// each is asked for by its id, since a list may lag or be partial. So are those
    /// that were answered 404 before: a question costs nothing.
    async fn paid_for(
        &self,
        known: &Known<'_>,
        read_pass: &mut Pass,
    ) -> Result<Result<PaidFor, NoList>, StoreError> {
        let mut found = PaidFor::Nothing;
        for id in known.to_ask() {
            match self.service.details(id).await {
                PollOutcome::Finished(_) | PollOutcome::Generating { .. } => {
                    self.store.mark_found(id.clone()).await?;
                    return Ok(Ok(PaidFor::Usable(id.clone())));
                }
                PollOutcome::Failed(_) => {
                    self.store.mark_found(id.clone()).await?;
                    found = PaidFor::Failed;
                }
                PollOutcome::NotFound(_) => {
                    self.store.mark_gone(id.clone(), self.clock.now()).await?;
                }
                PollOutcome::Refused(refusal, words) => {
                    let signal = Signal::Refused(refusal.clone());
                    self.account.report(read_pass, &signal, self.clock.now());
                    return Ok(Err(NoList::Refused(refusal, words)));
                }
                PollOutcome::Trouble(words) if words.status.is_none() => {
                    let now = self.clock.now();
                    self.account.report(read_pass, &Signal::NotConnected, now);
                    return Ok(Err(NoList::Trouble(words)));
                }
                PollOutcome::Trouble(_) => return Ok(Ok(PaidFor::Unknown)),
            }
        }
        Ok(Ok(found))
    }

    /// Polls a GENERATING job once.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn poll(&self, mut job: Job, mut pass: Pass) -> Result<Done, StoreError> {
        self.poll_with(&mut job, &mut pass).await?;
        Ok(Done::of(&job))
    }

    async fn poll_with(&self, job: &mut Job, pass: &mut Pass) -> Result<(), StoreError> {
        let Some(parser_id) = job.progress.parser_id.clone() else {
            let words = Words {
                status: None,
                message: "the row is GENERATING and has no parser_id: it was changed past the \
                          database's rules, and the next start ends it"
                    .to_owned(),
            };
            self.happen(job, Event::Polled(PollOutcome::Trouble(words)))
                .await?;
            return Ok(());
        };
        let asked_at = self.clock.now();
        let event = match self.service.details(&parser_id).await {
            PollOutcome::NotFound(words) => {
                self.account
                    .report(pass, &Signal::Answered, self.clock.now());
                match self.listing(asked_at, pass).await? {
                    Ok(listing) => {
                        let sighting = listing.sight_of_id(&parser_id);
                        Event::Missing(words, sighting)
                    }
                    Err(_) => Event::Polled(PollOutcome::NotFound(words)),
                }
            }
            outcome => Event::Polled(outcome),
        };
        if let Some(change) = self.decided(job, event) {
            self.report(&change, pass);
            self.apply(job, change, Intent::default()).await?;
            self.after_report().await;
        }
        Ok(())
    }

    /// Something happened to a job that says nothing of the account.
    pub(crate) async fn happen(&self, job: &mut Job, event: Event) -> Result<Done, StoreError> {
        if let Some(change) = self.decided(job, event) {
            self.apply(job, change, Intent::default()).await?;
        }
        Ok(Done::of(job))
    }

    /// The decision, or nothing where the event cannot concern the job.
    pub(crate) fn decided(&self, job: &Job, event: Event) -> Option<Change> {
        let now = self.clock.now();
        let policy = Policy {
            first_look_ms: self.pace().first_look_ms(),
            ..self.policy.clone()
        };
        match decide(job, event, &policy, now, fastrand::f64()) {
            Transition::Change(change) => Some(*change),
            Transition::Ignored(why) => {
                tracing::debug!(job = %job.id, state = %job.progress.state, why, "event ignored");
                None
            }
        }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        // No code that can panic runs under the lock.
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, change: &Change, pass: &mut Pass) {
        if let Some(signal) = &change.signal {
            self.account.report(pass, signal, self.clock.now());
        }
    }

    /// Stores the gates. That they are stored is a convenience for the next process:
    /// failing to is told and nothing worse.
    pub(crate) async fn after_report(&self) {
        if let Err(error) = self.account.save(&self.store).await {
            tracing::error!(%error, "cannot store the gates");
        }
    }

    /// Stores a change and brings `job` up to date with it.
    pub(crate) async fn apply(
        &self,
        job: &mut Job,
        change: Change,
        intent: Intent,
    ) -> Result<Applied, StoreError> {
        let applied = self
            .store
            .apply(job, &change, intent, self.clock.now())
            .await
            .inspect_err(|_| self.account.distrust_count())?;
        match &applied {
            Applied::Durable { refund } => {
                if let Some((credits, sent_at)) = refund {
                    self.account.refund(*credits, *sent_at);
                }
                let now = self.clock.now();
                tell(job, &change, now);
                self.metrics.applied(&job.progress, &change.next, now);
                if let Some(generation) = Generation::of(&change.next) {
                    self.pace().learn(generation);
                }
                job.revision += 1;
                job.progress = change.next;
            }
            Applied::Stale => {
                if change.ledger.is_some() {
                    // The ledger may have been kept all the same.
                    self.account.distrust_count();
                }
                tracing::info!(job = %job.id, name = job.name, "the job was changed meanwhile");
                if let Some(fresh) = self.store.job(job.id).await? {
                    *job = fresh;
                }
            }
        }
        Ok(applied)
    }

    /// Stores what the service said of a create, however long the database refuses:
    /// an id that was paid for must not be lost. Gives up only when told to, and
    /// then reconciliation finds the parser again.
    async fn apply_firmly(&self, job: &mut Job, change: Change) -> Result<(), StoreError> {
        let mut stop = self.stop.clone();
        let mut pause = STORE_RETRY.0;
        loop {
            let Err(error) = self.apply(job, change.clone(), Intent::default()).await else {
                return Ok(());
            };
            let parser_id = change.next.parser_id.as_ref().map(|id| id.0.as_str());
            tracing::error!(
                job = %job.id, name = job.name, state = %change.next.state, parser_id, %error,
                "cannot store what the service said; trying on"
            );
            if *stop.borrow() == Stop::Abandon || matches!(error, StoreError::Closed) {
                return Err(error);
            }
            // Woken early by the word to give up, or by its sender's end: either way
            // the next round decides.
            tokio::select! {
                biased;
                _ = stop.changed() => {}
                () = self.clock.sleep(pause) => {}
            }
            pause = (pause * 2).min(STORE_RETRY.1);
        }
    }
}

/// One line an event that matters; polls that bring nothing new have none.
fn tell(job: &Job, change: &Change, now: UnixMs) {
    let Some(note) = &change.note else { return };
    let next = &change.next;
    let parser_id = next.parser_id.as_ref().map(|id| id.0.as_str());
    // How long it was generated.
    let elapsed_ms = match (job.progress.state, next.state) {
        (JobState::Generating, JobState::Generating) => None,
        (JobState::Generating, _) => job.progress.generating_since.map(|since| now - since),
        _ => None,
    };
    match next.state {
        JobState::Failed | JobState::Parked => tracing::warn!(
            job = %job.id, name = job.name, state = %next.state, parser_id,
            attempt = next.attempts, http_status = next.error_status, elapsed_ms,
            park_reason = next.park_reason.map(|r| r.as_str()),
            error_kind = next.error_kind.map(|k| k.as_str()),
            error_message = next.error_message.as_deref(), "{}", note.event
        ),
        JobState::Queued
        | JobState::Creating
        | JobState::Generating
        | JobState::Finished
        | JobState::Cancelled => tracing::info!(
            job = %job.id, name = job.name, state = %next.state, parser_id,
            attempt = next.attempts, http_status = next.error_status, elapsed_ms,
            "{}", note.event
        ),
    }
}

/// Canonical JSON of a checked specification, to be sent as it is.
fn raw(json: Option<String>) -> Option<Box<RawValue>> {
    // The text was just written by serde_json.
    json.and_then(|text| RawValue::from_string(text).ok())
}
