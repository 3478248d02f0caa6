//! Transitions into the database.

use crate::store::{Ledger as _, ParkedFirst, Queue as _};
use serde_json::{json, value::RawValue};

use super::*;
use crate::core::{
    job::{JobState, ParkReason},
    outcome::Finished,
};

const LEDGER: &str = "SELECT remote_name || ' ' || outcome || ' ' || coalesce(parser_id, '-') \
    || ' ' || coalesce(settled_at, '-') FROM creates ORDER BY id";
const EVENTS: &str = "SELECT event FROM job_events WHERE event <> 'queued' ORDER BY id";

#[tokio::test]
async fn every_part_of_a_job_comes_back_as_it_was_stored() {
    let mut f = Fixture::new().await;
    let events = [
        listed("n_pd_1"),
        Event::CreateAnswered(CreateOutcome::InDoubt(
            crate::core::outcome::DoubtCause::AnswerLost,
            ErrorDetail {
                status: Some(502),
                message: "it's \"cut\"\n\u{1f4da}".to_owned(),
            },
        )),
    ];
    let mut job = f.job_after("books", events).await;
    let mut change = decided(
        &job,
        Event::Reconciled {
            evidence: crate::core::lifecycle::Evidence::Absent,
            listed_at: NOW + 1,
        },
    );
    // Ids that look like numbers, and times at their limits.
    change.next.remote_name = Some("007".to_owned());
    change.next.parser_id = Some(ParserId("12345678901234567890".to_owned()));
    change.next.due_at = i64::MAX;
    change.next.polls = 7;
    assert_eq!(f.apply(&job, &change).await.unwrap(), DURABLE);
    job.progress = change.next;
    job.revision += 1;
    assert_eq!(f.job(job.id).await, job);
}

#[tokio::test]
async fn an_intent_is_state_ledger_and_history_at_once() {
    let mut f = Fixture::new().await;
    let job = f.job_after("books", [listed("n_pd_1")]).await;
    assert_eq!(job.progress.state, JobState::Creating);
    assert_eq!(job.progress.creates, 1);
    assert_eq!(f.column(LEDGER).await, ["n_pd_1 pending - -"]);
    assert_eq!(f.column(EVENTS).await, ["creating"]);
    let facts = f.store.ledger("n_pd_1").await.unwrap();
    assert!(facts.pending);
    assert_eq!(facts.baseline, [ParserId("old".to_owned())]);
    assert_eq!(
        f.store.spent(NOW).await.unwrap(),
        crate::core::budget::Spent {
            in_all: 30_000,
            today: 30_000,
            later: 0,
            redated: 0
        }
    );
}

#[tokio::test]
async fn an_intent_whose_name_has_a_create_pending_leaves_nothing_behind() {
    let mut f = Fixture::new().await;
    f.job_after("first", [listed("n_pd_1")]).await;
    let second = f.job_after("second", []).await;
    let change = decided(&second, listed("n_pd_1"));
    let error = f.apply(&second, &change).await.unwrap_err();
    assert!(error.to_string().contains("creates.remote_name"), "{error}");
    assert_eq!(f.job(second.id).await, second);
    assert_eq!(f.column(EVENTS).await, ["creating"]);
    assert_eq!(f.column(LEDGER).await.len(), 1);
}

#[tokio::test]
async fn a_change_decided_for_an_older_revision_changes_nothing() {
    let mut f = Fixture::new().await;
    let job = f.job_after("books", []).await;
    let change = decided(&job, listed("n_pd_1"));
    f.sql("UPDATE jobs SET state = 'CANCELLED'").await;
    let cancelled = f.job(job.id).await;
    assert_eq!(f.apply(&job, &change).await.unwrap(), Applied::Stale);
    assert_eq!(f.job(job.id).await, cancelled);
    assert_eq!(f.column(LEDGER).await, [""; 0]);
    assert_eq!(f.column(EVENTS).await, ["cancelled"]);
}

#[tokio::test]
async fn of_two_changes_of_one_revision_one_is_applied() {
    let mut f = Fixture::new().await;
    let job = f.job_after("books", []).await;
    let change = decided(&job, listed("n_pd_1"));
    let (one, two) = tokio::join!(f.apply(&job, &change), f.apply(&job, &change));
    assert_eq!((one.unwrap(), two.unwrap()), (DURABLE, Applied::Stale));
    assert_eq!(f.column(EVENTS).await, ["creating"]);
}

#[tokio::test]
async fn a_stale_change_takes_no_other_change_of_the_job_with_it() {
    let mut f = Fixture::new().await;
    let stale = f.job_after("books", []).await;
    f.sql("UPDATE jobs SET urls = '[\"https://c.example/\"]'")
        .await;
    f.take_in().await;
    let job = f.job(stale.id).await;
    let (old, new) = (
        decided(&stale, listed("n_pd_1")),
        decided(&job, listed("n_pd_2")),
    );
    let (old, new) = tokio::join!(f.apply(&stale, &old), f.apply(&job, &new));
    assert_eq!((old.unwrap(), new.unwrap()), (Applied::Stale, DURABLE));
    assert_eq!(f.column(LEDGER).await, ["n_pd_2 pending - -"]);
}

