//! Updates that are not done, what goes with a renamed field, and the digest of a plan.

use serde_json::json;

use super::*;
use crate::core::job::{JobId, ParserId};

#[test]
fn an_update_that_is_not_done_is_under_way_or_in_the_way() {
    let renamed = json!([field("c", "1"), field("b", "2")]);
    let made = asked_of(&books());
    for (wanted, action, target, expected) in [
        // What it is to be, or nothing in particular.
        (
            asking(renamed.clone()),
            Action::Update,
            Some(&renamed),
            Verb::Same,
        ),
        (inferring(), Action::Update, Some(&renamed), Verb::Same),
        (
            renaming(renamed.clone(), "c", "a"),
            Action::Update,
            Some(&renamed),
            Verb::Same,
        ),
        (books(), Action::Update, Some(&renamed), Verb::InFlight),
        (books(), Action::Update, None, Verb::InFlight),
        (books(), Action::Delete, None, Verb::InFlight),
        (other_page(), Action::Update, Some(&renamed), Verb::InFlight),
    ] {
        let asked = books();
        let known = Known {
            state: Some(JobState::Finished),
            asked: Some(&asked),
            parser: Some(AppliedParser {
                urls: Some(&made.0),
                fields: made.1.as_ref(),
                ..AppliedParser::default()
            }),
            open: Some(OpenChange {
                action,
                is_waiting: false,
                target,
            }),
            ..Known::default()
        };
        let under_way = diff(&wanted, &known);
        let verb = (under_way.verb, under_way.creates);
        assert_eq!(verb, (expected, 0), "{wanted:?}");
        assert_eq!(under_way.notes.len(), 1, "{under_way:?}");
        // One that waits can be cancelled; a delete was asked for by its name.
        let open = known.open.map(|open| OpenChange {
            is_waiting: true,
            ..open
        });
        let waiting = diff(&wanted, &Known { open, ..known });
        let is_cancelled = expected == Verb::InFlight && action == Action::Update;
        let expected = if is_cancelled { Verb::Cancel } else { expected };
        assert_eq!((waiting.verb, waiting.creates), (expected, 0), "{wanted:?}");
        assert_eq!(waiting.cancels_update, is_cancelled, "{waiting:?}");
    }
}

fn asked_of(spec: &JobSpec) -> (Value, Option<Value>) {
    (Value::from(spec.urls.clone()), spec.fields.clone())
}

#[test]
fn an_expectation_goes_with_a_renamed_field_and_another_waits_for_the_update() {
    let asked = JobSpec {
        expect: Some(json!({"a": {"min_items": 1}})),
        ..books()
    };
    let known = Known {
        state: Some(JobState::Finished),
        asked: Some(&asked),
        ..Known::default()
    };
    let renamed = renaming(json!([field("c", "1"), field("b", "2")]), "c", "a");
    for (expect, notes) in [
        (json!({"c": {"min_items": 1}}), 0),
        (json!({"c": {"min_items": 2}}), 1),
    ] {
        let wanted = JobSpec {
            expect: Some(expect),
            ..renamed.clone()
        };
        let diff = diff(&wanted, &known);
        assert_eq!((diff.verb, diff.settings.len()), (Verb::UpdateFree, 0));
        assert_eq!(diff.notes.len(), notes, "{:?}", diff.notes);
    }
}

#[test]
fn a_digest_is_another_with_everything_that_a_plan_depends_on() {
    let digest = |wanted: &JobSpec, record: &Record| {
        let mut digest = PlanDigest::default();
        digest.add(wanted, record, &record.diff(wanted));
        digest.finish()
    };
    let job = RecordedJob {
        id: JobId(1),
        revision: 3,
        state: JobState::Finished,
        is_in_doubt: false,
        parser_id: Some(ParserId("p".to_owned())),
        error_kind: None,
        spec: Some(books()),
    };
    let parser = RecordedParser {
        parser_id: ParserId("p".to_owned()),
        latest_version: Some(0),
        urls: None,
        scraper_params: None,
        params_unknown: false,
        fields: books().fields,
        is_deleted: false,
    };
    let record = |job: &RecordedJob, parser: &RecordedParser| Record {
        job: Some(job.clone()),
        parser: Some(parser.clone()),
        open: None,
        failed_change: None,
        has_conflict: false,
    };
    let before = record(&job, &parser);
    let other_job = |change: fn(&mut RecordedJob)| {
        let mut job = job.clone();
        change(&mut job);
        record(&job, &parser)
    };
    let other_parser = |change: fn(&mut RecordedParser)| {
        let mut parser = parser.clone();
        change(&mut parser);
        record(&job, &parser)
    };
    let protected = JobSpec {
        protect: Some(true),
        ..books()
    };
    let labelled = JobSpec {
        labels: Some([("team".to_owned(), "a".to_owned())].into()),
        ..books()
    };
    let digests = [
        digest(&books(), &before),
        digest(&books(), &Record::default()),
        digest(&books(), &other_job(|job| job.revision = 4)),
        digest(&books(), &other_job(|job| job.id = JobId(2))),
        digest(
            &books(),
            &other_parser(|parser| parser.latest_version = Some(1)),
        ),
        digest(
            &books(),
            &other_parser(|parser| parser.parser_id = ParserId("q".to_owned())),
        ),
        digest(&protected, &before),
        digest(&labelled, &before),
        digest(&inferring(), &before),
    ];
    let distinct: std::collections::HashSet<_> = digests.iter().collect();
    assert_eq!(distinct.len(), digests.len());
    assert_eq!(digest(&books(), &before), digests[0]);
}
