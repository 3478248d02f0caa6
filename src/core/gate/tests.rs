use super::*;

const POLICY: GatePolicy = GatePolicy {
    rules: Rules::KEPT,
    probe_interval_ms: 900,
    max_probe_interval_ms: 3_000,
    hold_interval_ms: 20,
    max_hold_interval_ms: 100,
};

const fn closed(reason: GateReason, since: i64, next_probe_at: i64, interval_ms: i64) -> Gate {
    Gate::Closed(Closure {
        reason,
        since,
        next_probe_at,
        interval_ms,
    })
}

fn refused(refusal: Refusal) -> Signal {
    Signal::Refused(refusal)
}

fn throttled(retry_after_ms: Option<i64>) -> Signal {
    refused(Refusal::Throttled { retry_after_ms })
}

#[test]
fn an_open_gate_closes_for_each_refusal_and_for_nothing_else() {
    let table = [
        (Signal::Accepted, Gate::Open),
        (Signal::Answered, Gate::Open),
        (
            refused(Refusal::Unauthorized),
            closed(GateReason::Unauthorized, 100, 1_000, 900),
        ),
        (
            refused(Refusal::Credits),
            closed(GateReason::Credits, 100, 1_000, 900),
        ),
        (
            refused(Refusal::AccountLimit),
            closed(GateReason::Credits, 100, 1_000, 900),
        ),
        (throttled(None), closed(GateReason::Throttled, 100, 120, 20)),
        (
            throttled(Some(5_000)),
            closed(GateReason::Throttled, 100, 5_100, 20),
        ),
        (
            Signal::NotConnected,
            closed(GateReason::Unreachable, 100, 120, 20),
        ),
    ];
    for (signal, expected) in table {
        for canary in [false, true] {
            assert_eq!(
                Gate::Open.after(&signal, canary, &POLICY, 100),
                expected,
                "{signal:?}"
            );
        }
    }
}

#[test]
fn a_closed_gate_lets_one_canary_through_when_its_time_has_come() {
    let gate = closed(GateReason::Credits, 0, 900, 900);
    assert_eq!(gate.admits(899), Admission::NoneUntil(Some(900)));
    assert_eq!(gate.admits(900), Admission::Canary);
    let half_open = gate.with_canary();
    assert_eq!(half_open.admits(10_000), Admission::NoneUntil(None));
    assert_eq!(half_open.without_canary(), gate);
}

#[test]
fn a_canary_refused_doubles_the_interval_up_to_the_bound() {
    let mut gate = Gate::Open.after(&refused(Refusal::Credits), false, &POLICY, 0);
    for (at, next_probe_at) in [(900, 2_700), (2_700, 5_700), (5_700, 8_700)] {
        assert_eq!(gate.admits(at), Admission::Canary);
        gate = gate
            .with_canary()
            .after(&refused(Refusal::Credits), true, &POLICY, at);
        let closure = gate.closure().copied().unwrap();
        assert_eq!((closure.next_probe_at, closure.since), (next_probe_at, 0));
    }
}

#[test]
fn a_canary_is_spared_only_where_the_account_clearly_cannot_pay_and_not_for_ever() {
    use GateReason::{Credits, Throttled, Unauthorized, Unreachable};
    let table = [
        (Credits, 900, Some(0), true),
        (Credits, 900, Some(29_999), true),
        (Credits, 900, Some(30_000), false),
        (Credits, 900, None, false),
        (Credits, 2_999, Some(0), true),
        (Credits, 3_000, Some(0), false),
        (Credits, 4_000, Some(0), false),
        (Unauthorized, 900, Some(0), false),
        (Throttled, 20, Some(0), false),
        (Unreachable, 20, Some(0), false),
    ];
    for (reason, interval_ms, left, spared) in table {
        let closure = Closure {
            reason,
            since: 0,
            next_probe_at: 900,
            interval_ms,
        };
        assert_eq!(
            should_skip_canary(&closure, left, 30_000, &POLICY),
            spared,
            "{reason} {interval_ms} {left:?}"
        );
    }
}

#[test]
fn only_a_canary_that_was_accepted_opens_a_gate_closed_for_key_or_credits() {
    for reason in [GateReason::Credits, GateReason::Unauthorized] {
        let gate = closed(reason, 0, 900, 900).with_canary();
        assert_eq!(
            gate.after(&Signal::Accepted, true, &POLICY, 1_000),
            Gate::Open
        );
        assert_eq!(
            gate.after(&Signal::Answered, true, &POLICY, 1_000),
            closed(reason, 0, 1_900, 900)
        );
        assert_eq!(gate.after(&Signal::Accepted, false, &POLICY, 1_000), gate);
    }
}

#[test]
fn any_answer_to_the_canary_ends_a_hold() {
    for reason in [GateReason::Throttled, GateReason::Unreachable] {
        let gate = closed(reason, 0, 20, 20).with_canary();
        for signal in [Signal::Accepted, Signal::Answered] {
            assert_eq!(gate.after(&signal, true, &POLICY, 30), Gate::Open);
        }
    }
}

