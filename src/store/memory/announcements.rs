//! Events of no job. Those of the gates are SQLite's own matter.

use std::collections::{BTreeMap, BTreeSet};

use super::Memory;
use crate::{
    core::{
        event::general::GeneralEvent,
        job::{JobState, UnixMs},
        progress::{BATCH_BEGINS, BatchFigures, OF_NO_BATCH},
    },
    store::{StoreError, ports::Announcements},
};

impl Announcements for Memory {
    /// The id of an event is its place, counted from 1.
    async fn batch_since(&self, after: i64) -> Result<Option<BatchFigures>, StoreError> {
        let tables = self.tables();
        let some = tables
            .events
            .iter()
            .skip(usize::try_from(after).unwrap_or_default());
        let begins = |name: &str| BATCH_BEGINS.contains(&name);
        if !some.clone().any(|row| begins(row.event.name())) {
            return Ok(None);
        }
        let mut some = some.filter(|row| !OF_NO_BATCH.contains(&row.event.name()));
        let Some(first) = some.next() else {
            return Ok(None);
        };
        let jobs: BTreeSet<_> = std::iter::once(first)
            .chain(some)
            .map(|row| row.job_id)
            .collect();
        let mut states: BTreeMap<JobState, i64> = BTreeMap::new();
        for row in jobs.iter().filter_map(|id| tables.jobs.get(id)) {
            *states.entry(row.job.progress.state).or_default() += 1;
        }
        Ok(Some(BatchFigures {
            last_event: i64::try_from(tables.events.len()).unwrap_or(i64::MAX),
            started_at: first.at,
            states,
        }))
    }

    async fn add_event(
        &self,
        event: &GeneralEvent,
        key: &'static str,
        value: String,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let tables = &mut *self.tables();
        tables.general_events.push((now, event.clone()));
        tables.meta.insert(key.to_owned(), value);
        Ok(())
    }
}
