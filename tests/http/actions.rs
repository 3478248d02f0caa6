//! The page as one who has the token uses it, and as others try to.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use parserd::{core::job::JobState, simulator::Inserted};
use reqwest::{
    Method, Response,
    header::{COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION, ORIGIN, SET_COOKIE},
};

use super::site::{Site, TOKEN};
use crate::common::Harness;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// One who has signed in.
pub struct Operator<'a> {
    site: &'a Site,
    cookie: String,
    form_token: String,
}

impl<'a> Operator<'a> {
    pub async fn of(site: &'a Site) -> Self {
        let answer = post(site, "/login", own(site), &[("token", TOKEN)]).await;
        assert_eq!(answer.status(), 303);
        assert_eq!(answer.headers()[LOCATION], "/");
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        for word in ["HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(cookie.contains(word), "{cookie}");
        }
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let page = site.send(
            Method::GET,
            "/",
            with_cookie(HeaderMap::new(), &cookie),
            &[],
        );
        let page = page.await.text().await.unwrap();
        let form_token = page
            .split("name=\"form_token\" value=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap()
            .to_owned();
        Self {
            site,
            cookie,
            form_token,
        }
    }

    /// Posts a form of the page, with what the page puts into it.
    pub async fn act(&self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let mut form = vec![("form_token", self.form_token.as_str())];
        form.extend_from_slice(fields);
        let headers = with_cookie(own(self.site), &self.cookie);
        let answer = post(self.site, path, headers, &form).await;
        let status = answer.status().as_u16();
        let location = answer.headers().get(LOCATION);
        let place = location.map(|place| place.to_str().unwrap().to_owned());
        (status, place.unwrap_or(answer.text().await.unwrap()))
    }

    pub async fn get(&self, path: &str) -> String {
        let headers = with_cookie(HeaderMap::new(), &self.cookie);
        let answer = self.site.send(Method::GET, path, headers, &[]).await;
        answer.text().await.unwrap()
    }
}

/// The headers of a browser that posts a form of the page.
fn own(site: &Site) -> HeaderMap {
    HeaderMap::from_iter([
        (ORIGIN, HeaderValue::from_str(&site.base).unwrap()),
        (FETCH_SITE, HeaderValue::from_static("same-origin")),
    ])
}

fn with_cookie(mut headers: HeaderMap, cookie: &str) -> HeaderMap {
    headers.insert(COOKIE, HeaderValue::from_str(cookie).unwrap());
    headers
}

async fn post(site: &Site, path: &str, headers: HeaderMap, form: &[(&str, &str)]) -> Response {
    site.send(Method::POST, path, headers, form).await
}

/// One job, FAILED; its next create succeeds.
pub async fn with_a_failure() -> Site {
    let harness = Harness::new(&["create status=400 nth=1"]).await;
    harness.enqueue(1).await;
    let site = Site::with_actions(harness).await;
    site.await_metric("parserd_jobs{state=\"FAILED\"}", 1.0)
        .await;
    site
}

#[tokio::test]
async fn a_failed_job_is_retried_and_goes_on_at_once() {
    let site = with_a_failure().await;
    let operator = Operator::of(&site).await;
    let page = operator.get("/jobs/1").await;
    assert!(page.contains("Retry: up to 30,000 credits"), "{page}");
    let (status, place) = operator.act("/jobs/1/retry", &[]).await;
    assert_eq!((status, place.as_str()), (303, "/jobs/1?done=retry"));
    assert!(operator.get(&place).await.contains("Retried."));
    site.harness.await_states(&[(JobState::Finished, 1)]).await;
    // It is of the batch that began with its retry.
    let shown = async || operator.get("/").await.contains("1 of 1 done");
    site.harness.wait_until("1 of 1 done", shown).await;
    // Said by a link, and not so.
    let page = operator.get("/jobs/1?done=cancel").await;
    assert!(!page.contains("Cancelled."), "{page}");
    let (status, page) = operator.act("/jobs/1/cancel", &[]).await;
    assert_eq!(status, 409);
    assert!(page.contains("Nothing was done"), "{page}");
    site.closed().await;
}

#[tokio::test]
async fn a_failed_job_is_cancelled() {
    let site = with_a_failure().await;
    let operator = Operator::of(&site).await;
    for path in ["/jobs/99/cancel", "/jobs/99/retry", "/jobs/99/not-created"] {
        assert_eq!(
            operator.act(path, &[("sure", "yes")]).await.0,
            404,
            "{path}"
        );
    }
    let page = operator.get("/jobs/99").await;
    assert!(page.contains("No job 99"), "{page}");
    let page = operator.get("/jobs/1/cancel").await;
    assert!(page.contains("This is final."), "{page}");
    site.harness.await_states(&[(JobState::Failed, 1)]).await;
    let done = operator.act("/jobs/1/cancel", &[]).await;
    assert_eq!(done, (303, "/jobs/1?done=cancel".to_owned()));
    assert!(operator.get(&done.1).await.contains("Cancelled."));
    site.harness.await_states(&[(JobState::Cancelled, 1)]).await;
    site.closed().await;
}

#[tokio::test]
async fn a_closed_gate_is_opened_and_what_it_held_goes_on() {
    let mut harness = Harness::new(&["create status=402 first=1"]).await;
    harness.set("park.probe_interval", "1h");
    harness.set("park.max_probe_interval", "1h");
    harness.set("workers.max_requests", "1");
    harness.enqueue(3).await;
    let site = Site::with_actions(harness).await;
    site.await_metric(
        "parserd_gate_closed{scope=\"create\",reason=\"credits\"}",
        1.0,
    )
    .await;
    let operator = Operator::of(&site).await;
    assert!(operator.get("/").await.contains("Try again now"));
    assert_eq!(operator.act("/resume", &[]).await, (303, "/".to_owned()));
    site.harness.await_states(&[(JobState::Finished, 3)]).await;
    site.closed().await;
}

/// A job whose create is in doubt for long.
async fn in_doubt(fault: &str) -> Site {
    let mut harness = Harness::new(&[fault]).await;
    harness.set("reconcile.settle", "1h");
    harness.enqueue(1).await;
    let site = Site::with_actions(harness).await;
    site.await_metric("parserd_creates_in_doubt", 1.0).await;
    site
}

#[tokio::test]
async fn a_create_in_doubt_is_settled_as_not_made_only_by_one_who_is_sure() {
    let site = in_doubt("create lose before nth=1").await;
    let operator = Operator::of(&site).await;
    let page = operator.get("/jobs/1").await;
    assert!(page.contains("I looked at the account"), "{page}");
    let (status, _) = operator.act("/jobs/1/not-created", &[]).await;
    assert_eq!(status, 409);
    let done = operator
        .act("/jobs/1/not-created", &[("sure", "yes")])
        .await;
    assert_eq!(done, (303, "/jobs/1?done=not-created".to_owned()));
    site.harness.await_states(&[(JobState::Finished, 1)]).await;
    site.harness.assert_one_parser_each(1);
    site.closed().await;
}

#[tokio::test]
async fn a_create_in_doubt_takes_the_parser_that_a_person_names() {
    let site = in_doubt("create lose before nth=1").await;
    let operator = Operator::of(&site).await;
    for bad in ["", " ", "a b"] {
        let (status, _) = operator.act("/jobs/1/adopt", &[("parser_id", bad)]).await;
        assert_eq!(status, 409, "{bad:?}");
    }
    let now_ms = site.harness.server.now_ms();
    let insert = |id: &str, name: &str| {
        let (id, name) = (id.to_owned(), name.to_owned());
        site.harness.server.with(|simulator| {
            let inserted = Inserted {
                id,
                name,
                ..Inserted::default()
            };
            simulator.world.insert_parser(now_ms, inserted);
        });
    };
    insert("p-2", "films");
    for (id, why) in [
        ("p-1", "the service has no parser p-1"),
        ("p-2", "is named &quot;films&quot;"),
    ] {
        let (status, page) = operator.act("/jobs/1/adopt", &[("parser_id", id)]).await;
        assert_eq!(status, 409);
        assert!(page.contains(why) && page.contains("--force"), "{page}");
    }
    insert("p-1", &crate::common::spec(0).remote_name(0, true));
    let both = [("candidate", "p-1"), ("parser_id", "p-2")];
    assert_eq!(operator.act("/jobs/1/adopt", &both).await.0, 409);
    let one = [("candidate", "p-1"), ("parser_id", "")];
    let done = operator.act("/jobs/1/adopt", &one).await;
    assert_eq!(done, (303, "/jobs/1?done=adopt".to_owned()));
    let held = site
        .harness
        .sql("SELECT parser_id FROM jobs")
        .await
        .unwrap();
    assert_eq!(held, ["p-1"]);
    site.closed().await;
}

#[tokio::test]
async fn whatever_lacks_session_form_token_or_origin_does_nothing() {
    let site = with_a_failure().await;
    let operator = Operator::of(&site).await;
    let other = Operator::of(&site).await;
    let form = [("form_token", operator.form_token.as_str())];
    let stolen = [("form_token", other.form_token.as_str())];
    let signed = || with_cookie(own(&site), &operator.cookie);
    let origin = |origin: &'static str, fetch_site: &'static str| {
        let mut headers = with_cookie(HeaderMap::new(), &operator.cookie);
        headers.insert(ORIGIN, HeaderValue::from_static(origin));
        headers.insert(FETCH_SITE, HeaderValue::from_static(fetch_site));
        headers
    };
    type Form<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&str, HeaderMap, Form<'_>); 9] = [
        ("no cookie", own(&site), &form),
        ("no form token", signed(), &[]),
        ("another's form token", signed(), &stolen),
        ("a wrong form token", signed(), &[("form_token", "x")]),
        (
            "a wrong cookie",
            with_cookie(own(&site), "parserd_session=x"),
            &form,
        ),
        (
            "another site",
            origin("https://evil.example", "cross-site"),
            &form,
        ),
        (
            "another port",
            origin("http://127.0.0.1:1", "same-site"),
            &form,
        ),
        (
            "no origin that is told",
            origin("null", "cross-site"),
            &form,
        ),
        (
            "a client that says nothing",
            with_cookie(HeaderMap::new(), &operator.cookie),
            &form,
        ),
    ];
    for path in [
        "/jobs/1/retry",
        "/jobs/1/cancel",
        "/jobs/1/edit",
        "/jobs",
        "/jobs/bulk",
        "/resume",
        "/logout",
    ] {
        for (what, headers, form) in &cases {
            let answer = post(&site, path, headers.clone(), form).await;
            assert_eq!(answer.status(), 403, "{path} with {what}");
        }
    }
    for path in ["/jobs/1/delete", "/jobs/x/retry", "/elsewhere"] {
        assert_eq!(operator.act(path, &[]).await.0, 403, "{path}");
    }
    let long = "x".repeat(9000);
    assert_eq!(operator.act("/jobs/1/retry", &[("a", &long)]).await.0, 403);
    site.harness.await_states(&[(JobState::Failed, 1)]).await;
    let events = site
        .harness
        .sql("SELECT event FROM job_events WHERE event IN ('requeued', 'cancelled')");
    assert!(events.await.unwrap().is_empty());
    assert_eq!(operator.act("/logout", &[]).await, (303, "/".to_owned()));
    assert_eq!(operator.act("/jobs/1/retry", &[]).await.0, 403);
    site.closed().await;
}

