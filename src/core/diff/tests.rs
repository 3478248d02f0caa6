mod labels;
mod record;

use serde_json::json;

use super::*;
use crate::core::spec::Labels;

const PAGE: &str = "https://books.toscrape.com/";

fn field(name: &str, description: &str) -> Value {
    json!({"name": name, "description": description})
}

fn books() -> JobSpec {
    JobSpec {
        name: "books".to_owned(),
        urls: vec![PAGE.to_owned()],
        fields: Some(json!([field("a", "1"), field("b", "2")])),
        ..JobSpec::default()
    }
}

fn asking(fields: Value) -> JobSpec {
    JobSpec {
        fields: Some(fields),
        ..books()
    }
}

fn renaming(fields: Value, new: &str, old: &str) -> JobSpec {
    JobSpec {
        was: [(new.to_owned(), old.to_owned())].into(),
        ..asking(fields)
    }
}

fn other_page() -> JobSpec {
    JobSpec {
        urls: vec![format!("{PAGE}2")],
        ..books()
    }
}

fn inferring() -> JobSpec {
    JobSpec {
        fields: None,
        ..books()
    }
}

fn adopting() -> JobSpec {
    JobSpec {
        parser_id: Some("p".to_owned()),
        ..books()
    }
}

fn verb_and_creates(wanted: &JobSpec, known: &Known<'_>) -> (Verb, u8) {
    let diff = diff(wanted, known);
    assert_eq!(diff.changes.is_empty(), diff.lines.is_empty(), "{diff:?}");
    (diff.verb, diff.creates)
}

#[test]
fn what_a_job_means_follows_from_the_state_of_the_one_that_is_there() {
    let asked = books();
    let in_state = |state| Known {
        state: Some(state),
        asked: Some(&asked),
        ..Known::default()
    };
    let fixed = |state| Known {
        is_fixed: true,
        ..in_state(state)
    };
    let unread = |state| Known {
        asked: None,
        ..in_state(state)
    };
    for (known, same, edited, adopted) in [
        (
            Known::default(),
            (Verb::Create, 1),
            (Verb::Create, 1),
            (Verb::Create, 0),
        ),
        (
            in_state(JobState::Cancelled),
            (Verb::Create, 1),
            (Verb::Create, 1),
            (Verb::Create, 0),
        ),
        (
            in_state(JobState::Queued),
            (Verb::Same, 0),
            (Verb::EditWaiting, 1),
            (Verb::Refused, 0),
        ),
        (
            in_state(JobState::Parked),
            (Verb::Same, 0),
            (Verb::EditWaiting, 1),
            (Verb::Refused, 0),
        ),
        (
            in_state(JobState::Failed),
            (Verb::Same, 0),
            (Verb::EditWaiting, 1),
            (Verb::Refused, 0),
        ),
        (
            unread(JobState::Failed),
            (Verb::EditWaiting, 1),
            (Verb::EditWaiting, 1),
            (Verb::Refused, 0),
        ),
        (
            fixed(JobState::Parked),
            (Verb::Same, 0),
            (Verb::InFlight, 0),
            (Verb::InFlight, 0),
        ),
        (
            fixed(JobState::Failed),
            (Verb::Same, 0),
            (Verb::InFlight, 0),
            (Verb::InFlight, 0),
        ),
        (
            in_state(JobState::Creating),
            (Verb::Same, 0),
            (Verb::InFlight, 0),
            (Verb::InFlight, 0),
        ),
        (
            in_state(JobState::Generating),
            (Verb::Same, 0),
            (Verb::InFlight, 0),
            (Verb::InFlight, 0),
        ),
        (
            in_state(JobState::Finished),
            (Verb::Same, 0),
            (Verb::Replace, 1),
            (Verb::Same, 0),
        ),
    ] {
        assert_eq!(verb_and_creates(&books(), &known), same, "{known:?}");
        assert_eq!(verb_and_creates(&other_page(), &known), edited, "{known:?}");
        assert_eq!(verb_and_creates(&adopting(), &known), adopted, "{known:?}");
    }
}

