//! Exit codes, and how an error becomes one.

use std::{io::Write as _, process::ExitCode};

use crate::config::ConfigError;
use crate::engine::enqueue::EnqueueError;
use crate::store::StoreError;

use crate::cli::fold;
use crate::cli::output::{OutputClosed, print_error, print_message};

/// How the program ends; CONTRACT.md fixes the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// `run --until-done` ended with jobs that became FAILED meanwhile.
    FailedJobs = 3,
    /// It ended with PARKED jobs and none that became FAILED.
    ParkedJobs = 4,
    /// `plan --exit-code` has something to do.
    SomethingToDo = 5,
    /// A job file is bad.
    BadFile = 65,
    /// Another daemon has this database.
    Locked = 75,
    /// The configuration is bad.
    BadConfig = 78,
}

/// Each code and what it means, for help and man pages.
pub(super) fn meanings() -> impl Iterator<Item = (String, &'static str)> {
    let meaning = |exit| match exit {
        Exit::Done => "done",
        Exit::Failed => "failed",
        Exit::Usage => "usage",
        Exit::FailedJobs => "run --until-done or wait ended with jobs that FAILED meanwhile",
        Exit::ParkedJobs => "it ended with PARKED jobs and none FAILED",
        Exit::SomethingToDo => "plan --exit-code has something to do",
        Exit::BadFile => "a job file is bad",
        Exit::Locked => "another daemon has this database",
        Exit::BadConfig => "the configuration is bad",
    };
    let all = [
        Exit::Done,
        Exit::Failed,
        Exit::Usage,
        Exit::FailedJobs,
        Exit::ParkedJobs,
        Exit::SomethingToDo,
        Exit::BadFile,
        Exit::Locked,
        Exit::BadConfig,
    ];
    all.into_iter()
        .map(move |exit| ((exit as u8).to_string(), meaning(exit)))
}

/// How `parserd wait` ends, for its man page.
const OF_WAIT: &[(Exit, &str)] = &[
    (
        Exit::Done,
        "all are FINISHED or CANCELLED, or were FAILED before",
    ),
    (
        Exit::Failed,
        "the time of --timeout is over, no daemon runs, there is no such job, or the database cannot be read",
    ),
    (Exit::Usage, "usage"),
    (Exit::FailedJobs, "some became FAILED meanwhile"),
    (
        Exit::ParkedJobs,
        "some are PARKED, and none became FAILED meanwhile",
    ),
    (Exit::BadConfig, "the configuration is bad"),
];

/// The codes of a command and what each means there, for its man page; none where there is nothing
/// to say but that 0 is done.
pub(super) fn meanings_of(command: &str) -> Vec<(String, &'static str)> {
    let some = |codes: &[Exit]| {
        let is_one = |code: &String| codes.iter().any(|exit| (*exit as u8).to_string() == *code);
        meanings().filter(|(code, _)| is_one(code)).collect()
    };
    use Exit::{BadConfig, BadFile, Done, Failed, FailedJobs, Locked, ParkedJobs, SomethingToDo};
    match command {
        "parserd" => meanings().collect(),
        "run" => some(&[
            Done,
            Failed,
            Exit::Usage,
            FailedJobs,
            ParkedJobs,
            BadFile,
            Locked,
            BadConfig,
        ]),
        "wait" => {
            let of_wait = OF_WAIT.iter();
            of_wait
                .map(|(exit, meaning)| ((*exit as u8).to_string(), *meaning))
                .collect()
        }
        "plan" => some(&[Done, Failed, Exit::Usage, SomethingToDo, BadFile, BadConfig]),
        "apply" | "enqueue" => some(&[Done, Failed, Exit::Usage, BadFile, BadConfig]),
        _ => Vec::new(),
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Prints what clap says of a command line, and ends the process. What is wrong is folded where
/// standard error is a terminal; help is already.
pub(super) fn with_usage(error: &clap::Error) -> ! {
    let Some(width) = fold::message_width().filter(|_| error.use_stderr()) else {
        error.exit()
    };
    let text = error.render().ansi().to_string();
    let text = fold::text(Some(width), &text, 2);
    // That nobody reads it must not hide the exit code.
    let _nobody_reads = write!(anstream::stderr(), "{text}");
    std::process::exit(error.exit_code())
}

/// A command line that clap lets through and that makes no sense anyway.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

impl Exit {
    /// The code that an error stands for.
    pub fn of(error: &anyhow::Error) -> Self {
        error
            .chain()
            .find_map(|cause| {
                if cause.is::<Usage>() {
                    Some(Self::Usage)
                } else if cause.is::<ConfigError>() {
                    Some(Self::BadConfig)
                } else if cause.is::<OutputClosed>() {
                    Some(Self::Done)
                } else if let Some(error) = cause.downcast_ref::<StoreError>() {
                    Some(Self::of_store(error))
                } else {
                    // It is transparent: what it holds is not a link of the chain.
                    match cause.downcast_ref::<EnqueueError>()? {
                        EnqueueError::Bad(_) => Some(Self::BadFile),
                        EnqueueError::Spool(_) => Some(Self::Failed),
                        EnqueueError::Store(error) => Some(Self::of_store(error)),
                    }
                }
            })
            .unwrap_or(Self::Failed)
    }

    const fn of_store(error: &StoreError) -> Self {
        match error {
            StoreError::Locked { .. } => Self::Locked,
            _ => Self::Failed,
        }
    }

    /// Tells an error on standard error, and gives its code.
    pub fn report(error: &anyhow::Error) -> Self {
        let exit = Self::of(error);
        if exit == Self::Done {
            return exit;
        }
        for line in error.to_string().lines() {
            print_error(&format!("error: {line}"));
        }
        let mut text = error.to_string();
        for cause in error.chain().skip(1).map(ToString::to_string) {
            // Many errors repeat their cause.
            if !text.contains(&cause) {
                print_error(&format!("  because: {cause}"));
                text = cause;
            }
        }
        if exit == Self::Usage {
            print_message("For more information, try '--help'.");
        }
        exit
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn an_error_has_its_code_however_deep_it_lies() {
        let locked = || StoreError::Locked {
            path: "p.db".into(),
        };
        let cases = [
            (anyhow::anyhow!("x"), 1),
            (Usage("x".to_owned()).into(), 2),
            (ConfigError::MissingKey.into(), 78),
            (locked().into(), 75),
            (EnqueueError::Store(locked()).into(), 75),
            (OutputClosed.into(), 0),
        ];
        for (error, code) in cases {
            let error = Err::<(), _>(error).context("deep").unwrap_err();
            assert_eq!(Exit::of(&error) as u8, code, "{error:#}");
        }
    }
}
