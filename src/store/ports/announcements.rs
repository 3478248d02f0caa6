//! What happened to no job in particular, in the history of all.

use std::future::Future;

use serde::Serialize;
use serde_json::json;

use super::{Fact, StoreError};
use crate::core::{event::general::GeneralEvent, job::UnixMs, progress::BatchFigures};

/// Events of no job, and what was announced by them. The events of gates are the store's own
/// matter: it adds them with the change of the gate.
pub trait Announcements: Send + Sync {
    /// What happened to jobs after the event `after`; none where no batch began since then, see
    /// [`BATCH_BEGINS`](crate::core::progress::BATCH_BEGINS).
    ///
    /// # Errors
    /// Whatever the store says.
    fn batch_since(
        &self,
        after: i64,
    ) -> impl Future<Output = Result<Option<BatchFigures>, StoreError>> + Send;

    /// Adds an event to the history, and with it sets a key of the daemon's own: both or neither.
    ///
    /// # Errors
    /// Whatever the store says.
    fn add_event(
        &self,
        event: &GeneralEvent,
        key: &'static str,
        value: String,
        now: UnixMs,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Adds an event to the history, and keeps what is announced by it, so that it is announced
    /// once.
    ///
    /// # Errors
    /// Whatever the store says; then neither is stored.
    fn announce<T: Serialize + Sync>(
        &self,
        event: &GeneralEvent,
        fact: Fact<T>,
        announced: &T,
        now: UnixMs,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.add_event(event, fact.key, json!(announced).to_string(), now)
    }
}
