//! What is announced: that all jobs came to rest, and how much of the budget is spent.

use super::Daemon;
use crate::{
    api::Service,
    core::{budget::share::AnnouncedShares, progress::AnnouncedBatch},
    store::{BATCH, BUDGET_SHARES, JobStore, StoreError},
};

/// What was announced, as the database has it.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    batch: AnnouncedBatch,
    shares: AnnouncedShares,
    /// Something happened since it was last looked whether all jobs are at rest.
    is_due: bool,
}

impl<S: Service, D: JobStore> Daemon<S, D> {
    /// The same, which announces what happens to no job in particular.
    #[must_use]
    pub fn announcing(mut self) -> Self {
        self.announcer = Some(Announcer::default());
        self
    }

    /// Reads what was announced before.
    pub(super) async fn load_announced(&mut self) -> Result<(), StoreError> {
        let Some(announcer) = &mut self.announcer else {
            return Ok(());
        };
        let store = &self.worker.store;
        announcer.batch = store.fact(BATCH).await?.unwrap_or_default();
        announcer.shares = store.fact(BUDGET_SHARES).await?.unwrap_or_default();
        announcer.is_due = true;
        if announcer.batch.spent.is_none() {
            // What the next batch costs is counted from here, also after a restart.
            announcer.batch.spent = Some(self.worker.account.spent());
            store.keep(BATCH, &announcer.batch).await?;
        }
        Ok(())
    }

    /// Announces that most of the budget is spent, or that there is room again.
    pub(super) async fn announce_budget(&mut self) -> Result<(), StoreError> {
        let Some(announcer) = &mut self.announcer else {
            return Ok(());
        };
        let worker = &self.worker;
        let now = worker.clock.now();
        while let Some((event, shares)) = worker.account.budget_announcement(announcer.shares, now)
        {
            worker
                .store
                .announce(&event, BUDGET_SHARES, &shares, now)
                .await?;
            announcer.shares = shares;
        }
        Ok(())
    }

    /// Something happened: all jobs may be at rest now.
    pub(super) const fn look_for_rest(&mut self) {
        if let Some(announcer) = &mut self.announcer {
            announcer.is_due = true;
        }
    }

    /// Announces that all jobs came to rest, by what ends `run --until-done`; asked only while no
    /// task runs.
    pub(super) async fn announce_rest(&mut self) -> Result<(), StoreError> {
        let is_due = self.announcer.as_ref().is_some_and(|it| it.is_due);
        if !is_due || self.is_moving().await? {
            return Ok(());
        }
        let Self {
            announcer: Some(announcer),
            worker,
            ..
        } = self
        else {
            return Ok(());
        };
        if let Some(figures) = worker.store.batch_since(announcer.batch.event_id).await? {
            let now = worker.clock.now();
            let (event, batch) = figures.announcement(announcer.batch, worker.account.spent(), now);
            worker.store.announce(&event, BATCH, &batch, now).await?;
            announcer.batch = batch;
        }
        announcer.is_due = false;
        Ok(())
    }
}
