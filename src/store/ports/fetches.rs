//! Fetches of example pages, by which it is foreseen what will become of a create.

use std::future::Future;

use crate::{
    core::{
        effort::Effort,
        job::{JobId, UnixMs},
        preflight::{Brought, Fetched},
    },
    store::StoreError,
};

/// A fetch, by its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchId(pub i64);

/// A fetch that is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchIntent {
    /// For this job.
    pub job: JobId,
    /// The page.
    pub url: String,
    /// Its host: [`crate::core::preflight::host`].
    pub host: String,
    /// With which effort.
    pub effort: Effort,
    /// When.
    pub sent_at: UnixMs,
    /// What it may cost at the most.
    pub credits: i64,
}

/// What is known before a job's first fetch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Foreknown {
    /// The effort with which the last page of the host came.
    pub known: Option<Effort>,
    /// The efforts that the plan refused, each once. What else they rule out says
    /// [`crate::core::preflight::not_in_plan`].
    pub not_in_plan: Vec<Effort>,
    /// The last answers to fetches of any page, the newest first: the host, and whether anything but
    /// a refusal or nothing at all came.
    pub answers: Vec<(String, bool)>,
}

/// So many answers tell whether the fetch service is down.
pub const ANSWERS: usize = 20;

/// So many pages of a host are looked at, the newest first, for one that was no wall.
pub const HOST_LOOKS_BACK: usize = 16;

/// Fetches of example pages. They are paid for, and may be repeated.
pub trait Fetches: Send + Sync {
    /// Those of a job that were sent since then, oldest first, and those that were sent for no job.
    ///
    /// # Errors
    /// Whatever the store says.
    fn fetched(
        &self,
        job: JobId,
        since: UnixMs,
    ) -> impl Future<Output = Result<Vec<Fetched>, StoreError>> + Send;

    /// Records one before it is sent; it counts as spent from then on.
    ///
    /// # Errors
    /// Whatever the store says; then it is not to be sent.
    fn intend_fetch(
        &self,
        intent: FetchIntent,
    ) -> impl Future<Output = Result<FetchId, StoreError>> + Send;

    /// Records what one brought. The cost that the service named takes the place of what was set
    /// aside.
    ///
    /// # Errors
    /// Whatever the store says; then it stays pending, which is one of its tries.
    fn settle_fetch(
        &self,
        id: FetchId,
        brought: Brought,
        credits: Option<i64>,
        now: UnixMs,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What is known of a host from fetches since `host_since`, and of the plan from those since
    /// `plan_since`, and of the fetch service from those since `answers_since`.
    ///
    /// # Errors
    /// Whatever the store says.
    fn foreknown(
        &self,
        host: &str,
        host_since: UnixMs,
        plan_since: UnixMs,
        answers_since: UnixMs,
    ) -> impl Future<Output = Result<Foreknown, StoreError>> + Send;
}
