//! Runs: one seed, many seeds, a failing seed shortened, a rule broken.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::Path,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use tokio::{sync::watch, task::JoinHandle};

use super::{
    books::Books,
    chance::{Chance, shortened},
    rules::{BrokenRule, breaks, kept},
    scenario::{self, REQUEST_TIMEOUT_MS},
    seam::{CrashProbe, SimulatedTime, hold},
    store::Simulated,
    wire::Wire,
    world::{self, Aim, CrashesAt, Order, Sim, with},
};
use crate::{
    clock::Clock,
    core::{list_lag::LagSamples, pace::Pace},
    engine::{
        account::Account,
        daemon::{Daemon, Until},
        worker::{Stop, Worker, lists::Lists},
    },
    store::{
        JobStore, LIST_LAG, RESTORED, Role, Store, StoreError,
        memory::Memory,
        outside::{Model, Outside, Sqlite, simulate_clock, template},
        ports::{Accounts as _, Facts as _},
    },
    wiring,
};

/// What came of a run.
#[derive(Debug)]
struct RunOutcome {
    violation: Option<String>,
    draws: Vec<u32>,
    trace: Option<String>,
    steps: u32,
    crashes: u32,
    crashed_at: CrashesAt,
    posts: usize,
    patches: usize,
    climbs: usize,
    fetches: u64,
}

/// A directory in memory where there is one: what a crash of the machine leaves is another
/// test's matter.
fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .on_thread_park(world::idle)
        .build()
        .unwrap()
}

/// What a run's store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StoreKind {
    Model,
    Sqlite,
}

/// A database for one run after another: opening one is most of the work of a run.
struct SharedDatabase {
    store: Store,
    connection: Rc<RefCell<rusqlite::Connection>>,
}

/// A thread's runtime and, for runs on SQLite, its database.
struct Stage {
    runtime: tokio::runtime::Runtime,
    database: Option<SharedDatabase>,
    aim: Aim,
}

impl Stage {
    fn new(kind: StoreKind, directory: &Path, template: &Path, aim: Aim) -> Self {
        let runtime = runtime();
        let database = (kind == StoreKind::Sqlite).then(|| {
            let path = directory.join(format!("{:?}.db", std::thread::current().id()));
            for end in ["", "-wal", "-shm", ".lock"] {
                let _none_there = std::fs::remove_file(format!("{}{end}", path.display()));
            }
            std::fs::copy(template, &path).unwrap();
            let store = runtime.block_on(Store::open(&path, Role::Daemon)).unwrap();
            simulate_clock(&path);
            SharedDatabase {
                store,
                connection: Sqlite::connect(&path).unwrap(),
            }
        });
        Self {
            runtime,
            database,
            aim,
        }
    }

    /// Runs a seed, or its draws as they were or were shortened.
    fn run(&self, seed: u64, draws: Option<&[u32]>) -> RunOutcome {
        if let Some(SharedDatabase { store, connection }) = &self.database {
            let ground = Sqlite::cleared(Rc::clone(connection)).unwrap();
            return self.run_on(seed, draws, Box::new(ground), store.clone());
        }
        let memory = Memory::default();
        let ground = Model::new(memory.clone());
        self.run_on(seed, draws, Box::new(ground), memory)
    }

