//! What becomes of the ledger's rows with a decision.

use std::collections::{HashMap, HashSet};

use sqlx::{AssertSqlSafe, Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{EPOCH_OF_MADE, MADE, Record};
use crate::{
    core::{
        job::{ParserId, UnixMs},
        lifecycle::LedgerChange,
    },
    store::sqlite::{StoreError, Trying as _, epochs::CURRENT, updates},
};

/// Settles what a decision says of a job's request. Returns the credits of one that counts no
/// more, and when they counted.
pub(super) async fn settle_one(
    connection: &mut SqliteConnection,
    record: &Record,
    applied: bool,
) -> Result<Option<(i64, UnixMs)>, StoreError> {
    match &record.ledger {
        // Even where the job moved on: what the service made is never forgotten.
        Some(LedgerChange::Made(parser_id)) => settle_made(connection, record, parser_id).await,
        Some(LedgerChange::NotMade) if applied => {
            settle(connection, record, "pending", "not_made", None).await
        }
        _ if record.is_change => updates::note(connection, &record.update_note(applied)).await,
        None if applied => write_found(connection, record).await,
        Some(
            LedgerChange::Intent
            | LedgerChange::NotMade
            | LedgerChange::ChangeIntent
            | LedgerChange::Changed(_)
            | LedgerChange::NotChanged,
        )
        | None => Ok(None),
    }
}

/// Settles the pending creates that made parsers. Returns the parsers of those; the rest
/// is looked at one by one.
pub(super) async fn write_made<'r>(
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
