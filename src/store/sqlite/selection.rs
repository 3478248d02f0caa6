//! Jobs by what they are: the one place where a [`Selector`] becomes SQL.

use futures_util::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use serde_json::json;
use sqlx::{AssertSqlSafe, FromRow, Row as _, sqlite::SqliteRow};

use super::{
    Store, StoreError, Trying as _,
    report::{JobRow, PAGE_ROWS, ROW_COLUMNS},
};
use crate::core::{
    job::{JobId, JobState},
    selector::Selector,
};

/// How many names are looked through for one that is near, at each step.
const NEAR_NAMES: i64 = 500;

/// That a job has the labels of [`bound`]. A row that got in past the rules may hold what is not JSON.
const HAS_LABELS: &str = "jobs.labels IS NOT NULL AND NOT EXISTS ( \
    SELECT 1 FROM json_each(?1, '$.labels') AS wanted \
    WHERE NOT EXISTS ( \
        SELECT 1 FROM json_each(iif(json_valid(jobs.labels), jobs.labels, '{}')) AS has \
        WHERE has.key = wanted.value ->> 0 AND has.value = wanted.value ->> 1))";

/// The same on `parsers`, as far as it is about labels, which are those of the job that made or
/// adopted the parser, and about names.
pub(super) fn condition_on_parsers(selector: &Selector) -> String {
    let mut parts = vec!["?1 IS NOT NULL".to_owned()];
    if selector.name.is_some() {
        parts.push("parsers.name GLOB (?1 ->> '$.name')".to_owned());
    }
    if !selector.labels.is_empty() {
        parts.push(format!(
            "EXISTS (SELECT 1 FROM jobs WHERE jobs.parser_id = parsers.parser_id \
                 AND jobs.action = 'create' AND jobs.state <> 'CANCELLED' AND {HAS_LABELS})"
        ));
    }
    parts.join(" AND ")
}

/// The condition of a selector on `jobs`, with [`bound`] as ?1.
pub(super) fn condition(selector: &Selector) -> String {
    let Selector {
        states,
        error_kinds,
        park_reasons,
        labels,
        name,
        since,
        limit: _,
    } = selector;
    let mut parts = vec!["?1 IS NOT NULL"];
    let mut put = |is_there: bool, part| {
        if is_there {
            parts.push(part);
        }
    };
    put(
        !states.is_empty(),
        "jobs.state IN (SELECT value FROM json_each(?1, '$.states'))",
    );
    put(
        !error_kinds.is_empty(),
        "jobs.error_kind IN (SELECT value FROM json_each(?1, '$.error_kinds'))",
    );
    put(
        !park_reasons.is_empty(),
        "jobs.park_reason IN (SELECT value FROM json_each(?1, '$.park_reasons'))",
    );
    put(name.is_some(), "jobs.name GLOB (?1 ->> '$.name')");
    put(since.is_some(), "jobs.updated_at >= (?1 ->> '$.since')");
    put(!labels.is_empty(), HAS_LABELS);
    parts.join(" AND ")
}

/// What [`condition`] is held against.
pub(super) fn bound(selector: &Selector) -> String {
    let labels = selector.labels.iter();
    let labels: Vec<_> = labels.map(|label| [&label.key, &label.value]).collect();
    json!({
        "states": selector.states,
        "error_kinds": selector.error_kinds,
        "park_reasons": selector.park_reasons,
        "labels": labels,
        "name": selector.name,
        "since": selector.since,
    })
    .to_string()
}

