//! One suite that every store passes, and random histories in which SQLite is held against the
//! model, step by step.

mod cases;
mod drawn;
mod fetching;
mod history;
mod look;
mod steps;

use tempfile::TempDir;

use super::{
    memory::Memory,
    outside::{Model, Outside, Sqlite, simulate_clock},
    sqlite::{Role, Store},
};
use crate::core::{
    backoff::Schedule,
    job::UnixMs,
    ladder::Ladder,
    lifecycle::{OnExisting, Policy},
    quality::QualityGate,
    rules::Rules,
};

/// 15 January 2027.
const NOW: UnixMs = 1_800_000_000_000;

/// A store and its outside.
struct Subject<D> {
    store: D,
    outside: Box<dyn Outside>,
    /// Where its files are, if it has any.
    _directory: Option<TempDir>,
}

fn model() -> Subject<Memory> {
    let memory = Memory::default();
    Subject {
        store: memory.clone(),
        outside: Box::new(Model::new(memory)),
        _directory: None,
    }
}

async fn sqlite() -> Subject<Store> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.db");
    let store = Store::open(&path, Role::Daemon).await.unwrap();
    simulate_clock(&path);
    let connection = Sqlite::connect(&path).unwrap();
    Subject {
        store,
        outside: Box::new(Sqlite::cleared(connection).unwrap()),
        _directory: Some(directory),
    }
}

/// The settings of the tests of both stores.
pub(super) fn policy() -> Policy {
    let schedule = Schedule {
        initial_interval_ms: 1_000,
        multiplier: 2.0,
        max_interval_ms: 10_000,
    };
    Policy {
        rules: Rules::KEPT,
        on_existing: OnExisting::Adopt,
        poll: schedule,
        first_look_ms: None,
        poll_timeout_ms: 1_800_000,
        retry: schedule,
        max_attempts: 2,
        settle_ms: 90_000,
        settle_after_error_ms: 30_000,
        quality_gate: QualityGate::Report,
        min_fill: 0.5,
        ladder: Some(Ladder {
            max_creates_per_job: 3,
            max_credits_per_day: None,
            credits_per_create: 30_000,
        }),
    }
}
