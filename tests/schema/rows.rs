//! New rows and changed ones: each bad one is refused with what to write instead.

use super::engines::Database;

const GOOD: &str = "INSERT INTO jobs (name, urls) VALUES ('books', '[\"https://b.example/\"]');";

/// `INSERT` with the columns given, the rest good.
fn insert(columns: &[(&str, &str)]) -> String {
    let mut all = vec![("name", "'books'"), ("urls", "'[\"https://b.example/\"]'")];
    for (column, value) in columns {
        match all.iter_mut().find(|(known, _)| known == column) {
            Some(slot) => slot.1 = value,
            None => all.push((column, value)),
        }
    }
    let (names, values): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    format!(
        "INSERT INTO jobs ({}) VALUES ({});",
        names.join(", "),
        values.join(", ")
    )
}

/// A column, its bad value, and words of the message.
const BAD: &[(&str, &str, &str)] = &[
    ("name", "NULL", "name is empty: give the job a name"),
    ("name", "''", "name is empty"),
    ("name", "char(9, 32, 10)", "name is empty"),
    ("name", "char(160, 8195, 12288)", "name is empty"),
    (
        "name",
        "printf('%.*c', 201, 'n')",
        "write at most 200 characters",
    ),
    (
        "name",
        "'two' || char(10) || 'lines'",
        "write it on one line",
    ),
    ("name", "'a' || char(0) || 'b'", "control characters"),
    ("name", "'a' || char(133)", "control characters"),
    (
        "name",
        "x'00'",
        "cannot store BLOB value in TEXT column jobs.name",
    ),
    ("urls", "NULL", "write it as [\"https://example.com/page\"]"),
    ("urls", "''", "urls is not a JSON array"),
    ("urls", "'https://b.example/'", "urls is not a JSON array"),
    (
        "urls",
        "'\"https://b.example/\"'",
        "urls is not a JSON array",
    ),
    (
        "urls",
        "'{\"0\":\"https://b.example/\"}'",
        "urls is not a JSON array",
    ),
    (
        "urls",
        "'[''https://b.example/'']'",
        "urls is not a JSON array",
    ),
    (
        "urls",
        "'[\"https://b.example/\",]'",
        "urls is not a JSON array",
    ),
    (
        "urls",
        "'[\"https://b.example/\"]' || char(0)",
        "urls is not a JSON array",
    ),
    ("urls", "'[]'", "write 1 to 3 example pages"),
    (
        "urls",
        "'[\"http://a/1\",\"http://a/2\",\"http://a/3\",\"http://a/4\"]'",
        "keep the 1 to 3",
    ),
    (
        "urls",
        "'[\"ftp://b.example/\"]'",
        "write each as \"https://host/path\"",
    ),
    (
        "urls",
        "'[\"b.example/page\"]'",
        "write each as \"https://host/path\"",
    ),
    (
        "urls",
        "'[\"https:///page\"]'",
        "write each as \"https://host/path\"",
    ),
    ("urls", "'[\"https://b.example/a b\"]'", "without spaces"),
    ("urls", "'[\"https://b.example/\\t\"]'", "without spaces"),
    (
        "urls",
        "'[\"https://b.example/\\u0000\"]'",
        "without spaces",
    ),
    ("urls", "'[7]'", "write each as \"https://host/path\""),
    ("urls", "'[null]'", "write each as \"https://host/path\""),
    (
        "urls",
        "'[[\"https://b.example/\"]]'",
        "write each as \"https://host/path\"",
    ),
    (
        "urls",
        "'[\"https://me:pw@b.example/\"]'",
        "without what stands before the @",
    ),
    ("urls", "'[\"https://<host>/\"]'", "host or port is none"),
    (
        "urls",
        "'[\"https://b.example:port/\"]'",
        "host or port is none",
    ),
    (
        "urls",
        "'[\"https://b.example/' || printf('%.*c', 2048, 'x') || '\"]'",
        "write at most 2048 characters",
    ),
    ("urls", "'[\"http://a/\",\"http://a/\"]'", "write each once"),
    (
        "urls",
        "'[\"http://a/\"' || printf('%1000000s', '') || ']'",
        "write at most 1 MB of JSON",
    ),
    (
        "scraper_params",
        "'render'",
        "write it as {\"render\": true}, or leave it out",
    ),
    ("scraper_params", "'[]'", "not a JSON object"),
    ("scraper_params", "'null'", "not a JSON object"),
    ("scraper_params", "'{render: true}'", "not a JSON object"),
    (
        "scraper_params",
        "'{\"javascript\": true}'",
        "unknown key: write only render,",
    ),
    (
        "scraper_params",
        "'{\"render\": \"true\"}'",
        "without quotes",
    ),
    ("scraper_params", "'{\"premium\": 1}'", "true or false"),
    (
        "scraper_params",
        "'{\"render\": true, \"render\": true}'",
        "a key twice",
    ),
    (
        "scraper_params",
        "'{\"country_code\": \"usa\"}'",
        "two letters",
    ),
    (
        "scraper_params",
        "'{\"session_number\": \"7\"}'",
        "whole number of at least 1",
    ),
    (
        "scraper_params",
        "'{\"session_number\": 0}'",
        "whole number of at least 1",
    ),
    (
        "scraper_params",
        "'{\"device_type\": \"tablet\"}'",
        "\"desktop\" or \"mobile\"",
    ),
    (
        "scraper_params",
        "'{\"premium\": true, \"ultra_premium\": true}'",
        "exclude each other, keep one",
    ),
    (
        "scraper_params",
        "'{\"country_code\": \"' || printf('%.*c', 65536, 'x') || '\"}'",
        "write at most 65536 bytes",
    ),
    (
        "scraper_params",
        "'{' || printf('%1000000s', '') || '}'",
        "scraper_params is too long",
    ),
    ("fields", "'title'", "or leave it out"),
    (
        "fields",
        "'{\"name\": \"t\", \"description\": \"d\"}'",
        "not a JSON array",
    ),
    ("fields", "'[]'", "leave it out to have the fields inferred"),
    (
        "fields",
        "'[\"title\"]'",
        "write each as {\"name\": \"title\"",
    ),
    (
        "fields",
        "'[{\"name\": \"t\"}]'",
        "without a name or a description",
    ),
    (
        "fields",
        "'[{\"name\": \"t\", \"description\": \" \"}]'",
        "without a name or a description",
    ),
    (
        "fields",
        "'[{\"name\": 1, \"description\": \"d\"}]'",
        "without a name or a description",
    ),
    (
        "fields",
        "'[{\"name\": \"t\", \"description\": \"d\", \"kind\": \"x\"}]'",
        "write only name, description, type and selector",
    ),
    (
        "fields",
        "'[{\"name\": \"t\", \"name\": \"t\", \"description\": \"d\"}]'",
        "an entry with a key twice",
    ),
    (
        "fields",
        "'[{\"name\": \"t\", \"description\": \"d\", \"type\": \"text\"}]'",
        "type is \"string\", \"number\" or \"array\"",
    ),
    (
        "fields",
        "'[{\"name\": \"t\", \"description\": \"d\", \"selector\": 1}]'",
        "selector is a text",
    ),
    (
        "fields",
        "'[{\"name\": \"t\", \"description\": \"d\", \"selector\": \"\"}]'",
        "selector is a text",
    ),
    (
        "fields",
        "'[{\"name\": \"' || printf('%.*c', 201, 'x') || '\", \"description\": \"d\"}]'",
        "name at most 200 characters",
    ),
    (
        "fields",
        "'[{\"name\": \"t\", \"description\": \"d\"}, {\"name\": \"t\", \"description\": \"e\"}]'",
        "write each name once",
    ),
    (
        "fields",
        "(WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 101) \
          SELECT json_group_array(json_object('name', 'f' || i, 'description', 'd')) FROM n)",
        "keep at most 100",
    ),
    (
        "fields",
        "'[' || printf('%1000000s', '') || ']'",
        "fields is too long",
    ),
    (
        "priority",
        "NULL",
        "write a whole number, higher goes first, or leave it out",
    ),
    (
        "priority",
        "'high'",
        "cannot store TEXT value in INTEGER column jobs.priority",
    ),
    ("run_at", "1790000000", "multiply Unix seconds by 1000"),
    ("run_at", "-1", "multiply Unix seconds by 1000"),
    (
        "run_at",
        "9007199254740993",
        "multiply Unix seconds by 1000",
    ),
    (
        "run_at",
        "'tomorrow'",
        "cannot store TEXT value in INTEGER column jobs.run_at",
    ),
];

