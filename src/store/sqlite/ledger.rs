//! What is on record of creates and parsers.

use std::collections::HashSet;

use serde_json::json;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use super::{
    Store, StoreError, Trying as _,
    epochs::FOREIGN,
    rows,
    spent::{spent, spent_by_ladder},
};
use crate::{
    core::{
        budget::{Redated, Spent},
        job::{JobId, ParserId, UnixMs},
        ledger::{KnownParser, LedgerFacts},
    },
    store::ports::{Holder, Ledger},
};

/// How many of the newest known parsers a list is held against, and how many of the oldest.
const KNOWN_NEWEST: i64 = 1000;
const KNOWN_OLDEST: i64 = 100;

impl Ledger for Store {
    async fn ledger(&self, remote_name: &str) -> Result<LedgerFacts, StoreError> {
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

    async fn claimed(&self, ids: &[ParserId], but: JobId) -> Result<HashSet<ParserId>, StoreError> {
        let claimed: Vec<String> = sqlx::query_scalar(
            "SELECT parser_id FROM jobs WHERE parser_id IN (SELECT value FROM json_each(?1)) \
             AND id <> ?2 AND state <> 'CANCELLED' AND action = 'create' \
             AND (released_at IS NULL OR NOT EXISTS (SELECT 1 FROM parsers \
                 WHERE parsers.parser_id = jobs.parser_id AND replaced_by IS NOT NULL \
                     AND deleted_at IS NULL) \
                 OR EXISTS (SELECT 1 FROM jobs AS gone WHERE gone.parser_id = jobs.parser_id \
                     AND gone.action = 'delete' AND gone.state <> 'CANCELLED'))",
        )
        .bind(json!(ids).to_string())
        .bind(but.0)
        .fetch_all(&self.readers)
        .await
        .trying("look up who holds a parser")?;
        Ok(claimed.into_iter().map(ParserId).collect())
    }

    async fn is_anothers(
        &self,
        id: &ParserId,
        job: JobId,
        remote_name: &str,
    ) -> Result<bool, StoreError> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM jobs \
                 WHERE parser_id = ?1 AND id <> ?2 AND state <> 'CANCELLED' \
                     AND action = 'create') \
             OR EXISTS (SELECT 1 FROM creates WHERE parser_id = ?1 AND remote_name <> ?3) \
             OR EXISTS (SELECT 1 FROM parsers WHERE parser_id = ?1 AND job_id <> ?2) \
                 AND NOT EXISTS (SELECT 1 FROM creates WHERE parser_id = ?1) \
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

    async fn holders(&self, ids: &[&ParserId]) -> Result<Vec<Holder>, StoreError> {
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

    async fn known_parsers(&self) -> Result<Vec<KnownParser>, StoreError> {
        // What was paid for is known even where its job is gone from the table. Its
        // name is the job's matter: an operator may have given it any parser.
        // One of another account need not be in this one's list.
        let sql = format!(
            "SELECT parser_id, remote_name, coalesce((SELECT max(settled_at) FROM creates
                 WHERE creates.parser_id = jobs.parser_id), generating_since, created_at) AS since FROM jobs
             WHERE epoch NOT IN {FOREIGN} AND action = 'create' AND (id IN (SELECT id FROM jobs WHERE parser_id IS NOT NULL ORDER BY id DESC LIMIT ?1)
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

    async fn gone_parsers(&self) -> Result<HashSet<ParserId>, StoreError> {
        let gone: Vec<String> = sqlx::query_scalar("SELECT parser_id FROM gone_parsers")
            .fetch_all(&self.readers)
            .await
            .trying("look up the parsers that are gone")?;
        Ok(gone.into_iter().map(ParserId).collect())
    }

    async fn mark_found(&self, id: ParserId) -> Result<(), StoreError> {
        self.writer
            .run("record that a parser is there again", move |connection| {
                Box::pin(async move { delete_gone(connection, &[&id.0]).await })
            })
            .await
    }

    async fn mark_gone(&self, id: ParserId, now: UnixMs) -> Result<(), StoreError> {
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

    async fn sent_names(&self, id: JobId) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar(
            "SELECT remote_name FROM creates WHERE job_id = ?1 \
             GROUP BY remote_name ORDER BY max(id) DESC",
        )
        .bind(id.0)
        .fetch_all(&self.readers)
        .await
        .trying("look up the names of a job's creates")
    }

    async fn spent(&self, now: UnixMs) -> Result<Spent, StoreError> {
        spent(&self.readers, now).await
    }

    async fn spent_by_ladder(&self, now: UnixMs) -> Result<i64, StoreError> {
        spent_by_ladder(&self.readers, now).await
    }

    async fn count_redated(&self, now: UnixMs, after: UnixMs) -> Result<Redated, StoreError> {
        self.writer
            .run("count creates that are dated ahead", move |connection| {
                Box::pin(async move {
                    let credits: Vec<i64> = sqlx::query_scalar(
                        "UPDATE creates SET counted_at = ?1 \
                         WHERE sent_at > ?2 AND counted_at IS NULL RETURNING \
                         CASE outcome WHEN 'not_made' THEN 0 ELSE credits END",
                    )
                    .bind(now)
                    .bind(after)
                    .fetch_all(connection)
                    .await?;
                    Ok(Redated {
                        creates: credits.len(),
                        credits: credits.into_iter().fold(0, i64::saturating_add),
                    })
                })
            })
            .await
    }

    async fn knows_until(&self) -> Result<UnixMs, StoreError> {
        sqlx::query_scalar(
            "SELECT max(coalesce((SELECT at FROM job_events \
                    WHERE job_id <> 0 \
                        AND event NOT IN ('queued', 'requeued', 'cancelled', 'changed') \
                    ORDER BY id DESC LIMIT 1), 0), \
                 coalesce((SELECT sent_at FROM creates ORDER BY id DESC LIMIT 1), 0), \
                 coalesce((SELECT sent_at FROM updates ORDER BY id DESC LIMIT 1), 0))",
        )
        .fetch_one(&self.readers)
        .await
        .trying("look up what the database knows last")
    }
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
