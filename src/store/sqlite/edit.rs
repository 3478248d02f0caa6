//! An operator's changes of what jobs ask for: one transaction, through the rules of the database.

use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::{Store, StoreError};
use crate::{
    core::job::JobId,
    store::ports::{Editing, JobEdit},
};

impl Editing for Store {
    async fn edit_and_queue(&self, edits: Vec<JobEdit>) -> Result<Vec<JobId>, StoreError> {
        self.writer
            .run("change what jobs ask for", move |connection| {
                Box::pin(async move {
                    let mut edited = Vec::new();
                    for JobEdit {
                        id,
                        revision,
                        columns,
                    } in edits
                    {
                        if set(connection, id, Some(revision), columns, "'QUEUED'").await? {
                            edited.push(id);
                        }
                    }
                    Ok(edited)
                })
            })
            .await
    }
}

/// Sets columns of a job and, by an expression, its state, as an operator does by SQL; on that
/// revision only, where one is given. Returns whether it was set.
pub(super) async fn set(
    connection: &mut SqliteConnection,
    JobId(id): JobId,
    revision: Option<i64>,
    columns: Map<String, Value>,
    state: &'static str,
) -> Result<bool, sqlx::Error> {
    let mut assignments: Vec<_> = columns
        .keys()
        .map(|column| format!("{column} = ?1 ->> '{column}'"))
        .collect();
    assignments.push(format!("state = {state}"));
    let sql = format!(
        "UPDATE jobs SET {} WHERE id = ?2 AND revision = coalesce(?3, revision)",
        assignments.join(", ")
    );
    let set = sqlx::query(AssertSqlSafe(sql))
        .bind(Value::Object(columns).to_string())
        .bind(id)
        .bind(revision)
        .execute(connection)
        .await?;
    Ok(set.rows_affected() > 0)
}
