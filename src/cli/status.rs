//! `parserd status`: where everything stands, and what happens next.

mod around;
mod text;
mod watch;

use std::{path::Path, time::Duration};

use serde::Serialize;

use around::Around;
use watch::Watched;

use super::{Exit, fold, shutdown};
use crate::cli::output::Out;
use crate::clock::Clock;
use crate::config::{Settings, millis};
use crate::core::blind::NoListSince;
use crate::core::budget::{Budget, Spent};
use crate::core::gate::{Closure, GateReason, Scope};
use crate::core::job::{Action, Job, JobState, ParkReason, UnixMs};
use crate::core::oddities::{Lag, Oddity, Unexplained};
use crate::core::spending::{SpendingBy, SpendingRow};
use crate::present::remedies::{Parked, parked, to_come};
use crate::store::foresight::Foresight;
use crate::store::parsers::QualityCounts;
use crate::store::{
    Facts as _, Gates as _, JobStore, Ledger as _, NO_LIST, Queue as _,
    report::{Counts, DoubtRow},
};
use crate::store::{GivenUp, Lane, Role, Store, StoreError, has_daemon};
use crate::wiring;

/// How often `--watch` looks.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// How many creates in doubt are named.
const DOUBTS_SHOWN: i64 = 20;
/// Goes to a terminal's top and clears what is below; what was scrolled away stays.
const CLEAR: &str = "\u{1b}[H\u{1b}[J";

/// Says how many jobs are where, what is parked and why, what it costs, what is next.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Look again every second until Ctrl-C; in a pipe, a block per change
    #[arg(long)]
    watch: bool,

    /// Show too what credits were spent on: label:KEY (such as label:team), host or day
    #[arg(long, value_name = "WHAT")]
    by: Option<SpendingBy>,

    /// Print JSON, with --watch an object a line; times are Unix milliseconds
    #[arg(long)]
    json: bool,
}

/// Everything that the command reports.
#[derive(Debug, Clone, Serialize)]
struct StatusReport {
    now: UnixMs,
    database: String,
    /// Null where it is not known.
    daemon_running: Option<bool>,
    #[serde(flatten)]
    known: StatusFacts,
    next: Next,
    #[serde(flatten)]
    around: Around,
    #[serde(skip)]
    counts: Counts,
}

/// What makes a new block of `--watch` in a pipe worth its lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct StatusFacts {
    states: std::collections::BTreeMap<JobState, i64>,
    parked: Vec<Parked>,
    parsers: QualityCounts,
    /// Updates and deletes that are not done yet.
    changes: std::collections::BTreeMap<Action, i64>,
    in_doubt: i64,
    doubts: Vec<DoubtRow>,
    gates: Vec<ClosedGate>,
    /// The service answers, and its list cannot be used: no create is sent without one.
    no_list: Option<NoListSince>,
    account: AccountReport,
    credits: Credits,
    /// What was foreseen of jobs, and what became of them.
    foresight: Foresight,
    /// Creates in doubt of CANCELLED jobs.
    given_up: GivenUp,
    /// What credits were spent on, where that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    spending: Option<Spending>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Spending {
    by: String,
    rows: Vec<SpendingRow>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ClosedGate {
    gate: Scope,
    reason: GateReason,
    since: UnixMs,
    next_probe_at: UnixMs,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Credits {
    spent_today: i64,
    /// Of that, dated later, by a clock that was ahead: it counts on each day up to then,
    /// until the service's clock agrees with this machine's.
    dated_ahead: i64,
    /// Of that, dated later, found today, and counted today alone.
    redated: i64,
    spent: i64,
    /// Of that, for updates.
    spent_on_updates: i64,
    /// Of that, for fetches of example pages.
    spent_on_fetches: i64,
    per_create: i64,
    max_per_day: Option<i64>,
    max: Option<i64>,
    /// Whether one more create keeps within the budget.
    has_room: bool,
    /// What the QUEUED and PARKED jobs may still cost.
    to_come: i64,
}

/// What is odd about the account and its list, as of the daemon's last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct AccountReport {
    findings: Vec<Oddity>,
    unexplained: Unexplained,
    list_lag: Lag,
}

/// When something is due: at the latest now, if it only waits for a free worker or an
/// open gate.
#[derive(Debug, Clone, Copy, Serialize)]
struct Next {
    create: Option<UnixMs>,
    /// The next UTC day, where that brings room for the jobs that are PARKED for want of budget.
    budget: Option<UnixMs>,
    look_for_creates_in_doubt: Option<UnixMs>,
    poll: Option<UnixMs>,
}

pub(super) async fn status(
    settings: &Settings,
    config: Option<&Path>,
    args: StatusArgs,
) -> anyhow::Result<Exit> {
    let store = Store::open(settings.database_path(), Role::Reader).await?;
    let mut out = Out::default();
    if args.watch {
        watch(settings, config, &store, &mut out, &args).await?;
    } else {
        let status = look(settings, config, &store, args.by.as_ref()).await?;
        if args.json {
            out.json(&status)?;
        } else {
            out.text(&status.block())?;
        }
    }
    out.flush()?;
    store.close().await;
    Ok(Exit::Done)
}

