//! `parserd resolve`: an operator's word on a create in doubt.

use super::output::{quoted, say};
use super::{Exit, Usage, show::unknown};
use crate::api::text::escaped;
use crate::clock::Clock;
use crate::config::Settings;
use crate::job::{Job, JobId, JobState};
use crate::operator::{self, Settled, Word};
use crate::store::{Role, Store, StoreError};
use crate::wiring;

/// Settles a create of which it is not known whether it made a parser.
#[derive(Debug, clap::Args)]
pub struct ResolveArgs {
    /// The job's id, or its name
    #[arg(value_name = "ID-or-NAME")]
    job: String,

    #[command(flatten)]
    word: WordArgs,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct WordArgs {
    /// This parser of the account is the job's: poll it, pay nothing
    #[arg(long, value_name = "PARSER_ID")]
    adopt: Option<String>,

    /// The create made nothing: send another, which is paid for
    #[arg(long)]
    not_created: bool,
}

pub(super) async fn resolve(settings: &Settings, args: ResolveArgs) -> anyhow::Result<Exit> {
    let word = match args.word.adopt.as_deref().map(operator::parser_id) {
        None => Word::NotCreated,
        Some(Some(parser)) => Word::Adopt(parser),
        Some(None) => {
            let usage = "--adopt takes a parser's id, as the service writes it";
            return Err(Usage(usage.to_owned()).into());
        }
    };
    let store = Store::open(settings.database_path(), Role::Reader).await?;
    let found = store.find(&args.job).await?;
    let exit = match found {
        Some(id) => settle(settings, &store, id, &word).await?,
        None => {
            say(&unknown(&args.job));
            Exit::Failed
        }
    };
    store.close().await;
    Ok(exit)
}

async fn settle(
    settings: &Settings,
    store: &Store,
    id: JobId,
    word: &Word,
) -> Result<Exit, StoreError> {
    let policy = wiring::policy(settings);
    match operator::settle(store, &policy, id, word, Clock::system().now()).await? {
        Settled::Done(job) => {
            say(&done(&job, word));
            return Ok(Exit::Done);
        }
        Settled::HeldByAnother(parser) => say(&format!(
            "error: another job holds parser {}: `parserd jobs` shows which",
            escaped(&parser.0)
        )),
        Settled::Refused(job, why) => refuse(&job, why),
        Settled::Busy => say(&format!(
            "error: job {id} is being changed by parserd right now, nothing was done: \
             see `parserd show {id}`, and try again"
        )),
    }
    Ok(Exit::Failed)
}

fn refuse(job: &Job, why: &str) {
    let id = job.id;
    let more = match job.progress.state {
        JobState::Creating => {
            "its create is under way, or was cut off; a running parserd finds out which".to_owned()
        }
        _ => format!("there is nothing to settle, see `parserd show {id}`"),
    };
    say(&format!(
        "error: job {id} {} is {}: {why}; {more}",
        quoted(&job.name),
        job.progress.state
    ));
}

fn done(job: &Job, word: &Word) -> String {
    let id = job.id;
    match word {
        Word::Adopt(parser) => format!(
            "job {id} took parser {}: it is polled, and nothing more is paid",
            escaped(&parser.0)
        ),
        Word::NotCreated => format!("job {id} is queued again: its next create is paid for"),
    }
}
