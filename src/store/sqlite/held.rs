//! What the service said to jobs that wait for the account.

use sqlx::Row as _;

use super::{Store, StoreError, Trying as _, rows};

/// So many of the jobs that were held last are looked at.
const LOOKED_AT: i64 = 64;

impl Store {
    /// Status and text of the rejections for which jobs are PARKED as the account's, other
    /// than for want of credits.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn held_rejections(&self) -> Result<Vec<(u16, String)>, StoreError> {
        let found = sqlx::query(
            "SELECT DISTINCT error_status, error_message FROM \
                 (SELECT error_status, error_message FROM jobs \
                  WHERE state = 'PARKED' AND park_reason = 'credits' \
                  ORDER BY due_at DESC LIMIT ?1) \
             WHERE error_status NOT IN (402, 403)",
        )
        .bind(LOOKED_AT)
        .fetch_all(&self.readers)
        .await
        .trying("read what jobs are held for")?;
        let said = |row| {
            let status = u16::try_from(sqlx::sqlite::SqliteRow::try_get::<i64, _>(row, 0)?);
            let text = rows::text(row, "error_message")?;
            Ok(status.ok().zip(text))
        };
        let found: Result<Vec<_>, sqlx::Error> = found.iter().map(said).collect();
        let found = found.trying("read what jobs are held for")?;
        Ok(found.into_iter().flatten().collect())
    }
}
