//! What is wrong with the jobs of a file, and those in which nothing is, spooled on the way.

use std::hash::{BuildHasher as _, RandomState};
use std::{fmt, io};

use super::alike::{Alike, Lookalikes};
use super::spool::{Spool, SpoolWriter};
use super::{BadJob, Entry, Located, NameCheck, Repeat, SeenNames};
use crate::core::spec::{JobSpec, looks, shown};

/// The jobs of a file so far. Of each it keeps a few bytes in memory.
pub(super) struct Checking {
    hasher: RandomState,
    /// Of what the names look like: few do so twice, and those are compared when all are
    /// there.
    hashes: Vec<u64>,
    jobs: SpoolWriter,
    bad: Vec<BadJob>,
    elsewhere: Vec<Elsewhere>,
}

/// So many jobs with held-out pages of other hosts are named.
const MOST_ELSEWHERE: usize = 20;

/// A job with held-out pages of another host than its example pages are of: worth a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    line: usize,
    name: String,
    hosts: Vec<String>,
}

impl Elsewhere {
    fn of(job: &Located<JobSpec>) -> Option<Self> {
        let hosts = job.value.other_hosts();
        (!hosts.is_empty()).then(|| Self {
            line: job.line,
            name: job.value.name.clone(),
            hosts,
        })
    }
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: job {}: check_urls has pages of {}, of which urls has none: a parser is \
             judged by pages of its own type",
            self.line,
            shown(&self.name),
            self.hosts.join(", ")
        )
    }
}

/// A file in which nothing is wrong.
pub(super) struct Checked {
    pub elsewhere: Vec<Elsewhere>,
    pub repeats: Vec<Repeat>,
    pub alike: Vec<Alike>,
    pub jobs: Spool,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum Unchecked {
    Bad(Vec<BadJob>),
    /// Not the file's fault: its jobs cannot be spooled in a temporary file.
    Spool(io::Error),
}

impl From<io::Error> for Unchecked {
    fn from(error: io::Error) -> Self {
        Self::Spool(error)
    }
}

impl Checking {
    pub fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            hashes: Vec::new(),
            jobs: SpoolWriter::new(),
            bad: Vec::new(),
            elsewhere: Vec::new(),
        }
    }

    pub fn take(&mut self, entry: Entry) -> Result<(), Unchecked> {
        match entry {
            Ok(job) => {
                self.hashes
                    .push(self.hasher.hash_one(looks(&job.value.name)));
                if self.elsewhere.len() < MOST_ELSEWHERE {
                    self.elsewhere.extend(Elsewhere::of(&job));
                }
                self.jobs.push(&job)?;
            }
            // The rest was not read: what else is wrong is not known.
            Err(fault) if fault.line.is_none() => return Err(Unchecked::Bad(vec![fault])),
            Err(fault) => self.bad.push(fault),
        }
        Ok(())
    }

    /// Finds, in the order of the lines, all that is wrong.
    pub fn finish(self) -> Result<Checked, Unchecked> {
        let Self {
            hasher,
            hashes,
            jobs,
            mut bad,
            elsewhere,
        } = self;
        let mut jobs = jobs.finish()?;
        let (mut repeats, mut alike) = (Vec::new(), Vec::new());
        let twice = twice(hashes);
        if !twice.is_empty() {
            // Few, as a rule: only those are kept in full, and compared.
            let (mut names, mut seen) = (SeenNames::default(), Lookalikes::default());
            jobs = jobs.retain(|job| {
                let hash = hasher.hash_one(looks(&job.value.name));
                if twice.binary_search(&hash).is_err() {
                    return true;
                }
                match names.admit(job) {
                    NameCheck::New => {
                        alike.extend(seen.admit(job));
                        return true;
                    }
                    NameCheck::Repeat(repeat) => repeats.push(repeat),
                    NameCheck::Conflict(conflict) => bad.push(conflict),
                }
                false
            })?;
            bad.sort_by_key(|bad| bad.line);
        }
        if bad.is_empty() {
            Ok(Checked {
                elsewhere,
                repeats,
                alike,
                jobs,
            })
        } else {
            Err(Unchecked::Bad(bad))
        }
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
