//! What an operator may say by SQL, and what it means.

use super::engines::Database;

/// The steps that parserd takes with a job, each with a new revision.
const QUEUED: &str = "INSERT INTO jobs (name, urls) VALUES ('books', '[\"https://b.example/\"]');";
const CREATING: &str = "UPDATE jobs SET state = 'CREATING', remote_name = 'books_pd_1', creates = 1,
        revision = revision + 1;
    INSERT INTO creates (job_id, remote_name, sent_at, credits) VALUES (1, 'books_pd_1', 1, 30000);";
const DOUBT: &str =
    "UPDATE jobs SET doubt_since = 5, doubt_cause = 'answer_lost', absent_since = 6,
        absent_lists = 2, revision = revision + 1;";
const GENERATING: &str =
    "UPDATE jobs SET state = 'GENERATING', parser_id = 'p1', parser_version = 3,
        generating_since = 7, attempts = 2, polls = 9, doubt_since = NULL, doubt_cause = NULL,
        revision = revision + 1;
    UPDATE creates SET outcome = 'made', parser_id = 'p1', settled_at = 8;";
const FINISHED: &str =
    "UPDATE jobs SET state = 'FINISHED', finished_at = 9, revision = revision + 1;";

fn failed(kind: &str) -> String {
    format!(
        "UPDATE jobs SET state = 'FAILED', error_kind = '{kind}', error_status = 500,
            error_message = 'm', error_hint = 'h', doubt_since = NULL, doubt_cause = NULL,
            finished_at = 9, revision = revision + 1;"
    )
}

fn parked(reason: &str) -> String {
    format!(
        "UPDATE jobs SET state = 'PARKED', park_reason = '{reason}', error_message = 'm',
            due_at = 9223372036854775807, revision = revision + 1;"
    )
}

const REQUEUE: &str = "UPDATE jobs SET state = 'QUEUED';";
const CANCEL: &str = "UPDATE jobs SET state = 'CANCELLED';";

/// The job as a line, and the events that the operator brought about.
const SEEN: &str = "SELECT state || ' ' || coalesce(parser_id, '-') || ' ' || coalesce(park_reason, '-')
        || ' ' || coalesce(error_kind, '-') || coalesce(error_status, '-') || coalesce(error_message, '-')
        || coalesce(error_hint, '-') || ' ' || recreation || ' ' || attempts || ' '
        || coalesce(finished_at > 0, '-') || ' ' || (due_at BETWEEN updated_at AND updated_at + 5) FROM jobs;
    SELECT event || ' ' || json_extract(detail, '$.by') || ' ' || json_extract(detail, '$.from') || ' '
        || coalesce(json_extract(detail, '$.park_reason'), '-') || ' '
        || coalesce(json_extract(detail, '$.error_kind'), '-') FROM job_events
    WHERE event <> 'queued' ORDER BY id;";

#[tokio::test]
async fn a_generation_given_up_is_polled_again_and_not_paid_for_again() {
    let mut database = Database::new().await;
    for kind in ["generation_timeout", "unexpected_response"] {
        let script = [QUEUED, CREATING, GENERATING, &failed(kind), REQUEUE].concat();
        let select = SEEN;
        let event = format!("requeued operator FAILED - {kind}");
        database
            .comes_to(&script, select, &["GENERATING p1 - ---- 0 0 - 1", &event])
            .await;
        let kept = "SELECT parser_version || ' ' || (generating_since = updated_at) || ' ' || polls \
            || ' ' || (revision > 4) FROM jobs;";
        let script = [QUEUED, CREATING, GENERATING, &failed(kind), REQUEUE].concat();
        let select = kept;
        database.comes_to(&script, select, &["3 1 0 1"]).await;
    }
}

#[tokio::test]
async fn a_generation_that_failed_is_made_anew_under_the_next_name() {
    let mut database = Database::new().await;
    for kind in ["generation_failed", "not_found"] {
        let script = [QUEUED, CREATING, GENERATING, &failed(kind), REQUEUE].concat();
        let select = SEEN;
        let event = format!("requeued operator FAILED - {kind}");
        database
            .comes_to(&script, select, &["QUEUED p1 - ---- 1 0 - 1", &event])
            .await;
        let ledger = "SELECT outcome || ' ' || parser_id FROM creates;
            SELECT json_extract(detail, '$.parser_id') FROM job_events WHERE event = 'requeued';";
        let script = [QUEUED, CREATING, GENERATING, &failed(kind), REQUEUE].concat();
        let select = ledger;
        database.comes_to(&script, select, &["made p1", "p1"]).await;
    }
}

#[tokio::test]
async fn a_job_that_failed_without_a_parser_is_queued_as_it_was() {
    let mut database = Database::new().await;
    for kind in ["bad_request", "server_error", "existing_parser"] {
        let script = [QUEUED, CREATING, &failed(kind), REQUEUE].concat();
        let select = SEEN;
        let event = format!("requeued operator FAILED - {kind}");
        database
            .comes_to(&script, select, &["QUEUED - - ---- 0 0 - 1", &event])
            .await;
    }
}

