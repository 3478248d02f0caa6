//! A database, through a connection of its own.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    rc::Rc,
};

use rusqlite::{Connection, OpenFlags, backup::Backup};

use super::{
    Operation, Outside, OutsideCreate, OutsideFetch, OutsideJob, OutsideUpdate, StoredGate,
};
use crate::{
    core::{effort::Effort, job::UnixMs, quality::Quality},
    store::sqlite::{Role, Store},
};

#[derive(Debug)]
pub(crate) struct Sqlite {
    connection: Rc<RefCell<Connection>>,
    backup: Option<Connection>,
}

impl Sqlite {
    /// The database of one run after another: the triggers are long to prepare.
    pub fn connect(path: &Path) -> rusqlite::Result<Rc<RefCell<Connection>>> {
        let connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Rc::new(RefCell::new(connection)))
    }

    /// Without what the last run left.
    pub fn cleared(connection: Rc<RefCell<Connection>>) -> rusqlite::Result<Self> {
        for sql in [
            "BEGIN IMMEDIATE",
            "DELETE FROM jobs",
            "DELETE FROM gates",
            "DELETE FROM job_events",
            "DELETE FROM creates",
            "DELETE FROM parsers",
            "DELETE FROM parses",
            "DELETE FROM fetches",
            "DELETE FROM updates",
            "DELETE FROM gone_parsers",
            "DELETE FROM strangers",
            "DELETE FROM meta",
            "DELETE FROM account_epochs",
            "DELETE FROM sqlite_sequence",
            "COMMIT",
        ] {
            connection.borrow().prepare_cached(sql)?.execute([])?;
        }
        Ok(Self {
            connection,
            backup: None,
        })
    }

    fn execute(&self, sql: &'static str, values: impl rusqlite::Params) -> Result<usize, String> {
        let connection = self.connection.borrow();
        let mut statement = connection.prepare_cached(sql).unwrap();
        statement.execute(values).map_err(|error| match error {
            rusqlite::Error::SqliteFailure(_, Some(words)) => words,
            error => error.to_string(),
        })
    }

    fn adopt(&self, now: UnixMs, id: i64, parser: &str) -> Result<usize, String> {
        let adopted = self.execute(
            "UPDATE jobs SET revision = revision + 1, state = 'GENERATING', \
             epoch = (SELECT coalesce(max(epoch), 0) FROM account_epochs), parser_id = ?1, \
             generating_since = ?2, due_at = ?2, updated_at = ?2, doubt_since = NULL, \
             doubt_cause = NULL, absent_since = NULL, absent_lists = 0, untrusted_since = NULL, \
             park_reason = NULL, remote_name = NULL \
             WHERE id = ?3 AND doubt_since IS NOT NULL AND state IN ('CREATING', 'PARKED')",
            (parser, now, id),
        )?;
        if adopted > 0 {
            self.execute(
                "UPDATE creates SET outcome = 'made', parser_id = ?1, settled_at = ?2, \
                 epoch = (SELECT coalesce(max(epoch), 0) FROM account_epochs) \
                 WHERE job_id = ?3 AND outcome = 'pending'",
                (parser, now, id),
            )?;
        }
        Ok(adopted)
    }

    fn read(&self) -> rusqlite::Result<(Vec<OutsideJob>, Vec<OutsideCreate>)> {
        let connection = self.connection.borrow();
        let mut jobs = connection.prepare_cached(
            "SELECT id, name, urls, state, park_reason, parser_id, error_kind, remote_name, action, \
                 preflight FROM jobs",
        )?;
        let jobs = jobs.query_map([], |row| {
            Ok(OutsideJob {
                id: row.get(0)?,
                name: row.get(1)?,
                action: row.get(8)?,
                urls: row.get(2)?,
                state: row.get(3)?,
                park_reason: row.get(4)?,
                parser_id: row.get(5)?,
                error_kind: row.get(6)?,
                remote_name: row.get(7)?,
                preflight: row.get(9)?,
            })
        })?;
        let jobs = jobs.collect::<Result<_, _>>()?;
        let mut creates = connection.prepare_cached(
            "SELECT id, remote_name, outcome, parser_id, credits, sent_at, settled_at, \
                 job_id, escalated FROM creates",
        )?;
        let creates = creates.query_map([], |row| {
            Ok(OutsideCreate {
                id: row.get(0)?,
                remote_name: row.get(1)?,
                outcome: row.get(2)?,
                parser_id: row.get(3)?,
                credits: row.get(4)?,
                sent_at: row.get(5)?,
                settled_at: row.get(6)?,
                job_id: row.get(7)?,
                is_escalated: row.get(8)?,
            })
        })?;
        Ok((jobs, creates.collect::<Result<_, _>>()?))
    }
}

