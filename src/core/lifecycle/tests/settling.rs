//! When an absence counts, when a person is asked, and what counts as an attempt.

use super::*;
use DoubtCause::{AnswerLost, Interrupted, ServiceError};

const ABSENT: Evidence = Evidence::Absent;

/// The states that trusted lists without the parser lead to, one after another.
fn states(cause: DoubtCause, listed_at: &[DurationMs]) -> Vec<JobState> {
    let mut job = in_doubt(cause);
    listed_at
        .iter()
        .map(|after_ms| {
            let at = NOW + after_ms;
            handle_event(&mut job, reconciled(ABSENT, at), at);
            job.progress.state
        })
        .collect()
}

#[test]
fn an_absence_counts_after_three_lists_and_the_settling_time_of_its_cause() {
    let rows: &[(DoubtCause, &[DurationMs], bool)] = &[
        (ServiceError, &[0, 10_000, 29_999], false),
        (ServiceError, &[0, 10_000, 30_000], true),
        (ServiceError, &[1_000, 10_000, 30_000], false),
        (ServiceError, &[1_000, 10_000, 31_000], true),
        (ServiceError, &[0, 30_000], false),
        (ServiceError, &[0, 9_000_000], false),
        (ServiceError, &[0, 9_000_000, 9_000_001], true),
        (AnswerLost, &[0, 10_000, 30_000], false),
        (AnswerLost, &[0, 450_000, 899_999], false),
        (AnswerLost, &[0, 450_000, 900_000], true),
        (AnswerLost, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], false),
        (Interrupted, &[0, 10_000, 30_000], false),
        (Interrupted, &[0, 450_000, 899_999], false),
        (Interrupted, &[0, 450_000, 900_000], true),
    ];
    for (cause, listed_at, settled) in rows {
        let found = states(*cause, listed_at);
        let (last, before) = found.split_last().unwrap();
        let label = format!("{cause} {listed_at:?}");
        assert!(before.iter().all(|s| *s == JobState::Creating), "{label}");
        assert_eq!(*last == JobState::Queued, *settled, "{label}");
    }
}

#[test]
fn time_in_which_nobody_looked_as_planned_counts_for_nothing() {
    // Frozen from the second look on, for an hour; then as planned.
    for frozen_before in [1, 2] {
        let mut job = in_doubt(AnswerLost);
        let mut at = NOW;
        let mut looks = 0;
        let mut counted_ms = 0;
        while job.progress.state == JobState::Creating {
            if looks == frozen_before {
                at += 3_600_000;
            }
            let change = change(&job, reconciled(ABSENT, at), at);
            job.progress = change.next;
            looks += 1;
            let wait_ms = (job.progress.due_at - at).max(0);
            counted_ms += if job.progress.state == JobState::Creating {
                wait_ms
            } else {
                0
            };
            at += wait_ms;
        }
        assert!(counted_ms >= 900_000, "{counted_ms}");
        assert!(looks > 3, "{looks}");
    }
    // Nor does it bring a person in.
    let mut job = in_doubt(AnswerLost);
    job.progress = change(&job, reconciled(inconclusive(), NOW), NOW).next;
    let frozen_until = NOW + 100 * 3_600_000;
    job.progress = change(&job, reconciled(inconclusive(), frozen_until), frozen_until).next;
    assert_eq!(job.progress.state, JobState::Creating);
}

/// A list may be asked for before the machine stands still, and be answered after it.
#[test]
fn time_in_which_a_look_was_frozen_does_not_count_towards_settling() {
    let hour_ms = 3_600_000;
    let mut job = in_doubt(AnswerLost);
    let mut at = NOW;
    for _ in 0..4 {
        let asked_at = at;
        at += hour_ms;
        job.progress = change(&job, reconciled(ABSENT, asked_at), at).next;
        assert_eq!(job.progress.state, JobState::Creating, "at {at}");
        at = job.progress.due_at;
    }
}

#[test]
fn the_daemons_own_looks_settle_a_doubt_no_sooner_and_not_much_later() {
    for (cause, settle_ms) in [
        (ServiceError, 30_000),
        (AnswerLost, 900_000),
        (Interrupted, 900_000),
    ] {
        for jitter in [0.0, 0.5, 0.999] {
            let mut job = in_doubt(cause);
            let (mut at, mut lists) = (NOW, 0);
            while job.progress.state == JobState::Creating {
                let event = reconciled(ABSENT, at);
                let Transition::Change(change) = decide(&job, event, &policy(), at, jitter) else {
                    panic!("ignored");
                };
                job.progress = change.next;
                lists += 1;
                if job.progress.state == JobState::Creating {
                    assert!(job.progress.due_at > at, "a busy loop");
                    at = job.progress.due_at;
                }
            }
            assert_eq!(at - NOW, settle_ms, "{cause} {jitter}");
            assert!((3..=15).contains(&lists), "{lists} lists");
        }
    }
}

