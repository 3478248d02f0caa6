//! Under which names creates of a job were sent.

use super::{Store, StoreError, Trying as _};
use crate::core::job::JobId;

impl Store {
    /// The names under which creates of this job are on record, the newest first.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn sent_names(&self, id: JobId) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar(
            "SELECT remote_name FROM creates WHERE job_id = ?1 \
             GROUP BY remote_name ORDER BY max(id) DESC",
        )
        .bind(id.0)
        .fetch_all(&self.readers)
        .await
        .trying("look up the names of a job's creates")
    }
}
