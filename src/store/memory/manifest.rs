//! What job files mean for what is there.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::{
    Memory,
    tables::{StoredJob, Tables},
};
use crate::{
    core::{
        diff::{Beside, ParserBeside, Record, RecordedChange, RecordedJob, RecordedParser},
        job::{Action, JobState, ParserId},
        spec::JobSpec,
    },
    store::{StoreError, ports::Manifest},
};

impl Manifest for Memory {
    async fn beside(&self) -> Result<Beside, StoreError> {
        Ok(self.tables().beside())
    }

    async fn on_record(&self, names: &[&str]) -> Result<HashMap<String, Record>, StoreError> {
        let tables = self.tables();
        let records = names.iter().map(|name| (*name, tables.record(name)));
        let known = records.filter(|(_, record)| *record != Record::default());
        Ok(known
            .map(|(name, record)| (name.to_owned(), record))
            .collect())
    }
}

impl Tables {
    fn record(&self, name: &str) -> Record {
        let named = || self.jobs.values().filter(|row| row.job.name == name);
        let job = named().find(|row| {
            row.job.action == Action::Create
                && row.job.progress.state != JobState::Cancelled
                && row.released_at.is_none()
        });
        let standing = self.named_parser(name);
        let open = named().find(|row| {
            let of = &row.job.progress.parser_id;
            (of.is_none() || *of == standing)
                && row.job.action != Action::Create
                && matches!(
                    row.job.progress.state,
                    JobState::Queued | JobState::Creating | JobState::Generating | JobState::Parked
                )
        });
        let parser = self.named_parser(name).or_else(|| {
            let id = job?.job.progress.parser_id.clone()?;
            let is_deleted = self.parsers.get(&id).is_some_and(|row| row.is_deleted);
            is_deleted.then_some(id)
        });
        Record {
            job: job.map(recorded),
            parser: parser.and_then(|id| self.recorded_parser(id)),
            open: open.map(|row| RecordedChange {
                id: row.job.id,
                action: row.job.action,
                is_waiting: row.job.progress.doubt.is_none()
                    && matches!(row.job.progress.state, JobState::Queued | JobState::Parked),
                change: row.change.clone(),
                target_fields: value(row.target_fields.as_deref()),
            }),
            has_conflict: self
                .failed_update(name)
                .and_then(|row| row.job.progress.error_message.as_deref())
                .is_some_and(|message| message.starts_with("conflict: ")),
            failed_change: self.failed_update(name).and_then(|row| row.change.clone()),
        }
    }

    /// The last update of this name, where it FAILED.
    fn failed_update(&self, name: &str) -> Option<&StoredJob> {
        let is_update = |row: &&StoredJob| row.job.name == name && row.job.action == Action::Update;
        let last = self
            .jobs
            .values()
            .filter(is_update)
            .max_by_key(|row| row.job.id);
        last.filter(|row| row.job.progress.state == JobState::Failed)
    }

    fn beside(&self) -> Beside {
        let is_waiting = |row: &&StoredJob| {
            let state = row.job.progress.state;
            row.job.action == Action::Create
                && row.released_at.is_none()
                && !matches!(state, JobState::Finished | JobState::Cancelled)
        };
        let waiting = self.jobs.values().filter(is_waiting);
        let waiting: BTreeSet<_> = waiting.map(|row| row.job.name.clone()).collect();
        let failed = |name: &str| {
            let mut jobs = self.jobs.values().filter(is_waiting);
            jobs.any(|row| row.job.name == name && row.job.progress.state == JobState::Failed)
        };
        let mut parsers: Vec<_> = self
            .parsers
            .iter()
            .filter(|(_, row)| !row.is_deleted)
            .map(|(id, row)| {
                let named = self.named_parser(&row.name);
                let is_open = self.jobs.values().any(|job| {
                    let of = job.job.progress.parser_id.as_ref().or(named.as_ref());
                    job.job.name == row.name
                        && of == Some(id)
                        && job.job.action != Action::Create
                        && !job.job.progress.state.is_terminal()
                });
                ParserBeside {
                    parser_id: id.clone(),
                    name: row.name.clone(),
                    latest_version: row.latest_version,
                    is_protected: row.protected,
                    is_replaced: row.replaced_by.is_some(),
                    is_busy: is_open || waiting.contains(&row.name) && !failed(&row.name),
                }
            })
            .collect();
        parsers.sort_by(|a, b| (&a.name, &a.parser_id).cmp(&(&b.name, &b.parser_id)));
        let failed = waiting.iter().filter(|name| failed(name));
        Beside {
            parsers,
            failed: failed.cloned().collect(),
            waiting: waiting.into_iter().collect(),
        }
    }

    fn recorded_parser(&self, parser_id: ParserId) -> Option<RecordedParser> {
        let row = self.parsers.get(&parser_id)?;
        Some(RecordedParser {
            parser_id,
            latest_version: row.latest_version,
            urls: value(row.urls.as_deref()),
            scraper_params: value(row.scraper_params.as_deref()),
            params_unknown: row.params_unknown,
            fields: value(row.fields.as_deref()),
            is_deleted: row.is_deleted,
        })
    }
}

fn value(text: Option<&str>) -> Option<Value> {
    serde_json::from_str(text?).ok()
}

fn recorded(row: &StoredJob) -> RecordedJob {
    let progress = &row.job.progress;
    let (params, fields) = (row.scraper_params.as_deref(), row.fields.as_deref());
    let spec = JobSpec::from_columns(&row.job.name, &row.urls, params, fields)
        .and_then(|spec| spec.with_checks(None, row.check_urls.as_deref()));
    RecordedJob {
        id: row.job.id,
        revision: row.job.revision,
        state: progress.state,
        is_in_doubt: progress.doubt.is_some(),
        parser_id: progress.parser_id.clone(),
        error_kind: progress.error_kind,
        spec: spec.ok().map(|spec| JobSpec {
            priority: row.priority,
            run_at: row.job.run_at,
            protect: Some(row.protect),
            parser_id: progress.parser_id.as_ref().map(|id| id.0.clone()),
            ..spec
        }),
    }
}
