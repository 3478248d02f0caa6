//! How versions and fields are shown, and how late.

use super::*;

use crate::independent::fake::Show;

fn shown(show: &[Show]) {
    shown_or(show, &DONE);
}

/// With the first answer lost it may take a person, if no service could be understood so.
fn shown_or(show: &[Show], if_lost: &[&str]) {
    for (change, rules, states) in [
        (RENAME, Vec::new(), &DONE[..]),
        (BOTH, Vec::new(), &DONE[..]),
        (RENAME, lost(), if_lost),
        (ADD, lost(), if_lost),
    ] {
        let from = |b: &mut Behaviour| b.changes.show = show.to_vec();
        changed_from(from, |b| b.rules = rules, change, states);
    }
}

fn fields_in_another_order() {
    shown(&[Show::Reversed]);
}
fn fields_with_more_keys() {
    shown(&[Show::ExtraKeys, Show::NullSelectors]);
}
fn descriptions_trimmed() {
    shown(&[Show::Trimmed]);
}
fn descriptions_spaced() {
    shown(&[Show::Spaced]);
}
fn types_in_upper_case() {
    shown(&[Show::UpperTypes]);
}
fn no_types() {
    shown(&[Show::NoTypes]);
}
fn no_descriptions() {
    shown(&[Show::NoDescriptions]);
}
fn selectors_rewritten() {
    shown(&[Show::Selectors]);
}
fn fields_by_name() {
    shown_or(&[Show::ByName], &["FINISHED", "PARKED ambiguous"]);
}
fn no_fields() {
    shown_or(&[Show::Nothing], &["FINISHED", "PARKED ambiguous"]);
}

fn all_rewritten() {
    shown(&[
        Show::Reversed,
        Show::ExtraKeys,
        Show::Spaced,
        Show::UpperTypes,
        Show::Selectors,
    ]);
}
fn types_in_lower_case() {
    shown(&[Show::LowerTypes]);
}

fn versions_that_skip() {
    for change in ALL {
        changed_from(
            |b| (b.changes.first, b.changes.step) = (1, 3),
            |_| {},
            change,
            &DONE,
        );
    }
}

fn versions_and_fields_not_shown() {
    for change in ALL {
        changed_from(|b| b.changes.shows = false, |_| {}, change, &DONE);
    }
}

fn versions_not_shown() {
    for change in [RENAME, BOTH] {
        changed_from(|b| b.changes.hides_version = true, |_| {}, change, &DONE);
    }
}

fn the_old_version_shows_for_a_while() {
    switches(|c| c.get_lag = MS(1200), &[RENAME, ADD, BOTH], &DONE);
}

fn not_found_for_a_while_after_a_patch() {
    switches(|c| c.gone = MS(1000), &[RENAME, ADD, BOTH], &DONE);
}

fn a_list_that_lags() {
    switches(|c| c.list_lag = MS(3000), &ALL, &DONE);
}

fn all_lags() {
    switches(
        |c| (c.list_lag, c.get_lag) = (MS(1500), MS(1500)),
        &[RENAME, ADD, BOTH],
        &DONE,
    );
}

fn lost_answers_and_the_old_version_for_a_while() {
    for change in [RENAME, ADD, BOTH] {
        let late = |b: &mut Behaviour| {
            b.rules = lost();
            (b.changes.get_lag, b.changes.list_lag) = (MS(1000), MS(1500));
        };
        changed(late, change, &DONE);
    }
}

fn lost_answers_and_not_found_for_a_while() {
    for change in [RENAME, ADD, BOTH] {
        let late = |b: &mut Behaviour| {
            b.rules = lost();
            b.changes.gone = MS(1000);
        };
        changed(late, change, &DONE);
    }
}

/// The second PATCH is refused, and what shows late is that the first was made.
fn the_old_version_shows_for_longer_than_the_settling_time() {
    for change in [RENAME, ADD, BOTH] {
        let mut bench = shop(|_| {});
        bench.set("retry.max_attempts", "20");
        bench.fake.does(|b| {
            b.rules = lost();
            b.changes.get_lag = MS(4000);
        });
        let job = ask(&bench, change);
        let ended = bench.work(30);
        // Of two parts only one was made, and the version says no more than that.
        let conflict = ["FINISHED", "FAILED bad_request"];
        let states = if change == BOTH { &conflict[..] } else { &DONE };
        told(&bench, &ended, job, change, states);
    }
}

fn lost_answers_and_versions_not_shown() {
    for change in [RENAME, ADD, BOTH] {
        changed_from(
            |b| b.changes.hides_version = true,
            |b| b.rules = lost(),
            change,
            &DONE,
        );
        let blind = |b: &mut Behaviour| b.changes.shows = false;
        changed_from(
            blind,
            |b| b.rules = lost(),
            change,
            &["FINISHED", "PARKED ambiguous"],
        );
    }
}

scenarios!(what_is_shown:
    fields_in_another_order fields_with_more_keys descriptions_trimmed descriptions_spaced
    types_in_upper_case types_in_lower_case no_types no_descriptions selectors_rewritten
    fields_by_name no_fields all_rewritten versions_that_skip versions_and_fields_not_shown
    versions_not_shown lost_answers_and_versions_not_shown);
scenarios!(what_lags:
    the_old_version_shows_for_a_while not_found_for_a_while_after_a_patch a_list_that_lags all_lags
    lost_answers_and_the_old_version_for_a_while lost_answers_and_not_found_for_a_while
    the_old_version_shows_for_longer_than_the_settling_time);
