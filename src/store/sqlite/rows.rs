//! Jobs as rows: one list of columns for reading and for writing.

use std::str::FromStr;

use serde_json::json;
use sqlx::{Row as _, sqlite::SqliteRow};

use super::batch::Bound;
use crate::core::job::{
    Action, Doubt, DoubtCause, Job, JobId, JobState, ParserId, Progress, Requested,
};

/// The columns that parserd moves, in the order of [`bind`].
pub(super) const PROGRESS_COLUMNS: &[&str] = &[
    "state",
    "park_reason",
    "due_at",
    "remote_name",
    "recreation",
    "parser_id",
    "parser_version",
    "generating_since",
    "generated_at",
    "creates",
    "attempts",
    "holds",
    "polls",
    "poll_errors",
    "missing_lists",
    "part",
    "doubt_since",
    "doubt_cause",
    "absent_since",
    "absent_lists",
    "untrusted_since",
    "candidates",
    "dismissed",
    "preflight",
    "effective_params",
    "climbs",
    "error_kind",
    "error_status",
    "error_message",
    "error_hint",
    "finished_at",
];

/// The columns of [`job`], for a SELECT.
pub(super) const JOB_COLUMNS: &str = "id, name, action, revision, run_at, retry_requested_at, edit_requested_at, state, park_reason, due_at, remote_name, \
    recreation, parser_id, parser_version, generating_since, generated_at, creates, attempts, \
    holds, polls, poll_errors, missing_lists, part, doubt_since, doubt_cause, absent_since, absent_lists, \
    untrusted_since, candidates, dismissed, preflight, effective_params, climbs, error_kind, error_status, error_message, error_hint, finished_at";

/// Binds the values of [`PROGRESS_COLUMNS`].
pub(super) fn bind<'q>(query: Bound<'q>, progress: &Progress) -> Bound<'q> {
    let doubt = progress.doubt.as_ref();
    query
        .bind(progress.state.as_str())
        .bind(progress.park_reason.map(|reason| reason.as_str()))
        .bind(progress.due_at)
        .bind(progress.remote_name.as_deref())
        .bind(progress.recreation)
        .bind(progress.parser_id.as_ref().map(|id| id.0.as_str()))
        .bind(progress.parser_version)
        .bind(progress.generating_since)
        .bind(progress.generated_at)
        .bind(progress.creates)
        .bind(progress.attempts)
        .bind(progress.holds)
        .bind(progress.polls)
        .bind(progress.poll_errors)
        .bind(progress.missing_lists)
        .bind(progress.part.map(|part| part.as_str()))
        .bind(doubt.map(|doubt| doubt.since))
        .bind(doubt.map(|doubt| doubt.cause.as_str()))
        .bind(doubt.and_then(|doubt| doubt.absent_since))
        .bind(doubt.map_or(0, |doubt| doubt.absent_lists))
        .bind(doubt.and_then(|doubt| doubt.untrusted_since))
        .bind(ids_json(&progress.candidates))
        .bind(ids_json(&progress.dismissed))
        .bind(progress.preflight.as_deref())
        .bind(progress.effective_params.as_deref())
        .bind(progress.climbs)
        .bind(progress.error_kind.map(|kind| kind.as_str()))
        .bind(progress.error_status)
        .bind(progress.error_message.as_deref())
        .bind(progress.error_hint.as_deref())
        .bind(progress.finished_at)
}

/// How many bytes of a name are kept; the rules let it have 800.
const NAME_MAX_BYTES: usize = 1000;

