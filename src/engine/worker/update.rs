//! A QUEUED job's turn that changes or deletes a parser, and its request in doubt.
//!
//! As for a create: looked at -> decided -> intended -> sent -> answered, and what a crash leaves
//! behind in each gap is a QUEUED job, or a CREATING one whose parser is asked for. A request that
//! costs nothing passes a gate that is closed for want of credits, and takes nothing out of the
//! budget.

mod step;

use serde_json::{Value, value::RawValue};

use step::{Step, delete_step, json, said, shown_of, update_step};

use super::{
    Done, Worker,
    turn::{Ended, Turn, crash_point::CrashPoint},
};
use crate::{
    api::Service,
    core::{
        field_changes::FieldChanges,
        gate::Signal,
        job::{DurationMs, Job, JobState, ParkReason, ParserId, Part},
        lifecycle::{Change, Event, LedgerChange, Look, Sight},
        outcome::{ChangeOutcome, ErrorDetail, NoList, PatchRequest, PollOutcome, Refusal},
        sighting::{KnownVersion, ShownVersion, Sighting, compare},
    },
    engine::account::{Permit, Reservation},
    store::{Applied, ChangeRecord, Intent, JobStore, Order, StoreError},
};

impl<S: Service, D: JobStore> Turn<'_, S, D> {
    /// Takes a QUEUED job that changes or deletes a parser as far as the answer to its request.
    pub(super) async fn change(&mut self, job: Job, order: Order) -> Result<Done, Ended> {
        let worker = self.worker;
        let id = job.id;
        worker.probe.reached(CrashPoint::Claimed, id);
        let looking = worker.step(&job, &order, self.read_permit);
        let Some(step) = worker.unless_stopped(looking).await.transpose()? else {
            return Err(Ended::of(&job));
        };
        worker.probe.reached(CrashPoint::Planned, id);
        match step {
            Ok(step) => self.take_step(job, step).await,
            Err(event) => {
                let mut job = job;
                worker.after_report().await;
                Ok(worker.handle_event(&mut job, event).await?)
            }
        }
    }

    async fn take_step(&mut self, mut job: Job, step: Step) -> Result<Done, Ended> {
        let worker = self.worker;
        let Step {
            look,
            record,
            change: sent,
            is_last,
            missing,
        } = step;
        let Some(change) = worker.transition(&job, Event::Looked(look)) else {
            return Err(Ended::of(&job));
        };
        let intent = Intent {
            sent_at: worker.clock.now(),
            change: Some(record.clone()),
            ..Intent::default()
        };
        if change.ledger != Some(LedgerChange::ChangeIntent) {
            worker.note_gone(&change, missing.as_ref()).await?;
            worker.apply(&mut job, change, intent).await?;
            return Ok(Done::of(&job));
        }
        let part = change.next.part.unwrap_or(Part::Paid);
        let held = match part {
            Part::Paid => self.may_not_pay(&mut job).await?,
            Part::Free | Part::Delete => self.may_not_ask(&mut job).await?,
        };
        if let Some(done) = held {
            return Ok(done);
        }
        worker.probe.reached(CrashPoint::Cleared, job.id);
        let (intent, reservation) = match self.reserve_for(&mut job, part, intent).await? {
            Ok(reserved) => reserved,
            Err(done) => return Ok(done),
        };
        worker.probe.reached(CrashPoint::Reserved, job.id);
        let not_after = worker
            .clock
            .lasting_ms()
            .saturating_add(worker.request_timeout_ms);
        if !self.intended(&mut job, change, intent).await? {
            return Ok(Done::of(&job));
        }
        worker.probe.reached(CrashPoint::Intended, job.id);
        // An intent that is in a file which nobody will read is none.
        worker.store.still_has_its_file()?;
        let outcome = worker.send(&job, part, sent, &record, not_after).await;
        worker.probe.reached(CrashPoint::Sent, job.id);
        let event = Event::ChangeAnswered { outcome, is_last };
        if let Some(change) = worker.transition(&job, event) {
            worker.report(&change, self.permit);
            worker.keep_wish(&change).await;
            worker.persist_with_retry(&mut job, change).await?;
        }
        // What a refusal gave back is taken back by now.
        drop(reservation);
        worker.probe.reached(CrashPoint::Answered, job.id);
        Ok(Done::of(&job))
    }

    /// What speaks against a request that costs nothing: a gate that is closed for something else
    /// than credits.
    async fn may_not_ask(&mut self, job: &mut Job) -> Result<Option<Done>, Ended> {
        let account = &self.worker.account;
        // It shows nothing of the credits: another job is the canary.
        match account.admit_free() {
            Some(free) => *self.permit = free,
            None if !account.is_valid(self.permit) => {
                return Ok(Some(self.without_leave(job).await?));
            }
            None => {}
        }
        Ok(None)
    }

    /// What speaks against a request that costs: a closed gate, a copy of the database, an account
    /// that is known to be empty.
    async fn may_not_pay(&mut self, job: &mut Job) -> Result<Option<Done>, Ended> {
        let worker = self.worker;
        if !worker.account.is_valid(self.permit) {
            return Ok(Some(self.without_leave(job).await?));
        }
        if let Some(why) = worker.holds_back(true) {
            return Ok(Some(Done {
                held_back: Some(why),
                ..Done::of(job)
            }));
        }
        let looking = worker.cannot_pay(self.permit);
        match worker.unless_stopped(looking).await {
            None => Err(Ended::of(job)),
            Some(Some(words)) => Ok(Some(self.spare_canary(job, words).await?)),
            Some(None) => Ok(None),
        }
    }

    /// Takes what a request costs out of the budget.
    async fn reserve_for(
        &self,
        job: &mut Job,
        part: Part,
        intent: Intent,
    ) -> Result<Result<(Intent, Option<Reservation>), Done>, Ended> {
        let worker = self.worker;
        worker.store.still_has_its_file()?;
        if part != Part::Paid {
            return Ok(Ok((intent, None)));
        }
        // No await between the reserving and the intent's own handling of failure.
        let sent_at = worker.clock.now();
        let reservation = match worker.account.reserve(sent_at) {
            Ok(reservation) => reservation,
            Err(over) => {
                let done = worker.handle_event(job, Event::OverBudget(over)).await?;
                if done.parked != Some(ParkReason::Budget) {
                    worker.account.distrust_count();
                }
                return Ok(Err(done));
            }
        };
        let intent = Intent {
            credits: worker.credits_per_create,
            sent_at,
            ..intent
        };
        Ok(Ok((intent, Some(reservation))))
    }

    /// Stores the intent; whether the request may be sent.
    async fn intended(&self, job: &mut Job, change: Change, intent: Intent) -> Result<bool, Ended> {
        let worker = self.worker;
        let (credits, sent_at) = (intent.credits, intent.sent_at);
        match worker.apply(job, change, intent).await? {
            Applied::Durable { .. } => Ok(true),
            // A commit that was reported lost took effect anyway: nothing was sent.
            Applied::Stale
                if job.progress.state == JobState::Creating && job.progress.doubt.is_none() =>
            {
                worker.handle_event(job, Event::Interrupted).await?;
                Ok(false)
            }
            Applied::Stale => {
                if credits > 0 {
                    worker.account.refund(credits, sent_at);
                }
                Ok(false)
            }
        }
    }
}

