//! What people read: counts, rows, one job's history.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::{AssertSqlSafe, FromRow, Row as _, SqliteExecutor, sqlite::SqliteRow};

use super::{Store, StoreError, Trying as _, rows, updates::UpdateRow};
use crate::core::{
    field_changes::FieldChanges,
    job::{Action, JobId, JobState, ParkReason, UnixMs},
    outcome::is_refusal,
};

/// How many jobs are where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// By state; each state is there, if with 0.
    pub states: BTreeMap<JobState, i64>,
    /// PARKED jobs by reason; only reasons that occur.
    pub parked: BTreeMap<ParkReason, i64>,
    /// Requests whose outcome is not known.
    pub in_doubt: i64,
    /// Updates and deletes that are not done yet; only those that occur.
    pub changes: BTreeMap<Action, i64>,
    /// Of the QUEUED and PARKED jobs, those that cost nothing: updates, deletes and adoptions.
    pub free: i64,
}

impl Counts {
    /// How many jobs are in `state`.
    pub fn of(&self, state: JobState) -> i64 {
        self.states.get(&state).copied().unwrap_or(0)
    }

    /// How many jobs are in a terminal state.
    pub fn ended(&self) -> i64 {
        self.of_all(JobState::is_terminal)
    }

    /// How many jobs go on by themselves.
    pub fn moving(&self) -> i64 {
        self.of_all(JobState::is_open)
    }

    fn of_all(&self, which: fn(JobState) -> bool) -> i64 {
        let found = self.states.iter().filter(|(state, _)| which(**state));
        found.map(|(_, jobs)| jobs).sum()
    }
}

/// A job as it is shown: the columns of CONTRACT.md that are meant to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobRow {
    /// Row id.
    pub id: i64,
    /// The user's name for it.
    pub name: String,
    /// What it does with its parser: `create`, `update` or `delete`.
    pub action: String,
    /// Where it stands.
    pub state: String,
    /// Why it is PARKED.
    pub park_reason: Option<String>,
    /// The service's id of the parser.
    pub parser_id: Option<String>,
    /// Its version.
    pub parser_version: Option<i64>,
    /// Create requests sent.
    pub creates: i64,
    /// Why it FAILED.
    pub error_kind: Option<String>,
    /// HTTP status of the last error, if that was a refusal: a generation that failed is told of
    /// with a 200.
    pub error_status: Option<i64>,
    /// The last error's words.
    pub error_message: Option<String>,
    /// What to do about it.
    pub error_hint: Option<String>,
    /// Higher goes first.
    pub priority: i64,
    /// Unix milliseconds.
    pub created_at: UnixMs,
    /// Unix milliseconds.
    pub updated_at: UnixMs,
    /// Unix milliseconds.
    pub finished_at: Option<UnixMs>,
    /// When it is looked at next, Unix milliseconds.
    pub due_at: UnixMs,
    /// What an update changes, JSON.
    pub change: Option<serde_json::Value>,
    /// What was last foreseen of its create, JSON: [`crate::core::preflight::Record`].
    pub preflight: Option<serde_json::Value>,
    /// The parameters that its create is sent with, JSON, where they are others than those written.
    pub effective_params: Option<serde_json::Value>,
    /// By what people tell jobs apart, JSON: an object of strings.
    pub labels: Option<serde_json::Value>,
    /// Its specification is another one since it was last worked on, and no parser is its own.
    #[serde(skip)]
    pub is_edited: bool,
    /// It adopts the parser that it names, and creates none.
    #[serde(skip)]
    pub is_adoption: bool,
}

impl FromRow<'_, SqliteRow> for JobRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: rows::some_text(row, "name")?,
            action: rows::some_text(row, "action")?,
            state: rows::some_text(row, "state")?,
            park_reason: rows::text(row, "park_reason")?,
            parser_id: rows::text(row, "parser_id")?,
            parser_version: row.try_get("parser_version")?,
            creates: row.try_get("creates")?,
            error_kind: rows::text(row, "error_kind")?,
            error_status: refusal(row.try_get("error_status")?),
            error_message: rows::text(row, "error_message")?,
            error_hint: rows::text(row, "error_hint")?,
            priority: row.try_get("priority")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            finished_at: row.try_get("finished_at")?,
            due_at: row.try_get("due_at")?,
            change: json_value(row, "change")?,
            preflight: json_value(row, "preflight")?,
            effective_params: json_value(row, "effective_params")?,
            labels: json_value(row, "labels")?,
            is_edited: row.try_get("is_edited")?,
            is_adoption: row.try_get("is_adoption")?,
        })
    }
}

