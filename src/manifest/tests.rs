use std::io::BufReader;

use serde_json::json;

use super::*;

const PAGE: &str = "https://books.toscrape.com/";

fn jobs(format: Format, text: &str) -> Vec<Located<JobSpec>> {
    parse("f", format, text.as_bytes()).unwrap().jobs
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
    let manifest = load(&path, None).unwrap();
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
            "line 9: job \"c\": the job has the unknown key \"priorty\"; did you mean priority?",
        ],
    );
    let error = parse("jobs.toml", Format::Toml, toml.as_bytes()).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("jobs.toml: line 4: job \"a\": "), "{text}");
    assert!(text.ends_with("jobs.toml: nothing was loaded"), "{text}");
}

#[test]
fn all_that_is_wrong_with_a_job_is_told_at_once() {
    let text =
        r#"[{"name": 1, "urls": "x", "priority": 1.5, "run_at": "soon", "fields": [], "x": 1}]"#;
    let bad = bad(Format::Json, text);
    for words in [
        "name is a number: write a text",
        "urls is a text: write an array",
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
        ", \"run_at\": 0",
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
        ("0", Some(0)),
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
        &["the file holds no job: begin each job with [[jobs]]"],
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
        assert_bad(*format, b"\n\n\xff\n", &["line 3: this is no UTF-8"]);
    }
}

#[test]
fn bad_toml_is_named_with_line_and_column() {
    assert_bad(Format::Toml, "[[jobs]]\nname = 'a\n", &["line 2: column "]);
    for (text, words) in [
        (
            "[[job]]\nname = 'a'",
            "line 1: unknown key \"job\"; did you mean jobs?",
        ),
        (
            "jobs = 1",
            "line 1: jobs is a number: begin each job with [[jobs]]",
        ),
        (
            "[jobs]\nname = 'a'",
            "line 1: jobs is an object: begin each job with [[jobs]]",
        ),
        ("jobs = ['a']", "line 1: jobs holds a text"),
    ] {
        assert_bad(Format::Toml, text, &[words]);
    }
    let far = format!("[[jobs]]\nname = 'a'\nurls = ['{PAGE}']\npriority = 99999999999999999999\n");
    assert_bad(Format::Toml, far, &["priority is"]);
}

#[test]
fn bad_json_is_named_with_line_and_column() {
    assert_bad(
        Format::Json,
        "[\n{\"name\": }\n]",
        &["line 2: is no JSON array of jobs: column 10: expected value"],
    );
    assert_bad(
        Format::Json,
        "{\"name\": 1}",
        &["begins with an object: write an array"],
    );
    assert_bad(Format::Json, "[\n1]", &["line 2: is no JSON object"]);
    let twice = format!("[{{\"name\": \"a\", \"urls\": [], \"urls\": [\"{PAGE}\"]}}]");
    assert_bad(
        Format::Json,
        twice,
        &["job \"a\": urls stands there twice: write it once"],
    );
}

#[test]
fn a_bad_line_of_json_lines_hides_no_other() {
    let text = format!("{{\"name\": \nnull\n{{\"name\": \"a\", \"urls\": [\"{PAGE}\"]}}\n[]\n");
    assert_bad(
        Format::JsonLines,
        text,
        &[
            "line 1: is no JSON object",
            "line 2: is no JSON object",
            "line 4: is no JSON object",
        ],
    );
}

#[test]
fn json_lines_are_read_one_at_a_time_whatever_their_length() {
    let good =
        |name: &str| format!("{{\"name\": \"{name}\", \"urls\": [\"{PAGE}\"]}}\n").into_bytes();
    let long =
        |extra: usize| [vec![b' '; LINE_MAX_BYTES as usize + extra], b"\n".to_vec()].concat();
    let text = [
        good("a"),
        long(0),
        long(1),
        long(100_000),
        good("b"),
        b"\xff\n".to_vec(),
        good("c"),
    ]
    .concat();
    let entries: Vec<_> = json_lines(BufReader::with_capacity(7, text.as_slice()))
        .map(|entry| {
            entry
                .map(|job| (job.line, job.value.name))
                .map_err(|bad| (bad.line, bad.reason))
        })
        .collect();
    let too_long = "is longer than 1048576 bytes: write one job a line".to_owned();
    assert_eq!(
        entries,
        [
            Ok((1, "a".to_owned())),
            Err((Some(3), too_long.clone())),
            Err((Some(4), too_long)),
            Ok((5, "b".to_owned())),
            Err((Some(6), json::NO_UTF8.to_owned())),
            Ok((7, "c".to_owned())),
        ]
    );
}

