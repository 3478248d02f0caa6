//! Updates and deletes, whatever the service makes of them: each is done and paid once, or a
//! person is told why not.

use std::time::Duration;

use serde_json::{Value, json};

use super::bench::{Bench, Ended, page, tail, together};
use super::fake::{Behaviour, Call, Changes, Effect, KEY, Parser, Reply, Rule, fixed};

/// A test of scenarios that run side by side.
macro_rules! scenarios {
    ($test:ident: $($name:ident)*) => {
        #[test]
        fn $test() {
            together(&[$((stringify!($name), $name as fn())),*]);
        }
    };
}

mod answers;
mod files;
mod others;
mod shown;
mod soak;

const MS: fn(u64) -> Duration = Duration::from_millis;

const RENAME: &str = r#"{"rename_fields":[{"name":"title","new_name":"book.title"}]}"#;
const REMOVE: &str = r#"{"remove_fields":["price"]}"#;
const ADD: &str = r#"{"add_fields":[{"name":"author","description":"Who wrote it"}]}"#;
const BOTH: &str = r#"{"rename_fields":[{"name":"title","new_name":"book.title"}],
    "add_fields":[{"name":"author","description":"Who wrote it"}]}"#;
const DELETE: &str = "";

pub fn fields() -> Value {
    json!([
        {"name": "title", "description": "The  title,\nas shown ", "selector": "H1 > .Title"},
        {"name": "price", "description": "The price", "type": "number"},
        {"name": "tags", "description": "All tags", "type": "array", "selector": "//UL/li"},
    ])
}

/// A service with the parser `shop`, and a database that made it.
#[track_caller]
pub fn shop(does: impl FnOnce(&mut Behaviour)) -> Bench {
    let bench = Bench::new(|b| {
        b.changes.shows = true;
        does(b);
    });
    bench.file("jobs.json", &fields());
    bench.ok(&["enqueue", "jobs.json"]);
    bench.work(20);
    bench.all_finished(&["shop"]);
    bench
}

impl Bench {
    /// A job file of the parser `shop` with these fields.
    pub fn file(&self, file: &str, fields: &Value) {
        let jobs = json!([{"name": "shop", "urls": [page("shop")], "fields": fields}]);
        std::fs::write(self.path(file), jobs.to_string()).unwrap();
    }
}

/// A job for the parser `shop`; none of `change` is a delete.
pub fn ask(bench: &Bench, change: &str) -> i64 {
    let (action, change) = if change.is_empty() {
        ("delete", None)
    } else {
        ("update", Some(change))
    };
    let db = bench.database();
    let insert = "INSERT INTO jobs (action, name, change) VALUES (?, 'shop', ?)";
    db.execute(insert, (action, change)).unwrap();
    db.last_insert_rowid()
}

pub fn parser(bench: &Bench) -> Parser {
    bench.fake.world().books.parsers[0].clone()
}