impl<S: Service, D: JobStore> Worker<S, D> {
    /// What a job's turn comes to: what was seen, and what would be sent. An event where the
    /// account was refused, or the row cannot be used.
    async fn step(
        &self,
        job: &Job,
        order: &Order,
        permit: &mut Permit,
    ) -> Result<Result<Step, Event>, StoreError> {
        let target = match &job.progress.parser_id {
            Some(id) => self.store.target_by_id(id).await?,
            None => self.store.target(&job.name).await?,
        };
        let Some(target) = target else {
            let words = said("no parser of this name is on record any more");
            let parser_id = self.store.former_parser(&job.name).await?;
            return Ok(Ok(Step::of(Look::Gone { parser_id, words })));
        };
        let changes = match order {
            Order::Update(changes) => Some(changes),
            Order::Delete | Order::Create(_) => None,
        };
        if changes.is_none() && target.protected {
            let why = "the parser is protected: apply its job file with protect = false, or set protect of \
                the job that created it to 0, first";
            return Ok(Err(Event::Unusable(why.to_owned())));
        }
        let shown = match self.shown(&target.parser_id, permit).await? {
            Ok(shown) => shown,
            Err(Hidden::Refused(refusal, words)) => {
                return Ok(Err(Event::ListRefused(refusal, words)));
            }
            // To delete it all the same is safe, and the answer is the service's last word.
            Err(Hidden::NotFound(_)) if changes.is_none() => ShownVersion::default(),
            Err(Hidden::NotFound(words)) => {
                let step = Step::of(Look::NotFound(words));
                return Ok(Ok(step.about(target.parser_id)));
            }
            Err(Hidden::Unknown(words)) => return Ok(Ok(Step::of(Look::Unclear(words)))),
        };
        Ok(match changes {
            None => Ok(delete_step(target, &shown)),
            Some(changes) => update_step(job, changes, target, shown).map_err(Event::Unusable),
        })
    }

