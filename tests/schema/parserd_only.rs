//! What only parserd may write, and what nobody may.

use super::engines::Database;

const QUEUED: &str = "INSERT INTO jobs (name, urls) VALUES ('books', '[\"https://b.example/\"]');";

#[tokio::test]
async fn parserds_columns_are_refused() {
    let mut database = Database::new().await;
    for change in [
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
                "change only name, urls, scraper_params, fields, expect, check_urls, priority, run_at and state",
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

#[tokio::test]
async fn no_name_of_the_id_and_no_conflict_policy_gets_past_the_rules() {
    const TWO: &str = "INSERT INTO jobs (name, urls) VALUES ('a', '[\"https://a.example/\"]'); \
        INSERT INTO jobs (name, urls) VALUES ('b', '[\"https://b.example/\"]'); \
        UPDATE jobs SET state = 'GENERATING', parser_id = 'p', generating_since = 1, \
            revision = revision + 1 WHERE id = 1;";
    let mut database = Database::new().await;
    for id in ["id", "rowid", "oid", "_rowid_", "\"ROWID\""] {
        for policy in ["", "OR REPLACE", "OR IGNORE", "OR FAIL"] {
            for more in ["", ", revision = revision + 1", ", priority = 7"] {
                let update = format!("UPDATE {policy} jobs SET {id} = 1{more} WHERE name = 'b';");
                database
                    .refuses(TWO, &update, "the id of a job stays")
                    .await;
            }
            let moved = format!("UPDATE {policy} jobs SET {id} = 7 WHERE name = 'a';");
            database.refuses(TWO, &moved, "the id of a job stays").await;
        }
        let replaced = format!(
            "INSERT OR REPLACE INTO jobs ({id}, name, urls) VALUES (1, 'c', '[\"https://c.example/\"]');"
        );
        database
            .refuses(TWO, &replaced, "REPLACE would delete")
            .await;
        let upsert = format!(
            "INSERT INTO jobs (name, urls) VALUES ('b', '[\"https://b.example/\"]') \
             ON CONFLICT DO UPDATE SET {id} = 1;"
        );
        database
            .refuses(TWO, &upsert, "the id of a job stays")
            .await;
        for (policy, words) in [
            ("", "job_events is append-only"),
            ("OR REPLACE", "job_events is append-only"),
        ] {
            let event = format!(
                "INSERT {policy} INTO job_events ({id}, job_id, event) VALUES (1, 1, 'never');"
            );
            database.refuses(TWO, &event, words).await;
        }
    }
    // What is the same stays allowed, and so is what a program may write.
    let same = "UPDATE OR REPLACE jobs SET rowid = id, priority = 3 WHERE name = 'b'; \
        SELECT group_concat(id || name || priority) FROM (SELECT * FROM jobs ORDER BY id);";
    database.prints(&format!("{TWO}{same}"), &["1a0,2b3"]).await;
}

#[tokio::test]
async fn the_ledger_is_append_only_and_a_create_is_settled_once() {
    const CREATES: &str = "INSERT INTO creates (job_id, remote_name, sent_at, credits) VALUES (1, 'n_pd_1', 1, 30000); \
        INSERT INTO creates (job_id, remote_name, sent_at, credits) VALUES (1, 'n_pd_2', 1, 30000);";
    let mut database = Database::new().await;
    for change in [
        "id = 7",
        "rowid = 7",
        "job_id = 7",
        "remote_name = 'other'",
        "sent_at = 7",
        "credits = 0",
        "baseline = '[\"p\"]'",
        "oid = 7, outcome = 'made', parser_id = 'p', settled_at = 2",
    ] {
        for policy in ["", "OR REPLACE"] {
            let update = format!("UPDATE {policy} creates SET {change} WHERE id = 1;");
            database
                .refuses(CREATES, &update, "creates is append-only")
                .await;
        }
    }
    for (insert, words) in [
        (
            "(rowid, job_id, remote_name, sent_at, credits) VALUES (1, 1, 'n_pd_3', 1, 0);",
            "leave out id",
        ),
        (
            "(job_id, remote_name, sent_at, credits) VALUES (1, 'n_pd_1', 1, 0);",
            "create in doubt",
        ),
    ] {
        let replace = format!("INSERT OR REPLACE INTO creates {insert}");
        database.refuses(CREATES, &replace, words).await;
    }
    let made = "UPDATE creates SET outcome = 'made', parser_id = 'p', settled_at = 2 WHERE id = 1;";
    let not_made = "UPDATE creates SET outcome = 'not_made', settled_at = 2 WHERE id = 1;";
    for (settled, change) in [
        (made, "outcome = 'not_made', parser_id = NULL"),
        (
            made,
            "outcome = 'pending', parser_id = NULL, settled_at = NULL",
        ),
        (made, "parser_id = 'q'"),
        (made, "settled_at = 3"),
        (not_made, "outcome = 'pending', settled_at = NULL"),
        (not_made, "settled_at = 3"),
    ] {
        let update = format!("UPDATE OR REPLACE creates SET {change} WHERE id = 1;");
        database
            .refuses(&[CREATES, settled].concat(), &update, "is settled")
            .await;
    }
    let show = "SELECT outcome || ' ' || coalesce(parser_id, '-') FROM creates;";
    database
        .prints(
            &[CREATES, not_made, made, made, show].concat(),
            &["made p", "pending -"],
        )
        .await;
}

#[tokio::test]
async fn parsers_and_parses_stay_and_a_parse_is_settled_once() {
    const ROWS: &str = "INSERT INTO parsers (parser_id, name, job_id, created_at, updated_at) \
            VALUES ('p', 'n', 1, 1, 1); \
        INSERT INTO parses (job_id, parser_id, url, sent_at, credits) VALUES (1, 'p', 'u', 1, 1);";
    let mut database = Database::new().await;
    for (statement, words) in [
        ("DELETE FROM parsers;", "its rows stay"),
        ("DELETE FROM parses;", "its rows stay"),
        (
            "INSERT OR REPLACE INTO parsers (parser_id, name, job_id, created_at, updated_at) \
             VALUES ('p', 'other', 1, 1, 1);",
            "REPLACE would delete the row",
        ),
        (
            "INSERT OR REPLACE INTO parses (id, job_id, parser_id, url, sent_at, credits) \
             VALUES (1, 1, 'p', 'u', 1, 0);",
            "leave out id",
        ),
        ("UPDATE parses SET credits = 0;", "parses is append-only"),
        ("UPDATE parses SET sent_at = 2;", "parses is append-only"),
        (
            "UPDATE parses SET outcome = 'inconclusive', settled_at = 2; \
             UPDATE parses SET outcome = 'found', result = '1';",
            "parses is append-only",
        ),
        ("UPDATE parsers SET quality = 'fine';", "CHECK"),
    ] {
        database.refuses(ROWS, statement, words).await;
    }
}

#[tokio::test]
async fn fetches_stay_and_one_is_settled_once() {
    const ROW: &str = "INSERT INTO fetches (job_id, url, host, proxy, render, sent_at, credits) \
        VALUES (1, 'u', 'h', 'standard', 0, 1, 10);";
    const SETTLED: &str = "UPDATE fetches SET outcome = 'gone', brought = '{}', credits = 1, \
        settled_at = 2;";
    let mut database = Database::new().await;
    for (statement, words) in [
        ("DELETE FROM fetches;", "its rows stay"),
        (
            "INSERT OR REPLACE INTO fetches (id, job_id, url, host, proxy, render, sent_at, credits) \
             VALUES (1, 1, 'u', 'h', 'standard', 0, 1, 0);",
            "leave out id",
        ),
        ("UPDATE fetches SET credits = 0;", "fetches is append-only"),
        ("UPDATE fetches SET sent_at = 2;", "fetches is append-only"),
        ("UPDATE fetches SET host = 'i';", "fetches is append-only"),
        (
            "UPDATE fetches SET render = 1, outcome = 'too_dear', brought = '{}', settled_at = 2;",
            "fetches is append-only",
        ),
        (
            "UPDATE fetches SET outcome = 'page', settled_at = 2;",
            "CHECK",
        ),
        (
            "UPDATE fetches SET outcome = 'fine', brought = '{}', settled_at = 2;",
            "CHECK",
        ),
        (
            "INSERT INTO fetches (job_id, url, host, proxy, render, sent_at, credits) \
             VALUES (1, 'u', 'h', 'best', 0, 1, 0);",
            "CHECK",
        ),
    ] {
        database.refuses(ROW, statement, words).await;
    }
    for statement in [
        SETTLED,
        "UPDATE fetches SET credits = 0;",
        "UPDATE fetches SET outcome = 'pending', brought = NULL, settled_at = NULL;",
    ] {
        database
            .refuses(
                &[ROW, SETTLED].concat(),
                statement,
                "fetches is append-only",
            )
            .await;
    }
    let show = "SELECT outcome || ' ' || credits FROM fetches;";
    database
        .prints(&[ROW, SETTLED, show].concat(), &["gone 1"])
        .await;
}

#[tokio::test]
async fn preflight_and_effective_params_are_not_for_others_to_write() {
    const JOB: &str = "INSERT INTO jobs (name, urls) VALUES ('a', '[\"https://a.example/\"]');";
    let mut database = Database::new().await;
    for column in ["preflight", "effective_params"] {
        let insert = format!(
            "INSERT INTO jobs (name, urls, {column}) VALUES ('b', '[\"https://a.example/\"]', '{{}}');"
        );
        let update = format!("UPDATE jobs SET {column} = '{{}}';");
        for statement in [insert, update] {
            database
                .refuses(JOB, &statement, "are parserd's to set")
                .await;
        }
    }
}

#[tokio::test]
async fn what_is_sent_in_place_of_the_jobs_own_and_the_ladder_are_parserds() {
    let mut database = Database::new().await;
    let refusal = "preflight, effective_params and climbs are parserd's to set";
    for change in [
        "preflight = '{}'",
        "effective_params = '{\"premium\":true}'",
        "climbs = 1",
    ] {
        let statement = format!("UPDATE jobs SET {change};");
        database.refuses(QUEUED, &statement, refusal).await;
    }
    for (column, value) in [("effective_params", "'{}'"), ("climbs", "1")] {
        let statement = format!(
            "INSERT INTO jobs (name, urls, {column}) \
             VALUES ('films', '[\"https://f.example/\"]', {value});"
        );
        database.refuses(QUEUED, &statement, refusal).await;
    }
    let create = format!(
        "{QUEUED} INSERT INTO creates (job_id, remote_name, sent_at, credits) \
         VALUES (1, 'n_pd_1', 1, 30000);"
    );
    let statement = "UPDATE creates SET escalated = 1;";
    database
        .refuses(&create, statement, "creates is append-only")
        .await;
}

/// The ladder takes a job back to QUEUED, and nobody else does; nor does it without a climb.
#[tokio::test]
async fn a_generation_goes_back_to_the_queue_by_the_ladder_alone() {
    let mut database = Database::new().await;
    let generating = format!(
        "{QUEUED} UPDATE jobs SET state = 'GENERATING', parser_id = 'p', generating_since = 1, \
             creates = 1, revision = revision + 1;"
    );
    for (change, refusal) in [
        ("state = 'QUEUED'", "this change of state is parserd's"),
        (
            "state = 'QUEUED', revision = revision + 1",
            "no such change of state",
        ),
    ] {
        let statement = format!("UPDATE jobs SET {change};");
        database.refuses(&generating, &statement, refusal).await;
    }
}
