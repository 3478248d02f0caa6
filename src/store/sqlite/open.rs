//! Opening: SQLite's version, the schema.

use std::{path::Path, str::FromStr as _, sync::LazyLock, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, SqlStr, SqliteConnection,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::{StoreError, Trying as _};

/// SQLite 3.7.0 to 3.51.2 can corrupt a database in WAL mode.
const OLDEST_SAFE_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// How long a statement waits for another program's write lock.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How often, and how far apart, a database is opened that another program is making at
/// this moment.
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// The files of `migrations/`, as `build.rs` lists them.
static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let files: &[(i64, &'static str, &'static str)] =
        &include!(concat!(env!("OUT_DIR"), "/migrations.rs"));
    let migrations = files.iter().map(|&(version, description, sql)| {
        let sql = SqlStr::from_static(sql);
        let simple = MigrationType::Simple;
        Migration::new(version, description.into(), simple, sql, false)
    });
    Migrator::with_migrations(migrations.collect())
});

pub(super) fn options(path: &Path) -> Result<SqliteConnectOptions, sqlx::Error> {
    Ok(SqliteConnectOptions::from_str("sqlite:")?
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging())
}

/// Opens a database that others may be opening for the first time: SQLite does not
/// wait for the one that switches it to WAL, whatever the busy timeout.
pub(super) async fn connect_patiently(
    options: &SqliteConnectOptions,
) -> Result<SqliteConnection, sqlx::Error> {
    for _ in 1..BUSY_TRIES {
        match options.connect().await {
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("5") => {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            result => return result,
        }
    }
    options.connect().await
}

/// Brings the schema up to date in one transaction: of two programs that open a new
/// database at the same moment, one makes it and the other finds it made.
pub(super) async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(), StoreError> {
    let migrator = &*MIGRATOR;
    let newest = migrator.iter().map(|one| one.version).max().unwrap_or(0);
    let failed = |source| match source {
        MigrateError::VersionMissing(schema) if schema > newest => StoreError::Newer {
            path: path.to_owned(),
            schema,
            known: newest,
        },
        source => StoreError::Migrate {
            path: path.to_owned(),
            source,
        },
    };
    let known = i64::try_from(migrator.iter().count()).unwrap_or(i64::MAX);
    // No such table is an answer too: there is everything to do.
    let applied: Result<i64, _> =
        sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success")
            .fetch_one(&mut *connection)
            .await;
    if applied.is_ok_and(|applied| applied == known) {
        return migrator
            .run_direct(None, connection, false)
            .await
            .map_err(failed);
    }
    let executing = |source| failed(MigrateError::Execute(source));
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(executing)?;
    if !is_own(&mut transaction).await.map_err(executing)? {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
        });
    }
    migrator
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(executing)
}

/// Whether the tables are parserd's, where there are any.
pub(super) async fn is_own(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table') \
         OR EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')",
    )
    .fetch_one(connection)
    .await
}

pub(super) async fn refuse_old_sqlite(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let found: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(connection)
        .await
        .trying("ask for SQLite's version")?;
    if is_safe(&found) {
        Ok(())
    } else {
        Err(StoreError::TooOld { found })
    }
}

fn is_safe(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next()) >= OLDEST_SAFE_SQLITE
}

/// A connection of its own, for `PRAGMA data_version`.
pub(super) async fn watcher(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = options(path)?.read_only(true);
    SqliteConnection::connect_with(&options).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Facts as _;
    use crate::store::sqlite::{Role, Store};

    #[test]
    fn sqlite_with_the_wal_fault_is_refused() {
        for (version, safe) in [
            ("3.46.0", false),
            ("3.51.2", false),
            ("3.51.3", true),
            ("3.52.0", true),
            ("4.0.0", true),
            ("", false),
        ] {
            assert_eq!(is_safe(version), safe, "{version}");
        }
    }

    #[tokio::test]
    async fn the_writer_is_fully_synchronous_and_in_wal_mode() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("p.db"), Role::Daemon)
            .await
            .unwrap();
        let (synchronous, journal): (i64, String) = store
            .writer
            .run("read pragmas", |connection| {
                Box::pin(async move {
                    Ok((
                        sqlx::query_scalar("PRAGMA synchronous")
                            .fetch_one(&mut *connection)
                            .await?,
                        sqlx::query_scalar("PRAGMA journal_mode")
                            .fetch_one(&mut *connection)
                            .await?,
                    ))
                })
            })
            .await
            .unwrap();
        assert_eq!((synchronous, journal.as_str()), (2, "wal"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_programs_may_open_a_new_database_at_the_same_moment() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let opening = (0..8).map(|_| {
            let path = path.clone();
            tokio::spawn(async move { Store::open(&path, Role::Tool).await })
        });
        for opened in futures_util::future::join_all(opening).await {
            opened.unwrap().unwrap().close().await;
        }
    }

    async fn sql(path: &Path, statement: &'static str) {
        let mut connection = options(path).unwrap().connect().await.unwrap();
        sqlx::raw_sql(statement)
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    #[tokio::test]
    async fn another_programs_database_is_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        sql(&path, "CREATE TABLE theirs (a)").await;
        for role in [Role::Daemon, Role::Tool, Role::Reader] {
            let opened = Store::open(&path, role).await;
            assert!(matches!(opened, Err(StoreError::Foreign { .. })));
        }
        sql(&path, "CREATE TABLE jobs (still_free)").await;
    }

    #[tokio::test]
    async fn a_newer_schema_is_refused_by_its_number() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let store = Store::open(&path, Role::Tool).await.unwrap();
        store.close().await;
        sql(
            &path,
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (99, 'later', 1, x'00', 0)",
        )
        .await;
        let opened = Store::open(&path, Role::Reader).await;
        assert!(matches!(opened, Err(StoreError::Newer { schema: 99, .. })));
    }

    #[tokio::test]
    async fn a_full_disk_is_over_when_there_is_room_again() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("p.db"), Role::Daemon)
            .await
            .unwrap();
        let pragma = |statement: &'static str| {
            store.writer.run("set a pragma", move |connection| {
                Box::pin(async move {
                    sqlx::raw_sql(statement).execute(connection).await?;
                    Ok(())
                })
            })
        };
        // SQLite itself ends the transaction that finds the disk full.
        pragma("PRAGMA max_page_count = 1").await.unwrap();
        for _ in 0..2 {
            let full = store.set_meta("big", "x".repeat(1_000_000)).await;
            let error = full.unwrap_err().to_string();
            assert!(error.contains("full"), "{error}");
        }
        pragma("PRAGMA max_page_count = 1000000").await.unwrap();
        store.set_meta("big", "x".repeat(1_000_000)).await.unwrap();
        store.close().await;
    }

    #[tokio::test]
    async fn a_command_that_reads_makes_no_database() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let opened = Store::open(&path, Role::Reader).await;
        assert!(matches!(opened, Err(StoreError::Missing { .. })));
        assert!(!path.exists());
        std::fs::write(&path, "").unwrap();
        let opened = Store::open(&path, Role::Reader).await;
        assert!(matches!(opened, Err(StoreError::Missing { .. })));
        assert_eq!(path.metadata().unwrap().len(), 0);
    }
}
