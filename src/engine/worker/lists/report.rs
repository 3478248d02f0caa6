//! What a list says of itself is kept, and what is odd about the account is logged once.

use std::sync::PoisonError;

use crate::{
    api::Service,
    core::{
        job::UnixMs,
        listing::Listing,
        oddities::{ListReport, Reported},
        outcome::Flaws,
    },
    engine::worker::Worker,
    store::{JobStore, LIST_REPORT, StoreError},
};

/// What the last lists were like.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// Of how many items the last one was.
    items: Option<usize>,
    /// What is stored, as far as that is known.
    stored: Option<ListReport>,
    /// What was logged.
    told: Vec<Reported>,
    /// When it was last looked for anything odd.
    looked_at: UnixMs,
}

/// How often it is looked for what no list tells by itself.
const LOOK_INTERVAL_MS: u64 = 60_000;

impl Reports {
    /// What a list of so many items says of itself. That its length is round counts only
    /// where the last one had the same: one that grows is round now and then.
    fn take_in(&mut self, items: usize, flaws: &Flaws) -> ListReport {
        let before = self.items.replace(items);
        let mut report = ListReport::of(items, flaws);
        report.round_length = report.round_length.filter(|_| before == Some(items));
        report
    }
}

impl<S: Service, D: JobStore> Worker<S, D> {
    /// Takes in a list of so many items that was read whole.
    pub(super) async fn report_list(
        &self,
        listing: &Listing,
        items: usize,
        flaws: &Flaws,
        has_news: bool,
    ) -> Result<(), StoreError> {
        // Whether `null` stands for an empty list says nothing new of what there is.
        let showed_any = flaws.is_null
            && self
                .store
                .fact(LIST_REPORT)
                .await?
                .unwrap_or_default()
                .shows_any;
        let (report, is_stored) = {
            let mut reports = self.lists.reports();
            let mut report = ListReport {
                altered: self.lists.altered(),
                cut_to_chars: listing.cut_to_chars,
                distrust: listing.distrust.clone(),
                ..reports.take_in(items, flaws)
            };
            report.shows_any |= showed_any;
            let is_stored = reports.stored.as_ref() == Some(&report);
            (report, is_stored)
        };
        if !is_stored {
            if self.store.fact(LIST_REPORT).await?.unwrap_or_default() != report {
                self.store.keep(LIST_REPORT, &report).await?;
            }
            self.lists.reports().stored = Some(report);
        }
        let now = self.clock.now();
        let is_due = now.abs_diff(self.lists.reports().looked_at) >= LOOK_INTERVAL_MS;
        if is_stored && !has_news && !is_due {
            return Ok(());
        }
        self.lists.reports().looked_at = now;
        let settle_ms = self.policy.settle_after_error_ms;
        let facts = self.store.account_facts(settle_ms, now).await?;
        let mut reports = self.lists.reports();
        let (news, told) = facts.unreported(&reports.told);
        reports.told = told;
        drop(reports);
        for finding in news {
            tracing::warn!(
                kind = finding.kind.as_str(),
                cause = finding.cause,
                cure = finding.cure,
                "the account is not as it should be"
            );
        }
        Ok(())
    }
}

impl super::Lists {
    fn reports(&self) -> std::sync::MutexGuard<'_, Reports> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last altered name: as it was sent, and as it is listed.
    fn altered(&self) -> Option<(String, String)> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_round_only_where_it_stays() {
        let mut reports = Reports::default();
        let none = Flaws::default();
        for (items, expected) in [
            (99, None),
            (100, None),
            (101, None),
            (150, None),
            (150, Some(150)),
            (150, Some(150)),
            (151, None),
        ] {
            let report = reports.take_in(items, &none);
            assert_eq!(report.round_length, expected, "{items}");
        }
    }
}
