//! What the charts of the page are drawn from: each reads a bounded number of rows, or adds up the
//! ledger once.

use sqlx::{AssertSqlSafe, Row as _, sqlite::SqliteRow};

use super::{
    StoreError, Trying as _,
    figures::Reading,
    report::HistoryRow,
    rows,
    spent::{COUNTED, sum, total},
};
use crate::core::{
    budget::{DAY_MS, utc_day},
    event::general::GeneralEvent,
    job::{JobState, UnixMs},
    progress::Mark,
    trend::{Ending, sample_step},
};

/// At most so many jobs of a batch are looked at.
const SAMPLE: i64 = 5_000;

/// The last so many closings and openings of gates are looked at.
const GATE_EVENTS: i64 = 200;

/// The jobs of a batch that ended, or a sample of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchEndings {
    /// Each stands for so many jobs: 1 where all were looked at.
    pub step: i64,
    /// When the first of the jobs was added or retried.
    pub began_at: Option<UnixMs>,
    /// In the order of their time.
    pub endings: Vec<Ending>,
}

impl Reading {
    /// What ended of the jobs that were added after a mark, up to `newest`, or retried after it.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn batch_endings(
        &mut self,
        after: Mark,
        newest: i64,
    ) -> Result<BatchEndings, StoreError> {
        const TRYING: &str = "look at the jobs of the batch";
        let retried: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM job_events INDEXED BY job_events_requeued \
             WHERE event = 'requeued' AND id > ?1",
        )
        .bind(after.retry)
        .fetch_one(self.connection())
        .await
        .trying(TRYING)?;
        let added = newest.saturating_sub(after.job);
        let step = sample_step(added.saturating_add(retried), SAMPLE);
        // CROSS JOIN keeps the order: a look-up by id for each number.
        let found = sqlx::query(
            "WITH RECURSIVE sample (id) AS (SELECT ?1 WHERE ?1 <= ?2 \
                 UNION ALL SELECT id + ?3 FROM sample WHERE id + ?3 <= ?2), \
             retried (id, began_at) AS (SELECT job_id, min(at) \
                 FROM job_events INDEXED BY job_events_requeued \
                 WHERE event = 'requeued' AND id > ?4 AND job_id < ?1 AND job_id % ?3 = 0 GROUP BY 1), \
             looked_at (id, began_at) AS (SELECT id, NULL FROM sample UNION ALL SELECT * FROM retried) \
             SELECT coalesce(began_at, created_at) AS began_at, state, \
                 coalesce(finished_at, updated_at) AS ended_at, \
                 CASE WHEN state = 'FINISHED' AND action = 'create' AND creates > 0 \
                     THEN max(finished_at - generating_since, 0) END AS generated_in_ms \
             FROM looked_at CROSS JOIN jobs ON jobs.id = looked_at.id",
        )
        .bind(after.job.saturating_add(1))
        .bind(newest)
        .bind(step)
        .bind(after.retry)
        .fetch_all(self.connection())
        .await
        .trying(TRYING)?;
        let began_at = found.iter().map(|row| row.try_get("began_at"));
        let began_at: Vec<UnixMs> = began_at.collect::<Result<_, _>>().trying(TRYING)?;
        let endings = found.iter().filter_map(|row| ending(row).transpose());
        let mut endings: Vec<_> = endings.collect::<Result<_, _>>().trying(TRYING)?;
        endings.sort_by_key(|ending| ending.at);
        Ok(BatchEndings {
            step,
            began_at: began_at.into_iter().min(),
            endings,
        })
    }

    /// The last closings and openings of gates, oldest first.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn gate_events(&mut self) -> Result<Vec<(UnixMs, GeneralEvent)>, StoreError> {
        let found: Vec<HistoryRow> = sqlx::query_as(
            "SELECT at, event, detail FROM job_events INDEXED BY job_events_job \
             WHERE job_id = 0 AND event IN ('gate_closed', 'gate_opened') \
             ORDER BY id DESC LIMIT ?1",
        )
        .bind(GATE_EVENTS)
        .fetch_all(self.connection())
        .await
        .trying("look for closings of the gate")?;
        let read =
            |row: &HistoryRow| Some((row.at, GeneralEvent::from_columns(&row.event, &row.detail)?));
        Ok(found.iter().rev().filter_map(read).collect())
    }

    /// What was spent on each of the last `days` UTC days, oldest first: the day, in days since the
    /// epoch, and credits. What is dated later than today counts today, as it does in the budget.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn spent_by_day(
        &mut self,
        now: UnixMs,
        days: i64,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        const TRYING: &str = "add up what was spent by day";
        let (first, today) = (utc_day(now) - days + 1, utc_day(now));
        let sql = format!(
            "SELECT min(at / {DAY_MS}, ?2) AS day, {} FROM ({COUNTED}) WHERE at >= ?1 GROUP BY 1",
            sum("true", "credits")
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(first.saturating_mul(DAY_MS))
            .bind(today)
            .fetch_all(self.connection())
            .await
            .trying(TRYING)?;
        let pair = |row: &SqliteRow| Ok((row.try_get::<i64, _>("day")?, total(row, "credits")?));
        let spent: Result<Vec<_>, sqlx::Error> = found.iter().map(pair).collect();
        let spent = spent.trying(TRYING)?;
        let of = |day| spent.iter().find(|(found, _)| *found == day);
        let row = |day| (day, of(day).map_or(0, |(_, credits)| *credits));
        Ok((first..=today).map(row).collect())
    }
}

