//! README.md and the pages of docs/ are true: their commands run, and their tables say what
//! the code says.
//!
//! Every block marked `sh` or `sql` is run, each in a temporary directory of its own, unless
//! it is one of `.ci/run`'s. A comment before a block says how:
//!
//! - `<!-- test: ci -->`: each line stands in `.ci/run`, which runs it
//! - `<!-- test: staged -->`: the directory has a `parserd.db` with a job of each kind
//! - `<!-- test: root -->`: `sudo` puts what it is told to put on the machine below a
//!   directory, and the commands of apt and systemd are only looked at (`tests/package/run`
//!   installs the package for real)
//! - `<!-- test: file NAME -->`: no command, but a file that every directory has, whatever page
//!   its block is on
//! - `<!-- test: goes on -->`: in the directory of the block before it on its page, with what that
//!   one left there
//! - `<!-- test: edit NAME -->`: the blocks that go on after it find this file so
//! - `needs PROGRAM`, also after another word: left out, and said so, where there is none;
//!   `needs pandas` is a module of `python3`

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod stage;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use clap::{CommandFactory as _, Parser as _, error::ErrorKind as ClapError};
use parserd::{
    cli::Cli,
    config::keys::{KEYS, KeyKind},
    core::job::{ErrorKind, JobState, ParkReason},
};

const CI: &str = include_str!("../.ci/run");
const MANIFEST: &str = include_str!("../Cargo.toml");
const EXIT: &str = include_str!("../src/cli/exit.rs");

/// How long README.md may be.
const README_LINES: usize = 150;

/// What people read, with its path from the repository's root.
#[derive(Debug)]
struct Page {
    path: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(path: &str) -> Page {
    Page {
        path: path.to_owned(),
        text: fs::read_to_string(root().join(path)).unwrap(),
    }
}

/// README.md and the book's pages, in a fixed order.
fn pages() -> Vec<Page> {
    let chapters = fs::read_dir(root().join("docs/src")).unwrap();
    let names = chapters.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<_> = names.filter(|name| name.ends_with(".md")).collect();
    let mut pages = vec![page("README.md")];
    pages.extend(names.iter().map(|name| page(&format!("docs/src/{name}"))));
    assert!(pages.len() > 10, "{pages:?}");
    pages
}

/// What is for those who change parserd.
fn pages_for_contributors() -> Vec<Page> {
    let paths = ["CONTRIBUTING.md", "ARCHITECTURE.md", "tests/README.md"];
    paths.map(page).into()
}

/// A fenced block.
#[derive(Debug)]
struct Block {
    /// The page's path, and the line where it begins.
    place: String,
    language: String,
    marks: Vec<String>,
    body: String,
}

impl Block {
    fn has(&self, mark: &str) -> bool {
        self.marks.iter().any(|found| found == mark)
    }

    /// The path of its page.
    fn page(&self) -> &str {
        self.place.split(' ').next().unwrap_or_default()
    }

    /// What stands behind the first word of a mark.
    fn mark(&self, word: &str) -> Option<&str> {
        let mut marks = self.marks.iter();
        marks.find_map(|mark| mark.strip_prefix(word)?.strip_prefix(' '))
    }
}

fn blocks() -> Vec<Block> {
    pages().iter().flat_map(blocks_of).collect()
}

fn blocks_of(page: &Page) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut marks = Vec::new();
    let mut lines = page.text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let place = format!("{} line {}", page.path, index + 1);
        if let Some(comment) = line.strip_prefix("<!-- test: ") {
            let words = comment.strip_suffix(" -->").unwrap().split(", ");
            marks = words.map(str::to_owned).collect();
        } else if let Some(language) = line.strip_prefix("```") {
            let body: Vec<_> = lines
                .by_ref()
                .map(|(_, line)| line)
                .take_while(|line| *line != "```")
                .collect();
            blocks.push(Block {
                place,
                language: language.to_owned(),
                marks: std::mem::take(&mut marks),
                body: body.join("\n"),
            });
        } else {
            assert!(marks.is_empty(), "{place}: a mark without a block");
        }
    }
    blocks
}

