//! A database of an earlier version is brought up to date, and what is in it stays.

use std::path::Path;

use parserd::{
    clock::Clock,
    engine::judging::Judge,
    store::{Announcements as _, BATCH, Facts as _, Role, Store},
};
use sqlx::{
    ConnectOptions as _, Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions,
};

/// A database as the first `count` migrations leave it.
async fn of_version(path: &Path, count: usize) -> SqliteConnection {
    let directory = tempfile::tempdir().unwrap();
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut files: Vec<_> = std::fs::read_dir(all)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for file in files.into_iter().take(count) {
        std::fs::copy(&file, directory.path().join(file.file_name().unwrap())).unwrap();
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    let migrator = sqlx::migrate::Migrator::new(directory.path())
        .await
        .unwrap();
    migrator.run(&mut connection).await.unwrap();
    connection
}

/// A job that finished under an earlier version.
const FINISHED: &str = r#"
    INSERT INTO jobs (name, urls, fields) VALUES ('NAME', '["https://a.example/"]',
        '[{"name": "title", "description": "d"}]');
    UPDATE jobs SET revision = revision + 1, state = 'CREATING', remote_name = 'NAME_pd'
        WHERE name = 'NAME';
    UPDATE jobs SET revision = revision + 1, state = 'GENERATING', parser_id = 'p-NAME',
        parser_version = 3, generating_since = 5 WHERE name = 'NAME';
    UPDATE jobs SET revision = revision + 1, state = 'FINISHED', example_result = RESULT
        WHERE name = 'NAME';"#;

async fn column(connection: &mut SqliteConnection, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(connection).await.unwrap()
}

#[tokio::test]
async fn parsers_of_before_are_on_record_and_judged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.db");
    let mut connection = of_version(&path, 9).await;
    for (name, result) in [
        ("good", r#"'[{"url": "u", "result": {"title": "A"}}]'"#),
        ("bad", r#"'[{"url": "u", "result": {"title": null}}]'"#),
        ("none", "NULL"),
    ] {
        let sql = FINISHED.replace("NAME", name).replace("RESULT", result);
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .unwrap();
    }
    let before = column(
        &mut connection,
        "SELECT group_concat(name || state || revision) FROM jobs",
    )
    .await;
    connection.close().await.unwrap();

    let store = Store::open(&path, Role::Tool).await.unwrap();
    let judge = Judge {
        store: store.clone(),
        clock: Clock::system(),
        min_fill: 0.5,
    };
    assert_eq!(judge.all().await.unwrap(), 2);
    store.close().await;

    let mut connection = SqliteConnectOptions::new()
        .filename(&path)
        .connect()
        .await
        .unwrap();
    let parsers = "SELECT format('%s %s %s %s', parser_id, version, created_at, quality) FROM parsers ORDER BY name";
    let expected = ["p-bad 3 5 bad", "p-good 3 5 ok", "p-none 3 5 "];
    assert_eq!(column(&mut connection, parsers).await, expected);
    let after = column(
        &mut connection,
        "SELECT group_concat(name || state || revision) FROM jobs",
    )
    .await;
    assert_eq!(before, after);
    assert_eq!(
        column(&mut connection, "PRAGMA integrity_check").await,
        ["ok"]
    );
    // What a job may FAIL with, it may FAIL with in a database of before, too.
    let poor = "INSERT INTO jobs (name, urls) VALUES ('poor', '[\"https://a.example/\"]'); \
        UPDATE jobs SET revision = revision + 1, state = 'FAILED', error_kind = 'poor_result' \
        WHERE name = 'poor'";
    sqlx::raw_sql(poor).execute(&mut connection).await.unwrap();
    let other = poor
        .replace("poor_result", "nonsense")
        .replace("'poor'", "'other'");
    let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(other))
        .execute(&mut connection)
        .await;
    assert!(refused.unwrap_err().to_string().contains("CHECK"));
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_database_of_before_updates_keeps_its_jobs_and_its_parsers_can_be_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.db");
    let mut connection = of_version(&path, 10).await;
    for name in ["a", "b", "c"] {
        let result = r#"'[{"url": "u", "result": {"title": "A"}}]'"#;
        let parser = "INSERT INTO parsers (parser_id, name, version, latest_version, urls, fields, \
            job_id, created_at, updated_at) SELECT parser_id, name, parser_version, \
            parser_version, urls, fields, id, 5, 9 FROM jobs WHERE name = 'NAME';";
        let sql = format!("{FINISHED}{parser}").replace("NAME", name);
        let sql = sql.replace("RESULT", result);
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .unwrap();
    }
    let waiting = "INSERT INTO jobs (name, urls) VALUES ('d', '[\"https://d.example/\"]')";
    sqlx::raw_sql(waiting)
        .execute(&mut connection)
        .await
        .unwrap();
    const ROWS: &str = "SELECT json_array(id, name, state, revision, urls, fields, parser_id, \
        parser_version, example_result, created_at, updated_at, due_at) FROM jobs ORDER BY id";
    let before = column(&mut connection, ROWS).await;
    assert_eq!(before.len(), 4);
    connection.close().await.unwrap();

    Store::open(&path, Role::Tool).await.unwrap().close().await;

    let mut connection = SqliteConnectOptions::new()
        .filename(&path)
        .connect()
        .await
        .unwrap();
    assert_eq!(column(&mut connection, ROWS).await, before);
    let actions = "SELECT DISTINCT action || protect || coalesce(part, '-') FROM jobs";
    assert_eq!(column(&mut connection, actions).await, ["create0-"]);
    let named = "SELECT parser_id || ' ' || name || ' ' || applied_version FROM named_parsers \
        ORDER BY name";
    assert_eq!(
        column(&mut connection, named).await,
        ["p-a a 3", "p-b b 3", "p-c c 3"]
    );
    for (pragma, expected) in [
        ("PRAGMA integrity_check", vec!["ok"]),
        ("PRAGMA foreign_key_check", vec![]),
        ("PRAGMA writable_schema", vec!["0"]),
    ] {
        let rows: Vec<String> = sqlx::raw_sql(pragma)
            .fetch_all(&mut connection)
            .await
            .unwrap()
            .iter()
            .map(|row| row.try_get_unchecked(0).unwrap())
            .collect();
        assert_eq!(rows, expected, "{pragma}");
    }
    // The constraints and defaults are those of a new database.
    const TABLES: &str = "SELECT name || ' ' || sql FROM sqlite_schema WHERE name NOT LIKE '\\_%' \
        ESCAPE '\\' AND sql IS NOT NULL ORDER BY name";
    let schema = column(&mut connection, TABLES).await;
    let fresh = directory.path().join("new.db");
    Store::open(&fresh, Role::Tool).await.unwrap().close().await;
    let mut new = SqliteConnectOptions::new()
        .filename(&fresh)
        .connect()
        .await
        .unwrap();
    assert_eq!(column(&mut new, TABLES).await, schema);
    new.close().await.unwrap();
    let changes = "INSERT INTO jobs (action, name, change) VALUES ('update', 'a', \
            '{\"rename_fields\": [{\"name\": \"title\", \"new_name\": \"x\"}]}'); \
        INSERT INTO jobs (action, name) VALUES ('delete', 'b'); \
        UPDATE jobs SET revision = revision + 1, state = 'CREATING', part = 'free' WHERE id = 5";
    sqlx::raw_sql(changes)
        .execute(&mut connection)
        .await
        .unwrap();
    let refused = sqlx::raw_sql("INSERT INTO jobs (name) VALUES ('x')")
        .execute(&mut connection)
        .await;
    assert!(refused.unwrap_err().to_string().contains("urls"));
    connection.close().await.unwrap();
}

#[tokio::test]
async fn what_ended_before_batches_were_announced_is_announced_by_no_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.db");
    let mut connection = of_version(&path, 13).await;
    let sql = FINISHED.replace("NAME", "old").replace("RESULT", "'[]'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&mut connection)
        .await
        .unwrap();
    let last = column(
        &mut connection,
        "SELECT CAST(max(id) AS TEXT) FROM job_events",
    )
    .await;
    connection.close().await.unwrap();

    let store = Store::open(&path, Role::Tool).await.unwrap();
    let announced = store.fact(BATCH).await.unwrap().unwrap();
    assert_eq!([announced.event_id.to_string()], last[..]);
    assert_eq!(store.batch_since(announced.event_id).await.unwrap(), None);
    assert!(store.batch_since(0).await.unwrap().is_some());
    store.close().await;
}
