//! What was foreseen of creates, held against what became of them.

use serde::Serialize;
use sqlx::{AssertSqlSafe, SqliteExecutor};

use super::{Store, StoreError, Trying as _, spent};
use crate::core::preflight::Verdict;

/// Jobs of which something was foreseen, by what became of them. Those that were sent in spite of it,
/// or whose pages nobody looked at, are what it is judged by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Foresight {
    /// Foreseen to fail, and not sent.
    pub not_sent: i64,
    /// Foreseen to fail, sent all the same, and FAILED.
    pub foreseen_failed: i64,
    /// Foreseen to fail, sent all the same, and FINISHED.
    pub foreseen_worked: i64,
    /// Not foreseen to fail, and FAILED.
    pub unforeseen_failed: i64,
    /// Not foreseen to fail, and FINISHED.
    pub unforeseen_worked: i64,
}

impl Foresight {
    /// Whether nothing is on record.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The kinds of FAILED that a page may be the cause of.
const OF_PAGES: &str = "'generation_failed', 'generation_timeout', 'server_error', 'poor_result'";

/// As the index `jobs_foreseen` has it, so that it serves.
const VERDICT: &str =
    "CASE WHEN json_valid(preflight) THEN json_extract(preflight, '$.verdict') END";

/// State, whether it was kept from being sent, the verdict, whether it is sent as written, how many.
type Group = (String, Option<bool>, Option<String>, bool, i64);

pub(super) async fn foresight(readers: impl SqliteExecutor<'_>) -> Result<Foresight, StoreError> {
    // What a job was sent with counts: with other parameters what was foreseen no longer holds.
    let sql = format!(
        "SELECT state, error_kind = 'preflight_failed', {VERDICT}, effective_params IS NULL, count(*) \
         FROM jobs INDEXED BY jobs_foreseen \
         WHERE preflight IS NOT NULL AND \
             (state = 'FINISHED' AND creates > 0 \
              OR state = 'FAILED' AND creates > 0 AND error_kind IN ({OF_PAGES}) \
              OR state = 'FAILED' AND error_kind = 'preflight_failed') \
         GROUP BY 1, 2, 3, 4"
    );
    let rows: Vec<Group> = sqlx::query_as(AssertSqlSafe(sql))
        .fetch_all(readers)
        .await
        .trying("hold what was foreseen against what came of it")?;
    let mut found = Foresight::default();
    for (state, was_held, verdict, is_as_written, count) in rows {
        let verdict = verdict.and_then(|verdict| verdict.parse::<Verdict>().ok());
        let Some(verdict) = verdict else { continue };
        let is_foreseen = is_as_written && !verdict.may_work();
        let place = match (was_held, is_foreseen, state.as_str()) {
            (Some(true), ..) => &mut found.not_sent,
            (_, true, "FAILED") => &mut found.foreseen_failed,
            (_, true, _) => &mut found.foreseen_worked,
            (_, false, "FAILED") => &mut found.unforeseen_failed,
            (_, false, _) => &mut found.unforeseen_worked,
        };
        *place += count;
    }
    Ok(found)
}

impl Store {
    /// What was foreseen of jobs, and what became of them.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn foresight(&self) -> Result<Foresight, StoreError> {
        foresight(&self.readers).await
    }

    /// What all fetches of example pages count as having cost.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn spent_on_fetches(&self) -> Result<i64, StoreError> {
        spent::spent_on_fetches(&self.readers).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::Role;

    type Place = fn(&mut Foresight) -> &mut i64;

