//! `parserd parsers`: a line a parser, and what a person says of one.

mod delete;
mod import;
mod pin;

use std::collections::HashSet;

use anyhow::anyhow;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;

use super::{Exit, named::Named, selector::NamedArgs};
use crate::{
    api::{Service as _, client::Client},
    cli::output::{Columns, Out, print_message},
    clock::Clock,
    config::Settings,
    core::{
        job::{ParserId, UnixMs},
        nearest::did_you_mean,
        outcome::{ListOutcome, ListedParser},
        quality::Quality,
        text::escaped,
    },
    present::format::relative,
    store::{Role, Store, parsers::ParserRow},
    wiring,
};

/// How many lines of a table are laid out together; those after keep their widths.
const BLOCK_ROWS: usize = 1000;

/// How many ids are looked up at once.
const LOOK_UP_STEP: usize = 1000;

/// Lists the parsers that parserd made or adopted, oldest first.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ParsersArgs {
    #[command(subcommand)]
    command: Option<ParsersCommand>,

    #[command(flatten)]
    list: ListArgs,
}

/// What to do with parsers, other than to list them.
#[derive(Debug, clap::Subcommand)]
enum ParsersCommand {
    /// Print a job file of parsers that the account holds
    Import(import::ImportArgs),
    /// Choose the version of a parser that is used
    Pin(pin::PinArgs),
    /// Delete parsers at the service, with all their versions
    Delete(delete::DeleteArgs),
}

/// Which parsers, and how they are shown.
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only parsers of this quality: ok, thin or bad
    #[arg(long, value_name = "QUALITY", value_parser = QUALITY)]
    quality: Option<Quality>,

    #[command(flatten)]
    named: NamedArgs,

    /// Instead those that the account holds and no job knows; asks the service for its list
    #[arg(long, conflicts_with_all = ["quality", "named"])]
    unmanaged: bool,

    /// Print a JSON array; times are Unix milliseconds
    #[arg(long)]
    json: bool,

    /// Print CSV; times are Unix milliseconds
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

const QUALITY: Named<Quality> = Named::new(
    || {
        Quality::ALL
            .iter()
            .map(|quality| quality.as_str())
            .collect()
    },
    quality,
);

fn quality(text: &str) -> Result<Quality, String> {
    text.to_lowercase().parse().map_err(|_| {
        let known: Vec<_> = Quality::ALL
            .iter()
            .map(|quality| quality.as_str())
            .collect();
        let near = did_you_mean(text, known.iter().copied());
        format!("it must be one of {}{near}", known.join(", "))
    })
}

pub(super) async fn parsers(settings: &Settings, args: ParsersArgs) -> anyhow::Result<Exit> {
    match args.command {
        None => list(settings, args.list).await,
        Some(ParsersCommand::Import(args)) => import::import(settings, args).await,
        Some(ParsersCommand::Pin(args)) => pin::pin(settings, args).await,
        Some(ParsersCommand::Delete(args)) => delete::delete(settings, args).await,
    }
}

async fn list(settings: &Settings, args: ListArgs) -> anyhow::Result<Exit> {
    let store = Store::open(settings.database_path(), Role::Reader).await?;
    let mut out = Out::default();
    if args.unmanaged {
        let unmanaged = unmanaged(settings, &store).await?;
        print_unmanaged(&unmanaged, &args, &mut out)?;
    } else if args.json {
        json(&store, &args, &mut out).await?;
    } else if args.csv {
        csv(&store, &args, &mut out).await?;
    } else {
        table(&store, &args, &mut out).await?;
    }
    out.flush()?;
    store.close().await;
    Ok(Exit::Done)
}

async fn json(store: &Store, args: &ListArgs, out: &mut Out) -> anyhow::Result<()> {
    let mut rows = store.parsers(args.quality, &args.named.selector());
    let mut before = "[\n  ";
    while let Some(row) = rows.try_next().await? {
        out.text(before)?;
        out.json_compact(&row)?;
        before = ",\n  ";
    }
    out.line(if before.starts_with('[') { "[]" } else { "\n]" })
}

/// A parser as a line of CSV.
#[derive(Serialize)]
struct CsvRow {
    name: String,
    parser_id: String,
    version: Option<i64>,
    latest_version: Option<i64>,
    quality: Option<String>,
    reason: Option<String>,
    protected: bool,
    job_id: i64,
    created_at: UnixMs,
    updated_at: UnixMs,
}

async fn csv(store: &Store, args: &ListArgs, out: &mut Out) -> anyhow::Result<()> {
    let mut rows = store.parsers(args.quality, &args.named.selector());
    out.line(
        "name,parser_id,version,latest_version,quality,reason,protected,job_id,created_at,updated_at",
    )?;
    while let Some(row) = rows.try_next().await? {
        csv_line(
            out,
            CsvRow {
                reason: row.reason().map(|reason| escaped(&reason)),
                name: row.name,
                parser_id: escaped(&row.parser_id),
                version: row.version,
                latest_version: row.latest_version,
                quality: row.quality,
                protected: row.protected,
                job_id: row.job_id,
                created_at: row.created_at,
                updated_at: row.updated_at,
            },
        )?;
    }
    Ok(())
}

fn csv_line(out: &mut Out, row: impl Serialize) -> anyhow::Result<()> {
    // A record at a time, so that only `out` meets a closed pipe.
    let mut writer = ::csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    writer.serialize(row)?;
    let record = writer.into_inner().map_err(|error| error.into_error())?;
    out.text(&String::from_utf8_lossy(&record))
}

const HEADINGS: &[&str] = &["NAME", "PARSER", "VERSION", "QUALITY", "AGE", "NOTE"];

