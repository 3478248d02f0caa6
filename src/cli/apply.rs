//! `parserd apply`: makes what is there as job files say.

use std::path::PathBuf;

use super::exit::Usage;
use super::plan::{self, PlanLine, PlanReport};
use super::{Exit, ask};
use crate::cli::output::{print_error, print_message};
use crate::config::Settings;
use crate::core::diff::{IS_FAILED, Verb};
use crate::core::spec::shown;
use crate::core::text::escaped;
use crate::engine::enqueue;
use crate::engine::plan::Verdict;
use crate::manifest::{Format, STDIN};
use crate::present::format::{count, grouped};
use crate::store::{Applying as _, Extent, Made, Role, Store, has_daemon};

/// How many jobs a message names.
const NAMED: usize = 5;

/// Makes what is there as job files say: adds new jobs, edits those that wait, and changes the
/// fields of parsers. Shows the plan and asks first.
///
/// What is gone from the files is left as it is, save with `--prune`.
#[derive(Debug, clap::Args)]
pub struct ApplyArgs {
    /// Job files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How the files are written, where neither extension nor content shows it:
    /// toml, json, jsonl or csv
    #[arg(long)]
    format: Option<Format>,

    /// Leave what costs credits for another time
    #[arg(long)]
    free_only: bool,

    /// Do nothing where it would cost more credits than this
    #[arg(long, value_name = "N")]
    max_credits: Option<i64>,

    /// Delete parsers that no file names, and those that were replaced: as many as `parserd plan
    /// --prune` tells, or nothing is done
    #[arg(long, requires = "delete")]
    prune: bool,

    /// How many parsers are deleted
    #[arg(long, value_name = "N", requires = "prune")]
    delete: Option<usize>,

    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) async fn apply(settings: &Settings, args: ApplyArgs) -> anyhow::Result<Exit> {
    if args.files.iter().any(|file| file.as_os_str() == STDIN) && !args.yes {
        return Err(Usage("standard input cannot be asked about: add --yes".to_owned()).into());
    }
    if !args.yes && !ask::is_possible() {
        return Err(Usage(
            "nobody can be asked here: look at `parserd plan FILE`, then add --yes".to_owned(),
        )
        .into());
    }
    let (report, seen) = plan::look(settings, &args.files, args.format, args.prune, &[]).await?;
    plan::print(&report, false)?;
    if let Some(exit) = refused(&report, &args) {
        return Ok(exit);
    }
    let extent = if args.free_only {
        Extent::Free
    } else {
        Extent::All
    };
    let can_be_done = |free_only| report.jobs.iter().any(|job| job.can_be_done(free_only));
    if !can_be_done(args.free_only) {
        print_message(&if can_be_done(false) {
            "nothing was done: nothing of it is free".to_owned()
        } else {
            nothing_to_do(&report)
        });
        return Ok(Exit::Done);
    }
    if !args.yes && !ask::agreed(&question(&report, args.free_only)).await? {
        print_message("nothing was changed");
        return Ok(Exit::Failed);
    }
    let store = Store::open(settings.database_path(), Role::Tool).await?;
    let batches = enqueue::batches(&seen.files);
    let made = store
        .make_so(batches, Some(seen.digest), extent, args.prune)
        .await?;
    let is_idle = has_daemon(store.path()) == Some(false);
    store.close().await;
    if made.is_stale {
        print_error("error: something changed since the plan: nothing was done; run it again");
        return Ok(Exit::Failed);
    }
    let next = if is_idle && has_work(&made) {
        "; no parserd runs: `parserd run` carries it out"
    } else {
        ""
    };
    print_message(&format!("{}{next}", words(&made)));
    Ok(Exit::Done)
}

/// Why nothing of it is done, as an exit code, once that is said.
fn refused(report: &PlanReport, args: &ApplyArgs) -> Option<Exit> {
    if !report.bad.is_empty() {
        print_error("error: nothing was done: correct the files first");
        return Some(Exit::BadFile);
    }
    let refused = named(report, |job| job.verdict == Verdict::Refused);
    if !refused.is_empty() {
        print_error(&format!(
            "error: nothing was done: {refused} cannot be as written, and the plan says why"
        ));
        return Some(Exit::BadFile);
    }
    let to_delete = report.unnamed.as_ref().and_then(|unnamed| unnamed.delete);
    if let (Some(told), Some(n)) = (to_delete, args.delete)
        && told != n
    {
        print_error(&format!(
            "error: nothing was done: {} would be deleted, not the {n} of --delete: look at what is \
             marked - above",
            count(told, "parser")
        ));
        return Some(Exit::Failed);
    }
    let cost = cost(report, args.free_only);
    match args.max_credits {
        Some(most) if cost > most => {
            print_error(&format!(
                "error: nothing was done: it could cost {} credits, more than the {} of \
                 --max-credits",
                grouped(cost),
                grouped(most)
            ));
            Some(Exit::Failed)
        }
        _ => None,
    }
}

/// The first few of these jobs, with the lines that they stand on.
fn named(report: &PlanReport, which: impl Fn(&PlanLine) -> bool) -> String {
    let jobs = report.jobs.iter().filter(|job| which(job));
    let name = |job: &PlanLine| match (&job.file, job.line) {
        (Some(file), Some(line)) => format!("{} ({}:{line})", shown(&job.name), escaped(file)),
        _ => shown(&job.name),
    };
    let names: Vec<_> = jobs.take(NAMED).map(name).collect();
    names.join(", ")
}

/// What there is to say where nothing can be done.
fn nothing_to_do(report: &PlanReport) -> String {
    let failed = named(report, |job| job.notes.iter().any(|note| note == IS_FAILED));
    if failed.is_empty() {
        "nothing to do".to_owned()
    } else {
        format!(
            "nothing to do, and FAILED: {failed}: `parserd show NAME` says why, `parserd retry NAME` \
             tries it again"
        )
    }
}

/// What it costs at most.
const fn cost(report: &PlanReport, free_only: bool) -> i64 {
    if free_only {
        0
    } else {
        report.credits.cost_at_most
    }
}

fn question(report: &PlanReport, free_only: bool) -> String {
    let to_delete = report.unnamed.as_ref().and_then(|unnamed| unnamed.delete);
    let deletes = match to_delete {
        None | Some(0) => String::new(),
        Some(n) => format!(", and delete {} for ever", count(n, "parser")),
    };
    format!(
        "make it so, for up to {} credits{deletes}?",
        grouped(cost(report, free_only))
    )
}

/// Whether a daemon has to do with it.
fn has_work(made: &Made) -> bool {
    made.deleted > 0
        || made
            .done
            .keys()
            .any(|verb| !matches!(verb, Verb::Same | Verb::Cancel))
}

/// What was done.
fn words(made: &Made) -> String {
    let number = |jobs: usize| grouped(i64::try_from(jobs).unwrap_or(i64::MAX));
    let of = |verb| made.done.get(&verb).copied().unwrap_or(0);
    let updates = of(Verb::UpdateFree) + of(Verb::UpdatePaid) + of(Verb::UpdateBoth);
    let mut parts = Vec::new();
    for (jobs, what) in [
        (of(Verb::Create), "added"),
        (of(Verb::EditWaiting), "edited"),
        (updates, "to be updated"),
        (of(Verb::Replace), "to be replaced"),
        (of(Verb::Cancel), "cancelled"),
        (made.deleted, "to be deleted"),
        (made.settings, "with other settings"),
        (made.same, "as they are"),
        (made.left.len(), "left for another time"),
    ] {
        if jobs > 0 {
            parts.push(format!("{} {what}", number(jobs)));
        }
    }
    parts.join(", ")
}
