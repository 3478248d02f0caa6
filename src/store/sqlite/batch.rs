//! Statements that take many rows at once. They have few shapes, so that SQLite parses
//! each once; rows that are wanting stay unbound, NULL in every column.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Sqlite, query::Query, sqlite::SqliteArguments};

/// So many rows a statement takes: one for a lone change, and steps up to what a busy
/// daemon has ready.
const SHAPES: [usize; 3] = [1, 8, 64];

pub(super) type Bound<'q> = Query<'q, Sqlite, SqliteArguments>;

/// One statement in all its shapes.
pub(super) struct BatchStatement {
    shapes: [Arc<str>; SHAPES.len()],
}

impl BatchStatement {
    /// The statement `WITH name (columns) AS (VALUES ...) then`. `then` must pass over
    /// rows of nothing but NULL.
    pub(super) fn new(name: &str, columns: &[&str], then: &str) -> Self {
        let row = format!("({})", vec!["?"; columns.len()].join(","));
        Self {
            shapes: SHAPES.map(|rows| {
                let columns = columns.join(", ");
                let values = vec![row.as_str(); rows].join(",");
                format!("WITH {name} ({columns}) AS (VALUES {values}) {then}").into()
            }),
        }
    }

    /// The statements that take all of `rows`, each with the rows that it takes.
    pub(super) fn statements<'b, 'r, T>(
        &'b self,
        rows: &'r [T],
    ) -> impl Iterator<Item = (Bound<'static>, &'r [T])> + use<'b, 'r, T> {
        rows.chunks(SHAPES[SHAPES.len() - 1]).map(|chunk| {
            let fitting = SHAPES.iter().position(|shape| *shape >= chunk.len());
            let sql = &self.shapes[fitting.unwrap_or(SHAPES.len() - 1)];
            (sqlx::query(AssertSqlSafe(Arc::clone(sql))), chunk)
        })
    }
}
