//! What is due, what gates are closed, what is kept: each question a walk over the tables.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{
    Memory,
    tables::{StoredJob, Tables},
};
use crate::{
    core::{
        field_changes::FieldChanges,
        gate::{Closure, Scope},
        job::{Action, Job, JobId, JobState, ParkReason, UnixMs},
        quality::Wanted,
        spec::JobSpec,
    },
    store::{
        ParkedFirst, StoreError,
        ports::{Asked, Commits, Facts, Gates, JobStore, Lane, Order, Queue, QueuedJob},
    },
};

/// Nobody else commits unseen: whoever changes the tables says so.
#[derive(Debug)]
pub(crate) struct Quiet;

impl Commits for Quiet {
    async fn next(&mut self) -> Result<(), StoreError> {
        std::future::pending().await
    }
}

impl JobStore for Memory {
    type Commits = Quiet;

    async fn commits(&self) -> Result<Quiet, StoreError> {
        Ok(Quiet)
    }

    fn still_has_its_file(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }
}

/// Those of a lane that are due, longest due first.
fn due(tables: &Tables, lane: Lane, now: UnixMs) -> Vec<&StoredJob> {
    let mut rows: Vec<_> = waiting(tables, lane)
        .filter(|row| row.job.progress.due_at <= now)
        .collect();
    rows.sort_by_key(|row| (row.job.progress.due_at, row.job.id));
    rows
}

fn waiting(tables: &Tables, lane: Lane) -> impl Iterator<Item = &StoredJob> {
    let state = match lane {
        Lane::Create => JobState::Queued,
        Lane::Reconcile => JobState::Creating,
        Lane::Poll => JobState::Generating,
    };
    let rows = tables.in_state(state);
    rows.filter(move |row| match lane {
        Lane::Create => !row.job.requested.any(),
        Lane::Reconcile => row.job.progress.doubt.is_some(),
        Lane::Poll => true,
    })
}

fn jobs<'t>(rows: impl IntoIterator<Item = &'t StoredJob>, limit: usize) -> Vec<Job> {
    let rows = rows.into_iter().take(limit);
    rows.map(|row| row.job.clone()).collect()
}

fn order(row: &StoredJob) -> Result<Order, String> {
    let order = match row.job.action {
        Action::Create => JobSpec::from_columns(
            &row.job.name,
            &row.urls,
            row.scraper_params.as_deref(),
            row.fields.as_deref(),
        )
        .map(Order::Create),
        Action::Update => {
            FieldChanges::from_json(row.change.as_deref().unwrap_or_default()).map(Order::Update)
        }
        Action::Delete => Ok(Order::Delete),
    };
    order.map_err(|error| error.to_string())
}

impl Queue for Memory {
    async fn due_creates(&self, now: UnixMs, limit: usize) -> Result<Vec<QueuedJob>, StoreError> {
        let tables = self.tables();
        let mut rows = due(&tables, Lane::Create, now);
        rows.sort_by_key(|row| -row.priority);
        let queued = rows.into_iter().take(limit).map(|row| QueuedJob {
            job: row.job.clone(),
            order: order(row),
        });
        Ok(queued.collect())
    }

    async fn due_doubts(&self, now: UnixMs, limit: usize) -> Result<Vec<Job>, StoreError> {
        Ok(jobs(due(&self.tables(), Lane::Reconcile, now), limit))
    }

    async fn due_polls(&self, now: UnixMs, limit: usize) -> Result<Vec<Job>, StoreError> {
        Ok(jobs(due(&self.tables(), Lane::Poll, now), limit))
    }

    async fn count_due_polls(&self, now: UnixMs, limit: usize) -> Result<usize, StoreError> {
        Ok(due(&self.tables(), Lane::Poll, now).len().min(limit))
    }

    async fn due_polls_apart(
        &self,
        now: UnixMs,
        since: UnixMs,
        limit: usize,
    ) -> Result<Vec<Job>, StoreError> {
        let tables = self.tables();
        let rows = due(&tables, Lane::Poll, now).into_iter();
        let is_apart =
            |row: &&StoredJob| row.job.progress.poll_errors > 0 || row.job.progress.due_at <= since;
        Ok(jobs(rows.filter(is_apart), limit))
    }

    async fn requested(&self, limit: usize) -> Result<Vec<Job>, StoreError> {
        let tables = self.tables();
        let rows = tables.jobs.values();
        Ok(jobs(rows.filter(|row| row.job.requested.any()), limit))
    }

    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Job>, StoreError> {
        let tables = self.tables();
        let rows = tables.jobs.values();
        Ok(jobs(
            rows.filter(|row| ids.contains(&row.job.id)),
            usize::MAX,
        ))
    }

