//! Creates in doubt, and parsers that were answered 404: what a list shows of them.

use std::{collections::HashSet, sync::Arc};

use futures_util::{StreamExt as _, stream};

use crate::{
    api::Service,
    core::{
        job::{Action, Job, JobState, ParserId, UnixMs},
        lifecycle::{Event, Evidence},
        listing::{Apart, Listing},
        outcome::{NoList, is_gateways},
    },
    engine::{
        account::Permit,
        worker::{Done, Worker},
    },
    store::{ELSEWHERE, Intent, JobStore, StoreError},
};

/// How many creates in doubt are looked up in a list at once.
const SEARCHES_AT_ONCE: usize = 32;

impl<S: Service, D: JobStore> Worker<S, D> {
    /// Looks for creates in doubt in one fresh list.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn reconcile(
        &self,
        jobs: Vec<Job>,
        mut permit: Permit,
    ) -> Result<Vec<Done>, StoreError> {
        let result = self.reconcile_with(jobs, &mut permit).await;
        drop(permit);
        self.after_report().await;
        result
    }

    async fn reconcile_with(
        &self,
        jobs: Vec<Job>,
        permit: &mut Permit,
    ) -> Result<Vec<Done>, StoreError> {
        let (jobs, changes): (Vec<_>, Vec<_>) = jobs
            .into_iter()
            .partition(|job| job.action == Action::Create);
        let mut done = Vec::with_capacity(changes.len());
        for job in changes {
            done.push(self.look_for_change(job, permit).await?);
        }
        if jobs.is_empty() {
            return Ok(done);
        }
        let asked_at = self.clock.now();
        let listing = self.listing(asked_at, permit).await?;
        // Without tags two jobs may take one parser for theirs: one after the other.
        let at_once = if self.name_tag { SEARCHES_AT_ONCE } else { 1 };
        let settling = stream::iter(jobs)
            .map(|job| self.reconcile_one(job, &listing, asked_at))
            .buffer_unordered(at_once);
        let settled: Vec<_> = settling.collect().await;
        // A row that cannot be stored must not stand in the way of the others.
        for settled in settled {
            done.push(settled?);
        }
        Ok(done)
    }

    async fn reconcile_one(
        &self,
        mut job: Job,
        listing: &Result<Arc<Listing>, NoList>,
        asked_at: UnixMs,
    ) -> Result<Done, StoreError> {
        let (evidence, listed_at) = match listing {
            Ok(listing) => (self.evidence_for(&job, listing).await?, listing.listed_at),
            Err(NoList::Refused(..)) => (Evidence::NoList, asked_at),
            // An answer that is not a list is a list that cannot be trusted; an
            // outage is waited out.
            Err(NoList::Trouble(words)) => match words.status {
                Some(status) if is_gateways(status) => (Evidence::NoList, asked_at),
                Some(_) => (Evidence::Inconclusive(words.message.clone()), asked_at),
                // Nor does one that was not asked for say anything.
                None => (Evidence::NoList, asked_at),
            },
        };
        let event = Event::Reconciled {
            evidence,
            listed_at,
        };
        if let Some(change) = self.transition(&job, event) {
            self.apply(&mut job, change, Intent::default()).await?;
            // A create that was sent at another address, and its parser is here: the next list
            // would say so, too, but the parser may be gone by then.
            if let (JobState::Generating, Some(id), Ok(listing)) =
                (job.progress.state, &job.progress.parser_id, listing)
            {
                self.is_of_this_account(id, listing.name_of(id)).await?;
            }
        }
        Ok(Done::of(&job))
    }

    async fn evidence_for(&self, job: &Job, listing: &Listing) -> Result<Evidence, StoreError> {
        let Some(name) = &job.progress.remote_name else {
            return Ok(Evidence::Inconclusive(
                "the name that was sent is not recorded".to_owned(),
            ));
        };
        let ledger = self.store.ledger(name).await?;
        let listed = listing
            .bearing(name)
            .into_iter()
            .chain(listing.cut_from(name));
        let mut ids: Vec<_> = listed.map(|parser| parser.id.clone()).collect();
        let strangers = self.store.strangers_since(ledger.newest).await?;
        ids.extend_from_slice(&strangers);
        let excluded = self.store.excluded(&ids, job).await?;
        // Without a create in doubt it is one that counted as not made and landed since.
        let baseline = match &ledger.refuted_baseline {
            Some(refuted) if !ledger.pending => refuted,
            Some(_) | None => &ledger.baseline,
        };
        let apart = Apart {
            baseline,
            excluded: &excluded,
        };
        let evidence =
            listing.evidence_for(name, apart, &strangers, ledger.refuted_baseline.is_some());
        Ok(match evidence {
            Evidence::Absent if ledger.is_elsewhere => Evidence::Inconclusive(ELSEWHERE.to_owned()),
            evidence => evidence,
        })
    }

    /// What a list shows of a job's parser that was answered 404.
    pub(crate) async fn evidence_for_lost(
        &self,
        job: &Job,
        id: &ParserId,
        listing: &Listing,
    ) -> Result<Evidence, StoreError> {
        let sent = job.progress.remote_name.as_deref();
        let (baseline, excluded) = match sent {
            Some(name) if !listing.holds(id) => {
                let ids: Vec<_> = listing
                    .bearing(name)
                    .iter()
                    .map(|it| it.id.clone())
                    .collect();
                let ledger = self.store.ledger(name).await?;
                // Those that were there before each create of the name, and those that
                // other creates of it made.
                let baseline = ledger.made_baseline.into_iter().chain(ledger.made);
                (baseline.collect(), self.store.excluded(&ids, job).await?)
            }
            Some(_) | None => (Vec::new(), HashSet::new()),
        };
        let apart = Apart {
            baseline: &baseline,
            excluded: &excluded,
        };
        Ok(listing.evidence_for_lost(id, sent, apart))
    }
}
