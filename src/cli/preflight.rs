//! `parserd preflight`: what would fail, and why, before anything is created.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use serde::Serialize;

use crate::{
    api::client::Client,
    cli::{
        Exit,
        enqueue::{print_errors, print_notes},
        fold,
        output::{Columns, Out, print_error, print_message},
        selector::unknown,
        show::looked_up,
    },
    clock::Clock,
    config::Settings,
    core::{
        effort::Effort,
        job::JobId,
        outcome::{ErrorDetail, Refusal},
        preflight::{Foreseen, Mode, Record, Verdict},
        spec::JobSpec,
        text::escaped,
    },
    engine::{
        enqueue::{self, EnqueueError},
        foresight::{Asker, Foresight, Looked, Preflight},
    },
    manifest::{Format, Kinds, STDIN, Tally, source_name},
    present::format::{count, grouped},
    store::{Role, Store},
    wiring,
};

/// The pause before a page is fetched again of which nothing was learned.
const PAUSE: Duration = Duration::from_secs(1);

/// Fetches the example pages of jobs through the service's fetch API, which costs some credits, and
/// says what would fail and why. Nothing is created, and no job is changed; what a job of the
/// database was asked about is not asked again by the daemon.
///
/// Ends with code 1 where a create would fail, or it could not be found out.
#[derive(Debug, clap::Args)]
pub struct PreflightArgs {
    /// Job files (- is standard input), or names or ids of jobs of the database
    #[arg(value_name = "FILE-or-NAME", required = true)]
    targets: Vec<String>,

    /// How the files are written, where neither extension nor content shows it:
    /// toml, json, jsonl or csv
    #[arg(long)]
    format: Option<Format>,