impl Store {
    /// Jobs in the order of their ids, as a stream: those in one of `states`, or all.
    pub fn rows(&self, states: &[JobState]) -> BoxStream<'_, Result<JobRow, StoreError>> {
        self.selected(&Selector::of_states(states))
    }

    /// Selected jobs in the order of their ids, as a stream.
    ///
    /// Read page by page: a reader that dawdles (`parserd jobs | less`) must hold no
    /// snapshot, behind which the write-ahead log would grow.
    pub fn selected(&self, selector: &Selector) -> BoxStream<'_, Result<JobRow, StoreError>> {
        self.pages(selector, ROW_COLUMNS.to_owned(), |row| {
            JobRow::from_row(row)
        })
    }

    /// The ids of selected jobs, in their order.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn selected_ids(&self, selector: &Selector) -> Result<Vec<JobId>, StoreError> {
        let sql = format!(
            "SELECT id FROM jobs WHERE {} ORDER BY id LIMIT ?2",
            condition(selector)
        );
        let ids: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(bound(selector))
            .bind(selector.limit.map_or(-1, i64::from))
            .fetch_all(&self.readers)
            .await
            .trying("look for jobs")?;
        Ok(ids.into_iter().map(JobId).collect())
    }

    /// Columns of selected jobs, page by page, as `read` makes something of them. `id` must be
    /// the name of a column that is an id.
    pub(super) fn pages<T: Send + 'static>(
        &self,
        selector: &Selector,
        columns: String,
        read: impl Fn(&SqliteRow) -> Result<T, sqlx::Error> + Clone + Send + Sync + 'static,
    ) -> BoxStream<'_, Result<T, StoreError>> {
        const TRYING: &str = "list the jobs";
        let sql = format!(
            "SELECT {columns}, jobs.id AS place FROM jobs \
             WHERE {} AND jobs.id >= ?2 ORDER BY jobs.id LIMIT ?3",
            condition(selector)
        );
        let bound = bound(selector);
        let limit = selector.limit.map_or(i64::MAX, i64::from);
        // Ids that other programs chose may be negative.
        stream::try_unfold(Some((i64::MIN, limit)), move |from| {
            let (sql, bound, read) = (sql.clone(), bound.clone(), read.clone());
            async move {
                let Some((from, left)) = from.filter(|(_, left)| *left > 0) else {
                    return Ok(None);
                };
                let page = sqlx::query(AssertSqlSafe(sql))
                    .bind(bound)
                    .bind(from)
                    .bind(PAGE_ROWS.min(left))
                    .fetch_all(&self.readers)
                    .await
                    .trying(TRYING)?;
                let last: Option<i64> = page
                    .last()
                    .map(|row| row.try_get("place"))
                    .transpose()
                    .trying(TRYING)?;
                let left = left - i64::try_from(page.len()).unwrap_or(left);
                let next = last.and_then(|id| Some((id.checked_add(1)?, left)));
                let rows: Result<Vec<_>, _> = page.iter().map(&read).collect();
                let rows = rows.trying(TRYING)?;
                Ok(Some((stream::iter(rows.into_iter().map(Ok)), next)))
            }
        })
        .try_flatten()
        .boxed()
    }

    /// Names of jobs that begin as this one does, and some others: where a misspelt name is to be
    /// looked for. However many jobs there are, few are read.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn names_about(&self, name: &str) -> Result<Vec<String>, StoreError> {
        let chars: Vec<char> = name.chars().collect();
        let mut lengths = vec![chars.len().saturating_sub(1), chars.len() / 2, 1, 0];
        lengths.dedup();
        let mut found = Vec::new();
        for length in lengths {
            let start: String = chars.iter().take(length).collect();
            let rows: Vec<Vec<u8>> = sqlx::query_scalar(
                "SELECT CAST(name AS BLOB) FROM jobs INDEXED BY jobs_name \
                 WHERE state <> 'CANCELLED' AND action = 'create' AND released_at IS NULL \
                     AND name >= ?1 AND name < ?1 || char(1114111) \
                 ORDER BY name LIMIT ?2",
            )
            .bind(start)
            .bind(NEAR_NAMES)
            .fetch_all(&self.readers)
            .await
            .trying("look for a name that is near")?;
            // A name that is not UTF-8 is near no name.
            found.extend(
                rows.into_iter()
                    .filter_map(|name| String::from_utf8(name).ok()),
            );
        }
        Ok(found)
    }
}
