//! Rows that no lane would ever claim, or that could never be stored again: they got
//! in past the rules. The daemon ends them at its start, each with a reason, rather
//! than wait or try for ever.

use sqlx::{AssertSqlSafe, Row as _, SqliteExecutor};

use super::{
    queue::bounded,
    rows::{self, JOB_COLUMNS},
};
use crate::core::job::{Job, JobState, ParkReason};

/// What is said of a row whose doubt has a time and no cause, or the other way round.
const HALF_A_DOUBT: &str = "'its create is in doubt with a time and no cause, or the reverse'";

/// Such rows, and how each is broken.
pub(super) async fn broken_rows(
    readers: impl SqliteExecutor<'_>,
    limit: usize,
) -> Result<Vec<(Job, String)>, sqlx::Error> {
    let sql = format!(
        "SELECT {JOB_COLUMNS}, CASE state \
             WHEN 'CREATING' THEN iif(remote_name IS NULL AND part IS NULL, \
                 'it is CREATING without the name that was sent', {HALF_A_DOUBT}) \
             WHEN 'GENERATING' THEN 'it is GENERATING without a parser or without its time' \
             WHEN 'PARKED' THEN {HALF_A_DOUBT} \
             ELSE 'there is no state ' || quote(substr(state, 1, 80)) END AS how \
         FROM jobs WHERE id IN ( \
             {} UNION ALL \
             SELECT id FROM jobs INDEXED BY jobs_creating WHERE state = 'CREATING' \
             AND (remote_name IS NULL AND part IS NULL OR (doubt_since IS NULL) <> (doubt_cause IS NULL)) UNION ALL \
             SELECT id FROM jobs INDEXED BY jobs_parked WHERE state = 'PARKED' \
             AND park_reason IN ({}) \
             AND (doubt_since IS NULL) <> (doubt_cause IS NULL) UNION ALL \
             SELECT id FROM jobs INDEXED BY jobs_generating WHERE state = 'GENERATING' \
             AND (parser_id IS NULL OR generating_since IS NULL)) \
         ORDER BY id LIMIT ?1",
        unknown_states(),
        park_reasons()
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(bounded(limit))
        .fetch_all(readers)
        .await?;
    let broken = rows.iter().map(|row| {
        let state = rows::state(row)?.unwrap_or(JobState::Parked);
        Ok((rows::job_in(row, state)?, row.try_get("how")?))
    });
    broken.collect()
}

fn park_reasons() -> String {
    let known = ParkReason::ALL.iter();
    let quoted: Vec<_> = known.map(|reason| format!("'{reason}'")).collect();
    quoted.join(", ")
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
