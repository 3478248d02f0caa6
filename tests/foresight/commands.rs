//! `parserd preflight`.

use serde_json::Value;

use super::preflight::{add, of, shop};
use crate::common::{Harness, program::parserd};

async fn run(harness: &Harness, args: &[&str]) -> (i32, String, String) {
    let mut command = tokio::process::Command::from(parserd(harness, args));
    let output = command.output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

const FILE: &str = r#"
[[jobs]]
name = "good"
urls = ["https://good.example/1", "https://good.example/2"]

[[jobs]]
name = "js"
urls = ["https://js.example/needs-js-1"]
"#;

#[tokio::test]
async fn a_file_is_looked_at_without_a_job_or_a_parser() {
    let harness = shop("off").await;
    let file = harness.directory.path().join("jobs.toml");
    std::fs::write(&file, FILE).unwrap();
    let file = file.to_str().unwrap();
    let (code, out, _) = run(&harness, &["preflight", "--dry-run", file]).await;
    assert_eq!(code, 0);
    assert!(
        out.starts_with("3 pages of 2 jobs: 3 credits if all pages load"),
        "{out}"
    );
    assert_eq!(harness.requests(parserd::simulator::Endpoint::Fetch), 0);
    let (code, out, _) = run(&harness, &["preflight", file]).await;
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("write: scraper_params = { render = true }"),
        "{out}"
    );
    assert!(
        out.contains("2 jobs: 1 ok, 1 needs_js; 13 credits spent"),
        "{out}"
    );
    let (_, out, _) = run(&harness, &["preflight", "--json", file]).await;
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["jobs"][1]["verdict"], "needs_js");
    assert_eq!(report["totals"]["ok"], 1);
    // Pages that loaded are not fetched again.
    assert_eq!(report["credits"], 0);
    assert_eq!(
        harness.sql("SELECT count(*) FROM jobs").await.unwrap(),
        ["0"]
    );
    assert_eq!(
        harness
            .sql("SELECT sum(credits) FROM fetches")
            .await
            .unwrap(),
        ["13"]
    );
}

#[tokio::test]
async fn what_a_job_was_asked_about_is_not_asked_again_by_the_daemon() {
    let harness = shop("check").await;
    add(&harness, vec![of("good", &["1", "2"])]).await;
    let (code, out, _) = run(&harness, &["preflight", "good"]).await;
    assert_eq!(code, 0, "{out}");
    harness.run_until_done().await;
    assert_eq!(harness.requests(parserd::simulator::Endpoint::Fetch), 2);
    assert_eq!(harness.requests(parserd::simulator::Endpoint::Create), 1);
}

#[tokio::test]
async fn what_is_neither_a_file_nor_a_job_is_told() {
    let harness = shop("check").await;
    let (code, _, err) = run(&harness, &["preflight", "nothing.toml"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("there is no file nothing.toml"), "{err}");
    let (code, _, err) = run(&harness, &["preflight", "nothing"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("no job has the id or the name"), "{err}");
}

#[tokio::test]
async fn a_key_that_is_refused_is_told_with_what_to_do() {
    let mut harness = shop("off").await;
    harness.set("api.key", "no-key-of-the-service");
    let file = harness.directory.path().join("jobs.toml");
    std::fs::write(&file, FILE).unwrap();
    let (code, out, err) = run(&harness, &["preflight", file.to_str().unwrap()]).await;
    assert_eq!(code, 1);
    assert!(
        out.contains("0 jobs: none was looked at; 0 credits spent"),
        "{out}"
    );
    let told = [
        "not all jobs were looked at",
        "refused the API key",
        "api.key_file",
    ];
    for words in told {
        assert!(err.contains(words), "{words}: {err}");
    }
}