/// The rows of the tables whose first heading is this one, cells trimmed.
fn table(heading: &str) -> Vec<Vec<String>> {
    let start = format!("| {heading} |");
    let mut rows = Vec::new();
    for page in pages() {
        let mut lines = page.text.lines();
        while let Some(line) = lines.next() {
            if line.starts_with(&start) {
                let body = lines.by_ref().skip(1);
                rows.extend(body.take_while(|line| line.starts_with('|')).map(cells));
            }
        }
    }
    assert!(!rows.is_empty(), "no table {heading}");
    rows
}

fn cells(row: &str) -> Vec<String> {
    let row = row.trim_matches('|');
    row.split(" | ")
        .map(|cell| cell.trim().to_owned())
        .collect()
}

fn plain(cell: &str) -> &str {
    cell.trim_matches('`')
}

/// Asserts that the first cells of a table are exactly these, and that each row says
/// something.
fn assert_rows<T: AsRef<str>>(heading: &str, expected: impl IntoIterator<Item = T>) {
    let rows = table(heading);
    let silent = rows.iter().find(|row| row.iter().any(String::is_empty));
    assert_eq!(silent, None, "a row of {heading} says nothing");
    let found: BTreeSet<_> = rows.iter().map(|row| plain(&row[0]).to_owned()).collect();
    let expected: BTreeSet<_> = expected
        .into_iter()
        .map(|text| text.as_ref().to_owned())
        .collect();
    assert_eq!(found, expected, "the table {heading}");
    assert_eq!(rows.len(), found.len(), "{heading} has a row twice");
}

#[test]
fn every_key_is_in_the_table_with_its_default() {
    assert_rows("key", KEYS.iter().map(|key| key.name));
    for row in table("key") {
        let key = parserd::config::keys::find(plain(&row[0])).unwrap();
        let default = match key.default {
            None => "none".to_owned(),
            Some(_) if key.kind == KeyKind::List => format!("`{}`", key.default_toml().unwrap()),
            Some(default) => format!("`{default}`"),
        };
        assert_eq!(row[1], default, "{}", key.name);
    }
}

#[test]
fn every_exit_code_state_reason_and_kind_of_error_is_explained() {
    let codes = EXIT.lines().filter_map(|line| {
        let (_, code) = line.strip_suffix(',')?.split_once(" = ")?;
        code.parse::<u8>().ok().map(|code| code.to_string())
    });
    let codes: Vec<_> = codes.collect();
    assert!(codes.len() >= 8, "{codes:?}");
    assert_rows("exit code", codes);
    assert_rows("state", JobState::ALL.iter().map(|state| state.as_str()));
    assert_rows(
        "`park_reason`",
        ParkReason::ALL.iter().map(|reason| reason.as_str()),
    );
    assert_rows(
        "`error_kind`",
        ErrorKind::ALL.iter().map(|kind| kind.as_str()),
    );
}

#[test]
fn the_glossary_and_the_runbook_are_whole() {
    let words = "create, tag, adopt, in doubt, settle, park, gate, probe, canary";
    assert_rows("word", words.split(", "));
    let rows = table("symptom");
    assert!(rows.len() >= 15, "{rows:?}");
    let of_credits = rows.iter().find(|row| row[0].contains("`credits`"));
    assert!(of_credits.is_some_and(|row| row[2].contains("`parserd resume`")));
    for row in rows {
        assert!(row.len() == 3 && row[2].contains("`parserd "), "{row:?}");
    }
}

#[test]
fn every_dependency_is_explained() {
    let manifest: toml::Table = MANIFEST.parse().unwrap();
    let mut names = BTreeSet::new();
    collect_dependencies(&manifest, &mut names);
    assert!(names.contains("backoff") && names.contains("inotify"));
    assert_rows("crate", names);
}

