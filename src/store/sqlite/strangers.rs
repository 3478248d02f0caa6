//! Parsers of the account's lists that nothing in the database explains.

use std::collections::HashSet;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row as _};

use super::{Store, StoreError, Trying as _, rows};
use crate::core::ledger::Stranger;
use crate::core::{
    job::{ParserId, UnixMs},
    listing::Listing,
    oddities::{MOST_NAMED, Unexplained},
    outcome::ListedParser,
    remote_name::{is_tagged, tags_in},
};
use crate::store::ports::Strangers;

/// How many parsers one transaction records, to bound how long it holds the lock.
pub(super) const STEP: usize = 500;

/// What explains a parser: a job that holds it, or a create that made it.
pub(super) const UNEXPLAINED: &str = "NOT EXISTS (SELECT 1 FROM jobs \
        WHERE jobs.parser_id = strangers.parser_id AND jobs.state <> 'CANCELLED') \
    AND NOT EXISTS (SELECT 1 FROM creates WHERE creates.parser_id = strangers.parser_id)";

/// A stranger of the ledger's, and not one that a create under way or in doubt may have made.
const OF_THE_LEDGER: &str = "remote_name IS NOT NULL AND NOT EXISTS (SELECT 1 FROM creates \
    WHERE creates.remote_name = strangers.remote_name AND creates.outcome = 'pending')";

/// What is looked up of a listed parser: its id and name, the tags that it bears, and who else in
/// the list bears one of them.
fn asked(parser: &ListedParser, listing: &Listing) -> Value {
    let tags = tags_in(&parser.name);
    let twins = tags.iter().flat_map(|tag| listing.with_tag(*tag));
    let twins: Vec<_> = twins
        .map(|twin| &twin.id)
        .filter(|id| **id != parser.id)
        .collect();
    let tags: Vec<_> = tags
        .iter()
        .map(|tag| String::from_utf8_lossy(tag))
        .collect();
    json!({"id": parser.id, "name": parser.name, "tags": tags, "twins": twins})
}

impl Store {
    /// Those of `step` that nothing explains, each with the name of the ledger that it bears,
    /// or whose tag: a create's, or that of another parser which a job holds.
    pub(super) async fn unexplained(
        &self,
        step: &[&ListedParser],
        listing: &Listing,
    ) -> Result<Vec<Value>, StoreError> {
        let asked: Vec<_> = step.iter().map(|parser| asked(parser, listing)).collect();
        let found = sqlx::query(
            "SELECT key, coalesce( \
                 (SELECT remote_name FROM creates, json_each(listed.value, '$.tags') AS tag \
                  WHERE substr(remote_name, -8) = tag.value LIMIT 1), \
                 (SELECT remote_name FROM creates \
                  WHERE remote_name = listed.value ->> 'name' LIMIT 1), \
                 (SELECT jobs.remote_name FROM jobs, json_each(listed.value, '$.twins') AS twin \
                  WHERE jobs.parser_id = twin.value AND jobs.state <> 'CANCELLED' LIMIT 1)) \
                 AS remote_name \
             FROM json_each(?1) AS listed \
             WHERE NOT EXISTS (SELECT 1 FROM jobs \
                     WHERE jobs.parser_id = listed.value ->> 'id' AND jobs.state <> 'CANCELLED') \
               AND NOT EXISTS (SELECT 1 FROM creates \
                     WHERE creates.parser_id = listed.value ->> 'id')",
        )
        .bind(json!(asked).to_string())
        .fetch_all(&self.readers)
        .await
        .trying("look up what explains parsers")?;
        let mut unexplained = Vec::new();
        for row in &found {
            let key: i64 = row.try_get("key").trying("read an unexplained parser")?;
            let remote_name =
                rows::text(row, "remote_name").trying("read an unexplained parser")?;
            let place = usize::try_from(key).unwrap_or_default();
            let parser = step.get(place).filter(|parser| {
                // Another database's.
                remote_name.is_some() || !is_tagged(&parser.name)
            });
            unexplained.extend(parser.map(
                |parser| json!({"id": parser.id, "name": parser.name, "remote_name": remote_name}),
            ));
        }
        Ok(unexplained)
    }

