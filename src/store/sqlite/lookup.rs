//! What the database knows of the account: names sent, parsers known, gates, spending.

use std::collections::HashSet;

use serde_json::json;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection, SqliteExecutor};

use super::{Store, StoreError, Trying as _, epochs::FOREIGN, rows};
use crate::core::ledger::{KnownParser, LedgerFacts};
use crate::{
    core::gate::{Closure, Scope},
    core::job::{Job, JobId, ParkReason, ParserId, UnixMs},
    core::list_lag::Evidence,
};

/// How many of the newest known parsers a list is held against, and how many of the oldest.
const KNOWN_NEWEST: i64 = 1000;
const KNOWN_OLDEST: i64 = 100;

/// How many parked jobs one transaction sets free, to bound how long it holds the lock.
const UNPARK_STEP: i64 = 1000;

/// The key under which the database keeps how soon lists show new parsers.
const LIST_LAG: &str = "list_lag";

/// A job that holds a parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The job.
    pub id: JobId,
    /// Its parser.
    pub parser_id: ParserId,
    /// Whether it waits for it.
    pub is_generating: bool,
}

impl Store {
    /// What is recorded of the creates of `remote_name`.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn ledger(&self, remote_name: &str) -> Result<LedgerFacts, StoreError> {
        let sql = format!(
            "SELECT id, outcome, parser_id, baseline, epoch IN {FOREIGN} AS is_elsewhere \
             FROM creates WHERE remote_name = ?1 ORDER BY id"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(remote_name)
            .fetch_all(&self.readers)
            .await
            .trying("look up a name's creates")?;
        let mut facts = LedgerFacts::default();
        for row in &rows {
            facts.was_sent = true;
            facts.newest = row.try_get("id").trying("read a create")?;
            facts.is_elsewhere = row.try_get("is_elsewhere").trying("read a create")?;
            let outcome = rows::some_text(row, "outcome").trying("read a create")?;
            let parser_id = rows::text(row, "parser_id").trying("read a create")?;
            match (outcome.as_str(), parser_id) {
                ("made", Some(id)) => {
                    facts.made.push(ParserId(id));
                    facts.made_baseline.extend(baseline(row)?);
                }
                ("pending", _) => {
                    facts.pending = true;
                    facts.baseline = baseline(row)?;
                }
                _ => facts.refuted_baseline = Some(baseline(row)?),
            }
        }
        Ok(facts)
    }

