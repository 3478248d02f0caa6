//! Every state with every event: one literal table.

use super::*;

/// Every kind of job, and its column in [`TABLE`]; none for those that no event moves.
pub(super) fn jobs() -> Vec<(Option<usize>, Job)> {
    let mut jobs = vec![
        (Some(0), queued()),
        (Some(1), creating()),
        (Some(3), generating()),
        (Some(4), parked(ParkReason::Ambiguous)),
        (Some(5), parked_in_doubt()),
        (Some(6), parked(ParkReason::Credits)),
        (Some(6), parked(ParkReason::Unauthorized)),
        (Some(6), parked(ParkReason::Budget)),
        (Some(9), requested(queued())),
        (None, finished()),
        (None, cancelled()),
    ];
    jobs.extend(
        DoubtCause::ALL
            .iter()
            .map(|cause| (Some(2), in_doubt(*cause))),
    );
    jobs.extend(ErrorKind::ALL.iter().map(|kind| {
        let may_finish = matches!(
            kind,
            ErrorKind::GenerationTimeout | ErrorKind::UnexpectedResponse | ErrorKind::PoorResult
        );
        (Some(if may_finish { 8 } else { 7 }), failed(*kind))
    }));
    // Set to QUEUED by SQL, after it FAILED and was edited.
    jobs.extend(ErrorKind::ALL.iter().map(|kind| {
        let mut job = requested(failed(*kind));
        job.progress.state = JobState::Queued;
        (Some(9), job)
    }));
    jobs
}

/// One of which something was said by SQL.
fn requested(mut job: Job) -> Job {
    job.requested = Requested {
        retry: true,
        edit: true,
    };
    job
}

