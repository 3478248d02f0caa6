use super::*;

const NOW: UnixMs = 1_800_000_000_000;

fn counts(queued: i64, parked: &[(ParkReason, i64)]) -> Counts {
    let mut counts = Counts::default();
    counts.states.insert(JobState::Queued, queued);
    let all = parked.iter().map(|(_, jobs)| jobs).sum();
    counts.states.insert(JobState::Parked, all);
    counts.parked = parked.iter().copied().collect();
    counts
}

fn closure(reason: GateReason) -> Closure {
    Closure {
        reason,
        since: NOW - 180_000,
        next_probe_at: NOW + 720_000,
        interval_ms: 900_000,
    }
}

fn budget(max_credits_per_day: Option<i64>, max_credits: Option<i64>) -> Budget {
    Budget {
        credits_per_create: 30_000,
        max_credits_per_day,
        max_credits,
        spent: 60_000,
        spent_today: 60_000,
        spent_later: 0,
        day: NOW / crate::core::budget::DAY_MS,
    }
}

/// The headlines, and the whole of the first.
fn found(facts: &Facts<'_>) -> (Vec<String>, String) {
    let found = attention(facts);
    let headlines = found.iter().map(|one| one.headline.clone()).collect();
    let first = found.first().map_or_else(String::new, |one| {
        format!("{} {}", one.words, one.what_to_do)
    });
    (headlines, first)
}

fn facts<'a>(counts: &'a Counts, gates: &'a [(Scope, Closure)], budget: &'a Budget) -> Facts<'a> {
    Facts {
        counts,
        gates,
        budget,
        no_list: None,
        daemon: Loop::Runs,
        now: NOW,
    }
}

#[test]
fn where_all_is_well_nothing_is_said() {
    let counts = counts(3, &[]);
    assert_eq!(attention(&facts(&counts, &[], &budget(None, None))), vec![]);
    // A busy service slows parserd down every few seconds: that needs nobody.
    let gates = [(Scope::Create, closure(GateReason::Throttled))];
    assert_eq!(
        attention(&facts(&counts, &gates, &budget(None, None))),
        vec![]
    );
}

#[test]
fn out_of_credits_says_how_many_jobs_wait_and_what_they_need() {
    let gates = [(Scope::Create, closure(GateReason::Credits))];
    let unlimited = budget(None, None);
    for (queued, parked, free, expected) in [
        (
            87,
            1,
            0,
            "87 queued and 1 parked job wait, and need up to 2,640,000 credits.",
        ),
        (
            2,
            0,
            1,
            "2 queued jobs wait, and need up to 30,000 credits.",
        ),
        (0, 1, 1, "1 parked job wait."),
        (0, 0, 0, "No job waits for it."),
    ] {
        let mut counts = counts(queued, &[(ParkReason::Credits, parked)]);
        counts.free = free;
        let (headlines, first) = found(&facts(&counts, &gates, &unlimited));
        assert_eq!(headlines, ["Out of credits."]);
        assert!(first.contains(expected), "{first}");
        assert!(first.contains("created for 3 min."), "{first}");
        assert!(first.contains("checks again in 12 min."), "{first}");
    }
}

#[test]
fn a_fact_is_told_once_and_the_most_urgent_comes_first() {
    let closed = [
        (Scope::Create, closure(GateReason::Unauthorized)),
        (Scope::Read, closure(GateReason::Unauthorized)),
    ];
    let away = [(Scope::Create, closure(GateReason::Unreachable))];
    let credits = [(Scope::Create, closure(GateReason::Credits))];
    let jobs = |reason, number| counts(5, &[(reason, number)]);
    let all = counts(
        1,
        &[
            (ParkReason::Credits, 1),
            (ParkReason::Budget, 2),
            (ParkReason::Ambiguous, 2),
        ],
    );
    type Case<'a> = (
        Counts,
        &'a [(Scope, Closure)],
        Budget,
        Loop,
        &'a [&'a str],
        &'a str,
    );
    let table: Vec<Case<'_>> = vec![
        (
            jobs(ParkReason::Unauthorized, 1),
            &closed,
            budget(None, None),
            Loop::Runs,
            &["The API key is not accepted."],
            "`parserd check`",
        ),
        (
            jobs(ParkReason::Credits, 0),
            &away,
            budget(None, None),
            Loop::Runs,
            &["The service cannot be reached."],
            "tries again by itself in 12 min",
        ),
        (
            jobs(ParkReason::Budget, 1),
            &[],
            budget(Some(60_000), None),
            Loop::Runs,
            &["The budget is reached."],
            "5 queued and 1 parked job wait, and need up to 180,000 credits: \
             budget.max_credits_per_day is 60000",
        ),
        (
            jobs(ParkReason::Budget, 0),
            &[],
            budget(None, Some(60_000)),
            Loop::Runs,
            &["The budget is reached."],
            "raise budget.max_credits and restart",
        ),
        // There is room again: parserd goes on by itself.
        (
            jobs(ParkReason::Budget, 1),
            &[],
            budget(None, None),
            Loop::Runs,
            &[],
            "",
        ),
        // Nothing that is left costs anything.
        (
            counts(0, &[]),
            &[],
            budget(Some(60_000), None),
            Loop::Runs,
            &[],
            "",
        ),
        (
            jobs(ParkReason::Ambiguous, 1),
            &[],
            budget(None, None),
            Loop::Runs,
            &["1 job needs your decision."],
            "which parser is this job's",
        ),
        // Refused job after job, with the gate open.
        (
            jobs(ParkReason::Credits, 2),
            &[],
            budget(None, None),
            Loop::Runs,
            &["2 jobs are PARKED for credits."],
            "The service says that the credits are exhausted",
        ),
        (
            all,
            &credits,
            budget(Some(60_000), None),
            Loop::Stuck(180_000),
            &[
                "parserd does not work.",
                "Out of credits.",
                "The budget is reached.",
                "2 jobs need your decision.",
            ],
            "has not run for 3 min",
        ),
        (
            counts(0, &[]),
            &[],
            budget(None, None),
            Loop::Stops,
            &["parserd is stopping."],
            "ends what is under way",
        ),
    ];
    for (counts, gates, budget, daemon, headlines, words) in table {
        let facts = Facts {
            daemon,
            ..facts(&counts, gates, &budget)
        };
        let (said, first) = found(&facts);
        assert_eq!(said, headlines);
        assert!(first.contains(words), "{first}");
    }
}

#[test]
fn a_list_that_is_refused_is_told_with_its_reason() {
    let no_list = NoListSince {
        since: NOW - 60_000,
        http_status: 404,
        why: "no such route.".to_owned(),
    };
    let counts = counts(1, &[]);
    let budget = budget(None, None);
    let facts = Facts {
        no_list: Some(&no_list),
        ..facts(&counts, &[], &budget)
    };
    let (headlines, first) = found(&facts);
    assert_eq!(headlines, ["The account's list is not available."]);
    assert!(first.contains("HTTP 404, no such route. "), "{first}");
}
