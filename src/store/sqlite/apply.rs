//! Transitions into the database: guarded UPDATEs for a whole group, with its history
//! and its ledger in the same transaction.

mod ready;
mod settle;

use std::{collections::HashSet, fmt::Write as _, sync::LazyLock};

use serde_json::{Value, json, value::RawValue};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{
    Store, StoreError, Trying as _, batch::BatchStatement, epochs::CURRENT, ledger, rows,
    updates::UpdateNote,
};
use crate::{
    core::job::{Action, Job, JobId, ParserId, Progress, UnixMs},
    core::lifecycle::{Change, LedgerChange, ParserChange},
    core::made_from::MadeFrom,
    core::quality::Judgement,
    store::ports::{Applied, Changes, Intent},
};

/// What a changed row weighs without its longest texts, roughly.
const ROW_BYTES: usize = 500;

/// A change on its way to the database.
pub(super) struct Record {
    id: JobId,
    revision: i64,
    at: UnixMs,
    next: Progress,
    example_result: Option<Box<RawValue>>,
    events: Vec<(&'static str, Value)>,
    /// Its parser is ready; what it is worth, where that was judged.
    ready: Option<Option<Judgement>>,
    ledger: Option<LedgerChange>,
    parser: Option<ParserChange>,
    judgement: Option<Judgement>,
    fields: Option<String>,
    made_from: Option<Box<MadeFrom>>,
    /// The parser for which the name goes on to stand.
    stays: Option<ParserId>,
    is_change: bool,
    shown: Option<ParserId>,
    remote_name: Option<String>,
    intent: Intent,
}

impl Record {
    fn new(job: &Job, change: &Change, intent: Intent, at: UnixMs) -> Self {
        Self {
            id: job.id,
            revision: job.revision,
            at,
            next: change.next.clone(),
            example_result: change.example_result.clone(),
            events: change.events().map(|event| event.to_columns()).collect(),
            ready: (change.has_parser_ready() && job.action == Action::Create)
                .then(|| change.judgement.clone()),
            ledger: change.ledger.clone(),
            parser: change.parser.clone(),
            judgement: (change.parser.is_some())
                .then(|| change.judgement.clone())
                .flatten(),
            fields: change.fields.clone(),
            made_from: change.made_from.clone(),
            stays: change.stays.clone(),
            is_change: job.action != Action::Create,
            shown: change
                .shows_parser
                .then(|| job.progress.parser_id.clone())
                .flatten(),
            remote_name: change
                .next
                .remote_name
                .clone()
                .or_else(|| job.progress.remote_name.clone()),
            intent,
        }
    }

    fn update_note(&self, is_applied: bool) -> UpdateNote<'_> {
        UpdateNote {
            job: self.id,
            at: self.at,
            parser_id: self.next.parser_id.as_ref(),
            part: self.next.part,
            ledger: self.ledger.as_ref(),
            parser: self.parser.as_ref(),
            judgement: self.judgement.as_ref(),
            sent_at: self.intent.sent_at,
            credits: self.intent.credits,
            record: self.intent.change.as_ref(),
            is_applied,
        }
    }

    /// Roughly how many bytes it writes.
    pub(super) fn weight(&self) -> usize {
        let message = self.next.error_message.as_ref().map_or(0, String::len);
        let result = self.example_result.as_ref().map_or(0, |r| r.get().len());
        ROW_BYTES + message + result
    }
}

impl Changes for Store {
    async fn apply(
        &self,
        job: &Job,
        change: &Change,
        intent: Intent,
        now: UnixMs,
    ) -> Result<Applied, StoreError> {
        let record = Record::new(job, change, intent, now);
        let is_request = record.ledger.as_ref().is_some_and(LedgerChange::is_intent)
            || record.intent.found.is_some();
        let applied = self.writer.apply(record).await?;
        if is_request
            && matches!(applied, Applied::Durable { .. })
            && let Some(hold) = &self.hold
        {
            hold.count_request();
        }
        Ok(applied)
    }
}

static UPDATE: LazyLock<BatchStatement> = LazyLock::new(|| {
    let mut columns = vec!["id", "revision", "at", "example_result", "target_fields"];
    columns.extend(rows::PROGRESS_COLUMNS);
    let mut update = "UPDATE jobs SET revision = jobs.revision + 1, updated_at = change.at, \
                      retry_requested_at = NULL, edit_requested_at = NULL, \
                      example_result = coalesce(change.example_result, jobs.example_result), \
                      target_fields = coalesce(change.target_fields, jobs.target_fields)"
        .to_owned();
    for column in rows::PROGRESS_COLUMNS {
        let _infallible = write!(update, ", {column} = change.{column}");
    }
    // Of the account that is asked now, where the parser is another one.
    let _infallible = write!(
        update,
        ", epoch = CASE WHEN change.parser_id IS jobs.parser_id THEN jobs.epoch ELSE {CURRENT} END"
    );
    update.push_str(
        " FROM change WHERE jobs.id = change.id AND jobs.revision = change.revision \
         RETURNING id, revision",
    );
    BatchStatement::new("change", &columns, &update)
});

static NOTE: LazyLock<BatchStatement> = LazyLock::new(|| {
    let columns = ["job_id", "at", "event", "detail"];
    let insert = "INSERT INTO job_events (job_id, at, event, detail) \
                  SELECT job_id, at, event, detail FROM note WHERE job_id IS NOT NULL";
    BatchStatement::new("note", &columns, insert)
});

static INTENT: LazyLock<BatchStatement> = LazyLock::new(|| {
    let columns = [
        "job_id",
        "remote_name",
        "sent_at",
        "credits",
        "baseline",
        "escalated",
    ];
    let insert = format!(
        "INSERT INTO creates (job_id, remote_name, sent_at, credits, baseline, escalated, epoch) \
         SELECT job_id, remote_name, sent_at, credits, baseline, escalated, {CURRENT} FROM intent \
         WHERE job_id IS NOT NULL"
    );
    BatchStatement::new("intent", &columns, &insert)
});

