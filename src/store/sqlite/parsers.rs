//! What people read of parsers, and verdicts that are given anew.

use futures_util::stream::BoxStream;
use serde::Serialize;
use serde_json::{json, value::RawValue};
use sqlx::{AssertSqlSafe, FromRow, Row as _, SqliteExecutor, sqlite::SqliteRow};

use super::selection::{bound, condition_on_parsers};
use super::{Store, StoreError, Trying as _, browse::PAGE_JOBS, report::json_column, rows};
use crate::{
    core::{
        event::JobEvent,
        job::{JobId, ParserId, UnixMs},
        quality::{Judgement, Quality, judged_by},
        selector::Selector,
    },
    store::ports::{Judging, Unjudged},
};

/// How many rows one look at the database takes.
const PAGE_ROWS: i64 = 1000;

/// How many parsers are worth what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct QualityCounts {
    /// Nothing is wrong with them.
    pub ok: i64,
    /// Somebody should look.
    pub thin: i64,
    /// They cannot be used.
    pub bad: i64,
    /// What they found is not known.
    pub not_judged: i64,
}

impl QualityCounts {
    /// How many there are.
    pub const fn all(self) -> i64 {
        self.ok + self.thin + self.bad + self.not_judged
    }
}

/// The qualities in the order of the list.
const WORST_FIRST: [Option<Quality>; 4] = [
    Some(Quality::Bad),
    Some(Quality::Thin),
    None,
    Some(Quality::Ok),
];

/// A page of the list.
#[derive(Debug)]
pub struct ParserPage {
    /// The worst first.
    pub lines: Vec<ParserRow>,
    /// Where the next page begins, if there is one.
    pub next: Option<ParserPlace>,
}

/// Where a page of the list begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ParserPlace {
    /// With this quality: counted from the worst.
    pub rank: usize,
    /// Older than this one.
    pub before: Option<i64>,
}

/// A parser as it is shown: the columns of CONTRACT.md that are meant to be read.
#[derive(Debug, Clone, Serialize)]
pub struct ParserRow {
    /// The user's name for it: that of the job that made it.
    pub name: String,
    /// The service's id.
    pub parser_id: String,
    /// The version to use.
    pub version: Option<i64>,
    /// The newest version.
    pub latest_version: Option<i64>,
    /// What it is worth; none where it was not judged.
    pub quality: Option<String>,
    /// Why, JSON.
    pub quality_detail: Option<Box<RawValue>>,
    /// The example pages, JSON.
    pub urls: Option<Box<RawValue>>,
    /// JSON.
    pub scraper_params: Option<Box<RawValue>>,
    /// JSON.
    pub fields: Option<Box<RawValue>>,
    /// Whether it is kept from being deleted.
    pub protected: bool,
    /// The last job that changed it.
    pub job_id: i64,
    /// Unix milliseconds.
    pub created_at: UnixMs,
    /// Unix milliseconds.
    pub updated_at: UnixMs,
    /// Unix milliseconds.
    pub deleted_at: Option<UnixMs>,
}

impl FromRow<'_, SqliteRow> for ParserRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            name: rows::some_text(row, "name")?,
            parser_id: rows::some_text(row, "parser_id")?,
            version: row.try_get("version")?,
            latest_version: row.try_get("latest_version")?,
            quality: rows::text(row, "quality")?,
            quality_detail: json_column(row, "quality_detail")?,
            urls: json_column(row, "urls")?,
            scraper_params: json_column(row, "scraper_params")?,
            fields: json_column(row, "fields")?,
            protected: row.try_get("protected")?,
            job_id: row.try_get("job_id")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            deleted_at: row.try_get("deleted_at")?,
        })
    }
}

impl ParserRow {
    /// Why it is worth no more, in a sentence.
    pub fn reason(&self) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Detail {
            reason: Option<String>,
        }
        let detail = self.quality_detail.as_ref()?;
        serde_json::from_str::<Detail>(detail.get()).ok()?.reason
    }
}

const COLUMNS: &str = "rowid AS place, name, parser_id, version, latest_version, quality, \
    quality_detail, urls, scraper_params, fields, protected, job_id, created_at, updated_at, \
    deleted_at";

