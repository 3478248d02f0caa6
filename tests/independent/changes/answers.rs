//! What is answered to PATCH and DELETE, and what became of it.

use super::*;
use crate::independent::fake::{Base, Update};

fn a_rename_is_generated() {
    switches(
        |c| (c.rename_generates, c.generation) = (true, MS(600)),
        &[RENAME, BOTH],
        &DONE,
    );
}

fn a_rename_drops_the_description() {
    switches(
        |c| c.rename_drops_description = true,
        &[RENAME, BOTH],
        &["FINISHED", "PARKED ambiguous"],
    );
}

fn a_paid_patch_is_answered_200() {
    switches(
        |c| (c.paid_200, c.generation) = (true, MS(500)),
        &[ADD, BOTH],
        &DONE,
    );
}

fn answers_without_a_body() {
    switches(|c| c.empty_answer = true, &[RENAME, ADD, BOTH], &DONE);
}

fn answers_without_a_version() {
    switches(|c| c.no_version = true, &[RENAME, ADD, BOTH], &DONE);
}

fn the_new_version_fails() {
    switches(
        |c| c.update = Update::NewFails,
        &[ADD, BOTH],
        &["FAILED generation_failed"],
    );
}

fn all_versions_fail() {
    switches(
        |c| c.update = Update::AllFail,
        &[ADD, BOTH],
        &["FAILED generation_failed"],
    );
}

fn a_version_that_fails_is_taken_back() {
    let states = [
        "FAILED generation_failed",
        "FAILED generation_timeout",
        "PARKED ambiguous",
    ];
    switches(
        |c| (c.update, c.generation) = (Update::RollsBack, MS(300)),
        &[ADD, BOTH],
        &states,
    );
}

fn a_delete_takes_its_time() {
    switches(
        |c| (c.delete_takes, c.list_lag) = (MS(2000), MS(3000)),
        &[DELETE],
        &DONE,
    );
}

fn answers(call: Call, changes: &[&str], effect: Effect, reply: &Reply, states: &[&str]) {
    for change in changes {
        let rules = vec![Rule::change(call, effect, reply.clone())];
        changed(|b| b.rules = rules, change, states);
    }
}

const PATCHES: [&str; 4] = [RENAME, REMOVE, ADD, BOTH];

