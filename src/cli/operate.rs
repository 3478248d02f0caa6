//! `parserd retry`, `parserd cancel`, `parserd resume`: an operator's word on jobs.

pub(super) mod edit;
mod gates;

use std::collections::{HashMap, HashSet};

use futures_util::TryStreamExt as _;

use super::{
    Exit, Usage, ask, budget,
    selector::{SelectorArgs, unknown},
};
use crate::clock::Clock;
use crate::config::Settings;
use crate::core::budget::Budget;
use crate::core::edit::Edit;
use crate::core::job::{Action, JobId, JobState, ParkReason};
use crate::core::lifecycle::Policy;
use crate::core::selector::Selector;
use crate::engine::{self, change::Planned, operate::OperatorAction};
use crate::present::price::{Price, is_parked_for};
use crate::store::report::JobRow;
use crate::store::{Role, Store, StoreError, Updates as _};
use crate::wiring;
use crate::{
    cli::output::print_message,
    present::format::{count, grouped, quoted},
};
use gates::GateSelection;

/// How many jobs one statement looks up.
const STEP_JOBS: usize = 1000;

/// So many jobs to be paid for are asked about on a terminal.
const ASKED_FROM: usize = 2;

/// What `resume` without arguments un-parks: what a closed gate or the budget held.
const HELD: &[ParkReason] = &[
    ParkReason::Credits,
    ParkReason::Unauthorized,
    ParkReason::Budget,
];

/// Which jobs.
#[derive(Debug, clap::Args)]
pub struct SelectArgs {
    /// Jobs by id or by name
    #[arg(value_name = "ID-or-NAME", conflicts_with_all = ["selection", "named", "all"])]
    jobs: Vec<String>,

    #[command(flatten)]
    selector: SelectorArgs,

    /// All jobs that are selected so
    #[arg(long)]
    all: bool,
}

/// Which jobs, and how sure.
#[derive(Debug, clap::Args)]
pub struct OperateArgs {
    #[command(flatten)]
    select: SelectArgs,

    /// Do not ask on a terminal
    #[arg(long)]
    yes: bool,

    /// Say what would be done and what it may cost, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn operate(
    settings: &Settings,
    action: OperatorAction,
    args: OperateArgs,
    edits: &[Edit],
) -> anyhow::Result<Exit> {
    let OperateArgs {
        select,
        yes,
        dry_run,
    } = args;
    let verb = Verb::of(action);
    let selector = select.selector.selector(Clock::system().now());
    check_usage(&verb, action, &select, &selector)?;
    // As a reader: where there is no database, there is none to make.
    let store = Store::open(settings.database_path(), Role::Reader).await?;
    let mut chosen = chosen(&store, action, &verb, &select, &selector).await?;
    let planned = edit::plan(&store, edits, &mut chosen).await?;
    let budget = budget(settings, &store, Clock::system().now()).await?;
    let is_choice = !select.jobs.is_empty() || selector.is_narrow();
    let gates = GateSelection::of(&store, action, is_choice, &chosen.rows).await?;
    let given_up = given_up(&store, action, &chosen.rows).await?;
    let policy = wiring::policy(settings);
    let price = edit::price(&chosen.rows, &planned, policy.ladder);
    let (lines, must_ask) = match action {
        OperatorAction::Cancel => (&given_up, !given_up.is_empty()),
        OperatorAction::Retry | OperatorAction::Resume => (
            &before_spending(price, &gates, &budget, &chosen.rows),
            chosen.rows.len() >= ASKED_FROM && price.creates() > 0,
        ),
    };
    lines.iter().for_each(|line| print_message(line));
    let jobs = count(chosen.rows.len(), "job");
    let cost = verb.price(price, &budget);
    if dry_run {
        let done = verb.done;
        print_message(&format!(
            "{jobs} would be {done}{cost}; dry run, nothing was changed"
        ));
        gates.print("would open", Clock::system().now());
    } else if must_ask && !yes && ask::is_possible() && !verb.agreed(&jobs, &cost).await? {
        print_message("nothing was changed");
        store.close().await;
        return Ok(Exit::Failed);
    } else {
        let changed = carry_out(&store, &policy, action, &chosen.rows, &planned).await?;
        let cost = |mine: &[&JobRow]| {
            let price = edit::price(mine.iter().copied(), &planned, policy.ladder);
            verb.price(price, &budget)
        };
        report(&verb, &chosen.rows, &changed, &planned, cost);
        gates.open(&store).await?;
    }
    store.close().await;
    Ok(if chosen.missed == 0 {
        Exit::Done
    } else {
        Exit::Failed
    })
}

struct Verb {
    name: &'static str,
    done: &'static str,
    question: &'static str,
    has_price: bool,
}