/// Columns that a new row leaves to parserd.
const NOT_FOR_A_NEW_ROW: &[(&str, &str)] = &[
    ("state", "'FINISHED'"),
    ("state", "NULL"),
    ("state", "'queued'"),
    ("park_reason", "'credits'"),
    ("parser_version", "1"),
    ("example_result", "'{}'"),
    ("error_kind", "'bad_request'"),
    ("error_status", "400"),
    ("error_message", "'no'"),
    ("error_hint", "'none'"),
    ("creates", "1"),
    ("created_at", "1"),
    ("updated_at", "1"),
    ("finished_at", "1"),
    ("revision", "1"),
    ("due_at", "1"),
    ("remote_name", "'books'"),
    ("recreation", "1"),
    ("generating_since", "1"),
    ("generated_at", "1"),
    ("attempts", "-1000"),
    ("holds", "1"),
    ("polls", "1"),
    ("poll_errors", "1"),
    ("missing_lists", "1"),
    ("doubt_since", "1"),
    ("doubt_cause", "'answer_lost'"),
    ("absent_since", "1"),
    ("absent_lists", "1"),
    ("untrusted_since", "1"),
];

#[tokio::test]
async fn a_bad_row_is_refused_with_what_to_write_instead() {
    let mut database = Database::new().await;
    for (column, value, words) in BAD {
        database
            .refuses("", &insert(&[(column, value)]), words)
            .await;
    }
    database
        .refuses("", "INSERT INTO jobs DEFAULT VALUES;", "name is empty")
        .await;
}

