//! What the service answers to each request when nothing goes wrong. Pure.

use serde_json::{Map, Value, json};

use super::generation;
use super::http::{Endpoint, HttpAnswer, HttpRequest, Route, rfc3339};
use super::input::{CreateInput, object};
use super::pages;
use super::world::{Overrides, Parser, Status, Version, World};
use crate::core::job::UnixMs;

/// What one `GET /parse` costs, in credits.
const CREDITS_PER_PARSE: i64 = 1;

const BAD_KEY: &str = "Unauthorized request, please make sure your API key is valid.";
const NO_CREDITS: &str = "You have exhausted the API credits available in this cycle.";

impl World {
    /// Answers a request at this moment, and does what it asks for.
    pub fn handle(&mut self, now_ms: UnixMs, request: &HttpRequest) -> HttpAnswer {
        self.handle_with(now_ms, request, &Overrides::default())
    }

    /// As [`World::handle`]; with this overrides, if the request is a create,
    /// a PATCH or a DELETE.
    pub fn handle_with(
        &mut self,
        now_ms: UnixMs,
        request: &HttpRequest,
        overrides: &Overrides,
    ) -> HttpAnswer {
        let route = request.route();
        let result = match route.endpoint {
            Endpoint::Create => self.post(now_ms, request, overrides),
            Endpoint::Patch => self.patch(now_ms, request, &route, overrides),
            Endpoint::List => self.authorized(request).map(|()| self.list(now_ms)),
            Endpoint::Get => self
                .authorized(request)
                .and_then(|()| self.details(now_ms, &route)),
            Endpoint::Delete => self
                .authorized(request)
                .and_then(|()| self.delete(now_ms, &route, overrides)),
            Endpoint::Parse => self
                .authorized(request)
                .and_then(|()| self.parse(now_ms, request, &route)),
            Endpoint::Account => self.authorized(request).map(|()| self.account(now_ms)),
            Endpoint::Fetch => self
                .authorized(request)
                .and_then(|()| self.fetch(now_ms, request)),
            Endpoint::UrlCost => self
                .authorized(request)
                .and_then(|()| self.url_cost(request)),
            Endpoint::Other if route.is_known_path => {
                Err(HttpAnswer::error(405, "Method not allowed"))
            }
            Endpoint::Other => Err(HttpAnswer::error(404, "Not found")),
        };
        result.unwrap_or_else(|refusal| refusal)
    }

    /// The name of the parser that a request is about, if it is about one; of a fetch the URL.
    pub fn name_in(&self, now_ms: UnixMs, request: &HttpRequest) -> Option<String> {
        let route = request.route();
        match route.endpoint {
            Endpoint::Create => {
                let body = object(&request.body).ok()?;
                Some(body.get("name")?.as_str()?.to_owned())
            }
            Endpoint::Fetch => request.parameter("url").map(str::to_owned),
            _ => Some(self.find(now_ms, &route.id)?.name.clone()),
        }
    }

    /// Checks the key of a GET or DELETE, which is in the query.
    fn authorized(&self, request: &HttpRequest) -> Result<(), HttpAnswer> {
        match request.parameter("api_key") {
            Some(key) if key == self.config.key => Ok(()),
            _ => Err(HttpAnswer::error(401, BAD_KEY)),
        }
    }

    /// Reads a POST's or PATCH's body and checks the key, which is in it.
    pub(super) fn authorized_body(
        &self,
        request: &HttpRequest,
    ) -> Result<Map<String, Value>, HttpAnswer> {
        let body = object(&request.body).map_err(|text| HttpAnswer::error(400, &text))?;
        match body.get("api_key").and_then(Value::as_str) {
            None => Err(HttpAnswer::error(400, "api_key is required")),
            Some(key) if key != self.config.key => Err(HttpAnswer::error(401, BAD_KEY)),
            Some(_) => Ok(body),
        }
    }

    fn post(
        &mut self,
        now_ms: UnixMs,
        request: &HttpRequest,
        overrides: &Overrides,
    ) -> Result<HttpAnswer, HttpAnswer> {
        let body = self.authorized_body(request)?;
        let input = CreateInput::read(&body).map_err(|text| HttpAnswer::error(400, &text))?;
        self.check_plan(pages::effort(&input.scraper_params))?;
        let credits = self.price_of_create();
        if !self.can_pay(credits) {
            return Err(HttpAnswer::no_credits());
        }
        let id = self.create(now_ms, input, credits, overrides);
        // The documents show both; no client may rely on either.
        let status = if id.len() == 36 { 201 } else { 202 };
        let body = json!({"id": id, "version": 0});
        Ok(HttpAnswer::json(status, body.to_string()))
    }

