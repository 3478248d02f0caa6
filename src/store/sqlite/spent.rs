//! What was spent, and on which day.

use sqlx::{AssertSqlSafe, Row as _, SqliteExecutor, sqlite::SqliteRow};

use super::{Store, StoreError, Trying as _};
use crate::{
    core::budget::{DAY_MS, Redated, Spent, utc_day},
    core::job::UnixMs,
};

impl Store {
    /// The credits of every create not known to have made nothing, by the UTC day of `now`.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn spent(&self, now: UnixMs) -> Result<Spent, StoreError> {
        spent(&self.readers, now).await
    }

    /// From now on, creates that are dated later than `after` count as spent at `now`: a
    /// clock that was ahead dated them. Returns which they were.
    ///
    /// # Errors
    /// Whatever SQLite says; then none was changed.
    pub async fn count_redated(&self, now: UnixMs, after: UnixMs) -> Result<Redated, StoreError> {
        self.writer
            .run("count creates that are dated ahead", move |connection| {
                Box::pin(async move {
                    let credits: Vec<i64> = sqlx::query_scalar(
                        "UPDATE creates SET counted_at = ?1 \
                         WHERE sent_at > ?2 AND counted_at IS NULL RETURNING \
                         CASE outcome WHEN 'not_made' THEN 0 ELSE credits END",
                    )
                    .bind(now)
                    .bind(after)
                    .fetch_all(connection)
                    .await?;
                    Ok(Redated {
                        creates: credits.len(),
                        credits: credits.into_iter().fold(0, i64::saturating_add),
                    })
                })
            })
            .await
    }
}

pub(super) async fn spent(
    readers: impl SqliteExecutor<'_>,
    now: UnixMs,
) -> Result<Spent, StoreError> {
    let row = sqlx::query(AssertSqlSafe(format!(
        "SELECT {}, {}, {}, {} \
         FROM (SELECT credits, sent_at, coalesce(counted_at, sent_at) AS at \
               FROM creates WHERE outcome <> 'not_made')",
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

/// Bits of the lower half of a sum.
const LOW_BITS: u32 = 32;

/// The credits of the rows for which `condition` holds, in two columns: a sum of SQLite's that
/// overflows is an error, and the halves of two thousand million numbers do not.
fn sum(condition: &str, name: &str) -> String {
    let low = u32::MAX;
    format!(
        "coalesce(sum(credits >> {LOW_BITS}) FILTER (WHERE {condition}), 0) AS {name}_high, \
         coalesce(sum(credits & {low}) FILTER (WHERE {condition}), 0) AS {name}_low"
    )
}

/// The two put together; the most that a number holds where it is more.
fn total(row: &SqliteRow, name: &str) -> Result<i64, sqlx::Error> {
    let half = |which: &str| row.try_get::<i64, _>(format!("{name}_{which}").as_str());
    let total = (i128::from(half("high")?) << LOW_BITS) + i128::from(half("low")?);
    Ok(i64::try_from(total).unwrap_or(if total < 0 { i64::MIN } else { i64::MAX }))
}
