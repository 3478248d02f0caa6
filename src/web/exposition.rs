//! `/metrics`: what the database says, and behind it what this process counted.

use std::{fmt::Write as _, sync::atomic::Ordering};

use super::Vitals;
use super::snapshot::{BatchProgress, Snapshot, SpendingFigures};
use crate::{
    core::budget::Budget,
    core::gate::{Closure, GateReason, Scope},
    core::job::{ErrorKind, ParkReason, UnixMs},
    core::oddities::{AccountFacts, OddityKind},
    store::{StoreError, figures::EndedCounts, parsers::QualityCounts},
};

/// All of it in Prometheus' text format 0.0.4.
pub(super) async fn page(vitals: &Vitals) -> Result<String, StoreError> {
    let snapshot = vitals.looks.get().await?;
    let now = vitals.clock.now();
    let mut page = figures(&snapshot, now);
    limits(&mut page, &vitals.budget);
    batch(&mut page, &snapshot.batch);
    spending(&mut page, &*vitals.looks.spending().await?);
    one(
        &mut page,
        "parserd_last_round_timestamp_seconds",
        "When the daemon's loop last ran, Unix time.",
        seconds(vitals.heartbeat.load(Ordering::Relaxed)),
    );
    one(
        &mut page,
        "parserd_last_progress_timestamp_seconds",
        "When this process last stored a change of a job, Unix time; 0 if it has not yet.",
        seconds(vitals.metrics.progressed_at().unwrap_or(0)),
    );
    match vitals.metrics.text() {
        Ok(text) => page.push_str(&text),
        Err(error) => tracing::error!(%error, "the counters cannot be written"),
    }
    Ok(page)
}

/// The gauges that the database fills.
fn figures(snapshot: &Snapshot, now: UnixMs) -> String {
    let mut page = String::new();
    gauge(
        &mut page,
        "parserd_build_info",
        "1, with the version of the program.",
        [(
            concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}").to_owned(),
            1.0,
        )],
    );
    jobs(&mut page, snapshot, now);
    creates(&mut page, snapshot);
    parsers(&mut page, snapshot.parsers);
    account(&mut page, &snapshot.account);
    gates(&mut page, &snapshot.gates);
    let bytes = |size: Option<u64>| size.map(|bytes| (String::new(), bytes as f64));
    gauge(
        &mut page,
        "parserd_database_size_bytes",
        "Size of the database file.",
        bytes(snapshot.sizes.database),
    );
    gauge(
        &mut page,
        "parserd_database_wal_size_bytes",
        "Size of its write-ahead log.",
        bytes(snapshot.sizes.log),
    );
    page
}

fn jobs(page: &mut String, snapshot: &Snapshot, now: UnixMs) {
    let counts = &snapshot.counts;
    gauge(
        page,
        "parserd_jobs",
        "Jobs by state.",
        counts
            .states
            .iter()
            .map(|(state, count)| (format!("{{state=\"{state}\"}}"), *count as f64)),
    );
    gauge(
        page,
        "parserd_jobs_parked",
        "PARKED jobs by reason.",
        ParkReason::ALL.iter().map(|reason| {
            let count = counts.parked.get(reason).unwrap_or(&0);
            (format!("{{reason=\"{reason}\"}}"), *count as f64)
        }),
    );
    gauge(
        page,
        "parserd_failed_jobs",
        "FAILED jobs by error_kind.",
        ErrorKind::ALL.iter().map(|kind| {
            let count = snapshot.failed.get(kind.as_str()).unwrap_or(&0);
            (format!("{{error_kind=\"{kind}\"}}"), *count as f64)
        }),
    );
    one(
        page,
        "parserd_oldest_ready_job_age_seconds",
        "How long the QUEUED job that has waited longest could have been taken; 0 where none waits.",
        snapshot
            .oldest_ready_at
            .map_or(0.0, |at| seconds(now.saturating_sub(at).max(0))),
    );
}

/// What may be spent.
fn limits(page: &mut String, budget: &Budget) {
    let limits = [
        ("day", budget.max_credits_per_day),
        ("all", budget.max_credits),
    ];
    gauge(
        page,
        "parserd_budget_credits_limit",
        "Credits that may be spent, in a UTC day and in all; missing without a limit.",
        limits.into_iter().filter_map(|(period, limit)| {
            Some((format!("{{period=\"{period}\"}}"), limit? as f64))
        }),
    );
}

/// How far the current batch is.
fn batch(page: &mut String, batch: &BatchProgress) {
    let EndedCounts {
        finished,
        failed,
        cancelled,
    } = batch.ended;
    gauge(
        page,
        "parserd_batch_jobs",
        "Jobs of the current batch: those added since all were last at rest, and older ones that are not.",
        [
            ("finished", finished),
            ("failed", failed),
            ("cancelled", cancelled),
            ("parked", batch.parked),
            ("open", batch.open - batch.parked),
        ]
        .map(|(state, count)| (format!("{{state=\"{state}\"}}"), count as f64)),
    );
    gauge(
        page,
        "parserd_batch_left_seconds",
        "How long the rest of the batch takes at the pace of the last half hour; missing where that is not known.",
        batch.left_ms.map(|ms| (String::new(), seconds(ms))),
    );
}