/// Every event, with its variants, under the names of [`TABLE`].
pub(super) fn events() -> Vec<(&'static str, Event)> {
    let throttled = |retry_after_ms| Refusal::Throttled { retry_after_ms };
    let created = |version| CreateOutcome::Created {
        parser_id: id("p1"),
        version,
    };
    let over = |until| OverBudget {
        until,
        message: "over".to_owned(),
    };
    let generating = |status: Option<&str>| PollOutcome::Generating {
        unknown_status: status.map(ToOwned::to_owned),
    };
    let answered = Event::CreateAnswered;
    let polled = Event::Polled;
    let gone = |evidence| Event::Missing(words(Some(404)), evidence);
    let seen = |evidence| reconciled(evidence, NOW);
    vec![
        ("listed absent", listed(Presence::Absent)),
        (
            "listed one",
            listed(Presence::One(listed_parser("p1", false))),
        ),
        ("listed several", listed(several(&["p1", "p2"]))),
        ("listed its own", listed(Presence::Own(id("p1")))),
        (
            "listed what is meant",
            listed(Presence::Meant(id("p1"), Some(2))),
        ),
        (
            "listed suspects",
            listed(Presence::Suspects(vec![id("p1")])),
        ),
        ("listed unresolved", listed(Presence::Unresolved)),
        ("listed inconclusive", listed(Presence::Inconclusive)),
        (
            "list 401",
            Event::ListRefused(Refusal::Unauthorized, words(Some(401))),
        ),
        (
            "list 402",
            Event::ListRefused(Refusal::Credits, words(Some(402))),
        ),
        (
            "list 429",
            Event::ListRefused(throttled(None), words(Some(429))),
        ),
        ("over the day's budget", Event::OverBudget(over(Some(NOW)))),
        ("over the budget", Event::OverBudget(over(None))),
        ("over the share", Event::OverShare("it is spent".to_owned())),
        ("out of credits", Event::OutOfCredits(words(None))),
        ("unusable", Event::Unusable("urls".to_owned())),
        ("created", answered(created(Some(0)))),
        ("created, no version", answered(created(None))),
        (
            "rejected",
            answered(CreateOutcome::Rejected(words(Some(400)))),
        ),
        (
            "create 401",
            answered(CreateOutcome::Refused(
                Refusal::Unauthorized,
                words(Some(401)),
            )),
        ),
        (
            "create 402",
            answered(CreateOutcome::Refused(Refusal::Credits, words(Some(402)))),
        ),
        (
            "create 429",
            answered(CreateOutcome::Refused(throttled(None), words(Some(429)))),
        ),
        ("not sent", answered(CreateOutcome::NotSent(words(None)))),
        (
            "create 500",
            answered(CreateOutcome::InDoubt(
                Unknown::ServiceError,
                words(Some(500)),
            )),
        ),
        (
            "create 503, later",
            answered(CreateOutcome::Unavailable {
                cause: Unknown::AnswerLost,
                retry_after_ms: 5_000,
                words: words(Some(503)),
            }),
        ),
        (
            "answer lost",
            answered(CreateOutcome::InDoubt(Unknown::AnswerLost, words(None))),
        ),
        ("foreseen to work", foreseen(Verdict::Ok)),
        ("foreseen to fail", foreseen(Verdict::Gone)),
        ("foreseen: unknown", foreseen(Verdict::Unknown)),
        ("unforeseen", Event::Unforeseen(words(None))),
        ("interrupted", Event::Interrupted),
        ("seen one", seen(Evidence::One(id("p1"), None))),
        (
            "seen several",
            seen(Evidence::Several(vec![id("p1"), id("p2")])),
        ),
        (
            "seen suspects",
            seen(Evidence::Suspects(vec![id("p1")], "cut")),
        ),
        ("seen absent", seen(Evidence::Absent)),
        ("seen inconclusive", seen(inconclusive())),
        ("no list", seen(Evidence::NoList)),
        ("poll FINISHED", polled(PollOutcome::Finished(examples()))),
        ("poll FAILED", polled(PollOutcome::Failed(words(Some(200))))),
        ("poll GENERATING", polled(generating(None))),
        ("poll PAUSED", polled(generating(Some("PAUSED")))),
        ("poll 404", polled(PollOutcome::NotFound(words(Some(404))))),
        (
            "poll 401",
            polled(PollOutcome::Refused(
                Refusal::Unauthorized,
                words(Some(401)),
            )),
        ),
        (
            "poll 402",
            polled(PollOutcome::Refused(Refusal::Credits, words(Some(402)))),
        ),
        (
            "poll 429",
            polled(PollOutcome::Refused(throttled(Some(7)), words(Some(429)))),
        ),
        ("poll 500", polled(PollOutcome::Trouble(words(Some(500))))),
        (
            "poll unreadable",
            polled(PollOutcome::Trouble(words(Some(200)))),
        ),
        ("poll lost", polled(PollOutcome::Trouble(words(None)))),
        (
            "blocked",
            Event::CameToNothing {
                words: ErrorDetail {
                    status: Some(200),
                    message: "blocked".to_owned(),
                },
                scraper_params: None,
            },
        ),
        ("404, listed", gone(Evidence::One(id("p1"), None))),
        ("404, another listed", gone(Evidence::One(id("p2"), None))),
        (
            "404, listed twice",
            gone(Evidence::Several(vec![id("p1"), id("p2")])),
        ),
        ("404, absent", gone(Evidence::Absent)),
        ("404, inconclusive", gone(inconclusive())),
        ("404, no list", gone(Evidence::NoList)),
        ("404, elsewhere", Event::Elsewhere(words(Some(404)))),
        ("alone", Event::PolledAlone(words(Some(503)))),
        ("checking", Event::Checking(words(Some(503)))),
        ("lifted", Event::Lifted),
        ("account back", Event::AccountBack),
        ("broken", Event::Broken("no name".to_owned())),
        ("retried", Event::Retried),
        ("cancelled", Event::Cancelled),
        ("taken in", Event::TakenIn),
        ("adopt", Event::Adopt(id("p9"))),
        (
            "took effect",
            Event::TookEffect {
                version: Some(4),
                is_last: true,
            },
        ),
        ("not created", Event::NotCreated),
    ]
}

fn foreseen(verdict: Verdict) -> Event {
    Event::Foreseen {
        record: Record {
            at: NOW,
            foreseen: found(verdict),
        },
        effective_params: None,
    }
}

fn examples() -> Finished {
    Finished {
        version: Some(0),
        generated_at: Some(NOW - 1),
        example_result: serde_json::value::RawValue::from_string("[{}]".to_owned()).ok(),
        lack: None,
        judgement: None,
        fields: None,
        made_from: None,
        in_use: None,
        replaces: None,
    }
}

/// Ignored.
const I: &str = "ignored";

