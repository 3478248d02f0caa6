//! What happens to it: tasks end, somebody else commits, gates and holds change, time passes.

use super::*;
use crate::core::{gate::Signal, outcome::Refusal};

impl Model {
    fn soon(&mut self) -> UnixMs {
        self.now + self.random.i64(0..30)
    }

    /// An answer to a task's request, for the gate that it concerns.
    fn answer(&mut self, task: &Task) -> bool {
        let scope = if task.kind == Kind::Create {
            CREATE
        } else {
            READ
        };
        let is_refused = !self.is_calm && self.random.u8(..6) == 0;
        let signal = if is_refused {
            Signal::Refused(Refusal::Credits)
        } else {
            Signal::Accepted
        };
        self.gates[scope] = self.gates[scope].after(&signal, task.canary[scope], &POLICY, self.now);
        let other = 1 - scope;
        if task.canary[other] {
            // The list before the create.
            self.gates[other] = self.gates[other].after(&Signal::Accepted, true, &POLICY, self.now);
        }
        is_refused
    }

    /// A turn without leave, or without budget: only the list was asked for. Returns whether it
    /// would have cost.
    fn answer_list(&mut self, task: &Task) -> bool {
        if task.canary[CREATE] {
            self.gates[CREATE] = self.gates[CREATE].without_canary();
        }
        if task.canary[READ] {
            self.gates[READ] = self.gates[READ].after(&Signal::Accepted, true, &POLICY, self.now);
        }
        self.is_calm || self.random.bool()
    }

    pub(super) fn end_task(&mut self) {
        let task = self
            .tasks
            .swap_remove(self.random.usize(..self.tasks.len()));
        let is_unpaid =
            task.kind == Kind::Create && (task.is_free || self.budget_hold_at > self.now);
        let is_refused = if is_unpaid {
            self.answer_list(&task)
        } else {
            self.answer(&task)
        };
        if !self.is_calm && self.random.u8(..8) == 0 {
            self.lists_at = self.soon();
        }
        let later = self.soon();
        let mut ended = Vec::new();
        for job in &task.jobs {
            let (good, bad) = match task.kind {
                Kind::Create => (State::Generating(later), State::Doubt(later)),
                Kind::Poll => (State::Finished, State::Generating(later)),
                Kind::Doubts => (State::Queued(self.now), State::Doubt(later)),
                Kind::Survey | Kind::List => unreachable!("they have no jobs"),
            };
            let is_good = self.is_calm || self.random.bool();
            let after = match (task.kind, is_refused) {
                (Kind::Create, true) => State::Parked,
                (_, true) => bad,
                (_, false) if is_good => good,
                (_, false) => bad,
            };
            // Somebody may have settled it: then the change is stale, and so is what is told.
            let is_stale = task.is_overtaken && self.jobs[*job] == State::Finished;
            if !is_stale {
                self.jobs[*job] = after;
            }
            ended.push(after);
            // Somebody sets it free or changes it before the daemon hears of the end.
            if !self.is_calm && self.random.u8(..8) == 0 {
                self.inject(*job);
                let overtaken = self.random.bool();
                if overtaken {
                    // The daemon looks while the job is still leased.
                    let until = self.round_with(&task);
                    assert!(until.is_none_or(|until| until > self.now));
                }
                self.hear(&task, &ended, overtaken);
                return self.finish(&task);
            }
        }
        self.hear(&task, &ended, task.is_overtaken);
        self.finish(&task);
    }

    /// A round in which somebody's commit is looked at and these jobs are still leased.
    fn round_with(&mut self, ending: &Task) -> Option<UnixMs> {
        self.is_nudged = true;
        let place = self.tasks.len();
        // It takes its room still.
        self.tasks.push(Task {
            kind: ending.kind,
            jobs: ending.jobs.clone(),
            is_overtaken: false,
            is_free: ending.is_free,
            canary: [false; 2],
        });
        let until = self.round();
        self.tasks.remove(place);
        until
    }

    /// What the daemon takes in of a task's end.
    fn hear(&mut self, task: &Task, ended: &[State], overtaken: bool) {
        self.agenda.task_ended(overtaken);
        if task.kind == Kind::Doubts {
            let list_at = self.now + 5;
            self.agenda.doubts_ended(list_at);
        }
        for state in ended {
            match state {
                State::Queued(at) => self.agenda.create_due(*at),
                State::Doubt(at) => self.agenda.doubt_due(*at),
                State::Generating(at) => self.agenda.poll_due(*at),
                State::Creating | State::Parked | State::Finished => {}
            }
            self.agenda.job_ended(*state == State::Parked);
            self.was_lifted &= *state != State::Parked;
        }
        if !overtaken && ended.len() < task.jobs.len() {
            self.is_nudged = true;
        }
    }

    fn finish(&mut self, task: &Task) {
        for job in &task.jobs {
            self.leased.remove(job);
        }
        if task.kind != Kind::Survey {
            return;
        }
        self.agenda.survey_ended();
        let is_had = self.is_calm || self.random.u8(..4) > 0;
        if !is_had {
            return self.agenda.survey_failed();
        }
        self.agenda.surveyed(self.now + 12);
        if self.random.u8(..6) == 0 {
            self.agenda.surveys_useless(self.now + 50);
        }
        let (due, _) = self.due(|state| match state {
            State::Generating(at) => Some(at),
            _ => None,
        });
        self.news.extend(due);
    }

    /// Somebody else's commit, which is not heard of yet.
    fn inject(&mut self, job: usize) {
        let at = self.soon();
        self.jobs[job] = match self.jobs[job] {
            State::Parked | State::Queued(_) => State::Queued(self.now),
            State::Generating(_) => State::Generating(self.now),
            State::Doubt(_) => {
                if self.random.bool() {
                    State::Queued(at)
                } else {
                    State::Generating(at)
                }
            }
            state @ (State::Creating | State::Finished) => state,
        };
        self.is_nudged = true;
    }

    pub(super) fn handle_event(&mut self) {
        match self.random.u8(..10) {
            0..5 if !self.tasks.is_empty() => self.end_task(),
            5 => {
                let job = self.random.usize(..JOBS);
                if self.jobs[job] == State::Finished {
                    self.jobs[job] = State::Queued(self.soon());
                    self.is_nudged = true;
                } else if !self.leased.contains(&job) {
                    self.inject(job);
                }
            }
            6 => {
                self.gates = self.gates.map(|gate| match gate {
                    Gate::Closed(_) if self.random.bool() => Gate::Open,
                    gate => gate,
                });
                self.is_nudged = true;
            }
            7 => self.budget_hold_at = self.soon(),
            8 => self.wait_ends_at = self.soon(),
            _ => self.now += self.random.i64(0..20),
        }
    }
}