#[tokio::test]
async fn a_change_that_breaks_a_rule_leaves_the_others_of_its_group_applied() {
    let mut f = Fixture::new().await;
    let mut jobs = Vec::new();
    for i in 0..20 {
        jobs.push(f.job_after(&format!("job-{i}"), []).await);
    }
    let mut changes: Vec<_> = jobs
        .iter()
        .map(|job| decided(job, listed(&format!("{}_pd", job.name))))
        .collect();
    changes[7].next.state = JobState::Finished;
    let pairs = jobs.iter().zip(&changes);
    let results = futures_util::future::join_all(pairs.map(|(job, c)| f.apply(job, c))).await;
    for (i, result) in results.iter().enumerate() {
        match result {
            Ok(applied) => assert_eq!((applied, i != 7), (&DURABLE, true)),
            Err(error) => assert_eq!(i, 7, "{error}"),
        }
    }
    assert_eq!(f.job(jobs[7].id).await, jobs[7]);
    assert_eq!(f.column(LEDGER).await.len(), 19);
    assert_eq!(f.column(EVENTS).await.len(), 19);
}

#[tokio::test]
async fn the_parser_that_was_made_is_recorded_with_the_job() {
    let mut f = Fixture::new().await;
    let job = f
        .job_after("books", [listed("n_pd_1"), created("p1")])
        .await;
    assert_eq!(job.progress.parser_id, Some(ParserId("p1".to_owned())));
    assert_eq!(job.progress.parser_version, Some(0));
    assert_eq!(f.column(LEDGER).await, [format!("n_pd_1 made p1 {NOW}")]);
    assert_eq!(f.column(EVENTS).await, ["creating", "created"]);
    let facts = f.store.ledger("n_pd_1").await.unwrap();
    assert_eq!((facts.pending, facts.was_sent), (false, true));
    assert_eq!(facts.made, [ParserId("p1".to_owned())]);
}

#[tokio::test]
async fn the_parser_that_was_made_is_recorded_where_the_job_moved_on() {
    let mut f = Fixture::new().await;
    let job = f.job_after("books", [listed("n_pd_1")]).await;
    let change = decided(&job, created("p1"));
    f.sql("UPDATE jobs SET revision = revision + 1").await;
    assert_eq!(f.apply(&job, &change).await.unwrap(), Applied::Stale);
    assert_eq!(f.job(job.id).await.progress.state, JobState::Creating);
    assert_eq!(f.column(LEDGER).await, [format!("n_pd_1 made p1 {NOW}")]);
}

#[tokio::test]
async fn the_parser_that_was_made_is_recorded_where_the_job_is_gone() {
    let mut f = Fixture::new().await;
    let job = f.job_after("books", [listed("n_pd_1")]).await;
    let change = decided(&job, created("p1"));
    f.sql("DROP TRIGGER jobs_delete_check; DELETE FROM jobs")
        .await;
    assert_eq!(f.apply(&job, &change).await.unwrap(), Applied::Stale);
    assert_eq!(f.column(LEDGER).await, [format!("n_pd_1 made p1 {NOW}")]);
}

#[tokio::test]
async fn a_parser_that_answers_a_poll_is_gone_no_longer() {
    let mut f = Fixture::new().await;
    let job = f
        .job_after("books", [listed("n_pd_1"), created("p1")])
        .await;
    let ids = ["p1", "p2"].map(|id| ParserId(id.to_owned()));
    for id in &ids {
        f.store.mark_gone(id.clone(), NOW).await.unwrap();
    }
    let unknown_status = None;
    let answer = PollOutcome::Generating { unknown_status };
    let change = decided(&job, Event::Polled(answer));
    assert_eq!(f.apply(&job, &change).await.unwrap(), DURABLE);
    let gone = f.store.gone_parsers().await.unwrap();
    assert_eq!(gone, [ids[1].clone()].into());
    // The ledger's parsers are asked for again, gone or not.
    let facts = f.store.ledger("n_pd_1").await.unwrap();
    assert_eq!(facts.made, [ids[0].clone()]);
}

#[tokio::test]
async fn a_create_that_made_nothing_gives_its_credits_back() {
    let mut f = Fixture::new().await;
    let job = f.job_after("books", [listed("n_pd_1")]).await;
    let change = decided(&job, out_of_credits());
    let refund = Some((30_000, NOW));
    assert_eq!(
        f.apply(&job, &change).await.unwrap(),
        Applied::Durable { refund }
    );
    assert_eq!(f.column(LEDGER).await, [format!("n_pd_1 not_made - {NOW}")]);
    assert_eq!(
        f.store.spent(NOW).await.unwrap(),
        crate::core::budget::Spent {
            in_all: 0,
            today: 0,
            later: 0,
            redated: 0
        }
    );
    let facts = f.store.ledger("n_pd_1").await.unwrap();
    assert_eq!((facts.pending, facts.was_sent), (false, true));
    assert!(facts.made.is_empty());
    assert_eq!(
        facts.refuted_baseline,
        Some(vec![ParserId("old".to_owned())])
    );
}