impl Verb {
    const fn of(action: OperatorAction) -> Self {
        let (name, done, question) = match action {
            OperatorAction::Retry => ("retry", "retried", "retry"),
            OperatorAction::Cancel => ("cancel", "cancelled", "cancel"),
            OperatorAction::Resume => ("resume", "un-parked", "un-park"),
        };
        Self {
            name,
            done,
            question,
            has_price: !matches!(action, OperatorAction::Cancel),
        }
    }

    async fn agreed(&self, jobs: &str, cost: &str) -> anyhow::Result<bool> {
        ask::agreed(&format!("{} {jobs}{cost}?", self.question)).await
    }

    /// `, for up to 2 x 30,000 = 60,000 credits`
    fn price(&self, price: Price, budget: &Budget) -> String {
        if self.has_price && price != Price::default() {
            format!(", {}", price.in_all(budget))
        } else {
            String::new()
        }
    }
}

fn check_usage(
    verb: &Verb,
    action: OperatorAction,
    args: &SelectArgs,
    selector: &Selector,
) -> Result<(), Usage> {
    let verb = verb.name;
    let possible = action.states();
    let is_plain = *selector == Selector::default() && !args.all;
    let example = possible.last().map_or("", |state| state.as_str());
    if args.jobs.is_empty()
        && selector.selects_all()
        && !(is_plain && action == OperatorAction::Resume)
    {
        return Err(Usage(format!(
            "{verb} what? Name jobs by id or name, or give --state {example} --all"
        )));
    }
    if !selector.selects_all() && !args.all {
        return Err(Usage(format!(
            "{verb} of many jobs at once needs --all: give it beside what selects them, such as \
             --state {example} --all"
        )));
    }
    match selector
        .states
        .iter()
        .find(|state| !possible.contains(state))
    {
        Some(state) => Err(Usage(format!(
            "{verb} is for jobs that are {}, not {state}",
            listed(possible)
        ))),
        None => Ok(()),
    }
}

fn listed(states: &[JobState]) -> String {
    let names: Vec<_> = states.iter().map(|state| state.as_str()).collect();
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    }
}

/// The jobs to change, and how many of those asked for are not among them.
#[derive(Default)]
struct Chosen {
    rows: Vec<JobRow>,
    missed: usize,
}

async fn chosen(
    store: &Store,
    action: OperatorAction,
    verb: &Verb,
    select: &SelectArgs,
    selector: &Selector,
) -> Result<Chosen, StoreError> {
    let mut chosen = if select.jobs.is_empty() {
        by_selector(store, action, selector).await?
    } else {
        by_key(store, action, verb, &select.jobs).await?
    };
    chosen.rows.dedup_by_key(|row| row.id);
    Ok(chosen)
}

/// Without a selector, `resume` takes what a gate or the budget held.
async fn by_selector(
    store: &Store,
    action: OperatorAction,
    selector: &Selector,
) -> Result<Chosen, StoreError> {
    let is_any = selector.selects_all();
    let mut asked = selector.clone();
    if asked.states.is_empty() {
        asked.states = action.states().to_vec();
    }
    let mut rows = store.selected(&asked);
    let mut chosen = Chosen::default();
    while let Some(row) = rows.try_next().await? {
        if !is_any || is_parked_for(&row, HELD) {
            chosen.rows.push(JobRow {
                // There may be very many, and nobody reads them all here.
                error_message: None,
                error_hint: None,
                preflight: None,
                ..row
            });
        }
    }
    Ok(chosen)
}

async fn by_key(
    store: &Store,
    action: OperatorAction,
    verb: &Verb,
    keys: &[String],
) -> Result<Chosen, StoreError> {
    let possible = action.states();
    let mut chosen = Chosen::default();
    for key in keys {
        let found = match store.find(key).await? {
            Some(id) => store.details(id).await?.map(|details| details.row),
            None => None,
        };
        match found {
            Some(row) if possible.iter().any(|state| row.state == state.as_str()) => {
                chosen.rows.push(row);
            }
            Some(row) => {
                chosen.missed += 1;
                print_message(&format!(
                    "error: job {} {} is {}: {} is for jobs that are {}; {}",
                    row.id,
                    quoted(&row.name),
                    row.state,
                    verb.name,
                    listed(possible),
                    instead(&row),
                ));
            }
            None => {
                chosen.missed += 1;
                print_message(&unknown(store, key).await?);
            }
        }
    }
    chosen.rows.sort_by_key(|row| row.id);
    Ok(chosen)
}

