//! From QUEUED: what the account's list, the budget and the row itself make of a turn.

use super::*;

fn turn(presence: Presence, on_existing: OnExisting) -> Transition {
    let policy = Policy {
        on_existing,
        ..policy()
    };
    decide(&queued(), listed(presence), &policy, NOW, 0.0)
}

#[test]
fn what_the_account_holds_under_the_name_decides_whether_anything_is_sent() {
    use OnExisting::{Adopt, Create, Fail};
    let one = || Presence::One(listed_parser("p7", false));
    const INTENT: &str = "CREATING, intent, -";
    const EXISTS: &str = "FAILED existing_parser, -, -";
    const SETTLE: &str = "CREATING in doubt (interrupted), -, -";
    const WAIT: &str = "QUEUED, -, -";
    let rows = [
        (Presence::Absent, [INTENT, INTENT, INTENT]),
        (one(), ["GENERATING, -, -", EXISTS, INTENT]),
        (
            several(&["p7", "p8"]),
            ["PARKED ambiguous, -, -", EXISTS, INTENT],
        ),
        (
            Presence::Suspects(vec![id("p7")]),
            ["PARKED ambiguous, -, -", "PARKED ambiguous, -, -", INTENT],
        ),
        (
            Presence::Own(id("p7")),
            ["GENERATING, -, -", "GENERATING, -, -", "GENERATING, -, -"],
        ),
        (Presence::Unresolved, [SETTLE, SETTLE, SETTLE]),
        (Presence::Inconclusive, [WAIT, WAIT, WAIT]),
    ];
    for (presence, expected) in rows {
        let found = [Adopt, Fail, Create].map(|how| told(&turn(presence.clone(), how)));
        assert_eq!(found, expected, "{presence:?}");
    }
}

#[test]
fn the_intent_records_name_counter_and_number_before_anything_is_sent() {
    let event = Event::Listed {
        presence: Presence::Absent,
        remote_name: "books_pd_22222222".to_owned(),
        recreation: 2,
    };
    let change = change(&queued(), event, NOW);
    assert_eq!(
        change.next.remote_name.as_deref(),
        Some("books_pd_22222222")
    );
    assert_eq!((change.next.recreation, change.next.creates), (2, 1));
    assert_eq!(change.next.doubt, None);
    assert_eq!(change.next.attempts, 0);
}

#[test]
fn an_adopted_parser_costs_nothing_and_is_polled_at_once() {
    let event = listed(Presence::One(listed_parser("p7", false)));
    let next = change(&queued(), event, NOW).next;
    assert_eq!(next.parser_id, Some(id("p7")));
    assert_eq!(next.remote_name.as_deref(), Some(NAME));
    assert_eq!((next.creates, next.due_at), (0, NOW));
    assert_eq!(next.generating_since, Some(NOW));
}

#[test]
fn a_person_is_told_which_parsers_may_be_the_jobs_and_says_so_once() {
    let mut job = queued();
    handle_event(&mut job, listed(several(&["p7", "p8"])), NOW);
    assert_eq!(job.progress.candidates, [id("p7"), id("p8")]);
    let message = job.progress.error_message.clone().unwrap();
    assert!(message.contains("2 parsers (p7, p8)"), "{message}");
    handle_event(&mut job, Event::NotCreated, NOW);
    assert_eq!(job.progress.dismissed, [id("p7"), id("p8")]);
    assert!(job.progress.candidates.is_empty());
}

#[test]
fn a_job_that_is_tried_again_forgets_its_former_parser_only_when_it_creates() {
    let mut job = queued();
    job.progress.parser_id = Some(id("p1"));
    for presence in [Presence::Absent, Presence::Unresolved] {
        let next = change(&job, listed(presence), NOW).next;
        assert_eq!(next.parser_id, None);
    }
    let next = change(&job, listed(Presence::Inconclusive), NOW).next;
    assert_eq!(next.parser_id, Some(id("p1")));
    let next = change(&job, listed(Presence::Own(id("p1"))), NOW).next;
    assert_eq!((next.state, next.creates), (JobState::Generating, 0));
}

#[test]
fn settling_another_jobs_create_is_no_attempt_of_this_one() {
    let policy = Policy {
        max_attempts: 1,
        ..policy()
    };
    let mut job = queued();
    handle_event(&mut job, listed(Presence::Unresolved), NOW);
    assert_eq!((job.progress.creates, job.progress.attempts), (0, 0));
    for listed_at in [NOW + 1, NOW + 450_000, NOW + 900_001] {
        let event = reconciled(Evidence::Absent, listed_at);
        job.progress.due_at = listed_at;
        let Transition::Change(change) = decide(&job, event, &policy, listed_at, 0.0) else {
            panic!("ignored");
        };
        job.progress = change.next;
    }
    assert_eq!(job.progress.state, JobState::Queued);
    assert_eq!(job.progress.attempts, 0);
}

#[test]
fn a_job_that_waits_for_proof_says_so_once_and_asks_a_person_in_the_end() {
    let mut job = queued();
    job.progress.holds = 500;
    let mut notes = Vec::new();
    let mut waited_ms = 0;
    for _ in 0..30 {
        if job.progress.state != JobState::Queued {
            break;
        }
        let change = change(&job, listed(Presence::Inconclusive), NOW);
        notes.extend(change.event.as_ref().map(JobEvent::name));
        waited_ms += (change.next.due_at - NOW).min(300_000);
        job.progress = change.next;
    }
    assert_eq!(notes, ["waiting", "parked"]);
    assert_eq!(job.progress.park_reason, Some(ParkReason::Ambiguous));
    assert!(waited_ms > 3_600_000, "{waited_ms}");
    handle_event(&mut job, Event::NotCreated, NOW);
    assert_eq!(
        (job.progress.state, job.progress.recreation),
        (JobState::Queued, 1),
        "the next name was never sent before"
    );
}

