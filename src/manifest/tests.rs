use serde_json::json;

use std::path::Path;

use super::*;

mod adopted;
mod file;
mod formats;
mod labels;

const PAGE: &str = "https://books.toscrape.com/";

fn jobs(format: Format, text: &str) -> Vec<Located<JobSpec>> {
    parse("f", format, text.as_bytes()).unwrap().jobs
}

/// All of a file, in the form that a text has.
fn load(path: &Path) -> Result<Manifest, ManifestError> {
    load_as(path, None)
}

fn load_as(path: &Path, format: Option<Format>) -> Result<Manifest, ManifestError> {
    let file = match JobFile::check(path, format, Kinds::Any, &Tally::default()) {
        Ok(file) => file,
        Err(JobFileError::Bad(error)) => return Err(error),
        Err(error) => panic!("{error}"),
    };
    let jobs: Vec<_> = file.jobs().collect::<Result<_, _>>().unwrap();
    assert_eq!(file.len(), jobs.len());
    Ok(Manifest {
        jobs,
        repeats: file.repeats,
        alike: file.alike,
    })
}

fn specs(format: Format, text: &str) -> Vec<JobSpec> {
    jobs(format, text)
        .into_iter()
        .map(|job| job.value)
        .collect()
}

fn bad(format: Format, text: impl AsRef<[u8]>) -> Vec<String> {
    let error = parse("f", format, text.as_ref()).unwrap_err();
    error.bad.iter().map(ToString::to_string).collect()
}

/// The faults of the text are these, each known by its words.
fn assert_bad(format: Format, text: impl AsRef<[u8]>, words: &[&str]) {
    let bad = bad(format, text);
    assert_eq!(bad.len(), words.len(), "{bad:#?}");
    for (bad, words) in bad.iter().zip(words) {
        assert!(bad.contains(words), "{words:?} not in {bad:?}");
    }
}

#[test]
fn the_example_file_loads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/jobs.example.toml");
    let manifest = load(&path).unwrap();
    let spec = |name: &str| {
        &manifest
            .jobs
            .iter()
            .find(|job| job.value.name == name)
            .unwrap()
            .value
    };
    assert!(manifest.jobs.len() >= 12 && manifest.repeats.is_empty());
    assert_eq!(
        spec("quotes-js").scraper_params,
        Some(json!({"render": true}))
    );
    assert_eq!(spec("quotes-js-delayed-no-render").scraper_params, None);
    assert!(
        manifest
            .jobs
            .iter()
            .filter(|job| job.value.fields.is_some())
            .count()
            >= 4
    );
}

#[test]
fn the_same_job_is_equal_from_every_format() {
    let toml = r#"
[[jobs]]
name = "a"
urls = ["https://a.com/1", "https://a.com/2"]
priority = 5
run_at = 2026-08-01T06:00:00Z
scraper_params = { session_number = 1_0, render = true }

[[jobs.fields]]
description = "the price"
name = "price"
"#;
    let job = r#"{"run_at": 1785564000000, "priority": 5, "name": "a",
        "urls": ["https://a.com/1", "https://a.com/2"],
        "scraper_params": {"render": true, "session_number": 10},
        "fields": [{"name": "price", "description": "the price"}]}"#;
    let csv = "name,urls,scraper_params,fields,priority,run_at\n\
        a,https://a.com/1 https://a.com/2,\"{\"\"render\"\":true,\"\"session_number\"\":10}\",\
        \"[{\"\"name\"\":\"\"price\"\",\"\"description\"\":\"\"the price\"\"}]\",5,2026-08-01T08:00:00+02:00\n";
    let expected = specs(Format::Toml, toml);
    assert_eq!(expected[0].run_at, Some(1_785_564_000_000));
    assert_eq!(expected[0].priority, 5);
    assert_eq!(specs(Format::Json, &format!("[{job}]")), expected);
    assert_eq!(specs(Format::JsonLines, &job.replace('\n', "")), expected);
    assert_eq!(specs(Format::Csv, csv), expected);
}

