//! `parserd plan`: what jobs would create, adopt and cost, before anything is paid.

mod files;
mod line;
mod text;
mod unnamed;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use serde::Serialize;

use super::enqueue::UnloadableJob;
use super::{Exit, budget, oddities};
use crate::api::Service as _;
use crate::api::client::Client;
use crate::cli::output::Out;
use crate::clock::Clock;
use crate::config::Settings;
use crate::core::budget::Budget;
use crate::core::diff::{Names, PlanDigest};
use crate::core::gate::{Closure, GateReason, Scope};
use crate::core::job::{JobId, JobState, UnixMs};
use crate::core::listing::Listing;
use crate::core::oddities::{ListReport, Oddity};
use crate::core::outcome::{AccountOutcome, ListOutcome, Refusal};
use crate::core::selector::{LabelSelector, Selector};
use crate::engine::enqueue::Rehearsal;
use crate::engine::plan::{Fit, Planner, Verdict, fit};
use crate::manifest::{Format, JobFile};
use crate::store::{Gates as _, Role, Store};
use crate::wiring;
pub(super) use line::PlanLine;
pub(super) use unnamed::Unnamed;

/// How many single parsers are asked for, at most, beside the list.
const MAX_ASKS: u32 = 1_000;

/// Says what the QUEUED and PARKED jobs would do and cost, or what the jobs of files would
/// make of what is there; changes nothing.
///
/// + creates or adopts, ~ changes, -/+ replaces, - deletes, = leaves as it is, ! needs a look.
#[derive(Debug, clap::Args)]
pub struct PlanArgs {
    /// Job files; - is standard input; none for the jobs of the database
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How the files are written, where neither extension nor content shows it:
    /// toml, json, jsonl or csv
    #[arg(long, requires = "files")]
    format: Option<Format>,

    /// Show too what `apply --prune` would delete: parsers that no file names, or that were replaced
    #[arg(long, requires = "files")]
    prune: bool,

    /// Only jobs with this label; repeated, with all of them. Others that are queued count as ahead
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<LabelSelector>,