/// A status that says of itself that something is wrong.
pub(super) fn refusal(status: Option<i64>) -> Option<i64> {
    status.filter(|status| is_refusal(*status))
}

impl JobRow {
    /// Whether it changes or deletes a parser, rather than to make one.
    pub fn is_change(&self) -> bool {
        self.action != Action::Create.as_str()
    }

    /// What an update changes.
    pub fn changes(&self) -> Option<FieldChanges> {
        FieldChanges::from_json(&self.change.as_ref()?.to_string()).ok()
    }

    /// Its labels for people: `env=prod, team=search`; none where it has none.
    pub fn labels_line(&self) -> Option<String> {
        let labels = self.labels.as_ref()?.as_object()?.iter();
        let labels = labels.map(|(key, value)| {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            format!("{key}={value}")
        });
        let labels: Vec<_> = labels.collect();
        (!labels.is_empty()).then(|| labels.join(", "))
    }

    /// Whether nothing that it may send costs anything.
    pub fn is_free(&self) -> bool {
        let is_paid = |changes: FieldChanges| changes.is_paid();
        self.is_adoption || self.is_change() && !self.changes().is_some_and(is_paid)
    }
}

/// How many rows one look at the database takes.
pub(super) const PAGE_ROWS: i64 = 1000;

pub(super) const ROW_COLUMNS: &str = "id, name, action, change, state, park_reason, parser_id, parser_version, creates, \
    error_kind, error_status, error_message, error_hint, priority, created_at, updated_at, \
    finished_at, due_at, preflight, effective_params, labels, edit_requested_at IS NOT NULL AS is_edited, \
    action = 'create' AND parser_id IS NOT NULL AND remote_name IS NULL AND creates = 0 \
        AS is_adoption";

/// A job whose request is in doubt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoubtRow {
    /// Row id.
    pub id: i64,
    /// The user's name for it.
    pub name: String,
    /// What it does with its parser.
    pub action: String,
    /// CREATING: parserd is settling it; PARKED: a person must.
    pub state: String,
    /// The name that the service was sent.
    pub remote_name: Option<String>,
    /// Since when, Unix milliseconds.
    pub doubt_since: Option<UnixMs>,
    /// What brought it about.
    pub doubt_cause: Option<String>,
    /// When the account's list is looked at next, Unix milliseconds.
    pub due_at: UnixMs,
}

impl FromRow<'_, SqliteRow> for DoubtRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: rows::some_text(row, "name")?,
            action: rows::some_text(row, "action")?,
            state: rows::some_text(row, "state")?,
            remote_name: rows::text(row, "remote_name")?,
            doubt_since: row.try_get("doubt_since")?,
            doubt_cause: rows::text(row, "doubt_cause")?,
            due_at: row.try_get("due_at")?,
        })
    }
}

/// What a row of `job_events` says: a line of the history of one job.
#[derive(Debug, Clone, Serialize)]
pub struct HistoryRow {
    /// Unix milliseconds.
    pub at: UnixMs,
    /// What happened.
    pub event: String,
    /// The rest of it, JSON.
    pub detail: Box<RawValue>,
}

impl FromRow<'_, SqliteRow> for HistoryRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            at: row.try_get("at")?,
            event: rows::some_text(row, "event")?,
            detail: json_column(row, "detail")?.unwrap_or_default(),
        })
    }
}

/// A create request of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CreateRow {
    /// The name sent.
    pub remote_name: String,
    /// When, Unix milliseconds.
    pub sent_at: UnixMs,
    /// What it is taken to cost.
    pub credits: i64,
    /// `pending`, `made` or `not_made`.
    pub outcome: String,
    /// The parser that it made.
    pub parser_id: Option<String>,
    /// When the outcome was known, Unix milliseconds.
    pub settled_at: Option<UnixMs>,
}

