//! What people and other programs do by SQL, and what the database makes of it.

use serde_json::json;

use super::tables::{StoredJob, Tables};
use crate::core::{
    event::{JobEvent, Standing},
    job::{Action, ErrorKind, Job, JobId, JobState, ParserId, Progress, Requested, UnixMs},
};

/// What an operator may not edit.
const CHANGE_STAYS: &str = "action and change stay as they are, and an update or delete takes \
    nothing else: set its state to CANCELLED and insert a new one";

/// Why nothing was changed, as the database says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused(pub &'static str);

impl Tables {
    /// `INSERT INTO jobs`, with a specification that is valid.
    pub(crate) fn insert(
        &mut self,
        now: UnixMs,
        name: &str,
        urls: &str,
        priority: i64,
        run_at: Option<UnixMs>,
        [check_urls, fields]: [Option<&str>; 2],
    ) -> Result<JobId, Refused> {
        let is_open = |row: &StoredJob| {
            row.job.progress.state != JobState::Cancelled
                && row.job.action == Action::Create
                && row.released_at.is_none()
        };
        if self
            .jobs
            .values()
            .any(|row| is_open(row) && row.job.name == name)
        {
            return Err(Refused("UNIQUE constraint failed: jobs.name"));
        }
        self.newest_job += 1;
        let id = JobId(self.newest_job);
        let row = StoredJob {
            job: Job {
                id,
                name: name.to_owned(),
                action: Action::Create,
                revision: 0,
                run_at,
                requested: Requested::default(),
                progress: Progress::queued(run_at.unwrap_or(now)),
            },
            urls: urls.to_owned(),
            scraper_params: None,
            fields: fields.map(str::to_owned),
            check_urls: check_urls.map(str::to_owned),
            change: None,
            target_fields: None,
            released_at: None,
            protect: false,
            priority,
            created_at: now,
            updated_at: now,
            epoch: 0,
            example_result: None,
        };
        self.jobs.insert(id, row);
        self.note(id, now, JobEvent::Queued {});
        Ok(id)
    }

    /// The columns `parser_id` and `protect` of that INSERT.
    pub(crate) fn adopting(&mut self, id: JobId, parser_id: Option<&str>, protect: bool) {
        if let Some(row) = self.jobs.get_mut(&id) {
            row.job.progress.parser_id = parser_id.map(|id| ParserId(id.to_owned()));
            row.protect = protect;
        }
    }

    /// `INSERT INTO jobs (action, name, change)`: a delete where no change is given.
    pub(crate) fn insert_change(
        &mut self,
        now: UnixMs,
        name: &str,
        change: Option<&str>,
    ) -> Result<JobId, Refused> {
        if let Some(why) = self.refuses_change(name, None, change) {
            return Err(Refused(why));
        }
        let parser = self.named_parser(name).and_then(|id| self.parsers.get(&id));
        if change.is_none() && parser.is_some_and(|row| row.protected) {
            return Err(Refused("this parser is protected"));
        }
        if change.is_none() && self.is_to_be_replaced(name) {
            return Err(Refused(
                "a job of this name that is not done yet is to make another parser",
            ));
        }
        self.newest_job += 1;
        let id = JobId(self.newest_job);
        let action = if change.is_some() {
            Action::Update
        } else {
            Action::Delete
        };
        let row = StoredJob {
            job: Job {
                id,
                name: name.to_owned(),
                action,
                revision: 0,
                run_at: None,
                requested: Requested::default(),
                progress: Progress::queued(now),
            },
            urls: "[]".to_owned(),
            scraper_params: None,
            fields: None,
            check_urls: None,
            change: change.map(str::to_owned),
            target_fields: None,
            released_at: None,
            protect: false,
            priority: 0,
            created_at: now,
            updated_at: now,
            epoch: 0,
            example_result: None,
        };
        self.jobs.insert(id, row);
        self.note(id, now, JobEvent::Queued {});
        Ok(id)
    }