    /// Which of `ids` other jobs than `but` hold. A CANCELLED job holds none.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn claimed(
        &self,
        ids: &[ParserId],
        but: JobId,
    ) -> Result<HashSet<ParserId>, StoreError> {
        #[cfg(test)]
        if crate::simulation::breaks(crate::simulation::Rule::UnclaimedOnly) {
            return Ok(HashSet::new());
        }
        let claimed: Vec<String> = sqlx::query_scalar(
            "SELECT parser_id FROM jobs WHERE parser_id IN (SELECT value FROM json_each(?1)) \
             AND id <> ?2 AND state <> 'CANCELLED'",
        )
        .bind(json!(ids).to_string())
        .bind(but.0)
        .fetch_all(&self.readers)
        .await
        .trying("look up who holds a parser")?;
        Ok(claimed.into_iter().map(ParserId).collect())
    }

    /// Which of `ids` are not for `job`: other jobs hold them, or a person said so.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn excluded(
        &self,
        ids: &[ParserId],
        job: &Job,
    ) -> Result<HashSet<ParserId>, StoreError> {
        let mut excluded = self.claimed(ids, job.id).await?;
        excluded.extend(job.progress.dismissed.iter().cloned());
        Ok(excluded)
    }

    /// Whether another job than `job` holds this parser, or a create of another name than
    /// `remote_name` made it.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn is_anothers(
        &self,
        id: &ParserId,
        job: JobId,
        remote_name: &str,
    ) -> Result<bool, StoreError> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM jobs \
                 WHERE parser_id = ?1 AND id <> ?2 AND state <> 'CANCELLED') \
             OR EXISTS (SELECT 1 FROM creates WHERE parser_id = ?1 AND remote_name <> ?3) \
             OR EXISTS (SELECT 1 FROM strangers WHERE parser_id = ?1 AND seen_with < \
                 (SELECT max(id) FROM creates WHERE remote_name = ?3 AND outcome = 'pending'))",
        )
        .bind(&id.0)
        .bind(job.0)
        .bind(remote_name)
        .fetch_one(&self.readers)
        .await
        .trying("look up whose a parser is")
    }

    /// Which jobs hold these parsers. A CANCELLED job holds none.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn holders(&self, ids: &[&ParserId]) -> Result<Vec<Holder>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, parser_id, state = 'GENERATING' AS is_generating FROM jobs \
             WHERE parser_id IN (SELECT value FROM json_each(?1)) AND state <> 'CANCELLED'",
        )
        .bind(json!(ids).to_string())
        .fetch_all(&self.readers)
        .await
        .trying("look up who holds parsers")?;
        rows.iter()
            .map(|row| {
                Ok(Holder {
                    id: JobId(row.try_get("id")?),
                    parser_id: ParserId(row.try_get("parser_id")?),
                    is_generating: row.try_get("is_generating")?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .trying("look up who holds parsers")
    }

    /// Parsers that the account is known to hold: the newest and the oldest ones.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn known_parsers(&self) -> Result<Vec<KnownParser>, StoreError> {
        // What was paid for is known even where its job is gone from the table. Its
        // name is the job's matter: an operator may have given it any parser.
        // One of another account need not be in this one's list.
        let sql = format!(
            "SELECT parser_id, remote_name, coalesce((SELECT max(settled_at) FROM creates
                 WHERE creates.parser_id = jobs.parser_id), generating_since, created_at) AS since FROM jobs
             WHERE epoch NOT IN {FOREIGN} AND (id IN (SELECT id FROM jobs WHERE parser_id IS NOT NULL ORDER BY id DESC LIMIT ?1)
                OR id IN (SELECT id FROM jobs WHERE parser_id IS NOT NULL ORDER BY id LIMIT ?2))
             UNION ALL
             SELECT parser_id, NULL, settled_at FROM creates
             WHERE epoch NOT IN {FOREIGN} AND
                (id IN (SELECT id FROM creates WHERE outcome = 'made' ORDER BY id DESC LIMIT ?1)
                OR id IN (SELECT id FROM creates WHERE outcome = 'made' ORDER BY id LIMIT ?2))"
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(KNOWN_NEWEST)
            .bind(KNOWN_OLDEST)
            .fetch_all(&self.readers)
            .await
            .trying("look up the known parsers")?;
        let gone = self.gone_parsers().await?;
        let mut known: Vec<KnownParser> = Vec::with_capacity(found.len());
        let mut seen = HashSet::new();
        for row in found {
            let id = ParserId(rows::some_text(&row, "parser_id").trying("read a known parser")?);
            if !gone.contains(&id) && seen.insert(id.clone()) {
                known.push(KnownParser {
                    id,
                    remote_name: rows::text(&row, "remote_name").trying("read a known parser")?,
                    known_since: row.try_get("since").trying("read a known parser")?,
                });
            }
        }
        Ok(known)
    }

    /// The parsers of which the service said 404.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn gone_parsers(&self) -> Result<HashSet<ParserId>, StoreError> {
        let gone: Vec<String> = sqlx::query_scalar("SELECT parser_id FROM gone_parsers")
            .fetch_all(&self.readers)
            .await
            .trying("look up the parsers that are gone")?;
        Ok(gone.into_iter().map(ParserId).collect())
    }

    /// Records that a parser which was gone is there again.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn mark_found(&self, id: ParserId) -> Result<(), StoreError> {
        self.writer
            .run("record that a parser is there again", move |connection| {
                Box::pin(async move { delete_gone(connection, &[&id.0]).await })
            })
            .await
    }

    /// Records that the service says 404 to this parser.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn mark_gone(&self, id: ParserId, now: UnixMs) -> Result<(), StoreError> {
        self.writer
            .run("record that a parser is gone", move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT OR IGNORE INTO gone_parsers (parser_id, at) VALUES (?1, ?2)",
                    )
                    .bind(id.0)
                    .bind(now)
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// How soon lists showed new parsers, as far as it was measured.
    ///
    /// # Errors
    /// Whatever SQLite says. What cannot be read was not measured.
    pub async fn list_lag(&self) -> Result<Evidence, StoreError> {
        let kept = self.meta(LIST_LAG).await?;
        Ok(kept
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default())
    }

    /// Keeps how soon lists showed new parsers.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn keep_list_lag(&self, evidence: &Evidence) -> Result<(), StoreError> {
        self.set_meta(LIST_LAG, json!(evidence).to_string()).await
    }

    /// The closed gates.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn gates(&self) -> Result<Vec<(Scope, Closure)>, StoreError> {
        gates(&self.readers).await
    }

    /// Stores a gate: closed, or open.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn set_gate(&self, scope: Scope, closure: Option<Closure>) -> Result<(), StoreError> {
        self.writer
            .run("store a gate", move |connection| {
                Box::pin(async move {
                    let Some(closure) = closure else {
                        sqlx::query("DELETE FROM gates WHERE scope = ?1")
                            .bind(scope.as_str())
                            .execute(connection)
                            .await?;
                        return Ok(());
                    };
                    sqlx::query(
                        "INSERT OR REPLACE INTO gates (scope, reason, since, next_probe_at, interval_ms) \
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                    )
                    .bind(scope.as_str())
                    .bind(closure.reason.as_str())
                    .bind(closure.since)
                    .bind(closure.next_probe_at)
                    .bind(closure.interval_ms)
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Stores a change of a gate that is closed in the database; false, and nothing
    /// stored, if an operator has opened it there.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn update_gate(&self, scope: Scope, closure: Closure) -> Result<bool, StoreError> {
        self.writer
            .run("store a gate", move |connection| {
                Box::pin(async move {
                    let updated = sqlx::query(
                        "UPDATE gates SET reason = ?2, since = ?3, next_probe_at = ?4, \
                         interval_ms = ?5 WHERE scope = ?1",
                    )
                    .bind(scope.as_str())
                    .bind(closure.reason.as_str())
                    .bind(closure.since)
                    .bind(closure.next_probe_at)
                    .bind(closure.interval_ms)
                    .execute(connection)
                    .await?;
                    Ok(updated.rows_affected() > 0)
                })
            })
            .await
    }

    /// Sets jobs that are PARKED for `reason` back to QUEUED, at most `limit` of
    /// them, in bounded steps. Returns how many.
    ///
    /// # Errors
    /// Whatever SQLite says; what was set free before stays so.
    pub async fn unpark(
        &self,
        reason: ParkReason,
        limit: i64,
        now: UnixMs,
    ) -> Result<i64, StoreError> {
        let mut total = 0;
        loop {
            let at_most = UNPARK_STEP.min(limit - total);
            let step = self
                .writer
                .run("un-park jobs", move |connection| {
                    Box::pin(async move {
                        let ids: Vec<i64> = sqlx::query_scalar(
                            "UPDATE jobs SET state = 'QUEUED', park_reason = NULL, \
                             error_status = NULL, error_message = NULL, error_hint = NULL, \
                             due_at = max(?2, coalesce(run_at, 0)), updated_at = ?2, \
                             revision = revision + 1 \
                             WHERE id IN (SELECT id FROM jobs INDEXED BY jobs_parked \
                                 WHERE state = 'PARKED' AND park_reason = ?1 \
                                 AND doubt_since IS NULL LIMIT ?3) \
                             RETURNING id",
                        )
                        .bind(reason.as_str())
                        .bind(now)
                        .bind(at_most)
                        .fetch_all(&mut *connection)
                        .await?;
                        note_unparked(connection, &ids, reason, now).await?;
                        Ok(i64::try_from(ids.len()).unwrap_or(i64::MAX))
                    })
                })
                .await?;
            total += step;
            if step == 0 || total >= limit {
                return Ok(total);
            }
        }
    }
}

/// Writes into the history that jobs are PARKED no more.
pub(super) async fn note_unparked(
    connection: &mut SqliteConnection,
    ids: &[i64],
    reason: ParkReason,
    now: UnixMs,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO job_events (job_id, at, event, detail) \
         SELECT value, ?2, 'unparked', json_object('park_reason', ?3) FROM json_each(?1)",
    )
    .bind(json!(ids).to_string())
    .bind(now)
    .bind(reason.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn gates(
    readers: impl SqliteExecutor<'_>,
) -> Result<Vec<(Scope, Closure)>, StoreError> {
    let rows = sqlx::query("SELECT scope, reason, since, next_probe_at, interval_ms FROM gates")
        .fetch_all(readers)
        .await
        .trying("read the gates")?;
    rows.iter()
        .map(|row| {
            let decode = |error: crate::core::job::UnknownName| sqlx::Error::Decode(error.into());
            Ok((
                row.try_get::<String, _>("scope")?.parse().map_err(decode)?,
                Closure {
                    reason: row
                        .try_get::<String, _>("reason")?
                        .parse()
                        .map_err(decode)?,
                    since: row.try_get("since")?,
                    next_probe_at: row.try_get("next_probe_at")?,
                    interval_ms: row.try_get("interval_ms")?,
                },
            ))
        })
        .collect::<Result<_, sqlx::Error>>()
        .trying("read the gates")
}

/// Takes parsers out of the record of those that are gone.
pub(super) async fn delete_gone(
    connection: &mut SqliteConnection,
    ids: &[&str],
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM gone_parsers WHERE parser_id IN (SELECT value FROM json_each(?1))")
        .bind(json!(ids).to_string())
        .execute(connection)
        .await?;
    Ok(())
}

fn baseline(row: &sqlx::sqlite::SqliteRow) -> Result<Vec<ParserId>, StoreError> {
    let json = rows::some_text(row, "baseline").trying("read a create")?;
    serde_json::from_str(&json).map_err(|source| StoreError::Encode {
        what: "a create's baseline",
        source,
    })
}
