//! A small daemon on a small database, to which random things happen: the agenda, kept as the
//! real one keeps it, must not let it forget what the database shows to be due.

mod events;

use std::collections::{BTreeSet, VecDeque};

use super::*;
use crate::core::{
    gate::{Gate, GatePolicy},
    rules::Rules,
};

const RUNS: u64 = 3_000;
const EVENTS: usize = 120;
const JOBS: usize = 8;
/// So few are claimed at once, and so many due polls are for a list.
const BATCH: usize = 2;
const SINGLE_POLLS: usize = 2;
const MAX_GENERATING: usize = 4;
const FREED_AT_ONCE: usize = 2;

const POLICY: GatePolicy = GatePolicy {
    rules: Rules::KEPT,
    probe_interval_ms: 40,
    max_probe_interval_ms: 80,
    hold_interval_ms: 10,
    max_hold_interval_ms: 20,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Queued(UnixMs),
    Creating,
    Doubt(UnixMs),
    Generating(UnixMs),
    Parked,
    Finished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    List,
    Doubts,
    Survey,
    Poll,
    Create,
}

#[derive(Debug)]
struct Task {
    kind: Kind,
    jobs: Vec<usize>,
    is_overtaken: bool,
    /// A create's, without leave to send it: it may cost nothing.
    is_free: bool,
    /// Whether it is the canary of the gate for creates, and of the one for reads.
    canary: [bool; 2],
}

#[derive(Debug)]
struct Model {
    random: fastrand::Rng,
    now: UnixMs,
    agenda: Agenda,
    jobs: Vec<State>,
    leased: BTreeSet<usize>,
    creates: VecDeque<usize>,
    polls: VecDeque<usize>,
    news: VecDeque<usize>,
    tasks: Vec<Task>,
    gates: [Gate; 2],
    max_requests: usize,
    lists_at: UnixMs,
    wait_ends_at: UnixMs,
    budget_hold_at: UnixMs,
    /// Nothing held the parked jobs when that was last looked at.
    was_lifted: bool,
    wants_list: bool,
    is_nudged: bool,
    /// From here on nothing goes wrong.
    is_calm: bool,
    starts: usize,
}

const CREATE: usize = 0;
const READ: usize = 1;

