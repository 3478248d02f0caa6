//! No word is split at the edge of a terminal, whatever its width, and a low window is not overfull.

use std::process::Command;

use super::{
    place::{Place, finished, generation_failed, job_line, out_of_credits},
    terminal::shown_at,
};
use crate::common::{Harness, program::parserd};

const WIDTHS: [u16; 3] = [40, 80, 160];

/// What a command shows on a terminal without colour.
fn shown(width: u16, mut command: Command) -> String {
    command.env("TERM", "dumb");
    shown_at(width, command).replace('\r', "")
}

/// The lines that have no room, and are not a single word that has none.
fn too_wide(width: u16, text: &str) -> Vec<&str> {
    let is_too_wide = |line: &&str| {
        let is_a_word = !line.trim().contains(' ');
        line.chars().count() > usize::from(width) && !is_a_word
    };
    text.lines().filter(is_too_wide).collect()
}

#[track_caller]
fn assert_folded(width: u16, text: &str) {
    assert!(!text.trim().is_empty());
    let lines = too_wide(width, text);
    assert!(lines.is_empty(), "{width}: {lines:#?}\n{text}");
}

/// What each command shows, and what is wrong with a value. What is for programs (JSON, CSV, scripts)
/// is as wide as it is.
const SHOWN: &[&[&str]] = &[
    &[],
    &["--help"],
    &["help", "run"],
    &["apply", "--help"],
    &["apply", "--yes", "--free-only", "more.jsonl"],
    &["backup", "--help"],
    &["backup", "given.jsonl"],
    &["cancel", "--dry-run", "broken"],
    &["cancel", "nobody"],
    &["check"],
    &["completions", "tcsh"],
    &["draft", "none.txt"],
    &["enqueue", "--dry-run", "more.jsonl"],
    &["enqueue", "bad.jsonl"],
    &["events"],
    &["events", "--type", "finsihed"],
    &["init"],
    &["jobs"],
    &["jobs", "--failed"],
    &["jobs", "--fields", "name,state,urls,error_message"],
    &["jobs", "--fields", "name,stat"],
    &["jobs", "--state", "DONE"],
    &["jobs", "--error-kind", "generation"],
    &["jobs", "--since", "99999y"],
    &["jobs", "--name", "["],
    &["jobs", "--label", "team"],
    &["parsers"],
    &["parsers", "--quality", "god"],
    &["parsers", "pin", "done", "7"],
    &["parsers", "pin", "nobody", "7"],
    &["parsers", "delete", "nobody"],
    &["parsers", "import", "--all"],
    &["plan"],
    &["plan", "more.jsonl"],
    &["preflight", "--dry-run", "more.jsonl"],
    &["resolve", "done"],
    &["resolve", "nobody"],
    &["resume", "--dry-run"],
    &["retry", "--dry-run", "broken"],
    &["retry", "done"],
    &["retry", "--state", "FAILED"],
    &["run"],
    &["run", "--until-don"],
    &["show", "broken"],
    &["show", "done"],
    &["show", "nobody"],
    &["show", "poor"],
    &["simulate", "--listen", "nowhere"],
    &["simulate", "--fault", "create los"],
    &["simulate", "control", "--at", "http://127.0.0.1:1"],
    &["status"],
    &["status", "--by", "host"],
    &["status", "--by", "hosts"],
    &["wait"],
    &["wait", "--timeout", "2"],
    &["--set", "budget.max_creditz=1", "status"],
    &["--set", "poll.timeout=2", "status"],
    &["shwo"],
];

#[tokio::test]
async fn every_command_folds_at_each_width() {
    let place = Place::new();
    place
        .jobs(vec![
            ("done", finished("done")),
            ("broken", generation_failed("broken")),
            ("poor", out_of_credits("poor")),
        ])
        .await;
    place.file("more.jsonl", &job_line("more"));
    place.file(
        "bad.jsonl",
        "{\"name\": \"bad\", \"urls\": [], \"prioritty\": 1}",
    );
    let mut wrong = Vec::new();
    for width in WIDTHS {
        for args in SHOWN {
            let text = shown(width, place.command(args));
            assert!(!text.trim().is_empty(), "{args:?}");
            let lines = too_wide(width, &text);
            wrong.extend(lines.iter().map(|line| format!("{width} {args:?}: {line}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_demo_folds_and_ends_with_what_a_parser_found() {
    let place = Place::new();
    for width in WIDTHS {
        let text = shown(width, place.command(&["demo"]));
        assert_folded(width, &text);
        let (story, rest) = text.split_once("\nID ").expect(&text);
        assert!(story.contains("quotes-author: found parser"), "{story}");
        let lines = story.lines().count();
        assert!(width < 80 || lines <= 30, "{lines} lines: {story}");
        let (_, found) = rest
            .split_once("What the parser books-product")
            .expect(rest);
        assert!(found.contains("  title"), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn run_says_on_a_terminal_what_happens_in_words() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(2).await;
    let text = shown(80, parserd(&harness, &["run", "--until-done"]));
    assert_folded(80, &text);
    for name in ["job-0", "job-1"] {
        let words = format!(" s  {name}: finished, the parser is ready");
        assert_eq!(text.matches(&words).count(), 1, "{text}");
    }
    assert!(text.contains("`parserd parsers`"), "{text}");
    assert!(!text.contains("job=1"), "{text}");
    // The bar ends with all jobs counted.
    harness.enqueue(4).await;
    let mut command = parserd(&harness, &["run", "--until-done"]);
    command.env("TERM", "xterm-256color");
    let text = shown_at(80, command);
    let (before, _) = text.rsplit_once(" done  ").expect(&text);
    assert!(before.ends_with("4/4"), "{text}");
    // Whoever asks for a format, or for more, has the log.
    for setting in ["log.format=json", "log.format=text", "log.level=debug"] {
        harness.enqueue(5).await;
        let args = ["--set", setting, "run", "--until-done"];
        let text = shown(160, parserd(&harness, &args));
        assert!(!text.contains(" s  job-"), "{setting}: {text}");
        assert!(text.contains("INFO"), "{setting}: {text}");
    }
}
