//! Before a create its example pages are looked at.

use parserd::{
    core::{effort::Proxy, job::JobState, spec::JobSpec},
    engine::daemon::Until,
    simulator::{Endpoint, WorldConfig},
};

use crate::common::{Harness, spec};

/// A job whose pages have this text in their paths.
pub(super) fn of(name: &str, pages: &[&str]) -> JobSpec {
    JobSpec {
        name: name.to_owned(),
        urls: pages
            .iter()
            .map(|page| format!("https://{name}.example/{page}"))
            .collect(),
        ..spec(0)
    }
}

pub(super) async fn shop(mode: &str) -> Harness {
    let mut harness = Harness::with(WorldConfig::default(), &[]).await;
    let url = harness.server.base_url();
    harness.set("preflight.mode", mode);
    harness.set("preflight.url", &url);
    harness
}

pub(super) async fn add(harness: &Harness, specs: Vec<JobSpec>) {
    let store = harness.store().await;
    assert!(
        store
            .submit(specs, false)
            .await
            .unwrap()
            .conflicts
            .is_empty()
    );
    store.close().await;
}

async fn outcomes(harness: &Harness) -> Vec<String> {
    let sql = "SELECT name || ' ' || state || ' ' || coalesce(error_kind, '-') || ' ' \
        || coalesce(json_extract(preflight, '$.verdict'), '-') || ' ' || creates || ' ' \
        || coalesce(effective_params, '-') FROM jobs ORDER BY name";
    harness.sql(sql).await.unwrap()
}

/// Each cause, as a pair of pages; what is beside the good one is what is wrong.
fn causes() -> Vec<JobSpec> {
    vec![
        of("blocked", &["blocked-1", "blocked-2"]),
        of("challenge", &["challenge-1"]),
        of("consent", &["consent-1"]),
        of("gone", &["1", "page-gone"]),
        of("js", &["needs-js-1", "needs-js-2"]),
        of("login", &["login-1"]),
        of("ok", &["1", "2", "3"]),
        of("ultra", &["ultra-blocked-1"]),
    ]
}

#[tokio::test]
async fn in_check_what_cannot_work_is_not_paid_for() {
    let harness = shop("check").await;
    add(&harness, causes()).await;
    harness.run_until_done().await;
    assert_eq!(
        outcomes(&harness).await,
        [
            "blocked FAILED preflight_failed blocked 0 -",
            "challenge FAILED preflight_failed blocked 0 -",
            "consent FAILED preflight_failed blocked 0 -",
            "gone FAILED preflight_failed gone 0 -",
            "js FAILED preflight_failed needs_js 0 -",
            "login FAILED preflight_failed login 0 -",
            "ok FINISHED - ok 1 -",
            "ultra FAILED preflight_failed blocked 0 -",
        ]
    );
    assert_eq!(harness.requests(Endpoint::Create), 1);
    let hint = "SELECT error_message || ' / ' || error_hint FROM jobs WHERE name = 'js'";
    let hint = harness.sql(hint).await.unwrap().remove(0);
    assert!(hint.contains("https://js.example/needs-js-1"), "{hint}");
    assert!(
        hint.contains("scraper_params = { render = true }"),
        "{hint}"
    );
    assert!(hint.contains("no create was sent"), "{hint}");
    // What the fetches cost is on record, as the service counts it.
    let spent = harness
        .sql("SELECT sum(credits) FROM fetches")
        .await
        .unwrap();
    let cost = harness
        .server
        .with(|simulator| simulator.world.credits_of_fetches());
    assert_eq!(spent, [cost.to_string()]);
    assert!(cost < 50, "{cost}");
}

#[tokio::test]
async fn in_repair_the_cheapest_parameters_are_sent_and_the_job_stays_as_written() {
    let harness = shop("repair").await;
    add(&harness, causes()).await;
    harness.run_until_done().await;
    assert_eq!(
        outcomes(&harness).await,
        [
            r#"blocked FINISHED - ok 1 {"premium":true}"#,
            r#"challenge FINISHED - ok 1 {"premium":true}"#,
            "consent FAILED preflight_failed blocked 0 -",
            "gone FAILED preflight_failed gone 0 -",
            r#"js FINISHED - ok 1 {"render":true}"#,
            "login FAILED preflight_failed login 0 -",
            "ok FINISHED - ok 1 -",
            r#"ultra FINISHED - ok 1 {"ultra_premium":true}"#,
        ]
    );
    assert_eq!(harness.requests(Endpoint::Create), 5);
    let written = "SELECT count(*) FROM jobs WHERE scraper_params IS NOT NULL";
    assert_eq!(harness.sql(written).await.unwrap(), ["0"]);
    // A lost database finds its parsers by their names, and pays for none.
    std::fs::remove_file(harness.database()).unwrap();
    add(&harness, causes()).await;
    harness.run_until_done().await;
    assert_eq!(harness.requests(Endpoint::Create), 5);
}

