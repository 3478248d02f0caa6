//! The overview as a picture: what it says of a batch that is out of credits, to those who see it
//! and to those who have it read out.
//!
//! `PARSERD_TEST_SCREENSHOTS=FOLDER` keeps the pictures, to be looked at; `PARSERD_TEST_AXE=FILE`
//! names axe-core's `axe.min.js`, by whose rules the page is looked at as well.

use std::collections::BTreeSet;

use jiff::Timestamp;
use regex::Regex;
use rusqlite::Connection;
use serde_json::json;

use super::{driver::Browser, site::Site, speed::without_rules};
use crate::common::Harness;

/// 300 jobs, seven minutes after they were added: 194 FINISHED, 18 FAILED, one PARKED for credits,
/// two whose creates are ambiguous, the rest QUEUED; credits of two weeks.
pub fn batch(now: i64) -> String {
    let began = now - 420_000;
    let day = 86_400_000;
    let gate = json!({"scope": "create", "reason": "credits", "since": now - 150_000,
        "next_probe_at": now + 720_000});
    let away = json!({"scope": "create", "reason": "unreachable", "since": now - 300_000,
        "next_probe_at": now - 290_000});
    let back = json!({"scope": "create", "reason": "unreachable", "since": now - 300_000,
        "closed_ms": 30_000});
    format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300), \
            made (i, took, at) AS (SELECT i, 12000 + (i * 7919 % 100) * (i * 7919 % 100) * 11, \
                {began} + 15000 + i * 1300 FROM n) \
         INSERT INTO jobs (name, urls, state, parser_id, creates, created_at, finished_at, \
            generating_since, error_kind, error_hint, error_message, park_reason, updated_at) \
         SELECT 'listing-' || i, '[\"https://site.example/' || i || '\"]', \
            CASE WHEN i > 215 THEN 'QUEUED' WHEN i > 212 THEN 'PARKED' WHEN i % 12 = 5 THEN 'FAILED' \
                ELSE 'FINISHED' END, \
            CASE WHEN i <= 212 THEN 'p' || i END, i <= 212, {began}, \
            CASE WHEN i <= 212 THEN at END, CASE WHEN i <= 212 THEN at - took END, \
            CASE WHEN i <= 212 AND i % 12 = 5 THEN \
                CASE WHEN i % 36 = 5 THEN 'bad_request' ELSE 'generation_failed' END END, \
            CASE WHEN i <= 212 AND i % 12 = 5 AND i % 36 <> 5 THEN \
                CASE WHEN i % 24 = 5 THEN 'set premium' ELSE 'set render' END \
                WHEN i > 212 AND i < 216 THEN 'look at the account''s parsers (`parserd resolve ID`)' END, \
            CASE WHEN i <= 212 AND i % 12 = 5 THEN 'the example pages could not be fetched' END, \
            CASE i WHEN 213 THEN 'credits' WHEN 214 THEN 'ambiguous' WHEN 215 THEN 'ambiguous' END, \
            {now} FROM made; \
         INSERT INTO creates (job_id, remote_name, sent_at, credits, outcome, parser_id, settled_at) \
            SELECT id, name, {now} - (id * 31 % 17) * {day}, 30000, 'made', parser_id, {now} \
            FROM jobs WHERE parser_id IS NOT NULL; \
         INSERT INTO gates (scope, reason, since, next_probe_at, interval_ms) \
            VALUES ('create', 'credits', {now} - 150000, {now} + 720000, 900000); \
         INSERT INTO job_events (job_id, at, event, detail) VALUES \
            (0, {now} - 300000, 'gate_closed', '{away}'), \
            (0, {now} - 270000, 'gate_opened', '{back}'), \
            (0, {now} - 150000, 'gate_closed', '{gate}');"
    )
}

pub async fn out_of_credits() -> Site {
    filled(batch).await
}

/// A site whose database is filled by this SQL of the time, and stays so.
pub async fn filled(sql: impl Fn(i64) -> String) -> Site {
    let mut harness = Harness::new(&[]).await;
    harness.set("budget.max_credits_per_day", "900000");
    harness.store().await.close().await;
    let path = harness.database();
    let sql = sql(Timestamp::now().as_millisecond());
    tokio::task::spawn_blocking(move || {
        let connection = Connection::open(path).unwrap();
        without_rules(&connection, &sql);
    })
    .await
    .unwrap();
    Site::with_actions_at_rest(harness).await
}

#[tokio::test]
async fn what_needs_a_person_is_told_once_and_what_was_done_is_drawn() {
    let site = out_of_credits().await;
    let (status, page) = site.get("/").await;
    assert_eq!(status, 200);
    for words in [
        "<title>(18 failed) parserd</title>",
        "<strong>Out of credits.</strong>",
        "85 queued and 1 parked job wait, and need up to 2,580,000 credits.",
        "parserd checks again in 1",
        "Sign in to try again now",
        "<strong>2 jobs need your decision.</strong>",
        "<a href=\"/jobs/214\"><bdi>listing-214</bdi></a>",
        "212 of 298 done",
        "href=\"/jobs?state=QUEUED\"",
        "<strong>194</strong>",
        "Done over time",
        "Gate closed (unreachable)",
        ", for 30 s.",
        "Gate closed (credits)",
        ", and still closed.",
        "Generation time",
        "95 % within",
        "budget, <strong>900,000</strong> a day",
        "/jobs?state=FAILED&amp;error_kind=generation_failed",
        "Show all 12 <bdi>generation_failed</bdi>",
        "Edit and retry <bdi>listing-",
    ] {
        assert!(page.contains(words), "{words} in {page}");
    }
    for once in ["Out of credits", "need your decision", "checks again"] {
        assert_eq!(page.matches(once).count(), 1, "{once} in {page}");
    }
    assert!(page.len() < 40_000, "{} bytes", page.len());
    // What is told above is not told again where the batch is.
    assert!(
        page.contains("Paused: the top of the page says why."),
        "{page}"
    );
    site.closed().await;
}

