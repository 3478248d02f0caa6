//! The service over HTTP: the only place that knows URLs, `reqwest` and the key.

mod addresses;
mod chunks;
mod punctual;
mod setup;

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hyper::body::Bytes;
use reqwest::header::{CONTENT_TYPE, DATE, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use url::Url;

use self::addresses::{encode_segment, names_a_path_segment, names_another_page};
use self::chunks::Chunks;
use self::punctual::{Punctual, is_withheld};
pub use self::setup::{ClientConfig, ClientError};
use self::setup::{builder, check_account_url, check_base_url, check_key};
use super::Service;
use super::answer_json;
use super::classify::{self, Body, BodyEnd, RawAnswer, RawReply, TransportFault};
use super::service_clock::ServiceClock;
use super::text::Quoter;
use crate::clock::lasting_ms;
use crate::core::job::{DurationMs, ParserId, UnixMs};
use crate::core::outcome::{
    AccountOutcome, CreateOutcome, CreateRequest, Description, ErrorDetail, Flaws, ListOutcome,
    ListedParser, ParseOutcome, ParseRequest, PollOutcome,
};

/// Log targets, each with all below it, of the crates that hold URLs, headers
/// and bodies, hence the key. Telemetry must drop them whatever level is asked for.
///
/// As parserd builds them today they print no more than host and port at TRACE
/// (a test says so). A feature or an update may change that: `reqwest` prints
/// whole requests under `connection_verbose`, `hyper` traces under a build flag.
pub const LEAKY_TARGETS: &[&str] = &[
    "h2",
    "hyper",
    "hyper_rustls",
    "hyper_util",
    "reqwest",
    "rustls",
    "tower_http",
];

/// More of an error's body than this is not read, in bytes.
const MAX_ERROR_BODY_BYTES: usize = 64 * 1024;

/// An account page that takes longer is not waited for.
const MAX_ACCOUNT_TIMEOUT: Duration = Duration::from_secs(20);

/// A list may be longer than another answer by this factor.
const LIST_CAP_FACTOR: usize = 64;

/// So much of a list is kept to be quoted, in bytes.
const LIST_HEAD_BYTES: usize = 4 * 1024;

/// How many pieces of a list wait for being read.
const LIST_CHUNKS: usize = 8;

/// The service over HTTP.
///
/// No redirect is followed, nothing is sent twice, no create goes over a
/// connection that was used before. `Debug` prints no key.
#[derive(Clone)]
pub struct Client {
    base_url: Url,
    key: SecretString,
    quoter: Quoter,
    max_body_bytes: usize,
    reading: reqwest::Client,
    /// Keeps no connection: one that the other side has just closed would make
    /// a lost answer out of nothing.
    creating: reqwest::Client,
    /// Where the credits left are looked up: another host, maybe otherwise encrypted.
    account: Option<(Url, reqwest::Client)>,
    account_timeout: Duration,
    clock: ServiceClock,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.base_url.as_str())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client; nothing is sent.
    ///
    /// # Errors
    ///
    /// Where the base or account URL is neither https nor http on a loopback address, or
    /// carries a user, a query or a fragment; where the key is empty or not
    /// visible ASCII; where the HTTP client cannot be set up.
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        check_key(config.key.expose_secret())?;
        let encrypted = check_base_url(&config.base_url)?;
        // An error means that a provider is there already, which will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let build = |builder: reqwest::ClientBuilder| {
            builder
                .build()
                .map_err(|error| ClientError::Setup(chain(&error.without_url())))
        };
        let account = match &config.account_url {
            None => None,
            Some(url) => {
                let encrypted = check_account_url(url)?;
                Some((url.clone(), build(builder(&config, encrypted))?))
            }
        };
        Ok(Self {
            account,
            account_timeout: config.request_timeout.min(MAX_ACCOUNT_TIMEOUT),
            quoter: Quoter::hiding(&config.key),
            max_body_bytes: config.max_body_bytes,
            reading: build(builder(&config, encrypted))?,
            creating: build(builder(&config, encrypted).pool_max_idle_per_host(0))?,
            base_url: config.base_url,
            key: config.key,
            clock: ServiceClock::default(),
        })
    }

    /// How far the service's clock is ahead of this machine's by its last list, to a second
    /// or so; negative where it is behind.
    pub fn clock_ahead_ms(&self) -> Option<DurationMs> {
        Some(self.clock.now(lasting_ms())? - now_ms())
    }

    /// The service's clock, as far as its lists show it.
    pub fn clock(&self) -> ServiceClock {
        self.clock.clone()
    }

    fn look_at_clock(&self, response: &reqwest::Response) {
        let date = response.headers().get(DATE);
        let date = date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        let date = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok());
        if let Some(date_ms) = date.and_then(|date| DurationMs::try_from(date.as_millis()).ok()) {
            self.clock.saw(date_ms, lasting_ms());
        }
    }

    fn url(&self, segments: &[&str]) -> Url {
        let mut path = self.base_url.path().trim_end_matches('/').to_owned();
        for segment in segments {
            path.push('/');
            path.push_str(&encode_segment(segment));
        }
        let mut url = self.base_url.clone();
        url.set_path(&path);
        url
    }

    async fn get(&self, endpoint: &'static str, url: Url, cap_bytes: usize) -> RawReply {
        exchange(endpoint, self.reading.get(self.with_key(url)), cap_bytes).await
    }

    /// GET takes the key in the query (AI_PARSER_API.md).
    fn with_key(&self, mut url: Url) -> Url {
        url.query_pairs_mut()
            .append_pair("api_key", self.key.expose_secret());
        url
    }
}

