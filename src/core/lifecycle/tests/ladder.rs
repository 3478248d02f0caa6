//! A FAILED generation gets another create with the parameters that its error calls for.

use super::*;

const BLOCKED: &str = "DownloadError: the page was blocked";

fn with_ladder(max_creates_per_job: i64) -> Policy {
    Policy {
        ladder: Some(Ladder {
            max_creates_per_job,
            ..LADDER
        }),
        ..policy()
    }
}

fn came_to_nothing(error: &str, own: Option<&str>) -> Event {
    Event::CameToNothing {
        words: ErrorDetail {
            status: Some(200),
            message: error.to_owned(),
        },
        scraper_params: own.map(str::to_owned),
    }
}

fn after(job: &Job, event: Event, policy: &Policy) -> Change {
    match decide(job, event, policy, NOW, 0.0) {
        Transition::Change(change) => *change,
        Transition::Ignored(why) => panic!("ignored: {why}"),
    }
}

/// A job that climbs and is created anew each time, as long as its generations FAIL: the
/// parameters that its creates are sent with.
fn climbed(own: Option<&str>, error: &str, max_creates: i64) -> Vec<Option<String>> {
    let policy = with_ladder(max_creates);
    let mut job = generating();
    let mut sent = vec![None];
    for _ in 0..10 {
        job.progress = after(&job, came_to_nothing(error, own), &policy).next;
        if job.progress.state == JobState::Failed {
            return sent;
        }
        assert_eq!(job.progress.state, JobState::Queued);
        sent.push(job.progress.effective_params.clone());
        let recreation = job.progress.recreation;
        let event = Event::Listed {
            presence: Presence::Absent,
            remote_name: format!("{NAME}{recreation}"),
            recreation,
        };
        job.progress = after(&job, event, &policy).next;
        let created = CreateOutcome::Created {
            parser_id: id(&format!("p{recreation}")),
            version: None,
        };
        job.progress = after(&job, Event::CreateAnswered(created), &policy).next;
        assert_eq!(job.progress.state, JobState::Generating);
    }
    panic!("it climbs for ever");
}

