//! What was foreseen of creates, wherever it is shown.

use serde_json::{Value, json};

use super::{AGE_MS, assert_text, one_of_each, put_one_of_each, session};
use crate::cli::place::Place;
use crate::common::Harness;
use crate::http::site::Site;

/// The job that FAILED was foreseen to, and the one that FINISHED was sent with more than was
/// written; another was not sent.
async fn foresee(place: &Place) {
    let at = jiff::Timestamp::now().as_millisecond() - AGE_MS;
    let blocked = json!({"at": at, "verdict": "blocked", "page": "https://broken.example/1",
        "seen": "in its place there is \"Just a moment...\"", "credits": 3,
        "cure": "if the site blocks scrapers, write: scraper_params = { premium = true }"});
    let repaired = json!({"at": at, "verdict": "ok", "set": "scraper_params = { render = true }",
        "credits": 1});
    let gone = json!({"at": at, "verdict": "gone", "page": "https://waits.example/1",
        "seen": "it was answered 404", "credits": 1, "cure": "write a page that is there"});
    let database = rusqlite::Connection::open(place.path("parserd.db")).unwrap();
    for (name, preflight, params, set) in [
        ("broken", blocked, None, ""),
        ("done", repaired, Some(r#"{"render":true}"#), ""),
        (
            "waits",
            gone,
            None,
            ", state = 'FAILED', error_kind = 'preflight_failed', error_message = 'a page is \
                not there', error_hint = 'write a page that is there'",
        ),
    ] {
        let update = format!(
            "UPDATE jobs SET preflight = ?2, effective_params = ?3, revision = revision + 1, \
                 updated_at = updated_at{set} WHERE name = ?1"
        );
        let values = (name, preflight.to_string(), params);
        assert_eq!(database.execute(&update, values).unwrap(), 1);
    }
    database
        .execute(
            "INSERT INTO fetches (job_id, url, host, proxy, render, sent_at, credits) \
             VALUES (7, 'https://broken.example/1', 'broken.example', 'standard', 0, ?1, 3), \
                 (6, 'https://done.example/1', 'done.example', 'standard', 0, ?1, 1), \
                 (1, 'https://waits.example/1', 'waits.example', 'standard', 0, ?1, 1)",
            [at],
        )
        .unwrap();
}

#[tokio::test]
async fn in_the_commands() {
    let place = one_of_each().await;
    foresee(&place).await;
    let commands: &[&[&str]] = &[
        &["show", "broken"],
        &["show", "done"],
        &["show", "waits"],
        &["status"],
    ];
    assert_text("foresight", &session(&place, commands));
    let jobs = place.run(&["jobs", "--json"]).is(0).json();
    let of = |name: &str| -> Value {
        let mut jobs = jobs.as_array().unwrap().iter();
        jobs.find(|job| job["name"] == name).unwrap().clone()
    };
    assert_eq!(of("broken")["preflight"]["verdict"], "blocked");
    assert_eq!(of("broken")["effective_params"], Value::Null);
    assert_eq!(of("done")["effective_params"], json!({"render": true}));
    assert_eq!(of("makes")["preflight"], Value::Null);
    let status = place.run(&["status", "--json"]).is(0).json();
    let expected = json!({"not_sent": 1, "foreseen_failed": 1, "foreseen_worked": 0,
        "unforeseen_failed": 0, "unforeseen_worked": 1});
    assert_eq!(status["foresight"], expected);
    assert_eq!(status["credits"]["spent_on_fetches"], 5);
    let show = place.run(&["show", "done", "--json"]).is(0).json();
    assert_eq!(show["preflight"]["verdict"], "ok");
}

#[tokio::test]
async fn on_the_page_and_in_the_metrics() {
    let Harness {
        directory,
        server,
        settings,
    } = Harness::new(&[]).await;
    let place = Place { directory };
    put_one_of_each(&place).await;
    foresee(&place).await;
    let harness = Harness {
        directory: place.directory,
        server,
        settings,
    };
    let site = Site::at_rest(harness).await;
    let mut text = String::new();
    for (path, heading) in [("/", "Preflight"), ("/jobs/7", "what to do")] {
        let (status, page) = site.get(path).await;
        assert_eq!(status, 200, "{path}");
        let section = page.split("<section>").find(|part| part.contains(heading));
        text.push_str(&section.unwrap().replace("><", ">\n<"));
        text.push_str("\n\n");
    }
    assert_text("page-foresight", &text);
    let metrics = site.metrics().await;
    for (name, value) in [
        ("parserd_credits_spent_on_fetches", 5.0),
        (
            r#"parserd_foreseen_jobs{foreseen="fails",became="failed"}"#,
            1.0,
        ),
        (
            r#"parserd_foreseen_jobs{foreseen="fails",became="not_sent"}"#,
            1.0,
        ),
        (
            r#"parserd_foreseen_jobs{foreseen="works",became="finished"}"#,
            1.0,
        ),
        (
            r#"parserd_foreseen_jobs{foreseen="works",became="failed"}"#,
            0.0,
        ),
    ] {
        assert_eq!(metrics[name], value, "{name}");
    }
    site.closed().await;
}
