//! `parserd retry`, `parserd cancel`, `parserd resume`: an operator's word on jobs.

use futures_util::TryStreamExt as _;

use super::output::{cost, count, lasting, quoted, say};
use super::{Exit, Usage, budget, jobs::state, show::unknown};
use crate::clock::Clock;
use crate::config::Settings;
use crate::gate::Scope;
use crate::job::{ErrorKind, JobId, JobState, ParkReason};
use crate::store::report::JobRow;
use crate::store::{OperatorAction, Role, Selection, Store, StoreError};

/// How many jobs one transaction changes, to bound how long it holds the write lock.
const STEP_JOBS: usize = 1000;

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
    #[arg(value_name = "ID-or-NAME", conflicts_with_all = ["states", "all"])]
    jobs: Vec<String>,

    /// Jobs in this state, with --all; may be repeated
    #[arg(long = "state", value_name = "STATE", value_parser = state, requires = "all")]
    states: Vec<JobState>,

    /// All jobs of the states that --state names
    #[arg(long, requires = "states")]
    all: bool,
}

pub(super) async fn operate(
    settings: &Settings,
    action: OperatorAction,
    args: SelectArgs,
) -> anyhow::Result<Exit> {
    let words = Words::of(action);
    check_usage(&words, action, &args)?;
    // As a reader: where there is no database, there is none to make.
    let store = Store::open(settings.database_path(), Role::Reader).await?;
    let mut chosen = if args.jobs.is_empty() {
        by_state(&store, action, &args.states).await?
    } else {
        by_key(&store, action, &words, &args.jobs).await?
    };
    chosen.rows.dedup_by_key(|row| row.id);
    let changed = change(&store, action, &chosen.rows).await?;
    say(&format!("{} {}", count(changed, "job"), words.done));
    if changed < chosen.rows.len() {
        let moved = count(chosen.rows.len() - changed, "job");
        say(&format!(
            "{moved} moved on meanwhile and stayed as they are"
        ));
    }
    if action == OperatorAction::Retry {
        tell_cost(settings, &store, &chosen.rows).await?;
    }
    if action == OperatorAction::Resume {
        open_gates(&store, &args, &chosen.rows).await?;
        tell_budget(settings, &store, &chosen.rows).await?;
    }
    store.close().await;
    Ok(if chosen.missed == 0 {
        Exit::Done
    } else {
        Exit::Failed
    })
}

struct Words {
    verb: &'static str,
    done: &'static str,
}

impl Words {
    const fn of(action: OperatorAction) -> Self {
        let (verb, done) = match action {
            OperatorAction::Retry => ("retry", "taken up again"),
            OperatorAction::Cancel => ("cancel", "called off"),
            OperatorAction::Resume => ("resume", "un-parked"),
        };
        Self { verb, done }
    }
}

fn check_usage(words: &Words, action: OperatorAction, args: &SelectArgs) -> Result<(), Usage> {
    let verb = words.verb;
    let (possible, _) = action.states();
    if args.jobs.is_empty() && args.states.is_empty() && action != OperatorAction::Resume {
        let example = possible.last().map_or("", |state| state.as_str());
        return Err(Usage(format!(
            "{verb} what? Name jobs by id or name, or say --state {example} --all"
        )));
    }
    match args.states.iter().find(|state| !possible.contains(state)) {
        Some(state) => Err(Usage(format!(
            "{verb} is for jobs that are {}, not {state}",
            listed(possible)
        ))),
        None => Ok(()),
    }
}

fn listed(states: &[JobState]) -> String {
    let names: Vec<_> = states.iter().map(|state| state.as_str()).collect();
    names.join(" or ")
}

/// The jobs to change, and how many of those asked for are not among them.
#[derive(Default)]
struct Chosen {
    rows: Vec<JobRow>,
    missed: usize,
}

/// Without states, `resume` takes what a gate or the budget held.
async fn by_state(
    store: &Store,
    action: OperatorAction,
    states: &[JobState],
) -> Result<Chosen, StoreError> {
    let (possible, _) = action.states();
    let asked = if states.is_empty() { possible } else { states };
    let mut rows = store.rows(asked);
    let mut chosen = Chosen::default();
    while let Some(row) = rows.try_next().await? {
        if !states.is_empty() || is_parked_for(&row, HELD) {
            chosen.rows.push(JobRow {
                // There may be very many, and nobody reads their words here.
                error_message: None,
                error_hint: None,
                ..row
            });
        }
    }
    Ok(chosen)
}

