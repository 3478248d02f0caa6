//! A simulator of the AI Parser API, with an account, money, time and faults.
//!
//! [`World`] is the service when all goes well, [`Faults`] is what goes wrong.
//! [`Simulator`] puts them together; it is pure, on a clock that is handed in, so
//! a test may drive it without HTTP. [`server`] puts it behind a loopback socket.
//!
//! Of what the service's documents leave open, the simulator does what is harder
//! on a client: names are not unique, ids are mostly not UUIDs, a create answers
//! 201 or 202, `GET /parsers/{id}` names neither id nor version, the account
//! endpoint lags, and a FAILED generation is charged.

mod changes;
mod control;
pub mod defects;
mod delivery;
mod endpoints;
pub mod faults;
mod fetch;
mod generation;
pub mod http;
mod input;
mod pages;
pub mod script;
pub mod server;
pub mod world;

use std::collections::{BTreeMap, VecDeque};

pub use faults::{FaultRule, Faults};
pub use generation::MEDIAN_GENERATION_MS;
pub use http::{Delivery, Endpoint, HttpAnswer, HttpRequest, Reply};
pub use world::{Inserted, ParserView, StaleBase, Status, World, WorldConfig};

use crate::core::job::UnixMs;
use faults::AnswerFault;

/// How many requests the log holds; older ones go.
const LOG_LENGTH: usize = 10_000;

/// The service with its faults and a record of what was asked of it.
#[derive(Debug)]
pub struct Simulator {
    /// The account and its parsers.
    pub world: World,
    /// What goes wrong.
    pub faults: Faults,
    /// What was asked.
    pub traffic: Traffic,
    /// More requests than this at once get 429.
    pub concurrency_limit: Option<u64>,
}

impl Simulator {
    /// A simulator at its beginning.
    pub fn new(world: WorldConfig, faults: Faults) -> Self {
        Self {
            world: World::new(world),
            faults,
            traffic: Traffic::default(),
            concurrency_limit: None,
        }
    }

    /// Does what a request asks for at this moment, faults included.
    pub fn respond(&mut self, now_ms: UnixMs, request: &HttpRequest) -> Reply {
        if request.is_control() {
            return Reply::HttpAnswer {
                answer: self.control(now_ms, request),
                delivery: Delivery::Whole,
                delay_ms: 0,
            };
        }
        let endpoint = request.endpoint();
        let name = self.world.name_in(now_ms, request);
        let reply = self.reply(now_ms, request, name.as_deref());
        self.traffic.record(LoggedRequest {
            at_ms: now_ms,
            endpoint,
            path: request.path.clone(),
            name,
            status: match &reply {
                Reply::HttpAnswer { answer, .. } => Some(answer.status),
                Reply::Lost { .. } => None,
            },
        });
        reply
    }

    fn reply(&mut self, now_ms: UnixMs, request: &HttpRequest, name: Option<&str>) -> Reply {
        let mut effect = self.faults.inject(now_ms, request.endpoint(), name);
        let delay_ms = effect.delay_ms.unwrap_or(0);
        let in_flight = self.traffic.in_flight;
        if self
            .concurrency_limit
            .is_some_and(|limit| in_flight > limit)
        {
            effect.has_effect = Some(false);
            effect.answer.get_or_insert(AnswerFault::Status {
                status: 429,
                body: None,
                retry_after: None,
            });
        }
        let answer = if effect.has_effect == Some(false) {
            None
        } else {
            self.world.concurrent_requests = in_flight;
            Some(self.carry_out(now_ms, request, &effect))
        };
        let natural = answer
            .as_ref()
            .filter(|_| effect.answer.is_none())
            .map(|answer| self.world.delivery(request, answer));
        let delivery = effect.delivery.or(natural).unwrap_or(Delivery::Whole);
        let mut answer = match &effect.answer {
            Some(AnswerFault::Lost { is_reset }) => {
                let is_reset = *is_reset;
                return Reply::Lost { is_reset, delay_ms };
            }
            Some(fault) => fault.answer(now_ms),
            None => answer,
        }
        .unwrap_or_else(|| HttpAnswer::empty(200));
        effect.edits.iter().for_each(|edit| edit.apply(&mut answer));
        Reply::HttpAnswer {
            answer,
            delivery,
            delay_ms,
        }
    }

    fn carry_out(
        &mut self,
        now_ms: UnixMs,
        request: &HttpRequest,
        effect: &faults::Effect,
    ) -> HttpAnswer {
        let overrides = effect.overrides();
        match effect.altered_body(&request.body) {
            None => self.world.handle_with(now_ms, request, &overrides),
            Some(body) => {
                let mut altered = request.clone();
                altered.body = body;
                self.world.handle_with(now_ms, &altered, &overrides)
            }
        }
    }
}

/// One request that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedRequest {
    /// When it was received.
    pub at_ms: UnixMs,
    /// What it asked for.
    pub endpoint: Endpoint,
    /// The path, without the query.
    pub path: String,
    /// The name of the parser that it was about, or the URL of the page, if any.
    pub name: Option<String>,
    /// The answer's status; `None` where the answer was lost.
    pub status: Option<u16>,
}

/// What was asked of the simulator.
#[derive(Debug, Default)]
pub struct Traffic {
    counts: BTreeMap<(Endpoint, Option<u16>), u64>,
    log: VecDeque<LoggedRequest>,
    in_flight: u64,
    max_in_flight: u64,
}

impl Traffic {
    /// How many requests an endpoint received.
    pub fn count(&self, endpoint: Endpoint) -> u64 {
        let of_endpoint = self.counts.iter().filter(|((at, _), _)| *at == endpoint);
        of_endpoint.map(|(_, count)| count).sum()
    }

    /// How many requests an endpoint answered with this status; `None` counts
    /// the answers that were lost.
    pub fn count_status(&self, endpoint: Endpoint, status: Option<u16>) -> u64 {
        self.counts.get(&(endpoint, status)).copied().unwrap_or(0)
    }

    /// The counts by endpoint and status (`None`: lost).
    pub fn counts(&self) -> &BTreeMap<(Endpoint, Option<u16>), u64> {
        &self.counts
    }

    /// The last 10,000 requests, oldest first.
    pub fn log(&self) -> impl Iterator<Item = &LoggedRequest> {
        self.log.iter()
    }

    /// How many requests are under way; always 0 without a server.
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// The most requests that were ever under way at once.
    pub fn max_in_flight(&self) -> u64 {
        self.max_in_flight
    }

    pub(super) fn begin(&mut self) {
        self.in_flight += 1;
        self.max_in_flight = self.max_in_flight.max(self.in_flight);
    }

    pub(super) fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    fn record(&mut self, request: LoggedRequest) {
        *self
            .counts
            .entry((request.endpoint, request.status))
            .or_default() += 1;
        if self.log.len() == LOG_LENGTH {
            self.log.pop_front();
        }
        self.log.push_back(request);
    }
}

#[cfg(test)]
mod tests;
