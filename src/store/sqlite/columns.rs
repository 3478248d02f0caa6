//! Columns of `jobs` by their names: whichever a person wants to see.

use futures_util::stream::BoxStream;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::{Row as _, TypeInfo as _, ValueRef as _, sqlite::SqliteRow};

use super::{
    Store, StoreError, Trying as _,
    report::{json_column, refusal},
    rows,
};
use crate::core::selector::Selector;

/// Columns that hold JSON.
const JSON: &[&str] = &[
    "urls",
    "scraper_params",
    "fields",
    "expect",
    "check_urls",
    "labels",
    "change",
    "target_fields",
    "candidates",
    "dismissed",
    "preflight",
    "effective_params",
    "example_result",
    "quality_detail",
];

/// What a column of a job holds.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A whole number; of a column that ends with `_at` or `_since`, Unix milliseconds.
    Integer(i64),
    /// Another number.
    Real(f64),
    /// A string.
    Text(String),
    /// JSON.
    Json(Box<RawValue>),
}

impl Store {
    /// The names of the columns of `jobs`.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn job_columns(&self) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar("SELECT name FROM pragma_table_info('jobs') ORDER BY cid")
            .fetch_all(&self.readers)
            .await
            .trying("read which columns a job has")
    }

    /// These columns of selected jobs, which must be of [`job_columns`](Self::job_columns), in the
    /// order of their ids, as a stream.
    pub fn cells(
        &self,
        selector: &Selector,
        columns: Vec<String>,
    ) -> BoxStream<'_, Result<Vec<Cell>, StoreError>> {
        let quoted = |column: &String| format!("jobs.\"{}\"", column.replace('"', "\"\""));
        let list: Vec<_> = columns.iter().map(quoted).collect();
        self.pages(selector, list.join(", "), move |row| {
            columns.iter().map(|column| cell(row, column)).collect()
        })
    }
}

fn cell(row: &SqliteRow, column: &str) -> Result<Cell, sqlx::Error> {
    let value = row.try_get_raw(column)?;
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let kind = value.type_info().name().to_owned();
    Ok(match kind.as_str() {
        "INTEGER" if column == "error_status" => {
            refusal(row.try_get(column)?).map_or(Cell::Null, Cell::Integer)
        }
        "INTEGER" => Cell::Integer(row.try_get(column)?),
        "REAL" => Cell::Real(row.try_get(column)?),
        _ if JSON.contains(&column) => json_column(row, column)?.map_or(Cell::Null, Cell::Json),
        _ => rows::text(row, column)?.map_or(Cell::Null, Cell::Text),
    })
}
