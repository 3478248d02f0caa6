//! `parserd status`, `jobs`, `show`.

use parserd::store::Gates as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use parserd::core::{
    gate::{Closure, GateReason, Scope},
    lifecycle::Event,
    outcome::{Finished, Lack, PollOutcome},
};

use super::place::{Place, ambiguous, generating, in_doubt, job_line, jobs_in_each_state};

async fn one_of_each() -> Place {
    let place = Place::new();
    place.jobs(jobs_in_each_state()).await;
    place
}

#[tokio::test]
async fn status_counts_what_is_where_and_what_it_costs() {
    let place = one_of_each().await;
    let store = place.store().await;
    let now = jiff::Timestamp::now().as_millisecond();
    let closure = Closure {
        reason: GateReason::Credits,
        since: now - 120_000,
        next_probe_at: now + 600_000,
        interval_ms: 900_000,
    };
    store.set_gate(Scope::Create, Some(closure)).await.unwrap();
    let status = place.run(&["status", "--json"]).is(0).json();
    assert_eq!(status["states"]["PARKED"], 2);
    assert_eq!(status["states"]["CANCELLED"], 0);
    assert_eq!(status["in_doubt"], 1);
    assert_eq!(status["parked"][0]["reason"], "credits");
    assert_eq!(status["gates"][0]["gate"], "create");
    assert_eq!(status["daemon_running"], false);
    // In doubt, made, made, made; the refused one cost nothing.
    assert_eq!(status["credits"]["spent_today"], 4 * 30_000);
    assert_eq!(status["credits"]["to_come"], 3 * 30_000);
    assert!(status["next"]["poll"].as_i64().unwrap() > now);
    store.close().await;
}

#[tokio::test]
async fn a_list_that_cannot_be_had_is_told_and_no_create_is_promised() {
    let place = Place::new();
    place.jobs(vec![("a", vec![])]).await;
    place
        .sql(
            "INSERT INTO meta (key, value) VALUES ('no_list', \
             '{\"since\":1700000000000,\"http_status\":200,\"why\":\"it is an object\"}')",
        )
        .await;
    let output = place.run(&["status"]).is(0);
    output.prints(&[
        "No list of the account",
        "since 2023-11-14T22:13:20",
        "HTTP 200: it is an object",
        "create as soon as the account's list is available",
    ]);
    let status = place.run(&["status", "--json"]).is(0).json();
    assert_eq!(status["no_list"]["why"], "it is an object");
}

#[tokio::test]
async fn a_parser_without_examples_says_why() {
    let place = Place::new();
    let bare = || {
        Event::Polled(PollOutcome::Finished(Finished {
            lack: Some(Lack {
                why: "they are not JSON".to_owned(),
                is_cut: false,
                is_nothing: false,
            }),
            ..Finished::default()
        }))
    };
    let mut events = generating("books");
    events.extend([bare(), bare()]);
    place.jobs(vec![("books", events)]).await;
    place.run(&["show", "books"]).is(0).prints(&[
        "has no example results yet (they are not JSON); asked once more",
        "no example results are kept: they are not JSON",
        "  none: they are not JSON",
    ]);
}

#[tokio::test]
async fn doubts_that_are_not_shown_are_counted() {
    let place = Place::new();
    let names: Vec<String> = (0..21).map(|n| format!("job-{n}")).collect();
    let doubts = |names: &'_ [String]| -> Vec<_> {
        let one = |(at, name): (usize, &String)| {
            let events = [in_doubt(name), ambiguous(name)];
            (name.clone(), events[at % 2].clone())
        };
        names.iter().enumerate().map(one).collect()
    };
    let put = async |names: &[String]| {
        let jobs = doubts(names);
        let jobs = jobs
            .iter()
            .map(|(name, events)| (name.as_str(), events.clone()));
        place.jobs(jobs.collect()).await;
    };
    put(&names[..20]).await;
    let all = place.run(&["status"]).is(0);
    assert!(!all.out.contains(" more: "), "{}", all.out);
    put(&names[20..]).await;
    place.run(&["status"]).is(0).prints(&["  and 1 more: "]);
}

#[tokio::test]
async fn ids_that_other_programs_chose_are_listed_and_the_last_one_is_told_as_such() {
    let place = Place::new();
    place.jobs(vec![("a", vec![])]).await;
    // The rules refuse so large a one; a database of before them may have it.
    place
        .sql(
            "DROP TRIGGER jobs_insert_id_check; \
             INSERT INTO jobs (id, name, urls) VALUES \
             (-5, 'below', '[\"https://example.com/\"]'), \
             (9223372036854775807, 'last', '[\"https://example.com/\"]')",
        )
        .await;
    let jobs = place.run(&["jobs", "--json"]).is(0).json();
    let names: Vec<_> = jobs
        .as_array()
        .unwrap()
        .iter()
        .map(|job| &job["name"])
        .collect();
    assert_eq!(names, ["below", "a", "last"]);
    place.file("b.jsonl", &job_line("b"));
    place
        .run(&["enqueue", "b.jsonl"])
        .is(1)
        .says(&["error: no id is left", "database.url"]);
}

#[tokio::test]
async fn a_running_daemon_is_seen_and_reading_makes_no_database() {
    let place = Place::new();
    for command in [&["status"][..], &["jobs"], &["show", "1"], &["retry", "1"]] {
        place
            .run(command)
            .is(1)
            .says(&["error: there is no database", "parserd enqueue"]);
    }
    assert!(!place.path("parserd.db").exists());
    let path = place.path("parserd.db");
    let role = parserd::store::Role::Daemon;
    let daemon = parserd::store::Store::open(&path, role).await.unwrap();
    place.run(&["status"]).is(0).prints(&["daemon    running"]);
    place.run(&["jobs"]).is(0).says(&["no jobs"]);
    assert_eq!(
        place.run(&["jobs", "--json"]).is(0).json(),
        serde_json::json!([])
    );
    daemon.close().await;
}

