//! The scheduler: when nothing can run, it draws what goes on next. A commit, a read, a
//! request, an answer, time, a crash: one thing at a time, so one seed decides all.

use std::{cell::RefCell, fmt::Write as _, sync::Arc, time::Duration};

use tokio::sync::{Notify, oneshot, watch};

use super::{
    books::Books,
    chance::Chance,
    rules::BrokenRule,
    scenario::{BEGAN_AT, Focus, Scenario},
    wire::Packet,
};
use crate::{
    core::job::UnixMs,
    engine::worker::{Stop, turn::crash_point::CrashPoint},
    simulator::{Faults, Simulator},
};

/// After so many steps a run is stuck.
const MOST_STEPS: u32 = 10_000;

/// The longest sleep: longer than the machine's, to see more in less time.
const MAX_SLEEP_MS: i64 = 600_000;

thread_local! {
    static SIM: RefCell<Option<Sim>> = const { RefCell::new(None) };
}

/// How often the process crashed at each [`CrashPoint`].
pub(super) type CrashesAt = [u32; CrashPoint::ALL.len()];

/// What somebody waits to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Read,
    Commit,
    Committed,
    Send,
}

/// How it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Go {
    On,
    /// The commit fails and nothing is stored.
    FailBefore,
    /// The commit is reported lost and all is stored.
    FailAfter,
}

/// What the process does next, that only its owner can do to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Crash,
    /// The run is over.
    End,
}

/// What a run is for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Aim {
    /// The rule that the code under test breaks.
    pub broken: Option<BrokenRule>,
    /// What it is about; none where its seed says that.
    pub focus: Option<Focus>,
    /// Whether it is written down step by step.
    pub is_traced: bool,
}

#[derive(Debug)]
pub(super) struct Sim {
    /// Time as it passes; clocks may say otherwise.
    pub time: UnixMs,
    skew_ms: i64,
    pub clock_step_ms: i64,
    pub busy: usize,
    pub chance: Chance,
    /// The rule that the code under test breaks.
    pub broken: Option<BrokenRule>,
    pub plan: Scenario,
    pub books: Books,
    pub service: Simulator,
    /// What answers at another address.
    pub elsewhere: Simulator,
    /// The process asks there.
    pub is_elsewhere: bool,
    /// An older copy was put in the place of the database.
    pub was_restored: bool,
    pub packets: Vec<Packet>,
    pub is_down: bool,
    pub is_partial: bool,
    pub points: Vec<(What, oneshot::Sender<Go>)>,
    sleepers: Vec<(UnixMs, oneshot::Sender<()>)>,
    pub steps: u32,
    pub chaos_left: u32,
    pub failing_commits: u32,
    pub is_calm: bool,
    pub order: Option<Order>,
    /// The process crashes when a turn next comes there.
    pub crash_at: Option<CrashPoint>,
    /// How often it crashed at each.
    pub crashed_at: CrashesAt,
    pub ordered: Arc<Notify>,
    pub nudge: Option<Arc<Notify>>,
    pub stop: Option<watch::Sender<Stop>>,
    /// A daemon has the store.
    pub is_held: bool,
    /// Who waits for it.
    pub standby: Option<oneshot::Sender<()>>,
    pub trace: Option<String>,
    pub violation: Option<String>,
    pub crashes: u32,
    pub new_jobs: u32,
    /// How many pages were asked for.
    pub fetches: u64,
}

/// Whether this thread is in a simulation.
pub(super) fn in_simulation() -> bool {
    SIM.with_borrow(Option::is_some)
}

/// Does something with this thread's simulation.
pub(super) fn with<T>(work: impl FnOnce(&mut Sim) -> T) -> T {
    SIM.with_borrow_mut(|sim| work(sim.as_mut().expect("a simulation runs on this thread")))
}

pub(super) fn begin(sim: Sim) {
    SIM.set(Some(sim));
}

/// Takes the simulation off this thread.
pub(super) fn end() -> Option<Sim> {
    SIM.take()
}

/// Called whenever nothing on this thread can run.
pub(super) fn idle() {
    SIM.with_borrow_mut(|sim| {
        if let Some(sim) = sim {
            sim.go_on();
        }
    });
}

enum Occurrence {
    Point(usize),
    Packet(usize),
    Sleeper(usize),
}