    /// What the service shows of a parser.
    async fn shown(
        &self,
        id: &ParserId,
        permit: &mut Permit,
    ) -> Result<Result<ShownVersion, Hidden>, StoreError> {
        let asked_at = self.clock.now();
        // That a parser is not there opens no gate, and that a list is does (seed 454604).
        if permit.is_canary()
            && let Err(none) = self.listing(asked_at, permit).await?
        {
            return Ok(Err(none.into()));
        }
        let described = self.service.describe(id, None).await;
        let signal = match &described.outcome {
            PollOutcome::Refused(refusal, _) => Signal::Refused(refusal.clone()),
            PollOutcome::Trouble(words) if words.status.is_none() => Signal::NotConnected,
            PollOutcome::Trouble(_) | PollOutcome::NotFound(_) => Signal::Answered,
            // As a list does, it opens a gate for reading that was closed for the key.
            PollOutcome::Finished(_) | PollOutcome::Failed(_) | PollOutcome::Generating { .. } => {
                Signal::Accepted
            }
        };
        self.account.report(permit, &signal, self.clock.now());
        match described.outcome {
            PollOutcome::Refused(refusal, words) => {
                return Ok(Err(Hidden::Refused(refusal, words)));
            }
            PollOutcome::Trouble(words) => return Ok(Err(Hidden::Unknown(words))),
            PollOutcome::NotFound(words) if self.is_foreign(id).await? => {
                return Ok(Err(Hidden::Unknown(ErrorDetail {
                    message: format!(
                        "the parser is known from another address or API key, and the service \
                         that is asked now does not have it: {}",
                        words.message
                    ),
                    ..words
                })));
            }
            PollOutcome::NotFound(words) => return Ok(Err(Hidden::NotFound(words))),
            PollOutcome::Finished(_) | PollOutcome::Failed(_) | PollOutcome::Generating { .. } => {}
        }
        let name = described.name.as_deref();
        if !self.is_of_this_account(id, name).await? {
            let words = said("the service has another parser of this id");
            return Ok(Err(Hidden::Unknown(words)));
        }
        let mut shown = shown_of(&described);
        if shown.version.is_none() {
            // The list names the latest version of each.
            match self.listing(asked_at, permit).await? {
                Ok(listing) => shown.version = listing.version_of(id),
                // Without it, the next change would be based on a guess.
                Err(none) => return Ok(Err(none.into())),
            }
        }
        Ok(Ok(shown))
    }