impl Model {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let jobs = (0..JOBS)
            .map(|_| State::Queued(random.i64(0..50)))
            .collect();
        Self {
            now: 0,
            agenda: Agenda::default(),
            jobs,
            leased: BTreeSet::new(),
            creates: VecDeque::new(),
            polls: VecDeque::new(),
            news: VecDeque::new(),
            tasks: Vec::new(),
            gates: [Gate::Open; 2],
            max_requests: random.usize(1..4),
            lists_at: 0,
            wait_ends_at: random.i64(0..30),
            budget_hold_at: 0,
            was_lifted: false,
            wants_list: random.bool(),
            is_nudged: true,
            is_calm: false,
            starts: 0,
            random,
        }
    }

    fn in_flight(&self, kind: Kind) -> usize {
        self.tasks.iter().filter(|task| task.kind == kind).count()
    }

    fn view(&self) -> View {
        View {
            now: self.now,
            agenda: self.agenda,
            has_room: self.tasks.len() < self.max_requests,
            create_gate: self.gates[CREATE].admits(self.now),
            lets_free: self.gates[CREATE] != Gate::Open,
            read_gate: self.gates[READ].admits(self.now),
            lists_at: self.lists_at,
            creates_wait_ms: (self.wait_ends_at - self.now).max(0),
            budget_hold: (self.budget_hold_at > self.now).then_some(self.budget_hold_at),
            list_wish: if self.wants_list {
                ListWish::Lasting
            } else {
                ListWish::None
            },
            is_sweeping: false,
            claimed: ClaimedCounts {
                creates: self.creates.len(),
                polls: self.polls.len(),
                news: self.news.len(),
            },
            in_flight: InFlight {
                creates: self.in_flight(Kind::Create),
                doubts: self.in_flight(Kind::Doubts),
            },
        }
    }

    /// What is due of a state, and when the next one is.
    fn due(&self, at: impl Fn(State) -> Option<UnixMs>) -> (Vec<usize>, Option<UnixMs>) {
        let times = || self.jobs.iter().map(|state| at(*state)).enumerate();
        let due = times().filter(|(_, at)| at.is_some_and(|at| at <= self.now));
        let next = times().filter_map(|(_, at)| at).filter(|at| *at > self.now);
        (due.map(|(job, _)| job).collect(), next.min())
    }

    fn under_way(&self) -> usize {
        let is = |state: &&State| {
            matches!(
                state,
                State::Creating | State::Doubt(_) | State::Generating(_)
            )
        };
        self.jobs.iter().filter(is).count()
    }

    /// The daemon's round: it does what it is told until it is told to wait.
    fn round(&mut self) -> Option<UnixMs> {
        if std::mem::take(&mut self.is_nudged) {
            self.agenda.look_at_all();
            self.tasks
                .iter_mut()
                .for_each(|task| task.is_overtaken = true);
            for job in self.creates.drain(..) {
                self.leased.remove(&job);
            }
        }
        let is_lifted = self.gates == [Gate::Open; 2] && self.budget_hold_at <= self.now;
        if is_lifted && !self.was_lifted {
            self.free_held();
        }
        self.was_lifted = is_lifted;
        for _ in 0..20 * JOBS {
            match next(&self.view()) {
                Step::Wait { until } => {
                    assert!(until.is_none_or(|until| until > self.now), "{self:#?}");
                    self.is_nothing_slept_through(until);
                    return until;
                }
                Step::Claim(claim) => self.claim(claim),
                Step::Start(start) => self.start(start),
                Step::FreeCanary => {
                    let parked = self.jobs.iter().position(|job| *job == State::Parked);
                    if let Some(job) = parked {
                        self.jobs[job] = State::Queued(self.now);
                    }
                    self.agenda.canary_freed(parked.is_some());
                }
                Step::FreeHeld => {
                    assert!(self.was_lifted, "to be parked anew: {self:#?}");
                    self.free_held();
                }
                Step::EndSweep | Step::EndHold => panic!("none is under way: {self:#?}"),
            }
        }
        panic!("it spins: {self:#?}");
    }

    fn free_held(&mut self) {
        let parked = self
            .jobs
            .iter_mut()
            .filter(|state| **state == State::Parked);
        let mut freed = 0;
        for state in parked.take(FREED_AT_ONCE) {
            *state = State::Queued(self.now);
            freed += 1;
        }
        self.agenda.held_freed(freed > 0, freed == FREED_AT_ONCE);
    }

    fn claim(&mut self, claim: Claim) {
        match claim {
            Claim::Creates => self.claim_creates(),
            Claim::Doubts => {
                let (mut due, next) = self.due(|state| match state {
                    State::Doubt(at) => Some(at),
                    _ => None,
                });
                due.retain(|job| !self.leased.contains(job));
                if due.is_empty() {
                    self.agenda.no_doubts(next);
                } else {
                    self.spawn(Kind::Doubts, due, &[READ]);
                }
            }
            Claim::News => {
                let job = self.news.pop_front().unwrap();
                if matches!(self.jobs[job], State::Generating(_)) && self.leased.insert(job) {
                    self.polls.push_back(job);
                }
            }
            Claim::Probe => drop(self.agenda.take_probe()),
            Claim::Polls => {
                let (due, next_due) = self.due(|state| match state {
                    State::Generating(at) => Some(at),
                    _ => None,
                });
                let are_many = due.len() > SINGLE_POLLS
                    && self.now >= self.lists_at
                    && self.agenda.may_survey(self.now);
                let limit = BATCH + self.leased.len();
                let due = if are_many { Vec::new() } else { due };
                let may_be_more = due.len() >= limit;
                for job in due.into_iter().take(limit) {
                    if self.leased.insert(job) {
                        self.polls.push_back(job);
                    }
                }
                let due = DuePolls {
                    are_many,
                    may_be_more,
                    next_due,
                };
                self.agenda.polls_claimed(due, self.now);
            }
        }
    }

    fn claim_creates(&mut self) {
        let room = MAX_GENERATING.saturating_sub(self.under_way());
        if room == 0 {
            return self.agenda.no_capacity();
        }
        let (due, next) = self.due(|state| match state {
            State::Queued(at) => Some(at),
            _ => None,
        });
        let limit = BATCH.min(room) + self.leased.len();
        let mut next_at = if due.len() < limit {
            next.unwrap_or(NEVER)
        } else {
            self.now
        };
        for job in due.into_iter().take(limit) {
            if self.creates.len() >= room {
                next_at = self.now;
                break;
            }
            if self.leased.insert(job) {
                self.creates.push_back(job);
            }
        }
        self.agenda.creates_claimed(next_at);
    }

    fn start(&mut self, start: Start) {
        match start {
            Start::List => {
                self.wants_list = false;
                self.spawn(Kind::List, Vec::new(), &[READ]);
            }
            Start::Survey => {
                self.spawn(Kind::Survey, Vec::new(), &[READ]);
                self.agenda.survey_started();
            }
            Start::Poll => {
                let job = self.polls.pop_front().unwrap();
                self.spawn(Kind::Poll, vec![job], &[READ]);
                self.agenda.poll_started();
            }
            Start::Create => {
                let job = self.creates.pop_front().unwrap();
                let is_held =
                    matches!(self.gates[CREATE].admits(self.now), Admission::NoneUntil(_));
                let scopes = if is_held {
                    &[READ][..]
                } else {
                    &[CREATE, READ]
                };
                self.spawn(Kind::Create, vec![job], scopes);
                self.agenda.create_started();
                self.jobs[job] = State::Creating;
            }
        }
    }

    fn spawn(&mut self, kind: Kind, jobs: Vec<usize>, scopes: &[usize]) {
        assert!(self.tasks.len() < self.max_requests, "no room: {self:#?}");
        let mut canary = [false; 2];
        for scope in scopes {
            let gate = self.gates[*scope];
            canary[*scope] = match gate.admits(self.now) {
                Admission::All => false,
                Admission::Canary => true,
                Admission::NoneUntil(_) => panic!("the gate is closed: {self:#?}"),
            };
            let is_out = self.tasks.iter().any(|task| task.canary[*scope]);
            assert!(!canary[*scope] || !is_out, "two canaries: {self:#?}");
            self.gates[*scope] = gate.with_canary();
        }
        self.leased.extend(&jobs);
        self.starts += 1;
        self.tasks.push(Task {
            kind,
            jobs,
            is_overtaken: false,
            is_free: kind == Kind::Create && !scopes.contains(&CREATE),
            canary,
        });
    }

    /// Each job on its own: when the database and the gates would let it start.
    fn is_nothing_slept_through(&self, until: Option<UnixMs>) {
        if self.tasks.len() >= self.max_requests {
            return;
        }
        let opens = |scope: usize| match self.gates[scope] {
            Gate::Open => Some(0),
            Gate::Closed(closure) => Some(closure.next_probe_at),
            Gate::HalfOpen(_) => None,
        };
        let Some(reads_at) = opens(READ) else { return };
        let flies = |job: &usize| self.tasks.iter().any(|task| task.jobs.contains(job));
        let survey = &self.agenda.survey;
        let at_capacity = self.under_way() >= MAX_GENERATING;
        let listed_at = reads_at.max(self.lists_at).max(self.wait_ends_at);
        let freed_at = opens(CREATE).map(|at| at.max(listed_at).max(self.budget_hold_at));
        let is_creating = self.in_flight(Kind::Create) > 0;
        let is_queued = self.jobs.iter().any(|job| matches!(job, State::Queued(_)));
        for (job, state) in self.jobs.iter().enumerate().filter(|(job, _)| !flies(job)) {
            let starts_at = match state {
                State::Queued(at) if !at_capacity => Some(listed_at.max(*at)),
                State::Parked if !at_capacity && !is_queued && !is_creating => freed_at,
                State::Doubt(at) if self.in_flight(Kind::Doubts) == 0 => {
                    let list_at = self.lists_at.max(self.agenda.doubts_list_at);
                    Some(reads_at.max(list_at).max(*at))
                }
                State::Generating(_) if survey.is_on && survey.is_under_way => None,
                State::Generating(at) if survey.is_on => {
                    Some(reads_at.max(survey.next_at).max(*at))
                }
                State::Generating(at) => Some(reads_at.max(*at)),
                _ => None,
            };
            let Some(starts_at) = starts_at else { continue };
            assert!(
                until.is_some_and(|until| until <= starts_at),
                "job {job} could start at {starts_at}, and it sleeps until {until:?}: {self:#?}"
            );
        }
    }

    /// Nothing goes wrong any more: everything ends, by itself.
    fn rest(&mut self) {
        self.is_calm = true;
        for _ in 0..1_000 {
            let started = self.starts;
            let until = self.round();
            if !self.tasks.is_empty() {
                self.end_task();
            } else if let Some(until) = until {
                self.now = until;
                let again = self.round();
                let is_later = again.is_none_or(|again| again > until);
                assert!(self.starts > started || is_later, "{self:#?}");
            } else {
                break;
            }
        }
        let is_done = |state: &State| *state == State::Finished;
        assert!(self.jobs.iter().all(is_done), "it forgot: {self:#?}");
    }
}

#[test]
fn whatever_happens_nothing_is_forgotten() {
    let mut starts = 0;
    for seed in 0..RUNS {
        let mut model = Model::new(seed);
        for _ in 0..EVENTS {
            model.round();
            model.handle_event();
        }
        model.rest();
        starts += model.starts;
    }
    assert!(starts > 20 * usize::try_from(RUNS).unwrap(), "{starts}");
}
