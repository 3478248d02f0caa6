//! Rows that got in past the rules: each ends FAILED with a reason, none loops, and
//! none stops the others.

use super::*;
use crate::core::job::{ErrorKind, JobState};
use crate::store::{Ledger as _, Queue as _, Times as _};

const OPEN_THE_DOORS: &str = "DROP TRIGGER jobs_insert_check; DROP TRIGGER jobs_spec_check; \
    PRAGMA ignore_check_constraints = ON;";

/// Bad `name, urls, scraper_params, fields`, and words of the reason.
const POISON: &[(&str, &str)] = &[
    ("'', '[\"http://a/\"]', NULL, NULL", "name is blank"),
    (
        "'a' || char(0), '[\"http://a/\"]', NULL, NULL",
        "control character",
    ),
    (
        "CAST(x'61ff62' AS TEXT), '[\"http://a/\"]', NULL, NULL",
        "name is not valid text",
    ),
    (
        "printf('%.*c', 3000000, 'n'), '[\"http://a/\"]', NULL, NULL",
        "name is 3000000 bytes long",
    ),
    (
        "printf('%.*c', 5000, 'n'), '[\"http://a/\"]', NULL, NULL",
        "name has 5000 characters",
    ),
    ("'u1', 'http://a/', NULL, NULL", "urls is not a JSON array"),
    ("'u2', '', NULL, NULL", "urls is not a JSON array"),
    ("'u3', '[]', NULL, NULL", "urls is empty"),
    (
        "'u4', CAST(x'5b22687474703a2f2f61ff225d' AS TEXT), NULL, NULL",
        "urls is not valid text",
    ),
    (
        "'u5', '[' || printf('%3000000s', '') || ']', NULL, NULL",
        "urls is 3000002 bytes long",
    ),
    (
        "'u6', printf('%.*c', 900000, '['), NULL, NULL",
        "urls is not a JSON array",
    ),
    ("'u7', '[\"https://[::1/\"]', NULL, NULL", "cannot be read"),
    (
        "'s1', '[\"http://a/\"]', 'render', NULL",
        "scraper_params is not valid JSON",
    ),
    ("'s2', '[\"http://a/\"]', '[]', NULL", "write an object"),
    (
        "'s3', '[\"http://a/\"]', '{' || (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL \
          SELECT i + 1 FROM n WHERE i < 5000) SELECT group_concat('\"k' || i || '\":1') FROM n) \
          || '}', NULL",
        "unknown key",
    ),
    ("'f1', '[\"http://a/\"]', NULL, '{}'", "write an array"),
    (
        "'f2', '[\"http://a/\"]', NULL, CAST(x'ff' AS TEXT)",
        "fields is not valid text",
    ),
];

#[tokio::test]
async fn a_row_without_a_valid_specification_ends_failed_beside_good_ones() {
    let mut f = Fixture::new().await;
    f.add("good before").await;
    f.sql(OPEN_THE_DOORS).await;
    for (values, _) in POISON {
        f.sql(&format!(
            "INSERT INTO jobs (name, urls, scraper_params, fields) VALUES ({values})"
        ))
        .await;
    }
    f.sql("INSERT INTO jobs (name, urls) VALUES ('good after', '[\"http://a/\"]')")
        .await;

    let due = f.store.due_creates(NOW, 100).await.unwrap();
    assert_eq!(due.len(), POISON.len() + 2);
    for queued in [&due[0], &due[due.len() - 1]] {
        assert!(queued.job.name.starts_with("good"), "{queued:?}");
        assert!(queued.order.is_ok(), "{queued:?}");
    }
    for (queued, (values, words)) in due[1..].iter().zip(POISON) {
        let reason = queued.order.clone().unwrap_err();
        assert!(reason.contains(words), "{values}: {reason}");
        assert!(reason.len() < 5000, "{}", reason.len());
        let change = decided(&queued.job, Event::Unusable(reason));
        assert_eq!(f.apply(&queued.job, &change).await.unwrap(), DURABLE);
        let job = f.job(queued.job.id).await;
        assert_eq!(job.progress.state, JobState::Failed);
        assert_eq!(job.progress.error_kind, Some(ErrorKind::BadRequest));
    }
    let left = f.store.due_creates(NOW, 100).await.unwrap();
    assert_eq!(left.len(), 2, "none comes again");
    let said = f
        .column("SELECT count(*) FROM job_events WHERE event = 'failed' AND json_valid(detail)")
        .await;
    assert_eq!(said, [POISON.len().to_string()]);
}

