//! Changes what jobs ask for, and has them tried again.

use crate::{
    core::{
        diff::RecordedJob,
        edit::{self, Edit},
        job::{JobId, UnixMs},
        lifecycle::Policy,
    },
    engine::operate::take_in,
    store::{Editing, JobEdit, JobStore, StoreError},
};

/// Why a job cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotChange {
    /// It updates or deletes a parser.
    #[error("it changes a parser, and asks for no pages: cancel it, and write another change")]
    IsChange,
    /// It adopts a parser.
    #[error(
        "it adopts the parser {0} as that is: cancel it, and insert a job without parser_id to \
         have another one made"
    )]
    Adopts(String),
    /// It is in doubt, or its parser may still finish.
    #[error(
        "its create is in doubt, or its parser may still finish: `parserd retry` without --set looks \
         for it, for nothing"
    )]
    IsFixed,
    /// Its name is another job's by now.
    #[error("its name is another job's by now")]
    NameIsAnothers,
    /// Its row holds what parserd cannot read.
    #[error("its row cannot be read: correct it by SQL")]
    Unreadable,
    /// What it would ask for breaks rules.
    #[error("{0}")]
    Rules(String),
}

/// A job that is to be changed.
#[derive(Debug, Clone, Copy)]
pub struct Changeable<'a> {
    /// Its id.
    pub id: JobId,
    /// Its name.
    pub name: &'a str,
    /// Whether it updates or deletes a parser.
    pub is_change: bool,
    /// The parser that it adopts, if it does.
    pub adopts: Option<&'a str>,
}

/// A job, and what is to be changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The change.
    pub edit: JobEdit,
    /// Whether it asks for another parser then.
    pub is_another_parser: bool,
}

/// What comes of changes to a job; nothing is changed yet.
///
/// # Errors
/// Whatever the store says; within: why this job cannot be changed.
pub async fn plan(
    store: &impl Editing,
    job: Changeable<'_>,
    edits: &[Edit],
) -> Result<Result<Planned, CannotChange>, StoreError> {
    let Changeable {
        id,
        name,
        is_change,
        adopts,
    } = job;
    if is_change {
        return Ok(Err(CannotChange::IsChange));
    }
    if let Some(parser_id) = adopts {
        return Ok(Err(CannotChange::Adopts(parser_id.to_owned())));
    }
    let mut records = store.on_record(&[name]).await?;
    let job = records.remove(name).and_then(|record| record.job);
    let job = job.filter(|job| job.id == id);
    Ok(job
        .ok_or(CannotChange::NameIsAnothers)
        .and_then(|job| planned(&job, edits)))
}

fn planned(job: &RecordedJob, edits: &[Edit]) -> Result<Planned, CannotChange> {
    let spec = job.spec.as_ref().ok_or(CannotChange::Unreadable)?;
    if job.is_fixed() {
        return Err(CannotChange::IsFixed);
    }
    let edited =
        edit::edited(spec, edits).map_err(|error| CannotChange::Rules(error.to_string()))?;
    let columns = edit::differing(spec, &edited);
    Ok(Planned {
        is_another_parser: edit::is_another_parser(&columns),
        edit: JobEdit {
            id: job.id,
            revision: job.revision,
            columns,
        },
    })
}

/// Makes the changes, all or none, and queues the jobs; returns which were still as they were
/// meant.
///
/// # Errors
/// What the database refuses, in its words.
pub async fn change<D: JobStore + Editing>(
    store: &D,
    policy: &Policy,
    edits: Vec<JobEdit>,
    now: UnixMs,
) -> Result<Vec<JobId>, StoreError> {
    let changed = store.edit_and_queue(edits).await?;
    // Perhaps no daemon runs.
    take_in(store, policy, now).await?;
    Ok(changed)
}
