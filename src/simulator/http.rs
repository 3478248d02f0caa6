//! Requests and answers as plain values. Pure.

use serde_json::Value;
use url::form_urlencoded;

use crate::core::job::{DurationMs, UnixMs};

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// `POST /parsers`
    Create,
    /// `GET /parsers`
    List,
    /// `GET /parsers/{id}[/{version}]`
    Get,
    /// `PATCH /parsers/{id}[/{version}]`
    Patch,
    /// `DELETE /parsers/{id}`
    Delete,
    /// `GET /parse/{id}[/{version}]`
    Parse,
    /// `GET /account`
    Account,
    /// `GET /` with a URL: the vendor's fetch API
    Fetch,
    /// `GET /account/urlcost`
    UrlCost,
    /// Anything else.
    Other,
}

impl Endpoint {
    /// Every value.
    pub const ALL: &'static [Self] = &[
        Self::Create,
        Self::List,
        Self::Get,
        Self::Patch,
        Self::Delete,
        Self::Parse,
        Self::Account,
        Self::Fetch,
        Self::UrlCost,
        Self::Other,
    ];

    /// The name that a fault's text uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::List => "list",
            Self::Get => "get",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Parse => "parse",
            Self::Account => "account",
            Self::Fetch => "fetch",
            Self::UrlCost => "urlcost",
            Self::Other => "other",
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A request of a client.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// The method, in capitals.
    pub method: String,
    /// The path without the query, as it was sent.
    pub path: String,
    /// The query's parameters, decoded.
    pub query: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
    /// The credentials of `Authorization: Bearer`; the service itself reads none.
    pub bearer: Option<String>,
}

impl HttpRequest {
    /// A request for a target, which is a path and, after `?`, a query.
    pub fn new(method: &str, target: &str, body: impl Into<Vec<u8>>) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            query: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            body: body.into(),
            bearer: None,
        }
    }

    /// A query parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut query = self.query.iter();
        let (_, value) = query.find(|(key, _)| key == name)?;
        Some(value)
    }

    /// What the request asks for.
    pub fn endpoint(&self) -> Endpoint {
        self.route().endpoint
    }

    pub(super) fn route(&self) -> Route {
        let segments: Vec<String> = self.path.split('/').skip(1).map(percent_decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let other = Route {
            endpoint: Endpoint::Other,
            id: String::new(),
            version: None,
            is_known_path: matches!(
                segments[..],
                ["account"] | ["account", "urlcost"] | ["parsers", ..]
            ),
        };
        let endpoint = match (self.method.as_str(), &segments[..]) {
            ("POST", ["parsers"]) => Endpoint::Create,
            ("GET", ["parsers"]) => Endpoint::List,
            ("GET", ["account"]) => Endpoint::Account,
            ("GET", ["account", "urlcost"]) => Endpoint::UrlCost,
            ("GET", [""]) if self.parameter("url").is_some() => Endpoint::Fetch,
            ("GET", ["parsers", _] | ["parsers", _, _]) => Endpoint::Get,
            ("PATCH", ["parsers", _] | ["parsers", _, _]) => Endpoint::Patch,
            ("DELETE", ["parsers", _]) => Endpoint::Delete,
            ("GET", ["parse", _] | ["parse", _, _]) => Endpoint::Parse,
            _ => return other,
        };
        Route {
            endpoint,
            id: match endpoint {
                Endpoint::UrlCost => String::new(),
                _ => segments.get(1).copied().unwrap_or("").to_owned(),
            },
            // A version that is not a number does not exist.
            version: segments
                .get(2)
                .map(|version| version.parse().unwrap_or(usize::MAX)),
            is_known_path: true,
        }
    }
}

/// A request's path, understood.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub endpoint: Endpoint,
    /// The parser's id; empty where the path has none.
    pub id: String,
    pub version: Option<usize>,
    /// Whether the path exists, if for another method.
    pub is_known_path: bool,
}

