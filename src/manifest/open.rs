//! Opening a job file: by a person who names it, or by the daemon, which waits for nobody.

use std::fs::File;
use std::io;
use std::path::Path;

use super::BadJob;

/// What a job file may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinds {
    /// Also a FIFO, a device or `/dev/fd/63`, as in `parserd enqueue <(generate)`: who
    /// named it is there to end the waiting.
    Any,
    /// A regular file alone: what the daemon reads unattended must not wait for a writer.
    Regular,
}

impl Kinds {
    pub(super) fn open(self, path: &Path) -> Result<File, BadJob> {
        let unread = |error: io::Error| BadJob::unread(&error);
        match self {
            Self::Any => File::open(path).map_err(unread),
            Self::Regular => {
                // Opening a device can do things by itself; most are recognised before that.
                regular(&std::fs::metadata(path).map_err(unread)?)?;
                let file = open_at_once(path).map_err(unread)?;
                // What was opened counts: the name may be another file's by now.
                regular(&file.metadata().map_err(unread)?)?;
                Ok(file)
            }
        }
    }
}

fn regular(metadata: &std::fs::Metadata) -> Result<(), BadJob> {
    if metadata.is_file() {
        Ok(())
    } else if metadata.is_dir() {
        Err(BadJob::unread(&io::ErrorKind::IsADirectory.into()))
    } else {
        Err(BadJob::of_file(
            "is not a regular file but a FIFO, socket or device, which parserd would have to \
             wait for: keep regular files there, and load what a program writes by `parserd enqueue -`",
        ))
    }
}

/// Opens for reading, and waits for no writer of a FIFO.
#[cfg(unix)]
fn open_at_once(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::empty())?.into())
}

#[cfg(not(unix))]
fn open_at_once(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(all(test, unix))]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn only_regular_files_are_opened_unattended_and_none_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("file"), "x").unwrap();
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        std::fs::create_dir(path("directory")).unwrap();
        mknodat(CWD, path("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        for (name, said) in [
            ("file", None),
            ("link", None),
            ("fifo", Some("is not a regular file")),
            ("socket", Some("is not a regular file")),
            ("/dev/zero", Some("is not a regular file")),
            ("directory", Some("it is a directory")),
            ("absent", Some("correct its name")),
        ] {
            let opened = Kinds::Regular.open(&path(name));
            match said {
                None => assert!(opened.is_ok(), "{name}"),
                Some(said) => {
                    let reason = opened.unwrap_err().reason;
                    assert!(reason.contains(said), "{name}: {reason}");
                }
            }
        }
        // Whoever puts a FIFO there between the look and the opening makes nobody wait.
        assert!(open_at_once(&path("fifo")).is_ok());
    }
}
