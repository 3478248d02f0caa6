//! The examples under `config/` ask for nothing that `/metrics` does not tell.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{exposition::promtool, site::Site};
use crate::common::Harness;

const RULES: &str = include_str!("../../config/prometheus-rules.yml");
const WATCHING: &str = include_str!("../../docs/src/watching.md");
const DASHBOARD: &str = include_str!("../../config/grafana-dashboard.json");

/// The names of parserd's that stand in a text.
fn named(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("parserd_"))
        .map(str::to_owned)
        .collect()
}

/// The names that can be asked for, with what histograms add.
fn output(metrics: &str) -> BTreeSet<String> {
    let types = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types
        .flat_map(|(name, kind)| match kind {
            "histogram" => ["_bucket", "_sum", "_count"]
                .map(|end| format!("{name}{end}"))
                .to_vec(),
            _ => vec![name.to_owned()],
        })
        .collect()
}

#[tokio::test]
async fn rules_and_dashboard_name_only_what_is_told() {
    let harness = Harness::new(&["create status=400 nth=2"]).await;
    harness.enqueue(2).await;
    let site = Site::new(harness).await;
    site.await_metric("parserd_jobs{state=\"FINISHED\"}", 1.0)
        .await;
    site.await_metric("parserd_jobs{state=\"FAILED\"}", 1.0)
        .await;
    let (_, metrics) = site.get("/metrics").await;
    let output = output(&metrics);
    site.closed().await;
    let explained: BTreeSet<_> = WATCHING
        .lines()
        .filter_map(|line| line.strip_prefix("| `parserd_")?.split_once('`'))
        .map(|(name, _)| format!("parserd_{name}"))
        .collect();
    let families: BTreeSet<_> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(explained, families, "docs/src/watching.md explains each");
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut queries = vec![dashboard["templating"].to_string()];
    for target in panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
    {
        let query = target["expr"].as_str().unwrap();
        assert!(!named(query).is_empty(), "{query} asks for nothing");
        queries.push(query.to_owned());
    }
    assert!(queries.len() > 12, "{queries:?}");
    for text in queries.iter().map(String::as_str).chain([RULES]) {
        let unknown: Vec<_> = named(text).difference(&output).cloned().collect();
        assert!(unknown.is_empty(), "{unknown:?} of {text} in {output:?}");
    }
    let shown: BTreeSet<_> = queries.iter().flat_map(|query| named(query)).collect();
    assert!(shown.len() > 12, "{shown:?}");
}

#[test]
fn promtool_takes_the_rules() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/prometheus-rules.yml");
    if let Some(said) = promtool(&["check", "rules", path], "") {
        assert!(said.contains("SUCCESS"), "{said}");
    }
}
