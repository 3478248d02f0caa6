//! Whether the database's file is still the one that was opened: SQLite goes on with a file
//! that was deleted or replaced, and what it stores there is seen by nobody.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// The file as it was when it was opened.
#[derive(Debug)]
pub(super) struct OpenedFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
    is_told: AtomicBool,
}

impl OpenedFile {
    /// The file that `path` leads to now.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            identity: identity(path),
            is_told: AtomicBool::new(false),
        }
    }

    /// What is wrong, in words; told to the log once.
    pub fn trouble(&self) -> Option<String> {
        if self.identity.is_none() || self.identity == identity(&self.path) {
            return None;
        }
        let words = format!(
            "the database file {} is not the one that was opened: it was deleted or replaced, \
             and what parserd stores now is lost; stop parserd, see to the file, and start it again",
            self.path.display()
        );
        if !self.is_told.swap(true, Ordering::Relaxed) {
            tracing::error!("{words}");
        }
        Some(words)
    }
}

/// The device and the number of the file that a name leads to.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let file = path.metadata().ok()?;
    Some((file.dev(), file.ino()))
}

/// Elsewhere the standard library does not tell.
#[cfg(not(unix))]
fn identity(_path: &Path) -> Option<(u64, u64)> {
    None
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_replaced_or_deleted_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.db");
        std::fs::write(&path, "a").unwrap();
        let opened = OpenedFile::new(&path);
        std::fs::write(&path, "b").unwrap();
        assert_eq!(opened.trouble(), None);
        let kept = folder.path().join("kept");
        std::fs::rename(&path, &kept).unwrap();
        assert!(opened.trouble().is_some(), "deleted");
        std::fs::write(&path, "b").unwrap();
        assert!(opened.trouble().is_some(), "replaced");
        std::fs::rename(&kept, &path).unwrap();
        assert_eq!(opened.trouble(), None);
    }
}
