//! Where the code under test meets the simulation: each read, each commit, each request
//! and each sleep waits here until the scheduler lets it go on. On threads without a
//! simulation nothing waits.

use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::BoxStream};
use sqlx::{
    Describe, Either, Execute, Executor, SqlStr, Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteQueryResult, SqliteRow, SqliteTypeInfo},
};

use super::world::{Go, Sim, What, in_simulation, with};
use crate::{
    core::job::{DurationMs, UnixMs},
    store::StoreError,
};

pub(crate) fn now() -> UnixMs {
    with(|sim| sim.now())
}

/// Time as it passes, whatever clocks say.
pub(crate) fn time() -> DurationMs {
    with(|sim| sim.time)
}

pub(crate) fn clock_step_ms() -> DurationMs {
    with(|sim| sim.clock_step_ms)
}

pub(crate) fn take_clock_step(step_ms: DurationMs) {
    with(|sim| sim.take_clock_step(step_ms));
}

pub(crate) async fn sleep(pause: Duration) {
    let woken = with(|sim| sim.sleep(pause));
    let _gone = woken.await;
}

/// Waits for the scheduler.
pub(super) async fn point(what: What) -> Go {
    let released = with(|sim| sim.point(what));
    match released.await {
        Ok(go) => go,
        // The simulation is over.
        Err(_) => std::future::pending().await,
    }
}

/// The database is at work: nothing else is let go until this is dropped.
#[derive(Debug)]
struct Busy;

impl Busy {
    fn begin() -> Self {
        with(|sim| sim.busy += 1);
        Self
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if in_simulation() {
            with(|sim| sim.busy -= 1);
        }
    }
}

/// A commit, from before it begins until its caller learns of it.
pub(crate) async fn commit<T>(
    intent: Option<i64>,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    if !in_simulation() {
        return work.await;
    }
    let failed = || StoreError::Sql {
        what: "write",
        source: sqlx::Error::Protocol("simulated: disk I/O error".to_owned()),
    };
    if let Some(job) = intent {
        with(|sim| sim.books.gate.begins_intent(job));
    }
    let go = point(What::Commit).await;
    if go == Go::FailBefore {
        return Err(failed());
    }
    let busy = Busy::begin();
    let result = work.await;
    drop(busy);
    with(Sim::look);
    if go == Go::FailAfter {
        return Err(failed());
    }
    point(What::Committed).await;
    result
}

/// The readers, each of whose statements waits for the scheduler first.
#[derive(Debug, Clone)]
pub(crate) struct Readers(pub SqlitePool);

impl Readers {
    pub async fn close(&self) {
        self.0.close().await;
    }

    pub async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        let _busy = Self::before().await;
        self.0.begin().await
    }

    async fn before() -> Option<Busy> {
        if !in_simulation() {
            return None;
        }
        point(What::Read).await;
        Some(Busy::begin())
    }
}

impl<'p> Executor<'p> for &'p Readers {
    type Database = Sqlite;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<SqliteQueryResult, SqliteRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        async move {
            let busy = Readers::before().await;
            // Held until the rows are read or the reading is given up.
            let held = futures_util::stream::once(async move { drop(busy) });
            let end = held.filter_map(async |()| None);
            (&self.0).fetch_many(query).chain(end)
        }
        .flatten_stream()
        .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<SqliteRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        Box::pin(async move {
            let _busy = Readers::before().await;
            (&self.0).fetch_optional(query).await
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [SqliteTypeInfo],
    ) -> BoxFuture<'e, Result<<Sqlite as sqlx::Database>::Statement, sqlx::Error>>
    where
        'p: 'e,
    {
        (&self.0).prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Sqlite>, sqlx::Error>>
    where
        'p: 'e,
    {
        (&self.0).describe(sql)
    }
}
