//! The only SQL. One writer, a few readers, and a look for other programs' commits.

mod announcements;
mod apply;
mod backup;
mod batch;
pub mod browse;
pub mod columns;
mod edit;
mod epochs;
mod failures;
mod fetches;
pub mod figures;
mod file;
pub mod foresight;
mod gates;
mod given_up;
pub mod history;
mod hold;
pub mod instructions;
mod ledger;
mod manifest;
mod mark;
mod names;
pub mod notices;
mod oddities;
mod open;
mod pages;
pub mod parsers;
mod parses;
mod place;
mod prune;
mod queue;
mod reader;
mod remediation;
mod repair;
pub mod report;
mod rows;
pub mod schema;
mod selection;
mod spending;
mod spent;
mod strangers;
mod submit;
mod times;
pub mod trend;
pub mod updates;
pub mod waiting;
pub mod wake;
mod write_throttle;
mod writer;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use sqlx::{SqliteConnection, SqlitePool, migrate::MigrateError, sqlite::SqlitePoolOptions};

pub use backup::{Backup, BackupError, backup, leftovers};
pub use failures::Failures;
pub use file::{beside, check_access, directory_of, has_content, resolved};
pub use given_up::{GivenUp, PendingCreate};
pub use hold::has_daemon;
pub use names::{NamesOf, names_starting};
pub use place::shared_file_system;
pub use reader::CursorHold;

use super::ports::{Facts, JobStore};
use crate::core::text::escaped;
use hold::FileLock;
use mark::Mark;
use writer::Writer;

/// Writes a row of `meta`.
const SET_META: &str = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)";

/// Readers of reports and of the scheduler; the writer is apart.
const READERS: u32 = 4;

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another daemon holds the lock.
    #[error(
        "another parserd daemon has {}: stop it, or give this one a database of its own (database.url)",
        path.display()
    )]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// The lock file beside the database cannot be made or locked.
    #[error("cannot lock {}: {source}; {}", path.display(), remediation::cure_of_io(source))]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another reader of the history goes on under this name.
    #[error(
        "another `parserd events` reads with --cursor {}: each would get what the other one missed; \
         stop that one, or choose another name",
        escaped(name)
    )]
    CursorHeld {
        /// The cursor.
        name: String,
    },
    /// The database cannot be opened.
    #[error("cannot open the database {}: {source}; {}", path.display(), remediation::cure_of(source))]
    Open {
        /// The database.
        path: PathBuf,
        /// Why not.
        source: sqlx::Error,
    },
    /// This user may not look at the database, or may not write to it or to what SQLite and
    /// the daemon keep beside it.
    #[error("this user may not work with {}: {source}; {}", path.display(), remediation::cure_of_io(source))]
    Access {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Its file has other names: SQLite keeps the newest commits in a file named after the
    /// database, so each name would have its own, and its own lock.
    #[error(
        "{} has {links} names (hard links), and SQLite can corrupt a database that is opened by two: \
         remove the others, or copy the file instead of linking it",
        path.display()
    )]
    HardLinks {
        /// The database.
        path: PathBuf,
        /// How many names it has.
        links: u64,
    },
    /// Its file is a mount of its own.
    #[error(
        "{} is a mount point of its own, as `docker run -v FILE:FILE` makes one: what SQLite and the \
         daemon keep beside it (-wal, -shm, .lock) would be another's than that of who uses the same \
         file elsewhere; {}",
        path.display(),
        remediation::MOUNT_THE_FOLDER
    )]
    MountPoint {
        /// The database.
        path: PathBuf,
    },
    /// A file that this daemon opened is not the one that its name leads to now.
    #[error(
        "{} is not the one that was opened: {how}; nothing more is sent, since what is stored now is \
         seen by nobody: stop every parserd of this database, put its files back in their place, or a \
         backup (README, Backup and restore), and start it again",
        path.display()
    )]
    Replaced {
        /// The database, or a file beside it.
        path: PathBuf,
        /// What became of it.
        how: String,
    },
    /// There is no database, and a command that only reads does not make one.
    #[error("there is no database {}: `parserd enqueue` or `parserd run` makes one", path.display())]
    Missing {
        /// The database.
        path: PathBuf,
    },
    /// The linked SQLite has a known fault.
    #[error(
        "SQLite {found} can corrupt a database in WAL mode: 3.51.3 is the oldest that parserd runs on"
    )]
    TooOld {
        /// Its version.
        found: String,
    },
    /// The schema cannot be brought up to date.
    #[error("cannot bring the schema of {} up to date: {source}{}", path.display(),
        remediation::cure_of_migration(source).map(|cure| format!("; {cure}")).unwrap_or_default())]
    Migrate {
        /// The database.
        path: PathBuf,
        /// Why not.
        source: MigrateError,
    },
    /// Tables were dropped, or their columns, and what was in them is gone.
    #[error("the database is damaged: {what}; {}", remediation::PUT_A_BACKUP)]
    Damaged {
        /// What is missing.
        what: String,
    },
    /// An index, a trigger or a view that is missing cannot be made anew.
    #[error(
        "the database is damaged: {fault}, and cannot be made anew: {source}; where two rows are of \
         one name, cancel or delete all but one of them and start again; else {}",
        remediation::PUT_A_BACKUP
    )]
    Unmendable {
        /// What is wrong.
        fault: Box<schema::Fault>,
        /// Why it stays so.
        source: sqlx::Error,
    },
    /// Another program's tables are in it.
    #[error(
        "{} is a database of another program: set database.url to one of parserd's own",
        path.display()
    )]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// A newer parserd has changed the schema.
    #[error(
        "{} has schema {schema}, of a newer parserd, and this one knows {known}: run the newer one, or set database.url",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        schema: i64,
        /// The newest schema of this program.
        known: i64,
    },
    /// A statement failed.
    #[error("database: cannot {what}: {source}{}", remediation::and_cure(source))]
    Sql {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: sqlx::Error,
    },
    /// A value cannot be written as JSON.
    #[error("cannot write {what} as JSON: {source}")]
    Encode {
        /// What was to be written.
        what: &'static str,
        /// Why not.
        source: serde_json::Error,
    },
    /// A store that is not SQLite could not do what was asked.
    #[error("the store cannot {what}: {why}")]
    Failed {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        why: String,
    },
    /// The writer has stopped.
    #[error("the database's writer has stopped")]
    Closed,
}