#[test]
fn what_is_known_to_have_made_nothing_is_sent_again_and_then_given_up() {
    for (cause, attempts, told_after) in [
        (ServiceError, 0, "QUEUED, not made, -"),
        (ServiceError, 3, "QUEUED, not made, -"),
        (ServiceError, 4, "FAILED server_error, not made, -"),
        (AnswerLost, 3, "QUEUED, not made, -"),
        (AnswerLost, 4, "FAILED server_error, not made, -"),
        (Interrupted, 0, "QUEUED, not made, -"),
        (Interrupted, 4, "QUEUED, not made, -"),
    ] {
        let mut job = in_doubt(cause);
        job.progress.attempts = attempts;
        job.progress.error_status = Some(500);
        job.progress.error_message = Some("boom".to_owned());
        job.progress.doubt = Some(Doubt {
            absent_since: Some(NOW),
            absent_lists: 2,
            ..Doubt::new(cause, NOW)
        });
        let at = NOW + 900_000;
        job.progress.due_at = at;
        let transition = decided(&job, reconciled(ABSENT, at), at);
        assert_eq!(told(&transition), told_after, "{cause} {attempts}");
        let Transition::Change(change) = transition else {
            panic!("ignored");
        };
        let counted = i64::from(cause != Interrupted);
        assert_eq!(change.next.attempts, attempts + counted, "{cause}");
        assert_eq!(change.next.doubt, None);
        assert_eq!(change.next.error_status, Some(500));
        if change.next.state == JobState::Queued {
            let tries = u32::try_from((attempts + counted - 1).max(0)).unwrap();
            assert_eq!(change.next.due_at - at, 2_000 * 2_i64.pow(tries));
        }
    }
}

#[test]
fn a_job_that_is_interrupted_again_and_again_is_never_failed_for_it() {
    let mut job = creating();
    for round in 0..20 {
        let at = NOW + round * 10_000_000;
        assert_eq!(handle_event(&mut job, Event::Interrupted, at), 0);
        for listed_at in [at, at + 450_000, at + 900_000] {
            handle_event(&mut job, reconciled(ABSENT, listed_at), listed_at);
        }
        assert_eq!(job.progress.state, JobState::Queued, "{round}");
        job.progress.state = JobState::Creating;
    }
    assert_eq!(job.progress.attempts, 0);
}

#[test]
fn a_list_asked_for_before_the_doubt_began_proves_nothing() {
    for evidence in [ABSENT, inconclusive()] {
        let mut job = in_doubt(AnswerLost);
        for _ in 0..10 {
            handle_event(
                &mut job,
                reconciled(evidence.clone(), NOW - 1),
                NOW + 9_000_000,
            );
        }
        assert_eq!(job.progress.doubt, in_doubt(AnswerLost).progress.doubt);
    }
}

#[test]
fn a_clock_set_back_starts_the_settling_time_anew() {
    // The lists' times, after the doubt began.
    let rows: &[(&[DurationMs], bool)] = &[
        (&[800_000, 850_000, 0, 899_999], false),
        (&[800_000, 850_000, 0, 900_000], true),
    ];
    for (listed_at, settled) in rows {
        let found = states(AnswerLost, listed_at);
        let last = found.last().unwrap();
        assert_eq!(*last == JobState::Queued, *settled, "{listed_at:?}");
    }
    // To before the doubt itself: nothing counts until the clock has caught up.
    let found = states(AnswerLost, &[0, 10, -5_000_000, -4_000_000, -3_000_000]);
    assert_eq!(found, [JobState::Creating; 5]);
}

#[test]
fn lists_without_trust_ask_a_person_after_four_settling_times_of_answers() {
    for cause in [ServiceError, AnswerLost, Interrupted] {
        let mut job = in_doubt(cause);
        for after_ms in [0, 900_000, 1_800_000, 3_599_999] {
            let at = NOW + after_ms;
            handle_event(&mut job, reconciled(inconclusive(), at), at);
            assert_eq!(job.progress.state, JobState::Creating, "{after_ms}");
        }
        let at = NOW + 3_600_000;
        let change = change(&job, reconciled(inconclusive(), at), at);
        assert_eq!(change.next.park_reason, Some(ParkReason::Ambiguous));
        assert_eq!(change.next.doubt.unwrap().cause, cause, "still in doubt");
        assert_eq!(change.ledger, None);
        assert!(change.next.error_hint.unwrap().contains("resolve"));
    }
}

