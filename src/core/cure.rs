//! PURE: the next step after what the system refused.

use std::{
    io::{self, ErrorKind},
    path::Path,
};

/// What to do about a file that cannot be read.
pub fn of_reading(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "correct its name, or create it",
        ErrorKind::PermissionDenied => "let this user read it (`ls -l` shows who may)",
        ErrorKind::IsADirectory => "it is a directory: name the files in it",
        ErrorKind::NotADirectory => "correct its path: a part of it is not a directory",
        _ => "check its disk, or name another file",
    }
}

/// What is the matter where a temporary file cannot be made or written in `directory`, and what to
/// do.
pub fn of_temporary_files(error: &io::Error, directory: &Path) -> String {
    let directory = directory.display();
    let cure = match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => "create it, or set TMPDIR to a directory",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "set TMPDIR to a directory that this user may write to"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "make room there, or set TMPDIR to a directory that has some"
        }
        _ => "check its disk, or set TMPDIR to another directory",
    };
    format!("cannot keep the jobs of a file in a temporary file in {directory}: {error}; {cure}")
}

/// What to do where an address cannot be listened at that `place` names.
pub fn of_listening(error: &io::Error, place: &str) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => {
            format!("choose another port in {place}, or end the program that has this one")
        }
        ErrorKind::PermissionDenied => {
            format!("choose a port from 1024 up in {place}: this user may not use this one")
        }
        _ => format!("use an address of this machine in {place}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_next_step() {
        let of = |kind: ErrorKind| of_reading(&kind.into());
        assert!(of(ErrorKind::NotFound).contains("name"));
        assert!(of(ErrorKind::PermissionDenied).contains("let this user read it"));
        assert!(of(ErrorKind::IsADirectory).contains("directory"));
        assert!(!of(ErrorKind::Other).is_empty());
        let of = |kind: ErrorKind| of_temporary_files(&kind.into(), Path::new("/tmp"));
        assert!(of(ErrorKind::NotFound).contains("TMPDIR"));
        assert!(of(ErrorKind::StorageFull).contains("make room"));
        let of = |kind: ErrorKind| of_listening(&kind.into(), "--listen");
        assert!(of(ErrorKind::AddrInUse).contains("another port in --listen"));
        assert!(of(ErrorKind::PermissionDenied).contains("from 1024 up"));
        assert!(of(ErrorKind::AddrNotAvailable).contains("of this machine"));
    }
}
