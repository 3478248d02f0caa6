//! PURE: what the daemon does next, and until when it waits where that is nothing.
//!
//! Each lane gives its next step and the time before which it cannot be: the latest of its
//! conditions, each of which is told as a time. What is past may start; the earliest of the
//! others is when to wake. Both come from one number, so that nothing that could start can be
//! slept through.

mod agenda;

pub use agenda::{Agenda, DuePolls};

use crate::core::{
    gate::Admission,
    job::{DurationMs, UnixMs},
};

/// Not before something happens that nobody knows the time of: a task ends, somebody commits.
pub const NEVER: UnixMs = UnixMs::MAX;

/// A condition that holds already.
const ALREADY: UnixMs = UnixMs::MIN;

/// What is due, looked up in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// QUEUED jobs.
    Creates,
    /// Creates in doubt. One list is for all of them: it is asked for as soon as there are any.
    Doubts,
    /// GENERATING jobs.
    Polls,
    /// Those of which a list showed news.
    News,
    /// One that a list showed as being generated.
    Probe,
}

/// What is asked of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// A list, for anyone who wants to know of the key or of what was sent before.
    List,
    /// A list that answers for many polls.
    Survey,
    /// One claimed poll.
    Poll,
    /// One claimed create.
    Create,
}

/// What the daemon does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Look for what is due.
    Claim(Claim),
    /// Start one request.
    Start(Start),
    /// Set one parked job free, to be the canary.
    FreeCanary,
    /// Set some more of the jobs free that are parked for reasons that hold no longer.
    FreeHeld,
    /// The budget may have room again.
    EndHold,
    /// Each job that is due was looked for in the list: from here on creates are sent.
    EndSweep,
    /// Nothing before this time, or before something happens.
    Wait {
        /// Later than now; none where no time brings anything.
        until: Option<UnixMs>,
    },
}

/// Who wants a list of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListWish {
    /// Nobody.
    None,
    /// Somebody who does not wait for a gate: requests under way will tell of the key, too.
    AtOnce,
    /// Somebody who waits for it.
    Lasting,
}

/// How many are claimed and not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedCounts {
    /// Creates.
    pub creates: usize,
    /// Polls.
    pub polls: usize,
    /// Jobs of which a list showed news, not looked up yet.
    pub news: usize,
}

/// How many tasks are under way, of those that keep others from starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlight {
    /// Creates.
    pub creates: usize,
    /// Lists for creates in doubt.
    pub doubts: usize,
}

/// All that the next step depends on, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// The moment.
    pub now: UnixMs,
    /// What is due when, as far as is known.
    pub agenda: Agenda,
    /// Whether one more request may be under way.
    pub has_room: bool,
    /// What the gate before creates lets.
    pub create_gate: Admission,
    /// That gate is closed for want of credits: jobs have their turns anyway, and those
    /// that cost nothing go on.
    pub lets_free: bool,
    /// What the gate before reads lets.
    pub read_gate: Admission,
    /// No list is asked for before, since the last ones could not be had.
    pub lists_at: UnixMs,
    /// How long no create is sent yet: the database is a copy, or a list was not whole.
    pub creates_wait_ms: DurationMs,
    /// Until when creates are held for want of budget, if they are. Jobs have their turns all the
    /// same.
    pub budget_hold: Option<UnixMs>,
    /// Who wants a list.
    pub list_wish: ListWish,
    /// Jobs are looked for in the list, and none is created yet.
    pub is_sweeping: bool,
    /// What is claimed.
    pub claimed: ClaimedCounts,
    /// What is under way.
    pub in_flight: InFlight,
}

/// A step, and the time before which it cannot be.
type Prospect = (Step, UnixMs);

/// What to do next.
pub fn next(view: &View) -> Step {
    if !view.has_room {
        return Step::Wait { until: None };
    }
    let prospects = view.prospects();
    let due = prospects.iter().find(|(_, at)| *at <= view.now);
    due.map_or_else(
        || {
            let earliest = prospects.iter().map(|(_, at)| *at).min();
            Step::Wait {
                until: earliest.filter(|at| *at != NEVER),
            }
        },
        |(step, _)| *step,
    )
}

