//! The lists of jobs and parsers: their order, their chips and filters; what a job's page begins with.

use parserd::core::job::JobState;

use super::{actions::Operator, page::hostile, site::Site};
use crate::common::Harness;

/// The ids of the jobs that a page lists, in its order.
fn listed(page: &str) -> Vec<i64> {
    let rows = page.split("<td class=\"number\">").skip(1);
    rows.map(|row| row.split('<').next().unwrap().parse().unwrap())
        .collect()
}

#[tokio::test]
async fn jobs_are_in_the_order_of_their_changes_with_their_reasons() {
    let mut harness = Harness::new(&["create status=400 nth=2"]).await;
    harness.set("workers.max_requests", "1");
    harness.enqueue(3).await;
    harness
        .sql(
            "INSERT INTO jobs (name, urls, labels, run_at) VALUES ('later', \
             '[\"https://a.example/\"]', '{\"team\": \"search\"}', 4000000000000)",
        )
        .await
        .unwrap();
    let site = Site::with_actions(harness).await;
    site.harness
        .await_states(&[
            (JobState::Failed, 1),
            (JobState::Finished, 2),
            (JobState::Queued, 1),
        ])
        .await;
    let failed = site
        .harness
        .sql("SELECT id FROM jobs WHERE state = 'FAILED'");
    let failed: i64 = failed.await.unwrap().concat().parse().unwrap();
    let (_, page) = site.get("/jobs").await;
    assert!(page.contains("1-4 of 4, the last change first"), "{page}");
    assert_eq!(listed(&page).last(), Some(&4), "it changed first: {page}");
    // Nobody has signed in, so nothing can be chosen.
    assert!(!page.contains("type=\"checkbox\""), "{page}");
    Operator::of(&site).await.act("/jobs/4/cancel", &[]).await;
    let (_, page) = site.get("/jobs").await;
    assert_eq!(listed(&page).first(), Some(&4), "it changed last: {page}");
    for (path, ids) in [
        ("/jobs?error_kind=bad_request", vec![failed]),
        ("/jobs?error_kind=not_found", vec![]),
        ("/jobs?park_reason=credits", vec![]),
        ("/jobs?state=CANCELLED&label=team%3Dsearch", vec![4]),
        ("/jobs?label=team%3Dsearch", vec![4]),
        ("/jobs?label=team%3Dother", vec![]),
    ] {
        let (_, page) = site.get(path).await;
        assert_eq!(listed(&page), ids, "{path}: {page}");
    }
    let (_, page) = site.get("/jobs?state=FAILED").await;
    assert!(
        page.contains("href=\"/jobs?state=FAILED&amp;error_kind=bad_request\""),
        "{page}"
    );
    assert!(
        page.contains("<span class=\"kind\"><bdi>bad_request</bdi></span>: "),
        "{page}"
    );
    site.closed().await;
}

#[tokio::test]
async fn a_jobs_page_begins_with_what_was_found_and_ends_with_what_was_asked() {
    let site = hostile().await;
    let of_state = async |state: &str| {
        let sql = format!("SELECT min(id) FROM jobs WHERE state = '{state}'");
        let id = site.harness.sql(&sql).await.unwrap().concat();
        site.get(&format!("/jobs/{id}")).await.1
    };
    let page = of_state("FINISHED").await;
    let headings: Vec<_> = page
        .split("<h2>")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap())
        .collect();
    assert_eq!(
        headings,
        [
            "What it found",
            "State",
            "History",
            "Create requests",
            "What it asks for"
        ]
    );
    assert!(page.contains("<table class=\"found\">"), "{page}");
    assert!(page.contains("<svg class=\"timeline\""), "{page}");
    assert!(
        page.contains("<li class=\"generating\">generating "),
        "{page}"
    );
    assert!(
        page.contains("rel=\"noopener noreferrer nofollow\""),
        "{page}"
    );
    // A create that was refused is not shown as money spent.
    let page = of_state("FAILED").await;
    assert!(page.contains("nothing made"), "{page}");
    assert!(
        page.contains("<td class=\"number\">0<span class=\"unit\"> credits</span></td>"),
        "{page}"
    );
    site.closed().await;
}

#[tokio::test]
async fn parsers_are_listed_with_the_worst_first() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(120).await;
    let site = Site::new(harness).await;
    site.harness
        .await_states(&[(JobState::Finished, 120)])
        .await;
    let harness = &site.harness;
    harness
        .sql(
            "UPDATE jobs SET labels = '{\"team\": \"search\"}' WHERE id = 30; \
             UPDATE parsers SET quality = 'ok'; \
             UPDATE parsers SET quality = 'bad', quality_detail = '{\"reason\": \"no use\"}' \
             WHERE job_id IN (10, 20); \
             UPDATE parsers SET quality = 'thin' WHERE job_id = 30; \
             UPDATE parsers SET quality = NULL WHERE job_id = 40;",
        )
        .await
        .unwrap();
    let mut names = Vec::new();
    let mut path = "/parsers".to_owned();
    loop {
        let (status, page) = site.get(&path).await;
        assert_eq!(status, 200, "{path}");
        let rows = page.split("<td class=\"name\"><a href=\"/jobs/").skip(1);
        names.extend(rows.map(|row| row.split('"').next().unwrap().to_owned()));
        let next = page.split("rel=\"next\" href=\"").nth(1);
        match next.and_then(|rest| rest.split('"').next()) {
            Some(next) => path = next.replace("&amp;", "&"),
            None => break,
        }
    }
    assert_eq!(names.len(), 120);
    // Which of the two bad ones was generated later is chance.
    names[..2].sort();
    let worst: Vec<_> = names.iter().take(4).map(String::as_str).collect();
    assert_eq!(worst, ["10", "20", "30", "40"]);
    let (_, page) = site.get("/parsers?label=team%3Dsearch").await;
    assert_eq!(page.matches("<td class=\"name\">").count(), 1, "{page}");
    let (_, page) = site.get("/parsers?quality=bad").await;
    assert_eq!(page.matches("no use").count(), 2, "{page}");
    let (_, page) = site.get("/parsers?quality=bad&label=team%3Dsearch").await;
    assert!(page.contains("No parsers match."), "{page}");
    site.closed().await;
}
