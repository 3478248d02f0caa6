//! Section `notify`: one webhook.

use std::fmt;

use secrecy::ExposeSecret as _;
use url::{Host, Url};

use super::{
    error::{BadValue, ConfigError},
    layers::Sources,
    read::{Reader, unknown_name},
    secret::{self, Key},
};
use crate::core::{notice::NoticeType, webhook::WebhookSecret};

/// What is written where an address will not do.
const URL_CURE: &str = "an address such as https://hooks.example.com/parserd";
const SECRET_CURE: &str = "whsec_ and the base64 of 24 to 64 random bytes there: \
     echo whsec_$(openssl rand -base64 32)";

/// Where notices go. A path or a query may be a secret of the receiver's: neither `Debug` nor
/// `Display` prints more than scheme, host and port.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

impl WebhookUrl {
    /// The whole address, to send to.
    pub const fn whole(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({self})")
    }
}

/// Section `notify`, where it has an address.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// https, or http on a loopback address.
    pub url: WebhookUrl,
    /// What messages are signed by.
    pub secret: WebhookSecret,
    /// What is worth a notice; not empty.
    pub on: Vec<NoticeType>,
}

/// Section `notify` as it was read: the secret may be one that the user who runs this may not
/// read, which only the daemon and `parserd check` mind.
#[derive(Debug, Clone)]
pub(super) enum Notify {
    Off,
    On(Box<Webhook>),
    NoSecret,
    NotForUs(ConfigError),
}

impl Notify {
    pub(super) fn webhook(&self) -> Result<Option<&Webhook>, ConfigError> {
        match self {
            Self::Off => Ok(None),
            Self::On(webhook) => Ok(Some(webhook)),
            Self::NoSecret => Err(ConfigError::MissingNotifySecret),
            Self::NotForUs(error) => Err(error.clone()),
        }
    }
}

/// What is wrong beside that has been noted.
pub(super) fn notify(r: &mut Reader, sources: &Sources) -> Notify {
    let url = r.optional("notify.url", webhook_url);
    let on = notice_types(r);
    let secret = secret::notify(r, sources, |text| {
        WebhookSecret::parse(text).map_err(|error| BadValue::new(error.to_string(), SECRET_CURE))
    });
    let (Some(url), Some(on)) = (url, on) else {
        return Notify::Off;
    };
    match secret {
        Key::Known(text) => match WebhookSecret::parse(text.expose_secret()) {
            Ok(secret) => Notify::On(Box::new(Webhook { url, secret, on })),
            // It was noted when it was read.
            Err(_) => Notify::NoSecret,
        },
        Key::Absent => Notify::NoSecret,
        Key::NotForUs(error) => Notify::NotForUs(error),
    }
}

fn notice_types(r: &mut Reader) -> Option<Vec<NoticeType>> {
    const KEY: &str = "notify.on";
    let names: Vec<_> = NoticeType::ALL.iter().map(|it| it.as_str()).collect();
    let mut types = Vec::new();
    for text in r.list(KEY) {
        match text.parse::<NoticeType>() {
            Ok(known) if types.contains(&known) => {}
            Ok(known) => types.push(known),
            Err(_) => {
                r.refuse(KEY, unknown_name(&text, &names));
                return None;
            }
        }
    }
    if types.is_empty() {
        let cure = format!("one or more of {}", names.join(", "));
        r.refuse(KEY, BadValue::new("names no type", cure));
        return None;
    }
    Some(types)
}

/// No problem repeats the address: it may hold a secret.
fn webhook_url(text: &str) -> Result<WebhookUrl, BadValue> {
    let url = Url::parse(text)
        .map_err(|error| BadValue::new(format!("is not a valid URL ({error})"), URL_CURE))?;
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err(BadValue::new("has no host", URL_CURE)),
    };
    if url.fragment().is_some() {
        let problem = "contains a fragment, which is never sent";
        return Err(BadValue::new(
            problem,
            "the address without # and what follows",
        ));
    }
    match url.scheme() {
        "https" => Ok(WebhookUrl(url)),
        "http" if is_loopback => Ok(WebhookUrl(url)),
        "http" => Err(BadValue::new(
            "would send notices unencrypted",
            "https:// (http:// is for a loopback address such as http://127.0.0.1:8080)",
        )),
        _ => Err(BadValue::new("is neither http nor https", URL_CURE)),
    }
}