#[tokio::test]
async fn one_that_counted_as_not_made_and_lands_is_spent_after_all() {
    let mut f = Fixture::new().await;
    let job = f.job_after("books", [listed("n_pd_1")]).await;
    f.sql("UPDATE creates SET outcome = 'not_made', settled_at = 1")
        .await;
    let change = decided(&job, created("p1"));
    let refund = Some((-30_000, NOW));
    assert_eq!(
        f.apply(&job, &change).await.unwrap(),
        Applied::Durable { refund }
    );
}

#[tokio::test]
async fn that_nothing_was_made_is_not_believed_of_a_job_that_moved_on() {
    let mut f = Fixture::new().await;
    let job = f.job_after("books", [listed("n_pd_1")]).await;
    let change = decided(&job, out_of_credits());
    f.sql("UPDATE jobs SET revision = revision + 1").await;
    assert_eq!(f.apply(&job, &change).await.unwrap(), Applied::Stale);
    assert_eq!(f.column(LEDGER).await, ["n_pd_1 pending - -"]);
}

#[tokio::test]
async fn the_result_is_kept_word_for_word() {
    let mut f = Fixture::new().await;
    let job = f
        .job_after("books", [listed("n_pd_1"), created("p1")])
        .await;
    let text = r#"{ "b" : 1.50, "a": "é\u0000\ud83d", "a": [] }"#;
    let finished = Finished {
        version: Some(2),
        generated_at: Some(5),
        example_result: Some(RawValue::from_string(text.to_owned()).unwrap()),
        lack: None,
        judgement: None,
        fields: None,
        made_from: None,
        in_use: None,
        replaces: None,
    };
    let change = decided(&job, Event::Polled(PollOutcome::Finished(finished)));
    assert_eq!(f.apply(&job, &change).await.unwrap(), DURABLE);
    assert_eq!(f.column("SELECT example_result FROM jobs").await, [text]);
    let stored = f.job(job.id).await;
    assert_eq!(stored.progress, change.next);
    assert_eq!(stored.revision, job.revision + 1);
    let details = f.store.details(job.id).await.unwrap().unwrap();
    assert_eq!(details.example_result.unwrap().get(), text);
}

#[tokio::test]
async fn setting_parked_jobs_free_takes_as_many_steps_as_it_needs() {
    let mut f = Fixture::new().await;
    f.sql(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
         INSERT INTO jobs (name, urls) SELECT 'job-' || i, '[\"http://a/\"]' FROM n;
         UPDATE jobs SET state = 'PARKED', park_reason = CASE WHEN id > 2400 THEN 'budget' ELSE
             'credits' END, error_message = 'm', due_at = 9223372036854775807, revision = revision + 1;
         UPDATE jobs SET run_at = 5000000000000 WHERE id = 1;",
    )
    .await;
    let policy = policy();
    let store = f.store.clone();
    let lift =
        |reason, limit| operate::lift(&store, &policy, reason, ParkedFirst::Highest, limit, NOW);
    let free = lift(ParkReason::Credits, usize::MAX).await;
    assert_eq!(free.unwrap().jobs, 2400);
    assert_eq!(
        f.column(
            "SELECT state || ' ' || count(*) || ' ' || count(park_reason) || ' ' \
            || count(error_message) || ' ' || sum(due_at = 4000000000000) FROM jobs GROUP BY state"
        )
        .await,
        ["PARKED 100 100 100 0", "QUEUED 2400 0 0 2399"]
    );
    // "Not before" holds on.
    assert_eq!(
        f.column("SELECT due_at FROM jobs WHERE id = 1").await,
        ["5000000000000"]
    );
    assert_eq!(
        f.column("SELECT count(*) || detail FROM job_events WHERE event = 'unparked'")
            .await,
        [format!("2400{}", json!({"park_reason": "credits"}))]
    );
    assert_eq!(lift(ParkReason::Budget, 7).await.unwrap().jobs, 7);
}

#[tokio::test]
async fn a_create_in_doubt_is_never_set_free_unsettled() {
    let mut f = Fixture::new().await;
    f.job_after("books", [listed("n_pd_1"), Event::Interrupted])
        .await;
    f.sql("UPDATE jobs SET state = 'PARKED', park_reason = 'ambiguous', revision = revision + 1")
        .await;
    let parked = f
        .store
        .parked(ParkReason::Ambiguous, ParkedFirst::Highest, 9)
        .await
        .unwrap();
    assert_eq!(parked, []);
}
