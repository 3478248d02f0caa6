//! A copy of a database that is in use, made by SQLite itself.

mod draft;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempPath;

use self::draft::Draft;
pub use self::draft::leftovers;
use super::{StoreError, file, open, remediation};

/// What a copy holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Its size in bytes.
    pub bytes: u64,
    /// How many jobs it holds, in any state.
    pub jobs: i64,
    /// What backups that were killed had left in its directory; it is removed.
    pub removed: Vec<PathBuf>,
}

/// Why there is no copy. Nothing of one is left behind.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file is there, and none is overwritten.
    #[error(
        "{} is there already, and a backup overwrites nothing: name another file, or move that one away",
        path.display()
    )]
    Exists {
        /// The file in the way.
        path: PathBuf,
    },
    /// It was told to stop.
    #[error("stopped before the backup was done: nothing was written, run it again")]
    Stopped,
    /// There is nothing to copy.
    #[error("there is no database {}: set database.url to the one that is meant", path.display())]
    Missing {
        /// The database.
        path: PathBuf,
    },
    /// The file has several names, of which another may have the log; or this user may not
    /// look at it.
    #[error(transparent)]
    Refused(StoreError),
    /// The directory takes no new file, or its name is not UTF-8.
    #[error(
        "cannot make a file in {}: {source}; {}",
        directory.display(),
        remediation::cure_of_io(source)
    )]
    Directory {
        /// The directory of the copy.
        directory: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is another program's database.
    #[error("{} holds tables of another program: set database.url to parserd's own", path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// SQLite could not copy the database.
    #[error(
        "cannot copy {}: {source}; {}",
        path.display(),
        remediation::cure_of_statement(source).unwrap_or(
            "free the disk if it is full, and let this user read the database and write in its \
             directory, where SQLite keeps its log"
        )
    )]
    Copy {
        /// The database.
        path: PathBuf,
        /// Why not.
        source: sqlx::Error,
    },
    /// The copy cannot be read back, or SQLite finds fault with it.
    #[error(
        "the copy of {} is not sound: {problem}; `PRAGMA integrity_check` tells whether the database itself is",
        path.display()
    )]
    Unsound {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The copy may not be on disk.
    #[error("cannot be sure that {} is on disk: {source}; try again elsewhere", path.display())]
    Sync {
        /// The copy.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Copies the database at `database`, whether or not a daemon uses it, to the new file
/// `target`. The copy is checked, and on disk with its name, when this returns. If `stopped`
/// is done before, it leaves nothing; what a killed backup left in that directory is removed.
///
/// # Errors
/// Where `target` is there, where the database cannot be read or the copy not be
/// written, where the copy is not sound, and where it was stopped.
pub async fn backup(
    database: &Path,
    target: &Path,
    stopped: impl Future<Output = ()>,
) -> Result<Backup, BackupError> {
    let stop = StopFlag::default();
    let mut making = std::pin::pin!(make(database, target, &stop));
    tokio::select! {
        made = &mut making => made,
        () = stopped => {
            stop.0.store(true, Ordering::Relaxed);
            // Waited for: SQLite would go on, and make its files anew after they are removed.
            making.await.map_err(|_| BackupError::Stopped)
        }
    }
}

async fn make(database: &Path, target: &Path, stop: &StopFlag) -> Result<Backup, BackupError> {
    file::refuse_hidden(database).map_err(BackupError::Refused)?;
    if database.is_dir() || !file::has_content(&file::resolved(database)) {
        return Err(BackupError::Missing {
            path: database.to_owned(),
        });
    }
    file::refuse_doubles(&file::resolved(database)).map_err(BackupError::Refused)?;
    refuse_existing(target)?;
    let directory = file::directory_of(target);
    let in_directory = |source| BackupError::Directory {
        directory: directory.to_owned(),
        source,
    };
    // In full, so that SQLite takes no name for a URI.
    let full = directory.canonicalize().map_err(in_directory)?;
    let removed = draft::remove_leftovers(&full).map_err(in_directory)?;
    let draft = Draft::new(&full).map_err(in_directory)?;
    let (bytes, jobs) = write(database, &draft.copy(), stop).await?;
    let whole = TempPath::try_from_path(draft.copy()).map_err(in_directory)?;
    whole.persist_noclobber(target).map_err(|error| {
        if error.error.kind() == io::ErrorKind::AlreadyExists {
            exists(target)
        } else {
            in_directory(error.error)
        }
    })?;
    sync_directory(&full).map_err(|source| syncing(target, source))?;
    draft.close().map_err(in_directory)?;
    Ok(Backup {
        bytes,
        jobs,
        removed,
    })
}

/// Writes the copy, checks it and has it on disk; returns its size and how many jobs it holds.
async fn write(database: &Path, copy: &Path, stop: &StopFlag) -> Result<(u64, i64), BackupError> {
    let is_copied = copy_to(database, copy, stop)
        .await
        .map_err(|source| BackupError::Copy {
            path: database.to_owned(),
            source,
        })?;
    if !is_copied {
        return Err(BackupError::Foreign {
            path: database.to_owned(),
        });
    }
    let unsound = |problem| BackupError::Unsound {
        path: database.to_owned(),
        problem,
    };
    let jobs = check(copy, stop)
        .await
        .map_err(|error| unsound(error.to_string()))?
        .map_err(unsound)?;
    // SQLite does not sync what `VACUUM INTO` writes.
    let file = File::open(copy).map_err(|source| syncing(copy, source))?;
    file.sync_all().map_err(|source| syncing(copy, source))?;
    let size = file.metadata().map_err(|source| syncing(copy, source))?;
    Ok((size.len(), jobs))
}

fn syncing(path: &Path, source: io::Error) -> BackupError {
    BackupError::Sync {
        path: path.to_owned(),
        source,
    }
}

/// Ends SQLite's work, once it is set.
#[derive(Debug, Default)]
struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// How many of SQLite's steps pass between two looks. A row takes a few, however long.
    const STEPS: i32 = 500;

    async fn applies_to(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let stop = Arc::clone(&self.0);
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(Self::STEPS, move || !stop.load(Ordering::Relaxed));
        Ok(())
    }
}

/// A file of that name, or one that SQLite would take for a part of it: a log that an
/// older database left behind would be played into the copy when it is opened.
fn refuse_existing(target: &Path) -> Result<(), BackupError> {
    for suffix in ["", "-wal", "-journal"] {
        let path = file::beside(target, suffix);
        // A link that leads nowhere is in the way too.
        if path.symlink_metadata().is_ok() {
            return Err(exists(&path));
        }
    }
    Ok(())
}

fn exists(path: &Path) -> BackupError {
    BackupError::Exists {
        path: path.to_owned(),
    }
}

/// On a connection of its own that reads, so that a daemon's writer is not held up.
/// False, and nothing copied, where the database is not parserd's.
async fn copy_to(database: &Path, target: &Path, stop: &StopFlag) -> Result<bool, sqlx::Error> {
    // As it is: another program's is not brought to WAL mode.
    let options = SqliteConnectOptions::new()
        .filename(file::resolved(database))
        .read_only(true)
        .busy_timeout(open::BUSY_TIMEOUT);
    let mut connection = open::connect_patiently(&options).await?;
    let copied = vacuum_into(&mut connection, target, stop).await;
    // In any case, before its files are removed.
    connection.close().await?;
    copied
}

async fn vacuum_into(
    connection: &mut SqliteConnection,
    target: &Path,
    stop: &StopFlag,
) -> Result<bool, sqlx::Error> {
    let target = target
        .to_str()
        .ok_or_else(|| sqlx::Error::Configuration("the directory's name is not UTF-8".into()))?;
    if !open::is_own(connection).await? {
        return Ok(false);
    }
    stop.applies_to(connection).await?;
    sqlx::query("VACUUM INTO ?1")
        .bind(target)
        .execute(connection)
        .await?;
    Ok(true)
}

/// How many jobs the copy holds; else what SQLite finds wrong with it.
async fn check(copy: &Path, stop: &StopFlag) -> Result<Result<i64, String>, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(copy).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let checked = integrity(&mut connection, stop).await;
    connection.close().await?;
    checked
}

