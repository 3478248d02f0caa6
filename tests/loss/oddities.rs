//! What is odd about the account is told wherever one looks.

use parserd::{
    core::job::JobState,
    simulator::{Endpoint, Inserted},
};
use serde_json::Value;

use crate::common::{
    Harness,
    program::{Program, parserd, stderr},
    spec,
};

fn insert(harness: &Harness, name: &str, count: usize) {
    let now_ms = harness.server.now_ms();
    harness.server.with(|simulator| {
        for _ in 0..count {
            let inserted = Inserted {
                name: name.to_owned(),
                ..Inserted::default()
            };
            simulator.world.insert_parser(now_ms, inserted);
        }
    });
}

/// What a command prints and says.
async fn text(harness: &Harness, args: &[&str]) -> (String, String) {
    let output = Program::start(parserd(harness, args)).ended().await;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    (printed, stderr(&output))
}

async fn status(harness: &Harness) -> Value {
    let (printed, _) = text(harness, &["status", "--json"]).await;
    serde_json::from_str(&printed).unwrap()
}

fn kinds(findings: &Value) -> Vec<&str> {
    let findings = findings.as_array().unwrap().iter();
    findings
        .map(|finding| finding["kind"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_second_parser_of_a_name_is_told_by_status_check_plan_and_log() {
    const WORDS: &str = "1 parser has a name or tag of this database's creates";
    let harness = Harness::new(&[]).await;
    harness.enqueue(1).await;
    harness.run_until_done().await;
    // Others' are nobody's business.
    insert(&harness, "by-hand", 3);
    insert(&harness, "another-database_pd_abcd2345", 1);
    assert_eq!(
        kinds(&status(&harness).await["account"]["findings"]),
        [""; 0]
    );
    insert(&harness, &spec(0).remote_name(0, true), 1);
    // From a list of their own.
    for command in [["check"], ["plan"]] {
        let (printed, _) = text(&harness, &command).await;
        assert!(printed.contains(WORDS), "{printed}");
    }
    harness.enqueue(3).await;
    let (_, log) = text(&harness, &["run", "--until-done"]).await;
    harness.await_states(&[(JobState::Finished, 3)]).await;
    assert_eq!(log.matches(WORDS).count(), 1, "{log}");
    let (printed, _) = text(&harness, &["status"]).await;
    assert!(printed.contains(WORDS), "{printed}");
    let account = &status(&harness).await["account"];
    assert_eq!(kinds(&account["findings"]), ["unexplained_parsers"]);
    assert_eq!(account["unexplained"]["count"], 1);
    let first = &account["unexplained"]["first"][0];
    assert_eq!(first["remote_name"], spec(0).remote_name(0, true));
    assert_eq!(harness.requests(Endpoint::Create), 3);
}

#[tokio::test]
async fn names_that_the_service_alters_and_lists_of_a_round_length_are_told() {
    let harness = Harness::new(&[]).await;
    insert(&harness, "by-hand", 49);
    harness.enqueue(1).await;
    harness.run_until_done().await;
    // One list of fifty says it at once, the daemon's only where the length stays.
    let (printed, _) = text(&harness, &["check"]).await;
    assert!(
        printed.contains("has 50 parsers, a suspiciously round number"),
        "{printed}"
    );
    let report = serde_json::json!({"altered": ["a & b", "a &amp; b"]});
    harness
        .sql(&format!(
            "INSERT OR REPLACE INTO meta (key, value) VALUES ('list_report', '{report}')"
        ))
        .await
        .unwrap();
    let found = status(&harness).await;
    let found = kinds(&found["account"]["findings"]);
    assert!(found.contains(&"altered_names"), "{found:?}");
}