    fn run_on(
        &self,
        seed: u64,
        draws: Option<&[u32]>,
        ground: Box<dyn Outside>,
        store: impl JobStore,
    ) -> RunOutcome {
        fastrand::seed(seed);
        let chance = draws.map_or_else(|| Chance::seeded(seed), Chance::replaying);
        let mut sim = Sim::new(seed, chance, Books::on(ground), self.aim);
        let now = sim.now();
        for job in 0..sim.plan.jobs {
            let name = ["a", "b", "c"][job as usize];
            let has_fields = sim.plan.focus == Some(scenario::Focus::Change);
            let (urls, checks) = (sim.urls(name, 0), sim.plan.checks);
            let inserted = sim.books.insert(now, name, &urls, checks, has_fields);
            assert_eq!(inserted, 1);
        }
        sim.look();
        world::begin(sim);
        self.runtime.block_on(drive(&Simulated(store)));
        let sim = world::end().unwrap();
        RunOutcome {
            violation: sim.violation,
            draws: sim.chance.drawn().to_vec(),
            trace: sim.trace,
            steps: sim.steps,
            crashes: sim.crashes,
            crashed_at: sim.crashed_at,
            posts: sim.books.posts.len(),
            patches: sim.books.patches.len(),
            climbs: sim.books.climbs().count(),
            fetches: sim.fetches,
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(SharedDatabase { store, .. }) = self.database.take() {
            self.runtime.block_on(store.close());
        }
    }
}

/// Starts process after process until the run is over, where the scenario says so each with
/// another that waits to take over.
async fn drive<D: JobStore>(store: &Simulated<D>) {
    let ordered = with(|sim| sim.ordered.clone());
    let mut standby: Option<JoinHandle<_>> = None;
    loop {
        let mut daemon = match standby.take() {
            Some(standby) => standby,
            None => tokio::spawn(process(store.clone())),
        };
        if with(|sim| sim.plan.has_standby) {
            standby = Some(tokio::spawn(process(store.clone())));
        }
        let ended = tokio::select! {
            biased;
            () = ordered.notified() => None,
            ended = &mut daemon => Some(ended),
        };
        match ended {
            None => end(daemon).await,
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => with(|sim| sim.note(|| format!("the process ends: {error}"))),
            Some(Err(panic)) => with(|sim| sim.judge(Err(format!("a panic: {panic}")))),
        }
        let is_over = with(|sim| sim.order == Some(Order::End));
        // One that did not wait is at work, and what it waits for goes with the other's.
        if let Some(standby) = standby.take_if(|_| is_over || breaks(BrokenRule::OneDaemon)) {
            end(standby).await;
        }
        // Their tasks end as soon as they are looked at.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        if is_over {
            return;
        }
        with(Sim::restarted);
    }
}

async fn end<T>(process: JoinHandle<T>) {
    process.abort();
    let _cancelled = process.await;
}

async fn process<D: JobStore>(store: Simulated<D>) -> Result<(), StoreError> {
    if !breaks(BrokenRule::OneDaemon) {
        hold().await;
    }
    let (stop_sender, stop) = watch::channel(Stop::No);
    with(|sim| sim.stop = Some(stop_sender));
    let clock = Clock::on(SimulatedTime);
    let mut preflight = with(|sim| sim.plan.preflight);
    if breaks(BrokenRule::FetchBounds) {
        preflight.max_credits_per_job = 1_000;
    }
    let (kept, is_bounded) = (kept(), !breaks(BrokenRule::Budget));
    preflight.rules = kept;
    let (policy, gates, budget, limits, max_requests, credits_per_create) = with(|sim| {
        let plan = &sim.plan;
        (
            plan.policy(kept),
            plan.gate_policy(kept),
            plan.budget(is_bounded),
            plan.limits(),
            plan.max_requests as usize,
            plan.credits_per_create,
        )
    });
    let is_another = with(|sim| sim.was_restored);
    let address = with(|sim| sim.is_elsewhere.to_string());
    store.begin_epoch(address, clock.now()).await?;
    let wait_ms = wiring::hold_another(&store, is_another, policy.settle_ms, clock.now()).await?;
    // As the mark beside the database: only now is it taken over.
    with(|sim| sim.was_restored = false);
    let restored = store.fact(RESTORED).await?;
    let account = Account::load(&store, gates, budget, max_requests, clock.now()).await?;
    let mut lag_samples = store.fact(LIST_LAG).await?.unwrap_or_default();
    if lag_samples == LagSamples::default() {
        lag_samples = with(|sim| sim.plan.list_lag());
    }
    let lists = Lists::knowing(lag_samples);
    let worker = Worker {
        store,
        service: Wire,
        metrics: Arc::default(),
        policy,
        account,
        lists,
        pace: Mutex::new(Pace::default()),
        in_hand: Mutex::default(),
        clock,
        name_tag: true,
        credits_per_create,
        credits_per_parse: with(|sim| sim.plan.credits_per_parse),
        preflight,
        request_timeout_ms: REQUEST_TIMEOUT_MS,
        lists_not_before: AtomicI64::new(0),
        is_sweeping: AtomicBool::new(restored.is_some()),
        has_taken_up: AtomicBool::new(false),
        has_adopted_otherwise: AtomicBool::new(false),
        restored,
        stop,
        probe: &CrashProbe,
    };
    let daemon = Daemon::new(worker, limits, Until::Stopped).holding_creates_for(wait_ms);
    with(|sim| sim.nudge = Some(daemon.nudge()));
    daemon.run_unwatched().await
}

