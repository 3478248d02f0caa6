//! The log of what happens, from the history: whoever brought it about, it has its line.

use std::time::Duration;

use tokio::sync::Mutex;

use crate::{
    cli::narrator,
    clock::Clock,
    core::{
        job::{JobState, UnixMs},
        text::escaped,
    },
    present::log_line::{self, Grouping, LogFields, LogLine, Surroundings, Urgency},
    store::{Store, StoreError, history::EventRow},
    telemetry::{self, Telling},
};

/// How many lines of the history are read at once.
const STEP: usize = 1_000;

/// How often it looks: soon enough for somebody who watches, and by an index.
const INTERVAL: Duration = Duration::from_millis(200);

/// Logs what happens from some moment on.
#[derive(Debug)]
pub(super) struct HistoryLog {
    store: Store,
    clock: Clock,
    telling: Telling,
    started_at: UnixMs,
    place: Mutex<Place>,
}

/// How far the log has come.
#[derive(Debug)]
struct Place {
    /// The last event that was read.
    event: i64,
    grouping: Grouping,
}

impl HistoryLog {
    /// One that logs what happens from now on.
    pub(super) async fn new(
        store: &Store,
        clock: &Clock,
        telling: Telling,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            started_at: clock.now(),
            place: Mutex::new(Place {
                event: store.last_event().await?,
                grouping: Grouping::default(),
            }),
            store: store.clone(),
            clock: clock.clone(),
            telling,
        })
    }

    /// Logs everything as it happens. For ever.
    pub(super) async fn keep(&self) {
        loop {
            // The daemon itself reports what is wrong with the database; nothing is skipped.
            let _reported = self.log().await;
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Logs what is left: nothing more happens.
    pub(super) async fn finish(&self) -> Result<(), StoreError> {
        self.log().await?;
        let rest = self.place.lock().await.grouping.rest();
        self.write(rest, self.clock.now());
        Ok(())
    }

    /// Logs what happened since the last time.
    async fn log(&self) -> Result<(), StoreError> {
        let mut place = self.place.lock().await;
        loop {
            let rows = self.store.events_after(place.event, None, STEP).await?;
            let around = self.surroundings(&rows).await?;
            let lines = rows.iter().filter_map(|row| log_line::line(row, &around));
            let now = self.clock.now();
            let lines = place.grouping.pass(lines.collect(), now);
            self.write(lines, now);
            place.event = rows.last().map_or(place.event, |row| row.id);
            if rows.len() < STEP {
                return Ok(());
            }
        }
    }

    async fn surroundings(&self, rows: &[EventRow]) -> Result<Surroundings, StoreError> {
        let mut around = Surroundings::default();
        let jobs = rows.iter().filter(|row| log_line::needs_standing(row));
        let jobs: Vec<i64> = jobs.filter_map(|row| row.job_id).collect();
        if !jobs.is_empty() {
            around.standings = self.store.standings(&jobs).await?;
        }
        if rows.iter().any(|row| row.event.event == "gate_closed") {
            let counts = self.store.counts().await?;
            around.waiting = counts.of(JobState::Queued) + counts.of(JobState::Parked);
        }
        Ok(around)
    }

    fn write(&self, lines: Vec<LogLine>, now: UnixMs) {
        for line in lines {
            match self.telling {
                Telling::Fields => emit(line.urgency, line.words(), line.fields),
                Telling::Lines => emit(line.urgency, line.words(), line.fields.briefly()),
                Telling::Words => {
                    if line.urgency > Urgency::Detail {
                        let name = line.fields.name.as_deref();
                        let line = narrator::line(now - self.started_at, name, &line.words());
                        // That nobody reads it must end no daemon.
                        let _nobody_reads = telemetry::write_line(&line);
                    }
                }
            }
        }
    }
}

macro_rules! emit {
    ($level:expr, $text:expr, $fields:expr) => {
        tracing::event!(
            $level,
            event = $fields.event,
            job = $fields.job,
            name = $fields.name,
            jobs = $fields.jobs,
            state = $fields.state,
            attempt = $fields.attempt,
            parser_id = $fields.parser_id,
            http_status = $fields.http_status,
            elapsed_ms = $fields.elapsed_ms,
            park_reason = $fields.park_reason,
            error_kind = $fields.error_kind,
            error_message = $fields.error_message,
            quality = $fields.quality,
            reason = $fields.reason,
            gate = $fields.gate,
            next_probe_at = $fields.next_probe_at,
            period = $fields.figures.period,
            spent = $fields.figures.spent,
            limit = $fields.figures.limit,
            share = $fields.figures.share,
            finished = $fields.figures.finished,
            failed = $fields.figures.failed,
            parked = $fields.figures.parked,
            cancelled = $fields.figures.cancelled,
            queued = $fields.figures.queued,
            credits = $fields.figures.credits,
            "{}",
            $text
        )
    };
}

fn emit(urgency: Urgency, text: String, fields: LogFields) {
    let text = escaped(&text);
    match urgency {
        Urgency::Detail => emit!(tracing::Level::DEBUG, text, fields),
        Urgency::Info => emit!(tracing::Level::INFO, text, fields),
        Urgency::Warning => emit!(tracing::Level::WARN, text, fields),
        Urgency::NeedsPerson => emit!(tracing::Level::ERROR, text, fields),
    }
}
