//! The one connection that writes, behind a task that commits in groups.

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use sqlx::{Connection as _, SqliteConnection};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use crate::store::ports::Applied;

use super::{
    StoreError, Trying as _,
    apply::{self, Record},
    write_throttle::WriteThrottle,
};

/// How many transitions one transaction holds at the most.
const GROUP_RECORDS: usize = 512;

/// How many bytes of results one transaction holds at the most, roughly.
const GROUP_BYTES: usize = 4 << 20;

/// How many requests may wait for the writer before callers are held back.
const QUEUE_DEPTH: usize = 4096;

/// A group that held the write lock longer than this is worth a warning.
const SLOW_COMMIT: Duration = Duration::from_secs(2);

type Work = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, ()> + Send>;

enum WriteRequest {
    Apply {
        record: Box<Record>,
        done: oneshot::Sender<Result<Applied, StoreError>>,
    },
    Run(Work),
    /// `PRAGMA data_version` as this connection sees it: it counts others' commits.
    ForeignVersion(oneshot::Sender<Result<i64, StoreError>>),
    Stop(oneshot::Sender<()>),
}

/// A handle on the writing task. The task ends with the last handle.
#[derive(Clone)]
pub(super) struct Writer {
    requests: mpsc::Sender<WriteRequest>,
}

impl Writer {
    /// Gives the connection to a task of its own; nothing ever closes it before the end.
    pub(super) fn start(connection: SqliteConnection) -> Self {
        let (requests, inbox) = mpsc::channel(QUEUE_DEPTH);
        let _task: JoinHandle<()> = tokio::spawn(serve(connection, inbox));
        Self { requests }
    }

    /// Commits a transition, in one group with others; returns when it is durable.
    pub(super) async fn apply(&self, record: Record) -> Result<Applied, StoreError> {
        let record = Box::new(record);
        self.ask(|done| WriteRequest::Apply { record, done }).await
    }

    /// Runs `work` in a transaction of its own; returns when it is durable.
    pub(super) async fn run<T, F>(&self, what: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>
            + Send
            + 'static,
    {
        self.ask(|done| {
            WriteRequest::Run(Box::new(move |connection| {
                Box::pin(async move {
                    let result = in_transaction(connection, work).await.trying(what);
                    // A caller that went away does not undo what is committed.
                    let _gone = done.send(result);
                })
            }))
        })
        .await
    }

    /// A number that changes with each commit of another connection than this one.
    pub(super) async fn foreign_version(&self) -> Result<i64, StoreError> {
        self.ask(WriteRequest::ForeignVersion).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> WriteRequest,
    ) -> Result<T, StoreError> {
        let (done, answer) = oneshot::channel();
        self.requests
            .send(request(done))
            .await
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Ends the task after everything that was sent before.
    pub(super) async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.requests.send(WriteRequest::Stop(done)).await.is_ok() {
            let _already_gone = stopped.await;
        }
    }
}

async fn in_transaction<T, F>(connection: &mut SqliteConnection, work: F) -> Result<T, sqlx::Error>
where
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
{
    begin(connection).await?;
    match work(&mut *connection).await {
        Ok(result) => commit_or_undo(connection).await.map(|()| result),
        Err(error) => {
            undo(connection).await;
            Err(error)
        }
    }
}

// Plain statements rather than sqlx's `Transaction`: on a full disk or an I/O error
// SQLite rolls back by itself, sqlx's own count of transactions then never returns to
// zero, and nothing could be written until a restart. Nobody cancels this task
// between these statements.

async fn begin(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    // IMMEDIATE: a read that upgrades gets SQLITE_BUSY at once, whatever the timeout.
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(connection).await?;
    Ok(())
}

async fn commit_or_undo(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let committed = sqlx::raw_sql("COMMIT").execute(&mut *connection).await;
    if committed.is_err() {
        undo(connection).await;
    }
    committed.map(|_| ())
}

/// Ends a transaction that failed, if SQLite has not ended it already.
async fn undo(connection: &mut SqliteConnection) {
    if let Err(error) = sqlx::raw_sql("ROLLBACK").execute(connection).await {
        tracing::debug!(%error, "nothing to roll back");
    }
}

async fn serve(mut connection: SqliteConnection, mut inbox: mpsc::Receiver<WriteRequest>) {
    let mut stopped = None;
    let mut waiting: Option<WriteRequest> = None;
    let mut write_throttle = WriteThrottle::default();
    loop {
        let request = match waiting.take() {
            Some(request) => request,
            None => match inbox.recv().await {
                Some(request) => request,
                None => break,
            },
        };
        match request {
            WriteRequest::Run(job) => job(&mut connection).await,
            WriteRequest::ForeignVersion(done) => {
                let version = sqlx::query_scalar("PRAGMA data_version")
                    .fetch_one(&mut connection)
                    .await
                    .trying("look for others' commits");
                if let Ok(version) = version {
                    write_throttle.foreign_version(version, Instant::now());
                }
                let _gone = done.send(version);
            }
            WriteRequest::Stop(done) => {
                stopped = Some(done);
                break;
            }
            WriteRequest::Apply { record, done } => {
                if let Some(pause) = write_throttle.pause(Instant::now()) {
                    tokio::time::sleep(pause).await;
                }
                let mut bytes = record.weight();
                let mut group = vec![(record, done)];
                while group.len() < GROUP_RECORDS && bytes < GROUP_BYTES {
                    match inbox.try_recv() {
                        Ok(WriteRequest::Apply { record, done }) => {
                            bytes += record.weight();
                            group.push((record, done));
                        }
                        Ok(other) => {
                            waiting = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                let began = Instant::now();
                commit(&mut connection, group).await;
                write_throttle.held(began, Instant::now());
            }
        }
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "the database did not close cleanly");
    }
    if let Some(done) = stopped {
        let _gone = done.send(());
    }
}

type Group = Vec<(Box<Record>, oneshot::Sender<Result<Applied, StoreError>>)>;

/// Commits a group. If it fails as a whole, each record gets a transaction of its
/// own, so that one bad record does not take the others with it.
async fn commit(connection: &mut SqliteConnection, group: Group) {
    let started = Instant::now();
    let (records, callers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
    match apply_all(connection, &records).await {
        Ok(results) => {
            for (result, done) in results.into_iter().zip(callers) {
                let _gone = done.send(Ok(result));
            }
        }
        Err(error) => {
            if records.len() > 1 {
                tracing::debug!(%error, records = records.len(), "a group failed; its changes go one by one");
            }
            for (record, done) in records.into_iter().zip(callers) {
                let alone = apply_all(connection, std::slice::from_ref(&record)).await;
                let _gone =
                    done.send(alone.and_then(|mut one| one.pop().ok_or(StoreError::Closed)));
            }
        }
    }
    let elapsed = started.elapsed();
    if elapsed > SLOW_COMMIT {
        tracing::warn!(
            elapsed_ms = elapsed.as_millis(),
            "a change took long to be stored: the disk is slow, or another program holds the database (`fuser -v FILE` names it)"
        );
    }
}

async fn apply_all(
    connection: &mut SqliteConnection,
    records: &[Box<Record>],
) -> Result<Vec<Applied>, StoreError> {
    begin(connection).await.trying("begin a transaction")?;
    match apply::records(&mut *connection, records).await {
        Ok(applied) => commit_or_undo(connection)
            .await
            .trying("commit a change")
            .map(|()| applied),
        Err(error) => {
            undo(connection).await;
            Err(error)
        }
    }
}
