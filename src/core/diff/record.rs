//! PURE: what is on record under the name of a job, and the digest by which two plans are one.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{AppliedParser, Diff, Known, OpenChange, Prune, Verb, diff};
use crate::core::{
    field_changes::FieldChanges,
    job::{Action, ErrorKind, JobId, JobState, ParserId},
    spec::{JobSpec, Labels},
};

/// Everything under a name that a plan depends on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// The job that holds the name.
    pub job: Option<RecordedJob>,
    /// The parser that the name stands for; else the one that the job had, where it is gone.
    pub parser: Option<RecordedParser>,
    /// The update or delete of it that is not done.
    pub open: Option<RecordedChange>,
    /// What the last update of this name changes (JSON), where that FAILED.
    pub failed_change: Option<String>,
    /// Whether it FAILED since somebody else had changed the parser.
    pub has_conflict: bool,
}

/// A job that makes or adopts a parser.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedJob {
    /// Its id.
    pub id: JobId,
    /// Its revision.
    pub revision: i64,
    /// Where it stands.
    pub state: JobState,
    /// Whether a create of it is in doubt.
    pub is_in_doubt: bool,
    /// The parser that it has, or names.
    pub parser_id: Option<ParserId>,
    /// Why it FAILED, if it did.
    pub error_kind: Option<ErrorKind>,
    /// What it asks for; none where the row cannot be read.
    pub spec: Option<JobSpec>,
}

impl RecordedJob {
    /// Whether it must stay as it is although it waits.
    pub fn is_fixed(&self) -> bool {
        let may_finish = self.error_kind.is_some_and(ErrorKind::fixes_spec);
        self.is_in_doubt || self.parser_id.is_some() && may_finish
    }
}

/// A parser.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedParser {
    /// Its id.
    pub parser_id: ParserId,
    /// Its latest version, where one is known.
    pub latest_version: Option<i64>,
    /// The pages that it was made from.
    pub urls: Option<Value>,
    /// The options that it was made with.
    pub scraper_params: Option<Value>,
    /// Whether nobody knows these: it was adopted, and no answer tells.
    pub params_unknown: bool,
    /// Its fields, as the last update left them.
    pub fields: Option<Value>,
    /// Whether it is gone from the account.
    pub is_deleted: bool,
}

/// A job that changes or deletes a parser, and is not done.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedChange {
    /// Its id.
    pub id: JobId,
    /// What it does.
    pub action: Action,
    /// Whether it waits, and nothing of it is under way or in doubt.
    pub is_waiting: bool,
    /// What it changes (JSON).
    pub change: Option<String>,
    /// The fields that it is to bring about, once that is on record.
    pub target_fields: Option<Value>,
}

impl Record {
    /// What a job of a file means for it.
    pub fn diff(&self, wanted: &JobSpec) -> Diff {
        let job = self.job.as_ref();
        let parser = self.parser.as_ref();
        let target = self.open.as_ref().and_then(|open| self.target(open));
        let made = job.and_then(|job| job.parser_id.as_ref());
        let known = Known {
            state: job.map(|job| job.state),
            is_fixed: job.is_some_and(RecordedJob::is_fixed),
            is_replacing: parser.is_some_and(|parser| Some(&parser.parser_id) != made),
            asked: job.and_then(|job| job.spec.as_ref()),
            parser: parser.map(|parser| AppliedParser {
                urls: parser.urls.as_ref(),
                scraper_params: parser.scraper_params.as_ref(),
                params_unknown: parser.params_unknown,
                fields: parser.fields.as_ref(),
                is_deleted: parser.is_deleted,
            }),
            open: self.open.as_ref().map(|open| OpenChange {
                action: open.action,
                is_waiting: open.is_waiting,
                target: target.as_ref(),
            }),
        };
        let mut diff = diff(wanted, &known);
        if self.has_failed_at(&diff) {
            let note = "the last try of this very change FAILED: `parserd show NAME` says why";
            diff.notes.push(note.to_owned());
        }
        if self.overwrites(&diff) {
            let note = "somebody else changed the parser, and the last update ended as a conflict: \
                `parserd apply` makes it as the file says, loading the file does not";
            diff.notes.push(note.to_owned());
        }
        if diff.verb == Verb::Replace && self.is_adopted_as_it_is(wanted) {
            let note = "the parser was adopted with other ones: `parserd apply` makes another, \
                loading the file does not";
            diff.notes.push(note.to_owned());
        }
        diff
    }

