//! The machine under the database: file system, room, owners, other programs' SQLite.

use std::path::Path;

use super::findings::Checker;
use crate::present::format::grouped;
use crate::store::{beside, directory_of, leftovers, shared_file_system};

/// With less room than this a batch may not fit: a job and its history take about 2 kB.
const LITTLE_ROOM_BYTES: u64 = 256 << 20;

/// A log longer than this is not copied into the database as it should be.
const LONG_LOG_BYTES: u64 = 256 << 20;

/// The SQLite that the database's rules need in other programs (README, SQL recipes).
const OLDEST_SQLITE: (u32, u32) = (3, 38);

const MEGABYTE: u64 = 1_000_000;

impl Checker {
    pub(super) fn machine(&mut self, database: &Path) -> anyhow::Result<()> {
        let directory = directory_of(database);
        self.file_system(directory)?;
        #[cfg(unix)]
        self.room(directory)?;
        self.log(database)?;
        self.leftovers(directory)?;
        if database.exists()
            && let Some(owners) = owners(database)
        {
            self.warn(
                "owner",
                format!("{}: {owners}", database.display()),
                "give all of them to parserd's user (`chown`), and run the commands as that user",
            )?;
        }
        self.other_sqlite()
    }

    fn file_system(&mut self, directory: &Path) -> anyhow::Result<()> {
        // That it cannot be looked at is reported with the database.
        let Some(name) = shared_file_system(directory) else {
            return Ok(());
        };
        self.warn(
            "file system",
            format!(
                "{} is on {name}: its locks and syncs may not give what SQLite needs, and the \
                 daemon can lock only the file beside the database, which must not be removed",
                directory.display()
            ),
            "put the database on a disk of this machine (database.url)",
        )
    }

    #[cfg(unix)]
    fn room(&mut self, directory: &Path) -> anyhow::Result<()> {
        const NAME: &str = "disk";
        let Ok(found) = rustix::fs::statvfs(directory) else {
            return Ok(());
        };
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        let text = format!(
            "{} MB free for the database",
            grouped((free / MEGABYTE).cast_signed())
        );
        if free < LITTLE_ROOM_BYTES {
            self.warn(
                NAME,
                text,
                "make room there, or move the database (database.url)",
            )
        } else {
            self.ok(NAME, text)
        }
    }

    fn log(&mut self, database: &Path) -> anyhow::Result<()> {
        let log = beside(database, "-wal");
        match log.metadata() {
            Ok(found) if found.len() > LONG_LOG_BYTES => self.warn(
                "log",
                format!(
                    "{} has {} MB: a program that never ends its read keeps it from being copied \
                     into the database",
                    log.display(),
                    grouped((found.len() / MEGABYTE).cast_signed())
                ),
                "end that program (`fuser -v FILE` names it), then \
                 `sqlite3 FILE 'PRAGMA wal_checkpoint(TRUNCATE)'`",
            ),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Backups go anywhere; those beside the database can be found.
    fn leftovers(&mut self, directory: &Path) -> anyhow::Result<()> {
        // That the directory cannot be read is reported with the database.
        let Ok(found) = leftovers(directory) else {
            return Ok(());
        };
        if found.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = found
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        self.warn(
            "backup",
            format!("a backup that was killed left {}", names.join(", ")),
            "remove it, or run `parserd backup` to that directory again: that removes it",
        )
    }

    /// parserd has its own SQLite; the `sqlite3` of the recipes has another.
    fn other_sqlite(&mut self) -> anyhow::Result<()> {
        let text = std::process::Command::new("sqlite3")
            .arg("--version")
            .output();
        // Without one there is nothing to be wrong.
        let Ok(text) = text else { return Ok(()) };
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        match version(&text) {
            Some(found) if found < OLDEST_SQLITE => self.warn(
                "sqlite3",
                format!(
                    "the program sqlite3 here is {}.{}: its INSERTs need {}.{} for the database's rules",
                    found.0, found.1, OLDEST_SQLITE.0, OLDEST_SQLITE.1
                ),
                "install a newer sqlite3, or add jobs with `parserd enqueue`",
            ),
            Some(_) | None => Ok(()),
        }
    }
}

/// Whose those of the database's files are that no group shares, where they are not all one
/// user's, and this one's.
#[cfg(unix)]
fn owners(database: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let own = rustix::process::geteuid().as_raw();
    let found = ["", "-wal", "-shm"].iter().filter_map(|end| {
        let file = beside(database, end).metadata().ok()?;
        // What a group shares may be anyone's; who is not in it is told elsewhere.
        (file.mode() & 0o060 != 0o060).then(|| (*end, file.uid()))
    });
    strangers(&found.collect::<Vec<_>>(), own)
}

#[cfg(not(unix))]
fn owners(_: &Path) -> Option<String> {
    None
}

/// What to say of files that several users have, or another one than `own`. Who is root may
/// look at anybody's.
fn strangers(found: &[(&str, u32)], own: u32) -> Option<String> {
    let (_, first) = found.first()?;
    let is_mixed = found.iter().any(|(_, owner)| owner != first);
    if !is_mixed && (own == 0 || *first == own) {
        return None;
    }
    let text = found.iter().map(|(end, owner)| match *end {
        "" => format!("the database belongs to user {owner}"),
        end => format!("its {end} to user {owner}"),
    });
    let text: Vec<_> = text.collect();
    Some(format!("{}, and this is user {own}", text.join(", ")))
}

/// The first two numbers of what `sqlite3 --version` prints.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_whitespace().next()?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_several_users_or_of_another_one_are_told() {
        for (found, own, text) in [
            (&[][..], 7, false),
            (&[("", 7)], 7, false),
            (&[("", 7), ("-wal", 7)], 7, false),
            (&[("", 7)], 0, false),
            (&[("", 0)], 7, true),
            (&[("", 7), ("-wal", 0)], 7, true),
            (&[("", 7), ("-wal", 0)], 0, true),
        ] {
            assert_eq!(strangers(found, own).is_some(), text, "{found:?} {own}");
        }
        let text = strangers(&[("", 7), ("-wal", 0)], 7).unwrap();
        assert!(text.contains("-wal to user 0"), "{text}");
    }

    #[test]
    fn a_version_is_read_from_what_sqlite3_prints() {
        for (text, expected) in [
            ("3.37.2 2022-01-06 13:25:41 872ba256\n", Some((3, 37))),
            ("3.45.1 2024-01-30", Some((3, 45))),
            ("", None),
            ("unknown", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
    }
}
