//! A job: what it is called, where it stands, and what is known of its parser.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since the Unix epoch, UTC.
pub type UnixMs = i64;

/// A span of time in milliseconds.
pub type DurationMs = i64;

/// The row id of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub i64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The service's id of a parser: an opaque string, not necessarily a UUID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ParserId(pub String);

impl fmt::Display for ParserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Defines an enum whose variants are stored and shown under fixed names.
macro_rules! named_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$vmeta])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name under which the value is stored and shown.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::core::job::UnknownName;

            fn from_str(text: &str) -> Result<Self, $crate::core::job::UnknownName> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err($crate::core::job::UnknownName {
                        what: stringify!($name),
                        found: other.to_owned(),
                        known: &[$($text),+],
                    }),
                }
            }
        }
    };
}
pub(crate) use named_enum;

/// A name that stands for no value of an enum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {found:?} is not one of {}", known.join(", "))]
pub struct UnknownName {
    /// The enum that was asked for.
    pub what: &'static str,
    /// The text found instead.
    pub found: String,
    /// The texts that would have done.
    pub known: &'static [&'static str],
}

named_enum! {
    /// Where a job stands. Each variant says who moves it on.
    JobState {
        /// Waits for its turn, its `due_at` and an open gate; a worker moves it on.
        Queued = "QUEUED",
        /// A create was committed to the database and may have been sent. The
        /// worker that sent it moves it on; after a crash or a lost answer,
        /// reconciliation does.
        Creating = "CREATING",
        /// The service has the parser and works on it; polling moves it on.
        Generating = "GENERATING",
        /// Held back for the reason in `park_reason`; the gate's canary, a new
        /// budget or an operator moves it on.
        Parked = "PARKED",
        /// The parser is ready. Terminal.
        Finished = "FINISHED",
        /// It came to nothing, `error_kind` says why. Only an operator moves it on.
        Failed = "FAILED",
        /// An operator called it off. Terminal.
        Cancelled = "CANCELLED",
    }
}

impl JobState {
    /// Whether parserd is done with a job in this state.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Finished | Self::Failed | Self::Cancelled => true,
            Self::Queued | Self::Creating | Self::Generating | Self::Parked => false,
        }
    }

    /// Whether a job in this state waits for more to happen, and goes on by itself.
    pub const fn is_open(self) -> bool {
        !self.is_terminal() && !matches!(self, Self::Parked)
    }
}

named_enum! {
    /// What a job does.
    Action {
        /// It makes a parser, or adopts one.
        Create = "create",
        /// It changes the fields of a parser that is there.
        Update = "update",
        /// It deletes a parser.
        Delete = "delete",
    }
}

named_enum! {
    /// A request of an update or a delete. An update of both kinds sends the free one first.
    Part {
        /// Renames and removals of fields, which cost nothing and take effect at once.
        Free = "free",
        /// Additions and changes of fields, which cost what a create does and are generated.
        Paid = "paid",
        /// The parser is deleted, which costs nothing.
        Delete = "delete",
    }
}

named_enum! {
    /// Why a job is PARKED.
    ParkReason {
        /// The service answered 402 or 403: credits are exhausted.
        Credits = "credits",
        /// The service answered 401: the key is wrong.
        Unauthorized = "unauthorized",
        /// The configured budget would be exceeded.
        Budget = "budget",
        /// A create is in doubt in a way that only a person can settle.
        Ambiguous = "ambiguous",
    }
}

named_enum! {
    /// Why a job FAILED.
    ErrorKind {
        /// The service, or the database's own rules, refused the job as it is.
        BadRequest = "bad_request",
        /// The parser is gone from the account.
        NotFound = "not_found",
        /// Every attempt ended in an error of the service that made nothing.
        ServerError = "server_error",
        /// The service gave the generation up.
        GenerationFailed = "generation_failed",
        /// The generation took longer than `poll.timeout`.
        GenerationTimeout = "generation_timeout",
        /// The service said something that has no meaning here.
        UnexpectedResponse = "unexpected_response",
        /// The account holds this parser already and `create.on_existing` is `fail`.
        ExistingParser = "existing_parser",
        /// The parser is ready and of no use, and `quality.gate` is `fail`.
        PoorResult = "poor_result",
        /// Its example pages show that a create cannot work: none was sent.
        PreflightFailed = "preflight_failed",
    }
}