#[tokio::test]
async fn a_wrong_token_opens_nothing() {
    let site = with_a_failure().await;
    for token in ["", "a-token-for-tests-onl", "A-token-for-tests-only"] {
        let answer = post(&site, "/login", own(&site), &[("token", token)]).await;
        assert_eq!(answer.status(), 403, "{token}");
        assert!(answer.headers().get(SET_COOKIE).is_none());
    }
    let foreign =
        HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static("https://evil.example"))]);
    let answer = post(&site, "/login", foreign, &[("token", TOKEN)]).await;
    assert_eq!(answer.status(), 403);
    site.closed().await;
}

#[tokio::test]
async fn who_guesses_shares_one_pause_over_all_connections_with_who_knows() {
    let site = with_a_failure().await;
    let refused = "parserd_page_refusals_total{reason=\"wrong_token\"}";
    assert_eq!(site.metrics().await[refused], 0.0);
    let began = Instant::now();
    let tried = async |token: String| {
        let answer = post(&site, "/login", own(&site), &[("token", &token)]).await;
        (answer.status().as_u16(), began.elapsed())
    };
    let guesses = join_all((0..3).map(|n| tried(format!("guess-{n}"))));
    let (guessed, known) = tokio::join!(guesses, tried(TOKEN.to_owned()));
    assert!(
        guessed.iter().all(|(status, _)| *status == 403),
        "{guessed:?}"
    );
    assert_eq!(known.0, 303);
    // One after the other, the right one no sooner than a wrong one.
    let mut took: Vec<_> = guessed.iter().map(|(_, took)| *took).collect();
    took.push(known.1);
    took.sort();
    for (turn, took) in (1..).zip(&took) {
        assert!(*took >= Duration::from_secs(turn), "{turn}: {took:?}");
    }
    assert_eq!(site.metrics().await[refused], 3.0);
    let foreign = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static("https://e.example"))]);
    post(&site, "/login", foreign, &[("token", TOKEN)]).await;
    let metrics = site.metrics().await;
    assert_eq!(
        metrics["parserd_page_refusals_total{reason=\"foreign_form\"}"],
        1.0
    );
    site.closed().await;
}

#[tokio::test]
async fn where_actions_are_off_there_is_no_way_in() {
    let harness = Harness::new(&["create status=400 nth=1"]).await;
    harness.enqueue(1).await;
    let site = Site::new(harness).await;
    for token in ["", TOKEN] {
        let answer = post(&site, "/login", own(&site), &[("token", token)]).await;
        assert_eq!(answer.status(), 403);
    }
    let answer = post(&site, "/jobs/1/cancel", own(&site), &[]).await;
    assert_eq!(answer.status(), 403);
    assert!(site.get("/login").await.1.contains("http.actions = true"));
    site.closed().await;
}
