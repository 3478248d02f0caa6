//! One reader of the history for each cursor: two would each move it, and events be split between
//! them or handed on twice.
//!
//! It is a lock on a file beside the database, which the system takes back however the reader ends.
//! The file stays: one that is removed could be locked by one reader, and made anew by the next.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::{Store, StoreError, file, hold};

/// The right to read under a cursor's name, as long as it is kept.
#[derive(Debug)]
pub struct CursorHold {
    // Locked as long as it is open.
    _file: File,
}

impl Store {
    /// Takes a cursor for this reader alone. None but the readers of that cursor is kept out.
    ///
    /// # Errors
    /// [`StoreError::CursorHeld`] where another one has it, and where the file cannot be made or locked.
    pub fn hold_cursor(&self, name: &str) -> Result<CursorHold, StoreError> {
        let held = || StoreError::CursorHeld {
            name: name.to_owned(),
        };
        let file = hold::lock_file(&lock_path(self.path(), name))?.ok_or_else(held)?;
        Ok(CursorHold { _file: file })
    }
}

/// A cursor's name may hold what no file's name can, and be as long as none.
fn lock_path(database: &Path, name: &str) -> PathBuf {
    let digest = Sha256::digest(name.as_bytes());
    let short: String = digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    file::beside(database, &format!(".cursor-{short}.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Role;

    #[tokio::test]
    async fn a_cursor_has_one_reader_and_each_name_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let first = Store::open(&path, Role::Tool).await.unwrap();
        let second = Store::open(&path, Role::Tool).await.unwrap();
        let longest = "\u{1f4a1}".repeat(100);
        for name in ["mail", "../a/b", &longest] {
            let held = first.hold_cursor(name).unwrap();
            let refused = second.hold_cursor(name);
            assert!(
                matches!(&refused, Err(StoreError::CursorHeld { name: told }) if told == name),
                "{refused:?}"
            );
            second.hold_cursor("another").unwrap();
            drop(held);
            second.hold_cursor(name).unwrap();
        }
    }
}