    /// Sends the request whose intent is durable, once.
    async fn send(
        &self,
        job: &Job,
        part: Part,
        changes: Option<FieldChanges>,
        record: &ChangeRecord,
        not_after: DurationMs,
    ) -> ChangeOutcome {
        let sent_at = self.clock.now();
        let Some(parser_id) = job.progress.parser_id.clone() else {
            return ChangeOutcome::NotSent(said("not sent: no parser is known"));
        };
        let outcome = match (part, changes, record.base_version) {
            (Part::Delete, ..) => self.service.delete(&parser_id).await,
            (Part::Free | Part::Paid, Some(changes), Some(base_version)) => {
                match RawValue::from_string(changes.to_json()) {
                    Ok(body) => {
                        let request = PatchRequest {
                            parser_id,
                            base_version,
                            body,
                            not_after: Some(not_after),
                        };
                        self.service.change(&request).await
                    }
                    Err(error) => {
                        ChangeOutcome::NotSent(said(format!("not sent, not valid JSON: {error}")))
                    }
                }
            }
            (Part::Free | Part::Paid, ..) => {
                ChangeOutcome::NotSent(said("not sent: the version to change is not known"))
            }
        };
        tracing::debug!(
            job = job.id.0,
            name = job.name,
            part = %part,
            outcome = outcome.as_str(),
            elapsed_ms = self.clock.now() - sent_at,
            "change answered"
        );
        outcome
    }

    /// Looks at the parser of a request in doubt.
    pub(super) async fn look_for_change(
        &self,
        mut job: Job,
        permit: &mut Permit,
    ) -> Result<Done, StoreError> {
        let seen_at = self.clock.now();
        let pending = self.store.pending_update(job.id).await?;
        let (Some(pending), Some(id)) = (pending, job.progress.parser_id.clone()) else {
            let words = "no request of this job is on record: it was changed past the database's \
                         rules";
            self.handle_event(&mut job, Event::Broken(words.to_owned()))
                .await?;
            return Ok(Done::of(&job));
        };
        let is_last = self.is_last(&job, pending.part).await?;
        let sight = match self.shown(&id, permit).await? {
            Ok(shown) => {
                let known = KnownVersion {
                    latest: pending.latest_version,
                    fields: self.known_fields(&id).await?,
                };
                let wanted = pending.fields.as_deref().and_then(json);
                Sight::Seen(match pending.part {
                    Part::Delete => Sighting::Unchanged(shown.version),
                    Part::Free | Part::Paid => compare(&known, wanted.as_ref(), &shown),
                })
            }
            Err(Hidden::NotFound(words)) => Sight::Gone(words),
            Err(Hidden::Refused(..) | Hidden::Unknown(_)) => Sight::Nothing,
        };
        let is_missing = matches!(sight, Sight::Gone(_));
        let event = Event::Sighted {
            sight,
            seen_at,
            is_last,
        };
        if let Some(change) = self.transition(&job, event) {
            self.note_gone(&change, is_missing.then_some(&id)).await?;
            self.apply(&mut job, change, Intent::default()).await?;
        }
        Ok(Done::of(&job))
    }

    /// A parser whose absence ended its job is gone.
    async fn note_gone(&self, change: &Change, id: Option<&ParserId>) -> Result<(), StoreError> {
        match id {
            Some(id) if change.next.state == JobState::Failed => {
                self.store.mark_gone(id.clone(), self.clock.now()).await
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn known_fields(&self, id: &ParserId) -> Result<Option<Value>, StoreError> {
        let target = self.store.target_by_id(id).await?;
        Ok(target.and_then(|target| target.fields.as_deref().and_then(json)))
    }

    /// Whether nothing is left to send after this request.
    async fn is_last(&self, job: &Job, part: Part) -> Result<bool, StoreError> {
        let change = self.store.change_of(job.id).await?;
        Ok(FieldChanges::ends_with(change.as_deref(), part))
    }
}

/// Why a parser is not shown.
#[derive(Debug)]
enum Hidden {
    Refused(Refusal, ErrorDetail),
    NotFound(ErrorDetail),
    Unknown(ErrorDetail),
}

impl From<NoList> for Hidden {
    fn from(none: NoList) -> Self {
        match none {
            NoList::Refused(refusal, words) => Self::Refused(refusal, words),
            NoList::Trouble(words) => Self::Unknown(words),
        }
    }
}