#[test]
fn a_queued_job_with_a_create_in_doubt_sends_nothing() {
    for presence in [
        Presence::Absent,
        Presence::One(listed_parser("p7", false)),
        Presence::Inconclusive,
    ] {
        let mut odd = in_doubt(DoubtCause::AnswerLost);
        odd.progress.state = JobState::Queued;
        let change = change(&odd, listed(presence), NOW);
        assert_eq!(change.ledger, None);
        assert_eq!(change.next.state, JobState::Creating);
        assert_eq!(change.next.doubt, odd.progress.doubt);
        assert_eq!(change.next.creates, odd.progress.creates);
    }
}

#[test]
fn the_list_before_a_create_shares_its_refusal_with_the_job() {
    for (refusal, expected) in [
        (
            Refusal::Unauthorized,
            "PARKED unauthorized, -, unauthorized",
        ),
        (Refusal::Credits, "PARKED credits, -, credits"),
        (
            Refusal::Throttled {
                retry_after_ms: None,
            },
            "QUEUED, -, throttled",
        ),
    ] {
        let event = Event::ListRefused(refusal, words(Some(401)));
        let transition = decided(&queued(), event, NOW);
        assert_eq!(told(&transition), expected);
    }
}

#[test]
fn what_would_cost_is_parked_while_credits_hold_the_creates_and_says_nothing_of_the_account() {
    let transition = decided(&queued(), Event::OutOfCredits(words(None)), NOW);
    assert_eq!(told(&transition), "PARKED credits, -, -");
    let next = change(&queued(), Event::OutOfCredits(words(None)), NOW).next;
    assert_eq!((next.due_at, next.creates), (NOW, 0));
    assert!(next.error_hint.unwrap().contains("parserd resume"));
}

#[test]
fn a_job_over_budget_is_parked_with_the_figures() {
    for (until, due_at) in [(Some(NOW + 9), NOW + 9), (None, i64::MAX)] {
        let over = OverBudget {
            until,
            message: "60000 of 60000".to_owned(),
        };
        let next = change(&queued(), Event::OverBudget(over), NOW).next;
        assert_eq!(next.park_reason, Some(ParkReason::Budget));
        assert_eq!(next.due_at, due_at);
        assert_eq!(next.error_message.as_deref(), Some("60000 of 60000"));
        assert_eq!(next.creates, 0);
    }
}

#[test]
fn a_row_without_a_valid_specification_fails_and_sends_nothing() {
    let event = Event::Unusable("urls is no JSON".to_owned());
    let change = change(&queued(), event, NOW);
    assert_eq!(change.next.error_kind, Some(ErrorKind::BadRequest));
    assert_eq!(
        change.next.error_message.as_deref(),
        Some("urls is no JSON")
    );
    assert_eq!((change.ledger, change.next.creates), (None, 0));
}

#[test]
fn what_is_foreseen_to_fail_is_not_paid_for_and_says_what_to_do() {
    let record = |verdict| Record {
        at: NOW,
        foreseen: found(verdict),
    };
    let params = Some("{\"premium\":true}".to_owned());
    let foreseen = |verdict| Event::Foreseen {
        record: record(verdict),
        effective_params: params.clone(),
    };
    for verdict in Verdict::ALL {
        let change = change(&queued(), foreseen(*verdict), NOW);
        let next = &change.next;
        assert_eq!(next.preflight, Some(record(*verdict).to_json()));
        if verdict.may_work() {
            assert_eq!(next.effective_params, params);
            assert_eq!((next.state, next.due_at), (JobState::Queued, NOW));
            assert!(matches!(change.event, Some(JobEvent::Foreseen(_))));
        } else {
            assert_eq!(next.error_kind, Some(ErrorKind::PreflightFailed));
            assert_eq!(next.effective_params, None);
            let message = next.error_message.as_deref().unwrap_or_default();
            assert!(message.contains("https://a.example/1"), "{message}");
            assert!(message.ends_with("no create was sent"), "{message}");
            assert!(
                next.error_hint
                    .as_deref()
                    .unwrap()
                    .contains("take that page out")
            );
        }
        assert_eq!(change.ledger, None, "{verdict}");
    }
}

#[test]
fn a_verdict_holds_for_its_time_and_one_that_a_job_failed_for_not_at_all() {
    let record = |verdict| Record {
        at: NOW,
        foreseen: found(verdict),
    };
    for (verdict, after_ms, holds) in [
        (Verdict::Ok, 0, true),
        (Verdict::Ok, 999, true),
        (Verdict::Ok, 1_000, false),
        // A clock that was set back.
        (Verdict::Ok, -1, false),
        (Verdict::Unknown, 0, true),
        (Verdict::Gone, 0, false),
    ] {
        let record = Record::of_json(&record(verdict).to_json()).expect("it was just written");
        assert_eq!(
            record.is_in_force(NOW + after_ms, 1_000),
            holds,
            "{verdict} {after_ms}"
        );
    }
}
