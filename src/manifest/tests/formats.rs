use std::io::{self, BufReader, Read};

use super::*;

#[test]
fn bad_toml_is_named_with_line_and_column() {
    assert_bad(Format::Toml, "[[jobs]]\nname = 'a\n", &["line 2: column "]);
    let twice = bad(Format::Toml, "a = [1,\n[[x");
    assert!(twice.windows(2).all(|pair| pair[0] != pair[1]), "{twice:?}");
    for (text, words) in [
        (
            "[[job]]\nname = 'a'",
            "line 1: unknown key \"job\" (did you mean jobs?)",
        ),
        (
            "jobs = 1",
            "line 1: jobs is a number: begin each job with [[jobs]]",
        ),
        (
            "[jobs]\nname = 'a'",
            "line 1: jobs is an object: begin each job with [[jobs]]",
        ),
        ("jobs = ['a']", "line 1: jobs contains a string"),
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
        &["line 2: is not a JSON array of jobs: column 10: expected value"],
    );
    assert_bad(
        Format::Json,
        "{\"name\": 1}",
        &["begins with an object: write an array"],
    );
    assert_bad(Format::Json, "[\n1]", &["line 2: is not a JSON object"]);
    let twice = format!("[{{\"name\": \"a\", \"urls\": [], \"urls\": [\"{PAGE}\"]}}]");
    assert_bad(
        Format::Json,
        twice,
        &["job \"a\": urls is given twice: write it once"],
    );
}

