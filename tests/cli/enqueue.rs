//! `parserd enqueue`.

use std::io::Write as _;
use std::process::Stdio;

use super::place::{Ended, Place, finished, generating, job_line};

const TWO: &str = r#"
[[jobs]]
name = "a"
urls = ["https://example.com/a"]

[[jobs]]
name = "b"
urls = ["https://example.com/b"]
"#;

const BAD: &str = r#"
[[jobs]]
name = "c"
urls = ["https://example.com/c"]

[[jobs]]
name = "d"
urls = []

[[jobs]]
urls = ["ftp://example.com/e"]
"#;

#[test]
fn the_same_file_twice_adds_nothing_the_second_time() {
    let place = Place::new();
    place.file("jobs.toml", TWO);
    let first = place.run(&["enqueue", "jobs.toml"]).is(0);
    assert_eq!(first.out, "", "messages go to standard error");
    first.says(&["2 added (up to 2 x 30,000 = 60,000 credits), 0 already there"]);
    place
        .run(&["enqueue", "jobs.toml"])
        .is(0)
        .says(&["0 added, 2 already there"]);
    let twice = place
        .run(&["enqueue", "--json", "jobs.toml", "jobs.toml"])
        .is(0);
    assert_eq!(twice.json()["unchanged"], 4);
    assert_eq!(twice.json()["files"][1]["file"], "jobs.toml");
}

#[test]
fn a_bad_file_names_every_bad_job_with_its_line_and_the_good_files_still_load() {
    let place = Place::new();
    place.file("bad.toml", BAD);
    place.file("good.jsonl", &job_line("g"));
    let ended = place
        .run(&["enqueue", "--json", "bad.toml", "good.jsonl"])
        .is(65);
    let summary = ended.json();
    assert_eq!(summary["files"][0]["bad"][0]["line"], 6);
    assert_eq!(summary["files"][0]["bad"][0]["name"], "d");
    assert_eq!(summary["files"][1]["added"], 1);
    let jobs = place.run(&["jobs", "--json"]).is(0).json();
    assert_eq!(jobs.as_array().unwrap().len(), 1, "all or nothing per file");
}

#[test]
fn a_bad_file_alone_makes_no_database() {
    let place = Place::new();
    place.file("bad.toml", BAD);
    place
        .run(&["enqueue", "bad.toml", "absent.toml"])
        .is(65)
        .says(&["absent.toml: cannot be read"]);
    assert!(!place.path("parserd.db").exists());
}

#[tokio::test]
async fn a_job_that_reads_otherwise_is_told_with_the_cure_and_keeps_no_other_out() {
    let place = Place::new();
    place
        .jobs(vec![
            ("a", vec![]),
            ("b", generating("b")),
            ("f", finished("f")),
        ])
        .await;
    place.file(
        "jobs.toml",
        &format!(
            "{TWO}{}",
            TWO.replace("\"a\"", "\"n\"").split("\n\n").next().unwrap()
        ),
    );
    let told = [
        "jobs.toml: line 2: job \"a\": is there already (job 1, QUEUED) and reads otherwise: \
         `parserd plan jobs.toml` shows the difference, `parserd apply jobs.toml` makes it so",
        "jobs.toml: line 6: job \"b\": is there already (job 2, GENERATING)",
        "1 added",
        "2 there and left, though the file reads otherwise",
    ];
    let ended = place
        .run(&["enqueue", "--json", "jobs.toml"])
        .is(0)
        .says(&told);
    let json = ended.json();
    assert_eq!(json["files"][0]["otherwise"][1]["line"], 6);
    let many: Vec<_> = (0..25).map(|n| format!("many {n}")).collect();
    let names: Vec<_> = many.iter().map(|name| (name.as_str(), vec![])).collect();
    place.jobs(names).await;
    let other = many
        .iter()
        .map(|name| job_line(name).replace("page", "other") + "\n");
    place.file("many.jsonl", &other.collect::<String>());
    let told = ["line 20: job", "many.jsonl: and 5 jobs more"];
    let ended = place.run(&["enqueue", "many.jsonl"]).is(0).says(&told);
    assert!(!ended.err.contains("line 21: "), "{}", ended.err);
}

