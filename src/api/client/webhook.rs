//! The receiver of the webhook, over HTTP.

use std::{fmt, time::Duration};

use reqwest::header::CONTENT_TYPE;
use secrecy::SecretString;
use url::Url;

use super::{
    exchange::{chain, exchange},
    setup::{ClientConfig, ClientError, builder, is_loopback},
};
use crate::{
    api::classify::{TransportFault, retry_after_ms},
    core::{job::UnixMs, webhook::Answer},
};

/// How long a POST may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// More of an answer's body is not read, in bytes. What it says is not used: it may hold anything.
const MAX_BODY_BYTES: usize = 4 * 1024;

/// A message, signed.
#[derive(Debug, Clone)]
pub struct SignedMessage {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`, in Unix seconds.
    pub timestamp_s: i64,
    /// `webhook-signature`.
    pub signature: String,
    /// JSON.
    pub body: String,
}

/// Where messages are posted. No redirect is followed and nothing is sent twice. `Debug` shows no
/// address.
#[derive(Clone)]
pub struct Receiver {
    url: Url,
    http: reqwest::Client,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver(..)")
    }
}

impl Receiver {
    /// A receiver at `url`; nothing is sent.
    ///
    /// # Errors
    /// Where the URL is neither https nor http on a loopback address, or the HTTP client cannot be
    /// set up.
    pub fn new(url: &Url) -> Result<Self, ClientError> {
        let encrypted = match url.scheme() {
            "https" => true,
            "http" if is_loopback(url) => false,
            _ => {
                let why = "must be https, or http on a loopback address";
                return Err(ClientError::WebhookUrl(why));
            }
        };
        // An error means that a provider is there already, which will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = ClientConfig::new(url.clone(), SecretString::default());
        config.request_timeout = TIMEOUT;
        let http = builder(&config, encrypted)
            // A POST a minute: a connection would be idle for too long to be live.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| ClientError::Setup(chain(&error.without_url())))?;
        Ok(Self {
            url: url.clone(),
            http,
        })
    }

    /// Posts a message once. `now` is what a date in `Retry-After` is counted from.
    pub async fn post(&self, message: &SignedMessage, now: UnixMs) -> Answer {
        let request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", message.timestamp_s)
            .header("webhook-signature", &message.signature)
            .body(message.body.clone());
        match exchange("webhook", request, MAX_BODY_BYTES).await {
            Ok(answer) => {
                let asked = answer.retry_after.as_deref();
                let asked_wait_ms = asked.and_then(|text| retry_after_ms(text, now));
                Answer::of_status(answer.status, asked_wait_ms)
            }
            Err(TransportFault::NotConnected(why)) => Answer::NotConnected(why),
            Err(TransportFault::TimedOut(_)) => Answer::TimedOut,
            Err(TransportFault::Broken(why)) => Answer::Broken(why),
        }
    }
}
