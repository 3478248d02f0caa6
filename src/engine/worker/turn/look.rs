//! Where a QUEUED job's turn looks: list, ledger and questions, all of it recorded.

use std::{collections::HashSet, sync::Arc};

use crate::{
    api::Service,
    core::{
        gate::Signal,
        job::{Job, ParserId, UnixMs},
        ledger::LedgerFacts,
        listing::Listing,
        outcome::{NoList, PollOutcome},
        spec::JobSpec,
    },
    engine::{
        account::Permit,
        naming::{self, Lookup, Naming, Plan, Standing},
        worker::Worker,
    },
    store::{JobStore, StoreError},
};

impl<S: Service, D: JobStore> Worker<S, D> {
    /// Which name a create would use, and what the account and the ledger hold under it.
    pub(super) async fn plan(
        &self,
        job: &Job,
        spec: &JobSpec,
        listing: Arc<Listing>,
        read_permit: &mut Permit,
    ) -> Result<Result<Plan, NoList>, StoreError> {
        let mut recorded = Recorded {
            worker: self,
            listing,
            read_permit,
            began_at: self.clock.now(),
        };
        let naming = Naming::by(&self.policy, self.name_tag);
        naming::plan(&mut recorded, job, spec, naming).await
    }
}

struct Recorded<'a, S, D> {
    worker: &'a Worker<S, D>,
    listing: Arc<Listing>,
    read_permit: &'a mut Permit,
    began_at: UnixMs,
}

impl<S: Service, D: JobStore> Lookup for Recorded<'_, S, D> {
    fn listing(&self) -> &Listing {
        &self.listing
    }

    async fn renew(&mut self) -> Result<Result<(), NoList>, StoreError> {
        if self.listing.listed_at >= self.began_at {
            return Ok(Ok(()));
        }
        let listed = self.worker.listing(self.began_at, self.read_permit).await?;
        Ok(listed.map(|listing| self.listing = listing))
    }

    async fn ledger(&mut self, name: &str) -> Result<LedgerFacts, StoreError> {
        self.worker.store.ledger(name).await
    }

    async fn excluded(
        &mut self,
        ids: &[ParserId],
        job: &Job,
    ) -> Result<HashSet<ParserId>, StoreError> {
        self.worker.store.excluded(ids, job).await
    }

    async fn is_anothers(
        &mut self,
        id: &ParserId,
        job: &Job,
        remote_name: &str,
    ) -> Result<bool, StoreError> {
        self.worker.store.is_anothers(id, job.id, remote_name).await
    }

    async fn ask(&mut self, id: &ParserId) -> Result<Result<Standing, NoList>, StoreError> {
        let Worker {
            store,
            service,
            account,
            clock,
            ..
        } = self.worker;
        let described = service.describe(id, None).await;
        let asked = Standing::from(&described.outcome);
        match described.outcome {
            PollOutcome::Refused(refusal, words) => {
                let signal = Signal::Refused(refusal.clone());
                account.report(self.read_permit, &signal, clock.now());
                return Ok(Err(NoList::Refused(refusal, words)));
            }
            PollOutcome::Trouble(words) if words.status.is_none() => {
                account.report(self.read_permit, &Signal::NotConnected, clock.now());
                return Ok(Err(NoList::Trouble(words)));
            }
            PollOutcome::Finished(_)
            | PollOutcome::Generating { .. }
            | PollOutcome::Failed(_)
            | PollOutcome::NotFound(_)
            | PollOutcome::Trouble(_) => {}
        }
        match asked {
            Standing::Usable | Standing::Failed => {
                let name = described.name.as_deref();
                if !self.worker.is_of_this_account(id, name).await? {
                    return Ok(Ok(Standing::Unknown));
                }
                store.mark_found(id.clone()).await?;
            }
            // Where it is known from, it may be.
            Standing::Gone if self.worker.is_foreign(id).await? => {
                return Ok(Ok(Standing::Unknown));
            }
            Standing::Gone => store.mark_gone(id.clone(), clock.now()).await?,
            Standing::Unknown => {}
        }
        Ok(Ok(asked))
    }
}
