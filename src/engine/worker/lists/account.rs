//! Whose a parser is that the service shows: accounts that turn out to be one.

use std::sync::atomic::Ordering;

use crate::{
    api::Service,
    core::{job::ParserId, ledger::KnownParser, listing::Listing, remote_name::Echo},
    engine::{operate, worker::Worker},
    store::{JobStore, StoreError},
};

impl<S: Service, D: JobStore> Worker<S, D> {
    /// The parsers that the list must show. One known from another account that it shows
    /// as well makes the two accounts one.
    pub(super) async fn known_here(
        &self,
        listing: &Listing,
        known: Vec<KnownParser>,
    ) -> Result<Vec<KnownParser>, StoreError> {
        let foreign = self.store.foreign_parsers().await?;
        let mut joined = false;
        for id in foreign {
            if let Some(name) = listing.name_of(&id)
                && self.is_foreign(&id).await?
            {
                joined |= self.is_of_this_account(&id, Some(name)).await?;
            }
        }
        if joined {
            return self.store.known_parsers().await;
        }
        Ok(known)
    }

    /// Whether a parser that the service shows, under this name, is the one that is known by its
    /// id. One known from another account makes the two accounts one; but an id alone proves
    /// nothing, since two services may give the same: their names tell.
    pub(crate) async fn is_of_this_account(
        &self,
        id: &ParserId,
        name: Option<&str>,
    ) -> Result<bool, StoreError> {
        if !self.is_foreign(id).await? {
            return Ok(true);
        }
        if !self.is_the_same(id, name).await? {
            return Ok(false);
        }
        tracing::info!(
            parser_id = %id,
            "a parser that was known before is seen: this is the account of before"
        );
        self.store.join_accounts(id.clone()).await?;
        let taken_up = operate::take_up(&self.store, &self.policy, self.clock.now()).await?;
        if taken_up > 0 {
            self.has_taken_up.store(true, Ordering::Relaxed);
        }
        Ok(true)
    }

    async fn is_the_same(&self, id: &ParserId, name: Option<&str>) -> Result<bool, StoreError> {
        let sent = self.store.names_sent_for(id).await?;
        let is_told = |sent: &Option<String>| match (sent, name) {
            // A person chose it by its id.
            (None, _) => true,
            (Some(_), None) => false,
            (Some(sent), Some(name)) => {
                matches!(Echo::of(sent, name), Echo::Same | Echo::Respelt)
            }
        };
        Ok(sent.iter().any(is_told))
    }

    /// Whether a parser that the service does not have belongs to another account.
    pub(crate) async fn is_foreign(&self, id: &ParserId) -> Result<bool, StoreError> {
        self.store.is_foreign(id).await
    }
}
