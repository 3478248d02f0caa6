//! Makes what is there as files say, in one transaction.

use std::{borrow::Cow, io};

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::{Store, StoreError, beside, records_of};
use crate::{
    core::{
        diff::{Diff, Names, ParserBeside, PlanDigest, Prune, Record, Verb},
        field_changes::FieldChanges,
        job::JobId,
        spec::{Batch, Batches, JobSpec},
    },
    store::{
        ports::{Applying, Extent, Left, Made},
        sqlite::{edit, submit::INSERT},
    },
};

impl Applying for Store {
    async fn make_so(
        &self,
        batches: Batches,
        digest: Option<[u8; 32]>,
        extent: Extent,
        prune: bool,
    ) -> Result<Made, StoreError> {
        self.writer
            .run("make it as the job files say", move |connection| {
                Box::pin(async move {
                    let prune = match prune {
                        true => Some(unnamed(connection, batches()).await?),
                        false => None,
                    };
                    if let Some(shown) = digest
                        && digest_of(connection, batches(), prune.as_ref()).await? != shown
                    {
                        return Ok(Made {
                            is_stale: true,
                            ..Made::default()
                        });
                    }
                    let mut made = Made::default();
                    if let Some(prune) = prune {
                        made.deleted = prune.deleted.len();
                        delete(connection, &prune.deleted).await?;
                    }
                    let is_shown = digest.is_some();
                    for batch in batches() {
                        take(connection, &batch?, extent, is_shown, &mut made).await?;
                    }
                    Ok(made)
                })
            })
            .await
    }
}

async fn digest_of(
    connection: &mut SqliteConnection,
    batches: impl Iterator<Item = io::Result<Batch>>,
    prune: Option<&Prune>,
) -> Result<[u8; 32], sqlx::Error> {
    let mut digest = PlanDigest::default();
    for batch in batches {
        for Step {
            wanted,
            record,
            diff,
            ..
        } in steps(connection, &batch?).await?
        {
            digest.add(&wanted, &record, &diff);
        }
    }
    if let Some(prune) = prune {
        digest.prune(prune);
    }
    Ok(digest.finish())
}

/// What no job of these names, or was replaced.
async fn unnamed(
    connection: &mut SqliteConnection,
    batches: impl Iterator<Item = io::Result<Batch>>,
) -> Result<Prune, sqlx::Error> {
    let mut names = Names::default();
    for batch in batches {
        for step in steps(connection, &batch?).await? {
            names.add(&step.wanted.name, &step.diff);
        }
    }
    Ok(Prune::of(beside(connection).await?, &names))
}

