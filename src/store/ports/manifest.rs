//! What job files mean for what is there.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
};

use serde_json::{Map, Value};

use crate::{
    core::{
        diff::{Beside, Record, Verb},
        job::JobId,
        spec::Batches,
    },
    store::StoreError,
};

/// What is on record under the names of jobs of files.
pub trait Manifest: Send + Sync {
    /// The parsers that are there and the jobs that wait, whether a file names them or not.
    ///
    /// # Errors
    /// Whatever the store says.
    fn beside(&self) -> impl Future<Output = Result<Beside, StoreError>> + Send;

    /// All of it, by name; a name of which nothing is known is left out.
    ///
    /// # Errors
    /// Whatever the store says.
    fn on_record(
        &self,
        names: &[&str],
    ) -> impl Future<Output = Result<HashMap<String, Record>, StoreError>> + Send;
}

/// Makes what is there as files say.
pub trait Applying: Manifest {
    /// Does what the jobs mean, all in one transaction: what is new is added, what waits is edited,
    /// changed fields become updates, settings are set, and of what is to be replaced the name goes
    /// to a job that makes another parser. What is in flight or refused is left. The batches are
    /// gone through twice; no name may come twice.
    ///
    /// With `prune` the parsers that no file names, and those that were replaced, are deleted too.
    ///
    /// With a `digest` of the plan that was shown nothing is done where it is another by now.
    /// Without one, a parser whose replacement FAILED is left too: each try costs. So is one that
    /// was adopted and is to be replaced by the very file that adopted it, an update after one that
    /// ended as a conflict, and the cancelling of an update that waits.
    ///
    /// # Errors
    /// Whatever the store says, or why a batch is not there; then nothing was done.
    fn make_so(
        &self,
        batches: Batches,
        digest: Option<[u8; 32]>,
        extent: Extent,
        prune: bool,
    ) -> impl Future<Output = Result<Made, StoreError>> + Send;
}

/// Changes what single jobs ask for, as an operator says.
pub trait Editing: Manifest {
    /// Changes PARKED and FAILED jobs and queues them, all or none; returns which of them were
    /// still as they were meant.
    ///
    /// # Errors
    /// What the store refuses, in its words; then nothing was changed.
    fn edit_and_queue(
        &self,
        edits: Vec<JobEdit>,
    ) -> impl Future<Output = Result<Vec<JobId>, StoreError>> + Send;
}

/// What a job is to ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct JobEdit {
    /// Which one.
    pub id: JobId,
    /// The revision that the change was made for: on another one nothing is changed.
    pub revision: i64,
    /// Columns and what they are to hold.
    pub columns: Map<String, Value>,
}

/// How much of a plan is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// New jobs, and of others what costs nothing.
    NewAndFree,
    /// What costs nothing.
    Free,
    /// All of it.
    All,
}

/// What became of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    /// The plan that was shown is no longer the one: nothing was done.
    pub is_stale: bool,
    /// How many jobs were done of each verb.
    pub done: BTreeMap<Verb, usize>,
    /// How many parsers are to be deleted.
    pub deleted: usize,
    /// How many jobs got other settings, besides.
    pub settings: usize,
    /// How many jobs were as they are to be.
    pub same: usize,
    /// What was left.
    pub left: Vec<Left>,
}

/// A job of a file that was left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Its place: its line, or its index in a list.
    pub place: usize,
    /// Its name.
    pub name: String,
    /// What would be done.
    pub verb: Verb,
    /// What is to be said of it.
    pub notes: Vec<String>,
}
