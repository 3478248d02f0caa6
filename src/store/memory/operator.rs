//! What people and other programs do by SQL, and what the database makes of it.

use serde_json::json;

use super::tables::{JobRow, Tables};
use crate::core::job::{ErrorKind, Job, JobId, JobState, Progress, UnixMs};

/// Why nothing was changed, as the database says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused(pub &'static str);

/// What a FAILED job bears whose parser may still finish.
const MAY_FINISH: [Option<ErrorKind>; 2] = [
    Some(ErrorKind::GenerationTimeout),
    Some(ErrorKind::UnexpectedResponse),
];

impl Tables {
    /// `INSERT INTO jobs`, with a specification that is valid.
    pub(crate) fn insert(
        &mut self,
        now: UnixMs,
        name: &str,
        urls: &str,
        priority: i64,
        run_at: Option<UnixMs>,
    ) -> Result<JobId, Refused> {
        let is_open = |row: &JobRow| row.job.progress.state != JobState::Cancelled;
        if self
            .jobs
            .values()
            .any(|row| is_open(row) && row.job.name == name)
        {
            return Err(Refused("UNIQUE constraint failed: jobs.name"));
        }
        self.newest_job += 1;
        let id = JobId(self.newest_job);
        let row = JobRow {
            job: Job {
                id,
                name: name.to_owned(),
                revision: 0,
                progress: Progress::queued(run_at.unwrap_or(now)),
            },
            urls: urls.to_owned(),
            scraper_params: None,
            fields: None,
            priority,
            run_at,
            created_at: now,
            updated_at: now,
            epoch: 0,
            example_result: None,
        };
        self.jobs.insert(id, row);
        self.note(id, now, "queued", json!({}));
        Ok(id)
    }

    /// `UPDATE jobs SET urls = ...`.
    pub(crate) fn edit(&mut self, now: UnixMs, id: JobId, urls: &str) -> Result<bool, Refused> {
        let Some(row) = self.jobs.get_mut(&id) else {
            return Ok(false);
        };
        let progress = &mut row.job.progress;
        let may_finish = progress.parser_id.is_some() && MAY_FINISH.contains(&progress.error_kind);
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
        let detail = json!({"by": "operator", "old": {
            "name": row.job.name, "urls": row.urls, "scraper_params": row.scraper_params,
            "fields": row.fields, "parser_id": progress.parser_id,
        }});
        progress.parser_id = None;
        progress.parser_version = None;
        progress.recreation = 0;
        row.job.revision += 1;
        row.updated_at = now;
        urls.clone_into(&mut row.urls);
        self.note(id, now, "changed", detail);
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
        if old.state == to {
            return Ok(true);
        }
        if matches!(old.state, JobState::Finished | JobState::Cancelled) {
            return Err(Refused(
                "a job that is FINISHED or CANCELLED stays so: insert a new job instead",
            ));
        }
        let is_allowed = match (old.state, to) {
            (JobState::Queued | JobState::Parked | JobState::Failed, JobState::Cancelled) => true,
            (JobState::Parked | JobState::Failed, JobState::Queued) => true,
            _ => false,
        };
        if !is_allowed {
            return Err(Refused(
                "this change of state is parserd's: by SQL set QUEUED, PARKED or FAILED jobs to \
                 CANCELLED, and PARKED or FAILED ones to QUEUED",
            ));
        }
        row.job.revision += 1;
        row.updated_at = now;
        let progress = &mut row.job.progress;
        progress.state = to;
        progress.park_reason = None;
        progress.finished_at = (to == JobState::Cancelled).then_some(now);
        if to == JobState::Queued {
            row.job.revision += 1;
            row.try_again(&old, now);
        }
        let event = match to {
            JobState::Cancelled => "cancelled",
            _ => "requeued",
        };
        let detail = json!({
            "by": "operator", "from": old.state, "park_reason": old.park_reason,
            "error_kind": old.error_kind, "parser_id": old.parser_id,
        });
        self.note(id, now, event, detail);
        Ok(true)
    }
}

impl JobRow {
    /// A create in doubt is settled before anything is sent; a parser that may still finish is
    /// polled again, not paid for again.
    fn try_again(&mut self, old: &Progress, now: UnixMs) {
        let may_finish = MAY_FINISH.contains(&old.error_kind);
        let progress = &mut self.job.progress;
        progress.state = if old.doubt.is_some() {
            JobState::Creating
        } else if old.parser_id.is_some() && may_finish {
            JobState::Generating
        } else {
            JobState::Queued
        };
        progress.due_at = if old.doubt.is_some() || may_finish {
            now
        } else {
            now.max(self.run_at.unwrap_or(0))
        };
        let is_lost = [Some(ErrorKind::GenerationFailed), Some(ErrorKind::NotFound)]
            .contains(&old.error_kind);
        progress.recreation += i64::from(old.parser_id.is_some() && is_lost);
        progress.generating_since = may_finish.then_some(now);
        progress.generated_at = None;
        progress.attempts = 0;
        progress.holds = 0;
        progress.polls = 0;
        progress.poll_errors = 0;
        progress.missing_lists = 0;
        if let Some(doubt) = &mut progress.doubt {
            doubt.absent_since = None;
            doubt.absent_lists = 0;
            doubt.untrusted_since = None;
        }
        progress.candidates.clear();
        progress.error_kind = None;
        progress.error_status = None;
        progress.error_message = None;
        progress.error_hint = None;
    }
}