#[tokio::test]
async fn a_create_in_doubt_is_settled_before_anything_is_sent() {
    let mut database = Database::new().await;
    let script = [QUEUED, CREATING, DOUBT, &parked("ambiguous"), REQUEUE].concat();
    let select = SEEN;
    database
        .comes_to(
            &script,
            select,
            &[
                "CREATING - - ---- 0 0 - 1",
                "requeued operator PARKED ambiguous -",
            ],
        )
        .await;
    let doubt = "SELECT doubt_since || ' ' || doubt_cause || ' ' || coalesce(absent_since, '-') \
        || ' ' || absent_lists || ' ' || remote_name FROM jobs; SELECT outcome FROM creates;";
    let script = [QUEUED, CREATING, DOUBT, &parked("ambiguous"), REQUEUE].concat();
    let select = doubt;
    database
        .comes_to(
            &script,
            select,
            &["5 answer_lost - 0 books_pd_1", "pending"],
        )
        .await;
}

#[tokio::test]
async fn a_parked_job_without_a_doubt_is_queued() {
    let mut database = Database::new().await;
    for reason in ["credits", "unauthorized", "budget", "ambiguous"] {
        let script = [QUEUED, &parked(reason), REQUEUE].concat();
        let select = SEEN;
        let event = format!("requeued operator PARKED {reason} -");
        database
            .comes_to(&script, select, &["QUEUED - - ---- 0 0 - 1", &event])
            .await;
    }
}

#[tokio::test]
async fn queued_parked_and_failed_jobs_can_be_cancelled_and_free_their_name() {
    let mut database = Database::new().await;
    let last = "SELECT state || ' ' || (finished_at = updated_at) || ' ' || coalesce(park_reason, '-') FROM jobs;
        SELECT event || ' ' || json_extract(detail, '$.from') FROM job_events ORDER BY id DESC LIMIT 1;";
    let again = format!("{QUEUED}SELECT count(*) FROM jobs WHERE name = 'books';");
    for (steps, from) in [
        (QUEUED.to_owned(), "QUEUED"),
        ([QUEUED, &parked("credits")].concat(), "PARKED"),
        (
            [QUEUED, CREATING, DOUBT, &parked("ambiguous")].concat(),
            "PARKED",
        ),
        (
            [QUEUED, CREATING, &failed("server_error")].concat(),
            "FAILED",
        ),
    ] {
        let event = format!("cancelled {from}");
        database
            .prints(
                &[&steps, CANCEL, last, &again].concat(),
                &["CANCELLED 1 -", &event, "2"],
            )
            .await;
    }
}

#[tokio::test]
async fn every_other_change_of_state_is_refused() {
    let states = [
        ("QUEUED", QUEUED.to_owned()),
        ("CREATING", [QUEUED, CREATING].concat()),
        ("GENERATING", [QUEUED, CREATING, GENERATING].concat()),
        ("PARKED", [QUEUED, &parked("credits")].concat()),
        (
            "FINISHED",
            [QUEUED, CREATING, GENERATING, FINISHED].concat(),
        ),
        ("FAILED", [QUEUED, &failed("bad_request")].concat()),
        ("CANCELLED", [QUEUED, CANCEL].concat()),
    ];
    let allowed = [
        ("QUEUED", "CANCELLED"),
        ("PARKED", "CANCELLED"),
        ("FAILED", "CANCELLED"),
        ("PARKED", "QUEUED"),
        ("FAILED", "QUEUED"),
    ];
    let mut database = Database::new().await;
    for (from, steps) in &states {
        let mut targets: Vec<_> = states.iter().map(|(to, _)| format!("'{to}'")).collect();
        targets.extend(["'nonsense'", "NULL"].map(str::to_owned));
        for to in targets {
            let statement = format!("UPDATE jobs SET state = {to};");
            let bare = to.trim_matches('\'');
            if bare == *from || allowed.contains(&(*from, bare)) {
                let script = format!("{steps}{statement}SELECT state FROM jobs;");
                database.prints(&script, &[bare]).await;
                continue;
            }
            let words = if ["FINISHED", "CANCELLED"].contains(from) {
                "stays so: insert a new job instead"
            } else {
                "this change of state is parserd's: by SQL set"
            };
            database.refuses(steps, &statement, words).await;
        }
    }
}

#[tokio::test]
async fn a_row_can_be_corrected_and_queued_in_one_statement() {
    let mut database = Database::new().await;
    let script = [
        QUEUED,
        &failed("bad_request"),
        "UPDATE jobs SET urls = '[\"https://c.example/\"]', state = 'QUEUED', run_at = 1900000000000;",
    ]
    .concat();
    let select = "SELECT state || ' ' || urls || ' ' || due_at || ' ' || coalesce(error_kind, '-') FROM jobs;
         SELECT event FROM job_events ORDER BY event;
         SELECT json_extract(detail, '$.old.urls') FROM job_events WHERE event = 'changed';
         SELECT json_extract(detail, '$.columns') FROM job_events WHERE event = 'changed';";
    database
        .comes_to(
            &script,
            select,
            &[
                "QUEUED [\"https://c.example/\"] 1900000000000 -",
                "changed",
                "queued",
                "requeued",
                "[\"https://b.example/\"]",
                "[\"urls\"]",
            ],
        )
        .await;
}

