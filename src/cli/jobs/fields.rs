//! `parserd jobs --fields`: the columns that are asked for.

use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::{BLOCK_ROWS, Style};
use crate::{
    cli::{
        Usage,
        output::{Columns, Out, print_message},
    },
    core::{
        nearest::did_you_mean, selector::Selector, shown::shown, text::escaped, timestamp::iso,
    },
    store::{Store, columns::Cell},
};

/// Refuses a column that there is not, and one that is named twice.
pub(super) async fn check(store: &Store, wanted: &[String]) -> anyhow::Result<()> {
    let known = store.job_columns().await?;
    for (place, column) in wanted.iter().enumerate() {
        if !known.contains(column) {
            let near = did_you_mean(column, known.iter().map(String::as_str));
            let usage = format!(
                "--fields: a job has no column {}{near}; columns: {}",
                shown(column),
                known.join(", ")
            );
            return Err(Usage(usage).into());
        }
        if wanted[..place].contains(column) {
            let usage = format!("--fields names {column} twice: write each column once");
            return Err(Usage(usage).into());
        }
    }
    Ok(())
}

/// A job as an object, its columns in the order in which they are asked for.
struct Object<'a>(&'a [String], &'a [Cell]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (column, cell) in self.0.iter().zip(self.1) {
            map.serialize_entry(column, cell)?;
        }
        map.end()
    }
}

pub(super) async fn print(
    store: &Store,
    selector: &Selector,
    columns: &[String],
    style: Style,
    out: &mut Out,
) -> anyhow::Result<()> {
    check(store, columns).await?;
    match style {
        Style::Json => json(store, selector, columns, out).await,
        Style::Csv => csv(store, selector, columns, out).await,
        Style::Table => table(store, selector, columns, out).await,
    }
}

async fn json(
    store: &Store,
    selector: &Selector,
    columns: &[String],
    out: &mut Out,
) -> anyhow::Result<()> {
    let mut rows = store.cells(selector, columns.to_vec());
    let mut before = "[\n  ";
    while let Some(row) = rows.try_next().await? {
        out.text(before)?;
        out.json_compact(&Object(columns, &row))?;
        before = ",\n  ";
    }
    out.line(if before.starts_with('[') { "[]" } else { "\n]" })
}

async fn csv(
    store: &Store,
    selector: &Selector,
    columns: &[String],
    out: &mut Out,
) -> anyhow::Result<()> {
    out.line(&columns.join(","))?;
    let mut rows = store.cells(selector, columns.to_vec());
    while let Some(row) = rows.try_next().await? {
        let cells = columns.iter().zip(&row);
        let cells = cells.map(|(column, cell)| match plain(cell) {
            // What is merely invisible stays in a name, which is a key.
            name if column == "name" && !name.contains(char::is_control) => name,
            text => escaped(&text),
        });
        // A record at a time, so that only `out` meets a closed pipe.
        let mut writer = ::csv::Writer::from_writer(Vec::new());
        writer.write_record(cells)?;
        let record = writer.into_inner().map_err(|error| error.into_error())?;
        out.text(&String::from_utf8_lossy(&record))?;
    }
    Ok(())
}

async fn table(
    store: &Store,
    selector: &Selector,
    columns: &[String],
    out: &mut Out,
) -> anyhow::Result<()> {
    let headings: Vec<_> = columns.iter().map(|column| column.to_uppercase()).collect();
    let headings: Vec<_> = headings.iter().map(String::as_str).collect();
    let rows = store.cells(selector, columns.to_vec());
    let mut blocks = rows.try_ready_chunks(BLOCK_ROWS).boxed();
    let mut widths = Vec::new();
    while let Some(rows) = blocks.try_next().await.map_err(|error| error.1)? {
        let headings = if widths.is_empty() {
            &headings[..]
        } else {
            &[]
        };
        let mut block = Columns::new(headings).one_line();
        for row in &rows {
            let cells = columns.iter().zip(row);
            block.row(cells.map(|(column, cell)| readable(column, cell)));
        }
        if widths.is_empty() {
            widths = block.widths();
        } else {
            block.at_least(&widths);
        }
        for line in block.lines() {
            out.line(&line)?;
        }
    }
    if widths.is_empty() {
        print_message("no jobs");
    }
    Ok(())
}

/// A cell for people: a time as a time.
fn readable(column: &str, cell: &Cell) -> String {
    match cell {
        Cell::Integer(at) if column.ends_with("_at") || column.ends_with("_since") => iso(*at),
        cell => plain(cell),
    }
}

fn plain(cell: &Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Integer(number) => number.to_string(),
        Cell::Real(number) => number.to_string(),
        Cell::Text(text) => text.clone(),
        Cell::Json(json) => json.get().to_owned(),
    }
}
