//! What is shown on a terminal and nowhere else: bars, colour, tables of its width.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::{Child, Command, Stdio},
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use super::place::{Place, finished, generation_failed, job_line, out_of_credits};

const ESCAPE: char = '\u{1b}';

/// Runs a command on a terminal of 60 columns; what is shown there.
fn shown(command: Command) -> String {
    shown_at(60, command)
}

pub fn shown_at(width: u16, command: Command) -> String {
    let (mut child, terminal) = begun(width, command);
    let shown = read_all(terminal);
    child.wait().unwrap();
    shown
}

/// Everything that is shown until the command ends.
fn read_all(mut terminal: File) -> String {
    let mut shown = Vec::new();
    // A terminal that nobody has open any more cannot be read.
    let _ends_with_an_error = terminal.read_to_end(&mut shown);
    String::from_utf8(shown).unwrap()
}

/// A command on a terminal of so many columns, and the terminal.
fn begun(width: u16, command: Command) -> (Child, File) {
    begun_with(width, command, false)
}

/// The same, and whether what is typed there is the command's input.
fn begun_with(width: u16, mut command: Command, is_typed: bool) -> (Child, File) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let size = Winsize {
        ws_row: 24,
        ws_col: width,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&terminal, size).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let path = name.to_str().unwrap();
    let end = || Stdio::from(File::options().read(true).write(true).open(path).unwrap());
    let child = command
        .stdin(if is_typed { end() } else { Stdio::null() })
        .stdout(end())
        .stderr(end())
        .spawn()
        .unwrap();
    // It holds the other end, and with it the terminal open.
    drop(command);
    (child, File::from(terminal))
}

fn on_terminal(place: &Place, args: &[&str]) -> String {
    let mut command = place.command(args);
    command.env("TERM", "xterm-256color");
    shown(command)
}

/// How a command ended to whose question this was typed, and what was shown.
fn answered(place: &Place, args: &[&str], answer: &str) -> (Option<i32>, String) {
    let (mut child, mut terminal) = begun_with(120, place.command(args), true);
    terminal.write_all(answer.as_bytes()).unwrap();
    let output = read_all(terminal);
    (child.wait().unwrap().code(), output)
}

async fn some_jobs() -> Place {
    let place = Place::new();
    let name = "a-name-that-is-longer-than-there-is-room-for-on-a-narrow-terminal";
    place
        .jobs(vec![
            (name, finished(name)),
            ("broken", generation_failed("broken")),
            ("poor", out_of_credits("poor")),
        ])
        .await;
    place
}

#[tokio::test]
async fn states_have_colour_on_a_terminal_only_and_not_where_that_is_unwanted() {
    let place = some_jobs().await;
    for args in [&["jobs"][..], &["status"], &["show", "broken"]] {
        let output = on_terminal(&place, args);
        assert!(output.contains(ESCAPE), "{args:?}: {output}");
        assert!(output.contains("FAILED"), "{args:?}: {output}");
        for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let mut command = place.command(args);
            command.env("TERM", "xterm-256color").env(name, value);
            let output = shown(command);
            assert!(!output.contains(ESCAPE), "{args:?} {name}: {output}");
        }
        let piped = place.run_with(&[("TERM", "xterm-256color")], args).is(0);
        assert!(!piped.out.contains(ESCAPE), "{args:?}: {}", piped.out);
    }
}

#[tokio::test]
async fn a_table_is_as_wide_as_the_terminal_at_the_most() {
    let place = some_jobs().await;
    let mut command = place.command(&["jobs"]);
    command.env("TERM", "dumb");
    let output = shown(command);
    assert!(output.contains("FAILED generation_failed"), "{output}");
    assert!(output.contains("a-name-"), "{output}");
    for line in output.lines() {
        assert!(line.chars().count() <= 60, "{line}");
    }
}

