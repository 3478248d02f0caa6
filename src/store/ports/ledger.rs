//! What is on record of creates, parsers and accounts.

use std::{collections::HashSet, future::Future};

use super::{Holder, StoreError};
use crate::core::{
    budget::{Redated, Spent},
    job::{Job, JobId, ParserId, UnixMs},
    ledger::{Elsewhere, KnownParser, LedgerFacts},
    listing::Listing,
    oddities::Unexplained,
    outcome::ListedParser,
};

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

    /// The credits of the creates that the ladder asked for and that are not known to have made
    /// nothing, of the UTC day of `now` and later.
    ///
    /// # Errors
    /// Whatever the store says.
    fn spent_by_ladder(&self, now: UnixMs) -> impl Future<Output = Result<i64, StoreError>> + Send;

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
    /// thing. What people and other programs do does not matter: they may have done it since the
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
    ///
    /// # Errors
    /// Whatever the store says.
    fn join_accounts(&self, seen: ParserId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Accounts are one where a job has, from the current one and under the name that was sent, a
    /// parser that a create at another made: a process may have died before it recorded that.
    ///
    /// # Errors
    /// Whatever the store says.
    fn join_adopted(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Jobs with a create in doubt that are PARKED because its account was not asked, and now it
    /// is; by id.
    ///
    /// # Errors
    /// Whatever the store says.
    fn doubts_of_account_back(
        &self,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Job>, StoreError>> + Send;

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
