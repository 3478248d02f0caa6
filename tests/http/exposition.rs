//! `/metrics` by a strict reading of Prometheus' text format, and by promtool where it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    process::{Command, Stdio},
};

use parserd::{core::spec::JobSpec, simulator::Inserted};

use super::site::Site;
use crate::common::{Harness, spec};

/// A site on which something of each kind has happened.
async fn busy() -> Site {
    let harness =
        Harness::new(&["create status=400 nth=2", "create status=503 before nth=3"]).await;
    harness.enqueue(4).await;
    let site = Site::new(harness).await;
    site.await_metric("parserd_jobs{state=\"FINISHED\"}", 3.0)
        .await;
    site
}

#[tokio::test]
async fn what_is_odd_about_the_account_is_counted() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(1).await;
    harness.run_until_done().await;
    let twin = Inserted {
        name: spec(0).remote_name(0, true),
        ..Inserted::default()
    };
    let now_ms = harness.server.now_ms();
    harness
        .server
        .with(|simulator| simulator.world.insert_parser(now_ms, twin));
    harness.enqueue(2).await;
    let site = Site::new(harness).await;
    site.await_metric("parserd_unexplained_parsers", 1.0).await;
    let kind = |kind| format!("parserd_account_finding{{kind=\"{kind}\"}}");
    let found = site.metrics().await;
    assert_eq!(found[&kind("unexplained_parsers")], 1.0);
    assert_eq!(found[&kind("elsewhere")], 0.0);
    let (_, page) = site.get("/").await;
    assert!(page.contains("1 parser has a name or tag"), "{page}");
    site.closed().await;
}

#[tokio::test]
async fn what_happened_is_counted() {
    let site = busy().await;
    let found = site.metrics().await;
    for (name, value) in [
        ("parserd_jobs{state=\"FAILED\"}", 1.0),
        ("parserd_jobs{state=\"QUEUED\"}", 0.0),
        ("parserd_jobs_parked{reason=\"credits\"}", 0.0),
        ("parserd_creates{outcome=\"made\"}", 3.0),
        ("parserd_creates{outcome=\"pending\"}", 0.0),
        ("parserd_creates_in_doubt", 0.0),
        ("parserd_credits_spent", 90_000.0),
        ("parserd_credits_spent_today", 90_000.0),
        (
            "parserd_gate_closed{scope=\"create\",reason=\"credits\"}",
            0.0,
        ),
        ("parserd_oldest_ready_job_age_seconds", 0.0),
        (
            "parserd_requests_total{endpoint=\"create\",outcome=\"created\"}",
            3.0,
        ),
        (
            "parserd_requests_total{endpoint=\"create\",outcome=\"rejected\"}",
            1.0,
        ),
        (
            "parserd_requests_total{endpoint=\"create\",outcome=\"in_doubt\"}",
            1.0,
        ),
        (
            "parserd_request_duration_seconds_count{endpoint=\"create\"}",
            5.0,
        ),
        (
            "parserd_transitions_total{from=\"GENERATING\",to=\"FINISHED\"}",
            3.0,
        ),
        (
            "parserd_transitions_total{from=\"CREATING\",to=\"FAILED\"}",
            1.0,
        ),
        (
            "parserd_generation_duration_seconds_count{state=\"FINISHED\"}",
            3.0,
        ),
    ] {
        assert_eq!(found.get(name), Some(&value), "{name} of {found:#?}");
    }
    for name in [
        "parserd_database_size_bytes",
        "parserd_database_wal_size_bytes",
        "parserd_last_round_timestamp_seconds",
        "parserd_last_progress_timestamp_seconds",
        "parserd_requests_total{endpoint=\"list\",outcome=\"listed\"}",
        "parserd_requests_total{endpoint=\"details\",outcome=\"finished\"}",
    ] {
        assert!(found[name] > 0.0, "{name}");
    }
    site.closed().await;
}

