//! Job files as the truth, before a service that shows things otherwise than they were asked for.

use super::*;
use crate::independent::fake::{Ids, Show};

const LIMIT: Duration = Duration::from_secs(15);

/// What a plan says that it costs at the most.
#[track_caller]
fn planned(bench: &Bench) -> String {
    bench.ok(&["plan", "jobs.json"])
}

#[track_caller]
fn nothing_to_do(bench: &Bench) {
    let ended = bench.run(&["plan", "--exit-code", "jobs.json"], LIMIT);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.err);
}

#[track_caller]
fn books(bench: &Bench, creates: usize, patches: usize) {
    let world = bench.fake.world();
    let books = &world.books;
    assert_eq!(
        books.posts.len(),
        creates,
        "creates\n{}",
        bench.jobs_brief()
    );
    assert_eq!(
        books.patches.len(),
        patches,
        "{:#?}\n{}",
        books.patches,
        bench.jobs_brief()
    );
    assert!(books.deletes.is_empty(), "{:?}", books.deletes);
}

/// Side by side, since each mostly waits.
fn each_show(scenario: impl Fn(&[Show]) + Sync) {
    std::thread::scope(|scope| {
        for show in SHOWS {
            let scenario = &scenario;
            scope.spawn(move || scenario(show));
        }
    });
}

fn lose(bench: &Bench) {
    for end in ["", "-wal", "-shm"] {
        let file = bench.path(&format!("parserd.db{end}"));
        if crate::independent::bench::exists(&file) {
            std::fs::remove_file(file).unwrap();
        }
    }
}

fn with(edit: impl Fn(&mut Value)) -> Value {
    let mut fields = fields();
    edit(&mut fields);
    fields
}

fn renamed() -> Value {
    with(|f| {
        f[0]["name"] = json!("book.title");
        f[0]["was"] = json!("title");
    })
}

fn with_author() -> Value {
    with(|f| {
        let author = json!({"name": "author", "description": "Who wrote it"});
        f.as_array_mut().unwrap().push(author);
    })
}

const SHOWS: [&[Show]; 9] = [
    &[],
    &[Show::Reversed, Show::ExtraKeys],
    &[Show::Spaced],
    &[Show::UpperTypes, Show::Trimmed],
    &[Show::NoTypes, Show::NoDescriptions],
    &[Show::Selectors],
    &[Show::NullSelectors],
    &[Show::ByName],
    &[Show::Nothing],
];

/// Nothing to do before, one rename and one addition after each edit, and nothing again.
fn edits_are_applied_once() {
    each_show(|show| {
        let bench = shop(|b| b.changes.show = show.to_vec());
        nothing_to_do(&bench);
        bench.file("jobs.json", &renamed());
        bench.ok(&["apply", "--yes", "jobs.json"]);
        bench.work(20);
        nothing_to_do(&bench);
        books(&bench, 1, 1);
        bench.file("jobs.json", &with_author());
        let ended = bench.run(&["plan", "jobs.json"], LIMIT);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    });
}

fn additions_are_paid_once() {
    each_show(|show| {
        let bench = shop(|b| {
            b.changes.show = show.to_vec();
            b.rules = lost();
        });
        bench.file("jobs.json", &with_author());
        let plan = planned(&bench);
        assert!(plan.contains("up to 30,000 credits"), "{show:?}\n{plan}");
        bench.ok(&["apply", "--yes", "jobs.json"]);
        let ended = bench.work(20);
        let world = bench.fake.world();
        assert_eq!(world.books.paid(&world.books.parsers[0].id), 1, "{show:?}");
        drop(world);
        books(&bench, 1, 1);
        if ended.code == Some(0) {
            nothing_to_do(&bench);
        } else {
            assert_eq!(ended.code, Some(4), "{show:?} {ended:?}");
        }
    });
}

/// A lost database with the same file: adopted, and nothing is to do, whatever loading may do.
fn a_lost_database_pays_nothing() {
    each_show(|show| {
        let mut bench = shop(|b| b.changes.show = show.to_vec());
        lose(&bench);
        bench.set("enqueue.on_change", "apply");
        bench.set("enqueue.files", "[\"jobs.json\"]");
        let ended = bench.work(20);
        assert_eq!(ended.code, Some(0), "{show:?} {ended:?}");
        bench.work(20);
        books(&bench, 1, 0);
        nothing_to_do(&bench);
    });
}

/// With an edited one: adopted all the same, and the difference is told.
fn a_lost_database_and_an_edited_file_create_nothing() {
    each_show(|show| {
        let bench = shop(|b| b.changes.show = show.to_vec());
        lose(&bench);
        bench.file("jobs.json", &with_author());
        bench.ok(&["enqueue", "jobs.json"]);
        bench.work(20);
        books(&bench, 1, 0);
        let plan = bench.ok(&["plan", "jobs.json"]);
        let is_told = plan.contains("author");
        assert!(
            is_told || show.contains(&Show::Nothing) || show.contains(&Show::ByName),
            "{show:?}\n{plan}"
        );
    });
}

