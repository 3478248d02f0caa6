//! What is odd about the account, for commands that have just asked for its list.

use crate::config::{Settings, millis};
use crate::core::job::UnixMs;
use crate::core::listing::Listing;
use crate::core::oddities::{AccountFacts, ListReport};
use crate::store::{JobStore, Store, StoreError};

/// By the list that was just had, or else the daemon's last one, and the database, as far as
/// there are.
pub(super) async fn facts(
    settings: &Settings,
    store: Option<&Store>,
    list: Option<(&Listing, ListReport)>,
    now: UnixMs,
) -> Result<AccountFacts, StoreError> {
    let settle_ms = millis(settings.reconcile.settle_after_error);
    match (store, list) {
        (Some(store), Some((listing, report))) => {
            store
                .account_facts_of(listing, report, settle_ms, now)
                .await
        }
        (Some(store), None) => store.account_facts(settle_ms, now).await,
        (None, Some((_, list))) => Ok(AccountFacts {
            list,
            ..AccountFacts::default()
        }),
        (None, None) => Ok(AccountFacts::default()),
    }
}
