//! Which jobs are FAILED, to tell the failures of one run from those before it.

use std::collections::HashSet;

use super::{Store, StoreError, Trying as _};
use crate::core::job::UnixMs;

/// The failures of a moment. A job that was retried and failed again is another one, by the
/// time that its end bears; that time is only compared for being the same, so that no step
/// of the clock matters.
#[derive(Debug, Clone, Default)]
pub struct Failures(HashSet<(i64, Option<UnixMs>)>);

impl Failures {
    /// How many there are that were not there `before`.
    pub fn since(&self, before: &Self) -> i64 {
        i64::try_from(self.0.difference(&before.0).count()).unwrap_or(i64::MAX)
    }
}

impl Store {
    /// The jobs that are FAILED now.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn failures(&self) -> Result<Failures, StoreError> {
        let rows: Vec<(i64, Option<UnixMs>)> = sqlx::query_as(
            "SELECT id, finished_at FROM jobs INDEXED BY jobs_failed WHERE state = 'FAILED'",
        )
        .fetch_all(&self.readers)
        .await
        .trying("look for FAILED jobs")?;
        Ok(Failures(rows.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_failed_again_is_a_failure_of_its_own() {
        let of = |rows: &[(i64, Option<UnixMs>)]| Failures(rows.iter().copied().collect());
        let before = of(&[(1, Some(10)), (2, Some(20)), (3, None)]);
        assert_eq!(before.since(&before), 0);
        assert_eq!(before.since(&Failures::default()), 3);
        // 1 was retried and failed at a clock that was set back, 2 succeeded, 4 is new.
        let after = of(&[(1, Some(5)), (3, None), (4, Some(30))]);
        assert_eq!(after.since(&before), 2);
    }
}
