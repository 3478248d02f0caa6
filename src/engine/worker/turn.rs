//! A QUEUED job's turn: claimed -> planned -> cleared -> reserved -> intended -> sent -> answered.
//!
//! Each step is a value that holds what is known by then and makes the next one, or ends the
//! turn. What a crash leaves behind in the gap after each, a [`CrashPoint`]:
//!
//! - up to [`CrashPoint::Reserved`]: a QUEUED job; nothing was sent
//! - from [`CrashPoint::Intended`], before, during or after the request: a CREATING job, which
//!   the next process reconciles; nothing is sent again before it is known that nothing was made
//! - where the database's file is not the one that was opened, nothing is sent any more
//! - from [`CrashPoint::Answered`]: the job where the answer put it

pub mod crash_point;
mod ended;
mod foresee;
mod look;
mod sent;
mod share;

use std::sync::{Arc, atomic::Ordering};

use serde_json::value::RawValue;

pub(super) use self::ended::Ended;
use self::{crash_point::CrashPoint, foresee::Outlook, sent::Sent, share::Held};
use super::{Done, Stop, Worker};
use crate::{
    api::Service,
    core::{
        job::{DurationMs, Job, JobId, JobState, ParkReason},
        lifecycle::{Change, Event, LedgerChange},
        listing::Listing,
        outcome::{AccountOutcome, CreateRequest, ErrorDetail, NoList},
        spec::JobSpec,
    },
    engine::{
        account::{Permit, Reservation},
        naming::Plan,
    },
    store::{Applied, Intent, JobStore, Order, QueuedJob, StoreError},
};

/// How old the list before a create may be. Parsers made by this process are known
/// without it; it is for those made before, by another database or another tool.
const LIST_MAX_AGE_MS: DurationMs = 60_000;

/// What all steps of a turn go by.
#[derive(Debug)]
pub(super) struct Turn<'a, S, D> {
    pub(super) worker: &'a Worker<S, D>,
    /// To create.
    pub(super) permit: &'a mut Permit,
    /// To read.
    pub(super) read_permit: &'a mut Permit,
}

/// A step, and the gap after it.
trait TurnStep {
    const POINT: CrashPoint;

    fn job(&self) -> JobId;
}

macro_rules! steps {
    ($($step:ident),+ $(,)?) => {
        $(impl TurnStep for $step {
            const POINT: CrashPoint = CrashPoint::$step;

            fn job(&self) -> JobId {
                self.job.id
            }
        })+
    };
}

steps!(
    Claimed, Planned, Cleared, Reserved, Intended, Sent, Answered
);

/// The job is this turn's, and its row holds a valid specification.
#[derive(Debug)]
struct Claimed {
    job: Job,
    spec: JobSpec,
}

/// Which name a create would use is known, and what is there under it.
#[derive(Debug)]
struct Planned {
    job: Job,
    spec: JobSpec,
    plan: Plan,
}

/// A create is decided on, and nothing speaks against it.
#[derive(Debug)]
struct Cleared {
    job: Job,
    spec: JobSpec,
    plan: Plan,
    change: Change,
    held: Held,
}

/// The budget has room for it.
#[derive(Debug)]
struct Reserved {
    job: Job,
    spec: JobSpec,
    remote_name: String,
    change: Change,
    intent: Intent,
    held: Held,
    reservation: Reservation,
    /// By the time that lasts: after it nothing is sent any more.
    not_after: DurationMs,
}

/// The intent is durable.
#[derive(Debug)]
struct Intended {
    job: Job,
    request: CreateRequest,
    reservation: Reservation,
}

/// What came of the create is durable.
#[derive(Debug)]
struct Answered {
    job: Job,
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
        mut permit: Permit,
        mut read_permit: Permit,
    ) -> Result<Done, StoreError> {
        let mut turn = Turn {
            worker: self,
            permit: &mut permit,
            read_permit: &mut read_permit,
        };
        let taken = match queued.order {
            Ok(order @ (Order::Update(_) | Order::Delete)) => turn.change(queued.job, order).await,
            order => turn
                .take(QueuedJob { order, ..queued })
                .await
                .map(|Answered { job }| Done::of(&job)),
        };
        let result = match taken {
            Ok(done) => Ok(done),
            Err(Ended::At(done)) => Ok(done),
            Err(Ended::Failed(error)) => Err(error),
        };
        drop((permit, read_permit));
        self.after_report().await;
        result
    }
}