    /// Whether the last update was this very one, is paid for, and FAILED.
    pub fn has_failed_at(&self, diff: &Diff) -> bool {
        let failed = self.failed_change.as_deref();
        diff.changes.is_paid() && failed == Some(diff.changes.to_json().as_str())
    }

    /// Whether it would undo what somebody else did to the parser, which is told as a conflict and
    /// is a person's to decide.
    pub fn overwrites(&self, diff: &Diff) -> bool {
        let is_update = matches!(
            diff.verb,
            Verb::UpdateFree | Verb::UpdatePaid | Verb::UpdateBoth
        );
        self.has_conflict && is_update
    }

    /// Whether the job adopted its parser in spite of pages or options of this very file, which no
    /// update can bring about: what was saved by adopting is not paid without being asked for.
    pub fn is_adopted_as_it_is(&self, wanted: &JobSpec) -> bool {
        let (Some(job), Some(parser)) = (&self.job, &self.parser) else {
            return false;
        };
        let is_its_own = job.parser_id.as_ref() == Some(&parser.parser_id);
        let is_unedited = job.spec.as_ref().is_some_and(|asked| {
            asked.urls == wanted.urls && asked.scraper_params_json() == wanted.scraper_params_json()
        });
        parser.params_unknown && is_its_own && is_unedited
    }

    /// Whether the job asks for a parser as this one does, whichever it adopts.
    pub fn asks_for(&self, wanted: &JobSpec) -> bool {
        let asked = self.job.as_ref().and_then(|job| job.spec.as_ref());
        asked.is_some_and(|asked| asked.canonical_form(0) == wanted.canonical_form(0))
    }

    /// Whether the job of this name protects its parser; None where its row cannot be read.
    pub fn protect(&self) -> Option<bool> {
        self.job.as_ref()?.spec.as_ref()?.protect
    }

    /// The labels of the job of this name.
    pub fn labels(&self) -> Option<Labels> {
        self.job.as_ref()?.spec.as_ref()?.labels.clone()
    }

    /// Whether the last try to make a parser of this name FAILED.
    pub fn has_failed(&self) -> bool {
        let state = self.job.as_ref().map(|job| job.state);
        state == Some(JobState::Failed)
    }

    /// The fields once an open update is done.
    fn target(&self, open: &RecordedChange) -> Option<Value> {
        if open.target_fields.is_some() {
            return open.target_fields.clone();
        }
        let change = FieldChanges::from_json(open.change.as_deref()?).ok()?;
        change.apply(self.parser.as_ref()?.fields.as_ref()?).ok()
    }
}

/// A digest of everything that a plan says and depends on, job by job in the order of the files.
#[derive(Debug, Clone, Default)]
pub struct PlanDigest(Sha256);

impl PlanDigest {
    /// Takes in one more job.
    pub fn add(&mut self, wanted: &JobSpec, record: &Record, diff: &Diff) {
        let job = record.job.as_ref().map(|job| (job.id, job.revision));
        let parser = record.parser.as_ref();
        let parser = parser.map(|parser| (&parser.parser_id, parser.latest_version));
        let open = record.open.as_ref().map(|open| open.id);
        let line = format!(
            "{} {} {} {:?} {job:?} {parser:?} {open:?}\n",
            diff.verb,
            wanted.canonical_form(0),
            diff.changes.to_json(),
            diff.settings,
        );
        self.0.update(line);
        let settings = format!(
            "{:?} {:?} {} {:?} {:?} {:?} {:?}\n",
            wanted.expect_json(),
            wanted.check_urls_json(),
            wanted.priority,
            wanted.run_at,
            wanted.protect,
            wanted.parser_id,
            wanted.labels,
        );
        self.0.update(settings);
    }

    /// Takes in what is deleted.
    pub fn prune(&mut self, prune: &Prune) {
        for row in &prune.deleted {
            let (id, version) = (&row.parser_id, row.latest_version);
            self.0.update(format!("delete {id:?} {version:?}\n"));
        }
    }

    /// The digest.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