/// After updates, whose fields the tag of the name does not know.
fn a_lost_database_after_updates_creates_nothing() {
    each_show(|show| {
        let bench = shop(|b| b.changes.show = show.to_vec());
        bench.file("jobs.json", &renamed());
        bench.ok(&["apply", "--yes", "jobs.json"]);
        bench.work(20);
        lose(&bench);
        bench.ok(&["enqueue", "jobs.json"]);
        bench.work(20);
        books(&bench, 1, 1);
        if !show.contains(&Show::Nothing) && !show.contains(&Show::ByName) {
            nothing_to_do(&bench);
        }
    });
}

/// A rename is a rename, whatever the adopted parser's fields look like: free, and nothing else.
fn a_lost_database_and_a_rename_cost_nothing() {
    each_show(|show| {
        // Without a description nothing tells which field it was: it is described anew.
        if show.contains(&Show::NoDescriptions) {
            return;
        }
        let mut bench = shop(|b| b.changes.show = show.to_vec());
        lose(&bench);
        bench.file("jobs.json", &renamed());
        bench.set("enqueue.on_change", "apply");
        bench.set("enqueue.files", "[\"jobs.json\"]");
        bench.work(20);
        let ended = bench.work(20);
        assert_eq!(ended.code, Some(0), "{show:?} {ended:?}");
        let books = bench.fake.world().books.clone();
        let paid = books.paid(&books.parsers[0].id);
        assert_eq!(
            (books.posts.len(), paid),
            (1, 0),
            "{show:?} {:#?}",
            books.patches
        );
        // Where no field can be seen, nobody knows that one is to be renamed.
        if !show
            .iter()
            .any(|s| matches!(s, Show::ByName | Show::Nothing))
        {
            nothing_to_do(&bench);
            assert_eq!(parser(&bench).names()[0], "book.title", "{show:?}");
        }
    });
}

fn imported_parsers_need_nothing() {
    each_show(|show| {
        let bench = shop(|b| b.changes.show = show.to_vec());
        lose(&bench);
        bench.fake.twin(0);
        let file = bench.run(&["parsers", "import", "--all"], LIMIT);
        assert_eq!(file.code, Some(0), "{file:?}");
        std::fs::write(bench.path("imported.toml"), &file.out).unwrap();
        bench.ok(&["enqueue", "imported.toml"]);
        let ended = bench.work(20);
        assert_eq!(ended.code, Some(0), "{show:?} {ended:?}\n{}", file.out);
        let plan = bench.run(&["plan", "--exit-code", "imported.toml"], LIMIT);
        assert_eq!(
            plan.code,
            Some(0),
            "{show:?}\n{}\n{}{}",
            file.out,
            plan.out,
            plan.err
        );
        books(&bench, 1, 0);
        assert_eq!(bench.number("SELECT count(*) FROM parsers"), 2);
    });
}

/// Ids that mean something in a URL or a file go through import, adoption and update.
fn odd_ids_go_through_files() {
    for ids in [Ids::Odd, Ids::Number, Ids::UpperLater] {
        let bench = shop(|b| b.ids = ids);
        let id = parser(&bench).id;
        lose(&bench);
        let file = bench.ok(&["parsers", "import", &id]);
        std::fs::write(bench.path("imported.toml"), &file).unwrap();
        bench.ok(&["enqueue", "imported.toml"]);
        bench.work(20);
        let plan = bench.run(&["plan", "--exit-code", "imported.toml"], LIMIT);
        assert_eq!(plan.code, Some(0), "{file}\n{}\n{}", plan.out, plan.err);
        let name: String = bench
            .database()
            .query_row("SELECT name FROM parsers", [], |row| row.get(0))
            .unwrap();
        let insert = "INSERT INTO jobs (action, name, change) VALUES ('update', ?, ?)";
        bench.database().execute(insert, [&name, RENAME]).unwrap();
        bench.work(20);
        books(&bench, 1, 1);
        assert_eq!(parser(&bench).names()[0], "book.title");
    }
}

/// The list shows what was deleted, or the parser dies slowly: a new job of the name makes a new one.
fn a_name_is_free_after_a_delete() {
    for (list_lag, delete_takes) in [(0, 0), (2500, 0), (1500, 1500)] {
        let bench = changed(
            |b| {
                b.changes.list_lag = MS(list_lag);
                b.changes.delete_takes = MS(delete_takes);
            },
            DELETE,
            &DONE,
        );
        bench.ok(&["enqueue", "jobs.json"]);
        bench.work(25);
        let world = bench.fake.world();
        let books = &world.books;
        assert_eq!(
            books.posts.len(),
            2,
            "{list_lag} {delete_takes}\n{}",
            bench.jobs_brief()
        );
        let held = "SELECT parser_id FROM jobs WHERE action = 'create' AND released_at IS NULL AND state = 'FINISHED'";
        let held: String = bench
            .database()
            .query_row(held, [], |row| row.get(0))
            .unwrap();
        assert_eq!(held, books.parsers[1].id);
        assert_eq!(books.deletes.len(), 1);
    }
}

scenarios!(what_files_say:
    edits_are_applied_once additions_are_paid_once a_lost_database_pays_nothing
    a_lost_database_and_an_edited_file_create_nothing imported_parsers_need_nothing
    a_lost_database_and_a_rename_cost_nothing a_lost_database_after_updates_creates_nothing odd_ids_go_through_files a_name_is_free_after_a_delete);