impl Sim {
    pub fn new(seed: u64, mut chance: Chance, books: Books, aim: Aim) -> Self {
        let plan = Scenario::draw(&mut chance, aim.focus);
        let mut trace = aim.is_traced.then(String::new);
        if let Some(trace) = &mut trace {
            let _infallible = writeln!(trace, "{plan:?}");
        }
        let mut service = Simulator::new(plan.world(seed), plan.faults(seed));
        service.world.set_key("key");
        let mut elsewhere = Simulator::new(plan.world_elsewhere(seed), Faults::default());
        elsewhere.world.set_key("key");
        Self {
            time: BEGAN_AT,
            skew_ms: 0,
            clock_step_ms: 0,
            busy: 0,
            chaos_left: plan.chaos,
            is_partial: plan.is_partial,
            chance,
            broken: aim.broken,
            plan,
            books,
            service,
            elsewhere,
            is_elsewhere: false,
            was_restored: false,
            packets: Vec::new(),
            is_down: false,
            points: Vec::new(),
            sleepers: Vec::new(),
            steps: 0,
            failing_commits: 0,
            is_calm: false,
            order: None,
            crash_at: None,
            crashed_at: CrashesAt::default(),
            ordered: Arc::new(Notify::new()),
            nudge: None,
            stop: None,
            is_held: false,
            standby: None,
            trace,
            violation: None,
            crashes: 0,
            new_jobs: 0,
            fetches: 0,
        }
    }

    /// The time as the process has it.
    pub const fn now(&self) -> UnixMs {
        self.time + self.skew_ms
    }

