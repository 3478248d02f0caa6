//! An answer, and the headers that keep a browser in bounds.

use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, SET_COOKIE},
};
use maud::Markup;

/// Nothing but what this listener serves: no script in the page, no style, no frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
     img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// On every answer.
const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    // With no-referrer a browser would hide the origin of its own posts.
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// What is answered.
#[derive(Debug)]
pub(super) struct HttpReply {
    status: StatusCode,
    kind: &'static str,
    body: Bytes,
    cache: &'static str,
    more: Option<(HeaderName, String)>,
}

impl HttpReply {
    fn new(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            kind,
            body: body.into(),
            cache: "no-store",
            more: None,
        }
    }

    /// A line of text.
    pub fn plain((status, text): (StatusCode, String)) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text)
    }

    /// To any other method.
    pub fn only(methods: &str) -> Self {
        let words = format!("only {methods}\n");
        Self {
            more: Some((ALLOW, methods.to_owned())),
            ..Self::plain((StatusCode::METHOD_NOT_ALLOWED, words))
        }
    }

    /// Prometheus' text format.
    pub fn metrics(text: String) -> Self {
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        Self::new(StatusCode::OK, kind, text)
    }

    /// A page.
    pub fn html(status: StatusCode, page: Markup) -> Self {
        Self::new(status, "text/html; charset=utf-8", page.into_string())
    }

    /// A part of the program that pages name.
    pub fn asset(kind: &'static str, text: &'static str) -> Self {
        Self {
            cache: "max-age=300",
            ..Self::new(StatusCode::OK, kind, text)
        }
    }

    /// Look there, after a post.
    pub fn see(path: String) -> Self {
        Self {
            more: Some((LOCATION, path)),
            ..Self::new(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", "")
        }
    }

    /// Look at the front page, with this cookie.
    pub fn see_front_with(cookie: String) -> Self {
        let mut reply = Self::see("/".to_owned());
        reply.more = Some((SET_COOKIE, cookie));
        reply
    }

    /// As hyper sends it.
    pub fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        for (name, value) in HEADERS {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        headers.insert("cache-control", HeaderValue::from_static(self.cache));
        if let Some((name, value)) = self.more {
            let is_cookie = name == SET_COOKIE;
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
            if is_cookie {
                headers.insert(LOCATION, HeaderValue::from_static("/"));
            }
        }
        response
    }
}
