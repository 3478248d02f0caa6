//! Claims: which jobs are due. One daemon has the database, so a claim is kept in
//! its memory; what a crash must not forget is a state.

use serde_json::json;
use sqlx::{AssertSqlSafe, Row as _, sqlite::SqliteRow};

use super::{
    Store, StoreError, Trying as _, repair,
    rows::{self, JOB_COLUMNS},
};
use crate::{
    api::text,
    core::field_changes::FieldChanges,
    core::job::{Action, Job, JobId, JobState, ParkReason, UnixMs},
    core::quality::Wanted,
    core::spec::JobSpec,
    store::ports::{Asked, Lane, Order, ParkedFirst, Queue, QueuedJob},
};

/// The longest column of a specification, as in `migrations/0002_rules.sql`.
const COLUMN_MAX_BYTES: usize = 1_000_000;

/// The columns of [`spec`] beside those of a job.
const SPEC_COLUMNS: &str = "urls, scraper_params, fields, expect, check_urls, change";

const fn next_due_sql(lane: Lane) -> &'static str {
    match lane {
        Lane::Create => {
            "SELECT min(due_at) FROM jobs INDEXED BY jobs_queued_due \
             WHERE state = 'QUEUED' AND due_at > ?1 \
             AND retry_requested_at IS NULL AND edit_requested_at IS NULL"
        }
        Lane::Reconcile => {
            "SELECT min(due_at) FROM jobs INDEXED BY jobs_creating \
             WHERE state = 'CREATING' AND due_at > ?1 AND doubt_since IS NOT NULL"
        }
        Lane::Poll => {
            "SELECT min(due_at) FROM jobs INDEXED BY jobs_generating \
             WHERE state = 'GENERATING' AND due_at > ?1"
        }
    }
}

impl Store {
    async fn due(&self, tail: &str, now: UnixMs, limit: usize) -> Result<Vec<Job>, StoreError> {
        let sql = format!("SELECT {JOB_COLUMNS} {tail}");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(now)
            .bind(bounded(limit))
            .fetch_all(&self.readers)
            .await
            .trying("look for due jobs")?;
        jobs(&rows)
    }

    /// QUEUED and PARKED jobs, due or not, in the order in which they would be claimed.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn to_be_created(&self) -> Result<Vec<QueuedJob>, StoreError> {
        let sql = format!(
            "SELECT {JOB_COLUMNS}, {SPEC_COLUMNS} FROM jobs \
             WHERE state IN ('QUEUED', 'PARKED') ORDER BY priority DESC, due_at, id"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .fetch_all(&self.readers)
            .await
            .trying("read the jobs to come")?;
        queued(&rows).trying("read the jobs to come")
    }
}