#[test]
fn jobs_know_their_lines() {
    let lines = |format, text: &str| -> Vec<usize> {
        jobs(format, text).iter().map(|job| job.line).collect()
    };
    let toml = format!(
        "# x\n\n[[jobs]]\nname = 'a'\nurls = ['{PAGE}']\n\n[[jobs]]\nurls = ['{PAGE}']\nname = 'b'\n"
    );
    assert_eq!(lines(Format::Toml, &toml), [3, 7]);
    let inline = format!(
        "jobs = [\n {{ name = 'a', urls = ['{PAGE}'] }},\n {{ name = 'b', urls = ['{PAGE}'] }},\n]"
    );
    assert_eq!(lines(Format::Toml, &inline), [2, 3]);
    let a = format!("{{\"name\": \"a\",\n \"urls\": [\"{PAGE}\"]}}");
    let b = a.replace("\"a\"", "\"b\"");
    assert_eq!(lines(Format::Json, &format!("[\n\n{a},\n{b}\n]")), [3, 5]);
    let (a, b) = (a.replace('\n', ""), b.replace('\n', ""));
    assert_eq!(lines(Format::JsonLines, &format!("\n{a}\n\n{b}")), [2, 4]);
    let csv = format!("\nname,urls\n\na,\"{PAGE}\n{PAGE}2\"\n\n\nb,{PAGE}\n");
    assert_eq!(lines(Format::Csv, &csv), [4, 8]);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_do_no_harm() {
    for (format, text) in [
        (
            Format::Toml,
            format!("[[jobs]]\nname = 'a'\nurls = ['{PAGE}']\n"),
        ),
        (
            Format::Json,
            format!("[\n{{\"name\": \"a\",\n\"urls\": [\"{PAGE}\"]}}\n]\n"),
        ),
        (
            Format::JsonLines,
            format!("{{\"name\": \"a\", \"urls\": [\"{PAGE}\"]}}\n\n"),
        ),
        (Format::Csv, format!("name,urls\n\na,{PAGE}\n")),
    ] {
        let text = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        let spec = &specs(format, &text)[0];
        assert_eq!(
            (spec.name.as_str(), spec.urls[0].as_str()),
            ("a", PAGE),
            "{format}"
        );
        assert_eq!(Format::sniff(text.as_bytes()), format);
    }
}

#[test]
fn every_bad_job_is_named_and_none_is_loaded() {
    let toml = format!(
        "[[jobs]]\nname = 'good'\nurls = ['{PAGE}']\n[[jobs]]\nname = 'a'\nurls = []\n\
         [[jobs]]\nurl = '{PAGE}'\n[[jobs]]\nname = 'c'\nurls = ['{PAGE}']\npriorty = 1\n"
    );
    assert_bad(
        Format::Toml,
        &toml,
        &[
            "line 4: job \"a\": urls is empty: write 1 to 3",
            "line 7: name is missing",
            "line 9: job \"c\": the job has the unknown key \"priorty\" (did you mean priority?)",
        ],
    );
    let error = parse("jobs.toml", Format::Toml, toml.as_bytes()).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("jobs.toml: line 4: job \"a\": "), "{text}");
    assert!(text.ends_with("jobs.toml: nothing was loaded"), "{text}");
}

