//! The webhook of the real program.

use std::process::Command;

use parserd::{
    api::client::webhook::{Receiver as HttpReceiver, SignedMessage},
    clock::Clock,
    core::{job::JobState, spec::JobSpec, webhook::Answer},
};
use rustix::process::Signal;

use super::{
    SECRET, fail, make, notifying,
    receiver::{Act, Receiver},
    start, verify,
};
use crate::common::{
    Harness,
    program::{Program, parserd, stderr, written},
    spec,
};

/// A job that works, and one that does not.
async fn enqueue(harness: &Harness) {
    let bad = JobSpec {
        name: "bad".to_owned(),
        urls: vec!["https://bad.example/blocked".to_owned()],
        ..spec(0)
    };
    let store = harness.store().await;
    store.submit(vec![spec(1), bad], false).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_failed_job_is_told_signed_with_why_and_what_next_and_the_log_holds_no_secret() {
    let receiver = Receiver::playing([Act::Answer("500 Oops", String::new())]).await;
    let url = format!(
        "{}?token=hunter2",
        receiver.url.replace("//", "//me:hunter3@")
    );
    let mut harness = notifying(&url).await;
    harness.set("log.level", "trace");
    let program = Program::start(parserd(&harness, &["run"]));
    harness
        .wait_until("it runs", async || {
            String::from_utf8_lossy(&written(&program.stderr)).contains("notices are sent")
        })
        .await;
    enqueue(&harness).await;
    let messages = receiver.wait_for(1).await;
    let message = &messages[0];
    verify(message);
    assert_eq!(message.request_line, "POST /hook?token=hunter2 HTTP/1.1");
    assert_eq!(message.header("content-type"), "application/json");
    let json = message.json();
    assert_eq!(json["type"], "parserd.events");
    let event = &json["data"]["events"][0];
    assert_eq!(event["type"], "failed");
    assert_eq!(event["name"], "bad");
    assert!(!event["why"].as_str().unwrap().is_empty(), "{event}");
    let retry = format!("`parserd retry {}`", event["job_id"]);
    assert!(event["next"].as_str().unwrap().contains(&retry), "{event}");
    let log = || String::from_utf8_lossy(&written(&program.stderr)).into_owned();
    harness
        .wait_until("the failure is logged", async || {
            log().contains("notices cannot be sent: the receiver answered 500")
        })
        .await;
    program.signal(Signal::TERM);
    let output = program.ended().await;
    let log = stderr(&output);
    assert!(output.status.success(), "{log}");
    let secret = SECRET.strip_prefix("whsec_").unwrap();
    for secret in [secret, "demo-key", "hunter2", "hunter3"] {
        assert!(!log.contains(secret), "{log}");
        assert!(!message.body.contains(secret), "{}", message.body);
    }
}

#[tokio::test]
async fn a_receiver_that_never_answers_delays_neither_jobs_nor_the_end() {
    let receiver = Receiver::playing(std::iter::repeat_n(Act::Silence, 100)).await;
    let harness = notifying(&receiver.url).await;
    let program = Program::start(parserd(&harness, &["run"]));
    harness
        .wait_until("it runs", async || {
            String::from_utf8_lossy(&written(&program.stderr)).contains("notices are sent")
        })
        .await;
    enqueue(&harness).await;
    receiver.wait_for(1).await;
    harness
        .await_states(&[(JobState::Finished, 1), (JobState::Failed, 1)])
        .await;
    program.signal(Signal::TERM);
    let output = program.ended().await;
    let log = stderr(&output);
    assert!(output.status.success(), "{log}");
    // It did not wait until the POST was given up.
    assert!(!log.contains("notices cannot be sent"), "{log}");
}

#[tokio::test]
async fn a_run_until_all_is_done_tells_so_before_it_ends() {
    let receiver = Receiver::playing([]).await;
    let harness = notifying(&receiver.url).await;
    // So that there is an end of the history at which the first run begins.
    let output = Program::start(parserd(&harness, &["run", "--until-done"]))
        .ended()
        .await;
    assert!(output.status.success(), "{}", stderr(&output));
    let store = harness.store().await;
    store.submit(vec![spec(1)], false).await.unwrap();
    store.close().await;
    let output = Program::start(parserd(&harness, &["run", "--until-done"]))
        .ended()
        .await;
    assert!(output.status.success(), "{}", stderr(&output));
    let messages = receiver.wait_for(1).await;
    let events = messages[0].json()["data"]["events"].clone();
    assert_eq!(events[0]["type"], "batch_done", "{events}");
    assert_eq!(events[0]["detail"]["finished"], 1, "{events}");
}

#[tokio::test]
async fn a_run_that_waits_to_send_its_last_notices_says_so() {
    let receiver = Receiver::playing([]).await;
    let harness = notifying(&receiver.url).await;
    enqueue(&harness).await;
    let later = "INSERT INTO jobs (name, urls, run_at)
        VALUES ('later', '[\"https://later.example/1\"]', 4000000000000)";
    harness.sql(later).await.unwrap();
    let program = Program::start(parserd(&harness, &["run", "--until-done"]));
    // A POST was sent: the next one has to wait for a minute.
    receiver.wait_for(1).await;
    let cancel = "UPDATE jobs SET state = 'CANCELLED' WHERE name = 'later'";
    harness.sql(cancel).await.unwrap();
    harness
        .wait_until("it says what it waits for", async || {
            let log = written(&program.stderr);
            String::from_utf8_lossy(&log).contains("all is done but the last notices")
        })
        .await;
    program.signal(Signal::TERM);
    program.ended().await;
}

#[tokio::test]
async fn a_run_that_is_done_does_not_wait_for_a_receiver_that_fails() {
    let failing = std::iter::repeat_with(|| Act::Answer("500 Oops", String::new()));
    let receiver = Receiver::playing(failing.take(100)).await;
    let harness = notifying(&receiver.url).await;
    enqueue(&harness).await;
    let output = Program::start(parserd(&harness, &["run", "--until-done"]))
        .ended()
        .await;
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    receiver.wait_for(1).await;
    let untold = "SELECT count(*) || '' FROM job_events, event_cursors AS cursor \
        WHERE cursor.name = 'notify' AND id > event_id AND event = 'batch_done'";
    assert_eq!(harness.sql(untold).await.unwrap(), ["1"]);
}

#[tokio::test]
async fn without_an_address_the_next_webhook_begins_at_the_end() {
    let receiver = Receiver::playing([]).await;
    let mut harness = notifying(&receiver.url).await;
    let known = "SELECT count(*) || '' FROM event_cursors WHERE name = 'notify'";
    for (url, count) in [(receiver.url.as_str(), "1"), ("", "0")] {
        harness.set("notify.url", url);
        let program = Program::start(parserd(&harness, &["run", "--until-done"]));
        let output = program.ended().await;
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(harness.sql(known).await.unwrap(), [count], "{url:?}");
    }
}

#[tokio::test]
async fn check_tells_what_is_wrong_with_the_webhook_and_posts_nothing() {
    let receiver = Receiver::playing([]).await;
    let harness = notifying(&receiver.url).await;
    let origin = receiver.url.trim_end_matches("/hook").to_owned();
    for (key, value, code, expected) in [
        (
            "notify.on",
            "parked",
            0,
            format!("notices go to {origin}, signed: parked"),
        ),
        (
            "notify.url",
            "http://hooks.example.com/hunter2",
            78,
            "unencrypted".to_owned(),
        ),
        (
            "notify.secret_file",
            "",
            78,
            "notify.secret_file is missing".to_owned(),
        ),
        (
            "notify.secret_file",
            "nowhere",
            78,
            "cannot read".to_owned(),
        ),
        ("notify.on", "parkd", 78, "did you mean parked?".to_owned()),
    ] {
        let mut command = parserd(&harness, &["check"]);
        let variable = format!("PARSERD__{}", key.replace('.', "__").to_uppercase());
        command.env(variable, value);
        let output = Program::start(command).ended().await;
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            stderr(&output)
        );
        assert_eq!(output.status.code(), Some(code), "{key} {value}: {text}");
        // Long lines are folded.
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&expected), "{key} {value}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(receiver.messages().is_empty());
}