#[tokio::test]
async fn what_was_spent_is_told_by_label_and_by_host_and_bounded() {
    let harness = Harness::new(&[]).await;
    let labelled = |n: usize| JobSpec {
        labels: Some([("team".to_owned(), format!("t\"\\{n}"))].into()),
        ..spec(n)
    };
    let store = harness.store().await;
    store
        .submit((0..52).map(labelled).collect(), false)
        .await
        .unwrap();
    store.close().await;
    let site = Site::new(harness).await;
    site.await_metric("parserd_jobs{state=\"FINISHED\"}", 52.0)
        .await;
    site.await_metric("parserd_credits_spent_by_host{host=\"other\"}", 60_000.0)
        .await;
    let found = site.metrics().await;
    for (start, one) in [
        (
            "parserd_credits_spent_by_label{",
            "parserd_credits_spent_by_label{label=\"team\",value=\"t\\\"\\\\0\"}",
        ),
        (
            "parserd_credits_spent_by_host{",
            "parserd_credits_spent_by_host{host=\"site-0.example\"}",
        ),
    ] {
        let series: Vec<_> = found
            .iter()
            .filter(|(name, _)| name.starts_with(start))
            .collect();
        assert_eq!(series.len(), 51, "{series:?}");
        assert_eq!(
            series.iter().map(|(_, credits)| **credits).sum::<f64>(),
            52.0 * 30_000.0
        );
        assert_eq!(found.get(one), Some(&30_000.0), "{one} of {series:?}");
    }
    site.closed().await;
}

#[tokio::test]
async fn a_closed_gate_and_a_waiting_job_are_told() {
    let harness = Harness::new(&["create status=401"]).await;
    harness.enqueue(3).await;
    let mut harness = harness;
    harness.set("park.probe_interval", "1h");
    harness.set("park.max_probe_interval", "1h");
    harness.set("workers.max_requests", "1");
    let site = Site::new(harness).await;
    site.await_metric("parserd_jobs_parked{reason=\"unauthorized\"}", 1.0)
        .await;
    site.await_metric(
        "parserd_gate_closed{scope=\"create\",reason=\"unauthorized\"}",
        1.0,
    )
    .await;
    site.harness
        .wait_until("the queued ones grow old", async || {
            site.metrics().await["parserd_oldest_ready_job_age_seconds"] > 0.5
        })
        .await;
    site.closed().await;
}

#[tokio::test]
async fn a_look_needs_no_write() {
    let site = busy().await;
    site.harness
        .sql(
            "CREATE TRIGGER full BEFORE INSERT ON meta WHEN NEW.key = 'batch_marks' \
             BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
        )
        .await
        .unwrap();
    // A batch of its own, whose beginning is to be noted.
    site.harness
        .sql("INSERT INTO jobs (name, urls, run_at) VALUES ('later', '[\"https://a.example/\"]', 4000000000000)")
        .await
        .unwrap();
    site.await_metric("parserd_jobs{state=\"QUEUED\"}", 1.0)
        .await;
    let (status, page) = site.get("/").await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("1 more waits for a later time"), "{page}");
    site.closed().await;
}

#[tokio::test]
async fn the_text_is_what_the_format_asks_for() {
    let site = busy().await;
    let (_, text) = site.get("/metrics").await;
    check(&text).unwrap();
    site.closed().await;
}

#[tokio::test]
async fn promtool_has_nothing_to_say_of_it() {
    let site = busy().await;
    let (_, text) = site.get("/metrics").await;
    site.closed().await;
    if let Some(said) = promtool(&["check", "metrics"], &text) {
        assert_eq!(said, "", "{text}");
    }
}

/// What promtool says of `input`; none where it is not there, which is said.
pub fn promtool(args: &[&str], input: &str) -> Option<String> {
    let started = Command::new("promtool")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        eprintln!("not run: promtool is not there");
        return None;
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(output.status.success(), "{said}");
    Some(said)
}

