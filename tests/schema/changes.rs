//! A change of fields, judged by Rust and by SQL, and what the database refuses of jobs that change
//! or delete a parser.

use parserd::core::field_changes::FieldChanges;
use serde_json::{Value, json};

use super::engines::{Database, quoted};

const BEFORE: &[&str] = &["title", "products", "products.price", "products.price.net"];

fn fields(names: &[&str]) -> Value {
    let field = |name: &&str| json!({"name": name, "description": "d"});
    names.iter().map(field).collect()
}

fn renames(pairs: &[(&str, &str)]) -> Value {
    let pair = |(name, new): &(&str, &str)| json!({"name": name, "new_name": new});
    pairs.iter().map(pair).collect()
}

fn rust(change: &str, before: Option<&Value>) -> Result<(), String> {
    let change = FieldChanges::from_json(change).map_err(|error| error.to_string())?;
    match before {
        None => Ok(()),
        Some(before) => {
            let applied = change.apply(before);
            applied.map(|_| ()).map_err(|error| error.to_string())
        }
    }
}

async fn sql(
    database: &mut Database,
    change: &str,
    before: Option<&Value>,
) -> Vec<(&'static str, Result<(), String>)> {
    let before = before.map_or("NULL".to_owned(), |before| quoted(&before.to_string()));
    let script = format!(
        "INSERT INTO change_check (change, fields) VALUES ({}, {before});",
        quoted(change)
    );
    let outcomes = database.run(&script).await.into_iter();
    outcomes
        .map(|(engine, outcome)| (engine, outcome.map(|_| ())))
        .collect()
}

/// Rust and every engine say this of each change.
async fn assert_agreement(changes: &[String], before: Option<&Value>, is_valid: bool) {
    let mut database = Database::new().await;
    let mut apart = Vec::new();
    for change in changes {
        let shown: String = change.chars().take(200).collect();
        let verdict = rust(change, before);
        if verdict.is_ok() != is_valid {
            apart.push(format!("Rust: {shown}: {verdict:?}"));
        }
        for (engine, verdict) in sql(&mut database, change, before).await {
            if verdict.is_ok() != is_valid {
                apart.push(format!("{engine}: {shown}: {verdict:?}"));
            }
        }
    }
    assert!(apart.is_empty(), "{}", apart.join("\n"));
}

fn texts(changes: Vec<Value>) -> Vec<String> {
    changes.iter().map(Value::to_string).collect()
}

/// Changes of the fields that are there.
fn good() -> Vec<Value> {
    vec![
        json!({"rename_fields": renames(&[("title", "book.title")])}),
        json!({"rename_fields": renames(&[(" title ", "\u{a0}name\t")])}),
        json!({"rename_fields": renames(&[("title", "Title")])}),
        json!({"rename_fields": renames(&[("title", "products.title")])}),
        json!({"rename_fields": renames(&[("title", "produc"), ("products.price.net", "net")])}),
        json!({"rename_fields": renames(&[("title", &"x".repeat(200))])}),
        json!({"rename_fields": renames(&[("products", "items"), ("products.price", "items.price"),
            ("products.price.net", "items.price.net")])}),
        json!({"rename_fields": renames(&[("products.price", "price"),
            ("products.price.net", "price.net")])}),
        json!({"remove_fields": ["title"]}),
        json!({"remove_fields": [" title"]}),
        json!({"remove_fields": ["products.price.net"]}),
        json!({"remove_fields": ["products", "products.price", "products.price.net"]}),
        json!({"remove_fields": ["products", "products.price"],
            "rename_fields": renames(&[("products.price.net", "net")])}),
        json!({"add_fields": fields(&["author"])}),
        json!({"add_fields": fields(&["Title", "products.name", "a.b.c"])}),
        json!({"add_fields": [{"name": "n", "description": "d", "type": "number",
            "selector": "p > a"}], "modify_fields": []}),
        json!({"add_fields": fields(&["title"]), "rename_fields": renames(&[("title", "name")])}),
        json!({"add_fields": fields(&["products.x"]),
            "remove_fields": ["products", "products.price", "products.price.net"]}),
        json!({"modify_fields": fields(&["title"])}),
        json!({"modify_fields": fields(&[" title "])}),
        json!({"modify_fields": fields(&["name"]), "rename_fields": renames(&[("title", "name")])}),
        json!({"modify_fields": fields(&["title", "products"]), "add_fields": fields(&["x"]),
            "remove_fields": ["products.price.net"]}),
        json!({"add_fields": (0..96).map(|i| json!({"name": format!("f{i}"), "description": "d"}))
            .collect::<Vec<_>>()}),
    ]
}

