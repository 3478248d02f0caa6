//! The daemon's loop: claims what is due, gives it to workers, waits.

mod announce;
mod claims;
mod clock_step;
mod creates_wait;
mod drain;
mod ended;
pub mod heartbeat;
pub mod hold;
mod idle;
mod key;
mod polls;
mod steps;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    task::{AbortHandle, Id, JoinSet},
};

use self::{announce::Announcer, creates_wait::CreatesWait, hold::Holds, polls::Surveys};
use crate::{
    api::Service,
    core::{
        job::{DurationMs, Job, JobId, ParkReason, UnixMs},
        lifecycle::Event,
        repeats::Repeats,
        schedule::Agenda,
    },
    engine::{
        key::KeyProof,
        metrics::Metrics,
        operate,
        worker::{Done, Stop, Worker, survey::Survey},
    },
    store::{Commits, JobStore, Lane, QueuedJob, StoreError},
};

/// How many due jobs of a lane are claimed at once.
const BATCH: usize = 128;

/// The pause after an error of the database.
const STORE_PAUSE: Duration = Duration::from_millis(STORE_PAUSE_MS.unsigned_abs());
const STORE_PAUSE_MS: DurationMs = 1_000;

/// When a daemon ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Never.
    Stopped,
    /// When no job can make progress any more without a person, or before the next probe.
    NoProgress,
    /// When every job is in a terminal state.
    AllTerminal,
}

/// How much a daemon does at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Parsers being generated at once.
    pub max_generating: usize,
    /// So many due parsers are asked for one by one, however short the account's list is.
    pub single_polls: usize,
}

/// What a task works on.
#[derive(Debug)]
struct Task {
    lane: Lane,
    jobs: Vec<JobId>,
    abort: AbortHandle,
    /// Somebody else committed while it was under way: maybe a change of its jobs, which
    /// the look at that moment passed over, since they were leased.
    is_overtaken: bool,
}

/// What a task brings.
#[derive(Debug)]
enum Yield {
    /// Where its jobs stand.
    Done(Vec<Done>),
    /// What a list says of the parsers being generated; none where there is none.
    Survey(Option<Survey>),
}

type TaskResult = Result<Yield, StoreError>;

/// The daemon: one per database.
#[derive(Debug)]
pub struct Daemon<S, D> {
    worker: Arc<Worker<S, D>>,
    limits: Limits,
    until: Until,
    /// When to look for what.
    agenda: Agenda,
    /// Claimed for creates.
    creates: VecDeque<QueuedJob>,
    /// Claimed for polls.
    polls: VecDeque<Job>,
    surveys: Surveys,
    leased: HashSet<JobId>,
    tasks: JoinSet<TaskResult>,
    running: HashMap<Id, Task>,
    orphans: Vec<JobId>,
    /// Reasons that were lifted when parked jobs were last set free.
    lifted: Vec<ParkReason>,
    /// Somebody else committed. True at first: that may have been just before the
    /// watch began.
    is_nudged: bool,
    creates_wait: CreatesWait,
    /// Jobs that wait until each other one was looked for in the list; leased till then.
    set_aside: Vec<JobId>,
    /// A list of the account is asked for, whoever needs one.
    wants_list: bool,
    /// Nothing is claimed before, after an error of the database.
    resume_at: Option<UnixMs>,
    /// What was spent on later days when it was last looked whose clock was wrong then.
    redated_at_later: i64,
    /// Tells this process's steps of the clock from any other's.
    nonce: u64,
    steps_taken: u64,
    nudge: Arc<Notify>,
    holds: Holds,
    heartbeat: Arc<AtomicI64>,
    /// None where nothing is announced.
    announcer: Option<Announcer>,
    /// What was logged of a database that cannot be used.
    repeats: Repeats,
    stop: watch::Receiver<Stop>,
}

impl<S: Service, D: JobStore> Daemon<S, D> {
    /// A daemon that has done nothing yet.
    pub fn new(worker: Worker<S, D>, limits: Limits, until: Until) -> Self {
        let stop = worker.stop.clone();
        let nudge = Arc::new(Notify::new());
        Self {
            worker: Arc::new(worker),
            limits,
            until,
            agenda: Agenda::default(),
            creates: VecDeque::new(),
            polls: VecDeque::new(),
            surveys: Surveys::default(),
            leased: HashSet::new(),
            tasks: JoinSet::new(),
            running: HashMap::new(),
            orphans: Vec::new(),
            lifted: Vec::new(),
            is_nudged: true,
            creates_wait: CreatesWait::default(),
            set_aside: Vec::new(),
            wants_list: false,
            resume_at: None,
            redated_at_later: 0,
            nonce: fastrand::u64(..),
            steps_taken: 0,
            holds: Holds::new(Arc::clone(&nudge)),
            nudge,
            heartbeat: Arc::new(AtomicI64::new(0)),
            announcer: None,
            repeats: Repeats::default(),
            stop,
        }
    }