#[test]
fn a_dry_run_says_the_same_and_changes_nothing() {
    let place = Place::new();
    place.file("jobs.toml", TWO);
    place.file("again.jsonl", &job_line("a"));
    let dry = |files: &[&str]| {
        let mut args = vec!["enqueue", "--dry-run"];
        args.extend(files);
        place.run(&args)
    };
    dry(&["jobs.toml", "jobs.toml"]).is(0).says(&[
        "2 would be added",
        "2 already there",
        "nothing was changed",
    ]);
    assert!(!place.path("parserd.db").exists());
    let other = "reads otherwise on line 2 of an earlier file";
    dry(&["jobs.toml", "again.jsonl"])
        .is(0)
        .says(&["again.jsonl: line 1", other]);
    place.run(&["enqueue", "jobs.toml"]).is(0);
    dry(&["again.jsonl"])
        .is(0)
        .says(&["is there already (job 1, QUEUED) and reads otherwise"]);
    dry(&["jobs.toml"])
        .is(0)
        .says(&["0 would be added, 2 already there"]);
}

#[test]
fn a_file_that_changes_only_labels_says_for_how_many_jobs() {
    let place = Place::new();
    let labelled = |team: &str| {
        let job = |name: &str, team: &str| {
            format!(
                "{{\"name\": \"{name}\", \"urls\": [\"https://example.com/{name}\"], \
                 \"labels\": {{\"team\": \"{team}\"}}}}\n"
            )
        };
        [job("a", team), job("b", team), job("c", "same")].concat()
    };
    place.file("jobs.jsonl", &labelled("x"));
    place.run(&["enqueue", "jobs.jsonl"]).is(0);
    place.file("jobs.jsonl", &labelled("y"));
    let said = "3 already there (other labels for 2)";
    place
        .run(&["enqueue", "--dry-run", "jobs.jsonl"])
        .is(0)
        .says(&["0 would be added", said]);
    let summary = place.run(&["enqueue", "--json", "jobs.jsonl"]).is(0);
    assert_eq!(summary.json()["relabelled"], 2);
    place
        .run(&["enqueue", "jobs.jsonl"])
        .is(0)
        .says(&["0 added, 3 already there"]);
}

/// `count` jobs that no other test file has.
fn many(count: usize) -> String {
    let jobs = (0..count).map(|n| job_line(&format!("many {n}")) + "\n");
    jobs.collect()
}