/// What no parser's fields make right.
fn bad_whatever_is_there() -> Vec<String> {
    let mut changes = texts(vec![
        json!([]),
        json!("title"),
        json!({}),
        json!({"add_fields": []}),
        json!({"add_fields": [], "remove_fields": []}),
        json!({"remove_field": ["title"]}),
        json!({"remove_fields": ["title"], "fields": []}),
        json!({"remove_fields": "title"}),
        json!({"remove_fields": {"0": "title"}}),
        json!({"remove_fields": [1]}),
        json!({"remove_fields": [null]}),
        json!({"remove_fields": [["title"]]}),
        json!({"remove_fields": [""]}),
        json!({"remove_fields": [" \u{3000}"]}),
        json!({"remove_fields": ["x".repeat(201)]}),
        json!({"remove_fields": ["title", "title"]}),
        json!({"remove_fields": ["title", "title "]}),
        json!({"rename_fields": {"title": "name"}}),
        json!({"rename_fields": ["title"]}),
        json!({"rename_fields": [{"name": "title"}]}),
        json!({"rename_fields": [{"new_name": "title"}]}),
        json!({"rename_fields": [{"name": "title", "new_name": 1}]}),
        json!({"rename_fields": [{"name": null, "new_name": "x"}]}),
        json!({"rename_fields": [{"name": "title", "new_name": "x", "type": "string"}]}),
        json!({"rename_fields": renames(&[("title", "")])}),
        json!({"rename_fields": renames(&[(" ", "x")])}),
        json!({"rename_fields": renames(&[("title", &"x".repeat(201))])}),
        json!({"rename_fields": renames(&[("title", "title")])}),
        json!({"rename_fields": renames(&[("title", " title")])}),
        json!({"rename_fields": renames(&[("title", "x"), ("title", "y")])}),
        json!({"rename_fields": renames(&[("title", "x"), ("products.price.net", "x ")])}),
        json!({"rename_fields": renames(&[("title", "products.price.net"),
            ("products.price.net", "title")])}),
        json!({"rename_fields": renames(&[("title", "products.price.net"),
            ("products.price.net", "net")])}),
        json!({"rename_fields": renames(&[("title", "x")]), "remove_fields": ["title"]}),
        json!({"rename_fields": renames(&[("title", "products.price.net")]),
            "remove_fields": ["products.price.net"]}),
        json!({"rename_fields": renames(&[("title", "x")]), "add_fields": fields(&["x"])}),
        json!({"rename_fields": renames(&[("title", "x")]), "modify_fields": fields(&["title"])}),
        json!({"add_fields": fields(&["title"]), "remove_fields": ["title"]}),
        json!({"modify_fields": fields(&["title"]), "remove_fields": ["title"]}),
        json!({"modify_fields": fields(&["title"]), "add_fields": fields(&["title"])}),
        json!({"add_fields": fields(&["x", "x"])}),
        json!({"add_fields": fields(&["x", "x "])}),
        json!({"modify_fields": fields(&["title", "title"])}),
        json!({"modify_fields": fields(&["title", " title"])}),
        json!({"add_fields": {"name": "x", "description": "d"}}),
        json!({"add_fields": ["x"]}),
        json!({"add_fields": [{"name": "x"}]}),
        json!({"add_fields": [{"name": "x", "description": " "}]}),
        json!({"add_fields": [{"name": "x", "description": "d", "typ": "number"}]}),
        json!({"modify_fields": [{"name": "title", "description": "d", "type": "date"}]}),
        json!({"modify_fields": [{"name": "title", "description": "d", "selector": null}]}),
        json!({"add_fields": (0..40).map(|i| json!({"name": format!("f{i}"),
            "description": "d".repeat(1700)})).collect::<Vec<_>>()}),
        json!({"add_fields": (0..20).map(|i| json!({"name": format!("f{i}"),
                "description": "d".repeat(1700)})).collect::<Vec<_>>(),
            "modify_fields": (20..40).map(|i| json!({"name": format!("f{i}"),
                "description": "d".repeat(1700)})).collect::<Vec<_>>()}),
    ]);
    let raw = [
        "",
        "title",
        "null",
        "{'remove_fields': ['title']}",
        r#"{"remove_fields": ["title"],}"#,
        r#"{"remove_fields": ["title"], "remove_fields": ["title"]}"#,
        r#"{"rename_fields": [{"name": "title", "name": "title", "new_name": "x"}]}"#,
        r#"{"add_fields": [{"name": "x", "name": "y", "description": "d"}]}"#,
    ];
    changes.extend(raw.map(str::to_owned));
    changes
}

