//! Whether the database has the tables, indexes, triggers and views that the migrations make:
//! an outsider may have dropped one. What can be made anew without a word to anyone is.
//!
//! What others added is theirs: an index or a view of one's own is not a fault.

use std::fmt;

use sqlx::{
    AssertSqlSafe, Connection as _, FromRow, Row as _, SqliteConnection, sqlite::SqliteRow,
};
use tokio::sync::OnceCell;

use super::{Store, StoreError, Trying as _, open};

/// A view takes its triggers along when it is dropped, so that they are missing afterwards.
const MOST_ROUNDS: usize = 3;

/// A table, an index, a trigger or a view.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    kind: String,
    name: String,
    /// Of a table the names of its columns: how it is written changes with each column that is
    /// added to it. Of all else the statement that makes it.
    text: String,
}

impl FromRow<'_, SqliteRow> for Part {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            kind: row.try_get("kind")?,
            name: row.try_get("name")?,
            text: row.try_get("text")?,
        })
    }
}

/// A difference from what the migrations make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    part: Part,
    is_there: bool,
}

impl Fault {
    /// Whether the daemon makes it anew at its start. It cannot give back what was in a table.
    pub fn is_mended_at_start(&self) -> bool {
        self.part.kind != "table"
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Part { kind, name, .. } = &self.part;
        match (self.is_there, kind.as_str()) {
            (false, _) => write!(f, "the {kind} {name} is missing"),
            (true, "table") => write!(f, "the table {name} lacks columns"),
            (true, _) => write!(f, "the {kind} {name} was changed"),
        }
    }
}

/// Some faults, in words.
pub fn fault_list(faults: &[Fault]) -> String {
    let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
    told.join(", ")
}

/// PURE: what `found` lacks of `expected`.
fn faults(expected: &[Part], found: &[Part]) -> Vec<Fault> {
    expected
        .iter()
        .filter_map(|part| {
            let same = |other: &&Part| other.kind == part.kind && other.name == part.name;
            let is_there = match found.iter().find(same) {
                Some(found) if is_as_good(part, found) => return None,
                found => found.is_some(),
            };
            Some(Fault {
                part: part.clone(),
                is_there,
            })
        })
        .collect()
}

fn is_as_good(part: &Part, found: &Part) -> bool {
    if part.kind == "table" {
        let has = |column| found.text.split('\n').any(|other| other == column);
        part.text.split('\n').all(has)
    } else {
        part.text == found.text
    }
}

/// PURE: the triggers on our tables that others added.
fn foreign_triggers(expected: &[Part], found: &[Part]) -> Vec<String> {
    let is_ours = |part: &Part| {
        expected
            .iter()
            .any(|other| other.kind == part.kind && other.name == part.name)
    };
    found
        .iter()
        .filter(|part| part.kind == "trigger" && !is_ours(part))
        .map(|part| part.name.clone())
        .collect()
}

/// What is there; what SQLite and sqlx keep for themselves is left out. Views come first, and
/// triggers, which may be on views, come last.
async fn parts(connection: &mut SqliteConnection) -> Result<Vec<Part>, sqlx::Error> {
    sqlx::query_as(
        "SELECT type AS kind, name, CASE type WHEN 'table' THEN \
             (SELECT group_concat(name, char(10)) FROM pragma_table_info(part.name)) \
             ELSE coalesce(sql, '') END AS text \
         FROM sqlite_schema AS part \
         WHERE name NOT GLOB 'sqlite_*' AND name NOT GLOB '_sqlx*' \
         ORDER BY type = 'trigger', type <> 'view', name",
    )
    .fetch_all(connection)
    .await
}

/// What the migrations make: the same for every database that this process opens.
async fn expected() -> Result<&'static [Part], StoreError> {
    static EXPECTED: OnceCell<Vec<Part>> = OnceCell::const_new();
    Ok(EXPECTED.get_or_try_init(made_in_memory).await?)
}

/// What the migrations make, made by them in memory.
async fn made_in_memory() -> Result<Vec<Part>, StoreError> {
    const WHAT: &str = "make a schema to compare with";
    let mut connection = SqliteConnection::connect("sqlite::memory:")
        .await
        .trying(WHAT)?;
    open::migrate(&mut connection, ":memory:".as_ref()).await?;
    let parts = parts(&mut connection).await.trying(WHAT)?;
    connection.close().await.trying(WHAT)?;
    Ok(parts)
}

/// Makes anew what is missing or was changed; returns what that was.
pub(super) async fn repair(connection: &mut SqliteConnection) -> Result<Vec<Fault>, StoreError> {
    const WHAT: &str = "look whether the schema is whole";
    let expected = expected().await?;
    if faults(expected, &parts(connection).await.trying(WHAT)?).is_empty() {
        return Ok(Vec::new());
    }
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .trying(WHAT)?;
    let mut mended = Vec::new();
    for _ in 0..MOST_ROUNDS {
        let found = faults(expected, &parts(&mut transaction).await.trying(WHAT)?);
        let lost: Vec<_> = found
            .iter()
            .filter(|fault| !fault.is_mended_at_start())
            .cloned()
            .collect();
        if !lost.is_empty() {
            return Err(StoreError::Damaged {
                what: fault_list(&lost),
            });
        }
        for fault in found {
            make(&mut transaction, &fault)
                .await
                .map_err(|source| StoreError::Unmendable {
                    fault: Box::new(fault.clone()),
                    source,
                })?;
            mended.push(fault);
        }
    }
    transaction.commit().await.trying(WHAT)?;
    Ok(mended)
}

