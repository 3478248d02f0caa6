//! CSV: a header, then a job a row. Cells are trimmed; an empty one is as good as none.

use std::io::BufRead;

use serde_json::{Map, Value};

use super::csv_rows::{CsvRow, Rows};
use super::{BadJob, Entry, MARK, MARK_INSIDE, job};
use crate::core::spec::{Strict, key_twice, shown, unknown_key};

/// The columns that hold one URL each.
const URL_COLUMNS: &[&str] = &["url", "url1", "url2", "url3"];
const COLUMNS: &[&str] = &[
    "name",
    "urls",
    "url",
    "url1",
    "url2",
    "url3",
    "scraper_params",
    "fields",
    "expect",
    "check_urls",
    "priority",
    "run_at",
    "protect",
    "parser_id",
    "labels",
];

/// A column of this beginning holds the label of the key that follows: `label.team`.
const LABEL: &str = "label.";

/// The columns that hold JSON.
const JSON_COLUMNS: &[&str] = &["scraper_params", "fields", "expect", "check_urls", "labels"];

/// Hands the jobs of a CSV text on, one at a time, so that it may be of any length.
pub(super) fn each<E>(
    reader: impl BufRead,
    mut take: impl FnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    let mut rows = Rows::of(reader);
    let header = match rows.next() {
        Some(Ok(row)) => match header_problem(&row.cells) {
            None => row.cells,
            Some(problem) => return take(Err(BadJob::at(row.line, problem))),
        },
        Some(Err(bad)) => return take(Err(bad)),
        None => return Ok(()),
    };
    for row in rows {
        take(row.and_then(|row| row_job(&header, &row)))?;
    }
    Ok(())
}

fn header_problem(header: &[String]) -> Option<String> {
    let has = |column: &str| header.iter().any(|name| name == column);
    let first = header.first().map_or("", String::as_str);
    if first.starts_with(MARK) {
        return Some(MARK_INSIDE.to_owned());
    }
    if is_separator_line(header) {
        return Some(
            "this is Excel's line that names a separator (sep=), and no header: remove the line, \
             and separate columns by commas"
                .to_owned(),
        );
    }
    if header.len() == 1 && first.contains([';', '\t']) {
        return Some("the header has one column: separate columns by commas".to_owned());
    }
    let is_known = |name: &str| COLUMNS.contains(&name) || name.starts_with(LABEL);
    let unknown = header.iter().find(|name| !is_known(name));
    let labels = header.iter().filter(|name| name.starts_with(LABEL));
    let twice = ["name", "priority", "run_at", "protect", "parser_id"]
        .iter()
        .chain(JSON_COLUMNS)
        .copied()
        .chain(labels.map(String::as_str))
        .find(|column| header.iter().filter(|name| name == column).count() > 1);
    if let Some(name) = unknown {
        Some(unknown_key("the header", name, COLUMNS))
    } else if let Some(name) = twice {
        Some(format!(
            "the header has {name} twice: write each column once"
        ))
    } else if !has("name") {
        Some("the header has no column name: write one, such as name,urls".to_owned())
    } else if !has("urls") && !URL_COLUMNS.iter().any(|column| has(column)) {
        Some(
            "the header has no column urls: write one, such as name,urls; or url1,url2,url3"
                .to_owned(),
        )
    } else {
        None
    }
}

/// Excel takes `sep=;` in the first line for its own, and shows it to nobody.
fn is_separator_line(header: &[String]) -> bool {
    header.split_first().is_some_and(|(first, rest)| {
        let start = first.get(..4).unwrap_or_default();
        start.eq_ignore_ascii_case("sep=") && rest.iter().all(String::is_empty)
    })
}

fn other_length(cells: usize, header: usize) -> String {
    format!(
        "the row has {cells} cells and the header {header}: put a cell that holds a comma in quotes, and double the quotes within it"
    )
}

