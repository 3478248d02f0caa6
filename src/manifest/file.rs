//! A job file on its way into the database: read once, checked from end to end, and kept
//! as the database takes it, so that JSON Lines of any length need little memory.

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use super::kept::{Keeping, Kept};
use super::{
    Admission, BadJob, FILE_MAX_BYTES, Format, Kinds, Located, Manifest, ManifestError, Names,
    Repeat, STDIN, Tally, json_lines, parse, unmarked,
};
use crate::spec::{JobSpec, Portion};

/// How much is looked at to tell a format, and how much of a file is read at once.
const PIECE: usize = 64 * 1024;

/// The jobs of a file in which nothing is wrong, each once, in its order.
#[derive(Debug)]
pub struct JobFile {
    /// The jobs that the file holds again, word for word: harmless, worth a note.
    pub repeats: Vec<Repeat>,
    tally: Tally,
    jobs: Kept,
}

impl JobFile {
    /// Reads and checks a job file, or standard input where the path is `-`.
    ///
    /// What the file may be, `kinds` says. Without a `format` the extension tells it; where there is none, the content.
    ///
    /// # Errors
    /// As [`parse`]; also where the file cannot be read, is longer than
    /// [`FILE_MAX_BYTES`] and no JSON Lines, or has an extension that stands for no format.
    pub fn check(
        path: &Path,
        format: Option<Format>,
        kinds: Kinds,
        tally: &Tally,
    ) -> Result<Self, ManifestError> {
        let name = path.display().to_string();
        let checked = format_of(path, format)
            .and_then(|format| open(path, format, kinds, tally))
            .map_err(|bad| vec![bad])
            .and_then(|opened| match opened {
                Opened::Whole(format, bytes) => match parse(&name, format, &bytes) {
                    Ok(manifest) => Self::of(manifest).map_err(|error| vec![unkept(&error)]),
                    Err(error) => Err(error.bad),
                },
                Opened::Lines(reader) => check_lines(reader),
            });
        match checked {
            Ok(file) => Ok(Self {
                tally: tally.clone(),
                ..file
            }),
            Err(bad) => Err(ManifestError {
                source_name: name,
                bad,
            }),
        }
    }

    /// The jobs of a text that was parsed.
    ///
    /// # Errors
    /// Where many cannot be kept in a temporary file.
    pub fn of(manifest: Manifest) -> io::Result<Self> {
        Ok(Self {
            repeats: manifest.repeats,
            tally: Tally::default(),
            jobs: Kept::all(manifest.jobs.into_iter().map(Ok))?,
        })
    }

