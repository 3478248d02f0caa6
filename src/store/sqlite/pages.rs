//! The example pages that jobs have.

use futures_util::TryStreamExt as _;

use super::{Store, StoreError, Trying as _};

impl Store {
    /// Hands on the pages of all jobs that hold their name, each with that name. A row that another
    /// program spoilt has none.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn each_page(&self, mut take: impl FnMut(&str, &str)) -> Result<(), StoreError> {
        const TRYING: &str = "read the pages of jobs";
        let mut rows = sqlx::query_as::<_, (String, String)>(
            "SELECT jobs.name, page.value FROM jobs, \
                 json_each(CASE WHEN json_valid(urls) THEN urls ELSE '[]' END) AS page \
             WHERE state <> 'CANCELLED' AND action = 'create' AND released_at IS NULL \
                 AND page.type = 'text'",
        )
        .fetch(&self.readers);
        while let Some((name, url)) = rows.try_next().await.trying(TRYING)? {
            take(&name, &url);
        }
        Ok(())
    }
}