fn row_job(header: &[String], row: &CsvRow) -> Entry {
    let CsvRow { line, cells } = row;
    let line = *line;
    if cells.first().is_some_and(|cell| cell.starts_with(MARK)) {
        return Err(BadJob::at(line, MARK_INSIDE));
    }
    let name = header
        .iter()
        .zip(cells)
        .find(|(column, _)| *column == "name");
    let name = name
        .map(|(_, cell)| cell.clone())
        .filter(|name| !name.is_empty());
    if cells.len() != header.len() {
        return Err(BadJob {
            line: Some(line),
            name,
            reason: other_length(cells.len(), header.len()),
        });
    }
    let mut object = Map::new();
    let mut urls = Vec::new();
    let mut labels = Map::new();
    let mut urls_reported = false;
    let mut problems = Vec::new();
    for (column, cell) in header
        .iter()
        .zip(cells)
        .filter(|(_, cell)| !cell.is_empty())
    {
        match column.as_str() {
            "urls" => match urls_of(cell) {
                Ok(more) => urls.extend(more),
                Err(problem) => {
                    urls_reported = true;
                    problems.push(problem);
                }
            },
            url if URL_COLUMNS.contains(&url) => urls.push(Value::from(cell.as_str())),
            json if JSON_COLUMNS.contains(&json) => match json_of(column, cell) {
                Ok((value, problem)) => {
                    problems.extend(problem);
                    object.insert(column.clone(), value);
                }
                Err(problem) => problems.push(problem),
            },
            other => match other.strip_prefix(LABEL) {
                Some(key) => _ = labels.insert(key.to_owned(), Value::from(cell.as_str())),
                None => _ = object.insert(column.clone(), value_of(column, cell)),
            },
        }
    }
    if urls_reported {
        urls.push(Value::from("https://example.com/"));
    }
    object.insert("urls".to_owned(), Value::from(urls));
    problems.extend(add_labels(&mut object, labels));
    job::spec(line, object, problems)
}

/// The labels of columns of their own, beside those of the column `labels`; says where both have
/// one key.
fn add_labels(object: &mut Map<String, Value>, labels: Map<String, Value>) -> Option<String> {
    if labels.is_empty() {
        return None;
    }
    let there = object
        .entry("labels")
        .or_insert_with(|| Value::Object(Map::new()));
    // What is not an object is reported as such.
    let there = there.as_object_mut()?;
    let twice = labels.keys().find(|key| there.contains_key(*key));
    let problem = twice.map(|key| {
        format!(
            "label {} is in labels too: write it in one of both columns",
            shown(key)
        )
    });
    there.extend(labels);
    problem
}

/// A cell that holds neither URLs nor JSON; one that does not fit its column stays a text.
fn value_of(column: &str, cell: &str) -> Value {
    let value = match column {
        "priority" => cell.parse::<i64>().ok().map(Value::from),
        // Spreadsheets write TRUE.
        "protect" => cell
            .to_ascii_lowercase()
            .parse::<bool>()
            .ok()
            .map(Value::from),
        _ => None,
    };
    value.unwrap_or_else(|| Value::from(cell))
}

/// JSON in a cell, and what is wrong with it though it can be read.
fn json_of(column: &str, cell: &str) -> Result<(Value, Option<String>), String> {
    let read: Strict = serde_json::from_str(cell).map_err(|error| {
        format!(
            "{column} is not valid JSON ({error}): write JSON in quotes, and double the quotes \
             within it"
        )
    })?;
    let problem = read.has_key_twice.then(|| key_twice(column));
    Ok((read.value, problem))
}

/// URLs parted by whitespace or `|`, or a JSON array.
fn urls_of(cell: &str) -> Result<Vec<Value>, String> {
    if cell.starts_with('[') {
        return serde_json::from_str(cell).map_err(|error| {
            format!(
                "urls is not a JSON array ({error}): write one, or the URLs with a space between \
                 them ({})",
                shown(cell)
            )
        });
    }
    let parts = cell.split(|c: char| c.is_whitespace() || c == '|');
    Ok(parts
        .filter(|part| !part.is_empty())
        .map(Value::from)
        .collect())
}