#[tokio::test]
async fn watching_in_a_pipe_prints_a_block_a_change_and_ends_with_its_reader() {
    let place = Place::new();
    place.jobs(vec![("a", vec![])]).await;
    let mut command = place.command(&["status", "--watch", "--json"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next =
        || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["states"]["QUEUED"], 1);
    place.run(&["cancel", "a"]).is(0);
    assert_eq!(next()["states"]["CANCELLED"], 1);
    drop(lines);
    place.file("b.jsonl", &job_line("b"));
    place.run(&["enqueue", "b.jsonl"]).is(0);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut err = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    assert_eq!(err, "");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn watching_ends_well_when_interrupted() {
    let place = Place::new();
    place.jobs(vec![("a", vec![])]).await;
    let mut command = place.command(&["status", "--watch"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("database"));
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn jobs_are_a_line_each_as_table_json_and_csv() {
    let place = one_of_each().await;
    let table = place
        .run(&["jobs"])
        .is(0)
        .prints(&["PARKED credits", "FAILED generation_failed"]);
    assert_eq!(
        table.out.lines().count(),
        1 + 7,
        "a heading and a line a job"
    );
    assert!(!table.out.contains('\u{1b}') && !table.out.contains('\u{9b}'));

    let json = place
        .run(&["jobs", "--json", "--state", "parked", "--state", "FINISHED"])
        .is(0);
    let rows = json.json();
    let names: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["name"])
        .collect();
    assert_eq!(names, ["poor", "which", "done"]);
    assert_eq!(rows[2]["parser_id"], "parser-of-done");

    let csv = place.run(&["jobs", "--csv"]).is(0).out;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let columns = reader.headers().unwrap().clone();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 7);
    let json = place.run(&["jobs", "--json"]).is(0).json();
    let keys: Vec<_> = json[0].as_object().unwrap().keys().cloned().collect();
    let mut sorted: Vec<_> = columns.iter().map(str::to_owned).collect();
    sorted.sort();
    assert_eq!(sorted, keys, "CSV and JSON have the same columns");
    for (row, object) in rows.iter().zip(json.as_array().unwrap()) {
        let cell = |name: &str| &row[columns.iter().position(|column| column == name).unwrap()];
        assert_eq!(cell("name"), object["name"].as_str().unwrap());
        assert_eq!(
            cell("park_reason"),
            object["park_reason"].as_str().unwrap_or_default()
        );
        assert_eq!(cell("updated_at"), object["updated_at"].to_string());
        assert_eq!(cell("due_at"), object["due_at"].to_string());
    }
}

#[tokio::test]
async fn a_status_that_refuses_nothing_is_not_told_as_an_error() {
    let place = one_of_each().await;
    let fields = ["--fields", "name,error_status"];
    for more in [&[][..], &fields] {
        let json = place.run(&[&["jobs", "--json"], more].concat()).is(0);
        for job in json.json().as_array().unwrap() {
            let expected = match job["name"].as_str() {
                Some("poor") => Some(402),
                _ => None,
            };
            assert_eq!(job["error_status"].as_i64(), expected, "{job}");
        }
        let csv = place.run(&[&["jobs", "--csv"], more].concat()).is(0);
        assert!(!csv.out.contains(",200"), "{}", csv.out);
    }
    assert!(place.shown("broken")["error_status"].is_null());
}

#[tokio::test]
async fn an_unknown_state_is_a_usage_error_that_names_the_known_ones() {
    let place = Place::new();
    place
        .run(&["jobs", "--state", "DONE"])
        .is(2)
        .says(&["QUEUED, CREATING", "CANCELLED"]);
    place.run(&["jobs", "--json", "--csv"]).is(2);
    place.run(&["job"]).is(2).says(&["jobs"]);
    let far = place.run(&["--set", "zzz=1", "status"]).is(78);
    assert!(!far.err.contains("did you mean"), "{}", far.err);
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let place = Place::new();
    let lines: Vec<_> = (0..3000).map(|n| job_line(&format!("job-{n}"))).collect();
    place.file("many.jsonl", &lines.join("\n"));
    place
        .run(&["enqueue", "many.jsonl"])
        .is(0)
        .says(&["3,000 added"]);
    for format in [&["jobs"][..], &["jobs", "--json"], &["jobs", "--csv"]] {
        let all = place.run(format).is(0);
        let jobs = all.out.lines().filter(|line| line.contains("job-")).count();
        assert_eq!(jobs, 3000, "pages leave none out");
        let mut child = place
            .command(format)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut first)
            .unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0));
        assert_eq!(String::from_utf8(ended.stderr).unwrap(), "");
    }
}

#[tokio::test]
async fn show_tells_what_was_tried_and_steers_no_terminal() {
    let place = one_of_each().await;
    for job in ["broken", "done"] {
        let shown = place.run(&["show", job]).is(0);
        assert_eq!(shown.err, "");
        assert!(!shown.out.contains(['\u{1b}', '\u{9b}']), "{}", shown.out);
    }
    let details = place.shown("7");
    assert_eq!(details["events"][0]["event"], "queued");
    assert_eq!(details["create_requests"][0]["outcome"], "made");
    assert_eq!(details["urls"][0], "https://example.com/page");
    assert_eq!(
        place.shown("done")["example_result"][0]["url"],
        "https://example.com/page"
    );
    place
        .run(&["show", "nobody"])
        .is(1)
        .says(&["no job has the id or the name \"nobody\""]);
}
