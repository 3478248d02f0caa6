//! Fetches of example pages, each on record before it is sent: they are paid for.

use std::collections::BTreeSet;

use sqlx::{Row as _, sqlite::SqliteRow};

use super::{Store, StoreError, Trying as _, rows};
use crate::{
    core::{
        effort::Effort,
        job::{JobId, UnixMs},
        preflight::{Brought, Fetched},
    },
    store::ports::{ANSWERS, FetchId, FetchIntent, Fetches, Foreknown, HOST_LOOKS_BACK},
};

impl Fetches for Store {
    async fn fetched(&self, job: JobId, since: UnixMs) -> Result<Vec<Fetched>, StoreError> {
        const TRYING: &str = "read what the fetches of a job brought";
        let rows = sqlx::query(
            "SELECT url, proxy, render, sent_at, credits, brought FROM fetches \
             WHERE job_id IN (?1, 0) AND sent_at >= ?2 ORDER BY id",
        )
        .bind(job.0)
        .bind(since)
        .fetch_all(&self.readers)
        .await
        .trying(TRYING)?;
        let fetched = rows.iter().map(fetched);
        fetched.collect::<Result<_, _>>().trying(TRYING)
    }

    async fn intend_fetch(&self, intent: FetchIntent) -> Result<FetchId, StoreError> {
        self.writer
            .run("record a fetch before it is sent", move |connection| {
                Box::pin(async move {
                    let id = sqlx::query_scalar(
                        "INSERT INTO fetches (job_id, url, host, proxy, render, sent_at, credits) \
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id",
                    )
                    .bind(intent.job.0)
                    .bind(intent.url)
                    .bind(intent.host)
                    .bind(intent.effort.proxy.as_str())
                    .bind(intent.effort.render)
                    .bind(intent.sent_at)
                    .bind(intent.credits)
                    .fetch_one(connection)
                    .await?;
                    Ok(FetchId(id))
                })
            })
            .await
    }

    async fn settle_fetch(
        &self,
        id: FetchId,
        brought: Brought,
        credits: Option<i64>,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        if brought == Brought::Pending {
            return Ok(());
        }
        let json = serde_json::to_string(&brought).map_err(|source| StoreError::Encode {
            what: "what a fetch brought",
            source,
        })?;
        self.writer
            .run("record what a fetch brought", move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "UPDATE fetches SET outcome = ?2, brought = ?3, \
                             credits = coalesce(?4, credits), settled_at = ?5 \
                         WHERE id = ?1 AND outcome = 'pending'",
                    )
                    .bind(id.0)
                    .bind(brought.outcome())
                    .bind(json)
                    .bind(credits)
                    .bind(now)
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    async fn foreknown(
        &self,
        host: &str,
        host_since: UnixMs,
        plan_since: UnixMs,
        answers_since: UnixMs,
    ) -> Result<Foreknown, StoreError> {
        const TRYING: &str = "look up what is known of a host";
        let pages = sqlx::query(
            "SELECT url, proxy, render, sent_at, credits, brought FROM fetches \
             WHERE host = ?1 AND sent_at >= ?2 AND outcome = 'page' ORDER BY id DESC LIMIT ?3",
        )
        .bind(host)
        .bind(host_since)
        .bind(i64::try_from(HOST_LOOKS_BACK).unwrap_or(i64::MAX))
        .fetch_all(&self.readers)
        .await
        .trying(TRYING)?;
        let refused = sqlx::query(
            "SELECT DISTINCT proxy, render FROM fetches \
             WHERE sent_at >= ?1 AND outcome = 'not_in_plan'",
        )
        .bind(plan_since)
        .fetch_all(&self.readers)
        .await
        .trying(TRYING)?;
        let answers = sqlx::query(
            "SELECT host, outcome IN ('page', 'gone', 'not_in_plan', 'too_dear') AS came \
             FROM fetches WHERE sent_at >= ?1 AND outcome <> 'pending' ORDER BY id DESC LIMIT ?2",
        )
        .bind(answers_since)
        .bind(i64::try_from(ANSWERS).unwrap_or(i64::MAX))
        .fetch_all(&self.readers)
        .await
        .trying(TRYING)?;
        let answers = answers
            .iter()
            .map(|row| Ok((rows::some_text(row, "host")?, row.try_get("came")?)));
        let answers = answers.collect::<Result<_, sqlx::Error>>().trying(TRYING)?;
        let mut known = None;
        for row in &pages {
            let fetched = fetched(row).trying(TRYING)?;
            if fetched.worked() {
                known = Some(fetched.effort);
                break;
            }
        }
        let refused = refused.iter().map(effort);
        let refused = refused.collect::<Result<BTreeSet<_>, _>>().trying(TRYING)?;
        Ok(Foreknown {
            known,
            not_in_plan: refused.into_iter().collect(),
            answers,
        })
    }
}

fn fetched(row: &SqliteRow) -> Result<Fetched, sqlx::Error> {
    let brought: Option<String> = row.try_get("brought")?;
    let brought = brought.map_or(Brought::Pending, |json| {
        // Nothing is learned of a record that another program wrote, but that it was paid for.
        serde_json::from_str(&json).unwrap_or_else(|error| Brought::Nothing {
            why: format!("the record of it cannot be read: {error}"),
        })
    });
    Ok(Fetched {
        url: rows::some_text(row, "url")?,
        effort: effort(row)?,
        sent_at: row.try_get("sent_at")?,
        credits: row.try_get("credits")?,
        brought,
    })
}

fn effort(row: &SqliteRow) -> Result<Effort, sqlx::Error> {
    let proxy: &str = row.try_get("proxy")?;
    Ok(Effort {
        proxy: proxy.parse().map_err(|error| sqlx::Error::ColumnDecode {
            index: "proxy".to_owned(),
            source: Box::new(error),
        })?,
        render: row.try_get("render")?,
    })
}