#[tokio::test]
async fn no_other_reader_may_have_the_webhook_s_cursor() {
    let harness = Harness::new(&[]).await;
    let output = Program::start(parserd(&harness, &["events", "--cursor", "notify"]));
    let output = output.ended().await;
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("the webhook's"),
        "{}",
        stderr(&output)
    );
}

/// The receiver of the book, at a port of the system's choice, which it says first.
fn receiver_of_the_book() -> String {
    let page = include_str!("../../docs/src/watching.md");
    let block = page.split("<!-- test: file receiver.py -->\n```python\n");
    let script = block.last().unwrap().split("```").next().unwrap();
    let end = "http.server.HTTPServer((\"127.0.0.1\", 9000), Receiver).serve_forever()";
    assert!(script.contains(end), "{script}");
    let start = end.replace("9000", "0").replace(".serve_forever()", "");
    let elsewhere = format!(
        "server = {start}\nprint(server.server_address[1], flush=True)\nserver.serve_forever()"
    );
    script.replace(end, &elsewhere)
}

#[tokio::test]
async fn the_receiver_of_the_book_takes_what_is_signed_and_nothing_else() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("left out: there is no python3");
        return;
    }
    let mut harness = notifying("http://127.0.0.1:1/").await;
    let directory = harness.directory.path().to_owned();
    std::fs::write(directory.join("notify_secret"), SECRET).unwrap();
    std::fs::write(directory.join("receiver.py"), receiver_of_the_book()).unwrap();
    let mut command = Command::new("python3");
    command.arg("receiver.py").current_dir(&directory);
    let receiver = Program::start(command);
    let printed = || String::from_utf8_lossy(&written(&receiver.stdout)).into_owned();
    harness
        .wait_until("it listens", async || printed().contains('\n'))
        .await;
    let port = printed().trim().to_owned();
    let url = format!("http://127.0.0.1:{port}/parserd");
    harness.set("notify.url", &url);
    make(&harness).await;
    let sender = start(&harness).await;
    fail(&harness, 1, "from parserd").await;
    harness
        .wait_until("it takes the message", async || {
            printed().contains("failed, bad_request: from parserd - nothing: the job is deleted")
        })
        .await;
    sender.abort();

    let forged = SignedMessage {
        id: "parserd-1-1-x".to_owned(),
        timestamp_s: Clock::system().now() / 1000,
        signature: "v1,AAAA".to_owned(),
        body: r#"{"data":{"events":[{"name":"forged","text":"","next":""}]}}"#.to_owned(),
    };
    let client = HttpReceiver::new(&url.parse().unwrap()).unwrap();
    let answer = client.post(&forged, 0).await;
    assert_eq!(answer, Answer::of_status(401, None));
    assert!(!printed().contains("forged"), "{}", printed());
}