    /// How many jobs it holds.
    pub fn len(&self) -> usize {
        self.jobs.count
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The jobs in portions, as often as that is wanted. One reading at a time.
    pub fn portions(
        &self,
    ) -> impl Fn() -> Box<dyn Iterator<Item = io::Result<Portion>> + Send> + Send + use<> {
        let (jobs, tally) = (self.jobs.clone(), self.tally.clone());
        move || {
            tally.begins_again();
            let tally = tally.clone();
            Box::new(jobs.portions().inspect(move |portion| {
                tally.add_jobs(portion.as_ref().map_or(0, Portion::len));
            }))
        }
    }

    /// The jobs, one by one. One reading at a time.
    pub fn jobs(&self) -> impl Iterator<Item = io::Result<Located<JobSpec>>> + use<> {
        self.jobs.jobs()
    }

    /// The same without some of the jobs.
    ///
    /// # Errors
    /// Where the temporary file cannot be read or written.
    pub fn retain(self, wanted: impl FnMut(&Located<JobSpec>) -> bool) -> io::Result<Self> {
        Ok(Self {
            jobs: self.jobs.retain(wanted)?,
            ..self
        })
    }
}

fn unkept(error: &io::Error) -> BadJob {
    BadJob::of_file(format!(
        "its jobs cannot be kept in a temporary file: {error}"
    ))
}

fn format_of(path: &Path, format: Option<Format>) -> Result<Option<Format>, BadJob> {
    let Some(extension) = path.extension().filter(|_| format.is_none()) else {
        return Ok(format);
    };
    let extension = extension.to_string_lossy();
    match Format::of_extension(&extension) {
        None => Err(BadJob::of_file(format!(
            "the extension {extension} is unknown: name the file .toml, .json, .jsonl, .ndjson or .csv, or give --format"
        ))),
        known => Ok(known),
    }
}

enum Opened {
    Whole(Format, Vec<u8>),
    Lines(Box<dyn BufRead>),
}

fn open(
    path: &Path,
    format: Option<Format>,
    kinds: Kinds,
    tally: &Tally,
) -> Result<Opened, BadJob> {
    let mut reader: Box<dyn Read> = match path.to_str() {
        Some(STDIN) if kinds == Kinds::Any => Box::new(tally.over(io::stdin().lock())),
        _ => Box::new(tally.over(kinds.open(path)?)),
    };
    let opened = || {
        let head = beginning(&mut reader)?;
        let format = format.unwrap_or_else(|| Format::sniff(&head));
        let reader = Cursor::new(head).chain(reader);
        if format == Format::JsonLines {
            let reader = BufReader::with_capacity(PIECE, reader);
            return Ok(Opened::Lines(Box::new(reader)));
        }
        let mut bytes = Vec::new();
        reader.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(Opened::Whole(format, bytes))
    };
    opened().map_err(|error: io::Error| BadJob::unread(&error))
}

/// A text up to where it is no longer blank, or a piece more.
fn beginning(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    loop {
        let before = head.len();
        reader.by_ref().take(PIECE as u64).read_to_end(&mut head)?;
        let at_end = head.len() == before || head.len() as u64 > FILE_MAX_BYTES;
        if at_end || !unmarked(&head).trim_ascii().is_empty() {
            return Ok(head);
        }
    }
}

/// Finds all that is wrong with JSON Lines, in the order of the lines.
fn check_lines(reader: impl BufRead) -> Result<JobFile, Vec<BadJob>> {
    let kept = |result: io::Result<_>| result.map_err(|error| vec![unkept(&error)]);
    let hasher = RandomState::new();
    let mut jobs = Keeping::new();
    let (mut hashes, mut bad) = (Vec::new(), Vec::new());
    for entry in json_lines(reader) {
        match entry {
            Ok(job) => {
                hashes.push(hasher.hash_one(&job.value.name));
                jobs.push(&job).map_err(|error| vec![unkept(&error)])?;
            }
            // The rest was not read: what else is wrong is not known.
            Err(fault) if fault.line.is_none() => return Err(vec![fault]),
            Err(fault) => bad.push(fault),
        }
    }
    if hashes.is_empty() && bad.is_empty() {
        return Err(vec![BadJob::empty()]);
    }
    let mut jobs = kept(jobs.done())?;
    let mut repeats: Vec<Repeat> = Vec::new();
    let twice = twice(hashes);
    if !twice.is_empty() {
        // Few, as a rule: only those are kept in full, and compared.
        let mut names = Names::default();
        let admitted = jobs.retain(|job| {
            let hash = hasher.hash_one(&job.value.name);
            if twice.binary_search(&hash).is_err() {
                return true;
            }
            match names.admit(job) {
                Admission::New => return true,
                Admission::Repeat(repeat) => repeats.push(repeat),
                Admission::Conflict(conflict) => bad.push(conflict),
            }
            false
        });
        jobs = kept(admitted)?;
        bad.sort_by_key(|bad| bad.line);
    }
    if bad.is_empty() {
        Ok(JobFile {
            repeats,
            tally: Tally::default(),
            jobs,
        })
    } else {
        Err(bad)
    }
}

/// The hashes that are there more than once, each once, in order.
fn twice(mut hashes: Vec<u64>) -> Vec<u64> {
    hashes.sort_unstable();
    let again = hashes.windows(2).filter(|pair| pair[0] == pair[1]);
    let mut twice: Vec<_> = again.map(|pair| pair[0]).collect();
    twice.dedup();
    twice
}