    /// `UPDATE jobs SET urls = ...`.
    pub(crate) fn edit(&mut self, now: UnixMs, id: JobId, urls: &str) -> Result<bool, Refused> {
        let Some(row) = self.jobs.get_mut(&id) else {
            return Ok(false);
        };
        if row.job.action != Action::Create {
            return Err(Refused(CHANGE_STAYS));
        }
        let progress = &row.job.progress;
        let may_finish = progress.parser_id.is_some()
            && (progress.error_kind).is_some_and(ErrorKind::fixes_spec);
        let is_waiting = match progress.state {
            JobState::Queued | JobState::Parked | JobState::Failed => true,
            JobState::Creating
            | JobState::Generating
            | JobState::Finished
            | JobState::Cancelled => false,
        };
        if !is_waiting || progress.doubt.is_some() || may_finish {
            return Err(Refused(
                "this job is under way or done: only a QUEUED, PARKED or FAILED job that has no \
                 parser can be changed; cancel it and insert a new one",
            ));
        }
        let event = JobEvent::Changed {
            by: "operator".to_owned(),
            old: json!({
                "name": row.job.name, "urls": row.urls, "scraper_params": row.scraper_params,
                "fields": row.fields, "parser_id": progress.parser_id,
            }),
            columns: Some(
                (row.urls != urls)
                    .then(|| "urls".to_owned())
                    .into_iter()
                    .collect(),
            ),
        };
        row.job.requested.edit = true;
        row.job.revision += 1;
        row.updated_at = now;
        urls.clone_into(&mut row.urls);
        self.note(id, now, event);
        Ok(true)
    }

    /// `UPDATE jobs SET state = ...`: a cancellation, or another try.
    pub(crate) fn set_state(
        &mut self,
        now: UnixMs,
        id: JobId,
        to: JobState,
    ) -> Result<bool, Refused> {
        let Some(row) = self.jobs.get_mut(&id) else {
            return Ok(false);
        };
        let old = row.job.progress.clone();
        let (name, action) = (row.job.name.clone(), row.job.action);
        if old.state == to {
            return Ok(true);
        }
        if matches!(old.state, JobState::Finished | JobState::Cancelled) {
            return Err(Refused(
                "a job that is FINISHED or CANCELLED stays so: insert a new job instead",
            ));
        }
        let is_allowed = matches!(
            (old.state, to),
            (
                JobState::Queued | JobState::Parked | JobState::Failed,
                JobState::Cancelled
            ) | (JobState::Parked | JobState::Failed, JobState::Queued)
        );
        if !is_allowed {
            return Err(Refused(
                "this change of state is parserd's: by SQL set QUEUED, PARKED or FAILED jobs to \
                 CANCELLED, and PARKED or FAILED ones to QUEUED",
            ));
        }
        if to == JobState::Queued
            && old.state == JobState::Failed
            && action != Action::Create
            && let Some(why) = self.refuses_change(&name, old.parser_id.as_ref(), None)
        {
            return Err(Refused(why));
        }
        let Some(row) = self.jobs.get_mut(&id) else {
            return Ok(false);
        };
        let holds_name = row.released_at.is_none();
        row.job.revision += 1;
        row.updated_at = now;
        let progress = &mut row.job.progress;
        progress.state = to;
        progress.park_reason = None;
        progress.finished_at = (to == JobState::Cancelled).then_some(now);
        if to == JobState::Queued {
            row.job.requested.retry = true;
            row.job.progress.due_at = now.max(row.job.run_at.unwrap_or(0));
        } else {
            row.job.requested = Requested::default();
        }
        let standing = Standing {
            by: "operator".to_owned(),
            from: old.state,
            park_reason: old.park_reason,
            error_kind: old.error_kind,
            parser_id: old.parser_id,
        };
        if to == JobState::Cancelled {
            self.call_off(id);
            if action == Action::Create && holds_name {
                self.give_back(&name);
            }
        }
        let event = match to {
            JobState::Cancelled => JobEvent::Cancelled(standing),
            _ => JobEvent::Requeued(standing),
        };
        self.note(id, now, event);
        Ok(true)
    }
}