/// A list that shows nothing is caught by a parser that it lacks, and looks whole once that one is
/// known to be deleted: what it lacked before proves nothing (seed 558058).
#[test]
fn a_list_without_trust_takes_away_what_the_lists_before_it_proved() {
    let mut job = in_doubt(AnswerLost);
    let after = |ms: DurationMs| NOW + ms;
    for at in [NOW, after(450_000)] {
        handle_event(&mut job, reconciled(ABSENT, at), at);
    }
    let at = after(899_000);
    handle_event(&mut job, reconciled(inconclusive(), at), at);
    let doubt = job.progress.doubt.unwrap();
    assert_eq!((doubt.absent_since, doubt.absent_lists), (None, 0));
    for at in [900_000, 1_300_000, 1_799_999].map(after) {
        handle_event(&mut job, reconciled(ABSENT, at), at);
        assert_eq!(job.progress.state, JobState::Creating, "{at}");
    }
    handle_event(
        &mut job,
        reconciled(ABSENT, after(1_800_000)),
        after(1_800_000),
    );
    assert_eq!(job.progress.state, JobState::Queued);
}

#[test]
fn lists_that_come_and_go_ask_a_person_as_those_without_trust_do() {
    let mut job = in_doubt(AnswerLost);
    for after_ms in (0..3_600_000).step_by(400_000) {
        for (evidence, at) in [(inconclusive(), after_ms), (ABSENT, after_ms + 200_000)] {
            handle_event(&mut job, reconciled(evidence, NOW + at), NOW + at);
            assert_eq!(job.progress.state, JobState::Creating, "{at}");
        }
    }
    let at = NOW + 3_600_000;
    handle_event(&mut job, reconciled(inconclusive(), at), at);
    assert_eq!(job.progress.park_reason, Some(ParkReason::Ambiguous));
}

#[test]
fn an_outage_is_waited_out_for_ever_and_with_growing_pauses() {
    for cause in [ServiceError, AnswerLost, Interrupted] {
        let mut job = in_doubt(cause);
        let (mut at, mut looks) = (NOW, 0);
        while at < NOW + 30 * 86_400_000 {
            let waits = handle_event(&mut job, reconciled(Evidence::NoList, at), at);
            assert!((1..=300_000).contains(&waits), "{waits}");
            at += waits;
            looks += 1;
        }
        assert_eq!(job.progress.state, JobState::Creating);
        assert_eq!(job.progress.doubt, in_doubt(cause).progress.doubt);
        // One each five minutes would be 8,640.
        assert!(looks < 8_700, "{cause}: {looks} lists asked for");
    }
}

#[test]
fn a_partial_list_is_not_asked_for_each_second_until_a_person_is_asked() {
    let mut job = in_doubt(ServiceError);
    let (mut at, mut looks) = (NOW, 0);
    while job.progress.state == JobState::Creating && looks < 50 {
        handle_event(&mut job, reconciled(inconclusive(), at), at);
        at = job.progress.due_at;
        looks += 1;
    }
    assert_eq!(job.progress.state, JobState::Parked, "{looks} looks");
}

#[test]
fn the_first_look_of_a_new_process_is_at_once() {
    let change = change(&creating(), Event::Interrupted, NOW);
    assert_eq!(change.next.due_at, NOW);
    assert_eq!(change.next.doubt, Some(Doubt::new(Interrupted, NOW)));
    assert_eq!(change.ledger, None);
}

#[test]
fn a_create_that_was_asked_to_come_later_is_no_attempt_unless_another_was_made_since() {
    let later = || CreateOutcome::Unavailable {
        cause: Unknown::AnswerLost,
        retry_after_ms: 60_000,
        words: words(Some(503)),
    };
    let lost = || CreateOutcome::InDoubt(Unknown::AnswerLost, words(Some(503)));
    for (answers, attempts) in [
        (vec![later()], 0),
        (
            vec![later(), later(), later(), later(), later(), later()],
            0,
        ),
        (vec![lost()], 1),
        (vec![later(), lost()], 1),
        (vec![lost(), later()], 1),
    ] {
        let mut job = creating();
        for outcome in answers.clone() {
            job.progress.state = JobState::Creating;
            handle_event(&mut job, Event::CreateAnswered(outcome), NOW);
            assert!(
                job.progress.doubt.is_some(),
                "it may have been made: {answers:?}"
            );
            for at in [NOW, NOW + 450_000, NOW + 900_000] {
                handle_event(&mut job, reconciled(ABSENT, at), at);
            }
            assert_eq!(job.progress.state, JobState::Queued, "{answers:?}");
        }
        assert_eq!(job.progress.attempts, attempts, "{answers:?}");
    }
}
