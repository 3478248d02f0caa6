//! What the database refuses of jobs that change or delete a parser.

use super::engines::Database;

/// The parser `books`, made by job 1, and the parser `gone`, deleted.
const MADE: &str = r#"
    INSERT INTO jobs (name, urls) VALUES ('books', '["https://b.example/"]');
    UPDATE jobs SET state = 'CREATING', remote_name = 'books_pd_1', revision = revision + 1;
    UPDATE jobs SET state = 'GENERATING', parser_id = 'p1', parser_version = 0,
        generating_since = 7, revision = revision + 1;
    UPDATE jobs SET state = 'FINISHED', finished_at = 9, revision = revision + 1;
    INSERT INTO parsers (parser_id, name, version, latest_version, applied_version, fields, job_id,
        created_at, updated_at, deleted_at)
    VALUES ('p1', 'books', 0, 0, 0, '[{"name": "title", "description": "d"},
            {"name": "products", "description": "d"}, {"name": "products.price", "description": "d"}]',
            1, 7, 9, NULL),
        ('p0', 'gone', 0, 0, 0, NULL, 1, 7, 9, 9);"#;
const RENAME: &str = r#"INSERT INTO jobs (action, name, change) VALUES ('update', 'books',
    '{"rename_fields": [{"name": "title", "new_name": "book.title"}]}');"#;
const DELETE: &str = "INSERT INTO jobs (action, name) VALUES ('delete', 'books');";
const PROTECT: &str = "UPDATE jobs SET protect = 1 WHERE id = 1;";

/// Job 2 as it stands once parserd gave it up.
const FAILED: &str = "UPDATE jobs SET state = 'FAILED', error_kind = 'bad_request',
    error_message = 'm', finished_at = 9, revision = revision + 1 WHERE id = 2;";
const PARKED: &str = "UPDATE jobs SET state = 'PARKED', park_reason = 'unauthorized',
    due_at = 9223372036854775807, revision = revision + 1 WHERE id = 2;";
const AGAIN: &str = "UPDATE jobs SET state = 'QUEUED' WHERE id = 2;";

