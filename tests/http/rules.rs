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
        .filter(|word| word.starts_with("parserd_") || word.starts_with("process_"))
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

async fn one_finished_and_one_failed() -> Site {
    let harness = Harness::new(&["create status=400 nth=2"]).await;
    harness.enqueue(2).await;
    let site = Site::new(harness).await;
    site.await_metric("parserd_jobs{state=\"FINISHED\"}", 1.0)
        .await;
    site.await_metric("parserd_jobs{state=\"FAILED\"}", 1.0)
        .await;
    site
}

#[tokio::test]
async fn rules_and_dashboard_name_only_what_is_told() {
    let site = one_finished_and_one_failed().await;
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
        .filter(|name| name.starts_with("parserd_"))
        .collect();
    assert_eq!(explained, families, "docs/src/watching.md explains each");
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_i64()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
    let mut queries = vec![
        dashboard["templating"].to_string(),
        dashboard["annotations"].to_string(),
    ];
    for target in panels
        .iter()
        .filter(|panel| panel["type"] != "row")
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

/// A scrape as promtool's tests take series: each sample for two hours, a minute apart; some with
/// other values than were recorded.
fn recorded(metrics: &str, instead: &[(&str, &str)]) -> String {
    let mut series = String::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
        let named = instead.iter().find(|(other, _)| *other == sample);
        let values = named.map_or_else(
            || format!("{value}x120"),
            |(_, values)| (*values).to_owned(),
        );
        let comma = if labels == "}" { "" } else { "," };
        let sample = format!("{name}{{instance=\"a\",job=\"parserd\"{comma}{labels}");
        let sample = sample.replace('\'', "\'\'");
        series.push_str(&format!(
            "      - {{series: '{sample}', values: '{values}'}}\n"
        ));
    }
    series
}

/// The alerts that fire at the end of that time.
fn assert_fires(metrics: &str, instead: &[(&str, &str)], alerts: &[(&str, &str)]) {
    let samples: Vec<_> = alerts
        .iter()
        .map(|(alert, severity)| {
            format!("{{labels: '{{alertname=\"{alert}\",severity=\"{severity}\"}}', value: 1}}")
        })
        .collect();
    let test = format!(
        "rule_files: ['{}/config/prometheus-rules.yml']\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n{}    promql_expr_test:\n      - expr: 'count by (alertname, severity) (ALERTS{{alertstate=\"firing\"}})'\n        eval_time: 115m\n        exp_samples: [{}]\n",
        env!("CARGO_MANIFEST_DIR"),
        recorded(metrics, instead),
        samples.join(", ")
    );
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.yml");
    std::fs::write(&path, &test).unwrap();
    if let Some(said) = promtool(&["test", "rules", path.to_str().unwrap()], "") {
        assert!(said.contains("SUCCESS"), "{said}");
    }
}

const ROUND: &str = "parserd_last_round_timestamp_seconds";
const PROGRESS: &str = "parserd_last_progress_timestamp_seconds";
const READY: &str = "parserd_oldest_ready_job_age_seconds";
/// As time goes by, in seconds.
const NOW: &str = "0+60x120";

#[tokio::test]
async fn one_cause_has_one_alert_of_its_severity() {
    // Out of credits: one job is PARKED, one waits behind the gate.
    let harness = Harness::new(&["create status=402"]).await;
    harness.enqueue(2).await;
    let site = Site::new(harness).await;
    let gate = r#"parserd_gate_closed{scope="create",reason="credits"}"#;
    site.await_metric(gate, 1.0).await;
    let (_, metrics) = site.get("/metrics").await;
    site.closed().await;
    let going = (ROUND, NOW);
    let waiting = [going, (PROGRESS, "0x120"), (READY, NOW)];
    let key = r#"parserd_gate_closed{scope="create",reason="unauthorized"}"#;
    let with = |more: &[(&'static str, &'static str)]| [&waiting[..], more].concat();
    let open = (gate, "0x120");
    assert_fires(&metrics, &waiting, &[("ParserdOutOfCredits", "ticket")]);
    assert_fires(
        &metrics,
        &with(&[open, (key, "1x120")]),
        &[("ParserdKeyRefused", "page")],
    );
    assert_fires(&metrics, &with(&[open]), &[("ParserdNoProgress", "page")]);
    let stuck = [open, (ROUND, "0x120"), (PROGRESS, "0x120"), (READY, NOW)];
    assert_fires(&metrics, &stuck, &[("ParserdStuck", "page")]);
    // A job that needs a person, whose create is in doubt.
    let ambiguous = [
        open,
        going,
        (r#"parserd_jobs_parked{reason="ambiguous"}"#, "1x120"),
        ("parserd_creates_in_doubt", "1x120"),
    ];
    assert_fires(&metrics, &ambiguous, &[("ParserdNeedsAPerson", "ticket")]);
    let in_doubt = [open, going, ("parserd_creates_in_doubt", "1x120")];
    // It fires after two hours, and is pending before.
    assert_fires(&metrics, &in_doubt, &[]);
    assert_fires(&metrics, &[open, going], &[]);
}

#[tokio::test]
async fn failures_are_alerted_by_their_share_and_the_end_of_a_batch_is_said() {
    let site = one_finished_and_one_failed().await;
    site.await_metric("parserd_batch_jobs{state=\"open\"}", 0.0)
        .await;
    let (_, metrics) = site.get("/metrics").await;
    site.closed().await;
    let failed = r#"parserd_transitions_total{from="CREATING",to="FAILED"}"#;
    let finished = r#"parserd_transitions_total{from="GENERATING",to="FINISHED"}"#;
    assert!(
        metrics.contains(failed) && metrics.contains(finished),
        "{metrics}"
    );
    let open = r#"parserd_batch_jobs{state="open"}"#;
    let (going, done) = ((ROUND, NOW), ("ParserdBatchDone", "info"));
    let counted = |failed_by, finished_by| [going, (failed, failed_by), (finished, finished_by)];
    // One in ten of many, one in two of few, and one in two of many.
    assert_fires(&metrics, &counted("0+1x120", "0+9x120"), &[done]);
    let few = [
        going,
        (failed, "0x110 1x10"),
        (finished, "0x110 1x10"),
        (open, "1x120"),
    ];
    assert_fires(&metrics, &few, &[]);
    let many = [&counted("0+1x120", "0+1x120")[..], &[(open, "1x120")]].concat();
    assert_fires(&metrics, &many, &[("ParserdFailures", "ticket")]);
    assert_fires(&metrics, &counted("1x120", "1x120"), &[]);
}
