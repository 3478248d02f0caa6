//! Many changes at once, a program that is killed, and what others are held up by.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::independent::fake::{Ids, Show};

/// Parsers `n0` to `n11`, made by a file.
fn dozen(does: impl FnOnce(&mut Behaviour)) -> Bench {
    let bench = Bench::new(|b| {
        b.changes.shows = true;
        does(b);
    });
    write(&bench, "all.json", fields());
    bench.ok(&["enqueue", "all.json"]);
    bench.work(30);
    assert_eq!(
        bench.number("SELECT count(*) FROM jobs WHERE state = 'FINISHED'"),
        12
    );
    bench
}

fn write(bench: &Bench, file: &str, fields: Value) {
    let job = |n: u32| {
        let name = format!("n{n}");
        json!({"name": name, "urls": [page(&name)], "fields": fields})
    };
    let jobs: Vec<Value> = (0..12).map(job).collect();
    std::fs::write(bench.path(file), Value::from(jobs).to_string()).unwrap();
}

fn edited() -> Value {
    let mut fields = fields();
    fields[0]["name"] = json!("book.title");
    fields[0]["was"] = json!("title");
    let author = json!({"name": "author", "description": "Who wrote it"});
    fields.as_array_mut().unwrap().push(author);
    fields
}

/// Every parser has each part once, paid for once; and the ledger says so.
#[track_caller]
fn each_once(bench: &Bench) {
    let world = bench.fake.world();
    let books = &world.books;
    let mut faults = Vec::new();
    for parser in &books.parsers {
        let made: Vec<_> = books
            .patches
            .iter()
            .filter(|p| p.id == parser.id && p.made.is_some())
            .collect();
        let paid = made.iter().filter(|p| p.paid).count();
        let names = parser.names();
        if paid != 1 || made.len() != 2 || names.len() != 4 || parser.deleted {
            faults.push(format!(
                "{}: {paid} paid of {} made, {names:?}",
                parser.sent,
                made.len()
            ));
        }
    }
    let ledger = "SELECT coalesce(sum(credits), 0) FROM updates WHERE outcome <> 'not_made'";
    let jobs = bench.jobs_brief();
    assert!(faults.is_empty(), "{}\n{jobs}", faults.join("\n"));
    assert_eq!(books.posts.len(), 12, "{jobs}");
    assert!(books.deletes.is_empty());
    drop(world);
    assert_eq!(bench.number(ledger), 12 * 30_000, "{jobs}");
    assert_eq!(
        bench.number("SELECT count(*) FROM jobs WHERE state <> 'FINISHED'"),
        0,
        "{jobs}"
    );
    let log = std::fs::read_to_string(bench.path("daemon.log")).unwrap_or_default();
    assert!(!log.contains("panicked") && !log.contains(KEY), "{log}");
}

/// Half of the answers are lost, or come from a gateway; before, after or long after the effect.
fn troubles() -> Vec<Rule> {
    let effects = [Effect::Now, Effect::Nothing, Effect::Later(MS(600))];
    let mut rules = Vec::new();
    for (nth, effect) in effects.iter().cycle().take(12).enumerate() {
        let reply = [
            Reply::Lost,
            fixed(502, "<html>"),
            fixed(504, ""),
            fixed(500, "oh"),
        ][nth % 4]
            .clone();
        rules.push(Rule::change(Call::Patch, *effect, reply));
        rules.push(Rule::change(Call::Patch, Effect::Now, Reply::Usual));
    }
    rules
}

fn half_of_the_answers_are_lost() {
    let bench = dozen(|_| {});
    bench.fake.does(|b| b.rules = troubles());
    write(&bench, "all.json", edited());
    bench.ok(&["apply", "--yes", "all.json"]);
    bench.work(60);
    each_once(&bench);
}