impl FromRow<'_, SqliteRow> for CreateRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            remote_name: rows::some_text(row, "remote_name")?,
            sent_at: row.try_get("sent_at")?,
            credits: row.try_get("credits")?,
            outcome: rows::some_text(row, "outcome")?,
            parser_id: rows::text(row, "parser_id")?,
            settled_at: row.try_get("settled_at")?,
        })
    }
}

/// One job with everything that is known of it.
#[derive(Debug, Clone, Serialize)]
pub struct JobDetails {
    /// The job.
    #[serde(flatten)]
    pub row: JobRow,
    /// What it asks for: JSON.
    pub urls: Option<Box<RawValue>>,
    /// What it asks for: JSON.
    pub scraper_params: Option<Box<RawValue>>,
    /// What it asks for: JSON.
    pub fields: Option<Box<RawValue>>,
    /// The name that the service knows.
    pub remote_name: Option<String>,
    /// Ids of parsers of which one may be its own: JSON.
    pub candidates: Option<Box<RawValue>>,
    /// What the fields must hold: JSON.
    pub expect: Option<Box<RawValue>>,
    /// Held-out pages: JSON.
    pub check_urls: Option<Box<RawValue>>,
    /// What its parser is worth, where that was judged.
    pub quality: Option<String>,
    /// Why: JSON.
    pub quality_detail: Option<Box<RawValue>>,
    /// The result that came with FINISHED: JSON.
    pub example_result: Option<Box<RawValue>>,
    /// Its history, oldest first.
    pub events: Vec<HistoryRow>,
    /// Its create requests, oldest first.
    pub create_requests: Vec<CreateRow>,
    /// Its requests that change or delete a parser, oldest first.
    pub update_requests: Vec<UpdateRow>,
    /// What the fetches of its example pages count as having cost.
    pub fetch_credits: i64,
}

impl Store {
    /// Counts the jobs.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        counts(&self.readers).await
    }

    /// Requests in doubt, and jobs that only a person can settle, the oldest jobs first.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn doubts(&self, limit: i64) -> Result<Vec<DoubtRow>, StoreError> {
        sqlx::query_as(
            "SELECT id, name, action, state, remote_name, doubt_since, doubt_cause, due_at FROM jobs \
             WHERE (state = 'CREATING' AND doubt_since IS NOT NULL) \
                OR (state = 'PARKED' AND park_reason = 'ambiguous') ORDER BY id LIMIT ?1",
        )
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .trying("list the requests in doubt")
    }

    /// The versions of the schema and of SQLite.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn versions(&self) -> Result<(i64, String), StoreError> {
        sqlx::query_as("SELECT coalesce(max(version), 0), sqlite_version() FROM _sqlx_migrations")
            .fetch_one(&self.readers)
            .await
            .trying("read the schema's version")
    }

    /// Everything that is known of one job.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn details(&self, id: JobId) -> Result<Option<JobDetails>, StoreError> {
        let sql = format!(
            "SELECT {ROW_COLUMNS}, urls, scraper_params, fields, remote_name, candidates, \
                 expect, check_urls, example_result, \
                 (SELECT quality FROM parsers WHERE parser_id = jobs.parser_id) AS quality, \
                 (SELECT quality_detail FROM parsers WHERE parser_id = jobs.parser_id) \
                     AS quality_detail, \
                 (SELECT CAST(total(credits) AS INTEGER) FROM fetches WHERE job_id = jobs.id) \
                     AS fetch_credits \
             FROM jobs WHERE id = ?1"
        );
        let Some(row) = sqlx::query(AssertSqlSafe(sql))
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await
            .trying("read a job")?
        else {
            return Ok(None);
        };
        let events = sqlx::query_as(
            "SELECT at, event, detail FROM job_events WHERE job_id = ?1 ORDER BY id",
        )
        .bind(id.0)
        .fetch_all(&self.readers)
        .await
        .trying("read a job's history")?;
        let create_requests = sqlx::query_as(
            "SELECT remote_name, sent_at, credits, outcome, parser_id, settled_at \
             FROM creates WHERE job_id = ?1 ORDER BY id",
        )
        .bind(id.0)
        .fetch_all(&self.readers)
        .await
        .trying("read a job's creates")?;
        let update_requests = self.update_requests(id).await?;
        details(&row, events, create_requests, update_requests)
            .map(Some)
            .trying("read a job")
    }
}