/// A text as far as it can be read. SQLite keeps any bytes in a TEXT column, and one
/// row that got in past the rules must not stop the others.
pub(super) fn text(row: &SqliteRow, column: &str) -> Result<Option<String>, sqlx::Error> {
    Ok(row
        .try_get::<Option<&[u8]>, _>(column)?
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

/// A text that has to be there, as far as it can be read.
pub(super) fn some_text(row: &SqliteRow, column: &str) -> Result<String, sqlx::Error> {
    Ok(text(row, column)?.unwrap_or_default())
}

/// Reads a row of [`JOB_COLUMNS`]. A text that stands for no value is read as
/// none: a row that got in past the rules must not stop the others.
pub(super) fn job(row: &SqliteRow) -> Result<Job, sqlx::Error> {
    let state = state(row)?
        .ok_or_else(|| sqlx::Error::Decode("a job's state is not one of the known ones".into()))?;
    job_in(row, state)
}

/// The state of a row; none where it is none of the known ones.
pub(super) fn state(row: &SqliteRow) -> Result<Option<JobState>, sqlx::Error> {
    named(row, "state")
}

/// As [`job`], read as being in this state.
pub(super) fn job_in(row: &SqliteRow, state: JobState) -> Result<Job, sqlx::Error> {
    let doubt = match (
        moment(row, "doubt_since")?,
        named::<DoubtCause>(row, "doubt_cause")?,
    ) {
        (Some(since), cause) => Some(Doubt {
            since,
            cause: cause.unwrap_or(DoubtCause::AnswerLost),
            absent_since: moment(row, "absent_since")?,
            absent_lists: count(row, "absent_lists")?,
            untrusted_since: moment(row, "untrusted_since")?,
        }),
        (None, _) => None,
    };
    Ok(Job {
        id: JobId(row.try_get("id")?),
        name: name(row)?,
        action: named(row, "action")?.unwrap_or(Action::Create),
        revision: row.try_get("revision")?,
        run_at: row.try_get("run_at")?,
        requested: Requested {
            retry: row
                .try_get::<Option<i64>, _>("retry_requested_at")?
                .is_some(),
            edit: row
                .try_get::<Option<i64>, _>("edit_requested_at")?
                .is_some(),
        },
        progress: Progress {
            state,
            park_reason: named(row, "park_reason")?,
            due_at: row.try_get("due_at")?,
            remote_name: text(row, "remote_name")?,
            recreation: count(row, "recreation")?,
            parser_id: text(row, "parser_id")?.map(ParserId),
            parser_version: row.try_get("parser_version")?,
            generating_since: moment(row, "generating_since")?,
            generated_at: moment(row, "generated_at")?,
            creates: count(row, "creates")?,
            attempts: count(row, "attempts")?,
            holds: count(row, "holds")?,
            polls: count(row, "polls")?,
            poll_errors: count(row, "poll_errors")?,
            missing_lists: count(row, "missing_lists")?,
            part: named(row, "part")?,
            doubt,
            candidates: ids(row, "candidates")?,
            dismissed: ids(row, "dismissed")?,
            preflight: text(row, "preflight")?,
            effective_params: text(row, "effective_params")?,
            climbs: count(row, "climbs")?,
            error_kind: named(row, "error_kind")?,
            error_status: row
                .try_get::<Option<i64>, _>("error_status")?
                .and_then(|status| u16::try_from(status).ok()),
            error_message: text(row, "error_message")?,
            error_hint: text(row, "error_hint")?,
            finished_at: moment(row, "finished_at")?,
        },
    })
}

/// The largest number that is read of a row as it is: one that got in past the rules must not
/// overflow what is reckoned with it.
const MOST: i64 = 1 << 53;

fn count(row: &SqliteRow, column: &str) -> Result<i64, sqlx::Error> {
    Ok(row.try_get::<i64, _>(column)?.clamp(0, MOST))
}

fn moment(row: &SqliteRow, column: &str) -> Result<Option<i64>, sqlx::Error> {
    let moment = row.try_get::<Option<i64>, _>(column)?;
    Ok(moment.map(|moment| moment.clamp(-MOST, MOST)))
}

fn ids_json(ids: &[ParserId]) -> Option<String> {
    (!ids.is_empty()).then(|| json!(ids).to_string())
}

fn ids(row: &SqliteRow, column: &str) -> Result<Vec<ParserId>, sqlx::Error> {
    Ok(text(row, column)?
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default())
}

/// The name, cut where it cannot be one anyway: it stands in every line of the log.
fn name(row: &SqliteRow) -> Result<String, sqlx::Error> {
    let bytes: &[u8] = row.try_get("name")?;
    let head = bytes.get(..NAME_MAX_BYTES).unwrap_or(bytes);
    Ok(String::from_utf8_lossy(head).into_owned())
}

fn named<T: FromStr>(row: &SqliteRow, column: &str) -> Result<Option<T>, sqlx::Error> {
    Ok(text(row, column)?.and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_to_read_is_the_list_to_write_with_the_row_itself() {
        let read: Vec<_> = JOB_COLUMNS.split(", ").map(str::trim).collect();
        let own = [
            "id",
            "name",
            "action",
            "revision",
            "run_at",
            "retry_requested_at",
            "edit_requested_at",
        ];
        assert_eq!(&read[..own.len()], own);
        assert_eq!(&read[own.len()..], PROGRESS_COLUMNS);
    }
}
