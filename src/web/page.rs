//! The page: who asks for what, and which of its parts answers.

pub(super) mod bulk;
mod charts;
#[cfg(test)]
mod contrast;
pub(super) mod filter;
pub(super) mod job;
mod jobs;
mod layout;
pub(super) mod login;
mod overview;
mod parsers;

use std::{borrow::Cow, convert::Infallible};

use axum::{
    Extension, Router,
    extract::{FromRequestParts, Request, State},
    http::{
        Method, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, ORIGIN},
        request::Parts,
    },
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use tower::limit::GlobalConcurrencyLimitLayer;
use url::form_urlencoded;

use super::{Shared, act, fold::FoldKind, guard, reply, session::Session};
use crate::{core::job::JobId, engine::metrics::PageRefusal, store::StoreError};

/// How many pages read the database at once: the daemon needs its readers, too.
const MAX_PAGES: usize = 2;

/// The cookie that holds a session's name.
pub(super) const COOKIE_NAME: &str = "parserd_session";

/// Says where a request comes from, in newer browsers.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who asks, and what may be shown to them.
#[derive(Debug)]
pub(super) struct Visitor {
    /// Whether anybody may act at all.
    pub may_sign_in: bool,
    /// Theirs, if they have signed in.
    pub session: Option<Session>,
    /// Its name.
    pub session_id: Option<String>,
}

impl FromRequestParts<Shared> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, vitals: &Shared) -> Result<Self, Infallible> {
        let cookies = header(&parts.headers, &COOKIE);
        let session_id = cookies.and_then(|cookies| guard::cookie(cookies, COOKIE_NAME));
        let now = vitals.clock.now();
        Ok(Self {
            may_sign_in: vitals.sessions.are_possible(),
            session: session_id.and_then(|id| vitals.sessions.find(id, now)),
            session_id: session_id.map(str::to_owned),
        })
    }
}

/// One thing to say instead of a page. [`admit`] makes a page of it.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    status: StatusCode,
    title: Cow<'static, str>,
    words: String,
}

impl Notice {
    /// Why nothing was done.
    pub fn nothing_done(status: StatusCode, why: impl Into<String>) -> Self {
        Self {
            status,
            title: "Nothing was done".into(),
            words: why.into(),
        }
    }

    /// A refusal that a person reads.
    pub fn refused(why: &str) -> Self {
        Self::nothing_done(StatusCode::FORBIDDEN, why)
    }

    fn not_found() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            title: "Page not found".into(),
            words: "There is nothing at this address.".to_owned(),
        }
    }

    /// No job has this id.
    pub fn no_job(id: JobId) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            title: format!("No job {id}").into(),
            words: "It may have been deleted, or the number is mistyped.".to_owned(),
        }
    }
}

impl From<StoreError> for Notice {
    fn from(error: StoreError) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            title: "The database does not answer".into(),
            words: error.to_string(),
        }
    }
}

impl IntoResponse for Notice {
    fn into_response(self) -> Response {
        Extension(self).into_response()
    }
}

/// The page and what it is made of.
pub(super) fn routes(vitals: &Shared) -> Router<Shared> {
    let nowhere = async |method: Method| match method {
        Method::POST => Notice::refused("there is no such action"),
        _ => Notice::not_found(),
    };
    Router::new()
        .route("/", get(overview::page))
        .route("/jobs", get(jobs::page))
        .route("/jobs/{id}", get(job::page))
        .route("/jobs/{id}/{action}", get(job::action_page))
        .route("/parsers", get(parsers::page))
        // The daemon goes first: pages wait for one another, not it for them.
        .layer(GlobalConcurrencyLimitLayer::new(MAX_PAGES))
        .route(
            "/login",
            get(async |visitor: Visitor| login::page(&visitor, false)),
        )
        .route(
            "/style.css",
            asset("text/css; charset=utf-8", include_str!("assets/style.css")),
        )
        .route(
            "/page.js",
            asset(
                "text/javascript; charset=utf-8",
                include_str!("assets/page.js"),
            ),
        )
        .route(
            "/icon.svg",
            asset("image/svg+xml", include_str!("assets/icon.svg")),
        )
        .merge(act::routes())
        .method_not_allowed_fallback(nowhere)
        .fallback(nowhere)
        .layer(from_fn_with_state(Shared::clone(vitals), admit))
}

/// A part of the program that pages name.
fn asset(kind: &'static str, text: &'static str) -> MethodRouter<Shared> {
    get(([(CONTENT_TYPE, kind), (CACHE_CONTROL, "max-age=300")], text))
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Takes what is asked of this host, and what its own forms post.
async fn admit(
    State(vitals): State<Shared>,
    visitor: Visitor,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    // Two of them are none.
    let host = header(headers, &HOST).filter(|_| headers.get_all(HOST).iter().count() == 1);
    if !guard::is_own_host(host) {
        vitals.metrics.refused(PageRefusal::ForeignHost);
        let words = "this page answers to 127.0.0.1, [::1] and localhost only: ask for it by \
                     one of these, through a tunnel if need be\n";
        return (StatusCode::MISDIRECTED_REQUEST, words).into_response();
    }
    let (site, origin) = (header(headers, &FETCH_SITE), header(headers, &ORIGIN));
    let mut response = match *request.method() {
        Method::POST if !guard::is_from_own_page(site, origin, host) => {
            vitals.metrics.refused(PageRefusal::ForeignForm);
            vitals.folds.came(FoldKind::ForeignForm, None);
            Notice::refused("this does not come from a form of this page").into_response()
        }
        Method::GET | Method::HEAD | Method::POST => next.run(request).await,
        _ => reply::only("GET, HEAD, POST"),
    };
    let Some(notice) = response.extensions_mut().remove::<Notice>() else {
        return response;
    };
    if notice.status == StatusCode::SERVICE_UNAVAILABLE {
        vitals
            .folds
            .came(FoldKind::Database, Some(notice.words.clone()));
    }
    let page = layout::message(&visitor, &notice.title, &notice.words);
    (notice.status, page).into_response()
}

fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.into_owned())
}
