//! A job file on its way into the database: read once, checked from end to end, and spooled
//! as the database takes it, so that a file of any length needs little memory (TOML apart).

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use super::check::{Checking, Unchecked};
use super::spool::Spool;
use super::{
    Alike, BadJob, Elsewhere, Format, Kinds, Located, Manifest, ManifestError, Repeat, STDIN,
    Tally, each, source_name, unmarked,
};
use crate::core::cure;
use crate::core::spec::{Batches, JobSpec};

/// How much is looked at to tell a format, and how much of a file is read at once.
const PIECE: usize = 64 * 1024;

/// How many blank bytes a file may begin with, for its format to be recognised by what follows.
const BLANK_MAX_BYTES: usize = 1024 * 1024;

/// Why a file gives no jobs.
#[derive(Debug, thiserror::Error)]
pub enum JobFileError {
    /// The file is bad.
    #[error(transparent)]
    Bad(#[from] ManifestError),
    /// Its jobs cannot be spooled until they are added: not the file's fault.
    #[error("{}", cure::of_temporary_files(_0, &std::env::temp_dir()))]
    Spool(#[source] io::Error),
}

/// The jobs of a file in which nothing is wrong, each once, in its order.
#[derive(Debug)]
pub struct JobFile {
    /// Held-out pages of other hosts: worth a note.
    pub elsewhere: Vec<Elsewhere>,
    /// The jobs that the file holds again, word for word: harmless, worth a note.
    pub repeats: Vec<Repeat>,
    /// Names that a person may take for one: worth a note too.
    pub alike: Vec<Alike>,
    tally: Tally,
    jobs: Spool,
}

impl JobFile {
    /// Reads and checks a job file, or standard input where the path is `-`.
    ///
    /// What the file may be, `kinds` says. Without a `format` the extension decides; where there is none, the content.
    ///
    /// # Errors
    /// As [`parse`](super::parse); also where the file cannot be read, or has an extension
    /// that stands for no format; and where its jobs cannot be spooled in a temporary file.
    pub fn check(
        path: &Path,
        format: Option<Format>,
        kinds: Kinds,
        tally: &Tally,
    ) -> Result<Self, JobFileError> {
        let bad = |bad| {
            JobFileError::Bad(ManifestError {
                source_name: source_name(path),
                bad,
            })
        };
        let (format, reader) = format_of(path, format)
            .and_then(|format| open(path, format, kinds, tally))
            .map_err(|fault| bad(vec![fault]))?;
        let mut checking = Checking::new();
        let checked = each(format, reader, |entry| checking.take(entry))
            .and_then(|()| checking.finish())
            .map_err(|error| match error {
                Unchecked::Bad(faults) => bad(faults),
                Unchecked::Spool(error) => JobFileError::Spool(error),
            })?;
        Ok(Self {
            elsewhere: checked.elsewhere,
            repeats: checked.repeats,
            alike: checked.alike,
            tally: tally.clone(),
            jobs: checked.jobs,
        })
    }

    /// The jobs of a text that was parsed.
    ///
    /// # Errors
    /// Where many cannot be spooled in a temporary file.
    pub fn of(manifest: Manifest) -> io::Result<Self> {
        Ok(Self {
            elsewhere: Vec::new(),
            repeats: manifest.repeats,
            alike: manifest.alike,
            tally: Tally::default(),
            jobs: Spool::all(manifest.jobs.into_iter().map(Ok))?,
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

    /// The jobs in batches, as often as that is wanted. One reading at a time.
    pub fn batches(&self) -> Batches {
        let (jobs, tally) = (self.jobs.clone(), self.tally.clone());
        Box::new(move || {
            tally.begins_again();
            let tally = tally.clone();
            Box::new(jobs.batches().map(move |batch| {
                tally.is_wanted()?;
                let batch = batch?;
                tally.add_jobs(batch.len());
                Ok(batch)
            }))
        })
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

/// Opens a file, and recognises its format. Its reader is behind the byte order mark that it
/// may begin with.
fn open(
    path: &Path,
    format: Option<Format>,
    kinds: Kinds,
    tally: &Tally,
) -> Result<(Format, impl BufRead + use<>), BadJob> {
    let mut reader: Box<dyn Read> = match path.to_str() {
        Some(STDIN) if kinds == Kinds::Any => Box::new(tally.over(io::stdin().lock())),
        _ => Box::new(tally.over(kinds.open(path)?)),
    };
    let head = beginning(&mut reader).map_err(|error| BadJob::unread(&error))?;
    let text = unmarked(&head);
    if text.trim_ascii().is_empty() && head.len() < BLANK_MAX_BYTES {
        return Err(BadJob::empty());
    }
    let format = format.unwrap_or_else(|| Format::sniff(text));
    let reader = Cursor::new(text.to_vec()).chain(reader);
    Ok((format, BufReader::with_capacity(PIECE, reader)))
}

/// A text up to where it is no longer blank, or a piece more.
fn beginning(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    loop {
        let before = head.len();
        reader.by_ref().take(PIECE as u64).read_to_end(&mut head)?;
        let at_end = head.len() == before || head.len() >= BLANK_MAX_BYTES;
        if at_end || !unmarked(&head).trim_ascii().is_empty() {
            return Ok(head);
        }
    }
}