impl Service for Client {
    async fn create(&self, request: &CreateRequest) -> CreateOutcome {
        let body = CreateBody {
            api_key: self.key.expose_secret(),
            request,
        };
        let body = match serde_json::to_vec(&body) {
            Ok(body) => body,
            Err(error) => {
                return CreateOutcome::Rejected(ErrorDetail {
                    status: None,
                    message: self
                        .quoter
                        .quote(&format!("not sent, not valid JSON: {error}")),
                });
            }
        };
        let request = self
            .creating
            .post(self.url(&["parsers"]))
            .header(CONTENT_TYPE, "application/json")
            .body(reqwest::Body::wrap(Punctual::new(body, request.not_after)));
        let reply = exchange("create", request, self.max_body_bytes).await;
        classify::create(reply, now_ms(), &self.quoter)
    }

    async fn details(&self, parser_id: &ParserId) -> PollOutcome {
        if !names_a_path_segment(&parser_id.0) {
            return PollOutcome::NotFound(ErrorDetail {
                status: None,
                message: self
                    .quoter
                    .quote(&format!("not sent: {parser_id:?} cannot be part of a URL")),
            });
        }
        let url = self.url(&["parsers", &parser_id.0]);
        let reply = self.get("details", url, self.max_body_bytes).await;
        classify::details(parser_id, reply, now_ms(), &self.quoter)
    }

    async fn describe(&self, parser_id: &ParserId) -> Description {
        if !names_a_path_segment(&parser_id.0) {
            return Description {
                outcome: self.details(parser_id).await,
                name: None,
                created_at: None,
            };
        }
        let url = self.url(&["parsers", &parser_id.0]);
        let reply = self.get("details", url, self.max_body_bytes).await;
        classify::description(parser_id, reply, now_ms(), &self.quoter)
    }

