//! Parsers that jobs change or delete, and the requests that do.

use std::future::Future;

use crate::{
    core::{
        job::{JobId, ParserId, Part},
        quality::Quality,
    },
    store::StoreError,
};

/// The parser that a name stands for, as it is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub parser_id: ParserId,
    /// Its latest version, where one is known.
    pub latest_version: Option<i64>,
    /// The version that `fields` describes.
    pub applied_version: Option<i64>,
    /// Its fields (JSON), where they are known.
    pub fields: Option<String>,
    /// Whether it is not to be deleted.
    pub protected: bool,
    /// What the version that is in use is worth.
    pub quality: Option<Quality>,
}

/// A request that changes or deletes a parser and is not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingUpdate {
    /// The parser.
    pub parser_id: ParserId,
    /// Which request it is.
    pub part: Part,
    /// The latest version that was there before.
    pub latest_version: Option<i64>,
    /// The fields once it took effect (JSON), where they are known.
    pub fields: Option<String>,
}

/// What is on record of parsers that jobs change or delete.
pub trait Updates: Send + Sync {
    /// The parser that a name stands for; none where there is none, or where it was deleted.
    ///
    /// # Errors
    /// Whatever the store says.
    fn target(&self, name: &str)
    -> impl Future<Output = Result<Option<Target>, StoreError>> + Send;

    /// The parser of this id.
    ///
    /// # Errors
    /// Whatever the store says.
    fn target_by_id(
        &self,
        id: &ParserId,
    ) -> impl Future<Output = Result<Option<Target>, StoreError>> + Send;

    /// The parser that had a name last, whether it is deleted or not.
    ///
    /// # Errors
    /// Whatever the store says.
    fn former_parser(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<ParserId>, StoreError>> + Send;

    /// The request of a job that is not settled, with what the job asks for.
    ///
    /// # Errors
    /// Whatever the store says.
    fn pending_update(
        &self,
        job: JobId,
    ) -> impl Future<Output = Result<Option<PendingUpdate>, StoreError>> + Send;

    /// What changes a job asks for (JSON); none where it asks for none.
    ///
    /// # Errors
    /// Whatever the store says.
    fn change_of(
        &self,
        job: JobId,
    ) -> impl Future<Output = Result<Option<String>, StoreError>> + Send;
}
