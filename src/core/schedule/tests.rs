mod lost;
mod model;
mod views;

use super::*;

/// A view in which nothing is due and nothing in the way.
fn idle(now: UnixMs) -> View {
    let mut agenda = Agenda::default();
    agenda.creates_claimed(NEVER);
    agenda.no_doubts(None);
    agenda.polls_claimed(
        DuePolls {
            are_many: false,
            may_be_more: false,
            next_due: None,
        },
        now,
    );
    View {
        now,
        agenda,
        has_room: true,
        create_gate: Admission::All,
        lets_free: false,
        read_gate: Admission::All,
        lists_at: 0,
        creates_wait_ms: 0,
        budget_hold: None,
        list_wish: ListWish::None,
        is_sweeping: false,
        claimed: ClaimedCounts {
            creates: 0,
            polls: 0,
            news: 0,
        },
        in_flight: InFlight {
            creates: 0,
            doubts: 0,
        },
    }
}
