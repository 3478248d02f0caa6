//! What this process counts as it works: requests, transitions, times. Figures that the
//! database knows better are no business of this module; see `http::exposition`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder};

use crate::{
    api::{
        Service,
        types::{AccountOutcome, CreateOutcome, CreateRequest, ListOutcome, PollOutcome, Refusal},
    },
    job::{JobState, ParkReason, ParserId, Progress, UnixMs},
};

/// Upper bounds of the buckets of a request's time, in seconds: the service retries
/// inside for 70 s.
const REQUEST_SECONDS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 75.0, 150.0];

/// Those of a generation, in seconds: minutes are usual, `poll.timeout` is 30 of them.
const GENERATION_SECONDS: &[f64] = &[
    5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0,
];

/// Counters and histograms of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    transitions: IntCounterVec,
    generation_seconds: HistogramVec,
    progressed_at: AtomicI64,
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let made = sure(IntCounterVec::new(Opts::new(name, help), labels));
            sure(registry.register(Box::new(made.clone())));
            made
        };
        let histogram = |name: &str, help: &str, label: &str, buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            let made = sure(HistogramVec::new(options, &[label]));
            sure(registry.register(Box::new(made.clone())));
            made
        };
        Self {
            requests: counter(
                "parserd_requests_total",
                "Requests to the service, by endpoint and by what came of them.",
                &["endpoint", "outcome"],
            ),
            request_seconds: histogram(
                "parserd_request_duration_seconds",
                "Time from a request's start to the end of its answer.",
                "endpoint",
                REQUEST_SECONDS,
            ),
            transitions: counter(
                "parserd_transitions_total",
                "Changes of a job's state that this process made.",
                &["from", "to"],
            ),
            generation_seconds: histogram(
                "parserd_generation_duration_seconds",
                "Time from when a parser was known to be made to its end, by that end.",
                "state",
                GENERATION_SECONDS,
            ),
            progressed_at: AtomicI64::new(0),
            registry,
        }
    }
}

/// Names, labels and buckets are constants, and every test that starts a daemon makes
/// them all.
fn sure<T>(made: prometheus::Result<T>) -> T {
    made.expect("a metric of this module is well formed and there once")
}

impl Metrics {
    /// Notes a change that is durable.
    pub fn applied(&self, before: &Progress, after: &Progress, now: UnixMs) {
        self.progressed_at.fetch_max(now, Ordering::Relaxed);
        let (from, to) = (before.state, after.state);
        if from == to {
            return;
        }
        self.transition(from, to, 1);
        if let (JobState::Generating, Some(since)) = (from, before.generating_since) {
            let seconds = now.saturating_sub(since).max(0) as f64 / 1000.0;
            self.generation_seconds
                .with_label_values(&[to.as_str()])
                .observe(seconds);
        }
    }

    /// Notes that `jobs` are PARKED no more.
    pub fn unparked(&self, jobs: i64, now: UnixMs) {
        if let Ok(jobs @ 1..) = u64::try_from(jobs) {
            self.progressed_at.fetch_max(now, Ordering::Relaxed);
            self.transition(JobState::Parked, JobState::Queued, jobs);
        }
    }

    /// When this process last stored a change of a job; none where it did not yet.
    pub fn progressed_at(&self) -> Option<UnixMs> {
        Some(self.progressed_at.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }

    /// All of it in Prometheus' text format.
    ///
    /// # Errors
    /// Where a family cannot be written; none of this module's is such.
    pub fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    fn transition(&self, from: JobState, to: JobState, jobs: u64) {
        self.transitions
            .with_label_values(&[from.as_str(), to.as_str()])
            .inc_by(jobs);
    }

    fn answered(&self, endpoint: &str, outcome: &str, began: Instant) {
        self.requests.with_label_values(&[endpoint, outcome]).inc();
        self.request_seconds
            .with_label_values(&[endpoint])
            .observe(began.elapsed().as_secs_f64());
    }
}

/// A service whose requests are counted.
#[derive(Debug)]
pub struct Measured<S> {
    service: S,
    metrics: Arc<Metrics>,
}

impl<S> Measured<S> {
    /// The same service, counted.
    pub const fn new(service: S, metrics: Arc<Metrics>) -> Self {
        Self { service, metrics }
    }
}

impl<S: Service> Service for Measured<S> {
    async fn create(&self, request: &CreateRequest) -> CreateOutcome {
        let began = Instant::now();
        let outcome = self.service.create(request).await;
        let word = match &outcome {
            CreateOutcome::Created { .. } => "created",
            CreateOutcome::Rejected(_) => "rejected",
            CreateOutcome::Refused(refusal, _) => refused(refusal),
            CreateOutcome::NotSent(_) => "not_sent",
            CreateOutcome::InDoubt(..) => "in_doubt",
        };
        self.metrics.answered("create", word, began);
        outcome
    }

    async fn details(&self, parser_id: &ParserId) -> PollOutcome {
        let began = Instant::now();
        let outcome = self.service.details(parser_id).await;
        let word = match &outcome {
            PollOutcome::Finished(_) => "finished",
            PollOutcome::Failed(_) => "failed",
            PollOutcome::Generating { .. } => "generating",
            PollOutcome::NotFound(_) => "not_found",
            PollOutcome::Refused(refusal, _) => refused(refusal),
            PollOutcome::Trouble(_) => "trouble",
        };
        self.metrics.answered("details", word, began);
        outcome
    }

    async fn list(&self) -> ListOutcome {
        let began = Instant::now();
        let outcome = self.service.list().await;
        let word = match &outcome {
            ListOutcome::Listed(_) => "listed",
            ListOutcome::Refused(refusal, _) => refused(refusal),
            ListOutcome::Trouble(_) => "trouble",
        };
        self.metrics.answered("list", word, began);
        outcome
    }

    async fn account(&self) -> Option<AccountOutcome> {
        let began = Instant::now();
        let outcome = self.service.account().await?;
        let word = match &outcome {
            AccountOutcome::Left { .. } => "answered",
            AccountOutcome::Refused(refusal, _) => refused(refusal),
            AccountOutcome::Unknown(_) => "trouble",
        };
        self.metrics.answered("account", word, began);
        Some(outcome)
    }
}

const fn refused(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Unauthorized => ParkReason::Unauthorized.as_str(),
        Refusal::Credits => ParkReason::Credits.as_str(),
        Refusal::Throttled { .. } => "throttled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_state_counts_once_and_a_generation_is_timed_by_its_end() {
        let metrics = Metrics::default();
        assert_eq!(metrics.progressed_at(), None);
        let mut before = Progress::queued(0);
        before.state = JobState::Generating;
        before.generating_since = Some(1_000);
        metrics.applied(&before, &before, 2_000);
        let mut after = before.clone();
        after.state = JobState::Finished;
        metrics.applied(&before, &after, 31_000);
        metrics.unparked(0, 99_000);
        metrics.unparked(3, 40_000);
        assert_eq!(metrics.progressed_at(), Some(40_000));
        let text = metrics.text().unwrap();
        for line in [
            "parserd_transitions_total{from=\"GENERATING\",to=\"FINISHED\"} 1",
            "parserd_transitions_total{from=\"PARKED\",to=\"QUEUED\"} 3",
            "parserd_generation_duration_seconds_sum{state=\"FINISHED\"} 30",
            "parserd_generation_duration_seconds_bucket{state=\"FINISHED\",le=\"15\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("from=\"GENERATING\",to=\"GENERATING\""));
    }
}
