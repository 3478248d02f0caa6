//! What the commands print on a queue with a job in each state.

use super::{assert_text, one_of_each, session, typed, without};
use crate::cli::{
    place::{KEY, Place, job_line},
    terminal::shown_at,
};
use crate::common::{Harness, program::parserd};

/// What a command shows on a terminal of so many columns, without colour.
fn on_terminal(place: &Place, width: u16, args: &[&str]) -> String {
    let mut command = place.command(args);
    command.env("TERM", "dumb");
    let shown = shown_at(width, command).replace('\r', "");
    without(&shown, place.directory.path())
}

#[tokio::test]
async fn status() {
    let place = one_of_each().await;
    for width in [40, 80] {
        let text = on_terminal(&place, width, &["status"]);
        assert_text(&format!("status-{width}"), &text);
    }
    let limits = [
        "--set",
        "budget.max_credits=60000",
        "--set",
        "budget.max_credits_per_day=0",
        "status",
    ];
    assert_text("status-limits", &session(&place, &[&limits]));
}

#[tokio::test]
async fn jobs() {
    let place = one_of_each().await;
    for width in [40, 80, 160] {
        let text = on_terminal(&place, width, &["jobs"]);
        assert_text(&format!("jobs-{width}"), &text);
    }
}

#[tokio::test]
async fn show() {
    let place = one_of_each().await;
    for (job, name) in [
        ("done", "finished"),
        ("broken", "failed"),
        ("poor", "parked"),
        ("doubt", "in-doubt"),
        ("which", "ambiguous"),
    ] {
        let text = on_terminal(&place, 80, &["show", job]);
        assert_text(&format!("show-{name}"), &text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plan() {
    let place = one_of_each().await;
    place.file("new.jsonl", &[job_line("new"), job_line("done")].join("\n"));
    let harness = Harness::new(&[]).await;
    std::fs::write(harness.directory.path().join("new.jsonl"), job_line("new")).unwrap();
    let asked = typed(parserd(&harness, &["plan", "new.jsonl"]));
    assert_text("plan-80", &on_terminal(&place, 80, &["plan"]));
    let alone = session(&place, &[&["plan"], &["plan", "new.jsonl"]]);
    assert_text("plan", &(alone + &asked));
}

const BAD: &str = r#"
[[jobs]]
name = "a"
urls = ["https://example.com/a"]

[[jobs]]
name = "b"
urls = []

[[jobs]]
urls = ["ftp://example.com/c"]
feilds = [{ name = "title" }]
"#;

#[tokio::test]
async fn enqueue() {
    let place = one_of_each().await;
    place.file("bad.toml", BAD);
    place.file("cut.json", "[{\"name\": \"a\"");
    place.file("good.jsonl", &job_line("good"));
    let other = job_line("waits").replace("/page", "/other");
    place.file("other.jsonl", &other);
    let commands: &[&[&str]] = &[
        &["enqueue", "--dry-run", "good.jsonl"],
        &[
            "enqueue",
            "bad.toml",
            "cut.json",
            "absent.toml",
            "good.jsonl",
        ],
        &["enqueue", "other.jsonl"],
    ];
    assert_text("enqueue", &session(&place, commands));
}

#[tokio::test]
async fn operate() {
    let place = one_of_each().await;
    let commands: &[&[&str]] = &[
        &["retry", "--dry-run", "broken", "poor"],
        &["retry", "broken"],
        &["retry", "done", "makes", "nobody"],
        &["resume", "--dry-run"],
        &["resume"],
        &["cancel", "doubt"],
        &["cancel", "--all"],
    ];
    assert_text("operate", &session(&place, commands));
}

#[tokio::test]
async fn resolve() {
    let place = one_of_each().await;
    let commands: &[&[&str]] = &[
        &["resolve", "waits"],
        &["resolve", "doubt"],
        &["resolve", "doubt", "--adopt", "p1"],
        &["resolve", "doubt", "--not-created"],
        &["resolve", "which"],
        &["resolve", "which", "--adopt", "p1", "--force"],
    ];
    assert_text("resolve", &session(&place, commands));
}

#[tokio::test(flavor = "multi_thread")]
async fn check() {
    let place = one_of_each().await;
    place.file("good.jsonl", &job_line("a"));
    place.file("bad.jsonl", "{}\n");
    place.file(
        "my.toml",
        &format!(
            "[api]\nbase_url = 'http://127.0.0.1:1'\nkey = '{KEY}'\n\
             [budget]\nmax_credits = 1\n[enqueue]\nfiles = ['*.jsonl', 'none/*.csv']\n"
        ),
    );
    let faults = session(&place, &[&["--config", "my.toml", "check"]]);
    let harness = Harness::new(&[]).await;
    let well = typed(parserd(&harness, &["check"]));
    assert_text("check", &(faults + &well));
}

#[test]
fn demo() {
    let place = Place::new();
    let output = place.command(&["demo"]).output().unwrap();
    // How many creates meet an account without credits, and what standard error tells
    // meanwhile, is as the jobs take turns.
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"(?m)^(\d+ +\S+ +[A-Z]+ +\S+ +)\d", "${1}N");
    settings.add_filter(r"\d+ create requests", "N create requests");
    settings.add_filter(r"(?m)(?:\d+ s ago|now)$", "AGO");
    settings.add_filter(r"(?:\d+ s ago|now) +", "AGO  ");
    settings.add_filter(r"UPDATED +NOTE", "UPDATED  NOTE");
    settings.bind(|| assert_text("demo", &String::from_utf8(output.stdout).unwrap()));
}
