//! The jobs of files in a plan: each held against what is there under its name.

use std::path::Path;

use super::{BadLine, PlanLine, Planning};
use crate::cli::enqueue::{print_errors, print_notes};
use crate::core::diff::{Record, Verb};
use crate::core::job::{Action, Job, JobId, ParserId, Progress, Requested};
use crate::core::spec::JobSpec;
use crate::engine::enqueue::{self, EnqueueError};
use crate::engine::plan::Verdict;
use crate::manifest::{Format, JobFile, Kinds, Located, ManifestError, Tally, source_name};
use crate::store::Manifest as _;

/// How many jobs are looked up at once.
const JOBS_STEP: usize = 1000;

impl Planning<'_> {
    /// Looks at a file's jobs; a bad file is reported at once, as `enqueue` does.
    pub(super) async fn file(&mut self, path: &Path, format: Option<Format>) -> anyhow::Result<()> {
        let source = source_name(path);
        let file = match self.read(&source, path, format).await {
            Ok(file) => file,
            Err(EnqueueError::Bad(error)) => {
                print_errors(&error);
                self.bad.extend(error.bad.into_iter().map(|bad| BadLine {
                    file: source.clone(),
                    bad: bad.into(),
                }));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let mut jobs = file.jobs();
        loop {
            let some: Result<Vec<_>, _> = jobs.by_ref().take(JOBS_STEP).collect();
            let some = some.map_err(EnqueueError::Spool)?;
            if some.is_empty() {
                break;
            }
            self.jobs_of_file(&source, some).await?;
        }
        self.files.push(file);
        Ok(())
    }

    async fn jobs_of_file(
        &mut self,
        source: &str,
        jobs: Vec<Located<JobSpec>>,
    ) -> anyhow::Result<()> {
        let names: Vec<_> = jobs.iter().map(|job| job.value.name.as_str()).collect();
        let mut records = match self.planner.store {
            Some(store) => store.on_record(&names).await?,
            None => Default::default(),
        };
        for Located { line, value } in jobs {
            let record = records.remove(&value.name).unwrap_or_default();
            let labels = value.labels.clone().or_else(|| record.labels());
            let is_selected = self.labels.iter().all(|label| label.is_in(labels.as_ref()));
            let mut planned = self.planned(value, &record).await?;
            // What the plan leaves out counts for its digest, and for what no file names.
            if !is_selected {
                continue;
            }
            (planned.file, planned.line) = (Some(source.to_owned()), Some(line));
            self.jobs.push(planned);
        }
        Ok(())
    }

    async fn planned(&mut self, spec: JobSpec, record: &Record) -> anyhow::Result<PlanLine> {
        let diff = record.diff(&spec);
        self.digest.add(&spec, record, &diff);
        self.names.add(&spec.name, &diff);
        let mut planned = if diff.verb == Verb::Create {
            let mut progress = Progress::queued(self.planner.now);
            progress.parser_id = spec.parser_id.clone().map(ParserId);
            let job = Job {
                // No row has it.
                id: JobId(0),
                name: spec.name.clone(),
                action: Action::Create,
                revision: 0,
                run_at: None,
                requested: Requested::default(),
                progress,
            };
            let prospect = self.planner.of(&job, &spec).await?;
            let mut planned = PlanLine::of(spec.name, prospect);
            planned.is_free = diff.is_free();
            planned.notes.extend(diff.notes);
            planned
        } else {
            let mut planned = PlanLine::of_diff(spec.name, diff);
            planned.notes.extend(self.planner.elsewhere(record).await?);
            let parser = record.parser.as_ref();
            planned.parser_id = parser.map(|parser| parser.parser_id.clone());
            planned
        };
        if planned.verdict != Verdict::Create
            && let Some(job) = &record.job
        {
            (planned.id, planned.state) = (Some(job.id), Some(job.state.to_string()));
        }
        Ok(planned)
    }

    /// A file without the jobs that earlier files hold.
    async fn read(
        &mut self,
        source: &str,
        path: &Path,
        format: Option<Format>,
    ) -> Result<JobFile, EnqueueError> {
        let file = enqueue::check_file(path, format, Kinds::Any, Tally::default()).await?;
        print_notes(source, &file);
        let admitted = self.rehearsal.admit(file)?;
        if !admitted.otherwise.is_empty() {
            return Err(ManifestError {
                source_name: source.to_owned(),
                bad: admitted.otherwise,
            }
            .into());
        }
        self.rehearsal.remember(&admitted.file)?;
        Ok(admitted.file)
    }
}
