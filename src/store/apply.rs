//! Transitions into the database: one guarded UPDATE a group, with its history
//! and its ledger in the same transaction.

use std::{collections::HashSet, fmt::Write as _, sync::LazyLock};

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
    example_result: Option<String>,
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
        Self {
            id: job.id,
            revision: job.revision,
            at,
            progress: Value::Object(object).to_string(),
            example_result: change
                .example_result
                .as_ref()
                .map(|raw| raw.get().to_owned()),
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
        self.progress.len() + self.example_result.as_ref().map_or(0, String::len)
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

/// `UPDATE ... FROM json_each`, one statement for the whole group.
static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let mut sql = "UPDATE jobs SET revision = jobs.revision + 1, \
                   updated_at = change.value ->> 'at'"
        .to_owned();
    for column in rows::PROGRESS_COLUMNS {
        let _infallible = write!(sql, ", {column} = change.value ->> '{column}'");
    }
    sql.push_str(
        " FROM json_each(?1) AS change WHERE jobs.id = change.value ->> 'id' \
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
    let mut results = Vec::with_capacity(records.len());
    let mut notes = Vec::new();
    for (record, first) in records.iter().zip(first) {
        let applied = first && updated.contains(&(record.id.0, record.revision + 1));
        if applied {
            if let Some((event, detail)) = &record.note {
                notes.push(json!({
                    "job_id": record.id, "at": record.at, "event": event, "detail": detail.to_string(),
                }));
            }
            if let Some(result) = &record.example_result {
                store_result(connection, record.id, result).await?;
            }
        }
        let refund = keep_ledger(connection, record, applied).await?;
        results.push(if applied {
            Applied::Durable { refund }
        } else {
            Applied::Stale
        });
    }
    if !notes.is_empty() {
        sqlx::query(
            "INSERT INTO job_events (job_id, at, event, detail) \
             SELECT value ->> 'job_id', value ->> 'at', value ->> 'event', value ->> 'detail' \
             FROM json_each(?1)",
        )
        .bind(Value::from(notes).to_string())
        .execute(&mut *connection)
        .await
        .trying("write a job's history")?;
    }
    Ok(results)
}

/// Apart, since results may be large and few changes carry one. The job is FINISHED
/// in this transaction, so the revision is raised once more only for the rules' sake.
async fn store_result(
    connection: &mut SqliteConnection,
    id: JobId,
    result: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE jobs SET example_result = ?2, revision = revision + 1 WHERE id = ?1")
        .bind(id.0)
        .bind(result)
        .execute(connection)
        .await
        .trying("store a job's result")?;
    Ok(())
}

async fn keep_ledger(
    connection: &mut SqliteConnection,
    record: &Record,
    applied: bool,
) -> Result<Option<(i64, UnixMs)>, StoreError> {
    match &record.ledger {
        Some(Ledger::Intent) if applied => {
            let baseline: Vec<&str> = record
                .intent
                .baseline
                .iter()
                .map(|id| id.0.as_str())
                .collect();
            sqlx::query(
                "INSERT INTO creates (job_id, remote_name, sent_at, credits, baseline) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .bind(record.id.0)
            .bind(record.remote_name.as_deref())
            .bind(record.intent.sent_at)
            .bind(record.intent.credits)
            .bind(json!(baseline).to_string())
            .execute(connection)
            .await
            .trying("record a create before it is sent")?;
            Ok(None)
        }
        // Even where the job moved on: what the service made is never forgotten.
        Some(Ledger::Made(parser_id)) => {
            if settle(connection, record, "pending", "made", Some(parser_id))
                .await?
                .is_some()
            {
                return Ok(None);
            }
            // One that lands later than anyone waited is spent after all.
            let landed = settle(connection, record, "not_made", "made", Some(parser_id)).await?;
            Ok(landed.map(|(credits, sent_at)| (-credits, sent_at)))
        }
        Some(Ledger::NotMade) if applied => {
            settle(connection, record, "pending", "not_made", None).await
        }
        Some(Ledger::Intent | Ledger::NotMade) | None => Ok(None),
    }
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
