//! How jobs stand, for somebody who waits for them.

use std::collections::{BTreeMap, HashSet};

use sqlx::Row as _;

use super::{Store, StoreError, Trying as _};
use crate::core::job::{JobId, JobState};

/// How some jobs stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AtRest {
    /// How many are in each state; without those that have none.
    pub states: BTreeMap<JobState, i64>,
    /// Which ones are FAILED.
    pub failed: HashSet<JobId>,
}

impl AtRest {
    /// How many go on by themselves.
    pub fn moving(&self) -> i64 {
        let open = self.states.iter().filter(|(state, _)| state.is_open());
        open.map(|(_, jobs)| jobs).sum()
    }
}

impl Store {
    /// How these jobs stand, or all.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn at_rest(&self, jobs: Option<&[JobId]>) -> Result<AtRest, StoreError> {
        const TRYING: &str = "read how jobs stand";
        let ids = jobs.map(|jobs| {
            let ids: Vec<i64> = jobs.iter().map(|job| job.0).collect();
            serde_json::json!(ids).to_string()
        });
        let rows = sqlx::query(
            "SELECT state, count(*) AS jobs, \
                 iif(state = 'FAILED', json_group_array(id), '[]') AS ids \
             FROM jobs WHERE ?1 IS NULL OR id IN (SELECT value FROM json_each(?1)) \
             GROUP BY state",
        )
        .bind(ids)
        .fetch_all(&self.readers)
        .await
        .trying(TRYING)?;
        let mut found = AtRest::default();
        for row in rows {
            let read = || {
                let state: &str = row.try_get("state")?;
                let jobs: i64 = row.try_get("jobs")?;
                let ids: &str = row.try_get("ids")?;
                Ok::<_, sqlx::Error>((state.parse::<JobState>(), jobs, ids.to_owned()))
            };
            let (state, jobs, ids) = read().trying(TRYING)?;
            // A row that got in past the rules is nobody's to wait for.
            if let Ok(state) = state {
                found.states.insert(state, jobs);
            }
            let ids: Vec<i64> = serde_json::from_str(&ids).unwrap_or_default();
            found.failed.extend(ids.into_iter().map(JobId));
        }
        Ok(found)
    }
}
