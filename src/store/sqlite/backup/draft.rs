//! Where a copy grows until it is whole: a hidden directory beside its place, which goes with all
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

/// How often a directory is made anew that another backup took for a leftover.
const TRIES: u32 = 8;

/// A directory of its own, locked as long as this process works on it.
#[derive(Debug)]
pub(super) struct Draft {
    directory: TempDir,
    _lock: File,
}

impl Draft {
    /// An empty file in a hidden directory in `directory`. The umask decides who may read it, as
    /// with a new database.
    pub(super) fn new(directory: &Path) -> io::Result<Self> {
        for _ in 0..TRIES {
            if let Some(draft) = Self::made(directory)? {
                file::make(&draft.copy())?;
                return Ok(draft);
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// None where another backup found it before it was locked.
    fn made(directory: &Path) -> io::Result<Option<Self>> {
        let mut builder = tempfile::Builder::new();
        let directory = builder
            .prefix(PREFIX)
            .suffix(SUFFIX)
            .tempdir_in(directory)?;
        own(directory.path())?;
        let lock = match File::open(directory.path()) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            // Where no directory can be locked, nobody takes it for a leftover either.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let draft = Self {
            directory,
            _lock: lock,
        };
        Ok(draft.directory.path().exists().then_some(draft))
    }

    pub(super) fn copy(&self) -> PathBuf {
        self.directory.path().join("copy.db")
    }

    /// Removes the directory.
    pub(super) fn close(self) -> io::Result<()> {
        self.directory.close()
    }
}

/// Whatever the umask says, who makes a directory may use it.
#[cfg(unix)]
fn own(directory: &Path) -> io::Result<()> {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};
    std::fs::set_permissions(directory, Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn own(_directory: &Path) -> io::Result<()> {
    Ok(())
}

/// What backups that were killed left in `directory`: what bears their name, and nobody works on.
///
/// # Errors
/// If the directory cannot be read.
pub fn leftovers(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let found = locked_leftovers(directory)?;
    Ok(found.into_iter().map(|(path, _)| path).collect())
}

/// Removes them; returns those that are gone.
pub(super) fn remove_leftovers(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for (path, _lock) in locked_leftovers(directory)? {
        let is_directory = path.symlink_metadata().is_ok_and(|found| found.is_dir());
        let gone = if is_directory {
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

fn locked_leftovers(directory: &Path) -> io::Result<Vec<(PathBuf, File)>> {
    let mut found = Vec::new();
    for entry in directory.read_dir()? {
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
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let working = Draft::new(directory.path()).unwrap();
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
        let mut found = leftovers(directory.path()).unwrap();
        found.sort();
        assert_eq!(found, expected);
        let mut removed = remove_leftovers(directory.path()).unwrap();
        removed.sort();
        assert_eq!(removed, expected);
        assert_eq!(directory.path().read_dir().unwrap().count(), 4);
        assert!(working.copy().exists());
        working.close().unwrap();
        assert_eq!(directory.path().read_dir().unwrap().count(), 3);
    }
}