#[test]
fn a_reader_that_fails_ends_json_lines_with_its_error() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let entries: Vec<_> = json_lines(BufReader::new(Fails)).collect();
    assert_eq!(entries.len(), 1);
    assert!(
        entries[0]
            .as_ref()
            .unwrap_err()
            .reason
            .contains("the disk is gone")
    );
}

#[test]
fn csv_takes_urls_in_each_of_its_ways() {
    let expected = ["https://a.com/1", "https://a.com/2"];
    for text in [
        "name,urls\na,https://a.com/1 https://a.com/2",
        "name,urls\na,https://a.com/1|https://a.com/2",
        "name,urls\na,\"https://a.com/1\nhttps://a.com/2\"",
        "urls,name\n\"[\"\"https://a.com/1\"\", \"\"https://a.com/2\"\"]\",a",
        "name,url1,url2,url3\na,https://a.com/1,https://a.com/2,",
        "name,url,urls\na,https://a.com/1,https://a.com/2",
        "name, urls , urls\n a , https://a.com/1, https://a.com/2 ",
    ] {
        assert_eq!(specs(Format::Csv, text)[0].urls, expected, "{text}");
    }
    let one = specs(Format::Csv, "name,url\na,https://a.com/x|y");
    assert_eq!(one[0].urls, ["https://a.com/x|y"]);
}

#[test]
fn bad_csv_is_named_with_its_line() {
    for (text, words) in [
        (
            "nme,urls\n",
            "line 1: the header has the unknown key \"nme\"; did you mean name?",
        ),
        (
            "name;urls\na;b",
            "line 1: the header has one column: separate columns by commas",
        ),
        (
            "urls\nhttps://a.com",
            "line 1: the header has no column name",
        ),
        ("name\na", "line 1: the header has no column urls"),
        ("name,name,urls\n", "line 1: the header has name twice"),
        (
            "name,urls\na,https://a.com/1,https://a.com/2",
            "line 2: job \"a\": the row has 3 cells and the header 2",
        ),
        ("name,urls\n,https://a.com", "line 2: name is missing"),
        ("name,urls\na,", "line 2: job \"a\": urls is empty"),
        (
            "name,urls\na,[x",
            "line 2: job \"a\": urls is no JSON array",
        ),
        (
            "name,urls,fields\na,https://a.com,x",
            "line 2: job \"a\": fields is no JSON",
        ),
        (
            "name,urls,priority\na,https://a.com,high",
            "priority is \"high\": write a whole number",
        ),
        ("name,urls\n\n\na,ftp://a.com", "line 4: job \"a\": url"),
    ] {
        assert_bad(Format::Csv, text, &[words]);
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
    assert_eq!(load(&at("a.CSV"), None).unwrap().jobs.len(), 1);
    assert_eq!(load(&at("no-extension"), None).unwrap().jobs.len(), 1);
    assert_eq!(load(&at("a.txt"), Some(Format::Csv)).unwrap().jobs.len(), 1);
    assert!(load(&at("a.json"), None).is_err());
    let error = load(&at("a.yaml"), None).unwrap_err().to_string();
    assert!(
        error.contains("the extension yaml is unknown: name the file .toml"),
        "{error}"
    );
    let error = load(&dir.path().join("absent.csv"), None)
        .unwrap_err()
        .to_string();
    assert!(error.contains("absent.csv: cannot be read"), "{error}");
    assert_eq!(Format::of_extension("NDJSON"), Some(Format::JsonLines));
}
