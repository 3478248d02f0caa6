//! Names for a shell to complete: quick, and nothing is written, the schema included.

use std::{path::Path, time::Duration};

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{Role, StoreError, Trying as _, file};

/// So many names at most: nobody reads more.
const MOST: i64 = 1000;

/// How long another program's lock is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_millis(500);

/// What names are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamesOf {
    /// Jobs that have one.
    Jobs,
    /// Parsers that are not deleted.
    Parsers,
}

/// The names that begin so, in their order. The database is not made, and not brought up to date.
///
/// # Errors
/// Whatever SQLite says; that there is no database.
pub async fn names_starting(
    path: &Path,
    of: NamesOf,
    start: &str,
) -> Result<Vec<String>, StoreError> {
    const TRYING: &str = "read names";
    let path = file::resolved(path);
    if !file::has_content(&path) {
        return Err(StoreError::Missing { path });
    }
    file::check_access(&path, Role::Reader)?;
    // A reader that may not write leaves a log and its index behind. Where there is no log nobody
    // has the database open, and none is needed.
    let is_at_rest = !file::beside(&path, "-wal").exists();
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .read_only(true)
        .immutable(is_at_rest)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging();
    let mut connection = SqliteConnection::connect_with(&options)
        .await
        .trying(TRYING)?;
    let sql = match of {
        NamesOf::Jobs => {
            "SELECT CAST(name AS BLOB) FROM jobs INDEXED BY jobs_name \
             WHERE state <> 'CANCELLED' AND action = 'create' AND released_at IS NULL \
                 AND name >= ?1 AND name < ?1 || char(1114111) ORDER BY name LIMIT ?2"
        }
        NamesOf::Parsers => {
            "SELECT DISTINCT CAST(name AS BLOB) FROM parsers \
             WHERE deleted_at IS NULL AND name >= ?1 AND name < ?1 || char(1114111) \
             ORDER BY name LIMIT ?2"
        }
    };
    let names: Vec<Vec<u8>> = sqlx::query_scalar(sql)
        .bind(start)
        .bind(MOST)
        .fetch_all(&mut connection)
        .await
        .trying(TRYING)?;
    connection.close().await.trying(TRYING)?;
    // What is not UTF-8 cannot be typed.
    let names = names.into_iter().map(String::from_utf8);
    Ok(names.filter_map(Result::ok).collect())
}
