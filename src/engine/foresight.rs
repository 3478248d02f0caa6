//! The example pages of a create, fetched and looked at before it is paid for. Each fetch is on
//! record before it is sent, since it is paid for too, and who died in between goes on from there.

use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::Value;

use crate::{
    api::Service,
    clock::Clock,
    core::{
        budget::DAY_MS,
        effort::Effort,
        job::{DurationMs, JobId, UnixMs},
        ladder,
        outcome::{ErrorDetail, FetchOutcome, FetchRequest, Refusal},
        page::selectors_of,
        preflight::{
            Brought, Fetched, Foreseen, Mode, Next, Question, Record, Verdict, host, is_down, next,
            not_in_plan,
        },
        rules::{Rule, Rules},
        shown::shown,
        spec::JobSpec,
    },
    engine::account::Account,
    store::{FetchIntent, Fetches, Foreknown, StoreError},
};

/// How long it is remembered what worked for a host.
const HOST_MEMORY_MS: DurationMs = 30 * DAY_MS;

/// How long the plan's word holds that it does not include something.
const PLAN_MEMORY_MS: DurationMs = DAY_MS;

/// How long an answer tells whether the fetch service is down.
const ANSWER_MEMORY_MS: DurationMs = 600_000;

/// So often a job is held for want of a look at its pages: fetches older than a verdict may get are
/// not counted any more, and without a bound of their own it would wait for ever.
const MAX_HOLDS: i64 = 8;

/// Whether and how example pages are fetched before a create.
#[derive(Debug, Clone, Copy)]
pub struct Preflight {
    /// Whether, and what follows.
    pub mode: Mode,
    /// What the fetches of one job may cost.
    pub max_credits_per_job: i64,
    /// How long a verdict holds.
    pub max_age_ms: DurationMs,
    /// The rules that are kept.
    pub rules: Rules,
}

impl Preflight {
    /// No page is fetched.
    pub const OFF: Self = Self {
        mode: Mode::Off,
        max_credits_per_job: 0,
        max_age_ms: 0,
        rules: Rules::KEPT,
    };

    /// From when on what was fetched is not fetched again; none where nothing is to be fetched at
    /// all. What a job FAILED for is looked at anew: somebody wants it tried once more.
    pub fn since(&self, last: Option<&Record>, now: UnixMs) -> Option<UnixMs> {
        match last {
            Some(last) if last.is_in_force(now, self.max_age_ms) => None,
            Some(_) if !self.rules.keep(Rule::Foreseen) => None,
            Some(last) if !last.foreseen.verdict.may_work() => Some(last.at + 1),
            Some(_) | None => Some(now - self.max_age_ms),
        }
    }
}

/// Whose pages are looked at.
#[derive(Debug)]
pub struct Asker<'a> {
    /// For this job. 0 for one that is not in the database.
    pub job: JobId,
    /// What it asks for.
    pub spec: &'a JobSpec,
    /// The parameters that are sent in place of its own.
    pub effective_params: Option<&'a str>,
    /// How often it was held for want of a look.
    pub holds: i64,
    /// From when on what was fetched for it counts. Pages that loaded count for the time of a verdict.
    pub since: UnixMs,
    /// The page that a verdict before was about: it is fetched anew in any case.
    pub apart: Option<&'a str>,
}

/// What looking came to.
#[derive(Debug)]
pub enum Looked {
    /// This is found, and these parameters are to be sent in place of the job's own.
    Found(Foreseen, Option<String>),
    /// Nothing is learned, or the fetch service is down: it is to be looked at again later. Says why.
    Later(ErrorDetail),
    /// Nothing that costs may be sent any more.
    Held,
    /// The budget has no room.
    NoRoom,
    /// The account was refused.
    Refused(Refusal, ErrorDetail),
}

/// Fetches pages and looks at them.
#[derive(Debug)]
pub struct Foresight<'a, S, D> {
    /// Where they are fetched.
    pub service: &'a S,
    /// Where each fetch is recorded.
    pub store: &'a D,
    /// Gates and budget.
    pub account: &'a Account,
    /// The time.
    pub clock: &'a Clock,
    /// How.
    pub preflight: Preflight,
    /// A create follows: what it costs is not spent on fetches.
    pub is_before_create: bool,
    /// What was spent on fetches so far.
    pub spent: AtomicI64,
}