#[tokio::test]
async fn the_history_says_which_columns_were_changed() {
    let mut database = Database::new().await;
    let script = [
        QUEUED,
        "UPDATE jobs SET urls = urls, fields = '[{\"name\":\"a\",\"description\":\"b\"}]', scraper_params = '{\"render\":true}';
         UPDATE jobs SET name = name;
         UPDATE jobs SET labels = '{\"team\":\"a\"}';
         UPDATE jobs SET labels = '{\"team\":\"a\"}';
         INSERT INTO jobs (name, urls, labels) VALUES ('own', '[\"https://a.example/\"]', '{\"team\":\"b\"}');",
    ]
    .concat();
    let select = "SELECT json_extract(detail, '$.columns') FROM job_events WHERE event = 'changed' ORDER BY id;";
    let changed = [r#"["scraper_params","fields"]"#, "[]", r#"["labels"]"#];
    database.comes_to(&script, select, &changed).await;
}

#[tokio::test]
async fn what_is_asked_for_changes_only_while_nothing_was_made_of_it() {
    const CHANGE: &str = "UPDATE jobs SET urls = '[\"https://c.example/\"]';";
    const SAYS: &str = "only a QUEUED, PARKED or FAILED job that has no parser can be changed";
    let mut database = Database::new().await;
    for steps in [
        [QUEUED, CREATING].concat(),
        [QUEUED, CREATING, GENERATING].concat(),
        [QUEUED, CREATING, GENERATING, FINISHED].concat(),
        [QUEUED, CREATING, DOUBT, &parked("ambiguous")].concat(),
        [QUEUED, CREATING, GENERATING, &failed("generation_timeout")].concat(),
        [QUEUED, CANCEL].concat(),
    ] {
        database.refuses(&steps, CHANGE, SAYS).await;
    }
    for steps in [
        QUEUED.to_owned(),
        [QUEUED, &parked("credits")].concat(),
        [QUEUED, CREATING, &failed("bad_request")].concat(),
        [QUEUED, CREATING, GENERATING, &failed("generation_failed")].concat(),
    ] {
        // parserd decided for the revision before: its decision is void.
        let script = format!(
            "{steps}CREATE TEMP TABLE before AS SELECT revision FROM jobs;{CHANGE}
             SELECT (jobs.revision - before.revision) || ' ' || (updated_at >= created_at) FROM jobs, before;"
        );
        database.prints(&script, &["1 1"]).await;
    }
}

#[tokio::test]
async fn run_at_holds_a_job_back_whenever_it_is_written() {
    const RUN_AT: &str = "UPDATE jobs SET run_at = 1900000000000;";
    let mut database = Database::new().await;
    let due = "SELECT due_at FROM jobs;";
    database
        .prints(&[QUEUED, RUN_AT, due].concat(), &["1900000000000"])
        .await;
    database
        .prints(
            &[
                QUEUED,
                RUN_AT,
                "UPDATE jobs SET run_at = NULL; SELECT due_at = created_at FROM jobs;",
            ]
            .concat(),
            &["1"],
        )
        .await;
    database
        .prints(
            &[QUEUED, &parked("credits"), RUN_AT, REQUEUE, due].concat(),
            &["1900000000000"],
        )
        .await;
    // A generation goes on meanwhile.
    let script = [
        QUEUED,
        CREATING,
        GENERATING,
        RUN_AT,
        &failed("generation_timeout"),
        REQUEUE,
    ]
    .concat();
    let select = "SELECT due_at = updated_at FROM jobs;";
    database.comes_to(&script, select, &["1"]).await;
}

#[tokio::test]
async fn only_a_job_that_is_done_can_be_deleted_and_what_it_cost_stays() {
    const DELETE: &str = "DELETE FROM jobs;";
    let mut database = Database::new().await;
    for steps in [
        QUEUED.to_owned(),
        [QUEUED, CREATING].concat(),
        [QUEUED, CREATING, GENERATING].concat(),
        [QUEUED, &parked("credits")].concat(),
    ] {
        database
            .refuses(&steps, DELETE, "set its state to CANCELLED first")
            .await;
    }
    let script = [
        QUEUED,
        CREATING,
        GENERATING,
        FINISHED,
        DELETE,
        "SELECT count(*) FROM jobs; SELECT parser_id FROM creates; DELETE FROM job_events;",
    ]
    .concat();
    database.prints(&script, &["0", "p1"]).await;
}

#[tokio::test]
async fn many_jobs_are_changed_by_one_statement() {
    let mut database = Database::new().await;
    let script = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
        INSERT INTO jobs (name, urls) SELECT 'job ' || i, '[\"https://b.example/' || i || '\"]' FROM n;
        UPDATE jobs SET state = 'CANCELLED' WHERE state = 'QUEUED';
        SELECT state || ' ' || count(*) FROM jobs GROUP BY state;
        SELECT event || ' ' || count(*) FROM job_events GROUP BY event;";
    database
        .prints(script, &["CANCELLED 100", "cancelled 100", "queued 100"])
        .await;
}
