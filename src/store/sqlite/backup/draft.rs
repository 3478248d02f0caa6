//! Where a copy grows until it is whole: a hidden folder beside its place, which goes with all
//! that SQLite made in it. A process that is killed leaves it; the next backup removes it.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::store::sqlite::file;

const PREFIX: &str = ".parserd-backup-";
const SUFFIX: &str = ".tmp";

/// How often a folder is made anew that another backup took for a leftover.
const TRIES: u32 = 8;

/// A folder of its own, locked as long as this process works on it.
#[derive(Debug)]
pub(super) struct Draft {
    folder: TempDir,
    _lock: File,
}

impl Draft {
    /// An empty file in a hidden folder in `folder`. The umask decides who may read it, as
    /// with a new database.
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        for _ in 0..TRIES {
            if let Some(draft) = Self::made(folder)? {
                file::make(&draft.copy())?;
                return Ok(draft);
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// None where another backup found it before it was locked.
    fn made(folder: &Path) -> io::Result<Option<Self>> {
        let mut builder = tempfile::Builder::new();
        let folder = builder.prefix(PREFIX).suffix(SUFFIX).tempdir_in(folder)?;
        own(folder.path())?;
        let lock = match File::open(folder.path()) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            // Where no folder can be locked, nobody takes it for a leftover either.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let draft = Self {
            folder,
            _lock: lock,
        };
        Ok(draft.folder.path().exists().then_some(draft))
    }

    pub(super) fn copy(&self) -> PathBuf {
        self.folder.path().join("copy.db")
    }

    /// Removes the folder.
    pub(super) fn close(self) -> io::Result<()> {
        self.folder.close()
    }
}

/// Whatever the umask says, who makes a folder may use it.
#[cfg(unix)]
fn own(folder: &Path) -> io::Result<()> {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn own(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// What backups that were killed left in `folder`: what bears their name, and nobody works on.
///
/// # Errors
/// If the folder cannot be read.
pub fn leftovers(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let found = locked_leftovers(folder)?;
    Ok(found.into_iter().map(|(path, _)| path).collect())
}

/// Removes them; returns those that are gone.
pub(super) fn remove_leftovers(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for (path, _lock) in locked_leftovers(folder)? {
        let is_folder = path.symlink_metadata().is_ok_and(|found| found.is_dir());
        let gone = if is_folder {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        match gone {
            Ok(()) => removed.push(path),
            // Another user's, say: a leftover stops no backup.
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a leftover cannot be removed");
            }
        }
    }
    Ok(removed)
}

fn locked_leftovers(folder: &Path) -> io::Result<Vec<(PathBuf, File)>> {
    let mut found = Vec::new();
    for entry in folder.read_dir()? {
        let entry = entry?;
        let name = entry.file_name();
        // A link or a pipe is nothing of ours, and opening one may lead anywhere.
        let kind = entry.file_type()?;
        let is_ours = (kind.is_dir() || kind.is_file())
            && name
                .to_str()
                .and_then(|name| name.strip_prefix(PREFIX))
                .is_some_and(|rest| rest.contains(SUFFIX));
        if is_ours
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            found.push((entry.path(), file));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn what_nobody_works_on_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let working = Draft::new(folder.path()).unwrap();
        std::fs::create_dir(path(".parserd-backup-killed.tmp")).unwrap();
        for name in [
            ".parserd-backup-killed.tmp/copy.db",
            // As the releases before named them.
            ".parserd-backup-old.tmp",
            ".parserd-backup-old.tmp-journal",
            ".parserd-backup-mine.db",
            "copy.db",
        ] {
            std::fs::write(path(name), "").unwrap();
        }
        std::os::unix::fs::symlink("copy.db", path(".parserd-backup-link.tmp")).unwrap();
        let expected = ["killed.tmp", "old.tmp", "old.tmp-journal"]
            .map(|name| path(&format!(".parserd-backup-{name}")));
        let mut found = leftovers(folder.path()).unwrap();
        found.sort();
        assert_eq!(found, expected);
        let mut removed = remove_leftovers(folder.path()).unwrap();
        removed.sort();
        assert_eq!(removed, expected);
        assert_eq!(folder.path().read_dir().unwrap().count(), 4);
        assert!(working.copy().exists());
        working.close().unwrap();
        assert_eq!(folder.path().read_dir().unwrap().count(), 3);
    }
}