    /// The same, which sends no create before it has looked for so long.
    #[must_use]
    pub fn holding_creates_for(mut self, wait_ms: DurationMs) -> Self {
        self.creates_wait = CreatesWait::of(wait_ms);
        // What was sent before is looked for at once.
        self.wants_list = wait_ms > 0;
        self
    }

    /// Notify it to make the daemon look for new jobs at once.
    pub fn nudge(&self) -> Arc<Notify> {
        Arc::clone(&self.nudge)
    }

    /// What keeps it from ending by itself.
    pub fn holds(&self) -> Holds {
        self.holds.clone()
    }

    /// When the loop last came round, Unix milliseconds; 0 before it starts.
    pub fn heartbeat(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.heartbeat)
    }

    /// What is known of the API key.
    pub fn key(&self) -> Arc<KeyProof> {
        self.worker.account.key()
    }

    /// Whether it was told to stop.
    pub fn stop(&self) -> watch::Receiver<Stop> {
        self.worker.stop.clone()
    }

    /// What is counted on the way.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.worker.metrics)
    }

    /// Works until told to stop, or until `until` says so. Every job is then where
    /// the next process can take it up.
    ///
    /// # Errors
    /// If the database cannot be read at the start, and as soon as its file is not the one
    /// that was opened. Other errors are told and waited out.
    pub async fn run(self) -> Result<(), StoreError> {
        let commits = self.worker.store.commits().await?;
        // A set ends its tasks when it is dropped, however this future ends.
        let mut watching = JoinSet::new();
        watching.spawn(watch_commits(commits, self.nudge()));
        self.run_unwatched().await
    }

    /// As [`run`](Self::run), and looks for other programs' commits only when nudged.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub async fn run_unwatched(mut self) -> Result<(), StoreError> {
        let Worker { store, policy, .. } = &*self.worker;
        let now = self.worker.clock.now();
        operate::end_broken(store, policy, now).await?;
        store.resume_times(now).await?;
        operate::look_at_accounts(store, policy, now).await?;
        let interrupted = store.interrupted().await?;
        if !interrupted.is_empty() {
            tracing::warn!(
                jobs = interrupted.len(),
                "creates were under way when parserd last stopped: looking for their parsers"
            );
        }
        self.orphans = interrupted.iter().map(|job| job.id).collect();
        self.leased.extend(&self.orphans);
        self.load_announced().await?;
        self.work().await
    }

    fn log_database_error(&mut self, error: &StoreError) {
        let now = self.worker.clock.now();
        let why = error.to_string();
        if let Some(times) = self.repeats.came("database", &why, now) {
            tracing::error!(
                %error,
                times,
                "the database cannot be used, and is tried again: nothing is sent meanwhile"
            );
        }
    }

    async fn work(&mut self) -> Result<(), StoreError> {
        let nudge = self.nudge();
        let mut stop = self.stop.clone();
        // Nobody is left to say stop where its sender is gone.
        while *stop.borrow() == Stop::No && stop.has_changed().is_ok() {
            let pause = match self.round().await {
                Ok(None) => return Ok(()),
                Ok(Some(pause)) => pause,
                // Nobody sees what is stored now, and another daemon may have the new file.
                Err(error @ StoreError::Replaced { .. }) => {
                    tracing::error!(%error, "stopping: restart parserd on the database that it is to use");
                    self.drain(stop).await;
                    return Err(error);
                }
                Err(error) => {
                    self.log_database_error(&error);
                    // A change that was reported lost may have been stored.
                    self.lifted.clear();
                    self.agenda.look_at_all();
                    STORE_PAUSE
                }
            };
            let pause = self.pausing(pause);
            tokio::select! {
                biased;
                Some(joined) = self.tasks.join_next_with_id() => self.joined(joined),
                () = nudge.notified() => self.is_nudged = true,
                () = self.worker.clock.sleep(pause) => {}
                // Its sender's end ends the loop with the next look at it.
                _ = stop.changed() => {}
            }
            while let Some(joined) = self.tasks.try_join_next_with_id() {
                self.joined(joined);
            }
        }
        self.drain(stop).await;
        Ok(())
    }

    /// Starts what can be started. Returns how long nothing more will be due, or
    /// none if the daemon is done.
    async fn round(&mut self) -> Result<Option<Duration>, StoreError> {
        self.heartbeat
            .store(self.worker.clock.now(), Ordering::Relaxed);
        self.worker.store.still_has_its_file()?;
        self.count_down().await?;
        if let Some(resume_at) = self.resume_at {
            let left_ms = resume_at.saturating_sub(self.worker.clock.now());
            if left_ms > 0 {
                return Ok(Some(Duration::from_millis(left_ms.unsigned_abs())));
            }
            self.resume_at = None;
        }
        if let Some(step_ms) = self.worker.clock.step() {
            // Tasks under way hold times from before: each ends first, in its own time.
            if !self.tasks.is_empty() {
                return Ok(Some(Duration::MAX));
            }
            self.take_step(step_ms).await?;
            self.heartbeat
                .store(self.worker.clock.now(), Ordering::Relaxed);
        }
        if self.is_nudged {
            self.rescan().await?;
            self.is_nudged = false;
        }
        self.adopt_orphans().await?;
        self.redate_creates().await?;
        if self.worker.account.budget_is_stale(self.worker.clock.now()) {
            self.recount().await?;
        }
        self.announce_budget().await?;
        self.set_free().await?;
        let max_requests = self.worker.account.max_requests();
        self.worker.metrics.limited(max_requests);
        let until = self.start_all().await?;
        // Whoever releases a hold nudges the loop, which asks again.
        let is_busy = !self.tasks.is_empty() || !self.orphans.is_empty() || self.holds.any();
        if !is_busy {
            self.announce_rest().await?;
            if self.is_done().await? {
                return Ok(None);
            }
        }
        Ok(Some(self.pause(until)))
    }

    /// CREATING jobs that no worker has: their creates are in doubt.
    async fn adopt_orphans(&mut self) -> Result<(), StoreError> {
        while let Some(id) = self.orphans.last().copied() {
            if let Some(mut job) = self.worker.store.job(id).await? {
                self.worker
                    .handle_event(&mut job, Event::Interrupted)
                    .await?;
            }
            self.orphans.pop();
            self.leased.remove(&id);
            self.agenda.look_at_all();
        }
        Ok(())
    }

    /// Sets free what was parked for a reason that holds no longer.
    async fn set_free(&mut self) -> Result<(), StoreError> {
        let now = self.worker.clock.now();
        self.worker.account.end_budget_hold(now);
        let lifted = self.worker.account.lifted(now);
        if lifted.iter().any(|reason| !self.lifted.contains(reason)) {
            // Of those that were lifted before, some may be left.
            return self.free(lifted).await;
        }
        self.lifted = lifted;
        Ok(())
    }

    /// Sets some more of them free.
    async fn free_held(&mut self) -> Result<(), StoreError> {
        self.free(self.lifted.clone()).await
    }

    /// Somebody else committed: there may be jobs, changed jobs, an opened gate.
    async fn rescan(&mut self) -> Result<(), StoreError> {
        self.agenda.look_at_all();
        self.look_for_rest();
        for task in self.running.values_mut() {
            task.is_overtaken = true;
        }
        let dated = self.worker.store.date_now(self.worker.clock.now()).await?;
        if dated > 0 {
            tracing::warn!(
                jobs = dated,
                "jobs are dated later than now, by a clock that is or was ahead, and wait for no \
                 run_at: they are due at once"
            );
        }
        operate::take_in(
            &self.worker.store,
            &self.worker.policy,
            self.worker.clock.now(),
        )
        .await?;
        // Claimed ones wait behind new ones of a higher priority.
        self.unclaim_creates();
        self.worker.account.others_committed();
        if self.worker.account.reload(&self.worker.store).await? {
            self.lifted.clear();
            self.worker.lists.succeeded();
        }
        Ok(())
    }

    /// Counts anew what was spent, if no create of this process is between its
    /// reservation and its record.
    async fn recount(&mut self) -> Result<(), StoreError> {
        // Reconciling refunds: what it has committed and not yet told would count twice.
        if self.running_in(Lane::Create) + self.running_in(Lane::Reconcile) == 0 {
            let now = self.worker.clock.now();
            self.worker.account.recount(&self.worker.store, now).await?;
        }
        Ok(())
    }
}

/// Nudges the daemon at every commit of another program.
async fn watch_commits(mut commits: impl Commits, nudge: Arc<Notify>) {
    loop {
        match commits.next().await {
            Ok(()) => nudge.notify_one(),
            // The next round says so, and is the last.
            Err(StoreError::Replaced { .. }) => return nudge.notify_one(),
            Err(error) => {
                tracing::error!(%error, "cannot look for other programs' commits: tried again");
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
    }
}
