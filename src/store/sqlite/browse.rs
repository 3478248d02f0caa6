//! Jobs page by page, newest first, as they are looked through: by keyset, so that the
//! last page costs what the first does.

use serde::Serialize;
use sqlx::{FromRow, QueryBuilder, Row as _, Sqlite, sqlite::SqliteRow};

use super::{Store, StoreError, Trying as _, history::EventRow, rows};
use crate::core::job::JobState;

/// How many jobs a page has.
pub const PAGE_JOBS: usize = 50;

/// Which jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// In this state only.
    pub state: Option<JobState>,
    /// Whose names have this in them, in large or small letters; blank for all. Of
    /// CANCELLED jobs only where `state` says so: their names are in no index.
    pub text: String,
    /// With ids below this one.
    pub before: Option<i64>,
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobLine {
    /// Row id.
    pub id: i64,
    /// The user's name for it.
    pub name: String,
    /// What it does with its parser.
    pub action: String,
    /// Where it stands.
    pub state: String,
    /// Why it is PARKED.
    pub park_reason: Option<String>,
    /// Why it FAILED.
    pub error_kind: Option<String>,
    /// When it last changed, Unix milliseconds.
    pub updated_at: i64,
}

impl FromRow<'_, SqliteRow> for JobLine {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: rows::some_text(row, "name")?,
            action: rows::some_text(row, "action")?,
            state: rows::some_text(row, "state")?,
            park_reason: rows::text(row, "park_reason")?,
            error_kind: rows::text(row, "error_kind")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// A page of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPage {
    /// The jobs, the newest first.
    pub lines: Vec<JobLine>,
    /// Where the next page begins, if there is one: see [`Filter::before`].
    pub next_before: Option<i64>,
}

impl Store {
    /// A page of jobs.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn browse(&self, filter: &Filter) -> Result<JobPage, StoreError> {
        let mut lines: Vec<JobLine> = browsing(filter)
            .build_query_as()
            .fetch_all(&self.readers)
            .await
            .trying("look through the jobs")?;
        let more = lines.len() > PAGE_JOBS;
        lines.truncate(PAGE_JOBS);
        Ok(JobPage {
            next_before: lines.last().filter(|_| more).map(|line| line.id),
            lines,
        })
    }

    /// What happened last, the newest first.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn latest_events(&self, limit: i64) -> Result<Vec<EventRow>, StoreError> {
        sqlx::query_as(
            "SELECT job_events.id, job_id, name, at, event, detail \
             FROM job_events JOIN jobs ON jobs.id = job_id \
             ORDER BY job_events.id DESC LIMIT ?1",
        )
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .trying("read the latest events")
    }
}

fn browsing(filter: &Filter) -> QueryBuilder<Sqlite> {
    let text = filter.text.trim();
    // The index of names says which names match without a look at the table; the others
    // are in the order of the list.
    let parts: &[(&str, &str)] = match (text, filter.state) {
        ("", None) => &[("", "1")],
        (_, Some(JobState::Cancelled)) | ("", Some(_)) => &[(" INDEXED BY jobs_state", "1")],
        _ => &[
            (
                " INDEXED BY jobs_name",
                "state <> 'CANCELLED' AND action = 'create' AND released_at IS NULL",
            ),
            (
                " INDEXED BY jobs_changes",
                "state <> 'CANCELLED' AND action <> 'create'",
            ),
        ],
    };
    let limit = i64::try_from(PAGE_JOBS + 1).unwrap_or(i64::MAX);
    let mut sql = QueryBuilder::new(
        "SELECT id, name, action, state, park_reason, error_kind, updated_at FROM jobs \
         WHERE id IN (",
    );
    for (place, (index, condition)) in parts.iter().enumerate() {
        if place > 0 {
            sql.push(" UNION ALL ");
        }
        sql.push(format!(
            "SELECT id FROM (SELECT id FROM jobs{index} WHERE {condition}"
        ));
        if let Some(state) = filter.state {
            sql.push(" AND state = ").push_bind(state.as_str());
        }
        if !text.is_empty() {
            sql.push(" AND name LIKE ")
                .push_bind(containing(text))
                .push(" ESCAPE '\\'");
        }
        if let Some(before) = filter.before {
            sql.push(" AND id < ").push_bind(before);
        }
        sql.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
        sql.push(")");
    }
    sql.push(") ORDER BY id DESC LIMIT ").push_bind(limit);
    sql
}

/// The pattern of LIKE for a text anywhere in another.
fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
