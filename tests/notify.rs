//! The webhook: against a receiver on loopback that answers as a test wants it to.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kills;
mod program;
mod receiver;

use std::os::unix::fs::PermissionsExt as _;

use parserd::{
    clock::Clock, config::Webhook, core::webhook::Pace, store::notices::WEBHOOK_CURSOR,
    webhook::Sender,
};
use serde_json::json;
use tokio::task::JoinHandle;

use self::receiver::{Act, Message, Receiver, status};
use crate::common::Harness;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A minute takes 30 ms, and an hour 60.
const PACE: Pace = Pace {
    interval_ms: 30,
    max_wait_ms: 60,
};

/// A harness whose notices go there.
async fn notifying(url: &str) -> Harness {
    let mut harness = Harness::new(&[]).await;
    let path = harness.directory.path().join("secret");
    std::fs::write(&path, format!("{SECRET}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    harness.set("notify.secret_file", path.to_str().unwrap());
    harness.set("notify.url", url);
    harness
}

fn webhook(harness: &Harness) -> Webhook {
    harness.settings().webhook().unwrap().unwrap().clone()
}

/// Starts a sender in this process, on a connection of its own.
async fn start(harness: &Harness) -> JoinHandle<()> {
    start_at(harness, PACE).await
}

async fn start_at(harness: &Harness, pace: Pace) -> JoinHandle<()> {
    let settings = harness.settings();
    let key = settings.require_key().unwrap();
    let store = harness.store().await;
    let webhook = webhook(harness);
    let sender = Sender::new(&webhook, key, store, Clock::system(), pace);
    tokio::spawn(
        sender
            .await
            .unwrap()
            .run(tokio::sync::watch::channel(false).1),
    )
}

/// Adds `count` events that are worth a notice, of a job that is gone, each with this message.
async fn fail(harness: &Harness, count: usize, message: &str) {
    let detail = json!({"error_kind": "bad_request", "message": message});
    let sql = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
         INSERT INTO job_events (job_id, event, detail) SELECT 999, 'failed', '{detail}' FROM n"
    );
    harness.sql(&sql).await.unwrap();
}

async fn number(harness: &Harness, sql: &str) -> i64 {
    harness.sql(sql).await.unwrap()[0].parse().unwrap()
}

async fn cursor(harness: &Harness) -> i64 {
    let sql = format!("SELECT event_id || '' FROM event_cursors WHERE name = '{WEBHOOK_CURSOR}'");
    number(harness, &sql).await
}

/// Verifies as a receiver does.
fn verify(message: &Message) {
    let reference = standardwebhooks::Webhook::new(SECRET).unwrap();
    reference
        .verify(message.body.as_bytes(), &message.headers)
        .unwrap();
}

/// An empty database with its schema.
async fn make(harness: &Harness) {
    harness.store().await.close().await;
}

#[tokio::test]
async fn a_receiver_that_was_down_gets_everything_in_order_and_repeats_bear_one_id() {
    let down = std::iter::repeat_n(status("503 Unavailable"), 5);
    let receiver = Receiver::playing(down).await;
    let harness = notifying(&receiver.url).await;
    make(&harness).await;
    let sender = start(&harness).await;
    fail(&harness, 3, "first").await;
    receiver.wait_for(1).await;
    // What happens while it is down comes later, and changes no message that was sent before.
    fail(&harness, 2, "second").await;
    let last = number(&harness, "SELECT max(id) || '' FROM job_events").await;
    let messages = receiver
        .wait_until(|messages| messages.iter().any(|it| it.ids().contains(&last)))
        .await;
    assert!(messages.len() >= 7, "{messages:?}");
    messages.iter().for_each(verify);
    let first = &messages[0];
    for repeat in &messages[1..6] {
        assert_eq!(repeat.header("webhook-id"), first.header("webhook-id"));
        assert_eq!(repeat.body, first.body);
    }
    assert_ne!(messages[6].header("webhook-id"), first.header("webhook-id"));
    let once: Vec<i64> = messages[5..].iter().flat_map(Message::ids).collect();
    assert_eq!(once, (last - 4..=last).collect::<Vec<_>>());
    harness
        .wait_until("what was accepted is kept", async || {
            cursor(&harness).await == last
        })
        .await;
    sender.abort();
}

#[tokio::test]
async fn a_message_has_500_events_at_most_and_none_is_left_out() {
    let receiver = Receiver::playing([]).await;
    let harness = notifying(&receiver.url).await;
    make(&harness).await;
    let sender = start(&harness).await;
    fail(&harness, 1_201, "many").await;
    let messages = receiver.wait_for(3).await;
    let counts: Vec<_> = messages.iter().map(|it| it.ids().len()).collect();
    assert_eq!(counts, [500, 500, 201]);
    let ids = receiver.ids();
    assert!(ids.windows(2).all(|two| two[0] + 1 == two[1]), "{ids:?}");
    sender.abort();
}

#[tokio::test]
async fn it_begins_at_the_end_of_the_history_and_goes_on_where_it_stopped() {
    let receiver = Receiver::playing([]).await;
    let harness = notifying(&receiver.url).await;
    make(&harness).await;
    fail(&harness, 4, "before there was a webhook").await;
    let sender = start(&harness).await;
    fail(&harness, 1, "first").await;
    receiver.wait_for(1).await;
    harness
        .wait_until("it is kept", async || cursor(&harness).await == 5)
        .await;
    sender.abort();
    let _stopped = sender.await;
    fail(&harness, 2, "while nobody sent").await;
    let sender = start(&harness).await;
    receiver.wait_for(2).await;
    assert_eq!(receiver.ids(), [5, 6, 7]);
    sender.abort();
}

#[tokio::test]
async fn a_restart_makes_no_minute_shorter() {
    let pace = Pace {
        interval_ms: 300,
        ..PACE
    };
    let receiver = Receiver::playing([]).await;
    let harness = notifying(&receiver.url).await;
    make(&harness).await;
    let mut posted_at = Vec::new();
    for restarts in 0..3 {
        let sender = start_at(&harness, pace).await;
        fail(&harness, 1, "one").await;
        receiver.wait_for(restarts + 1).await;
        sender.abort();
        let _stopped = sender.await;
        let sql = "SELECT value FROM meta WHERE key = 'webhook_last_post'";
        posted_at.push(number(&harness, sql).await);
    }
    // Two clocks in whole milliseconds.
    let is_so = |two: &[i64]| two[1] - two[0] >= pace.interval_ms - 5;
    assert!(posted_at.windows(2).all(is_so), "{posted_at:?}");
}

#[tokio::test]
async fn only_what_notify_on_names_is_told_and_the_rest_is_passed_over() {
    let receiver = Receiver::playing([]).await;
    let mut harness = notifying(&receiver.url).await;
    harness.set("notify.on", "parked, poor_result");
    make(&harness).await;
    let sender = start(&harness).await;
    fail(&harness, 700, "not asked for").await;
    let insert = "INSERT INTO job_events (job_id, event, detail) VALUES \
         (999, 'judged', '{\"quality\":\"ok\"}'), \
         (999, 'judged', '{\"quality\":\"bad\",\"reason\":\"nothing found\"}'), \
         (999, 'failed', '{\"error_kind\":\"poor_result\"}'), \
         (999, 'parked', '{\"park_reason\":\"budget\"}')";
    harness.sql(insert).await.unwrap();
    let messages = receiver
        .wait_until(|messages| messages.iter().flat_map(Message::ids).count() == 3)
        .await;
    let events: Vec<_> = messages.iter().flat_map(Message::events).collect();
    let told: Vec<_> = events.iter().map(|it| (&it["id"], &it["type"])).collect();
    assert_eq!(
        json!(told),
        json!([[702, "poor_result"], [703, "poor_result"], [704, "parked"]])
    );
    assert_eq!(events[0]["why"], "nothing found");
    sender.abort();
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Receiver::playing([]).await;
    let location = format!("location: {}\r\n", elsewhere.url);
    let redirects = ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"];
    let acts = redirects.map(|line| Act::Answer(line, location.clone()));
    let receiver = Receiver::playing(acts).await;
    let harness = notifying(&receiver.url).await;
    make(&harness).await;
    let sender = start(&harness).await;
    fail(&harness, 1, "one").await;
    let messages = receiver.wait_for(5).await;
    assert!(messages.iter().all(|it| it.ids() == [1]), "{messages:?}");
    assert!(elsewhere.messages().is_empty());
    sender.abort();
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_left_alone_until_a_restart() {
    let receiver = Receiver::playing([status("410 Gone")]).await;
    let harness = notifying(&receiver.url).await;
    make(&harness).await;
    let sender = start(&harness).await;
    fail(&harness, 1, "one").await;
    // It ends by itself.
    sender.await.unwrap();
    assert_eq!(receiver.messages().len(), 1);
    assert_eq!(cursor(&harness).await, 0);
    let sender = start(&harness).await;
    receiver.wait_for(2).await;
    assert_eq!(receiver.ids(), [1, 1]);
    sender.abort();
}

#[tokio::test]
async fn neither_the_key_nor_the_secret_is_told_though_the_database_holds_them() {
    let receiver = Receiver::playing([]).await;
    let harness = notifying(&receiver.url).await;
    make(&harness).await;
    let sender = start(&harness).await;
    let secret = SECRET.strip_prefix("whsec_").unwrap();
    fail(&harness, 1, &format!("demo-key demo%2Dkey {secret}")).await;
    let messages = receiver.wait_for(1).await;
    verify(&messages[0]);
    let body = &messages[0].body;
    assert!(body.contains("[key] [key] [key]"), "{body}");
    assert!(
        !body.contains("demo-key") && !body.contains(secret),
        "{body}"
    );
    sender.abort();
}
