//! No name for two different jobs within a file.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use sha2::{Digest, Sha256};

use super::{BadJob, Located, Repeat};
use crate::core::spec::JobSpec;

/// The names of a file so far. It keeps a digest of each job, not the job, so that a
/// file of a million lines can be checked on its way through.
#[derive(Debug, Default)]
pub struct SeenNames(HashMap<String, (usize, [u8; 16])>);

/// What the names so far say of one more job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameCheck {
    /// No job of that name so far.
    New,
    /// The very same job: to be left out.
    Repeat(Repeat),
    /// Another job of that name: the file is bad.
    Conflict(BadJob),
}

impl SeenNames {
    /// Notes a job's name, and says whether it is new.
    pub fn admit(&mut self, job: &Located<JobSpec>) -> NameCheck {
        let digest = digest(&job.value);
        match self.0.entry(job.value.name.clone()) {
            Entry::Vacant(vacant) => {
                vacant.insert((job.line, digest));
                NameCheck::New
            }
            Entry::Occupied(first) => {
                let (first_line, first_digest) = *first.get();
                let name = job.value.name.clone();
                if first_digest == digest {
                    NameCheck::Repeat(Repeat {
                        name,
                        line: job.line,
                        first_line,
                    })
                } else {
                    NameCheck::Conflict(BadJob {
                        line: Some(job.line),
                        name: Some(name),
                        reason: format!(
                            "line {first_line} holds a different job of this name: give one of them another name"
                        ),
                    })
                }
            }
        }
    }
}

fn digest(spec: &JobSpec) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(spec.canonical_form(0));
    hash.update(format!("{} {:?}", spec.priority, spec.run_at));
    hash.update(format!(
        "{:?} {:?}",
        spec.expect_json(),
        spec.check_urls_json()
    ));
    hash.update(format!(
        "{:?} {:?} {:?} {:?}",
        spec.protect, spec.parser_id, spec.was, spec.labels
    ));
    let mut digest = [0; 16];
    digest.copy_from_slice(&hash.finalize()[..16]);
    digest
}