fn collect_dependencies(table: &toml::Table, names: &mut BTreeSet<String>) {
    for (key, value) in table {
        let Some(inner) = value.as_table() else {
            continue;
        };
        if key.ends_with("dependencies") {
            names.extend(inner.keys().cloned());
        } else if key == "target" || table.contains_key("dependencies") || key.contains("cfg(") {
            collect_dependencies(inner, names);
        }
    }
}

#[test]
fn every_command_is_in_the_table_and_run_by_a_block() {
    let mut program = Cli::command();
    // What goes with every command is an argument of each.
    program.build();
    let scripts: String = blocks()
        .iter()
        .filter(|block| block.language == "sh")
        .map(|block| format!("{}\n", block.body))
        .collect();
    let rows = table("command");
    let is_shown = |one: &&clap::Command| !one.is_hide_set() && one.get_name() != "help";
    for command in program.get_subcommands().filter(is_shown) {
        let name = command.get_name();
        let run = [format!("parserd {name}"), format!("-- {name}")];
        let is_run = run.iter().any(|run| scripts.contains(run.as_str()));
        let global = format!("parserd --config my.toml --set log.level=debug {name}");
        assert!(is_run || scripts.contains(&global), "no block runs {name}");
        let of_it: Vec<_> = rows
            .iter()
            .filter(|row| plain(&row[0]).split(' ').nth(1) == Some(name))
            .collect();
        assert!(!of_it.is_empty(), "{name} is missing in the table");
        for row in of_it {
            let second = plain(&row[0]).split(' ').nth(2).unwrap_or_default();
            let command = command.find_subcommand(second).unwrap_or(command);
            for flag in flags(&row.join(" ")) {
                let mut known = command.get_arguments();
                let is_known = known.any(|arg| arg.get_long() == Some(flag.as_str()));
                assert!(is_known, "{} has no --{flag}", row[0]);
            }
        }
    }
}

fn flags(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words
        .filter_map(|word| word.strip_prefix("--"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_command_within_the_text_is_one() {
    let mut seen = 0;
    let mut is_text = true;
    let pages = pages();
    for line in pages.iter().flat_map(|page| page.text.lines()) {
        is_text ^= line.starts_with("```");
        let spans = line.split('`').skip(1).step_by(2);
        for span in spans.filter(|span| is_text && span.starts_with("parserd ")) {
            seen += 1;
            let words: Vec<_> = span.split(' ').collect();
            if words.len() == 2 {
                let known = Cli::command().find_subcommand(words[1]).is_some();
                assert!(known, "`{span}` is no command");
                continue;
            }
            match Cli::try_parse_from(words) {
                Ok(_) => {}
                Err(error) if error.kind() == ClapError::DisplayHelp => {}
                Err(error) => panic!("`{span}`: {error}"),
            }
        }
    }
    assert!(seen > 20, "only {seen} commands were found in the text");
}

#[test]
fn what_the_tests_do_not_run_ci_runs() {
    let of_contributors = blocks_of(&page("CONTRIBUTING.md"));
    for block in &of_contributors {
        let is_run = block.language != "sh" || block.has("ci");
        assert!(is_run, "{}: who runs it?", block.place);
    }
    let left: Vec<_> = blocks()
        .into_iter()
        .chain(of_contributors)
        .filter(|block| block.has("ci"))
        .collect();
    assert!(left.len() > 2, "{left:?}");
    for line in left.iter().flat_map(|block| block.body.lines()) {
        let runs = CI
            .lines()
            .any(|of_ci| !of_ci.trim_start().starts_with('#') && of_ci.contains(line));
        assert!(runs, ".ci/run does not run `{line}`");
    }
}

/// Where the links of a text lead, those to other hosts and within the page left out.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|link| {
        let target = link.split(')').next()?;
        target.split('#').next()
    });
    targets.filter(|target| !target.is_empty() && !target.starts_with("http"))
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    for page in pages().into_iter().chain(pages_for_contributors()) {
        let directory = Path::new(&page.path).parent().unwrap();
        let is_of_the_book = page.path.starts_with("docs/");
        for target in links(&page.text) {
            let (path, target_path) = (&page.path, root().join(directory).join(target));
            assert!(target_path.exists(), "{path}: {target}");
            // The built book holds nothing else.
            assert!(!is_of_the_book || !target.contains('/'), "{path}: {target}");
        }
    }
}