impl Queue for Store {
    async fn due_creates(&self, now: UnixMs, limit: usize) -> Result<Vec<QueuedJob>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(due_creates_sql()))
            .bind(now)
            .bind(bounded(limit))
            .fetch_all(&self.readers)
            .await
            .trying("look for due jobs")?;
        queued(&rows).trying("read a due job")
    }

    async fn due_doubts(&self, now: UnixMs, limit: usize) -> Result<Vec<Job>, StoreError> {
        self.due(
            "FROM jobs INDEXED BY jobs_creating WHERE state = 'CREATING' AND due_at <= ?1 \
             AND doubt_since IS NOT NULL ORDER BY due_at, id LIMIT ?2",
            now,
            limit,
        )
        .await
    }

    async fn due_polls(&self, now: UnixMs, limit: usize) -> Result<Vec<Job>, StoreError> {
        self.due(
            "FROM jobs INDEXED BY jobs_generating WHERE state = 'GENERATING' AND due_at <= ?1 \
             ORDER BY due_at, id LIMIT ?2",
            now,
            limit,
        )
        .await
    }

    async fn count_due_polls(&self, now: UnixMs, limit: usize) -> Result<usize, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY jobs_generating \
             WHERE state = 'GENERATING' AND due_at <= ?1 LIMIT ?2)",
        )
        .bind(now)
        .bind(bounded(limit))
        .fetch_one(&self.readers)
        .await
        .trying("count the due polls")?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    async fn due_polls_apart(
        &self,
        now: UnixMs,
        since: UnixMs,
        limit: usize,
    ) -> Result<Vec<Job>, StoreError> {
        let sql = format!(
            "SELECT {JOB_COLUMNS} FROM jobs INDEXED BY jobs_generating \
             WHERE state = 'GENERATING' AND due_at <= ?1 AND (poll_errors > 0 OR due_at <= ?3) \
             ORDER BY due_at, id LIMIT ?2"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(now)
            .bind(bounded(limit))
            .bind(since)
            .fetch_all(&self.readers)
            .await
            .trying("look for due polls")?;
        jobs(&rows)
    }

    async fn requested(&self, limit: usize) -> Result<Vec<Job>, StoreError> {
        self.due(
            "FROM jobs INDEXED BY jobs_requested WHERE ?1 = ?1 \
             AND (retry_requested_at IS NOT NULL OR edit_requested_at IS NOT NULL) ORDER BY id LIMIT ?2",
            0,
            limit,
        )
        .await
    }

    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Job>, StoreError> {
        let sql = format!(
            "SELECT {JOB_COLUMNS} FROM jobs \
             WHERE id IN (SELECT value FROM json_each(?1)) ORDER BY id"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(json!(ids).to_string())
            .fetch_all(&self.readers)
            .await
            .trying("read jobs")?;
        jobs(&rows)
    }

    async fn parked(
        &self,
        reason: ParkReason,
        first: ParkedFirst,
        limit: usize,
    ) -> Result<Vec<Job>, StoreError> {
        let order = match first {
            ParkedFirst::Highest => "priority DESC, due_at, id",
            ParkedFirst::Longest => "due_at, id",
        };
        let sql = format!(
            "SELECT {JOB_COLUMNS} FROM jobs INDEXED BY jobs_parked \
             WHERE state = 'PARKED' AND park_reason = ?1 AND doubt_since IS NULL \
             ORDER BY {order} LIMIT ?2"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(reason.as_str())
            .bind(bounded(limit))
            .fetch_all(&self.readers)
            .await
            .trying("look for parked jobs")?;
        jobs(&rows)
    }

    async fn broken(&self, limit: usize) -> Result<Vec<(Job, String)>, StoreError> {
        repair::broken_rows(&self.readers, limit)
            .await
            .trying("look for rows that were changed past the rules")
    }

    async fn last_finished(&self, limit: usize) -> Result<Vec<Job>, StoreError> {
        let mut jobs = self
            .due(
                "FROM jobs WHERE state = 'FINISHED' AND ?1 = ?1 ORDER BY id DESC LIMIT ?2",
                0,
                limit,
            )
            .await?;
        jobs.reverse();
        Ok(jobs)
    }

    async fn interrupted(&self) -> Result<Vec<Job>, StoreError> {
        self.due(
            "FROM jobs INDEXED BY jobs_creating WHERE state = 'CREATING' \
             AND doubt_since IS NULL AND ?1 = ?1 LIMIT ?2",
            0,
            usize::MAX,
        )
        .await
    }

    async fn next_due(&self, lane: Lane, now: UnixMs) -> Result<Option<UnixMs>, StoreError> {
        sqlx::query_scalar(next_due_sql(lane))
            .bind(now)
            .fetch_one(&self.readers)
            .await
            .trying("look for the next due job")
    }

    async fn under_way(&self, limit: usize) -> Result<usize, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM (SELECT 1 FROM jobs \
             WHERE state IN ('CREATING', 'GENERATING') LIMIT ?1)",
        )
        .bind(bounded(limit))
        .fetch_one(&self.readers)
        .await
        .trying("count the jobs under way")?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    async fn any(&self, state: JobState) -> Result<bool, StoreError> {
        let state = state.as_str();
        let sql = format!("SELECT EXISTS (SELECT 1 FROM jobs WHERE state = '{state}')");
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&self.readers)
            .await
            .trying("look for jobs of a state")
    }

    async fn any_parked(&self, reason: ParkReason) -> Result<bool, StoreError> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_parked \
             WHERE state = 'PARKED' AND park_reason = ?1)",
        )
        .bind(reason.as_str())
        .fetch_one(&self.readers)
        .await
        .trying("look for parked jobs")
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let sql = format!("SELECT {JOB_COLUMNS} FROM jobs WHERE id = ?1");
        sqlx::query(AssertSqlSafe(sql))
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await
            .trying("read a job")?
            .as_ref()
            .map(rows::job)
            .transpose()
            .trying("read a job")
    }

    async fn wanted(&self, id: JobId) -> Result<Asked, StoreError> {
        const TRYING: &str = "read what a job asks for";
        // What an update does not say is said by the job that made the parser.
        let row = sqlx::query(
            "SELECT jobs.target_fields, made.urls, made.fields, made.expect, made.check_urls, \
                 made.scraper_params, made.effective_params, jobs.change \
             FROM jobs LEFT JOIN jobs AS made ON made.id = CASE jobs.action \
                 WHEN 'create' THEN jobs.id \
                 ELSE (SELECT max(id) FROM jobs AS other WHERE other.parser_id = jobs.parser_id \
                     AND other.action = 'create' AND other.state <> 'CANCELLED') END \
             WHERE jobs.id = ?1",
        )
        .bind(id.0)
        .fetch_optional(&self.readers)
        .await
        .trying(TRYING)?;
        let Some(row) = row else {
            return Ok(Asked::default());
        };
        let text = |column| rows::text(&row, column).trying(TRYING);
        let (target, mut expect) = (text("target_fields")?, text("expect")?);
        let change = text("change")?.and_then(|change| FieldChanges::from_json(&change).ok());
        if let Some(change) = change {
            expect = expect.and_then(|expect| change.carry_expect(&expect));
        }
        let (wanted, fields) = match target {
            // The job of an adopted parser may expect what this update does not bring about.
            Some(target) => {
                let wanted = Wanted::of_parser(&target, expect.as_deref());
                (wanted, Some(target))
            }
            None => {
                let fields = text("fields")?;
                let wanted = Wanted::of_columns(fields.as_deref(), expect.as_deref());
                (wanted, fields)
            }
        };
        Ok(Asked {
            wanted: wanted.checking(text("check_urls")?.as_deref()),
            fields,
            urls: text("urls")?.unwrap_or_default(),
            expect,
            scraper_params: text("scraper_params")?,
            effective_params: text("effective_params")?,
        })
    }
}