#[tokio::test]
async fn such_rows_can_be_shown_corrected_and_called_off() {
    use futures_util::TryStreamExt as _;
    let mut f = Fixture::new().await;
    f.sql("CREATE TABLE kept (sql TEXT); INSERT INTO kept SELECT sql FROM sqlite_schema WHERE name = 'jobs_spec_check'")
        .await;
    f.sql(OPEN_THE_DOORS).await;
    for (values, _) in POISON {
        f.sql(&format!(
            "INSERT INTO jobs (name, urls, scraper_params, fields) VALUES ({values})"
        ))
        .await;
    }
    let rows: Vec<_> = f.store.rows(&[]).try_collect().await.unwrap();
    assert_eq!(rows.len(), POISON.len());
    f.store.counts().await.unwrap();
    f.column("SELECT url_count FROM job_overview").await;

    let restore = f.column("SELECT sql FROM kept").await.remove(0);
    f.sql(&restore).await;
    for queued in f.store.due_creates(NOW, 100).await.unwrap() {
        let reason = queued.order.unwrap_err();
        let change = decided(&queued.job, Event::Unusable(reason));
        f.apply(&queued.job, &change).await.unwrap();
        let id = queued.job.id;
        f.sql(&format!(
            "UPDATE jobs SET name = 'job {id}', urls = '[\"http://a/\"]', scraper_params = NULL, \
             fields = NULL, state = 'QUEUED' WHERE id = {id}"
        ))
        .await;
        f.store.details(id).await.unwrap().unwrap();
    }
    for queued in f.store.due_creates(NOW, 100).await.unwrap() {
        assert!(queued.order.is_ok(), "{queued:?}");
    }
    assert_eq!(
        f.store.counts().await.unwrap().of(JobState::Queued),
        POISON.len() as i64
    );
    f.sql("UPDATE jobs SET state = 'CANCELLED'").await;
}

#[tokio::test]
async fn a_queued_row_with_junk_in_parserds_columns_ends_as_any_other() {
    let mut f = Fixture::new().await;
    f.sql(OPEN_THE_DOORS).await;
    f.sql(
        "INSERT INTO jobs (name, urls, park_reason, error_kind, error_status, doubt_since, \
            remote_name, parser_id, attempts, finished_at) VALUES \
         ('junk', 'no JSON', 'weather', 'weather', -1, 5, CAST(x'ff' AS TEXT), CAST(x'ff' AS TEXT), \
          -3, 9), \
         ('more', 'no JSON', NULL, NULL, 99999, NULL, NULL, NULL, 0, NULL)",
    )
    .await;
    for queued in f.store.due_creates(NOW, 9).await.unwrap() {
        let change = decided(&queued.job, Event::Unusable(queued.order.unwrap_err()));
        assert_eq!(f.apply(&queued.job, &change).await.unwrap(), DURABLE);
    }
    assert_eq!(
        f.column(
            "SELECT state || ' ' || error_kind || ' ' || coalesce(park_reason, '-') FROM jobs"
        )
        .await,
        ["FAILED bad_request -"; 2]
    );
}

#[tokio::test]
async fn a_row_in_a_state_that_cannot_go_on_ends_failed_when_the_daemon_starts() {
    let mut f = Fixture::new().await;
    f.add("good").await;
    let polled = f
        .job_after("polled", [listed("n_pd_1"), created("p1")])
        .await;
    f.sql(OPEN_THE_DOORS).await;
    f.sql(
        "INSERT INTO jobs (name, urls, state, parser_id, doubt_since) VALUES
            ('j1', '[\"http://a/\"]', 'queued', NULL, NULL),
            ('j2', '[\"http://a/\"]', '', NULL, 3),
            ('j3', '[\"http://a/\"]', 'ZZZ', NULL, NULL),
            ('j4', '[\"http://a/\"]', 'DONE', 'p4', NULL),
            ('j5', '[\"http://a/\"]', 'CREATING', NULL, NULL),
            ('j6', '[\"http://a/\"]', 'GENERATING', NULL, NULL),
            ('j7', '[\"http://a/\"]', 'GENERATING', 'p7', NULL)",
    )
    .await;
    operate::end_broken(&f.store, &policy(), NOW).await.unwrap();
    assert_eq!(
        f.column("SELECT state || ' ' || error_kind || ' ' || error_message FROM jobs WHERE name GLOB 'j?'")
            .await,
        [
            ("bad_request", "there is no state 'queued'"),
            ("bad_request", "there is no state ''"),
            ("bad_request", "there is no state 'ZZZ'"),
            ("generation_timeout", "there is no state 'DONE'"),
            ("bad_request", "it is CREATING without the name that was sent"),
            ("bad_request", "it is GENERATING without a parser or without its time"),
            ("generation_timeout", "it is GENERATING without a parser or without its time"),
        ]
        .map(|(kind, why)| format!(
            "FAILED {kind} the row was changed past the database's rules: {why}"
        ))
    );
    let told = f
        .column("SELECT count(*) FROM job_events WHERE event = 'failed'")
        .await;
    assert_eq!(told, ["7"]);
    assert_eq!(f.job(polled.id).await, polled);
    let counts = f.store.counts().await.unwrap();
    assert_eq!(counts.of(JobState::Queued), 1);
    assert_eq!(counts.of(JobState::Failed), 7);

    f.sql("UPDATE jobs SET state = 'QUEUED' WHERE state = 'FAILED'")
        .await;
    f.take_in().await;
    let goes_on = f
        .column("SELECT state FROM jobs WHERE name GLOB 'j?'")
        .await;
    let expected = [
        "QUEUED",
        "QUEUED",
        "QUEUED",
        "GENERATING",
        "QUEUED",
        "QUEUED",
        "GENERATING",
    ];
    assert_eq!(goes_on, expected);
}

