//! What the engine asks of a store of jobs: one trait a subject. `sqlite` is the store that
//! daemons use, `memory` the model that it is held against.

mod announcements;
mod fetches;
mod ledger;
mod manifest;
mod parses;
mod people;
mod updates;
mod values;

use std::{fmt::Debug, future::Future};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::StoreError;
use crate::core::{
    gate::{Closure, Scope},
    job::{DurationMs, Job, JobId, JobState, ParkReason, UnixMs},
    lifecycle::Change,
    oddities::{self, Lag},
};

pub use announcements::Announcements;
pub use fetches::{ANSWERS, FetchId, FetchIntent, Fetches, Foreknown, HOST_LOOKS_BACK};
pub use ledger::{Accounts, Ledger, Strangers};
pub use manifest::{Applying, Editing, Extent, JobEdit, Left, Made, Manifest};
pub use parses::{Judging, ParseId, ParseIntent, Parses, Unjudged};
pub use people::{Conflict, Pruning, Submissions, Submitted};
pub use updates::{PendingUpdate, Target, Updates};
pub use values::{
    Applied, Asked, BATCH, BUDGET_SHARES, CREATES_HOLD, ChangeRecord, ELSEWHERE, Fact, Found,
    Holder, Intent, LAST_POST, LIST_LAG, LIST_REPORT, Lane, NO_LIST, Order, ParkedFirst, QueuedJob,
    RESTORED, RUNNING,
};

/// A store of jobs, for the one daemon that has it. Cloning it shares it.
pub trait JobStore:
    Queue
    + Changes
    + Parses
    + Fetches
    + Updates
    + Manifest
    + Times
    + Ledger
    + Accounts
    + Strangers
    + Gates
    + Facts
    + Announcements
    + Clone
    + Debug
    + 'static
{
    /// Tells of commits by others than this daemon.
    type Commits: Commits;

    /// Starts looking for others' commits.
    ///
    /// # Errors
    /// Whatever the store says.
    fn commits(&self) -> impl Future<Output = Result<Self::Commits, StoreError>> + Send;

    /// Whether it is still the one that was opened, and what is stored is seen by others. Cheap.
    ///
    /// # Errors
    /// [`StoreError::Replaced`], which does not pass by itself.
    fn still_has_its_file(&self) -> Result<(), StoreError>;

    /// What it is, for a message.
    fn place(&self) -> String;

    /// What is odd about the account, by the last list that the daemon had.
    ///
    /// # Errors
    /// Whatever the store says.
    fn account_facts(
        &self,
        settle_after_error_ms: DurationMs,
        now: UnixMs,
    ) -> impl Future<Output = Result<oddities::AccountFacts, StoreError>> + Send {
        async move {
            let lag_samples = self.fact(LIST_LAG).await?.unwrap_or_default();
            Ok(oddities::AccountFacts {
                list: self.fact(LIST_REPORT).await?.unwrap_or_default(),
                unexplained: self.unexplained_of_ledger().await?,
                lag: Lag {
                    shown_within_ms: lag_samples.slowest_ms(settle_after_error_ms, now),
                    settle_after_error_ms,
                    settle_after_error_counts: lag_samples.is_quick(settle_after_error_ms, now),
                },
                elsewhere: self.elsewhere().await?,
                held_until: self.fact(CREATES_HOLD).await?.unwrap_or_default().until(),
            })
        }
    }
}