    /// The parsers that nothing explains, the newest first, at most `limit`.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn strangers(&self, limit: i64) -> Result<Vec<Stranger>, StoreError> {
        self.strangers_where("TRUE", limit).await
    }

    /// Those of them for which `condition` holds.
    pub(super) async fn strangers_where(
        &self,
        condition: &'static str,
        limit: i64,
    ) -> Result<Vec<Stranger>, StoreError> {
        let sql = format!(
            "SELECT parser_id, name, remote_name, seen_at FROM strangers \
             WHERE {condition} AND {UNEXPLAINED} ORDER BY seen_with DESC, parser_id LIMIT ?1"
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .trying("look up the parsers that nothing explains")?;
        found
            .iter()
            .map(|row| {
                Ok(Stranger {
                    id: ParserId(rows::some_text(row, "parser_id")?),
                    name: rows::some_text(row, "name")?,
                    remote_name: rows::text(row, "remote_name")?,
                    seen_at: row.try_get("seen_at")?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .trying("read a parser that nothing explains")
    }
}

impl Strangers for Store {
    async fn meet(
        &self,
        listed: &[&ListedParser],
        listing: &Listing,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        for step in listed.chunks(STEP) {
            let parsers = self.unexplained(step, listing).await?;
            if parsers.is_empty() {
                continue;
            }
            self.writer
                .run("record parsers that nothing explains", move |connection| {
                    Box::pin(async move {
                        sqlx::query(
                            "INSERT OR IGNORE INTO strangers \
                                 (parser_id, name, remote_name, seen_with, seen_at) \
                             SELECT value ->> 'id', value ->> 'name', value ->> 'remote_name', \
                                 (SELECT coalesce(max(id), 0) FROM creates), ?2 \
                             FROM json_each(?1)",
                        )
                        .bind(json!(parsers).to_string())
                        .bind(now)
                        .execute(connection)
                        .await?;
                        Ok(())
                    })
                })
                .await?;
        }
        Ok(())
    }

    async fn part_from(&self, ids: Vec<ParserId>) -> Result<(), StoreError> {
        self.writer
            .run("forget parsers that are gone", move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "DELETE FROM strangers \
                         WHERE parser_id IN (SELECT value FROM json_each(?1))",
                    )
                    .bind(json!(ids).to_string())
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    async fn strangers_since(&self, create_id: i64) -> Result<Vec<ParserId>, StoreError> {
        let sql = format!(
            "SELECT parser_id FROM strangers \
             WHERE seen_with >= ?1 AND remote_name IS NULL AND {UNEXPLAINED}"
        );
        let ids: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(create_id)
            .fetch_all(&self.readers)
            .await
            .trying("look up parsers that came after a create")?;
        Ok(ids.into_iter().map(ParserId).collect())
    }

    async fn met(&self) -> Result<HashSet<ParserId>, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar("SELECT parser_id FROM strangers")
            .fetch_all(&self.readers)
            .await
            .trying("look up the parsers that nothing explained")?;
        Ok(ids.into_iter().map(ParserId).collect())
    }

    async fn unexplained_of_ledger(&self) -> Result<Unexplained, StoreError> {
        let sql = format!(
            "SELECT count(*) FROM strangers INDEXED BY strangers_named \
             WHERE {OF_THE_LEDGER} AND {UNEXPLAINED}"
        );
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&self.readers)
            .await
            .trying("count the parsers that nothing explains")?;
        if count == 0 {
            return Ok(Unexplained::default());
        }
        let named = i64::try_from(MOST_NAMED).unwrap_or(i64::MAX);
        let first = self.strangers_where(OF_THE_LEDGER, named).await?;
        Ok(Unexplained { count, first })
    }
}
