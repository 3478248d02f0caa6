//! What happens to a job, as its history keeps it: the log, the command line and the page tell it
//! from here.

pub mod general;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use super::{
    job::{
        DoubtCause, DurationMs, ErrorKind, JobState, ParkReason, ParserId, Part, UnixMs, named_enum,
    },
    outcome::ErrorDetail,
    preflight::Foreseen,
    quality::{Judgement, Quality},
};

named_enum! {
    /// Why a parser is the job's that no answer to its create named.
    AdoptedFrom {
        /// The account held it already.
        List = "list",
        /// A list showed it while the create was in doubt.
        Reconciliation = "reconciliation",
        /// An operator said so.
        Operator = "operator",
    }
}

named_enum! {
    /// Who says what became of a request in doubt.
    ToldBy {
        /// An operator.
        Operator = "operator",
    }
}

named_enum! {
    /// Why a create is in doubt.
    InDoubtCause {
        /// As [`DoubtCause::ServiceError`].
        ServiceError = "service_error",
        /// As [`DoubtCause::AnswerLost`].
        AnswerLost = "answer_lost",
        /// As [`DoubtCause::Interrupted`].
        Interrupted = "interrupted",
        /// It is another job's, which needs it no more: this one settles it.
        Others = "a create of this name, of a job since cancelled, is in doubt",
    }
}

/// Every event's name, of jobs and of none, in alphabetical order.
pub const EVENT_NAMES: &[&str] = &[
    "adopted",
    "awaits_examples",
    "batch_done",
    "budget_80",
    "budget_reset",
    "cancelled",
    "change_made",
    "changed",
    "changing",
    "created",
    "creating",
    "deleted",
    "escalated",
    "failed",
    "finished",
    "foreseen",
    "gate_closed",
    "gate_opened",
    "in_doubt",
    "judged",
    "not_made",
    "not_sent",
    "parked",
    "pinned",
    "queued",
    "requeued",
    "throttled",
    "unknown_status",
    "unparked",
    "waiting",
    "worse",
];

impl From<DoubtCause> for InDoubtCause {
    fn from(cause: DoubtCause) -> Self {
        match cause {
            DoubtCause::ServiceError => Self::ServiceError,
            DoubtCause::AnswerLost => Self::AnswerLost,
            DoubtCause::Interrupted => Self::Interrupted,
        }
    }
}

/// An answer that an event tells of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Answer {
    /// Its HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// In the words of the service, of the transport or of parserd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Where a job stood when an operator said something of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// `operator`.
    #[serde(default)]
    pub by: String,
    /// Its state.
    pub from: JobState,
    /// Why it was PARKED.
    #[serde(default)]
    pub park_reason: Option<ParkReason>,
    /// Why it FAILED.
    #[serde(default)]
    pub error_kind: Option<ErrorKind>,
    /// Its parser.
    #[serde(default)]
    pub parser_id: Option<ParserId>,
}