impl<S: Service, D: JobStore> Turn<'_, S, D> {
    async fn take(&mut self, queued: QueuedJob) -> Result<Answered, Ended> {
        let claimed = Claimed::of(queued, self).await?;
        let planned = self.reached(claimed).plan(self).await?;
        let cleared = self.reached(planned).clear(self).await?;
        let cleared = match self.foresee(self.reached(cleared)).await? {
            Outlook::Had(cleared) => *cleared,
            // The list is as old as looking took.
            Outlook::Gained(claimed) => {
                let planned = claimed.plan(self).await?;
                self.reached(planned).clear(self).await?
            }
        };
        let reserved = cleared.reserve(self).await?;
        let intended = self.reached(reserved).record(self).await?;
        let sent = self.reached(intended).send(self).await?;
        let answered = self.reached(sent).conclude(self).await?;
        Ok(self.reached(answered))
    }

    fn reached<T: TurnStep>(&self, step: T) -> T {
        self.worker.probe.reached(T::POINT, step.job());
        step
    }
}

impl Claimed {
    async fn of<S: Service, D: JobStore>(
        queued: QueuedJob,
        turn: &Turn<'_, S, D>,
    ) -> Result<Self, Ended> {
        let mut job = queued.job;
        match queued.order {
            Ok(Order::Create(spec)) => Ok(Self { job, spec }),
            // Those have turns of their own.
            Ok(Order::Update(_) | Order::Delete) => Err(Ended::of(&job)),
            Err(reason) => {
                let event = Event::Unusable(reason);
                Err(Ended::At(turn.worker.handle_event(&mut job, event).await?))
            }
        }
    }

    /// Looks at the account's list, and at what is on record.
    async fn plan<S: Service, D: JobStore>(
        self,
        turn: &mut Turn<'_, S, D>,
    ) -> Result<Planned, Ended> {
        let Self { mut job, spec } = self;
        let worker = turn.worker;
        let asking = turn.listing();
        let Some(listed) = worker.unless_stopped(asking).await else {
            return Err(Ended::of(&job));
        };
        let listing = match listed? {
            Ok(listing) => listing,
            // The reading gate has taken it in already; the job shares its fate.
            Err(NoList::Refused(refusal, words)) => {
                worker.after_report().await;
                let event = Event::ListRefused(refusal, words);
                return Err(Ended::At(worker.handle_event(&mut job, event).await?));
            }
            Err(NoList::Trouble(_)) => return Err(Ended::of(&job)),
        };
        let planning = worker.plan(&job, &spec, listing, turn.read_permit);
        match worker.unless_stopped(planning).await.transpose()? {
            Some(Ok(plan)) => Ok(Planned { job, spec, plan }),
            None | Some(Err(_)) => Err(Ended::of(&job)),
        }
    }
}

impl Planned {
    /// Decides what follows, and looks for what speaks against a create.
    async fn clear<S: Service, D: JobStore>(
        self,
        turn: &mut Turn<'_, S, D>,
    ) -> Result<Cleared, Ended> {
        let Self {
            mut job,
            spec,
            plan,
        } = self;
        let worker = turn.worker;
        let Some(change) = worker.transition(&job, plan.event()) else {
            return Err(Ended::of(&job));
        };
        if change.ledger != Some(LedgerChange::Intent) {
            return Err(Ended::At(turn.do_without(job, change).await?));
        }
        let looking = worker.within_share(&job);
        let held = match worker.unless_stopped(looking).await.transpose()? {
            None => return Err(Ended::of(&job)),
            Some(Ok(held)) => held,
            Some(Err(why)) => {
                let event = Event::OverShare(why);
                return Err(Ended::At(worker.handle_event(&mut job, event).await?));
            }
        };
        // The gate was closed, or closed while the list was waited for.
        if !worker.account.is_valid(turn.permit) {
            return Err(Ended::At(turn.without_leave(&mut job).await?));
        }
        if let Some(why) = worker.holds_back(plan.is_listed_whole) {
            return Err(Ended::At(Done {
                held_back: Some(why),
                ..Done::of(&job)
            }));
        }
        let looking = worker.cannot_pay(turn.permit);
        match worker.unless_stopped(looking).await {
            None => Err(Ended::of(&job)),
            Some(Some(words)) => Err(Ended::At(turn.spare_canary(&mut job, words).await?)),
            Some(None) => Ok(Cleared {
                job,
                spec,
                plan,
                change,
                held,
            }),
        }
    }
}

