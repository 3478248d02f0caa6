//! The design's table "After POST /parsers", from the raw answer to the state.

use super::*;
use crate::api::{classify, text::Quoter};

fn outcome(reply: RawReply) -> CreateOutcome {
    classify::create(reply, NOW, &Quoter::default())
}

fn after(reply: RawReply) -> Transition {
    decided(&creating(), Event::CreateAnswered(outcome(reply)), NOW)
}

fn changed(reply: RawReply) -> Change {
    change(&creating(), Event::CreateAnswered(outcome(reply)), NOW)
}

const WITH_ID: &str = r#"{"id":"p1","version":0}"#;
const GENERATING: &str = "GENERATING, made p1, accepted";
const REJECTED: &str = "FAILED bad_request, not made, answered";
const OVER_COST: &str = r#"{"error":"This request exceeds your max_cost"}"#;
const LOST: &str = "CREATING in doubt (answer_lost), -, answered";
const SERVICE_ERROR: &str = "CREATING in doubt (service_error), -, answered";
const UNAVAILABLE: &str = "CREATING in doubt (service_error), -, throttled";
const NOT_SENT: &str = "QUEUED, not made, not connected";
const THROTTLED: &str = "QUEUED, not made, throttled";
const UNAUTHORIZED: &str = "PARKED unauthorized, not made, unauthorized";
const CREDITS: &str = "PARKED credits, not made, credits";

