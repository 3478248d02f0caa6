//! Random views, against conditions that are told once more, each as a yes or no at a time.

use super::*;
use crate::core::gate::{Closure, Gate, GateReason};

const VIEWS: u64 = 100_000;

/// Nothing is drawn that comes later.
const END: UnixMs = 60;

/// What a view is made of, at whatever time.
#[derive(Debug)]
struct World {
    view: View,
    create_gate: Gate,
    read_gate: Gate,
    wait_ends_at: UnixMs,
}

fn time(random: &mut fastrand::Rng) -> UnixMs {
    if random.u8(..4) == 0 {
        NEVER
    } else {
        random.i64(0..END)
    }
}

fn gate(random: &mut fastrand::Rng) -> Gate {
    let closure = Closure {
        reason: GateReason::Credits,
        since: 0,
        next_probe_at: random.i64(0..END),
        interval_ms: 1,
    };
    match random.u8(..5) {
        0..3 => Gate::Open,
        3 => Gate::Closed(closure),
        _ => Gate::HalfOpen(closure),
    }
}

impl World {
    fn of(random: &mut fastrand::Rng) -> Self {
        let now = random.i64(0..END / 2);
        let mut view = idle(now);
        let agenda = &mut view.agenda;
        agenda.creates_at = time(random);
        agenda.polls_at = time(random);
        agenda.doubts_at = time(random);
        agenda.doubts_list_at = random.i64(0..END);
        agenda.at_capacity = random.u8(..6) == 0;
        agenda.no_probe_candidate = random.bool();
        agenda.has_held = random.u8(..4) == 0;
        agenda.is_turn_of_polls = random.bool();
        agenda.survey.is_on = random.u8(..3) == 0;
        agenda.survey.is_due = random.u8(..6) == 0;
        agenda.survey.next_at = random.i64(0..END);
        agenda.survey.wants_probe = random.u8(..6) == 0;
        view.has_room = random.u8(..10) > 0;
        view.lists_at = if random.bool() { 0 } else { random.i64(0..END) };
        view.list_wish = *random
            .choice(&[ListWish::None, ListWish::AtOnce, ListWish::Lasting])
            .unwrap();
        view.is_sweeping = random.u8(..4) == 0;
        let mut count = || usize::from(random.u8(..3) == 0);
        view.claimed = ClaimedCounts {
            creates: count(),
            polls: count(),
            news: count(),
        };
        view.in_flight = InFlight {
            creates: count(),
            doubts: count(),
        };
        view.budget_hold = (random.u8(..4) == 0).then(|| time(random));
        let wait_ends_at = if random.bool() { 0 } else { random.i64(0..END) };
        let mut world = Self {
            view,
            create_gate: gate(random),
            read_gate: gate(random),
            wait_ends_at,
        };
        world.view = world.at(now);
        world
    }

    /// The view at another time, in which nothing happened but that.
    fn at(&self, now: UnixMs) -> View {
        View {
            now,
            create_gate: self.create_gate.admits(now),
            lets_free: self.create_gate != Gate::Open,
            read_gate: self.read_gate.admits(now),
            creates_wait_ms: (self.wait_ends_at - now).max(0),
            ..self.view
        }
    }
}

const fn lets(gate: Admission) -> bool {
    matches!(gate, Admission::All | Admission::Canary)
}

fn polls(view: &View) -> Option<Step> {
    let (agenda, now) = (&view.agenda, view.now);
    if !lets(view.read_gate) {
        None
    } else if agenda.survey.is_due {
        Some(Step::Start(Start::Survey))
    } else if view.claimed.polls > 0 {
        Some(Step::Start(Start::Poll))
    } else if view.claimed.news > 0 {
        Some(Step::Claim(Claim::News))
    } else if agenda.survey.wants_probe {
        Some(Step::Claim(Claim::Probe))
    } else if now >= agenda.polls_at && (!agenda.survey.is_on || now >= agenda.survey.next_at) {
        Some(Step::Claim(Claim::Polls))
    } else {
        None
    }
}