pub(super) fn jobs(rows: &[SqliteRow]) -> Result<Vec<Job>, StoreError> {
    rows.iter()
        .map(rows::job)
        .collect::<Result<_, _>>()
        .trying("read a due job")
}

/// Priority by priority, so that jobs which are not due yet are never walked over,
/// however many there are.
pub(super) fn due_creates_sql() -> String {
    format!(
        "WITH RECURSIVE level (priority) AS MATERIALIZED (
            SELECT (SELECT priority FROM jobs INDEXED BY jobs_queued WHERE state = 'QUEUED'
                    ORDER BY priority DESC LIMIT 1)
            UNION ALL
            SELECT (SELECT jobs.priority FROM jobs INDEXED BY jobs_queued
                    WHERE state = 'QUEUED' AND jobs.priority < level.priority
                    ORDER BY jobs.priority DESC LIMIT 1)
            FROM level WHERE level.priority IS NOT NULL
         )
         SELECT {JOB_COLUMNS}, {SPEC_COLUMNS}
         FROM level CROSS JOIN jobs INDEXED BY jobs_queued
           ON jobs.state = 'QUEUED' AND jobs.priority = level.priority AND jobs.due_at <= ?1
           AND jobs.retry_requested_at IS NULL AND jobs.edit_requested_at IS NULL
         LIMIT ?2",
        JOB_COLUMNS = prefixed(),
    )
}

/// Rows of [`JOB_COLUMNS`] and a specification.
fn queued(rows: &[SqliteRow]) -> Result<Vec<QueuedJob>, sqlx::Error> {
    let queued = rows.iter().map(|row| {
        let job = rows::job(row)?;
        Ok(QueuedJob {
            order: order(row, job.action)?,
            job,
        })
    });
    queued.collect()
}

/// What a row asks for, or why that cannot be read.
fn order(row: &SqliteRow, action: Action) -> Result<Result<Order, String>, sqlx::Error> {
    Ok(match action {
        Action::Create => spec(row)?.map(Order::Create),
        Action::Update => {
            let change = rows::some_text(row, "change")?;
            FieldChanges::from_json(&change)
                .map(Order::Update)
                .map_err(|error| text::quote(&error.to_string()))
        }
        Action::Delete => Ok(Order::Delete),
    })
}

/// The specification of a row, or why that cannot be read.
fn spec(row: &SqliteRow) -> Result<Result<JobSpec, String>, sqlx::Error> {
    let columns = [
        "name",
        "urls",
        "scraper_params",
        "fields",
        "expect",
        "check_urls",
    ];
    let mut texts = [None; 6];
    for (text, column) in texts.iter_mut().zip(columns) {
        let Some(bytes) = row.try_get::<Option<&[u8]>, _>(column)? else {
            continue;
        };
        if bytes.len() > COLUMN_MAX_BYTES {
            return Ok(Err(format!(
                "{column} is {} bytes long: write at most {COLUMN_MAX_BYTES}",
                bytes.len()
            )));
        }
        match str::from_utf8(bytes) {
            Ok(utf8) => *text = Some(utf8),
            Err(error) => {
                return Ok(Err(format!(
                    "{column} is not valid text ({error}): write it in UTF-8"
                )));
            }
        }
    }
    let [name, urls, scraper_params, fields, expect, check_urls] = texts;
    let spec = JobSpec::from_columns(
        name.unwrap_or_default(),
        urls.unwrap_or_default(),
        scraper_params,
        fields,
    )
    .and_then(|spec| match (expect, check_urls) {
        (None, None) => Ok(spec),
        _ => spec.with_checks(expect, check_urls),
    });
    // Of a row with a thousand faults the first ones say enough.
    Ok(spec.map_err(|error| text::quote(&error.to_string())))
}

/// [`JOB_COLUMNS`] of `jobs`, where another table has a `priority` too.
fn prefixed() -> String {
    JOB_COLUMNS
        .split(", ")
        .map(|column| format!("jobs.{}", column.trim()))
        .collect::<Vec<_>>()
        .join(", ")
}

pub(super) fn bounded(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