/// A look for others' commits.
pub trait Commits: Send + 'static {
    /// Waits until somebody else committed since the last call.
    ///
    /// # Errors
    /// Whatever the store says; [`StoreError::Replaced`] as soon as that is noticed.
    fn next(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Which jobs are due, and when the next ones are. One daemon has the store, so a claim is kept
/// in its memory; what a crash must not forget is a state.
pub trait Queue: Send + Sync {
    /// QUEUED jobs that are due at `now`: highest priority first, then longest due.
    ///
    /// # Errors
    /// Whatever the store says.
    fn due_creates(
        &self,
        now: UnixMs,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<QueuedJob>, StoreError>> + Send;

    /// Creates in doubt whose next list is due at `now`, longest due first.
    ///
    /// # Errors
    /// Whatever the store says.
    fn due_doubts(
        &self,
        now: UnixMs,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Job>, StoreError>> + Send;

    /// GENERATING jobs whose next poll is due at `now`, longest due first.
    ///
    /// # Errors
    /// Whatever the store says.
    fn due_polls(
        &self,
        now: UnixMs,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Job>, StoreError>> + Send;

    /// How many GENERATING jobs are due at `now`, counted up to `limit`.
    ///
    /// # Errors
    /// Whatever the store says.
    fn count_due_polls(
        &self,
        now: UnixMs,
        limit: usize,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// As [`due_polls`](Self::due_polls), save those that a list will answer for: without
    /// an error, and due since after `since`.
    ///
    /// # Errors
    /// Whatever the store says.
    fn due_polls_apart(
        &self,
        now: UnixMs,
        since: UnixMs,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Job>, StoreError>> + Send;

    /// Jobs of which an operator said something by SQL that nobody has taken in, by id.
    ///
    /// # Errors
    /// Whatever the store says.
    fn requested(&self, limit: usize) -> impl Future<Output = Result<Vec<Job>, StoreError>> + Send;

    /// Those of these jobs that are there, by id.
    ///
    /// # Errors
    /// Whatever the store says.
    fn jobs(&self, ids: &[JobId]) -> impl Future<Output = Result<Vec<Job>, StoreError>> + Send;

    /// Jobs that are PARKED for `reason` with no create in doubt.
    ///
    /// # Errors
    /// Whatever the store says.
    fn parked(
        &self,
        reason: ParkReason,
        first: ParkedFirst,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Job>, StoreError>> + Send;

    /// Jobs that got in past the store's rules, so that no lane would ever claim them or nothing
    /// of them could be stored, each with how it is broken. One in no known state is read as
    /// PARKED.
    ///
    /// # Errors
    /// Whatever the store says.
    fn broken(
        &self,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(Job, String)>, StoreError>> + Send;

    /// The last jobs that FINISHED, by their ids, oldest first.
    ///
    /// # Errors
    /// Whatever the store says.
    fn last_finished(
        &self,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Job>, StoreError>> + Send;

    /// Jobs found CREATING that no worker of this process sent: for start-up.
    ///
    /// # Errors
    /// Whatever the store says.
    fn interrupted(&self) -> impl Future<Output = Result<Vec<Job>, StoreError>> + Send;

    /// When the next job of a lane falls due after `now`.
    ///
    /// # Errors
    /// Whatever the store says.
    fn next_due(
        &self,
        lane: Lane,
        now: UnixMs,
    ) -> impl Future<Output = Result<Option<UnixMs>, StoreError>> + Send;

    /// How many jobs are CREATING or GENERATING, counted up to `limit`.
    ///
    /// # Errors
    /// Whatever the store says.
    fn under_way(&self, limit: usize) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// Whether any job is in `state`.
    ///
    /// # Errors
    /// Whatever the store says.
    fn any(&self, state: JobState) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Whether any job is PARKED for `reason`.
    ///
    /// # Errors
    /// Whatever the store says.
    fn any_parked(
        &self,
        reason: ParkReason,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// One job by its id.
    ///
    /// # Errors
    /// Whatever the store says.
    fn job(&self, id: JobId) -> impl Future<Output = Result<Option<Job>, StoreError>> + Send;

    /// What a job asks its parser to find; nothing in particular, where the job is gone.
    ///
    /// # Errors
    /// Whatever the store says.
    fn wanted(&self, id: JobId) -> impl Future<Output = Result<Asked, StoreError>> + Send;
}

/// Decisions, made durable.
pub trait Changes: Send + Sync {
    /// Stores a change of `job`, if the job is still on the revision that the change
    /// was decided for; returns when it is durable.
    ///
    /// That a create made a parser is recorded in any case.
    ///
    /// # Errors
    /// Whatever the store says; then nothing was changed.
    fn apply(
        &self,
        job: &Job,
        change: &Change,
        intent: Intent,
        now: UnixMs,
    ) -> impl Future<Output = Result<Applied, StoreError>> + Send;
}

/// Times that wait, after the clock was wrong.
pub trait Times: Send + Sync {
    /// Moves what waits by `step_ms`, by which the clock stepped; it was `before` then.
    /// Once for each `token`: returns by how much it was moved, now or before.
    ///
    /// # Errors
    /// Whatever the store says.
    fn shift_times(
        &self,
        token: String,
        step_ms: DurationMs,
        before: UnixMs,
    ) -> impl Future<Output = Result<DurationMs, StoreError>> + Send;

    /// At the start of a process: nobody knows what the clock did since the last one.
    /// What a clock ahead of this one touched is moved back to `now`, and the time in
    /// which nobody looked does not count as time in which a create was absent, or a parser
    /// was generated.
    ///
    /// # Errors
    /// Whatever the store says; then nothing was moved.
    fn resume_times(&self, now: UnixMs) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes due what a clock dated which is or was ahead of this one, another machine's or
    /// this one's: QUEUED jobs that wait for no `run_at`, and what waits for a list or a poll.
    /// Returns how many jobs it was.
    ///
    /// # Errors
    /// Whatever the store says; then none was changed.
    fn date_now(&self, now: UnixMs) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// The closed gates, and the jobs that wait behind them.
pub trait Gates: Send + Sync {
    /// The closed gates.
    ///
    /// # Errors
    /// Whatever the store says.
    fn gates(&self) -> impl Future<Output = Result<Vec<(Scope, Closure)>, StoreError>> + Send;

    /// Stores a gate: closed, or open.
    ///
    /// # Errors
    /// Whatever the store says.
    fn set_gate(
        &self,
        scope: Scope,
        closure: Option<Closure>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Stores a change of a gate that is closed in the database; false, and nothing
    /// stored, if an operator has opened it there.
    ///
    /// # Errors
    /// Whatever the store says.
    fn update_gate(
        &self,
        scope: Scope,
        closure: Closure,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Status and text of the rejections for which jobs are PARKED as the account's, other
    /// than for want of credits.
    ///
    /// # Errors
    /// Whatever the store says.
    fn held_rejections(
        &self,
    ) -> impl Future<Output = Result<Vec<(u16, String)>, StoreError>> + Send;
}

/// What a daemon keeps for the next one and for whoever looks, each under a key.
pub trait Facts: Send + Sync {
    /// The value of a key of the daemon's own.
    ///
    /// # Errors
    /// Whatever the store says.
    fn meta(&self, key: &str) -> impl Future<Output = Result<Option<String>, StoreError>> + Send;

    /// Sets a key of the daemon's own.
    ///
    /// # Errors
    /// Whatever the store says.
    fn set_meta(
        &self,
        key: &'static str,
        value: String,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The value of a fact; none where there is none, or none that this version can read: it was
    /// not written by this version, and is said anew.
    ///
    /// # Errors
    /// Whatever the store says.
    fn fact<T: DeserializeOwned>(
        &self,
        fact: Fact<T>,
    ) -> impl Future<Output = Result<Option<T>, StoreError>> + Send {
        async move {
            let text = self.meta(fact.key).await?;
            Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
        }
    }

    /// Keeps a fact.
    ///
    /// # Errors
    /// Whatever the store says.
    fn keep<T: Serialize + Sync>(
        &self,
        fact: Fact<T>,
        value: &T,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        let text = json!(value).to_string();
        self.set_meta(fact.key, text)
    }
}