#[test]
fn a_time_that_the_database_would_refuse_is_refused_with_its_line() {
    for run_at in ["5", "-1", "99999999999", "32503680000001", "1785564000"] {
        assert_bad(
            Format::JsonLines,
            format!(r#"{{"name": "a", "urls": ["https://a.com/1"], "run_at": {run_at}}}"#),
            &[&format!("line 1: job \"a\": run_at is {run_at}")],
        );
    }
}

#[test]
fn all_that_is_wrong_with_a_job_is_told_at_once() {
    let text =
        r#"[{"name": 1, "urls": "x", "priority": 1.5, "run_at": "soon", "fields": [], "x": 1}]"#;
    let bad = bad(Format::Json, text);
    for words in [
        "name is a number: write a string",
        "urls is a string: write an array",
        "priority is 1.5: write a whole number",
        "run_at is \"soon\": write Unix milliseconds",
        "fields is empty",
        "unknown key \"x\"",
    ] {
        assert!(bad[0].contains(words), "{words:?} not in {bad:?}");
    }
    assert_eq!(
        bad[0].split("; ").count(),
        7,
        "the seventh is 'did you mean': {bad:?}"
    );
}

#[test]
fn a_name_may_come_twice_only_with_the_same_job() {
    let job = |name: &str, more: &str| {
        format!("{{\"name\": \"{name}\", \"urls\": [\"{PAGE}\"]{more}}}\n")
    };
    let text = [
        job("a", ""),
        job("b", ""),
        job("a", ", \"scraper_params\": {}"),
    ]
    .concat();
    let manifest = parse("f", Format::JsonLines, text.as_bytes()).unwrap();
    assert_eq!(manifest.jobs.len(), 2);
    assert_eq!(
        manifest.repeats[0].to_string(),
        "line 3: job \"a\" is the same as on line 1, and is loaded once"
    );
    for more in [
        ", \"priority\": 1",
        ", \"run_at\": 1785564000000",
        ", \"scraper_params\": {\"render\": true}",
    ] {
        let text = [job("a", ""), job("a", more)].concat();
        assert_bad(
            Format::JsonLines,
            text,
            &["line 2: job \"a\": line 1 holds a different job of this name"],
        );
    }
}

#[test]
fn run_at_is_milliseconds_or_a_time() {
    let run_at = |value: &str| {
        let text = format!("[{{\"name\": \"a\", \"urls\": [\"{PAGE}\"], \"run_at\": {value}}}]");
        parse("f", Format::Json, text.as_bytes()).map(|m| m.jobs[0].value.run_at)
    };
    for (value, expected) in [
        ("null", None),
        ("100000000000", Some(100_000_000_000)),
        ("1785564000000", Some(1_785_564_000_000)),
        ("\"1785564000000\"", Some(1_785_564_000_000)),
        ("\"2026-08-01T06:00:00Z\"", Some(1_785_564_000_000)),
        ("\"2026-08-01T08:00:00.250+02:00\"", Some(1_785_564_000_250)),
    ] {
        assert_eq!(run_at(value), Ok(expected), "{value}");
    }
    for (value, words) in [
        ("-1", "run_at is -1: write Unix milliseconds"),
        ("1.5", "write Unix milliseconds"),
        ("\"2026-08-01\"", "or a time such as"),
        ("\"2026-08-01T06:00:00\"", "or a time such as"),
        (
            "1785564000",
            "looks like seconds: write milliseconds, 1785564000000",
        ),
        ("true", "run_at is true"),
    ] {
        let error = run_at(value).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_text_without_a_job_in_it_is_refused() {
    for format in Format::ALL {
        for text in ["", " \n\n", "\u{feff}"] {
            assert_bad(
                *format,
                text,
                &["the file is empty: write at least one job"],
            );
        }
    }
    assert_bad(
        Format::Toml,
        "# nothing\n",
        &["the file contains no jobs: begin each job with [[jobs]]"],
    );
    for (format, text) in [
        (Format::Json, "[]"),
        (Format::Csv, "name,urls\n"),
        (Format::Toml, "jobs = []"),
    ] {
        assert_eq!(jobs(format, text), [], "an empty list is a list");
    }
}

#[test]
fn what_is_no_utf8_is_refused_with_its_line() {
    for format in Format::ALL {
        assert_bad(*format, b"\n\n\xff\n", &["line 3: this is not valid UTF-8"]);
    }
}

#[test]
fn the_format_of_standard_input_is_told_by_its_content() {
    for (text, format) in [
        ("# jobs\n[[jobs]]", Format::Toml),
        ("\n  [[ jobs ]]", Format::Toml),
        ("[jobs]", Format::Toml),
        ("jobs = [", Format::Toml),
        ("[{\"name\"", Format::Json),
        (" [\n\n]", Format::Json),
        ("{\"name\": 1}\n", Format::JsonLines),
        ("name,urls\na,https://a.com/?x=1", Format::Csv),
        ("", Format::Csv),
    ] {
        assert_eq!(Format::sniff(text.as_bytes()), format, "{text:?}");
    }
}

#[test]
fn a_file_is_read_by_its_extension_or_by_what_one_says() {
    let dir = tempfile::tempdir().unwrap();
    let csv = format!("name,urls\na,{PAGE}\n");
    let at = |name: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, &csv).unwrap();
        path
    };
    assert_eq!(load(&at("a.CSV")).unwrap().jobs.len(), 1);
    assert_eq!(load(&at("no-extension")).unwrap().jobs.len(), 1);
    assert_eq!(
        load_as(&at("a.txt"), Some(Format::Csv)).unwrap().jobs.len(),
        1
    );
    assert!(load(&at("a.json")).is_err());
    let error = load(&at("a.yaml")).unwrap_err().to_string();
    assert!(
        error.contains("the extension yaml is unknown: name the file .toml"),
        "{error}"
    );
    let error = load(&dir.path().join("absent.csv"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("absent.csv: cannot be read"), "{error}");
    assert_eq!(Format::of_extension("NDJSON"), Some(Format::JsonLines));
}