#[tokio::test]
async fn a_job_that_changes_or_deletes_is_refused_where_it_cannot_be_done() {
    const OPEN: &str = "another update or delete of this parser is not done yet";
    const DELETED: &str = "the parser of this name was deleted";
    const GUARDED: &str = "this parser is protected";
    const STAYS: &str = "action and change stay as they are";
    const OTHERS: &str = "takes no urls, scraper_params, fields, expect, check_urls, parser_id";
    let update = |change: &str| {
        format!("INSERT INTO jobs (action, name, change) VALUES ('update', 'books', '{change}');")
    };
    let with = |column: &str, value: &str| {
        format!("INSERT INTO jobs (action, name, {column}) VALUES ('delete', 'books', {value});")
    };
    let setup = |parts: &[&str]| format!("{MADE}{}", parts.concat());
    let renamed = "UPDATE jobs SET name = 'free' WHERE id = 2;";
    let rows = vec![
        (
            setup(&[]),
            RENAME.replace("'books'", "'unknown'"),
            "no parser has this name",
        ),
        (
            setup(&[]),
            DELETE.replace("'books'", "'Books'"),
            "no parser has this name",
        ),
        (setup(&[]), RENAME.replace("'books'", "'gone'"), DELETED),
        (setup(&[]), DELETE.replace("'books'", "'gone'"), DELETED),
        (setup(&[]), update("{}"), "change is empty"),
        (
            setup(&[]),
            DELETE.replace("'delete'", "'update'"),
            "change is not a JSON object",
        ),
        (
            setup(&[]),
            update(r#"{"remove_fields": ["products"]}"#),
            "whose children stay",
        ),
        (
            setup(&[]),
            update(r#"{"rename_fields": [{"name": "title", "new_name": "products"}]}"#),
            "to a name that is there already, or in a circle",
        ),
        (
            setup(&[]),
            update(r#"{"add_fields": [{"name": "title", "description": "d"}]}"#),
            "adds a field that the parser has already",
        ),
        (
            setup(&[]),
            with("change", r#"'{"remove_fields": ["title"]}'"#),
            "change is for action",
        ),
        (
            setup(&[]),
            with("urls", r#"'["https://b.example/"]'"#),
            OTHERS,
        ),
        (
            setup(&[]),
            with("fields", r#"'[{"name": "a", "description": "d"}]'"#),
            OTHERS,
        ),
        (setup(&[]), with("scraper_params", "'{}'"), OTHERS),
        (
            setup(&[]),
            with("parser_id", "'p2'"),
            "the parser of this parser_id does not have this name",
        ),
        (
            setup(&[]),
            RENAME
                .replace("jobs (", "jobs (parser_id, ")
                .replace("VALUES (", "VALUES ('p1', "),
            OTHERS,
        ),
        (setup(&[]), with("protect", "1"), OTHERS),
        (
            setup(&[]),
            with("part", "'delete'"),
            "a new job is QUEUED: leave out",
        ),
        (
            setup(&[]),
            with("target_fields", "'[]'"),
            "a new job is QUEUED: leave out",
        ),
        (
            setup(&[]),
            with("released_at", "1"),
            "a new job is QUEUED: leave out",
        ),
        (
            setup(&[]),
            DELETE.replace("'delete'", "'remove'"),
            "action is not one of create",
        ),
        (
            setup(&[]),
            DELETE.replace("'delete'", "NULL"),
            "action is not one of create",
        ),
        // One open change of a parser.
        (setup(&[RENAME]), RENAME.to_owned(), OPEN),
        (setup(&[RENAME]), DELETE.to_owned(), OPEN),
        (setup(&[DELETE]), RENAME.to_owned(), OPEN),
        (setup(&[RENAME]), with("parser_id", "'p1'"), OPEN),
        (
            setup(&[&with("parser_id", "'p1'")]),
            RENAME.to_owned(),
            OPEN,
        ),
        (setup(&[RENAME, PARKED]), DELETE.to_owned(), OPEN),
        (
            setup(&[RENAME]),
            RENAME.replace("INSERT", "INSERT OR REPLACE"),
            OPEN,
        ),
        (
            setup(&[RENAME]),
            RENAME.replace("INSERT", "INSERT OR IGNORE"),
            OPEN,
        ),
        (setup(&[RENAME, FAILED, DELETE]), AGAIN.to_owned(), OPEN),
        (
            setup(&[RENAME, FAILED, DELETE]),
            AGAIN.replace("UPDATE", "UPDATE OR REPLACE"),
            OPEN,
        ),
        (
            setup(&[]),
            "INSERT OR REPLACE INTO jobs (id, action, name) VALUES (1, 'delete', 'books');"
                .to_owned(),
            "REPLACE would delete the job",
        ),
        // It is not made another one.
        (setup(&[RENAME]), renamed.to_owned(), STAYS),
        (setup(&[RENAME, FAILED]), renamed.to_owned(), STAYS),
        (
            setup(&[RENAME]),
            "UPDATE jobs SET action = 'delete' WHERE id = 2;".to_owned(),
            STAYS,
        ),
        (
            setup(&[]),
            "UPDATE jobs SET action = 'delete' WHERE id = 1;".to_owned(),
            STAYS,
        ),
        (
            setup(&[]),
            "UPDATE jobs SET change = '{}' WHERE id = 1;".to_owned(),
            STAYS,
        ),
        (
            setup(&[DELETE]),
            "UPDATE jobs SET protect = 1 WHERE id = 2;".to_owned(),
            STAYS,
        ),
        (
            setup(&[RENAME]),
            r#"UPDATE jobs SET urls = '["https://c.example/"]' WHERE id = 2;"#.to_owned(),
            STAYS,
        ),
        (
            setup(&[DELETE]),
            "UPDATE jobs SET part = 'delete' WHERE id = 2;".to_owned(),
            "parserd's to set",
        ),
        (
            setup(&[]),
            "UPDATE jobs SET released_at = 1;".to_owned(),
            "parserd's to set",
        ),
        // What is protected is not deleted, in whatever way it is said.
        (setup(&[PROTECT]), DELETE.to_owned(), GUARDED),
        (
            setup(&[PROTECT]),
            DELETE.replace("INSERT", "INSERT OR REPLACE"),
            GUARDED,
        ),
        (
            setup(&[PROTECT]),
            DELETE.replace("INSERT", "INSERT OR IGNORE"),
            GUARDED,
        ),
        (setup(&[DELETE, FAILED, PROTECT]), AGAIN.to_owned(), GUARDED),
        (setup(&[DELETE, PARKED, PROTECT]), AGAIN.to_owned(), GUARDED),
        (
            setup(&[DELETE, FAILED, PROTECT]),
            AGAIN.replace("UPDATE", "UPDATE OR REPLACE"),
            GUARDED,
        ),
        (
            setup(&[]),
            "UPDATE jobs SET protect = 2 WHERE id = 1;".to_owned(),
            "protect is 1 or 0",
        ),
        (
            setup(&[]),
            "UPDATE jobs SET protect = NULL WHERE id = 1;".to_owned(),
            "protect is 1 or 0",
        ),
        // The parser is gone meanwhile.
        (
            setup(&[RENAME, FAILED, "UPDATE parsers SET deleted_at = 9;"]),
            AGAIN.to_owned(),
            DELETED,
        ),
    ];
    let mut database = Database::new().await;
    for (setup, statement, words) in rows {
        database.refuses(&setup, &statement, words).await;
    }
}

#[tokio::test]
async fn what_can_be_done_is_taken_and_another_one_once_that_is_over() {
    const STATES: &str = "SELECT group_concat(action || ' ' || state) FROM jobs;";
    let cancel = "UPDATE jobs SET state = 'CANCELLED' WHERE id = 2;";
    let done = "UPDATE jobs SET state = 'CREATING', part = 'free', parser_id = 'p1',
            revision = revision + 1 WHERE id = 2;
        UPDATE jobs SET state = 'FINISHED', finished_at = 9, revision = revision + 1 WHERE id = 2;";
    let unprotect = "UPDATE jobs SET protect = 0 WHERE id = 1;";
    let mut database = Database::new().await;
    for (steps, states) in [
        (
            vec![RENAME, FAILED, DELETE],
            "create FINISHED,update FAILED,delete QUEUED",
        ),
        (
            vec![RENAME, cancel, RENAME],
            "create FINISHED,update CANCELLED,update QUEUED",
        ),
        (vec![RENAME, PARKED, AGAIN], "create FINISHED,update QUEUED"),
        (vec![RENAME, FAILED, AGAIN], "create FINISHED,update QUEUED"),
        (
            vec![RENAME, done, RENAME],
            "create FINISHED,update FINISHED,update QUEUED",
        ),
        // To change what is protected is no harm to it.
        (vec![PROTECT, RENAME], "create FINISHED,update QUEUED"),
        (
            vec![PROTECT, unprotect, DELETE],
            "create FINISHED,delete QUEUED",
        ),
    ] {
        let script = format!("{MADE}{}{STATES}", steps.concat());
        database.prints(&script, &[states]).await;
    }
}

#[tokio::test]
async fn what_parserd_says_of_a_parser_is_not_written_past_the_rules() {
    const PIN: &str = "`parserd parsers pin NAME VERSION`";
    const GUARD: &str = "UPDATE jobs SET protect = 1 WHERE name = 'NAME' AND action = 'create'";
    let mut database = Database::new().await;
    for (before, statement, words) in [
        ("", "UPDATE parsers SET version = 1;", PIN),
        ("", "UPDATE parsers SET version = -1;", PIN),
        (
            "",
            "UPDATE parsers SET version = NULL WHERE parser_id = 'p1';",
            PIN,
        ),
        ("", "UPDATE parsers SET protected = 1;", GUARD),
        (PROTECT, "UPDATE parsers SET protected = 0;", GUARD),
        ("", "UPDATE parsers SET protected = 2;", GUARD),
    ] {
        let setup = format!("{MADE}{before}");
        database.refuses(&setup, statement, words).await;
    }
    let script = format!(
        "{MADE}{PROTECT}UPDATE parsers SET latest_version = 3 WHERE parser_id = 'p1';
        UPDATE parsers SET version = 2 WHERE parser_id = 'p1';
        SELECT version || ' ' || protected FROM parsers WHERE parser_id = 'p1';"
    );
    database.prints(&script, &["2 1"]).await;
}

#[tokio::test]
async fn a_create_of_a_name_whose_parser_is_being_deleted_is_refused_in_words() {
    const CREATE: &str =
        "INSERT INTO jobs (name, urls) VALUES ('books', '[\"https://b.example/\"]');";
    let setup = format!("{MADE}{DELETE}");
    let mut database = Database::new().await;
    for insert in [
        CREATE.to_owned(),
        CREATE.replace("INSERT", "INSERT OR REPLACE"),
    ] {
        let words = "a delete of this name's parser is not done yet";
        database.refuses(&setup, &insert, words).await;
    }
    // To say once more what is there stays harmless.
    let again = CREATE.replace("INSERT", "INSERT OR IGNORE");
    let script = format!(
        "{setup}{again}SELECT group_concat(action) || (SELECT sum(replaced) FROM replace_guard) FROM jobs;"
    );
    database.prints(&script, &["create,delete0"]).await;
}

#[tokio::test]
async fn a_parser_that_is_to_be_replaced_is_not_deleted_beside_that() {
    const REPLACING: &str = "UPDATE jobs SET released_at = 9, revision = revision + 1 WHERE id = 1;
        INSERT INTO jobs (name, urls) VALUES ('books', '[\"https://b.example/other\"]');";
    let by_id = DELETE.replace("name)", "name, parser_id)");
    let by_id = by_id.replace("'books')", "'books', 'p1')");
    let words = "is to make another parser in place of this one: cancel it first";
    let setup = format!("{MADE}{REPLACING}");
    let mut database = Database::new().await;
    for before in ["", PARKED] {
        for delete in [DELETE, &by_id] {
            let setup = format!("{setup}{before}");
            database.refuses(&setup, delete, words).await;
        }
    }
    let cancelled = "UPDATE jobs SET state = 'CANCELLED' WHERE id = 2;";
    for over in [FAILED, cancelled] {
        let script = format!(
            "{setup}{over}{DELETE}SELECT action || ' ' || state FROM jobs ORDER BY id DESC LIMIT 1;"
        );
        database.prints(&script, &["delete QUEUED"]).await;
    }
    // One that was replaced before goes.
    let former = "INSERT INTO parsers (parser_id, name, version, latest_version, applied_version,
            job_id, created_at, updated_at, replaced_by)
        VALUES ('p2', 'books', 0, 0, 0, 1, 5, 6, 'p1');";
    let of_former = by_id.replace("'p1'", "'p2'");
    let script =
        format!("{setup}{former}{of_former}SELECT parser_id FROM jobs WHERE action = 'delete';");
    database.prints(&script, &["p2"]).await;
}

#[tokio::test]
async fn a_request_that_was_sent_stays_on_record() {
    const SENT: &str =
        "INSERT INTO updates (job_id, parser_id, part, base_version, sent_at, credits)
        VALUES (2, 'p1', 'paid', 0, 1, 30000);";
    const RECORD: &str = "the record of what was sent and paid for";
    let settle = "UPDATE updates SET outcome = 'made', settled_at = 2;";
    let mut database = Database::new().await;
    for (before, statement, words) in [
        ("", "DELETE FROM updates;", RECORD),
        ("", "UPDATE updates SET credits = 0;", RECORD),
        ("", "UPDATE updates SET id = 7;", RECORD),
        (settle, "UPDATE updates SET outcome = 'not_made';", RECORD),
        (
            settle,
            "UPDATE updates SET outcome = 'pending', settled_at = NULL;",
            RECORD,
        ),
        ("", SENT, "UNIQUE constraint failed"),
        (
            "",
            &SENT.replace("INSERT", "INSERT OR REPLACE"),
            "REPLACE would delete",
        ),
        (
            settle,
            "INSERT OR REPLACE INTO updates (id, job_id, parser_id, part, sent_at, credits)
             VALUES (1, 2, 'p1', 'free', 1, 0);",
            "leave out id",
        ),
        (
            "",
            "UPDATE updates SET settled_at = 2;",
            "CHECK constraint failed",
        ),
    ] {
        let setup = format!("{MADE}{RENAME}{SENT}{before}");
        database.refuses(&setup, statement, words).await;
    }
    // Called off while it is in doubt, it counts as spent, and another one may be sent.
    let script = format!(
        "{MADE}{RENAME}{PARKED}{SENT}
        UPDATE jobs SET state = 'CANCELLED' WHERE id = 2;
        {SENT}SELECT group_concat(outcome || credits) FROM updates;"
    );
    database.prints(&script, &["made30000,pending30000"]).await;
}
