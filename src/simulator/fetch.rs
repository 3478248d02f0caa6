//! The vendor's fetch API, which answers with web pages, and what prices a fetch. Pure.

use serde_json::{Value, json};

use super::generation::chance;
use super::http::{Delivery, Endpoint, HttpAnswer, HttpRequest};
use super::pages::{self, Shown, behind_host};
use super::world::World;
use crate::core::{
    effort::Effort,
    job::{DurationMs, UnixMs},
};

/// How long a slow page takes, before scaling.
const SLOW_PAGE_MS: f64 = 30_000.0;

const EXHAUSTED: &str = "You have exhausted the API credits available in this monthly cycle.";
const NO_PREMIUM: &str = "Your current plan does not allow you to use our premium proxies. Please \
                          upgrade your plan to be able to use this feature.";
const GAVE_UP: &str = "Request failed. You will not be charged for this request. Please make sure \
                       your url is valid. Protected domains may need premium=true or \
                       ultra_premium=true.";

/// A fetch that is well formed.
struct Asked<'r> {
    url: &'r str,
    effort: Effort,
    max_cost: Option<i64>,
}

impl<'r> Asked<'r> {
    fn read(request: &'r HttpRequest) -> Result<Self, HttpAnswer> {
        let bad = |text| HttpAnswer::error(400, text);
        let url = request.parameter("url").ok_or(bad("url is required"))?;
        if !matches!(url::Url::parse(url), Ok(url) if matches!(url.scheme(), "http" | "https")) {
            return Err(bad("url is not an http(s) URL"));
        }
        let max_cost = request.parameter("max_cost").map(str::parse).transpose();
        let params = request.query.iter();
        let params: Value = params.map(|(k, v)| (k.clone(), json!(v))).collect();
        Ok(Self {
            url,
            effort: pages::effort(&params),
            max_cost: max_cost.map_err(|_| bad("max_cost must be a number"))?,
        })
    }
}

impl World {
    /// What `GET /` with a URL answers: the page.
    pub(super) fn fetch(
        &mut self,
        now_ms: UnixMs,
        request: &HttpRequest,
    ) -> Result<HttpAnswer, HttpAnswer> {
        let asked = Asked::read(request)?;
        let credits = asked.effort.credits();
        self.check_plan(asked.effort)?;
        if let Some(max_cost) = asked.max_cost.filter(|max_cost| credits > *max_cost) {
            let text =
                format!("This request costs {credits} credits, over its max_cost={max_cost}");
            return Err(HttpAnswer::error(403, &text));
        }
        if !self.can_pay(credits) {
            return Err(HttpAnswer::error(403, EXHAUSTED));
        }
        let shown = self.shown(asked.url, asked.effort);
        let Some((content_type, body)) = shown.document(asked.url) else {
            self.failed_requests += 1;
            return Err(HttpAnswer::error(500, GAVE_UP).with("sa-credit-cost", "0"));
        };
        self.spend(now_ms, credits);
        self.credits_of_fetches += credits;
        let status = if shown == Shown::Gone { 404 } else { 200 };
        let answer = HttpAnswer {
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: body.into_bytes(),
        };
        Ok(answer
            .with("sa-credit-cost", &credits.to_string())
            .with("sa-statuscode", &status.to_string()))
    }

    /// What `GET /account/urlcost` answers: the price of a fetch, which is not made.
    pub(super) fn url_cost(&self, request: &HttpRequest) -> Result<HttpAnswer, HttpAnswer> {
        let asked = Asked::read(request)?;
        let body = json!({"credits": asked.effort.credits()});
        Ok(HttpAnswer::json(200, body.to_string()))
    }

    /// Refuses what the plan does not include.
    pub(super) fn check_plan(&self, effort: Effort) -> Result<(), HttpAnswer> {
        if effort.proxy > self.config.best_proxy {
            return Err(HttpAnswer::error(403, NO_PREMIUM));
        }
        Ok(())
    }

    /// How the body of a fetched page goes over the wire.
    pub(super) fn delivery(&self, request: &HttpRequest, answer: &HttpAnswer) -> Delivery {
        let url = request.parameter("url").unwrap_or_default();
        let path = behind_host(url);
        let is_page = request.endpoint() == Endpoint::Fetch && answer.status == 200;
        if is_page && path.contains("bomb") {
            Delivery::GzipBomb
        } else if is_page && path.contains("slow") {
            let over_ms = SLOW_PAGE_MS * self.config.generation_scale;
            Delivery::Slow(over_ms.round() as DurationMs)
        } else {
            Delivery::Whole
        }
    }

    /// What the fetch API shows of a page: what the generator sees, or, of so many pages, the
    /// opposite.
    fn shown(&self, url: &str, effort: Effort) -> Shown {
        let shown = Shown::of(url, effort);
        let is_astray =
            chance(self.config.seed, "fetch", url, 0).f64() < self.config.fetches_astray;
        match (is_astray, shown) {
            (false, shown) => shown,
            (true, Shown::Page) => Shown::Refused,
            (true, _) => Shown::Page,
        }
    }

    /// The credits that fetches took.
    pub fn credits_of_fetches(&self) -> i64 {
        self.credits_of_fetches
    }

    /// The credits that creates took.
    pub fn credits_of_creates(&self) -> i64 {
        self.parsers.iter().map(|parser| parser.credits).sum()
    }
}

impl HttpAnswer {
    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

#[cfg(test)]
mod tests;
