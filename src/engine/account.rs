//! The account's gates and budget as this process holds them: pure decisions of
//! [`crate::core::gate`] behind one lock, and their copy in the database.

mod permit;
mod reservation;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedMutexGuard, RwLockReadGuard};

use self::state::AccountState;
pub use self::{permit::Permit, reservation::Reservation};
use crate::{
    core::{
        budget::{Budget, OverBudget, share::AnnouncedShares},
        concurrency::Concurrency,
        event::general::GeneralEvent,
        gate::{
            Admission, Closure, Gate, GatePolicy, GateReason, Scope, Signal, should_skip_canary,
        },
        job::{DurationMs, JobId, ParkReason, UnixMs},
        outcome::CreateOutcome,
        rejections::Rejections,
        rules::Rule,
        timestamp::iso,
    },
    engine::key::KeyProof,
    store::{JobStore, ParkedFirst, StoreError},
};

/// What the database holds of the gates, as far as this process wrote or read it; None
/// where a write failed, which may have taken effect anyway.
type Stored = [Option<Option<Closure>>; 2];

/// The account's state.
#[derive(Debug)]
pub struct Account {
    state: Arc<Mutex<AccountState>>,
    policy: GatePolicy,
    stored: tokio::sync::Mutex<Stored>,
    key: Arc<KeyProof>,
    rejections: Mutex<Rejections>,
    /// Held by the one turn whose create the ladder asked for, from the look at its share until the
    /// intent is on record.
    climbing: Arc<tokio::sync::Mutex<()>>,
    /// Held while credits of a parse or a fetch are set aside that are not on record yet.
    recording: tokio::sync::RwLock<()>,
}

