//! What others did to parsers, as `parserd plan` tells it from the account's list.

use serde_json::Value;

use super::{
    RENAME, asking, change_as_other,
    manifest::{job, run, write},
    one, shop,
};
use crate::common::Harness;

/// The one job of the plan, which is there already.
async fn notes(harness: &Harness) -> String {
    let output = run(harness, &["plan", "--exit-code", "--json", "jobs.json"], 0).await;
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plan["jobs"][0]["symbol"], "=", "{plan}");
    plan["jobs"][0]["notes"].to_string()
}

async fn with_file(faults: &[&str]) -> (Harness, String) {
    let harness = shop(faults).await;
    let spec = asking("shop");
    let file = job("shop", &spec.urls[0], &spec.fields.unwrap());
    write(&harness, "jobs.json", &[file]);
    let id = one(&harness, "SELECT parser_id FROM parsers").await;
    (harness, id)
}

#[tokio::test]
async fn a_version_that_another_tool_made_is_told() {
    let (harness, id) = with_file(&[]).await;
    assert_eq!(notes(&harness).await, "[]");
    let others: Value = serde_json::from_str(RENAME).unwrap();
    change_as_other(&harness, &id, &others);
    let told = notes(&harness).await;
    let expected = "version 1 at the service, 0 on record: changed elsewhere";
    assert!(told.contains(expected), "{told}");
}

#[tokio::test]
async fn a_parser_that_was_deleted_elsewhere_is_told_and_one_that_a_list_leaves_out_is_not() {
    let (harness, id) = with_file(&["list limit=0"]).await;
    assert_eq!(notes(&harness).await, "[]");
    harness.server.with(|simulator| {
        assert!(simulator.world.delete_parser(&id));
    });
    // A parser that was just made may be late in the list, and by its id.
    harness
        .wait_until("that it is deleted is told", async || {
            notes(&harness).await.contains("deleted elsewhere")
        })
        .await;
}
