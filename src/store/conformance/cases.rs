//! What holds in every store, case by case.

use std::collections::BTreeMap;

use super::{NOW, Subject, model, policy, sqlite};
use crate::{
    core::{
        gate::{Closure, GateReason, Scope},
        job::{Job, JobId, JobState, ParkReason, ParserId},
        lifecycle::{Change, Event, Evidence, Presence, Transition, decide},
        outcome::{CreateOutcome, DoubtCause, ErrorDetail, Refusal},
        progress::AnnouncedBatch,
    },
    store::{
        BATCH, ParkedFirst,
        outside::Operation,
        ports::{Applied, Intent, JobStore, Lane},
    },
};

/// Each case as a test of each store.
macro_rules! every_store {
    ($($case:ident),+ $(,)?) => {
        mod on_the_model {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::model()).await;
            })+
        }

        mod on_sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::sqlite().await).await;
            })+
        }
    };
}
pub(super) use every_store;

every_store! {
    a_change_is_stored_on_the_revision_that_it_was_decided_for,
    one_create_of_a_name_is_pending_at_a_time,
    what_was_paid_for_is_kept_though_the_job_moved_on,
    a_create_that_made_nothing_gives_its_credits_back,
    creates_of_the_ladder_count_in_its_share_of_the_day,
    the_highest_priority_is_due_first_then_the_longest_due,
    a_gate_that_an_operator_opened_stays_open,
    who_is_parked_for_a_reason_goes_on_when_it_is_lifted,
    parked_jobs_come_by_priority_or_by_how_long_they_were,
    a_step_of_the_clock_is_taken_once,
    a_cancelled_jobs_name_is_free_and_no_other_is,
    accounts_are_one_where_a_create_at_one_is_adopted_from_the_other,
    a_batch_is_what_happened_since_the_last_one_was_announced,
}

impl<D: JobStore> Subject<D> {
    fn insert(&mut self, name: &str, priority: i64) -> JobId {
        let insert = Operation::Insert {
            name,
            urls: r#"["https://a.example/"]"#,
            priority,
            run_at: None,
            check_urls: None,
            fields: None,
            parser_id: None,
            protect: false,
        };
        assert_eq!(self.outside.operate(NOW, insert), Ok(1));
        let (jobs, _) = self.outside.rows();
        JobId(jobs.last().unwrap().id)
    }

    async fn job(&self, id: JobId) -> Job {
        self.store.job(id).await.unwrap().unwrap()
    }

    async fn handle_event(&self, job: &Job, event: Event) -> Applied {
        let change = decided(job, event);
        let intent = Intent {
            credits: 30_000,
            sent_at: NOW,
            ..Intent::default()
        };
        self.store.apply(job, &change, intent, NOW).await.unwrap()
    }

    /// A job whose create is under way.
    async fn creating(&mut self, name: &str) -> Job {
        let id = self.insert(name, 0);
        let applied = self
            .handle_event(&self.job(id).await, turn("n_pd_abcdefgh"))
            .await;
        assert_eq!(applied, DURABLE);
        self.job(id).await
    }
}

const DURABLE: Applied = Applied::Durable { refund: None };

fn decided(job: &Job, event: Event) -> Change {
    match decide(job, event, &policy(), NOW, 0.5) {
        Transition::Change(change) => *change,
        Transition::Ignored(why) => panic!("{why}: {job:?}"),
    }
}

fn turn(remote_name: &str) -> Event {
    Event::Listed {
        presence: Presence::Absent,
        remote_name: remote_name.to_owned(),
        recreation: 0,
    }
}

fn created(id: &str) -> Event {
    Event::CreateAnswered(CreateOutcome::Created {
        parser_id: ParserId(id.to_owned()),
        version: None,
    })
}

async fn a_change_is_stored_on_the_revision_that_it_was_decided_for(
    mut at: Subject<impl JobStore>,
) {
    let id = at.insert("a", 0);
    let job = at.job(id).await;
    assert_eq!(at.handle_event(&job, turn("n_pd_abcdefgh")).await, DURABLE);
    let refused = Event::ListRefused(Refusal::Credits, ErrorDetail::default());
    assert_eq!(at.handle_event(&job, refused).await, Applied::Stale);
    assert_eq!(at.job(id).await.progress.state, JobState::Creating);
}

async fn one_create_of_a_name_is_pending_at_a_time(mut at: Subject<impl JobStore>) {
    at.creating("a").await;
    let id = at.insert("b", 0);
    let job = at.job(id).await;
    let change = decided(&job, turn("n_pd_abcdefgh"));
    let second = at.store.apply(&job, &change, Intent::default(), NOW).await;
    assert!(second.is_err());
    assert_eq!(at.job(id).await, job);
}