impl Account {
    /// The account as the database has it. Parked for want of budget is looked at anew.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn load(
        store: &impl JobStore,
        policy: GatePolicy,
        budget: Budget,
        max_requests: usize,
        now: UnixMs,
    ) -> Result<Self, StoreError> {
        let mut stored: Stored = [Some(None); 2];
        for (scope, closure) in store.gates().await? {
            stored[scope as usize] = Some(Some(closure));
        }
        let gate = |scope: Scope| {
            let closure = stored[scope as usize].flatten();
            closure.map_or(Gate::Open, |closure| Gate::Closed(closure.read_at(now)))
        };
        let budget = budget.having(store.spent(now).await?, now);
        Ok(Self {
            state: Arc::new(Mutex::new(AccountState {
                concurrency: Concurrency::new(max_requests),
                create: gate(Scope::Create),
                read: gate(Scope::Read),
                budget,
                unanswered: Vec::new(),
                credits_room: usize::MAX,
                is_held: false,
                budget_is_stale: false,
                may_be_outdated: false,
            })),
            policy,
            stored: tokio::sync::Mutex::new(stored),
            key: Arc::default(),
            rejections: Mutex::new(Rejections::remembering(store.held_rejections().await?)),
            climbing: Arc::default(),
            recording: tokio::sync::RwLock::default(),
        })
    }

    /// Leave to make requests of `scope` now, if the gate gives it.
    pub fn admit(&self, scope: Scope, now: UnixMs) -> Option<Permit> {
        let mut state = self.lock();
        let gate = state.gate(scope);
        let canary = match gate.admits(now) {
            Admission::All => None,
            Admission::Canary => gate.closure().copied(),
            Admission::NoneUntil(_) => return None,
        };
        *gate = gate.with_canary();
        if !self.policy.rules.keep(Rule::Canary) {
            *gate = gate.without_canary();
        }
        Some(Permit {
            scope,
            canary,
            state: Arc::clone(&self.state),
        })
    }

    /// Leave to take a job's turn while the gate before creates is closed for want of credits,
    /// which need not hold what costs nothing. As any permit that was given out before the gate
    /// closed it is not valid for a create.
    pub fn admit_free(&self) -> Option<Permit> {
        self.out_of_credits().map(|_| Permit {
            scope: Scope::Create,
            canary: None,
            state: Arc::clone(&self.state),
        })
    }

    /// Which PARKED job is the next canary: of the highest priority at the first probe. One that
    /// is refused for itself must not keep the others back, so after that each has its turn.
    pub fn canary(&self) -> ParkedFirst {
        let closure = self.gate(Scope::Create).closure().copied();
        match closure {
            Some(closure) if closure.interval_ms > self.policy.probe_interval_ms => {
                ParkedFirst::Longest
            }
            Some(_) | None => ParkedFirst::Highest,
        }
    }

    /// How the gate before creates is closed, where that is for want of credits.
    pub fn out_of_credits(&self) -> Option<Closure> {
        let closure = self.gate(Scope::Create).closure().copied();
        closure.filter(|closure| closure.reason == GateReason::Credits)
    }

    /// Whether the holder of this permit may still ask: the gate may have closed since.
    pub fn is_valid(&self, permit: &Permit) -> bool {
        if !self.policy.rules.keep(Rule::Canary) {
            return true;
        }
        let gate = self.gate(permit.scope);
        gate == Gate::Open || permit.is_canary_of(gate)
    }

    /// The gate as it stands.
    pub fn gate(&self, scope: Scope) -> Gate {
        *self.lock().gate(scope)
    }

    /// Takes in what an answer says of the account, at once, before anything else is
    /// sent. The first answer to a canary is the one that counts.
    pub fn report(&self, permit: &mut Permit, signal: &Signal, now: UnixMs) {
        let mut state = self.lock();
        let gate = state.gate(permit.scope);
        let before = *gate;
        let is_canary = permit.is_canary_of(*gate);
        permit.canary = None;
        *gate = gate.after(signal, is_canary, &self.policy, now);
        let after = *gate;
        let limit = state.adapt(signal, before, after);
        if permit.scope == Scope::Create {
            state.widen(signal, before, after);
        }
        drop(state);
        self.key.take_in(signal);
        if let Some(limit) = limit {
            tracing::info!(limit, "the service throttles: fewer requests at once");
        }
        // Of other gates the history tells; with a busy service this comes every few seconds.
        if let (None, Some(closure)) = (before.closure(), after.closure())
            && closure.reason == GateReason::Throttled
        {
            tracing::debug!(gate = %permit.scope, next_probe_at = iso(closure.next_probe_at), "throttled");
        }
    }

    /// What to make of what came of a create: see [`Rejections::after`].
    pub fn judge(&self, job: JobId, own: &[&str], outcome: CreateOutcome) -> CreateOutcome {
        // No code that can panic runs under the lock.
        let mut rejections = self
            .rejections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        rejections.after(job, own, outcome)
    }

    /// What is known of the API key.
    pub fn key(&self) -> Arc<KeyProof> {
        Arc::clone(&self.key)
    }

    /// How many requests may be under way at once.
    pub fn max_requests(&self) -> usize {
        self.lock().concurrency.limit()
    }

    /// Whether the holder of this permit is a canary that looks at the account page first.
    pub fn looks_first(&self, permit: &Permit) -> bool {
        let closure = self.gate(permit.scope).closure().copied();
        permit.is_canary() && closure.is_some_and(|closure| closure.reason == GateReason::Credits)
    }

    /// Whether this canary's create is spared: see [`should_skip_canary`].
    pub fn should_skip_probe(&self, permit: &Permit, left: Option<i64>) -> bool {
        let mut state = self.lock();
        let credits_per_create = state.budget.credits_per_create;
        let gate = *state.gate(permit.scope);
        drop(state);
        let policy = &self.policy;
        permit.is_canary()
            && gate.closure().is_some_and(|closure| {
                should_skip_canary(closure, left, credits_per_create, policy)
            })
    }

    /// Moves the gates' times, after a step of the clock.
    pub fn shift(&self, step_ms: DurationMs) {
        let mut state = self.lock();
        state.create = state.create.shifted(step_ms);
        state.read = state.read.shifted(step_ms);
    }

    /// Sets aside the credits of one create.
    ///
    /// # Errors
    /// The bound that it would exceed; creates are then held until there is room.
    pub fn reserve(&self, now: UnixMs) -> Result<Reservation, OverBudget> {
        let mut state = self.lock();
        match state.budget.admits(now) {
            Ok(()) => {
                state.budget.spend(now);
                let credits = state.budget.credits_per_create;
                state.unanswered.push((credits, now));
                Ok(Reservation {
                    credits,
                    sent_at: now,
                    state: Arc::clone(&self.state),
                })
            }
            Err(over) => {
                state.is_held = true;
                state.budget_is_stale |= std::mem::take(&mut state.may_be_outdated);
                Err(over)
            }
        }
    }

    /// To be held from before the ladder's share is looked at until a create of it is on record.
    pub async fn climbing(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.climbing).lock_owned().await
    }

    /// To be held from before a parse or a fetch is reserved until it is on record, and while the
    /// record of what it cost and the count are put right: what was spent is not counted anew
    /// meanwhile.
    pub async fn recording(&self) -> RwLockReadGuard<'_, ()> {
        self.recording.read().await
    }

    /// Sets aside the credits of one request for a page, held out or fetched beforehand; whether the
    /// budget has room for it. Creates are not held for want of it.
    pub fn reserve_small(&self, credits: i64, now: UnixMs) -> bool {
        let mut state = self.lock();
        let affords = state.budget.affords(credits, now);
        if affords {
            state.budget.spend_credits(credits, now);
        }
        affords
    }

    /// The credits that the budget has left beside one more create; below 0 where it has no room for
    /// that one.
    pub fn beside_a_create(&self, now: UnixMs) -> i64 {
        self.lock().budget.beside_a_create(now)
    }

    /// Counts what a fetch cost in the place of what was set aside for it, which may be less.
    pub fn correct(&self, reserved: i64, cost: i64, sent_at: UnixMs) {
        let unspent = reserved.saturating_sub(cost);
        self.lock().budget.refund(unspent, sent_at);
    }

    /// A commit failed, or took effect and was reported lost: what was spent may be more
    /// or less than was counted here.
    pub fn distrust_count(&self) {
        self.lock().budget_is_stale = true;
    }

    /// Somebody else committed: they may have settled creates, or set the job free that
    /// was held. Counted anew where it matters, since counting reads every create.
    pub fn others_committed(&self) {
        let mut state = self.lock();
        state.budget_is_stale |= state.is_held;
        state.may_be_outdated = !state.is_held;
    }

    /// Whether what was spent is to be counted anew.
    pub fn budget_is_stale(&self, now: UnixMs) -> bool {
        let state = self.lock();
        state.budget_is_stale || state.budget.is_outdated(now)
    }

    /// What was spent in all.
    pub fn spent(&self) -> i64 {
        self.lock().budget.spent
    }

    /// As [`Budget::announcement`], of what was spent without requests that were not answered yet.
    pub fn budget_announcement(
        &self,
        before: AnnouncedShares,
        now: UnixMs,
    ) -> Option<(GeneralEvent, AnnouncedShares)> {
        let state = self.lock();
        let answered = state.budget.clone().without(&state.unanswered);
        answered.announcement(before, now)
    }

    /// What counts as spent on later days: the clock was ahead when it was.
    pub fn spent_later(&self) -> i64 {
        self.lock().budget.spent_later
    }

    /// Counts what was spent anew from the database. Only while nothing is reserved
    /// that is not on record.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn recount(&self, store: &impl JobStore, now: UnixMs) -> Result<(), StoreError> {
        let _nothing_is_being_recorded = self.recording.write().await;
        let spent = store.spent(now).await?;
        let is_told = store.any_parked(ParkReason::Budget).await?;
        let mut state = self.lock();
        state.budget = state.budget.clone().having(spent, now);
        state.budget_is_stale = false;
        // Is the job that met the bound PARKED no more, the next one meets it again, so
        // that a job always says why creates are held.
        state.is_held &= is_told;
        Ok(())
    }

    /// Takes back what a create that made nothing was taken to cost.
    pub fn refund(&self, credits: i64, sent_at: UnixMs) {
        self.lock().budget.refund(credits, sent_at);
    }

    /// Until when creates are held for want of budget, if they still are at `now`.
    pub fn budget_hold(&self, now: UnixMs) -> Option<UnixMs> {
        let state = self.lock();
        if !state.is_held {
            return None;
        }
        // Asked anew: a day that turned may leave no room either.
        let over = state.budget.admits(now).err()?;
        Some(over.until.unwrap_or(UnixMs::MAX))
    }

    /// How many jobs that are PARKED for `reason` may go on, where it holds no longer.
    pub fn room(&self, reason: ParkReason, now: UnixMs) -> usize {
        match reason {
            ParkReason::Budget => {
                usize::try_from(self.lock().budget.room(now)).unwrap_or(usize::MAX)
            }
            ParkReason::Credits => self.lock().credits_room,
            ParkReason::Unauthorized | ParkReason::Ambiguous => usize::MAX,
        }
    }

    /// Ends a hold that has no reason any more; says whether there was one.
    pub fn end_budget_hold(&self, now: UnixMs) -> bool {
        let mut state = self.lock();
        let over = state.is_held && state.budget.admits(now).is_ok();
        if over {
            state.is_held = false;
        }
        over
    }

    /// Brings the database's copy of the gates up to date. A gate that an operator
    /// opened there meanwhile is open: the next answer says whether rightly so.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn save(&self, store: &impl JobStore) -> Result<(), StoreError> {
        let mut stored = self.stored.lock().await;
        for scope in [Scope::Create, Scope::Read] {
            let now = self.gate(scope).closure().copied();
            let before = stored[scope as usize];
            if before == Some(now) {
                continue;
            }
            // Until it is known to have been stored.
            stored[scope as usize] = None;
            if let (Some(Some(_)), Some(closure)) = (before, now) {
                let is_closed = store.update_gate(scope, closure).await?;
                stored[scope as usize] = Some(is_closed.then_some(closure));
                if !is_closed {
                    *self.lock().gate(scope) = Gate::Open;
                }
            } else {
                store.set_gate(scope, now).await?;
                stored[scope as usize] = Some(now);
            }
        }
        Ok(())
    }

    /// Opens the gates that somebody else opened in the database. Returns whether any was.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn reload(&self, store: &impl JobStore) -> Result<bool, StoreError> {
        let mut stored = self.stored.lock().await;
        let is_closed = |stored: Option<Option<Closure>>| stored.flatten().is_some();
        if !stored.iter().any(|stored| is_closed(*stored)) {
            return Ok(false);
        }
        let found = store.gates().await?;
        let mut opened = false;
        for scope in [Scope::Create, Scope::Read] {
            let there = found.iter().any(|(found, _)| *found == scope);
            if is_closed(stored[scope as usize]) && !there {
                stored[scope as usize] = Some(None);
                *self.lock().gate(scope) = Gate::Open;
                opened = true;
            }
        }
        Ok(opened)
    }

    /// The reasons for which jobs may be PARKED no longer.
    pub fn lifted(&self, now: UnixMs) -> Vec<ParkReason> {
        let mut lifted = Vec::new();
        let open = |scope| self.gate(scope) == Gate::Open;
        if open(Scope::Create) && open(Scope::Read) {
            lifted.extend([ParkReason::Credits, ParkReason::Unauthorized]);
        }
        if self.budget_hold(now).is_none() {
            lifted.push(ParkReason::Budget);
        }
        lifted
    }

    fn lock(&self) -> MutexGuard<'_, AccountState> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<AccountState>) -> MutexGuard<'_, AccountState> {
    // No code that can panic runs under the lock.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
