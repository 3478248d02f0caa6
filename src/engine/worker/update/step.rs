//! What a job's turn would send to change or delete a parser, by what is known of it and what is
//! shown.

use serde_json::Value;

use crate::{
    core::{
        field_changes::FieldChanges,
        job::{Job, ParserId, Part},
        lifecycle::Look,
        outcome::{Description, ErrorDetail, PollOutcome},
        sighting::{KnownVersion, ShownVersion, Sighting, compare, in_words_of},
    },
    store::{ChangeRecord, Target},
};

/// What a job's turn would send, with all that is recorded of it.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) look: Look,
    pub(super) record: ChangeRecord,
    /// What is sent: of a delete nothing.
    pub(super) change: Option<FieldChanges>,
    pub(super) is_last: bool,
    /// The parser that the service did not have.
    pub(super) missing: Option<ParserId>,
}

impl Step {
    pub(super) fn of(look: Look) -> Self {
        Self {
            look,
            record: ChangeRecord::default(),
            change: None,
            is_last: true,
            missing: None,
        }
    }

    pub(super) fn about(self, missing: ParserId) -> Self {
        Self {
            missing: Some(missing),
            ..self
        }
    }

    pub(super) fn unclear(message: impl Into<String>) -> Self {
        Self::of(Look::Unclear(said(message)))
    }
}

pub(super) fn said(message: impl Into<String>) -> ErrorDetail {
    ErrorDetail {
        status: None,
        message: message.into(),
    }
}

pub(super) fn shown_of(described: &Description) -> ShownVersion {
    let fields = described.fields.as_ref();
    let version = match &described.outcome {
        PollOutcome::Finished(finished) => described.version.or(finished.version),
        _ => described.version,
    };
    ShownVersion {
        version,
        fields: fields
            .and_then(|fields| json(fields.get()))
            .filter(Value::is_array),
    }
}

pub(super) fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

pub(super) fn delete_step(target: Target, shown: &ShownVersion) -> Step {
    let record = ChangeRecord {
        base_version: shown.version.or(target.latest_version),
        latest_version: shown.version.or(target.latest_version),
        ..ChangeRecord::default()
    };
    Step {
        look: Look::Ready {
            part: Part::Delete,
            parser_id: target.parser_id,
            version: record.base_version,
        },
        record,
        change: None,
        is_last: true,
        missing: None,
    }
}

const NO_VERSION: &str = "neither the parser nor the account's list names its version, on which a \
    change is based";

/// What is left of an update.
struct Rest {
    /// The next request.
    part: Part,
    now: FieldChanges,
    is_last: bool,
    /// The fields once that took effect, where those before are known, and once all did; or why
    /// it does not fit.
    after_now: Result<Option<Value>, String>,
    after_all: Option<Value>,
}

impl Rest {
    /// None where nothing is left.
    fn of(job: &Job, changes: &FieldChanges, before: Option<&Value>) -> Option<Self> {
        let free_is_done = job.progress.part == Some(Part::Paid);
        let (part, now) = match (changes.free_part(), changes.paid_part()) {
            (Some(free), _) if !free_is_done => (Part::Free, free),
            (_, Some(paid)) => (Part::Paid, paid),
            (Some(free), None) => (Part::Free, free),
            (None, None) => return None,
        };
        let after = |changes: &FieldChanges| {
            let after = before.map(|before| changes.apply(before));
            after
                .transpose()
                .map_err(|error| format!("the change does not fit: {error}"))
        };
        let all = if free_is_done { &now } else { changes };
        Some(Self {
            part,
            after_now: after(&now),
            after_all: after(all).ok().flatten(),
            is_last: part == Part::Paid || !changes.is_paid(),
            now,
        })
    }
}

/// What is left to send of an update, by what is known and what is shown.
///
/// # Errors
/// Why it cannot be sent.
pub(super) fn update_step(
    job: &Job,
    changes: &FieldChanges,
    target: Target,
    shown: ShownVersion,
) -> Result<Step, String> {
    let known = KnownVersion {
        latest: target.latest_version,
        fields: target.fields.as_deref().and_then(json),
    };
    // What is known counts; where it is not, what is shown.
    let before = known.fields.as_ref().or(shown.fields.as_ref());
    let rest = Rest::of(job, changes, before).ok_or("change is empty")?;
    let parser_id = target.parser_id;
    let text = |fields: Option<&Value>| fields.map(Value::to_string);
    let target_fields = text(rest.after_all.as_ref());
    match compare(&known, rest.after_all.as_ref(), &shown) {
        // It is so already: there is nothing to change.
        Sighting::Unchanged(version)
            if rest.after_all.is_some() && rest.after_all == known.fields =>
        {
            Ok(done(parser_id, version.or(known.latest), target_fields))
        }
        Sighting::Unchanged(version) => {
            let latest_version = version.or(known.latest);
            let base_version = target.applied_version.or(latest_version);
            let record = ChangeRecord {
                base_version,
                latest_version,
                change: Some(rest.now.to_json()),
                fields: text(rest.after_now?.as_ref()),
                target_fields,
            };
            if base_version.is_none() {
                return Ok(Step::unclear(NO_VERSION));
            }
            let look = Look::Ready {
                part: rest.part,
                parser_id,
                version: base_version,
            };
            Ok(Step {
                record,
                change: Some(rest.now),
                is_last: rest.is_last,
                ..Step::of(look)
            })
        }
        Sighting::AsWanted(version) => Ok(done(parser_id, version, target_fields)),
        Sighting::Otherwise(why) => Ok(Step {
            record: ChangeRecord {
                fields: text(as_known(&known, &shown).as_ref()),
                ..ChangeRecord::default()
            },
            ..Step::of(Look::Conflict {
                why,
                parser_id,
                version: shown.version,
            })
        }),
        Sighting::Unclear(why) => Ok(Step::unclear(why)),
    }
}

/// Nothing is left to send.
fn done(parser_id: ParserId, version: Option<i64>, target_fields: Option<String>) -> Step {
    Step {
        record: ChangeRecord {
            target_fields,
            ..ChangeRecord::default()
        },
        ..Step::of(Look::Done { parser_id, version })
    }
}

/// The fields that are shown, in the words of those that are known.
fn as_known(known: &KnownVersion, shown: &ShownVersion) -> Option<Value> {
    match (&shown.fields, &known.fields) {
        (Some(shown), Some(known)) => Some(in_words_of(shown, known)),
        (shown, _) => shown.clone(),
    }
}
