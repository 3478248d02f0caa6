//! Parsers that jobs change or delete, and the requests that do.

use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::{AssertSqlSafe, FromRow, Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{Store, StoreError, Trying as _, epochs::CURRENT, report::json_column, rows};
use crate::{
    core::{
        field_changes::FieldChanges,
        job::{JobId, ParserId, Part, UnixMs},
        lifecycle::{LedgerChange, ParserChange},
        quality::{Judgement, judged_by},
    },
    store::ports::{ChangeRecord, PendingUpdate, Target, Updates},
};

/// The columns of [`target`].
const TARGET_COLUMNS: &str =
    "parser_id, latest_version, applied_version, fields, protected, quality";

/// A request that changes or deletes a parser, as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct UpdateRow {
    /// The parser.
    pub parser_id: String,
    /// `free`, `paid` or `delete`.
    pub part: String,
    /// The version that it is based on.
    pub base_version: Option<i64>,
    /// What was sent, JSON.
    pub change: Option<Box<RawValue>>,
    /// When, Unix milliseconds.
    pub sent_at: UnixMs,
    /// What it is taken to cost.
    pub credits: i64,
    /// `pending`, `made` or `not_made`.
    pub outcome: String,
    /// The version that it made.
    pub version: Option<i64>,
    /// When the outcome was known, Unix milliseconds.
    pub settled_at: Option<UnixMs>,
}

impl FromRow<'_, SqliteRow> for UpdateRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            parser_id: rows::some_text(row, "parser_id")?,
            part: rows::some_text(row, "part")?,
            base_version: row.try_get("base_version")?,
            change: json_column(row, "change")?,
            sent_at: row.try_get("sent_at")?,
            credits: row.try_get("credits")?,
            outcome: rows::some_text(row, "outcome")?,
            version: row.try_get("version")?,
            settled_at: row.try_get("settled_at")?,
        })
    }
}

impl Store {
    /// The requests of a job that change or delete a parser, oldest first.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn update_requests(&self, job: JobId) -> Result<Vec<UpdateRow>, StoreError> {
        sqlx::query_as(
            "SELECT parser_id, part, base_version, change, sent_at, credits, outcome, version, \
                 settled_at FROM updates WHERE job_id = ?1 ORDER BY id",
        )
        .bind(job.0)
        .fetch_all(&self.readers)
        .await
        .trying("read a job's requests")
    }

    /// What all updates count as having cost.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn spent_on_updates(&self) -> Result<i64, StoreError> {
        // `total` cannot overflow.
        sqlx::query_scalar(
            "SELECT CAST(total(credits) AS INTEGER) FROM updates WHERE outcome <> 'not_made'",
        )
        .fetch_one(&self.readers)
        .await
        .trying("add up what updates cost")
    }

    async fn one_target(&self, from: &str, key: &str) -> Result<Option<Target>, StoreError> {
        let sql = format!("SELECT {TARGET_COLUMNS} FROM {from} = ?1");
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(key)
            .fetch_optional(&self.readers)
            .await
            .trying("look up a parser")?;
        row.as_ref().map(target).transpose().trying("read a parser")
    }
}

fn target(row: &SqliteRow) -> Result<Target, sqlx::Error> {
    Ok(Target {
        parser_id: ParserId(rows::some_text(row, "parser_id")?),
        latest_version: row.try_get("latest_version")?,
        applied_version: row.try_get("applied_version")?,
        fields: rows::text(row, "fields")?,
        protected: row.try_get("protected")?,
        quality: rows::text(row, "quality")?.and_then(|text| text.parse().ok()),
    })
}

impl Updates for Store {
    async fn target(&self, name: &str) -> Result<Option<Target>, StoreError> {
        self.one_target("named_parsers WHERE name", name).await
    }

    async fn target_by_id(&self, id: &ParserId) -> Result<Option<Target>, StoreError> {
        self.one_target("parsers WHERE parser_id", &id.0).await
    }