/// QUEUED, CREATING, CREATING in doubt, GENERATING, PARKED ambiguous, the same in doubt, PARKED
/// otherwise, FAILED, FAILED with a parser that may still finish, and one of which something was
/// said by SQL. Every event is ignored by every other kind of job.
#[rustfmt::skip]
const TABLE: &[(&str, [&str; 10])] = &[
    ("listed absent",          ["CREATING, intent, -", I, I, I, I, I, I, I, I, I]),
    ("listed one",             ["GENERATING, -, -", I, I, I, I, I, I, I, I, I]),
    ("listed several",         ["PARKED ambiguous, -, -", I, I, I, I, I, I, I, I, I]),
    ("listed its own",         ["GENERATING, -, -", I, I, I, I, I, I, I, I, I]),
    ("listed what is meant",   ["GENERATING, -, -", I, I, I, I, I, I, I, I, I]),
    ("listed suspects",        ["PARKED ambiguous, -, -", I, I, I, I, I, I, I, I, I]),
    ("listed unresolved",      ["CREATING in doubt, -, -", I, I, I, I, I, I, I, I, I]),
    ("listed inconclusive",        ["QUEUED, -, -", I, I, I, I, I, I, I, I, I]),
    ("list 401",               ["PARKED unauthorized, -, unauthorized", I, I, I, I, I, I, I, I, I]),
    ("list 402",               ["PARKED credits, -, credits", I, I, I, I, I, I, I, I, I]),
    ("list 429",               ["QUEUED, -, throttled", I, I, I, I, I, I, I, I, I]),
    ("over the day's budget",  ["PARKED budget, -, -", I, I, I, I, I, I, I, I, I]),
    ("over the budget",        ["PARKED budget, -, -", I, I, I, I, I, I, I, I, I]),
    ("over the share",         [I, I, I, I, I, I, I, I, I, I]),
    ("out of credits",         ["PARKED credits, -, -", I, I, I, I, I, I, I, I, I]),
    ("unusable",               ["FAILED bad_request, -, -", I, I, I, I, I, I, I, I, I]),
    ("created",                [I, "GENERATING, made p1, accepted", "GENERATING, made p1, accepted", I, I, I, I, I, I, I]),
    ("created, no version",    [I, "GENERATING, made p1, accepted", "GENERATING, made p1, accepted", I, I, I, I, I, I, I]),
    ("rejected",               [I, "FAILED bad_request, not made, answered", I, I, I, I, I, I, I, I]),
    ("create 401",             [I, "PARKED unauthorized, not made, unauthorized", I, I, I, I, I, I, I, I]),
    ("create 402",             [I, "PARKED credits, not made, credits", I, I, I, I, I, I, I, I]),
    ("create 429",             [I, "QUEUED, not made, throttled", I, I, I, I, I, I, I, I]),
    ("not sent",               [I, "QUEUED, not made, not connected", I, I, I, I, I, I, I, I]),
    ("create 500",             [I, "CREATING in doubt, -, answered", I, I, I, I, I, I, I, I]),
    ("create 503, later",      [I, "CREATING in doubt, -, throttled", I, I, I, I, I, I, I, I]),
    ("answer lost",            [I, "CREATING in doubt, -, answered", I, I, I, I, I, I, I, I]),
    ("foreseen to work",       ["QUEUED, -, -", I, I, I, I, I, I, I, I, I]),
    ("foreseen to fail",       ["FAILED preflight_failed, -, -", I, I, I, I, I, I, I, I, I]),
    ("foreseen: unknown",      ["QUEUED, -, -", I, I, I, I, I, I, I, I, I]),
    ("unforeseen",             ["QUEUED, -, -", I, I, I, I, I, I, I, I, I]),
    ("interrupted",            [I, "CREATING in doubt, -, -", I, I, I, I, I, I, I, I]),
    ("seen one",               [I, I, "GENERATING, made p1, -", I, I, I, I, I, I, I]),
    ("seen several",           [I, I, "PARKED ambiguous in doubt, -, -", I, I, I, I, I, I, I]),
    ("seen suspects",          [I, I, "CREATING in doubt, -, -", I, I, I, I, I, I, I]),
    ("seen absent",            [I, I, "CREATING in doubt, -, -", I, I, I, I, I, I, I]),
    ("seen inconclusive",          [I, I, "CREATING in doubt, -, -", I, I, I, I, I, I, I]),
    ("no list",                [I, I, "CREATING in doubt, -, -", I, I, I, I, I, I, I]),
    ("poll FINISHED",          [I, I, I, "FINISHED, -, accepted", I, I, I, I, I, I]),
    ("poll FAILED",            [I, I, I, "FAILED generation_failed, -, accepted", I, I, I, I, I, I]),
    ("poll GENERATING",        [I, I, I, "GENERATING, -, accepted", I, I, I, I, I, I]),
    ("poll PAUSED",            [I, I, I, "GENERATING, -, accepted", I, I, I, I, I, I]),
    ("poll 404",               [I, I, I, "GENERATING, -, answered", I, I, I, I, I, I]),
    ("poll 401",               [I, I, I, "GENERATING, -, unauthorized", I, I, I, I, I, I]),
    ("poll 402",               [I, I, I, "GENERATING, -, credits", I, I, I, I, I, I]),
    ("poll 429",               [I, I, I, "GENERATING, -, throttled", I, I, I, I, I, I]),
    ("poll 500",               [I, I, I, "GENERATING, -, answered", I, I, I, I, I, I]),
    ("poll unreadable",        [I, I, I, "GENERATING, -, answered", I, I, I, I, I, I]),
    ("poll lost",              [I, I, I, "GENERATING, -, not connected", I, I, I, I, I, I]),
    ("blocked",                [I, I, I, "FAILED generation_failed, -, accepted", I, I, I, I, I, I]),
    ("404, listed",            [I, I, I, "GENERATING, -, answered", I, I, I, I, I, I]),
    ("404, another listed",    [I, I, I, "GENERATING, -, answered", I, I, I, I, I, I]),
    ("404, listed twice",      [I, I, I, "GENERATING, -, answered", I, I, I, I, I, I]),
    ("404, absent",            [I, I, I, "GENERATING, -, answered", I, I, I, I, I, I]),
    ("404, inconclusive",          [I, I, I, "GENERATING, -, answered", I, I, I, I, I, I]),
    ("404, no list",           [I, I, I, "GENERATING, -, answered", I, I, I, I, I, I]),
    ("404, elsewhere",         [I, I, I, "GENERATING, -, answered", I, I, I, I, I, I]),
    ("alone",                  [I, I, I, "GENERATING, -, answered", I, I, I, I, I, I]),
    ("checking",               [I, I, I, "GENERATING, -, accepted", I, I, I, I, I, I]),
    ("lifted",                 [I, I, I, I, I, I, "QUEUED, -, -", I, I, I]),
    ("account back",           [I, I, I, I, I, "CREATING in doubt, -, -", I, I, I, I]),
    ("broken",                 [I, "FAILED bad_request, -, -", "FAILED bad_request, -, -", "FAILED generation_timeout, -, -", "QUEUED, -, -", "CREATING in doubt, -, -", "QUEUED, -, -", I, I, I]),
    ("retried",                [I, I, I, I, "QUEUED, -, -", "CREATING in doubt, -, -", "QUEUED, -, -", "QUEUED, -, -", "GENERATING, -, -", I]),
    ("cancelled",              ["CANCELLED, -, -", I, I, I, "CANCELLED, -, -", "CANCELLED in doubt, -, -", "CANCELLED, -, -", "CANCELLED, -, -", "CANCELLED, -, -", "CANCELLED, -, -"]),
    ("taken in",               [I, I, I, I, I, I, I, I, I, "QUEUED, -, -"]),
    ("adopt",                  [I, I, "GENERATING, made p9, -", I, "GENERATING, made p9, -", "GENERATING, made p9, -", I, I, I, I]),
    ("took effect",            [I, I, I, I, I, I, I, I, I, I]),
    ("not created",            [I, I, "QUEUED, not made, -", I, "QUEUED, not made, -", "QUEUED, not made, -", I, I, I, I]),
];

#[test]
fn every_state_answers_every_event_as_the_table_says() {
    let events = events();
    let names: Vec<_> = events.iter().map(|(name, _)| *name).collect();
    let rows: Vec<_> = TABLE.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, rows, "a row for every event");
    for ((name, event), (_, row)) in events.iter().zip(TABLE) {
        for (column, job) in jobs() {
            let expected = column.map_or(I, |column| row[column]);
            let found = told(&decided(&job, event.clone(), NOW));
            let found = DoubtCause::ALL.iter().fold(found, |text, cause| {
                text.replace(&format!(" ({cause})"), "")
            });
            // What it FAILED with stays to be read.
            let kind = job
                .progress
                .error_kind
                .map(|kind| format!("CANCELLED {kind}"));
            let found = kind.map_or(found.clone(), |kind| found.replace(&kind, "CANCELLED"));
            let label = format!("{name}: {}", told_of(&job));
            assert_eq!(found, expected, "{label}");
        }
    }
}

pub(super) fn told_of(job: &Job) -> String {
    let progress = &job.progress;
    format!(
        "{} {:?} {:?} {:?}",
        progress.state, progress.park_reason, progress.error_kind, progress.doubt
    )
}