#[tokio::test]
async fn a_verdict_holds_and_a_retry_looks_anew() {
    let harness = shop("check").await;
    add(&harness, vec![of("gone", &["1", "page-gone"])]).await;
    harness.run_until_done().await;
    assert_eq!(harness.requests(Endpoint::Fetch), 2);
    let retry = "UPDATE jobs SET state = 'QUEUED'";
    harness.sql(retry).await.unwrap();
    harness.run_until_done().await;
    assert_eq!(harness.requests(Endpoint::Fetch), 3);
    assert_eq!(
        outcomes(&harness).await,
        ["gone FAILED preflight_failed gone 0 -"]
    );
    // Mended, it goes on. The page that was there is never fetched again.
    let mend = "UPDATE jobs SET urls = '[\"https://gone.example/1\"]', state = 'QUEUED'";
    harness.sql(mend).await.unwrap();
    harness.run_until_done().await;
    assert_eq!(outcomes(&harness).await, ["gone FINISHED - ok 1 -"]);
    assert_eq!(harness.requests(Endpoint::Fetch), 3);
}

#[tokio::test]
async fn credits_that_run_out_at_a_fetch_park_the_job_and_close_the_gate() {
    let mut harness = Harness::with(WorldConfig::default(), &["fetch first=1 status=402"]).await;
    let url = harness.server.base_url();
    harness.set("preflight.mode", "check");
    harness.set("preflight.url", &url);
    add(&harness, vec![of("a", &["1"]), of("b", &["1"])]).await;
    let running = harness.start(Until::Stopped).await;
    harness.await_states(&[(JobState::Finished, 2)]).await;
    running.stopped().await;
    assert_eq!(
        outcomes(&harness).await,
        ["a FINISHED - ok 1 -", "b FINISHED - ok 1 -"]
    );
    let parked = "SELECT count(*) FROM job_events WHERE event = 'parked'";
    assert_ne!(harness.sql(parked).await.unwrap(), ["0"]);
    assert_eq!(harness.requests(Endpoint::Create), 2);
}

#[tokio::test]
async fn what_the_plan_does_not_include_is_asked_for_once() {
    let world = WorldConfig {
        best_proxy: Proxy::Standard,
        ..WorldConfig::default()
    };
    let mut harness = Harness::with(world, &[]).await;
    let url = harness.server.base_url();
    harness.set("preflight.mode", "repair");
    harness.set("preflight.url", &url);
    harness.set("workers.max_requests", "1");
    add(
        &harness,
        (0..6)
            .map(|n| of(&format!("blocked-{n}"), &["blocked"]))
            .collect(),
    )
    .await;
    harness.run_until_done().await;
    let refused = "SELECT count(*) FROM fetches WHERE outcome = 'not_in_plan'";
    assert_eq!(harness.sql(refused).await.unwrap(), ["1"]);
    assert_eq!(harness.requests(Endpoint::Create), 0);
}

#[tokio::test]
async fn fetches_keep_within_the_budget() {
    let mut harness = shop("check").await;
    harness.set("budget.max_credits", "60004");
    add(
        &harness,
        (0..4).map(|n| of(&format!("a{n}"), &["1", "2"])).collect(),
    )
    .await;
    harness.run_until_done().await;
    let spent = "SELECT (SELECT sum(credits) FROM creates) + (SELECT sum(credits) FROM fetches)";
    let spent: i64 = harness.sql(spent).await.unwrap()[0].parse().unwrap();
    assert!(spent <= 60_004, "{spent}");
    let parked = "SELECT count(*) FROM jobs WHERE park_reason = 'budget'";
    assert_ne!(harness.sql(parked).await.unwrap(), ["0"]);
}

#[tokio::test]
async fn a_budget_of_one_create_is_spent_on_that_create_and_not_on_pages() {
    for (bound, limit, fetches, states) in [
        (
            "budget.max_credits",
            "30000",
            0,
            ["a FINISHED - unknown 1 -"],
        ),
        (
            "budget.max_credits_per_day",
            "30000",
            0,
            ["a FINISHED - unknown 1 -"],
        ),
        (
            "budget.max_credits",
            "30001",
            1,
            ["a FINISHED - unknown 1 -"],
        ),
        ("budget.max_credits", "30002", 2, ["a FINISHED - ok 1 -"]),
        ("budget.max_credits", "29999", 0, ["a PARKED - - 0 -"]),
    ] {
        let mut harness = shop("check").await;
        harness.set(bound, limit);
        add(&harness, vec![of("a", &["1", "2"])]).await;
        harness.run_until_done().await;
        assert_eq!(outcomes(&harness).await, states, "{bound} {limit}");
        assert_eq!(
            harness.requests(Endpoint::Fetch),
            fetches,
            "{bound} {limit}"
        );
    }
}

#[tokio::test]
async fn after_the_clock_was_set_back_a_retry_fetches_each_page_once() {
    let harness = shop("check").await;
    add(&harness, vec![of("gone", &["1", "page-gone"])]).await;
    harness.run_until_done().await;
    // As a clock that was an hour ahead would have left it.
    let ahead = "UPDATE jobs SET revision = revision + 1, \
        preflight = json_set(preflight, '$.at', json_extract(preflight, '$.at') + 3600000)";
    harness.sql(ahead).await.unwrap();
    harness
        .sql("UPDATE jobs SET state = 'QUEUED'")
        .await
        .unwrap();
    harness.run_until_done().await;
    // The page that loaded is not fetched again.
    assert_eq!(harness.requests(Endpoint::Fetch), 3);
    assert_eq!(
        outcomes(&harness).await,
        ["gone FAILED preflight_failed gone 0 -"]
    );
}