/// A line of a job's history. The database keeps the name of the variant in `event` and what it
/// holds as a JSON object in `detail`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", content = "detail", rename_all = "snake_case")]
pub enum JobEvent {
    /// It was inserted.
    Queued {},
    /// A create is about to be sent.
    Creating {
        /// Under this name.
        remote_name: String,
        /// Counted from 1, of those that reach the service.
        attempt: i64,
    },
    /// The create was answered with a parser.
    Created {
        /// Its id.
        parser_id: ParserId,
        /// Its version, where the answer named it.
        #[serde(default)]
        version: Option<i64>,
    },
    /// A parser was found to be the job's.
    Adopted {
        /// Its id.
        parser_id: ParserId,
        /// How that is known.
        from: AdoptedFrom,
        /// Its version, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<i64>,
        /// The name that was sent for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remote_name: Option<String>,
        /// The id that the create was answered with, which is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instead_of: Option<ParserId>,
    },
    /// A request that changes or deletes the parser is about to be sent.
    Changing {
        /// Which one.
        part: Part,
        /// Based on this version, where it is known.
        #[serde(default)]
        version: Option<i64>,
        /// Counted from 1, of those that reach the service.
        attempt: i64,
    },
    /// Such a request took effect, or what it was to bring about is there already.
    ChangeMade {
        /// Which one.
        part: Part,
        /// The version that it made, where it is known.
        #[serde(default)]
        version: Option<i64>,
        /// Who says so; an answer or a look at the parser, where nobody does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<ToldBy>,
    },
    /// The parser is deleted.
    Deleted {
        /// Who says so; an answer, where nobody does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<ToldBy>,
    },
    /// The new version is worth less than the one before, which stays in use; or the new parser.
    Worse {
        /// The new version.
        #[serde(default)]
        version: Option<i64>,
        /// Why, in a sentence.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The parser that the name goes on to stand for, where the version is that of another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stays: Option<ParserId>,
    },
    /// What its example pages showed of a create that is to be sent.
    Foreseen(Foreseen),
    /// An operator chose the version to use.
    Pinned {
        /// It.
        version: i64,
        /// The one that was used before, where one was known.
        #[serde(default)]
        from: Option<i64>,
    },
    /// Nobody knows whether a request made or changed a parser.
    InDoubt {
        /// Why.
        #[serde(default)]
        cause: Option<InDoubtCause>,
        /// The answer, if there was one.
        #[serde(flatten)]
        answer: Answer,
        /// How long the service asked to wait.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<DurationMs>,
    },
    /// A request in doubt made nothing.
    NotMade {
        /// Who says so; lists, where nobody does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<ToldBy>,
        /// How many creates reached the service and made nothing so far.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempts: Option<i64>,
        /// How many trusted lists lacked it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trusted_lists: Option<i64>,
    },
    /// No connection was made for a create.
    NotSent(Answer),
    /// The service asked to come back later.
    Throttled {
        /// Its answer.
        #[serde(flatten)]
        answer: Answer,
        /// How long it asked to wait.
        #[serde(default)]
        retry_after_ms: Option<DurationMs>,
    },
    /// It waits for a proof before it may create.
    Waiting(Answer),
    /// It is held back.
    Parked {
        /// For this.
        park_reason: ParkReason,
        /// The answer that it met.
        #[serde(flatten)]
        answer: Answer,
        /// Why only a person can tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
        /// The parsers that may be its own.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        candidates: Vec<ParserId>,
    },
    /// It is held back no longer.
    Unparked {
        /// For what it was.
        #[serde(default)]
        park_reason: Option<ParkReason>,
    },
    /// An operator had it tried again.
    Requeued(Standing),
    /// An operator called it off.
    Cancelled(Standing),
    /// An operator changed its specification.
    Changed {
        /// `operator`.
        #[serde(default)]
        by: String,
        /// The columns as they were.
        #[serde(default)]
        old: Value,
        /// Which of them differ now; none in the history of a version that did not record that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        columns: Option<Vec<String>>,
    },
    /// The service told of its parser in a word that parserd does not know.
    UnknownStatus(Answer),
    /// Its parser is ready and came without examples: it is asked for once more.
    AwaitsExamples {
        /// What was missing.
        #[serde(default)]
        why: Option<String>,
    },
    /// Its parser is ready.
    Finished {
        /// The parser's version.
        #[serde(default)]
        version: Option<i64>,
        /// When the service generated it.
        #[serde(default)]
        generated_at: Option<UnixMs>,
        /// Why no example results are kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        no_examples: Option<String>,
    },
    /// What its parser found was judged.
    Judged {
        /// What the parser is worth.
        quality: Quality,
        /// Why, in a sentence; none where all is well.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Its job is FAILED for it, and the event `failed` says so.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        fails: bool,
    },
    /// Its generation FAILED, and another create is to be sent with the parameters that the error
    /// calls for.
    Escalated {
        /// The `scraper_params` that were sent.
        from: Value,
        /// Those that are to be sent.
        to: Value,
        /// The service's error text.
        why: String,
        /// What the create is taken to cost.
        credits: i64,
    },
    /// It came to nothing.
    Failed {
        /// Why.
        error_kind: ErrorKind,
        /// The answer that ended it.
        #[serde(flatten)]
        answer: Answer,
    },
}

impl JobEvent {
    /// A create in doubt, without an answer.
    pub fn in_doubt(cause: InDoubtCause) -> Self {
        Self::InDoubt {
            cause: Some(cause),
            answer: Answer::default(),
            retry_after_ms: None,
        }
    }