/// In one statement, so that the figures are of one moment.
pub(super) async fn counts(readers: impl SqliteExecutor<'_>) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    for state in JobState::ALL {
        counts.states.insert(*state, 0);
    }
    let rows: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT 'state', state, count(*) FROM jobs INDEXED BY jobs_state GROUP BY state \
         UNION ALL \
         SELECT 'parked', park_reason, count(*) FROM jobs INDEXED BY jobs_parked \
         WHERE state = 'PARKED' GROUP BY park_reason \
         UNION ALL \
         SELECT 'in_doubt', '', count(*) FROM jobs INDEXED BY jobs_creating \
         WHERE state = 'CREATING' AND doubt_since IS NOT NULL \
         UNION ALL \
         SELECT 'change', action, count(*) FROM jobs INDEXED BY jobs_open_change \
         WHERE action <> 'create' AND state IN ('QUEUED', 'CREATING', 'GENERATING', 'PARKED') \
         GROUP BY action \
         UNION ALL \
         SELECT 'free', '', count(*) FROM jobs INDEXED BY jobs_open_change \
         WHERE action <> 'create' AND state IN ('QUEUED', 'CREATING', 'GENERATING', 'PARKED') \
             AND state IN ('QUEUED', 'PARKED') \
             AND NOT (coalesce(json_valid(change), 0) AND \
                 (coalesce(json_array_length(change, '$.add_fields'), 0) > 0 \
                  OR coalesce(json_array_length(change, '$.modify_fields'), 0) > 0)) \
         UNION ALL \
         SELECT 'free', '', count(*) FROM jobs INDEXED BY jobs_adopting \
         WHERE action = 'create' AND parser_id IS NOT NULL AND remote_name IS NULL \
             AND creates = 0 AND state IN ('QUEUED', 'PARKED')",
    )
    .fetch_all(readers)
    .await
    .trying("count the jobs")?;
    for (what, which, count) in rows {
        if let ("change", Ok(action)) = (what.as_str(), which.parse()) {
            counts.changes.insert(action, count);
        }
        match (what.as_str(), which.parse(), which.parse()) {
            ("state", Ok(state), _) => drop(counts.states.insert(state, count)),
            ("parked", _, Ok(reason)) => drop(counts.parked.insert(reason, count)),
            ("in_doubt", ..) => counts.in_doubt = count,
            ("free", ..) => counts.free += count,
            _ => {}
        }
    }
    Ok(counts)
}

fn details(
    row: &SqliteRow,
    events: Vec<HistoryRow>,
    create_requests: Vec<CreateRow>,
    update_requests: Vec<UpdateRow>,
) -> Result<JobDetails, sqlx::Error> {
    Ok(JobDetails {
        row: JobRow::from_row(row)?,
        urls: json_column(row, "urls")?,
        scraper_params: json_column(row, "scraper_params")?,
        fields: json_column(row, "fields")?,
        remote_name: rows::text(row, "remote_name")?,
        candidates: json_column(row, "candidates")?,
        expect: json_column(row, "expect")?,
        check_urls: json_column(row, "check_urls")?,
        quality: rows::text(row, "quality")?,
        quality_detail: json_column(row, "quality_detail")?,
        example_result: json_column(row, "example_result")?,
        events,
        create_requests,
        update_requests,
        fetch_credits: row.try_get("fetch_credits")?,
    })
}

/// A column of JSON; a text that is none, in a row that got in past the rules, is
/// shown as a JSON string.
pub(super) fn json_column(
    row: &SqliteRow,
    column: &str,
) -> Result<Option<Box<RawValue>>, sqlx::Error> {
    let Some(text) = rows::text(row, column)? else {
        return Ok(None);
    };
    RawValue::from_string(text.clone())
        .or_else(|_| serde_json::value::to_raw_value(&text))
        .map(Some)
        .map_err(|error| sqlx::Error::Decode(error.into()))
}

/// The same as a value.
fn json_value(row: &SqliteRow, column: &str) -> Result<Option<serde_json::Value>, sqlx::Error> {
    let text = rows::text(row, column)?;
    Ok(text.map(|text| serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))))
}