#[test]
fn a_parser_that_is_there_is_updated_replaced_or_left() {
    let (urls, fields) = (json!([PAGE]), json!([field("b", "2"), field("a", "1")]));
    let params = json!({"render": true, "premium": false});
    let rendered = JobSpec {
        scraper_params: Some(json!({"premium": false, "render": true})),
        ..books()
    };
    let plain = AppliedParser {
        urls: Some(&urls),
        fields: Some(&fields),
        ..AppliedParser::default()
    };
    let with_params = AppliedParser {
        scraper_params: Some(&params),
        ..plain
    };
    let (null, empty) = (Value::Null, json!({}));
    let with_nulls = AppliedParser {
        urls: Some(&null),
        scraper_params: Some(&empty),
        ..plain
    };
    let adopted = AppliedParser {
        params_unknown: true,
        ..plain
    };
    let gone = AppliedParser {
        is_deleted: true,
        ..plain
    };
    let unknown = AppliedParser {
        fields: None,
        ..plain
    };
    for (wanted, parser, expected) in [
        (books(), plain, (Verb::Same, 0)),
        (inferring(), plain, (Verb::Same, 0)),
        (inferring(), unknown, (Verb::Same, 0)),
        (books(), unknown, (Verb::Refused, 0)),
        (books(), gone, (Verb::Create, 1)),
        (adopting(), gone, (Verb::Create, 0)),
        (rendered.clone(), plain, (Verb::Replace, 1)),
        (rendered.clone(), with_params, (Verb::Same, 0)),
        (books(), with_params, (Verb::Replace, 1)),
        (other_page(), plain, (Verb::Replace, 1)),
        // Of an adopted parser no more may be known.
        (rendered.clone(), adopted, (Verb::Same, 0)),
        (books(), adopted, (Verb::Same, 0)),
        (other_page(), adopted, (Verb::Replace, 1)),
        (other_page(), with_nulls, (Verb::Same, 0)),
        (
            asking(json!([field("a", "1")])),
            plain,
            (Verb::UpdateFree, 0),
        ),
        (
            renaming(json!([field("a", "1"), field("c", "2")]), "c", "b"),
            plain,
            (Verb::UpdateFree, 0),
        ),
        (
            asking(json!([field("a", "1"), field("b", "3")])),
            plain,
            (Verb::UpdatePaid, 1),
        ),
        (
            asking(json!([field("a", "1"), field("b", "2"), field("c", "3")])),
            plain,
            (Verb::UpdatePaid, 1),
        ),
        (
            renaming(json!([field("a", "1"), field("c", "3")]), "c", "b"),
            plain,
            (Verb::UpdateBoth, 1),
        ),
        (asking(json!([field("x", "1")])), plain, (Verb::Refused, 0)),
    ] {
        for state in [None, Some(JobState::Finished)] {
            let known = Known {
                state,
                parser: Some(parser),
                ..Known::default()
            };
            assert_eq!(
                verb_and_creates(&wanted, &known),
                expected,
                "{wanted:?} {parser:?}"
            );
        }
    }
}

#[test]
fn what_nobody_knows_of_an_adopted_parser_is_told_where_the_file_asks_for_it() {
    let (urls, params) = (json!([PAGE]), Some(json!({"render": true})));
    let rendered = |spec: JobSpec| JobSpec {
        scraper_params: params.clone(),
        ..spec
    };
    let both = ["urls", "scraper_params"];
    for (wanted, urls, parts) in [
        (books(), Some(&urls), &both[1..]),
        (books(), None, &both[..]),
        (adopting(), Some(&urls), &[]),
        (adopting(), None, &both[..1]),
        (rendered(adopting()), Some(&urls), &both[1..]),
    ] {
        for params_unknown in [true, false] {
            let asked = wanted.clone();
            let known = Known {
                state: Some(JobState::Finished),
                asked: Some(&asked),
                parser: Some(AppliedParser {
                    urls,
                    scraper_params: wanted.scraper_params.as_ref(),
                    params_unknown,
                    ..AppliedParser::default()
                }),
                ..Known::default()
            };
            let diff = diff(&wanted, &known);
            assert_eq!(diff.verb, Verb::Same);
            let parts = if params_unknown { parts } else { &[] };
            assert_eq!(diff.notes.len(), parts.len(), "{:?}", diff.notes);
            for (note, part) in diff.notes.iter().zip(parts) {
                assert!(note.contains(part), "{note}");
            }
        }
    }
}

#[test]
fn an_update_is_told_field_by_field_and_a_likely_rename_is_pointed_out() {
    let urls = json!([PAGE]);
    let fields = json!([
        field("a", "1"),
        {"name": "b", "description": "2", "type": "number", "selector": null},
        field("c", "3"),
    ]);
    let known = Known {
        parser: Some(AppliedParser {
            urls: Some(&urls),
            fields: Some(&fields),
            ..AppliedParser::default()
        }),
        ..Known::default()
    };
    let wanted = renaming(
        json!([
            field("a", "1"),
            {"name": "bb", "description": "two", "selector": "p"},
            field("d", "3"),
        ]),
        "bb",
        "b",
    );
    let diff = diff(&wanted, &known);
    assert_eq!(diff.verb, Verb::UpdateBoth);
    let part = |key, before: Option<&str>, after: Option<&str>| PartLine {
        key,
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    };
    assert_eq!(
        diff.lines,
        [
            FieldLine::Renamed {
                name: "b".to_owned(),
                new_name: "bb".to_owned(),
            },
            FieldLine::Removed {
                name: "c".to_owned(),
            },
            FieldLine::Modified {
                name: "bb".to_owned(),
                parts: vec![
                    part("description", Some("2"), Some("two")),
                    part("type", Some("number"), None),
                    part("selector", None, Some("p")),
                ],
            },
            FieldLine::Added {
                name: "d".to_owned(),
            },
        ]
    );
    assert_eq!(diff.likely_renames, [("c".to_owned(), "d".to_owned())]);
}