/// What the fields that are there forbid.
fn bad() -> Vec<Value> {
    vec![
        json!({"remove_fields": ["titel"]}),
        json!({"remove_fields": ["Title"]}),
        json!({"remove_fields": ["title", "x"]}),
        json!({"rename_fields": renames(&[("x", "y")])}),
        json!({"rename_fields": renames(&[("title", "products")])}),
        json!({"rename_fields": renames(&[("title", "products.price.net ")])}),
        json!({"modify_fields": fields(&["x"])}),
        json!({"add_fields": fields(&["title"])}),
        json!({"add_fields": fields(&[" title"])}),
        json!({"add_fields": fields(&["x", "products.price"])}),
        json!({"remove_fields": ["products"]}),
        json!({"remove_fields": ["products", "products.price"]}),
        json!({"remove_fields": ["products.price"]}),
        json!({"rename_fields": renames(&[("products.price", "price")])}),
        json!({"rename_fields": renames(&[("products", "items")])}),
        // It stays under what goes.
        json!({"remove_fields": ["products.price"],
            "rename_fields": renames(&[("products.price.net", "products.price.sum")])}),
        json!({"remove_fields": ["products", "products.price", "products.price.net"],
            "rename_fields": renames(&[("title", "products.title")])}),
        json!({"rename_fields": renames(&[("products.price", "price"),
            ("products.price.net", "products.price.sum")])}),
        json!({"remove_fields": ["title", "products", "products.price", "products.price.net"]}),
        json!({"remove_fields": ["title", "products", "products.price", "products.price.net"],
            "add_fields": fields(&["x"])}),
        json!({"add_fields": (0..97).map(|i| json!({"name": format!("f{i}"), "description": "d"}))
            .collect::<Vec<_>>()}),
    ]
}

#[tokio::test]
async fn both_accept_every_change_that_is_one() {
    let changes = texts(good());
    assert_agreement(&changes, Some(&fields(BEFORE)), true).await;
    assert_agreement(&changes, None, true).await;
    // What the service made by itself may hold what no job can write.
    let odd = json!([
        {"name": " title ", "description": "", "example": 1}, {"name": "products"},
        {"name": "products.price", "type": "money"}, {"name": "products.price.net"},
    ]);
    assert_agreement(&changes, Some(&odd), true).await;
}

#[tokio::test]
async fn both_refuse_every_change_that_is_none() {
    let changes = bad_whatever_is_there();
    assert!(changes.len() >= 60, "{}", changes.len());
    assert_agreement(&changes, Some(&fields(BEFORE)), false).await;
    assert_agreement(&changes, None, false).await;
    let changes = texts(bad());
    assert_agreement(&changes, Some(&fields(BEFORE)), false).await;
    // Where the fields are not known, nothing speaks against it.
    assert_agreement(&changes, None, true).await;
}

#[tokio::test]
async fn fields_without_a_name_are_passed_over_by_both() {
    let odd = json!([{"name": "title"}, {"description": "d"}, "x", {"name": 7}, null]);
    let good = texts(vec![
        json!({"remove_fields": ["title"]}),
        json!({"modify_fields": fields(&["title"])}),
        json!({"add_fields": fields(&["x", "7"])}),
    ]);
    assert_agreement(&good, Some(&odd), true).await;
    let bad = texts(vec![
        json!({"remove_fields": ["x"]}),
        json!({"modify_fields": fields(&["7"])}),
        json!({"rename_fields": renames(&[("y", "z")])}),
    ]);
    assert_agreement(&bad, Some(&odd), false).await;
}

/// null is "left out" to Rust, and blanks around a type do not count; the size of all the fields
/// together SQL does not know: there the job ends FAILED `bad_request` before anything is sent.
#[tokio::test]
async fn where_both_differ_is_listed_here() {
    let mut database = Database::new().await;
    let before = fields(BEFORE);
    for change in texts(vec![
        json!({"remove_fields": ["title"], "add_fields": null}),
        json!({"add_fields": [{"name": "x", "description": "d", "type": " number "}]}),
    ]) {
        assert_eq!(rust(&change, Some(&before)), Ok(()), "{change}");
        for (engine, verdict) in sql(&mut database, &change, Some(&before)).await {
            assert!(verdict.is_err(), "{engine}: {change}");
        }
    }
    let long = |from: usize| -> Value {
        let field = |i| json!({"name": format!("f{i}"), "description": "d".repeat(1700)});
        (from..from + 20).map(field).collect()
    };
    let change = json!({"add_fields": long(20)}).to_string();
    assert!(rust(&change, Some(&long(0))).is_err());
    for (engine, verdict) in sql(&mut database, &change, Some(&long(0))).await {
        assert_eq!(verdict, Ok(()), "{engine}");
    }
}

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
