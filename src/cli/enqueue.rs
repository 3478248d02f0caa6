//! `parserd enqueue`: job files into the database.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Exit, bar};
use crate::config::Settings;
use crate::engine::enqueue::{self, EnqueueError, Rehearsal};
use crate::manifest::{BadJob, Format, JobFile, Kinds, ManifestError, Tally, source_name};
use crate::store::{Role, Store, Submitted};
use crate::{
    cli::output::{Out, print_message},
    present::format::{cost, count, grouped},
};

/// How many jobs that read otherwise are named of a file.
const OTHERWISE_NAMED: usize = 20;

/// Adds the jobs of files: all of a file, or none where one of its jobs is bad.
#[derive(Debug, clap::Args)]
pub struct EnqueueArgs {
    /// Job files, TOML, JSON, JSON Lines or CSV; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How the files are written, where neither extension nor content shows it:
    /// toml, json, jsonl or csv
    #[arg(long)]
    format: Option<Format>,

    /// Say what would be added, and add nothing
    #[arg(long)]
    dry_run: bool,

    /// Print a summary as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    dry_run: bool,
    added: usize,
    unchanged: usize,
    /// Of these, jobs that are judged otherwise now.
    #[serde(skip)]
    expecting: usize,
    /// Of the unchanged ones, jobs that have other labels now.
    relabelled: usize,
    #[serde(skip)]
    otherwise: usize,
    files: Vec<FileSummary>,
}

/// What became of a file.
struct Loaded {
    submitted: Submitted,
    otherwise: Vec<BadJob>,
}

#[derive(Debug, Serialize)]
struct FileSummary {
    file: String,
    added: usize,
    unchanged: usize,
    /// Jobs that are there already and read otherwise: these are left as they are.
    otherwise: Vec<UnloadableJob>,
    bad: Vec<UnloadableJob>,
}

/// A job that is not loaded.
#[derive(Debug, Serialize)]
pub(super) struct UnloadableJob {
    line: Option<usize>,
    name: Option<String>,
    reason: String,
}

impl From<BadJob> for UnloadableJob {
    fn from(bad: BadJob) -> Self {
        Self {
            line: bad.line,
            name: bad.name,
            reason: bad.reason,
        }
    }
}

pub(super) async fn enqueue(settings: &Settings, args: EnqueueArgs) -> anyhow::Result<Exit> {
    let mut loader = Loader {
        database: settings.database_path(),
        store: None,
        rehearsal: Rehearsal::default(),
        dry_run: args.dry_run,
    };
    let mut summary = Summary {
        dry_run: args.dry_run,
        ..Summary::default()
    };
    for (index, path) in args.files.iter().enumerate() {
        let is_last = index + 1 == args.files.len();
        let (name, tally) = (path.to_string_lossy().into_owned(), Tally::default());
        let size_bytes = std::fs::metadata(path).ok().map(|file| file.len());
        let work = loader.load(path, args.format, is_last, tally.clone());
        let loaded = bar::over_file(&name, size_bytes, &tally, work).await;
        if let Err(error) = summary.add(name, loaded) {
            return Err(loader.explained(error).await);
        }
    }
    if let Some(store) = loader.store {
        store.close().await;
    }
    let bad = summary
        .files
        .iter()
        .filter(|file| !file.bad.is_empty())
        .count();
    print_message(&summary.words(settings, bad));
    let exit = if bad == 0 { Exit::Done } else { Exit::BadFile };
    if args.json {
        let mut out = Out::of_verdict();
        out.json(&summary)?;
        out.flush()?;
    }
    Ok(exit)
}

/// Files into the database, which is opened, and made, when the first good one comes.
struct Loader<'a> {
    database: &'a Path,
    store: Option<Store>,
    rehearsal: Rehearsal,
    dry_run: bool,
}

impl Loader<'_> {
    /// SQLite calls it a full database or disk, too, when it has no id left.
    async fn explained(&self, error: EnqueueError) -> anyhow::Error {
        let has_none_left = match &self.store {
            // Where that cannot be determined either, the first error is the one to report.
            Some(store) => store.has_no_id_left().await.unwrap_or(false),
            None => false,
        };
        let error = anyhow::Error::new(error);
        if !has_none_left {
            return error;
        }
        error.context(format!(
            "no id is left: a job was inserted with the largest id possible, {}; let SQLite \
             choose the ids, and go on in another database (database.url)",
            i64::MAX
        ))
    }

    async fn load(
        &mut self,
        path: &Path,
        format: Option<Format>,
        is_last: bool,
        tally: Tally,
    ) -> Result<Loaded, EnqueueError> {
        let source = source_name(path);
        let file = enqueue::check_file(path, format, Kinds::Any, tally).await?;
        print_notes(&source, &file);
        if !self.dry_run {
            let Some(store) = self.open().await? else {
                return Ok(Loaded::of(path, Submitted::default()));
            };
            let submitted = enqueue::submit(store, &file, false).await?;
            if submitted.added > 0 {
                print_alike(store, &source, &file).await?;
            }
            return Ok(Loaded::of(path, submitted));
        }
        let admitted = self.rehearsal.admit(file)?;
        let file = admitted.file;
        // A dry run makes no database; without one, everything is new.
        let mut submitted = match self.open().await? {
            Some(store) => {
                print_alike(store, &source, &file).await?;
                enqueue::submit(store, &file, true).await?
            }
            None => Submitted {
                added: file.len(),
                ..Submitted::default()
            },
        };
        // No other file will meet the last one, and its names can be many.
        if !is_last {
            self.rehearsal.remember(&file)?;
        }
        submitted.unchanged += admitted.again;
        let mut loaded = Loaded::of(path, submitted);
        loaded.otherwise.extend(admitted.otherwise);
        Ok(loaded)
    }

    async fn open(&mut self) -> Result<Option<&Store>, EnqueueError> {
        if self.store.is_none() && (!self.dry_run || self.database.exists()) {
            self.store = Some(Store::open(self.database, Role::Tool).await?);
        }
        Ok(self.store.as_ref())
    }
}