fn copy(from: &Connection, to: &mut Connection) {
    Backup::new(from, to)
        .and_then(|backup| backup.run_to_completion(1000, std::time::Duration::ZERO, None))
        .unwrap();
}

impl Outside for Sqlite {
    fn rows(&self) -> (Vec<OutsideJob>, Vec<OutsideCreate>) {
        self.read().unwrap()
    }

    fn page_credits(&self) -> i64 {
        let connection = self.connection.borrow();
        let sql = "SELECT coalesce(sum(credits), 0) \
                   FROM (SELECT credits FROM parses UNION ALL SELECT credits FROM fetches)";
        let mut sum = connection.prepare_cached(sql).unwrap();
        sum.query_row([], |row| row.get(0)).unwrap()
    }

    fn fetches(&self) -> Vec<OutsideFetch> {
        let sql = "SELECT id, job_id, url, proxy, render, credits, sent_at, outcome = 'pending' \
                   FROM fetches ORDER BY id";
        let connection = self.connection.borrow();
        let mut fetches = connection.prepare_cached(sql).unwrap();
        let rows = fetches.query_map([], |row| {
            let proxy: String = row.get(3)?;
            Ok(OutsideFetch {
                id: row.get(0)?,
                job_id: row.get(1)?,
                url: row.get(2)?,
                effort: Effort {
                    proxy: proxy.parse().unwrap(),
                    render: row.get(4)?,
                },
                credits: row.get(5)?,
                sent_at: row.get(6)?,
                is_pending: row.get(7)?,
            })
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn parsers(&self) -> Vec<String> {
        let sql = "SELECT format('%s %s %s %s %s %s %s %s %s', parser_id, name, version, \
                       latest_version, applied_version, quality, job_id, fields, replaced_by) FROM parsers ORDER BY parser_id";
        let connection = self.connection.borrow();
        let mut parsers = connection.prepare_cached(sql).unwrap();
        let lines = parsers.query_map([], |row| row.get(0)).unwrap();
        lines.collect::<Result<_, _>>().unwrap()
    }

    fn versions(&self) -> Vec<(String, Option<i64>, Option<Quality>)> {
        let sql = "SELECT parser_id, version, quality FROM parsers ORDER BY parser_id";
        let connection = self.connection.borrow();
        let mut versions = connection.prepare_cached(sql).unwrap();
        let rows = versions.query_map([], |row| {
            let quality: Option<String> = row.get(2)?;
            let quality = quality.and_then(|text| text.parse().ok());
            Ok((row.get(0)?, row.get(1)?, quality))
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn updates(&self) -> Vec<OutsideUpdate> {
        let sql = "SELECT job_id, parser_id, part, outcome, version, credits, fields, sent_at \
                   FROM updates ORDER BY id";
        let connection = self.connection.borrow();
        let mut updates = connection.prepare_cached(sql).unwrap();
        let rows = updates.query_map([], |row| {
            Ok(OutsideUpdate {
                job_id: row.get(0)?,
                parser_id: row.get(1)?,
                part: row.get(2)?,
                outcome: row.get(3)?,
                version: row.get(4)?,
                credits: row.get(5)?,
                fields: row.get(6)?,
                sent_at: row.get(7)?,
            })
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn create_gate(&self) -> Option<StoredGate> {
        let sql = "SELECT since, next_probe_at, interval_ms, \
                   reason IN ('throttled', 'unreachable') FROM gates WHERE scope = 'create'";
        let connection = self.connection.borrow();
        let mut gate = connection.prepare_cached(sql).unwrap();
        let stored = gate.query_row([], |row| {
            Ok(StoredGate {
                since: row.get(0)?,
                next_probe_at: row.get(1)?,
                interval_ms: row.get(2)?,
                is_passing: row.get(3)?,
            })
        });
        stored.ok()
    }

    fn operate(&mut self, now: UnixMs, operation: Operation<'_>) -> Result<usize, String> {
        let clock = self.execute("UPDATE simulated_clock SET at = ?1", [now]);
        assert_eq!(clock, Ok(1));
        match operation {
            Operation::Insert {
                name,
                urls,
                priority,
                run_at,
                check_urls,
                fields,
                parser_id,
                protect,
            } => self.execute(
                "INSERT INTO jobs (name, urls, priority, run_at, check_urls, fields, created_at, \
                     updated_at, due_at, parser_id, protect) \
                 VALUES (?1, ?2, ?3, ?4, ?6, ?7, ?5, ?5, ?5, ?8, ?9)",
                rusqlite::params![
                    name, urls, priority, run_at, now, check_urls, fields, parser_id, protect
                ],
            ),
            Operation::Change { name, change } => self.execute(
                "INSERT INTO jobs (action, name, change, created_at, updated_at, due_at) \
                 VALUES (iif(?2 IS NULL, 'delete', 'update'), ?1, ?2, ?3, ?3, ?3)",
                (name, change, now),
            ),
            Operation::Cancel(id) => {
                self.execute("UPDATE jobs SET state = 'CANCELLED' WHERE id = ?1", [id])
            }
            Operation::Retry(id) => self.execute(
                "UPDATE jobs SET state = 'QUEUED' WHERE id = ?1 AND state <> 'QUEUED'",
                [id],
            ),
            Operation::Edit { id, urls } => {
                self.execute("UPDATE jobs SET urls = ?1 WHERE id = ?2", (urls, id))
            }
            Operation::OpenGates => self.execute("DELETE FROM gates", []),
            Operation::Adopt { id, parser } => self.adopt(now, id, parser),
        }
    }

    fn back_up(&mut self) {
        let mut into = Connection::open_in_memory().unwrap();
        copy(&self.connection.borrow(), &mut into);
        self.backup = Some(into);
    }

    fn can_restore(&self) -> bool {
        let ids = |connection: &Connection| -> rusqlite::Result<Vec<i64>> {
            connection
                .prepare("SELECT id FROM jobs ORDER BY id")?
                .query_map([], |row| row.get(0))?
                .collect()
        };
        self.backup
            .as_ref()
            .is_some_and(|copy| ids(copy).unwrap() == ids(&self.connection.borrow()).unwrap())
    }

    fn restore(&mut self) -> bool {
        let Some(from) = self.backup.take() else {
            return false;
        };
        copy(&from, &mut self.connection.borrow_mut());
        true
    }
}

/// A database with the schema, in one file.
pub(crate) fn template(directory: &Path) -> PathBuf {
    let path = directory.join("template.db");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        Store::open(&path, Role::Tool).await.unwrap().close().await;
    });
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = DELETE;")
        .unwrap();
    connection.close().unwrap();
    path
}

/// Has the database's triggers ask the simulated clock. Only once it is open: a start would
/// make them anew.
pub(crate) fn simulate_clock(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE simulated_clock (at INTEGER NOT NULL); \
             INSERT INTO simulated_clock VALUES (0);",
        )
        .unwrap();
    let triggers = |part: &str| -> Vec<(String, String)> {
        connection
            .prepare(
                "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND instr(sql, ?1)",
            )
            .unwrap()
            .query_map([part], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    };
    // Rows go with the run that made them.
    for (name, _) in triggers("BEFORE DELETE") {
        let drop = format!("DROP TRIGGER {name}");
        connection.execute_batch(&drop).unwrap();
    }
    let machine = "CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)";
    let triggers = triggers(machine);
    assert!(!triggers.is_empty(), "the triggers ask no clock");
    for (name, sql) in triggers {
        let sql = sql.replace(machine, "(SELECT at FROM simulated_clock)");
        connection
            .execute_batch(&format!("DROP TRIGGER {name}; {sql};"))
            .unwrap();
    }
    connection.close().unwrap();
}
