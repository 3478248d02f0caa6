//! What happens to jobs, as lines that are told while it happens.

use std::time::Duration;

use tokio::sync::Mutex;

use super::fold;
use crate::{
    clock::Clock,
    core::{job::UnixMs, text::escaped},
    present::{format::span, narrate},
    store::{Store, StoreError, history::EventRow},
    telemetry::{self, Looks},
};

/// How many lines of the history are read at once.
const STEP: usize = 1_000;

/// How often it looks: soon enough for somebody who watches, and by an index.
const INTERVAL: Duration = Duration::from_millis(200);

/// How lines look between those that are told.
pub(super) const LOOKS: Looks = Looks {
    span,
    folded: |line| fold::hanging(fold::message_width(), line, TIME_WIDTH),
};

/// How wide the time before a line is, with the gap behind it.
const TIME_WIDTH: usize = 10;

/// `3 s  books-listing: finished, the parser is ready`, folded where standard error is a terminal.
pub(super) fn line(elapsed_ms: i64, name: &str, text: &str) -> String {
    let time = format!("{:>1$}  ", span(elapsed_ms), TIME_WIDTH - 2);
    let line = format!("{time}{}: {}", escaped(name), escaped(text));
    fold::hanging(fold::message_width(), &line, TIME_WIDTH)
}

/// Whether an event of the history is worth a line of its own. A thousand jobs of a file are queued
/// in one moment, and that has a line already.
pub(super) fn is_worth_telling(row: &EventRow) -> bool {
    row.job_id.is_some() && row.event.event != "queued"
}

/// Tells the events of a database's jobs from some moment on.
#[derive(Debug)]
pub(super) struct Narrator {
    store: Store,
    started_at: UnixMs,
    /// The last event that was told.
    told: Mutex<i64>,
}

impl Narrator {
    /// One that tells what happens from now on.
    pub(super) async fn new(store: Store) -> Result<Self, StoreError> {
        let last = store.latest_events(1).await?;
        Ok(Self {
            store,
            started_at: Clock::system().now(),
            told: Mutex::new(last.first().map_or(0, |row| row.id)),
        })
    }

    /// Tells everything as it happens. For ever.
    pub(super) async fn keep(&self) {
        loop {
            // The daemon itself reports what is wrong with the database.
            let _reported = self.tell().await;
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Tells what happened since the last time.
    pub(super) async fn tell(&self) -> Result<(), StoreError> {
        let mut told = self.told.lock().await;
        loop {
            let rows = self.store.events_after(*told, None, STEP).await?;
            for row in &rows {
                *told = row.id;
                if is_worth_telling(row) {
                    let elapsed_ms = row.event.at - self.started_at;
                    let line = line(elapsed_ms, &row.name, &narrate::event(&row.event));
                    // That nobody reads it must end no daemon.
                    let _nobody_reads = telemetry::write_line(&line);
                }
            }
            if rows.len() < STEP {
                return Ok(());
            }
        }
    }
}
