//! The model in memory.

use super::{
    Operation, Outside, OutsideCreate, OutsideFetch, OutsideJob, OutsideUpdate, StoredGate,
};
use crate::{
    core::{
        gate::Scope,
        job::{JobId, JobState, ParserId, UnixMs},
        preflight::Brought,
        quality::Quality,
    },
    store::memory::{CreateStatus, Memory, Tables},
};

#[derive(Debug)]
pub(crate) struct Model {
    memory: Memory,
    backup: Option<Tables>,
}

impl Model {
    pub const fn new(memory: Memory) -> Self {
        Self {
            memory,
            backup: None,
        }
    }
}

impl Outside for Model {
    fn rows(&self) -> (Vec<OutsideJob>, Vec<OutsideCreate>) {
        let tables = self.memory.tables();
        let jobs = tables.jobs.values().map(|row| {
            let progress = &row.job.progress;
            OutsideJob {
                id: row.job.id.0,
                name: row.job.name.clone(),
                action: row.job.action.to_string(),
                urls: row.urls.clone(),
                state: progress.state.to_string(),
                park_reason: progress.park_reason.map(|reason| reason.to_string()),
                parser_id: progress.parser_id.as_ref().map(|id| id.0.clone()),
                error_kind: progress.error_kind.map(|kind| kind.to_string()),
                remote_name: progress.remote_name.clone(),
                preflight: progress.preflight.clone(),
            }
        });
        let creates = tables.creates.iter().map(|row| OutsideCreate {
            id: row.id,
            job_id: row.job_id.0,
            is_escalated: row.is_escalated,
            remote_name: row.remote_name.clone(),
            outcome: row.outcome.as_str().to_owned(),
            parser_id: row.parser_id.as_ref().map(|id| id.0.clone()),
            credits: row.credits,
            sent_at: row.sent_at,
            settled_at: row.settled_at,
        });
        (jobs.collect(), creates.collect())
    }

    fn page_credits(&self) -> i64 {
        let tables = self.memory.tables();
        let parses = tables.parses.iter().map(|row| row.intent.credits);
        let fetches = tables.fetches.iter().map(|row| row.fetched.credits);
        parses.chain(fetches).sum()
    }

    fn fetches(&self) -> Vec<OutsideFetch> {
        let tables = self.memory.tables();
        let fetches = (1..).zip(&tables.fetches).map(|(id, row)| OutsideFetch {
            id,
            job_id: row.job.0,
            url: row.fetched.url.clone(),
            effort: row.fetched.effort,
            credits: row.fetched.credits,
            sent_at: row.sent_at,
            is_pending: row.fetched.brought == Brought::Pending,
        });
        fetches.collect()
    }

    fn parsers(&self) -> Vec<String> {
        let text = |value: Option<String>| value.unwrap_or_default();
        let tables = self.memory.tables();
        let parsers = tables.parsers.iter().map(|(id, row)| {
            let version = text(row.version.map(|version| version.to_string()));
            let quality = text(row.quality.map(|quality| quality.to_string()));
            let latest = text(row.latest_version.map(|version| version.to_string()));
            let applied = text(row.applied_version.map(|version| version.to_string()));
            let fields = row.fields.as_deref().unwrap_or_default();
            let replaced_by = text(row.replaced_by.clone().map(|id| id.0));
            format!(
                "{id} {} {version} {latest} {applied} {quality} {} {fields} {replaced_by}",
                row.name, row.job_id
            )
        });
        parsers.collect()
    }

    fn versions(&self) -> Vec<(String, Option<i64>, Option<Quality>)> {
        let tables = self.memory.tables();
        let parsers = tables.parsers.iter();
        let versions = parsers.map(|(id, row)| (id.0.clone(), row.version, row.quality));
        versions.collect()
    }

    fn updates(&self) -> Vec<OutsideUpdate> {
        let tables = self.memory.tables();
        let updates = tables.updates.iter().map(|row| OutsideUpdate {
            job_id: row.job_id.0,
            parser_id: row.parser_id.0.clone(),
            part: row.part.to_string(),
            outcome: row.outcome.as_str().to_owned(),
            version: row.version,
            credits: row.credits,
            sent_at: row.sent_at,
            fields: row.fields.clone(),
        });
        updates.collect()
    }

    fn create_gate(&self) -> Option<StoredGate> {
        let closure = *self.memory.tables().gates.get(&Scope::Create)?;
        Some(StoredGate {
            since: closure.since,
            next_probe_at: closure.next_probe_at,
            interval_ms: closure.interval_ms,
            is_passing: closure.reason.is_passing(),
        })
    }

    fn operate(&mut self, now: UnixMs, operation: Operation<'_>) -> Result<usize, String> {
        let tables = &mut *self.memory.tables();
        let changed = match operation {
            Operation::Insert {
                name,
                urls,
                priority,
                run_at,
                check_urls,
                fields,
                parser_id,
                protect,
            } => tables
                .insert(now, name, urls, priority, run_at, [check_urls, fields])
                .map(|id| {
                    tables.adopting(id, parser_id, protect);
                    true
                }),
            Operation::Change { name, change } => {
                tables.insert_change(now, name, change).map(|_| true)
            }
            Operation::Cancel(id) => tables.set_state(now, JobId(id), JobState::Cancelled),
            Operation::Retry(id) => match tables.jobs.get(&JobId(id)) {
                Some(row) if row.job.progress.state != JobState::Queued => {
                    tables.set_state(now, JobId(id), JobState::Queued)
                }
                Some(_) | None => Ok(false),
            },
            Operation::Edit { id, urls } => tables.edit(now, JobId(id), urls),
            Operation::OpenGates => {
                let opened = tables.gates.len();
                tables.gates.clear();
                return Ok(opened);
            }
            Operation::Adopt { id, parser } => Ok(adopt(tables, now, JobId(id), parser)),
        };
        changed
            .map(usize::from)
            .map_err(|refused| refused.0.to_owned())
    }

    fn back_up(&mut self) {
        self.backup = Some(self.memory.tables().clone());
    }

    fn can_restore(&self) -> bool {
        let tables = self.memory.tables();
        let copy = self.backup.as_ref();
        copy.is_some_and(|copy| copy.jobs.keys().eq(tables.jobs.keys()))
    }

    fn restore(&mut self) -> bool {
        let Some(copy) = self.backup.take() else {
            return false;
        };
        *self.memory.tables() = copy;
        true
    }
}

fn adopt(tables: &mut Tables, now: UnixMs, id: JobId, parser: &str) -> bool {
    let epoch = tables.epoch();
    let Some(row) = tables.jobs.get_mut(&id) else {
        return false;
    };
    let progress = &mut row.job.progress;
    let is_open = matches!(progress.state, JobState::Creating | JobState::Parked);
    if !is_open || progress.doubt.is_none() {
        return false;
    }
    let parser = ParserId(parser.to_owned());
    progress.state = JobState::Generating;
    progress.parser_id = Some(parser.clone());
    progress.generating_since = Some(now);
    progress.due_at = now;
    progress.doubt = None;
    progress.park_reason = None;
    progress.remote_name = None;
    row.job.revision += 1;
    row.updated_at = now;
    row.epoch = epoch;
    let pending = tables.creates.iter_mut();
    for row in pending.filter(|row| row.job_id == id && row.outcome == CreateStatus::Pending) {
        row.outcome = CreateStatus::Made;
        row.parser_id = Some(parser.clone());
        row.settled_at = Some(now);
        row.epoch = epoch;
    }
    true
}
