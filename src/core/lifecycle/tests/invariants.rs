//! What holds for every state with every event, and that the database takes it all.

use std::collections::BTreeSet;

use super::{
    every_pair::{events, jobs, told_of},
    *,
};
use crate::{
    core::spec::JobSpec,
    store::{Applied, Changes as _, Intent, Queue as _, Role, Store},
};

/// Every pair of a job and an event, with jobs of every history, at several times
/// and under every policy.
fn for_every_pair(mut check: impl FnMut(&Job, &Event, &Transition, UnixMs)) {
    let mut histories = Vec::new();
    for (_, job) in jobs() {
        let mut worn = job.clone();
        worn.progress.attempts = 4;
        worn.progress.holds = 1_000;
        worn.progress.polls = 1_000;
        worn.progress.poll_errors = 1_000;
        worn.progress.missing_lists = 2;
        worn.progress.generating_since = worn.progress.generating_since.map(|at| at - 9_000_000);
        if let Some(doubt) = &mut worn.progress.doubt {
            doubt.since -= 9_000_000;
            doubt.absent_since = Some(doubt.since);
            doubt.absent_lists = 2;
            doubt.untrusted_since = Some(doubt.since);
        }
        let mut odd = job.clone();
        odd.progress.doubt = Some(Doubt::new(DoubtCause::AnswerLost, NOW));
        histories.extend([job, worn, odd]);
    }
    let policies = [OnExisting::Adopt, OnExisting::Fail, OnExisting::Create].map(|on_existing| {
        [1, 5].map(|max_attempts| Policy {
            on_existing,
            max_attempts,
            ladder: (max_attempts == 1).then_some(LADDER),
            ..policy()
        })
    });
    for policy in policies.iter().flatten() {
        for job in &histories {
            for (_, event) in events() {
                for at in [NOW, 0, NOW + 100 * 86_400_000] {
                    let transition = decide(job, event.clone(), policy, at, 0.5);
                    check(job, &event, &transition, at);
                }
            }
        }
    }
}

#[test]
fn a_terminal_state_absorbs_everything() {
    for_every_pair(|job, event, transition, _| {
        // A person may have what FAILED tried again, or call it off.
        let is_said = matches!(event, Event::Retried | Event::Cancelled)
            && job.progress.state == JobState::Failed;
        if job.progress.state.is_terminal() && !is_said {
            assert!(matches!(transition, Transition::Ignored(_)), "{event:?}");
        }
    });
}

#[test]
fn money_is_spent_only_from_queued_after_a_list_and_never_in_doubt() {
    let mut intents = 0;
    for_every_pair(|job, event, transition, _| {
        let Transition::Change(change) = transition else {
            return;
        };
        let spends = change.ledger == Some(LedgerChange::Intent);
        if spends {
            intents += 1;
            assert_eq!(job.progress.state, JobState::Queued);
            assert!(matches!(event, Event::Listed { .. }), "{event:?}");
            assert_eq!(job.progress.doubt, None);
            assert_eq!(change.next.state, JobState::Creating);
            assert_eq!(change.next.doubt, None);
        }
        let counted = change.next.creates - job.progress.creates;
        let unsent = matches!(event, Event::CreateAnswered(CreateOutcome::NotSent(_)));
        assert_eq!(counted, i64::from(spends) - i64::from(unsent), "{event:?}");
    });
    assert!(intents > 0);
}

#[test]
fn a_doubt_ends_only_with_a_parser_or_with_word_that_nothing_was_made() {
    for_every_pair(|job, event, transition, _| {
        let Transition::Change(change) = transition else {
            return;
        };
        let ends = job.progress.state == JobState::Creating
            && job.progress.doubt.is_some()
            && change.next.doubt.is_none();
        // The create stays on record: a retry of the job settles it before it sends another.
        let is_broken = matches!(event, Event::Broken(_));
        if ends && !is_broken {
            let settled = matches!(
                change.ledger,
                Some(LedgerChange::Made(_) | LedgerChange::NotMade)
            );
            assert!(settled, "{event:?}");
        }
    });
}

#[test]
fn a_parser_id_is_never_lost() {
    for_every_pair(|job, event, transition, _| {
        let Transition::Change(change) = transition else {
            return;
        };
        // The id that a create was answered with may be none, and its parser another one.
        let is_replaced = matches!(event, Event::Missing(_, Evidence::One(..)))
            && matches!(
                &change.event,
                Some(JobEvent::Adopted { instead_of, .. }) if *instead_of == job.progress.parser_id
            );
        if job.progress.state == JobState::Generating && !is_replaced {
            assert_eq!(change.next.parser_id, job.progress.parser_id, "{event:?}");
        }
        if let Some(LedgerChange::Made(made)) = &change.ledger {
            assert_eq!(change.next.parser_id.as_ref(), Some(made), "{event:?}");
        }
    });
}