/// Every picture has a name and a description that are there, no id is there twice, and no heading
/// skips a level.
fn assert_can_be_read_out(page: &str) {
    let all = |pattern: &str| -> Vec<String> {
        let pattern = Regex::new(pattern).unwrap();
        let found = pattern.captures_iter(page);
        found.map(|found| found[1].to_owned()).collect()
    };
    let ids = all(r#" id="([^"]+)""#);
    let unique: BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    for svg in all("<svg([^>]*)>") {
        assert!(svg.contains("role=\"img\""), "{svg}");
        let names = svg.split("aria-labelledby=\"").nth(1).unwrap();
        for id in names.split('"').next().unwrap().split(' ') {
            assert!(unique.contains(&id.to_owned()), "{id} of {svg}");
        }
    }
    assert!(!page.contains("<title id=\"done-title\"></title>"));
    let levels: Vec<u8> = all("<h([1-6])[ >]")
        .iter()
        .map(|level| level.parse().unwrap())
        .collect();
    assert_eq!(levels[0], 1, "{levels:?}");
    assert!(
        levels.windows(2).all(|pair| pair[1] <= pair[0] + 1),
        "{levels:?}"
    );
}

#[tokio::test]
async fn the_charts_can_be_read_out() {
    let site = out_of_credits().await;
    let (_, page) = site.get("/").await;
    assert_eq!(page.matches("<svg").count(), 4, "{page}");
    assert_can_be_read_out(&page);
    for words in [
        "194 of 298 jobs finished and 18 failed. The gate was closed 2 times.",
        "194 finished, 18 failed, 3 parked, 85 queued",
        "half were generated within",
        "The budget is 900,000 a day.",
    ] {
        assert!(page.contains(words), "{words} in {page}");
    }
    site.closed().await;
}

#[tokio::test]
async fn no_job_and_one_job_look_sensible() {
    let site = Site::at_rest(Harness::new(&[]).await).await;
    let (_, page) = site.get("/").await;
    assert_eq!(page.matches("<svg").count(), 0, "{page}");
    assert!(page.contains("No jobs yet"), "{page}");
    assert!(page.contains("<title>Overview · parserd</title>"), "{page}");
    assert_can_be_read_out(&page);
    site.closed().await;
    let harness = Harness::new(&[]).await;
    harness.enqueue(1).await;
    let site = Site::new(harness).await;
    site.await_metric("parserd_jobs{state=\"FINISHED\"}", 1.0)
        .await;
    let shown = async || site.get("/").await.1.contains("1 of 1 done");
    site.harness.wait_until("1 of 1 done", shown).await;
    let (_, page) = site.get("/").await;
    for words in [
        "1 parser so far: ",
        "Done over time",
        "Nothing is under way.",
        "(today)",
    ] {
        assert!(page.contains(words), "{words} in {page}");
    }
    assert!(!page.contains("NaN"), "{page}");
    assert_can_be_read_out(&page);
    site.closed().await;
}

#[tokio::test]
async fn a_page_that_nobody_answers_any_more_says_so() {
    let site = out_of_credits().await;
    let Some(browser) = Browser::of(&site).await else {
        return;
    };
    browser.visit("/").await;
    browser.await_words("Out of credits.").await;
    let is_stale = "return !document.getElementById('stale').hidden \
        && document.querySelector('main').getAttribute('aria-busy') === 'true' \
        && document.getElementById('stale-at').textContent !== ''";
    assert_eq!(browser.evaluate(is_stale).await, json!(false));
    // What was unfolded stays so when the page is brought up to date.
    browser.click("#done-figures summary").await;
    browser
        .evaluate("document.querySelector('h1').textContent = 'before'")
        .await;
    browser.await_words(">Overview</h1>").await;
    let is_open = "return document.getElementById('done-figures').open";
    assert_eq!(browser.evaluate(is_open).await, json!(true));
    site.hang_up();
    let shown = async || browser.evaluate(is_stale).await == json!(true);
    site.harness.wait_until("the page says so", shown).await;
    browser.end().await;
    site.closed().await;
}

#[tokio::test]
async fn each_chart_is_as_wide_as_its_place_and_high_enough_to_be_seen() {
    let site = out_of_credits().await;
    let Some(browser) = Browser::of(&site).await else {
        return;
    };
    browser.visit("/").await;
    let sizes = "return [...document.querySelectorAll('svg')].map((svg) => { \
        const box = svg.getBoundingClientRect(); \
        return [Math.abs(box.width - svg.parentElement.clientWidth) < 40, box.height > 15] })";
    for width in [390, 1280] {
        browser.set_width(width).await;
        let found = browser.evaluate(sizes).await;
        assert_eq!(found, json!(vec![[true, true]; 4]), "{width}");
    }
    browser.end().await;
    site.closed().await;
}