#[test]
fn a_bad_line_of_json_lines_hides_no_other() {
    let text = format!("{{\"name\": \nnull\n{{\"name\": \"a\", \"urls\": [\"{PAGE}\"]}}\n[]\n");
    assert_bad(
        Format::JsonLines,
        text,
        &[
            "line 1: is not a JSON object",
            "line 2: is not a JSON object",
            "line 4: is not a JSON object",
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
            "line 1: the header has the unknown key \"nme\" (did you mean name?)",
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
            "line 2: job \"a\": urls is not a JSON array",
        ),
        (
            "name,urls,fields\na,https://a.com,x",
            "line 2: job \"a\": fields is not valid JSON",
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

/// The very words of the database's refusal, which migrations/0002_rules.sql holds.
#[test]
fn a_key_twice_within_a_job_is_refused_in_the_databases_words_from_every_format() {
    const PARAMS: &str = "scraper_params has a key twice: write each once";
    const FIELDS: &str = "fields holds an entry with a key twice: write each once";
    let rules = include_str!("../../../migrations/0002_rules.sql");
    let parts = [
        (
            PARAMS,
            "scraper_params",
            r#"{"render":false,"render":true}"#,
        ),
        (
            FIELDS,
            "fields",
            r#"[{"name":"a","name":"b","description":"d"}]"#,
        ),
    ];
    for (words, part, json) in parts {
        assert!(rules.contains(words), "{words}");
        let job = format!("{{\"name\": \"a\", \"urls\": [\"{PAGE}\"], \"{part}\": {json}}}");
        let words = format!("line 1: job \"a\": {words}");
        assert_bad(Format::JsonLines, &job, &[&words]);
        assert_bad(Format::Json, format!("[{job}]"), &[&words]);
        let cell = json.replace('"', "\"\"");
        let csv = format!("name,urls,{part}\na,{PAGE},\"{cell}\"\n");
        assert_bad(Format::Csv, csv, &[&words.replace("line 1", "line 2")]);
    }
    // TOML's own rules refuse it.
    for part in [
        "scraper_params = { render = false, render = true }",
        "fields = [{ name = 'a', name = 'b', description = 'd' }]",
        "[jobs.scraper_params]\nrender = false\nrender = true",
        "[[jobs.fields]]\nname = 'a'\nname = 'b'\ndescription = 'd'",
    ] {
        let text = format!("[[jobs]]\nname = 'a'\nurls = ['{PAGE}']\n{part}\n");
        assert_bad(Format::Toml, text, &["duplicate key"]);
    }
}

/// A text that never ends: `head`, then `rows` without end.
struct Endless {
    left: Vec<u8>,
    row: Vec<u8>,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.is_empty() {
            self.left = self.row.clone();
        }
        let count = buffer.len().min(self.left.len());
        for (to, from) in buffer.iter_mut().zip(self.left.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }
}

#[test]
fn jobs_are_handed_on_as_they_come_so_that_the_length_does_not_matter() {
    let object = format!("{{\"name\": \"é\", \"urls\": [\"{PAGE}\"]}}");
    for (format, head, row) in [
        (Format::JsonLines, String::new(), format!("{object}\n")),
        (Format::Json, format!("[\n{object}"), format!(",\n{object}")),
        (Format::Csv, "name,urls\n".to_owned(), format!("é,{PAGE}\n")),
    ] {
        let text = Endless {
            left: head.into_bytes(),
            row: row.into_bytes(),
        };
        let mut lines = Vec::new();
        let ended = each(format, BufReader::new(text), |entry| {
            lines.push(entry.unwrap().line);
            if lines.len() < 5000 {
                Ok(())
            } else {
                Err("enough")
            }
        });
        assert_eq!(ended, Err("enough"), "{format}");
        let first = if format == Format::JsonLines { 1 } else { 2 };
        assert_eq!(lines, (first..first + 5000).collect::<Vec<_>>(), "{format}");
    }
}

#[test]
fn toml_is_read_whole_and_has_a_bound_that_is_told() {
    let long = "#".repeat(TOML_MAX_BYTES as usize + 1);
    assert_bad(
        Format::Toml,
        &long,
        &["is longer than 8 MiB, and TOML is read whole: split it, or write JSON Lines or CSV"],
    );
    let longest = format!("[[jobs]]\nname = 'a'\nurls = ['{PAGE}']\n{long}");
    assert_eq!(
        specs(Format::Toml, &longest[..TOML_MAX_BYTES as usize]).len(),
        1
    );
}

#[test]
fn an_array_that_breaks_off_or_goes_on_is_named_with_its_line() {
    let job = |name: &str| format!("{{\"name\": \"{name}\",\n\"urls\": [\"{PAGE}\"]}}");
    let (a, b) = (job("a"), job("b"));
    for (text, words) in [
        (
            format!("[{a},\n{b}\n"),
            "line 5: is not a JSON array of jobs",
        ),
        (
            format!("[{a},\n{b},\n]"),
            "line 5: is not a JSON array of jobs",
        ),
        (format!("[{a}\n{b}]"), "line 3: is not a JSON array of jobs"),
        (
            format!("[{a}]\n[{b}]"),
            "line 3: is not a JSON array of jobs: column 1: trailing",
        ),
        ("\"a\"".to_owned(), "line 1: is not a JSON array of jobs"),
        (
            format!("[\n{{\"x\": \"{}\"}}]", "x".repeat(2 << 20)),
            "line 2: the job that begins here is longer than 1048576 bytes",
        ),
    ] {
        assert_bad(Format::Json, text, &[words]);
    }
    // A surrogate is not UTF-8 either, and stands in a job.
    let surrogate = [b"[\n{\"name\": \"".as_slice(), b"\xed\xa0\x80", b"\"}]"].concat();
    assert_bad(
        Format::Json,
        surrogate,
        &["line 2: this is not valid UTF-8"],
    );
}

#[test]
fn what_spreadsheets_and_joined_files_leave_in_csv_is_told_for_what_it_is() {
    let job = format!("name,urls\na,{PAGE}\n");
    for line in ["sep=;", "SEP=,", "sep=\t"] {
        let text = format!("{line}\r\n{job}");
        assert_bad(
            Format::Csv,
            &text,
            &["line 1: this is Excel's line that names a separator"],
        );
        assert_eq!(Format::sniff(text.as_bytes()), Format::Csv);
    }
    let joined = format!("{job}\u{feff}{job}");
    let bad = bad(Format::Csv, joined.clone());
    assert!(
        bad[0].starts_with("line 3: a byte order mark (U+FEFF) is here"),
        "{bad:?}"
    );
    let open = format!("{job}b,\"{PAGE}\n");
    assert_bad(
        Format::Csv,
        open,
        &["line 3: a quote opens in this row, and the file ends"],
    );
    let lines = |text: &str| -> Vec<_> { jobs(Format::Csv, text).iter().map(|j| j.line).collect() };
    let mac = format!("{job}b,{PAGE}\n").replace('\n', "\r");
    assert_eq!(lines(&mac), [2, 3]);
    assert_eq!(Format::sniff(mac.as_bytes()), Format::Csv);
    let object = format!("{{\"name\": \"a\", \"urls\": [\"{PAGE}\"]}}\n");
    assert_bad(
        Format::JsonLines,
        format!("{object}\u{feff}{object}"),
        &["line 2: a byte order mark (U+FEFF) is here"],
    );
}
