//! Jobs that update or delete a parser: every event in every state, and what is in doubt.

use super::{every_pair::events, *};
use crate::core::{
    outcome::ChangeOutcome,
    quality::{Quality, Wanted, judge},
    sighting::Sighting,
};

fn with_part(action: Action, part: Option<Part>, progress: Progress) -> Job {
    Job {
        action,
        progress: Progress {
            remote_name: None,
            part,
            creates: 0,
            ..progress
        },
        ..job(Progress::queued(NOW))
    }
}

fn sent(action: Action, part: Part) -> Job {
    let progress = Progress {
        parser_id: Some(id("p1")),
        parser_version: Some(3),
        ..creating().progress
    };
    with_part(action, Some(part), progress)
}

fn doubtful(mut job: Job) -> Job {
    job.progress.doubt = Some(Doubt::new(DoubtCause::AnswerLost, NOW));
    job
}

fn jobs() -> Vec<(&'static str, Job)> {
    let (update, delete) = (Action::Update, Action::Delete);
    let ambiguous = |mut job: Job| {
        job.progress.state = JobState::Parked;
        job.progress.park_reason = Some(ParkReason::Ambiguous);
        doubtful(job)
    };
    let failed = |kind| {
        let mut job = sent(update, Part::Paid);
        job.progress.state = JobState::Failed;
        job.progress.error_kind = Some(kind);
        job
    };
    let generating = Progress {
        parser_version: Some(4),
        ..generating().progress
    };
    vec![
        ("QUEUED update", with_part(update, None, queued().progress)),
        ("QUEUED delete", with_part(delete, None, queued().progress)),
        ("CREATING free", sent(update, Part::Free)),
        ("CREATING paid", sent(update, Part::Paid)),
        ("CREATING delete", sent(delete, Part::Delete)),
        ("free in doubt", doubtful(sent(update, Part::Free))),
        ("paid in doubt", doubtful(sent(update, Part::Paid))),
        ("delete in doubt", doubtful(sent(delete, Part::Delete))),
        (
            "GENERATING",
            with_part(update, Some(Part::Paid), generating),
        ),
        ("free, ambiguous", ambiguous(sent(update, Part::Free))),
        ("paid, ambiguous", ambiguous(sent(update, Part::Paid))),
        ("delete, ambiguous", ambiguous(sent(delete, Part::Delete))),
        ("FAILED bad_request", failed(ErrorKind::BadRequest)),
        ("FAILED generation", failed(ErrorKind::GenerationFailed)),
        ("FAILED timeout", failed(ErrorKind::GenerationTimeout)),
        ("FAILED poor_result", failed(ErrorKind::PoorResult)),
    ]
}