#[test]
fn a_straggler_changes_a_closed_gate_only_for_a_graver_reason() {
    let held = closed(GateReason::Throttled, 0, 20, 20);
    assert_eq!(
        held.after(&refused(Refusal::Credits), false, &POLICY, 10),
        closed(GateReason::Credits, 10, 910, 900)
    );
    let closed_for_credits = closed(GateReason::Credits, 0, 900, 900);
    for signal in [
        Signal::Accepted,
        Signal::NotConnected,
        throttled(None),
        throttled(Some(500)),
        refused(Refusal::Credits),
        refused(Refusal::Unauthorized),
    ] {
        assert_eq!(
            closed_for_credits.after(&signal, false, &POLICY, 10),
            closed_for_credits
        );
    }
    // What costs nothing passes it, and is refused where a canary might try.
    assert_eq!(
        closed_for_credits.after(&refused(Refusal::Credits), false, &POLICY, 900),
        closed(GateReason::Credits, 0, 1_800, 900)
    );
    assert_eq!(
        held.after(&throttled(Some(5_000)), false, &POLICY, 10),
        closed(GateReason::Throttled, 0, 5_010, 20)
    );
    // Nobody could connect a moment ago, and somebody who did is asked to wait.
    let unreachable = closed(GateReason::Unreachable, 0, 20, 20);
    assert_eq!(
        unreachable.after(&throttled(Some(5_000)), false, &POLICY, 10),
        closed(GateReason::Throttled, 0, 5_010, 20)
    );
    assert_eq!(
        unreachable.after(&throttled(None), false, &POLICY, 10),
        unreachable
    );
}

#[test]
fn what_the_service_asks_for_holds_whatever_else_closed_or_closes_the_gate() {
    for reason in [GateReason::Credits, GateReason::Unauthorized] {
        let gate = closed(reason, 0, 900, 900);
        let asked = throttled(Some(5_000));
        assert_eq!(
            gate.after(&asked, false, &POLICY, 10),
            closed(reason, 0, 5_010, 900)
        );
        let half_open = gate.with_canary().after(&asked, false, &POLICY, 10);
        assert_eq!(half_open.admits(6_000), Admission::NoneUntil(None));
        assert_eq!(
            half_open.without_canary().admits(5_009),
            Admission::NoneUntil(Some(5_010))
        );
    }
    let held = Gate::Open.after(&throttled(Some(5_000)), false, &POLICY, 0);
    for (refusal, reason) in [
        (Refusal::Credits, GateReason::Credits),
        (Refusal::AccountLimit, GateReason::Credits),
        (Refusal::Unauthorized, GateReason::Unauthorized),
    ] {
        let graver = held.after(&refused(refusal), false, &POLICY, 10);
        assert_eq!(graver, closed(reason, 10, 5_000, 900));
    }
}

#[test]
fn a_canary_refused_for_another_reason_starts_that_reason_afresh() {
    let gate = closed(GateReason::Credits, 0, 900, 2_000).with_canary();
    assert_eq!(
        gate.after(&refused(Refusal::Unauthorized), true, &POLICY, 1_000),
        closed(GateReason::Unauthorized, 1_000, 1_900, 900)
    );
}

#[test]
fn trouble_on_the_way_to_a_canarys_answer_leaves_the_graver_reason() {
    for reason in [GateReason::Credits, GateReason::Unauthorized] {
        for (signal, next_probe_at) in [
            (Signal::NotConnected, 1_900),
            (throttled(None), 1_900),
            (throttled(Some(5_000)), 6_000),
        ] {
            let gate = closed(reason, 0, 900, 900).with_canary();
            let gate = gate.after(&signal, true, &POLICY, 1_000);
            assert_eq!(gate, closed(reason, 0, next_probe_at, 900), "{signal:?}");
            // An answer that says nothing of the account would have opened a hold.
            let gate = gate
                .with_canary()
                .after(&Signal::Answered, true, &POLICY, 7_000);
            assert_eq!(gate.closure().map(|closure| closure.reason), Some(reason));
        }
    }
}

#[test]
fn a_closing_from_the_future_lets_one_canary_try_and_counts_from_then() {
    let gate = closed(GateReason::Credits, 10_000, 10_900, 900);
    let closure = *gate.closure().unwrap();
    assert_eq!(closure.read_at(10_000), closure);
    let read = Gate::Closed(closure.read_at(500));
    assert_eq!(read.admits(500), Admission::Canary);
    let refused = Signal::Refused(Refusal::Credits);
    let again = read.with_canary().after(&refused, true, &POLICY, 500);
    assert_eq!(again.admits(501), Admission::NoneUntil(Some(2_300)));
}

#[test]
fn asked_to_come_back_at_once_the_hold_grows_all_the_same() {
    let mut gate = Gate::Open;
    let mut now = 0;
    let mut holds = Vec::new();
    for retry_after_ms in [
        Some(0),
        None,
        Some(1),
        Some(0),
        Some(0),
        Some(5_000),
        Some(0),
    ] {
        gate = gate
            .with_canary()
            .after(&throttled(retry_after_ms), true, &POLICY, now);
        let next_probe_at = gate.closure().unwrap().next_probe_at;
        holds.push(next_probe_at - now);
        now = next_probe_at;
    }
    assert_eq!(holds, [20, 40, 80, 100, 100, 5_000, 100]);
}
