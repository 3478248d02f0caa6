//! What job files mean for what is there.

mod beside;
mod make;

use std::collections::HashMap;

use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteRow};

use self::beside::beside;
use super::{Store, StoreError, Trying as _, rows};
use crate::{
    core::{
        diff::{Beside, Record, RecordedChange, RecordedJob, RecordedParser},
        job::{Action, JobId, JobState, ParserId},
        spec::{JobSpec, labels_of_column},
    },
    store::ports::Manifest,
};

/// How many names one statement looks for.
const NAMES_STEP: usize = 1000;

const JOBS: &str = "SELECT id, name, revision, state, doubt_since IS NOT NULL AS is_in_doubt, \
        parser_id, error_kind, urls, scraper_params, fields, expect, check_urls, priority, run_at, \
        protect, labels \
    FROM jobs WHERE state <> 'CANCELLED' AND action = 'create' AND released_at IS NULL \
        AND name IN (SELECT value FROM json_each(?1))";

// Of a parser that is gone only its job knows.
const PARSERS: &str = "SELECT name, parser_id, latest_version, urls, scraper_params, \
        params_unknown, fields, 0 AS is_deleted \
    FROM named_parsers WHERE name IN (SELECT value FROM json_each(?1)) \
    UNION ALL \
    SELECT jobs.name, parsers.parser_id, latest_version, parsers.urls, parsers.scraper_params, \
        parsers.params_unknown, parsers.fields, 1 \
    FROM jobs JOIN parsers ON parsers.parser_id = jobs.parser_id \
    WHERE jobs.state <> 'CANCELLED' AND jobs.action = 'create' AND jobs.released_at IS NULL \
        AND jobs.name IN (SELECT value FROM json_each(?1)) AND parsers.deleted_at IS NOT NULL \
        AND NOT EXISTS (SELECT 1 FROM named_parsers WHERE named_parsers.name = jobs.name)";

const OPEN: &str = "SELECT id, name, action, change, target_fields, \
        state IN ('QUEUED', 'PARKED') AND doubt_since IS NULL AS is_waiting FROM jobs \
    WHERE action <> 'create' AND state IN ('QUEUED', 'CREATING', 'GENERATING', 'PARKED') \
        AND name IN (SELECT value FROM json_each(?1)) \
        AND (parser_id IS NULL OR parser_id = \
            (SELECT parser_id FROM named_parsers WHERE named_parsers.name = jobs.name)) \
    ORDER BY id";

const FAILED_CHANGES: &str = "SELECT name, change, \
        coalesce(error_message GLOB 'conflict: *', 0) AS is_conflict FROM jobs AS last \
    WHERE action <> 'create' AND action = 'update' AND state = 'FAILED' \
        AND name IN (SELECT value FROM json_each(?1)) \
        AND id = (SELECT max(id) FROM jobs WHERE name = last.name \
            AND action <> 'create' AND action = 'update')";

impl Manifest for Store {
    async fn beside(&self) -> Result<Beside, StoreError> {
        const TRYING: &str = "look up what no file names";
        let mut connection = self.readers.acquire().await.trying(TRYING)?;
        let mut reading = connection.begin().await.trying(TRYING)?;
        beside(&mut reading).await.trying(TRYING)
    }

    async fn on_record(&self, names: &[&str]) -> Result<HashMap<String, Record>, StoreError> {
        const TRYING: &str = "look up what is there under names";
        let mut connection = self.readers.acquire().await.trying(TRYING)?;
        // One state of the database for all that is looked up.
        let mut reading = connection.begin().await.trying(TRYING)?;
        let mut records = HashMap::new();
        for chunk in names.chunks(NAMES_STEP) {
            let names = json!(chunk).to_string();
            let found = records_of(&mut reading, &names).await;
            records.extend(found.trying(TRYING)?);
        }
        Ok(records)
    }
}

/// What is on record under the names of a JSON array.
async fn records_of(
    connection: &mut SqliteConnection,
    names: &str,
) -> Result<HashMap<String, Record>, sqlx::Error> {
    let mut records: HashMap<String, Record> = HashMap::new();
    for row in &sqlx::query(JOBS)
        .bind(names)
        .fetch_all(&mut *connection)
        .await?
    {
        let name = rows::some_text(row, "name")?;
        let job = job(row, &name)?;
        records.entry(name).or_default().job = Some(job);
    }
    for row in &sqlx::query(PARSERS)
        .bind(names)
        .fetch_all(&mut *connection)
        .await?
    {
        let record = records.entry(rows::some_text(row, "name")?).or_default();
        record.parser = Some(RecordedParser {
            parser_id: ParserId(rows::some_text(row, "parser_id")?),
            latest_version: row.try_get("latest_version")?,
            urls: value(row, "urls")?,
            scraper_params: value(row, "scraper_params")?,
            params_unknown: row.try_get("params_unknown")?,
            fields: value(row, "fields")?,
            is_deleted: row.try_get("is_deleted")?,
        });
    }
    for row in &sqlx::query(OPEN)
        .bind(names)
        .fetch_all(&mut *connection)
        .await?
    {
        let record = records.entry(rows::some_text(row, "name")?).or_default();
        let action = rows::text(row, "action")?.and_then(|action| action.parse().ok());
        record.open.get_or_insert(RecordedChange {
            id: JobId(row.try_get("id")?),
            action: action.unwrap_or(Action::Update),
            is_waiting: row.try_get("is_waiting")?,
            change: rows::text(row, "change")?,
            target_fields: value(row, "target_fields")?,
        });
    }
    for row in &sqlx::query(FAILED_CHANGES)
        .bind(names)
        .fetch_all(&mut *connection)
        .await?
    {
        let record = records.entry(rows::some_text(row, "name")?).or_default();
        record.failed_change = rows::text(row, "change")?;
        record.has_conflict = row.try_get("is_conflict")?;
    }
    Ok(records)
}

fn job(row: &SqliteRow, name: &str) -> Result<RecordedJob, sqlx::Error> {
    let error_kind = rows::text(row, "error_kind")?;
    let urls = rows::some_text(row, "urls")?;
    let text = |column| rows::text(row, column);
    let (params, fields) = (text("scraper_params")?, text("fields")?);
    let (expect, check_urls) = (text("expect")?, text("check_urls")?);
    let parser_id = text("parser_id")?;
    let spec = JobSpec::from_columns(name, &urls, params.as_deref(), fields.as_deref())
        .and_then(|spec| spec.with_checks(expect.as_deref(), check_urls.as_deref()));
    let (priority, run_at) = (row.try_get("priority")?, row.try_get("run_at")?);
    let protect = Some(row.try_get("protect")?);
    let labels = text("labels")?.and_then(|labels| labels_of_column(&labels).ok());
    Ok(RecordedJob {
        id: JobId(row.try_get("id")?),
        revision: row.try_get("revision")?,
        // One in no known state is nobody's to change.
        state: rows::state(row)?.unwrap_or(JobState::Creating),
        is_in_doubt: row.try_get("is_in_doubt")?,
        parser_id: parser_id.clone().map(ParserId),
        error_kind: error_kind.and_then(|kind| kind.parse().ok()),
        spec: spec.ok().map(|spec| JobSpec {
            priority,
            run_at,
            protect,
            parser_id,
            labels,
            ..spec
        }),
    })
}

fn value(row: &SqliteRow, column: &str) -> Result<Option<Value>, sqlx::Error> {
    let text = rows::text(row, column)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}
