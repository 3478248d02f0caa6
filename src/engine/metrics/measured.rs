//! A service whose requests are counted.

use std::sync::Arc;

use super::Metrics;
use crate::{
    api::Service,
    core::{
        job::{DurationMs, ParkReason, ParserId, UnixMs},
        outcome::{
            AccountOutcome, ChangeOutcome, CreateOutcome, CreateRequest, Description, FetchOutcome,
            FetchRequest, ListOutcome, ParseOutcome, ParseRequest, PatchRequest, PollOutcome,
            Refusal,
        },
        preflight::Brought,
    },
};

/// A service whose requests are counted.
#[derive(Debug)]
pub struct Measured<S> {
    service: S,
    metrics: Arc<Metrics>,
}

impl<S> Measured<S> {
    /// The same service, counted.
    pub const fn new(service: S, metrics: Arc<Metrics>) -> Self {
        Self { service, metrics }
    }
}

impl<S: Service> Service for Measured<S> {
    async fn create(&self, asked: &CreateRequest) -> CreateOutcome {
        let request = self.metrics.begun();
        let outcome = self.service.create(asked).await;
        let word = match &outcome {
            CreateOutcome::Created { .. } => "created",
            CreateOutcome::Rejected(_) => "rejected",
            CreateOutcome::Refused(refusal, _) => refused(refusal),
            CreateOutcome::NotSent(_) => "not_sent",
            CreateOutcome::InDoubt(..) | CreateOutcome::Unavailable { .. } => "in_doubt",
        };
        request.answered("create", word);
        outcome
    }

    async fn change(&self, asked: &PatchRequest) -> ChangeOutcome {
        let request = self.metrics.begun();
        let outcome = self.service.change(asked).await;
        request.answered("change", changed(&outcome));
        outcome
    }

    async fn delete(&self, parser_id: &ParserId) -> ChangeOutcome {
        let request = self.metrics.begun();
        let outcome = self.service.delete(parser_id).await;
        request.answered("delete", changed(&outcome));
        outcome
    }

    async fn details(&self, parser_id: &ParserId) -> PollOutcome {
        let request = self.metrics.begun();
        let outcome = self.service.details(parser_id).await;
        request.answered("details", polled(&outcome));
        outcome
    }

    async fn describe(&self, parser_id: &ParserId, version: Option<i64>) -> Description {
        let request = self.metrics.begun();
        let description = self.service.describe(parser_id, version).await;
        request.answered("details", polled(&description.outcome));
        description
    }

    async fn parse(&self, asked: &ParseRequest) -> ParseOutcome {
        let request = self.metrics.begun();
        let outcome = self.service.parse(asked).await;
        let word = match &outcome {
            ParseOutcome::Found(_) => "answered",
            ParseOutcome::Refused(refusal, _) => refused(refusal),
            ParseOutcome::Rejected(_) => "rejected",
            ParseOutcome::Inconclusive(_) => "trouble",
        };
        request.answered("parse", word);
        outcome
    }

    async fn fetch(&self, asked: &FetchRequest) -> FetchOutcome {
        let request = self.metrics.begun();
        let outcome = self.service.fetch(asked).await;
        let word = match &outcome {
            FetchOutcome::Brought {
                brought: Brought::Nothing { .. } | Brought::Pending,
                ..
            } => "trouble",
            FetchOutcome::Brought { .. } => "answered",
            FetchOutcome::Refused(refusal, _) => refused(refusal),
        };
        request.answered("fetch", word);
        outcome
    }

    async fn list(&self) -> ListOutcome {
        let request = self.metrics.begun();
        let outcome = self.service.list().await;
        let word = match &outcome {
            ListOutcome::Listed(..) => "listed",
            ListOutcome::Refused(refusal, _) => refused(refusal),
            ListOutcome::Trouble(_) => "trouble",
        };
        request.answered("list", word);
        outcome
    }

    async fn account(&self) -> Option<AccountOutcome> {
        let request = self.metrics.begun();
        let outcome = self.service.account().await?;
        let word = match &outcome {
            AccountOutcome::Left { .. } => "answered",
            AccountOutcome::Refused(refusal, _) => refused(refusal),
            AccountOutcome::Unknown(_) => "trouble",
        };
        request.answered("account", word);
        Some(outcome)
    }

    fn time(&self, lasting_ms: DurationMs) -> Option<UnixMs> {
        self.service.time(lasting_ms)
    }
}

const fn changed(outcome: &ChangeOutcome) -> &'static str {
    match outcome {
        ChangeOutcome::Done { .. } => "done",
        ChangeOutcome::NotFound(_) => "not_found",
        ChangeOutcome::Rejected(_) => "rejected",
        ChangeOutcome::Refused(refusal, _) => refused(refusal),
        ChangeOutcome::NotSent(_) => "not_sent",
        ChangeOutcome::InDoubt(..) | ChangeOutcome::Unavailable { .. } => "in_doubt",
    }
}

const fn polled(outcome: &PollOutcome) -> &'static str {
    match outcome {
        PollOutcome::Finished(_) => "finished",
        PollOutcome::Failed(_) => "failed",
        PollOutcome::Generating { .. } => "generating",
        PollOutcome::NotFound(_) => "not_found",
        PollOutcome::Refused(refusal, _) => refused(refusal),
        PollOutcome::Trouble(_) => "trouble",
    }
}

const fn refused(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Unauthorized => ParkReason::Unauthorized.as_str(),
        Refusal::Credits | Refusal::AccountLimit => ParkReason::Credits.as_str(),
        Refusal::Throttled { .. } => "throttled",
    }
}