/// State, and reason or kind of error; and what is said of it.
pub fn state(bench: &Bench, job: i64) -> (String, String) {
    let sql = "SELECT trim(state || ' ' || coalesce(park_reason, error_kind, '')),
        coalesce(error_message, '') FROM jobs WHERE id = ?";
    bench
        .database()
        .query_row(sql, [job], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
}

fn is_applied(parser: &Parser, change: &str) -> bool {
    let names = parser.names();
    let has = |name: &str| names.iter().any(|n| n == name);
    match change {
        DELETE => parser.deleted,
        RENAME => has("book.title"),
        REMOVE => !has("price"),
        ADD => has("author"),
        BOTH => has("book.title") && has("author"),
        _ => unreachable!("{change}"),
    }
}

/// What must hold whatever the service did.
#[track_caller]
pub fn faults(bench: &Bench, ended: &Ended, job: i64, change: &str) -> Vec<String> {
    let mut faults = bench.audit();
    let (state, message) = state(bench, job);
    let applied = is_applied(&parser(bench), change);
    let world = bench.fake.world();
    let books = &world.books;
    if books.posts.len() != 1 {
        faults.push(format!("{} creates", books.posts.len()));
    }
    let paid = books.paid(&books.parsers[0].id);
    if paid > 1 {
        faults.push(format!("PAID {paid} times"));
    }
    let ledger =
        bench.number("SELECT coalesce(sum(credits), 0) FROM updates WHERE outcome <> 'not_made'");
    if ledger != 30_000 * i64::try_from(paid).unwrap() && !state.starts_with("PARKED") {
        faults.push(format!("the ledger says {ledger}, {paid} were paid"));
    }
    if change != DELETE && !books.deletes.is_empty() {
        faults.push(format!("deleted: {:?}", books.deletes));
    }
    if books.patches.iter().any(|p| p.base.is_none()) {
        faults.push("a PATCH without a base".to_owned());
    }
    let known = [
        "add_fields",
        "modify_fields",
        "rename_fields",
        "remove_fields",
    ];
    for sent in books.patches.iter().map(|p| p.change.as_object().unwrap()) {
        if sent.is_empty() || !sent.keys().all(|key| known.contains(&key.as_str())) {
            faults.push(format!("sent {sent:?}"));
        }
    }
    if state == "FINISHED" && !applied {
        faults.push("FINISHED, and not applied".to_owned());
    }
    // What another tool did is not the job's.
    let is_ours = change == DELETE || books.patches.iter().any(|p| p.made.is_some());
    if state.starts_with("FAILED") && applied && is_ours {
        faults.push("FAILED, and applied".to_owned());
    }
    if state != "FINISHED" && message.is_empty() {
        faults.push(format!("{state} without a word"));
    }
    let code = match state.split(' ').next().unwrap() {
        "FINISHED" => 0,
        "FAILED" => 3,
        _ => 4,
    };
    if ended.code != Some(code) {
        faults.push(format!("exit code {:?}", ended.code));
    }
    let told = format!("{}{}", ended.err, ended.out);
    if told.contains("panicked") || told.contains(KEY) {
        faults.push(format!("a panic, or the key, in what it says:\n{told}"));
    }
    faults
}

/// Does one change while the service does this; the job must end in one of these states.
#[track_caller]
fn changed(does: impl FnOnce(&mut Behaviour), change: &str, states: &[&str]) -> Bench {
    changed_from(|_| {}, does, change, states)
}

/// As before, with what the service does from the beginning.
#[track_caller]
fn changed_from(
    from: impl FnOnce(&mut Behaviour),
    does: impl FnOnce(&mut Behaviour),
    change: &str,
    states: &[&str],
) -> Bench {
    let bench = shop(from);
    bench.fake.does(does);
    let job = ask(&bench, change);
    let ended = bench.work(30);
    told(&bench, &ended, job, change, states);
    bench
}

#[track_caller]
pub fn told(bench: &Bench, ended: &Ended, job: i64, change: &str, states: &[&str]) {
    let mut faults = faults(bench, ended, job, change);
    let state = state(bench, job);
    if !states.contains(&state.0.as_str()) {
        faults.push(format!("{state:?}, not one of {states:?}"));
    }
    let world = bench.fake.world();
    let books = &world.books;
    let sql = "SELECT group_concat(event || ' ' || coalesce(detail, ''), char(10)) FROM job_events WHERE job_id = ?";
    let events: Option<String> = bench
        .database()
        .query_row(sql, [job], |row| row.get(0))
        .unwrap();
    assert!(
        faults.is_empty(),
        "{change}: {}\n{state:?}\n{}\npatches: {:#?}\ndeletes: {:?}\nversions: {:?}\n{}",
        faults.join("\n"),
        events.unwrap_or_default(),
        books.patches,
        books.deletes,
        books.parsers[0].versions,
        tail(&ended.err),
    );
}

fn switches(set: impl Fn(&mut Changes) + Copy, changes: &[&str], states: &[&str]) {
    for change in changes {
        changed(|b| set(&mut b.changes), change, states);
    }
}

const ALL: [&str; 4] = [RENAME, ADD, BOTH, DELETE];
const DONE: [&str; 1] = ["FINISHED"];

/// Its first PATCH takes effect, and its answer is lost.
fn lost() -> Vec<Rule> {
    vec![Rule::change(Call::Patch, Effect::Now, Reply::Lost)]
}
