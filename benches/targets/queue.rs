//! Target 1: the queue alone. Claims and transitions by concurrent callers, no HTTP.

use std::{collections::HashSet, time::Instant};

use parserd::{
    core::{
        backoff::Schedule,
        job::{Job, ParserId, UnixMs},
        lifecycle::{Event, OnExisting, Policy, Presence, Transition, decide},
        outcome::{CreateOutcome, Finished, PollOutcome},
        quality::QualityGate,
        rules::Rules,
        spec::JobSpec,
    },
    store::{Applied, Changes as _, Intent, Queue as _, Role, Store},
};
use tokio::runtime::Runtime;

use crate::{limits, place::Place, table::Row};

/// Jobs of one measurement.
const JOBS: usize = 20_000;

/// Callers at once.
const CALLERS: usize = 512;

/// How often each queue is drained; the median counts.
const TURNS: usize = 3;

/// Rows that are there beside, each way.
const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];

const NOW: UnixMs = 2_000_000_000_000;

pub fn run() -> Vec<Row> {
    let runtime = Runtime::new().unwrap();
    let (commits, _) = limits::single_commits();
    let beside = |state: &'static str| SIZES.map(|size| Some((state, size)));
    let queues: Vec<_> = std::iter::once(None)
        .chain(beside("QUEUED"))
        .chain(beside("FINISHED"))
        .map(|filled| (filled, filled_place(filled)))
        .collect();
    // In turns, so that a noisy minute is no queue's own.
    let mut speeds = vec![Vec::new(); queues.len()];
    for turn in 0..TURNS {
        for ((_, place), speeds) in queues.iter().zip(&mut speeds) {
            speeds.push(drained(&runtime, place, turn));
        }
    }
    let median = |speeds: &mut Vec<f64>| {
        speeds.sort_by(f64::total_cmp);
        speeds[TURNS / 2]
    };
    let medians: Vec<_> = speeds.iter_mut().map(median).collect();
    let empty = medians[0];
    let transitions = empty * 3.0;
    let mut rows = vec![
        Row::at_least_times(
            "1",
            "jobs through all transitions",
            empty,
            (2.0 / 3.0, commits, "single commits"),
            "/s",
        ),
        Row::at_least_times(
            "1",
            "transitions a second",
            transitions,
            (2.0, commits, "single commits"),
            "/s",
        ),
    ];
    for ((filled, _), speed) in queues.iter().zip(medians) {
        if let Some((state, size)) = filled {
            let what = format!("beside {size} {state}");
            rows.push(
                Row::at_least("1", &what, speed, 0.8 * empty, "jobs/s")
                    .ratio(format!("{:.2} of an empty one", speed / empty)),
            );
        }
    }
    rows
}

fn filled_place(filled: Option<(&str, usize)>) -> Place {
    let place = Place::new();
    place.make_database();
    if let Some((state, size)) = filled {
        place.fill(&filler(state, size));
    }
    place
}

/// Rows beside those that are drained: later, or long done.
fn filler(state: &str, count: usize) -> String {
    let parser = if state == "FINISHED" {
        "'p' || i"
    } else {
        "NULL"
    };
    format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
         INSERT INTO jobs (name, urls, state, parser_id, due_at, finished_at) \
         SELECT 'other ' || i, '[\"https://example.com/' || i || '\"]', '{state}', {parser}, \
                {NOW} + 1000000, 1 FROM n"
    )
}

/// Jobs a second through CREATING and GENERATING to FINISHED.
fn drained(runtime: &Runtime, place: &Place, turn: usize) -> f64 {
    runtime.block_on(async {
        let store = Store::open(&place.database(), Role::Daemon).await.unwrap();
        let specs = (0..JOBS).map(|n| {
            let url = format!("[\"https://shop.example.com/{n}\"]");
            JobSpec::from_columns(&format!("job {turn} {n}"), &url, None, None).unwrap()
        });
        store.submit(specs.collect(), false).await.unwrap();
        let began = Instant::now();
        let mut callers = tokio::task::JoinSet::new();
        let mut claimed = HashSet::new();
        while claimed.len() < JOBS || !callers.is_empty() {
            if claimed.len() < JOBS && callers.len() <= CALLERS / 2 {
                // Those that were just claimed are due until they are CREATING.
                let due = store.due_creates(NOW, CALLERS).await.unwrap();
                for queued in due {
                    if claimed.insert(queued.job.id) {
                        callers.spawn(take_through(store.clone(), queued.job));
                    }
                }
            }
            callers.join_next().await.unwrap().unwrap();
            while callers.try_join_next().is_some() {}
        }
        let speed = JOBS as f64 / began.elapsed().as_secs_f64();
        store.close().await;
        speed
    })
}

async fn take_through(store: Store, mut job: Job) {
    let name = format!("job_pd_{}", job.id.0);
    let parser_id = ParserId(format!("parser-{}", job.id.0));
    let events = [
        Event::Listed {
            presence: Presence::Absent,
            remote_name: name,
            recreation: 0,
        },
        Event::CreateAnswered(CreateOutcome::Created {
            parser_id,
            version: Some(0),
        }),
        Event::Polled(PollOutcome::Finished(Finished::default())),
    ];
    for event in events {
        let Transition::Change(change) = decide(&job, event, &policy(), NOW, 0.5) else {
            panic!("{job:?}");
        };
        let intent = Intent {
            credits: 30_000,
            sent_at: NOW,
            ..Intent::default()
        };
        let applied = store.apply(&job, &change, intent, NOW).await.unwrap();
        assert!(matches!(applied, Applied::Durable { .. }));
        job.revision += 1;
        job.progress = change.next;
    }
}

fn policy() -> Policy {
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
        max_attempts: 5,
        settle_ms: 900_000,
        settle_after_error_ms: 30_000,
        quality_gate: QualityGate::Report,
        min_fill: 0.5,
        ladder: None,
    }
}
