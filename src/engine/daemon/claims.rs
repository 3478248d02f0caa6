//! Claims: which due job gets a worker next, and whether one may start at all.

use std::sync::{Arc, atomic::Ordering};

use tokio::task::Id;

use super::{BATCH, Daemon, Outcome, Task, Yield};
use crate::{
    api::Service,
    core::{
        gate::{Gate, Scope},
        job::{JobId, ParkReason, UnixMs},
    },
    engine::worker::{Worker, survey},
    store::{JobStore, Lane, StoreError},
};

/// How many creates in doubt one list settles at the most.
const MAX_DOUBTS: usize = 5_000;

impl<S: Service, D: JobStore> Daemon<S, D> {
    /// The list for creates in doubt ended: the next one is away for a while.
    pub(super) fn reconciled(&mut self) {
        let Worker {
            clock,
            policy,
            lists,
            ..
        } = &*self.worker;
        let now = clock.now();
        let shortest_ms = policy.settle_ms.min(policy.settle_after_error_ms);
        let pause_ms = survey::doubts_pause_ms(lists.took_ms(), shortest_ms);
        self.doubts_list_at = now.saturating_add(pause_ms);
        // There may be more than one list could take.
        self.doubts.look_at = 0;
    }

    pub(super) async fn start_reconcile(&mut self) -> Result<bool, StoreError> {
        let now = self.worker.clock.now();
        if self.running_in(Lane::Reconcile) > 0
            || now < self.doubts.look_at.max(self.doubts_list_at)
            || now < self.worker.lists.retry_at()
        {
            return Ok(false);
        }
        // One list serves all that are due.
        let mut jobs = self.worker.store.due_doubts(now, MAX_DOUBTS).await?;
        jobs.retain(|job| !self.leased.contains(&job.id));
        if jobs.is_empty() {
            let next = self.worker.store.next_due(Lane::Reconcile, now).await?;
            self.doubts.look_at = next.unwrap_or(UnixMs::MAX);
            return Ok(false);
        }
        let Some(pass) = self.worker.account.admit(Scope::Read, now) else {
            return Ok(false);
        };
        let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
        let worker = Arc::clone(&self.worker);
        self.start(Lane::Reconcile, ids, async move {
            Ok(Yield::Done(worker.reconcile(jobs, pass).await?))
        });
        Ok(true)
    }

    pub(super) async fn start_create(&mut self) -> Result<bool, StoreError> {
        let now = self.worker.clock.now();
        if now < self.worker.lists.retry_at()
            || !self.creates_wait.is_over()
            || self.worker.account.budget_hold(now).is_some()
        {
            return Ok(false);
        }
        if self.creates.jobs.is_empty() && now >= self.creates.look_at && !self.is_full {
            self.claim_creates(now).await?;
        }
        if self.creates.jobs.is_empty() && self.running_in(Lane::Create) == 0 && !self.is_full {
            self.end_sweep();
        }
        if self.creates.jobs.is_empty() && !self.offer_canary(now).await? {
            return Ok(false);
        }
        let account = &self.worker.account;
        let Some(pass) = account.admit(Scope::Create, now) else {
            return Ok(false);
        };
        let Some(read_pass) = account.admit(Scope::Read, now) else {
            return Ok(false);
        };
        let Some(queued) = self.creates.jobs.pop_front() else {
            return Ok(false);
        };
        let worker = Arc::clone(&self.worker);
        self.start(Lane::Create, vec![queued.job.id], async move {
            let done = worker.create(queued, pass, read_pass).await?;
            Ok(Yield::Done(vec![done]))
        });
        Ok(true)
    }

    /// Each job that is due was looked for in the list: from here on creates are sent.
    fn end_sweep(&mut self) {
        if self.worker.is_sweeping.swap(false, Ordering::Relaxed) {
            for id in self.set_aside.drain(..) {
                self.leased.remove(&id);
            }
            self.creates.look_at = 0;
        }
    }

    async fn claim_creates(&mut self, now: UnixMs) -> Result<(), StoreError> {
        let under_way = self
            .worker
            .store
            .under_way(self.limits.max_generating)
            .await?;
        let room = self
            .limits
            .max_generating
            .saturating_sub(under_way + self.running_in(Lane::Create));
        self.is_full = room == 0;
        if self.is_full {
            return Ok(());
        }
        let limit = BATCH.min(room) + self.leased.len();
        let due = self.worker.store.due_creates(now, limit).await?;
        self.creates.look_at = if due.len() < limit {
            let next = self.worker.store.next_due(Lane::Create, now).await?;
            next.unwrap_or(UnixMs::MAX)
        } else {
            now
        };
        for queued in due {
            if self.creates.jobs.len() >= room {
                // More are due than there is room for: the next claim looks again.
                self.creates.look_at = now;
                break;
            }
            if self.leased.insert(queued.job.id) {
                self.creates.jobs.push_back(queued);
            }
        }
        Ok(())
    }

    /// Gives back what is claimed for a create and not begun.
    pub(super) fn unclaim_creates(&mut self) {
        for queued in self.creates.jobs.drain(..) {
            self.leased.remove(&queued.job.id);
        }
    }

    /// The same of polls.
    pub(super) fn unclaim_polls(&mut self) {
        for job in self.polls.jobs.drain(..) {
            self.leased.remove(&job.id);
        }
    }

    /// A closed gate whose probe is due, and nothing queued: one parked job is the canary.
    async fn offer_canary(&mut self, now: UnixMs) -> Result<bool, StoreError> {
        let account = &self.worker.account;
        let due = |scope| match account.gate(scope) {
            Gate::Closed(closure) => closure.is_due(now),
            Gate::Open | Gate::HalfOpen(_) => false,
        };
        if self.lacks_canary || (!due(Scope::Create) && !due(Scope::Read)) {
            return Ok(false);
        }
        for reason in [ParkReason::Credits, ParkReason::Unauthorized] {
            let freed = self.worker.store.unpark(reason, 1, now).await?;
            self.worker.metrics.unparked(freed, now);
            if freed > 0 {
                self.claim_creates(now).await?;
                return Ok(!self.creates.jobs.is_empty());
            }
        }
        self.lacks_canary = true;
        Ok(false)
    }

    /// How many tasks of a lane are under way.
    pub(super) fn running_in(&self, lane: Lane) -> usize {
        self.running
            .values()
            .filter(|task| task.lane == lane)
            .count()
    }

    pub(super) fn start<F>(&mut self, lane: Lane, jobs: Vec<JobId>, work: F) -> Id
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        self.leased.extend(&jobs);
        let abort = self.tasks.spawn(work);
        let task = Task {
            lane,
            jobs,
            abort,
            is_overtaken: false,
        };
        let id = task.abort.id();
        self.running.insert(id, task);
        id
    }
}