    async fn parked(
        &self,
        reason: ParkReason,
        first: ParkedFirst,
        limit: usize,
    ) -> Result<Vec<Job>, StoreError> {
        let tables = self.tables();
        let mut parked: Vec<_> = tables
            .in_state(JobState::Parked)
            .filter(|row| row.job.progress.park_reason == Some(reason))
            .filter(|row| row.job.progress.doubt.is_none())
            .collect();
        parked.sort_by_key(|row| {
            let priority = match first {
                ParkedFirst::Highest => row.priority,
                ParkedFirst::Longest => 0,
            };
            (Reverse(priority), row.job.progress.due_at, row.job.id)
        });
        Ok(jobs(parked, limit))
    }

    async fn broken(&self, _limit: usize) -> Result<Vec<(Job, String)>, StoreError> {
        Ok(Vec::new())
    }

    async fn last_finished(&self, limit: usize) -> Result<Vec<Job>, StoreError> {
        let tables = self.tables();
        let finished: Vec<_> = tables.in_state(JobState::Finished).collect();
        let first = finished.len().saturating_sub(limit);
        Ok(jobs(finished[first..].iter().copied(), limit))
    }

    async fn interrupted(&self) -> Result<Vec<Job>, StoreError> {
        let tables = self.tables();
        let rows = tables.in_state(JobState::Creating);
        Ok(jobs(
            rows.filter(|row| row.job.progress.doubt.is_none()),
            usize::MAX,
        ))
    }

    async fn next_due(&self, lane: Lane, now: UnixMs) -> Result<Option<UnixMs>, StoreError> {
        let tables = self.tables();
        let times = waiting(&tables, lane).map(|row| row.job.progress.due_at);
        Ok(times.filter(|at| *at > now).min())
    }

    async fn under_way(&self, limit: usize) -> Result<usize, StoreError> {
        let tables = self.tables();
        let rows = tables.in_state(JobState::Creating);
        let rows = rows.chain(tables.in_state(JobState::Generating));
        Ok(rows.count().min(limit))
    }

    async fn any(&self, state: JobState) -> Result<bool, StoreError> {
        Ok(self.tables().in_state(state).next().is_some())
    }

    async fn any_parked(&self, reason: ParkReason) -> Result<bool, StoreError> {
        let tables = self.tables();
        let mut rows = tables.in_state(JobState::Parked);
        Ok(rows.any(|row| row.job.progress.park_reason == Some(reason)))
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.tables().jobs.get(&id).map(|row| row.job.clone()))
    }

    async fn wanted(&self, id: JobId) -> Result<Asked, StoreError> {
        let tables = self.tables();
        let Some(row) = tables.jobs.get(&id) else {
            return Ok(Asked::default());
        };
        // What an update does not say is said by the job that made the parser.
        let held = row.job.progress.parser_id.as_ref();
        let maker = match row.job.action {
            Action::Create => Some(row),
            Action::Update | Action::Delete => held.and_then(|id| tables.holding(id).last()),
        };
        let fields = row.target_fields.clone();
        let fields = fields.or_else(|| maker.and_then(|row| row.fields.clone()));
        let wanted = Wanted::of_columns(fields.as_deref(), None);
        let check_urls = maker.and_then(|row| row.check_urls.as_deref());
        Ok(Asked {
            wanted: wanted.checking(check_urls),
            fields,
            urls: maker.map(|row| row.urls.clone()).unwrap_or_default(),
            expect: None,
            scraper_params: maker.and_then(|row| row.scraper_params.clone()),
            effective_params: maker.and_then(|row| row.job.progress.effective_params.clone()),
        })
    }
}

impl Gates for Memory {
    async fn gates(&self) -> Result<Vec<(Scope, Closure)>, StoreError> {
        let tables = self.tables();
        let gates = tables.gates.iter();
        Ok(gates.map(|(scope, closure)| (*scope, *closure)).collect())
    }

    async fn set_gate(&self, scope: Scope, closure: Option<Closure>) -> Result<(), StoreError> {
        let tables = &mut *self.tables();
        match closure {
            Some(closure) => drop(tables.gates.insert(scope, closure)),
            None => drop(tables.gates.remove(&scope)),
        }
        Ok(())
    }

    async fn update_gate(&self, scope: Scope, closure: Closure) -> Result<bool, StoreError> {
        let tables = &mut *self.tables();
        let gate = tables.gates.get_mut(&scope);
        let is_closed = gate.is_some();
        if let Some(gate) = gate {
            *gate = closure;
        }
        Ok(is_closed)
    }

    async fn held_rejections(&self) -> Result<Vec<(u16, String)>, StoreError> {
        let tables = self.tables();
        let parked = tables
            .in_state(JobState::Parked)
            .map(|row| &row.job.progress);
        let held = parked.filter(|progress| progress.park_reason == Some(ParkReason::Credits));
        let said: BTreeSet<_> = held
            .filter_map(|progress| progress.error_status.zip(progress.error_message.clone()))
            .filter(|(status, _)| ![402, 403].contains(status))
            .collect();
        Ok(said.into_iter().collect())
    }
}

impl Facts for Memory {
    async fn meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        Ok(self.tables().meta.get(key).cloned())
    }

    async fn set_meta(&self, key: &'static str, value: String) -> Result<(), StoreError> {
        self.tables().meta.insert(key.to_owned(), value);
        Ok(())
    }
}
