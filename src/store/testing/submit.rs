//! What people put in.

use serde_json::json;

use super::*;
use crate::{
    job::{JobState, ParkReason},
    spec::JobSpec,
    store::{OperatorAction, Selection, Submitted, submit::BULK},
};

fn spec(name: &str) -> JobSpec {
    JobSpec {
        name: name.to_owned(),
        urls: vec!["https://b.example/".to_owned()],
        scraper_params: Some(json!({"render": true, "country_code": "us"})),
        fields: Some(json!([{"name": "t", "description": "it's \"d\""}])),
        priority: 3,
        run_at: Some(3_000_000_000_000),
    }
}

const ROWS: &str = "SELECT name || ' ' || urls || ' ' || scraper_params || ' ' || fields || ' ' \
    || priority || ' ' || run_at || ' ' || state FROM jobs ORDER BY id";

#[tokio::test]
async fn what_is_added_is_there_as_it_was_given_and_once() {
    let mut f = Fixture::new().await;
    let specs = vec![spec("a"), spec("b")];
    let submit = |dry_run| f.store.submit(specs.clone(), dry_run);
    let added = Submitted {
        added: 2,
        ..Submitted::default()
    };
    assert_eq!(submit(true).await.unwrap(), added);
    assert_eq!(
        f.store.find("a").await.unwrap(),
        None,
        "a dry run adds nothing"
    );
    assert_eq!(submit(false).await.unwrap(), added);
    let unchanged = Submitted {
        unchanged: 2,
        ..Submitted::default()
    };
    for dry_run in [true, false] {
        assert_eq!(submit(dry_run).await.unwrap(), unchanged);
    }
    let row = r#"["https://b.example/"] {"country_code":"us","render":true} [{"description":"it's \"d\"","name":"t"}] 3 3000000000000 QUEUED"#;
    assert_eq!(
        f.column(ROWS).await,
        [format!("a {row}"), format!("b {row}")]
    );
    let job = f.store.due_creates(NOW, 1).await.unwrap().remove(0);
    let read = JobSpec {
        priority: 0,
        run_at: None,
        ..spec("a")
    };
    assert_eq!(job.spec, Ok(read));
}

#[tokio::test]
async fn after_many_at_once_the_database_checks_rows_as_before() {
    let mut f = Fixture::new().await;
    let rules = "SELECT sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY name";
    let before = f.column(rules).await;
    let many = |count: usize| (0..count).map(|n| spec(&format!("job{n}"))).collect();
    let submitted = f.store.submit(many(BULK), false).await.unwrap();
    assert_eq!(submitted.added, BULK);
    assert_eq!(f.column(rules).await, before);
    let row = |id| format!("SELECT name FROM jobs WHERE id = {id} AND state = 'QUEUED'");
    let last = f.column(&row(BULK)).await;
    assert_eq!(last, [format!("job{}", BULK - 1)]);
    let bad = "INSERT INTO jobs (name, urls) VALUES ('bad', '[]')";
    let bad = f.try_sql(bad).await.unwrap_err();
    assert!(bad.to_string().contains("urls"), "{bad}");
}

#[tokio::test]
async fn what_means_the_same_is_unchanged_however_it_was_written() {
    let mut f = Fixture::new().await;
    f.sql(
        r#"INSERT INTO jobs (name, urls, scraper_params, fields) VALUES ('a',
            ' [ "https:\/\/b.example/" ] ', '{"render": true, "country_code": "us"}',
            '[ {"name": "t", "description": "it''s \u0022d\u0022"} ]')"#,
    )
    .await;
    let submitted = f.store.submit(vec![spec("a")], false).await.unwrap();
    assert_eq!((submitted.added, submitted.unchanged), (0, 1));
}

#[tokio::test]
async fn with_a_conflict_nothing_is_added() {
    let mut f = Fixture::new().await;
    let taken = f.add("taken").await;
    let specs = vec![spec("new"), spec("taken"), spec("newer")];
    for dry_run in [true, false] {
        let submitted = f.store.submit(specs.clone(), dry_run).await.unwrap();
        assert_eq!(submitted.conflicts, [(1, taken, "QUEUED".to_owned())]);
        assert_eq!(f.column("SELECT name FROM jobs").await, ["taken"]);
    }
    f.sql("UPDATE jobs SET state = 'CANCELLED'").await;
    let submitted = f.store.submit(specs, false).await.unwrap();
    assert_eq!((submitted.added, submitted.conflicts.len()), (3, 0));
}

#[tokio::test]
async fn a_conflict_far_down_a_long_list_is_named_by_its_place() {
    let mut f = Fixture::new().await;
    let taken = f.add("job-2345").await;
    let specs: Vec<_> = (0..2500).map(|i| spec(&format!("job-{i}"))).collect();
    let submitted = f.store.submit(specs.clone(), false).await.unwrap();
    assert_eq!(submitted.conflicts, [(2345, taken, "QUEUED".to_owned())]);
    f.sql("UPDATE jobs SET state = 'CANCELLED'").await;
    let submitted = f.store.submit(specs, false).await.unwrap();
    assert_eq!(submitted.added, 2500);
    let last = f
        .column("SELECT name FROM jobs ORDER BY id DESC LIMIT 1")
        .await;
    assert_eq!(last, ["job-2499"], "in the order of the list");
}

#[tokio::test]
async fn an_operators_word_counts_the_jobs_that_it_moved() {
    let mut f = Fixture::new().await;
    f.job_after("queued", []).await;
    f.job_after("failed", [listed("n_pd_1"), created("p"), given_up()])
        .await;
    let parked = f
        .job_after("parked", [listed("n_pd_2"), out_of_credits()])
        .await;
    f.job_after("polled", [listed("n_pd_3"), created("q")])
        .await;
    let operate = |action, selection| f.store.operate(action, selection);
    let free = Selection::ParkedFor(vec![ParkReason::Budget, ParkReason::Unauthorized]);
    assert_eq!(operate(OperatorAction::Resume, free).await.unwrap(), 0);
    let failed = Selection::States(vec![JobState::Failed, JobState::Generating]);
    assert_eq!(operate(OperatorAction::Retry, failed).await.unwrap(), 1);
    let one = Selection::Ids(vec![parked.id, JobId(99)]);
    assert_eq!(operate(OperatorAction::Cancel, one).await.unwrap(), 1);
    let all = Selection::States(JobState::ALL.to_vec());
    assert_eq!(operate(OperatorAction::Cancel, all).await.unwrap(), 2);
    let left = f
        .column("SELECT name FROM jobs WHERE state <> 'CANCELLED'")
        .await;
    assert_eq!(left, ["polled"]);
}