/// Whose account a parser is of, for an SQL expression. A person may choose one of another than
/// the create was sent to: then the job knows no name of it. One that is seen under the name
/// that was sent stays of the account that the create was sent to, and so makes the two one.
static EPOCH_OF_MADE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "CASE WHEN (SELECT remote_name FROM jobs WHERE jobs.id = creates.job_id) IS NULL \
         THEN {CURRENT} ELSE creates.epoch END"
    )
});

static MADE: LazyLock<BatchStatement> = LazyLock::new(|| {
    let columns = ["remote_name", "parser_id", "at"];
    let update = format!(
        "UPDATE creates SET outcome = 'made', parser_id = made.parser_id, \
                settled_at = made.at, epoch = {} \
         FROM made \
         WHERE creates.remote_name = made.remote_name AND creates.outcome = 'pending' \
           AND NOT EXISTS (SELECT 1 FROM creates AS other \
                           WHERE other.parser_id = made.parser_id) \
         RETURNING parser_id",
        *EPOCH_OF_MADE
    );
    BatchStatement::new("made", &columns, &update)
});

/// Applies a group, in order. Two changes of one revision cannot both be applied.
pub(super) async fn records(
    connection: &mut SqliteConnection,
    records: &[Box<Record>],
) -> Result<Vec<Applied>, StoreError> {
    let mut seen = HashSet::new();
    let first: Vec<bool> = records
        .iter()
        .map(|record| seen.insert((record.id, record.revision)))
        .collect();
    let changes: Vec<_> = records
        .iter()
        .zip(&first)
        .filter_map(|(record, first)| first.then_some(&**record))
        .collect();
    let updated = update_jobs(connection, &changes).await?;
    let shown: Vec<&str> = records
        .iter()
        .filter_map(|record| record.shown.as_ref().map(|id| id.0.as_str()))
        .collect();
    if !shown.is_empty() {
        ledger::delete_gone(connection, &shown)
            .await
            .trying("record that parsers are there again")?;
    }
    let applied: Vec<bool> = records
        .iter()
        .zip(first)
        .map(|(record, first)| first && updated.contains(&(record.id.0, record.revision + 1)))
        .collect();
    write_notes(connection, records, &applied).await?;
    ready::write_parsers(connection, records, &applied).await?;
    write_intents(connection, records, &applied).await?;
    let mut made = settle::write_made(connection, records).await?;
    let mut results = Vec::with_capacity(records.len());
    for (record, applied) in records.iter().zip(applied) {
        let is_made = matches!(&record.ledger, Some(LedgerChange::Made(parser_id))
            if made.remove(parser_id.0.as_str()));
        let refund = if is_made {
            None
        } else {
            settle::settle_one(connection, record, applied).await?
        };
        results.push(if applied {
            Applied::Durable { refund }
        } else {
            Applied::Stale
        });
    }
    Ok(results)
}

/// Stores what becomes of jobs; returns those that were as each change takes them to be, with
/// their new revisions.
async fn update_jobs(
    connection: &mut SqliteConnection,
    changes: &[&Record],
) -> Result<HashSet<(i64, i64)>, StoreError> {
    let mut updated = HashSet::new();
    for (mut update, changes) in UPDATE.statements(changes) {
        for change in changes {
            let row = update.bind(change.id.0).bind(change.revision);
            let result = change.example_result.as_ref().map(|result| result.get());
            let target = change.intent.change.as_ref();
            let target = target.and_then(|record| record.target_fields.as_deref());
            let row = row.bind(change.at).bind(result).bind(target);
            update = rows::bind(row, &change.next);
        }
        let rows = update
            .try_map(|row: SqliteRow| Ok((row.try_get(0)?, row.try_get(1)?)))
            .fetch_all(&mut *connection)
            .await
            .trying("store a change of a job")?;
        updated.extend(rows);
    }
    Ok(updated)
}

async fn write_notes(
    connection: &mut SqliteConnection,
    records: &[Box<Record>],
    applied: &[bool],
) -> Result<(), StoreError> {
    let applied = records.iter().zip(applied).filter(|(_, applied)| **applied);
    let notes: Vec<_> = applied
        .flat_map(|(record, _)| record.events.iter().map(move |event| (record, event)))
        .collect();
    for (mut insert, notes) in NOTE.statements(&notes) {
        for (record, (event, detail)) in notes {
            insert = insert.bind(record.id.0).bind(record.at);
            insert = insert.bind(*event).bind(detail.to_string());
        }
        insert
            .execute(&mut *connection)
            .await
            .trying("write a job's history")?;
    }
    Ok(())
}

async fn write_intents(
    connection: &mut SqliteConnection,
    records: &[Box<Record>],
    applied: &[bool],
) -> Result<(), StoreError> {
    let applied = records.iter().zip(applied).filter(|(_, applied)| **applied);
    let intents: Vec<_> = applied
        .filter_map(|(record, _)| (record.ledger == Some(LedgerChange::Intent)).then_some(record))
        .collect();
    for (mut insert, intents) in INTENT.statements(&intents) {
        for record in intents {
            let intent = &record.intent;
            insert = insert.bind(record.id.0).bind(record.remote_name.as_deref());
            insert = insert.bind(intent.sent_at).bind(intent.credits);
            insert = insert.bind(json!(intent.baseline).to_string());
            insert = insert.bind(intent.is_escalated);
        }
        insert
            .execute(&mut *connection)
            .await
            .trying("record a create before it is sent")?;
    }
    Ok(())
}
