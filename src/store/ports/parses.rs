//! Requests for held-out pages, and verdicts.

use std::future::Future;

use crate::{
    core::{
        job::{JobId, ParserId, UnixMs},
        quality::{
            Judgement,
            checks::{Tried, TriedOutcome},
        },
    },
    store::StoreError,
};

/// A request for a held-out page, by its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseId(pub i64);

/// A request for a held-out page that is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseIntent {
    /// For this job.
    pub job: JobId,
    /// Of this parser.
    pub parser_id: ParserId,
    /// And this version of it.
    pub version: Option<i64>,
    /// The page.
    pub url: String,
    /// When.
    pub sent_at: UnixMs,
    /// What it is taken to cost.
    pub credits: i64,
}

/// Requests for held-out pages. They are paid for, and may be repeated.
pub trait Parses: Send + Sync {
    /// Those of a job and its parser, oldest first.
    ///
    /// # Errors
    /// Whatever the store says.
    fn tried(
        &self,
        job: JobId,
        parser_id: &ParserId,
    ) -> impl Future<Output = Result<Vec<Tried>, StoreError>> + Send;

    /// Records one before it is sent; it counts as spent from then on.
    ///
    /// # Errors
    /// Whatever the store says; then it is not to be sent.
    fn intend_parse(
        &self,
        intent: ParseIntent,
    ) -> impl Future<Output = Result<ParseId, StoreError>> + Send;

    /// Records what came of one.
    ///
    /// # Errors
    /// Whatever the store says; then it stays pending, which is one of its tries.
    fn settle_parse(
        &self,
        id: ParseId,
        outcome: TriedOutcome,
        now: UnixMs,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A parser that is to be judged, with what it found.
#[derive(Debug, Clone)]
pub struct Unjudged {
    /// The parser.
    pub parser_id: ParserId,
    /// Its name.
    pub name: String,
    /// The last job that changed it.
    pub job: JobId,
    /// The revision of that job.
    pub revision: i64,
    /// What the job asks for, JSON.
    pub fields: Option<String>,
    /// The fields that the parser has (JSON), where they need not be those: it was adopted or updated.
    pub has_fields: Option<String>,
    /// What that must hold, JSON.
    pub expect: Option<String>,
    /// The held-out pages, JSON.
    pub check_urls: Option<String>,
    /// What was found, JSON.
    pub example_result: Option<String>,
}

/// Parsers whose worth is to be told anew.
pub trait Judging: Parses {
    /// Parsers that were judged by anything else than `by`, or not at all, with what they found.
    ///
    /// # Errors
    /// Whatever the store says.
    fn unjudged(
        &self,
        by: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Unjudged>, StoreError>> + Send;

    /// Stores a verdict, unless the job was changed since; whether it was stored.
    ///
    /// # Errors
    /// Whatever the store says.
    fn keep_judgement(
        &self,
        unjudged: &Unjudged,
        judgement: &Judgement,
        now: UnixMs,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