#[tokio::test]
async fn a_bad_row_is_refused_even_where_conflicts_are_ignored() {
    let mut database = Database::new().await;
    for (column, value, words) in BAD {
        let statement = insert(&[(column, value)]).replace("INSERT", "INSERT OR IGNORE");
        database.refuses("", &statement, words).await;
    }
}

#[tokio::test]
async fn a_job_cannot_be_changed_into_a_bad_row() {
    let mut database = Database::new().await;
    for (column, value, words) in BAD {
        if *column == "priority" && *value == "NULL" {
            continue;
        }
        let statement = format!("UPDATE jobs SET {column} = {value};");
        database.refuses(GOOD, &statement, words).await;
    }
}

#[tokio::test]
async fn a_new_row_leaves_to_parserd_what_is_parserds() {
    let mut database = Database::new().await;
    for (column, value) in NOT_FOR_A_NEW_ROW {
        database
            .refuses(
                "",
                &insert(&[(column, value)]),
                "a new job is QUEUED: leave out state",
            )
            .await;
    }
}

#[tokio::test]
async fn an_id_after_which_no_other_could_come_is_refused() {
    let mut database = Database::new().await;
    let row = insert(&[("id", "9223372036854775807")]);
    database
        .refuses("", &row, "id is too large: leave it out")
        .await;
}