impl Cleared {
    /// Takes what it costs out of the budget.
    async fn reserve<S: Service, D: JobStore>(
        self,
        turn: &Turn<'_, S, D>,
    ) -> Result<Reserved, Ended> {
        let Self {
            mut job,
            spec,
            plan,
            change,
            held,
        } = self;
        let worker = turn.worker;
        worker.store.still_has_its_file()?;
        // No await between the reserving and the intent's own handling of failure.
        let sent_at = worker.clock.now();
        let lasting_ms = worker.clock.lasting_ms();
        let reservation = match worker.account.reserve(sent_at) {
            Ok(reservation) => reservation,
            Err(over) => {
                let done = worker
                    .handle_event(&mut job, Event::OverBudget(over))
                    .await?;
                if done.parked != Some(ParkReason::Budget) {
                    // Creates are held and no job says why: the next one is to meet the bound.
                    worker.account.distrust_count();
                }
                return Err(Ended::At(done));
            }
        };
        let intent = Intent {
            credits: worker.credits_per_create,
            sent_at,
            baseline: plan.baseline,
            is_escalated: job.progress.climbs > 0,
            ..Intent::default()
        };
        Ok(Reserved {
            job,
            spec,
            remote_name: plan.remote_name,
            change,
            intent,
            held,
            reservation,
            not_after: lasting_ms.saturating_add(worker.request_timeout_ms),
        })
    }
}

impl Reserved {
    /// Stores the intent. What was reserved is given back where it is known that it was not.
    async fn record<S: Service, D: JobStore>(
        self,
        turn: &Turn<'_, S, D>,
    ) -> Result<Intended, Ended> {
        let Self {
            mut job,
            spec,
            remote_name,
            change,
            intent,
            held,
            reservation,
            not_after,
        } = self;
        let worker = turn.worker;
        let Intent {
            credits, sent_at, ..
        } = intent;
        let applied = worker.apply(&mut job, change, intent).await;
        drop(held);
        match applied {
            Ok(Applied::Durable { .. }) => {}
            // A commit that was reported lost took effect anyway: nothing was
            // sent, and the lists will say so.
            Ok(Applied::Stale)
                if job.progress.state == JobState::Creating && job.progress.doubt.is_none() =>
            {
                let event = Event::Interrupted;
                return Err(Ended::At(worker.handle_event(&mut job, event).await?));
            }
            Ok(Applied::Stale) => {
                worker.account.refund(credits, sent_at);
                return Err(Ended::of(&job));
            }
            // Whether it took effect is not known: it stays reserved until the daemon
            // counts anew.
            Err(error) => return Err(error.into()),
        }
        let request = CreateRequest {
            name: remote_name,
            urls: spec.urls.clone(),
            scraper_params: raw(job.progress.effective_params.clone())
                .or_else(|| raw(spec.scraper_params_json())),
            fields: raw(spec.fields_json()),
            not_after: Some(not_after),
        };
        Ok(Intended {
            job,
            request,
            reservation,
        })
    }
}

impl<S: Service, D: JobStore> Turn<'_, S, D> {
    /// The account's list, not much older than this turn.
    async fn listing(&mut self) -> Result<Result<Arc<Listing>, NoList>, StoreError> {
        let Worker {
            clock,
            lists_not_before,
            ..
        } = self.worker;
        let not_before =
            (clock.now() - LIST_MAX_AGE_MS).max(lists_not_before.load(Ordering::Relaxed));
        self.worker.listing(not_before, self.read_permit).await
    }
}

impl<S: Service, D: JobStore> Worker<S, D> {
    /// Before a canary tries whether credits are back: what the account page says, where
    /// that clearly spares the create. It asks nothing for anyone else.
    pub(super) async fn cannot_pay(&self, permit: &Permit) -> Option<ErrorDetail> {
        // What the budget has no room for is not sent anyway.
        let is_held = self.account.budget_hold(self.clock.now()).is_some();
        if is_held || !self.account.looks_first(permit) {
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
        self.account
            .should_skip_probe(permit, left)
            .then(|| ErrorDetail {
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
    pub(super) async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = T> + Send,
    ) -> Option<T> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop != Stop::No) => None,
            done = work => Some(done),
        }
    }
}

/// Canonical JSON of a checked specification, to be sent as it is.
fn raw(json: Option<String>) -> Option<Box<RawValue>> {
    // The text was just written by serde_json.
    json.and_then(|text| RawValue::from_string(text).ok())
}