#[tokio::test]
async fn a_narrow_terminal_has_few_columns_and_short_lines() {
    let place = some_jobs().await;
    place.file("more.jsonl", &job_line("more"));
    for width in [24, 40, 50] {
        for args in [&["jobs"][..], &["status"], &["plan", "more.jsonl"]] {
            let mut command = place.command(args);
            command.env("TERM", "dumb");
            let output = shown_at(width, command);
            for line in output.lines() {
                let is_a_word = !line.trim().contains(' ');
                let columns = line.chars().count();
                assert!(
                    columns <= usize::from(width) || is_a_word,
                    "{line}\n{output}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_person_is_asked_before_two_jobs_are_paid_for_and_a_script_is_not() {
    let place = Place::new();
    place
        .jobs(vec![
            ("a", generation_failed("a")),
            ("b", generation_failed("b")),
        ])
        .await;
    let answered = |args: &[&str], answer: &str| answered(&place, args, answer);
    let both = ["retry", "a", "b"];
    for answer in ["n\n", "\n", "\u{4}"] {
        let (code, output) = answered(&both, answer);
        assert_eq!(code, Some(1), "{output}");
        let question = "retry 2 jobs, for up to 2 x 30,000 = 60,000 credits? [y/N]";
        assert!(output.contains(question), "{output}");
        assert!(output.contains("nothing was changed"), "{output}");
        assert_eq!(place.state("a"), "FAILED");
    }
    // One job, and what costs nothing, is asked about no more than what is known to be meant.
    let (code, output) = answered(&["retry", "a"], "");
    assert!(code == Some(0) && !output.contains('?'), "{output}");
    let (code, output) = answered(&["cancel", "a"], "");
    assert!(code == Some(0) && !output.contains('?'), "{output}");
    place
        .jobs(vec![
            ("c", generation_failed("c")),
            ("d", out_of_credits("d")),
            ("e", out_of_credits("e")),
        ])
        .await;
    let (code, output) = answered(&["retry", "b", "c"], "y\n");
    assert_eq!(code, Some(0), "{output}");
    assert_eq!(place.state("b"), "QUEUED");
    let held = ["resume", "--state", "PARKED", "--all", "--yes"];
    let (code, output) = answered(&held, "");
    assert!(code == Some(0) && !output.contains('?'), "{output}");
    assert_eq!(place.state("d"), "QUEUED");
}

#[tokio::test]
async fn a_person_is_asked_before_parsers_are_deleted() {
    let place = Place::new();
    let ready = |name| (name, finished(name));
    place.jobs(vec![ready("a"), ready("b")]).await;
    let deletes = || {
        let jobs = place.run(&["jobs", "--json"]).is(0).json();
        let jobs = jobs.as_array().unwrap().iter();
        jobs.filter(|job| job["action"] == "delete").count()
    };
    let question = "delete 2 parsers with all versions? This cannot be undone [y/N]";
    for answer in ["n\n", "\n", "\u{4}"] {
        let (code, output) = answered(&place, &["parsers", "delete", "a", "b"], answer);
        assert_eq!(code, Some(1), "{output}");
        assert!(output.contains(question), "{output}");
        assert!(output.contains("nothing was changed"), "{output}");
        assert_eq!(deletes(), 0);
    }
    let (code, output) = answered(&place, &["parsers", "delete", "a", "gone"], "y\n");
    assert!(code == Some(1) && !output.contains('?'), "{output}");
    assert_eq!(deletes(), 0);
    let (code, output) = answered(&place, &["parsers", "delete", "a", "b"], "y\n");
    assert!(code == Some(0) && output.contains(question), "{output}");
    assert_eq!(deletes(), 2);
}

#[tokio::test]
async fn a_person_is_asked_before_a_file_is_applied() {
    let place = Place::new();
    place.jobs(vec![("a", out_of_credits("a"))]).await;
    place.file(
        "more.jsonl",
        &format!("{}\n{}", job_line("b"), job_line("c")),
    );
    let apply = ["apply", "more.jsonl"];
    let question = "make it so, for up to 60,000 credits? [y/N]";
    let jobs = || {
        let jobs = place.run(&["jobs", "--json"]).is(0).json();
        jobs.as_array().unwrap().len()
    };
    for answer in ["n\n", "\n", "\u{4}"] {
        let (code, output) = answered(&place, &apply, answer);
        assert_eq!(code, Some(1), "{output}");
        assert!(output.contains(question), "{output}");
        assert!(output.contains("nothing was changed"), "{output}");
        assert_eq!(jobs(), 1);
    }
    // The plan is shown before the question.
    let (code, output) = answered(&place, &apply, "y\n");
    assert_eq!(code, Some(0), "{output}");
    let (plan, _) = output.split_once(question).expect(&output);
    assert!(plan.contains("+  create   b"), "{plan}");
    assert_eq!(jobs(), 3);
    // Nobody is asked about nothing, nor about what is too much.
    let (code, output) = answered(&place, &apply, "");
    assert!(code == Some(0) && !output.contains("[y/N]"), "{output}");
    place.file("more.jsonl", &job_line("d"));
    let (code, output) = answered(&place, &["apply", "--max-credits", "1", "more.jsonl"], "");
    assert!(code == Some(1) && !output.contains("[y/N]"), "{output}");
    assert_eq!(jobs(), 3);
}

#[tokio::test]
async fn watching_wipes_nothing_that_was_scrolled_away() {
    let place = some_jobs().await;
    let (mut child, mut terminal) = begun(80, place.command(&["status", "--watch"]));
    let (mut output, mut piece) = (String::new(), [0; 4096]);
    // Drawn twice: the second time over the first.
    while output.matches("\u{1b}[H").count() < 2 {
        let read = terminal.read(&mut piece).unwrap();
        output.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(output.contains("\u{1b}[H\u{1b}[J"), "{output:?}");
    // 24 rows: bar and counts come first, and what has no room is counted.
    let frame = output.split("\u{1b}[J").nth(1).unwrap();
    assert!(
        frame.starts_with("[####################..........] 2 of 3 done"),
        "{frame}"
    );
    assert!(frame.matches('\n').count() < 24, "{frame}");
    assert!(
        frame.contains("QUEUED") && frame.contains("more lines: parserd status"),
        "{frame}"
    );
    assert!(!output.contains("\u{1b}[3J"), "{output:?}");
}

#[tokio::test]
async fn the_first_frame_of_a_watch_has_the_pace_of_before() {
    let place = some_jobs().await;
    place.jobs(vec![("waits", vec![])]).await;
    let (mut child, mut terminal) = begun(80, place.command(&["status", "--watch"]));
    let (mut output, mut piece) = (String::new(), [0; 4096]);
    while !output.contains("QUEUED") {
        let read = terminal.read(&mut piece).unwrap();
        output.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Two ended a moment ago: in the shortest time that counts, which is 30 s.
    let bar = " 2 of 4 done, 240 an hour, about 15 s left";
    assert!(output.contains(bar), "{output}");
}

#[test]
fn a_long_file_has_a_bar_and_in_a_pipe_none() {
    let place = Place::new();
    let lines: Vec<_> = (0..5_000).map(|n| job_line(&format!("job-{n}"))).collect();
    place.file("jobs.jsonl", &lines.join("\n"));
    let piped = place.run(&["enqueue", "jobs.jsonl", "--dry-run"]).is(0);
    assert!(!piped.err.contains("checking"), "{}", piped.err);
    let output = on_terminal(&place, &["enqueue", "jobs.jsonl"]);
    assert!(output.contains("checking jobs.jsonl"), "{output}");
    assert!(output.contains("5,000 added"), "{output}");
}

#[test]
fn the_demo_shows_a_bar_under_its_lines_and_ends_with_0() {
    let place = Place::new();
    let mut command = place.command(&["demo"]);
    command.env("TERM", "xterm-256color");
    let (mut child, terminal) = begun(60, command);
    let output = read_all(terminal);
    assert!(output.contains(" done  "), "{output}");
    // Folded at 60 columns.
    let words: Vec<_> = output.split_whitespace().collect();
    let words = words.join(" ");
    assert!(words.contains("0 jobs were paid twice"), "{output}");
    // One job is bound to fail: that is no fault of the demo.
    assert!(output.contains("FAILED"), "{output}");
    assert_eq!(child.wait().unwrap().code(), Some(0), "{output}");
}
