//! What a PATCH and a DELETE do when nothing goes wrong. Pure.

use serde_json::{Value, json};

use super::generation;
use super::http::{Endpoint, HttpAnswer, HttpRequest, Route};
use super::input::PatchInput;
use super::world::{Deletion, Overrides, StaleBase, Status, Version, World};
use crate::core::job::UnixMs;

/// Who changes a parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Author {
    /// The client under test, which pays and is counted.
    Client,
    /// Another tool: what it does costs nothing here, and is not counted.
    Other,
}

/// What a PATCH did.
struct Changed {
    /// The new version.
    number: usize,
    is_paid: bool,
}

impl World {
    pub(super) fn patch(
        &mut self,
        now_ms: UnixMs,
        request: &HttpRequest,
        route: &Route,
        overrides: &Overrides,
    ) -> Result<HttpAnswer, HttpAnswer> {
        let body = self.authorized_body(request)?;
        let patch = PatchInput::read(&body).map_err(bad_request)?;
        let changed = self.change(now_ms, route, &patch, overrides, Author::Client)?;
        let status = if changed.is_paid { 202 } else { 200 };
        let body = json!({"id": route.id, "version": changed.number});
        Ok(HttpAnswer::json(status, body.to_string()))
    }

    /// Changes the latest version of a parser as another tool would, with the body of a PATCH,
    /// which needs no key. Returns the new version, or the service's refusal. It costs nothing
    /// and is not one of [`World::patches_of`]; what it adds or modifies is generated all the same.
    pub fn patch_as_other(
        &mut self,
        now_ms: UnixMs,
        id: &str,
        body: &Value,
    ) -> Result<usize, HttpAnswer> {
        let route = Route {
            endpoint: Endpoint::Patch,
            id: id.to_owned(),
            version: None,
            is_known_path: true,
        };
        let body = body.as_object().cloned().unwrap_or_default();
        let patch = PatchInput::read(&body).map_err(bad_request)?;
        self.change(now_ms, &route, &patch, &Overrides::default(), Author::Other)
            .map(|changed| changed.number)
    }

    /// Whether this version of a parser FAILED, or will have by then.
    pub fn is_failed_version(&self, now_ms: UnixMs, id: &str, version: usize) -> bool {
        let parser = self.find(now_ms, id);
        let version = parser.and_then(|parser| parser.versions.real(now_ms, Some(version)));
        version.is_some_and(|(_, version)| version.status(now_ms) == Status::Failed)
    }

    fn change(
        &mut self,
        now_ms: UnixMs,
        route: &Route,
        patch: &PatchInput,
        overrides: &Overrides,
        author: Author,
    ) -> Result<Changed, HttpAnswer> {
        let parser = self.existing(now_ms, route)?;
        let (base_number, base) = parser
            .versions
            .real(now_ms, route.version)
            .ok_or_else(HttpAnswer::no_parser)?;
        let is_strict = overrides.stale_base == StaleBase::Conflict;
        if is_strict && !parser.versions.is_latest(now_ms, base_number) {
            let text = format!("version {base_number} is not the latest");
            return Err(HttpAnswer::error(409, &text));
        }
        if base.status(now_ms) != Status::Finished {
            return Err(bad_request("the parser is not FINISHED".to_owned()));
        }
        let fields = patch.apply(&base.fields).map_err(bad_request)?;
        let landed_at_ms = now_ms + overrides.land_after_ms;
        let mut version = Version {
            landed_at_ms,
            shown_from_ms: landed_at_ms + overrides.list_after_ms,
            is_strict,
            ..Version::first(fields, landed_at_ms, None)
        };
        if patch.is_paid() {
            let number = parser.versions.landed(UnixMs::MAX).len();
            let draw_name = format!("{}/{number}", parser.id);
            let mut rng = generation::chance(self.config.seed, "patch", &draw_name, 0);
            let drawn_ms = generation::draw_generation_ms(&mut rng, self.config.generation_scale);
            let failure = generation::failure(&parser.urls, &parser.scraper_params);
            version.ready_at_ms += overrides.generation_ms.unwrap_or(drawn_ms);
            version.failure = overrides.fail_with.clone().or(failure);
            if author == Author::Client {
                version.credits = self.config.credits_per_create;
            }
        }
        if !self.can_pay(version.credits) {
            return Err(HttpAnswer::no_credits());
        }
        Ok(Changed {
            number: self.add_version(now_ms, &route.id, version),
            is_paid: patch.is_paid(),
        })
    }

    pub(super) fn delete(
        &mut self,
        now_ms: UnixMs,
        route: &Route,
        overrides: &Overrides,
    ) -> Result<HttpAnswer, HttpAnswer> {
        self.existing(now_ms, route)?;
        let (land_ms, list_ms) = (overrides.land_after_ms, overrides.list_after_ms);
        self.mark_deleted(&route.id, Deletion::after(now_ms, land_ms, list_ms));
        Ok(HttpAnswer::empty(204))
    }
}

fn bad_request(text: String) -> HttpAnswer {
    HttpAnswer::error(400, &text)
}

#[cfg(test)]
mod tests;
