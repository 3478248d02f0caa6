//! What a client is made from, and what it refuses to be made from.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use secrecy::SecretString;
use url::{Host, Url};

/// Well below what load balancers allow, so that a reused connection is live.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes that the other side does not acknowledge for so long end the connection (Linux).
const MAX_UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// What a [`Client`](super::Client) is made from. `Debug` prints no key.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Where the service is: https, or http on a loopback address; a path is a
    /// prefix of every request's path.
    pub base_url: Url,
    /// Where the credits left are looked up, the whole address: https, or http on a
    /// loopback address. None where it is not known.
    pub account_url: Option<Url>,
    /// Where web pages are fetched, the whole address, of the same sort. None where it is not
    /// known.
    pub fetch_url: Option<Url>,
    /// The API key: visible ASCII.
    pub key: SecretString,
    /// For a whole request, from connecting to the last byte of the body.
    pub request_timeout: Duration,
    /// For connecting, with DNS and TLS. At most half of `request_timeout`
    /// counts: a request that did not connect must be known as such.
    pub connect_timeout: Duration,
    /// The most of a body that is read, after decompression; 16 times as much
    /// of a list.
    pub max_body_bytes: usize,
    /// Whether the proxy that the environment names is used. It never is for a
    /// loopback address, to which the key goes in clear text.
    pub proxy: bool,
}

impl ClientConfig {
    /// The defaults: 75 s a request (the service retries inside for 70 s, says
    /// AI_PARSER_API.md), 10 s to connect, bodies of 4 MiB, no proxy.
    pub fn new(base_url: Url, key: SecretString) -> Self {
        Self {
            base_url,
            account_url: None,
            fetch_url: None,
            key,
            request_timeout: Duration::from_secs(75),
            connect_timeout: Duration::from_secs(10),
            max_body_bytes: 4 * 1024 * 1024,
            proxy: false,
        }
    }
}

/// Why there can be no [`Client`](super::Client). No message holds the key or the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The base URL cannot be used.
    #[error("the base URL {0}")]
    BaseUrl(&'static str),
    /// The account URL cannot be used.
    #[error("the account URL {0}")]
    AccountUrl(&'static str),
    /// The fetch URL cannot be used.
    #[error("the fetch URL {0}")]
    FetchUrl(&'static str),
    /// The webhook's URL cannot be used.
    #[error("the webhook's URL {0}")]
    WebhookUrl(&'static str),
    /// The key cannot be one.
    #[error("the API key {0}")]
    Key(&'static str),
    /// The HTTP client could not be set up, say without CA certificates.
    #[error("the HTTP client cannot be set up: {0}")]
    Setup(String),
}

pub(super) fn check_key(key: &str) -> Result<(), ClientError> {
    if key.is_empty() {
        return Err(ClientError::Key("is empty"));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ClientError::Key(
            "contains a space, a line end or a character that is not ASCII",
        ));
    }
    Ok(())
}

/// Whether requests to `url` are encrypted, if it is a base URL at all.
pub(super) fn check_base_url(url: &Url) -> Result<bool, ClientError> {
    check_url(url).map_err(ClientError::BaseUrl)
}

/// The same of an account URL.
pub(super) fn check_account_url(url: &Url) -> Result<bool, ClientError> {
    check_url(url).map_err(ClientError::AccountUrl)
}

/// The same of a fetch URL.
pub(super) fn check_fetch_url(url: &Url) -> Result<bool, ClientError> {
    check_url(url).map_err(ClientError::FetchUrl)
}

fn check_url(url: &Url) -> Result<bool, &'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user name or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not contain a query or fragment");
    }
    match url.scheme() {
        "https" => Ok(true),
        "http" if is_loopback(url) => Ok(false),
        "http" => Err("must be https, as its host is not a loopback address"),
        _ => Err("must be https"),
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// What all of a client's HTTP clients have in common.
pub(super) fn builder(config: &ClientConfig, encrypted: bool) -> reqwest::ClientBuilder {
    let connect_timeout = config.connect_timeout.min(config.request_timeout / 2);
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("parserd/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        // reqwest's defaults re-post a body on a 307 and name the URL, with the
        // key, in `Referer`.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(connect_timeout)
        .timeout(config.request_timeout)
        // What was not acknowledged when the request is given up must not be sent for much
        // longer: it would land when nobody looks for it any more.
        .tcp_user_timeout(config.request_timeout.min(MAX_UNACKNOWLEDGED))
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .https_only(encrypted);
    if !(config.proxy && encrypted) {
        builder = builder.no_proxy();
    }
    if !encrypted {
        // Nothing to verify: works where no CA certificates are installed.
        builder = builder.tls_certs_only([]);
    }
    builder
}