fn creates(view: &View) -> Option<Step> {
    let (agenda, now) = (&view.agenda, view.now);
    let is_held = !lets(view.read_gate) || now < view.lists_at || view.creates_wait_ms > 0;
    if is_held {
        return None;
    }
    let (is_sent, is_due) = (lets(view.create_gate), now >= agenda.creates_at);
    let is_closed = view.create_gate == Admission::Canary || view.read_gate == Admission::Canary;
    let is_spent = view.budget_hold.is_some_and(|until| now < until);
    if view.claimed.creates > 0 {
        (is_sent || view.lets_free).then_some(Step::Start(Start::Create))
    } else if agenda.at_capacity {
        None
    } else if view.is_sweeping && view.in_flight.creates == 0 && !is_due {
        Some(Step::EndSweep)
    } else if is_due {
        (is_sent || view.lets_free).then_some(Step::Claim(Claim::Creates))
    } else if !is_sent || is_spent {
        None
    } else if is_closed && !agenda.no_probe_candidate {
        Some(Step::FreeCanary)
    } else if agenda.has_held && view.in_flight.creates == 0 {
        Some(Step::FreeHeld)
    } else {
        None
    }
}

/// All that may be done, in no order.
fn possible(view: &View, is_first: bool) -> Vec<Step> {
    if !view.has_room {
        return Vec::new();
    }
    let (agenda, now) = (&view.agenda, view.now);
    let is_wanted = match view.list_wish {
        ListWish::None => false,
        // Nobody waits for it.
        ListWish::AtOnce => is_first,
        ListWish::Lasting => true,
    };
    let is_doubt_due = view.in_flight.doubts == 0
        && now >= agenda.doubts_at
        && now >= agenda.doubts_list_at
        && now >= view.lists_at;
    let mut possible = Vec::new();
    if view.budget_hold.is_some_and(|until| now >= until) {
        possible.push(Step::EndHold);
    }
    if lets(view.read_gate) && is_wanted {
        possible.push(Step::Start(Start::List));
    }
    if lets(view.read_gate) && is_doubt_due {
        possible.push(Step::Claim(Claim::Doubts));
    }
    possible.extend(polls(view));
    possible.extend(creates(view));
    possible
}

#[test]
fn it_does_what_is_possible_and_waits_until_something_is() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut waits = [0; 2];
    for view in 0..VIEWS {
        let world = World::of(&mut random);
        let now = world.view.now;
        let case = || format!("view {view}: {world:#?}");
        let idle_till = |end| {
            for at in now..end {
                let steps = possible(&world.at(at), at == now);
                assert!(
                    steps.is_empty(),
                    "{steps:?} at {at} is slept through: {}",
                    case()
                );
            }
        };
        match next(&world.view) {
            Step::Wait { until: Some(until) } => {
                assert!(until > now, "{}", case());
                idle_till(until);
                let steps = possible(&world.at(until), false);
                assert!(
                    !steps.is_empty(),
                    "it wakes at {until} for nothing: {}",
                    case()
                );
                waits[0] += 1;
            }
            Step::Wait { until: None } => {
                idle_till(END);
                waits[1] += 1;
            }
            step => assert!(
                possible(&world.view, true).contains(&step),
                "{step:?} is not possible: {}",
                case()
            ),
        }
    }
    assert!(waits.iter().all(|count| *count > 10_000), "{waits:?}");
}

/// To which of the lanes that take turns it belongs.
const fn is_poll(step: Step) -> Option<bool> {
    match step {
        Step::Start(Start::Survey | Start::Poll)
        | Step::Claim(Claim::Polls | Claim::News | Claim::Probe) => Some(true),
        Step::Start(Start::Create)
        | Step::Claim(Claim::Creates)
        | Step::FreeCanary
        | Step::FreeHeld
        | Step::EndSweep => Some(false),
        Step::EndHold
        | Step::Start(Start::List)
        | Step::Claim(Claim::Doubts)
        | Step::Wait { .. } => None,
    }
}

#[test]
fn polls_and_creates_take_turns() {
    let mut random = fastrand::Rng::with_seed(2);
    let mut contested = 0;
    for _ in 0..VIEWS {
        let mut view = World::of(&mut random).view;
        if polls(&view).is_none() || creates(&view).is_none() {
            continue;
        }
        for is_turn_of_polls in [false, true] {
            view.agenda.is_turn_of_polls = is_turn_of_polls;
            if let Some(is_poll) = is_poll(next(&view)) {
                assert_eq!(is_poll, is_turn_of_polls, "{view:#?}");
                contested += 1;
            }
        }
    }
    assert!(contested > 1_000, "{contested}");
    let mut agenda = Agenda::default();
    for is_create in [true, false, true, true] {
        if is_create {
            agenda.create_started();
        } else {
            agenda.poll_started();
        }
        assert_eq!(agenda.is_turn_of_polls, is_create);
    }
}
