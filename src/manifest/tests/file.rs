//! A file on its way through gives what the same text gives at once.

use super::*;

fn line(name: &str, more: &str) -> String {
    format!("{{\"name\": \"{name}\", \"urls\": [\"{PAGE}\"]{more}}}\n")
}

#[test]
fn json_lines_on_their_way_through_give_what_they_give_at_once() {
    let (a, b) = (line("a", ""), line("b", ""));
    let other = line("a", ", \"priority\": 1");
    let many: String = (0..3000).map(|n| line(&format!("job {n}"), "")).collect();
    let long = line("long", &format!(", \"x\": \"{}\"", "x".repeat(2_000_000)));
    let bad = "{}\n".to_owned();
    let latin = b"{\"name\": \"\xe9\"}\n".to_vec();
    let table: &[&[&[u8]]] = &[
        &[],
        &[b" \n\n"],
        &[b"\xef\xbb\xbf"],
        &[a.as_bytes()],
        &[
            b"\xef\xbb\xbf\r\n\n",
            a.as_bytes(),
            b"\n",
            b.trim().as_bytes(),
        ],
        // Repeats, beside each other and far from it, of more than one name.
        &[
            a.as_bytes(),
            a.as_bytes(),
            b.as_bytes(),
            a.as_bytes(),
            b.as_bytes(),
        ],
        &[a.as_bytes(), many.as_bytes(), a.as_bytes(), many.as_bytes()],
        // Faults are reported in the order of their lines, whoever finds them.
        &[
            bad.as_bytes(),
            a.as_bytes(),
            other.as_bytes(),
            bad.as_bytes(),
            other.as_bytes(),
        ],
        &[
            a.as_bytes(),
            other.as_bytes(),
            a.as_bytes(),
            other.as_bytes(),
        ],
        &[many.as_bytes(), bad.as_bytes()],
        &[
            a.as_bytes(),
            latin.as_slice(),
            long.as_bytes(),
            other.as_bytes(),
            b"null",
        ],
    ];
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f.jsonl");
    for parts in table {
        let text = parts.concat();
        std::fs::write(&path, &text).unwrap();
        let mut loaded = load(&path);
        if let Err(error) = &mut loaded {
            error.source_name = "f".to_owned();
        }
        let shown: String = String::from_utf8_lossy(&text).chars().take(300).collect();
        assert_eq!(loaded, parse("f", Format::JsonLines, &text), "{shown}");
    }
}

#[test]
fn the_format_is_seen_behind_blank_lines_however_many() {
    let blank = "\n".repeat(100_000);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f");
    for text in [
        line("a", ""),
        format!("[{}]", line("a", "")),
        format!("[[jobs]]\nname = 'a'\nurls = ['{PAGE}']\n"),
    ] {
        std::fs::write(&path, format!("{blank}{text}")).unwrap();
        assert_eq!(load(&path).unwrap().jobs.len(), 1, "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_the_whole_files_fault() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("directory.jsonl");
    std::fs::create_dir(&path).unwrap();
    let error = load(&path).unwrap_err();
    assert_eq!((error.bad.len(), error.bad[0].line), (1, None));
    assert!(
        error.bad[0].reason.starts_with("cannot be read: "),
        "{error}"
    );
}

#[test]
fn jobs_are_left_out_of_few_and_of_many() {
    for count in [0, 1, 30_000] {
        let jobs = (0..count).map(|n| Located {
            line: n + 1,
            value: JobSpec {
                name: format!("job {n}"),
                urls: vec![PAGE.to_owned()],
                ..JobSpec::default()
            },
        });
        let manifest = Manifest {
            jobs: jobs.collect(),
            ..Manifest::default()
        };
        let file = JobFile::of(manifest.clone()).unwrap();
        let odd = |job: &Located<JobSpec>| job.line % 2 == 1;
        let file = file.retain(odd).unwrap();
        for _ in 0..2 {
            let left: Vec<_> = file.jobs().collect::<Result<_, _>>().unwrap();
            let expected = manifest.jobs.iter().filter(|job| odd(job)).cloned();
            assert_eq!(left, expected.collect::<Vec<_>>());
            assert_eq!(file.len(), left.len());
        }
    }
}

#[test]
fn names_that_a_person_may_take_for_one_are_pointed_out_and_loaded() {
    let names = [
        "Books",
        "caf\u{e9}",
        "books",
        "Books",
        "cafe\u{301}",
        "other",
    ];
    let text: String = names.iter().map(|name| line(name, "")).collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f.jsonl");
    std::fs::write(&path, &text).unwrap();
    let loaded = load(&path).unwrap();
    assert_eq!((loaded.jobs.len(), loaded.repeats.len()), (5, 1));
    assert_eq!(
        loaded,
        parse("f", Format::JsonLines, text.as_bytes()).unwrap()
    );
    let output: Vec<_> = loaded.alike.iter().map(ToString::to_string).collect();
    let rest = "only in case, blanks or Unicode form; both are created and paid for: if one parser \
                is meant, write one name";
    let (one, other) = (
        "\"caf\u{e9}\" (caf\\u{e9})",
        "\"cafe\\u{301}\" (cafe\\u{301})",
    );
    assert_eq!(
        output,
        [
            format!("line 3: job \"books\" differs from \"Books\" on line 1 {rest}"),
            format!("line 5: job {other} differs from {one} on line 2 {rest}"),
        ]
    );
}
