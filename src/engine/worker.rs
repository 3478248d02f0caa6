//! Claim -> call -> decide -> apply: what is done with one job.
//!
//! What a crash leaves behind, line by line of [`Worker::create`]:
//!
//! - before the intent is durable: a QUEUED job; nothing was sent
//! - after it, before, during or after the request: a CREATING job, which the next
//!   process reconciles; nothing is sent again before it is known that nothing was made
//! - where the database's file is not the one that was opened, nothing is sent any more
//! - after the answer's transition is durable: the job where the answer put it

mod apply;
mod plan;
pub mod reconcile;
mod restored;
pub mod survey;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::{
    api::Service,
    clock::Clock,
    core::{
        gate::Signal,
        job::{DurationMs, Job, JobId, JobState, ParkReason, ParserId, UnixMs},
        lifecycle::{Event, Ledger, Policy},
        outcome::{
            AccountOutcome, CreateOutcome, CreateRequest, DoubtCause, ErrorDetail, NoList,
            PollOutcome, Refusal,
        },
        pace::Pace,
        restored::Restored,
    },
    engine::{
        account::{Account, Pass},
        metrics::Metrics,
        worker::reconcile::Lists,
    },
    store::{Applied, Intent, JobStore, Lane, QueuedJob, StoreError},
};

/// How old the list before a create may be. Parsers made by this process are known
/// without it; it is for those made before, by another database or another tool.
pub const LIST_MAX_AGE_MS: i64 = 60_000;

/// What the workers share.
#[derive(Debug)]
pub struct Worker<S, D> {
    /// The database.
    pub store: D,
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
    /// Parsers that creates were answered with, until that is on record.
    pub in_hand: Mutex<HashMap<ParserId, JobId>>,
    /// The time.
    pub clock: Clock,
    /// Whether the remote name carries the tag.
    pub name_tag: bool,
    /// What one create is taken to cost.
    pub credits_per_create: i64,
    /// A create is sent within this time of its intent, or not at all.
    pub request_timeout_ms: DurationMs,
    /// Creates are sent on no list that is older: what was sent before may land until then.
    pub lists_not_before: AtomicI64,
    /// Jobs are looked for in the list, and none is created yet: what a copy of the database
    /// does not know is to be counted first.
    pub is_sweeping: AtomicBool,
    /// Jobs were made due beside the one that was worked on: the daemon is to look for them.
    pub has_taken_up: AtomicBool,
    /// That the database is a copy from before, if it is: what was made since is spent.
    pub restored: Option<Restored>,
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
    /// Why nothing was sent, though it is due.
    pub held_back: Option<HeldBack>,
}

/// Why a create that is due was not sent, in a database that is a copy from before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBack {
    /// Each other job is looked for in the list first.
    Sweeping,
    /// The list proves nothing by what it lacks, and what the copy does not know may be there.
    DistrustedList,
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
            held_back: None,
        }
    }
}

