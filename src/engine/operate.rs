//! What happens to many jobs at once: an operator's word (retry, resume, cancel, from the command
//! line or from the page, and what was said by SQL), the end of what jobs waited for, rows that
//! could never go on. [`decide`] says what follows from it.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    core::{
        job::{Job, JobId, JobState, ParkReason, UnixMs},
        lifecycle::{Event, Policy, Transition, decide},
    },
    store::{Applied, Intent, JobStore, ParkedFirst, StoreError},
};

/// How many changes are on their way to the store at once: it commits them in groups.
const AT_ONCE: usize = 256;

/// How many jobs are read at once.
const STEP: usize = 1_000;

/// What an operator may want of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorAction {
    /// FAILED and PARKED jobs are tried again.
    Retry,
    /// PARKED jobs go on.
    Resume,
    /// QUEUED, PARKED and FAILED jobs are called off.
    Cancel,
}

impl OperatorAction {
    /// The states from which it is possible.
    pub const fn states(self) -> &'static [JobState] {
        match self {
            Self::Retry => &[JobState::Parked, JobState::Failed],
            Self::Resume => &[JobState::Parked],
            Self::Cancel => &[JobState::Queued, JobState::Parked, JobState::Failed],
        }
    }

    const fn event(self) -> Event {
        match self {
            Self::Retry | Self::Resume => Event::Retried,
            Self::Cancel => Event::Cancelled,
        }
    }
}

/// Does what an operator wants with those of these jobs with which it is possible; returns which
/// it was. Each job for itself.
///
/// # Errors
/// Whatever the store says; what was changed before stays so.
pub async fn operate<D: JobStore>(
    store: &D,
    policy: &Policy,
    action: OperatorAction,
    ids: &[JobId],
    now: UnixMs,
) -> Result<Vec<JobId>, StoreError> {
    match action {
        // Perhaps no daemon runs.
        OperatorAction::Retry | OperatorAction::Resume => {
            take_in(store, policy, now).await?;
        }
        // A job that is called off needs none of it, and once taken in it may be under way.
        OperatorAction::Cancel => {}
    }
    let mut changed = Vec::new();
    for step in ids.chunks(STEP) {
        let mut jobs = store.jobs(step).await?;
        jobs.retain(|job| action.states().contains(&job.progress.state));
        changed.extend(handle_each(store, policy, jobs, &action.event(), now).await?);
    }
    Ok(changed)
}

/// Takes in what was said of jobs by SQL, before anything else is made of them.
///
/// # Errors
/// Whatever the store says; what was taken in before stays so.
pub async fn take_in<D: JobStore>(
    store: &D,
    policy: &Policy,
    now: UnixMs,
) -> Result<usize, StoreError> {
    let mut taken_in = 0;
    loop {
        let jobs = store.requested(STEP).await?;
        if jobs.is_empty() {
            return Ok(taken_in);
        }
        let step = handle_each(store, policy, jobs, &Event::TakenIn, now).await?;
        taken_in += step.len();
        // What moved on meanwhile is looked at when its change is noticed.
        if step.is_empty() {
            return Ok(taken_in);
        }
    }
}

/// What came of setting parked jobs free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lifted {
    /// How many go on.
    pub jobs: usize,
    /// Others were changed meanwhile, or something was said of them: whoever said it nudges the
    /// daemon, and then they are to be looked at again.
    pub are_some_left: bool,
}

/// Jobs that are PARKED for `reason`, which holds no longer, go on: at most so many.
///
/// # Errors
/// Whatever the store says; those that were set free before stay so.
pub async fn lift<D: JobStore>(
    store: &D,
    policy: &Policy,
    reason: ParkReason,
    first: ParkedFirst,
    limit: usize,
    now: UnixMs,
) -> Result<Lifted, StoreError> {
    let mut lifted = Lifted::default();
    while lifted.jobs < limit {
        let jobs = store
            .parked(reason, first, STEP.min(limit - lifted.jobs))
            .await?;
        let found = jobs.len();
        let step = handle_each(store, policy, jobs, &Event::Lifted, now).await?;
        lifted.jobs += step.len();
        if step.is_empty() {
            lifted.are_some_left = found > 0;
            break;
        }
    }
    Ok(lifted)
}

/// At a start: what a process that died had not recorded yet of accounts that are one, and the
/// creates in doubt of those that are asked again.
///
/// # Errors
/// Whatever the store says; what was recorded before stays so.
pub async fn look_at_accounts<D: JobStore>(
    store: &D,
    policy: &Policy,
    now: UnixMs,
) -> Result<(), StoreError> {
    store.join_adopted().await?;
    take_up(store, policy, now).await?;
    Ok(())
}

/// Creates in doubt whose account is asked again are looked for in its list. Returns how many.
///
/// # Errors
/// Whatever the store says; those that were taken up before stay so.
pub async fn take_up<D: JobStore>(
    store: &D,
    policy: &Policy,
    now: UnixMs,
) -> Result<usize, StoreError> {
    let mut taken_up = 0;
    loop {
        let jobs = store.doubts_of_account_back(STEP).await?;
        let step = handle_each(store, policy, jobs, &Event::AccountBack, now).await?;
        taken_up += step.len();
        if step.is_empty() {
            break;
        }
    }
    if taken_up > 0 {
        tracing::info!(
            jobs = taken_up,
            "the account of creates in doubt is asked again: they are looked for in its list"
        );
    }
    Ok(taken_up)
}

/// Ends every job that could never go on, as it got in past the store's rules.
///
/// # Errors
/// Whatever the store says; those that were ended before stay so.
pub async fn end_broken<D: JobStore>(
    store: &D,
    policy: &Policy,
    now: UnixMs,
) -> Result<(), StoreError> {
    let mut ended = 0;
    loop {
        let before = ended;
        for (job, how) in store.broken(STEP).await? {
            let is_ended = handle_event(store, policy, job, Event::Broken(how), now).await?;
            ended += usize::from(is_ended.is_some());
        }
        if ended == before {
            break;
        }
    }
    if ended > 0 {
        tracing::warn!(
            jobs = ended,
            "rows were changed past the database's rules: they are FAILED now, or whole again"
        );
    }
    Ok(())
}

/// The event happens to each of these jobs; returns to which of them.
async fn handle_each<D: JobStore>(
    store: &D,
    policy: &Policy,
    jobs: Vec<Job>,
    event: &Event,
    now: UnixMs,
) -> Result<Vec<JobId>, StoreError> {
    let done = stream::iter(jobs)
        .map(|job| handle_event(store, policy, job, event.clone(), now))
        .buffer_unordered(AT_ONCE);
    let done: Vec<_> = done.try_collect().await?;
    Ok(done.into_iter().flatten().collect())
}

/// Stores what an event makes of a job; none where the job moved on, or the event is not for it.
async fn handle_event<D: JobStore>(
    store: &D,
    policy: &Policy,
    job: Job,
    event: Event,
    now: UnixMs,
) -> Result<Option<JobId>, StoreError> {
    let Transition::Change(change) = decide(&job, event, policy, now, 0.0) else {
        return Ok(None);
    };
    let applied = store.apply(&job, &change, Intent::default(), now).await?;
    let is_stored = matches!(applied, Applied::Durable { .. });
    Ok(is_stored.then_some(job.id))
}
