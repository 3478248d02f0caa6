//! What a QUEUED job's turn comes to: which name its create uses, and what is there under it.

use std::sync::Arc;

use super::Worker;
use crate::{
    account::Pass,
    api::{Service, types::PollOutcome},
    gate::Signal,
    job::{Job, ParserId},
    lifecycle::{OnExisting, Presence},
    listing::Listing,
    presence::{Finding, Known, PaidFor},
    reconcile::NoList,
    spec::JobSpec,
    store::StoreError,
};

/// How often a name is tried anew when the account already holds FAILED parsers of it.
pub const MAX_RECREATIONS: i64 = 1000;

/// What a QUEUED job's turn comes to.
pub(super) struct Plan {
    pub presence: Presence,
    pub remote_name: String,
    pub recreation: i64,
    /// The parsers that bear the name already.
    pub baseline: Vec<ParserId>,
}

impl<S: Service> Worker<S> {
    /// Which name a create would use, and what the account and the ledger hold under it.
    pub(super) async fn plan(
        &self,
        job: &Job,
        spec: &JobSpec,
        mut listing: Arc<Listing>,
        read_pass: &mut Pass,
    ) -> Result<Result<Plan, NoList>, StoreError> {
        let turn_at = self.clock.now();
        let mut recreation = job.progress.recreation;
        let last_recreation = recreation.saturating_add(MAX_RECREATIONS);
        loop {
            let remote_name =
                spec.remote_name(u32::try_from(recreation).unwrap_or(u32::MAX), self.name_tag);
            let ledger = self.store.ledger(&remote_name).await?;
            // A name that was sent before may have landed since the list was taken.
            if ledger.was_sent && listing.listed_at < turn_at {
                listing = match self.listing(turn_at, read_pass).await? {
                    Ok(listing) => listing,
                    Err(none) => return Ok(Err(none)),
                };
            }
            let named: Vec<_> = listing.named(&remote_name).cloned().collect();
            let mut ids: Vec<_> = named.iter().map(|parser| parser.id.clone()).collect();
            ids.extend(ledger.made.iter().cloned());
            let claimed = self.store.claimed(&ids, job.id).await?;
            let known = Known {
                remote_name: &remote_name,
                named: &named,
                claimed: &claimed,
                ledger: &ledger,
                may_rename: self.name_tag && recreation < last_recreation,
                wants_new: self.policy.on_existing == OnExisting::Create,
            };
            let presence = match known.finding() {
                Finding::Use(presence) => Some(presence),
                Finding::NextName => None,
                Finding::Ask => match self.paid_for(&known, read_pass).await? {
                    Ok(paid_for) => known.after_asking(paid_for),
                    Err(none) => return Ok(Err(none)),
                },
            };
            let Some(presence) = presence else {
                recreation += 1;
                continue;
            };
            return Ok(Ok(Plan {
                presence,
                remote_name,
                recreation,
                baseline: ids,
            }));
        }
    }

    /// What became of parsers that the ledger has under a name and the list has not:
    /// each is asked for by its id, since a list may lag or be partial. So are those
    /// that were answered 404 before: a question costs nothing.
    async fn paid_for(
        &self,
        known: &Known<'_>,
        read_pass: &mut Pass,
    ) -> Result<Result<PaidFor, NoList>, StoreError> {
        let mut found = PaidFor::Nothing;
        for id in known.to_ask() {
            match self.service.details(id).await {
                PollOutcome::Finished(_) | PollOutcome::Generating { .. } => {
                    self.store.mark_found(id.clone()).await?;
                    return Ok(Ok(PaidFor::Usable(id.clone())));
                }
                PollOutcome::Failed(_) => {
                    self.store.mark_found(id.clone()).await?;
                    found = PaidFor::Failed;
                }
                PollOutcome::NotFound(_) => {
                    self.store.mark_gone(id.clone(), self.clock.now()).await?;
                }
                PollOutcome::Refused(refusal, words) => {
                    let signal = Signal::Refused(refusal.clone());
                    self.account.report(read_pass, &signal, self.clock.now());
                    return Ok(Err(NoList::Refused(refusal, words)));
                }
                PollOutcome::Trouble(words) if words.status.is_none() => {
                    let now = self.clock.now();
                    self.account.report(read_pass, &Signal::NotConnected, now);
                    return Ok(Err(NoList::Trouble(words)));
                }
                PollOutcome::Trouble(_) => return Ok(Ok(PaidFor::Unknown)),
            }
        }
        Ok(Ok(found))
    }
}
