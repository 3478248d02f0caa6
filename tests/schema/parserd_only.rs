//! What only parserd may write, and what nobody may.

use super::engines::Database;

const QUEUED: &str = "INSERT INTO jobs (name, urls) VALUES ('books', '[\"https://b.example/\"]');";

#[tokio::test]
async fn parserds_columns_are_refused() {
    let mut database = Database::new().await;
    for change in [
        "id = 7",
        "park_reason = 'credits'",
        "parser_id = 'p'",
        "parser_version = 1",
        "example_result = '{}'",
        "error_kind = 'bad_request'",
        "error_status = 400",
        "error_message = 'no'",
        "error_hint = 'none'",
        "creates = 7",
        "created_at = 1",
        "updated_at = 1",
        "finished_at = 1",
        "remote_name = 'books'",
        "recreation = 1",
        "generating_since = 1",
        "generated_at = 1",
        "attempts = -1000",
        "holds = 1",
        "polls = 1",
        "poll_errors = 1",
        "missing_lists = 1",
        "doubt_since = 1, doubt_cause = 'answer_lost'",
        "absent_since = 1",
        "absent_lists = 1",
        "untrusted_since = 1",
    ] {
        let statement = format!("UPDATE jobs SET {change};");
        database
            .refuses(
                QUEUED,
                &statement,
                "change only name, urls, scraper_params, fields, priority, run_at and state",
            )
            .await;
    }
    database
        .refuses(
            QUEUED,
            "UPDATE jobs SET due_at = 1;",
            "write run_at to hold a QUEUED job back",
        )
        .await;
    database
        .refuses(
            QUEUED,
            "UPDATE jobs SET revision = 7;",
            "revision is parserd's",
        )
        .await;
}

#[tokio::test]
async fn parserd_itself_keeps_to_the_state_diagram() {
    let mut database = Database::new().await;
    for to in ["FINISHED", "QUEUED"] {
        let statement = format!("UPDATE jobs SET state = '{to}', revision = revision + 1;");
        let parked = format!(
            "{QUEUED}UPDATE jobs SET state = 'PARKED', park_reason = 'budget', revision = revision + 1;"
        );
        let (steps, words) = if to == "QUEUED" {
            (
                format!("{QUEUED}UPDATE jobs SET state = 'CANCELLED';"),
                "stays so: insert a new job instead",
            )
        } else {
            (parked, "no such change of state")
        };
        database.refuses(&steps, &statement, words).await;
    }
}

#[tokio::test]
async fn each_state_has_what_belongs_to_it() {
    let mut database = Database::new().await;
    for change in [
        "state = 'PARKED'",
        "state = 'FAILED'",
        "state = 'CREATING'",
        "state = 'GENERATING'",
        "state = 'GENERATING', parser_id = 'p'",
        "state = 'PARKED', park_reason = 'weather'",
        "state = 'FAILED', error_kind = 'weather'",
        "doubt_since = 1",
        "doubt_since = 1, doubt_cause = 'weather'",
    ] {
        let statement = format!("UPDATE jobs SET {change}, revision = revision + 1;");
        database
            .refuses(QUEUED, &statement, "CHECK constraint failed")
            .await;
    }
}

#[tokio::test]
async fn the_history_is_append_only() {
    let mut database = Database::new().await;
    for statement in [
        "UPDATE job_events SET event = 'never';",
        "UPDATE job_events SET detail = '{}';",
        "DELETE FROM job_events;",
    ] {
        database
            .refuses(QUEUED, statement, "job_events is append-only")
            .await;
    }
    database
        .refuses(
            QUEUED,
            "INSERT INTO job_events (job_id, event, detail) VALUES (1, 'note', 'not JSON');",
            "CHECK constraint failed",
        )
        .await;
    let note = "INSERT INTO job_events (job_id, event) VALUES (1, 'note'); \
        SELECT count(*) || ' ' || sum(detail = '{}') FROM job_events;";
    database.prints(&format!("{QUEUED}{note}"), &["2 2"]).await;
}

#[tokio::test]
async fn what_was_paid_for_stays_and_one_name_is_created_once_at_a_time() {
    const CREATE: &str = "INSERT INTO creates (job_id, remote_name, sent_at, credits) VALUES (1, 'n_pd_1', 1, 30000);";
    let mut database = Database::new().await;
    database
        .refuses(
            CREATE,
            "DELETE FROM creates;",
            "creates is the record of what was paid for",
        )
        .await;
    database
        .refuses(
            CREATE,
            CREATE,
            "UNIQUE constraint failed: creates.remote_name",
        )
        .await;
    let settled = "UPDATE creates SET outcome = 'not_made', settled_at = 2;";
    let count = "SELECT count(*) FROM creates;";
    database
        .prints(&[CREATE, settled, CREATE, count].concat(), &["2"])
        .await;
    for bad in [
        "UPDATE creates SET outcome = 'made', settled_at = 2;",
        "UPDATE creates SET outcome = 'not_made';",
        "UPDATE creates SET outcome = 'perhaps', settled_at = 2;",
    ] {
        database
            .refuses(CREATE, bad, "CHECK constraint failed")
            .await;
    }
}
