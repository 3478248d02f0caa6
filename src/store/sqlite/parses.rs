//! Requests for held-out pages, each on record before it is sent: they are paid for.

use sqlx::Row as _;

use super::{Store, StoreError, Trying as _, rows};
use crate::{
    core::{
        job::{JobId, ParserId, UnixMs},
        quality::checks::{Tried, TriedOutcome},
    },
    store::ports::{ParseId, ParseIntent, Parses},
};

impl Parses for Store {
    async fn tried(&self, job: JobId, parser_id: &ParserId) -> Result<Vec<Tried>, StoreError> {
        const TRYING: &str = "read what became of held-out pages";
        let rows = sqlx::query(
            "SELECT url, outcome, result, message FROM parses \
             WHERE job_id = ?1 AND parser_id = ?2 ORDER BY id",
        )
        .bind(job.0)
        .bind(&parser_id.0)
        .fetch_all(&self.readers)
        .await
        .trying(TRYING)?;
        let tried = rows.iter().map(|row| {
            let text = |column| rows::some_text(row, column);
            Ok(Tried {
                url: text("url")?,
                outcome: match row.try_get("outcome")? {
                    "found" => TriedOutcome::Found(text("result")?),
                    "final" => TriedOutcome::Final(text("message")?),
                    "inconclusive" => TriedOutcome::Inconclusive(text("message")?),
                    _ => TriedOutcome::Pending,
                },
            })
        });
        tried.collect::<Result<_, sqlx::Error>>().trying(TRYING)
    }

    async fn intend_parse(&self, intent: ParseIntent) -> Result<ParseId, StoreError> {
        self.writer
            .run("record a parse before it is sent", move |connection| {
                Box::pin(async move {
                    let id = sqlx::query_scalar(
                        "INSERT INTO parses (job_id, parser_id, version, url, sent_at, credits) \
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
                    )
                    .bind(intent.job.0)
                    .bind(intent.parser_id.0)
                    .bind(intent.version)
                    .bind(intent.url)
                    .bind(intent.sent_at)
                    .bind(intent.credits)
                    .fetch_one(connection)
                    .await?;
                    Ok(ParseId(id))
                })
            })
            .await
    }

    async fn settle_parse(
        &self,
        id: ParseId,
        outcome: TriedOutcome,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let (word, result, message) = match outcome {
            TriedOutcome::Pending => return Ok(()),
            TriedOutcome::Found(result) => ("found", Some(result), None),
            TriedOutcome::Inconclusive(why) => ("inconclusive", None, Some(why)),
            TriedOutcome::Final(why) => ("final", None, Some(why)),
        };
        self.writer
            .run("record what became of a parse", move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "UPDATE parses SET outcome = ?2, result = ?3, message = ?4, \
                             settled_at = ?5 \
                         WHERE id = ?1 AND outcome = 'pending'",
                    )
                    .bind(id.0)
                    .bind(word)
                    .bind(result)
                    .bind(message)
                    .bind(now)
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }
}