    /// End with code 5 where there is something to do
    #[arg(long)]
    exit_code: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Everything that the command reports.
#[derive(Debug, Serialize)]
pub(super) struct PlanReport {
    pub(super) jobs: Vec<PlanLine>,
    pub(super) bad: Vec<BadLine>,
    /// How many jobs have each verdict; each is there, if with 0.
    totals: BTreeMap<Verdict, usize>,
    pub(super) credits: PlanCredits,
    creates: Fits,
    /// What no file names; null where the plan is not for files.
    pub(super) unnamed: Option<Unnamed>,
    /// What holds every create for now.
    gates: Vec<BlockingGate>,
    service: PlanFacts,
    /// What is odd about the account and its list.
    findings: Vec<Oddity>,
    #[serde(skip)]
    now: UnixMs,
}

/// A closed gate; a create needs both open.
#[derive(Debug, Serialize)]
struct BlockingGate {
    gate: Scope,
    reason: GateReason,
    next_probe_at: UnixMs,
}

impl From<(Scope, Closure)> for BlockingGate {
    fn from((gate, closure): (Scope, Closure)) -> Self {
        Self {
            gate,
            reason: closure.reason,
            next_probe_at: closure.next_probe_at,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct BadLine {
    file: String,
    #[serde(flatten)]
    bad: UnloadableJob,
}

/// All in credits of the service.
#[derive(Debug, Default, Serialize)]
pub(super) struct PlanCredits {
    per_create: i64,
    cost: i64,
    /// What the ladder may spend on them besides, where it is enabled.
    ladder: i64,
    /// With that, and with the jobs of which it is not known.
    pub(super) cost_at_most: i64,
    /// Null where no limit is set.
    budget_left_today: Option<i64>,
    budget_left: Option<i64>,
    /// Null where the account page says nothing.
    account_left: Option<i64>,
}

/// How the creates fit into budget and credits.
#[derive(Debug, Default, Serialize)]
struct Fits {
    /// Of jobs that are queued already, where the plan is for files.
    ahead: i64,
    fit_now: i64,
    parked_for_budget: i64,
    parked_for_credits: i64,
}

/// What was asked of the service.
#[derive(Debug, Default, Serialize)]
struct PlanFacts {
    /// How many parsers the account holds; null where there is no list.
    parsers: Option<usize>,
    /// Why there is no list.
    no_list: Option<String>,
    /// Why nothing could be asked at all, such as for want of a key.
    #[serde(skip)]
    not_asked: Option<String>,
    /// Why it is not known what credits are left, where that was asked.
    no_account: Option<String>,
    /// What the list says of itself.
    #[serde(skip)]
    list: Option<ListReport>,
}

pub(super) async fn plan(settings: &Settings, args: PlanArgs) -> anyhow::Result<Exit> {
    let (report, _) = look(settings, &args.files, args.format, args.prune, &args.labels).await?;
    print(&report, args.json)?;
    let is_something = report.jobs.iter().any(PlanLine::is_something);
    Ok(if !report.bad.is_empty() {
        Exit::BadFile
    } else if args.exit_code && is_something {
        Exit::SomethingToDo
    } else {
        Exit::Done
    })
}

/// The jobs of files as they were looked at.
pub(super) struct Seen {
    pub files: Vec<JobFile>,
    pub digest: [u8; 32],
}

/// Looks at the queue, or at files.
pub(super) async fn look(
    settings: &Settings,
    files: &[PathBuf],
    format: Option<Format>,
    prune: bool,
    labels: &[LabelSelector],
) -> anyhow::Result<(PlanReport, Seen)> {
    let path = settings.database_path();
    let store = if files.is_empty() || path.exists() {
        Some(Store::open(path, Role::Reader).await?)
    } else {
        None
    };
    let (service, listing, left, answered) = ask(settings).await;
    let now = Clock::system().now();
    let mut planning = Planning {
        planner: planner(settings, store.as_ref(), service.as_ref(), listing, now),
        rehearsal: Rehearsal::default(),
        jobs: Vec::new(),
        bad: Vec::new(),
        files: Vec::new(),
        digest: PlanDigest::default(),
        names: Names::default(),
        labels: labels.to_vec(),
    };
    let others = planning.queue().await?;
    // Jobs of files come after those that are queued, which are not what is asked about.
    let queued = match files {
        [] => others,
        _ => {
            let mut queued = std::mem::take(&mut planning.jobs);
            queued.extend(others);
            queued
        }
    };
    for file in files {
        planning.file(file, format).await?;
    }
    let unnamed = planning.unnamed(files, prune).await?;
    let ahead = ahead(&queued, &planning.jobs);
    let list = answered.list.clone();
    let list = list.map(|report| (&planning.planner.listing, report));
    let facts = oddities::facts(settings, store.as_ref(), list, now).await?;
    let seen = Seen {
        files: planning.files,
        digest: planning.digest.finish(),
    };
    let (jobs, bad) = (planning.jobs, planning.bad);
    let (budget, gates) = match &store {
        Some(store) => (budget(settings, store, now).await?, store.gates().await?),
        None => (wiring::budget(settings), Vec::new()),
    };
    if let Some(store) = store {
        store.close().await;
    }
    let mut report = PlanReport::new(jobs, bad, answered, now);
    report.unnamed = unnamed;
    report.count(ahead, &budget, left, rungs(settings));
    report.findings = facts.findings();
    report.gates = gates.into_iter().map(BlockingGate::from).collect();
    Ok((report, seen))
}

fn planner<'a>(
    settings: &Settings,
    store: Option<&'a Store>,
    service: Option<&'a Client>,
    listing: Listing,
    now: UnixMs,
) -> Planner<'a, Client, Store> {
    Planner {
        store,
        service,
        listing,
        policy: wiring::policy(settings),
        name_tag: settings.create.name_tag,
        now,
        taken: HashSet::new(),
        asks_left: MAX_ASKS,
        missing: Some(0),
    }
}

/// How many more creates the ladder may send for a job.
fn rungs(settings: &Settings) -> i64 {
    let ladder = settings.ladder.as_ref();
    ladder.map_or(0, |ladder| i64::from(ladder.max_creates_per_job) - 1)
}

/// How many queued jobs are sure to cost what a create does, save those that the files edit.
fn ahead(queued: &[PlanLine], of_files: &[PlanLine]) -> usize {
    let edited = of_files.iter().filter(|job| job.verdict == Verdict::Edit);
    let edited: HashSet<JobId> = edited.filter_map(|job| job.id).collect();
    let stay = queued
        .iter()
        .filter(|job| job.id.is_none_or(|id| !edited.contains(&id)));
    stay.map(|job| usize::from(job.creates)).sum()
}

pub(super) fn print(report: &PlanReport, as_json: bool) -> anyhow::Result<()> {
    let mut out = Out::of_verdict();
    if as_json {
        out.json(report)?;
    } else {
        out.text(&report.block())?;
    }
    out.flush()
}

/// Asks the service for the list and for the credits left: what there is of them, and a
/// word on what there is not.
async fn ask(settings: &Settings) -> (Option<Client>, Listing, Option<i64>, PlanFacts) {
    let asked_at = Clock::system().now();
    let without = |why: String| {
        let answered = PlanFacts {
            no_list: Some(why),
            ..PlanFacts::default()
        };
        (None, Listing::new(Vec::new(), asked_at), None, answered)
    };
    let client = match wiring::hasty_client(settings) {
        Ok(client) => client,
        Err(error) => {
            let (service, listing, left, mut answered) =
                without(format!("it was not asked: {error}"));
            answered.not_asked = Some(error);
            return (service, listing, left, answered);
        }
    };
    let (list, account) = tokio::join!(client.list(), client.account());
    let (left, no_account) = match account {
        None => (None, None),
        Some(AccountOutcome::Left { credits }) => (Some(credits), None),
        Some(AccountOutcome::Refused(_, words) | AccountOutcome::Unknown(words)) => {
            (None, Some(words.to_string()))
        }
    };
    let why = match list {
        ListOutcome::Listed(parsers, flaws) => {
            let answered = PlanFacts {
                parsers: Some(parsers.len()),
                list: Some(ListReport::of(parsers.len(), &flaws)),
                no_account,
                ..PlanFacts::default()
            };
            return (
                Some(client),
                Listing::new(parsers, asked_at),
                left,
                answered,
            );
        }
        ListOutcome::Refused(Refusal::Unauthorized, words) => {
            format!("the service does not accept the key: {words}")
        }
        ListOutcome::Refused(_, words) | ListOutcome::Trouble(words) => words.to_string(),
    };
    let (service, listing, _, answered) = without(why);
    let answered = PlanFacts {
        no_account,
        ..answered
    };
    (service, listing, left, answered)
}

/// Jobs looked at, one by one.
struct Planning<'a> {
    planner: Planner<'a, Client, Store>,
    rehearsal: Rehearsal,
    jobs: Vec<PlanLine>,
    bad: Vec<BadLine>,
    files: Vec<JobFile>,
    digest: PlanDigest,
    names: Names,
    /// Only jobs with these labels are shown.
    labels: Vec<LabelSelector>,
}

impl Planning<'_> {
    /// Looks at the jobs of the database; returns those without the labels that are asked for.
    async fn queue(&mut self) -> anyhow::Result<Vec<PlanLine>> {
        let mut others = Vec::new();
        let Some(store) = self.planner.store else {
            return Ok(others);
        };
        let labelled = match &self.labels[..] {
            [] => None,
            labels => {
                let selector = Selector {
                    labels: labels.to_vec(),
                    ..Selector::of_states(&[JobState::Queued, JobState::Parked])
                };
                let ids = store.selected_ids(&selector).await?;
                Some(ids.into_iter().collect::<HashSet<_>>())
            }
        };
        for queued in store.to_be_created().await? {
            let (id, name) = (queued.job.id, queued.job.name.clone());
            let state = queued.job.progress.state.to_string();
            let prospect = self.planner.of_row(queued).await?;
            let mut line = PlanLine::of(name, prospect);
            (line.id, line.state) = (Some(id), Some(state));
            match &labelled {
                Some(labelled) if !labelled.contains(&id) => others.push(line),
                _ => self.jobs.push(line),
            }
        }
        Ok(others)
    }
}