async fn make(connection: &mut SqliteConnection, fault: &Fault) -> Result<(), sqlx::Error> {
    let Part { kind, name, text } = &fault.part;
    // Names and texts are the migrations' own.
    let sql = format!("DROP {kind} IF EXISTS {name}; {text};");
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await?;
    Ok(())
}

impl Store {
    /// What the database lacks of what the migrations make.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn schema_faults(&self) -> Result<Vec<Fault>, StoreError> {
        Ok(faults(expected().await?, &self.parts().await?))
    }

    /// The names of triggers that others added: they may refuse, alter or ignore what parserd
    /// writes.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn foreign_triggers(&self) -> Result<Vec<String>, StoreError> {
        Ok(foreign_triggers(expected().await?, &self.parts().await?))
    }

    async fn parts(&self) -> Result<Vec<Part>, StoreError> {
        const WHAT: &str = "read the schema";
        let mut connection = open::watcher(self.path()).await.trying(WHAT)?;
        let found = parts(&mut connection).await.trying(WHAT)?;
        connection.close().await.trying(WHAT)?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::Role;

    fn part(kind: &str, name: &str, text: &str) -> Part {
        let own = str::to_owned;
        Part {
            kind: own(kind),
            name: own(name),
            text: own(text),
        }
    }

    #[test]
    fn what_is_missing_or_changed_is_told_and_what_others_added_is_not() {
        let expected = [
            part("table", "jobs", "id\nname"),
            part("index", "jobs_name", "CREATE INDEX 1"),
            part("trigger", "jobs_check", "CREATE TRIGGER 1"),
        ];
        let [table, index, trigger] = expected.clone();
        let found = |parts: &[Part]| fault_list(&faults(&expected, parts));
        let theirs = part("trigger", "theirs", "CREATE TRIGGER 3");
        let parts = [index.clone(), trigger.clone(), theirs];
        assert_eq!(foreign_triggers(&expected, &parts), ["theirs"]);
        for (parts, words) in [
            (vec![table.clone(), index.clone(), trigger.clone()], ""),
            (
                vec![
                    part("table", "jobs", "name\nid\nof_theirs"),
                    index.clone(),
                    trigger.clone(),
                    part("index", "theirs", "CREATE INDEX 2"),
                ],
                "",
            ),
            (
                vec![part("table", "jobs", "id"), index.clone(), trigger],
                "the table jobs lacks columns",
            ),
            (
                vec![table, part("trigger", "jobs_check", "CREATE TRIGGER 2")],
                "the index jobs_name is missing, the trigger jobs_check was changed",
            ),
            (
                vec![index],
                "the table jobs is missing, the trigger jobs_check is missing",
            ),
        ] {
            assert_eq!(found(&parts), words, "{parts:?}");
        }
    }

    async fn sql(path: &std::path::Path, statements: &str) {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.execute_batch(statements).unwrap();
    }

    #[tokio::test]
    async fn a_start_makes_each_part_anew_that_an_outsider_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        Store::open(&path, Role::Tool).await.unwrap().close().await;
        let parts = expected().await.unwrap();
        let dropped: Vec<_> = parts.iter().filter(|part| part.kind != "table").collect();
        assert!(dropped.len() > 30, "{}", dropped.len());
        for Part { kind, name, .. } in &dropped {
            sql(&path, &format!("DROP {kind} IF EXISTS {name};")).await;
        }
        sql(
            &path,
            "CREATE INDEX jobs_name ON jobs (urls); CREATE INDEX theirs ON jobs (priority);",
        )
        .await;
        let reader = Store::open(&path, Role::Reader).await.unwrap();
        let found = reader.schema_faults().await.unwrap();
        assert_eq!(found.len(), dropped.len());
        assert!(found.iter().all(Fault::is_mended_at_start));
        reader.close().await;
        let store = Store::open(&path, Role::Daemon).await.unwrap();
        assert_eq!(store.schema_faults().await.unwrap(), []);
        store.close().await;
        sql(&path, "DROP INDEX theirs").await;
    }

    #[tokio::test]
    async fn what_cannot_be_made_anew_is_refused_with_the_cure() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.db");
        Store::open(&path, Role::Tool).await.unwrap().close().await;
        let start = async || {
            let opened = Store::open(&path, Role::Daemon).await;
            opened.unwrap_err().to_string()
        };
        sql(
            &path,
            "DROP INDEX jobs_name; \
             INSERT INTO jobs (name, urls) VALUES ('a', '[\"https://a.example/\"]'), \
                 ('a', '[\"https://a.example/\"]');",
        )
        .await;
        let told = start().await;
        assert!(
            told.contains("jobs_name") && told.contains("UNIQUE"),
            "{told}"
        );
        assert!(told.contains("put a backup in its place"), "{told}");
        sql(&path, "DROP TABLE gone_parsers").await;
        let told = start().await;
        assert!(told.contains("the table gone_parsers is missing"), "{told}");
        assert!(told.contains("put a backup in its place"), "{told}");
    }
}
