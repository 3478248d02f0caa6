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
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err(UnknownName {
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
#[error("{what}: {found:?} is none of {}", known.join(", "))]
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
    }
}