fn change_events() -> Vec<(&'static str, Event)> {
    let answered = |outcome, is_last| Event::ChangeAnswered { outcome, is_last };
    let sighted = |sight| Event::Sighted {
        sight,
        seen_at: NOW,
        is_last: true,
    };
    let seen = |sighting| sighted(Sight::Seen(sighting));
    let ready = |part| {
        Event::Looked(Look::Ready {
            part,
            parser_id: id("p1"),
            version: Some(3),
        })
    };
    let throttled = Refusal::Throttled {
        retry_after_ms: None,
    };
    vec![
        ("ready for the free part", ready(Part::Free)),
        ("ready for the paid part", ready(Part::Paid)),
        ("ready to delete", ready(Part::Delete)),
        (
            "nothing left to send",
            Event::Looked(Look::Done {
                parser_id: id("p1"),
                version: Some(4),
            }),
        ),
        (
            "conflict",
            Event::Looked(Look::Conflict {
                why: "version 9".to_owned(),
                parser_id: id("p1"),
                version: Some(9),
            }),
        ),
        (
            "gone",
            Event::Looked(Look::Gone {
                parser_id: Some(id("p1")),
                words: words(Some(404)),
            }),
        ),
        ("not found", Event::Looked(Look::NotFound(words(Some(404))))),
        ("unclear", Event::Looked(Look::Unclear(words(Some(503))))),
        (
            "done, more to send",
            answered(ChangeOutcome::Done { version: Some(4) }, false),
        ),
        (
            "done",
            answered(ChangeOutcome::Done { version: Some(4) }, true),
        ),
        (
            "done, no version",
            answered(ChangeOutcome::Done { version: None }, true),
        ),
        (
            "answered 404",
            answered(ChangeOutcome::NotFound(words(Some(404))), true),
        ),
        (
            "rejected",
            answered(ChangeOutcome::Rejected(words(Some(409))), true),
        ),
        (
            "answered 402",
            answered(
                ChangeOutcome::Refused(Refusal::Credits, words(Some(402))),
                true,
            ),
        ),
        (
            "answered 429",
            answered(ChangeOutcome::Refused(throttled, words(Some(429))), true),
        ),
        (
            "not sent",
            answered(ChangeOutcome::NotSent(words(None)), true),
        ),
        (
            "answer lost",
            answered(
                ChangeOutcome::InDoubt(Unknown::AnswerLost, words(None)),
                true,
            ),
        ),
        (
            "answered 503, later",
            answered(
                ChangeOutcome::Unavailable {
                    cause: Unknown::AnswerLost,
                    retry_after_ms: 5_000,
                    words: words(Some(503)),
                },
                true,
            ),
        ),
        ("seen unchanged", seen(Sighting::Unchanged(Some(3)))),
        ("seen as wanted", seen(Sighting::AsWanted(Some(4)))),
        (
            "seen otherwise",
            seen(Sighting::Otherwise("version 9".to_owned())),
        ),
        (
            "seen unclearly",
            seen(Sighting::Unclear("no version".to_owned())),
        ),
        ("seen gone", sighted(Sight::Gone(words(Some(404))))),
        ("not seen", sighted(Sight::Nothing)),
        (
            "took effect, more to send",
            Event::TookEffect {
                version: Some(4),
                is_last: false,
            },
        ),
    ]
}

#[test]
fn every_state_of_a_change_answers_every_event() {
    let mut lines = Vec::new();
    let others = events();
    for (label, event) in others.into_iter().chain(change_events()) {
        lines.push(format!("{label}:"));
        for (state, job) in jobs() {
            let told = told(&decided(&job, event.clone(), NOW));
            if told != "ignored" {
                lines.push(format!("    {state} -> {told}"));
            }
        }
    }
    insta::assert_snapshot!("changes", lines.join("\n"));
}

/// A paid request in doubt, and its parser as it was when it is looked at, again and again.
#[test]
fn a_paid_change_is_sent_again_only_after_a_whole_settling_time_unchanged() {
    let mut job = doubtful(sent(Action::Update, Part::Paid));
    job.progress.due_at = NOW;
    let mut looks = 0;
    let ended = loop {
        let at = job.progress.due_at;
        let event = Event::Sighted {
            sight: Sight::Seen(Sighting::Unchanged(Some(3))),
            seen_at: at,
            is_last: true,
        };
        let change = change(&job, event, at);
        looks += 1;
        job.progress = change.next.clone();
        if change.ledger == Some(LedgerChange::NotChanged) {
            break at;
        }
        assert_eq!(change.ledger, None);
    };
    assert!(looks >= TRUSTED_LISTS, "{looks}");
    assert!(ended - NOW >= policy().settle_ms, "{}", ended - NOW);
    assert_eq!(job.progress.state, JobState::Queued);
    assert_eq!(job.progress.attempts, 1);
}

