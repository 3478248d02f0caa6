//! A simulator that runs in another process, changed over HTTP.

use std::{fmt, time::Duration};

use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::{
    exchange::{MAX_ERROR_BODY_BYTES, chain, exchange},
    setup::{ClientConfig, ClientError, builder, check_key, is_loopback},
};
use crate::api::classify::TransportFault;

/// How long a request may take: the simulator is on this machine.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a running simulator is asked for. Each answers with its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlRequest {
    /// The state alone.
    State,
    /// So many credits are left.
    SetCredits(i64),
    /// So many credits more.
    AddCredits(i64),
    /// These faults, after those that are there.
    AddFaults(Vec<String>),
    /// No faults.
    ClearFaults,
}

/// Why a simulator did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No request was sent.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No answer came.
    #[error("no simulator answers there: {0}")]
    NoAnswer(String),
    /// The answer is not a simulator's.
    #[error("what answers there is not a simulator (status {0}), or an older one")]
    NotASimulator(u16),
    /// The key is another.
    #[error("the simulator has another key")]
    WrongKey,
    /// The request was refused, in the simulator's words.
    #[error("{0}")]
    Refused(String),
}

/// A running simulator. `Debug` shows neither address nor key.
#[derive(Clone)]
pub struct Control {
    base_url: Url,
    key: SecretString,
    http: reqwest::Client,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Control(..)")
    }
}

impl Control {
    /// The simulator at this address; nothing is sent.
    ///
    /// # Errors
    /// Where the address is not http on a loopback address: the key is not sent anywhere else. Where
    /// the key cannot be one, or the HTTP client cannot be set up.
    pub fn new(base_url: &Url, key: SecretString) -> Result<Self, ClientError> {
        if base_url.scheme() != "http" || !is_loopback(base_url) {
            let why = "must be http on a loopback address, where a simulator listens";
            return Err(ClientError::BaseUrl(why));
        }
        check_key(key.expose_secret())?;
        // An error means that a provider is there already, which will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = ClientConfig::new(base_url.clone(), SecretString::default());
        config.request_timeout = TIMEOUT;
        let http = builder(&config, false)
            .build()
            .map_err(|error| ClientError::Setup(chain(&error.without_url())))?;
        Ok(Self {
            base_url: base_url.clone(),
            key,
            http,
        })
    }

    /// Has the simulator do this, and returns its state after it.
    ///
    /// # Errors
    /// Where it refuses, and nothing has changed; or where no answer comes, and it may have.
    pub async fn ask(&self, request: &ControlRequest) -> Result<Value, ControlError> {
        let (method, path, body) = match request {
            ControlRequest::State => (Method::GET, "/_simulator", None),
            ControlRequest::SetCredits(credits) => {
                let body = json!({ "credits": credits });
                (Method::POST, "/_simulator/credits", Some(body))
            }
            ControlRequest::AddCredits(credits) => {
                let body = json!({ "add": credits });
                (Method::POST, "/_simulator/credits", Some(body))
            }
            ControlRequest::AddFaults(rules) => {
                let body = json!({ "add": rules });
                (Method::POST, "/_simulator/faults", Some(body))
            }
            ControlRequest::ClearFaults => (Method::DELETE, "/_simulator/faults", None),
        };
        let mut url = self.base_url.clone();
        url.set_path(path);
        let request = self.http.request(method, url);
        let request = request.bearer_auth(self.key.expose_secret());
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = exchange("simulator", request, MAX_ERROR_BODY_BYTES).await;
        let answer = answer.map_err(|fault| match fault {
            TransportFault::NotConnected(why)
            | TransportFault::TimedOut(why)
            | TransportFault::Broken(why) => ControlError::NoAnswer(why),
        })?;
        understood(answer.status, &answer.body.bytes)
    }
}

/// What an answer says: the state, or why there is none.
fn understood(status: u16, body: &[u8]) -> Result<Value, ControlError> {
    let not_a_simulator = ControlError::NotASimulator(status);
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return Err(not_a_simulator);
    };
    match status {
        200 if body.get("credits").is_some() => Ok(body),
        400 => match body.get("error").and_then(Value::as_str) {
            Some(text) => Err(ControlError::Refused(text.to_owned())),
            None => Err(not_a_simulator),
        },
        401 => Err(ControlError::WrongKey),
        _ => Err(not_a_simulator),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_simulators_answer_is_a_state() {
        let cases: &[(u16, &str, &str)] = &[
            (200, "{\"ok\":true}", "is not a simulator (status 200)"),
            (200, "<html>", "is not a simulator"),
            (404, "{\"error\":\"Not found\"}", "is not a simulator"),
            (401, "{\"error\":\"no\"}", "another key"),
            (400, "{\"error\":\"too much\"}", "too much"),
            (400, "{}", "is not a simulator (status 400)"),
        ];
        for (status, body, reason) in cases {
            let error = understood(*status, body.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(error.contains(reason), "{status} {body}: {error}");
        }
        assert!(understood(200, b"{\"credits\": {}}").is_ok());
    }

    #[test]
    fn the_key_goes_to_a_loopback_address_only() {
        for url in ["https://aiparser.scraperapi.com", "http://192.0.2.1:8080"] {
            let error = Control::new(&url.parse().unwrap(), "k".into()).unwrap_err();
            assert!(error.to_string().contains("loopback"), "{url}: {error}");
        }
        assert!(Control::new(&"http://127.0.0.1:1".parse().unwrap(), "k".into()).is_ok());
    }
}
