//! Jobs page by page, the one that changed last first, as they are looked through.
//!
//! No index has the order of changes. Few jobs are sorted; of many, the history is read backwards,
//! where each job stands once, at its last line. Either way a page costs little of a million jobs.

use serde_json::json;
use sqlx::{AssertSqlSafe, FromRow, Row as _, sqlite::SqliteRow};

use super::{
    Store, StoreError, Trying as _,
    history::EventRow,
    queue::bounded,
    report::{JobRow, ROW_COLUMNS},
    rows,
    selection::{bound, condition},
};
use crate::core::{
    job::{JobId, JobState},
    selector::Selector,
};

/// How many jobs a page has.
pub const PAGE_JOBS: usize = 50;

/// So many jobs are sorted, and counted, at the most.
pub const SORTED_JOBS: usize = 5_000;

/// So many lines of the history are read at once: a page may be short.
const EVENTS_READ: i64 = 50_000;

/// How often that is done for a page that would have no job at all: other jobs may have filled the
/// history last.
const READS: usize = 10;

const TRYING: &str = "look through the jobs";

/// Which jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// What they are.
    pub selector: Selector,
    /// Whose names have this in them, in large or small letters; blank for all. Of
    /// CANCELLED jobs only where the selector says so: their names are in no index.
    pub text: String,
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// How many jobs are on the pages before.
    pub skipped: usize,
    /// Where there are very many jobs: with the last line of their history before this one.
    pub before: Option<i64>,
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// The last error's words.
    pub error_message: Option<String>,
    /// The service's id of the parser.
    pub parser_id: Option<String>,
    /// What the parser is worth, where that was judged.
    pub quality: Option<String>,
    /// When it last changed, Unix milliseconds.
    pub updated_at: i64,
}

const LINE_COLUMNS: &str = "jobs.id AS id, name, action, state, park_reason, error_kind, \
    substr(error_message, 1, 400) AS error_message, parser_id, updated_at, \
    (SELECT quality FROM parsers WHERE parsers.parser_id = jobs.parser_id) AS quality";

impl FromRow<'_, SqliteRow> for JobLine {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: rows::some_text(row, "name")?,
            action: rows::some_text(row, "action")?,
            state: rows::some_text(row, "state")?,
            park_reason: rows::text(row, "park_reason")?,
            error_kind: rows::text(row, "error_kind")?,
            error_message: rows::text(row, "error_message")?,
            parser_id: rows::text(row, "parser_id")?,
            quality: rows::text(row, "quality")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// A page of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPage {
    /// The jobs, the one that changed last first.
    pub lines: Vec<JobLine>,
    /// Where it begins.
    pub place: Place,
    /// How many jobs there are of these; none for more than [`SORTED_JOBS`].
    pub total: Option<usize>,
    /// Where the next page begins, if there is one.
    pub next: Option<Place>,
}

