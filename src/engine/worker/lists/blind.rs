//! Lists that cannot be read, in part or at all: what they hide, and who is told.

use std::collections::HashSet;

use crate::{
    api::Service,
    core::{
        blind::Blindness,
        ledger::KnownParser,
        listing::Listing,
        outcome::{ErrorDetail, Flaws},
    },
    engine::worker::Worker,
    store::{JobStore, LIST_REPORT, NO_LIST, StoreError},
};

impl<S: Service, D: JobStore> Worker<S, D> {
    /// A list came: if there was none for a while, that is over.
    pub(super) async fn see(&self) -> Result<(), StoreError> {
        let mut blindness = self.lists.blindness.lock().await;
        let was_blind = match &*blindness {
            Some(known) => known.reported().is_some(),
            None => self.store.fact(NO_LIST).await?.flatten().is_some(),
        };
        if was_blind {
            self.store.keep(NO_LIST, &None).await?;
            tracing::info!("the account's list can be had again");
        }
        *blindness = Some(Blindness::default());
        Ok(())
    }

    /// An answer was not a list: whoever looks is told since when, and why.
    pub(super) async fn go_blind(&self, words: &ErrorDetail) -> Result<(), StoreError> {
        let mut blindness = self.lists.blindness.lock().await;
        let before = match blindness.take() {
            Some(known) => known,
            None => Blindness::left(self.store.fact(NO_LIST).await?.flatten()),
        };
        let after = before.clone().after(words, self.clock.now());
        if before.reported() != after.reported() {
            // Should it fail, the next answer reads what is stored, and tries again.
            self.store.keep(NO_LIST, &after.reported().cloned()).await?;
        }
        *blindness = Some(after);
        Ok(())
    }

    /// Whether the account's list cannot be had and only a person can change that.
    pub async fn is_blind(&self) -> bool {
        let blindness = self.lists.blindness.lock().await;
        let patience_ms = self.policy.retry.max_interval_ms;
        let now = self.clock.now();
        (blindness.as_ref()).is_some_and(|known| known.is_lasting(now, patience_ms))
    }

    /// [`why_distrust`](Self::why_distrust), of a list of which not all can be read; the words
    /// where it is none at all.
    pub(super) async fn why_distrust_flawed(
        &self,
        listing: &mut Listing,
        flaws: &Flaws,
        mut known: Vec<KnownParser>,
    ) -> Result<Result<Option<String>, ErrorDetail>, StoreError> {
        let nameless: HashSet<_> = flaws.nameless.iter().collect();
        let seen: HashSet<_> = known
            .iter()
            .filter(|parser| nameless.contains(&parser.id))
            .map(|parser| parser.id.clone())
            .collect();
        if let Some(why) = flaws.hide(|id| seen.contains(id)) {
            return Ok(Ok(Some(why)));
        }
        known.retain(|parser| !seen.contains(&parser.id));
        let why = self.why_distrust(listing, known).await?;
        Ok(match (flaws.is_null, why) {
            (false, why) => Ok(why),
            (true, None)
                if self
                    .store
                    .fact(LIST_REPORT)
                    .await?
                    .unwrap_or_default()
                    .shows_any =>
            {
                Err(ErrorDetail {
                    status: Some(200),
                    message: "null in the place of the account's list, which showed parsers before"
                        .to_owned(),
                })
            }
            // Some services say so of an empty list.
            (true, None) => Ok(Some("it is null where a list should be".to_owned())),
            (true, Some(why)) => Err(ErrorDetail {
                status: Some(200),
                message: format!("null in the place of the account's list: {why}"),
            }),
        })
    }
}