    async fn parse(&self, request: &ParseRequest) -> ParseOutcome {
        let id = &request.parser_id.0;
        if !names_a_path_segment(id) {
            return ParseOutcome::Inconclusive(ErrorDetail {
                status: None,
                message: self
                    .quoter
                    .quote(&format!("not sent: {id:?} cannot be part of a URL")),
            });
        }
        let version = request.version.map(|version| version.to_string());
        let path = ["parse", id].into_iter().chain(version.as_deref());
        let mut url = self.url(&path.collect::<Vec<_>>());
        let params = request.scraper_params.as_deref().unwrap_or("{}");
        let params: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(params).unwrap_or_default();
        url.query_pairs_mut().append_pair("url", &request.url);
        for (name, value) in &params {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            url.query_pairs_mut().append_pair(name, &text);
        }
        let reply = self.get("parse", url, self.max_body_bytes).await;
        classify::parse(reply, now_ms(), &self.quoter)
    }

    async fn list(&self) -> ListOutcome {
        let cap_bytes = self.max_body_bytes.saturating_mul(LIST_CAP_FACTOR);
        let request = self.reading.get(self.with_key(self.url(&["parsers"])));
        let mut is_linked = false;
        let (reply, mut parsers) = logged("list", async {
            let sent = request.send().await;
            if let Ok(response) = &sent {
                self.look_at_clock(response);
                is_linked = names_another_page(response.headers());
            }
            match sent {
                Ok(response) if response.status().is_success() => {
                    let (answer, parsers) =
                        read_list(response, cap_bytes, self.quoter.clone()).await;
                    (Ok(answer), Some(parsers))
                }
                Ok(response) => (Ok(read(response, cap_bytes).await), None),
                Err(error) => (Err(fault(error)), None),
            }
        })
        .await;
        if let Some(Ok((_, flaws))) = &mut parsers {
            flaws.is_linked = is_linked;
        }
        match (reply, parsers) {
            (Ok(answer), Some(parsers)) => classify::listed(&answer, parsers, &self.quoter),
            (reply, _) => classify::list(reply, now_ms(), &self.quoter),
        }
    }

    async fn account(&self) -> Option<AccountOutcome> {
        let (url, client) = self.account.as_ref()?;
        let request = client.get(self.with_key(url.clone()));
        // A look must not take as long as what it is to spare.
        let request = request.timeout(self.account_timeout);
        let reply = exchange("account", request, MAX_ERROR_BODY_BYTES).await;
        Some(classify::account(reply, now_ms(), &self.quoter))
    }

    fn time(&self, lasting_ms: DurationMs) -> Option<UnixMs> {
        self.clock.now(lasting_ms)
    }
}

/// `POST /parsers` takes the key in the body (AI_PARSER_API.md).
#[derive(Serialize)]
struct CreateBody<'a> {
    api_key: &'a str,
    #[serde(flatten)]
    request: &'a CreateRequest,
}

/// Sends one request, reads its answer, and logs that it was, without URL,
/// headers and key.
async fn exchange(
    endpoint: &'static str,
    request: reqwest::RequestBuilder,
    cap_bytes: usize,
) -> RawReply {
    let (reply, ()) = logged(endpoint, async {
        let reply = match request.send().await {
            Ok(response) => Ok(read(response, cap_bytes).await),
            Err(error) => Err(fault(error)),
        };
        (reply, ())
    })
    .await;
    reply
}

async fn logged<T>(
    endpoint: &'static str,
    asking: impl Future<Output = (RawReply, T)>,
) -> (RawReply, T) {
    let started = Instant::now();
    let (reply, rest) = asking.await;
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    match &reply {
        Ok(answer) => {
            tracing::debug!(
                endpoint,
                http_status = answer.status,
                elapsed_ms,
                "answered"
            );
        }
        Err(TransportFault::NotConnected(_)) => {
            tracing::debug!(endpoint, elapsed_ms, "not connected");
        }
        Err(TransportFault::TimedOut(_)) => tracing::debug!(endpoint, elapsed_ms, "timed out"),
        Err(TransportFault::Broken(_)) => tracing::debug!(endpoint, elapsed_ms, "broken off"),
    }
    (reply, rest)
}

