//! Rows that no lane would ever claim, or that could never be stored again: they got
//! in past the rules. The daemon ends them at its start, each with a reason, rather
//! than wait or try for ever.

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use crate::core::job::JobState;

/// Ends every such job FAILED, with a line of history; returns how many.
pub(super) async fn broken_rows(connection: &mut SqliteConnection) -> Result<usize, sqlx::Error> {
    let broken = format!(
        "{} UNION ALL \
         SELECT id FROM jobs INDEXED BY jobs_creating WHERE state = 'CREATING' \
         AND remote_name IS NULL UNION ALL \
         SELECT id FROM jobs INDEXED BY jobs_generating WHERE state = 'GENERATING' \
         AND (parser_id IS NULL OR generating_since IS NULL)",
        unknown_states()
    );
    let ids: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(broken))
        .fetch_all(&mut *connection)
        .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let list = json!(ids).to_string();
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    // A parser that is known may still finish: a retry polls it, and pays nothing.
    sqlx::query(
        "UPDATE jobs SET state = 'FAILED', revision = revision + 1, park_reason = NULL, \
         doubt_since = NULL, doubt_cause = NULL, error_status = NULL, \
         error_kind = CASE WHEN parser_id IS NULL THEN 'bad_request' ELSE 'generation_timeout' END, \
         error_message = 'the row was changed past the database''s rules: ' || CASE state \
             WHEN 'CREATING' THEN 'it is CREATING without the name that was sent' \
             WHEN 'GENERATING' THEN 'it is GENERATING without a parser or without its time' \
             ELSE 'there is no state ' || quote(substr(state, 1, 80)) END, \
         error_hint = '`parserd retry` queues the job again, `parserd cancel` calls it off', \
         updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER), \
         finished_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) \
         WHERE id IN (SELECT value FROM json_each(?1))",
    )
    .bind(&list)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "INSERT INTO job_events (job_id, at, event, detail) \
         SELECT id, updated_at, 'failed', \
             json_object('error_kind', error_kind, 'message', error_message) \
         FROM jobs WHERE id IN (SELECT value FROM json_each(?1))",
    )
    .bind(&list)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(ids.len())
}

/// The ids of jobs whose state lies between the known ones: a few steps in the index,
/// however long the history.
fn unknown_states() -> String {
    let mut known: Vec<_> = JobState::ALL.iter().map(|state| state.as_str()).collect();
    known.sort_unstable();
    let range =
        |condition: String| format!("SELECT id FROM jobs INDEXED BY jobs_state WHERE {condition}");
    let first = known.first().map(|state| format!("state < '{state}'"));
    let last = known.last().map(|state| format!("state > '{state}'"));
    let between = known
        .windows(2)
        .map(|pair| format!("state > '{}' AND state < '{}'", pair[0], pair[1]));
    let ranges: Vec<_> = first
        .into_iter()
        .chain(between)
        .chain(last)
        .map(range)
        .collect();
    ranges.join(" UNION ALL ")
}
