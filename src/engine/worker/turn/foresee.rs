//! Before a create is paid for: its example pages are fetched and looked at, where that is wanted.
//! Each fetch is on record before it is sent, since it is paid for too, and an inquiry goes on from
//! the record. What was found ends the turn: the create has a turn of its own, with a list that is
//! not as old as the fetches took.

use serde_json::{Map, Value};

use super::{Cleared, Ended, Turn};
use crate::{
    api::Service,
    core::{
        budget::DAY_MS,
        effort::Effort,
        job::{Job, UnixMs},
        lifecycle::Event,
        outcome::{FetchOutcome, FetchRequest},
        page::selectors_of,
        preflight::{Brought, Mode, Next, Question, Record, host, next, not_in_plan},
        spec::JobSpec,
    },
    engine::worker::Done,
    store::{FetchIntent, Intent, JobStore, StoreError},
};

/// How long it is remembered what worked for a host.
const HOST_MEMORY_MS: i64 = 30 * DAY_MS;

/// How long the plan's word holds that it does not include something.
const PLAN_MEMORY_MS: i64 = DAY_MS;

impl<S: Service, D: JobStore> Turn<'_, S, D> {
    /// Goes on to the create where nothing is to be looked at, or was.
    pub(super) async fn foresee(&mut self, cleared: Cleared) -> Result<Cleared, Ended> {
        let worker = self.worker;
        let preflight = worker.preflight;
        let now = worker.clock.now();
        // What the budget has no room for is not sent: no page is paid for in vain.
        if preflight.mode == Mode::Off || worker.account.budget_hold(now).is_some() {
            return Ok(cleared);
        }
        let job = &cleared.job;
        let last = job.progress.preflight.as_deref().and_then(Record::of_json);
        if let Some(last) = &last
            && last.is_in_force(now, preflight.max_age_ms)
        {
            return Ok(cleared);
        }
        // What was learned for the verdict before is not asked for again within its time, unless
        // somebody wants it tried once more.
        let since = match last {
            Some(last) if !last.foreseen.verdict.may_work() => last.at + 1,
            _ => now - preflight.max_age_ms,
        };
        let Cleared { mut job, spec, .. } = cleared;
        let inquiring = self.inquire(&mut job, &spec, since);
        match worker.unless_stopped(inquiring).await {
            None => Err(Ended::of(&job)),
            Some(done) => Err(Ended::At(done?)),
        }
    }

    async fn inquire(
        &mut self,
        job: &mut Job,
        spec: &JobSpec,
        since: UnixMs,
    ) -> Result<Done, StoreError> {
        let worker = self.worker;
        let params = params_of(job, spec);
        let own = Effort::of(params.as_ref());
        let selectors = selectors_of(spec.fields.as_ref());
        loop {
            let now = worker.clock.now();
            let fetched = worker.store.fetched(job.id, since).await?;
            let host = spec.urls.first().and_then(|url| host(url));
            let host = host.unwrap_or_default();
            let foreknown = worker
                .store
                .foreknown(&host, now - HOST_MEMORY_MS, now - PLAN_MEMORY_MS)
                .await?;
            let question = Question {
                urls: &spec.urls,
                own,
                known: (worker.preflight.mode == Mode::Repair)
                    .then_some(foreknown.known)
                    .flatten(),
                not_in_plan: &not_in_plan(&foreknown.not_in_plan),
                mode: worker.preflight.mode,
                max_credits: worker.preflight.max_credits_per_job,
            };
            let (url, effort, max_credits) = match next(&question, &fetched) {
                Next::Done(foreseen, effort) => {
                    let effective_params = if effort == own {
                        job.progress.effective_params.clone()
                    } else {
                        Some(Value::Object(effort.applied_to(params.as_ref())).to_string())
                    };
                    let event = Event::Foreseen {
                        record: Record { at: now, foreseen },
                        effective_params,
                    };
                    return worker.handle_event(job, event).await;
                }
                Next::Fetch {
                    url,
                    effort,
                    max_credits,
                } => (url, effort, max_credits),
            };
            let request = FetchRequest {
                url: url.to_owned(),
                params: effort.applied_to(params.as_ref()),
                max_credits,
                selectors: selectors.clone(),
            };
            if let Some(done) = self.fetch(job, request, effort).await? {
                return Ok(done);
            }
        }
    }

    /// Fetches one page; how the turn ends where that may not be, or was refused.
    async fn fetch(
        &mut self,
        job: &mut Job,
        request: FetchRequest,
        effort: Effort,
    ) -> Result<Option<Done>, StoreError> {
        let worker = self.worker;
        if !worker.account.is_valid(self.permit) {
            return Ok(Some(self.without_leave(job).await?));
        }
        let recording = worker.account.recording().await;
        let sent_at = worker.clock.now();
        let credits = effort.credits();
        // A create has no room either where a fetch has none: it is met there, and said.
        if !worker.account.reserve_small(credits, sent_at) {
            drop(recording);
            return match worker.account.reserve(sent_at) {
                Err(over) => {
                    let event = Event::OverBudget(over);
                    Ok(Some(worker.handle_event(job, event).await?))
                }
                Ok(()) => {
                    worker.account.refund(worker.credits_per_create, sent_at);
                    Ok(Some(Done::of(job)))
                }
            };
        }
        let intent = FetchIntent {
            job: job.id,
            url: request.url.clone(),
            host: host(&request.url).unwrap_or_default(),
            effort,
            sent_at,
            credits,
        };
        let id = worker
            .store
            .intend_fetch(intent)
            .await
            .inspect_err(|_| worker.account.distrust_count())?;
        drop(recording);
        match worker.service.fetch(&request).await {
            FetchOutcome::Brought {
                brought,
                credits: cost,
            } => {
                if let Some(cost) = cost {
                    worker.account.correct(credits, cost, sent_at);
                }
                let now = worker.clock.now();
                worker.store.settle_fetch(id, brought, cost, now).await?;
                Ok(None)
            }
            FetchOutcome::Refused(refusal, words) => {
                worker.account.correct(credits, 0, sent_at);
                let why = words.to_string();
                let now = worker.clock.now();
                let brought = Brought::Nothing { why };
                worker.store.settle_fetch(id, brought, Some(0), now).await?;
                let event = Event::ListRefused(refusal, words);
                if let Some(change) = worker.transition(job, event) {
                    worker.report(&change, self.permit);
                    worker.keep_wish(&change).await;
                    worker.apply(job, change, Intent::default()).await?;
                }
                Ok(Some(Done::of(job)))
            }
        }
    }
}

/// What would be sent: the job's own parameters, or those in their place.
fn params_of(job: &Job, spec: &JobSpec) -> Option<Map<String, Value>> {
    let effective = job.progress.effective_params.as_deref();
    let effective = effective.and_then(|text| serde_json::from_str(text).ok());
    effective.or_else(|| spec.scraper_params.as_ref()?.as_object().cloned())
}
