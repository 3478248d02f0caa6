//! The database's file: made, found by its name, with no second one.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use super::{Role, StoreError, place};

/// Of a new database, before the umask.
#[cfg(unix)]
const MODE: u32 = 0o660;

/// The bits of a directory whose files are its group's, and which its group may write to.
#[cfg(unix)]
const SHARED: u32 = 0o2020;

/// Makes a new database's file, so that the umask decides whether a group may write:
/// SQLite by itself gives a group nothing to write. Its other files take after this one.
///
/// In a directory that is shared with a group (mode 2770) the group may write, whoever makes
/// the file: else one that is made by hand, under another umask than the daemon's, would
/// shut the others out.
pub(super) fn make(path: &Path) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, MODE);
    match options.open(path) {
        Ok(file) => {
            refuse_shut_out(&file, path)?;
            share(&file, path)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// A umask such as 0777 makes files that their owner may not open: nobody could use the
/// database that begins so, save root.
#[derive(Debug, thiserror::Error)]
#[error("the umask takes from the owner of a new file the right to read and write it")]
pub(super) struct ShutOut;

#[cfg(unix)]
fn refuse_shut_out(file: &File, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    const OWNERS: u32 = 0o600;
    if file.metadata()?.permissions().mode() & OWNERS == OWNERS {
        return Ok(());
    }
    std::fs::remove_file(path)?;
    Err(io::Error::new(io::ErrorKind::PermissionDenied, ShutOut))
}

#[cfg(not(unix))]
fn refuse_shut_out(_file: &File, _path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn share(file: &File, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = directory_of(path).metadata()?.permissions();
    if directory.mode() & SHARED == SHARED {
        file.set_permissions(std::fs::Permissions::from_mode(MODE))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn share(_file: &File, _path: &Path) -> io::Result<()> {
    Ok(())
}

/// The file that symbolic links lead to, since SQLite names its own files after it:
/// two daemons that come by different names must meet at one lock.
///
/// Also where the last of them leads to a file that is not there yet: SQLite makes it there.
pub fn resolved(path: &Path) -> PathBuf {
    /// More than any system follows: they lead in a circle, and opening says so.
    const MOST_LINKS: usize = 40;
    let mut found = path.to_owned();
    for _ in 0..MOST_LINKS {
        match found.read_link() {
            Ok(target) => found = directory_of(&found).join(target),
            // No link, not there, or not to be looked at: the end of the way.
            Err(_) => return found,
        }
    }
    path.to_owned()
}

/// Whether this user may work in a role with a database that is at `path`, and with what
/// lies beside it. One that is not there is no matter here.
///
/// # Errors
/// [`StoreError::Access`], for the first file that it may not read and write.
pub fn check_access(path: &Path, role: Role) -> Result<(), StoreError> {
    let path = resolved(path);
    refuse_doubles(&path)?;
    let ends: &[_] = match role {
        Role::Daemon => &["", "-wal", "-shm", ".lock"],
        Role::Tool => &["", "-wal", "-shm"],
        // SQLite finds out what it needs; what matters is that it may look.
        Role::Reader => return refuse_hidden(&path),
    };
    ends.iter()
        .map(|end| beside(&path, end))
        .try_for_each(|file| {
            refuse_hidden(&file)?;
            if file.exists() {
                access(&file).map_err(|source| StoreError::Access { path: file, source })
            } else {
                Ok(())
            }
        })
}

/// A file that this user may not look for is not a missing file.
pub(super) fn refuse_hidden(path: &Path) -> Result<(), StoreError> {
    match path.metadata() {
        Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
            let path = path.to_owned();
            Err(StoreError::Access { path, source })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(unix)]
fn access(file: &Path) -> io::Result<()> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    let both = Access::READ_OK | Access::WRITE_OK;
    Ok(accessat(CWD, file, both, AtFlags::EACCESS)?)
}

/// Elsewhere SQLite finds out.
#[cfg(not(unix))]
fn access(_file: &Path) -> io::Result<()> {
    Ok(())
}

/// The directory that a file is in, or is to be in.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    }
}

/// The file named after the database with `end`.
pub fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Whether a database may be there. A file that is empty is one that somebody is about
/// to make, or meant to; with a log beside it, it may be a database.
pub fn has_content(path: &Path) -> bool {
    let size = |path: &Path| path.metadata().map_or(0, |file| file.len());
    size(path) > 0 || size(&beside(path, "-wal")) > 0
}

/// A file that is reached in two ways has two sets of files beside it, each with a lock and
/// a log of its own.
pub(super) fn refuse_doubles(path: &Path) -> Result<(), StoreError> {
    refuse_hard_links(path)?;
    if place::is_mount_point(path) {
        return Err(StoreError::MountPoint {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Two names of one file have two locks and two write-ahead logs. A symbolic link is
/// no such name: see [`resolved`].
#[cfg(unix)]
fn refuse_hard_links(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::MetadataExt as _;
    match path.metadata() {
        Ok(file) if file.is_file() && file.nlink() > 1 => Err(StoreError::HardLinks {
            path: path.to_owned(),
            links: file.nlink(),
        }),
        // What else is wrong with it, or that it is not there yet, is told by opening it.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Elsewhere the standard library does not tell how many names a file has.
#[cfg(not(unix))]
fn refuse_hard_links(_path: &Path) -> Result<(), StoreError> {
    Ok(())
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::store::sqlite::Store;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn the_umask_decides_whether_a_group_may_write() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        // What the umask of this process leaves of 0660.
        let probe = directory.path().join("probe");
        make(&probe).unwrap();
        let _store = Store::open(&path, Role::Tool).await.unwrap();
        assert_eq!(mode(&path), mode(&probe));
        assert_eq!(mode(&directory.path().join("p.db-wal")), mode(&probe));
    }

    #[tokio::test]
    async fn in_a_directory_shared_with_a_group_the_group_may_write_whatever_the_umask() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o2770)).unwrap();
        let path = directory.path().join("p.db");
        let _store = Store::open(&path, Role::Tool).await.unwrap();
        for name in ["p.db", "p.db-wal", "p.db-shm"] {
            assert_eq!(mode(&directory.path().join(name)), MODE, "{name}");
        }
    }
}
