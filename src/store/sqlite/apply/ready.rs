//! Parsers that are ready, and which of several of a name is the one that it stands for.

use std::sync::LazyLock;

use serde_json::json;
use sqlx::SqliteConnection;

use super::{Record, StoreError};
use crate::{
    core::quality::judged_by,
    store::sqlite::{Trying as _, batch::BatchStatement},
};

static PARSERS: LazyLock<BatchStatement> = LazyLock::new(|| {
    let columns = [
        "job_id",
        "at",
        "quality",
        "quality_detail",
        "judged_by",
        "fields",
        "replaced_by",
        "params_unknown",
        "urls",
    ];
    let insert = "INSERT INTO parsers (parser_id, name, version, latest_version, \
             applied_version, protected, urls, scraper_params, fields, quality, quality_detail, \
             job_id, created_at, updated_at, judged_by, replaced_by, params_unknown) \
         SELECT jobs.parser_id, jobs.name, jobs.parser_version, jobs.parser_version, \
             jobs.parser_version, jobs.protect, \
             iif(ready.params_unknown, ready.urls, jobs.urls), \
             iif(ready.params_unknown, NULL, jobs.scraper_params), \
             coalesce(ready.fields, jobs.fields), ready.quality, ready.quality_detail, jobs.id, \
             coalesce(jobs.generating_since, ready.at), ready.at, ready.judged_by, ready.replaced_by, \
             ready.params_unknown \
         FROM ready JOIN jobs ON jobs.id = ready.job_id WHERE jobs.parser_id IS NOT NULL \
         ON CONFLICT (parser_id) DO UPDATE SET name = excluded.name, \
             version = excluded.version, latest_version = excluded.latest_version, \
             applied_version = excluded.applied_version, protected = excluded.protected, \
             urls = excluded.urls, scraper_params = excluded.scraper_params, \
             fields = excluded.fields, quality = excluded.quality, \
             quality_detail = excluded.quality_detail, job_id = excluded.job_id, \
             updated_at = excluded.updated_at, deleted_at = NULL, \
             judged_by = excluded.judged_by, replaced_by = excluded.replaced_by, \
             params_unknown = excluded.params_unknown";
    BatchStatement::new("ready", &columns, insert)
});

/// A parser that is ready takes the place of the one for which its name stood, unless that stays.
static REPLACED: LazyLock<BatchStatement> = LazyLock::new(|| {
    let update = "UPDATE parsers SET replaced_by = jobs.parser_id, updated_at = ready.at \
         FROM ready JOIN jobs ON jobs.id = ready.job_id \
         WHERE parsers.name = jobs.name AND parsers.parser_id <> jobs.parser_id \
             AND parsers.deleted_at IS NULL AND parsers.replaced_by IS NULL";
    BatchStatement::new("ready", &["job_id", "at"], update)
});

/// Parsers that are ready, as they are: of a parser that is on record the last job counts.
pub(super) async fn write_parsers(
    connection: &mut SqliteConnection,
    records: &[Box<Record>],
    applied: &[bool],
) -> Result<(), StoreError> {
    let applied = records.iter().zip(applied).filter(|(_, applied)| **applied);
    let ready: Vec<_> = applied
        .filter_map(|(record, _)| record.ready.as_ref().map(|judgement| (record, judgement)))
        .collect();
    for (mut insert, ready) in PARSERS.statements(&ready) {
        for (record, judgement) in ready {
            let judgement = judgement.as_ref();
            insert = insert.bind(record.id.0).bind(record.at);
            insert = insert.bind(judgement.map(|judgement| judgement.quality.as_str()));
            insert = insert.bind(judgement.map(|judgement| json!(judgement).to_string()));
            insert = insert.bind(judgement.map(|judgement| judged_by(judgement.min_fill)));
            insert = insert.bind(record.fields.as_deref());
            insert = insert.bind(record.stays.as_ref().map(|id| id.0.as_str()));
            let urls = record.made_from.as_ref().map(|made| made.urls.as_deref());
            insert = insert.bind(urls.is_some()).bind(urls.flatten());
        }
        insert
            .execute(&mut *connection)
            .await
            .trying("record a parser")?;
    }
    let takes_place = ready.iter().filter(|(record, _)| record.stays.is_none());
    let takes_place: Vec<_> = takes_place.map(|(record, _)| *record).collect();
    for (mut update, ready) in REPLACED.statements(&takes_place) {
        for record in ready {
            update = update.bind(record.id.0).bind(record.at);
        }
        update
            .execute(&mut *connection)
            .await
            .trying("record which parser a name stands for")?;
    }
    Ok(())
}
