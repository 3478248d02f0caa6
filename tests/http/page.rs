//! The page as one who only looks sees it.

use std::net::{IpAddr, UdpSocket};

use parserd::core::job::JobState;
use reqwest::{
    Method,
    header::{HOST, HeaderMap, HeaderValue},
};

use super::site::Site;
use crate::common::Harness;

/// Markup in every place that comes from outside.
const HOSTILE: &str = "<script>alert(1)</script>&\"'";

/// A site whose jobs try to put markup into the page.
pub async fn hostile() -> Site {
    let harness = Harness::new(&["create status=400 nth=2"]).await;
    harness.enqueue(2).await;
    let quoted = HOSTILE.replace('\'', "''");
    harness
        .sql(&format!(
            "INSERT INTO jobs (name, urls, fields, priority) VALUES ('{quoted}', \
             '[\"https://site.example/{{}}<b>\"]', \
             json_array(json_object('name', '{quoted}', 'description', '{quoted}')), -1)"
        ))
        .await
        .unwrap();
    let site = Site::new(harness).await;
    site.await_metric("parserd_jobs{state=\"FAILED\"}", 1.0)
        .await;
    site.await_metric("parserd_jobs{state=\"FINISHED\"}", 2.0)
        .await;
    site
}

fn assert_harmless(page: &str) {
    assert!(!page.contains("<script>alert"), "{page}");
    assert!(!page.contains("<b>"), "{page}");
    // One script, the page's own, and nothing in line.
    assert_eq!(page.matches("<script").count(), 1, "{page}");
    assert!(page.contains("<script src=\"/page.js\" defer></script>"));
    for inline in [
        "style=",
        "onclick",
        "onload",
        "javascript:",
        "http://",
        "https://",
    ] {
        let own = page.replace("https://site", "");
        assert!(!own.contains(inline), "{inline} in {page}");
    }
}

#[tokio::test]
async fn text_from_outside_is_text_on_every_page() {
    let site = hostile().await;
    let escaped = "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;";
    for path in ["/", "/jobs", "/jobs?q=%3Cscript%3E", "/jobs/3"] {
        let (status, page) = site.get(path).await;
        assert_eq!(status, 200, "{path}");
        assert!(page.contains(escaped), "{path}: {page}");
        assert_harmless(&page);
    }
    let (_, page) = site.get("/jobs?q=%22%3E%3Cscript%3Ealert(2)").await;
    assert_harmless(&page);
    assert!(page.contains("No jobs match &quot;"), "{page}");
    assert!(page.contains("Clear the search."), "{page}");
    site.closed().await;
}

#[tokio::test]
async fn a_row_that_is_no_utf8_blinds_neither_pages_nor_metrics() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(1).await;
    harness
        .sql(
            "INSERT INTO jobs (name, urls) \
             VALUES (CAST(x'ff41fe' AS TEXT), '[\"https://site.example/q\"]')",
        )
        .await
        .unwrap();
    let site = Site::new(harness).await;
    site.await_metric("parserd_jobs{state=\"FAILED\"}", 1.0)
        .await;
    for path in [
        "/",
        "/jobs",
        "/jobs?state=FAILED",
        "/jobs?q=A",
        "/jobs/2",
        "/metrics",
    ] {
        let (status, page) = site.get(path).await;
        assert_eq!(status, 200, "{path}: {page}");
        let is_named = page.contains("\u{fffd}A\u{fffd}");
        assert_eq!(is_named, path != "/metrics", "{path}: {page}");
    }
    // A name that is none in what the history and the creates keep.
    site.harness
        .sql(
            "INSERT INTO job_events (job_id, event) VALUES (2, CAST(x'ff' AS TEXT)); \
             INSERT INTO creates (job_id, remote_name, sent_at, credits, outcome, settled_at) \
             VALUES (2, CAST(x'ff' AS TEXT), 0, 1, 'not_made', 0)",
        )
        .await
        .unwrap();
    for path in ["/", "/jobs/2"] {
        let (status, page) = site.get(path).await;
        assert_eq!(status, 200, "{path}: {page}");
    }
    site.closed().await;
}

#[tokio::test]
async fn text_from_outside_turns_no_text_of_the_page_around() {
    let harness = Harness::new(&["create status=400 nth=2"]).await;
    harness.enqueue(1).await;
    harness
        .sql(
            "INSERT INTO jobs (name, urls, fields, priority) \
             VALUES ('a' || char(0x202e) || 'b', '[\"https://site.example/\"]', \
             json_array(json_object('name', char(0x2066), 'description', 'c')), -1)",
        )
        .await
        .unwrap();
    let site = Site::new(harness).await;
    site.await_metric("parserd_jobs{state=\"FAILED\"}", 1.0)
        .await;
    for path in ["/", "/jobs", "/jobs/2"] {
        let (status, page) = site.get(path).await;
        assert_eq!(status, 200, "{path}");
        assert!(page.contains("<bdi>a\\u{202e}b</bdi>"), "{path}: {page}");
        assert!(!page.contains(['\u{202e}', '\u{2066}']), "{path}: {page}");
    }
    let (_, page) = site.get("/jobs/2").await;
    assert!(page.contains("<title>a\\u{202e}b"), "{page}");
    assert!(page.contains("\\u{2066}&quot;"), "{page}");
    site.closed().await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let site = hostile().await;
    for path in ["/jobs/99", "/jobs/x", "/jobs/", "/nothing", "/jobs/1/retry"] {
        assert_eq!(site.get(path).await.0, 404, "{path}");
    }
    site.closed().await;
}

