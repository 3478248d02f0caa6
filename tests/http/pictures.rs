//! Each page as a person sees it: nothing sticks out on a phone or a desktop, in light and dark.
//!
//! `PARSERD_TEST_SCREENSHOTS=FOLDER` keeps the pictures, to be looked at; `PARSERD_TEST_AXE=FILE`
//! names axe-core's `axe.min.js`, by whose rules each page is looked at as well.

use std::path::PathBuf;

use parserd::core::job::JobState;

use super::{
    driver::Browser,
    overview::{batch, filled, out_of_credits},
    site::Site,
};
use crate::common::Harness;

/// What keeps the pictures, and what judges the pages.
struct Viewer<'a> {
    browser: Browser<'a>,
    kept: Option<PathBuf>,
    axe: Option<String>,
}

impl<'a> Viewer<'a> {
    /// None where there is no browser.
    async fn of(site: &'a Site) -> Option<Self> {
        let browser = Browser::of(site).await?;
        let axe = std::env::var_os("PARSERD_TEST_AXE");
        Some(Self {
            browser,
            kept: std::env::var_os("PARSERD_TEST_SCREENSHOTS").map(PathBuf::from),
            axe: axe.map(|axe| std::fs::read_to_string(axe).unwrap()),
        })
    }

    async fn look_at(&self, pages: &[(&str, &str)]) {
        for (name, path) in pages {
            self.browser.visit(path).await;
            self.look(name).await;
        }
    }

    /// Looks at the page that is there.
    async fn look(&self, name: &str) {
        for (size, width) in [("phone", 390), ("desktop", 1280)] {
            self.browser.set_width(width).await;
            for scheme in ["light", "dark"] {
                self.browser.set_scheme(scheme).await;
                let overflow = "return document.documentElement.scrollWidth";
                let found = self.browser.evaluate(overflow).await;
                assert!(found.as_i64() <= Some(width), "{name}: {found} of {width}");
                if let Some(kept) = &self.kept {
                    let picture = self.browser.screenshot().await;
                    std::fs::write(kept.join(format!("{name}-{size}-{scheme}.png")), picture)
                        .unwrap();
                }
                if let Some(axe) = &self.axe {
                    let run = format!(
                        "{axe}; return axe.run().then((found) => found.violations.map((it) => \
                         it.id + ': ' + it.nodes.map((node) => node.html).join(', ')))"
                    );
                    let found = self.browser.evaluate(&run).await;
                    let found = found.as_array().unwrap();
                    assert!(found.is_empty(), "{name} {width} {scheme}: {found:?}");
                }
            }
        }
    }
}

/// The jobs of [`batch`] under way: no gate is closed, and none is PARKED.
fn running(now: i64) -> String {
    format!(
        "{} DELETE FROM gates; \
         UPDATE jobs SET state = 'GENERATING', park_reason = NULL, parser_id = 'p' || id, creates = 1, \
             generating_since = {now} - 40000 WHERE id BETWEEN 213 AND 240; \
         UPDATE jobs SET state = 'CREATING', remote_name = name WHERE id BETWEEN 241 AND 243;",
        batch(now)
    )
}

/// The jobs of [`batch`] that ended, and no others.
fn done(now: i64) -> String {
    format!(
        "{} DELETE FROM gates; DELETE FROM jobs WHERE id > 212;",
        batch(now)
    )
}

#[tokio::test]
async fn the_overview_of_a_batch_under_way_or_done_and_of_none_fits() {
    for (name, site) in [
        ("overview-running", filled(running).await),
        ("overview-done", filled(done).await),
        ("overview-empty", filled(|_| String::new()).await),
    ] {
        let Some(viewer) = Viewer::of(&site).await else {
            return;
        };
        viewer.look_at(&[(name, "/")]).await;
        viewer.browser.end().await;
        site.closed().await;
    }
}

#[tokio::test]
async fn what_is_out_of_credits_fits_and_lists_of_its_jobs_do() {
    let site = out_of_credits().await;
    let Some(viewer) = Viewer::of(&site).await else {
        return;
    };
    viewer
        .look_at(&[("overview-visitor", "/"), ("login", "/login")])
        .await;
    viewer.browser.sign_in().await;
    viewer
        .look_at(&[
            ("overview-credits", "/"),
            ("jobs", "/jobs"),
            ("jobs-failed", "/jobs?state=FAILED"),
            ("jobs-parked", "/jobs?state=PARKED"),
            ("jobs-none", "/jobs?q=zebra"),
            ("job-queued", "/jobs/250"),
            ("job-ambiguous", "/jobs/214"),
            ("job-parked", "/jobs/213"),
            ("job-cancel", "/jobs/213/cancel"),
            ("job-unknown", "/jobs/99999"),
            ("not-found", "/nothing"),
            ("parsers-none", "/parsers"),
        ])
        .await;
    viewer.browser.visit("/jobs?state=FAILED").await;
    viewer.browser.click("input[name=job]").await;
    viewer.look("jobs-selected").await;
    viewer.browser.click("button[value=retry]").await;
    viewer.browser.await_words("up to 30,000 credits").await;
    viewer.look("bulk").await;
    viewer.browser.visit("/").await;
    site.hang_up();
    viewer.browser.await_words("aria-busy=\"true\"").await;
    viewer.look("overview-stale").await;
    viewer.browser.end().await;
    site.closed().await;
}

#[tokio::test]
async fn a_job_fits_in_each_state_and_parsers_do() {
    let mut harness = Harness::new(&["create status=400 nth=2", "create lose before nth=3"]).await;
    harness.set("workers.max_requests", "1");
    harness.set("reconcile.settle", "1h");
    harness.enqueue(6).await;
    let site = Site::with_actions(harness).await;
    let Some(viewer) = Viewer::of(&site).await else {
        return;
    };
    let states = [
        (JobState::Creating, 1),
        (JobState::Failed, 1),
        (JobState::Finished, 4),
    ];
    site.harness.await_states(&states).await;
    let id = async |state: &str| {
        let sql = format!("SELECT id FROM jobs WHERE state = '{state}' ORDER BY id LIMIT 1");
        format!("/jobs/{}", site.harness.sql(&sql).await.unwrap()[0])
    };
    let (finished, failed) = (id("FINISHED").await, id("FAILED").await);
    let in_doubt = id("CREATING").await;
    viewer.look_at(&[("job-visitor", &failed)]).await;
    viewer.browser.sign_in().await;
    viewer
        .look_at(&[
            ("overview-doubt", "/"),
            ("job-finished", &finished),
            ("job-failed", &failed),
            ("job-doubt", &in_doubt),
            ("parsers", "/parsers"),
        ])
        .await;
    viewer.browser.visit(&failed).await;
    let unfold = "document.querySelectorAll('details').forEach(it => it.open = true)";
    viewer.browser.evaluate(unfold).await;
    viewer.look("job-edit").await;
    viewer.browser.end().await;
    site.closed().await;
}