    pub const fn take_clock_step(&mut self, step_ms: i64) {
        self.skew_ms += step_ms;
        self.clock_step_ms -= step_ms;
    }

    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let passed_ms = self.time - BEGAN_AT;
            let _infallible = writeln!(trace, "{:4} {:>9} ms  {}", self.steps, passed_ms, line());
        }
    }

    pub fn sleep(&mut self, pause: Duration) -> oneshot::Receiver<()> {
        let (wake, woken) = oneshot::channel();
        let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        let at = self.time + pause_ms.min(MAX_SLEEP_MS);
        self.sleepers.push((at, wake));
        woken
    }

    pub fn point(&mut self, what: What) -> oneshot::Receiver<Go> {
        let (release, released) = oneshot::channel();
        self.points.push((what, release));
        released
    }

    /// Looks at the database after a commit.
    pub fn look(&mut self) {
        let looked = self.books.look(&self.plan, &self.service.world, self.time);
        self.judge(looked);
        if self.trace.is_some() {
            let states: Vec<String> = self
                .books
                .jobs
                .iter()
                .map(|job| {
                    let reason = job.park_reason.as_deref().or(job.error_kind.as_deref());
                    format!(
                        "{}={} {} {}",
                        job.name,
                        job.state,
                        reason.unwrap_or_default(),
                        job.parser_id.as_deref().unwrap_or_default()
                    )
                })
                .collect();
            self.note(|| format!("  committed: {}", states.join(", ")));
        }
    }

    /// Ends the run if every job has come to rest.
    fn look_for_rest(&mut self) {
        let rest = self
            .books
            .at_rest(&self.plan, &self.service.world, self.time);
        match rest {
            Ok(true) if self.packets.iter().all(|packet| packet.reply.is_some()) => self.end(),
            Ok(_) => {}
            Err(why) => self.judge(Err(why)),
        }
    }

    pub fn judge(&mut self, verdict: Result<(), String>) {
        if let Err(why) = verdict
            && self.violation.is_none()
        {
            self.note(|| format!("VIOLATION: {why}"));
            self.violation = Some(why);
            self.end();
        }
    }

    fn end(&mut self) {
        self.order = Some(Order::End);
        self.ordered.notify_one();
    }

    pub fn crash(&mut self) {
        self.crashes += 1;
        self.order = Some(Order::Crash);
        self.ordered.notify_one();
    }

    /// The process that was is no more; the next one reads the clock as it is.
    pub fn restarted(&mut self) {
        self.order = None;
        self.crash_at = None;
        self.take_clock_step(self.clock_step_ms);
        self.books.crashed(self.time, self.now());
        self.points.clear();
        self.sleepers.clear();
        let standby = self.standby.take();
        self.is_held = standby.is_some();
        if let Some(standby) = standby {
            self.note(|| "the standby takes over".to_owned());
            let _gone = standby.send(());
        }
    }

    fn go_on(&mut self) {
        loop {
            if self.busy > 0 || self.order.is_some() {
                return;
            }
            self.points.retain(|(_, release)| !release.is_closed());
            self.sleepers.retain(|(_, wake)| !wake.is_closed());
            self.steps += 1;
            if self.steps > MOST_STEPS {
                let jobs = format!("{:?}", self.books.jobs);
                self.judge(Err(format!("stuck: {jobs}")));
                return;
            }
            if !self.is_calm {
                if self.steps > self.plan.calm_after {
                    self.calm();
                    continue;
                } else if self.chaos_left > 0 && self.chance.once_in(self.wreaks_once_in()) {
                    self.chaos_left -= 1;
                    self.wreak();
                    continue;
                }
            }
            if self.step() {
                return;
            }
        }
    }

    /// Most often where it matters most.
    fn wreaks_once_in(&self) -> u32 {
        let is_time = match self.plan.focus {
            Some(Focus::Freeze) => self.has_late_create(),
            Some(Focus::Retry) => self.books.jobs.iter().any(|job| job.state == "FAILED"),
            // Till then there is nothing to change.
            Some(Focus::Change) if !self.books.has_parser_to_change() => {
                return self.plan.chaos_once_in.max(48);
            }
            Some(Focus::Change) => true,
            _ => false,
        };
        if is_time {
            self.plan.chaos_once_in.min(8)
        } else {
            self.plan.chaos_once_in
        }
    }

    /// From here on nothing goes wrong any more.
    fn calm(&mut self) {
        self.note(|| "calm".to_owned());
        self.is_calm = true;
        self.crash_at = None;
        self.is_down = false;
        self.is_partial = false;
        self.failing_commits = 0;
        self.service.faults.clear();
        self.service.world.set_key("key");
        self.service.world.add_credits(100_000_000);
        if self.is_elsewhere {
            self.ask_elsewhere(false);
        }
    }

    /// The process is started anew, with another address, or with the one that it had.
    pub fn ask_elsewhere(&mut self, is_elsewhere: bool) {
        self.note(|| format!("another address is configured: {is_elsewhere}"));
        self.is_elsewhere = is_elsewhere;
        self.books.was_elsewhere = true;
        self.crash();
    }

    /// Does one thing. Returns whether somebody can run now.
    fn step(&mut self) -> bool {
        let mut events: Vec<Occurrence> = (0..self.points.len()).map(Occurrence::Point).collect();
        let mut next = UnixMs::MAX;
        for (index, packet) in self.packets.iter().enumerate() {
            match packet.event_at() {
                at if at <= self.time => events.push(Occurrence::Packet(index)),
                at => next = next.min(at),
            }
        }
        for (index, (at, _)) in self.sleepers.iter().enumerate() {
            if *at <= self.time {
                events.push(Occurrence::Sleeper(index));
            } else {
                next = next.min(*at);
            }
        }
        if events.is_empty() {
            if self.is_calm {
                self.look_for_rest();
                if self.order.is_some() {
                    return true;
                }
            }
            if next == UnixMs::MAX {
                self.judge(Err("nothing goes on and nobody waits for a time".to_owned()));
                return true;
            }
            self.time = next;
            return false;
        }
        let index = if events.len() == 1 {
            0
        } else {
            self.chance.index(events.len())
        };
        match events[index] {
            Occurrence::Point(index) => {
                let (what, release) = self.points.remove(index);
                let go = self.go(what);
                if what != What::Read {
                    self.note(|| format!("{what:?} {go:?}"));
                }
                release.send(go).is_ok()
            }
            Occurrence::Packet(index) => self.advance_packet(index),
            Occurrence::Sleeper(index) => {
                let (_, wake) = self.sleepers.remove(index);
                wake.send(()).is_ok()
            }
        }
    }

    fn go(&mut self, what: What) -> Go {
        if what != What::Commit || self.failing_commits == 0 {
            return Go::On;
        }
        self.failing_commits -= 1;
        if self.chance.once_in(2) {
            Go::FailAfter
        } else {
            Go::FailBefore
        }
    }
}
