//! What a person changes while the simulator runs: credits and faults, over HTTP. Pure.
//!
//! | request | body | does |
//! |---|---|---|
//! | `GET /_simulator` | | nothing |
//! | `POST /_simulator/credits` | `{"credits": N}` | sets the credits that are left |
//! | | `{"add": N}` | adds credits |
//! | `POST /_simulator/faults` | `{"add": ["RULE"]}` | adds faults after those that are there |
//! | `DELETE /_simulator/faults` | | removes all faults |
//!
//! Each answers with the state after it. Such a request is not part of the service: no fault applies
//! to it, and it is not counted.
//!
//! Each needs the simulator's key in the header `Authorization: Bearer KEY`. A browser asks before
//! it sends that header to another origin, and nothing here says yes; so a web page that happens to
//! be open cannot change anything, although it may know the default key.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::http::{HttpAnswer, HttpRequest};
use super::input::object;
use super::{FaultRule, Simulator};
use crate::core::job::UnixMs;

/// The path of the state; all else is below it.
const ROOT: &str = "/_simulator";

/// The most credits that can be set or added: what the account endpoint shows as no limit.
const MAX_CREDITS: i64 = 1_000_000_000_000;

impl HttpRequest {
    /// Whether it is about the simulator, and not part of the service.
    pub fn is_control(&self) -> bool {
        let rest = self.path.strip_prefix(ROOT);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Simulator {
    /// Does what a request that [is one](HttpRequest::is_control) asks for. What is refused changes
    /// nothing.
    pub(super) fn control(&mut self, now_ms: UnixMs, request: &HttpRequest) -> HttpAnswer {
        let done = match &request.bearer {
            Some(key) if self.world.has_key(key) => self.change(request),
            _ => {
                let text = "send the simulator's key in the header Authorization: Bearer KEY";
                Err(HttpAnswer::error(401, text))
            }
        };
        done.map_or_else(
            |refusal| refusal,
            |()| HttpAnswer::json(200, self.state(now_ms).to_string()),
        )
    }

    fn change(&mut self, request: &HttpRequest) -> Result<(), HttpAnswer> {
        let method = request.method.as_str();
        match (method, request.path.strip_prefix(ROOT).unwrap_or_default()) {
            ("GET", "") => Ok(()),
            ("POST", "/credits") => self.change_credits(&request.body).map_err(bad_request),
            ("POST", "/faults") => self.add_faults(&request.body).map_err(bad_request),
            ("DELETE", "/faults") => {
                self.faults.clear();
                Ok(())
            }
            (_, "" | "/credits" | "/faults") => Err(HttpAnswer::error(405, "Method not allowed")),
            _ => Err(HttpAnswer::error(404, "Not found")),
        }
    }

    fn change_credits(&mut self, body: &[u8]) -> Result<(), String> {
        let body = object(body)?;
        let (key, value) = only_member(&body, &["credits", "add"])?;
        let credits = value.as_i64();
        let credits = credits.filter(|credits| (0..=MAX_CREDITS).contains(credits));
        let credits = credits
            .ok_or_else(|| format!("{key} must be an integer from 0 to 1,000,000,000,000"))?;
        if key == "credits" {
            self.world.set_credits_left(credits);
        } else if self.world.credits_left().is_none() {
            return Err("the credits have no limit: set one with credits".to_owned());
        } else {
            self.world.add_credits(credits);
        }
        Ok(())
    }

    /// All rules of the body, or none.
    fn add_faults(&mut self, body: &[u8]) -> Result<(), String> {
        let body = object(body)?;
        let (_, rules) = only_member(&body, &["add"])?;
        let not_strings = || "add must be an array of strings".to_owned();
        let rules = rules.as_array().ok_or_else(not_strings)?;
        let rules = rules.iter().map(|rule| {
            let rule = rule.as_str().ok_or_else(not_strings)?;
            rule.parse::<FaultRule>().map_err(|error| error.to_string())
        });
        let rules: Vec<FaultRule> = rules.collect::<Result<_, _>>()?;
        rules.into_iter().for_each(|rule| self.faults.add(rule));
        Ok(())
    }

    /// What a person sees: credits, parsers by status, requests by endpoint and status, faults.
    fn state(&self, now_ms: UnixMs) -> Value {
        let mut parsers: BTreeMap<&str, u64> = BTreeMap::new();
        for parser in self.world.parsers(now_ms) {
            *parsers.entry(parser.status.as_str()).or_default() += 1;
        }
        let mut requests: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
        for ((endpoint, status), count) in self.traffic.counts() {
            let status = status.map_or_else(|| "lost".to_owned(), |status| status.to_string());
            let of_endpoint = requests.entry(endpoint.as_str()).or_default();
            of_endpoint.insert(status, *count);
        }
        let faults = self.faults.applied_by_rule();
        let faults = faults.map(|(rule, applied)| json!({"rule": rule.text, "applied": applied}));
        json!({
            "credits": {"left": self.world.credits_left(), "spent": self.world.credits_spent()},
            "parsers": parsers,
            "requests": requests,
            "faults": faults.collect::<Vec<_>>(),
        })
    }
}

/// The one member of a body, whose key is one of these.
fn only_member<'a>(
    body: &'a Map<String, Value>,
    keys: &[&str],
) -> Result<(&'a str, &'a Value), String> {
    let mut members = body.iter();
    match (members.next(), members.next()) {
        (Some((key, value)), None) if keys.contains(&key.as_str()) => Ok((key, value)),
        _ => Err(format!("the body must have one key: {}", keys.join(" or "))),
    }
}

fn bad_request(text: String) -> HttpAnswer {
    HttpAnswer::error(400, &text)
}

#[cfg(test)]
mod tests;