/// The seeds to run.
#[derive(Debug, Clone, Copy)]
struct Seeds {
    first: u64,
    count: u64,
    /// It stops after so many that fail.
    max_failed: usize,
}

/// Runs seeds on so many threads. Returns those that failed, and why.
fn sweep(
    kind: StoreKind,
    seeds: Seeds,
    threads: usize,
    aim: Aim,
) -> (BTreeMap<u64, String>, Totals) {
    let directory = directory();
    let template = template(directory.path());
    let next = AtomicU64::new(seeds.first);
    let end = seeds.first + seeds.count;
    let failed: Mutex<BTreeMap<u64, String>> = Mutex::default();
    let totals = Mutex::new(Totals::default());
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (next, failed, totals) = (&next, &failed, &totals);
            let (directory, template) = (directory.path(), template.as_path());
            scope.spawn(move || {
                if kind == StoreKind::Sqlite {
                    stay_on(thread);
                }
                let mut stage = Stage::new(kind, directory, template, aim);
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || failed.lock().unwrap().len() >= seeds.max_failed {
                        break;
                    }
                    let outcome = stage.run(seed, None);
                    let mut totals = totals.lock().unwrap();
                    totals.seeds += 1;
                    totals.steps += u64::from(outcome.steps);
                    totals.crashes += u64::from(outcome.crashes);
                    totals.posts += outcome.posts as u64;
                    totals.patches += outcome.patches as u64;
                    totals.climbs += outcome.climbs as u64;
                    totals.fetches += outcome.fetches;
                    for (total, count) in totals.crashed_at.iter_mut().zip(outcome.crashed_at) {
                        *total += count;
                    }
                    drop(totals);
                    if let Some(why) = outcome.violation {
                        let told = if aim.broken.is_none() {
                            report(seed, &why, &outcome.draws, &mut stage)
                        } else {
                            why
                        };
                        failed.lock().unwrap().insert(seed, told);
                    }
                }
            });
        }
    });
    (failed.into_inner().unwrap(), totals.into_inner().unwrap())
}

/// Keeps this thread, and the database's that it starts, on one processor: they work in
/// turns, and to wake another processor costs more than the work.
fn stay_on(thread: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else {
        return;
    };
    let mut processors = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
    let mut one = CpuSet::new();
    if let Some(cpu) = processors.nth(thread) {
        one.set(cpu);
        // Without it the work is only slower.
        let _refused = sched_setaffinity(None, &one);
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Totals {
    seeds: u64,
    steps: u64,
    crashes: u64,
    crashed_at: CrashesAt,
    posts: u64,
    patches: u64,
    climbs: u64,
    fetches: u64,
}

/// A failing seed with a trace in which as little happens as still fails.
fn report(seed: u64, why: &str, draws: &[u32], stage: &mut Stage) -> String {
    let fails = |draws: &[u32]| stage.run(seed, Some(draws)).violation.is_some();
    let short = shortened(draws, 300, fails);
    stage.aim.is_traced = true;
    let outcome = stage.run(seed, Some(&short));
    format!(
        "seed {seed}: {why}\nshortened from {} draws to {}: {}\n{}",
        draws.len(),
        short.len(),
        outcome.violation.unwrap_or_default(),
        outcome.trace.unwrap_or_default(),
    )
}

mod tests;