impl ErrorKind {
    /// Whether the specification of a job that FAILED for it is fixed as long as it has a parser,
    /// which may still come to be what was asked for.
    pub const fn fixes_spec(self) -> bool {
        match self {
            Self::GenerationTimeout | Self::UnexpectedResponse => true,
            Self::BadRequest
            | Self::NotFound
            | Self::ServerError
            | Self::GenerationFailed
            | Self::ExistingParser
            | Self::PoorResult
            | Self::PreflightFailed => false,
        }
    }

    /// Whether the parser of a job that FAILED for it, where it has one, may still finish: a retry
    /// polls it again, and pays nothing.
    pub const fn parser_may_finish(self) -> bool {
        match self {
            Self::GenerationTimeout | Self::UnexpectedResponse | Self::PoorResult => true,
            Self::BadRequest
            | Self::NotFound
            | Self::ServerError
            | Self::GenerationFailed
            | Self::ExistingParser
            | Self::PreflightFailed => false,
        }
    }
}

named_enum! {
    /// Why it is not known whether a create made a parser.
    DoubtCause {
        /// The service itself answered 500; `reconcile.settle_after_error` is the settling
        /// time where its lists are quick.
        ServiceError = "service_error",
        /// The request was sent and its answer was lost; `reconcile.settle` is the settling time.
        AnswerLost = "answer_lost",
        /// parserd stopped between the intent and the answer; settles as a lost answer does.
        Interrupted = "interrupted",
    }
}

/// A request whose outcome is not known, and what has been seen of it since: of a create in lists,
/// of an update in the parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    /// From when on a list says something about it.
    pub since: UnixMs,
    /// What brought it about.
    pub cause: DoubtCause,
    /// When the first trusted list without it was asked for.
    pub absent_since: Option<UnixMs>,
    /// How many trusted lists in a row lacked it.
    pub absent_lists: i64,
    /// When the first list that could not be trusted was asked for: since then no whole settling
    /// time of trusted ones has passed.
    pub untrusted_since: Option<UnixMs>,
}

impl Doubt {
    /// The same, with nothing that a list has shown yet.
    #[must_use]
    pub const fn anew(self) -> Self {
        Self {
            untrusted_since: None,
            ..self.without_absences()
        }
    }

    /// The same, after an answer that could not be trusted: those before it may not have been worth
    /// more.
    #[must_use]
    pub const fn without_absences(self) -> Self {
        Self {
            absent_since: None,
            absent_lists: 0,
            ..self
        }
    }

    /// The same doubt, with `ms` that passed and do not count.
    #[must_use]
    pub fn skipping(self, ms: DurationMs) -> Self {
        let later = |at: UnixMs| at.saturating_add(ms);
        Self {
            absent_since: self.absent_since.map(later),
            untrusted_since: self.untrusted_since.map(later),
            ..self
        }
    }

    /// A doubt that begins now.
    pub const fn new(cause: DoubtCause, now: UnixMs) -> Self {
        Self {
            since: now,
            cause,
            absent_since: None,
            absent_lists: 0,
            untrusted_since: None,
        }
    }
}