/// What an operator can do with a job that is in a state where it cannot be had.
fn instead(row: &JobRow) -> String {
    let id = row.id;
    match row.state.parse() {
        Ok(JobState::Queued) => format!("it goes on by itself, or `parserd cancel {id}`"),
        Ok(JobState::Creating) => {
            let what = if row.is_change() { "request" } else { "create" };
            format!("its {what} must be settled first, see `parserd show {id}`")
        }
        Ok(JobState::Generating) => "it is paid for and being polled, wait".to_owned(),
        Ok(JobState::Parked | JobState::Failed) => {
            format!("`parserd retry {id}` or `parserd cancel {id}` is possible")
        }
        Ok(JobState::Finished) if row.action == Action::Delete.as_str() => {
            "its parser is deleted; it stays so, and its file applied again creates another"
                .to_owned()
        }
        Ok(JobState::Finished) => "its parser is ready; it stays so".to_owned(),
        Ok(JobState::Cancelled) | Err(_) => "it stays so; enqueue it again".to_owned(),
    }
}

/// What `retry` and `resume` lead to, before anything is spent.
fn before_spending(
    price: Price,
    gates: &GateSelection,
    budget: &Budget,
    rows: &[JobRow],
) -> Vec<String> {
    let mut lines = price.lines(budget);
    lines.extend(gates.others_line(budget));
    if !rows.is_empty()
        && let Err(over) = budget.admits(Clock::system().now())
    {
        lines.push(format!(
            "note: the jobs will be parked again: {}",
            over.message
        ));
    }
    lines
}

/// What a cancellation gives up: requests of which it is not known what they made.
async fn given_up(
    store: &Store,
    action: OperatorAction,
    rows: &[JobRow],
) -> Result<Vec<String>, StoreError> {
    if action != OperatorAction::Cancel {
        return Ok(Vec::new());
    }
    let mut lines = Vec::new();
    for step in rows.chunks(STEP_JOBS) {
        let ids: Vec<_> = step.iter().map(|row| JobId(row.id)).collect();
        for create in store.pending_creates(&ids).await? {
            let id = create.job_id;
            lines.push(format!(
                "job {id}: a create is in doubt, sent as {}: if it made a parser, {} credits are \
                 paid for it, and cancelling the job gives it up; `parserd resolve {id}` looks \
                 for it, and enqueued again the same job looks for it before anything is paid",
                quoted(&create.remote_name),
                grouped(create.credits)
            ));
        }
    }
    let is_doubtful =
        |row: &&JobRow| row.is_change() && is_parked_for(row, &[ParkReason::Ambiguous]);
    for row in rows.iter().filter(is_doubtful) {
        let id = row.id;
        if store.pending_update(JobId(id)).await?.is_some() {
            lines.push(format!(
                "job {id}: its {} is in doubt: cancelled, it counts as spent and nobody looks for \
                 what it made; `parserd resolve {id}` settles it",
                row.action
            ));
        }
    }
    Ok(lines)
}

/// Changes the jobs; returns which were: others changed state in the meantime.
async fn carry_out(
    store: &Store,
    policy: &Policy,
    action: OperatorAction,
    rows: &[JobRow],
    planned: &HashMap<i64, Planned>,
) -> Result<HashSet<JobId>, StoreError> {
    let now = Clock::system().now();
    let changed = if planned.is_empty() {
        let ids: Vec<_> = rows.iter().map(|row| JobId(row.id)).collect();
        engine::operate::operate(store, policy, action, &ids, now).await?
    } else {
        let edits = rows.iter().filter_map(|row| planned.get(&row.id));
        let edits = edits.map(|plan| plan.edit.clone()).collect();
        engine::change::change(store, policy, edits, now).await?
    };
    Ok(changed.into_iter().collect())
}

fn report(
    verb: &Verb,
    rows: &[JobRow],
    changed: &HashSet<JobId>,
    planned: &HashMap<i64, Planned>,
    cost: impl Fn(&[&JobRow]) -> String,
) {
    let mine = rows.iter().filter(|row| changed.contains(&JobId(row.id)));
    let price = cost(&mine.collect::<Vec<_>>());
    let how = if planned.is_empty() {
        ""
    } else {
        "changed and "
    };
    print_message(&format!(
        "{} {how}{}{price}",
        count(changed.len(), "job"),
        verb.done
    ));
    if planned.values().any(|plan| !plan.edit.columns.is_empty()) && !changed.is_empty() {
        print_message(
            "write the change in the job file too, where there is one: `parserd apply`, and loading it \
             with enqueue.on_change = \"apply\", make the job read as the file does",
        );
    }
    if changed.len() < rows.len() {
        let moved = count(rows.len() - changed.len(), "job");
        print_message(&format!(
            "{moved} changed state in the meantime and stay as they are"
        ));
    }
}
