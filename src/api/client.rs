//! The service over HTTP: the only place that knows URLs, `reqwest` and the key.

mod addresses;
mod chunks;
pub mod control;
mod exchange;
mod fetch;
mod patch;
mod punctual;
mod setup;
pub mod webhook;

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{CONTENT_TYPE, DATE};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use url::Url;

use self::addresses::{encode_segment, names_a_path_segment, names_another_page};
use self::exchange::{MAX_ERROR_BODY_BYTES, chain, exchange, fault, logged, read, read_list};
use self::fetch::Fetcher;
use self::punctual::Punctual;
pub use self::setup::{ClientConfig, ClientError};
use self::setup::{builder, check_account_url, check_base_url, check_fetch_url, check_key};
use super::Service;
use super::classify::{self, RawReply};
use super::service_clock::ServiceClock;
use super::text::Quoter;
use crate::clock::lasting_ms;
use crate::core::job::{DurationMs, ParserId, UnixMs};
use crate::core::outcome::{
    AccountOutcome, ChangeOutcome, CreateOutcome, CreateRequest, Description, ErrorDetail,
    FetchOutcome, FetchRequest, ListOutcome, ParseOutcome, ParseRequest, PatchRequest, PollOutcome,
    PriceOutcome,
};
use crate::core::preflight::Brought;

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

/// An account page that takes longer is not waited for.
const MAX_ACCOUNT_TIMEOUT: Duration = Duration::from_secs(20);

/// A page whose fetch is priced, to see who answers. It is not fetched.
const PRICED_PAGE: &str = "https://example.com/";

/// A list may be longer than another answer by this factor.
const LIST_CAP_FACTOR: usize = 64;

