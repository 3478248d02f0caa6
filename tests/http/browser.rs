//! The page in a real browser: Chromium without a window, where it is installed.
//!
//! `PARSERD_TEST_SCREENSHOTS=FOLDER` keeps the pictures, to be looked at.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use super::{page::hostile, site::Site};
use crate::common::Harness;

/// How long one run of the browser may take; only a fault makes it wait so long.
const PATIENCE: Duration = Duration::from_secs(120);

const PROGRAMS: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

fn browser() -> Option<&'static str> {
    let found = PROGRAMS.iter().find(|program| {
        let asked = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        asked.is_ok_and(|status| status.success())
    });
    if found.is_none() {
        eprintln!("not run: there is no chromium");
    }
    found.copied()
}

/// Runs the browser on a page; returns what it printed.
async fn run(program: &str, flags: &[String], address: String) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(program);
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(flags)
        .arg(address)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .expect("the browser should have ended")
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    // What a policy keeps from running or loading is told on the console.
    assert!(!errors.contains("Content Security Policy"), "{errors}");
    assert!(!errors.contains("Uncaught"), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_browser_runs_no_script_from_outside_and_brings_the_page_up_to_date() {
    let Some(program) = browser() else { return };
    let site = hostile().await;
    let harness = &site.harness;
    harness
        .sql("INSERT INTO jobs (name, urls, run_at) VALUES ('later', '[\"https://a.example/\"]', 4000000000000)")
        .await
        .unwrap();
    let flags = [
        "--enable-logging=stderr".to_owned(),
        "--dump-dom".to_owned(),
        // The page's own clock: the script looks again after five seconds.
        "--virtual-time-budget=12000".to_owned(),
    ];
    for path in ["/", "/jobs", "/jobs/3"] {
        let shown = run(program, &flags, format!("{}{path}", site.base)).await;
        assert!(
            shown.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
            "{shown}"
        );
        assert!(shown.contains("<main data-live"), "{shown}");
        assert!(!shown.contains("aria-busy=\"true\""), "{shown}");
    }
    site.closed().await;
}

#[tokio::test]
async fn the_pages_fit_a_desktop_and_a_phone_in_light_and_dark() {
    let Some(program) = browser() else { return };
    let site = hostile().await;
    let kept = std::env::var_os("PARSERD_TEST_SCREENSHOTS").map(PathBuf::from);
    let directory = tempfile::tempdir().unwrap();
    let directory = kept.as_deref().unwrap_or(directory.path());
    let pages = [
        ("overview", "/"),
        ("jobs", "/jobs"),
        ("jobs-failed", "/jobs?state=FAILED"),
        ("jobs-empty", "/jobs?q=zebra"),
        ("job", "/jobs/2"),
        ("job-finished", "/jobs/1"),
        ("job-unknown", "/jobs/99999"),
        ("parsers", "/parsers"),
    ];
    shoot_all(program, &site, &pages, directory).await;
    site.closed().await;
    let mut harness = Harness::new(&["create status=402", "create lose nth=1"]).await;
    harness.set("park.probe_interval", "1h");
    harness.set("park.max_probe_interval", "1h");
    harness.set("reconcile.settle", "1h");
    harness.set("workers.max_requests", "1");
    harness.set("budget.max_credits_per_day", "120000");
    harness.enqueue(60).await;
    let site = Site::with_actions(harness).await;
    site.await_metric("parserd_jobs_parked{reason=\"credits\"}", 60.0)
        .await;
    let pages = [("held", "/"), ("login", "/login")];
    shoot_all(program, &site, &pages, directory).await;
    site.closed().await;
}

async fn shoot_all(program: &str, site: &Site, pages: &[(&str, &str)], directory: &Path) {
    for (page, path) in pages {
        for (size, width, height) in [("desktop", 1280, 1100), ("phone", 500, 1400)] {
            let mut pictures = Vec::new();
            for dark in [false, true] {
                let scheme = if dark { "dark" } else { "light" };
                let picture = directory.join(format!("{page}-{size}-{scheme}.png"));
                let mut flags = vec![
                    format!("--window-size={width},{height}"),
                    format!("--screenshot={}", picture.display()),
                ];
                if dark {
                    flags.push("--blink-settings=preferredColorScheme=0".to_owned());
                }
                run(program, &flags, format!("{}{path}", site.base)).await;
                let bytes = std::fs::read(&picture).unwrap();
                assert!(bytes.starts_with(b"\x89PNG"), "{}", picture.display());
                pictures.push(bytes);
            }
            assert_ne!(pictures[0], pictures[1], "{page}: dark is as light");
        }
    }
}
