//! CSV: a header, then a job a row. Cells are trimmed; an empty one is as good as none.

use csv::{ReaderBuilder, StringRecord, Trim};
use serde_json::{Map, Value};

use super::lines::Lines;
use super::{BadJob, Entry, job};
use crate::spec::{Strict, key_twice, shown, unknown_key};

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
    "priority",
    "run_at",
];

pub(super) fn jobs(text: &str) -> Vec<Entry> {
    let lines = Lines::of(text);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let mut rows = reader.records().map(|record| {
        let record = record.map_err(|error| BadJob::of_file(format!("is no CSV: {error}")))?;
        // The reader puts a row that follows blank lines where those begin.
        let start = record
            .position()
            .map_or(0, |at| usize::try_from(at.byte()).unwrap_or(0));
        let blank = text.get(start..).unwrap_or_default();
        let start = start + (blank.len() - blank.trim_start_matches(['\r', '\n']).len());
        Ok((lines.line(start), record))
    });
    let header = match rows.next() {
        Some(Ok((line, header))) => match header_problem(&header) {
            None => header,
            Some(problem) => return vec![Err(BadJob::at(line, problem))],
        },
        Some(Err(bad)) => return vec![Err(bad)],
        None => return Vec::new(),
    };
    rows.map(|row| row.and_then(|(line, record)| row_job(line, &header, &record)))
        .collect()
}

fn header_problem(header: &StringRecord) -> Option<String> {
    let has = |column: &str| header.iter().any(|name| name == column);
    let first = header.get(0).unwrap_or_default();
    if header.len() == 1 && first.contains([';', '\t']) {
        return Some("the header has one column: separate columns by commas".to_owned());
    }
    let unknown = header.iter().find(|name| !COLUMNS.contains(name));
    let twice = ["name", "scraper_params", "fields", "priority", "run_at"]
        .into_iter()
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

fn row_job(line: usize, header: &StringRecord, record: &StringRecord) -> Entry {
    let name = header
        .iter()
        .zip(record)
        .find(|(column, _)| *column == "name");
    let name = name
        .map(|(_, cell)| cell.to_owned())
        .filter(|name| !name.is_empty());
    if record.len() != header.len() {
        return Err(BadJob {
            line: Some(line),
            name,
            reason: format!(
                "the row has {} cells and the header {}: put a cell that holds a comma in quotes, and double the quotes within it",
                record.len(),
                header.len()
            ),
        });
    }
    let mut object = Map::new();
    let mut urls = Vec::new();
    let mut urls_told = false;
    let mut problems = Vec::new();
    for (column, cell) in header
        .iter()
        .zip(record)
        .filter(|(_, cell)| !cell.is_empty())
    {
        match column {
            "urls" => match urls_of(cell) {
                Ok(more) => urls.extend(more),
                Err(problem) => {
                    urls_told = true;
                    problems.push(problem);
                }
            },
            url if URL_COLUMNS.contains(&url) => urls.push(Value::from(cell)),
            "scraper_params" | "fields" => match serde_json::from_str::<Strict>(cell) {
                Ok(read) => {
                    problems.extend(read.has_key_twice.then(|| key_twice(column)));
                    object.insert(column.to_owned(), read.value);
                }
                Err(error) => problems.push(format!(
                    "{column} is no JSON ({error}): write JSON in quotes, and double the quotes within it"
                )),
            },
            "priority" => {
                let value = cell.parse::<i64>().map_or_else(|_| Value::from(cell), Value::from);
                object.insert(column.to_owned(), value);
            }
            _ => drop(object.insert(column.to_owned(), Value::from(cell))),
        }
    }
    if urls_told {
        urls.push(Value::from("https://example.com/"));
    }
    object.insert("urls".to_owned(), Value::from(urls));
    job::spec(line, object, problems)
}

/// URLs parted by whitespace or `|`, or a JSON array.
fn urls_of(cell: &str) -> Result<Vec<Value>, String> {
    if cell.starts_with('[') {
        return serde_json::from_str(cell).map_err(|error| {
            format!(
                "urls is no JSON array ({error}): write one, or the URLs with a space between them ({})",
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