/// Everything of a job that parserd itself moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Where the job stands.
    pub state: JobState,
    /// Why it is PARKED, and nothing in any other state.
    pub park_reason: Option<ParkReason>,
    /// When somebody should look at it again.
    pub due_at: UnixMs,
    /// The name last sent to, or adopted from, the service.
    pub remote_name: Option<String>,
    /// Raised each time a new parser is wanted in spite of an older one.
    pub recreation: i64,
    /// The service's id of the parser; of a QUEUED job, of the one that it had before.
    pub parser_id: Option<ParserId>,
    /// Its version; 0 is a real one. Of an update the one that is changed, and then the new one.
    pub parser_version: Option<i64>,
    /// When parserd learnt that the service has the parser; its age counts from here.
    pub generating_since: Option<UnixMs>,
    /// The service's own `generated_at`.
    pub generated_at: Option<UnixMs>,
    /// Create requests sent.
    pub creates: i64,
    /// Creates that reached the service and made nothing.
    pub attempts: i64,
    /// Creates in a row that were held up: never connected, throttled, or asked to come later.
    /// In doubt, the last one was.
    pub holds: i64,
    /// Polls that brought no end, since the generation began.
    pub polls: i64,
    /// Polls in a row that brought no news at all.
    pub poll_errors: i64,
    /// Trusted lists in a row without the parser, after a poll was answered 404.
    pub missing_lists: i64,
    /// Of an update or a delete: the request that is the next one or under way; none before the
    /// first look.
    pub part: Option<Part>,
    /// The request in doubt, if there is one.
    pub doubt: Option<Doubt>,
    /// Of a job that is PARKED as ambiguous: the parsers that may be its own.
    pub candidates: Vec<ParserId>,
    /// Parsers of which a person said that they are not this job's.
    pub dismissed: Vec<ParserId>,
    /// What was last foreseen of a create, JSON: [`crate::core::preflight::Record`].
    pub preflight: Option<String>,
    /// The `scraper_params` that are sent in place of the job's own, JSON.
    pub effective_params: Option<String>,
    /// How many creates the ladder has asked for, since a person last had the job tried again after
    /// it FAILED or changed it. Above 0 the next create, or the one under way, is the ladder's.
    pub climbs: i64,
    /// Why the job FAILED.
    pub error_kind: Option<ErrorKind>,
    /// The HTTP status of the last error.
    pub error_status: Option<u16>,
    /// The last error in the service's or the transport's words.
    pub error_message: Option<String>,
    /// What a person can do about it.
    pub error_hint: Option<String>,
    /// When the job reached a terminal state.
    pub finished_at: Option<UnixMs>,
}

impl Progress {
    /// How a job starts.
    pub const fn queued(due_at: UnixMs) -> Self {
        Self {
            state: JobState::Queued,
            park_reason: None,
            due_at,
            remote_name: None,
            recreation: 0,
            parser_id: None,
            parser_version: None,
            generating_since: None,
            generated_at: None,
            creates: 0,
            attempts: 0,
            holds: 0,
            polls: 0,
            poll_errors: 0,
            missing_lists: 0,
            part: None,
            doubt: None,
            candidates: Vec::new(),
            dismissed: Vec::new(),
            preflight: None,
            effective_params: None,
            climbs: 0,
            error_kind: None,
            error_status: None,
            error_message: None,
            error_hint: None,
            finished_at: None,
        }
    }
}

/// What an operator said of a job by SQL, and nobody has taken in yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Requested {
    /// It is to be tried again.
    pub retry: bool,
    /// Its specification is another one.
    pub edit: bool,
}

impl Requested {
    /// Whether there is anything to take in.
    pub const fn any(self) -> bool {
        self.retry || self.edit
    }
}

impl Job {
    /// Whether it is there to adopt the parser that it names, and to pay for none.
    pub const fn is_adoption(&self) -> bool {
        let progress = &self.progress;
        matches!(self.action, Action::Create)
            && progress.parser_id.is_some()
            && progress.remote_name.is_none()
            && progress.creates == 0
    }
}

/// A job as the workers handle it. What is wanted of the service is its
/// specification, which is read only where it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its row id.
    pub id: JobId,
    /// The user's own name for it; of an update or a delete the name of the parser.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// Counts every change; a change is stored only on the revision it was decided for.
    pub revision: i64,
    /// Not before this time, where a person wrote one.
    pub run_at: Option<UnixMs>,
    /// What was said of it by SQL and is to be taken in first.
    pub requested: Requested,
    /// Where it stands.
    pub progress: Progress,
}