impl Store {
    /// A page of jobs.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn browse(&self, filter: &Filter, place: Place) -> Result<JobPage, StoreError> {
        let bound = bound(&filter.whole());
        let sql = format!("SELECT count(*) FROM ({} LIMIT ?2)", filter.ids());
        let found: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(&bound)
            .bind(bounded(SORTED_JOBS + 1))
            .fetch_one(&self.readers)
            .await
            .trying(TRYING)?;
        match usize::try_from(found) {
            Ok(total) if total <= SORTED_JOBS => self.sorted(filter, bound, place, total).await,
            _ => self.by_history(filter, bound, place).await,
        }
    }

    async fn sorted(
        &self,
        filter: &Filter,
        bound: String,
        place: Place,
        total: usize,
    ) -> Result<JobPage, StoreError> {
        // The columns of a line are read of the jobs of the page alone.
        let sql = format!(
            "SELECT {LINE_COLUMNS} FROM jobs WHERE id IN ( \
                 SELECT id FROM jobs WHERE id IN ({}) \
                 ORDER BY updated_at DESC, id DESC LIMIT ?2 OFFSET ?3) \
             ORDER BY updated_at DESC, id DESC",
            filter.ids()
        );
        let lines: Vec<JobLine> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(bound)
            .bind(bounded(PAGE_JOBS))
            .bind(bounded(place.skipped))
            .fetch_all(&self.readers)
            .await
            .trying(TRYING)?;
        let skipped = place.skipped.saturating_add(lines.len());
        let next = Place {
            skipped,
            before: None,
        };
        Ok(JobPage {
            next: (!lines.is_empty() && skipped < total).then_some(next),
            lines,
            place,
            total: Some(total),
        })
    }

    async fn by_history(
        &self,
        filter: &Filter,
        bound: String,
        place: Place,
    ) -> Result<JobPage, StoreError> {
        let (first, last): (i64, i64) =
            sqlx::query_as("SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM job_events")
                .fetch_one(&self.readers)
                .await
                .trying(TRYING)?;
        let mut before = place.before.unwrap_or(last.saturating_add(1));
        let (mut rows, mut from) = (Vec::new(), before);
        for _ in 0..READS {
            from = before.saturating_sub(EVENTS_READ);
            rows = self.changed_between(filter, &bound, from, before).await?;
            if !rows.is_empty() || from <= first {
                break;
            }
            before = from;
        }
        let is_full = rows.len() > PAGE_JOBS;
        rows.truncate(PAGE_JOBS);
        let end = match rows.last() {
            Some(row) if is_full => Some(row.try_get("place").trying(TRYING)?),
            _ => (from > first).then_some(from),
        };
        let lines = rows.iter().map(JobLine::from_row);
        let lines: Vec<_> = lines.collect::<Result<_, _>>().trying(TRYING)?;
        let place = Place {
            // A place without the line of the history is the first one.
            skipped: place.before.map_or(0, |_| place.skipped),
            ..place
        };
        Ok(JobPage {
            next: end.map(|end| Place {
                skipped: place.skipped.saturating_add(lines.len()),
                before: Some(end),
            }),
            lines,
            place,
            total: None,
        })
    }

    /// The jobs whose last line of the history is between these, a page of them and one more.
    async fn changed_between(
        &self,
        filter: &Filter,
        bound: &str,
        from: i64,
        before: i64,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let sql = format!(
            "SELECT {LINE_COLUMNS}, line.id AS place FROM job_events AS line \
             CROSS JOIN jobs ON jobs.id = line.job_id \
             WHERE line.id < ?2 AND line.id >= ?3 AND {} AND NOT EXISTS ( \
                 SELECT 1 FROM job_events AS later \
                 WHERE later.job_id = line.job_id AND later.id > line.id) \
             ORDER BY line.id DESC LIMIT ?4",
            filter.condition()
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(bound)
            .bind(before)
            .bind(from)
            .bind(bounded(PAGE_JOBS + 1))
            .fetch_all(&self.readers)
            .await
            .trying(TRYING)
    }

    /// The ids of jobs that a filter lets through, in their order, so many at the most.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn matching_ids(
        &self,
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<JobId>, StoreError> {
        let sql = format!("SELECT id FROM ({}) ORDER BY id LIMIT ?2", filter.ids());
        let ids: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(bound(&filter.whole()))
            .bind(bounded(limit))
            .fetch_all(&self.readers)
            .await
            .trying(TRYING)?;
        Ok(ids.into_iter().map(JobId).collect())
    }

    /// These jobs, in the order of their ids.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn rows_of(&self, ids: &[JobId]) -> Result<Vec<JobRow>, StoreError> {
        let sql = format!(
            "SELECT {ROW_COLUMNS} FROM jobs WHERE id IN (SELECT value FROM json_each(?1)) \
             ORDER BY id"
        );
        sqlx::query_as(AssertSqlSafe(sql))
            .bind(json!(ids).to_string())
            .fetch_all(&self.readers)
            .await
            .trying("read jobs")
    }

    /// FAILED jobs by kind: of so many of the newest.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn failed_by_kind(&self, newest: i64) -> Result<Vec<(String, i64)>, StoreError> {
        sqlx::query_as(
            "SELECT coalesce(error_kind, ''), count(*) FROM ( \
                 SELECT error_kind FROM jobs INDEXED BY jobs_failed \
                 WHERE state = 'FAILED' ORDER BY id DESC LIMIT ?1) \
             GROUP BY 1 ORDER BY 2 DESC, 1",
        )
        .bind(newest)
        .fetch_all(&self.readers)
        .await
        .trying("count the failures")
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

