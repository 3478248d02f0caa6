//! What is there, whether a file names it or not.

use sqlx::{Row as _, SqliteConnection};

use crate::{
    core::{
        diff::{Beside, ParserBeside},
        job::ParserId,
    },
    store::sqlite::rows,
};

const PARSERS: &str = "SELECT parser_id, name, latest_version, protected, \
        replaced_by IS NOT NULL AS is_replaced, \
        EXISTS (SELECT 1 FROM jobs WHERE jobs.name = parsers.name \
            AND state IN ('QUEUED', 'CREATING', 'GENERATING', 'PARKED') \
            AND CASE action WHEN 'create' THEN released_at IS NULL \
                ELSE ifnull(jobs.parser_id, (SELECT named.parser_id FROM named_parsers AS named \
                    WHERE named.name = parsers.name)) = parsers.parser_id END) AS is_busy \
    FROM parsers WHERE deleted_at IS NULL ORDER BY name, parser_id";

const WAITING: &str = "SELECT name, state = 'FAILED' AS has_failed FROM jobs WHERE action = 'create' AND released_at IS NULL \
        AND state NOT IN ('FINISHED', 'CANCELLED') ORDER BY name";

pub(super) async fn beside(connection: &mut SqliteConnection) -> Result<Beside, sqlx::Error> {
    let mut beside = Beside::default();
    for row in &sqlx::query(PARSERS).fetch_all(&mut *connection).await? {
        beside.parsers.push(ParserBeside {
            parser_id: ParserId(rows::some_text(row, "parser_id")?),
            name: rows::some_text(row, "name")?,
            latest_version: row.try_get("latest_version")?,
            is_protected: row.try_get("protected")?,
            is_replaced: row.try_get("is_replaced")?,
            is_busy: row.try_get("is_busy")?,
        });
    }
    for row in &sqlx::query(WAITING).fetch_all(connection).await? {
        let name = rows::some_text(row, "name")?;
        if row.try_get("has_failed")? {
            beside.failed.push(name.clone());
        }
        beside.waiting.push(name);
    }
    Ok(beside)
}