fn piped(place: &Place, args: &[&str], text: &str) -> Ended {
    let mut command = place.command(args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    Ended::from(child.wait_with_output().unwrap())
}

#[test]
fn a_fault_behind_thousands_of_lines_leaves_nothing_behind() {
    const MANY: usize = 12_000;
    let place = Place::new();
    let last = format!("jobs.jsonl: line {}: ", MANY + 1);
    place.file("jobs.jsonl", &(many(MANY) + "{}"));
    place.run(&["enqueue", "jobs.jsonl"]).is(65).says(&[&last]);
    assert!(!place.path("parserd.db").exists());
    // A name within the file, and one of the database.
    let other = job_line("many 7").replace("page", "other");
    place.file("jobs.jsonl", &(many(MANY) + &other));
    let within = "line 8 holds a different job of this name";
    let files: &[&[&str]] = &[&["enqueue"], &["enqueue", "--dry-run"], &["plan"]];
    for args in files {
        let ended = place.run(&[*args, &["jobs.jsonl"]].concat());
        ended.is(65).says(&[&last, within]);
    }
    place.file("taken.jsonl", &job_line("taken"));
    place.run(&["enqueue", "taken.jsonl"]).is(0);
    let taken = job_line("taken").replace("page", "other");
    place.file("jobs.jsonl", &(many(MANY) + &taken));
    for (args, said) in [
        (&["enqueue", "--dry-run"][..], "12,000 would be added"),
        (&["enqueue"], "12,000 added"),
        (&["enqueue"], "0 added"),
    ] {
        let ended = place.run(&[args, &["jobs.jsonl"]].concat());
        let told = "is there already (job 1, QUEUED) and reads otherwise";
        ended.is(0).says(&[&last, told, said]);
    }
}

#[test]
fn what_can_be_read_only_once_is_read_like_a_file() {
    let place = Place::new();
    let text = many(3000) + &job_line("many 5");
    let note = "line 3001: job \"many 5\" is the same as on line 6";
    let paths: &[&str] = if cfg!(unix) {
        &["-", "/dev/stdin"]
    } else {
        &["-"]
    };
    for (path, said) in paths.iter().zip(["3,000 added", "3,000 already there"]) {
        let ended = piped(&place, &["enqueue", path], &text);
        ended.is(0).says(&[note, said]);
    }
}

/// As Ctrl-C does, or the OOM killer.
#[cfg(unix)]
#[test]
fn killed_on_its_way_it_has_added_all_or_nothing() {
    use rustix::process::{Pid, Signal, kill_process};
    const MANY: usize = 20_000;
    let place = Place::new();
    place.file("first.jsonl", &job_line("first"));
    place.run(&["enqueue", "first.jsonl"]).is(0);
    place.file("jobs.jsonl", &many(MANY));
    // Its presence keeps the log.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let neighbour = runtime.block_on(place.store());
    let written = || place.path("parserd.db-wal").metadata().unwrap().modified();
    for signal in [Signal::INT, Signal::KILL] {
        let before = written().unwrap();
        let mut command = place.command(&["enqueue", "jobs.jsonl"]);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut is_alive = true;
        while is_alive && written().unwrap() == before {
            is_alive = child.try_wait().unwrap().is_none();
            std::thread::yield_now();
        }
        // Jobs are being written, or it was too quick.
        if is_alive {
            kill_process(Pid::from_child(&child), signal).unwrap();
        }
        child.wait().unwrap();
        let jobs = place.run(&["jobs", "--json"]).is(0).json();
        let count = jobs.as_array().unwrap().len();
        assert!([1, MANY + 1].contains(&count), "{count}");
    }
    let added = place.run(&["enqueue", "jobs.jsonl", "--json"]).is(0).json();
    assert_eq!(
        added["added"].as_u64().unwrap() + added["unchanged"].as_u64().unwrap(),
        20_000
    );
    let jobs = place.run(&["jobs", "--json"]).is(0).json();
    assert_eq!(jobs.as_array().unwrap().len(), MANY + 1);
    runtime.block_on(neighbour.close());
}

#[test]
fn standard_input_is_read_in_the_format_that_is_given_or_seen() {
    let place = Place::new();
    let enqueue = |args: &[&str], text: &str| piped(&place, args, text);
    let csv = "name,urls\nc,https://example.com/c\n";
    enqueue(&["enqueue", "-", "--format", "csv"], csv)
        .is(0)
        .says(&["1 added"]);
    enqueue(&["enqueue", "-"], TWO).is(0).says(&["2 added"]);
    enqueue(&["enqueue", "-"], "")
        .is(65)
        .says(&["-: the file is empty"]);
    enqueue(&["enqueue", "-", "--format", "yaml"], "")
        .is(2)
        .says(&["toml, json, jsonl, csv"]);
    enqueue(&["enqueue"], "").is(2);
}

/// As with `parserd enqueue --json bad.toml | true`.
#[cfg(unix)]
#[test]
fn that_nobody_reads_changes_no_verdict() {
    let place = Place::new();
    place.file("bad.toml", BAD);
    // More than a pipe or a buffer holds.
    place.file("many.jsonl", &"{}\n".repeat(2000));
    let key = [("PARSERD__API__KEY", "a-key-of-no-use")];
    let check: &[&str] = &[
        "--set",
        "api.base_url=http://127.0.0.1:1",
        "--set",
        "enqueue.files=bad.toml",
        "check",
    ];
    for (args, code) in [
        (&["enqueue", "--json", "bad.toml"][..], 65),
        (&["enqueue", "--json", "many.jsonl"], 65),
        (&["plan", "bad.toml"], 65),
        (&["plan", "--json", "many.jsonl"], 65),
        (check, 1),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = place.command(args);
        let ended = command.envs(key).stdout(writer).output().unwrap();
        let printed = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(code), "{args:?}: {printed}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_name_steers_no_terminal_and_is_whole_in_json() {
    let place = Place::new();
    let name = "a\nerror: all is \u{1b}[31mlost\u{202e}.toml";
    place.file(name, BAD);
    place.file(&name.replace(".toml", ".jsonl"), &many(1));
    let files = [name, &name.replace(".toml", ".jsonl")];
    let ended = place.run(&["enqueue", "--json", files[0], files[1]]).is(65);
    let shown = "a\\nerror: all is \\u{1b}[31mlost\\u{202e}.toml: line 6";
    assert!(ended.err.contains(shown), "{}", ended.err);
    let is_raw =
        |text: &str| text.contains(['\u{1b}', '\u{202e}']) || text.contains("\nerror: all");
    assert!(!is_raw(&ended.err) && !is_raw(&ended.out), "{}", ended.err);
    assert_eq!(ended.json()["files"][0]["file"], name);
    for args in [&["enqueue", "--dry-run", name][..], &["plan", name]] {
        let ended = place.run(args);
        assert!(!is_raw(&ended.err) && !is_raw(&ended.out), "{}", ended.err);
    }
}

#[test]
fn a_directory_for_temporary_files_that_is_not_there_is_not_the_files_fault() {
    let place = Place::new();
    // More than is kept in memory.
    place.file("jobs.jsonl", &many(20_000));
    let absent = place.path("absent");
    let enqueue = |directory: &str| {
        place.run_with(
            &[("TMPDIR", directory), ("TMP", directory)],
            &["enqueue", "jobs.jsonl"],
        )
    };
    let ended = enqueue(absent.to_str().unwrap()).is(1);
    ended.says(&["absent: ", "create it, or set TMPDIR to a directory"]);
    std::fs::create_dir(&absent).unwrap();
    enqueue(absent.to_str().unwrap())
        .is(0)
        .says(&["20,000 added"]);
}

#[test]
fn names_that_look_alike_are_pointed_out() {
    let place = Place::new();
    let lines = [job_line("Books"), job_line("books")].join("\n");
    place.file("jobs.jsonl", &lines);
    place.run(&["enqueue", "jobs.jsonl"]).is(0).says(&[
        "warning: jobs.jsonl: line 2: job \"books\" differs from \"Books\" on line 1 only in case",
        "2 added",
    ]);
    // And those that are there already, from another day's file.
    place.file(
        "more.jsonl",
        &[job_line("BOOKS"), job_line("caf\u{e9} 1")].join("\n"),
    );
    let ended = place.run(&["enqueue", "more.jsonl"]).is(0);
    let there = |name: &str, id: u8, other: &str| {
        format!("more.jsonl: line 1: job \"{name}\" differs from job {id}, \"{other}\", only in")
    };
    ended.says(&[
        &there("BOOKS", 1, "Books"),
        &there("BOOKS", 2, "books"),
        "2 added",
    ]);
    place.file("most.jsonl", &job_line("cafe\u{301}  1"));
    let dry = &["enqueue", "--dry-run", "most.jsonl"];
    for args in [&dry[..], &["enqueue", "most.jsonl"]] {
        let ended = place.run(args).is(0);
        ended.says(&["differs from job 4, \"caf\u{e9} 1\" (caf\\u{e9} 1), only in case"]);
    }
    let again = place.run(&["enqueue", "more.jsonl"]).is(0);
    assert!(!again.err.contains("differs"), "{}", again.err);
}