impl Store {
    /// Parsers that are not deleted, oldest first, as a stream: all, or those of one quality; with
    /// the labels and the name that are selected.
    ///
    /// Read page by page, as [`rows`](Self::rows) is.
    pub fn parsers(
        &self,
        quality: Option<Quality>,
        selector: &Selector,
    ) -> BoxStream<'_, Result<ParserRow, StoreError>> {
        use futures_util::{StreamExt as _, TryStreamExt as _, stream};
        const TRYING: &str = "list the parsers";
        let condition = if quality.is_some() {
            "quality = ?4"
        } else {
            "?4 IS NULL"
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM parsers WHERE {condition} AND {} AND deleted_at IS NULL \
             AND rowid > ?2 ORDER BY rowid LIMIT ?3",
            condition_on_parsers(selector)
        );
        let bound = bound(selector);
        stream::try_unfold(Some(0_i64), move |after| {
            let (sql, bound) = (sql.clone(), bound.clone());
            async move {
                let Some(after) = after else { return Ok(None) };
                let page = sqlx::query(AssertSqlSafe(sql))
                    .bind(bound)
                    .bind(after)
                    .bind(PAGE_ROWS)
                    .bind(quality.map(Quality::as_str))
                    .fetch_all(&self.readers)
                    .await
                    .trying(TRYING)?;
                let last = page.last().map(|row| row.try_get("place")).transpose();
                let read = page.iter().map(ParserRow::from_row);
                let read: Vec<_> = read.collect::<Result<_, _>>().trying(TRYING)?;
                let next = last.trying(TRYING)?;
                Ok(Some((stream::iter(read.into_iter().map(Ok)), next)))
            }
        })
        .try_flatten()
        .boxed()
    }

    /// Those of these ids that a job which is not CANCELLED or the record of parsers knows.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn parsers_on_record(&self, ids: &[&ParserId]) -> Result<Vec<ParserId>, StoreError> {
        let known: Vec<String> = sqlx::query_scalar(
            "SELECT value FROM json_each(?1) AS id \
             WHERE EXISTS (SELECT 1 FROM jobs \
                           WHERE parser_id = id.value AND state <> 'CANCELLED') \
                OR EXISTS (SELECT 1 FROM parsers WHERE parser_id = id.value)",
        )
        .bind(json!(ids).to_string())
        .fetch_all(&self.readers)
        .await
        .trying("look up parsers")?;
        Ok(known.into_iter().map(ParserId).collect())
    }

    /// A page of parsers that are not deleted, the worst first and of these the newest: all, or
    /// those of one quality; with the labels and the name that are selected; after `place`, if that
    /// is given.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn browse_parsers(
        &self,
        quality: Option<Quality>,
        selector: &Selector,
        place: Option<ParserPlace>,
    ) -> Result<ParserPage, StoreError> {
        const TRYING: &str = "look through the parsers";
        let place = place.unwrap_or_default();
        let is_wanted = |rank: &usize| match (quality, WORST_FIRST.get(*rank)) {
            (Some(quality), Some(of_rank)) => *of_rank == Some(quality),
            _ => true,
        };
        let mut page = ParserPage {
            lines: Vec::new(),
            next: None,
        };
        // By the index, one quality after the other: nothing is sorted.
        for rank in (place.rank..WORST_FIRST.len()).filter(is_wanted) {
            let of_rank = WORST_FIRST.get(rank).copied().flatten();
            let before = place.before.filter(|_| rank == place.rank);
            let room = PAGE_JOBS.saturating_sub(page.lines.len());
            let sql = format!(
                "SELECT {COLUMNS} FROM parsers WHERE quality IS ?2 AND deleted_at IS NULL \
                 AND rowid < ?3 AND {} ORDER BY rowid DESC LIMIT ?4",
                condition_on_parsers(selector)
            );
            let mut rows = sqlx::query(AssertSqlSafe(sql))
                .bind(bound(selector))
                .bind(of_rank.map(Quality::as_str))
                .bind(before.unwrap_or(i64::MAX))
                .bind(super::queue::bounded(room + 1))
                .fetch_all(&self.readers)
                .await
                .trying(TRYING)?;
            let has_more = rows.len() > room;
            rows.truncate(room);
            let lines = rows.iter().map(ParserRow::from_row);
            let lines: Vec<_> = lines.collect::<Result<_, _>>().trying(TRYING)?;
            page.lines.extend(lines);
            if has_more {
                let last = rows.last().map(|row| row.try_get("place"));
                let before = last.transpose().trying(TRYING)?;
                page.next = Some(ParserPlace { rank, before });
                break;
            }
        }
        Ok(page)
    }

    /// How many parsers are worth what.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn count_parsers(&self) -> Result<QualityCounts, StoreError> {
        count(&self.readers).await
    }

    /// The parser that a name stands for; none where there is none, or where it was deleted.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn parser_named(&self, name: &str) -> Result<Option<ParserRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM parsers WHERE parser_id = \
                 (SELECT parser_id FROM named_parsers WHERE name = ?1)"
        );
        sqlx::query_as(AssertSqlSafe(sql))
            .bind(name)
            .fetch_optional(&self.readers)
            .await
            .trying("look up a parser")
    }

    /// The parser of a job.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn parser_of(&self, id: JobId) -> Result<Option<ParserRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM parsers WHERE parser_id = (SELECT parser_id FROM jobs WHERE id = ?1)"
        );
        sqlx::query_as(AssertSqlSafe(sql))
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await
            .trying("read a job's parser")
    }
}

pub(super) async fn count(reader: impl SqliteExecutor<'_>) -> Result<QualityCounts, StoreError> {
    let rows: Vec<(Option<String>, i64)> = sqlx::query_as(
        "SELECT quality, count(*) FROM parsers WHERE deleted_at IS NULL GROUP BY quality",
    )
    .fetch_all(reader)
    .await
    .trying("count the parsers")?;
    let mut counts = QualityCounts::default();
    for (text, count) in rows {
        match text.as_deref().map(str::parse) {
            Some(Ok(Quality::Ok)) => counts.ok = count,
            Some(Ok(Quality::Thin)) => counts.thin = count,
            Some(Ok(Quality::Bad)) => counts.bad = count,
            None | Some(Err(_)) => counts.not_judged += count,
        }
    }
    Ok(counts)
}