impl Filter {
    /// Whether it lets all jobs through.
    pub fn is_empty(&self) -> bool {
        self.selector.selects_all() && self.text.trim().is_empty()
    }

    /// With the text as a pattern of names.
    fn whole(&self) -> Selector {
        let text = self.text.trim();
        let name = (!text.is_empty()).then(|| containing(text));
        Selector {
            name: name.or_else(|| self.selector.name.clone()),
            ..self.selector.clone()
        }
    }

    /// Whether names are looked for in their indexes.
    fn is_by_name(&self) -> bool {
        !self.text.trim().is_empty() && !self.selector.states.contains(&JobState::Cancelled)
    }

    fn condition(&self) -> String {
        let condition = condition(&self.whole());
        if self.is_by_name() {
            format!("{condition} AND jobs.state <> 'CANCELLED'")
        } else {
            condition
        }
    }

    /// The ids, in no order.
    fn ids(&self) -> String {
        let condition = self.condition();
        // The index of names says which names match without a look at the table.
        let parts: &[(&str, &str)] = if self.is_by_name() {
            &[
                (
                    " INDEXED BY jobs_name",
                    "action = 'create' AND released_at IS NULL",
                ),
                (" INDEXED BY jobs_changes", "action <> 'create'"),
            ]
        } else if self.selector.states.is_empty() {
            &[("", "1")]
        } else {
            &[(" INDEXED BY jobs_state", "1")]
        };
        let parts = parts.iter().map(|(index, part)| {
            format!("SELECT id FROM jobs{index} WHERE {part} AND {condition}")
        });
        let parts: Vec<_> = parts.collect();
        parts.join(" UNION ALL ")
    }
}

/// The pattern of GLOB for a text anywhere in another, in large or small letters.
fn containing(text: &str) -> String {
    let mut pattern = String::from("*");
    for c in text.chars() {
        match c {
            '*' | '?' | '[' => pattern.extend(['[', c, ']']),
            c if c.is_ascii_alphabetic() => {
                pattern.extend(['[', c.to_ascii_lowercase(), c.to_ascii_uppercase(), ']']);
            }
            c => pattern.push(c),
        }
    }
    pattern.push('*');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_looked_for_as_it_is() {
        for (text, pattern) in [
            ("a-1", "*[aA]-1*"),
            ("100%", "*100%*"),
            ("x*?[y]", "*[xX][*][?][[][yY]]*"),
            ("\u{e4}", "*\u{e4}*"),
        ] {
            assert_eq!(containing(text), pattern);
        }
    }

    #[test]
    fn names_are_looked_for_in_their_index_and_states_in_theirs() {
        let filter = |states: &[JobState], text: &str| Filter {
            selector: Selector::of_states(states),
            text: text.to_owned(),
        };
        for (filter, index) in [
            (filter(&[JobState::Failed], ""), "jobs_state"),
            (filter(&[], "a"), "jobs_name"),
            (filter(&[JobState::Failed], "a"), "jobs_name"),
            (filter(&[JobState::Cancelled], "a"), "jobs_state"),
        ] {
            assert!(filter.ids().contains(index), "{filter:?}");
            assert!(!filter.is_empty());
        }
        assert!(filter(&[], " ").is_empty());
    }
}