#[tokio::test]
async fn the_list_is_filtered_searched_and_turned_over() {
    let harness = Harness::new(&["list status=503"]).await;
    harness.enqueue(120).await;
    harness
        .sql("UPDATE jobs SET state = 'CANCELLED' WHERE name LIKE 'job-1_'")
        .await
        .unwrap();
    harness
        .sql("INSERT INTO jobs (name, urls) VALUES ('100% Sure_thing', '[\"https://a.example/\"]')")
        .await
        .unwrap();
    let site = Site::new(harness).await;
    let rows = async |path: &str| {
        let (status, page) = site.get(path).await;
        assert_eq!(status, 200);
        let count = page.matches("<tr>").count().saturating_sub(1);
        let next = page
            .split("rel=\"next\" href=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .map(|next| next.replace("&amp;", "&"));
        (count, next)
    };
    let mut path = "/jobs".to_owned();
    let mut counts = Vec::new();
    loop {
        let (count, next) = rows(&path).await;
        counts.push(count);
        match next {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(counts, [50, 50, 21]);
    for (path, expected) in [
        ("/jobs?state=CANCELLED", 10),
        ("/jobs?state=CANCELLED&q=JOB-12", 1),
        ("/jobs?state=cancelled&q=100", 0),
        ("/jobs?q=job-2", 11),
        ("/jobs?q=JOB-2", 11),
        ("/jobs?q=100%25", 1),
        ("/jobs?q=%25", 1),
        ("/jobs?q=_", 1),
        ("/jobs?q=%5C", 0),
        ("/jobs?state=QUEUED&q=job-11", 10),
        ("/jobs?state=FINISHED", 0),
    ] {
        assert_eq!(rows(path).await.0, expected, "{path}");
    }
    let (_, page) = site.get("/jobs?state=FALED").await;
    assert!(
        page.contains("There is no state FALED: it is left out."),
        "{page}"
    );
    let (_, next) = rows("/jobs?state=QUEUED&q=job").await;
    let next = next.unwrap();
    assert!(next == "/jobs?state=QUEUED&q=job&from=51", "{next}");
    assert_eq!(rows(&next).await.0, 50);
    site.harness
        .await_states(&[(JobState::Queued, 111), (JobState::Cancelled, 10)])
        .await;
    site.closed().await;
}

#[tokio::test]
async fn every_answer_keeps_the_browser_in_bounds() {
    let site = Site::new(Harness::new(&[]).await).await;
    for path in [
        "/",
        "/jobs",
        "/login",
        "/style.css",
        "/page.js",
        "/icon.svg",
        "/nothing",
    ] {
        let answer = site.send(Method::GET, path, HeaderMap::new(), &[]).await;
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(
            !policy.contains("unsafe") && !policy.contains('*'),
            "{policy}"
        );
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "same-origin");
    }
    site.closed().await;
}

#[tokio::test]
async fn a_name_that_was_made_to_lead_here_gets_no_page() {
    let site = Site::new(Harness::new(&[]).await).await;
    let port = site.base.rsplit(':').next().unwrap().to_owned();
    for (host, status) in [
        (format!("localhost:{port}"), 200),
        ("127.0.0.1".to_owned(), 200),
        (format!("evil.example:{port}"), 421),
        ("127.0.0.1.evil.example".to_owned(), 421),
    ] {
        for path in ["/", "/jobs", "/login", "/page.js"] {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_str(&host).unwrap())]);
            let answer = site.send(Method::GET, path, headers, &[]).await;
            assert_eq!(answer.status(), status, "{host} {path}");
        }
    }
    let two = ["localhost", "evil.example"].map(|host| (HOST, HeaderValue::from_static(host)));
    let mut headers = HeaderMap::new();
    for (name, value) in two {
        headers.append(name, value);
    }
    let answer = site.send(Method::GET, "/", headers, &[]).await;
    assert_eq!(answer.status(), 421);
    site.closed().await;
}

/// This machine's address in its network; none where it is in none. Nothing is sent.
fn outer_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().unwrap().ip();
    (!address.is_loopback()).then_some(address)
}

#[tokio::test]
async fn another_machine_gets_metrics_and_health_and_no_page() {
    let Some(outer) = outer_address() else {
        eprintln!("not run: this machine is in no network");
        return;
    };
    let site = Site::remote(Harness::new(&[]).await).await;
    let port = site.base.rsplit(':').next().unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (near, path, status) in [
        (true, "/metrics", 200),
        (true, "/", 200),
        (false, "/metrics", 200),
        (false, "/readyz", 200),
        (false, "/", 403),
        (false, "/jobs", 403),
        (false, "/login", 403),
    ] {
        let address = if near {
            "127.0.0.1".to_owned()
        } else {
            outer.to_string()
        };
        let answer = client
            .get(format!("http://{address}:{port}{path}"))
            // Its name is as easily told as any other.
            .header(HOST, "localhost")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{address} {path}");
    }
    site.closed().await;
}

#[tokio::test]
async fn no_page_shows_the_key_or_the_token() {
    let harness = Harness::new(&["create status=401"]).await;
    harness.enqueue(1).await;
    let site = Site::with_actions(harness).await;
    site.await_metric("parserd_jobs_parked{reason=\"unauthorized\"}", 1.0)
        .await;
    for path in [
        "/", "/jobs", "/jobs/1", "/login", "/metrics", "/readyz", "/nothing",
    ] {
        let (_, page) = site.get(path).await;
        assert!(!page.contains("demo-key"), "{path}: {page}");
        assert!(!page.contains(crate::http::site::TOKEN), "{path}: {page}");
    }
    site.closed().await;
}