/// A terminal of so many columns has room for a parser's id; for age and note.
const WIDE: u16 = 80;
const MIDDLING: u16 = 60;

/// What is shown, and which of it as wide as its content, by index in each.
type Choice = (&'static [usize], &'static [usize]);
const ALL: Choice = (&[0, 1, 2, 3, 4, 5], &[1, 2, 3, 4]);
const MOST: Choice = (&[0, 2, 3, 4, 5], &[1, 2, 3]);
const FEW: Choice = (&[0, 2, 3], &[1, 2]);

/// What a terminal of this width, or a pipe, has room for.
const fn choice(width: Option<u16>) -> Choice {
    match width {
        None | Some(WIDE..) => ALL,
        Some(MIDDLING..) => MOST,
        Some(_) => FEW,
    }
}

async fn table(store: &Store, args: &ListArgs, out: &mut Out) -> anyhow::Result<()> {
    let now = Clock::system().now();
    let rows = store.parsers(args.quality, &args.named.selector());
    let mut blocks = rows.try_ready_chunks(BLOCK_ROWS).boxed();
    let mut widths = Vec::new();
    let (shown, whole) = choice(Columns::width());
    while let Some(rows) = blocks.try_next().await.map_err(|error| error.1)? {
        let headings: Vec<_> = match widths.is_empty() {
            true => shown.iter().map(|index| HEADINGS[*index]).collect(),
            false => Vec::new(),
        };
        let mut columns = Columns::new(&headings).one_line();
        for row in &rows {
            let cells = cells(row, now);
            columns.row(shown.iter().map(|index| &cells[*index]));
        }
        if widths.is_empty() {
            columns.keep_whole(whole);
            widths = columns.widths();
        } else {
            columns.at_least(&widths);
        }
        for line in columns.lines() {
            out.line(&line)?;
        }
    }
    if widths.is_empty() {
        print_message("no parsers");
    }
    Ok(())
}

fn cells(row: &ParserRow, now: UnixMs) -> [String; 6] {
    [
        row.name.clone(),
        row.parser_id.clone(),
        row.version
            .map_or_else(String::new, |version| version.to_string()),
        row.quality
            .clone()
            .unwrap_or_else(|| "not judged".to_owned()),
        relative(row.created_at, now),
        row.reason().unwrap_or_default(),
    ]
}

/// The account's list, and whether it has more than can be read, which is told.
async fn listed(client: &Client) -> anyhow::Result<(Vec<ListedParser>, bool)> {
    match client.list().await {
        ListOutcome::Listed(parsers, flaws) => {
            let hidden = flaws.hide(|_| false);
            if let Some(why) = &hidden {
                print_message(&format!("the account's list is not whole: {why}"));
            }
            Ok((parsers, hidden.is_some()))
        }
        ListOutcome::Refused(_, words) | ListOutcome::Trouble(words) => Err(anyhow!(
            "the account's list could not be read: {words}; `parserd check` says more"
        )),
    }
}

/// What the account holds and no job knows.
async fn unmanaged(settings: &Settings, store: &Store) -> anyhow::Result<Vec<ListedParser>> {
    let client = wiring::hasty_client(settings).map_err(|error| anyhow!(error))?;
    let (listed, _) = listed(&client).await?;
    let mut known: HashSet<ParserId> = HashSet::new();
    for some in listed.chunks(LOOK_UP_STEP) {
        let ids: Vec<&ParserId> = some.iter().map(|parser| &parser.id).collect();
        known.extend(store.parsers_on_record(&ids).await?);
    }
    let unknown = listed
        .into_iter()
        .filter(|parser| !known.contains(&parser.id));
    Ok(unknown.collect())
}

/// A parser that no job knows, as programs read it.
#[derive(Serialize)]
struct UnmanagedRow<'a> {
    name: &'a str,
    parser_id: &'a str,
    version: Option<i64>,
    status: &'static str,
}

fn print_unmanaged(parsers: &[ListedParser], args: &ListArgs, out: &mut Out) -> anyhow::Result<()> {
    let rows: Vec<UnmanagedRow<'_>> = parsers
        .iter()
        .map(|parser| UnmanagedRow {
            name: &parser.name,
            parser_id: &parser.id.0,
            version: parser.version,
            status: match (parser.failed, parser.settled) {
                (true, _) => "FAILED",
                (false, true) => "FINISHED",
                (false, false) => "GENERATING",
            },
        })
        .collect();
    if args.json {
        return out.json(&rows);
    }
    if args.csv {
        out.line("name,parser_id,version,status")?;
        for row in rows {
            let (name, id) = (escaped(row.name), escaped(row.parser_id));
            csv_line(
                out,
                UnmanagedRow {
                    name: &name,
                    parser_id: &id,
                    ..row
                },
            )?;
        }
        return Ok(());
    }
    if rows.is_empty() {
        print_message("no parsers that no job knows");
        return Ok(());
    }
    if Columns::width().is_some_and(|width| width < MIDDLING) {
        // An id that is cut is of no use: it has a line of its own.
        for row in &rows {
            out.line(&escaped(row.name))?;
            out.line(&format!("  {}", escaped(row.parser_id)))?;
        }
        return Ok(());
    }
    let mut columns = Columns::new(&["NAME", "PARSER", "VERSION", "STATUS"]).one_line();
    for row in &rows {
        let version = row
            .version
            .map_or_else(String::new, |version| version.to_string());
        columns.row([row.name, row.parser_id, &version, row.status]);
    }
    columns.keep_whole(&[1, 2, 3]);
    for line in columns.lines() {
        out.line(&line)?;
    }
    Ok(())
}