async fn what_was_paid_for_is_kept_though_the_job_moved_on(mut at: Subject<impl JobStore>) {
    let job = at.creating("a").await;
    let lost = CreateOutcome::InDoubt(DoubtCause::AnswerLost, ErrorDetail::default());
    at.handle_event(&job, Event::CreateAnswered(lost)).await;
    assert_eq!(at.handle_event(&job, created("late")).await, Applied::Stale);
    let facts = at.store.ledger("n_pd_abcdefgh").await.unwrap();
    assert_eq!(facts.made, [ParserId("late".to_owned())]);
    assert_eq!(at.store.spent(NOW).await.unwrap().in_all, 30_000);
}

async fn a_create_that_made_nothing_gives_its_credits_back(mut at: Subject<impl JobStore>) {
    let job = at.creating("a").await;
    let refused = CreateOutcome::Refused(Refusal::Credits, ErrorDetail::default());
    let applied = at.handle_event(&job, Event::CreateAnswered(refused)).await;
    let refund = Some((30_000, NOW));
    assert_eq!(applied, Applied::Durable { refund });
    assert_eq!(at.store.spent(NOW).await.unwrap().in_all, 0);
}

async fn creates_of_the_ladder_count_in_its_share_of_the_day(mut at: Subject<impl JobStore>) {
    let job = at.creating("a").await;
    at.handle_event(&job, created("p1")).await;
    let came_to_nothing = Event::CameToNothing {
        words: ErrorDetail {
            status: Some(200),
            message: "blocked".to_owned(),
        },
        scraper_params: None,
    };
    let job = at.job(job.id).await;
    at.handle_event(&job, came_to_nothing).await;
    let job = at.job(job.id).await;
    assert_eq!(
        (job.progress.state, job.progress.climbs),
        (JobState::Queued, 1)
    );
    assert_eq!(at.store.spent_by_ladder(NOW).await.unwrap(), 0);
    let intent = Intent {
        credits: 30_000,
        sent_at: NOW,
        is_escalated: true,
        ..Intent::default()
    };
    let change = decided(&job, turn("n_pd_bcdefghi"));
    let applied = at.store.apply(&job, &change, intent, NOW).await.unwrap();
    assert_eq!(applied, DURABLE);
    let day_ms = 86_400_000;
    for (now, spent) in [(NOW, 30_000), (NOW - day_ms, 30_000), (NOW + day_ms, 0)] {
        assert_eq!(at.store.spent_by_ladder(now).await.unwrap(), spent, "{now}");
    }
    let refused = CreateOutcome::Refused(Refusal::Credits, ErrorDetail::default());
    let job = at.job(job.id).await;
    at.handle_event(&job, Event::CreateAnswered(refused)).await;
    assert_eq!(at.store.spent_by_ladder(NOW).await.unwrap(), 0);
}

async fn the_highest_priority_is_due_first_then_the_longest_due(mut at: Subject<impl JobStore>) {
    let [low, high, also_low] = [at.insert("a", 0), at.insert("b", 1), at.insert("c", 0)];
    let due = at.store.due_creates(NOW, 10).await.unwrap();
    let order: Vec<_> = due.iter().map(|queued| queued.job.id).collect();
    assert_eq!(order, [high, low, also_low]);
    assert!(at.store.due_creates(NOW - 1, 10).await.unwrap().is_empty());
    let next = at.store.next_due(Lane::Create, NOW - 1).await.unwrap();
    assert_eq!(next, Some(NOW));
}

async fn a_gate_that_an_operator_opened_stays_open(mut at: Subject<impl JobStore>) {
    let closure = Closure {
        reason: GateReason::Credits,
        since: NOW,
        next_probe_at: NOW,
        interval_ms: 1,
    };
    let store = &at.store;
    store.set_gate(Scope::Create, Some(closure)).await.unwrap();
    assert!(store.update_gate(Scope::Create, closure).await.unwrap());
    assert_eq!(at.outside.operate(NOW, Operation::OpenGates), Ok(1));
    assert!(!store.update_gate(Scope::Create, closure).await.unwrap());
    assert!(store.gates().await.unwrap().is_empty());
}

async fn who_is_parked_for_a_reason_goes_on_when_it_is_lifted(mut at: Subject<impl JobStore>) {
    let id = at.insert("a", 0);
    let refused = Event::ListRefused(Refusal::Credits, ErrorDetail::default());
    at.handle_event(&at.job(id).await, refused).await;
    let parked = |reason| at.store.parked(reason, ParkedFirst::Highest, 10);
    assert_eq!(parked(ParkReason::Budget).await.unwrap(), []);
    let found = parked(ParkReason::Credits).await.unwrap();
    assert_eq!(found, [at.job(id).await]);
    at.handle_event(&found[0], Event::Lifted).await;
    assert_eq!(at.job(id).await.progress.state, JobState::Queued);
}