async fn integrity(
    connection: &mut SqliteConnection,
    stop: &StopFlag,
) -> Result<Result<i64, String>, sqlx::Error> {
    stop.applies_to(connection).await?;
    let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(3)")
        .fetch_all(&mut *connection)
        .await?;
    if found != ["ok"] {
        return Ok(Err(found.join("; ")));
    }
    let jobs = sqlx::query_scalar("SELECT count(*) FROM jobs")
        .fetch_one(connection)
        .await?;
    Ok(Ok(jobs))
}

/// Puts the names in a directory on disk, where a directory can be opened for that.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::store::sqlite::{Role, Store};

    #[cfg(unix)]
    #[tokio::test]
    async fn a_database_with_two_names_is_not_copied_without_its_log() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let store = Store::open(&path("p.db"), Role::Tool).await.unwrap();
        std::fs::hard_link(path("p.db"), path("other.db")).unwrap();
        let copied = backup(&path("other.db"), &path("copy.db"), pending()).await;
        assert!(matches!(copied, Err(BackupError::Refused(_))), "{copied:?}");
        assert!(!path("copy.db").exists() && !path("other.db-wal").exists());
        store.close().await;
    }

    #[tokio::test]
    async fn a_copy_that_fails_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("no.db"), "this is no database, whatever its name says").unwrap();
        let copied = backup(&path("no.db"), &path("copy.db"), pending()).await;
        assert!(
            matches!(copied, Err(BackupError::Copy { .. })),
            "{copied:?}"
        );
        let copied = backup(&path("none.db"), &path("copy.db"), pending()).await;
        assert!(matches!(copied, Err(BackupError::Missing { .. })));
        std::fs::write(path("no.db"), "").unwrap();
        for nothing in [path("no.db"), directory.path().to_owned()] {
            let copied = backup(&nothing, &path("copy.db"), pending()).await;
            assert!(matches!(copied, Err(BackupError::Missing { .. })));
        }
        let names: Vec<_> = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["no.db"]);
    }

    #[tokio::test]
    async fn another_programs_database_is_not_copied() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let theirs = rusqlite::Connection::open(path("no.db")).unwrap();
        theirs.execute_batch("CREATE TABLE theirs (a)").unwrap();
        let copied = backup(&path("no.db"), &path("copy.db"), pending()).await;
        assert!(matches!(copied, Err(BackupError::Foreign { .. })));
        assert!(!path("copy.db").exists());
    }

    #[tokio::test]
    async fn what_an_older_database_left_beside_is_in_the_way() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let store = Store::open(&path("p.db"), Role::Daemon).await.unwrap();
        std::fs::write(path("copy.db-wal"), "").unwrap();
        let copied = backup(store.path(), &path("copy.db"), pending()).await;
        let Err(BackupError::Exists { path: found }) = copied else {
            panic!("{copied:?}");
        };
        assert_eq!(found, path("copy.db-wal"));
        std::fs::remove_file(found).unwrap();
        let copied = backup(store.path(), &path("copy.db"), pending())
            .await
            .unwrap();
        assert_eq!(copied.jobs, 0);
        assert_eq!(copied.bytes, path("copy.db").metadata().unwrap().len());
    }
}