async fn watch(
    settings: &Settings,
    config: Option<&Path>,
    store: &Store,
    out: &mut Out,
    args: &StatusArgs,
) -> anyhow::Result<()> {
    let json = args.json;
    let mut ended = std::pin::pin!(shutdown());
    let redraws = out.is_terminal() && !json;
    let mut shown: Option<StatusFacts> = None;
    let mut watched: Option<Watched> = None;
    loop {
        let status = look(settings, config, store, args.by.as_ref()).await?;
        if redraws {
            let mut pace = match watched.take() {
                Some(watched) => watched,
                None => {
                    let lately = store.lately_ended(status.now).await?;
                    Watched::of_history(lately, &status.counts, status.now)
                }
            };
            let bar = pace.bar(&status.counts, status.now);
            watched = Some(pace);
            let frame = watch::fitted(&status.frame(bar), fold::height());
            out.text(&format!("{CLEAR}{frame}"))?;
        } else if shown.as_ref() != Some(&status.known) {
            if json {
                out.json_compact(&status)?;
                out.line("")?;
            } else {
                let gap = if shown.is_some() { "\n" } else { "" };
                out.text(&format!("{gap}{}", status.block()))?;
            }
        }
        shown = Some(status.known);
        out.flush()?;
        tokio::select! {
            () = &mut ended => return Ok(()),
            () = tokio::time::sleep(WATCH_INTERVAL) => {}
        }
    }
}

async fn look(
    settings: &Settings,
    config: Option<&Path>,
    store: &Store,
    by: Option<&SpendingBy>,
) -> Result<StatusReport, StoreError> {
    let now = Clock::system().now();
    let spent = store.spent(now).await?;
    let daemon = around::daemon(store).await?;
    let budget = wiring::budget(settings).having(spent, now);
    // What holds is what the daemon goes by.
    let budget = match &daemon {
        Some(daemon) => daemon.limiting(budget),
        None => budget,
    };
    let counts = store.counts().await?;
    let gates = store.gates().await?;
    let settle_ms = millis(settings.reconcile.settle_after_error);
    let facts = store.account_facts(settle_ms, now).await?;
    let is_parked = counts.parked.contains_key(&ParkReason::Budget);
    let config = config.map(|path| path.display().to_string());
    let holding = (&counts, &gates[..], &budget);
    let around = Around::look(store, config, daemon, holding, now).await?;
    let room_at = budget.admits(now).err().and_then(|over| over.until);
    Ok(StatusReport {
        now,
        database: store.path().display().to_string(),
        daemon_running: has_daemon(store.path()),
        next: Next {
            budget: room_at.filter(|_| is_parked),
            ..next(store, now).await?
        },
        known: StatusFacts {
            parked: parked(&counts, &gates, &budget, now),
            parsers: store.count_parsers().await?,
            in_doubt: counts.in_doubt,
            doubts: store.doubts(DOUBTS_SHOWN).await?,
            gates: gates.iter().map(closed_gate).collect(),
            no_list: store.fact(NO_LIST).await?.flatten(),
            account: AccountReport {
                findings: facts.findings(),
                unexplained: facts.unexplained,
                list_lag: facts.lag,
            },
            credits: credits(store, &counts, &budget, spent, now).await?,
            states: counts.states.clone(),
            changes: counts.changes.clone(),
            foresight: store.foresight().await?,
            given_up: store.given_up().await?,
            spending: spending(store, by).await?,
        },
        around,
        counts,
    })
}

async fn spending(store: &Store, by: Option<&SpendingBy>) -> Result<Option<Spending>, StoreError> {
    let Some(by) = by else {
        return Ok(None);
    };
    Ok(Some(Spending {
        by: by.to_string(),
        rows: store.spending(by).await?,
    }))
}

async fn credits(
    store: &Store,
    counts: &Counts,
    budget: &Budget,
    spent: Spent,
    now: UnixMs,
) -> Result<Credits, StoreError> {
    Ok(Credits {
        spent_today: budget.spent_today,
        dated_ahead: spent.later,
        redated: spent.redated,
        spent: budget.spent,
        spent_on_updates: store.spent_on_updates().await?,
        spent_on_fetches: store.spent_on_fetches().await?,
        per_create: budget.credits_per_create,
        max_per_day: budget.max_credits_per_day,
        max: budget.max_credits,
        has_room: budget.admits(now).is_ok(),
        to_come: to_come(counts, budget),
    })
}

const fn closed_gate((gate, closure): &(Scope, Closure)) -> ClosedGate {
    ClosedGate {
        gate: *gate,
        reason: closure.reason,
        since: closure.since,
        next_probe_at: closure.next_probe_at,
    }
}

async fn next(store: &Store, now: UnixMs) -> Result<Next, StoreError> {
    let creates = store.due_creates(now, 1).await?;
    let doubts = store.due_doubts(now, 1).await?;
    let polls = store.due_polls(now, 1).await?;
    let or_later = async |due: Option<UnixMs>, lane| match due {
        Some(due) => Ok(Some(due)),
        None => store.next_due(lane, now).await,
    };
    let due = |jobs: &[Job]| jobs.first().map(|job| job.progress.due_at);
    let create = creates.first().map(|queued| queued.job.progress.due_at);
    Ok(Next {
        create: or_later(create, Lane::Create).await?,
        budget: None,
        look_for_creates_in_doubt: or_later(due(&doubts), Lane::Reconcile).await?,
        poll: or_later(due(&polls), Lane::Poll).await?,
    })
}