fn creates(page: &mut String, snapshot: &Snapshot) {
    let creates = &snapshot.creates;
    gauge(
        page,
        "parserd_creates",
        "Create requests on record, by what is known of them.",
        [
            ("pending", creates.pending),
            ("made", creates.made),
            ("not_made", creates.not_made),
        ]
        .map(|(outcome, count)| (format!("{{outcome=\"{outcome}\"}}"), count as f64)),
    );
    one(
        page,
        "parserd_creates_in_doubt",
        "Creates whose outcome is not known.",
        snapshot.counts.in_doubt as f64,
    );
    one(
        page,
        "parserd_credits_spent",
        "Credits of every create not known to have made nothing, and of all else that is paid for.",
        snapshot.spent.in_all as f64,
    );
    one(
        page,
        "parserd_credits_spent_today",
        "Of these, those of the current UTC day.",
        snapshot.spent.today as f64,
    );
    one(
        page,
        "parserd_credits_spent_on_fetches",
        "Of all credits spent, those of fetches of example pages.",
        snapshot.spent_on_fetches as f64,
    );
    let foresight = &snapshot.foresight;
    gauge(
        page,
        "parserd_foreseen_jobs",
        "Jobs of which something was foreseen, by that and by what became of them.",
        [
            ("fails", "failed", foresight.foreseen_failed),
            ("fails", "finished", foresight.foreseen_worked),
            ("fails", "not_sent", foresight.not_sent),
            ("works", "failed", foresight.unforeseen_failed),
            ("works", "finished", foresight.unforeseen_worked),
        ]
        .map(|(foreseen, became, count)| {
            let labels = format!("{{foreseen=\"{foreseen}\",became=\"{became}\"}}");
            (labels, count as f64)
        }),
    );
}

/// What credits were spent on.
fn spending(page: &mut String, figures: &SpendingFigures) {
    gauge(
        page,
        "parserd_credits_spent_by_label",
        "Of all credits spent, those of jobs with a label: the 50 largest, the rest as other.",
        figures.by_label.iter().map(|((key, value), credits)| {
            let labels = format!(
                "{{label=\"{}\",value=\"{}\"}}",
                label_value(key),
                label_value(value)
            );
            (labels, *credits as f64)
        }),
    );
    gauge(
        page,
        "parserd_credits_spent_by_host",
        "Of all credits spent, those of jobs with pages of a host: the 50 largest, the rest as other.",
        figures.by_host.iter().map(|(host, credits)| {
            (
                format!("{{host=\"{}\"}}", label_value(host)),
                *credits as f64,
            )
        }),
    );
}

/// A text of others as the value of a label.
fn label_value(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    escaped.replace('\n', "\\n")
}

fn parsers(page: &mut String, counts: QualityCounts) {
    gauge(
        page,
        "parserd_parsers",
        "Parsers on record, by what they were judged to be worth; none where that is not known.",
        [
            ("ok", counts.ok),
            ("thin", counts.thin),
            ("bad", counts.bad),
            ("none", counts.not_judged),
        ]
        .map(|(quality, count)| (format!("{{quality=\"{quality}\"}}"), count as f64)),
    );
}

fn gates(page: &mut String, gates: &[(Scope, Closure)]) {
    gauge(
        page,
        "parserd_gate_closed",
        "1 where a gate of the account is closed, by which requests it holds and why.",
        Scope::ALL.iter().flat_map(|scope| {
            GateReason::ALL.iter().map(move |reason| {
                let closed = gates
                    .iter()
                    .any(|(found, closure)| found == scope && closure.reason == *reason);
                let labels = format!("{{scope=\"{scope}\",reason=\"{reason}\"}}");
                (labels, f64::from(u8::from(closed)))
            })
        }),
    );
}

/// What is odd about the account and its list.
fn account(page: &mut String, facts: &AccountFacts) {
    one(
        page,
        "parserd_unexplained_parsers",
        "Parsers of the account with a name or tag of this database's creates, and that \
         no job holds.",
        facts.unexplained.count as f64,
    );
    let findings = facts.findings();
    gauge(
        page,
        "parserd_account_finding",
        "1 for what is odd about the account and its list; parserd status says more.",
        OddityKind::ALL.iter().map(|kind| {
            let is_there = findings.iter().any(|finding| finding.kind == *kind);
            (
                format!("{{kind=\"{kind}\"}}"),
                f64::from(u8::from(is_there)),
            )
        }),
    );
    let shown_within = facts.lag.shown_within_ms;
    gauge(
        page,
        "parserd_list_lag_seconds",
        "Within what time the account's list showed the last new parsers; missing until it is \
         known.",
        shown_within.map(|ms| (String::new(), seconds(ms))),
    );
}

fn seconds(ms: UnixMs) -> f64 {
    ms as f64 / 1000.0
}

fn one(page: &mut String, name: &str, help: &str, value: f64) {
    gauge(page, name, help, [(String::new(), value)]);
}

fn gauge(
    page: &mut String,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (String, f64)>,
) {
    let _infallible = writeln!(page, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (labels, value) in samples {
        let _infallible = writeln!(page, "{name}{labels} {value}");
    }
}
