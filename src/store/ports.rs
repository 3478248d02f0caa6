//! What the engine asks of a store of jobs: one trait a subject. `sqlite` is the store that
//! daemons use, `memory` the model that it is held against.

use std::{collections::HashSet, fmt::Debug, future::Future, marker::PhantomData};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::StoreError;
use crate::core::{
    blind::NoListSince,
    budget::{Redated, Spent},
    gate::{Closure, Scope},
    job::{DurationMs, Job, JobId, JobState, ParkReason, ParserId, UnixMs},
    ledger::{Elsewhere, KnownParser, LedgerFacts},
    lifecycle::Change,
    list_lag::Evidence,
    listing::Listing,
    oddities::{self, CreatesHold, Lag, ListReport, Unexplained},
    outcome::ListedParser,
    restored::Restored,
    spec::JobSpec,
};

/// A store of jobs, for the one daemon that has it. Cloning it shares it.
pub trait JobStore:
    Queue + Changes + Times + Ledger + Accounts + Strangers + Gates + Facts + Clone + Debug + 'static
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
            let evidence = self.fact(LIST_LAG).await?.unwrap_or_default();
            Ok(oddities::AccountFacts {
                list: self.fact(LIST_REPORT).await?.unwrap_or_default(),
                unexplained: self.unexplained_of_ledger().await?,
                lag: Lag {
                    shown_within_ms: evidence.slowest_ms(),
                    settle_after_error_ms,
                    settle_after_error_counts: evidence.is_quick(settle_after_error_ms, now),
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

/// A QUEUED job with what it asks for, or why that cannot be read.
#[derive(Debug, Clone)]
pub struct QueuedJob {
    /// The job.
    pub job: Job,
    /// Its specification, or the rules that its row breaks.
    pub spec: Result<JobSpec, String>,
}

/// The states that wait for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// QUEUED, for a create.
    Create,
    /// CREATING in doubt, for a list.
    Reconcile,
    /// GENERATING, for a poll.
    Poll,
}

/// What an intent records beside the job's own progress.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intent {
    /// What the create is taken to cost.
    pub credits: i64,
    /// When it was set aside in the budget: on that day it is counted.
    pub sent_at: UnixMs,
    /// The parsers that bore the name before.
    pub baseline: Vec<ParserId>,
    /// Of a change that is no intent: that the parser which it adopts was paid for.
    pub found: Option<Found>,
}

/// A parser that was paid for, and of which the ledger has no create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// What it is taken to have cost.
    pub credits: i64,
    /// When it was made: on that day it is counted.
    pub made_at: UnixMs,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It is durable.
    Durable {
        /// A create that turned out to have made nothing: its credits and when they count
        /// as spent. Negative credits where one that counted as such made a parser after all.
        refund: Option<(i64, UnixMs)>,
    },
    /// The job moved on meanwhile; nothing was changed. An outcome, not an error.
    Stale,
}

/// A job that holds a parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The job.
    pub id: JobId,
    /// Its parser.
    pub parser_id: ParserId,
    /// Whether it waits for it.
    pub is_generating: bool,
}

/// Why a list says nothing of a create; part of what a job that is PARKED for it says.
pub const ELSEWHERE: &str = "the create was sent at another address or with another API key, and \
    no parser of that account was seen here";

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

/// What is on record of creates and parsers.
pub trait Ledger: Send + Sync {
    /// What is recorded of the creates of `remote_name`.
    ///
    /// # Errors
    /// Whatever the store says.
    fn ledger(
        &self,
        remote_name: &str,
    ) -> impl Future<Output = Result<LedgerFacts, StoreError>> + Send;

    /// Which of `ids` other jobs than `but` hold. A CANCELLED job holds none.
    ///
    /// # Errors
    /// Whatever the store says.
    fn claimed(
        &self,
        ids: &[ParserId],
        but: JobId,
    ) -> impl Future<Output = Result<HashSet<ParserId>, StoreError>> + Send;

    /// Which of `ids` are not for `job`: other jobs hold them, or a person said so.
    ///
    /// # Errors
    /// Whatever the store says.
    fn excluded(
        &self,
        ids: &[ParserId],
        job: &Job,
    ) -> impl Future<Output = Result<HashSet<ParserId>, StoreError>> + Send {
        async move {
            let mut excluded = self.claimed(ids, job.id).await?;
            excluded.extend(job.progress.dismissed.iter().cloned());
            Ok(excluded)
        }
    }