#[tokio::test]
async fn a_good_row_is_accepted_and_queued_with_its_history() {
    const SEEN: &str = "SELECT state || ' ' || creates || ' ' || (due_at = coalesce(run_at, created_at)) \
        || ' ' || (updated_at = created_at) || ' ' || (SELECT group_concat(event || job_id = 'queued' || id) \
        FROM job_events) FROM jobs;";
    let rows: &[&[(&str, &str)]] = &[
        &[],
        &[("name", "printf('%.*c', 200, 'n')")],
        &[("name", "'książki ☃ 📚'")],
        &[("name", "42")],
        &[(
            "urls",
            "'[\"http://a/\", \"http://a\", \"HTTPS://b.example:8443?q=@#f\"]'",
        )],
        &[("urls", "'[\"http://[2001:db8::1]:80/x\"]'")],
        &[("scraper_params", "'{}'")],
        &[
            ("scraper_params", "NULL"),
            ("fields", "NULL"),
            ("run_at", "NULL"),
        ],
        &[(
            "scraper_params",
            "'{\"render\": true, \"country_code\": \"us\", \"premium\": true, \"ultra_premium\": false, \
              \"session_number\": 7, \"keep_headers\": false, \"device_type\": \"mobile\", \
              \"follow_redirect\": true, \"retry_404\": false}'",
        )],
        &[(
            "fields",
            "'[{\"name\": \"t\", \"description\": \"d\"}, {\"name\": \"u\", \"description\": \"d\", \
              \"type\": \"array\", \"selector\": \"//a\"}]'",
        )],
        &[("priority", "-5"), ("run_at", "1900000000000")],
        &[("priority", "'7'")],
    ];
    let mut database = Database::new().await;
    for row in rows {
        let script = format!("{}{SEEN}", insert(row));
        database.prints(&script, &["QUEUED 0 1 1 1"]).await;
    }
}

#[tokio::test]
async fn a_name_is_taken_by_one_job_that_is_not_cancelled() {
    const COUNT: &str = "SELECT count(*) || ' ' || (SELECT count(*) FROM job_events) FROM jobs;";
    let again = GOOD.replace("INSERT", "INSERT OR IGNORE");
    let mut database = Database::new().await;
    database
        .refuses(GOOD, GOOD, "UNIQUE constraint failed: jobs.name")
        .await;
    database
        .prints(&format!("{again}{again}{again}{COUNT}"), &["1 1"])
        .await;
    let upsert = GOOD.replace(';', " ON CONFLICT DO NOTHING;");
    database
        .prints(&format!("{GOOD}{upsert}{COUNT}"), &["1 1"])
        .await;
    let cancelled = format!("{GOOD}UPDATE jobs SET state = 'CANCELLED';");
    database
        .prints(&format!("{cancelled}{again}{again}{COUNT}"), &["2 3"])
        .await;
    database
        .prints(&format!("{cancelled}{GOOD}UPDATE jobs SET state = 'CANCELLED' WHERE state = 'QUEUED';{GOOD}{COUNT}"), &["3 5"])
        .await;
}

#[tokio::test]
async fn replace_never_deletes_a_job() {
    let mut database = Database::new().await;
    let replace = GOOD.replace("INSERT", "INSERT OR REPLACE");
    database
        .refuses(GOOD, &replace, "REPLACE would delete the job of this name")
        .await;
    database
        .refuses(
            GOOD,
            &insert(&[("id", "1"), ("name", "'other'")]).replace("INSERT", "REPLACE"),
            "REPLACE would delete the job",
        )
        .await;
    database
        .refuses(
            &format!("{GOOD}{}", insert(&[("name", "'other'")])),
            "UPDATE OR REPLACE jobs SET name = 'books' WHERE name = 'other';",
            "REPLACE would delete the job of this name",
        )
        .await;
    database
        .prints(&format!("{replace}SELECT state FROM jobs;"), &["QUEUED"])
        .await;
}

#[tokio::test]
async fn one_bad_row_of_many_refuses_them_all() {
    let mut database = Database::new().await;
    let many = "INSERT INTO jobs (name, urls) VALUES ('a', '[\"http://a/\"]'), ('b', 'b');";
    database.refuses("", many, "urls is not a JSON array").await;
}

#[tokio::test]
async fn the_overview_is_readable() {
    let mut database = Database::new().await;
    let script = "INSERT INTO jobs (name, urls, run_at) \
        VALUES ('books', '[\"http://a/\", \"http://b/\"]', 1900000000000); \
        SELECT name || ' ' || state || ' ' || url_count || ' ' || due_at || ' ' \
        || (created_at GLOB '20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z') \
        || ' ' || coalesce(finished_at, 'unfinished') FROM job_overview;";
    database
        .prints(
            script,
            &["books QUEUED 2 2030-03-17T17:46:40.000Z 1 unfinished"],
        )
        .await;
}
