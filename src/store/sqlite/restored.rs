//! What a copy that was put in the database's place knows.

use super::{Store, StoreError, Trying as _};
use crate::{core::job::UnixMs, core::restored::Restored};

/// The key under which it is kept; the value is JSON.
const KEY: &str = "restored";

impl Store {
    /// When a daemon last did something that this database knows of; 0 where there is no such
    /// thing. What people and other programs do is no matter: they may have done it since the
    /// copy was put in place.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn knows_until(&self) -> Result<UnixMs, StoreError> {
        sqlx::query_scalar(
            "SELECT max(coalesce((SELECT at FROM job_events \
                    WHERE event NOT IN ('queued', 'requeued', 'cancelled', 'changed') \
                    ORDER BY id DESC LIMIT 1), 0), \
                 coalesce((SELECT sent_at FROM creates ORDER BY id DESC LIMIT 1), 0))",
        )
        .fetch_one(&self.readers)
        .await
        .trying("look up what the database knows last")
    }

    /// The last time that the database turned out not to be the one that was written last.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn restored(&self) -> Result<Option<Restored>, StoreError> {
        let text = self.meta(KEY).await?;
        // What cannot be read was not written by this version.
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Keeps that it did, and what it knew then.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn note_restored(&self, now: UnixMs) -> Result<(), StoreError> {
        let restored = Restored {
            knows_until: self.knows_until().await?,
            noticed_at: now,
            is_trusted: false,
        };
        self.keep_restored(restored).await
    }

    /// Keeps that a person trusts this copy, if it is one.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn trust_restored(&self) -> Result<(), StoreError> {
        match self.restored().await? {
            Some(restored) => {
                let is_trusted = true;
                self.keep_restored(Restored {
                    is_trusted,
                    ..restored
                })
                .await
            }
            None => Ok(()),
        }
    }

    async fn keep_restored(&self, restored: Restored) -> Result<(), StoreError> {
        let text = serde_json::json!(restored).to_string();
        self.set_meta(KEY, text).await
    }
}
