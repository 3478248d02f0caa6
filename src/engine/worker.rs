//! Claim -> call -> decide -> apply: what is done with one job.
//! [`Worker::create`] is a QUEUED job's turn, step by step in [`turn`].

mod apply;
mod checks;
pub mod lists;
mod reconcile;
mod restored;
pub mod survey;
pub mod turn;
mod update;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use tokio::sync::watch;

use crate::{
    api::Service,
    clock::Clock,
    core::{
        gate::Signal,
        job::{Action, DurationMs, Job, JobId, JobState, ParkReason, ParserId, UnixMs},
        lifecycle::{Event, Policy},
        outcome::{ErrorDetail, Finished, PollOutcome},
        pace::Pace,
        restored::Restored,
    },
    engine::{
        account::{Account, Permit},
        foresight::Preflight,
        metrics::Metrics,
        worker::{checks::Weighed, lists::Lists, turn::crash_point::Probe},
    },
    store::{Intent, JobStore, Lane, StoreError},
};

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
    /// What one request for a held-out page is taken to cost.
    pub credits_per_parse: i64,
    /// Whether and how example pages are fetched before a create.
    pub preflight: Preflight,
    /// A create is sent within this time of its intent, or not at all.
    pub request_timeout_ms: DurationMs,
    /// Creates are sent on no list that is older: what was sent before may land until then.
    pub lists_not_before: AtomicI64,
    /// Jobs are looked for in the list, and none is created yet: what a copy of the database
    /// does not know is to be counted first.
    pub is_sweeping: AtomicBool,
    /// Jobs were made due beside the one that was worked on: the daemon is to look for them.
    pub has_taken_up: AtomicBool,
    /// A parser was adopted that has other fields than its job asks for: the daemon is to tell
    /// whoever loads job files.
    pub has_adopted_otherwise: AtomicBool,
    /// That the database is a copy from before, if it is: what was made since is spent.
    pub restored: Option<Restored>,
    /// Whether to go on; [`Stop::Abandon`] gives up what cannot be stored.
    pub stop: watch::Receiver<Stop>,
    /// Is told how far each turn has come.
    pub probe: &'static dyn Probe,
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
    /// Asks for a list, only to learn whether the key is accepted: the gate takes it in.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn try_key(&self, mut permit: Permit) -> Result<(), StoreError> {
        // Whatever came of it was told where it was reported.
        let _listed = self.listing(self.clock.now(), &mut permit).await?;
        drop(permit);
        self.after_report().await;
        Ok(())
    }

    /// Polls a GENERATING job once.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn poll(&self, mut job: Job, mut permit: Permit) -> Result<Done, StoreError> {
        self.poll_with(&mut job, &mut permit).await?;
        Ok(Done::of(&job))
    }

    async fn poll_with(&self, job: &mut Job, permit: &mut Permit) -> Result<(), StoreError> {
        let Some(parser_id) = job.progress.parser_id.clone() else {
            let words = ErrorDetail {
                status: None,
                message: "the row is GENERATING and has no parser_id: it was changed past the \
                          database's rules, and the next start ends it"
                    .to_owned(),
            };
            self.handle_event(job, Event::Polled(PollOutcome::Trouble(words)))
                .await?;
            return Ok(());
        };
        let mut event = self.poll_event(job, &parser_id, permit).await?;
        if let Event::Polled(PollOutcome::Failed(words)) = &event
            && job.action == Action::Create
        {
            event = Event::CameToNothing {
                words: words.clone(),
                scraper_params: self.store.wanted(job.id).await?.scraper_params,
            };
        }
        let mut is_adopted_otherwise = false;
        if let Event::Polled(PollOutcome::Finished(finished)) = &mut event {
            self.compare(job, &parser_id, finished).await?;
            match self.weigh(job, &parser_id, finished).await? {
                Weighed::Judged {
                    judgement,
                    has_other_fields,
                } => {
                    finished.judgement = judgement;
                    is_adopted_otherwise = has_other_fields;
                }
                Weighed::Later(why) => event = Event::Checking(why),
            }
        }
        if let Some(change) = self.transition(job, event) {
            self.report(&change, permit);
            self.keep_wish(&change).await;
            self.apply(job, change, Intent::default()).await?;
            if is_adopted_otherwise && job.progress.state == JobState::Finished {
                self.has_adopted_otherwise.store(true, Ordering::Relaxed);
            }
            self.after_report().await;
        }
        Ok(())
    }

    /// What there is already of that which is ready now: a version, or a parser of the job's name.
    async fn compare(
        &self,
        job: &Job,
        parser_id: &ParserId,
        finished: &mut Finished,
    ) -> Result<(), StoreError> {
        let before = match job.action {
            Action::Update => self.store.target_by_id(parser_id).await?,
            Action::Create => {
                let named = self.store.target(&job.name).await?;
                let another = named.filter(|target| target.parser_id != *parser_id);
                finished.replaces = another.as_ref().map(|target| target.parser_id.clone());
                another
            }
            Action::Delete => None,
        };
        finished.in_use = before.and_then(|target| target.quality);
        Ok(())
    }

    /// What a poll of a job's parser comes to.
    async fn poll_event(
        &self,
        job: &Job,
        parser_id: &ParserId,
        permit: &mut Permit,
    ) -> Result<Event, StoreError> {
        let asked_at = self.clock.now();
        let answer = match job.action {
            Action::Create | Action::Delete => self.service.details(parser_id).await,
            // The latest one may be shown late.
            Action::Update => {
                let version = job.progress.parser_version;
                self.service.describe(parser_id, version).await.outcome
            }
        };
        Ok(match answer {
            PollOutcome::NotFound(words) if self.is_foreign(parser_id).await? => {
                self.account
                    .report(permit, &Signal::Answered, self.clock.now());
                Event::Elsewhere(words)
            }
            PollOutcome::NotFound(words) => {
                self.account
                    .report(permit, &Signal::Answered, self.clock.now());
                match self.listing(asked_at, permit).await? {
                    Ok(listing) => {
                        let evidence = self.evidence_for_lost(job, parser_id, &listing).await?;
                        Event::Missing(words, evidence)
                    }
                    Err(_) => Event::Polled(PollOutcome::NotFound(words)),
                }
            }
            outcome if outcome.shows_parser() && self.is_foreign(parser_id).await? => {
                // Its name is asked for, which costs nothing: an id alone proves nothing.
                let described = self.service.describe(parser_id, None).await;
                let name = described.name.as_deref();
                let mut is_its_own = self.is_of_this_account(parser_id, name).await?;
                if !is_its_own && name.is_none() {
                    // A list that shows it under its name makes the accounts one.
                    let _had_or_told = self.listing(asked_at, permit).await?;
                    is_its_own = !self.is_foreign(parser_id).await?;
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
                Some(words) if self.listing(asked_at, permit).await?.is_ok() => {
                    Event::PolledAlone(words.clone())
                }
                _ => Event::Polled(outcome),
            },
        })
    }
}
