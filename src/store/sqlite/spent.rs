//! What was spent, and on which day.

use sqlx::{AssertSqlSafe, Row as _, SqliteExecutor, sqlite::SqliteRow};

use super::{StoreError, Trying as _};
use crate::core::{
    budget::{DAY_MS, Spent, utc_day},
    job::UnixMs,
};

/// Everything that counts as spent, a row a request: for which job, how much, when it was sent, and
/// at what time it counts.
pub(super) const COUNTED: &str = "SELECT job_id, credits, sent_at, \
        coalesce(counted_at, sent_at) AS at, 1 AS is_create \
    FROM creates WHERE outcome <> 'not_made' \
    UNION ALL SELECT job_id, credits, sent_at, sent_at, 0 FROM updates WHERE outcome <> 'not_made' \
    UNION ALL SELECT job_id, credits, sent_at, sent_at, 0 FROM parses \
    UNION ALL SELECT job_id, credits, sent_at, sent_at, 0 FROM fetches";

pub(super) async fn spent(
    readers: impl SqliteExecutor<'_>,
    now: UnixMs,
) -> Result<Spent, StoreError> {
    let row = sqlx::query(AssertSqlSafe(format!(
        "SELECT {}, {}, {}, {} \
         FROM ({COUNTED})",
        sum("true", "in_all"),
        sum("at >= ?1", "today"),
        sum("at >= ?2", "later"),
        sum("at >= ?1 AND at < sent_at", "redated"),
    )))
    .bind(utc_day(now) * DAY_MS)
    .bind((utc_day(now) + 1) * DAY_MS)
    .fetch_one(readers)
    .await
    .trying("add up what was spent")?;
    let read = |name| total(&row, name).trying("read what was spent");
    Ok(Spent {
        in_all: read("in_all")?,
        today: read("today")?,
        later: read("later")?,
        redated: read("redated")?,
    })
}

/// As [`crate::store::ports::Ledger::spent_by_ladder`].
pub(super) async fn spent_by_ladder(
    readers: impl SqliteExecutor<'_>,
    now: UnixMs,
) -> Result<i64, StoreError> {
    const TRYING: &str = "add up what the ladder spent";
    let row = sqlx::query(AssertSqlSafe(format!(
        "SELECT {} FROM creates \
         WHERE escalated AND outcome <> 'not_made' AND coalesce(counted_at, sent_at) >= ?1",
        sum("true", "ladder"),
    )))
    .bind(utc_day(now) * DAY_MS)
    .fetch_one(readers)
    .await
    .trying(TRYING)?;
    total(&row, "ladder").trying(TRYING)
}

/// What all fetches count as having cost.
pub(super) async fn spent_on_fetches(readers: impl SqliteExecutor<'_>) -> Result<i64, StoreError> {
    let sql = format!("SELECT {} FROM fetches", sum("true", "fetches"));
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(readers).await;
    let row = row.trying("add up what fetches cost")?;
    total(&row, "fetches").trying("read what fetches cost")
}

/// Bits of the lower half of a sum.
const LOW_BITS: u32 = 32;

/// The credits of the rows for which `condition` holds, in two columns: a sum of SQLite's that
/// overflows is an error, and the halves of two thousand million numbers do not.
pub(super) fn sum(condition: &str, name: &str) -> String {
    let low = u32::MAX;
    format!(
        "coalesce(sum(credits >> {LOW_BITS}) FILTER (WHERE {condition}), 0) AS {name}_high, \
         coalesce(sum(credits & {low}) FILTER (WHERE {condition}), 0) AS {name}_low"
    )
}

/// The two put together; the most that a number holds where it is more.
pub(super) fn total(row: &SqliteRow, name: &str) -> Result<i64, sqlx::Error> {
    let half = |which: &str| row.try_get::<i64, _>(format!("{name}_{which}").as_str());
    let total = (i128::from(half("high")?) << LOW_BITS) + i128::from(half("low")?);
    Ok(i64::try_from(total).unwrap_or(if total < 0 { i64::MIN } else { i64::MAX }))
}
