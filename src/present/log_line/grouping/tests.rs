use super::*;
use crate::present::log_line::{LogFields, Urgency};

fn line(event: &str, why: &'static str, name: &str) -> LogLine {
    LogLine {
        urgency: Urgency::Info,
        text: format!("{event}, {why}"),
        next: Some("look".to_owned()),
        fields: LogFields {
            event: Some(event.to_owned()),
            job: Some(1),
            name: Some(name.to_owned()),
            park_reason: (event == "parked").then_some(why),
            error_kind: (event == "failed").then_some(why),
            ..LogFields::default()
        },
    }
}

fn many(event: &str, why: &'static str, from: usize, to: usize) -> Vec<LogLine> {
    (from..to)
        .map(|job| line(event, why, &format!("j{job}")))
        .collect()
}

/// The name of each line's job, or its text where it is of several.
fn shown(lines: Vec<LogLine>) -> Vec<String> {
    let shown = |line: LogLine| line.fields.name.unwrap_or(line.text);
    lines.into_iter().map(shown).collect()
}

#[test]
fn a_few_are_written_as_they_are_and_many_at_once_are_one_line() {
    let mut grouping = Grouping::default();
    let few = many("parked", "credits", 0, 3);
    assert_eq!(shown(grouping.pass(few, 0)), ["j0", "j1", "j2"]);
    let mut grouping = Grouping::default();
    let mut lines = many("parked", "credits", 0, 16);
    lines.insert(5, line("finished", "", "done"));
    let lines = grouping.pass(lines, 0);
    assert_eq!(lines[0].fields.jobs, Some(16));
    assert_eq!((lines[0].fields.job, lines[1].fields.job), (None, Some(1)));
    assert_eq!(
        shown(lines),
        ["16 jobs: parked, credits (j0, j1, j2 and 13 more)", "done"]
    );
    assert!(grouping.rest().is_empty());
}

#[test]
fn what_goes_on_has_a_line_a_minute_as_long_as_it_goes_on() {
    let mut grouping = Grouping::default();
    let mut written = Vec::new();
    // One a second, for three minutes.
    for second in 0..180 {
        let one = many("not_sent", "", second, second + 1);
        let now = i64::try_from(second).unwrap() * 1_000;
        written.extend(shown(grouping.pass(one, now)));
    }
    let expected = [
        "j0",
        "j1",
        "j2",
        "57 jobs: not_sent,  (j3, j4, j5 and 54 more)",
        "60 jobs: not_sent,  (j60, j61, j62 and 57 more)",
    ];
    assert_eq!(written, expected);
    let rest = ["60 jobs: not_sent,  (j120, j121, j122 and 57 more)"];
    assert_eq!(shown(grouping.rest()), rest);
    // A minute without one, and all begins anew.
    assert_eq!(
        shown(grouping.pass(many("not_sent", "", 0, 1), 200_000)),
        ["j0"]
    );
}

#[test]
fn what_was_held_back_comes_before_the_line_that_says_how_it_ended() {
    for end in ["gate_opened", "batch_done"] {
        let mut grouping = Grouping::default();
        grouping.pass(many("parked", "credits", 0, 3), 0);
        assert!(
            grouping
                .pass(many("parked", "credits", 3, 6), 1_000)
                .is_empty()
        );
        let mut lines = many("parked", "credits", 6, 8);
        lines.push(line(end, "", "end"));
        assert_eq!(
            shown(grouping.pass(lines, 2_000)),
            ["5 jobs: parked, credits (j3, j4, j5 and 2 more)", "end"]
        );
        // The window goes on: what comes now is held back as before.
        assert!(
            grouping
                .pass(many("parked", "credits", 8, 9), 3_000)
                .is_empty()
        );
        assert_eq!(shown(grouping.rest()), ["j8"]);
    }
}

#[test]
fn each_reason_is_a_kind_and_what_a_person_decides_has_its_own_line() {
    let mut grouping = Grouping::default();
    let ambiguous = many("parked", "ambiguous", 0, 20);
    assert_eq!(grouping.pass(ambiguous, 0).len(), 20);
    let finished = many("finished", "", 0, 20);
    assert_eq!(grouping.pass(finished, 0).len(), 20);
    let mut both = many("parked", "credits", 0, 4);
    both.extend(many("parked", "budget", 4, 6));
    assert_eq!(
        shown(grouping.pass(both, 0)),
        [
            "4 jobs: parked, credits (j0, j1, j2 and 1 more)",
            "j4",
            "j5"
        ]
    );
}

#[test]
fn many_that_failed_are_listed_by_a_command() {
    let mut grouping = Grouping::default();
    assert_eq!(
        grouping.pass(many("failed", "bad_request", 0, 10), 0).len(),
        10
    );
    assert!(
        grouping
            .pass(many("failed", "bad_request", 10, 30), 1)
            .is_empty()
    );
    let line = &grouping.pass(Vec::new(), WINDOW_MS)[0];
    assert_eq!(
        line.words(),
        "20 jobs: failed, bad_request (j10, j11, j12 and 17 more); `parserd jobs --state FAILED \
         --error-kind bad_request` lists them with their hints"
    );
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_back_for_ever() {
    let mut grouping = Grouping::default();
    grouping.pass(many("waiting", "", 0, 3), 1_000_000);
    assert!(
        grouping
            .pass(many("waiting", "", 3, 4), 1_000_001)
            .is_empty()
    );
    assert_eq!(shown(grouping.pass(Vec::new(), 5)), ["j3"]);
}
