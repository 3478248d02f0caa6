//! Job files: TOML, JSON, JSON Lines and CSV to [`JobSpec`]s that know their line.
//!
//! A file with one bad job gives no job at all, and names every bad one.

mod alike;
mod check;
mod csv;
mod csv_rows;
mod file;
mod job;
mod json;
mod json_array;
mod names;
mod open;
mod spool;
mod tally;
mod toml;

use std::fmt;
use std::io::{self, BufRead, Read as _};
use std::path::Path;

use crate::core::cure;
use crate::core::job::named_enum;
use crate::core::lines::Lines;
use crate::core::spec::{JobSpec, shown};
use crate::core::text::escaped;
pub use alike::Alike;
use alike::Lookalikes;
pub(crate) use alike::alike_in_database;
pub use check::Elsewhere;
pub(crate) use csv_rows::Rows as CsvRows;
pub use file::{JobFile, JobFileError};
pub use json::json_lines;
pub use names::{NameCheck, SeenNames};
pub use open::Kinds;
pub use tally::Tally;

/// The longest TOML file, in bytes: it is read whole, and takes some thirty times its
/// length while it is. The other formats are read job by job, and have no such limit.
pub const TOML_MAX_BYTES: u64 = 8 * 1024 * 1024;
/// The longest job in another format than TOML, in bytes: many times the longest that the
/// rules let through.
pub const LINE_MAX_BYTES: u64 = 1024 * 1024;
/// The byte order mark, which a text may begin with.
const MARK: char = '\u{feff}';
/// What joining files with `cat` leaves: the second one's mark, and its header.
const MARK_INSIDE: &str = "a byte order mark (U+FEFF) is here, and belongs at the beginning \
    of a file: if files were joined, remove the mark, and in CSV the header that follows it";
/// The name that stands for standard input.
pub const STDIN: &str = "-";

named_enum! {
    /// How a job file is written.
    Format {
        /// Tables `[[jobs]]`.
        Toml = "toml",
        /// An array of objects.
        Json = "json",
        /// An object a line.
        JsonLines = "jsonl",
        /// A header and a job a row.
        Csv = "csv",
    }
}

impl Format {
    /// The format that an extension stands for.
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension.to_lowercase().as_str() {
            "toml" => Some(Self::Toml),
            "json" => Some(Self::Json),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    /// The format that a text looks to be in; CSV where it looks like no other.
    pub fn sniff(text: &[u8]) -> Self {
        let text = unmarked(text).trim_ascii_start();
        let mut lines = text.split(|byte| b"\r\n".contains(byte));
        let line = lines.next().unwrap_or_default();
        let is_key = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.\" \t".contains(byte);
        let assigns = line
            .iter()
            .position(|byte| *byte == b'=')
            .is_some_and(|at| at > 0 && line[..at].iter().all(is_key));
        match text.first() {
            Some(b'{') => Self::JsonLines,
            Some(b'#') => Self::Toml,
            Some(b'[') => {
                let mut inner = text
                    .iter()
                    .skip_while(|b| **b == b'[' || b.is_ascii_whitespace());
                match inner.next() {
                    Some(byte) if byte.is_ascii_alphabetic() || *byte == b'_' => Self::Toml,
                    _ => Self::Json,
                }
            }
            // Excel's: CSV says what is the matter with it.
            _ if line.len() <= 6 && line.to_ascii_lowercase().starts_with(b"sep=") => Self::Csv,
            _ if assigns => Self::Toml,
            _ => Self::Csv,
        }
    }
}

/// Something, and the line of the file it began on, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The line, from 1.
    pub line: usize,
    /// What was there.
    pub value: T,
}

/// A job that cannot be loaded, or a fault of the file itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadJob {
    /// The line it begins on, from 1; None where the fault is the whole file's.
    pub line: Option<usize>,
    /// The job's name, where it is known.
    pub name: Option<String>,
    /// What is wrong, and what to write instead.
    pub reason: String,
}

impl BadJob {
    fn of_file(reason: impl Into<String>) -> Self {
        Self {
            line: None,
            name: None,
            reason: reason.into(),
        }
    }

    fn unread(error: &io::Error) -> Self {
        Self::of_file(format!(
            "cannot be read: {error}; {}",
            cure::of_reading(error)
        ))
    }

    fn empty() -> Self {
        Self::of_file("the file is empty: write at least one job")
    }

    fn at(line: usize, reason: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            ..Self::of_file(reason)
        }
    }
}

impl fmt::Display for BadJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if let Some(name) = &self.name {
            write!(f, "job {}: ", shown(name))?;
        }
        f.write_str(&self.reason)
    }
}

