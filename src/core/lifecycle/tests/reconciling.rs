//! The design's table "Reconciling a create in doubt", from the raw list to the state.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::*;
use crate::{
    api::{classify, text::Quoter},
    core::{
        ledger::KnownParser,
        listing::{Apart, Listing},
        outcome::ListOutcome,
    },
};

fn items(named: &[(&str, &str, &str)]) -> RawReply {
    let items: Vec<_> = named
        .iter()
        .map(|(id, name, status)| json!({"id": id, "name": name, "status": status}))
        .collect();
    http(200, &Value::from(items).to_string())
}

/// What a list shows of the create in doubt, given the parsers known to be there,
/// those that bore its name before, and those that other jobs hold.
fn evidence(reply: RawReply, known: &[&str], before: &[&str], held: &[&str]) -> Evidence {
    let (listed, flaws) = match classify::list(reply, NOW, &Quoter::default()) {
        ListOutcome::Listed(listed, flaws) => (listed, flaws),
        ListOutcome::Refused(..) | ListOutcome::Trouble(_) => return Evidence::NoList,
    };
    let mut listing = Listing::new(listed, NOW);
    listing.distrust = flaws.hide(|id| known.contains(&id.0.as_str()));
    let known: Vec<_> = known
        .iter()
        .map(|text| KnownParser {
            id: id(text),
            remote_name: Some("other".to_owned()),
            known_since: 0,
        })
        .collect();
    let assessment = listing.assess(&known);
    if !assessment.missing.is_empty() || assessment.renamed.is_some() {
        listing.distrust = Some("it lacks a known parser, or alters names".to_owned());
    }
    let before: Vec<_> = before.iter().map(|text| id(text)).collect();
    let held: HashSet<_> = held.iter().map(|text| id(text)).collect();
    let apart = Apart {
        baseline: &before,
        excluded: &held,
    };
    listing.evidence_for(NAME, apart, &[], false)
}