/// How many of these jobs are sure to cost what a create does.
fn creates(jobs: &[PlanLine]) -> usize {
    jobs.iter().map(|job| usize::from(job.creates)).sum()
}

impl PlanReport {
    fn new(jobs: Vec<PlanLine>, bad: Vec<BadLine>, service: PlanFacts, now: UnixMs) -> Self {
        let mut totals: BTreeMap<_, _> = Verdict::ALL.iter().map(|one| (*one, 0)).collect();
        for job in &jobs {
            *totals.entry(job.verdict).or_default() += 1;
        }
        Self {
            credits: PlanCredits::default(),
            creates: Fits::default(),
            unnamed: None,
            gates: Vec::new(),
            findings: Vec::new(),
            jobs,
            bad,
            totals,
            service,
            now,
        }
    }

    /// What the creates cost, and how they fit in after those `ahead` of them.
    /// Each may have `rungs` more by the ladder.
    fn count(&mut self, ahead: usize, budget: &Budget, left: Option<i64>, rungs: i64) {
        let creates = creates(&self.jobs);
        let at_most = creates + self.totals[&Verdict::Unknown];
        let each = budget.credits_per_create;
        for job in &mut self.jobs {
            job.credits = each.saturating_mul(i64::from(job.creates));
        }
        let cost = |creates| i64::try_from(creates).map_or(i64::MAX, |n| each.saturating_mul(n));
        let rest =
            |limit: Option<i64>, spent: i64| limit.map(|limit| limit.saturating_sub(spent).max(0));
        let Fit {
            now: fit_now,
            budget: parked_for_budget,
            credits: parked_for_credits,
        } = fit(ahead, creates, budget.clone(), left, self.now);
        self.credits = PlanCredits {
            per_create: each,
            cost: cost(creates),
            ladder: cost(at_most).saturating_mul(rungs),
            cost_at_most: cost(at_most).saturating_add(cost(at_most).saturating_mul(rungs)),
            budget_left_today: rest(budget.max_credits_per_day, budget.spent_today),
            budget_left: rest(budget.max_credits, budget.spent),
            account_left: left,
        };
        self.creates = Fits {
            ahead: i64::try_from(ahead).unwrap_or(i64::MAX),
            fit_now,
            parked_for_budget,
            parked_for_credits,
        };
    }
}
