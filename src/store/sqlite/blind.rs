//! That no list of the account can be had, for whoever looks.

use super::{Store, StoreError};
use crate::core::blind::NoListSince;

/// The key under which it is kept; the value is JSON, and empty where lists can be had.
const KEY: &str = "no_list";

impl Store {
    /// Since when and why no list of the account can be had, if it cannot.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn no_list(&self) -> Result<Option<NoListSince>, StoreError> {
        let text = self.meta(KEY).await?;
        // What cannot be read was not written by this version: the next list says it anew.
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Keeps it.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn set_no_list(&self, no_list: Option<&NoListSince>) -> Result<(), StoreError> {
        let text = no_list.map(|no_list| serde_json::json!(no_list).to_string());
        self.set_meta(KEY, text.unwrap_or_default()).await
    }
}