async fn parked_jobs_come_by_priority_or_by_how_long_they_were(mut at: Subject<impl JobStore>) {
    let ids = [at.insert("a", 0), at.insert("b", 1), at.insert("c", 2)];
    for id in ids {
        let event = Event::OutOfCredits(ErrorDetail::default());
        at.handle_event(&at.job(id).await, event).await;
    }
    let [low, mid, high] = ids;
    for (first, limit, expected) in [
        (ParkedFirst::Highest, 9, &[high, mid, low][..]),
        (ParkedFirst::Highest, 2, &[high, mid]),
        (ParkedFirst::Longest, 9, &[low, mid, high]),
        (ParkedFirst::Longest, 1, &[low]),
    ] {
        let parked = at.store.parked(ParkReason::Credits, first, limit).await;
        let found: Vec<_> = parked.unwrap().iter().map(|job| job.id).collect();
        assert_eq!(found, expected, "{first:?}");
    }
}

async fn a_step_of_the_clock_is_taken_once(mut at: Subject<impl JobStore>) {
    let job = at.creating("a").await;
    at.handle_event(&job, created("p")).await;
    let since = at.job(job.id).await.progress.generating_since.unwrap();
    for by in [5_000, 7_000] {
        let token = "token".to_owned();
        assert_eq!(at.store.shift_times(token, by, NOW).await.unwrap(), 5_000);
    }
    let after = at.job(job.id).await.progress.generating_since;
    assert_eq!(after, Some(since + 5_000));
}

async fn a_cancelled_jobs_name_is_free_and_no_other_is(mut at: Subject<impl JobStore>) {
    let id = at.insert("a", 0);
    let again = Operation::Insert {
        name: "a",
        urls: r#"["https://a.example/"]"#,
        priority: 0,
        run_at: None,
        check_urls: None,
        fields: None,
        parser_id: None,
        protect: false,
    };
    assert!(at.outside.operate(NOW, again).is_err());
    assert_eq!(at.outside.operate(NOW, Operation::Cancel(id.0)), Ok(1));
    let retried = at.outside.operate(NOW, Operation::Retry(id.0));
    assert!(retried.unwrap_err().contains("stays so"));
    assert_ne!(at.insert("a", 0), id);
}

async fn accounts_are_one_where_a_create_at_one_is_adopted_from_the_other(
    mut at: Subject<impl JobStore>,
) {
    let parser = ParserId("p".to_owned());
    at.store.begin_epoch("one".to_owned(), NOW).await.unwrap();
    let id = at.creating("a").await.id;
    at.store.begin_epoch("two".to_owned(), NOW).await.unwrap();
    at.handle_event(&at.job(id).await, Event::Interrupted).await;
    at.store.join_adopted().await.unwrap();
    assert!(at.store.ledger("n_pd_abcdefgh").await.unwrap().is_elsewhere);
    let seen = Event::Reconciled {
        evidence: Evidence::One(parser.clone(), None),
        listed_at: NOW,
    };
    at.handle_event(&at.job(id).await, seen).await;
    // Here the process dies, before it records that the two are one.
    assert!(at.store.is_foreign(&parser).await.unwrap());
    at.store.join_adopted().await.unwrap();
    assert!(!at.store.is_foreign(&parser).await.unwrap());
}

async fn a_batch_is_what_happened_since_the_last_one_was_announced(mut at: Subject<impl JobStore>) {
    let first = at.store.batch_since(0).await.unwrap();
    assert_eq!(first, None, "an empty store");
    let last = at.insert("a", 0);
    at.insert("b", 0);
    let figures = at.store.batch_since(0).await.unwrap().unwrap();
    assert_eq!(figures.started_at, NOW);
    let queued = BTreeMap::from([(JobState::Queued, 2)]);
    assert_eq!(figures.states, queued);
    let (event, announced) = figures.announcement(AnnouncedBatch::default(), 0, NOW + 5);
    let store = &at.store;
    store
        .announce(&event, BATCH, &announced, NOW + 5)
        .await
        .unwrap();
    assert_eq!(store.fact(BATCH).await.unwrap(), Some(announced));
    // The announcement itself is part of none, and neither is a job that is only held.
    let refused = Event::ListRefused(Refusal::Credits, ErrorDetail::default());
    at.handle_event(&at.job(last).await, refused).await;
    let store = &at.store;
    let since = store.batch_since(announced.event_id).await.unwrap();
    assert_eq!(since, None);
    at.insert("c", 0);
    let figures = at.store.batch_since(announced.event_id).await.unwrap();
    let both = BTreeMap::from([(JobState::Parked, 1), (JobState::Queued, 1)]);
    assert_eq!(figures.unwrap().states, both);
}
