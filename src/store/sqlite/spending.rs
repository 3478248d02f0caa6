//! What credits were spent on, counted as [`spent`](super::spent) counts them: whatever they are
//! split by, the sum is the same.

use sqlx::{AssertSqlSafe, Row as _, sqlite::SqliteRow};

use super::{
    Store, StoreError, Trying as _, rows,
    spent::{COUNTED, sum, total},
};
use crate::core::spending::{SpendingBy, SpendingRow, ordered};

/// The host of a job's first example page; of one that changes a parser, that of its parser.
/// Without port, in small letters.
const HOST: &str = "(SELECT lower(iif(host GLOB '[[]*', substr(host, 1, instr(host, ']')), \
        substr(host, 1, instr(host || ':', ':') - 1))) \
    FROM (SELECT substr(rest, 1, instr(rest, '/') - 1) AS host FROM ( \
        SELECT replace(replace(replace(substr(url, instr(url, '://') + 3), \
            '?', '/'), '#', '/'), '\\', '/') || '/' AS rest FROM ( \
            SELECT coalesce(iif(json_valid(jobs.urls), jobs.urls ->> 0, NULL), \
                (SELECT iif(json_valid(parsers.urls), parsers.urls ->> 0, NULL) FROM parsers \
                 WHERE parsers.parser_id = jobs.parser_id)) AS url))) \
    WHERE host <> '')";

/// The value of a label with the key of ?1.
const LABEL: &str = "iif(json_valid(jobs.labels), \
    (SELECT value FROM json_each(jobs.labels) WHERE key = ?1), NULL)";

/// Whether a job made or adopted a parser, and it was not judged to be bad.
const WORKS: &str = "(jobs.state = 'FINISHED' AND jobs.action = 'create' AND NOT EXISTS ( \
    SELECT 1 FROM parsers WHERE parsers.parser_id = jobs.parser_id AND quality = 'bad'))";

fn day(at: &str) -> String {
    format!("strftime('%Y-%m-%d', {at} / 1000, 'unixepoch')")
}

/// One row for each job and one for each entry of the ledger.
fn entries(by: &SpendingBy) -> String {
    let key = match by {
        SpendingBy::Label(_) => LABEL.to_owned(),
        SpendingBy::Host => HOST.to_owned(),
        SpendingBy::Day => {
            return format!(
                "SELECT {} AS key, 1 AS jobs, 0 AS finished, 0 AS failed, 0 AS works, \
                     0 AS is_create, 0 AS credits FROM jobs \
                 UNION ALL SELECT {}, 0, state = 'FINISHED', state = 'FAILED', {WORKS}, 0, 0 \
                 FROM jobs WHERE state IN ('FINISHED', 'FAILED') \
                 UNION ALL SELECT {}, 0, 0, 0, 0, is_create, credits FROM ({COUNTED})",
                day("created_at"),
                day("coalesce(finished_at, updated_at)"),
                day("at"),
            );
        }
    };
    format!(
        "SELECT {key} AS key, 1 AS jobs, state = 'FINISHED' AS finished, \
             state = 'FAILED' AS failed, {WORKS} AS works, 0 AS is_create, 0 AS credits FROM jobs \
         UNION ALL SELECT {key}, 0, 0, 0, 0, is_create, counted.credits \
         FROM ({COUNTED}) AS counted LEFT JOIN jobs ON jobs.id = counted.job_id"
    )
}

impl Store {
    /// What was spent, split up.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn spending(&self, by: &SpendingBy) -> Result<Vec<SpendingRow>, StoreError> {
        const TRYING: &str = "add up what was spent on what";
        let sql = format!(
            "SELECT key, sum(jobs) AS jobs, sum(finished) AS finished, sum(failed) AS failed, \
                 sum(works) AS works, sum(is_create) AS creates, {} \
             FROM ({}) WHERE ?1 IS NOT NULL GROUP BY key",
            sum("true", "credits"),
            entries(by)
        );
        let label = match by {
            SpendingBy::Label(key) => key.as_str(),
            SpendingBy::Host | SpendingBy::Day => "",
        };
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(label)
            .fetch_all(&self.readers)
            .await
            .trying(TRYING)?;
        let found: Result<Vec<_>, _> = found.iter().map(spending_row).collect();
        Ok(ordered(by, found.trying(TRYING)?))
    }

    /// What was spent on jobs with each label: its key, its value, credits. A job with two labels
    /// counts under both.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn spent_by_label(&self) -> Result<Vec<((String, String), i64)>, StoreError> {
        const TRYING: &str = "add up what was spent by label";
        let sql = format!(
            "SELECT label.key AS key, label.value AS value, {} \
             FROM jobs JOIN ({COUNTED}) AS counted ON counted.job_id = jobs.id \
             JOIN json_each(iif(json_valid(jobs.labels), jobs.labels, '{{}}')) AS label \
             WHERE jobs.labels IS NOT NULL GROUP BY 1, 2",
            sum("true", "credits")
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .fetch_all(&self.readers)
            .await
            .trying(TRYING)?;
        let pair = |row: &SqliteRow| {
            let label = (rows::some_text(row, "key")?, rows::some_text(row, "value")?);
            Ok((label, total(row, "credits")?))
        };
        let pairs = found.iter().map(pair);
        pairs.collect::<Result<_, sqlx::Error>>().trying(TRYING)
    }
}

fn spending_row(row: &SqliteRow) -> Result<SpendingRow, sqlx::Error> {
    let row = SpendingRow {
        key: rows::text(row, "key")?,
        jobs: row.try_get("jobs")?,
        finished: row.try_get("finished")?,
        failed: row.try_get("failed")?,
        creates: row.try_get("creates")?,
        credits: total(row, "credits")?,
        working_parsers: row.try_get("works")?,
        credits_per_working_parser: None,
    };
    Ok(row.rated())
}
