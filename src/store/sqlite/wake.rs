//! Notices other programs' commits: inotify on the database's directory says when to begin
//! to look, `PRAGMA data_version` says whether anything was committed, and a slow look
//! is the net where inotify is not available.

use std::{path::Path, time::Duration};

use sqlx::SqliteConnection;

use super::{Store, StoreError, Trying as _, open::watcher};
use crate::store::ports::{Commits, JobStore as _};

/// The net: how long a commit goes unnoticed at the most.
const SLOW_LOOK: Duration = Duration::from_secs(1);

/// The first look after a write to a file: there is nothing to see before the writer has
/// synced it, and no event tells of that. Each further look comes after twice as long.
const FIRST_LOOK: Duration = Duration::from_millis(1);

/// Looks for commits by other programs.
pub struct Wake {
    store: Store,
    foreign: i64,
    connection: SqliteConnection,
    version: i64,
    directory: directory::Watch,
}

impl std::fmt::Debug for Wake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wake")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Wake {
    /// Starts looking for commits.
    pub(super) async fn on(store: &Store) -> Result<Self, StoreError> {
        let mut connection = watcher(&store.path)
            .await
            .trying("open a connection that watches")?;
        let version = data_version(&mut connection).await?;
        Ok(Self {
            store: store.clone(),
            foreign: store.writer.foreign_version().await?,
            connection,
            version,
            directory: directory::Watch::new(&store.path),
        })
    }

    /// Waits until anybody committed since the last call, this process too.
    ///
    /// # Errors
    /// As of [`Commits::next`].
    pub async fn next_of_all(&mut self) -> Result<(), StoreError> {
        let mut pause = SLOW_LOOK;
        loop {
            // A connection to a file that was deleted or replaced sees no commit any more.
            self.store.still_has_its_file()?;
            let version = data_version(&mut self.connection).await?;
            if version != self.version {
                self.version = version;
                return Ok(());
            }
            let touched = tokio::time::timeout(pause, self.directory.touched()).await;
            pause = if touched.is_ok() {
                tokio::time::sleep(FIRST_LOOK).await;
                FIRST_LOOK
            } else {
                SLOW_LOOK.min(pause * 2)
            };
        }
    }
}

impl Commits for Wake {
    async fn next(&mut self) -> Result<(), StoreError> {
        loop {
            self.next_of_all().await?;
            // The writer's own connection does not count its own commits.
            let foreign = self.store.writer.foreign_version().await?;
            if foreign != self.foreign {
                self.foreign = foreign;
                return Ok(());
            }
        }
    }
}

async fn data_version(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    sqlx::query_scalar("PRAGMA data_version")
        .fetch_one(connection)
        .await
        .trying("look for commits")
}

#[cfg(target_os = "linux")]
mod directory {
    use super::Path;
    use futures_util::StreamExt as _;
    use inotify::{EventStream, Inotify, WatchMask};

    const BUFFER_BYTES: usize = 4096;

    /// The directory's events, or nothing where inotify is not available.
    pub(super) struct Watch {
        events: Option<EventStream<[u8; BUFFER_BYTES]>>,
        prefix: Vec<u8>,
    }

    impl Watch {
        pub(super) fn new(database: &Path) -> Self {
            use std::os::unix::ffi::OsStrExt as _;
            let events = start(database)
                .inspect_err(|error| {
                    tracing::warn!(%error, "no inotify: commits by other programs are noticed within a second");
                })
                .ok();
            let prefix = database.file_name().map(|name| name.as_bytes().to_vec());
            Self {
                events,
                prefix: prefix.unwrap_or_default(),
            }
        }

        /// Waits until a file of the database is written to.
        pub(super) async fn touched(&mut self) {
            use std::os::unix::ffi::OsStrExt as _;
            let Some(events) = &mut self.events else {
                return std::future::pending().await;
            };
            loop {
                match events.next().await {
                    Some(Ok(event)) => {
                        let ours = event
                            .name
                            .is_none_or(|name| name.as_bytes().starts_with(&self.prefix));
                        if ours {
                            return;
                        }
                    }
                    Some(Err(error)) => {
                        tracing::warn!(%error, "inotify failed: commits by other programs are noticed within a second");
                        self.events = None;
                        return;
                    }
                    None => return std::future::pending().await,
                }
            }
        }
    }

    fn start(database: &Path) -> std::io::Result<EventStream<[u8; BUFFER_BYTES]>> {
        let directory = crate::store::sqlite::directory_of(database);
        let inotify = Inotify::init()?;
        inotify.watches().add(directory, WatchMask::MODIFY)?;
        inotify.into_event_stream([0; BUFFER_BYTES])
    }
}

#[cfg(not(target_os = "linux"))]
mod directory {
    use super::Path;

    pub(super) struct Watch;

    impl Watch {
        pub(super) fn new(_database: &Path) -> Self {
            Self
        }

        pub(super) async fn touched(&mut self) {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Facts as _, Role, Store};

    #[tokio::test]
    async fn a_commit_by_another_connection_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let store = Store::open(&path, Role::Daemon).await.unwrap();
        let mut wake = store.commits().await.unwrap();
        let other = Store::open(&path, Role::Tool).await.unwrap();
        let noticed = tokio::spawn(async move { wake.next().await });
        other.set_meta("anything", "new".to_owned()).await.unwrap();
        tokio::time::timeout(Duration::from_secs(30), noticed)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}
