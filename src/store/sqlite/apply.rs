//! Transitions into the database: guarded UPDATEs for a whole group, with its history
//! and its ledger in the same transaction.

mod ready;

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    sync::LazyLock,
};

use serde_json::{Value, json, value::RawValue};
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{
    Store, StoreError, Trying as _,
    batch::BatchStatement,
    epochs::CURRENT,
    ledger, rows,
    updates::{self, UpdateNote},
};
use crate::{
    core::job::{Action, Job, JobId, ParserId, Progress, UnixMs},
    core::lifecycle::{Change, LedgerChange, ParserChange},
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
        let is_create = record.ledger.as_ref().is_some_and(LedgerChange::is_intent)
            || record.intent.found.is_some();
        let applied = self.writer.apply(record).await?;
        if is_create
            && matches!(applied, Applied::Durable { .. })
            && let Some(hold) = &self.hold
        {
            hold.count_create();
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
    let columns = ["job_id", "remote_name", "sent_at", "credits", "baseline"];
    let insert = format!(
        "INSERT INTO creates (job_id, remote_name, sent_at, credits, baseline, epoch) \
         SELECT job_id, remote_name, sent_at, credits, baseline, {CURRENT} FROM intent \
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
    let mut made = write_made(connection, records).await?;
    let mut results = Vec::with_capacity(records.len());
    for (record, applied) in records.iter().zip(applied) {
        let refund = match &record.ledger {
            Some(LedgerChange::Made(parser_id)) if made.remove(parser_id.0.as_str()) => None,
            // Even where the job moved on: what the service made is never forgotten.
            Some(LedgerChange::Made(parser_id)) => {
                settle_made(connection, record, parser_id).await?
            }
            Some(LedgerChange::NotMade) if applied => {
                settle(connection, record, "pending", "not_made", None).await?
            }
            _ if record.is_change => {
                updates::note(connection, &record.update_note(applied)).await?
            }
            None if applied => write_found(connection, record).await?,
            Some(
                LedgerChange::Intent
                | LedgerChange::NotMade
                | LedgerChange::ChangeIntent
                | LedgerChange::Changed(_)
                | LedgerChange::NotChanged,
            )
            | None => None,
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
        }
        insert
            .execute(&mut *connection)
            .await
            .trying("record a create before it is sent")?;
    }
    Ok(())
}

/// Settles the pending creates that made parsers. Returns the parsers of those; the rest
/// is looked at one by one.
async fn write_made<'r>(
    connection: &mut SqliteConnection,
    records: &'r [Box<Record>],
) -> Result<HashSet<&'r str>, StoreError> {
    let mut names = HashSet::new();
    let mut made = HashMap::new();
    for record in records {
        if let Some(LedgerChange::Made(parser_id)) = &record.ledger
            && names.insert(record.remote_name.as_deref())
        {
            made.entry(parser_id.0.as_str()).or_insert(record);
        }
    }
    let items: Vec<_> = made.iter().collect();
    let mut written = HashSet::new();
    for (mut update, items) in MADE.statements(&items) {
        for (parser_id, record) in items {
            update = update.bind(record.remote_name.as_deref());
            update = update.bind(**parser_id).bind(record.at);
        }
        let parsers = update
            .try_map(|row: SqliteRow| row.try_get::<String, _>(0))
            .fetch_all(&mut *connection)
            .await
            .trying("settle creates")?;
        let parsers = parsers.iter();
        written.extend(parsers.filter_map(|id| Some(*made.get_key_value(id.as_str())?.0)));
    }
    Ok(written)
}

/// Records a parser that was paid for and of which the ledger knows nothing. Returns what it
/// cost as less than nothing to refund, and when.
async fn write_found(
    connection: &mut SqliteConnection,
    record: &Record,
) -> Result<Option<(i64, UnixMs)>, StoreError> {
    let (Some(found), Some(parser_id)) = (record.intent.found, &record.next.parser_id) else {
        return Ok(None);
    };
    let sql = format!(
        "INSERT INTO creates (job_id, remote_name, sent_at, credits, epoch, outcome, parser_id, \
             settled_at) \
         SELECT ?1, ?2, ?3, ?4, {CURRENT}, 'made', ?5, ?6 \
         WHERE ?2 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM creates WHERE parser_id = ?5)"
    );
    let written = sqlx::query(AssertSqlSafe(sql))
        .bind(record.id.0)
        .bind(record.remote_name.as_deref())
        .bind(found.made_at)
        .bind(found.credits)
        .bind(parser_id.0.as_str())
        .bind(record.at)
        .execute(connection)
        .await
        .trying("record a parser that was paid for")?;
    let is_written = written.rows_affected() > 0;
    Ok(is_written.then_some((found.credits.saturating_neg(), found.made_at)))
}

async fn settle_made(
    connection: &mut SqliteConnection,
    record: &Record,
    parser_id: &ParserId,
) -> Result<Option<(i64, UnixMs)>, StoreError> {
    if settle(connection, record, "pending", "made", Some(parser_id))
        .await?
        .is_some()
    {
        return Ok(None);
    }
    if is_on_record(connection, record, parser_id).await? {
        // The service answered once more with what an earlier create of the name made.
        return settle(connection, record, "pending", "not_made", None).await;
    }
    // One that lands later than anyone waits is spent after all.
    let landed = settle(connection, record, "not_made", "made", Some(parser_id)).await?;
    Ok(landed.map(|(credits, sent_at)| (credits.saturating_neg(), sent_at)))
}

/// Whether an earlier create of the record's name made this parser.
async fn is_on_record(
    connection: &mut SqliteConnection,
    record: &Record,
    parser_id: &ParserId,
) -> Result<bool, StoreError> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM creates WHERE parser_id = ?2 AND remote_name = ?1)",
    )
    .bind(record.remote_name.as_deref())
    .bind(&parser_id.0)
    .fetch_one(connection)
    .await
    .trying("look up what a create made")
}

/// Settles the newest create of the record's name that is as `from` says; nothing is
/// written twice. Returns its credits and when they count as spent.
async fn settle(
    connection: &mut SqliteConnection,
    record: &Record,
    from: &'static str,
    outcome: &'static str,
    parser_id: Option<&ParserId>,
) -> Result<Option<(i64, UnixMs)>, StoreError> {
    // Bound to a column that a partial index names, a value has SQLite prepare the
    // statement anew each time.
    let epoch = if parser_id.is_some() {
        EPOCH_OF_MADE.as_str()
    } else {
        "epoch"
    };
    let sql = format!(
        "UPDATE creates SET outcome = '{outcome}', parser_id = ?2, settled_at = ?3, \
                epoch = {epoch} \
         WHERE id = (SELECT id FROM creates WHERE remote_name = ?1 AND outcome = '{from}' \
                ORDER BY id DESC LIMIT 1) \
           AND NOT EXISTS (SELECT 1 FROM creates WHERE parser_id = ?2) \
         RETURNING credits, coalesce(counted_at, sent_at) AS at"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(record.remote_name.as_deref())
        .bind(parser_id.map(|id| id.0.as_str()))
        .bind(record.at)
        .fetch_optional(connection)
        .await
        .trying("settle a create")?;
    row.map(|row| Ok((row.try_get("credits")?, row.try_get("at")?)))
        .transpose()
        .trying("read a settled create")
}
