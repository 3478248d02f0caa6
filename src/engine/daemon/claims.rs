//! Claims: what is due is looked up, leased and given to workers.

use std::sync::{Arc, atomic::Ordering};

use tokio::task::Id;

use super::{BATCH, Daemon, Task, TaskResult, Yield};
use crate::{
    api::Service,
    core::{
        gate::Scope,
        job::{JobId, ParkReason, UnixMs},
    },
    engine::{
        operate::{self, Lifted},
        worker::{Worker, survey},
    },
    store::{JobStore, Lane, ParkedFirst, StoreError},
};

/// So many PARKED jobs are set free at once: those for which the reason is back by their turn
/// are PARKED anew, each with its lines of history.
const FREED_AT_ONCE: usize = 1_000;

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
        self.agenda.doubts_ended(now.saturating_add(pause_ms));
    }

    /// Looks for creates in doubt, and asks for a list if there are any.
    pub(super) async fn start_reconcile(&mut self) -> Result<(), StoreError> {
        let now = self.worker.clock.now();
        // One list serves all that are due.
        let mut jobs = self.worker.store.due_doubts(now, MAX_DOUBTS).await?;
        jobs.retain(|job| !self.leased.contains(&job.id));
        if jobs.is_empty() {
            let next = self.worker.store.next_due(Lane::Reconcile, now).await?;
            self.agenda.no_doubts(next);
            return Ok(());
        }
        let Some(permit) = self.worker.account.admit(Scope::Read, now) else {
            return Ok(());
        };
        let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
        let worker = Arc::clone(&self.worker);
        self.start(Lane::Reconcile, ids, async move {
            Ok(Yield::Done(worker.reconcile(jobs, permit).await?))
        });
        Ok(())
    }

    /// Gives the next claimed job to a worker, unless a gate has just closed.
    pub(super) fn start_create(&mut self) {
        let now = self.worker.clock.now();
        let account = &self.worker.account;
        let permit = account.admit(Scope::Create, now);
        let Some(permit) = permit.or_else(|| account.admit_free()) else {
            return;
        };
        let Some(read_permit) = account.admit(Scope::Read, now) else {
            return;
        };
        let Some(queued) = self.creates.pop_front() else {
            return;
        };
        self.agenda.create_started();
        let worker = Arc::clone(&self.worker);
        self.start(Lane::Create, vec![queued.job.id], async move {
            let done = worker.create(queued, permit, read_permit).await?;
            Ok(Yield::Done(vec![done]))
        });
    }

    /// Each job that is due was looked for in the list: from here on creates are sent.
    pub(super) fn end_sweep(&mut self) {
        self.worker.is_sweeping.store(false, Ordering::Relaxed);
        for id in self.set_aside.drain(..) {
            self.leased.remove(&id);
        }
        self.agenda.create_due(0);
    }

    pub(super) async fn claim_creates(&mut self) -> Result<(), StoreError> {
        let now = self.worker.clock.now();
        let under_way = self
            .worker
            .store
            .under_way(self.limits.max_generating)
            .await?;
        let room = self
            .limits
            .max_generating
            .saturating_sub(under_way + self.running_in(Lane::Create));
        if room == 0 {
            self.agenda.no_capacity();
            return Ok(());
        }
        let limit = BATCH.min(room) + self.leased.len();
        let due = self.worker.store.due_creates(now, limit).await?;
        let mut next_at = if due.len() < limit {
            let next = self.worker.store.next_due(Lane::Create, now).await?;
            next.unwrap_or(UnixMs::MAX)
        } else {
            now
        };
        for queued in due {
            if self.creates.len() >= room {
                // More are due than there is room for: the next claim looks again.
                next_at = now;
                break;
            }
            if self.leased.insert(queued.job.id) {
                self.creates.push_back(queued);
            }
        }
        self.agenda.creates_claimed(next_at);
        Ok(())
    }

    /// Gives back what is claimed for a create and not begun.
    pub(super) fn unclaim_creates(&mut self) {
        for queued in self.creates.drain(..) {
            self.leased.remove(&queued.job.id);
        }
    }

    /// The same of polls.
    pub(super) fn unclaim_polls(&mut self) {
        for job in self.polls.drain(..) {
            self.leased.remove(&job.id);
        }
    }

    /// A probe is due, and nothing queued: one parked job is to be the canary.
    pub(super) async fn free_canary(&mut self) -> Result<(), StoreError> {
        let first = self.worker.account.canary();
        for reason in [ParkReason::Credits, ParkReason::Unauthorized] {
            if self.lift(reason, first, 1).await?.jobs > 0 {
                self.agenda.canary_freed(true);
                return Ok(());
            }
        }
        self.agenda.canary_freed(false);
        Ok(())
    }

    /// Sets parked jobs free; returns how many.
    pub(super) async fn lift(
        &self,
        reason: ParkReason,
        first: ParkedFirst,
        limit: usize,
    ) -> Result<Lifted, StoreError> {
        let Worker { store, policy, .. } = &*self.worker;
        let now = self.worker.clock.now();
        let freed = operate::lift(store, policy, reason, first, limit, now).await?;
        self.worker.metrics.unparked(freed.jobs, now);
        Ok(freed)
    }

    /// Sets free what is PARKED for these reasons, which hold no longer: as many as may go on,
    /// and not too many at once.
    pub(super) async fn free(&mut self, reasons: Vec<ParkReason>) -> Result<(), StoreError> {
        let now = self.worker.clock.now();
        let (mut total, mut may_be_more) = (0, false);
        self.lifted.clear();
        for reason in reasons {
            // One tries in any case: what is counted as spent may be counted wrongly.
            let room = self.worker.account.room(reason, now);
            let most = room.clamp(1, FREED_AT_ONCE);
            let freed = self.lift(reason, ParkedFirst::Highest, most).await?;
            total += freed.jobs;
            may_be_more |= freed.jobs >= most;
            if !freed.are_some_left {
                self.lifted.push(reason);
            }
        }
        self.agenda.held_freed(total > 0, may_be_more);
        Ok(())
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
        F: Future<Output = TaskResult> + Send + 'static,
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