#[test]
fn a_new_version_is_used_unless_it_is_worth_less() {
    use Quality::{Bad, Ok, Thin};
    let table = [
        (Some(Ok), Some(Ok), true),
        (Some(Ok), Some(Bad), true),
        (Some(Ok), None, true),
        (Some(Thin), Some(Ok), false),
        (Some(Thin), Some(Thin), true),
        (Some(Thin), None, true),
        (Some(Bad), Some(Ok), false),
        (Some(Bad), Some(Thin), false),
        (Some(Bad), Some(Bad), true),
        (Some(Bad), None, false),
        (None, Some(Ok), true),
        (None, None, true),
    ];
    for (new, in_use, is_used) in table {
        for gate in [QualityGate::Report, QualityGate::Fail] {
            let mut judgement = judge(None, &[], &Wanted::default(), 0.5);
            judgement.quality = new.unwrap_or(Ok);
            let finished = Finished {
                version: Some(4),
                judgement: new.map(|_| judgement),
                in_use,
                ..Finished::default()
            };
            let generating = Progress {
                parser_version: Some(4),
                ..generating().progress
            };
            let job = with_part(Action::Update, Some(Part::Paid), generating);
            let policy = Policy {
                quality_gate: gate,
                ..policy()
            };
            let event = Event::Polled(PollOutcome::Finished(finished));
            let Transition::Change(change) = decide(&job, event, &policy, NOW, 0.0) else {
                panic!("ignored");
            };
            let expected = ParserChange::Ready {
                version: Some(4),
                is_used,
            };
            assert_eq!(change.parser, Some(expected), "{new:?} {in_use:?}");
            let fails = gate == QualityGate::Fail && (!is_used || new == Some(Bad));
            let state = if fails {
                JobState::Failed
            } else {
                JobState::Finished
            };
            assert_eq!(change.next.state, state, "{new:?} {in_use:?} {gate}");
            assert_eq!(change.warning.is_some(), !is_used);
        }
    }
}

#[test]
fn a_new_parser_takes_the_place_of_another_unless_it_is_worth_less_or_of_no_use() {
    use Quality::{Bad, Ok, Thin};
    let another = ParserId("another".to_owned());
    for (new, in_use, is_worse) in [
        (Some(Ok), Some(Ok), false),
        (Some(Thin), Some(Ok), true),
        (Some(Thin), None, false),
        (Some(Bad), Some(Thin), true),
        (Some(Bad), Some(Bad), false),
        (Some(Bad), None, true),
        (None, Some(Ok), false),
    ] {
        for gate in [QualityGate::Report, QualityGate::Fail] {
            for replaces in [None, Some(another.clone())] {
                let mut judgement = judge(None, &[], &Wanted::default(), 0.5);
                judgement.quality = new.unwrap_or(Ok);
                let finished = Finished {
                    judgement: new.map(|_| judgement),
                    in_use: in_use.filter(|_| replaces.is_some()),
                    replaces: replaces.clone(),
                    ..Finished::default()
                };
                let policy = Policy {
                    quality_gate: gate,
                    ..policy()
                };
                let event = Event::Polled(PollOutcome::Finished(finished));
                let decided = decide(&generating(), event, &policy, NOW, 0.0);
                let Transition::Change(change) = decided else {
                    panic!("ignored");
                };
                let what = format!("{new:?} {in_use:?} {gate} {replaces:?}");
                let is_worse = is_worse && replaces.is_some();
                let fails = gate == QualityGate::Fail && (is_worse || new == Some(Bad));
                let stays = replaces.filter(|_| is_worse || fails);
                assert_eq!(change.stays, stays, "{what}");
                let state = if fails {
                    JobState::Failed
                } else {
                    JobState::Finished
                };
                assert_eq!(change.next.state, state, "{what}");
                assert_eq!(change.warning.is_some(), is_worse, "{what}");
                assert!(change.has_parser_ready(), "{what}");
            }
        }
    }
}

/// The parser is missing at each look: its update is given up after the last that is in order.
#[test]
fn a_parser_that_is_missing_for_a_minute_is_not_given_up() {
    let queued = with_part(Action::Update, Some(Part::Paid), queued().progress);
    let doubtful = doubtful(sent(Action::Update, Part::Paid));
    let event = |is_in_doubt: bool, seen_at| match is_in_doubt {
        true => Event::Sighted {
            sight: Sight::Gone(words(Some(404))),
            seen_at,
            is_last: true,
        },
        false => Event::Looked(Look::NotFound(words(Some(404)))),
    };
    for mut job in [queued, doubtful] {
        let is_in_doubt = job.progress.doubt.is_some();
        job.progress.due_at = NOW;
        let ended = loop {
            let at = job.progress.due_at;
            let change = change(&job, event(is_in_doubt, at), at);
            job.progress = change.next.clone();
            if job.progress.state == JobState::Failed {
                let spent = is_in_doubt.then_some(LedgerChange::Changed(None));
                assert_eq!(change.ledger, spent);
                break at;
            }
            assert_eq!(change.ledger, None);
        };
        assert_eq!(job.progress.error_kind, Some(ErrorKind::NotFound));
        assert!(ended - NOW >= 60_000, "{is_in_doubt} {}", ended - NOW);
    }
    // Once it is seen again, it is counted anew.
    let mut job = sent(Action::Update, Part::Paid);
    job.progress.doubt = Some(Doubt::new(DoubtCause::AnswerLost, NOW));
    job.progress.missing_lists = 2;
    let event = Event::Sighted {
        sight: Sight::Seen(Sighting::Unchanged(Some(3))),
        seen_at: NOW,
        is_last: true,
    };
    assert_eq!(change(&job, event, NOW).next.missing_lists, 0);
}