impl View {
    /// Those of all lanes, in the order in which they have their turns.
    fn prospects(&self) -> [Prospect; 5] {
        let [create, poll] = [self.create(), self.poll()];
        // Neither of these starves the other.
        let [first, second] = if self.agenda.is_turn_of_polls {
            [poll, create]
        } else {
            [create, poll]
        };
        [self.hold_end(), self.list(), self.doubts(), first, second]
    }

    fn hold_end(&self) -> Prospect {
        (Step::EndHold, self.budget_hold.unwrap_or(NEVER))
    }

    fn list(&self) -> Prospect {
        let at = match self.list_wish {
            ListWish::None => NEVER,
            ListWish::AtOnce if self.reads_at() > self.now => NEVER,
            ListWish::AtOnce | ListWish::Lasting => self.reads_at(),
        };
        (Step::Start(Start::List), at)
    }

    fn doubts(&self) -> Prospect {
        let at = if self.in_flight.doubts > 0 {
            NEVER
        } else {
            let agenda = &self.agenda;
            let due_at = agenda.doubts_at.max(agenda.doubts_list_at);
            due_at.max(self.lists_at).max(self.reads_at())
        };
        (Step::Claim(Claim::Doubts), at)
    }

    fn poll(&self) -> Prospect {
        let (step, at) = if self.agenda.survey.is_due {
            (Step::Start(Start::Survey), ALREADY)
        } else if self.claimed.polls > 0 {
            (Step::Start(Start::Poll), ALREADY)
        } else if self.claimed.news > 0 {
            (Step::Claim(Claim::News), ALREADY)
        } else if self.agenda.survey.wants_probe {
            (Step::Claim(Claim::Probe), ALREADY)
        } else {
            (Step::Claim(Claim::Polls), self.agenda.polls_look_at())
        };
        (step, at.max(self.reads_at()))
    }

    fn create(&self) -> Prospect {
        let listed_at = self.listed_at();
        let sent_at = listed_at.max(opens_at(self.create_gate));
        let taken_at = if self.lets_free { listed_at } else { sent_at };
        // For nothing but to be parked anew none is set free.
        let freed_at = sent_at.max(self.budget_hold.unwrap_or(ALREADY));
        if self.claimed.creates > 0 {
            return (Step::Start(Start::Create), taken_at);
        }
        // A task's end makes room.
        if self.agenda.at_capacity {
            return (Step::Claim(Claim::Creates), NEVER);
        }
        let is_none_due = |at: UnixMs| self.agenda.creates_at > at.max(self.now);
        if self.is_sweeping && self.in_flight.creates == 0 && is_none_due(listed_at) {
            return (Step::EndSweep, listed_at);
        }
        if self.lacks_canary() && is_none_due(freed_at) {
            return (Step::FreeCanary, freed_at);
        }
        if self.agenda.has_held && self.in_flight.creates == 0 && is_none_due(freed_at) {
            return (Step::FreeHeld, freed_at);
        }
        (
            Step::Claim(Claim::Creates),
            taken_at.max(self.agenda.creates_at),
        )
    }

    /// A gate is closed, and a parked job may be its canary where none is queued.
    fn lacks_canary(&self) -> bool {
        let gates = [self.create_gate, self.read_gate];
        gates.iter().any(|gate| *gate != Admission::All) && !self.agenda.no_probe_candidate
    }

    /// When a job may be looked for in the list before its create.
    fn listed_at(&self) -> UnixMs {
        let waited_at = if self.creates_wait_ms > 0 {
            self.now.saturating_add(self.creates_wait_ms)
        } else {
            ALREADY
        };
        self.reads_at().max(self.lists_at).max(waited_at)
    }

    const fn reads_at(&self) -> UnixMs {
        opens_at(self.read_gate)
    }
}

const fn opens_at(gate: Admission) -> UnixMs {
    match gate {
        Admission::All | Admission::Canary => ALREADY,
        Admission::NoneUntil(Some(at)) => at,
        // The canary's end wakes the daemon.
        Admission::NoneUntil(None) => NEVER,
    }
}

#[cfg(test)]
mod tests;
