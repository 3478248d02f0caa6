//! The page: who asks for what, and which of its parts answers.

mod job;
mod jobs;
mod layout;
mod login;
mod overview;

use hyper::{
    Method, Request, StatusCode,
    body::Incoming,
    header::{COOKIE, HOST, HeaderName, ORIGIN},
};
use url::form_urlencoded;

use super::{Vitals, act, fold::FoldKind, guard, reply::HttpReply, session::Session, unavailable};
use crate::{
    core::job::{JobId, JobState},
    engine::metrics::Refusal,
    store::{StoreError, browse::Filter},
};
pub(super) use layout::message;

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

/// Answers a request for a page, a part of it, or an action.
pub(super) async fn answer(vitals: &Vitals, request: Request<Incoming>) -> HttpReply {
    let header = |name: HeaderName| {
        let value = request.headers().get(name);
        value.and_then(|value| value.to_str().ok())
    };
    // Two of them are none.
    let host = header(HOST).filter(|_| request.headers().get_all(HOST).iter().count() == 1);
    if !guard::is_own_host(host) {
        vitals.metrics.refused(Refusal::ForeignHost);
        let words = "this page answers to 127.0.0.1, [::1] and localhost only: ask for it by \
                     one of these, through a tunnel if need be\n";
        return HttpReply::plain((StatusCode::MISDIRECTED_REQUEST, words.to_owned()));
    }
    let session_id = header(COOKIE)
        .and_then(|cookies| guard::cookie(cookies, COOKIE_NAME))
        .map(str::to_owned);
    let now = vitals.clock.now();
    let session = session_id
        .as_deref()
        .and_then(|id| vitals.sessions.find(id, now));
    let visitor = Visitor {
        may_sign_in: vitals.sessions.are_possible(),
        session,
        session_id,
    };
    match *request.method() {
        Method::GET | Method::HEAD => {
            let path = request.uri().path().to_owned();
            let query = request.uri().query().unwrap_or_default().to_owned();
            show(vitals, &visitor, &path, &query).await
        }
        Method::POST => {
            let is_own = guard::is_from_own_page(header(FETCH_SITE), header(ORIGIN), host);
            if !is_own {
                vitals.metrics.refused(Refusal::ForeignForm);
                vitals.folds.came(FoldKind::ForeignForm, None);
                return refused(&visitor, "this does not come from a form of this page");
            }
            act::answer(vitals, visitor, request).await
        }
        _ => HttpReply::only("GET, HEAD, POST"),
    }
}

/// A refusal that a person reads.
pub(super) fn refused(visitor: &Visitor, why: &str) -> HttpReply {
    let page = message(visitor, "Nothing was done", why);
    HttpReply::html(StatusCode::FORBIDDEN, page)
}

async fn show(vitals: &Vitals, visitor: &Visitor, path: &str, query: &str) -> HttpReply {
    match path {
        "/style.css" => {
            return HttpReply::asset("text/css; charset=utf-8", include_str!("assets/style.css"));
        }
        "/page.js" => {
            let script = include_str!("assets/page.js");
            return HttpReply::asset("text/javascript; charset=utf-8", script);
        }
        "/icon.svg" => return HttpReply::asset("image/svg+xml", include_str!("assets/icon.svg")),
        "/login" => return HttpReply::html(StatusCode::OK, login::page(visitor, false)),
        _ => {}
    }
    // The daemon goes first: pages wait for one another, not it for them.
    let Ok(_turn) = vitals.pages.acquire().await else {
        return not_found(visitor);
    };
    let shown = match path {
        "/" => overview::page(vitals, visitor).await.map(Some),
        "/jobs" => {
            let page = jobs::page(vitals, visitor, filter(query), unknown_state(query));
            page.await.map(Some)
        }
        _ => match path.strip_prefix("/jobs/").map(str::parse) {
            Some(Ok(id)) => job::page(vitals, visitor, JobId(id), parameter(query, "done")).await,
            _ => Ok(None),
        },
    };
    match shown {
        Ok(Some(page)) => HttpReply::html(StatusCode::OK, page),
        Ok(None) => not_found(visitor),
        Err(error) => broken(vitals, visitor, &error),
    }
}

/// The page of wrong words.
pub(super) fn wrong_token(visitor: &Visitor) -> HttpReply {
    HttpReply::html(StatusCode::FORBIDDEN, login::page(visitor, true))
}

/// The database did not answer.
pub(super) fn broken(vitals: &Vitals, visitor: &Visitor, error: &StoreError) -> HttpReply {
    let _logged = unavailable(vitals, error);
    let page = message(visitor, "The database does not answer", &error.to_string());
    HttpReply::html(StatusCode::SERVICE_UNAVAILABLE, page)
}

/// There is nothing to act on.
pub(super) fn no_job(visitor: &Visitor, id: JobId) -> HttpReply {
    let page = message(
        visitor,
        "Nothing was done",
        &format!("There is no job {id}."),
    );
    HttpReply::html(StatusCode::NOT_FOUND, page)
}

fn not_found(visitor: &Visitor) -> HttpReply {
    let page = message(
        visitor,
        "There is no such page",
        "The pages are / and /jobs.",
    );
    HttpReply::html(StatusCode::NOT_FOUND, page)
}

fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.into_owned())
}

fn state(text: &str) -> Option<JobState> {
    text.trim().to_uppercase().parse().ok()
}

/// A state that is asked for and does not exist.
fn unknown_state(query: &str) -> Option<String> {
    parameter(query, "state").filter(|text| !text.trim().is_empty() && state(text).is_none())
}

fn filter(query: &str) -> Filter {
    let text = |name| parameter(query, name).filter(|text| !text.trim().is_empty());
    Filter {
        state: text("state").and_then(|text| state(&text)),
        text: text("q").map_or_else(String::new, |text| text.chars().take(200).collect()),
        before: text("before").and_then(|before| before.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_takes_what_it_can_read_and_no_more() {
        let none = Filter::default();
        for (query, expected) in [
            ("", none.clone()),
            ("state=&q=&before=", none.clone()),
            ("state=nonsense&before=x", none.clone()),
            (
                "state=failed&q=a%26b+c&before=7",
                Filter {
                    state: Some(JobState::Failed),
                    text: "a&b c".to_owned(),
                    before: Some(7),
                },
            ),
        ] {
            assert_eq!(filter(query), expected, "{query}");
        }
        assert_eq!(filter(&format!("q={}", "x".repeat(999))).text.len(), 200);
        for (query, unknown) in [
            ("", None),
            ("state=", None),
            ("state=failed", None),
            ("state=FALED", Some("FALED")),
        ] {
            assert_eq!(unknown_state(query).as_deref(), unknown, "{query}");
        }
    }
}
