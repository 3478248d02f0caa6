//! `parserd jobs`: a line a job.

mod fields;

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::{Exit, selector::SelectorArgs};
use crate::clock::Clock;
use crate::config::Settings;
use crate::core::job::{JobState, UnixMs};
use crate::core::selector::Selector;
use crate::core::text::escaped;
use crate::store::report::JobRow;
use crate::store::{Role, Store};
use crate::{
    cli::output::{Columns, Out, print_message},
    present::format::relative,
};

/// How many lines of a table are laid out together; those after keep their widths.
const BLOCK_ROWS: usize = 1000;

/// The state is there twice: with its reason and, where there is no room for that, without.
const HEADINGS: &[&str] = &[
    "ID", "NAME", "STATE", "PARSER", "CREATES", "UPDATED", "NOTE", "STATE",
];

/// Lists the jobs, in the order of their ids.
#[derive(Debug, clap::Args)]
pub struct JobsArgs {
    #[command(flatten)]
    selector: SelectorArgs,

    /// Jobs that are FAILED: short for --state FAILED
    #[arg(long)]
    failed: bool,

    /// These columns of table jobs, such as name,state,urls,example_result
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    fields: Vec<String>,

    /// Print a JSON array; times are Unix milliseconds
    #[arg(long)]
    json: bool,

    /// Print CSV; times are Unix milliseconds
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// How jobs are printed.
#[derive(Debug, Clone, Copy)]
enum Style {
    Table,
    Json,
    Csv,
}

pub(super) async fn jobs(settings: &Settings, args: JobsArgs) -> anyhow::Result<Exit> {
    let mut selector = args.selector.selector(Clock::system().now());
    if args.failed && !selector.states.contains(&JobState::Failed) {
        selector.states.push(JobState::Failed);
    }
    let style = match (args.json, args.csv) {
        (true, _) => Style::Json,
        (false, true) => Style::Csv,
        (false, false) => Style::Table,
    };
    let store = Store::open(settings.database_path(), Role::Reader).await?;
    let mut out = Out::default();
    match style {
        _ if !args.fields.is_empty() => {
            fields::print(&store, &selector, &args.fields, style, &mut out).await?;
        }
        Style::Json => json(&store, &selector, &mut out).await?,
        Style::Csv => csv(&store, &selector, &mut out).await?,
        Style::Table => table(&store, &selector, &mut out).await?,
    }
    out.flush()?;
    store.close().await;
    Ok(Exit::Done)
}

async fn json(store: &Store, selector: &Selector, out: &mut Out) -> anyhow::Result<()> {
    let mut rows = store.selected(selector);
    let mut before = "[\n  ";
    while let Some(row) = rows.try_next().await? {
        out.text(before)?;
        out.json_compact(&row)?;
        before = ",\n  ";
    }
    out.line(if before.starts_with('[') { "[]" } else { "\n]" })
}

async fn csv(store: &Store, selector: &Selector, out: &mut Out) -> anyhow::Result<()> {
    let mut rows = store.selected(selector);
    out.line(
        "id,name,action,state,park_reason,parser_id,parser_version,creates,error_kind,error_status,\
         error_message,error_hint,priority,created_at,updated_at,finished_at,due_at,change,\
         preflight,effective_params,labels",
    )?;
    while let Some(row) = rows.try_next().await? {
        // A record at a time, so that only `out` meets a closed pipe.
        let mut writer = ::csv::WriterBuilder::new()
            .has_headers(false)
            .from_writer(Vec::new());
        writer.serialize(harmless(row))?;
        let record = writer.into_inner().map_err(|error| error.into_error())?;
        out.text(&String::from_utf8_lossy(&record))?;
    }
    Ok(())
}

/// CSV has no escapes of its own. Characters that are merely invisible stay in a
/// name, which is a key.
fn harmless(mut row: JobRow) -> JobRow {
    if row.name.contains(char::is_control) {
        row.name = escaped(&row.name);
    }
    for json in [
        &mut row.change,
        &mut row.preflight,
        &mut row.effective_params,
        &mut row.labels,
    ] {
        *json = json.take().map(|json| escaped(&json.to_string()).into());
    }
    for text in [
        &mut row.parser_id,
        &mut row.error_message,
        &mut row.error_hint,
    ] {
        *text = text.take().map(|text| escaped(&text));
    }
    row
}

/// A terminal of so many columns has room for a parser's id; for time and note; for the
/// reason of a state.
const WIDE: u16 = 110;
const MIDDLING: u16 = 60;
const NARROW: u16 = 48;

/// What is shown, and which of it as wide as its content, by index in each.
type Choice = (&'static [usize], &'static [usize]);
const ALL: Choice = (&[0, 1, 2, 3, 4, 5, 6], &[0, 2, 4, 5]);
const MOST: Choice = (&[0, 1, 2, 5, 6], &[0, 2, 3]);
const FEW: Choice = (&[0, 1, 2], &[0, 2]);
const FEWEST: Choice = (&[0, 1, 7], &[0, 2]);

/// What a terminal of this width, or a pipe, has room for.
const fn choice(width: Option<u16>) -> Choice {
    match width {
        None | Some(WIDE..) => ALL,
        Some(MIDDLING..) => MOST,
        Some(NARROW..) => FEW,
        Some(_) => FEWEST,
    }
}

/// The table of the jobs that are selected.
pub(super) async fn table(store: &Store, selector: &Selector, out: &mut Out) -> anyhow::Result<()> {
    let now = Clock::system().now();
    let mut blocks = store
        .selected(selector)
        .try_ready_chunks(BLOCK_ROWS)
        .boxed();
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
        print_message("no jobs");
    }
    Ok(())
}

fn cells(row: &JobRow, now: UnixMs) -> [String; 8] {
    let note = row.error_message.clone().unwrap_or_default();
    let why = row.park_reason.as_ref().or(row.error_kind.as_ref());
    let state = if row.is_change() {
        format!("{} {}", row.action, row.state)
    } else {
        row.state.clone()
    };
    [
        row.id.to_string(),
        row.name.clone(),
        why.map_or_else(|| state.clone(), |why| format!("{state} {why}")),
        row.parser_id.clone().unwrap_or_default(),
        row.creates.to_string(),
        relative(row.updated_at, now),
        note,
        state,
    ]
}
