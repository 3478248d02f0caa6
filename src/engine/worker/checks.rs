//! What a parser that is ready is worth. It is tried on its held-out pages first: each request
//! is on record before it is sent, since it is paid for.

use serde_json::{Value, value::RawValue};

use super::Worker;
use crate::{
    api::Service,
    core::{
        job::{Action, Job, ParserId},
        made_from::{MadeFrom, made_from},
        outcome::{ErrorDetail, Finished, ParseOutcome, ParseRequest},
        quality::{
            Judgement, Wanted,
            checks::{TriedOutcome, due, has_result},
            is_blocked, judge,
        },
        sighting::{echoes, in_words_of},
        spec::JobSpec,
    },
    store::{Asked, JobStore, ParseIntent, StoreError},
};

/// What is known of a parser's worth.
pub(super) enum Weighed {
    /// All that can be.
    Judged {
        /// None where what it found cannot be known.
        judgement: Option<Judgement>,
        /// The parser was adopted and has other fields than its job asks for.
        has_other_fields: bool,
    },
    /// Some held-out pages are to be tried once more. Says why.
    Later(ErrorDetail),
}

impl<S: Service, D: JobStore> Worker<S, D> {
    pub(super) async fn weigh(
        &self,
        job: &Job,
        parser_id: &ParserId,
        finished: &mut Finished,
    ) -> Result<Weighed, StoreError> {
        let asked = self.store.wanted(job.id).await?;
        if job.action == Action::Create {
            finished.fields = true_fields(job, &asked, finished.fields.take());
            finished.made_from = true_origin(job, &asked, finished).map(Box::new);
        }
        let Asked {
            mut wanted,
            expect,
            scraper_params,
            effective_params,
            ..
        } = asked;
        // An adopted parser may have other fields than its job asks for now; these come by an update.
        let other_fields = finished.fields.as_deref();
        let other_fields = other_fields.filter(|_| asked.fields.is_some());
        let has_other_fields = other_fields.is_some();
        if let Some(has) = other_fields {
            let check_urls = std::mem::take(&mut wanted.check_urls);
            wanted = Wanted::of_parser(has, expect.as_deref());
            wanted.check_urls = check_urls;
        }
        if !wanted.check_urls.is_empty() {
            let request = ParseRequest {
                parser_id: parser_id.clone(),
                version: finished.version.or(job.progress.parser_version),
                url: String::new(),
                scraper_params: effective_params.or(scraper_params),
            };
            if let Some(why) = self.try_pages(job, &wanted, request).await? {
                return Ok(Weighed::Later(why));
            }
        }
        let examples = finished.example_result.as_ref().map(|json| json.get());
        let tried = match wanted.check_urls.as_slice() {
            [] => Vec::new(),
            _ => self.store.tried(job.id, parser_id).await?,
        };
        let is_known = examples.is_some()
            || finished.lack.as_ref().is_some_and(|lack| lack.is_nothing)
            || has_result(&tried);
        if !is_known {
            return Ok(Weighed::Judged {
                judgement: None,
                has_other_fields,
            });
        }
        let judgement = judge(examples, &tried, &wanted, self.policy.min_fill);
        Ok(Weighed::Judged {
            judgement: Some(judgement),
            has_other_fields,
        })
    }

    /// Tries each held-out page of which nothing is known once. Returns why some are to be tried
    /// again, if they are.
    async fn try_pages(
        &self,
        job: &Job,
        wanted: &Wanted,
        mut request: ParseRequest,
    ) -> Result<Option<ErrorDetail>, StoreError> {
        let tried = self.store.tried(job.id, &request.parser_id).await?;
        let mut last = None;
        for url in due(&wanted.check_urls, &tried) {
            let recording = self.account.recording().await;
            let now = self.clock.now();
            let has_credits = self.account.out_of_credits().is_none();
            if !has_credits || !self.account.reserve_small(self.credits_per_parse, now) {
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
            // What is asked for parsers that are paid for is not held up for a page that is not.
            let is_refused = matches!(outcome, ParseOutcome::Refused(..));
            let outcome = said(outcome, wanted);
            let settled = match &outcome {
                Ok(result) => TriedOutcome::Found(result.get().to_owned()),
                Err(NoResult::Final(words)) => TriedOutcome::Final(words.to_string()),
                Err(NoResult::Passing(words)) => TriedOutcome::Inconclusive(words.to_string()),
            };
            self.store
                .settle_parse(id, settled, self.clock.now())
                .await?;
            last = match outcome {
                Err(NoResult::Passing(words)) => Some(words),
                Ok(_) | Err(NoResult::Final(_)) => last,
            };
            if is_refused {
                break;
            }
        }
        let tried = self.store.tried(job.id, &request.parser_id).await?;
        let is_over = due(&wanted.check_urls, &tried).is_empty();
        Ok(last.filter(|_| !is_over))
    }
}

/// The fields that are to be recorded of a parser in the place of those that its job asks for:
/// those that the service inferred, or that an adopted parser has. Of a parser that this job made
/// the others count: what comes back may be altered.
fn true_fields(job: &Job, asked: &Asked, shown: Option<String>) -> Option<String> {
    let shown = shown?;
    let read: Value = serde_json::from_str(&shown).ok()?;
    let is_any = read.as_array().is_some_and(|fields| !fields.is_empty());
    let Some(fields) = &asked.fields else {
        return is_any.then_some(shown);
    };
    let asked: Value = serde_json::from_str(fields).unwrap_or_default();
    let is_adopted = job.progress.creates == 0;
    (is_any && is_adopted && !echoes(&read, &asked)).then(|| in_words_of(&read, &asked).to_string())
}

/// From what an adopted parser was made; none where that is as its job asks.
fn true_origin(job: &Job, asked: &Asked, finished: &Finished) -> Option<MadeFrom> {
    let progress = &job.progress;
    if progress.creates > 0 {
        return None;
    }
    let (params, fields) = (asked.scraper_params.as_deref(), asked.fields.as_deref());
    let Ok(spec) = JobSpec::from_columns(&job.name, &asked.urls, params, fields) else {
        return Some(MadeFrom::default());
    };
    let recreation = u32::try_from(progress.recreation).unwrap_or(u32::MAX);
    let examples = finished.example_result.as_ref().map(|json| json.get());
    made_from(&spec, progress.remote_name.as_deref(), recreation, examples)
}

/// Why nothing is known of a page.
enum NoResult {
    /// Another try may bring more.
    Passing(ErrorDetail),
    /// Each would bring the same.
    Final(ErrorDetail),
}

/// What the parser found on a page; else why that says nothing of it.
fn said(outcome: ParseOutcome, wanted: &Wanted) -> Result<Box<RawValue>, NoResult> {
    match outcome {
        ParseOutcome::Found(result) if is_blocked(result.get(), wanted) => {
            Err(NoResult::Passing(ErrorDetail {
                status: None,
                message: "the site kept the parser out: there is the text of a consent page or \
                          of a check for robots"
                    .to_owned(),
            }))
        }
        ParseOutcome::Found(result) => Ok(result),
        ParseOutcome::Rejected(words) => Err(NoResult::Final(words)),
        ParseOutcome::Refused(_, words) | ParseOutcome::Inconclusive(words) => {
            Err(NoResult::Passing(words))
        }
    }
}