#[test]
fn every_answer_to_a_create_leads_where_the_design_says() {
    let rows = [
        // 2xx with an id.
        (http(200, WITH_ID), GENERATING),
        (http(201, WITH_ID), GENERATING),
        (http(202, WITH_ID), GENERATING),
        (http(204, WITH_ID), GENERATING),
        (http(299, WITH_ID), GENERATING),
        (cut(201, WITH_ID), GENERATING),
        (http(201, r#"{"id":"p1"}"#), GENERATING),
        (http(201, r#"{"id":"p1","version":"none"}"#), GENERATING),
        (
            http(201, r#"{"id":"not-a/UUID é"}"#),
            "GENERATING, made not-a/UUID é, accepted",
        ),
        (http(201, r#"{"id":42}"#), "GENERATING, made 42, accepted"),
        // Refused, and nothing made.
        (http(400, "urls: at most 3"), REJECTED),
        (http(404, ""), REJECTED),
        (http(405, ""), REJECTED),
        (http(409, ""), REJECTED),
        (http(410, ""), REJECTED),
        (http(413, ""), REJECTED),
        (http(415, ""), REJECTED),
        (http(422, r#"{"detail":"name"}"#), REJECTED),
        (http(400, WITH_ID), REJECTED),
        // The account.
        (http(401, ""), UNAUTHORIZED),
        (http(402, ""), CREDITS),
        (http(403, "<html>quota</html>"), CREDITS),
        (http(403, OVER_COST), REJECTED),
        (http(402, OVER_COST), REJECTED),
        (http(429, ""), THROTTLED),
        (http_later(429, "7"), THROTTLED),
        (http_later(429, "soon"), THROTTLED),
        // The connection was never made.
        (connection_refused(), NOT_SENT),
        // Anything else is in doubt.
        (http(500, ""), SERVICE_ERROR),
        (http(500, WITH_ID), SERVICE_ERROR),
        (cut(500, "half"), SERVICE_ERROR),
        (http(501, ""), LOST),
        (http(502, "<html>Bad Gateway</html>"), LOST),
        (http(503, ""), LOST),
        (http(504, ""), LOST),
        (http(524, ""), LOST),
        (cut(503, "half"), LOST),
        (http(499, ""), LOST),
        (http_later(500, "7"), UNAVAILABLE),
        (http_later(500, "soon"), SERVICE_ERROR),
        (http(408, ""), LOST),
        (http(425, ""), LOST),
        (http(418, ""), LOST),
        (http(100, ""), LOST),
        (http(301, ""), LOST),
        (http(307, WITH_ID), LOST),
        (connection_reset(), LOST),
        (timed_out(), LOST),
        (cut(201, r#"{"id":"p1","#), LOST),
        (ended(201, r#"{"id":"p"#, BodyEnd::TimedOut), LOST),
        (ended(201, r#"{"x":""#, BodyEnd::OverCap(9)), LOST),
        (http(201, "created"), LOST),
        (http(201, r#"["p1"]"#), LOST),
        (http(200, ""), LOST),
        (http(201, r#"{"version":0}"#), LOST),
        (http(201, r#"{"id":null}"#), LOST),
        (http(201, r#"{"id":""}"#), LOST),
        (http(204, ""), LOST),
    ];
    for (reply, expected) in rows {
        let label = format!("{reply:?}");
        assert_eq!(told(&after(reply)), expected, "{label}");
    }
}

#[test]
fn id_and_version_are_stored_with_the_state_and_version_0_is_a_version() {
    for (body, version) in [
        (WITH_ID, Some(0)),
        (r#"{"id":"p1","version":3}"#, Some(3)),
        (r#"{"id":"p1","version":"3"}"#, Some(3)),
        (r#"{"id":"p1","version":null}"#, None),
        (r#"{"id":"p1"}"#, None),
    ] {
        let next = changed(http(201, body)).next;
        assert_eq!(next.parser_id, Some(id("p1")), "{body}");
        assert_eq!(next.parser_version, version, "{body}");
        assert_eq!(next.generating_since, Some(NOW), "{body}");
        assert_eq!(next.due_at, NOW + 10_000, "the first poll");
    }
}

#[test]
fn the_words_of_the_service_are_kept_with_its_status() {
    for (reply, status, message) in [
        (
            http(400, r#"{"error":"urls: 4"}"#),
            Some(400),
            Some("urls: 4"),
        ),
        (http(402, "no credits"), Some(402), Some("no credits")),
        (http(500, "boom"), Some(500), Some("boom")),
        (connection_refused(), None, Some("refused")),
        (http(201, WITH_ID), None, None),
    ] {
        let next = changed(reply).next;
        assert_eq!(next.error_status, status);
        assert_eq!(next.error_message.as_deref(), message);
    }
}

#[test]
fn what_was_throttled_or_never_sent_is_no_attempt_and_waits_longer_each_time() {
    for reply in [http(429, ""), http_later(429, "0"), connection_refused()] {
        let mut held = creating();
        for expected in [2_000, 4_000, 8_000, 16_000] {
            let event = Event::CreateAnswered(outcome(reply.clone()));
            assert_eq!(handle_event(&mut held, event, NOW), expected, "{reply:?}");
            assert_eq!(held.progress.attempts, 0);
            held.progress.state = JobState::Creating;
        }
    }
}

#[test]
fn an_outage_fails_no_job_however_long() {
    let mut held = queued();
    for n in 0..2_000 {
        handle_event(&mut held, listed(Presence::Absent), NOW + n);
        let event = Event::CreateAnswered(outcome(connection_refused()));
        let waits = handle_event(&mut held, event, NOW + n);
        assert_eq!(held.progress.state, JobState::Queued);
        assert!(waits <= 300_000, "{waits}");
    }
    assert_eq!((held.progress.attempts, held.progress.creates), (0, 0));
}

#[test]
fn what_retry_after_asks_for_is_told_to_the_gate_and_not_kept_by_the_job() {
    for (header, asked_ms) in [
        ("7", Some(7_000)),
        ("1", Some(1_000)),
        ("0", Some(0)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
        ("86401", Some(86_400_000)),
        ("soon", None),
    ] {
        let change = changed(http_later(429, header));
        assert_eq!(change.next.due_at - NOW, 2_000, "{header}");
        let retry_after_ms = asked_ms;
        let refusal = Refusal::Throttled { retry_after_ms };
        assert_eq!(change.signal, Some(Signal::Refused(refusal)), "{header}");
    }
}

#[test]
fn only_a_request_that_was_sent_counts_as_a_create() {
    for (reply, creates) in [
        (http(201, WITH_ID), 1),
        (http(400, ""), 1),
        (http(429, ""), 1),
        (http(500, ""), 1),
        (timed_out(), 1),
        (connection_refused(), 0),
    ] {
        assert_eq!(changed(reply).next.creates, creates);
    }
}

#[test]
fn a_parked_job_says_what_a_person_can_do() {
    for (reply, hint) in [
        (http(401, ""), "correct it and restart"),
        (http(403, ""), "add some"),
    ] {
        let next = changed(reply).next;
        assert!(next.error_hint.unwrap().contains(hint));
        assert_eq!(next.due_at, NOW, "the last to be a canary again");
        assert_eq!(next.attempts, 0);
    }
}

#[test]
fn a_rejected_job_says_what_fits_the_services_words() {
    let no_premium = "Your current plan does not allow you to use our premium proxies";
    for (reply, hint) in [
        (http(400, "urls: at most 3"), "correct name"),
        (http(400, no_premium), "correct name"),
        (http(403, no_premium), "remove premium"),
        (http(403, OVER_COST), "raise max_cost"),
    ] {
        let label = format!("{reply:?}");
        let next = changed(reply).next;
        assert!(next.error_hint.unwrap().contains(hint), "{label}");
    }
}

#[test]
fn a_limit_of_the_account_parks_the_job_and_keeps_the_services_text() {
    let refused = CreateOutcome::Refused(Refusal::AccountLimit, words(Some(400)));
    let change = change(&creating(), Event::CreateAnswered(refused), NOW);
    let told = told(&Transition::Change(Box::new(change.clone())));
    assert_eq!(told, "PARKED credits, not made, account limit");
    let next = change.next;
    assert_eq!(next.error_message.as_deref(), Some("the words"));
    assert!(next.error_hint.unwrap().contains("about the account"));
}

#[test]
fn a_create_in_doubt_is_looked_for_soon_and_starts_without_proof() {
    for (reply, first_look_ms) in [(http(500, ""), 1_000), (timed_out(), 30_000)] {
        let next = changed(reply).next;
        let doubt = next.doubt.unwrap();
        assert_eq!(doubt, Doubt::new(doubt.cause, NOW));
        assert_eq!(next.due_at, NOW + first_look_ms);
        assert_eq!(next.attempts, 0, "not before it is known");
    }
}

#[test]
fn an_answer_that_names_the_parser_ends_a_doubt_and_no_other_answer_does() {
    for (reply, expected) in [
        (http(201, WITH_ID), GENERATING),
        (http(400, ""), "ignored"),
        (http(402, ""), "ignored"),
        (http(429, ""), "ignored"),
        (http(500, ""), "ignored"),
        (connection_refused(), "ignored"),
        (timed_out(), "ignored"),
    ] {
        let doubted = in_doubt(DoubtCause::Interrupted);
        let event = Event::CreateAnswered(outcome(reply));
        assert_eq!(told(&decided(&doubted, event, NOW)), expected);
    }
}