impl Judging for Store {
    async fn unjudged(&self, by: &str, limit: usize) -> Result<Vec<Unjudged>, StoreError> {
        const TRYING: &str = "look for parsers to be judged";
        // Where no examples were kept though there were some, nothing can be told; nor where
        // they are another version's, or the fields are.
        let rows = sqlx::query(
            "SELECT parsers.parser_id, parsers.name, jobs.id, jobs.revision, \
                    made.fields, coalesce(jobs.target_fields, CASE WHEN made.creates = 0 \
                        AND made.fields IS NOT NULL THEN parsers.fields END) AS has_fields, \
                    made.expect, \
                    made.check_urls, jobs.example_result \
             FROM parsers JOIN jobs ON jobs.id = parsers.job_id \
                 AND jobs.parser_id = parsers.parser_id \
             LEFT JOIN jobs AS made ON made.id = CASE jobs.action WHEN 'create' THEN jobs.id \
                 ELSE (SELECT max(id) FROM jobs AS other WHERE other.parser_id = jobs.parser_id \
                     AND other.action = 'create' AND other.state <> 'CANCELLED') END \
             WHERE (jobs.state = 'FINISHED' \
                      OR jobs.state = 'FAILED' AND jobs.error_kind = 'poor_result') \
               AND (jobs.parser_version IS NULL OR parsers.version IS NULL \
                    OR jobs.parser_version = parsers.version) \
               AND (jobs.target_fields IS NOT NULL \
                    OR parsers.version IS parsers.applied_version) \
               AND (parsers.judged_by IS NULL OR parsers.judged_by < ?1 OR parsers.judged_by > ?1) \
               AND (jobs.example_result IS NOT NULL \
                    OR 'the service gave none' = (SELECT json_extract(detail, '$.no_examples') \
                        FROM job_events WHERE job_id = jobs.id AND event = 'finished' \
                        ORDER BY job_events.id DESC LIMIT 1)) \
             LIMIT ?2",
        )
        .bind(by)
        .bind(super::queue::bounded(limit))
        .fetch_all(&self.readers)
        .await
        .trying(TRYING)?;
        let unjudged = |row: &SqliteRow| {
            Ok(Unjudged {
                parser_id: ParserId(rows::some_text(row, "parser_id")?),
                name: rows::some_text(row, "name")?,
                job: JobId(row.try_get("id")?),
                revision: row.try_get("revision")?,
                fields: rows::text(row, "fields")?,
                has_fields: rows::text(row, "has_fields")?,
                expect: rows::text(row, "expect")?,
                check_urls: rows::text(row, "check_urls")?,
                example_result: rows::text(row, "example_result")?,
            })
        };
        let rows = rows.iter().map(unjudged);
        rows.collect::<Result<_, sqlx::Error>>().trying(TRYING)
    }

    async fn keep_judgement(
        &self,
        unjudged: &Unjudged,
        judgement: &Judgement,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let (parser_id, job) = (unjudged.parser_id.0.clone(), unjudged.job);
        let revision = unjudged.revision;
        let quality = judgement.quality;
        let detail = json!(judgement).to_string();
        let by = judged_by(judgement.min_fill);
        let (event, event_detail) = JobEvent::judged(judgement, false).to_columns();
        self.writer
            .run("keep what a parser is worth", move |connection| {
                Box::pin(async move {
                    let before: Option<Option<String>> = sqlx::query_scalar(
                        "SELECT quality FROM parsers WHERE parser_id = ?1 AND job_id = ?2 \
                         AND EXISTS (SELECT 1 FROM jobs WHERE id = ?2 AND revision = ?3)",
                    )
                    .bind(&parser_id)
                    .bind(job.0)
                    .bind(revision)
                    .fetch_optional(&mut *connection)
                    .await?;
                    let Some(before) = before else {
                        return Ok(false);
                    };
                    sqlx::query(
                        "UPDATE parsers SET quality = ?1, quality_detail = ?2, judged_by = ?3, \
                             updated_at = CASE WHEN quality IS ?1 THEN updated_at ELSE ?4 END \
                         WHERE parser_id = ?5",
                    )
                    .bind(quality.as_str())
                    .bind(detail)
                    .bind(by)
                    .bind(now)
                    .bind(&parser_id)
                    .execute(&mut *connection)
                    .await?;
                    if before.as_deref() != Some(quality.as_str()) {
                        sqlx::query(
                            "INSERT INTO job_events (job_id, at, event, detail) \
                             VALUES (?1, ?2, ?3, ?4)",
                        )
                        .bind(job.0)
                        .bind(now)
                        .bind(event)
                        .bind(event_detail.to_string())
                        .execute(connection)
                        .await?;
                    }
                    Ok(true)
                })
            })
            .await
    }
}
