//! All names at once.

use futures_util::TryStreamExt as _;

use super::{Store, StoreError, Trying as _};

impl Store {
    /// Goes over the names, with their ids, of jobs that are not CANCELLED and may look like
    /// one of `looks`, which are in lower case: plain names that are it but for case, and
    /// all that are not plain. In no order, as they come; read from the index of names.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn each_name_like(
        &self,
        looks: &[&str],
        mut look: impl FnMut(i64, &str),
    ) -> Result<(), StoreError> {
        const TRYING: &str = "look through the names";
        let mut rows = sqlx::query_as::<_, (i64, Vec<u8>)>(
            "SELECT id, CAST(name AS BLOB) FROM jobs WHERE state <> 'CANCELLED' \
             AND (name GLOB '*[^!-~]*' OR lower(name) IN (SELECT value FROM json_each(?1)))",
        )
        .bind(serde_json::json!(looks).to_string())
        .fetch(&self.readers);
        while let Some((id, name)) = rows.try_next().await.trying(TRYING)? {
            // A name that is not UTF-8 is like no name of a file.
            if let Ok(name) = std::str::from_utf8(&name) {
                look(id, name);
            }
        }
        Ok(())
    }
}