/// The service over HTTP.
///
/// No redirect is followed, nothing is sent twice, no create, change or delete goes
/// over a connection that was used before. `Debug` prints no key.
#[derive(Clone)]
pub struct Client {
    base_url: Url,
    key: SecretString,
    quoter: Quoter,
    max_body_bytes: usize,
    reading: reqwest::Client,
    /// For what may change something. Keeps no connection: one that the other side has just
    /// closed would make a lost answer out of nothing.
    writing: reqwest::Client,
    /// Where the credits left are looked up: another host, maybe otherwise encrypted.
    account: Option<(Url, reqwest::Client)>,
    account_timeout: Duration,
    fetcher: Option<Fetcher>,
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
    /// Where a URL is neither https nor http on a loopback address, or
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
        let fetcher = match &config.fetch_url {
            None => None,
            Some(url) => {
                let encrypted = check_fetch_url(url)?;
                let client = build(builder(&config, encrypted))?;
                Some(Fetcher::new(url.clone(), client))
            }
        };
        Ok(Self {
            account,
            fetcher,
            account_timeout: config.request_timeout.min(MAX_ACCOUNT_TIMEOUT),
            quoter: Quoter::hiding(&config.key),
            max_body_bytes: config.max_body_bytes,
            reading: build(builder(&config, encrypted))?,
            writing: build(builder(&config, encrypted).pool_max_idle_per_host(0))?,
            base_url: config.base_url,
            key: config.key,
            clock: ServiceClock::default(),
        })
    }

    /// Asks for the price of a fetch, which costs nothing and shows whether the fetch API answers
    /// there; None where its address is not known.
    pub async fn price(&self) -> Option<PriceOutcome> {
        let fetcher = self.fetcher.as_ref()?;
        let mut url = self.with_key(fetcher.price_url()?);
        url.query_pairs_mut().append_pair("url", PRICED_PAGE);
        let request = fetcher.client.get(url).timeout(self.account_timeout);
        let reply = exchange("urlcost", request, MAX_ERROR_BODY_BYTES).await;
        Some(classify::price(reply, now_ms(), &self.quoter))
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

    fn parser_url(&self, id: &ParserId, version: Option<i64>) -> Url {
        self.versioned_url("parsers", id, version)
    }

    fn versioned_url(&self, kind: &str, id: &ParserId, version: Option<i64>) -> Url {
        let version = version.map(|version| version.to_string());
        let path = [kind, &id.0].into_iter().chain(version.as_deref());
        self.url(&path.collect::<Vec<_>>())
    }

    /// The words for what cannot be sent.
    fn unsent(&self, why: &str) -> ErrorDetail {
        ErrorDetail {
            status: None,
            message: self.quoter.quote(&format!("not sent{why}")),
        }
    }

    fn not_in_a_url(&self, id: &ParserId) -> ErrorDetail {
        self.unsent(&format!(": {:?} cannot be part of a URL", id.0))
    }

    async fn get(&self, endpoint: &'static str, url: Url, cap_bytes: usize) -> RawReply {
        exchange(endpoint, self.reading.get(self.with_key(url)), cap_bytes).await
    }

    /// GET and DELETE take the key in the query (AI_PARSER_API.md).
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
                return CreateOutcome::Rejected(self.unsent(&format!(", not valid JSON: {error}")));
            }
        };
        let post = self.writing.post(self.url(&["parsers"]));
        let post = with_json(post, body, request.not_after);
        let reply = exchange("create", post, self.max_body_bytes).await;
        classify::create(reply, now_ms(), &self.quoter)
    }

    async fn change(&self, request: &PatchRequest) -> ChangeOutcome {
        let id = &request.parser_id;
        if !names_a_path_segment(&id.0) {
            return ChangeOutcome::NotFound(self.not_in_a_url(id));
        }
        let body = match patch::body(self.key.expose_secret(), &request.body) {
            Ok(body) => body,
            Err(error) => {
                return ChangeOutcome::Rejected(self.unsent(&format!(", not a change: {error}")));
            }
        };
        let patch = self
            .writing
            .patch(self.parser_url(id, Some(request.base_version)));
        let patch = with_json(patch, body, request.not_after);
        let reply = exchange("change", patch, self.max_body_bytes).await;
        classify::change(id, reply, now_ms(), &self.quoter)
    }

    async fn delete(&self, parser_id: &ParserId) -> ChangeOutcome {
        if !names_a_path_segment(&parser_id.0) {
            return ChangeOutcome::NotFound(self.not_in_a_url(parser_id));
        }
        let url = self.with_key(self.parser_url(parser_id, None));
        let reply = exchange("delete", self.writing.delete(url), self.max_body_bytes).await;
        classify::delete(reply, now_ms(), &self.quoter)
    }

    async fn details(&self, parser_id: &ParserId) -> PollOutcome {
        if !names_a_path_segment(&parser_id.0) {
            return PollOutcome::NotFound(self.not_in_a_url(parser_id));
        }
        let url = self.parser_url(parser_id, None);
        let reply = self.get("details", url, self.max_body_bytes).await;
        classify::details(parser_id, reply, now_ms(), &self.quoter)
    }

    async fn describe(&self, parser_id: &ParserId, version: Option<i64>) -> Description {
        if !names_a_path_segment(&parser_id.0) {
            return PollOutcome::NotFound(self.not_in_a_url(parser_id)).into();
        }
        let url = self.parser_url(parser_id, version);
        let reply = self.get("details", url, self.max_body_bytes).await;
        classify::description(parser_id, reply, now_ms(), &self.quoter)
    }

    async fn parse(&self, request: &ParseRequest) -> ParseOutcome {
        let id = &request.parser_id;
        if !names_a_path_segment(&id.0) {
            return ParseOutcome::Inconclusive(self.not_in_a_url(id));
        }
        let mut url = self.versioned_url("parse", id, request.version);
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

    async fn fetch(&self, request: &FetchRequest) -> FetchOutcome {
        let Some(fetcher) = &self.fetcher else {
            return FetchOutcome::Brought {
                brought: Brought::Nothing {
                    why: "no preflight.url".to_owned(),
                },
                credits: Some(0),
            };
        };
        let mut url = self.with_key(fetcher.url.clone());
        Fetcher::add_parameters(&mut url, request);
        fetcher.fetch(url, request, &self.quoter).await
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

/// A request with this body, which is handed out in time or not at all.
fn with_json(
    request: reqwest::RequestBuilder,
    body: Vec<u8>,
    not_after: Option<DurationMs>,
) -> reqwest::RequestBuilder {
    request
        .header(CONTENT_TYPE, "application/json")
        .body(reqwest::Body::wrap(Punctual::new(body, not_after)))
}

fn now_ms() -> UnixMs {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMs::try_from(since_epoch.as_millis()).unwrap_or(UnixMs::MAX)
}

#[cfg(test)]
mod tests;