#[test]
fn the_check_would_notice() {
    let family = "# HELP a_total x\n# TYPE a_total counter\n";
    let histogram = "# HELP h x\n# TYPE h histogram\n";
    check(&format!("{family}a_total{{b=\"c\"}} 1\n")).unwrap();
    check(&format!(
        "{histogram}h_bucket{{le=\"1\"}} 1\nh_bucket{{le=\"+Inf\"}} 2\nh_sum 3\nh_count 2\n"
    ))
    .unwrap();
    for bad in [
        "a_total 1\n".to_owned(),
        format!("{family}a_total 1\n{family}"),
        format!("{family}a_total 1\na_total 1\n"),
        format!("{family}a_total x\n"),
        format!("{family}a_total{{b=c}} 1\n"),
        format!("{family}b_total 1\n"),
        format!("{family}a_total 1"),
        format!("{family}\na_total -1\n"),
        "# HELP a x\n# TYPE a counter\na 1\n".to_owned(),
        "# TYPE a_total counter\na_total 1\n".to_owned(),
        "# HELP a_count x\n# TYPE a_count gauge\na_count 1\n".to_owned(),
        format!(
            "{histogram}h_bucket{{le=\"1\"}} 3\nh_bucket{{le=\"+Inf\"}} 2\nh_sum 3\nh_count 2\n"
        ),
        format!("{histogram}h_bucket{{le=\"1\"}} 1\nh_sum 3\nh_count 2\n"),
        format!("{histogram}h_bucket{{le=\"+Inf\"}} 1\nh_sum 3\nh_count 2\n"),
    ] {
        assert!(check(&bad).is_err(), "{bad}");
    }
}

/// A strict reading: each family has one HELP and one TYPE before its samples, which
/// stand together and are there once; names fit their kind; buckets add up.
fn check(text: &str) -> Result<(), String> {
    if !text.ends_with('\n') {
        return Err("the last line does not end".to_owned());
    }
    let mut done = BTreeSet::new();
    let mut family: Option<(String, Option<String>)> = None;
    let mut seen = BTreeSet::new();
    let mut buckets: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut totals = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("HELP without words")?;
            if help.is_empty() || !done.insert(name.to_owned()) {
                return Err(format!("{name}: HELP twice, or without words"));
            }
            family = Some((name.to_owned(), None));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("TYPE without a kind")?;
            match &mut family {
                Some((found, of @ None)) if found == name => *of = Some(kind.to_owned()),
                _ => return Err(format!("{name}: TYPE without HELP, or twice")),
            }
            let is_total = name.ends_with("_total");
            let odd_end = ["_count", "_sum", "_bucket"]
                .iter()
                .any(|end| name.ends_with(end));
            if is_total != (kind == "counter") || odd_end {
                return Err(format!("{name}: no name for a {kind}"));
            }
        } else {
            let Some((name, Some(kind))) = &family else {
                return Err(format!("a sample without a family: {line}"));
            };
            let (series, value) = line.rsplit_once(' ').ok_or("no value")?;
            let value: f64 = value.parse().map_err(|_| format!("no number: {line}"))?;
            let (found, labels) = labels(series)?;
            let end = found
                .strip_prefix(name.as_str())
                .ok_or(format!("stray: {line}"))?;
            let fits = match kind.as_str() {
                "histogram" => ["_bucket", "_sum", "_count"].contains(&end),
                _ => end.is_empty(),
            };
            if !fits || !seen.insert(series.to_owned()) || (kind != "gauge" && value < 0.0) {
                return Err(format!("twice, negative or of no family: {line}"));
            }
            let others: String = labels
                .iter()
                .filter(|(label, _)| label != "le")
                .map(|(label, value)| format!("{label}={value},"))
                .collect();
            let key = format!("{name}{{{others}}}");
            match end {
                "_bucket" => {
                    let le = labels.iter().find(|(label, _)| label == "le");
                    let is_last = le.ok_or("a bucket without le")?.1 == "+Inf";
                    buckets.entry(key.clone()).or_default().push(value);
                    if is_last {
                        totals.insert(key, value);
                    }
                }
                "_count" if kind == "histogram" && totals.get(&key) != Some(&value) => {
                    return Err(format!("{key}: the last bucket is not the count"));
                }
                _ => {}
            }
        }
    }
    match buckets.iter().find(|(_, of)| !of.is_sorted()) {
        Some((key, _)) => Err(format!("{key}: buckets that shrink")),
        None => Ok(()),
    }
}

type Labels = Vec<(String, String)>;

fn labels(series: &str) -> Result<(&str, Labels), String> {
    let Some((name, rest)) = series.split_once('{') else {
        return Ok((series, Vec::new()));
    };
    let inner = rest.strip_suffix('}').ok_or("labels without an end")?;
    let pairs = inner.split(',').map(|pair| {
        let (label, value) = pair.split_once('=')?;
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        Some((label.to_owned(), value.to_owned()))
    });
    let pairs: Option<Labels> = pairs.collect();
    Ok((name, pairs.ok_or(format!("bad labels: {series}"))?))
}