fn ending(row: &SqliteRow) -> Result<Option<Ending>, sqlx::Error> {
    let state = rows::some_text(row, "state")?;
    let is_failed = state == JobState::Failed.as_str();
    if !is_failed && state != JobState::Finished.as_str() {
        return Ok(None);
    }
    Ok(Some(Ending {
        at: row.try_get("ended_at")?,
        is_failed,
        generated_in_ms: row.try_get("generated_in_ms")?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::{Role, Store};

    const NOW: UnixMs = 1_800_000_000_000;

    /// A database in which these statements were run, without the rules that only parserd keeps.
    async fn filled(sql: &str) -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let store = Store::open(&path, Role::Daemon).await.unwrap();
        let other = rusqlite::Connection::open(&path).unwrap();
        let triggers: Vec<String> = other
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'jobs'")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        for name in triggers {
            other
                .execute_batch(&format!("DROP TRIGGER {name}"))
                .unwrap();
        }
        other.execute_batch(sql).unwrap();
        (directory, store)
    }

    fn insert(id: i64, state: &str, finished_at: &str, since: &str, creates: i64) -> String {
        format!(
            "INSERT INTO jobs (id, name, urls, state, parser_id, error_kind, created_at, \
                 finished_at, generating_since, creates) \
             VALUES ({id}, 'job-{id}', '[\"https://a.example/\"]', '{state}', 'p{id}', \
                 iif('{state}' = 'FAILED', 'bad_request', NULL), {id}, {finished_at}, {since}, {creates});"
        )
    }

    const fn after(job: i64) -> Mark {
        Mark { job, retry: 0 }
    }

    #[tokio::test]
    async fn a_retried_job_is_of_the_batch_in_which_it_was_retried() {
        let retried = |id: i64, job: i64| {
            format!(
                "INSERT INTO job_events (id, job_id, at, event) VALUES ({id}, {job}, 70, 'requeued');"
            )
        };
        let sql = [
            insert(1, "FINISHED", "50", "10", 1),
            insert(2, "FINISHED", "90", "80", 2),
            insert(3, "FAILED", "95", "80", 2),
            insert(4, "FAILED", "99", "97", 1),
            retried(100, 1),
            retried(101, 2),
            retried(102, 3),
            retried(103, 2),
            retried(104, 4),
        ];
        let (_directory, store) = filled(&sql.concat()).await;
        let mut reading = store.reading().await.unwrap();
        let mark = Mark { job: 3, retry: 100 };
        let found = reading.ended_after(mark).await.unwrap();
        assert_eq!((found.finished, found.failed, found.cancelled), (1, 2, 0));
        let found = reading.batch_endings(mark, 4).await.unwrap();
        assert_eq!((found.step, found.began_at), (1, Some(4)));
        let ends: Vec<_> = found.endings.iter().map(|ending| ending.at).collect();
        assert_eq!(ends, [90, 95, 99]);
        let mark = Mark { job: 4, retry: 104 };
        let found = reading.batch_endings(mark, 4).await.unwrap();
        assert_eq!((found.began_at, found.endings.len()), (None, 0));
        assert_eq!(reading.newest().await.unwrap(), Mark { job: 4, retry: 104 });
        reading.end().await.unwrap();
    }

    #[tokio::test]
    async fn what_ended_of_a_batch_is_read_in_the_order_of_time() {
        let sql = [
            insert(1, "FINISHED", "50", "10", 1),
            insert(2, "FINISHED", "90", "20", 1),
            insert(3, "FAILED", "40", "20", 1),
            insert(4, "QUEUED", "NULL", "NULL", 0),
            // Adopted: nobody waited for it to be generated.
            insert(6, "FINISHED", "60", "60", 0),
        ];
        let (_directory, store) = filled(&sql.concat()).await;
        let mut reading = store.reading().await.unwrap();
        let found = reading.batch_endings(after(1), 6).await.unwrap();
        let ending = |at, is_failed, generated_in_ms| Ending {
            at,
            is_failed,
            generated_in_ms,
        };
        let expected = BatchEndings {
            step: 1,
            began_at: Some(2),
            endings: vec![
                ending(40, true, None),
                ending(60, false, None),
                ending(90, false, Some(70)),
            ],
        };
        assert_eq!(found, expected);
        let none = reading.batch_endings(after(6), 6).await.unwrap();
        assert_eq!((none.began_at, none.endings.len()), (None, 0));
        reading.end().await.unwrap();
    }

    #[tokio::test]
    async fn of_a_large_batch_a_sample_is_read() {
        let (_directory, store) = filled(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) \
             INSERT INTO jobs (name, urls, state, error_kind, finished_at) \
             SELECT 'job-' || i, '[\"https://a.example/\"]', 'FAILED', 'bad_request', i FROM n",
        )
        .await;
        let mut reading = store.reading().await.unwrap();
        let found = reading.batch_endings(after(0), 12_000).await.unwrap();
        let ended = i64::try_from(found.endings.len()).unwrap();
        assert!((100..=SAMPLE).contains(&ended), "{ended}");
        assert!((ended * found.step - 12_000).abs() <= found.step, "{ended}");
        reading.end().await.unwrap();
    }

    #[tokio::test]
    async fn days_without_a_create_are_there_with_nothing_spent() {
        let create = |id: i64, sent_at: UnixMs, outcome: &str| {
            format!(
                "INSERT INTO creates (job_id, remote_name, sent_at, credits, outcome, parser_id, settled_at) \
                 VALUES ({id}, 'n{id}', {sent_at}, 10, '{outcome}', iif('{outcome}' = 'made', 'p', NULL), 0);"
            )
        };
        let sql = [
            create(1, NOW, "made"),
            create(2, NOW + 3 * DAY_MS, "made"),
            create(3, NOW, "not_made"),
            create(4, NOW - 2 * DAY_MS, "made"),
            create(5, NOW - 3 * DAY_MS, "made"),
        ];
        let (_directory, store) = filled(&sql.concat()).await;
        let mut reading = store.reading().await.unwrap();
        let today = utc_day(NOW);
        assert_eq!(
            reading.spent_by_day(NOW, 3).await.unwrap(),
            [(today - 2, 10), (today - 1, 0), (today, 20)]
        );
        reading.end().await.unwrap();
    }

    #[tokio::test]
    async fn closings_of_the_gate_are_read_oldest_first() {
        let gate = "INSERT INTO gates (scope, reason, since, next_probe_at, interval_ms) \
                    VALUES ('create', 'credits', 1, 2, 3); DELETE FROM gates;";
        let (_directory, store) = filled(gate).await;
        let mut reading = store.reading().await.unwrap();
        let found = reading.gate_events().await.unwrap();
        let names: Vec<_> = found.iter().map(|(_, event)| event.name()).collect();
        assert_eq!(names, ["gate_closed", "gate_opened"]);
        reading.end().await.unwrap();
    }
}