    #[tokio::test]
    async fn a_job_counts_by_what_was_foreseen_of_what_it_was_sent_with_and_by_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let store = Store::open(&path, Role::Daemon).await.unwrap();
        assert!(store.foresight().await.unwrap().is_empty());
        let other = rusqlite::Connection::open(&path).unwrap();
        // Rows are put straight into the states that jobs come to step by step.
        let rule = "SELECT name FROM sqlite_schema WHERE type = 'trigger'";
        let mut rules = other.prepare(rule).unwrap();
        let names = rules.query_map([], |row| row.get(0)).unwrap();
        let names: Vec<String> = names.collect::<Result<_, _>>().unwrap();
        for name in names {
            let drop = format!("DROP TRIGGER {name}");
            other.execute_batch(&drop).unwrap();
        }
        let mut expected = Foresight::default();
        let places: [(&str, Place); 5] = [
            ("not sent", |found| &mut found.not_sent),
            ("foreseen, failed", |found| &mut found.foreseen_failed),
            ("foreseen, worked", |found| &mut found.foreseen_worked),
            ("unforeseen, failed", |found| &mut found.unforeseen_failed),
            ("unforeseen, worked", |found| &mut found.unforeseen_worked),
        ];
        for (number, (state, kind, creates, verdict, params, counts)) in [
            (
                "FAILED",
                Some("preflight_failed"),
                0,
                "gone",
                None,
                "not sent",
            ),
            (
                "FAILED",
                Some("preflight_failed"),
                1,
                "login",
                None,
                "not sent",
            ),
            (
                "FAILED",
                Some("generation_failed"),
                1,
                "blocked",
                None,
                "foreseen, failed",
            ),
            (
                "FAILED",
                Some("poor_result"),
                1,
                "needs_js",
                None,
                "foreseen, failed",
            ),
            ("FINISHED", None, 1, "blocked", None, "foreseen, worked"),
            (
                "FINISHED",
                None,
                1,
                "blocked",
                Some("{}"),
                "unforeseen, worked",
            ),
            (
                "FAILED",
                Some("server_error"),
                2,
                "needs_js",
                Some("{}"),
                "unforeseen, failed",
            ),
            (
                "FAILED",
                Some("generation_timeout"),
                1,
                "ok",
                None,
                "unforeseen, failed",
            ),
            ("FINISHED", None, 2, "ok", None, "unforeseen, worked"),
            ("FINISHED", None, 1, "unknown", None, "unforeseen, worked"),
            // It was adopted, is under way, failed for another reason, or nothing was foreseen.
            ("FINISHED", None, 0, "ok", None, ""),
            ("GENERATING", None, 1, "ok", None, ""),
            ("CANCELLED", None, 1, "gone", None, ""),
            ("FAILED", Some("bad_request"), 1, "ok", None, ""),
            ("FAILED", Some("existing_parser"), 1, "blocked", None, ""),
            ("FINISHED", None, 1, "another version's", None, ""),
        ]
        .into_iter()
        .enumerate()
        {
            let urls = r#"["https://a.example/"]"#;
            let insert = "INSERT INTO jobs (name, urls) VALUES (?1, ?2)";
            other.execute(insert, (number.to_string(), urls)).unwrap();
            let update = "UPDATE jobs SET state = ?2, error_kind = ?3, creates = ?4, \
                    preflight = json_object('verdict', ?5), effective_params = ?6, \
                    parser_id = 'p' || name, generating_since = 1, revision = revision + 1 \
                WHERE name = ?1";
            let values = (number.to_string(), state, kind, creates, verdict, params);
            other.execute(update, values).unwrap();
            if let Some((_, place)) = places.iter().find(|(name, _)| *name == counts) {
                *place(&mut expected) += 1;
            } else {
                assert_eq!(counts, "");
            }
            assert_eq!(store.foresight().await.unwrap(), expected, "{number}");
        }
    }

    #[tokio::test]
    async fn what_fetches_cost_is_added_up_whatever_they_brought() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let store = Store::open(&path, Role::Daemon).await.unwrap();
        assert_eq!(store.spent_on_fetches().await.unwrap(), 0);
        let other = rusqlite::Connection::open(&path).unwrap();
        other
            .execute_batch(
                "INSERT INTO fetches (job_id, url, host, proxy, render, sent_at, credits) VALUES \
                     (1, 'u', 'h', 'standard', 0, 1, 1), (1, 'u', 'h', 'premium', 1, 1, 25); \
                 UPDATE fetches SET outcome = 'blocked', brought = '{}', settled_at = 2 \
                     WHERE credits = 25;",
            )
            .unwrap();
        assert_eq!(store.spent_on_fetches().await.unwrap(), 26);
        other
            .execute(
                "INSERT INTO fetches (job_id, url, host, proxy, render, sent_at, credits) \
                 VALUES (1, 'u', 'h', 'standard', 0, 1, ?1)",
                [i64::MAX],
            )
            .unwrap();
        assert_eq!(store.spent_on_fetches().await.unwrap(), i64::MAX);
    }
}
