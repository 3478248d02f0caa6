//! A parser's whole life: changed and deleted by jobs, in spite of lost answers, closed gates and
//! other tools.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adopted;
mod again;
mod commands;
mod doubt;
mod elsewhere;
mod flow;
mod labels;
mod manifest;
mod prune;
mod replace;
mod resolve;
mod shown;

use parserd::{core::spec::JobSpec, simulator::WorldConfig};
use serde_json::json;

use crate::common::{Harness, SCALE, spec};

/// A parser of two fields.
pub fn asking(name: &str) -> JobSpec {
    let fields = json!([
        {"name": "title", "description": "the title"},
        {"name": "price", "description": "the price", "type": "number"},
    ]);
    JobSpec {
        name: name.to_owned(),
        fields: Some(fields),
        ..spec(0)
    }
}

pub async fn add(harness: &Harness, specs: Vec<JobSpec>) {
    let store = harness.store().await;
    store.submit(specs, false).await.unwrap();
    store.close().await;
}

pub async fn one(harness: &Harness, sql: &str) -> String {
    let rows = harness.sql(sql).await.unwrap();
    assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
    rows.into_iter().next().unwrap()
}

/// An update of the parser `shop`.
pub async fn update(harness: &Harness, change: &str) {
    let insert =
        format!("INSERT INTO jobs (action, name, change) VALUES ('update', 'shop', '{change}')");
    harness.sql(&insert).await.unwrap();
}

pub const RENAME: &str = r#"{"rename_fields":[{"name":"title","new_name":"book.title"}]}"#;
pub const MODIFY: &str =
    r#"{"modify_fields":[{"name":"price","description":"the price in dollars","type":"number"}]}"#;
pub const BOTH: &str = r#"{"rename_fields":[{"name":"title","new_name":"book.title"}],"add_fields":[{"name":"author","description":"who wrote it"}]}"#;

/// A service with the parser `shop` and a database that made it, and what goes wrong from here on.
pub async fn shop(faults: &[&str]) -> Harness {
    shop_in(WorldConfig::default(), faults).await
}

pub async fn shop_in(world: WorldConfig, faults: &[&str]) -> Harness {
    let world = WorldConfig {
        generation_scale: SCALE,
        ..world
    };
    let harness = Harness::with(world, &[]).await;
    add(&harness, vec![asking("shop")]).await;
    harness.run_until_done().await;
    assert_eq!(one(&harness, "SELECT state FROM jobs").await, "FINISHED");
    for fault in faults {
        harness.server.with(|simulator| {
            simulator.faults.add(fault.parse().unwrap());
        });
    }
    harness
}

/// Another tool changes the parser `id`.
pub fn change_as_other(harness: &Harness, id: &str, change: &serde_json::Value) {
    harness.server.with(|simulator| {
        let world = &mut simulator.world;
        world.patch_as_other(now_ms(), id, change).unwrap();
    });
}

pub fn now_ms() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
