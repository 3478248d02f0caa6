//! A copy of a database that is in use, made by SQLite itself.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::{NamedTempFile, TempPath};

use super::{StoreError, file, open};

/// What a copy holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Its size in bytes.
    pub bytes: u64,
    /// How many jobs it holds, in any state.
    pub jobs: i64,
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
    /// The folder takes no new file, or its name is not UTF-8.
    #[error(
        "cannot make a file in {}: {source}; the folder must exist, and this user must be able to write there",
        folder.display()
    )]
    Folder {
        /// The folder of the copy.
        folder: PathBuf,
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
        "cannot copy {}: {source}; free the disk if it is full, and let this user read the database and write in its folder, where SQLite keeps its log",
        path.display()
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
/// `target`. The copy is checked, and on disk with its name, when this returns. Ended
/// before, it leaves nothing.
///
/// # Errors
/// Where `target` is there, where the database cannot be read or the copy not be
/// written, and where the copy is not sound.
pub async fn backup(database: &Path, target: &Path) -> Result<Backup, BackupError> {
    file::refuse_hidden(database).map_err(BackupError::Refused)?;
    if database.is_dir() || !file::has_content(&file::resolved(database)) {
        return Err(BackupError::Missing {
            path: database.to_owned(),
        });
    }
    file::refuse_doubles(&file::resolved(database)).map_err(BackupError::Refused)?;
    refuse_existing(target)?;
    let (folder, temporary) = temporary_beside(target)?;
    let is_copied = copy(database, &temporary)
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
    let jobs = check(&temporary)
        .await
        .map_err(|error| unsound(error.to_string()))?
        .map_err(unsound)?;
    let syncing = |source| BackupError::Sync {
        path: target.to_owned(),
        source,
    };
    // SQLite does not sync what `VACUUM INTO` writes.
    let file = File::open(&temporary).map_err(syncing)?;
    file.sync_all().map_err(syncing)?;
    let bytes = file.metadata().map_err(syncing)?.len();
    temporary.persist_noclobber(target).map_err(|error| {
        if error.error.kind() == io::ErrorKind::AlreadyExists {
            exists(target)
        } else {
            BackupError::Folder {
                folder: folder.clone(),
                source: error.error,
            }
        }
    })?;
    sync_folder(&folder).map_err(syncing)?;
    Ok(Backup { bytes, jobs })
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

/// An empty file in the folder of `target`, which goes when it is dropped. The umask
/// decides who may read it, as with a new database.
fn temporary_beside(target: &Path) -> Result<(PathBuf, TempPath), BackupError> {
    let folder = file::folder_of(target);
    let failed = |source| BackupError::Folder {
        folder: folder.to_owned(),
        source,
    };
    // In full, so that SQLite takes no name for a URI.
    let full = folder.canonicalize().map_err(failed)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".parserd-backup-").suffix(".tmp");
    #[cfg(unix)]
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o660);
    #[cfg(unix)]
    builder.permissions(mode);
    let file: NamedTempFile = builder.tempfile_in(&full).map_err(failed)?;
    Ok((full, file.into_temp_path()))
}

/// On a connection of its own that reads, so that a daemon's writer is not held up.
/// False, and nothing copied, where the database is not parserd's.
async fn copy(database: &Path, target: &Path) -> Result<bool, sqlx::Error> {
    // As it is: another program's is not brought to WAL mode.
    let options = SqliteConnectOptions::new()
        .filename(file::resolved(database))
        .read_only(true)
        .busy_timeout(open::BUSY_TIMEOUT);
    let mut connection = open::connect_patiently(&options).await?;
    let target = target
        .to_str()
        .ok_or_else(|| sqlx::Error::Configuration("the folder's name is not UTF-8".into()))?;
    if !open::is_own(&mut connection).await? {
        return Ok(false);
    }
    sqlx::query("VACUUM INTO ?1")
        .bind(target)
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(true)
}

/// How many jobs the copy holds; else what SQLite finds wrong with it.
async fn check(copy: &Path) -> Result<Result<i64, String>, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(copy).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(3)")
        .fetch_all(&mut connection)
        .await?;
    if found != ["ok"] {
        return Ok(Err(found.join("; ")));
    }
    let jobs = sqlx::query_scalar("SELECT count(*) FROM jobs")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok(Ok(jobs))
}

/// Puts the names in a folder on disk, where a folder can be opened for that.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Role, Store};

    #[cfg(unix)]
    #[tokio::test]
    async fn a_database_with_two_names_is_not_copied_without_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let store = Store::open(&path("p.db"), Role::Tool).await.unwrap();
        std::fs::hard_link(path("p.db"), path("other.db")).unwrap();
        let copied = backup(&path("other.db"), &path("copy.db")).await;
        assert!(matches!(copied, Err(BackupError::Refused(_))), "{copied:?}");
        assert!(!path("copy.db").exists() && !path("other.db-wal").exists());
        store.close().await;
    }

    #[tokio::test]
    async fn a_copy_that_fails_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("no.db"), "this is no database, whatever its name says").unwrap();
        let copied = backup(&path("no.db"), &path("copy.db")).await;
        assert!(
            matches!(copied, Err(BackupError::Copy { .. })),
            "{copied:?}"
        );
        let copied = backup(&path("none.db"), &path("copy.db")).await;
        assert!(matches!(copied, Err(BackupError::Missing { .. })));
        std::fs::write(path("no.db"), "").unwrap();
        for nothing in [path("no.db"), folder.path().to_owned()] {
            let copied = backup(&nothing, &path("copy.db")).await;
            assert!(matches!(copied, Err(BackupError::Missing { .. })));
        }
        let names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["no.db"]);
    }

    #[tokio::test]
    async fn another_programs_database_is_not_copied() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let theirs = rusqlite::Connection::open(path("no.db")).unwrap();
        theirs.execute_batch("CREATE TABLE theirs (a)").unwrap();
        let copied = backup(&path("no.db"), &path("copy.db")).await;
        assert!(matches!(copied, Err(BackupError::Foreign { .. })));
        assert!(!path("copy.db").exists());
    }

    #[tokio::test]
    async fn what_an_older_database_left_beside_is_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let store = Store::open(&path("p.db"), Role::Daemon).await.unwrap();
        std::fs::write(path("copy.db-wal"), "").unwrap();
        let copied = backup(store.path(), &path("copy.db")).await;
        let Err(BackupError::Exists { path: found }) = copied else {
            panic!("{copied:?}");
        };
        assert_eq!(found, path("copy.db-wal"));
        std::fs::remove_file(found).unwrap();
        let copied = backup(store.path(), &path("copy.db")).await.unwrap();
        assert_eq!(copied.jobs, 0);
        assert_eq!(copied.bytes, path("copy.db").metadata().unwrap().len());
    }
}
