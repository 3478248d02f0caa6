//! How far the reading of a job file is, for anyone who waits for it, and whether anyone still does.

use std::io::{self, Read};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// What was read and handed on of a file. Cloning it shares it.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<TallyCounts>);

#[derive(Debug, Default)]
struct TallyCounts {
    read_bytes: AtomicU64,
    jobs: AtomicU64,
    is_given_up: AtomicBool,
}

impl Tally {
    /// How many bytes were read.
    pub fn read_bytes(&self) -> u64 {
        self.0.read_bytes.load(Ordering::Relaxed)
    }

    /// How many jobs the database has taken, at the last time that it went through them.
    pub fn jobs(&self) -> u64 {
        self.0.jobs.load(Ordering::Relaxed)
    }

    /// Nobody waits any more: reading the file, and going through its jobs, ends with an
    /// error at the next piece.
    pub fn give_up(&self) {
        self.0.is_given_up.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_wanted(&self) -> io::Result<()> {
        if self.0.is_given_up.load(Ordering::Relaxed) {
            Err(io::Error::other("parserd was asked to stop"))
        } else {
            Ok(())
        }
    }

    pub(super) fn begins_again(&self) {
        self.0.jobs.store(0, Ordering::Relaxed);
    }

    pub(super) fn add_jobs(&self, jobs: usize) {
        let jobs = u64::try_from(jobs).unwrap_or(u64::MAX);
        self.0.jobs.fetch_add(jobs, Ordering::Relaxed);
    }

    /// Counts what is read of `reader`.
    pub(super) fn over<R: Read>(&self, reader: R) -> Tallied<R> {
        Tallied {
            reader,
            tally: self.clone(),
        }
    }
}

pub(super) struct Tallied<R> {
    reader: R,
    tally: Tally,
}

impl<R: Read> Read for Tallied<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tally.is_wanted()?;
        let read = self.reader.read(buffer)?;
        let bytes = u64::try_from(read).unwrap_or(u64::MAX);
        self.tally.0.read_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(read)
    }
}