impl<S: Service, D: JobStore> Worker<S, D> {
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
        let not_before =
            (self.clock.now() - LIST_MAX_AGE_MS).max(self.lists_not_before.load(Ordering::Relaxed));
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
            let asking = self.found(&job, &change);
            let Some(found) = self.unless_stopped(asking).await else {
                return Ok(Done::of(&job));
            };
            let intent = Intent {
                found: found?,
                ..Intent::default()
            };
            self.apply(&mut job, change, intent).await?;
            return Ok(Done::of(&job));
        }
        let held_back = self.holds_back(plan.is_listed_whole).await?;
        if held_back.is_some() {
            return Ok(Done {
                held_back,
                ..Done::of(&job)
            });
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
        self.store.still_has_its_file()?;
        // No await between the reserving and the intent's own handling of failure.
        let sent_at = self.clock.now();
        let lasting_ms = self.clock.lasting_ms();
        let not_after = lasting_ms.saturating_add(self.request_timeout_ms);
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
            found: None,
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
        let request = CreateRequest {
            name: remote_name,
            urls: spec.urls.clone(),
            scraper_params: raw(spec.scraper_params_json()),
            fields: raw(spec.fields_json()),
            not_after: Some(not_after),
        };
        self.send(&mut job, request, pass).await
    }

    /// Before a canary tries whether credits are back: what the account page says, where
    /// that clearly spares the create. It asks nothing for anyone else.
    async fn cannot_pay(&self, pass: &Pass) -> Option<ErrorDetail> {
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
        self.account.spares(pass, left).then(|| ErrorDetail {
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
        request: CreateRequest,
        pass: &mut Pass,
    ) -> Result<Done, StoreError> {
        // An intent that is in a file which nobody will read is none.
        self.store.still_has_its_file()?;
        let sent_at = self.clock.now();
        let outcome = self.service.create(&request).await;
        tracing::debug!(
            job = job.id.0,
            name = job.name,
            outcome = outcome.as_str(),
            parser_id = outcome.parser_id().map(|id| id.0.as_str()),
            elapsed_ms = self.clock.now() - sent_at,
            "create answered"
        );
        let outcome = self.unless_shared(job, outcome).await;
        if let Some(id) = outcome.parser_id() {
            self.lag().made(id.clone(), self.clock.now());
        }
        let own = texts_of(&request);
        let outcome = self.account.judge(job.id, &own, outcome);
        if let Some(change) = self.decided(job, Event::CreateAnswered(outcome)) {
            self.report(&change, pass);
            self.apply_firmly(job, change).await?;
        }
        self.in_hand().retain(|_, holder| *holder != job.id);
        Ok(Done::of(job))
    }

    /// An answer with a parser that another create made, or another job holds, says nothing
    /// of this create: its own parser, if there is one, is in the list.
    async fn unless_shared(&self, job: &Job, outcome: CreateOutcome) -> CreateOutcome {
        let CreateOutcome::Created { parser_id, .. } = &outcome else {
            return outcome;
        };
        let in_hand = self.in_hand().insert(parser_id.clone(), job.id);
        let is_shared = match in_hand.filter(|holder| *holder != job.id) {
            Some(first) => {
                self.in_hand().insert(parser_id.clone(), first);
                true
            }
            None => {
                let name = job.progress.remote_name.as_deref().unwrap_or_default();
                match self.store.is_anothers(parser_id, job.id, name).await {
                    Ok(is_anothers) => is_anothers,
                    // What was paid for is kept, whoever else may hold it.
                    Err(error) => {
                        tracing::error!(%error, %parser_id, "cannot look up who holds a parser");
                        false
                    }
                }
            }
        };
        if !is_shared {
            return outcome;
        }
        CreateOutcome::InDoubt(
            DoubtCause::AnswerLost,
            ErrorDetail {
                status: None,
                message: format!(
                    "the create was answered with parser {parser_id}, which another \
                     create made, or which was there before"
                ),
            },
        )
    }

    fn in_hand(&self) -> MutexGuard<'_, HashMap<ParserId, JobId>> {
        // No code that can panic runs under the lock.
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a list, only to learn whether the key is accepted: the gate takes it in.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn try_key(&self, mut pass: Pass) -> Result<(), StoreError> {
        // Whatever came of it was told where it was reported.
        let _listed = self.listing(self.clock.now(), &mut pass).await?;
        drop(pass);
        self.after_report().await;
        Ok(())
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
            let words = ErrorDetail {
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
            PollOutcome::NotFound(words) if self.is_foreign(&parser_id).await? => {
                self.account
                    .report(pass, &Signal::Answered, self.clock.now());
                Event::Elsewhere(words)
            }
            PollOutcome::NotFound(words) => {
                self.account
                    .report(pass, &Signal::Answered, self.clock.now());
                match self.listing(asked_at, pass).await? {
                    Ok(listing) => {
                        let sighting = self.sight_of_lost(job, &parser_id, &listing).await?;
                        Event::Missing(words, sighting)
                    }
                    Err(_) => Event::Polled(PollOutcome::NotFound(words)),
                }
            }
            outcome if outcome.shows_parser() && self.is_foreign(&parser_id).await? => {
                // Its name is asked for, which costs nothing: an id alone proves nothing.
                let described = self.service.describe(&parser_id).await;
                let name = described.name.as_deref();
                let mut is_its_own = self.is_of_this_account(&parser_id, name).await?;
                if !is_its_own && name.is_none() {
                    // A list that shows it under its name makes the accounts one.
                    let _had_or_told = self.listing(asked_at, pass).await?;
                    is_its_own = !self.is_foreign(&parser_id).await?;
                }
                if is_its_own {
                    Event::Polled(outcome)
                } else {
                    Event::Elsewhere(ErrorDetail {
                        status: None,
                        message: "it has another one of this id".to_owned(),
                    })
                }
            }
            outcome => match outcome.may_be_of_one(self.policy.is_overdue(job, self.clock.now())) {
                // Where a list with the same key is answered, it is this parser's trouble alone.
                Some(words) if self.listing(asked_at, pass).await?.is_ok() => {
                    Event::PolledAlone(words.clone())
                }
                _ => Event::Polled(outcome),
            },
        };
        if let Some(change) = self.decided(job, event) {
            self.report(&change, pass);
            self.apply(job, change, Intent::default()).await?;
            self.after_report().await;
        }
        Ok(())
    }
}

/// What an answer repeats of a job that is about this job alone.
fn texts_of(request: &CreateRequest) -> Vec<&str> {
    let urls = request.urls.iter().map(String::as_str);
    urls.chain([request.name.as_str()]).collect()
}

/// Canonical JSON of a checked specification, to be sent as it is.
fn raw(json: Option<String>) -> Option<Box<RawValue>> {
    // The text was just written by serde_json.
    json.and_then(|text| RawValue::from_string(text).ok())
}