async fn by_key(
    store: &Store,
    action: OperatorAction,
    words: &Words,
    keys: &[String],
) -> Result<Chosen, StoreError> {
    let (possible, _) = action.states();
    let mut chosen = Chosen::default();
    for key in keys {
        let found = match store.find(key).await? {
            Some(id) => store.story(id).await?.map(|story| story.row),
            None => None,
        };
        match found {
            Some(row) if possible.iter().any(|state| row.state == state.as_str()) => {
                chosen.rows.push(row);
            }
            Some(row) => {
                chosen.missed += 1;
                say(&format!(
                    "error: job {} {} is {}: {} is for jobs that are {}; {}",
                    row.id,
                    quoted(&row.name),
                    row.state,
                    words.verb,
                    listed(possible),
                    instead(&row),
                ));
            }
            None => {
                chosen.missed += 1;
                say(&unknown(key));
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
            format!("its create must be settled first, see `parserd show {id}`")
        }
        Ok(JobState::Generating) => "it is paid for and being polled, wait".to_owned(),
        Ok(JobState::Parked | JobState::Failed) => {
            format!("`parserd retry {id}` or `parserd cancel {id}` is possible")
        }
        Ok(JobState::Finished) => "its parser is ready; it stays so".to_owned(),
        Ok(JobState::Cancelled) | Err(_) => "it stays so; enqueue it again".to_owned(),
    }
}

fn is_parked_for(row: &JobRow, reasons: &[ParkReason]) -> bool {
    let named = |reason: &ParkReason| row.park_reason.as_deref() == Some(reason.as_str());
    row.state == JobState::Parked.as_str() && reasons.iter().any(named)
}

async fn change(
    store: &Store,
    action: OperatorAction,
    rows: &[JobRow],
) -> Result<usize, StoreError> {
    let mut changed = 0;
    for step in rows.chunks(STEP_JOBS) {
        let ids = step.iter().map(|row| JobId(row.id)).collect();
        changed += store.operate(action, Selection::Ids(ids)).await?;
    }
    Ok(usize::try_from(changed).unwrap_or(usize::MAX))
}

/// Whether a retry sends a new create; else the parser is polled, or a create in
/// doubt is settled, before anything is sent.
pub(crate) fn is_created_anew(row: &JobRow) -> bool {
    let may_still_finish = [ErrorKind::GenerationTimeout, ErrorKind::UnexpectedResponse];
    let kind = row.error_kind.as_deref();
    let polled = row.parser_id.is_some()
        && may_still_finish
            .iter()
            .any(|still| kind == Some(still.as_str()));
    !polled && !is_parked_for(row, &[ParkReason::Ambiguous])
}

async fn tell_cost(settings: &Settings, store: &Store, rows: &[JobRow]) -> Result<(), StoreError> {
    let anew = rows.iter().filter(|row| is_created_anew(row)).count();
    let budget = budget(settings, store, Clock::system().now()).await?;
    if anew > 0 {
        let jobs = count(anew, "job");
        say(&format!(
            "{jobs} will be created anew: {}",
            cost(anew, &budget)
        ));
    }
    if anew < rows.len() {
        let jobs = count(rows.len() - anew, "job");
        say(&format!(
            "{jobs} may have a parser: that is looked for first, and paid nothing for"
        ));
    }
    Ok(())
}

/// `resume` opens the gates, after the jobs: a daemon that saw them open would un-park
/// the jobs itself, and their number could not be told.
async fn open_gates(store: &Store, args: &SelectArgs, rows: &[JobRow]) -> Result<(), StoreError> {
    let gated = [ParkReason::Credits, ParkReason::Unauthorized];
    let asked = args.jobs.is_empty() || rows.iter().any(|row| is_parked_for(row, &gated));
    if !asked {
        return Ok(());
    }
    let now = Clock::system().now();
    for (scope, closure) in store.gates().await? {
        store.set_gate(scope, None).await?;
        let before = match scope {
            Scope::Create => "creates",
            Scope::Read => "polls and lists",
        };
        say(&format!(
            "opened the gate that held {before}: {}, closed {}",
            closure.reason,
            lasting(closure.since, now)
        ));
    }
    Ok(())
}

async fn tell_budget(
    settings: &Settings,
    store: &Store,
    rows: &[JobRow],
) -> Result<(), StoreError> {
    let now = Clock::system().now();
    if !rows.is_empty()
        && let Err(over) = budget(settings, store, now).await?.admits(now)
    {
        say(&format!(
            "note: the jobs will be parked again: {}",
            over.message
        ));
    }
    Ok(())
}
