//! How far the ledger had come when a daemon last wrote it, told beside the database: a file
//! that knows less is a copy from before, or another one.
//!
//! It stands in the `.lock`, which the daemon has open. It is written after each intent and
//! never synced: where the power is cut it tells less than the ledger has, which does no harm.

use std::fs::File;

/// What is told beside the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// The database's own number, drawn when a daemon first opened it.
    pub(super) nonce: u64,
    /// So many creates, updates and deletes are in its ledger, at least.
    pub(super) requests: i64,
}

impl Mark {
    /// Always of one length, so that it is overwritten where it stands.
    fn line(self) -> String {
        format!("{:016x} {:019}\n", self.nonce, self.requests)
    }

    fn of_line(line: &str) -> Option<Self> {
        let (nonce, requests) = line.strip_suffix('\n')?.split_once(' ')?;
        Some(Self {
            nonce: u64::from_str_radix(nonce, 16).ok()?,
            requests: requests.parse().ok()?,
        })
    }

    /// What a file says; none where it says nothing that makes sense.
    #[cfg(unix)]
    pub(super) fn read(file: &File) -> Option<Self> {
        use std::os::unix::fs::FileExt as _;
        let mut line = [0; 64];
        let length = file.read_at(&mut line, 0).ok()?;
        Self::of_line(std::str::from_utf8(line.get(..length)?).ok()?)
    }

    /// Writes it at the beginning of a file.
    #[cfg(unix)]
    pub(super) fn write(self, file: &File) -> std::io::Result<()> {
        use std::os::unix::fs::FileExt as _;
        file.write_all_at(self.line().as_bytes(), 0)
    }

    /// Elsewhere a locked file cannot be read beside.
    #[cfg(not(unix))]
    pub(super) fn read(_file: &File) -> Option<Self> {
        None
    }

    #[cfg(not(unix))]
    pub(super) fn write(self, _file: &File) -> std::io::Result<()> {
        Ok(())
    }
}

/// PURE: whether a database is not the one that the daemon here wrote last: a copy from before,
/// one from elsewhere, or a new one where one with requests was. `nonce` and `requests` are its
/// own; `beside` is what was told of the last one.
pub(super) fn is_another(nonce: Option<u64>, requests: i64, beside: Option<Mark>) -> bool {
    match (nonce, beside) {
        // Nobody has told anything yet: a first start, also of a release that tells it.
        (None, None) => false,
        // It has come here without what stood beside it.
        (Some(_), None) => requests > 0,
        (None, Some(beside)) => beside.requests > 0,
        (Some(nonce), Some(beside)) if nonce == beside.nonce => requests < beside.requests,
        (Some(_), Some(beside)) => requests > 0 || beside.requests > 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_that_knows_less_than_was_told_is_anothers() {
        let beside = |nonce, requests| Some(Mark { nonce, requests });
        for (nonce, requests, told, expected) in [
            (None, 0, None, false),
            (None, 7, None, false),
            (Some(1), 0, None, false),
            (Some(1), 7, None, true),
            (None, 0, beside(1, 0), false),
            (None, 0, beside(1, 7), true),
            (Some(1), 7, beside(1, 7), false),
            (Some(1), 8, beside(1, 7), false),
            (Some(1), 6, beside(1, 7), true),
            (Some(2), 9, beside(1, 7), true),
            (Some(2), 0, beside(1, 0), false),
        ] {
            assert_eq!(
                is_another(nonce, requests, told),
                expected,
                "{nonce:?} {requests} {told:?}"
            );
        }
    }

    #[test]
    fn a_mark_is_read_as_it_was_written_and_nothing_else_is_one() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(Mark::read(&file), None);
        for (nonce, requests) in [(u64::MAX, i64::MAX), (7, 0)] {
            let mark = Mark { nonce, requests };
            mark.write(&file).unwrap();
            assert_eq!(Mark::read(&file), Some(mark));
        }
        for line in ["", "\n", "7", "x 7\n", "7 x\n", "7 7"] {
            assert_eq!(Mark::of_line(line), None, "{line:?}");
        }
    }
}