/// Every bad job of a file of which nothing is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    /// The file, or `-`.
    pub source_name: String,
    /// At least one, in the order of the lines.
    pub bad: Vec<BadJob>,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for bad in &self.bad {
            writeln!(f, "{}: {bad}", self.source_name)?;
        }
        write!(f, "{}: nothing was loaded", self.source_name)
    }
}

impl std::error::Error for ManifestError {}

/// A file as messages name it: what could steer a terminal, or break a line of a log, is
/// escaped.
pub fn source_name(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}

/// What a good file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Each job once, in the order of the file; every spec is valid and normalised.
    pub jobs: Vec<Located<JobSpec>>,
    /// The jobs that the file holds again, word for word: harmless, worth a note.
    pub repeats: Vec<Repeat>,
    /// Names that a person may take for one: worth a note too.
    pub alike: Vec<Alike>,
}

/// A job that stands in a file twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// The job's name.
    pub name: String,
    /// Where it stands again.
    pub line: usize,
    /// Where it stands first.
    pub first_line: usize,
}

impl fmt::Display for Repeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            line,
            first_line,
        } = self;
        let name = shown(name);
        write!(
            f,
            "line {line}: job {name} is the same as on line {first_line}, and is loaded once"
        )
    }
}

/// The jobs of a text; `source_name` is what messages call it.
///
/// # Errors
/// Names every bad job: syntax errors, broken rules of [`JobSpec`], unknown keys,
/// one name for two different jobs; and a text that is empty, too long or not UTF-8.
pub fn parse(source_name: &str, format: Format, bytes: &[u8]) -> Result<Manifest, ManifestError> {
    let entries = if unmarked(bytes).trim_ascii().is_empty() {
        vec![Err(BadJob::empty())]
    } else {
        jobs_of(format, bytes)
    };
    let (manifest, bad) = admitted(entries);
    if bad.is_empty() {
        Ok(manifest)
    } else {
        Err(ManifestError {
            source_name: source_name.to_owned(),
            bad,
        })
    }
}

/// A text without the byte order mark that it may begin with.
fn unmarked(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// One job of a file, or why it is not a job.
type Entry = Result<Located<JobSpec>, BadJob>;

fn jobs_of(format: Format, bytes: &[u8]) -> Vec<Entry> {
    let bytes = unmarked(bytes);
    let mut entries = Vec::new();
    let all = each(format, bytes, |entry| {
        entries.push(entry);
        Ok::<_, std::convert::Infallible>(())
    });
    match all {
        Ok(()) => entries,
    }
}

/// Hands the jobs of a text on that begins with no byte order mark, as they come.
///
/// # Errors
/// Whatever `take` says; then no more is read.
fn each<E>(
    format: Format,
    mut reader: impl BufRead,
    mut take: impl FnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    let bytes = match format {
        Format::JsonLines => return json_lines(reader).try_for_each(take),
        Format::Json => return json_array::each(reader, take),
        Format::Csv => return csv::each(reader, take),
        Format::Toml => {
            let mut bytes = Vec::new();
            match (&mut reader)
                .take(TOML_MAX_BYTES + 1)
                .read_to_end(&mut bytes)
            {
                Ok(_) => bytes,
                Err(error) => return take(Err(BadJob::unread(&error))),
            }
        }
    };
    if bytes.len() as u64 > TOML_MAX_BYTES {
        return take(Err(BadJob::of_file(format!(
            "is longer than {} MiB, and TOML is read whole: split it, or write JSON Lines or CSV, \
             which may be of any length",
            TOML_MAX_BYTES >> 20
        ))));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => toml::each(text, take),
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let line = Lines::of(&before).line(before.len());
            take(Err(BadJob::at(line, json::NO_UTF8)))
        }
    }
}

fn admitted(entries: Vec<Entry>) -> (Manifest, Vec<BadJob>) {
    let (mut names, mut seen) = (SeenNames::default(), Lookalikes::default());
    let mut manifest = Manifest::default();
    let mut bad = Vec::new();
    for entry in entries {
        match entry.map(|job| (names.admit(&job), job)) {
            Ok((NameCheck::New, job)) => {
                manifest.alike.extend(seen.admit(&job));
                manifest.jobs.push(job);
            }
            Ok((NameCheck::Repeat(repeat), _)) => manifest.repeats.push(repeat),
            Ok((NameCheck::Conflict(conflict), _)) => bad.push(conflict),
            Err(fault) => bad.push(fault),
        }
    }
    (manifest, bad)
}

#[cfg(test)]
mod tests;