fn percent_decoded(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match (first, tail) {
            (b'%', [high, low, ..]) => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What the service answers when nothing goes wrong on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, names in lower case. No `content-length`.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl HttpAnswer {
    pub(super) fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.into(),
        }
    }

    pub(super) fn error(status: u16, text: &str) -> Self {
        let body = serde_json::json!({ "error": text });
        Self::json(status, body.to_string())
    }

    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// The body as JSON; null if it is not JSON.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(key, _)| key == name)?;
        Some(value)
    }
}

/// How an answer's body goes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As it is.
    Whole,
    /// Announced whole, then the connection breaks after half of it.
    Cut,
    /// In drops, over so many milliseconds.
    Slow(DurationMs),
    /// The body, then spaces without end.
    Endless,
    /// The body, then 1 GiB of spaces, in a megabyte of gzip.
    GzipBomb,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// An answer arrives.
    HttpAnswer {
        /// What it says.
        answer: HttpAnswer,
        /// How its body arrives.
        delivery: Delivery,
        /// How long it takes to begin; the effect took place before.
        delay_ms: DurationMs,
    },
    /// The connection ends without an answer.
    Lost {
        /// By a reset, rather than by being closed in good order.
        is_reset: bool,
        /// How long that takes; the effect, if any, took place before.
        delay_ms: DurationMs,
    },
}

impl Reply {
    /// The answer as a client would get it: none where it is lost, nor where its
    /// body is cut or has no end. For tests without HTTP.
    pub fn into_answer(self) -> Option<HttpAnswer> {
        match self {
            Self::HttpAnswer {
                answer,
                delivery: Delivery::Whole | Delivery::Slow(_),
                ..
            } => Some(answer),
            Self::HttpAnswer {
                delivery: Delivery::Cut | Delivery::Endless | Delivery::GzipBomb,
                ..
            }
            | Self::Lost { .. } => None,
        }
    }
}

/// A point in time the way the service writes it: RFC 3339, milliseconds, Z.
pub(super) fn rfc3339(at_ms: UnixMs) -> String {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_routed_by_method_and_path() {
        use Endpoint::{Account, Create, Delete, Fetch, Get, List, Other, Parse, Patch, UrlCost};
        let cases = [
            ("POST", "/parsers", Create, "", None),
            ("GET", "/parsers?api_key=k", List, "", None),
            ("GET", "/parsers/a?api_key=k", Get, "a", None),
            ("GET", "/parsers/a/0", Get, "a", Some(0)),
            ("GET", "/parsers/a/x", Get, "a", Some(usize::MAX)),
            ("GET", "/parsers/a%2Fb%zz", Get, "a/b%zz", None),
            ("PATCH", "/parsers/a", Patch, "a", None),
            ("PATCH", "/parsers/a/1", Patch, "a", Some(1)),
            ("DELETE", "/parsers/a", Delete, "a", None),
            ("DELETE", "/parsers/a/1", Other, "", None),
            ("GET", "/parse/a/2?url=u", Parse, "a", Some(2)),
            ("GET", "/account", Account, "", None),
            ("GET", "/account/urlcost?url=u", UrlCost, "", None),
            ("GET", "/?api_key=k&url=u", Fetch, "", None),
            ("POST", "/?api_key=k&url=u", Other, "", None),
            ("PUT", "/parsers", Other, "", None),
            ("GET", "/", Other, "", None),
        ];
        for (method, target, endpoint, id, version) in cases {
            let route = HttpRequest::new(method, target, "").route();
            let found = (route.endpoint, route.id.as_str(), route.version);
            assert_eq!(found, (endpoint, id, version), "{method} {target}");
        }
    }

    #[test]
    fn times_are_written_with_milliseconds() {
        assert_eq!(rfc3339(1_700_000_000_000), "2023-11-14T22:13:20.000Z");
    }
}