fn answers_lost_after_the_effect() {
    answers(Call::Patch, &PATCHES, Effect::Now, &Reply::Lost, &DONE);
}
fn answers_lost_before_the_effect() {
    answers(Call::Patch, &PATCHES, Effect::Nothing, &Reply::Lost, &DONE);
}
fn effects_that_come_late() {
    answers(
        Call::Patch,
        &PATCHES,
        Effect::Later(MS(900)),
        &Reply::Lost,
        &DONE,
    );
}
fn a_500_after_the_effect() {
    answers(Call::Patch, &PATCHES, Effect::Now, &fixed(500, "oh"), &DONE);
}
fn a_502_after_the_effect() {
    answers(
        Call::Patch,
        &PATCHES,
        Effect::Now,
        &fixed(502, "<html>"),
        &DONE,
    );
}
fn a_504_without_effect() {
    answers(
        Call::Patch,
        &PATCHES,
        Effect::Nothing,
        &fixed(504, "<html>"),
        &DONE,
    );
}
fn nonsense_after_the_effect() {
    answers(
        Call::Patch,
        &PATCHES,
        Effect::Now,
        &fixed(200, r#"{"id":"someone-else","version":7}"#),
        &["FINISHED", "PARKED ambiguous"],
    );
    answers(
        Call::Patch,
        &PATCHES,
        Effect::Now,
        &fixed(202, r#"{"version":"v1"}"#),
        &DONE,
    );
}

fn conflicts_are_told() {
    let text = fixed(409, r#"{"error":"version conflict"}"#);
    answers(
        Call::Patch,
        &PATCHES,
        Effect::Nothing,
        &text,
        &[
            "FINISHED",
            "FAILED bad_request",
            "FAILED unexpected_response",
            "PARKED ambiguous",
        ],
    );
}

fn a_422_is_told() {
    let text = fixed(422, r#"{"error":"field title is sacred"}"#);
    for change in PATCHES {
        let rules = vec![Rule::change(Call::Patch, Effect::Nothing, text.clone()).always()];
        let bench = changed(|b| b.rules = rules, change, &["FAILED bad_request"]);
        let says = bench.number("SELECT count(*) FROM jobs WHERE error_message LIKE '%sacred%'");
        assert_eq!(says, 1, "{}", bench.jobs_brief());
    }
}

fn deletes_with_odd_answers() {
    let deletes = [DELETE];
    for (effect, reply) in [
        (Effect::Now, Reply::Lost),
        (Effect::Nothing, Reply::Lost),
        (Effect::Now, fixed(500, "oh")),
        (Effect::Nothing, fixed(500, "oh")),
        (Effect::Now, fixed(200, "")),
        (Effect::Now, fixed(202, r#"{"status":"DELETING"}"#)),
        (Effect::Later(MS(800)), fixed(504, "")),
        (Effect::Twice, fixed(404, "")),
    ] {
        answers(Call::Delete, &deletes, effect, &reply, &DONE);
    }
}

/// A 409 that passes: the service was busy with this parser.
fn busy_for_a_moment() {
    for change in PATCHES {
        let busy = fixed(409, r#"{"error":"parser is locked by another operation"}"#);
        let rules = vec![Rule::change(Call::Patch, Effect::Nothing, busy).times(2)];
        changed(|b| b.rules = rules, change, &DONE);
    }
}

fn a_delete_that_is_refused_is_told() {
    for status in [400, 403, 409, 422] {
        let text = fixed(status, r#"{"error":"this parser is in use"}"#);
        let rules = vec![Rule::change(Call::Delete, Effect::Nothing, text).always()];
        let states = ["FAILED bad_request", "PARKED credits"];
        let bench = changed(|b| b.rules = rules, DELETE, &states);
        assert!(!parser(&bench).deleted);
        let says = "SELECT count(*) FROM jobs WHERE error_message LIKE '%in use%'";
        assert_eq!(bench.number(says), 1, "{}", bench.jobs_brief());
    }
}

fn rates_credits_and_keys_pass() {
    for status in [401, 402, 429, 503] {
        for (call, change) in [
            (Call::Patch, RENAME),
            (Call::Patch, BOTH),
            (Call::Delete, DELETE),
        ] {
            let rules = vec![Rule::change(call, Effect::Nothing, fixed(status, "no")).times(2)];
            changed(
                |b| b.rules = rules,
                change,
                &["FINISHED", "PARKED unauthorized", "PARKED credits"],
            );
        }
    }
}

/// Both parts of a change, each with a trouble of its own.
fn each_part_has_its_trouble() {
    let gateway = fixed(504, "<html>");
    for second in [Reply::Lost, gateway] {
        for effect in [Effect::Now, Effect::Nothing, Effect::Later(MS(700))] {
            let mut rules = lost();
            rules.push(Rule::change(Call::Patch, effect, second.clone()));
            changed(|b| b.rules = rules, BOTH, &DONE);
        }
    }
}

/// A generation that fails leaves a version behind, and the next change must find its base.
fn after_an_update_that_failed_another_one_works() {
    for base in [Base::Conflict, Base::Ignored, Base::Branches] {
        let fails =
            |b: &mut Behaviour| (b.changes.update, b.changes.base) = (Update::NewFails, base);
        let bench = changed(fails, ADD, &["FAILED generation_failed"]);
        bench.fake.does(|b| b.changes.update = Update::Works);
        let job = ask(&bench, RENAME);
        let ended = bench.work(20);
        // Upon the version that failed nothing is based: its fields are not those on record.
        let refused = ["FAILED bad_request"];
        let states = if base == Base::Conflict {
            &refused
        } else {
            &DONE
        };
        told(&bench, &ended, job, RENAME, states);
    }
}

scenarios!(what_is_answered:
    a_rename_is_generated a_rename_drops_the_description a_paid_patch_is_answered_200
    answers_without_a_body answers_without_a_version the_new_version_fails all_versions_fail
    a_version_that_fails_is_taken_back nonsense_after_the_effect conflicts_are_told a_422_is_told
    after_an_update_that_failed_another_one_works);
scenarios!(what_is_lost:
    answers_lost_after_the_effect answers_lost_before_the_effect effects_that_come_late
    a_500_after_the_effect a_502_after_the_effect a_504_without_effect
    each_part_has_its_trouble busy_for_a_moment rates_credits_and_keys_pass);
scenarios!(what_is_deleted:
    deletes_with_odd_answers a_delete_takes_its_time a_delete_that_is_refused_is_told);
