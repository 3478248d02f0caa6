//! Updates and deletes from end to end.

use parserd::simulator::Endpoint;

use super::{BOTH, MODIFY, RENAME, add, asking, one, shop, update};

pub const LAST: &str = "SELECT action || ' ' || state || ' ' || coalesce(parser_version, '-') || ' ' \
    || coalesce(error_kind || ': ' || error_message, '-') FROM jobs ORDER BY id DESC LIMIT 1";

const PARSER: &str = "SELECT version || ' ' || latest_version || ' ' || quality || ' ' || \
    (SELECT group_concat(value ->> 'name') FROM json_each(fields)) FROM parsers";

#[tokio::test]
async fn a_rename_costs_nothing_and_is_there_at_once() {
    let harness = shop(&[]).await;
    let before = harness
        .server
        .with(|simulator| simulator.world.credits_spent());
    update(&harness, RENAME).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "update FINISHED 1 -");
    assert_eq!(one(&harness, PARSER).await, "1 1 ok book.title,price");
    let after = harness
        .server
        .with(|simulator| simulator.world.credits_spent());
    assert_eq!(before, after);
    let sent = "SELECT part || ' ' || base_version || ' ' || outcome || ' ' || version || ' ' \
        || credits FROM updates";
    assert_eq!(one(&harness, sent).await, "free 0 made 1 0");
    let events = "SELECT event FROM job_events WHERE job_id = 2 ORDER BY id";
    let expected = ["queued", "changing", "change_made", "finished", "judged"];
    assert_eq!(harness.sql(events).await.unwrap(), expected);
}

#[tokio::test]
async fn what_is_free_goes_first_and_what_costs_is_generated() {
    let harness = shop(&[]).await;
    update(&harness, BOTH).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "update FINISHED 2 -");
    assert_eq!(
        one(&harness, PARSER).await,
        "2 2 ok book.title,price,author"
    );
    let sent = "SELECT part || ' ' || base_version || ' ' || version || ' ' || credits \
        FROM updates ORDER BY id";
    let expected = ["free 0 1 0", "paid 1 2 30000"];
    assert_eq!(harness.sql(sent).await.unwrap(), expected);
    assert_eq!(harness.requests(Endpoint::Patch), 2);
    // The next change is based on it.
    update(&harness, MODIFY).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "update FINISHED 3 -");
    assert_eq!(harness.requests(Endpoint::Create), 1);
}

#[tokio::test]
async fn a_deleted_parser_frees_its_name() {
    let harness = shop(&[]).await;
    harness
        .sql("INSERT INTO jobs (action, name) VALUES ('delete', 'shop')")
        .await
        .unwrap();
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "delete FINISHED 0 -");
    assert_eq!(
        one(&harness, "SELECT deleted_at IS NOT NULL FROM parsers").await,
        "1"
    );
    assert_eq!(harness.parsers_by_name().len(), 0);
    // The ledger stays, and another parser of the name may be made.
    assert_eq!(one(&harness, "SELECT count(*) FROM creates").await, "1");
    add(&harness, vec![asking("shop")]).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, LAST).await, "create FINISHED 0 -");
    assert_eq!(harness.requests(Endpoint::Create), 2);
}