fn head(response: &reqwest::Response) -> (u16, Option<String>) {
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| Some(value.to_str().ok()?.to_owned()));
    (response.status().as_u16(), retry_after)
}

/// Reads a list as it comes, so that an account of any size takes no more memory than
/// what is kept of it.
async fn read_list(
    mut response: reqwest::Response,
    cap_bytes: usize,
    quoter: Quoter,
) -> (RawAnswer, Result<(Vec<ListedParser>, Flaws), String>) {
    let (status, retry_after) = head(&response);
    let (chunks, inbox) = mpsc::channel(LIST_CHUNKS);
    let (done, parsing) = oneshot::channel();
    // Not one of the runtime's threads for what blocks, another each time: the C library
    // would keep a list's room for each of them.
    let reader = std::thread::Builder::new()
        .name("list".to_owned())
        .spawn(move || {
            // Nobody waits for it any more where the request was given up.
            let _unwanted = done.send(answer_json::list(Chunks::new(inbox), &quoter));
        });
    let mut bytes = Vec::new();
    let mut count = 0;
    let end = loop {
        match next_chunk(&mut response).await {
            Ok(None) => break BodyEnd::Complete,
            Ok(Some(chunk)) => {
                count += chunk.len();
                if count > cap_bytes {
                    break BodyEnd::OverCap(cap_bytes);
                }
                let room = LIST_HEAD_BYTES - bytes.len();
                bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
                // Not a list, or an item that is not one: the rest of it does not matter.
                if chunks.send(chunk).await.is_err() {
                    break BodyEnd::Complete;
                }
            }
            Err(end) => break end,
        }
    };
    drop(chunks);
    let parsers = match (parsing.await, reader) {
        (Ok(parsers), _) => parsers,
        (Err(_), Err(error)) => Err(format!("no thread to read it with: {error}")),
        (Err(error), Ok(_)) => Err(format!("reading it ended: {error}")),
    };
    let body = Body { bytes, end };
    let answer = RawAnswer {
        status,
        retry_after,
        body,
    };
    (answer, parsers)
}

async fn next_chunk(response: &mut reqwest::Response) -> Result<Option<Bytes>, BodyEnd> {
    response.chunk().await.map_err(|error| match fault(error) {
        TransportFault::TimedOut(_) => BodyEnd::TimedOut,
        TransportFault::NotConnected(text) | TransportFault::Broken(text) => BodyEnd::Cut(text),
    })
}

async fn read(mut response: reqwest::Response, cap_bytes: usize) -> RawAnswer {
    let (status, retry_after) = head(&response);
    let cap_bytes = if response.status().is_success() {
        cap_bytes
    } else {
        cap_bytes.min(MAX_ERROR_BODY_BYTES)
    };
    let mut bytes = Vec::new();
    let end = loop {
        match next_chunk(&mut response).await {
            Ok(None) => break BodyEnd::Complete,
            Ok(Some(chunk)) => {
                let room = cap_bytes - bytes.len();
                bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    break BodyEnd::OverCap(cap_bytes);
                }
            }
            Err(end) => break end,
        }
    };
    RawAnswer {
        status,
        retry_after,
        body: Body { bytes, end },
    }
}

/// The one place where a `reqwest::Error` becomes text: without its URL, which
/// holds the key.
fn fault(error: reqwest::Error) -> TransportFault {
    let error = error.without_url();
    let text = chain(&error);
    // A connect timeout is both, and nothing was sent; no more was of a body that was withheld.
    if error.is_connect() || error.is_builder() || is_withheld(&error) {
        TransportFault::NotConnected(text)
    } else if error.is_timeout() {
        TransportFault::TimedOut(text)
    } else {
        TransportFault::Broken(text)
    }
}

/// An error and its causes, joined by colons.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // Some errors repeat their cause.
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

fn now_ms() -> UnixMs {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMs::try_from(since_epoch.as_millis()).unwrap_or(UnixMs::MAX)
}

#[cfg(test)]
mod tests;
