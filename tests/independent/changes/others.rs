//! Other users of the account, and ids.

use super::*;
use crate::independent::fake::{Base, Ids};

/// Another user of the account patches between the look and the PATCH.
fn foreign(base: Base, theirs: &Value, change: &str) -> Bench {
    changed(
        |b| (b.changes.base, b.changes.foreign) = (base, Some(theirs.clone())),
        change,
        &[
            "FINISHED",
            "FAILED bad_request",
            "FAILED unexpected_response",
            "PARKED ambiguous",
        ],
    )
}

fn theirs() -> Value {
    json!({"add_fields": [{"name": "theirs", "description": "Of another tool"}]})
}

/// Whatever the service makes of a stale base, what another tool added stays.
fn theirs_stays(base: Base) {
    for change in [RENAME, ADD, BOTH] {
        let bench = foreign(base, &theirs(), change);
        let names = parser(&bench).names();
        assert!(
            names.contains(&"theirs".to_owned()),
            "overwritten: {names:?}"
        );
    }
}

fn another_tool_and_the_service_refuses() {
    theirs_stays(Base::Conflict);
}

fn another_tool_and_the_last_one_wins() {
    theirs_stays(Base::Ignored);
}

fn another_tool_and_the_service_branches() {
    for change in [RENAME, ADD, BOTH] {
        foreign(Base::Branches, &theirs(), change);
    }
}

fn another_tool_did_it_already() {
    for base in [Base::Conflict, Base::Ignored, Base::Branches] {
        let same = json!({"rename_fields": [{"name": "title", "new_name": "book.title"}]});
        foreign(base, &same, RENAME);
    }
}

/// Another tool's version is there before the daemon looks.
fn a_version_from_elsewhere_is_a_conflict() {
    for change in [RENAME, ADD, BOTH] {
        let bench = shop(|_| {});
        bench.fake.edit("shop", &theirs());
        let job = ask(&bench, change);
        let ended = bench.work(20);
        let states = ["PARKED ambiguous", "FAILED bad_request"];
        told(&bench, &ended, job, change, &states);
        assert_eq!(
            bench.fake.world().books.patches.len(),
            0,
            "sent in spite of it"
        );
    }
}

fn ids(ids: Ids) {
    for change in ALL {
        changed_from(|b| b.ids = ids, |_| {}, change, &DONE);
    }
}

fn ids_are_numbers() {
    ids(Ids::Number);
}
fn ids_mean_something_in_a_url() {
    ids(Ids::Odd);
}
fn ids_change_their_case() {
    ids(Ids::UpperLater);
}

fn two_parsers_of_one_name() {
    for change in ALL {
        let bench = shop(|_| {});
        bench.fake.twin(0);
        let job = ask(&bench, change);
        let ended = bench.work(20);
        let twin = bench.fake.world().books.parsers.remove(1);
        assert!(
            !twin.deleted && twin.versions.len() == 1,
            "the twin was changed"
        );
        told(&bench, &ended, job, change, &DONE);
    }
}

/// Another tool deletes it between the look and the PATCH, or before.
fn another_tool_deletes_it() {
    for change in ALL {
        let bench = shop(|_| {});
        bench.fake.world().books.parsers[0].deleted = true;
        let job = ask(&bench, change);
        let ended = bench.work(20);
        told(
            &bench,
            &ended,
            job,
            change,
            &["FINISHED", "FAILED not_found"],
        );
    }
}

/// Another tool adds its own upon a change whose answer was lost, or whose generation is on.
fn another_tool_goes_on_from_the_change() {
    for change in [RENAME, ADD, BOTH] {
        for is_lost in [true, false] {
            let bench = shop(|_| {});
            bench.fake.does(|b| {
                b.rules = if is_lost { lost() } else { Vec::new() };
                b.changes.generation = MS(700);
                b.changes.foreign_after = Some(theirs());
            });
            let job = ask(&bench, change);
            let ended = bench.work(20);
            told(
                &bench,
                &ended,
                job,
                change,
                &["FINISHED", "FAILED bad_request", "PARKED ambiguous"],
            );
            let names = parser(&bench).names();
            assert!(
                names.contains(&"theirs".to_owned()),
                "overwritten: {names:?}"
            );
        }
    }
}

scenarios!(who_else_is_there:
    another_tool_and_the_service_refuses another_tool_and_the_last_one_wins
    another_tool_and_the_service_branches another_tool_did_it_already
    a_version_from_elsewhere_is_a_conflict another_tool_deletes_it
    another_tool_goes_on_from_the_change ids_are_numbers ids_mean_something_in_a_url
    ids_change_their_case two_parsers_of_one_name);