/// SIGKILL again and again, at whatever it is at then.
fn killed_again_and_again() {
    let bench = dozen(|_| {});
    write(&bench, "all.json", edited());
    bench.ok(&["apply", "--yes", "all.json"]);
    let slow = Rule::change(Call::Patch, Effect::Now, Reply::Usual)
        .hold(MS(150))
        .always();
    bench.fake.does(|b| b.rules = vec![slow]);
    for kill in 1..6 {
        let daemon = bench.daemon();
        bench
            .fake
            .until("more patches", MS(20_000), |b| b.patches.len() >= kill * 3);
        daemon.kill();
    }
    bench.fake.does(|b| b.rules.clear());
    bench.work(60);
    each_once(&bench);
}

/// Versions and fields of a service that shows little, late and otherwise, and loses answers.
fn everything_at_once() {
    let bench = dozen(|b| {
        b.changes.show = vec![
            Show::Reversed,
            Show::ExtraKeys,
            Show::UpperTypes,
            Show::Selectors,
        ];
        (b.changes.first, b.changes.step) = (1, 2);
        b.changes.hides_version = true;
        b.ids = Ids::Odd;
    });
    bench.fake.does(|b| {
        b.rules = troubles();
        (b.changes.get_lag, b.changes.list_lag) = (MS(500), MS(900));
    });
    write(&bench, "all.json", edited());
    bench.ok(&["apply", "--yes", "all.json"]);
    bench.work(90);
    each_once(&bench);
}

fn deletes_leave_the_list_its_trust() {
    let bench = dozen(|_| {});
    let db = bench.database();
    for n in 0..6 {
        db.execute(
            "INSERT INTO jobs (action, name) VALUES ('delete', ?)",
            [format!("n{n}")],
        )
        .unwrap();
    }
    let lost = [Effect::Now, Effect::Nothing].map(|e| Rule::change(Call::Delete, e, Reply::Lost));
    let create = Rule::create("new", Effect::Now, Reply::Lost);
    bench
        .fake
        .does(|b| b.rules = lost.into_iter().chain([create]).collect());
    bench.insert("new", "new");
    let ended = bench.work(30);
    assert_eq!(ended.code, Some(0), "{}\n{ended:?}", bench.jobs_brief());
    let world = bench.fake.world();
    let gone = |p: &&Parser| p.deleted;
    let deleted: BTreeSet<_> = world
        .books
        .parsers
        .iter()
        .filter(gone)
        .map(|p| p.url.clone())
        .collect();
    let asked: BTreeSet<_> = (0..6).map(|n| page(&format!("n{n}"))).collect();
    assert_eq!(deleted, asked);
    assert_eq!(world.books.posts.len(), 13);
    let mut each = BTreeMap::new();
    world
        .books
        .deletes
        .iter()
        .for_each(|id| *each.entry(id).or_insert(0) += 1);
    assert!(each.values().all(|n| *n <= 2), "{each:?}");
}

/// No budget: what costs waits and is told, what is free goes on.
fn without_a_budget_what_is_free_goes_on() {
    let mut bench = shop(|_| {});
    bench.set("budget.max_credits", "40000");
    let job = ask(&bench, BOTH);
    let ended = bench.work(20);
    assert_eq!(state(&bench, job).0, "PARKED budget", "{ended:?}");
    assert_eq!(parser(&bench).names()[0], "book.title");
    assert_eq!(bench.fake.world().books.patches.len(), 1);
    bench.set("budget.max_credits", "60000");
    bench.ok(&["resume"]);
    let ended = bench.work(20);
    told(&bench, &ended, job, BOTH, &DONE);
    let job = ask(&bench, r#"{"remove_fields":["price"]}"#);
    bench.work(20);
    assert_eq!(state(&bench, job).0, "FINISHED");
    // Nothing is left: a third that costs waits.
    let job = ask(
        &bench,
        r#"{"add_fields":[{"name":"isbn","description":"Its number"}]}"#,
    );
    bench.work(20);
    assert_eq!(state(&bench, job).0, "PARKED budget");
    assert_eq!(bench.fake.world().books.patches.len(), 3);
}

scenarios!(many_at_once:
    half_of_the_answers_are_lost killed_again_and_again everything_at_once
    deletes_leave_the_list_its_trust without_a_budget_what_is_free_goes_on);
