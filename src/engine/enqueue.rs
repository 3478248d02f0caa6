//! Job files into the database, for `parserd enqueue` and for `enqueue.files`.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::core::cure;
use crate::core::diff::{OnChange, Verb};
use crate::core::spec::{Batches, JobSpec, looks};
use crate::manifest::{
    BadJob, Format, JobFile, JobFileError, Kinds, Located, ManifestError, STDIN, Tally,
    alike_in_database, source_name,
};
use crate::store::{Applying, Conflict, Extent, StoreError, Submissions, Submitted};

/// How many jobs of a file are held against those that are there, by their looks.
const ALIKE_JOBS: usize = 100_000;

/// How many of them are named.
const ALIKE_NOTES: usize = 20;

/// Why a file was not loaded. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// The file is bad.
    #[error(transparent)]
    Bad(#[from] ManifestError),
    /// Its jobs cannot be kept until they are added.
    #[error("{}", cure::of_temporary_files(_0, &std::env::temp_dir()))]
    Spool(#[source] std::io::Error),
    /// The database would not have it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<JobFileError> for EnqueueError {
    fn from(error: JobFileError) -> Self {
        match error {
            JobFileError::Bad(error) => Self::Bad(error),
            JobFileError::Spool(error) => Self::Spool(error),
        }
    }
}

/// Reads and checks one job file, off the runtime's own threads. `tally` counts what is
/// read of it, and later what is added.
///
/// # Errors
/// Names every bad job.
pub async fn check_file(
    path: &Path,
    format: Option<Format>,
    kinds: Kinds,
    tally: Tally,
) -> Result<JobFile, EnqueueError> {
    let name = source_name(path);
    let path = path.to_owned();
    let checked =
        tokio::task::spawn_blocking(move || JobFile::check(&path, format, kinds, &tally)).await;
    match checked {
        Ok(checked) => Ok(checked?),
        Err(error) => Err(refused(name, vec![of_file(format!("not read: {error}"))]).into()),
    }
}

/// Adds the jobs of a file: all whose names are free. A job that is there already is left as it
/// is; those that read otherwise are the conflicts. With `dry_run` nothing is added and the answer
/// is the same.
///
/// # Errors
/// Whatever the database says, or why the file's jobs cannot be read back; then none was added.
pub async fn submit(
    store: &impl Submissions,
    file: &JobFile,
    dry_run: bool,
) -> Result<Submitted, EnqueueError> {
    Ok(store.submit_batches(file.batches(), dry_run).await?)
}

/// What became of a file's jobs.
#[derive(Debug, Default)]
pub struct Taken {
    /// How many were new.
    pub added: usize,
    /// How many were there and are made as the file says.
    pub changed: usize,
    /// How many were there already, just so.
    pub unchanged: usize,
    /// Those that read otherwise and were left.
    pub otherwise: Vec<BadJob>,
}

/// Adds the jobs of a file at `path` whose names are free, and does with those that read otherwise
/// what `on_change` says.
///
/// # Errors
/// Whatever the database says, or why the file's jobs cannot be read back; then nothing was done.
pub async fn take(
    store: &(impl Submissions + Applying),
    path: &Path,
    file: &JobFile,
    on_change: OnChange,
) -> Result<Taken, EnqueueError> {
    let extent = match on_change {
        OnChange::Report => {
            let submitted = submit(store, file, false).await?;
            return Ok(Taken {
                added: submitted.added,
                changed: 0,
                unchanged: submitted.unchanged,
                otherwise: otherwise(path, submitted.conflicts),
            });
        }
        OnChange::Free => Extent::NewAndFree,
        OnChange::Apply => Extent::All,
    };
    let made = store.make_so(file.batches(), None, extent, false).await?;
    let added = made.done.get(&Verb::Create).copied().unwrap_or(0);
    let done: usize = made.done.values().sum();
    let left = made.left.into_iter().map(|left| {
        let why = if left.notes.is_empty() {
            why_left(left.verb, on_change, &source_name(path))
        } else {
            left.notes.join("; ")
        };
        let reason = format!("reads otherwise and is left ({}): {why}", left.verb);
        located(left.place, left.name, reason)
    });
    Ok(Taken {
        added,
        changed: done - added,
        unchanged: made.same,
        otherwise: left.collect(),
    })
}

/// Why loading leaves a job that could be made so, of which the plan says nothing but the difference.
fn why_left(verb: Verb, on_change: OnChange, path: &str) -> String {
    let is_paid = matches!(
        verb,
        Verb::UpdatePaid | Verb::UpdateBoth | Verb::Replace | Verb::EditWaiting
    );
    let why = if on_change == OnChange::Free && is_paid {
        "it costs credits, and enqueue.on_change is free"
    } else {
        "it would undo what somebody else did, or repeat what FAILED"
    };
    format!("{why}: `parserd plan {path}` shows the difference, `parserd apply {path}` makes it so")
}

/// The jobs of several files, one file after another.
pub fn batches(files: &[JobFile]) -> Batches {
    let files: Vec<_> = files.iter().map(JobFile::batches).collect();
    Box::new(move || {
        let files: Vec<_> = files.iter().map(|batches| batches()).collect();
        Box::new(files.into_iter().flatten())
    })
}

/// What to say of jobs of a file at `path` that are there already and read otherwise.
pub fn otherwise(path: &Path, conflicts: Vec<Conflict>) -> Vec<BadJob> {
    let path = match source_name(path) {
        path if path == STDIN => "FILE".to_owned(),
        path => path,
    };
    let note = |conflict: Conflict| {
        let Conflict { id, state, .. } = &conflict;
        let reason = format!(
            "is there already (job {id}, {state}) and reads otherwise: `parserd plan {path}` shows \
             the difference, `parserd apply {path}` makes it so"
        );
        located(conflict.place, conflict.name, reason)
    };
    conflicts.into_iter().map(note).collect()
}

/// Notes on the names of a file that look like those of jobs that are there: few, since
/// they are for a person. Of a file of very many jobs only the first are looked at.
///
/// # Errors
/// Whatever the database says, or why the file's jobs cannot be read back.
pub async fn alike(store: &impl Submissions, file: &JobFile) -> Result<Vec<String>, EnqueueError> {
    let (mut names, mut of_look) = (HashSet::new(), HashMap::new());
    for job in file.jobs().take(ALIKE_JOBS) {
        let Located { line, value } = job.map_err(EnqueueError::Spool)?;
        of_look.insert(looks(&value.name), (line, value.name.clone()));
        names.insert(value.name);
    }
    let all: Vec<_> = of_look.keys().map(String::as_str).collect();
    let mut notes = Vec::new();
    let note = |id, there: &str| {
        if let Some((line, name)) = of_look.get(&looks(there))
            // What is alike within the file is told by itself.
            && !names.contains(there)
            && notes.len() < ALIKE_NOTES
        {
            notes.push(alike_in_database(*line, name, id, there));
        }
    };
    store.each_name_like(&all, note).await?;
    Ok(notes)
}

fn located(line: usize, name: String, reason: String) -> BadJob {
    BadJob {
        line: Some(line),
        name: Some(name),
        reason,
    }
}

fn of_file(reason: String) -> BadJob {
    BadJob {
        line: None,
        name: None,
        reason,
    }
}

const fn refused(source_name: String, bad: Vec<BadJob>) -> ManifestError {
    ManifestError { source_name, bad }
}

/// What earlier files of a dry run would have added, so that a later one meets it.
#[derive(Debug, Default)]
pub struct Rehearsal(HashMap<String, Rehearsed>);

#[derive(Debug)]
struct Rehearsed {
    form: String,
    parser_id: Option<String>,
    line: usize,
}

impl Rehearsed {
    /// As a store compares a job of a file with one that is there.
    fn answers(&self, spec: &JobSpec) -> bool {
        let adopts_another = spec.parser_id.is_some() && spec.parser_id != self.parser_id;
        self.form == spec.canonical_form(0) && !adopts_another
    }
}

/// A file without the jobs of earlier ones.
#[derive(Debug)]
pub struct Admitted {
    /// What is left of it.
    pub file: JobFile,
    /// How many jobs earlier files would have added already.
    pub again: usize,
    /// Jobs that read otherwise than those of earlier files.
    pub otherwise: Vec<BadJob>,
}

impl Rehearsal {
    /// One more file without the jobs that earlier ones would have added already.
    ///
    /// # Errors
    /// Where the file's jobs cannot be read back.
    pub fn admit(&self, file: JobFile) -> Result<Admitted, EnqueueError> {
        let (before, mut otherwise) = (file.len(), Vec::new());
        if self.0.is_empty() {
            return Ok(Admitted {
                file,
                again: 0,
                otherwise,
            });
        }
        let file = file.retain(|job| match self.0.get(&job.value.name) {
            None => true,
            Some(earlier) if earlier.answers(&job.value) => false,
            Some(Rehearsed { line, .. }) => {
                let reason = format!("reads otherwise on line {line} of an earlier file");
                otherwise.push(located(job.line, job.value.name.clone(), reason));
                false
            }
        });
        let file = file.map_err(EnqueueError::Spool)?;
        Ok(Admitted {
            again: before - file.len() - otherwise.len(),
            file,
            otherwise,
        })
    }

    /// Remembers jobs that would have been added.
    ///
    /// # Errors
    /// Where the file's jobs cannot be read back.
    pub fn remember(&mut self, file: &JobFile) -> Result<(), EnqueueError> {
        for job in file.jobs() {
            let job = job.map_err(EnqueueError::Spool)?;
            let rehearsed = Rehearsed {
                form: job.value.canonical_form(0),
                parser_id: job.value.parser_id,
                line: job.line,
            };
            self.0.insert(job.value.name, rehearsed);
        }
        Ok(())
    }
}

/// The files that a glob stands for, in alphabetical order; a relative one starts in
/// the working directory.
///
/// # Errors
/// Where the pattern is none, or a directory on the way cannot be read.
pub fn files(pattern: &str) -> Result<Vec<PathBuf>, ManifestError> {
    let failed = |reason: String| refused(source_name(Path::new(pattern)), vec![of_file(reason)]);
    let mut files = Vec::new();
    for entry in
        glob::glob(pattern).map_err(|error| failed(format!("is not a valid glob: {error}")))?
    {
        let path = entry.map_err(|error| failed(format!("cannot be read: {error}")))?;
        if !path.is_dir() {
            files.push(path);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Role, Store};

    #[tokio::test]
    async fn a_file_is_loaded_once_and_what_reads_otherwise_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let store = Store::open(&path("p.db"), Role::Tool).await.unwrap();
        let job = r#"{"name": "a", "urls": ["https://example.com/1"]}"#;
        std::fs::write(path("a.jsonl"), job).unwrap();
        std::fs::write(path("b.jsonl"), job.replace("/1", "/2")).unwrap();
        std::fs::create_dir(path("c.jsonl")).unwrap();

        let load = |name: &'static str| {
            let (store, path) = (store.clone(), path(name));
            async move {
                let file = check_file(&path, None, Kinds::Regular, Tally::default()).await?;
                submit(&store, &file, false).await
            }
        };
        let first = load("a.jsonl").await.unwrap();
        let second = load("a.jsonl").await.unwrap();
        assert_eq!((first.added, first.unchanged), (1, 0));
        assert_eq!((second.added, second.unchanged), (0, 1));
        let other = load("b.jsonl").await.unwrap();
        assert_eq!((other.added, other.unchanged), (0, 0));
        let notes = otherwise(Path::new("b.jsonl"), other.conflicts);
        let note = notes[0].to_string();
        assert!(
            note.starts_with("line 1: job \"a\": is there already (job 1, QUEUED)"),
            "{note}"
        );
        assert!(note.contains("`parserd apply b.jsonl`"), "{note}");

        let pattern = path("*.jsonl").display().to_string();
        assert_eq!(files(&pattern).unwrap(), [path("a.jsonl"), path("b.jsonl")]);
        assert_eq!(
            files(&path("none/*").display().to_string()).unwrap(),
            [] as [PathBuf; 0]
        );
        store.close().await;
    }
}
