//! What may be answered, seen or happen, drawn at random.

use fastrand::Rng;

use super::{
    look::{MOST_PARSERS, parser},
    steps::NAMES,
};
use crate::core::{
    budget::OverBudget,
    gate::{Closure, GateReason},
    job::{Part, UnixMs},
    lifecycle::{Event, Evidence, Look, Presence, Sight},
    made_from::MadeFrom,
    outcome::{
        ChangeOutcome, CreateOutcome, DoubtCause, ErrorDetail, Finished, ListedParser, PollOutcome,
        Refusal,
    },
    quality::{Quality, Wanted, judge},
    sighting::Sighting,
    spec::JobSpec,
};
use crate::store::ports::ELSEWHERE;

/// The name that a create of this job would use.
pub(super) fn remote_name(name: &str, recreation: i64) -> String {
    let spec = JobSpec::from_columns(name, r#"["https://a.example/"]"#, None, None).unwrap();
    spec.remote_name(u32::try_from(recreation).unwrap_or(0), true)
}

pub(super) fn words(rng: &mut Rng) -> ErrorDetail {
    ErrorDetail {
        status: rng
            .choice([None, Some(400), Some(402), Some(500)])
            .flatten(),
        message: rng.choice(["no", "nothing", ELSEWHERE]).unwrap().to_owned(),
    }
}

pub(super) fn listed(rng: &mut Rng) -> ListedParser {
    let name = *rng.choice(&NAMES).unwrap();
    let name = if rng.bool() {
        remote_name(name, rng.i64(0..2))
    } else {
        format!("{name} of another tool")
    };
    ListedParser {
        id: parser(rng.i64(1..=MOST_PARSERS)),
        name,
        version: None,
        failed: false,
        settled: rng.bool(),
    }
}

pub(super) fn create_outcome(rng: &mut Rng) -> CreateOutcome {
    match rng.u8(0..6) {
        0 | 1 => CreateOutcome::Created {
            parser_id: parser(rng.i64(1..=MOST_PARSERS)),
            version: Some(rng.i64(0..3)),
        },
        2 => CreateOutcome::Rejected(words(rng)),
        3 => CreateOutcome::Refused(Refusal::Credits, words(rng)),
        4 => CreateOutcome::NotSent(words(rng)),
        _ => CreateOutcome::InDoubt(DoubtCause::AnswerLost, words(rng)),
    }
}

pub(super) fn evidence(rng: &mut Rng) -> Evidence {
    let id = parser(rng.i64(1..=MOST_PARSERS));
    match rng.u8(0..5) {
        0 => Evidence::One(id, None),
        1 => Evidence::Several(vec![id, parser(rng.i64(1..=MOST_PARSERS))]),
        2 => Evidence::Inconclusive(ELSEWHERE.to_owned()),
        _ => Evidence::Absent,
    }
}

pub(super) fn poll_outcome(rng: &mut Rng) -> PollOutcome {
    match rng.u8(0..5) {
        0 => PollOutcome::Finished(Finished {
            version: Some(1),
            generated_at: None,
            example_result: serde_json::value::to_raw_value(&[1]).ok(),
            lack: None,
            judgement: rng
                .bool()
                .then(|| judge(None, &[], &Wanted::default(), 0.5)),
            fields: None,
            made_from: rng.bool().then(|| {
                let urls = r#"["https://a.example/"]"#.to_owned();
                Box::new(MadeFrom {
                    urls: rng.bool().then_some(urls),
                })
            }),
            in_use: rng
                .choice([None, Some(Quality::Ok), Some(Quality::Bad)])
                .flatten(),
            replaces: rng.bool().then(|| parser(rng.i64(1..=MOST_PARSERS))),
        }),
        1 => PollOutcome::Failed(words(rng)),
        2 => PollOutcome::NotFound(words(rng)),
        3 => PollOutcome::Trouble(words(rng)),
        _ => PollOutcome::Generating {
            unknown_status: None,
        },
    }
}

pub(super) fn event(rng: &mut Rng, now: UnixMs, name: &str) -> Event {
    let recreation = rng.i64(0..2);
    match rng.u8(0..20) {
        16..=19 => change_event(rng, now),
        0..=3 => Event::Listed {
            presence: Presence::Absent,
            remote_name: remote_name(name, recreation),
            recreation,
        },
        4 => Event::Listed {
            presence: Presence::One(listed(rng)),
            remote_name: remote_name(name, recreation),
            recreation,
        },
        5 => Event::ListRefused(Refusal::Unauthorized, words(rng)),
        6 if rng.bool() => Event::OutOfCredits(words(rng)),
        6 => Event::OverBudget(OverBudget {
            until: None,
            message: "too much".to_owned(),
        }),
        7 | 8 => Event::CreateAnswered(create_outcome(rng)),
        9 => Event::Interrupted,
        10 => Event::Reconciled {
            evidence: evidence(rng),
            listed_at: now,
        },
        11 if rng.bool() => Event::CameToNothing {
            words: ErrorDetail {
                status: Some(200),
                message: "blocked".to_owned(),
            },
            scraper_params: None,
        },
        11 => Event::Polled(poll_outcome(rng)),
        12 => Event::Missing(words(rng), evidence(rng)),
        13 => Event::Lifted,
        14 if rng.bool() => Event::OverShare("it is spent".to_owned()),
        14 => Event::AccountBack,
        _ if rng.bool() => Event::NotCreated,
        _ => Event::Adopt(parser(rng.i64(1..=MOST_PARSERS))),
    }
}

/// What happens to a job that changes or deletes a parser.
pub(super) fn change_event(rng: &mut Rng, now: UnixMs) -> Event {
    let version = rng.bool().then(|| rng.i64(0..4));
    let parser_id = parser(rng.i64(1..=MOST_PARSERS));
    let is_last = rng.bool();
    match rng.u8(0..13) {
        12 => Event::TookEffect { version, is_last },
        0..=3 => Event::Looked(Look::Ready {
            part: *rng.choice(Part::ALL).unwrap(),
            parser_id,
            version,
        }),
        4 => Event::Looked(Look::Done { parser_id, version }),
        5 => Event::Looked(Look::Conflict {
            why: "another version".to_owned(),
            parser_id,
            version,
        }),
        6 => Event::Looked(Look::Gone {
            parser_id: rng.bool().then_some(parser_id),
            words: words(rng),
        }),
        7 | 8 => Event::ChangeAnswered {
            outcome: ChangeOutcome::Done { version },
            is_last,
        },
        9 => {
            let outcomes = [
                ChangeOutcome::Rejected(words(rng)),
                ChangeOutcome::NotSent(words(rng)),
                ChangeOutcome::NotFound(words(rng)),
                ChangeOutcome::InDoubt(DoubtCause::AnswerLost, words(rng)),
            ];
            Event::ChangeAnswered {
                outcome: rng.choice(outcomes).unwrap(),
                is_last,
            }
        }
        _ => {
            let sightings = [
                Sight::Seen(Sighting::Unchanged(version)),
                Sight::Seen(Sighting::AsWanted(version)),
                Sight::Gone(words(rng)),
                Sight::Nothing,
            ];
            Event::Sighted {
                sight: rng.choice(sightings).unwrap(),
                seen_at: now,
                is_last,
            }
        }
    }
}

pub(super) fn closure(rng: &mut Rng, now: UnixMs) -> Closure {
    Closure {
        reason: *rng.choice(GateReason::ALL).unwrap(),
        since: now,
        next_probe_at: now + rng.i64(0..9_000),
        interval_ms: 1_000,
    }
}