async fn delete(
    connection: &mut SqliteConnection,
    parsers: &[ParserBeside],
) -> Result<(), sqlx::Error> {
    for parser in parsers {
        sqlx::query("INSERT INTO jobs (action, name, parser_id) VALUES ('delete', ?1, ?2)")
            .bind(&parser.name)
            .bind(&parser.parser_id.0)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// A job of a file, and what it means.
struct Step {
    place: usize,
    wanted: JobSpec,
    record: Record,
    diff: Diff,
}

impl Step {
    /// The job that is to be added.
    fn new_job(&self) -> Option<Cow<'_, JobSpec>> {
        match self.diff.verb {
            Verb::Create => Some(Cow::Borrowed(&self.wanted)),
            // The parser that the file names is the one that is to go; what protects it protects
            // the one that takes its place, and its labels are that one's.
            Verb::Replace if !self.record.has_failed() => Some(Cow::Owned(JobSpec {
                parser_id: None,
                protect: self.wanted.protect.or_else(|| self.record.protect()),
                labels: self.wanted.labels.clone().or_else(|| self.record.labels()),
                ..self.wanted.clone()
            })),
            _ => None,
        }
    }

    /// Whether it is nothing to be done without being asked for: it would pay for what was paid for
    /// already, a try that FAILED or a parser that was adopted, or undo what somebody else did or wants.
    fn wants_asking(&self) -> bool {
        let is_there = self.record.has_failed() || self.record.is_adopted_as_it_is(&self.wanted);
        self.diff.verb == Verb::Replace && is_there
            || self.record.has_failed_at(&self.diff)
            || self.record.overwrites(&self.diff)
            || self.diff.cancels_update
    }
}

async fn steps(connection: &mut SqliteConnection, batch: &Batch) -> Result<Vec<Step>, sqlx::Error> {
    let specs = batch.specs().map_err(io::Error::from)?;
    let names: Vec<_> = specs.iter().map(|(_, spec)| spec.name.as_str()).collect();
    let mut records = records_of(connection, &json!(names).to_string()).await?;
    let step = |(place, wanted): (usize, JobSpec)| {
        let record = records.remove(&wanted.name).unwrap_or_default();
        let diff = record.diff(&wanted);
        Step {
            place,
            wanted,
            record,
            diff,
        }
    };
    Ok(specs.into_iter().map(step).collect())
}

async fn take(
    connection: &mut SqliteConnection,
    batch: &Batch,
    extent: Extent,
    is_shown: bool,
    made: &mut Made,
) -> Result<(), sqlx::Error> {
    let mut new = Batch::default();
    for step in steps(connection, batch).await? {
        let verb = step.diff.verb;
        let is_meant = within(extent, &step.diff) && (is_shown || !step.wants_asking());
        let is_done = match is_meant {
            false => verb == Verb::Same && step.diff.settings.is_empty(),
            true => {
                if let Some(spec) = step.new_job() {
                    release(connection, &step.record).await?;
                    new.push(step.place, &spec);
                }
                change(connection, &step, extent).await?;
                made.settings += usize::from(!step.diff.settings.is_empty());
                true
            }
        };
        match verb {
            Verb::Same if is_done => made.same += 1,
            _ if is_done => *made.done.entry(verb).or_default() += 1,
            _ => made.left.push(Left {
                place: step.place,
                name: step.wanted.name,
                verb,
                notes: step.diff.notes,
            }),
        }
    }
    if !new.is_empty() {
        sqlx::query(INSERT)
            .bind(new.json())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Whether so much is to be done of it, and can be.
fn within(extent: Extent, diff: &Diff) -> bool {
    let is_new = diff.verb == Verb::Create;
    let can_be = !matches!(diff.verb, Verb::InFlight | Verb::Refused);
    let is_free = diff.is_free();
    can_be
        && match extent {
            Extent::NewAndFree => is_new || is_free,
            Extent::Free => is_free,
            Extent::All => true,
        }
}

async fn change(
    connection: &mut SqliteConnection,
    step: &Step,
    extent: Extent,
) -> Result<(), sqlx::Error> {
    let Step {
        wanted,
        record,
        diff,
        ..
    } = step;
    let id = record.job.as_ref().map(|job| job.id);
    match diff.verb {
        Verb::UpdateFree | Verb::UpdatePaid | Verb::UpdateBoth => {
            let part = match extent {
                Extent::All => Some(diff.changes.clone()),
                Extent::Free | Extent::NewAndFree => diff.changes.free_part(),
            };
            if let Some(part) = part {
                update(connection, wanted, &part).await?;
            }
            set(connection, id, settings(wanted, diff), false).await
        }
        Verb::EditWaiting => set(connection, id, edit(wanted, record, diff), true).await,
        Verb::Same => set(connection, id, settings(wanted, diff), false).await,
        Verb::Replace if record.has_failed() => {
            let columns = if record.asks_for(wanted) {
                settings(wanted, diff)
            } else {
                edit(wanted, record, diff)
            };
            set(connection, id, columns, true).await
        }
        Verb::Cancel if diff.cancels_update => {
            cancel(connection, record.open.as_ref().map(|open| open.id)).await
        }
        Verb::Cancel => cancel(connection, id).await,
        Verb::Create | Verb::Replace | Verb::InFlight | Verb::Refused => Ok(()),
    }
}

/// Cancels a job that waits or FAILED, as an operator does by SQL.
async fn cancel(connection: &mut SqliteConnection, id: Option<JobId>) -> Result<(), sqlx::Error> {
    let Some(JobId(id)) = id else {
        return Ok(());
    };
    sqlx::query("UPDATE jobs SET state = 'CANCELLED' WHERE id = ?1")
        .bind(id)
        .execute(connection)
        .await?;
    Ok(())
}

/// The name of a job whose parser is gone from the account, or is to be replaced, is free again.
async fn release(connection: &mut SqliteConnection, record: &Record) -> Result<(), sqlx::Error> {
    let Some(job) = &record.job else {
        return Ok(());
    };
    sqlx::query(
        "UPDATE jobs SET revision = revision + 1, \
             released_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) \
         WHERE id = ?1 AND state = 'FINISHED' AND released_at IS NULL",
    )
    .bind(job.id.0)
    .execute(connection)
    .await?;
    Ok(())
}

async fn update(
    connection: &mut SqliteConnection,
    wanted: &JobSpec,
    changes: &FieldChanges,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO jobs (action, name, change, priority, labels) \
         VALUES ('update', ?1, ?2, ?3, nullif(?4, '{}'))",
    )
    .bind(&wanted.name)
    .bind(changes.to_json())
    .bind(wanted.priority)
    .bind(wanted.labels_json())
    .execute(connection)
    .await?;
    Ok(())
}

/// A column and what it is to hold.
type Column = (&'static str, Value);

/// The columns that differ of what is never sent.
fn settings(wanted: &JobSpec, diff: &Diff) -> Vec<Column> {
    let column = |name: &&'static str| {
        let value = match *name {
            "expect" => json!(wanted.expect_json()),
            "check_urls" => json!(wanted.check_urls_json()),
            "priority" => json!(wanted.priority),
            "run_at" => json!(wanted.run_at),
            "labels" => json!(wanted.labels_json().filter(|labels| labels != "{}")),
            _ => json!(u8::from(wanted.protect == Some(true))),
        };
        (*name, value)
    };
    diff.settings.iter().map(column).collect()
}

/// The columns of a job that waits. What it is judged by goes where it no longer fits, unless the
/// file says anew what that is.
fn edit(wanted: &JobSpec, record: &Record, diff: &Diff) -> Vec<Column> {
    let mut columns = vec![
        ("urls", json!(wanted.urls_json())),
        ("scraper_params", json!(wanted.scraper_params_json())),
        ("fields", json!(wanted.fields_json())),
    ];
    columns.extend(settings(wanted, diff));
    let asked = record.job.as_ref().and_then(|job| job.spec.as_ref());
    if let Some(asked) = asked {
        if wanted.expect.is_none() && asked.expect.is_some() {
            let kept = JobSpec {
                expect: asked.expect.clone(),
                ..wanted.clone()
            };
            let fits = kept.problems().is_empty();
            columns.push(("expect", json!(asked.expect_json().filter(|_| fits))));
        }
        if wanted.check_urls.is_none() && asked.check_urls.is_some() {
            let kept = JobSpec {
                check_urls: asked.check_urls.clone(),
                ..wanted.clone()
            };
            let fits = kept.problems().is_empty();
            columns.push((
                "check_urls",
                json!(asked.check_urls_json().filter(|_| fits)),
            ));
        }
    }
    columns
}

/// Sets columns of a job, as an operator does by SQL; one that FAILED may be tried again besides.
async fn set(
    connection: &mut SqliteConnection,
    id: Option<JobId>,
    columns: Vec<Column>,
    is_retried: bool,
) -> Result<(), sqlx::Error> {
    let (Some(id), false) = (id, columns.is_empty() && !is_retried) else {
        return Ok(());
    };
    let columns = columns
        .into_iter()
        .map(|(column, value)| (column.to_owned(), value))
        .collect();
    let state = if is_retried {
        "iif(state = 'FAILED', 'QUEUED', state)"
    } else {
        "state"
    };
    edit::set(connection, id, None, columns, state).await?;
    Ok(())
}