#[test]
fn it_climbs_rung_by_rung_until_nothing_more_is_known_to_help_or_allowed() {
    let (premium, ultra) = (r#"{"premium":true}"#, r#"{"ultra_premium":true}"#);
    let table: [(Option<&str>, &str, i64, &[&str]); 8] = [
        (None, BLOCKED, 2, &[premium]),
        (None, BLOCKED, 9, &[premium, ultra]),
        (None, BLOCKED, 1, &[]),
        (Some(premium), BLOCKED, 9, &[ultra]),
        (Some(ultra), BLOCKED, 9, &[]),
        (
            None,
            "no content: needs JavaScript",
            9,
            &[r#"{"render":true}"#],
        ),
        (Some(r#"{"render":true}"#), "no content", 9, &[]),
        (None, "of different page types", 9, &[]),
    ];
    for (own, error, max_creates, expected) in table {
        let sent = climbed(own, error, max_creates);
        let sent: Vec<_> = sent.iter().flatten().map(String::as_str).collect();
        assert_eq!(sent, expected, "{own:?}, {error}, {max_creates}");
    }
}

#[test]
fn a_climb_is_a_recreation_with_a_line_of_history() {
    let mut job = generating();
    job.progress.polls = 7;
    let change = after(
        &job,
        came_to_nothing(BLOCKED, Some(r#"{"country_code":"de"}"#)),
        &with_ladder(2),
    );
    let event = JobEvent::Escalated {
        from: serde_json::json!({"country_code": "de"}),
        to: serde_json::json!({"country_code": "de", "premium": true}),
        why: BLOCKED.to_owned(),
        credits: 30_000,
    };
    assert_eq!(change.event, Some(event));
    assert_eq!(change.ledger, None);
    assert!(change.shows_parser);
    let next = change.next;
    assert_eq!((next.recreation, next.climbs, next.due_at), (1, 1, NOW));
    assert_eq!((next.polls, next.creates), (0, 1));
    // It is asked for before another is paid for.
    assert_eq!(next.parser_id, job.progress.parser_id);
    assert_eq!(next.error_message.as_deref(), Some(BLOCKED));
}

#[test]
fn nothing_climbs_without_cause_and_leave() {
    let adopted = {
        let mut job = generating();
        job.progress.creates = 0;
        job
    };
    let operators = {
        let mut job = generating();
        job.progress.remote_name = None;
        job
    };
    let ladder = with_ladder(2);
    let table = [
        ("no ladder", generating(), policy(), BLOCKED, None),
        ("adopted", adopted, ladder.clone(), BLOCKED, None),
        ("an operator's", operators, ladder.clone(), BLOCKED, None),
        ("no known cause", generating(), ladder.clone(), "boom", None),
        (
            "the plan",
            generating(),
            ladder.clone(),
            "download: your plan does not allow premium proxies",
            None,
        ),
        (
            "unreadable",
            generating(),
            ladder.clone(),
            BLOCKED,
            Some("["),
        ),
    ];
    for (label, job, policy, error, own) in table {
        let next = after(&job, came_to_nothing(error, own), &policy).next;
        assert_eq!(next.state, JobState::Failed, "{label}");
        assert_eq!(next.error_kind, Some(ErrorKind::GenerationFailed));
        assert_eq!((next.recreation, next.climbs), (0, 0), "{label}");
        assert_eq!(next.effective_params, None, "{label}");
    }
    let update = Job {
        action: Action::Update,
        ..generating()
    };
    let event = came_to_nothing(BLOCKED, None);
    let transition = decide(&update, event, &ladder, NOW, 0.0);
    assert!(matches!(transition, Transition::Ignored(_)));
}

#[test]
fn the_hint_of_what_failed_all_the_same_names_the_next_parameter() {
    let mut job = generating();
    job.progress.effective_params = Some(r#"{"premium":true}"#.to_owned());
    let next = after(&job, came_to_nothing(BLOCKED, None), &policy()).next;
    let hint = next.error_hint.unwrap();
    assert!(hint.contains("ultra_premium"), "{hint}");
    assert!(!hint.contains("\"premium\""), "{hint}");
}

/// Two creates a job: a person who has one that FAILED tried again gets two more, with what the
/// ladder came to; one that was PARKED on its way goes on where it was.
#[test]
fn creates_count_from_a_persons_last_word_on_what_failed() {
    let policy = with_ladder(2);
    let mut job = generating();
    job.progress = after(&job, came_to_nothing(BLOCKED, None), &policy).next;
    let climbed = job.clone();
    job.progress.state = JobState::Parked;
    job.progress.park_reason = Some(ParkReason::Budget);
    let resumed = after(&job, Event::Retried, &policy).next;
    assert_eq!(resumed.climbs, 1);

    job.progress = Progress {
        state: JobState::Failed,
        park_reason: None,
        error_kind: Some(ErrorKind::GenerationFailed),
        error_hint: Some("a hint".to_owned()),
        finished_at: Some(NOW),
        ..climbed.progress
    };
    let premium = Some(r#"{"premium":true}"#.to_owned());
    let retried = after(&job, Event::Retried, &policy).next;
    assert_eq!((retried.climbs, &retried.effective_params), (0, &premium));

    // By SQL, which sets the state itself.
    job.progress.state = JobState::Queued;
    job.requested.retry = true;
    let taken_in = after(&job, Event::TakenIn, &policy).next;
    assert_eq!((taken_in.climbs, &taken_in.effective_params), (0, &premium));
}

/// A retry of it takes the tag that the ladder would have taken, and its parameters.
#[test]
fn without_room_in_its_share_a_job_ends_as_it_would_have_without_the_ladder() {
    let policy = with_ladder(2);
    let over = || Event::OverShare("ladder.max_credits_per_day is 0".to_owned());
    let mut job = generating();
    let without = after(
        &job,
        came_to_nothing(BLOCKED, None),
        &Policy {
            ladder: None,
            ..policy.clone()
        },
    );
    job.progress = after(&job, came_to_nothing(BLOCKED, None), &policy).next;
    let change = after(&job, over(), &policy);
    assert_eq!((&change.ledger, &change.event), (&None, &without.event));
    let hint = change.next.error_hint.clone().unwrap();
    for part in ["ladder.max_credits_per_day", r#"{"premium":true}"#] {
        assert!(hint.contains(part), "{hint}");
    }
    let as_without = Progress {
        error_hint: without.next.error_hint.clone(),
        effective_params: None,
        climbs: 0,
        // When it was generated, is of no use any more.
        generating_since: without.next.generating_since,
        ..change.next.clone()
    };
    assert_eq!(as_without, without.next);

    // What was met on the way is not why it FAILED.
    let mut throttled = job.clone();
    throttled.progress.error_status = Some(429);
    throttled.progress.error_message = Some("slow down".to_owned());
    let next = after(&throttled, over(), &policy).next;
    assert_eq!(next.error_status, None);
    assert_eq!(next.error_message.as_deref(), Some("the generation failed"));

    let failed = self::job(change.next);
    let retried = after(&failed, Event::Retried, &policy).next;
    assert_eq!((retried.recreation, retried.climbs), (1, 0));
    let premium = Some(r#"{"premium":true}"#.to_owned());
    assert_eq!(retried.effective_params, premium);
    let transition = decide(&self::job(retried), over(), &policy, NOW, 0.0);
    assert!(matches!(transition, Transition::Ignored(_)));
}

#[test]
fn an_edit_meanwhile_wins() {
    let policy = with_ladder(2);
    let mut job = generating();
    job.progress = after(&job, came_to_nothing(BLOCKED, None), &policy).next;
    job.requested.edit = true;
    let event = Event::Listed {
        presence: Presence::Absent,
        remote_name: NAME.to_owned(),
        recreation: 1,
    };
    let transition = decide(&job, event, &policy, NOW, 0.0);
    assert!(matches!(transition, Transition::Ignored(_)));
    let next = after(&job, Event::TakenIn, &policy).next;
    assert_eq!(next.effective_params, None);
    assert_eq!((next.climbs, next.recreation), (0, 0));
}
