//! What is wrong with a configuration.

use std::path::PathBuf;

/// What is wrong with the configuration, and what to write instead.
///
/// No message repeats the value of `api.key`, nor any other secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A key that parserd does not know, and that is like one of its own.
    #[error("unknown key {key} in {origin}; did you mean {nearest}?")]
    UnknownKey {
        /// The dotted name found.
        key: String,
        /// The file with its line, the environment variable, or the command line.
        origin: String,
        /// The known name that is most like it.
        nearest: &'static str,
    },
    /// A key that is like none that parserd knows.
    #[error(
        "unknown key {key} in {origin}; the nearest known one is {nearest}, and \
         config/parserd.toml lists all keys (the package has it at /etc/parserd/parserd.toml)"
    )]
    ForeignKey {
        /// The dotted name found.
        key: String,
        /// The file with its line, the environment variable, or the command line.
        origin: String,
        /// The known name that differs least.
        nearest: &'static str,
    },
    /// A key whose value will not do.
    #[error("{key} ({origin}): {problem}; write {cure}")]
    Invalid {
        /// The dotted name.
        key: String,
        /// The file with its line, the environment variable, or the command line.
        origin: String,
        /// What is wrong with the value.
        problem: String,
        /// What would do.
        cure: String,
    },
    /// A configuration file that cannot be read.
    #[error("cannot read the configuration file {}: {reason}; {cure}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
        /// What to do about it.
        cure: &'static str,
    },
    /// A configuration file that is not TOML.
    #[error("{} line {line}, column {column}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What the parser said.
        message: String,
    },
    /// The process itself cannot be asked for what the configuration needs.
    #[error("{0}")]
    Process(String),
    /// There is no API key.
    #[error(
        "no API key: set PARSERD__API__KEY, or api.key_file to a file with mode 0600 (under \
         systemd: see docs/src/systemd.md)"
    )]
    MissingKey,
    /// The page is to act, and nobody could be asked for a token.
    #[error(
        "http.token_file is missing, and http.actions is true: name a file that holds a token \
         of 16 characters or more (`openssl rand -hex 24`, mode 0600), or give the systemd unit \
         LoadCredential=http_token:/path/to/file"
    )]
    MissingToken,
    /// Notices are to be sent, and there is nothing to sign them by.
    #[error(
        "notify.secret_file is missing, and notify.url is set: name a file that holds the secret \
         that the receiver verifies by (`echo whsec_$(openssl rand -base64 32)`, mode 0600), or \
         give the systemd unit LoadCredential=notify_secret:/path/to/file"
    )]
    MissingNotifySecret,
    /// More than one of these, each on a line of its own.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<ConfigError>),
}

impl ConfigError {
    /// One error out of many; None out of none.
    pub(super) fn from_many(mut errors: Vec<Self>) -> Option<Self> {
        match errors.len() {
            0 | 1 => errors.pop(),
            _ => Some(Self::Several(errors)),
        }
    }

    /// Each single error.
    pub fn each(&self) -> &[Self] {
        match self {
            Self::Several(errors) => errors,
            one => std::slice::from_ref(one),
        }
    }
}

/// What is wrong with one value, before it is known where it came from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadValue {
    pub problem: String,
    pub cure: String,
}

impl BadValue {
    pub fn new(problem: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            cure: cure.into(),
        }
    }

    pub fn at(self, key: &str, origin: impl Into<String>) -> ConfigError {
        ConfigError::Invalid {
            key: key.to_owned(),
            origin: origin.into(),
            problem: self.problem,
            cure: self.cure,
        }
    }
}