    /// Whether another job than `job` holds this parser, or a create of another name than
    /// `remote_name` made it.
    ///
    /// # Errors
    /// Whatever the store says.
    fn is_anothers(
        &self,
        id: &ParserId,
        job: JobId,
        remote_name: &str,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Which jobs hold these parsers. A CANCELLED job holds none.
    ///
    /// # Errors
    /// Whatever the store says.
    fn holders(
        &self,
        ids: &[&ParserId],
    ) -> impl Future<Output = Result<Vec<Holder>, StoreError>> + Send;

    /// Parsers that the account is known to hold: the newest and the oldest ones.
    ///
    /// # Errors
    /// Whatever the store says.
    fn known_parsers(&self) -> impl Future<Output = Result<Vec<KnownParser>, StoreError>> + Send;

    /// The parsers of which the service said 404.
    ///
    /// # Errors
    /// Whatever the store says.
    fn gone_parsers(&self) -> impl Future<Output = Result<HashSet<ParserId>, StoreError>> + Send;

    /// Records that a parser which was gone is there again.
    ///
    /// # Errors
    /// Whatever the store says.
    fn mark_found(&self, id: ParserId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Records that the service says 404 to this parser.
    ///
    /// # Errors
    /// Whatever the store says.
    fn mark_gone(
        &self,
        id: ParserId,
        now: UnixMs,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The names under which creates of this job are on record, the newest first.
    ///
    /// # Errors
    /// Whatever the store says.
    fn sent_names(&self, id: JobId)
    -> impl Future<Output = Result<Vec<String>, StoreError>> + Send;

    /// The credits of every create not known to have made nothing, by the UTC day of `now`.
    ///
    /// # Errors
    /// Whatever the store says.
    fn spent(&self, now: UnixMs) -> impl Future<Output = Result<Spent, StoreError>> + Send;

    /// From now on, creates that are dated later than `after` count as spent at `now`: a
    /// clock that was ahead dated them. Returns which they were.
    ///
    /// # Errors
    /// Whatever the store says; then none was changed.
    fn count_redated(
        &self,
        now: UnixMs,
        after: UnixMs,
    ) -> impl Future<Output = Result<Redated, StoreError>> + Send;

    /// When a daemon last did something that this database knows of; 0 where there is no such
    /// thing. What people and other programs do is no matter: they may have done it since the
    /// copy was put in place.
    ///
    /// # Errors
    /// Whatever the store says.
    fn knows_until(&self) -> impl Future<Output = Result<UnixMs, StoreError>> + Send;
}

/// Which account parsers and creates belong to: the one that is asked now, or another that was
/// asked before, at another address or with another key.
pub trait Accounts: Send + Sync {
    /// The service is asked at the address and with the key for which `fingerprint` stands.
    /// Returns whether it was another one the last time.
    ///
    /// # Errors
    /// Whatever the store says.
    fn begin_epoch(
        &self,
        fingerprint: String,
        now: UnixMs,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Whether any account was ever recorded.
    ///
    /// # Errors
    /// Whatever the store says.
    fn has_epochs(&self) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Whether this parser is known from another account, and not from this one.
    ///
    /// # Errors
    /// Whatever the store says.
    fn is_foreign(&self, id: &ParserId) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The names that were sent for a parser, by creates that made it or by jobs that hold it;
    /// none for one that a person chose, whatever its name is.
    ///
    /// # Errors
    /// Whatever the store says.
    fn names_sent_for(
        &self,
        id: &ParserId,
    ) -> impl Future<Output = Result<Vec<Option<String>>, StoreError>> + Send;

    /// The newest parsers that are known from other accounts.
    ///
    /// # Errors
    /// Whatever the store says.
    fn foreign_parsers(&self) -> impl Future<Output = Result<Vec<ParserId>, StoreError>> + Send;

    /// This parser, known from another account, is seen in the current one: they are one.
    /// Returns how many creates in doubt are looked for again for that.
    ///
    /// # Errors
    /// Whatever the store says.
    fn join_accounts(
        &self,
        seen: ParserId,
        now: UnixMs,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// What belongs to accounts that are not asked now; none where nothing does.
    ///
    /// # Errors
    /// Whatever the store says.
    fn elsewhere(&self) -> impl Future<Output = Result<Option<Elsewhere>, StoreError>> + Send;
}

/// Parsers of the account's lists that nothing in the store explains.
pub trait Strangers: Send + Sync {
    /// Records those of `listed` that no job holds and no create made, save those that
    /// bear another database's tag: it knows them.
    ///
    /// # Errors
    /// Whatever the store says; what was recorded before stays so.
    fn meet(
        &self,
        listed: &[&ListedParser],
        listing: &Listing,
        now: UnixMs,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Forgets strangers that are gone from the account.
    ///
    /// # Errors
    /// Whatever the store says.
    fn part_from(&self, ids: Vec<ParserId>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The parsers that nothing explains, that bear no tag of the ledger, and that no list
    /// showed before this create was on record.
    ///
    /// # Errors
    /// Whatever the store says.
    fn strangers_since(
        &self,
        create_id: i64,
    ) -> impl Future<Output = Result<Vec<ParserId>, StoreError>> + Send;

    /// The ids of all strangers.
    ///
    /// # Errors
    /// Whatever the store says.
    fn met(&self) -> impl Future<Output = Result<HashSet<ParserId>, StoreError>> + Send;

    /// The strangers that bear a name of the ledger, save those that a create under way or in
    /// doubt may have made.
    ///
    /// # Errors
    /// Whatever the store says.
    fn unexplained_of_ledger(&self)
    -> impl Future<Output = Result<Unexplained, StoreError>> + Send;
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

    /// Sets jobs that are PARKED for `reason` back to QUEUED, at most `limit` of
    /// them, in bounded steps. Returns how many.
    ///
    /// # Errors
    /// Whatever the store says; what was set free before stays so.
    fn unpark(
        &self,
        reason: ParkReason,
        limit: i64,
        now: UnixMs,
    ) -> impl Future<Output = Result<i64, StoreError>> + Send;

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

/// Something of which a daemon keeps one value, as JSON.
#[derive(Debug)]
pub struct Fact<T> {
    key: &'static str,
    value: PhantomData<fn() -> T>,
}

impl<T> Fact<T> {
    const fn new(key: &'static str) -> Self {
        Self {
            key,
            value: PhantomData,
        }
    }
}

/// How soon lists showed new parsers.
pub const LIST_LAG: Fact<Evidence> = Fact::new("list_lag");
/// What the last list said of itself.
pub const LIST_REPORT: Fact<ListReport> = Fact::new("list_report");
/// Since when and why no list of the account can be had; none where it can.
pub const NO_LIST: Fact<Option<NoListSince>> = Fact::new("no_list");
/// How long creates wait, in a store that is not the one that was written last.
pub const CREATES_HOLD: Fact<CreatesHold> = Fact::new("creates_hold");
/// The last time that the store turned out not to be the one that was written last.
pub const RESTORED: Fact<Restored> = Fact::new("restored");
