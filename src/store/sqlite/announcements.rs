//! Events of no job: their `job_id` is 0. Those of the gates are written by triggers.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::Row as _;

use super::{SET_META, Store, StoreError, Trying as _};
use crate::{
    core::{
        event::general::GeneralEvent,
        job::{JobState, UnixMs},
        progress::{BATCH_BEGINS, BatchFigures, OF_NO_BATCH},
    },
    store::ports::Announcements,
};

impl Announcements for Store {
    async fn batch_since(&self, after: i64) -> Result<Option<BatchFigures>, StoreError> {
        const TRYING: &str = "read what happened since the last batch";
        let begun: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM job_events \
             WHERE id > ?1 AND job_id <> 0 AND event IN (SELECT value FROM json_each(?2)))",
        )
        .bind(after)
        .bind(json!(BATCH_BEGINS).to_string())
        .fetch_one(&self.readers)
        .await
        .trying(TRYING)?;
        if !begun {
            return Ok(None);
        }
        let found: Option<(i64, UnixMs)> = sqlx::query_as(
            "SELECT (SELECT max(id) FROM job_events), at FROM job_events \
             WHERE id > ?1 AND job_id <> 0 AND event NOT IN (SELECT value FROM json_each(?2)) \
             ORDER BY id LIMIT 1",
        )
        .bind(after)
        .bind(json!(OF_NO_BATCH).to_string())
        .fetch_optional(&self.readers)
        .await
        .trying(TRYING)?;
        // Deleted meanwhile, with their jobs.
        let Some((last_event, started_at)) = found else {
            return Ok(None);
        };
        Ok(Some(BatchFigures {
            last_event,
            started_at,
            states: self.states_between(after, last_event).await?,
        }))
    }

    async fn add_event(
        &self,
        event: &GeneralEvent,
        key: &'static str,
        value: String,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let (event, detail) = event.to_columns();
        self.writer
            .run("store an event", move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT INTO job_events (job_id, at, event, detail) VALUES (0, ?1, ?2, ?3)",
                    )
                    .bind(now)
                    .bind(event)
                    .bind(detail.to_string())
                    .execute(&mut *connection)
                    .await?;
                    sqlx::query(SET_META)
                        .bind(key)
                        .bind(value)
                        .execute(connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }
}

impl Store {
    /// How many jobs of which there are events after one and up to another are in each state.
    async fn states_between(
        &self,
        after: i64,
        last: i64,
    ) -> Result<BTreeMap<JobState, i64>, StoreError> {
        const TRYING: &str = "count the jobs of a batch";
        let rows = sqlx::query(
            "SELECT state, count(*) AS jobs FROM jobs WHERE id IN \
                 (SELECT job_id FROM job_events WHERE id > ?1 AND id <= ?2 \
                  AND event NOT IN (SELECT value FROM json_each(?3))) \
             GROUP BY state",
        )
        .bind(after)
        .bind(last)
        .bind(json!(OF_NO_BATCH).to_string())
        .fetch_all(&self.readers)
        .await
        .trying(TRYING)?;
        let mut states = BTreeMap::new();
        for row in rows {
            let read = || Ok::<_, sqlx::Error>((row.try_get("state")?, row.try_get("jobs")?));
            let (state, jobs): (&str, i64) = read().trying(TRYING)?;
            // A row that got in past the rules is ended at the daemon's start.
            if let Ok(state) = state.parse() {
                states.insert(state, jobs);
            }
        }
        Ok(states)
    }
}