#[test]
fn what_is_never_sent_makes_no_difference_but_a_note() {
    let asked = JobSpec {
        expect: Some(json!({"a": {"min_items": 1}})),
        ..books()
    };
    let noted = JobSpec {
        expect: Some(json!({"a": {"min_items": 2}})),
        check_urls: Some(vec![format!("{PAGE}3")]),
        priority: 1,
        run_at: Some(1),
        protect: Some(true),
        labels: Some(Labels::from([("team".to_owned(), "a".to_owned())])),
        ..books()
    };
    for state in [JobState::Queued, JobState::Generating, JobState::Finished] {
        let known = Known {
            state: Some(state),
            asked: Some(&asked),
            ..Known::default()
        };
        // A file that expects nothing leaves what is expected.
        let silent = diff(&books(), &known);
        assert_eq!((silent.verb, silent.notes.len()), (Verb::Same, 0));
        let noted = diff(&noted, &known);
        assert_eq!((noted.verb, noted.creates), (Verb::Same, 0));
        let parts = "expect, check_urls, priority, run_at, protect, labels read otherwise";
        assert!(noted.notes[0].starts_with(parts), "{:?}", noted.notes);
    }
}

#[test]
fn whatever_is_not_done_says_why() {
    let (asked, urls) = (books(), json!([PAGE]));
    let fields = asked.fields.clone().unwrap();
    let under_way = Known {
        state: Some(JobState::Creating),
        asked: Some(&asked),
        ..Known::default()
    };
    let parser = AppliedParser {
        urls: Some(&urls),
        fields: Some(&fields),
        ..AppliedParser::default()
    };
    let there = |parser| Known {
        parser: Some(parser),
        ..Known::default()
    };
    let unknown = AppliedParser {
        fields: None,
        ..parser
    };
    let all_new = asking(json!([field("x", "another")]));
    for (wanted, known, words) in [
        (other_page(), under_way, "its create is under way"),
        (
            other_page(),
            Known {
                state: Some(JobState::Parked),
                is_fixed: true,
                ..under_way
            },
            "its create is in doubt, or its parser may still finish",
        ),
        (
            other_page(),
            there(parser),
            "urls differ, which no update can change",
        ),
        (books(), there(unknown), "not known: leave fields out"),
        (all_new, there(parser), "write two updates"),
        (
            books(),
            there(AppliedParser {
                is_deleted: true,
                ..parser
            }),
            "is deleted",
        ),
    ] {
        let notes = diff(&wanted, &known).notes;
        assert!(notes.len() == 1 && notes[0].contains(words), "{notes:?}");
    }
}

/// The parser that is there is of other pages than the job of its name asks for.
#[test]
fn what_a_replacement_comes_to_follows_from_its_job() {
    use JobState::{Cancelled, Creating, Failed, Finished, Generating, Parked, Queued};
    let (before, now, third) = (books(), other_page(), {
        let urls = vec![format!("{PAGE}3")];
        JobSpec { urls, ..books() }
    });
    let urls = Value::from(before.urls.clone());
    let parser = AppliedParser {
        urls: Some(&urls),
        fields: before.fields.as_ref(),
        ..AppliedParser::default()
    };
    let (same, left, again) = ((Verb::Same, 0), (Verb::InFlight, 0), (Verb::Replace, 1));
    let cancel = (Verb::Cancel, 0);
    for (state, is_fixed, as_asked, as_before, otherwise) in [
        (Queued, false, same, cancel, (Verb::EditWaiting, 1)),
        (Parked, false, same, cancel, (Verb::EditWaiting, 1)),
        (Queued, true, left, left, left),
        (Creating, false, same, left, left),
        (Generating, false, same, left, left),
        // What was made is worth less than what is there.
        (Finished, false, same, same, again),
        (Failed, false, again, cancel, again),
        (Failed, true, left, left, left),
        (Cancelled, false, again, same, again),
    ] {
        let known = Known {
            state: Some(state),
            is_fixed,
            is_replacing: true,
            asked: Some(&now),
            parser: Some(parser),
            ..Known::default()
        };
        let wanted = [(&now, as_asked), (&before, as_before), (&third, otherwise)];
        for (wanted, expected) in wanted {
            assert_eq!(
                verb_and_creates(wanted, &known),
                expected,
                "{state} {is_fixed}"
            );
            // The parser that the file names is the one that is to go.
            let adopting = JobSpec {
                parser_id: Some("p".to_owned()),
                ..wanted.clone()
            };
            assert_eq!(verb_and_creates(&adopting, &known), expected, "{state}");
        }
    }
}