impl<S: Service, D: Fetches> Foresight<'_, S, D> {
    /// Looks at a job's pages. Before each fetch `may_send` is asked.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn look(
        &self,
        asker: &Asker<'_>,
        may_send: impl Fn() -> bool,
    ) -> Result<Looked, StoreError> {
        let own = asker.spec.scraper_params_json();
        let params = ladder::sent(own.as_deref(), asker.effective_params);
        let own = Effort::of(params.as_ref());
        let selectors = selectors_of(asker.spec.fields.as_ref());
        let urls = &asker.spec.urls;
        let site = urls.first().and_then(|url| host(url)).unwrap_or_default();
        let mut last: Option<(String, Effort)> = None;
        loop {
            let now = self.clock.now();
            let fetched = self.on_record(asker, now).await?;
            let before = self.foreknown(&site, now).await?;
            let answers = before.answers.iter();
            let is_repairing = self.preflight.mode == Mode::Repair;
            let question = Question {
                urls,
                own,
                known: before.known.filter(|_| is_repairing),
                has_waited: asker.holds >= MAX_HOLDS,
                is_down: is_down(answers.map(|(host, came)| (host.as_str(), *came))),
                not_in_plan: &not_in_plan(&before.not_in_plan),
                mode: self.preflight.mode,
                max_credits: self.preflight.max_credits_per_job,
            };
            let (url, effort, max_credits) = match next(&question, &fetched) {
                Next::Done(foreseen, effort) => {
                    let set = (effort != own).then(|| effort.applied_to(params.as_ref()));
                    let set = set.map(|set| Value::Object(set).to_string());
                    let before = asker.effective_params.map(str::to_owned);
                    return Ok(Looked::Found(foreseen, set.or(before)));
                }
                Next::Fetch {
                    url,
                    effort,
                    max_credits,
                } => (url.to_owned(), effort, max_credits),
            };
            let again = (url.clone(), effort);
            // Once more at once would bring the same.
            if last.as_ref() == Some(&again) {
                return Ok(Looked::Later(later(&url, effort, &fetched)));
            }
            if !may_send() {
                return Ok(Looked::Held);
            }
            if let Some(end) = self.without_room(asker, &url, effort, &fetched) {
                return Ok(end);
            }
            let request = FetchRequest {
                url,
                params: effort.applied_to(params.as_ref()),
                max_credits,
                selectors: selectors.clone(),
            };
            if let Some(end) = self.fetch(asker, &request, effort).await? {
                return Ok(end);
            }
            last = Some(again);
        }
    }

    /// What was fetched of these pages, and counts: of pages that the job had before an edit nothing
    /// is asked.
    async fn on_record(&self, asker: &Asker<'_>, now: UnixMs) -> Result<Vec<Fetched>, StoreError> {
        let since = asker.since.min(now - self.preflight.max_age_ms);
        let mut fetched = self.store.fetched(asker.job, since).await?;
        fetched.retain(|it| {
            let counts_still = it.worked() && asker.apart != Some(it.url.as_str());
            asker.spec.urls.contains(&it.url) && (it.sent_at >= asker.since || counts_still)
        });
        Ok(fetched)
    }

    /// How looking ends where a fetch would leave the budget no room for its create: one of one create
    /// a day would pay for pages every day, and for no create.
    fn without_room(
        &self,
        asker: &Asker<'_>,
        url: &str,
        effort: Effort,
        fetched: &[Fetched],
    ) -> Option<Looked> {
        if !self.is_before_create {
            return None;
        }
        match self.account.beside_a_create(self.clock.now()) {
            ..0 => Some(Looked::NoRoom),
            left if left < effort.credits() => {
                let spent = fetched.iter().map(|fetched| fetched.credits).sum();
                let effective_params = asker.effective_params.map(str::to_owned);
                Some(Looked::Found(no_room(url, left, spent), effective_params))
            }
            _ => None,
        }
    }

    async fn foreknown(&self, site: &str, now: UnixMs) -> Result<Foreknown, StoreError> {
        let (host, plan) = (now - HOST_MEMORY_MS, now - PLAN_MEMORY_MS);
        self.store
            .foreknown(site, host, plan, now - ANSWER_MEMORY_MS)
            .await
    }

    /// Fetches one page; how looking ends where that may not be, or was refused.
    async fn fetch(
        &self,
        asker: &Asker<'_>,
        request: &FetchRequest,
        effort: Effort,
    ) -> Result<Option<Looked>, StoreError> {
        let recording = self.account.recording().await;
        // By a clock that was set back it would count for no inquiry, and be sent again without end
        // (seed 103746).
        let sent_at = self.clock.now().max(asker.since);
        let reserved = effort.credits();
        if !self.account.reserve_small(reserved, sent_at) {
            return Ok(Some(Looked::NoRoom));
        }
        let intent = FetchIntent {
            job: asker.job,
            url: request.url.clone(),
            host: host(&request.url).unwrap_or_default(),
            effort,
            sent_at,
            credits: reserved,
        };
        let id = self
            .store
            .intend_fetch(intent)
            .await
            .inspect_err(|_| self.account.distrust_count())?;
        drop(recording);
        let (brought, cost, end) = match self.service.fetch(request).await {
            FetchOutcome::Brought { brought, credits } => {
                if let Brought::NotInPlan { why } = &brought {
                    tracing::warn!(
                        proxy = %effort.proxy,
                        render = effort.render,
                        error_message = why,
                        "the plan does not include this way to fetch pages: it is not tried again \
                         for a day"
                    );
                }
                (brought, credits, None)
            }
            FetchOutcome::Refused(refusal, words) => {
                let why = words.to_string();
                let end = Looked::Refused(refusal, words);
                (Brought::Nothing { why }, Some(0), Some(end))
            }
        };
        let recording = self.account.recording().await;
        let now = self.clock.now();
        self.store
            .settle_fetch(id, brought, cost, now)
            .await
            .inspect_err(|_| self.account.distrust_count())?;
        self.spent
            .fetch_add(cost.unwrap_or(reserved), Ordering::Relaxed);
        if let Some(cost) = cost {
            self.account.correct(reserved, cost, sent_at);
        }
        drop(recording);
        Ok(end)
    }
}

/// Why a page is to be fetched again later.
fn later(url: &str, effort: Effort, fetched: &[Fetched]) -> ErrorDetail {
    let newest = fetched
        .iter()
        .rfind(|it| it.url == url && it.effort == effort);
    let why = match newest.map(|fetched| &fetched.brought) {
        Some(Brought::Nothing { why } | Brought::Blocked { why }) => shown(why),
        _ => "there was no answer".to_owned(),
    };
    ErrorDetail {
        status: None,
        message: format!("the example page {url} could not be looked at: {why}"),
    }
}

/// What is found where a fetch would leave the budget no room for its create.
fn no_room(url: &str, left: i64, spent: i64) -> Foreseen {
    Foreseen {
        verdict: Verdict::Unknown,
        page: Some(url.to_owned()),
        seen: Some(format!(
            "beside the create the budget has {left} credits left, which do not pay for a fetch: \
             raise it to have the pages looked at"
        )),
        cure: None,
        set: None,
        credits: spent,
    }
}