    async fn former_parser(&self, name: &str) -> Result<Option<ParserId>, StoreError> {
        const TRYING: &str = "look up the parser that had a name last";
        let id: Option<String> = sqlx::query_scalar(
            "SELECT parser_id FROM parsers WHERE name = ?1 \
             ORDER BY deleted_at IS NOT NULL, created_at DESC, parser_id LIMIT 1",
        )
        .bind(name)
        .fetch_optional(&self.readers)
        .await
        .trying(TRYING)?;
        Ok(id.map(ParserId))
    }

    async fn pending_update(&self, job: JobId) -> Result<Option<PendingUpdate>, StoreError> {
        const TRYING: &str = "look up a request that is not settled";
        let row = sqlx::query(
            "SELECT parser_id, part, latest_version, fields FROM updates \
             WHERE job_id = ?1 AND outcome = 'pending'",
        )
        .bind(job.0)
        .fetch_optional(&self.readers)
        .await
        .trying(TRYING)?;
        let Some(row) = row else {
            return Ok(None);
        };
        let part = rows::text(&row, "part").trying(TRYING)?;
        Ok(Some(PendingUpdate {
            parser_id: ParserId(rows::some_text(&row, "parser_id").trying(TRYING)?),
            part: part
                .and_then(|text| text.parse().ok())
                .unwrap_or(Part::Paid),
            latest_version: row.try_get("latest_version").trying(TRYING)?,
            fields: rows::text(&row, "fields").trying(TRYING)?,
        }))
    }

    async fn change_of(&self, job: JobId) -> Result<Option<String>, StoreError> {
        const TRYING: &str = "read what a job changes";
        let row = sqlx::query("SELECT change FROM jobs WHERE id = ?1")
            .bind(job.0)
            .fetch_optional(&self.readers)
            .await
            .trying(TRYING)?;
        let text = row.as_ref().map(|row| rows::text(row, "change"));
        Ok(text.transpose().trying(TRYING)?.flatten())
    }
}

/// What one decision about a job that changes or deletes a parser records.
pub(super) struct UpdateNote<'a> {
    pub job: JobId,
    pub at: UnixMs,
    pub parser_id: Option<&'a ParserId>,
    pub part: Option<Part>,
    pub ledger: Option<&'a LedgerChange>,
    pub parser: Option<&'a ParserChange>,
    pub judgement: Option<&'a Judgement>,
    pub sent_at: UnixMs,
    pub credits: i64,
    pub record: Option<&'a ChangeRecord>,
    /// The decision was stored: the job was still as it was taken to be.
    pub is_applied: bool,
}

/// Records it. Returns the credits of a request that changed nothing, and when they count;
/// below nothing where one counted so and was made after all.
pub(super) async fn note(
    connection: &mut SqliteConnection,
    note: &UpdateNote<'_>,
) -> Result<Option<(i64, UnixMs)>, StoreError> {
    let refund = match note.ledger {
        Some(LedgerChange::ChangeIntent) if note.is_applied => {
            intend(connection, note).await?;
            None
        }
        // Even where the job moved on: what was paid for is never forgotten.
        Some(LedgerChange::Changed(version)) => settle_made(connection, note, *version).await?,
        Some(LedgerChange::NotChanged) if note.is_applied => {
            settle(connection, note, "pending", "not_made", None).await?
        }
        _ => None,
    };
    if note.is_applied
        && let (Some(change), Some(id)) = (note.parser, note.parser_id)
    {
        change_parser(connection, note, change, id).await?;
    }
    Ok(refund)
}

