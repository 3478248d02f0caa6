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

/// Whether each line has room, or is a single word that has none.
#[track_caller]
fn assert_folded(width: u16, text: &str) {
    assert!(!text.trim().is_empty());
    for line in text.lines() {
        let is_a_word = !line.trim().contains(' ');
        let columns = line.chars().count();
        assert!(
            columns <= usize::from(width) || is_a_word,
            "{width}: {line}\n{text}"
        );
    }
}

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
    for width in WIDTHS {
        for args in [
            &["status"][..],
            &["check"],
            &["plan", "more.jsonl"],
            &["show", "nobody"],
            &["retry", "done"],
            &["--set", "budget.max_creditz=1", "status"],
        ] {
            assert_folded(width, &shown(width, place.command(args)));
        }
    }
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
    // Whoever asks for a format, or for more, has the log.
    for setting in ["log.format=json", "log.format=text", "log.level=debug"] {
        harness.enqueue(3).await;
        let args = ["--set", setting, "run", "--until-done"];
        let text = shown(160, parserd(&harness, &args));
        assert!(!text.contains(" s  job-"), "{setting}: {text}");
        assert!(text.contains("INFO"), "{setting}: {text}");
    }
}
