//! One look at the database for all who ask at about the same time.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};

use crate::{
    budget::Spent,
    clock::Clock,
    gate::{Closure, Scope},
    job::{DurationMs, JobState, ParkReason, UnixMs},
    progress::{Marks, Pace},
    store::{
        Store, StoreError,
        figures::{CreateCounts, FailureGroup, FileSizes},
        report::Counts,
    },
};

/// A look is good for so many times what it took: looks then take a fiftieth of one core,
/// whoever asks how often, and with few jobs what is told is of this moment.
const SPARING: u32 = 50;

/// How often the batch and the pace are looked at while nobody asks.
const SAMPLING: Duration = Duration::from_secs(15);

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
    /// What they cost.
    pub spent: Spent,
    /// The closed gates.
    pub gates: Vec<(Scope, Closure)>,
    /// Since when the QUEUED job that has waited longest could be taken.
    pub oldest_ready_at: Option<UnixMs>,
    /// Failures by kind and hint.
    pub failures: Vec<FailureGroup>,
    /// What the files take.
    pub sizes: FileSizes,
    /// The current batch.
    pub batch: Batch,
}

/// How far the current batch is: what was added since all jobs were last at rest, and
/// older jobs that are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Jobs of it.
    pub total: i64,
    /// Those that wait, are under way, or are held for credits, key or budget.
    pub open: i64,
    /// How long the open ones take at the pace of the last half hour, where it is known.
    pub left_ms: Option<DurationMs>,
}

/// Looks at the database, and remembers.
#[derive(Debug)]
pub struct Looks {
    store: Store,
    clock: Clock,
    last: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    last: Option<(Arc<Snapshot>, Instant, Duration)>,
    marks: Option<Marks>,
    pace: Pace,
}

impl Looks {
    /// Nothing looked at yet.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            last: Mutex::default(),
        }
    }

    /// How things stand, or stood a moment ago. Who asks while another looks gets the same.
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

    /// What was remembered is not good any more: somebody changed something here.
    pub async fn forget(&self) {
        self.last.lock().await.last = None;
    }

    /// Looks now and then, so that batches are told apart and the pace is known when
    /// somebody asks. For ever.
    pub async fn sample(&self) {
        loop {
            if let Err(error) = self.get().await {
                tracing::debug!(%error, "http.listen: cannot look at the jobs");
            }
            tokio::time::sleep(SAMPLING).await;
        }
    }

    async fn look(&self, memory: &mut Memory) -> Result<Snapshot, StoreError> {
        let store = &self.store;
        let now = self.clock.now();
        let counts = store.counts().await?;
        let open = open(&counts);
        let before = match memory.marks {
            Some(marks) => marks,
            None => store
                .meta(MARKS)
                .await?
                .map_or_else(Marks::default, |text| Marks::from_text(&text)),
        };
        let marks = before.seen(open, store.newest_id().await?);
        if marks != before {
            store.set_meta(MARKS, marks.to_text()).await?;
        }
        memory.marks = Some(marks);
        let ended = [JobState::Finished, JobState::Failed, JobState::Cancelled]
            .iter()
            .map(|state| counts.of(*state))
            .sum();
        memory.pace.note(now, ended);
        Ok(Snapshot {
            at: now,
            creates: store.create_counts().await?,
            spent: store.spent(now).await?,
            gates: store.gates().await?,
            oldest_ready_at: store.oldest_ready(now).await?,
            failures: store.failures().await?,
            sizes: store.file_sizes(),
            batch: Batch {
                total: open + store.ended_after(marks.after).await?,
                open,
                left_ms: memory.pace.time_for(open),
            },
            counts,
        })
    }
}

/// Jobs that are not at rest. What only a person can settle is.
fn open(counts: &Counts) -> i64 {
    let of = |states: &[JobState]| states.iter().map(|state| counts.of(*state)).sum::<i64>();
    let ambiguous = counts.parked.get(&ParkReason::Ambiguous).unwrap_or(&0);
    of(&[
        JobState::Queued,
        JobState::Creating,
        JobState::Generating,
        JobState::Parked,
    ]) - ambiguous
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
