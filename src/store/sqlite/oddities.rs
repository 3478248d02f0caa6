//! What is odd about the account by a list that was just had, as far as the database knows.

use super::{Store, StoreError};
use crate::{
    core::{
        job::{DurationMs, UnixMs},
        ledger::Stranger,
        listing::Listing,
        oddities::{AccountFacts, ListReport, MOST_NAMED, Unexplained},
    },
    store::ports::{JobStore as _, Ledger as _},
};

impl Store {
    /// As [`JobStore::account_facts`](crate::store::JobStore::account_facts), by a list that was
    /// just had: nothing of it is recorded.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn account_facts_of(
        &self,
        listing: &Listing,
        report: ListReport,
        settle_after_error_ms: DurationMs,
        now: UnixMs,
    ) -> Result<AccountFacts, StoreError> {
        let mut facts = self.account_facts(settle_after_error_ms, now).await?;
        facts.list = ListReport {
            altered: facts.list.altered.take(),
            cut_to_chars: facts.list.cut_to_chars,
            ..report
        };
        facts.unexplained = self.unexplained_in(listing, now).await?;
        Ok(facts)
    }

    /// Those of a list.
    async fn unexplained_in(
        &self,
        listing: &Listing,
        now: UnixMs,
    ) -> Result<Unexplained, StoreError> {
        let mut found = Unexplained::default();
        for stranger in self.strangers_in(listing, now).await? {
            let Some(name) = &stranger.remote_name else {
                continue;
            };
            if self.ledger(name).await?.pending {
                continue;
            }
            found.count += 1;
            if found.first.len() < MOST_NAMED {
                found.first.push(stranger);
            }
        }
        Ok(found)
    }

    /// All of a list that nothing explains.
    async fn strangers_in(
        &self,
        listing: &Listing,
        now: UnixMs,
    ) -> Result<Vec<Stranger>, StoreError> {
        let listed: Vec<_> = listing.items().iter().collect();
        let mut found = Vec::new();
        for step in listed.chunks(super::strangers::STEP) {
            for parser in self.unexplained(step, listing).await? {
                let text = |key: &str| parser[key].as_str().map(str::to_owned);
                found.push(Stranger {
                    id: crate::core::job::ParserId(text("id").unwrap_or_default()),
                    name: text("name").unwrap_or_default(),
                    remote_name: text("remote_name"),
                    seen_at: now,
                });
            }
        }
        Ok(found)
    }
}