#[test]
fn each_state_has_what_belongs_to_it() {
    for_every_pair(|job, event, transition, at| {
        let Transition::Change(change) = transition else {
            return;
        };
        let next = &change.next;
        let label = format!("{} {event:?}", told_of(job));
        let is = |state| next.state == state;
        assert_eq!(next.park_reason.is_some(), is(JobState::Parked), "{label}");
        // What a cancelled job FAILED with stays to be read.
        if !is(JobState::Cancelled) {
            assert_eq!(next.error_kind.is_some(), is(JobState::Failed), "{label}");
        }
        assert_eq!(next.finished_at.is_some(), next.state.is_terminal());
        if is(JobState::Failed) {
            let hint = next.error_hint.as_deref().unwrap_or("");
            let message = next.error_message.as_deref().unwrap_or("");
            assert!(!hint.is_empty() && !message.is_empty(), "{label}");
            assert_eq!(next.finished_at, Some(at), "{label}");
        }
        if is(JobState::Parked) {
            assert!(next.error_hint.is_some(), "{label}");
        }
        if is(JobState::Generating) || is(JobState::Finished) {
            assert!(next.parser_id.is_some(), "{label}");
            assert!(next.generating_since.is_some(), "{label}");
        }
        if is(JobState::Creating) {
            assert!(next.remote_name.is_some(), "{label}");
        }
        assert_eq!(change.example_result.is_some(), is(JobState::Finished));
    });
}

#[test]
fn whoever_waits_is_looked_at_again_and_counters_never_fall_below_nothing() {
    for_every_pair(|job, event, transition, at| {
        let Transition::Change(change) = transition else {
            return;
        };
        let next = &change.next;
        let label = format!("{} {event:?}", told_of(job));
        let waits = matches!(next.state, JobState::Queued | JobState::Generating)
            || next.state == JobState::Creating && next.doubt.is_some();
        if waits {
            let soon = at..=at + 300_000;
            assert!(soon.contains(&next.due_at), "{label}: {}", next.due_at);
        }
        for count in [
            next.attempts,
            next.holds,
            next.polls,
            next.poll_errors,
            next.missing_lists,
            next.creates,
            next.recreation,
        ] {
            assert!(count >= 0, "{label}");
        }
    });
}

#[test]
fn each_change_of_state_has_a_line_in_the_history() {
    for_every_pair(|job, event, transition, _| {
        let Transition::Change(change) = transition else {
            return;
        };
        // What is taken in has its line by the database.
        if change.next.state != job.progress.state && !matches!(event, Event::TakenIn) {
            assert!(change.event.is_some(), "{} {event:?}", told_of(job));
        }
    });
}

#[test]
fn these_are_the_changes_of_state_that_decisions_make_and_no_others() {
    use JobState::{Cancelled, Creating, Failed, Finished, Generating, Parked, Queued};
    let mut found = BTreeSet::new();
    for_every_pair(|job, _, transition, _| {
        if let Transition::Change(change) = transition
            && change.next.state != job.progress.state
        {
            found.insert((job.progress.state, change.next.state));
        }
    });
    let expected = [
        (Queued, Creating),
        (Queued, Generating),
        (Queued, Parked),
        (Queued, Failed),
        (Queued, Cancelled),
        (Creating, Queued),
        (Creating, Generating),
        (Creating, Parked),
        (Creating, Failed),
        // The ladder.
        (Generating, Queued),
        (Generating, Finished),
        (Generating, Failed),
        (Parked, Queued),
        (Parked, Generating),
        (Parked, Creating),
        (Parked, Cancelled),
        (Failed, Queued),
        (Failed, Generating),
        (Failed, Cancelled),
    ];
    assert_eq!(found, BTreeSet::from(expected));
}

#[tokio::test]
async fn the_database_takes_every_decision_and_gives_it_back_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("p.db"), Role::Daemon)
        .await
        .unwrap();
    let mut tried = 0;
    for (_, start) in jobs() {
        for (label, event) in events() {
            let policy = Policy {
                ladder: Some(LADDER),
                ..policy()
            };
            let Transition::Change(change) = decide(&start, event, &policy, NOW, 0.0) else {
                continue;
            };
            tried += 1;
            let name = format!("job {tried}");
            // No two creates of one name can be pending.
            let change = Change {
                next: Progress {
                    remote_name: change.next.remote_name.as_ref().map(|_| name.clone()),
                    ..change.next.clone()
                },
                ..*change
            };
            let spec = JobSpec {
                name: name.clone(),
                urls: vec!["https://example.com/1".to_owned()],
                ..JobSpec::default()
            };
            store.submit(vec![spec], false).await.unwrap();
            let job_id = store.find(&name).await.unwrap().unwrap();
            let fresh = store.job(job_id).await.unwrap().unwrap();
            let durable = |applied| matches!(applied, Applied::Durable { .. });
            let applied = store
                .apply(
                    &fresh,
                    &Change::to(start.progress.clone()),
                    Intent::default(),
                    NOW,
                )
                .await
                .unwrap();
            assert!(durable(applied), "{label}");
            let job = store.job(job_id).await.unwrap().unwrap();
            let applied = store.apply(&job, &change, Intent::default(), NOW).await;
            assert!(durable(applied.unwrap()), "{label}: {}", told_of(&start));
            let stored = store.job(job_id).await.unwrap().unwrap();
            assert_eq!(stored.progress, change.next, "{label}");
        }
    }
    assert!(tried > 50, "{tried}");
    store.close().await;
}
