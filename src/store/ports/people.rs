//! What is asked of a store for people: jobs that they put in, and old ones that may go.

use std::future::Future;

use super::Facts;
use crate::{
    core::{
        job::{JobId, UnixMs},
        spec::Batches,
    },
    store::StoreError,
};

/// What became of a list of jobs to add.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Submitted {
    /// How many are new.
    pub added: usize,
    /// How many were there already, just so.
    pub unchanged: usize,
    /// Of these, how many have another `expect` or `check_urls` now: none makes them other jobs.
    pub expecting: usize,
    /// Of these, how many have other `labels` now.
    pub relabelled: usize,
    /// Which are there already and read otherwise: these are left as they are.
    pub conflicts: Vec<Conflict>,
}

/// A job that is there already, and asks for something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The new job's place: its line, or its index in a list.
    pub place: usize,
    /// The name of both.
    pub name: String,
    /// The job that has it.
    pub id: JobId,
    /// That job's state.
    pub state: String,
}

/// Jobs that people put in.
pub trait Submissions: Send + Sync {
    /// Adds jobs, one batch at a time, so that their number does not matter for memory: all of
    /// those whose names are free, or none where one cannot be added. A job that is there already
    /// is left as it is, just so or not. With `dry_run` nothing is added and the answer is the same.
    /// The batches are gone through twice; no name may come twice.
    ///
    /// # Errors
    /// Whatever the store says, or why a batch is not there; then none was added.
    fn submit_batches(
        &self,
        batches: Batches,
        dry_run: bool,
    ) -> impl Future<Output = Result<Submitted, StoreError>> + Send;

    /// Goes over the names, with their ids, of jobs that are not CANCELLED and may look like
    /// one of `looks`, which are in lower case: plain names that are it but for case, and
    /// all that are not plain. In no order, as they come.
    ///
    /// # Errors
    /// Whatever the store says.
    fn each_name_like(
        &self,
        looks: &[&str],
        look: impl FnMut(i64, &str) + Send,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Jobs that are done and no longer wanted.
pub trait Pruning: Facts {
    /// When the last job that may go ended, by the clock of then.
    ///
    /// # Errors
    /// Whatever the store says.
    fn last_end(&self) -> impl Future<Output = Result<Option<UnixMs>, StoreError>> + Send;

    /// Jobs FINISHED or CANCELLED before `before`, and not within the times of `spared`, by
    /// id, those after `after`.
    ///
    /// # Errors
    /// Whatever the store says.
    fn jobs_done_before(
        &self,
        before: UnixMs,
        spared: Option<(UnixMs, UnixMs)>,
        after: JobId,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<JobId>, StoreError>> + Send;

    /// Deletes those of these jobs that are still FINISHED or CANCELLED, with their
    /// history. Their creates stay on record. Returns how many jobs it was.
    ///
    /// # Errors
    /// Whatever the store says; then none was deleted.
    fn delete_done(&self, jobs: Vec<JobId>)
    -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Deletes what happened to no job in particular before `before`, and not within the times of
    /// `spared`. Returns how many events it was.
    ///
    /// # Errors
    /// Whatever the store says; then none was deleted.
    fn delete_general_events(
        &self,
        before: UnixMs,
        spared: Option<(UnixMs, UnixMs)>,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;
}