/// Names what was tried with the database, for the error.
trait Trying<T> {
    fn trying(self, what: &'static str) -> Result<T, StoreError>;
}

impl<T> Trying<T> for Result<T, sqlx::Error> {
    fn trying(self, what: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Sql { what, source })
    }
}

/// Who opens the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one daemon: takes the lock, makes the database if there is none.
    Daemon,
    /// A command that writes beside the daemon; makes the database if there is none.
    Tool,
    /// A command that only reads.
    Reader,
}

/// The open database. Cloning it shares the writer and the readers.
#[derive(Clone)]
pub struct Store {
    path: PathBuf,
    writer: Writer,
    readers: SqlitePool,
    // A daemon's locks, held as long as any clone lives.
    hold: Option<Arc<FileLock>>,
    is_another: bool,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database at `path` and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Locked`] for a second daemon; anything that keeps SQLite from
    /// opening, upgrading or writing the file.
    pub async fn open(path: &Path, role: Role) -> Result<Self, StoreError> {
        let path = file::resolved(path);
        let path = path.as_path();
        file::check_access(path, role)?;
        if role == Role::Reader && !file::has_content(path) {
            return Err(StoreError::Missing {
                path: path.to_owned(),
            });
        }
        let mut hold = match role {
            Role::Daemon => Some(FileLock::take(path).await?),
            Role::Tool | Role::Reader => None,
        };
        let opening = |source| StoreError::Open {
            path: path.to_owned(),
            source,
        };
        if role == Role::Tool {
            file::make(path).map_err(|source| opening(sqlx::Error::Io(source)))?;
        }
        let options = open::options(path).map_err(opening)?;
        let mut connection = open::connect_patiently(&options).await.map_err(opening)?;
        open::refuse_old_sqlite(&mut connection).await?;
        open::migrate(&mut connection, path).await?;
        let mut is_another = false;
        if let Some(hold) = &mut hold {
            hold.opened()?;
            let mended = schema::repair(&mut connection).await?;
            if !mended.is_empty() {
                let parts = schema::fault_list(&mended);
                tracing::warn!(
                    parts,
                    "the schema was changed by another program: these are made anew"
                );
            }
        }
        if let Some(hold) = &hold {
            let (nonce, requests) = identity(&mut connection)
                .await
                .trying("read which database it is")?;
            is_another = mark::is_another(nonce, requests, hold.last_mark());
        }
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .idle_timeout(None)
            .max_lifetime(None)
            // A file does not hang up: asking first would only double the work.
            .test_before_acquire(false)
            .connect_with(options.read_only(true))
            .await
            .map_err(opening)?;
        Ok(Self {
            path: path.to_owned(),
            writer: Writer::start(connection),
            readers,
            hold: hold.map(Arc::new),
            is_another,
        })
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for what was submitted and closes every connection.
    pub async fn close(self) {
        self.readers.close().await;
        self.writer.stop().await;
        if let Some(hold) = &self.hold {
            hold.database_closed();
        }
    }

    /// Whether this is not the database that a daemon wrote last at this place: a copy from
    /// before its last creates, one from elsewhere, or a new one in its stead.
    pub fn is_another(&self) -> bool {
        self.is_another
    }

    /// Takes it for that one, on a person's word.
    pub fn trust(&mut self) {
        self.is_another = false;
    }

    /// Makes it the one that the daemon writes here: from now on a copy from before is told
    /// from it.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn take_over(&self) -> Result<(), StoreError> {
        let Some(hold) = &self.hold else {
            return Ok(());
        };
        let drawn = fastrand::u64(..);
        let what = "make it known again";
        let (nonce, requests) = self
            .writer
            .run(what, move |connection| {
                Box::pin(async move {
                    let (nonce, requests) = identity(connection).await?;
                    if nonce.is_none() {
                        sqlx::query(SET_META)
                            .bind(NONCE)
                            .bind(drawn.to_string())
                            .execute(connection)
                            .await?;
                    }
                    Ok((nonce.unwrap_or(drawn), requests))
                })
            })
            .await?;
        hold.write_mark(Mark { nonce, requests });
        Ok(())
    }
}

impl JobStore for Store {
    type Commits = wake::Wake;

    async fn commits(&self) -> Result<wake::Wake, StoreError> {
        wake::Wake::on(self).await
    }

    /// Whether the names of the database and of what lies beside it still lead to the files
    /// that a daemon opened: SQLite goes on with files that were deleted or replaced, and
    /// another daemon may have the new ones. It asks for names, and opens nothing.
    fn still_has_its_file(&self) -> Result<(), StoreError> {
        self.hold.as_ref().map_or(Ok(()), |hold| hold.verify())
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }
}

impl Facts for Store {
    async fn meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT value FROM meta WHERE key = ?1")
            .bind(key)
            .fetch_optional(&self.readers)
            .await
            .trying("read meta")
    }

    async fn set_meta(&self, key: &'static str, value: String) -> Result<(), StoreError> {
        self.writer
            .run("write meta", move |connection| {
                Box::pin(async move {
                    sqlx::query(SET_META)
                        .bind(key)
                        .bind(value)
                        .execute(connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }
}

/// The key of the number that is drawn for each database.
const NONCE: &str = "database_nonce";

/// The database's own number, if one was drawn, and how many creates it knows.
async fn identity(connection: &mut SqliteConnection) -> Result<(Option<u64>, i64), sqlx::Error> {
    let (nonce, requests): (Option<String>, i64) = sqlx::query_as(
        "SELECT (SELECT value FROM meta WHERE key = ?1), \
             (SELECT coalesce(max(id), 0) FROM creates) + (SELECT coalesce(max(id), 0) FROM updates)",
    )
    .bind(NONCE)
    .fetch_one(connection)
    .await?;
    Ok((nonce.and_then(|nonce| nonce.parse().ok()), requests))
}

#[cfg(test)]
mod testing;