impl Summary {
    /// Takes in what became of a file; a bad one is reported at once.
    fn add(
        &mut self,
        file: String,
        loaded: Result<Loaded, EnqueueError>,
    ) -> Result<(), EnqueueError> {
        let mut otherwise = Vec::new();
        let (submitted, bad) = match loaded {
            Ok(loaded) => {
                otherwise = loaded.otherwise;
                (loaded.submitted, Vec::new())
            }
            Err(EnqueueError::Bad(error)) => {
                print_errors(&error);
                let bad = error.bad.into_iter().map(UnloadableJob::from);
                (Submitted::default(), bad.collect())
            }
            Err(error) => return Err(error),
        };
        self.added += submitted.added;
        self.unchanged += submitted.unchanged;
        self.expecting += submitted.expecting;
        self.relabelled += submitted.relabelled;
        print_otherwise(&file, &otherwise);
        self.otherwise += otherwise.len();
        self.files.push(FileSummary {
            file,
            added: submitted.added,
            unchanged: submitted.unchanged,
            otherwise: otherwise.into_iter().map(UnloadableJob::from).collect(),
            bad,
        });
        Ok(())
    }

    fn words(&self, settings: &Settings, bad: usize) -> String {
        let would = if self.dry_run { "would be " } else { "" };
        let number = |jobs: usize| grouped(i64::try_from(jobs).unwrap_or(i64::MAX));
        let mut words = format!("{} {would}added", number(self.added));
        if self.added > 0 {
            words.push_str(&format!(
                " ({})",
                cost(self.added, &crate::wiring::budget(settings))
            ));
        }
        words.push_str(&format!(", {} already there", number(self.unchanged)));
        let changes = [
            (self.expecting, "another expect or check_urls"),
            (self.relabelled, "other labels"),
        ];
        let changes = changes.iter().filter(|(jobs, _)| *jobs > 0);
        let changes: Vec<_> = changes
            .map(|(jobs, what)| format!("{what} for {}", number(*jobs)))
            .collect();
        if !changes.is_empty() {
            words.push_str(&format!(" ({})", changes.join(", ")));
        }
        if self.otherwise > 0 {
            words.push_str(&format!(
                ", {} there and left, though the file reads otherwise",
                number(self.otherwise)
            ));
        }
        if bad > 0 {
            words.push_str(&format!(", {} not loaded", count(bad, "bad file")));
        }
        if self.dry_run {
            words.push_str("; dry run, nothing was changed");
        }
        words
    }
}

impl Loaded {
    fn of(path: &Path, mut submitted: Submitted) -> Self {
        let conflicts = std::mem::take(&mut submitted.conflicts);
        Self {
            submitted,
            otherwise: enqueue::otherwise(path, conflicts),
        }
    }
}

/// A note for each job that is left as it is though the file reads otherwise; of many, for the
/// first ones.
fn print_otherwise(file: &str, otherwise: &[BadJob]) {
    let source = source_name(Path::new(file));
    for job in otherwise.iter().take(OTHERWISE_NAMED) {
        print_message(&format!("note: {source}: {job}"));
    }
    let more = otherwise.len().saturating_sub(OTHERWISE_NAMED);
    if more > 0 {
        print_message(&format!("note: {source}: and {} more", count(more, "job")));
    }
}

/// A note for each job whose name looks like that of one that is there, and is not it.
async fn print_alike(store: &Store, source: &str, file: &JobFile) -> Result<(), EnqueueError> {
    for note in enqueue::alike(store, file).await? {
        print_message(&format!("warning: {source}: {note}"));
    }
    Ok(())
}

/// A note for each job that stands in the file again, or seems to.
pub(super) fn print_notes(source: &str, file: &JobFile) {
    for repeat in &file.repeats {
        print_message(&format!("note: {source}: {repeat}"));
    }
    for elsewhere in &file.elsewhere {
        print_message(&format!("warning: {source}: {elsewhere}"));
    }
    for alike in &file.alike {
        print_message(&format!("warning: {source}: {alike}"));
    }
}

/// Every fault on a line of its own.
pub(super) fn print_errors(error: &ManifestError) {
    for line in error.to_string().lines() {
        print_message(&format!("error: {line}"));
    }
}
