//! Transitions into the database: one guarded UPDATE a group, with its history
//! and its ledger in the same transaction.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    sync::LazyLock,
};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use super::{Store, StoreError, Trying as _, lookup, rows};
use crate::{
    job::{Job, JobId, ParserId, UnixMs},
    lifecycle::{Change, Ledger},
};

/// What an intent records beside the job's own progress.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intent {
    /// What the create is taken to cost.
    pub credits: i64,
    /// When it was set aside in the budget: on that day it is counted.
    pub sent_at: UnixMs,
    /// The parsers that bore the name before.
    pub baseline: Vec<ParserId>,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It is durable.
    Durable {
        /// A create that turned out to have made nothing: its credits and when it was sent.
        /// Negative credits where one that counted as such made a parser after all.
        refund: Option<(i64, UnixMs)>,
    },
    /// The job moved on meanwhile; nothing was changed. An outcome, not an error.
    Stale,
}

/// A change on its way to the database.
pub(super) struct Record {
    id: JobId,
    revision: i64,
    at: UnixMs,
    progress: String,
    note: Option<(&'static str, Value)>,
    ledger: Option<Ledger>,
    shown: Option<ParserId>,
    remote_name: Option<String>,
    intent: Intent,
}

impl Record {
    fn new(job: &Job, change: &Change, intent: Intent, at: UnixMs) -> Self {
        let mut object = rows::object(&change.next);
        object.insert("id".to_owned(), job.id.0.into());
        object.insert("revision".to_owned(), job.revision.into());
        object.insert("at".to_owned(), at.into());
        if let Some(result) = &change.example_result {
            // A JSON text in a JSON text: it is kept word for word.
            object.insert("example_result".to_owned(), result.get().into());
        }
        Self {
            id: job.id,
            revision: job.revision,
            at,
            progress: Value::Object(object).to_string(),
            note: change
                .note
                .as_ref()
                .map(|note| (note.event, note.detail.clone())),
            ledger: change.ledger.clone(),
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

    /// The job, if this is the intent of a create.
    #[cfg(test)]
    pub(super) fn intent_of(&self) -> Option<i64> {
        (self.ledger == Some(Ledger::Intent)).then_some(self.id.0)
    }

    /// Roughly how many bytes it writes.
    pub(super) fn weight(&self) -> usize {
        self.progress.len()
    }
}

impl Store {
    /// Stores a change of `job`, if the job is still on the revision that the change
    /// was decided for; returns when it is durable.
    ///
    /// That a create made a parser is recorded in any case.
    ///
    /// # Errors
    /// Whatever SQLite says; then nothing was changed.
    pub async fn apply(
        &self,
        job: &Job,
        change: &Change,
        intent: Intent,
        now: UnixMs,
    ) -> Result<Applied, StoreError> {
        let record = Record::new(job, change, intent, now);
        #[cfg(test)]
        let record = match self.break_rules(record).await? {
            Some(record) => record,
            None => return Ok(Applied::Durable { refund: None }),
        };
        self.writer.apply(record).await
    }

    /// As if the rules on intents and on revisions were not there.
    #[cfg(test)]
    async fn break_rules(&self, mut record: Record) -> Result<Option<Record>, StoreError> {
        use crate::simulation::{Rule, breaks};
        if breaks(Rule::IntentBeforePost) && record.intent_of().is_some() {
            let writer = self.writer.clone();
            drop(tokio::spawn(async move { writer.apply(record).await }));
            return Ok(None);
        }
        if breaks(Rule::GuardedUpdate)
            && let Some(fresh) = self.job(record.id).await?
        {
            let change = record.progress.replace(
                &format!("\"revision\":{}", record.revision),
                &format!("\"revision\":{}", fresh.revision),
            );
            (record.revision, record.progress) = (fresh.revision, change);
        }
        Ok(Some(record))
    }
}

/// One statement for the whole group. As JSONB, an item is not written out as text and
/// read again for each of its columns.
static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let mut sql = "UPDATE jobs SET revision = jobs.revision + 1, \
                   updated_at = change.value ->> 'at', \
                   example_result = coalesce(change.value ->> 'example_result', \
                                             jobs.example_result)"
        .to_owned();
    for column in rows::PROGRESS_COLUMNS {
        let _infallible = write!(sql, ", {column} = change.value ->> '{column}'");
    }
    sql.push_str(
        " FROM jsonb_each(?1) AS change WHERE jobs.id = change.value ->> 'id' \
         AND jobs.revision = change.value ->> 'revision' RETURNING jobs.id, jobs.revision",
    );
    sql
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
    let parts: Vec<&str> = records
        .iter()
        .zip(&first)
        .filter(|(_, first)| **first)
        .map(|(record, _)| record.progress.as_str())
        .collect();
    let updated: HashSet<(i64, i64)> = sqlx::query_as(AssertSqlSafe(UPDATE.as_str()))
        .bind(format!("[{}]", parts.join(",")))
        .fetch_all(&mut *connection)
        .await
        .trying("store a change of a job")?
        .into_iter()
        .collect();
    let shown: Vec<&str> = records
        .iter()
        .filter_map(|record| record.shown.as_ref().map(|id| id.0.as_str()))
        .collect();
    if !shown.is_empty() {
        lookup::delete_gone(connection, &shown)
            .await
            .trying("record that parsers are there again")?;
    }
    let applied: Vec<bool> = records
        .iter()
        .zip(first)
        .map(|(record, first)| first && updated.contains(&(record.id.0, record.revision + 1)))
        .collect();
    write_notes(connection, records, &applied).await?;
    write_intents(connection, records, &applied).await?;
    let mut made = write_made(connection, records).await?;
    let mut results = Vec::with_capacity(records.len());
    for (record, applied) in records.iter().zip(applied) {
        let refund = match &record.ledger {
            Some(Ledger::Made(parser_id)) if made.remove(parser_id.0.as_str()) => None,
            // Even where the job moved on: what the service made is never forgotten.
            Some(Ledger::Made(parser_id)) => settle_made(connection, record, parser_id).await?,
            Some(Ledger::NotMade) if applied => {
                settle(connection, record, "pending", "not_made", None).await?
            }
            Some(Ledger::Intent | Ledger::NotMade) | None => None,
        };
        results.push(if applied {
            Applied::Durable { refund }
        } else {
            Applied::Stale
        });
    }
    Ok(results)
}

async fn write_notes(
    connection: &mut SqliteConnection,
    records: &[Box<Record>],
    applied: &[bool],
) -> Result<(), StoreError> {
    let applied = records.iter().zip(applied).filter(|(_, applied)| **applied);
    let notes: Vec<_> = applied
        .filter_map(|(record, _)| {
            let (event, detail) = record.note.as_ref()?;
            Some(json!([record.id, record.at, event, detail.to_string()]))
        })
        .collect();
    if notes.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO job_events (job_id, at, event, detail) \
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM jsonb_each(?1)",
    )
    .bind(Value::from(notes).to_string())
    .execute(connection)
    .await
    .trying("write a job's history")?;
    Ok(())
}

async fn write_intents(
    connection: &mut SqliteConnection,
    records: &[Box<Record>],
    applied: &[bool],
) -> Result<(), StoreError> {
    let applied = records.iter().zip(applied).filter(|(_, applied)| **applied);
    let intents: Vec<_> = applied
        .filter(|(record, _)| record.ledger == Some(Ledger::Intent))
        .map(|(record, _)| {
            let intent = &record.intent;
            let baseline = json!(intent.baseline).to_string();
            json!([
                record.id,
                record.remote_name,
                intent.sent_at,
                intent.credits,
                baseline
            ])
        })
        .collect();
    if intents.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO creates (job_id, remote_name, sent_at, credits, baseline) \
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 \
         FROM jsonb_each(?1)",
    )
    .bind(Value::from(intents).to_string())
    .execute(connection)
    .await
    .trying("record a create before it is sent")?;
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
        if let Some(Ledger::Made(parser_id)) = &record.ledger
            && names.insert(record.remote_name.as_deref())
        {
            made.entry(parser_id.0.as_str()).or_insert(record);
        }
    }
    if made.is_empty() {
        return Ok(HashSet::new());
    }
    let items: Vec<_> = made
        .iter()
        .map(|(parser_id, record)| json!([record.remote_name, parser_id, record.at]))
        .collect();
    let written: Vec<String> = sqlx::query_scalar(
        "UPDATE creates SET outcome = 'made', parser_id = made.value ->> 1, \
                settled_at = made.value ->> 2 \
         FROM jsonb_each(?1) AS made \
         WHERE creates.remote_name = made.value ->> 0 AND creates.outcome = 'pending' \
           AND NOT EXISTS (SELECT 1 FROM creates AS other \
                           WHERE other.parser_id = made.value ->> 1) \
         RETURNING parser_id",
    )
    .bind(Value::from(items).to_string())
    .fetch_all(connection)
    .await
    .trying("settle creates")?;
    let written = written.iter();
    Ok(written
        .filter_map(|id| Some(*made.get_key_value(id.as_str())?.0))
        .collect())
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
    // One that lands later than anyone waits is spent after all.
    let landed = settle(connection, record, "not_made", "made", Some(parser_id)).await?;
    Ok(landed.map(|(credits, sent_at)| (-credits, sent_at)))
}

/// Settles the newest create of the record's name that is as `from` says; nothing is
/// written twice. Returns its credits and when it was sent.
async fn settle(
    connection: &mut SqliteConnection,
    record: &Record,
    from: &'static str,
    outcome: &'static str,
    parser_id: Option<&ParserId>,
) -> Result<Option<(i64, UnixMs)>, StoreError> {
    // Bound to a column that a partial index names, a value has SQLite prepare the
    // statement anew each time.
    let sql = format!(
        "UPDATE creates SET outcome = '{outcome}', parser_id = ?2, settled_at = ?3 \
         WHERE id = (SELECT id FROM creates WHERE remote_name = ?1 AND outcome = '{from}' \
                ORDER BY id DESC LIMIT 1) \
           AND NOT EXISTS (SELECT 1 FROM creates WHERE parser_id = ?2) \
         RETURNING credits, sent_at"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(record.remote_name.as_deref())
        .bind(parser_id.map(|id| id.0.as_str()))
        .bind(record.at)
        .fetch_optional(connection)
        .await
        .trying("settle a create")?;
    row.map(|row| Ok((row.try_get("credits")?, row.try_get("sent_at")?)))
        .transpose()
        .trying("read a settled create")
}