    /// What a parser found was judged, and whether its job is FAILED for it.
    pub fn judged(judgement: &Judgement, fails: bool) -> Self {
        Self::Judged {
            quality: judgement.quality,
            reason: judgement.reason.clone(),
            fails,
        }
    }

    /// PARKED for what passes by itself or by an operator's means.
    pub const fn parked(park_reason: ParkReason, answer: Answer) -> Self {
        Self::Parked {
            park_reason,
            answer,
            why: None,
            candidates: Vec::new(),
        }
    }

    /// What happened, in one word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Queued {} => "queued",
            Self::Creating { .. } => "creating",
            Self::Created { .. } => "created",
            Self::Adopted { .. } => "adopted",
            Self::Changing { .. } => "changing",
            Self::ChangeMade { .. } => "change_made",
            Self::Deleted { .. } => "deleted",
            Self::Worse { .. } => "worse",
            Self::Foreseen(_) => "foreseen",
            Self::Pinned { .. } => "pinned",
            Self::InDoubt { .. } => "in_doubt",
            Self::NotMade { .. } => "not_made",
            Self::NotSent(_) => "not_sent",
            Self::Throttled { .. } => "throttled",
            Self::Waiting(_) => "waiting",
            Self::Parked { .. } => "parked",
            Self::Unparked { .. } => "unparked",
            Self::Requeued(_) => "requeued",
            Self::Cancelled(_) => "cancelled",
            Self::Changed { .. } => "changed",
            Self::UnknownStatus(_) => "unknown_status",
            Self::AwaitsExamples { .. } => "awaits_examples",
            Self::Finished { .. } => "finished",
            Self::Judged { .. } => "judged",
            Self::Escalated { .. } => "escalated",
            Self::Failed { .. } => "failed",
        }
    }

    /// As the database keeps it: the name, and the rest as a JSON object.
    pub fn to_columns(&self) -> (&'static str, Value) {
        (self.name(), json!(self)["detail"].take())
    }

    /// The event of these columns; none where another version or program wrote it and this one
    /// cannot read it.
    pub fn from_columns(event: &str, detail: &RawValue) -> Option<Self> {
        let detail: Value = serde_json::from_str(detail.get()).ok()?;
        serde_json::from_value(json!({ "event": event, "detail": detail })).ok()
    }

    /// The HTTP status of the answer that it tells of.
    pub fn http_status(&self) -> Option<u16> {
        self.answer()?.http_status
    }

    /// Why it happened, in the words of whoever knows: what only a person can tell, else the answer.
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::Parked { why: Some(why), .. } => Some(why),
            _ => self.answer()?.message.as_deref(),
        }
    }

    /// The answer that it tells of.
    const fn answer(&self) -> Option<&Answer> {
        match self {
            Self::InDoubt { answer, .. }
            | Self::NotSent(answer)
            | Self::Throttled { answer, .. }
            | Self::Waiting(answer)
            | Self::Parked { answer, .. }
            | Self::UnknownStatus(answer)
            | Self::Failed { answer, .. } => Some(answer),
            Self::Queued {}
            | Self::Creating { .. }
            | Self::Created { .. }
            | Self::Adopted { .. }
            | Self::Changing { .. }
            | Self::ChangeMade { .. }
            | Self::Deleted { .. }
            | Self::Worse { .. }
            | Self::Foreseen(_)
            | Self::Pinned { .. }
            | Self::NotMade { .. }
            | Self::Unparked { .. }
            | Self::Requeued(_)
            | Self::Cancelled(_)
            | Self::Changed { .. }
            | Self::AwaitsExamples { .. }
            | Self::Finished { .. }
            | Self::Judged { .. }
            | Self::Escalated { .. } => None,
        }
    }
}

impl From<&ErrorDetail> for Answer {
    fn from(words: &ErrorDetail) -> Self {
        Self {
            http_status: words.status,
            message: Some(words.message.clone()),
        }
    }
}

impl Answer {
    /// Words that no answer of the service stands behind.
    pub fn said(message: impl Into<String>) -> Self {
        Self {
            http_status: None,
            message: Some(message.into()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
