//! What a parser that is ready is worth. It is tried on its held-out pages first: each request
//! is on record before it is sent, since it is paid for.

use serde_json::value::RawValue;

use super::Worker;
use crate::{
    api::Service,
    core::{
        gate::Signal,
        job::{Job, ParserId},
        outcome::{ErrorDetail, Finished, ParseOutcome, ParseRequest, Refusal},
        quality::{
            Judgement, Wanted,
            checks::{TriedOutcome, due},
            is_blocked, judge,
        },
    },
    engine::account::Permit,
    store::{JobStore, ParseIntent, StoreError},
};

/// What is known of a parser's worth.
pub(super) enum Weighed {
    /// All that can be; none where what it found cannot be known.
    Judged(Option<Judgement>),
    /// Some held-out pages are to be tried once more. Says why.
    Later(ErrorDetail),
}

impl<S: Service, D: JobStore> Worker<S, D> {
    pub(super) async fn weigh(
        &self,
        job: &Job,
        parser_id: &ParserId,
        finished: &Finished,
        permit: &mut Permit,
    ) -> Result<Weighed, StoreError> {
        let (wanted, scraper_params) = self.store.wanted(job.id).await?;
        if !wanted.check_urls.is_empty() {
            let request = ParseRequest {
                parser_id: parser_id.clone(),
                version: finished.version.or(job.progress.parser_version),
                url: String::new(),
                scraper_params,
            };
            if let Some(why) = self.try_pages(job, &wanted, request, permit).await? {
                return Ok(Weighed::Later(why));
            }
        }
        let examples = finished.example_result.as_ref().map(|json| json.get());
        if examples.is_none() && finished.lack.as_ref().is_none_or(|lack| !lack.is_nothing) {
            return Ok(Weighed::Judged(None));
        }
        let tried = self.store.tried(job.id, parser_id).await?;
        let judgement = judge(examples, &tried, &wanted, self.policy.min_fill);
        Ok(Weighed::Judged(Some(judgement)))
    }

    /// Tries each held-out page of which nothing is known once. Returns why some are to be tried
    /// again, if they are.
    async fn try_pages(
        &self,
        job: &Job,
        wanted: &Wanted,
        mut request: ParseRequest,
        permit: &mut Permit,
    ) -> Result<Option<ErrorDetail>, StoreError> {
        let tried = self.store.tried(job.id, &request.parser_id).await?;
        let mut last = None;
        for url in due(&wanted.check_urls, &tried) {
            let recording = self.account.recording().await;
            let now = self.clock.now();
            let has_credits = self.account.out_of_credits().is_none();
            if !has_credits || !self.account.reserve_parse(self.credits_per_parse, now) {
                // It is not waited for: what the examples say is told now.
                return Ok(None);
            }
            request.url = url.to_owned();
            let intent = ParseIntent {
                job: job.id,
                parser_id: request.parser_id.clone(),
                version: request.version,
                url: url.to_owned(),
                sent_at: now,
                credits: self.credits_per_parse,
            };
            let id = self
                .store
                .intend_parse(intent)
                .await
                .inspect_err(|_| self.account.distrust_count())?;
            drop(recording);
            let outcome = self.service.parse(&request).await;
            let is_refused = matches!(outcome, ParseOutcome::Refused(..));
            if let ParseOutcome::Refused(refusal, _) = &outcome
                && !matches!(refusal, Refusal::Credits | Refusal::AccountLimit)
            {
                let signal = Signal::Refused(refusal.clone());
                self.account.report(permit, &signal, self.clock.now());
            }
            let outcome = said(outcome, wanted);
            let settled = match &outcome {
                Ok(result) => TriedOutcome::Found(result.get().to_owned()),
                Err(words) => TriedOutcome::Inconclusive(words.to_string()),
            };
            self.store
                .settle_parse(id, settled, self.clock.now())
                .await?;
            last = outcome.err().or(last);
            if is_refused {
                break;
            }
        }
        let tried = self.store.tried(job.id, &request.parser_id).await?;
        let is_over = due(&wanted.check_urls, &tried).is_empty();
        Ok(last.filter(|_| !is_over))
    }
}

/// What the parser found on a page; else why that says nothing of it.
fn said(outcome: ParseOutcome, wanted: &Wanted) -> Result<Box<RawValue>, ErrorDetail> {
    match outcome {
        ParseOutcome::Found(result) if is_blocked(result.get(), wanted) => Err(ErrorDetail {
            status: None,
            message: "the site kept the parser out: there is the text of a consent page or of a \
                      check for robots"
                .to_owned(),
        }),
        ParseOutcome::Found(result) => Ok(result),
        ParseOutcome::Refused(_, words) | ParseOutcome::Inconclusive(words) => Err(words),
    }
}
