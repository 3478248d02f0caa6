//! One look at the database for all who ask at about the same time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};

use crate::{
    clock::Clock,
    core::budget::Spent,
    core::gate::{Closure, Scope},
    core::job::{DurationMs, JobState, ParkReason, UnixMs},
    core::oddities::AccountFacts,
    core::progress::{Mark, Marks, Throughput},
    core::spending::{SpendingBy, bounded},
    core::trend::{Closing, closings},
    store::{
        Facts as _, JobStore, Store, StoreError,
        figures::{CreateCounts, EndedCounts, FailureGroup, FileSizes},
        foresight::Foresight,
        parsers::QualityCounts,
        report::Counts,
        trend::BatchEndings,
    },
};

/// For how many UTC days it is told what was spent.
const DAYS: i64 = 14;

/// A look is good for so many times what it took: looks then take a fiftieth of one core,
/// whoever asks how often, and with few jobs what is shown is of this moment.
const SPARING: u32 = 50;

/// How often the batch and the pace are looked at while nobody asks.
const SAMPLING: Duration = Duration::from_secs(15);

/// How many labels and how many hosts are told apart in what was spent: each is a series that a
/// Prometheus keeps.
const SPENDING_KEYS: usize = 50;

/// What the rest of them is counted under.
const OTHER: &str = "other";

/// The key under which the database keeps where the batch begins.
const MARKS: &str = "batch_marks";

/// How things stood at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When.
    pub at: UnixMs,
    /// Jobs by state.
    pub counts: Counts,
    /// Create requests.
    pub creates: CreateCounts,
    /// Parsers by what they are worth.
    pub parsers: QualityCounts,
    /// What they cost.
    pub spent: Spent,
    /// Of that, for fetches of example pages.
    pub spent_on_fetches: i64,
    /// What was foreseen of jobs, and what became of them.
    pub foresight: Foresight,
    /// The closed gates.
    pub gates: Vec<(Scope, Closure)>,
    /// Since when the QUEUED job that has waited longest could be taken.
    pub oldest_ready_at: Option<UnixMs>,
    /// Failures by kind and hint.
    pub failures: Vec<FailureGroup>,
    /// FAILED jobs by `error_kind`.
    pub failed: BTreeMap<String, i64>,
    /// What is odd about the account and its list.
    pub account: AccountFacts,
    /// What the files take.
    pub sizes: FileSizes,
    /// The current batch.
    pub batch: BatchProgress,
}

/// How far the current batch is: what was added or retried since all jobs were last at rest, and
/// older jobs that are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchProgress {
    /// Jobs of it.
    pub total: i64,
    /// Those that wait, are under way, or are held for credits, key or budget.
    pub open: i64,
    /// Of the open ones, those that wait for a time to come, such as that of `run_at`.
    pub later: i64,
    /// Of the open ones, those that are PARKED.
    pub parked: i64,
    /// Those that ended.
    pub ended: EndedCounts,
    /// Its jobs were added or retried after this, save older ones that are open.
    pub after: Mark,
    /// The newest job's id.
    pub newest_id: i64,
    /// How many jobs ended in how long, in the last half hour, where that is known.
    pub pace: Option<(i64, DurationMs)>,
    /// How long the others take at the pace of the last half hour, where it is known.
    pub left_ms: Option<DurationMs>,
}

impl BatchProgress {
    /// Jobs that are worked on, or would be if there were room.
    pub const fn moving(&self) -> i64 {
        self.open - self.later - self.parked
    }
}

/// What credits were spent on: the largest amounts, and the sum of the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpendingFigures {
    /// By key and value of labels.
    pub by_label: BTreeMap<(String, String), i64>,
    /// By host.
    pub by_host: BTreeMap<String, i64>,
}

/// Looks at the database, and remembers.
#[derive(Debug)]
pub struct SnapshotCache {
    store: Store,
    clock: Clock,
    /// What `reconcile.settle_after_error` is.
    settle_ms: DurationMs,
    last: Mutex<Remembered>,
    spending: Mutex<Option<(Arc<SpendingFigures>, Instant, Duration)>>,
    trend: Mutex<Option<(Arc<Trend>, Instant, Duration)>>,
}

/// What the charts show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trend {
    /// The batch that it is of: see [`BatchProgress::after`].
    pub after: Mark,
    /// What ended of the batch.
    pub batch: BatchEndings,
    /// When the gate was closed, oldest first.
    pub closings: Vec<Closing>,
    /// What was spent on each of the last days, oldest first: day since the epoch, credits.
    pub days: Vec<(i64, i64)>,
}

