//! The design's table "After GET /parsers/{id}", from the raw answer to the state.

use super::*;
use crate::api::{classify, text::Quoter};

const MINUTE_MS: DurationMs = 60_000;

/// Past `poll.timeout`.
const LATE: UnixMs = NOW + 31 * MINUTE_MS;

fn outcome(reply: RawReply) -> PollOutcome {
    classify::details(&id("p1"), reply, NOW, &Quoter::default())
}

fn polled(reply: RawReply) -> Event {
    Event::Polled(outcome(reply))
}

fn status(status: &str) -> RawReply {
    http(200, &format!(r#"{{"status":{status}}}"#))
}

/// With examples; without them it is asked for once more.
const READY: &str = r#"{"status":"FINISHED","example_result":[]}"#;

const FINISHED: &str = "FINISHED, -, accepted";
const FAILED: &str = "FAILED generation_failed, -, accepted";
const STILL: &str = "GENERATING, -, accepted";
const ANSWERED: &str = "GENERATING, -, answered";
const SILENT: &str = "GENERATING, -, not connected";

#[test]
fn every_answer_to_a_poll_leads_where_the_design_says() {
    let rows = [
        (http(200, READY), FINISHED),
        (http(200, &READY.replace("FINISHED", "FINISED")), FINISHED),
        (
            http(200, &READY.replace("FINISHED", " finished ")),
            FINISHED,
        ),
        (http(204, READY), FINISHED),
        (cut(200, READY), FINISHED),
        // Asked once more for its examples.
        (status(r#""FINISHED""#), STILL),
        (cut(200, r#"{"status":"FINISHED","big":"..."#), STILL),
        (
            ended(
                200,
                r#"{"status":"FINISHED","big":"..."#,
                BodyEnd::OverCap(9),
            ),
            STILL,
        ),
        (status(r#""FAILED""#), FAILED),
        (
            http(
                200,
                r#"{"status":"FAILED","error":null,"generated_at":"2026-01-01T00:00:00.000Z"}"#,
            ),
            FAILED,
        ),
        (status(r#""GENERATING""#), STILL),
        (status(r#""PAUSED""#), STILL),
        (status("7"), STILL),
        (status("null"), STILL),
        (status(r#""""#), STILL),
        (http(200, "{}"), STILL),
        (http(202, "{}"), STILL),
        (http(404, ""), ANSWERED),
        (http(401, ""), "GENERATING, -, unauthorized"),
        (http(402, ""), "GENERATING, -, credits"),
        (http(403, ""), "GENERATING, -, credits"),
        (http(429, ""), "GENERATING, -, throttled"),
        (http(400, ""), ANSWERED),
        (http(408, ""), ANSWERED),
        (http(410, ""), ANSWERED),
        (http(500, ""), ANSWERED),
        (http(502, ""), ANSWERED),
        (http(503, ""), ANSWERED),
        (http(504, ""), ANSWERED),
        (http(307, ""), ANSWERED),
        (http(200, "<html>"), ANSWERED),
        (http(204, ""), ANSWERED),
        (http(200, r#"["FINISHED"]"#), ANSWERED),
        (http(200, r#"{"id":"p2","status":"FINISHED"}"#), ANSWERED),
        (cut(200, r#"{"status":"FINISHED""#), ANSWERED),
        (connection_refused(), SILENT),
        (connection_reset(), SILENT),
        (timed_out(), SILENT),
    ];
    for (reply, expected) in rows {
        let label = format!("{reply:?}");
        let transition = decided(&generating(), polled(reply), NOW);
        assert_eq!(told(&transition), expected, "{label}");
    }
}

#[test]
fn a_parser_older_than_the_timeout_is_given_up_but_not_in_an_outage() {
    const TIMED_OUT: &str = "FAILED generation_timeout, -, ";
    let rows = [
        // What is over is over, however late.
        (status(r#""FINISHED""#), FINISHED.to_owned()),
        (status(r#""FAILED""#), FAILED.to_owned()),
        (status(r#""GENERATING""#), format!("{TIMED_OUT}accepted")),
        (status(r#""PAUSED""#), format!("{TIMED_OUT}accepted")),
        (http(200, "{}"), format!("{TIMED_OUT}accepted")),
        (http(404, ""), format!("{TIMED_OUT}answered")),
        (http(500, ""), format!("{TIMED_OUT}answered")),
        (
            http(200, "<html>"),
            "FAILED unexpected_response, -, answered".to_owned(),
        ),
        (http(502, ""), ANSWERED.to_owned()),
        (http(503, ""), ANSWERED.to_owned()),
        (http(504, ""), ANSWERED.to_owned()),
        (connection_refused(), SILENT.to_owned()),
        (connection_reset(), SILENT.to_owned()),
        (timed_out(), SILENT.to_owned()),
        (http(401, ""), "GENERATING, -, unauthorized".to_owned()),
        (http(402, ""), "GENERATING, -, credits".to_owned()),
        (http(429, ""), "GENERATING, -, throttled".to_owned()),
    ];
    for (reply, expected) in rows {
        let label = format!("{reply:?}");
        let transition = decided(&generating(), polled(reply), LATE);
        assert_eq!(told(&transition), expected, "{label}");
        let Transition::Change(change) = transition else {
            panic!("{label}");
        };
        assert_eq!(change.next.parser_id, Some(id("p1")), "{label}");
    }
}

#[test]
fn the_timeout_passes_to_the_millisecond_and_a_clock_set_back_gives_none_up() {
    for (age_ms, state) in [
        (1_799_999, JobState::Generating),
        (1_800_000, JobState::Failed),
        (-MINUTE_MS, JobState::Generating),
    ] {
        let next = change(&generating(), polled(http(200, "{}")), NOW + age_ms).next;
        assert_eq!(next.state, state, "{age_ms}");
    }
}

#[test]
fn a_finished_parser_brings_its_version_date_and_examples() {
    let body = |rest: &str| http(200, &format!(r#"{{"status":"FINISHED"{rest}}}"#));
    for (rest, version, example) in [
        (r#","example_result":{}"#, Some(0), Some("{}")),
        (r#","version":0,"example_result":1"#, Some(0), Some("1")),
        (r#","version":2,"example_result":1"#, Some(2), Some("1")),
        (r#","example_result":[{"url":"u"}]"#, Some(0), Some("u")),
        (r#","example_results":[{"url":"v"}]"#, Some(0), Some("v")),
        (
            r#","example_result":null,"example_results":["w"]"#,
            Some(0),
            Some("w"),
        ),
    ] {
        let change = change(&generating(), polled(body(rest)), NOW + 5);
        assert_eq!(change.next.parser_version, version, "{rest}");
        assert_eq!(change.next.finished_at, Some(NOW + 5), "{rest}");
        let found = change.example_result.as_ref().map(|raw| raw.get());
        assert_eq!(found.is_some(), example.is_some(), "{rest}");
        assert!(found.unwrap_or("").contains(example.unwrap_or("")));
    }
    let dated = body(r#","generated_at":"2027-01-15T08:00:00.123Z","example_result":[]"#);
    let next = change(&generating(), polled(dated), NOW).next;
    assert_eq!(next.generated_at, Some(NOW + 123));
}

#[test]
fn finishing_clears_what_went_wrong_on_the_way() {
    let mut troubled = generating();
    handle_event(&mut troubled, polled(http(500, "boom")), NOW);
    assert_eq!(troubled.progress.error_message.as_deref(), Some("boom"));
    handle_event(&mut troubled, polled(http(200, READY)), NOW);
    let next = troubled.progress;
    assert_eq!(
        (next.error_status, next.error_message, next.error_hint),
        (None, None, None)
    );
}

#[test]
fn a_failed_generation_keeps_the_services_text_and_gets_a_hint_that_fits() {
    for (error, hint) in [
        (
            "DownloadError: Failed to download u after 3 retries",
            "premium",
        ),
        ("the site blocked us", "premium"),
        ("nothing could be extracted", "render"),
        ("of different page types", "page type"),
    ] {
        let reply = http(200, &format!(r#"{{"status":"FAILED","error":"{error}"}}"#));
        let next = change(&generating(), polled(reply), NOW).next;
        assert_eq!(next.error_message.as_deref(), Some(error));
        assert!(next.error_hint.unwrap().contains(hint), "{error}");
        assert_eq!(next.parser_id, Some(id("p1")));
    }
}

#[test]
fn polls_back_off_to_the_longest_interval() {
    let mut job = generating();
    let waits: Vec<_> = (0..5)
        .map(|_| handle_event(&mut job, polled(http(200, "{}")), NOW))
        .collect();
    assert_eq!(waits, [15_000, 22_500, 30_000, 30_000, 30_000]);
    assert_eq!(job.progress.polls, 5);
}

#[test]
fn trouble_has_a_backoff_of_its_own_that_news_ends() {
    let mut job = generating();
    for reply in [http(503, ""), timed_out(), http(404, ""), http(200, "?")] {
        handle_event(&mut job, polled(reply), NOW);
    }
    assert_eq!(handle_event(&mut job, polled(http(500, "")), NOW), 32_000);
    assert_eq!((job.progress.polls, job.progress.attempts), (0, 0));
    handle_event(&mut job, polled(http(200, "{}")), NOW);
    assert_eq!(job.progress.poll_errors, 0);
    assert_eq!(handle_event(&mut job, polled(http(500, "")), NOW), 2_000);
}

#[test]
fn a_refused_poll_is_due_when_the_gate_opens() {
    for (reply, waits, errors) in [
        (http(401, ""), 0, 0),
        (http(402, ""), 0, 0),
        // Others go first.
        (http(429, ""), 2_000, 1),
        (http_later(429, "9"), 2_000, 1),
        (http_later(429, "1"), 2_000, 1),
    ] {
        let mut job = generating();
        assert_eq!(handle_event(&mut job, polled(reply), NOW), waits);
        assert_eq!((job.progress.polls, job.progress.poll_errors), (0, errors));
    }
}

#[test]
fn what_is_one_parsers_trouble_alone_is_waited_for_no_longer_than_a_generation() {
    let mut job = generating();
    for (n, waits) in [2_000, 4_000].into_iter().enumerate() {
        let event = Event::PolledAlone(words(Some(503)));
        assert_eq!(handle_event(&mut job, event, NOW), waits, "{n}");
    }
    handle_event(&mut job, Event::PolledAlone(words(Some(503))), LATE);
    assert_eq!(job.progress.state, JobState::Failed);
    assert_eq!(job.progress.error_kind, Some(ErrorKind::GenerationTimeout));
}

#[test]
fn for_want_of_examples_no_job_fails_whatever_is_answered_when_they_are_asked_for_again() {
    let lacking = || {
        PollOutcome::Finished(Finished {
            lack: Some(crate::core::outcome::Lack {
                why: "none".to_owned(),
                is_cut: false,
                is_nothing: true,
            }),
            ..Finished::default()
        })
    };
    type Asked = fn() -> Event;
    let again: [Asked; 5] = [
        || Event::Polled(PollOutcome::Trouble(words(Some(500)))),
        || Event::Polled(PollOutcome::Trouble(words(None))),
        || Event::Polled(PollOutcome::NotFound(words(Some(404)))),
        || Event::PolledAlone(words(Some(401))),
        || {
            Event::Polled(PollOutcome::Generating {
                unknown_status: None,
            })
        },
    ];
    for (case, event) in again.into_iter().enumerate() {
        let mut job = generating();
        handle_event(&mut job, Event::Polled(lacking()), NOW);
        for _ in 0..4 {
            handle_event(&mut job, event(), NOW);
            assert_eq!(job.progress.state, JobState::Generating, "{case}");
        }
        handle_event(&mut job, event(), NOW);
        assert_eq!(job.progress.state, JobState::Finished, "{case}");
        assert_eq!(job.progress.error_message, None, "{case}");
    }
}

#[test]
fn an_unknown_status_is_noted_once_and_a_new_one_again() {
    let mut job = generating();
    for (text, noted) in [
        (r#""PAUSED""#, true),
        (r#""PAUSED""#, false),
        (r#""WAITING""#, true),
        (r#""GENERATING""#, false),
        (r#""WAITING""#, true),
    ] {
        let change = change(&job, polled(status(text)), NOW);
        let note = change.event.map(|event| event.name());
        assert_eq!(note, noted.then_some("unknown_status"), "{text}");
        job.progress = change.next;
    }
}

fn missing(evidence: Evidence) -> Event {
    Event::Missing(words(Some(404)), evidence)
}

/// A job whose parser is old enough to be missed.
fn settled() -> Job {
    let mut job = generating();
    job.progress.generating_since = Some(NOW - 30_000);
    job
}

#[test]
fn three_trusted_lists_without_the_parser_end_the_job_and_others_do_not_count() {
    let mut job = settled();
    for (evidence, expected) in [
        (Evidence::Absent, ANSWERED),
        (Evidence::NoList, ANSWERED),
        (inconclusive(), ANSWERED),
        (Evidence::Absent, ANSWERED),
        (Evidence::Absent, "FAILED not_found, -, answered"),
    ] {
        let transition = decided(&job, missing(evidence.clone()), NOW);
        assert_eq!(told(&transition), expected, "{evidence:?}");
        let Transition::Change(change) = transition else {
            panic!("ignored");
        };
        job.progress = change.next;
    }
    assert_eq!(job.progress.parser_id, Some(id("p1")));
    assert_eq!(job.progress.error_status, Some(404));
}

#[test]
fn a_list_or_a_poll_that_shows_the_parser_starts_the_count_anew() {
    for seen in [
        missing(Evidence::One(id("p1"), None)),
        polled(http(200, "{}")),
    ] {
        let mut job = settled();
        for event in [missing(Evidence::Absent), missing(Evidence::Absent), seen] {
            handle_event(&mut job, event, NOW);
        }
        assert_eq!(job.progress.missing_lists, 0);
        assert_eq!(job.progress.state, JobState::Generating);
    }
}

#[test]
fn a_parser_just_made_is_not_missed_yet() {
    let mut job = generating();
    for at in [NOW, NOW + 4_000, NOW + 12_000, NOW + 29_999] {
        handle_event(&mut job, missing(Evidence::Absent), at);
        assert_eq!(job.progress.state, JobState::Generating, "{at}");
    }
    handle_event(&mut job, missing(Evidence::Absent), NOW + 30_000);
    assert_eq!(job.progress.error_kind, Some(ErrorKind::NotFound));
}

#[test]
fn a_parser_that_is_ready_without_examples_is_asked_once_more_and_then_finished() {
    let bare = || status(r#""FINISHED""#);
    let cut = || cut(200, r#"{"status":"FINISHED","example_result":["#);
    for (answers, waits) in [
        (vec![bare(), bare()], vec![10_000]),
        (vec![http(500, "boom"), bare(), bare()], vec![2_000, 10_000]),
        (vec![bare(), http(500, "boom"), bare()], vec![10_000, 4_000]),
        (vec![bare(), http(200, READY)], vec![10_000]),
        (vec![cut(), http(200, READY)], vec![10_000]),
        (
            std::iter::repeat_with(cut).take(6).collect(),
            vec![10_000, 15_000, 22_500, 30_000, 30_000],
        ),
    ] {
        let mut job = generating();
        let mut found = Vec::new();
        let mut told = None;
        for reply in answers.clone() {
            assert_eq!(job.progress.state, JobState::Generating, "{answers:?}");
            let change = change(&job, polled(reply), NOW);
            job.progress = change.next;
            told = change.event;
            found.push(job.progress.due_at - NOW);
        }
        assert_eq!(job.progress.state, JobState::Finished, "{answers:?}");
        assert_eq!(found[..found.len() - 1], waits, "{answers:?}");
        let (_, told) = told.unwrap().to_columns();
        let is_bare =
            !matches!(answers.last(), Some(Ok(answer)) if answer.body.bytes == READY.as_bytes());
        assert_eq!(told.get("no_examples").is_some(), is_bare, "{told}");
        assert_eq!(job.progress.error_message, None);
    }
    // Nor does age make it FAILED.
    let transition = decided(&generating(), polled(cut()), LATE);
    assert_eq!(told(&transition), FINISHED);
}
