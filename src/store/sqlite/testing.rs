//! The store through its own functions, each test with a database of its own.

mod apply;
mod poison;
mod queue;
mod submit;
mod times;

use crate::store::{Changes as _, Queue as _};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};
use tempfile::TempDir;

use super::{Role, Store, StoreError};
use crate::core::{
    job::{Job, JobId, ParserId, UnixMs},
    lifecycle::{Change, Event, Policy, Presence, Transition, decide},
    outcome::{CreateOutcome, ErrorDetail, PollOutcome, Refusal},
};
use crate::engine::operate;
use crate::store::{
    conformance,
    ports::{Applied, Intent},
};

/// Later than any `created_at` of a test, and yet a time that `run_at` may have.
const NOW: UnixMs = 4_000_000_000_000;

struct Fixture {
    store: Store,
    /// Another program's connection.
    other: SqliteConnection,
    directory: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        let store = Store::open(&path, Role::Daemon).await.unwrap();
        let url = format!("sqlite:{}", path.display());
        let other = SqliteConnection::connect(&url).await.unwrap();
        Self {
            store,
            other,
            directory,
        }
    }

    /// The next daemon's start on the same database.
    async fn restarted(self) -> Self {
        self.store.close().await;
        let path = self.directory.path().join("p.db");
        Self {
            store: Store::open(&path, Role::Daemon).await.unwrap(),
            ..self
        }
    }

    /// What was said by SQL is taken in, as a daemon does before anything else.
    async fn take_in(&self) {
        let taken = operate::take_in(&self.store, &policy(), NOW).await;
        assert!(taken.unwrap() > 0);
    }

    async fn sql(&mut self, statement: &str) {
        self.try_sql(statement).await.unwrap();
    }

    async fn try_sql(&mut self, statement: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .execute(&mut self.other)
            .await
            .map(|_| ())
    }

    /// The first column of every row, as texts.
    async fn column(&mut self, select: &str) -> Vec<String> {
        sqlx::raw_sql(AssertSqlSafe(select.to_owned()))
            .fetch_all(&mut self.other)
            .await
            .unwrap()
            .iter()
            .map(|row| {
                let text: Option<String> = row.try_get_unchecked(0).unwrap();
                text.unwrap_or_else(|| "NULL".to_owned())
            })
            .collect()
    }

    async fn add(&mut self, name: &str) -> JobId {
        self.sql(&format!(
            "INSERT INTO jobs (name, urls) VALUES ('{name}', '[\"https://b.example/\"]')"
        ))
        .await;
        let id = self.column("SELECT max(id) FROM jobs").await.remove(0);
        JobId(id.parse().unwrap())
    }

    async fn job(&self, id: JobId) -> Job {
        self.store.job(id).await.unwrap().unwrap()
    }

    /// Adds a job and takes it through `events`.
    async fn job_after(&mut self, name: &str, events: impl IntoIterator<Item = Event>) -> Job {
        let id = self.add(name).await;
        for event in events {
            let job = self.job(id).await;
            let change = decided(&job, event);
            let applied = self.apply(&job, &change).await.unwrap();
            assert!(matches!(applied, Applied::Durable { .. }));
        }
        self.job(id).await
    }

    async fn apply(&self, job: &Job, change: &Change) -> Result<Applied, StoreError> {
        let intent = Intent {
            credits: 30_000,
            sent_at: NOW,
            baseline: vec![ParserId("old".to_owned())],
            ..Intent::default()
        };
        self.store.apply(job, change, intent, NOW).await
    }
}

const DURABLE: Applied = Applied::Durable { refund: None };

fn policy() -> Policy {
    Policy {
        max_attempts: 5,
        settle_ms: 900_000,
        ..conformance::policy()
    }
}

fn decided(job: &Job, event: Event) -> Change {
    match decide(job, event, &policy(), NOW, 0.5) {
        Transition::Change(change) => *change,
        Transition::Ignored(why) => panic!("{why}: {job:?}"),
    }
}

fn words(message: &str) -> ErrorDetail {
    ErrorDetail {
        status: None,
        message: message.to_owned(),
    }
}

/// Its turn has come: a create of this remote name shall be sent.
fn listed(remote_name: &str) -> Event {
    Event::Listed {
        presence: Presence::Absent,
        remote_name: remote_name.to_owned(),
        recreation: 0,
    }
}

fn created(parser_id: &str) -> Event {
    Event::CreateAnswered(CreateOutcome::Created {
        parser_id: ParserId(parser_id.to_owned()),
        version: Some(0),
    })
}

fn out_of_credits() -> Event {
    Event::CreateAnswered(CreateOutcome::Refused(
        Refusal::Credits,
        words("no credits"),
    ))
}

fn given_up() -> Event {
    Event::Polled(PollOutcome::Failed(words("nothing extracted")))
}