#[tokio::test]
async fn a_row_parked_for_no_known_reason_can_be_queued_and_called_off() {
    let mut f = Fixture::new().await;
    f.sql(OPEN_THE_DOORS).await;
    f.sql(
        "INSERT INTO jobs (name, urls, state, park_reason) VALUES
            ('one', '[\"http://a/\"]', 'PARKED', 'weather'), ('two', '[\"http://a/\"]', 'PARKED', NULL)",
    )
    .await;
    let mut f = f.restarted().await;
    assert_eq!(f.store.counts().await.unwrap().of(JobState::Parked), 2);
    f.sql("UPDATE jobs SET state = 'QUEUED' WHERE name = 'one'")
        .await;
    f.sql("UPDATE jobs SET state = 'CANCELLED' WHERE name = 'two'")
        .await;
}

#[tokio::test]
async fn a_row_with_half_a_doubt_keeps_no_daemon_from_its_start() {
    let mut f = Fixture::new().await;
    f.sql(OPEN_THE_DOORS).await;
    f.sql(
        "INSERT INTO jobs (name, urls, state, park_reason, remote_name, doubt_since, doubt_cause) \
         VALUES ('one', '[\"http://a/\"]', 'CREATING', NULL, 'one_pd_a', 1, NULL),
            ('two', '[\"http://a/\"]', 'PARKED', 'ambiguous', 'two_pd_a', 1, NULL),
            ('three', '[\"http://a/\"]', 'PARKED', 'credits', NULL, NULL, 'answer_lost')",
    )
    .await;
    operate::end_broken(&f.store, &policy(), NOW).await.unwrap();
    let found = f
        .column("SELECT name || ' ' || state || ' ' || coalesce(error_message, '-') FROM jobs")
        .await;
    let expected = [
        "one FAILED the row was changed past the database's rules: its create is in doubt with a \
         time and no cause, or the reverse",
        "two CREATING -",
        "three QUEUED -",
    ];
    assert_eq!(found, expected);
    f.store.resume_times(NOW).await.unwrap();
}

#[tokio::test]
async fn a_number_past_all_bounds_is_read_as_one_that_can_be_reckoned_with() {
    let mut f = Fixture::new().await;
    f.add("books").await;
    f.sql(
        "UPDATE jobs SET attempts = 9223372036854775807, creates = 9223372036854775807, \
         revision = revision + 1",
    )
    .await;
    let queued = f.store.due_creates(NOW, 9).await.unwrap();
    let change = decided(&queued[0].job, listed("books_pd_1"));
    assert_eq!(f.apply(&queued[0].job, &change).await.unwrap(), DURABLE);
}

#[tokio::test]
async fn a_lane_reads_over_a_text_that_is_none() {
    let mut f = Fixture::new().await;
    let doubted = f
        .job_after("doubted", [listed("n_pd_1"), Event::Interrupted])
        .await;
    let polled = f
        .job_after("polled", [listed("n_pd_2"), created("p2")])
        .await;
    f.sql(
        "UPDATE jobs SET remote_name = CAST(x'ff' AS TEXT), error_message = CAST(x'ff' AS TEXT), \
         revision = revision + 1",
    )
    .await;
    assert_eq!(
        f.store.due_doubts(i64::MAX, 9).await.unwrap()[0].id,
        doubted.id
    );
    assert_eq!(
        f.store.due_polls(i64::MAX, 9).await.unwrap()[0].id,
        polled.id
    );
    f.store.known_parsers().await.unwrap();
}

#[tokio::test]
async fn a_blob_or_a_wrong_type_never_gets_in() {
    let mut f = Fixture::new().await;
    f.sql(OPEN_THE_DOORS).await;
    for values in [
        "x'00', 'u', 0",
        "'n', x'00', 0",
        "'n', 'u', 'high'",
        "'n', 'u', 1.5",
    ] {
        let insert = format!("INSERT INTO jobs (name, urls, priority) VALUES ({values})");
        let error = f.try_sql(&insert).await.unwrap_err();
        assert!(error.to_string().contains("cannot store"), "{error}");
    }
}