#[derive(Debug, Default)]
struct Remembered {
    last: Option<(Arc<Snapshot>, Instant, Duration)>,
    marks: Option<Marks>,
    /// The marks that the database has, as far as this is known.
    stored_marks: Option<Marks>,
    pace: Throughput,
}

impl Remembered {
    /// Takes in how many jobs have ended, and says what that means for the batch.
    fn measure(
        &mut self,
        batch: &mut BatchProgress,
        counts: &Counts,
        gates: &[(Scope, Closure)],
        now: UnixMs,
    ) {
        let is_held = gates
            .iter()
            .any(|(_, closure)| !closure.reason.is_passing());
        self.pace
            .note(now, counts.ended(), batch.moving() > 0 && !is_held);
        batch.left_ms = self.pace.time_for(batch.moving());
        batch.pace = self.pace.measured();
    }
}

impl SnapshotCache {
    /// Nothing looked at yet.
    pub fn new(store: Store, clock: Clock, settle_after_error_ms: DurationMs) -> Self {
        Self {
            store,
            clock,
            settle_ms: settle_after_error_ms,
            last: Mutex::default(),
            spending: Mutex::default(),
            trend: Mutex::default(),
        }
    }

    /// How things stand, or stood a moment ago. Callers that ask while one is being taken share it.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn get(&self) -> Result<Arc<Snapshot>, StoreError> {
        let mut memory = self.last.lock().await;
        if let Some((snapshot, taken, cost)) = &memory.last
            && is_fresh(taken.elapsed(), *cost)
        {
            return Ok(Arc::clone(snapshot));
        }
        let began = Instant::now();
        let snapshot = Arc::new(self.look(&mut memory).await?);
        memory.last = Some((Arc::clone(&snapshot), Instant::now(), began.elapsed()));
        Ok(snapshot)
    }

    /// What credits were spent on. Apart from [`get`](Self::get): it looks at every job, and only
    /// `/metrics` asks for it.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn spending(&self) -> Result<Arc<SpendingFigures>, StoreError> {
        let mut last = self.spending.lock().await;
        if let Some((figures, taken, cost)) = &*last
            && is_fresh(taken.elapsed(), *cost)
        {
            return Ok(Arc::clone(figures));
        }
        let began = Instant::now();
        let other = || OTHER.to_owned();
        let hosts = self.store.spending(&SpendingBy::Host).await?.into_iter();
        let hosts = hosts.filter(|row| row.credits != 0);
        let hosts = hosts.map(|row| (row.key.unwrap_or_else(other), row.credits));
        let labels = self.store.spent_by_label().await?;
        let figures = Arc::new(SpendingFigures {
            by_label: bounded(labels, SPENDING_KEYS, &(other(), other())),
            by_host: bounded(hosts, SPENDING_KEYS, &other()),
        });
        *last = Some((Arc::clone(&figures), Instant::now(), began.elapsed()));
        Ok(figures)
    }

    /// What the charts show of the batch that `snapshot` is of. Apart from [`get`](Self::get): it
    /// reads thousands of rows, and only the page asks for it.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn trend(&self, snapshot: &Snapshot) -> Result<Arc<Trend>, StoreError> {
        let batch = snapshot.batch;
        let mut last = self.trend.lock().await;
        if let Some((trend, taken, cost)) = &*last
            && trend.after == batch.after
            && is_fresh(taken.elapsed(), *cost)
        {
            return Ok(Arc::clone(trend));
        }
        let began = Instant::now();
        let mut reading = self.store.reading().await?;
        let trend = Arc::new(Trend {
            after: batch.after,
            batch: reading.batch_endings(batch.after, batch.newest_id).await?,
            closings: closings(&reading.gate_events().await?),
            days: reading.spent_by_day(snapshot.at, DAYS).await?,
        });
        reading.end().await?;
        *last = Some((Arc::clone(&trend), Instant::now(), began.elapsed()));
        Ok(trend)
    }

    /// What was remembered is not good any more: somebody changed something here.
    pub async fn forget(&self) {
        self.last.lock().await.last = None;
        *self.spending.lock().await = None;
        *self.trend.lock().await = None;
    }

    /// Looks now and then, so that batches are told apart and the pace is known when
    /// somebody asks. For ever.
    pub async fn sample(&self) {
        let mut is_logged = false;
        loop {
            if let Err(error) = self.get().await {
                tracing::debug!(%error, "http.listen: cannot look at the jobs");
            }
            match self.store_marks().await {
                Ok(()) => is_logged = false,
                Err(error) if is_logged => {
                    tracing::debug!(%error, "http.listen: still cannot store where the batch begins");
                }
                Err(error) => {
                    is_logged = true;
                    tracing::warn!(
                        %error,
                        "http.listen: cannot store where the batch begins: after a restart the page may count another"
                    );
                }
            }
            tokio::time::sleep(SAMPLING).await;
        }
    }

    /// Not a part of any look: who looks must get an answer also where nothing can be
    /// written, and without waiting for anyone who holds the write lock.
    async fn store_marks(&self) -> Result<(), StoreError> {
        let (marks, stored) = {
            let memory = self.last.lock().await;
            (memory.marks, memory.stored_marks)
        };
        if let Some(marks) = marks.filter(|_| marks != stored) {
            self.store.set_meta(MARKS, marks.to_text()).await?;
            self.last.lock().await.stored_marks = Some(marks);
        }
        Ok(())
    }

    async fn look(&self, memory: &mut Remembered) -> Result<Snapshot, StoreError> {
        let before = match memory.marks {
            Some(marks) => marks,
            None => {
                let text = self.store.meta(MARKS).await?;
                memory.stored_marks = text.as_deref().map(Marks::from_text);
                memory.stored_marks.unwrap_or_default()
            }
        };
        let now = self.clock.now();
        let mut reading = self.store.reading().await?;
        let counts = reading.counts().await?;
        let open = open(&counts);
        let newest = reading.newest().await?;
        let marks = before.seen(open, newest);
        let gates = reading.gates().await?;
        let ended = reading.ended_after(marks.after).await?;
        let mut batch = BatchProgress {
            total: open + ended.all(),
            open,
            later: reading.waiting_for_time(now).await?,
            parked: counts.of(JobState::Parked) - ambiguous(&counts),
            ended,
            after: marks.after,
            newest_id: newest.job,
            pace: None,
            left_ms: None,
        };
        let creates = reading.create_counts().await?;
        let parsers = reading.parsers().await?;
        let spent = reading.spent(now).await?;
        let spent_on_fetches = reading.spent_on_fetches().await?;
        let foresight = reading.foresight().await?;
        let oldest_ready_at = reading.oldest_ready(now).await?;
        let failures = reading.failures().await?;
        let failed = reading.failed_jobs().await?;
        reading.end().await?;
        memory.marks = Some(marks);
        memory.measure(&mut batch, &counts, &gates, now);
        Ok(Snapshot {
            at: now,
            counts,
            creates,
            parsers,
            spent,
            spent_on_fetches,
            foresight,
            gates,
            oldest_ready_at,
            failures,
            failed,
            account: self.store.account_facts(self.settle_ms, now).await?,
            sizes: self.store.file_sizes(),
            batch,
        })
    }
}