    /// Say what it would cost, and fetch nothing
    #[arg(long)]
    dry_run: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A job that is asked about.
struct Target {
    /// 0 for one of a file.
    id: JobId,
    spec: JobSpec,
    effective_params: Option<String>,
    /// What was found of it last.
    last: Option<Record>,
}

/// What is told of a job.
#[derive(Debug, Serialize)]
struct PreflightLine {
    name: String,
    #[serde(flatten)]
    foreseen: Foreseen,
}

/// What is told of all.
#[derive(Debug, Default, Serialize)]
struct PreflightReport {
    jobs: Vec<PreflightLine>,
    /// How many jobs have each verdict.
    totals: BTreeMap<Verdict, usize>,
    /// What was spent on it now: a page that loaded a while ago is not fetched again.
    credits: i64,
    /// Why not all jobs were looked at.
    stopped: Option<String>,
}

/// What it would cost.
#[derive(Debug, Serialize)]
struct PreflightCost {
    jobs: usize,
    pages: usize,
    credits_at_least: i64,
    credits_at_most: i64,
}

pub(super) async fn preflight(settings: &Settings, args: PreflightArgs) -> anyhow::Result<Exit> {
    let store = Store::open(settings.database_path(), Role::Tool).await?;
    let targets = match targets(&store, &args).await? {
        Ok(targets) => targets,
        Err(exit) => {
            store.close().await;
            return Ok(exit);
        }
    };
    let preflight = Preflight {
        mode: match settings.preflight.mode {
            Mode::Off => Mode::Check,
            mode => mode,
        },
        ..wiring::preflight(settings)
    };
    let exit = if args.dry_run {
        print_cost(&targets, preflight, args.json)?;
        Exit::Done
    } else {
        let report = look(settings, &store, &targets, preflight).await?;
        print(&report, args.json)?;
        let works = report
            .jobs
            .iter()
            .all(|job| job.foreseen.verdict == Verdict::Ok);
        if works && report.stopped.is_none() {
            Exit::Done
        } else {
            Exit::Failed
        }
    };
    store.close().await;
    Ok(exit)
}

/// The jobs of files and names, or how the command ends where one is not valid.
async fn targets(store: &Store, args: &PreflightArgs) -> anyhow::Result<Result<Vec<Target>, Exit>> {
    let mut targets = Vec::new();
    for target in &args.targets {
        let path = PathBuf::from(target);
        if target == STDIN || path.exists() {
            match of_file(&path, args.format).await? {
                Some(found) => targets.extend(found),
                None => return Ok(Err(Exit::BadFile)),
            }
            continue;
        }
        match of_name(store, target).await? {
            Ok(found) => targets.push(found),
            Err(message) => {
                print_message(&message);
                return Ok(Err(Exit::Failed));
            }
        }
    }
    Ok(Ok(targets))
}

async fn of_file(path: &Path, format: Option<Format>) -> anyhow::Result<Option<Vec<Target>>> {
    let file = match enqueue::check_file(path, format, Kinds::Any, Tally::default()).await {
        Ok(file) => file,
        Err(EnqueueError::Bad(error)) => {
            print_errors(&error);
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    print_notes(&source_name(path), &file);
    let mut targets = Vec::new();
    for job in file.jobs() {
        let spec = job.map_err(EnqueueError::Spool)?.value;
        // One that adopts a parser pays for none.
        if spec.parser_id.is_none() {
            targets.push(Target {
                id: JobId(0),
                spec,
                effective_params: None,
                last: None,
            });
        }
    }
    Ok(Some(targets))
}

async fn of_name(store: &Store, name: &str) -> anyhow::Result<Result<Target, String>> {
    let Some((details, job)) = looked_up(store, name).await? else {
        let is_file = Path::new(name).extension().is_some();
        return Ok(Err(if is_file {
            format!(
                "error: there is no file {}, and no job of that name",
                escaped(name)
            )
        } else {
            unknown(store, name).await?
        }));
    };
    let urls = details.urls.as_ref().map_or("[]", |urls| urls.get());
    let text = |json: &Option<Box<serde_json::value::RawValue>>| {
        json.as_ref().map(|json| json.get().to_owned())
    };
    let spec = JobSpec::from_columns(
        &details.row.name,
        urls,
        text(&details.scraper_params).as_deref(),
        text(&details.fields).as_deref(),
    );
    Ok(match spec {
        Ok(spec) => Ok(Target {
            id: job.id,
            spec,
            last: job.progress.preflight.as_deref().and_then(Record::of_json),
            effective_params: job.progress.effective_params,
        }),
        Err(error) => Err(format!(
            "error: job {} is not valid: {error}",
            escaped(name)
        )),
    })
}

/// Looks at one job after the other; the account's refusal ends it.
async fn look(
    settings: &Settings,
    store: &Store,
    targets: &[Target],
    preflight: Preflight,
) -> anyhow::Result<PreflightReport> {
    let clock = Clock::system();
    let key = settings.require_key()?;
    let client = wiring::client(settings, key)?;
    let account = wiring::account(settings, store, clock.now()).await?;
    let foresight = Foresight {
        service: &client,
        store,
        account: &account,
        clock: &clock,
        preflight,
        is_before_create: false,
        spent: AtomicI64::new(0),
    };
    let mut report = PreflightReport::default();
    for target in targets {
        let looked = look_at(&foresight, target).await?;
        match looked {
            Looked::Found(foreseen, _) => report.add(&target.spec.name, foreseen),
            Looked::NoRoom => {
                report.stopped = Some(
                    "the budget has no room: raise budget.max_credits_per_day or \
                     budget.max_credits"
                        .to_owned(),
                );
                break;
            }
            Looked::Refused(refusal, words) => {
                report.stopped = Some(refused(&refusal, &words));
                break;
            }
            Looked::Later(_) | Looked::Held => break,
        }
    }
    report.credits = foresight.spent.load(Ordering::Relaxed);
    Ok(report)
}

/// Why the account is not served, and what to do.
fn refused(refusal: &Refusal, words: &ErrorDetail) -> String {
    let speaks_of_key = words.message.to_lowercase().contains("api key");
    match refusal {
        Refusal::Unauthorized => key_refused(words),
        // Of an account that is empty the service says the same with 403.
        Refusal::Credits if speaks_of_key => key_refused(words),
        Refusal::Credits | Refusal::AccountLimit => format!(
            "the fetch API says that the credits are exhausted, or that the plan does not allow it: \
             {words}: add credits, then try again"
        ),
        Refusal::Throttled { .. } => {
            format!("the fetch API asks to slow down: {words}: try again later")
        }
    }
}

fn key_refused(words: &ErrorDetail) -> String {
    format!(
        "the fetch API refused the API key: {words}: take the key from the dashboard, put it where \
         api.key or api.key_file says, and try again (`parserd check` tries it without a fetch)"
    )
}

/// Looks at one job, until something is found.
async fn look_at(
    foresight: &Foresight<'_, Client, Store>,
    target: &Target,
) -> anyhow::Result<Looked> {
    let last = target.last.as_ref();
    let (preflight, now) = (foresight.preflight, foresight.clock.now());
    let since = match target.id {
        // A job of a file is looked at anew each time, save for pages that loaded.
        JobId(0) => now,
        _ => preflight
            .since(last, now)
            .unwrap_or(now - preflight.max_age_ms),
    };
    let mut asker = Asker {
        holds: 0,
        job: target.id,
        spec: &target.spec,
        effective_params: target.effective_params.as_deref(),
        since,
        apart: last.and_then(Record::page_against),
    };
    loop {
        match foresight.look(&asker, || true).await? {
            Looked::Later(_) => {
                asker.holds += 1;
                tokio::time::sleep(PAUSE).await;
            }
            looked => return Ok(looked),
        }
    }
}

impl PreflightReport {
    fn add(&mut self, name: &str, foreseen: Foreseen) {
        *self.totals.entry(foreseen.verdict).or_default() += 1;
        self.jobs.push(PreflightLine {
            name: name.to_owned(),
            foreseen,
        });
    }
}

fn print(report: &PreflightReport, as_json: bool) -> anyhow::Result<()> {
    let mut out = Out::default();
    if as_json {
        out.json(report)?;
        return out.flush();
    }
    let mut columns = Columns::new(&["job", "verdict", "credits", "what was seen, and what to do"]);
    for PreflightLine { name, foreseen } in &report.jobs {
        columns.row([
            escaped(name),
            foreseen.verdict.to_string(),
            grouped(foreseen.credits),
            escaped(&words(foreseen)),
        ]);
    }
    for line in columns.lines() {
        out.line(&line)?;
    }
    let totals = report.totals.iter();
    let totals: Vec<_> = totals
        .map(|(verdict, n)| format!("{n} {verdict}"))
        .collect();
    let totals = match totals.as_slice() {
        [] => "none was looked at".to_owned(),
        totals => totals.join(", "),
    };
    let total = format!(
        "{}: {totals}; {} credits spent",
        count(report.jobs.len(), "job"),
        grouped(report.credits)
    );
    out.line(&fold::block(&[total]))?;
    out.flush()?;
    if let Some(stopped) = &report.stopped {
        print_error(&format!("error: not all jobs were looked at: {stopped}"));
    }
    Ok(())
}

fn words(foreseen: &Foreseen) -> String {
    let mut parts = match foreseen.verdict {
        Verdict::Ok => Vec::new(),
        _ => vec![foreseen.in_words()],
    };
    parts.extend(foreseen.cure.clone());
    parts.extend(foreseen.set.as_ref().map(|set| format!("write: {set}")));
    parts.join("; ")
}

fn print_cost(targets: &[Target], preflight: Preflight, as_json: bool) -> anyhow::Result<()> {
    let at_least = |target: &Target| {
        let own = Effort::of(
            target
                .spec
                .scraper_params
                .as_ref()
                .and_then(|it| it.as_object()),
        );
        let pages = i64::try_from(target.spec.urls.len()).unwrap_or(i64::MAX);
        own.credits() * pages
    };
    let jobs = i64::try_from(targets.len()).unwrap_or(i64::MAX);
    let cost = PreflightCost {
        jobs: targets.len(),
        pages: targets.iter().map(|target| target.spec.urls.len()).sum(),
        credits_at_least: targets.iter().map(at_least).sum(),
        credits_at_most: preflight.max_credits_per_job.saturating_mul(jobs),
    };
    let mut out = Out::default();
    if as_json {
        out.json(&cost)?;
        return out.flush();
    }
    let words = format!(
        "{} of {}: {} credits if all pages load as they are, at most {} \
         (preflight.max_credits_per_job); nothing was fetched",
        count(cost.pages, "page"),
        count(cost.jobs, "job"),
        grouped(cost.credits_at_least),
        grouped(cost.credits_at_most)
    );
    out.line(&fold::block(&[words]))?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_refused_is_told_as_such_whatever_the_status() {
        let told = |refusal, status, message: &str| {
            let words = ErrorDetail {
                status: Some(status),
                message: message.to_owned(),
            };
            refused(&refusal, &words)
        };
        let key = "Unauthorized request, please make sure your API key is valid.";
        for told in [
            told(Refusal::Unauthorized, 401, "no"),
            told(Refusal::Credits, 403, key),
        ] {
            assert!(
                told.starts_with("the fetch API refused the API key: "),
                "{told}"
            );
        }
        let credits = told(Refusal::Credits, 402, "You have exhausted your credits.");
        assert!(credits.contains("add credits"), "{credits}");
    }
}