async fn intend(
    connection: &mut SqliteConnection,
    note: &UpdateNote<'_>,
) -> Result<(), StoreError> {
    let record = note.record.cloned().unwrap_or_default();
    let sql = format!(
        "INSERT INTO updates (job_id, parser_id, part, base_version, latest_version, change, \
             fields, sent_at, credits, epoch) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, {CURRENT})"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(note.job.0)
        .bind(note.parser_id.map(|id| id.0.as_str()))
        .bind(note.part.map(|part| part.as_str()))
        .bind(record.base_version)
        .bind(record.latest_version)
        .bind(record.change)
        .bind(record.fields)
        .bind(note.sent_at)
        .bind(note.credits)
        .execute(&mut *connection)
        .await
        .trying("record a change before it is sent")?;
    Ok(())
}

async fn settle_made(
    connection: &mut SqliteConnection,
    note: &UpdateNote<'_>,
    version: Option<i64>,
) -> Result<Option<(i64, UnixMs)>, StoreError> {
    let pending = settle(connection, note, "pending", "made", version).await?;
    if pending.is_some() {
        return Ok(None);
    }
    // One that lands later than anyone waits is spent after all.
    let landed = settle(connection, note, "not_made", "made", version).await?;
    Ok(landed.map(|(credits, sent_at)| (credits.saturating_neg(), sent_at)))
}

/// Settles the last request of the job, where it stands so.
async fn settle(
    connection: &mut SqliteConnection,
    note: &UpdateNote<'_>,
    from: &'static str,
    outcome: &'static str,
    version: Option<i64>,
) -> Result<Option<(i64, UnixMs)>, StoreError> {
    let row = sqlx::query(
        "UPDATE updates SET outcome = ?1, version = ?2, settled_at = ?3 \
         WHERE id = (SELECT max(id) FROM updates WHERE job_id = ?4) AND outcome = ?5 \
         RETURNING credits, sent_at",
    )
    .bind(outcome)
    .bind(version)
    .bind(note.at)
    .bind(note.job.0)
    .bind(from)
    .fetch_optional(connection)
    .await
    .trying("settle a change")?;
    row.map(|row| Ok((row.try_get("credits")?, row.try_get("sent_at")?)))
        .transpose()
        .trying("read a settled change")
}

async fn change_parser(
    connection: &mut SqliteConnection,
    note: &UpdateNote<'_>,
    change: &ParserChange,
    id: &ParserId,
) -> Result<(), StoreError> {
    // Of a version that nobody named it is not known which one is the latest: the one before would
    // be the wrong one to base the next change on.
    let (what, version) = match change {
        // What is free makes a parser no worse: where the version to use is the one that the fields
        // on record described, it goes with them. One that a person chose stays.
        ParserChange::Applied { version } => (
            "version = iif(version IS applied_version, coalesce(?1, version), version), \
             latest_version = ?1, applied_version = ?1, \
             fields = coalesce((SELECT fields FROM updates WHERE job_id = ?3 \
                 ORDER BY id DESC LIMIT 1), fields)",
            *version,
        ),
        ParserChange::Ready { version, .. } => (
            "latest_version = ?1, applied_version = ?1, \
             fields = coalesce((SELECT target_fields FROM jobs WHERE id = ?3), fields)",
            *version,
        ),
        ParserChange::Unusable { version } => {
            ("latest_version = coalesce(?1, latest_version)", *version)
        }
        ParserChange::Seen { version } => (
            "latest_version = coalesce(?1, latest_version), applied_version = ?1, \
             fields = coalesce(?5, fields)",
            *version,
        ),
        ParserChange::Deleted => return delete_parser(connection, note.at, id).await,
    };
    let sql = format!(
        "UPDATE parsers SET {what}, updated_at = ?2 \
         WHERE parser_id = ?4 AND ?3 IS ?3 AND ?5 IS ?5"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(version)
        .bind(note.at)
        .bind(note.job.0)
        .bind(&id.0)
        .bind(note.record.and_then(|record| record.fields.as_deref()))
        .execute(&mut *connection)
        .await
        .trying("record what became of a parser")?;
    match change {
        ParserChange::Applied { .. } => say_anew(connection, note, SENT, id).await,
        ParserChange::Ready { is_used, version } => {
            if *is_used {
                use_version(connection, note, *version, id).await?;
            }
            say_anew(connection, note, ASKED_FOR, id).await
        }
        ParserChange::Unusable { .. } | ParserChange::Seen { .. } | ParserChange::Deleted => Ok(()),
    }
}

/// A parser is deleted, and its name is free for another one.
async fn delete_parser(
    connection: &mut SqliteConnection,
    at: UnixMs,
    id: &ParserId,
) -> Result<(), StoreError> {
    for sql in [
        "INSERT OR IGNORE INTO gone_parsers (parser_id, at) VALUES (?2, ?1)",
        "UPDATE parsers SET deleted_at = coalesce(deleted_at, ?1), updated_at = ?1 \
         WHERE parser_id = ?2",
        "UPDATE jobs SET revision = revision + 1, released_at = ?1 \
         WHERE parser_id = ?2 AND action = 'create' AND released_at IS NULL",
    ] {
        sqlx::query(sql)
            .bind(at)
            .bind(&id.0)
            .execute(&mut *connection)
            .await
            .trying("record that a parser is deleted")?;
    }
    Ok(())
}

/// What the last request of a job changed, and the fields once it took effect.
const SENT: &str = "SELECT change, fields FROM updates WHERE job_id = ?1 ORDER BY id DESC LIMIT 1";

/// What a job changes in all, and the fields once that took effect.
const ASKED_FOR: &str = "SELECT change, target_fields AS fields FROM jobs WHERE id = ?1";

/// The job that made the parser says what it is like now.
async fn say_anew(
    connection: &mut SqliteConnection,
    note: &UpdateNote<'_>,
    what: &'static str,
    id: &ParserId,
) -> Result<(), StoreError> {
    const TRYING: &str = "record what a parser is asked for";
    let row = sqlx::query(what)
        .bind(note.job.0)
        .fetch_optional(&mut *connection)
        .await
        .trying(TRYING)?;
    let Some(row) = row else {
        return Ok(());
    };
    let text = |column| rows::text(&row, column).trying(TRYING);
    let change = text("change")?.and_then(|change| FieldChanges::from_json(&change).ok());
    let (Some(change), Some(fields)) = (change, text("fields")?) else {
        return Ok(());
    };
    let makers = sqlx::query(
        "SELECT id, expect FROM jobs WHERE parser_id = ?1 AND action = 'create' \
         AND state <> 'CANCELLED'",
    )
    .bind(&id.0)
    .fetch_all(&mut *connection)
    .await
    .trying(TRYING)?;
    for maker in &makers {
        let expect = rows::text(maker, "expect").trying(TRYING)?;
        let expect = expect.and_then(|expect| change.carry_expect(&expect));
        sqlx::query(
            "UPDATE jobs SET revision = revision + 1, expect = ?1, \
                 fields = CASE WHEN fields IS NULL THEN NULL ELSE ?2 END WHERE id = ?3",
        )
        .bind(expect)
        .bind(&fields)
        .bind(maker.try_get::<i64, _>("id").trying(TRYING)?)
        .execute(&mut *connection)
        .await
        .trying(TRYING)?;
    }
    Ok(())
}

/// A version is the one to use from now on, with its verdict.
async fn use_version(
    connection: &mut SqliteConnection,
    note: &UpdateNote<'_>,
    version: Option<i64>,
    id: &ParserId,
) -> Result<(), StoreError> {
    let judgement = note.judgement;
    sqlx::query(
        "UPDATE parsers SET version = ?1, job_id = ?2, quality = ?3, \
             quality_detail = ?4, judged_by = ?5 WHERE parser_id = ?6",
    )
    .bind(version)
    .bind(note.job.0)
    .bind(judgement.map(|judgement| judgement.quality.as_str()))
    .bind(judgement.map(|judgement| serde_json::json!(judgement).to_string()))
    .bind(judgement.map(|judgement| judged_by(judgement.min_fill)))
    .bind(&id.0)
    .execute(connection)
    .await
    .trying("record which version of a parser is used")?;
    Ok(())
}
