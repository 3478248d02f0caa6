//! Job files into the database, for `parserd enqueue` and for `enqueue.files`.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::core::cure;
use crate::core::job::JobId;
use crate::core::spec::looks;
use crate::manifest::{
    BadJob, Format, JobFile, JobFileError, Kinds, Located, ManifestError, Tally, alike_in_database,
    source_name,
};
use crate::store::{StoreError, Submissions, Submitted};

/// How many jobs of a file are held against those that are there, by their looks.
const ALIKE_JOBS: usize = 100_000;

/// How many of them are named.
const ALIKE_NOTES: usize = 20;

/// Why a file was not loaded. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// The file is bad, or its jobs stand against those that are there.
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

/// Adds the jobs of a file that is called `source_name`: all of them or none. A job that
/// is there already, just so, is left as it is. With
/// `dry_run` nothing is added and the answer is the same.
///
/// # Errors
/// [`EnqueueError::Bad`] names every job whose name stands for something else already.
pub async fn submit(
    store: &impl Submissions,
    source_name: &str,
    file: &JobFile,
    dry_run: bool,
) -> Result<Submitted, EnqueueError> {
    let submitted = store.submit_batches(file.batches(), dry_run).await?;
    if submitted.conflicts.is_empty() {
        return Ok(submitted);
    }
    let bad = submitted.conflicts.into_iter().map(|conflict| {
        let reason = reason(conflict.id, &conflict.state);
        located(conflict.place, conflict.name, reason)
    });
    Err(refused(source_name.to_owned(), bad.collect()).into())
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

/// What to do about a name that stands for something else already.
fn reason(id: JobId, state: &str) -> String {
    let cure = match state {
        "QUEUED" | "PARKED" | "FAILED" => {
            format!(
                "give this job another name, or call that one off first (`parserd cancel {id}`)"
            )
        }
        _ => "give this job another name".to_owned(),
    };
    format!("job {id}, {state}, has this name and asks for something else: {cure}")
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
pub struct Rehearsal(HashMap<String, (String, usize)>);

impl Rehearsal {
    /// One more file without the jobs that earlier ones would have added already, and
    /// how many those are.
    ///
    /// # Errors
    /// The jobs whose names would stand for something else by then.
    pub fn admit(
        &self,
        source_name: &str,
        file: JobFile,
    ) -> Result<(JobFile, usize), EnqueueError> {
        if self.0.is_empty() {
            return Ok((file, 0));
        }
        let (before, mut bad) = (file.len(), Vec::new());
        let file = file.retain(|job| match self.0.get(&job.value.name) {
            None => true,
            Some((form, _)) if *form == job.value.canonical_form(0) => false,
            Some((_, line)) => {
                let reason = format!(
                    "an earlier file holds a different job of this name on line {line}: \
                     give one of them another name"
                );
                bad.push(located(job.line, job.value.name.clone(), reason));
                false
            }
        });
        if !bad.is_empty() {
            return Err(refused(source_name.to_owned(), bad).into());
        }
        let file = file.map_err(EnqueueError::Spool)?;
        let again = before - file.len();
        Ok((file, again))
    }

    /// Remembers jobs that would have been added.
    ///
    /// # Errors
    /// Where the file's jobs cannot be read back.
    pub fn remember(&mut self, file: &JobFile) -> Result<(), EnqueueError> {
        for job in file.jobs() {
            let job = job.map_err(EnqueueError::Spool)?;
            let form = job.value.canonical_form(0);
            self.0.insert(job.value.name, (form, job.line));
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
    async fn a_file_is_loaded_once_and_a_bad_one_not_at_all() {
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
                submit(&store, "f", &file, false).await
            }
        };
        let first = load("a.jsonl").await.unwrap();
        let second = load("a.jsonl").await.unwrap();
        assert_eq!((first.added, first.unchanged), (1, 0));
        assert_eq!((second.added, second.unchanged), (0, 1));
        let Err(EnqueueError::Bad(error)) = load("b.jsonl").await else {
            panic!("the name stands for something else");
        };
        assert_eq!(error.bad[0].line, Some(1));
        assert!(error.bad[0].reason.contains("job 1, QUEUED"), "{error}");

        let pattern = path("*.jsonl").display().to_string();
        assert_eq!(files(&pattern).unwrap(), [path("a.jsonl"), path("b.jsonl")]);
        assert_eq!(
            files(&path("none/*").display().to_string()).unwrap(),
            [] as [PathBuf; 0]
        );
        store.close().await;
    }
}
