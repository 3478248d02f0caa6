//! Which account parsers and creates belong to: the one that is asked now, or another that
//! was asked before, at another address or with another key.

use sqlx::{AssertSqlSafe, Row as _};

use super::{
    Store, StoreError, Trying as _,
    queue::{self, bounded},
    rows::JOB_COLUMNS,
};
use crate::core::job::{Job, ParkReason, ParserId, UnixMs};
use crate::core::ledger::Elsewhere;
use crate::store::ports::{Accounts, ELSEWHERE};

/// The epochs that are not the current account's, for an SQL `IN`.
pub(super) const FOREIGN: &str = "(SELECT epoch FROM account_epochs WHERE account <> \
    (SELECT account FROM account_epochs ORDER BY epoch DESC LIMIT 1))";

/// The epoch that is now, for an SQL expression.
pub(super) const CURRENT: &str = "(SELECT coalesce(max(epoch), 0) FROM account_epochs)";

/// How many parsers of other accounts a list is searched for.
const MOST_FOREIGN: i64 = 1000;

impl Store {
    /// Whether there is more than one account, so that it matters whose a parser is.
    ///
    /// # Errors
    /// Whatever SQLite says.
    async fn has_foreign(&self) -> Result<bool, StoreError> {
        let sql = format!("SELECT EXISTS {FOREIGN}");
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&self.readers)
            .await
            .trying("look up the accounts")
    }
}

impl Accounts for Store {
    async fn begin_epoch(&self, fingerprint: String, now: UnixMs) -> Result<bool, StoreError> {
        self.writer
            .run("record which account is asked", move |connection| {
                Box::pin(async move {
                    let last: Option<(i64, String)> = sqlx::query_as(
                        "SELECT epoch, fingerprint FROM account_epochs ORDER BY epoch DESC LIMIT 1",
                    )
                    .fetch_optional(&mut *connection)
                    .await?;
                    if last.as_ref().is_some_and(|(_, last)| *last == fingerprint) {
                        return Ok(false);
                    }
                    // The first one is epoch 0: what was there before is taken for its own.
                    sqlx::query(
                        "INSERT INTO account_epochs (epoch, since, fingerprint, account) \
                         SELECT coalesce(max(epoch) + 1, 0), ?2, ?1, \
                             coalesce(max(account) FILTER (WHERE fingerprint = ?1), \
                                      max(account) + 1, 0) \
                         FROM account_epochs",
                    )
                    .bind(fingerprint)
                    .bind(now)
                    .execute(&mut *connection)
                    .await?;
                    Ok(last.is_some())
                })
            })
            .await
    }