/// Jobs that are not at rest. What only a person can settle is.
fn open(counts: &Counts) -> i64 {
    let of = |states: &[JobState]| states.iter().map(|state| counts.of(*state)).sum::<i64>();
    of(&[
        JobState::Queued,
        JobState::Creating,
        JobState::Generating,
        JobState::Parked,
    ]) - ambiguous(counts)
}

fn ambiguous(counts: &Counts) -> i64 {
    let found = counts.parked.get(&ParkReason::Ambiguous);
    found.copied().unwrap_or(0)
}

fn is_fresh(age: Duration, cost: Duration) -> bool {
    age < cost.saturating_mul(SPARING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_took_long_is_good_for_longer() {
        let ms = Duration::from_millis;
        for (age, cost, fresh) in [
            (ms(0), ms(0), false),
            (ms(49), ms(1), true),
            (ms(50), ms(1), false),
            (ms(9_999), ms(200), true),
            (ms(10_000), ms(200), false),
        ] {
            assert_eq!(is_fresh(age, cost), fresh, "{age:?} {cost:?}");
        }
    }

    #[test]
    fn what_only_a_person_can_settle_keeps_no_batch_open() {
        let mut counts = Counts::default();
        counts.states.insert(JobState::Parked, 5);
        counts.states.insert(JobState::Generating, 2);
        counts.states.insert(JobState::Failed, 9);
        counts.parked.insert(ParkReason::Ambiguous, 2);
        assert_eq!(open(&counts), 5);
    }
}
