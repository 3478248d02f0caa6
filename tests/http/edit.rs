//! What a job asks for is changed on its page, by the rules of all jobs.

use parserd::core::job::JobState;

use super::{
    actions::{Operator, with_a_failure},
    site::Site,
};
use crate::common::Harness;

#[tokio::test]
async fn a_failed_job_is_changed_and_tried_again() {
    let site = with_a_failure().await;
    let operator = Operator::of(&site).await;
    let page = operator.get("/jobs/1").await;
    assert!(
        page.contains("Change and retry: up to 30,000 credits"),
        "{page}"
    );
    let urls = "https://site.example/new/1\r\nhttps://site.example/new/2\r\n";
    let form = [("render", "true"), ("country_code", "de"), ("urls", urls)];
    let done = operator.act("/jobs/1/edit", &form).await;
    assert_eq!(done, (303, "/jobs/1?done=edit".to_owned()));
    assert!(operator.get(&done.1).await.contains("Changed and queued."));
    site.harness.await_states(&[(JobState::Finished, 1)]).await;
    let asked = site
        .harness
        .sql("SELECT scraper_params || urls FROM jobs")
        .await
        .unwrap();
    assert_eq!(
        asked,
        [
            "{\"country_code\":\"de\",\"render\":true}[\"https://site.example/new/1\",\"https://site.example/new/2\"]"
        ]
    );
    // What is done is not changed, and the page has no form for it.
    assert!(!operator.get("/jobs/1").await.contains("/jobs/1/edit"));
    let (status, page) = operator.act("/jobs/1/edit", &form).await;
    assert_eq!(status, 422);
    assert!(page.contains("It is FINISHED by now"), "{page}");
    site.closed().await;
}

#[tokio::test]
async fn what_breaks_rules_is_shown_beside_the_form_and_changes_nothing() {
    let site = with_a_failure().await;
    let operator = Operator::of(&site).await;
    let url = "https://site.example/new";
    let same = site
        .harness
        .sql("SELECT urls ->> 0 FROM jobs")
        .await
        .unwrap()
        .concat();
    for (form, words) in [
        (
            vec![
                ("premium", "true"),
                ("ultra_premium", "true"),
                ("urls", url),
            ],
            "sets both premium and ultra_premium",
        ),
        (vec![("country_code", "usa<"), ("urls", url)], "two letters"),
        (
            vec![("session_number", "soon"), ("urls", url)],
            "a whole number from 1 up",
        ),
        (
            vec![("render", "true"), ("urls", "ftp://site.example")],
            "does not begin with http",
        ),
        (vec![("urls", " ")], "urls"),
        (vec![("urls", same.as_str())], "Nothing differs"),
    ] {
        let (status, page) = operator.act("/jobs/1/edit", &form).await;
        assert_eq!(status, 422, "{form:?}");
        let alert = page.split("role=\"alert\"").nth(1).unwrap_or_default();
        let alert = alert.split("</p>").next().unwrap_or_default();
        assert!(alert.contains(words), "{words}: {page}");
        // What was typed is still there.
        assert!(
            page.contains("value=\"usa&lt;\"") == (form[0].1 == "usa<"),
            "{page}"
        );
    }
    let events = site
        .harness
        .sql("SELECT event FROM job_events WHERE event = 'changed'");
    assert!(events.await.unwrap().is_empty());
    assert_eq!(operator.act("/jobs/99/edit", &[]).await.0, 404);
    site.closed().await;
}

#[tokio::test]
async fn a_queued_job_is_changed_before_its_turn() {
    let harness = Harness::new(&[]).await;
    harness.store().await.close().await;
    harness
        .sql(
            "INSERT INTO jobs (name, urls, run_at) \
             VALUES ('later', '[\"https://a.example/\"]', 4000000000000)",
        )
        .await
        .unwrap();
    let site = Site::with_actions(harness).await;
    let operator = Operator::of(&site).await;
    let form = [("premium", "true"), ("urls", "https://a.example/")];
    let (status, place) = operator.act("/jobs/1/edit", &form).await;
    assert_eq!((status, place.as_str()), (303, "/jobs/1?done=edit"));
    let asked = site
        .harness
        .sql("SELECT state || scraper_params || run_at FROM jobs")
        .await
        .unwrap();
    assert_eq!(asked, ["QUEUED{\"premium\":true}4000000000000"]);
    site.closed().await;
}
