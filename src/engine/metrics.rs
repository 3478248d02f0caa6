//! What this process counts as it works: requests, transitions, times. Figures that the
//! database knows better are not this module's business; see `http::exposition`.

mod measured;
mod refusal;

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Instant,
};

use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use crate::core::job::{JobState, Progress, UnixMs};
pub use measured::Measured;
pub use refusal::PageRefusal;

/// Upper bounds of the buckets of a request's time, in seconds: the service retries
/// inside for 70 s.
const REQUEST_SECONDS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 75.0, 150.0];

/// Those of a generation, in seconds: minutes are usual, `poll.timeout` is 30 of them.
const GENERATION_SECONDS: &[f64] = &[
    5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0,
];

/// What can come of a request, by endpoint. All are told from the start, as 0: the first
/// step of a counter that was not there before is lost to `rate` and `increase`.
const OUTCOMES: &[(&str, &[&str])] = &[
    (
        "create",
        &[
            "created",
            "rejected",
            "unauthorized",
            "credits",
            "throttled",
            "not_sent",
            "in_doubt",
        ],
    ),
    (
        "details",
        &[
            "finished",
            "failed",
            "generating",
            "not_found",
            "unauthorized",
            "credits",
            "throttled",
            "trouble",
        ],
    ),
    (
        "list",
        &["listed", "unauthorized", "credits", "throttled", "trouble"],
    ),
    (
        "account",
        &[
            "answered",
            "unauthorized",
            "credits",
            "throttled",
            "trouble",
        ],
    ),
];

/// The usual changes of state, for the same reason.
const CHANGES: &[(JobState, &[JobState])] = &[
    (
        JobState::Queued,
        &[
            JobState::Creating,
            JobState::Generating,
            JobState::Parked,
            JobState::Failed,
        ],
    ),
    (
        JobState::Creating,
        &[
            JobState::Queued,
            JobState::Generating,
            JobState::Parked,
            JobState::Failed,
        ],
    ),
    (
        JobState::Generating,
        &[JobState::Finished, JobState::Failed],
    ),
    (JobState::Parked, &[JobState::Queued]),
];

/// Counters and histograms of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    transitions: IntCounterVec,
    generation_seconds: HistogramVec,
    refusals: IntCounterVec,
    in_flight: IntGauge,
    limit: IntGauge,
    progressed_at: AtomicI64,
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        // Memory, processor time and open files of this process.
        #[cfg(target_os = "linux")]
        sure(registry.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        )));
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
        let gauge = |name: &str, help: &str| {
            let made = sure(IntGauge::new(name, help));
            sure(registry.register(Box::new(made.clone())));
            made
        };
        let metrics = Self {
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
            refusals: counter(
                "parserd_page_refusals_total",
                "Requests that the page refused, by why.",
                &["reason"],
            ),
            in_flight: gauge(
                "parserd_requests_in_flight",
                "Requests to the service that are under way.",
            ),
            limit: gauge(
                "parserd_requests_limit",
                "How many may be under way at once: workers.max_requests, or fewer after a 429.",
            ),
            progressed_at: AtomicI64::new(0),
            registry,
        };
        metrics.tell_all();
        metrics
    }
}

/// Names, labels and buckets are constants, and every test that starts a daemon makes
/// them all.
fn sure<T>(made: prometheus::Result<T>) -> T {
    made.expect("a metric of this module is well formed and there once")
}

impl Metrics {
    fn tell_all(&self) {
        for (endpoint, outcomes) in OUTCOMES {
            self.request_seconds.with_label_values(&[*endpoint]);
            for outcome in *outcomes {
                self.requests.with_label_values(&[*endpoint, *outcome]);
            }
        }
        for (from, to) in CHANGES {
            for to in *to {
                self.transition(*from, *to, 0);
            }
        }
        for refusal in PageRefusal::ALL {
            self.refusals.with_label_values(&[refusal.as_str()]);
        }
        for end in [JobState::Finished, JobState::Failed] {
            self.generation_seconds.with_label_values(&[end.as_str()]);
        }
    }

    /// Notes that the page refused a request.
    pub fn refused(&self, refusal: PageRefusal) {
        self.refusals.with_label_values(&[refusal.as_str()]).inc();
    }

    /// Notes how many requests may be under way at once.
    pub fn limited(&self, requests: usize) {
        self.limit.set(i64::try_from(requests).unwrap_or(i64::MAX));
    }

    /// Notes a change that is durable.
    pub fn applied(&self, before: &Progress, after: &Progress, now: UnixMs) {
        self.progressed_at.store(now, Ordering::Relaxed);
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
    pub fn unparked(&self, jobs: usize, now: UnixMs) {
        if let Ok(jobs @ 1..) = u64::try_from(jobs) {
            self.progressed_at.store(now, Ordering::Relaxed);
            self.transition(JobState::Parked, JobState::Queued, jobs);
        }
    }

    /// How many jobs this process brought to FINISHED.
    pub fn finished(&self) -> i64 {
        let from = |from: &JobState| {
            let labels = [from.as_str(), JobState::Finished.as_str()];
            self.transitions.with_label_values(&labels).get()
        };
        i64::try_from(JobState::ALL.iter().map(from).sum::<u64>()).unwrap_or(i64::MAX)
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

    fn begun(&self) -> RequestLabels<'_> {
        self.in_flight.inc();
        RequestLabels {
            metrics: self,
            began: Instant::now(),
        }
    }
}

/// A request that is under way. Dropped unanswered, it was given up.
struct RequestLabels<'a> {
    metrics: &'a Metrics,
    began: Instant,
}

impl RequestLabels<'_> {
    fn answered(&self, endpoint: &str, outcome: &str) {
        let metrics = self.metrics;
        metrics
            .requests
            .with_label_values(&[endpoint, outcome])
            .inc();
        metrics
            .request_seconds
            .with_label_values(&[endpoint])
            .observe(self.began.elapsed().as_secs_f64());
    }
}

impl Drop for RequestLabels<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_in_flight_until_it_is_answered_or_given_up() {
        let metrics = Metrics::default();
        let given_up = metrics.begun();
        metrics.begun().answered("list", "listed");
        assert_eq!(metrics.in_flight.get(), 1);
        drop(given_up);
        assert_eq!(metrics.in_flight.get(), 0);
    }

    #[test]
    fn a_change_of_state_counts_once_and_a_generation_is_timed_by_its_end() {
        let metrics = Metrics::default();
        assert_eq!(metrics.progressed_at(), None);
        // Counted by nothing yet, and told anyway.
        let untouched = metrics.text().unwrap();
        for line in [
            "parserd_transitions_total{from=\"CREATING\",to=\"FAILED\"} 0",
            "parserd_requests_total{endpoint=\"create\",outcome=\"in_doubt\"} 0",
            "parserd_generation_duration_seconds_count{state=\"FAILED\"} 0",
        ] {
            assert!(untouched.lines().any(|found| found == line), "{line}");
        }
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
        assert_eq!(metrics.finished(), 1);
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