#[test]
fn a_conflict_is_looked_at_before_it_is_told_and_so_is_a_refusal_after_a_lost_answer() {
    for (status, attempts, again) in [
        (409, 0, true),
        (412, 3, true),
        (409, 4, false),
        (422, 0, false),
        (422, 1, true),
        (404, 1, false),
        (422, 4, false),
    ] {
        for (action, part) in [
            (Action::Update, Part::Free),
            (Action::Update, Part::Paid),
            (Action::Delete, Part::Delete),
        ] {
            let mut job = sent(action, part);
            job.progress.attempts = attempts;
            let said = words(Some(status));
            let outcome = match status {
                404 => ChangeOutcome::NotFound(said),
                _ => ChangeOutcome::Rejected(said),
            };
            let event = Event::ChangeAnswered {
                outcome,
                is_last: true,
            };
            let change = change(&job, event, NOW);
            let state = match (again, status, action) {
                (true, ..) => JobState::Queued,
                (_, 404, Action::Delete) => JobState::Finished,
                _ => JobState::Failed,
            };
            assert_eq!(change.next.state, state, "{status} {attempts} {part}");
            if again {
                assert_eq!(change.ledger, Some(LedgerChange::NotChanged));
                assert_eq!(change.next.attempts, attempts + 1);
                assert!(change.next.due_at > NOW, "at once again");
            }
        }
    }
}

#[test]
fn the_hint_of_a_failed_delete_is_about_a_delete() {
    let mut conflicts = sent(Action::Delete, Part::Delete);
    conflicts.progress.attempts = 4;
    let refused = sent(Action::Delete, Part::Delete);
    let mut lost = doubtful(sent(Action::Delete, Part::Delete));
    lost.progress.attempts = 4;
    let answered = |status| Event::ChangeAnswered {
        outcome: ChangeOutcome::Rejected(words(Some(status))),
        is_last: true,
    };
    let there = Event::Sighted {
        sight: Sight::Seen(Sighting::Unchanged(Some(3))),
        seen_at: NOW + 10 * 3_600_000,
        is_last: true,
    };
    for (job, event, expected) in [
        (conflicts, answered(409), "deletes it as it is now"),
        (refused, answered(422), "refused to delete the parser"),
        (lost, there, "the parser is still there: retry later"),
    ] {
        let change = change(&job, event, NOW + 10 * 3_600_000);
        assert_eq!(change.next.state, JobState::Failed, "{expected}");
        let hint = change.next.error_hint.unwrap();
        assert!(hint.contains(expected), "{hint}");
        assert!(!hint.contains("scraper_params"), "{hint}");
    }
}

#[test]
fn what_another_tool_seems_to_have_changed_is_told_once_before_a_person_is_asked() {
    let other = || Event::Sighted {
        sight: Sight::Seen(Sighting::Otherwise("version 9".to_owned())),
        seen_at: NOW + 1,
        is_last: true,
    };
    let mut job = doubtful(sent(Action::Update, Part::Paid));
    let first = change(&job, other(), NOW + 1);
    assert_eq!(first.next.state, JobState::Creating);
    assert_eq!(first.next.error_message.as_deref(), Some("version 9"));
    assert!(matches!(&first.event, Some(JobEvent::Waiting(_))));
    job.progress = first.next;
    let second = change(&job, other(), NOW + 1);
    assert_eq!(
        (second.next.state, second.event),
        (JobState::Creating, None)
    );
}
