//! The jobs of a file while it is checked: few in memory, many in a temporary file.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Seek as _, Write as _};
use std::sync::Arc;

use tempfile::{SpooledData, SpooledTempFile, spooled_tempfile};

use super::Located;
use crate::core::spec::{Batch, JobSpec};

/// How many bytes are kept in memory.
const IN_MEMORY: usize = 1024 * 1024;

/// How many bytes of a file are read at once.
const READ_AT_ONCE: usize = 64 * 1024;

/// Jobs, written once.
#[derive(Debug, Clone)]
pub(super) struct Spool {
    text: Text,
    pub(super) count: usize,
}

/// A batch a line.
#[derive(Debug, Clone)]
enum Text {
    Memory(Arc<[u8]>),
    /// One that has no name, and goes with the process.
    Disk(Arc<File>),
}

/// Jobs, still being written.
pub(super) struct SpoolWriter {
    file: SpooledTempFile,
    batch: Batch,
    count: usize,
}

impl SpoolWriter {
    pub(super) fn new() -> Self {
        Self {
            file: spooled_tempfile(IN_MEMORY),
            batch: Batch::default(),
            count: 0,
        }
    }

    pub(super) fn push(&mut self, job: &Located<JobSpec>) -> io::Result<()> {
        self.batch.push(job.line, &job.value);
        self.count += 1;
        if self.batch.at_capacity() {
            self.end_batch()?;
        }
        Ok(())
    }

    fn end_batch(&mut self) -> io::Result<()> {
        let batch = std::mem::take(&mut self.batch);
        self.file.write_all(batch.line().as_bytes())
    }

    pub(super) fn finish(mut self) -> io::Result<Spool> {
        if !self.batch.is_empty() {
            self.end_batch()?;
        }
        let text = match self.file.into_inner() {
            SpooledData::InMemory(bytes) => Text::Memory(bytes.into_inner().into()),
            SpooledData::OnDisk(file) => Text::Disk(Arc::new(file)),
        };
        Ok(Spool {
            text,
            count: self.count,
        })
    }
}

impl Spool {
    pub(super) fn all(
        jobs: impl Iterator<Item = io::Result<Located<JobSpec>>>,
    ) -> io::Result<Self> {
        let mut writer = SpoolWriter::new();
        for job in jobs {
            writer.push(&job?)?;
        }
        writer.finish()
    }

    pub(super) fn retain(
        &self,
        mut wanted: impl FnMut(&Located<JobSpec>) -> bool,
    ) -> io::Result<Self> {
        let is_wanted = |job: &io::Result<_>| job.as_ref().map_or(true, &mut wanted);
        Self::all(self.jobs().filter(is_wanted))
    }

    fn reader(&self) -> io::Result<Box<dyn BufRead + Send>> {
        Ok(match &self.text {
            Text::Memory(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
            Text::Disk(file) => {
                let mut file = file.try_clone()?;
                file.rewind()?;
                Box::new(BufReader::with_capacity(READ_AT_ONCE, file))
            }
        })
    }

    pub(super) fn batches(&self) -> impl Iterator<Item = io::Result<Batch>> + Send + use<> {
        let (reader, error) = match self.reader() {
            Ok(reader) => (Some(reader), None),
            Err(error) => (None, Some(Err(error))),
        };
        let lines = reader.into_iter().flat_map(BufRead::lines);
        let batch = |line: String| Batch::of_line(&line).ok_or(io::ErrorKind::InvalidData.into());
        error
            .into_iter()
            .chain(lines.map(move |line| line.and_then(batch)))
    }

    pub(super) fn jobs(&self) -> impl Iterator<Item = io::Result<Located<JobSpec>>> + use<> {
        self.batches().flat_map(|batch| {
            let (jobs, error) = match batch.and_then(|batch| Ok(batch.specs()?)) {
                Ok(jobs) => (jobs, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            let jobs = jobs.into_iter();
            error
                .into_iter()
                .chain(jobs.map(|(line, value)| Ok(Located { line, value })))
        })
    }
}
