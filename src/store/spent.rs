//! What was spent, and on which day.

use sqlx::{Row as _, SqliteExecutor};

use super::{Store, StoreError, Trying as _};
use crate::{
    budget::{DAY_MS, Redated, Spent, utc_day},
    job::UnixMs,
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
    let row = sqlx::query(
        "SELECT coalesce(sum(credits), 0) AS in_all, \
                coalesce(sum(credits) FILTER (WHERE at >= ?1), 0) AS today, \
                coalesce(sum(credits) FILTER (WHERE at >= ?2), 0) AS later, \
                coalesce(sum(credits) FILTER (WHERE at >= ?1 AND at < sent_at), 0) AS redated \
         FROM (SELECT credits, sent_at, coalesce(counted_at, sent_at) AS at \
               FROM creates WHERE outcome <> 'not_made')",
    )
    .bind(utc_day(now) * DAY_MS)
    .bind((utc_day(now) + 1) * DAY_MS)
    .fetch_one(readers)
    .await
    .trying("add up what was spent")?;
    let read = |column| row.try_get(column).trying("read what was spent");
    Ok(Spent {
        in_all: read("in_all")?,
        today: read("today")?,
        later: read("later")?,
        redated: read("redated")?,
    })
}
