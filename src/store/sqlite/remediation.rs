//! What to do about an error of SQLite's or of the file system's.

use std::io;

use sqlx::migrate::MigrateError;

use super::{StoreError, file::ShutOut};

/// The cure for a database of which a part is lost.
pub(super) const PUT_A_BACKUP: &str = "put a backup in its place (README, Backup and restore)";

/// The cure for a database file that is mounted by itself.
pub(super) const MOUNT_THE_FOLDER: &str = "mount its directory instead (`-v FOLDER:FOLDER`), everywhere, and set database.url to the file in it";

/// The cure for an error of SQLite's, by its primary result code
/// (<https://sqlite.org/rescode.html>).
pub(super) fn cure_of(error: &sqlx::Error) -> &'static str {
    if let sqlx::Error::Io(error) = error {
        return cure_of_io(error);
    }
    cure_of_code(primary_code(error))
        .unwrap_or("its directory must exist, and this user must be able to write there")
}

/// The cure where a statement failed in a database that is open, if one is known.
pub(super) fn cure_of_statement(error: &sqlx::Error) -> Option<&'static str> {
    match error {
        sqlx::Error::Io(error) => Some(cure_of_io(error)),
        error if lacks_a_part(error) => Some(RESTART),
        error => cure_of_code(primary_code(error)),
    }
}

/// The cure where somebody dropped an index, a trigger or a view.
const RESTART: &str =
    "`parserd check` names each part that is missing; restart parserd, whose start makes them anew";

/// Whether a statement names an index, or a table or view, that is not there: all of them fit the
/// schema that the migrations make.
fn lacks_a_part(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(1)
        && error.as_database_error().is_some_and(|error| {
            let message = error.message();
            message.starts_with("no such index") || message.starts_with("no such table")
        })
}

/// The same as the end of a message.
pub(super) fn and_cure(error: &sqlx::Error) -> String {
    cure_of_statement(error).map_or_else(String::new, |cure| format!("; {cure}"))
}

fn cure_of_code(code: Option<u32>) -> Option<&'static str> {
    Some(match code? {
        5 | 6 => {
            "another program holds it: let that one end its transaction, or end it (`fuser -v FILE` \
             names it), and try again"
        }
        8 => {
            "this user must be able to write to it and to its directory, on a disk that is not read-only"
        }
        10 | 13 => "check the disk: is it full, or failing?",
        11 => PUT_A_BACKUP,
        26 => "set database.url to a database of parserd's",
        _ => return None,
    })
}

/// The cure for an error of the file system's.
pub(super) fn cure_of_io(error: &io::Error) -> &'static str {
    if error.get_ref().is_some_and(|inner| inner.is::<ShutOut>()) {
        return "start parserd with a umask that leaves the owner both, such as `umask 027` (under systemd: UMask=0027)";
    }
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            "set database.url to a place where parserd may write; under systemd, name the directory in \
             ReadWritePaths="
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on that disk",
        io::ErrorKind::PermissionDenied => {
            "it wants to be this user's, or its group's with this user in the group (the file 0660, \
             its directory 2770), or the command to be run as the user whose it is"
        }
        _ => "its directory must exist, and this user must be able to write there",
    }
}

/// The same where the schema could not be brought up to date, if it was not for the schema.
pub(super) fn cure_of_migration(error: &MigrateError) -> Option<&'static str> {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            // 1: a statement that makes no sense to the database.
            primary_code(error).filter(|code| *code != 1)?;
            Some(cure_of(error))
        }
        _ => None,
    }
}

impl StoreError {
    /// What can be done about it, in the words in which its message ends; none where the
    /// message says it in its own.
    pub fn cure(&self) -> Option<&'static str> {
        match self {
            Self::Access { source, .. } | Self::Lock { source, .. } => Some(cure_of_io(source)),
            Self::Open { source, .. } => Some(cure_of(source)),
            Self::Migrate { source, .. } => cure_of_migration(source),
            Self::Sql { source, .. } => cure_of_statement(source),
            Self::MountPoint { .. } => Some(MOUNT_THE_FOLDER),
            Self::Damaged { .. } | Self::Unmendable { .. } => Some(PUT_A_BACKUP),
            Self::Locked { .. }
            | Self::CursorHeld { .. }
            | Self::HardLinks { .. }
            | Self::Replaced { .. }
            | Self::Missing { .. }
            | Self::TooOld { .. }
            | Self::Foreign { .. }
            | Self::Newer { .. }
            | Self::Encode { .. }
            | Self::Failed { .. }
            | Self::Closed => None,
        }
    }
}

fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::JobStore as _;
    use crate::store::sqlite::{Role, Store};

    #[tokio::test]
    async fn what_is_no_database_is_not_a_matter_of_permissions() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        std::fs::write(&path, "a text, and a long one, ".repeat(100)).unwrap();
        let told = Store::open(&path, Role::Reader)
            .await
            .unwrap_err()
            .to_string();
        assert!(told.contains("database.url"), "{told}");
        assert!(!told.contains("directory must exist"), "{told}");
    }

    #[tokio::test]
    async fn a_part_that_somebody_dropped_has_its_cure() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let store = Store::open(&path, Role::Daemon).await.unwrap();
        let outsider = rusqlite::Connection::open(&path).unwrap();
        outsider
            .execute_batch("DROP INDEX strangers_named")
            .unwrap();
        let error = store.account_facts(0, 0).await.unwrap_err();
        assert_eq!(error.cure(), Some(RESTART), "{error}");
        store.close().await;
    }

    #[tokio::test]
    async fn a_statement_that_meets_a_lock_names_the_cure() {
        use sqlx::{ConnectOptions as _, sqlite::SqliteConnectOptions};
        let directory = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(directory.path().join("p.db"))
            .create_if_missing(true)
            .busy_timeout(std::time::Duration::ZERO);
        let mut holder = options.connect().await.unwrap();
        let mut other = options.connect().await.unwrap();
        let begin = |connection| sqlx::query("BEGIN EXCLUSIVE").execute(connection);
        begin(&mut holder).await.unwrap();
        let source = begin(&mut other).await.unwrap_err();
        let error = StoreError::Sql {
            what: "add jobs",
            source,
        };
        let told = error.to_string();
        assert!(told.contains("database is locked"), "{told}");
        assert!(told.ends_with(error.cure().unwrap()), "{told}");
        assert!(told.contains("`fuser -v FILE` names it"), "{told}");
        let source = sqlx::query("SELECT no_such").execute(&mut holder).await;
        let error = StoreError::Sql {
            what: "look",
            source: source.unwrap_err(),
        };
        assert_eq!(error.cure(), None, "{error}");
    }

    #[test]
    fn an_error_of_the_file_system_has_the_cure_of_its_kind() {
        for (number, cure) in [
            (30, "ReadWritePaths"),
            (28, "room"),
            (13, "group"),
            (2, "must exist"),
        ] {
            let error = io::Error::from_raw_os_error(number);
            assert!(cure_of_io(&error).contains(cure), "{error}");
        }
    }
}