#[test]
fn the_readme_is_short_and_leads_to_every_page_and_so_does_the_book() {
    let readme = page("README.md");
    let lines = readme.text.lines().count();
    assert!(lines <= README_LINES, "README.md has {lines} lines");
    let summary = page("docs/src/SUMMARY.md");
    let of_the_book: BTreeSet<_> = links(&summary.text).collect();
    let of_readme: BTreeSet<_> = links(&readme.text).collect();
    for page in pages() {
        let Some(name) = page.path.strip_prefix("docs/src/") else {
            continue;
        };
        if name == "SUMMARY.md" {
            continue;
        }
        assert!(of_the_book.contains(name), "SUMMARY.md lacks {name}");
        let is_the_same = name == "introduction.md";
        let is_linked = is_the_same || of_readme.contains(page.path.as_str());
        assert!(is_linked, "README.md lacks {name}");
        assert!(page.text.starts_with("# "), "{name} has no title");
    }
}

/// Every file of a directory and those below it.
fn files_below(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, files);
        } else {
            files.push(path);
        }
    }
}

#[test]
fn what_messages_call_a_part_of_the_readme_is_named_there() {
    let mut sources = Vec::new();
    files_below(&root().join("src"), &mut sources);
    let readme = page("README.md").text;
    let mut seen = 0;
    for source in sources {
        let text = fs::read_to_string(&source).unwrap();
        for behind in text.split("(README, ").skip(1) {
            let part = behind.split([',', ')']).next().unwrap();
            let part = part.split(" says").next().unwrap();
            let is_named = readme.contains(&format!("[{part}](docs/src/"));
            assert!(is_named, "{}: {part}", source.display());
            seen += 1;
        }
    }
    assert!(seen >= 4, "only {seen} were found");
}

/// Whether a span of code is meant to be a path of the repository: it begins with one of the
/// directories at its root, and has no placeholder.
fn is_path(span: &str) -> bool {
    const ROOTS: &[&str] = &[
        ".cargo/",
        ".ci/",
        ".github/",
        "benches/",
        "config/",
        "docs/",
        "migrations/",
        "packaging/",
        "src/",
        "systemd/",
        "tests/",
    ];
    ROOTS.iter().any(|root| span.starts_with(root))
        && span
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
}

/// Whether a span names a room of the sources as ARCHITECTURE.md does: without `src/`.
fn is_room(span: &str) -> bool {
    const ROOMS: &[&str] = &[
        "api/",
        "cli/",
        "config/",
        "core/",
        "engine/",
        "manifest/",
        "present/",
        "simulation/",
        "simulator/",
        "store/",
        "web/",
    ];
    ROOMS.iter().any(|room| span.starts_with(room))
        && span
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/._".contains(c))
}

#[test]
fn every_path_in_the_text_is_there() {
    let (mut seen, mut missing) = (0, Vec::new());
    for page in pages().into_iter().chain(pages_for_contributors()) {
        let mut is_text = true;
        for line in page.text.lines() {
            is_text ^= line.starts_with("```");
            let spans = line.split('`').skip(1).step_by(2);
            for span in spans.filter(|_| is_text) {
                let below = |directory: &str| {
                    let path = root().join(directory).join(span);
                    // `core/spec` is a module as `tests/crash` is a program.
                    path.exists() || path.with_extension("rs").exists()
                };
                let exists = match (is_path(span), is_room(span)) {
                    (false, false) => continue,
                    (is_path, is_room) => is_path && below("") || is_room && below("src"),
                };
                if !exists {
                    missing.push(format!("{}: {span}", page.path));
                }
                seen += 1;
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(seen > 60, "only {seen} paths were found");
}