    async fn has_epochs(&self) -> Result<bool, StoreError> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM account_epochs)")
            .fetch_one(&self.readers)
            .await
            .trying("look up the accounts")
    }

    async fn is_foreign(&self, id: &ParserId) -> Result<bool, StoreError> {
        if !self.has_foreign().await? {
            return Ok(false);
        }
        let sql = format!(
            "SELECT (EXISTS (SELECT 1 FROM creates WHERE parser_id = ?1 AND epoch IN {FOREIGN}) \
                 OR EXISTS (SELECT 1 FROM jobs WHERE parser_id = ?1 AND epoch IN {FOREIGN})) \
             AND NOT EXISTS (SELECT 1 FROM creates WHERE parser_id = ?1 AND epoch NOT IN {FOREIGN})"
        );
        sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(&id.0)
            .fetch_one(&self.readers)
            .await
            .trying("look up whose parser this is")
    }

    async fn names_sent_for(&self, id: &ParserId) -> Result<Vec<Option<String>>, StoreError> {
        sqlx::query_scalar(
            "SELECT remote_name FROM creates WHERE parser_id = ?1 \
             UNION SELECT remote_name FROM jobs WHERE parser_id = ?1",
        )
        .bind(&id.0)
        .fetch_all(&self.readers)
        .await
        .trying("look up the names of a parser")
    }

    async fn foreign_parsers(&self) -> Result<Vec<ParserId>, StoreError> {
        if !self.has_foreign().await? {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT parser_id FROM (SELECT parser_id FROM creates \
                 WHERE outcome = 'made' AND epoch IN {FOREIGN} ORDER BY id DESC LIMIT ?1) \
             UNION \
             SELECT parser_id FROM (SELECT parser_id FROM jobs \
                 WHERE parser_id IS NOT NULL AND epoch IN {FOREIGN} ORDER BY id DESC LIMIT ?1)"
        );
        let ids: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(MOST_FOREIGN)
            .fetch_all(&self.readers)
            .await
            .trying("look up the parsers of other accounts")?;
        Ok(ids.into_iter().map(ParserId).collect())
    }

    async fn join_accounts(&self, seen: ParserId) -> Result<(), StoreError> {
        self.writer
            .run("record that two accounts are one", move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "UPDATE account_epochs SET account = \
                             (SELECT account FROM account_epochs ORDER BY epoch DESC LIMIT 1) \
                         WHERE account IN (SELECT account FROM account_epochs WHERE epoch IN \
                             (SELECT epoch FROM creates WHERE parser_id = ?1 \
                              UNION SELECT epoch FROM jobs WHERE parser_id = ?1))",
                    )
                    .bind(seen.0)
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    async fn join_adopted(&self) -> Result<(), StoreError> {
        if !self.has_foreign().await? {
            return Ok(());
        }
        self.writer
            .run("record that accounts are one", |connection| {
                Box::pin(async move {
                    let sql = format!(
                        "UPDATE account_epochs SET account = \
                             (SELECT account FROM account_epochs ORDER BY epoch DESC LIMIT 1) \
                         WHERE account IN (SELECT account FROM account_epochs WHERE epoch IN \
                             (SELECT creates.epoch FROM creates JOIN jobs \
                                  ON jobs.parser_id = creates.parser_id \
                                  AND jobs.remote_name = creates.remote_name \
                              WHERE creates.epoch IN {FOREIGN} AND jobs.epoch NOT IN {FOREIGN}))"
                    );
                    sqlx::query(AssertSqlSafe(sql)).execute(connection).await?;
                    Ok(())
                })
            })
            .await
    }

    async fn doubts_of_account_back(&self, limit: usize) -> Result<Vec<Job>, StoreError> {
        let sql = format!(
            "SELECT {JOB_COLUMNS} FROM jobs INDEXED BY jobs_parked \
             WHERE state = 'PARKED' AND park_reason = ?1 AND doubt_since IS NOT NULL \
                 AND instr(error_message, ?2) > 0 \
                 AND EXISTS (SELECT 1 FROM creates WHERE job_id = jobs.id \
                             AND outcome = 'pending' AND epoch NOT IN {FOREIGN}) \
             ORDER BY id LIMIT ?3"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(ParkReason::Ambiguous.as_str())
            .bind(ELSEWHERE)
            .bind(bounded(limit))
            .fetch_all(&self.readers)
            .await
            .trying("look for creates in doubt whose account is asked again")?;
        queue::jobs(&rows)
    }

    async fn elsewhere(&self) -> Result<Option<Elsewhere>, StoreError> {
        if !self.has_foreign().await? {
            return Ok(None);
        }
        let sql = format!(
            "SELECT \
                 (SELECT count(*) FROM jobs WHERE state = 'GENERATING' AND epoch IN {FOREIGN}) \
                     AS generating, \
                 (SELECT count(*) FROM creates WHERE outcome = 'pending' AND epoch IN {FOREIGN}) \
                     AS in_doubt, \
                 (SELECT count(*) FROM creates WHERE outcome = 'made' AND epoch IN {FOREIGN}) \
                     AS made, \
                 (SELECT since FROM account_epochs ORDER BY epoch DESC LIMIT 1) AS since"
        );
        let row = sqlx::query(AssertSqlSafe(sql))
            .fetch_one(&self.readers)
            .await
            .trying("look up what belongs to other accounts")?;
        let read = |column| row.try_get(column).trying("read what belongs to others");
        let found = Elsewhere {
            generating: read("generating")?,
            in_doubt: read("in_doubt")?,
            made: read("made")?,
            since: read("since")?,
        };
        let is_any = found.generating + found.in_doubt + found.made > 0;
        Ok(is_any.then_some(found))
    }
}