    fn details(&self, now_ms: UnixMs, route: &Route) -> Result<HttpAnswer, HttpAnswer> {
        let (parser, _, version) = self.version_of(now_ms, route)?;
        let status = version.status(now_ms);
        let example_result: Option<Value> = (status == Status::Finished).then(|| {
            let of_page = |url: &String| {
                let result = generation::extract(&version.fields, url);
                json!({"url": url, "result": result})
            };
            parser.urls.iter().map(of_page).collect()
        });
        let is_ready = status != Status::Generating;
        // Neither id nor version: the answers seen have none.
        let body = json!({
            "name": parser.name,
            "created_at": rfc3339(parser.created_at_ms),
            "generated_at": is_ready.then(|| rfc3339(version.ready_at_ms)),
            "status": status.as_str(),
            "error": version.failure.as_ref().filter(|_| is_ready),
            "fields": *version.fields,
            "example_result": example_result,
        });
        Ok(HttpAnswer::json(200, body.to_string()))
    }

    fn list(&self, now_ms: UnixMs) -> HttpAnswer {
        let listed = self
            .parsers
            .iter()
            .filter(|parser| parser.is_listed(now_ms));
        let mut body = String::from("[");
        for parser in listed {
            let Some((number, version)) = parser.versions.shown(now_ms, None) else {
                continue;
            };
            if body.len() > 1 {
                body.push(',');
            }
            body.push_str(&list_item(parser, number, version, now_ms));
        }
        body.push(']');
        HttpAnswer::json(200, body)
    }

    fn parse(
        &mut self,
        now_ms: UnixMs,
        request: &HttpRequest,
        route: &Route,
    ) -> Result<HttpAnswer, HttpAnswer> {
        let (_, number, version) = self.version_of(now_ms, route)?;
        let Some(url) = request.parameter("url") else {
            return Err(HttpAnswer::error(400, "url is required"));
        };
        if version.status(now_ms) != Status::Finished {
            return Err(HttpAnswer::error(400, "the parser is not FINISHED"));
        }
        if !self.can_pay(CREDITS_PER_PARSE) {
            return Err(HttpAnswer::no_credits());
        }
        let params = request.query.iter();
        let params: Value = params.map(|(k, v)| (k.clone(), json!(v))).collect();
        if let Some(text) = generation::failure(&[url.to_owned()], &params) {
            self.failed_requests += 1;
            return Err(HttpAnswer::error(500, &text));
        }
        let result = generation::extract(&version.fields, url);
        self.spend(now_ms, CREDITS_PER_PARSE);
        let body = json!({"parser": route.id, "version": number, "result": result});
        Ok(HttpAnswer::json(200, body.to_string()))
    }

    fn account(&self, now_ms: UnixMs) -> HttpAnswer {
        /// What an account without an end of credits shows as its limit.
        const NO_LIMIT: i64 = 1_000_000_000_000;
        let limit = self.config.credits.unwrap_or(NO_LIMIT);
        let count = self.spending_known(now_ms);
        let body = json!({
            "requestCount": count,
            "requestLimit": limit,
            "creditsLeft": limit - count,
            "failedRequestCount": self.failed_requests,
            "concurrentRequests": self.concurrent_requests,
            "concurrencyLimit": 100,
            "subscriptionDate": "2025-01-01T00:00:00.000Z",
        });
        HttpAnswer::json(200, body.to_string())
    }

    /// The version that a request reads.
    fn version_of(
        &self,
        now_ms: UnixMs,
        route: &Route,
    ) -> Result<(&Parser, usize, &Version), HttpAnswer> {
        let parser = self.existing(now_ms, route)?;
        let shown = parser.versions.shown(now_ms, route.version);
        let (number, version) = shown.ok_or_else(HttpAnswer::no_parser)?;
        Ok((parser, number, version))
    }

    /// The parser that a request is about.
    pub(super) fn existing(&self, now_ms: UnixMs, route: &Route) -> Result<&Parser, HttpAnswer> {
        self.find(now_ms, &route.id)
            .ok_or_else(HttpAnswer::no_parser)
    }
}

impl HttpAnswer {
    pub(super) fn no_parser() -> Self {
        Self::error(404, "Parser not found")
    }

    pub(super) fn no_credits() -> Self {
        Self::error(402, NO_CREDITS)
    }
}

fn list_item(parser: &Parser, number: usize, version: &Version, now_ms: UnixMs) -> String {
    let status = version.status(now_ms);
    let head = &parser.list_head;
    let ready = rfc3339(version.ready_at_ms);
    let (generated_at, error) = match (status, &version.failure) {
        (Status::Generating, _) => (Value::Null, Value::Null),
        (Status::Finished, _) | (Status::Failed, None) => (ready.into(), Value::Null),
        (Status::Failed, Some(text)) => (ready.into(), text.as_str().into()),
    };
    let status = status.as_str();
    format!(
        "{head},\"status\":\"{status}\",\"error\":{error},\
         \"generated_at\":{generated_at},\"version\":{number}}}"
    )
}
