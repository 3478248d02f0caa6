//! What the one daemon holds: a lock on a file beside the database, a lock on the database's
//! own file, and the knowledge which files these were.
//!
//! The file beside it (`.lock`) can be removed, and two names of one database can have one
//! each; the database's own file cannot. So both are locked, by `flock`, which on Linux's own
//! file systems has nothing to do with the byte ranges that SQLite locks by `fcntl`.
//!
//! On NFS and SMB, `flock` *is* a lock on all bytes of the file, and SQLite would lock itself
//! out; other shared file systems promise as little. There the file beside it alone is locked,
//! and `parserd check` warns. So it is on macOS and the BSDs, where the two kinds of locks are
//! kept in one list.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs::{File, Metadata, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{StoreError, file, mark::Mark, place};

/// How often, and how far apart, a daemon tries for a lock: a command that looks whether a
/// daemon is there has it for a moment.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// The device and the number of a file; none where the standard library does not tell.
type Identity = Option<(u64, u64)>;

#[cfg(unix)]
fn identity(found: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    Some((found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn identity(_found: &Metadata) -> Identity {
    None
}

/// The locks of a daemon, and the files that it opened.
#[derive(Debug)]
pub(super) struct FileLock {
    database: PathBuf,
    opened: Vec<(PathBuf, Identity)>,
    // Locked as long as it is open.
    beside: File,
    mark: Mutex<Option<Mark>>,
    own: Option<File>,
    is_database_closed: AtomicBool,
}

impl FileLock {
    /// Takes both locks of the database at `path`, whose file is made if there is none.
    /// SQLite must not have opened it yet.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where another process has one of them.
    pub(super) async fn take(path: &Path) -> Result<Self, StoreError> {
        let beside = patiently(path, || lock_beside(path)).await?;
        file::make(path).map_err(|source| unmade(path, source))?;
        let own = patiently(path, || lock_own(path)).await?;
        let mut hold = Self {
            database: path.to_owned(),
            opened: Vec::new(),
            beside,
            mark: Mutex::new(None),
            own,
            is_database_closed: AtomicBool::new(false),
        };
        // From the open file: the name may lead to another one by now.
        let of_own = hold.own.as_ref().map(File::metadata).transpose();
        match of_own.map_err(|source| unmade(path, source))? {
            Some(found) => hold.opened.push((path.to_owned(), identity(&found))),
            None => hold.remember(""),
        }
        let found = hold.beside.metadata();
        let found = found.map_err(|source| unmade(path, source))?;
        hold.opened.push((lock_path(path), identity(&found)));
        hold.verify()?;
        Ok(hold)
    }

    /// To be called once SQLite has the database open: its log and the index of that are
    /// made by then, and stay the same files until the last connection is closed.
    pub(super) fn opened(&mut self) -> Result<(), StoreError> {
        self.remember("-wal");
        self.remember("-shm");
        self.verify()
    }

    fn remember(&mut self, end: &str) {
        let path = file::beside(&self.database, end);
        if let Ok(found) = path.symlink_metadata() {
            self.opened.push((path, identity(&found)));
        }
    }

    /// Whether each name still leads to the file that was opened. Four looks at names, none
    /// at a file: to open and close the database's file would drop SQLite's locks on it.
    ///
    /// # Errors
    /// [`StoreError::Replaced`] for the first that does not.
    pub(super) fn verify(&self) -> Result<(), StoreError> {
        for (path, opened) in &self.opened {
            let how = match path.symlink_metadata() {
                Ok(found) if identity(&found) == *opened => continue,
                Ok(_) => "another file is in its place".to_owned(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => "it is gone".to_owned(),
                Err(error) => format!("it cannot be looked at: {error}"),
            };
            return Err(StoreError::Replaced {
                path: path.clone(),
                how,
            });
        }
        Ok(())
    }

    /// What the last daemon told beside the database.
    pub(super) fn last_mark(&self) -> Option<Mark> {
        Mark::read(&self.beside)
    }

    /// Tells it, and from here on with each request.
    pub(super) fn write_mark(&self, mark: Mark) {
        *self.marked() = Some(mark);
        self.write(mark);
    }

    /// One more create, update or delete is on record.
    pub(super) fn count_request(&self) {
        let mark = self.marked().as_mut().map(|mark| {
            mark.requests += 1;
            *mark
        });
        if let Some(mark) = mark {
            self.write(mark);
        }
    }

    fn marked(&self) -> MutexGuard<'_, Option<Mark>> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, mark: Mark) {
        // What it tells too little only makes a copy look like the original.
        if let Err(error) = mark.write(&self.beside) {
            tracing::warn!(%error, "cannot tell beside the database how far it has come");
        }
    }

    /// Every connection to the database is closed: its descriptor may be closed too.
    pub(super) fn database_closed(&self) {
        self.is_database_closed.store(true, Ordering::Relaxed);
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        let Some(own) = self.own.take() else { return };
        if self.is_database_closed.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = own.unlock() {
            tracing::debug!(%error, "the database's file stays locked until the process ends");
        }
        // Closing any descriptor of a file drops all locks that the process has on it by
        // fcntl, and a connection of SQLite's may still count on them.
        std::mem::forget(own);
    }
}

fn unmade(path: &Path, source: io::Error) -> StoreError {
    StoreError::Open {
        path: path.to_owned(),
        source: sqlx::Error::Io(source),
    }
}

fn lock_path(path: &Path) -> PathBuf {
    file::beside(path, ".lock")
}

async fn patiently<T>(
    path: &Path,
    mut lock: impl FnMut() -> Result<Option<T>, StoreError>,
) -> Result<T, StoreError> {
    for tries in 1.. {
        match lock()? {
            Some(locked) => return Ok(locked),
            None if tries < TRIES => tokio::time::sleep(PAUSE).await,
            None => break,
        }
    }
    Err(StoreError::Locked {
        path: path.to_owned(),
    })
}

/// None where another process has it.
fn lock_beside(path: &Path) -> Result<Option<File>, StoreError> {
    lock_file(&lock_path(path))
}

/// Makes and locks a file that is there for its lock alone; none where another process has it.
pub(super) fn lock_file(path: &Path) -> Result<Option<File>, StoreError> {
    let failed = |source| StoreError::Lock {
        path: path.to_owned(),
        source,
    };
    file::make(path).map_err(failed)?;
    let opened = File::options().read(true).write(true).open(path);
    let file = opened.map_err(failed)?;
    Ok(is_locked(file.try_lock()).map_err(failed)?.then_some(file))
}

fn is_locked(tried: Result<(), TryLockError>) -> io::Result<bool> {
    match tried {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The database's own file with its lock, and without one where it can have none. None where
/// another process has it.
fn lock_own(path: &Path) -> Result<Option<Option<File>>, StoreError> {
    if !can_lock_own(path) {
        return Ok(Some(None));
    }
    let failed = |source| StoreError::Lock {
        path: path.to_owned(),
        source,
    };
    // To write, as SQLite will: an overlay would give a file that is only read another
    // identity once it is written to.
    let opened = File::options().read(true).write(true).open(path);
    let file = opened.map_err(failed)?;
    // Where it is not: this process has no connection to it yet, so that it may be closed.
    let is_locked = is_locked(file.try_lock()).map_err(failed)?;
    Ok(is_locked.then_some(Some(file)))
}

/// A device or a pipe is for SQLite to refuse.
fn can_lock_own(path: &Path) -> bool {
    cfg!(target_os = "linux")
        && path.metadata().is_ok_and(|found| found.is_file())
        && place::shared_file_system(path).is_none()
}

/// Whether a daemon has the database at `path`; None where that cannot be told.
/// Makes no file.
pub fn has_daemon(path: &Path) -> Option<bool> {
    let path = file::resolved(path);
    let beside = match File::open(lock_path(&path)) {
        Ok(file) => is_locked(file.try_lock_shared()).ok(),
        // It may have been removed under a daemon that works on.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(true),
        Err(_) => None,
    };
    match beside {
        Some(true) if can_lock_own(&path) => is_own_free(&path).map(|is_free| !is_free),
        Some(is_free) => Some(!is_free),
        None => None,
    }
}

/// Whether nobody has the lock on the database's own file.
fn is_own_free(path: &Path) -> Option<bool> {
    /// Kept open until the process ends, one a file: see [`FileLock`]'s drop.
    static LOOKED_AT: Mutex<BTreeMap<(u64, u64), File>> = Mutex::new(BTreeMap::new());
    let mut files = LOOKED_AT.lock().unwrap_or_else(PoisonError::into_inner);
    let key = identity(&path.metadata().ok()?)?;
    let file = match files.entry(key) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(new) => new.insert(File::open(path).ok()?),
    };
    let is_free = is_locked(file.try_lock_shared()).ok()?;
    if is_free {
        file.unlock().ok()?;
    }
    Some(is_free)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::JobStore as _;
    use crate::store::sqlite::{Role, Store};

    #[tokio::test]
    async fn a_second_daemon_is_refused_and_a_tool_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let first = Store::open(&path, Role::Daemon).await.unwrap();
        let second = Store::open(&path, Role::Daemon).await;
        assert!(matches!(second, Err(StoreError::Locked { .. })));
        assert_eq!(has_daemon(&path), Some(true));
        Store::open(&path, Role::Tool).await.unwrap().close().await;
        first.close().await;
        assert_eq!(has_daemon(&path), Some(false));
        Store::open(&path, Role::Daemon)
            .await
            .unwrap()
            .close()
            .await;
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_second_daemon_is_refused_by_whatever_name_it_comes() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (
            directory.path().join("p.db"),
            directory.path().join("link.db"),
        );
        let _first = Store::open(&path, Role::Daemon).await.unwrap();
        std::os::unix::fs::symlink("p.db", &link).unwrap();
        let second = Store::open(&link, Role::Daemon).await;
        assert!(matches!(second, Err(StoreError::Locked { .. })));
        assert_eq!(has_daemon(&link), Some(true));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_to_a_file_that_is_not_there_yet_has_its_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::create_dir(path("deep")).unwrap();
        std::os::unix::fs::symlink("deep/second.db", path("first.db")).unwrap();
        std::os::unix::fs::symlink("p.db", path("deep/second.db")).unwrap();
        let first = Store::open(&path("first.db"), Role::Daemon).await.unwrap();
        assert_eq!(first.path(), path("deep/p.db"));
        for name in ["first.db", "deep/second.db", "deep/p.db"] {
            let second = Store::open(&path(name), Role::Daemon).await;
            assert!(matches!(second, Err(StoreError::Locked { .. })), "{name}");
            assert_eq!(has_daemon(&path(name)), Some(true), "{name}");
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_lock_file_that_was_removed_lets_no_second_daemon_in() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let first = Store::open(&path, Role::Daemon).await.unwrap();
        std::fs::remove_file(lock_path(&path)).unwrap();
        assert_eq!(has_daemon(&path), Some(true));
        let second = Store::open(&path, Role::Daemon).await;
        assert!(matches!(second, Err(StoreError::Locked { .. })));
        first.close().await;
        assert_eq!(has_daemon(&path), Some(false));
        let third = Store::open(&path, Role::Daemon).await.unwrap();
        // Dropped rather than closed, it is free as well.
        drop(third);
        Store::open(&path, Role::Daemon)
            .await
            .unwrap()
            .close()
            .await;
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn each_of_its_files_is_known_again_by_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let kept = directory.path().join("kept");
        let store = Store::open(&path, Role::Daemon).await.unwrap();
        store.still_has_its_file().unwrap();
        for end in ["", ".lock", "-wal", "-shm"] {
            let file = file::beside(&path, end);
            let words = || store.still_has_its_file().unwrap_err().to_string();
            std::fs::rename(&file, &kept).unwrap();
            assert!(words().contains("it is gone"), "{end}");
            std::fs::copy(&kept, &file).unwrap();
            assert!(words().contains("another file"), "{end}");
            std::fs::remove_file(&file).unwrap();
            std::os::unix::fs::symlink(&kept, &file).unwrap();
            assert!(words().contains("another file"), "a link: {end}");
            std::fs::rename(&kept, &file).unwrap();
            store.still_has_its_file().unwrap();
        }
        let tool = Store::open(&path, Role::Tool).await.unwrap();
        tool.still_has_its_file().unwrap();
        store.close().await;
    }

    /// SQLite's locks, as another process sees them, while a second daemon is refused and a
    /// command looks for the first one.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn looking_for_a_daemon_drops_no_lock_of_sqlites() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let store = Store::open(&path, Role::Daemon).await.unwrap();
        let locks = || {
            use std::os::unix::fs::MetadataExt as _;
            let inode = format!(":{} ", path.metadata().unwrap().ino());
            let table = std::fs::read_to_string("/proc/locks").unwrap();
            let of_file = table.lines().filter(|line| line.contains(&inode));
            of_file.filter(|line| line.contains("POSIX")).count()
        };
        let before = locks();
        assert!(before > 0, "SQLite has no lock on a database in WAL mode");
        for _ in 0..3 {
            assert_eq!(has_daemon(&path), Some(true));
        }
        assert_eq!(locks(), before);
        store.close().await;
    }
}
