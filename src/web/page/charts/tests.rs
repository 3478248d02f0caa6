use super::*;

#[test]
fn what_the_queue_needs_does_not_dwarf_what_was_spent() {
    for (spent, limit, needed, expected) in [
        (0, None, 0, 1),
        (60_000, None, 60_000, 60_000),
        (60_000, Some(120_000), 60_000, 120_000),
        (60_000, None, 90_000, 100_000),
        (60_000, None, 30_000_000, 120_000),
    ] {
        assert_eq!(
            credits_top(spent, limit, needed),
            expected,
            "{spent} {limit:?} {needed}"
        );
    }
}

#[test]
fn it_is_told_how_long_the_budget_makes_the_queue_wait() {
    let budget = |limit| Budget {
        credits_per_create: 30_000,
        max_credits_per_day: limit,
        max_credits: None,
        spent: 0,
        spent_today: 30_000,
        spent_later: 0,
        day: 0,
    };
    for (limit, to_come, expected) in [
        (None, 90_000, None),
        (Some(0), 90_000, None),
        (Some(60_000), 0, None),
        (Some(60_000), 30_000, Some("fits into what is left")),
        (Some(60_000), 90_000, Some("takes 1 day beyond today")),
        (Some(60_000), 91_000, Some("takes 2 days beyond today")),
    ] {
        let said = days_needed(&budget(limit), to_come);
        match (said, expected) {
            (None, None) => {}
            (Some(said), Some(words)) => assert!(said.contains(words), "{said}"),
            (said, _) => panic!("{limit:?} {to_come}: {said:?}"),
        }
    }
}

#[test]
fn a_long_axis_has_dates_and_a_short_one_seconds() {
    let at = 1_700_000_000_000;
    for (axis_ms, expected) in [
        (60_000, "22:13:20"),
        (3_600_000, "22:13"),
        (2 * DAY_MS, "Nov 14, 22:13"),
    ] {
        assert_eq!(clock(at, axis_ms), expected);
    }
    assert_eq!(clock(i64::MAX, 1), "?");
}