#[test]
fn every_list_leads_where_the_design_says() {
    const ADOPTED: &str = "GENERATING, made p1, -";
    const AMBIGUOUS: &str = "PARKED ambiguous in doubt (answer_lost), -, -";
    const LOOK_AGAIN: &str = "CREATING in doubt (answer_lost), -, -";
    let ours = ("p1", NAME, "GENERATING");
    let twin = ("p2", NAME, "FINISHED");
    let other = ("k1", "other", "FINISHED");
    let none: &[&str] = &[];
    let rows = [
        // One unclaimed parser of that name: adopted, whatever the list is worth.
        (items(&[ours]), none, none, none, ADOPTED),
        (items(&[other, ours]), &["k1"], none, none, ADOPTED),
        (items(&[ours]), &["k1"], none, none, ADOPTED),
        (items(&[("p1", NAME, "FAILED")]), none, none, none, ADOPTED),
        (items(&[("p1", NAME, "")]), none, none, none, ADOPTED),
        (items(&[ours, ours]), none, none, none, ADOPTED),
        (items(&[ours, twin]), none, &["p2"], none, ADOPTED),
        (items(&[ours, twin]), none, none, &["p2"], ADOPTED),
        // Several.
        (items(&[ours, twin]), none, none, none, AMBIGUOUS),
        // None.
        (items(&[]), none, none, none, LOOK_AGAIN),
        (items(&[other]), &["k1"], none, none, LOOK_AGAIN),
        (items(&[ours]), none, &["p1"], none, LOOK_AGAIN),
        (items(&[ours]), none, none, &["p1"], LOOK_AGAIN),
        (
            items(&[("p1", "BOOKS_pd_abcdefgh", "")]),
            none,
            none,
            none,
            ADOPTED,
        ),
        // No list, or none that can be trusted.
        (items(&[]), &["k1"], none, none, LOOK_AGAIN),
        (http(200, r#"[{"id":"p1"}]"#), none, none, none, LOOK_AGAIN),
        (cut(200, "["), none, none, none, LOOK_AGAIN),
        (http(200, "{}"), none, none, none, LOOK_AGAIN),
        (http(500, ""), none, none, none, LOOK_AGAIN),
        (http(401, ""), none, none, none, LOOK_AGAIN),
        (http(429, ""), none, none, none, LOOK_AGAIN),
        (connection_refused(), none, none, none, LOOK_AGAIN),
        (timed_out(), none, none, none, LOOK_AGAIN),
    ];
    for (reply, known, before, held, expected) in rows {
        let label = format!("{reply:?} {known:?} {before:?} {held:?}");
        let event = reconciled(evidence(reply, known, before, held), NOW);
        let transition = decided(&in_doubt(DoubtCause::AnswerLost), event, NOW);
        assert_eq!(told(&transition), expected, "{label}");
    }
}

#[test]
fn a_list_proves_an_absence_only_if_it_is_whole_and_holds_what_is_known() {
    let other = ("k1", "other", "FINISHED");
    for (reply, known, expected) in [
        (items(&[other]), vec!["k1"], Evidence::Absent),
        (items(&[]), vec![], Evidence::Absent),
        (cut(200, "[]"), vec![], Evidence::NoList),
        (http(200, r#"[{"name":"x"},"#), vec![], Evidence::NoList),
    ] {
        assert_eq!(evidence(reply, &known, &[], &[]), expected);
    }
    for (reply, known) in [
        (items(&[]), vec!["k1"]),
        (items(&[("k1", "another", "FINISHED")]), vec!["k1"]),
        (http(200, r#"[{"name":"x"}]"#), vec![]),
        (http(200, r#"[{"id":"x"}]"#), vec![]),
    ] {
        let found = evidence(reply, &known, &[], &[]);
        assert!(matches!(found, Evidence::Inconclusive(_)), "{found:?}");
    }
}

#[test]
fn adopting_after_a_doubt_starts_the_generation_afresh() {
    let mut doubted = in_doubt(DoubtCause::ServiceError);
    doubted.progress.error_status = Some(500);
    doubted.progress.error_message = Some("boom".to_owned());
    let event = reconciled(Evidence::One(id("p1"), None), NOW + 1);
    let next = change(&doubted, event, NOW + 2).next;
    assert_eq!(next.generating_since, Some(NOW + 2));
    assert_eq!(next.due_at, NOW + 2);
    assert_eq!(next.remote_name.as_deref(), Some(NAME));
    assert_eq!((next.doubt, next.error_status), (None, None));
    assert_eq!(next.error_message, None);
}

#[test]
fn a_parser_that_is_there_is_adopted_from_a_list_of_any_age() {
    for listed_at in [0, NOW - 1, NOW, NOW + 1] {
        let doubted = in_doubt(DoubtCause::Interrupted);
        let event = reconciled(Evidence::One(id("p1"), None), listed_at);
        let transition = decided(&doubted, event, NOW);
        assert_eq!(told(&transition), "GENERATING, made p1, -");
    }
}

#[test]
fn an_operator_settles_a_doubt_either_way() {
    for doubted in [in_doubt(DoubtCause::AnswerLost), parked_in_doubt()] {
        let adopted = change(&doubted, Event::Adopt(id("p9")), NOW);
        assert_eq!(adopted.ledger, Some(LedgerChange::Made(id("p9"))));
        assert_eq!(adopted.next.park_reason, None);
        let refuted = change(&doubted, Event::NotCreated, NOW);
        assert_eq!(refuted.ledger, Some(LedgerChange::NotMade));
        assert_eq!(refuted.next.state, JobState::Queued);
        assert_eq!(refuted.next.doubt, None);
        assert_eq!((refuted.next.due_at, refuted.next.recreation), (NOW, 0));
        assert_eq!(refuted.next.attempts, 0);
    }
}

#[test]
fn the_parser_that_an_operator_names_is_no_measure_of_what_names_lists_show() {
    let next = change(
        &in_doubt(DoubtCause::AnswerLost),
        Event::Adopt(id("mine")),
        NOW,
    )
    .next;
    assert_eq!(next.remote_name, None);
}

#[test]
fn an_operator_may_name_another_parser_while_the_first_one_is_polled() {
    let doubted = in_doubt(DoubtCause::AnswerLost);
    let next = change(&doubted, Event::Adopt(id("typo")), NOW).next;
    let mut job = Job {
        progress: next,
        ..doubted
    };
    let again = change(&job, Event::Adopt(id("mine")), NOW).next;
    assert_eq!(again.parser_id, Some(id("mine")));
    assert_eq!(again.state, JobState::Generating);
    let ignored = |job: &Job, named| {
        let transition = decide(job, Event::Adopt(id(named)), &policy(), NOW, 0.0);
        matches!(transition, Transition::Ignored(_))
    };
    assert!(ignored(&job, "typo"), "the same");
    job.progress.remote_name = Some("a".to_owned());
    assert!(ignored(&job, "mine"), "no operator named it");
}

#[test]
fn parsers_that_were_unclear_before_anything_was_sent_make_room_for_another_name() {
    let ambiguous = parked(ParkReason::Ambiguous);
    let next = change(&ambiguous, Event::NotCreated, NOW).next;
    assert_eq!((next.state, next.recreation), (JobState::Queued, 1));
}
